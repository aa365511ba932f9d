"""The command line as processes: from a checkout, from an extension of any name, always with an exit code."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import cv2
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401


class Ready:
    def __init__(self, place: Path, recipe_file: Path) -> None:
        self.place, self.recipe_file = place, recipe_file
        self.scene, self.out = place / "scene.blend", place / "out"

    def arguments(self, *more: object) -> list[str]:
        return [
            "--recipe",
            str(self.recipe_file),
            "--out",
            str(self.out),
            "--frames",
            "2",
            "--seed",
            "3",
            *map(str, more),
        ]


@pytest.fixture
def ready(addon, empty_scene, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    h.two_aged(addon, tmp_path_factory, tmp_path)
    (tmp_path / "job.toml").write_text(addon("recipe").dumps(h.recipe(addon, h.STILL)))
    return Ready(tmp_path, tmp_path / "job.toml")


def python(program: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=200,
        env={**h.plain_environment(), **environment},
    )


@pytest.mark.versions
def test_from_a_checkout_with_scene(ready: Ready) -> None:
    sheet = ready.place / "sheets" / "overview.png"
    done = h.batch(*ready.arguments("--scene", ready.scene, "--overview", sheet))
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("syngen: ")]
    assert said[0] == "syngen: Rendering"
    assert said[1].startswith("syngen: frame 0 done, 1 of 2, ") and said[2].startswith("syngen: frame 1 done, 2 of 2, ")
    assert said[3] == f"syngen: 2 frames rendered, 0 were there. Dataset in {ready.out}"
    assert said[4] == f"syngen: Contact sheet: {sheet}" and cv2.imread(str(sheet)).shape[1] > 200
    again = h.batch(*ready.arguments("--scene", ready.scene))
    assert again.returncode == 0 and "0 frames rendered, 2 were there" in again.stdout


def test_formats_only_renders_nothing(addon, ready: Ready) -> None:
    """From the folder alone, with another split; the scene is not even of this job."""
    assert h.batch(*ready.arguments("--scene", ready.scene)).returncode == 0
    before = h.files_of(ready.out)
    shutil.rmtree(ready.out / "annotations")
    other = h.save(ready.place / "other.blend")
    done = h.batch("--scene", other, "--out", ready.out, "--formats-only")
    assert done.returncode == 0, done.stderr
    assert h.differing(before, h.files_of(ready.out)) == []
    ready.recipe_file.write_text(
        addon("recipe").dumps(h.recipe(addon, h.STILL, {"export": {"split": [0.0, 0.0, 1.0]}}))
    )
    assert (
        h.batch("--scene", other, "--out", ready.out, "--formats-only", "--recipe", ready.recipe_file).returncode == 0
    )
    coco = json.loads((ready.out / "annotations" / "instances_test.json").read_text())
    assert len(coco["images"]) == 2
    changed = h.differing(before, h.files_of(ready.out))
    assert changed and not [n for n in changed if n.startswith(("images", "records", "job", "recipe"))]


@pytest.mark.parametrize(
    ("arguments", "code"), [((), 2), (("--help",), 0), (("--frames", "x"), 2), (("--out", "x"), 1)]
)
def test_there_is_always_an_exit_code(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    done = h.batch(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_python_without_blender_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(h.BATCH)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**h.plain_environment(), "PYTHONPATH": ""},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("syngen: error: this Python has no Blender") and "Traceback" not in done.stderr


RUN = """
import os, runpy, sys
import bpy
{before}
def leave(code):
    print("PACKAGE", sorted(m for m in sys.modules if m.endswith("syngen_addon.blender.cli")), flush=True)
    real(code)
