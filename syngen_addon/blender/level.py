"""The wear levels of an object: the one function that sets them. Imports bpy."""

import bpy

from .layers import level_name


def get_level(obj: bpy.types.Object, kind: str = "") -> float:
    """The level of a kind of wear on the object, 0 to 1; 0 where it has none. kind "": the object's own wear."""
    return float(obj.get(level_name(obj, kind), 0.0))


def set_level(obj: bpy.types.Object, level: float, kind: str = "") -> None:
    """Set the wear level (clamped to 0..1) so that viewport and render see it. kind "": that of the object's own wear.

    The tag matters: a custom property set from Python updates nothing by itself, and a render with persistent data
    would show the old level. Tagging the object alone leaves its modifiers asleep.
    """
    obj[level_name(obj, kind)] = min(max(float(level), 0.0), 1.0)
    obj.update_tag(refresh={"OBJECT"})


def key_level(obj: bpy.types.Object, kind: str = "") -> None:
    """Key the level at the scene's current frame. kind "": that of the object's own wear."""
    obj.keyframe_insert(f'["{level_name(obj, kind)}"]', group="SynGen")
