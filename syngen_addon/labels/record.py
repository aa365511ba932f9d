"""Label layers -> one frame's record: boxes, masks, wear, worn regions and geometry (docs/record.md). Imports recipe,
errors and numpy; never bpy."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import recipe as recipes
from ..errors import SynGenError
from .geometry import geometry_of
from .layers import FurtherWear, Instance, Layers, View
from .masks import Mask, connected, masks_of, polygons_of, rotated_bboxes

SCHEMA = "syngen-record"
VERSION = 2
RUST_DEGREES = (0.05, 0.5, 1.0, 8.0, 40.0)
"""Rusted percent of the area from which on the degree of rusting is Ri 1, 2, 3, 4, 5 (ISO 4628-3)."""


def make_record(
    layers: Layers,
    instances: Sequence[Instance],
    settings: recipes.Labels,
    header: dict[str, Any],
    view: View | None = None,
    others: npt.NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """The record of one frame, JSON-ready; the same input gives the same record.

    header: what else the record is to hold (JSON-ready); `frame`, the frame's number, is required. view: the camera;
    without it, and for instances without a body, the record has no geometry. others: K x 8 x 3, corners in the
    world of the boxes of what is no target but may hide one.
    Raises SynGenError: layers of different sizes, one that is missing, or two instances of one index.
    """
    height, width = layers.index.shape
    seen = _seen(layers, instances, settings)
    areas = {each.instance.index: each.mask.area for each in seen}
    shapes = {} if view is None else geometry_of(instances, areas, layers, view, others)
    entries = [_entry(each, width, height) | _around(each.mask, shapes.get(each.instance.index, {})) for each in seen]
    regions, parts = _regions(seen, width, height)
    visible = [each.mask for each in seen]
    for entry, box in zip([*entries, *regions], rotated_bboxes([*visible, *parts]), strict=True):
        entry["rotated_bbox"] = box
    if settings.polygons:
        objects, shown = (entries, visible) if settings.objects == "instances" else (regions, parts)
        for entry, polygon in zip(objects, polygons_of(shown), strict=True):
            entry["polygon"] = polygon
    return {
        **_head(header),
        "no_target": False,
        "width": width,
        "height": height,
        "instances": entries,
        "regions": regions,
    }


def summary_of(layers: Layers, instances: Sequence[Instance], settings: recipes.Labels) -> dict[str, Any]:
    """What make_record says of the instances, without masks (None), rotated boxes, regions and geometry: in a fraction
    of the time, for a view that changes while one looks. Raises as make_record does."""
    height, width = layers.index.shape
    entries = [_entry(each, width, height, coded=False) for each in _seen(layers, instances, settings)]
    return {**_head({"frame": 0}), "no_target": False, "width": width, "height": height, "instances": entries}


def no_target_record(header: dict[str, Any]) -> dict[str, Any]:
    """The record of a frame that shows no target after every redraw; it has no picture."""
    return {**_head(header), "no_target": True, "instances": [], "regions": []}


def accepts(record: dict[str, Any], settings: recipes.Labels) -> tuple[bool, str]:
    """(whether the frame counts, else why not): a target is visible, and none that is visible has too few pixels."""
    if not record["instances"]:
        return False, "No target is visible."
    small = min(record["instances"], key=lambda i: int(i["area"]))
    if small["area"] < settings.min_pixels:
        limit = f"labels.min_pixels = {settings.min_pixels}"
        return False, f"{small['name']} has {small['area']} visible pixels, under {limit}."
    return True, ""


def encode(record: dict[str, Any]) -> bytes:
    """The record as JSON: sorted keys, ASCII, a newline at its end."""
    return (json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n").encode("ascii")


def decode(data: bytes, source: str = "The record") -> dict[str, Any]:
    """What `encode` wrote. source names it in errors.

    Raises SynGenError where it is truncated, garbled or of another version.
    """
    mend = "Delete the file and run the job again; only this frame is rendered anew."
    try:
        record = json.loads(data)
    except ValueError:
        raise SynGenError(f"{source} is truncated or no JSON.", mend) from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise SynGenError(f"{source} is not a record of SynGen.", mend)
    if record.get("version") != VERSION:
        raise SynGenError(
            f"{source} has version {record.get('version')!r}; this SynGen reads version {VERSION}.",
            "Use the SynGen that wrote the job, or start a new job.",
        )
    kinds = {"frame": int, "no_target": bool, "instances": list, "regions": list}
    if not record.get("no_target"):
        kinds |= {"width": int, "height": int}
    for name, kind in kinds.items():
        if not isinstance(record.get(name), kind):
            raise SynGenError(f"{source} lacks a valid {name!r}.", mend)
    return record


# --- what is seen ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Worn:
    """Where one kind of wear is. masks: by the instance's index, the pixels that count as worn."""

    index: npt.NDArray[np.int32]
    wear: npt.NDArray[np.float32]
    settings: recipes.Labels
    masks: dict[int, Mask]

    def regions(self, index: int) -> list[Mask]:
        """The connected regions of one instance, from the left; none where it is not worn."""
        if index not in self.masks:
            return []
        mask, settings = self.masks[index], self.settings
        box = np.s_[mask.y0 : mask.y1 + 1, mask.x0 : mask.x1 + 1]
        there = (self.index[box] == index) & (self.wear[box] >= settings.wear_threshold)
        return connected(there, mask, settings.region_merge_pixels, settings.region_min_pixels)


