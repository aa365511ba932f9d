"""The demo scene, modelled and painted by code: a gas cylinder, a storage tank and a pipe run on a concrete yard.

    python examples/demo_scene.py out/demo/demo.blend              (with the bpy wheel)
    blender -b --python examples/demo_scene.py -- out/demo/demo.blend

Imports bpy, numpy and the examples beside it; no part of the extension. Works in Blender 4.5, 5.0 and 5.2.
"""

import sys
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from examples import modelling, painting  # noqa: E402
from examples.demo_objects import PROPS, THINGS, Thing  # noqa: E402

MARGIN = 3
"""Free texels round each island: they keep bilinear lookups and small mip levels inside the paint."""


SKY_TURN_DEG = 270.0
"""Turns the building site of the environment behind the tank."""


def build(target: Path) -> Path:
    """Empty this session, build the scene and save it, textures packed. Returns the file's path."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.name = "Demo"
    for number, thing in enumerate((*THINGS, *PROPS)):
        scene.collection.objects.link(_object(thing, number))
    _yard(scene)
    _floor_line(scene)
    _light(scene)
    _camera(scene)
    _settings(scene)
    target = Path(target).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(target), compress=True)
    return target


def atlas(thing: Thing, number: int) -> tuple[modelling.Part, Any, painting.Picture]:
    """A thing's mesh, its corner UVs (corners, 2) and its painted texture, in steps of 1/255. number: its seed."""
    part = thing.shape().joined()
    islands, density = modelling.pack(part.islands, thing.size, MARGIN)
    uv = modelling.atlas_uv(part, islands, thing.size, MARGIN, density)
    rng = np.random.default_rng([104, number])
    canvases = [painting.Canvas(i, density, MARGIN, rng) for i in islands]
    thing.paint(canvases, rng)
    z = np.array(part.vertices)[:, 2]
    picture = painting.weather(
        painting.compose(canvases, thing.size), part, uv, thing.dust, thing.dirt, float(z.min()), float(z.max())
    )
    return part, uv, (np.round(picture * 255) / 255).astype(np.float32)


def _object(thing: Thing, number: int) -> Any:
    part, uv, picture = atlas(thing, number)
    mesh = bpy.data.meshes.new(thing.name)
    mesh.from_pydata(part.vertices, [], part.faces)
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", uv.astype(np.float32).ravel())
    mesh.polygons.foreach_set("material_index", np.array([part.islands[o].slot for o in part.owner], np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(part.faces), bool))
    mesh.update()
    mesh.normals_split_custom_set(modelling.corner_normals(part).tolist())
    mesh.materials.append(_painted(f"{thing.name} paint", image(f"{thing.name}_base", picture), thing.roughness))
    if "Brass" in thing.slots:
        mesh.materials.append(_plain("Brass", (0.60, 0.42, 0.16), 0.32, 1.0))
    obj = bpy.data.objects.new(thing.name, mesh)
    x, y, turn = thing.place
    obj.location = x, y, thing.height
    obj.rotation_euler = 0, 0, np.radians(turn)
    return obj


def image(name: str, picture: painting.Picture) -> Any:
    """A packed sRGB image of a picture (row 0 at the top)."""
    out = bpy.data.images.new(name, picture.shape[1], picture.shape[0])
    pixels = np.ones((*picture.shape[:2], 4), np.float32)
    pixels[..., :3] = picture[::-1]
    out.pixels.foreach_set(pixels.ravel())
    out.update()
    out.pack()
    return out


def _painted(name: str, picture: Any, roughness: float) -> Any:
    material = _plain(name, (0.8, 0.8, 0.8), roughness, 0.0)
    nodes, shader = material.node_tree.nodes, _shader(material)
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = picture
    texture.location = -340, 240
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return material


def _plain(name: str, tint: tuple[float, float, float], roughness: float, metallic: float) -> Any:
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # 5.x makes the tree itself and deprecates the switch
        material.use_nodes = True
    shader = _shader(material)
    shader.inputs["Base Color"].default_value = (*tint, 1)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metallic
    return material


