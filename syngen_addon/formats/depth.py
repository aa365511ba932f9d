"""Depth maps as PNG of 16 bits, in millimetres: depth-png/. Imports files and its siblings, numpy.

Read from the EXR files that labels.depth has written (metres along the view axis). 0 is where nothing was hit.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files import frame_file, remove_other_frames, write_bytes
from .chosen import Dataset
from .pixels import FAR, WORD, read_exr, write_words

UNIT_M = 0.001


@contextmanager
def depth(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split). Raises SynGenError: an EXR file is missing or broken, a file cannot be written."""
    about = {"unit_m": UNIT_M, "nothing": 0, "farthest": WORD, "along": "the view axis", "file": "16-bit grey PNG"}
    write_bytes(dataset.out / "depth-png" / "about.json", (json.dumps(about, indent=1) + "\n").encode("ascii"))

    written: set[int] = set()

    def add(record: dict[str, Any], split: str) -> None:
        written.add(record["frame"])
        if not dataset.pictures:
            return
        meters = read_exr(dataset.out / frame_file("depth", record["frame"], ".exr"), 1, "labels.depth")
        pixels, beyond = in_units(meters, UNIT_M)
        dataset.lose("depth", f"pixels farther than {WORD * UNIT_M:g} m, written as that", beyond)
        write_words(dataset.out / frame_file("depth-png", record["frame"], ".png"), pixels)

    yield add

    remove_other_frames(dataset.out / "depth-png", written)


def in_units(meters: npt.NDArray[np.float32], unit_m: float) -> tuple[npt.NDArray[np.uint16], int]:
    """(depth in whole units, rounded to nearest; how many pixels lie beyond 65535 of them and are written as that).

    What was hit is 1 at least, so that 0 means that nothing was.
    """
    hit = np.isfinite(meters) & (meters > 0) & (meters < FAR)
    units = np.where(hit, np.maximum(np.rint(meters.astype(np.float64) / unit_m), 1), 0)
    return np.minimum(units, WORD).astype(np.uint16), int(np.count_nonzero(units > WORD))
