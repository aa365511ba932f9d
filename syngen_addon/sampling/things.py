"""Things that are no targets: those that stand about, and those that hide part of the aimed target. Imports recipe,
seeds, numpy, OpenCV and this stage's own modules."""

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from .. import recipe as recipes
from ..seeds import generator
from .camera import azimuth, to_camera, to_pixels
from .draws import CameraDraw, FrameDraw, Quaternion, SceneFacts, TargetFacts, ThingDraw, ThingFacts, Vector, vector
from .light import color_between
from .sequence import Middle

Floats = npt.NDArray[np.float64]

TRIES = 20
"""How many places are tried for one thing; where none is free it is left out."""
NEAR, FAR = 1.3, 4.0
"""Things stand at these many radii from the middle of the target they are put near."""
NARROWER = 0.15
"""The share to be hidden is drawn from the recipe's range without this much of it at either end: shapes are only
judged by their hulls here, and the render decides."""


GRID = 24
"""A target's outline is judged by so many points a side."""
HALVINGS = 10


def _circle(count: int) -> Floats:
    angles = np.arange(count) * 2 * math.pi / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _ball(count: int) -> tuple[Vector, ...]:
    """Evenly on a sphere of diameter 1, on a spiral (Swinbank and Purser, 2006)."""
    i = np.arange(count) + 0.5
    height, around = 1 - 2 * i / count, i * math.pi * (3 - math.sqrt(5))
    flat = np.sqrt(1 - height**2)
    return tuple(vector(p / 2) for p in np.stack([flat * np.cos(around), flat * np.sin(around), height], axis=1))


def _box(x: float, y: float, z: float) -> tuple[Vector, ...]:
    return tuple((i * x / 2, j * y / 2, k * z / 2) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1))


def _prism(bottom: float, top: float, height: float) -> tuple[Vector, ...]:
    """Of round ends, by their diameters."""
    ends = ((bottom, -height / 2), (top, height / 2))
    return tuple((float(x) * d / 2, float(y) * d / 2, z) for d, z in ends for x, y in _circle(24)[: 24 if d else 1])


SHAPES = (
    ThingFacts("box", _box(1.0, 0.8, 0.7)),
    ThingFacts("plank", _box(0.25, 0.08, 1.0)),
    ThingFacts("ball", _ball(96)),
    ThingFacts("cylinder", _prism(0.6, 0.6, 1.0)),
    ThingFacts("pipe", _prism(0.15, 0.15, 1.0)),
    ThingFacts("cone", _prism(0.8, 0.0, 1.0)),
)
"""Simple shapes, their longest side 1: what stands about where the recipe names no file and no collection."""


def draw_distractors(
    recipe: recipes.Recipe, facts: SceneFacts, aimed: TargetFacts, floor: float, seed: int, frame: int
) -> tuple[ThingDraw, ...]:
    """Things that stand on the ground around the aimed target and touch no target and no other.

    facts, aimed: as targets lie.
    """
    settings = recipe.distractors
    if not settings.randomize or not settings.count[1]:
        return ()
    rng = generator(seed, "distractors", frame)
    up, sources = np.array(facts.up), facts.things or SHAPES
    boxes = [np.array(t.corners) for t in facts.targets]
    placed: list[tuple[Floats, float]] = []
    things = []
    for _ in range(int(rng.integers(settings.count[0], settings.count[1] + 1))):
        source = sources[int(rng.integers(len(sources)))]
        size = max(aimed.radius, 1e-4) * float(rng.uniform(*settings.size))
        turn = _multiplied(_about(facts.up, float(rng.uniform(0, 2 * math.pi))), _upright(facts.up))
        color = _color(recipe, rng)
        points = size * np.array(source.points) @ _matrix(turn).T
        reach = float(np.linalg.norm(points, axis=1).max())
        for _ in range(TRIES):
            away = aimed.radius * math.sqrt(rng.uniform(NEAR**2, FAR**2))
            center = np.array(aimed.center) + away * azimuth(facts.up, rng.uniform(0, 2 * math.pi))[0]
            center = center + up * (floor - float((points @ up).min()) - float(np.dot(up, center)))
            free = all(_gap(center, box) > reach for box in boxes)
            if free and all(np.linalg.norm(center - other) > reach + others for other, others in placed):
                placed.append((center, reach))
                things.append(ThingDraw(source.name, vector(center), turn, size, color))
                break
    return tuple(things)


def kept_clear(
    things: tuple[ThingDraw, ...], camera: CameraDraw | None, aimed: TargetFacts, facts: SceneFacts
) -> tuple[ThingDraw, ...]:
    """Without those that touch the camera or stand right between it and the aimed target's middle."""
    if camera is None or not things:
        return things
    sources = _by_name(facts)
    eye, center = np.array(camera.location), np.array(aimed.center)
    kept = []
    for thing in things:
        reach = thing.size_m * _reach(sources[thing.source])
        way = center - eye
        share = min(max(float(np.dot(np.array(thing.location) - eye, way) / np.dot(way, way)), 0.0), 1.0)
        if np.linalg.norm(eye + share * way - thing.location) > reach + 2 * camera.clip_start_m:
            kept.append(thing)
    return tuple(kept)


