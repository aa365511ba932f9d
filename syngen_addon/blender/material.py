"""Wear on a material: node groups before the Principled inputs, put in and taken out without a trace.

The groups are SynGen's own; the user's nodes, links and values are never changed but for the four links that pass
through them. A group reads the level from the object, so that one material serves many objects; and what lets light
through, so that wear which is not seen is not labelled. Each kind of wear on the object has a group (see layers.py):
they form a chain, in which the one nearer to the Principled BSDF lies on top, and each shows what comes in where its
own wear is not. Imports bpy, numpy.
"""

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from ..errors import SynGenError
from ..recipe import Front, Kind
from ..variants import FLATTEST, ONSET_RANGE
from .layers import Layer, aov_name, layers_of, level_property
from .names import GROUP, KIND, SLOT_MATERIAL, TINT
from .target import Slot, aged_shader, is_animated, is_wear_group, veil_of, wear_of

SOCKETS = (
    ("Base Color", "Color", "NodeSocketColor"),
    ("Roughness", "Roughness", "NodeSocketFloat"),
    ("Metallic", "Metallic", "NodeSocketFloat"),
    ("Normal", "Normal", "NodeSocketVector"),
)
"""(input of the Principled BSDF, socket of the group, its type)."""
COVER = ("Alpha", "Veil", "Veil Inverted")
"""Inputs of the group that say how much the surface covers: Alpha of the Principled BSDF, the factor of a Mix Shader
with a Transparent BSDF, and 1 where that factor is the transparent one's."""
COVERED_FROM = 0.5
"""Alpha from which a surface hides what lies behind it: the label layers' threshold (see render.py)."""
VERSION = 3
"""Of the nodes in a group: raise it where they change, so that a group of an older file is built anew."""
LAYOUT = "syngen_layout"
"""Custom property of a group: what it was built for."""
OVER = "syngen_over"
"""Custom property of a group: Kind.over of what it shows."""
SLOT = "syngen_slot"
"""Custom property of a group: the number of the slot whose pictures it shows, which a person may have moved since."""
RELIEF_M = 0.0045
"""Depth of a height map of relief 1."""
FRONT = "front {}"
"""Names of the nodes that hold the numbers and colours of a kind's Front."""
CRISP = 3.0
"""How much crisper the front looks than the soft mask that labels hold."""
RAGGED_M = 0.006
"""How ragged the front is: about a fifth of this to either side."""
STAIN_M = 0.12
"""How far ahead stain runs at least, metres for a level of Front.stain_levels."""
BLOOM_M = 0.008
"""Over what width the wear behind the front has the colour of the stain."""
RUN_LEVELS = 0.16
"""Levels over which stains that run down come to their full strength."""
FADE_LEVELS = 0.4
"""Levels over which a mark fades, at most; at level 1 all have."""
BOWL_LEVELS = 0.25
"""Front.sink_levels from which worn places sink as bowls, not as steps."""
SHADOW_M = 0.0016
"""How far the lifted edge of the paint throws its shadow."""
CURL = 9.0
"""Over how many times its height paint curls up."""
BLISTERS_M = 0.03
"""How far ahead of the front it blisters."""
LIP_M = 0.0006
"""Height of a lip that throws its whole shadow."""
GRAIN_PER_M = 240.0
"""Frequency of the fine grain that keeps a close-up crisp where the base texture's texels are coarse."""
GRAIN_M = 0.0009
"""Relief of that grain."""


@dataclass(frozen=True)
class Worn:
    """What a group shows: the aged texture's images and the numbers of its kind."""

    color: bpy.types.Image
    surface: bpy.types.Image
    onset: bpy.types.Image
    kind: Kind
    softness: float
    age_shift: float = 0.0

    @property
    def images(self) -> dict[str, bpy.types.Image]:
        return {"color": self.color, "surface": self.surface, "onset": self.onset}


def put(slot: Slot, worn: Worn, object_scale: float, metres: float = 1.0, key: str = "") -> bpy.types.ShaderNode:
    """Put a layer's group into the chain before the slot's Principled inputs, or show another variant in the one that
    is there.

    object_scale: metres a unit of the object's own space, which the fine grain is laid in. metres: those of a unit of
    the scene, which relief is measured in. key: the layer's (layers.py). A group that was built for another UV map,
    mapping, set of links or place in the chain is built anew.
    """
    node = group_of(slot.material, key)
    before = [] if node is None else shown_images(node.node_tree)
    if node is not None and node.node_tree.get(LAYOUT) != _layout(slot, worn):
        take_out(slot.material, key)
        before, node = [], None
    if node is None:
        node = _insert(slot, worn, key)
    follow_cover(slot.material)
    node.node_tree.nodes["grain size"].outputs[0].default_value = GRAIN_PER_M * object_scale
    node.node_tree.nodes["bump"].inputs["Distance"].default_value = 1.0 / metres
    show(node.node_tree, worn)
    node.node_tree[SLOT] = slot.index
    _drop_unused(before)
    return node


def _layout(slot: Slot, worn: Worn) -> str:
    """What a group for this slot depends on, beside its pictures and numbers."""
    # Rounded as float32 sockets keep it, so that the same mapping reads the same.
    mapping = [[round(float(v), 6) + 0.0 for v in row] for row in slot.mapping[:2]]
    return repr((VERSION, slot.uv_layer, mapping, COVER, worn.kind.over))


