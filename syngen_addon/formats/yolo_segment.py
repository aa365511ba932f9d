"""YOLO segmentation: yolo-segment/, a polygon an object. Imports its siblings.

The format has one polygon an object and no holes: further parts and holes hang on bridges without area. Ultralytics
rounds the polygon's points down to pixels and paints its border as well (`polygon2mask`), so that the masks it trains
on reach a pixel too far to the right and below; how like the truth that leaves them is measured and told.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Any

import cv2
import numpy as np

from .chosen import Chosen, Dataset
from .labelled import labelled
from .polygons import Bits, Points, polygon

MEASURED = 500
"""Of so many first frames every mask is compared with what the reader makes of it; after them of every 20th."""


@contextmanager
def yolo_segment(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the lists appear where the block ends well."""
    frames = 0

    def line(record: dict[str, Any], chosen: Chosen) -> str:
        width, height = record["width"], record["height"]
        points, turned = polygon(chosen.entry["segmentation"], chosen.entry["bbox"])
        if frames <= MEASURED or frames % 20 == 0:
            dataset.fit("yolo_segment", read_back(points, turned, chosen.entry["bbox"], width, height))
        return f"{chosen.number} {columns(points, width, height)}\n"

    with labelled(dataset, "yolo-segment", line) as add:

        def counted(record: dict[str, Any], split: str) -> None:
            nonlocal frames
            frames += 1
            add(record, split)

        yield counted


def columns(points: Points, width: int, height: int) -> str:
    """x y x y ... of points in half pixels, as fractions of the picture."""
    x, y = _fractions(width), _fractions(height)
    across, down = points.T.tolist()
    return " ".join(chain.from_iterable(zip((x[v] for v in across), (y[v] for v in down), strict=True)))


@lru_cache(8)
def _fractions(size: int) -> tuple[str, ...]:
    """Every half pixel as a fraction of the picture, rounded up: a reader that cuts decimals off finds its pixel."""
    return tuple(f"{-(-v * 1_000_000 // (2 * size)) / 1_000_000:.6f}" for v in range(2 * size + 1))


def read_back(points: Points, turned: Bits, box: tuple[int, int, int, int], width: int, height: int) -> float:
    """IoU of a mask with what Ultralytics fills for its polygon: whole pixels, with the border."""
    x, y = box[0], box[1]
    canvas = np.zeros((min(box[3] + 1, height - y), min(box[2] + 1, width - x)), np.uint8)
    cv2.fillPoly(canvas, [points // 2 - np.array([x, y], np.int32)], (1,))
    area, filled = np.count_nonzero(turned), np.count_nonzero(canvas)
    both = np.count_nonzero(canvas[: box[3], : box[2]] & turned.T)
    return both / (area + filled - both)
