"""What is wrong with a YOLO dataset: detect, segment, OBB, pose. Imports its siblings.

The rules are those of Ultralytics' `verify_image_label` and `check_det_dataset`.
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import shapes, yaml_text
from .pictures import SUFFIXES, Pictures, Splits, expect
from .report import Findings, Held

SPLITS = ("train", "val", "valid", "test")
EDGE = 1e-5
"""Of a coordinate's rounding to six digits."""
WIDE = 2e-3
"""How far a box may reach over its picture, as a share of it: a pixel of 500, which other tools round away."""


def check_yolo(file: Path, folder: Path, pictures: Pictures, findings: Findings) -> tuple[str, dict[str, Held]]:
    """Check what a data.yaml names; (its task, split -> (pictures, objects)).

    The task is what its labels look like: "detect", "segment", "obb" or "pose"; "" where nothing tells.
    """
    name = file.relative_to(folder).as_posix()
    try:
        about = yaml_text.read(file.read_text(encoding="utf-8"))
        names = _names(about)
    except (OSError, ValueError) as error:
        findings.problem("data.yaml broken", name, f"It cannot be read: {_why(error)}.")
        return "", {}
    if not names:
        findings.problem("no classes", name, "It names no classes (names).")
    if isinstance(about.get("nc"), int) and about["nc"] != len(names):
        findings.problem("classes differ", name, f"nc is {about['nc']}, and {len(names)} classes are named.")
    for label, count in Counter(names.values()).items():
        if count > 1:
            findings.problem("class twice", name, f"{count} classes have the name {label!r}.")
    root = file.parent / str(about.get("path") or "")
    if not root.is_dir():
        root = file.parent
    shape = about.get("kpt_shape")
    counts: dict[str, Held] = {}
    looked = _Looked(file, folder, name, names, shape if shapes.numbers(shape, 2) else None, findings)
    splits = Splits(findings, name)
    for split in SPLITS:
        if not about.get(split):
            continue
        listed = list(_pictures(about[split], root, folder, name, split, findings))
        before = looked.objects
        for path, found in pictures.look_all(listed):
            shown = _shown(path, folder)
            if expect(findings, f"{name} {split}", path, found, None, shown) and found is not None:
                splits.add(found.sha256, split, shown)
            looked.label(path)
        counts[split] = Held(len(listed), looked.objects - before, frozenset(names.values()))
    if "train" not in counts:
        findings.problem("no pictures", name, "It names no pictures to train on (train).")
    looked.strays()
    findings.empty_classes(name, [label for number, label in names.items() if not looked.classes[number]])
    return looked.task, counts


def _names(about: dict[str, Any]) -> dict[int, str]:
    names = about.get("names") or []
    if isinstance(names, list):
        return {i: str(name) for i, name in enumerate(names)}
    if isinstance(names, dict) and all(isinstance(i, int) for i in names):
        return {i: str(name) for i, name in names.items()}
    raise ValueError("names is neither a list nor a table by number")


def _pictures(named: Any, root: Path, folder: Path, name: str, split: str, findings: Findings) -> Iterator[Path]:
    """What a split of data.yaml names: folders, lists of files, or several of them."""
    for each in named if isinstance(named, list) else [named]:
        place = root / str(each)
        if not place.exists() and str(each).startswith("../"):  # as Ultralytics mends it
            place = root / str(each)[3:]
        if place.is_dir():
            yield from sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES)
        elif place.is_file():
            seen: set[str] = set()
            with open(place, encoding="utf-8", errors="replace") as file:
                for line in (text.strip() for text in file):
                    if line in seen:
                        findings.problem("picture named twice", f"{name} {split}", f"{line} is named twice.")
                    elif line:
                        seen.add(line)
                        yield place.parent / line  # an absolute one stays as it is
        else:
            findings.problem("split missing", f"{name} {split}", f"{each} is neither a folder nor a file.")


def label_of(picture: Path) -> Path:
    """Where a picture's labels lie: `labels` in place of the last `images`."""
    parts = list(picture.parts)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


