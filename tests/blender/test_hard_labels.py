"""Labels in the hard cases, against known pixels: one unit of the scene is one pixel of a 64 x 64 picture."""

from typing import Any

import bpy
import cv2
import numpy as np
import pytest
from mathutils import Matrix
from pycocotools import mask as coco_mask

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

SMALLEST: dict[str, dict[str, Any]] = {"labels": {"min_pixels": 1}, "export": {"formats": ["coco"]}}


@pytest.fixture(autouse=True)
def records_only(addon, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Formats and card, which take longer than everything else here, are made where a test asks for `formats`."""
    if "formats" not in request.fixturenames:
        monkeypatch.setattr(addon("jobs"), "rebuild", lambda *arguments, **more: None)


@pytest.fixture
def formats() -> None:
    """For a test that needs the formats."""


def run(stage, *parts: dict[str, dict[str, Any]], out: str = "out") -> Any:
    """One frame of the scene as it stands, its own camera and levels."""
    return stage.run(h.STILL, SMALLEST, *parts, out=out)


def mask(instance: dict[str, Any], key: str = "segmentation") -> np.ndarray:
    """H x W bool of an instance's mask."""
    return coco_mask.decode(instance[key]).astype(bool)


def area(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """H x W bool: the pixels in rectangles (x0, y0, x1, y1) of the scene, whose middle is the picture's."""
    drawn = np.zeros((64, 64), bool)
    for x0, y0, x1, y1 in boxes:
        drawn[32 - y1 : 32 - y0, 32 + x0 : 32 + x1] = True
    return drawn


def ring(outer: float, inner: float) -> bpy.types.Object:
    """A square with a square hole, facing up."""
    corners = [(s * x, s * y, 0) for s in (outer, inner) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    mesh = bpy.data.meshes.new("Ring")
    mesh.from_pydata(corners, [], [(i, (i + 1) % 4, (i + 1) % 4 + 4, i + 4) for i in range(4)])
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", np.tile([0, 0, 1, 0, 1, 1, 0, 1], 4).astype(np.float32))
    mesh.materials.append(h.material("Paint", h.painted("Base")))
    obj = bpy.data.objects.new("Ring", mesh)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.update()
    return obj


# --- what of a target is seen ----------------------------------------------------------------------------------------


@pytest.mark.versions
def test_one_target_hidden_by_another(addon, stage) -> None:
    stage.target("Below", (-10, -10), (10, 10))
    stage.target("Above", (0, -20), (20, 20), 1)
    run(stage)
    below, above = stage.seen()["Below"], stage.seen()["Above"]
    assert np.array_equal(mask(below), area((-10, -10, 0, 10))) and np.array_equal(mask(above), area((0, -20, 20, 20)))
    assert below["amodal_bbox"] == pytest.approx([22, 22, 20, 20], abs=1e-3)
    assert below["visible_fraction"] == pytest.approx(0.5, abs=0.01) and above["visible_fraction"] == 1


@pytest.mark.versions
def test_a_target_cut_by_the_border_and_one_behind_the_camera(addon, stage) -> None:
    stage.target("Cut", (20, -10), (52, 10))
    stage.target("Behind", (-20, -10), (0, 10), 30)
    run(stage)
    assert list(stage.seen()) == ["Cut"]
    cut = stage.seen()["Cut"]
    assert np.array_equal(mask(cut), area((20, -10, 32, 10))) and cut["touches_border"]
    assert cut["truncation"] == pytest.approx(20 / 32, abs=0.01)
    assert cut["amodal_bbox"] == pytest.approx([52, 22, 32, 20], abs=1e-3)


def test_a_hole_is_no_part_of_a_mask(addon, stage) -> None:
    stage.worn(ring(10, 4))
    run(stage)
    assert np.array_equal(mask(stage.seen()["Ring"]), area((-10, -10, 10, 10)) & ~area((-4, -4, 4, 4)))


def test_a_target_one_pixel_wide(addon, stage) -> None:
    stage.target("Wire", (5, -20), (6, 20))
    run(stage)
    wire = stage.seen()["Wire"]
    assert np.array_equal(mask(wire), area((5, -20, 6, 20))) and wire["bbox"] == [37, 12, 1, 40]


def test_objects_that_share_a_mesh_are_told_apart(addon, stage) -> None:
    first = stage.target("Crate", (-2, -2), (2, 2), level=0.25)
    level = addon("blender.level")
    for number in (1, 2):
        twin = first.copy()
        twin.location.x = 10 * number
        stage.scene.collection.objects.link(twin)
        level.set_level(twin, 0.25 + 0.25 * number)
    run(stage)
    assert stage.boxes() == {
        "Crate": [30, 30, 4, 4],
        "Crate.001": [40, 30, 4, 4],
        "Crate.002": [50, 30, 4, 4],
    }
    percents = [stage.seen()[name]["wear_percent"] for name in ("Crate", "Crate.001", "Crate.002")]
    assert percents == pytest.approx([25, 50, 75], abs=1)
    assert {each["classes"]["object"] for each in stage.record()["instances"]} == {"Crate"}


@pytest.mark.parametrize("first", [255, 32000, 32767])
def test_an_index_is_exact_to_the_last(addon, stage, first: int) -> None:
    h.plane("A", (-10, -10), (0, 10)).pass_index = first
    h.plane("B", (0, -10), (10, 10)).pass_index = 256
    h.plane("C", (-10, 12), (10, 14)).pass_index = 1
    _, layers = h.render_layers(addon, h.recipe(addon, {"render": {"samples": 4}}), stage.path)
    assert np.array_equal(layers.index == first, area((-10, -10, 0, 10)))
    assert np.array_equal(layers.index == 256, area((0, -10, 10, 10)))
    assert np.array_equal(layers.index == 1, area((-10, 12, 10, 14)))


# --- materials -------------------------------------------------------------------------------------------------------


def shader(material: bpy.types.Material) -> bpy.types.ShaderNode:
    return next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")


def test_slots_that_do_not_wear_are_part_of_the_target(addon, stage) -> None:
    """The right half is of glass, without a base texture: of the mask, never of the wear."""
    obj = h.plane("A", (-10, -10), (10, 10), 0, h.material("Paint", h.painted("Base")))
    mesh = bpy.data.meshes.new("A")
    mesh.from_pydata([(x, y, 0) for y in (-10, 10) for x in (-10, 0, 10)], [], [(0, 1, 4, 3), (1, 2, 5, 4)])
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", np.tile([0, 0, 1, 0, 1, 1, 0, 1], 2).astype(np.float32))
    glass = h.material("Glass", None)
    shader(glass).inputs["Transmission Weight"].default_value = 1.0
    for material in (obj.data.materials[0], glass):
        mesh.materials.append(material)
    mesh.polygons[1].material_index = 1
    obj.data = mesh
    stage.worn(obj, 1.0)
    summary = run(stage)
    seen = stage.seen()["A"]
    assert np.array_equal(mask(seen), area((-10, -10, 10, 10)))
    assert np.array_equal(mask(seen, "wear_segmentation"), area((-10, -10, 0, 10)))
    assert any("Slot 2 is left out" in warning for warning in summary.warnings)


@pytest.mark.versions
def test_glass_is_what_a_pixel_shows_and_hides_what_lies_behind(addon, stage) -> None:
    stage.target("Behind", (-10, -10), (10, 10))
    pane = stage.target("Pane", (-4, -4), (4, 4), 1)
    shader(pane.data.materials[0]).inputs["Transmission Weight"].default_value = 1.0
    run(stage)
    assert np.array_equal(mask(stage.seen()["Pane"]), area((-4, -4, 4, 4)))
    assert np.array_equal(mask(stage.seen()["Behind"]), area((-10, -10, 10, 10)) & ~area((-4, -4, 4, 4)))


@pytest.mark.versions
@pytest.mark.parametrize("cut", [True, False], ids=["clip", "blend"])
def test_where_a_material_is_cut_out_a_pixel_is_what_lies_behind(addon, stage, cut: bool) -> None:
    """A picture in Alpha: the left half is open, the right half is there, or for the most part."""
    stage.target("Behind", (-10, -10), (10, 10))
    fence = stage.target("Fence", (-4, -4), (4, 4), 1)
    tree = fence.data.materials[0].node_tree
    alpha = bpy.data.images.new("Alpha", 2, 1)
    alpha.colorspace_settings.name = "Non-Color"
    alpha.pixels[:] = [0, 0, 0, 1, *([1.0 if cut else 0.6] * 3), 1]
    alpha.pack()
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image, texture.interpolation = alpha, "Closest"
    tree.links.new(texture.outputs["Color"], shader(fence.data.materials[0]).inputs["Alpha"])
    run(stage, {"render": {"samples": 4}})
    assert np.array_equal(mask(stage.seen()["Fence"]), area((0, -4, 4, 4)))
    assert np.array_equal(mask(stage.seen()["Behind"]), area((-10, -10, 10, 10)) & ~area((0, -4, 4, 4)))


@pytest.mark.parametrize("how", ["alpha", "mix", "half", "open"])
def test_what_lets_through_more_than_it_shows_is_warned_of(addon, stage, how: str) -> None:
    """Its labels are those of what lies behind in most pixels, and its own in some."""
    stage.target("Behind", (-10, -10), (10, 10))
    veil = stage.plain("Veil", (-4, -4), (4, 4), 1)
    material = veil.data.materials[0]
    if how == "mix":
        tree = material.node_tree
        mix = tree.nodes.new("ShaderNodeMixShader")
        mix.inputs[0].default_value = 0.7
        tree.links.new(shader(material).outputs[0], mix.inputs[1])
        tree.links.new(tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0], mix.inputs[2])
        tree.links.new(mix.outputs[0], tree.get_output_node("ALL").inputs["Surface"])
    else:
        shader(material).inputs["Alpha"].default_value = {"alpha": 0.3, "half": 0.5, "open": 0.0}[how]
    summary = run(stage)
    assert any("'Paint Veil' lets through" in w for w in summary.warnings) == (how in ("alpha", "mix"))
    hidden = 400 - stage.seen()["Behind"]["area"]
    assert hidden == {"half": 64, "open": 0}.get(how, hidden) and 0 <= hidden <= 64


def test_hair_is_the_object_it_grows_on(addon, stage) -> None:
    """It is no target of its own: its pixels are its object's, whether that is a target or not."""
    for name, x, worn in (("Fur", -20, True), ("Grass", 10, False)):
        obj = stage.plain(name, (x, -2), (x + 8, 2))
        obj.modifiers.new("Hair", "PARTICLE_SYSTEM")
        hair = obj.particle_systems[0].settings
        hair.type, hair.count, hair.hair_step = "HAIR", 60, 2
        hair.normal_factor, hair.object_align_factor = 0.0, (0.0, 8.0, 0.0)  # towards +Y of the picture
        hair.radius_scale, hair.root_radius, hair.tip_radius = 1.0, 0.5, 0.5
        if worn:
            stage.worn(obj)
    stage.target("Flag", (8, 3), (20, 6), -1)
    run(stage)
    assert set(stage.seen()) == {"Fur", "Flag"}
    fur, flag = mask(stage.seen()["Fur"]), mask(stage.seen()["Flag"])
    assert fur[area((-20, -2, -12, 2))].all() and fur[area((-22, 2, -10, 30))].sum() > 10
    assert not flag.all() and 0 < flag.sum() < area((8, 3, 20, 6)).sum()
    assert stage.seen()["Fur"]["amodal_bbox"] == stage.seen()["Fur"]["bbox"]
    hidden = stage.seen()["Flag"]
    assert hidden["visible_fraction"] == pytest.approx(flag.sum() / area((8, 3, 20, 6)).sum(), abs=1e-6)


def test_what_hangs_on_a_posed_target_hides_others_where_it_is_now(addon, stage) -> None:
    """Also where the viewport hides it: the lid beside the one target is turned over the other."""
    lid = stage.plain("Lid", (12, -4), (20, 4), 3)
    lid.parent = stage.target("Turned", (-4, -4), (4, 4))
    lid.hide_set(True)
    stage.target("Behind", (-22, -8), (-10, 8))
    run(stage, {"pose": {"yaw_deg": [180, 180]}})
    turned, behind = stage.seen()["Turned"], stage.seen()["Behind"]
    assert (behind["area"], behind["silhouette_area"]) == (128, 192)
    assert turned["visible_fraction"] == 1


# --- cameras ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
@pytest.mark.parametrize("fit", ["AUTO", pytest.param("VERTICAL", marks=pytest.mark.versions)])
def test_a_shifted_lens_and_a_scene_set_up_otherwise(addon, stage, kind: str, fit: str) -> None:
    """Border, percentage, pixels that are not square: the job renders square full frames, and gives them back."""
    camera, render = stage.scene.camera.data, stage.scene.render
    camera.type, camera.sensor_fit = kind, fit
    camera.lens, camera.sensor_width, camera.sensor_height = 36.0 * 20 / 64, 36.0, 36.0
    camera.shift_x, camera.shift_y = 0.25, -0.125  # 16 pixels to the right, 8 down
    stage.target("A", (-4, -6), (4, 6))
    render.use_border, render.use_crop_to_border, render.border_max_x = True, True, 0.3
    render.resolution_percentage, render.pixel_aspect_x, render.pixel_aspect_y = 37, 2.0, 1.5
    h.save(stage.path / "scene.blend")
    bpy.context.view_layer.update()
    before = h.snapshot()
    stage.again(h.STILL, SMALLEST)
    assert h.changes(before, h.snapshot()) == []
    seen = stage.seen()["A"]
    assert np.array_equal(mask(seen), area((-20, 2, -12, 14)))
    assert seen["amodal_bbox"] == pytest.approx([12, 18, 8, 12], abs=1e-3)
    picture = stage.picture().astype(int)
    assert picture.shape == (64, 64, 3)
    there = np.abs(picture - picture[0, 0]).sum(axis=2) > 12  # the filter spreads the outline by a pixel
    kernel = np.ones((3, 3), np.uint8)
    assert not (there & ~cv2.dilate(mask(seen).astype(np.uint8), kernel).astype(bool)).any()
    assert there[cv2.erode(mask(seen).astype(np.uint8), kernel).astype(bool)].all()


def test_a_picture_wider_than_high(addon, stage) -> None:
    stage.target("A", (-4, -6), (4, 6))
    run(stage, {"render": {"width": 64, "height": 32}})
    assert stage.boxes() == {"A": [28, 10, 8, 12]}


@pytest.mark.versions
@pytest.mark.parametrize("bound", [False, True], ids=["the scene's", "bound to a marker"])
def test_a_panoramic_camera_is_refused_by_name(addon, stage, bound: bool) -> None:
    stage.target("A", (-4, -6), (4, 6))
    camera = stage.scene.camera
    if bound:
        camera = bpy.data.objects.new("Dome", bpy.data.cameras.new("Dome"))
        stage.scene.collection.objects.link(camera)
        stage.scene.timeline_markers.new("Cut", frame=1).camera = camera
        stage.scene.frame_set(1)
    camera.data.type = "PANO"
    with pytest.raises(addon("errors").SynGenError, match=f"The camera '{camera.name}' is panoramic"):
        run(stage)
    assert not (stage.path / "out").exists()


def test_what_is_no_camera_is_refused_by_name(addon, stage) -> None:
    target = stage.target("A", (-4, -6), (4, 6))
    stage.scene.camera = target
    with pytest.raises(addon("errors").SynGenError, match="looks through 'A', which is no camera"):
        run(stage)


# --- targets that change their shape ---------------------------------------------------------------------------------


def mirrored(obj: bpy.types.Object) -> None:
    """Its right half is made by modifiers, in more faces."""
    obj.modifiers.new("Mirror", "MIRROR").merge_threshold = 0
    obj.modifiers.new("More", "SUBSURF").subdivision_type = "SIMPLE"


def keyed(obj: bpy.types.Object) -> None:
    obj.shape_key_add(name="Basis")
    key = obj.shape_key_add(name="Wide")
    for number, x in ((1, 10.0), (2, 10.0)):
        key.data[number].co.x = x
    key.value = 1.0


def boned(obj: bpy.types.Object) -> None:
    """A bone takes the right side 10 to the right."""
    armature = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    bone = armature.data.edit_bones.new("Bone")
    bone.head, bone.tail = (0, 0, 0), (0, 1, 0)
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.pose.bones["Bone"].matrix = Matrix.Translation((10, 0, 0))
    obj.vertex_groups.new(name="Bone").add([1, 2], 1.0, "REPLACE")
    obj.modifiers.new("Armature", "ARMATURE").object = armature


@pytest.mark.parametrize("change", [mirrored, keyed, boned])
@pytest.mark.parametrize(
    "only_renders", [False, pytest.param(True, marks=pytest.mark.versions)], ids=["shown", "in renders only"]
)
def test_a_target_has_the_shape_that_renders_show(addon, stage, change: Any, only_renders: bool) -> None:
    """Its base is the left half, in one face."""
    obj = stage.target("A", (-10, -10), (0, 10))
    change(obj)
    for modifier in obj.modifiers:
        modifier.show_viewport = not only_renders
    run(stage)
    seen = stage.seen()["A"]
    assert np.array_equal(mask(seen), area((-10, -10, 10, 10)))
    assert seen["amodal_bbox"] == pytest.approx([22, 22, 20, 20], abs=1e-3)
    assert seen["visible_fraction"] == 1


# --- targets that are not there, or not as objects -------------------------------------------------------------------


def hide_in_renders(obj: bpy.types.Object, branch: bpy.types.LayerCollection) -> None:
    obj.hide_render = True


def hide_collection(obj: bpy.types.Object, branch: bpy.types.LayerCollection) -> None:
    branch.collection.hide_render = True


def exclude(obj: bpy.types.Object, branch: bpy.types.LayerCollection) -> None:
    branch.exclude = True


def no_camera_rays(obj: bpy.types.Object, branch: bpy.types.LayerCollection) -> None:
    obj.visible_camera = False


def holdout(obj: bpy.types.Object, branch: bpy.types.LayerCollection) -> None:
    obj.is_holdout = True


def holdout_collection(obj: bpy.types.Object, branch: bpy.types.LayerCollection) -> None:
    branch.holdout = True


def indirect_only(obj: bpy.types.Object, branch: bpy.types.LayerCollection) -> None:
    branch.indirect_only = True


def catch_shadows(obj: bpy.types.Object, branch: bpy.types.LayerCollection) -> None:
    obj.is_shadow_catcher = True


@pytest.mark.versions
@pytest.mark.parametrize(
    ("hide", "why"),
    [
        (hide_in_renders, "is hidden"),
        (hide_collection, "is hidden"),
        (exclude, "is hidden"),
        (no_camera_rays, "is invisible to the camera"),
        (holdout, "is a holdout"),
        (holdout_collection, "is a holdout"),
        (indirect_only, "is seen indirectly only"),
        (catch_shadows, "is a shadow catcher"),
    ],
)
def test_a_target_that_is_not_seen_as_an_object_is_none(addon, stage, hide: Any, why: str) -> None:
    """Alone it is refused; beside another it is left out, which is said."""
    lost = stage.target("Lost", (-10, -10), (0, 10))
    collection = bpy.data.collections.new("Apart")
    stage.scene.collection.children.link(collection)
    collection.objects.link(lost)
    stage.scene.collection.objects.unlink(lost)
    hide(lost, bpy.context.view_layer.layer_collection.children["Apart"])
    with pytest.raises(addon("errors").SynGenError, match=rf"No target can be seen.*Lost.* {why}"):
        run(stage)
    stage.target("Kept", (2, -10), (10, 10))
    summary = run(stage)
    assert list(stage.seen()) == ["Kept"]
    (warning,) = [w for w in summary.warnings if "Lost" in w]
    assert why in warning and warning.endswith("It is left out.")


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_that_no_file_can_have(addon, stage, formats) -> None:
    names = ["../up/A \"b\" 'c'", "Crate", "crate", "CON", "ö.🜂"]
    for number, name in enumerate(names):
        stage.target(name, (-30 + 10 * number, -2), (-24 + 10 * number, 2))
    recipe = {"targets": {"classes": {"*": "thing"}}, "labels": {"min_pixels": 1, "class_from": "object"}}
    stage.run(h.STILL, recipe)
    stage.again(h.STILL, recipe)
    assert stage.boxes() == {name: [2 + 10 * i, 30, 6, 4] for i, name in enumerate(names)}
    assert sorted(p.name for p in stage.path.iterdir()) == ["gallery", "out", "scene.blend"]
    with pytest.raises(addon("errors").SynGenError, match="class name"):
        stage.run(h.STILL, SMALLEST, {"labels": {"class_from": "object"}}, out="named")