def follow_cover(material: bpy.types.Material) -> Callable[[], None]:
    """Let the material's wear groups know how much the surface covers now; the user's own links and values stay.

    Returns what takes this back.
    """
    nodes = groups_of(material)
    if not nodes:
        return lambda: None
    try:
        principled, _ = aged_shader(material)
    except SynGenError:  # none of it shows, so it covers nothing that is labelled
        return lambda: None
    veil, inverted, _ = veil_of(material, principled)
    now = [_fed(principled.inputs["Alpha"]), (1.0, None) if veil is None else _fed(veil), (float(inverted), None)]
    before = {key_of_group(node.node_tree): [_fed(node.inputs[name]) for name in COVER] for node in nodes}

    def feed(key: str, values: "list[tuple[float, bpy.types.NodeSocket | None]]") -> None:
        inputs = group_of(material, key).inputs
        for name, (value, source) in zip(COVER, values, strict=True):
            inputs[name].default_value = value
            if source is not None:
                material.node_tree.links.new(source, inputs[name])
            elif inputs[name].links:
                material.node_tree.links.remove(inputs[name].links[0])

    changed = {key: values for key, values in before.items() if values != now}
    for key in changed:
        feed(key, now)

    def give_back() -> None:
        for key, values in changed.items():
            feed(key, values)

    return give_back


def _fed(socket: bpy.types.NodeSocket) -> tuple[float, bpy.types.NodeSocket | None]:
    """The value of an input, and what is plugged into it."""
    return socket.default_value, next((link.from_socket for link in socket.links if not link.is_muted), None)


def show(group: bpy.types.NodeTree, worn: Worn) -> None:
    """Let a group show another variant."""
    for name, image in worn.images.items():
        group.nodes[name].image = image
    if worn.onset.use_half_precision:  # whose steps would show in a slope
        worn.onset.use_half_precision = False
    # A bowl's slope would show its texels as facets.
    bowl = worn.kind.front.sink_levels >= BOWL_LEVELS
    group.nodes["onset"].interpolation = "Cubic" if bowl else "Linear"
    group.nodes["relief"].outputs[0].default_value = worn.kind.look.relief * RELIEF_M
    numbers = {
        "softness": worn.softness,
        "age shift": worn.age_shift,
        "lips": min(worn.kind.front.lip_m / LIP_M, 1.0),
        "lies on others": float(bool(key_of_group(group))),
        # What only changes the shape leaves roughness and metallic, also where it is the object's own wear.
        "shows below": float(bool(key_of_group(group)) or worn.kind.coverage < 0.5),
    }
    for name, number in numbers.items():
        if name in group.nodes:
            group.nodes[name].outputs[0].default_value = number
    for about in dataclasses.fields(Front):
        node, value = group.nodes.get(FRONT.format(about.name)), getattr(worn.kind.front, about.name)
        if node is not None:
            node.outputs[0].default_value = (*value, 1.0) if isinstance(value, tuple) else float(value)


def add_tint(material: bpy.types.Material) -> list[bpy.types.NodeTree]:
    """Let a material's groups change hue, saturation and value of its own colour, as its object's TINT says: (0, 0, 0),
    or none, leaves it to the last bit. The groups that were changed for it; `remove_tint` takes it out of each.

    What comes into the lowest group is its own colour, and so is what the aged texture of the object's own wear shows
    where the wear hides nothing, as dents do. Only while a job or a preview draws colours: it costs renders a little.
    """
    changed = []
    nodes = groups_of(material)
    for node in nodes:
        group = node.node_tree
        if group.library is not None or TINT in group.nodes or (node != nodes[0] and key_of_group(group)):
            continue
        build, before = _Builder(group), set(group.nodes)
        drawn = build.node("ShaderNodeAttribute", TINT, attribute_type="INSTANCER", attribute_name=TINT)
        length = build.node("ShaderNodeVectorMath", operation="LENGTH")
        group.links.new(drawn.outputs["Vector"], length.inputs[0])
        is_drawn = build.math("GREATER_THAN", length.outputs["Value"], 0.0)
        if node == nodes[0]:
            given = next(each for each in group.nodes if each.type == "GROUP_INPUT").outputs["Color"]
            _tint(build, given, is_drawn)
        if not key_of_group(group):
            shows_below = build.math("SUBTRACT", 1.0, group.nodes["surface"].outputs["Alpha"])
            _tint(build, group.nodes["color"].outputs["Color"], build.math("MULTIPLY", is_drawn, shows_below))
        for new in set(group.nodes) - before - {drawn}:
            new.name = f"{TINT} {new.name}"
        changed.append(group)
    return changed


