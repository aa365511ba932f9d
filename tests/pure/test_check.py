"""The check of a finished dataset: a sound one has no problem, and each fault that is planted is found and named."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from syngen_addon import jobs
from syngen_addon.checking import runs, stream, yaml_text
from syngen_addon.checking.check import check
from syngen_addon.checking.report import Findings
from syngen_addon.errors import SynGenError
from syngen_addon.formats.split import SPLITS
from tests.pure.finished import finished, recipe_of

FORMATS = (
    *("coco", "coco_panoptic", "yolo", "yolo_segment", "yolo_obb", "yolo_pose"),
    *("classify", "voc", "masks", "csv"),
)
EXPORT = {"export": {"formats": list(FORMATS)}}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished job with every format that is checked."""
    return finished(tmp_path_factory.mktemp("sound") / "ds", 8, EXPORT)


@pytest.fixture
def job(sound: Path, tmp_path: Path) -> Path:
    """The same, to be spoiled."""
    return shutil.copytree(sound, tmp_path / "ds")


def whats(folder: Path) -> set[str]:
    """The sorts of problems of a folder; notes are none."""
    return {problem.what for problem in check(folder).problems if not problem.note}


def test_a_sound_dataset_has_no_problem(sound: Path) -> None:
    report = check(sound)
    assert [p for p in report.problems if not p.note] == []
    assert report.sound and report.faults == 0 and report.lines()[-1] == "Nothing is wrong with it."
    assert set(report.found) == {
        *("SynGen job", "COCO", "YOLO detect", "YOLO OBB", "YOLO pose", "YOLO segment"),
        *("folders of classes", "label maps", "Pascal VOC"),
    }
    assert report.sizes["frames"] == 8 and report.sizes["pictures"] == 7  # each is read once, whoever names it


NASTY = (
    ("../../etc/passwd", "a/b\\c", "C:\\x"),
    ('a "quoted" one', "it's", "a: b #c"),
    ("<tank>&amp;", "line\nbreak\ttab", "{a}, [b]"),
    ("tank", "Tank", "TANK "),
    ("CON", "null", "1"),
    ("日本 ü", "- x", "*"),
)
"""Class names that a path, a quote, a line or a file system could trip over."""


@pytest.mark.parametrize("classes", NASTY)
def test_any_class_name_comes_through_every_format(tmp_path: Path, classes: tuple[str, ...]) -> None:
    formats = [*EXPORT["export"]["formats"], "classify", "masks"]
    out = finished(tmp_path / "deep" / "ds", 12, {"export": {"formats": formats}}, classes=classes)
    report = check(out)
    assert [p for p in report.problems if not p.note] == []
    coco = json.loads((out / "annotations/instances_train.json").read_text())
    assert [c["name"] for c in coco["categories"]] == sorted(classes)
    assert yaml_text.read((out / "data.yaml").read_text())["names"] == dict(enumerate(sorted(classes)))
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]  # nothing was written elsewhere


def test_other_classes_and_shares_than_the_recipes_are_no_fault(job: Path) -> None:
    about = jobs.read_job(job)
    other = recipe_of({"labels": {"class_from": "wear"}, "export": {"split": [0.0, 0.5, 0.5], **EXPORT["export"]}})
    jobs.rebuild(job, other, about["inputs"]["seed"], 8, about["classes"]["wear"])
    assert whats(job) == set()


# --- faults of a job of ours ------------------------------------------------------------------------------------------


def change(path: Path, how: Callable[[Any], Any]) -> None:
    """Change a JSON file in place."""
    value = json.loads(path.read_text())
    how(value)
    path.write_text(json.dumps(value) + "\n")


def record(job: Path, how: Callable[[dict[str, Any]], Any], frame: int = 0) -> None:
    change(job / f"records/0000/{frame:08d}.json", how)


def annotation(job: Path, how: Callable[[dict[str, Any]], Any]) -> None:
    change(job / "annotations/instances_train.json", lambda v: how(v["annotations"][0]))


def resized(path: Path) -> None:
    Image.open(path).resize((10, 10)).save(path)


def first(job: Path, pattern: str) -> Path:
    return next(p for p in sorted(job.glob(pattern)) if p.stat().st_size)


def line(job: Path, how: Callable[[str], str], pattern: str = "labels/0000/*.txt") -> None:
    path = first(job, pattern)
    head, *rest = path.read_text().splitlines()
    path.write_text("\n".join([how(head), *rest]) + "\n")


