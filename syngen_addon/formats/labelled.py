"""What the YOLO formats share: pictures, one text file of labels each, lists and data.yaml. Imports files and chosen.

As Ultralytics takes them: labels lie in `labels` where the pictures lie in `images`, no line twice, an empty file for a
picture without objects. data.yaml names no `path`: then the lists are looked for beside it, while a relative `path`
counts from wherever the training is started (`check_det_dataset`).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..files import frame_file, link_or_copy, make_folder, write_bytes, write_small, writing
from .chosen import Chosen, Dataset
from .split import SPLITS

Lines = Callable[[dict[str, Any], Chosen], str]


@contextmanager
def labelled(
    dataset: Dataset, folder: str, line: Lines, more: str = ""
) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the lists appear where the block ends well.

    folder: inside the job's; "": the job's own, where the pictures lie already; else they come there as hard links, as
    copies where there can be none. line: an object's line, with its newline. more: what else data.yaml says.
    """
    out = dataset.out / folder
    links = dataset.pictures and bool(folder)
    last = ""
    written: set[int] = set()
    with ExitStack() as stack:
        lists = {s: stack.enter_context(writing(out / f"{s}.txt")) for s in SPLITS}

        def add(record: dict[str, Any], split: str) -> None:
            nonlocal last
            frame = record["frame"]
            picture, labels = frame_file("images", frame, ".png"), frame_file("labels", frame, ".txt")
            if labels[:-12] != last:  # a folder holds 10,000 of them
                make_folder(f"{out}/{labels[:-12]}")
                last = labels[:-12]
            lines = dict.fromkeys(line(record, chosen) for chosen in dataset.objects(record))
            write_small(f"{out}/{labels}", "".join(lines).encode("ascii"))
            if links:
                link_or_copy(dataset.out / picture, out / picture)
            written.add(frame)
            lists[split].write(f"./{picture}\n".encode("ascii"))

        yield add

    _tidy(out / "labels", ".txt", written)
    if links:
        _tidy(out / "images", ".png", written)
    splits = "".join(f"{s}: {s}.txt\n" for s in SPLITS)
    names = "".join(f"  {i}: {yaml_text(name)}\n" for i, name in enumerate(dataset.classes))
    text = f"{splits}nc: {len(dataset.classes)}\n{more}names:\n{names}"
    write_bytes(out / "data.yaml", text.encode("ascii"))


def _tidy(folder: Path, suffix: str, frames: set[int]) -> None:
    """Remove what earlier runs left: files of other frames, and what Ultralytics remembers of labels by their size."""
    for inner in folder.glob("[0-9]*"):
        for name in os.listdir(inner) if inner.is_dir() else ():
            stem, found = os.path.splitext(name)
            if found == suffix and stem.isdigit() and int(stem) not in frames:
                (inner / name).unlink()
    for cache in (*folder.glob("*.cache"), *folder.parent.glob(f"{folder.name}.cache")):
        cache.unlink()


def box_columns(bbox: Sequence[float], width: int, height: int) -> str:
    """A box's centre and size as fractions of the picture, within [0, 1]."""
    x, y, w, h = bbox
    numbers = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
    return " ".join(f"{min(max(v, 0.0), 1.0):.6f}" for v in numbers)


def yaml_text(text: str) -> str:
    """A double-quoted YAML scalar in printable ASCII, for any text (YAML 1.2, section 5.7)."""

    def one(c: str) -> str:
        code = ord(c)
        if c in '"\\':
            return "\\" + c
        if 0x20 <= code < 0x7F:
            return c
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    return '"' + "".join(map(one, text)) + '"'
