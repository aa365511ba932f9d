"""The recipe: one TOML file that says everything about a job, as frozen dataclasses, one a stage.

Imports the standard library, presets and tomli_w only. Every key is declared once, with its default, unit, range and meaning;
reading, writing, checking and the reference in docs/recipe.md (`python -m syngen_addon.recipe`) all come from that
declaration. Ranges the sampler draws from are pairs [low, high].
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, dataclass_transform

from .errors import SynGenError
from .presets import PRESETS

FORMATS = (
    "coco",
    "coco_keypoints",
    "coco_panoptic",
    "yolo",
    "yolo_segment",
    "yolo_obb",
    "yolo_pose",
    "classify",
    "voc",
    "bop",
    "masks",
    "depth",
    "normals",
    "csv",
)
"""What can be made of the records."""
WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
Range = tuple[float, float]
Names = tuple[str, ...]
PATH_KEYS = (
    ("causes", "damage_image"),
    ("texture", "exemplar"),
    ("light", "environments"),
    ("background", "folder"),
    ("ground", "folder"),
    ("distractors", "folder"),
    ("transfer", "protect_image"),
    ("transfer", "style_image"),
    ("diffusion", "style_image"),
)
"""(section, key) of every path."""
MODEL_KEYS = (
    ("diffusion", "model"),
    ("diffusion", "control_model"),
    ("diffusion", "lora"),
    ("diffusion", "style_model"),
    ("neural", "vgg"),
    ("neural", "decoder"),
)
"""(section, key) of every model: a path, or the name of one on the Hugging Face hub."""


def key(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    length: int | None = None,
) -> Any:
    """One key of the recipe. low, high: inclusive bounds of every number in it. length: of a list, where it is fixed."""
    about = {"doc": doc, "unit": unit, "low": low, "high": high, "choices": choices, "length": length}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=about)
    return field(default=default, metadata=about)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Frozen:
    """What makes a class below a frozen dataclass.

    It does what dataclass(frozen=True) would. That writes six methods for each class, as text which it then compiles:
    for as many classes as here this would be the largest part of what it costs to enable the extension.
    """

    __dataclass_fields__: "ClassVar[dict[str, dataclasses.Field[Any]]]"

    def __init_subclass__(cls) -> None:
        dataclass(init=False, repr=False, eq=False)(cls)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields, name = self.__dataclass_fields__, type(self).__name__
        if len(values) > len(fields):
            raise TypeError(f"{name} takes {len(fields)} values, not {len(values)}")
        given = dict(zip(fields, values, strict=False))
        if wrong := [n for n in named if n not in fields or n in given]:
            raise TypeError(f"{name} takes no {wrong[0]!r}, or has it already")
        given |= named
        for n, about in fields.items():
            if n in given:
                self.__dict__[n] = given[n]
            elif about.default is not dataclasses.MISSING:
                self.__dict__[n] = about.default
            elif about.default_factory is not dataclasses.MISSING:
                self.__dict__[n] = about.default_factory()
            else:
                raise TypeError(f"{name} needs {n!r}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={value!r}' for n, value in self.__dict__.items())})"

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


# --- what a kind of wear is made of (kinds/ hold nothing but these) -------------------------------------------------


class Onset(Frozen):
    """Where wear starts: how much each cause counts, 0 (not at all) to 1, and in what shape it comes."""

    spread: float = key(0.6, "Patches that start by chance.", low=0, high=1)
    edge: float = key(0.6, "Convex edges, where paint chips first.", low=0, high=1)
    cavity: float = key(0.5, "Cavities, seams and crevices that hold water.", low=0, high=1)
    contact: float = key(0.2, "Where parts touch or lie upon each other.", low=0, high=1)
    drips: float = key(0.35, "Streaks that run down from where wear starts.", low=0, high=1)
    splash: float = key(0.2, "The splash zone near the object's foot.", low=0, high=1)
    rain: float = key(0.1, "What rain reaches from above; what is sheltered stays dry.", low=0, high=1)
    welds: float = key(0.3, "Weld seams, bolts and rivets.", low=0, high=1)
    damage: float = key(1.0, "Damage that the user painted.", low=0, high=1)
    scale_m: float = key(0.25, "Size of the patches (the distance of dents, cracks or scratches).", unit="m", low=1e-4, high=1000)
    contrast: float = key(0.5, "0: causes blur into each other and chance rules; 1: each stands out sharply.", low=0, high=1)
    pattern: str = key("patches", "The shape wear comes in.", choices=("patches", "plates", "lines", "cracks", "dents"))


class Look(Frozen):
    """How fully developed wear looks. Colours are sRGB, 0 to 1, from young to old; shares are 0 to 1 of the surface.

    The wear is thought of in layers: a body of middle age, young powder blooming on it, an old crust that blisters and
    flakes off, pits, spots and runs where water stood or ran, grain over all, and bare metal where the layers are thin.
    """

    colors_srgb: tuple[tuple[float, float, float], ...]
    roughness: Range
    metallic: float
    """Of the bare metal that shows through; the wear itself is not metallic."""
    relief: float
    """Depth of the height map, 0 to 1."""
    grain: float
    """Strength of the fine grain, 0 to 1."""
    scale: float
    """Feature size, in tiles: 1 gives patches of about an eighth of the tile."""
    direction: float
    """0 isotropic, 1 drawn out along the texture's vertical."""
    body: Range = (0.3, 0.7)
    """The ages between which the body varies: 0 is the first colour, 1 the last."""
    contrast: float = 0.5
    """How far patches stand apart in age and hue, 0 to 1."""
    powder: float = 0.1
    """Share of the surface under young, bright powder."""
    crust: float = 0.2
    """Share of the surface under old, dark crust."""
    flakes: float = 0.3
    """How much of the crust has lifted and come off in plates, 0 to 1."""
    pits: float = 0.3
    """How thickly pits are strewn, 0 to 1."""
    spots: float = 0.3
    """How thickly round stains from standing drops are strewn, 0 to 1."""
    sheets: float = 0.5
    """How far the sheets that each wetting left stand apart in age and hue, 0 to 1."""
    blisters: float = 0.0
    """How thickly blisters are strewn, 0 to 1."""
    runs: float = 0.0
    """Strength of the stains that run down from crust and powder, 0 to 1."""
    bare: float = 0.0
    """Share of the surface where bare metal glints."""
    bare_srgb: tuple[float, float, float] = (0.42, 0.36, 0.31)
    """Colour of that metal."""
    style: str = "corrosion"
    """How its texture is built (textures/procedural.py): corrosion, and what is beside it there."""


