"""Age a glTF model at several levels and render it: one row of pictures, and a small labelled dataset.

    .venv/bin/python examples/age_model.py oil_drum.gltf --out out/drum --levels 0.2 0.5 0.9 --frames 3

Leaves <out>/levels.png (one picture a level, same camera), <out>/scene.blend with the wear applied, and, with
--frames, a dataset with its contact sheet in <out>/dataset. Runs under the bpy module; no part of the extension.
"""

import argparse
import dataclasses
import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import bpy  # noqa: E402
import numpy as np  # noqa: E402
from mathutils import Vector  # noqa: E402

from syngen_addon import images  # noqa: E402
from syngen_addon import recipe as recipes  # noqa: E402
from syngen_addon.blender import ageing, dataset, worker  # noqa: E402
from syngen_addon.blender.inputs import absolute_path  # noqa: E402
from syngen_addon.blender.level import set_level  # noqa: E402
from syngen_addon.blender.render import as_png, has_denoiser  # noqa: E402
from syngen_addon.formats.overview import overview  # noqa: E402
from syngen_addon.recipe import Recipe, Render, Texture, Wear  # noqa: E402
from syngen_addon.variants import make_variants  # noqa: E402


def import_model(path: Path, only: str, join: bool) -> list[bpy.types.Object]:
    """An empty scene with the model on a ground; its meshes, or the one they are joined into."""
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(path))
    meshes = [o for o in bpy.context.scene.objects if o.type == "MESH"]
    for obj in meshes:
        if only and only not in obj.name:
            bpy.data.objects.remove(obj)
    meshes = sorted((o for o in bpy.context.scene.objects if o.type == "MESH"), key=lambda o: o.name)
    if join:
        with bpy.context.temp_override(active_object=meshes[0], selected_editable_objects=meshes):
            bpy.ops.object.join()
        del meshes[1:]
    bpy.context.view_layer.update()
    return meshes


def bounds(meshes: list[bpy.types.Object]) -> tuple[Vector, float, float]:
    """(centre, radius, lowest z) of all of them."""
    corners = [o.matrix_world @ Vector(c) for o in meshes for c in o.bound_box]
    low, high = (Vector(f(c[i] for c in corners) for i in range(3)) for f in (min, max))
    return (low + high) / 2, (high - low).length / 2, low.z


