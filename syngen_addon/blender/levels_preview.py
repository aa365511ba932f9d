"""Objects at several wear levels as small pictures, with each of some variants. Imports bpy, numpy, the stages.

Objects are read in the main thread; the pictures are made without Blender and without a render (wear/portrait.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from .. import images
from ..errors import Cancelled, SynGenError
from ..formats.levels import Row, levels_sheet
from ..images import Array
from ..variants import ONSET_RANGE, UPS, Variant
from ..wear.mesh import MeshArrays
from ..wear.portrait import paint, pose, worn_at
from . import previews
from .ageing import kind_label
from .mesh import ensure_uv_layer, mesh_arrays, metres_per_unit
from .pixels import read_srgb
from .session import LEVELS
from .target import find, wear_of
from .task import Task

SIDE = 160
"""Of a picture, pixels."""
TEXTURE = 1024
"""Textures are taken no larger than this: more texels than a small picture has pixels."""
FILE = "levels.png"


@dataclass(frozen=True)
class _Read:
    """What is needed of an object. bases: slot -> H x W x 3 sRGB."""

    name: str
    mesh: MeshArrays
    bases: dict[int, Array]
    variants: tuple[Variant, ...]


class LevelsPreview(Task):
    """Pictures of objects in the making. rows: those that are finished; sheet: their contact sheet, once it is done."""

    def __init__(
        self,
        objects: Sequence[bpy.types.Object],
        target: Path,
        *,
        up: str,
        softness: float,
        most: int,
        side: int = SIDE,
    ) -> None:
        """Reads the objects, and leaves them as they were. most: variants of each. target: the sheet's file.

        Raises SynGenError where none of the objects has variants to show, the first one's.
        """
        super().__init__("levels", lambda say: self._make())
        self.rows: list[Row] = []
        self.sheet: Path | None = None
        self.skipped: dict[str, SynGenError] = {}
        self._read: list[_Read] = []
        for obj in objects:
            try:
                self._read.append(_read(obj, most))
            except SynGenError as error:
                self.skipped[obj.name] = error
        if not self._read:
            raise next(iter(self.skipped.values()))
        self._target, self._up, self._softness, self._side = target, up, softness, side

    def _make(self) -> str:
        total = sum(len(each.variants) for each in self._read)
        for read in self._read:
            self.progress(len(self.rows) / total, read.name)
            portrait = pose(read.mesh, self._side, UPS[self._up])
            for variant in read.variants:
                if self.should_stop():
                    raise Cancelled
                self.progress(len(self.rows) / total, f"{read.name}: {variant.name}")
                layers = {
                    slot: _layers(variant, slot, base) for slot, base in read.bases.items() if slot in variant.slots
                }
                pictures = tuple(
                    paint(portrait, {slot: worn_at(*found, level, self._softness) for slot, found in layers.items()})
                    for level in LEVELS
                )
                title = f"{kind_label(variant.kind)}, seed {variant.seed}"
                self.rows.append(Row(read.name, variant.name, title, pictures))
        self.sheet = levels_sheet(self._target, self.rows, LEVELS)
        return f"The sheet is {self.sheet}."


def _read(obj: bpy.types.Object, most: int) -> _Read:
    """Raises SynGenError where the object has no variants, or cannot be aged."""
    variants = variants_to_show(obj, most)
    if not variants:
        raise SynGenError(f"{obj.name!r} has no variants yet.", "Press Generate first.")
    found = find(obj)
    bases = {slot.index: _capped(np.ascontiguousarray(read_srgb(slot.image)[..., :3])) for slot in found.slots}
    made = ensure_uv_layer(obj)
    try:
        slots = find(obj).slots if made else found.slots
        mesh = mesh_arrays(obj, slots, metres_per_unit(bpy.context.scene))
    finally:
        if made:
            obj.data.uv_layers.remove(obj.data.uv_layers[made])
    return _Read(obj.name, mesh, bases, tuple(variants))


def variants_to_show(obj: bpy.types.Object, most: int) -> list[Variant]:
    """The variants made together with the one that the object wears, else the newest lot; what was refused comes last
    and only where there is nothing else."""
    found, about = previews.variants_of(obj), wear_of(obj)
    worn = next((v for v in found if about is not None and v.name == about["variant"]), None)
    lot = previews.lot(worn or found[0]) if found else ""
    same = [v for v in found if previews.lot(v) == lot]
    good = [v for v in same if v.usable or v == worn]
    return (good or same)[:most]


def _capped(picture: Array) -> Array:
    height, width = picture.shape[:2]
    factor = TEXTURE / max(height, width)
    if factor >= 1:
        return picture
    return images.resize(picture, max(1, round(width * factor)), max(1, round(height * factor)))


def _layers(variant: Variant, slot: int, base: Array) -> tuple[Array, Array, Array]:
    """(base, aged colour, onset), all as large as the base."""
    height, width = base.shape[:2]
    color = images.resize(images.load(variant.file("color", slot))[..., :3], width, height)
    onset = images.load(variant.file("onset", slot))[..., 0]
    rows, columns = np.arange(height) * onset.shape[0] // height, np.arange(width) * onset.shape[1] // width
    return base, color, np.asarray(onset[np.ix_(rows, columns)] * ONSET_RANGE, np.float32)
