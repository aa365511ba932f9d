"""What a frame may vary beside camera, lights and wear: sky, ground, things, poses, falls, colours, kinds and presets.

Where things are is read from the scene or from labels; few renders, tiny ones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest
from mathutils import Matrix, Vector
from pycocotools import mask as coco_mask

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

CRATES: dict[str, dict[str, Any]] = {"targets": {"objects": ["Crate *"]}, "export": {"formats": ["coco"]}}
EVERYTHING: dict[str, dict[str, Any]] = h.merged(
    CRATES,
    {
        "camera": {"dof": True},
        "light": {"sky": 0.5, "indoor": 0.25, "area_lights": [1, 2]},
        "background": {"kind": "environment"},
        "ground": {"randomize": True},
        "distractors": {"count": [2, 3], "occluders": [1, 2], "occlusion": [0.0, 0.9], "collection": "Props"},
        "pose": {"yaw_deg": [-180, 180], "tilt_deg": [0, 90], "shift_m": [0, 0.5], "drop": True},
        "tint": {"hue_deg": [-90, 90], "value": [0.5, 1.5]},
        "wear": {"kinds": ["heavy_rust", "moss"]},
        "causes": {"presets": ["none", "coastal"]},
    },
)


def tangled(tmp_path: Path) -> list[bpy.types.Object]:
    """Two crates, one of them sheared by what it hangs on, constrained and keyed, with a lid; and props."""
    first, second = h.two_boxes()
    hub = bpy.data.objects.new("Hub", None)
    hub.scale, hub.rotation_euler, hub.location = (1.0, 2.0, 0.7), (0.2, 0.1, 0.4), (0.5, 0.3, 0.2)
    bpy.context.scene.collection.objects.link(hub)
    second.parent = hub
    second.matrix_parent_inverse = Matrix(((1, 0.3, 0, 0.1), (0, 1, 0, 0.2), (0, 0.2, 1, 0), (0, 0, 0, 1)))
    second.rotation_euler = (0.1, 0.2, 0.3)
    limit = second.constraints.new("LIMIT_LOCATION")
    limit.use_min_z, limit.min_z = True, 0.9
    first.keyframe_insert("location", frame=1)
    first.delta_location = (0.0, 0.1, 0.2)
    lid = h.box("Lid", (0, 0, 1), (1, 1, 1.1), h.material("Lid", None))
    lid.parent = first
    props = bpy.data.collections.new("Props")
    bpy.context.scene.collection.children.link(props)
    for name, low, high in (("Ball", (5, 5, 0), (6, 6, 1)), ("Stick", (7, 5, 0), (7.1, 5.1, 1))):
        prop = h.box(name, low, high, h.material(name, None))
        bpy.context.scene.collection.objects.unlink(prop)
        props.objects.link(prop)
    bpy.context.view_layer.update()
    h.save(tmp_path / "scene.blend")
    return [first, second]


# --- all of it -------------------------------------------------------------------------------------------------------


@pytest.mark.versions
def test_with_everything_drawn_the_scene_is_left_as_it_was(addon, empty_scene, tmp_path: Path) -> None:
    """And a frame is the same whichever frames came before it."""
    tangled(tmp_path)
    dataset, before = addon("blender.dataset"), h.snapshot()
    recipe = h.recipe(addon, EVERYTHING)
    assert dataset.run(dataset.Job(recipe, tmp_path / "out", 3)).complete
    assert h.changes(before, h.snapshot()) == []
    dataset.run(dataset.Job(recipe, tmp_path / "again", 3, only=2))
    for name in ("images/0000/00000002.png", "records/0000/00000002.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    draws = [h.record(tmp_path / "out", k)["draw"] for k in range(3)]
    assert all(d["ground"] and d["poses"] and d["rests"] and d["tints"] for d in draws)
    assert any(d.get("sky") for d in draws) and any(d.get("distractors") for d in draws)


def test_a_job_that_fails_gives_all_of_it_back(addon, empty_scene, tmp_path: Path, monkeypatch) -> None:
    tangled(tmp_path)
    dataset, before = addon("blender.dataset"), h.snapshot()
    monkeypatch.setattr(addon("blender.render"), "read_layers", lambda *a, **m: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        dataset.run(dataset.Job(h.recipe(addon, EVERYTHING), tmp_path / "out", 1))
    assert h.changes(before, h.snapshot()) == []


def test_a_preview_shows_all_of_it_and_gives_it_back(addon, empty_scene, tmp_path: Path) -> None:
    crates = tangled(tmp_path)
    recipe = h.recipe(addon, EVERYTHING, {"wear": {"kinds": []}, "causes": {"presets": []}})
    for crate in crates:
        h.age(addon, crate, tmp_path / "gallery", recipe)
    before, preview = h.snapshot(), addon("blender.preview_frame")
    preview.begin(bpy.context, recipe, 1, 0)
    shown = [o for o in bpy.context.scene.objects if o.instance_type == "COLLECTION" and not o.hide_render]
    assert shown and not bpy.data.objects["SynGen ground"].hide_render and "syngen_tint" in crates[0]
    assert crates[0].parent.name.startswith("SynGen pose") and len(bpy.data.scenes) == 1
    preview.end(bpy.context.scene)
    bpy.context.view_layer.update()
    assert h.changes(before, h.snapshot()) == []


def test_frames_make_no_datablocks_and_what_is_off_is_not_there(addon, empty_scene, tmp_path: Path) -> None:
    tangled(tmp_path)

    def blocks() -> list[str]:
        """All but the pictures, of which each is loaded when it is first shown."""
        return sorted(b.name for b in addon("blender.state").all_blocks() if not isinstance(b, bpy.types.Image))

    with staged(addon, tmp_path, h.recipe(addon, EVERYTHING)) as frames:
        frames.show(frames.draw(0, 0))
        many = blocks()
        for number in range(1, 25):
            frames.show(frames.draw(number, 0))
        assert blocks() == many
    with staged(addon, tmp_path, h.recipe(addon, CRATES)) as frames:
        frames.show(frames.draw(0, 0))
        assert (frames.rig.ground, frames.rig.things, frames.poser) == (None, None, None)
        assert "sky" not in frames.rig.world.nodes
        groups = [group for target in frames.targets for group in target.groups.values()]
        assert groups and not any("syngen_tint" in group.nodes for group in groups)


class staged:
    """A job's scene, prepared and not rendered."""

    def __init__(self, addon: h.Addon, place: Path, recipe: Any) -> None:
        self.addon, self.place, self.recipe = addon, place, recipe

    def __enter__(self) -> Any:
        dataset, targets = self.addon("blender.dataset"), self.addon("blender.targets")
        scene, layer = bpy.context.scene, bpy.context.view_layer
        self.borrowed = self.addon("blender.state").Borrowed()
        self.borrowed.__enter__()
        job = dataset.Job(self.recipe, self.place / "out", 100)
        frames = dataset.Frames(job, "", scene, layer, self.borrowed, self.place, lambda p: None, lambda: False)
        found = self.addon("blender.folders").files_of(self.recipe)
        frames.prepare(targets.find_targets(self.recipe, scene, layer), found, "cpu")
        return frames

    def __exit__(self, *about: Any) -> None:
        self.borrowed.__exit__(None, None, None)