def painted_over(job: Path, what: str, number: int) -> None:
    """A label map with another number in all of its lower half."""
    path = first(job, f"masks/{what}/*/*.png")
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[pixels.shape[0] // 2 :] = number
    Image.fromarray(pixels).save(path)


PICTURE = "images/0000/00000000.png"
JOB_FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "picture gone": (lambda j: (j / PICTURE).unlink(), "picture missing"),
    "picture cut off": (lambda j: (j / PICTURE).write_bytes((j / PICTURE).read_bytes()[:200]), "picture unreadable"),
    "picture of another size": (lambda j: resized(j / PICTURE), "picture size"),
    "another picture": (lambda j: Image.new("RGB", (96, 72)).save(j / PICTURE), "picture changed"),
    "picture without a record": (lambda j: shutil.copy(j / PICTURE, j / "images/0000/00000099.png"), "left over"),
    "picture of a frame without a target": (
        lambda j: shutil.copy(j / PICTURE, j / "images/0000/00000003.png"),
        "left over",
    ),
    "record cut off": (
        lambda j: (j / "records/0000/00000001.json").write_text('{"frame": 1'),
        "record broken",
    ),
    "record gone": (lambda j: (j / "records/0000/00000001.json").unlink(), "frames missing"),
    "record of another frame": (lambda j: record(j, lambda r: r.update(frame=5)), "record broken"),
    "area": (lambda j: record(j, lambda r: r["instances"][0].update(area=1)), "area wrong"),
    "box": (lambda j: record(j, lambda r: r["instances"][0].update(bbox=[0, 0, 5, 5])), "box and mask differ"),
    "mask": (
        lambda j: record(j, lambda r: r["instances"][0]["segmentation"].update(counts="1")),
        "mask broken",
    ),
    "fraction": (lambda j: record(j, lambda r: r["instances"][0].update(visible_fraction=1.2)), "out of range"),
    "severity": (lambda j: record(j, lambda r: r["instances"][0].update(severity=6)), "out of range"),
    "class": (
        lambda j: record(j, lambda r: r["instances"][0]["classes"].update(object="ship")),
        "class unknown",
    ),
    "region beyond its object": (
        lambda j: record(
            j, lambda r: r["regions"][0].update({k: r["instances"][0][k] for k in ("area", "bbox", "segmentation")})
        ),
        "region outside",
    ),
    "wear percent": (lambda j: record(j, lambda r: r["instances"][0].update(wear_percent=99.0)), "area wrong"),
    "recipe": (
        lambda j: (j / "recipe.toml").write_text(
            (j / "recipe.toml").read_text().replace("samples = 32", "samples = 8")
        ),
        "recipe changed",
    ),
    "fingerprint": (lambda j: change(j / "job.json", lambda v: v["inputs"].update(seed=4)), "job broken"),
    "half-made": (lambda j: (j / ".x.json.host-1.part").write_text("{"), "half made"),
    "crop gone": (lambda j: first(j, "classify/*/*/*.png").unlink(), "picture missing"),
    "crop of no object": (
        lambda j: shutil.copy(first(j, "classify/train/*/*.png"), j / "classify/train/tank/00000000-099.png"),
        "left over",
    ),
    "another crop": (
        lambda j: Image.new("RGB", (40, 40), (9, 8, 7)).save(first(j, "classify/*/*/*.png")),
        "picture unlike record",
    ),
    "map gone": (lambda j: first(j, "masks/instance/*/*.png").unlink(), "mask missing"),
    "semantic map": (lambda j: painted_over(j, "semantic", 1), "mask unlike record"),
    "instance map": (lambda j: painted_over(j, "instance", 2), "mask unlike record"),
    "wear map": (lambda j: painted_over(j, "wear", 0), "mask unlike record"),
    "a row less": (
        lambda j: (j / "index.csv").write_bytes(b"\r\n".join((j / "index.csv").read_bytes().split(b"\r\n")[:-2])),
        "format stale",
    ),
    "a table of something else": (lambda j: (j / "index.csv").write_text("a,b\n1,2\n"), "table broken"),
    "polygon of another object": (
        lambda j: line(j, lambda t: "0 0.1 0.1 0.2 0.1 0.1 0.2", "yolo-segment/labels/0000/*.txt"),
        "polygon and mask differ",
    ),
    "format gone": (lambda j: (j / "annotations/instances_val.json").unlink(), "format missing"),
    "format stale": (
        lambda j: change(j / "annotations/instances_train.json", lambda v: v["images"].pop()),
        "format stale",
    ),
}


