"""A frame's record from the scene as it stands: class names, instances, header, camera. Imports bpy, numpy."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import bpy
import numpy as np

from ..digits import nine, nines
from ..errors import SynGenError
from ..formats.chosen import WEAR_CLASSES
from ..labels.layers import FurtherWear, Instance, Layers, View
from ..labels.record import make_record, no_target_record, object_wear
from ..recipe import Kind, Recipe
from ..sampling.draws import FrameDraw
from ..wear.levels import wear_class
from . import ageing
from .geometry import Geometry
from .instances import original
from .keypoints import names_of
from .layers import layers_of
from .level import get_level
from .mesh import metres_per_unit
from .names import CLASS
from .scene import Rig
from .target import matches, plain_name, wear_of


class Target(Protocol):
    """What a record asks of a target. wears: the number of the variant it shows; further: that of each further kind."""

    obj: bpy.types.Object
    index: int
    kind: str
    wears: int
    further: dict[str, int]


def class_lists(recipe: Recipe, objects: list[bpy.types.Object]) -> dict[str, list[str]]:
    """By labels.class_from every class name the job can have, so that ids do not depend on which frames are there, and
    under "keypoints" every name of a keypoint.

    Of the wear classes those that every job has are left out. Raises SynGenError where an object has no class of the
    kind that the recipe asks for, or where a name cannot be one (see check_names).
    """
    kinds = {obj: [ageing.kind_named(kind) for kind in kinds_of(obj, recipe)] for obj in objects}
    classes = {obj: classes_of(obj, recipe) for obj in objects}
    wear = {obj: {c for kind in kinds[obj] for c in _wear_classes(kind)} for obj in objects}
    lists = {
        "wear": sorted({c for each in wear.values() for c in each} - {"", *WEAR_CLASSES}),
        "kind": sorted({kind.name for each in kinds.values() for kind in each}),
        "object_wear": sorted({object_wear(classes[obj]["object"], c) for obj in objects for c in wear[obj]}),
        "keypoints": sorted({name for obj in objects for name in names_of(obj)}),
    }
    for choice in classes[objects[0]] if objects else ():
        lists[choice] = sorted({each[choice] for each in classes.values()} - {""})
    check_names(lists[recipe.labels.class_from], "class")
    check_names(lists["keypoints"], "keypoint")
    return lists


def _wear_classes(kind: Kind) -> tuple[str, ...]:
    """What wear_class may say of a kind."""
    return ("", kind.wear_class) if kind.wear_class else ("", "default", "complete")


def check_names(names: Iterable[str], what: str) -> None:
    """Raises SynGenError for names that no file of a dataset can hold, and for two that are one to some of its readers.

    what: they are names of, for the message. A slash, a quote and the like are allowed: formats see to them.
    """
    known: dict[str, str] = {}
    for name in names:
        if not name.isprintable():
            raise SynGenError(f"The {what} name {name!r} holds a letter that cannot be printed.", "Type the name anew.")
        plain = unicodedata.normalize("NFC", name)  # the same letter may be written in several ways
        other = known.setdefault(plain.casefold(), name)
        if other != name:
            alike = "look the same" if plain == unicodedata.normalize("NFC", other) else "differ in capitals only"
            raise SynGenError(
                f"The {what} names {other!r} and {name!r} {alike}.",
                "Give both the same name: not every reader of a dataset tells them apart.",
            )


def classes_of(obj: bpy.types.Object, recipe: Recipe) -> dict[str, str]:
    """The object's class for each choice of labels.class_from that the scene answers, "" where it has none.

    Raises SynGenError where it has none of the kind that the recipe asks for.
    """
    settings = recipe.labels
    found = {"object": object_class(obj, recipe), "collection": _collection_of(obj)}
    if settings.class_from == "collection" and not found["collection"]:
        raise SynGenError(
            f'{obj.name!r} lies in no collection, and labels.class_from is "collection".',
            "Move it to a collection, or choose another class (Dataset > Labels).",
        )
    if settings.class_property or settings.class_from == "property":
        found["property"] = _property_of(obj, settings.class_property, settings.class_from == "property")
    return found


def _collection_of(obj: bpy.types.Object) -> str:
    """The collection an object lies in; of several the first by name, but never the scene's own."""
    return min((collection.name for collection in obj.users_collection if not _is_master(collection)), default="")