# --- poses -----------------------------------------------------------------------------------------------------------


def vertices(obj: bpy.types.Object) -> np.ndarray:
    bpy.context.view_layer.update()
    evaluated = obj.evaluated_get(bpy.context.view_layer.depsgraph)
    return np.array([evaluated.matrix_world @ v.co for v in evaluated.data.vertices])


def moved(points: np.ndarray, matrix: Any) -> np.ndarray:
    m = np.array(matrix)
    return points @ m[:3, :3].T + m[:3, 3]


POSED = h.merged(CRATES, {"pose": {"yaw_deg": [-180, 180], "tilt_deg": [10, 80], "shift_m": [0.5, 1.0]}})


def test_targets_lie_where_the_record_says_whatever_holds_them(addon, empty_scene, tmp_path: Path) -> None:
    """Sheared, constrained, keyed, with deltas and children: each vertex moves by the matrix in the draw."""
    objects = {obj.name: obj for obj in [*tangled(tmp_path), bpy.data.objects["Lid"]]}
    before = {name: vertices(obj) for name, obj in objects.items()}
    with staged(addon, tmp_path, h.recipe(addon, POSED)) as frames:
        for number in (0, 7):
            draw = frames.draw(number, 0)
            frames.show(draw)
            assert draw.rests.keys() == {"Crate A", "Crate B"}
            for name, leader in (("Crate A", "Crate A"), ("Crate B", "Crate B"), ("Lid", "Crate A")):
                wanted = moved(before[name], draw.rests[leader])
                np.testing.assert_allclose(vertices(objects[name]), wanted, atol=2e-5)
                assert np.abs(wanted - before[name]).max() > 0.3
    for name, obj in objects.items():
        assert (vertices(obj) == before[name]).all()


