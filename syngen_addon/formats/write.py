"""Every format of a job from its records, in one pass. Imports recipe and its siblings; never bpy."""

import gc
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from .. import recipe as recipes
from ..errors import SynGenError
from .bop import bop
from .chosen import AT_ONCE, Dataset, Fit, annotations, class_names, kinds_of
from .classify import classify
from .coco import coco
from .coco_keypoints import coco_keypoints
from .coco_panoptic import coco_panoptic
from .depth import depth
from .keypoints import KEYPOINT_FORMATS, check_keypoints, names_of
from .masks import masks
from .normals import normals
from .split import SPLITS, split_of
from .table import table
from .voc import voc
from .yolo import yolo
from .yolo_obb import yolo_obb
from .yolo_pose import yolo_pose
from .yolo_segment import yolo_segment

Add = Callable[[dict[str, Any], str], None]
WRITERS: dict[str, Callable[[Dataset], AbstractContextManager[Add]]] = {
    "coco": coco,
    "coco_keypoints": coco_keypoints,
    "coco_panoptic": coco_panoptic,
    "yolo": yolo,
    "yolo_segment": yolo_segment,
    "yolo_obb": yolo_obb,
    "yolo_pose": yolo_pose,
    "classify": classify,
    "voc": voc,
    "bop": bop,
    "masks": masks,
    "depth": depth,
    "normals": normals,
    "csv": table,
}


@dataclass
class Written:
    """What write_formats wrote. By split: pictures, and objects to detect by class; every class of the job is there.

    losses: by format what it could not express, and how often. fits: by format, of those that cannot express all, how
    like the truth is what readers get of its objects. warnings: sentences for the user.
    """

    classes: tuple[str, ...]
    pictures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    objects: dict[str, dict[str, int]] = field(default_factory=dict)
    losses: dict[str, dict[str, int]] = field(default_factory=dict)
    fits: dict[str, Fit] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


GEOMETRY_FORMATS = {"bop", *KEYPOINT_FORMATS}


def check_formats(recipe: recipes.Recipe, keypoints: Sequence[str]) -> None:
    """Before a job is rendered. Raises SynGenError where a format needs what the job will not have.

    keypoints: every name of a keypoint that its targets have.
    """
    labels, formats = recipe.labels, set(recipe.export.formats)
    for name in sorted(formats & GEOMETRY_FORMATS):
        if not labels.geometry:
            hint = _SWITCH.format("geometry", name)
            raise SynGenError(f"The format {name} needs labels.geometry, which is off.", hint)
        if name in KEYPOINT_FORMATS:
            check_keypoints(keypoints, recipe, name)
    if recipe.export.min_visible > 0 and not labels.geometry:
        raise SynGenError(
            f"export.min_visible = {recipe.export.min_visible:g} needs labels.geometry, which is off.",
            "Switch it on, or set export.min_visible to 0.",
        )
    for name in ("depth", "normals"):
        if name in formats and not getattr(labels, name):
            raise SynGenError(f"The format {name} needs labels.{name}, which is off.", _SWITCH.format(name, name))


_SWITCH = "Set labels.{} = true (Dataset > Labels), or take {} out of export.formats."


def write_formats(
    out: Path,
    records: Callable[[], Iterable[dict[str, Any]]],
    recipe: recipes.Recipe,
    seed: int,
    classes: Iterable[str] | None = None,
    keypoints: Iterable[str] | None = None,
    *,
    kinds: Iterable[str] | None = None,
    pictures: bool = True,
) -> Written:
    """Write the recipe's formats into the job's folder. The same records give the same bytes, however often it is done.

    records: called for a fresh pass over the decoded records, in rising order of frames; records without a target are
    left out, for they have no picture. classes: every class name that can occur in the job, which keeps ids the same
    when frames are added; None: those that do occur, at the price of a pass over the records. keypoints: every name of
    a keypoint, kinds: every kind of wear that can occur; None: as for classes. pictures: off, only the text files of
    the formats are made.
    A record that says its own split stays in it: its environment, background and variants were drawn for it.
    Raises SynGenError: a file cannot be written, a record's class is not among classes, or a format needs what the
    records do not hold.
    """
    formats = dict.fromkeys(recipe.export.formats)
    pointed = keypoints is None and bool(KEYPOINT_FORMATS & formats.keys())
    if classes is None or (kinds is None and "masks" in formats) or pointed:
        found = _names_in(records(), recipe.labels)
        given = (classes, keypoints, kinds)
        classes, keypoints, kinds = (b if a is None else a for a, b in zip(given, found, strict=True))
    names = class_names(recipe.labels, classes)
    dataset = Dataset(out, names, recipe, _sorted(keypoints), _sorted(kinds), pictures)
    written = Written(dataset.classes, objects={s: dict.fromkeys(dataset.classes, 0) for s in SPLITS})
    kept = 0
    with ExitStack() as stack:
        stack.enter_context(_uncollected())
        adders = [stack.enter_context(WRITERS[name](dataset)) for name in formats]
        for batch in _batches(records()):
            by_rule = [split_of(record["frame"], seed, recipe.export.split) for record in batch]
            splits = [record.get("split") or split for record, split in zip(batch, by_rule, strict=True)]
            kept += sum(map(operator.ne, splits, by_rule))
            _count(written, dataset, batch, splits)
            for add in adders:
                for record, split in zip(batch, splits, strict=True):
                    add(record, split)
    written.losses = {name: dict(lost) for name, lost in dataset.losses.items()}
    written.fits = dict(dataset.fits)
    written.warnings = [*_split_warnings(kept, written.pictures), *_loss_warnings(dataset.losses)]
    return written


def _names_in(records: Iterable[dict[str, Any]], labels: recipes.Labels) -> tuple[set[str], set[str], set[str]]:
    """The names of classes, of keypoints and of kinds of wear that occur in records."""
    classes: set[str] = set()
    points: set[str] = set()
    kinds: set[str] = set()
    for record in records:
        classes.update(name for name, _ in annotations(record, labels))
        points.update(names_of(record))
        kinds.update(kinds_of(record))
    return classes, points, kinds


def _count(written: Written, dataset: Dataset, batch: list[dict[str, Any]], splits: list[str]) -> None:
    """Add some records' pictures and objects to what is told at the end."""
    for record, split in zip(batch, splits, strict=True):
        written.pictures[split] += 1
        for chosen in dataset.objects(record):
            written.objects[split][chosen.name] += 1


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's cycle collector: records are trees, which it would walk again and again in vain."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _batches(records: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The records that have a picture, some at a time."""
    pictured = (record for record in records if not record["no_target"])
    while batch := list(islice(pictured, AT_ONCE)):
        yield batch


def _sorted(names: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(sorted(set(names or ())))


def _split_warnings(kept: int, pictures: Mapping[str, int]) -> list[str]:
    if not kept:
        return []
    return [
        f"{kept} of {sum(pictures.values())} pictures keep the split they were rendered for instead of the one that "
        "export.split now says: what they show would leak into another (randomize.apart)."
    ]


def _loss_warnings(losses: Mapping[str, Counter[str]]) -> list[str]:
    return [f"{name}: {count} {what}." for name, lost in losses.items() for what, count in lost.items()]
