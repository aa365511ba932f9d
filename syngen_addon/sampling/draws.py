"""What a frame is drawn from and what is drawn for it, as plain numbers: facts and draws. Imports digits.

World space, in units of the scene: metres, but where SceneFacts.unit_m says otherwise. Directions are unit vectors; a
field that ends in _rad holds radians. A camera is Blender's (looks down its -Z, +Y is up) with square pixels and
`sensor_fit = 'AUTO'`, which lays the sensor over the longer side of the picture. Colours are linear.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from ..digits import nine

Vector = tuple[float, float, float]
Matrix = tuple[tuple[float, ...], ...]
"""4 x 4, row by row."""
Quaternion = tuple[float, float, float, float]
"""w, x, y, z."""
Box = tuple[float, float, float, float]

SENSOR_MM = 36.0


# --- what there is ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VariantFacts:
    """A variant that a target can wear. name: what tells it from every other of the job, the same on any machine; two
    targets that share a gallery have it in common. kind, preset: what it was made with ("" where that is not known).
    texture: what tells its wear texture from others of the kind; other targets and presets may show the same."""

    name: str
    kind: str = ""
    preset: str = ""
    texture: str = ""


@dataclass(frozen=True)
class TargetFacts:
    """One target as the sampler sees it.

    center, radius: bounding sphere. corners: eight corners of its bounding box, in any order. level: its level in the
    scene. variants: the accepted ones, in the order that FrameDraw.variants counts them in. kind: of its own wear.
    further: by name the kinds that lie beside it, each with its variants, as FrameDraw.also_variants counts them.
    points: of its surface, at even distances (any number), where they are known: what an occluder hides is then judged
    by them, and not by the box.
    """

    name: str
    center: Vector
    radius: float
    corners: tuple[Vector, ...]
    level: float = 0.0
    variants: tuple[VariantFacts, ...] = ()
    kind: str = ""
    further: tuple[tuple[str, tuple[VariantFacts, ...]], ...] = ()
    points: tuple[Vector, ...] = ()


@dataclass(frozen=True)
class ThingFacts:
    """Something that can stand about. name: of the file, object or simple shape. points: whose hull is about its shape,
    centred on its bounding box, the longest side of which is 1; +Z is its up."""

    name: str
    points: tuple[Vector, ...]


@dataclass(frozen=True)
class SceneFacts:
    """What can be drawn from. environments, backgrounds, grounds: file names, sorted. things: what distractors are made
    of; empty: the simple shapes of things.SHAPES. up: unit vector against gravity. unit_m: metres a unit of the scene;
    all places and lengths here and in draws are in such units, and only the recipe's are in metres."""

    targets: tuple[TargetFacts, ...]
    environments: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    grounds: tuple[str, ...] = ()
    things: tuple[ThingFacts, ...] = ()
    up: Vector = (0.0, 0.0, 1.0)
    unit_m: float = 1.0


# --- what is drawn ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CameraDraw:
    """matrix_world: rotation and place only. fstop, focus_m: where depth of field is on, the aperture and the distance
    along the view axis of what is sharp; else None."""

    matrix_world: Matrix
    focal_mm: float
    clip_start_m: float
    clip_end_m: float
    sensor_mm: float = SENSOR_MM
    fstop: float | None = None
    focus_m: float | None = None

    @property
    def location(self) -> Vector:
        """Where it stands."""
        return (self.matrix_world[0][3], self.matrix_world[1][3], self.matrix_world[2][3])


@dataclass(frozen=True)
class SunDraw:
    """direction: unit vector the light travels along. strength: W/m2, 0 indoors. angle_rad: apparent diameter."""

    direction: Vector
    strength: float
    angle_rad: float


@dataclass(frozen=True)
class SkyDraw:
    """Blender's physical sky, without its sun disc (the sun lamp is that). towards_sun: unit vector. air, dust, ozone:
    densities, 1 being a clear day's. strength: brightness."""

    towards_sun: Vector
    air: float
    dust: float
    ozone: float
    strength: float


@dataclass(frozen=True)
class AreaDraw:
    """A square lamp of side size_m at location that faces target."""

    location: Vector
    target: Vector
    power_w: float
    size_m: float
    color_linear: Vector


@dataclass(frozen=True)
class EnvironmentDraw:
    """index: of SceneFacts.environments. rotation_rad: about the up axis."""

    index: int
    rotation_rad: float
    strength: float


@dataclass(frozen=True)
class BackgroundDraw:
    """kind: as in the recipe. color_linear: for "color". image: index of SceneFacts.backgrounds, for "images"."""

    kind: str
    color_linear: Vector | None = None
    image: int | None = None