def test_the_mask_is_where_the_pose_puts_the_target(addon, empty_scene, tmp_path: Path) -> None:
    h.box("Crate A", (-8, -6, 0), (8, 6, 4), h.material("Paint", h.painted("Base")))
    h.camera_above()
    h.light()
    h.save(tmp_path / "scene.blend")
    dataset = addon("blender.dataset")
    changes = h.merged(h.STILL, CRATES, {"pose": {"yaw_deg": [90, 90], "shift_m": [10, 10]}})
    dataset.run(dataset.Job(h.recipe(addon, changes), tmp_path / "out", 1))
    record = h.record(tmp_path / "out")
    x, y, _ = record["draw"]["poses"]["Crate A"]["shift_m"]
    across, down = np.meshgrid(np.arange(64) - 31.5, 31.5 - np.arange(64))  # pixel centres, in units
    wanted = (np.abs(across - x) < 6) & (np.abs(down - y) < 8)
    (instance,) = record["instances"]
    assert abs(x) + abs(y) > 9 and (coco_mask.decode(instance["segmentation"]).astype(bool) == wanted).all()


def test_what_cannot_be_posed_stays_and_is_named(addon, empty_scene, tmp_path: Path) -> None:
    """A target on a target rides along; one that another object shapes stays."""
    first, second = h.two_boxes()
    third = h.box("Crate C", (3, 3, 0), (4, 4, 1), h.material("Paint C", h.painted("Base C")))
    second.parent = first
    bender = bpy.data.objects.new("Bender", None)
    bpy.context.scene.collection.objects.link(bender)
    hook = third.modifiers.new("Hook", "HOOK")
    hook.object = bender
    hook.vertex_indices_set([0, 1])
    bender.location = (0.3, 0.2, 0.5)
    h.save(tmp_path / "scene.blend")
    before = {obj.name: vertices(obj) for obj in (first, second, third)}
    with staged(addon, tmp_path, h.recipe(addon, POSED)) as frames:
        draw = frames.draw(0, 0)
        frames.show(draw)
        assert draw.rests.keys() == {"Crate A", "Crate B"} and draw.poses.keys() == {"Crate A"}
        assert draw.rests["Crate A"] == draw.rests["Crate B"]
        np.testing.assert_allclose(vertices(second), moved(before["Crate B"], draw.rests["Crate A"]), atol=2e-5)
        np.testing.assert_allclose(vertices(third), before["Crate C"], atol=2e-5)
        assert any("Crate C stays where it is: a modifier" in warning for warning in frames.warnings)
        assert any("Crate B is parented to the target Crate A" in warning for warning in frames.warnings)


FALLING = h.merged(CRATES, {"pose": {"yaw_deg": [-180, 180], "tilt_deg": [20, 160], "drop": True}})


@pytest.mark.versions
def test_targets_fall_onto_the_ground_and_lie_still_there(addon, empty_scene, tmp_path: Path) -> None:
    crates = h.two_boxes()
    h.save(tmp_path / "scene.blend")
    told: list[Any] = []
    bpy.app.handlers.frame_change_post.append(lambda *about: told.append(about))
    try:
        with staged(addon, tmp_path, h.recipe(addon, FALLING)) as frames:
            first = frames.poser.rest(frames.job.recipe, 0, 0)
            for number in (1, 2, 3):
                frames.show(frames.draw(number, 0))
                lowest = [np.sort(vertices(crate)[:, 2])[:4] for crate in crates]
                np.testing.assert_allclose(lowest, 0, atol=2e-3)  # on a side, not an edge
                gaps = vertices(crates[1]).mean(axis=0) - vertices(crates[0]).mean(axis=0)
                assert np.linalg.norm(gaps) > 0.85  # not in each other
            assert frames.poser.rest(frames.job.recipe, 0, 0) == first  # whatever fell before
        assert all(about[0] == bpy.context.scene for about in told) and bpy.app.handlers.frame_change_post
    finally:
        bpy.app.handlers.frame_change_post.pop()
    assert len(bpy.data.scenes) == 1


@pytest.mark.versions
def test_targets_fall_where_the_scene_has_a_simulation_of_its_own(addon, empty_scene, tmp_path: Path) -> None:
    """Blender would crash at the end of the job. What the scene's own bodies have come to stays, too."""
    h.two_boxes()
    bpy.ops.rigidbody.world_add()
    for name, kind in (("Floor", "PASSIVE"), ("Crate B", "ACTIVE")):
        bpy.context.view_layer.objects.active = bpy.data.objects[name]
        bpy.ops.rigidbody.object_add()
        bpy.data.objects[name].rigid_body.type = kind
    bpy.data.objects["Crate B"].location.z = 2
    for frame in range(1, 12):
        bpy.context.scene.frame_set(frame)
    h.save(tmp_path / "scene.blend")
    before = vertices(bpy.data.objects["Crate B"])
    with staged(addon, tmp_path, h.recipe(addon, FALLING)) as frames:
        frames.show(frames.draw(0, 0))
        assert any("Crate B stays where it is: the scene's rigid bodies" in warning for warning in frames.warnings)
        np.testing.assert_array_equal(vertices(bpy.data.objects["Crate B"]), before)
    np.testing.assert_array_equal(vertices(bpy.data.objects["Crate B"]), before)
    assert before[:, 2].max() < 2.7 and len(bpy.data.scenes) == 1


