"""Corrosion, built up in layers as it grows. Imports recipe, images, numpy, cv2.

Every layer changes the wear's *age* (young, bright lepidocrocite and goethite to old, black magnetite), and colour,
roughness and height all follow from the same layers. Colour comes from the Kind's palette by age, mixed in CIE Lab.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ..images import Array, Maps
from ..recipe import Look
from .noise import blur, cells, dots, field, run_down, share, smoothstep, terraces, warp


@dataclass(frozen=True)
class _Temper:
    """What sets one texture of a kind apart from another: drawn once a texture."""

    patches: float
    """Frequency of the patches, cycles a tile."""
    warp: float
    age: float
    """Added to the age of the body."""
    tint: float
    """Overall lean from red (-) to yellow (+), in Lab units."""
    tint_patches: float
    powder: float
    crust: float
    flakes: float
    pits: float
    spots: float
    runs: float
    contrast: float
    terrace: float
    grain: float


def _temper(look: Look, rng: np.random.Generator) -> _Temper:
    def around(value: float, factor: float) -> float:
        return float(value * factor ** rng.uniform(-1, 1))

    return _Temper(
        patches=around(8 / look.scale, 2.0),
        warp=around(0.025, 1.5),
        age=float(rng.uniform(-0.13, 0.13)),
        tint=float(rng.uniform(-1.5, 2.0)),
        tint_patches=around(1.9, 1.5),
        powder=min(0.5, around(look.powder, 2.2)),
        crust=min(0.8, around(look.crust, 2.4)),
        flakes=around(look.flakes, 2.0),
        pits=around(look.pits, 2.0),
        spots=around(look.spots, 2.5),
        runs=around(look.runs, 1.4),
        contrast=around(0.5 + look.contrast, 1.45),
        terrace=float(rng.uniform(0.25, 0.85)),
        grain=around(look.grain, 1.25),
    )


def corrosion(look: Look, size: int, rng: np.random.Generator) -> Maps:
    """Rust, tileable, size x size: colour along the palette by age, height 0.5 the untouched surface."""
    # A stream for each layer: changing one leaves the others as they are, and the size shifts none.
    streams = iter([np.random.default_rng(seed) for seed in rng.integers(0, 2**63, 16)])
    temper = _temper(look, next(streams))
    f = temper.patches
    stretch = 1 + 4 * look.direction
    drawn = 1 + 2 * look.direction

    # Two warps: a broad one that makes patches flow, a fine one that frays every border.
    s = next(streams)
    reach = temper.warp / f
    broad_x, broad_y = (field(s, size, f / 2, 3 * f, 1.5) * (reach * d) for d in (1 / drawn, drawn))
    fray_x, fray_y = (field(s, size, 12, 240, 1.1, drawn) * (0.0011 * d) for d in (1, drawn))
    dx, dy = broad_x + fray_x, broad_y + fray_y

    # The body: slow drift, patches with plateaus, fine mottling; and a second, independent family of patches in hue.
    s = next(streams)
    drift = field(s, size, 1, f / 2, 1.0, drawn)
    patches = warp(field(s, size, f / 2, 12 * f, 1.35, stretch), dx, dy)
    patches = 0.3 * patches + 0.7 * terraces(patches, 0.9, temper.terrace)
    mottle = warp(field(s, size, 4 * f, 300, 1.1, 1 + look.direction), fray_x, fray_y)
    low, high = look.body
    spread = (high - low) * temper.contrast / 4
    age = (low + high) / 2 + temper.age + spread * (0.4 * drift + 0.45 * patches + 0.18 * mottle)
    s = next(streams)
    hue = warp(field(s, size, f / 2, 20 * f, 1.3, stretch), dy, dx)
    tint = temper.tint + temper.tint_patches * temper.contrast * terraces(hue, 1.1, temper.terrace)
    light = 0.7 * hue
    height = 0.10 * patches + 0.05 * mottle
    rough = 0.5 + 0.07 * mottle - 0.08 * patches

    # Spots where drops stood and dried: a darker disc with a darker rim.
    s = next(streams)
    count = round(90 * temper.spots)
    if count:
        disc = warp(dots(s, size, count, (0.008, 0.05), where=-drift), 0.35 * dx, 0.35 * dy) + 0.03 * mottle
        inside = smoothstep(disc, 0.05, 0.12)
        rim = inside * (1 - smoothstep(disc, 0.10, 0.45))
        age += (0.08 * inside + 0.07 * rim) * smoothstep(drift + hue, -1.5, 1.0)
        tint -= 0.8 * inside

    # Old crust, most of it where the body is old already; it lifts and comes off in plates.
    s = next(streams)
    strength = min(1.0, temper.flakes)
    border, own = cells(s, size, 5 * f, 1 + look.direction)
    border, own = warp(border, fray_x, fray_y), warp(own, fray_x, fray_y, nearest=True)
    where = warp(field(s, size, f / 2, 32 * f, 1.15, drawn), dx, dy) + 0.5 * patches + 0.4 * drift
    where += 0.7 * strength * (own - 0.5)  # it breaks off along its cracks
    crust = share(where, temper.crust, 0.55)
    thick = share(where, temper.crust * 0.45, 1.2)
    lifted = smoothstep(border, 0.02, 0.12)
    gone = smoothstep(own + 0.12 * mottle, 1.02 - 0.55 * min(temper.flakes, 1.0), 1.08 - 0.55 * min(temper.flakes, 1.0))
    plates = crust * (1 - gone)
    age += plates * (0.10 + 0.14 * thick + 0.06 * strength * (own - 0.5)) - 0.02 * crust * gone
    cracks = crust * (1 - lifted) * strength
    age += 0.15 * cracks
    height += plates * (0.18 + 0.30 * thick + strength * (0.35 * own * lifted)) - 0.25 * cracks - 0.22 * crust * gone
    rough -= 0.14 * plates - 0.10 * crust * gone

    # Young powder blooms at the crust's borders and by chance, in grains.
    s = next(streams)
    rand = crust * (1 - crust) * 4
    speck = field(s, size, 40, 400, 0.6)
    bloom = field(s, size, f, 32 * f, 1.0, stretch)
    bloom = warp(bloom, dx, dy) + 0.25 * rand + 0.25 * speck - 0.5 * patches
    powder = share(bloom, temper.powder, 1.6)
    age -= powder * (0.16 + 0.04 * speck)
    tint += 1.2 * powder
    height += powder * (0.05 + 0.05 * speck)
    rough += 0.28 * powder

    # Runs below crust and powder.
    if temper.runs > 0:
        s = next(streams)
        columns = field(s, size, 6, 70, 1.2, 12.0)
        thread = np.clip(0.75 + 0.25 * columns, 0, 1.5)
        dark = _runs(where + field(s, size, f, 24 * f, 1.0, 0.6), 0.03, 0.14, 0.02) * thread
        bright = _runs(field(s, size, f / 3, 32 * f, 1.0, 0.6) + 0.4 * columns, 0.04, 0.30, 0.03) * thread
        old = _runs(field(s, size, f / 3, 32 * f, 1.0, 0.6) - 0.4 * columns, 0.03, 0.40, 0.03) * thread
        # The water's edge dries crisp: runs that overlap close up to sheets that end in fingers.
        bright, old = (0.5 * x + 0.5 * smoothstep(x + 0.06 * mottle, 0.42, 0.52) for x in (bright, old))
        age += temper.runs * (0.24 * dark + 0.20 * old - 0.24 * bright - 0.05)
        tint += temper.runs * (2.0 * bright - 2.4 * old)
        rough += temper.runs * 0.12 * (bright - dark)
        height += temper.runs * 0.06 * (bright - dark)
    else:
        next(streams)

    # Pits, thickest in the crust.
    s = next(streams)
    count = round(900 * temper.pits)
    if count:
        cone = dots(s, size, count, (0.0012, 0.011), 1 + look.direction, where + 0.6 * bloom)
        pit = warp(cone, fray_x, fray_y)
        pit = smoothstep(pit + 0.08 * mottle * (pit > 0), 0.1, 0.7)
        age += 0.24 * pit
        height -= 0.55 * pit
        rough += 0.12 * pit

    # Grain: fine, uneven in strength, with the dark gaps between the grains deeper than the grains are high.
    s = next(streams)
    grain = field(s, size, 60, 520, 0.35)
    grain = grain - 0.18 * (grain * grain - 1)
    coarse = field(s, size, 24, 160, 0.5, drawn)
    uneven = (0.55 + 0.35 * powder + 0.45 * share(coarse + mottle, 0.4, 1.5)) * temper.grain
    light += uneven * (1.1 * grain + 0.5 * coarse)
    age -= uneven * 0.006 * grain
    height += uneven * (0.10 * grain + 0.12 * coarse)
    rough += uneven * 0.03 * grain

    # Bare metal glints on the high, thin places.
    s = next(streams)
    metal = np.zeros_like(age)
    if look.bare > 0:
        thin = warp(field(s, size, 2 * f, 400, 0.9, stretch), fray_x, fray_y) - 0.8 * patches - 1.2 * crust - powder
        metal = share(thin, look.bare, 0.35)
        rough -= 0.4 * metal
        height += metal * (0.05 - 0.3 * height)

    # A faint darkening of what lies lower than its surroundings; the rest of the shading is left to the light.
    cavity = np.clip(blur(height, 0.004) - height, -0.3, 0.5)
    light -= 4.5 * cavity
    color = _color(look, age, tint, light)
    if look.bare > 0:
        steel = np.array(look.bare_srgb, np.float32) * (1 + 0.05 * grain[..., None])
        color += (0.7 * metal[..., None]) * (steel - color)
    low, high = look.roughness
    return Maps(
        color_srgb=np.clip(color, 0, 1).astype(np.float32),
        roughness=(low + (high - low) * np.clip(rough, 0, 1)).astype(np.float32),
        metallic=(look.metallic * metal).astype(np.float32),
        height=np.clip(0.5 + 0.5 * look.relief * np.tanh(height), 0, 1).astype(np.float32),
    )


def _runs(source: Array, fraction: float, length: float, depth: float) -> Array:
    """0 to 1: the stain under the highest `fraction` of the source, `length` tiles long; a source of `depth` tiles
    fills its run."""
    filled = run_down(share(source, fraction, 0.3), length) * np.float32(length / depth)
    return np.asarray(1 - np.exp(-filled), np.float32)


def _color(look: Look, age: Array, tint: Array, light: Array) -> Array:
    """sRGB by age along the palette, leant to red or yellow by tint and lightened by light (both Lab units)."""
    palette = np.array(look.colors_srgb, np.float32)[None]
    stops = cv2.cvtColor(palette, cv2.COLOR_RGB2LAB)[0]
    at = np.linspace(0, 1, 1024)
    ramp = np.stack([np.interp(at, np.linspace(0, 1, len(stops)), c) for c in stops.T], 1).astype(np.float32)
    # Soft ends, so that the youngest and oldest places keep their detail.
    t = 0.5 + 0.5 * np.tanh(2.2 * (age - 0.5)) / np.tanh(1.1)
    lab = ramp[np.clip(t * 1023, 0, 1023).astype(np.int32)]
    tint = 4.0 * np.tanh(tint / 4.0)  # rust is never crimson nor green
    # Dark places hold less chroma and show less contrast.
    depth = np.clip(lab[..., 0] / 28, 0.3, 1.3)
    lab[..., 0] += light * depth
    lab[..., 1] += (0.15 * light - 0.6 * tint) * depth
    lab[..., 2] += (0.35 * light + 0.3 * tint) * depth
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1), np.float32)
