"""Letters on a texture: how long a row of marks it holds that look written. Imports its weights, images, numpy, OpenCV.

No reading, and nothing learned of any language: marks that stand out from their surroundings are cut out three ways
(lighter, darker, off the texture's own colours), each is told from a natural speck by its outline (how thick its
strokes are and how evenly, how clean its edge), and those that stand beside each other at the same size are counted.
Rows of letters so found: B. Epshtein, E. Ofek, Y. Wexler, "Detecting Text in Natural Scenes with Stroke Width
Transform", 2010, but with outlines in place of rays, which a grainy texture breaks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ..images import Array
from . import letters_weights

SIDE = 512
"""Letters are looked for at this size, whatever the texture's; a letter is 9 to 170 texels high then."""
LEAST_CONTRAST = 12.0
"""Lab units. Fainter marks are not looked at."""
LEVEL = 0.45
"""Share of the strongest contrast from which on a texel belongs to a mark."""
MOST_MARKS = 60
"""Of the marks, those that look most like letters are grouped."""

Floats = npt.NDArray[np.float64]


class Weights(NamedTuple):
    """What the features are normalised with (center, spread) and what each of `terms` counts (weights)."""

    center: Floats
    spread: Floats
    weights: Floats


LEARNT = Weights(*map(np.array, (letters_weights.CENTER, letters_weights.SPREAD, letters_weights.WEIGHTS)))


@dataclass(frozen=True)
class Marks:
    """Marks cut out of one layer: centres, sizes and mean contrast (N), what tells letters apart (N x features).

    labels: H x W, which mark a texel belongs to; index: the marks' labels.
    """

    x: Floats
    y: Floats
    size: Floats
    contrast: Floats
    features: Floats
    labels: npt.NDArray[np.int32]
    index: npt.NDArray[np.intp]


def letters(lab: Array) -> float:
    """About how many letters the longest row of them has, 0 where there is nothing like it. lab: of any size.

    Written in ink or as a watermark that the texture shows through: both count.
    """
    return longest_row(all_marks(lab))


def longest_row(found: Iterable[Marks], weights: Weights = LEARNT) -> float:
    """The same for marks that are known."""
    return max((_longest_row(marks, likelihood(marks.features, weights)) for marks in found), default=0.0)


def all_marks(lab: Array) -> Iterator[Marks]:
    """The marks of each layer that has any."""
    for layer in layers(lab):
        marks = _marks(layer)
        if marks is not None:
            yield marks


def likelihood(features: Floats, weights: Weights = LEARNT) -> Floats:
    """N x features -> N: how likely each mark is a letter, 0 to 1."""
    sums = terms(features, weights.center, weights.spread) @ weights.weights
    return np.asarray(1 / (1 + np.exp(-np.clip(sums, -30, 30))), np.float64)


def terms(features: Floats, center: Floats, spread: Floats) -> Floats:
    """1, the features normalised, and their products: what the weights belong to."""
    z = np.clip((features - center) / spread, -3, 3)
    i, j = np.triu_indices(z.shape[1])
    return np.concatenate([np.ones((len(z), 1)), z, z[:, i] * z[:, j]], axis=1)


def layers(lab: Array) -> tuple[Array, Array, Array]:
    """How much lighter, how much darker, and how far off its colours each texel is than what is around: Lab units.

    A texture's chroma goes with its lightness; letters in another ink do not keep to that, however grainy it is.
    """
    side = (SIDE, SIDE)
    if lab.shape[:2] != side:
        lab = np.asarray(cv2.resize(lab, side, interpolation=cv2.INTER_LINEAR), np.float32)
    light, a, b = (np.asarray(channel, np.float32) for channel in cv2.split(lab))
    some = slice(None, None, 5)
    bright = light[some, some].ravel() / np.float32(100)
    basis = np.stack([np.ones_like(bright), bright, bright**2], axis=1)
    chroma = np.stack([a[some, some].ravel(), b[some, some].ravel()], axis=1)
    fit = np.linalg.solve(basis.T @ basis + 1e-3 * np.eye(3), basis.T @ chroma).astype(np.float32)
    off = chroma - basis @ fit
    off -= np.median(off, axis=0)
    way = (off * (off**2).sum(axis=1, keepdims=True)).sum(axis=0)  # towards what lies farthest off
    way /= max(float(np.linalg.norm(way)), 1e-6)
    along = fit @ way
    rest = np.asarray(cv2.addWeighted(a, float(way[0]), b, float(way[1]), -float(along[0])), np.float32)
    rest = rest - light * (np.float32(along[1] / 100) + light * np.float32(along[2] / 10000))
    lighter = _beyond_surroundings(light)
    return lighter, -lighter, _beyond_surroundings(rest)


