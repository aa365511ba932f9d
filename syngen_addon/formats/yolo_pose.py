"""YOLO keypoints: yolo-pose/, a box and every keypoint an object. Imports its siblings.

A keypoint that an object does not have, or that lies outside the picture, is `0 0 0`. data.yaml says which keypoints
change places in a mirrored picture (`flip_idx`) where their names tell left from right; where none does, nothing is
said, and Ultralytics does not mirror.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .chosen import Chosen, Dataset
from .keypoints import keypoints_of, require_keypoints
from .labelled import box_columns, labelled, yaml_text

_SIDES = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"))
_SUFFIX = re.compile(r"(?<=[._ -])[lr]$|^[lr](?=[._ -])", re.IGNORECASE)


def yolo_pose(dataset: Dataset) -> AbstractContextManager[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the lists appear where the block ends well.

    Raises SynGenError: no keypoints in the job, or records without geometry.
    """
    names = require_keypoints(dataset, "yolo_pose")

    def line(record: dict[str, Any], chosen: Chosen) -> str:
        width, height = record["width"], record["height"]
        points = keypoints_of(record, chosen.entry, names)
        columns = (f"{x / width:.6f} {y / height:.6f} {v}" if v else "0 0 0" for x, y, v in points)
        return f"{chosen.number} {box_columns(chosen.entry['bbox'], width, height)} {' '.join(columns)}\n"

    mirrored = flipped(names)
    more = f"kpt_shape: [{len(names)}, 3]\n"
    if mirrored != list(range(len(names))):
        more += f"flip_idx: [{', '.join(map(str, mirrored))}]\n"
    listed = ", ".join(map(yaml_text, names))
    more += "kpt_names:\n" + "".join(f"  {i}: [{listed}]\n" for i in range(len(dataset.classes)))
    return labelled(dataset, "yolo-pose", line, more)


def flipped(names: Sequence[str]) -> list[int]:
    """For each keypoint the one that takes its place in a mirrored picture: itself where its name has no other side."""
    places = {name: i for i, name in enumerate(names)}
    return [places.get(other_side(name), i) for i, name in enumerate(names)]


def other_side(name: str) -> str:
    """The name with left and right (or a lone L and R before or after it) exchanged; the same where it has no side."""
    for left, right in _SIDES:
        if left in name or right in name:
            return "".join({left: right, right: left}.get(p, p) for p in re.split(f"({left}|{right})", name))
    return _SUFFIX.sub(lambda side: {"l": "r", "r": "l", "L": "R", "R": "L"}[side[0]], name)
