"""The dataset: how many frames, where, what is labelled; the export and its progress."""

import bpy

from ..syngen_addon.blender import session
from .common import Closed, InSidebar, clock, keys, pair, sentence, split


class SYNGEN_PT_dataset(InSidebar, bpy.types.Panel):
    bl_label = "Dataset"
    bl_order = 5

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.syngen
        column = split(layout)
        keys(column, settings.job, "frames", "seed", "folder")
        column.separator()
        pair(column, settings.render, "width", "height", "Size")
        keys(column, settings.render, "samples", "device")
        column.separator()
        keys(column, settings.labels, "objects", "class_from")
        row = column.row(align=True, heading="Formats")
        row.prop(settings.export, "formats")
        _export(layout, context)
        row = layout.row(align=True)
        row.operator("syngen.load_recipe", text="Load Recipe", icon="IMPORT")
        row.operator("syngen.save_recipe", text="Save Recipe", icon="EXPORT")
        layout.operator("syngen.copy_batch_command", icon="COPYDOWN")


def _export(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The button, or how far the export is, and how the last one ended."""
    work, now = session.now.export, session.now
    if work is None:
        row = layout.row()
        row.scale_y = 1.4
        row.operator("syngen.export_dataset", text="Export Dataset", icon="RENDER_ANIMATION")
    else:
        row = layout.row(align=True)
        row.scale_y = 1.4
        if work.cancelled:
            text = "Stopping"
        elif work.total:
            text = f"{work.done} of {work.total}" + (
                f", {clock(work.seconds_left)} left" if work.seconds_left >= 0 else ""
            )
        else:
            text = work.what
        row.progress(factor=work.done / work.total if work.total else 0.0, text=text, type="BAR")
        row.operator("syngen.cancel_export", text="", icon="X")
    if now.failed:
        sentence(layout, context, now.failed, "ERROR")
    if now.told:
        sentence(layout, context, now.told, "CHECKMARK")
    if now.folder and work is None and (now.told or now.failed):
        row = layout.row(align=True)
        row.operator("syngen.open_folder", icon="FILE_FOLDER").folder = now.folder
        if now.sheet:
            row.operator("syngen.show_labels", icon="IMAGE_DATA").sheet = now.sheet
    for warning in now.warnings[:4]:
        sentence(layout, context, warning, "INFO")


class _Part(Closed):
    bl_parent_id = "SYNGEN_PT_dataset"


class SYNGEN_PT_targets(_Part, bpy.types.Panel):
    bl_label = "Targets"

    def draw(self, context: bpy.types.Context) -> None:
        keys(split(self.layout), context.scene.syngen.targets, "objects")


class SYNGEN_PT_labels(_Part, bpy.types.Panel):
    bl_label = "Labels"

    def draw(self, context: bpy.types.Context) -> None:
        labels, column = context.scene.syngen.labels, split(self.layout)
        keys(column, labels, "min_pixels", "redraws", "wear_threshold")
        regions = column.column()
        regions.active = labels.objects == "regions"
        keys(regions, labels, "region_min_pixels", "region_merge_pixels")


class SYNGEN_PT_render(_Part, bpy.types.Panel):
    bl_label = "Render"

    def draw(self, context: bpy.types.Context) -> None:
        keys(
            split(self.layout),
            context.scene.syngen.render,
            "denoise",
            "view_transform",
            "exposure_ev",
            "keep_compositor",
        )


class SYNGEN_PT_split(_Part, bpy.types.Panel):
    bl_label = "Train, Validation, Test"

    def draw(self, context: bpy.types.Context) -> None:
        export, column = context.scene.syngen.export, split(self.layout)
        for number, name in enumerate(("Train", "Validation", "Test")):
            column.prop(export, "split", index=number, text=name)


CLASSES = (SYNGEN_PT_dataset, SYNGEN_PT_targets, SYNGEN_PT_labels, SYNGEN_PT_render, SYNGEN_PT_split)
