"""How texels of a UV layout look onto the plane of the wear texture. Imports images and numpy only.

A plane's coordinates (x to the right, y downwards, both in tiles) say where in the endlessly repeated wear texture a
texel lies. On a known surface there are three such planes, seen along the world's axes and blended by the normal
(triplanar mapping, R. Geiss, GPU Gems 3, chapter 1, 2007): they know nothing of UV islands, so neither stretching nor
island borders show. World Z runs up the texture on both side planes, so that streaks run down.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..images import Array, SurfaceMaps

Ints = npt.NDArray[np.int64]

SHARPNESS = 8
"""Exponent of the triplanar weights: planes blend within some 15 degrees of the diagonal."""
NEGLIGIBLE = 0.02
"""Planes of less weight are left out."""
# Which world axes run right and down the texture, seen along X, Y and Z.
_RIGHT_DOWN = ((1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class View:
    """Some texels of a band as they lie in one plane; all arrays have one entry a texel.

    index: flat index within the band. x, y: tiles, to the right and down. weight: of this plane, 0 to 1.
    face: 0 to 5, the plane and the side it is seen from, so that front and back of an object differ.
    period: tiles after which the plane repeats along (x, y), or None where it never does.
    """

    index: Ints
    x: Array
    y: Array
    weight: Array
    face: Ints
    period: tuple[int, int] | None


def surface_views(surface: SurfaceMaps, rows: slice, tile_m: float, step: int = 1) -> Iterator[View]:
    """The three world planes for a band of rows. step: take every step-th texel of the band only (both ways)."""
    normal = surface.normal[rows][::step, ::step].reshape(-1, 3)
    position = surface.position_m[rows][::step, ::step].reshape(-1, 3)
    weights = np.abs(normal) ** SHARPNESS
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    weights[~np.isfinite(weights).all(axis=1)] = 0
    weights[weights.max(axis=1) < 0.3] = (0, 0, 1)  # no usable normal: seen from above
    for axis, (right, down) in enumerate(_RIGHT_DOWN):
        index = np.flatnonzero(weights[:, axis] > NEGLIGIBLE)
        if index.size:
            yield View(
                index=index,
                x=np.asarray(position[index, right] / tile_m, np.float32),
                y=np.asarray(position[index, down] / -tile_m, np.float32),
                weight=weights[index, axis],
                face=2 * axis + (normal[index, axis] < 0),
                period=None,
            )


def flat_views(
    width: int, height: int, rows: slice, tile_m: float, step: int = 1
) -> Iterator[View]:
    """The UV square itself, taken as one metre wide, for a band of rows: a whole number of tiles, so that it wraps."""
    period = max(1, round(1 / tile_m)), max(1, round(height / width / tile_m))
    x = (np.arange(0, width, step, dtype=np.float32) + 0.5) * (period[0] / width)
    y = (np.arange(rows.start, min(rows.stop, height), step, dtype=np.float32) + 0.5) * (period[1] / height)
    count = x.size * y.size
    yield View(
        index=np.arange(count),
        x=np.asarray(np.tile(x, y.size), np.float32),
        y=np.asarray(np.repeat(y, x.size), np.float32),
        weight=np.ones(count, np.float32),
        face=np.zeros(count, np.int64),
        period=period,
    )


def texels_a_tile(surface: SurfaceMaps | None, width: int, tile_m: float) -> float:
    """How many texels of the base texture one tile spans (median over the surface)."""
    if surface is None:
        return width / max(1, round(1 / tile_m))
    areas = surface.texel_area_m2[surface.covered & (surface.texel_area_m2 > 0)]
    return float(tile_m / np.sqrt(np.median(areas))) if areas.size else float(width)
