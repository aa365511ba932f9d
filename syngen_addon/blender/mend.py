"""What the window does about what keeps an object from being aged: one function an error. Imports bpy, numpy.

Each changes as little as it can, so that its one undo step brings everything back. What it replaces in a material
stays in the node tree, unplugged.
"""

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

from ..errors import SynGenError, one_line
from .mesh import ensure_uv_layer
from .names import ABOUT
from .target import aged_shader, check_object, set_wears, wear_of

SIDE = 1024
"""Of a picture that is made here; transfer makes it finer where the object is large."""
PAINT_LINEAR = (0.22, 0.25, 0.28, 1.0)
"""Of a material that is made here: plain grey paint."""
LABELS = {
    "bake": ("Bake Base Texture", "RENDER_STILL"),
    "convert": ("Convert to Mesh", "OUTLINER_OB_MESH"),
    "find": ("Find Image...", "FILE_FOLDER"),
    "local": ("Make Local", "LINKED"),
    "material": ("Give a Material", "MATERIAL"),
    "principled": ("Make It Principled", "NODE_MATERIAL"),
    "rename": ("Rename the Property", "SORTALPHA"),
    "unwrap": ("Make UV Map", "UV"),
    "uv": ("Use Its UV Map", "UV"),
    "wear": ("Let It Wear", "CHECKBOX_HLT"),
}
"""What can be done -> its button."""
ANY = ("convert", "local", "rename")
"""What is done with objects that cannot be worked on yet."""


def mend(what: str, obj: bpy.types.Object, slot: int = 0) -> str:
    """Do it, and say what was done. Raises SynGenError."""
    if what not in ANY:
        check_object(obj)
    if slot >= max(len(obj.material_slots), 1):
        raise SynGenError(f"{obj.name!r} has no material in slot {slot + 1}.", "Name one that it has, from 0.")
    return _MENDS[what](obj, slot)


def notes(obj: bpy.types.Object) -> tuple[str, ...]:
    """What is no trouble but may surprise."""
    scale = np.array(obj.matrix_world)[:3, :3]
    sides = np.linalg.norm(scale, axis=0)
    if sides.max() - sides.min() > 1e-4 * sides.max():
        return ("Its scale is not applied. Wear keeps to it: lengths are those in the world.",)
    return ()


def image_of(obj: bpy.types.Object, slot: int) -> bpy.types.Image:
    """The base texture of a slot, whose file may be lost. Raises SynGenError."""
    for node in _tree(_material(obj, slot)).nodes:
        if node.type == "TEX_IMAGE" and node.image is not None and _is_lost(node.image):
            image: bpy.types.Image = node.image
            return image
    raise SynGenError("No image of this material has lost its file.")


def use_file(obj: bpy.types.Object, slot: int, path: Path) -> str:
    """Let the lost base texture of a slot be read from this file. Raises SynGenError where that is no picture."""
    image = image_of(obj, slot)
    before = image.filepath
    image.filepath = str(path)
    image.reload()
    if not image.size[0]:
        image.filepath = before
        raise SynGenError(f"{path} cannot be read as a picture.", "Choose a PNG, JPEG, TIFF or EXR file.")
    return f"{image.name!r} is read from {path}."


def _is_lost(image: bpy.types.Image) -> bool:
    return image.source == "FILE" and not image.has_data and not image.packed_file and not image.size[0]


def _convert(obj: bpy.types.Object, slot: int) -> str:
    _call(bpy.ops.object.convert, obj, target="MESH")
    if obj.type != "MESH":
        raise SynGenError(f"Blender makes no mesh of {obj.name!r}.", "Select a mesh object.")
    return f"{obj.name!r} is a mesh."


def _make_local(obj: bpy.types.Object, slot: int) -> str:
    _call(bpy.ops.object.make_local, obj, type="SELECT_OBDATA_MATERIAL")
    local = bpy.data.objects.get((obj.name, None)) or obj
    if local.library is not None or local.override_library is not None:
        raise SynGenError(f"Blender does not make {obj.name!r} local.", "Append it in place of linking it.")
    return f"{local.name!r} is a part of this file."


def _rename(obj: bpy.types.Object, slot: int) -> str:
    name = f"{ABOUT}_own"
    while name in obj:
        name += "_"
    if wear_of(obj) is None and ABOUT in obj:
        obj[name] = obj[ABOUT]
        del obj[ABOUT]
    return f"The property is called {name!r} now."


