"""COCO files through pycocotools, the reader everybody uses, and the one pass that writes all formats."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from syngen_addon.errors import SynGenError
from syngen_addon.files import frame_file
from syngen_addon.formats.chosen import annotations
from syngen_addon.formats.split import SPLITS, split_of
from syngen_addon.formats.write import write_formats
from syngen_addon.labels.layers import FurtherWear, Instance, Layers
from syngen_addon.labels.record import decode, encode, make_record, no_target_record
from syngen_addon.recipe import Export, Labels, Recipe

AWKWARD = 'a "b"\n\\C:\\d: #é\U0001f600'


def layers_of(frame: int) -> Layers:
    """Three discs, one over another; the second is worn in two patches."""
    y, x = np.mgrid[:60, :80]
    index = np.zeros((60, 80), np.int32)
    for i, (cx, cy, r) in enumerate([(20 + frame, 25, 14), (40, 30, 16), (70, 50, 9)], start=1):
        index[(x - cx) ** 2 + (y - cy) ** 2 <= r * r] = i
    wear = (((x - 45) ** 2 + (y - 22) ** 2 < 30) | ((x - 45) ** 2 + (y - 38) ** 2 < 30)).astype(np.float32)
    return Layers(index, wear)


def records(count: int = 12, **labels: Any) -> Iterator[dict[str, Any]]:
    about = [("Drum", AWKWARD, "rust", "complete"), ("Tank", "tank", "paint", "default"), ("Box", "box", "rust", "")]
    instances = [Instance(i, n, {"object": o}, k, w, 0.5, 0) for i, (n, o, k, w) in enumerate(about, start=1)]
    settings = Labels(region_min_pixels=5, region_merge_pixels=2)
    for frame in range(count):
        if frame == 5:
            yield no_target_record({"frame": frame})
        else:
            yield decode(encode(make_record(layers_of(frame), instances, settings, {"frame": frame})))


def recipe_for(split: tuple[float, float, float] = (0.8, 0.1, 0.1), **labels: Any) -> Recipe:
    return Recipe(labels=Labels(**labels), export=Export(split=split))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_mask_decodes_to_its_pixels_through_pycocotools(tmp_path: Path) -> None:
    write_formats(tmp_path, records, recipe_for((1, 0, 0), class_from="object"), 7)
    coco = COCO(str(tmp_path / "annotations" / "instances_train.json"))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == sorted([AWKWARD, "tank", "box"])
    assert coco.getImgIds() == [f + 1 for f in range(12) if f != 5]
    by_name = {c["name"]: c["id"] for c in coco.loadCats(coco.getCatIds())}
    for image in coco.loadImgs(coco.getImgIds()):
        frame = image["id"] - 1
        assert image["file_name"] == f"images/0000/{frame:08d}.png"
        assert (image["width"], image["height"]) == (80, 60)
        index = layers_of(frame).index
        entries = coco.loadAnns(coco.getAnnIds(image["id"]))
        assert [e["category_id"] for e in entries] == [by_name[n] for n in (AWKWARD, "tank", "box")]
        for number, entry in enumerate(entries, start=1):
            mask = index == number
            ys, xs = np.nonzero(mask)
            assert np.array_equal(coco.annToMask(entry).astype(bool), mask)
            assert entry["area"] == mask.sum()
            assert entry["bbox"] == [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
            assert entry["iscrowd"] == 0


def test_ids_start_at_one_and_are_unique(tmp_path: Path) -> None:
    write_formats(tmp_path, records, recipe_for(), 7)
    for split in SPLITS:
        document = json.loads((tmp_path / "annotations" / f"instances_{split}.json").read_bytes())
        assert [a["id"] for a in document["annotations"]] == list(range(1, len(document["annotations"]) + 1))
        assert {a["image_id"] for a in document["annotations"]} <= {i["id"] for i in document["images"]}


def test_categories_are_the_same_in_every_split_and_clean_objects_are_left_out(tmp_path: Path) -> None:
    write_formats(tmp_path, records, recipe_for(), 7)
    documents = [json.loads((tmp_path / "annotations" / f"instances_{s}.json").read_bytes()) for s in SPLITS]
    assert all(d["categories"] == documents[0]["categories"] for d in documents)
    categories = [(c["id"], c["name"]) for c in documents[0]["categories"]]
    assert categories == [(1, "default"), (2, "streaks"), (3, "complete")]
    assert sum(len(d["images"]) for d in documents) == 11
    assert Counter(a["category_id"] for d in documents for a in d["annotations"]) == {1: 11, 3: 11}


def test_regions_are_written_where_the_recipe_asks_for_them(tmp_path: Path) -> None:
    write_formats(tmp_path, records, recipe_for((1, 0, 0), objects="regions", class_from="kind"), 7)
    coco = COCO(str(tmp_path / "annotations" / "instances_train.json"))
    paint = next(c["id"] for c in coco.loadCats(coco.getCatIds()) if c["name"] == "paint")
    worn = (layers_of(0).wear > 0) & (layers_of(0).index == 2)
    masks = [coco.annToMask(a) for a in coco.loadAnns(coco.getAnnIds(1, catIds=[paint]))]
    assert len(masks) == 2
    assert np.array_equal(sum(masks), worn)


def dented(count: int = 3) -> Iterator[dict[str, Any]]:
    """The tank is dented where it is worn in the frames of `records`, the box everywhere; neither has rust."""
    instances = [
        Instance(2, "Tank", {"object": "tank"}, "rust", "", 0.0, 0, (FurtherWear("dents", "dent", 0.4, 0),)),
        Instance(3, "Box", {"object": "box"}, "rust", "", 0.0, 0, (FurtherWear("dents", "", 0.01, 0),)),
    ]
    settings = Labels(region_min_pixels=5, region_merge_pixels=2)
    for frame in range(count):
        layers = layers_of(frame)
        dents = np.maximum(layers.wear, layers.index == 3).astype(np.float32)
        found = Layers(layers.index, np.zeros_like(dents), {"dents": dents})
        yield decode(encode(make_record(found, instances, settings, {"frame": frame})))


def test_an_object_carries_the_mask_of_each_kind_of_its_wear(tmp_path: Path) -> None:
    write_formats(tmp_path, dented, recipe_for((1, 0, 0), class_from="object"), 7)
    coco = COCO(str(tmp_path / "annotations" / "instances_train.json"))
    tank = next(c["id"] for c in coco.loadCats(coco.getCatIds()) if c["name"] == "tank")
    (annotation,) = coco.loadAnns(coco.getAnnIds(1, catIds=[tank]))
    own, dents = annotation["wear"]
    assert (own["kind"], own["wear_class"], own["area"]) == ("rust", "", 0)
    assert (dents["kind"], dents["wear_class"], dents["level"]) == ("dents", "dent", 0.4)
    layers = layers_of(0)
    mask = coco.annToMask({"segmentation": dents["segmentation"], "image_id": 1}).astype(bool)
    assert np.array_equal(mask, (layers.wear > 0) & (layers.index == 2)) and dents["area"] == mask.sum() > 0


def test_dents_are_labelled_as_dents(tmp_path: Path) -> None:
    """Objects whose rust counts as clean take the class of their dents, and regions always have their own kind's."""
    write_formats(tmp_path, dented, recipe_for((1, 0, 0)), 7, ["dent"])
    document = json.loads((tmp_path / "annotations" / "instances_train.json").read_bytes())
    assert [c["name"] for c in document["categories"]] == ["default", "streaks", "complete", "dent"]
    assert [a["category_id"] for a in document["annotations"]] == [4, 4, 4], "the box counts as clean"
    for class_from, name in (("wear", "dent"), ("kind", "dents")):
        write_formats(tmp_path, dented, recipe_for((1, 0, 0), objects="regions", class_from=class_from), 7)
        coco = COCO(str(tmp_path / "annotations" / "instances_train.json"))
        found = next(c["id"] for c in coco.loadCats(coco.getCatIds()) if c["name"] == name)
        annotations = coco.loadAnns(coco.getAnnIds(1))
        assert {a["category_id"] for a in annotations} == {found}
        # By its wear class the box, clean as it counts, has none; by its kind it has.
        assert len(annotations) == (2 if class_from == "wear" else 3)
        assert not any("wear" in a for a in annotations)


