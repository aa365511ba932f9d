"""Operators that age objects over the timeline: key their levels from a span or a rate, take the keys off again."""

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, StringProperty

from ..syngen_addon.blender import session
from ..syngen_addon.errors import SynGenError
from .common import OnWornObject, reported
from .wear import layer_called, objects


def _chosen(context: bpy.types.Context, kind: str) -> list[bpy.types.Object]:
    """The selected objects that have that wear; the active one must."""
    from ..syngen_addon.blender import layers

    layer_called(context.object, kind)
    return [obj for obj in session.chosen(context) if layers.layer_of(obj, kind) is not None]


class SYNGEN_OT_age_over_time(OnWornObject, bpy.types.Operator):
    """Key the wear level of the selected objects over the timeline, from new to derelict"""

    bl_idname = "syngen.age_over_time"
    bl_label = "Age over Time"
    bl_options = {"REGISTER", "UNDO"}

    kind: StringProperty(
        name="Kind", description="Which layer ages; empty: the objects' own wear", options={"SKIP_SAVE", "HIDDEN"}
    )
    start: FloatProperty(name="From Level", description="Level at the first frame", default=0.0, min=0, max=1)
    end: FloatProperty(name="To Level", description="Level at the last frame", default=1.0, min=0, max=1)
    by: EnumProperty(
        name="By",
        items=[
            ("FRAMES", "Frames", "Between two frames"),
            ("RATE", "Rate", "So much a year, where so many years go by in a second"),
        ],
    )
    first: IntProperty(name="First Frame", description="Where aging starts", default=1)
    last: IntProperty(name="Last Frame", description="Where it ends", default=250)
    rate: FloatProperty(
        name="Levels a Year", description="How fast wear grows", default=0.05, min=0.0001, max=10, precision=3
    )
    years: FloatProperty(
        name="Years a Second", description="How fast time goes by in the animation", default=2.0, min=0.0001, max=1000
    )
    curve: EnumProperty(
        name="Course",
        items=[
            ("linear", "Even", "The same everywhere"),
            ("slow_start", "Slow Start", "Sound paint holds at first; then wear gathers way"),
            ("slow_end", "Slow End", "Quick at first, then it settles"),
        ],
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        if not self.properties.is_property_set("first"):
            self.first, self.last = context.scene.frame_start, context.scene.frame_end
        return context.window_manager.invoke_props_dialog(self, title="Age over Time", confirm_text="Key")

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(self, "start", slider=True)
        column.prop(self, "end", slider=True)
        column.row().prop(self, "by", expand=True)
        column.prop(self, "first")
        if self.by == "FRAMES":
            column.prop(self, "last")
        else:
            column.prop(self, "rate")
            column.prop(self, "years")
        column.prop(self, "curve")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import ageing_keys

        last = self.last
        if self.by == "RATE":
            render = context.scene.render
            rate, fps = self.rate * self.years, render.fps / render.fps_base
            last = self.first + ageing_keys.frames_of(self.start, self.end, rate, fps)
        span = ageing_keys.Span(self.first, last, self.start, self.end, self.curve)
        chosen = _chosen(context, self.kind)
        for obj in chosen:
            ageing_keys.age_over(obj, span, self.kind)
        session.redraw()
        self.report({"INFO"}, f"{objects(len(chosen))} aged from frame {span.first} to {span.last}.")
        return {"FINISHED"}


class SYNGEN_OT_clear_ageing(OnWornObject, bpy.types.Operator):
    """Take the keys off the wear level of the selected objects; they keep the level of this frame"""

    bl_idname = "syngen.clear_ageing"
    bl_label = "Clear Aging"
    bl_options = {"REGISTER", "UNDO"}

    kind: StringProperty(
        name="Kind", description="Of which layer; empty: of the objects' own wear", options={"SKIP_SAVE", "HIDDEN"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if not any(session.is_aged(obj) for obj in session.chosen(context)):
            cls.poll_message_set("No level of the selected objects is keyed.")
            return False
        return True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import ageing_keys

        cleared = [obj for obj in _chosen(context, self.kind) if ageing_keys.clear(obj, self.kind)]
        if not cleared:
            raise SynGenError("No level of the selected objects is keyed.")
        session.redraw()
        self.report({"INFO"}, f"Keys taken off {objects(len(cleared))}.")
        return {"FINISHED"}


CLASSES = (SYNGEN_OT_age_over_time, SYNGEN_OT_clear_ageing)
