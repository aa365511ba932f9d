"""The panel's job keeps out of the user's files, and finds what the scene names from elsewhere."""

from pathlib import Path

import bpy
import numpy as np
import pytest
from PIL import Image

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


@pytest.fixture
def finished(addon, scene: Path):
    """A job of the panel that is through; its folder."""
    h.age(addon, bpy.data.objects["Plate"], scene.parent / "gallery", h.recipe(addon), level=0.5)
    settings = bpy.context.scene.syngen
    settings.targets.objects, settings.job.frames, settings.job.folder = "Plate", 2, str(scene.parent / "out")
    settings.texture.size, settings.texture.variants, settings.filters.enabled = 64, 1, False
    settings.render.width = settings.render.height = 48
    settings.render.samples, settings.render.denoise, settings.render.device = 1, False, "cpu"
    settings.labels.min_pixels = 4
    process = start(addon)
    assert process.error == "", (scene.parent / "out" / "panel" / "job.log").read_text()
    return process


def start(addon, resume: bool = False):
    scene = bpy.context.scene
    process = addon("blender.jobs_of_panel").start(scene, addon("blender.settings").recipe_of(scene), resume=resume)
    wait(process)
    return process


def advice(addon, out: Path) -> tuple[bool, str]:
    scene = bpy.context.scene
    recipe = addon("blender.settings").recipe_of(scene)
    return addon("blender.jobs_of_panel").advice(out, recipe, scene.syngen.job.seed, scene.syngen.job.frames)


def test_going_on_is_advised_only_where_nothing_was_changed(addon, finished) -> None:
    settings, out = bpy.context.scene.syngen, finished.out
    goes_on, why = advice(addon, out)
    assert not goes_on and why.startswith("All its frames are there")
    for settings.export.formats, settings.job.frames in (({"yolo"}, 2), ({"coco", "yolo"}, 5), ({"yolo"}, 5)):
        assert advice(addon, out)[0]  # these two count when it goes on
    settings.render.samples, settings.job.seed, settings.wear.level = 3, 7, (0.25, 0.5)
    goes_on, why = advice(addon, out)
    assert not goes_on
    assert "seed 0 -> 7, wear.level [0.1, 0.9] -> [0.25, 0.5], render.samples 1 -> 3. Going on keeps" in why
    settings.camera.focal_mm = (30, 40)
    settings.camera.randomize = settings.light.randomize = False
    assert "and 2 more" in advice(addon, out)[1]
    (out / "panel" / "scene.blend").unlink()
    assert "command line" in advice(addon, out)[1] and not advice(addon, out)[0]


def test_going_on_takes_frames_and_formats_from_the_panel_and_no_more(addon, finished) -> None:
    settings, out = bpy.context.scene.syngen, finished.out
    before = h.files_of(out / "images")
    assert list(out.glob("coco*")) or list(out.glob("annotations*"))
    settings.export.formats, settings.job.frames = {"yolo"}, 3
    settings.render.samples, settings.job.seed = 4, 9
    again = start(addon, resume=True)
    assert again.error == "" and again.result.startswith("1 frames rendered, 2 were there")
    after = h.files_of(out / "images")
    assert len(after) == 3 and before.items() <= after.items()
    for file in (out / "recipe.toml", out / "panel" / "recipe.toml"):
        recipe = addon("recipe").load(file)
        assert (recipe.render.samples, recipe.export.formats) == (1, ("yolo",))
    assert h.record(out, 2)["seed"] == 0


def test_the_job_draws_its_labels(addon, finished) -> None:
    with Image.open(finished.sheet) as sheet:
        assert Path(finished.sheet) == finished.out / "overview.png" and sheet.width > 480
    assert finished.result.startswith("2 frames rendered")
    Path(finished.sheet).unlink()
    again = start(addon, resume=True)  # it is made again, and the folder is still that of a job
    assert Path(again.sheet).is_file() and again.result.startswith("0 frames rendered, 2 were there")


def test_a_dataset_without_its_contact_sheet_is_no_failure(addon, finished) -> None:
    sheet = Path(finished.sheet)
    sheet.unlink()
    sheet.mkdir()
    again = start(addon, resume=True)
    assert again.error == "" and again.result.startswith("0 frames rendered, 2 were there") and again.sheet == ""
    assert any("overview.png" in warning for warning in again.warnings)
