"""How many pixels an object would cover, were nothing before it and the picture without end. Imports numpy and labels'
own types.

A pixel is covered where a triangle lies at its centre, which is what Cycles' index pass says. A row of pixel centres
enters and leaves triangles at their edges: the number of triangles over a pixel is the sum of the edges crossed up to
it, +1 where one is entered and -1 where one is left. Where two triangles lie side by side the edge between them is
left and entered at once: it counts 0 and need not be looked at. So only the outlines are drawn, a few hundred edges of
a mesh of 100,000 triangles, and holes, open meshes, several shells and flipped faces come out right (the idea of
scan conversion by edge crossings: Wylie, Romney, Evans and Erdahl, 1967).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .layers import View
from .projection import Floats, Projected
from .shape import Shape

ROWS = 2048
"""Above and below the picture so many rows are looked at, evenly spread where there are more."""
CROSSINGS = 4_000_000
"""So many crossings are worked out; where there are more, fewer rows are looked at, evenly spread."""
FAR = 2**31
"""Columns beyond this count as this."""


class Lines(NamedTuple):
    """L lines, from (x0, y0) down to (x1, y1); turns: by how much the number of triangles changes to the right."""

    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    turns: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Silhouette:
    """area: pixels in all, inside: those of them within the picture."""

    area: int
    inside: int


def silhouette(shape: Shape, seen: Projected, view: View) -> Silhouette:
    """The silhouette of a shape as `seen`, in pixels.

    Exact, but for what is so large that ROWS or CROSSINGS say otherwise: there every second, third, ... row stands for
    its neighbours.
    """
    lines = _outlines(shape, seen)
    y0, y1 = lines.y0, lines.y1
    if not len(y0):
        return Silhouette(0, 0)
    first = int(np.ceil(max(y0.min() - 0.5, -1e12)))
    last = int(np.ceil(min(y1.max() - 0.5, 1e12)))
    area = inside = 0
    for begin, end in ((first, min(last, 0)), (max(first, 0), min(last, view.height)), (max(first, view.height), last)):
        if begin >= end:
            continue
        within = 0 <= begin < view.height
        step = 1 if within else -(-(end - begin) // ROWS)
        if len(y0) * (end - begin) > CROSSINGS:  # so many at most
            cost = np.clip(y1, begin, end) - np.clip(y0, begin, end)
            step = max(step, int(cost.sum() // CROSSINGS) + 1)
        covered, middle = _covered(lines, begin, end, step, view.width)
        area += covered
        inside += middle if within else 0
    return Silhouette(area, inside)


def _outlines(shape: Shape, seen: Projected) -> Lines:
    """The lines where the number of covering triangles changes, from their upper to their lower ends, and by how much
    it changes from left to right."""
    places = seen.x + 1j * seen.y
    a, b, c = (places.take(corner) for corner in shape.corners)
    b -= a
    c -= a
    # Twice the area, over 0 where the corners stand clockwise; a triangle seen edge-on counts as either.
    facing = np.empty(len(a) + 1, np.int8)
    facing[:-1] = (b.real * c.imag > b.imag * c.real).view(np.int8) * np.int8(2) - np.int8(1)
    facing[-1] = 0
    if seen.whole is not None:
        facing[:-1][~seen.whole] = 0
    edges = shape.edges
    changes = facing.take(edges.triangles[0]) * edges.ways[0]
    changes += facing.take(edges.triangles[1]) * edges.ways[1]
    drawn = np.flatnonzero(changes)
    starts, ends = (places.take(end.take(drawn)) for end in edges.ends)
    turns = changes.take(drawn).astype(np.int64)
    if len(seen.loose):
        corners = seen.loose[..., 0] + 1j * seen.loose[..., 1]
        p, q = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        clockwise = np.where(p.real * q.imag > p.imag * q.real, 1, -1)
        starts = np.concatenate([starts, corners.ravel()])
        ends = np.concatenate([ends, corners[:, [1, 2, 0]].ravel()])
        turns = np.concatenate([turns, np.repeat(clockwise, 3)])
    # Upwards an outline enters, downwards it leaves.
    upwards = starts.imag > ends.imag
    turns = np.where(upwards, turns, -turns)
    starts, ends = np.where(upwards, ends, starts), np.where(upwards, starts, ends)
    return Lines(starts.real, starts.imag, ends.real, ends.imag, turns)


def _covered(lines: Lines, begin: int, end: int, step: int, width: int) -> tuple[int, int]:
    """(pixels covered, those between the columns 0 and width) of the rows begin to end - 1.

    Every `step`-th row is looked at and stands for as many.
    """
    start, count = begin + step / 2, -(-(end - begin) // step)
    x0, y0, x1, y1, turns = lines
    first = np.ceil((y0 - start) / step)
    last = np.ceil((y1 - start) / step)
    np.clip(first, 0, count, out=first)
    np.clip(last, 0, count, out=last)
    keep = np.flatnonzero(last > first)
    if not len(keep):
        return 0, 0
    first = first.take(keep)
    many = (last.take(keep) - first).astype(np.int64)
    x0, y0, x1, y1 = x0.take(keep), y0.take(keep), x1.take(keep), y1.take(keep)
    # Of each line the x where its first row crosses it, less what the ramp over all of them adds before it.
    slope = (x1 - x0) / (y1 - y0)
    owner = np.repeat(np.arange(len(keep)), many)
    row = np.arange(len(owner), dtype=np.float64) - (np.cumsum(many) - many - first).take(owner)
    x = (row * step + (start - y0).take(owner)) * slope.take(owner) + x0.take(owner)
    column = np.clip(np.ceil(x - 0.5), -FAR, FAR)
    key = row * (4 * FAR) + column
    order = np.argsort(key)
    column = column.take(order)
    over = np.cumsum(turns.take(keep).take(owner.take(order)))
    inner = np.flatnonzero(over[:-1])  # 0 at the end of each row
    left, right = column.take(inner), column.take(inner + 1)
    middle = np.clip(right, 0, width) - np.clip(left, 0, width)
    return int((right - left).sum()) * step, int(middle.sum()) * step
