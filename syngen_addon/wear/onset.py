"""The onset map: when each texel starts to wear. Imports numpy, recipe, images and wear's own modules.

The causes together rank the texels (field.py); the rank, counted in world area, is the onset.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..images import Array, Mask
from ..recipe import Onset
from .field import Field
from .mesh import MeshArrays, Reals, area_per_texel, diagonal, subdivide, weld
from .rasterize import Longs, Raster, nearest_covered, rasterize
from .shells import oriented
from .surface import of_slot, surface_maps

__all__ = ["NEVER", "OnsetMap", "onset_maps", "surface_maps"]

NEVER = 2.0
"""Onset of texels that never wear: above any level."""
MOST_TRIANGLES = 300_000
"""Triangles of the working mesh, where the mesh itself has fewer."""
FINENESS = 120
"""Edges of the working mesh per diagonal of the object."""
LONGEST_M = 0.05
"""Edges of the working mesh are no longer than this: on a large object wear is as small as on a small one."""
BINS = 1 << 20
"""Steps of the ranking: a level is exact to far less than the area of one texel."""
Slots = Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class OnsetMap:
    """When each texel of a slot starts to wear, each H x W float32 in (0, 1] or NEVER.

    onset: NEVER where protected. runoff: from which level stains that come from wear above run over it; NEVER where
    none ever do, never below what feeds it. fade: on protected texels when they would wear if they were not protected,
    NEVER elsewhere.
    """

    onset: Array
    runoff: Array
    fade: Array


def onset_maps(
    mesh: MeshArrays,
    onset: Onset,
    sizes: Slots,
    rng: np.random.Generator,
    *,
    up: tuple[float, float, float] = (0.0, 0.0, 1.0),
    protect: Mapping[int, Mask] | None = None,
    damage: Mapping[int, Array] | None = None,
) -> dict[int, OnsetMap]:
    """Slot -> OnsetMap of height x width.

    sizes: slot -> (width, height); other slots are left out. up: direction against gravity, any length.
    protect: slot -> height x width bool, texels that never wear. damage: slot -> height x width float32, 0 to 1: where
    it is 1 and onset.damage counts, wear starts first.
    The mask at level L is `onset < L`; over all slots together it holds the fraction L of the world area that is
    not protected, texels of several faces counted with the area of all. Texels outside the islands have the onset
    of the nearest one inside. A slot that covers no texel is NEVER throughout.
    The same arguments and the same state of rng give the same bytes.
    """
    protect, damage = protect or {}, damage or {}
    direction = np.asarray(up, np.float64) / np.linalg.norm(up)
    welded = oriented(weld(mesh))
    extent = diagonal(welded.vertices)
    working = subdivide(welded, min(extent / FINENESS, LONGEST_M), MOST_TRIANGLES)
    parts = {slot: of_slot(working, slot) for slot in sorted(sizes)}
    rasters = {
        slot: rasterize(part.uvs, area_per_texel(part, *sizes[slot]), *sizes[slot]) for slot, part in parts.items()
    }
    field = Field(working, onset, direction, _texel_size(list(rasters.values())), rng)
    texels = {slot: np.flatnonzero(raster.triangle >= 0) for slot, raster in rasters.items()}
    safe = {slot: protect[slot].ravel()[texels[slot]] for slot in texels if slot in protect}
    scores = {slot: field.scores(rasters[slot], texels[slot], parts[slot].triangles) for slot in texels}
    if onset.damage and damage:
        _damaged(scores, {s: damage[s].ravel()[texels[s]] for s in texels if s in damage}, onset.damage)
    ranks = _equalise(scores, {slot: rasters[slot].total.ravel()[texels[slot]] for slot in texels}, safe)
    del scores
    out = {}
    for slot, raster in rasters.items():
        covered = raster.triangle >= 0
        nearest = nearest_covered(covered).ravel() if covered.any() and not covered.all() else None
        kept = np.zeros(covered.shape, np.bool_) if slot not in protect else protect[slot]
        wears = _picture(covered.shape, texels[slot], ranks[slot], nearest)
        never = np.full_like(wears, NEVER)
        out[slot] = OnsetMap(np.where(kept, never, wears), never, np.where(kept, wears, never))
    if onset.drips:
        level = _at_vertices(parts, out, len(working.vertices))
        for slot, raster in rasters.items():
            runs = field.runoff(raster, texels[slot], parts[slot].triangles, level)
            runs[~(runs <= 1)] = NEVER
            covered = raster.triangle >= 0
            nearest = nearest_covered(covered).ravel() if covered.any() and not covered.all() else None
            picture = _picture(covered.shape, texels[slot], runs, nearest)
            if slot in protect:
                picture[protect[slot]] = NEVER
            out[slot] = replace(out[slot], runoff=picture)
    return out


def _picture(shape: tuple[int, ...], texels: Longs, values: Array, nearest: Longs | None) -> Array:
    """H x W of values at texels; the others are NEVER, or that of the nearest. nearest: for each texel, the index."""
    flat = np.full(shape[0] * shape[1], NEVER, np.float32)
    flat[texels] = values
    return (flat if nearest is None else flat[nearest]).reshape(shape)


def _damaged(scores: dict[int, Array], damage: dict[int, Array], weight: float) -> None:
    """Lift scores where there is damage (0 to 1): at full strength and weight above all that is undamaged."""
    filled = [s for s in scores.values() if len(s)]
    if not filled:
        return
    span = max(float(s.max()) for s in filled) - min(float(s.min()) for s in filled)
    for slot, strength in damage.items():
        scores[slot] += np.float32(1.001 * span * weight + 1e-3) * np.clip(np.nan_to_num(strength), 0, 1)


def _at_vertices(parts: dict[int, MeshArrays], maps: dict[int, OnsetMap], count: int) -> Reals:
    """V: the onset that is seen at each vertex of the working mesh, the mean of its corners; NEVER where none wears."""
    total, number = np.zeros(count), np.zeros(count)
    for slot, part in parts.items():
        onset = maps[slot].onset
        height, width = onset.shape
        uv = part.uvs.reshape(-1, 2).astype(np.float64)
        columns = np.floor(uv[:, 0] * width).astype(np.int64) % width
        rows = np.floor((1 - uv[:, 1]) * height).astype(np.int64) % height
        seen = onset[rows, columns]
        wears = seen <= 1
        corner = part.triangles.ravel()[wears]
        total += np.bincount(corner, seen[wears], count)
        number += np.bincount(corner, minlength=count)
    return np.where(number > 0, total / np.maximum(number, 1), NEVER)


def _texel_size(rasters: list[Raster]) -> float:
    """Side of the median texel in the world, metres."""
    areas = np.concatenate([r.total[r.total > 0][::7] for r in rasters] or [np.ones(1, np.float32)])
    return float(np.sqrt(np.median(areas))) if len(areas) else 1.0


def _equalise(scores: dict[int, Array], areas: dict[int, Array], safe: dict[int, Mask]) -> dict[int, Array]:
    """Slot -> onset in (0, 1]: the share of all area whose score is higher, counted to the texel's own middle.

    safe: which texels are protected; they do not count, and get the share that they would have among the others.
    """
    filled = [s for s in scores.values() if len(s)]
    if not filled:
        return scores
    low, high = min(float(s.min()) for s in filled), max(float(s.max()) for s in filled)
    scale = (BINS - 1) / max(high - low, 1e-30)

    def position(score: Array) -> Reals:
        return (np.float64(high) - score) * scale

    mass = np.zeros(BINS)
    for slot, score in scores.items():
        area = np.where(safe[slot], 0, areas[slot]) if slot in safe else areas[slot]
        mass += np.bincount(position(score).astype(np.int64), area, BINS)
    if not mass.any():  # everything is protected: it fades in the order in which it would wear
        for slot, score in scores.items():
            mass += np.bincount(position(score).astype(np.int64), areas[slot], BINS)
    below = np.concatenate([[0.0], np.cumsum(mass)])
    below /= max(below[-1], 1e-300)
    out = {}
    for slot, score in scores.items():
        onset = np.empty(len(score), np.float32)
        for start in range(0, len(score), 1 << 20):
            where = position(score[start : start + (1 << 20)])
            bin_ = where.astype(np.int64)
            share = below[bin_] + (where - bin_) * (below[bin_ + 1] - below[bin_])
            onset[start : start + (1 << 20)] = np.clip(share, 1e-7, 1)
        out[slot] = onset
    return out
