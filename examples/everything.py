"""Everything at once, as an example and as a trial: every label, every format, everything that varies.

    .venv/bin/python examples/everything.py --frames 50                                    (the demo)
    .venv/bin/python examples/everything.py drum.gltf rack.glb --frames 50 --things props  (the demo and two models)

Leaves a folder a scene in --out: scene.blend, recipe.toml (examples/everything.toml, some keys changed from scene to
scene, so that every path, background and choice of classes has its turn), dataset/ with its card, and overview.png.
Every dataset is then read by `check`. Run again, it goes on where it stopped. Runs under the bpy module.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import bpy  # noqa: E402
import numpy as np  # noqa: E402
from mathutils import Vector  # noqa: E402

from examples import demo, demo_scene  # noqa: E402
from examples.demo_objects import PROPS, THINGS  # noqa: E402
from syngen_addon import recipe as recipes  # noqa: E402
from syngen_addon.blender.names import KEYPOINT  # noqa: E402
from syngen_addon.files import write_bytes  # noqa: E402
from syngen_addon.formats.overview import overview  # noqa: E402
from syngen_addon.recipe import Recipe  # noqa: E402

RECIPE = ROOT / "examples" / "everything.toml"
BATCH = "syngen_addon/blender/batch.py"
TURNS: tuple[dict[str, dict[str, Any]], ...] = (
    {"camera": {"path": "shell"}, "labels": {"class_from": "object_wear"}},
    {"camera": {"path": "orbit"}, "labels": {"class_from": "wear"}, "background": {"kind": "color"}},
    {"camera": {"path": "ground"}, "labels": {"class_from": "kind"}},
    {"camera": {"path": "handheld", "dof": True}, "labels": {"class_from": "object"}},
)
"""What differs from scene to scene."""
GAP = 1.15
"""Copies of a model stand this many of its widths apart."""


def main() -> int:
    """The demo and every model, one after the other; 1 where `check` found something."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", type=Path, nargs="*", metavar="MODEL", help=".gltf, .glb, .obj or .fbx")
    p.add_argument("--out", type=Path, default=Path("out/everything"))
    p.add_argument("--only", nargs="+", default=(), help="of these scenes: demo, or a model's file name without .gltf")
    p.add_argument("--frames", type=int, default=25, help="of each scene")
    p.add_argument("--size", type=int, default=192, help="side of a picture, pixels")
    p.add_argument("--samples", type=int, default=6)
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--copies", type=int, default=1, help="instances of each model beside it")
    p.add_argument("--environments", type=Path, help="folder of environment maps (default: Blender's own)")
    p.add_argument("--backgrounds", type=Path, help="folder of pictures; every fourth scene has them behind it")
    p.add_argument("--grounds", type=Path, help="folder of pictures that the ground is tiled with")
    p.add_argument("--things", type=Path, help="folder of 3D files that stand about (default: simple shapes)")
    a = p.parse_args()
    bpy.context.preferences.filepaths.save_version = 0
    unsound = []
    for turn, model in enumerate((None, *a.models)):
        name = model.stem if model else "demo"
        if a.only and name not in a.only:
            continue
        folder = (a.out / name).resolve()
        start = time.monotonic()
        scene = folder / "scene.blend"
        if not scene.is_file():  # saving anew would change the file, and with it the job's fingerprint
            targets = model_scene(model, scene, a.copies) if model else demo_objects(scene)
            write_bytes(folder / "recipe.toml", recipes.dumps(recipe_for(turn, targets, a)).encode())
        print(f"{name}: {a.frames} frames into {folder / 'dataset'}", flush=True)
        job = ("--scene", str(scene), "--recipe", str(folder / "recipe.toml"), "--out", str(folder / "dataset"))
        demo.run(BATCH, "--", *job, "--frames", str(a.frames), "--seed", str(a.seed), only="syngen:")
        overview(folder / "dataset", folder / "overview.png")
        print(f"{name}: {time.monotonic() - start:.0f} s. Contact sheet: {folder / 'overview.png'}", flush=True)
        try:
            demo.run(BATCH, "--", "check", str(folder / "dataset"), only="syngen:")
        except SystemExit:
            unsound.append(name)
    print(f"Check found something wrong with {', '.join(unsound)}." if unsound else "Check found nothing wrong.")
    return 1 if unsound else 0