def _give_material(obj: bpy.types.Object, slot: int) -> str:
    material = bpy.data.materials.new(f"{obj.name} Paint")
    if material.node_tree is None:
        material.use_nodes = True
    principled = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    principled.inputs["Base Color"].default_value = PAINT_LINEAR
    if not obj.material_slots:
        obj.data.materials.append(material)
    else:
        empty = [each for each in obj.material_slots if each.material is None]
        obj.material_slots[slot].material = material
        for each in empty:
            each.material = material
    _plain(material, principled)
    return f"{obj.name!r} has the material {material.name!r}: change the color of its picture as you like."


def _let_wear(obj: bpy.types.Object, slot: int) -> str:
    for each in obj.material_slots:
        if each.material is not None:
            set_wears(each.material, True)
    return f"The materials of {obj.name!r} wear."


def _make_principled(obj: bpy.types.Object, slot: int) -> str:
    """A Principled BSDF in place of whatever gives the surface, with its colour and roughness."""
    material = _material(obj, slot)
    tree = _tree(material)
    output = tree.get_output_node("ALL") or tree.get_output_node("CYCLES")
    if output is None:
        output = tree.nodes.new("ShaderNodeOutputMaterial")
    before = _first_colored(output.inputs["Surface"])
    made = tree.nodes.new("ShaderNodeBsdfPrincipled")
    made.location = output.location.x - 300, output.location.y + 300
    for name, own in (("Color", "Base Color"), ("Roughness", "Roughness"), ("Normal", "Normal")):
        given = before.inputs.get(name) if before is not None else None
        if given is None:
            continue
        if given.is_linked:
            tree.links.new(given.links[0].from_socket, made.inputs[own])
        elif name != "Normal":
            made.inputs[own].default_value = given.default_value
    tree.links.new(made.outputs[0], output.inputs["Surface"])
    if not made.inputs["Base Color"].is_linked:
        _plain(material, made)
    return f"The surface of {material.name!r} is a Principled BSDF. The shader before stays beside it, unplugged."


def _first_colored(socket: bpy.types.NodeSocket) -> bpy.types.ShaderNode | None:
    """The nearest node behind a shader socket that has a colour."""
    queue = [link.from_node for link in socket.links]
    while queue:
        node = queue.pop(0)
        if "Color" in node.inputs:
            return node
        queue += [link.from_node for each in node.inputs if each.type == "SHADER" for link in each.links]
    return None


def _use_uv_map(obj: bpy.types.Object, slot: int) -> str:
    if not obj.data.uv_layers:
        ensure_uv_layer(obj)
    layers = obj.data.uv_layers
    name = next((each.name for each in layers if each.active_render), layers[0].name)
    for node in _nodes(_tree(_material(obj, slot))):
        if node.type == "UVMAP" and node.uv_map and node.uv_map not in layers:
            node.uv_map = name
    return f"The material reads the UV map {name!r}."


def _unwrap(obj: bpy.types.Object, slot: int) -> str:
    made = ensure_uv_layer(obj)
    return f"{obj.name!r} has the UV map {made!r}." if made else f"{obj.name!r} has a UV map already."


def _bake(obj: bpy.types.Object, slot: int) -> str:
    """What feeds Base Color as one picture in the object's UV layout: plain where it is one colour, else baked."""
    material = _material(obj, slot)
    principled, _ = aged_shader(material)
    made = ensure_uv_layer(obj)
    color = principled.inputs["Base Color"]
    if not color.is_linked:
        image = _plain(material, principled)
        return f"The base texture {image.name!r} is one color: paint on it as you like."
    try:
        image = _baked(obj, slot, color.links[0].from_socket)
    except SynGenError:
        if made:
            obj.data.uv_layers.remove(obj.data.uv_layers[made])
        raise
    _plug(material, principled, image)
    return f"{image.name!r} is the base texture of {material.name!r} now. What was plugged in before stays beside it."


def _plain(material: bpy.types.Material, principled: bpy.types.ShaderNode) -> bpy.types.Image:
    """Base Color's own value as a picture, plugged in."""
    from ..images import linear_to_srgb

    image = _new_image(material)
    color = np.asarray(principled.inputs["Base Color"].default_value, np.float32)
    pixels = np.ones((SIDE * SIDE, 4), np.float32)
    pixels[:, :3] = linear_to_srgb(np.clip(color[:3], 0, 1))
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    _plug(material, principled, image)
    return image


def _new_image(material: bpy.types.Material) -> bpy.types.Image:
    return bpy.data.images.new(f"{material.name} base", SIDE, SIDE)


def _plug(material: bpy.types.Material, principled: bpy.types.ShaderNode, image: bpy.types.Image) -> None:
    tree = _tree(material)
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    node.location = principled.location.x - 340, principled.location.y + 60
    tree.links.new(node.outputs["Color"], principled.inputs["Base Color"])


