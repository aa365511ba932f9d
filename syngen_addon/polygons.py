"""A mask as one polygon along the edges of its pixels. Imports numpy and OpenCV.

A polygon through the middles of the outermost pixels, as contour finders give it, is half a pixel too small on every
side. This one is the mask's true border, and comes straight from its run lengths: every run, one column high, has two
horizontal edges; on each upright line between two columns the ends of those edges, sorted, belong together in pairs
(where the columns differ there is an upright edge, where they go on alike there is none); and so the edges form rings.
The work grows with the border, not with the area.

Points are (x, y) from the picture's top left corner, in units of 1/64 pixel. Right and lower edges lie one unit inside
their pixels: nothing for those who fill what lies within, but a reader that first cuts its points down to whole pixels
and then fills them with their border (OpenCV's fillPoly, and so Ultralytics) gets the mask back as well.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]

UNIT = 64
EXACT_POINTS = 200
"""A polygon of so few points is the mask's border; a longer one is simplified where that costs next to nothing."""
DENSE = 0.07
"""A mask with more points than this a pixel is all border, and does not stand being simplified."""
TOLERANCE = UNIT / 2
"""How far a simplified polygon may leave the one it came from."""
NEAR = 2000
"""Of so many edges the nearest two of any two parts are looked for."""
GONE = 1 << 20
"""Pixels that are more than lie between any two."""
LEAST = 0.994
"""A simplified polygon that gives back less of the mask (IoU) is thrown away for the exact one."""
PAINTED_LEAST = 0.99
"""So is one of which a reader gets less that paints its border."""


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


def edges_of(segmentation: dict[str, Any]) -> tuple[Ints, Ints]:
    """(column, row) of the mask's horizontal edges: of each run the upper one, then the lower. By column, from above.

    A run that goes on in the next column is two.
    """
    height = segmentation["size"][0]
    starts, ends = runs(segmentation)
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


def border(column: Ints, row: Ints, height: int) -> tuple[Points, npt.NDArray[np.bool_]]:
    """(the mask's border as one polygon, N x 2, which of its points hold a bridge). The mask must not be empty.

    column, row: the upper and lower edges of its runs (see edges_of). height: of the picture.
    Parts that touch at a corner are one. What is apart hangs on bridges, there and back along one line, which have no
    area and so fill nothing: a hole on one that lies in the mask, a further part on the shortest there is.
    """
    return borders(column, row, [len(row)], height)[0]


def borders(column: Ints, row: Ints, counts: Sequence[int], height: int) -> list[tuple[Points, npt.NDArray[np.bool_]]]:
    """The border of each of several masks of one picture. column, row: their edges, one mask after the other; counts:
    how many edges each has. All at once, which for small masks costs a fraction.
    """
    apart = np.repeat(np.arange(len(counts)) * (int(column.max(initial=0)) + 2), counts)
    following, touch = _successors(column + apart, row, height)
    touches = np.zeros(len(row), bool) if touch is None else touch.any(axis=1)
    after, bounds = following.tolist(), [0, *np.cumsum(counts).tolist()]
    rings = [_ring(after, first) for first in bounds[:-1]]
    plain = [
        len(ring) == b - a and not touches[a:b].any() for ring, (a, b) in zip(rings, pairwise(bounds), strict=True)
    ]
    order = np.array([edge for ring, single in zip(rings, plain, strict=True) if single for edge in ring], np.int64)
    points, first = _corners(order, _Edges(column, row, None), following)
    found: list[tuple[Points, npt.NDArray[np.bool_]]] = []
    done = 0
    for ring, single, (a, b) in zip(rings, plain, pairwise(bounds), strict=True):
        if single:
            own = points[first[done] : first[done + b - a]]
            found.append((own, np.zeros(len(own), bool)))
            done += b - a
            continue
        here = slice(a, b)
        edges = _Edges(column[here], row[here], touch[here] if touch is not None and touches[here].any() else None)
        if len(ring) == b - a:
            found.append(_points(np.array(ring) - a, edges, None))
            continue
        way = (following[here] - a).tolist()
        bridges = _join(way, edges)
        found.append(_points(np.array(_ring(way, 0)), edges, bridges))
    return found


def _successors(column: Ints, row: Ints, height: int) -> tuple[Ints, npt.NDArray[np.bool_] | None]:
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
        return after, None
    touch = np.zeros((count, 2), bool)
    meet = np.concatenate([meet, meet + 1])
    touch[edge[meet], ((edge[meet] & 1) == is_left[meet]).astype(int)] = True
    return after, touch


