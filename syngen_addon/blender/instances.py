"""Targets that are shown as instances, made real for a job: each copy an object with a label of its own. Imports bpy,
mathutils.

An index pass knows an object's number only, and every instance of an object has the same. So for the time of a job each
copy becomes an object of ours, at the place the instance has, sharing one mesh with its twins; it gets its own index,
level and variant like any target. What it stands for is taken out of the picture by the one thing that reaches the
instances of every kind of instancer: the source's ray visibility is switched off. The instancers themselves, whatever
else they show, and their own meshes are not touched.

Four steps: `reachable` and `is_shown` say what may be seen, without evaluating anything. `as_rendered` lets Blender
evaluate what only the viewport hides. `collect` lists what is shown. `make_real` makes the objects.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import bpy
from mathutils import Matrix

from ..errors import SynGenError
from .names import SOURCE
from .shown import is_rendered
from .state import Borrowed

RAYS = (
    "visible_camera",
    "visible_diffuse",
    "visible_glossy",
    "visible_transmission",
    "visible_volume_scatter",
    "visible_shadow",
)
NAME_BYTES = 63
"""What a name of Blender 4.5 holds; later ones hold more, and the same copy is to have the same name there."""
NO_NUMBER = 2**31 - 1
"""What Blender fills an instance's persistent_id with."""
_ON_CHILDREN = {"VERTS", "FACES"}


@dataclass(frozen=True)
class Shown:
    """One target as renders show it.

    source: the object it is a copy of, or the target itself. name: of the target. carrier: what shows the copy; None
    where the source is shown itself. matrix: object to world. real: nothing else shows the source, so that it stays as
    it is. hidden: why the camera does not see it as an object ("" where it does): it is made real and gets no label.
    """

    source: bpy.types.Object
    name: str
    carrier: bpy.types.Object | None
    matrix: Matrix
    real: bool = False
    hidden: str = ""


# --- what may be seen ------------------------------------------------------------------------------------------------


def reachable(objects: Iterable[bpy.types.Object]) -> set[bpy.types.Object]:
    """The objects that these may show as instances, as far as their settings say; more than they do show."""
    found: set[bpy.types.Object] = set()
    queue = list(objects)
    while queue:
        for obj in instanced_by(queue.pop()):
            if obj not in found:
                found.add(obj)
                queue.append(obj)
    return found


def instanced_by(obj: bpy.types.Object) -> set[bpy.types.Object]:
    """The objects that this one's settings name for instances: its collection, children, particles, nodes."""
    if obj.instance_type == "COLLECTION" and obj.instance_collection is not None:
        return set(obj.instance_collection.all_objects)
    found = set(obj.children_recursive) if obj.instance_type in _ON_CHILDREN else set()
    for system in obj.particle_systems:
        settings = system.settings
        if settings.render_type == "OBJECT":
            found |= _of(settings.instance_object)
        elif settings.render_type == "COLLECTION":
            found |= _of(settings.instance_collection)
    for modifier in obj.modifiers:
        if modifier.type == "NODES" and modifier.node_group is not None:
            for block in (*_inputs(modifier), *_named_in(modifier.node_group, set())):
                found |= _of(block)
    return found - {obj}


def _carriers(targets: set[bpy.types.Object]) -> set[bpy.types.Object]:
    """Every object of the file that may show one of these as an instance, by way of others, too."""
    direct = {obj: found for obj in bpy.data.objects if (found := instanced_by(obj))}
    carriers: set[bpy.types.Object] = set()
    more = True
    while more:
        wanted = targets | carriers
        new = {obj for obj, shown in direct.items() if obj not in carriers and not shown.isdisjoint(wanted)}
        carriers |= new
        more = bool(new)
    return carriers


def _of(block: bpy.types.ID | None) -> set[bpy.types.Object]:
    if isinstance(block, bpy.types.Collection):
        return set(block.all_objects)
    return {block} if isinstance(block, bpy.types.Object) else set()


def _inputs(modifier: bpy.types.NodesModifier) -> Iterator[bpy.types.ID]:
    """What the modifier's own inputs name."""
    inputs = getattr(getattr(modifier, "properties", None), "inputs", None)  # 5.2; before, they are custom properties
    for item in modifier.node_group.interface.items_tree:
        if item.item_type == "SOCKET" and item.in_out == "INPUT":
            if inputs is None:
                value = modifier.get(item.identifier)
            else:
                value = getattr(getattr(inputs, item.identifier, None), "value", None)
            if isinstance(value, bpy.types.ID):
                yield value


