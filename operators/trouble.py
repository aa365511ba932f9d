"""An error that is too long for a pop-up, in a dialog; and the report of it, to be pasted where help is asked for."""

import textwrap
from typing import Any

import bpy
from bpy.props import StringProperty

DIALOG = 460
"""Width of the dialog, in pixels before scaling."""


class SYNGEN_OT_show_trouble(bpy.types.Operator):
    """Show what went wrong, and what to do about it"""

    bl_idname = "syngen.show_trouble"
    bl_label = "This Did Not Work"
    bl_options = {"INTERNAL"}

    message: StringProperty(options={"SKIP_SAVE"})
    hint: StringProperty(options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(
            self, width=DIALOG, title=self.bl_label, confirm_text="Copy Report", cancel_default=True
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        for text, icon in ((self.message, "ERROR"), (self.hint, "INFO")):
            column = layout.column(align=True)
            column.scale_y = 0.8
            for number, line in enumerate(textwrap.wrap(text, (DIALOG - 40) // 6)):
                column.label(text=line, icon="BLANK1" if number else icon)

    def execute(self, context: bpy.types.Context) -> set[str]:
        _copy(self, context)
        return {"FINISHED"}


class SYNGEN_OT_copy_report(bpy.types.Operator):
    """Copy this error with what a report of it needs: versions, platform, the end of the log. It names no one"""

    bl_idname = "syngen.copy_report"
    bl_label = "Copy Report"
    bl_options = {"REGISTER"}

    message: StringProperty(name="Message", options={"SKIP_SAVE"})
    hint: StringProperty(name="Hint", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        _copy(self, context)
        return {"FINISHED"}


def _copy(operator: Any, context: bpy.types.Context) -> None:
    """Copy what the operator was given. It is the operator that was pressed which says so: what one says that another
    calls is shown nowhere."""
    from ..syngen_addon.blender import trouble

    context.window_manager.clipboard = trouble.report(operator.message, operator.hint)
    operator.report({"INFO"}, "Copied: paste it where you ask for help.")


CLASSES = (SYNGEN_OT_show_trouble, SYNGEN_OT_copy_report)