@pytest.mark.parametrize("name", JOB_FAULTS)
def test_a_fault_of_a_job_is_found(job: Path, name: str) -> None:
    spoil, what = JOB_FAULTS[name]
    spoil(job)
    assert what in whats(job)


# --- faults of formats ------------------------------------------------------------------------------------------------


FORMAT_FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "JSON cut off": (
        lambda j: (j / "annotations/instances_train.json").write_bytes(
            (j / "annotations/instances_train.json").read_bytes()[:-40]
        ),
        "JSON broken",
    ),
    "picture unknown": (lambda j: annotation(j, lambda a: a.update(image_id=999)), "picture unknown"),
    "class unknown": (lambda j: annotation(j, lambda a: a.update(category_id=77)), "class unknown"),
    "id 0": (lambda j: annotation(j, lambda a: a.update(id=0)), "id 0"),
    "id twice": (
        lambda j: change(
            j / "annotations/instances_train.json", lambda v: v["annotations"].append(v["annotations"][0])
        ),
        "id twice",
    ),
    "object twice": (
        lambda j: change(
            j / "annotations/instances_train.json",
            lambda v: v["annotations"].append({**v["annotations"][0], "id": 12345}),
        ),
        "object twice",
    ),
    "class of id 0": (
        lambda j: change(j / "annotations/instances_train.json", lambda v: v["categories"][0].update(id=0)),
        "id 0",
    ),
    "two classes of a name": (
        lambda j: change(j / "annotations/instances_train.json", lambda v: v["categories"][0].update(name="pipe")),
        "class twice",
    ),
    "classes of another split": (
        lambda j: change(j / "annotations/instances_val.json", lambda v: v["categories"].pop()),
        "classes differ",
    ),
    "box outside": (lambda j: annotation(j, lambda a: a.update(bbox=[90, 60, 30, 30])), "box outside"),
    "box without area": (lambda j: annotation(j, lambda a: a.update(bbox=[9, 6, 0, 30])), "box without area"),
    "no area": (lambda j: annotation(j, lambda a: a.update(area=0)), "no area"),
    "box is text": (lambda j: annotation(j, lambda a: a.update(bbox="all")), "box broken"),
    "two points": (lambda j: annotation(j, lambda a: a.update(segmentation=[[1, 1, 5, 5]])), "polygon broken"),
    "flat polygon": (
        lambda j: annotation(j, lambda a: a.update(segmentation=[[1, 1, 5, 5, 9, 9]])),
        "polygon broken",
    ),
    "polygon elsewhere": (
        lambda j: annotation(j, lambda a: a.update(bbox=[1, 1, 8, 8], segmentation=[[60, 60, 70, 60, 70, 70]])),
        "box and mask differ",
    ),
    "mask of another size": (
        lambda j: annotation(j, lambda a: a["segmentation"].update(size=[10, 10])),
        "mask broken",
    ),
    "panoptic picture": (
        lambda j: Image.new("RGB", (96, 72)).save(first(j, "annotations/panoptic_train/**/*.png")),
        "segments differ",
    ),
    "yolo class": (lambda j: line(j, lambda t: "9" + t[1:]), "class unknown"),
    "yolo outside": (lambda j: line(j, lambda t: "0 1.5 0.5 0.1 0.1"), "box outside"),
    "yolo over the border": (lambda j: line(j, lambda t: "0 0.9 0.5 0.5 0.1"), "box outside"),
    "yolo without area": (lambda j: line(j, lambda t: "0 0.5 0.5 0 0.1"), "box without area"),
    "yolo text": (lambda j: line(j, lambda t: "0 a b c d"), "label broken"),
    "yolo columns": (lambda j: line(j, lambda t: "0 0.5 0.5 0.1"), "label broken"),
    "yolo twice": (lambda j: line(j, lambda t: f"{t}\n{t}"), "object twice"),
    "yolo picture gone from its list": (
        lambda j: (j / "train.txt").write_text("\n".join((j / "train.txt").read_text().splitlines()[1:]) + "\n"),
        "label left over",
    ),
    "yolo names": (
        lambda j: (j / "data.yaml").write_text(re.sub(r"nc: \d+", "nc: 9", (j / "data.yaml").read_text())),
        "classes differ",
    ),
    "yaml": (lambda j: (j / "data.yaml").write_text("train: x\nnames: {a: [b\n"), "data.yaml broken"),
    "polygon of a point": (
        lambda j: line(j, lambda t: "0 0.1 0.1 0.1 0.1 0.1 0.1", "yolo-segment/labels/0000/*.txt"),
        "polygon broken",
    ),
    "pose columns": (lambda j: line(j, lambda t: t + " 0.5", "yolo-pose/labels/0000/*.txt"), "keypoints broken"),
    "crop cut off": (
        lambda j: first(j, "classify/*/*/*.png").write_bytes(first(j, "classify/*/*/*.png").read_bytes()[:60]),
        "picture unreadable",
    ),
    "class's folder gone": (lambda j: shutil.rmtree(j / "classify/val/tank"), "classes differ"),
    "class's folder unknown": (lambda j: [(j / "classify" / s / "ship").mkdir() for s in SPLITS], "class unknown"),
    "map cut off": (
        lambda j: first(j, "masks/wear/*/*.png").write_bytes(first(j, "masks/wear/*/*.png").read_bytes()[:60]),
        "mask broken",
    ),
    "map of an unknown class": (lambda j: painted_over(j, "semantic", 99), "class unknown"),
    "map of another size": (lambda j: resized(first(j, "masks/semantic/*/*.png")), "mask broken"),
    "voc box": (
        lambda j: first(j, "voc/Annotations/**/*.xml").write_text(
            re.sub(r"<xmax>\d+", "<xmax>500", first(j, "voc/Annotations/**/*.xml").read_text())
        ),
        "box outside",
    ),
    "voc cut off": (
        lambda j: first(j, "voc/Annotations/**/*.xml").write_text("<annotation><object>"),
        "XML broken",
    ),
    "voc label gone": (lambda j: first(j, "voc/Annotations/**/*.xml").unlink(), "label missing"),
}