@dataclass(frozen=True)
class _Seen:
    """An instance that is seen. wears: its own wear and where that is, then the same of each of its layers."""

    instance: Instance
    mask: Mask
    wears: list[tuple[FurtherWear, _Worn]]


def _seen(layers: Layers, instances: Sequence[Instance], settings: recipes.Labels) -> list[_Seen]:
    """By index the instances with visible pixels. Raises as make_record does."""
    for layer in (layers.wear, *layers.also.values()):
        if layer.shape != layers.index.shape:
            raise SynGenError(f"The label layers differ in size: {layers.index.shape} and {layer.shape}.")
    known = {i.index: i for i in instances}
    if len(known) != len(instances) or min(known, default=1) < 1:
        raise SynGenError("Each instance needs an index of its own, over 0.")
    kinds = sorted({each.kind for instance in instances for each in instance.layers})
    wears = [layers.wear, *(_layer(layers, kind) for kind in kinds)]
    masks, *worn_masks = masks_of(layers.index, wears, settings.wear_threshold)
    own, *others = (_Worn(layers.index, wear, settings, each) for wear, each in zip(wears, worn_masks, strict=True))
    further = dict(zip(kinds, others, strict=True))
    return [
        _Seen(each, masks[index], [(_own(each), own), *((layer, further[layer.kind]) for layer in each.layers)])
        for index, each in sorted(known.items())
        if index in masks
    ]


def _layer(layers: Layers, kind: str) -> npt.NDArray[np.float32]:
    if kind not in layers.also:
        raise SynGenError(f"There is no label layer of the kind of wear {kind!r}.")
    return layers.also[kind]


def _regions(seen: Sequence[_Seen], width: int, height: int) -> tuple[list[dict[str, Any]], list[Mask]]:
    """(the entries of all worn regions, their masks)."""
    entries: list[dict[str, Any]] = []
    parts: list[Mask] = []
    for each in seen:
        for wear, worn in each.wears:
            pieces = worn.regions(each.instance.index)
            about = {**_names(each.instance, wear), **_numbers(wear)}
            entries.extend({**about, **_place(piece, width, height)} for piece in pieces)
            parts.extend(pieces)
    return entries, parts


# --- pieces of a record ----------------------------------------------------------------------------------------------


def _head(header: dict[str, Any]) -> dict[str, Any]:
    return {**header, "schema": SCHEMA, "version": VERSION, "frame": int(header["frame"])}