def test_what_is_round_lies_on_the_ground_and_not_in_it(addon, empty_scene, tmp_path: Path) -> None:
    """Its hull is of few points, and those between them lie a little lower."""
    for each in h.two_boxes():
        bpy.data.meshes.remove(each.data)
    bpy.ops.mesh.primitive_cylinder_add(vertices=512, radius=0.25, depth=1.2, location=(0, 0, 0.6))
    drum = bpy.context.object
    drum.name = "Crate A"
    drum.data.materials.append(h.material("M", h.painted("I")))
    addon("blender.ageing")
    h.save(tmp_path / "scene.blend")
    only = h.merged(FALLING, {"targets": {"objects": ["Crate A"]}})
    with staged(addon, tmp_path, h.recipe(addon, only)) as frames:
        for number in range(3):
            frames.show(frames.draw(number, 0))
            assert vertices(drum)[:, 2].min() == pytest.approx(0, abs=1e-5)


# --- colour of the base texture --------------------------------------------------------------------------------------


@pytest.mark.versions
def test_a_tint_changes_what_is_sound_and_not_a_bit_where_there_is_none(addon, empty_scene, tmp_path: Path) -> None:
    variant = h.handmade(addon, tmp_path / "gallery" / "heavy_rust-0000-aaaa", h.ramp(), cover=1.0)
    left = h.plane("Crate A", (-30, -20), (0, 20), 0, h.material("MA", h.painted("IA")))
    addon("blender.ageing").apply_variant(left, variant, level=0.5)
    h.light()
    h.camera_above()
    material, recipe = addon("blender.material"), h.recipe(addon, h.STILL)
    before, _ = h.render_layers(addon, recipe, tmp_path)
    tree = left.active_material.node_tree
    plain = h.node_tree(material.group_of(left.active_material).node_tree)
    (group,) = material.add_tint(left.active_material)
    same, _ = h.render_layers(addon, recipe, tmp_path)
    assert (same == before).all() and material.add_tint(left.active_material) == []
    left["syngen_tint"] = (0.3, 1.0, 0.2)
    left.update_tag()
    after, layers = h.render_layers(addon, recipe, tmp_path)
    change = np.abs(after.astype(int) - before.astype(int)).max(axis=2)
    sound, worn = (layers.index == 1) | (layers.wear == 0), layers.wear > 0.99
    inside = np.zeros_like(worn)
    inside[14:50, 4:30] = True
    assert change[inside & (layers.wear == 0)].min() > 8
    assert change[inside & worn].max() <= 1 and sound.any()
    material.remove_tint(group)
    assert h.node_tree(group) == plain and tree.nodes
    back, _ = h.render_layers(addon, recipe, tmp_path)
    assert (back == before).all()


# --- kinds and presets -----------------------------------------------------------------------------------------------


