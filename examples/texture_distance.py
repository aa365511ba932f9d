"""How far apart two textures lie, by three published measures that separate textures. Imports numpy and OpenCV only.

Every picture is described once (`describe`), at SIDE x SIDE texels; any two descriptions are compared (`distances`).
Nothing is random from run to run: directions and places are drawn from fixed seeds. No part of the extension.

- color: the sliced Wasserstein distance between the colours in CIE Lab (J. Rabin, G. Peyre, J. Delon and M. Bernot,
  Wasserstein Barycenter and its Application to Texture Mixing, SSVM 2011). Where the colours lie in the picture does
  not matter. In Lab units.
- structure: the statistics of the complex steerable pyramid that J. Portilla and E. Simoncelli found to be enough to
  make a texture anew (A Parametric Texture Model Based on Joint Statistics of Complex Wavelet Coefficients, IJCV
  2000), of lightness: strength and shape of each band, autocorrelation, correlations between orientations and scales,
  of magnitudes and of phases. Every group of statistics counts alike.
- patch: the sliced Wasserstein distance between 7 x 7 patches of every level of a Laplacian pyramid (T. Karras, T.
  Aila, S. Laine and J. Lehtinen, Progressive Growing of GANs, ICLR 2018; A. Elnekave and Y. Weiss, Generating Natural
  Images with Direct Patch Distributions Matching, ECCV 2022, show how much of a picture it holds). Theirs sets the
  contrast of both sets to 1 first; here it stays, since it is part of the look, and every level counts alike.

What "counts alike" means: a group's, or a level's, distance is in units of the mean distance between the photographs
that one compares with (`units_of`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

SIDE = 512
SCALES, ORIENTATIONS = 4, 4
GROUPS = ("energy", "shape", "autocorrelation", "orientations", "scales", "phases")
LEVELS = 5
PATCH = 7
PATCHES, DIRECTIONS = 8192, 64
QUANTILES = 1024


@dataclass(frozen=True)
class Description:
    """What the measures need of one picture.

    color: QUANTILES x directions, in each direction of Lab the colours' quantiles. groups: statistics of the pyramid by
    group. patches: one array a level, PATCHES x DIRECTIONS, the patches along each direction, sorted.
    """

    color: Array
    groups: dict[str, Array]
    patches: tuple[Array, ...]


def describe(color_srgb: Array, side: int = SIDE) -> Description:
    """Describe a picture (H x W x 3, sRGB, 0 to 1), averaged down (or left) to side x side."""
    small = cv2.resize(np.ascontiguousarray(color_srgb, np.float32), (side, side), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(np.clip(small, 0, 1), cv2.COLOR_RGB2Lab)
    return Description(_colors(lab), pyramid_statistics(lab[..., 0]), tuple(_patches(lab)))


@dataclass(frozen=True)
class Units:
    """What counts as 1: for each group of statistics, and for each level of patches."""

    groups: dict[str, float]
    levels: tuple[float, ...]


def color_distance(a: Description, b: Description) -> float:
    """Lab units: the root of the mean squared distance that colours must move, along a direction."""
    return float(np.sqrt(((a.color - b.color) ** 2).mean()))


def group_distances(a: Description, b: Description) -> dict[str, float]:
    """Group of statistics -> root mean square difference."""
    return {g: float(np.sqrt(((a.groups[g] - b.groups[g]) ** 2).mean())) for g in GROUPS}


def level_distances(a: Description, b: Description) -> tuple[float, ...]:
    """One a level of the Laplacian pyramid, finest first: how far patches must move along a direction, in Lab units."""
    return tuple(float(np.abs(x - y).mean()) for x, y in zip(a.patches, b.patches, strict=True))


def distances(a: Description, b: Description, units: Units) -> dict[str, float]:
    """The three measures: color in Lab units, structure and patch in units of the photographs' own distances."""
    groups, levels = group_distances(a, b), level_distances(a, b)
    return {
        "color": color_distance(a, b),
        "structure": float(np.mean([groups[g] / units.groups[g] for g in GROUPS])),
        "patch": float(np.mean([x / unit for x, unit in zip(levels, units.levels, strict=True)])),
    }


