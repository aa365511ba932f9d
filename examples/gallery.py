"""The pictures of docs/gallery.md: what wear looks like, at every level, from afar and from 20 cm, in both engines.

    python examples/gallery.py levels storage_tank --out out/gallery
    python examples/gallery.py levels objects/Barrel_01/Barrel_01_1k.gltf --out out/gallery
    python examples/gallery.py kinds objects/metal_toolbox/metal_toolbox_1k.gltf --out out/gallery
    python examples/gallery.py exemplar objects/Barrel_01/Barrel_01_1k.gltf --photo rust.jpg --out out/gallery

SUBJECT is one of the demo's objects or a glTF file. What is made: `levels` (five levels; Cycles and EEVEE, far and
close), `kinds` (each kind of wear, alone), `layers` (several on one object), `presets` (where the same rust grows),
`exemplar` (a photo of rust, what is made of it, and that on an object), `ageing` (from new to derelict: a strip, and
an animation). A sheet is written anew after each of its rows. Runs under the bpy module; no part of the extension.
"""

import argparse
import dataclasses
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import bpy  # noqa: E402
import cv2  # noqa: E402
import numpy as np  # noqa: E402
from mathutils import Vector  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

from examples import age_model, demo_scene  # noqa: E402
from examples.demo_objects import THINGS  # noqa: E402
from syngen_addon import images  # noqa: E402
from syngen_addon import recipe as recipes  # noqa: E402
from syngen_addon.blender import ageing  # noqa: E402
from syngen_addon.blender.level import set_level  # noqa: E402
from syngen_addon.blender.render import as_png, has_denoiser  # noqa: E402
from syngen_addon.kinds import KINDS  # noqa: E402
from syngen_addon.presets import PRESETS  # noqa: E402
from syngen_addon.textures.exemplar import exemplar_texture  # noqa: E402
from syngen_addon.variants import make_variants  # noqa: E402

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.95)
CLOSE_M = 0.20
Row = tuple[str, list[tuple[str, images.Array]]]
"""A heading, and the captions and pictures of a row."""
PAPER, INK = (24, 24, 26), (225, 225, 225)
EEVEE = "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0) else "BLENDER_EEVEE"
SAMPLES = {"CYCLES": 12, EEVEE: 4}


def subject(name: str, only: str, join: bool) -> list[bpy.types.Object]:
    """An empty scene with the subject in it: a demo object by name, or a glTF file."""
    if Path(name).suffix in (".gltf", ".glb"):
        return age_model.import_model(Path(name).resolve(), only, join=join)
    bpy.ops.wm.read_homefile(use_empty=True)
    number, thing = next(((i, t) for i, t in enumerate(THINGS) if t.name.lower() == name.lower()), (0, None))
    if thing is None:
        sys.exit(f"There is no demo object {name!r}. Known are: {', '.join(t.name for t in THINGS)}.")
    obj = demo_scene._object(thing, number)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.update()
    return [obj]


def stage(meshes: list[bpy.types.Object], a: argparse.Namespace) -> tuple[bpy.types.Object, bpy.types.Object]:
    """Ground, light and two cameras: one that sees the whole, one 20 cm from the surface."""
    studio = Path(bpy.utils.system_resource("DATAFILES", path="studiolights/world")) / "courtyard.exr"
    age_model.add_stage(meshes, math.radians(a.azimuth), math.radians(a.elevation), a.fit, a.environment or studio)
    scene = bpy.context.scene
    far = scene.camera
    near = bpy.data.objects.new("Close", bpy.data.cameras.new("Close"))
    near.data.lens, near.data.clip_start = 50, 0.005
    scene.collection.objects.link(near)
    bpy.context.view_layer.update()
    place, normal = _seen(far, meshes, a.close)
    way = (normal * 0.7 + (far.location - place).normalized()).normalized()
    near.location = place + way * CLOSE_M
    near.rotation_euler = (-way).to_track_quat("-Z", "Y").to_euler()
    return far, near


