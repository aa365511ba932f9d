"""How many pixels an object would cover, were nothing before it and the picture without end. Imports scan, numpy and
labels' own types.

A pixel is covered where a triangle lies at its centre, which is what Cycles' index pass says; scan.py says how that is
found. Where two triangles lie side by side the edge between them is left and entered at once: it counts 0 and need not
be looked at. So only the outlines are drawn, a few hundred edges of a mesh of 100,000 triangles, and holes, open
meshes, several shells and flipped faces come out right.
"""

from dataclasses import dataclass

import numpy as np

from ..scan import FAR, Lines, crossings, lines, sides
from .layers import View
from .projection import Projected
from .shape import Shape

ROWS = 2048
"""Above and below the picture so many rows are looked at, evenly spread where there are more."""
CROSSINGS = 4_000_000
"""So many crossings are worked out; where there are more, fewer rows are looked at, evenly spread."""


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
    outlines = _outlines(shape, seen)
    y0, y1 = outlines.y0, outlines.y1
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
        covered, middle = _covered(outlines, begin, end, step, view.width)
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
        more = sides(seen.loose)
        starts, ends, turns = (np.concatenate(both) for both in zip((starts, ends, turns), more, strict=True))
    return lines(starts, ends, turns)


def _covered(outlines: Lines, begin: int, end: int, step: int, width: int) -> tuple[int, int]:
    """(pixels covered, those between the columns 0 and width) of the rows begin to end - 1.

    Every `step`-th row is looked at and stands for as many.
    """
    row, column, turns = crossings(outlines, begin, end, step)
    if not len(row):
        return 0, 0
    order = np.argsort(row * (4 * FAR) + column)
    column = column.take(order)
    over = np.cumsum(turns.take(order))
    inner = np.flatnonzero(over[:-1])  # 0 at the end of each row
    left, right = column.take(inner), column.take(inner + 1)
    middle = np.clip(right, 0, width) - np.clip(left, 0, width)
    return int((right - left).sum()) * step, int(middle.sum()) * step