def _baked(obj: bpy.types.Object, slot: int, color: bpy.types.NodeSocket) -> bpy.types.Image:
    """The colour as it lies on the object, baked by Cycles with one sample, on a copy in a scene of its own.

    On the copy the slot's material glows in that colour; the other slots have a scratch picture to be baked into, for
    Blender would write into the pictures of theirs.
    """
    material = _material(obj, slot)
    glowing, rest = material.copy(), bpy.data.materials.new("SynGen bake")
    if rest.node_tree is None:
        rest.use_nodes = True
    image = _new_image(material)
    scratch = bpy.data.images.new("SynGen bake", 8, 8)
    mesh = obj.data.copy()
    copy = bpy.data.objects.new("SynGen bake", mesh)
    scene = bpy.data.scenes.new("SynGen bake")
    try:
        copy.matrix_world = obj.matrix_world
        scene.collection.objects.link(copy)
        for number, each in enumerate(copy.material_slots):
            each.link = "DATA"
            each.material = glowing if number == slot else rest
        _bake_into(rest, scratch)
        tree = _tree(glowing)
        glow = tree.nodes.new("ShaderNodeEmission")
        tree.links.new(tree.nodes[color.node.name].outputs[_number(color)], glow.inputs["Color"])
        output = tree.get_output_node("CYCLES") or tree.get_output_node("ALL")
        tree.links.new(glow.outputs[0], output.inputs["Surface"])
        _bake_into(glowing, image)
        scene.render.engine = "CYCLES"
        scene.cycles.samples, scene.cycles.device, scene.cycles.use_denoising = 1, "CPU", False
        layer = scene.view_layers[0]
        layer.objects.active = copy
        copy.select_set(True, view_layer=layer)
        with bpy.context.temp_override(scene=scene, view_layer=layer, active_object=copy, object=copy,
                                       selected_objects=[copy], selected_editable_objects=[copy]):  # fmt: skip
            bpy.ops.object.bake(type="EMIT", margin=8, use_clear=True)
        image.pack()
    except (RuntimeError, TypeError) as error:  # TypeError: no such engine, for Cycles is switched off
        bpy.data.images.remove(image)
        raise SynGenError(
            f"The base color of {material.name!r} cannot be baked: {one_line(error)}",
            "Bake it by hand (Render Properties > Bake, in Cycles) and plug the image into Base Color.",
        ) from error
    finally:
        bpy.data.objects.remove(copy)
        bpy.data.meshes.remove(mesh)
        bpy.data.scenes.remove(scene)
        for each in (glowing, rest):
            bpy.data.materials.remove(each)
        bpy.data.images.remove(scratch)
    return image


def _bake_into(material: bpy.types.Material, image: bpy.types.Image) -> None:
    tree = _tree(material)
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    for each in tree.nodes:
        each.select = False
    node.select = True
    tree.nodes.active = node


def _number(socket: bpy.types.NodeSocket) -> int:
    return next(n for n, each in enumerate(socket.node.outputs) if each == socket)


def _material(obj: bpy.types.Object, slot: int) -> bpy.types.Material:
    material = obj.material_slots[slot].material if slot < len(obj.material_slots) else None
    if material is None:
        raise SynGenError(f"Slot {slot + 1} of {obj.name!r} is empty.", "Give it a material.", mend="material")
    if material.library is not None:
        raise SynGenError(
            f"{material.name!r} is linked from another file.", "Make it local first (Object > Relations > Make Local)."
        )
    return material


def _tree(material: bpy.types.Material) -> bpy.types.NodeTree:
    if material.node_tree is None:
        material.use_nodes = True
    return material.node_tree


def _nodes(tree: bpy.types.NodeTree) -> list[bpy.types.Node]:
    """The nodes of a tree and of the groups in it."""
    found = list(tree.nodes)
    for node in tree.nodes:
        if node.type == "GROUP" and node.node_tree is not None:
            found += _nodes(node.node_tree)
    return found


def _call(operator: Callable[..., set[str]], obj: bpy.types.Object, **options: object) -> None:
    """An operator of Blender's on this object alone. Raises SynGenError."""
    try:
        with bpy.context.temp_override(active_object=obj, object=obj, selected_objects=[obj],
                                       selected_editable_objects=[obj]):  # fmt: skip
            operator(**options)
    except RuntimeError as error:
        raise SynGenError(f"Blender cannot do that: {one_line(error)}") from error


_MENDS: dict[str, Callable[[bpy.types.Object, int], str]] = {
    "bake": _bake,
    "convert": _convert,
    "local": _make_local,
    "material": _give_material,
    "principled": _make_principled,
    "rename": _rename,
    "unwrap": _unwrap,
    "uv": _use_uv_map,
    "wear": _let_wear,
}
