"""What is wrong with a job of ours: its records, its pictures, what belongs to them.

Imports jobs, recipe, labels.record, formats and its siblings.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from .. import jobs
from .. import recipe as recipes
from ..errors import SynGenError
from ..files import frame_file
from ..formats.chosen import annotations
from ..labels.record import decode
from . import runs, shapes
from .pictures import BATCH, Pictures, expect
from .report import Findings

ROUNDING = 0.0105
"""Of a percentage with two decimals."""


@dataclass
class Job:
    """What the records of a job hold, for what is made of them."""

    recipe: recipes.Recipe
    seed: int
    classes: list[str]
    frames: int = 0
    without: int = 0
    """Frames without a target."""
    pictures: Counter[str] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)
    """By split, as the formats hold them."""
    shown: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """(sort, which) of what frames are made of -> the splits that show it."""


def check_job(
    folder: Path, pictures: Pictures, findings: Findings, split_of: Callable[[dict[str, Any], recipes.Recipe, int], str]
) -> Job | None:
    """Check a job's own files; what its records hold, or None where they cannot be read at all."""
    try:
        about = jobs.read_job(folder)
        recipe = recipes.load(folder / "recipe.toml")
        seed = int(about["inputs"]["seed"])
    except (SynGenError, KeyError, TypeError, ValueError) as error:
        findings.problem("job broken", "job.json", str(error))
        return None
    if jobs.fingerprint_of(about["inputs"]) != about["fingerprint"]:
        sentence = "Its fingerprint is not that of what it says went into the job: it was changed."
        findings.problem("job broken", "job.json", sentence)
    _same_recipe(about["inputs"].get("recipe", {}), recipe, findings)
    job = Job(recipe, seed, list(about["classes"].get(recipe.labels.class_from, [])))
    numbers = sorted(_numbered(folder / "records", ".json"))
    if not numbers:
        findings.problem("no frames", "records", "The job has no finished frame.")
        return job
    job.frames = numbers[-1] + 1
    absent = sorted(set(range(job.frames)) - set(numbers))
    if absent:
        some = ", ".join(map(str, absent[:8])) + (" ..." if len(absent) > 8 else "")
        sentence = f"{len(absent)} of its frames are not there ({some}): the job is not finished."
        findings.problem("frames missing", "records", sentence)
    findings.sizes["frames"] += len(numbers)
    frames = iter(numbers)
    while batch := list(islice(frames, BATCH)):
        _frames(folder, batch, job, pictures, findings, split_of)
    _shared(job, findings)
    _strays(folder, set(numbers), findings)
    findings.objects("the records", sum(job.objects.values()))
    return job


def _same_recipe(there: dict[str, Any], recipe: recipes.Recipe, findings: Findings) -> None:
    """recipe.toml is the one that the job was made from; [export] may be another, and paths are not kept."""
    paths = {*recipes.PATH_KEYS, *recipes.MODEL_KEYS}
    for section, keys in recipes.to_dict(recipe).items():
        for key, value in keys.items():
            before = there.get(section, {}).get(key, value)
            if section != "export" and (section, key) not in paths and json.loads(json.dumps(value)) != before:
                sentence = f"{section}.{key} is {value}, and the job was made with {before}."
                findings.problem("recipe changed", "recipe.toml", sentence)


def _numbered(folder: Path, suffix: str) -> Iterator[int]:
    """The frames that a folder holds files of."""
    for path in folder.glob(f"[0-9]*/[0-9]*{suffix}"):
        if path.stem.isdigit():
            yield int(path.stem)


def _frames(
    folder: Path,
    batch: list[int],
    job: Job,
    pictures: Pictures,
    findings: Findings,
    split_of: Callable[[dict[str, Any], recipes.Recipe, int], str],
) -> None:
    records = [(frame, record) for frame in batch if (record := _record(folder, frame, findings)) is not None]
    for frame, record in records:
        if record["no_target"]:
            job.without += 1
            if (folder / jobs.picture_name(frame)).is_file():
                sentence = "The frame shows no target, and yet has a picture."
                findings.problem("left over", jobs.picture_name(frame), sentence)
    shown = [(frame, record) for frame, record in records if not record["no_target"]]
    for (frame, record), (path, found) in zip(
        shown, pictures.look_all(folder / jobs.picture_name(frame) for frame, _ in shown), strict=True
    ):
        where, name = frame_file("records", frame, ".json"), jobs.picture_name(frame)
        size = (record["width"], record["height"])
        if expect(findings, where, path, found, size, name) and found is not None:
            said = record.get("picture", {}).get("sha256", found.sha256)
            if said != found.sha256:
                sentence = "It is not the picture that the frame's record was made with."
                findings.problem("picture changed", name, sentence)
        for wanted, about in record.get("maps", {}).items():
            said = jobs.file_hash(folder / about["file"])
            if said == "missing":
                findings.problem("picture missing", where, f"Its {about['file']} is not there.")
            elif said != about.get("sha256", said):
                sentence = f"It is not the map of {wanted} that the frame's record was made with."
                findings.problem("picture changed", about["file"], sentence)
        _labels(where, record, job, findings)
        split = split_of(record, job.recipe, job.seed)
        job.pictures[split] += 1
        for each in _made_of(record, job.recipe):
            job.shown.setdefault(each, set()).add(split)
        job.objects[split] += len(annotations(record, job.recipe.labels))


