"""Masks as polygons: filled by two readers that have nothing in common, they give back every pixel."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from syngen_addon.formats.yolo_segment import as_text, polygon_of, read_iou
from syngen_addon.labels.layers import Instance, Layers
from syngen_addon.labels.record import make_record
from syngen_addon.polygons import UNIT, border, columns, edges_of, polygon, runs, simplified
from syngen_addon.recipe import Labels
from tests.pure.framed import disc, rle, shape_of
from tests.pure.hard_shapes import FRAMES, write

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)).filter(np.any)


def shapes() -> dict[str, np.ndarray]:
    """Whatever a renderer can show of an object."""
    full, empty = np.ones((9, 7), bool), np.zeros((9, 7), bool)
    hole, islands, corners = full.copy(), empty.copy(), empty.copy()
    hole[2:5, 2:5] = False
    islands[1, 1] = islands[4:6, 3:5] = islands[8, 6] = True
    corners[::2, ::2] = corners[1::2, 1::2] = True
    nested = np.zeros((21, 21), bool)
    for radius in range(10, 0, -2):
        nested[10 - radius : 11 + radius, 10 - radius : 11 + radius] ^= True
    pixel, line, column, foot_to_head = empty.copy(), empty.copy(), empty.copy(), empty.copy()
    pixel[8, 6] = True
    line[4] = True
    column[:, 3] = True
    foot_to_head[5:, 2] = foot_to_head[:3, 3] = True
    return {
        "full": full, "hole": hole, "islands": islands, "corners": corners, "nested": nested, "pixel": pixel,
        "line": line, "column": column, "foot_to_head": foot_to_head, "one": np.ones((1, 1), bool),
        "disc": disc(200, 260, 100, 90, 80), "ring": disc(200, 260, 100, 90, 80) & ~disc(200, 260, 120, 90, 40),
    }  # fmt: skip


def border_of(segmentation: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return border(*edges_of(segmentation), segmentation["size"][0])


def filled_iou(points: np.ndarray, segmentation: dict[str, Any], box: list[int]) -> float:
    """IoU of a polygon, filled as pycocotools does, with its mask."""
    x, y, width, height = box
    local = points / UNIT - np.array([x, y])
    filled = coco_mask.frPyObjects([local.ravel().tolist()], height, width)
    return float(coco_mask.iou(filled, [coco_mask.encode(columns(segmentation, box).T)], [0])[0, 0])


def parts(mask: np.ndarray) -> int:
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0]) - 1


def own(mask: np.ndarray) -> tuple[dict[str, Any], list[int]]:
    shape = shape_of(mask)
    return shape["segmentation"], shape["bbox"]


@given(MASKS)
def test_run_lengths_are_read_as_pycocotools_reads_them(mask: np.ndarray) -> None:
    segmentation, box = own(mask)
    starts, ends = runs(segmentation)
    flat = np.zeros(mask.size, bool)
    for start, end in zip(starts, ends, strict=True):
        flat[start:end] = True
    assert np.array_equal(flat.reshape(mask.shape[::-1]).T, mask)
    x, y, width, height = box
    assert np.array_equal(columns(segmentation, box).T, mask[y : y + height, x : x + width])


def test_an_empty_mask_has_no_runs() -> None:
    assert [len(each) for each in runs(rle(np.zeros((4, 5), bool)))] == [0, 0]


@settings(max_examples=300)
@given(MASKS)
@example(np.array([[True, False], [False, True]]))
@example(np.array([[False, True], [True, False]]))
def test_any_mask_comes_back_to_the_pixel(mask: np.ndarray) -> None:
    check(mask)


@pytest.mark.parametrize("name", shapes())
def test_shapes_come_back_to_the_pixel(name: str) -> None:
    check(shapes()[name])


def check(mask: np.ndarray) -> None:
    segmentation, box = own(mask)
    points, _ = border_of(segmentation)
    assert filled_iou(points, segmentation, box) == 1, "pycocotools, by the middles of pixels"
    if parts(mask) == 1:  # a bridge to a further part goes over pixels that are not the mask's
        assert read_iou(points.ravel().tolist(), segmentation, box) == 1, "OpenCV, by whole pixels with the border"
    x, y, width, height = box
    low, high = points.min(axis=0), points.max(axis=0)
    assert low.tolist() == [x * UNIT, y * UNIT]
    assert high.tolist() == [(x + width) * UNIT - 1, (y + height) * UNIT - 1]
    assert not (points == np.roll(points, 1, axis=0)).all(axis=1).any(), "no point stands twice in a row"


@settings(max_examples=100)
@given(hnp.arrays(bool, (13, 17), elements=st.sampled_from([True, *[False] * 5])).filter(np.any))
def test_parts_hang_together_by_the_shortest_bridges(mask: np.ndarray) -> None:
    assume(cv2.connectedComponents(np.pad(~mask, 1, constant_values=True).astype(np.uint8), connectivity=4)[0] == 2)
    points = border_of(rle(mask))[0]
    ways = {(*a, *b) for a, b in zip(points.tolist(), np.roll(points, -1, axis=0).tolist(), strict=True)}
    bridges = np.array([way for way in ways if (*way[2:], *way[:2]) in ways]).reshape(-1, 2, 2) // UNIT
    lengths = np.abs(bridges[:, 0] - bridges[:, 1]).max(axis=1, initial=0)
    assert np.count_nonzero(lengths > 1) == 2 * (parts(mask) - 1)  # one pixel long: where corners touch
    assert (lengths - 1).sum() == 2 * between(mask)


def between(mask: np.ndarray) -> int:
    """The pixels between all parts where each next one is joined by the ends of two runs that are nearest."""
    count, label = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    padded = np.pad(mask, 1)
    ends = mask & ~(padded[:-2, 1:-1] & padded[2:, 1:-1])
    places = [np.argwhere(ends & (label == number)) for number in range(1, count)]
    joined, left, total = places[0], places[1:], 0
    while left:
        gaps = [int(np.abs(joined[:, None] - each[None]).max(axis=2).min()) - 1 for each in left]
        total += min(gaps)
        joined = np.concatenate([joined, left.pop(gaps.index(min(gaps)))])
    return total


def test_a_mask_of_very_many_parts_is_still_one_polygon() -> None:
    mask = np.random.default_rng(1).random((120, 130)) < 0.12
    segmentation, box = own(mask)
    assert parts(mask) > 500
    points, _ = border_of(segmentation)
    assert filled_iou(points, segmentation, box) == 1


def test_the_corners_of_a_rectangle_and_of_a_hole() -> None:
    mask = np.zeros((8, 10), bool)
    mask[2:6, 3:9] = True
    assert as_set(border_of(rle(mask))[0]) == {(3, 2), (9, 2), (9, 6), (3, 6)}
    mask[3:5, 4:6] = False
    points, held = border_of(rle(mask))
    assert as_set(points[~held]) == {(3, 2), (9, 2), (9, 6), (3, 6), (4, 5), (6, 5), (4, 3), (6, 3)} - as_set(
        points[held]
    )
    assert len(points) <= 14


def as_set(points: np.ndarray) -> set[tuple[int, int]]:
    return {tuple(each) for each in (-(-points // UNIT)).tolist()}


def test_the_bridge_of_a_hole_lies_in_the_mask() -> None:
    mask = shapes()["ring"]
    segmentation, box = own(mask)
    points, held = border_of(segmentation)
    assert 4 <= held.sum() <= 6 and read_iou(points.ravel().tolist(), segmentation, box) == 1


@pytest.mark.parametrize("radius", [30, 60, 77])
@pytest.mark.parametrize("inner", [0, 12])
def test_a_long_border_is_simplified_and_says_the_same(radius: int, inner: int) -> None:
    mask = disc(200, 260, 120.3, 97.6, radius) & ~disc(200, 260, 125, 90, inner)
    segmentation, box = own(mask)
    exact, held = border_of(segmentation)
    fewer = simplified(exact, held)
    assert len(fewer) < len(exact) / 2
    assert filled_iou(fewer, segmentation, box) > 1 - 0.25 * len(exact) / mask.sum()
    for end in (np.min, np.max):
        assert np.array_equal(end(fewer, axis=0), end(exact, axis=0)), "its box stays"


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), side=st.integers(60, 240), blur=st.floats(1, 12), level=st.floats(0.48, 0.53))
def test_what_is_written_has_an_iou_of_at_least_99_percent(seed: int, side: int, blur: float, level: float) -> None:
    noise = np.random.default_rng(seed).random((side, side + 13))
    mask = cv2.GaussianBlur(noise, (0, 0), blur) > level
    mask |= disc(side, side + 13, side / 2, side / 2, side / 3)
    shape = shape_of(mask)
    points = polygon(*edges_of(shape["segmentation"]), side, shape["area"])
    assert filled_iou(points, shape["segmentation"], shape["bbox"]) >= 0.99
    # And by the definition: a pixel belongs to it where its middle does.
    filled = coco_mask.frPyObjects([(points / UNIT).ravel().tolist()], *mask.shape)
    found = coco_mask.decode(filled)[..., 0].astype(bool)
    assert (found & mask).sum() >= 0.99 * (found | mask).sum()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), side=st.integers(60, 240), blur=st.floats(2, 12))
def test_one_part_is_read_with_an_iou_of_at_least_99_percent_at_whole_pixels(seed: int, side: int, blur: float) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((side, side + 13)), (0, 0), blur)
    label, about = cv2.connectedComponentsWithStats((noise > np.median(noise)).astype(np.uint8))[1:3]
    mask = label == 1 + about[1:, cv2.CC_STAT_AREA].argmax()
    shape = shape_of(mask)
    points = polygon(*edges_of(shape["segmentation"]), side, shape["area"])
    assert read_iou(points.ravel().tolist(), shape["segmentation"], shape["bbox"]) >= 0.99


@given(MASKS, st.integers(0, 3000), st.integers(0, 3000))
def test_text_reads_back_as_the_same_pixels(mask: np.ndarray, right: int, below: int) -> None:
    padded = np.pad(mask, ((0, below % 300), (0, right % 300)))
    points, _ = border_of(rle(padded))
    height, width = padded.shape
    for number in (np.float32, np.float64):
        found = np.array(as_text(points.ravel().tolist(), width, height).split(), np.float32).reshape(-1, 2)
        assert found.min() >= 0 and found.max() <= 1
        pixels = found * np.array([width, height], number)
        assert np.array_equal(pixels.astype(np.int32), points // UNIT)
        assert np.abs(pixels - points / UNIT).max() < 0.02


def test_a_mask_over_the_whole_picture_and_a_wide_one() -> None:
    for width in (640, 1920, 7680):
        points, _ = border_of(rle(np.ones((4, width), bool)))
        numbers = np.array(as_text(points.ravel().tolist(), width, 4).split(), np.float32).reshape(-1, 2)
        assert np.array_equal((numbers * [width, 4]).astype(np.int32), points // UNIT)


@pytest.mark.parametrize("objects", ["instances", "regions"])
def test_a_record_holds_polygons_where_the_recipe_asks(objects: str) -> None:
    index = np.zeros((60, 80), np.int32)
    index[disc(60, 80, 30, 30, 20) & ~disc(60, 80, 30, 30, 8)] = 1
    wear = (disc(60, 80, 20, 30, 9) | disc(60, 80, 42, 30, 5)).astype(np.float32)
    instances = [Instance(1, "Drum", {"object": "drum"}, "rust", "default", 0.5, 0)]
    about = dict(objects=objects, region_min_pixels=5, region_merge_pixels=0)
    record = make_record(Layers(index, wear), instances, Labels(polygons=True, **about), {"frame": 0})
    other = "regions" if objects == "instances" else "instances"
    assert record[objects] and not any("polygon" in entry for entry in record[other])
    for entry in record[objects]:
        kept = polygon_of(entry)
        assert kept == polygon_of({k: v for k, v in entry.items() if k != "polygon"})
        assert filled_iou(np.reshape(kept, (-1, 2)), entry["segmentation"], entry["bbox"]) >= 0.99
    plain = make_record(Layers(index, wear), instances, Labels(**about), {"frame": 0})
    assert not any("polygon" in entry for entry in plain[objects])


def test_how_like_the_truth_polygons_come_back_is_told(tmp_path: Path) -> None:
    fit = write(tmp_path, ("yolo_segment",)).fits["yolo_segment"]
    assert fit.objects == 4 * FRAMES
    assert 0.9 < fit.worst < 1, "islands: their bridges are painted as well"
    assert fit.worst < fit.mean < 1
