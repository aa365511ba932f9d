"""What grows on a surface: algae, moss, lichen. Imports recipe, images, numpy, textures' own modules.

A slimy film spreads first; cushions rise on it, each of many tufts, each tuft of fibres; old cushions die back brown.
The palette runs from the bright tips of young growth to the dark ground between.
"""

import numpy as np

from ..images import Maps
from ..recipe import Look
from .noise import blur, cells, dots, field, share, smoothstep, warp
from .palette import lab_of, lab_ramp, mixed, srgb_of


def growth(look: Look, size: int, rng: np.random.Generator) -> Maps:
    """Growth, tileable, size x size: colour along the palette, height 0.5 the untouched surface, cushions above it.

    Of Look, here: crust, share under cushions, the rest is film; flakes, how far they break up into tufts; powder,
    share that died back, in bare_srgb; spots, how thickly lichen is strewn, in the palette's first colour; grain, the
    fibres; body and contrast, how colour varies from cushion to cushion. Pits, runs and metal play no part.
    """
    streams = iter([np.random.default_rng(seed) for seed in rng.integers(0, 2**63, 12)])
    s = next(streams)

    def around(value: float, factor: float) -> float:
        return float(value * factor ** s.uniform(-1, 1))

    f = around(7 / look.scale, 1.5)
    shift, lean = s.uniform(-0.10, 0.10), s.normal(0, 1.5, 2)
    cover, dead = min(0.92, around(look.crust, 1.25)), min(0.5, around(look.powder, 2.0))
    spots = around(look.spots, 2.0)
    contrast = around(0.5 + look.contrast, 1.3)
    low, high = look.body

    s = next(streams)
    fray_x, fray_y = (field(s, size, 14, 140, 1.2) * 0.0022 for _ in range(2))
    flow_x, flow_y = (field(s, size, f / 2, 4 * f, 1.4) * (0.05 / f) for _ in range(2))
    dx, dy = flow_x + fray_x, flow_y + fray_y

    # The film: uneven slime with wet and dry places.
    s = next(streams)
    drift = field(s, size, 1, f, 1.0)
    slime = warp(field(s, size, f / 2, 140, 1.2), dx, dy)
    speck = field(s, size, 40, 240, 0.7)

    # Cushions: domes of two sizes, cut into tufts.
    s = next(streams)
    big, own = (warp(x, dx, dy, nearest=i == 1) for i, x in enumerate(cells(s, size, 2.2 * f)))
    small, own_small = (warp(x, fray_x, fray_y, nearest=i == 1) for i, x in enumerate(cells(s, size, 7.0 * f)))
    tuft, own_tuft = (warp(x, fray_x, fray_y, nearest=i == 1) for i, x in enumerate(cells(s, size, 11 * f)))
    where = warp(field(s, size, f / 2, 14 * f, 1.3), dx, dy) + 0.8 * (own - 0.5) + 0.5 * (own_small - 0.5) + 0.4 * drift
    grown = share(where, cover, 0.55)
    dome = np.sqrt(np.clip(big * 1.6, 0, 1)) * (0.6 + 0.4 * own) + 0.55 * np.sqrt(np.clip(small * 1.8, 0, 1))
    tufts = np.sqrt(np.clip(tuft * 2.0, 0, 1)) * (0.7 + 0.3 * own_tuft)
    body = grown * (0.25 + 0.55 * dome + 0.40 * look.flakes * tufts)

    # Fibres: short strands that lie a way of their own on each tuft, drawn by reading noise along that way.
    s = next(streams)
    angle = 2 * np.pi * blur(own_tuft, 0.003) + 1.5 * field(s, size, 20, 60, 1.0)
    strands = np.zeros_like(body)
    raw = field(s, size, 20, 110, 0.4)
    for step in np.linspace(-1, 1, 7):
        strands += warp(raw, np.cos(angle) * np.float32(0.009 * step), np.sin(angle) * np.float32(0.009 * step))
    strands /= strands.std() + 1e-6
    fibre = look.grain * strands * (0.35 + 0.65 * grown)

    # Ages: the tips are young, the gaps between tufts and the film are old; each cushion has a colour of its own.
    s = next(streams)
    hue = warp(field(s, size, f / 2, 10 * f, 1.2), dy, dx)
    apart = 0.5 * (own - 0.5) + 0.45 * (own_small - 0.5) - 0.15 * hue
    age = (low + high) / 2 + shift + (high - low) * contrast * blur(apart, 0.002)
    age += 0.26 - 0.30 * body - 0.06 * fibre * (0.4 + grown) - 0.08 * grown * (tufts - 0.5) - 0.07 * slime * (1 - grown)
    light = 1.4 * fibre + 0.7 * speck - 2.0 * (1 - grown)
    lab = lab_ramp(look.colors_srgb, age)
    lab[..., 1] += 0.6 * lean[0] + 0.8 * hue
    lab[..., 2] += lean[1] - 1.2 * hue

    # Died back: whole cushions, from their middle.
    s = next(streams)
    withered = grown * share(field(s, size, f, 8 * f, 1.0) + 1.2 * own_small + 0.4 * tufts, dead, 0.9)
    brown = lab_of(look.bare_srgb)
    lab = mixed(lab, brown + (lab - brown) * np.array([0.75, 0.2, 0.3], np.float32), 0.85 * withered)

    # Lichen: pale, flat rosettes with a lobed rim.
    s = next(streams)
    count = round(60 * spots)
    height = body + 0.10 * fibre + 0.05 * slime * (1 - grown) + 0.04 * speck
    if count:
        rosette = warp(dots(s, size, count, (0.006, 0.035), where=-where), 0.6 * dx, 0.6 * dy)
        rosette = smoothstep(rosette + 0.06 * speck * (rosette > 0), 0.05, 0.14) * (0.4 + 0.6 * (1 - grown))
        pale = lab_of(look.colors_srgb[0])
        lab = mixed(lab, pale + np.array([6.0, 2.0, -6.0], np.float32), 0.5 * rosette)
        height += 0.12 * rosette
    light -= 9.0 * np.clip(blur(height, 0.008) - blur(height, 0.0015), -0.25, 0.5)
    lab[..., 0] += light

    rough = 0.45 + 0.35 * grown + 0.10 * fibre + 0.12 * slime * (1 - grown)
    low, high = look.roughness
    return Maps(
        color_srgb=srgb_of(lab),
        roughness=np.asarray(low + (high - low) * np.clip(rough, 0, 1), np.float32),
        metallic=np.zeros_like(body),
        height=np.asarray(np.clip(0.5 + 0.5 * look.relief * np.tanh(1.1 * height - 0.35), 0, 1), np.float32),
        cover=np.asarray(np.clip(grown + (1 - grown) * (0.35 + 0.25 * np.tanh(slime)), 0, 1), np.float32),
    )