class Front(Frozen):
    """What happens at the front, where wear meets what is sound, and as it ages: live in the material. Colours are linear.

    A place that starts to wear at onset t is L - t levels old at the level L.
    """

    stain: float = 0.45
    """How strongly a stain runs ahead of the front, 0 to 1."""
    stain_linear: tuple[float, float, float] = (0.36, 0.105, 0.022)
    """Colour of that stain: fresh rust washed out onto the paint."""
    stain_levels: float = 0.10
    """How far ahead, in levels."""
    bloom_linear: tuple[float, float, float] = (1.45, 1.12, 0.80)
    """What the aged texture's colour is multiplied by where wear is young."""
    scale_linear: tuple[float, float, float] = (0.72, 0.66, 0.64)
    """What it is multiplied by where wear is oldest."""
    age_levels: float = 0.5
    """Levels from young to old."""
    thin: float = 0.0
    """How thin wear is where it is young, 0 to 1: at 1 it comes from nothing, as dust and chalk do."""
    rim_levels: float = 0.0
    """Width in levels of the bare rim that shows where the paint has just come off."""
    rim_linear: tuple[float, float, float] = (0.35, 0.33, 0.31)
    """Colour of that rim: bare metal, or primer."""
    rim_metallic: float = 1.0
    lip_m: float = 0.0006
    """How far paint lifts where the front reaches it."""
    sink_m: float = 0.0
    """How far worn surface lies under sound: the paint's thickness, or a dent's depth. Negative: it grows above it."""
    sink_levels: float = 0.02
    """Levels over which it sinks: small for a step, large for a bowl."""
    grain: float = 1.0
    """Strength of the fine grain that keeps close-ups crisp, 0 to 1."""
    runoff: float = 0.0
    """Strength of the stains that run down below wear, 0 to 1; they colour the paint and leave it whole."""
    runoff_linear: tuple[float, float, float] = (0.30, 0.10, 0.03)
    """Colour of those stains."""
    runoff_counts: bool = False
    """Whether they count as wear in labels."""
    dull: float = 0.15
    """How much rougher stain and run-off make the paint, -1 to 1; less than 0: they are wet."""
    dust: float = 0.3
    """How far young wear is roughened by dust, 0 to 1; 0 for what is wet or bare."""


class Kind(Frozen):
    """One sort of wear: where it starts, how it looks, what it is called, which words prompt it."""

    name: str
    label: str
    """What a person reads in the menu."""
    onset: Onset
    look: Look
    wear_class: str = ""
    """The wear class it always has; empty where the level decides."""
    prompt: str = ""
    coverage: float = 0.85
    """How much of the base texture's colour fully developed wear hides, 0 to 1; 0: it changes the shape only."""
    front: Front = Front()
    over: int = 0
    """Where several kinds meet on one object, those of a higher number lie on top."""
    tile_m: float = 0.0
    """World size of its texture's tile, where that of the recipe does not suit it; 0: the recipe's."""


# --- the recipe's sections -------------------------------------------------------------------------------------------


class Targets(Frozen):
    """Which objects are aged and labelled."""

    objects: Names = key((), "Names of the objects, with * and ? as wildcards; empty: every object that has wear.")
    classes: dict[str, str] = key({}, "Class name by object name (wildcards allowed), for `labels.class_from = \"object\"`.")
    kinds: dict[str, str] = key({}, "Kind of wear by object name (wildcards allowed), for objects that have none yet; the others get `wear.kind`.")


class Wear(Frozen):
    """What sort of wear, how much of it, and what it is called."""

    kind: str = key("heavy_rust", "The kind of wear given to objects that have none yet (a name from kinds/).")
    kinds: Names = key((), "Kinds drawn from, frame by frame, for objects that have none yet, instead of `kind` alone; variants of each are made.")
    level: Range = key((0.1, 0.9), "Fraction of the wearable surface that is worn.", low=0, high=1)
    clean_below: float = key(0.02, "Under this level an object counts as clean: no wear class.", low=0, high=1)
    complete_from: float = key(0.66, "From this level on the wear class is *complete*.", low=0, high=1)
    softness: float = key(0.04, "Width of the front between sound and worn, in levels; for the eye only.", low=0.001, high=0.5)
    seed: int = key(0, "Seed of the onset map.", low=0, high=2**31 - 1)
    up: str = key("+Z", "The direction away from gravity.", choices=("+X", "-X", "+Y", "-Y", "+Z", "-Z"))
    also: dict[str, Range] = key({}, "Further kinds of wear that lie on every target beside its own (which does not count here), each with the range of its level: `dents = [0.1, 0.4]`.", low=0, high=1)
    leave_out: Names = key((), "Materials that do not wear, by name, with * and ? as wildcards: glass, rubber, wood.")


