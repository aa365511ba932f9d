"""Thin films on a surface: dirt, grease, oil, chalk. Imports recipe, images, numpy, textures' own modules.

What lies on it is a thickness, from which colour, roughness and height follow: films dry to rims, run down, gather grit
and cake where they are thick. The palette runs from where it is thinnest to where it is thickest.
"""

import numpy as np

from ..images import Array, Maps
from ..recipe import Look
from .noise import blur, dots, field, run_down, share, smoothstep, terraces, warp
from .palette import lab_ramp, srgb_of


def film(look: Look, size: int, rng: np.random.Generator) -> Maps:
    """A film, tileable, size x size: colour along the palette by thickness; height 0.5 is untouched.

    Of Look, here: body, the thicknesses between which it varies; powder, share under loose, light dust; crust, share
    that is caked; flakes, how far the cake has broken up; pits, how thickly grit is strewn; spots, how thickly drops
    dried to rings; runs, what ran down; direction, how far it is drawn out along the vertical. There is no metal in it.
    """
    # A stream for each layer: changing one leaves the others as they are, and the size shifts none.
    streams = iter([np.random.default_rng(seed) for seed in rng.integers(0, 2**63, 12)])
    s = next(streams)

    def around(value: float, factor: float) -> float:
        return float(value * factor ** s.uniform(-1, 1))

    f = around(8 / look.scale, 1.8)
    shift, lean = s.uniform(-0.12, 0.12), s.normal(0, 0.8, 2)
    contrast, level = around(0.5 + look.contrast, 1.4), s.uniform(0.3, 0.8)
    powder, crust = min(0.6, around(look.powder, 1.8)), min(0.8, around(look.crust, 1.8))
    pits, spots, runs = around(look.pits, 1.8), around(look.spots, 1.8), around(look.runs, 1.3)
    stretch = 1 + 5 * look.direction

    s = next(streams)
    fray_x, fray_y = (field(s, size, 10, 200, 1.1) * 0.0016 for _ in range(2))
    flow_x, flow_y = (field(s, size, f / 2, 3 * f, 1.5) * (0.035 / f) for _ in range(2))
    dx, dy = flow_x + fray_x, flow_y + fray_y

    s = next(streams)
    drift = field(s, size, 1, f, 1.0, stretch)
    patches = warp(field(s, size, f / 2, 16 * f, 1.3, stretch), dx, dy)
    patches = 0.4 * patches + 0.6 * terraces(patches, 1.0, level)  # a film dries in sheets with borders
    mottle = warp(field(s, size, 3 * f, 320, 1.05, 1 + look.direction), fray_x, fray_y)
    hue = warp(field(s, size, f / 2, 12 * f, 1.2, stretch), dy, dx)
    low, high = look.body
    thick = (low + high) / 2 + shift + (high - low) * contrast / 4 * (0.45 * drift + 0.5 * patches + 0.25 * mottle)
    light = 1.2 * hue
    height = 0.12 * patches + 0.06 * mottle
    rough = 0.45 + 0.10 * mottle - 0.12 * patches

    # Runs: threads with a crisp edge that carry the film down and leave it thickest along their borders.
    s = next(streams)
    if runs > 0:
        columns = field(s, size, 5, 60, 1.1, 14.0)
        source = field(s, size, f / 2, 24 * f, 1.0, 0.7) + 0.9 * columns
        long = _runs(source, 0.05, 0.30, 0.03)
        short = _runs(field(s, size, f, 30 * f, 1.0, 0.7) + 0.6 * columns, 0.05, 0.10, 0.02)
        wet = np.clip(long + 0.6 * short, 0, 1)
        edge = smoothstep(wet + 0.05 * mottle, 0.30, 0.42)
        rim = edge * (1 - smoothstep(wet, 0.42, 0.70))
        thick += runs * (0.30 * edge * wet + 0.10 * rim - 0.07)
        height += runs * (0.30 * edge * wet + 0.10 * rim)
        rough -= runs * 0.35 * edge * wet

    # Rings where drops stood and dried.
    s = next(streams)
    count = round(120 * spots)
    if count:
        disc = warp(dots(s, size, count, (0.006, 0.045), where=drift), 0.4 * dx, 0.4 * dy) + 0.025 * mottle
        inside = smoothstep(disc, 0.04, 0.10)
        rim = inside * (1 - smoothstep(disc, 0.08, 0.28))
        faint = 0.5 + 0.5 * smoothstep(hue, -1.0, 1.2)
        thick += faint * (0.10 * inside + 0.14 * rim)
        height += faint * 0.10 * rim
        rough -= 0.10 * inside * faint

    # The cake: thick, with a border one sees, broken into crumbs.
    s = next(streams)
    where = warp(field(s, size, f / 2, 40 * f, 1.05, stretch), dx, dy) + 0.5 * patches
    cake = share(where, crust, 0.5)
    crumbs = field(s, size, 30, 200, 0.7)
    broken = smoothstep(crumbs, 1.6 - 2.2 * look.flakes, 2.0 - 1.6 * look.flakes) if look.flakes else 0.0 * crumbs
    kept = cake * (1 - broken)
    thick += kept * (0.20 + 0.05 * crumbs)
    height += kept * (0.30 + 0.22 * crumbs)
    rough += 0.10 * kept

    # Dust, loose and light, in what is left.
    s = next(streams)
    speck = field(s, size, 50, 420, 0.5)
    dust = share(warp(field(s, size, f, 40 * f, 0.9), dx, dy) + 0.3 * speck - 0.4 * cake, powder, 1.8)
    thick -= dust * (0.20 + 0.05 * speck)
    light += 2.0 * dust
    height += dust * 0.06 * speck
    rough += 0.25 * dust

    # Grit that sticks in it.
    s = next(streams)
    count = round(1100 * pits)
    if count:
        grit = warp(dots(s, size, count, (0.0011, 0.006), where=where), fray_x, fray_y)
        grain = smoothstep(grit, 0.1, 0.6)
        thick += 0.22 * grain
        height += 0.45 * grain
        rough += 0.15 * grain

    s = next(streams)
    grain = field(s, size, 60, 520, 0.4)
    coarse = field(s, size, 20, 160, 0.6, 1 + look.direction)
    strength = look.grain * (0.6 + 0.4 * share(coarse, 0.4, 1.5))
    light += strength * (1.3 * grain + 0.7 * coarse)
    height += strength * (0.09 * grain + 0.09 * coarse)
    rough += strength * 0.05 * grain

    light -= 3.5 * np.clip(blur(height, 0.004) - height, -0.3, 0.5)
    lab = lab_ramp(look.colors_srgb, thick)
    lab[..., 0] += light
    lab[..., 1] += 0.5 * lean[0] + 0.5 * hue
    lab[..., 2] += 0.8 * lean[1] + 0.9 * hue
    low, high = look.roughness
    return Maps(
        color_srgb=srgb_of(lab),
        roughness=np.asarray(low + (high - low) * np.clip(rough, 0, 1), np.float32),
        metallic=np.zeros_like(rough),
        height=np.asarray(np.clip(0.5 + 0.5 * look.relief * np.tanh(height), 0, 1), np.float32),
        cover=np.asarray(0.5 + 0.5 * np.tanh(2.2 * (thick - thick.mean()) + 0.10 * grain), np.float32),
    )


def _runs(source: Array, fraction: float, length: float, depth: float) -> Array:
    """0 to 1: what runs down from the highest `fraction` of the source, `length` tiles long."""
    filled = run_down(share(source, fraction, 0.3), length) * np.float32(length / depth)
    return np.asarray(1 - np.exp(-filled), np.float32)
