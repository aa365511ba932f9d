"""What SynGen finds on an object: slots, shaders, base textures, UV maps. Reads, never changes. Imports bpy, numpy."""

import re
from collections import deque
from dataclasses import dataclass

import bpy
import numpy as np

from ..errors import SynGenError
from .names import ABOUT, CLASS, GROUP


@dataclass(frozen=True)
class Slot:
    """A material slot that can be aged. mapping: 3 x 3 matrix from the UV layer to the base texture's coordinates."""

    index: int
    material: bpy.types.Material
    principled: bpy.types.ShaderNode
    texture: bpy.types.ShaderNode
    uv_layer: str
    mapping: np.ndarray

    @property
    def image(self) -> bpy.types.Image:
        return self.texture.image


@dataclass(frozen=True)
class Found:
    """slots: those that can be aged. left_out: (slot index, why) for the others. warnings: sentences."""

    slots: tuple[Slot, ...]
    left_out: tuple[tuple[int, str], ...]
    warnings: tuple[str, ...]


def check_object(obj: bpy.types.Object | None) -> bpy.types.Object:
    """The object if it can be worked on, else SynGenError."""
    if obj is None:
        raise SynGenError("No object is selected.", "Select a mesh object that has a base texture.")
    if obj.type != "MESH":
        raise SynGenError(f"{obj.name!r} is a {obj.type.lower()}, not a mesh.", "Select a mesh object, or convert it.")
    if not obj.data.polygons:
        raise SynGenError(f"The mesh of {obj.name!r} has no faces.", "Select an object with a surface.")
    if obj.library is not None:
        raise SynGenError(
            f"{obj.name!r} is linked from another file.", "Make a library override or make it local first."
        )
    return obj


def find(obj: bpy.types.Object | None) -> Found:
    """What there is to age on the object. Raises SynGenError where there is nothing, with the way to mend it."""
    obj = check_object(obj)
    used = np.empty(len(obj.data.polygons), np.int32)
    obj.data.polygons.foreach_get("material_index", used)
    used_slots = np.unique(np.minimum(used, max(len(obj.material_slots) - 1, 0)))
    materials = [(int(i), obj.material_slots[i].material) for i in used_slots if i < len(obj.material_slots)]
    if not any(material for _, material in materials):
        raise SynGenError(f"{obj.name!r} has no material.", "Give it a material whose Base Color is an image.")
    slots: list[Slot] = []
    left_out: list[tuple[int, str]] = []
    for index, material in materials:
        try:
            slots.append(_slot(obj, index, material))
        except SynGenError as error:
            left_out.append((index, str(error)))
            first = error
    if not slots:
        raise first
    warnings = [f"Slot {index + 1} is left out: {why}" for index, why in left_out]
    return Found(tuple(slots), tuple(left_out), tuple(warnings))


def _slot(obj: bpy.types.Object, index: int, material: bpy.types.Material | None) -> Slot:
    if material is None:
        raise SynGenError(f"Slot {index + 1} of {obj.name!r} is empty.", "Give it a material.")
    principled = _principled(material)
    if principled is None:
        raise SynGenError(
            f"The material {material.name!r} has no Principled BSDF.", "SynGen ages Principled materials."
        )
    texture = _base_texture(principled)
    if texture is None:
        raise SynGenError(
            f"The material {material.name!r} has no base texture.",
            "Plug an Image Texture into Base Color (or bake one).",
        )
    image = texture.image
    if image.source == "FILE" and not image.has_data and not image.packed_file and not image.size[0]:
        path = bpy.path.abspath(image.filepath, library=image.library)
        raise SynGenError(
            f"The image file of the base texture {image.name!r} is missing: {path}.",
            "Restore the file or choose another image (File > External Data > Find Missing Files).",
        )
    if texture.projection != "FLAT":
        raise SynGenError(
            f"The base texture {image.name!r} is projected ({texture.projection.lower()}), not laid out by UVs.",
            "Unwrap the object and use flat projection.",
        )
    layer, mapping = _uv_source(obj, texture)
    return Slot(index, material, principled, texture, layer, mapping)


def _upstream(socket: bpy.types.NodeSocket) -> "deque[bpy.types.Node]":
    """The nodes that feed a socket, nearest first."""
    found: deque[bpy.types.Node] = deque()
    queue = deque(link.from_node for link in socket.links)
    while queue:
        node = queue.popleft()
        if node in found:
            continue
        found.append(node)
        queue.extend(link.from_node for each in node.inputs for link in each.links)
    return found


def _principled(material: bpy.types.Material) -> bpy.types.ShaderNode | None:
    if not material.node_tree:
        return None
    output = material.node_tree.get_output_node("ALL") or material.node_tree.get_output_node("CYCLES")
    if output is None:
        return None
    return next((n for n in _upstream(output.inputs["Surface"]) if n.type == "BSDF_PRINCIPLED"), None)


def _base_texture(principled: bpy.types.ShaderNode) -> bpy.types.ShaderNode | None:
    color = principled.inputs["Base Color"]
    group = next((link.from_node for link in color.links if is_wear_group(link.from_node)), None)
    if group is not None:
        color = group.inputs["Color"]
    return next((n for n in _upstream(color) if n.type == "TEX_IMAGE" and n.image), None)


def is_wear_group(node: bpy.types.Node) -> bool:
    """Whether a node is the one that SynGen puts before the Principled inputs."""
    return node.type == "GROUP" and node.node_tree is not None and node.node_tree.name.startswith(GROUP)


def _uv_source(obj: bpy.types.Object, texture: bpy.types.ShaderNode) -> tuple[str, np.ndarray]:
    """(UV layer, 3 x 3 mapping) that a texture node reads; the layer is "" where the mesh has none at all."""
    layers = obj.data.uv_layers
    active = next((layer.name for layer in layers if layer.active_render), layers[0].name if layers else "")
    mapping = np.eye(3)
    socket = texture.inputs["Vector"]
    while socket.links:
        link = socket.links[0]
        node = link.from_node
        if node.type == "REROUTE":
            socket = node.inputs[0]
        elif node.type == "UVMAP":
            name = node.uv_map or active
            if layers and name not in layers:
                raise SynGenError(
                    f"The base texture {texture.image.name!r} reads the UV map {name!r}, which {obj.name!r} lacks.",
                    "Choose an existing UV map in the UV Map node.",
                )
            return name, mapping
        elif node.type == "TEX_COORD" and link.from_socket.name == "UV":
            return active, mapping
        elif node.type == "MAPPING" and not any(
            node.inputs[n].links for n in ("Location", "Rotation", "Scale") if n in node.inputs
        ):
            mapping = mapping @ _mapping_matrix(node)
            socket = node.inputs["Vector"]
        else:
            raise SynGenError(
                f"The base texture {texture.image.name!r} is not laid out by a UV map ({node.name}).",
                "Feed the Image Texture from a UV map.",
            )
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


def has_wear(obj: bpy.types.Object) -> bool:
    """Whether a variant was put onto the object."""
    return ABOUT in obj


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
    return sorted((o for o in scene.objects if o.type == "MESH" and ABOUT in o), key=lambda o: o.name)
