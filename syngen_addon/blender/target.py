"""What SynGen finds on an object: slots, shaders, base textures, UV maps. Reads, never changes. Imports bpy, numpy."""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import bpy
import numpy as np

from ..errors import SynGenError
from .names import ABOUT, CLASS, GROUP, LEAVE_OUT
from .state import animating

CONVERTED = {"CURVE", "SURFACE", "FONT", "META"}
"""Types of objects that Blender converts to meshes."""
NO_WEAR_HINT = f"Take one of them from wear.leave_out, or take its custom property {LEAVE_OUT!r} off."


@dataclass(frozen=True)
class Slot:
    """A material slot that can be aged.

    texture: the node of the base texture, which may lie in a node group. mapping: 3 x 3 matrix from the UV layer to the
    base texture's coordinates. notes: sentences. mends: (sentence, what the window offers to do about it).
    """

    index: int
    material: bpy.types.Material
    principled: bpy.types.ShaderNode
    texture: bpy.types.ShaderNode
    uv_layer: str
    mapping: np.ndarray
    notes: tuple[str, ...] = ()
    mends: tuple[tuple[str, str], ...] = ()

    @property
    def image(self) -> bpy.types.Image:
        return self.texture.image


@dataclass(frozen=True)
class Found:
    """slots: those that can be aged. left_out: (slot index, why) for the others. warnings: sentences. mends: (warning,
    what the window offers to do about it, slot index)."""

    slots: tuple[Slot, ...]
    left_out: tuple[tuple[int, str], ...]
    warnings: tuple[str, ...]
    mends: tuple[tuple[str, str, int], ...] = ()


def check_object(obj: bpy.types.Object | None) -> bpy.types.Object:
    """The object if it can be worked on, else SynGenError."""
    if obj is None:
        raise SynGenError("No object is selected.", "Select a mesh object that has a base texture.")
    if obj.type != "MESH":
        what = obj.type.lower()
        what = f"an {what}" if what[0] in "aeiou" else f"a {what}"
        raise SynGenError(
            f"{obj.name!r} is {what}, not a mesh.",
            "Select a mesh object, or convert it.",
            mend="convert" if obj.type in CONVERTED else "",
        )
    if not obj.data.polygons:
        raise SynGenError(f"The mesh of {obj.name!r} has no faces.", "Select an object with a surface.")
    if obj.library is not None:
        raise SynGenError(
            f"{obj.name!r} is linked from another file.",
            "Make it local first (Object > Relations > Make Local).",
            mend="local",
        )
    if not has_wear(obj):
        check_keeps_wear(obj)
    return obj


def check_keeps_wear(obj: bpy.types.Object) -> None:
    """Raises SynGenError where wear that is put onto the object would not stay, or would overwrite something."""
    if obj.override_library is not None:
        # Materials put onto an override and properties added to it are gone when the file is opened again.
        raise SynGenError(
            f"{obj.name!r} is a library override, which does not keep its wear in the file.",
            "Make it local first (Object > Relations > Make Local).",
            mend="local",
        )
    if ABOUT in obj and not has_wear(obj):
        raise SynGenError(
            f"{obj.name!r} has a custom property {ABOUT!r} of its own, which its wear would overwrite.",
            "Rename the property (Object Properties > Custom Properties).",
            mend="rename",
        )


def find(obj: bpy.types.Object | None, leave_out: Sequence[str] = ()) -> Found:
    """What there is to age on the object. Raises SynGenError where there is nothing, with the way to mend it.

    leave_out: names of materials that do not wear, with * and ? as wildcards. Nor do those with the custom property
    LEAVE_OUT.
    """
    obj = check_object(obj)
    used = np.empty(len(obj.data.polygons), np.int32)
    obj.data.polygons.foreach_get("material_index", used)
    used_slots = np.unique(np.minimum(used, max(len(obj.material_slots) - 1, 0)))
    materials = [(int(i), obj.material_slots[i].material) for i in used_slots if i < len(obj.material_slots)]
    if not any(material for _, material in materials):
        raise SynGenError(
            f"{obj.name!r} has no material.", "Give it a material whose Base Color is an image.", mend="material"
        )
    slots: list[Slot] = []
    left_out: list[tuple[int, str]] = []
    mends: list[tuple[str, str, int]] = []
    spared = {i: m.name for i, m in materials if m is not None and does_not_wear(m, leave_out)}
    if len(spared) == len(materials):
        names = ", ".join(map(repr, spared.values()))
        raise SynGenError(f"All materials of {obj.name!r} are left out of wear: {names}.", NO_WEAR_HINT, mend="wear")
    for index, material in materials:
        if index in spared:
            continue
        try:
            slots.append(_slot(obj, index, material))
        except SynGenError as error:
            error.slot = index
            left_out.append((index, str(error)))
            if error.mend:
                mends.append((f"Slot {index + 1} is left out: {error}", error.mend, index))
            first = error
    if not slots:
        raise first
    warnings = [f"Slot {index + 1} is left out: {why}" for index, why in left_out]
    warnings += dict.fromkeys(note for slot in slots for note in slot.notes)
    mends += [(note, mend, slot.index) for slot in slots for note, mend in slot.mends]
    return Found(tuple(slots), tuple(left_out), tuple(warnings), tuple(mends))


