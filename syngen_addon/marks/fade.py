"""How marks look when what is round them has worn away: faded, chalky, scratched and flaked, their shape unchanged.

Imports numpy, OpenCV, images and recipe; never bpy. Weather takes colour and contrast from printed films and paints and
leaves their outlines: pigments bleach, blacks go grey as the binder chalks, whites yellow (the terms of ISO 4628-1 and
-6). Damage is fine next to the strokes, so a reader, human or not, still reads the mark.
"""

import cv2
import numpy as np
from numpy.random import Generator

from .. import images
from ..images import Array, Maps, Mask
from ..recipe import Marks

SIDE = 1024
"""Texels across a texture for which the widths below are meant; on others they grow with it."""
CHALK_LAB = (74.0, 0.5, 13.0)
"""Of chalked paint: light, greyish, yellow."""
CONTRAST, CHALKED, SATURATION, DIRT = 0.34, 0.30, 0.50, 0.22
"""At fade 1: what goes of the contrast, towards chalk and of the saturation; how much of wear's colour settles."""
PRINTED_LAB = 25.0
"""Difference from the ground from which a texel counts as printed."""
FLAKES = 0.09
"""Share of the marks that has come off in bits at fade 1."""
SCRATCHES = 5.0
"""Scratches at fade 1, for each square of SIDE / 16 texels that is marked."""


def faded(base_srgb: Array, marks: Mask, wear: Maps, settings: Marks, rng: Generator) -> Array:
    """The base texture (H x W x 3, sRGB) with its marks (H x W) as they are at level 1; every other texel unchanged.

    settings.fade: how far they fade and are scratched, 0 leaves them as they are. wear: the wear texture, any size;
    dirt of its colour settles on them, and shows where bits have come off.
    """
    base = np.ascontiguousarray(base_srgb[..., :3], np.float32)
    if not marks.any() or settings.fade == 0:
        return base.copy()
    height, width = marks.shape
    rows, columns = np.flatnonzero(marks.any(axis=1)), np.flatnonzero(marks.any(axis=0))
    edge = max(8, max(height, width) // 64)  # the marks' surroundings say what lies below them
    top, bottom = max(0, rows[0] - edge), min(height, rows[-1] + edge + 1)
    left, right = max(0, columns[0] - edge), min(width, columns[-1] + edge + 1)
    box = np.s_[top:bottom, left:right]
    part, inside = base[box], marks[box]
    unit = max(height, width) / SIDE
    grime = images.tile(wear.color_srgb, width, height)[box]
    grime = np.asarray(cv2.GaussianBlur(grime, (0, 0), 2 * max(unit, 0.5)), np.float32)
    below = _ground(part, inside)
    film = _bleached(part, below, inside, grime, settings.fade, unit, rng)
    bare = np.maximum(_flakes(inside, settings.fade, unit, rng), _scratches(inside, settings.fade, unit, rng))
    aged = film + (0.7 * below + 0.3 * grime - film) * bare[..., None]
    out = base.copy()
    out[box] = np.where(inside[..., None], np.clip(aged, 0, 1), part)
    return out


def _bleached(part: Array, below: Array, inside: Mask, grime: Array, fade: float, unit: float, rng: Generator) -> Array:
    """Colours after years of sun: nearer to each other, to grey and to chalk; in places more, with a film of dirt.

    What is no other colour than the ground is the margin about a mark, and fades little: no halo.
    """
    lab = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2LAB), np.float32)
    printed = np.linalg.norm(lab - cv2.cvtColor(below, cv2.COLOR_RGB2LAB), axis=2) / PRINTED_LAB
    printed = cv2.GaussianBlur(np.clip(0.3 + printed, 0, 1).astype(np.float32), (0, 0), 0.8 * max(unit, 0.5))
    mean = _mean_near(lab, inside, 24 * unit)
    places = (fade * printed * (0.8 + 0.4 * _patches(inside.shape, 20 * unit, rng)))[..., None]
    out = lab + (mean - lab) * (CONTRAST * places * np.array([1, 0.4, 0.4], np.float32))
    out[..., 1:] *= 1 - SATURATION * places
    out += (np.array(CHALK_LAB, np.float32) - out) * (CHALKED * places)
    color = cv2.cvtColor(out.astype(np.float32), cv2.COLOR_LAB2RGB)
    dirt = DIRT * fade * _patches(inside.shape, 9 * unit, rng)[..., None] ** 2
    return np.asarray(color + (grime * color / max(float(color[inside].mean()), 0.05) - color) * dirt, np.float32)


