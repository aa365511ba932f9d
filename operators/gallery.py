"""Operators on the active object's gallery: judge, delete and restore variants, turn its pages, open its folder."""

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from ..syngen_addon.blender import session
from ..syngen_addon.errors import SynGenError
from .common import OnMesh, open_outside, reported


class _OfGallery(OnMesh):
    """A mix-in for operators on a variant of the active object's gallery."""

    variant: StringProperty(
        name="Variant", description="Name of the variant, as its folder in the gallery", options={"SKIP_SAVE"}
    )


class SYNGEN_OT_judge_variant(_OfGallery, bpy.types.Operator):
    """Say of this variant whether it may be used, whatever the filters say. Datasets keep to it. Undo leaves it"""

    bl_idname = "syngen.judge_variant"
    bl_label = "Judge Variant"
    bl_options = {"REGISTER"}

    says: EnumProperty(
        name="Verdict",
        options={"SKIP_SAVE"},
        items=[
            ("ACCEPTED", "Accept", "It may be drawn, also where the filters refused it"),
            ("REFUSED", "Refuse", "It is never drawn, also where the filters accepted it"),
            ("FILTERS", "As the Filters Say", "Take a verdict of your own back"),
        ],
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        said = cls.bl_rna.properties["says"].enum_items[properties.says].description
        return f"{said}. It is written beside the variant: datasets keep to it, and undo leaves it"

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import gallery

        says = "" if self.says == "FILTERS" else self.says.lower()
        gallery.judge(gallery.find(context.object, self.variant), says)
        session.redraw(views=False)
        return {"FINISHED"}


class SYNGEN_OT_delete_variant(_OfGallery, bpy.types.Operator):
    """Delete this variant. It goes into the trash of the gallery, from which Restore brings it back"""

    bl_idname = "syngen.delete_variant"
    bl_label = "Delete Variant"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Delete This Variant?",
            message="It goes into the gallery's trash. Undo does not bring it back, Restore does.",
            confirm_text="Delete",
        )

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import gallery

        gallery.delete(gallery.find(context.object, self.variant))
        session.redraw(views=False)
        self.report({"INFO"}, "Deleted. Restore brings it back.")
        return {"FINISHED"}


class SYNGEN_OT_restore_variants(OnMesh, bpy.types.Operator):
    """Bring back every variant that was deleted from the active object's gallery"""

    bl_idname = "syngen.restore_variants"
    bl_label = "Restore"
    bl_options = {"REGISTER"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import gallery

        count = gallery.restore(context.object)
        if not count:
            raise SynGenError(f"The trash of {context.object.name!r} is empty.")
        session.redraw(views=False)
        self.report({"INFO"}, "1 variant is back." if count == 1 else f"{count} variants are back.")
        return {"FINISHED"}


class SYNGEN_OT_empty_trash(OnMesh, bpy.types.Operator):
    """Delete for good what lies in the trash of the active object's gallery"""

    bl_idname = "syngen.empty_trash"
    bl_label = "Empty Trash"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Delete Them for Good?",
            message="Nothing brings them back. Generate makes them again, with the same settings and seeds.",
            icon="WARNING",
            confirm_text="Delete",
        )

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import gallery

        if not gallery.in_trash(context.object):
            raise SynGenError(f"The trash of {context.object.name!r} is empty.")
        gallery.empty_trash(context.object)
        session.redraw(views=False)
        return {"FINISHED"}


class SYNGEN_OT_turn_gallery(OnMesh, bpy.types.Operator):
    """Go to newer or older variants"""

    bl_idname = "syngen.turn_gallery"
    bl_label = "Turn the Page"
    bl_options = {"INTERNAL"}

    by: IntProperty(default=1, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import gallery

        gallery.turn(context.object, self.by)
        session.redraw(views=False)
        return {"FINISHED"}


class SYNGEN_OT_open_gallery(OnMesh, bpy.types.Operator):
    """Open the folder of this variant in the file browser of the system"""

    bl_idname = "syngen.open_gallery"
    bl_label = "Open Folder"
    bl_options = {"REGISTER"}

    variant: StringProperty(name="Variant", description="Empty: the gallery's own folder", options={"SKIP_SAVE"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import gallery, previews

        if self.variant:
            folder = gallery.find(context.object, self.variant).folder
        else:
            folder = previews.home_of(context.object)
        if not folder.is_dir():
            raise SynGenError(f"{context.object.name!r} has no gallery yet.", "Press Generate.")
        return open_outside(folder)


CLASSES = (
    SYNGEN_OT_judge_variant,
    SYNGEN_OT_delete_variant,
    SYNGEN_OT_restore_variants,
    SYNGEN_OT_empty_trash,
    SYNGEN_OT_turn_gallery,
    SYNGEN_OT_open_gallery,
)
