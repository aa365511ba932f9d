"""Operators on kept prompts: put one into the settings, keep the settings' one, remove one."""

import bpy
from bpy.props import StringProperty

from ..syngen_addon.blender import session
from .common import reported


class SYNGEN_OT_use_prompt(bpy.types.Operator):
    """Put this prompt into the settings"""

    bl_idname = "syngen.use_prompt"
    bl_label = "Use Prompt"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Name", options={"SKIP_SAVE"})

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        from ..syngen_addon.blender import prompts

        found = prompts.kept().get(properties.name)
        return f"{cls.__doc__}: {found.positive}" if found is not None and found.positive else str(cls.__doc__)

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import prompts

        prompts.use(context.scene, self.name)
        session.redraw(views=False)
        return {"FINISHED"}


class SYNGEN_OT_save_prompt(bpy.types.Operator):
    """Keep the prompt and what to avoid, for every file; under a name that is there it takes that one's place"""

    bl_idname = "syngen.save_prompt"
    bl_label = "Save Prompt"
    bl_options = {"REGISTER"}

    name: StringProperty(name="Name", description="What the prompt is called in the menu", default="My Prompt")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, confirm_text="Save")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import prompts

        prompts.keep(context.scene, self.name)
        session.redraw(views=False)
        return {"FINISHED"}


class SYNGEN_OT_remove_prompt(bpy.types.Operator):
    """Remove the kept prompt that the settings hold; the settings keep its words"""

    bl_idname = "syngen.remove_prompt"
    bl_label = "Remove Prompt"
    bl_options = {"REGISTER"}

    name: StringProperty(name="Name", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        from ..syngen_addon.blender import prompts

        why = prompts.why_it_stays(context.scene)
        if why:
            cls.poll_message_set(why)
        return not why

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import prompts

        prompts.remove(self.name or prompts.in_use(context.scene))
        session.redraw(views=False)
        return {"FINISHED"}


CLASSES = (SYNGEN_OT_use_prompt, SYNGEN_OT_save_prompt, SYNGEN_OT_remove_prompt)