def test_classes_that_are_handed_in_keep_their_ids(tmp_path: Path) -> None:
    names = ["valve", "tank", "box", AWKWARD]
    write_formats(tmp_path, records, recipe_for(class_from="object"), 7, names)
    document = json.loads((tmp_path / "annotations" / "instances_val.json").read_bytes())
    assert [c["name"] for c in document["categories"]] == sorted(names)
    with pytest.raises(SynGenError, match="does not have"):
        write_formats(tmp_path, records, recipe_for(class_from="object"), 7, ["tank"])


def test_writing_twice_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_formats(tmp_path, records, recipe_for(), 7)
    first = everything(tmp_path)
    write_formats(tmp_path, records, recipe_for(), 7)
    assert everything(tmp_path) == first
    assert not [name for name in first if ".part" in name or "tmp" in name]


def test_a_failure_leaves_the_files_of_before(tmp_path: Path) -> None:
    write_formats(tmp_path, records, recipe_for(), 7)
    before = everything(tmp_path)

    def broken() -> Iterator[dict[str, Any]]:
        yield from records(3)
        raise SynGenError("A record is broken.")

    with pytest.raises(SynGenError, match="broken"):
        write_formats(tmp_path, broken, recipe_for(), 7, ())
    assert everything(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "annotations").write_text("a file, where a folder must be")
    with pytest.raises(SynGenError, match="Cannot write"):
        write_formats(tmp_path, records, recipe_for(), 7)


