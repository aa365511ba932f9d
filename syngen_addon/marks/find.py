"""Finds logos, labels and text on a base texture, with OpenCV alone. Imports numpy, OpenCV, images and recipe.

Two steps. *Regions*: maximally stable extremal regions (J. Matas et al., "Robust Wide Baseline Stereo from Maximally
Stable Extremal Regions", 2002) of lightness and of the two colour axes of CIELAB: whatever stands out evenly from what
is round it, dark or bright, in one colour or another. *Which of them are marks*: a printed shape stands out strongly,
is crisp all round, has company of its own size and colour (letters, stripes, dots) and a colour that its surroundings
do not have; rust spots, chips, scratches, seams and shading fail at one of these. The weights of that judgement are
fitted by logistic regression on marks drawn onto the textures of real models; docs/marks.md has the figures, and those
of a text detector that was tried in its place. `benchmarks/marks.py` fits and measures again.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .. import images
from ..images import Array, Mask
from ..recipe import Marks

SIDE = 1024
"""Texels the features are measured at; a larger texture is looked at in this size and in twice it."""
LARGEST = 0.1
"""Of the texture: a larger region is an island or a paint job. A mark that is built of several can be larger."""
SMALLEST = 12
"""Texels."""
DELTA = 6
"""How many of 256 steps a region has to stay the same for."""
ALIKE_LAB = 20.0
"""Sum of the three differences up to which two regions are of one colour."""
AROUND = 24
"""How far about a region its surroundings are looked at, in texels."""
FEATURES = ("contrast", "edge", "uneven", "company", "rusty", "elsewhere", "size", "round", "busy")
WEIGHTS: dict[str, tuple[float, float, float]] = {
    "contrast": (3.836, 0.785, 1.768),
    "edge": (3.136, 0.488, 1.304),
    "uneven": (0.142, 0.131, -0.575),
    "company": (2.887, 1.661, 1.169),
    "rusty": (0.053, 0.224, -0.535),
    "elsewhere": (0.145, 0.174, -0.839),
    "size": (2.562, 0.848, -0.202),
    "round": (0.634, 0.414, -0.403),
    "busy": (0.207, 1.099, 0.868),
}
"""Feature -> its mean and deviation over the regions of the textures it was fitted on, and its weight."""
BIAS = 4.078
KERNEL = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Regions:
    """Candidates on one picture. texels: of each, N x 2 (column, row). features: a row each, ordered as FEATURES."""

    texels: list[npt.NDArray[np.int32]]
    features: npt.NDArray[np.float32]


def find_marks(base_srgb: Array, settings: Marks, covered: Mask | None = None) -> Mask:
    """H x W: True on logos, labels and text of a base texture (H x W x 3, sRGB); their insides are filled.

    settings.sensitivity: 0 finds the plainest only, 1 all that could be one. covered: texels that lie on the surface;
    with it nothing is found beside UV islands or across their borders. `grown` gives the mask its margin.
    """
    height, width = base_srgb.shape[:2]
    found = np.zeros((height, width), np.bool_)
    largest = max(height, width)
    for side in (SIDE, 2 * SIDE) if largest > SIDE else (largest,):
        factor = min(1.0, side / largest)
        size = max(1, round(width * factor)), max(1, round(height * factor))
        picture = np.ascontiguousarray(base_srgb[..., :3], np.float32)
        inside = covered
        if factor < 1:
            picture = images.resize(picture, *size)
            inside = None if covered is None else _scaled(covered, *size)
        found |= _scaled(_marks_at(picture, settings.sensitivity, inside), width, height)
        if factor == 1:
            break
    return found if covered is None else found & covered


def grown(marks: Mask, grow: float) -> Mask:
    """The marks and what lies nearer to them than grow, a share of the picture's longer side."""
    radius = round(grow * max(marks.shape))
    if radius < 1 or not marks.any():
        return marks.copy()
    away = cv2.distanceTransform((~marks).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away <= radius, np.bool_)


def _scaled(mask: Mask, width: int, height: int) -> Mask:
    if mask.shape == (height, width):
        return mask
    return np.asarray(images.resize(mask.astype(np.float32), width, height) > 0.5, np.bool_)


def _marks_at(picture: Array, sensitivity: float, covered: Mask | None) -> Mask:
    found = regions(picture, covered)
    sure = probability(found.features) > 0.95 - 0.6 * sensitivity
    marks = np.zeros(picture.shape[:2], np.uint8)
    for texels in (found.texels[i] for i in np.flatnonzero(sure)):
        marks[texels[:, 1], texels[:, 0]] = 1
    return filled(marks)


def filled(marks: npt.NDArray[np.uint8]) -> Mask:
    """Small gaps closed, holes filled: a label is protected with its ground, not the letters on it alone."""
    reach = round(0.004 * max(marks.shape)) // 2
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    closed = cv2.morphologyEx(np.pad(marks, reach), cv2.MORPH_CLOSE, kernel)
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = cv2.drawContours(np.zeros_like(closed), outlines, -1, (1,), cv2.FILLED)
    return np.asarray(whole[reach : whole.shape[0] - reach, reach : whole.shape[1] - reach] > 0, np.bool_)


