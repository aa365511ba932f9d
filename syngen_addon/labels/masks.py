"""Masks as runs of pixels, and what is read off them: boxes, COCO's run lengths, connected parts. Imports numpy,
OpenCV and pycocotools.

Masks are read off one pass over the picture, in runs down the columns: where the label changes, a run ends. Everything
else is arithmetic on those few runs, so that a frame with fifty instances costs about as much as one with five.
"""

from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

Ints = npt.NDArray[np.int64]


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
        starts, ends, height = self.starts, self.starts + self.lengths, self.height
        # Runs that meet at the foot of one column and the head of the next are one.
        apart = starts[1:] != ends[:-1]
        starts, ends = starts[np.r_[True, apart][: len(starts)]], ends[np.r_[apart, True][: len(ends)]]
        edges = np.column_stack([starts, ends]).ravel()
        counts = np.diff(edges, prepend=0)
        if not len(edges) or edges[-1] < width * height:
            counts = np.append(counts, width * height - (edges[-1] if len(edges) else 0))
        coded = coco_mask.frPyObjects([{"counts": counts.tolist(), "size": [height, width]}], height, width)[0]
        return {"counts": coded["counts"].decode("ascii"), "size": [height, width]}

    @cached_property
    def outline(self) -> npt.NDArray[np.float64]:
        """The corners of the convex hull of its pixels (their outer edges, not their centres), K x 2."""
        first = np.flatnonzero(np.r_[True, self.column[1:] != self.column[:-1]])
        x = self.column[first]
        high = np.minimum.reduceat(self.top, first)
        low = np.maximum.reduceat(self.top + self.lengths, first)
        points = np.column_stack([np.concatenate([x, x, x + 1, x + 1]), np.concatenate([high, low, high, low])])
        return np.asarray(cv2.convexHull(points.astype(np.int32))[:, 0], np.float64)

    def rotated_bbox(self) -> list[float]:
        """[cx, cy, width, height, angle]: the smallest rectangle in any direction around its pixels.

        In pixels; angle: from the x axis towards y (clockwise in the picture) to the side called width, in degrees from
        0 to under 90. One side of the smallest rectangle lies along the hull (Freeman and Shapira, 1975: "Determining
        the minimum-area encasing rectangle for an arbitrary closed curve"); of equal ones the least angle counts.
        """
        hull = self.outline
        sides = np.roll(hull, -1, axis=0) - hull
        sides = np.where((sides[:, :1] * sides[:, 1:] < 0) | (sides[:, :1] == 0), sides[:, ::-1] * [1, -1], sides)
        sides = np.abs(sides)  # a quarter turn more or less is the same rectangle: now from 0 to under 90 degrees
        along = sides / np.hypot(sides[:, 0], sides[:, 1])[:, None]
        across = along[:, ::-1] * [-1, 1]
        u, v = hull @ along.T, hull @ across.T
        u0, u1, v0, v1 = u.min(axis=0), u.max(axis=0), v.min(axis=0), v.max(axis=0)
        angles = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
        best = np.lexsort((angles, np.round((u1 - u0) * (v1 - v0), 6)))[0]
        center = ((u0 + u1)[best] * along[best] + (v0 + v1)[best] * across[best]) / 2
        numbers = (*center, (u1 - u0)[best], (v1 - v0)[best], angles[best])
        return [round(float(number), 3) for number in numbers]


def masks_of(labels: npt.NDArray[np.int32], height: int, x0: int = 0, y0: int = 0) -> dict[int, Mask]:
    """Label -> its mask in the full picture, for every label but 0. labels: a crop whose top left pixel is (x0, y0)."""
    rows = labels.shape[0]
    flat = np.ascontiguousarray(labels.T).ravel()
    ends_here = np.empty(flat.size, bool)
    np.not_equal(flat[:-1], flat[1:], out=ends_here[:-1])
    ends_here[rows - 1 :: rows] = True
    ends = np.flatnonzero(ends_here) + 1
    starts = np.concatenate([[0], ends[:-1]])
    values = flat[starts]
    keep = values != 0
    starts, lengths, values = starts[keep], (ends - starts)[keep], values[keep]
    starts = (starts // rows + x0) * height + starts % rows + y0
    order = np.argsort(values, kind="stable")
    starts, lengths, values = starts[order], lengths[order], values[order]
    names, first = np.unique(values, return_index=True)
    last = np.append(first, len(values))[1:]
    return {int(n): Mask(starts[a:b], lengths[a:b], height) for n, a, b in zip(names, first, last, strict=True)}


def connected(labels: npt.NDArray[np.int32], label: int, mask: Mask, gap: int, least: int) -> list[Mask]:
    """The connected parts of `mask`, which is where `labels` (the full picture) is `label`; from the left.

    Two pixels are connected where at most `gap` rows and at most as many columns lie between them (0: they touch,
    corners included). Parts of fewer than `least` pixels are left out. Spreading the mask by a square of gap + 1
    pixels makes exactly those touch; the spread mask only says which pixels belong together and is not kept.
    """
    crop = (labels[mask.y0 : mask.y1 + 1, mask.x0 : mask.x1 + 1] == label).astype(np.uint8)
    spread = cv2.dilate(crop, np.ones((gap + 1, gap + 1), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    parts = cv2.connectedComponents(spread, connectivity=8, ltype=cv2.CV_32S)[1] * crop
    found = masks_of(parts, mask.height, mask.x0, mask.y0).values()
    return sorted((part for part in found if part.area >= least), key=lambda part: int(part.starts[0]))
