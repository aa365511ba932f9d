"""Triangles in a picture: what the near plane leaves of them, and where they lie at pixels' centres. Imports numpy.

A row of pixel centres enters and leaves triangles at their edges: the number of triangles over a pixel is the sum of
the edges crossed up to it, +1 where one is entered and -1 where one is left (scan conversion by edge crossings: Wylie,
Romney, Evans and Erdahl, 1967). An edge that two triangles share crosses a row at the same bits for both, so that no
pixel between them is missed or taken twice.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.complex128]
Turns = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FAR = 2**31
"""Columns beyond this count as this."""


class Lines(NamedTuple):
    """L lines, from (x0, y0) down to (x1, y1); turns: by how much the number of triangles changes to the right."""

    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    turns: Turns


class Crossings(NamedTuple):
    """Where lines cross rows of pixel centres. row: counted from the first of them; column: of the first pixel whose
    centre lies to the right, a whole number; turns: of the line."""

    row: Floats
    column: Floats
    turns: Turns


def sides(corners: Floats) -> tuple[Places, Places, Turns]:
    """The sides of triangles (T x 3 x 2, in pixels): (starts x + iy, ends, turns), 3 T each, for `lines`."""
    places = corners[..., 0] + 1j * corners[..., 1]
    b, c = places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]
    clockwise = np.where(b.real * c.imag > b.imag * c.real, 1, -1)
    return places.ravel(), places[:, [1, 2, 0]].ravel(), np.repeat(clockwise, 3)


def lines(starts: Places, ends: Places, turns: Turns) -> Lines:
    """Lines from x + iy to x + iy, turned to lead down. turns: as if all led up, where triangles are entered."""
    upwards = starts.imag > ends.imag
    starts, ends = np.where(upwards, ends, starts), np.where(upwards, starts, ends)
    return Lines(starts.real, starts.imag, ends.real, ends.imag, np.where(upwards, turns, -turns))


def crossings(all_lines: Lines, begin: int, end: int, step: int = 1) -> Crossings:
    """Where lines cross every `step`-th of the rows begin to end - 1, in no order."""
    start, count = begin + step / 2, -(-(end - begin) // step)
    x0, y0, x1, y1, turns = all_lines
    first = np.ceil((y0 - start) / step)
    last = np.ceil((y1 - start) / step)
    np.clip(first, 0, count, out=first)
    np.clip(last, 0, count, out=last)
    keep = np.flatnonzero(last > first)
    first = first.take(keep)
    many = (last.take(keep) - first).astype(np.int64)
    x0, y0, x1, y1 = x0.take(keep), y0.take(keep), x1.take(keep), y1.take(keep)
    # Of each line the x where its first row crosses it, less what the ramp over all of them adds before it.
    slope = (x1 - x0) / (y1 - y0)
    owner = np.repeat(np.arange(len(keep)), many)
    row = np.arange(len(owner), dtype=np.float64) - (np.cumsum(many) - many - first).take(owner)
    x = (row * step + (start - y0).take(owner)) * slope.take(owner) + x0.take(owner)
    return Crossings(row, np.clip(np.ceil(x - 0.5), -FAR, FAR), turns.take(keep).take(owner))


def ahead_of(corners: Floats, near: float) -> Floats:
    """What lies ahead of the near plane of triangles (K x 3 x 3, z forward) that cross it, as triangles (M x 3 x 3)."""
    ahead = corners[..., 2] >= near
    one = ahead.sum(axis=1) == 1
    # Turn each so that the corner that is alone on its side comes first.
    alone = np.where(one, ahead.argmax(axis=1), (~ahead).argmax(axis=1))
    turned = corners[np.arange(len(corners))[:, None], (alone[:, None] + np.arange(3)) % 3]
    a, b, c = turned[:, 0], turned[:, 1], turned[:, 2]
    ab, ac = _between(a, b, near, one), _between(a, c, near, one)
    tips = np.stack([a, ab, ac], axis=1)[one]
    stumps = [np.stack(corner, axis=1)[~one] for corner in ((ab, b, c), (ab, c, ac))]
    return np.concatenate([tips, *stumps])


def _between(a: Floats, b: Floats, near: float, a_is_ahead: Flags) -> Floats:
    """Where the lines from a to b meet the near plane; the same bits for both triangles at an edge."""
    start, end = np.where(a_is_ahead[:, None], a, b), np.where(a_is_ahead[:, None], b, a)
    t = (near - start[:, 2]) / (end[:, 2] - start[:, 2])
    met: Floats = start + t[:, None] * (end - start)
    met[:, 2] = near
    return met
