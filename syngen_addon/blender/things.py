"""Things that stand about or hide a target, and are none: from files, a collection, or simple shapes. Imports bpy,
mathutils, numpy.

Each is made once, as a collection that lies in no scene; empties show instances of them, as many as a frame may have,
so that no frame makes a datablock.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Quaternion

from ..errors import SynGenError, one_line
from ..labels.projection import box_corners
from ..recipe import Recipe
from ..sampling.draws import ThingDraw, ThingFacts
from ..sampling.pools import parts_apart, splits_of
from ..sampling.things import SHAPES
from .folders import REMOVE, stands_about
from .inputs import missing_pictures
from .names import LOOK, TINT
from .state import Borrowed, all_blocks
from .support import extremes

SOLID = {"MESH", "CURVE", "SURFACE", "FONT", "META"}
"""Types of objects that a thing can be made of."""
SMOOTH_FROM = 60
"""Points from which a simple shape is round, not angular."""


@dataclass(frozen=True)
class _Source:
    """block: what an empty shows. size: the longest side of its bounding box. parts: how many objects."""

    block: bpy.types.Collection
    size: float
    facts: ThingFacts
    parts: int


class Things:
    """The things of a scene. Hidden until they are drawn."""

    def __init__(self, sources: dict[str, _Source], slots: list[bpy.types.Object], warnings: list[str]) -> None:
        self.sources, self.slots, self.warnings = sources, slots, warnings
        self.drawn: tuple[ThingDraw, ...] = ()
        """Those that are shown."""

    @classmethod
    def build(
        cls,
        name: str,
        scene: bpy.types.Scene,
        recipe: Recipe,
        files: Sequence[Path],
        targets: Sequence[bpy.types.Object],
        borrowed: Borrowed,
    ) -> "Things":
        """Put hidden ones into the scene, as many as a frame may have. targets: what cannot be a thing.

        Behind its lamps: see Renderer. Without a light tree noise would hang on the order of things that shine, too.

        Raises SynGenError: a file that cannot be read, a collection that is not there or has nothing solid in it.
        """
        warnings: list[str] = []
        with _Workshop(scene, borrowed) as workshop:
            if files:
                sources = [_from_file(path, workshop, warnings) for path in files]
            elif recipe.distractors.collection:
                sources = _from_collection(recipe.distractors.collection, targets, workshop)
                if "thing" in parts_apart(recipe) and splits_of(recipe) > 1:
                    warnings += _twins(sources)
            else:
                sources = _simple(name, workshop)
        borrowed.set(scene.cycles, "use_light_tree", True)
        slots = []
        for number in range(stands_about(recipe)):
            slot = borrowed.new(bpy.data.objects, bpy.data.objects.new(f"{name} thing {number + 1}", None))
            slot.instance_type, slot.rotation_mode = "COLLECTION", "QUATERNION"
            slot.empty_display_size = 0.01
            slot.hide_render = slot.hide_viewport = True
            scene.collection.objects.link(slot)  # the last of a scene's objects: collections come before
            slots.append(slot)
        return cls({source.facts.name: source for source in sources}, slots, warnings)

    @property
    def facts(self) -> tuple[ThingFacts, ...]:
        """What sampling needs to know of them."""
        return tuple(source.facts for source in self.sources.values())

    def show(self, drawn: Sequence[ThingDraw]) -> None:
        """Put the drawn ones into the scene, and hide the rest."""
        self.drawn = tuple(drawn)
        for number, slot in enumerate(self.slots):
            hidden = number >= len(drawn)
            if slot.hide_render != hidden:
                slot.hide_render = slot.hide_viewport = hidden
            if hidden:
                continue
            draw = drawn[number]
            source = self.sources[draw.source]
            if slot.instance_collection != source.block:
                slot.instance_collection = source.block
            slot.location, slot.rotation_quaternion = draw.location, draw.rotation
            slot.scale = (draw.size_m / source.size,) * 3
            slot[TINT], slot[LOOK] = draw.color_linear, _look(draw)
            slot.update_tag(refresh={"OBJECT"})

    @property
    def jostle(self) -> bool:
        """Whether their order can show, so that no frame may begin from another's: parts may share surfaces."""
        return any(source.parts > 1 for source in self.sources.values())

    @contextmanager
    def away(self) -> Iterator[None]:
        """Renders show none of them for a while."""
        shown = [slot for slot in self.slots if not slot.hide_render]
        for slot in shown:
            slot.hide_render = True
        try:
            yield
        finally:
            for slot in shown:
                slot.hide_render = False

    def boxes(self) -> "np.ndarray[Any, Any]":
        """K x 8 x 3 corners, in world space, of the boxes around those that are shown."""
        found = []
        for draw in self.drawn:
            points = np.array(self.sources[draw.source].facts.points)
            corners = draw.size_m * box_corners(points.min(axis=0), points.max(axis=0))
            found.append(corners @ np.array(Quaternion(draw.rotation).to_matrix()).T + draw.location)
        return np.array(found).reshape(-1, 8, 3)


