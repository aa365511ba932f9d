"""What is wrong with a dataset in Pascal VOC's form. Imports its siblings and the standard library."""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from . import shapes
from .pictures import SUFFIXES, Pictures, Splits, expect
from .report import Findings, Held


def check_voc(root: Path, folder: Path, pictures: Pictures, findings: Findings) -> dict[str, Held]:
    """Check the folder that holds `Annotations`; split -> (pictures, objects), "" for what no list names."""
    files = sorted((root / "Annotations").rglob("*.xml"))
    splits = _splits(root, folder, findings)
    leaks = Splits(findings, f"{root.relative_to(folder).as_posix()}")
    counts: dict[str, Held] = {}
    classes: Counter[str] = Counter()
    read = [(file, _read(file, folder, findings)) for file in files]
    known = {_stem(root, file) for file in files}
    for split, names in splits.items():
        for name in sorted(names - known):
            where = f"{root.relative_to(folder).as_posix()}/ImageSets/Main/{split}.txt"
            findings.problem("label missing", where, f"There is no Annotations/{name}.xml.")
    of = {name: split for split, names in splits.items() for name in names}
    sound = [(file, tree) for file, tree in read if tree is not None]
    places = [_picture(root, file, tree) for file, tree in sound]
    for (file, tree), (path, found) in zip(sound, pictures.look_all(places), strict=True):
        where = file.relative_to(folder).as_posix()
        size = (_number(tree, "size/width"), _number(tree, "size/height"))
        if size[0] <= 0 or size[1] <= 0:
            findings.problem("label broken", where, "It lacks a valid size of its picture.")
            continue
        whole = (round(size[0]), round(size[1]))
        split = of.get(_stem(root, file), "")
        if expect(findings, where, path, found, whole, path.name) and found is not None:
            leaks.add(found.sha256, split, where)
        count = sum(_object(each, where, whole, classes, findings) for each in tree.findall("object"))
        before = counts.get(split, Held(0, 0))
        counts[split] = Held(before.pictures + 1, before.objects + count)
    findings.objects("VOC", sum(classes.values()))
    return {split: held._replace(classes=frozenset(classes)) for split, held in counts.items()}


def _stem(root: Path, file: Path) -> str:
    return file.relative_to(root / "Annotations").with_suffix("").as_posix()


def _splits(root: Path, folder: Path, findings: Findings) -> dict[str, set[str]]:
    """ImageSets/Main/{train,val,test}.txt. trainval, and those of single classes, repeat them."""
    found: dict[str, set[str]] = {}
    for split in ("train", "val", "test"):
        path = root / "ImageSets" / "Main" / f"{split}.txt"
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found[split] = {line.strip() for line in lines if line.strip()}
            for other in found.keys() - {split}:
                for name in sorted(found[other] & found[split]):
                    where = path.relative_to(folder).as_posix()
                    findings.problem("picture in two splits", where, f"{name} is in {other} and in {split}.")
    return found


def _read(file: Path, folder: Path, findings: Findings) -> ElementTree.Element | None:
    where = file.relative_to(folder).as_posix()
    try:
        data = file.read_bytes()
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # no label has one, and entities can fill any memory
            raise ElementTree.ParseError("it declares entities")
        tree = ElementTree.fromstring(data)
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        findings.problem("XML broken", where, f"It cannot be read: {error}.")
        return None
    if tree.tag != "annotation":
        findings.problem("XML broken", where, f"It holds {tree.tag!r}, and no annotation.")
        return None
    return tree


def _picture(root: Path, file: Path, tree: ElementTree.Element) -> Path:
    """Where a label's picture lies: named by it, in JPEGImages or wherever else it says."""
    name = tree.findtext("filename") or ""
    stem = _stem(root, file)
    parent = Path(stem).parent
    pictures = root / "JPEGImages"
    named = [pictures / name, pictures / parent / name, root / (tree.findtext("folder") or "") / name]
    named += [file.parent / name, root / name]
    guessed = [(pictures / stem).with_suffix(suffix) for suffix in sorted(SUFFIXES)]
    return next((path for path in (*(n for n in named if name), *guessed) if path.is_file()), named[0])


def _number(tree: ElementTree.Element, path: str) -> float:
    try:
        return float(tree.findtext(path) or "nan")
    except ValueError:
        return float("nan")


def _object(
    element: ElementTree.Element, where: str, size: tuple[int, int], classes: Counter[str], findings: Findings
) -> int:
    name = (element.findtext("name") or "").strip()
    if not name:
        findings.problem("class unknown", where, "An object has no class (name).")
    classes[name] += 1
    corners = [_number(element, f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")]
    if not shapes.numbers(corners):
        findings.problem("box broken", where, f"The box of an object ({name}) is not four numbers.")
        return 1
    # Pixels are counted from 1 and both corners belong to the box; tools that count from 0 are let pass.
    x0, y0, x1, y1 = corners
    if x1 < x0 or y1 < y0:
        findings.problem("box without area", where, f"The box of an object ({name}) ends before it begins.")
    elif x0 < 0 or y0 < 0 or x1 > size[0] or y1 > size[1]:
        findings.problem("box outside", where, f"The box of an object ({name}) reaches out of the picture.")
    for flag in ("truncated", "difficult", "occluded"):
        if (element.findtext(flag) or "0").strip() not in ("0", "1"):
            findings.problem("label broken", where, f"{flag} of an object ({name}) is neither 0 nor 1.")
    return 1