@pytest.mark.parametrize("name", FORMAT_FAULTS)
def test_a_fault_of_a_format_is_found(job: Path, name: str) -> None:
    spoil, what = FORMAT_FAULTS[name]
    spoil(job)
    assert what in whats(job)


# --- datasets of others -----------------------------------------------------------------------------------------------


def test_the_formats_are_checked_without_the_job(job: Path) -> None:
    for name in ("records", "job.json", "recipe.toml"):
        (shutil.rmtree if (job / name).is_dir() else Path.unlink)(job / name)
    report = check(job)
    assert report.sound and "SynGen job" not in report.found and "COCO" in report.found


def test_a_class_that_several_formats_lack_is_said_once(tmp_path: Path) -> None:
    findings = Findings()
    findings.empty_classes("instances", ["dog"])
    findings.empty_classes("data.yaml", ["dog"])
    findings.empty_classes("keypoints", ["cat"])
    said = [(problem.where, problem.sentence) for problem in findings.report(tmp_path).problems]
    assert said == [
        ("instances, data.yaml", "No object is of the class 'dog'."),
        ("keypoints", "No object is of the class 'cat'."),
    ]


def test_the_usual_layout_of_coco_is_found(tmp_path: Path) -> None:
    (tmp_path / "train2017").mkdir()
    (tmp_path / "annotations").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "train2017" / "a.jpg")
    polygon = [5, 5, 15, 5, 15, 15, 5, 15]
    value = {
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [5, 5, 10, 10], "area": 100, "iscrowd": 0,
             "segmentation": [polygon]}
        ],
        "images": [{"id": 7, "file_name": "a.jpg", "width": 40, "height": 30}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
    }  # fmt: skip
    file = tmp_path / "annotations" / "instances_train2017.json"
    file.write_text(json.dumps(value, indent=2))
    report = check(tmp_path)
    assert report.sound and [p.what for p in report.problems] == ["class without objects"]
    value["images"].append({"id": 8, "file_name": "b.jpg", "width": 40, "height": 30})
    file.write_text(json.dumps(value))
    assert whats(tmp_path) == {"picture missing"}


