"""The wear level of an object: the one function that sets it. Imports bpy."""

import bpy

from .names import LEVEL


def get_level(obj: bpy.types.Object) -> float:
    """The object's wear level, 0 to 1; 0 where it has none."""
    return float(obj.get(LEVEL, 0.0))


def set_level(obj: bpy.types.Object, level: float) -> None:
    """Set the wear level (clamped to 0..1) so that viewport and render see it.

    The tag matters: a custom property set from Python updates nothing by itself, and a render with persistent data
    would show the old level. Tagging the object alone leaves its modifiers asleep.
    """
    obj[LEVEL] = min(max(float(level), 0.0), 1.0)
    obj.update_tag(refresh={"OBJECT"})


def key_level(obj: bpy.types.Object) -> None:
    """Key the object's level at the scene's current frame."""
    obj.keyframe_insert(f'["{LEVEL}"]', group="SynGen")
