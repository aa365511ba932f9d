"""From Blender's mesh to the arrays that wear/ works on. Imports bpy, numpy."""

import bpy
import numpy as np

from ..errors import SynGenError
from ..wear.mesh import MeshArrays
from .names import UV_LAYER
from .target import Slot


def ensure_uv_layer(obj: bpy.types.Object) -> str | None:
    """Give a mesh without UVs a layer of its own (SynGen); its name, or None where the mesh has UVs already.

    The unwrap is Blender's Smart UV Project, run on a copy of the mesh in a scene of its own, so that neither mode,
    selection nor the object itself is touched; UVs are then copied over.
    """
    if obj.data.uv_layers:
        return None
    from .unwrap import unwrapped_uvs

    uvs = unwrapped_uvs(obj.data)
    layer = obj.data.uv_layers.new(name=UV_LAYER, do_init=False)
    if layer is None:
        raise SynGenError(f"{obj.name!r} has no UV map and none can be added.", "Make its mesh data local first.")
    layer.uv.foreach_set("vector", uvs.ravel())
    return layer.name


def metres_per_unit(scene: bpy.types.Scene) -> float:
    """Metres a unit of the scene: its Unit Scale, where it has a unit system at all."""
    units = scene.unit_settings
    return 1.0 if units.system == "NONE" else float(units.scale_length)


def mesh_arrays(obj: bpy.types.Object, slots: tuple[Slot, ...], metres: float = 1.0) -> MeshArrays:
    """The base mesh in world space, in metres, with each slot's triangles in the coordinates of its base texture.

    The base mesh, not the evaluated one: its UVs are what the textures are painted on. Triangles of slots that
    are not asked for keep their own slot number, so that they still shade and shelter their neighbours.
    metres: those of a unit of the scene.
    """
    mesh = obj.data
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    corners = np.empty(count * 3, np.int32)
    mesh.loop_triangles.foreach_get("loops", corners)
    triangles = np.empty(count * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    material = np.empty(count, np.int32)
    mesh.loop_triangles.foreach_get("material_index", material)
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    matrix = np.array(obj.matrix_world, np.float64)
    world = (vertices.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]) * metres
    triangles = triangles.reshape(-1, 3)
    corners = corners.reshape(-1, 3)
    if np.linalg.det(matrix[:3, :3]) < 0:
        # A mirrored object turns its faces inside out.
        triangles, corners = triangles[:, ::-1], corners[:, ::-1]
    material = np.minimum(material, max(len(obj.material_slots) - 1, 0))
    uvs = np.zeros((count, 3, 2), np.float32)
    for slot in slots:
        layer = mesh.uv_layers.get(slot.uv_layer) or mesh.uv_layers[0]
        flat = np.empty(len(mesh.loops) * 2, np.float32)
        layer.uv.foreach_get("vector", flat)
        mine = material == slot.index
        points = flat.reshape(-1, 2)[corners[mine]]
        uvs[mine] = points @ slot.mapping[:2, :2].T + slot.mapping[:2, 2]
    return MeshArrays(world.astype(np.float32), np.ascontiguousarray(triangles), uvs, material)


def vertex_weights(obj: bpy.types.Object, group: str) -> np.ndarray:
    """(V,) float32 weights of a vertex group, 0 where a vertex is not in it. Raises SynGenError: no such group."""
    vertex_group = obj.vertex_groups.get(group)
    if vertex_group is None:
        raise SynGenError(f"{obj.name!r} has no vertex group {group!r}.", "Choose an existing group as protect group.")
    weights = np.zeros(len(obj.data.vertices), np.float32)
    for vertex in obj.data.vertices:
        for element in vertex.groups:
            if element.group == vertex_group.index:
                weights[vertex.index] = element.weight
    return weights


def painted_values(obj: bpy.types.Object, name: str) -> np.ndarray | None:
    """(V,) float32, 0 to 1: the weights of a vertex group, or how light a colour attribute is; None: there is none.

    A colour that is painted on face corners counts with the mean of those that meet in a vertex.
    """
    if name in obj.vertex_groups:
        return vertex_weights(obj, name)
    mesh = obj.data
    painted = mesh.color_attributes.get(name)
    if painted is None or painted.domain not in {"POINT", "CORNER"}:
        return None
    colors = np.empty(len(painted.data) * 4, np.float32)
    painted.data.foreach_get("color", colors)
    light = np.clip(colors.reshape(-1, 4)[:, :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32), 0, 1)
    if painted.domain == "POINT":
        return light
    vertices = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", vertices)
    count = np.bincount(vertices, minlength=len(mesh.vertices))
    return (np.bincount(vertices, light, len(mesh.vertices)) / np.maximum(count, 1)).astype(np.float32)