def _shader(material: Any) -> Any:
    return next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")


def _yard(scene: Any) -> None:
    """Concrete panels with joints. Not a target."""
    side, count, gap = 3.0, 21, 0.012
    picture = _concrete(2048, side)
    rng = np.random.default_rng([104, 99])
    vertices: list[tuple[float, float, float]] = []
    faces: list[tuple[int, ...]] = []
    uvs: list[tuple[float, float]] = []
    for i in range(count):
        for j in range(count):
            x, y = (i - count / 2) * side, (j - count / 2) * side
            first = len(vertices)
            # The chamfer of the joint: an outer ring 12 mm lower.
            for inset, z in ((gap / 2, -0.012), (gap / 2 + 0.008, 0.0)):
                a, b = inset, side - inset
                vertices += [(x + a, y + a, z), (x + b, y + a, z), (x + b, y + b, z), (x + a, y + b, z)]
            own = [(4, 5, 6, 7)] + [(k, (k + 1) % 4, 4 + (k + 1) % 4, 4 + k) for k in range(4)]
            quarter = np.array([rng.integers(2), rng.integers(2)]) / 2
            turns, flip = int(rng.integers(4)), bool(rng.integers(2))
            for face in own:
                faces.append(tuple(first + k for k in face))
                for k in face:
                    u = (vertices[first + k][0] - x) / side - 0.5
                    v = (vertices[first + k][1] - y) / side - 0.5
                    for _ in range(turns):
                        u, v = -v, u
                    u = -u if flip else u
                    uvs.append((float(quarter[0] + (u * 0.99 + 0.5) / 2), float(quarter[1] + (v * 0.99 + 0.5) / 2)))
    # Dark earth in the joints.
    edge = side * count / 2
    first = len(vertices)
    vertices += [(-edge, -edge, -0.011), (edge, -edge, -0.011), (edge, edge, -0.011), (-edge, edge, -0.011)]
    faces.append((first, first + 1, first + 2, first + 3))
    uvs += [(0.0, 0.0)] * 4
    mesh = bpy.data.meshes.new("Yard")
    mesh.from_pydata(vertices, [], faces)
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", np.array(uvs, np.float32).ravel())
    mesh.materials.append(_painted("Concrete", image("Yard_base", picture), 0.85))
    mesh.materials.append(_plain("Joint", (0.035, 0.032, 0.028), 0.95, 0.0))
    mesh.polygons[len(faces) - 1].material_index = 1
    mesh.update()
    scene.collection.objects.link(bpy.data.objects.new("Yard", mesh))


def _floor_line(scene: Any) -> None:
    """A walkway's yellow line, in dashes of old paint a millimetre over the concrete."""
    part = modelling.Model("Walkway")
    for k in range(-6, 7):
        part.add(
            modelling.prism("dash", modelling.rectangle(1.5, 0.10), 0.0012, bottom=False), modelling.move(2.1 * k, 0, 0)
        )
    joined = part.joined()
    mesh = bpy.data.meshes.new("Walkway")
    mesh.from_pydata(joined.vertices, [], joined.faces)
    mesh.materials.append(_plain("Line paint", (0.62, 0.42, 0.04), 0.7, 0.0))
    obj = bpy.data.objects.new("Walkway", mesh)
    obj.location = 0.0, -2.55, 0.0
    scene.collection.objects.link(obj)