class Causes(Frozen):
    """Where wear starts, relative to what the kind of wear says: 1 leaves it, 0 switches a cause off, 2 doubles it."""

    preset: str = key("none", "What the object went through; the sliders count on top.", choices=("none", *PRESETS))
    presets: Names = key((), "Presets drawn from, frame by frame, for objects that have no wear yet, instead of `preset` alone; variants of each are made.", choices=("none", *PRESETS))
    spread: float = key(1.0, "Patches that start by chance.", low=0, high=3)
    edge: float = key(1.0, "Convex edges, where paint chips.", low=0, high=3)
    cavity: float = key(1.0, "Cavities, seams and crevices that hold water.", low=0, high=3)
    contact: float = key(1.0, "Where parts touch or lie upon each other.", low=0, high=3)
    drips: float = key(1.0, "Streaks that run down from where wear starts.", low=0, high=3)
    splash: float = key(1.0, "The splash zone near the object's foot.", low=0, high=3)
    rain: float = key(1.0, "What rain reaches from above.", low=0, high=3)
    welds: float = key(1.0, "Weld seams, bolts and rivets.", low=0, high=3)
    damage: float = key(1.0, "Damage that was painted.", low=0, high=3)
    contrast: float = key(1.0, "How sharply the causes stand apart from chance.", low=0, high=2)
    scale: float = key(1.0, "Size of the patches.", low=0.05, high=20)
    age_shift: float = key(0.0, "Young, bright wear (-1) or old, dark wear (1) at the same level.", low=-1, high=1)
    damage_group: str = key("", "A vertex group (or a color attribute) that holds painted damage; empty: none.")
    damage_image: str = key("", "A picture in the base texture's layout; white is damage. A relative path counts from the recipe file's folder, `//` from the .blend.")


class Marks(Frozen):
    """Logos, labels and text on the base texture, which wear leaves readable."""

    find: bool = key(False, "On: they are found on the base texture and protected, beside what transfer.protect_image and protect_group name.")
    sensitivity: float = key(0.5, "How readily something counts as a mark.", low=0, high=1)
    grow: float = key(0.004, "How far protection reaches beyond a mark, as a share of the texture's side.", low=0, high=0.1)
    age: bool = key(False, "On: protected texels fade and get scratched as the level rises, their shape unchanged. Off: they stay as they are.")
    fade: float = key(0.6, "How far they fade and are scratched at level 1.", low=0, high=1)


class Texture(Frozen):
    """The wear texture."""

    method: str = key("procedural", "How wear textures are made.", choices=("procedural", "exemplar", "diffusion"))
    exemplar: str = key("", "A photo of wear from which a tileable texture of any size is made, for `method = \"exemplar\"`. A relative path counts from the recipe file's folder, `//` from the .blend.")
    exemplar_m: float = key(0.5, "World size of what the photo shows, along its shorter side. Where that is less than tile_m, the texture shows more of the wear than the photo.", unit="m", low=1e-3, high=1000)
    size: int = key(1024, "Side of the tile.", unit="texels", low=64, high=8192)
    tile_m: float = key(0.5, "World size of one tile on the object.", unit="m", low=1e-3, high=1000)
    variants: int = key(4, "Variants made for each object.", low=1, high=64)
    seed: int = key(0, "Seed of the first variant.", low=0, high=2**31 - 1)


class Transfer(Frozen):
    """How the wear texture is brought onto the base texture."""

    method: str = key("patch", "How: by patches (needs no weights), by optimizing against VGG features (Gatys et al.), by AdaIN in one pass, or by Stable Diffusion on the base texture.", choices=("patch", "gatys", "adain", "diffusion"))
    structure: float = key(0.5, "How much of the base texture's own detail stays visible.", low=0, high=1)
    color: float = key(0.9, "How far the color moves towards the wear texture's.", low=0, high=1)
    protect_image: str = key("", "A picture in the base texture's layout; its white texels are protected. A relative path counts from the recipe file's folder, `//` from the .blend.")
    protect_group: str = key("", "A vertex group; texels of weight over 0.5 are protected.")
    style_image: str = key("", "A photo of rust whose look `gatys` and `adain` take over; empty: the wear texture. A relative path counts from the recipe file's folder, `//` from the .blend.")
    texel_m: float = key(0.0, "For close-ups: aged textures get a texel of at most this size on the object, up to max_size; 0: the base texture's own size.", unit="m", low=0, high=1)
    max_size: int = key(4096, "Aged textures are made no larger than this.", unit="texels", low=64, high=16384)


class Neural(Frozen):
    """Neural style transfer, for `transfer.method` = `gatys` or `adain`."""

    content_weight: float = key(1.0, "How strongly the base texture's structure is held.", low=0, high=1000)
    style_weight: float = key(1.0, "How strongly the wear's look is reached. Only the ratio of the two counts.", low=0, high=1000)
    steps: int = key(100, "Optimization steps of `gatys`; most of what more would bring comes within the first 50.", low=1, high=10000)
    colors: str = key("style", "Whose colors the result has; `content` transfers texture only.", choices=("style", "content"))
    tile: int = key(0, "Side of the tiles it is computed in, so that memory stays bounded; 0: by the memory at hand.", unit="texels", low=0, high=8192)
    vgg: str = key("", "VGG-19 weights: a path, or a name on the hub; empty: those that Get Weights fetches. A relative path counts from the recipe file's folder, `//` from the .blend.")
    decoder: str = key("", "AdaIN decoder weights: a path, or a name on the hub; empty: those that Get Weights fetches. A relative path counts from the recipe file's folder, `//` from the .blend.")


