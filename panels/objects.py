"""Every object of the scene that has wear, at a glance: picture, level, wear class, kind."""

import bpy

from ..syngen_addon.blender import session
from .common import InSidebar, narrow, sentence


class SYNGEN_UL_objects(bpy.types.UIList):
    """The scene's objects that have wear, in Blender's own list: a long one scrolls, and only what is seen is drawn."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: bpy.types.Scene,
        item: bpy.types.Object,
        icon: int,
        active_data: object,
        active_property: str,
        index: int,
        flag: int,
    ) -> None:
        layers = session.layers(item)
        if not layers:
            return
        own, row = layers[0], layout.row()
        row.template_icon(icon_value=session.thumbnail(own), scale=2.0)
        column = row.column(align=True)
        below = narrow(context)
        head = column.column(align=True) if below else column.row()
        head.label(text=item.name)
        end = head.row()
        end.alignment = "LEFT" if below else "RIGHT"
        end.label(text=session.wear_class(item, own) or "clean")
        more = f" +{len(layers) - 1}" if len(layers) > 1 else ""
        text = session.kind_label(own.kind) + more
        column.prop(context.scene.syngen.rows, session.slider(item), text=text, slider=True)

    def filter_items(self, context: bpy.types.Context, data: bpy.types.Scene, name: str) -> tuple[list[int], list[int]]:
        objects, helper, show = list(data.objects), bpy.types.UI_UL_list, self.bitflag_filter_item
        flags = helper.filter_items_by_name(self.filter_name, show, objects) or [show] * len(objects)
        never = self.bitflag_item_never_show
        flags = [flag if wears else never for wears, flag in zip(session.wearing(objects), flags, strict=True)]
        return flags, helper.sort_items_by_name(objects) if self.use_filter_sort_alpha else []


class SYNGEN_PT_objects(InSidebar, bpy.types.Panel):
    bl_label = "Objects with Wear"
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        scene = context.scene
        if not any(session.wearing(scene.objects)):
            sentence(self.layout, context, "None yet.")
            return
        self.layout.template_list(
            "SYNGEN_UL_objects", "", scene, "objects", scene.syngen, "active_object", rows=2, maxrows=6
        )


CLASSES = (SYNGEN_UL_objects, SYNGEN_PT_objects)