def test_only_the_formats_asked_for(tmp_path: Path) -> None:
    write_formats(tmp_path, records, Recipe(export=Export(formats=("yolo",))), 7)
    assert not (tmp_path / "annotations").exists() and (tmp_path / "data.yaml").exists()


def test_a_job_without_any_target_is_still_a_dataset(tmp_path: Path) -> None:
    write_formats(tmp_path, lambda: [no_target_record({"frame": 0})], recipe_for(), 7)
    coco = COCO(str(tmp_path / "annotations" / "instances_train.json"))
    assert coco.getImgIds() == [] and len(coco.getCatIds()) == 3


# --- splits --------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**31), start=st.integers(0, 10**8))
def test_any_twelve_frames_have_val_and_test(seed: int, start: int) -> None:
    counts = Counter(split_of(f, seed, (0.8, 0.1, 0.1)) for f in range(start, start + 12))
    assert 1 <= counts["val"] <= 2 and 1 <= counts["test"] <= 2


@given(seed=st.integers(0, 2**31), start=st.integers(0, 10**8), val=st.floats(0, 0.5), test=st.floats(0, 0.5))
def test_any_run_of_frames_has_its_share(seed: int, start: int, val: float, test: float) -> None:
    counts = Counter(split_of(f, seed, (1 - val - test, val, test)) for f in range(start, start + 500))
    assert counts["val"] == pytest.approx(500 * val, abs=2)
    assert counts["test"] == pytest.approx(500 * test, abs=2)


@pytest.mark.parametrize(("fractions", "splits"), [
    ((1, 0, 0), {"train"}), ((0, 1, 0), {"val"}), ((0, 0, 1), {"test"}), ((0, 0.5, 0.5), {"val", "test"}),
])
def test_a_split_of_no_fraction_stays_empty(fractions: tuple[float, float, float], splits: set[str]) -> None:
    assert {split_of(f, 3, fractions) for f in range(200)} == splits


def test_a_split_depends_on_the_seed() -> None:
    assert [split_of(f, 1, (0.5, 0.5, 0)) for f in range(50)] != [split_of(f, 2, (0.5, 0.5, 0)) for f in range(50)]


def test_frame_files() -> None:
    assert frame_file("images", 12, ".png") == "images/0000/00000012.png"
    assert frame_file("labels", 123456, ".txt") == "labels/0012/00123456.txt"


def test_one_region_of_two_kinds_is_one_object_where_they_have_one_class():
    def region(kind: str, counts: str) -> dict[str, Any]:
        classes = {"object": "drum", "kind": kind}
        return {"index": 1, "classes": classes, "segmentation": {"counts": counts, "size": [4, 4]}}

    record = {"frame": 0, "regions": [region("dents", "a"), region("moss", "b"), region("heavy_rust", "a")]}
    by_object = annotations(record, Labels(objects="regions", class_from="object"))
    assert [entry["classes"]["kind"] for _, entry in by_object] == ["dents", "moss"]
    assert len(annotations(record, Labels(objects="regions", class_from="kind"))) == 3
