"""An onset map of 1024 x 1024 texels on a mesh of 100,000 triangles, against Blender's own AO bake of the same.

The bake: Cycles on the CPU, 16 samples, the same mesh, UV map and size. Both get the mesh ready-made.
Beside it, in processes of their own: the most memory that 4096 x 4096 texels take, and what a million triangles cost.
"""

import json
import resource
import subprocess
import sys

import bpy
import numpy as np
from harness import compare, cost

from syngen_addon import images
from syngen_addon.recipe import Onset
from syngen_addon.seeds import generator
from syngen_addon.wear.mesh import MeshArrays
from syngen_addon.wear.onset import onset_maps

SIZE = 1024
LARGE = 4096
MOST_GIB = 8.0
"""Of memory, for LARGE x LARGE texels."""
AROUND, ALONG = 250, 200
"""Quads of the mesh: 2 x 250 x 200 triangles."""


def bumpy_tube(finer: int = 1) -> MeshArrays:
    """A tube 1 m long with rings, grooves and dents, whose UVs fill the square once.

    finer: how many times as many quads each way.
    """
    around, along = AROUND * finer, ALONG * finer
    u, v = np.meshgrid(np.linspace(0, 1, around + 1), np.linspace(0, 1, along + 1))
    rng = np.random.default_rng(7)
    radius = 0.2 + 0.015 * np.sign(np.sin(v * 40)) + 0.01 * np.cos(u * 2 * np.pi * 12)
    radius[:, :-1] += rng.normal(0, 0.0005, radius[:, :-1].shape)
    radius[:, -1] = radius[:, 0]
    angle = u * 2 * np.pi
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), v], axis=-1).reshape(-1, 3).astype(np.float32)
    flat = np.stack([u * 0.98 + 0.01, v * 0.98 + 0.01], axis=-1).reshape(-1, 2).astype(np.float32)
    row, column = np.divmod(np.arange(around * along), around)
    a = row * (around + 1) + column
    quads = np.stack([a, a + 1, a + around + 2, a + around + 1], axis=1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    return MeshArrays(points, triangles, flat[triangles], np.zeros(len(triangles), np.int32))


def as_object(arrays: MeshArrays) -> bpy.types.Object:
    """The same as Blender's mesh, in a scene of its own."""
    bpy.ops.wm.read_homefile(use_empty=True)
    mesh = bpy.data.meshes.new("tube")
    mesh.from_pydata(arrays.vertices.tolist(), [], arrays.triangles.tolist())
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", arrays.uvs.ravel())
    obj = bpy.data.objects.new("tube", mesh)
    bpy.context.scene.collection.objects.link(obj)
    assert len(mesh.polygons) == len(arrays.triangles) == 100_000
    return obj


def prepare_bake(obj: bpy.types.Object) -> bpy.types.Image:
    """Everything bpy.ops.object.bake(type='AO') needs; the image it bakes to."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 16
    scene.cycles.use_denoising = False
    if scene.world is None:
        scene.world = bpy.data.worlds.new("World")
    image = bpy.data.images.new("bake", SIZE, SIZE, float_buffer=True)
    material = bpy.data.materials.new("bake")
    material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    material.node_tree.nodes.active = node
    obj.data.materials.append(material)
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    return image


def measure(size: int, finer: int) -> None:
    """In a process of its own: the cost of one map, printed as JSON."""
    mesh = bumpy_tube(finer)
    seconds = cost(lambda: onset_maps(mesh, Onset(), {0: (size, size)}, generator(0, "benchmark")))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
    print(json.dumps({"triangles": len(mesh.triangles), "cpu_s": round(seconds, 2), "peak_gib": round(peak, 2)}))


def large() -> dict[str, object]:
    """What LARGE texels and what a million triangles take."""
    out: dict[str, object] = {}
    for name, size, finer in ((f"{LARGE}_texels", LARGE, 1), ("million_triangles", SIZE, 4)):
        command = [sys.executable, __file__, str(size), str(finer)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        out[name] = json.loads(said.splitlines()[-1])
        assert out[name]["peak_gib"] < MOST_GIB, out  # type: ignore[index]
    return out


def main() -> None:
    arrays = bumpy_tube()
    obj = as_object(arrays)
    image = prepare_bake(obj)
    made: list[images.Array] = []

    def onset() -> None:
        made[:] = [onset_maps(arrays, Onset(), {0: (SIZE, SIZE)}, generator(0, "benchmark"))[0].onset]

    def bake() -> None:
        answer = bpy.ops.object.bake(type="AO", use_clear=True, margin=0)
        assert answer == {"FINISHED"}, answer

    compare("onset_map", onset, bake, pairs=5, limit=0.5, about=large)
    pixels = np.empty(SIZE * SIZE * 4, np.float32)
    image.pixels.foreach_get(pixels)
    assert np.std(pixels[::4]) > 0.02, "the bake is flat: nothing was compared"
    assert made[0].shape == (SIZE, SIZE) and np.std(made[0]) > 0.1, "the onset map is flat: nothing was compared"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(int(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
