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


@pytest.fixture
def stage(addon, empty_scene, tmp_path: Path):
    """A camera over the origin, a lamp, and what makes, wears and renders targets there."""

    class Stage:
        path = tmp_path
        scene = bpy.context.scene

        def target(
            self, name: str, low: tuple[float, float], high: tuple[float, float], z: float = 0.0, level: float = 0.5
        ) -> bpy.types.Object:
            obj = self.plain(name, low, high, z)
            h.age(addon, obj, tmp_path / "gallery", h.recipe(addon), level=level)
            return obj

        def plain(
            self, name: str, low: tuple[float, float], high: tuple[float, float], z: float = 0.0
        ) -> bpy.types.Object:
            return h.plane(name, low, high, z, h.material(f"Paint {name}", h.painted(f"Base {name}")))

        def run(self, *parts: dict[str, dict[str, Any]], out: str = "out", frames: int = 1) -> Any:
            h.save(tmp_path / "scene.blend")
            return self.again(*parts, out=out, frames=frames)

        def again(self, *parts: dict[str, dict[str, Any]], out: str = "out", frames: int = 1, **more: Any) -> Any:
            dataset = addon("blender.dataset")
            return dataset.run(dataset.Job(h.recipe(addon, *parts), tmp_path / out, frames, **more))

        def record(self, frame: int = 0, out: str = "out") -> dict[str, Any]:
            return h.record(tmp_path / out, frame)

        def picture(self, frame: int = 0, out: str = "out") -> np.ndarray:
            """H x W x 3, BGR."""
            return cv2.imread(str(tmp_path / out / "images" / "0000" / f"{frame:08d}.png"))

    h.camera_above()
    h.light()
    return Stage()


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


def geometry_nodes(obj: bpy.types.Object) -> tuple[bpy.types.NodeTree, Any, Any]:
    """A modifier of nodes, with what comes in and what goes out."""
    tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    obj.modifiers.new("Nodes", "NODES").node_group = tree
    return tree, tree.nodes.new("NodeGroupInput").outputs[0], tree.nodes.new("NodeGroupOutput").inputs[0]


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
    tree, source, target = geometry_nodes(obj)
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
    mix(obj, "ShaderNodeBsdfTransparent", 0.3)
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


@pytest.mark.versions
def test_a_target_that_instances_another_target_is_refused(addon, stage) -> None:
    carrier, copied = stage.target("A", (-20, -20), (20, 20), -1), stage.target("B", (-3, -3), (3, 3))
    copied.parent, carrier.instance_type = carrier, "VERTS"
    with pytest.raises(addon("errors").SynGenError, match="'B' is also shown as an instance by 'A'"):
        stage.run(h.STILL)


def test_a_target_that_is_only_instances_of_itself_is_told_what_to_do(addon, stage) -> None:
    obj = stage.target("A", (-5, -5), (5, 5))
    tree, source, target = geometry_nodes(obj)
    node = tree.nodes.new("GeometryNodeInstanceOnPoints")
    tree.links.new(source, node.inputs["Points"])
    tree.links.new(source, node.inputs["Instance"])
    tree.links.new(node.outputs[0], target)
    with pytest.raises(addon("errors").SynGenError, match=r"no faces of its own.*Realize Instances"):
        stage.run(h.STILL)
