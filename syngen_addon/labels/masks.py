"""Masks as runs of pixels, and what is read off them: boxes, COCO's run lengths, connected parts. Imports
polygons, numpy, OpenCV and pycocotools.

Masks are read off one pass over the picture, in runs down the columns: where the label changes, a run ends. Everything
else is arithmetic on those few runs, so that a frame with fifty instances costs about as much as one with five.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from ..polygons import polygons

Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32] | npt.NDArray[np.int16]
Layer = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

STRIPE = 1 << 17
"""Pixels that are worked on at once."""
TOGETHER = 32
"""Rotated boxes that are worked out at once."""


class Mask:
    """Pixels as runs down the columns: flat column-major starts and lengths, each within one column, in order.

    height: of the whole picture. area: pixels; x0, y0, x1, y1: the outermost of them, where there is any.
    """

    def __init__(self, starts: Ints, lengths: Ints, height: int) -> None:
        self.starts, self.lengths, self.height = starts, lengths, height
        self.area = int(lengths.sum())
        if self.area:
            self.top, self.column = starts % height, starts // height
            self.x0, self.x1 = int(self.column[0]), int(self.column[-1])
            self.y0, self.y1 = int(self.top.min()), int((self.top + lengths).max()) - 1

    @staticmethod
    def empty(height: int) -> "Mask":
        """No pixel."""
        return Mask(np.zeros(0, np.int64), np.zeros(0, np.int64), height)

    @property
    def bbox(self) -> list[int]:
        """[x, y, width, height]."""
        return [self.x0, self.y0, self.x1 - self.x0 + 1, self.y1 - self.y0 + 1]

    def rle(self, width: int) -> dict[str, Any]:
        """COCO compressed run lengths: counts of 0s and 1s by turns, down the columns, from a count of 0s."""
        starts, lengths, size = self.starts, self.lengths, width * self.height
        gaps = starts[1:] - (starts + lengths)[:-1]
        if not gaps.all():  # runs that meet at the foot of one column and the head of the next are one
            first = np.flatnonzero(np.concatenate([[True], gaps != 0]))
            starts, lengths, gaps = starts[first], np.add.reduceat(lengths, first), gaps[gaps != 0]
        counts = np.empty(2 * len(starts) + 1, np.uint32)
        counts[0] = size
        if len(starts):
            counts[0] = starts[0]
            counts[1::2] = lengths
            counts[2:-1:2] = gaps
            counts[-1] = size - starts[-1] - lengths[-1]
        counts = counts[: len(counts) - (counts[-1] == 0)]
        shape = [self.height, width]
        coded = coco_mask.frPyObjects([{"counts": counts, "size": shape}], self.height, width)[0]
        return {"counts": coded["counts"].decode("ascii"), "size": shape}


def polygons_of(masks: Sequence[Mask]) -> list[list[int]]:
    """x, y, x, y, ... of one polygon along the edges of each mask's pixels, in 1/64 pixel (see polygons.py)."""
    if not masks:
        return []
    top, low = (np.concatenate(rows) for rows in zip(*((m.top, m.top + m.lengths) for m in masks), strict=True))
    rows = np.empty(2 * len(top), np.int64)
    rows[::2], rows[1::2] = top, low
    column = np.repeat(np.concatenate([mask.column for mask in masks]), 2)
    counts, areas = [2 * len(mask.top) for mask in masks], [mask.area for mask in masks]
    return [points.ravel().tolist() for points in polygons(column, rows, counts, masks[0].height, areas)]


def rotated_bboxes(masks: Sequence[Mask]) -> list[list[float]]:
    """[cx, cy, width, height, angle] of each mask: the smallest rectangle in any direction around its pixels.

    In pixels; angle: from the x axis towards y (clockwise in the picture) to the side called width, in degrees from 0
    to under 90. One side of the smallest rectangle lies along the hull (Freeman and Shapira, 1975: "Determining the
    minimum-area encasing rectangle for an arbitrary closed curve"); of equal ones the least angle counts.
    """
    hulls = _hulls(masks)
    found: list[list[float]] = [[] for _ in masks]
    order = sorted(range(len(hulls)), key=lambda number: len(hulls[number]))
    for start in range(0, len(order), TOGETHER):  # those with about as many corners together
        numbers = order[start : start + TOGETHER]
        most = len(hulls[numbers[-1]])
        corners = np.array([hulls[n][np.minimum(np.arange(most), len(hulls[n]) - 1)] for n in numbers], np.float64)
        for number, box in zip(numbers, _smallest(corners), strict=True):
            found[number] = box
    return found


def _hulls(masks: Sequence[Mask]) -> list[npt.NDArray[np.int32]]:
    """The corners of each mask's convex hull (around its pixels, not their centres), K x 2."""
    if not masks:
        return []
    column = np.concatenate([mask.column for mask in masks])
    top = np.concatenate([mask.top for mask in masks])
    low = top + np.concatenate([mask.lengths for mask in masks])
    owners = np.repeat(np.arange(len(masks)), [len(mask.column) for mask in masks])
    new = np.empty(len(column) + 1, bool)
    new[0] = new[-1] = True
    np.not_equal(column[1:], column[:-1], out=new[1:-1])
    new[1:-1] |= owners[1:] != owners[:-1]
    first = np.flatnonzero(new)
    first, last = first[:-1], first[1:] - 1
    points = np.empty((len(first), 4, 2), np.int32)
    points[:, :2, 0] = column[first, None]
    points[:, 2:, 0] = points[:, :2, 0] + 1
    points[:, ::2, 1] = top[first, None]  # of each column the first run is the highest
    points[:, 1::2, 1] = low[last, None]
    bounds = np.searchsorted(owners[first], np.arange(len(masks) + 1)).tolist()
    return [
        np.asarray(cv2.convexHull(points[a:b].reshape(-1, 2))[:, 0], np.int32) for a, b in itertools.pairwise(bounds)
    ]


