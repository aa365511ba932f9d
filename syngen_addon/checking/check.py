"""Which formats a folder holds, and what is wrong with each. Imports its siblings, formats and jobs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .. import recipe as recipes
from ..errors import SynGenError
from ..formats.split import SPLITS, split_of
from .coco import check_coco, is_coco
from .job import Job, check_job, half_made
from .pictures import Pictures
from .report import Findings, Report
from .voc import check_voc
from .yolo import check_yolo

DEEP = 3
"""So many folders down formats are looked for."""
SKIPPED = {
    *("images", "labels", "records", "variants", "panel", "card", "depth", "normals"),
    *("train", "val", "valid", "test"),
}
"""Folders of a dataset that hold its files by the thousand and no format of their own below them."""
TASKS = {"detect": "YOLO detect", "segment": "YOLO segment", "obb": "YOLO OBB", "pose": "YOLO pose", "": "YOLO"}


def check(folder: Path, tell: Callable[[int], None] = lambda pictures: None) -> Report:
    """Read a finished dataset and say what is wrong with it: a job of ours, COCO, YOLO and Pascal VOC of anyone.

    Pictures are read, and nothing is written. Memory grows with the number of pictures by a few hundred bytes each.
    tell: called now and then with how many pictures were read; what it raises ends the check.
    Raises SynGenError: there is no such folder, or no dataset in it.
    """
    if not folder.is_dir():
        raise SynGenError(f"The folder {folder} does not exist.", "Name the folder of a dataset.")
    folder = folder.resolve()
    findings = Findings()
    pictures = Pictures(findings, tell)
    job = None
    ours = (folder / "job.json").is_file()
    if ours:
        findings.found.append("SynGen job")
        job = check_job(folder, pictures, findings, _split)
    places = list(_places(folder, DEEP))
    every = (path for place in places for path in place.glob("*.json") if path.name != "job.json")
    coco = sorted(path for path in every if is_coco(path))
    found: dict[str, dict[str, tuple[int, int]]] = {}
    if coco:
        findings.found.append("COCO")
        found["coco"] = check_coco(coco, folder, pictures, findings)
    for file in sorted(path for place in places for path in place.glob("*.yaml") if _is_yolo(path)):
        task, counts = check_yolo(file, folder, pictures, findings)
        if TASKS[task] not in findings.found:
            findings.found.append(TASKS[task])
        found[file.relative_to(folder).as_posix()] = counts
    for place in places:
        if (place / "Annotations").is_dir() and any((place / "Annotations").rglob("*.xml")):
            findings.found.append("Pascal VOC")
            found["voc"] = check_voc(place, folder, pictures, findings)
    if not findings.found:
        raise SynGenError(
            f"The folder {folder} holds no dataset that can be checked.",
            "What can be is a SynGen job, COCO (annotations/*.json), YOLO (data.yaml) or VOC (Annotations/*.xml).",
        )
    if job is not None:
        _as_recorded(folder, job, found, findings)
    half_made(folder, findings)
    return findings.report(folder)


def _split(record: dict[str, Any], recipe: recipes.Recipe, seed: int) -> str:
    return str(record.get("split") or split_of(record["frame"], seed, recipe.export.split))


def _places(folder: Path, deep: int) -> Iterator[Path]:
    """The folder and those below it that may hold a format."""
    yield folder
    if deep:
        for each in sorted(folder.iterdir()):
            if each.is_dir() and not each.name.startswith(".") and each.name not in SKIPPED and not each.name.isdigit():
                yield from _places(each, deep - 1)


def _is_yolo(path: Path) -> bool:
    try:
        head = path.read_text(encoding="utf-8", errors="replace")[: 1 << 16]
    except OSError:
        return False
    keys = [line.split(":")[0] for line in head.splitlines() if ":" in line]
    return "names" in keys and "train" in keys


# --- what the formats of a job of ours hold, against its records ------------------------------------------------------


def _as_recorded(folder: Path, job: Job, found: dict[str, dict[str, tuple[int, int]]], findings: Findings) -> None:
    """Each format that the recipe names is there, and has as many pictures and objects in each split as the records."""
    formats = job.recipe.export.formats
    for name, place in (("coco", "instances"), ("coco_keypoints", "keypoints"), ("coco_panoptic", "panoptic")):
        if name in formats:
            for split in SPLITS:
                file = f"annotations/{place}_{split}.json"
                _compare(file, found.get("coco", {}).get(file), job, split, name == "coco", folder, findings)
    yolo = {"yolo": "data.yaml", **{f"yolo_{t}": f"yolo-{t}/data.yaml" for t in ("segment", "obb", "pose")}}
    for name, file in yolo.items():
        if name in formats:
            for split in SPLITS:
                counts = found.get(file, {}).get(split) if (folder / file).is_file() else None
                # Two regions of one box are one line; a mask may be too thin for a polygon.
                _compare(file, counts, job, split, False, folder, findings)
    if "voc" in formats and "voc" not in found:
        findings.problem("format missing", "voc", "The recipe names it, and it is not there: write the formats again.")
    for name, file in (("csv", "index.csv"), ("classify", "classify"), ("bop", "bop"), ("masks", "masks")):
        if name in formats and not (folder / file).exists():
            sentence = "The recipe names it, and it is not there: write the formats again."
            findings.problem("format missing", file, sentence)


def _compare(
    file: str, counts: tuple[int, int] | None, job: Job, split: str, objects: bool, folder: Path, findings: Findings
) -> None:
    if counts is None:
        if not (folder / file).is_file():
            sentence = "The recipe names it, and it is not there: write the formats again."
            findings.problem("format missing", file, sentence)
        return
    if counts[0] != job.pictures[split]:
        sentence = (
            f"{split} has {counts[0]} pictures here, {job.pictures[split]} in the records: write the formats again."
        )
        findings.problem("format stale", file, sentence)
    elif objects and job.recipe.export.min_visible == 0 and counts[1] != job.objects[split]:
        sentence = (
            f"{split} has {counts[1]} objects here, {job.objects[split]} in the records: write the formats again."
        )
        findings.problem("format stale", file, sentence)
