"""COCO's own evaluation of the truth against itself, keypoints, and panoptic by the rules of panopticapi."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from syngen_addon.errors import SynGenError
from syngen_addon.formats.coco_panoptic import segment_id
from syngen_addon.formats.write import write_formats
from syngen_addon.formats.yolo_pose import flipped, other_side
from syngen_addon.recipe import Export, Labels, Recipe
from tests.pure.framed import Thing, disc, record_of
from tests.pure.hard_shapes import FRAMES, HEIGHT, NAMES, POINTS, WIDTH, record, write

ALL = (1.0, 0.0, 0.0)


def load(tmp_path: Path, stem: str) -> COCO:
    return COCO(str(tmp_path / "annotations" / f"{stem}_train.json"))


@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_the_truth_scores_1_against_itself(tmp_path: Path, kind: str) -> None:
    write(tmp_path, ("coco", "coco_keypoints"), ALL)
    truth = load(tmp_path, "keypoints" if kind == "keypoints" else "instances")
    results = [{**annotation, "score": 1.0} for annotation in truth.loadAnns(truth.getAnnIds())]
    rating = COCOeval(truth, truth.loadRes(results), kind)
    if kind == "keypoints":
        rating.params.kpt_oks_sigmas = np.full(len(POINTS), 0.05)
    rating.evaluate()
    rating.accumulate()
    rating.summarize()
    assert rating.stats[0] == pytest.approx(1)


def test_an_image_has_its_licence_and_the_file_its_title(tmp_path: Path) -> None:
    write(tmp_path, ("coco",), ALL, title="Drums", license="CC-BY-4.0 (https://example.org/by)")
    document = json.loads((tmp_path / "annotations/instances_train.json").read_text())
    assert document["info"]["description"] == "Drums"
    assert document["licenses"] == [{"id": 1, "name": "CC-BY-4.0 (https://example.org/by)", "url": "https://example.org/by"}]
    assert {image["license"] for image in document["images"]} == {1}


def test_what_is_hardly_visible_is_left_out_of_every_format(tmp_path: Path) -> None:
    formats = ("coco", "coco_keypoints", "coco_panoptic", "yolo", "yolo_segment", "yolo_obb", "yolo_pose", "classify")
    write(tmp_path, formats, ALL, min_visible=0.5)
    for stem in ("instances", "keypoints"):
        assert len(load(tmp_path, stem).getAnnIds()) == 3 * FRAMES
    panoptic = json.loads((tmp_path / "annotations/panoptic_train.json").read_text())
    assert {len(a["segments_info"]) for a in panoptic["annotations"]} == {4}, "three things and the background"
    for folder in ("", "yolo-segment", "yolo-obb", "yolo-pose"):
        assert len((tmp_path / folder / "labels/0000/00000000.txt").read_text().splitlines()) == 3
    assert len(list((tmp_path / "classify").rglob("*.png"))) == 3 * FRAMES
    picture = ids_of(tmp_path / "annotations/panoptic_train/0000/00000000.png")
    left_out = coco_mask.decode(record(0)["instances"][3]["segmentation"]).astype(bool)
    assert np.array_equal(picture == 0, left_out), "void, for it is neither background nor to be found"


# --- keypoints -----------------------------------------------------------------------------------------------------


def test_keypoints_come_back(tmp_path: Path) -> None:
    write(tmp_path, ("coco_keypoints",), ALL)
    coco = load(tmp_path, "keypoints")
    assert all(c["keypoints"] == list(POINTS) and c["skeleton"] == [] for c in coco.loadCats(coco.getCatIds()))
    for frame in range(FRAMES):
        found = coco.loadAnns(coco.getAnnIds(frame + 1))
        for annotation, entry in zip(found, record(frame)["instances"], strict=True):
            points = [(p["x"], p["y"], p["visible"]) if p["visible"] else (0, 0, 0) for p in entry["keypoints"]]
            assert annotation["keypoints"] == [v for point in points for v in point]
            assert annotation["num_keypoints"] == 2


@pytest.mark.parametrize("format", ["coco_keypoints", "yolo_pose"])
def test_keypoints_need_geometry_whole_objects_and_keypoints(tmp_path: Path, format: str) -> None:
    plain = record_of(0, [Thing(disc(HEIGHT, WIDTH, 60, 60, 20))])
    of = Recipe(labels=Labels(class_from="object"), export=Export((format,)))
    with pytest.raises(SynGenError, match=r"needs keypoints|no target has any"):
        write_formats(tmp_path, lambda: [plain], of, 1)
    with pytest.raises(SynGenError) as raised:
        write_formats(tmp_path, lambda: [plain], of, 1, keypoints=["tip"])
    assert "labels.geometry" in f"{raised.value} {raised.value.hint}"
    regions = Recipe(labels=Labels(class_from="object", objects="regions"), export=Export((format,)))
    with pytest.raises(SynGenError, match="region"):
        write_formats(tmp_path, lambda: [plain], regions, 1, keypoints=["tip"])
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("name", "other"),
    [("left eye", "right eye"), ("FootLeft", "FootRight"), ("hand.L", "hand.R"), ("r_wheel", "l_wheel"), ("lid", "lid"),
     ("lamp_r", "lamp_l"), ("top", "top")],
)
def test_the_other_side(name: str, other: str) -> None:
    assert other_side(name) == other and other_side(other) == name


def test_a_side_without_its_other_stays() -> None:
    assert flipped(["left", "nose", "right", "hand.L"]) == [2, 1, 0, 3]


# --- panoptic ------------------------------------------------------------------------------------------------------


def ids_of(path: Path) -> np.ndarray:
    red, green, blue = np.moveaxis(np.asarray(Image.open(path).convert("RGB")).astype(np.int64), -1, 0)
    return red + 256 * green + 65536 * blue


def checked(out: Path) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """(annotation, ids) of each picture, after what panopticapi's evaluation demands of it (evaluation.py)."""
    document = json.loads((out / "annotations/panoptic_train.json").read_text())
    categories = {c["id"]: c for c in document["categories"]}
    assert all({"id", "name", "supercategory", "isthing", "color"} <= c.keys() for c in categories.values())
    assert {a["image_id"] for a in document["annotations"]} == {i["id"] for i in document["images"]}
    for annotation in document["annotations"]:
        ids = ids_of(out / "annotations/panoptic_train" / annotation["file_name"])
        values, counts = np.unique(ids[ids > 0], return_counts=True)
        told = {s["id"]: s for s in annotation["segments_info"]}
        assert len(told) == len(annotation["segments_info"]) and set(values.tolist()) == told.keys()
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            ys, xs = np.nonzero(ids == value)
            box = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
            assert told[value]["area"] == count and told[value]["bbox"] == box and told[value]["iscrowd"] == 0
            assert told[value]["category_id"] in categories
        yield annotation, ids


