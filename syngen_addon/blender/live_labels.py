"""What the labels of the scene as it stands are made of: the copies of targets in it, their triangles, how they wear.

No GPU is needed here: label_overlay.py draws what this module gathers into a picture of indices and wear, and hands
that back for the labels, which the job's own code makes. Imports bpy, numpy, the labels and formats stages.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import bpy
import numpy as np
from mathutils import Matrix

from ..errors import SynGenError
from ..formats.chosen import annotations, class_names, wear_of
from ..formats.overview import class_colors, kind_colors
from ..formats.sheet import Color
from ..labels.layers import FurtherWear, Instance, Layers
from ..labels.record import make_record, summary_of
from ..recipe import Recipe
from ..wear.levels import wear_class
from . import ageing, material
from .geometry import SURFACES
from .layers import layers_of
from .level import get_level
from .names import GROUP
from .records import class_lists, classes_of, own_kinds
from .render import SPEEDS
from .shown import is_rendered
from .target import has_wear
from .targets import check_camera, find_targets

LARGEST = 2048
"""The longer side of a frame whose labels are worked out live; a larger one is looked at smaller."""
WEAR_IN_NAME = ("wear", "object_wear")
"""Choices of labels.class_from whose classes say the wear class themselves."""
UNWORN = "no wear yet"
MOST_LOOKS = 16
"""So many samples a render takes at least where it is told to take so many (Cycles looks at the noise after them)."""
PIXEL = 0.7
"""Width of a square, in pixels, that spreads as far as the filter of renders (Blackman-Harris over 1.5)."""
TURN = 0.6180339887

Floats = np.ndarray


class Wear(NamedTuple):
    """How a surface wears, as its group says: the picture of its onset map (by name), the numbers of its front."""

    picture: str
    softness: float
    runoff: float


@dataclass
class Part:
    """The triangles of a mesh under one material. positions: 3 T x 3 float32, in the object's space, T triangles.

    places: by the key of a layer of wear, where its pictures are read, 3 T x 2 float32; wears: how it wears there.
    drawn: what the GPU holds of it, for label_overlay.py.
    """

    positions: Floats
    places: dict[str, Floats] = field(default_factory=dict)
    wears: dict[str, Wear] = field(default_factory=dict)
    drawn: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Copy:
    """An object or an instance of one. index: its number among the targets, from 1; 0 for what is none, but may hide
    one.

    levels: of each layer of its wear, by key.
    """

    index: int
    parts: list[Part]
    matrix: Matrix
    levels: dict[str, float]


@dataclass(frozen=True)
class Gathered:
    """The scene as labels see it. keys: of the layers of wear in it, "" first. classes: all that the job can have.

    unworn: the indices of targets that a job would age first.
    """

    copies: list[Copy]
    instances: list[Instance]
    keys: tuple[str, ...]
    recipe: Recipe
    classes: tuple[str, ...]
    unworn: frozenset[int] = frozenset()


class Amount(NamedTuple):
    """How much of what is seen of an object is worn by one kind, in words; color: of its hairline."""

    text: str
    color: Color


@dataclass(frozen=True)
class Label:
    """One object to detect as the view shows it. box: x, y, width, height in pixels of the picture, y down.

    name: its class. amounts: what stands beside that. index: the target's.
    """

    index: int
    name: str
    box: tuple[int, int, int, int]
    color: Color
    amounts: tuple[Amount, ...]
    entry: dict[str, Any]


# --- the scene -------------------------------------------------------------------------------------------------------


class Parts:
    """The triangles of everything that was seen, kept until its geometry or a material changes, and what is known of
    the scene."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, ...], list[Part]] = {}
        self.users: dict[int, set[tuple[int, ...]]] = {}
        self.known: Known | None = None

    def of(self, evaluated: bpy.types.Object) -> list[Part]:
        """The parts of an evaluated object; none where it has no surface."""
        obj = evaluated.original
        own = any(slot.link == "OBJECT" for slot in evaluated.material_slots)
        key = (evaluated.data.as_pointer(), obj.session_uid if own else 0)
        if key not in self.found:
            self.found[key] = _parts(evaluated)
        self.users.setdefault(obj.session_uid, set()).add(key)
        return self.found[key]

    def forget(self, uids: Iterable[int] | None = None) -> None:
        """The objects of these session_uids have changed; None: everything may have."""
        if uids is None:
            self.known = None
            self.found.clear()
            self.users.clear()
            return
        for uid in uids:
            for key in self.users.pop(uid, ()):
                self.found.pop(key, None)

    def after(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Forget what this update of the scene has changed. A change of level or place alone forgets nothing."""
        changed = []
        for update in depsgraph.updates:
            block = update.id
            if isinstance(block, bpy.types.Material) or _is_wear_group(block):
                return self.forget()
            if isinstance(block, bpy.types.Object) and update.is_updated_geometry:
                changed.append(block.original.session_uid)
        self.forget(changed)


def _is_wear_group(block: bpy.types.ID) -> bool:
    return isinstance(block, bpy.types.ShaderNodeTree) and block.name.startswith(GROUP)


def _parts(evaluated: bpy.types.Object) -> list[Part]:
    own = evaluated.type == "MESH"
    mesh = evaluated.data if own else evaluated.to_mesh()
    if mesh is None:
        return []
    try:
        mesh.calc_loop_triangles()
        count = len(mesh.loop_triangles)
        if not count:
            return []
        corners, loops = np.empty((2, count * 3), np.int32)
        slots, points = np.empty(count, np.int32), np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.loop_triangles.foreach_get("vertices", corners)
        mesh.loop_triangles.foreach_get("loops", loops)
        mesh.loop_triangles.foreach_get("material_index", slots)
        mesh.vertices.foreach_get("co", points)
        positions = points.reshape(-1, 3)[corners]
        found = []
        last = max(len(mesh.materials), len(evaluated.material_slots)) - 1
        slots = np.clip(slots, 0, max(last, 0))
        for number in np.unique(slots).tolist():
            mine = np.repeat(slots == number, 3)
            part = Part(np.ascontiguousarray(positions[mine]))
            for node in material.groups_of(_material(evaluated, mesh, number)):
                _read_wear(part, mesh, loops[mine], node.node_tree)
            found.append(part)
        return found
    finally:
        if not own:
            evaluated.to_mesh_clear()


def _material(evaluated: bpy.types.Object, mesh: bpy.types.Mesh, index: int) -> bpy.types.Material | None:
    """Of a slot, as renders take it."""
    slots = evaluated.material_slots
    shown = slots[index].material if index < len(slots) and slots[index].link == "OBJECT" else None
    if shown is None:
        shown = mesh.materials[index] if index < len(mesh.materials) else None
    return None if shown is None else shown.original


def _read_wear(part: Part, mesh: bpy.types.Mesh, loops: Floats, group: bpy.types.NodeTree) -> None:
    """What a wear group says of the part, where its pictures and UVs are there."""
    nodes, key = group.nodes, material.key_of_group(group)
    picture, name = nodes["onset"].image, nodes["uv"].uv_map
    layer = mesh.uv_layers.get(name) if name else mesh.uv_layers.active
    if picture is None or layer is None:
        return
    uvs = np.empty(len(mesh.loops) * 2, np.float32)
    layer.uv.foreach_get("vector", uvs)
    matrix = np.array([_row(nodes.get("map u"), (1, 0, 0)), _row(nodes.get("map v"), (0, 1, 0))], np.float32)
    part.places[key] = np.ascontiguousarray(uvs.reshape(-1, 2)[loops] @ matrix[:, :2].T + matrix[:, 2])
    runoff = nodes.get(material.FRONT.format("runoff_counts"))
    counts = 0.0 if runoff is None else float(runoff.outputs[0].default_value)
    part.wears[key] = Wear(picture.name, float(nodes["softness"].outputs[0].default_value), counts)


def _row(dot: bpy.types.ShaderNode | None, plain: tuple[float, float, float]) -> tuple[float, float, float]:
    """A row of the mapping of UVs that a group holds, as material.py builds it."""
    if dot is None:
        return plain
    x, y, _ = dot.inputs[1].default_value
    return x, y, dot.outputs["Value"].links[0].to_node.inputs[1].default_value


def gather(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer, depsgraph: bpy.types.Depsgraph, recipe: Recipe, parts: Parts
) -> Gathered:
    """The scene as it is evaluated now: what the viewport hides is not among it. Raises SynGenError: no target."""
    known = _known(scene, layer, recipe, parts)
    about: dict[bpy.types.Object, _Target] = {}
    copies: list[Copy] = []
    instances: list[Instance] = []
    unworn = set()
    for each in depsgraph.object_instances:
        evaluated = each.object
        if not each.show_self or evaluated.type not in SURFACES or evaluated.data is None:
            continue
        obj, carrier = evaluated.original, each.parent.original if each.is_instance else None
        if (carrier or obj) not in known.rendered or obj.hide_render:
            continue
        if not obj.visible_camera or (carrier is not None and not carrier.visible_camera):
            continue
        found = parts.of(evaluated)
        if not found:
            continue
        matrix = each.matrix_world.copy()
        if obj not in known.named or obj.is_holdout or obj.is_shadow_catcher:
            copies.append(Copy(0, found, matrix, {}))
            continue
        if obj not in about:
            about[obj] = _Target.of(obj, recipe)
        index = len(instances) + 1
        instances.append(about[obj].instance(index, obj))
        copies.append(Copy(index, found, matrix, about[obj].levels))
        if not about[obj].worn:
            unworn.add(index)
    if any(target.classes != known.named[obj] for obj, target in about.items()):
        parts.known = None  # an object is of another class now
        return gather(scene, layer, depsgraph, recipe, parts)
    keys = dict.fromkeys(["", *sorted(key for target in about.values() for key in target.levels if key)])
    return Gathered(copies, instances, tuple(keys), recipe, known.classes, frozenset(unworn))


@dataclass(frozen=True)
class Known:
    """What levels and places have no part in, while `state` is the same: the targets, what renders show, classes.

    named: of each target its classes.
    """

    state: tuple[Any, ...]
    named: dict[bpy.types.Object, dict[str, str]]
    rendered: frozenset[bpy.types.Object]
    classes: tuple[str, ...]


def _known(scene: bpy.types.Scene, layer: bpy.types.ViewLayer, recipe: Recipe, parts: Parts) -> Known:
    objects = scene.objects
    uids, hidden = np.empty(len(objects), np.int32), np.empty(len(objects), np.bool_)
    objects.foreach_get("session_uid", uids)
    objects.foreach_get("hide_render", hidden)
    branches = list(_branches(layer.layer_collection))
    tree = tuple((each.name, each.exclude, each.collection.hide_render) for each in branches)
    state = (recipe, scene.session_uid, layer.name, uids.tobytes(), hidden.tobytes(), tuple(objects.keys()), tree)
    if parts.known is None or parts.known.state != state:
        parts.forget(set(parts.users).difference(uids.tolist()))  # what was deleted lies in memory that is used again
        targets = find_targets(recipe, scene, layer)
        rendered = {obj for obj in objects if is_rendered(obj, layer)}
        classes = class_lists(recipe, targets)[recipe.labels.class_from]
        named = {obj: classes_of(obj, recipe) for obj in targets}
        parts.known = Known(state, named, frozenset(rendered), tuple(classes))
    return parts.known


def _branches(branch: bpy.types.LayerCollection) -> Iterator[bpy.types.LayerCollection]:
    yield branch
    for child in branch.children:
        yield from _branches(child)


@dataclass(frozen=True)
class _Target:
    """What all copies of a target have in common."""

    classes: dict[str, str]
    own: FurtherWear
    further: tuple[FurtherWear, ...]
    levels: dict[str, float]
    worn: bool

    @staticmethod
    def of(obj: bpy.types.Object, recipe: Recipe) -> "_Target":
        layers = layers_of(obj)
        wears = []
        for layer in layers:
            level = get_level(obj, layer.key)
            name = wear_class(level, ageing.kind_named(layer.kind), recipe.wear)
            wears.append(FurtherWear(layer.kind, name, level, -1))
        if not wears:
            wears.append(FurtherWear(own_kinds(obj, recipe)[0], "", 0.0, -1))
        levels = {layer.key: wear.level for layer, wear in zip(layers, wears, strict=False)}
        return _Target(classes_of(obj, recipe), wears[0], tuple(wears[1:]), levels, has_wear(obj))

    def instance(self, index: int, obj: bpy.types.Object) -> Instance:
        own = self.own
        return Instance(
            index, obj.name, self.classes, own.kind, own.wear_class, own.level, own.variant, self.further, None
        )


# --- the view --------------------------------------------------------------------------------------------------------


class Frame(NamedTuple):
    """A picture of the scene. matrix: 4 x 4, world -> the clip space of OpenGL. width, height: in pixels."""

    matrix: Matrix
    width: int
    height: int


def camera_frame(scene: bpy.types.Scene, camera: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Frame:
    """What a render by this camera shows, at its size, or smaller where that is over LARGEST. Raises SynGenError."""
    if camera.type != "CAMERA" or camera.data.type not in ("PERSP", "ORTHO"):
        check_camera(scene)
        raise SynGenError("The labels of this camera cannot be shown.", "Use a perspective or orthographic camera.")
    render = scene.render
    size = [side * render.resolution_percentage / 100 for side in (render.resolution_x, render.resolution_y)]
    share = min(1.0, LARGEST / max(size))
    width, height = (max(1, int(side * share)) for side in size)
    projection = camera.calc_matrix_camera(
        depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    return Frame(projection @ camera.matrix_world.normalized().inverted_safe(), width, height)


def wear_at(level: float, onset: Floats, runoff: Floats, wear: Wear) -> Floats:
    """The wear fraction that label layers hold where an onset map says this, as material.py works it out (the same as
    the shader in label_overlay.py). onset, runoff: in levels."""
    width = max(min(wear.softness, 2 * min(level, 1 - level)), 1e-4)
    mask = np.clip((level - onset) / width + 0.5, 0, 1) * (level > 0)
    run = np.clip((level - runoff) / material.RUN_LEVELS, 0, 1) * np.clip(level * 10, 0, 1) * (onset < 1.5)
    return np.asarray(np.maximum(mask, run * wear.runoff))


def looks_of(recipe: Recipe) -> int:
    """At how many places in a pixel wear is looked at. A render has the mean of its samples in a pixel, which counts as
    worn from `labels.wear_threshold` on: seen edge-on, where much lies under a pixel, that is more, or less, than what
    its middle shows, and the fewer samples, the more: of two one is half."""
    return min(SPEEDS[recipe.render.speed].samples(recipe.render.samples), MOST_LOOKS)


def places_in_pixel(looks: int) -> list[tuple[float, float]]:
    """These places, x right and y up in pixels from its middle (the same as the shader in label_overlay.py)."""
    return [(((i + 0.5) / looks - 0.5) * PIXEL, ((0.5 + i * TURN) % 1 - 0.5) * PIXEL) for i in range(looks)]


def labels_of(gathered: Gathered, layers: Layers) -> list[Label]:
    """The labels of a picture, as a job would have them: its own code makes them. The largest object comes first.

    layers: index and wear, and by the names of kinds those that lie beside an object's own wear.
    Raises SynGenError where objects have no class of the kind that is asked for.
    """
    recipe = gathered.recipe
    if recipe.labels.objects == "instances":
        record = summary_of(layers, gathered.instances, recipe.labels)
    else:
        record = make_record(layers, gathered.instances, recipe.labels, {"frame": 0})
    found = annotations(record, recipe.labels)
    colors = class_colors(class_names(recipe.labels, gathered.classes))
    kinds = _kinds(gathered)
    names_wear = recipe.labels.class_from in WEAR_IN_NAME
    labels = [
        Label(
            entry["index"], name, tuple(entry["bbox"]), colors[name],
            _amounts(entry, kinds, names_wear, entry["index"] in gathered.unworn), entry,
        )
        for name, entry in found
    ]  # fmt: skip
    return sorted(labels, key=lambda label: -int(label.entry["area"]))


def _kinds(gathered: Gathered) -> dict[str, Color]:
    own = {each.kind for each in gathered.instances}
    return kind_colors(own, {layer.kind for each in gathered.instances for layer in each.layers})


def kind_colors_of(gathered: Gathered) -> dict[str, Color]:
    """By the key of a layer of wear the colour of its hairline; that of the first kind for objects' own wear."""
    kinds = _kinds(gathered)
    return {key: kinds.get(key, next(iter(kinds.values()))) for key in gathered.keys}


def _amounts(entry: dict[str, Any], kinds: dict[str, Color], names_wear: bool, unworn: bool) -> tuple[Amount, ...]:
    worn = wear_of(entry)
    if unworn:
        return (Amount(UNWORN, kind_colors(set(), set())["worn"]),)
    several = len(worn) > 1
    found = []
    for kind, about in worn:
        text = f"{about['wear_percent']:.0f} %"
        name = about["wear_class"] if "wear_class" in about else entry["classes"]["wear"]
        if not names_wear or several:
            text += f" {name or 'clean'}"
        found.append(Amount(text, kinds.get(kind, next(iter(kinds.values())))))
    return tuple(found)


def layers_from(keys: Sequence[str], pictures: Sequence[Floats]) -> Layers:
    """Pictures of indices and wear (H x W x 4 uint8 each, row 0 at the top: low and high byte of the index, wear) by
    the keys of the layers of wear -> label layers."""
    first = pictures[0]
    index = first[..., 0].astype(np.int32) | first[..., 1].astype(np.int32) << 8
    wears = [picture[..., 2].astype(np.float32) / 255 for picture in pictures]
    return Layers(index, wears[0], dict(zip(keys[1:], wears[1:], strict=True)))
