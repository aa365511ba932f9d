"""Draws marks over the objects in the 3D views. Imports bpy, gpu, numpy; never in background mode.

A draw handler lays the picture of each material's marks over the surface that shows it, half transparent, whatever the
shading is. Materials and the scene are not touched. Positions and UVs lie on the GPU until a mesh or its materials
change; what is painted shows at once, since the pictures' textures are Blender's own.
"""

from typing import Any

import bpy
import gpu
import numpy as np
from bpy.app.handlers import persistent

from ..errors import SynGenError
from .marks import image_of
from .target import find

COLOR = (0.9, 0.05, 0.75, 0.5)
"""Of protected texels: a hue that objects rarely have."""
TOWARDS_VIEWER = 2e-4
"""How far the overlay is moved in depth so that the surface below does not hide it, as a share of the distance."""

_handle: Any = None
_shader: Any = None
_batches: dict[tuple[int, int], list[tuple[str, Any]]] = {}
"""(object, its mesh) -> material name and triangles of each material that has marks."""


def is_on() -> bool:
    return _handle is not None


def switch(on: bool) -> None:
    """Begin to draw, or stop and give back what the GPU holds."""
    global _handle
    if on == is_on():
        return
    if on:
        _handle = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")
        bpy.app.handlers.depsgraph_update_post.append(_after_update)
    else:
        bpy.types.SpaceView3D.draw_handler_remove(_handle, "WINDOW")
        bpy.app.handlers.depsgraph_update_post.remove(_after_update)
        _handle = None
    _batches.clear()


@persistent
def _after_update(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    if _batches and any(depsgraph.id_type_updated(kind) for kind in ("MATERIAL", "NODETREE", "MESH")):
        _batches.clear()


def _draw() -> None:
    space = bpy.context.space_data
    if space is None or not space.overlay.show_overlays:
        return
    depsgraph = bpy.context.evaluated_depsgraph_get()
    state = gpu.state.blend_get(), gpu.state.depth_test_get(), gpu.state.depth_mask_get()
    gpu.state.blend_set("ALPHA")
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.depth_mask_set(False)
    try:
        for obj in bpy.context.visible_objects:
            if obj.type == "MESH" and any(image_of(slot.material) for slot in obj.material_slots):
                _draw_object(obj, depsgraph)
    finally:
        for put, value in zip((gpu.state.blend_set, gpu.state.depth_test_set), state, strict=False):
            put(value)
        gpu.state.depth_mask_set(state[2])


def _draw_object(obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> None:
    global _shader
    if _shader is None:
        _shader = _make_shader()
    key = obj.session_uid, obj.data.session_uid
    if key not in _batches:
        _batches[key] = _make_batches(obj, depsgraph)
    for name, batch in _batches[key]:
        image = image_of(bpy.data.materials.get(name))
        if image is None or not image.size[0]:
            continue
        _shader.bind()
        _shader.uniform_float("matrix", bpy.context.region_data.perspective_matrix @ obj.matrix_world)
        _shader.uniform_float("color", COLOR)
        _shader.uniform_sampler("marks", gpu.texture.from_image(image))
        batch.draw(_shader)


def _make_batches(obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> list[tuple[str, Any]]:
    """The triangles of each material with marks, as the modifiers leave them."""
    try:
        slots = [slot for slot in find(obj).slots if image_of(slot.material) is not None]
    except SynGenError:
        return []
    evaluated = obj.evaluated_get(depsgraph)
    mesh = evaluated.to_mesh()
    try:
        return [
            (slot.material.name, batch)
            for slot in slots
            for batch in (_batch(mesh, slot.index, slot.uv_layer, slot.mapping),)
            if batch is not None
        ]
    finally:
        evaluated.to_mesh_clear()


def _batch(mesh: bpy.types.Mesh, slot: int, uv_layer: str, mapping: np.ndarray) -> Any:
    layer = mesh.uv_layers.get(uv_layer)
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    if layer is None or not count:
        return None
    arrays = {
        "vertices": np.empty(count * 3, np.int32),
        "loops": np.empty(count * 3, np.int32),
        "material_index": np.empty(count, np.int32),
    }
    for name, values in arrays.items():
        mesh.loop_triangles.foreach_get(name, values)
    mine = np.repeat(np.minimum(arrays["material_index"], max(len(mesh.materials) - 1, 0)) == slot, 3)
    if not mine.any():
        return None
    positions, uvs = np.empty(len(mesh.vertices) * 3, np.float32), np.empty(len(mesh.loops) * 2, np.float32)
    mesh.vertices.foreach_get("co", positions)
    layer.uv.foreach_get("vector", uvs)
    places = uvs.reshape(-1, 2)[arrays["loops"][mine]] @ mapping[:2, :2].T + mapping[:2, 2]
    layout = gpu.types.GPUVertFormat()
    layout.attr_add(id="position", comp_type="F32", len=3, fetch_mode="FLOAT")
    layout.attr_add(id="uv", comp_type="F32", len=2, fetch_mode="FLOAT")
    buffer = gpu.types.GPUVertBuf(format=layout, len=int(mine.sum()))
    buffer.attr_fill(id="position", data=np.ascontiguousarray(positions.reshape(-1, 3)[arrays["vertices"][mine]]))
    buffer.attr_fill(id="uv", data=np.ascontiguousarray(places, np.float32))
    return gpu.types.GPUBatch(type="TRIS", buf=buffer)


def _make_shader() -> Any:
    between = gpu.types.GPUStageInterfaceInfo("syngen_marks")
    between.smooth("VEC2", "place")
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "matrix")
    info.push_constant("VEC4", "color")
    info.sampler(0, "FLOAT_2D", "marks")
    info.vertex_in(0, "VEC3", "position")
    info.vertex_in(1, "VEC2", "uv")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "result")
    info.vertex_source(
        "void main() { place = uv; gl_Position = matrix * vec4(position, 1.0);"
        f" gl_Position.z -= {TOWARDS_VIEWER} * gl_Position.w; }}"
    )
    info.fragment_source(
        "void main() { float white = texture(marks, fract(place)).r; if (white < 0.5) discard; result = color; }"
    )
    return gpu.shader.create_from_info(info)