class Diffusion(Frozen):
    """Stable Diffusion, for `texture.method` = `diffusion` (wear textures from text) and `transfer.method` = `diffusion` (on the base texture)."""

    model: str = key("stable-diffusion-v1-5/stable-diffusion-v1-5", "A name on the Hugging Face hub (`owner/name`, or `owner/name:fp16` for its half-precision files), a diffusers folder, or a .safetensors file. A relative path counts from the recipe file's folder, `//` from the .blend. `a/b` is a name on the hub, `./a/b` a folder.")
    prompt: str = key("", "What to show; empty: made from the kind of wear, the material and the severity.")
    negative: str = key("", "What to avoid; empty: made in the same way.")
    material: str = key("painted steel", "What the object is made of, for prompts.")
    severity: float = key(0.7, "How bad the wear is, for prompts.", low=0, high=1)
    mode: str = key("inpaint", "On the base texture: `inpaint` paints only where wear may be, `image` starts from the whole of it.", choices=("inpaint", "image"))
    strength: float = key(0.6, "How far the base texture is changed.", low=0, high=1)
    size: int = key(512, "Side at which the model works, a multiple of 8.", unit="texels", low=64, high=4096)
    steps: int = key(30, "Denoising steps.", low=1, high=500)
    guidance: float = key(7.0, "How closely the prompt is followed; 0 to 2 for turbo, LCM and lightning models.", low=0, high=50)
    scheduler: str = key("auto", "The noise schedule; `auto` is the model's own.", choices=("auto", "ddim", "euler", "euler_a", "dpm", "unipc", "lcm"))
    control: str = key("none", "What of the base texture a ControlNet holds.", choices=("none", "tile", "canny", "depth"))
    control_model: str = key("", "The ControlNet: a name on the hub or a folder. A relative path counts from the recipe file's folder, `//` from the .blend.")
    control_weight: float = key(0.8, "How strongly it holds.", low=0, high=2)
    lora: str = key("", "A LoRA: a .safetensors file, or a name on the hub (`owner/name` or `owner/name:file`). A relative path counts from the recipe file's folder, `//` from the .blend.")
    lora_weight: float = key(1.0, "How strongly it counts.", low=-2, high=2)
    style_image: str = key("", "A photo whose style an IP-Adapter brings in; empty: none. A relative path counts from the recipe file's folder, `//` from the .blend.")
    style_model: str = key("h94/IP-Adapter:models/ip-adapter_sd15.safetensors", "The IP-Adapter: a .safetensors file, or a name on the hub, as for `lora`. A relative path counts from the recipe file's folder, `//` from the .blend.")
    style_weight: float = key(0.6, "How strongly the style photo counts.", low=0, high=2)
    rounds: int = key(3, "How often refused textures are tried again, with a prompt changed for the reason.", low=0, high=20)
    refine_share: float = key(0.3, "The prompt changes when more than this share is refused for one reason.", low=0, high=1)
    precision: str = key("auto", "Of the numbers; `auto` is half on a GPU, full elsewhere.", choices=("auto", "full", "half"))
    offload: str = key("auto", "What waits in main memory while it is not needed; `auto`: by the memory at hand.", choices=("auto", "none", "model", "sequential"))


class Filters(Frozen):
    """When a texture is refused (docs/filters.md). Scores are taken at 512 texels a side, noise and blocks at full size."""

    enabled: bool = key(True, "Off: every texture that is not broken is accepted.")
    sharpness_min: float = key(0.88, "Least sharpness: detail in the two finest octaves over that in the next three, times the finest's over the second's.", low=0, high=10)
    noise_max: float = key(0.065, "Most pixel noise: standard deviation of white noise in lightness.", low=0, high=1)
    contrast_min: float = key(0.013, "Least contrast: standard deviation of color, 1 being black to white.", low=0, high=1)
    color_max: float = key(6.9, "Largest distance from the wear's colors that three quarters of the texels keep to.", unit="Lab units", low=0, high=200)
    blocks_max: float = key(0.64, "Most that a square grid of steps stands out, as JPEG's blocks or a mosaic's: times the steps beside it.", low=0, high=1000)
    object_max: float = key(0.32, "How clearly it may show a thing before a background, 0 to 1.", low=0, high=1)
    text_max: float = key(3.0, "Most letters in a row, in ink or as a watermark; about.", low=0, high=1000)
    exposure_max: float = key(0.053, "Largest share of texels that are blown out or black.", low=0, high=1)
    lighting_max: float = key(0.24, "Most light of the scene in it: spread of a smooth fit to the log of its luminance.", low=0, high=10)
    seam_max: float = key(1.3, "Largest step across the tile's border, over the largest between neighbors inside.", low=0, high=100)
    duplicate_min: float = key(0.05, "Least distance to an accepted texture, 0 (the same) to 1.", low=0, high=1)


class Camera(Frozen):
    """The camera, around a target."""

    randomize: bool = key(True, "Off: the scene's own camera.")
    path: str = key("shell", "Where it stands: anywhere on the shell of these ranges, on orbits around a target, at eye level on the ground, or carried by hand from place to place.", choices=("shell", "orbit", "ground", "handheld"))
    stratify: bool = key(True, "On: any run of frames, every shard and every split covers the ranges, levels, kinds and files evenly; off: each frame by chance alone.")
    orbit_frames: int = key(24, "Frames of a turn, or between two places where it is carried.", low=1, high=10**6)
    eye_m: Range = key((1.4, 1.9), "Height over the lowest point of the targets of a camera at eye level or carried by hand.", unit="m", low=0.01, high=1000)
    shake_deg: Range = key((0.0, 1.5), "How far one that is carried shakes.", unit="degrees", low=0, high=45)
    distance: Range = key((0.9, 2.2), "Multiples of the distance at which the target just fits the picture.", low=0.05, high=1000)
    azimuth_deg: Range = key((-180.0, 180.0), "Direction around the up axis; 0 is -Y.", unit="degrees", low=-360, high=360)
    elevation_deg: Range = key((5.0, 50.0), "Angle over the horizon.", unit="degrees", low=-89, high=89)
    focal_mm: Range = key((28.0, 70.0), "Focal length.", unit="mm", low=1, high=2000)
    sensor_mm: Range = key((36.0, 36.0), "Size of the sensor, along the longer side of the picture.", unit="mm", low=1, high=200)
    dof: bool = key(False, "On: depth of field, focused on the target; labels are made from the sharp scene.")
    fstop: Range = key((1.8, 8.0), "Aperture, for `dof`.", low=0.1, high=128)
    roll_deg: Range = key((-6.0, 6.0), "Roll about the view axis.", unit="degrees", low=-180, high=180)
    aim: Range = key((0.0, 0.35), "How far beside the target's center the camera aims, in target radii.", low=0, high=10)
    min_height_m: float = key(0.1, "The camera never stands lower than this over the lowest point of the targets.", unit="m", low=-1e6, high=1e6)


