"""Objects of one job that wear differently."""

from pathlib import Path

import bpy
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401


@pytest.fixture
def scene(addon, empty_scene, tmp_path: Path) -> Path:
    for number, name in enumerate(("Pipe [1]", "Tank")):
        low = (-30 + 32 * number, -10)
        h.plane(name, low, (low[0] + 28, 10), 0, h.material(f"Paint {name}", h.painted(f"Base {name}")))
    h.camera_above(64)
    h.light()
    return h.save(tmp_path / "scene.blend")


def test_each_object_gets_the_kind_that_its_name_says(addon, scene: Path) -> None:
    targets = {"objects": ["*"], "kinds": {"Pipe [?]": "rust_streaks"}}
    dataset = addon("blender.dataset")
    settings = h.recipe(addon, h.STILL, {"targets": targets, "wear": {"level": [0.4, 0.6]}})
    dataset.run(dataset.Job(settings, scene.parent / "out", 1))
    classes = {
        i["name"]: (i["classes"]["kind"], i["classes"]["wear"]) for i in h.record(scene.parent / "out")["instances"]
    }
    assert classes == {"Pipe [1]": ("rust_streaks", "streaks"), "Tank": ("heavy_rust", "default")}


def test_an_unknown_kind_is_refused_before_anything_is_made(addon, scene: Path) -> None:
    dataset = addon("blender.dataset")
    settings = h.recipe(addon, {"targets": {"objects": ["*"], "kinds": {"Tank": "moss"}}})
    with pytest.raises(addon("errors").SynGenError, match="no kind of wear called 'moss'"):
        dataset.run(dataset.Job(settings, scene.parent / "out", 1))
    assert not (scene.parent / "out").exists() and "syngen" not in bpy.data.objects["Tank"]