def _look(draw: ThingDraw) -> tuple[float, float, float]:
    """(roughness, metallic, how far its surface is uneven) of a simple shape: from its colour, so that it is drawn."""
    first, second, third = (math.modf(37.0 * value)[0] for value in draw.color_linear)
    return 0.25 + 0.65 * first, float(second > 0.8), third


# --- where they come from --------------------------------------------------------------------------------------------


class _Workshop:
    """A scene of its own in which things are put together and measured. Nothing of it stays but what borrowed has."""

    def __init__(self, scene: bpy.types.Scene, borrowed: Borrowed) -> None:
        self.users, self.borrowed = scene, borrowed

    def __enter__(self) -> "_Workshop":
        self.scene = bpy.data.scenes.new("SynGen workshop")
        self.scene.unit_settings.scale_length = self.users.unit_settings.scale_length
        self.layer = self.scene.view_layers[0]
        return self

    def __exit__(self, *about: object) -> None:
        bpy.data.scenes.remove(self.scene)

    def source(self, name: str, objects: Sequence[bpy.types.Object]) -> _Source | None:
        """A thing of these objects; None where nothing of them is solid and shown in renders."""
        block = self.borrowed.new(bpy.data.collections, bpy.data.collections.new(name))
        for obj in objects:
            if obj.type not in {"LIGHT", "CAMERA", "LIGHT_PROBE", "SPEAKER"}:
                block.objects.link(obj)
        self.scene.collection.children.link(block)
        self.layer.update()
        parts = self._parts()
        points = np.concatenate(parts) if parts else np.zeros((0, 3))
        self.scene.collection.children.unlink(block)
        if not len(points):
            return None
        low, high = points.min(axis=0), points.max(axis=0)
        size, middle = float((high - low).max()), (low + high) / 2
        if size <= 1e-9:
            return None
        block.instance_offset = middle
        hull = extremes((points - middle) / size)
        return _Source(block, size, ThingFacts(name, tuple(tuple(float(v) for v in p) for p in hull)), len(parts))

    def _parts(self) -> list[Any]:
        """World positions (N x 3 each) of the vertices of what renders of the workshop would show."""
        found = []
        for instance in self.layer.depsgraph.object_instances:
            obj = instance.object
            if obj.type not in SOLID or obj.original.hide_render:
                continue
            mesh = obj.to_mesh()
            if mesh is not None and len(mesh.vertices):
                local = np.empty(3 * len(mesh.vertices), np.float32)
                mesh.vertices.foreach_get("co", local)
                matrix = np.array(instance.matrix_world)
                found.append(extremes(local.reshape(-1, 3).astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]))
            obj.to_mesh_clear()
        return found


