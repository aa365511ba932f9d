"""What is wrong with a COCO file: instances, keypoints, panoptic. Imports its siblings, numpy, Pillow.

A file is read twice, item by item: first pictures and classes, then what is labelled on them, whichever stands first.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from . import runs, shapes
from .pictures import Pictures, Splits, expect
from .report import Findings, Held
from .stream import Broken, items

SPLIT_NAMES = ("train", "val", "valid", "test")
TASKS = ("instances", "keypoints")
DEEP = 2
"""So many folders below the dataset's are searched for where its pictures lie."""


@dataclass
class _File:
    """What one file says of its pictures and classes."""

    name: str
    split: str
    root: Path
    images: dict[Any, tuple[str, int, int]] = field(default_factory=dict)
    """id -> (file, width, height)"""
    classes: dict[Any, str] = field(default_factory=dict)
    points: dict[Any, int] = field(default_factory=dict)
    """class id -> how many keypoints its objects have"""
    objects: Counter[Any] = field(default_factory=Counter)
    """by class id"""
    labelled: int = 0


def is_coco(path: Path) -> bool:
    """Whether a JSON file is one of COCO's, as far as its first part shows; a broken one is, where it begins as one.

    Its captions, which lie beside the others in COCO's own download, hold no objects and are not.
    """
    if path.stem.lower().startswith("captions"):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(1 << 16)
    except OSError:
        return False
    keys = (b'"images"', b'"annotations"', b'"categories"')
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and sum(key in head for key in keys) >= 2


def check_coco(files: list[Path], folder: Path, pictures: Pictures, findings: Findings) -> dict[str, Held]:
    """Check the COCO files of one dataset, those of all its splits; file -> (pictures, objects)."""
    counts = {}
    sums: dict[str, Counter[str]] = {}
    by_task: dict[str, Splits] = {}
    classes: dict[str, tuple[str, dict[Any, str]]] = {}
    for path in files:
        name = path.relative_to(folder).as_posix()
        split = _split_of(path)
        task = path.stem.removesuffix(split).rstrip("_-") if split else path.stem
        splits = by_task.setdefault(task, Splits(findings, name))
        splits.format = name
        try:
            file = _heads(path, name, split or name, folder, findings)
            first, known = classes.setdefault(task, (name, file.classes))
            if known != file.classes:
                findings.problem("classes differ", name, f"Its classes are not those of {first}.")
            _check_pictures(file, pictures, splits, findings)
            _check_objects(path, file, findings)
        except Broken as error:
            findings.problem("JSON broken", name, f"It cannot be read: {error}.")
            continue
        except OSError as error:
            findings.problem("file unreadable", name, f"It cannot be read: {error.strerror}.")
            continue
        if "panoptic" in task:  # one of them is all that is no object
            findings.sizes["segments in COCO panoptic"] += file.labelled
        else:
            findings.objects(f"COCO {task}" if task in TASKS else "COCO", file.labelled)
        counts[name] = Held(len(file.images), file.labelled, frozenset(file.classes.values()))
        summed = sums.setdefault(task, Counter())
        for category, label in file.classes.items():
            summed[label] += file.objects[category]
    for task, summed in sums.items():
        findings.empty_classes(task, [label for label, count in summed.items() if not count])
    return counts


def _split_of(path: Path) -> str:
    """train, val or test where a file's name, or that of its folder, says it."""
    for text in (path.stem.lower(), path.parent.name.lower()):
        for split in SPLIT_NAMES:
            if text.endswith(split) or f"{split}20" in text or text.startswith(split):
                return split
    return ""


# --- pictures and classes --------------------------------------------------------------------------------------------


def _heads(path: Path, name: str, split: str, folder: Path, findings: Findings) -> _File:
    file = _File(name, split, folder)
    for key, item in items(path):
        if key == "images":
            _image(file, item, findings)
        elif key == "categories":
            _category(file, item, findings)
    if not file.classes:
        findings.problem("no classes", name, "It names no classes (categories).")
    if not file.images:
        findings.note("no pictures", name, "It names no pictures (images).")
    file.root = _root(path, folder, next((image[0] for image in file.images.values()), ""))
    return file


def _image(file: _File, item: Any, findings: Findings) -> None:
    try:
        number, image, size = item["id"], item["file_name"], (item["width"], item["height"])
        if not isinstance(image, str) or not all(isinstance(v, int) and v > 0 for v in size):
            raise ValueError
        hash(number)
    except (KeyError, TypeError, ValueError):
        which = item.get("id") if isinstance(item, dict) else None
        findings.problem(
            "picture's entry", f"{file.name} image {which}", "It lacks a valid id, file_name, width or height."
        )
        return
    if number in file.images:
        findings.problem("id twice", f"{file.name} image {number}", "Two pictures have this id.")
    file.images[number] = (image, *size)


