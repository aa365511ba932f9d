"""Which split a frame belongs to, and how many of it came before. Imports seeds only."""

import math
from collections.abc import Sequence
from functools import lru_cache

from .seeds import generator

SPLITS = ("train", "val", "test")


def split_of(frame: int, seed: int, fractions: Sequence[float]) -> str:
    """Of train, val and test, the one a frame belongs to: a pure function of frame and seed.

    fractions: of train, val and test, which sum to 1. Any run of frames holds its share of each, to the nearest whole
    frame or two: of any twelve at 0.8, 0.1, 0.1 one or two are val and one or two test.
    """
    return place_of(frame, seed, fractions)[0]


def place_of(frame: int, seed: int, fractions: Sequence[float]) -> tuple[str, int]:
    """(the frame's split, how many frames of that split lie before it)."""
    # Whole steps of a line that rises by the fraction are the most even way to pick that fraction (Bresenham).
    first, second = _begins(seed)
    _, val, test = fractions
    held = math.floor(frame * (val + test) + first)
    if math.floor((frame + 1) * (val + test) + first) == held:
        return "train", frame - held
    share = val / (val + test)
    vals = math.floor(held * share + second)
    return ("val", vals) if math.floor((held + 1) * share + second) > vals else ("test", held - vals)


@lru_cache(maxsize=8)
def _begins(seed: int) -> tuple[float, float]:
    """Where the two lines begin, each within a step; multiples of 2^-20, which keep sums exact."""
    first, second = (int(n) / 2**20 for n in generator(seed, "split").integers(2**20, size=2))
    return first, second