def _record(folder: Path, frame: int, findings: Findings) -> dict[str, Any] | None:
    where = frame_file("records", frame, ".json")
    try:
        record = decode((folder / where).read_bytes())
    except OSError as error:
        findings.problem("record broken", where, f"It cannot be read: {error.strerror}.")
        return None
    except SynGenError as error:
        findings.problem("record broken", where, str(error))
        return None
    if record["frame"] != frame:
        findings.problem("record broken", where, f"It is the record of frame {record['frame']}.")
        return None
    return record


# --- what a record says ----------------------------------------------------------------------------------------------


def _labels(where: str, record: dict[str, Any], job: Job, findings: Findings) -> None:
    """Masks, boxes, fractions and classes of one frame agree with each other."""
    height, width = record["height"], record["width"]
    seen: dict[int, tuple[runs.Mask, dict[str, runs.Mask]]] = {}
    whole = 0
    try:
        for entry in record["instances"]:
            at = f"{where} instance {entry['index']}"
            if entry["index"] in seen:
                findings.problem("id twice", at, "Two instances have this index.")
            mask = _mask(at, entry["segmentation"], entry, height, width, findings)
            if mask is None:
                continue
            whole += mask.area
            worn = {}
            for kind, wear in (("", entry), *((layer["kind"], layer) for layer in entry.get("layers", ()))):
                found = _wear(at, wear, mask, height, width, findings)
                if found is not None:
                    worn[kind or entry.get("kind", entry["classes"]["kind"])] = found
            seen[entry["index"]] = (mask, worn)
            _ranges(at, entry, findings)
            _class(at, entry, job, findings)
        if whole > height * width:
            findings.problem("masks overlap", where, "The masks of its instances have more pixels than the picture.")
        for number, region in enumerate(record["regions"]):
            at = f"{where} region {number}"
            mask = _mask(at, region["segmentation"], region, height, width, findings)
            _class(at, region, job, findings)
            if mask is None:
                continue
            instance, worn = seen.get(region["index"], (None, {}))
            if instance is None:
                findings.problem("region's instance", at, f"There is no instance {region['index']}.")
            elif mask.shared(instance) != mask.area:
                findings.problem("region outside", at, f"It reaches beyond its instance {region['index']}.")
            elif worn and not any(mask.shared(each) == mask.area for each in worn.values()):
                findings.problem("region outside", at, "It reaches beyond what is worn of its instance.")
    except (KeyError, TypeError, AttributeError) as error:
        findings.problem("record broken", where, f"It lacks a valid {error}.")


def _mask(
    where: str, segmentation: Any, entry: dict[str, Any], height: int, width: int, findings: Findings
) -> runs.Mask | None:
    """An entry's mask, which gives its area and its box."""
    try:
        mask = runs.read(segmentation, height, width)
    except ValueError as error:
        findings.problem("mask broken", where, f"{str(error)[:1].upper()}{str(error)[1:]}.")
        return None
    if not mask.area:
        findings.problem("mask empty", where, "Its mask has no pixel.")
        return None
    if mask.area != entry["area"]:
        findings.problem("area wrong", where, f"Its area is {entry['area']}, its mask has {mask.area} pixels.")
    if list(entry["bbox"]) != mask.bbox:
        findings.problem("box and mask differ", where, f"Its box is {entry['bbox']}, that of its mask {mask.bbox}.")
    x, y, w, h = mask.bbox
    border = x == 0 or y == 0 or x + w == width or y + h == height
    if entry["touches_border"] != border:
        findings.problem("border wrong", where, "What it says of the picture's border is not so.")
    return mask


def _wear(
    where: str, wear: dict[str, Any], mask: runs.Mask, height: int, width: int, findings: Findings
) -> runs.Mask | None:
    try:
        worn = runs.read(wear["wear_segmentation"], height, width)
    except ValueError as error:
        findings.problem("mask broken", where, f"Of its wear: {error}.")
        return None
    if worn.area != wear["wear_area"]:
        sentence = f"Its wear_area is {wear['wear_area']}, the mask of it has {worn.area} pixels."
        findings.problem("area wrong", where, sentence)
    if worn.shared(mask) != worn.area:
        findings.problem("wear outside", where, "Its wear reaches beyond its own pixels.")
    if abs(100 * worn.area / mask.area - wear["wear_percent"]) > ROUNDING:
        findings.problem("area wrong", where, f"Its wear_percent is {wear['wear_percent']}, not what its masks give.")
    return worn


