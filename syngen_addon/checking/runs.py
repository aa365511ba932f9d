"""COCO's compressed run lengths, read without trusting them. Imports numpy.

pycocotools divides by a mask's height and walks wherever broken counts lead; what comes from another's file is read
here instead. The code is that of its `rleFrString` (six bits a character, the difference to the last count but one).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Mask:
    """A mask as runs: flat column-major starts and ends of its ones, in order; size (height, width)."""

    starts: Ints
    ends: Ints
    height: int
    width: int

    @property
    def area(self) -> int:
        """Its pixels."""
        return int((self.ends - self.starts).sum())

    @property
    def bbox(self) -> list[int]:
        """[x, y, width, height] of its pixels; zeros where there are none."""
        if not len(self.starts):
            return [0, 0, 0, 0]
        x0, x1 = int(self.starts[0]) // self.height, (int(self.ends[-1]) - 1) // self.height
        top, foot = self.starts % self.height, (self.ends - 1) % self.height
        whole = (self.starts // self.height) != ((self.ends - 1) // self.height)  # over the foot of a column
        y0 = 0 if whole.any() else int(top.min())
        y1 = self.height - 1 if whole.any() else int(foot.max())
        return [x0, y0, x1 - x0 + 1, y1 - y0 + 1]

    def crop(self) -> tuple[int, int, npt.NDArray[np.bool_]]:
        """(x, y of its box, its pixels in there)."""
        x, y, width, height = self.bbox
        changes = np.zeros(width * height + 1, np.int8)
        # A run goes on in the next column only where it reaches foot and head of the picture, and so those of the box.
        changes[(self.starts // self.height - x) * height + self.starts % self.height - y] = 1
        last = self.ends - 1
        changes[(last // self.height - x) * height + last % self.height - y + 1] -= 1
        return x, y, np.cumsum(changes[:-1], dtype=np.int8).reshape(width, height).T.astype(bool)

    def shared(self, other: "Mask") -> int:
        """The pixels of both. Of one size."""
        if not len(self.starts) or not len(other.starts):
            return 0
        # How many ones of `other` lie before a place: a line that rises inside its runs; the difference over a run of
        # this mask is what the two share there.
        held = np.concatenate([[0], np.cumsum(other.ends - other.starts)])

        def before(places: Ints) -> Ints:
            run = np.searchsorted(other.starts, places, side="right")
            inside = np.where(run > 0, np.minimum(places, other.ends[run - 1]) - other.starts[run - 1], 0)
            return np.asarray(np.where(run > 0, held[np.maximum(run - 1, 0)] + inside, 0), np.int64)

        return int((before(self.ends) - before(self.starts)).sum())


def read(segmentation: Any, height: int, width: int) -> Mask:
    """A run-length mask, compressed or as plain counts. Raises ValueError with what is wrong with it."""
    if not isinstance(segmentation, dict) or not {"counts", "size"} <= segmentation.keys():
        raise ValueError("it is no run-length mask (counts, size)")
    if list(segmentation["size"]) != [height, width]:
        raise ValueError(f"its mask has the size {segmentation['size']}, its picture [{height}, {width}]")
    counts = segmentation["counts"]
    if isinstance(counts, str):
        lengths = _decoded(counts)
    elif isinstance(counts, Sequence) and all(isinstance(n, int) for n in counts):
        lengths = np.array(counts, np.int64)
    else:
        raise ValueError("the counts of its mask are neither text nor whole numbers")
    if (lengths < 0).any() or int(lengths.sum()) != height * width:
        raise ValueError(f"the counts of its mask do not add up to {height} x {width} pixels")
    edges = np.cumsum(lengths)
    starts, ends = edges[:-1:2], edges[1::2]
    starts = starts[: len(ends)]
    some = ends > starts
    return Mask(starts[some], ends[some], height, width)


def _decoded(text: str) -> Ints:
    """The counts of a compressed text."""
    try:
        signs = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        raise ValueError("the counts of its mask are garbled") from None
    if not len(signs) or (signs < 0).any() or (signs > 63).any() or signs[-1] & 32:
        raise ValueError("the counts of its mask are garbled")
    last = (signs & 32) == 0
    number = np.concatenate([[0], np.cumsum(last)[:-1]])  # which count a character belongs to
    first = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    place = np.arange(len(signs)) - first[number]
    if (place > 12).any():
        raise ValueError("the counts of its mask are garbled")
    counts = np.zeros(int(last.sum()), np.int64)
    np.add.at(counts, number, (signs & 31) << (5 * place))
    negative = (signs[last] & 16) != 0
    counts -= np.where(negative, np.int64(1) << (5 * (place[last] + 1)), 0)
    # From the fourth on they are differences to the last but one.
    for parity in (1, 2):
        counts[parity::2] = np.cumsum(counts[parity::2])
    return counts