def _category(file: _File, item: Any, findings: Findings) -> None:
    try:
        number, name = item["id"], str(item["name"])
        hash(number)
    except (KeyError, TypeError):
        findings.problem("class's entry", f"{file.name} categories", "A class lacks its id or its name.")
        return
    where = f"{file.name} class {name!r}"
    if number in file.classes:
        findings.problem("id twice", where, f"Two classes have the id {number}.")
    elif name in file.classes.values():
        findings.problem("class twice", where, "Two classes have this name.")
    if number == 0:
        findings.problem("id 0", where, "Its id is 0, which several readers take for the background; ids begin at 1.")
    file.classes[number] = name
    if isinstance(item.get("keypoints"), list):
        file.points[number] = len(item["keypoints"])


def _root(path: Path, folder: Path, first: str) -> Path:
    """The folder from which pictures are named: where the first one lies, looked for near the file."""
    near = [folder, path.parent, path.parent.parent]
    places = [*near, *(below for place in near[:2] for below in _below(place, DEEP))]
    return next((place for place in places if first and (place / first).is_file()), folder)


def _below(place: Path, deep: int) -> Iterator[Path]:
    if deep:
        for each in sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith(".")):
            yield each
            yield from _below(each, deep - 1)


def _check_pictures(file: _File, pictures: Pictures, splits: Splits, findings: Findings) -> None:
    if "panoptic" in Path(file.name).stem:
        return  # they are those of the instances; what it draws is checked with its objects
    named: set[str] = set()
    every = list(file.images.items())
    for (number, (image, width, height)), (path, found) in zip(
        every, pictures.look_all(file.root / image for _, (image, _, _) in every), strict=True
    ):
        where = f"{file.name} image {number}"
        if image in named:
            findings.problem("picture named twice", where, f"{image} is named by two entries.")
        named.add(image)
        if expect(findings, where, path, found, (width, height), image) and found is not None:
            splits.add(found.sha256, file.split, image)


# --- objects ---------------------------------------------------------------------------------------------------------


def _check_objects(path: Path, file: _File, findings: Findings) -> None:
    ids: set[Any] = set()
    twins: set[int] = set()
    for key, item in items(path):
        if key != "annotations":
            continue
        if not isinstance(item, dict):
            findings.problem("object's entry", f"{file.name} annotations", "An object's entry is no table.")
            continue
        if "segments_info" in item:
            _panoptic(file, path, item, findings)
            continue
        number = item.get("id")
        where = f"{file.name} annotation {number}"
        if not isinstance(number, (int, str)):
            findings.problem("object's entry", where, "It lacks a valid id.")
        elif number in ids:
            findings.problem("id twice", where, "Two objects have this id.")
        elif number == 0:
            findings.problem("id 0", where, "Its id is 0, which pycocotools takes for no match; ids begin at 1.")
        ids.add(number if isinstance(number, (int, str)) else None)
        _object(file, where, item, twins, findings)


def _object(file: _File, where: str, item: dict[str, Any], twins: set[int], findings: Findings) -> None:
    file.labelled += 1
    image = file.images.get(_key(item.get("image_id")))
    if image is None:
        findings.problem("picture unknown", where, f"Its picture {item.get('image_id')!r} is not in the file.")
        return
    category = _key(item.get("category_id"))
    if category not in file.classes:
        findings.problem("class unknown", where, f"Its class {item.get('category_id')!r} is not in the file.")
    file.objects[category] += 1
    _, width, height = image
    box = item.get("bbox")
    if not shapes.numbers(box, 4):
        findings.problem("box broken", where, f"Its box {str(box)[:60]} is not four numbers.")
        return
    what, sentence = shapes.box_fault(box, width, height)  # type: ignore[arg-type]
    if what:
        findings.problem(what, where, sentence)
        return
    area = item.get("area")
    if area is not None and (not shapes.numbers([area]) or area <= 0):
        findings.problem("no area", where, f"Its area is {area!r}.")
    if item.get("iscrowd", 0) not in (0, 1):
        findings.problem("object's entry", where, f"Its iscrowd is {item['iscrowd']!r}, which is 0 or 1.")
    _segmentation(where, item, box, area, width, height, findings)  # type: ignore[arg-type]
    if "keypoints" in item:
        _keypoints(where, item, file.points.get(category), width, height, findings)
    twin = hash((_key(item["image_id"]), category, tuple(box), json.dumps(item.get("segmentation"), sort_keys=True)))  # type: ignore[arg-type]
    if twin in twins:
        findings.problem("object twice", where, "Another object of its picture has its class, box and mask.")
    twins.add(twin)


def _key(value: Any) -> Any:
    return value if isinstance(value, (int, str)) else None


