"""What every format is given of a job, what a record's annotations are, its classes.

Imports recipe, errors, numpy and pycocotools.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from .. import recipe as recipes
from ..errors import SynGenError

WEAR_CLASSES = ("default", "streaks", "complete")
NO_GEOMETRY = "Render the job with labels.geometry = true (Dataset > Labels)."


class Chosen(NamedTuple):
    """One object to detect. number: its class's place in Dataset.classes, from 0. entry: an instance or a region."""

    name: str
    number: int
    entry: dict[str, Any]


LIKE = 0.99
"""IoU from which on what a reader gets of an object counts as the object."""


@dataclass
class Fit:
    """How like the truth is what readers get of a format's objects, as IoU, of those that were compared.

    less: how many of them come back less than LIKE.
    """

    objects: int = 0
    less: int = 0
    total: float = 0.0
    worst: float = 1.0

    def add(self, iou: float) -> None:
        """One more object."""
        self.objects += 1
        self.less += iou < LIKE
        self.total += float(iou)
        self.worst = min(self.worst, float(iou))

    @property
    def mean(self) -> float:
        return self.total / self.objects if self.objects else 1.0


AT_ONCE = 16
"""Formats take so many records one after the other: what one does is quicker when it does it several times."""


@dataclass
class _Shared:
    """What several formats need of one record, worked out by the first that asks."""

    record: dict[str, Any]
    chosen: list[Chosen] = field(default_factory=list)
    masks: dict[tuple[str, int, int, int, int], npt.NDArray[np.uint8]] = field(default_factory=dict)
    texts: dict[tuple[str, int], bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """What every format is given of a job. out: its folder. classes: every class name it can have, in their order.

    keypoints: every name of a keypoint that its targets have, in their order. kinds: every kind of wear that it can
    have, in their order. pictures: off, no format reads, links or writes a picture; only the text files are made.
    losses: by format what it could not express, and how often. fits: by format how like the truth it is.
    """

    out: Path
    classes: tuple[str, ...]
    recipe: recipes.Recipe
    keypoints: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    pictures: bool = True
    losses: dict[str, Counter[str]] = field(default_factory=dict)
    fits: dict[str, Fit] = field(default_factory=dict)
    _shared: dict[int, _Shared] = field(default_factory=dict, repr=False, compare=False)
    _numbers: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._numbers.update((name, i) for i, name in enumerate(self.classes))

    def objects(self, record: dict[str, Any]) -> list[Chosen]:
        """The record's objects to detect, with the numbers of their classes; the same list for every format.

        Raises SynGenError: a class that the job does not have; export.min_visible without geometry.
        """
        shared = self._of(record)
        if not shared.chosen:
            found = annotations(record, self.recipe.labels, self.recipe.export.min_visible)
            shared.chosen += [Chosen(n, class_index(n, self._numbers, record["frame"]), entry) for n, entry in found]
        return shared.chosen

    def crop(self, record: dict[str, Any], segmentation: dict[str, Any], box: Iterable[int]) -> npt.NDArray[np.uint8]:
        """A mask of the record inside a box [x, y, width, height]: height x width, 0 and 1. Decoded once a record."""
        x, y, width, height = (int(v) for v in box)
        masks, key = self._of(record).masks, (segmentation["counts"], x, y, width, height)
        if key not in masks:
            masks[key] = np.ascontiguousarray(coco_mask.decode(segmentation)[y : y + height, x : x + width])
        return masks[key]

    def text(self, record: dict[str, Any], what: str, entry: dict[str, Any], make: Callable[[], bytes]) -> bytes:
        """What `make` gives for an entry of the record, made once for all formats that ask for the same."""
        texts, key = self._of(record).texts, (what, id(entry))
        if key not in texts:
            texts[key] = make()
        return texts[key]

    def lose(self, format: str, what: str, count: int = 1) -> None:
        """Note that a format could not express something; what: in the plural, such as "holes in polygons"."""
        if count:
            self.losses.setdefault(format, Counter())[what] += count

    def fit(self, format: str, iou: float) -> None:
        """Note how like the truth is what readers get of one object of a format that cannot express all of it."""
        self.fits.setdefault(format, Fit()).add(iou)

    def _of(self, record: dict[str, Any]) -> _Shared:
        shared = self._shared.get(id(record))
        if shared is None or shared.record is not record:
            if len(self._shared) >= AT_ONCE:
                self._shared.clear()
            shared = self._shared[id(record)] = _Shared(record)
        return shared


def annotations(
    record: dict[str, Any], labels: recipes.Labels, min_visible: float = 0.0
) -> list[tuple[str, dict[str, Any]]]:
    """(class name, entry) of every object to detect: instances or worn regions; those without a class are left out.

    min_visible: so are those of which less than this fraction is visible; a region goes with its object. Of regions of
    one object that have the same pixels and the same class the first counts.
    Raises SynGenError where that is asked for and the record has no geometry.
    """
    seen = well_seen(record, min_visible) if min_visible > 0 else None
    entries = (e for e in record[labels.objects] if seen is None or e["index"] in seen)
    try:
        named = [(entry["classes"][labels.class_from], entry) for entry in entries]
    except KeyError:
        raise SynGenError(
            f"Frame {record['frame']} does not say the classes of its objects by {labels.class_from}.",
            "Choose another labels.class_from, or render the job again with this one.",
        ) from None
    if labels.objects == "regions":  # where two kinds wear the very same pixels, they may be one object to detect
        alone: dict[tuple[str, int, str], tuple[str, dict[str, Any]]] = {}
        for name, entry in named:
            alone.setdefault((name, entry["index"], entry["segmentation"]["counts"]), (name, entry))
        named = list(alone.values())
    return [(name, entry) for name, entry in named if name]


def well_seen(record: dict[str, Any], min_visible: float) -> set[int]:
    """The indices of the instances that are visible far enough."""
    try:
        return {i["index"] for i in record["instances"] if i["visible_fraction"] >= min_visible}
    except KeyError:
        raise SynGenError(
            f"export.min_visible = {min_visible:g}: frame {record['frame']} does not say how much of its objects is "
            "visible.",
            f"{NO_GEOMETRY[:-1]}, or set export.min_visible to 0.",
        ) from None


def wear_of(entry: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(kind, what is recorded of it) for each kind of wear on an instance, its own first; none for a worn region."""
    if "wear_segmentation" not in entry:
        return []
    own = entry.get("kind", entry["classes"]["kind"])
    return [(own, entry), *((layer["kind"], layer) for layer in entry.get("layers", ()))]


def kinds_of(record: dict[str, Any]) -> set[str]:
    """The kinds of wear that lie on the instances of a record."""
    return {kind for entry in record["instances"] for kind, _ in wear_of(entry)}


def class_names(labels: recipes.Labels, names: Iterable[str]) -> tuple[str, ...]:
    """The job's classes in their fixed order: for the wear its three classes first, then names sorted."""
    first = WEAR_CLASSES if labels.class_from == "wear" else ()
    return (*first, *sorted({n for n in names if n} - set(first)))


def class_index(name: str, classes: dict[str, int], frame: int) -> int:
    """classes[name]. Raises SynGenError where the job has no such class."""
    if name not in classes:
        raise SynGenError(
            f"Frame {frame} holds the class {name!r}, which the job does not have.",
            f"Its classes are {', '.join(classes)}; rebuild the formats with the classes of the whole job.",
        )
    return classes[name]


def file_names(names: Iterable[str]) -> dict[str, str]:
    """For each class a name that every file system takes: letters, digits and "-_. ()"; never two the same.

    Anything else becomes "_"; names that then differ in nothing but case (or not at all) get a number.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = "".join(c if c.isalnum() or c in "-_. ()" else "_" for c in name)[:60].strip(". ") or "_"
        if plain.split(".")[0].upper() in _DEVICES:
            plain = f"_{plain}"
        number, free = 1, plain
        while free.casefold() in taken:
            number += 1
            free = f"{plain}-{number}"
        taken.add(free.casefold())
        found[name] = free
    return found


_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
"""Names that Windows keeps for itself, with any suffix."""
