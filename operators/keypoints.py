"""Operators that say which empty or vertex group is a keypoint of its object."""

import bpy
from bpy.props import StringProperty

from ..syngen_addon.blender import session
from .common import InObjectMode, reported


class _OnPoint(InObjectMode):
    """A mix-in: the active empty, or the active vertex group of the active mesh."""

    marked: bool | None = None
    """Whether it has to be a keypoint already; None: either."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        from ..syngen_addon.blender import keypoints

        why = keypoints.why_not(context.object)
        if not why and cls.marked and not keypoints.is_marked(context.object):
            why = "It is no keypoint"
        if why:
            cls.poll_message_set(f"{why}.")  # type: ignore[attr-defined]
        return not why


class SYNGEN_OT_mark_keypoint(_OnPoint, bpy.types.Operator):
    """Make the active empty, or the active vertex group, a keypoint of its object in datasets"""

    bl_idname = "syngen.mark_keypoint"
    bl_label = "Mark as Keypoint"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Name", description="The same on every object of a class", options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        from ..syngen_addon.blender import keypoints

        self.name = keypoints.suggested_name(context.object)
        return context.window_manager.invoke_props_dialog(self, title="Mark as Keypoint", confirm_text="Mark")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import keypoints

        keypoints.mark(context.object, self.name or keypoints.suggested_name(context.object))
        session.redraw(views=False)  # a custom property is no reason to Blender
        return {"FINISHED"}


class SYNGEN_OT_unmark_keypoint(_OnPoint, bpy.types.Operator):
    """The active empty, or the active vertex group, is no keypoint any more; itself it stays"""

    bl_idname = "syngen.unmark_keypoint"
    bl_label = "Unmark"
    bl_options = {"REGISTER", "UNDO"}
    marked = True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import keypoints

        keypoints.unmark(context.object)
        session.redraw(views=False)
        return {"FINISHED"}


CLASSES = (SYNGEN_OT_mark_keypoint, SYNGEN_OT_unmark_keypoint)
