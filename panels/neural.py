"""What Stable Diffusion and neural transfer are told: sub-panels of Texture, there only where the method is chosen."""

from typing import Any

import bpy

from ..syngen_addon.blender import session
from .common import Closed, InSidebar, keys, progress, sentence, split

EXTENSION = __package__.rpartition(".")[0]
NEURAL = ("gatys", "adain")


def _diffuses(context: bpy.types.Context) -> bool:
    settings = context.scene.syngen
    return "diffusion" in (settings.texture.method, settings.transfer.method)


def what_is_missing(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Why the chosen methods cannot run yet, with the button that helps; nothing where they can."""
    lack, work = session.lack(context.scene), session.now.task
    if work is not None and not work.done:
        progress(layout, work, "syngen.cancel_task")
        return
    if work is not None and work.error is not None:
        sentence(layout, context, str(work.error), "ERROR")
    if not lack.message:
        return
    box = layout.box()
    sentence(box, context, lack.message, "INFO")
    if lack.operator:
        row = box.row(align=True)
        row.operator(lack.operator, text=lack.text, icon=lack.icon)
        row.operator("preferences.addon_show", text="", icon="PREFERENCES").module = EXTENSION


class SYNGEN_PT_diffusion(InSidebar, bpy.types.Panel):
    bl_label = "Stable Diffusion"
    bl_parent_id = "SYNGEN_PT_texture"
    bl_order = 0

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _diffuses(context)

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.syngen.diffusion
        _model(layout, settings, "model", "pipeline", "A model")
        layout.separator(factor=0.5)
        _prompt(layout, context)
        column = split(layout)
        keys(column, settings, "material")
        column.prop(settings, "severity", slider=True)


def _model(layout: bpy.types.UILayout, settings: Any, name: str, role: str, empty: str) -> None:
    """The name of a model over the whole width (such names are long), with the button that fetches it."""
    row = layout.row(align=True)
    row.use_property_split = False
    row.prop(settings, name, text="", icon="NODETREE", placeholder=empty)
    button = row.operator("syngen.get_model", text="", icon="IMPORT")
    button.model, button.role = getattr(settings, name), role


def _prompt(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The two texts over the whole width, with a menu of kept ones; empty fields show what they would be made of."""
    settings, automatic = context.scene.syngen.diffusion, session.automatic_prompt(context.scene)
    now = session.prompt_in_use(context.scene)
    row = layout.row(align=True)
    row.menu("SYNGEN_MT_prompts", text=now or "Prompts")
    row.operator("syngen.save_prompt", text="", icon="ADD")
    row.operator("syngen.remove_prompt", text="", icon="REMOVE").name = now
    column = layout.column(align=True)
    column.prop(settings, "prompt", text="", icon="TEXT", placeholder=automatic.positive)
    column.prop(settings, "negative", text="", icon="CANCEL", placeholder=automatic.negative)


class SYNGEN_MT_prompts(bpy.types.Menu):
    """Kept prompts"""

    bl_label = "Prompts"

    def draw(self, context: bpy.types.Context) -> None:
        for name in session.prompt_names():
            self.layout.operator("syngen.use_prompt", text=name).name = name


class _PartOfDiffusion(Closed):
    bl_parent_id = "SYNGEN_PT_diffusion"


class SYNGEN_PT_diffusion_steps(_PartOfDiffusion, bpy.types.Panel):
    bl_label = "Steps and Size"

    def draw(self, context: bpy.types.Context) -> None:
        keys(split(self.layout), context.scene.syngen.diffusion, "steps", "guidance", "size", "scheduler")


class SYNGEN_PT_diffusion_base(InSidebar, bpy.types.Panel):
    bl_label = "On the Base Texture"
    bl_parent_id = "SYNGEN_PT_diffusion"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(context.scene.syngen.transfer.method == "diffusion")

    def draw(self, context: bpy.types.Context) -> None:
        settings, column = context.scene.syngen.diffusion, split(self.layout)
        keys(column, settings, "mode")
        column.prop(settings, "strength", slider=True)
        column.separator()
        keys(column, settings, "control")
        if settings.control != "none":
            _model(column, settings, "control_model", "control", "A ControlNet")
            column.prop(settings, "control_weight", text="Weight", slider=True)


class SYNGEN_PT_diffusion_style(_PartOfDiffusion, bpy.types.Panel):
    bl_label = "LoRA and Style Photo"

    def draw(self, context: bpy.types.Context) -> None:
        settings, column = context.scene.syngen.diffusion, split(self.layout)
        _model(column, settings, "lora", "lora", "A LoRA, if any")
        weight = column.column()
        weight.active = bool(settings.lora)
        weight.prop(settings, "lora_weight", text="Weight", slider=True)
        column.separator()
        column.prop(settings, "style_image", placeholder="None")
        adapter = column.column()
        adapter.active = bool(settings.style_image)
        _model(adapter, settings, "style_model", "adapter", "An IP-Adapter")
        adapter.prop(settings, "style_weight", text="Weight", slider=True)


class SYNGEN_PT_diffusion_tries(_PartOfDiffusion, bpy.types.Panel):
    bl_label = "Refused Textures"

    def draw(self, context: bpy.types.Context) -> None:
        settings, column = context.scene.syngen.diffusion, split(self.layout)
        column.active = context.scene.syngen.filters.enabled
        keys(column, settings, "rounds")
        column.prop(settings, "refine_share", slider=True)


class SYNGEN_PT_diffusion_memory(_PartOfDiffusion, bpy.types.Panel):
    bl_label = "Memory"

    def draw(self, context: bpy.types.Context) -> None:
        keys(split(self.layout), context.scene.syngen.diffusion, "precision", "offload")


class SYNGEN_PT_neural(InSidebar, bpy.types.Panel):
    bl_label = "Neural Transfer"
    bl_parent_id = "SYNGEN_PT_texture"
    bl_order = 1

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene.syngen.transfer.method in NEURAL

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.syngen
        column = split(layout)
        column.prop(settings.transfer, "style_image", placeholder="The wear texture")
        sliders = layout.column(align=True)
        sliders.prop(settings.neural, "content_weight", slider=True)
        sliders.prop(settings.neural, "style_weight", slider=True)
        column = split(layout)
        if settings.transfer.method == "gatys":
            keys(column, settings.neural, "steps")
        keys(column, settings.neural, "colors")
        _sweep(layout, context)


def _sweep(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The button that compares weights, or how far that is, and its last sheet."""
    work = session.now.sweep
    if work is not None:
        progress(layout, work, "syngen.cancel_sweep")
        preview(layout, work.preview)
        return
    row = layout.row(align=True)
    row.operator("syngen.sweep", text="Sweep Weights", icon="MESH_GRID")
    if session.now.sweep_sheet:
        row.operator("syngen.show_sweep", text="", icon="IMAGE_DATA").sheet = session.now.sweep_sheet


def preview(layout: bpy.types.UILayout, picture: Any) -> None:
    """How far a network is, as a picture; nothing where there is none yet."""
    icon = session.live_icon(picture)
    if icon:
        layout.box().template_icon(icon_value=icon, scale=9)


class SYNGEN_PT_neural_weights(Closed, bpy.types.Panel):
    bl_label = "Weights and Tiles"
    bl_parent_id = "SYNGEN_PT_neural"

    def draw(self, context: bpy.types.Context) -> None:
        settings, column = context.scene.syngen, split(self.layout)
        ours = "Of Get Weights" if session.has_weights() else "None yet"
        column.prop(settings.neural, "vgg", placeholder=ours)
        if settings.transfer.method == "adain":
            column.prop(settings.neural, "decoder", placeholder=ours)
        row = column.row(align=True)
        row.operator("syngen.get_weights", icon="IMPORT")
        keys(column, settings.neural, "tile")


CLASSES = (
    SYNGEN_MT_prompts,
    SYNGEN_PT_diffusion,
    SYNGEN_PT_diffusion_base,
    SYNGEN_PT_diffusion_steps,
    SYNGEN_PT_diffusion_style,
    SYNGEN_PT_diffusion_tries,
    SYNGEN_PT_diffusion_memory,
    SYNGEN_PT_neural,
    SYNGEN_PT_neural_weights,
)
