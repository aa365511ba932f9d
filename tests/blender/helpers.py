"""What the tests of jobs share: small scenes with known pixels, variants made by hand, deep snapshots.

Everything of the extension is handed in by the test (fixture `addon`): a plain import would make a second copy of it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BATCH = ROOT / "syngen_addon" / "blender" / "batch.py"
Addon = Callable[[str], ModuleType]

SMALL: dict[str, dict[str, Any]] = {
    "texture": {"size": 64, "variants": 2},
    "filters": {"enabled": False},
    "render": {"device": "cpu", "width": 64, "height": 64, "samples": 1, "denoise": False},
    "labels": {"min_pixels": 4, "redraws": 2},
}
"""A recipe's changes that make every test fast."""
STILL: dict[str, dict[str, Any]] = {
    "camera": {"randomize": False},
    "light": {"randomize": False},
    "background": {"randomize": False},
    "randomize": {"level": False, "variant": False},
}
"""Nothing is drawn: the scene's own camera, light, levels and variants."""


def merged(*parts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for part in parts:
        for section, values in part.items():
            out[section] = {**out.get(section, {}), **values}
    return out


def recipe(addon: Addon, *parts: dict[str, dict[str, Any]]) -> Any:
    """SMALL with these changes, as the running extension's Recipe."""
    return addon("recipe").from_dict(merged(SMALL, *parts))


# --- scenes ----------------------------------------------------------------------------------------------------------


def painted(name: str, size: int = 32, seed: int = 1) -> bpy.types.Image:
    """A packed base texture: grey-green paint with a little structure and a white mark."""
    rng = np.random.default_rng(seed)
    pixels = np.ones((size, size, 4), np.float32)
    pixels[..., :3] = (0.35, 0.45, 0.40)
    pixels[..., :3] += rng.normal(0, 0.02, (size, size, 1)).astype(np.float32)
    pixels[size // 4 : size // 2, size // 4 : size // 2, :3] = 0.9
    image = bpy.data.images.new(name, size, size)
    image.pixels.foreach_set(np.clip(pixels, 0, 1).ravel())
    image.update()
    image.pack()
    return image


def material(name: str, image: bpy.types.Image | None) -> bpy.types.Material:
    """A Principled material with that image on Base Color."""
    made = bpy.data.materials.new(name)
    if made.node_tree is None:
        made.use_nodes = True
    if image is not None:
        texture = made.node_tree.nodes.new("ShaderNodeTexImage")
        texture.image = image
        texture.location = (-400, 200)
        principled = next(n for n in made.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
        made.node_tree.links.new(texture.outputs["Color"], principled.inputs["Base Color"])
    return made


def plane(
    name: str,
    low: Sequence[float],
    high: Sequence[float],
    z: float = 0.0,
    surface: bpy.types.Material | None = None,
    uvs: bool = True,
) -> bpy.types.Object:
    """A rectangle facing +Z from low to high (x, y), whose UVs run over the whole texture."""
    (x0, y0), (x1, y1) = low, high
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], [], [(0, 1, 2, 3)])
    if uvs:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.uv.foreach_set("vector", np.array([0, 0, 1, 0, 1, 1, 0, 1], np.float32))
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    if surface is not None:
        mesh.materials.append(surface)
    bpy.context.view_layer.update()
    return obj


def box(
    name: str, low: Sequence[float], high: Sequence[float], surface: bpy.types.Material | None = None
) -> bpy.types.Object:
    """A box between two corners, its six faces side by side in the texture."""
    x, y, z = zip(low, high, strict=True)
    corners = [(x[i & 1], y[i >> 1 & 1], z[i >> 2]) for i in range(8)]
    faces = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], faces)
    uvs = []
    for face in range(6):
        u, v = face % 3 / 3, face // 3 / 2
        uvs += [(u + 0.01, v + 0.01), (u + 0.32, v + 0.01), (u + 0.32, v + 0.48), (u + 0.01, v + 0.48)]
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", np.array(uvs, np.float32).ravel())
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    if surface is not None:
        mesh.materials.append(surface)
    bpy.context.view_layer.update()
    return obj


def light(energy: float = 3.0) -> bpy.types.Object:
    obj = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    obj.data.energy = energy
    obj.rotation_euler = (0.3, 0.2, 0)
    bpy.context.scene.collection.objects.link(obj)
    return obj


