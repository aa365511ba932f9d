"""The check of BOP, of folders of classes and of what it says of several formats: faults that are planted are found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from syngen_addon import jobs
from syngen_addon.checking.check import check
from syngen_addon.errors import SynGenError
from syngen_addon.files import write_bytes
from syngen_addon.labels.record import decode, encode
from syngen_addon.recipe import Export, Labels, Recipe, to_dict
from tests.pure import test_bop as bop
from tests.pure.finished import finished
from tests.pure.framed import rle

FRAMES = 3


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job of cubes in BOP's form, with depth."""
    out = tmp_path_factory.mktemp("bop") / "ds"
    recipe = Recipe(
        labels=Labels(depth=True, class_from="object"), export=Export(formats=("bop",), split=(1.0, 0.0, 0.0))
    )
    inputs = {"recipe": {s: k for s, k in to_dict(recipe).items() if s != "export"}, "seed": 7, "scene": {}}
    jobs.open_folder(out, json.loads(json.dumps(inputs)), recipe, {"object": ["cube"], "kind": ["heavy_rust"]})
    bop.write(out, tuple(range(FRAMES)))
    for frame in range(FRAMES):
        write_bytes(jobs.record_path(out, frame), encode(bop.record(frame)))
    return out


@pytest.fixture
def job(sound: Path, tmp_path: Path) -> Path:
    """The same, to be spoiled."""
    return shutil.copytree(sound, tmp_path / "ds")


SCENE = "bop/train/000000"


def change(path: Path, how: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_bytes())
    how(value)
    path.write_text(json.dumps(value))


def pose(job: Path, **keys: Any) -> None:
    change(job / SCENE / "scene_gt.json", lambda v: v["1"][0].update(keys))


def info(job: Path, **keys: Any) -> None:
    change(job / SCENE / "scene_gt_info.json", lambda v: v["1"][0].update(keys))


def camera(job: Path, **keys: Any) -> None:
    change(job / SCENE / "scene_camera.json", lambda v: v["1"].update(keys))


def pixel(job: Path, what: str) -> None:
    """One more pixel, at the picture's corner."""
    path = job / SCENE / what / "000001_000000.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 0] = 255
    Image.fromarray(pixels).save(path)


TURNED = [0, 1, 0, -1, 0, 0, 0, 0, 1]
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "not orthonormal": (lambda j: pose(j, cam_R_m2c=[1, 0.1, 0, 0, 1, 0, 0, 0, 1]), "pose broken"),
    "mirrored": (lambda j: pose(j, cam_R_m2c=[1, 0, 0, 0, 1, 0, 0, 0, -1]), "pose broken"),
    "eight numbers": (lambda j: pose(j, cam_R_m2c=[1, 0, 0, 0, 1, 0, 0, 0]), "pose broken"),
    "not finite": (lambda j: pose(j, cam_t_m2c=[float("nan"), 0, 1]), "pose broken"),
    "elsewhere": (lambda j: pose(j, cam_t_m2c=[0, 0, 1000]), "pose unlike record"),
    "turned": (lambda j: pose(j, cam_R_m2c=TURNED), "pose unlike record"),
    "no such model": (lambda j: pose(j, obj_id=9), "class unknown"),
    "another object": (lambda j: pose(j, obj_id=2), "objects unlike record"),
    "camera": (lambda j: camera(j, cam_K=[100, 0, 50, 0, 0, 50, 0, 0, 1]), "camera broken"),
    "camera's rotation": (lambda j: camera(j, cam_R_w2c=[2, 0, 0, 0, 1, 0, 0, 0, 1]), "camera broken"),
    "depth scale": (lambda j: camera(j, depth_scale=0), "camera broken"),
    "an image less": (lambda j: change(j / SCENE / "scene_gt_info.json", lambda v: v.pop("1")), "images differ"),
    "a frame less": (
        lambda j: [change(j / SCENE / f"scene_{w}.json", lambda v: v.pop("1")) for w in ("gt", "gt_info", "camera")],
        "label missing",
    ),
    "an entry less": (lambda j: change(j / SCENE / "scene_gt_info.json", lambda v: v["1"].pop()), "poses differ"),
    "count": (lambda j: info(j, px_count_visib=3), "area wrong"),
    "share": (lambda j: info(j, visib_fract=1.5), "out of range"),
    "box": (lambda j: info(j, bbox_visib=[0, 0, 5, 5]), "box and mask differ"),
    "cut off": (lambda j: (j / SCENE / "scene_gt.json").write_text('{"0": ['), "JSON broken"),
    "picture gone": (lambda j: (j / SCENE / "rgb/000001.png").unlink(), "picture missing"),
    "depth gone": (lambda j: (j / SCENE / "depth/000001.png").unlink(), "picture missing"),
    "mask gone": (lambda j: (j / SCENE / "mask/000001_000000.png").unlink(), "mask missing"),
    "mask cut off": (lambda j: (j / SCENE / "mask_visib/000001_000000.png").write_bytes(b"\x89PNG"), "mask broken"),
    "a pixel more": (lambda j: pixel(j, "mask_visib"), "mask unlike record"),
    "seen beyond all": (lambda j: pixel(j, "mask_visib"), "mask outside"),
    "model gone": (lambda j: (j / "bop/models/obj_000002.ply").unlink(), "model missing"),
}


