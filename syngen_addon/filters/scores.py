"""What there is to measure on a texture, one small function a score. Imports images, numpy and OpenCV; never bpy.

Pictures are Lab (float32, L 0 to 100, a and b about -100 to 100), see `lab_of`. where: H x W bool, the texels that
count; None for all. Every score is finite on finite input, or None where there are too few texels to tell.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ..images import Array, Mask, to_bytes

SPECTRUM = 64
"""Side of the copy whose spectrum goes into the signature."""
FREQUENCIES = 14
"""Frequencies of that spectrum that count, from 1 cycle a tile on."""
LEAST_TEXELS = 64
"""An octave with fewer is not measured: their spread says more of the place than of the texture."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BLOWN, CRUSHED = 253, 8
"""sRGB (of 255) of a texel's brightest channel from which on, and up to which, there is no drawing left in it."""
PERIODS = range(4, 33)
"""Sides of the blocks that are looked for, in texels."""


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
    """Detail in the two finest octaves over that in the next three, times the finest's over the second's.

    1 to 2 for rust, under 0.5 when blurred. Ratios, so that pale textures are not mistaken for blurred ones; two of
    them, since a lens or an enlargement takes the finest octave far more than the second, which tells a blurred texture
    from one that is soft by nature. Of the three, those that a small texture lacks count as the others do on average;
    None where it lacks all three.
    """
    bands = octaves(lab, 5, where)
    coarse = bands[2:][np.isfinite(bands[2:])]
    if not coarse.size:
        return None
    fine = np.hypot(bands[0], bands[1]) / max(np.sqrt(3 * (coarse**2).mean()), 1e-6)
    return float(fine * bands[0] / max(bands[1], 1e-6))


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
    if where is not None and not where.any():
        return 0.0
    _, spread = cv2.meanStdDev(lab, mask=None if where is None else where.astype(np.uint8))
    return float(np.sqrt((spread**2).sum()) / 100)


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


def exposure(color_srgb: Array) -> float:
    """Share of the texels that are blown (a channel at its end) or crushed (every channel black): the larger one.

    Of the median of 5 x 5, so that neither the texels that noise drives to the ends nor small glints count.
    """
    red, green, blue = cv2.split(to_bytes(color_srgb))
    brightest = cv2.medianBlur(cv2.max(cv2.max(red, green), blue), 5)
    return float(max((brightest >= BLOWN).mean(), (brightest <= CRUSHED).mean()))


def blocks(lab: Array) -> float:
    """How far a square grid of steps stands out: of JPEG's blocks, or of a mosaic's cells. About 0 without; at 1 the
    steps on the grid are twice those beside it.

    For each period the steps between neighbouring lines are compared by their place in it (medians, so that no single
    edge counts), and the grid must be there both ways: planks and streaks are none. After the blockiness of Z. Wang,
    H. Sheikh and A. Bovik, "No-Reference Perceptual Quality Assessment of JPEG Compressed Images", 2002.
    """
    down, across = steps(lab)
    return max(0.0, *(min(_on_grid(down, period), _on_grid(across, period)) for period in PERIODS))


def steps(lab: Array) -> tuple[Array, Array]:
    """How far neighbouring rows lie apart (H - 1), and columns (W - 1): sum over the channels, mean over the line."""
    if min(lab.shape[:2]) < 2:
        return np.zeros(lab.shape[0] - 1, np.float32), np.zeros(lab.shape[1] - 1, np.float32)
    down = cv2.reduce(cv2.absdiff(lab[1:], lab[:-1]), 1, cv2.REDUCE_AVG)
    across = cv2.reduce(cv2.absdiff(lab[:, 1:], lab[:, :-1]), 0, cv2.REDUCE_AVG)
    return down.reshape(-1, 3).sum(axis=1), across.reshape(-1, 3).sum(axis=1)