def _segmentation(
    where: str, item: dict[str, Any], box: list[float], area: Any, width: int, height: int, findings: Findings
) -> None:
    segmentation = item.get("segmentation")
    if segmentation is None or segmentation == []:
        return  # boxes alone
    if isinstance(segmentation, dict):
        try:
            mask = runs.read(segmentation, height, width)
        except ValueError as error:
            findings.problem("mask broken", where, f"{_capital(str(error))}.")
            return
        if not mask.area:
            findings.problem("mask empty", where, "Its mask has no pixel.")
            return
        if shapes.numbers([area]) and abs(mask.area - area) > 0.5:
            findings.problem("area wrong", where, f"Its area is {area:g}, its mask has {mask.area} pixels.")
        if shapes.differ(mask.bbox, box, 1.01):
            sentence = f"Its box is {[round(v, 2) for v in box]}, that of its mask {mask.bbox}."
            findings.problem("box and mask differ", where, sentence)
        return
    if not isinstance(segmentation, list):
        findings.problem("mask broken", where, "Its segmentation is neither polygons nor run lengths.")
        return
    for points in segmentation:
        fault = shapes.polygon_fault(points, width, height)
        if fault:
            findings.problem("polygon broken", where, f"A polygon of it is of no use: {fault}.")
            return
    around = shapes.bounds(segmentation)
    if shapes.differ(around, box, 2 + 0.02 * max(box[2], box[3])):
        sentence = f"Its box is {[round(v, 1) for v in box]}, that of its polygons {[round(v, 1) for v in around]}."
        findings.problem("box and mask differ", where, sentence)


def _keypoints(
    where: str, item: dict[str, Any], count: int | None, width: int, height: int, findings: Findings
) -> None:
    points = item["keypoints"]
    if not shapes.numbers(points) or len(points) % 3 or (count is not None and len(points) != 3 * count):
        expected = f"3 x {count}" if count is not None else "three for each point"
        findings.problem("keypoints broken", where, f"It has {len(points)} numbers of keypoints, not {expected}.")
        return
    seen = points[2::3]
    if any(v not in (0, 1, 2) for v in seen):
        findings.problem("keypoints broken", where, "The visibility of a keypoint is not 0, 1 or 2.")
    labelled = sum(v > 0 for v in seen)
    if item.get("num_keypoints", labelled) != labelled:
        sentence = f"Its num_keypoints is {item['num_keypoints']}, of its keypoints {labelled} are labelled."
        findings.problem("keypoints broken", where, sentence)
    for x, y, v in zip(points[::3], points[1::3], seen, strict=True):
        if v == 2 and not (-shapes.SLACK <= x <= width + shapes.SLACK and -shapes.SLACK <= y <= height + shapes.SLACK):
            sentence = f"A keypoint that is seen lies at {x:g}, {y:g}, out of the picture."
            findings.problem("keypoint outside", where, sentence)
            return


# --- panoptic --------------------------------------------------------------------------------------------------------


def _panoptic(file: _File, path: Path, item: dict[str, Any], findings: Findings) -> None:
    name = str(item.get("file_name"))
    where = f"{file.name} {name}"
    image = file.images.get(_key(item.get("image_id")))
    if image is None:
        findings.problem("picture unknown", where, f"Its picture {item.get('image_id')!r} is not in the file.")
        return
    segments: dict[int, dict[str, Any]] = {}
    for segment in item["segments_info"] if isinstance(item["segments_info"], list) else []:
        number = segment.get("id") if isinstance(segment, dict) else None
        if not isinstance(number, int):
            findings.problem("object's entry", where, "A segment lacks a valid id.")
            continue
        file.labelled += 1
        if number in segments:
            findings.problem("id twice", where, f"Two segments have the id {number}.")
        if number == 0:
            findings.problem("id 0", where, "A segment has the id 0, which is what is not labelled.")
        category = _key(segment.get("category_id"))
        if category not in file.classes:
            findings.problem("class unknown", where, f"The class {segment.get('category_id')!r} is not in the file.")
        file.objects[category] += 1
        segments[number] = segment
    beside, usual = path.parent / name, path.with_suffix("") / name
    drawn = beside if beside.is_file() else usual
    try:
        with Image.open(drawn) as opened:
            pixels = np.asarray(opened.convert("RGB"), np.int64)
    except FileNotFoundError:
        findings.problem("picture missing", where, "The picture with its segments is not there.")
        return
    except (OSError, ValueError, SyntaxError) as error:
        findings.problem("picture unreadable", where, f"The picture with its segments cannot be read: {error}.")
        return
    if pixels.shape[:2] != (image[2], image[1]):
        findings.problem("picture size", where, f"Its segments are drawn at {pixels.shape[1]} x {pixels.shape[0]}.")
        return
    ids, areas = np.unique(pixels @ np.array([1, 256, 65536]), return_counts=True)
    there = {int(i): int(n) for i, n in zip(ids, areas, strict=True) if i}
    if there.keys() != segments.keys():
        sentence = f"It lists {len(segments)} segments; its picture shows {len(there)}, and not the same."
        findings.problem("segments differ", where, sentence)
        return
    wrong = [n for n, segment in segments.items() if segment.get("area", there[n]) != there[n]]
    if wrong:
        findings.problem("area wrong", where, f"The area of segment {wrong[0]} is not what its picture shows.")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
