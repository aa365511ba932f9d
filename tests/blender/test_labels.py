"""Geometry of the labels against renders: what one object covers alone, cameras of every kind, keypoints, classes."""

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Euler

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

CAMERAS: dict[str, dict[str, Any]] = {
    "perspective": {"lens": 40},
    "shifted": {"lens": 40, "shift_x": 0.21, "shift_y": -0.13},
    "upright": {"lens": 40, "sensor_fit": "VERTICAL", "sensor_height": 20, "shift_x": 0.1, "shift_y": 0.17},
    "orthographic": {"type": "ORTHO", "ortho_scale": 7.0},
    "orthographic, shifted": {"type": "ORTHO", "ortho_scale": 6.0, "shift_x": 0.3, "shift_y": 0.1},
}
SIZE = (96, 64)


@pytest.fixture
def scene(empty_scene: bpy.types.Scene) -> bpy.types.Scene:
    """Monkeys and balls before and behind each other, some over the border; a camera that looks at them aslant."""
    places = [(0, 0, 0), (1.2, -1.4, 0.3), (-1.5, -0.7, 0.2), (3.6, 0.5, 0), (-0.6, 1.7, 0.8)]
    for number, (x, y, z) in enumerate(places):
        if number % 2:
            bpy.ops.mesh.primitive_uv_sphere_add(segments=14, ring_count=9, location=(x, y, z))
        else:
            bpy.ops.mesh.primitive_monkey_add(location=(x, y, z), rotation=(0.3 * number, 0.2, number))
        obj = bpy.context.object
        obj.name, obj.pass_index = f"Thing {number}", number + 1
    bpy.data.objects["Thing 2"].modifiers.new("Finer", "SUBSURF").render_levels = 2  # in the viewport it is coarser
    data = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", data)
    camera.location, camera.rotation_euler, camera.scale = (5, -6, 4), Euler((1.1, 0.05, 0.7)), (2, 2, 2)
    empty_scene.collection.objects.link(camera)
    empty_scene.camera = camera
    return empty_scene


def layers_now(addon, tmp_path: Path, size: tuple[int, int] = SIZE) -> Any:
    render = {"samples": 1, "width": size[0], "height": size[1]}
    return h.render_layers(addon, h.recipe(addon, {"render": render}), tmp_path)[1]


def entries(addon, scene: bpy.types.Scene, layers: Any, objects: list[bpy.types.Object]) -> dict[str, dict[str, Any]]:
    """The entries of the frame that layers are of, as a job makes them."""
    records, types = addon("blender.records"), addon("labels.layers")
    scene.render.resolution_x, scene.render.resolution_y = layers.index.shape[::-1]
    geometry = addon("blender.geometry").Geometry(scene, bpy.context.view_layer, objects)
    view = records.view_of(records.camera_numbers(scene), scene)
    instances = [
        types.Instance(o.pass_index, o.name, {"object": "thing"}, "rust", "", 0.0, -1, (), geometry.body(o))
        for o in objects
    ]
    labels = addon("recipe").Labels()
    made = addon("labels.record").make_record(layers, instances, labels, {"frame": 0}, view, geometry.others())
    return {entry["name"]: entry for entry in made["instances"]}


