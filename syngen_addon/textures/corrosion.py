"""Corrosion, built up in layers as it grows. Imports recipe, images, numpy, cv2.

Every layer changes the wear's *age* (young, bright lepidocrocite and goethite to old, black magnetite), and colour,
roughness and height all follow from the same layers. Colour comes from the Kind's palette by age, mixed in CIE Lab.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ..images import Array, Maps
from ..recipe import Look
from .noise import blur, cells, dots, field, run_down, share, smoothstep, warp

SHEETS = 4
RUNS = (
    (0.09, -0.8, 0.05, 0.12, 0.06),
    (-0.16, -2.4, 0.05, 0.08, 0.07),
    (0.12, 1.0, 0.10, 0.05, 0.05),
    (-0.22, 1.8, -0.15, 0.05, 0.05),
)
"""Each sort of run: age, tint, dullness, length in tiles, cover at its source. Purple-brown, salmon, umber, orange."""


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
    blisters: float


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
        blisters=around(look.blisters, 2.0),
    )


def corrosion(look: Look, size: int, rng: np.random.Generator) -> Maps:
    """Rust, tileable, size x size: colour along the palette by age, height 0.5 the untouched surface."""
    # A stream for each layer: changing one leaves the others as they are, and the size shifts none.
    streams = iter([np.random.default_rng(seed) for seed in rng.integers(0, 2**63, 16)])
    temper = _temper(look, next(streams))
    f = temper.patches
    stretch = 1 + 5 * look.direction
    drawn = 1 + look.direction

    # Three warps: a broad one that makes patches flow, a fine one that frays every border, and one that lets borders
    # hang down in fingers, as what water carried does.
    s = next(streams)
    reach = temper.warp / f
    broad_x, broad_y = (field(s, size, f / 2, 3 * f, 1.5) * (reach * d) for d in (1 / drawn, drawn))
    fray_x, fray_y = (field(s, size, 12, 240, 1.1, drawn) * (0.0012 * d) for d in (1, drawn))
    dx, dy = broad_x + fray_x, broad_y + fray_y
    hang = dy
    if look.direction > 0:
        hang = dy + field(s, size, 3, 30, 1.2, 9.0) * np.float32(0.06 * look.direction)

    # The body: slow drift in age and in hue, each on its own, and a little mottling. Rust is calm between its events.
    s = next(streams)
    drift = field(s, size, 1, 4, 0.8, drawn)
    hue = field(s, size, 1, 6, 0.8, drawn)
    mottle = warp(field(s, size, 4 * f, 300, 1.0, 1 + 1.5 * look.direction), fray_x, fray_y)
    low, high = look.body
    spread = (high - low) * temper.contrast / 4
    age = (low + high) / 2 + temper.age + spread * (0.35 * drift + 0.10 * mottle)
    tint = temper.tint + 0.5 * temper.tint_patches * hue + 0.25 * mottle
    light = 0.5 * hue
    dull = np.zeros_like(age)
    height = 0.04 * drift + 0.035 * mottle
    rough = 0.62 + 0.04 * mottle

    # Sheets: each wetting left a patch with a crisp border and a hue of its own, over those before.
    s = next(streams)
    patches = np.zeros_like(age)
    step = 0.22 * look.sheets * temper.contrast
    for number in range(SHEETS):
        finer = f * 2 ** (-1.3 + 0.9 * number)
        own = warp(field(s, size, finer, 24 * finer, 1.6, stretch), dx, hang) + 0.3 * (drift if number % 2 else hue)
        older, redder = s.choice([-1.0, 1.0]) * s.uniform(0.5, 1.0), s.normal(0, 1.0)
        greyer = s.uniform(-0.15, 0.12 if older > 0 else 0.28)  # what is dark and grey turns to slate
        inside, rim = _sheet(own, s.uniform(0.12, 0.35), 0.07, 0.10)
        # Evaporation leaves most at the border; inside, a sheet is stronger the further in.
        inner = inside * (0.75 + 0.25 * np.tanh(np.maximum(own, 0)))
        weight = 0.7 ** number
        patches += weight * older * inner
        age += step * weight * (older * inner + 0.5 * s.uniform(0, 1) * rim * (0.7 + 0.3 * mottle))
        tint += 2.4 * look.sheets * temper.tint_patches * weight * redder * inner
        dull += 2 * look.sheets * weight * greyer * inner
        height += 0.16 * weight * look.sheets * (inside + 0.5 * rim) * s.uniform(-0.7, 1.0)

    # Spots where drops stood and dried: a darker disc with a darker rim.
    s = next(streams)
    count = round(90 * temper.spots)
    if count:
        disc = warp(dots(s, size, count, (0.006, 0.05), where=-drift), 0.35 * dx, 0.35 * dy) + 0.02 * mottle
        inside = smoothstep(disc, 0.05, 0.09)
        rim = inside * (1 - smoothstep(disc, 0.08, 0.28))
        shown = smoothstep(drift + hue, -1.5, 1.0)
        age += (0.05 * inside + 0.06 * rim) * shown
        tint -= 0.7 * inside * shown

    # Old crust, most of it where the body is old already; it lifts and comes off in plates.
    s = next(streams)
    strength = min(1.0, temper.flakes)
    border, own = cells(s, size, 6 * f, 1 + 0.5 * look.direction)
    border, own = warp(border, fray_x, fray_y), warp(own, fray_x, fray_y, nearest=True)
    fine_border, fine_own = cells(s, size, 22 * f, 1 + 0.5 * look.direction)
    fine_border = warp(fine_border, 0.7 * fray_x, 0.7 * fray_y)
    fine_own = warp(fine_own, 0.7 * fray_x, 0.7 * fray_y, nearest=True)
    where = warp(field(s, size, f / 2, 40 * f, 0.95, drawn), dx, dy) + 0.5 * patches + 0.4 * drift
    where += strength * (0.45 * (own - 0.5) + 0.35 * (fine_own - 0.5))  # it breaks off along its cracks
    crust = share(where, temper.crust, 0.22)
    thick = share(where, temper.crust * 0.4, 0.6)
    lifted = smoothstep(border, 0.02, 0.10)
    fine_lifted = smoothstep(fine_border, 0.03, 0.22)
    lost = 1.02 - 0.45 * min(temper.flakes, 1.0)
    gone = smoothstep(own + 0.25 * (fine_own - 0.5) + 0.05 * mottle, lost, lost + 0.05) * crust
    plates = crust - gone
    age += plates * (0.10 + 0.18 * thick + 0.06 * strength * (own - 0.5) + 0.04 * (fine_own - 0.5))
    tint -= 0.8 * plates
    age -= 0.07 * gone  # under a lost plate it is fresh
    cracks = plates * np.maximum(1 - lifted, 0.45 * (1 - fine_lifted)) * strength
    age += 0.12 * cracks
    height += plates * (0.22 + 0.25 * thick + strength * (0.30 * own * lifted + 0.12 * fine_own * fine_lifted))
    height -= 0.35 * cracks + 0.08 * gone
    rough -= plates * (0.12 + 0.16 * thick)

    # Blisters: it swells, and the largest have burst.
    s = next(streams)
    count = round(500 * temper.blisters)
    if count:
        dome = warp(dots(s, size, count, (0.003, 0.016), where=drift + 0.5 * where), 0.4 * fray_x, 0.4 * fray_y)
        swollen = np.sqrt(np.clip(1 - (1 - dome) ** 2, 0, 1)) * (dome > 0)
        burst = warp(dots(s, size, round(0.3 * count), (0.003, 0.014), where=dome), fray_x, fray_y) + 0.05 * mottle
        crater = smoothstep(burst, 0.45, 0.60)
        shell = smoothstep(burst, 0.15, 0.40) * (1 - crater)
        foot = smoothstep(dome, 0.0, 0.12) * (1 - smoothstep(dome, 0.12, 0.40))
        age += 0.05 * foot - 0.03 * swollen * (1 - crater) + 0.08 * shell + 0.08 * crater
        height += 0.35 * swollen + 0.20 * shell - 0.50 * crater
        rough -= 0.05 * swollen

    # Young powder gathers in grains along the crust's broken edges, and in places by chance.
    s = next(streams)
    edge = blur(plates, 0.0025)
    edge = 4 * edge * (1 - edge) * (1 - plates)
    speck = field(s, size, 60, 400, 0.5)
    bloom = warp(field(s, size, f, 40 * f, 1.0, stretch), dx, dy) - 0.4 * patches + 0.7 * edge
    settled = share(bloom, temper.powder, 0.9)
    powder = settled * smoothstep(speck + 1.2 * settled, 0.2, 0.9)
    age -= powder * 0.17
    age -= 0.05 * edge
    tint += 1.0 * powder
    height += powder * (0.06 + 0.05 * speck)
    rough += 0.22 * powder

    # Runs below crust and powder.
    s = next(streams)
    if look.runs > 0:
        columns = warp(field(s, size, 2, 18, 1.0, 9.0), 0.5 * broad_x, broad_y)
        gather = field(s, size, 1, 6, 1.0)
        threads = warp(field(s, size, 20, 100, 0.9, 16.0), fray_x, fray_y)
        for older, redder, greyer, length, cover in RUNS:
            source = warp(field(s, size, f / 2, 24 * f, 1.4), dx, dy) + 0.4 * (where if older > 0 else bloom)
            # What water brought dries crisp at the tip of the finger and is thinnest at its source.
            filled = _run(source, cover, length, 1.2 * columns + 0.25 * threads + 0.8 * gather)
            columns, gather = np.roll(columns, size // 3, 1), np.roll(gather, size // 2, 0)
            finger = smoothstep(filled, 0.30, 0.36)
            tip = finger * (1 - smoothstep(filled, 0.36, 0.55))
            body = finger * (0.6 + 0.12 * np.tanh(threads) + 0.3 * (1 - filled)) + 0.2 * np.minimum(filled, 1)
            age += look.runs * temper.runs * (older * body + 0.05 * tip)
            tint += look.runs * redder * body
            dull += look.runs * greyer * body
            rough -= 0.3 * look.runs * older * body
            height += look.runs * 0.06 * (finger + 0.5 * tip) * (1 if older < 0 else -0.6)

    # Pits, thickest in the crust, each with fresh rust washed out of it.
    s = next(streams)
    count = round(900 * temper.pits)
    if count:
        cone = dots(s, size, count, (0.0012, 0.010), 1 + look.direction, where + 0.6 * bloom)
        cone = warp(cone, fray_x, fray_y)
        cone = cone + 0.08 * mottle * (cone > 0)
        pit = smoothstep(cone, 0.35, 0.60)
        age += 0.24 * pit - 0.05 * smoothstep(cone, 0.0, 0.3) * (1 - pit)
        height -= 0.60 * smoothstep(cone, 0.25, 0.75)
        rough += 0.08 * pit

    # Grain: fine, uneven in strength, with the dark gaps between the grains deeper than the grains are high.
    s = next(streams)
    grain = field(s, size, 80, 520, 0.30)
    grain = grain - 0.22 * (grain * grain - 1)
    coarse = field(s, size, 24, 160, 0.5, drawn)
    uneven = (0.45 + 0.35 * powder + 0.8 * share(0.7 * hue + coarse + 0.5 * mottle, 0.35, 1.5)) * temper.grain
    light += uneven * (0.85 * grain + 0.35 * coarse)
    height += uneven * (0.075 * grain + 0.055 * coarse)
    rough += uneven * 0.03 * grain

    # Bare metal glints on the high, thin places.
    s = next(streams)
    metal = np.zeros_like(age)
    if look.bare > 0:
        thin = warp(field(s, size, 2 * f, 400, 0.9, stretch), fray_x, fray_y) - 0.8 * patches - 1.2 * crust - powder
        metal = share(thin, look.bare, 0.35)
        rough -= 0.4 * metal
        height += metal * (0.05 - 0.3 * height)

    # Old is denser and smoother; powder is matt.
    rough -= 0.75 * (age - (low + high) / 2)
    # A faint darkening of what lies lower than its surroundings; the rest of the shading is left to the light.
    cavity = np.clip(blur(height, 0.004) - height, -0.3, 0.5)
    light -= 4.0 * cavity
    color = _color(look, age, tint, light, np.clip(dull, -0.15, 0.3))
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


def _sheet(values: Array, fraction: float, softness: float, width: float) -> tuple[Array, Array]:
    """(inside, rim): 1 on the highest fraction of the values; and along its border, outside, as wide as width says."""
    threshold = float(np.quantile(values[::3, ::3], 1 - fraction))
    inside = smoothstep(values, threshold - softness / 2, threshold + softness / 2)
    outer = smoothstep(values, threshold - width - softness, threshold - softness / 2)
    return inside, outer * (1 - inside)


def _run(source: Array, fraction: float, length: float, columns: Array) -> Array:
    """0 to 1: the stain under the highest `fraction` of the source, fading over `length` tiles. Columns (a field drawn
    out along the vertical) take more or less of it: it ends in fingers."""
    filled = run_down(share(source, fraction, 0.15), length) * np.float32(length / 0.02)
    return np.asarray(1 - np.exp(-filled * np.exp(0.9 * columns - 0.4)), np.float32)


def _color(look: Look, age: Array, tint: Array, light: Array, dull: Array) -> Array:
    """sRGB by age along the palette, leant to red or yellow by tint and lightened by light (both Lab units).

    dull: the share of its chroma that it loses.
    """
    palette = np.array(look.colors_srgb, np.float32)[None]
    stops = cv2.cvtColor(palette, cv2.COLOR_RGB2LAB)[0]
    at = np.linspace(0, 1, 1024)
    ramp = np.stack([np.interp(at, np.linspace(0, 1, len(stops)), c) for c in stops.T], 1).astype(np.float32)
    # Soft ends, so that the youngest and oldest places keep their detail.
    t = 0.5 + 0.5 * np.tanh(2.2 * (age - 0.5)) / np.tanh(1.1)
    lab = ramp[np.clip(t * 1023, 0, 1023).astype(np.int32)]
    tint = 5.0 * np.tanh(tint / 5.0)  # rust is never crimson nor green
    lab[..., 1:] *= (1 - dull)[..., None]
    # Dark places hold less chroma and show less contrast.
    depth = np.clip(lab[..., 0] / 28, 0.3, 1.3)
    lab[..., 0] += light * depth
    lab[..., 1] += (0.15 * light - 0.8 * tint) * depth
    lab[..., 2] += (0.25 * light + 0.4 * tint) * depth
    # Fine dust of every hue lies over all of it: hue changes more softly than lightness does.
    for channel in (1, 2):
        plane = np.ascontiguousarray(lab[..., channel])
        lab[..., channel] = 0.5 * plane + 0.5 * blur(plane, 0.0014)
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1), np.float32)
