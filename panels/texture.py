"""The first steps: what was found on the object, and its variants."""

import bpy

from ..syngen_addon.blender import session
from .common import Closed, InSidebar, clock, keys, narrow, progress, sentence, split
from .neural import preview, what_is_missing

PICTURES_SHOWN = 8
BLANK = bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items["BLANK1"].value


class SYNGEN_PT_object(InSidebar, bpy.types.Panel):
    bl_label = "Object"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        layout, obj = self.layout, context.object
        found = session.look(obj)
        if found.error:
            row = layout.row()
            sentence(row, context, found.error, "ERROR", beside=1)
            row.operator("syngen.refresh", text="", icon="FILE_REFRESH", emboss=False)
            mend(layout, found, found.error)
            return
        column = layout.column(align=True)
        row = column.row()
        row.label(text=obj.name, icon="OBJECT_DATA")
        row.operator("syngen.refresh", text="", icon="FILE_REFRESH", emboss=False)
        _slots(column, obj, found)
        row = column.row(align=True)
        row.label(text=f"UV map: {found.slots[0].uv_layer or 'none yet'}", icon="UV")
        if not found.slots[0].uv_layer:
            row.operator("syngen.mend", text="Make UV Map").what = "unwrap"
        together = len(session.chosen(context))
        if together > 1:
            who = f"{together} objects selected" if obj.select_get() else f"This object and {together - 1} selected"
            sentence(layout, context, f"{who}: Generate and Remove work on all of them.", "INFO")
        shown = session.gallery(obj)
        for warning in dict.fromkeys((*found.warnings, *(shown[0].variant.warnings if shown else ()))):
            sentence(layout, context, warning, "INFO")
            mend(layout, found, warning)
        for note in found.notes:
            sentence(layout, context, note, "INFO")
        row = layout.row(align=True)
        row.label(text=f"Class: {session.class_exported(obj, context.scene)}", icon="BOOKMARKS")
        row.operator("syngen.set_class", text="", icon="GREASEPENCIL")


def mend(layout: bpy.types.UILayout, found: session.Look, sentence: str) -> None:
    """The button that mends what a sentence says, where there is one."""
    what = found.mend(sentence)
    if what is None:
        return
    row = layout.row()
    if what.what == "find":
        row.operator("syngen.find_image", text=what.text, icon=what.icon).slot = what.slot
    else:
        button = row.operator("syngen.mend", text=what.text, icon=what.icon)
        button.what, button.slot = what.what, what.slot


def _slots(layout: bpy.types.UILayout, obj: bpy.types.Object, found: session.Look) -> None:
    """A row a material: whether it wears, and the texture that is aged."""
    pictures = {slot.material: slot for slot in found.slots}
    for number, slot in enumerate(obj.material_slots):
        if slot.material is None:
            continue
        wears, about = session.wears(slot.material), pictures.get(slot.material.name)
        row = layout.row(align=True)
        icon = "CHECKBOX_HLT" if wears else "CHECKBOX_DEHLT"
        row.operator("syngen.toggle_wears", text="", icon=icon, emboss=False).slot = number
        name = row.row()
        name.active = about is not None
        name.label(
            text=slot.material.name if about is None else about.image, icon="IMAGE_DATA" if about else "MATERIAL"
        )
        size = row.row()
        size.alignment = "RIGHT"
        size.label(text=about.size if about else "does not wear" if not wears else "")


class SYNGEN_PT_texture(InSidebar, bpy.types.Panel):
    bl_label = "Texture"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings, obj = self.layout, context.scene.syngen, context.object
        column = split(layout)
        keys(column, settings.wear, "kind")
        keys(column, settings.texture, "method")
        if settings.texture.method == "exemplar":
            column.prop(settings.texture, "exemplar", placeholder="A photo of wear")
            keys(column, settings.texture, "exemplar_m")
        keys(column, settings.transfer, "method")
        what_is_missing(layout, context)
        column = split(layout)
        keys(column, settings.texture, "variants", "seed")
        work = session.now.generation
        if work is not None:
            progress(layout, work, "syngen.cancel_generate", height=1.4)
            if work.seconds_left >= 0 and not work.stopping:
                layout.label(text=f"About {clock(work.seconds_left)} left", icon="TIME")
            preview(layout, work.preview)
            if len(work.names) > 1:
                sentence(layout, context, f"Then: {', '.join(work.names[1:6])}{' ...' if len(work.names) > 6 else ''}.")
            if not work.layer and obj is not None and obj.name not in (*work.names, *work.made):
                layout.operator("syngen.generate", text=f"Generate {obj.name} Too", icon="ADD")
        else:
            row = layout.row()
            row.scale_y = 1.4
            row.operator("syngen.generate", text="Generate", icon="SHADERFX")
            if session.now.generated:  # the report goes when the pointer moves
                row = layout.row()
                sentence(row, context, session.now.generated, "CHECKMARK", beside=1)
                row.operator("syngen.open_gallery", text="", icon="FILE_FOLDER")
            if session.now.not_generated:
                row = layout.row()
                sentence(row, context, session.now.not_generated, "ERROR", beside=1)
                row.operator("syngen.copy_report", text="", icon="COPYDOWN").message = session.now.not_generated
        if obj is not None and obj.type == "MESH":
            _gallery(layout, context, obj)


