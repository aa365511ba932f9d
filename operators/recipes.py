"""Operators that write the panel's settings as a recipe and read one."""

from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..syngen_addon.blender import session, settings
from .common import reported


class SYNGEN_OT_save_recipe(ExportHelper, bpy.types.Operator):
    """Write the settings as a recipe, the file that the command line reads"""

    bl_idname = "syngen.save_recipe"
    bl_label = "Save Recipe"
    bl_options = {"REGISTER"}

    filename_ext = ".toml"
    filter_glob: StringProperty(default="*.toml", options={"HIDDEN"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        settings.save_recipe(context.scene, Path(bpy.path.abspath(self.filepath)))
        self.report({"INFO"}, f"Recipe written to {self.filepath}")
        return {"FINISHED"}


class SYNGEN_OT_load_recipe(ImportHelper, bpy.types.Operator):
    """Read a recipe into the settings"""

    bl_idname = "syngen.load_recipe"
    bl_label = "Load Recipe"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".toml"
    filter_glob: StringProperty(default="*.toml", options={"HIDDEN"})
    # Not the last one's: a file that is set was dropped, or named by a script.
    filepath: StringProperty(name="File Path", subtype="FILE_PATH", maxlen=1024, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return self.execute(context) if self.filepath else super().invoke(context, event)

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        settings.load_recipe(context.scene, Path(bpy.path.abspath(self.filepath)))
        session.redraw()
        self.report({"INFO"}, f"Recipe read from {self.filepath}")
        return {"FINISHED"}


CLASSES = (SYNGEN_OT_save_recipe, SYNGEN_OT_load_recipe)