# --- occluders -------------------------------------------------------------------------------------------------------


def draw_occluders(
    recipe: recipes.Recipe, facts: SceneFacts, aimed: TargetFacts, camera: CameraDraw | None, seed: int, frame: int,
    attempt: int,
) -> tuple[ThingDraw, ...]:  # fmt: skip
    """Things between the camera and the aimed target that hide about as much of it as the recipe wants.

    Each comes in from aside until its share is hidden, judged by the hulls of its and the target's outlines. facts,
    aimed: as targets lie.
    """
    settings, width, height = recipe.distractors, recipe.render.width, recipe.render.height
    if not settings.randomize or not settings.occluders[1] or camera is None:
        return ()
    rng = generator(seed, "occluders", frame, attempt)
    count = int(rng.integers(settings.occluders[0], settings.occluders[1] + 1))
    low, high = settings.occlusion
    inset = NARROWER * (high - low)
    wanted = float(rng.uniform(low + inset, high - inset))
    corners = to_camera(camera, aimed.corners)
    nearest = float(-corners[:, 2].max())
    seen = _outline(camera, aimed, width, height)
    if not len(seen) or nearest <= 4 * camera.clip_start_m:
        return ()
    sources = facts.things or SHAPES
    hidden = np.zeros(len(seen), bool)
    things = []
    for number in range(count):
        source = sources[int(rng.integers(len(sources)))]
        turn = _any_turn(rng)
        size = max(aimed.radius, 1e-4) * float(rng.uniform(*settings.size))
        nearness, angle = float(rng.uniform(0.35, 0.75)), float(rng.uniform(0, 2 * math.pi))
        color = _color(recipe, rng)
        goal = wanted * (number + 1) / count
        placed = _slid(camera, source, turn, size, nearness, angle, nearest, seen, hidden, goal, width, height)
        if placed is None:
            continue
        location, size, mask = placed
        hidden |= mask
        things.append(ThingDraw(source.name, location, turn, size, color))
    return tuple(things)


def occlusion_fault(record: Mapping[str, Any], draw: FrameDraw, recipe: recipes.Recipe) -> str:
    """Why a rendered frame misses distractors.occlusion, "" where it does not.

    Judged by the aimed target's visible_fraction and truncation: of what of it lies in the picture, how much is hidden,
    by whatever. A record without geometry, or a draw without occluders, misses nothing.
    """
    if not draw.occluders:
        return ""
    low, high = recipe.distractors.occlusion
    seen = next((i for i in record["instances"] if i["name"] == draw.aimed_at), None)
    if seen is None:
        return "" if high >= 1 else f"{draw.aimed_at} is hidden altogether."
    if seen.get("visible_fraction") is None:
        return ""
    hidden = 1 - min(seen["visible_fraction"] / max(1 - seen.get("truncation", 0.0), 1e-6), 1.0)
    if low <= hidden <= high:
        return ""
    wanted = f"{100 * low:g} to {100 * high:g} % (distractors.occlusion)"
    return f"{100 * hidden:.0f} % of {draw.aimed_at} are hidden, not {wanted}."


