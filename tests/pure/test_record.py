"""Records against layers of known pixels: every number here is counted by hand or by brute force."""

import json
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from syngen_addon.errors import SynGenError
from syngen_addon.labels.layers import FurtherWear, Instance, Layers
from syngen_addon.labels.record import accepts, decode, encode, make_record, no_target_record, summary_of
from syngen_addon.recipe import Labels

ALL = Labels(region_min_pixels=1, region_merge_pixels=0)


def instance(index: int, **changes: Any) -> Instance:
    values: dict[str, Any] = {
        "index": index, "name": f"Drum.{index:03d}", "classes": {"object": "drum"}, "kind": "rust",
        "wear_class": "streaks", "level": 0.5, "variant": 1,
    }
    return Instance(**(values | changes))


def record_of(
    index: np.ndarray, wear: np.ndarray | None = None, settings: Labels = ALL, count: int = 3
) -> dict[str, Any]:
    wear = np.zeros(index.shape) if wear is None else wear
    layers = Layers(index.astype(np.int32), wear.astype(np.float32))
    return make_record(layers, [instance(i) for i in range(1, count + 1)], settings, {"frame": 4})


def pixels(rle: dict[str, Any]) -> np.ndarray:
    return coco_mask.decode(rle).astype(bool)


def test_two_boxes_one_hides_part_of_the_other() -> None:
    index = np.zeros((40, 60), int)
    index[10:30, 5:25] = 1
    index[20:35, 15:40] = 2
    first, second = record_of(index)["instances"]
    assert (first["bbox"], first["area"]) == ([5, 10, 20, 20], 20 * 20 - 10 * 10)
    assert (second["bbox"], second["area"]) == ([15, 20, 25, 15], 25 * 15)
    assert np.array_equal(pixels(first["segmentation"]), index == 1)
    assert np.array_equal(pixels(second["segmentation"]), index == 2)
    assert first["segmentation"]["size"] == [40, 60]


def test_the_run_lengths_are_those_of_pycocotools() -> None:
    index = (np.random.default_rng(1).random((37, 53)) < 0.4).astype(int)
    expected = coco_mask.encode(np.asfortranarray(index, np.uint8))["counts"].decode()
    assert record_of(index)["instances"][0]["segmentation"]["counts"] == expected


@pytest.mark.parametrize("where", [(0, 0), (6, 0), (0, 8), (6, 8), (3, 4)])
def test_one_pixel(where: tuple[int, int]) -> None:
    index = np.zeros((7, 9), int)
    index[where] = 1
    (entry,) = record_of(index)["instances"]
    assert (entry["bbox"], entry["area"]) == ([where[1], where[0], 1, 1], 1)
    assert np.array_equal(pixels(entry["segmentation"]), index == 1)
    assert entry["touches_border"] == (where != (3, 4))


def test_an_instance_that_fills_the_picture_and_a_picture_one_pixel_high() -> None:
    for shape in ((5, 8), (1, 8), (8, 1), (1, 1)):
        (entry,) = record_of(np.ones(shape, int))["instances"]
        assert entry["bbox"] == [0, 0, shape[1], shape[0]]
        assert entry["touches_border"]
        assert pixels(entry["segmentation"]).all()