def _seen(camera: bpy.types.Object, meshes: list[bpy.types.Object], at: Sequence[float]) -> tuple[Vector, Vector]:
    """Point and normal of the subject at a place of the picture (0 to 1 from its lower left), or next to it."""
    scene, depsgraph = bpy.context.scene, bpy.context.evaluated_depsgraph_get()
    corners = camera.data.view_frame(scene=scene)
    low, high = corners[2], corners[0]
    for u, v in _around(at):
        local = Vector((low.x + u * (high.x - low.x), low.y + v * (high.y - low.y), low.z))
        way = (camera.matrix_world.to_quaternion() @ local).normalized()
        hit, place, normal, _, obj, _ = scene.ray_cast(depsgraph, camera.matrix_world.translation, way)
        if hit and obj.name in {o.name for o in meshes}:
            return place, normal
    sys.exit("The close camera finds nothing: choose another place with --close.")


def _around(at: Sequence[float]) -> Iterator[tuple[float, float]]:
    for r in np.linspace(0, 0.5, 26):
        for t in np.linspace(0, 2 * np.pi, 12, endpoint=False):
            yield float(at[0] + r * np.cos(t)), float(at[1] + r * np.sin(t))


def wear(meshes: list[bpy.types.Object], recipe: recipes.Recipe, gallery: Path, *, add: bool = False) -> None:
    """The first accepted variant on every mesh."""
    kind = ageing.kind_named(recipe.wear.kind)
    for obj in meshes:
        made = make_variants(ageing.gather(obj, recipe, kind), gallery)
        chosen = next((v for v in made if v.accepted), made[0])
        if not chosen.accepted:
            print(f"{obj.name}: {chosen.sentence}")
        ageing.apply_variant(obj, chosen, softness=recipe.wear.softness, add=add)


def picture(camera: bpy.types.Object, engine: str, size: int, work: Path) -> images.Array:
    """The scene through a camera, size x size x 3, sRGB."""
    scene = bpy.context.scene
    scene.camera, scene.render.engine = camera, engine
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.cycles.samples, scene.eevee.taa_render_samples = SAMPLES["CYCLES"], SAMPLES[EEVEE]
    scene.render.use_persistent_data = True
    scene.cycles.max_bounces = 2  # an object outdoors: more are not seen
    scene.cycles.use_denoising, scene.cycles.use_adaptive_sampling = has_denoiser(), False
    scene.cycles.denoising_prefilter, scene.cycles.denoising_quality = "FAST", "BALANCED"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    as_png(scene.render)
    scene.render.filepath = str(work / "frame.png")
    bpy.ops.render.render(write_still=True)
    return images.load(scene.render.filepath)[..., :3]


def sheet(rows: "list[Row]", target: Path) -> Path:
    """Rows of pictures with a heading each and a caption under every picture, as a JPEG."""
    size = rows[0][1][0][1].shape[0]
    gap, line = 6, 20
    width = max(len(cells) for _, cells in rows) * (size + gap) - gap
    paper = Image.new("RGB", (width, len(rows) * (size + line + gap) - gap), PAPER)
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(13)
    for r, (title, cells) in enumerate(rows):
        for c, (caption, cell) in enumerate(cells):
            x, y = c * (size + gap), r * (size + line + gap)
            paper.paste(Image.fromarray(images.to_bytes(cell)), (x, y))
            text = f"{title}  {caption}" if c == 0 and title else caption
            draw.text((x + 3, y + size + 2), text, INK, font)
    target.parent.mkdir(parents=True, exist_ok=True)
    paper.save(target, quality=86, optimize=True)
    return target