def does_not_wear(material: bpy.types.Material, leave_out: Sequence[str]) -> bool:
    """Whether the material's name fits one of those that are left out, or it is marked itself."""
    return bool(material.get(LEAVE_OUT)) or any(matches(material.name, name) for name in leave_out)


def matches(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern in which * and ? are wildcards and nothing else is."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def wears(material: bpy.types.Material) -> bool:
    """Whether the material itself is not marked as one that does not wear."""
    return not material.get(LEAVE_OUT)


def set_wears(material: bpy.types.Material, on: bool) -> None:
    """Mark a material as one that does not wear, or take the mark off. Raises SynGenError where it is linked."""
    if material.library is not None:
        raise SynGenError(
            f"{material.name!r} is linked from another file.", "Make it local first (Object > Relations > Make Local)."
        )
    if not on:
        material[LEAVE_OUT] = True
    elif LEAVE_OUT in material:
        del material[LEAVE_OUT]


def _slot(obj: bpy.types.Object, index: int, material: bpy.types.Material | None) -> Slot:
    if material is None:
        raise SynGenError(f"Slot {index + 1} of {obj.name!r} is empty.", "Give it a material.", mend="material")
    principled, others = aged_shader(material)
    texture, groups, image_notes = _base_texture(principled, material)
    image = texture.image
    if image.source == "FILE" and not image.has_data and not image.packed_file and not image.size[0]:
        path = bpy.path.abspath(image.filepath, library=image.library)
        raise SynGenError(
            f"The image file of the base texture {image.name!r} is missing: {path}.",
            "Restore the file or choose another image (File > External Data > Find Missing Files).",
            mend="find",
        )
    if texture.projection != "FLAT":
        raise SynGenError(
            f"The base texture {image.name!r} is projected ({texture.projection.lower()}), not laid out by UVs.",
            "Unwrap the object and use flat projection, or bake its color into an image.",
            mend="bake",
        )
    layer, mapping = _uv_source(obj, texture, groups)
    veil, _, veil_notes = veil_of(material, principled)
    notes = [*image_notes, *veil_notes]
    if others:
        notes.append(
            f"The material {material.name!r} mixes {others + 1} Principled BSDFs; only {principled.name!r} is aged. "
            "Use a single one where all of it is to age."
        )
    if is_animated(principled.inputs["Alpha"]) or (veil is not None and is_animated(veil)):
        notes.append(f"The transparency of {material.name!r} is animated; labels of wear take it as it is now.")
    mends = tuple((note, "bake") for note in image_notes)
    return Slot(index, material, principled, texture, layer, mapping, tuple(notes), mends)


Groups = tuple[bpy.types.ShaderNode, ...]
"""The group nodes that a node lies in, outermost first."""
Source = tuple[bpy.types.NodeSocket, Groups]
"""An output of a node, and the groups that the node lies in."""


def source_of(
    socket: bpy.types.NodeSocket, groups: Groups = (), *, into_wear: bool = False, muted_links: bool = False
) -> Source | None:
    """The output that feeds an input, seen through what is muted, reroutes and node groups; None where nothing does.

    into_wear: also through SynGen's own groups. muted_links: also along links that are muted.
    """
    while True:
        # Asked first, for a socket's links are looked for among all of the tree's.
        links = socket.links if socket.is_linked else ()
        link = next((each for each in links if muted_links or not each.is_muted), None)
        if link is None:
            return None
        source = link.from_socket
        node = source.node
        inner: bpy.types.NodeSocket | None
        if node.mute:
            inner = next((each.from_socket for each in node.internal_links if each.to_socket == source), None)
        elif node.type == "REROUTE":
            inner = node.inputs[0]
        elif node.type == "GROUP_INPUT" and groups:
            inner, groups = _same(groups[-1].inputs, source), groups[:-1]
        elif node.type == "GROUP" and node.node_tree is not None and (into_wear or not is_wear_group(node)):
            end = next((n for n in node.node_tree.nodes if n.type == "GROUP_OUTPUT" and n.is_active_output), None)
            inner, groups = _same(end.inputs, source) if end else None, (*groups, node)
        else:
            return source, groups
        if inner is None:
            return None
        socket = inner


def _same(sockets: Iterable[bpy.types.NodeSocket], like: bpy.types.NodeSocket) -> bpy.types.NodeSocket | None:
    return next((s for s in sockets if s.identifier == like.identifier), None)


def _upstream(socket: bpy.types.NodeSocket) -> "deque[bpy.types.Node]":
    """The nodes that feed a socket, nearest first."""
    found: deque[bpy.types.Node] = deque()
    queue = deque(link.from_node for link in socket.links)
    while queue:
        node = queue.popleft()
        if node in found:
            continue
        found.append(node)
        queue.extend(link.from_node for each in node.inputs if each.is_linked for link in each.links)
    return found


def _surface(material: bpy.types.Material) -> bpy.types.NodeSocket | None:
    tree = material.node_tree
    output = tree and (tree.get_output_node("ALL") or tree.get_output_node("CYCLES"))
    return output.inputs["Surface"] if output else None


def aged_shader(material: bpy.types.Material) -> tuple[bpy.types.ShaderNode, int]:
    """The Principled BSDF that is aged, and how many others there are: one that is worn already, else the nearest one
    that has an image, else the nearest. Raises SynGenError where there is none."""
    surface = _surface(material)
    nodes = _upstream(surface) if surface else deque()
    found = [n for n in nodes if n.type == "BSDF_PRINCIPLED"]
    if not found:
        hidden = next((n for n in nodes if n.type == "GROUP" and n.node_tree and _has_principled(n.node_tree)), None)
        if hidden is not None:
            raise SynGenError(
                f"The Principled BSDF of {material.name!r} is inside the node group {hidden.node_tree.name!r}.",
                "Take it out of the group (Node > Ungroup).",
            )
        raise SynGenError(
            f"The material {material.name!r} has no Principled BSDF.",
            "SynGen ages Principled materials.",
            mend="principled",
        )
    worn = [n for n in found if any(is_wear_group(e) for e in _upstream(n.inputs["Base Color"]))]
    with_image = [n for n in found if _images(n.inputs["Base Color"], False)]
    return (worn or with_image or found)[0], len(found) - 1


def _has_principled(tree: bpy.types.NodeTree) -> bool:
    return any(n.type == "BSDF_PRINCIPLED" for n in tree.nodes)


def _base_texture(
    principled: bpy.types.ShaderNode, material: bpy.types.Material
) -> tuple[bpy.types.ShaderNode, Groups, list[str]]:
    """The image texture that the colour comes from, the groups it lies in, and notes where that is not plain."""
    color = principled.inputs["Base Color"]
    # A picture that only steers (a mask on a factor) is no base texture; a ramp's factor is where there is no other.
    found = _images(color, False) or _images(color, True)
    if not found:
        raise SynGenError(
            f"The material {material.name!r} has no base texture.",
            "Plug an Image Texture into Base Color (or bake one).",
            mend="bake",
        )
    pictures = [each for each in found if not each[0].image.colorspace_settings.is_data] or found
    node, groups = pictures[0]
    if len({each[0].image for each in pictures}) == 1:
        return node, groups, []
    note = f"The Base Color of {material.name!r} comes from several images; {node.image.name!r} is taken as its base."
    return node, groups, [note]


def _images(socket: bpy.types.NodeSocket, any_input: bool) -> list[tuple[bpy.types.ShaderNode, Groups]]:
    """The image textures that feed a colour, nearest first; through colour inputs only, or through all."""
    found: list[tuple[bpy.types.ShaderNode, Groups]] = []
    seen: list[tuple[bpy.types.NodeSocket, Groups]] = []
    queue: deque[tuple[bpy.types.NodeSocket, Groups]] = deque([(socket, ())])
    while queue:
        fed = source_of(*queue.popleft(), muted_links=True)  # one that is only muted for now is still the texture
        if fed is None or (fed[0].node, fed[1]) in seen:
            continue
        node, groups = fed[0].node, fed[1]
        seen.append((node, groups))
        if node.type == "TEX_IMAGE":
            if node.image:
                found.append((node, groups))
            continue
        inputs = [node.inputs["Color"]] if is_wear_group(node) else node.inputs
        queue.extend((each, groups) for each in inputs if each.enabled and (any_input or each.type == "RGBA"))
    return found


def veil_of(
    material: bpy.types.Material, principled: bpy.types.ShaderNode
) -> tuple[bpy.types.NodeSocket | None, bool, list[str]]:
    """The factor of a Mix Shader of the Principled and a Transparent BSDF, and whether 1 is transparent; a note where
    transparency is mixed in another way."""
    surface = _surface(material)
    if surface is None or not any(n.type == "BSDF_TRANSPARENT" for n in _upstream(surface)):
        return None, False, []
    fed = source_of(surface)
    if fed is not None and not fed[1] and fed[0].node.type == "MIX_SHADER":
        mix = fed[0].node
        sides = [side and side[0].node for side in map(source_of, mix.inputs[1:3])]
        kinds = [node.type if node else "" for node in sides]
        if principled in sides and "BSDF_TRANSPARENT" in kinds:
            return mix.inputs[0], kinds[1] == "BSDF_TRANSPARENT", []
    note = (
        f"The material {material.name!r} mixes in transparency in a way that is not followed: where it lets through, "
        "its wear counts for what lies behind. Use the Alpha of the Principled BSDF."
    )
    return None, False, [note]


def is_animated(socket: bpy.types.NodeSocket) -> bool:
    """Whether keyframes or a driver set the value of a socket that nothing is plugged into."""
    return not any(not link.is_muted for link in socket.links) and bool(animating(socket, "default_value"))


def is_wear_group(node: bpy.types.Node) -> bool:
    """Whether a node is the one that SynGen puts before the Principled inputs."""
    return node.type == "GROUP" and node.node_tree is not None and node.node_tree.name.startswith(GROUP)


def _uv_source(obj: bpy.types.Object, texture: bpy.types.ShaderNode, groups: Groups) -> tuple[str, np.ndarray]:
    """(UV layer, 3 x 3 mapping) that a texture node reads; the layer is "" where the mesh has none at all."""
    layers = obj.data.uv_layers
    active = next((layer.name for layer in layers if layer.active_render), layers[0].name if layers else "")
    mapping = np.eye(3)
    fed = source_of(texture.inputs["Vector"], groups)
    while fed is not None:
        source, groups = fed
        node = source.node
        if node.type == "UVMAP":
            name = node.uv_map or active
            if layers and name not in layers:
                raise SynGenError(
                    f"The base texture {texture.image.name!r} reads the UV map {name!r}, which {obj.name!r} lacks.",
                    "Choose an existing UV map in the UV Map node.",
                    mend="uv",
                )
            return name, mapping
        if node.type == "TEX_COORD" and source.name == "UV":
            return active, mapping
        if node.type != "MAPPING" or any(
            node.inputs[n].links for n in ("Location", "Rotation", "Scale") if n in node.inputs
        ):
            raise SynGenError(
                f"The base texture {texture.image.name!r} is not laid out by a UV map ({node.name}).",
                "Feed the Image Texture from a UV map, or bake its color into an image.",
                mend="bake",
            )
        mapping = mapping @ _mapping_matrix(node)
        fed = source_of(node.inputs["Vector"], groups)
    return active, mapping


def _mapping_matrix(node: bpy.types.ShaderNode) -> np.ndarray:
    """The 3 x 3 matrix that a Mapping node applies to (u, v, 1); only turns about Z make sense on UVs."""
    sx, sy = node.inputs["Scale"].default_value[:2]
    angle = node.inputs["Rotation"].default_value[2]
    scale = np.diag([sx, sy, 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    move = np.eye(3)
    if "Location" in node.inputs:
        move[:2, 2] = node.inputs["Location"].default_value[:2]
    if node.vector_type == "POINT":
        return move @ turn @ scale
    if node.vector_type == "TEXTURE":
        return np.linalg.inv(move @ turn @ scale)
    return turn @ scale


def wear_of(obj: bpy.types.Object) -> Any:
    """What was applied to the object (an ID property group: variant, kind, gallery), None where nothing was.

    A property of the same name that is the user's own is no wear.
    """
    about = obj.get(ABOUT)
    is_ours = hasattr(about, "get") and all(isinstance(about.get(n), str) for n in ("variant", "kind", "gallery"))
    return about if is_ours else None


def has_wear(obj: bpy.types.Object) -> bool:
    """Whether a variant was put onto the object."""
    return wear_of(obj) is not None


def plain_name(obj: bpy.types.Object) -> str:
    """The object's name without Blender's number: its class where nobody named one."""
    return re.sub(r"\.\d{3,}$", "", obj.name)


def set_class(objects: list[bpy.types.Object], name: str) -> None:
    """The class name of objects in datasets; an empty one takes it back."""
    for obj in objects:
        if name.strip():
            obj[CLASS] = name.strip()
        elif CLASS in obj:
            del obj[CLASS]


def aged_objects(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The scene's objects that have wear, by name."""
    return sorted((o for o in scene.objects if o.type == "MESH" and has_wear(o)), key=lambda o: o.name)