class Light(Frozen):
    """Sun, lamps and environment."""

    randomize: bool = key(True, "Off: the scene's own lights and world.")
    keep_scene_lights: bool = key(False, "On: the scene's lamps stay lit beside the drawn ones.")
    sun_strength: Range = key((0.5, 4.0), "Irradiance of the sun.", unit="W/m2", low=0, high=1e5)
    sun_elevation_deg: Range = key((15.0, 80.0), "Angle over the horizon.", unit="degrees", low=-90, high=90)
    sun_angle_deg: Range = key((0.5, 6.0), "Apparent size: soft shadows from wide suns.", unit="degrees", low=0, high=180)
    sky: float = key(0.0, "Share of the frames that Blender's sky lights, its sun where the drawn one stands, in place of an environment map.", low=0, high=1)
    indoor: float = key(0.0, "Share of the frames that lamps alone light: no sun, a fifth of the environment.", low=0, high=1)
    area_lights: tuple[int, int] = key((0, 2), "How many area lamps; indoors at least one.", low=0, high=16)
    area_power_w: Range = key((20.0, 150.0), "Power of a lamp 2 m away from its target; grows with distance squared.", unit="W", low=0, high=1e6)
    lamp_kelvin: Range = key((3000.0, 6500.0), "Color temperature of a lamp.", unit="K", low=1000, high=20000)
    environments: str = key("", "Folder of environment maps (.hdr, .exr); empty: Blender's own studio lights. A relative path counts from the recipe file's folder, `//` from the .blend.")
    environment_strength: Range = key((0.4, 1.2), "Brightness of the environment.", low=0, high=1000)
    environment_rotation_deg: Range = key((-180.0, 180.0), "Rotation of the environment about the up axis.", unit="degrees", low=-360, high=360)
    exposure_ev: Range = key((-0.4, 0.4), "Added to render.exposure_ev.", unit="stops", low=-10, high=10)


class Background(Frozen):
    """What the camera sees behind the scene."""

    randomize: bool = key(True, "Off: the scene's own world.")
    kind: str = key("environment", "The environment map, one color, or pictures from a folder.", choices=("environment", "color", "images"))
    color_low: tuple[float, float, float] = key((0.05, 0.05, 0.05), "Darkest color (linear).", low=0, high=1, length=3)
    color_high: tuple[float, float, float] = key((0.8, 0.8, 0.8), "Brightest color (linear).", low=0, high=1, length=3)
    folder: str = key("", "Folder of pictures, for `kind = \"images\"`. A relative path counts from the recipe file's folder, `//` from the .blend.")


class Ground(Frozen):
    """A ground under the targets that takes their shadows, for scenes that have none."""

    randomize: bool = key(False, "On: there is one, another in every frame.")
    size: float = key(20.0, "Its side, in radii of all targets together.", low=1, high=10000)
    color_low: tuple[float, float, float] = key((0.04, 0.04, 0.04), "Darkest color (linear).", low=0, high=1, length=3)
    color_high: tuple[float, float, float] = key((0.6, 0.57, 0.52), "Brightest color (linear).", low=0, high=1, length=3)
    roughness: Range = key((0.4, 1.0), "Roughness.", low=0, high=1)
    folder: str = key("", "Folder of pictures that it is tiled with; empty: plain colors. A relative path counts from the recipe file's folder, `//` from the .blend.")
    tile_m: Range = key((0.5, 3.0), "World size of such a picture.", unit="m", low=1e-3, high=1000)


class Distractors(Frozen):
    """Things that are no targets: beside them, and between them and the camera."""

    randomize: bool = key(True, "Off: none, whatever the numbers say.")
    count: tuple[int, int] = key((0, 0), "How many stand about.", low=0, high=200)
    occluders: tuple[int, int] = key((0, 0), "How many stand between the camera and the target it is aimed at.", low=0, high=20)
    occlusion: Range = key((0.1, 0.5), "Share of that target that is to be hidden; a frame that misses it is drawn again.", low=0, high=1)
    size: Range = key((0.3, 1.0), "Their size, in radii of that target.", low=0.001, high=100)
    folder: str = key("", "Folder of .blend, .glb, .gltf, .obj and .fbx files they are taken from. A relative path counts from the recipe file's folder, `//` from the .blend.")
    collection: str = key("", "A collection of the file that they are taken from; without it and without a folder they are simple shapes.")


class Pose(Frozen):
    """How targets lie, against how they lie in the scene."""

    randomize: bool = key(True, "Off: they stay as they are, whatever the ranges say.")
    yaw_deg: Range = key((0.0, 0.0), "Turned about the up axis.", unit="degrees", low=-360, high=360)
    tilt_deg: Range = key((0.0, 0.0), "Tilted, about a horizontal axis by chance.", unit="degrees", low=0, high=180)
    shift_m: Range = key((0.0, 0.0), "Moved sideways, in a direction by chance.", unit="m", low=0, high=1000)
    drop: bool = key(False, "On: they fall from where they are onto the ground, and lie as they come to rest.")


