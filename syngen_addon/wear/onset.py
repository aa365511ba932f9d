"""The onset map: when each texel starts to wear. Imports numpy, recipe, images and wear's own modules.

Causes are computed on the vertices of a finely divided working mesh (causes.py), noise at each texel's place in
the world (noise.py). Together they rank the texels; the rank, counted in world area, is the onset.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..images import Array, Mask
from ..recipe import Onset
from . import causes, patterns
from .mesh import MeshArrays, Reals, along, area_per_texel, diagonal, subdivide, weld
from .noise import SPAN, Noise, place
from .rasterize import Ints, Longs, Raster, nearest_covered, rasterize
from .surface import interpolate, of_slot, surface_maps

__all__ = ["NEVER", "OnsetMap", "onset_maps", "surface_maps"]

NEVER = 2.0
"""Onset of texels that never wear: above any level."""
MOST_TRIANGLES = 300_000
"""Triangles of the working mesh, where the mesh itself has fewer."""
FINENESS = 120
"""Edges of the working mesh per diagonal of the object."""
BINS = 1 << 20
"""Steps of the ranking: a level is exact to far less than the area of one texel."""
PATCH_CELLS = 26
"""Cells of noise to `scale_m`: its strongest waves (40 cells) are then about one and a half patches long."""
CHUNK = 1 << 17
"""Texels worked on at once; small enough for the processor's cache."""

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
    welded = weld(mesh)
    extent = diagonal(welded.vertices)
    working = subdivide(welded, extent / FINENESS, MOST_TRIANGLES)
    rasters = {}
    corner_of = {}
    for slot, (width, height) in sorted(sizes.items()):
        part = of_slot(working, slot)
        rasters[slot] = rasterize(part.uvs, area_per_texel(part, width, height), width, height)
        corner_of[slot] = part.triangles
    texel_m = _texel_size(list(rasters.values()))
    field = _Field(working, onset, direction, texel_m, rng)
    scores: dict[int, Array] = {}
    worn: dict[int, Longs] = {}
    for slot, raster in rasters.items():
        keep = raster.triangle >= 0
        if slot in protect:
            keep &= ~protect[slot]
        worn[slot] = np.flatnonzero(keep)
        scores[slot] = field.scores(raster, worn[slot], corner_of[slot])
        if onset.damage and slot in damage:
            scores[slot] += np.float32(12 * onset.damage) * np.clip(damage[slot].ravel()[worn[slot]], 0, 1)
    ranks = _equalise(scores, {slot: raster.total.ravel()[worn[slot]] for slot, raster in rasters.items()})
    out = {}
    for slot, raster in rasters.items():
        flat = np.full(raster.triangle.size, NEVER, np.float32)
        flat[worn[slot]] = ranks[slot]
        covered = raster.triangle >= 0
        if covered.any() and not covered.all():
            flat = flat[nearest_covered(covered).ravel()]
        image = flat.reshape(covered.shape)
        if slot in protect:
            image[protect[slot]] = NEVER
        never = np.full_like(image, NEVER)
        out[slot] = OnsetMap(image, never, never)
    return out


def _texel_size(rasters: list[Raster]) -> float:
    """Side of the median texel in the world, metres."""
    areas = np.concatenate([r.total[r.total > 0][::7] for r in rasters] or [np.ones(1, np.float32)])
    return float(np.sqrt(np.median(areas))) if len(areas) else 1.0


def _cells(coarsest: float, finest: float) -> list[float]:
    """Cell sizes of the layers of noise, metres: bands that follow on each other from the patches to the texels.

    Finer than the texels would be no detail but noise that changes with the picture's size. At least two, at most five.
    """
    cells = [max(coarsest, finest)]
    while len(cells) < 2 or (cells[-1] > 2 * finest and len(cells) < 5):
        cells.append(max(cells[-1] / SPAN, finest))
    return cells


