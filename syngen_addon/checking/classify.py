"""What is wrong with pictures in folders of classes: <split>/<class>/. Imports its siblings.

torchvision's ImageFolder and Ultralytics number the classes by the sorted names of a split's folders, so every split
must have the same ones.
"""

import json
from collections import Counter
from pathlib import Path

from .pictures import SUFFIXES, Pictures, Splits, expect
from .report import Findings, Held

SPLIT_NAMES = ("train", "val", "valid", "test")
OF_OTHERS = {
    *("images", "labels", "annotations", "jpegimages", "segmentationclass", "rgb", "masks", "depth"),
    *("image", "label", "mask", "img", "gt"),
}
"""Folders in a split that say another format."""
LEAST = 10
"""Pixels of a side: Ultralytics leaves smaller pictures out."""


def is_classify(place: Path) -> bool:
    """Whether a folder's splits hold a folder for each class, with pictures in them."""
    split = place / "train"
    if not split.is_dir() or any(path.name in ("data.yaml", "dataset.yaml") for path in place.glob("*.yaml")):
        return False
    classes = [path for path in split.iterdir() if path.is_dir()]
    if any(path.name.lower() in OF_OTHERS or (path / "scene_gt.json").is_file() for path in classes):
        return False
    return any(path.suffix.lower() in SUFFIXES for each in classes for path in each.iterdir())


def check_classify(root: Path, folder: Path, pictures: Pictures, findings: Findings) -> dict[str, Held]:
    """Check the folder that holds the splits; split -> (pictures, pictures)."""
    name = root.relative_to(folder).as_posix()
    known = _known(root, name, findings)
    leaks = Splits(findings, name)
    counts: dict[str, Held] = {}
    shown: Counter[str] = Counter()
    first: set[str] | None = None
    for split in SPLIT_NAMES:
        if not (root / split).is_dir():
            continue
        inside = list((root / split).iterdir())
        classes = {path.name for path in inside if path.is_dir()}
        if not classes and any(path.suffix.lower() in SUFFIXES for path in inside):
            continue  # pictures to be told, of no known class
        if first is not None and classes != first:
            different = ", ".join(map(repr, sorted(classes ^ first)[:5]))
            sentence = f"Its classes are not those of train ({different}): readers number them by their order."
            findings.problem("classes differ", f"{name}/{split}", sentence)
        first = classes if first is None else first
        for label in sorted(classes - known if known is not None else ()):
            findings.problem("class unknown", f"{name}/{split}/{label}", "classes.json does not know this class.")
        count = 0
        for label in sorted(classes):
            listed = sorted(p for p in (root / split / label).rglob("*") if _is_read(p))
            for path, found in pictures.look_all(listed):
                where = path.relative_to(folder).as_posix()
                if expect(findings, where, path, found, None, path.name) and found is not None:
                    leaks.add(found.sha256, split, where)
                    if min(found.width, found.height) < LEAST:
                        sentence = f"It has {found.width} x {found.height} pixels; Ultralytics leaves it out."
                        findings.problem("picture too small", where, sentence)
            count += len(listed)
            shown[label] += len(listed)
        counts[split] = Held(count, count, frozenset(classes))
    findings.empty_classes(name, [label for label in sorted(known or first or ()) if not shown[label]])
    findings.objects("folders of classes", sum(held.objects for held in counts.values()))
    return counts


def _is_read(path: Path) -> bool:
    """Whether readers take a file of a class's folder: those that are no pictures by their names they pass over."""
    return path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()


def _known(root: Path, name: str, findings: Findings) -> set[str] | None:
    """The folders that classes.json names; None where there is no such file."""
    if not (root / "classes.json").is_file():
        return None
    found = read_folders(root)
    if found is None:
        findings.problem("JSON broken", f"{name}/classes.json", "It does not say which folder is which class.")
    return None if found is None else set(found)


def read_folders(root: Path) -> dict[str, str] | None:
    """Folder -> class, by classes.json; None where that is missing or broken."""
    try:
        found = json.loads((root / "classes.json").read_bytes())["classes"]
        return {str(folder): str(name) for folder, name in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