class Tint(Frozen):
    """The color of the base texture, where it is sound: albedo randomization."""

    randomize: bool = key(True, "Off: it stays as it is, whatever the ranges say.")
    hue_deg: Range = key((0.0, 0.0), "Hue turned by so much.", unit="degrees", low=-180, high=180)
    saturation: Range = key((1.0, 1.0), "Saturation times so much.", low=0, high=4)
    value: Range = key((1.0, 1.0), "Brightness times so much.", low=0, high=4)


class Sensor(Frozen):
    """What a camera does to a picture after the render. Nothing moves, so that labels stay right."""

    randomize: bool = key(True, "Off: nothing, whatever the ranges say.")
    share: float = key(1.0, "Share of the frames that it is done to.", low=0, high=1)
    exposure_ev: Range = key((0.0, 0.0), "Exposure.", unit="stops", low=-10, high=10)
    kelvin: Range = key((6500.0, 6500.0), "White balance: the light that would look white.", unit="K", low=1500, high=20000)
    vignette: Range = key((0.0, 0.0), "How much darker corners are.", low=0, high=1)
    chromatic_px: Range = key((0.0, 0.0), "How far red and blue lie apart in the corners.", unit="pixels", low=0, high=20)
    blur_px: Range = key((0.0, 0.0), "Blur: standard deviation.", unit="pixels", low=0, high=50)
    motion_px: Range = key((0.0, 0.0), "Blur in one direction: length.", unit="pixels", low=0, high=200)
    noise: Range = key((0.0, 0.0), "Noise: standard deviation in mid-grey, 1 being white; grows as a sensor's does.", low=0, high=1)
    jpeg: Range = key((100.0, 100.0), "Quality of a JPEG that it has been; 100: none. The file stays a PNG.", low=1, high=100)


class Randomize(Frozen):
    """Switches for the parts that have no section of their own."""

    level: bool = key(True, "Off: each object keeps the level it has in the scene.")
    variant: bool = key(True, "Off: each object keeps the variant it wears.")
    control: bool = key(False, "On: the same cameras, poses, things and wear, and so the same labels, but light, background, ground, colors and sensor at the middle of their ranges.")
    apart: Names = key(("environment", "background", "ground", "thing", "variant"), "Of these, train, val and test get their own, so that nothing leaks from one into another; where there are too few of one, a warning says so. `export.split` is then part of the job.", choices=("environment", "background", "ground", "thing", "variant"))


class Render(Frozen):
    """How a frame is rendered."""

    engine: str = key("cycles", "The render engine.", choices=("cycles", "eevee"))
    device: str = key("auto", "Where Cycles runs; `auto` takes the best there is, any other that is missing is an error.",
                      choices=("auto", "cpu", "cuda", "optix", "hip", "metal", "oneapi"))
    width: int = key(512, "Width of the picture.", unit="pixels", low=16, high=16384)
    height: int = key(512, "Height of the picture.", unit="pixels", low=16, high=16384)
    samples: int = key(32, "Samples a pixel.", low=1, high=65536)
    speed: str = key("balanced", "What a frame may cost: how it is sampled and denoised (docs/performance.md).", choices=("fast", "balanced", "best"))
    denoise: bool = key(True, "OpenImageDenoise after the render, where this Blender has it.")
    view_transform: str = key("AgX", "Blender's view transform, by name.")
    exposure_ev: float = key(0.0, "Exposure of the film.", unit="stops", low=-10, high=10)
    motion_blur: bool = key(False, "On: what moves in the scene is blurred; labels are made from the sharp scene.")
    keep_compositor: bool = key(False, "On: the scene's compositor runs on the picture; labels may then not fit it.")


class Labels(Frozen):
    """What is labelled, and as what."""

    objects: str = key("instances", "Whole objects, or each connected worn region.", choices=("instances", "regions"))
    class_from: str = key("wear", "Class: the wear class, the kind of wear, the object's own class name, a custom property, the collection it lies in, or object and wear class together.", choices=("wear", "kind", "object", "property", "collection", "object_wear"))
    class_property: str = key("", "The custom property of objects (or of their data), for `class_from = \"property\"`.")
    geometry: bool = key(True, "Amodal boxes, visible fractions, poses, 3D boxes and keypoints.")
    depth: bool = key(False, "A depth map a frame (EXR, meters along the view axis).")
    normals: bool = key(False, "A map of normals a frame (EXR, world space).")
    polygons: bool = key(False, "Polygons of the objects to detect go into the record: it takes a tenth longer to make, and yolo_segment is written from it ten times as fast.")
    min_pixels: int = key(100, "A frame in which a visible target is smaller is drawn again.", unit="pixels", low=1, high=10**8)
    redraws: int = key(8, "How often, before the frame is recorded as having no target.", low=0, high=1000)
    wear_threshold: float = key(0.5, "A pixel is worn from this wear fraction on.", low=0.01, high=1)
    region_min_pixels: int = key(64, "Smaller worn regions are left out.", unit="pixels", low=1, high=10**8)
    region_merge_pixels: int = key(8, "Regions this near to each other are one.", unit="pixels", low=0, high=1000)


class Export(Frozen):
    """What is written from the records."""

    formats: Names = key(("coco", "yolo"), "Formats (docs/formats.md).", choices=FORMATS)
    split: tuple[float, float, float] = key((0.8, 0.1, 0.1), "Fractions of train, val and test.", low=0, high=1, length=3)
    min_visible: float = key(0.0, "Objects of which less than this fraction is visible are left out; needs labels.geometry.", low=0, high=1)
    title: str = key("", "The dataset's name, for its card; empty: the scene's.")
    license: str = key("", "The dataset's licence, for its card and COCO.")
    licenses: dict[str, str] = key({}, "Licence by name of an input file (wildcards allowed), for the card: `\"*.hdr\" = \"CC0-1.0\"`.")


