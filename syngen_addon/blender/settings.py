"""The panel's settings: one property group a section of the recipe, generated from its declaration. Imports bpy, kinds.

They live on the scene (`scene.syngen`) and are saved with it. What a panel shows and a .blend must not hold (running
work, pictures) is in session.py. Numbers are float32 in Blender: on the way out they become the shortest decimal that
float32 cannot tell apart, so that 0.35 stays 0.35. Enabling the extension runs this module: what only reading and
writing settings needs is imported there.
"""

import dataclasses
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)

from .. import recipe as recipes
from ..errors import SynGenError
from ..kinds import KINDS
from ..recipe import Names, Recipe
from .names import PREVIEW

LARGEST = 2**31 - 1
TABLES = (dict[str, str], dict[str, float], dict[str, recipes.Range])
"""Types of keys that are tables: held as text, without a widget."""


def _titled(label: str) -> str:
    """A kind's label as Blender writes the names in menus."""
    return " ".join(word if word in ("and", "of", "on") else word[:1].upper() + word[1:] for word in label.split(" "))


KIND_LABELS = {kind.name: _titled(kind.label) for kind in KINDS.values()}
KIND_ITEMS = [(name, label, "") for name, label in KIND_LABELS.items()]

LABELS = {
    "wear.up": "Up",
    "wear.kind": "Kind",
    "wear.kinds": "Kinds Drawn From",
    "wear.level": "Level Range",
    "texture.tile_m": "Tile Size",
    "texture.size": "Resolution",
    "wear.seed": "Onset Seed",
    "causes.presets": "Presets Drawn From",
    "causes.scale": "Patch Size",
    "causes.damage_group": "Damage Group",
    "causes.damage_image": "Damage Image",
    "texture.method": "Made By",
    "texture.exemplar": "Photo",
    "texture.exemplar_m": "Photo Shows",
    "transfer.method": "Transfer",
    "transfer.color": "Color",
    "marks.age": "Age the Marks",
    "transfer.texel_m": "Texel Size",
    "transfer.protect_image": "Protect Image",
    "transfer.protect_group": "Protect Group",
    "neural.vgg": "VGG-19",
    "neural.colors": "Color Of",
    "diffusion.negative": "Avoid",
    "diffusion.mode": "Paint",
    "diffusion.size": "Work Size",
    "diffusion.control": "ControlNet",
    "diffusion.control_model": "Control Model",
    "diffusion.lora": "LoRA",
    "diffusion.lora_weight": "LoRA Weight",
    "diffusion.style_model": "IP-Adapter",
    "diffusion.style_image": "Style Photo",
    "transfer.style_image": "Style Photo",
    "diffusion.rounds": "Tries",
    "diffusion.refine_share": "Refused Above",
    "filters.enabled": "Refuse Bad Textures",
    "camera.stratify": "Cover Evenly",
    "camera.orbit_frames": "Frames a Turn",
    "camera.eye_m": "Eye Height",
    "camera.min_height_m": "Least Height",
    "camera.dof": "Depth of Field",
    "camera.fstop": "F-Stop",
    "light.sky": "Under the Sky",
    "light.indoor": "Indoors",
    "light.lamp_kelvin": "Lamp Color",
    "light.environment_rotation_deg": "Env. Rotation",
    "light.area_lights": "Area Lamps",
    "light.area_power_w": "Lamp Power",
    "light.environment_strength": "Env. Strength",
    "light.sun_strength": "Sun Strength",
    "light.sun_elevation_deg": "Sun Elevation",
    "light.sun_angle_deg": "Sun Size",
    "light.keep_scene_lights": "Keep Scene Lights",
    "light.exposure_ev": "Exposure",
    "background.kind": "Backdrop",
    "background.color_low": "Darkest",
    "background.color_high": "Brightest",
    "ground.color_low": "Darkest",
    "ground.color_high": "Brightest",
    "ground.folder": "Pictures",
    "ground.tile_m": "Picture Size",
    "distractors.count": "Standing About",
    "distractors.occluders": "In Front",
    "distractors.occlusion": "Hidden Share",
    "distractors.folder": "Models",
    "pose.yaw_deg": "Turn",
    "pose.shift_m": "Shift",
    "pose.drop": "Drop onto Ground",
    "tint.value": "Brightness",
    "sensor.share": "In Frames",
    "sensor.kelvin": "White Balance",
    "sensor.vignette": "Dark Corners",
    "sensor.chromatic_px": "Color Fringes",
    "sensor.motion_px": "Motion",
    "sensor.jpeg": "JPEG Quality",
    "randomize.control": "Control Set",
    "randomize.apart": "Kept Apart",
    "render.exposure_ev": "Exposure",
    "labels.objects": "Label",
    "labels.class_from": "Class From",
    "labels.class_property": "Property",
    "labels.depth": "Depth Maps",
    "labels.normals": "Normal Maps",
    "labels.polygons": "Polygons",
    "labels.min_pixels": "Least Pixels",
    "labels.region_min_pixels": "Region Least",
    "labels.region_merge_pixels": "Region Merge",
    "labels.wear_threshold": "Worn From",
    "randomize.level": "Draw Level",
    "randomize.variant": "Draw Variant",
    "export.min_visible": "Least Visible",
}
"""Where the key's own name would not do."""

