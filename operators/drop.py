"""What is dropped into the 3D view from the system's file browser: a photo of rust, a recipe."""

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from ..syngen_addon.blender import session
from .common import reported

PICTURES = ".jpg;.jpeg;.png;.webp;.tif;.tiff"
DIALOG = 320
"""Width of the dialog, in pixels before scaling."""


class SYNGEN_OT_use_photo(bpy.types.Operator):
    """Use a photo of wear: wear textures are made in its look, or its style is transferred"""

    bl_idname = "syngen.use_photo"
    bl_label = "Use as Wear Photo (SynGen)"  # among Blender's own choices for a picture
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Photo", subtype="FILE_PATH", maxlen=1024, options={"HIDDEN", "SKIP_SAVE"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    use: EnumProperty(
        name="Use It For",
        items=[
            ("WEAR", "Wear", "Wear textures are made from it (Made By: From a Photo). Needs nothing else"),
            ("STYLE", "Style", "Neural style transfer takes its look over. Needs the worker"),
        ],
    )
    metres: FloatProperty(
        name="Photo Shows",
        description="World size of what the photo shows, along its shorter side",
        default=0.5,
        min=0.001,
        max=1000.0,
        soft_max=5.0,
        subtype="DISTANCE",
        options={"SKIP_SAVE"},
    )
    object: StringProperty(
        name="For", description="The object that becomes the active one; empty: it stays", options={"SKIP_SAVE"}
    )

    @reported
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.filepath:
            context.window_manager.fileselect_add(self)
            return {"RUNNING_MODAL"}
        from ..syngen_addon.blender import dropped

        dropped.check_photo(self.filepath)
        found = dropped.object_under(context, event.mouse_x, event.mouse_y) or context.object
        self.object = found.name if found is not None and found.type == "MESH" else ""
        self.metres = context.scene.syngen.texture.exemplar_m
        return context.window_manager.invoke_props_dialog(
            self, width=DIALOG, title=bpy.path.basename(self.filepath), confirm_text="Use Photo"
        )

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.row().prop(self, "use", expand=True)
        if self.use == "WEAR":
            column.prop(self, "metres")
        column.prop_search(self, "object", context.scene, "objects", icon="OBJECT_DATA")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import dropped

        metres = self.metres if self.properties.is_property_set("metres") else None
        dropped.use_photo(context, self.filepath, style=self.use == "STYLE", metres=metres, name=self.object)
        session.redraw()
        self.report({"INFO"}, f"{bpy.path.basename(self.filepath)} is the photo. Press Generate.")
        return {"FINISHED"}


class SYNGEN_FH_photo(bpy.types.FileHandler):
    """Beside Blender's own handlers for pictures, so that Blender asks which of them is meant."""

    bl_idname = "SYNGEN_FH_photo"
    bl_label = "Wear Photo for SynGen"
    bl_import_operator = "syngen.use_photo"
    bl_file_extensions = PICTURES

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return _in_view(context) and any(obj.type == "MESH" for obj in context.scene.objects)


class SYNGEN_FH_recipe(bpy.types.FileHandler):
    bl_idname = "SYNGEN_FH_recipe"
    bl_label = "Recipe of SynGen"
    bl_import_operator = "syngen.load_recipe"
    bl_file_extensions = ".toml"

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return _in_view(context)


def _in_view(context: bpy.types.Context) -> bool:
    return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (SYNGEN_OT_use_photo, SYNGEN_FH_photo, SYNGEN_FH_recipe)
