"""Label layers -> one frame's record: boxes, masks, wear and worn regions (docs/record.md). Imports recipe, errors,
numpy, OpenCV and pycocotools; never bpy.

Masks are COCO run lengths. They are read off one pass over the picture, in runs down the columns: where the index
changes, a run ends. Everything else (areas, boxes, masks) is arithmetic on those few runs, so that a frame with fifty
instances costs about as much as one with five.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from .. import recipe as recipes
from ..errors import SynGenError
from .layers import FurtherWear, Instance, Layers

SCHEMA = "syngen-record"
VERSION = 1

Ints = npt.NDArray[np.int64]


def make_record(
    layers: Layers, instances: Sequence[Instance], settings: recipes.Labels, header: dict[str, Any]
) -> dict[str, Any]:
    """The record of one frame, JSON-ready; the same input gives the same record.

    header: what else the record is to hold (JSON-ready); `frame`, the frame's number, is required.
    Raises SynGenError: layers of different sizes, one that is missing, or two instances of one index.
    """
    height, width = layers.index.shape
    for layer in (layers.wear, *layers.also.values()):
        if layer.shape != layers.index.shape:
            raise SynGenError(f"The label layers differ in size: {layers.index.shape} and {layer.shape}.")
    known = {i.index: i for i in instances}
    if len(known) != len(instances) or min(known, default=1) < 1:
        raise SynGenError("Each instance needs an index of its own, over 0.")
    whole = _masks(layers.index, height, width)
    seen = [known[index] for index in sorted(known.keys() & whole.keys())]
    own = _worn(layers.index, layers.wear, settings)
    kinds = sorted({each.kind for instance in seen for each in instance.layers})
    further = {kind: _worn(layers.index, _layer(layers, kind), settings) for kind in kinds}
    entries: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    for instance in seen:
        worn = [own, *(further[each.kind] for each in instance.layers)]
        masks = [each.masks.get(instance.index) for each in worn]
        entries.append(_entry(instance, whole[instance.index], masks, width, height))
        for wear, each, mask in zip((_own(instance), *instance.layers), worn, masks, strict=True):
            if mask is not None:
                about = {**_names(instance, wear), **_numbers(wear)}
                pieces = _regions(each.labels, instance.index, mask, settings)
                regions.extend({**about, **_geometry(piece, width, height)} for piece in pieces)
    return {
        **_head(header),
        "no_target": False,
        "width": width,
        "height": height,
        "instances": entries,
        "regions": regions,
    }


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


# --- masks as runs ---------------------------------------------------------------------------------------------------


class _Mask:
    """Pixels as runs down the columns: flat column-major starts and lengths, each within one column, in order."""

    def __init__(self, starts: Ints, lengths: Ints, height: int) -> None:
        self.starts, self.lengths = starts, lengths
        self.area = int(lengths.sum())
        if self.area:
            top, column = starts % height, starts // height
            self.x0, self.x1 = int(column[0]), int(column[-1])
            self.y0, self.y1 = int(top.min()), int((top + lengths).max()) - 1

    def rle(self, width: int, height: int) -> dict[str, Any]:
        """COCO compressed run lengths: counts of 0s and 1s by turns, down the columns, from a count of 0s."""
        starts, ends = self.starts, self.starts + self.lengths
        # Runs that meet at the foot of one column and the head of the next are one.
        apart = starts[1:] != ends[:-1]
        starts, ends = starts[np.r_[True, apart][: len(starts)]], ends[np.r_[apart, True][: len(ends)]]
        edges = np.column_stack([starts, ends]).ravel()
        counts = np.diff(edges, prepend=0)
        if not len(edges) or edges[-1] < width * height:
            counts = np.append(counts, width * height - (edges[-1] if len(edges) else 0))
        coded = coco_mask.frPyObjects([{"counts": counts.tolist(), "size": [height, width]}], height, width)[0]
        return {"counts": coded["counts"].decode("ascii"), "size": [height, width]}


def _masks(labels: npt.NDArray[np.int32], height: int, width: int, x0: int = 0, y0: int = 0) -> dict[int, _Mask]:
    """Label -> its mask in the full picture, for every label but 0. labels: a crop whose top left pixel is (x0, y0)."""
    rows = labels.shape[0]
    flat = np.ascontiguousarray(labels.T).ravel()
    ends_here = np.empty(flat.size, bool)
    np.not_equal(flat[:-1], flat[1:], out=ends_here[:-1])
    ends_here[rows - 1 :: rows] = True
    ends = np.flatnonzero(ends_here) + 1
    starts = np.concatenate([[0], ends[:-1]])
    values = flat[starts]
    keep = values != 0
    starts, lengths, values = starts[keep], (ends - starts)[keep], values[keep]
    starts = (starts // rows + x0) * height + starts % rows + y0
    order = np.argsort(values, kind="stable")
    starts, lengths, values = starts[order], lengths[order], values[order]
    names, first = np.unique(values, return_index=True)
    last = np.append(first, len(values))[1:]
    return {int(n): _Mask(starts[a:b], lengths[a:b], height) for n, a, b in zip(names, first, last, strict=True)}


def _regions(worn: npt.NDArray[np.int32], index: int, mask: _Mask, settings: recipes.Labels) -> list[_Mask]:
    """The connected worn regions of one instance, from the left.

    Two worn pixels are connected where at most region_merge_pixels rows and at most as many columns lie between them
    (0: they touch, corners included). Spreading the mask by a square of d + 1 pixels makes exactly those touch; the
    spread mask only says which pixels belong together and is not kept.
    """
    crop = (worn[mask.y0 : mask.y1 + 1, mask.x0 : mask.x1 + 1] == index).astype(np.uint8)
    side = settings.region_merge_pixels + 1
    spread = cv2.dilate(crop, np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    labels = cv2.connectedComponents(spread, connectivity=8, ltype=cv2.CV_32S)[1] * crop
    found = _masks(labels, worn.shape[0], worn.shape[1], mask.x0, mask.y0).values()
    return sorted((r for r in found if r.area >= settings.region_min_pixels), key=lambda r: int(r.starts[0]))


@dataclass(frozen=True)
class _Worn:
    """Where one kind of wear is. labels: the index of each pixel that counts as worn, else 0; masks: those of them."""

    labels: npt.NDArray[np.int32]
    masks: dict[int, _Mask]


def _worn(index: npt.NDArray[np.int32], wear: npt.NDArray[np.float32], settings: recipes.Labels) -> _Worn:
    labels = np.where(wear >= settings.wear_threshold, index, np.int32(0))
    return _Worn(labels, _masks(labels, *index.shape))


def _layer(layers: Layers, kind: str) -> npt.NDArray[np.float32]:
    if kind not in layers.also:
        raise SynGenError(f"There is no label layer of the kind of wear {kind!r}.")
    return layers.also[kind]


# --- pieces of a record ----------------------------------------------------------------------------------------------


def _head(header: dict[str, Any]) -> dict[str, Any]:
    return {**header, "schema": SCHEMA, "version": VERSION, "frame": int(header["frame"])}


def _own(instance: Instance) -> FurtherWear:
    return FurtherWear(instance.kind, instance.wear_class, instance.level, instance.variant)


def _labelled_by(instance: Instance) -> FurtherWear:
    """The wear that names an instance: its own; where that counts as clean, the further kind of the highest level."""
    worn = [each for each in instance.layers if each.wear_class]
    return max(worn, key=lambda each: each.level) if worn and not instance.wear_class else _own(instance)


def _entry(instance: Instance, mask: _Mask, masks: Sequence[_Mask | None], width: int, height: int) -> dict[str, Any]:
    """An instance's entry. masks: where its own wear is, then that of each of its layers; None where there is none."""
    own, *amounts = (_amount(each, mask, width, height) for each in masks)
    entry = {**_names(instance, _labelled_by(instance)), **_numbers(_own(instance)), **own}
    entry |= _geometry(mask, width, height)
    if instance.layers:  # its classes may be those of a layer, so it says what its own wear is
        entry |= {"kind": instance.kind, "wear_class": instance.wear_class}
        entry["layers"] = [
            {"kind": wear.kind, "wear_class": wear.wear_class, **_numbers(wear), **amount}
            for wear, amount in zip(instance.layers, amounts, strict=True)
        ]
    return entry


