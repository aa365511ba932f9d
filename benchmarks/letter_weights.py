"""Fits what tells letters from specks (syngen_addon/filters/letters_weights.py), on the first half of the labelled set.

Logistic regression on the features of filters/letters.py and their products, by Newton's method, with a little ridge.
A mark is a letter where the fault's own difference to the texture before says so; every other mark of the half is not.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from harness import ROOT

from syngen_addon.files import write_bytes
from syngen_addon.filters.letters import Marks, Weights, terms
from syngen_addon.images import Array, resize

FILE = ROOT / "syngen_addon" / "filters" / "letters_weights.py"
SIDE = 512
LETTERS_COUNT = 0.25
"""What all letters weigh against all specks: a speck taken for a letter costs a good texture."""
Floats = npt.NDArray[np.float64]


class Fit:
    """Collects marks, then finds the weights."""

    def __init__(self) -> None:
        self.folds: list[int] = []
        self.features: list[Floats] = []
        self.letters: list[Floats] = []
        self.weights: list[Floats] = []

    def add(self, found: Sequence[Marks], spoilt_srgb: Array, clean_srgb: Array | None, fold: int = 0) -> None:
        """The marks of a texture; clean_srgb: the same without letters, None where there are none. fold: which part of
        the half it belongs to, for `solve(without)`."""
        changed = None
        if clean_srgb is not None:
            changed = np.abs(resize(spoilt_srgb, SIDE, SIDE) - resize(clean_srgb, SIDE, SIDE)).max(axis=2) > 0.02
        for marks in found:
            share = _share(marks, changed)
            weight = np.where((share > 0.15) & (share <= 0.7), 0, 1) / np.sqrt(len(share))
            self.folds.append(fold)
            self.features.append(marks.features)
            self.letters.append((share > 0.7).astype(np.float64))
            self.weights.append(weight)

    def solve(self, without: int | None = None) -> Weights:
        """The weights, rounded as they are written. without: the fold that they are to know nothing of."""
        kept = [number for number, fold in enumerate(self.folds) if fold != without]
        features, letters, weights = (
            np.concatenate([blocks[number] for number in kept])
            for blocks in (self.features, self.letters, self.weights)
        )
        even = weights[letters == 0].sum() / weights[letters > 0].sum()
        weights = np.where(letters > 0, weights * even * LETTERS_COUNT, weights)
        center, spread = np.round(features.mean(axis=0), 4), np.round(features.std(axis=0) + 1e-6, 4)
        x = terms(features, center, spread)
        beta = np.zeros(x.shape[1])
        for _ in range(12):
            p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
            slope = x.T @ (weights * (letters - p)) - beta
            curve = (x * (weights * p * (1 - p))[:, None]).T @ x + np.eye(len(beta))
            beta = beta + np.linalg.solve(curve, slope)
        return Weights(center, spread, np.round(beta, 3))


def _share(marks: Marks, changed: npt.NDArray[np.bool_] | None) -> Floats:
    """How much of each mark the fault has put there."""
    if changed is None:
        return np.zeros(len(marks.index))
    count = int(marks.labels.max()) + 1
    area = np.bincount(marks.labels.ravel(), minlength=count)
    new = np.bincount(marks.labels[changed], minlength=count)
    return np.asarray(new / np.maximum(area, 1), np.float64)[marks.index]


def write(found: Weights, path: Path = FILE) -> None:
    """The data-only module that letters.py imports."""

    def rows(name: str, values: Iterable[float], form: str) -> str:
        numbers = [format(float(v), form) for v in values]
        lines = ["    " + ", ".join(numbers[i : i + 12]) + "," for i in range(0, len(numbers), 12)]
        return f"{name} = (\n" + "\n".join(lines) + "\n)  # fmt: skip\n"

    text = '"""What tells letters from specks, found by `make calibrate`; data only."""\n\n'
    text += rows("CENTER", found.center, ".4f") + rows("SPREAD", found.spread, ".4f")
    text += rows("WEIGHTS", found.weights, ".3f")
    write_bytes(path, text.encode())
