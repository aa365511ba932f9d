"""Masks as runs of pixels, and what is read off them: boxes, COCO's run lengths, connected parts. Imports
polygons, numpy, OpenCV and pycocotools.

Masks are read off one pass over the picture, in runs down the columns: where the label changes, a run ends. Everything
else is arithmetic on those few runs, so that a frame with fifty instances costs about as much as one with five.
"""

import itertools
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from ..polygons import polygon

Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
Layer = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

STRIPE = 1 << 15
"""Pixels that are worked on at once."""


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

    @cached_property
    def outline(self) -> npt.NDArray[np.float64]:
        """The corners of the convex hull of its pixels (their outer edges, not their centres), K x 2."""
        new = np.empty(len(self.column), bool)
        new[0] = True
        np.not_equal(self.column[1:], self.column[:-1], out=new[1:])
        first = np.flatnonzero(new)
        count = len(first)
        points = np.empty((4, count, 2), np.int32)
        points[:2, :, 0] = self.column[first]
        points[2:, :, 0] = points[0, :, 0] + 1
        points[::2, :, 1] = self.top[first]  # of each column the first run is the highest
        last = np.empty(count, np.int64)
        last[:-1], last[-1] = first[1:] - 1, len(new) - 1
        points[1::2, :, 1] = (self.top + self.lengths)[last]
        return np.asarray(cv2.convexHull(points.reshape(-1, 2))[:, 0], np.float64)

    def polygon(self) -> list[int]:
        """x, y, x, y, ... of one polygon along the edges of its pixels, in 1/64 pixel (see polygons.py)."""
        rows = np.empty(2 * len(self.top), np.int64)
        rows[::2], rows[1::2] = self.top, self.top + self.lengths
        points = polygon(np.repeat(self.column, 2), rows, self.height, self.area)
        return list(points.ravel().tolist())

    def rotated_bbox(self) -> list[float]:
        """[cx, cy, width, height, angle]: the smallest rectangle in any direction around its pixels.

        In pixels; angle: from the x axis towards y (clockwise in the picture) to the side called width, in degrees from
        0 to under 90. One side of the smallest rectangle lies along the hull (Freeman and Shapira, 1975: "Determining
        the minimum-area encasing rectangle for an arbitrary closed curve"); of equal ones the least angle counts.
        """
        hull = self.outline
        sides = np.empty_like(hull)
        np.subtract(hull[1:], hull[:-1], out=sides[:-1])
        np.subtract(hull[0], hull[-1], out=sides[-1])
        dx, dy = sides[:, 0], sides[:, 1]
        turned = (dx * dy < 0) | (dx == 0)  # a quarter turn more or less is the same rectangle: 0 to under 90 degrees
        sides[turned] = sides[turned, ::-1]
        sides = np.abs(sides)
        sides /= np.sqrt(np.einsum("ij,ij->i", sides, sides))[:, None]
        across = sides[:, ::-1] * _ACROSS
        extents = np.concatenate([sides, across]) @ hull.T
        low, high = extents.min(axis=1).reshape(2, -1), extents.max(axis=1).reshape(2, -1)
        sizes = high - low
        areas = sizes[0] * sizes[1]
        best = min(np.flatnonzero(areas < areas.min() + 1e-6).tolist(), key=lambda i: float(sides[i, 1]))
        u, v = ((low + high)[:, best] / 2).tolist()
        cos, sin = sides[best].tolist()
        turn = math.degrees(math.atan2(sin, cos))
        numbers = (u * cos - v * sin, u * sin + v * cos, *sizes[:, best].tolist(), turn)
        return [round(number, 3) for number in numbers]


_ACROSS = np.array([-1.0, 1.0])


def masks_of(index: Labels, wear: Layer | None = None, threshold: float = 0.0) -> dict[int, Mask]:
    """Label -> its mask, for every label of `index` but 0; with a wear layer, of its pixels of at least `threshold`.

    Worked out in stripes of a few columns: what fits into the processor's cache takes half the time.
    """
    height, width = index.shape
    stripe = max(STRIPE // max(height, 1), 1)
    found = []
    for left in range(0, width, stripe):
        labels = index[:, left : left + stripe]
        if wear is not None:
            labels = labels * (wear[:, left : left + stripe] >= threshold)
        flat = cv2.transpose(labels).ravel()
        ends_here = np.empty(flat.size, bool)
        np.not_equal(flat[:-1], flat[1:], out=ends_here[:-1])
        ends_here[height - 1 :: height] = True
        ends = np.flatnonzero(ends_here)
        values = flat[ends]
        starts = np.empty_like(ends)
        starts[0] = 0
        np.add(ends[:-1], 1, out=starts[1:])
        keep = np.flatnonzero(values)
        starts = starts[keep]
        found.append((starts + left * height, ends[keep] + 1 - starts, values[keep]))
    starts, lengths, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(values, kind="stable")
    starts, lengths, values = starts[order], lengths[order], values[order]
    return {int(values[a]): Mask(starts[a:b], lengths[a:b], height) for a, b in _groups(values)}


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
