"""What is done about an object that cannot be aged as it is: the buttons beside its errors and warnings."""

from pathlib import Path

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from ..syngen_addon.blender import session
from ..syngen_addon.errors import SynGenError
from .common import LEAVE_MODE, reported

WHAT = {
    "bake": "Make its base texture: a picture of what is plugged into Base Color, in the object's UV layout",
    "convert": "Make a mesh of it",
    "local": "Make it, its mesh and its materials a part of this file",
    "material": "Give it a plain material with a base texture, to be painted as you like",
    "principled": "Put a Principled BSDF in place of the shader, with its color. The shader stays, unplugged",
    "rename": "Give the custom property that is in the way another name",
    "unwrap": "Make a UV map by Smart UV Project. Generate would make the same",
    "uv": "Let its material read the UV map that is there",
    "wear": "Let all its materials wear",
}


class _Mends:
    """A mix-in for operators on the active object, whatever it is."""

    slot: IntProperty(name="Slot", description="Which material slot, counted from 0", min=0, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        why = "" if context.object is not None else "No object is active."
        if not why and context.mode != "OBJECT":
            why = LEAVE_MODE
        if why:
            cls.poll_message_set(why)  # type: ignore[attr-defined]
        return not why

    def done(self, told: str) -> set[str]:
        self.report({"INFO"}, told)  # type: ignore[attr-defined]
        session.forget_looks()
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_mend(_Mends, bpy.types.Operator):
    """Do what the object needs to be aged"""

    bl_idname = "syngen.mend"
    bl_label = "Mend"
    bl_options = {"REGISTER", "UNDO"}

    what: EnumProperty(
        name="What",
        options={"SKIP_SAVE"},
        items=[(name, name.capitalize(), description) for name, description in WHAT.items()],
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return WHAT[properties.what]

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import mend

        if context.window is not None:
            context.window.cursor_set("WAIT")
        try:
            return self.done(mend.mend(self.what, context.object, self.slot))
        finally:
            if context.window is not None:
                context.window.cursor_set("DEFAULT")


class SYNGEN_OT_find_image(_Mends, bpy.types.Operator):
    """Choose the file of a base texture that has lost it"""

    bl_idname = "syngen.find_image"
    bl_label = "Use Image"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="File", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import mend

        if not self.filepath:
            raise SynGenError("No file is chosen.")
        return self.done(mend.use_file(context.object, self.slot, Path(bpy.path.abspath(self.filepath))))


CLASSES = (SYNGEN_OT_mend, SYNGEN_OT_find_image)
