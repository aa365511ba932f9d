"""A mask's outline as polygons whose points lie on the edges of its pixels. Imports numpy, OpenCV and pycocotools.

A polygon through the middles of the outermost pixels, as contour finders give it, is half a pixel too small on every
side. Here the mask is twice as large while its contour is followed, so that every point of the contour tells on which
side of its pixel it lies: the polygon is the mask's true border, and filling it gives back every pixel and no other.
Points are whole numbers of half pixels, (x, y) from the top left corner of the picture.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

Points = npt.NDArray[np.int32]
Bits = npt.NDArray[np.uint8]

EXACT_POINTS = 120
"""A polygon of so few points is written as it is; a longer one with fewer, where that costs nothing."""
TOLERANCE = 1
"""Half pixels by which a simplified outline may leave the one it came from."""
LEAST = 0.995
"""A simplified outline that gives back less of the mask (IoU) is thrown away for the exact one."""


# --- run lengths -----------------------------------------------------------------------------------------------------


def runs(segmentation: dict[str, Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(starts, ends) of the mask's runs, as positions down the columns one after the other; an end is no part of it.

    segmentation: COCO's compressed run lengths, {"counts": text, "size": [height, width]}. Their text is pycocotools'
    (maskApi.c, rleFrString): 5 bits a character, the lowest first, a bit that says whether more follow, and from the
    third count on the difference to the one two before.
    """
    raw = np.frombuffer(segmentation["counts"].encode("ascii"), np.uint8).astype(np.int64) - 48
    if not raw.size:
        return raw, raw
    last = np.flatnonzero(raw < 32)
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    places = 5 * (np.arange(raw.size) - np.repeat(first, lengths))
    counts = np.add.reduceat((raw & 31) << places, first)
    counts -= np.where(raw[last] & 16, 1 << (5 * lengths), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    edges = np.cumsum(counts)
    ends = edges[1::2]
    return edges[::2][: len(ends)], ends


def columns(segmentation: dict[str, Any], box: Sequence[int]) -> Bits:
    """The mask inside its own box [x, y, width, height], turned: width x height, 0 and 1, row 0 its leftmost column.

    What the whole picture has no part in, so that a small object in a large picture costs little.
    """
    starts, ends = runs(segmentation)
    x, y, width, height = box
    full = segmentation["size"][0]
    changes = np.zeros(width * height + 1, np.int8)
    # The box holds every run; one that goes on in the next column does so only where the box is as high as the picture.
    changes[(starts // full - x) * height + starts % full - y] = 1
    last = ends - 1
    changes[(last // full - x) * height + last % full - y + 1] -= 1
    return np.cumsum(changes[:-1], dtype=np.int8).view(np.uint8).reshape(width, height)


# --- outlines --------------------------------------------------------------------------------------------------------


def outlines(turned: Bits, corner: tuple[int, int] = (0, 0)) -> list[tuple[Points, list[Points]]]:
    """(outline, outlines of its holes) of each connected part (corners connect), exact, every point a corner.

    turned: the mask's crop as `columns` gives it; corner: (x, y) of its top left pixel.
    """
    twice = cv2.resize(turned, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, tree = cv2.findContours(twice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    found: dict[int, tuple[Points, list[Points]]] = {}
    shift = np.array([2 * corner[0], 2 * corner[1]], np.int32)
    # Parts come before their holes in no promised order, so the parts are taken first.
    parents = tree[0, :, 3].tolist()
    rings = [_corners(np.asarray(contour, np.int32)) + shift for contour in contours]
    for i, (ring, parent) in enumerate(zip(rings, parents, strict=True)):
        if parent < 0:
            found[i] = (ring, [])
    for ring, parent in zip(rings, parents, strict=True):
        if parent >= 0:
            found[parent][1].append(ring)
    return list(found.values())


def _corners(contour: npt.NDArray[np.int32]) -> Points:
    """Corners of pixels, in half pixels (so all even), from a contour through a mask twice as large and turned."""
    points: Points = (contour[:, 0, ::-1] + 1) // 2 * 2
    # At an inner corner the contour has two points, one on each side, that are the same corner.
    after = np.concatenate([points[1:], points[:1]])
    return np.ascontiguousarray(points[(points != after).any(axis=1)])


def simplified(ring: Points) -> Points:
    """The outline with fewer points: steps of single pixels become the line they stand for.

    The middles of the steps of a digital line lie on that line, so these are the points that may go; corners between
    two edges of more than a pixel stay. So do the outermost points, and with them the polygon's box.
    """
    after = np.roll(ring, -1, axis=0)
    long = np.abs(after - ring).sum(axis=1) > 2
    middles = (ring + after) // 2
    keep = np.empty((len(ring), 2), bool)
    keep[:, 0] = long & np.roll(long, 1)
    keep[:, 1] = True
    points = np.stack([ring, middles], axis=1)[keep]
    marks = sorted({int(f(points[:, axis])) for f in (np.argmin, np.argmax) for axis in (0, 1)})
    points = np.roll(points, -marks[0], axis=0)
    cuts = [mark - marks[0] for mark in marks] + [len(points)]
    closed = np.concatenate([points, points[:1]])
    pieces = [cv2.approxPolyDP(closed[a : b + 1], TOLERANCE, False)[:-1, 0] for a, b in pairwise(cuts)]
    fewer = np.concatenate(pieces)
    return fewer if len(fewer) > 2 else ring


def joined(parts: Sequence[tuple[Points, Sequence[Points]]]) -> Points:
    """One polygon of all parts and holes, for formats that have but one an object.

    Each further outline hangs on a bridge: there and back along one line, which has no area and so fills nothing.
    """
    if len(parts) == 1 and not parts[0][1]:
        return parts[0][0]
    rings: list[Points] = []
    lowest: list[int] = []  # the first ring that a ring may hang on: a hole hangs on its own part and that one's holes
    for outline, holes in parts:
        lowest += [0] + [len(rings)] * len(holes)
        rings += [outline, *holes]
    points = np.concatenate(rings)
    first = np.cumsum([0, *map(len, rings)]).tolist()
    children: list[list[tuple[int, int]]] = [[] for _ in rings]  # of each ring: (its point, the ring that hangs there)
    owners = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    begins = [0] * len(rings)
    for number in range(1, len(rings)):
        ring, start = rings[number], first[lowest[number]]
        near = start + _nearest(points[start : first[number]], ring[0])
        begins[number] = _nearest(ring, points[near])
        near = start + _nearest(points[start : first[number]], ring[begins[number]])
        owner = int(owners[near])
        children[owner].append((near - first[owner], number))
    for number in reversed(range(len(rings))):  # a ring hangs on one before it: the last have nothing left to take in
        rings[number] = _with_children(rings, number, begins[number], children[number])
    return rings[0][:-1]


def _nearest(points: Points, to: Points) -> int:
    """About the nearest of the points: of very many, each few-th is looked at."""
    step = len(points) // 1000 + 1
    away = points[::step] - to
    return int((away[:, 0] ** 2 + away[:, 1] ** 2).argmin()) * step


def _with_children(rings: list[Points], number: int, begin: int, children: list[tuple[int, int]]) -> Points:
    """The closed loop of a ring from its point `begin`, with the loops that hang on it."""
    ring = rings[number]
    loop = np.concatenate([ring[begin:], ring[: begin + 1]])
    places = sorted(((place - begin) % len(ring), child) for place, child in children)
    pieces, done = [], 0
    for place, child in places:
        pieces += [loop[done : place + 1], rings[child]]
        done = place
    return np.concatenate([*pieces, loop[done:]])


def polygon(segmentation: dict[str, Any], box: Sequence[int]) -> tuple[Points, Bits]:
    """(one polygon of a whole mask, the mask as `columns` gives it). box: the mask's own, [x, y, width, height].

    Filled, the polygon gives the mask back: exactly where it has few points, else with an IoU of LEAST or more.
    """
    turned = columns(segmentation, box)
    corner = (int(box[0]), int(box[1]))
    parts = outlines(turned, corner)
    if sum(len(outline) + sum(map(len, holes)) for outline, holes in parts) > EXACT_POINTS:
        fewer = [(simplified(outline), [simplified(hole) for hole in holes]) for outline, holes in parts]
        short = joined(fewer)
        if filled_iou(short, turned, corner) >= LEAST:
            return short, turned
    return joined(parts), turned


def filled_iou(points: Points, turned: Bits, corner: tuple[int, int]) -> float:
    """IoU of a polygon, filled as pycocotools does, with the mask it stands for."""
    height, width = turned.shape[1], turned.shape[0]
    local = (points - np.array([2 * corner[0], 2 * corner[1]])) / 2
    filled = coco_mask.frPyObjects([local.ravel().tolist()], height, width)
    return float(coco_mask.iou(filled, [coco_mask.encode(turned.T)], [0])[0, 0])