def test_a_sound_job_in_bops_form_has_no_problem(sound: Path) -> None:
    report = check(sound)
    assert [p for p in report.problems if not p.note] == []
    assert set(report.found) == {"SynGen job", "BOP"}
    objects = 3 * FRAMES
    assert report.lines()[0] == f"SynGen job, BOP: {FRAMES} frames, {FRAMES} pictures, {objects} objects in each"


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_bops_form_is_found(job: Path, name: str) -> None:
    spoil, what = FAULTS[name]
    spoil(job)
    assert what in {problem.what for problem in check(job).problems if not problem.note}


def test_bop_is_checked_without_the_job(job: Path) -> None:
    for name in ("records", "job.json", "recipe.toml", "images", "models"):
        (shutil.rmtree if (job / name).is_dir() else Path.unlink)(job / name)
    assert check(job).sound and check(job / "bop").sound
    pose(job, cam_R_m2c=[1, 0.1, 0, 0, 1, 0, 0, 0, 1])
    assert [p.what for p in check(job / "bop").problems if not p.note] == ["pose broken"]


def test_what_splits_share_is_told_of_every_kind_of_wear(tmp_path: Path) -> None:
    job = finished(tmp_path / "ds", 8, {"wear": {"also": {"moss": [0.1, 0.5]}}, "distractors": {"folder": "junk"}})
    for number, path in enumerate(sorted(job.glob("records/*/*.json"))):
        value = decode(path.read_bytes())
        value["environment"] = f"{value.get('split') or number}.hdr"
        value["draw"] = {"distractors": [{"source": "bucket.glb"}]}
        for entry in value["instances"]:
            entry["variant"] = -1
            entry["layers"] = [
                {"kind": "dents", "wear_class": "dent", "level": 0.5, "variant": 0, "wear_area": 0,
                 "wear_percent": 0.0, "wear_segmentation": rle(np.zeros((72, 96), bool)), "severity": 0}
            ]  # fmt: skip
        path.write_bytes(encode(value))
    notes = [p.sentence for p in check(job).problems if p.what == "shared by splits"]
    assert len(notes) == 2 and notes[0] == "1 of 1 things are shown by more than one split: bucket.glb."
    assert "variants are shown by more than one split: " in notes[1] and "dents 0" in notes[1]


# --- folders of classes, and several formats at once ------------------------------------------------------------------


