"""The scene's randomisation and the preview of a frame."""

import time
from typing import Any

import bpy

from ..syngen_addon.blender import session
from .common import InSidebar, keys, part, sentence, split
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
        for section, (title, draw) in PARTS.items():
            group = getattr(settings, section)
            body = part(layout, section, title, group)
            if body is not None:
                column = split(body)
                column.active = group.randomize
                draw(column, group)
        body = part(layout, "wear", "Wear of Targets")
        if body is not None:
            _wear(body, settings)

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


def _camera(column: bpy.types.UILayout, camera: Any) -> None:
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


def _light(column: bpy.types.UILayout, light: Any) -> None:
    keys(column, light, "sun_strength", "sun_elevation_deg", "sun_angle_deg")
    column.separator()
    keys(column, light, "area_lights", "area_power_w", "lamp_kelvin", "keep_scene_lights")
    column.separator()
    keys(column, light, "environments", "environment_strength", "environment_rotation_deg")
    column.separator()
    keys(column, light, "sky", "indoor", "exposure_ev")


def _background(column: bpy.types.UILayout, background: Any) -> None:
    keys(column, background, "kind")
    if background.kind == "color":
        keys(column, background, "color_low", "color_high")
    elif background.kind == "images":
        keys(column, background, "folder")


def _ground(column: bpy.types.UILayout, ground: Any) -> None:
    keys(column, ground, "size", "roughness", "folder")
    keys(column, ground, *(("tile_m",) if ground.folder else ("color_low", "color_high")))


def _distractors(column: bpy.types.UILayout, distractors: Any) -> None:
    keys(column, distractors, "count", "occluders")
    if distractors.occluders[1]:
        keys(column, distractors, "occlusion")
    column.separator()
    keys(column, distractors, "size", "collection", "folder")


def _pose(column: bpy.types.UILayout, pose: Any) -> None:
    keys(column, pose, "yaw_deg", "tilt_deg", "shift_m", "drop")


def _tint(column: bpy.types.UILayout, tint: Any) -> None:
    keys(column, tint, "hue_deg", "saturation", "value")


def _sensor(column: bpy.types.UILayout, sensor: Any) -> None:
    keys(column, sensor, "share")
    column.separator()
    keys(column, sensor, "exposure_ev", "kelvin", "vignette")
    column.separator()
    keys(column, sensor, "blur_px", "motion_px", "chromatic_px")
    column.separator()
    keys(column, sensor, "noise", "jpeg")


def _wear(layout: bpy.types.UILayout, settings: Any) -> None:
    keys(split(layout), settings.randomize, "level", "variant")
    column = layout.column()
    column.label(text="Objects Without Wear Draw From")
    grid = column.grid_flow(columns=2, align=True, row_major=True)
    grid.prop(settings.wear, "kinds", expand=True)
    column.separator()
    grid = column.grid_flow(columns=2, align=True, row_major=True)
    grid.prop(settings.causes, "presets", expand=True)


PARTS = {
    "camera": ("Camera", _camera),
    "light": ("Light", _light),
    "background": ("Background", _background),
    "ground": ("Ground", _ground),
    "distractors": ("Distractors", _distractors),
    "pose": ("Pose", _pose),
    "tint": ("Color", _tint),
    "sensor": ("Sensor", _sensor),
}
"""What can be drawn at random, each with a switch in its header: section of the settings -> title, what draws it."""
CLASSES = (SYNGEN_PT_scene,)
