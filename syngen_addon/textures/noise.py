"""Periodic building blocks of textures: band-limited noise, warping, cells, dots, runs. Imports numpy and OpenCV.

Every image here is size x size, float32, and continues over its border (it lives on a torus). Frequencies are cycles
per tile and lengths are fractions of the tile, so that a generator gives the same picture at every size.
"""

import math

import cv2
import numpy as np

from ..images import Array


def field(
    rng: np.random.Generator, size: int, low: float, high: float, slope: float = 1.0, stretch: float = 1.0
) -> Array:
    """Gaussian noise of zero mean and unit variance with frequencies between low and high.

    slope: amplitude falls with frequency to this power; at 1 every octave is equally strong, as in most natural
    surfaces. stretch: features are this many times longer along the vertical than along the horizontal.
    Made from random Fourier coefficients, hence periodic and without a lattice's directions.
    """
    wide = math.sqrt(stretch)
    columns, rows = math.ceil(1.5 * high * wide), math.ceil(1.5 * high / wide)
    fx = np.arange(columns + 1)[None, :] / wide
    fy = np.arange(-rows, rows + 1)[:, None] * wide
    radius = np.hypot(fx, fy)
    radius[rows, 0] = np.inf
    # A soft shoulder at both ends of the band; a sharp one would ring.
    amplitude = radius**-slope / ((1 + (low / radius) ** 6) * (1 + (radius / high) ** 6))
    noise = rng.standard_normal((2, *radius.shape), np.float32)
    coefficients = amplitude * (noise[0] + 1j * noise[1])
    # Kept are those that this size can carry: |f| < size / 2.
    keep_rows, keep_columns = min(rows, (size - 1) // 2), min(columns, (size - 1) // 2)
    spectrum = np.zeros((size, size // 2 + 1), np.complex64)
    kept = coefficients[rows - keep_rows : rows + keep_rows + 1, : keep_columns + 1]
    spectrum[: keep_rows + 1, : keep_columns + 1] = kept[keep_rows:]
    if keep_rows:
        spectrum[-keep_rows:, : keep_columns + 1] = kept[:keep_rows]
    out = np.fft.irfft2(spectrum, (size, size)).astype(np.float32)
    return np.asarray((out - out.mean()) / (out.std() + 1e-12), np.float32)


def warp(image: Array, dx: Array, dy: Array, nearest: bool = False) -> Array:
    """The image, read (dx, dy) tiles away from each texel."""
    size = image.shape[0]
    index = np.arange(size, dtype=np.float32)
    mode = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    out = cv2.remap(image, index[None, :] + dx * size, index[:, None] + dy * size, mode, borderMode=cv2.BORDER_WRAP)
    return np.asarray(out, np.float32)


def share(values: Array, fraction: float, softness: float) -> Array:
    """0 to 1: about 1 on the given fraction of the texels, those of the highest values; softness in values."""
    if fraction <= 0:
        return np.zeros_like(values)
    threshold = float(np.quantile(values[::3, ::3], 1 - min(fraction, 1.0)))
    return smoothstep(values, threshold - softness / 2, threshold + softness / 2)


def smoothstep(values: Array, low: float, high: float) -> Array:
    """0 up to low, 1 from high on, smooth between."""
    t = np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def terraces(values: Array, step: float, sharpness: float) -> Array:
    """The values drawn towards the middle of steps: plateaus with clear borders. sharpness 0 (none) to 1 (hard)."""
    scaled = values * np.float32(1 / step)
    base = np.floor(scaled)
    inner = smoothstep(scaled - base, 0.5 * sharpness, 1.0001 - 0.5 * sharpness)
    return np.asarray((base + inner) * np.float32(step), np.float32)


def blur(image: Array, sigma: float) -> Array:
    """Gaussian blur over the border; sigma in tiles."""
    size = image.shape[0]
    texels = sigma * size
    if texels < 0.2:
        return image
    pad = min(size, math.ceil(3 * texels) + 1)
    padded = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_WRAP)
    return np.asarray(cv2.GaussianBlur(padded, (0, 0), texels)[pad : pad + size, pad : pad + size], np.float32)


def cells(rng: np.random.Generator, size: int, count: float, stretch: float = 1.0) -> tuple[Array, Array]:
    """A Worley mosaic of about count x count cells: (distance to the nearest border in cells, the cell's own value).

    The value is uniform in [0, 1]. S. Worley, A Cellular Texture Basis Function, SIGGRAPH 1996; here by distance
    transforms, whose cost does not grow with the number of cells.
    """
    columns, rows = max(2, round(count * math.sqrt(stretch))), max(2, round(count / math.sqrt(stretch)))
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x = (x + rng.random(x.shape, np.float32)) / columns
    y = (y + rng.random(y.shape, np.float32)) / rows
    own = rng.random(x.size, np.float32)
    # Cells are laid out round and stretched afterwards, so that stretching also stretches their borders.
    height = max(8, round(size * rows / columns))
    pad_x, pad_y = min(size, 2 * size // columns + 2), min(height, 2 * height // rows + 2)
    seeds = np.zeros((height, size), np.int32)
    seeds[(y * height).astype(int).ravel() % height, (x * size).astype(int).ravel() % size] = np.arange(1, x.size + 1)
    padded = cv2.copyMakeBorder(seeds, pad_y, pad_y, pad_x, pad_x, cv2.BORDER_WRAP)
    _, labels = cv2.distanceTransformWithLabels(
        (padded == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(labels.max() + 1, np.int32)
    table[labels[padded > 0]] = padded[padded > 0]
    mosaic = table[labels]
    inner = np.ones(mosaic.shape, np.uint8)
    inner[:, 1:] &= mosaic[:, 1:] == mosaic[:, :-1]
    inner[1:, :] &= mosaic[1:, :] == mosaic[:-1, :]
    border = cv2.distanceTransform(inner, cv2.DIST_L2, 5) * np.float32(columns / size)
    cut = (slice(pad_y, pad_y + height), slice(pad_x, pad_x + size))
    value = own[mosaic[cut] - 1]
    if height == size:
        return np.asarray(border[cut], np.float32), value
    return _stretch_rows(border[cut], size, cv2.INTER_LINEAR), _stretch_rows(value, size, cv2.INTER_NEAREST)


def _stretch_rows(image: Array, size: int, mode: int) -> Array:
    height = image.shape[0]
    rows = ((np.arange(size) + 0.5) * height / size - 0.5).astype(np.float32)
    columns = np.arange(image.shape[1], dtype=np.float32)
    x, y = np.broadcast_to(columns, (size, len(columns))), np.broadcast_to(rows[:, None], (size, len(columns)))
    return np.asarray(cv2.remap(image, x.copy(), y.copy(), mode, borderMode=cv2.BORDER_WRAP), np.float32)


def dots(
    rng: np.random.Generator, size: int, count: int, radius: tuple[float, float], stretch: float = 1.0,
    where: Array | None = None,
) -> Array:  # fmt: skip
    """Round cones on 0: 1 at each dot's centre, falling to 0 at its rim, the higher where they overlap.

    radius: in tiles; small dots are many, large ones few. stretch: taller than wide. where: a field that draws them
    to its higher places (drops gather, pits cluster).
    """
    tries = count * (4 if where is not None else 1)
    x, y = rng.random(tries), rng.random(tries)
    sizes = radius[0] * (radius[1] / radius[0]) ** (rng.random(tries) ** 2.2)
    if where is not None:
        height = where[(y * size).astype(int), (x * size).astype(int)]
        best = np.argsort(-(height + 0.7 * rng.standard_normal(tries)), kind="stable")[:count]
        x, y, sizes = x[best], y[best], sizes[best]
    out = np.zeros((size, size), np.float32)
    wide = math.sqrt(stretch)
    for cx, cy, r in zip(x * size, y * size, sizes * size, strict=True):
        rx, ry = max(r / wide, 0.75), max(r * wide, 0.75)
        columns = np.arange(math.ceil(cx - rx), math.floor(cx + rx) + 1)
        rows = np.arange(math.ceil(cy - ry), math.floor(cy + ry) + 1)
        d = np.sqrt(((columns - cx) / rx)[None, :] ** 2 + ((rows - cy) / ry)[:, None] ** 2)
        window = np.ix_(rows % size, columns % size)
        out[window] = np.maximum(out[window], (1 - d).astype(np.float32))
    return np.maximum(out, 0)


def run_down(source: Array, length: float) -> Array:
    """The source with a tail below each texel that fades over `length` tiles: what water carries down. Same mean."""
    size = source.shape[0]
    tail = np.exp(-np.arange(size) / (length * size))
    # Over the border it runs on from above: the periodic sum of the tail is one geometric series.
    tail /= tail.sum()
    spectrum = np.fft.rfft(source, axis=0) * np.fft.rfft(tail)[:, None]
    return np.asarray(np.fft.irfft(spectrum, size, axis=0), np.float32)