def _ring(after: list[int], first: int) -> list[int]:
    """The edges around the ring of the first."""
    order, edge = [first], after[first]
    while edge != first:
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
    hole below a run, whose upper edge belongs to a ring found before: its bridge lies in the mask. Parts are joined by
    the shortest bridges there are.
    """
    heads, ring = _heads(after)
    part = list(range(len(heads)))
    """Of each ring, the outermost one around the same pixels."""
    before = [0] * len(after)
    for edge, following in enumerate(after):
        before[following] = edge
    bridges = _Bridges([], [])

    def lay(edge: int, head: int, way: tuple[int, int, int, int]) -> None:
        back, following, last = len(after), after[edge], before[head]
        after[edge], after[last] = head, back
        after.append(following)
        before[head] = edge
        before.append(last)
        before[following] = back
        bridges.ends.append((edge, head))
        bridges.back.append(way)

    column, row = edges.column, edges.row
    for number, head in enumerate(heads):
        if head & 1:  # a hole: down the right side of the run above it, around, and up again
            x = (int(column[head]) + 1) * UNIT - 1
            part[number] = part[ring[head - 1]]
            lay(head - 1, head, (x, int(row[head]) * UNIT - 1, x, int(row[head - 1]) * UNIT))
    if len(set(part)) > 1:
        lower = np.arange(len(row)) & 1
        begin, end = (column + lower) * UNIT - lower, (column + 1 - lower) * UNIT - (1 - lower)
        height = row * UNIT - lower
        for edge, head in _nearest(column, row - lower, np.array(part)[ring]):
            lay(edge, head, (int(begin[head]), int(height[head]), int(end[edge]), int(height[edge])))
    return bridges


def _nearest(x: Ints, y: Ints, part: Ints) -> list[tuple[int, int]]:
    """The pairs of pixels between which the shortest lines join all parts, the one that is joined already first.

    A line paints as many pixels as its longer side has. Prim's algorithm (1957). Of a mask with very many pixels at
    its border some stand for their neighbours, which keeps the work within bounds.
    """
    sizes = np.bincount(part)
    order = np.lexsort((part, -sizes[part]))  # the largest part comes first, and is held against the others only once
    if len(x) > NEAR:
        first = np.diff(part[order], prepend=-1) != 0
        order = order[first | (np.arange(len(x)) % -(-len(x) // NEAR) == 0)]
    x, y = x[order].astype(np.int32), y[order].astype(np.int32)
    bounds = np.flatnonzero(np.diff(part[order], prepend=-1, append=-1)).tolist()
    found: list[tuple[int, int]] = []
    mine, others = slice(0, bounds[1]), slice(bounds[1], None)
    far, near = np.full(len(order) - bounds[1], GONE, np.int32), np.zeros(len(order) - bounds[1], np.int64)
    for _ in bounds[2:]:
        apart, down = np.subtract.outer(x[mine], x[others]), np.subtract.outer(y[mine], y[others])
        np.maximum(np.abs(apart, out=apart), np.abs(down, out=down), out=apart)
        shortest = apart.min(axis=0)
        closer = shortest < far
        np.copyto(far, shortest, where=closer)
        np.copyto(near, apart.argmin(axis=0) + mine.start, where=closer)
        new = int(np.where(far < 0, GONE, far).argmin())
        found.append((int(order[near[new]]), int(order[others.start + new])))
        at = bisect_right(bounds, others.start + new)
        mine = slice(bounds[at - 1], bounds[at])
        far[mine.start - others.start : mine.stop - others.start] = -1  # joined: nothing is closer
    return found


def _heads(after: list[int]) -> tuple[list[int], Ints]:
    """(the first edge of every ring, and of each edge the number of its ring)."""
    ring = [-1] * len(after)
    heads: list[int] = []
    for edge in range(len(after)):
        if ring[edge] < 0:
            number = len(heads)
            heads.append(edge)
            while ring[edge] < 0:
                ring[edge] = number
                edge = after[edge]
    return heads, np.array(ring)


def _corners(order: Ints, edges: _Edges, following: Ints) -> tuple[Points, Ints]:
    """(the corners along rings of edges where no parts touch and no bridge is, how many of them come before each place
    in order, and at last their number). following: the edge after each.

    Between two edges lies an upright one, or none where they go on alike: then neither's end there is a corner. A
    corner has its x from the upright edge and its y from the other, so that it lies inside the pixels of both.
    """
    then = following[order]
    turns = edges.row[order] != edges.row[then]
    before = np.zeros(len(order) + 1, np.int64)
    np.cumsum(turns, out=before[1:])
    turn = np.flatnonzero(turns)
    order, then = order[turn], then[turn]
    y, to = edges.row[order], edges.row[then]
    points = np.empty((len(turn), 2, 2), np.int32)
    points[:, :, 0] = ((edges.column[then] + (then & 1)) * UNIT - (to > y))[:, None]
    points[:, 0, 1] = y * UNIT - (order & 1)
    points[:, 1, 1] = to * UNIT - (then & 1)
    return points.reshape(-1, 2), 2 * before


def _points(order: Ints, edges: _Edges, bridges: _Bridges | None) -> tuple[Points, npt.NDArray[np.bool_]]:
    """The corners along any ring, and which of them hold a bridge.

    Where parts touch, and at bridges, a corner has no pixel that both its edges lie in: there the one ends inside its
    own, and the other begins inside its own.
    """
    count, size = len(edges.row), len(order)
    real = order if bridges is None else order % count
    lower = order & 1
    ends = np.empty((size, 2, 2), np.int64)  # entered and left, in pixels
    ends[:, 0, 0] = edges.column[real] + lower
    ends[:, 1, 0] = ends[:, 0, 0] + 1 - 2 * lower
    ends[:, :, 1] = edges.row[real][:, None]
    inside = np.empty((size, 2, 2), np.int64)  # units by which to be inside
    inside[...] = lower[:, None, None]
    inside[:, 1, 0] = 1 - lower
    touch = np.zeros((size, 2), bool) if edges.touch is None else edges.touch[real]
    held = begins = np.zeros((size, 2), bool)
    if bridges is not None:
        ways, held = order >= count, held.copy()
        leave, head = np.array(bridges.ends).T
        places = np.empty(count + len(leave), np.int64)
        places[order] = np.arange(size)
        each, over = order[ways] - count, np.array(bridges.back, np.int64).reshape(-1, 2, 2)
        ends[ways] = -(-over[each] // UNIT)
        inside[ways] = ends[ways] * UNIT - over[each]
        held[ways] = held[places[leave], 1] = held[places[head], 0] = True
        if edges.touch is not None:  # the upright edges there are now those beside the way back
            touch[ways] = np.stack([edges.touch[head[each], 0], edges.touch[leave[each], 1]], axis=1)
            touch[places[leave], 1] = touch[places[head], 0] = False
        begins = np.repeat(ways[:, None], 2, axis=1)
        if len(set(leave.tolist())) < len(leave):  # of ways back to one place, only the first laid goes on beside it
            goes_on = np.zeros(len(leave), bool)
            goes_on[np.unique(leave, return_index=True)[1]] = True
            begins[ways, 1] = goes_on[each]
            touch[ways, 1] &= goes_on[each]
    way = np.empty((size, 2), np.int64)  # down to the entered end, and down from the end that is left
    way[:-1, 1] = ends[1:, 0, 1] - ends[:-1, 1, 1]
    way[-1, 1] = ends[0, 0, 1] - ends[-1, 1, 1]
    way[1:, 0], way[0, 0] = way[:-1, 1], way[-1, 1]
    turns, down = way != 0, way > 0
    beside = inside.copy()  # the same for the upright edge
    beside[..., 0] = down
    if edges.touch is not None:
        beside[..., 1] = np.where(touch, down == np.array([True, False]), beside[..., 1])
    inside[..., 0] = np.where(held | touch, inside[..., 0], down)
    points = np.empty((size, 4, 2), np.int64)
    points[:, 1:3] = points[:, ::3] = ends * UNIT
    points[:, ::3] -= beside
    points[:, 1:3] -= inside
    keep = np.empty((size, 4), bool)
    keep[:, 1:3] = turns | held
    keep[:, ::3] = (begins | touch) & turns
    found, held = points[keep], np.repeat(held | touch, 2, axis=1)[keep]
    again = np.empty(len(found), bool)
    again[1:] = (found[1:, 0] == found[:-1, 0]) & (found[1:, 1] == found[:-1, 1])
    again[0] = (found[0] == found[-1]).all()
    bridge = again & held
    held[:-1] |= bridge[1:]
    held[-1] |= bridge[0]
    return found[~again].astype(np.int32), held[~again]


# --- simpler ---------------------------------------------------------------------------------------------------------


def simplified(points: Points, held: npt.NDArray[np.bool_]) -> Points:
    """A border with fewer points: steps of single pixels become the line they stand for.

    The middles of the steps of a digital line lie on that line, so these are the points that may go; corners between
    two edges of more than a pixel stay. So do ends of bridges, and the outermost points, and with them the box.
    """
    steps = np.concatenate([points[1:], points[:1]]) - points
    found, stay = points + (steps >> 1), np.zeros(len(points), bool)
    lengths = np.abs(steps)
    long = lengths[:, 0] + lengths[:, 1] > UNIT + 2
    corner = long & np.concatenate([long[-1:], long[:-1]]) | held
    if corner.any():
        keep = np.stack([corner, ~stay], axis=1)
        found, stay = np.stack([points, found], axis=1)[keep], np.stack([held, stay], axis=1)[keep]
    for axis in (0, 1):
        stay[[found[:, axis].argmin(), found[:, axis].argmax()]] = True
    marks = np.flatnonzero(stay).tolist()
    closed = np.concatenate([found[marks[0] :], found[: marks[0] + 1]])
    cuts = [*(mark - marks[0] for mark in marks), len(found)]
    return np.concatenate([cv2.approxPolyDP(closed[a : b + 1], TOLERANCE, False)[:-1, 0] for a, b in pairwise(cuts)])


def polygon(column: Ints, row: Ints, height: int, area: int) -> Points:
    """One polygon of a whole mask, N x 2. column, row: its edges (see edges_of). height: of the picture. area: pixels.

    Filled, it gives the mask back: exactly where it has few points, else with an IoU of LEAST or more. So it does for
    those who cut its points down to pixels and paint its border, but for the bridges between parts.
    """
    return polygons(column, row, [len(row)], height, [area])[0]


def polygons(column: Ints, row: Ints, counts: Sequence[int], height: int, areas: Sequence[int]) -> list[Points]:
    """The polygon of each of several masks of one picture. column, row, counts: as for borders. areas: of each."""
    found, first = [], 0
    for (points, held), count, area in zip(borders(column, row, counts, height), counts, areas, strict=True):
        here = slice(first, first + count)
        first += count
        if EXACT_POINTS < len(points) < area * DENSE:
            short = simplified(points, held)
            if (
                len(short) > 2
                and lost(short, column[here], row[here]) <= (1 - LEAST) * area
                and _painted(short, points) <= (1 - PAINTED_LEAST) * area
            ):
                points = short
        found.append(points)
    return found


def lost(points: Points, column: Ints, row: Ints) -> int:
    """At most so many pixels differ between the mask and the polygon, filled where pixels' middles are.

    column, row: the mask's edges, in the order of the columns and from above. In a column whose middle the polygon
    crosses as often as they do, each crossing is held against its edge; else all pixels of both count.
    """
    x, y = points[:, 0], points[:, 1]
    begin = (x + (UNIT // 2 - 1)) // UNIT  # the first column whose middle is not left of it
    end, to = np.concatenate([begin[1:], begin[:1]]), np.concatenate([points[1:], points[:1]])
    counts = np.abs(end - begin)
    slopes = (to[:, 1] - y) / np.where(counts > 0, to[:, 0] - x, 1)
    total = int(counts.sum())
    at = np.arange(total) + np.repeat(np.minimum(begin, end) - (np.cumsum(counts) - counts), counts)
    crossed = np.repeat(y - (x - UNIT // 2) * slopes, counts) + np.repeat(slopes * UNIT, counts) * at
    high = int(row.max()) + 2
    rows = np.clip(np.ceil((crossed - UNIT // 2) / UNIT).astype(np.int64), 0, high - 1)
    keys = np.sort(at * high + rows)
    if total != len(row):  # a bridge is crossed there and back: two equal crossings are none
        new = np.flatnonzero(np.diff(keys, prepend=-1, append=-1))
        keys = keys[new[:-1][np.diff(new) % 2 == 1]]
    at, rows = keys // high, keys % high
    if len(at) == len(row) and (at == column).all():
        return int(np.abs(rows - row).sum())
    width = max(int(column[-1]), int(at[-1]) if len(at) else 0) + 1
    same = np.bincount(at, minlength=width) == np.bincount(column, minlength=width)
    alike, known = same[at], same[column]
    return int(np.abs(rows[alike] - row[known]).sum() + _pixels(rows[~alike]) + _pixels(row[~known]))


def _painted(points: Points, exact: Points) -> int:
    """So many pixels differ between two polygons where a reader cuts their points down to pixels and fills them with
    their border. They have one box."""
    low, high = exact.min(axis=0) // UNIT, exact.max(axis=0) // UNIT
    found = np.zeros((high - low + 1)[::-1], np.uint8)
    for each in (points, exact):
        filled = np.zeros_like(found)
        cv2.fillPoly(filled, [each // UNIT - low], (1,))
        found ^= filled
    return int(np.count_nonzero(found))


def _pixels(row: Ints) -> int:
    """Of runs, from their edges."""
    return int((row[1::2] - row[::2]).sum())
