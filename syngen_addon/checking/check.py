"""Which formats a folder holds, and what is wrong with each. Imports its siblings, formats and jobs."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import recipe as recipes
from ..errors import SynGenError
from ..formats.chosen import class_names
from ..formats.split import SPLITS, split_of
from .bop import check_bop, scenes_of
from .classify import check_classify, is_classify
from .coco import check_coco, is_coco
from .job import Job, check_job, half_made
from .masks import check_masks, is_masks
from .pictures import Pictures
from .recorded import check_recorded
from .report import Findings, Held, Report
from .voc import check_voc
from .yolo import check_yolo

Counts = dict[str, Held]
DEEP = 3
"""So many folders down formats are looked for."""
SKIPPED = {
    *("images", "labels", "records", "variants", "panel", "card", "depth", "normals"),
    *("train", "val", "valid", "test"),
}
"""Folders of a dataset that hold its files by the thousand and no format of their own below them."""
TASKS = {"detect": "YOLO detect", "segment": "YOLO segment", "obb": "YOLO OBB", "pose": "YOLO pose", "": "YOLO"}


def check(folder: Path, tell: Callable[[int], None] = lambda pictures: None) -> Report:
    """Read a finished dataset and say what is wrong with it: a job of ours with all of its formats; COCO, YOLO, Pascal
    VOC, BOP and folders of classes of anyone.

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
    found: dict[str, Counts] = {}
    if coco:
        findings.found.append("COCO")
        found["coco"] = check_coco(coco, folder, pictures, findings)
    for file in sorted(path for place in places for path in place.glob("*.yaml") if _is_yolo(path)):
        task, counts = check_yolo(file, folder, pictures, findings)
        if TASKS[task] not in findings.found:
            findings.found.append(TASKS[task])
        findings.objects(TASKS[task], sum(held.objects for held in counts.values()))
        found[file.relative_to(folder).as_posix()] = counts
    for place in places:
        if (place / "Annotations").is_dir() and any((place / "Annotations").rglob("*.xml")):
            findings.found.append("Pascal VOC")
            found["voc"] = check_voc(place, folder, pictures, findings)
        if scenes_of(place):
            findings.found.append("BOP")
            found["bop"] = check_bop(place, folder, pictures, findings)
        if is_classify(place):
            findings.found.append("folders of classes")
            crops = pictures if len(findings.found) == 1 else Pictures(findings, tell, "crops")
            found["classify"] = check_classify(place, folder, crops, findings)
        if is_masks(place):
            findings.found.append("label maps")
            found["masks"] = {"": check_masks(place, folder, findings)}
    if not findings.found:
        raise SynGenError(
            f"The folder {folder} holds no dataset that can be checked.",
            "What can be is a SynGen job, COCO (annotations/*.json), YOLO (data.yaml), VOC (Annotations/*.xml), BOP "
            "(scene_gt.json) or a folder for each class (train/<class>/).",
        )
    if job is not None:
        _as_recorded(folder, job, found, findings)
        check_recorded(folder, job, findings)
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


def _as_recorded(folder: Path, job: Job, found: dict[str, Counts], findings: Findings) -> None:
    """Each format that the recipe names is there, and has as many pictures and objects as the records.

    Over all splits: formats may be written again with other shares than the recipe's.
    """
    formats = job.recipe.export.formats
    for name, place in (("coco", "instances"), ("coco_keypoints", "keypoints"), ("coco_panoptic", "panoptic")):
        if name in formats:
            files = [f"annotations/{place}_{split}.json" for split in SPLITS]
            there = [found.get("coco", {}).get(file) for file in files if _is_there(folder / file, file, findings)]
            _compare(f"annotations/{place}_*.json", there, job, name == "coco", findings)
    yolo = {"yolo": "data.yaml", **{f"yolo_{t}": f"yolo-{t}/data.yaml" for t in ("segment", "obb", "pose")}}
    for name, file in yolo.items():
        if name in formats and _is_there(folder / file, file, findings):
            # Not the objects: two of one box are one line, and a mask may be too thin for a polygon.
            _compare(file, list(found.get(file, {}).values()), job, False, findings)
    if "voc" in formats and _is_there(folder / "voc", "voc", findings):
        _compare("voc", list(found.get("voc", {}).values()), job, True, findings)
    if "bop" in formats and _is_there(folder / "bop", "bop", findings):
        _compare("bop", list(found.get("bop", {}).values()), job, False, findings)
    if "masks" in formats and _is_there(folder / "masks", "masks", findings):
        _compare("masks", list(found.get("masks", {}).values()), job, False, findings)
    others = {"csv": "index.csv", "classify": "classify"}
    for name, place in {**others, "depth": "depth-png", "normals": "normals-png"}.items():
        if name in formats:
            _is_there(folder / place, place, findings)


def _is_there(path: Path, name: str, findings: Findings) -> bool:
    if not path.exists():
        findings.problem("format missing", name, "The recipe names it, and it is not there: write the formats again.")
    return path.exists()


def _compare(where: str, counts: Sequence[Held | None], job: Job, objects: bool, findings: Findings) -> None:
    """counts: of each split; None or nothing where that was missing, which was said. objects: compare them too."""
    held = [each for each in counts if each is not None]
    if not held or len(held) < len(counts):
        return
    pictures, labelled = sum(each.pictures for each in held), sum(each.objects for each in held)
    true = sum(job.pictures.values()), sum(job.objects.values())
    # Formats may also be made of other classes, or with fewer objects, than the recipe says: then they differ rightly.
    alike = job.recipe.export.min_visible == 0 and held[0].classes <= set(class_names(job.recipe.labels, job.classes))
    for what, said, wanted in (("pictures", pictures, true[0]), ("objects", labelled, true[1])):
        if said != wanted and (what == "pictures" or (objects and alike)):
            sentence = f"It has {said:,} {what}, the records have {wanted:,}: write the formats again."
            findings.problem("format stale", where, sentence)
            return
