"""A mask as one polygon along the edges of its pixels. Imports numpy, OpenCV and pycocotools.

A polygon through the middles of the outermost pixels, as contour finders give it, is half a pixel too small on every
side. This one is the mask's true border, and comes straight from its run lengths: every run, one column high, has two
horizontal edges; on each upright line between two columns the ends of those edges, sorted, belong together in pairs
(where the columns differ there is an upright edge, where they go on alike there is none); and so the edges form rings.
The work grows with the border, not with the area.

Points are (x, y) from the picture's top left corner, in units of 1/64 pixel. Right and lower edges lie one unit inside
their pixels: nothing for those who fill what lies within, but a reader that first cuts its points down to whole pixels
and then fills them with their border (OpenCV's fillPoly, and so Ultralytics) gets the mask back as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

Points = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]

UNIT = 64
EXACT_POINTS = 300
"""A polygon of so few points is the mask's border; a longer one is simplified where that costs next to nothing."""
DENSE = 0.025
"""A mask with more points than this a pixel is all border, and does not stand being simplified."""
TOLERANCE = UNIT / 2
"""How far a simplified polygon may leave the one it came from."""
LEAST = 0.995
"""A simplified polygon that gives back less of the mask (IoU) is thrown away for the exact one."""


# --- run lengths -----------------------------------------------------------------------------------------------------


