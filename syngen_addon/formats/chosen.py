"""What every format is given of a job, what a record's annotations are, its classes. Imports recipe and errors."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import recipe as recipes
from ..errors import SynGenError

WEAR_CLASSES = ("default", "streaks", "complete")


@dataclass(frozen=True)
class Dataset:
    """What every format is given of a job. out: its folder. classes: every class name it can have, in their order.

    keypoints: every name of a keypoint that its targets have, in their order.
    """

    out: Path
    classes: tuple[str, ...]
    recipe: recipes.Recipe
    keypoints: tuple[str, ...] = ()


def annotations(record: dict[str, Any], labels: recipes.Labels) -> list[tuple[str, dict[str, Any]]]:
    """(class name, entry) of every object to detect: instances or worn regions; those without a class are left out."""
    entries = ((entry["classes"][labels.class_from], entry) for entry in record[labels.objects])
    return [(name, entry) for name, entry in entries if name]


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
