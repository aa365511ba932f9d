"""The menu of dataset presets, in the headers of the panels that they set. Blender's own preset menu draws it."""

from pathlib import Path

import bpy

from ..syngen_addon.blender import session

PRESETS = Path(session.__file__).parent
"""Where the extension's own folder `presets` lies."""


class SYNGEN_PT_presets(bpy.types.Panel):
    bl_space_type = "VIEW_3D"
    bl_region_type = "HEADER"  # as Blender's own: what pops up is of no region
    bl_label = "Dataset Presets"

    preset_subdir = "syngen"
    preset_extensions = {".toml"}
    preset_operator = "syngen.load_preset"
    preset_add_operator = "syngen.add_preset"
    path_menu = bpy.types.Menu.path_menu

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.emboss = "PULLDOWN_MENU"
        self.layout.operator_context = "EXEC_DEFAULT"
        bpy.types.Menu.draw_preset(self, context)


def in_header(layout: bpy.types.UILayout) -> None:
    """The button that opens the menu, at the end of a panel's header."""
    layout.emboss = "NONE"
    layout.popover(panel=SYNGEN_PT_presets.__name__, icon="PRESET", text="")


def register() -> None:
    bpy.utils.register_preset_path(str(PRESETS))


def unregister() -> None:
    bpy.utils.unregister_preset_path(str(PRESETS))


CLASSES = (SYNGEN_PT_presets,)