def _is_master(collection: bpy.types.Collection) -> bool:
    return any(scene.collection == collection for scene in bpy.data.scenes)


def _property_of(obj: bpy.types.Object, name: str, needed: bool) -> str:
    """A custom property of the object, or of its data, as a class name. needed: raise where there is none."""
    if needed and not name:
        raise SynGenError(
            'labels.class_from is "property", and labels.class_property names none.',
            "Name the custom property that holds the class.",
        )
    value = obj.get(name, obj.data.get(name))
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
        return tidy(str(value))
    if not needed:
        return ""
    problem = f"holds {value!r}, no text or whole number" if value is not None else "is missing"
    raise SynGenError(
        f"The custom property {name!r} of {obj.name!r} {problem}; its class is read from there.",
        "Set it (Object > Custom Properties), or choose another class (labels.class_from).",
    )


def tidy(name: str) -> str:
    """A name without spaces at its ends, and single ones inside: names that differ in nothing else are one."""
    return " ".join(name.split())


def object_class(obj: bpy.types.Object, recipe: Recipe) -> str:
    """The object's class: by the recipe's table, its own property, or its name without Blender's number."""
    for pattern, name in recipe.targets.classes.items():
        if matches(obj.name, pattern):
            return tidy(name)
    return tidy(str(obj.get(CLASS, ""))) or tidy(plain_name(obj))


def own_kinds(obj: bpy.types.Object, recipe: Recipe) -> list[str]:
    """What kinds the object's own wear may be: the one it has, or those that the recipe has for it."""
    about = wear_of(obj)
    if about is not None:
        return [str(about["kind"])]
    named = [kind for pattern, kind in recipe.targets.kinds.items() if matches(obj.name, pattern)]
    return named[:1] or list(dict.fromkeys(recipe.wear.kinds)) or [recipe.wear.kind]


def further_kinds(obj: bpy.types.Object, recipe: Recipe) -> list[str]:
    """By name the kinds of wear that lie on the object beside its own in the job."""
    return sorted({*(layer.kind for layer in layers_of(obj)), *recipe.wear.also} - set(own_kinds(obj, recipe)))


def kinds_of(obj: bpy.types.Object, recipe: Recipe) -> list[str]:
    """The kinds of wear that the object has in the job: its own, then by name those that lie beside it."""
    return [*own_kinds(obj, recipe), *further_kinds(obj, recipe)]