def units_of(pictures: Sequence[Description]) -> Units:
    """The mean distance between any two of the pictures, by group and by level."""
    pairs = [(a, b) for i, a in enumerate(pictures) for b in pictures[:i]]
    groups = [group_distances(a, b) for a, b in pairs]
    levels = np.mean([level_distances(a, b) for a, b in pairs], axis=0)
    return Units({g: float(np.mean([pair[g] for pair in groups])) for g in GROUPS}, tuple(map(float, levels)))


# --- colour ----------------------------------------------------------------------------------------------------------


def _directions(count: int, dimensions: int) -> Array:
    """Unit vectors, dimensions x count, the same every time."""
    vectors = np.random.default_rng(20111).standard_normal((dimensions, count))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=0), np.float32)


def _colors(lab: Array) -> Array:
    along = lab[::2, ::2].reshape(-1, 3) @ _directions(DIRECTIONS, 3)
    at = ((np.arange(QUANTILES) + 0.5) / QUANTILES * len(along)).astype(int)
    return np.asarray(np.sort(along, axis=0)[at], np.float32)


# --- patches ---------------------------------------------------------------------------------------------------------


def _patches(lab: Array) -> list[Array]:
    directions = _directions(DIRECTIONS, PATCH * PATCH * 3)
    level, out = lab, []
    for number in range(LEVELS):
        last = number == LEVELS - 1
        coarse = level if last else cv2.pyrDown(level)
        # The last level holds what is left, less the mean colour, which the measure of colour has already.
        band = level - level.mean((0, 1)) if last else level - cv2.pyrUp(coarse, dstsize=level.shape[1::-1])
        windows = np.lib.stride_tricks.sliding_window_view(band, (PATCH, PATCH), axis=(0, 1))
        rng = np.random.default_rng(2018 + number)
        rows, columns = (rng.integers(0, n, PATCHES) for n in windows.shape[:2])
        chosen = windows[rows, columns].reshape(PATCHES, -1)
        out.append(np.asarray(np.sort(chosen @ directions, axis=0), np.float32))
        level = coarse
    return out


# --- the steerable pyramid -------------------------------------------------------------------------------------------