CHOICES = {
    "labels.objects": {"instances": "Whole Objects", "regions": "Wear Regions"},
    "labels.class_from": {
        "wear": "Wear Class",
        "kind": "Kind of Wear",
        "object": "Object's Class",
        "property": "A Property",
        "collection": "Collection",
        "object_wear": "Object and Wear",
    },
    "camera.path": {"shell": "All Around", "orbit": "Orbits", "ground": "Eye Level", "handheld": "Handheld"},
    "randomize.apart": {
        "environment": "Environments",
        "background": "Backgrounds",
        "ground": "Grounds",
        "thing": "Things",
        "variant": "Variants",
    },
    "render.engine": {"cycles": "Cycles", "eevee": "EEVEE"},
    "render.speed": {"fast": "Fast", "balanced": "Balanced", "best": "Best"},
    "render.device": {
        "auto": "Best There Is",
        "cpu": "CPU",
        "cuda": "CUDA",
        "optix": "OptiX",
        "hip": "HIP",
        "metal": "Metal",
        "oneapi": "oneAPI",
    },
    "export.formats": {
        "coco": "COCO",
        "coco_keypoints": "COCO Keypoints",
        "coco_panoptic": "COCO Panoptic",
        "yolo": "YOLO",
        "yolo_segment": "YOLO Segment",
        "yolo_obb": "YOLO OBB",
        "yolo_pose": "YOLO Pose",
        "classify": "Classify",
        "voc": "Pascal VOC",
        "bop": "BOP",
        "masks": "Masks",
        "depth": "Depth",
        "normals": "Normals",
        "csv": "CSV",
    },
    "background.kind": {"environment": "Environment", "color": "Color", "images": "Pictures"},
    "causes.preset": {"none": "None"},
    "texture.method": {"procedural": "Procedural", "exemplar": "From a Photo", "diffusion": "Stable Diffusion"},
    "transfer.method": {
        "patch": "By Patches",
        "gatys": "Neural, Optimized",
        "adain": "Neural, Fast",
        "diffusion": "Stable Diffusion",
    },
    "neural.colors": {"style": "The Style", "content": "The Base Texture"},
    "diffusion.mode": {"inpaint": "Where Wear May Be", "image": "The Whole Texture"},
    "diffusion.scheduler": {
        "auto": "The Model's Own",
        "ddim": "DDIM",
        "euler": "Euler",
        "euler_a": "Euler Ancestral",
        "dpm": "DPM++",
        "unipc": "UniPC",
        "lcm": "LCM",
    },
    "diffusion.control": {"none": "None", "tile": "Tile", "canny": "Edges (Canny)", "depth": "Depth"},
    "diffusion.precision": {"auto": "Automatic", "full": "Full", "half": "Half"},
    "diffusion.offload": {"auto": "Automatic", "none": "Nothing", "model": "Idle Parts", "sequential": "Every Layer"},
}

