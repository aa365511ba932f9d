"""Marks of a material: the picture that says which texels of its base texture wear must leave alone. Imports bpy.

The picture is an Image datablock in the base texture's layout, white where protected, packed into the .blend; a custom
property of the material points to it (names.MARKS). Find Marks makes it, Paint Marks edits it by Blender's own brushes,
and ageing.gather reads it. This module comes in when the extension is switched on: what finds marks and what draws them
(overlay.py) is imported when it is asked for.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import bpy
from bpy.app.handlers import persistent

from ..errors import SynGenError
from .names import MARKS, SLOT_MATERIAL

if TYPE_CHECKING:
    from .. import recipe as recipes
    from ..images import Array, Mask
    from ..wear.mesh import MeshArrays
    from .target import Slot


def image_of(material: bpy.types.Material | None) -> bpy.types.Image | None:
    """The picture of a material's marks, None where it has none (or its user's own property has that name)."""
    found = None if material is None else material.get(MARKS)
    return found if isinstance(found, bpy.types.Image) else None


def images_of(obj: bpy.types.Object | None) -> list[tuple[bpy.types.Material, bpy.types.Image]]:
    """The object's materials that have marks, each with its picture."""
    slots = [] if obj is None else obj.material_slots
    found = {slot.material: image_of(slot.material) for slot in slots if slot.material is not None}
    return [(material, image) for material, image in found.items() if image is not None]


def protected(mesh: MeshArrays, slot: Slot, base_srgb: Array, settings: recipes.Marks) -> Mask | None:
    """Which texels of a base texture (H x W x 3) its marks protect, H x W; None where there are none.

    The picture that lies on the material, which a person may have painted; where it has none and settings.find is on,
    what is found now. mesh: of the object, whose UV islands are looked at.
    """
    height, width = base_srgb.shape[:2]
    image = image_of(slot.material)
    if image is not None:
        mask = _read(image, width, height)
    elif settings.find:
        mask = _found(base_srgb, settings, _covered(mesh, slot.index, width, height))
    else:
        return None
    return mask if mask.any() else None


def find_on(objects: list[bpy.types.Object], settings: recipes.Marks) -> dict[str, float]:
    """Find marks on the base textures of the objects and give each of their materials its picture of them.

    A material's marks are looked for where any of these objects shows its base texture. What was found or painted
    before is replaced. Returns material name -> share of its base texture that is protected. Raises SynGenError for an
    object that cannot be aged or a material that cannot be changed, before anything is changed.
    """
    from .mesh import mesh_arrays
    from .pixels import read_srgb
    from .target import find

    slots: dict[bpy.types.Material, tuple[Slot, Array, list[bpy.types.Material]]] = {}
    covered: dict[bpy.types.Material, Any] = {}
    for obj in objects:
        found = find(obj)
        mesh = mesh_arrays(obj, found.slots) if obj.data.uv_layers else None
        for slot in found.slots:
            check_editable(slot.material)
            if slot.material not in slots:
                slots[slot.material] = slot, read_srgb(slot.image)[..., :3], []
            _, base, stands_for = slots[slot.material]
            stands_for.extend(_originals(obj, slot.index))
            here = None if mesh is None else _covered(mesh, slot.index, base.shape[1], base.shape[0])
            known = covered.get(slot.material, here)
            covered[slot.material] = None if here is None or known is None else here | known
    masks = {material: _found(base, settings, covered[material]) for material, (_, base, _) in slots.items()}
    for material, mask in masks.items():
        image = _new_image(material, mask)
        for each in (material, *slots[material][2]):
            _give(each, image)
    return {material.name: float(mask.mean()) for material, mask in masks.items()}


def check_editable(material: bpy.types.Material) -> None:
    """Raises SynGenError where what is put onto a material would not stay."""
    if material.library is not None or material.override_library is not None:
        raise SynGenError(
            f"The material {material.name!r} is linked from another file, which does not keep its marks.",
            "Make it local first (Object > Relations > Make Local > Selected Objects, Data and Materials).",
        )


def canvas_for(obj: bpy.types.Object) -> tuple[Slot, bpy.types.Image | None]:
    """The slot to paint marks of, the active one where it can be aged, with its picture if there is one.

    Raises SynGenError where painting on the surface would not hit the base texture's texels.
    """
    import numpy as np

    from .target import find

    found = find(obj)
    slot = next((s for s in found.slots if s.index == obj.active_material_index), found.slots[0])
    check_editable(slot.material)
    if not slot.uv_layer:
        raise SynGenError(f"{obj.name!r} has no UV map to paint by.", "Unwrap it (U in Edit Mode), or press Generate.")
    if not np.allclose(slot.mapping, np.eye(3)):
        raise SynGenError(
            f"The base texture {slot.image.name!r} goes through a Mapping node, which painting does not follow.",
            "Press Find Marks and paint its picture in the Image Editor.",
        )
    return slot, image_of(slot.material)


