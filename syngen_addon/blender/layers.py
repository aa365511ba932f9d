"""The kinds of wear that lie on an object: the object's own, and further ones beside it. Reads only. Imports bpy.

Each is a layer with a variant, a level, a node group in the materials and a render layer of its own. A layer is told
apart by a *key*: "" for the object's own wear, else the kind's name.
"""

from dataclasses import dataclass
from typing import Any

import bpy

from .names import LEVEL, LEVEL_OF, WEAR_AOV, WEAR_AOV_OF
from .target import wear_of


@dataclass(frozen=True)
class Layer:
    """One kind of wear on an object. gallery: as stored, perhaps relative to the .blend. own: the object's own wear."""

    kind: str
    variant: str
    gallery: str
    own: bool

    @property
    def key(self) -> str:
        """What tells it apart in the materials: "" for the object's own wear."""
        return "" if self.own else self.kind


def layers_of(obj: bpy.types.Object) -> list[Layer]:
    """The object's layers: its own wear first, then the others by name; empty where it has no wear."""
    about = wear_of(obj)
    if about is None:
        return []
    own = Layer(about["kind"], about["variant"], about["gallery"], True)
    further = further_of(obj)
    return [own, *(Layer(k, further[k]["variant"], further[k]["gallery"], False) for k in sorted(further))]


def layer_of(obj: bpy.types.Object, kind: str = "") -> Layer | None:
    """The layer of that kind, or the object's own wear for ""; None where it has none such."""
    return next((each for each in layers_of(obj) if kind in (each.kind, each.key)), None)


def further_of(obj: bpy.types.Object) -> dict[str, dict[str, Any]]:
    """Kind -> what was applied (variant, gallery, gallery_absolute), for the layers beside the object's own wear."""
    about = wear_of(obj)
    found = None if about is None else about.get("layers")
    if not hasattr(found, "items"):
        return {}
    plain = {kind: dict(each.items()) for kind, each in found.items() if hasattr(each, "items")}
    return {k: each for k, each in plain.items() if all(isinstance(each.get(n), str) for n in ("variant", "gallery"))}


def key_of(obj: bpy.types.Object, kind: str) -> str:
    """The key of a kind on this object: "" where it is the object's own wear."""
    about = wear_of(obj)
    return "" if about is not None and about["kind"] == kind else kind


def level_name(obj: bpy.types.Object, kind: str = "") -> str:
    """The custom property that holds the level of a kind; "": of the object's own wear."""
    return level_property(key_of(obj, kind))


def level_property(key: str) -> str:
    """The custom property that holds the level of the layer with this key."""
    return LEVEL_OF.format(key) if key else LEVEL


def aov_name(kind: str, own: bool) -> str:
    """The render layer that a kind's wear is written to."""
    return WEAR_AOV if own else WEAR_AOV_OF.format(kind)