TIPS = {
    "causes.preset": {
        "none": "As the kind of wear says",
        "light_use": "Handled every day and kept dry: edges, and what is touched",
        "coastal": "Salt spray from all sides: every seam and weld bleeds, and much runs down",
        "heavy_industrial": "Knocks, heat and dirt: edges, feet and joints go first, in large patches",
        "abandoned": "Years outdoors: rain from above, standing water, large old patches",
    },
    "camera.path": {
        "shell": "Anywhere on the shell of the ranges below",
        "orbit": "On orbits around a target, frame after frame",
        "ground": "Standing on the ground, at eye level",
        "handheld": "Carried from place to place, with a hand's shake",
    },
    "labels.class_from": {
        "wear": "Default, streaks, complete, dent ...: by the wear and its level",
        "kind": "Heavy rust, moss ...: by the kind of wear",
        "object": "What the object is: its name, or its own class",
        "property": "A custom property of the object, or of its mesh",
        "collection": "The collection that the object lies in",
        "object_wear": "Object and wear class together: drum streaks",
    },
    "render.speed": {
        "fast": "Quickest: for detectors, which do not see the difference",
        "balanced": "As good as most need",
        "best": "As good as Cycles can",
    },
    "render.engine": {
        "cycles": "Path tracing: the truest light",
        "eevee": "Faster, simpler light; its labels come from a pass of Cycles",
    },
    "export.formats": {
        "coco": "Boxes and masks: annotations/instances_*.json",
        "coco_keypoints": "Boxes, masks and keypoints: annotations/keypoints_*.json",
        "coco_panoptic": "Every pixel's object: annotations/panoptic_*.json",
        "yolo": "Boxes: data.yaml",
        "yolo_segment": "Polygons: yolo-segment/data.yaml",
        "yolo_obb": "Rotated boxes: yolo-obb/data.yaml",
        "yolo_pose": "Boxes and keypoints: yolo-pose/data.yaml",
        "classify": "A folder of cut-outs for each class",
        "voc": "Boxes as XML",
        "bop": "6D poses",
        "masks": "Maps of objects and of classes as PNG",
        "depth": "Depth as 16-bit PNG",
        "normals": "Normals as 16-bit PNG",
        "csv": "A table with a row for each object",
    },
    "texture.method": {
        "procedural": "From noise, at once. Needs nothing",
        "exemplar": "From one photo of wear: a tileable texture of its look. Needs nothing but the photo",
        "diffusion": "From words, by a model that is downloaded once. Needs the worker",
    },
    "transfer.method": {
        "patch": "Wear's colors and detail, laid over by patches. Quick, and needs nothing",
        "gatys": "A network's idea of the wear's look, optimized step by step. Best quality, slow. Needs the worker",
        "adain": "The same idea in one pass through a network. Quick, coarser. Needs the worker",
        "diffusion": "A model paints wear onto the base texture. Needs the worker",
    },
    "neural.colors": {
        "style": "The result has the colors of the wear",
        "content": "The result keeps the base texture's colors: only texture comes over",
    },
    "diffusion.mode": {
        "inpaint": "Only what is on the object and not protected is painted",
        "image": "The whole texture is painted over; protected parts are put back",
    },
    "diffusion.control": {
        "none": "Nothing holds the base texture but Strength",
        "tile": "Holds color and layout",
        "canny": "Holds edges: marks, seams, letters",
        "depth": "Holds the shape, read off the texture's lightness",
    },
    "diffusion.offload": {
        "auto": "By the memory at hand",
        "none": "Everything stays on the device: fastest, most memory",
        "model": "A part waits in main memory while another works: a little slower",
        "sequential": "Layer after layer is fetched: slowest, least memory",
    },
}
"""What a menu's choice means, where its name alone does not say it."""

