"""The scene's randomisation and the preview of a frame."""

import bpy

from ..syngen_addon.blender import session
from .common import Closed, InSidebar, keys, split


class SYNGEN_PT_scene(InSidebar, bpy.types.Panel):
    bl_label = "Scene"
    bl_order = 4

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.syngen
        column = split(layout)
        keys(column, settings.wear, "level")
        shown = session.previewed(context.scene)
        row = layout.row(align=True)
        row.prop(settings.job, "preview")
        row.operator("syngen.preview_frame", text="", icon="TRIA_LEFT").step = -1
        row.operator("syngen.preview_frame", text="", icon="TRIA_RIGHT").step = 1
        row = layout.row(align=True)
        row.scale_y = 1.2
        row.operator(
            "syngen.preview_frame",
            text="Preview" if shown < 0 else f"Shows Frame {shown}",
            icon="CAMERA_DATA",
            depress=shown >= 0,
        )
        row.operator("syngen.end_preview", text="End Preview", icon="LOOP_BACK")


class _Part(Closed):
    """A part of the scene with a switch in its header."""

    bl_parent_id = "SYNGEN_PT_scene"
    section = ""
    layout: bpy.types.UILayout

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(getattr(context.scene.syngen, self.section), "randomize", text="")

    def column(self, context: bpy.types.Context) -> bpy.types.UILayout:
        column = split(self.layout)
        column.active = getattr(context.scene.syngen, self.section).randomize
        return column


class SYNGEN_PT_camera(_Part, bpy.types.Panel):
    bl_label = "Camera"
    section = "camera"

    def draw(self, context: bpy.types.Context) -> None:
        camera = context.scene.syngen.camera
        keys(
            self.column(context),
            camera,
            "distance",
            "azimuth_deg",
            "elevation_deg",
            "focal_mm",
            "roll_deg",
            "aim",
            "min_height_m",
        )


class SYNGEN_PT_light(_Part, bpy.types.Panel):
    bl_label = "Light"
    section = "light"

    def draw(self, context: bpy.types.Context) -> None:
        light, column = context.scene.syngen.light, self.column(context)
        keys(column, light, "sun_strength", "sun_elevation_deg", "sun_angle_deg")
        column.separator()
        keys(column, light, "area_lights", "area_power_w", "keep_scene_lights")
        column.separator()
        keys(column, light, "environments", "environment_strength", "exposure_ev")


class SYNGEN_PT_background(_Part, bpy.types.Panel):
    bl_label = "Background"
    section = "background"

    def draw(self, context: bpy.types.Context) -> None:
        background, column = context.scene.syngen.background, self.column(context)
        keys(column, background, "kind")
        if background.kind == "color":
            keys(column, background, "color_low", "color_high")
        elif background.kind == "images":
            keys(column, background, "folder")


class SYNGEN_PT_randomize(Closed, bpy.types.Panel):
    bl_label = "Wear of Targets"
    bl_parent_id = "SYNGEN_PT_scene"

    def draw(self, context: bpy.types.Context) -> None:
        keys(split(self.layout), context.scene.syngen.randomize, "level", "variant")


CLASSES = (SYNGEN_PT_scene, SYNGEN_PT_camera, SYNGEN_PT_light, SYNGEN_PT_background, SYNGEN_PT_randomize)