class _Field:
    """How early each point of the surface wears: a score, higher is earlier, only its order matters.

    values: V x 14, what is interpolated from the working mesh's vertices: position (from the object's middle),
    logarithm of sharpness, cavity, what water carries there, steepness, where the water came from, and four slow
    noises (three displace the patches, one makes the detail stronger or weaker).
    """

    def __init__(self, mesh: MeshArrays, onset: Onset, up: Reals, texel_m: float, rng: np.random.Generator) -> None:
        s = causes.surface(mesh)
        self.onset = onset
        self.noise = Noise(rng)
        self.places = [place(rng) for _ in range(16)]
        self.pattern_places = [place(rng) for _ in range(patterns.PLACES)]
        self.pattern_seed = int(rng.integers(1 << 32))
        self.texel_m = texel_m
        size = s.size
        # Patches larger than a third of the object would leave no pattern on it.
        self.scale = min(onset.scale_m, 0.35 * size)
        self.cells = _cells(self.scale / PATCH_CELLS, max(0.6 * texel_m, size / 30000))
        angle = causes.bend(s)
        narrow, wide = min(0.006 * size, 0.02), min(0.022 * size, 0.05)
        turn = causes.curvature(s, angle, narrow)
        turn_wide = causes.curvature(s, angle, wide)
        right = np.pi / 2
        sharp = np.maximum(turn, 0.7 * turn_wide) / right
        crease = np.clip(np.maximum(-turn, -turn_wide) / right, 0, 1)
        cavity = np.maximum(crease, causes.crowding(s, 0.02 * size))
        self.up = up.astype(np.float32)
        # From the object's own middle, so that moving it leaves its pattern as it is.
        middle = (s.points.min(axis=0) + s.points.max(axis=0)) / 2
        points = s.points - middle
        height = along(points, up)
        self.foot = float(height.min())
        self.splash = 0.16 * float(np.ptp(height)) + 1e-9
        flat_top = np.clip(s.vertex_normal @ up, 0, 1)
        source = np.clip(np.maximum(1.2 * np.maximum(turn, 0) / right, 0.9 * cavity) + 0.3 * flat_top, 0, 1)
        run = causes.flow(s, up, source, 0.5 * size)
        slow = [self.noise.at(points.astype(np.float32), self.cells[0], self.places[i]) for i in range(4)]
        self.values = np.concatenate(
            [
                points, np.log(np.clip(sharp, 1e-3, 1.5))[:, None], cavity[:, None], run.fuel[:, None],
                run.steep[:, None], run.anchor - middle, np.stack(slow, axis=1),
            ], axis=1,
        ).astype(np.float32)  # fmt: skip

    def scores(self, raster: Raster, texels: Longs, corners: Ints) -> Array:
        """Scores of texels (flat indices). corners: T x 3, the vertices of the raster's triangles."""
        out = np.empty(len(texels), np.float32)
        table = self.values[corners]
        for start in range(0, len(texels), CHUNK):
            some = texels[start : start + CHUNK]
            out[start : start + CHUNK] = self._score(interpolate(raster, some, table))
        return out

    def _score(self, v: Array) -> Array:
        """N scores from N x 14 interpolated values: each cause lifts the noise of the patches by a few deviations.

        The numbers were set by eye, against photographs of rusted steel.
        """
        o = self.onset
        p, sharp, cavity, fuel, steep, anchor = v[:, :3], v[:, 3], v[:, 4], v[:, 5], v[:, 6], v[:, 7:10]
        warp = v[:, 10:13] * np.float32(0.14 * self.scale)
        patch = self.noise.at(p + warp, self.cells[0], self.places[4])
        detail = self.noise.at(p + warp * np.float32(0.15), self.cells[1], self.places[5])
        for i, cell in enumerate(self.cells[2:]):
            detail += np.float32(0.5 ** (i + 1)) * self.noise.at(p, cell, self.places[6 + i])
        # Flaked here, speckled there: the fine detail itself is stronger in some places.
        detail *= np.exp(0.35 * v[:, 13])
        if o.pattern == "patches":
            shape = patch + 0.4 * detail
        else:
            shape = patterns.field(
                o.pattern, self.noise, p, self.scale, self.texel_m, self.pattern_places, self.pattern_seed
            )
        score = (0.25 + o.spread) * shape
        if o.edge:
            # sharp is minus the distance to the edge, in units of its reach: noise on it makes the border ragged.
            ragged = np.minimum(sharp + 0.55 * detail + 0.5 * patch, 0.2)
            score += o.edge * (4.0 * np.exp(ragged) + 0.15 * ragged)
        if o.cavity:
            score += 3.0 * o.cavity * np.clip(cavity * (1 + 0.35 * detail + 0.2 * patch), 0, 1.2)
        if o.splash:
            rise = (along(p, self.up) - self.foot) / self.splash
            score += 3.5 * o.splash * np.exp(-np.maximum(rise, 0) * np.exp(0.45 * patch + 0.4 * detail))
        if o.drips:
            drop = along(anchor - p, self.up)
            column = anchor - drop[:, None] * (self.up / 14)
            stream = self.noise.at(column + 0.004 * self.scale * detail[:, None], self.scale * 0.008, self.places[10])
            length = np.exp(0.9 * stream - 0.2)
            left = np.clip(1 - (1 - fuel) / length, 0, 1)
            score += 3.0 * o.drips * steep * left * np.clip(0.45 + 0.6 * stream, 0, 1.6)
        return score


def _equalise(scores: dict[int, Array], areas: dict[int, Array]) -> dict[int, Array]:
    """Slot -> onset in (0, 1]: the share of all area whose score is higher, counted to the texel's own middle."""
    filled = [s for s in scores.values() if len(s)]
    if not filled:
        return scores
    low, high = min(float(s.min()) for s in filled), max(float(s.max()) for s in filled)
    scale = (BINS - 1) / max(high - low, 1e-30)

    def position(score: Array) -> Reals:
        return (np.float64(high) - score) * scale

    mass = np.zeros(BINS)
    for slot, score in scores.items():
        mass += np.bincount(position(score).astype(np.int64), areas[slot], BINS)
    below = np.concatenate([[0.0], np.cumsum(mass)])
    below /= max(below[-1], 1e-300)
    out = {}
    for slot, score in scores.items():
        where = position(score)
        bin_ = where.astype(np.int64)
        onset = below[bin_] + (where - bin_) * (below[bin_ + 1] - below[bin_])
        out[slot] = np.clip(onset, 1e-7, 1).astype(np.float32)
    return out
