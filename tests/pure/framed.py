"""Whole jobs by hand for the tests of the formats: records from arrays, pictures, depth and normals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from pycocotools import mask as coco_mask

from syngen_addon.files import frame_file, write_bytes
from syngen_addon.images import save_png
from syngen_addon.labels.record import VERSION


def rle(mask: np.ndarray) -> dict[str, Any]:
    coded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"counts": coded["counts"].decode("ascii"), "size": list(coded["size"])}


def shape_of(mask: np.ndarray) -> dict[str, Any]:
    ys, xs = np.nonzero(mask)
    x, y, right, foot = int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())
    height, width = mask.shape
    return {
        "bbox": [x, y, right - x + 1, foot - y + 1],
        "area": len(xs),
        "segmentation": rle(mask),
        "touches_border": x == 0 or y == 0 or right == width - 1 or foot == height - 1,
    }


def worn(mask: np.ndarray, area: int) -> dict[str, Any]:
    count = int(mask.sum())
    return {"wear_area": count, "wear_percent": round(100 * count / area, 2), "wear_segmentation": rle(mask)}


def classes_of(wear: str, kind: str, name: str) -> dict[str, str]:
    both = f"{name} {wear}"
    return {"wear": wear, "kind": kind, "object": name, "collection": "Yard", "property": "p", "object_wear": both}


@dataclass
class Thing:
    """One instance of a frame. layers: (kind, wear class, mask) of further kinds. geometry: what its record adds."""

    mask: np.ndarray
    name: str = "Drum"
    object_class: str = "drum"
    wear_class: str = "default"
    kind: str = "heavy_rust"
    wear: np.ndarray | None = None
    layers: Sequence[tuple[str, str, np.ndarray]] = ()
    regions: Sequence[np.ndarray] = ()
    geometry: dict[str, Any] = field(default_factory=dict)


def record_of(frame: int, things: Sequence[Thing], **header: Any) -> dict[str, Any]:
    """A record; the instances' numbers are their places, from 1."""
    height, width = things[0].mask.shape
    instances, regions = [], []
    for index, thing in enumerate(things, start=1):
        if not thing.mask.any():
            continue
        shape = shape_of(thing.mask)
        classes = classes_of(thing.wear_class, thing.kind, thing.object_class)
        names = {"index": index, "name": thing.name, "classes": classes}
        numbers = {"level": 0.5, "variant": 1}
        wear = thing.wear if thing.wear is not None else np.zeros_like(thing.mask)
        entry = {**names, **numbers, **shape, **worn(wear & thing.mask, shape["area"]), **thing.geometry}
        if thing.layers:
            entry |= {"kind": thing.kind, "wear_class": thing.wear_class}
            entry["layers"] = [
                {"kind": kind, "wear_class": name, **numbers, **worn(mask & thing.mask, shape["area"])}
                for kind, name, mask in thing.layers
            ]
        instances.append(entry)
        regions += [{**names, **numbers, **shape_of(region & thing.mask)} for region in thing.regions]
    head = {"schema": "syngen-record", "version": VERSION, "frame": frame, "no_target": False}
    return {**head, "width": width, "height": height, "instances": instances, "regions": regions, **header}


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius * radius)


def scene(frame: int, height: int = 60, width: int = 80) -> dict[str, Any]:
    """Three discs, one over another and one cut by the border; two kinds of wear, worn regions, awkward names."""
    first, second = disc(height, width, 20 + frame, 25, 14), disc(height, width, 40, 30, 16)
    third = disc(height, width, 78, 50, 9)
    rust = disc(height, width, 15, 20, 6)
    spots = disc(height, width, 45, 22, 5), disc(height, width, 45, 38, 5)
    return record_of(
        frame,
        [
            Thing(first & ~second, 'Drum "1"', 'a/b "c" <d> & é', "complete", "heavy_rust", rust),
            Thing(
                second & ~third, "Tank", "tank", "default", "paint", spots[0] | spots[1],
                [("dents", "dent", disc(height, width, 45, 36, 6))], [*spots, disc(height, width, 45, 36, 6)],
            ),
            Thing(third, "Box", "box", "", "heavy_rust"),
        ],
        environment="yard.hdr",
        background="a, b.jpg",
        picture={"file": frame_file("images", frame, ".png"), "sha256": f"{frame:064x}"},
    )  # fmt: skip


def scenes(count: int = 12) -> Iterator[dict[str, Any]]:
    return (scene(frame) for frame in range(count))


def write_pictures(out: Path, count: int, height: int = 60, width: int = 80) -> None:
    """The PNG pictures of a job; each frame's is of another grey."""
    for frame in range(count):
        save_png(out / frame_file("images", frame, ".png"), np.full((height, width, 3), frame / 255, np.float32))


def write_exr(path: Path, channels: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {name: np.ascontiguousarray(v, np.float32) for name, v in channels.items()}).write(str(path))


def everything(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())