def add_stage(meshes: list[bpy.types.Object], azimuth: float, elevation: float, fit: float, environment: Path) -> None:
    """Ground, camera, sun and sky around the model. fit: distance, 1 where its bounding sphere just fits."""
    scene = bpy.context.scene
    center, radius, floor = bounds(meshes)
    ground = bpy.data.meshes.new("Ground")
    side = radius * 40
    ground.from_pydata([(-side, -side, 0), (side, -side, 0), (side, side, 0), (-side, side, 0)], [], [(0, 1, 2, 3)])
    obj = bpy.data.objects.new("Ground", ground)
    obj.location = (center.x, center.y, floor)
    scene.collection.objects.link(obj)
    concrete = bpy.data.materials.new("Concrete")
    if not concrete.node_tree:
        concrete.use_nodes = True
    shader = next(n for n in concrete.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (0.20, 0.195, 0.19, 1)
    shader.inputs["Roughness"].default_value = 0.85
    ground.materials.append(concrete)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.lens = 60
    way = Vector(
        (math.sin(azimuth) * math.cos(elevation), -math.cos(azimuth) * math.cos(elevation), math.sin(elevation))
    )
    camera.location = center + way * radius / math.sin(math.atan(18 / 60)) * fit
    camera.rotation_euler = (-way).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(camera)
    scene.camera = camera
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy, sun.data.angle = 4.5, math.radians(3)
    sun.rotation_euler = (math.radians(48), 0, azimuth + math.radians(40))
    scene.collection.objects.link(sun)
    world = bpy.data.worlds.new("Sky")
    if not world.node_tree:
        world.use_nodes = True
    nodes = world.node_tree.nodes
    sky = nodes.new("ShaderNodeTexEnvironment")
    sky.image = bpy.data.images.load(str(environment))
    background = next(n for n in nodes if n.type == "BACKGROUND")
    background.inputs["Strength"].default_value = 1.0
    world.node_tree.links.new(sky.outputs["Color"], background.inputs["Color"])
    scene.world = world


def age(meshes: list[bpy.types.Object], recipe: Recipe, gallery: Path) -> None:
    """Put the first accepted variant onto every mesh."""
    tools = worker.tools(recipe)
    for obj in meshes:
        request = ageing.gather(obj, recipe, ageing.kind_named(recipe.wear.kind))
        made = make_variants(request, gallery, tools=tools, progress=lambda done, text: print(f"{done:4.0%} {text}"))
        chosen = next((v for v in made if v.accepted), made[0])
        if not chosen.accepted:
            print(f"{obj.name}: {chosen.sentence}")
        ageing.apply_variant(obj, chosen, softness=recipe.wear.softness)


def render_levels(meshes: list[bpy.types.Object], levels: list[float], size: int, samples: int, target: Path) -> None:
    """One picture a level, side by side."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.cycles.samples, scene.cycles.use_denoising = samples, has_denoiser()
    scene.cycles.denoising_prefilter, scene.cycles.denoising_quality = "FAST", "BALANCED"
    scene.cycles.use_adaptive_sampling = False
    scene.render.use_persistent_data = True
    scene.view_settings.view_transform = "AgX"
    as_png(scene.render)
    row = []
    for level in levels:
        for obj in meshes:
            set_level(obj, level)
        scene.render.filepath = str(target.with_name("level.png"))
        bpy.ops.render.render(write_still=True)
        row.append(images.load(scene.render.filepath)[..., :3])
    Path(scene.render.filepath).unlink()
    images.save_png(target, np.concatenate(row, axis=1))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--levels", type=float, nargs="+", default=[0.2, 0.5, 0.9])
    p.add_argument("--recipe", type=Path, help="how it is aged; without it two variants by the defaults")
    p.add_argument("--kind", default="heavy_rust", help="where no recipe says it")
    p.add_argument("--only", default="", help="only meshes whose name holds this")
    p.add_argument("--join", action="store_true", help="the meshes joined into one, which is aged as a whole")
    p.add_argument("--azimuth", type=float, default=30, help="degrees")
    p.add_argument("--elevation", type=float, default=18, help="degrees")
    p.add_argument("--fit", type=float, default=0.86, help="camera distance; 1: the bounding sphere just fits")
    p.add_argument("--environment", type=Path, help="an environment map (default: Blender's courtyard)")
    p.add_argument("--size", type=int, default=512)
    p.add_argument("--samples", type=int, default=24)
    p.add_argument("--tile", type=float, default=0.5, help="world size of one tile of rust, metres, likewise")
    p.add_argument("--frames", type=int, default=0)
    a = p.parse_args()
    out = a.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if a.recipe:
        folder = a.recipe.resolve().parent
        recipe = recipes.with_paths(recipes.load(a.recipe), lambda path: absolute_path(path, folder))
    else:
        recipe = Recipe(wear=Wear(kind=a.kind), texture=Texture(variants=2, tile_m=a.tile), render=Render(samples=24))
    meshes = import_model(a.model.resolve(), a.only, a.join)
    folder = Path(bpy.utils.system_resource("DATAFILES", path="studiolights/world"))
    add_stage(
        meshes,
        math.radians(a.azimuth),
        math.radians(a.elevation),
        a.fit,
        (a.environment or folder / "courtyard.exr").resolve(),
    )
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "scene.blend"))
    age(meshes, recipe, out / "syngen")
    render_levels(meshes, a.levels, a.size, a.samples, out / "levels.png")
    bpy.ops.file.pack_all()
    bpy.ops.wm.save_mainfile()
    print(out / "levels.png")
    if a.frames:
        recipe = dataclasses.replace(
            recipe, labels=dataclasses.replace(recipe.labels, class_from="wear", min_pixels=50)
        )
        dataset.run(
            dataset.Job(recipe, out / "dataset", a.frames, 7), report=lambda p: print(p.done, "of", p.total, p.what)
        )
        print(overview(out / "dataset", out / "labels.png", columns=min(a.frames, 4)))


if __name__ == "__main__":
    main()
