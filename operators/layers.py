"""Operators on the kinds of wear that lie on an object beside its own: add one, take one off."""

from typing import TYPE_CHECKING

import bpy
from bpy.props import EnumProperty, StringProperty

from ..syngen_addon.blender import session, settings
from ..syngen_addon.blender.preferences import gallery_folder
from .common import OnObject, has_wear, reported
from .wear import MakesVariants, layer_called, objects

if TYPE_CHECKING:
    from ..syngen_addon.blender.generation import Generation


class SYNGEN_OT_add_layer(MakesVariants, bpy.types.Operator):
    """Make variants of a further kind of wear and lay the first good one on the selected objects. Esc stops it"""

    bl_idname = "syngen.add_layer"
    bl_label = "Add Kind"
    bl_options = {"REGISTER", "UNDO"}

    kind: EnumProperty(name="Kind", items=settings.KIND_ITEMS, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and has_wear(cls, context)

    def _work(self, context: bpy.types.Context) -> "Generation":
        from ..syngen_addon.blender.generation import Generation

        worn = [obj for obj in session.chosen(context) if session.worn(obj)]
        return Generation(worn, settings.recipe_of(context.scene), gallery_folder(), layer=self.kind)

    def _used(self, work: "Generation") -> str:
        given = work.put_on()
        what = settings.KIND_LABELS[work.layer]
        return f"{what} lies on {objects(given)}. The gallery shows its variants." if given else ""


class SYNGEN_OT_remove_layer(OnObject, bpy.types.Operator):
    """Take this kind of wear off the active object; its other wear stays"""

    bl_idname = "syngen.remove_layer"
    bl_label = "Remove Kind"
    bl_options = {"REGISTER", "UNDO"}

    kind: StringProperty(name="Kind", options={"SKIP_SAVE"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import ageing

        layer_called(context.object, self.kind)
        ageing.remove_layer(context.object, self.kind)
        session.redraw()
        return {"FINISHED"}


CLASSES = (SYNGEN_OT_add_layer, SYNGEN_OT_remove_layer)
