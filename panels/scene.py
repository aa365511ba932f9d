"""The scene's randomisation and the preview of a frame."""

import time

import bpy

from ..syngen_addon.blender import session
from .common import Closed, InSidebar, keys, sentence, split
from .presets import in_header

TURN_S = 2.0
"""Once around of a ring that says that something goes on."""


class SYNGEN_PT_scene(InSidebar, bpy.types.Panel):
    bl_label = "Scene"
    bl_order = 4

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        in_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.syngen
        column = split(layout)
        keys(column, settings.wear, "level")
        _frames(layout, context)
        _see(layout, context)
        keys(split(layout), settings.randomize, "control")

    @classmethod
    def register(cls) -> None:
        bpy.types.IMAGE_HT_header.append(_switch)

    @classmethod
    def unregister(cls) -> None:
        bpy.types.IMAGE_HT_header.remove(_switch)


def _frames(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Which frame, and the buttons that put it into the view and take it out again."""
    job, shown = context.scene.syngen.job, session.previewed(context.scene)
    column = layout.column(align=True)
    row = column.row(align=True)
    row.prop(job, "preview")
    row.operator("syngen.preview_frame", text="", icon="TRIA_LEFT").step = -1
    row.operator("syngen.preview_frame", text="", icon="TRIA_RIGHT").step = 1
    column.prop(job, "walk", text=f"0 to {job.frames - 1}", slider=True)
    row = layout.row(align=True)
    row.scale_y = 1.2
    row.operator(
        "syngen.preview_frame",
        text="Preview" if shown < 0 else f"Shows Frame {shown}",
        icon="CAMERA_DATA",
        depress=shown >= 0,
    )
    row.operator("syngen.end_preview", text="End Preview", icon="LOOP_BACK")
    if session.now.not_previewed:
        sentence(layout, context, session.now.not_previewed, "ERROR")


def _see(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Labels in the view, and one frame rendered."""
    work, done = session.now.one, session.rendered_one()
    row = layout.row(align=True)
    row.operator("syngen.show_label_overlay", text="Labels", icon="SHADING_BBOX", depress=session.labels_shown())
    if work is None:
        row.operator("syngen.render_one", icon="RENDER_STILL")
    else:
        turn = time.monotonic() / TURN_S % 1.0  # how far one frame is nobody knows
        row.progress(factor=turn, text="Stopping" if work.cancelled else work.what, type="RING")
        row.operator("syngen.cancel_one", text="", icon="X")
    if done is not None:
        row = layout.row(align=True)
        row.label(text=f"Frame {done[0]}", icon="IMAGE_DATA")
        _switches(row, done[1])
    if session.now.not_rendered:
        sentence(layout, context, session.now.not_rendered, "ERROR")


def _switches(row: bpy.types.UILayout, with_labels: bool) -> None:
    for text, labels in (("Plain", False), ("Labelled", True)):
        row.operator("syngen.show_frame", text=text, depress=with_labels is labels).labels = labels


def _switch(header: bpy.types.Header, context: bpy.types.Context) -> None:
    """In the header of an image editor that shows a frame."""
    done, image = session.rendered_one(), context.space_data.image
    if done is not None and image is not None and session.is_rendered_one(image):
        _switches(header.layout.row(align=True), done[1])


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
        camera, column = context.scene.syngen.camera, self.column(context)
        keys(column, camera, "path")
        column.separator()
        keys(column, camera, "distance", "azimuth_deg")
        if camera.path in ("ground", "handheld"):
            keys(column, camera, "eye_m")
        else:
            keys(column, camera, "elevation_deg", "min_height_m")
        if camera.path in ("orbit", "handheld"):
            # Of a carried camera these are the frames from one place to the next.
            column.prop(camera, "orbit_frames", text="Frames a Leg" if camera.path == "handheld" else None)
        if camera.path == "handheld":
            keys(column, camera, "shake_deg")
        keys(column, camera, "aim", "roll_deg", "stratify")
        column.separator()
        keys(column, camera, "focal_mm", "sensor_mm", "dof")
        if camera.dof:
            keys(column, camera, "fstop")


class SYNGEN_PT_light(_Part, bpy.types.Panel):
    bl_label = "Light"
    section = "light"

    def draw(self, context: bpy.types.Context) -> None:
        light, column = context.scene.syngen.light, self.column(context)
        keys(column, light, "sun_strength", "sun_elevation_deg", "sun_angle_deg")
        column.separator()
        keys(column, light, "area_lights", "area_power_w", "lamp_kelvin", "keep_scene_lights")
        column.separator()
        keys(column, light, "environments", "environment_strength", "environment_rotation_deg")
        column.separator()
        keys(column, light, "sky", "indoor", "exposure_ev")


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


class SYNGEN_PT_ground(_Part, bpy.types.Panel):
    bl_label = "Ground"
    section = "ground"

    def draw(self, context: bpy.types.Context) -> None:
        ground, column = context.scene.syngen.ground, self.column(context)
        keys(column, ground, "size", "roughness", "folder")
        keys(column, ground, *(("tile_m",) if ground.folder else ("color_low", "color_high")))


class SYNGEN_PT_distractors(_Part, bpy.types.Panel):
    bl_label = "Distractors"
    section = "distractors"

    def draw(self, context: bpy.types.Context) -> None:
        distractors, column = context.scene.syngen.distractors, self.column(context)
        keys(column, distractors, "count", "occluders")
        if distractors.occluders[1]:
            keys(column, distractors, "occlusion")
        column.separator()
        keys(column, distractors, "size", "collection", "folder")


class SYNGEN_PT_pose(_Part, bpy.types.Panel):
    bl_label = "Pose"
    section = "pose"

    def draw(self, context: bpy.types.Context) -> None:
        keys(self.column(context), context.scene.syngen.pose, "yaw_deg", "tilt_deg", "shift_m", "drop")


class SYNGEN_PT_tint(_Part, bpy.types.Panel):
    bl_label = "Color"
    section = "tint"

    def draw(self, context: bpy.types.Context) -> None:
        keys(self.column(context), context.scene.syngen.tint, "hue_deg", "saturation", "value")


class SYNGEN_PT_sensor(_Part, bpy.types.Panel):
    bl_label = "Sensor"
    section = "sensor"

    def draw(self, context: bpy.types.Context) -> None:
        sensor, column = context.scene.syngen.sensor, self.column(context)
        keys(column, sensor, "share")
        column.separator()
        keys(column, sensor, "exposure_ev", "kelvin", "vignette")
        column.separator()
        keys(column, sensor, "blur_px", "motion_px", "chromatic_px")
        column.separator()
        keys(column, sensor, "noise", "jpeg")


class SYNGEN_PT_randomize(Closed, bpy.types.Panel):
    bl_label = "Wear of Targets"
    bl_parent_id = "SYNGEN_PT_scene"

    def draw(self, context: bpy.types.Context) -> None:
        settings, column = context.scene.syngen, split(self.layout)
        keys(column, settings.randomize, "level", "variant")
        column = self.layout.column()
        column.label(text="Objects Without Wear Draw From")
        grid = column.grid_flow(columns=2, align=True, row_major=True)
        grid.prop(settings.wear, "kinds", expand=True)
        column.separator()
        grid = column.grid_flow(columns=2, align=True, row_major=True)
        grid.prop(settings.causes, "presets", expand=True)


CLASSES = (
    SYNGEN_PT_scene,
    SYNGEN_PT_camera,
    SYNGEN_PT_light,
    SYNGEN_PT_background,
    SYNGEN_PT_ground,
    SYNGEN_PT_distractors,
    SYNGEN_PT_pose,
    SYNGEN_PT_tint,
    SYNGEN_PT_sensor,
    SYNGEN_PT_randomize,
)
