"""The shapes that wear comes in (recipe.Onset.pattern): plates, lines, cracks, dents. Imports numpy and wear's noise.

Each is made of parts that lie on the surface in the world, never in the UV layout, so that none shows a seam at
island borders. Where parts are many and when each begins follows the causes at its place: a plate lets go as a whole,
a scratch is one stroke, and neither is cut off where the cause ends.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..images import Array
from .mesh import Reals
from .noise import Noise, place
from .rasterize import Ints, Longs

MOST_SQUARES = {"plates": 12_000, "lines": 4_000, "cracks": 6_000, "dents": 30_000}
"""Squares of scale_m on one object: bounds the parts of its pattern to some 200,000. Where it asks for more, they lie
farther apart."""
PER_CELL = 10
"""Points tried for each site, so that hardly a place goes without."""

Field = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Sheet:
    """The surface that a pattern is laid on, from the object's middle. V vertices, T triangles; metres.

    cause: V, how strongly the causes act at each vertex, in units of the chance of patches. up: against gravity.
    """

    points: Reals
    triangles: Ints
    normal: Reals
    area: Reals
    cause: Array
    up: Reals


def pattern(
    name: str, sheet: Sheet, chance: float, scale_m: float, texel_m: float, noise: Noise, rng: np.random.Generator
) -> Field:
    """How early each point wears: (points N x 3 from the object's middle, causes there N) -> N scores, high is early.

    name: of PATTERNS. chance: how much chance counts beside the causes. scale_m: distance of plates, lines, cracks or
    dents from each other. texel_m: side of a texel; nothing is made much finer. The score at a point depends on nothing
    but that point, so it may be asked for some of them at a time.
    """
    total = float(sheet.area.sum())
    scale = max(scale_m, 4 * texel_m, float(np.sqrt(total / MOST_SQUARES[name])))
    return PATTERNS[name](sheet, chance, scale, texel_m, noise, rng)


# --- parts on the surface --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Parts:
    """N places on the surface: point, unit normal, cause."""

    point: Reals
    normal: Reals
    cause: Reals

    def __getitem__(self, some: Longs) -> "_Parts":
        return _Parts(self.point[some], self.normal[some], self.cause[some])


def _strewn(sheet: Sheet, count: int, rng: np.random.Generator) -> _Parts:
    """Places strewn evenly by chance over the surface's area."""
    reach = np.cumsum(sheet.area)
    face = np.searchsorted(reach, rng.random(count) * reach[-1], side="right").clip(0, len(reach) - 1)
    a, b = rng.random(count), rng.random(count)
    a = np.sqrt(a)
    weights = np.stack([1 - a, a * (1 - b), a * b], axis=1)
    corner = sheet.triangles[face]
    return _Parts(
        np.einsum("nc,ncx->nx", weights, sheet.points[corner]),
        sheet.normal[face],
        np.einsum("nc,nc->n", weights, np.asarray(sheet.cause, np.float64)[corner]),
    )


def _sites(sheet: Sheet, spacing: float, rng: np.random.Generator) -> _Parts:
    """Places about `spacing` apart: strewn, then one kept in each cell of a grid."""
    count = int(np.ceil(sheet.area.sum() / spacing**2 * PER_CELL)) + PER_CELL
    all_ = _strewn(sheet, count, rng)
    cell = 0.85 * spacing
    _, first = np.unique(_key(np.floor(all_.point / cell + rng.random(3)).astype(np.int64)), return_index=True)
    return all_[np.sort(first)]


def _key(cell: Longs) -> Longs:
    """One number for a cell of a grid (N x 3)."""
    i = np.clip(cell + (1 << 20), 0, (1 << 21) - 1)
    return np.asarray((i[:, 0] << 42) | (i[:, 1] << 21) | i[:, 2], np.int64)


class _Near:
    """Which parts may count at a point: each is entered in every cell of a grid that it comes near."""

    def __init__(self, low: Reals, high: Reals, cell: float, meets: Callable[[Longs, Reals], npt.NDArray[np.bool_]]):
        """low, high: F x 3, the parts' boxes. meets: of parts and centres of cells, whether one reaches the other."""
        self.cell = cell
        batches = np.array_split(np.arange(len(low)), len(low) // 4096 + 1)  # bounds the memory
        entries = [self._entries(low, high, meets, parts) for parts in batches]
        key, part = (np.concatenate(each) for each in zip(*entries, strict=True))
        order = np.argsort(key, kind="stable")
        self.part = part[order]
        self.keys, self.first, self.count = np.unique(key[order], return_index=True, return_counts=True)

    def _entries(
        self, low: Reals, high: Reals, meets: Callable[[Longs, Reals], npt.NDArray[np.bool_]], parts: Longs
    ) -> tuple[Longs, Longs]:
        """(cell's key, part) for every cell of its box that one of the parts reaches."""
        first, last = (np.floor(corner[parts] / self.cell).astype(np.int64) for corner in (low, high))
        span = last - first + 1
        many = span.prod(axis=1)
        row = np.repeat(np.arange(len(parts)), many)
        k = np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)
        wide = span[row]
        step = np.stack([k // (wide[:, 1] * wide[:, 2]), k // wide[:, 2] % wide[:, 1], k % wide[:, 2]], axis=1)
        cells = first[row] + step
        kept = meets(parts[row], (cells + 0.5) * self.cell)
        return _key(cells[kept]), parts[row[kept]]

    def __call__(self, points: Array) -> Iterator[tuple[Longs, Longs]]:
        """(indices of points, a part near each), until every part near any point was named once."""
        if not len(self.keys):
            return
        key = _key(np.floor(points / np.float32(self.cell)).astype(np.int64))
        at = np.searchsorted(self.keys, key).clip(0, len(self.keys) - 1)
        count = np.where(self.keys[at] == key, self.count[at], 0)
        first = self.first[at]
        rows = np.flatnonzero(count)
        turn = 0
        while len(rows):
            yield rows, self.part[first[rows] + turn]
            turn += 1
            rows = rows[count[rows] > turn]


class _Mosaic:
    """Cells around sites on the surface (a Voronoi diagram, sliced by the surface)."""

    def __init__(self, sheet: Sheet, spacing: float, rng: np.random.Generator) -> None:
        self.spacing = spacing
        self.sites = _sites(sheet, spacing, rng)
        self.own: Array = rng.standard_normal(len(self.sites.point)).astype(np.float32)
        self.cause = self.sites.cause.astype(np.float32)
        self._at = self.sites.point.astype(np.float32)
        reach, cell = 1.5 * spacing, 0.6 * spacing
        point = self.sites.point

        def meets(part: Longs, centre: Reals) -> npt.NDArray[np.bool_]:
            return np.asarray(((centre - point[part]) ** 2).sum(axis=1) < (reach + 0.87 * cell) ** 2, np.bool_)

        self._near = _Near(point - reach, point + reach, cell, meets)

    def __call__(self, points: Array) -> tuple[Array, Longs, Longs]:
        """At N points: metres to the cell's border, the cell, the one beyond the border (-1: none near)."""
        n = len(points)
        best, next_ = np.full((2, n), np.inf, np.float32)
        cell, other = np.full((2, n), -1, np.int64)
        for rows, part in self._near(points):
            away = points[rows] - self._at[part]
            d = away[:, 0] ** 2 + away[:, 1] ** 2 + away[:, 2] ** 2
            was, was_cell = best[rows], cell[rows]
            wins = d < was
            second = np.where(wins, was, d)
            nearer = second < next_[rows]
            some = rows[nearer]
            next_[some] = second[nearer]
            other[some] = np.where(wins, was_cell, part)[nearer]
            best[rows[wins]] = d[wins]
            cell[rows[wins]] = part[wins]
        apart = np.linalg.norm(self._at[cell] - self._at[other], axis=1)
        with np.errstate(invalid="ignore"):
            border = (next_ - best) / (2 * np.maximum(apart, 1e-9))
        return np.where(other >= 0, border, self.spacing).astype(np.float32), cell, other


# --- the patterns ----------------------------------------------------------------------------------------------------


class _Warp:
    """Points moved about by noise: its longest waves `length` metres, moved by `reach` metres on average."""

    def __init__(self, noise: Noise, rng: np.random.Generator, length: float, reach: float, texel_m: float) -> None:
        self.noise, self.places = noise, [place(rng) for _ in range(3)]
        self.cell, self.reach = max(length / 40, 0.3 * texel_m), np.float32(reach)

    def __call__(self, points: Array) -> Array:
        moved = [self.noise.at(points, self.cell, where) for where in self.places]
        return np.asarray(points + self.reach * np.stack(moved, axis=1), np.float32)


def _plates(
    sheet: Sheet, chance: float, scale: float, texel_m: float, noise: Noise, rng: np.random.Generator
) -> Field:
    """Paint that comes off in plates of two sizes, each at once but for its middle, which holds a little longer."""
    warp = _Warp(noise, rng, 1.2 * scale, 0.045 * scale, texel_m)
    big, small = _Mosaic(sheet, scale, rng), _Mosaic(sheet, max(0.38 * scale, 2 * texel_m), rng)
    slow, fine = place(rng), place(rng)

    def field(points: Array, cause: Array) -> Array:
        moved = warp(points)
        _, a, _ = big(moved)
        inside, b, _ = small(moved)
        drift = noise.at(points, scale / 6, slow)
        rough = noise.at(points, max(scale / 160, texel_m), fine)
        own = 0.6 * big.own[a] + 0.42 * small.own[b] + 0.95 * drift
        whole = 0.5 * big.cause[a] + 0.35 * small.cause[b] + 0.15 * cause
        return np.asarray(chance * own + whole - 0.25 * inside / small.spacing + 0.03 * rough, np.float32)

    return field


def _cracks(
    sheet: Sheet, chance: float, scale: float, texel_m: float, noise: Noise, rng: np.random.Generator
) -> Field:
    """Networks of cracks: long ones first, finer ones between them later, all widening as they age."""
    warp = _Warp(noise, rng, 1.5 * scale, 0.04 * scale, texel_m)
    spacings = [scale, 0.42 * scale, 0.18 * scale]
    nets = [_Mosaic(sheet, spacing, rng) for spacing in spacings if spacing > 5 * texel_m or spacing == scale]
    slow = place(rng)
    width = max(0.012 * scale, 0.7 * texel_m)

    def field(points: Array, cause: Array) -> Array:
        moved = warp(points)
        where = chance * noise.at(points, scale / 8, slow) + 0.6 * cause
        out = np.full(len(points), -np.inf, np.float32)
        for turn, net in enumerate(nets):
            away, a, b = net(moved)
            own = 0.35 * chance * (net.own[a] + net.own[b])
            thin = np.float32(width * 0.72**turn)
            out = np.maximum(out, where + own - 1.9 * turn - away / thin)
        return np.asarray(out, np.float32)

    return field


def _lines(
    sheet: Sheet, chance: float, scale: float, texel_m: float, noise: Noise, rng: np.random.Generator
) -> Field:
    """Scratches: strokes in bundles, most of them level or upright, tapered, broken where the tool skipped."""
    events = _strewn(sheet, int(np.ceil(8 * sheet.area.sum() / scale**2)) + 1, rng)
    n = len(events.point)
    strokes = 1 + np.minimum(rng.geometric(0.45, n) - 1, 6)
    event = np.repeat(np.arange(n), strokes)
    count = len(event)
    # In the tangent plane: level and upright; on what lies flat, any two axes will do.
    level = np.cross(events.normal, sheet.up)
    flat = np.linalg.norm(level, axis=1, keepdims=True) < 0.2
    level = np.where(flat, np.cross(events.normal, [0.36, 0.48, 0.8]), level)
    level /= np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-9)
    upright = np.cross(level, events.normal)
    kind = rng.random(n)
    angle = np.where(kind < 0.5, 0.16 * rng.standard_normal(n), np.where(
        kind < 0.72, np.pi / 2 + 0.16 * rng.standard_normal(n), rng.uniform(0, np.pi, n)))  # fmt: skip
    turn = (angle[event] + 0.05 * rng.standard_normal(count))[:, None]
    along = np.cos(turn) * level[event] + np.sin(turn) * upright[event]
    across = np.cross(events.normal[event], along)
    long = 0.5 * scale * np.exp(0.55 * rng.standard_normal(n))[event] * np.exp(0.3 * rng.standard_normal(count))
    shift = 0.22 * scale * rng.standard_normal((2, count))
    shift[1] *= 0.6
    middle = events.point[event] + (shift[0] * across.T + shift[1] * along.T).T
    half = np.minimum(long, 2.5 * scale)
    wide = np.maximum(0.0042 * scale * np.exp(0.45 * rng.standard_normal(count)), 0.55 * texel_m)
    bow = 0.05 * rng.standard_normal(count) / half  # nearly straight
    own = chance * (1.1 * rng.standard_normal(n)[event] + 0.7 * rng.standard_normal(count)) + events.cause[event]
    reach = 4.5 * wide
    normal = events.normal[event]
    extent = np.abs(along) * half[:, None] + reach[:, None] + np.abs(across) * np.abs(bow * half**2)[:, None]
    cell = float(np.clip(0.5 * np.median(half), 4 * texel_m, scale))

    def meets(part: Longs, centre: Reals) -> npt.NDArray[np.bool_]:
        q = centre - middle[part]
        s = np.clip((q * along[part]).sum(axis=1), -half[part], half[part])
        gap = np.linalg.norm(q - s[:, None] * along[part], axis=1)
        return np.asarray(gap < reach[part] + np.abs(bow * half**2)[part] + 0.87 * cell, np.bool_)

    near = _Near(middle - extent, middle + extent, cell, meets)
    table = np.concatenate(
        [middle, along, across, normal, half[:, None], wide[:, None], bow[:, None], own[:, None]], axis=1
    ).astype(np.float32)
    slow, skip = place(rng), place(rng)

    def field(points: Array, cause: Array) -> Array:
        gaps = noise.at(points, max(0.6 * scale / 40, 0.3 * texel_m), skip)
        out = (-9 + 0.7 * chance * noise.at(points, scale / 8, slow) + 0.7 * cause).astype(np.float32)
        for rows, part in near(points):
            f = table[part]
            q = points[rows] - f[:, :3]
            s = q[:, 0] * f[:, 3] + q[:, 1] * f[:, 4] + q[:, 2] * f[:, 5]
            t = q[:, 0] * f[:, 6] + q[:, 1] * f[:, 7] + q[:, 2] * f[:, 8]
            z = q[:, 0] * f[:, 9] + q[:, 1] * f[:, 10] + q[:, 2] * f[:, 11]
            end = np.abs(s) / f[:, 12]
            taper = np.sqrt(np.maximum(1 - end * end, 0)) + np.float32(0.02)
            off = np.abs(t - f[:, 14] * s * s) / (f[:, 13] * taper)
            deep = np.abs(z) > np.float32(0.4) * f[:, 12]  # another sheet below
            value = f[:, 15] - 2.0 * off - 0.8 * end * end + 0.35 * gaps[rows] - np.where(deep | (end >= 1), 99, 0)
            out[rows] = np.maximum(out[rows], value.astype(np.float32))
        return out

    return field


def _dents(
    sheet: Sheet, chance: float, scale: float, texel_m: float, noise: Noise, rng: np.random.Generator
) -> Field:
    """Round bowls of many sizes: the score falls smoothly from the middle to the rim and on to what lies between."""
    parts = _strewn(sheet, int(np.ceil(1.1 * sheet.area.sum() / scale**2)) + 1, rng)
    count = len(parts.point)
    radius = np.clip(0.30 * scale * np.exp(0.45 * rng.standard_normal(count)), 0.12 * scale, 0.75 * scale)
    radius = np.maximum(radius, 3 * texel_m)
    first = np.cross(parts.normal, rng.standard_normal((count, 3)))
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
    longer = 1 + 0.5 * rng.random(count) ** 3
    own = chance * 0.9 * rng.standard_normal(count) + 0.8 * parts.cause
    reach = radius * longer * 2.2
    cell = float(max(0.5 * scale, 4 * texel_m))

    def meets(part: Longs, centre: Reals) -> npt.NDArray[np.bool_]:
        return np.asarray(np.linalg.norm(centre - parts.point[part], axis=1) < reach[part] + 0.87 * cell, np.bool_)

    near = _Near(parts.point - reach[:, None], parts.point + reach[:, None], cell, meets)
    table = np.concatenate(
        [parts.point, first, radius[:, None], (1 - 1 / longer**2)[:, None], own[:, None]], axis=1
    ).astype(np.float32)
    slow, bend = place(rng), place(rng)
    steep = np.float32(2.6)

    def field(points: Array, cause: Array) -> Array:
        uneven = np.exp(np.float32(0.22) * noise.at(points, scale / 14, bend))
        out = (-11 + 0.5 * chance * noise.at(points, scale / 6, slow) + 0.3 * cause).astype(np.float32)
        for rows, part in near(points):
            f = table[part]
            q = points[rows] - f[:, :3]
            d = q[:, 0] ** 2 + q[:, 1] ** 2 + q[:, 2] ** 2
            s = q[:, 0] * f[:, 3] + q[:, 1] * f[:, 4] + q[:, 2] * f[:, 5]
            x = np.maximum(d - f[:, 7] * s * s, 0) / f[:, 6] ** 2 * uneven[rows]
            out[rows] = np.maximum(out[rows], f[:, 8] - steep * x)
        return out

    return field


PATTERNS: dict[str, Callable[[Sheet, float, float, float, Noise, np.random.Generator], Field]] = {
    "plates": _plates,
    "lines": _lines,
    "cracks": _cracks,
    "dents": _dents,
}
"""Onset.pattern -> what makes it; patches are the onset map's own."""