def pyramid(image: Array) -> tuple[Array, list[list[npt.NDArray[np.complex64]]], list[Array]]:
    """(high-pass rest, bands[scale][orientation], low-passed images), of a square image, taken as periodic.

    Bands are complex: real part even, imaginary part odd; each scale is half the size of the one before. One low-passed
    image a scale, what is left below its bands. J. Portilla and E. Simoncelli 2000, section 2.1.
    """
    size = image.shape[0]
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    axis = (np.arange(size) - size // 2) / size
    radius = np.hypot(axis[:, None], axis[None, :])
    radius[size // 2, size // 2] = 1e-6
    angle = np.arctan2(axis[:, None], axis[None, :])
    octave = np.log2(radius / 0.5)  # 0 at the highest frequency

    def low(at: float) -> npt.NDArray[np.float64]:
        """1 an octave below at, 0 above it, smooth between in power."""
        return np.asarray(np.cos(np.pi / 2 * np.clip(octave - at + 1, 0, 1)))

    def high(at: float) -> npt.NDArray[np.float64]:
        return np.asarray(np.sin(np.pi / 2 * np.clip(octave - at + 1, 0, 1)))

    rest = np.fft.ifft2(np.fft.ifftshift(spectrum * high(0.0))).real
    below = spectrum * low(0.0)
    order = ORIENTATIONS - 1
    scale = 2.0 ** (2 * order) * math.factorial(order) ** 2 / (ORIENTATIONS * math.factorial(2 * order))
    bands, lows = [], []
    for number in range(SCALES):
        ring = below * high(-1.0 - number)
        row = []
        for k in range(ORIENTATIONS):
            turned = np.mod(angle - np.pi * k / ORIENTATIONS + np.pi, 2 * np.pi) - np.pi
            wedge = 2 * math.sqrt(scale) * np.maximum(np.cos(turned), 0) ** order * (np.abs(turned) < np.pi / 2)
            row.append(np.asarray(_inverse(ring * wedge, size >> number), np.complex64))
        bands.append(row)
        below = below * low(-1.0 - number)
        lows.append(np.asarray(_inverse(below, size >> (number + 1)).real, np.float32))
    return np.asarray(rest, np.float32), bands, lows


def _inverse(spectrum: npt.NDArray[np.complex128], size: int) -> npt.NDArray[np.complex128]:
    """The centre of a shifted spectrum as an image of size x size, values as at full size."""
    start = (spectrum.shape[0] - size) // 2
    cut = spectrum[start : start + size, start : start + size]
    return np.asarray(np.fft.ifft2(np.fft.ifftshift(cut)) * (size / spectrum.shape[0]) ** 2)


def pyramid_statistics(lightness: Array) -> dict[str, Array]:
    """Statistics of the pyramid of a square picture (Lab lightness), by group, each a vector.

    energy: log2 of each band's standard deviation. shape: skewness and kurtosis of the picture and what is low-passed,
    kurtosis of the bands (in log2 and arcsinh, which tame their tails). The others are correlations, -1 to 1:
    autocorrelation, of the low-passed (7 x 7) and of the bands' magnitudes; orientations and scales, between
    magnitudes; phases, between a band and the coarser one with its phase doubled.
    """
    rest, bands, lows = pyramid(lightness)
    energy, shape, auto, across, between, phases = [], [], [], [], [], []
    for image in (lightness, *lows):
        shape += [math.asinh(_moment(image, 3)), math.log2(_moment(image, 4))]
    for image in lows:
        auto.append(_autocorrelation(image))
    energy += [math.log2(_spread(rest)), math.log2(_spread(lows[-1]))]
    shape.append(math.log2(_moment(rest, 4)))
    sizes = [[np.abs(band) for band in row] for row in bands]
    for number, row in enumerate(bands):
        for band, size in zip(row, sizes[number], strict=True):
            energy.append(math.log2(_spread(band.real)))
            shape.append(math.log2(_moment(band.real, 4)))
            auto.append(_autocorrelation(size))
        across.append(np.corrcoef([s.ravel() for s in sizes[number]])[np.triu_indices(ORIENTATIONS, 1)])
        if number + 1 < SCALES:
            fine = [cv2.resize(s, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for s in sizes[number]]
            coarse = sizes[number + 1]
            table = np.corrcoef([*(s.ravel() for s in fine), *(s.ravel() for s in coarse)])
            between.append(table[:ORIENTATIONS, ORIENTATIONS:].ravel())
            for band, wide in zip(row, bands[number + 1], strict=True):
                # At every second texel the two stand at the same place.
                doubled = wide**2 / np.maximum(np.abs(wide), 1e-9)
                few = band[::2, ::2]
                scale = max(_spread(few.real) * _spread(doubled.real), 1e-12)
                phases += [(few.real * doubled.real).mean() / scale, (few.real * doubled.imag).mean() / scale]
    found = {
        "energy": energy, "shape": shape, "autocorrelation": np.concatenate(auto),
        "orientations": np.concatenate(across), "scales": np.concatenate(between), "phases": phases,
    }  # fmt: skip
    return {group: np.asarray(values, np.float32) for group, values in found.items()}


def _spread(values: Array) -> float:
    return max(float(values.std()), 1e-4)


def _moment(values: Array, order: int) -> float:
    """The standardised moment: 0 (third) and 3 (fourth) for what is normal."""
    away = (values - values.mean()) / _spread(values)
    square = away * away
    return float((square * away).mean()) if order == 3 else max(float((square * square).mean()), 1.0)


def _autocorrelation(image: Array) -> Array:
    """The middle 7 x 7 of it, the half that is not the mirror of the other, without the 1 in the centre."""
    power = np.abs(np.fft.fft2(image - image.mean())) ** 2
    full = np.fft.fftshift(np.fft.ifft2(power).real)
    middle = image.shape[0] // 2
    window = full[middle - 3 : middle + 4, middle - 3 : middle + 4] / max(float(full[middle, middle]), 1e-12)
    return np.asarray(window.ravel()[:24], np.float32)
