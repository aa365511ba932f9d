"""Whatever is wrong: one clear sentence, exit code 1, nothing changed and nothing lost."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401


class Case:
    """A good job on disk that a test then spoils."""

    def __init__(self, addon: Any, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.addon, self.place, self.capsys = addon, place, capsys
        self.out = place / "out"
        self.recipe_file = place / "job.toml"
        self.write(addon("recipe").dumps(h.recipe(addon, h.STILL)))

    def write(self, text: str) -> None:
        self.recipe_file.write_text(text)

    def write_recipe(self, *parts: dict[str, dict[str, Any]]) -> None:
        """The small recipe with these changes; written without the check that the recipe makes on reading."""
        import tomli_w

        self.write(tomli_w.dumps(h.merged(h.SMALL, *parts)))

    def save(self) -> None:
        h.save(self.place / "scene.blend")

    def main(self, *more: str, frames: str = "1") -> int:
        arguments = ["--recipe", str(self.recipe_file), "--out", str(self.out), "--frames", frames, *more]
        return int(self.addon("blender.cli").main(arguments))

    def refused(self, *words: str, run: Callable[[], int] | None = None, unchanged: bool = True) -> str:
        """The one line that says why, after a run that must be refused and must change nothing in the scene."""
        before, mark = h.snapshot(), bpy.data.filepath
        self.capsys.readouterr()
        code = (run or self.main)()
        said = self.capsys.readouterr().err.strip().splitlines()
        assert code == 1, said
        lines = [line for line in said if line.startswith("syngen: ") and not line.startswith("syngen: warning")]
        assert len(lines) == 1 and lines[0].startswith("syngen: error: ") and lines[0].endswith((".", "?")), said
        for word in words:
            assert word in lines[0], lines[0]
        if unchanged and bpy.data.filepath == mark:
            changed = h.changes(before, h.snapshot())
            assert not changed, "\n".join(changed)
        return lines[0]


@pytest.fixture
def case(
    addon, empty_scene, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> Case:
    h.two_aged(addon, tmp_path_factory, tmp_path)
    return Case(addon, tmp_path, capsys)


def test_the_good_job_is_good(case: Case) -> None:
    assert case.main() == 0
    assert (case.out / "images/0000/00000000.png").is_file()


# --- the recipe ------------------------------------------------------------------------------------------------------

RECIPES = {
    "wrong type": ("[render]\nwidth = 'wide'\n", ["render.width", "'wide'", "a whole number from 16 to 16384 pixels"]),
    "whole number": ("[render]\nsamples = 1.5\n", ["render.samples", "1.5", "a whole number"]),
    "switch": ("[camera]\nrandomize = 'no'\n", ["camera.randomize", "'no'", "true or false"]),
    "out of range": ("[wear]\nlevel = [0.2, 1.2]\n", ["wear.level", "[0.2, 1.2]", "from 0 to 1"]),
    "upside down": ("[camera]\nfocal_mm = [70, 30]\n", ["camera.focal_mm", "low first"]),
    "unknown key": ("[camera]\nfocal = [20, 30]\n", ["unknown key camera.focal", "Did you mean focal_mm?"]),
    "unknown section": ("[lights]\nsun = 1\n", ["unknown section [lights]", "Did you mean light?"]),
    "no section": ("camera = 3\n", ["camera must be a section"]),
    "no TOML": ("[camera\n", ["is not valid TOML"]),
    "unknown kind": ("[wear]\nkind = 'barnacles'\n[targets]\nobjects=['Floor']\n", ["barnacles", "heavy_rust"]),
    "not a number": ("[render]\nexposure_ev = nan\n", ["render.exposure_ev", "nan"]),
    "split": ("[export]\nsplit = [0.5, 0.1, 0.1]\n", ["export.split", "does not sum to 1"]),
    "no folder": ("[background]\nkind = 'images'\n", ["background.folder"]),
    "view transform": ("[render]\nview_transform = 'Filmik'\n", ["view_transform", "'Filmik'", "AgX", "Standard"]),
    "missing device": ("[render]\ndevice = 'cuda'\n", ["render.device", "'cuda'", "no such device", "cpu"]),
    "no such target": ("[targets]\nobjects = ['Crate A', 'Barrel*']\n", ["targets.objects", "'Barrel*'", "Crate A"]),
    "no keypoints": ("[export]\nformats = ['yolo_pose']\n", ["yolo_pose needs keypoints", "no target has any"]),
    "no geometry": (
        "[export]\nformats = ['bop']\n[labels]\ngeometry = false\n",
        ["bop needs labels.geometry", "labels.geometry = true"],
    ),
    "no depth": ("[export]\nformats = ['depth']\n", ["depth needs labels.depth"]),
    "no environments": (
        "[light]\nenvironments = '/nowhere/at/all'\n",
        ["light.environments", "/nowhere/at/all", "no folder"],
    ),
    "no backgrounds": (
        "[background]\nkind = 'images'\nfolder = '/nowhere/at/all'\n",
        ["background.folder", "/nowhere/at/all"],
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_bad_recipe_is_refused(case: Case, name: str) -> None:
    text, words = RECIPES[name]
    if name == "missing device":
        bpy.ops.wm.save_mainfile()  # a machine with an NVIDIA card has one: then there is nothing to refuse
        if case.addon("blender.render")._gpus(bpy.context.preferences.addons["cycles"].preferences, "CUDA"):
            pytest.skip("this machine has a CUDA device")
    case.write(text)
    case.refused(*words)
    assert not (case.out / "job.json").exists(), "the folder is claimed by a job that cannot run"


def test_a_refused_recipe_can_be_mended_in_the_same_folder(case: Case) -> None:
    case.write_recipe(h.STILL, {"render": {"view_transform": "Filmik"}})
    case.refused("view_transform")
    case.write_recipe(h.STILL, {"render": {"view_transform": "Filmic"}})
    assert case.main() == 0


def test_no_such_recipe(case: Case) -> None:
    case.recipe_file.unlink()
    case.refused("job.toml does not exist", "--recipe")


def test_a_recipe_that_is_no_text(case: Case) -> None:
    case.recipe_file.write_bytes(b"\xff\xfe\x00")
    case.refused("cannot be read")


# --- the command line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", ["5/4", "4/4", "-1/4", "1", "a/b", "1/0", "1/2/3", ""])
def test_a_shard_that_there_is_not(case: Case, shard: str) -> None:
    case.refused("--shard", run=lambda: case.main(f"--shard={shard}"))


@pytest.mark.parametrize("frames", ["0", "-3"])
def test_no_frames(case: Case, frames: str) -> None:
    case.refused("--frames", "at least one", run=lambda: case.main(frames=frames))


@pytest.mark.parametrize("seed", ["-1", str(2**63)])
def test_a_seed_out_of_range(case: Case, seed: str) -> None:
    case.refused("--seed", run=lambda: case.main(f"--seed={seed}"))


@pytest.mark.parametrize("arguments", [["--frames", "many"], ["--nonsense"], ["--out"], []])
def test_wrong_arguments_end_in_2(case: Case, arguments: list[str]) -> None:
    assert case.addon("blender.cli").main(arguments) == 2


def test_frames_left_out(case: Case) -> None:
    run = case.addon("blender.cli").main
    case.refused("--frames is missing", run=lambda: run(["--out", str(case.out)]))


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing.blend", ["missing.blend does not exist", "--scene"]), ("broken.blend", ["cannot be opened"])],
)
def test_a_scene_that_is_not_there(case: Case, name: str, words: list[str]) -> None:
    if name.startswith("broken"):
        (case.place / name).write_bytes(b"BLENDER-nonsense" * 50)
    case.refused(*words, run=lambda: case.main("--scene", str(case.place / name)))


def test_the_formats_of_no_job(case: Case) -> None:
    case.refused("holds no SynGen job", run=lambda: case.main("--formats-only"))
    case.out.mkdir(exist_ok=True)
    (case.out / "job.json").write_text("{}")
    case.refused("broken", run=lambda: case.main("--formats-only"))


def test_the_formats_of_a_job_without_frames(case: Case) -> None:
    assert case.main() == 0
    shutil.rmtree(case.out / "records")
    case.refused("no finished frame", run=lambda: case.main("--formats-only"))


# --- the scene -------------------------------------------------------------------------------------------------------


def test_a_scene_that_is_not_saved(addon, empty_scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    h.two_boxes()
    case = Case(addon, tmp_path, capsys)
    case.refused("No scene file is open", "--scene")
    dataset = addon("blender.dataset")
    with pytest.raises(addon("errors").SynGenError, match="The scene is not saved"):
        dataset.run(dataset.Job(h.recipe(addon, {"targets": {"objects": ["Crate A"]}}), case.out, 1))
    assert not case.out.exists()


def test_a_scene_without_any_target(case: Case) -> None:
    for name in ("Crate A", "Crate B"):
        case.addon("blender.ageing").remove(bpy.data.objects[name])
    case.save()
    case.refused("no target", "Generate", "targets.objects")
    assert not case.out.exists()


@pytest.mark.parametrize("how", ["render", "collection", "excluded", "other scene"])
def test_targets_that_are_hidden(case: Case, how: str) -> None:
    scene = bpy.context.scene
    collection = bpy.data.collections.new("Store")
    scene.collection.children.link(collection)
    for name in ("Crate A", "Crate B"):
        obj = bpy.data.objects[name]
        obj.hide_render = how == "render"
        if how != "render":
            collection.objects.link(obj)
            scene.collection.objects.unlink(obj)
    collection.hide_render = how == "collection"
    if how == "excluded":
        bpy.context.view_layer.layer_collection.children["Store"].exclude = True
    if how == "other scene":
        scene.collection.children.unlink(collection)
        bpy.data.scenes.new("Other").collection.children.link(collection)
    case.save()
    case.refused(
        "no target" if how == "other scene" else "No target can be seen", "" if how == "other scene" else "Crate A"
    )


def test_one_hidden_target_is_left_out(case: Case) -> None:
    bpy.data.objects["Crate A"].hide_render = True
    case.save()
    assert case.main() == 0
    assert [i["name"] for i in h.record(case.out)["instances"]] == ["Crate B"]


@pytest.mark.parametrize("drawn", [True, False], ids=["drawn camera", "own camera"])
def test_a_target_that_can_never_be_seen(case: Case, drawn: bool) -> None:
    h.box("Container A", (-0.02, -0.02, -0.02), (1.02, 1.02, 1.02), bpy.data.materials["Concrete"])
    h.box("Container B", (1.58, 0.18, -0.02), (2.42, 1.02, 0.82), bpy.data.materials["Concrete"])
    case.save()
    case.write_recipe({} if drawn else h.STILL, {"labels": {"redraws": 1}})
    case.refused("frames shows a target", "inside or behind other objects", run=lambda: case.main(frames="3"))
    # Many frames are not rendered in vain, and the next run says the same.
    shutil.rmtree(case.out)
    case.refused("None of the first 10 frames shows a target", run=lambda: case.main(frames="1000"))
    assert len(list(case.out.glob("records/*/*"))) == 10
    case.refused("None of the first 10 frames shows a target", run=lambda: case.main(frames="1000"))
    assert len(list(case.out.glob("records/*/*"))) == 10


def test_a_hundred_draws_without_a_target_are_said_in_one_sentence(case: Case) -> None:
    h.box("Container A", (-0.02, -0.02, -0.02), (1.02, 1.02, 1.02), bpy.data.materials["Concrete"])
    h.box("Container B", (1.58, 0.18, -0.02), (2.42, 1.02, 0.82), bpy.data.materials["Concrete"])
    case.save()
    case.write_recipe({"render": {"width": 16, "height": 16, "samples": 1}, "labels": {"redraws": 99}})
    case.refused("None of the 1 frames shows a target", run=lambda: case.main(frames="1"))
    record = h.record(case.out)
    assert record["no_target"] and record["attempt"] == 99 and record["reason"] == "No target is visible."


def test_a_target_that_cannot_be_aged_is_told_before_others_are(case: Case) -> None:
    bpy.data.objects["Crate A"].name = "Zinc"  # by name after the floor, which has no base texture
    case.save()
    case.write_recipe({"targets": {"objects": ["Floor", "Crate *", "Zinc"]}})
    said = case.refused("'Floor'", "Concrete", "targets.objects")
    assert "base texture" in said and not (case.out / "variants").exists()


def test_two_targets_of_one_name(case: Case) -> None:
    """Names are unique within a file only."""
    library = shutil.copy(case.place / "scene.blend", case.place / "library.blend")
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.objects = ["Crate A"]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    case.save()
    case.refused("Two targets are called 'Crate A'", "Rename")


@pytest.mark.parametrize("camera", ["none", "panorama"])
def test_an_own_camera_that_is_of_no_use(case: Case, camera: str) -> None:
    if camera == "none":
        bpy.data.objects.remove(bpy.context.scene.camera)
    else:
        bpy.context.scene.camera.data.type = "PANO"
    case.save()
    case.refused("camera.randomize is off and the scene has no camera" if camera == "none" else "panoramic")


OBJECTS: dict[str, Callable[[bpy.types.Object], Any]] = {
    "No object is selected": lambda o: None,
    "is a camera, not a mesh": lambda o: bpy.context.scene.camera,
    "has no faces": lambda o: (o.data.clear_geometry(), o)[1],
    "has no material": lambda o: (o.data.materials.clear(), o)[1],
    "has no base texture": lambda o: (tree(o).nodes.remove(texture(o)), o)[1],
    "has no Principled BSDF": lambda o: (
        tree(o).nodes.remove(next(n for n in tree(o).nodes if n.type == "BSDF_PRINCIPLED")),
        o,
    )[1],
    "The image file of the base texture": lambda o: (lose(texture(o).image), o)[1],
    "projected (box)": lambda o: (setattr(texture(o), "projection", "BOX"), o)[1],
    "reads the UV map 'Other'": lambda o: (read_layer(o, "Other"), o)[1],
    "not laid out by a UV map": lambda o: (read_generated(o), o)[1],
    "area of zero": lambda o: (o.data.uv_layers[0].uv.foreach_set("vector", np.zeros(48, np.float32)), o)[1],
    "UDIM": lambda o: (setattr(texture(o).image, "source", "TILED"), o)[1],
    "movie or sequence": lambda o: (setattr(texture(o).image, "source", "SEQUENCE"), o)[1],
}


def tree(obj: bpy.types.Object) -> bpy.types.NodeTree:
    return obj.data.materials[0].node_tree


def texture(obj: bpy.types.Object) -> bpy.types.Node:
    return next(n for n in tree(obj).nodes if n.type == "TEX_IMAGE")


def lose(image: bpy.types.Image) -> None:
    image.unpack(method="REMOVE")
    image.source, image.filepath = "FILE", "//gone.png"
    image.reload()


def read_layer(obj: bpy.types.Object, name: str) -> None:
    node = tree(obj).nodes.new("ShaderNodeUVMap")
    node.uv_map = name
    tree(obj).links.new(node.outputs["UV"], texture(obj).inputs["Vector"])


def read_generated(obj: bpy.types.Object) -> None:
    node = tree(obj).nodes.new("ShaderNodeTexCoord")
    tree(obj).links.new(node.outputs["Generated"], texture(obj).inputs["Vector"])


@pytest.mark.versions
@pytest.mark.parametrize("words", OBJECTS)
def test_an_object_that_cannot_be_aged(addon, empty_scene, words: str) -> None:
    ageing = addon("blender.ageing")
    h.camera_above()
    obj = OBJECTS[words](h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base"))))
    bpy.context.view_layer.update()
    before = h.snapshot()
    with pytest.raises(addon("errors").SynGenError) as caught:
        ageing.gather(obj, h.recipe(addon), ageing.kind_named("heavy_rust"))
    assert words in str(caught.value)
    assert h.changes(before, h.snapshot()) == []


def test_overlapping_uvs_are_a_warning(addon, empty_scene) -> None:
    ageing = addon("blender.ageing")
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base")))
    obj.data.uv_layers[0].uv.foreach_set("vector", np.tile(np.array([0, 0, 1, 0, 1, 1, 0, 1], np.float32), 6))
    request = ageing.gather(obj, h.recipe(addon), ageing.kind_named("heavy_rust"))
    (warning,) = addon("wear.mesh").check_mesh(request.mesh, [0])
    assert "overlap" in warning.lower()


def test_a_target_that_cannot_be_aged_is_named(case: Case) -> None:
    case.write_recipe(h.STILL, {"targets": {"objects": ["Crate A", "Floor"]}})
    case.refused("Concrete", "base texture")
    assert not (case.out / "job.json").exists()


def test_every_variant_refused(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    wearing = case.addon("blender.wearing")
    made = wearing.make_variants
    monkeypatch.setattr(
        wearing,
        "make_variants",
        lambda *a, **m: [
            dataclasses.replace(v, accepted=False, reason="flat", sentence="Too flat: it is grey.")
            for v in made(*a, **m)
        ],
    )
    h.box("Crate C", (0, 2, 0), (1, 3, 1), h.material("Paint C", h.painted("Base C")))
    case.save()
    case.write_recipe(h.STILL, {"targets": {"objects": ["Crate *"]}})
    case.refused("Every variant of 'Crate C' was refused", "Too flat: it is grey.", "[filters]")


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_folder_of_environments_without_any(case: Case) -> None:
    (case.place / "empty").mkdir()
    case.write_recipe({"light": {"environments": str(case.place / "empty")}})
    case.refused("light.environments", "holds no picture", ".exr")


@pytest.mark.parametrize("what", ["environments", "backgrounds"])
@pytest.mark.parametrize(
    "content", [b"", b"this is no picture", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 64 +X 64\n"]
)
def test_a_broken_picture_is_named(case: Case, what: str, content: bytes) -> None:
    folder = case.place / "pictures"
    folder.mkdir()
    name = "broken.hdr" if what == "environments" else "broken.png"
    (folder / name).write_bytes(content)
    if what == "environments":
        case.write_recipe({"light": {"environments": str(folder)}})
    else:
        case.write_recipe({"background": {"kind": "images", "folder": str(folder)}})
    case.refused(name, "cannot be loaded")
    assert not list(case.out.glob("records/*/*"))


def test_pictures_are_looked_through_before_a_job_and_not_before_each_run_of_it(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    folders = case.addon("blender.folders")
    monkeypatch.setattr(folders, "_look_at", looked.append)
    case.write_recipe(h.STILL, {"light": {"randomize": True}})
    assert case.main("--shard", "0/2", frames="2") == 0 and len(looked) > 1
    several = len(looked)
    assert case.main("--shard", "1/2", frames="2") == 0 and len(looked) == several


def test_relative_folders_are_found_from_the_scene_file(case: Case) -> None:
    (case.place / "pictures").mkdir()
    cv2.imwrite(str(case.place / "pictures" / "a.png"), np.full((8, 8, 3), 99, np.uint8))
    case.write_recipe({"background": {"kind": "images", "folder": "//pictures"}})
    assert case.main() == 0


def test_other_relative_folders_are_found_from_the_recipe_file(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = case.recipe_file.parent / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "a.png"), np.full((8, 8, 3), 99, np.uint8))
    (case.place / "work").mkdir()
    monkeypatch.chdir(case.place / "work")
    case.write_recipe({"background": {"kind": "images", "folder": "pictures"}})
    assert case.main() == 0


@pytest.mark.parametrize("how", ["is a file", "inside a file"])
def test_a_folder_that_cannot_be_written(case: Case, how: str) -> None:
    (case.place / "file").write_text("mine")
    case.out = case.place / "file" if how == "is a file" else case.place / "file" / "out"
    case.refused("Cannot write into the folder", str(case.out))
    assert (case.place / "file").read_text() == "mine"


def test_a_folder_that_holds_other_files(case: Case) -> None:
    case.out.mkdir()
    (case.out / "thesis.txt").write_text("mine")
    case.refused("holds files that are not a SynGen job")
    assert [p.name for p in case.out.iterdir()] == ["thesis.txt"]


def test_another_jobs_folder(case: Case) -> None:
    assert case.main() == 0
    before = h.files_of(case.out)
    case.write_recipe(h.STILL, {"render": {"samples": 3}, "camera": {"randomize": False}})
    case.refused("holds another job", "recipe.render.samples: 1 there, 3 now")
    case.write(case.addon("recipe").dumps(h.recipe(case.addon, h.STILL)))
    case.refused("holds another job", "seed: 0 there, 5 now", run=lambda: case.main("--seed", "5"))
    bpy.data.objects["Crate A"].location.x += 0.1
    case.save()
    case.refused("holds another job", "scene.sha256")
    assert h.files_of(case.out) == before


def no_space(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("place", ["picture", "record", "job.json", "formats", "log"])
def test_a_full_disk(case: Case, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Nothing half-written is left, and the same command goes on when there is space again."""
    reference = case.place / "reference"
    case.out, out = reference, case.out
    assert case.main(frames="2") == 0
    case.out = out
    real_replace, real_open = Path.replace, open
    ends = {
        "picture": "00000001.png",
        "record": "00000001.json",
        "job.json": "job.json",
        "formats": "instances_train.json",
    }

    def replace(self: Path, target: Any) -> Any:
        return no_space() if place in ends and str(target).endswith(ends[place]) else real_replace(self, target)

    def open_log(file: Any, *arguments: Any, **more: Any) -> Any:
        return no_space() if str(file).endswith(".jsonl") else real_open(file, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        if place == "log":
            patch.setattr(case.addon("blender.dataset"), "open", open_log, raising=False)
        case.refused("No space left on device", "Free some space", run=lambda: case.main(frames="2"))
    assert not list(case.out.rglob(".*.part"))
    assert case.main(frames="2") == 0
    assert h.differing(h.files_of(reference), h.files_of(case.out)) == []


def test_blender_itself_cannot_write(case: Case) -> None:
    """Its scratch folder cannot be written: Blender's own words, as one sentence."""
    render = case.addon("blender.render")
    (case.place / "file").write_text("")
    with case.addon("blender.state").Borrowed() as borrowed:
        scene, layer = bpy.context.scene, bpy.context.view_layer
        render.configure(scene, layer, h.recipe(case.addon), "cpu", borrowed)
        with pytest.raises(case.addon("errors").SynGenError, match="Blender cannot write its files into"):
            render.render_frame(scene, layer, case.place / "file" / "scratch")


# --- from outside ----------------------------------------------------------------------------------------------------


def test_a_process_says_one_line_and_ends_with_1(case: Case) -> None:
    case.write("[camera]\nfocal = 3\n")
    done = h.batch(
        "--scene", case.place / "scene.blend", "--recipe", case.recipe_file, "--out", case.out, "--frames", 1
    )
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line]
    assert len(said) == 1 and said[0].startswith("syngen: error: ") and "camera.focal" in said[0]
    assert not case.out.exists()


def test_a_mistake_of_ours_ends_with_1_too(case: Case) -> None:
    """An exception nobody expected: its traceback, a line that asks to report it, and no exit code 0."""
    program = (
        f"import runpy, sys; sys.argv = ['batch.py', '--', '--out', {str(case.out)!r}, '--frames', '1']\n"
        f"import bpy; sys.path.insert(0, {str(h.ROOT)!r})\n"
        "import argparse\n"
        "def fail(*a, **m): raise ZeroDivisionError('oops')\n"
        "argparse.ArgumentParser.parse_args = fail\n"
        f"runpy.run_path({str(h.BATCH)!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, env=h.plain_environment()
    )
    assert done.returncode == 1
    assert (
        "Traceback" in done.stderr
        and "ZeroDivisionError: oops This is a mistake in SynGen; please report it." in done.stderr
    )
