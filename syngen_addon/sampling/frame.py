"""Everything that is drawn for one frame, as plain numbers. Imports recipe, seeds and errors; never bpy.

Each part of a frame has its own named generator, so that switching one part off never changes another, and the attempt
goes into the camera's alone: a frame drawn again keeps its light, levels and variants. World space, metres; a camera is
Blender's (looks down its -Z, +Y is up) with square pixels and `sensor_fit = 'AUTO'`, which lays the 36 mm over the
longer side of the picture.
"""

import math
from typing import Any

import numpy as np
from numpy.random import Generator

from .. import recipe as recipes
from ..errors import SynGenError
from ..seeds import generator
from .draws import (
    SENSOR_MM,
    AreaDraw,
    BackgroundDraw,
    Box,
    CameraDraw,
    EnvironmentDraw,
    FrameDraw,
    SceneFacts,
    SunDraw,
    TargetFacts,
    Vector,
)

CANDIDATES = 24
"""How many cameras one attempt tries for one that passes `camera_fault`; it costs microseconds, a render seconds."""
AIM_MARGIN = 0.9
"""The aimed target's centre stays within this part of the picture's inner circle."""


def draw_frame(recipe: recipes.Recipe, facts: SceneFacts, seed: int, frame: int, attempt: int = 0) -> FrameDraw:
    """Frame `frame` of the job with this seed; a pure function of its arguments.

    attempt: 0 for the first try, counted up where a rendered frame was refused; it changes the camera only.
    Raises SynGenError: no targets, or background pictures wanted and none there.
    """
    targets = sorted(facts.targets, key=lambda t: t.name)
    if not targets:
        raise SynGenError(
            "The scene has no target.",
            "Give an object wear first, or name objects of the scene under Dataset > Targets (targets.objects).",
        )
    aimed = _aimed_target(targets, seed, frame)
    light, switches = recipe.light, recipe.randomize
    camera_rng = generator(seed, "camera", frame, attempt)
    return FrameDraw(
        aimed_at=aimed.name,
        camera=_camera(recipe, facts, aimed, camera_rng) if recipe.camera.randomize else None,
        sun=_sun(light, facts.up, generator(seed, "sun", frame)) if light.randomize else None,
        areas=_areas(light, facts.up, aimed, generator(seed, "areas", frame)) if light.randomize else (),
        environment=_environment(light, facts, generator(seed, "environment", frame)) if light.randomize else None,
        background=_background(recipe.background, facts, generator(seed, "background", frame))
        if recipe.background.randomize
        else None,
        exposure_ev=float(generator(seed, "exposure", frame).uniform(*light.exposure_ev)) if light.randomize else 0.0,
        levels={t.name: float(generator(seed, f"level/{t.name}", frame).uniform(*recipe.wear.level)) for t in targets}
        if switches.level
        else {},
        variants={
            t.name: int(generator(seed, f"variant/{t.name}", frame).integers(len(t.variants)))
            for t in targets
            if t.variants
        }
        if switches.variant
        else {},
        also=_further_levels(recipe, targets, seed, frame) if switches.level else {},
    )


# --- what a camera sees ----------------------------------------------------------------------------------------------


def projected_box(camera: CameraDraw, corners: tuple[Vector, ...], width: int, height: int) -> Box | None:
    """(x0, y0, x1, y1) in pixels, row 0 at the top, that the hull of corners covers; None where out of the picture.

    Parts behind the camera are cut off before projecting, so that a box around the camera is right too.
    """
    local = _to_camera(camera, corners)
    near = camera.clip_start_m
    front, behind = local[local[:, 2] <= -near], local[local[:, 2] > -near]
    if not len(front):
        return None
    if len(behind):
        # Every edge of the hull joins two of the points, so the cuts of all pairs hold those of all edges.
        a, b = front[:, None], behind[None]
        t = (-near - a[..., 2:]) / (b[..., 2:] - a[..., 2:])
        front = np.concatenate([front, (a + t * (b - a)).reshape(-1, 3)])
    x, y = _to_pixels(camera, front, width, height)
    box = (max(x.min(), 0.0), max(y.min(), 0.0), min(x.max(), float(width)), min(y.max(), float(height)))
    return (float(box[0]), float(box[1]), float(box[2]), float(box[3])) if box[0] < box[2] and box[1] < box[3] else None


def projected_point(camera: CameraDraw, point: Vector, width: int, height: int) -> tuple[float, float] | None:
    """Where a point lies in the picture, in pixels, row 0 at the top; None behind the camera."""
    local = _to_camera(camera, (point,))
    if local[0, 2] >= 0:
        return None
    x, y = _to_pixels(camera, local, width, height)
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