def _names(instance: Instance, wear: FurtherWear) -> dict[str, Any]:
    """What an instance, or a region of it, is; called after one of its kinds of wear."""
    return {
        "index": instance.index,
        "name": instance.name,
        "classes": {"wear": wear.wear_class, "kind": wear.kind, "object": instance.object_class},
    }


def _numbers(wear: FurtherWear) -> dict[str, Any]:
    return {"level": round(float(wear.level), 6), "variant": int(wear.variant)}


def _amount(worn: _Mask | None, mask: _Mask, width: int, height: int) -> dict[str, Any]:
    """How much of what is seen of an instance is worn. worn: None where nothing is."""
    worn = worn or _Mask(np.zeros(0, np.int64), np.zeros(0, np.int64), height)
    return {
        "wear_area": worn.area,
        "wear_percent": round(100 * worn.area / mask.area, 2),
        "wear_segmentation": worn.rle(width, height),
    }


def _geometry(mask: _Mask, width: int, height: int) -> dict[str, Any]:
    return {
        "bbox": [mask.x0, mask.y0, mask.x1 - mask.x0 + 1, mask.y1 - mask.y0 + 1],
        "area": mask.area,
        "segmentation": mask.rle(width, height),
        "touches_border": mask.x0 == 0 or mask.y0 == 0 or mask.x1 == width - 1 or mask.y1 == height - 1,
    }