def _named_in(tree: bpy.types.NodeTree, seen: set[bpy.types.NodeTree]) -> Iterator[bpy.types.ID]:
    """The objects and collections that nodes name, in the groups inside, too."""
    if tree in seen:
        return
    seen.add(tree)
    for node in tree.nodes:
        for value in (getattr(node, "object", None), getattr(node, "collection", None)):
            if isinstance(value, bpy.types.ID):
                yield value
        for socket in node.inputs:
            if socket.type in {"OBJECT", "COLLECTION"} and socket.default_value is not None:
                yield socket.default_value
        inner = getattr(node, "node_tree", None)
        if inner is not None:
            yield from _named_in(inner, seen)


def is_shown(obj: bpy.types.Object, layer: bpy.types.ViewLayer) -> bool:
    """Whether renders of this view layer show the object itself, not only copies of it."""
    if not is_rendered(obj, layer):
        return False
    if (obj.instance_type in _ON_CHILDREN or obj.particle_systems) and not obj.show_instancer_for_render:
        return False
    above = obj.parent
    while above is not None:
        if above.instance_type in _ON_CHILDREN:
            return False
        above = above.parent
    return True


def unseen(obj: bpy.types.Object, layer: bpy.types.ViewLayer) -> str:
    """Why an object that is rendered is nothing the camera sees; "" where it is."""
    if not obj.visible_camera:
        return "is invisible to the camera (Object > Visibility > Ray Visibility)"
    if obj.is_holdout or (_is_in(obj, layer) and obj.holdout_get(view_layer=layer)):
        return "is a holdout, which leaves a hole in the picture"
    if obj.is_shadow_catcher:
        return "is a shadow catcher, of which the picture shows the shadows only"
    if _is_in(obj, layer) and obj.indirect_only_get(view_layer=layer):
        return "lies in a collection that is seen indirectly only"
    return ""


def _is_in(obj: bpy.types.Object, layer: bpy.types.ViewLayer) -> bool:
    return bool(layer.objects.get(obj.name) == obj)


# --- what is seen ----------------------------------------------------------------------------------------------------


def as_rendered(
    targets: Iterable[bpy.types.Object], scene: bpy.types.Scene, layer: bpy.types.ViewLayer, borrowed: Borrowed
) -> None:
    """Let Blender evaluate targets, and what shows them, as a render would: what only the viewport hides has no place,
    no mesh and no instances there. The modifiers of both show what they show in renders."""
    carriers = _carriers(set(targets))
    wanted = carriers.union(targets)
    borrowed.set(scene.render, "use_simplify", False)
    for collection in bpy.data.collections:
        if not wanted.isdisjoint(collection.all_objects):
            borrowed.set(collection, "hide_viewport", collection.hide_render)

    def show(branch: bpy.types.LayerCollection) -> None:
        for child in branch.children:
            show(child)
        if not wanted.isdisjoint(branch.collection.all_objects):
            borrowed.set(branch, "hide_viewport", False)

    show(layer.layer_collection)
    for obj in sorted(wanted, key=lambda each: each.name_full):
        borrowed.set(obj, "hide_viewport", obj.hide_render)
        if _is_in(obj, layer) and obj.hide_get(view_layer=layer):
            borrowed.afterwards(lambda obj=obj: obj.hide_set(True, view_layer=layer))
            obj.hide_set(False, view_layer=layer)
        for modifier in obj.modifiers:
            borrowed.set(modifier, "show_viewport", modifier.show_render)
            if modifier.type in {"SUBSURF", "MULTIRES"}:
                borrowed.set(modifier, "levels", modifier.render_levels)
        for system in obj.particle_systems if obj in carriers else ():
            borrowed.set(system.settings, "display_percentage", 100)
            borrowed.set_if_there(system.settings, "child_percent", system.settings.rendered_child_count)
    layer.update()


def collect(
    targets: Iterable[bpy.types.Object], layer: bpy.types.ViewLayer, depsgraph: bpy.types.Depsgraph
) -> list[Shown]:
    """Every target that renders show, copies and all, in the order of the targets and of the copies' names.

    Call it after `as_rendered`. Raises SynGenError where copies cannot be told apart.
    """
    targets = list(targets)
    names = {obj: obj.name for obj in targets}
    copies: dict[bpy.types.Object, list[tuple[bpy.types.Object, tuple[int, ...], Matrix]]] = {o: [] for o in targets}
    instancing: set[bpy.types.Object] = set()
    rendered = {obj: is_rendered(obj, layer) for obj in layer.objects}
    for each in depsgraph.object_instances:
        if not each.is_instance:
            continue
        obj, carrier = each.object.original, each.parent.original
        if carrier == obj:  # what its own modifiers make is part of it
            instancing.add(obj)
            _check_own_parts(obj, each.object, targets, names)
            continue
        instancing.add(carrier)
        if obj in names and rendered.get(carrier, True):  # of a background set
            place = tuple(number for number in reversed(each.persistent_id) if number != NO_NUMBER)
            copies[obj].append((carrier, place, each.matrix_world.copy()))
    _check_realized(targets, layer, depsgraph)
    shown: list[Shown] = []
    for obj in targets:
        itself = is_shown(obj, layer)
        if copies[obj] and itself and obj in instancing:
            raise SynGenError(
                f"The target {obj.name!r} makes instances and is shown as an instance by "
                f"{copies[obj][0][0].name!r} as well; what belongs to which copy cannot be told.",
                "Make its instances real (Object > Apply > Make Instances Real, or Realize Instances at the end of its "
                "nodes), or name other targets.",
            )
        if itself:
            matrix = obj.evaluated_get(depsgraph).matrix_world.copy()
            shown.append(Shown(obj, obj.name, None, matrix, not copies[obj], unseen(obj, layer)))
        shown += _copies(obj, copies[obj], layer)
    return shown


