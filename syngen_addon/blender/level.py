"""The wear levels of an object: the one function that sets them. Imports bpy."""

import math
from typing import Any

import bpy

from .layers import level_name


def get_level(obj: bpy.types.Object, kind: str = "") -> float:
    """The level of a kind of wear on the object, 0 to 1; 0 where it has none. kind "": the object's own wear.

    A curve or driver that leaves 0 to 1, or gives no number at all, counts as renders show it.
    """
    return _clamped(obj.get(level_name(obj, kind), 0.0))


def set_level(obj: bpy.types.Object, level: float, kind: str = "") -> None:
    """Set the wear level (clamped to 0..1) so that viewport and render see it. kind "": that of the object's own wear.

    The tag matters: a custom property set from Python updates nothing by itself, and a render with persistent data
    would show the old level. Tagging the object alone leaves its modifiers asleep.
    """
    obj[level_name(obj, kind)] = _clamped(level)
    obj.update_tag(refresh={"OBJECT"})


def _clamped(value: Any) -> float:
    """0 to 1; 0 for what is no number, as a property may hold that a person or a driver wrote."""
    try:
        level = float(value)
    except (TypeError, ValueError):
        return 0.0
    return 0.0 if math.isnan(level) else min(max(level, 0.0), 1.0)


def key_level(obj: bpy.types.Object, kind: str = "") -> None:
    """Key the level at the scene's current frame. kind "": that of the object's own wear."""
    obj.keyframe_insert(f'["{level_name(obj, kind)}"]', group="SynGen")
