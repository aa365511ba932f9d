"""An object's wear in Blender: gather what the stages need, apply a variant, take it off again. Imports bpy, numpy."""

import dataclasses
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .. import images
from ..errors import SynGenError
from ..kinds import KINDS
from ..recipe import Kind, Recipe, Transfer
from ..variants import Request, SlotInput, Variant, read_variant
from ..wear.mesh import MeshArrays, check_mesh
from ..wear.surface import texel_side
from ..wear.weights import vertex_map
from . import layers, marks, material
from .level import get_level, set_level
from .mesh import ensure_uv_layer, mesh_arrays, metres_per_unit, painted_values, vertex_weights
from .names import ABOUT, LEVEL, UV_LAYER
from .paths import with_absolute_paths
from .pixels import open_file, read_srgb
from .preferences import places_of
from .target import Slot, check_keeps_wear, find, wear_of


def kind_named(name: str) -> Kind:
    """The kind of wear of that name. Raises SynGenError."""
    if name not in KINDS:
        raise SynGenError(f"There is no kind of wear called {name!r}.", f"Known are: {', '.join(KINDS)}.")
    return KINDS[name]


def gather(obj: bpy.types.Object, recipe: Recipe, kind: Kind) -> Request:
    """Everything that makes the object's variants, read from Blender; changes nothing but a missing UV map.

    Paths in its recipe are absolute. Everything is checked before that one change. Raises SynGenError for an object
    that cannot be aged.
    """
    recipe = with_absolute_paths(recipe)
    found = find(obj, recipe.wear.leave_out)
    check_keeps_wear(obj)
    bases = [np.ascontiguousarray(read_srgb(slot.image)[..., :3]) for slot in found.slots]
    made = ensure_uv_layer(obj)
    try:
        if made:
            found = find(obj, recipe.wear.leave_out)
        mesh = mesh_arrays(obj, found.slots, metres_per_unit(bpy.context.scene))
        check_mesh(mesh, [slot.index for slot in found.slots])
        bases = [_sized(base, mesh, slot, recipe.transfer) for slot, base in zip(found.slots, bases, strict=True)]
        slots = tuple(
            SlotInput(slot.index, base, _protect(obj, mesh, slot, base, recipe), _damage(obj, mesh, slot, base, recipe))
            for slot, base in zip(found.slots, bases, strict=True)
        )
    except SynGenError:
        if made:
            obj.data.uv_layers.remove(obj.data.uv_layers[made])
        raise
    warnings = list(found.warnings)
    group = recipe.transfer.protect_group
    if group and group not in obj.vertex_groups:
        warnings.append(f"{obj.name!r} has no vertex group {group!r}, so none protects it from wear.")
    group = recipe.causes.damage_group
    if group and painted_values(obj, group) is None:
        warnings.append(f"{obj.name!r} has neither a vertex group nor a color attribute {group!r}: no damage from it.")
    if all(slot.protect is not None and slot.protect.all() for slot in slots):
        warnings.append(f"All of {obj.name!r} is protected from wear, so none will show at any level.")
    return Request(obj.name, mesh, slots, kind, recipe, tuple(warnings))


def _sized(base: images.Array, mesh: MeshArrays, slot: Slot, settings: Transfer) -> images.Array:
    """The base texture as large as the aged one is to be: fine enough for close-ups, and no larger than is allowed."""
    height, width = base.shape[:2]
    finer = texel_side(mesh, slot.index, width, height) / settings.texel_m if settings.texel_m else 1.0
    factor = min(max(finer, 1.0), settings.max_size / max(height, width))
    if factor == 1:
        return base
    return images.resize(base, max(1, round(width * factor)), max(1, round(height * factor)))


def _protect(obj: bpy.types.Object, mesh: Any, slot: Slot, base: images.Array, recipe: Recipe) -> images.Mask | None:
    """The slot's protect mask: its marks, the recipe's image and vertex group; None where there is none of them."""
    height, width = base.shape[:2]
    mask = marks.protected(mesh, slot, base, recipe.marks)
    if recipe.transfer.protect_image:
        picture = images.load(recipe.transfer.protect_image)
        white = images.luminance(picture) > 0.5
        rows = np.arange(height) * white.shape[0] // height
        columns = np.arange(width) * white.shape[1] // width
        white = white[np.ix_(rows, columns)]
        mask = white if mask is None else mask | white
    if recipe.transfer.protect_group and recipe.transfer.protect_group in obj.vertex_groups:
        weights = vertex_weights(obj, recipe.transfer.protect_group)
        inside = vertex_map(mesh, slot.index, width, height, weights) > 0.5
        mask = inside if mask is None else mask | inside
    return mask


