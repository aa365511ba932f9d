"""What the panels share: their place, wrapped text, rows of the settings. Imports bpy."""

import textwrap
from typing import Any

import bpy

NARROW = 260
"""A sidebar of less, in pixels before scaling, has under each other what else stands beside each other."""


class InSidebar:
    """A mix-in: a panel in the sidebar tab of the 3D view."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "SynGen"


class Closed(InSidebar):
    """A mix-in: a sub-panel that is closed at first."""

    bl_options = {"DEFAULT_CLOSED"}


def split(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """A column of settings: names on the left, values on the right, no keying dots."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column


def part(
    layout: bpy.types.UILayout, idname: str, title: str, group: Any = None, switch: str = "randomize"
) -> bpy.types.UILayout | None:
    """A part of a panel that opens and closes, closed at first: where its body goes, None while it is closed.

    Parts stand at the end of a panel, in its own layout. A class of its own is for what a part cannot do (a poll, a
    header's menu): Blender makes and registers each of them whenever it starts. idname: where Blender keeps whether it
    is open, among the panel's parts. group: the settings whose switch stands in the header, None for no switch.
    """
    header, body = layout.panel(idname, default_closed=True)
    if group is not None:
        header.prop(group, switch, text="")
    header.label(text=title)
    return body


def _width(context: bpy.types.Context) -> float:
    """The sidebar's, in pixels before scaling."""
    return context.region.width / context.preferences.system.ui_scale if context.region else 280


def narrow(context: bpy.types.Context) -> bool:
    """Whether the sidebar cuts words that stand beside each other."""
    return _width(context) < NARROW


def sentence(
    layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE", beside: int = 0
) -> None:
    """Text over as many lines as the sidebar's width takes. beside: how many buttons without words share its row."""
    width = _width(context) - (64 if icon != "NONE" else 44) - 26 * beside
    # A path is broken after a slash.
    wrapped = textwrap.wrap(text.replace("/", "/ "), max(14, int(width / 6.6)))
    lines = [line.replace("/ ", "/") for line in wrapped]
    column = layout.column(align=True)
    column.scale_y = 0.75
    for number, line in enumerate(lines):
        column.label(text=line, icon=icon if number == 0 else "BLANK1" if icon != "NONE" else "NONE")


def material_preview(layout: bpy.types.UILayout, context: bpy.types.Context, why: str) -> None:
    """Why the view's shading does not do, with the button that chooses one that does."""
    sentence(layout, context, why, "INFO")
    button = layout.operator("wm.context_set_enum", text="Material Preview", icon="SHADING_TEXTURE")
    button.data_path, button.value = "space_data.shading.type", "MATERIAL"


def pair(layout: bpy.types.UILayout, group: Any, name: str, other: str = "", text: str = "") -> None:
    """A range, or two settings that belong together, on one row; in a narrow sidebar below their name."""
    below = narrow(bpy.context)
    parts = layout.column(align=True) if below else layout.split(factor=0.4)
    left, row = parts.row(), parts.row(align=True)
    left.alignment = "LEFT" if below else "RIGHT"
    left.label(text=text or group.bl_rna.properties[name].name)
    row.use_property_split = False
    if other:
        row.prop(group, name, text="")
        row.prop(group, other, text="")
    else:
        row.prop(group, name, index=0, text="")
        row.prop(group, name, index=1, text="")


def toggles(layout: bpy.types.UILayout, group: Any, name: str) -> None:
    """The choices of which several may hold, under each other: beside each other a narrow sidebar cuts their names."""
    about = group.bl_rna.properties[name]
    parts = layout.split(factor=0.4)
    left, column = parts.row(), parts.column(align=True)
    left.alignment = "RIGHT"
    left.label(text=about.name)
    column.use_property_split = False
    for item in about.enum_items:
        column.prop_enum(group, name, item.identifier)


def keys(layout: bpy.types.UILayout, group: Any, *names: str) -> None:
    """Settings under each other."""
    for name in names:
        about = group.bl_rna.properties[name]
        if getattr(about, "array_length", 0) == 2:
            pair(layout, group, name)
        else:
            layout.prop(group, name)


def progress(layout: bpy.types.UILayout, work: Any, cancel: str, height: float = 1.0) -> None:
    """How far work is, with the button that stops it. What its text says after the first colon stands under the bar:
    the sidebar is narrow, and Blender would cut it in the middle."""
    text, *more = (part.strip() for part in ("Stopping ..." if work.stopping else work.text).split(": "))
    row = layout.row(align=True)
    row.scale_y = height
    row.progress(factor=work.fraction, text=text, type="BAR")
    row.operator(cancel, text="", icon="X")
    column = layout.column(align=True)
    column.scale_y = 0.75
    for part in more:
        column.label(text=part[:1].upper() + part[1:])


def clock(seconds: float) -> str:
    """A rough time left."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
