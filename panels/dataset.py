"""The dataset: how many frames, where, what is labelled; the export and its progress."""

import bpy

from ..syngen_addon.blender import session
from . import keypoints
from .common import InSidebar, clock, keys, narrow, pair, part, progress, sentence, split, toggles
from .presets import in_header

MOST_SAID = 5
"""So many problems of a dataset are listed."""


class SYNGEN_PT_dataset(InSidebar, bpy.types.Panel):
    bl_label = "Dataset"
    bl_order = 5

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        in_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.syngen
        column = split(layout)
        keys(column, settings.job, "frames", "seed", "folder")
        column.separator()
        pair(column, settings.render, "width", "height", "Size")
        keys(column, settings.render, "engine", "speed", "samples")
        column.separator()
        keys(column, settings.labels, "objects", "class_from")
        if settings.labels.class_from == "property":
            keys(column, settings.labels, "class_property")
        _formats(layout, context)
        _export(layout, context)
        row = layout.row(align=True)
        row.operator("syngen.load_recipe", text="Load Recipe", icon="IMPORT")
        row.operator("syngen.save_recipe", text="Save Recipe", icon="EXPORT")
        layout.operator("syngen.copy_batch_command", icon="COPYDOWN")
        for title, draw in PARTS:
            body = part(layout, title, title)
            if body is not None:
                draw(body, context)


FORMATS = (
    ("COCO", (("coco", "Objects"), ("coco_keypoints", "Keypoints"), ("coco_panoptic", "Panoptic"))),
    (
        "YOLO",
        (
            ("yolo", "Detect"),
            ("yolo_segment", "Segment"),
            ("yolo_obb", "OBB"),
            ("yolo_pose", "Pose"),
            ("classify", "Classify"),
        ),
    ),
    ("Others", (("voc", "VOC"), ("bop", "BOP"), ("csv", "CSV"))),
    ("Maps", (("masks", "Masks"), ("depth", "Depth"), ("normals", "Normals"))),
)
"""How the formats stand in the panel: a word, and toggles beside it; in a narrow one below it, two in a row."""


def _formats(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    column, export = layout.column(align=True), context.scene.syngen.export
    under = narrow(context)
    in_row = 2 if under else 3
    for word, formats in FORMATS:
        if under:
            column.label(text=word)
        for start in range(0, len(formats), in_row):
            row = column.row(align=True)
            if not under:
                parts = row.split(factor=0.18, align=True)
                parts.label(text="" if start else word)
                row = parts.row(align=True)
            some = formats[start : start + in_row]
            for name, text in some:
                row.prop_enum(export, "formats", name, text=text)
            for _ in range(in_row - len(some)):
                row.label()


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
        row = layout.row()
        sentence(row, context, now.failed, "ERROR", beside=1)
        row.operator("syngen.copy_report", text="", icon="COPYDOWN").message = now.failed
    if now.told:
        sentence(layout, context, now.told, "CHECKMARK")
    if now.folder and work is None and (now.told or now.failed):
        row = layout.row(align=True)
        row.operator("syngen.open_folder", icon="FILE_FOLDER").folder = now.folder
        if now.sheet:
            row.operator("syngen.show_labels", icon="IMAGE_DATA").sheet = now.sheet
        row = layout.row(align=True)
        row.operator("syngen.show_card", icon="TEXT").folder = now.folder
        row.operator("syngen.check_dataset", icon="VIEWZOOM").folder = now.folder
    _checked(layout, context)
    for warning in now.warnings[:4]:
        sentence(layout, context, warning, "INFO")


def _checked(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """How far a check of the dataset is, or what it said."""
    now = session.now
    if now.task is not None and now.task.kind == "dataset":
        progress(layout, now.task, "syngen.cancel_task")
    if now.checked:
        first, *problems = now.checked
        sentence(layout, context, first, "CHECKMARK" if now.sound else "ERROR")
        for text in problems[:MOST_SAID]:
            sentence(layout, context, text.partition(": ")[2], "DOT")
        if len(problems) > MOST_SAID:
            sentence(layout, context, "The command line says all of it: --command syngen check FOLDER.", "INFO")


def _targets(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    split(layout).prop(context.scene.syngen.targets, "objects", placeholder="All with wear")


def _labels(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    labels, column = context.scene.syngen.labels, split(layout)
    keys(column, labels, "geometry", "depth", "normals", "polygons")
    keys(column, context.scene.syngen.export, "min_visible")
    column.separator()
    keys(column, labels, "min_pixels", "redraws", "wear_threshold")
    keys(column, labels, "region_min_pixels", "region_merge_pixels")  # records hold regions whatever is detected


def _render(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    names = ("device", "denoise", "motion_blur", "view_transform", "exposure_ev", "keep_compositor")
    keys(split(layout), context.scene.syngen.render, *names)


def _split(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    export, column = context.scene.syngen.export, split(layout)
    for number, name in enumerate(("Train", "Validation", "Test")):
        column.prop(export, "split", index=number, text=name)
    toggles(column, context.scene.syngen.randomize, "apart")


def _card(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    keys(split(layout), context.scene.syngen.export, "title", "license")


PARTS = (
    ("Targets", _targets),
    ("Labels", _labels),
    ("Render", _render),
    ("Train, Validation, Test", _split),
    ("Card", _card),
    ("Keypoints", keypoints.draw),
)
"""What opens below the panel: title, and what draws it."""
CLASSES = (SYNGEN_PT_dataset,)
