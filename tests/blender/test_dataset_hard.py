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
