"""The job of the window: a background Blender on a copy of the open file."""

import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

LIMIT_S = 120


@pytest.fixture
def scene(addon, empty_scene, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    h.two_aged(addon, tmp_path_factory, tmp_path)
    return tmp_path


def watch(process: Any, until: Any = lambda process: False) -> Any:
    """Poll as the panel's timer does, until the job ends or something is seen."""
    end = time.monotonic() + LIMIT_S
    while process.poll() and not until(process):
        assert time.monotonic() < end, "the job does not end"
        time.sleep(0.02)
    return process


def pictures(out: Path) -> dict[str, bytes]:
    return h.files_of(out / "images")


@pytest.mark.versions
def test_a_job_beside_the_window(addon, scene: Path) -> None:
    """Progress arrives, the session is untouched, and the pictures are those of the batch job."""
    dataset, background = addon("blender.dataset"), addon("blender.background")
    settings = h.recipe(addon, {"render": {"samples": 2}})
    dataset.run(dataset.Job(settings, scene / "direct", 3, 5))
    bpy.data.objects["Floor"].location.z = -0.5  # not saved: the job is of what the window shows
    bpy.context.view_layer.update()
    before, path = h.snapshot(), bpy.data.filepath
    process = background.start(scene / "moved", settings, 3, 5)
    assert h.changes(before, h.snapshot()) == [] and bpy.data.filepath == path
    seen: list[tuple[int, int]] = []
    watch(process, lambda p: seen.append((p.done, p.total)))
    assert (process.error, process.cancelled) == ("", False), (scene / "moved" / "panel" / "job.log").read_text()
    assert (process.done, process.total) == (3, 3) and process.what == "Rendering"
    assert (0, 3) in seen and process.seconds_left == 0
    assert process.result.startswith("3 frames rendered")
    assert len(pictures(scene / "moved")) == 3 and pictures(scene / "moved") != pictures(scene / "direct")
    bpy.data.objects["Floor"].location.z = 0
    watch(background.start(scene / "same", settings, 3, 5))
    assert pictures(scene / "same") == pictures(scene / "direct")


def test_cancel_and_go_on(addon, scene: Path) -> None:
    background, dataset = addon("blender.background"), addon("blender.dataset")
    settings = h.recipe(addon, {"render": {"samples": 4}})
    out = scene / "out"
    process = background.start(out, settings, 6, 1)
    watch(process, lambda p: p.done >= 1)
    process.cancel()
    watch(process)
    assert process.error == "" and process.child.returncode == 130
    finished = len(list(out.glob("records/*/*")))
    assert 1 <= finished < 6 and len(pictures(out)) == finished
    again = watch(background.start(out, settings, 6, 1, resume=True))
    assert again.error == "" and again.result.startswith(f"{6 - finished} frames rendered, {finished} were there")
    dataset.run(dataset.Job(settings, scene / "whole", 6, 1))
    assert pictures(scene / "whole") == pictures(out)


def test_a_killed_child_is_an_error_and_goes_on(addon, scene: Path) -> None:
    background = addon("blender.background")
    settings = h.recipe(addon)
    process = background.start(scene / "out", settings, 3, 1)
    watch(process, lambda p: p.total > 0)
    process.kill()
    watch(process)
    assert "ended with code -9" in process.error and "job.log" in process.error
    assert watch(background.start(scene / "out", settings, 3, 1, resume=True)).error == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"render": {"view_transform": "Filmik"}},
            "render.view_transform = 'Filmik' is not one of this Blender's. It has ",
        ),
        ({"targets": {"objects": ["Barrel"]}}, "targets.objects: no mesh object of the scene is called 'Barrel'."),
    ],
)
def test_an_error_arrives_as_one_sentence(addon, scene: Path, change: dict[str, Any], words: str) -> None:
    process = watch(addon("blender.background").start(scene / "out", h.recipe(addon, change), 1, 0))
    assert process.error.startswith(words) and "\n" not in process.error


def test_resume_where_there_is_nothing(addon, scene: Path) -> None:
    with pytest.raises(addon("errors").SynGenError, match="holds no job of the panel"):
        addon("blender.background").start(scene / "out", h.recipe(addon), 1, 0, resume=True)


def test_a_folder_that_cannot_be_written(addon, scene: Path) -> None:
    (scene / "file").write_text("mine")
    before = h.snapshot()
    with pytest.raises(addon("errors").SynGenError, match="Cannot write into the folder"):
        addon("blender.background").start(scene / "file" / "out", h.recipe(addon), 1, 0)
    assert h.changes(before, h.snapshot()) == []


@pytest.mark.parametrize(
    "saved", [True, pytest.param(False, marks=pytest.mark.versions)], ids=["saved file", "never saved"]
)
def test_unsaved_pixels_reach_the_child(addon, empty_scene, tmp_path: Path, saved: bool) -> None:
    """A painted, a generated and a float image that no file holds: the child reads the same pixels."""
    background, pixels = addon("blender.background"), addon("blender.pixels")
    if saved:
        h.save(tmp_path / "scene.blend")
    rng = np.random.default_rng(3)
    wanted = {}
    for name, is_float in (("Generated", False), ("Float", True), ("Ünïcode/..\\name", False)):
        image = bpy.data.images.new(name, 16, 8, float_buffer=is_float)
        image.pixels.foreach_set(rng.random(16 * 8 * 4, dtype=np.float32))
        image.update()
    packed = h.painted("Packed", 16)
    packed.pixels.foreach_set(rng.random(16 * 16 * 4, dtype=np.float32))
    packed.update()
    for image in bpy.data.images:
        if image.name != "Render Result":
            wanted[image.name] = pixels.read_srgb(image)
            image.use_fake_user = True
    assert packed.is_dirty
    copy = background.save_copy(tmp_path / "out" / "panel")
    assert packed.is_dirty and all(np.array_equal(pixels.read_srgb(bpy.data.images[n]), w) for n, w in wanted.items())
    bpy.ops.wm.open_mainfile(filepath=str(copy))
    lost = [n for n, w in wanted.items() if not np.array_equal(pixels.read_srgb(bpy.data.images[n]), w)]
    assert lost, "Blender's copy keeps every pixel: nothing is left to restore"
    background.restore_pixels(copy)
    for name, pixels_wanted in wanted.items():
        assert np.array_equal(pixels.read_srgb(bpy.data.images[name]), pixels_wanted), name


def test_unsaved_pixels_are_aged_in_the_child(addon, empty_scene, tmp_path: Path) -> None:
    """End to end: the variant made by the child is named by the pixels that only this session holds."""
    ageing, variants = addon("blender.ageing"), addon("variants")
    surface = h.material("Paint", h.painted("Base", 16))
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), surface)
    h.light()
    h.save(tmp_path / "scene.blend")
    image = bpy.data.images["Base"]
    image.pixels.foreach_set(np.random.default_rng(1).random(16 * 16 * 4, dtype=np.float32) * 0.3)
    image.update()
    settings = h.recipe(addon, {"targets": {"objects": ["Crate"]}, "texture": {"variants": 1}})
    expected = variants.input_hash(ageing.gather(obj, settings, ageing.kind_named("heavy_rust")))
    out = tmp_path / "out"
    process = watch(addon("blender.background").start(out, settings, 1, 0))
    assert process.error == "", (out / "panel" / "job.log").read_text()
    (folder,) = variants.object_folder(out / "variants", "Crate").iterdir()
    assert folder.name == f"heavy_rust-0000-{expected}"
