"""Operators that put a frame of the job into the view and take it out again, show labels there, render one frame."""

import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty

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
        job = scene.syngen.job
        frame = max(0, (job.preview if self.frame < 0 else self.frame) + self.step)
        preview_frame.begin(context, settings.recipe_of(scene), frame, job.seed)
        job.preview = frame
        session.now.not_previewed = ""
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
        session.now.not_previewed = ""
        session.look_as_before()
        return {"FINISHED"}


class SYNGEN_OT_show_label_overlay(bpy.types.Operator):
    """Draw the labels of what the 3D views show: box, mask, class and wear of each target. Nothing is rendered"""

    bl_idname = "syngen.show_label_overlay"
    bl_label = "Show Labels in the View"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        why = "" if session.labels_shown() else session.no_labels(context.scene)
        if why:
            cls.poll_message_set(why)
        return not why

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import label_overlay

        label_overlay.switch(not session.labels_shown())
        space = context.space_data
        if session.labels_shown() and getattr(space, "type", "") == "VIEW_3D" and not space.overlay.show_overlays:
            self.report({"WARNING"}, "The view's overlays are off: switch them on in its header to see labels.")
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_render_one(bpy.types.Operator):
    """Render the frame that is shown, or set, as the dataset will have it, and show it with its labels"""

    bl_idname = "syngen.render_one"
    bl_label = "Render One"
    bl_options = {"REGISTER"}

    frame: IntProperty(
        name="Frame", description="Which frame; -1: the one shown, else the one set in the panel",
        default=-1, min=-1, options={"SKIP_SAVE"},
    )  # fmt: skip
    folder: StringProperty(
        name="Folder", description="Without a window: an empty folder for its files", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.now.one is not None:
            cls.poll_message_set("A frame is being rendered.")
            return False
        return True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import render_one

        scene = context.scene
        recipe, frame = settings.recipe_of(scene), render_one.frame_of(scene) if self.frame < 0 else self.frame
        if bpy.app.background:
            shot = render_one.render_here(scene, recipe, frame, self.folder)
            self.report({"INFO"}, f"Frame {frame}: {shot.picture}. With its labels: {shot.labels}")
        else:
            render_one.start(scene, recipe, frame)
            session.redraw(views=False)
        return {"FINISHED"}


class SYNGEN_OT_cancel_one(bpy.types.Operator):
    """Stop rendering the frame"""

    bl_idname = "syngen.cancel_one"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return session.now.one is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.now.one.cancel()
        session.redraw(views=False)
        return {"FINISHED"}


class SYNGEN_OT_show_frame(bpy.types.Operator):
    """Show the frame that was rendered in an image editor"""

    bl_idname = "syngen.show_frame"
    bl_label = "Show Frame"
    bl_options = {"INTERNAL"}

    labels: BoolProperty(name="Labels", description="With its labels drawn on", default=True, options={"SKIP_SAVE"})

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return "Show the frame with its labels" if properties.labels else "Show the frame as it was rendered"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.rendered_one() is None or bpy.app.background:
            cls.poll_message_set("No frame was rendered: press Render One.")
            return False
        return True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import render_one

        render_one.show(self.labels)
        return {"FINISHED"}


CLASSES = (
    SYNGEN_OT_preview_frame,
    SYNGEN_OT_end_preview,
    SYNGEN_OT_show_label_overlay,
    SYNGEN_OT_render_one,
    SYNGEN_OT_cancel_one,
    SYNGEN_OT_show_frame,
)
