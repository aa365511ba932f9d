"""A frame's record from the scene as it stands: class names, instances, header, camera. Imports bpy."""

from collections.abc import Sequence
from typing import Any, Protocol

import bpy

from ..formats.chosen import WEAR_CLASSES
from ..labels.layers import FurtherWear, Instance, Layers
from ..labels.record import make_record, no_target_record
from ..recipe import Recipe
from ..sampling.draws import FrameDraw
from ..wear.levels import wear_class
from . import ageing
from .instances import original
from .layers import layers_of
from .level import get_level
from .names import CLASS
from .scene import Rig
from .target import matches, plain_name, wear_of


class Target(Protocol):
    """What a record asks of a target. wears: the number of the variant it shows; further: that of each further kind."""

    obj: bpy.types.Object
    index: int
    object_class: str
    kind: str
    wears: int
    further: dict[str, int]


def class_lists(recipe: Recipe, objects: list[bpy.types.Object]) -> dict[str, list[str]]:
    """By labels.class_from every class name the job can have, so that ids do not depend on which frames are there.

    Those of wear that every job has are known already.
    """
    kinds = {kind for obj in objects for kind in kinds_of(obj, recipe)}
    return {
        "wear": sorted({ageing.kind_named(kind).wear_class for kind in kinds} - {"", *WEAR_CLASSES}),
        "kind": sorted(kinds),
        "object": sorted({object_class(obj, recipe) for obj in objects}),
    }


def object_class(obj: bpy.types.Object, recipe: Recipe) -> str:
    """The object's class: by the recipe's table, its own property, or its name without Blender's number."""
    obj = original(obj)
    for pattern, name in recipe.targets.classes.items():
        if matches(obj.name, pattern):
            return name
    return str(obj.get(CLASS, "")) or plain_name(obj)


def kind_of(obj: bpy.types.Object, recipe: Recipe) -> str:
    """The kind of the object's own wear, or the one that the recipe has for it."""
    about = wear_of(obj)
    if about is not None:
        return str(about["kind"])
    named = (kind for pattern, kind in recipe.targets.kinds.items() if matches(obj.name, pattern))
    return next(named, recipe.wear.kind)


def kinds_of(obj: bpy.types.Object, recipe: Recipe) -> list[str]:
    """The kinds of wear that the object has in the job: its own, then by name those that lie beside it."""
    own = kind_of(obj, recipe)
    return [own, *sorted({*(layer.kind for layer in layers_of(obj)), *recipe.wear.also} - {own})]


class Records:
    """The records of one job, of the scene as it stands when one is asked for."""

    def __init__(
        self, recipe: Recipe, seed: int, fingerprint: str, scene: bpy.types.Scene, targets: Sequence[Target], rig: Rig
    ) -> None:
        self.recipe, self.seed, self.fingerprint = recipe, seed, fingerprint
        self.scene, self.targets, self.rig = scene, targets, rig

    def make(self, frame: int, attempt: int, draw: FrameDraw, layers: Layers) -> dict[str, Any]:
        """The record of a frame that was rendered."""
        instances = [self._instance(target) for target in self.targets]
        return make_record(layers, instances, self.recipe.labels, self.header(frame, attempt, draw))

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
        if draw.environment is not None:
            header["environment"] = self.rig.environments[draw.environment.index].name
        if draw.background is not None and draw.background.image is not None:
            header["background"] = self.rig.backgrounds[draw.background.image].name
        return header

    def _instance(self, target: Target) -> Instance:
        own = self._wear_of(target, target.kind, target.wears)
        further = tuple(self._wear_of(target, kind, number) for kind, number in target.further.items())
        return Instance(
            target.index,
            target.obj.name,
            {"object": target.object_class},
            target.kind,
            own.wear_class,
            own.level,
            own.variant,
            further,
        )

    def _wear_of(self, target: Target, kind: str, variant: int) -> FurtherWear:
        level = get_level(target.obj, kind)
        return FurtherWear(kind, wear_class(level, ageing.kind_named(kind), self.recipe.wear), level, variant)


def camera_numbers(scene: bpy.types.Scene) -> dict[str, Any]:
    """Intrinsics in pixels and the 4 x 4 camera-to-world matrix (Blender's: looks down -Z, +Y up), row by row."""
    camera, width, height = scene.camera, scene.render.resolution_x, scene.render.resolution_y
    data = camera.data
    longest = max(width, height) if data.sensor_fit == "AUTO" else width if data.sensor_fit == "HORIZONTAL" else height
    sensor = data.sensor_height if data.sensor_fit == "VERTICAL" else data.sensor_width
    numbers: dict[str, Any] = {
        "type": data.type,
        "width": width,
        "height": height,
        "cx": width / 2 - data.shift_x * longest,
        "cy": height / 2 + data.shift_y * longest,
        "matrix_world": [[float(f"{v:.9g}") for v in row] for row in camera.matrix_world],
    }
    if data.type == "PERSP":
        numbers["fx"] = numbers["fy"] = float(f"{data.lens / sensor * longest:.9g}")
    elif data.type == "ORTHO":
        numbers["ortho_scale"] = float(f"{data.ortho_scale:.9g}")
    return numbers
