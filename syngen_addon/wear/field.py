"""How early each point of the surface wears: the causes and chance together. Imports numpy, recipe, images and wear's
own modules.

Causes are computed on the vertices of a finely divided working mesh (causes.py, shells.py, water.py), noise at each
texel's place in the world (noise.py).
"""

from functools import cached_property

import numpy as np

from ..images import Array
from ..recipe import Onset
from . import causes, patterns, shells, water
from .mesh import MeshArrays, Reals, along
from .noise import SPAN, Noise, place
from .rasterize import Ints, Longs, Raster
from .surface import interpolate

PATCH_CELLS = 26
"""Cells of noise to `scale_m`: its strongest waves (40 cells) are then about one and a half patches long."""
CHUNK = 1 << 17
"""Texels worked on at once; small enough for the processor's cache."""
RIGHT = np.pi / 2


def cells(coarsest: float, finest: float) -> list[float]:
    """Cell sizes of the layers of noise, metres: bands that follow on each other from the patches to the texels.

    Finer than the texels would be no detail but noise that changes with the picture's size. At least two, at most five.
    """
    sizes = [max(coarsest, finest)]
    while len(sizes) < 2 or (sizes[-1] > 2 * finest and len(sizes) < 5):
        sizes.append(max(sizes[-1] / SPAN, finest))
    return sizes


class Shape:
    """What each cause finds at the vertices of a mesh, whatever the weights: all that chance has no part in.

    Made once for an object; each cause is computed when it is first asked for, and kept. Lengths are the world's: a
    chip, a bolt, a puddle is as large on a lorry as on a lamp. On small objects they are bounded by the object's size,
    so that there is a pattern.
    """

    def __init__(self, mesh: MeshArrays, up: Reals) -> None:
        self.s = s = causes.surface(mesh)
        size = s.size
        self.narrow, self.wide = min(0.006 * size, 0.02), min(0.022 * size, 0.05)
        self.touch_reach = min(0.012 * size, 0.015)
        self.run = min(0.5 * size, 0.9)
        self.up = up
        # From the object's own middle, so that moving it leaves its pattern as it is.
        middle = (s.points.min(axis=0) + s.points.max(axis=0)) / 2
        self.points = s.points - middle
        self.height = along(self.points, up)
        self.foot = float(self.height.min())
        self.splash = min(0.25 * float(np.ptp(self.height)), 0.35) + 1e-9

    @cached_property
    def angle(self) -> Reals:
        return causes.bend(self.s)

    @cached_property
    def turn(self) -> Reals:
        return causes.curvature(self.s, self.angle, self.narrow)

    @cached_property
    def turn_wide(self) -> Reals:
        return causes.curvature(self.s, self.angle, self.wide)

    @cached_property
    def sharp(self) -> Reals:
        """Minus the distance to a convex edge, in units of its reach."""
        sharp = np.maximum(self.turn, 0.7 * self.turn_wide) / RIGHT
        return np.log(np.clip(sharp, 1e-3, 1.5))

    @cached_property
    def cavity(self) -> Reals:
        crease = np.clip(np.maximum(-self.turn, -self.turn_wide) / RIGHT, 0, 1)
        return np.maximum(crease, causes.crowding(self.s, min(0.02 * self.s.size, 0.06)))

    @cached_property
    def touch(self) -> shells.Touch:
        return shells.touching(self.s, shells.shells_of(self.s), 2.5 * self.touch_reach)

    @cached_property
    def contact(self) -> Reals:
        """Parts that touch, and the ground the object stands on."""
        stands = np.exp(-(self.height - self.foot) / self.touch_reach)
        return np.asarray(np.maximum(shells.contact(self.touch, self.touch_reach), stands))

    @cached_property
    def welds(self) -> Reals:
        seeds = shells.fasteners(self.s, self.angle, self.touch)
        return shells.grown(self.s, seeds, self.touch_reach, self.touch)

    @cached_property
    def rain(self) -> Reals:
        flat = np.clip((along(self.s.vertex_normal, self.up) - 0.5) / 0.45, 0, 1)
        # Level places stay wet; most of all where a wall rises from them.
        pool = np.clip(-self.turn_wide / RIGHT, 0, 1)
        return np.asarray(water.exposure(self.s, self.up) * (0.35 + flat * (0.5 + 0.6 * pool)))

    @cached_property
    def ways(self) -> water.Ways:
        return water.ways(self.s, self.up, self.touch.partner)

    @cached_property
    def anchor(self) -> Reals:
        return water.anchors(self.ways, self.points, self.up)

    @cached_property
    def fuel(self) -> Reals:
        flat_top = np.clip(along(self.s.vertex_normal, self.up), 0, 1)
        source = np.maximum(1.2 * np.maximum(self.turn, 0) / RIGHT, 0.9 * self.cavity) + 0.3 * flat_top
        source = np.maximum(source, 1.3 * self.welds)
        source = np.maximum(source, 0.8 * shells.contact(self.touch, self.touch_reach))
        return water.fuel(self.ways, np.clip(source, 0, 1), self.run)