SOFT = {
    "camera.distance": (0.3, 10.0),
    "camera.focal_mm": (10.0, 200.0),
    "camera.aim": (0.0, 2.0),
    "camera.min_height_m": (-10.0, 10.0),
    "camera.roll_deg": (-45.0, 45.0),
    "camera.azimuth_deg": (-180.0, 180.0),
    "camera.orbit_frames": (2, 360),
    "camera.eye_m": (0.2, 5.0),
    "camera.shake_deg": (0.0, 10.0),
    "camera.sensor_mm": (4.0, 60.0),
    "camera.fstop": (0.7, 32.0),
    "light.lamp_kelvin": (1500.0, 12_000.0),
    "light.environment_rotation_deg": (-180.0, 180.0),
    "ground.size": (2.0, 200.0),
    "ground.tile_m": (0.1, 20.0),
    "distractors.count": (0, 30),
    "distractors.occluders": (0, 5),
    "distractors.size": (0.05, 5.0),
    "pose.yaw_deg": (-180.0, 180.0),
    "pose.shift_m": (0.0, 5.0),
    "tint.saturation": (0.0, 2.0),
    "tint.value": (0.0, 2.0),
    "sensor.exposure_ev": (-3.0, 3.0),
    "sensor.kelvin": (2500.0, 12_000.0),
    "sensor.chromatic_px": (0.0, 5.0),
    "sensor.blur_px": (0.0, 5.0),
    "sensor.motion_px": (0.0, 30.0),
    "sensor.noise": (0.0, 0.2),
    "sensor.jpeg": (20.0, 100.0),
    "light.sun_strength": (0.0, 20.0),
    "light.sun_angle_deg": (0.0, 20.0),
    "light.area_power_w": (0.0, 2000.0),
    "light.environment_strength": (0.0, 5.0),
    "light.exposure_ev": (-3.0, 3.0),
    "texture.tile_m": (0.05, 5.0),
    "texture.size": (256, 4096),
    "texture.variants": (1, 12),
    "filters.color_max": (0.0, 50.0),
    "filters.sharpness_min": (0.0, 2.0),
    "filters.seam_max": (0.0, 5.0),
    "filters.text_max": (0.0, 20.0),
    "filters.blocks_max": (0.0, 5.0),
    "filters.lighting_max": (0.0, 1.0),
    "labels.min_pixels": (1, 10_000),
    "labels.redraws": (0, 50),
    "labels.region_min_pixels": (1, 10_000),
    "labels.region_merge_pixels": (0, 100),
    "render.exposure_ev": (-5.0, 5.0),
    "render.samples": (1, 1024),
    "render.width": (128, 4096),
    "render.height": (128, 4096),
    "wear.softness": (0.005, 0.2),
    **{
        f"causes.{name}": (0.0, 2.0)
        for name in ("spread", "edge", "cavity", "contact", "drips", "splash", "rain", "welds", "damage", "contrast")
    },
    "causes.scale": (0.1, 4.0),
    "neural.content_weight": (0.0, 10.0),
    "neural.style_weight": (0.0, 10.0),
    "neural.steps": (10, 1000),
    "neural.tile": (0, 2048),
    "diffusion.size": (256, 1536),
    "diffusion.steps": (1, 100),
    "diffusion.guidance": (0.0, 15.0),
    "diffusion.rounds": (0, 6),
    "diffusion.lora_weight": (0.0, 1.5),
    "diffusion.control_weight": (0.0, 1.5),
    "diffusion.style_weight": (0.0, 1.0),
}
"""How far a slider goes where the key allows more than anyone drags to."""

CAUSES = (
    "spread",
    "edge",
    "cavity",
    "contact",
    "drips",
    "splash",
    "rain",
    "welds",
    "damage",
    "contrast",
    "scale",
    "age_shift",
)
"""The sliders that a preset turns, in the order in which they are shown."""
FOLDERS = {"light.environments", "background.folder", "ground.folder", "distractors.folder"}
FILES = {
    "causes.damage_image",
    "texture.exemplar",
    "transfer.protect_image",
    "transfer.style_image",
    "neural.vgg",
    "neural.decoder",
    "diffusion.model",
    "diffusion.control_model",
    "diffusion.lora",
    "diffusion.style_image",
    "diffusion.style_model",
}
"""Of these the models' names may also be names on the hub."""
COLORS = {"background.color_low", "background.color_high", "ground.color_low", "ground.color_high"}
KINDS_KEY = ("wear", "kinds")
"""Its choices are the kinds there are, which the recipe does not know."""
RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"}