class Recipe(Frozen):
    """A whole job but for its frames, seed and folder, which are the command line's."""

    targets: Targets = field(default_factory=Targets)
    wear: Wear = field(default_factory=Wear)
    causes: Causes = field(default_factory=Causes)
    marks: Marks = field(default_factory=Marks)
    texture: Texture = field(default_factory=Texture)
    transfer: Transfer = field(default_factory=Transfer)
    neural: Neural = field(default_factory=Neural)
    diffusion: Diffusion = field(default_factory=Diffusion)
    filters: Filters = field(default_factory=Filters)
    camera: Camera = field(default_factory=Camera)
    light: Light = field(default_factory=Light)
    background: Background = field(default_factory=Background)
    ground: Ground = field(default_factory=Ground)
    distractors: Distractors = field(default_factory=Distractors)
    pose: Pose = field(default_factory=Pose)
    tint: Tint = field(default_factory=Tint)
    sensor: Sensor = field(default_factory=Sensor)
    randomize: Randomize = field(default_factory=Randomize)
    render: Render = field(default_factory=Render)
    labels: Labels = field(default_factory=Labels)
    export: Export = field(default_factory=Export)


def sections() -> dict[str, type]:
    """Section name -> its dataclass, in the order of the file."""
    return {section.name: section.type for section in dataclasses.fields(Recipe)}  # type: ignore[misc]


# --- reading ---------------------------------------------------------------------------------------------------------


def load(path: str | Path) -> Recipe:
    """Read a recipe file. Raises SynGenError naming the key, the value and what is allowed."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SynGenError(f"The recipe {path} does not exist.", "Check its path (--recipe).") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SynGenError(f"The recipe {path} cannot be read: {error}.", "Choose a text in UTF-8.") from error
    return loads(text, str(path))


def loads(text: str, source: str = "recipe") -> Recipe:
    """Read a recipe from TOML text. source names it in errors. Raises SynGenError."""
    return from_dict(parsed(text, source), source)


def parsed(text: str, source: str = "recipe") -> dict[str, Any]:
    """TOML text as it stands: which keys it names, nothing checked. Raises SynGenError."""
    import tomllib  # what only reading a file needs is not imported when the extension is enabled

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SynGenError(f"{source} is not valid TOML: {error}.", "Mend that line.") from error


def from_dict(document: Mapping[str, Any], source: str = "recipe") -> Recipe:
    """Check a parsed document and build the recipe. Missing keys take their defaults. Raises SynGenError."""
    known = sections()
    if document and not any(n in known or (isinstance(v, Mapping) and _near(n, known)) for n, v in document.items()):
        raise SynGenError(f"{source} is no recipe of SynGen: it has none of a recipe's sections.", f"These are: {', '.join(known)}.")
    for name, value in document.items():
        if name not in known:
            raise SynGenError(f"{source}: unknown section [{name}].", _nearest(name, known))
        if not isinstance(value, Mapping):
            raise SynGenError(f"{source}: {name} must be a section ([{name}]), not {value!r}.")
    recipe = Recipe(**{name: _section(kind, document.get(name, {}), name, source) for name, kind in known.items()})
    _check_across(recipe, source)
    return recipe


def _section(kind: Any, values: Mapping[str, Any], section: str, source: str) -> Any:
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for name in values:
        if name not in fields:
            raise SynGenError(f"{source}: unknown key {section}.{name}.", _nearest(name, fields))
    return kind(**{n: check(f"{section}.{n}", fields[n].type, fields[n], v, source) for n, v in values.items()})


def check(name: str, hint: Any, about: "dataclasses.Field[Any]", value: Any, source: str = "recipe") -> Any:
    """value as the key's own type, or SynGenError naming key, value and what is allowed."""
    meta = about.metadata
    wanted = describe(hint, about)

    def refuse() -> SynGenError:
        return SynGenError(f"{source}: {name} = {value!r} is not allowed.", f"It takes {wanted}.")

    def number(v: Any, whole: bool) -> float | int:
        if isinstance(v, bool) or not isinstance(v, int if whole else (int, float)) or not math.isfinite(v):
            raise refuse()
        if not meta["low"] <= v <= meta["high"]:
            raise refuse()
        return int(v) if whole else float(v)

    def word(v: Any) -> str:
        if not isinstance(v, str) or "\0" in v or (meta["choices"] and v not in meta["choices"]):
            raise refuse()
        return v

    if hint is bool:
        if not isinstance(value, bool):
            raise refuse()
        return value
    if hint is int or hint is float:
        return number(value, hint is int)
    if hint is str:
        return word(value)
    if hint == dict[str, str] or hint == dict[str, float]:
        if not isinstance(value, Mapping):
            raise refuse()
        texts = hint == dict[str, str]
        return {str(k): word(v) if texts else number(v, False) for k, v in value.items()}
    if hint == dict[str, Range]:
        if not isinstance(value, Mapping):
            raise refuse()
        return {str(k): check(f"{name}.{k}", Range, about, v, source) for k, v in value.items()}
    if not isinstance(value, (list, tuple)):
        raise refuse()
    if hint == Names:
        return tuple(word(v) for v in value)
    whole = hint == tuple[int, int]
    if len(value) != (meta["length"] or 2):
        raise refuse()
    numbers = tuple(number(v, whole) for v in value)
    if meta["length"] is None and numbers[0] > numbers[1]:
        raise refuse()
    return numbers


