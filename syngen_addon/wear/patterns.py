"""The shapes that wear comes in (recipe.Onset.pattern), as noise in world space. Imports numpy and wear's noise.

Each is a function of the place in the world alone, never of the UV layout, so it shows no seam at island borders.
"""

from collections.abc import Sequence

import numpy as np

from ..images import Array
from .noise import Noise

PLACES = 16
"""Random rotations and offsets that field is given, to look the noise up with."""


def field(
    pattern: str, noise: Noise, points_m: Array, scale_m: float, texel_m: float, places: Sequence[Array], seed: int
) -> Array:
    """N float32, how early each point wears by its pattern alone: about zero mean and unit deviation, high is early.

    points_m: N x 3 float32 from the object's middle. scale_m: distance of the pattern's parts (plates, lines, cracks,
    dents). texel_m: side of a texel; what is finer is not seen. places: PLACES of them, for Noise.at. seed: for what
    is drawn by hashing, 0 to 2^32 - 1. It is called for some of the texels at a time, so the value at a point must
    depend on nothing but that point.
    """
    return {"lines": _lines}.get(pattern, _lines)(noise, points_m, scale_m, texel_m, places, seed)


def _lines(
    noise: Noise, points_m: Array, scale_m: float, texel_m: float, places: Sequence[Array], seed: int
) -> Array:
    """Thin lines where slow noises pass through zero."""
    # A noise of longest wave 40 cells passes through zero about every 15 cells.
    value = noise.at(points_m, scale_m / 15, places[0])
    thin = np.exp(-np.abs(value) * 12)
    fine = noise.at(points_m, max(scale_m / 60, texel_m), places[1])
    return np.asarray((thin - 0.075) / 0.18 * 0.95 + 0.3 * fine, np.float32)