def _tint(build: "_Builder", color: bpy.types.NodeSocket, factor: bpy.types.NodeSocket) -> None:
    """Put the drawn tint between a colour and what it feeds, by a factor; a factor of 0 leaves its very bits."""
    links, targets = build.tree.links, [link.to_socket for link in color.links]
    parts, made = build.node("ShaderNodeSeparateXYZ"), build.node("ShaderNodeHueSaturation")
    links.new(build.tree.nodes[TINT].outputs["Vector"], parts.inputs[0])
    for axis, name, plain in (("X", "Hue", 0.5), ("Y", "Saturation", 1.0), ("Z", "Value", 1.0)):
        links.new(build.math("ADD", parts.outputs[axis], plain), made.inputs[name])
    links.new(factor, made.inputs["Fac"])
    links.new(color, made.inputs["Color"])
    for target in targets:
        links.new(made.outputs["Color"], target)


def remove_tint(group: bpy.types.NodeTree) -> None:
    """Take out what add_tint put into a group."""
    own = [node for node in group.nodes if node.name.startswith(TINT)]
    for node in own:
        if node.type == "HUE_SAT":
            given = node.inputs["Color"].links[0].from_socket
            for target in [link.to_socket for link in node.outputs["Color"].links]:
                group.links.new(given, target)
    for node in own:
        group.nodes.remove(node)


def groups_of(material: bpy.types.Material | None) -> list[bpy.types.ShaderNode]:
    """The material's wear group nodes, one a layer: what lies on top comes last."""
    if material is None or material.node_tree is None:
        return []
    found = {key_of_group(n.node_tree): n for n in reversed(material.node_tree.nodes) if is_wear_group(n)}
    return sorted(found.values(), key=lambda node: _place(node.node_tree))


def group_of(material: bpy.types.Material | None, key: str = "") -> bpy.types.ShaderNode | None:
    """The material's wear group node of a layer ("": the object's own wear), if it has one."""
    return next((node for node in groups_of(material) if key_of_group(node.node_tree) == key), None)


def key_of_group(group: bpy.types.NodeTree) -> str:
    """The key of the layer that a group shows (layers.py)."""
    return str(group.get(KIND, ""))


def _place(group: bpy.types.NodeTree) -> tuple[int, str]:
    """Where a group belongs in the chain; of two kinds that lie equally high the object's own wear is lower."""
    return int(group.get(OVER, 0)), key_of_group(group)


def shown_images(group: bpy.types.NodeTree) -> list[bpy.types.Image]:
    """The images a wear group shows."""
    return [group.nodes[name].image for name in ("color", "surface", "onset") if group.nodes[name].image]


def take_out(material: bpy.types.Material, key: str | None = None) -> None:
    """Remove a layer's group (or, without a key, all) and give every input behind it the link it had."""
    for node in groups_of(material):
        if key is None or key_of_group(node.node_tree) == key:
            _take_out(material.node_tree, node)


def _take_out(tree: bpy.types.NodeTree, node: bpy.types.ShaderNode) -> None:
    for _, name, _ in SOCKETS:
        given = node.inputs[name]
        sources = [(link.from_socket, link.is_muted) for link in given.links]
        targets = [link.to_socket for link in node.outputs[name].links]
        for link in list(node.outputs[name].links):
            tree.links.remove(link)
        for target in targets:
            # A value that was set on the group while it was there is one the person wants.
            if given.type == target.type and hasattr(given, "default_value") and given.type != "VECTOR":
                target.default_value = given.default_value
            for source, muted in sources:
                tree.links.new(source, target).is_muted = muted
    group = node.node_tree
    tree.nodes.remove(node)
    if not group.users:
        pictures = shown_images(group)
        bpy.data.node_groups.remove(group)
        _drop_unused(pictures)


def _drop_unused(pictures: list[bpy.types.Image]) -> None:
    for picture in pictures:
        if not picture.users:
            bpy.data.images.remove(picture)