def describe(hint: Any, about: "dataclasses.Field[Any]") -> str:
    """What a key takes, in words: type, bounds, unit."""
    meta = about.metadata
    unit = f" {meta['unit']}" if meta["unit"] else ""
    bounds = [] if meta["low"] == -math.inf else [f"{meta['low']:g}"]
    bounds += [] if meta["high"] == math.inf else [f"{meta['high']:g}"]
    between = f" from {bounds[0]} to {bounds[1]}" if len(bounds) == 2 else ""
    if meta["choices"] and hint is str:
        return "one of " + ", ".join(f'"{c}"' for c in meta["choices"])
    if meta["choices"]:
        return "a list of " + ", ".join(f'"{c}"' for c in meta["choices"])
    if hint is bool:
        return "true or false"
    if hint is int:
        return f"a whole number{between}{unit}"
    if hint is float:
        return f"a number{between}{unit}"
    if hint is str:
        return "a text"
    if hint == Names:
        return "a list of texts"
    if hint == dict[str, str]:
        return "a table of texts"
    if hint == dict[str, float]:
        return "a table of numbers"
    if hint == dict[str, Range]:
        return f"a table of pairs [low, high] of numbers{between}{unit}"
    whole = "whole numbers" if hint == tuple[int, int] else "numbers"
    if meta["length"]:
        return f"{meta['length']} {whole}{between}{unit}"
    return f"a pair [low, high] of {whole}{between}{unit}, low first"


def _near(name: str, known: Mapping[str, Any]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(name, known, n=1)


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = _near(name, known)
    return f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(known)}."


def _check_across(recipe: Recipe, source: str) -> None:
    if abs(sum(recipe.export.split) - 1) > 1e-6:
        raise SynGenError(f"{source}: export.split = {list(recipe.export.split)} does not sum to 1.", "Use for example [0.8, 0.1, 0.1].")
    if recipe.background.kind == "images" and recipe.background.randomize and not recipe.background.folder:
        raise SynGenError(f"{source}: background.kind = \"images\" needs background.folder.", "Name a folder of pictures.")
    if recipe.diffusion.size % 8:
        raise SynGenError(f"{source}: diffusion.size = {recipe.diffusion.size} is not a multiple of 8.", f"Use {recipe.diffusion.size // 8 * 8}.")
    if recipe.diffusion.control != "none" and recipe.transfer.method == "diffusion" and not recipe.diffusion.control_model:
        raise SynGenError(f"{source}: diffusion.control = \"{recipe.diffusion.control}\" needs diffusion.control_model.", "Name a ControlNet, for example comfyanonymous/ControlNet-v1-1_fp16_safetensors:control_v11f1e_sd15_tile_fp16.safetensors.")
    if recipe.neural.content_weight == 0 and recipe.neural.style_weight == 0:
        raise SynGenError(f"{source}: neural.content_weight and neural.style_weight are both 0.", "Raise one of them.")


def onset_of(kind: Kind, recipe: Recipe) -> Onset:
    """The kind's onset as preset and sliders change it."""
    causes = recipe.causes
    preset = PRESETS.get(causes.preset, {})
    changed = {}
    for about in dataclasses.fields(Onset):
        slider = "scale" if about.name == "scale_m" else about.name
        if hasattr(causes, slider):
            value = getattr(kind.onset, about.name) * preset.get(slider, 1.0) * getattr(causes, slider)
            changed[about.name] = min(max(value, about.metadata["low"]), about.metadata["high"])
    return dataclasses.replace(kind.onset, **changed)


def age_shift_of(recipe: Recipe) -> float:
    """How much older (or younger) than its level wear looks, -1 to 1: slider and preset."""
    return min(max(recipe.causes.age_shift + PRESETS.get(recipe.causes.preset, {}).get("age_shift", 0.0), -1.0), 1.0)


def is_path(model: str) -> bool:
    """Whether the name of a model is a path, and not one on the hub (`owner/name` or `owner/name:file`)."""
    import re

    return not re.fullmatch(r"\w[\w.-]*/[\w.-]+(:[\w./ -]+)?", model) or (Path(model).suffix in WEIGHT_FILES and ":" not in model)


def with_paths(recipe: Recipe, change: Callable[[str], str]) -> Recipe:
    """The recipe with every path that it names put through change."""
    for section, name in (*PATH_KEYS, *MODEL_KEYS):
        stage = getattr(recipe, section)
        path = getattr(stage, name)
        if path and ((section, name) in PATH_KEYS or is_path(path)):
            recipe = dataclasses.replace(recipe, **{section: dataclasses.replace(stage, **{name: change(path)})})
    return recipe


# --- writing ---------------------------------------------------------------------------------------------------------


def to_dict(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The whole recipe as plain lists, numbers, texts and tables."""
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        return list(value) if isinstance(value, tuple) else value

    return {s.name: {f.name: plain(getattr(getattr(recipe, s.name), f.name)) for f in dataclasses.fields(s.type)}  # type: ignore[arg-type]
            for s in dataclasses.fields(Recipe)}


def dumps(recipe: Recipe) -> str:
    """The recipe as TOML, every key written out; `loads(dumps(r)) == r`."""
    return written(to_dict(recipe))


def written(document: Mapping[str, Any]) -> str:
    """Some keys of a recipe as TOML; `parsed(written(d)) == d`."""
    import tomli_w

    return tomli_w.dumps(document)


def reference() -> str:
    """docs/recipe.md: every key with what it takes, its default and its meaning."""
    lines = ["# The recipe", "", "Every key of a recipe file, made from the code by `make docs`. A missing key takes its default; an unknown one is refused.", ""]
    for section, kind in sections().items():
        lines += [f"## [{section}]", "", str(kind.__doc__), "", "| key | takes | default | meaning |", "|---|---|---|---|"]
        default = to_dict(Recipe())[section]
        for about in dataclasses.fields(kind):
            value = _toml_value(default[about.name])
            lines.append(f"| `{about.name}` | {describe(about.type, about)} | `{value}` | {about.metadata['doc']} |")
        lines.append("")
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    if value == {}:
        return "{}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).replace("'", '"')


if __name__ == "__main__":
    print(reference(), end="")