@pytest.mark.versions
@pytest.mark.parametrize("kind", CAMERAS)
def test_hidden_and_cut_as_renders_of_one_object_alone_say(addon, scene, tmp_path: Path, kind: str) -> None:
    """Alone, and in a picture that reaches as far again beyond each border."""
    data = scene.camera.data
    for name, value in CAMERAS[kind].items():
        setattr(data, name, value)
    objects = [o for o in scene.objects if o.type == "MESH"]
    found = entries(addon, scene, layers_now(addon, tmp_path), objects)
    assert sum(e["visible_fraction"] < 0.99 for e in found.values()) >= 2 and len(found) >= 4
    assert any(e["truncation"] > 0 for e in found.values())
    data.shift_x, data.shift_y = data.shift_x / 3, data.shift_y / 3
    if data.type == "ORTHO":
        data.ortho_scale *= 3
    else:
        data.lens /= 3
    for name, entry in found.items():
        for other in objects:
            other.hide_render = other.name != name
        alone = layers_now(addon, tmp_path, (3 * SIZE[0], 3 * SIZE[1])).index > 0
        ys, xs = np.nonzero(alone)
        inside = alone[SIZE[1] : 2 * SIZE[1], SIZE[0] : 2 * SIZE[0]].sum()
        assert entry["silhouette_area"] == pytest.approx(alone.sum(), abs=2), "but for ties, pixel by pixel"
        assert entry["visible_fraction"] == pytest.approx(entry["area"] / alone.sum(), abs=0.01)
        assert entry["truncation"] == pytest.approx(1 - inside / alone.sum(), abs=0.01)
        x, y, width, height = entry["amodal_bbox"]
        edges = (xs.min() - SIZE[0], ys.min() - SIZE[1], xs.max() + 1 - SIZE[0], ys.max() + 1 - SIZE[1])
        assert np.allclose((x, y, x + width, y + height), edges, atol=1.01)


# --- what is known of the scene --------------------------------------------------------------------------------------


def wall(name: str) -> bpy.types.Object:
    """Hides the left half of the picture of camera_above."""
    made = h.plane(name, (-80, -40), (-40, 40))
    made.location = (40, 0, 5)
    return made


@pytest.mark.parametrize("how", ["plain", "hidden in the viewport", "instance", "hidden in renders", "nothing"])
def test_a_box_of_all_that_renders_show_is_looked_at(addon, empty_scene, tmp_path: Path, how: str) -> None:
    target = h.plane("Target", (-20, -20), (20, 20))
    target.pass_index = 1
    h.camera_above()
    if how != "nothing":
        made = wall("Wall")
        made.hide_viewport = how == "hidden in the viewport"
        made.hide_render = how == "hidden in renders"
    if how == "instance":
        collection = bpy.data.collections.new("Walls")
        empty_scene.collection.objects.unlink(made)
        collection.objects.link(made)
        shown = bpy.data.objects.new("Shown", None)
        shown.instance_type, shown.instance_collection = "COLLECTION", collection
        empty_scene.collection.objects.link(shown)
    (entry,) = entries(addon, empty_scene, layers_now(addon, tmp_path, (64, 64)), [target]).values()
    hidden = how not in ("nothing", "hidden in renders")
    assert (entry["visible_fraction"], entry["silhouette_area"]) == ((0.5, 1600) if hidden else (1.0, 1600))


def test_what_comes_after_the_job_began_may_hide_too(addon, empty_scene) -> None:
    target, _ = h.plane("Target", (-20, -20), (20, 20)), h.camera_above()
    geometry = addon("blender.geometry").Geometry(empty_scene, bpy.context.view_layer, [target])
    assert len(geometry.others()) == 0
    later = h.box("Later", (0, 0, 5), (4, 4, 6))
    (corners,) = geometry.others()
    assert corners.min(axis=0).tolist() == [0, 0, 5] and corners.max(axis=0).tolist() == [4, 4, 6]
    later.hide_render = True
    assert len(geometry.others()) == 0


