"""Keypoints of targets: which there are, and how they are marked. Imports bpy, numpy.

A keypoint is an empty that is parented to the target and has the custom property KEYPOINT, which is its name; or a
vertex group of the target whose name begins with GROUP_PREFIX, with the name behind it: then the keypoint lies in the
middle of the group (vertices count by their weight).
"""

import re

import bpy
import numpy as np
from mathutils import Vector

from ..errors import SynGenError
from ..labels.layers import Keypoint
from .names import KEYPOINT, KEYPOINT_GROUP
from .target import plain_name

MOST_BYTES = 50
"""Of a keypoint's name: with what comes before it, it is to fit into that of a vertex group."""


def keypoints_of(obj: bpy.types.Object) -> tuple[Keypoint, ...]:
    """The object's keypoints by name, in its object space.

    Raises SynGenError: two of one name, a vertex group without a vertex.
    """
    found: dict[str, Vector] = {}
    inverse = obj.matrix_world.inverted_safe()
    places = [(name, inverse @ empty.matrix_world.translation) for empty, name in empties_of(obj)]
    for name, place in [*places, *_middles(obj)]:
        if name in found:
            raise SynGenError(
                f"{obj.name!r} has two keypoints called {name!r}.",
                "Mark one of them anew with another name (Dataset > Keypoints).",
            )
        found[name] = place
    return tuple(Keypoint(name, tuple(found[name])) for name in sorted(found))


def names_of(obj: bpy.types.Object) -> list[str]:
    """The names of the object's keypoints, sorted, those that stand twice too."""
    return sorted([*(name for _, name in empties_of(obj)), *(name for _, name in groups_of(obj))])


def empties_of(obj: bpy.types.Object) -> list[tuple[bpy.types.Object, str]]:
    """(empty, name of the keypoint) of those that are parented to the object, itself or over others but meshes: what
    hangs on another mesh is that one's."""
    below = [each for each in obj.children_recursive if each.type == "EMPTY" and _carrier(each, obj) == obj]
    marked = [(each, each.get(KEYPOINT)) for each in below]
    return [(each, name) for each, name in marked if isinstance(name, str) and name]


def groups_of(obj: bpy.types.Object) -> list[tuple[bpy.types.VertexGroup, str]]:
    """(vertex group, name of the keypoint) of the object's."""
    if obj.type != "MESH":
        return []
    marked = [group for group in obj.vertex_groups if group.name.startswith(KEYPOINT_GROUP)]
    return [(group, group.name[len(KEYPOINT_GROUP) :].strip()) for group in marked if group.name != KEYPOINT_GROUP]


def _middles(obj: bpy.types.Object) -> list[tuple[str, Vector]]:
    """(name, place) of the keypoints that are vertex groups, on the mesh as its modifiers shape it."""
    groups = groups_of(obj)
    if not groups:
        return []
    mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    sums = {group.index: np.zeros(4) for group, _ in groups}
    for vertex in mesh.vertices:
        for element in vertex.groups:
            if element.group in sums:
                sums[element.group] += element.weight * np.array((*vertex.co, 1.0))
    found = []
    for group, name in groups:
        *place, weight = sums[group.index]
        if not weight > 0:
            raise SynGenError(
                f"The keypoint {name!r} of {obj.name!r} is the vertex group {group.name!r}, which holds no vertex.",
                "Assign vertices to it, or remove the group.",
            )
        found.append((name, Vector(place) / weight))
    return found


# --- marking ---------------------------------------------------------------------------------------------------------


def target_of(empty: bpy.types.Object) -> bpy.types.Object | None:
    """The mesh that an empty would be a keypoint of: the nearest that it is parented to."""
    return _carrier(empty)


def _carrier(empty: bpy.types.Object, last: bpy.types.Object | None = None) -> bpy.types.Object | None:
    """The nearest mesh above it, or `last` where that comes first."""
    above = empty.parent
    while above is not None and above.type != "MESH" and above != last:
        above = above.parent
    return above


def why_not(obj: bpy.types.Object | None) -> str:
    """Why this object, being the active one, gives no keypoint; "" where it does."""
    if obj is None:
        return "Select an empty, or an object with a vertex group"
    if obj.library is not None:
        return "It is linked from another file; mark it there"
    if obj.type == "EMPTY":
        return "" if target_of(obj) is not None else "The empty is not parented to a mesh object (Object > Parent)"
    if obj.type == "MESH":
        return "" if obj.vertex_groups.active is not None else "The object has no vertex group"
    return "Select an empty that is parented to the object, or the object itself for its active vertex group"


def is_marked(obj: bpy.types.Object) -> bool:
    """Whether the empty, or the mesh's active vertex group, is a keypoint."""
    if obj.type == "EMPTY":
        return isinstance(obj.get(KEYPOINT), str) and bool(obj[KEYPOINT])
    group = obj.vertex_groups.active
    return group is not None and group.name.startswith(KEYPOINT_GROUP)


def suggested_name(obj: bpy.types.Object) -> str:
    """What the keypoint is called where nobody says otherwise."""
    if obj.type == "EMPTY":
        return str(obj.get(KEYPOINT, "")) or plain_name(obj)
    return re.sub(r"\.\d{3,}$", "", obj.vertex_groups.active.name.removeprefix(KEYPOINT_GROUP))


def mark(obj: bpy.types.Object, name: str) -> None:
    """Make the empty, or the mesh's active vertex group, the keypoint `name`.

    Raises SynGenError: an empty name, one that is too long, or one that another keypoint of the target has.
    """
    name = " ".join(name.split())
    if not name:
        raise SynGenError("A keypoint needs a name.")
    if len(name.encode()) > MOST_BYTES:
        raise SynGenError(f"The name {name!r} is too long for a keypoint.", f"Use {MOST_BYTES} letters at most.")
    target = target_of(obj) if obj.type == "EMPTY" else obj
    others = [n for each, n in empties_of(target) if each != obj]
    active = target.vertex_groups.active if obj.type == "MESH" else None
    others += [n for group, n in groups_of(target) if group != active]
    if name in others:
        raise SynGenError(f"{target.name!r} has a keypoint called {name!r} already.", "Choose another name.")
    if obj.type == "EMPTY":
        obj[KEYPOINT] = name
    else:
        active.name = KEYPOINT_GROUP + name


def unmark(obj: bpy.types.Object) -> None:
    """Take the mark off; the empty or the group stays."""
    if obj.type == "EMPTY":
        del obj[KEYPOINT]
    else:
        group = obj.vertex_groups.active
        group.name = group.name.removeprefix(KEYPOINT_GROUP).strip()
