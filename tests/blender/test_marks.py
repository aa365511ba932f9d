"""Marks in Blender: found, painted, kept in the file, left alone by wear, and faded where they age."""

import os
from pathlib import Path

import bpy
import cv2
import numpy as np
import pytest

from tests.blender.helpers import camera_above, light, material, plane, recipe, render_layers

ASSETS = os.environ.get("SYNGEN_TEST_ASSETS", "")
SIZE = 96
QUICK = {"texture": {"size": 64, "variants": 1}, "filters": {"enabled": False}}


def signed(name: str = "Base") -> bpy.types.Image:
    """A base texture with letters on it."""
    pixels = np.full((SIZE, SIZE, 3), (60, 110, 90), np.uint8)
    cv2.putText(pixels, "AB", (12, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (240, 240, 235), 5, cv2.LINE_AA)
    image = bpy.data.images.new(name, SIZE, SIZE)
    flat = np.ones((SIZE, SIZE, 4), np.float32)
    flat[..., :3] = pixels[::-1] / np.float32(255)
    image.pixels.foreach_set(flat.ravel())
    image.update()
    image.pack()
    return image


@pytest.fixture
def sign(empty_scene) -> bpy.types.Object:
    """A plane with a signed texture, active and selected."""
    empty_scene.unit_settings.scale_length = 0.01
    obj = plane("Sign", (-24, -24), (24, 24), 0.0, material("Paint", signed()))
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    return obj


def white(image: bpy.types.Image) -> np.ndarray:
    """The protected texels of a picture of marks, row 0 at the top."""
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(image.size[1], image.size[0], image.channels)[::-1, :, 0] > 0.5


def letters(obj: bpy.types.Object) -> np.ndarray:
    """Which texels of the sign are not ground."""
    image = next(n.image for n in obj.active_material.node_tree.nodes if n.type == "TEX_IMAGE")
    pixels = np.array(image.pixels[:]).reshape(SIZE, SIZE, 4)[::-1]
    return pixels[..., 0] > 0.7


@pytest.mark.versions
def test_found_kept_in_the_file_and_cleared(addon, sign, tmp_path):
    marks = addon("blender.marks")
    assert not bpy.ops.syngen.clear_marks.poll()
    assert bpy.ops.syngen.find_marks() == {"FINISHED"}
    image = marks.image_of(sign.active_material)
    found = white(image)
    assert image.packed_file and found[letters(sign)].mean() > 0.98 and found.mean() < 0.5
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sign.blend"), check_existing=False)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sign.blend"))
    again = marks.image_of(bpy.data.materials["Paint"])
    assert (white(again) == found).all()
    bpy.context.view_layer.objects.active = bpy.data.objects["Sign"]
    assert bpy.ops.syngen.clear_marks() == {"FINISHED"}
    assert marks.image_of(bpy.data.materials["Paint"]) is None and "Paint Marks" not in bpy.data.images


def test_strokes_that_nobody_packed_are_saved(addon, sign, tmp_path):
    bpy.ops.syngen.find_marks()
    image = addon("blender.marks").image_of(sign.active_material)
    image.pixels.foreach_set(np.ones(SIZE * SIZE * 4, np.float32))
    image.update()
    assert image.is_dirty
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sign.blend"), check_existing=False)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sign.blend"))
    assert white(addon("blender.marks").image_of(bpy.data.materials["Paint"])).all()


@pytest.mark.versions
def test_painting_enters_texture_paint_on_the_marks(addon, sign):
    assert bpy.ops.syngen.paint_marks() == {"FINISHED"}
    image = addon("blender.marks").image_of(sign.active_material)
    paint = bpy.context.scene.tool_settings.image_paint
    assert sign.mode == "TEXTURE_PAINT" and paint.mode == "IMAGE" and paint.canvas == image
    assert tuple(image.size) == (SIZE, SIZE) and not white(image).any()
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.syngen.find_marks()
    found = addon("blender.marks").image_of(sign.active_material)
    assert white(found).any()
    bpy.ops.syngen.paint_marks()  # what was found stays
    assert paint.canvas == found and white(found).any()


