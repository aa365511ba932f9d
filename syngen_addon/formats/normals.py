"""Maps of normals as PNG of 16 bits: normals-png/. Imports files and its siblings, numpy.

Read from the EXR files that labels.normals has written (world space). Red, green and blue are X, Y and Z: 0 is -1,
65535 is 1. All three are 0 where nothing was hit; no normal is written so, since its length would not be 1.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files import frame_file, remove_other_frames, write_bytes
from .chosen import Dataset
from .pixels import WORD, read_exr, write_words


@contextmanager
def normals(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split). Raises SynGenError: an EXR file is missing or broken, a file cannot be written."""
    about = {"minus_one": 0, "one": WORD, "nothing": [0, 0, 0], "space": "world", "file": "16-bit RGB PNG"}
    write_bytes(dataset.out / "normals-png" / "about.json", (json.dumps(about, indent=1) + "\n").encode("ascii"))

    written: set[int] = set()

    def add(record: dict[str, Any], split: str) -> None:
        written.add(record["frame"])
        if dataset.pictures:
            vectors = read_exr(dataset.out / frame_file("normals", record["frame"], ".exr"), 3, "labels.normals")
            write_words(dataset.out / frame_file("normals-png", record["frame"], ".png"), in_words(vectors))

    yield add

    remove_other_frames(dataset.out / "normals-png", written)


def in_words(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """H x W x 3 in [-1, 1] -> 0 to 65535, rounded to nearest; zero vectors (and what is no number) -> 0, 0, 0."""
    there = np.isfinite(vectors).all(axis=-1, keepdims=True) & (np.abs(vectors).max(axis=-1, keepdims=True) > 0)
    words = np.rint((np.clip(np.nan_to_num(vectors), -1, 1).astype(np.float64) + 1) * (WORD / 2))
    return np.where(there, words, 0).astype(np.uint16)