class _Looked:
    """The label files of one dataset."""

    def __init__(
        self, file: Path, folder: Path, name: str, names: dict[int, str], shape: Any, findings: Findings
    ) -> None:
        self.file, self.folder, self.name, self.names = file, folder, name, names
        self.shape, self.findings = shape, findings
        self.objects, self.task = 0, ""
        self.classes: Counter[int] = Counter()
        self.places: set[Path] = set()
        """Folders of labels, for what no picture has."""
        self.known: set[str] = set()

    def label(self, picture: Path) -> None:
        """The labels of one picture; no file: a picture without objects."""
        path = label_of(picture)
        where = _shown(path, self.folder)
        self.places.add(path.parent)
        self.known.add(str(path))
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            self.findings.problem("label unreadable", where, f"It cannot be read: {_why(error)}.")
            return
        seen: set[str] = set()
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text:
                continue
            if text in seen:
                self.findings.problem("object twice", f"{where}:{number}", "The line is there twice.")
            seen.add(text)
            self.objects += 1
            what, sentence = self._fault(text.split())
            if what:
                self.findings.problem(what, f"{where}:{number}", sentence)

    def _fault(self, words: list[str]) -> tuple[str, str]:
        """(sort, sentence) of what is wrong with a line."""
        try:
            values = [float(word) for word in words]
        except ValueError:
            return "label broken", "It holds what is no number."
        if not all(math.isfinite(v) for v in values):
            return "label broken", "It holds what is no number."
        if values[0] != int(values[0]) or int(values[0]) not in self.names:
            return "class unknown", f"Its class {words[0]} is none of the {len(self.names)} of {self.name}."
        self.classes[int(values[0])] += 1
        if self.shape is not None:
            return self._pose(values)
        if len(values) == 5:
            return self._mixed("detect") or _box(values[1:5])
        if len(values) < 7 or len(values) % 2 == 0:
            sentence = f"It has {len(values)} columns; a box has 5, a rotated one 9, a polygon an odd number from 7 on."
            return "label broken", sentence
        if len(values) != 9:
            self.task = "segment" if self.task == "obb" else self.task  # a polygon of four points looks like a box
        task = "obb" if len(values) == 9 and self.task != "segment" else "segment"
        return self._mixed(task) or self._polygon(values[1:])

    def _mixed(self, task: str) -> tuple[str, str] | None:
        self.task = self.task or task
        if "detect" in (self.task, task) and task != self.task:
            return "label broken", "Boxes and polygons are mixed: then a reader drops every polygon."
        return None

    def _polygon(self, points: list[float]) -> tuple[str, str]:
        fault = shapes.polygon_fault(points, 1, 1, slack=EDGE if self.task == "segment" else math.inf)
        return ("polygon broken", f"It is of no use: {fault}.") if fault else ("", "")

    def _pose(self, values: list[float]) -> tuple[str, str]:
        self.task = "pose"
        points, each = (int(v) for v in self.shape)
        if len(values) != 5 + points * each:
            sentence = f"It has {len(values)} columns; with kpt_shape [{points}, {each}] it takes {5 + points * each}."
            return "keypoints broken", sentence
        found = _box(values[1:5])
        if found[0]:
            return found
        for at in range(5, len(values), each):
            x, y = values[at : at + 2]
            if each == 3 and values[at + 2] not in (0, 1, 2):
                return "keypoints broken", f"The visibility of a keypoint is {values[at + 2]:g}, not 0, 1 or 2."
            if (each == 2 or values[at + 2] > 0) and not (-EDGE <= x <= 1 + EDGE and -EDGE <= y <= 1 + EDGE):
                return "keypoint outside", f"A keypoint lies at {x:g}, {y:g}, out of the picture."
        return "", ""

    def strays(self) -> None:
        """Label files whose picture is not in any split."""
        for place in sorted(self.places):
            if not place.is_dir():
                continue
            for path in place.glob("*.txt"):
                if str(path) not in self.known and path.name != "classes.txt":
                    sentence = "No split names its picture: it is left over, or the picture is missing."
                    self.findings.problem("label left over", _shown(path, self.folder), sentence)


def _box(values: list[float]) -> tuple[str, str]:
    x, y, w, h = values
    if not all(-EDGE <= v <= 1 + EDGE for v in values):
        return "box outside", f"Its numbers {' '.join(f'{v:g}' for v in values)} are not all between 0 and 1."
    return shapes.box_fault([x - w / 2, y - h / 2, w, h], 1, 1, slack=WIDE)


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _why(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)
