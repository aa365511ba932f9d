"""Triangles in UV space to texels. Imports numpy, OpenCV, errors and images.

Texel (row, column) has its centre at u = (column + 0.5) / width, v = 1 - (row + 0.5) / height (row 0 at the top).
UVs outside 0..1 wrap, as Blender's textures do.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import SynGenError
from ..images import Array, Mask

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

SUBTEXEL = 256
"""UVs are snapped to this fraction of a texel, so that edges are decided in whole numbers."""
MOST_LAYERS = 64
"""More triangles than this over the average texel are refused: they would take minutes and mean nothing."""
CHUNK = 1 << 21
"""Texels worked on at once."""


@dataclass(frozen=True)
class Raster:
    """Which triangle covers which texel, all H x W.

    triangle: index of the covering triangle (the lowest where several do), -1 where there is none.
    weights: H x W x 2, barycentric weights of the triangle's corners 1 and 2; corner 0 has the rest.
    total: sum of `per_texel` over all covering triangles.
    """

    triangle: Ints
    weights: Array
    total: Array


def rasterize(uvs: Array, per_texel: Array, width: int, height: int) -> Raster:
    """Raster of T triangles with corners uvs (T x 3 x 2) on height x width texels.

    per_texel: T values, added up in `total` for each texel that the triangle covers.
    A texel belongs to a triangle when its centre lies inside; centres on a shared edge go to exactly one of the
    two (the top-left rule of graphics hardware, here in exact integer arithmetic). Triangles are cut into rows and
    each row's run of texels is computed, so that large and small triangles cost what they cover.
    Raises SynGenError where the layout repeats the texture so often that no texel has a place of its own.
    """
    size = width * height
    triangle = np.full(size, -1, np.int32)
    weights = np.zeros((size, 2), np.float32)
    total = np.zeros(size, np.float32)
    x, y = _snap(uvs, width, height)
    doubled: Longs = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    first_row = -(-y.min(axis=1) // SUBTEXEL)
    rows = np.where(doubled != 0, np.maximum(y.max(axis=1) // SUBTEXEL - first_row + 1, 0), 0)
    covers = np.abs(doubled) / (2.0 * SUBTEXEL**2)
    if covers.sum() > MOST_LAYERS * size:
        raise SynGenError(
            f"The UV map repeats the texture {covers.sum() / size:.0f} times, so no texel has a place of its own.",
            "Give the object a second UV map without repetition (UV > Smart UV Project).",
        )
    cost = np.cumsum(rows + covers)
    cuts = np.searchsorted(cost, np.arange(CHUNK, cost[-1] if len(cost) else 0, CHUNK))
    bounds = np.unique(np.concatenate([[0], cuts, [len(x)]]))
    # From the last triangle to the first, since of several writes to a texel the last one stays.
    for start, stop in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
        part = start + np.flatnonzero(rows[start:stop])
        flat, tri, w1, w2 = _spans(part, x, y, doubled, first_row, rows, width, height)
        triangle[flat[::-1]] = tri[::-1]
        weights[flat[::-1], 0] = w1[::-1]
        weights[flat[::-1], 1] = w2[::-1]
        np.add.at(total, flat, per_texel[tri])
    shape = (height, width)
    return Raster(triangle.reshape(shape), weights.reshape(*shape, 2), total.reshape(shape))


def _snap(uvs: Array, width: int, height: int) -> tuple[Longs, Longs]:
    """Corners in whole subtexels (T x 3 each), counted from the centre of the top left texel."""
    uv = np.asarray(uvs, np.float64)
    tile = np.floor(uv.min(axis=1, keepdims=True)) if len(uv) else uv
    uv = uv - tile
    x = np.rint((uv[..., 0] * width - 0.5) * SUBTEXEL)
    y = np.rint(((1 - uv[..., 1]) * height - 0.5) * SUBTEXEL)
    return x.astype(np.int64), y.astype(np.int64)


def _spans(
    part: Longs, x: Longs, y: Longs, doubled: Longs, first_row: Longs, rows: Longs, width: int, height: int
) -> tuple[Longs, Ints, Array, Array]:
    """All texels of the triangles `part`: flat index, triangle, weights of corners 1 and 2; in the triangles' order."""
    owner = np.repeat(part, rows[part])
    row = _ramp(rows[part]) + first_row[owner]
    low = np.full(len(owner), np.iinfo(np.int32).min, np.int64)
    high = np.full(len(owner), np.iinfo(np.int32).max, np.int64)
    sign = np.sign(doubled[part])
    repeats = rows[part]
    corner_edges: list[tuple[Longs, Longs]] = []
    for a, b in ((1, 2), (2, 0), (0, 1)):  # the edge opposite corner 0, 1, 2
        dx, dy = (x[part, b] - x[part, a]) * sign, (y[part, b] - y[part, a]) * sign
        constant = dy * x[part, a] - dx * y[part, a]
        # edge function -dy X + dx Y + constant, positive inside; edges not top-left must be strictly positive
        strict = ~((dy < 0) | ((dy == 0) & (dx > 0)))
        slope = np.repeat(-dy * SUBTEXEL, repeats)
        rest = np.repeat(dx * SUBTEXEL, repeats) * row + np.repeat(constant, repeats)
        bound = rest - np.repeat(strict.astype(np.int64), repeats)
        divisor = np.where(slope == 0, 1, np.abs(slope))
        quotient = bound // divisor
        np.maximum(low, -quotient, out=low, where=slope > 0)
        np.minimum(high, quotient, out=high, where=slope < 0)
        high[(slope == 0) & (bound < 0)] = np.iinfo(np.int32).min
        corner_edges.append((slope, rest))
    count = np.maximum(high - low + 1, 0)
    keep = count > 0
    owner, row, low, count = owner[keep], row[keep], low[keep], count[keep]
    along = _ramp(count)
    area = np.abs(doubled[owner]).astype(np.float64)
    corner_weights: list[Array] = []
    for slope, rest in corner_edges[1:]:
        step = (slope[keep] / area).astype(np.float32)
        start = ((slope[keep] * low + rest[keep]) / area).astype(np.float32)
        corner_weights.append(np.asarray(np.repeat(start, count) + np.repeat(step, count) * along, np.float32))
    column = np.repeat(low, count) + along
    flat = np.asarray(np.repeat(row % height * width, count) + column % width, np.int64)
    return flat, np.repeat(owner, count).astype(np.int32), corner_weights[0], corner_weights[1]


def _ramp(counts: Longs) -> Longs:
    """0 .. n-1 for each n of counts, one after the other."""
    ends = np.cumsum(counts)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts), np.int64)


def nearest_covered(covered: Mask) -> Longs:
    """H x W flat index of the nearest True texel (its own where True). covered must hold at least one.

    Uses OpenCV's labelled distance transform (two-pass chamfer of Borgefors 1986, 5 x 5).
    """
    _, labels = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    inside = np.flatnonzero(covered)
    index = np.empty(int(labels.max()) + 1, np.int64)
    index[labels.ravel()[inside]] = inside
    return np.asarray(index[labels], np.int64)
