"""Operators for marks: find them, paint them, show them, take them away. Import blender/ only."""

import bpy

from ..syngen_addon.blender import marks, session, settings
from ..syngen_addon.errors import SynGenError
from .common import LEAVE_MODE, OnObject, reported


class SYNGEN_OT_find_marks(OnObject, bpy.types.Operator):
    """Find logos, labels and text on the base textures of the selected objects. Wear will leave them readable"""

    bl_idname = "syngen.find_marks"
    bl_label = "Find Marks"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        why = session.look(context.object).error
        if why:
            cls.poll_message_set(why)
        return not why

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        found = marks.find_on(session.chosen(context), settings.recipe_of(context.scene).marks)
        marks.show(True)
        session.redraw()
        some = [f"{share:.1%} of {name!r}" for name, share in found.items() if share]
        if some:
            self.report({"INFO"}, f"Marks found: {', '.join(some)}. Generate again to protect them.")
        else:
            self.report({"INFO"}, "No marks found. Raise Sensitivity, or paint them.")
        return {"FINISHED"}


class SYNGEN_OT_paint_marks(bpy.types.Operator):
    """Paint which parts of the active material wear leaves alone: white protects, black (Ctrl) does not"""

    bl_idname = "syngen.paint_marks"
    bl_label = "Paint Marks"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        from ..syngen_addon.blender import target

        try:
            obj = target.check_object(context.object)
            if obj.mode not in {"OBJECT", "TEXTURE_PAINT"}:
                raise SynGenError(LEAVE_MODE)
            marks.canvas_for(obj)
        except SynGenError as error:
            cls.poll_message_set(str(error))
            return False
        return True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        image = marks.begin_painting(context.object)
        marks.show(True)
        session.redraw()
        self.report({"INFO"}, f"Painting {image.name!r}: white protects. Generate again when it is done.")
        return {"FINISHED"}


class SYNGEN_OT_clear_marks(OnObject, bpy.types.Operator):
    """Take the marks off the materials of the selected objects: nothing there is protected any more"""

    bl_idname = "syngen.clear_marks"
    bl_label = "Clear Marks"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if not any(session.marks_of(obj) for obj in session.chosen(context)):
            cls.poll_message_set("There are no marks: press Find Marks or Paint Marks.")
            return False
        return True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        count = marks.clear(session.chosen(context))
        session.redraw()
        self.report({"INFO"}, f"Marks taken off {count} material{'' if count == 1 else 's'}.")
        return {"FINISHED"}


class SYNGEN_OT_show_marks(bpy.types.Operator):
    """Show in the 3D views what wear leaves alone, or no longer. It is drawn over the objects and not rendered"""

    bl_idname = "syngen.show_marks"
    bl_label = "Show Marks"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if bpy.app.background:
            cls.poll_message_set("Without a window there is no view to show them in.")
        return not bpy.app.background

    def execute(self, context: bpy.types.Context) -> set[str]:
        marks.show(not marks.shown())
        session.redraw()
        return {"FINISHED"}


CLASSES = (SYNGEN_OT_find_marks, SYNGEN_OT_paint_marks, SYNGEN_OT_clear_marks, SYNGEN_OT_show_marks)
