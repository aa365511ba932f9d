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
    lines, turns = _outlines(shape, seen)
    if not len(lines):
        return Silhouette(0, 0)
    # Upwards an outline enters, downwards it leaves.
    turns = np.where(lines[:, 0, 1] > lines[:, 1, 1], turns, -turns)
    upside = lines[:, 0, 1] > lines[:, 1, 1]
    lines = np.where(upside[:, None, None], lines[:, ::-1], lines)
    first = int(np.ceil(max(lines[:, 0, 1].min() - 0.5, -1e12)))
    last = int(np.ceil(min(lines[:, 1, 1].max() - 0.5, 1e12)))
    area = inside = 0
    for begin, end in ((first, min(last, 0)), (max(first, 0), min(last, view.height)), (max(first, view.height), last)):
        if begin >= end:
            continue
        within = 0 <= begin < view.height
        step = 1 if within else -(-(end - begin) // ROWS)
        cost = np.clip(lines[:, 1, 1], begin, end) - np.clip(lines[:, 0, 1], begin, end)
        step = max(step, int(cost.sum() // CROSSINGS) + 1)
        covered, middle = _covered(lines, turns, begin, end, step, view.width)
        area += covered
        inside += middle if within else 0
    return Silhouette(area, inside)


def _outlines(shape: Shape, seen: Projected) -> tuple[Floats, npt.NDArray[np.int64]]:
    """L x 2 x 2: ends of the lines where the number of covering triangles changes, and by how much."""
    x, y = seen.xy[:, 0], seen.xy[:, 1]
    a, b, c = shape.triangles.T
    facing = np.sign((x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])).astype(np.int8)
    facing[~seen.whole] = 0
    facing = np.append(facing, np.int8(0))
    edges = shape.edges
    turns = (edges.ways * facing[edges.triangles]).sum(axis=1, dtype=np.int64)
    drawn = np.flatnonzero(turns)
    lines, turns = seen.xy[edges.ends[drawn]], turns[drawn]
    if len(seen.loose):
        p, q, r = seen.loose[:, 0], seen.loose[:, 1], seen.loose[:, 2]
        doubled: Floats = (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (r[:, 0] - p[:, 0]) * (q[:, 1] - p[:, 1])
        more = seen.loose[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2, 2)
        lines = np.concatenate([lines, more])
        turns = np.concatenate([turns, np.repeat(np.sign(doubled), 3).astype(np.int64)])
    return lines, turns


def _covered(
    lines: Floats, turns: npt.NDArray[np.int64], begin: int, end: int, step: int, width: int
) -> tuple[int, int]:
    """(pixels covered, those between the columns 0 and width) of the rows begin to end - 1.

    Every `step`-th row is looked at and stands for as many. lines: from their upper to their lower end.
    """
    start, count = begin + step / 2, -(-(end - begin) // step)
    (x0, y0), (x1, y1) = lines[:, 0].T, lines[:, 1].T
    first = np.clip(np.ceil((y0 - start) / step), 0, count).astype(np.int64)
    many = np.clip(np.ceil((y1 - start) / step), 0, count).astype(np.int64) - first
    keep = np.flatnonzero(many > 0)
    many, first = many[keep], first[keep]
    total = int(many.sum())
    if not total:
        return 0, 0
    before = np.cumsum(many) - many
    row = np.arange(total) + np.repeat(first - before, many)
    slope = (x1[keep] - x0[keep]) / (y1[keep] - y0[keep])
    x = np.repeat(x0[keep], many) + (start + row * step - np.repeat(y0[keep], many)) * np.repeat(slope, many)
    column = np.clip(np.ceil(x - 0.5), -FAR, FAR).astype(np.int64)
    key = row * (4 * FAR) + column
    order = np.argsort(key, kind="stable")
    column = column[order]
    over = np.cumsum(np.repeat(turns[keep], many)[order])
    inner = over[:-1] != 0  # 0 at the end of each row
    left, right = column[:-1][inner], column[1:][inner]
    middle = np.clip(right, 0, width) - np.clip(left, 0, width)
    return int((right - left).sum()) * step, int(middle.sum()) * step