@pytest.mark.versions
def test_what_the_nodes_of_a_target_make_is_part_of_it(addon, empty_scene, tmp_path: Path) -> None:
    target = h.plane("Target", (-4, -4), (4, 4))
    target.pass_index, target.location = 1, (-9, 2, 0)
    h.camera_above()
    tree = bpy.data.node_groups.new("Three", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    there, line, many, out = (
        tree.nodes.new(kind)
        for kind in ("NodeGroupInput", "GeometryNodeMeshLine", "GeometryNodeInstanceOnPoints", "NodeGroupOutput")
    )
    line.inputs["Count"].default_value, line.inputs["Offset"].default_value = 3, (10, 0, 0)
    tree.links.new(line.outputs[0], many.inputs["Points"])
    tree.links.new(there.outputs[0], many.inputs["Instance"])
    tree.links.new(many.outputs[0], out.inputs[0])
    target.modifiers.new("Three", "NODES").node_group = tree
    wall("Wall").location.x = 31
    (entry,) = entries(addon, empty_scene, layers_now(addon, tmp_path, (64, 64)), [target]).values()
    assert entry["amodal_bbox"] == [19.0, 26.0, 28.0, 8.0]
    assert (entry["silhouette_area"], entry["area"]) == (3 * 64, 2 * 64 + 4 * 8)


def test_objects_that_share_a_mesh_share_its_shape(addon, empty_scene) -> None:
    first = h.box("First", (0, 0, 0), (1, 1, 1))
    second = first.copy()
    other = first.copy()
    other.modifiers.new("Finer", "SUBSURF")
    for obj in (second, other):
        empty_scene.collection.objects.link(obj)
    h.camera_above()
    engine = empty_scene.render.engine
    shapes = addon("blender.geometry").Geometry(empty_scene, bpy.context.view_layer, [first, second, other]).shapes
    assert shapes[first] is shapes[second] and len(shapes[first].triangles) == 12
    assert len(shapes[other].triangles) == 12 * 4**2, "at the level of renders"
    assert empty_scene.render.engine == engine


# --- jobs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(addon, empty_scene, tmp_path: Path) -> Path:
    """Two worn plates 20 pixels wide, B half over A, which has three keypoints and the class "plate"."""
    variant = h.handmade(addon, tmp_path / "gallery" / "heavy_rust-0000-aaaa", h.ramp())
    for name, x, z in (("A", -10, 0), ("B", 0, 1)):
        obj = h.plane(name, (-10, -10), (10, 10), surface=h.material(f"M{name}", h.painted(f"I{name}")))
        obj.location = (x, 0, z)
        addon("blender.ageing").apply_variant(obj, variant, level=0.5)
    a = bpy.data.objects["A"]
    for name, place in (("left", (-9.5, 0, 0)), ("right", (9.5, 3.5, 0)), ("far", (-90, 0, 0))):
        point = bpy.data.objects.new(name, None)
        empty_scene.collection.objects.link(point)
        point.parent, point.location, point["syngen_keypoint"] = a, place, name
    h.light()
    h.camera_above()
    return h.save(tmp_path / "scene.blend")


def run(addon, *parts: dict[str, dict[str, Any]], out: Path) -> dict[str, dict[str, Any]]:
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(h.recipe(addon, h.STILL, *parts), out, 1))
    return {entry["name"]: entry for entry in h.record(out)["instances"]}


@pytest.mark.versions
def test_a_job_records_geometry_and_keypoints(addon, pair: Path) -> None:
    group = bpy.data.objects["B"].vertex_groups.new(name="keypoint:corner")
    group.add([2], 1.0, "REPLACE")
    out = pair.parent / "out"
    found = run(addon, out=out)
    assert (found["A"]["visible_fraction"], found["B"]["visible_fraction"], found["A"]["truncation"]) == (0.5, 1.0, 0.0)
    assert found["A"]["amodal_bbox"] == [12.0, 22.0, 20.0, 20.0] and found["A"]["silhouette_area"] == 400
    assert found["A"]["rotated_bbox"] == [17.0, 32.0, 10.0, 20.0, 0.0] and found["A"]["severity"] == 5
    points = {k["name"]: (k["x"], k["y"], k["visible"]) for k in found["A"]["keypoints"]}
    assert points == {"left": (12.5, 32.0, 2), "right": (31.5, 28.5, 1), "far": (-68.0, 32.0, 0)}
    assert [(k["name"], k["x"], k["y"]) for k in found["B"]["keypoints"]] == [("corner", 42.0, 22.0)]
    assert found["A"]["pose"]["rotation"] == [1, 0, 0, 0, -1, 0, 0, 0, -1]
    assert found["A"]["pose"]["translation_m"] == [-10, 0, 20] and found["A"]["box_3d"]["size_m"] == [20, 20, 0]
    about = json.loads((out / "job.json").read_text())
    assert about["classes"]["keypoints"] == ["corner", "far", "left", "right"]


