"""Operators on the active object, and on the selected ones beside it: make variants, use one, set and key the level,
take the wear off."""

from typing import TYPE_CHECKING

import bpy
from bpy.props import IntProperty, StringProperty

from ..syngen_addon.blender import session, settings
from ..syngen_addon.blender.preferences import gallery_folder
from ..syngen_addon.errors import SynGenError
from .common import LEAVE_MODE, CancelsWork, FollowsWork, OnObject, OnWornObject, report_error, reported

if TYPE_CHECKING:
    from ..syngen_addon.blender.generation import Generation
    from ..syngen_addon.blender.layers import Layer


def left_out(skipped: dict[str, SynGenError]) -> str:
    """One sentence that names the objects nothing was done to, with the reasons."""
    reasons = [
        error.message.rstrip(".") if repr(name) in error.message else f"{name!r}: {error.message.rstrip('.')}"
        for name, error in skipped.items()
    ]
    return f"Left out: {'; '.join(reasons)}."


def objects(count: int) -> str:
    return f"{count} object" if count == 1 else f"{count} objects"


def layer_called(obj: bpy.types.Object, kind: str) -> "Layer":
    """The object's layer of that kind, its own wear for "". Raises SynGenError where it has none such."""
    from ..syngen_addon.blender import ageing, layers

    found = layers.layer_of(obj, kind)
    if found is None:
        what = f"no {ageing.kind_label(kind)}" if kind else "no wear"
        raise SynGenError(f"{obj.name!r} has {what}.", "Add the kind first." if kind else "Press Generate first.")
    return found