def _label(name: str) -> str:
    plain = name.split(".")[1]
    for ending in ("_deg", "_mm", "_m", "_w", "_ev", "_px"):
        plain = plain.removesuffix(ending)
    return LABELS.get(name, plain.replace("_", " ").title())


def _digits(name: str) -> int:
    """So many digits behind the point: a narrow field cuts what is too long, and 6500.00 would become 650."""
    return 0 if name.endswith("kelvin") else 2 if name.endswith("_deg") else 3


def _choices(name: str, names: tuple[str, ...]) -> list[tuple[str, str, str]]:
    words, tips = CHOICES.get(name, {}), TIPS.get(name, {})
    plain = name in ("causes.preset", "causes.presets")  # an artist's words; the others' own names are technical ones
    return [(n, words.get(n, n.replace("_", " ").title() if plain else n), tips.get(n, "")) for n in names]


def _view_transforms(self: Any, context: Any, text: str) -> list[str]:
    found = bpy.types.ColorManagedViewSettings.bl_rna.properties["view_transform"].enum_items
    names = [item.identifier for item in found]
    return names or ["AgX", "Filmic", "Standard", "Khronos PBR Neutral", "Raw", "False Color"]


def _collections(self: Any, context: Any, text: str) -> list[str]:
    return [collection.name for collection in bpy.data.collections]


def _joined(names: Any) -> str:
    if not names:
        return ""
    import csv

    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(names)
    return out.getvalue().replace(",", ", ") if not any("," in n for n in names) else out.getvalue()


def _split(text: str) -> list[str]:
    import csv

    rows = list(csv.reader([text], skipinitialspace=True))
    return [name.strip() for name in rows[0] if name.strip()] if rows else []


def _table(value: dict[str, Any]) -> str:
    if not value:
        return "{}"
    import json

    return json.dumps(value)


_quiet = False
"""Settings are read from a recipe: what is on objects stays as it is."""


def _age_shift_changed(self: Any, context: Any) -> None:
    """Whether wear looks young or old shows at once on the chosen objects: it is a number in their materials."""
    if not _quiet:
        from . import rows

        rows.show_age_shift(context)


def _property(name: str, hint: Any, about: "dataclasses.Field[Any]", default: Any) -> Any:
    """The bpy property of one key."""
    meta = about.metadata
    unit = f" ({meta['unit']})" if meta["unit"] else ""
    # Blender ends a tooltip with a full stop of its own.
    common: dict[str, Any] = {
        "name": _label(name),
        "description": meta["doc"].rstrip(".").replace("`", "").replace("*", "") + unit,
        "options": set(),
    }
    soft = SOFT.get(name, (None, None))

    def bounds(whole: bool) -> dict[str, Any]:
        low = -LARGEST if meta["low"] == -math.inf else meta["low"]
        high = LARGEST if meta["high"] == math.inf else meta["high"]
        found = {
            "min": low,
            "max": high,
            "soft_min": low if soft[0] is None else soft[0],
            "soft_max": high if soft[1] is None else soft[1],
        }
        return {k: int(v) if whole else float(v) for k, v in found.items()}

    if name == "wear.kind":
        return EnumProperty(items=KIND_ITEMS, default=default, **common)
    if name == ".".join(KINDS_KEY):
        return EnumProperty(items=KIND_ITEMS, default=set(), **{**common, "options": {"ENUM_FLAG"}})
    if name in ("causes.preset", "causes.age_shift"):
        common["update"] = _age_shift_changed
    if hint is bool:
        return BoolProperty(default=default, **common)
    if hint is int:
        return IntProperty(default=default, **bounds(True), **common)
    if hint is float:
        precision = 2 if name.startswith("causes.") else 3
        return FloatProperty(default=default, precision=precision, step=1, **bounds(False), **common)
    if hint is str and meta["choices"]:
        return EnumProperty(items=_choices(name, meta["choices"]), default=default, **common)
    if hint is str:
        if name == "render.view_transform":
            return StringProperty(default=default, search=_view_transforms, **common)
        if name == "distractors.collection":
            return StringProperty(default=default, search=_collections, **common)
        subtype = "DIR_PATH" if name in FOLDERS else "FILE_PATH" if name in FILES else "NONE"
        if subtype != "NONE":
            common["options"] = RELATIVE
        return StringProperty(default=default, subtype=subtype, **common)
    if hint == Names and meta["choices"]:
        return EnumProperty(
            items=_choices(name, meta["choices"]), default=set(default), **{**common, "options": {"ENUM_FLAG"}}
        )
    if hint == Names:
        common["description"] += ". Separate names by commas"
        return StringProperty(default=_joined(default), **common)
    if hint in TABLES:
        return StringProperty(default=_table(default), **{**common, "options": {"HIDDEN"}})
    if hint == tuple[int, int]:
        return IntVectorProperty(default=default, size=2, **bounds(True), **common)
    subtype = "COLOR" if name in COLORS else "NONE"
    return FloatVectorProperty(
        default=default,
        size=meta["length"] or 2,
        subtype=subtype,
        precision=_digits(name),
        step=10,
        **bounds(False),
        **common,
    )