def probability(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """How likely each row of features is a part of a mark, 0 to 1."""
    mean, deviation, weight = np.array([WEIGHTS[name] for name in FEATURES]).T
    standard = np.clip((features - mean) / deviation, -4, 4)
    return np.asarray(1 / (1 + np.exp(-(standard @ weight + BIAS))), np.float64)


def regions(picture: Array, covered: Mask | None = None) -> Regions:
    """The candidates on a picture (H x W x 3, sRGB) with what is measured of each."""
    height, width = picture.shape[:2]
    lab = np.asarray(cv2.cvtColor(cv2.GaussianBlur(picture, (0, 0), 0.6), cv2.COLOR_RGB2LAB), np.float32)
    finder = cv2.MSER.create(DELTA, SMALLEST, max(SMALLEST + 1, int(LARGEST * height * width)), 0.5, 0.3)
    channels = lab[..., 0] * 2.55, lab[..., 1] * 1.6 + 128, lab[..., 2] * 1.6 + 128
    texels: list[npt.NDArray[np.int32]] = []
    if min(height, width) >= 8:  # of anything smaller MSER reads beyond the picture
        for channel in channels:
            found, _ = finder.detectRegions(np.clip(channel, 0, 255).astype(np.uint8))
            texels += [np.asarray(each, np.int32) for each in found]
    gradient = _gradient(lab)
    measured = [_measured(each, lab, gradient, covered) for each in texels]
    kept = [i for i, one in enumerate(measured) if one is not None]
    texels = [texels[i] for i in kept]
    rows = np.array([one[0] for one in measured if one is not None], np.float32).reshape(-1, len(FEATURES))
    colors = np.array([one[1] for one in measured if one is not None], np.float32).reshape(-1, 3)
    if len(rows):
        rows[:, FEATURES.index("company")] = _company(texels, colors)
    return Regions(texels, rows)


def _gradient(lab: Array) -> Array:
    """H x W: how fast the colour changes, in CIELAB a texel."""
    dx, dy = (cv2.Sobel(lab, cv2.CV_32F, *order, ksize=3) / 8 for order in ((1, 0), (0, 1)))
    return np.asarray(np.sqrt((dx * dx + dy * dy).sum(axis=2)), np.float32)


def _measured(
    texels: npt.NDArray[np.int32], lab: Array, gradient: Array, covered: Mask | None
) -> tuple[list[float], Array] | None:
    """A region's features but for its company, and its colour; None where it lacks surroundings or crosses a border."""
    (x0, y0), (x1, y1) = texels.min(axis=0), texels.max(axis=0)
    height, width = gradient.shape
    left, top, right, bottom = max(0, x0 - 5), max(0, y0 - 5), min(width, x1 + 6), min(height, y1 + 6)
    near = np.s_[top:bottom, left:right]
    shape = np.zeros((bottom - top, right - left), np.uint8)
    shape[texels[:, 1] - top, texels[:, 0] - left] = 1
    reach = cv2.dilate(shape, np.ones((9, 9), np.uint8)) > 0
    if covered is not None and (covered[near][shape > 0].mean() < 0.9 or covered[near][reach].mean() < 0.9):
        return None
    ring = reach & (cv2.dilate(shape, np.ones((5, 5), np.uint8)) == 0)
    if np.count_nonzero(ring) < 8:
        return None
    core = cv2.erode(shape, KERNEL)
    if core.sum() <= 8:
        core = shape
    color = lab[near][core > 0].mean(axis=0)
    ground = np.median(lab[near][ring], axis=0)
    contrast = float(np.linalg.norm(color - ground)) + 1e-3
    rim = cv2.dilate(gradient[near], KERNEL)[(shape > 0) & (cv2.erode(shape, KERNEL) == 0)]
    outlines, _ = cv2.findContours(shape, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    length = sum(len(outline) for outline in outlines)
    hue, chroma = np.degrees(np.arctan2(color[2], color[1])), np.hypot(color[1], color[2])
    row = [
        np.log(contrast),
        np.log(np.median(rim) + 0.1),
        rim.std() / (rim.mean() + 0.1),
        0.0,
        float(20 < hue < 65 and 8 < chroma < 40 and color[0] < 55),
        _elsewhere((x0, y0, x1, y1), lab, color, contrast),
        np.log(len(texels)) / 2,
        4 * np.pi * len(texels) / (length * length + 1),
        np.abs(lab[near][ring] - ground).mean() / contrast,
    ]
    return [float(value) for value in row], np.asarray(color, np.float32)


def _elsewhere(box: tuple[int, int, int, int], lab: Array, color: Array, contrast: float) -> float:
    """Which share of the surroundings of a box has the region's colour too, 0 to 1."""
    x0, y0, x1, y1 = box
    top, left = max(0, y0 - AROUND), max(0, x0 - AROUND)
    about = lab[top : y1 + AROUND + 1, left : x1 + AROUND + 1]
    far = np.ones(about.shape[:2], np.bool_)
    far[max(0, y0 - 6 - top) : y1 + 7 - top, max(0, x0 - 6 - left) : x1 + 7 - left] = False
    if not far.any():
        return 0.0
    away = np.linalg.norm(about[far] - color, axis=1)
    return float((away < 0.35 * contrast).mean())


def _company(texels: list[npt.NDArray[np.int32]], colors: Array) -> Array:
    """The logarithm of how many others of about its size and colour each region has near it."""
    centers = np.array([each.mean(axis=0) for each in texels], np.float32)
    sizes = np.sqrt(np.array([len(each) for each in texels], np.float32))
    counts = np.empty(len(texels), np.float32)
    for i in range(len(texels)):
        away = np.hypot(*(centers - centers[i]).T)
        company = (away < 6 * sizes[i]) & (away > 0.5 * sizes[i]) & (np.abs(np.log(sizes / sizes[i])) < 0.7)
        company &= np.abs(colors - colors[i]).sum(axis=1) < ALIKE_LAB
        counts[i] = np.log1p(np.count_nonzero(company))
    return counts