class MakesVariants(FollowsWork, OnObject):
    """A mix-in for operators that make variants: in a thread that a timer follows, in the background at once."""

    kept = "generation"
    queues = False
    """Whether it adds to what is being made."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        work = session.now.generation
        if work is not None and (not cls.queues or work.layer or work.stopping):
            cls.poll_message_set("Variants are being made already.")  # type: ignore[attr-defined]
            return False
        if not super().poll(context):
            return False
        why = session.look(context.object).error or session.cannot_generate(context.scene)
        if why:
            cls.poll_message_set(why)  # type: ignore[attr-defined]
        return not why

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
        session.now.not_generated = session.now.generated = ""
        return self.follow(context, self._work(context))

    def _runs(self) -> bool:
        return bool(self.work.poll())

    def _ended(self, work: "Generation") -> set[str]:
        if not work.cancelled and work.made:
            return self._finished(work)
        work.take_back()
        if work.cancelled:
            self.report({"INFO"}, "Stopped. What was finished is in the gallery.")  # type: ignore[attr-defined]
        else:
            session.now.not_generated = str(work.error)
            report_error(self, work.error)
        return {"CANCELLED"}

    def _work(self, context: bpy.types.Context) -> "Generation":
        """What is to be done. Raises SynGenError."""
        raise NotImplementedError

    def _finished(self, work: "Generation") -> set[str]:
        told = session.now.generated = self._used(work)
        if not told:
            session.now.not_generated = str(work.error)
            report_error(self, work.error)
            return {"CANCELLED"}
        self.report({"INFO"}, told)  # type: ignore[attr-defined]
        if work.skipped:
            self.report({"WARNING"}, left_out(work.skipped))  # type: ignore[attr-defined]
            session.now.not_generated = left_out(work.skipped)
        session.forget_pictures()
        session.redraw()
        return {"FINISHED"}

    def _used(self, work: "Generation") -> str:
        """Put it to use, and what to say of it; "" where it came to nothing."""
        raise NotImplementedError

    def _end(self, context: bpy.types.Context) -> None:
        super()._end(context)
        session.forget_live()
        session.forget_pictures()
        session.redraw()


class SYNGEN_OT_generate(MakesVariants, bpy.types.Operator):
    """Make aged variants of the selected objects. Several get wear at once, unless they have some. While others are
    being made they wait for their turn. Esc stops it"""

    bl_idname = "syngen.generate"
    bl_label = "Generate Variants"
    bl_options = {"REGISTER", "UNDO"}
    queues = True

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        if session.now.generation is None:
            return " ".join((cls.__doc__ or "").split())
        return "Make variants of the selected objects too, when those before them are finished"

    @reported
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        work = session.now.generation
        if work is None:
            return super().invoke(context, event)
        added = work.add(session.chosen(context), settings.recipe_of(context.scene))
        self.report({"INFO"}, f"{objects(len(added))} added: {len(work.names)} to go.")
        session.redraw(views=False)
        return {"CANCELLED"}  # nothing has changed that could be undone

    def _work(self, context: bpy.types.Context) -> "Generation":
        from ..syngen_addon.blender.generation import Generation

        return Generation(session.chosen(context), settings.recipe_of(context.scene), gallery_folder())

    def _used(self, work: "Generation") -> str:
        work.take_back()
        if work.several:
            given = work.put_on()
            done = len([name for name in work.made if name not in work.skipped])
            text = f"{objects(given)} got wear" if given else f"{objects(done)} got variants"
            if given and done > given:
                text += f", {done - given} kept the wear that was there"
            return f"{text}. The gallery of each shows its variants."
        ((name, variants),) = work.made.items()
        refused = sum(not v.usable for v in variants)
        count = "1 variant" if len(variants) == 1 else f"{len(variants)} variants"
        text = f"{count} of {name!r} {'is' if len(variants) == 1 else 'are'} in the gallery"
        return f"{text}, {refused} refused." if refused else f"{text}."


class SYNGEN_OT_cancel_generate(CancelsWork, bpy.types.Operator):
    """Stop making variants; finished ones stay in the gallery"""

    bl_idname = "syngen.cancel_generate"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}
    kept = "generation"


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
            if shown is None or shown.variant.usable
            else f". The filters refused it: {shown.variant.sentence.rstrip('.')}"
        )
        return f"{cls.__doc__}{about}"

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import generation, previews

        found = next((v for v in previews.variants_of(context.object) if v.name == self.variant), None)
        if found is None:
            raise SynGenError(
                f"There is no variant {self.variant!r} of {context.object.name!r}.", "Press Generate and choose one."
            )
        generation.put_on(context.object, found, settings.recipe_of(context.scene))
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_remove(bpy.types.Operator):
    """Take the wear off the selected objects: their materials are as they were before"""

    bl_idname = "syngen.remove"
    bl_label = "Remove Wear"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        found = (cls._why_not(obj) for obj in session.chosen(context) or [None])
        first = next(found)
        if first is None or any(why is None for why in found):
            return True
        cls.poll_message_set(str(first))
        return False

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import ageing, target

        count, skipped = 0, {}
        for obj in session.chosen(context):
            why = self._why_not(obj)
            if why is None:
                ageing.remove(obj)
                count += 1
            elif target.has_wear(obj):
                skipped[obj.name] = why
        session.redraw()
        self.report({"INFO"}, f"Wear removed from {objects(count)}.")
        if skipped:
            self.report({"WARNING"}, left_out(skipped))
        return {"FINISHED"}

    @staticmethod
    def _why_not(obj: bpy.types.Object | None) -> SynGenError | None:
        """Why nothing can be removed; None where it can, also off a mesh that lost its faces, which others refuse."""
        from ..syngen_addon.blender import material

        try:
            material.check_removable(obj)
            if obj.mode != "OBJECT":
                raise SynGenError(LEAVE_MODE)
        except SynGenError as error:
            return error
        return None


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

    kind: StringProperty(name="Kind", description="Which layer's; empty: its own wear's", options={"SKIP_SAVE"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import level

        level.key_level(context.object, layer_called(context.object, self.kind).key)
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_copy_level(OnWornObject, bpy.types.Operator):
    """Give all selected objects that have wear the active object's wear level, and those of the kinds both have"""

    bl_idname = "syngen.copy_level"
    bl_label = "Level to Selected"
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import layers, level, target

        others = [o for o in context.selected_objects if o != context.object and target.has_wear(o)]
        if not others:
            raise SynGenError(
                "None of the other selected objects has wear yet.", "Generate gives wear to all selected objects."
            )
        for obj in others:
            for layer in layers.layers_of(context.object):
                if layer.own or layer.kind in layers.further_of(obj):
                    level.set_level(obj, level.get_level(context.object, layer.key), layer.key)
        session.redraw()
        self.report({"INFO"}, f"Wear level copied to {objects(len(others))}.")
        return {"FINISHED"}


class SYNGEN_OT_toggle_wears(OnObject, bpy.types.Operator):
    """Whether this material wears: glass, rubber and wood do not rust. It counts with the next Generate"""

    bl_idname = "syngen.toggle_wears"
    bl_label = "Wears"
    bl_options = {"REGISTER", "UNDO"}

    slot: IntProperty(name="Slot", description="Which material slot, counted from 0", min=0, options={"SKIP_SAVE"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import target

        slots = context.object.material_slots
        if self.slot >= len(slots) or slots[self.slot].material is None:
            raise SynGenError(f"{context.object.name!r} has no material in slot {self.slot + 1}.")
        target.set_wears(slots[self.slot].material, not target.wears(slots[self.slot].material))
        session.forget_looks()
        session.redraw(views=False)
        return {"FINISHED"}


class SYNGEN_OT_reset_causes(bpy.types.Operator):
    """Put the sliders back to where the preset and the kind of wear have them"""

    bl_idname = "syngen.reset_causes"
    bl_label = "Reset Sliders"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        causes = context.scene.syngen.causes
        for name in settings.CAUSES:
            causes.property_unset(name)
        session.redraw(views=False)
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
        from ..syngen_addon.blender import target

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
    SYNGEN_OT_toggle_wears,
    SYNGEN_OT_reset_causes,
    SYNGEN_OT_set_class,
)
