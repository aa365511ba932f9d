"""A job's folder: what makes it this job, which frames are finished, and what is left of a killed run."""

import json
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syngen_addon import files, jobs
from syngen_addon.errors import SynGenError
from syngen_addon.labels.record import encode, no_target_record
from syngen_addon.recipe import Recipe, loads, to_dict
from tests.pure.finished import finished, recipe_of

INPUTS: dict[str, Any] = {"recipe": to_dict(Recipe()), "seed": 3, "scene": {"sha256": "ab"}, "files": {"a.exr": "cd"}}


def record(frame: int, **more: Any) -> bytes:
    return encode({**no_target_record({"frame": frame}), **more})


@given(st.integers(1, 500), st.integers(1, 12))
def test_shards_share_the_frames_evenly(frames: int, count: int) -> None:
    shards = [list(jobs.frames_of(frames, (i, count))) for i in range(count)]
    assert sorted(frame for shard in shards for frame in shard) == list(range(frames))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@given(st.integers(0, 50), st.integers(1, 50))
def test_shards_are_read(number: int, count: int) -> None:
    if number < count:
        assert jobs.parse_shard(f"{number}/{count}") == (number, count)
    else:
        with pytest.raises(
            SynGenError,
            match=f"--shard {number}/{count}: there is no such shard. The shards of {count} are 0/{count} to",
        ):
            jobs.parse_shard(f"{number}/{count}")


@given(st.text(max_size=8))
def test_any_text_is_a_shard_or_refused(text: str) -> None:
    try:
        number, count = jobs.parse_shard(text)
        assert 0 <= number < count
    except SynGenError as error:
        assert "--shard" in error.message and error.hint


def test_names_of_files() -> None:
    assert jobs.picture_name(12) == "images/0000/00000012.png" == files.frame_file("images", 12, ".png")
    assert jobs.picture_name(123_456) == "images/0012/00123456.png"
    assert jobs.record_path(Path("out"), 123_456) == Path("out/records/0012/00123456.json")


# --- whose folder ----------------------------------------------------------------------------------------------------


def test_a_fingerprint_is_of_everything() -> None:
    same = json.loads(json.dumps(INPUTS))
    assert jobs.fingerprint_of(INPUTS) == jobs.fingerprint_of({k: same[k] for k in reversed(same)})
    same["recipe"]["camera"]["focal_mm"][1] += 1e-9
    assert jobs.fingerprint_of(INPUTS) != jobs.fingerprint_of(same)


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    assert jobs.check_folder(out, INPUTS) is False
    assert list(out.iterdir()) == [], "looking leaves nothing behind"
    fingerprint = jobs.open_folder(out, INPUTS, Recipe())
    assert fingerprint == jobs.fingerprint_of(INPUTS) == jobs.read_job(out)["fingerprint"]
    assert loads((out / "recipe.toml").read_text()) == Recipe()
    before = {p: p.stat().st_mtime_ns for p in out.iterdir()}
    assert jobs.open_folder(out, INPUTS, Recipe()) == fingerprint and jobs.check_folder(out, INPUTS)
    assert before == {p: p.stat().st_mtime_ns for p in out.iterdir()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 4}, "seed: 3 there, 4 now"),
        ({"scene": {"sha256": "xy"}}, 'scene.sha256: "ab" there, "xy" now'),
        ({"files": {}}, 'files.a.exr: "cd" there, null now'),
        ({"files": {"a.exr": "cd", "b.exr": "ef"}}, 'files.b.exr: null there, "ef" now'),
        (
            {"recipe": to_dict(loads("[camera]\nfocal_mm = [30, 40]"))},
            "recipe.camera.focal_mm: [28.0, 70.0] there, [30.0, 40.0] now",
        ),
    ],
)
def test_another_job_is_refused_and_the_difference_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    jobs.open_folder(tmp_path, INPUTS, Recipe())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(SynGenError) as caught:
        jobs.open_folder(tmp_path, {**INPUTS, **change}, Recipe())
    assert words in caught.value.message and str(tmp_path) in caught.value.message
    assert before == {p.name: p.read_bytes() for p in tmp_path.iterdir()}


def test_many_differences_are_cut_short(tmp_path: Path) -> None:
    jobs.open_folder(tmp_path, {"a": "x" * 500, "b": 1, "c": 1, "d": 1}, Recipe())
    with pytest.raises(SynGenError) as caught:
        jobs.open_folder(tmp_path, {"a": "y" * 500, "b": 2, "c": 2, "d": 2}, Recipe())
    assert len(caught.value.message) < 300 + len(str(tmp_path)) and caught.value.message.endswith("....")


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"version": 99, "inputs": {}, "fingerprint": ""}', '{"version": 1, "inputs": 3}', "\0"]
)
def test_a_broken_job_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "job.json").write_text(content)
    for call in (lambda: jobs.read_job(tmp_path), lambda: jobs.open_folder(tmp_path, INPUTS, Recipe())):
        with pytest.raises(SynGenError, match=r"job\.json is broken or of another version"):
            call()


def test_a_folder_with_other_files_is_refused_but_the_panels_own_are_not(tmp_path: Path) -> None:
    for name in jobs.MAY_LIE_THERE:
        (tmp_path / name).mkdir()
    (tmp_path / ".DS_Store").write_text("")
    jobs.open_folder(tmp_path, INPUTS, Recipe())
    other = tmp_path / "variants"
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(SynGenError, match="holds files that are not a SynGen job"):
        jobs.open_folder(other, INPUTS, Recipe())
    assert [p.name for p in other.iterdir()] == ["thesis.txt"]


