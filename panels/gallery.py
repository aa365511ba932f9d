"""Every variant that was ever made of the active object: a chooser of pictures, and what is known of the chosen one."""

from typing import Any

import bpy

from ..syngen_addon.blender import session
from .common import Closed, narrow, sentence

NAMES = 0.4
"""Share of the width that names take."""


class SYNGEN_PT_gallery(Closed, bpy.types.Panel):
    bl_label = "Gallery"
    bl_parent_id = "SYNGEN_PT_texture"
    bl_order = 0

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return session.has_gallery(context.object)

    def draw(self, context: bpy.types.Context) -> None:
        layout, wm, held = self.layout, context.window_manager, session.chooser(context.object)
        shows = layout.column(align=True) if narrow(context) else layout.row()
        shows.prop(wm, "syngen_show", expand=True)
        row = layout.row(align=True)
        if held.pages > 1:
            _turn(row, "TRIA_LEFT", -1, held.page > 0)
        middle = row.row()
        middle.alignment = "CENTER"
        middle.label(text=_where(held))
        if held.pages > 1:
            _turn(row, "TRIA_RIGHT", 1, held.page < held.pages - 1)
        if held.shown is None:
            sentence(layout, context, "None of them.", "INFO")
        else:
            layout.template_icon_view(wm, "syngen_variant", show_labels=True, scale=8.0, scale_popup=5.0)
            _verdict(layout, context, held)
            _buttons(layout, held)
            _facts(layout, context, held)
        if held.thrown:
            row = layout.row(align=True)
            row.operator("syngen.restore_variants", text=f"Restore {held.thrown} Deleted", icon="LOOP_BACK")
            row.operator("syngen.empty_trash", text="", icon="TRASH")


def _where(held: Any) -> str:
    number = "1 variant" if held.passing == 1 else f"{held.passing} variants"
    return number if held.pages < 2 else f"{number}, page {held.page + 1} of {held.pages}"


def _turn(row: bpy.types.UILayout, icon: str, by: int, there: bool) -> None:
    side = row.row()
    side.enabled = there
    side.operator("syngen.turn_gallery", text="", icon=icon).by = by


def _verdict(layout: bpy.types.UILayout, context: bpy.types.Context, held: Any) -> None:
    variant = held.shown.variant if held.shown else None
    if variant is None:
        return
    if variant.person:
        text = f"You {variant.person} it. The filters: {variant.sentence[:1].lower()}{variant.sentence[1:]}"
    else:
        text = variant.sentence
    sentence(layout, context, text, "CHECKMARK" if variant.usable else "CANCEL")


def _buttons(layout: bpy.types.UILayout, held: Any) -> None:
    variant: Any = held.shown.variant if held.shown else None
    used = variant.name in held.worn
    row = layout.row(align=True)
    row.scale_y = 1.4
    text = "In Use" if used else "Use" if variant.usable else "Use Anyway"
    row.operator("syngen.apply_variant", text=text, depress=used).variant = variant.name
    row.separator()
    row.operator("syngen.open_gallery", text="", icon="FILE_FOLDER").variant = variant.name
    row.operator("syngen.delete_variant", text="", icon="TRASH").variant = variant.name
    row = layout.row(align=True)
    for says, icon in (("ACCEPTED", "CHECKMARK"), ("REFUSED", "CANCEL")):
        chosen = variant.person == says.lower()
        text = {"ACCEPTED": "Accept", "REFUSED": "Refuse"}[says]
        button = row.operator("syngen.judge_variant", text=text, icon=icon, depress=chosen)
        button.variant, button.says = variant.name, "FILTERS" if chosen else says


def _facts(layout: bpy.types.UILayout, context: bpy.types.Context, held: Any) -> None:
    facts = held.facts
    if facts is None:
        return
    column = layout.column(align=True)
    column.scale_y = 0.8
    for name, value in facts.rows:
        _row(column, name, value)
    if facts.prompt:
        sentence(layout, context, f"Prompt: {facts.prompt}", "TEXT")
    if facts.scores:
        column = layout.column(align=True)
        column.scale_y = 0.8
        column.label(text="What the filters measured")
        for score in facts.scores:
            value = f"{score.value} ({score.limit})" if score.limit else score.value
            _row(column, score.name, value, not score.fine)


def _row(layout: bpy.types.UILayout, name: str, value: str, alert: bool = False) -> None:
    parts = layout.split(factor=NAMES)
    left = parts.row()
    left.alignment = "RIGHT"
    left.active = False
    left.label(text=name)
    right = parts.row()
    right.alert = alert
    right.label(text=value)


CLASSES = (SYNGEN_PT_gallery,)