real, os._exit = os._exit, leave
sys.argv = {argv!r}
runpy.run_path({batch!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    "enabled", [pytest.param(True, marks=pytest.mark.versions), False], ids=["enabled", "only installed"]
)
def test_as_an_extension_of_another_name(ready: Ready, enabled: bool) -> None:
    """As `blender -b scene.blend --python batch.py` does it: the file is open, the package is found by its path."""
    folder = ready.place / "profile" / "extensions" / "user_default"
    folder.mkdir(parents=True)
    (folder / "my_syngen").symlink_to(h.ROOT, target_is_directory=True)
    batch = folder / "my_syngen" / "syngen_addon" / "blender" / "batch.py"
    before = (
        "import addon_utils\naddon_utils.enable('bl_ext.user_default.my_syngen', default_set=True)\n" if enabled else ""
    )
    before += f"bpy.ops.wm.open_mainfile(filepath={str(ready.scene)!r})"
    done = python(
        RUN.format(
            before=before, argv=["blender", "-b", "--python", str(batch), "--", *ready.arguments()], batch=str(batch)
        ),
        BLENDER_USER_RESOURCES=str(ready.place / "profile"),
    )
    assert done.returncode == 0, done.stderr
    assert "PACKAGE ['bl_ext.user_default.my_syngen.syngen_addon.blender.cli']" in done.stdout
    assert len(h.files_of(ready.out / "images")) == 2


def test_from_a_folder_of_any_name(ready: Ready) -> None:
    """A copy of the package, as a downloaded archive unpacks: nothing of this checkout is used."""
    copy = ready.place / "SynGen main-1.0 (2)"
    copy.mkdir()
    for name in ("__init__.py", "blender_manifest.toml"):
        shutil.copy(h.ROOT / name, copy)
    for name in ("syngen_addon", "operators", "panels"):
        shutil.copytree(h.ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [
            sys.executable,
            str(copy / "syngen_addon" / "blender" / "batch.py"),
            "--",
            *ready.arguments("--scene", ready.scene),
        ],
        capture_output=True,
        text=True,
        timeout=200,
        env=h.plain_environment(),
        cwd=ready.place,
    )
    assert done.returncode == 0, done.stderr
    direct = h.batch(*ready.arguments("--scene", ready.scene))
    assert direct.returncode == 0 and "0 frames rendered, 2 were there" in direct.stdout


# --- blender --command syngen ----------------------------------------------------------------------------------------


def test_the_command_refuses_to_run_where_no_file_was_loaded(
    addon, empty_scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert addon("blender.command")._run(["--out", str(tmp_path / "out"), "--frames", "1"]) == 1
    assert "No scene file is open." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("card")
def test_the_command_is_the_same_job(addon, ready: Ready) -> None:
    assert addon("blender.command")._run(ready.arguments()) == 0
    before = h.files_of(ready.out)
    shutil.rmtree(ready.out)
    assert h.batch(*ready.arguments("--scene", ready.scene)).returncode == 0
    assert h.differing(before, h.files_of(ready.out)) == []


@pytest.mark.parametrize("still", [False, True], ids=["all drawn", "levels and light of the scene"])
def test_a_preview_that_was_saved_takes_no_part(addon, ready: Ready, still: bool) -> None:
    """Its camera, lamps, world and levels are gone before the job looks at the scene."""
    preview, dataset = addon("blender.preview_frame"), addon("blender.dataset")
    changes: dict[str, dict[str, Any]] = {"light": {"keep_scene_lights": True}, "background": {"kind": "color"}}
    settings = h.recipe(addon, h.STILL, {"render": {"samples": 2}}) if still else h.recipe(addon, changes)
    ready.recipe_file.write_text(addon("recipe").dumps(settings))
    assert addon("blender.cli").main(ready.arguments()) == 0
    expected = h.files_of(ready.out / "images")
    shutil.rmtree(ready.out)
    preview.begin(bpy.context, h.recipe(addon, changes), 1, 9)
    h.save(ready.scene)
    with pytest.raises(addon("errors").SynGenError, match="shows the preview of a frame"):
        dataset.run(dataset.Job(settings, ready.out, 1))
    assert h.batch(*ready.arguments("--scene", ready.scene)).returncode == 0
    assert h.files_of(ready.out / "images") == expected


def test_warnings_are_told(addon, ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("Crate A", "Crate B"):
        h.age(addon, bpy.data.objects[name], ready.place / "gallery", h.recipe(addon), level=0.5)
    h.save(ready.scene)
    shutil.rmtree(ready.place / "gallery")
    changes: dict[str, dict[str, Any]] = {"camera": {"randomize": False}}
    ready.recipe_file.write_text(addon("recipe").dumps(h.recipe(addon, changes)))
    assert addon("blender.cli").main(ready.arguments()) == 0
    err = capsys.readouterr().err
    assert "syngen: warning: Crate A: its gallery is gone; every frame shows the variant it wears." in err
    assert {i["variant"] for k in (0, 1) for i in h.record(ready.out, k)["instances"]} == {-1}


def test_the_line_to_copy_is_quoted_and_runs(addon, ready: Ready, tmp_path: Path) -> None:
    background = addon("blender.background")
    out = tmp_path / "a folder with 'quotes'"
    command = background.batch_command(
        str(ready.scene), background.job_arguments(str(out), 1, 3, str(ready.recipe_file))
    )
    line = background.command_line(command)
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=200, env=h.plain_environment())
    assert done.returncode == 0, done.stderr
    assert (out / "images" / "0000" / "00000000.png").is_file()
    assert os.path.samefile(command[1], h.BATCH) and not bpy.app.binary_path