def test_a_run_killed_between_its_first_two_files_goes_on(tmp_path: Path) -> None:
    jobs.open_folder(tmp_path, INPUTS, Recipe())
    (tmp_path / "recipe.toml").unlink()
    jobs.open_folder(tmp_path, INPUTS, Recipe())
    assert loads((tmp_path / "recipe.toml").read_text()) == Recipe()


def test_shards_that_start_together_claim_one_folder(tmp_path: Path) -> None:
    """Processes, as on a farm: every one gets in."""
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from syngen_addon import jobs, recipe\n"
        "print('ready', flush=True); sys.stdin.read()\n"
        "for i in range(60): jobs.open_folder(Path(sys.argv[2]) / str(i), {'seed': 1}, recipe.Recipe())\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, root, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    said: list[str] = []
    threads = [threading.Thread(target=lambda c=c: said.append(c.communicate()[1])) for c in children]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [c.returncode for c in children] == [0, 0, 0], said
    assert {p.name for p in (tmp_path / "7").iterdir()} == {"job.json", "recipe.toml"}


@pytest.mark.parametrize("where", ["file", "file/out"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SynGenError, match="Cannot write into the folder"):
        jobs.open_folder(tmp_path / where, INPUTS, Recipe())


# --- which frames ----------------------------------------------------------------------------------------------------


def test_a_frame_is_finished_when_its_record_and_picture_are_there(tmp_path: Path) -> None:
    def put(frame: int, data: bytes, picture: bool = False) -> None:
        files.write_bytes(jobs.record_path(tmp_path, frame), data)
        if picture:
            files.write_bytes(tmp_path / jobs.picture_name(frame), b"png")

    seen = {"no_target": False, "width": 4, "height": 4}
    put(0, record(0))
    put(1, record(1, **seen), picture=True)
    put(2, record(2, **seen))
    put(3, record(3)[:20])
    put(4, record(5))
    put(6, b"")
    files.write_bytes(tmp_path / jobs.picture_name(7), b"png")
    assert {k for k in range(9) if jobs.read_record(tmp_path, k) is not None} == {0, 1}
    assert jobs.read_record(tmp_path, 1) == json.loads(record(1, **seen))


def test_the_records_of_a_whole_job_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = finished(tmp_path / "job", 6)  # the fourth without a target
    read: list[int] = []
    plain = jobs.read_record
    monkeypatch.setattr(jobs, "read_record", lambda *a: read.append(a[1]) or plain(*a))
    recipe, about = recipe_of(), jobs.read_job(out)
    assert jobs.pictured(out, 6) == 5 and jobs.pictured(out, 7) is None and not read
    done = jobs.rebuild(out, recipe, 3, 6, about["classes"]["object"], whole=True)
    assert done is not None and (done.finished, done.no_target) == (6, 1)
    assert read == list(range(6))
    jobs.record_path(out, 4).write_bytes(b"{")  # there, and broken: known when it is read
    assert jobs.pictured(out, 6) == 5
    assert jobs.rebuild(out, recipe, 3, 6, about["classes"]["object"], whole=True) is None
    some = jobs.rebuild(out, recipe, 3, 6, about["classes"]["object"])
    assert some is not None and (some.finished, some.no_target) == (5, 1)
    assert not list(out.rglob("*.part"))


def test_the_same_file_under_two_names_is_told() -> None:
    files = {
        "light.environments/a.hdr": "1", "light.environments/b.hdr": "2", "background.folder/a.png": "1",
        "background.folder/c.png": "3", "background.folder/b.png": "3", "Drum/rust-1/color.png": "9",
        "Tank/rust-1/color.png": "9",
    }  # fmt: skip
    assert jobs.twins({}) == []
    (said,) = jobs.twins({"files": files})
    assert said.startswith("background.folder: b.png, c.png are the same file")
    things = {f"distractors.folder/{n}": n[0] for n in ("a.glb", "a 2.glb", "b.png", "b 2.png", "c/t.blend", "c.blend")}
    assert [said.split(" are ")[0] for said in jobs.twins({"files": things})] == ["distractors.folder: a 2.glb, a.glb"]


def test_hashes_of_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert jobs.file_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert jobs.file_hash(tmp_path / "b") == jobs.file_hash(tmp_path) == "missing"


# --- files that are whole or not there -------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "a" / "b", b"old")
    with pytest.raises(ZeroDivisionError), files.writing(tmp_path / "a" / "b") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "a").iterdir()] == [("b", b"old")]


def test_what_killed_processes_left_is_cleared_away(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        child.wait()
    deep = tmp_path / "images" / "0000"
    deep.mkdir(parents=True)
    dead = deep / f".00000001.png.{platform.node()}-{child.pid}.part"
    dead.write_bytes(b"half")
    folder = tmp_path / f".heavy_rust-0000-ab.{platform.node()}-{child.pid}.part"
    (folder / "inside").mkdir(parents=True)
    kept = [
        files.part_of(deep / "alive.png"),
        deep / f".other.png.elsewhere-{child.pid}.part",
        deep / ".hidden",
        deep / "a.png",
    ]
    for path in kept:
        path.write_bytes(b"")
    assert f"-{os.getpid()}.part" in kept[0].name
    files.remove_parts(tmp_path)
    if os.name != "nt":
        assert not dead.exists() and not folder.exists()
    assert all(path.exists() for path in kept)
    files.remove_parts(tmp_path / "not there")
