"""Operators that put a frame of the job into the view and take it out again."""

import bpy
from bpy.props import IntProperty

from ..syngen_addon.blender import session, settings
from .common import InObjectMode, reported


class SYNGEN_OT_preview_frame(InObjectMode, bpy.types.Operator):
    """Put camera, lights, world and wear levels of a frame of the dataset into the view"""

    bl_idname = "syngen.preview_frame"
    bl_label = "Preview Frame"
    bl_options = {"REGISTER", "UNDO"}

    frame: IntProperty(
        name="Frame", description="Which frame; -1: the one set in the panel", default=-1, min=-1, options={"SKIP_SAVE"}
    )
    step: IntProperty(
        name="Step", description="So many frames further than that", default=0, options={"SKIP_SAVE", "HIDDEN"}
    )

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import preview_frame

        scene = context.scene
        frame = max(0, (scene.syngen.job.preview if self.frame < 0 else self.frame) + self.step)
        preview_frame.begin(context, settings.recipe_of(scene), frame, scene.syngen.job.seed)
        scene.syngen.job.preview = frame
        session.look_through_camera(context)
        return {"FINISHED"}


class SYNGEN_OT_end_preview(bpy.types.Operator):
    """Put camera, lights, world and wear levels back as they were before the preview"""

    bl_idname = "syngen.end_preview"
    bl_label = "End Preview"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.previewed(context.scene) < 0:
            cls.poll_message_set("No frame is shown.")
            return False
        return True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import preview_frame

        preview_frame.end(context.scene)
        session.look_as_before()
        return {"FINISHED"}


CLASSES = (SYNGEN_OT_preview_frame, SYNGEN_OT_end_preview)