def test_lengths_are_metres(addon, pair: Path) -> None:
    bpy.context.scene.unit_settings.scale_length = 0.01
    h.save(pair)
    found = run(addon, out=pair.parent / "out")["A"]
    assert found["pose"]["translation_m"] == pytest.approx([-0.1, 0, 0.2])
    assert found["box_3d"]["size_m"] == pytest.approx([0.2, 0.2, 0])
    assert found["keypoints"][1]["position_m"] == pytest.approx([-0.095, 0, 0])


def test_without_geometry_a_record_has_none(addon, pair: Path) -> None:
    found = run(addon, {"labels": {"geometry": False}}, out=pair.parent / "out")["A"]
    assert not {"pose", "amodal_bbox", "keypoints", "visible_fraction"} & found.keys() and found["severity"] == 5


def test_classes_by_name_property_collection_and_wear(addon, pair: Path) -> None:
    a, b = bpy.data.objects["A"], bpy.data.objects["B"]
    b["syngen_class"], a["sort"], b.data["sort"] = " plate ", 7, "old  plate"
    for name, obj in (("Yard", a), ("Yard", b), ("Racks", b)):
        collection = bpy.data.collections.get(name) or bpy.data.collections.new(name)
        collection.objects.link(obj)
        if name not in bpy.context.scene.collection.children:
            bpy.context.scene.collection.children.link(collection)
    h.save(pair)
    found = run(addon, {"labels": {"class_from": "property", "class_property": "sort"}}, out=pair.parent / "out")
    lists = json.loads((pair.parent / "out" / "job.json").read_text())["classes"]
    assert {choice: names for choice, names in lists.items() if choice not in ("wear", "kind", "keypoints")} == {
        "object": ["A", "plate"], "property": ["7", "old plate"], "collection": ["Racks", "Yard"],
        "object_wear": ["A clean", "A complete", "A default", "plate clean", "plate complete", "plate default"],
    }  # fmt: skip
    assert {name: entry["classes"] for name, entry in found.items()} == {
        "A": {"wear": "default", "kind": "heavy_rust", "object": "A", "collection": "Yard", "property": "7",
              "object_wear": "A default"},
        "B": {"wear": "default", "kind": "heavy_rust", "object": "plate", "collection": "Racks",
              "property": "old plate", "object_wear": "plate default"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"class_from": "collection"}, None, "'A' lies in no collection"),
        ({"class_from": "property"}, None, "labels.class_property names none"),
        ({"class_from": "property", "class_property": "sort"}, None, "'sort' of 'A' is missing"),
        ({"class_from": "object"}, "a", "'A' and 'a' differ in capitals only"),
        ({"class_from": "object"}, "rust\x07y", "cannot be printed"),
    ],
)
def test_classes_that_cannot_be_are_refused(addon, pair: Path, changes: dict, name: str | None, words: str) -> None:
    if name is not None:
        bpy.data.objects["B"]["syngen_class"] = name
        h.save(pair)
    out = pair.parent / "out"
    with pytest.raises(addon("errors").SynGenError, match=words):
        run(addon, {"labels": changes}, out=out)
    assert not (out / "job.json").exists()


def test_names_that_differ_in_how_a_letter_is_encoded_only_are_refused(addon) -> None:
    check = addon("blender.records").check_names
    check(["caf\u00e9", "cafe"], "class")
    with pytest.raises(addon("errors").SynGenError, match="look the same"):
        check(["caf\u00e9", "cafe\u0301"], "class")


def test_a_class_with_a_path_and_quotes_in_it_stays_what_it_is(addon, pair: Path) -> None:
    name = """../3/4" 'bolt'\\"""
    bpy.data.objects["B"]["syngen_class"] = name
    h.save(pair)
    out = pair.parent / "out"
    before = {p for p in pair.parent.rglob("*") if out not in p.parents}
    run(addon, {"labels": {"class_from": "object"}, "export": {"formats": ["coco", "classify"]}}, out=out)
    coco = json.loads((out / "annotations" / "instances_train.json").read_text())
    assert [category["name"] for category in coco["categories"]] == sorted(["A", name])
    assert {p for p in pair.parent.rglob("*") if out not in p.parents} - before == {out}