def _beyond_surroundings(channel: Array) -> Array:
    """A channel less its wide median, which letters do not change, without the finest grain."""
    small = cv2.resize(channel, (64, 64), interpolation=cv2.INTER_AREA)
    for _ in range(2):
        small = cv2.medianBlur(small, 5)
    around = cv2.resize(cv2.blur(small, (5, 5)), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(channel - around, (0, 0), 0.8), np.float32)


def _marks(layer: Array) -> Marks | None:
    some = layer[::2, ::2].ravel()
    strongest = max(float(np.partition(some, int(0.995 * len(some)))[int(0.995 * len(some))]), LEAST_CONTRAST)
    few = some[::7]
    usual = max(1.4826 * float(np.median(np.abs(few - np.median(few)))), 1.0)
    inside = np.asarray(layer > LEVEL * strongest, np.uint8)
    _, labels, boxes, centers = cv2.connectedComponentsWithStats(inside, connectivity=8)
    width, height, area = (boxes[:, i].astype(np.float64) for i in (2, 3, 4))
    size = np.maximum(width, height)
    wanted = (area >= 24) & (size >= 9) & (size <= 170)
    wanted[0] = False
    index = np.flatnonzero(wanted)
    if len(index) < 2:
        return None
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3).ravel()
    at = np.flatnonzero(inside)
    of = labels.ravel()[at]
    kept = wanted[of]
    at, of = at[kept], of[kept]
    order = np.argsort(of, kind="stable")
    of, value, deep = of[order], layer.ravel()[at[order]].astype(np.float64), depth[at[order]]
    starts = np.flatnonzero(np.r_[True, of[1:] != of[:-1]])  # one for each of index, in its order

    def mean(values: Floats, weight: Floats) -> Floats:
        return np.asarray(np.add.reduceat(values, starts) / np.maximum(weight, 1), np.float64)

    area, width, height, size = area[index], width[index], height[index], size[index]
    rim = (deep < 1.2).astype(np.float64)
    outline = np.maximum(np.add.reduceat(rim, starts), 1)
    contrast = mean(value, area)
    vary = np.sqrt(np.maximum(mean(value**2, area) - contrast**2, 0))
    stroke = 2 * area / outline
    same = np.ones(len(index))
    features = np.stack(
        [
            np.log(size),
            mean((value > 0.7 * strongest).astype(np.float64), area),
            mean((value > strongest).astype(np.float64), area),
            np.maximum.reduceat(deep, starts) * outline / area,  # 1 for even strokes, 2 for a disc
            np.log(size / stroke),
            area / (width * height),
            np.minimum(width, height) / size,
            contrast / strongest,
            vary / np.maximum(contrast, 1),
            mean(value * rim, outline) / np.maximum(contrast, 1),
            np.log(np.maximum(stroke, 0.5)),
            same * np.log(strongest),
            same * np.log(strongest / usual),
            same * np.log(len(index)),
            outline / (2 * (width + height)),
            same * np.log1p(100 * float(inside.mean())),
        ],
        axis=1,
    )
    return Marks(centers[index, 0], centers[index, 1], size, contrast, features, np.asarray(labels, np.int32), index)


def _longest_row(marks: Marks, likely: Floats) -> float:
    """The sum of likelihoods over neighbours of neighbours of the same size and contrast, where it is largest."""
    kept = np.argsort(-likely, kind="stable")[:MOST_MARKS]
    kept = kept[likely[kept] > 0.25]
    if not len(kept):
        return 0.0
    x, y, size, contrast = (v[kept] for v in (marks.x, marks.y, marks.size, marks.contrast))
    apart = np.hypot(x[None] - x[:, None], y[None] - y[:, None])
    large, small = np.maximum(size[:, None], size[None]), np.minimum(size[:, None], size[None])
    strong, weak = np.maximum(contrast[:, None], contrast[None]), np.minimum(contrast[:, None], contrast[None])
    near = ((apart < 1.5 * large) & (large < 2.6 * small) & (strong < 1.5 * weak)).astype(np.float64)
    return float((((near @ near) > 0) @ likely[kept]).max())
