"""The keypoints of an object in the order that all objects share. Imports recipe, errors and chosen."""

from collections.abc import Sequence
from typing import Any

from .. import recipe as recipes
from ..errors import SynGenError
from .chosen import NO_GEOMETRY, Dataset

KEYPOINT_FORMATS = {"coco_keypoints", "yolo_pose"}
Place = tuple[float, float, int]
"""x, y in pixels from the top left corner, and 2 where it is seen, 1 where something hides it; (0, 0, 0): neither."""


def require_keypoints(dataset: Dataset, format: str) -> tuple[str, ...]:
    """The names of the job's keypoints, in their order. Raises SynGenError where there are none to write."""
    check_keypoints(dataset.keypoints, dataset.recipe, format)
    return dataset.keypoints


def check_keypoints(names: Sequence[str], recipe: recipes.Recipe, format: str) -> None:
    """Raises SynGenError where a format of keypoints has none of these names to write."""
    if recipe.labels.objects == "regions":
        raise SynGenError(
            f"The format {format} needs whole objects: a worn region has no keypoints.",
            f'Set labels.objects = "instances", or take {format} out of export.formats.',
        )
    if not names:
        raise SynGenError(
            f"The format {format} needs keypoints, and no target has any.",
            f"Mark some on a target (docs/formats.md), or take {format} out of export.formats.",
        )


def names_of(record: dict[str, Any]) -> set[str]:
    """The names of the keypoints on the instances of a record."""
    return {point["name"] for entry in record["instances"] for point in entry.get("keypoints", ())}


def keypoints_of(record: dict[str, Any], entry: dict[str, Any], names: Sequence[str]) -> list[Place]:
    """Where each of the names lies on an instance. Raises SynGenError where the record has no geometry."""
    try:
        found = {point["name"]: point for point in entry["keypoints"]}
    except KeyError:
        raise SynGenError(
            f"Frame {record['frame']} has no keypoints: labels.geometry was off when it was made.", NO_GEOMETRY
        ) from None
    places: list[Place] = []
    for name in names:
        point = found.get(name)
        seen = point["visible"] if point else 0
        places.append((point["x"], point["y"], seen) if point and seen else (0.0, 0.0, 0))
    return places
