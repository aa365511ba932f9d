"""What is wrong with label maps as SynGen writes them. Imports its siblings, numpy, Pillow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from .report import Findings, Held

MAPS = ("semantic", "instance", "wear")
Numbers = npt.NDArray[np.int32]


def is_masks(place: Path) -> bool:
    """Whether a folder holds such maps: one of each sort for every picture."""
    return (place / "classes.json").is_file() and all((place / what).is_dir() for what in MAPS)


def check_masks(root: Path, folder: Path, findings: Findings) -> Held:
    """Every map can be read, those of one frame are of one size, and numbers are in the table."""
    name = root.relative_to(folder).as_posix()
    tables = {what: numbers_of(root, what, name, findings) for what in ("semantic", "wear")}
    files = {what: {p.relative_to(root / what) for p in (root / what).rglob("*.png")} for what in MAPS}
    every = sorted(set().union(*files.values()))
    for file in every:
        sizes = set()
        for what in MAPS:
            where = f"{name}/{what}/{file.as_posix()}"
            if file not in files[what]:
                findings.problem("mask missing", where, "The frame's other maps are there, this one is not.")
                continue
            pixels = read_map(root / what / file)
            if pixels is None:
                findings.problem("mask broken", where, "It cannot be read, or is no map of one number a pixel.")
                continue
            sizes.add(pixels.shape)
            known = tables.get(what)
            strange = set(np.unique(pixels).tolist()) - known.keys() if known is not None else set()
            if strange:
                sentence = f"It holds {', '.join(map(str, sorted(strange)[:5]))}, which classes.json does not name."
                findings.problem("class unknown", where, sentence)
        if len(sizes) > 1:
            findings.problem("mask broken", f"{name} {file.as_posix()}", "The frame's maps are not of one size.")
    return Held(len(every), 0, frozenset((tables["semantic"] or {}).values()) - {""})


def numbers_of(root: Path, what: str, name: str, findings: Findings) -> dict[int, str] | None:
    """Number -> name, by classes.json; None where it does not say."""
    try:
        table = json.loads((root / "classes.json").read_bytes())[what]
        return {int(each["number"]): str(each["name"]) for each in table}
    except (OSError, ValueError, KeyError, TypeError):
        findings.problem("JSON broken", f"{name}/classes.json", f"It does not say what the numbers in {what} are.")
        return None


def read_map(path: Path) -> Numbers | None:
    """The numbers of a map, H x W; None where it cannot be read."""
    try:
        with Image.open(path) as image:
            pixels: npt.NDArray[Any] = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return pixels.astype(np.int32) if pixels.ndim == 2 else None
