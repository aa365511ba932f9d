"""The same job is the same bytes: twice, in any order, in shards, stopped or killed and gone on with."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

FRAMES = 4
SEED = 12
DRAWN: dict[str, dict[str, Any]] = {
    "render": {"samples": 2, "denoise": True},
    "light": {"area_lights": [0, 2]},
    "labels": {"redraws": 4, "min_pixels": 40},
}


class Prepared:
    """A saved scene of two aged crates with two variants each, its recipe on disk, and the folder of a whole run."""

    def __init__(self, addon: Any, place: Path, background: str) -> None:
        self.addon, self.place = addon, place
        folder = place / "backgrounds"
        folder.mkdir()
        for number in range(9):  # of which train has seven for itself
            color = np.random.default_rng(number).integers(20, 220, 3)
            cv2.imwrite(str(folder / f"{number}.png"), np.full((16, 24, 3), color, np.uint8))
        self.recipe = h.recipe(addon, DRAWN, {"background": {"kind": background, "folder": str(folder)}})
        self.recipe_file = place / "job.toml"
        self.recipe_file.write_text(addon("recipe").dumps(self.recipe))
        for obj in h.two_boxes():
            h.age(addon, obj, place / "gallery", self.recipe)
        self.scene = h.save(place / "scene.blend")

    def run(self, name: str, shard: tuple[int, int] = (0, 1), frames: int = FRAMES, **more: Any) -> Path:
        dataset = self.addon("blender.dataset")
        dataset.run(dataset.Job(self.recipe, self.place / name, frames, SEED, shard), **more)
        return self.place / name

    def arguments(self, name: str, *more: object) -> list[object]:
        return [
            "--scene",
            self.scene,
            "--recipe",
            self.recipe_file,
            "--out",
            self.place / name,
            "--frames",
            FRAMES,
            "--seed",
            SEED,
            *more,
        ]


@pytest.fixture
def prepared(addon, empty_scene, tmp_path: Path) -> Prepared:
    return Prepared(addon, tmp_path, "images")


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("background", [pytest.param("environment", marks=pytest.mark.versions), "color"])
def test_twice_and_in_another_order_is_the_same(addon, empty_scene, tmp_path: Path, background: str) -> None:
    prepared = Prepared(addon, tmp_path, background)
    first = h.files_of(prepared.run("first"))
    assert len([n for n in first if n.startswith("images")]) == FRAMES
    assert h.differing(first, h.files_of(prepared.run("second"))) == []
    # Backwards, with a frame missing in between, and the file opened anew.
    bpy.ops.wm.open_mainfile(filepath=str(prepared.scene))
    for number in (3, 1, 2, 0):
        prepared.run("third", shard=(number, 4))
    assert h.differing(first, h.files_of(tmp_path / "third")) == []


@pytest.mark.usefixtures("card")
@pytest.mark.versions
def test_every_frame_alone_in_a_fresh_process_and_shards_are_the_same(prepared: Prepared) -> None:
    """Nothing that is drawn may linger from frame to frame under persistent data."""
    whole = h.files_of(prepared.run("whole"))
    pictures = [data for name, data in whole.items() if name.startswith("images")]
    assert len({*pictures}) == FRAMES
    records = [h.record(prepared.place / "whole", k) for k in range(FRAMES)]
    for what in ("camera", "sun", "environment", "exposure_ev", "levels"):
        assert len({str(r["draw"][what]) for r in records}) > 1, what
    assert len({len(r["draw"]["areas"]) for r in records}) > 1
    assert len({str(r["draw"]["variants"]) for r in records}) > 1
    assert len({r["environment"] for r in records}) > 1 and len({r["background"] for r in records}) > 1
    running = [
        subprocess.Popen(
            h.batch_command(*prepared.arguments("shards", "--shard", f"{k}/{FRAMES}")),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=h.plain_environment(),
        )
        for k in range(FRAMES)
    ]
    for child in running:
        said, _ = child.communicate(timeout=200)
        assert child.returncode == 0, said
    assert h.differing(whole, h.files_of(prepared.place / "shards")) == []


def test_things_of_earlier_frames_change_nothing(addon, empty_scene, tmp_path: Path) -> None:
    """Neither the noise, which hangs on the order of the lamps that are kept, nor what shows of two surfaces in one
    place: Cycles' list of objects is the same whatever came and went."""
    h.two_boxes()
    for number in range(3):
        lamp = bpy.data.lights.new("Lamp", "SUN")
        lamp.energy, lamp.color = 1.0 + number, (1.0, 0.4 * number, 0.2)
        obj = bpy.data.objects.new("Lamp", lamp)
        obj.rotation_euler = (0.3 * number, 0.4, 0.0)
        bpy.context.scene.collection.objects.link(obj)
    props, twins = bpy.data.collections.new("Props"), bpy.data.collections.new("Twins")
    bpy.context.scene.collection.children.link(props)
    props.children.link(twins)
    for place, name in ((props, "Red"), (twins, "Green"), (twins, "Blue")):
        box = h.box(name, (9, 9, 0), (10, 10, 1), h.material(name, None))
        shader = next(n for n in box.active_material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
        shader.inputs["Base Color"].default_value = [float(name == c) for c in ("Red", "Green", "Blue")] + [1.0]
        bpy.context.scene.collection.objects.unlink(box)
        place.objects.link(box)
    h.save(tmp_path / "scene.blend")
    drawn = {
        "targets": {"objects": ["Crate *"]},
        "light": {"keep_scene_lights": True, "area_lights": [0, 2]},
        "distractors": {"count": [0, 5], "occluders": [0, 2], "collection": "Props"},
        "export": {"formats": ["csv"]},
    }
    dataset, recipe = addon("blender.dataset"), h.recipe(addon, drawn)
    dataset.run(dataset.Job(recipe, tmp_path / "whole", 6))
    for number in (5, 2):
        dataset.run(dataset.Job(recipe, tmp_path / "alone", 6, only=number))
        for name in (f"images/0000/0000000{number}.png", f"records/0000/0000000{number}.json"):
            assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name


def test_frames_can_be_added_to_a_job(prepared: Prepared) -> None:
    whole = h.files_of(prepared.run("whole"))
    prepared.run("grown", frames=2)
    prepared.run("grown")
    assert h.differing(whole, h.files_of(prepared.place / "grown")) == []


def test_the_formats_can_be_made_again_without_rendering(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    out = prepared.run("whole")
    whole = h.files_of(out)
    for name in whole:
        if name.startswith(("annotations", "labels", "train", "val", "test", "data")):
            (out / name).unlink()
    monkeypatch.setattr(prepared.addon("blender.render"), "render_frame", lambda *a: pytest.fail("rendered"))
    prepared.run("whole")
    assert h.differing(whole, h.files_of(out)) == []


def test_a_broken_or_missing_file_is_made_again(prepared: Prepared) -> None:
    out = prepared.run("whole")
    whole = h.files_of(out)
    (out / "images/0000/00000001.png").unlink()
    (out / "records/0000/00000002.json").write_bytes(whole["records/0000/00000002.json"][:100])
    (out / "records/0000/00000003.json").unlink()
    prepared.run("whole")
    assert h.differing(whole, h.files_of(out)) == []


# --- killed ----------------------------------------------------------------------------------------------------------

KILL = """
import os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
import bpy
from syngen_addon import files
from syngen_addon.blender import cli, dataset, frames, render

what, number = sys.argv[1], int(sys.argv[2])
calls = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def counted(real, before):
    def wrapper(*arguments, **more):
        global calls
        calls += 1
        if calls == number and before:
            die()
        done = real(*arguments, **more)
        if calls == number:
            die()
        return done
    return wrapper

if what == "render":
    render.render_frame = counted(render.render_frame, False)
elif what == "between picture and record":
    dataset.encode = counted(dataset.encode, True)
elif what == "half a picture":
    real = files.write_bytes
    def write(path, data):
        if str(path).endswith(".png"):
            with files.writing(path) as file:
                file.write(data[: len(data) // 2])
                file.flush()
                die()
        real(path, data)
    frames.write_bytes = write
elif what == "before the recipe":
    from syngen_addon import jobs
    real = jobs.write_bytes
    def write(path, data):
        real(path, data)
        if str(path).endswith("job.json"):
            die()
    jobs.write_bytes = write
elif what == "formats":
    replace = Path.replace
    def dying(self, target):
        if "instances_val" in str(target):
            die()
        return replace(self, target)
    Path.replace = dying
sys.exit(cli.main(sys.argv[3:]))
"""

POINTS = [
    ("before the recipe", 1),
    ("render", 1),
    ("half a picture", 1),
    ("between picture and record", 2),
    ("formats", 1),
]


@pytest.mark.usefixtures("card")
def test_killed_anywhere_and_run_again_is_the_same(prepared: Prepared) -> None:
    """One folder, killed at one point after another; what is finished by then is never rendered again."""
    whole = h.files_of(prepared.run("whole"))
    out = prepared.place / "killed"
    finished: list[int] = []
    for what, number in POINTS:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                KILL.format(root=str(h.ROOT)),
                what,
                str(number),
                *map(str, prepared.arguments("killed")),
            ],
            capture_output=True,
            text=True,
            timeout=200,
            env=h.plain_environment(),
        )
        assert done.returncode == -signal.SIGKILL, (what, done.stdout[-2000:], done.stderr[-2000:])
        finished.append(len(list(out.glob("records/*/*.json"))))
    assert finished == [0, 0, 0, 1, FRAMES]
    assert list(out.rglob(".*.part")), "nothing was killed half-written: the test shows nothing"
    summary_run = prepared.addon("blender.dataset")
    summary = summary_run.run(summary_run.Job(prepared.recipe, out, FRAMES, SEED))
    assert (summary.rendered, summary.found_finished) == (0, FRAMES)
    assert h.differing(whole, h.files_of(out)) == []


