"""Sun, sky, lamps, environment, background and ground of a frame. Imports recipe, errors, numpy and this stage's own
modules."""

import math
from typing import Any

import numpy as np

from .. import recipe as recipes
from ..errors import SynGenError
from .camera import azimuth
from .draws import (
    AreaDraw,
    BackgroundDraw,
    EnvironmentDraw,
    GroundDraw,
    SceneFacts,
    SkyDraw,
    SunDraw,
    TargetFacts,
    Vector,
    vector,
)
from .sequence import Chance

INDOOR = 0.2
"""Indoors this much of the environment is left: what comes in through a door, and back from the walls."""
LAMP_RADIUS_M = 0.75
"""Lamps stand as they would around a target of this radius at least: beside one as small as a latch they would leave
all else in the dark."""
SRGB_OF_XYZ = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


def draw_sun(light: recipes.Light, up: Vector, indoor: bool, rng: Chance) -> SunDraw:
    towards = _shell(up, rng.uniform(0, 2 * math.pi), _band(*light.sun_elevation_deg, rng))
    strength = float(rng.uniform(*light.sun_strength))
    return SunDraw(
        direction=vector(-towards),
        strength=0.0 if indoor else strength,
        angle_rad=math.radians(rng.uniform(*light.sun_angle_deg)),
    )


def draw_sky(light: recipes.Light, sun: SunDraw, indoor: bool, rng: Chance) -> SkyDraw:
    """From a clear sky to a hazy one."""
    return SkyDraw(
        towards_sun=vector([-v for v in sun.direction]),
        air=float(rng.uniform(0.7, 1.6)),
        dust=float(rng.uniform(0.2, 4.0)),
        ozone=float(rng.uniform(0.7, 2.0)),
        strength=float(rng.uniform(*light.environment_strength)) * (INDOOR if indoor else 1.0),
    )


def draw_areas(
    light: recipes.Light, facts: SceneFacts, aimed: TargetFacts, indoor: bool, rng: Chance
) -> tuple[AreaDraw, ...]:
    """Lamps over and around the aimed target, each as bright on it as one 2 m away."""
    radius, center = max(aimed.radius, LAMP_RADIUS_M / facts.unit_m), np.array(aimed.center)
    count = int(rng.integers(light.area_lights[0], light.area_lights[1] + 1))
    count = max(count, 1) if indoor else count
    lamps = []
    for number in range(count):
        distance = radius * float(rng.uniform(2.0, 4.0))
        around = float(rng.uniform(0, 2 * math.pi)) + 2 * math.pi * number / count  # apart in the control set, too
        location = center + distance * _shell(facts.up, around, _band(15, 75, rng))
        power = float(rng.uniform(*light.area_power_w)) * (distance / 2.0) ** 2
        size = radius * float(rng.uniform(0.3, 1.5))
        color = blackbody(float(rng.uniform(*light.lamp_kelvin)))
        lamps.append(AreaDraw(vector(location), aimed.center, power, size, color))
    return tuple(lamps)


def draw_environment(light: recipes.Light, index: int, indoor: bool, rng: Chance) -> EnvironmentDraw:
    """index: of the environment, chosen elsewhere."""
    return EnvironmentDraw(
        index=index,
        rotation_rad=math.radians(rng.uniform(*light.environment_rotation_deg)),
        strength=float(rng.uniform(*light.environment_strength)) * (INDOOR if indoor else 1.0),
    )


def draw_background(settings: recipes.Background, index: int | None, rng: Chance) -> BackgroundDraw:
    """index: of the picture, chosen elsewhere. Raises SynGenError where pictures are wanted and there is none."""
    if settings.kind == "color":
        return BackgroundDraw("color", color_linear=color_between(settings.color_low, settings.color_high, rng))
    if settings.kind == "images":
        if index is None:
            raise SynGenError(
                f"There is no picture in {settings.folder}.",
                "Name a folder of pictures under Scene > Background (background.folder).",
            )
        return BackgroundDraw("images", image=index)
    return BackgroundDraw("environment")


def draw_ground(settings: recipes.Ground, facts: SceneFacts, floor: float, picture: str, rng: Chance) -> GroundDraw:
    """A ground under all targets. picture: name of the file it is tiled with, chosen elsewhere, or ""."""
    up, corners = np.array(facts.up), np.array([c for t in facts.targets for c in t.corners])
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    radius = float(np.linalg.norm(corners - middle, axis=1).max())
    return GroundDraw(
        center=vector(middle + up * (floor - float(np.dot(up, middle)))),
        side_m=settings.size * max(radius, 1e-4),
        rotation_rad=float(rng.uniform(0, 2 * math.pi)),
        color_linear=color_between(settings.color_low, settings.color_high, rng),
        roughness=float(rng.uniform(*settings.roughness)),
        picture=picture,
        tile_m=float(rng.uniform(*settings.tile_m)) / facts.unit_m,
    )


def color_between(low: Vector, high: Vector, rng: Chance) -> Vector:
    """A colour whose channels each lie between those of two, in either order."""
    return vector([rng.uniform(min(pair), max(pair)) for pair in zip(low, high, strict=True)])


def blackbody(kelvin: float) -> Vector:
    """Linear sRGB of a black body's light, its largest channel 1. Under 1667 K as at 1667 K.

    The Planckian locus as the cubics of Kim et al., "Design of advanced color temperature control system for HDTV
    applications" (2002), good from 1667 to 25000 K.
    """
    t = min(max(kelvin, 1667.0), 25000.0)
    if t <= 4000:
        x = -0.2661239e9 / t**3 - 0.2343589e6 / t**2 + 0.8776956e3 / t + 0.179910
    else:
        x = -3.0258469e9 / t**3 + 2.1070379e6 / t**2 + 0.2226347e3 / t + 0.240390
    if t <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif t <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    rgb = np.maximum(SRGB_OF_XYZ @ np.array([x / y, 1.0, (1 - x - y) / y]), 0.0)
    return vector(rgb / rgb.max())


def _shell(up: Vector, around: float, elevation: float) -> Any:
    """Unit vector towards this azimuth and elevation, in radians."""
    return math.cos(elevation) * azimuth(up, around)[0] + math.sin(elevation) * np.array(up)


def _band(low_deg: float, high_deg: float, rng: Chance) -> float:
    """An elevation in radians, uniform by area on the sphere between the two."""
    return math.asin(rng.uniform(math.sin(math.radians(low_deg)), math.sin(math.radians(high_deg))))
