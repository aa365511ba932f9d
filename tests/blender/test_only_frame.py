"""One frame of a job made again, alone: the same bytes, in place of what is broken, or beside it."""

import json
import shutil
from pathlib import Path
from typing import Any

import bpy
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

FRAMES = 3
NAMES = [f"{folder}/0000/00000001.{suffix}" for folder, suffix in (("images", "png"), ("records", "json"))]


class Done:
    """A finished job of two aged boxes that are drawn from anew in each frame, and its scene."""

    def __init__(self, addon: Any, place: Path) -> None:
        self.addon, self.out = addon, place / "out"
        self.again = addon("blender.again")
        recipe = h.recipe(addon, {"render": {"samples": 2}, "labels": {"min_pixels": 20}})
        for obj in h.two_boxes():
            h.age(addon, obj, place / "gallery", recipe)
        self.scene = h.save(place / "scene.blend")
        dataset = addon("blender.dataset")
        dataset.run(dataset.Job(recipe, self.out, FRAMES, 5))
        self.recipe = addon("recipe").load(self.out / "recipe.toml")

    def files(self) -> dict[str, bytes]:
        return h.files_of(self.out)

    def frame(self, number: int, into: Path | None = None) -> Any:
        return self.again.frame_again(self.out, number, self.recipe, into)


@pytest.fixture
def done(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> Done:
    return Done(addon, tmp_path)


def test_a_frame_is_made_again_byte_by_byte(done: Done, tmp_path: Path) -> None:
    before = done.files()
    assert done.frame(1).same
    assert h.differing(before, done.files()) == []
    (done.out / NAMES[0]).write_bytes(b"spoiled")
    assert done.frame(1).placed == (NAMES[0],)
    (done.out / NAMES[1]).unlink()
    assert done.frame(1).placed == (NAMES[1],)
    assert h.differing(before, done.files()) == []

    beside = tmp_path / "beside"
    assert done.frame(1, beside).same
    assert [(beside / name).read_bytes() for name in NAMES] == [before[name] for name in NAMES]
    assert sorted(p.name for p in (beside / "images").rglob("*.png")) == ["00000001.png"]


def test_what_came_out_otherwise_is_said_and_kept(done: Done, addon) -> None:
    path = done.out / NAMES[1]
    record = json.loads(path.read_text())
    record["instances"][0]["level"] = 0.123
    path.write_text(json.dumps(record))
    before = done.files()
    with pytest.raises(addon("errors").SynGenError, match=r"Frame 1 came out otherwise .* records/0000/00000001\.json"):
        done.frame(1)
    assert h.differing(before, done.files()) == []


def test_another_scene_and_a_frame_that_is_not_there_are_refused(done: Done, addon, tmp_path: Path) -> None:
    error = addon("errors").SynGenError
    before = done.files()
    with pytest.raises(error, match=r"has no frame 3\. Its frames are 0 to 2"):
        done.frame(FRAMES)
    with pytest.raises(error, match="the job's own folder"):
        done.frame(1, done.out)
    with pytest.raises(error, match="holds no SynGen job"):
        done.again.frame_again(tmp_path / "none", 0, done.recipe)
    bpy.data.objects[0].location.x += 0.25
    h.save(done.scene)
    beside = tmp_path / "beside"
    with pytest.raises(error, match=r"holds another job: .*scene\.sha256"):
        done.frame(1, beside)
    assert not (beside / "images").exists()
    assert h.differing(before, done.files()) == []


def test_the_command_line_names_what_became_of_it(done: Done) -> None:
    shutil.rmtree(done.out / "images")
    said = h.batch("--scene", done.scene, "--out", done.out, "--only-frame", 1)
    assert said.returncode == 0, said.stderr
    assert f"Frame 1 was missing or broken. Put into {done.out}: {NAMES[0]}" in said.stdout
    said = h.batch("check", done.out)
    assert said.returncode == 1 and "images/0000/00000000.png is not there" in said.stdout
    said = h.batch("--out", done.out, "--formats-only", "--formats", "csv,cococo")
    assert said.returncode == 1 and "cococo" in said.stderr and "coco_panoptic" in said.stderr