class Records:
    """The records of one job, of the scene as it stands when one is asked for."""

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        fingerprint: str,
        scene: bpy.types.Scene,
        layer: bpy.types.ViewLayer,
        targets: Sequence[Target],
        classes: Mapping[bpy.types.Object, Mapping[str, str]],
        rig: Rig,
    ) -> None:
        """classes: classes_of of each target, or of what it is a copy of, from before the job changed anything."""
        self.recipe, self.seed, self.fingerprint = recipe, seed, fingerprint
        self.scene, self.layer, self.targets, self.rig = scene, layer, targets, rig
        self.classes = classes
        objects = [target.obj for target in targets]
        self.geometry = Geometry(scene, layer, objects) if recipe.labels.geometry else None

    def make(self, frame: int, attempt: int, draw: FrameDraw, layers: Layers) -> dict[str, Any]:
        """The record of a frame that was rendered."""
        header = self.header(frame, attempt, draw)
        view: View | None = None
        others = np.zeros((0, 8, 3))
        if self.geometry is not None:
            self.layer.update()  # what was moved for this frame
            view = view_of(header["camera"], self.scene)
            others = self.geometry.others()
            if self.rig.things is not None:  # hidden while the geometry was read
                others = np.concatenate([others, self.rig.things.boxes()])
        instances = [self._instance(target) for target in self.targets]
        return make_record(layers, instances, self.recipe.labels, header, view, others)

    def no_target(self, frame: int, attempt: int, draw: FrameDraw, reason: str) -> dict[str, Any]:
        """The record of a frame of which no attempt shows a target."""
        return no_target_record({**self.header(frame, attempt, draw), "reason": reason})

    def header(self, frame: int, attempt: int, draw: FrameDraw) -> dict[str, Any]:
        """What a record holds beside its labels."""
        recipe = self.recipe
        header: dict[str, Any] = {
            "frame": frame,
            "attempt": attempt,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "draw": draw.as_dict(),
            "camera": camera_numbers(self.scene),
            "view": {
                "transform": recipe.render.view_transform,
                "exposure_ev": round(recipe.render.exposure_ev + draw.exposure_ev, 6),
            },
            "environment": "",
            "background": "",
        }
        if draw.split:
            header["split"] = draw.split
        if draw.environment is not None:
            header["environment"] = self.rig.files.environments[draw.environment.index].name
        if draw.background is not None and draw.background.image is not None:
            header["background"] = self.rig.files.backgrounds[draw.background.image].name
        return header

    def _instance(self, target: Target) -> Instance:
        own = self._wear_of(target, target.kind, target.wears)
        further = tuple(self._wear_of(target, kind, number) for kind, number in target.further.items())
        return Instance(
            target.index,
            target.obj.name,
            self.classes[original(target.obj)],
            target.kind,
            own.wear_class,
            own.level,
            own.variant,
            further,
            None if self.geometry is None else self.geometry.body(target.obj),
        )

    def _wear_of(self, target: Target, kind: str, variant: int) -> FurtherWear:
        level = get_level(target.obj, kind)
        return FurtherWear(kind, wear_class(level, ageing.kind_named(kind), self.recipe.wear), level, variant)


def camera_numbers(scene: bpy.types.Scene) -> dict[str, Any]:
    """Intrinsics in pixels and the 4 x 4 camera-to-world matrix (Blender's: looks down -Z, +Y up), row by row.

    The matrix is without the camera's scale, as renders take it. Lengths are units of the scene, of unit_m metres each.
    """
    camera, width, height = scene.camera, scene.render.resolution_x, scene.render.resolution_y
    data = camera.data
    longest = max(width, height) if data.sensor_fit == "AUTO" else width if data.sensor_fit == "HORIZONTAL" else height
    sensor = data.sensor_height if data.sensor_fit == "VERTICAL" else data.sensor_width
    matrix = np.array(camera.matrix_world, np.float64)
    matrix[:3, :3] /= np.linalg.norm(matrix[:3, :3], axis=0)
    numbers: dict[str, Any] = {
        "type": data.type,
        "width": width,
        "height": height,
        "cx": nine(width / 2 - data.shift_x * longest),
        "cy": nine(height / 2 + data.shift_y * longest),
        "clip_start": nine(data.clip_start),
        "unit_m": nine(metres_per_unit(scene)),
        "matrix_world": [nines(row) for row in matrix.tolist()],
    }
    if data.type == "PERSP":
        numbers["fx"] = numbers["fy"] = nine(data.lens / sensor * longest)
    elif data.type == "ORTHO":
        numbers["ortho_scale"] = nine(data.ortho_scale)
        numbers["fx"] = numbers["fy"] = nine(longest / data.ortho_scale)
    return numbers


def view_of(numbers: Mapping[str, Any], scene: bpy.types.Scene) -> View:
    """What camera_numbers says, for the labels."""
    return View(
        numbers["type"],
        np.array(numbers["matrix_world"]),
        numbers["fx"],
        numbers["fy"],
        numbers["cx"],
        numbers["cy"],
        numbers["width"],
        numbers["height"],
        numbers["clip_start"],
        metres_per_unit(scene),
    )