def every_key() -> Iterator[tuple[str, str, Any, "dataclasses.Field[Any]"]]:
    """(section, key, type, declaration) of every key of the recipe."""
    for section, kind in recipes.sections().items():
        for about in dataclasses.fields(kind):
            yield section, about.name, about.type, about


def _section_classes() -> dict[str, type]:
    plain = recipes.to_dict(Recipe())
    members: dict[str, dict[str, Any]] = {}
    for section, name, hint, about in every_key():
        members.setdefault(section, {})[name] = _property(f"{section}.{name}", hint, about, plain[section][name])
    return {
        section: type(
            f"SYNGEN_PG_{section}",
            (bpy.types.PropertyGroup,),
            {"__annotations__": found, "__doc__": recipes.sections()[section].__doc__},
        )
        for section, found in members.items()
    }


SECTIONS = _section_classes()


def _frame_set(self: Any, context: bpy.types.Context) -> None:
    """Show it, where a frame is shown."""
    if PREVIEW in self.id_data:
        from . import preview_frame

        preview_frame.follow(self.id_data, context)


def _get_walk(self: Any) -> float:
    return 100.0 * min(self.preview / max(self.frames - 1, 1), 1.0)


def _set_walk(self: Any, percent: float) -> None:
    self.preview = round(percent / 100 * (self.frames - 1))


class SYNGEN_PG_job(bpy.types.PropertyGroup):
    """What the command line says beside the recipe."""

    frames: IntProperty(
        name="Frames",
        description="How many pictures the dataset has",
        default=100,
        min=1,
        max=100_000_000,
        soft_max=10_000,
        options=set(),
    )
    seed: IntProperty(
        name="Seed",
        description="Another seed gives another dataset of the same sort",
        default=0,
        min=0,
        max=LARGEST,
        options=set(),
    )
    folder: StringProperty(
        name="Folder",
        description="Where the dataset is written; an empty or a new folder",
        default="//syngen_dataset",
        subtype="DIR_PATH",
        options=RELATIVE,
    )
    preview: IntProperty(
        name="Frame",
        description="The frame that the preview shows, counted from 0",
        default=0,
        min=0,
        max=100_000_000,
        soft_max=10_000,
        options=set(),
        update=_frame_set,
    )
    # A number has one range for all scenes, and a job any number of frames: so the slider is of per cent.
    walk: FloatProperty(
        name="Walk",
        description="Walk through the frames of the dataset, from the first to the last",
        min=0.0,
        max=100.0,
        precision=0,
        subtype="PERCENTAGE",
        get=_get_walk,
        set=_set_walk,
        options=set(),
    )


def _get_level(self: Any) -> float:
    from . import level

    obj = bpy.context.object
    return 0.0 if obj is None else level.get_level(obj)


