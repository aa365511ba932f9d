"""What there is to measure on a texture, one small function a score. Imports images, numpy and OpenCV; never bpy.

Pictures are Lab (float32, L 0 to 100, a and b about -100 to 100), see `lab_of`. where: H x W bool, the texels that
count; None for all. Every score is finite on finite input, or None where there are too few texels to tell.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ..images import Array, Mask

SPECTRUM = 64
"""Side of the copy whose spectrum goes into the signature."""
FREQUENCIES = 14
"""Frequencies of that spectrum that count, from 1 cycle a tile on."""
LEAST_TEXELS = 64
"""An octave with fewer is not measured: their spread says more of the place than of the texture."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def lab_of(color_srgb: Array) -> Array:
    """sRGB in [0, 1] -> Lab."""
    color = np.ascontiguousarray(np.clip(color_srgb, 0, 1), np.float32)
    return np.asarray(cv2.cvtColor(color, cv2.COLOR_RGB2Lab), np.float32)


def octaves(lab: Array, count: int, where: Mask | None = None) -> npt.NDArray[np.float64]:
    """Standard deviation of lightness (0 to 1) in the `count` finest octaves, finest first.

    NaN for an octave that is not there or has fewer than LEAST_TEXELS texels (of a small part, the coarse ones). The
    octaves are those of a Laplacian pyramid (P. Burt and E. Adelson, 1983).
    """
    level: Array = np.ascontiguousarray(lab[..., 0]) / np.float32(100)
    share: Array | None = None if where is None else where.astype(np.float32)
    out = np.full(count, np.nan)
    for octave in range(count):
        if min(level.shape) < 8:
            break
        coarse = np.asarray(cv2.pyrDown(level), np.float32)
        band = level - cv2.pyrUp(coarse, dstsize=(level.shape[1], level.shape[0]))
        inside = band[2:-2, 2:-2] if share is None else band[share > 0.99]
        if inside.size < LEAST_TEXELS:
            break  # the coarser have fewer still
        out[octave] = float(inside.std())
        share = None if share is None else np.asarray(cv2.pyrDown(share), np.float32)
        level = coarse
    return out


def sharpness(lab: Array, where: Mask | None = None) -> float | None:
    """Detail in the two finest octaves over that in the next three: about 1 for rust, under 0.3 when blurred.

    A ratio, so that pale textures are not mistaken for blurred ones. Of the three, those that a small texture lacks
    count as the others do on average; None where it lacks all three.
    """
    bands = octaves(lab, 5, where)
    coarse = bands[2:][np.isfinite(bands[2:])]
    if not coarse.size:
        return None
    return float(np.hypot(bands[0], bands[1]) / max(np.sqrt(3 * (coarse**2).mean()), 1e-6))


def pixel_noise(lab: Array, where: Mask | None = None) -> float | None:
    """Standard deviation of white noise in lightness (0 to 1).

    White noise halves from octave to octave (its power goes with the area of the spectrum), the grain of rust stays
    about the same; so what the finest octave has beyond the second is noise. Like J. Immerkaer, "Fast Noise Variance
    Estimation", 1996, but blind to texture. None where the texels are too few for both octaves.
    """
    finest, second = octaves(lab, 2, where)
    if not np.isfinite(second):
        return None
    return float(1.1 * np.sqrt(max(finest**2 - second**2, 0.0)))


def contrast(lab: Array, where: Mask | None = None) -> float:
    """Spread of colour over the texture: standard deviation in Lab, 1 being black to white."""
    texels = lab.reshape(-1, 3) if where is None else lab[where]
    return float(np.sqrt(texels.var(axis=0).sum()) / 100) if texels.size else 0.0


def color_distance(lab: Array, colors_srgb: Sequence[Sequence[float]], where: Mask | None = None) -> float:
    """How far the texture lies from the wear's colours and their mixtures: Lab units, three quarters lie nearer.

    Lightness counts half, since shading and dirt change it most. Mixtures: the lines between any two colours.
    """
    texels = lab.reshape(-1, 3) if where is None else lab[where]
    if not texels.size:
        return 0.0
    texels = texels[:: max(1, texels.shape[0] // 8192)] * np.array([0.5, 1, 1], np.float32)
    palette = lab_of(np.asarray(colors_srgb, np.float32)[None])[0] * np.array([0.5, 1, 1], np.float32)
    nearest = np.full(texels.shape[0], np.inf, np.float32)
    for i, start in enumerate(palette):
        offset = texels - start
        for end in palette[i:]:
            line = end - start
            along = np.clip(offset @ line / max(float(line @ line), 1e-6), 0, 1)
            rest = offset - along[:, None] * line
            nearest = np.minimum(nearest, np.einsum("ij,ij->i", rest, rest))
    return float(np.sqrt(np.quantile(nearest, 0.75)))


def seam(lab: Array) -> float:
    """The step across the border when tiled, over the largest between inner neighbours.

    The worse axis counts, seen finely and coarsely (a quarter of the size), because fine grain hides a seam from its
    own scale but not from the eye. A step is how far two neighbouring lines lie apart, on average over their length.
    About 1 or less where borders meet; a cut along the streaks of a streaky texture, which looks like one more streak,
    scores about 1 too.
    """
    height, width = lab.shape[:2]
    coarse = cv2.resize(lab, (max(8, width // 4), max(8, height // 4)), interpolation=cv2.INTER_AREA)
    return max(_step_ratio(lab), _step_ratio(np.asarray(coarse, np.float32)))


def _step_ratio(lab: Array) -> float:
    worst = 0.0
    for lines in (lab, lab.transpose(1, 0, 2)):
        border = float(np.linalg.norm(lines[0] - lines[-1], axis=1).mean())
        inner = float(np.linalg.norm(lines[1:] - lines[:-1], axis=2).mean(axis=1).max(initial=0))
        worst = max(worst, border / max(inner, 1e-3))
    return worst


def signature(lab: Array, where: Mask | None = None) -> Array:
    """A small descriptor that shifting a tile does not change: quantiles of Lab, over 100, then the spectrum's size.

    The spectrum holds the low frequencies, normalised to length 1. Two textures of one kind share their statistics, but
    not their spectrum.
    """
    texels = lab.reshape(-1, 3) if where is None else lab[where]
    colors = np.zeros((len(QUANTILES), 3))
    if texels.size:
        colors = np.quantile(texels[:: max(1, texels.shape[0] // 16384)], QUANTILES, axis=0)
    small = cv2.resize(lab, (SPECTRUM, SPECTRUM), interpolation=cv2.INTER_AREA)
    size = np.abs(np.fft.rfft2(small, axes=(0, 1)))
    n = FREQUENCIES
    low = np.concatenate([size[:n, :n], size[-n + 1 :, :n]])
    low[0, 0] = 0
    low /= max(float(np.linalg.norm(low)), 1e-6)
    return np.asarray(np.concatenate([colors.ravel() / 100, low.ravel()]), np.float32)


def distance(a: Array, b: Array) -> float:
    """Between two signatures, 0 (the same texture) to about 1."""
    colors = 3 * len(QUANTILES)
    gap = np.sqrt((((a - b)[:colors].reshape(-1, 3)) ** 2).sum(axis=1)).mean()
    return float(max(gap, 0.5 * ((a - b)[colors:] ** 2).sum()))  # for vectors of length 1: 1 - cosine
