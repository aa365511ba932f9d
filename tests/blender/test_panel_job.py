"""The panel's job keeps out of the user's files, and finds what the scene names from elsewhere."""

from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401


def wait(process) -> None:
    process.child.wait(timeout=200)
    while process.poll():
        pass


@pytest.fixture
def scene(addon, empty_scene, tmp_path: Path) -> Path:
    """A saved scene called as the panel calls its copy, with one plate to age."""
    h.plane("Plate", (-20, -20), (20, 20), 0, h.material("Paint", h.painted("Base")))
    h.light()
    return h.save(tmp_path / "scene.blend")


def test_an_export_into_the_files_own_folder_is_refused_and_changes_nothing(addon, scene: Path) -> None:
    before = {p.name: p.read_bytes() for p in scene.parent.iterdir()}
    bpy.data.objects["Plate"].location.x = 5
    with pytest.raises(addon("errors").SynGenError, match="holds files that are not a SynGen job"):
        addon("blender.background").start(scene.parent, h.recipe(addon), 1, 0)
    assert {p.name: p.read_bytes() for p in scene.parent.iterdir()} == before


def test_paths_that_count_from_the_blend_reach_the_job(addon, scene: Path) -> None:
    folder = scene.parent / "backdrops"
    addon("images").save_png(folder / "one.png", np.full((8, 8, 3), 0.5, np.float32))
    changes = {
        "targets": {"objects": ["Plate"]},
        "background": {"kind": "images", "folder": "//backdrops"},
        "texture": {"variants": 1},
    }
    process = addon("blender.background").start(scene.parent / "out", h.recipe(addon, changes), 1, 0)
    wait(process)
    assert process.error == "" and "1 frames rendered" in process.result
    assert h.record(scene.parent / "out")["background"] == "one.png"


def test_a_file_saved_elsewhere_still_finds_its_gallery(addon, scene: Path) -> None:
    obj, ageing = bpy.data.objects["Plate"], addon("blender.ageing")
    ageing.apply_variant(obj, h.handmade(addon, scene.parent / "syngen" / "Plate" / "heavy_rust-0000-x", h.ramp()))
    assert obj["syngen"]["gallery"].startswith("//")
    (scene.parent / "elsewhere").mkdir()
    h.save(scene.parent / "elsewhere" / "deep.blend")
    assert [v.name for v in ageing.applied_variants(obj)] == ["heavy_rust-0000-x"]
