"""Folders of pictures for classification: classify/{train,val,test}/<class>/. Imports files, its siblings, OpenCV.

One picture an object: its box with a margin around, cut from the frame. torchvision's ImageFolder and Ultralytics
number the classes by the sorted names of the folders, so every split has a folder for each class that the job shows at
all, if an empty one: else the same number would be another class in another split. classes.json says which folder is
which class.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import SynGenError
from ..files import cannot_write, frame_file, make_folder, part_of, write_bytes
from .chosen import Dataset, file_names
from .split import SPLITS

MARGIN = 0.1
"""Of the box's longer side, on each side of it; less where the picture ends."""
SMALLEST = 16
"""Pixels of a crop's side, where the picture has as many: Ultralytics leaves out pictures of under 10."""


@contextmanager
def classify(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the folder appears where the block ends well.

    Raises SynGenError: a picture is missing or cannot be read, a file cannot be written.
    """
    if not dataset.pictures:
        yield lambda record, split: None
        return
    folder, work = dataset.out / "classify", part_of(dataset.out / "classify")
    folders = file_names(dataset.classes)
    shown: set[str] = set()
    try:
        for split in SPLITS:
            make_folder(work / split)

        def add(record: dict[str, Any], split: str) -> None:
            frame, chosen = record["frame"], dataset.objects(record)
            new = {c.name for c in chosen} - shown
            for name in new:
                for each in SPLITS:
                    make_folder(work / each / folders[name])
            shown.update(new)
            if not chosen:
                return
            picture = _read(dataset.out / frame_file("images", frame, ".png"))
            for i, c in enumerate(chosen):
                x, y, width, height = around(c.entry["bbox"], (record["width"], record["height"]))
                crop = picture[y : y + height, x : x + width]
                _save(work / split / folders[c.name] / f"{frame:08d}-{i:03d}.png", crop)

        yield add

        about = {"classes": {folders[name]: name for name in dataset.classes if name in shown}}
        write_bytes(work / "classes.json", (json.dumps(about, indent=1, sort_keys=True) + "\n").encode("ascii"))
        _take_place(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def around(bbox: Sequence[int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box with its margin, within a picture of size (width, height): x, y, width, height."""
    margin = round(max(bbox[2:]) * MARGIN)
    sides = []
    for start, length, full in zip(bbox[:2], bbox[2:], size, strict=True):
        low = max(start - margin, 0)
        high = min(start + length + margin, full)
        missing = max(min(SMALLEST, full) - (high - low), 0)
        low = min(max(low - missing // 2, 0), full - (high - low) - missing)
        high = max(high, low + min(SMALLEST, full))
        sides.append((low, high - low))
    (x, width), (y, height) = sides
    return x, y, width, height


def _read(path: Path) -> npt.NDArray[np.uint8]:
    try:
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error):  # OpenCV raises where there is nothing to decode
        picture = None
    if picture is None:
        raise SynGenError(
            f"The picture {path} is missing or cannot be read.",
            "Delete its frame's record and run the job again; it makes that frame anew.",
        )
    return np.asarray(picture, np.uint8)


def _save(path: Path, crop: npt.NDArray[np.uint8]) -> None:
    ok, data = cv2.imencode(".png", crop, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert ok, "OpenCV refused a well-formed image"
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise cannot_write(path, error) from error


def _take_place(work: Path, folder: Path) -> None:
    """Give the finished folder its name; one of before gives way."""
    before = part_of(folder.with_name(f"{folder.name}-before"))
    try:
        if folder.exists():
            folder.rename(before)
        os.rename(work, folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(before, ignore_errors=True)

