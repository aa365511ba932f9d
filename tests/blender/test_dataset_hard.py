"""Scenes that make a job's labels or pictures wrong unless it looks twice."""

from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick, real_variants  # noqa: F401

GREEN: dict[str, dict[str, Any]] = {
    "background": {"kind": "color", "color_low": [0.0, 1.0, 0.0], "color_high": [0.0, 1.0, 0.0]},
    "camera": {"elevation_deg": [5.0, 10.0], "distance": [4.0, 4.0]},
}
"""A backdrop that is green, around a target that is small."""


# --- what the scene sets against the job -----------------------------------------------------------------------------


@pytest.mark.versions
def test_a_world_that_holds_the_names_of_ours_is_no_matter(addon, stage) -> None:
    """Nodes that an earlier rig has left in the world take nothing from the new ones."""
    stage.target("A", (-20, -20), (20, 20))
    world = bpy.data.worlds.new("Left over")
    if not world.node_tree:
        world.use_nodes = True
    for kind, name in (("ShaderNodeTexEnvironment", "environment"), ("ShaderNodeBackground", "backdrop")):
        world.node_tree.nodes.new(kind).name = f"SynGen {name}"
    stage.run(GREEN)
    stage.scene.world = world
    stage.run(GREEN, out="left over")
    blue, green, red = stage.picture()[0, 0]
    assert green > max(blue, red) + 50
    assert np.array_equal(stage.picture(), stage.picture(out="left over"))


@pytest.mark.versions
def test_a_world_whose_nodes_are_off_lights_by_its_colour(addon, stage) -> None:
    stage.target("A", (-20, -20), (20, 20))
    for light in [o for o in bpy.data.objects if o.type == "LIGHT"]:
        bpy.data.objects.remove(light)
    world = bpy.data.worlds.new("Off")
    if not world.node_tree:
        world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (1, 0, 0, 1)
    if bpy.app.version < (5, 0):  # later there is no such switch
        world.use_nodes, world.color = False, (0, 0, 1)
    stage.scene.world = world
    stage.run(h.STILL, {"background": {"randomize": True, "kind": "color"}})
    blue, _, red = stage.picture()[32, 32].astype(int)
    assert (blue > red + 50) if bpy.app.version < (5, 0) else (red > blue + 50)


def test_the_drawn_sky_shows_where_the_layer_has_none(addon, stage) -> None:
    stage.target("A", (-20, -20), (20, 20))
    bpy.context.view_layer.use_sky = False
    stage.run(GREEN)
    assert stage.picture()[0, 0, 1] > 150
    assert not bpy.context.view_layer.use_sky


