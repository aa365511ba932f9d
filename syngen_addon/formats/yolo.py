"""YOLO detection: one text file a picture, {train,val,test}.txt and data.yaml. Imports its siblings."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from .chosen import Chosen, Dataset
from .labelled import box_columns, labelled


def yolo(dataset: Dataset) -> AbstractContextManager[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the lists appear where the block ends well."""
    return labelled(dataset, "", line)


def line(record: dict[str, Any], chosen: Chosen) -> str:
    """class, and the visible pixels' box."""
    return f"{chosen.number} {box_columns(chosen.entry['bbox'], record['width'], record['height'])}\n"
