"""COCO instances: annotations/instances_{train,val,test}.json. Imports files and its siblings.

Ids start at 1 (several readers drop 0); an image's id is its frame + 1, and so stays the same when frames are added.
Segmentations are compressed run lengths, `area` the mask's pixels, `file_name` relative to the job's folder. What COCO
has no word for stands beside its own, under names that readers pass over: how much of an object is visible, and its
wear, with a mask of each kind.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from ..files import frame_file, writing
from .chosen import Chosen, Dataset, wear_of
from .split import SPLITS

Add = Callable[[dict[str, Any], str], None]
FURTHER = ("wear_percent", "severity", "visible_fraction", "truncation", "amodal_bbox", "rotated_bbox")
"""What an annotation takes over from a record as it is, where that says it."""


@contextmanager
def coco(dataset: Dataset) -> Iterator[Add]:
    """Gives add(record, split), for records in rising order of frames; the files appear where the block ends well."""
    with documents(dataset, "instances", categories(dataset)) as write:

        def add(record: dict[str, Any], split: str) -> None:
            write(record, split, [annotation(dataset, record, chosen) for chosen in dataset.objects(record)])

        yield add


def categories(dataset: Dataset) -> list[dict[str, Any]]:
    """COCO's categories: the job's classes, by id from 1."""
    kind = dataset.recipe.labels.class_from
    return [{"id": i, "name": name, "supercategory": kind} for i, name in enumerate(dataset.classes, start=1)]


def annotation(dataset: Dataset, record: dict[str, Any], chosen: Chosen) -> bytes:
    """An object in COCO's words, without its id."""
    return dataset.text(record, "coco", chosen.entry, lambda: _annotation(record, chosen).encode("ascii"))


def _annotation(record: dict[str, Any], chosen: Chosen) -> str:
    entry = chosen.entry
    further = [f',"{name}":{_number(entry[name])}' for name in FURTHER if entry.get(name) is not None]
    wear = ",".join([_wear(kind, each, entry) for kind, each in wear_of(entry)])
    return (
        f'{{"image_id":{record["frame"] + 1},"category_id":{chosen.number + 1},"bbox":{_number(entry["bbox"])},'
        f'"area":{entry["area"]},"segmentation":{_mask(entry["segmentation"])},"iscrowd":0{"".join(further)}'
        + (f',"wear":[{wear}]}}' if wear else "}")
    )


def _wear(kind: str, worn: dict[str, Any], entry: dict[str, Any]) -> str:
    """One kind of wear on an object, in COCO's words."""
    name = worn.get("wear_class", entry["classes"]["wear"])
    return (
        f'{{"kind":{quoted(kind)},"wear_class":{quoted(name)},"level":{_number(worn["level"])},'
        f'"area":{worn["wear_area"]},"segmentation":{_mask(worn["wear_segmentation"])}}}'
    )


def _mask(segmentation: dict[str, Any]) -> str:
    height, width = segmentation["size"]
    return f'{{"counts":{quoted(segmentation["counts"])},"size":[{height},{width}]}}'


def _number(value: float | Sequence[float]) -> str:
    """A record's number, or list of them, as JSON. They have nine digits, so that none is lost."""
    return f"{value:.9g}" if isinstance(value, int | float) else f"[{','.join([f'{each:.9g}' for each in value])}]"


@contextmanager
def documents(
    dataset: Dataset, stem: str, kinds: Sequence[dict[str, Any]], *, numbered: bool = True
) -> Iterator[Callable[[dict[str, Any], str, Sequence[bytes]], None]]:
    """Gives write(record, split, annotations): annotations/<stem>_<split>.json, which appear where the block ends well.

    kinds: the categories. annotations: JSON objects, encoded. numbered: each gets an id, from 1 in each file.
    Memory does not grow with the job: annotations go to the file at once, images wait in an unnamed file on disk.
    """
    license = dataset.recipe.export.license
    about = {"description": dataset.recipe.export.title or "Made with SynGen"}
    head = encoded({"info": about, "licenses": _licenses(license), "categories": list(kinds)})
    folder = dataset.out / "annotations"
    with ExitStack() as stack:
        files = {s: stack.enter_context(writing(folder / f"{stem}_{s}.json")) for s in SPLITS}
        images = {s: stack.enter_context(tempfile.TemporaryFile(dir=folder)) for s in SPLITS}
        image_counts, counts = dict.fromkeys(SPLITS, 0), dict.fromkeys(SPLITS, 0)
        for file in files.values():
            file.write(head[:-1] + b',"annotations":[')

        def write(record: dict[str, Any], split: str, annotations: Sequence[bytes]) -> None:
            frame = record["frame"]
            image = {
                "id": frame + 1,
                "file_name": frame_file("images", frame, ".png"),
                "width": record["width"],
                "height": record["height"],
            }
            if license:
                image["license"] = 1
            images[split].write((b",\n" if image_counts[split] else b"\n") + encoded(image))
            image_counts[split] += 1
            for each in annotations:
                counts[split] += 1
                files[split].write(b",\n" if counts[split] > 1 else b"\n")
                files[split].write(b'{"id":%d,' % counts[split] + each[1:] if numbered else each)

        yield write

        for split, file in files.items():
            file.write(b'\n],"images":[')
            images[split].seek(0)
            shutil.copyfileobj(images[split], file)
            file.write(b"\n]}\n")


def _licenses(license: str) -> list[dict[str, Any]]:
    address = re.search(r"https?://[^\s()<>]+", license)
    return [{"id": 1, "name": license, "url": address[0] if address else ""}] if license else []


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
quoted = json.encoder.encode_basestring_ascii
"""A text as JSON, in quotes."""


def encoded(value: Any) -> bytes:
    """JSON in as few ASCII characters as can be."""
    return _ENCODER.encode(value).encode("ascii")
