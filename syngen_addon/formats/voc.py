"""Pascal VOC, laid out as in its devkit of 2012: voc/. Imports files and its siblings, numpy.

JPEGImages holds the job's PNG pictures (hard links, or copies) under the suffix .jpg, which torchvision, Detectron2 and
MMDetection take for granted; they tell the type by content. Boxes are VOC's: from 1, xmax and ymax belong to the box.
`truncated` is 1 where part of an object lies outside the picture, `occluded` where other things hide more than 5 % of
what lies inside (VOC2011 annotation guidelines); the latter is there only where records have geometry.
"""

import json
import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from ..files import frame_file, link_or_copy, make_folder, remove_other_frames, write_bytes, write_small, writing
from .chosen import Dataset, file_names
from .pixels import BYTE, paint, write_labels
from .split import SPLITS

OCCLUDED_FROM = 0.05
MOST = BYTE - 1
"""255 is VOC's mark for pixels that do not count."""


@contextmanager
def voc(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the lists appear where the block ends well.

    Raises SynGenError: a picture is missing, a file cannot be written.
    """
    out, folder = dataset.out, dataset.out / "voc"
    make_folder(folder / "Annotations")
    place = f"{folder / 'Annotations'}{os.sep}"
    frames = {split: array("q") for split in SPLITS}
    found = [array("q") for _ in dataset.classes]
    title = _text(dataset.recipe.export.title or "SynGen")
    names = [_text(name) for name in dataset.classes]

    def add(record: dict[str, Any], split: str) -> None:
        frame = record["frame"]
        chosen = dataset.objects(record)
        hidden = _invisibility(record)
        objects = "".join(_object(names[c.number], c.entry, hidden.get(c.entry["index"])) for c in chosen)
        head = _HEAD.format(f"{frame:08d}", title, record["width"], record["height"], int(bool(chosen)))
        write_small(f"{place}{frame:08d}.xml", f"{head}{objects}</annotation>\n".encode("ascii"))
        frames[split].append(frame)
        for number in {c.number for c in chosen}:
            found[number].append(frame)
        if dataset.pictures:
            link_or_copy(out / frame_file("images", frame, ".png"), folder / "JPEGImages" / f"{frame:08d}.jpg")
            _write_maps(dataset, record, folder)

    yield add

    keep = {n for numbers in frames.values() for n in numbers}
    for what in ("Annotations", "JPEGImages", "SegmentationClass", "SegmentationObject"):
        remove_other_frames(folder / what, keep)
    for what in ("Main", "Segmentation"):
        for split, numbers in _with_trainval(frames).items():
            _write_list(folder / "ImageSets" / what / f"{split}.txt", (f"{n:08d}" for n in numbers))
    files = file_names(dataset.classes)
    for name, there in zip(dataset.classes, map(set, found), strict=True):
        for split, numbers in _with_trainval(frames).items():
            lines = (f"{n:08d} {1 if n in there else -1:2d}" for n in numbers)
            _write_list(folder / "ImageSets" / "Main" / f"{files[name]}_{split}.txt", lines)
    about = {"classes": [{"number": i, "name": n, "file": files[n]} for i, n in enumerate(dataset.classes, start=1)]}
    write_bytes(folder / "classes.json", (json.dumps(about, indent=1) + "\n").encode("ascii"))


_HEAD = (
    "<annotation>\n\t<folder>voc</folder>\n\t<filename>{0}.jpg</filename>\n"
    "\t<source>\n\t\t<database>{1}</database>\n\t\t<annotation>SynGen</annotation>\n\t\t<image>SynGen</image>\n"
    "\t</source>\n\t<size>\n\t\t<width>{2}</width>\n\t\t<height>{3}</height>\n\t\t<depth>3</depth>\n\t</size>\n"
    "\t<segmented>{4}</segmented>\n"
)


def _object(name: str, entry: dict[str, Any], occluded: bool | None) -> str:
    x, y, width, height = entry["bbox"]
    truncated = entry["truncation"] > 0 if "truncation" in entry else entry["touches_border"]
    known = "" if occluded is None else f"\t\t<occluded>{int(occluded)}</occluded>\n"
    return (
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Unspecified</pose>\n"
        f"\t\t<truncated>{int(truncated)}</truncated>\n{known}\t\t<difficult>0</difficult>\n"
        f"\t\t<bndbox>\n\t\t\t<xmin>{x + 1}</xmin>\n\t\t\t<ymin>{y + 1}</ymin>\n"
        f"\t\t\t<xmax>{x + width}</xmax>\n\t\t\t<ymax>{y + height}</ymax>\n\t\t</bndbox>\n\t</object>\n"
    )


def _invisibility(record: dict[str, Any]) -> dict[int, bool]:
    """By index, whether other things hide an instance as VOC means it; those of which the record knows."""
    found = {}
    for instance in record["instances"]:
        if "visible_fraction" in instance:
            inside = 1 - instance["truncation"]
            found[instance["index"]] = inside - instance["visible_fraction"] > OCCLUDED_FROM * inside
    return found


def _write_maps(dataset: Dataset, record: dict[str, Any], folder: Path) -> None:
    """SegmentationClass and SegmentationObject of a picture: small objects over large ones."""
    size, name = (record["height"], record["width"]), f"{record['frame']:08d}.png"
    classes, objects = [], []
    for place, chosen in enumerate(dataset.objects(record), start=1):
        entry = chosen.entry
        x, y = entry["bbox"][:2]
        mask = dataset.crop(record, entry["segmentation"], entry["bbox"])
        if chosen.number < MOST:
            classes.append((entry["area"], (chosen.number + 1, (x, y), mask)))
        if place <= MOST:
            objects.append((entry["area"], (place, (x, y), mask)))
    count = len(dataset.objects(record))
    dataset.lose("voc", f"objects without a place in SegmentationClass (over {MOST} classes)", count - len(classes))
    dataset.lose("voc", f"objects without a place in SegmentationObject (over {MOST} a picture)", count - len(objects))
    for what, pieces in (("SegmentationClass", classes), ("SegmentationObject", objects)):
        ordered = sorted(pieces, key=lambda p: -p[0])
        write_labels(folder / what / name, paint(*size, (piece for _, piece in ordered)), MOST)


def _with_trainval(frames: dict[str, "array[int]"]) -> dict[str, Sequence[int]]:
    return {**frames, "trainval": sorted((*frames["train"], *frames["val"]))}


def _write_list(path: Path, lines: Iterable[str]) -> None:
    with writing(path) as file:
        file.writelines(f"{line}\n".encode("ascii") for line in lines)


def _text(text: str) -> str:
    """A class name as XML text in ASCII. Characters that no XML file may hold (XML 1.0, section 2.2) become U+FFFD."""
    fit = _UNFIT.sub("\ufffd", text)
    # A bare carriage return is read back as a newline (XML 1.0, section 2.11); a reference stays what it is.
    kept = escape(fit, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
    return kept.encode("ascii", "xmlcharrefreplace").decode("ascii")


_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