def _smallest(hulls: npt.NDArray[np.float64]) -> list[list[float]]:
    """See rotated_bboxes. hulls: n x K x 2, shorter ones filled up with their last corner."""
    sides = np.roll(hulls, -1, axis=1) - hulls
    dx, dy = sides[..., 0], sides[..., 1]
    turned = (dx * dy < 0) | (dx == 0)  # a quarter turn more or less is the same rectangle: 0 to under 90 degrees
    dx, dy = np.abs(np.where(turned, dy, dx)), np.abs(np.where(turned, dx, dy))
    length = np.sqrt(dx * dx + dy * dy)
    dx = np.where(length == 0, 1.0, dx)  # no side: the upright rectangle, which is as good a try
    length = np.where(length == 0, 1.0, length)
    directions = np.stack([dx, dy], axis=-1) / length[..., None]
    across = directions[..., ::-1] * (-1.0, 1.0)
    extents = np.concatenate([directions, across], axis=1) @ hulls.swapaxes(1, 2)
    low, high = (edge.reshape(len(hulls), 2, -1) for edge in (extents.min(axis=2), extents.max(axis=2)))
    sizes = high - low
    areas = sizes[:, 0] * sizes[:, 1]
    # Of those that are the smallest, but for rounding, the one that is turned least.
    tilts = np.where(areas < areas.min(axis=1, keepdims=True) + 1e-6, directions[..., 1], 2.0)
    best = np.arange(len(hulls)), tilts.argmin(axis=1)
    cos, sin = directions[best].T
    (u, v), (width, height) = ((low + high) / 2).swapaxes(1, 2)[best].T, sizes.swapaxes(1, 2)[best].T
    angles = np.degrees(np.arctan2(sin, cos))
    boxes = np.stack([u * cos - v * sin, u * sin + v * cos, width, height, angles], axis=1)
    rounded: list[list[float]] = (np.round(boxes, 3) + 0.0).tolist()
    return rounded


def masks_of(index: Labels, wears: Sequence[Layer] = (), threshold: float = 0.0) -> list[dict[int, Mask]]:
    """Label -> its mask, for every label of `index` but 0; then the same for each wear layer, of the pixels where it is
    at least `threshold`.

    Worked out in stripes of some columns, which fit into the processor's cache.
    """
    height, width = index.shape
    stripe = max(STRIPE // max(height, 1), 1)
    small = index.max(initial=0) < 1 << 15 and index.min(initial=0) >= 0
    found: list[list[tuple[Ints, Ints, Labels]]] = [[] for _ in range(1 + len(wears))]
    for left in range(0, width, stripe):
        columns = np.s_[:, left : left + stripe]
        part = index[columns]
        labels: Labels = cv2.transpose(part.astype(np.int16) if small else part).ravel()  # type: ignore[assignment]
        found[0].append(_runs(labels, height, left))
        for number, wear in enumerate(wears, 1):
            worn = cv2.transpose((wear[columns] >= threshold).view(np.uint8)).ravel().view(bool)
            found[number].append(_runs(labels * worn, height, left))
    masks = []
    for each in found:
        starts, lengths, values = (np.concatenate(parts) for parts in zip(*each, strict=True))
        order = np.argsort(values, kind="stable")
        starts, lengths, values = starts[order], lengths[order], values[order]
        masks.append({int(values[a]): Mask(starts[a:b], lengths[a:b], height) for a, b in _groups(values)})
    return masks


def _runs(labels: Labels, height: int, left: int) -> tuple[Ints, Ints, Labels]:
    """(starts in the picture, lengths, labels) of the runs of a stripe that are not 0. labels: column by column, the
    first of which is `left` in the picture."""
    ends_here = np.empty(labels.size, bool)
    np.not_equal(labels[:-1], labels[1:], out=ends_here[:-1])
    ends_here[height - 1 :: height] = True
    ends = np.flatnonzero(ends_here)
    values = labels[ends]
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    keep = np.flatnonzero(values)
    starts = starts[keep]
    return starts + left * height, ends[keep] + 1 - starts, values[keep]


def connected(there: Flags, mask: Mask, gap: int, least: int) -> list[Mask]:
    """The connected parts of a mask, from the left. there: its box alone, True where it is.

    Two pixels are connected where at most `gap` rows and at most as many columns lie between them (0: they touch,
    corners included). Parts of fewer than `least` pixels are left out. Spreading the mask by a square of gap + 1
    pixels makes exactly those touch; the spread mask only says which pixels belong together and is not kept.
    """
    crop = there.view(np.uint8)
    spread = cv2.dilate(crop, np.ones((gap + 1, gap + 1), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    count, parts = cv2.connectedComponents(spread, connectivity=8, ltype=cv2.CV_32S)
    if count == 2:  # one part, and what is around it
        return [mask] if mask.area >= least else []
    owners = parts[mask.top - mask.y0, mask.column - mask.x0]  # a run lies in one part
    order = np.argsort(owners, kind="stable")
    owners, starts, lengths = owners[order], mask.starts[order], mask.lengths[order]
    found = [Mask(starts[a:b], lengths[a:b], mask.height) for a, b in _groups(owners) if lengths[a:b].sum() >= least]
    return sorted(found, key=lambda part: int(part.starts[0]))


def _groups(values: npt.NDArray[Any]) -> Iterator[tuple[int, int]]:
    """(first, behind the last) of each stretch of equal values."""
    bounds = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return ((a, b) for a, b in itertools.pairwise(bounds) if a < b)