def test_labels_follow_the_kind_that_is_drawn(addon, empty_scene, tmp_path: Path, monkeypatch) -> None:
    h.two_boxes()
    h.save(tmp_path / "scene.blend")
    asked = []
    make = addon("blender.wearing").make_variants

    def noting(request: Any, *arguments: Any, **more: Any) -> Any:
        asked.append((request.name, request.kind.name, request.recipe.causes.preset))
        return make(request, *arguments, **more)

    monkeypatch.setattr(addon("blender.wearing"), "make_variants", noting)
    changes = {
        "wear": {"kinds": ["heavy_rust", "dents"], "level": [0.4, 0.6]},
        "causes": {"presets": ["none", "coastal"]},
    }
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(h.recipe(addon, CRATES, changes), tmp_path / "out", 8))
    pairs = [(kind, preset) for kind in ("heavy_rust", "dents") for preset in ("none", "coastal")]
    assert asked == [(name, *pair) for name in ("Crate A", "Crate B") for pair in pairs]
    seen = set()
    for number in range(8):
        record = h.record(tmp_path / "out", number)
        for instance in record["instances"]:
            kind = pairs[record["draw"]["variants"][instance["name"]] // 2][0]
            assert instance["classes"]["kind"] == kind
            assert instance["classes"]["wear"] == ("dent" if kind == "dents" else "default")
            assert instance["level"] == pytest.approx(record["draw"]["levels"][instance["name"]], abs=1e-6)
            seen.add(kind)
    assert seen == {"heavy_rust", "dents"}
    with pytest.raises(addon("errors").SynGenError, match=r"wear\.also lays 'dents' beside every kind"):
        more = h.recipe(addon, CRATES, changes, {"wear": {"also": {"dents": [0.1, 0.2]}}})
        dataset.run(dataset.Job(more, tmp_path / "other", 1))


# --- sky and ground --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", ["+Z", "+Y"])
def test_the_sky_is_brightest_towards_its_sun(addon, empty_scene, tmp_path: Path, up: str) -> None:
    """A camera that looks towards the sun sees more light than one that looks the other way."""
    h.two_boxes()
    h.save(tmp_path / "scene.blend")
    settings = h.recipe(addon, CRATES, {"light": {"sky": 1.0}, "wear": {"up": up}, "render": {"samples": 1}})
    with staged(addon, tmp_path, settings) as frames:
        for number in range(8):
            draw = frames.draw(number, 0)
            if draw.sky.towards_sun["XYZ".index(up[1])] < 0.7:
                break
        frames.show(draw)
        for obj in bpy.data.objects:
            obj.hide_render = obj.type == "MESH"
        towards = np.array(draw.sky.towards_sun)
        axis = np.array(addon("variants").UPS[up])
        level = towards - axis * (towards @ axis)
        side = np.cross(axis, level)
        seen = {}
        for name, way in (("to", level), ("from", -level), ("side", side), ("below", -axis)):
            turned = Vector(way).to_track_quat("-Z", "Y").to_matrix()
            frames.rig.camera.matrix_world = turned.to_4x4()
            picture, _ = addon("blender.render").render_frame(frames.scene, frames.layer, tmp_path)
            seen[name] = h.decode_png(picture).mean()
        assert seen["to"] > seen["side"] > 20 and seen["to"] > seen["from"] + 3
        assert 3 < seen["below"] < seen["to"]


def test_a_frame_of_the_map_after_one_of_the_sky_is_lit_by_the_map(addon, empty_scene, tmp_path: Path) -> None:
    h.two_boxes()
    h.save(tmp_path / "scene.blend")
    with staged(addon, tmp_path, h.recipe(addon, CRATES, {"light": {"sky": 0.5}})) as frames:
        lit = set()
        for number in range(8):
            draw = frames.draw(number, 0)
            frames.show(draw)
            (link,) = frames.rig.world.nodes["light"].inputs["Color"].links
            assert link.from_node == frames.rig.world.nodes["ground" if draw.sky else "environment"]
            lit.add(draw.sky is None)
        assert lit == {True, False}


@pytest.mark.parametrize("up", ["+Z", "+Y"])
def test_the_environment_is_turned_and_as_bright_as_recorded(addon, empty_scene, tmp_path: Path, up: str) -> None:
    """A map that is bright towards its +X, on the horizon: as the axes lie where +Z is up, and where they do not."""
    h.two_boxes()
    h.save(tmp_path / "scene.blend")
    (tmp_path / "maps").mkdir()
    sky = np.full((32, 64, 3), 0.1, np.float32)
    sky[12:20, 28:36] = 0.8  # the middle of a map shows +X
    cv2.imwrite(str(tmp_path / "maps" / "spot.hdr"), sky)
    light = {"environments": str(tmp_path / "maps"), "sky": 0.0, "exposure_ev": [0, 0]}
    settings = {"light": light, "wear": {"up": up}, "background": {"kind": "environment"}}
    plain = {"render": {"samples": 1, "view_transform": "Standard"}}
    with staged(addon, tmp_path, h.recipe(addon, CRATES, settings, plain)) as frames:
        for obj in bpy.data.objects:
            obj.hide_render = obj.type == "MESH"
        for number in range(3):
            draw = frames.draw(number, 0)
            frames.show(draw)
            turn = -draw.environment.rotation_rad
            upright = addon("blender.world").upright(addon("variants").UPS[up])
            towards = upright.transposed() @ Vector((np.cos(turn), np.sin(turn), 0))
            for way, value in ((towards, 0.8), (-towards, 0.1)):
                frames.rig.camera.matrix_world = way.to_track_quat("-Z", "Y").to_matrix().to_4x4()
                picture, _ = addon("blender.render").render_frame(frames.scene, frames.layer, tmp_path)
                shown = h.decode_png(picture)[28:36, 28:36].mean() / 255
                expected = float(addon("images").linear_to_srgb(np.array(value * draw.environment.strength)).clip(0, 1))
                assert shown == pytest.approx(expected, abs=0.03), (number, value)


def test_camera_and_lamps_are_those_of_the_record(addon, empty_scene, tmp_path: Path) -> None:
    h.two_boxes()
    h.save(tmp_path / "scene.blend")
    camera = {"sensor_mm": [10, 30], "focal_mm": [20, 60], "dof": True, "fstop": [0.5, 4]}
    light = {"indoor": 1.0, "area_lights": [0, 3], "environment_strength": [0, 0]}
    with staged(addon, tmp_path, h.recipe(addon, CRATES, {"camera": camera, "light": light})) as frames:
        shown = set()
        for number in range(4):
            draw = frames.draw(number, 0)
            frames.show(draw)
            bpy.context.view_layer.update()
            lens, seen = frames.rig.camera.data, draw.camera
            assert np.allclose(frames.rig.camera.matrix_world, seen.matrix_world, atol=1e-6)
            assert (lens.sensor_width, lens.lens) == pytest.approx((seen.sensor_mm, seen.focal_mm))
            assert lens.dof.use_dof
            assert (lens.dof.aperture_fstop, lens.dof.focus_distance) == pytest.approx((seen.fstop, seen.focus_m))
            lit = [lamp for lamp in bpy.data.objects if lamp.type == "LIGHT" and not lamp.hide_render]
            lit = [lamp for lamp in lit if lamp.data.energy > 0]
            assert len(lit) == len(draw.areas) > 0
            for lamp, area in zip(sorted(lit, key=lambda each: each.name), draw.areas, strict=True):
                assert np.allclose(lamp.matrix_world.translation, area.location, atol=1e-5)
                towards = (Vector(area.target) - Vector(area.location)).normalized()
                assert -lamp.matrix_world.col[2].to_3d().normalized() @ towards == pytest.approx(1, abs=1e-5)
                assert (lamp.data.energy, lamp.data.size) == pytest.approx((area.power_w, area.size_m))
                assert tuple(lamp.data.color) == pytest.approx(area.color_linear, abs=1e-6)
            shown.add(len(lit))
        assert len(shown) > 1


def test_lamps_of_earlier_frames_change_nothing(addon, empty_scene, tmp_path: Path) -> None:
    """Nor does a sun that was away indoors: the noise of a frame hangs on the order of lights, too."""
    h.two_boxes()
    h.save(tmp_path / "scene.blend")
    light = {"indoor": 0.5, "area_lights": [0, 3], "keep_scene_lights": True}
    settings = h.recipe(addon, CRATES, {"light": light})

    def pictures(numbers: Sequence[int]) -> dict[int, bytes]:
        with staged(addon, tmp_path, settings) as frames:
            found = {}
            for number in numbers:
                frames.show(frames.draw(number, 0))
                found[number] = addon("blender.render").render_frame(frames.scene, frames.layer, tmp_path)[0]
            return found

    in_turn = pictures(range(6))
    for number in (3, 4, 5):
        assert pictures([number])[number] == in_turn[number], number


def test_the_ground_lies_under_the_targets_and_shows_its_picture(addon, empty_scene, tmp_path: Path) -> None:
    h.two_boxes()
    bpy.data.objects.remove(bpy.data.objects["Floor"])
    h.save(tmp_path / "scene.blend")
    (tmp_path / "floor").mkdir()
    addon("images").save_png(tmp_path / "floor" / "tiles.png", np.full((8, 8, 3), 0.5, np.float32))
    changes = {"ground": {"randomize": True, "folder": str(tmp_path / "floor"), "tile_m": [0.25, 0.25]}}
    with staged(addon, tmp_path, h.recipe(addon, CRATES, changes)) as frames:
        draw = frames.draw(0, 0)
        frames.show(draw)
        ground = bpy.data.objects["SynGen ground"]
        corners = vertices(ground)
        assert (corners[:, 2] > -0.01).all() and (corners[:, 2] <= 0).all()
        assert np.ptp(corners[:, :2], axis=0).min() >= draw.ground.side_m - 1e-4
        picture = next(n for n in ground.active_material.node_tree.nodes if n.type == "TEX_IMAGE")
        assert Path(picture.image.filepath).name == draw.ground.picture == "tiles.png"


def test_the_ground_takes_the_shadow_of_the_recorded_sun(addon, empty_scene, tmp_path: Path) -> None:
    h.box("Crate A", (-0.5, -0.5, 0), (0.5, 0.5, 1), h.material("Paint", h.painted("Base")))
    h.camera_above(64).data.ortho_scale = 8.0
    h.save(tmp_path / "scene.blend")
    sun = {"sun_elevation_deg": [40, 50], "sun_strength": [3, 3], "area_lights": [0, 0], "environment_strength": [0, 0]}
    settings = {"light": sun, "ground": {"randomize": True, "color_low": [0.5] * 3, "color_high": [0.5] * 3}}
    with staged(addon, tmp_path, h.recipe(addon, CRATES, {"camera": {"randomize": False}}, settings)) as frames:
        for number in range(3):
            draw = frames.draw(number, 0)
            frames.show(draw)
            picture = h.decode_png(addon("blender.render").render_frame(frames.scene, frames.layer, tmp_path)[0])
            x, y, z = draw.sun.direction
            reach = np.array([x, -y]) / -z  # from the middle of the lid to the ground, in the picture's axes
            dark, lit = (picture[tuple((32 + 8 * place).astype(int)[::-1])].mean() for place in (reach, -reach))
            assert dark < 10 and lit > 100, (number, dark, lit)


# --- things ----------------------------------------------------------------------------------------------------------

FILES = ["cube.glb", "cube.obj", "cube.fbx", "cube.gltf", "trap.blend"]


@pytest.fixture
def folder(empty_scene, tmp_path: Path) -> Path:
    """A cube of 2 m in every format, one of them with a script, a driver, a lamp and an index of its own."""
    place = tmp_path / "things"
    place.mkdir()
    cube = h.box("Cube", (-1, -1, 0), (1, 1, 2), h.material("Grey", None))
    cube.select_set(True)
    bpy.ops.export_scene.gltf(filepath=str(place / "cube.glb"))
    bpy.ops.export_scene.gltf(filepath=str(place / "cube.gltf"), export_format="GLTF_SEPARATE")
    bpy.ops.wm.obj_export(filepath=str(place / "cube.obj"))
    bpy.ops.export_scene.fbx(filepath=str(place / "cube.fbx"))
    h.light()
    cube.pass_index = 7
    cube.driver_add("location", 0).driver.expression = "frame + 5"
    script = bpy.data.texts.new("trap.py")
    script.write(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    script.use_module = True
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "trap.blend"), check_existing=False)
    bpy.ops.wm.read_homefile(use_empty=True)
    return place


