"""Operators on the preview of levels: make it, stop that, put one of its cells onto the object, show its sheet."""

from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy.props import FloatProperty, IntProperty, StringProperty

from ..syngen_addon.blender import session, settings
from ..syngen_addon.blender.preferences import gallery_folder
from ..syngen_addon.errors import Cancelled, SynGenError
from .common import CancelsWork, FollowsWork, InObjectMode, OnObject, report_error, reported, show_picture
from .wear import left_out

if TYPE_CHECKING:
    from ..syngen_addon.blender.levels_preview import LevelsPreview


class SYNGEN_OT_preview_levels(FollowsWork, OnObject, bpy.types.Operator):
    """Small pictures of the selected objects at levels from 0 to 1 with each of their variants. Esc stops it"""

    bl_idname = "syngen.preview_levels"
    bl_label = "Preview Levels"
    bl_options = {"REGISTER"}
    kept = "levels_work"

    filepath: StringProperty(
        name="File", description="Where the sheet is written; empty: beside the gallery", subtype="FILE_PATH"
    )
    variants: IntProperty(name="Variants", description="Most variants of an object", default=4, min=1, max=64)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.now.levels_work is not None:
            cls.poll_message_set("Pictures are being made already.")
            return False
        if not super().poll(context):
            return False
        if not any(session.gallery(obj) for obj in session.chosen(context)):
            cls.poll_message_set("There are no variants to show yet: press Generate.")
            return False
        return True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        work = self._work(context)
        if bpy.app.background:
            try:
                work.run()
            except Cancelled:
                return {"CANCELLED"}
            return self._finished(work)
        return self.follow(context, work)

    def _ended(self, work: "LevelsPreview") -> set[str]:
        if work.sheet is not None:
            return self._finished(work)
        if work.error is not None:
            report_error(self, work.error)
        return {"CANCELLED"}

    def _work(self, context: bpy.types.Context) -> "LevelsPreview":
        from ..syngen_addon.blender import levels_preview

        wear = settings.recipe_of(context.scene).wear
        target = Path(bpy.path.abspath(self.filepath)) if self.filepath else gallery_folder() / levels_preview.FILE
        return levels_preview.LevelsPreview(
            session.chosen(context), target, up=wear.up, softness=wear.softness, most=self.variants
        )

    def _finished(self, work: "LevelsPreview") -> set[str]:
        session.now.levels, session.now.levels_sheet = tuple(work.rows), str(work.sheet)
        self.report({"INFO"}, work.told or f"The sheet is {work.sheet}.")
        if work.skipped:
            self.report({"WARNING"}, left_out(work.skipped))
        session.redraw(views=False)
        return {"FINISHED"}


class SYNGEN_OT_cancel_levels(CancelsWork, bpy.types.Operator):
    """Stop making pictures of levels"""

    bl_idname = "syngen.cancel_levels"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}
    kept = "levels_work"


class SYNGEN_OT_apply_level(InObjectMode, bpy.types.Operator):
    """Put this variant onto the object, at this level"""

    bl_idname = "syngen.apply_level"
    bl_label = "Use"
    bl_options = {"REGISTER", "UNDO"}

    object: StringProperty(name="Object", options={"SKIP_SAVE"})
    variant: StringProperty(name="Variant", description="As its folder in the gallery", options={"SKIP_SAVE"})
    level: FloatProperty(name="Level", default=0.5, min=0, max=1, options={"SKIP_SAVE"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import generation, level, previews, target

        obj = context.scene.objects.get(self.object)
        if obj is None:
            raise SynGenError(f"{self.object!r} is gone.", "Preview the levels again.")
        target.check_object(obj)
        found = next((v for v in previews.variants_of(obj) if v.name == self.variant), None)
        if found is None:
            raise SynGenError(f"There is no variant {self.variant!r} of {obj.name!r}.", "Preview the levels again.")
        if session.worn(obj) == found.name:
            level.set_level(obj, self.level)
        else:
            generation.put_on(obj, found, settings.recipe_of(context.scene), level=self.level)
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_open_levels(bpy.types.Operator):
    """Show the sheet of levels in the picture viewer of the system or here"""

    bl_idname = "syngen.open_levels"
    bl_label = "Show Sheet"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(session.now.levels_sheet)

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        return show_picture(session.now.levels_sheet, "Press Preview Levels again.")


CLASSES = (
    SYNGEN_OT_preview_levels,
    SYNGEN_OT_cancel_levels,
    SYNGEN_OT_apply_level,
    SYNGEN_OT_open_levels,
)
