"""The extension's preferences, and where its files are kept. Imports bpy."""

from pathlib import Path

import bpy
from bpy.props import StringProperty

ROOT_PACKAGE = __package__.rsplit(".", 2)[0]
"""The extension's own name, such as bl_ext.user_default.syngen."""


class SYNGEN_AP_preferences(bpy.types.AddonPreferences):
    """What is the same for every scene."""

    bl_idname = ROOT_PACKAGE

    gallery: StringProperty(
        name="Gallery",
        subtype="DIR_PATH",
        description="Where variants of objects are kept; empty: in the folder syngen beside the .blend file",
    )
    interpreter: StringProperty(
        name="Interpreter",
        subtype="FILE_PATH",
        description="The Python that runs Stable Diffusion and neural style transfer; empty: the one that Set Up makes",
        update=lambda self, context: _interpreter_changed(),
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "gallery", placeholder="The folder syngen beside the .blend")
        layout.label(text=f"Variants of this file: {gallery_folder()}", icon="FILE_FOLDER")


def _interpreter_changed() -> None:
    from . import worker  # which imports this module

    worker.close()


def gallery_folder() -> Path:
    """Where variants are kept: as the preferences say, else beside the .blend, else in the user's own folder."""
    addon = bpy.context.preferences.addons.get(ROOT_PACKAGE)
    chosen = addon.preferences.gallery if addon is not None and addon.preferences is not None else ""
    if chosen and (bpy.data.filepath or not chosen.startswith("//")):
        return Path(bpy.path.abspath(chosen))
    if bpy.data.filepath:
        return Path(bpy.path.abspath("//syngen"))
    try:
        return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path="gallery", create=True))
    except ValueError:  # a plain checkout is no extension and has no such folder
        return Path(bpy.app.tempdir) / "syngen"


CLASSES: tuple[type, ...] = (SYNGEN_AP_preferences,)