def recipe_for(turn: int, targets: list[str], a: argparse.Namespace) -> Recipe:
    """The recipe of a scene."""
    recipe = recipes.load(RECIPE)
    changes = {section: dict(values) for section, values in TURNS[turn % len(TURNS)].items()}
    changes["targets"] = {"objects": tuple(targets)}
    changes["render"] = {"width": a.size, "height": a.size, "samples": a.samples}
    folders = {"light": ("environments", a.environments), "ground": ("folder", a.grounds)}
    folders["distractors"] = ("folder", a.things)
    for section, (key, folder) in folders.items():
        if folder:
            changes.setdefault(section, {})[key] = str(folder.resolve())
    if a.backgrounds and turn % len(TURNS) == len(TURNS) - 2:
        changes["background"] = {"kind": "images", "folder": str(a.backgrounds.resolve())}
    for section, values in changes.items():
        recipe = dataclasses.replace(recipe, **{section: dataclasses.replace(getattr(recipe, section), **values)})
    return recipe


def demo_objects(target: Path) -> list[str]:
    """The demo's objects with keypoints, without the yard they stand on: the ground is another in every frame, and what
    falls falls onto it."""
    demo_scene.build(target)
    for name in ("Yard", "Walkway", *(prop.name for prop in PROPS)):
        bpy.data.objects.remove(bpy.data.objects[name])
    names = [thing.name for thing in THINGS]
    for name in names:
        mark_extremes(bpy.data.objects[name])
    bpy.ops.wm.save_as_mainfile(filepath=str(target), compress=True)
    return names


def model_scene(model: Path, target: Path, copies: int) -> list[str]:
    """A model with keypoints on each of its parts, and instances of it in a row beside it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    readers = {".obj": bpy.ops.wm.obj_import, ".fbx": bpy.ops.wm.fbx_import}
    readers.get(model.suffix.lower(), bpy.ops.import_scene.gltf)(filepath=str(model.resolve()))
    collection = bpy.data.collections.new(model.stem)
    scene.collection.children.link(collection)
    meshes = [obj for obj in scene.objects if obj.type == "MESH"]
    bpy.context.view_layer.update()
    for obj in meshes:
        mark_extremes(obj)
    for obj in list(scene.objects):
        for other in obj.users_collection:
            other.objects.unlink(obj)
        collection.objects.link(obj)
    bpy.context.view_layer.update()
    corners = np.array([obj.matrix_world @ Vector(corner) for obj in meshes for corner in obj.bound_box])
    for number in range(copies):
        copy = bpy.data.objects.new(f"Copy {number + 1}", None)
        copy.instance_type, copy.instance_collection = "COLLECTION", collection
        copy.location.x = (number + 1) * GAP * float(np.ptp(corners[:, :2], axis=0).max())
        scene.collection.objects.link(copy)
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    target.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.file.pack_all()
    bpy.ops.wm.save_as_mainfile(filepath=str(target), compress=True)
    return [obj.name for obj in meshes]


def mark_extremes(obj: bpy.types.Object) -> None:
    """Keypoints where the object reaches farthest: left, right, front, back, bottom, top."""
    points = np.array([vertex.co for vertex in obj.data.vertices])
    for axis, names in enumerate((("left", "right"), ("front", "back"), ("bottom", "top"))):
        for name, row in zip(names, (points[:, axis].argmin(), points[:, axis].argmax()), strict=True):
            empty = bpy.data.objects.new(f"{obj.name} {name}", None)
            empty.parent, empty.location, empty[KEYPOINT] = obj, points[row], name
            empty.empty_display_size = 0.02
            obj.users_collection[0].objects.link(empty)


if __name__ == "__main__":
    sys.exit(main())