def test_panoptic_is_the_masks(tmp_path: Path) -> None:
    write(tmp_path, ("coco_panoptic",), ALL)
    document = json.loads((tmp_path / "annotations/panoptic_train.json").read_text())
    kinds = [(c["name"], c["isthing"]) for c in document["categories"]]
    assert kinds == [*((name, 1) for name in sorted(NAMES)), ("background", 0)]
    for annotation, ids in checked(tmp_path):
        entries = record(annotation["image_id"] - 1)["instances"]
        for segment, entry in zip(annotation["segments_info"], entries, strict=False):
            assert np.array_equal(ids == segment["id"], coco_mask.decode(entry["segmentation"]).astype(bool))
            assert sorted(NAMES)[segment["category_id"] - 1] == entry["classes"]["object"]
        assert len(annotation["segments_info"]) == len(entries) + 1


def test_text_and_pictures_agree_where_no_picture_is_made(tmp_path: Path) -> None:
    recipe = Recipe(labels=Labels(class_from="object"), export=Export(("coco_panoptic",), ALL))
    name = tmp_path / "annotations/panoptic_train.json"
    found = []
    for pictures in (True, False):
        write_formats(tmp_path, lambda: map(record, range(FRAMES)), recipe, 3, pictures=pictures)
        found.append(name.read_bytes())
    assert found[0] == found[1]


def test_regions_that_share_pixels_share_none_in_panoptic(tmp_path: Path) -> None:
    rust, dents = disc(HEIGHT, WIDTH, 50, 50, 20), disc(HEIGHT, WIDTH, 65, 50, 12)
    regions = [rust, dents, disc(HEIGHT, WIDTH, 50, 50, 3)]
    found = record_of(0, [Thing(disc(HEIGHT, WIDTH, 60, 60, 50), regions=regions)])
    found["regions"].sort(key=lambda r: r["area"] != 29)  # a small one that another lies over wholly
    found["regions"][0]["classes"] = {**found["regions"][0]["classes"], "kind": "paint"}
    found["regions"][2]["classes"] = {**found["regions"][2]["classes"], "kind": "dents"}
    recipe = Recipe(labels=Labels(class_from="kind", objects="regions"), export=Export(("coco_panoptic",), ALL))
    written = write_formats(tmp_path, lambda: [found], recipe, 1)
    ((annotation, ids),) = checked(tmp_path)
    assert [s["area"] for s in annotation["segments_info"][:-1]] == [(rust & ~dents).sum(), dents.sum()]
    assert len(np.unique(ids)) == 3 and sum(written.losses["coco_panoptic"].values()) == 1


def test_things_over_the_whole_picture_leave_no_background(tmp_path: Path) -> None:
    whole = record_of(0, [Thing(np.ones((HEIGHT, WIDTH), bool), "T", "background")])
    recipe = Recipe(labels=Labels(class_from="object"), export=Export(("coco_panoptic",), ALL))
    write_formats(tmp_path, lambda: [whole], recipe, 1)
    ((annotation, _),) = checked(tmp_path)
    assert len(annotation["segments_info"]) == 1
    document = json.loads((tmp_path / "annotations/panoptic_train.json").read_text())
    assert len({c["name"] for c in document["categories"]}) == 2, "a class called background keeps its name"


@given(st.sets(st.integers(1, 2**24 - 1), max_size=50))
def test_no_two_segments_have_one_id(numbers: set[int]) -> None:
    ids = {segment_id(number) for number in numbers}
    assert len(ids) == len(numbers) and all(0 < each < 2**24 for each in ids)
