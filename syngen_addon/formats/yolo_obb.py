"""YOLO rotated boxes: yolo-obb/, four corners an object. Imports its siblings.

The format's corners lie within the picture. Of a box that reaches beyond it (its object is cut by the border) either
the corners move to the border or the upright box is written, whichever is more like it; how much that loses is told.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import cv2
import numpy as np

from ..polygons import columns
from .chosen import Chosen, Dataset
from .labelled import labelled

Corners = list[tuple[float, float]]


def yolo_obb(dataset: Dataset) -> AbstractContextManager[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the lists appear where the block ends well."""

    def line(record: dict[str, Any], chosen: Chosen) -> str:
        size = (record["width"], record["height"])
        true = rotated_box(chosen.entry)
        written = within(true, chosen.entry["bbox"], size)
        dataset.fit("yolo_obb", 1.0 if written is true else box_iou(true, written))
        across, down = size
        texts = (f"{min(max(x / across, 0.0), 1.0):.6f} {min(max(y / down, 0.0), 1.0):.6f}" for x, y in written)
        return f"{chosen.number} {' '.join(texts)}\n"

    return labelled(dataset, "yolo-obb", line)


def rotated_box(entry: dict[str, Any]) -> Corners:
    """The four corners of an object's rotated box, in turn; in pixels. Worked out where the record does not say."""
    if "rotated_bbox" in entry:
        x, y, width, height, angle = entry["rotated_bbox"]
    else:
        bits = columns(entry["segmentation"], entry["bbox"]).T
        down, across = np.nonzero(bits)
        pixels = np.concatenate([np.stack([across + i, down + j], 1) for i in (0, 1) for j in (0, 1)])
        (x, y), (width, height), angle = cv2.minAreaRect(cv2.convexHull(pixels.astype(np.float32)))
        x, y = x + entry["bbox"][0], y + entry["bbox"][1]
    turn = math.radians(angle)
    cos, sin = math.cos(turn) / 2, math.sin(turn) / 2
    a, b, c, d = cos * width, sin * width, -sin * height, cos * height  # half the box along, and across
    return [(x - a - c, y - b - d), (x + a - c, y + b - d), (x + a + c, y + b + d), (x - a + c, y - b + d)]


def within(corners: Corners, bbox: list[int], size: tuple[int, int], tolerance: float = 0.01) -> Corners:
    """The corners where they lie within the picture; else four others that do and are most like them."""
    across, down = size
    moved = [(min(max(x, 0.0), across), min(max(y, 0.0), down)) for x, y in corners]
    if all(abs(x - u) + abs(y - v) <= tolerance for (x, y), (u, v) in zip(corners, moved, strict=True)):
        return corners
    x, y, width, height = bbox
    upright: Corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return max((moved, upright), key=lambda each: box_iou(corners, each))


def box_iou(a: Corners, b: Corners) -> float:
    """IoU of the smallest rectangles around two times four corners, as readers take them."""
    first, second = (cv2.minAreaRect(np.array(each, np.float32)) for each in (a, b))
    shared = cv2.rotatedRectangleIntersection(first, second)[1]
    both = 0.0 if shared is None else cv2.contourArea(cv2.convexHull(shared))
    union = first[1][0] * first[1][1] + second[1][0] * second[1][1] - both
    return float(both / union) if union > 0 else 0.0