def _gallery(layout: bpy.types.UILayout, context: bpy.types.Context, obj: bpy.types.Object) -> None:
    """The newest, two pictures a row, each with its button, which names the kind where there are several; the reason
    under those that are refused. Those being made have their places from the start, so that nothing jumps under the
    pointer. All of them: the gallery's own panel."""
    found, worn = session.gallery(obj), {layer.variant for layer in session.layers(obj)}
    several = len({picture.variant.kind for picture in found}) > 1
    work = session.now.generation
    coming = 0 if work is None else work.coming(obj.name, len(found))
    shown = [*([None] * coming), *found]
    for left in range(0, min(len(shown), PICTURES_SHOWN), 2):
        halves = layout.split(factor=0.5)  # a row would give a picture that is alone its whole width
        columns = [halves.column(align=True), halves.column(align=True)]
        for column, picture in zip(columns, shown[left : left + 2], strict=False):
            box = column.box()
            if picture is None:
                box.template_icon(icon_value=BLANK, scale=5.6)
                column.label(text="To come")
                continue
            variant = picture.variant
            used = variant.name in worn
            box.template_icon(icon_value=picture.icon, scale=5.6)
            button = column.row(align=True)
            text = "In Use" if used else "Use" if variant.usable or narrow(context) else "Use Anyway"
            icon = "CHECKMARK" if used else "NONE" if variant.usable else "ERROR"
            button.operator(
                "syngen.apply_variant",
                text=session.kind_label(variant.kind) if several else text,
                icon=icon,
                depress=used,
            ).variant = variant.name
            if not variant.usable:
                reason = column.column(align=True)
                reason.label(text="By you" if variant.person else variant.reason.capitalize(), icon="CANCEL")
        for side, picture in zip(("Left: ", "Right: "), shown[left : left + 2], strict=False):
            if picture is not None and not picture.variant.usable and not picture.variant.person:
                alone = len(shown[left : left + 2]) == 1
                sentence(layout, context, ("" if alone else side) + picture.variant.sentence, "ERROR")
    if len(shown) > PICTURES_SHOWN:
        layout.label(text=f"{len(shown) - PICTURES_SHOWN} older ones are in the gallery below.")


class SYNGEN_PT_texture_more(Closed, bpy.types.Panel):
    bl_label = "Texture and Transfer"
    bl_parent_id = "SYNGEN_PT_texture"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        settings, column = context.scene.syngen, split(self.layout)
        keys(column, settings.texture, "size", "tile_m")
        column.separator()
        keys(column, settings.transfer, "structure", "color", "texel_m", "max_size", "protect_image")
        obj = context.object
        if obj is not None and obj.type == "MESH":
            column.prop_search(settings.transfer, "protect_group", obj, "vertex_groups")
        else:
            column.prop(settings.transfer, "protect_group")


class SYNGEN_PT_filters(Closed, bpy.types.Panel):
    bl_label = "Filters"
    bl_parent_id = "SYNGEN_PT_texture"
    bl_order = 3

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(context.scene.syngen.filters, "enabled", text="")

    def draw(self, context: bpy.types.Context) -> None:
        filters, column = context.scene.syngen.filters, split(self.layout)
        column.active = filters.enabled
        keys(column, filters, "sharpness_min", "noise_max", "contrast_min", "color_max", "seam_max", "duplicate_min")
        column.separator()
        keys(column, filters, "text_max", "object_max", "lighting_max", "exposure_max", "blocks_max")


CLASSES = (
    SYNGEN_PT_object,
    SYNGEN_PT_texture,
    SYNGEN_PT_texture_more,
    SYNGEN_PT_filters,
)