def begin_painting(obj: bpy.types.Object) -> bpy.types.Image:
    """Enter texture paint on the active slot's marks, black at first, with a white brush; returns their picture.

    Raises SynGenError before anything is changed.
    """
    import numpy as np

    slot, image = canvas_for(obj)
    if image is None:
        width, height = slot.image.size
        if not width or not height:
            raise SynGenError(f"The base texture {slot.image.name!r} has no pixels.", "Choose another image.")
        image = _new_image(slot.material, np.zeros((height, width), np.bool_))
        for each in (slot.material, *_originals(obj, slot.index)):
            _give(each, image)
    obj.data.uv_layers.active = obj.data.uv_layers[slot.uv_layer]
    bpy.ops.object.mode_set(mode="TEXTURE_PAINT")
    paint = bpy.context.scene.tool_settings.image_paint
    paint.mode, paint.canvas = "IMAGE", image
    unified = getattr(paint, "unified_paint_settings", None) or bpy.context.scene.tool_settings.unified_paint_settings
    for colors in (unified, paint.brush):
        if colors is not None and getattr(colors, "library", None) is None:
            colors.color, colors.secondary_color = (1, 1, 1), (0, 0, 0)
    return image


def clear(objects: list[bpy.types.Object]) -> int:
    """Take the marks off the objects' materials; how many materials had any. Raises SynGenError."""
    cleared = 0
    for obj in objects:
        for material, _ in images_of(obj):
            check_editable(material)
    for obj in objects:
        for index, slot in enumerate(obj.material_slots):
            cleared += image_of(slot.material) is not None
            for each in (slot.material, *_originals(obj, index)):
                if image_of(each) is not None:
                    _give(each, None)
    return cleared


def _originals(obj: bpy.types.Object, index: int) -> list[bpy.types.Material]:
    """The material that a slot's copy stands for while the object is worn: it comes back when the wear is removed."""
    original = obj.get(SLOT_MATERIAL.format(index))
    return [original] if isinstance(original, bpy.types.Material) and original.library is None else []


def _give(material: bpy.types.Material, image: bpy.types.Image | None) -> None:
    before = image_of(material)
    if image is not None:
        material[MARKS] = image
    else:
        del material[MARKS]
    if before is not None and before != image and not before.users:
        if before.is_dirty:
            before.pack()  # so that undo brings back what was painted
        bpy.data.images.remove(before)


def _new_image(material: bpy.types.Material, mask: Mask) -> bpy.types.Image:
    """A packed picture, white where the mask is. A new one each time: undo then finds the one before as it was."""
    import numpy as np

    height, width = mask.shape
    image = bpy.data.images.new(f"{material.name} Marks", width, height, alpha=False, is_data=True)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = mask[::-1, :, None]
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    image.pack()
    return image


def _read(image: bpy.types.Image, width: int, height: int) -> Mask:
    """H x W, row 0 at the top, of a picture of any size. Raises SynGenError where it has no pixels."""
    import numpy as np

    columns, rows = image.size
    if not columns or not rows:
        raise SynGenError(f"The marks {image.name!r} have no pixels.", "Press Find Marks again, or clear them.")
    pixels = np.empty(columns * rows * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    white = pixels.reshape(rows, columns, image.channels)[::-1, :, : min(3, image.channels)].mean(axis=2) > 0.5
    down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
    return np.ascontiguousarray(white[np.ix_(down, across)])


def _found(base_srgb: Array, settings: recipes.Marks, covered: Mask | None) -> Mask:
    from ..marks.find import find_marks, grown

    return grown(find_marks(base_srgb, settings, covered), settings.grow)


def _covered(mesh: MeshArrays, slot: int, width: int, height: int) -> Mask:
    """H x W: the texels of a slot's UV islands."""
    import numpy as np

    from ..wear.rasterize import rasterize

    uvs = mesh.uvs[mesh.slots == slot]
    return np.asarray(rasterize(uvs, np.ones(len(uvs), np.float32), width, height).triangle >= 0, np.bool_)


# --- what is shown ---------------------------------------------------------------------------------------------------


def shown() -> bool:
    """Whether the 3D views show marks."""
    overlay = sys.modules.get(f"{__package__}.overlay")
    return overlay is not None and bool(overlay.is_on())


def show(on: bool) -> None:
    """Show marks in the 3D views, or no longer. In background mode nothing is drawn: it does nothing."""
    if bpy.app.background or on == shown():
        return
    from . import overlay

    overlay.switch(on)


# --- registration ----------------------------------------------------------------------------------------------------


@persistent
def _before_save(*_: Any) -> None:
    """Painted strokes go into the file: Blender itself saves no pixels that changed since they were packed."""
    for material in bpy.data.materials:
        image = image_of(material)
        if image is not None and image.is_dirty and image.library is None:
            image.pack()


@persistent
def _before_load(*_: Any) -> None:
    show(False)


_HANDLERS = (("save_pre", _before_save), ("load_pre", _before_load))


def register() -> None:
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    show(False)
    for name, handler in reversed(_HANDLERS):
        getattr(bpy.app.handlers, name).remove(handler)
