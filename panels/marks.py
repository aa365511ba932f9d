"""Marks: what wear leaves alone, as found or painted, and how it ages."""

import bpy

from ..syngen_addon.blender import session
from .common import Closed, keys, material_preview, sentence, split


class SYNGEN_PT_marks(Closed, bpy.types.Panel):
    bl_label = "Marks"
    bl_parent_id = "SYNGEN_PT_texture"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings, obj = self.layout, context.scene.syngen.marks, context.object
        found = session.marks_of(obj)
        row = layout.row(align=True)
        row.operator("syngen.find_marks", text="Find", icon="VIEWZOOM")
        if obj is not None and obj.mode == "TEXTURE_PAINT":
            row.operator("object.mode_set", text="Done", icon="CHECKMARK").mode = "OBJECT"
        else:
            row.operator("syngen.paint_marks", text="Paint", icon="BRUSH_DATA")
        row.operator("syngen.clear_marks", text="", icon="TRASH")
        shown = session.marks_shown()
        row.operator("syngen.show_marks", text="", icon="HIDE_OFF" if shown else "HIDE_ON", depress=shown)
        if obj is not None and obj.mode == "TEXTURE_PAINT" and context.space_data.shading.type == "SOLID":
            # Blender shows the picture that is painted there, which hides what it is painted over.
            material_preview(layout, context, "This shading hides the texture below.")
        for _, image in found:
            layout.label(text=image.name, icon="IMAGE_DATA")
        if not found:
            sentence(layout, context, "Logos, labels and text that wear leaves readable: find them, or paint them.")
        column = split(layout)
        keys(column, settings, "sensitivity", "grow")
        if not found:
            keys(column, settings, "find")
        column.separator()
        keys(column, settings, "age")
        row = column.row()
        row.active = settings.age
        row.prop(settings, "fade", slider=True)


CLASSES = (SYNGEN_PT_marks,)