def camera_above(pixels: int = 64, perspective: bool = False, height: float = 20.0) -> bpy.types.Object:
    """A camera over the origin, looking down, in which one unit at z = 0 is one pixel."""
    data = bpy.data.cameras.new("Camera")
    if perspective:
        data.lens, data.sensor_width = 36.0 * height / pixels, 36.0
    else:
        data.type, data.ortho_scale = "ORTHO", float(pixels)
    data.clip_end = 1000.0
    obj = bpy.data.objects.new("Camera", data)
    obj.location = (0, 0, height)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.scene.camera = obj
    return obj


def two_boxes() -> list[bpy.types.Object]:
    """Two crates a metre wide that share nothing, for jobs that draw everything."""
    made = [
        box("Crate A", (0, 0, 0), (1, 1, 1), material("Paint A", painted("Base A", seed=1))),
        box("Crate B", (1.6, 0.2, 0), (2.4, 1, 0.8), material("Paint B", painted("Base B", seed=2))),
    ]
    plane("Floor", (-4, -4), (6, 6), -0.01, material("Concrete", None))
    light()
    return made


def save(path: Path) -> Path:
    bpy.ops.wm.save_as_mainfile(filepath=str(path), check_existing=False)
    return path


_two_aged: list[Path] = []


def two_aged(addon: Addon, factory: pytest.TempPathFactory, place: Path) -> Path:
    """Two aged crates at half their level and a camera over them, open and saved here: made once, then only opened.

    Their variants, which every test shares, are nobody's to change.
    """
    if not _two_aged:
        made = factory.mktemp("two-aged")
        for obj in two_boxes():
            age(addon, obj, made / "gallery", recipe(addon), level=0.5)
        camera_above(8)
        _two_aged.append(save(made / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(_two_aged[0]))
    return save(place / "scene.blend")


def geometry_nodes(obj: bpy.types.Object) -> tuple[bpy.types.NodeTree, Any, Any]:
    """A modifier of nodes, with what comes in and what goes out."""
    tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    obj.modifiers.new("Nodes", "NODES").node_group = tree
    return tree, tree.nodes.new("NodeGroupInput").outputs[0], tree.nodes.new("NodeGroupOutput").inputs[0]


# --- wear ------------------------------------------------------------------------------------------------------------


def handmade(
    addon: Addon,
    folder: Path,
    onset: np.ndarray,
    *,
    color: Sequence[float] = (0.5, 0.2, 0.05),
    slots: Sequence[int] = (0,),
    kind: str = "heavy_rust",
    seed: int = 0,
    texel: int = 64,
    cover: float | None = None,
    runoff: np.ndarray | None = None,
    fade: np.ndarray | None = None,
) -> Any:
    """A variant made by hand: one colour, and this onset map (row 0 at the top, values 0 to 2).

    cover, runoff, fade: without any of them the files are as those of older versions.
    """
    images, variants = addon("images"), addon("variants")
    folder.mkdir(parents=True, exist_ok=True)
    variant = variants.Variant(folder, kind, seed, tuple(slots), True, "", "Accepted.")
    for slot in slots:
        images.save_png(
            variant.file("color", slot), np.broadcast_to(np.array(color, np.float32), (texel, texel, 3)).copy()
        )
        surface = np.broadcast_to(np.array([0.9, 0.0, 0.5], np.float32), (texel, texel, 3)).copy()
        when = np.asarray(onset, np.float32)
        if cover is not None or runoff is not None or fade is not None:
            never = np.full_like(when, variants.ONSET_RANGE)
            surface = np.dstack([surface, np.full_like(surface[..., 0], 1.0 if cover is None else cover)])
            when = np.dstack([when, never if runoff is None else runoff, never if fade is None else fade])
        images.save_png(variant.file("surface", slot), surface, 16)
        images.save_png(variant.file("onset", slot), when / variants.ONSET_RANGE, 16)
    about = {
        "kind": kind,
        "seed": seed,
        "slots": list(slots),
        "accepted": True,
        "reason": "",
        "sentence": "Accepted.",
        "scores": {},
        "warnings": [],
    }
    (folder / "variant.json").write_text(json.dumps(about))
    return variant


def ramp(size: int = 256) -> np.ndarray:
    """An onset that grows from left to right: at level L the left L of the texture is worn."""
    return np.tile((np.arange(size, dtype=np.float32) + 0.5) / size, (size, 1))


def age(
    addon: Addon,
    obj: bpy.types.Object,
    gallery: Path,
    settings: Any,
    level: float | None = None,
    kind: str = "heavy_rust",
) -> list[Any]:
    """Make an object's variants and put the first onto it."""
    ageing, wearing = addon("blender.ageing"), addon("blender.wearing")
    made = wearing.make_variants(ageing.gather(obj, settings, ageing.kind_named(kind)), gallery)
    ageing.apply_variant(obj, made[0], level=level)
    return made


def quick_variants(
    addon: Addon, request: Any, gallery: Path, *, tools: Any = None, progress: Any = None, should_stop: Any = None
) -> list[Any]:
    """In place of variants.make_variants, which takes seconds an object: a colour for each seed, and a ramp."""
    variants = addon("variants")
    made = []
    for number in range(request.recipe.texture.variants):
        if should_stop is not None and should_stop():
            raise addon("errors").Cancelled
        if progress is not None:
            progress(number / request.recipe.texture.variants, "Wear texture")
        seed = request.recipe.texture.seed + number
        folder = (
            variants.object_folder(gallery, request.name)
            / f"{request.kind.name}-{seed:04d}-{variants.input_hash(request)}"
        )
        color = (0.6, 0.2, 0.05) if number % 2 == 0 else (0.15, 0.3, 0.7)
        made.append(
            handmade(
                addon,
                folder,
                ramp(),
                color=color,
                slots=[s.index for s in request.slots],
                kind=request.kind.name,
                seed=seed,
            )
        )
    return made


@pytest.fixture(autouse=True)
def quick(addon, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants made by hand, for modules that import this fixture; `usefixtures("real_variants")` undoes it."""
    if "real_variants" not in request.fixturenames:
        monkeypatch.setattr(addon("blender.wearing"), "make_variants", partial(quick_variants, addon))


@pytest.fixture
def real_variants(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real stages, with onset maps of 128 texels in place of 1024, a coarser mesh for them and less noise."""
    monkeypatch.setattr(addon("variants"), "MIN_ONSET_SIZE", 128)
    monkeypatch.setattr(addon("wear.onset"), "FINENESS", 36)
    monkeypatch.setattr(addon("wear.onset"), "LONGEST_M", 1.0)
    monkeypatch.setattr(addon("wear.noise"), "SIDE", 64)


class Stage:
    """A camera over the origin, a lamp, and what makes, wears and renders targets there (fixture `stage`)."""

    def __init__(self, addon: Addon, path: Path) -> None:
        self.addon, self.path, self.scene = addon, path, bpy.context.scene
        camera_above()
        light()

    def target(
        self, name: str, low: Sequence[float], high: Sequence[float], z: float = 0.0, level: float = 0.5
    ) -> bpy.types.Object:
        return self.worn(self.plain(name, low, high, z), level)

    def plain(self, name: str, low: Sequence[float], high: Sequence[float], z: float = 0.0) -> bpy.types.Object:
        return plane(name, low, high, z, material(f"Paint {name}", painted(f"Base {name}")))

    def worn(self, obj: bpy.types.Object, level: float = 0.5) -> bpy.types.Object:
        age(self.addon, obj, self.path / "gallery", recipe(self.addon), level=level)
        return obj

    def run(self, *parts: dict[str, dict[str, Any]], out: str = "out", frames: int = 1) -> Any:
        save(self.path / "scene.blend")
        return self.again(*parts, out=out, frames=frames)

    def again(self, *parts: dict[str, dict[str, Any]], out: str = "out", frames: int = 1, **more: Any) -> Any:
        dataset = self.addon("blender.dataset")
        return dataset.run(dataset.Job(recipe(self.addon, *parts), self.path / out, frames, **more))

    def record(self, frame: int = 0, out: str = "out") -> dict[str, Any]:
        return record(self.path / out, frame)

    def seen(self, out: str = "out") -> dict[str, dict[str, Any]]:
        """The instances of the first frame by name."""
        return {each["name"]: each for each in self.record(out=out)["instances"]}

    def boxes(self, out: str = "out") -> dict[str, list[int]]:
        """Name -> visible box, of the first frame."""
        return {name: each["bbox"] for name, each in self.seen(out).items()}

    def picture(self, frame: int = 0, out: str = "out") -> np.ndarray:
        """H x W x 3, BGR."""
        return cv2.imread(str(self.path / out / "images" / "0000" / f"{frame:08d}.png"))


# --- jobs ------------------------------------------------------------------------------------------------------------


def render_layers(addon: Addon, settings: Any, tmp_path: Path) -> tuple[np.ndarray, Any]:
    """The open scene as a job would render it now: the picture (H x W x 3, bytes) and its label layers."""
    render, state = addon("blender.render"), addon("blender.state")
    scene, layer = bpy.context.scene, bpy.context.view_layer
    with state.Borrowed() as borrowed:
        render.configure(scene, layer, settings, "cpu", borrowed)
        picture, layers = render.render_frame(scene, layer, tmp_path)
    return decode_png(picture), layers


def decode_png(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]


def record(out: Path, frame: int = 0) -> dict[str, Any]:
    return json.loads((out / "records" / "0000" / f"{frame:08d}.json").read_text())


def files_of(out: Path, leave_out: Sequence[str] = ("log-",)) -> dict[str, bytes]:
    """Every file of a job's folder but its logs, by name."""
    return {
        str(p.relative_to(out)): p.read_bytes()
        for p in sorted(out.rglob("*"))
        if p.is_file() and not p.name.startswith(tuple(leave_out))
    }


def differing(first: dict[str, bytes], second: dict[str, bytes]) -> list[str]:
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def batch_command(*arguments: object) -> list[str]:
    return [sys.executable, str(BATCH), "--", *map(str, arguments)]


def batch(*arguments: object, timeout: float = 200, **more: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, as a plain checkout under the bpy module."""
    return subprocess.run(
        batch_command(*arguments), capture_output=True, text=True, timeout=timeout, env=plain_environment(), **more
    )


def plain_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "BLENDER_USER_RESOURCES"}


# --- snapshots -------------------------------------------------------------------------------------------------------

_SKIPPED = {
    "rna_type",
    "bl_rna",
    "session_uid",
    "is_evaluated",
    "original",
    "users",
    "is_dirty",
    "is_updated",
    "is_updated_data",
    "tag",
    "depsgraph",
    "id_data",
    "preview",
    "active_object",
    "bindcode",
    "has_data",
    "is_runtime_data",
    "evaluated_depsgraph",
}


def properties(owner: Any, depth: int = 3) -> dict[str, Any]:
    """Every RNA property of a struct as plain values; datablocks by name, structs of its own to some depth."""
    found: dict[str, Any] = {}
    for prop in owner.bl_rna.properties:
        if prop.identifier in _SKIPPED:
            continue
        try:
            value = getattr(owner, prop.identifier)
        except (AttributeError, RuntimeError, TypeError, ReferenceError) as error:
            found[prop.identifier] = type(error).__name__
            continue
        found[prop.identifier] = _plain(value, prop, depth)
    if isinstance(owner, bpy.types.ID):
        found["custom"] = {k: _custom(v) for k, v in owner.items() if k != "cycles"}
    return found


def _plain(value: Any, prop: Any, depth: int) -> Any:
    if prop.type == "POINTER":
        if value is None:
            return None
        if isinstance(value, bpy.types.ID) and not (isinstance(value, bpy.types.NodeTree) and value.is_embedded_data):
            return (type(value).__name__, value.name_full)
        if isinstance(value, bpy.types.NodeTree):
            return node_tree(value)
        return properties(value, depth - 1) if depth > 0 else type(value).__name__
    if prop.type == "COLLECTION":
        if isinstance(prop.fixed_type, bpy.types.ID):
            return [item.name_full if item else None for item in value]
        if len(value) > 64:
            return len(value)
        return [properties(item, depth - 1) if depth > 0 else getattr(item, "name", "") for item in value]
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, set):
        return sorted(value)
    try:
        return [list(row) if hasattr(row, "__len__") and not isinstance(row, str) else row for row in value]
    except TypeError:
        return str(value)


def _custom(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return {k: _custom(v) for k, v in value.items()}
    if isinstance(value, bpy.types.ID):
        return value.name_full
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def node_tree(tree: bpy.types.NodeTree) -> dict[str, Any]:
    """Nodes in their order with every property and socket, and links as a set: their order means nothing."""

    def node(each: bpy.types.Node) -> dict[str, Any]:
        about = {
            p.identifier: _plain(getattr(each, p.identifier), p, 1)
            for p in each.bl_rna.properties
            if p.identifier
            not in _SKIPPED
            | {"inputs", "outputs", "internal_links", "parent", "dimensions", "color_tag", "warning_propagation"}
        }
        for side in ("inputs", "outputs"):
            about[side] = [
                (s.identifier, s.enabled, s.hide, s.is_linked, _socket_value(s)) for s in getattr(each, side)
            ]
        if each.type == "R_LAYERS":  # Blender adds, reorders and hides its sockets with every change of pass or engine
            about["outputs"] = sorted(s[:4] for s in about["outputs"] if s[1])
        about["parent"] = each.parent.name if each.parent else None
        return about

    links = sorted(
        (k.from_node.name, k.from_socket.identifier, k.to_node.name, k.to_socket.identifier, k.is_muted, k.is_valid)
        for k in tree.links
    )
    return {
        "nodes": [node(each) for each in tree.nodes],
        "links": links,
        "active": tree.nodes.active.name if tree.nodes.active else None,
    }


def _socket_value(socket: bpy.types.NodeSocket) -> Any:
    value = getattr(socket, "default_value", None)
    if isinstance(value, bpy.types.ID):
        return value.name_full
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def snapshot() -> dict[str, Any]:
    """Everything that a job or a wear may touch, deep, of the open file."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    found: dict[str, Any] = {"bpy.data": {}}
    for prop in bpy.data.bl_rna.properties:
        if prop.type == "COLLECTION":
            found["bpy.data"][prop.identifier] = sorted(
                b.name_full for b in getattr(bpy.data, prop.identifier) if b.name != "Render Result"
            )
    found["scene"] = properties(scene, 1)
    for name in (
        "render",
        "cycles",
        "view_settings",
        "display_settings",
        "sequencer_colorspace_settings",
        "unit_settings",
    ):
        found[f"scene.{name}"] = properties(getattr(scene, name), 2)
    found["scene.image_settings"] = properties(scene.render.image_settings, 2)
    for place in (found["scene.image_settings"], found["scene.render"]["image_settings"]):
        del place["linear_colorspace_settings"]  # Blender fills in an empty name the first time the format changes
    for each in scene.view_layers:
        found[f"layer.{each.name}"] = properties(each, 2)
        found[f"layer.{each.name}.cycles"] = properties(each.cycles, 1)
    found["window layer"] = layer.name
    for obj in bpy.data.objects:
        found[f"object {obj.name}"] = properties(obj, 1)
        found[f"slots {obj.name}"] = [(s.link, s.material.name if s.material else None) for s in obj.material_slots]
    for mesh in bpy.data.meshes:
        found[f"mesh {mesh.name}"] = [(u.name, u.active, u.active_render) for u in mesh.uv_layers]
        found[f"mesh materials {mesh.name}"] = [m.name if m else None for m in mesh.materials]
    for collection, kind in (
        (bpy.data.materials, "material"),
        (bpy.data.worlds, "world"),
        (bpy.data.node_groups, "group"),
    ):
        for block in collection:
            found[f"{kind} {block.name}"] = properties(block, 1) if kind != "group" else node_tree(block)
            if kind != "group" and block.node_tree:
                found[f"{kind} tree {block.name}"] = node_tree(block.node_tree)
    for block in (*bpy.data.cameras, *bpy.data.lights):
        found[f"data {block.name}"] = properties(block, 1)
    for image in bpy.data.images:
        if image.name != "Render Result":
            found[f"image {image.name}"] = (
                image.filepath,
                image.source,
                tuple(image.size),
                image.colorspace_settings.name,
                bool(image.packed_file),
                image.is_dirty,
                image.users,
            )
    cycles = bpy.context.preferences.addons["cycles"].preferences
    found["preferences.cycles"] = cycles.compute_device_type
    return found


def changes(before: Any, after: Any, path: str = "") -> list[str]:
    """What differs between two snapshots, as paths."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for key in sorted({*before, *after}, key=str)
            for line in changes(before.get(key), after.get(key), f"{path}/{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            line for i, pair in enumerate(zip(before, after, strict=True)) for line in changes(*pair, f"{path}[{i}]")
        ]
    return [] if before == after or (before != before and after != after) else [f"{path}: {before!r} -> {after!r}"]
