"""Operators behind the menu of dataset presets, which Blender itself draws."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..syngen_addon.blender import session
from ..syngen_addon.errors import SynGenError
from .common import reported

RESETS = "What it does not name goes back to its default; folders, names and licences stay"


class SYNGEN_OT_load_preset(bpy.types.Operator):
    """Set the scene, the pictures and their labels as this preset has them"""

    bl_idname = "syngen.load_preset"
    bl_label = "Load Dataset Preset"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Preset", subtype="FILE_PATH", maxlen=1024, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        from ..syngen_addon.blender import scene_presets

        try:
            return f"{scene_presets.about(Path(properties.filepath))}\n{RESETS}"
        except SynGenError:
            return ""

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import scene_presets

        scene_presets.load(context.scene, Path(self.filepath))
        session.redraw()
        self.report({"INFO"}, f"Preset: {bpy.path.display_name(self.filepath, title_case=False)}")
        return {"FINISHED"}


class SYNGEN_OT_add_preset(bpy.types.Operator):
    """Keep the settings of the scene, the pictures and their labels as a preset, or remove one"""

    bl_idname = "syngen.add_preset"
    bl_label = "Add Dataset Preset"
    bl_options = {"REGISTER", "INTERNAL"}

    # The names are those that Blender's menu of presets sets.
    name: StringProperty(name="Name", maxlen=64, options={"SKIP_SAVE"})
    remove_name: BoolProperty(default=False, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return "Remove this preset" if properties.remove_name else cls.__doc__.removesuffix(", or remove one")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import scene_presets

        if self.remove_name:
            self.report({"INFO"}, f"Removed: {scene_presets.remove(self.name)}")
            return {"FINISHED"}
        path = scene_presets.save(context.scene, self.name)
        manager = context.window_manager
        if manager.preset_name == self.name:
            manager.property_unset("preset_name")
        self.report({"INFO"}, f"Preset written to {path}")
        return {"FINISHED"}


CLASSES = (SYNGEN_OT_load_preset, SYNGEN_OT_add_preset)