def _around(mask: Mask, shape: dict[str, Any]) -> dict[str, Any]:
    """The geometry of an instance, its amodal box around all that is seen of it: hair and displaced surfaces reach
    beyond its triangles. A box that pixels reach beyond by less than one stays as exact as it is."""
    if not shape:
        return shape
    x0, y0, width, height = shape["amodal_bbox"]
    x1, y1 = x0 + width, y0 + height
    if mask.x0 >= x0 - 1 and mask.y0 >= y0 - 1 and mask.x1 <= x1 and mask.y1 <= y1:
        return shape
    x0, y0, x1, y1 = min(x0, mask.x0), min(y0, mask.y0), max(x1, mask.x1 + 1), max(y1, mask.y1 + 1)
    return {**shape, "amodal_bbox": [round(float(v), 2) for v in (x0, y0, x1 - x0, y1 - y0)]}


def _own(instance: Instance) -> FurtherWear:
    return FurtherWear(instance.kind, instance.wear_class, instance.level, instance.variant)


def _labelled_by(instance: Instance) -> FurtherWear:
    """The wear that names an instance: its own; where that counts as clean, the further kind of the highest level."""
    worn = [each for each in instance.layers if each.wear_class]
    return max(worn, key=lambda each: each.level) if worn and not instance.wear_class else _own(instance)


def _entry(seen: _Seen, width: int, height: int, coded: bool = True) -> dict[str, Any]:
    """An instance's entry, but for its geometry. coded: whether it holds the masks."""
    instance, mask = seen.instance, seen.mask
    own, *amounts = (_amount(worn.masks.get(instance.index), mask, width, height, coded) for _, worn in seen.wears)
    entry = {**_names(instance, _labelled_by(instance)), **_numbers(_own(instance)), **own}
    entry |= _place(mask, width, height, coded)
    if instance.layers:  # its classes may be those of a layer, so it says what its own wear is
        entry |= {"kind": instance.kind, "wear_class": instance.wear_class}
        entry["layers"] = [
            {"kind": wear.kind, "wear_class": wear.wear_class, **_numbers(wear), **amount}
            for wear, amount in zip(instance.layers, amounts, strict=True)
        ]
    return entry


def _names(instance: Instance, wear: FurtherWear) -> dict[str, Any]:
    """What an instance, or a region of it, is; called after one of its kinds of wear."""
    by_wear = {
        "wear": wear.wear_class,
        "kind": wear.kind,
        "object_wear": object_wear(instance.classes["object"], wear.wear_class),
    }
    return {"index": instance.index, "name": instance.name, "classes": {**instance.classes, **by_wear}}


def object_wear(name: str, wear_class: str) -> str:
    """The class of an object and its wear together; wear_class: "" where it counts as clean."""
    return f"{name} {wear_class or 'clean'}"


def _numbers(wear: FurtherWear) -> dict[str, Any]:
    return {"level": round(float(wear.level), 6), "variant": int(wear.variant)}


def _amount(worn: Mask | None, mask: Mask, width: int, height: int, coded: bool) -> dict[str, Any]:
    """How much of what is seen of an instance is worn. worn: None where nothing is."""
    worn = worn or Mask.empty(height)
    percent = 100 * worn.area / mask.area
    return {
        "wear_area": worn.area,
        "wear_percent": round(percent, 2),
        "wear_segmentation": worn.rle(width) if coded else None,
        "severity": sum(percent >= degree for degree in RUST_DEGREES),
    }


def _place(mask: Mask, width: int, height: int, coded: bool = True) -> dict[str, Any]:
    return {
        "bbox": mask.bbox,
        "area": mask.area,
        "segmentation": mask.rle(width) if coded else None,
        "touches_border": mask.x0 == 0 or mask.y0 == 0 or mask.x1 == width - 1 or mask.y1 == height - 1,
    }
