"""Operators on the active object: make variants, use one, set and key the level, take the wear off."""

from typing import TYPE_CHECKING

import bpy
from bpy.props import StringProperty

from ..syngen_addon.blender import session, settings, target
from ..syngen_addon.blender.preferences import gallery_folder
from ..syngen_addon.errors import SynGenError
from .common import OnObject, OnWornObject, reported

if TYPE_CHECKING:
    from ..syngen_addon.blender.generation import Generation


class SYNGEN_OT_generate(OnObject, bpy.types.Operator):
    """Make aged variants of the active object's base texture. Esc stops it"""

    bl_idname = "syngen.generate"
    bl_label = "Generate Variants"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.now.generation is not None:
            cls.poll_message_set("Variants are being made already.")
            return False
        return super().poll(context)

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        work = self._work(context)
        try:
            work.run()
        except SynGenError:
            work.take_back()
            raise
        return self._finished(work)

    @reported
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        self.work = session.now.generation = self._work(context)
        self.work.start()
        self.timer = context.window_manager.event_timer_add(session.POLL_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC" and event.value == "PRESS":
            self.work.cancel()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        session.redraw(views=False)
        if self.work.poll():
            return {"PASS_THROUGH"}
        self._end(context)
        if self.work.cancelled or self.work.error:
            self.work.take_back()
            self.report(
                {"ERROR"} if self.work.error else {"INFO"},
                self.work.error or "Stopped. What was finished is in the gallery.",
            )
            return {"CANCELLED"}
        return self._finished(self.work)

    def cancel(self, context: bpy.types.Context) -> None:
        self.work.cancel()
        self._end(context)

    def _work(self, context: bpy.types.Context) -> "Generation":
        from ..syngen_addon.blender.generation import Generation

        return Generation(context.object, settings.recipe_of(context.scene), gallery_folder())

    def _end(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self.timer)
        session.now.generation = None
        session.forget_pictures()
        session.redraw()

    def _finished(self, work: "Generation") -> set[str]:
        session.forget_pictures()
        self.report({"INFO"}, work.summary)
        return {"FINISHED"}


class SYNGEN_OT_cancel_generate(bpy.types.Operator):
    """Stop making variants; finished ones stay in the gallery"""

    bl_idname = "syngen.cancel_generate"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return session.now.generation is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.now.generation.cancel()
        return {"FINISHED"}


class SYNGEN_OT_apply_variant(OnObject, bpy.types.Operator):
    """Put this variant onto the active object. The material keeps all its nodes"""

    bl_idname = "syngen.apply_variant"
    bl_label = "Use Variant"
    bl_options = {"REGISTER", "UNDO"}

    variant: StringProperty(
        name="Variant", description="Name of the variant, as its folder in the gallery", options={"SKIP_SAVE"}
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        shown = next((s for s in session.gallery(context.object) if s.variant.name == properties.variant), None)
        about = (
            ""
            if shown is None or shown.variant.accepted
            else f". The filters refused it: {shown.variant.sentence.rstrip('.')}"
        )
        return f"{cls.__doc__}{about}"

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import ageing, previews

        found = next((v for v in previews.variants_of(context.object) if v.name == self.variant), None)
        if found is None:
            raise SynGenError(
                f"There is no variant {self.variant!r} of {context.object.name!r}.", "Press Generate and choose one."
            )
        ageing.apply_variant(context.object, found, softness=settings.recipe_of(context.scene).wear.softness)
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_remove(bpy.types.Operator):
    """Take the wear off the active object: its material is as it was before"""

    bl_idname = "syngen.remove"
    bl_label = "Remove Wear"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        from ..syngen_addon.blender import material

        try:  # also off a mesh that lost its faces, which the other operators refuse
            material.check_removable(context.object)
            if context.object.mode != "OBJECT":
                raise SynGenError("Leave the edit or paint mode first.")
        except SynGenError as error:
            cls.poll_message_set(str(error))
            return False
        return True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import ageing

        ageing.remove(context.object)
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_refresh(bpy.types.Operator):
    """Look at the object and its gallery again"""

    bl_idname = "syngen.refresh"
    bl_label = "Refresh"
    bl_options = {"REGISTER"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.forget_looks()
        session.forget_pictures()
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_key_level(OnWornObject, bpy.types.Operator):
    """Key the active object's wear level at the current frame"""

    bl_idname = "syngen.key_level"
    bl_label = "Key Wear Level"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import level

        level.key_level(context.object)
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_copy_level(OnWornObject, bpy.types.Operator):
    """Give all selected objects that have wear the active object's wear level"""

    bl_idname = "syngen.copy_level"
    bl_label = "Copy Level to Selected"
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import level

        others = [o for o in context.selected_objects if o != context.object and target.has_wear(o)]
        if not others:
            raise SynGenError(
                "No other selected object has wear.", "Select the objects to copy to, the one to copy from last."
            )
        for obj in others:
            level.set_level(obj, level.get_level(context.object))
        session.redraw()
        self.report({"INFO"}, f"Wear level copied to {len(others)} {'object' if len(others) == 1 else 'objects'}.")
        return {"FINISHED"}


class SYNGEN_OT_set_class(OnObject, bpy.types.Operator):
    """Say what the active object is called as a class of a dataset; no name: its own, without a number"""

    bl_idname = "syngen.set_class"
    bl_label = "Set Class"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Class", description="Class name in a dataset")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.name = session.object_class(context.object)
        return context.window_manager.invoke_props_dialog(self, title="Class in Datasets", confirm_text="Set")

    def execute(self, context: bpy.types.Context) -> set[str]:
        target.set_class([context.object], self.name)
        return {"FINISHED"}


CLASSES = (
    SYNGEN_OT_generate,
    SYNGEN_OT_cancel_generate,
    SYNGEN_OT_apply_variant,
    SYNGEN_OT_remove,
    SYNGEN_OT_refresh,
    SYNGEN_OT_key_level,
    SYNGEN_OT_copy_level,
    SYNGEN_OT_set_class,
)
