"""What formats of a job of ours hold, against its records: masks, poses, crops, polygons. Imports its siblings, jobs,
formats, numpy, Pillow.

One pass over the records. Whatever is there is compared; what is missing as a whole was said before.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from .. import jobs
from ..errors import SynGenError
from ..files import frame_file
from ..formats.bop import SCENE
from ..formats.chosen import LIKE, Fit, annotations, class_names, well_seen
from ..formats.classify import around
from ..formats.split import SPLITS
from ..formats.yolo_segment import painted
from . import runs
from .bop import read_bits, read_table
from .classify import read_folders
from .job import Job
from .masks import numbers_of, read_map
from .pictures import look
from .report import Findings

SAME_POSE = 1e-4
"""How far a pose may be from its record's: radians, and shares of the distance."""
Pixels = npt.NDArray[np.uint8]
Piece = tuple[int, runs.Mask]


def check_recorded(folder: Path, job: Job, findings: Findings) -> None:
    """Compare the formats that lie in a job's folder with its records, frame by frame."""
    checks = [each(folder, job, findings) for each in (_Masks, _Bop, _Classify, _Maps, _Polygons, _Table)]
    checks = [each for each in checks if each.there]
    if not checks:
        return
    for frame in range(job.frames):
        record = jobs.read_record(folder, frame)
        if record is not None and record["no_target"]:
            continue
        for each in checks:
            try:
                each.frame(record or {})
            except (KeyError, TypeError, ValueError, SynGenError):  # what was said: the record or the format is broken
                each.unread.add(frame)
    for each in checks:
        each.end()


