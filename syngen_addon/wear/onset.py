"""The onset map: when each texel starts to wear. Imports numpy, recipe, images and wear's own modules.

The causes together rank the texels (field.py); the rank, counted in world area, is the onset.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..images import Array, Mask
from ..recipe import Onset
from .field import Field, Shape
from .mesh import MeshArrays, Reals, area_per_texel, diagonal, subdivide, weld
from .rasterize import Longs, Raster, nearest_covered, rasterize
from .shells import oriented
from .surface import of_slot, surface_maps

__all__ = ["NEVER", "Ground", "OnsetMap", "maps_on", "onset_maps", "prepare", "surface_maps"]

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


@dataclass(frozen=True)
class _Patch:
    """A slot of the working mesh and its texels: the flat indices of those that are covered, and for each texel that of
    the nearest such one (None where that says nothing)."""

    mesh: MeshArrays
    raster: Raster
    texels: Longs
    nearest: Longs | None


@dataclass(frozen=True)
class Ground:
    """What all onset maps of an object share, whatever its kinds and seeds."""

    shape: Shape
    patches: dict[int, _Patch]
    texel_m: float


def prepare(mesh: MeshArrays, sizes: Slots, *, up: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Ground:
    """All of the onset maps that neither chance nor the weights of the causes have a part in.

    sizes: slot -> (width, height); other slots are left out. up: direction against gravity, any length.
    """
    direction = np.asarray(up, np.float64) / np.linalg.norm(up)
    welded = oriented(weld(mesh))
    extent = diagonal(welded.vertices)
    working = subdivide(welded, min(extent / FINENESS, LONGEST_M), MOST_TRIANGLES)
    patches = {slot: _patch(of_slot(working, slot), *sizes[slot]) for slot in sorted(sizes)}
    return Ground(Shape(working, direction), patches, _texel_size([patch.raster for patch in patches.values()]))


def _patch(mesh: MeshArrays, width: int, height: int) -> _Patch:
    raster = rasterize(mesh.uvs, area_per_texel(mesh, width, height), width, height)
    covered = raster.triangle >= 0
    nearest = nearest_covered(covered).ravel() if covered.any() and not covered.all() else None
    return _Patch(mesh, raster, np.flatnonzero(covered), nearest)


def maps_on(
    ground: Ground,
    onset: Onset,
    rng: np.random.Generator,
    *,
    protect: Mapping[int, Mask] | None = None,
    damage: Mapping[int, Array] | None = None,
) -> dict[int, OnsetMap]:
    """Slot -> OnsetMap of height x width, as onset_maps makes them."""
    protect, damage = protect or {}, damage or {}
    patches = ground.patches
    field = Field(ground.shape, onset, ground.texel_m, rng)
    safe = {s: protect[s].ravel()[patch.texels] for s, patch in patches.items() if s in protect}
    scores = {s: field.scores(patch.raster, patch.texels, patch.mesh.triangles) for s, patch in patches.items()}
    if onset.damage and damage:
        harmed = {s: damage[s].ravel()[patch.texels] for s, patch in patches.items() if s in damage}
        _damaged(scores, harmed, onset.damage)
    ranks = _equalise(scores, {s: patch.raster.total.ravel()[patch.texels] for s, patch in patches.items()}, safe)
    del scores
    out = {}
    for slot, patch in patches.items():
        wears = _picture(patch, ranks[slot])
        kept = protect.get(slot, np.zeros(wears.shape, np.bool_))
        never = np.full_like(wears, NEVER)
        out[slot] = OnsetMap(np.where(kept, never, wears), never, np.where(kept, wears, never))
    if onset.drips:
        level = _at_vertices(patches, out, len(ground.shape.points))
        for slot, patch in patches.items():
            runs = field.runoff(patch.raster, patch.texels, patch.mesh.triangles, level)
            runs[~(runs <= 1)] = NEVER
            picture = _picture(patch, runs)
            if slot in protect:
                picture[protect[slot]] = NEVER
            out[slot] = replace(out[slot], runoff=picture)
    return out


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
    """Slot -> OnsetMap of height x width. For several maps of one mesh: prepare it once, then call maps_on.

    sizes: slot -> (width, height); other slots are left out. up: direction against gravity, any length.
    protect: slot -> height x width bool, texels that never wear. damage: slot -> height x width float32, 0 to 1: where
    it is 1 and onset.damage counts, wear starts first.
    The mask at level L is `onset < L`; over all slots together it holds the fraction L of the world area that is
    not protected, texels of several faces counted with the area of all. Texels outside the islands have the onset
    of the nearest one inside. A slot that covers no texel is NEVER throughout.
    The same arguments and the same state of rng give the same bytes.
    """
    return maps_on(prepare(mesh, sizes, up=up), onset, rng, protect=protect, damage=damage)


def _picture(patch: _Patch, values: Array) -> Array:
    """H x W of values at the patch's texels; the others are NEVER, or that of the nearest."""
    flat = np.full(patch.raster.triangle.size, NEVER, np.float32)
    flat[patch.texels] = values
    return (flat if patch.nearest is None else flat[patch.nearest]).reshape(patch.raster.triangle.shape)


def _damaged(scores: dict[int, Array], damage: dict[int, Array], weight: float) -> None:
    """Lift scores where there is damage (0 to 1): at full strength and weight above all that is undamaged."""
    filled = [s for s in scores.values() if len(s)]
    if not filled:
        return
    span = max(float(s.max()) for s in filled) - min(float(s.min()) for s in filled)
    for slot, strength in damage.items():
        scores[slot] += np.float32(1.001 * span * weight + 1e-3) * np.clip(np.nan_to_num(strength), 0, 1)


def _at_vertices(patches: dict[int, _Patch], maps: dict[int, OnsetMap], count: int) -> Reals:
    """V: the onset that is seen at each vertex of the working mesh, the mean of its corners; NEVER where none wears."""
    total, number = np.zeros(count), np.zeros(count)
    for slot, patch in patches.items():
        part, onset = patch.mesh, maps[slot].onset
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