def _damage(obj: bpy.types.Object, mesh: Any, slot: Slot, base: images.Array, recipe: Recipe) -> images.Array | None:
    """The slot's painted damage from the recipe's image and group, 0 to 1; None where neither is named (or there)."""
    damage = None
    if recipe.causes.damage_image:
        damage = images.luminance(images.load(recipe.causes.damage_image))
    values = painted_values(obj, recipe.causes.damage_group) if recipe.causes.damage_group else None
    if values is not None:
        height, width = base.shape[:2]
        painted = vertex_map(mesh, slot.index, width, height, values)
        damage = painted if damage is None else np.maximum(images.resize(damage, width, height), painted)
    return damage


def apply_variant(
    obj: bpy.types.Object,
    variant: Variant,
    *,
    add: bool = False,
    softness: float = 0.04,
    age_shift: float = 0.0,
    level: float | None = None,
    pack: bool = True,
) -> None:
    """Put a variant onto the object, through its UV map. Its level stays; one that never had any gets `level` or 0.5.

    add: as a further layer beside the object's own wear, or in place of the layer of its kind; without it as the
    object's own wear. An object that has none yet gets it as its own.
    age_shift: how much older (or younger) than its level it looks, -1 to 1 (recipe.age_shift_of).
    pack: keep the pictures inside the .blend, so that it can move without the gallery.
    Raises SynGenError where the object no longer fits the variant; then nothing is changed.
    """
    kind = kind_named(variant.kind)
    key = layers.key_of(obj, kind.name) if add and wear_of(obj) is not None else ""
    _check_fits(obj, variant, key)
    if not key and kind.name in layers.further_of(obj):
        remove_layer(obj, kind.name)  # it becomes the object's own
    gallery = stored_path(variant.folder.parent)
    for index in variant.slots:
        material.own_material(obj, index, (gallery, variant.name), key)
    metres = metres_per_unit(bpy.context.scene)
    for slot in find(obj).slots:
        if slot.index in variant.slots:
            worn = load_worn(variant, slot.index, kind, softness, pack, age_shift)
            material.put(slot, worn, metres * _scale(obj), metres, key)
    applied = {
        "variant": variant.name,
        "gallery": gallery,
        "gallery_absolute": str(variant.folder.parent.resolve()),
    }
    worn_now = wear_of(obj)
    about = {} if worn_now is None else worn_now.to_dict()
    if key:
        about["layers"] = layers.further_of(obj) | {key: applied}
    else:
        about |= {**applied, "kind": variant.kind}
    if UV_LAYER in obj.data.uv_layers and len(obj.data.uv_layers) == 1:
        about["uv_layer"] = UV_LAYER
    obj[ABOUT] = about
    _give_level(obj, layers.level_property(key), "Wear level" if not key else f"Level of {kind.label}", level)
    set_level(obj, get_level(obj, key) if level is None else level, key)


def _check_fits(obj: bpy.types.Object, variant: Variant, key: str) -> None:
    """Raises SynGenError for an object that cannot be aged or keeps no wear, and a variant made for other slots or
    whose files are gone. Slots that changed places are noticed where the object wears one of the same input."""
    slots = {slot.index for slot in find(obj).slots}
    check_keeps_wear(obj)
    if not set(variant.slots) <= slots:
        raise SynGenError(
            f"The variant {variant.name} was made for other material slots than {obj.name!r} has now.",
            "Press Generate again.",
        )
    files = [variant.file(what, index) for index in variant.slots for what in ("color", "surface", "onset")]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise SynGenError(f"The variant's file {missing[0]} is missing.", "Press Generate again.")
    worn = next((each for each in layers.layers_of(obj) if each.key == key), None)
    if worn is None or worn.variant.rpartition("-")[2] != variant.name.rpartition("-")[2]:
        return
    for index in variant.slots:
        node = material.group_of(obj.material_slots[index].material, key)
        if node is not None and node.node_tree.get(material.SLOT, index) != index:
            raise SynGenError(
                f"The material slots of {obj.name!r} changed places since the variant {variant.name} was made.",
                "Press Generate again.",
            )


def _give_level(obj: bpy.types.Object, name: str, description: str, level: float | None) -> None:
    """The custom property of a level, where the object has none yet."""
    if name in obj:
        return
    obj[name] = 0.5 if level is None else level
    obj.id_properties_ui(name).update(min=0.0, max=1.0, soft_min=0.0, soft_max=1.0, description=description)
    obj.property_overridable_library_set(f'["{name}"]', True)


def _scale(obj: bpy.types.Object) -> float:
    """Units of the scene a unit of the object's own space, on the average of its axes; 1 where it is flat."""
    return float(abs(np.linalg.det(np.array(obj.matrix_world)[:3, :3])) ** (1 / 3)) or 1.0


def _as_made(kind: Kind, variant: Variant) -> Kind:
    """The kind with the colours of the photo that the variant was made from, where there was one."""
    colors: dict[str, Any] = {name: tuple(value) for name, value in variant.made.get("front", {}).items()}
    return dataclasses.replace(kind, front=dataclasses.replace(kind.front, **colors)) if colors else kind