def test_the_usual_layout_of_yolo_is_found_and_a_picture_in_two_splits_too(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "labels" / split).mkdir(parents=True)
        Image.new("RGB", (20, 20), (len(split), 0, 0)).save(tmp_path / "images" / split / "1.png")
        (tmp_path / "labels" / split / "1.txt").write_text("1 0.5 0.5 0.2 0.2\n0 0.3 0.3 0.1 0.1\n")
    (tmp_path / "data.yaml").write_text(
        "path: .  # here\ntrain: images/train\nval: images/val\nnames: [cat, 'do''g']\n"
    )
    assert check(tmp_path).sound
    shutil.copy(tmp_path / "images/train/1.png", tmp_path / "images/val/2.png")
    assert whats(tmp_path) == {"picture in two splits"}


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SynGenError, match="holds no dataset"):
        check(tmp_path)
    with pytest.raises(SynGenError, match="does not exist"):
        check(tmp_path / "none")


def test_many_problems_of_a_sort_are_counted_and_some_listed(job: Path) -> None:
    path = first(job, "labels/0000/*.txt")
    path.write_text("".join(f"9 0.5 0.5 0.1 0.{n}\n" for n in range(1, 60)))
    report = check(job)
    assert report.counts["class unknown"] == 59
    assert sum(p.what == "class unknown" for p in report.problems) == 20
    assert any("39 more" in text for text in report.lines())
    assert json.loads(report.as_json())["sound"] is False


def test_what_stands_in_a_file_cannot_drive_a_terminal(job: Path) -> None:
    annotation(job, lambda a: a.update(bbox="\x1b[2J"))
    assert not any("\x1b" in text for text in check(job).lines())


# --- what reads other people's files ----------------------------------------------------------------------------------


@given(st.integers(1, 12), st.integers(1, 12), st.data())
@settings(max_examples=60, deadline=None)
def test_run_lengths_are_read_as_pycocotools_does(height: int, width: int, data: st.DataObject) -> None:
    def drawn() -> tuple[np.ndarray, runs.Mask]:
        flat = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
        mask = np.asfortranarray(np.array(flat, np.uint8).reshape(height, width))
        coded = coco_mask.encode(mask)
        return mask, runs.read({"counts": coded["counts"].decode(), "size": [height, width]}, height, width)

    (mask, found), (other, beside) = drawn(), drawn()
    assert found.area == mask.sum()
    assert found.bbox == coco_mask.toBbox(coco_mask.encode(mask)).astype(int).tolist()
    assert found.shared(beside) == (mask & other).sum()


@pytest.mark.parametrize("counts", ["", "~", "PPPPPPPPPPPPPPPPPPPPPPPP", "é", "o", "05", [3, -1, 10], [1.5], 7])
def test_broken_run_lengths_are_refused(counts: Any) -> None:
    with pytest.raises(ValueError, match=r"mask|counts"):
        runs.read({"counts": counts, "size": [4, 3]}, 4, 3)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=8), st.integers(1, 40)
)
@settings(max_examples=60, deadline=None)
def test_a_long_file_is_read_in_pieces(tmp_path_factory: pytest.TempPathFactory, value: Any, chunk: int) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps({"images": [value, value], "info": value, "none": []}, indent=1))
    before, stream.CHUNK = stream.CHUNK, chunk
    try:
        expected = [("images", value), ("images", value)]
        expected += [("info", v) for v in value] if isinstance(value, list) else [("info", value)]
        assert list(stream.items(path)) == expected
    finally:
        stream.CHUNK = before


@pytest.mark.parametrize("text", ["", "[1]", '{"a": [1, 2', '{"a": 1} x', '{"a": tru}', '{"a" 1}', '{"a": [1 2]}'])
def test_broken_json_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(stream.Broken):
        list(stream.items(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("names: [a, 'b, c', \"d\"]", {"names": ["a", "b, c", "d"]}),
        ("names:\n- a\n- b # no\n", {"names": ["a", "b"]}),
        ("names:\n  0: cat\n  1: \"d\\u00e4g: x\"\n", {"names": {0: "cat", 1: "däg: x"}}),
        ("# all\nnc: 2\npath: ../x y # z\nnames: {0: a, 1: b}", {"nc": 2, "path": "../x y", "names": {0: "a", 1: "b"}}),
        ("kpt_shape: [17, 3]\nflip_idx: []", {"kpt_shape": [17, 3], "flip_idx": []}),
    ],
)  # fmt: skip
def test_yaml_is_read(text: str, value: Any) -> None:
    assert yaml_text.read(text) == value
