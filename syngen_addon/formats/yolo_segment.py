"""YOLO segmentation: yolo-segment/, a polygon an object. Imports its siblings.

The format has one polygon an object and no holes: further parts and holes hang on bridges without area. Ultralytics
cuts the polygon's points down to whole pixels and paints its border as well (`polygon2mask`): at the picture's own size
that gives back every pixel of a polygon that is exact, and those under a bridge between two parts beside them. How like
the masks that is, is measured and told.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..polygons import UNIT, columns, edges_of, polygon
from .chosen import Chosen, Dataset
from .labelled import labelled

MEASURED = 2000
"""So many first masks are compared with what the reader makes of them; after them those of every 100th picture."""


@contextmanager
def yolo_segment(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the lists appear where the block ends well."""
    frames = objects = 0

    def line(record: dict[str, Any], chosen: Chosen) -> str:
        nonlocal objects
        entry = chosen.entry
        numbers = polygon_of(entry)
        objects += 1
        if objects <= MEASURED or frames % 100 == 0:
            dataset.fit("yolo_segment", read_iou(numbers, entry["segmentation"], entry["bbox"]))
        return f"{chosen.number} {as_text(numbers, record['width'], record['height'])}\n"

    with labelled(dataset, "yolo-segment", line) as add:

        def counted(record: dict[str, Any], split: str) -> None:
            nonlocal frames
            frames += 1
            add(record, split)

        yield counted


def polygon_of(entry: dict[str, Any]) -> list[int]:
    """An object's polygon as its record says it: x, y, x, y, ... in units; worked out where it does not."""
    if "polygon" in entry:
        said: list[int] = entry["polygon"]
        return said
    segmentation = entry["segmentation"]
    points = polygon(*edges_of(segmentation), segmentation["size"][0], entry["area"])
    return list(points.ravel().tolist())


def read_iou(numbers: Sequence[int], segmentation: dict[str, Any], box: Sequence[int]) -> float:
    """IoU of the mask with what a reader gets that cuts the points down to pixels and fills them with their border."""
    x, y, width, height = box
    truth = cv2.transpose(columns(segmentation, box)).view(np.bool_)
    points = np.array(numbers, np.int32).reshape(-1, 2)
    read = painted(points // UNIT - np.array([x, y], np.int32), width, height).view(np.bool_)
    both, either = np.count_nonzero(read & truth), np.count_nonzero(read | truth)
    return both / either


def painted(points: npt.NDArray[np.int32], width: int, height: int) -> npt.NDArray[np.uint8]:
    """What Ultralytics' `polygon2mask` makes of a polygon, N x 2 whole pixels: height x width, 0 and 1."""
    found = np.zeros((height, width), np.uint8)
    cv2.fillPoly(found, [points], (1,))
    return found


def as_text(numbers: Sequence[int], width: int, height: int) -> str:
    """The same numbers as fractions of the picture."""
    points = np.array(numbers, np.intp).reshape(-1, 2)
    texts = np.empty(points.shape, _TEXT)
    for axis, size in enumerate((width, height)):
        _fractions(size).take(points[:, axis], out=texts[:, axis], mode="clip")
    return texts.tobytes()[:-1].decode("ascii")


_TEXT = np.dtype("V9")


@lru_cache(8)
def _fractions(size: int) -> npt.NDArray[np.void]:
    """By units of the polygons the fraction of a picture's side, as text with a space behind it; a millionth too large:
    who multiplies it with the side in single or double precision and cuts off decimals is to find the pixel.
    """
    whole = UNIT * size
    units = np.arange(whole + 1)
    millionths = np.minimum((2_000_000 * units + whole) // (2 * whole) + (units > 0), 1_000_000)
    letters = np.empty((whole + 1, 9), np.uint8)
    letters[:, 0] = millionths // 1_000_000 + ord("0")
    letters[:, 1], letters[:, 8] = ord("."), ord(" ")
    for place in range(6):
        letters[:, 7 - place] = millionths // 10**place % 10 + ord("0")
    return letters.view(_TEXT)[:, 0]