@pytest.mark.versions
def test_lamps_of_instanced_collections_go_out_with_the_others(addon, stage) -> None:
    stage.target("A", (-20, -20), (20, 20))
    stage.run()
    lamp = bpy.data.objects.new("Flood", bpy.data.lights.new("Flood", "SUN"))
    lamp.data.energy = 100.0
    collection = bpy.data.collections.new("Lamps")
    collection.objects.link(lamp)
    instance = bpy.data.objects.new("Lamps", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", collection
    stage.scene.collection.objects.link(instance)
    stage.run(out="with")
    assert np.array_equal(stage.picture(), stage.picture(out="with"))
    assert not lamp.hide_render


@pytest.mark.versions
@pytest.mark.parametrize("drawn", [True, False], ids=["drawn", "own"])
def test_a_camera_bound_to_a_marker_does_not_take_the_shot(addon, stage, drawn: bool) -> None:
    stage.target("A", (-20, -20), (20, 20))
    own = stage.scene.camera
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    other.location = (500, 0, 5)
    stage.scene.collection.objects.link(other)
    marker = stage.scene.timeline_markers.new("Cut", frame=1)
    marker.camera = other  # which makes it the scene's
    stage.scene.camera = own
    stage.run(*([] if drawn else [h.STILL]))
    record = stage.record()
    assert not record["no_target"]
    assert record["camera"]["type"] == ("PERSP" if drawn else "ORTHO")
    assert stage.scene.camera == own and marker.camera == other


def key_in_a_strip(obj: bpy.types.Object) -> None:
    """What animates the object moves into a strip of the NLA."""
    action = obj.animation_data.action
    obj.animation_data.nla_tracks.new().strips.new("Strip", 1, action)
    obj.animation_data.action = None


@pytest.mark.versions
@pytest.mark.parametrize("how", ["keyed", "strip", "driven"])
def test_an_animated_level_gives_way_to_the_drawn_one(addon, stage, how: str) -> None:
    obj, level, name = stage.target("A", (-20, -20), (20, 20)), addon("blender.level"), addon("blender.names").LEVEL
    level.set_level(obj, 0.05)
    if how == "driven":
        curve = obj.driver_add(f'["{name}"]')
        curve.driver.expression = "0.05"
    else:
        level.key_level(obj)
        curve = obj.animation_data.action.layers[0].strips[0].channelbags[0].fcurves[0]
        if how == "strip":
            key_in_a_strip(obj)
    stage.run(h.STILL, {"randomize": {"level": True}, "wear": {"level": [0.9, 0.9]}})
    (instance,) = stage.record()["instances"]
    assert instance["level"] == pytest.approx(0.9) and instance["wear_percent"] > 75
    assert level.get_level(obj) == pytest.approx(0.05) and not curve.mute


@pytest.mark.versions
def test_animated_settings_give_way_to_the_jobs(addon, stage) -> None:
    """Exposure, samples and filter of the scene, and the index of an object that is no target."""
    stage.target("A", (-20, -20), (0, 20))
    scene, other = stage.scene, stage.plain("B", (1, -20), (20, 20))
    stage.run(h.STILL)
    other.pass_index = 1
    other.keyframe_insert("pass_index")
    scene.view_settings.exposure, scene.render.filter_size, scene.cycles.samples = 3.0, 9.0, 7
    for path in ("view_settings.exposure", "render.filter_size", "cycles.samples"):
        scene.keyframe_insert(path, frame=1)
    stage.run(h.STILL, out="animated")
    assert np.array_equal(stage.picture(), stage.picture(out="animated"))
    assert stage.record(out="animated")["instances"] == stage.record()["instances"]
    scene.frame_set(1)
    assert (scene.view_settings.exposure, scene.render.filter_size, scene.cycles.samples) == (3.0, 9.0, 7)
    assert other.pass_index == 1


# --- wear that does not show -----------------------------------------------------------------------------------------


def tree_of(obj: bpy.types.Object) -> bpy.types.NodeTree:
    return obj.data.materials[0].node_tree


def principled(tree: bpy.types.NodeTree) -> bpy.types.ShaderNode:
    return next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")


def replace_material(addon, obj: bpy.types.Object) -> None:
    obj.material_slots[0].material = h.material("Clean", h.painted("Clean"))


def mute_group(addon, obj: bpy.types.Object) -> None:
    addon("blender.material").group_of(obj.data.materials[0]).mute = True


def mute_link(addon, obj: bpy.types.Object) -> None:
    principled(tree_of(obj)).inputs["Base Color"].links[0].is_muted = True


def unplug_group(addon, obj: bpy.types.Object) -> None:
    tree = tree_of(obj)
    texture = next(n for n in tree.nodes if n.type == "TEX_IMAGE")
    tree.links.new(texture.outputs[0], principled(tree).inputs["Base Color"])


def another_shader(addon, obj: bpy.types.Object) -> None:
    tree = tree_of(obj)
    tree.links.new(tree.nodes.new("ShaderNodeBsdfPrincipled").outputs[0], tree.get_output_node("ALL").inputs[0])


def mix(obj: bpy.types.Object, other: str, factor: float) -> None:
    tree = tree_of(obj)
    node = tree.nodes.new("ShaderNodeMixShader")
    node.inputs[0].default_value = factor
    tree.links.new(tree.nodes.new(other).outputs[0], node.inputs[1])
    tree.links.new(principled(tree).outputs[0], node.inputs[2])
    tree.links.new(node.outputs[0], tree.get_output_node("ALL").inputs[0])


def mix_in_little(addon, obj: bpy.types.Object) -> None:
    mix(obj, "ShaderNodeEmission", 0.02)


def modifier_sets_material(addon, obj: bpy.types.Object) -> None:
    tree, source, target = h.geometry_nodes(obj)
    node = tree.nodes.new("GeometryNodeSetMaterial")
    node.inputs["Material"].default_value = h.material("Clean", None)
    tree.links.new(source, node.inputs[0])
    tree.links.new(node.outputs[0], target)


def lose_uvs(addon, obj: bpy.types.Object) -> None:
    modifier = obj.modifiers.new("Remesh", "REMESH")
    modifier.mode, modifier.octree_depth = "SHARP", 3


def nodes_off(addon, obj: bpy.types.Object) -> None:
    obj.data.materials[0].use_nodes = False


@pytest.mark.versions
@pytest.mark.parametrize(
    "hide",
    [
        replace_material,
        mute_group,
        mute_link,
        unplug_group,
        another_shader,
        mix_in_little,
        modifier_sets_material,
        lose_uvs,
        nodes_off,
    ],
)
def test_a_target_whose_wear_does_not_show_is_refused(addon, stage, hide: Any) -> None:
    if hide is nodes_off and bpy.app.version >= (5, 0):
        pytest.skip("materials have nodes always")
    obj = h.box("A", (-10, -10, 0), (10, 10, 5), h.material("Paint", h.painted("Base")))
    h.age(addon, obj, stage.path / "gallery", h.recipe(addon), level=0.5)
    hide(addon, obj)
    with pytest.raises(addon("errors").SynGenError, match=r"The wear of 'A' does not show: .*Generate again"):
        stage.run(h.STILL)
    assert not (stage.path / "out" / "job.json").exists()


@pytest.mark.versions
def test_wear_seen_through_groups_glass_and_modifiers_counts_as_shown(addon, stage) -> None:
    obj = stage.target("A", (-20, -20), (20, 20))
    mix(obj, "ShaderNodeBsdfTransparent", 0.7)  # what covers less than half counts for what lies behind
    tree = tree_of(obj)
    inner = bpy.data.node_groups.new("Tint", "ShaderNodeTree")
    for way in ("INPUT", "OUTPUT"):
        inner.interface.new_socket("Color", in_out=way, socket_type="NodeSocketColor")
    inner.links.new(inner.nodes.new("NodeGroupInput").outputs[0], inner.nodes.new("NodeGroupOutput").inputs[0])
    tint = tree.nodes.new("ShaderNodeGroup")
    tint.node_tree = inner
    color = principled(tree).inputs["Base Color"]
    tree.links.new(color.links[0].from_socket, tint.inputs[0])
    tree.links.new(tint.outputs[0], color)
    obj.modifiers.new("Subdivision", "SUBSURF").subdivision_type = "SIMPLE"
    addon("blender.shown").check_wear_shows(obj, bpy.context.evaluated_depsgraph_get())
    next(n for n in tree.nodes if n.type == "MIX_SHADER").inputs[0].default_value = 0.9
    stage.run(h.STILL)
    assert stage.record()["instances"][0]["wear_percent"] > 0


# --- where targets are -----------------------------------------------------------------------------------------------


@pytest.mark.versions
@pytest.mark.parametrize("how", ["object", "eye", "collection", "layer collection"])
def test_a_target_that_only_the_viewport_hides_is_found_where_it_is(addon, stage, how: str) -> None:
    obj = stage.plain("A", (-1, -1), (1, 1))
    obj.location.x = 100
    bpy.context.view_layer.update()
    h.age(addon, obj, stage.path / "gallery", h.recipe(addon), level=0.5)
    collection = bpy.data.collections.new("Hidden")
    stage.scene.collection.children.link(collection)
    collection.objects.link(obj)
    stage.scene.collection.objects.unlink(obj)
    branch = bpy.context.view_layer.layer_collection.children["Hidden"]
    if how == "eye":
        obj.hide_set(True)
    else:
        {"object": obj, "collection": collection, "layer collection": branch}[how].hide_viewport = True
    h.save(stage.path / "scene.blend")
    bpy.ops.wm.open_mainfile(filepath=str(stage.path / "scene.blend"))  # so that nothing has been evaluated yet
    before = h.snapshot()
    stage.again()
    # What is hidden has no place until something evaluates it.
    assert not [line for line in h.changes(before, h.snapshot()) if "/matrix_" not in line]
    record = stage.record()
    assert not record["no_target"] and abs(record["camera"]["matrix_world"][0][3] - 100) < 30


def test_a_target_that_is_only_instances_of_itself_is_told_what_to_do(addon, stage) -> None:
    obj = stage.target("A", (-5, -5), (5, 5))
    tree, source, target = h.geometry_nodes(obj)
    node = tree.nodes.new("GeometryNodeInstanceOnPoints")
    tree.links.new(source, node.inputs["Points"])
    tree.links.new(source, node.inputs["Instance"])
    tree.links.new(node.outputs[0], target)
    with pytest.raises(addon("errors").SynGenError, match=r"no faces of its own.*Realize Instances"):
        stage.run(h.STILL)


# --- files -----------------------------------------------------------------------------------------------------------


def picture_file(path: Path, color: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((8, 8, 3), color, np.uint8))
    return path


def test_missing_pictures_of_what_renders_are_named(addon, stage) -> None:
    stage.target("A", (-20, -20), (20, 20))
    for name, low in (("shown", 20), ("hidden", 24)):
        image = bpy.data.images.load(str(picture_file(stage.path / f"{name}.png")))
        h.plane(name, (low, -20), (low + 4, 20), 0, h.material(name, image)).hide_render = name == "hidden"
        (stage.path / f"{name}.png").unlink()
    summary = stage.run(h.STILL)
    (warning,) = [w for w in summary.warnings if "missing" in w]
    assert "shown.png" in warning and "hidden.png" not in warning


def test_a_missing_picture_of_a_target_is_an_error(addon, stage) -> None:
    file = picture_file(stage.path / "wood.png")
    obj = h.plane("A", (-20, -20), (20, 20), 0, h.material("Wood", bpy.data.images.load(str(file))))
    h.age(addon, obj, stage.path / "gallery", h.recipe(addon), level=0.5)
    file.unlink()
    with pytest.raises(addon("errors").SynGenError, match=r"target 'A' is missing: 'wood.png' \(.*wood.png\)"):
        stage.run(h.STILL)


@pytest.mark.versions
def test_every_file_that_a_render_reads_is_part_of_the_job(addon, stage) -> None:
    """Frames of a sequence, tiles, volumes, fonts; and the same path in two libraries."""
    inputs = addon("blender.inputs")
    here = stage.path
    for name in ("a0001.png", "a0002.png", "b0001.png", "t.1001.png", "t.1002.png"):
        picture_file(here / name)
    sequence = bpy.data.images.load(str(here / "a0001.png"))
    sequence.source = "SEQUENCE"
    tiles = bpy.data.images.load(str(here / "t.1001.png"))
    tiles.source, tiles.filepath = "TILED", str(here / "t.<UDIM>.png")
    tiles.tiles.new(1002)
    volume = bpy.data.volumes.new("Smoke")
    volume.filepath = str(here / "smoke.vdb")
    for folder in ("one", "two"):
        picture_file(here / folder / "wood.png", 40 if folder == "one" else 80)
        image = bpy.data.images.load(str(here / folder / "wood.png"))
        image.filepath = "//wood.png"
        bpy.data.libraries.write(str(here / folder / "library.blend"), {image}, path_remap="NONE")
        bpy.data.images.remove(image)
        with bpy.data.libraries.load(str(here / folder / "library.blend"), link=True) as (there, wanted):
            wanted.images = there.images
    stage.target("A", (-20, -20), (20, 20))
    h.save(here / "scene.blend")
    found = list(inputs.outside_files())
    names = [name for name, _ in found]
    assert len(names) == len(set(names))
    read = {str(path.relative_to(here)) for _, path in found}
    assert read == {
        *("a0001.png", "a0002.png", "t.1001.png", "t.1002.png", "smoke.vdb"),
        *("one/wood.png", "two/wood.png", "one/library.blend", "two/library.blend"),
    }


def test_every_file_that_a_recipe_names_is_part_of_the_job(addon, stage) -> None:
    recipes, inputs = addon("recipe"), addon("blender.inputs")
    h.save(stage.path / "scene.blend")
    named = [(section, key) for section, key in recipes.PATH_KEYS if (section, key) not in inputs.FOLDERS]
    assert ("texture", "exemplar") in named and ("causes", "damage_image") in named
    for section, key in named:
        found = []
        for place, content in (("a", b"1"), ("a", b"2"), ("b", b"2")):
            (stage.path / place).mkdir(exist_ok=True)
            (stage.path / place / "picture.png").write_bytes(content)
            recipe = h.recipe(addon, {section: {key: str(stage.path / place / "picture.png")}})
            found.append(inputs.job_inputs(recipe, 0, [], addon("blender.folders").Files(), "cpu"))
        assert found[0] != found[1] == found[2], (section, key)


def test_where_folders_lie_is_no_part_of_the_job(addon, stage) -> None:
    stage.target("A", (-20, -20), (20, 20))
    for folder in ("one", "two"):
        picture_file(stage.path / folder / "sky.png")
    here = {"background": {"kind": "images", "folder": str(stage.path / "one")}}
    there = {"background": {"kind": "images", "folder": str(stage.path / "two")}}
    stage.run(here)
    assert stage.again(there).found_finished == 1
    picture_file(stage.path / "two" / "sky.png", 90)
    with pytest.raises(addon("errors").SynGenError, match=r"another job: files.background.folder/sky.png"):
        stage.again(there)


def test_paths_of_a_recipe_count_from_its_file(addon, stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.target("A", (-20, -20), (20, 20))
    h.save(stage.path / "scene.blend")
    monkeypatch.setenv("HOME", str(stage.path / "home"))
    monkeypatch.setenv("USERPROFILE", str(stage.path / "home"))
    for folder in ("recipes/sky", "sky2", "home/sky3"):
        picture_file(stage.path / folder / "sky.png")
    cli, recipes = addon("blender.cli"), addon("recipe")
    for number, folder in enumerate(("sky", "//sky2", "~/sky3", str(stage.path / "sky2"))):
        text = recipes.dumps(h.recipe(addon, {"background": {"kind": "images", "folder": folder}}))
        (stage.path / "recipes" / "r.toml").write_text(text)
        arguments = ["--recipe", str(stage.path / "recipes" / "r.toml"), "--frames", "1"]
        assert cli.main([*arguments, "--out", str(stage.path / f"out{number}")]) == 0, folder
        assert stage.record(out=f"out{number}")["background"] == "sky.png"


# --- the folder ------------------------------------------------------------------------------------------------------

OBJECTS: dict[str, dict[str, Any]] = {"labels": {"class_from": "object"}, "export": {"split": [1.0, 0.0, 0.0]}}


def test_formats_made_again_without_a_scene_keep_their_class_numbers(addon, stage) -> None:
    """A class that no frame shows has its number, too."""
    stage.target("Zed", (-20, -20), (20, 20))
    stage.target("Abe", (-20, -20), (20, 20), -5)
    stage.run(h.STILL, OBJECTS)
    before = h.files_of(stage.path / "out")
    assert before["labels/0000/00000000.txt"].startswith(b"1 ")
    for name in ("data.yaml", "labels/0000/00000000.txt", "annotations/instances_train.json"):
        (stage.path / "out" / name).unlink()
    bpy.ops.wm.read_homefile(use_empty=True)
    assert addon("blender.cli").main(["--formats-only", "--out", str(stage.path / "out")]) == 0
    assert not h.differing(before, h.files_of(stage.path / "out"))


def test_another_export_section_is_the_same_job(addon, stage) -> None:
    stage.target("A", (-20, -20), (20, 20))
    stage.run(h.STILL, {"export": {"formats": ["yolo"]}}, frames=2)
    assert not (stage.path / "out" / "annotations").exists()
    summary = stage.again(h.STILL, {"export": {"formats": ["coco"], "split": [0.0, 0.0, 1.0]}}, frames=2)
    assert (summary.rendered, summary.found_finished) == (0, 2)
    assert (stage.path / "out" / "annotations" / "instances_test.json").is_file()
    kept = addon("recipe").load(stage.path / "out" / "recipe.toml")
    assert kept.export.formats == ("coco",)


def test_fewer_frames_leave_no_label_file_of_the_others(addon, stage) -> None:
    stage.target("A", (-20, -20), (20, 20))
    stage.run(h.STILL, frames=3)
    stage.again(h.STILL, frames=2)
    labels = stage.path / "out" / "labels" / "0000"
    assert sorted(p.name for p in labels.iterdir()) == ["00000000.txt", "00000001.txt"]
    assert stage.again(h.STILL, frames=3).rendered == 0 and len(list(labels.iterdir())) == 3


def test_a_split_that_got_no_picture_is_warned_of(addon, stage) -> None:
    stage.target("A", (-20, -20), (20, 20))
    summary = stage.run(h.STILL, {"export": {"split": [0.5, 0.5, 0.0]}})
    assert [w for w in summary.warnings if "split" in w] == [
        f"So few frames leave the {split} split empty; more fill it."
        for split in ("train", "val")
        if not (stage.path / "out" / f"{split}.txt").read_text()
    ]
    assert len([w for w in summary.warnings if "split" in w]) == 1
    assert not stage.again(h.STILL, {"export": {"split": [0.0, 0.0, 1.0]}}).warnings


def test_shards_give_up_on_the_jobs_first_frames_only(addon, stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard whose own frames happen to be empty goes on while another's may show a target."""
    target = stage.target("A", (-20, -20), (20, 20))
    target.location.x = 1000  # out of the camera's sight
    h.save(stage.path / "scene.blend")
    error = addon("errors").SynGenError
    assert stage.again(h.STILL, frames=40, shard=(0, 2)).rendered == 20
    with pytest.raises(error, match="None of the first 10 frames"):
        stage.again(h.STILL, frames=40, shard=(1, 2))
    assert len(list((stage.path / "out" / "records").glob("*/*.json"))) == 25


# --- names and warnings ----------------------------------------------------------------------------------------------


def test_only_stars_and_question_marks_are_wildcards(addon, stage) -> None:
    stage.target("Crate [old]", (-20, -20), (0, 20))
    stage.target("Crate o", (2, -20), (20, 20))
    table = {"targets": {"objects": ["Crate [old]"], "classes": {"Crate [old]": "old", "*": "other"}}}
    stage.run(h.STILL, table)
    (instance,) = stage.record()["instances"]
    assert (instance["name"], instance["classes"]["object"]) == ("Crate [old]", "old")
    stage.run(h.STILL, {"targets": {"objects": ["Crate ?*"]}}, out="both")
    assert len(stage.record(out="both")["instances"]) == 2


@pytest.mark.parametrize("worn", [True, False], ids=["worn", "unworn"])
def test_slots_that_are_left_out_are_warned_of_once(addon, stage, worn: bool) -> None:
    obj = h.box("A", (-10, -10, 0), (10, 10, 5), h.material("Paint", h.painted("Base")))
    obj.data.materials.append(h.material("Bare", None))
    obj.data.polygons[1].material_index = 1
    if worn:
        h.age(addon, obj, stage.path / "gallery", h.recipe(addon), level=0.5)
    summary = stage.run(h.STILL, {"targets": {"objects": ["A"]}})
    assert len([w for w in summary.warnings if w.startswith("A: ") and "Slot 2 is left out" in w]) == 1
    assert len(summary.warnings) == len(set(summary.warnings))


def test_a_layer_of_the_users_that_is_called_like_ours_serves_too(addon, stage) -> None:
    stage.target("A", (-20, -20), (20, 20))
    aov = bpy.context.view_layer.aovs.add()
    aov.name, aov.type = "syngen_wear", "COLOR"
    stage.run(h.STILL)
    assert stage.record()["instances"][0]["wear_percent"] == pytest.approx(50, abs=4)
    assert aov.type == "COLOR"