def test_folders_of_classes_of_anyone_are_checked(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            for number in range(2):
                path = tmp_path / split / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)).save(path)
    report = check(tmp_path)
    assert report.sound and report.lines()[0] == "folders of classes: 8 pictures, 8 objects"
    shutil.copy(tmp_path / "train/cat/0.png", tmp_path / "val/cat/9.png")
    (tmp_path / "val/dog/1.png").write_bytes(b"no picture")
    (tmp_path / "val/bird").mkdir()
    assert {p.what for p in check(tmp_path).problems} >= {
        "picture in two splits", "picture unreadable", "classes differ"
    }  # fmt: skip


def test_objects_of_formats_beside_each_other_are_not_added(tmp_path: Path) -> None:
    job = finished(tmp_path / "ds", 6, {"export": {"formats": ["coco", "yolo", "yolo_obb", "voc"]}})
    report = check(job)
    counts = {n: number for n, number in report.sizes.items() if n.startswith("objects in ")}
    assert len(counts) == 5 and len(set(counts.values())) == 1
    (count,) = set(counts.values())
    assert f", {count} objects in each" in report.lines()[0]
    with open(next(iter(sorted(job.glob("labels/*/*.txt")))), "a") as file:
        file.write("0 0.5 0.5 0.2 0.2\n")
    head = check(job).lines()[0]
    assert f"{count} objects in COCO instances" in head and "objects in YOLO detect" in head


def test_what_a_broken_frame_leaves_in_formats_is_not_held_against_them(tmp_path: Path) -> None:
    job = finished(tmp_path / "ds", 6, {"export": {"formats": ["csv", "classify"]}})
    assert check(job).sound
    (job / "images/0000/00000002.png").write_bytes(b"no picture")
    assert {p.what for p in check(job).problems if not p.note} == {"picture unreadable"}
    (job / "images/0000/00000002.png").unlink()
    assert {p.what for p in check(job).problems if not p.note} == {"picture missing"}


def test_what_lies_about_in_datasets_of_others_is_no_fault(tmp_path: Path) -> None:
    """Files that no reader takes, pictures to be told, captions, depth as TIFF."""
    rng = np.random.default_rng(2)

    def picture(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)).save(path)

    for name in ("train/cat/0.jpg", "train/dog/0.jpg", "val/cat/1.jpg", "val/dog/1.jpg", "test/0.jpg"):
        picture(tmp_path / "classes" / name)
    (tmp_path / "classes/train/cat/Thumbs.db").write_bytes(b"a thumbnail")
    assert check(tmp_path / "classes").lines() == [
        "folders of classes: 4 pictures, 4 objects", "Nothing is wrong with it."
    ]  # fmt: skip
    picture(tmp_path / "maps/train/image/0.png")
    picture(tmp_path / "maps/train/mask/0.png")
    with pytest.raises(SynGenError, match="holds no dataset"):
        check(tmp_path / "maps")

    scene = tmp_path / "itodd/val/000001"
    picture(scene / "gray/000000.tif")
    picture(scene / "depth/000000.tif")
    sound = {"cam_R_m2c": [1, 0, 0, 0, 1, 0, 0, 0, 1], "cam_t_m2c": [0, 0, 500], "obj_id": 1}
    (scene / "scene_gt.json").write_text(json.dumps({"0": [sound]}))
    (scene / "scene_camera.json").write_text(json.dumps({"0": {"cam_K": [100, 0, 15, 0, 100, 10, 0, 0, 1]}}))
    assert check(tmp_path / "itodd").sound

    coco = tmp_path / "coco"
    picture(coco / "val2017/1.jpg")
    about = {"images": [{"id": 1, "file_name": "1.jpg", "width": 30, "height": 20}]}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}
    objects = {**about, "annotations": [box], "categories": [{"id": 1, "name": "cat"}]}
    captions = {**about, "annotations": [{"id": 7, "image_id": 1, "caption": "a cat"}]}
    (coco / "annotations").mkdir()
    (coco / "annotations/instances_val2017.json").write_text(json.dumps(objects))
    (coco / "annotations/captions_val2017.json").write_text(json.dumps(captions))
    assert check(coco).sound