def lines(child: "subprocess.Popen[str]") -> Iterator[str]:
    assert child.stdout is not None
    yield from child.stdout


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_asked_to_stop_it_ends_with_130_and_goes_on_later(prepared: Prepared, number: signal.Signals) -> None:
    whole = h.files_of(prepared.run("whole"))
    with subprocess.Popen(
        h.batch_command(*prepared.arguments("stopped")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=h.plain_environment(),
    ) as child:
        said = []
        for line in lines(child):
            said.append(line)
            if line.startswith("syngen: frame 0 done"):
                child.send_signal(number)
        assert child.wait(100) == 130, "".join(said)[-2000:]
    assert "Stopped. The same command goes on from here." in "".join(said)
    assert "Traceback" not in "".join(said)
    out = prepared.place / "stopped"
    records = {p.stem for p in out.glob("records/*/*.json")}
    assert records and len(records) < FRAMES
    assert {p.stem for p in out.glob("images/*/*.png")} == records
    assert not (out / "annotations").exists()
    prepared.run("stopped")
    assert h.differing(whole, h.files_of(out)) == []


def test_asked_to_stop_while_variants_are_made(addon, empty_scene, tmp_path: Path) -> None:
    """Before the first frame: as well 130, nothing half-made, and no temporary files anywhere."""
    h.two_boxes()
    scene, out, temporary = h.save(tmp_path / "scene.blend"), tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "job.toml").write_text(addon("recipe").dumps(h.recipe(addon, {"targets": {"objects": ["Crate *"]}})))
    command = h.batch_command("--scene", scene, "--recipe", tmp_path / "job.toml", "--out", out, "--frames", 2)
    said = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**h.plain_environment(), "TMPDIR": str(temporary)},
    ) as child:
        for line in lines(child):
            said.append(line)
            if "Wear texture 1 of 2" in line:
                child.send_signal(signal.SIGTERM)
        assert child.wait(100) == 130, "".join(said)[-2000:]
    assert "Traceback" not in "".join(said) and said[-1] == "syngen: Stopped. The same command goes on from here.\n"
    assert not [p for p in out.rglob("*") if p.is_file()] and not list(temporary.iterdir())
