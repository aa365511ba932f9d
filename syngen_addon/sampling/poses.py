"""How targets lie, against how they lie in the scene, and what color their base texture has. Imports recipe, seeds,
numpy and this stage's own modules."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import recipe as recipes
from ..seeds import generator
from .camera import azimuth
from .draws import Matrix, PoseDraw, SceneFacts, TargetFacts, TintDraw, Vector, vector
from .sequence import Chance, Middle, even


def draw_poses(recipe: recipes.Recipe, facts: SceneFacts, seed: int, frame: int) -> dict[str, PoseDraw]:
    """By target how it lies in this frame; empty where the recipe moves none. No attempt changes it."""
    settings = recipe.pose
    still = (0.0, 0.0)
    if not settings.randomize or (
        settings.yaw_deg == settings.tilt_deg == settings.shift_m == still and not settings.drop
    ):
        return {}
    return {t.name: _pose(recipe, facts, t.name, seed, frame) for t in facts.targets}


def _pose(recipe: recipes.Recipe, facts: SceneFacts, name: str, seed: int, frame: int) -> PoseDraw:
    settings = recipe.pose
    rng = generator(seed, f"pose/{name}", frame)
    turned, axis, way = (float(v) for v in rng.uniform(size=3))
    if recipe.camera.stratify:
        turned = even(seed, f"pose/{name}", frame)
    low, high = settings.yaw_deg
    return PoseDraw(
        yaw_rad=math.radians(low + (high - low) * turned),
        tilt_rad=math.radians(rng.uniform(*settings.tilt_deg)),
        tilt_axis=vector(azimuth(facts.up, 2 * math.pi * axis)[0]),
        shift_m=vector(azimuth(facts.up, 2 * math.pi * way)[0] * rng.uniform(*settings.shift_m) / facts.unit_m),
        drop=settings.drop,
    )


def pose_matrix(target: TargetFacts, pose: PoseDraw, up: Vector) -> Matrix:
    """What to multiply the target's matrix_world by, from the left, so that it lies as drawn (before it falls)."""
    turn = _rotation(pose.tilt_axis, pose.tilt_rad) @ _rotation(up, pose.yaw_rad)
    center, corners = np.array(target.center), np.array(target.corners)
    lifted = float((corners @ up).min() - ((corners - center) @ turn.T @ up).min() - center @ up)
    place = center - turn @ center + np.array(pose.shift_m) + lifted * np.array(up)
    rows = [(*(float(v) for v in turn[i]), float(place[i])) for i in range(3)]
    return (*rows, (0.0, 0.0, 0.0, 1.0))


def resting(
    facts: SceneFacts, poses: Mapping[str, PoseDraw], rests: Mapping[str, Matrix] | None = None
) -> dict[str, Matrix]:
    """By target the matrix that moves it from where it stands in the scene to where it lies: that of rests where it is
    named there, else its pose's; a target that stays is not named."""
    matrices = {t.name: pose_matrix(t, poses[t.name], facts.up) for t in facts.targets if t.name in poses}
    return matrices | dict(rests or {})


def moved(facts: SceneFacts, matrices: Mapping[str, Matrix]) -> SceneFacts:
    """The facts with every target that is named moved by its matrix."""
    if not matrices:
        return facts
    lying = (_moved(t, matrices[t.name]) if t.name in matrices else t for t in facts.targets)
    return dataclasses.replace(facts, targets=tuple(lying))


def _moved(target: TargetFacts, matrix: Matrix) -> TargetFacts:
    m = np.array(matrix)

    def at(points: tuple[Vector, ...]) -> tuple[Vector, ...]:
        return tuple(vector(p) for p in np.array(points).reshape(-1, 3) @ m[:3, :3].T + m[:3, 3])

    return dataclasses.replace(
        target, center=at((target.center,))[0], corners=at(target.corners), points=at(target.points)
    )


def draw_tints(recipe: recipes.Recipe, facts: SceneFacts, seed: int, frame: int) -> dict[str, TintDraw]:
    """By target the colour of its base texture; empty where the recipe leaves it. In the control set all the same."""
    settings = recipe.tint
    plain = settings.hue_deg == (0.0, 0.0) and settings.saturation == settings.value == (1.0, 1.0)
    if plain or not settings.randomize:
        return {}

    def tint(rng: Chance) -> TintDraw:
        return TintDraw(
            hue_turns=float(rng.uniform(*settings.hue_deg)) / 360,
            saturation=float(rng.uniform(*settings.saturation)),
            value=float(rng.uniform(*settings.value)),
        )

    control = recipe.randomize.control
    return {t.name: tint(Middle() if control else generator(seed, f"tint/{t.name}", frame)) for t in facts.targets}


def _rotation(axis: Vector, angle: float) -> Any:
    """3 x 3 about a unit vector (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