def test_two_keypoints_of_one_name_are_refused(addon, pair: Path) -> None:
    bpy.data.objects["A"].vertex_groups.new(name="keypoint:left").add([0], 1.0, "REPLACE")
    h.save(pair)
    with pytest.raises(addon("errors").SynGenError, match="'A' has two keypoints called 'left'"):
        run(addon, out=pair.parent / "out")
    assert not (pair.parent / "out").exists(), "told before anything is made"


def test_keypoints_of_a_part_are_not_those_of_what_it_hangs_on(addon, pair: Path) -> None:
    """A lid and its handle may both have a "left"; an empty between a mesh and its keypoint is no matter."""
    a, b = bpy.data.objects["A"], bpy.data.objects["B"]
    b.parent, b.matrix_parent_inverse = a, a.matrix_world.inverted()
    between = bpy.data.objects.new("between", None)
    point = bpy.data.objects.new("B left", None)
    between.parent, point.parent, point["syngen_keypoint"] = b, between, "left"
    for each in (between, point):
        bpy.context.collection.objects.link(each)
    h.save(pair)
    found = run(addon, out=pair.parent / "out")
    names = {name: [each["name"] for each in found[name]["keypoints"]] for name in "AB"}
    assert names == {"A": ["far", "left", "right"], "B": ["left"]}


# --- marking ---------------------------------------------------------------------------------------------------------


@pytest.mark.versions
def test_keypoints_are_marked_by_buttons(addon, empty_scene) -> None:
    obj, points = h.box("Drum", (0, 0, 0), (1, 1, 1)), addon("blender.keypoints")
    empty = bpy.data.objects.new("tip.001", None)
    empty_scene.collection.objects.link(empty)
    bpy.context.view_layer.objects.active = empty
    assert not bpy.ops.syngen.mark_keypoint.poll(), "it is parented to nothing"
    empty.parent = obj
    assert not bpy.ops.syngen.unmark_keypoint.poll()
    assert bpy.ops.syngen.mark_keypoint() == {"FINISHED"} and points.names_of(obj) == ["tip"]
    bpy.context.view_layer.objects.active = obj
    assert not bpy.ops.syngen.mark_keypoint.poll(), "it has no vertex group"
    obj.vertex_groups.new(name="handle")
    with pytest.raises(RuntimeError, match="has a keypoint called 'tip' already"):
        bpy.ops.syngen.mark_keypoint(name="tip")
    with pytest.raises(RuntimeError, match="too long"):
        bpy.ops.syngen.mark_keypoint(name="x" * 51)
    assert bpy.ops.syngen.mark_keypoint(name=" left  handle ") == {"FINISHED"}
    assert points.names_of(obj) == ["left handle", "tip"] and obj.vertex_groups[0].name == "keypoint:left handle"
    assert bpy.ops.syngen.unmark_keypoint() == {"FINISHED"} and obj.vertex_groups[0].name == "left handle"
    bpy.context.view_layer.objects.active = empty
    assert bpy.ops.syngen.unmark_keypoint() == {"FINISHED"} and points.names_of(obj) == []


@pytest.mark.versions
def test_marking_is_one_undo_step(addon, empty_scene) -> None:
    obj, points = h.box("Drum", (0, 0, 0), (1, 1, 1)), addon("blender.keypoints")
    obj.vertex_groups.new(name="handle")
    bpy.context.view_layer.objects.active = obj
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.syngen.mark_keypoint("EXEC_DEFAULT", True, name="handle") == {"FINISHED"}
    assert points.names_of(bpy.data.objects["Drum"]) == ["handle"]
    assert bpy.ops.ed.undo() == {"FINISHED"} and points.names_of(bpy.data.objects["Drum"]) == []
    assert bpy.ops.ed.redo() == {"FINISHED"} and points.names_of(bpy.data.objects["Drum"]) == ["handle"]