@given(mask=hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_the_rotated_box_is_the_smallest_of_all_directions(mask: np.ndarray) -> None:
    if not mask.any():
        return
    cx, cy, width, height, angle = record_of(mask.astype(int))["instances"][0]["rotated_bbox"]
    ys, xs = np.nonzero(mask)
    corners = np.array([(x + i, y + j) for x, y in zip(xs, ys, strict=True) for i in (0, 1) for j in (0, 1)], float)
    turns = np.radians(np.append(np.arange(0, 90, 0.25), angle))
    along = corners @ np.array([np.cos(turns), np.sin(turns)])
    across = corners @ np.array([-np.sin(turns), np.cos(turns)])
    areas = np.ptp(along, axis=0) * np.ptp(across, axis=0)
    assert 0 <= angle < 90 and width * height <= areas.min() + 0.05
    assert width * height == pytest.approx(areas[-1], abs=0.05)
    m, n = ((extent[:, -1].min() + extent[:, -1].max()) / 2 for extent in (along, across))
    cos, sin = np.cos(turns[-1]), np.sin(turns[-1])
    assert [cx, cy] == pytest.approx([cos * m - sin * n, sin * m + cos * n], abs=0.01)


def test_rotated_boxes_of_known_shapes() -> None:
    index = np.zeros((40, 60), int)
    index[10:30, 5:35] = 1
    index[0, 59] = 2
    for step in range(10):
        index[30 + step, 40 + step] = 3  # pixels that touch at their corners: a line at 45 degrees
    first, second, third = (entry["rotated_bbox"] for entry in record_of(index)["instances"])
    assert first == [20.0, 20.0, 30.0, 20.0, 0.0] and second == [59.5, 0.5, 1.0, 1.0, 0.0]
    assert third == [45.0, 35.0, 14.142, 1.414, 45.0]


@pytest.mark.parametrize(("worn", "degree"), [(0, 0), (4, 0), (5, 1), (49, 1), (50, 2), (100, 3), (800, 4), (4000, 5)])
def test_severity_is_the_degree_of_rusting_that_is_reached(worn: int, degree: int) -> None:
    wear = np.zeros((100, 100))
    wear.ravel()[:worn] = 1
    assert record_of(np.ones((100, 100), int), wear)["instances"][0]["severity"] == degree


def test_holes_stay_holes() -> None:
    index = np.zeros((20, 20), int)
    index[2:18, 2:18] = 1
    index[6:14, 6:14] = 0
    (entry,) = record_of(index)["instances"]
    assert entry["area"] == 256 - 64
    assert np.array_equal(pixels(entry["segmentation"]), index == 1)
    assert not entry["touches_border"]


def test_hidden_and_unknown_indices_are_left_out() -> None:
    index = np.zeros((9, 9), int)
    index[1, 1], index[2, 2] = 2, 77
    assert [i["index"] for i in record_of(index)["instances"]] == [2]


def test_wear_is_counted_within_the_instance_and_from_the_threshold_on() -> None:
    index = np.zeros((10, 20), int)
    index[:, :10] = 1
    index[:, 12:] = 2
    wear = np.zeros((10, 20))
    wear[:, 5:15] = 0.5  # runs over the gap and into the neighbour
    wear[0, 5] = 0.49
    record = record_of(index, wear)
    first, second = record["instances"]
    assert (first["wear_area"], first["wear_percent"]) == (49, 49.0)
    assert (second["wear_area"], second["wear_percent"]) == (30, 37.5)
    assert np.array_equal(pixels(first["wear_segmentation"]), (index == 1) & (wear >= 0.5))
    assert [r["bbox"] for r in record["regions"]] == [[5, 0, 5, 10], [12, 0, 3, 10]]


def test_no_wear_gives_an_empty_mask() -> None:
    (entry,) = record_of(np.ones((4, 6), int))["instances"]
    assert (entry["wear_area"], entry["wear_percent"]) == (0, 0.0)
    assert not pixels(entry["wear_segmentation"]).any()
    assert pixels(entry["wear_segmentation"]).shape == (4, 6)


@pytest.mark.parametrize("merge", [0, 1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("direction", ["right", "down", "diagonal", "antidiagonal"])
def test_regions_merge_at_the_distance_and_not_one_pixel_further(merge: int, direction: str) -> None:
    for gap, expected in ((merge, 1), (merge + 1, 2)):
        step = 4 + gap
        steps = {"right": (step, 0), "down": (0, step), "diagonal": (step, step), "antidiagonal": (-step, step)}
        right, down = steps[direction]
        wear = np.zeros((60, 60))
        for x, y in ((25, 25), (25 + right, 25 + down)):
            wear[y : y + 4, x : x + 4] = 1
        record = record_of(np.ones((60, 60), int), wear, Labels(region_min_pixels=1, region_merge_pixels=merge))
        assert len(record["regions"]) == expected
        assert sum(r["area"] for r in record["regions"]) == 32, "the mask itself is not spread"


def test_small_regions_are_left_out() -> None:
    wear = np.zeros((30, 30))
    wear[2:5, 2:5], wear[20:24, 20:22] = 1, 1
    record = record_of(np.ones((30, 30), int), wear, Labels(region_min_pixels=9, region_merge_pixels=2))
    assert [r["area"] for r in record["regions"]] == [9]


def test_regions_of_two_instances_never_merge() -> None:
    index = np.ones((10, 10), int)
    index[:, 5:] = 2
    record = record_of(index, np.ones((10, 10)), Labels(region_min_pixels=1, region_merge_pixels=8))
    assert [(r["index"], r["bbox"]) for r in record["regions"]] == [(1, [0, 0, 5, 10]), (2, [5, 0, 5, 10])]


def brute_force_regions(mask: np.ndarray, merge: int) -> set[frozenset[tuple[int, int]]]:
    """Sets of pixels joined by steps of at most merge + 1 rows and columns."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = set()
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            region.add((y, x))
            near = {p for p in left if max(abs(p[0] - y), abs(p[1] - x)) <= merge + 1}
            left -= near
            edge += near
        found.add(frozenset(region))
    return found


@given(mask=hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))), merge=st.integers(0, 4))
def test_regions_against_brute_force(mask: np.ndarray, merge: int) -> None:
    settings = Labels(region_min_pixels=1, region_merge_pixels=merge)
    regions = record_of(np.ones(mask.shape, int), mask, settings)["regions"]
    found = {frozenset((int(y), int(x)) for y, x in np.argwhere(pixels(r["segmentation"]))) for r in regions}
    assert found == brute_force_regions(mask, merge)


@given(
    index=hnp.arrays(np.int32, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.integers(0, 4)),
    data=st.data(),
)
def test_every_mask_decodes_to_its_pixels(index: np.ndarray, data: st.DataObject) -> None:
    wear = data.draw(hnp.arrays(np.float32, index.shape, elements=st.floats(0, 1, width=32)))
    record = record_of(index, wear, count=4)
    assert [i["index"] for i in record["instances"]] == [i for i in range(1, 5) if (index == i).any()]
    for entry in record["instances"]:
        mask = index == entry["index"]
        ys, xs = np.nonzero(mask)
        assert np.array_equal(pixels(entry["segmentation"]), mask)
        assert np.array_equal(pixels(entry["wear_segmentation"]), mask & (wear >= 0.5))
        assert entry["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert entry["bbox"] == coco_mask.toBbox(entry["segmentation"]).tolist()
        assert entry["area"] == mask.sum() == coco_mask.area(entry["segmentation"])
    assert decode(encode(record)) == json.loads(json.dumps(record))


def test_the_same_layers_give_the_same_bytes_in_any_order_of_instances() -> None:
    rng = np.random.default_rng(2)
    wear = cv2.GaussianBlur(rng.random((50, 50)), (0, 0), 3).astype(np.float32)
    layers = Layers(rng.integers(0, 4, (50, 50)).astype(np.int32), wear)
    header = {"frame": 9, "draw": {"b": 1, "a": 2}}
    a = make_record(layers, [instance(i) for i in (1, 2, 3)], ALL, header)
    b = make_record(layers, [instance(i) for i in (3, 1, 2)], ALL, dict(reversed(header.items())))
    assert encode(a) == encode(b)
    assert encode(a).endswith(b"}\n") and encode(a).count(b"\n") == 1


def test_class_names_for_every_choice() -> None:
    layers = Layers(np.ones((4, 4), np.int32), np.ones((4, 4), np.float32))
    record = make_record(layers, [instance(1, wear_class="", name='a"b\\ü')], ALL, {"frame": 0})
    assert record["instances"][0]["classes"] == {
        "wear": "", "kind": "rust", "object": "drum", "object_wear": "drum clean",
    }
    assert decode(encode(record))["instances"][0]["name"] == 'a"b\\ü'


# --- several kinds on one object -------------------------------------------------------------------------------------


def two_kinds(**changes: Any) -> tuple[Layers, list[Instance]]:
    """Instance 1 is rusty on its left and dented in its middle; 2, to its right, has no dents of its own."""
    index = np.ones((10, 20), np.int32)
    index[:, 15:] = 2
    rust, dents = np.zeros((10, 20), np.float32), np.zeros((10, 20), np.float32)
    rust[:, :5] = 1
    dents[2:4, 3:8], dents[7, 12], dents[5:9, 14:18] = 1, 0.5, 1  # the last reaches into the neighbour
    dented = FurtherWear("dents", "dent", 0.25, 0)
    return Layers(index, rust, {"dents": dents}), [instance(1, layers=(dented,), **changes), instance(2)]


def test_each_kind_has_its_own_mask() -> None:
    layers, instances = two_kinds()
    first, second = make_record(layers, instances, ALL, {"frame": 0})["instances"]
    (dents,) = first["layers"]
    expected = (layers.also["dents"] >= 0.5) & (layers.index == 1)
    assert np.array_equal(pixels(dents.pop("wear_segmentation")), expected)
    assert dents == {
        "kind": "dents", "wear_class": "dent", "level": 0.25, "variant": 0, "wear_area": 15, "wear_percent": 10.0,
        "severity": 4,
    }
    assert np.array_equal(pixels(first["wear_segmentation"]), (layers.wear > 0) & (layers.index == 1))
    assert (first["kind"], first["wear_class"], first["level"], first["variant"]) == ("rust", "streaks", 0.5, 1)
    assert not {"layers", "kind", "wear_class"} & second.keys(), "what has one kind is recorded as ever"


def test_a_summary_says_what_the_record_says_but_for_masks() -> None:
    layers, instances = two_kinds()
    whole, short = make_record(layers, instances, ALL, {"frame": 0}), summary_of(layers, instances, ALL)
    assert whole.pop("regions")
    for entry in whole["instances"]:
        entry.pop("rotated_bbox")
        entry["segmentation"] = None
        for each in (entry, *entry.get("layers", ())):
            each["wear_segmentation"] = None
    assert short == whole


def test_a_job_of_one_kind_has_the_bytes_it_always_had() -> None:
    layers, instances = two_kinds()
    plain = [instance(1), instance(2)]
    alone = make_record(Layers(layers.index, layers.wear), plain, ALL, {"frame": 0})
    assert encode(make_record(layers, plain, ALL, {"frame": 0})) == encode(alone)
    with_dents = make_record(layers, instances, ALL, {"frame": 0})
    for entry in with_dents["instances"]:
        for name in ("layers", "kind", "wear_class"):
            entry.pop(name, None)
    with_dents["regions"] = [r for r in with_dents["regions"] if r["classes"]["kind"] != "dents"]
    assert encode(with_dents) == encode(alone)


def test_each_region_is_called_after_its_own_kind() -> None:
    layers, instances = two_kinds()
    found = [
        (r["index"], r["classes"]["wear"], r["classes"]["kind"], r["bbox"], r["level"], r["variant"])
        for r in make_record(layers, instances, ALL, {"frame": 0})["regions"]
    ]
    assert found == [
        (1, "streaks", "rust", [0, 0, 5, 10], 0.5, 1),
        (1, "dent", "dents", [3, 2, 5, 2], 0.25, 0),
        (1, "dent", "dents", [12, 7, 1, 1], 0.25, 0),
        (1, "dent", "dents", [14, 5, 1, 4], 0.25, 0),
    ]


@pytest.mark.parametrize(
    ("own", "levels", "named"),
    [
        ("streaks", (0.2, 0.9), ("streaks", "rust")),
        ("", (0.2, 0.9), ("crack", "cracks")),
        ("", (0.9, 0.2), ("dent", "dents")),
        ("", (0.5, 0.5), ("dent", "dents")),
        ("", (0.01, 0.2), ("crack", "cracks")),
        ("", (0.01, 0.01), ("", "rust")),
    ],
)
def test_an_object_is_called_after_its_own_wear_unless_that_is_clean(
    own: str, levels: tuple[float, float], named: tuple[str, str]
) -> None:
    names = (("dents", "dent"), ("cracks", "crack"))
    also = tuple(FurtherWear(k, c if n > 0.02 else "", n, -1) for (k, c), n in zip(names, levels, strict=True))
    none = np.zeros((4, 4), np.float32)
    layers = Layers(np.ones((4, 4), np.int32), none, {"dents": none, "cracks": none})
    record = make_record(layers, [instance(1, wear_class=own, layers=also)], ALL, {"frame": 0})
    (entry,) = record["instances"]
    assert (entry["classes"]["wear"], entry["classes"]["kind"]) == named
    assert (entry["kind"], entry["wear_class"], entry["level"]) == ("rust", own, 0.5)
    assert record["regions"] == [] and decode(encode(record)) == json.loads(json.dumps(record))


def test_a_layer_that_is_missing_or_of_another_size_is_refused() -> None:
    layers, instances = two_kinds()
    with pytest.raises(SynGenError, match="no label layer of the kind of wear 'dents'"):
        make_record(Layers(layers.index, layers.wear), instances, ALL, {"frame": 0})
    with pytest.raises(SynGenError, match="differ in size"):
        make_record(Layers(layers.index, layers.wear, {"dents": layers.wear[1:]}), instances, ALL, {"frame": 0})


def test_a_frame_counts_where_a_target_is_seen_and_none_is_too_small() -> None:
    index = np.zeros((40, 40), int)
    settings = Labels(min_pixels=100)
    assert accepts(record_of(index), settings) == (False, "No target is visible.")
    index[:10, :10] = 1
    assert accepts(record_of(index), settings) == (True, "")
    index[20:29, 20:31] = 2
    taken, why = accepts(record_of(index), settings)
    assert not taken and "Drum.002 has 99 visible pixels" in why


def test_a_frame_without_target() -> None:
    record = no_target_record({"frame": 12, "attempts": 9})
    assert record["no_target"] and decode(encode(record)) == record
    assert not accepts(record, Labels())[0]


def test_a_record_cut_anywhere_is_refused() -> None:
    data = encode(record_of(np.ones((4, 4), int)))
    for length in range(len(data) - 1):
        with pytest.raises(SynGenError):
            decode(data[:length])


@pytest.mark.parametrize(
    ("change", "word"),
    [({"schema": "other"}, "not a record"), ({"version": 99}, "version 99"), ({"frame": "4"}, "'frame'"),
     ({"instances": None}, "'instances'"), ({"width": None}, "'width'"), ({"no_target": 0}, "'no_target'")],
)
def test_another_schema_is_refused_by_name(change: dict[str, Any], word: str) -> None:
    with pytest.raises(SynGenError, match=word):
        decode(json.dumps(record_of(np.ones((4, 4), int)) | change).encode(), "records/x.json")


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"[]", b"3", b'{"schema": NaN}', b"\x00" * 200])
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(SynGenError):
        decode(data)


def test_bad_layers_and_instances_are_refused() -> None:
    with pytest.raises(SynGenError, match="differ in size"):
        make_record(Layers(np.zeros((4, 4), np.int32), np.zeros((4, 5), np.float32)), [], ALL, {"frame": 0})
    layers = Layers(np.zeros((4, 4), np.int32), np.zeros((4, 4), np.float32))
    for instances in ([instance(1), instance(1)], [instance(0)]):
        with pytest.raises(SynGenError, match="index of its own"):
            make_record(layers, instances, ALL, {"frame": 0})