class _Check:
    """One format's comparison. there: whether it lies in the folder. unread: frames that could not be compared."""

    there = False

    def __init__(self, folder: Path, job: Job, findings: Findings) -> None:
        self.folder, self.job, self.findings = folder, job, findings
        self.labels = job.recipe.labels
        self.names = class_names(self.labels, job.classes)
        self.unread: set[int] = set()

    def frame(self, record: dict[str, Any]) -> None:
        """Compare one frame that has a picture."""
        raise NotImplementedError

    def end(self) -> None:
        """Say what only all frames together tell."""

    def chosen(self, record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        return annotations(record, self.labels, self.job.recipe.export.min_visible)


def _mask(record: dict[str, Any], segmentation: dict[str, Any]) -> runs.Mask:
    return runs.read(segmentation, record["height"], record["width"])


# --- label maps ------------------------------------------------------------------------------------------------------


class _Masks(_Check):
    """Each pixel of a map is the number of a mask that covers it, and 0 where none does."""

    def __init__(self, folder: Path, job: Job, findings: Findings) -> None:
        super().__init__(folder, job, findings)
        self.there = (folder / "masks" / "classes.json").is_file()
        if self.there:
            semantic, wear = (numbers_of(folder / "masks", w, "masks", Findings()) for w in ("semantic", "wear"))
            self.classes = {name: number for number, name in (semantic or {}).items()}
            self.kinds = {name: number for number, name in (wear or {}).items()}

    def frame(self, record: dict[str, Any]) -> None:
        objects = record[self.labels.objects]
        by_place = self.labels.objects == "regions"
        pieces: dict[str, list[Piece]] = {
            "instance": [
                (place if by_place else entry["index"], _mask(record, entry["segmentation"]))
                for place, entry in enumerate(objects, start=1)
            ],
            "wear": [
                (self.kinds.get(kind, -1), _mask(record, each["wear_segmentation"]))
                for entry in record["instances"]
                for kind, each in _wears(entry)
                if each["wear_area"]
            ],
        }
        if self.classes.keys() == {"", *self.names}:  # formats may have been made of other classes
            pieces["semantic"] = [
                (self.classes[name], _mask(record, entry["segmentation"])) for name, entry in self.chosen(record)
            ]
        for what, each in pieces.items():
            file = frame_file(f"masks/{what}", record["frame"], ".png")
            if not (self.folder / file).is_file():
                self.findings.problem("mask missing", file, "The frame has a record, and no such map.")
                continue
            pixels = read_map(self.folder / file)
            if pixels is not None and (fault := map_fault(pixels, each, (record["height"], record["width"]))):
                self.findings.problem("mask unlike record", file, fault)


def _wears(entry: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield entry.get("kind", entry["classes"].get("kind", "")), entry
    for layer in entry.get("layers", ()):
        yield layer["kind"], layer


def map_fault(pixels: npt.NDArray[np.int32], pieces: Iterable[Piece], size: tuple[int, int]) -> str:
    """What is wrong with a map of the numbers of masks, which may overlap; "" where nothing is."""
    if pixels.shape != size:
        return f"It has {pixels.shape[1]} x {pixels.shape[0]} pixels, its record {size[1]} x {size[0]}."
    left = pixels != 0
    wrong = np.zeros(size, bool)
    for number, mask in pieces:
        x, y, bits = mask.crop()
        place = np.s_[y : y + bits.shape[0], x : x + bits.shape[1]]
        own = bits & (pixels[place] == number)
        left[place] &= ~own
        wrong[place] |= bits & (pixels[place] == 0)
    count = int(np.count_nonzero(left | wrong))
    return f"{count:,} of its pixels are not what the record's masks say." if count else ""


# --- BOP -------------------------------------------------------------------------------------------------------------


class _Bop(_Check):
    """Poses and masks are the record's. They are read by scene: a record's frames come in that order."""

    def __init__(self, folder: Path, job: Job, findings: Findings) -> None:
        super().__init__(folder, job, findings)
        self.there = (folder / "bop").is_dir()
        self.number = -1
        self.tables: dict[Path, dict[int, Any]] = {}

    def frame(self, record: dict[str, Any]) -> None:
        number, image = divmod(record["frame"], SCENE)
        if number != self.number:
            places = [self.folder / "bop" / split / f"{number:06d}" for split in SPLITS]
            some = [place for place in places if (place / "scene_gt.json").is_file()]
            self.tables = {place: read_table(place / "scene_gt.json", "", Findings()) or {} for place in some}
            self.number = number
        scene = next((place for place, table in self.tables.items() if image in table), None)
        if scene is None:
            self.findings.problem("label missing", f"bop frame {record['frame']}", "No scene has this image.")
            return
        where = f"{scene.relative_to(self.folder).as_posix()} image {image}"
        least = self.job.recipe.export.min_visible
        seen = well_seen(record, least) if least > 0 else None
        entries = [e for e in record["instances"] if seen is None or e["index"] in seen]
        poses = self.tables[scene][image]
        if [pose["obj_id"] for pose in poses] != [entry["index"] for entry in entries]:
            self.findings.problem("objects unlike record", where, "Its objects are not those of the frame's record.")
            return
        for place, (pose, entry) in enumerate(zip(poses, entries, strict=True)):
            at = f"{where} object {place}"
            rotation = np.array(entry["pose"]["rotation"], float)
            moved = np.array(entry["pose"]["translation_m"]) + rotation.reshape(3, 3) @ entry["box_3d"]["center_m"]
            apart = np.linalg.norm(np.array(pose["cam_t_m2c"]) - 1000 * moved)
            turned = np.abs(np.array(pose["cam_R_m2c"]) - rotation).max()
            if turned > SAME_POSE or apart > SAME_POSE * 1000 * np.linalg.norm(moved):
                self.findings.problem("pose unlike record", at, "It is not the pose that the record has.")
            bits = read_bits(scene / "mask_visib" / f"{image:06d}_{place:06d}.png")
            if bits is not None and (
                fault := map_fault(
                    bits.astype(np.int32),
                    [(1, _mask(record, entry["segmentation"]))],
                    (record["height"], record["width"]),
                )
            ):
                self.findings.problem("mask unlike record", at, fault)


# --- pictures --------------------------------------------------------------------------------------------------------


class _Classify(_Check):
    """Every object has its crop, in its class's folder, cut from its frame."""

    def __init__(self, folder: Path, job: Job, findings: Findings) -> None:
        super().__init__(folder, job, findings)
        known = read_folders(folder / "classify")
        self.folders = {name: place for place, name in (known or {}).items()}
        self.there = bool(self.folders) and set(self.folders) <= set(self.names)
        self.expected: set[str] = set()

    def frame(self, record: dict[str, Any]) -> None:
        frame, picture = record["frame"], None
        for place, (name, entry) in enumerate(self.chosen(record)):
            file = f"{self.folders.get(name, name)}/{frame:08d}-{place:03d}.png"
            self.expected.add(file)
            paths = [self.folder / "classify" / split / file for split in SPLITS]
            path = next((path for path in paths if path.is_file()), None)
            if path is None:
                self.findings.problem("picture missing", f"classify */{file}", "An object of the record has no crop.")
                continue
            if picture is None:
                picture = _pixels(self.folder / jobs.picture_name(frame))
                if picture is None:
                    raise ValueError
            x, y, width, height = around(entry["bbox"], (record["width"], record["height"]))
            crop = _pixels(path)
            if crop is not None and not np.array_equal(crop, picture[y : y + height, x : x + width]):
                where = path.relative_to(self.folder).as_posix()
                self.findings.problem("picture unlike record", where, "It is not what its frame shows in its place.")

    def end(self) -> None:
        unread = {f"{frame:08d}" for frame in self.unread}
        for split in SPLITS:
            for path in sorted((self.folder / "classify" / split).glob("*/*.png")):
                expected = f"{path.parent.name}/{path.name}" in self.expected or path.name.split("-")[0] in unread
                if not expected:
                    where = path.relative_to(self.folder).as_posix()
                    self.findings.problem("left over", where, "No object of a record is this.")


def _pixels(path: Path) -> Pixels | None:
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


class _Maps(_Check):
    """Depth and normals as PNG: there, of the frame's size."""

    def __init__(self, folder: Path, job: Job, findings: Findings) -> None:
        super().__init__(folder, job, findings)
        self.places = [name for name in ("depth-png", "normals-png") if (folder / name).is_dir()]
        self.there = bool(self.places)

    def frame(self, record: dict[str, Any]) -> None:
        for place in self.places:
            file = frame_file(place, record["frame"], ".png")
            found = look(self.folder / file)
            if found is None:
                self.findings.problem("picture missing", file, "The frame has a record, and no such map.")
            elif found.fault:
                self.findings.problem("picture unreadable", file, f"It cannot be read: {found.fault}.")
            elif (found.width, found.height) != (record["width"], record["height"]):
                self.findings.problem("picture size", file, "It is not of its frame's size.")


# --- polygons --------------------------------------------------------------------------------------------------------


class _Polygons(_Check):
    """What Ultralytics makes of the polygons of YOLO segment, against the masks; what bridges add is told."""

    def __init__(self, folder: Path, job: Job, findings: Findings) -> None:
        super().__init__(folder, job, findings)
        self.there = (folder / "yolo-segment" / "data.yaml").is_file()
        self.fit = Fit()

    def frame(self, record: dict[str, Any]) -> None:
        path = self.folder / frame_file("yolo-segment/labels", record["frame"], ".txt")
        chosen = self.chosen(record)
        try:
            lines = path.read_text(encoding="ascii").splitlines()
            if len(lines) != len(chosen):
                return  # made of other objects, or two are one line
            shapes = [np.array(line.split()[1:], np.float64).reshape(-1, 2) for line in lines]
        except (OSError, ValueError):
            return  # which was said
        size = np.array([record["width"], record["height"]])
        for number, (points, (_, entry)) in enumerate(zip(shapes, chosen, strict=True), start=1):
            x, y, truth = _mask(record, entry["segmentation"]).crop()
            whole = painted((points * size).astype(np.int32), record["width"], record["height"])
            read = whole[y : y + truth.shape[0], x : x + truth.shape[1]] > 0
            both = int(np.count_nonzero(read & truth))
            iou = both / (np.count_nonzero(whole) + entry["area"] - both)
            self.fit.add(iou)
            if both < LIKE * entry["area"]:
                where = f"{path.relative_to(self.folder).as_posix()}:{number}"
                sentence = f"It covers {both:,} of the {entry['area']:,} pixels of its object's mask."
                self.findings.problem("polygon and mask differ", where, sentence)

    def end(self) -> None:
        if self.fit.less:
            sentence = (
                f"Of {self.fit.objects:,} polygons, read as Ultralytics reads them, {self.fit.less:,} are less than "
                f"{LIKE:g} like their mask (IoU; mean {self.fit.mean:.3f}, worst {self.fit.worst:.3f}): their parts "
                "lie apart, and the format joins them by bridges."
            )
            self.findings.note("polygons joined", "yolo-segment", sentence)


# --- the table -------------------------------------------------------------------------------------------------------


class _Table(_Check):
    """index.csv has a row for each instance, further kind of wear and region of every frame, and no others."""

    def __init__(self, folder: Path, job: Job, findings: Findings) -> None:
        super().__init__(folder, job, findings)
        self.rows: Counter[tuple[str, str]] = Counter()
        """By frame and what a row is."""
        try:
            with open(folder / "index.csv", encoding="utf-8", newline="") as file:
                self.rows.update((row["frame"], row["what"]) for row in csv.DictReader(file))
            self.there = True
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, csv.Error):
            findings.problem("table broken", "index.csv", "It is no table with the columns frame and what.")

    def frame(self, record: dict[str, Any]) -> None:
        frame = str(record["frame"])
        layers = sum(len(entry.get("layers", ())) for entry in record["instances"])
        wanted = {"instance": len(record["instances"]), "layer": layers, "region": len(record["regions"])}
        for what, count in wanted.items():
            found = self.rows.pop((frame, what), 0)
            if found != count:
                sentence = f"Of frame {frame} it has {found} rows of the sort {what}, the record has {count}."
                self.findings.problem("format stale", "index.csv", sentence)

    def end(self) -> None:
        unread = set(map(str, self.unread))
        for frame, what in self.rows:
            if frame not in unread:
                sentence = f"It has rows of the sort {what} of frame {frame}, too."
                self.findings.problem("left over", "index.csv", sentence)