def _copies(
    obj: bpy.types.Object, copies: list[tuple[bpy.types.Object, tuple[int, ...], Matrix]], layer: bpy.types.ViewLayer
) -> Iterator[Shown]:
    """The copies of one target: by what shows them, then in the order it makes them in."""
    copies.sort(key=lambda copy: (copy[0].name_full, copy[1]))
    carrier, number, before = None, 0, None
    for by, place, matrix in copies:
        number = number + 1 if by == carrier else 1
        if by == carrier and before == place[: len(before or ())]:
            raise SynGenError(
                f"The target {obj.name!r}, shown as an instance by {by.name!r}, makes instances of its own; "
                "what belongs to which copy cannot be told.",
                f"End the nodes of {obj.name!r} with Realize Instances, or name other targets.",
            )
        carrier, before = by, place
        yield Shown(obj, _copy_name(obj, by, number), by, matrix, False, unseen(obj, layer) or unseen(by, layer))


def _copy_name(source: bpy.types.Object, carrier: bpy.types.Object, number: int) -> str:
    """Source.carrier#number, within what a name may hold."""
    end = f"#{number}".encode()
    whole = f"{source.name}.{carrier.name}".encode()[: NAME_BYTES - len(end)]
    return (whole + end).decode(errors="ignore")


def _check_own_parts(
    carrier: bpy.types.Object,
    part: bpy.types.Object,
    targets: list[bpy.types.Object],
    names: dict[bpy.types.Object, str],
) -> None:
    """Raises SynGenError where an instance that is no object's, made by what is no target, is the mesh of a target."""
    if carrier not in names and part.type == "MESH":
        _check_materials(carrier, part.data, targets)


def _check_realized(
    targets: list[bpy.types.Object], layer: bpy.types.ViewLayer, depsgraph: bpy.types.Depsgraph
) -> None:
    """Raises SynGenError where nodes have made a target part of the mesh of what is no target."""
    for obj in layer.objects:
        has_nodes = any(modifier.type == "NODES" for modifier in obj.modifiers)
        if has_nodes and obj.type == "MESH" and obj not in targets and is_rendered(obj, layer):
            _check_materials(obj, obj.evaluated_get(depsgraph).data, targets)


def _check_materials(carrier: bpy.types.Object, mesh: bpy.types.Mesh, targets: list[bpy.types.Object]) -> None:
    foreign = {m for m in mesh.materials if m is not None} - {slot.material for slot in carrier.material_slots}
    foreign = {material.original for material in foreign} - {slot.material for slot in carrier.material_slots}
    named = instanced_by(carrier) if foreign else set()
    for obj in targets:
        if obj in named and any(slot.material in foreign for slot in obj.material_slots):
            raise SynGenError(
                f"{carrier.name!r} shows the target {obj.name!r} as part of its own mesh; the copies cannot be told "
                "apart.",
                f"In the nodes of {carrier.name!r}, switch As Instance on where {obj.name!r} comes in and take Realize "
                "Instances out; or name other targets.",
            )


# --- made real -------------------------------------------------------------------------------------------------------


def original(obj: bpy.types.Object) -> bpy.types.Object:
    """The object of the scene that a target of a job stands for: the source of a copy, else the object itself."""
    source = obj.get(SOURCE)
    return source if isinstance(source, bpy.types.Object) else obj