def _set_level(self: Any, value: float) -> None:
    from . import level, target

    obj = bpy.context.object
    if obj is not None and target.has_wear(obj):
        level.set_level(obj, value)


# Not the object's own property: its slider would evaluate the modifiers again at every step. And not one of the window
# manager: those make no undo step.
LEVEL = FloatProperty(
    name="Wear Level",
    description="Fraction of the active object's wearable surface that is worn",
    min=0.0,
    max=1.0,
    precision=2,
    subtype="FACTOR",
    get=_get_level,
    set=_set_level,
    options=set(),
)

ROWS = 64
"""So many sliders of rows can be seen at a time."""


def _row_level(number: int) -> Any:
    """The slider of one row of a list: whose level it is, rows.py knows."""

    def get(self: Any) -> float:
        from . import rows

        return rows.get(number)

    def put(self: Any, value: float) -> None:
        from . import rows

        rows.put(number, value)

    return FloatProperty(
        name="Level",
        description="Fraction of the wearable surface that is worn",
        min=0.0,
        max=1.0,
        precision=2,
        subtype="FACTOR",
        get=get,
        set=put,
        options=set(),
    )


# On the scene for the same reasons as LEVEL, which holds for the active object alone.
SYNGEN_PG_rows = type(
    "SYNGEN_PG_rows",
    (bpy.types.PropertyGroup,),
    {
        "__annotations__": {f"level_{number}": _row_level(number) for number in range(ROWS)},
        "__doc__": "Sliders of the rows that lists of objects and of layers show.",
    },
)


def _get_active_object(self: Any) -> int:
    obj = bpy.context.object
    return -1 if obj is None else self.id_data.objects.find(obj.name)


def _select_object(self: Any, number: int) -> None:
    from . import rows

    rows.select(self.id_data, number)


ACTIVE_OBJECT = IntProperty(
    name="Object",
    description="The active object, as a number among the scene's",
    get=_get_active_object,
    set=_select_object,
    options=set(),
)

SYNGEN_PG_settings = type(
    "SYNGEN_PG_settings",
    (bpy.types.PropertyGroup,),
    {
        "__annotations__": {
            **{name: PointerProperty(type=group) for name, group in SECTIONS.items()},
            "job": PointerProperty(type=SYNGEN_PG_job),
            "level": LEVEL,
            "rows": PointerProperty(type=SYNGEN_PG_rows),
            "active_object": ACTIVE_OBJECT,
        },
        "__doc__": "SynGen's settings of a scene. level: the active object's, for the slider.",
    },
)

CLASSES: tuple[type, ...] = (*SECTIONS.values(), SYNGEN_PG_job, SYNGEN_PG_rows, SYNGEN_PG_settings)


def _gallery_items(self: Any, context: bpy.types.Context | None) -> list[tuple[str, str, str, int, int]]:
    from . import gallery

    return gallery.items(bpy.context.object)


def _get_gallery(self: Any) -> int:
    from . import gallery

    obj = bpy.context.object
    shown = None if obj is None else gallery.looked_at(obj)
    return next((n for n, each in enumerate(gallery.page(obj)) if each == shown), 0) if shown is not None else 0


def _set_gallery(self: Any, number: int) -> None:
    from . import gallery

    if (obj := bpy.context.object) is not None and number < len(here := gallery.page(obj)):
        gallery.view_of(obj).variant = here[number].variant.name


def _get_show(self: Any) -> int:
    from . import gallery

    obj = bpy.context.object
    return 0 if obj is None else gallery.SHOW.index(gallery.view_of(obj).show)


def _set_show(self: Any, number: int) -> None:
    from . import gallery

    if (obj := bpy.context.object) is not None:
        view = gallery.view_of(obj)
        view.show, view.page = gallery.SHOW[number], 0


