"""What renders show: of objects; of materials, whether wear is among it, and which pictures are behind it. Reads only.

Imports bpy, numpy.
"""

from collections.abc import Iterable, Iterator

import bpy
import numpy as np

from ..errors import SynGenError
from .layers import layers_of
from .names import KIND
from .target import Groups, Source, is_wear_group, source_of

MAIN_SHARE = 0.5
"""Wear on a shader that a Mix Shader gives less than this is not what one sees."""


def check_wear_shows(obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> None:
    """Raises SynGenError where no material that the evaluated object shows has its wear: labels would be wrong.

    The same for each further kind of wear that lies on it.
    """
    evaluated = obj.evaluated_get(depsgraph)
    mesh = evaluated.data
    count = len(mesh.polygons)
    if not count:
        raise SynGenError(
            f"The target {obj.name!r} has no faces of its own.",
            "If its modifiers make instances, end them with Realize Instances.",
        )
    used = np.empty(count, np.int32)
    mesh.polygons.foreach_get("material_index", used)
    last = max(len(mesh.materials), len(evaluated.material_slots)) - 1
    materials = [_material(evaluated, int(index)) for index in np.unique(np.clip(used, 0, max(last, 0)))]
    for layer in layers_of(obj):
        why = [_why_hidden(material, mesh, layer.key) for material in materials]
        if all(why) and layer.own:
            raise SynGenError(
                f"The wear of {obj.name!r} does not show: {why[0]}.", "Remove its wear and Generate again."
            )
        if all(why):
            raise SynGenError(
                f"The further wear {layer.kind!r} of {obj.name!r} does not show: {why[0]}.",
                "Take it off and put it on again.",
            )


def _material(evaluated: bpy.types.Object, index: int) -> bpy.types.Material | None:
    """Of a slot, as renders take it: the object's own, else the evaluated mesh's, which modifiers may have changed."""
    slots, materials = evaluated.material_slots, evaluated.data.materials
    if index < len(slots) and slots[index].link == "OBJECT":
        return slots[index].material
    return materials[index] if index < len(materials) else None


def _why_hidden(material: bpy.types.Material | None, mesh: bpy.types.Mesh, key: str) -> str:
    """Why the wear of a layer (layers.py) is not seen on this material; empty where it is."""
    if material is None:
        return "it has no material"
    output = _output(material)
    if output is None:
        return f"the nodes of the material {material.name!r} are off or have no output"
    shares: list[float] = []
    for principled, groups, share in _principled(output.inputs["Surface"]):
        fed = behind([(principled.inputs["Base Color"], groups)])
        nodes = (source.node for source, _ in fed if is_wear_group(source.node))
        wear = next((node for node in nodes if str(node.node_tree.get(KIND, "")) == key), None)
        if wear is None:
            continue
        uvs = wear.node_tree.nodes["uv"].uv_map
        if (uvs and uvs not in mesh.uv_layers) or not mesh.uv_layers:
            return f"its mesh has lost the UV map {uvs!r}, perhaps by a modifier"
        shares.append(share)
    if not shares:
        return f"the output of the material {material.name!r} does not use it"
    return "" if max(shares) >= MAIN_SHARE else f"the material {material.name!r} mixes in little of it"


def _output(material: bpy.types.Material) -> bpy.types.ShaderNode | None:
    if material.node_tree is None or not (bpy.app.version >= (5, 0) or material.use_nodes):
        return None
    return material.node_tree.get_output_node("CYCLES")


def _principled(
    socket: bpy.types.NodeSocket, groups: Groups = (), share: float = 1.0
) -> Iterator[tuple[bpy.types.ShaderNode, Groups, float]]:
    """The Principled BSDFs behind a shader socket, with the share that mixing by constant factors leaves each."""
    fed = source_of(socket, groups)
    if fed is None:
        return
    node, groups = fed[0].node, fed[1]
    if node.type == "BSDF_PRINCIPLED":
        yield node, groups, share
    inputs = [each for each in node.inputs if each.type == "SHADER"]
    parts = [1.0] * len(inputs)
    if node.type == "MIX_SHADER" and not node.inputs[0].links:
        factor = min(max(node.inputs[0].default_value, 0.0), 1.0)
        sides = [source_of(each, groups) for each in inputs]
        if not any(side and side[0].node.type == "BSDF_TRANSPARENT" for side in sides):  # glass stays what one sees
            parts = [1.0 - factor, factor]
    for each, part in zip(inputs, parts, strict=True):
        yield from _principled(each, groups, share * part)


def see_through(objects: Iterable[bpy.types.Object]) -> list[str]:
    """Warnings that name the materials of these objects which are neither open nor half opaque, by a constant: of the
    pixels they cover, as many as the opacity says are labelled as theirs, the others as what lies behind."""
    materials = {slot.material for obj in objects for slot in obj.material_slots if slot.material is not None}
    found = {material.name: opacity for material in materials if 0 < (opacity := _opacity(material)) < MAIN_SHARE}
    return [
        f"The material {name!r} lets through more than it shows (opacity {opacity:.2g}): where it is seen, labels "
        "are its own in some pixels and those of what lies behind in the others. Make it at least half opaque."
        for name, opacity in sorted(found.items())
    ]


def _opacity(material: bpy.types.Material) -> float:
    """How much of what lies behind a material hides, where constants say so; 1 where anything else does."""
    output = _output(material)
    fed = None if output is None else source_of(output.inputs["Surface"])
    if fed is None:
        return 1.0
    node, groups, share = fed[0].node, fed[1], 1.0
    if node.type == "MIX_SHADER" and not node.inputs[0].links:
        sides = [side and side[0].node for side in (source_of(each, groups) for each in node.inputs[1:3])]
        open_sides = [side is not None and side.type == "BSDF_TRANSPARENT" for side in sides]
        if any(open_sides):
            factor = min(max(node.inputs[0].default_value, 0.0), 1.0)
            share = factor if open_sides[0] else 1.0 - factor
            node = sides[1] if open_sides[0] else sides[0]
    if node is not None and node.type == "BSDF_PRINCIPLED" and not node.inputs["Alpha"].links:
        share *= min(max(node.inputs["Alpha"].default_value, 0.0), 1.0)
    return share


def is_rendered(obj: bpy.types.Object, layer: bpy.types.ViewLayer) -> bool:
    """Whether renders of this view layer show the object."""

    def shown(collection: bpy.types.LayerCollection) -> bool:
        if collection.exclude or collection.collection.hide_render:
            return False
        return obj.name in collection.collection.objects or any(shown(child) for child in collection.children)

    return not obj.hide_render and obj.name in layer.objects and shown(layer.layer_collection)


def behind(sockets: Iterable[Source], into_wear: bool = False) -> Iterator[Source]:
    """Every output that feeds these inputs, directly or through other nodes, with the groups it lies in."""
    seen = set()
    queue = list(sockets)
    while queue:
        fed = source_of(*queue.pop(), into_wear=into_wear)
        if fed is None or fed in seen:
            continue
        seen.add(fed)
        yield fed
        queue += [(each, fed[1]) for each in fed[0].node.inputs if each.is_linked]


def pictures_behind(block: bpy.types.Material | bpy.types.World) -> set[bpy.types.Image]:
    """The images that a material or a world shows, those of its wear among them."""
    if isinstance(block, bpy.types.World):
        output = block.node_tree.get_output_node("CYCLES") if block.node_tree else None
    else:
        output = _output(block)
    if output is None:
        return set()
    nodes = [source.node for source, _ in behind([(each, ()) for each in output.inputs], into_wear=True)]
    return {node.image for node in nodes if node.type in {"TEX_IMAGE", "TEX_ENVIRONMENT"} and node.image is not None}
