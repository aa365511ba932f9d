"""Procedural wear textures: how a kind's look is built. Imports foundations, numpy and textures."""

import dataclasses
from collections.abc import Callable

import numpy as np

from ..errors import SynGenError
from ..images import Maps
from ..recipe import Kind, Look
from .bare import bare
from .corrosion import corrosion
from .film import film
from .growth import growth

SMALLEST, LARGEST = 64, 8192
STYLES: dict[str, Callable[[Look, int, np.random.Generator], Maps]] = {
    "corrosion": corrosion,
    "bare": bare,
    "film": film,
    "growth": growth,
}
"""Look.style -> what builds it."""


def wear_texture(kind: Kind, size: int, rng: np.random.Generator) -> Maps:
    """Fully developed wear, tileable in both directions, size x size texels (64 to 8192).

    Colour lies along kind.look's palette; roughness within look.roughness; metallic 0 but for glints of bare metal;
    height 0.5 is the untouched surface, pits lie under it and blisters over it. Each rng gives a visibly different
    look of the kind; the same rng gives the same bytes, and at another size the same picture.
    Raises SynGenError for a size that is no whole number or out of range, or a style that does not exist.
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not SMALLEST <= size <= LARGEST:
        raise SynGenError(
            f"A wear texture cannot be {size} texels wide.", f"Use a whole number from {SMALLEST} to {LARGEST}."
        )
    if kind.look.style not in STYLES:
        raise SynGenError(f"{kind.label}: there is no style {kind.look.style!r}.", f"Known are: {', '.join(STYLES)}.")
    return _covering(STYLES[kind.look.style](kind.look, int(size), rng), kind.coverage)


def _covering(maps: Maps, coverage: float) -> Maps:
    """The same, its cover spread about the kind's coverage; where a style says nothing of cover, so does this."""
    if maps.cover is None:
        return maps
    about = np.clip(maps.cover - maps.cover.mean(), -0.5, 0.5)
    cover = coverage + 2 * min(coverage, 1 - coverage) * about
    return dataclasses.replace(maps, cover=np.asarray(np.clip(cover, 0, 1), np.float32))