@dataclass(frozen=True)
class GroundDraw:
    """A square of side side_m at center, at right angles to the up axis, turned about it. picture: name of one of
    SceneFacts.grounds, tiled at tile_m, or "" for the plain colour."""

    center: Vector
    side_m: float
    rotation_rad: float
    color_linear: Vector
    roughness: float
    picture: str = ""
    tile_m: float = 1.0


@dataclass(frozen=True)
class ThingDraw:
    """Something that is no target. source: name of one of SceneFacts.things (of things.SHAPES where there are none).
    location: where the centre of its bounding box is. size_m: the longest side of that box, unrotated.
    color_linear: of a simple shape; what comes from a file keeps its own."""

    source: str
    location: Vector
    rotation: Quaternion
    size_m: float
    color_linear: Vector


@dataclass(frozen=True)
class PoseDraw:
    """How a target lies against how it lies in the scene: turned by yaw_rad about the up axis, then by tilt_rad about
    the horizontal tilt_axis, both about its centre, lifted so that its lowest point is as high as before, and moved by
    shift_m. drop: it falls from there. poses.pose_matrix gives all but the fall as one matrix."""

    yaw_rad: float
    tilt_rad: float
    tilt_axis: Vector
    shift_m: Vector
    drop: bool = False


@dataclass(frozen=True)
class TintDraw:
    """hue_turns: hue turned by so many full turns, -0.5 to 0.5. saturation, value: factors."""

    hue_turns: float
    saturation: float
    value: float


@dataclass(frozen=True)
class SensorDraw:
    """What a camera does to the picture (sensor.applied). exposure_ev: stops. kelvin: the light that looks white.
    vignette: how much darker corners are. chromatic_px: how far red and blue lie apart there. blur_px: standard
    deviation. motion_px, motion_angle_rad: length and direction (from the x axis to y, which points down). noise:
    standard deviation in mid-grey. jpeg: quality, 100 for none."""

    exposure_ev: float = 0.0
    kelvin: float = 6500.0
    vignette: float = 0.0
    chromatic_px: float = 0.0
    blur_px: float = 0.0
    motion_px: float = 0.0
    motion_angle_rad: float = 0.0
    noise: float = 0.0
    jpeg: int = 100


@dataclass(frozen=True)
class FrameDraw:
    """One frame. None (or empty) where the recipe's switch is off: then the scene's own stays.

    exposure_ev: to be added to render.exposure_ev. levels, variants: by target name, but for targets without variants;
    variants are indices of TargetFacts.variants. also, also_variants: by target name, the levels and the variants of
    its further kinds of wear.
    sky: lights the frame in place of `environment`, which is None then. indoor: lamps alone light it; the strength of
    the sun is 0 then, and that of the environment next to it. poses, tints: by target name. rests: by target name what
    to multiply its matrix_world by, from the left, so that it lies as in this frame; those that stay where they are are
    not named. split: the one whose pool environment, background and variants come from; "" where nothing is kept apart.
    """

    aimed_at: str
    camera: CameraDraw | None
    sun: SunDraw | None
    areas: tuple[AreaDraw, ...]
    environment: EnvironmentDraw | None
    background: BackgroundDraw | None
    exposure_ev: float
    levels: dict[str, float]
    variants: dict[str, int]
    also: dict[str, dict[str, float]] = field(default_factory=dict)
    also_variants: dict[str, dict[str, int]] = field(default_factory=dict)
    sky: SkyDraw | None = None
    indoor: bool = False
    ground: GroundDraw | None = None
    distractors: tuple[ThingDraw, ...] = ()
    occluders: tuple[ThingDraw, ...] = ()
    poses: dict[str, PoseDraw] = field(default_factory=dict)
    rests: dict[str, Matrix] = field(default_factory=dict)
    tints: dict[str, TintDraw] = field(default_factory=dict)
    sensor: SensorDraw | None = None
    split: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON-ready values, floats to nine significant digits; what a frame need not have (the fields
        with a default, the camera's fstop and focus_m) only where it has it."""
        always = {about.name for about in dataclasses.fields(self) if about.default is about.default_factory}
        values: dict[str, Any] = _plain(dataclasses.asdict(self))
        if values["camera"]:
            values["camera"] = {k: v for k, v in values["camera"].items() if v is not None}
        return {k: v for k, v in values.items() if k in always or v}


def vector(values: Any) -> Vector:
    """Three numbers as plain floats."""
    return (float(values[0]), float(values[1]), float(values[2]))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return nine(value) if isinstance(value, float) else value
