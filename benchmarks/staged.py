"""Scenes that the benchmarks of rendering share, prepared as a job prepares them. Imports bpy and the package."""

import dataclasses
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import cv2
import numpy as np
from harness import ROOT

from syngen_addon import recipe
from syngen_addon.blender import dataset, targets
from syngen_addon.blender.folders import files_of
from syngen_addon.blender.models import write_models
from syngen_addon.blender.names import KEYPOINT, WEAR_AOV
from syngen_addon.blender.state import Borrowed
from syngen_addon.recipe import Recipe

SEED = 7


class Watch:
    """CPU seconds of this process between start and stop, so that what only sets the stage is not counted."""

    def __init__(self) -> None:
        self.total = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        before = time.process_time()
        yield
        self.total += time.process_time() - before

    def __call__(self) -> float:
        return self.total


@contextmanager
def staged(blend: Path, settings: Recipe, work: Path, frames: int = 1) -> Iterator[dataset.Frames]:
    """The frames of a job on this scene, ready to be made; the scene is given back at the end."""
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    scene, layer = bpy.context.scene, bpy.context.view_layer
    with Borrowed() as borrowed:
        job = dataset.Job(settings, work / "dataset", frames, SEED)
        objects = targets.find_targets(settings, scene, layer)
        for obj in objects:  # so that there are keypoints, which some formats need
            point = bpy.data.objects.new(f"{obj.name} origin", None)
            scene.collection.objects.link(point)
            point.parent, point[KEYPOINT] = obj, "origin"
        made = dataset.Frames(job, "bench", scene, layer, borrowed, work, lambda progress: None, lambda: False)
        made.prepare(objects, files_of(settings), "cpu")
        write_models(job.out, made.records.geometry, made.targets, scene)
        yield made
        label_passes(scene, layer, settings, True)


def demo(work: Path, *, size: int) -> tuple[Path, Recipe]:
    """The demo's scene and recipe, in squares of `size` pixels, one variant an object, every frame taken."""
    sys.path.insert(0, str(ROOT / "examples"))
    import demo_scene

    settings = recipe.load(ROOT / "examples" / "demo.toml")
    return demo_scene.build(work / "demo.blend"), dataclasses.replace(
        settings,
        render=dataclasses.replace(settings.render, width=size, height=size),
        texture=dataclasses.replace(settings.texture, variants=1),
        labels=dataclasses.replace(settings.labels, min_pixels=1, redraws=0),
    )


def crates(work: Path) -> tuple[Path, Recipe]:
    """Two textured crates, in pictures of 32 x 32 pixels and one sample; all that varies is drawn in every frame."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for number in range(2):
        bpy.ops.mesh.primitive_cube_add(size=1, location=(1.6 * number, 0, 0.5))
        obj = bpy.context.object
        obj.name = f"Crate {'AB'[number]}"
        image = bpy.data.images.new(f"Base {number}", 64, 64)
        pixels = np.random.default_rng(number).normal(0.5, 0.1, (64, 64, 4)).clip(0, 1).astype(np.float32)
        pixels[..., 3] = 1
        image.pixels.foreach_set(pixels.ravel())
        image.pack()
        paint = bpy.data.materials.new(f"Paint {number}")
        paint.use_nodes = True
        texture = paint.node_tree.nodes.new("ShaderNodeTexImage")
        texture.image = image
        principled = next(n for n in paint.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
        paint.node_tree.links.new(texture.outputs["Color"], principled.inputs["Base Color"])
        obj.data.materials.append(paint)
    skies, grounds = work / "skies", work / "grounds"
    for folder, suffix, scale in ((skies, ".hdr", 2.0), (grounds, ".png", 255.0)):
        folder.mkdir()
        for number in range(3):
            picture = np.random.default_rng(number).random((32, 64, 3), np.float32) * scale
            cv2.imwrite(str(folder / f"{number}{suffix}"), picture)
    blend = work / "crates.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), check_existing=False)
    settings = {
        "targets": {"objects": ["Crate *"]},
        "texture": {"size": 64, "variants": 2},
        "filters": {"enabled": False},
        "render": {"device": "cpu", "width": 32, "height": 32, "samples": 1},
        "labels": {"min_pixels": 1, "redraws": 0, "depth": True, "normals": True},
        "light": {"environments": str(skies), "sky": 0.1, "indoor": 0.4, "area_lights": [0, 2]},
        "background": {"kind": "environment"},
        "ground": {"randomize": True, "folder": str(grounds)},
        "distractors": {"randomize": True, "count": [0, 3]},
        "pose": {"randomize": True, "drop": True},
        "tint": {"randomize": True},
        "sensor": {"randomize": True},
    }
    return blend, recipe.from_dict(settings)


def label_passes(scene: bpy.types.Scene, layer: bpy.types.ViewLayer, settings: Recipe, on: bool) -> None:
    """Switch every pass that labels are made of on or off. The first render after compiles the shaders anew."""
    layer.use_pass_object_index = on
    layer.use_pass_z = on and (settings.labels.depth or settings.labels.geometry)
    layer.use_pass_normal = on and settings.labels.normals
    there = next((aov for aov in layer.aovs if aov.name == WEAR_AOV), None)
    if on and there is None:
        aov = layer.aovs.add()
        aov.name, aov.type = WEAR_AOV, "VALUE"
    elif there is not None and not on:
        layer.aovs.remove(there)
    for material in bpy.data.materials:  # shaders are compiled for the layers that are there
        material.update_tag()