def _ranges(where: str, entry: dict[str, Any], findings: Findings) -> None:
    """Fractions lie between 0 and 1, and what is seen of it lies within all of it."""
    for name in ("level", "visible_fraction", "truncation"):
        value = entry.get(name, 0)
        if not shapes.numbers([value]) or not 0 <= value <= 1:
            findings.problem("out of range", where, f"Its {name} is {value}, which lies between 0 and 1.")
    if entry.get("severity", 0) not in range(6):
        findings.problem("out of range", where, f"Its severity is {entry['severity']}, which is 0 to 5.")
    amodal = entry.get("amodal_bbox")
    if amodal is None:
        return
    if not shapes.numbers(amodal, 4):
        findings.problem("box broken", where, "Its amodal_bbox is not four numbers.")
        return
    (x, y, w, h), (ax, ay, aw, ah) = entry["bbox"], amodal
    if x < ax - 1.5 or y < ay - 1.5 or x + w > ax + aw + 1.5 or y + h > ay + ah + 1.5:
        sentence = f"Its box {entry['bbox']} reaches beyond the box of all of it, {[round(v, 1) for v in amodal]}."
        findings.problem("box outside", where, sentence)


def _class(where: str, entry: dict[str, Any], job: Job, findings: Findings) -> None:
    labels = job.recipe.labels
    name = entry["classes"].get(labels.class_from)
    if name is None:
        findings.problem("class unknown", where, f"It has no class by {labels.class_from} (labels.class_from).")
    elif name and job.classes and name not in (*job.classes, *_ALWAYS.get(labels.class_from, ())):
        findings.problem("class unknown", where, f"Its class {name!r} is none of the job's.")


_ALWAYS = {"wear": ("default", "streaks", "complete")}


# --- what splits share ------------------------------------------------------------------------------------------------


def _made_of(record: dict[str, Any], recipe: recipes.Recipe) -> Iterator[tuple[str, str]]:
    """What a frame is made of, each of it in one split alone by randomize.apart."""
    draw = record.get("draw") or {}
    for what in ("environment", "background"):
        if record.get(what):
            yield f"{what}s", str(record[what])
    if (draw.get("ground") or {}).get("picture"):
        yield "pictures of the ground", str(draw["ground"]["picture"])
    if recipe.distractors.folder or recipe.distractors.collection:  # simple shapes give nothing away
        for sort in ("distractors", "occluders"):
            yield from (("things", str(thing["source"])) for thing in draw.get(sort, ()))
    for entry in record["instances"]:
        own = entry.get("kind", entry["classes"].get("kind", ""))
        for kind, wear in ((own, entry), *((layer["kind"], layer) for layer in entry.get("layers", ()))):
            if wear["variant"] >= 0:
                yield "variants", f"{entry['name']} {kind} {wear['variant']}"


def _shared(job: Job, findings: Findings) -> None:
    """Note what more than one split shows, though the recipe would keep it apart."""
    sorts = {"environment": "environments", "background": "backgrounds", "ground": "pictures of the ground"}
    for part in job.recipe.randomize.apart:
        what = sorts.get(part, f"{part}s")
        every = [splits for (sort, _), splits in job.shown.items() if sort == what]
        both = sorted(which for (sort, which), splits in job.shown.items() if sort == what and len(splits) > 1)
        if both:
            some = ", ".join(both[:5]) + (" ..." if len(both) > 5 else "")
            sentence = f"{len(both)} of {len(every)} {what} are shown by more than one split: {some}."
            findings.note("shared by splits", "records", sentence)


# --- what has no record ----------------------------------------------------------------------------------------------


def _strays(folder: Path, frames: set[int], findings: Findings) -> None:
    """Pictures and labels of frames that have no record."""
    for place, suffix in (("images", ".png"), ("depth", ".exr"), ("normals", ".exr"), ("labels", ".txt")):
        for frame in _numbered(folder / place, suffix):
            if frame not in frames:
                name = frame_file(place, frame, suffix)
                findings.problem("left over", name, "Its frame has no record: a job that was stopped has left it.")


def half_made(folder: Path, findings: Findings) -> None:
    """Files that a killed process was making. Any folder's, whoever made the dataset."""
    for path in folder.rglob(".*.part"):
        name = path.relative_to(folder).as_posix()
        findings.problem("half made", name, "A process that was killed has left it half made; delete it.")