def levels(a: argparse.Namespace, work: Path) -> Path:
    meshes = subject(a.subject, a.only, a.join)
    cameras = stage(meshes, a)
    wear(meshes, recipe_of(a.kind), work)
    rows: list[Row] = []
    target = a.out / f"levels-{label(a.subject)}{'' if len(a.engines) > 1 else '-' + a.engines[0].lower()}.jpg"
    for name in a.engines:
        engine = {"Cycles": "CYCLES", "EEVEE": EEVEE}[name]
        for camera, where in zip(cameras, ("", "from 20 cm, "), strict=True):
            row = []
            for level in LEVELS:
                everywhere(meshes, level)
                row.append((f"{level:g}", picture(camera, engine, a.size, work)))
            rows.append((f"{name}, {where}level", row))
            sheet(rows, target)
    return target


def kinds(a: argparse.Namespace, work: Path) -> Path:
    meshes = subject(a.subject, a.only, a.join)
    far, near = stage(meshes, a)
    rows: list[Row] = []
    target = a.out / f"kinds-{label(a.subject)}.jpg"
    for kind in a.kinds or [k for k in KINDS if "rust" not in k]:
        wear(meshes, recipe_of(kind), work)
        row = []
        for camera, level in ((far, 0.15), (far, 0.5), (near, 0.3)):
            everywhere(meshes, level)
            row.append((f"level {level:g}" + (", 20 cm" if camera == near else ""),
                        picture(camera, "CYCLES", a.size, work)))  # fmt: skip
        if rows and len(rows[-1][1]) < 2 * len(row):  # two kinds a row
            row = [*rows.pop()[1], (f"{KINDS[kind].label}, {row[0][0]}", row[0][1]), *row[1:]]
        else:
            row[0] = (f"{KINDS[kind].label}, {row[0][0]}", row[0][1])
        rows.append(("", row))
        sheet(rows, target)
    return target


def layers(a: argparse.Namespace, work: Path) -> Path:
    meshes = subject(a.subject, a.only, a.join)
    far, near = stage(meshes, a)
    cells = []
    wear(meshes, recipe_of(a.kind), work)
    everywhere(meshes, 0.3)
    done = [KINDS[a.kind].label]
    cells.append((done[0], picture(far, "CYCLES", a.size, work)))
    for kind in a.kinds or ["dents", "scratches", "dirt_grease"]:
        wear(meshes, recipe_of(kind), work, add=True)
        for obj in meshes:
            set_level(obj, 0.2, kind)
        cells.append((f"+ {KINDS[kind].label.lower()}", picture(far, "CYCLES", a.size, work)))
    cells.append(("from 20 cm", picture(near, "CYCLES", a.size, work)))
    return sheet([("", cells)], a.out / f"layers-{label(a.subject)}.jpg")


def presets(a: argparse.Namespace, work: Path) -> Path:
    meshes = subject(a.subject, a.only, a.join)
    far, _ = stage(meshes, a)
    cells: dict[float, list[tuple[str, images.Array]]] = {0.3: []}
    for preset in ("none", *PRESETS):
        recipe = recipe_of(a.kind)
        causes = dataclasses.replace(recipe.causes, preset=preset)
        wear(meshes, dataclasses.replace(recipe, causes=causes), work)
        for level, row in cells.items():
            everywhere(meshes, level)
            row.append((preset.replace("_", " "), picture(far, "CYCLES", a.size, work)))
    rows = [(f"level {level:g},", row) for level, row in cells.items()]
    return sheet(rows, a.out / f"presets-{label(a.subject)}.jpg")


def exemplar(a: argparse.Namespace, work: Path) -> Path:
    """The photo, two by two tiles of the texture that is made of it, and that on the subject from afar and close."""
    if a.photo is None:
        sys.exit("Name a photo of rust with --photo.")
    meshes = subject(a.subject, a.only, a.join)
    far, near = stage(meshes, a)
    recipe = recipe_of(a.kind)
    made = dataclasses.replace(recipe.texture, method="exemplar", exemplar=str(a.photo.resolve()))
    wear(meshes, dataclasses.replace(recipe, texture=made), work)
    everywhere(meshes, 0.4)
    photo = images.load(a.photo)[..., :3]
    tile = exemplar_texture(photo, KINDS[a.kind], 512, np.random.default_rng(0), span=made.exemplar_m / made.tile_m)
    tiles = np.tile(tile.color_srgb, (2, 2, 1))
    cells = [("the photo", fitted(photo, a.size)), ("2 x 2 tiles made of it", fitted(tiles, a.size))]
    cells += [
        ("level 0.4", picture(far, "CYCLES", a.size, work)),
        ("from 20 cm", picture(near, "CYCLES", a.size, work)),
    ]
    return sheet([("", cells)], a.out / f"exemplar-{label(a.subject)}.jpg")


