"""What lies bare where paint is gone: metal, primer, first rust. Imports recipe, images, numpy, textures' own modules.

Steel as it was rolled or brushed, in bare_srgb, at the bottom; patches of primer left on it, in the palette's first
colour; and flash rust, which blooms in spots and along the primer's borders, in the palette's last colours.
"""

import numpy as np

from ..images import Maps
from ..recipe import Look
from .noise import blur, dots, field, share, smoothstep, warp
from .palette import lab_of, lab_ramp, mixed, srgb_of


def bare(look: Look, size: int, rng: np.random.Generator) -> Maps:
    """Bare metal, tileable, size x size: metallic where it shows, height 0.5 the metal, primer above it.

    Of Look, here: powder, share under primer; crust, share under flash rust; pits and spots, how thickly it is strewn
    with pits and with rust spots; direction, how far it is brushed (along the horizontal); grain, the brushing's
    strength; body, the ages of the rust along the palette. Flakes and runs play no part.
    """
    streams = iter([np.random.default_rng(seed) for seed in rng.integers(0, 2**63, 12)])
    s = next(streams)

    def around(value: float, factor: float) -> float:
        return float(value * factor ** s.uniform(-1, 1))

    f = around(8 / look.scale, 1.6)
    shade, lean = s.uniform(-4, 4), s.normal(0, 0.7, 2)
    primer_share, rust_share = min(0.8, around(look.powder, 1.6)), min(0.8, around(look.crust, 1.6))
    contrast = around(0.5 + look.contrast, 1.4)
    pits, spots = around(look.pits, 1.8), around(look.spots, 1.8)
    brushed = 1 + 40 * look.direction

    s = next(streams)
    fray_x, fray_y = (field(s, size, 12, 240, 1.0) * 0.0014 for _ in range(2))
    flow_x, flow_y = (field(s, size, f / 2, 4 * f, 1.4) * (0.03 / f) for _ in range(2))
    dx, dy = flow_x + fray_x, flow_y + fray_y

    # Metal: tarnish in clouds, brushing along the horizontal, a few deep scores.
    s = next(streams)
    tarnish = warp(field(s, size, f / 2, 30 * f, 1.2), dx, dy)
    lines = field(s, size, 30, 300, 0.7, 1 / brushed)
    scores = share(field(s, size, 12, 220, 0.7, 1 / (1 + 2 * (brushed - 1))), 0.02, 0.6)
    cloud = field(s, size, 1, f, 1.0)
    grain = field(s, size, 40, 300, 0.7)
    metal = np.empty((size, size, 3), np.float32)
    metal[:] = lab_of(look.bare_srgb)
    metal[..., 0] += shade + contrast * (3.0 * tarnish + 2.2 * cloud) + look.grain * (2.6 * lines + 0.8 * grain)
    metal[..., 0] += 7.0 * scores
    metal[..., 1] += 0.3 * lean[0] + 0.4 * tarnish
    metal[..., 2] += 0.5 * lean[1] - 0.9 * tarnish
    height = look.grain * (0.10 * lines + 0.05 * grain) - 0.35 * scores
    rough = 0.22 - 0.06 * tarnish + 0.05 * lines

    # Primer, worn through along its borders; it stands a film's thickness above the metal.
    s = next(streams)
    where = warp(field(s, size, f / 2, 24 * f, 1.4), dx, dy)
    primer = share(where, primer_share, 0.3)
    thin = share(where + 0.35 * field(s, size, 20, 300, 0.8), primer_share * 1.25, 0.5)
    matt = field(s, size, 40, 420, 0.5)
    film = np.empty_like(metal)
    film[:] = lab_of(look.colors_srgb[0])
    film[..., 0] += 1.2 * matt + 1.5 * cloud
    lab = mixed(metal, film, np.maximum(primer, 0.35 * thin))
    height += 0.45 * primer + primer * 0.05 * matt
    rough += 0.5 * primer

    # Flash rust: a bloom on the metal, densest beside the primer and where moisture stood, and spots.
    s = next(streams)
    speck = field(s, size, 30, 240, 0.9)
    border = 4 * thin * (1 - thin)
    bloom = warp(field(s, size, f / 2, 30 * f, 1.3), dx, dy) + 0.4 * border + 0.35 * speck - 0.3 * where
    rust = share(bloom, 0.75 * rust_share, 1.7) * (1 - 0.85 * primer)
    count = round(160 * spots)
    if count:
        disc = warp(dots(s, size, count, (0.0025, 0.02), where=bloom), fray_x, fray_y)
        disc = smoothstep(disc + 0.15 * speck * (disc > 0), 0.1, 0.5)
        rust = np.maximum(rust, disc * (1 - 0.5 * primer))
    low, high = look.body
    age = (low + high) / 2 + (high - low) * contrast * (0.30 * bloom + 0.10 * speck) + 0.1 * smoothstep(rust, 0.5, 1)
    # Orange where it is thin, brown where it has been longest; it fades out over the metal as a stain.
    age += 0.28 * (smoothstep(rust, 0.35, 1.0) - 0.5)
    stain = share(blur(bloom, 0.004), min(0.9, rust_share * 1.7), 1.8) * (1 - 0.9 * primer)
    lab = mixed(lab, lab_ramp(look.colors_srgb, np.full_like(age, low)), 0.30 * stain)
    lab = mixed(lab, lab_ramp(look.colors_srgb, age), 0.92 * rust)
    height += rust * (0.10 + 0.16 * speck)
    rough += 0.6 * rust

    # Pits, each with its dot of rust.
    s = next(streams)
    count = round(800 * pits)
    pit = np.zeros_like(rust)
    if count:
        pit = smoothstep(warp(dots(s, size, count, (0.001, 0.006), where=bloom), fray_x, fray_y), 0.1, 0.6)
        height -= 0.6 * pit
        rough += 0.3 * pit

    lab[..., 0] -= 5.0 * np.clip(blur(height, 0.004) - height, -0.3, 0.6) + 6.0 * pit
    low, high = look.roughness
    shows = (1 - primer) * (1 - rust) * (1 - pit)
    return Maps(
        color_srgb=srgb_of(lab),
        roughness=np.asarray(low + (high - low) * np.clip(rough, 0, 1), np.float32),
        metallic=np.asarray(look.metallic * shows, np.float32),
        height=np.asarray(np.clip(0.5 + 0.5 * look.relief * np.tanh(height), 0, 1), np.float32),
    )