def load_worn(
    variant: Variant, slot: int, kind: Kind, softness: float, pack: bool, age_shift: float = 0.0
) -> material.Worn:
    """A variant's pictures of one slot as new datablocks."""
    pictures = {what: open_file(variant.file(what, slot), what == "color") for what in ("color", "surface", "onset")}
    for what, image in pictures.items():
        image.name = f"{variant.name} {what}"
        if pack:
            image.pack()
    kind = _as_made(kind, variant)
    return material.Worn(pictures["color"], pictures["surface"], pictures["onset"], kind, softness, age_shift)


def stored_path(folder: Path) -> str:
    """As Blender would store it: relative to the .blend where it lies beside it."""
    if not bpy.data.filepath:
        return str(folder)
    try:
        return bpy.path.relpath(str(folder))
    except ValueError:  # another drive, on Windows
        return str(folder)


def remove(obj: bpy.types.Object) -> None:
    """Take all wear off an object: nodes, links, slots, properties and an own UV map are as before it was applied.

    Also of an object that only shows what a deleted object left in its material. Raises SynGenError: no wear.
    """
    material.check_removable(obj)
    others = material.other_wearers(obj)
    about = wear_of(obj)
    names = [LEVEL, *map(layers.level_property, layers.further_of(obj))]
    material.give_back_materials(obj)
    for slot in obj.material_slots:
        if slot.material is not None and slot.material.library is None:
            for key in material.unworn(slot.material, others):
                material.take_out(slot.material, key)
    if about is not None:
        layer = about.get("uv_layer")
        if layer and layer in obj.data.uv_layers and not any(other.data == obj.data for other in others):
            obj.data.uv_layers.remove(obj.data.uv_layers[layer])
        for name in (ABOUT, *names):
            if name in obj:
                del obj[name]
    obj.update_tag()


def remove_layer(obj: bpy.types.Object, kind: str) -> None:
    """Take one kind of wear off an object; the others stay as they are. The only one there is goes as `remove` does it.

    Raises SynGenError where the object has no such layer, or where it is its own wear and others lie beside it.
    """
    found = layers.layer_of(obj, kind)
    if found is None:
        raise SynGenError(f"{obj.name!r} has no wear of the kind {kind!r}.")
    material.check_removable(obj)
    further = layers.further_of(obj)
    if found.own and further:
        raise SynGenError(
            f"{kind_label(found.kind)} is the wear that the others on {obj.name!r} lie beside.",
            "Take those off first, or put another kind in its place.",
        )
    if found.own:
        remove(obj)
        return
    others = material.other_wearers(obj)
    for slot in obj.material_slots:
        mine = slot.material
        if mine is not None and mine.library is None and found.key in material.unworn(mine, others):
            material.take_out(mine, found.key)
    about = wear_of(obj).to_dict()
    about["layers"] = {name: each for name, each in further.items() if name != found.kind}
    if not about["layers"]:
        del about["layers"]
    obj[ABOUT] = about
    if (name := layers.level_property(found.key)) in obj:
        del obj[name]
    obj.update_tag()


def kind_label(name: str) -> str:
    """What a person reads for a kind of wear, also one that this version does not know."""
    return KINDS[name].label if name in KINDS else name


def applied_kind(obj: bpy.types.Object) -> Kind:
    """The kind of wear the object has. Raises SynGenError where it has none (or one this version does not know)."""
    about = wear_of(obj)
    if about is None:
        raise SynGenError(f"{obj.name!r} has no wear.", "Press Generate and choose a variant.")
    return kind_named(about["kind"])


def applied_variants(obj: bpy.types.Object, kind: str = "") -> list[Variant]:
    """The usable variants of the object's gallery that could stand in for the one it wears, by name; empty where the
    gallery is gone. It is among them itself, unless a person refused it and there are others. kind: of which layer; "":
    of the object's own wear."""
    layer = layers.layer_of(obj, kind)
    if layer is None:
        return []
    about = wear_of(obj) if layer.own else layers.further_of(obj)[layer.kind]
    places = places_of(about, obj.library)
    folder = next((place for place in places if read_variant(place / about["variant"]) is not None), places[0])
    now = read_variant(folder / about["variant"])
    if now is None:
        return []
    _, dash, same_input = now.name.rpartition("-")
    if not dash:  # a folder that the user renamed says nothing about which others fit
        return [now]
    found = [read_variant(p) for p in sorted(folder.iterdir()) if p.name.endswith(same_input)]
    fitting = [v for v in found if v is not None and v.kind == now.kind]
    others = any(v.usable for v in fitting)
    return [v for v in fitting if v.usable or (v.name == now.name and not (others and v.person == "refused"))]