def fit_distance(radius: float, focal_mm: float, width: int, height: int) -> float:
    """Distance at which a sphere of this radius just fits into the smaller field of view of the picture."""
    return radius / math.sin(math.atan(_half_tangent(focal_mm, width, height)))


def _half_tangent(focal_mm: float, width: int, height: int) -> float:
    """Tangent of half the field of view over the picture's shorter side."""
    return SENSOR_MM / 2 * min(width, height) / max(width, height) / focal_mm


def _to_camera(camera: CameraDraw, points: tuple[Vector, ...]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    matrix = np.array(camera.matrix_world, np.float64)
    return np.asarray((np.array(points, np.float64) - matrix[:3, 3]) @ matrix[:3, :3], np.float64)


def _to_pixels(camera: CameraDraw, local: Any, width: int, height: int) -> tuple[Any, Any]:
    scale = camera.focal_mm / camera.sensor_mm * max(width, height)
    return width / 2 + scale * local[:, 0] / -local[:, 2], height / 2 - scale * local[:, 1] / -local[:, 2]


def _inside(point: Vector, corners: tuple[Vector, ...]) -> bool:
    """In the axis-aligned box of the corners. Not the sphere: a pipe run's would swallow half the scene."""
    return all(min(c[i] for c in corners) <= point[i] <= max(c[i] for c in corners) for i in range(3))


# --- the parts -------------------------------------------------------------------------------------------------------


def _further_levels(
    recipe: recipes.Recipe, targets: list[TargetFacts], seed: int, frame: int
) -> dict[str, dict[str, float]]:
    """Each kind on each target has a generator of its own, so that one more changes no other draw."""
    found = {
        target.name: {
            kind: float(generator(seed, f"also/{kind}/{target.name}", frame).uniform(*recipe.wear.also[kind]))
            for kind in sorted(recipe.wear.also)
            if kind != target.kind
        }
        for target in targets
    }
    return {name: levels for name, levels in found.items() if levels}


def _aimed_target(targets: list[TargetFacts], seed: int, frame: int) -> TargetFacts:
    """Every target once a round, in an order of the round's own."""
    number, place = divmod(frame, len(targets))
    return targets[int(generator(seed, "target", number).permutation(len(targets))[place])]


def _camera(recipe: recipes.Recipe, facts: SceneFacts, aimed: TargetFacts, rng: Generator) -> CameraDraw:
    camera = _camera_candidate(recipe, facts, aimed, rng)
    for _ in range(CANDIDATES - 1):
        if not camera_fault(camera, facts, recipe, aimed.name):
            break
        camera = _camera_candidate(recipe, facts, aimed, rng)
    return camera


def _camera_candidate(recipe: recipes.Recipe, facts: SceneFacts, aimed: TargetFacts, rng: Generator) -> CameraDraw:
    settings, width, height = recipe.camera, recipe.render.width, recipe.render.height
    radius, center = max(aimed.radius, 1e-4), np.array(aimed.center)
    # All numbers are drawn first and in a fixed order, so that changing one range leaves the other draws as they are.
    focal_mm = float(rng.uniform(*settings.focal_mm))
    factor = float(rng.uniform(*settings.distance))
    azimuth = math.radians(rng.uniform(*settings.azimuth_deg))
    height_share = float(rng.uniform())
    roll = math.radians(rng.uniform(*settings.roll_deg))
    beside = radius * float(rng.uniform(*settings.aim))
    beside_angle = float(rng.uniform(0, 2 * math.pi))

    up = np.array(facts.up)
    distance = factor * fit_distance(radius, focal_mm, width, height)
    # Heights count from the lowest point of the targets; the band of elevations is cut where it would lie too low.
    floor = min(float(np.dot(up, c)) for t in facts.targets for c in t.corners)
    least = floor + settings.min_height_m
    low, high = (math.sin(math.radians(e)) for e in settings.elevation_deg)
    needed = min((least - float(np.dot(up, center))) / distance, math.sin(math.radians(89)))
    low, high = max(low, needed), max(high, needed)
    elevation = math.asin(low + (high - low) * height_share)

    out, side = _azimuth(facts.up, azimuth)
    location = center + distance * (math.cos(elevation) * out + math.sin(elevation) * up)
    location = location + up * max(0.0, least - float(np.dot(up, location)))

    away = float(np.linalg.norm(center - location))
    forward = (center - location) / away
    right = np.cross(forward, up)
    right = right / np.linalg.norm(right) if np.linalg.norm(right) > 1e-6 else side
    over = np.cross(right, forward)
    # The centre stays in the picture however near the camera and however large the wanted offset.
    beside = min(beside, AIM_MARGIN * _half_tangent(focal_mm, width, height) * away)
    aim = center + beside * (math.cos(beside_angle) * right + math.sin(beside_angle) * over)

    forward = (aim - location) / np.linalg.norm(aim - location)
    right = right - forward * np.dot(forward, right)
    right = right / np.linalg.norm(right)
    over = np.cross(right, forward)
    x, y = math.cos(roll) * right + math.sin(roll) * over, math.cos(roll) * over - math.sin(roll) * right
    farthest = max(float(np.linalg.norm(np.array(c) - location)) for t in facts.targets for c in t.corners)
    rows = [[float(v) for v in (x[i], y[i], -forward[i], location[i])] for i in range(3)]
    return CameraDraw(
        matrix_world=(tuple(rows[0]), tuple(rows[1]), tuple(rows[2]), (0.0, 0.0, 0.0, 1.0)),
        focal_mm=focal_mm,
        clip_start_m=min(0.1, 0.01 * away),
        clip_end_m=max(1000.0, 20.0 * farthest),
    )


def _azimuth(up: Vector, angle: float) -> tuple[Any, Any]:
    """Horizontal unit vectors: outward at this azimuth (0 is -Y, 90 degrees is +X where up is +Z), and to the right of
    one who looks inward from there."""
    axis = np.array(up)
    x = np.array([0.0, 1.0, 0.0]) if abs(axis[0]) > 0.9 else np.array([1.0, 0.0, 0.0])
    x = x - axis * np.dot(axis, x)
    x = x / np.linalg.norm(x)
    y = np.cross(axis, x)
    return math.sin(angle) * x - math.cos(angle) * y, math.cos(angle) * x + math.sin(angle) * y


def _shell(up: Vector, azimuth: float, elevation: float) -> Any:
    """Unit vector towards this azimuth and elevation, in radians."""
    return math.cos(elevation) * _azimuth(up, azimuth)[0] + math.sin(elevation) * np.array(up)


def _band(low_deg: float, high_deg: float, rng: Generator) -> float:
    """An elevation in radians, uniform by area on the sphere between the two."""
    return math.asin(rng.uniform(math.sin(math.radians(low_deg)), math.sin(math.radians(high_deg))))


def _sun(light: recipes.Light, up: Vector, rng: Generator) -> SunDraw:
    towards = _shell(up, rng.uniform(0, 2 * math.pi), _band(*light.sun_elevation_deg, rng))
    return SunDraw(
        direction=_vector(-towards),
        strength=float(rng.uniform(*light.sun_strength)),
        angle_rad=math.radians(rng.uniform(*light.sun_angle_deg)),
    )


def _areas(light: recipes.Light, up: Vector, aimed: TargetFacts, rng: Generator) -> tuple[AreaDraw, ...]:
    """Lamps over and around the aimed target, between a warm and a cool white; each as bright on it as one 2 m away."""
    radius, center = max(aimed.radius, 1e-4), np.array(aimed.center)
    lamps = []
    for _ in range(int(rng.integers(light.area_lights[0], light.area_lights[1] + 1))):
        distance = radius * float(rng.uniform(2.0, 4.0))
        location = center + distance * _shell(up, rng.uniform(0, 2 * math.pi), _band(15, 75, rng))
        power = float(rng.uniform(*light.area_power_w)) * (distance / 2.0) ** 2
        size = radius * float(rng.uniform(0.3, 1.5))
        warm = float(rng.uniform())
        color = (0.8 + 0.2 * warm, 0.9 - 0.05 * warm, 1.0 - 0.35 * warm)
        lamps.append(AreaDraw(_vector(location), aimed.center, power, size, color))
    return tuple(lamps)


def _environment(light: recipes.Light, facts: SceneFacts, rng: Generator) -> EnvironmentDraw | None:
    if not facts.environments:
        return None
    return EnvironmentDraw(
        index=int(rng.integers(len(facts.environments))),
        rotation_rad=float(rng.uniform(0, 2 * math.pi)),
        strength=float(rng.uniform(*light.environment_strength)),
    )


def _background(settings: recipes.Background, facts: SceneFacts, rng: Generator) -> BackgroundDraw:
    if settings.kind == "color":
        ends = np.sort([settings.color_low, settings.color_high], axis=0)
        return BackgroundDraw("color", color_linear=_vector(rng.uniform(ends[0], ends[1])))
    if settings.kind == "images":
        if not facts.backgrounds:
            raise SynGenError(
                f"There is no picture in {settings.folder}.",
                "Name a folder of pictures under Scene > Background (background.folder).",
            )
        return BackgroundDraw("images", image=int(rng.integers(len(facts.backgrounds))))
    return BackgroundDraw("environment")


def _vector(values: Any) -> Vector:
    return (float(values[0]), float(values[1]), float(values[2]))