@pytest.mark.versions
def test_things_come_from_files_at_the_size_that_is_drawn(addon, folder: Path, tmp_path: Path) -> None:
    h.two_boxes()
    h.save(tmp_path / "scene.blend")
    before = h.snapshot()
    changes = h.merged(CRATES, {"distractors": {"count": [6, 6], "folder": str(folder)}})
    with staged(addon, tmp_path, h.recipe(addon, changes)) as frames:
        assert sorted(t.name for t in frames.facts.things) == sorted(FILES)
        for thing in frames.facts.things:
            size = np.ptp(np.array(thing.points), axis=0)
            np.testing.assert_allclose(size, 1.0, atol=1e-5)
        found = set()
        for number in range(6):
            draw = frames.draw(number, 0)
            frames.show(draw)
            bpy.context.view_layer.update()
            shown = []
            for instance in bpy.context.view_layer.depsgraph.object_instances:
                if instance.is_instance:
                    assert instance.object.pass_index == 0 and instance.object.type == "MESH"
                    shown.append(np.array([instance.matrix_world @ v.co for v in instance.object.data.vertices]))
            assert len(shown) == len(draw.distractors)
            for thing in draw.distractors:
                found.add(thing.source)
                near = [c for c in shown if np.abs(c.mean(axis=0) - thing.location).max() < 1e-3 * thing.size_m]
                (corners,) = near
                longest = max(np.linalg.norm(one - other) for one in corners for other in corners)
                assert longest == pytest.approx(thing.size_m * 3**0.5, rel=1e-3)
        assert len(found) > 2
    assert h.changes(before, h.snapshot()) == [] and not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("collection", ["", "Props"])
