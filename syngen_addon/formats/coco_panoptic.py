"""COCO panoptic: annotations/panoptic_{train,val,test}.json and a PNG a picture beside it. Imports its siblings, numpy,
OpenCV.

A pixel's segment is R + 256 G + 65536 B of its PNG; 0 is void, which scores leave out. Objects to detect are things;
everything else is one segment of the stuff class `background`, but for the objects that export.min_visible leaves out,
which are void. No two segments share a pixel: where worn regions do, the kind of wear that lies above has it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..files import frame_file, write_bytes
from .chosen import Chosen, Dataset, annotations
from .coco import Add, categories, documents, encoded
from .pixels import paint

Pixels = npt.NDArray[np.uint16]
BACKGROUND = 0xFFFF
"""What becomes the background's id; an object's is its place in the picture, from 1."""


@contextmanager
def coco_panoptic(dataset: Dataset) -> Iterator[Add]:
    """Gives add(record, split), for records in rising order of frames; the files appear where the block ends well.

    Raises SynGenError where a file cannot be written.
    """
    kinds = _categories(dataset)

    def add(record: dict[str, Any], split: str) -> None:
        frame, chosen = record["frame"], dataset.objects(record)
        things = [c.entry for c in chosen]
        void = _left_out(dataset, record, things)
        pixels = None  # painting costs most of all, and where nothing is shared or cut the record says all there is
        shared = _may_share([*things, *void])
        if dataset.pictures or shared or _may_fill_a_side(record, [*things, *void]):
            pixels = _painted(dataset, record, things, void)
        segments = [_segment(i, c) for i, c in enumerate(chosen, start=1)]
        if pixels is not None and shared:
            segments = [s for s in (_as_painted(s, pixels, i) for i, s in enumerate(segments, start=1)) if s]
            lost = len(chosen) - len(segments)
            dataset.lose("coco_panoptic", "regions lie wholly under another kind of wear and have no segment", lost)
        segments += _background(record, len(kinds), pixels, [*things, *void])
        file = frame_file("", frame, ".png").lstrip("/")
        if pixels is not None and dataset.pictures:
            _write_png(dataset.out / "annotations" / f"panoptic_{split}" / file, pixels, len(things))
        write(record, split, [encoded({"image_id": frame + 1, "file_name": file, "segments_info": segments})])

    with documents(dataset, "panoptic", kinds, numbered=False) as write:
        yield add


def segment_id(number: int) -> int:
    """The id of a segment, 1 to 2^24 - 1: neighbours get colours far apart, and no two numbers the same."""
    return number * 0x9E3779 & 0xFFFFFF  # times an odd number is one to one, and only 0 becomes 0


def _categories(dataset: Dataset) -> list[dict[str, Any]]:
    """The classes, which are things, and the background, which is the one class of stuff, with the last id."""
    things = categories(dataset)
    name = "background"
    while name in dataset.classes:
        name += " (stuff)"
    kinds = [{**kind, "isthing": 1, "color": _color(kind["id"])} for kind in things]
    stuff = {"id": len(things) + 1, "name": name, "supercategory": "background", "isthing": 0}
    return [*kinds, {**stuff, "color": _color(BACKGROUND)}]


def _color(number: int) -> list[int]:
    id = segment_id(number)
    return [id & 255, id >> 8 & 255, id >> 16]


def _left_out(dataset: Dataset, record: dict[str, Any], things: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is an object to detect, but for export.min_visible."""
    if dataset.recipe.export.min_visible <= 0:
        return []
    kept = {id(entry) for entry in things}
    return [entry for _, entry in annotations(record, dataset.recipe.labels) if id(entry) not in kept]


def _may_share(entries: list[dict[str, Any]]) -> bool:
    """Whether two of them may have a pixel in common: regions of one object by two kinds of wear."""
    kinds = {(entry["index"], entry["classes"]["kind"]) for entry in entries}
    return len(kinds) > len({index for index, _ in kinds})


def _may_fill_a_side(record: dict[str, Any], entries: list[dict[str, Any]]) -> bool:
    """Whether they may cover a whole outermost row or column: where they can't, the background's box is the picture."""
    width, height = record["width"], record["height"]
    left = top = right = bottom = 0
    for entry in entries:
        x, y, across, down = entry["bbox"]
        left += down * (x == 0)
        right += down * (x + across == width)
        top += across * (y == 0)
        bottom += across * (y + down == height)
    return bool(max(top, bottom) >= width or max(left, right) >= height)


def _painted(
    dataset: Dataset, record: dict[str, Any], things: list[dict[str, Any]], void: list[dict[str, Any]]
) -> Pixels:
    """The number of each pixel's thing, from 1; one more than there are where it is void, 0 for the background."""
    pieces = [*((len(things) + 1, entry) for entry in void), *enumerate(things, start=1)]
    masks = (
        (n, (e["bbox"][0], e["bbox"][1]), dataset.crop(record, e["segmentation"], e["bbox"])) for n, e in pieces
    )
    return paint(record["height"], record["width"], masks)


def _segment(number: int, chosen: Chosen) -> dict[str, Any]:
    entry = chosen.entry
    return {
        "id": segment_id(number),
        "category_id": chosen.number + 1,
        "area": entry["area"],
        "bbox": entry["bbox"],
        "iscrowd": 0,
    }


def _as_painted(segment: dict[str, Any], pixels: Pixels, number: int) -> dict[str, Any] | None:
    """The segment with what is left of it where another lies above; None where nothing is."""
    x, y, width, height = segment["bbox"]
    mask = pixels[y : y + height, x : x + width] == number
    area = int(np.count_nonzero(mask))
    return {**segment, "area": area, "bbox": _box(mask, x, y)} if area else None


def _box(mask: npt.NDArray[np.bool_], x: int = 0, y: int = 0) -> list[int]:
    """Box of the set pixels, of which there are some. x, y: of the mask's top left pixel."""
    across, down = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    left, right, top, bottom = (int(v) for v in (across[0], across[-1], down[0], down[-1]))
    return [x + left, y + top, right - left + 1, bottom - top + 1]


def _background(
    record: dict[str, Any], category: int, pixels: Pixels | None, entries: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Its one segment; none where things fill the picture."""
    width, height = record["width"], record["height"]
    if pixels is None:
        area, box = width * height - sum(entry["area"] for entry in entries), [0, 0, width, height]
    else:
        free = pixels == 0
        area = int(np.count_nonzero(free))
        box = _box(free) if area else []
    about = {"id": segment_id(BACKGROUND), "category_id": category, "area": area, "bbox": box, "iscrowd": 0}
    return [about] if area else []


def _write_png(path: Path, pixels: Pixels, things: int) -> None:
    ids = [segment_id(BACKGROUND), *map(segment_id, range(1, things + 1)), 0]
    channels = [[id >> 16, id >> 8 & 255, id & 255] for id in ids]  # OpenCV takes blue first
    colors = np.array(channels, np.uint8)[pixels]
    ok, data = cv2.imencode(".png", colors, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert ok, "OpenCV refused a well-formed image"
    write_bytes(path, data.tobytes())
