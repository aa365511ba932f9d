"""The demo scene: its objects, their layouts and their textures. Runs under the bpy wheel."""

from pathlib import Path

import bpy
import numpy as np
import pytest

from examples import demo_scene
from examples.demo_objects import THINGS

SIZES_M = {"GasCylinder": (0.32, 0.32, 1.22), "StorageTank": (2.3, 1.6, 3.3), "PipeRun": (2.74, 0.38, 1.79)}
NAMES = list(SIZES_M)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The saved scene, opened again, as everyone else gets it."""
    target = demo_scene.build(tmp_path_factory.mktemp("demo") / "deep" / "demo.blend")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(target))
    return target


def base_texture(name: str) -> bpy.types.Image:
    """The image that feeds Base Color of the object's first slot."""
    tree = bpy.data.objects[name].material_slots[0].material.node_tree
    shader = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
    return shader.inputs["Base Color"].links[0].from_node.image


def corners(name: str) -> tuple[np.ndarray, np.ndarray]:
    """UV triangles (T, 3, 2) of an object and their areas in space."""
    mesh = bpy.data.objects[name].data
    mesh.calc_loop_triangles()
    uv = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", uv)
    loops, area = np.empty(len(mesh.loop_triangles) * 3, np.int32), np.empty(len(mesh.loop_triangles), np.float32)
    mesh.loop_triangles.foreach_get("loops", loops)
    mesh.loop_triangles.foreach_get("area", area)
    return uv.reshape(-1, 2)[loops].reshape(-1, 3, 2).astype(float), area.astype(float)


@pytest.mark.parametrize("name", NAMES)
def test_each_object_has_its_size_and_stands_on_the_ground(scene: Path, name: str) -> None:
    obj = bpy.data.objects[name]
    assert np.allclose(obj.dimensions, SIZES_M[name], rtol=0.05)
    lowest = min(corner[2] for corner in obj.bound_box)
    assert abs(lowest) < 0.005
    assert {t.name for t in THINGS} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_meshes_are_light_and_sound(scene: Path, name: str) -> None:
    _, area = corners(name)
    assert 10_000 < len(area) < 60_000
    assert (area > 0).mean() > 0.999
    assert not bpy.data.objects[name].data.validate(verbose=False)


@pytest.mark.parametrize("name", NAMES)
def test_normals_point_outwards(scene: Path, name: str) -> None:
    """The signed volume of a body whose faces look outwards is positive, and close to that of its convex parts."""
    mesh = bpy.data.objects[name].data
    points = np.array([v.co[:] for v in mesh.vertices])
    index = np.array([t.vertices[:] for t in mesh.loop_triangles])
    a, b, c = (points[index[:, k]] for k in range(3))
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 > 0.01
    smooth = np.array([n.vector[:] for n in mesh.corner_normals])[np.array([t.loops[0] for t in mesh.loop_triangles])]
    flat = np.cross(b - a, c - a)
    assert (np.einsum("ij,ij->i", smooth, flat) >= 0).mean() > 0.999


@pytest.mark.parametrize("name", NAMES)
def test_uvs_fill_the_atlas_without_overlap(scene: Path, name: str) -> None:
    uv, _ = corners(name)
    assert uv.min() >= 0 and uv.max() <= 1
    edge1, edge2 = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    assert np.abs(edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]).sum() / 2 > 0.55
    size = 2048
    hits = np.zeros((size, size), np.uint8)
    for triangle in uv * size - 0.5:  # a texel's middle lies at its whole numbers
        low, high = np.ceil(triangle.min(axis=0)).astype(int), np.floor(triangle.max(axis=0)).astype(int)
        if (high < low).any():
            continue
        x, y = np.arange(low[0], high[0] + 1)[None], np.arange(low[1], high[1] + 1)[:, None]
        sides = []
        for k in range(3):
            (ax, ay), (bx, by) = triangle[k], triangle[(k + 1) % 3]
            sides.append((bx - ax) * (y - ay) - (by - ay) * (x - ax))
        # Strictly inside: a middle on a shared edge belongs to neither.
        inside = (np.minimum.reduce(sides) > 1e-3) | (np.maximum.reduce(sides) < -1e-3)
        hits[low[1] : high[1] + 1, low[0] : high[0] + 1] += inside
    assert hits.max() == 1, f"{(hits > 1).sum()} texels lie under two triangles"


@pytest.mark.parametrize("name", NAMES)
def test_texel_density_is_even(scene: Path, name: str) -> None:
    uv, area = corners(name)
    edge1, edge2 = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    in_uv = np.abs(edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]) / 2
    density = np.sqrt(in_uv / np.maximum(area, 1e-12))
    middle = np.median(np.repeat(density, np.maximum(1, (area * 1e5).astype(int))))
    uneven = area[(density < 0.6 * middle) | (density > 1.7 * middle)].sum()
    assert uneven < 0.06 * area.sum()


@pytest.mark.parametrize("name", NAMES)
def test_base_textures_are_packed_paint(scene: Path, name: str) -> None:
    image = base_texture(name)
    assert image.packed_file is not None and not image.is_dirty
    assert tuple(image.size) in {(1024, 1024), (2048, 2048)}
    assert image.colorspace_settings.name == "sRGB"
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    assert pixels.reshape(-1, 4)[:, :3].std(axis=0).min() > 0.05


def test_the_scene_has_its_own_camera_sun_and_sky(scene: Path) -> None:
    current = bpy.context.scene
    assert current.camera is not None and current.world.node_tree is not None
    assert [o.type for o in current.objects].count("LIGHT") == 1
    assert all(i.packed_file for i in bpy.data.images if i.source == "FILE")


def test_paint_and_layout_come_out_the_same_again(scene: Path) -> None:
    """A second painting, in the same process, after everything else has run; 8-bit values as saved."""
    thing = THINGS[0]
    part, uv, picture = demo_scene.atlas(thing, 0)
    image = base_texture(thing.name)
    saved = np.empty((image.size[1], image.size[0], 4), np.float32)
    image.pixels.foreach_get(saved.ravel())
    assert np.array_equal(np.round(saved[::-1, :, :3] * 255), np.round(picture * 255))
    again = demo_scene.atlas(thing, 0)
    assert np.array_equal(uv, again[1]) and np.array_equal(picture, again[2]) and part.vertices == again[0].vertices