def _concrete(size: int, side: float) -> painting.Picture:
    """Four panels of brushed concrete in one square picture, each side metres wide."""
    fine, mid = painting.clouds(1024, 300, 21), painting.clouds(1024, 60, 22)
    slow, blot = painting.clouds(1024, 4, 23), painting.clouds(1024, 12, 24)

    def over(tile: painting.Picture, row: int, column: int) -> painting.Picture:
        return painting.crop(tile, size, size, row, column)

    light = (
        0.53
        + 0.018 * over(fine, 0, 0)
        + 0.011 * over(mid, 7, 90)
        + 0.010 * over(slow, 3, 11)
        + 0.008 * over(blot, 40, 2)
    )
    brushed = np.repeat(np.random.default_rng(5).standard_normal((size, 1)).astype(np.float32), size, axis=1)
    light += 0.007 * cv2.GaussianBlur(brushed, (1, 3), 0.8)
    light -= 0.14 * np.clip(over(fine, 300, 500) - 2.2, 0, 1)
    # Soft damp patches, and a few small dark spots of oil.
    damp = np.clip(0.5 + 0.45 * (over(slow, 500, 300) + 0.35 * over(blot, 9, 700) + 0.15 * over(mid, 5, 5) - 1.0), 0, 1)
    oil = np.clip((over(blot, 700, 130) + 0.25 * over(mid, 80, 8) - 2.35) * 1.5, 0, 1)
    light *= (1 - 0.07 * damp) * (1 - 0.22 * oil)
    tint = np.array([1.0, 0.965, 0.905], np.float32)
    picture = light[..., None] * tint
    # Dirt gathers along the joints.
    half = size // 2
    at = (np.arange(size) % half + 0.5) / half
    border = np.minimum(at, 1 - at) * side
    edge = np.minimum(border[:, None], border[None, :]).astype(np.float32)
    dirt = np.exp(-edge / 0.05) * (0.20 + 0.08 * over(mid, 1, 2)) + np.exp(-edge / 0.25) * 0.05
    return np.clip(picture * (1 - dirt[..., None]), 0, 1).astype(np.float32)


def _light(scene: Any) -> None:
    sun = bpy.data.lights.new("Sun", "SUN")
    sun.energy, sun.angle = 3.2, np.radians(1.6)
    sun.color = 1.0, 0.93, 0.83
    obj = bpy.data.objects.new("Sun", sun)
    obj.location = -3, -4, 6
    obj.rotation_euler = np.radians(46), 0, np.radians(-42)
    scene.collection.objects.link(obj)
    world = bpy.data.worlds.new("City")
    scene.world = world
    if world.node_tree is None:
        world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    out, back, sky = (
        nodes.new("ShaderNodeOutputWorld"),
        nodes.new("ShaderNodeBackground"),
        nodes.new("ShaderNodeTexEnvironment"),
    )
    turn, place = nodes.new("ShaderNodeMapping"), nodes.new("ShaderNodeTexCoord")
    for k, node in enumerate((place, turn, sky, back, out)):
        node.location = 260 * k - 800, 200
    # One of the environments that come with every Blender; packed, so that the file stands alone.
    folder = bpy.utils.system_resource("DATAFILES", path="studiolights/world")
    sky.image = bpy.data.images.load(str(Path(folder) / "city.exr"))
    sky.image.pack()
    turn.inputs["Rotation"].default_value[2] = np.radians(SKY_TURN_DEG)
    links.new(place.outputs["Generated"], turn.inputs[0])
    links.new(turn.outputs[0], sky.inputs[0])
    links.new(sky.outputs["Color"], back.inputs["Color"])
    links.new(back.outputs[0], out.inputs[0])
    back.inputs["Strength"].default_value = 0.65


def _camera(scene: Any) -> None:
    from mathutils import Vector

    camera = bpy.data.cameras.new("Camera")
    camera.lens = 38
    obj = bpy.data.objects.new("Camera", camera)
    obj.location = -2.3, -7.7, 1.6
    aim = Vector((0.62, 0.0, 1.42))
    obj.rotation_euler = (aim - obj.location).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(obj)
    scene.camera = obj


def _settings(scene: Any) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 64
    scene.cycles.use_denoising = True
    # An open yard in daylight: more bounces change nothing that one sees.
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces, scene.cycles.glossy_bounces = 4, 2, 2
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.render.resolution_x, scene.render.resolution_y = 1280, 960
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.unit_settings.system = "METRIC"


def main(arguments: list[str]) -> int:
    """Build into the file named last on the command line."""
    if len(arguments) != 1:
        print("Usage: python examples/demo_scene.py FILE.blend")
        return 2
    print(build(Path(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]))