def _mean_near(values: Array, inside: Mask, reach: float) -> Array:
    """The mean of the marked texels about each, under a Gaussian."""
    weight = inside.astype(np.float32)
    total = cv2.GaussianBlur(values * weight[..., None], (0, 0), reach, borderType=cv2.BORDER_REPLICATE)
    known = np.asarray(cv2.GaussianBlur(weight, (0, 0), reach, borderType=cv2.BORDER_REPLICATE))
    return np.asarray(total / np.maximum(known, 1e-4)[..., None], np.float32)


def _ground(part: Array, inside: Mask) -> Array:
    """What lies below the marks: the colour next to them, carried inwards."""
    outside = ~inside
    if not outside.any():
        return np.broadcast_to(part.reshape(-1, 3).mean(axis=0), part.shape).astype(np.float32)
    _, labels = cv2.distanceTransformWithLabels(
        inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((int(labels.max()) + 1, 3), np.float32)
    colors[labels[outside]] = cv2.GaussianBlur(part, (0, 0), 2)[outside]
    return np.asarray(cv2.GaussianBlur(colors[labels], (0, 0), 3), np.float32)


def _noise(shape: tuple[int, ...], reach: float, rng: Generator) -> Array:
    """H x W normal noise of features about reach texels wide, mean 0 and deviation 1."""
    coarse = max(1.0, reach / 3)
    rows, columns = (max(4, round(n / coarse)) for n in shape[:2])
    field = cv2.GaussianBlur(
        rng.standard_normal((rows, columns)).astype(np.float32), (0, 0), max(reach / coarse / 2, 0.3)
    )
    field = cv2.resize(field, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray((field - field.mean()) / (field.std() + 1e-6), np.float32)


def _patches(shape: tuple[int, ...], reach: float, rng: Generator) -> Array:
    """H x W, 0 to 1."""
    return np.asarray(np.clip(0.5 + 0.3 * _noise(shape, reach, rng), 0, 1), np.float32)


def _flakes(inside: Mask, fade: float, unit: float, rng: Generator) -> Array:
    """0 to 1: bits that have come off, thicker in some places than in others."""
    field = _noise(inside.shape, 1.7 * unit, rng) + 0.7 * _noise(inside.shape, 26 * unit, rng)
    bound = float(np.quantile(field[inside], 1 - FLAKES * fade))
    return np.asarray(np.clip((field - bound) / 0.5 + 0.5, 0, 0.9), np.float32)


def _scratches(inside: Mask, fade: float, unit: float, rng: Generator) -> Array:
    """0 to 1: fine lines, nearly straight, most of them about one direction."""
    ys, xs = np.nonzero(inside)
    count = min(2000, round(SCRATCHES * fade * len(ys) / (SIDE / 16 * unit) ** 2 + 0.5))
    drawn = np.zeros(inside.shape, np.uint8)
    main = rng.uniform(0, np.pi)
    for _ in range(count):
        at = int(rng.integers(len(ys)))
        angle = main + rng.normal(0, 0.5)
        half = rng.uniform(4, 22) * unit
        bend = rng.normal(0, 0.05) * half
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        middle = np.array([xs[at], ys[at]]) + 0.5
        line = np.array([middle - along * half, middle + across * bend, middle + along * half])
        points, strength = np.round(line * 16).astype(np.int32), int(rng.integers(70, 190))
        cv2.polylines(drawn, [points], False, (strength,), max(1, round(0.7 * unit)), cv2.LINE_AA, 4)
    return np.asarray(drawn.astype(np.float32) / 255 * min(1.0, 0.5 + fade), np.float32)