def test_things_hide_targets_and_have_no_label(addon, empty_scene, tmp_path: Path, collection: str) -> None:
    """The share of the aimed target that is hidden lies in the wanted range, by its label."""
    if collection:
        tangled(tmp_path)
    else:
        h.box("Crate A", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base")))
        h.save(tmp_path / "scene.blend")
    distractors = {"occluders": [1, 1], "occlusion": [0.3, 0.6], "collection": collection}
    dataset = addon("blender.dataset")
    recipe = h.recipe(addon, CRATES, {"distractors": distractors, "labels": {"redraws": 8}})
    dataset.run(dataset.Job(recipe, tmp_path / "out", 1))
    record = h.record(tmp_path / "out")
    assert {i["name"] for i in record["instances"]} <= {"Crate A", "Crate B"}
    aimed = next(i for i in record["instances"] if i["name"] == record["draw"]["aimed_at"])
    hidden = 1 - aimed["visible_fraction"] / max(1 - aimed["truncation"], 1e-6)
    assert 0.3 <= hidden <= 0.6 and record["draw"]["occluders"]


# --- what is wrong is named before anything is rendered --------------------------------------------------------------


def broken(place: Path, name: str) -> dict[str, dict[str, Any]]:
    """A folder in which one file is broken, and the recipe that draws from it."""
    place.mkdir()
    path = place / name
    if name.endswith(".jpg"):
        import cv2

        sound = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))[
            1
        ].tobytes()
        (place / "a.jpg").write_bytes(sound)
        path.write_bytes(sound[: len(sound) // 2])
        return {"background": {"kind": "images", "folder": str(place)}}
    path.write_bytes(b"this is no picture, and no model")
    if name.endswith((".hdr", ".exr")):
        return {"light": {"environments": str(place)}}
    if name.endswith(".png"):
        return {"ground": {"randomize": True, "folder": str(place)}}
    return {"distractors": {"count": [1, 1], "folder": str(place)}}


@pytest.mark.parametrize("name", ["cut.jpg", "text.png", "b.hdr", "b.exr", "b.blend", "b.glb", "b.obj", "b.fbx"])
def test_a_broken_file_is_named_before_anything_is_rendered(addon, empty_scene, tmp_path: Path, name: str) -> None:
    h.two_boxes()
    h.save(tmp_path / "scene.blend")
    before, dataset = h.snapshot(), addon("blender.dataset")
    recipe = h.recipe(addon, CRATES, broken(tmp_path / "given", name))
    with pytest.raises(addon("errors").SynGenError, match=name.replace(".", r"\.")):
        dataset.run(dataset.Job(recipe, tmp_path / "out", 1))
    assert h.changes(before, h.snapshot()) == [] and not (tmp_path / "out" / "job.json").exists()


@pytest.mark.parametrize(
    ("collection", "said"),
    [
        ("Nowhere", "no collection 'Nowhere'"),
        ("Empty", "nothing in 'Empty' is solid"),
        ("Own", "'Crate A' lies in 'Own'"),
    ],
)
def test_a_collection_that_cannot_be_used_is_named(
    addon, empty_scene, tmp_path: Path, collection: str, said: str
) -> None:
    crate = h.two_boxes()[0]
    for name in ("Empty", "Own"):
        bpy.context.scene.collection.children.link(bpy.data.collections.new(name))
    bpy.data.collections["Own"].objects.link(crate)
    h.save(tmp_path / "scene.blend")
    recipe = h.recipe(addon, CRATES, {"distractors": {"count": [1, 1], "collection": collection}})
    with pytest.raises(addon("errors").SynGenError, match=said):
        addon("blender.dataset").run(addon("blender.dataset").Job(recipe, tmp_path / "out", 1))


def test_a_thing_that_lies_in_a_collection_twice_is_told(addon, empty_scene, tmp_path: Path) -> None:
    """Train and test may show it. A collection and an object of one name are two things."""
    h.two_boxes()
    props = bpy.data.collections.new("Props")
    bpy.context.scene.collection.children.link(props)
    props.children.link(bpy.data.collections.new("Bin"))
    for name, home in (("Bin", props), ("Can", props), ("Lid", props.children["Bin"])):
        obj = h.box(name, (9, 9, 0), (10, 10, 1))
        bpy.context.scene.collection.objects.unlink(obj)
        home.objects.link(obj)
    props.objects.link(bpy.data.objects.new("Can twin", bpy.data.objects["Can"].data))
    h.save(tmp_path / "scene.blend")
    things = {"distractors": {"count": [1, 1], "collection": "Props"}}
    with staged(addon, tmp_path, h.recipe(addon, CRATES, things)) as frames:
        assert {each.name for each in frames.facts.things} == {"Bin", "Bin (object)", "Can", "Can twin"}
        (told,) = [said for said in frames.warnings if "the same thing" in said]
        assert told.startswith("distractors.collection: Can, Can twin are the same thing 2 times")
    whole = {**things, "export": {"split": [1, 0, 0]}}
    with staged(addon, tmp_path, h.recipe(addon, CRATES, whole)) as frames:
        assert not [said for said in frames.warnings if "the same thing" in said]