def _on_grid(steps: Array, period: int) -> float:
    """The excess of the steps at the place of a period where they are largest, over the next largest."""
    count = len(steps) // period
    if count < 4:
        return 0.0
    places = np.sort(np.median(steps[: count * period].reshape(count, period), axis=0))
    return float((places[-1] - places[-2]) / max(places[:-1].mean(), 0.05))


def lighting(lab: Array) -> float:
    """How much light the texture holds that is not its own, from a smooth fit to the log of its luminance.

    The fit is a quadratic and a round spot in the middle, so it takes slopes, dark corners, lamps and large shadows,
    but not patches. Its standard deviation, times the share of the whole that it explains (as a correlation): even
    light gives under 0.1, a slope of 1 : 3 about 0.2 on a texture of some contrast.
    """
    light = cv2.resize(lab[..., 0], (32, 32), interpolation=cv2.INTER_AREA)
    luminance = np.where(light > 8, ((light + 16) / 116) ** 3, light / 903.3)  # CIE 1976
    log = np.log(np.maximum(luminance, 0.001)).ravel()
    y, x = (np.mgrid[0:32, 0:32] - 15.5) / 15.5
    spot = np.exp(-(x * x + y * y) / 0.2)
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, spot], axis=-1).reshape(-1, 7)
    fit = basis @ np.linalg.lstsq(basis, log, rcond=None)[0]
    return float(fit.var() / max(float(log.std()), 1e-6))


def thing(lab: Array) -> float:
    """How clearly the texture shows a thing before a background: 0 to about 1.

    The texels are parted in two by how far their colour lies from the rim's (N. Otsu's threshold, 1979). It is a thing
    where the two are far apart, hardly anything lies between them, it is solid (letters are not) and the rim holds
    little of it.
    """
    side = 64
    small = cv2.resize(lab, (side, side), interpolation=cv2.INTER_AREA) * np.array([0.7, 1, 1], np.float32)
    rim = np.ones((side, side), np.bool_)
    rim[4:-4, 4:-4] = False
    gap = np.clip(np.linalg.norm(small - np.median(small[rim], axis=0), axis=2), 0, 100)
    level, _ = cv2.threshold((gap * 2.55).astype(np.uint8), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    front = cv2.morphologyEx((gap > level / 2.55).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    share = float(front.mean())
    if not 0.02 < share < 0.98:
        return 0.0
    apart = float(gap[front].mean() - gap[~front].mean())
    clear = apart**2 * share * (1 - share) / max(float(gap.var()), 1e-6)
    alone = 1 - float(front[rim].mean()) / max(float(front[~rim].mean()), 1e-6)
    return float(np.clip((clear - 0.6) / 0.3, 0, 1) * np.clip(apart / 20, 0, 1) * max(alone, 0.0))


def seam(lab: Array) -> float:
    """The step across the border when tiled, over the largest between inner neighbours.

    The worse axis counts, seen at three scales (whole, a quarter, a sixteenth of the size), because fine grain hides a
    seam from its own scale but not from the eye. A step is how far two neighbouring lines lie apart, on average over
    their length; what lies within a fiftieth of the border (a frame) counts as the border. About 1 or less where
    borders meet; a cut along the streaks of a streaky texture, which looks like one more streak, scores about 1 too.
    """
    height, width = lab.shape[:2]
    worst = 0.0
    for part in (1, 4, 16):
        size = max(8, width // part), max(8, height // part)
        seen = lab if part == 1 else np.asarray(cv2.resize(lab, size, interpolation=cv2.INTER_AREA), np.float32)
        down, across = steps(seen)
        worst = max(worst, _step_ratio(down, seen[0] - seen[-1]), _step_ratio(across, seen[:, 0] - seen[:, -1]))
    return worst


def _step_ratio(inside: Array, across: Array) -> float:
    """The largest of the border's steps over the largest of the others. across: from the last line to the first."""
    rim = len(inside) // 50
    border = max([float(np.abs(across).sum(axis=1).mean()), *inside[:rim], *inside[len(inside) - rim :]])
    return float(border) / max(float(inside[rim : len(inside) - rim].max(initial=0)), 1e-3)


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