def other_wearers(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """The other objects with wear; one that was deleted and is only not yet purged is none."""
    return [
        other
        for other in bpy.data.objects
        if other.type == "MESH" and other != obj and wear_of(other) is not None and other.users_collection
    ]


def uses(obj: bpy.types.Object, material: bpy.types.Material) -> bool:
    """Whether one of the object's slots has the material."""
    return any(slot.material == material for slot in obj.material_slots)


def unworn(material: bpy.types.Material, others: list[bpy.types.Object]) -> list[str]:
    """The keys of the material's layers that none of the others wears."""
    wearers = [other for other in others if uses(other, material)]
    keys = [key_of_group(node.node_tree) for node in groups_of(material)]
    return [key for key in keys if not any(_layer(other, key) for other in wearers)]


def _layer(obj: bpy.types.Object, key: str) -> Layer | None:
    return next((each for each in layers_of(obj) if each.key == key), None)


def left_behind(obj: bpy.types.Object) -> bool:
    """Whether a material of the object has a wear group that no object wears, as one that was deleted leaves it."""
    materials = [s.material for s in obj.material_slots if groups_of(s.material) and not s.material.library]
    if not materials:
        return False
    others = other_wearers(obj)
    return any(unworn(material, others) for material in materials)


def check_removable(obj: bpy.types.Object | None) -> None:
    """Raises SynGenError where there is no wear to take off: neither the object's own nor one left in its material."""
    if obj is None or obj.type != "MESH":
        raise SynGenError("No object with wear is selected.", "Select a mesh object that has wear.")
    if obj.library is not None:
        raise SynGenError(f"{obj.name!r} is linked from another file.", "Take its wear off there.")
    if obj.override_library is not None and wear_of(obj) is not None:
        raise SynGenError(
            f"{obj.name!r} is a library override: its wear would be back when the file is opened again.",
            "Take it off in the library, make the object local, or set its level to 0.",
        )
    if wear_of(obj) is None and not left_behind(obj):
        raise SynGenError(f"{obj.name!r} has no wear to remove.")


def shows(obj: bpy.types.Object, group: bpy.types.NodeTree) -> bool:
    """Whether a material of the object has this very wear group, which copies of a material share."""
    return any(node.node_tree == group for slot in obj.material_slots for node in groups_of(slot.material))


def own_material(obj: bpy.types.Object, index: int, shown: tuple[str, str], key: str = "") -> bpy.types.Material:
    """The slot's material, or a copy for this slot alone where the layer's group cannot be shared.

    shown: gallery and name of the variant that the object is to show in the layer. A group cannot be shared where the
    material comes from a library, where a slot before has the same material, or where another object wears the group
    that has another mesh (an onset map belongs to one mesh) or shows another variant. The copy is linked to the object,
    not to its mesh, and the object remembers what it stands for. Where only copies of the material share the group,
    they are parted.
    """
    slot = obj.material_slots[index]
    material = slot.material
    rest = [each.material for i, each in enumerate(obj.material_slots) if i != index and each.material]
    in_two_slots = any(each.material == material for each in list(obj.material_slots)[:index])
    node = group_of(material, key)

    def is_other(other: bpy.types.Object) -> bool:
        layer = _layer(other, key)
        return layer is not None and (other.data != obj.data or (layer.gallery, layer.variant) != shown)

    others = [o for o in (other_wearers(obj) if node is not None else ()) if shows(o, node.node_tree) and is_other(o)]
    if material.library is not None or in_two_slots or any(uses(other, material) for other in others):
        return isolate(obj, index, key)
    twins = [group_of(each, key) for each in rest if each != material]
    if others or any(twin is not None and twin.node_tree == node.node_tree for twin in twins if node is not None):
        node.node_tree = node.node_tree.copy()
    return material


def isolate(obj: bpy.types.Object, index: int, key: str = "") -> bpy.types.Material:
    """Give the slot a copy of its material, with groups of its own; without those of layers that the object has not.

    key: of the layer that it is about to have.
    """
    slot = obj.material_slots[index]
    material = slot.material
    copy = material.copy()
    copy.name = f"{material.name} ({obj.name})"
    worn = {key, *(layer.key for layer in layers_of(obj))}
    for node in groups_of(copy):
        if key_of_group(node.node_tree) in worn:
            node.node_tree = node.node_tree.copy()
        else:
            _take_out(copy.node_tree, node)
    known = next((key for key in _copy_keys(obj) if obj[key].get("copy") == material), None)
    if known is not None:  # a duplicate of an object that has a copy: it stands for the same
        obj[known]["copy"] = copy
    else:
        number = next(n for n in itertools.count() if SLOT_MATERIAL.format(n) not in obj)
        obj[SLOT_MATERIAL.format(number)] = {"material": material, "link": slot.link, "copy": copy}
    slot.link = "OBJECT"
    slot.material = copy
    return copy


def _copy_keys(obj: bpy.types.Object) -> list[str]:
    names = list(obj.keys())  # an object is no iterable of its own
    return [name for name in names if name.startswith(SLOT_MATERIAL.format(""))]


def copies_of(obj: bpy.types.Object) -> dict[str, Any]:
    """Which copies of materials SynGen gave the object, by the property that remembers each."""
    return {key: obj[key].get("copy") for key in _copy_keys(obj)}


def put_back_copies(obj: bpy.types.Object, copies: dict[str, Any]) -> None:
    """Let the object remember the copies that it had, and no others: what `copies_of` read."""
    for key in _copy_keys(obj):
        if key not in copies:
            del obj[key]
        elif obj[key].get("copy") != copies[key]:  # a copy of that copy stood in for it
            obj[key]["copy"] = copies[key]


def give_back_materials(obj: bpy.types.Object) -> None:
    """Undo own_material, in whichever slots its copies are now. A copy that another object wears stays with that."""
    for key in _copy_keys(obj):
        before = obj[key]
        copy, material, link = before.get("copy"), before["material"], before["link"]
        for slot in obj.material_slots:
            if copy is not None and slot.material == copy:
                slot.material = None if link == "DATA" else material
                slot.link = link
                if link == "DATA" and slot.material != material:
                    slot.material = material
        del obj[key]
        if copy is not None and not any(uses(other, copy) for other in other_wearers(obj)):
            take_out(copy)
            if not copy.users:
                bpy.data.materials.remove(copy)


def _insert(slot: Slot, worn: Worn, key: str) -> bpy.types.ShaderNode:
    """A new group in the chain: under the first that lies higher, else right before the Principled BSDF."""
    tree, principled = slot.material.node_tree, slot.principled
    above = next((n for n in groups_of(slot.material) if _place(n.node_tree) > (worn.kind.over, key)), None)
    ahead = principled if above is None else above
    name = f"{GROUP} {key}" if key else GROUP
    group = _build_group(f"{name} {slot.material.name}", slot, key)
    group[LAYOUT] = _layout(slot, worn)
    group[OVER] = worn.kind.over
    if key:
        group[KIND] = key
    node = tree.nodes.new("ShaderNodeGroup")
    node.node_tree = group
    node.name = node.label = name
    node.select = False
    node.width = 170
    node.location = (principled.location.x - 200 * len(groups_of(slot.material)), principled.location.y + 40)
    for target_name, name, _ in SOCKETS:
        target = ahead.inputs[target_name if above is None else name]
        if name != "Normal":
            node.inputs[name].default_value = target.default_value
        if is_animated(target):
            continue  # a link would stop what the person animated
        for link in list(target.links):
            source, muted = link.from_socket, link.is_muted
            tree.links.remove(link)
            tree.links.new(source, node.inputs[name]).is_muted = muted
        tree.links.new(node.outputs[name], target)
    return node


def _build_group(name: str, slot: Slot, key: str) -> bpy.types.NodeTree:
    group = bpy.data.node_groups.new(name, "ShaderNodeTree")
    for _, socket, kind in SOCKETS:
        for way in ("INPUT", "OUTPUT"):
            group.interface.new_socket(socket, in_out=way, socket_type=kind)
    for socket in COVER:
        group.interface.new_socket(socket, in_out="INPUT", socket_type="NodeSocketFloat")
    build = _Builder(group)
    given, outputs = group.nodes.new("NodeGroupInput").outputs, group.nodes.new("NodeGroupOutput").inputs
    place = _places(build, slot, key)
    group.links.new(_color(build, place, given["Color"]), outputs["Color"])
    _gloss(build, place, given, outputs)
    bump = build.node("ShaderNodeBump", "bump")
    bump.inputs["Strength"].default_value = 1.0
    bump.inputs["Distance"].default_value = 1.0
    group.links.new(_height(build, place), bump.inputs["Height"])
    group.links.new(_normal(build, given["Normal"]), bump.inputs["Normal"])
    group.links.new(bump.outputs["Normal"], outputs["Normal"])
    _label(build, place, given, key)
    _lay_out(group)
    return group


@dataclass(frozen=True)
class _Place:
    """What the parts of a group share: sockets that say how it stands with a point of the surface.

    color, roughness, metallic, height, hides: the aged texture's. mask: the wear fraction, which labels hold. worn: the
    same as it looks, its front ragged and crisp. ahead: the level less the onset. way: metres from the front, less than
    0 where the surface is sound yet. sound: 0 where nothing ever wears, and towards level 0. near: 0 to 1, towards the
    front on the sound side, where stain runs ahead. age: 0 young, 1 old. run: 0 to 1, how strongly stains run over.
    faded: 0 to 1, how far a mark has faded. grain: fine noise about 0.5.
    """

    color: bpy.types.NodeSocket
    roughness: bpy.types.NodeSocket
    metallic: bpy.types.NodeSocket
    height: bpy.types.NodeSocket
    hides: bpy.types.NodeSocket
    mask: bpy.types.NodeSocket
    worn: bpy.types.NodeSocket
    ahead: bpy.types.NodeSocket
    way: bpy.types.NodeSocket
    sound: bpy.types.NodeSocket
    near: bpy.types.NodeSocket
    age: bpy.types.NodeSocket
    run: bpy.types.NodeSocket
    faded: bpy.types.NodeSocket
    grain: bpy.types.NodeSocket


def _places(build: "_Builder", slot: Slot, key: str) -> _Place:
    math, clamped, ramp = build.math, build.clamped, build.ramp
    attribute = {"attribute_type": "INSTANCER", "attribute_name": level_property(key)}
    level = build.node("ShaderNodeAttribute", "level", **attribute).outputs["Fac"]
    coordinates = _coordinates(build, slot)
    color = build.image("color", coordinates).outputs["Color"]
    surface, when = (build.image(name, coordinates) for name in ("surface", "onset"))
    roughness, metallic, height = build.channels("surface channels", surface.outputs["Color"])
    onset, runoff, fade = (
        math("MULTIPLY", half, ONSET_RANGE) for half in build.channels("onset channels", when.outputs["Color"])
    )
    flatness = math("MULTIPLY_ADD", when.outputs["Alpha"], FLATTEST, 1e-4)
    grain = math("MULTIPLY_ADD", math("SUBTRACT", _grain(build), 0.5), build.front("grain"), 0.5)

    # The front narrows towards level 0 and 1, so that 0 is untouched, 1 is all worn, and the half-way line of the
    # soft mask stays `onset < level`: the coverage is exact whatever the softness.
    room = math("MULTIPLY", math("MINIMUM", level, math("SUBTRACT", 1.0, level)), 2.0)
    width = math("MAXIMUM", math("MINIMUM", build.value("softness"), room), 1e-4)
    ahead = math("SUBTRACT", level, onset)
    is_worn_at_all = math("GREATER_THAN", level, 0.0)
    mask = math("MULTIPLY", clamped("ADD", math("DIVIDE", ahead, width), 0.5), is_worn_at_all)
    # Paint does not melt into rust: relief and grain make the front ragged, by some millimetres, and crisp. Both are
    # even about their middle, so that as much is worn as the mask says.
    ragged = math("ADD", math("MULTIPLY", math("SUBTRACT", height, 0.5), 0.9), math("SUBTRACT", grain, 0.5))
    reach = math("MINIMUM", math("MAXIMUM", math("MULTIPLY", width, 0.8), math("DIVIDE", RAGGED_M, flatness)), room)
    torn = math("DIVIDE", math("MULTIPLY_ADD", ragged, reach, ahead), width)
    worn = math("MULTIPLY", clamped("MULTIPLY_ADD", torn, CRISP, 0.5), is_worn_at_all)
    # Stain and lifted paint run a little ahead of the front, and not at all onto protected texels (onset 2).
    sound = math("MULTIPLY", clamped("MULTIPLY", level, 10.0), math("LESS_THAN", onset, 1.5))
    way = math("MULTIPLY", ahead, flatness)
    far = build.front("stain_levels")
    early = math("MAXIMUM", math("DIVIDE", ahead, far), math("DIVIDE", way, math("MULTIPLY", far, STAIN_M)))
    near = math("MULTIPLY", clamped("ADD", early, 1.0), sound)
    # Neither all that starts at once is of one age, nor is crust as young as the pits in it.
    uneven = math("MULTIPLY_ADD", math("SUBTRACT", height, 0.5), 0.7, build.value("age shift"))
    age = clamped("ADD", math("DIVIDE", ahead, build.front("age_levels")), uneven)
    worn = math("MULTIPLY", worn, math("MULTIPLY_ADD", math("SUBTRACT", age, 1.0), build.front("thin"), 1.0))
    run = math("MULTIPLY", ramp(math("SUBTRACT", level, runoff), 0.0, RUN_LEVELS), sound)
    marked = math("MULTIPLY", math("GREATER_THAN", onset, 1.5), math("LESS_THAN", fade, 1.5))
    faded = math("MULTIPLY", ramp(level, fade, math("MINIMUM", math("ADD", fade, FADE_LEVELS), 1.0)), marked)
    return _Place(
        color, roughness, metallic, height, surface.outputs["Alpha"], mask, worn, ahead, way, sound, near, age, run,
        faded, grain,
    )  # fmt: skip


def _color(build: "_Builder", place: _Place, paint: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """From below: the paint, stains that run down over it, the stain ahead of the front, the wear, a mark's fading."""
    math, clamped, mix = build.math, build.clamped, build.mix_color
    grain, height = place.grain, place.height
    blotches = build.ramp(math("ADD", math("MULTIPLY", height, 0.6), math("MULTIPLY", grain, 0.4)), 0.25, 0.7)
    strength = math("MULTIPLY", build.front("runoff"), math("MULTIPLY_ADD", blotches, 0.5, 0.5))
    running = math("MULTIPLY", place.run, strength)
    paint = build.stained(paint, running, build.front("runoff_linear"))
    # A wash that thins out ahead, dense at the very front, with specks where rust breaks through from below.
    near = place.near
    wash = math("MULTIPLY", math("MULTIPLY", near, near), math("MULTIPLY_ADD", blotches, 0.7, 0.3))
    specks = math("MULTIPLY", build.ramp(grain, 0.63, 0.72), math("MULTIPLY", near, 1.2))
    stain = clamped("MULTIPLY", math("ADD", wash, specks), build.front("stain"))
    paint = build.stained(paint, stain, build.front("stain_linear"))

    # Orange where it is young and at its grains, brown and dark where it is old and lies thick.
    young = math("SUBTRACT", 1.0, build.ramp(place.age, 0.0, 0.6))
    old = math("MULTIPLY", build.ramp(place.age, 0.45, 1.0), math("MULTIPLY_ADD", blotches, 0.5, 0.5))
    aged = mix("MULTIPLY", young, place.color, build.front("bloom_linear"))
    aged = mix("MULTIPLY", old, aged, build.front("scale_linear"))
    aged = mix("MULTIPLY", build.ramp(grain, 0.53, 0.68), aged, (1.7, 1.35, 1.0, 1))
    aged = mix("MULTIPLY", build.ramp(grain, 0.47, 0.32), aged, (0.55, 0.50, 0.48, 1))
    aged = mix("MIX", _rim(build, place), aged, build.front("rim_linear"))
    fresh = math("MULTIPLY", build.ramp(place.way, BLOOM_M, 0.0), math("MULTIPLY", blotches, build.front("stain")))
    aged = mix("MIX", fresh, aged, build.front("stain_linear"))
    # The lifted edge throws its shadow onto what has just been laid bare.
    lifted = math("MULTIPLY", build.value("lips"), math("SUBTRACT", 0.75, math("MULTIPLY", blotches, 0.7)))
    shadow = math("MULTIPLY", build.ramp(place.way, SHADOW_M, 0.0), lifted)
    aged = mix("MULTIPLY", shadow, aged, (0.25, 0.22, 0.20, 1))
    factor = math("MULTIPLY", place.worn, build.mix(build.value("lies on others"), 1.0, place.hides))
    return mix("MIX", place.faded, mix("MIX", factor, paint, aged), place.color)


def _rim(build: "_Builder", place: _Place) -> bpy.types.NodeSocket:
    """Where the paint has just come off and the metal is bare yet, in glints: 0 to 1."""
    levels = build.front("rim_levels")  # a range of no width is 0: without a rim none shows
    fresh = build.ramp(place.ahead, levels, build.math("MULTIPLY", levels, 0.4))
    return build.math("MULTIPLY", fresh, build.ramp(place.grain, 0.42, 0.52))


def _gloss(build: "_Builder", place: _Place, given: Any, outputs: Any) -> None:
    """Roughness and metallic."""
    math = build.math
    rim = _rim(build, place)
    factor = math("MULTIPLY", place.worn, build.mix(build.value("shows below"), 1.0, place.hides))
    stained = math("MAXIMUM", place.near, place.run)
    dull = build.clamped("MULTIPLY_ADD", stained, build.front("dull"), given["Roughness"])
    dusty = build.mix(math("MULTIPLY", math("SUBTRACT", 1.0, place.age), build.front("dust")), place.roughness, 0.95)
    rough = build.mix(rim, dusty, build.mix(build.front("rim_metallic"), place.roughness, 0.38))
    metallic = build.mix(rim, place.metallic, build.front("rim_metallic"))
    build.tree.links.new(build.mix(factor, dull, rough), outputs["Roughness"])
    build.tree.links.new(build.mix(factor, given["Metallic"], metallic), outputs["Metallic"])


def _height(build: "_Builder", place: _Place) -> bpy.types.NodeSocket:
    """In metres: the wear's relief and grain, sunk by the paint's thickness; paint that lifts and blisters ahead."""
    math = build.math
    fine = math("MULTIPLY", math("SUBTRACT", place.grain, 0.5), GRAIN_M)
    deep = math("MULTIPLY_ADD", math("SUBTRACT", place.height, 0.5), build.value("relief"), fine)
    sunk = build.ramp(place.ahead, 0.0, build.front("sink_levels"), smooth=True)
    lip = build.front("lip_m")
    # Paint curls up over some millimetres, and blisters over some centimetres where what lies below it swells. These
    # are plain sums and products: a bump works out three times what its height hangs on.
    curl = build.clamped("ADD", math("DIVIDE", place.way, math("MULTIPLY_ADD", lip, CURL, 1e-6)), 1.0)
    swells = build.clamped("MULTIPLY_ADD", place.height, 3.0, -1.3)
    swollen = math("MULTIPLY", build.clamped("MULTIPLY_ADD", place.way, 1 / BLISTERS_M, 1.0), swells)
    lifted = math("MULTIPLY", math("MULTIPLY_ADD", curl, curl, swollen), math("MULTIPLY", lip, place.sound))
    return math("SUBTRACT", build.mix(place.worn, lifted, deep), math("MULTIPLY", sunk, build.front("sink_m")))


def _label(build: "_Builder", place: _Place, given: Any, key: str) -> None:
    aov = build.node("ShaderNodeOutputAOV", "wear label")
    aov.aov_name = aov_name(key, not key)
    run = build.math("MULTIPLY", place.run, build.front("runoff_counts"))
    # Cycles writes the layer at every hit down to the first that covers; so what lets through must write nothing.
    alpha, factor, inverted = (given[socket] for socket in COVER)
    veil = build.math("ABSOLUTE", build.math("SUBTRACT", build.clamped("ADD", factor, 0.0), inverted), 0.0)
    cover = build.math("MULTIPLY", build.clamped("ADD", alpha, 0.0), veil)
    lets_through = build.math("LESS_THAN", cover, COVERED_FROM)
    worn = build.math("MAXIMUM", place.mask, run)
    build.tree.links.new(build.math("MULTIPLY", worn, build.math("SUBTRACT", 1.0, lets_through)), aov.inputs["Value"])


def _normal(build: "_Builder", given: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """The normal that comes in; the surface's own where nothing is plugged in, which reads as a vector of length 0."""
    length = build.node("ShaderNodeVectorMath", "is there a normal", operation="LENGTH")
    build.tree.links.new(given, length.inputs[0])
    node = build.node("ShaderNodeMix", "normal", data_type="VECTOR")
    build.tree.links.new(build.math("GREATER_THAN", length.outputs["Value"], 0.0), node.inputs[0])
    build.tree.links.new(build.node("ShaderNodeNewGeometry", "surface").outputs["Normal"], node.inputs[4])
    build.tree.links.new(given, node.inputs[5])
    return node.outputs[1]


def _grain(build: "_Builder") -> bpy.types.NodeSocket:
    """Fine noise in the object's own space, about 0.5, so that it stays on the object when that moves."""
    noise = build.node("ShaderNodeTexNoise", "grain")
    build.tree.links.new(build.node("ShaderNodeTexCoord", "object space").outputs["Object"], noise.inputs["Vector"])
    build.tree.links.new(build.value("grain size"), noise.inputs["Scale"])
    noise.inputs["Detail"].default_value = 4.0
    noise.inputs["Roughness"].default_value = 0.75
    return noise.outputs[0]


def _coordinates(build: "_Builder", slot: Slot) -> bpy.types.NodeSocket:
    uv = build.node("ShaderNodeUVMap", "uv")
    uv.uv_map = slot.uv_layer
    if np.allclose(slot.mapping, np.eye(3)):
        return uv.outputs["UV"]
    both = build.node("ShaderNodeCombineXYZ", "mapped uv")
    for axis in (0, 1):
        dot = build.node("ShaderNodeVectorMath", f"map {'uv'[axis]}", operation="DOT_PRODUCT")
        build.tree.links.new(uv.outputs["UV"], dot.inputs[0])
        dot.inputs[1].default_value = (*slot.mapping[axis, :2], 0.0)
        build.tree.links.new(build.math("ADD", dot.outputs["Value"], float(slot.mapping[axis, 2])), both.inputs[axis])
    return both.outputs["Vector"]


class _Builder:
    """Short names for the few nodes the group is made of."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def node(self, kind: str, name: str = "", **settings: str) -> bpy.types.ShaderNode:
        node = self.tree.nodes.new(kind)
        if name:
            node.name = node.label = name
        for attribute, value in settings.items():
            setattr(node, attribute, value)
        return node

    def value(self, name: str) -> bpy.types.NodeSocket:
        return self.node("ShaderNodeValue", name).outputs[0]

    def image(self, name: str, coordinates: bpy.types.NodeSocket) -> bpy.types.ShaderNode:
        node = self.node("ShaderNodeTexImage", name)
        self.tree.links.new(coordinates, node.inputs["Vector"])
        return node

    def channels(self, name: str, color: bpy.types.NodeSocket) -> tuple[bpy.types.NodeSocket, ...]:
        node = self.node("ShaderNodeSeparateColor", name)
        self.tree.links.new(color, node.inputs[0])
        return tuple(node.outputs)

    def front(self, name: str) -> bpy.types.NodeSocket:
        """What the kind's Front says: a number, or a colour. `show` sets it."""
        known = self.tree.nodes.get(FRONT.format(name))
        if known is not None:
            return known.outputs[0]
        kind = "ShaderNodeRGB" if name.endswith("_linear") else "ShaderNodeValue"
        return self.node(kind, FRONT.format(name)).outputs[0]

    def ramp(self, value: object, low: object, high: object, smooth: bool = False) -> bpy.types.NodeSocket:
        """0 where the value is low (or beyond), 1 where it is high."""
        node = self.node("ShaderNodeMapRange", interpolation_type="SMOOTHSTEP" if smooth else "LINEAR")
        for target, source in zip(node.inputs[:3], (value, low, high), strict=True):
            self._feed(target, source)
        return node.outputs[0]

    def _feed(self, target: bpy.types.NodeSocket, source: object) -> None:
        if isinstance(source, bpy.types.NodeSocket):
            self.tree.links.new(source, target)
        else:
            target.default_value = source

    def math(self, operation: str, *values: object, clamp: bool = False) -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeMath", operation=operation)
        node.use_clamp = clamp
        for target, source in zip(node.inputs, values, strict=False):
            self._feed(target, source)
        return node.outputs[0]

    def clamped(self, operation: str, *values: object) -> bpy.types.NodeSocket:
        return self.math(operation, *values, clamp=True)

    def mix(self, factor: object, first: object, second: object) -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeMix", data_type="FLOAT")
        for target, source in zip(
            (node.inputs[0], node.inputs[2], node.inputs[3]), (factor, first, second), strict=True
        ):
            self._feed(target, source)
        return node.outputs[0]

    def stained(self, paint: object, factor: object, color: object) -> bpy.types.NodeSocket:
        """Paint under a stain, which filters light (Beer and Lambert) and lies on it: amber on white, and not pink."""
        filtered = self.node("ShaderNodeVectorMath", operation="POWER")
        self._feed(filtered.inputs[0], color)
        self._feed(filtered.inputs[1], factor)
        below = self.mix_color("MULTIPLY", 1.0, paint, filtered.outputs[0])
        return self.mix_color("MIX", factor, below, color)

    def mix_color(self, blend: str, factor: object, first: object, second: object) -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeMix", data_type="RGBA", blend_type=blend)
        for target, source in zip(
            (node.inputs[0], node.inputs[6], node.inputs[7]), (factor, first, second), strict=True
        ):
            self._feed(target, source)
        return node.outputs[2]


def _lay_out(tree: bpy.types.NodeTree) -> None:
    """Columns by distance from the output: a person who opens the group can read it."""
    depth: dict[str, int] = {}
    feeding: dict[str, list[str]] = {node.name: [] for node in tree.nodes}  # once: a socket's links take all of them
    for link in tree.links:
        feeding[link.to_node.name].append(link.from_node.name)
    queue = [(name, 0) for name in feeding.keys() - {source for names in feeding.values() for source in names}]
    while queue:
        name, column = queue.pop()
        if depth.get(name, -1) >= column:
            continue
        depth[name] = column
        queue.extend((source, column + 1) for source in feeding[name])
    rows: dict[int, int] = {}
    places: list[float] = []
    for node in tree.nodes:
        column = depth.get(node.name, 0)
        places += (-220.0 * column, -190.0 * rows.get(column, 0))
        rows[column] = rows.get(column, 0) + 1
    tree.nodes.foreach_set("location", places)  # one by one, each has Blender look through the tree
