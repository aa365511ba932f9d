"""Everything flat: index.csv, one row an instance, a further kind of wear on one or a worn region, and frames.csv.
Imports files and its siblings.

All instances and regions are there; `labelled` says which are objects to detect. `kind` and `wear_class` are those of
the wear that a row's level, variant and amounts belong to, which of several kinds need not be the one that names the
object (`class_kind`, `class_wear`). UTF-8, commas, quotes as RFC 4180 has
them; what a record does not hold is an empty field. Lengths are metres, angles degrees, truth values 0 and 1; only the
camera's matrix and ortho_scale are in units of the scene, of unit_m metres each.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

from ..files import frame_file, writing
from .chosen import Dataset

CLASSES = ("wear", "kind", "object", "object_wear", "collection", "property")
FRAME = ("frame", "split", "picture", "width", "height")
PLACE = ("environment", "background")
INDEX_COLUMNS = (
    *FRAME, *PLACE, "what", "number", "index", "name", "labelled", "class", *(f"class_{name}" for name in CLASSES),
    "kind", "wear_class", "level", "variant", "x", "y", "box_width", "box_height", "area", "touches_border",
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
    "camera_type", "fx", "fy", "cx", "cy", "ortho_scale", "unit_m",
    *(f"camera_m{row}{column}" for row in range(1, 5) for column in range(1, 5)),
)  # fmt: skip
_BARE = "," * (len(INDEX_COLUMNS) - INDEX_COLUMNS.index("touches_border") - 1)
"""What follows `touches_border` in the row of a region, which has no wear and no pose of its own."""
_NO_PLACE = "," * (INDEX_COLUMNS.index("wear_area") - INDEX_COLUMNS.index("variant"))
_NO_POSE = "," * (len(INDEX_COLUMNS) - INDEX_COLUMNS.index("severity") - 1)
"""What stands between `variant` and `wear_area`, and after `severity`, in the row of a further kind on an instance."""


@contextmanager
def table(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split); both files appear where the block ends well."""
    class_from = dataset.recipe.labels.class_from
    with ExitStack() as stack:
        index = stack.enter_context(writing(dataset.out / "index.csv"))
        frames = stack.enter_context(writing(dataset.out / "frames.csv"))
        index.write(f"{','.join(INDEX_COLUMNS)}\r\n".encode("ascii"))
        frames.write(f"{','.join(FRAMES_COLUMNS)}\r\n".encode("ascii"))

        def add(record: dict[str, Any], split: str) -> None:
            frame = record["frame"]
            place = f"{_text(record.get('environment', ''))},{_text(record.get('background', ''))}"
            picture = frame_file("images", frame, ".png")
            head = f"{frame},{split},{picture},{record['width']},{record['height']},{place}"
            labelled = {id(chosen.entry) for chosen in dataset.objects(record)}
            rows = []
            for number, entry in enumerate(record["instances"], start=1):
                row = _object(entry, class_from, id(entry) in labelled)
                rows.append(f"{head},instance,{number},{row}{_amounts(entry)}\r\n")
                for each, layer in enumerate(entry.get("layers", ()), start=1):
                    rows.append(f"{head},layer,{each},{_layer(entry, layer)}\r\n")
            for number, entry in enumerate(record["regions"], start=1):
                row = _object(entry, class_from, id(entry) in labelled)
                rows.append(f"{head},region,{number},{row}{_BARE}\r\n")
            index.write("".join(rows).encode())
            frames.write(f"{head},{_frame(record, len(labelled))}\r\n".encode())

        yield add


@lru_cache(maxsize=4096)
def _text(text: str) -> str:
    """A field of text."""
    known = text.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair in a name is no text
    return '"' + known.replace('"', '""') + '"' if _SPECIAL.search(known) else known


@lru_cache(maxsize=4096)
def _texts(*texts: str) -> str:
    return ",".join(map(_text, texts))


_SPECIAL = re.compile('[",\r\n]|^ | $')


def _object(entry: dict[str, Any], class_from: str, labelled: bool) -> str:
    """What instances and regions have."""
    classes = entry["classes"]
    x, y, width, height = entry["bbox"]
    own = (entry.get("kind", classes.get("kind", "")), entry.get("wear_class", classes.get("wear", "")))
    names = _texts(classes.get(class_from, ""), *[classes.get(name, "") for name in CLASSES], *own)
    return (
        f"{entry['index']},{_text(entry['name'])},{labelled:d},{names},{entry['level']},{entry['variant']},"
        f"{x},{y},{width},{height},{entry['area']},{entry['touches_border']:d}"
    )


def _layer(entry: dict[str, Any], layer: dict[str, Any]) -> str:
    """A further kind of wear on an instance, with the classes that the instance has."""
    names = _texts("", *[entry["classes"].get(name, "") for name in CLASSES], layer["kind"], layer["wear_class"])
    return (
        f"{entry['index']},{_text(entry['name'])},0,{names},{layer['level']},{layer['variant']}{_NO_PLACE}"
        f"{layer['wear_area']},{layer['wear_percent']},{layer.get('severity', '')}{_NO_POSE}"
    )


def _amounts(entry: dict[str, Any]) -> str:
    """What an instance has besides, from a comma on."""
    pose, box = entry.get("pose"), entry.get("box_3d")
    seen = (entry.get("silhouette_area", ""), entry.get("visible_fraction", ""), entry.get("truncation", ""))
    return ",".join(
        (
            f",{entry['wear_area']},{entry['wear_percent']},{entry.get('severity', '')}",
            _numbers(entry.get("rotated_bbox"), 5),
            _numbers(entry.get("amodal_bbox"), 4),
            f"{seen[0]},{seen[1]},{seen[2]}",
            _numbers((*pose["rotation"], *pose["translation_m"], *pose["scale"]) if pose else None, 15),
            _numbers((*box["center_m"], *box["size_m"]) if box else None, 6),
        )
    )


def _numbers(values: Sequence[float] | None, count: int) -> str:
    """Fields of as many numbers, empty where there are none. A record's have nine digits, so that none is lost."""
    return _FIELDS[count] % tuple(values) if values else "," * (count - 1)


_FIELDS = {count: ",".join(["%.9g"] * count) for count in (4, 5, 6, 15, 16)}


def _frame(record: dict[str, Any], labelled: int) -> str:
    camera = record.get("camera", {})
    matrix = camera.get("matrix_world")
    values = (
        record.get("picture", {}).get("sha256", ""),
        len(record["instances"]),
        len(record["regions"]),
        labelled,
        record.get("attempt", ""),
        record.get("seed", ""),
        *(camera.get(name, "") for name in ("type", "fx", "fy", "cx", "cy", "ortho_scale", "unit_m")),
        _numbers([value for row in matrix for value in row] if matrix else None, 16),
    )
    return ",".join(map(str, values))