def _from_file(path: Path, workshop: _Workshop, warnings: list[str]) -> _Source:
    """What a file holds, as one thing, named after the file. Its scripts, drivers and animations do not run."""
    before = set(all_blocks())
    try:
        objects = _IMPORT[path.suffix.lower()](path, workshop)
    except (RuntimeError, OSError, AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
        bpy.data.batch_remove([block for block in all_blocks() if block not in before])
        raise SynGenError(f"The 3D file {path} cannot be read: {one_line(error)}", REMOVE) from error
    new = [block for block in all_blocks() if block not in before]
    workshop.borrowed.new_all(new)
    for block in new:
        if hasattr(block, "animation_data_clear"):
            block.animation_data_clear()
        for tree in (getattr(block, "node_tree", None), getattr(block, "shape_keys", None)):
            if tree is not None:
                tree.animation_data_clear()
    for obj in objects:
        obj.pass_index = 0
        for collection in list(obj.users_collection):
            collection.objects.unlink(obj)
    source = workshop.source(path.name, objects)
    if source is None:
        raise SynGenError(f"The 3D file {path} cannot be used: it holds nothing solid.", REMOVE)
    lost = missing_pictures(slot.material for obj in objects for slot in obj.material_slots)
    if lost:
        warnings.append(f"Pictures of {path.name} are missing, so that it shows pink: {', '.join(lost)}.")
    return source


def _append(path: Path, workshop: _Workshop) -> list[bpy.types.Object]:
    with bpy.data.libraries.load(str(path), link=False) as (there, wanted):
        wanted.objects = there.objects
    return [obj for obj in wanted.objects if obj is not None]


def _by_operator(name: str) -> Callable[[Path, _Workshop], list[bpy.types.Object]]:
    def read(path: Path, workshop: _Workshop) -> list[bpy.types.Object]:
        module, _, operator = name.partition(".")
        scene, layer = workshop.scene, workshop.layer
        there = {"collection": scene.collection, "layer_collection": layer.layer_collection}
        with bpy.context.temp_override(scene=scene, view_layer=layer, **there):
            getattr(getattr(bpy.ops, module), operator)(filepath=str(path))
        return list(scene.objects)

    return read


_IMPORT: dict[str, Callable[[Path, _Workshop], list[bpy.types.Object]]] = {
    ".blend": _append,
    ".glb": _by_operator("import_scene.gltf"),
    ".gltf": _by_operator("import_scene.gltf"),
    ".obj": _by_operator("wm.obj_import"),
    ".fbx": _by_operator("wm.fbx_import"),
}


def _from_collection(name: str, targets: Sequence[bpy.types.Object], workshop: _Workshop) -> list[_Source]:
    """Each collection in it is a thing, and each object right in it, with what is parented to that.

    They are not shown where they stand: they are what is put about.
    """
    collection = bpy.data.collections.get(name)
    if collection is None:
        raise SynGenError(
            f"distractors.collection: there is no collection {name!r} in the file.",
            f"There are: {', '.join(c.name for c in bpy.data.collections[:12]) or 'none'}.",
        )
    inside = set(collection.all_objects)
    taken = next((target for target in targets if target in inside), None)
    if taken is not None:
        raise SynGenError(
            f"The target {taken.name!r} lies in {name!r}, which distractors.collection names.",
            "Move it to another collection, or name another.",
        )
    groups = {child.name: list(child.all_objects) for child in collection.children}
    own = set(collection.objects)
    for obj in collection.objects:
        if obj.parent not in own:
            name_of = obj.name if obj.name not in groups else f"{obj.name} (object)"  # beside a collection of its name
            groups[name_of] = [obj, *(child for child in obj.children_recursive if child in inside)]
    sources = [workshop.source(each, objects) for each, objects in sorted(groups.items())]
    found = [source for source in sources if source is not None]
    if not found:
        raise SynGenError(
            f"distractors.collection: nothing in {name!r} is solid and shown in renders.",
            "Put mesh objects into it, or name another.",
        )
    workshop.borrowed.set(collection, "hide_render", True)
    return found


def _twins(sources: Sequence[_Source]) -> list[str]:
    """Warnings that name things which are the same meshes: two splits may each get one of them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for source in sources:
        made_of = tuple(sorted(obj.data.name_full for obj in source.block.all_objects if obj.data is not None))
        found.setdefault(made_of, []).append(source.facts.name)
    return [
        f"distractors.collection: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''} are the same thing "
        f"{len(names)} times; leave one, or train and test may show it."
        for names in found.values()
        if len(names) > 1
    ]


# --- simple shapes ---------------------------------------------------------------------------------------------------


def _simple(name: str, workshop: _Workshop) -> list[_Source]:
    """The simple shapes that sampling knows, in a material that reads colour and gloss from what shows them."""
    material = _material(name, workshop.borrowed)
    sources = []
    for shape in SHAPES:
        mesh = workshop.borrowed.new(bpy.data.meshes, _hull(f"{name} {shape.name}", shape.points))
        mesh.materials.append(material)
        obj = workshop.borrowed.new(bpy.data.objects, bpy.data.objects.new(mesh.name, mesh))
        source = workshop.source(shape.name, [obj])
        assert source is not None, "a simple shape has a size"
        sources.append(_Source(source.block, source.size, shape, source.parts))
    return sources


def _hull(name: str, points: Sequence[tuple[float, float, float]]) -> bpy.types.Mesh:
    import bmesh

    mesh, shape = bpy.data.meshes.new(name), bmesh.new()
    try:
        for point in points:
            shape.verts.new(point)
        bmesh.ops.convex_hull(shape, input=shape.verts)
        if len(points) < SMOOTH_FROM:
            bmesh.ops.dissolve_limit(shape, angle_limit=0.02, verts=shape.verts, edges=shape.edges)
            bmesh.ops.bevel(
                shape, geom=shape.edges[:], offset=0.008, segments=2, affect="EDGES", clamp_overlap=True, profile=0.5
            )  # fmt: skip
        for face in shape.faces:
            face.smooth = True
        shape.to_mesh(mesh)
    finally:
        shape.free()
    if len(points) < SMOOTH_FROM:
        mesh.set_sharp_from_angle(angle=math.radians(35))
    return mesh


def _material(name: str, borrowed: Borrowed) -> bpy.types.Material:
    """Paint, plastic or metal with a little unevenness: what the drawn colour and look make of it."""
    material = borrowed.new(bpy.data.materials, bpy.data.materials.new(f"{name} thing"))
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    tree = material.node_tree
    make, link = tree.nodes.new, tree.links.new
    shader = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
    color, look = make("ShaderNodeAttribute"), make("ShaderNodeAttribute")
    for node, attribute in ((color, TINT), (look, LOOK)):
        node.attribute_type, node.attribute_name = "INSTANCER", attribute
    parts, place, noise = make("ShaderNodeSeparateXYZ"), make("ShaderNodeTexCoord"), make("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 7.0, 5.0
    link(place.outputs["Object"], noise.inputs["Vector"])
    link(look.outputs["Vector"], parts.inputs[0])

    def math_node(operation: str, first: Any, second: Any) -> bpy.types.NodeSocket:
        node = make("ShaderNodeMath")
        node.operation = operation
        for socket, value in zip(node.inputs, (first, second), strict=False):
            if isinstance(value, bpy.types.NodeSocket):
                link(value, socket)
            else:
                socket.default_value = value
        return node.outputs[0]

    uneven = math_node("SUBTRACT", noise.outputs[0], 0.5)
    shade = math_node("ADD", math_node("MULTIPLY", math_node("MULTIPLY", uneven, parts.outputs["Z"]), 0.6), 1.0)
    scaled = make("ShaderNodeVectorMath")
    scaled.operation = "SCALE"
    link(color.outputs["Vector"], scaled.inputs[0])
    link(shade, scaled.inputs["Scale"])
    link(scaled.outputs["Vector"], shader.inputs["Base Color"])
    link(math_node("ADD", parts.outputs["X"], math_node("MULTIPLY", uneven, 0.3)), shader.inputs["Roughness"])
    link(parts.outputs["Y"], shader.inputs["Metallic"])
    return material