def fitted(picture: images.Array, size: int) -> images.Array:
    """The middle of a picture as a square of size."""
    side = min(picture.shape[:2])
    top, left = ((n - side) // 2 for n in picture.shape[:2])
    square = picture[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def ageing_strip(a: argparse.Namespace, work: Path) -> Path:
    """A strip of eight pictures, and an animation (WebP) of a.frames."""
    meshes = subject(a.subject, a.only, a.join)
    far, _ = stage(meshes, a)
    wear(meshes, recipe_of(a.kind), work)
    frames = []
    for level in np.linspace(0, 1, a.frames) ** 1.5:  # rust takes its time to begin
        everywhere(meshes, float(level))
        frames.append(picture(far, "CYCLES", a.size, work))
    moving = [Image.fromarray(images.to_bytes(frame)) for frame in frames]
    target = a.out / f"ageing-{label(a.subject)}.webp"
    target.parent.mkdir(parents=True, exist_ok=True)
    waits = [900, *[110] * (len(moving) - 2), 1500]
    moving[0].save(target, save_all=True, append_images=moving[1:], duration=waits, loop=0, quality=70, method=5)
    some = np.linspace(0, len(frames) - 1, 8).round().astype(int)
    small = [cv2.resize(frames[i], None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA) for i in some]
    return sheet([("", [("", np.asarray(s, np.float32)) for s in small])], target.with_suffix(".jpg"))


def everywhere(meshes: list[bpy.types.Object], level: float) -> None:
    for obj in meshes:
        set_level(obj, level)


def recipe_of(kind: str) -> recipes.Recipe:
    return recipes.from_dict({"wear": {"kind": kind}, "texture": {"variants": 1}})


def label(name: str) -> str:
    """A file name for a subject."""
    return Path(name).stem.removesuffix("_1k").lower().replace(" ", "_")


MAKE = {
    "levels": levels,
    "kinds": kinds,
    "layers": layers,
    "presets": presets,
    "exemplar": exemplar,
    "ageing": ageing_strip,
}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=MAKE)
    p.add_argument("subject", help="a demo object's name, or a glTF file")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--kind", default="heavy_rust")
    p.add_argument("--kinds", nargs="*", help="for `kinds` and `layers`: which")
    p.add_argument("--only", default="", help="only meshes whose name holds this")
    p.add_argument("--join", action="store_true", help="the meshes joined into one, which is aged as a whole")
    p.add_argument("--engines", nargs="+", choices=("Cycles", "EEVEE"), default=["Cycles", "EEVEE"], help="of `levels`")
    p.add_argument("--azimuth", type=float, default=30, help="degrees")
    p.add_argument("--elevation", type=float, default=18, help="degrees")
    p.add_argument("--fit", type=float, default=0.86, help="camera distance; 1: the bounding sphere just fits")
    p.add_argument("--close", type=float, nargs=2, default=(0.5, 0.55), help="where the close camera looks")
    p.add_argument("--environment", type=Path, help="an environment map (default: Blender's courtyard)")
    p.add_argument("--photo", type=Path, help="for `exemplar`: of rust")
    p.add_argument("--size", type=int, default=300)
    p.add_argument("--frames", type=int, default=24, help="of the animation")
    a = p.parse_args()
    a.out = a.out.resolve()
    a.out.mkdir(parents=True, exist_ok=True)
    print(MAKE[a.what](a, a.out / "work"))


if __name__ == "__main__":
    main()
