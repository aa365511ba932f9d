"""YOLO detection: one text file a picture, {train,val,test}.txt and data.yaml. Imports files and its siblings.

As Ultralytics takes them: five columns within [0, 1], no line twice, an empty file for a picture without objects.
data.yaml names no `path`: then the lists are looked for beside it, while a relative `path` counts from wherever the
training is started (`check_det_dataset`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from ..files import frame_file, write_bytes, writing
from .chosen import Dataset, annotations, class_index
from .split import SPLITS


@contextmanager
def yolo(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the lists appear where the block ends well."""
    out, labels = dataset.out, dataset.recipe.labels
    ids = {name: i for i, name in enumerate(dataset.classes)}
    with ExitStack() as stack:
        lists = {s: stack.enter_context(writing(out / f"{s}.txt")) for s in SPLITS}

        def add(record: dict[str, Any], split: str) -> None:
            frame = record["frame"]
            lines = dict.fromkeys(
                _line(class_index(name, ids, frame), entry["bbox"], record["width"], record["height"])
                for name, entry in annotations(record, labels)
            )
            write_bytes(out / frame_file("labels", frame, ".txt"), "".join(lines).encode("ascii"))
            lists[split].write(f"./{frame_file('images', frame, '.png')}\n".encode("ascii"))

        yield add

    splits = "".join(f"{s}: {s}.txt\n" for s in SPLITS)
    names = "".join(f"  {i}: {_yaml_text(name)}\n" for name, i in ids.items())
    write_bytes(out / "data.yaml", f"{splits}nc: {len(ids)}\nnames:\n{names}".encode("ascii"))


def _line(index: int, bbox: Sequence[int], width: int, height: int) -> str:
    x, y, w, h = bbox
    numbers = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
    return f"{index} " + " ".join(f"{min(max(v, 0.0), 1.0):.6f}" for v in numbers) + "\n"


def _yaml_text(text: str) -> str:
    """A double-quoted YAML scalar in printable ASCII, for any text (YAML 1.2, section 5.7)."""

    def one(c: str) -> str:
        code = ord(c)
        if c in '"\\':
            return "\\" + c
        if 0x20 <= code < 0x7F:
            return c
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    return '"' + "".join(map(one, text)) + '"'
