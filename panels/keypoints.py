"""Keypoints of the active object: which it has, and marking the active empty or vertex group as one."""

import bpy

from ..syngen_addon.blender import session
from .common import sentence

SHOWN = 12
"""So many are listed."""


def draw(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """A part of the Dataset panel."""
    found = session.keypoints(context.object)
    row = layout.row(align=True)
    row.operator("syngen.mark_keypoint", icon="EMPTY_AXIS")
    row.operator("syngen.unmark_keypoint", text="", icon="X")
    if not found.names:
        sentence(layout, context, "Points with names that datasets tell the place of: empties parented to the "
                 "object, or its vertex groups (the middle of each).")  # fmt: skip
        return
    column = layout.column(align=True)
    column.label(text=found.target, icon="OBJECT_DATA")
    for name in found.names[:SHOWN]:
        column.label(text=name, icon="DOT")
    if len(found.names) > SHOWN:
        column.label(text=f"and {len(found.names) - SHOWN} more", icon="BLANK1")