def make_real(
    shown: Iterable[Shown],
    scene: bpy.types.Scene,
    layer: bpy.types.ViewLayer,
    depsgraph: bpy.types.Depsgraph,
    borrowed: Borrowed,
) -> list[bpy.types.Object]:
    """The objects to label, by the order of shown: sources that stay as they are, and copies of ours in place of all
    others; what the camera does not see as an object is left out, though copied like the rest.

    The wear of the sources must lie on them already.
    """
    shown = list(shown)
    by_source: dict[bpy.types.Object, list[Shown]] = {}
    for each in shown:
        if not each.real:
            by_source.setdefault(each.source, []).append(each)
    made: dict[str, bpy.types.Object] = {}
    if by_source:
        for source, copies in by_source.items():
            if source.library is None and any(each.carrier is None for each in copies):
                borrowed.set(source, "name", f"{source.name} (source)")  # its stand-in takes the name
        new: list[bpy.types.ID] = []
        borrowed.afterwards(lambda: bpy.data.batch_remove(new))
        place = _Place(scene, layer, new)
        for source, copies in by_source.items():
            template = _template(source, depsgraph, new)
            for each in copies:
                copy = template.copy()
                new.append(copy)
                copy.name = each.name
                made[each.name] = copy
                _fit(copy, each)
                place.put(copy, each)
            for name in RAYS:
                borrowed.set(source, name, False)
        layer.update()
    return [each.source if each.real else made[each.name] for each in shown if not each.hidden]


def _template(source: bpy.types.Object, depsgraph: bpy.types.Depsgraph, new: list[bpy.types.ID]) -> bpy.types.Object:
    """A copy of the source that hangs on nothing, with a mesh of ours that all its copies share: the source's own, or
    the one that its modifiers and shape keys make. One that has particles keeps its modifiers, which make its hair."""
    template = source.copy()
    new.append(template)
    template[SOURCE] = source
    template.parent = None
    template.animation_data_clear()
    template.constraints.clear()
    template.instance_type = "NONE"
    template.hide_render = template.hide_viewport = False
    if source.particle_systems or not (source.modifiers or source.data.shape_keys):
        mesh = source.data.copy()
    else:
        evaluated = source.evaluated_get(depsgraph)
        mesh = bpy.data.meshes.new_from_object(evaluated, preserve_all_data_layers=True, depsgraph=depsgraph)
        template.modifiers.clear()
    new.append(mesh)
    template.data = mesh
    for slot in template.material_slots:  # one that is linked to the object would part its mesh from its twins'
        if slot.link == "OBJECT":
            shown = slot.material
            slot.link = "DATA"
            slot.material = shown
    return template


def _fit(copy: bpy.types.Object, each: Shown) -> None:
    """What an instance has of its carrier's."""
    if each.carrier is None:
        return
    for name in RAYS:
        setattr(copy, name, getattr(copy, name) and getattr(each.carrier, name))
    copy.is_holdout = copy.is_holdout or each.carrier.is_holdout
    copy.is_shadow_catcher = copy.is_shadow_catcher or each.carrier.is_shadow_catcher


class _Place:
    """Where the copies lie: a collection of ours, and others for those of holdout and indirect-only collections."""

    def __init__(self, scene: bpy.types.Scene, layer: bpy.types.ViewLayer, new: list[bpy.types.ID]) -> None:
        self.scene, self.layer, self.new = scene, layer, new
        self.collections: dict[tuple[bool, bool], bpy.types.Collection] = {}
        self.upright: bpy.types.Object | None = None

    def put(self, copy: bpy.types.Object, each: Shown) -> None:
        leader = each.carrier or each.source
        there = _is_in(leader, self.layer)
        kind = (
            there and leader.holdout_get(view_layer=self.layer),
            there and leader.indirect_only_get(view_layer=self.layer),
        )
        self._collection(kind).objects.link(copy)
        copy.matrix_world = each.matrix
        if _differ(copy.matrix_basis, each.matrix):
            # A sheared matrix is no place, turn and scale: the parent's inverse holds any.
            copy.parent = self._upright()
            copy.matrix_parent_inverse = each.matrix
            copy.matrix_basis = Matrix()

    def _collection(self, kind: tuple[bool, bool]) -> bpy.types.Collection:
        if kind not in self.collections:
            made = bpy.data.collections.new("SynGen instances")
            self.new.append(made)
            self.scene.collection.children.link(made)
            branch = self.layer.layer_collection.children[made.name]
            branch.holdout, branch.indirect_only = kind
            branch.exclude = False
            self.collections[kind] = made
        return self.collections[kind]

    def _upright(self) -> bpy.types.Object:
        if self.upright is None:
            self.upright = bpy.data.objects.new("SynGen origin", None)
            self.new.append(self.upright)
            self._collection((False, False)).objects.link(self.upright)
        return self.upright


def _differ(first: Matrix, second: Matrix) -> bool:
    """Whether two places are not the same but for rounding."""
    size = max(abs(value) for row in second for value in row)
    return any(abs(first[i][j] - second[i][j]) > 1e-5 * size for i in range(3) for j in range(4))
