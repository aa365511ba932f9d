"""Label maps: masks/semantic, masks/instance, masks/wear and masks/classes.json. Imports errors, files, its siblings.

semantic: 0 for the background, else the class's number, from 1 in the job's order. instance: 16 bits, the target's
number in the job (`index` of its record), or with labels.objects = "regions" the region's place in its record, from 1.
wear: the kind's number, from 1, where an object is worn. Maps of up to 255 numbers have a palette.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SynGenError
from ..files import frame_file, remove_other_frames, write_bytes
from .chosen import Dataset, class_index, wear_of
from .pixels import WORD, paint, palette, write_labels, write_words

Piece = tuple[int, tuple[int, int], npt.NDArray[np.uint8]]


@contextmanager
def masks(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split). Raises SynGenError: over 65535 classes or objects, a file cannot be written.

    Where worn regions, or kinds of wear on one object, overlap, a map shows the smaller region, or the kind that comes
    later in the record; what it hides is counted as a loss.
    """
    out = dataset.out
    kinds = {kind: number for number, kind in enumerate(dataset.kinds, start=1)}
    written: set[int] = set()
    _check(len(dataset.classes), "classes")

    def add(record: dict[str, Any], split: str) -> None:
        frame, size = record["frame"], (record["height"], record["width"])
        written.add(frame)
        objects = record[dataset.recipe.labels.objects]
        number = {id(entry): place for place, entry in enumerate(objects, start=1)}
        if dataset.recipe.labels.objects == "instances":
            number = {id(entry): entry["index"] for entry in objects}
        _check(max(number.values(), default=0), f"objects in frame {frame}")
        if not dataset.pictures:
            return

        def piece(value: int, entry: dict[str, Any]) -> Piece:
            x, y = entry["bbox"][:2]
            return value, (x, y), dataset.crop(record, entry["segmentation"], entry["bbox"])

        chosen = sorted(dataset.objects(record), key=lambda c: -int(c.entry["area"]))
        semantic = paint(*size, (piece(c.number + 1, c.entry) for c in chosen))
        instance = paint(*size, (piece(number[id(e)], e) for e in sorted(objects, key=lambda e: -int(e["area"]))))
        worn = list(_worn(dataset, record, kinds))
        wear = paint(*size, worn)
        hidden = sum(int(np.count_nonzero(mask)) for _, _, mask in worn) - int(np.count_nonzero(wear))
        dataset.lose("masks", "pixels of wear that lie under another kind", hidden)
        hidden = sum(int(e["area"]) for e in objects) - int(np.count_nonzero(instance))
        dataset.lose("masks", "pixels of regions that lie under another", hidden)
        write_labels(out / frame_file("masks/semantic", frame, ".png"), semantic, len(dataset.classes))
        write_words(out / frame_file("masks/instance", frame, ".png"), instance)
        write_labels(out / frame_file("masks/wear", frame, ".png"), wear, len(kinds))

    yield add

    remove_other_frames(out / "masks", written)
    about = {"semantic": _legend(dataset.classes), "wear": _legend(dataset.kinds)}
    write_bytes(out / "masks" / "classes.json", (json.dumps(about, indent=1) + "\n").encode("ascii"))


def _worn(dataset: Dataset, record: dict[str, Any], kinds: dict[str, int]) -> Iterator[Piece]:
    for entry in record["instances"]:
        for kind, each in wear_of(entry):
            if each["wear_area"]:
                x, y = entry["bbox"][:2]
                number = class_index(kind, kinds, record["frame"])
                yield number, (x, y), dataset.crop(record, each["wear_segmentation"], entry["bbox"])


def _legend(names: tuple[str, ...]) -> list[dict[str, Any]]:
    colors = palette()
    legend = [{"number": 0, "name": "", "color": colors[0]}]
    return legend + [{"number": i, "name": n, "color": colors[i % 256]} for i, n in enumerate(names, start=1)]


def _check(count: int, what: str) -> None:
    if count > WORD:
        raise SynGenError(f"masks: {count} {what}; a PNG of 16 bits tells {WORD} apart.", "Leave out masks.")