def test_painting_is_refused_with_a_reason(addon, sign, empty_scene):
    marks, errors = addon("blender.marks"), addon("errors")
    tree = sign.active_material.node_tree
    texture = next(n for n in tree.nodes if n.type == "TEX_IMAGE")
    mapping, uvs = tree.nodes.new("ShaderNodeMapping"), tree.nodes.new("ShaderNodeTexCoord")
    mapping.inputs["Scale"].default_value = (2, 2, 1)
    tree.links.new(uvs.outputs["UV"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    with pytest.raises(errors.SynGenError, match="Mapping node"):
        marks.canvas_for(sign)
    assert not bpy.ops.syngen.paint_marks.poll()
    bare = plane("Bare", (0, 0), (1, 1), 0.0, material("Bare", None))
    with pytest.raises(errors.SynGenError, match="no base texture"):
        marks.find_on([bare], recipe(addon).marks)
    bpy.context.view_layer.objects.active = bare
    assert not bpy.ops.syngen.find_marks.poll() and not bpy.ops.syngen.paint_marks.poll()


def test_one_undo_step_each(addon, sign):
    marks = addon("blender.marks")
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.syngen.find_marks()
    bpy.ops.ed.undo_push(message="found")
    first = white(marks.image_of(bpy.data.materials["Paint"]))
    bpy.ops.syngen.clear_marks()
    bpy.ops.ed.undo_push(message="cleared")
    bpy.ops.ed.undo()
    assert (white(marks.image_of(bpy.data.materials["Paint"])) == first).all()
    bpy.ops.ed.undo()
    assert marks.image_of(bpy.data.materials["Paint"]) is None


def test_every_source_of_protection_counts(addon, sign, tmp_path):
    ageing, images = addon("blender.ageing"), addon("images")
    kind = ageing.kind_named("heavy_rust")
    corner = np.zeros((SIZE, SIZE), np.float32)
    corner[:10, :10] = 1
    images.save_png(tmp_path / "corner.png", corner)
    plain = ageing.gather(sign, recipe(addon), kind).slots[0].protect
    assert plain is None
    by_job = ageing.gather(sign, recipe(addon, {"marks": {"find": True}}), kind).slots[0].protect
    assert by_job[letters(sign)].mean() > 0.98 and not by_job[:10, :10].any()
    bpy.ops.syngen.find_marks()
    both = {"transfer": {"protect_image": str(tmp_path / "corner.png")}}
    union = ageing.gather(sign, recipe(addon, both), kind).slots[0].protect
    assert (union == (by_job | (corner > 0))).all()
    image = addon("blender.marks").image_of(sign.active_material)
    image.pixels.foreach_set(np.zeros(SIZE * SIZE * 4, np.float32))
    edited = ageing.gather(sign, recipe(addon, {"marks": {"find": True}}), kind).slots[0].protect
    assert edited is None, "what a person took away is not found again"


@pytest.mark.parametrize("ages", [False, True])
def test_a_worn_sign_keeps_or_fades_its_letters(addon, sign, tmp_path, ages, monkeypatch):
    monkeypatch.setattr(addon("variants"), "MIN_ONSET_SIZE", SIZE)
    ageing, variants = addon("blender.ageing"), addon("variants")
    light()
    camera_above()
    bpy.ops.syngen.find_marks()
    settings = recipe(addon, QUICK, {"marks": {"age": ages, "fade": 1.0}, "render": {"samples": 4}})
    kept = white(addon("blender.marks").image_of(sign.active_material))
    before, _ = render_layers(addon, settings, tmp_path)
    variant = variants.make_variants(ageing.gather(sign, settings, ageing.kind_named("heavy_rust")), tmp_path / "g")[0]
    ageing.apply_variant(sign, variant, level=1.0)
    after, layers = render_layers(addon, settings, tmp_path)
    # One unit is one pixel: the plane covers 48 x 48 of them, two texels each. Only those wholly protected count.
    inside = np.zeros((64, 64), bool)
    texels = cv2.erode(kept.astype(np.uint8), np.ones((7, 7), np.uint8))
    inside[8:56, 8:56] = cv2.resize(texels, (48, 48), interpolation=cv2.INTER_NEAREST) > 0
    difference = np.abs(after.astype(int) - before)[..., :3].max(axis=2)
    assert inside.sum() > 30
    assert layers.wear[inside].max() == 0, "what is protected is no wear"
    assert difference[8:56, 8:56].max() > 40, "the rest has worn"
    if ages:
        assert difference[inside].mean() > 8
    else:
        assert difference[inside].max() == 0


@pytest.mark.skipif(not ASSETS, reason="needs the real models of SYNGEN_TEST_ASSETS")
def test_the_drums_signs_by_the_operators(addon, empty_scene, tmp_path, monkeypatch):
    bpy.ops.import_scene.gltf(filepath=str(next(Path(ASSETS, "objects", "Barrel_01").glob("*.gltf"))))
    obj = next(o for o in bpy.context.scene.objects if o.type == "MESH" and addon("blender.target").find(o).slots)
    bpy.context.view_layer.objects.active = obj
    for other in bpy.context.scene.objects:
        other.select_set(other == obj)
    session, images = addon("blender.session"), addon("images")
    monkeypatch.setattr(addon("operators.wear"), "gallery_folder", lambda: tmp_path)
    monkeypatch.setattr(addon("variants"), "MIN_ONSET_SIZE", 256)
    addon("blender.settings").put_recipe(bpy.context.scene, recipe(addon, QUICK, {"transfer": {"max_size": 256}}))
    assert session.look(obj).error == ""
    assert bpy.ops.syngen.find_marks() == {"FINISHED"}
    signs = np.zeros((1024, 1024), np.uint8)
    for corners in ([(194, 70), (321, 135), (194, 202)], [(197, 541), (322, 607), (203, 668), (197, 668)]):
        cv2.fillPoly(signs, [np.array(corners, np.int32)], 1)
    found = white(addon("blender.marks").image_of(obj.active_material))
    assert found[signs > 0].mean() > 0.95 and found.mean() < 2.5 * signs.mean()
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    variant = addon("variants").list_variants(tmp_path, obj.name)[0]
    base = addon("blender.ageing").gather(obj, recipe(addon, {"transfer": {"max_size": 256}}), None).slots[0]
    color = images.load(variant.file("color", 0))
    assert base.protect.mean() > 0.01
    assert (images.to_bytes(color)[base.protect] == images.to_bytes(base.base_srgb)[base.protect]).all()
    onset = images.load(variant.file("onset", 0))
    size = onset.shape[1], onset.shape[0]
    protect = cv2.resize(base.protect.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    assert onset[..., 0][protect].min() == 1 and (onset[..., 2] == 1).all()


def test_the_overlay_is_never_drawn_without_a_window(addon, sign):
    bpy.ops.syngen.find_marks()
    assert not addon("blender.marks").shown() and not bpy.ops.syngen.show_marks.poll()