# On the window manager: which pictures one looks at is no part of the file, and no step to undo.
GALLERY = {
    "syngen_variant": EnumProperty(
        name="Variant",
        description="A variant of the active object; its details stand below",
        items=_gallery_items,
        get=_get_gallery,
        set=_set_gallery,
    ),
    "syngen_show": EnumProperty(
        name="Show",
        description="Which variants of the active object are shown",
        items=[
            ("ALL", "All", "Every variant that was ever made"),
            ("USABLE", "Accepted", "Those that a dataset may draw"),
            ("REFUSED", "Refused", "Those that the filters or a person refused"),
        ],
        get=_get_show,
        set=_set_show,
    ),
}


def register() -> None:
    bpy.types.Scene.syngen = PointerProperty(type=SYNGEN_PG_settings, name="SynGen")
    for name, made in GALLERY.items():
        setattr(bpy.types.WindowManager, name, made)


def unregister() -> None:
    for name in GALLERY:
        delattr(bpy.types.WindowManager, name)
    del bpy.types.Scene.syngen


# --- between the properties and the recipe ---------------------------------------------------------------------------


def recipe_of(scene: bpy.types.Scene) -> Recipe:
    """The scene's settings as a recipe. Raises SynGenError naming the key that is not allowed."""
    document: dict[str, dict[str, Any]] = {}
    for section, name, hint, about in every_key():
        document.setdefault(section, {})[name] = _read(getattr(getattr(scene.syngen, section), name), hint, about)
    return recipes.from_dict(document, "Settings")


def put_recipe(scene: bpy.types.Scene, recipe: Recipe) -> None:
    """Show a recipe in the scene's settings. Raises SynGenError where it names a kind of wear that is not known."""
    for kind in (recipe.wear.kind, *recipe.wear.kinds):
        if kind not in KINDS:
            raise SynGenError(f"There is no kind of wear called {kind!r}.", f"Known are: {', '.join(KINDS)}.")
    put_keys(scene, recipes.to_dict(recipe))


def put_keys(scene: bpy.types.Scene, plain: dict[str, dict[str, Any]]) -> None:
    """Show some keys of a checked recipe in the scene's settings: section -> key -> value, as to_dict gives them."""
    global _quiet
    _quiet = True
    try:
        _put_keys(scene, plain)
    finally:
        _quiet = False


def _put_keys(scene: bpy.types.Scene, plain: dict[str, dict[str, Any]]) -> None:
    for section, name, hint, about in every_key():
        if name not in plain.get(section, {}):
            continue
        value = plain[section][name]
        if hint == Names:
            value = set(value) if about.metadata["choices"] or (section, name) == KINDS_KEY else _joined(value)
        elif isinstance(value, dict):
            value = _table(value)
        setattr(getattr(scene.syngen, section), name, value)


def _read(value: Any, hint: Any, about: "dataclasses.Field[Any]") -> Any:
    """A property's value as TOML would give it."""
    if hint is float:
        return shortest(value)
    if isinstance(value, set):
        return [choice for choice in about.metadata["choices"] or KINDS if choice in value]
    if hint == Names:
        return _split(value)
    if hint in TABLES:
        import json

        return json.loads(value or "{}")
    if hint in (bool, int, str):
        return value
    return [int(v) if hint == tuple[int, int] else shortest(v) for v in value]


def shortest(value: float) -> float:
    """The shortest decimal that float32 cannot tell from the value."""
    import numpy as np

    return float(str(np.float32(value)))


def save_recipe(scene: bpy.types.Scene, path: Path) -> None:
    """Write the settings as a recipe file. What lies in its folder is named relative to it, so that both can be given
    away together. Raises SynGenError."""
    from ..files import write_bytes
    from .paths import relative_path

    recipe = recipes.with_paths(recipe_of(scene), lambda name: relative_path(name, path.parent))
    write_bytes(path, recipes.dumps(recipe).encode())


def load_recipe(scene: bpy.types.Scene, path: Path) -> None:
    """Read a recipe file into the settings. Raises SynGenError; then nothing is changed."""
    from .paths import absolute_path

    def found(name: str) -> str:  # what counts from the .blend stays so: it is not saved yet, or may be moved
        return name if name.startswith("//") else absolute_path(name, path.parent)

    put_recipe(scene, recipes.with_paths(recipes.load(path), found))
