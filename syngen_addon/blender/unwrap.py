"""UVs for a mesh that has none. Imports bpy, numpy."""

import bpy
import numpy as np


def unwrapped_uvs(mesh: bpy.types.Mesh) -> np.ndarray:
    """(loops, 2) float32 UVs in 0..1 without overlap, by Smart UV Project on a copy in a scene of its own."""
    copy = mesh.copy()
    obj = bpy.data.objects.new("SynGen unwrap", copy)
    scene = bpy.data.scenes.new("SynGen unwrap")
    try:
        scene.collection.objects.link(obj)
        layer = scene.view_layers[0]
        layer.objects.active = obj
        with bpy.context.temp_override(scene=scene, view_layer=layer, active_object=obj, object=obj,
                                       selected_objects=[obj], selected_editable_objects=[obj]):
            obj.select_set(True, view_layer=layer)
            bpy.ops.object.mode_set(mode="EDIT")
            with bpy.context.temp_override(edit_object=obj):
                bpy.ops.mesh.select_all(action="SELECT")
                bpy.ops.uv.smart_project(angle_limit=1.15, island_margin=0.005)
            bpy.ops.object.mode_set(mode="OBJECT")
        uvs = np.empty(len(copy.loops) * 2, np.float32)
        copy.uv_layers[0].uv.foreach_get("vector", uvs)
        return uvs.reshape(-1, 2)
    finally:
        bpy.data.objects.remove(obj)
        bpy.data.meshes.remove(copy)
        bpy.data.scenes.remove(scene)
