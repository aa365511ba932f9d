"""Everything flat: index.csv, one row an instance or a worn region, and frames.csv. Imports files and its siblings.

All instances and regions are there; `labelled` says which are objects to detect. UTF-8, commas, quotes as RFC 4180 has
them; what a record does not hold is an empty field. Lengths are metres, angles degrees, truth values 0 and 1.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

from ..files import frame_file, writing
from .chosen import Dataset

CLASSES = ("wear", "kind", "object", "collection", "property")
FRAME = ("frame", "split", "picture", "width", "height")
PLACE = ("environment", "background")
INDEX_COLUMNS = (
    *FRAME, *PLACE, "what", "number", "index", "name", "labelled", "class", *(f"class_{name}" for name in CLASSES),
    "level", "variant", "x", "y", "box_width", "box_height", "area", "touches_border",
    "wear_area", "wear_percent", "severity",
    "rotated_cx", "rotated_cy", "rotated_width", "rotated_height", "rotated_angle",
    "amodal_x", "amodal_y", "amodal_width", "amodal_height", "silhouette_area", "visible_fraction", "truncation",
    *(f"r{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3)),
    "tx_m", "ty_m", "tz_m", "scale_x", "scale_y", "scale_z",
    "box3d_x_m", "box3d_y_m", "box3d_z_m", "box3d_size_x_m", "box3d_size_y_m", "box3d_size_z_m",
)  # fmt: skip
"""r11 to tz_m: the pose in the camera's frame as OpenCV has it. box3d: along the object's axes, from its origin."""
FRAMES_COLUMNS = (
    *FRAME, *PLACE, "sha256", "instances", "regions", "labelled", "attempt", "seed",
    "camera_type", "fx", "fy", "cx", "cy", "ortho_scale",
    *(f"camera_m{row}{column}" for row in range(1, 5) for column in range(1, 5)),
)  # fmt: skip
_NO = {n: ("",) * n for n in (1, 2, 3, 4, 5, 6, 9, 16)}


@contextmanager
def table(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split); both files appear where the block ends well."""
    class_from = dataset.recipe.labels.class_from
    with ExitStack() as stack:
        index = _table(stack.enter_context(writing(dataset.out / "index.csv")), INDEX_COLUMNS)
        frames = _table(stack.enter_context(writing(dataset.out / "frames.csv")), FRAMES_COLUMNS)

        def add(record: dict[str, Any], split: str) -> None:
            frame = record["frame"]
            head = (
                *(frame, split, frame_file("images", frame, ".png"), record["width"], record["height"]),
                *(record.get("environment", ""), record.get("background", "")),
            )
            labelled = {id(chosen.entry) for chosen in dataset.objects(record)}
            index(
                [
                    (*head, what, number, *_object(entry, class_from, id(entry) in labelled))
                    for what, entries in (("instance", record["instances"]), ("region", record["regions"]))
                    for number, entry in enumerate(entries, start=1)
                ]
            )
            frames([(*head, *_frame(record, len(labelled)))])

        yield add


def _table(file: BinaryIO, columns: Sequence[str]) -> Callable[[Sequence[Sequence[Any]]], None]:
    """Writes the columns' names, and gives what writes rows."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")

    def write(rows: Sequence[Sequence[Any]]) -> None:
        writer.writerows(rows)
        file.write(text.getvalue().encode("utf-8", "replace"))  # half of a surrogate pair in a name is no text
        text.seek(0)
        text.truncate()

    write([columns])
    return write


def _object(entry: dict[str, Any], class_from: str, labelled: bool) -> tuple[Any, ...]:
    classes, pose, box = entry["classes"], entry.get("pose"), entry.get("box_3d")
    return (
        *(entry["index"], entry["name"], int(labelled), classes.get(class_from, "")),
        *(classes.get(name, "") for name in CLASSES),
        *(entry["level"], entry["variant"], *entry["bbox"], entry["area"], int(entry["touches_border"])),
        *(entry.get("wear_area", ""), entry.get("wear_percent", ""), entry.get("severity", "")),
        *entry.get("rotated_bbox", _NO[5]),
        *entry.get("amodal_bbox", _NO[4]),
        *(entry.get("silhouette_area", ""), entry.get("visible_fraction", ""), entry.get("truncation", "")),
        *((*pose["rotation"], *pose["translation_m"], *pose["scale"]) if pose else (*_NO[9], *_NO[6])),
        *((*box["center_m"], *box["size_m"]) if box else _NO[6]),
    )


def _frame(record: dict[str, Any], labelled: int) -> tuple[Any, ...]:
    camera = record.get("camera", {})
    matrix = camera.get("matrix_world")
    return (
        record.get("picture", {}).get("sha256", ""),
        *(len(record["instances"]), len(record["regions"]), labelled),
        *(record.get("attempt", ""), record.get("seed", "")),
        *(camera.get(name, "") for name in ("type", "fx", "fy", "cx", "cy", "ortho_scale")),
        *((value for row in matrix for value in row) if matrix else _NO[16]),
    )