class Field:
    """Scores, and stains that run down: a shape, the weights of the causes and chance, at the texels of its slots."""

    def __init__(self, shape: Shape, onset: Onset, texel_m: float, rng: np.random.Generator) -> None:
        self.shape = shape
        self.onset = onset
        self.noise = Noise(rng)
        self.places = [place(rng) for _ in range(16)]
        size = shape.s.size
        # Patches larger than a third of the object would leave no pattern on it.
        self.scale = min(onset.scale_m, 0.35 * size)
        self.cells = cells(self.scale / PATCH_CELLS, max(0.6 * texel_m, size / 30000))
        self.where: dict[str, slice] = {}
        self.values = self._channels()
        self.pattern: patterns.Field | None = None
        if onset.pattern != "patches":
            s = shape.s
            sheet = patterns.Sheet(shape.points, s.triangles, s.normal, s.area, self._score(self.values), shape.up)
            self.pattern = patterns.pattern(onset.pattern, sheet, self.chance, self.scale, texel_m, self.noise, rng)

    @property
    def chance(self) -> float:
        """How much chance counts beside the causes."""
        return float((0.25 + self.onset.spread) / 2 ** (2 * self.onset.contrast - 1))

    def _channels(self) -> Array:
        """V x C: what is interpolated from the vertices; self.where says which columns are what."""
        o, shape = self.onset, self.shape
        columns = {"point": shape.points}
        if o.edge:
            columns["sharp"] = shape.sharp
        if o.cavity:
            columns["cavity"] = shape.cavity
        if o.contact:
            columns["contact"] = shape.contact
        if o.welds:
            columns["welds"] = shape.welds
        if o.rain:
            columns["rain"] = shape.rain
        if o.drips:
            columns["fuel"] = shape.fuel
            columns["steep"] = shape.ways.steep
            columns["anchor"] = shape.anchor
        points = shape.points.astype(np.float32)
        slow = [self.noise.at(points, self.cells[0], self.places[i]) for i in range(4)]
        columns["warp"], columns["busy"] = np.stack(slow[:3], axis=1), slow[3]
        return self._table(columns)

    def _table(self, columns: dict[str, Reals]) -> Array:
        start = 0
        for name, values in columns.items():
            width = values.shape[1] if values.ndim == 2 else 1
            self.where[name] = slice(start, start + width)
            start += width
        return np.column_stack(list(columns.values())).astype(np.float32)

    # --- what is asked for at the texels ---------------------------------------------------------------------------

    def scores(self, raster: Raster, texels: Longs, corners: Ints) -> Array:
        """Scores of texels (flat indices): higher is earlier, only the order matters. corners: T x 3 vertices."""
        out = np.empty(len(texels), np.float32)
        table = self.values[corners]
        for start in range(0, len(texels), CHUNK):
            some = texels[start : start + CHUNK]
            out[start : start + CHUNK] = self._score(interpolate(raster, some, table))
        return out

    def _score(self, v: Array) -> Array:
        """N scores from N x C interpolated values: each cause lifts the noise of the patches by a few deviations.

        The numbers were set by eye, on real models and against photographs of rusted steel.
        """
        o = self.onset
        at = {name: v[:, s] if s.stop - s.start > 1 else v[:, s.start] for name, s in self.where.items()}
        p = at["point"]
        warp = at["warp"] * np.float32(0.14 * self.scale)
        patch = self.noise.at(p + warp, self.cells[0], self.places[4])
        detail = self.noise.at(p + warp * np.float32(0.15), self.cells[1], self.places[5])
        for i, cell in enumerate(self.cells[2:]):
            detail += np.float32(0.5 ** (i + 1)) * self.noise.at(p, cell, self.places[6 + i])
        # Flaked here, speckled there: the fine detail itself is stronger in some places.
        detail *= np.exp(0.35 * at["busy"])
        # Contrast trades chance for causes, and ragged for clean borders.
        sharpness = np.float32(2 ** (2 * o.contrast - 1))
        ragged = np.float32(1.5 - o.contrast)
        # Of a pattern, chance is in its parts, which the causes then draw.
        score = np.float32(self.chance if o.pattern == "patches" else 0.0) * (patch + 0.4 * detail)
        rough = ragged * (0.35 * detail + 0.2 * patch)

        def cause(value: Array, most: float = 1.2) -> Array:
            return np.asarray(np.clip(value * (1 + rough), 0, most) ** sharpness, np.float32)

        if o.edge:
            # Noise on the distance to the edge makes the border ragged.
            to_edge = np.minimum(at["sharp"] + ragged * (0.55 * detail + 0.5 * patch), 0.2)
            score += o.edge * (4.0 * np.exp(sharpness * to_edge) + 0.15 * to_edge)
        if o.cavity:
            score += 3.0 * o.cavity * cause(at["cavity"])
        if o.contact:
            score += 3.0 * o.contact * cause(at["contact"])
        if o.welds:
            score += 3.5 * o.welds * cause(at["welds"])
        if o.rain:
            score += 7.0 * o.rain * cause(at["rain"])
        if o.splash:
            rise = (along(p, self.shape.up.astype(np.float32)) - self.shape.foot) / self.shape.splash
            edge = np.exp(ragged * (0.45 * patch + 0.4 * detail))
            score += 4.5 * o.splash * np.exp(-sharpness * np.maximum(rise, 0) * edge)
        if o.drips:
            stream = self._stream(p, at["anchor"], detail)
            length = np.exp(0.9 * stream - 0.2)
            left = np.clip(1 - (1 - at["fuel"]) / length, 0, 1)
            score += 3.0 * o.drips * at["steep"] * left * np.clip(0.45 + 0.6 * stream, 0, 1.6)
        return score if self.pattern is None else self.pattern(p, score)

    def _stream(self, p: Array, anchor: Array, detail: Array) -> Array:
        """N: how much water each column carries: noise where the way began, which changes slowly further down."""
        up = self.shape.up.astype(np.float32)
        height = along(anchor, up)
        column = anchor - (height + (height - along(p, up)) / 14)[:, None] * up
        return self.noise.at(column + 0.004 * self.scale * detail[:, None], self.scale * 0.008, self.places[10])

    def runoff(self, raster: Raster, texels: Longs, corners: Ints, level: Reals) -> Array:
        """N float32 at texels: the level from which stains run over them; above 1 where none does.

        level: V, from when each vertex wears, above 1: never. Stains come down in streaks, further the older the
        wear above is, and end raggedly.
        """
        shape = self.shape
        stains = water.stains(shape.ways, level, shape.run)
        columns = {
            "point": shape.points, "level": stains.level, "way": stains.way, "steep": shape.ways.steep,
            "anchor": shape.anchor,
        }  # fmt: skip
        table = np.column_stack(list(columns.values())).astype(np.float32)[corners]
        out = np.empty(len(texels), np.float32)
        reach = np.float32(shape.run * (0.3 + 0.7 * self.onset.drips))
        for start in range(0, len(texels), CHUNK):
            v = interpolate(raster, texels[start : start + CHUNK], table)
            p, from_level, way, steep, anchor = v[:, :3], v[:, 3], v[:, 4], v[:, 5], v[:, 6:9]
            detail = self.noise.at(p, self.cells[1], self.places[11])
            stream = self._stream(p, anchor, detail)
            late = way / (reach * np.exp(0.8 * stream + 0.15 * detail))
            dry = np.maximum(-0.2 - stream, 0) + (1 - steep) + 0.05 * np.abs(detail)
            out[start : start + CHUNK] = from_level + late + dry
        return out