def _slid(
    camera: CameraDraw, source: ThingFacts, turn: Quaternion, size: float, nearness: float, angle: float,
    nearest: float, seen: Floats, hidden: npt.NDArray[np.bool_], goal: float, width: int, height: int,
) -> tuple[Vector, float, npt.NDArray[np.bool_]] | None:  # fmt: skip
    """(location, size, which points of the outline it hides) of a thing that, with those there are, hides the goal."""
    reach = _reach(source)
    size = min(size, 0.4 * nearest / reach)  # so that there is room for it
    depth = min(nearness * nearest, 0.98 * nearest - size * reach)
    middle, spread = seen.mean(axis=0), float(np.ptp(seen, axis=0).max())
    way = np.array([math.cos(angle), math.sin(angle)])

    def at(aside: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
        center = _at_pixel(camera, middle + aside * way, depth, width, height)
        points = size * np.array(source.points) @ _matrix(turn).T + center
        local = to_camera(camera, points)
        if (local[:, 2] > -camera.clip_start_m).any():
            return center, np.zeros(len(seen), bool)
        hull = cv2.convexHull(np.stack(to_pixels(camera, local, width, height), axis=1).astype(np.float32))[:, 0]
        return center, _in_hull(seen, hull.astype(np.float64))

    for _ in range(8):  # nearer to the camera it hides more
        if (hidden | at(0.0)[1]).mean() >= goal or depth * 0.85 < 1.1 * (size * reach + camera.clip_start_m):
            break
        depth *= 0.85
    inside, outside = 0.0, spread + 4 * size * reach * camera.focal_mm / camera.sensor_mm * max(width, height) / depth
    for _ in range(HALVINGS):
        half = (inside + outside) / 2
        if (hidden | at(half)[1]).mean() >= goal:
            inside = half
        else:
            outside = half
    center, mask = at(inside)
    return (vector(center), size, mask) if mask.any() else None


def _outline(camera: CameraDraw, aimed: TargetFacts, width: int, height: int) -> Floats:
    """Points N x 2, in pixels, evenly in what the target covers of the picture: in the cells of a grid that points of
    its surface fall into where those are known, else in the hull of its box."""
    local = to_camera(camera, aimed.points or aimed.corners)
    if (local[:, 2] >= -camera.clip_start_m).any():
        return np.zeros((0, 2))
    pixels = np.stack(to_pixels(camera, local, width, height), axis=1)
    low, high = np.maximum(pixels.min(axis=0), 0), np.minimum(pixels.max(axis=0), [width, height])
    if (low >= high).any():
        return np.zeros((0, 2))
    if aimed.points:
        inside = pixels[((pixels >= low) & (pixels <= high)).all(axis=1)]
        cells = np.unique(np.minimum((inside - low) / (high - low) * GRID, GRID - 1).astype(int), axis=0)
        return np.asarray(low + (cells + 0.5) / GRID * (high - low))
    hull = cv2.convexHull(pixels.astype(np.float32))[:, 0].astype(np.float64)
    grid = np.stack(np.meshgrid(*((np.arange(GRID) + 0.5) / GRID,) * 2), axis=-1).reshape(-1, 2)
    places = low + grid * (high - low)
    return np.asarray(places[_in_hull(places, hull)])


def _in_hull(points: Floats, hull: Floats) -> npt.NDArray[np.bool_]:
    """Which points N x 2 lie in a convex polygon M x 2, whichever way round that goes."""
    near = ((points >= hull.min(axis=0)) & (points <= hull.max(axis=0))).all(axis=1)
    ahead = np.roll(hull, -1, axis=0) - hull
    normals = np.stack([-ahead[:, 1], ahead[:, 0]])
    side = points[near] @ normals - np.einsum("mi,im->m", hull, normals)
    near[near] = (side >= 0).all(axis=1) | (side <= 0).all(axis=1)
    return np.asarray(near)


def _at_pixel(camera: CameraDraw, pixel: Floats, depth: float, width: int, height: int) -> Floats:
    """World point that is seen at a pixel, at this depth along the view axis."""
    scale = camera.focal_mm / camera.sensor_mm * max(width, height)
    local = depth * np.array([(pixel[0] - width / 2) / scale, (height / 2 - pixel[1]) / scale, -1.0])
    matrix = np.array(camera.matrix_world)
    return np.asarray(matrix[:3, :3] @ local + matrix[:3, 3])


# --- shapes and turns ------------------------------------------------------------------------------------------------


def _color(recipe: recipes.Recipe, rng: Generator) -> Vector:
    """Neither very dark nor very bright. Drawn for the control set, too, so that what is drawn after it is the same."""
    drawn = color_between((0.03, 0.03, 0.03), (0.8, 0.8, 0.8), rng)
    return color_between((0.03, 0.03, 0.03), (0.8, 0.8, 0.8), Middle()) if recipe.randomize.control else drawn


def _by_name(facts: SceneFacts) -> dict[str, ThingFacts]:
    return {thing.name: thing for thing in facts.things or SHAPES}


def _reach(thing: ThingFacts) -> float:
    """Radius of the ball about its centre that holds it, at size 1."""
    return float(np.linalg.norm(np.array(thing.points), axis=1).max())


def _gap(point: Floats, corners: Floats) -> float:
    """From a point to the axis-aligned box of corners."""
    return float(np.linalg.norm(np.maximum(np.maximum(corners.min(axis=0) - point, point - corners.max(axis=0)), 0)))


def _about(axis: Vector, angle: float) -> Quaternion:
    s = math.sin(angle / 2)
    return (math.cos(angle / 2), axis[0] * s, axis[1] * s, axis[2] * s)


def _upright(up: Vector) -> Quaternion:
    """The turn that takes +Z to up."""
    if up[2] > 1 - 1e-9:
        return (1.0, 0.0, 0.0, 0.0)
    if up[2] < -1 + 1e-9:
        return (0.0, 1.0, 0.0, 0.0)
    axis = np.cross((0.0, 0.0, 1.0), up)
    return _about(vector(axis / np.linalg.norm(axis)), math.acos(up[2]))


def _multiplied(a: Quaternion, b: Quaternion) -> Quaternion:
    """First b, then a."""
    w, v = a[0] * b[0] - float(np.dot(a[1:], b[1:])), a[0] * np.array(b[1:]) + b[0] * np.array(a[1:])
    v = v + np.cross(a[1:], b[1:])
    return (w, float(v[0]), float(v[1]), float(v[2]))


def _any_turn(rng: Generator) -> Quaternion:
    """Uniform over all rotations (Shoemake, "Uniform random rotations", 1992)."""
    u, a, b = (float(v) for v in rng.uniform(size=3))
    a, b = 2 * math.pi * a, 2 * math.pi * b
    low, high = math.sqrt(1 - u), math.sqrt(u)
    return (high * math.cos(b), low * math.sin(a), low * math.cos(a), high * math.sin(b))


def _matrix(turn: Quaternion) -> Floats:
    w, x, y, z = turn
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
