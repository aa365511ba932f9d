"""Which split a frame belongs to. Imports seeds only."""

from collections.abc import Sequence

from ..seeds import generator

SPLITS = ("train", "val", "test")
_GOLDEN = 11400714819323198485
"""2^64 divided by the golden ratio: the step of the most even additive sequence (Knuth, TAOCP 3, section 6.4)."""


def split_of(frame: int, seed: int, fractions: Sequence[float]) -> str:
    """"train", "val" or "test", a pure function of frame and seed; evenly spread over any run of frames.

    fractions: of train, val and test, which sum to 1. Of twelve frames at 0.8, 0.1, 0.1 one or two are val
    and one or two test.
    """
    offset = int(generator(seed, "split").integers(2**64, dtype="uint64"))
    place = (offset + frame * _GOLDEN) % 2**64 / 2**64
    _, val, test = fractions
    return "val" if place < val else "test" if place < val + test else "train"