def runs(segmentation: dict[str, Any]) -> tuple[Ints, Ints]:
    """(starts, ends) of the mask's runs, as positions down the columns one after the other; an end is no part of it.

    segmentation: COCO's compressed run lengths, {"counts": text, "size": [height, width]}. Their text is pycocotools'
    (maskApi.c, rleFrString): 5 bits a character, the lowest first, a bit that says whether more follow, and from the
    third count on the difference to the one two before.
    """
    raw = np.frombuffer(segmentation["counts"].encode("ascii"), np.uint8).astype(np.int64) - 48
    last = np.flatnonzero(raw < 32)
    lengths = np.diff(last, prepend=-1)
    first = last - lengths + 1
    places = 5 * (np.arange(raw.size) - np.repeat(first, lengths))
    counts = np.add.reduceat((raw & 31) << places, first) if raw.size else raw
    counts -= np.where(raw[last] & 16, 1 << (5 * lengths), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    edges = np.cumsum(counts)
    ends = edges[1::2]
    starts = edges[::2][: len(ends)]
    some = ends > starts
    return (starts, ends) if some.all() else (starts[some], ends[some])


def columns(segmentation: dict[str, Any], box: Sequence[int]) -> Bits:
    """The mask inside a box that holds all of it, [x, y, width, height], turned: width x height, 0 and 1, row 0 the
    box's leftmost column. A small object in a large picture costs little.
    """
    starts, ends = runs(segmentation)
    x, y, width, height = box
    full = segmentation["size"][0]
    changes = np.zeros(width * height + 1, np.int8)
    # A run goes on in the next column only where it reaches foot and head of the picture, and so those of the box.
    changes[(starts // full - x) * height + starts % full - y] = 1
    last = ends - 1
    changes[(last // full - x) * height + last % full - y + 1] -= 1
    return np.cumsum(changes[:-1], dtype=np.int8).view(np.uint8).reshape(width, height)


def _by_column(starts: Ints, ends: Ints, height: int) -> tuple[Ints, Ints]:
    """(column, edges): the runs cut where they go on in the next column; edges: first and last + 1 row by turns."""
    column, last = starts // height, (ends - 1) // height
    if (column != last).any():
        counts = last - column + 1
        first = np.repeat(np.cumsum(counts) - counts, counts)
        column = np.repeat(column, counts) + np.arange(counts.sum()) - first
        starts = np.maximum(np.repeat(starts, counts), column * height)
        ends = np.minimum(np.repeat(ends, counts), (column + 1) * height)
    rows = np.empty(2 * len(starts), np.int64)
    rows[::2], rows[1::2] = starts - column * height, ends - column * height
    return np.repeat(column, 2), rows


# --- the border ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Edges:
    """Horizontal edges: of each run its upper one, walked from left to right, then its lower one, from right to left.

    So the mask lies to the right of the way. column: of the run; row: y of the edge. touch: E x 2, whether at the point
    where the edge is entered, and where it is left, two parts meet that have but this point in common; None: none do.
    """

    column: Ints
    row: Ints
    touch: npt.NDArray[np.bool_] | None


def border(segmentation: dict[str, Any]) -> tuple[Points, npt.NDArray[np.bool_]]:
    """(the mask's border as one polygon, N x 2, which of its points hold a bridge). The mask must not be empty.

    Parts that touch at a corner are one. What is apart hangs on bridges, there and back along one line, which have no
    area and so fill nothing: a hole on one that lies in the mask, a further part on one to about the nearest point.
    """
    height = segmentation["size"][0]
    column, row = _by_column(*runs(segmentation), height)
    after, touch = _successors(column, row, height)
    edges = _Edges(column, row, touch)
    order = _ring(after)
    if len(order) == len(row):
        return _points(np.array(order), edges, None)
    bridges = _join(after, edges)
    return _points(np.array(_ring(after)), edges, bridges)


def _successors(column: Ints, row: Ints, height: int) -> tuple[list[int], npt.NDArray[np.bool_] | None]:
    """The edge that follows on each one around its ring; and _Edges.touch."""
    count = len(row)
    lower = np.arange(count) & 1
    left = (column * (height + 1) + row) * 2 + lower  # sorts by line, row; and joins parts that meet at a corner
    ends = np.concatenate([left + 2 * (height + 1), left])  # right ends, then left ends: both sorted already
    order = np.argsort(ends, kind="stable")
    is_left = order >= count
    edge = order - count * is_left
    first, second = edge[::2], edge[1::2]
    leaves = (first & 1) == is_left[::2]  # whether the way leaves the first by this end, and so enters the second
    after = np.empty(count, np.int64)
    after[np.where(leaves, first, second)] = np.where(leaves, second, first)
    keys = ends[order]
    meet = np.flatnonzero((keys[1:] - keys[:-1] == 1) & (keys[:-1] & 1 == 0))
    if not len(meet):
        return after.tolist(), None
    touch = np.zeros((count, 2), bool)
    meet = np.concatenate([meet, meet + 1])
    touch[edge[meet], ((edge[meet] & 1) == is_left[meet]).astype(int)] = True
    return after.tolist(), touch


def _ring(after: list[int]) -> list[int]:
    """The edges around the ring of the first."""
    order, edge = [0], after[0]
    while edge:
        order.append(edge)
        edge = after[edge]
    return order


@dataclass
class _Bridges:
    """ends: of each, the edges between which it was laid: the one it leaves, and the first of the ring it leads to.

    back: x, y where the way back begins, and x, y where it ends. Ways back count as edges, numbered from the last on.
    """

    ends: list[tuple[int, int]]
    back: list[tuple[int, int, int, int]]


def _join(after: list[int], edges: _Edges) -> _Bridges:
    """Lay bridges between the rings of edges, so that `after` leads around all of them.

    A ring is found by its first edge, the topmost in its leftmost column. Where that is a lower edge, the ring is a
    hole below a run, whose upper edge belongs to a ring found before.
    """
    heads = _heads(after)
    before = [0] * len(after)
    for edge, following in enumerate(after):
        before[following] = edge
    bridges = _Bridges([], [])
    column, row, right = edges.column, edges.row, edges.column + 1
    for head in heads[1:]:
        if head & 1:  # a hole: down the right side of the run above it, around, and up again
            edge = head - 1
            x = int(right[head]) * UNIT - 1
            way = (x, int(row[head]) * UNIT - 1, x, int(row[edge]) * UNIT)
        else:
            far = (right[:head:2] - column[head]) ** 2 + (row[:head:2] - row[head]) ** 2
            edge = 2 * int(far.argmin())
            way = (
                int(column[head]) * UNIT, int(row[head]) * UNIT, int(right[edge]) * UNIT - 1, int(row[edge]) * UNIT
            )  # fmt: skip
        back, following, last = len(after), after[edge], before[head]
        after[edge], after[last] = head, back
        after.append(following)
        before[head] = edge
        before.append(last)
        before[following] = back
        bridges.ends.append((edge, head))
        bridges.back.append(way)
    return bridges


def _heads(after: list[int]) -> list[int]:
    """The first edge of every ring."""
    seen = bytearray(len(after))
    heads = []
    for edge in range(len(after)):
        if not seen[edge]:
            heads.append(edge)
            while not seen[edge]:
                seen[edge] = 1
                edge = after[edge]
    return heads


def _points(order: Ints, edges: _Edges, bridges: _Bridges | None) -> tuple[Points, npt.NDArray[np.bool_]]:
    """The corners along a ring of edges, and which of them hold a bridge.

    Between two edges lies an upright one, or none where they go on alike: then neither's end there is a corner. A
    corner has its x from the upright edge and its y from the other, so that it lies inside the pixels of both. Where
    parts touch, and at bridges, there are no such pixels: there the edge ends inside its own, and the upright one
    begins inside its own.
    """
    count = len(edges.row)
    real = order if bridges is None else order % count
    lower, x, y = order & 1, edges.column[real], edges.row[real]
    ends = np.stack([x + lower, y, x + 1 - lower, y], axis=1).reshape(-1, 2, 2)  # entered and left, in pixels
    inside = np.stack([lower, lower, 1 - lower, lower], axis=1).reshape(-1, 2, 2)  # units by which to be inside
    touch = np.zeros((len(order), 2), bool) if edges.touch is None else edges.touch[real]
    held = begins = np.zeros((len(order), 2), bool)
    if bridges is not None:
        ways, held = order >= count, held.copy()
        leave, head = np.array(bridges.ends).T
        places = np.empty(count + len(leave), np.int64)
        places[order] = np.arange(len(order))
        each, over = order[ways] - count, np.array(bridges.back, np.int64).reshape(-1, 2, 2)
        ends[ways] = -(-over[each] // UNIT)
        inside[ways] = ends[ways] * UNIT - over[each]
        held[ways] = held[places[leave], 1] = held[places[head], 0] = True
        if edges.touch is not None:  # the upright edges there are now those beside the way back
            touch[ways] = np.stack([edges.touch[head[each], 0], edges.touch[leave[each], 1]], axis=1)
            touch[places[leave], 1] = touch[places[head], 0] = False
        begins = np.repeat(ways[:, None], 2, axis=1)
    way = np.roll(ends[:, 0, 1], -1) - ends[:, 1, 1]
    turns = np.stack([np.roll(way, 1), way], axis=1) != 0
    down = np.stack([np.roll(way, 1), way], axis=1) > 0
    beside = inside.copy()  # the same for the upright edge
    beside[..., 0] = down
    if bridges is None and edges.touch is None:
        return (ends * UNIT - beside)[turns].astype(np.int32), held[turns]
    beside[..., 1] = np.where(touch, down == np.array([True, False]), beside[..., 1])
    inside[..., 0] = np.where(held | touch, inside[..., 0], down)
    keep, held, begins = turns | held, held | touch, (begins | touch) & turns
    points = np.stack([ends[:, 0] * UNIT - beside[:, 0], *(ends[:, i] * UNIT - inside[:, i] for i in (0, 1)),
                       ends[:, 1] * UNIT - beside[:, 1]], axis=1)  # fmt: skip
    keep = np.stack([begins[:, 0], keep[:, 0], keep[:, 1], begins[:, 1]], axis=1)
    found, held = points[keep], np.repeat(held, 2, axis=1)[keep]
    again = (found == np.roll(found, 1, axis=0)).all(axis=1)
    return found[~again].astype(np.int32), (held | np.roll(again & held, -1))[~again]


# --- simpler ---------------------------------------------------------------------------------------------------------


def simplified(points: Points, held: npt.NDArray[np.bool_]) -> Points:
    """A border with fewer points: steps of single pixels become the line they stand for.

    The middles of the steps of a digital line lie on that line, so these are the points that may go; corners between
    two edges of more than a pixel stay. So do ends of bridges, and the outermost points, and with them the box.
    """
    after = np.roll(points, -1, axis=0)
    long = np.abs(after - points).max(axis=1) > UNIT + 2
    keep = np.ones((len(points), 2), bool)
    keep[:, 0] = held | (long & np.roll(long, 1))
    pairs = np.stack([points, (points + after) >> 1], axis=1)
    stay = np.stack([held, np.zeros(len(held), bool)], axis=1)[keep]
    found = pairs[keep]
    for axis in (0, 1):
        stay[[found[:, axis].argmin(), found[:, axis].argmax()]] = True
    marks = np.flatnonzero(stay)
    closed = np.roll(found, -int(marks[0]), axis=0)
    closed = np.concatenate([closed, closed[:1]])
    cuts = [*(marks - marks[0]).tolist(), len(found)]
    return np.concatenate([cv2.approxPolyDP(closed[a : b + 1], TOLERANCE, False)[:-1, 0] for a, b in pairwise(cuts)])


def polygon(segmentation: dict[str, Any], box: Sequence[int], area: int) -> Points:
    """One polygon of a whole mask, N x 2. box, area: the mask's own; [x, y, width, height].

    Filled, it gives the mask back: exactly where it has few points, else with an IoU of LEAST or more.
    """
    points, held = border(segmentation)
    if EXACT_POINTS < len(points) < area * DENSE:
        short = simplified(points, held)
        if len(short) > 2 and filled_iou(short, segmentation, box) >= LEAST:
            return short
    return points


def filled_iou(points: Points, segmentation: dict[str, Any], box: Sequence[int]) -> float:
    """IoU of a polygon, filled as pycocotools does, with the mask it stands for."""
    x, y, width, height = box
    local = points / UNIT - np.array([x, y])
    filled = coco_mask.frPyObjects([local.ravel().tolist()], height, width)
    truth = coco_mask.encode(columns(segmentation, box).T)
    return float(coco_mask.iou(filled, [truth], [0])[0, 0])


def read_iou(points: Points, segmentation: dict[str, Any], box: Sequence[int]) -> float:
    """IoU of the mask with what a reader gets that cuts the points down to pixels and fills them with their border."""
    x, y, width, height = box
    truth = columns(segmentation, box).T
    read = np.zeros((height, width), np.uint8)
    cv2.fillPoly(read, [points // UNIT - np.array([x, y], np.int32)], (1,))
    both, either = np.count_nonzero(read & truth), np.count_nonzero(read | truth)
    return both / either
