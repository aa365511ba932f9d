"""Operators for the sweep over weights of neural transfer: make its sheet, stop that, show it."""

from typing import TYPE_CHECKING

import bpy
from bpy.props import EnumProperty, FloatVectorProperty, IntProperty, StringProperty

from ..syngen_addon.blender import session, settings
from ..syngen_addon.blender.preferences import gallery_folder
from ..syngen_addon.errors import Cancelled
from .common import CancelsWork, FollowsWork, OnObject, report_error, reported, show_picture

if TYPE_CHECKING:
    from ..syngen_addon.blender.sweep import Sweep


class SYNGEN_OT_sweep(FollowsWork, OnObject, bpy.types.Operator):
    """Draw a sheet of the active object's texture transferred with several weights of content and style, each with how
    much structure it keeps and how near it comes to the style. Esc stops it"""

    bl_idname = "syngen.sweep"
    bl_label = "Sweep Weights"
    bl_options = {"REGISTER"}
    kept = "sweep"

    method: EnumProperty(
        name="Transfer",
        items=[
            ("recipe", "As Set", "The method chosen in the panel"),
            ("gatys", "Neural, Optimized", "Slow: one optimization a cell"),
            ("adain", "Neural, Fast", "One pass a cell"),
        ],
        default="recipe",
    )
    content: FloatVectorProperty(
        name="Content Weights", description="One row each", size=3, default=(0.3, 1.0, 3.0), min=0, max=1000
    )
    style: FloatVectorProperty(
        name="Style Weights", description="One column each", size=4, default=(0.1, 0.5, 2.0, 10.0), min=0, max=1000
    )
    size: IntProperty(
        name="Cell", description="Side of a cell, texels. Time grows with its square", default=384, min=64, max=2048
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        why = session.busy()
        why = why or session.lack(context.scene).message or session.look(context.object).error
        if why:
            cls.poll_message_set(why)
        return not why

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self, title="Sweep Weights", confirm_text="Start")

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(self, "method")
        for name in ("content", "style"):
            row = column.row(align=True)
            row.prop(self, name)
        column.prop(self, "size")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        work = self._work(context)
        if bpy.app.background:
            try:
                self.report({"INFO"}, work.run())
            except Cancelled:
                return {"CANCELLED"}
            session.now.sweep_sheet = str(work.result.path)
            return {"FINISHED"}
        return self.follow(context, work)

    def _ended(self, work: "Sweep") -> set[str]:
        if work.result is None:
            if work.cancelled:
                self.report({"INFO"}, "Stopped.")
            else:
                report_error(self, work.error)
            return {"CANCELLED"}
        session.now.sweep_sheet = str(work.result.path)
        self.report({"INFO"}, work.told)
        return {"FINISHED"}

    def _work(self, context: bpy.types.Context) -> "Sweep":
        from ..syngen_addon.blender.sweep import Grid, Sweep

        shortest = settings.shortest
        grid = Grid(tuple(map(shortest, self.content)), tuple(map(shortest, self.style)))
        return Sweep(
            context.object,
            settings.recipe_of(context.scene),
            gallery_folder(),
            grid=grid,
            method="" if self.method == "recipe" else self.method,
            size=self.size,
        )

    def _end(self, context: bpy.types.Context) -> None:
        super()._end(context)
        session.forget_live()


class SYNGEN_OT_cancel_sweep(CancelsWork, bpy.types.Operator):
    """Stop comparing weights"""

    bl_idname = "syngen.cancel_sweep"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}
    kept = "sweep"


class SYNGEN_OT_show_sweep(bpy.types.Operator):
    """Show the last sheet of weights in the picture viewer of the system or here; numbers and a plot lie beside it"""

    bl_idname = "syngen.show_sweep"
    bl_label = "Show Sheet"
    bl_options = {"REGISTER"}

    sheet: StringProperty(name="Picture", subtype="FILE_PATH", options={"SKIP_SAVE"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        return show_picture(self.sheet, "Press Sweep Weights again.")


CLASSES = (SYNGEN_OT_sweep, SYNGEN_OT_cancel_sweep, SYNGEN_OT_show_sweep)
