"""Where the camera stands and what it sees. Imports recipe, seeds, numpy and this stage's own modules.

A place is a few numbers in [0, 1), each the share of one of the recipe's ranges; the paths differ in how they come by
them, and everything after is the same: a place becomes a camera, and one that `camera_fault` refuses is moved.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from .. import recipe as recipes
from ..seeds import generator
from .draws import SENSOR_MM, Box, CameraDraw, SceneFacts, TargetFacts, Vector
from .sequence import point

Floats = npt.NDArray[np.float64]

CANDIDATES = 24
"""How many cameras one attempt tries for one that passes `camera_fault`; it costs microseconds, a render seconds."""
AIM_MARGIN = 0.9
"""The aimed target's centre stays within this part of the picture's inner circle."""
AZIMUTH, HEIGHT, DISTANCE, FOCAL, SENSOR, ROLL, ASIDE, ASIDE_ANGLE, FSTOP = range(9)
"""What the numbers of a place are for. The first four are spread evenly over the frames (sequence.point)."""
VISIT = 4
"""A camera that is carried goes to so many places around one target before it turns to the next."""
STEEPEST = 0.6
"""From eye level it looks at a target from at least this many times as far aside as over or under it."""
SHAKE_FRAMES = 3
"""Frames over which shake changes."""


# --- the draw --------------------------------------------------------------------------------------------------------


def aimed_target(targets: list[TargetFacts], recipe: recipes.Recipe, seed: int, frame: int) -> tuple[TargetFacts, int]:
    """(the target this frame is aimed at, how often it had its turn before).

    Every target has one turn a round, in an order of the round's own. A turn is a frame, an orbit or a visit.
    """
    settings = recipe.camera
    length = {"orbit": settings.orbit_frames, "handheld": settings.orbit_frames * VISIT}.get(settings.path, 1)
    number, place = divmod(frame // length, len(targets))
    return targets[int(generator(seed, "target", number).permutation(len(targets))[place])], number


def draw_camera(
    recipe: recipes.Recipe, facts: SceneFacts, aimed: TargetFacts, turn: int, floor: float, seed: int, frame: int,
    attempt: int,
) -> CameraDraw:  # fmt: skip
    """A camera aimed at a target in its turn-th turn. floor: height of the ground along the up axis.

    The first candidate of the first attempt stands where the path says; those after it ever further from there.
    """
    rng = generator(seed, "camera", frame, attempt)
    place, shake = _place(recipe.camera, aimed, turn, seed, frame, rng)
    for candidate in range(CANDIDATES):
        reach = 0.08 * candidate + 0.15 * attempt
        camera = _stand(recipe, facts, aimed, _moved(place, reach, recipe.camera, rng), shake, floor)
        if not camera_fault(camera, facts, recipe, aimed.name):
            break
    return camera


def _place(
    settings: recipes.Camera, aimed: TargetFacts, turn: int, seed: int, frame: int, rng: Generator
) -> tuple[Floats, Floats]:
    """(the place a path comes to in this frame, its shake: right, up, roll, in radians)."""
    if settings.path == "handheld":
        return _carried(settings, aimed, turn, seed, frame), _shake(settings, seed, frame)
    if settings.path != "orbit":
        return _spread(settings, aimed, turn, seed, rng), np.zeros(3)
    place = _spread(settings, aimed, turn, seed, generator(seed, f"orbit/{aimed.name}", turn))
    step = frame % settings.orbit_frames
    if _goes_round(settings):
        place[AZIMUTH] = (place[AZIMUTH] + step / settings.orbit_frames) % 1
    else:
        place[AZIMUTH] = (step + 0.5) / settings.orbit_frames
    return place, np.zeros(3)


def _spread(settings: recipes.Camera, aimed: TargetFacts, number: int, seed: int, rng: Generator) -> Floats:
    """A place around a target, of a row of them that covers the ranges evenly."""
    place = rng.uniform(size=FSTOP + 1)
    if settings.stratify:
        place[:SENSOR] = point(seed, f"camera/{aimed.name}", number)
    return place


def _carried(settings: recipes.Camera, aimed: TargetFacts, turn: int, seed: int, frame: int) -> Floats:
    """A place on the smooth way through the places around a target, which has no end: each visit walks on.

    A Catmull-Rom spline: through every place, with no corner.
    """
    step = frame % (settings.orbit_frames * VISIT)
    number, share = turn * VISIT + step // settings.orbit_frames, step % settings.orbit_frames / settings.orbit_frames
    places = np.array(
        [
            _spread(settings, aimed, number + i, seed, generator(seed, f"carried/{aimed.name}", number + i))
            for i in (-1, 0, 1, 2)
        ]
    )
    if _goes_round(settings):  # the shorter way round
        around = places[:, AZIMUTH]
        steps = (np.diff(around) + 0.5) % 1 - 0.5
        places[:, AZIMUTH] = around[1] + np.concatenate([[0], np.cumsum(steps)]) - steps[0]
    return _smooth(places, share)


def _shake(settings: recipes.Camera, seed: int, frame: int) -> Floats:
    """Right, up and roll in radians: noise without a corner."""
    number, share = frame // SHAKE_FRAMES, frame % SHAKE_FRAMES / SHAKE_FRAMES
    knots = np.array([generator(seed, "shake", number + i).uniform(-1, 1, size=3) for i in range(4)])
    visit = frame // (settings.orbit_frames * VISIT)
    strength = math.radians(generator(seed, "shake strength", visit).uniform(*settings.shake_deg))
    return np.asarray(strength * np.clip(_smooth(knots, share), -1, 1))


def _smooth(knots: Floats, share: float) -> Floats:
    """Between the second and the third of four knots, `share` of the way (Catmull and Rom, 1974)."""
    before, first, second, after = knots
    return np.asarray(
        first
        + 0.5 * share * (second - before)
        + share**2 * (before - 2.5 * first + 2 * second - 0.5 * after)
        + share**3 * (1.5 * (first - second) + 0.5 * (after - before))
    )


def _moved(place: Floats, reach: float, settings: recipes.Camera, rng: Generator) -> Floats:
    """A place by chance within reach of this one (1: anywhere), back in [0, 1]."""
    moved = place + min(reach, 1.0) * (rng.uniform(size=len(place)) - 0.5)
    mirrored = 1 - np.abs(1 - np.abs(moved))  # at the ends; so that an even spread stays even
    if _goes_round(settings):
        mirrored[AZIMUTH] = moved[AZIMUTH] % 1
    return np.asarray(mirrored)


def _goes_round(settings: recipes.Camera) -> bool:
    return settings.azimuth_deg[1] - settings.azimuth_deg[0] >= 360 - 1e-6


def _stand(
    recipe: recipes.Recipe, facts: SceneFacts, aimed: TargetFacts, place: Floats, shake: Floats, floor: float
) -> CameraDraw:
    settings, width, height = recipe.camera, recipe.render.width, recipe.render.height

    def of(number: int, values: tuple[float, float]) -> float:
        return float(values[0] + (values[1] - values[0]) * place[number])

    up, center = np.array(facts.up), np.array(aimed.center)
    radius = max(aimed.radius, 1e-4)
    focal_mm, sensor_mm = of(FOCAL, settings.focal_mm), of(SENSOR, settings.sensor_mm)
    distance = of(DISTANCE, settings.distance) * fit_distance(radius, focal_mm, width, height, sensor_mm)
    out, side = azimuth(facts.up, math.radians(of(AZIMUTH, settings.azimuth_deg)))
    least = floor + settings.min_height_m / facts.unit_m
    if settings.path in ("ground", "handheld"):
        over = max(floor + of(HEIGHT, settings.eye_m) / facts.unit_m, least) - float(np.dot(up, center))
        aside = math.sqrt(max(distance**2 - over**2, (STEEPEST * over) ** 2))
        location = center + aside * out + over * up
    else:
        # The band of elevations is cut where it would lie too low, and filled evenly by area on the sphere.
        low, high = (math.sin(math.radians(e)) for e in settings.elevation_deg)
        needed = min((least - float(np.dot(up, center))) / distance, math.sin(math.radians(89)))
        low, high = max(low, needed), max(high, needed)
        elevation = math.asin(of(HEIGHT, (low, high)))
        location = center + distance * (math.cos(elevation) * out + math.sin(elevation) * up)
        location = location + up * max(0.0, least - float(np.dot(up, location)))

    away = float(np.linalg.norm(center - location))
    forward = (center - location) / away
    right = np.cross(forward, up)
    right = right / np.linalg.norm(right) if np.linalg.norm(right) > 1e-6 else side
    top = np.cross(right, forward)
    angle, beside = of(ASIDE_ANGLE, (0, 2 * math.pi)), radius * of(ASIDE, settings.aim)
    aside_by = beside * np.array([math.cos(angle), math.sin(angle)]) + away * np.tan(shake[:2])
    # The centre stays in the picture however near the camera and however large the wanted offset.
    farthest = AIM_MARGIN * _half_tangent(focal_mm, width, height, sensor_mm) * away
    aside_by *= min(1.0, farthest / max(float(np.linalg.norm(aside_by)), 1e-12))
    aim = center + aside_by[0] * right + aside_by[1] * top

    forward = (aim - location) / np.linalg.norm(aim - location)
    right = right - forward * np.dot(forward, right)
    right = right / np.linalg.norm(right)
    top = np.cross(right, forward)
    roll = math.radians(of(ROLL, settings.roll_deg)) + float(shake[2])
    x, y = math.cos(roll) * right + math.sin(roll) * top, math.cos(roll) * top - math.sin(roll) * right
    corners = np.array([c for t in facts.targets for c in t.corners])
    depth = float(np.linalg.norm(corners - location, axis=1).max())
    rows = [tuple(float(v) for v in (x[i], y[i], -forward[i], location[i])) for i in range(3)]
    return CameraDraw(
        matrix_world=(*rows, (0.0, 0.0, 0.0, 1.0)),
        focal_mm=focal_mm,
        clip_start_m=min(0.1, 0.01 * away),
        clip_end_m=max(1000.0, 20.0 * depth),
        sensor_mm=sensor_mm,
        fstop=of(FSTOP, settings.fstop) if settings.dof else None,
        focus_m=float(np.dot(center - location, forward)) if settings.dof else None,
    )


# --- what a camera sees ----------------------------------------------------------------------------------------------


def projected_box(camera: CameraDraw, corners: tuple[Vector, ...], width: int, height: int) -> Box | None:
    """(x0, y0, x1, y1) in pixels, row 0 at the top, that the hull of corners covers; None where out of the picture.

    Parts behind the camera are cut off before projecting, so that a box around the camera is right too.
    """
    local = to_camera(camera, corners)
    near = camera.clip_start_m
    front, behind = local[local[:, 2] <= -near], local[local[:, 2] > -near]
    if not len(front):
        return None
    if len(behind):
        # Every edge of the hull joins two of the points, so the cuts of all pairs hold those of all edges.
        a, b = front[:, None], behind[None]
        t = (-near - a[..., 2:]) / (b[..., 2:] - a[..., 2:])
        front = np.concatenate([front, (a + t * (b - a)).reshape(-1, 3)])
    x, y = to_pixels(camera, front, width, height)
    box = (max(x.min(), 0.0), max(y.min(), 0.0), min(x.max(), float(width)), min(y.max(), float(height)))
    return (float(box[0]), float(box[1]), float(box[2]), float(box[3])) if box[0] < box[2] and box[1] < box[3] else None


def projected_point(camera: CameraDraw, point: Vector, width: int, height: int) -> tuple[float, float] | None:
    """Where a point lies in the picture, in pixels, row 0 at the top; None behind the camera."""
    local = to_camera(camera, (point,))
    if local[0, 2] >= 0:
        return None
    x, y = to_pixels(camera, local, width, height)
    return float(x[0]), float(y[0])


def targets_in_view(camera: CameraDraw, facts: SceneFacts, width: int, height: int) -> dict[str, Box]:
    """Name -> projected box of every target that may be in the picture (what hides it is not known here)."""
    boxes = {t.name: projected_box(camera, t.corners, width, height) for t in facts.targets}
    return {name: box for name, box in boxes.items() if box is not None}


def camera_fault(camera: CameraDraw, facts: SceneFacts, recipe: recipes.Recipe, aimed_at: str) -> str:
    """Why this camera is not worth a render, "" where it is.

    Refused: a camera inside another target's bounding box, and one that sees the aimed target at fewer than
    labels.min_pixels, by its box.
    """
    for target in facts.targets:
        if target.name != aimed_at and _inside(camera.location, target.corners):
            return f"The camera stands inside {target.name}."
    aimed = next(t for t in facts.targets if t.name == aimed_at)
    box = projected_box(camera, aimed.corners, recipe.render.width, recipe.render.height)
    if box is None or (box[2] - box[0]) * (box[3] - box[1]) < recipe.labels.min_pixels:
        return f"{aimed_at} is smaller than labels.min_pixels = {recipe.labels.min_pixels}."
    return ""


def fit_distance(radius: float, focal_mm: float, width: int, height: int, sensor_mm: float = SENSOR_MM) -> float:
    """Distance at which a sphere of this radius just fits into the smaller field of view of the picture."""
    return radius / math.sin(math.atan(_half_tangent(focal_mm, width, height, sensor_mm)))


def azimuth(up: Vector, angle: float) -> tuple[Any, Any]:
    """Horizontal unit vectors: outward at this azimuth (0 is -Y, 90 degrees is +X where up is +Z), and to the right of
    one who looks inward from there."""
    axis = np.array(up)
    x = np.array([0.0, 1.0, 0.0]) if abs(axis[0]) > 0.9 else np.array([1.0, 0.0, 0.0])
    x = x - axis * np.dot(axis, x)
    x = x / np.linalg.norm(x)
    y = np.cross(axis, x)
    return math.sin(angle) * x - math.cos(angle) * y, math.cos(angle) * x + math.sin(angle) * y


def to_camera(camera: CameraDraw, points: Any) -> Floats:
    """World points N x 3 in the camera's own space."""
    matrix = np.array(camera.matrix_world, np.float64)
    return np.asarray((np.array(points, np.float64) - matrix[:3, 3]) @ matrix[:3, :3], np.float64)


def to_pixels(camera: CameraDraw, local: Any, width: int, height: int) -> tuple[Any, Any]:
    """Columns and rows of points N x 3 in the camera's space, all in front of it."""
    scale = camera.focal_mm / camera.sensor_mm * max(width, height)
    return width / 2 + scale * local[:, 0] / -local[:, 2], height / 2 - scale * local[:, 1] / -local[:, 2]


def _half_tangent(focal_mm: float, width: int, height: int, sensor_mm: float) -> float:
    """Tangent of half the field of view over the picture's shorter side."""
    return sensor_mm / 2 * min(width, height) / max(width, height) / focal_mm


def _inside(point: Vector, corners: tuple[Vector, ...]) -> bool:
    """In the axis-aligned box of the corners. Not the sphere: a pipe run's would swallow half the scene."""
    return all(min(c[i] for c in corners) <= point[i] <= max(c[i] for c in corners) for i in range(3))
