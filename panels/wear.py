"""The wear: the kinds on the object with their levels, where it starts, a preview of levels, ageing over time."""

from typing import Any

import bpy

from ..syngen_addon.blender import session
from .common import Closed, InSidebar, keys, material_preview, progress, sentence, split

NAMES = 0.42
"""Share of a layer's row that its name takes."""


class SYNGEN_PT_wear(InSidebar, bpy.types.Panel):
    bl_label = "Wear"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout, obj = self.layout, context.object
        layers = session.layers(obj)
        if not layers:
            sentence(layout, context, "No wear yet: generate variants and use one.", "INFO")
            if session.wear_left_behind(obj):
                sentence(layout, context, "Its material keeps the wear of an object that is gone.", "INFO")
                layout.operator("syngen.remove", text="Remove")
            elif any(session.worn(other) for other in session.chosen(context)):
                layout.operator("syngen.remove", text="Remove from Selected")
            return
        _layers(layout, context, obj, layers)
        if context.space_data is not None and context.space_data.shading.type in {"WIREFRAME", "SOLID"}:
            material_preview(layout, context, "This shading shows no materials, so no wear.")
        row = layout.row(align=True)
        row.operator("syngen.copy_level", text="Level to Selected")
        row.operator("syngen.remove", text="Remove")


def _layers(layout: bpy.types.UILayout, context: bpy.types.Context, obj: bpy.types.Object, layers: list[Any]) -> None:
    """A row a kind of wear: picture, name, level, and what can be done with it; below them what adds one."""
    column = layout.box().column(align=True)
    for layer in layers:
        parts = column.split(factor=NAMES)
        name = parts.row()
        name.label(text=session.kind_label(layer.kind), **_picture(layer))
        row = parts.row(align=True)
        if layer.own:
            row.prop(context.scene.syngen, "level", text="", slider=True)
        else:
            row.prop(context.scene.syngen.rows, session.slider(obj, layer.key), text="", slider=True)
        keyed = session.is_keyed(obj, layer.key)
        row.operator("syngen.key_level", text="", icon="KEY_HLT" if keyed else "KEY_DEHLT").kind = layer.key
        if not layer.own:
            row.operator("syngen.remove_layer", text="", icon="X").kind = layer.kind
        elif len(layers) > 1:
            row.label(text="", icon="BLANK1")  # so that the sliders are as long as each other
    if session.now.generation is None:
        column.separator(factor=0.5)
        column.menu("SYNGEN_MT_add_layer", icon="ADD")
    elif session.now.generation.layer:
        column.separator(factor=0.5)
        progress(column, session.now.generation, "syngen.cancel_generate")


class SYNGEN_MT_add_layer(bpy.types.Menu):
    """Kinds of wear that are not on the object yet"""

    bl_label = "Add Kind"

    def draw(self, context: bpy.types.Context) -> None:
        there = {layer.kind for layer in session.layers(context.object)}
        for kind, label in session.KIND_LABELS.items():
            if kind not in there:
                self.layout.operator("syngen.add_layer", text=label).kind = kind


def _picture(layer: Any) -> dict[str, object]:
    icon = session.thumbnail(layer)
    return {"icon_value": icon} if icon else {"icon": "TEXTURE"}


class _Part(Closed):
    bl_parent_id = "SYNGEN_PT_wear"


class SYNGEN_PT_causes(_Part, bpy.types.Panel):
    bl_label = "Where It Starts"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings, obj = self.layout, context.scene.syngen, context.object
        causes = settings.causes
        column = split(layout)
        keys(column, settings.wear, "kind")
        row = column.row(align=True)
        row.prop(causes, "preset")
        row.operator("syngen.reset_causes", text="", icon="LOOP_BACK")
        column = layout.column(align=True)
        counts = session.causes_of(context.scene)
        for name in session.CAUSES:
            row = column.row(align=True)
            # A cause that the kind knows nothing of stays at nothing, however far it is turned up.
            row.active = counts.get(name, 1.0) > 0
            row.prop(causes, name, slider=True)
        column = split(layout)
        keys(column, settings.wear, "up", "seed")
        if obj is not None and obj.type == "MESH":
            column.prop_search(causes, "damage_group", obj, "vertex_groups", icon="GROUP_VERTEX")
        else:
            column.prop(causes, "damage_group")
        column.prop(causes, "damage_image", placeholder="None")
        sentence(layout, context, "Age Shift shows at once; the rest counts with the next Generate.", "INFO")
        if session.now.generation is None:
            layout.operator("syngen.generate", text="Generate", icon="SHADERFX")
        else:
            progress(layout, session.now.generation, "syngen.cancel_generate")


class SYNGEN_PT_levels(_Part, bpy.types.Panel):
    bl_label = "Preview Levels"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        layout, work = self.layout, session.now.levels_work
        if work is not None:
            progress(layout, work, "syngen.cancel_levels")
            return
        row = layout.row(align=True)
        row.operator("syngen.preview_levels", text="Preview Levels", icon="MESH_GRID")
        if session.now.levels:
            row.popover("SYNGEN_PT_levels_large", text="", icon="FULLSCREEN_ENTER")
            row.operator("syngen.open_levels", text="", icon="IMAGE_DATA")
        _grid(layout, context, 2.0)


class SYNGEN_PT_levels_large(bpy.types.Panel):
    """The pictures of levels, larger; a click puts one onto its object"""

    bl_label = "Preview Levels"
    bl_space_type = "TOPBAR"
    bl_region_type = "HEADER"
    bl_options = {"INSTANCED"}
    bl_ui_units_x = 34

    def draw(self, context: bpy.types.Context) -> None:
        _grid(self.layout, context, 6.0)


def _grid(layout: bpy.types.UILayout, context: bpy.types.Context, scale: float) -> None:
    """A row a variant, a column a level; under each picture the button that puts it on."""
    before = ""
    for row in session.now.levels:
        obj = context.scene.objects.get(row.object)
        if row.object != before:
            layout.label(text=row.object, icon="OBJECT_DATA")
            before = row.object
        worn = session.worn(obj) == row.variant
        level = session.level(obj) if worn else -1.0
        line = layout.row(align=True)
        for number, at in enumerate(session.LEVELS):
            column = line.column(align=True)
            column.template_icon(icon_value=session.level_icon(row, number), scale=scale)
            button = column.operator("syngen.apply_level", text=f"{at:g}", depress=abs(level - at) < 0.005)
            button.object, button.variant, button.level = row.object, row.variant, at


class SYNGEN_PT_ageing(_Part, bpy.types.Panel):
    bl_label = "Aging"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        for layer in session.layers(context.object):
            row = layout.row(align=True)
            text = f"Age {session.kind_label(layer.kind)} over Time..."
            row.operator("syngen.age_over_time", text=text, icon="TIME").kind = layer.key
            row.operator("syngen.clear_ageing", text="", icon="X").kind = layer.key


class SYNGEN_PT_front(_Part, bpy.types.Panel):
    bl_label = "Front and Classes"
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        keys(split(self.layout), context.scene.syngen.wear, "softness", "clean_below", "complete_from")


CLASSES = (
    SYNGEN_MT_add_layer,
    SYNGEN_PT_wear,
    SYNGEN_PT_causes,
    SYNGEN_PT_levels,
    SYNGEN_PT_levels_large,
    SYNGEN_PT_ageing,
    SYNGEN_PT_front,
)
