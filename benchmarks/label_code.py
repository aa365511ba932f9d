"""Label layers in memory to a record's bytes, against writing the same picture as Blender's PNG (compression 15).

1920 x 1080, 50 targets of 5,000 to 16,000 triangles that overlap each other, three quarters of them worn, every label
on: boxes, masks, polygons, wear, regions, visible fractions, poses, keypoints. `instances` and `regions` in the
figure: how many.
"""

import math
import tempfile
from functools import partial
from pathlib import Path

import bpy
import cv2
import numpy as np
import numpy.typing as npt
from harness import compare

from syngen_addon.blender.geometry import Geometry
from syngen_addon.blender.records import camera_numbers, view_of
from syngen_addon.blender.render import as_png, configure, render_frame
from syngen_addon.blender.state import Borrowed
from syngen_addon.images import Array
from syngen_addon.labels.layers import Instance, Layers
from syngen_addon.labels.record import encode, make_record
from syngen_addon.recipe import from_dict
from syngen_addon.seeds import generator

WIDTH, HEIGHT, COUNT = 1920, 1080, 50


def build() -> list[bpy.types.Object]:
    """50 things on a floor in rows, each row partly before the next; each mesh is used by a quarter of them."""
    bpy.ops.wm.read_homefile(use_empty=True)
    add = bpy.ops.mesh
    makers = (
        add.primitive_monkey_add,
        partial(add.primitive_torus_add, major_segments=96, minor_segments=48, minor_radius=0.4),
        partial(add.primitive_ico_sphere_add, subdivisions=5),
        partial(add.primitive_cylinder_add, vertices=1500),
    )
    rng = generator(5, "bench")
    meshes = []
    for maker in makers:
        maker()
        obj = bpy.context.object
        if obj.data.name.startswith("Suzanne"):
            obj.modifiers.new("Finer", "SUBSURF").levels = 2
            bpy.ops.object.modifier_apply(modifier="Finer")
        material = bpy.data.materials.new(obj.name)
        material.diffuse_color = (*rng.uniform(0.1, 0.8, 3), 1)
        obj.data.materials.append(material)
        meshes.append(obj.data)
        bpy.data.objects.remove(obj)
    bpy.ops.mesh.primitive_plane_add(size=60)
    made = []
    for number in range(COUNT):
        obj = bpy.data.objects.new(f"Thing {number}", meshes[number % 4])
        obj.location = (number % 10 * 1.6 - 7.2, number // 10 * 2.2, 0.9)
        obj.rotation_euler = rng.uniform(0, 2 * math.pi, 3)
        obj.pass_index = number + 1
        bpy.context.scene.collection.objects.link(obj)
        point = bpy.data.objects.new("tip", None)
        point.parent, point.location, point["syngen_keypoint"] = obj, (0, 0, 1), "tip"
        bpy.context.scene.collection.objects.link(point)
        made.append(obj)
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy, sun.rotation_euler = 4, (0.6, 0.3, 0)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler, camera.data.lens = (0, -14, 4), (1.3, 0, 0), 36
    for obj in (sun, camera):
        bpy.context.scene.collection.objects.link(obj)
    bpy.context.scene.camera = camera
    return made


def worn(index: npt.NDArray[np.int32]) -> Array:
    """H x W float32: patches of wear with soft edges, as a render's."""
    rng = generator(6, "bench")
    noise = sum(cv2.GaussianBlur(rng.normal(size=index.shape), (0, 0), s).astype(np.float32) * s for s in (2, 6, 24))
    level = (index % 4 * 0.3 - 0.6).astype(np.float32)
    return np.asarray(np.clip((noise + level) * 2 + 0.5, 0, 1) * (index > 0), np.float32)


def main() -> None:
    objects = build()
    scene, layer = bpy.context.scene, bpy.context.view_layer
    render = {"width": WIDTH, "height": HEIGHT, "samples": 4, "device": "cpu"}
    recipe = from_dict({"render": render, "labels": {"polygons": True}})
    with tempfile.TemporaryDirectory() as folder, Borrowed() as borrowed:
        configure(scene, layer, recipe, "cpu", borrowed)
        geometry = Geometry(scene, layer, objects)
        done = render_frame(scene, layer, Path(folder))
        assert done is not None
        layers = Layers(done[1].index, worn(done[1].index))
        seen: dict[str, object] = {}

        def labelled() -> None:
            about = ({"object": "thing"}, "heavy_rust", "default", 0.5, 0, ())
            instances = [Instance(o.pass_index, o.name, *about, geometry.body(o)) for o in objects]
            view = view_of(camera_numbers(scene), scene)
            record = make_record(layers, instances, recipe.labels, {"frame": 0}, view, geometry.others())
            data = encode(record)
            entries = record["instances"]
            seen["instances"], seen["regions"], seen["bytes"] = len(entries), len(record["regions"]), len(data)
            seen["partly_hidden"] = sum(entry["visible_fraction"] < 1 for entry in entries)

        def written() -> None:
            as_png(scene.render)
            bpy.data.images["Render Result"].save_render(str(Path(folder) / "picture.png"), scene=scene)

        compare("label_code", labelled, written, pairs=9, limit=0.5, about=lambda: seen)


if __name__ == "__main__":
    main()
