"""The UV rasteriser against a brute-force reference, and the maps made with it."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon.errors import SynGenError
from syngen_addon.wear.mesh import MeshArrays
from syngen_addon.wear.rasterize import nearest_covered, rasterize
from syngen_addon.wear.surface import surface_maps


def brute(uvs, width, height):
    """Layers covering each texel centre and the lowest triangle, by testing every texel against every triangle."""
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    u, v = (column + 0.5) / width, 1 - (row + 0.5) / height
    layers, first = np.zeros((height, width), int), np.full((height, width), -1)
    for i, corners in enumerate(uvs.astype(np.float64)):
        for du in range(int(np.floor(corners[:, 0].min())), int(np.ceil(corners[:, 0].max())) + 1):
            for dv in range(int(np.floor(corners[:, 1].min())), int(np.ceil(corners[:, 1].max())) + 1):
                (ax, ay), (bx, by), (cx, cy) = corners
                x, y = u + du, v + dv
                e = np.stack([
                    (bx - ax) * (y - ay) - (by - ay) * (x - ax),
                    (cx - bx) * (y - by) - (cy - by) * (x - bx),
                    (ax - cx) * (y - cy) - (ay - cy) * (x - cx),
                ])  # fmt: skip
                inside = (e > 0).all(axis=0) | (e < 0).all(axis=0)
                layers += inside
                first[inside & (first < 0)] = i
    return layers, first


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12), spread=st.sampled_from([1.0, 3.0]))
def test_matches_brute_force_on_random_triangles(seed, count, spread):
    width, height = 37, 29
    rng = np.random.default_rng(seed)
    # Corners on the grid of subtexels, so that snapping changes nothing.
    grid = np.array([width * 256, height * 256])
    uvs = rng.integers(0, (grid * spread).astype(int), (count, 3, 2)) / grid - (spread - 1) / 2
    raster = rasterize(uvs, np.ones(count, np.float32), width, height)
    layers, first = brute(uvs, width, height)
    differs = raster.total != layers
    assert differs.sum() <= 2 * count  # centres exactly on an edge, which the reference leaves out
    same = ~differs
    assert (raster.triangle[same] == first[same]).all()


def test_weights_give_back_the_uvs():
    rng = np.random.default_rng(3)
    uvs = rng.uniform(0, 1, (1, 3, 2)).astype(np.float32)
    raster = rasterize(uvs, np.ones(1, np.float32), 200, 100)
    rows, columns = np.nonzero(raster.triangle == 0)
    w = raster.weights[rows, columns]
    got = uvs[0, 0] * (1 - w.sum(axis=1, keepdims=True)) + uvs[0, 1] * w[:, :1] + uvs[0, 2] * w[:, 1:]
    assert len(rows) > 100
    assert (w > -1e-5).all() and (w.sum(axis=1) < 1 + 1e-5).all()
    np.testing.assert_allclose(got[:, 0], (columns + 0.5) / 200, atol=0.5 / 200 / 100)
    np.testing.assert_allclose(got[:, 1], 1 - (rows + 0.5) / 100, atol=0.5 / 100 / 100)


@pytest.mark.parametrize("cells", [1, 7, 64])
def test_shared_edges_are_covered_exactly_once(cells):
    """A grid over the whole picture, its edges through texel centres for 64 cells."""
    x = (np.arange(cells + 1) / cells).astype(np.float32)
    u, v = np.meshgrid(x, x)
    p = np.stack([u, v], axis=-1)
    a, b, c, d = (q.reshape(-1, 2) for q in (p[:-1, :-1], p[:-1, 1:], p[1:, 1:], p[1:, :-1]))
    uvs = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, d, c], axis=1)]) + np.float32(0.5 / 64)
    total = rasterize(uvs, np.ones(len(uvs), np.float32), 64, 64).total
    assert (total == 1).all()


def test_wraps_outside_the_picture():
    uvs = np.array([[[0.1, 0.2], [0.7, 0.3], [0.4, 0.9]]])
    here = rasterize(uvs, np.ones(1, np.float32), 64, 32)
    there = rasterize(uvs + np.array([3.0, -2.0]), np.ones(1, np.float32), 64, 32)
    assert (here.triangle == there.triangle).all() and (here.triangle >= 0).any()
    across = rasterize(uvs + np.array([0.5, 0.0]), np.ones(1, np.float32), 64, 32)
    assert (across.triangle == np.roll(here.triangle, 32, axis=1)).all()


def test_overlaps_add_up_and_the_first_triangle_wins():
    uvs = np.array([[[0, 0], [1, 0], [0, 1]]] * 3, np.float32)
    raster = rasterize(uvs, np.array([1, 2, 4], np.float32), 16, 16)
    assert set(np.unique(raster.total)) == {0, 7}
    assert set(np.unique(raster.triangle)) == {-1, 0}


def test_endless_repetition_is_refused():
    with pytest.raises(SynGenError, match="repeats"):
        rasterize(np.array([[[0, 0], [100, 0], [0, 100]]], np.float32), np.ones(1, np.float32), 64, 64)


def test_nothing_to_draw():
    raster = rasterize(np.zeros((0, 3, 2), np.float32), np.zeros(0, np.float32), 8, 4)
    assert raster.triangle.shape == (4, 8) and (raster.triangle == -1).all()


def test_a_hundred_thousand_triangles_are_fast():
    n = 224
    x = np.linspace(0.001, 0.999, n + 1, dtype=np.float32)
    u, v = np.meshgrid(x, x)
    p = np.stack([u, v], axis=-1)
    a, b, c, d = (q.reshape(-1, 2) for q in (p[:-1, :-1], p[:-1, 1:], p[1:, 1:], p[1:, :-1]))
    uvs = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    start = time.process_time()
    raster = rasterize(uvs, np.ones(len(uvs), np.float32), 1024, 1024)
    assert len(uvs) > 100_000 and (raster.triangle >= 0).mean() > 0.99
    assert time.process_time() - start < 2


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_fill_takes_the_nearest_covered_texel(seed):
    rng = np.random.default_rng(seed)
    covered = rng.random((23, 31)) < 0.03
    covered[rng.integers(23), rng.integers(31)] = True
    index = nearest_covered(covered)
    assert covered.ravel()[index].all()
    assert (index.ravel()[covered.ravel()] == np.flatnonzero(covered)).all()
    rows, columns = np.indices(covered.shape)
    got = np.hypot(rows - index // 31, columns - index % 31)
    r, c = np.nonzero(covered)
    best = np.hypot(rows[..., None] - r, columns[..., None] - c).min(axis=2)
    assert (got <= best * 1.05 + 0.5).all()  # the 5 x 5 chamfer distance is good to 2 %


def sheet(width_m=2.0, height_m=1.0, scale_uv=1.0):
    vertices = np.array([[0, 0, 0], [width_m, 0, 0], [width_m, 0, height_m], [0, 0, height_m]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uvs = (np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * scale_uv)[triangles]
    return MeshArrays(vertices, triangles, uvs, np.zeros(2, np.int32))


def test_surface_maps_of_a_sheet():
    maps = surface_maps(sheet(), 0, 40, 20)
    assert maps.covered.all()
    columns, rows = np.meshgrid(np.arange(40), np.arange(20))
    np.testing.assert_allclose(maps.position_m[..., 0], (columns + 0.5) / 40 * 2, atol=1e-5)
    np.testing.assert_allclose(maps.position_m[..., 2], 1 - (rows + 0.5) / 20, atol=1e-5)
    np.testing.assert_allclose(maps.normal, np.broadcast_to([0, -1, 0], (20, 40, 3)), atol=1e-6)
    np.testing.assert_allclose(maps.texel_area_m2, 2 / 800, rtol=1e-5)


def test_surface_maps_fill_the_rest_and_leave_its_area_zero():
    maps = surface_maps(sheet(scale_uv=0.5), 0, 64, 64)
    assert maps.covered.sum() == 32 * 32
    assert (maps.texel_area_m2[~maps.covered] == 0).all()
    np.testing.assert_allclose(maps.position_m[0, 10], maps.position_m[32, 10])  # straight up from the island's top row
    assert np.isfinite(maps.position_m).all()
    np.testing.assert_allclose(np.linalg.norm(maps.normal, axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(maps.texel_area_m2.sum(), 2, rtol=1e-4)


def test_a_slot_without_texels_is_refused():
    with pytest.raises(SynGenError, match="covers no texel"):
        surface_maps(sheet(), 1, 16, 16)


def test_smooth_below_forty_degrees_flat_above():
    """A strip bent by 30 degrees is shaded smoothly, one bent by 60 is not."""
    for bend_deg, smooth in ((30, True), (60, False)):
        angle = np.radians(bend_deg)
        far = [1 + np.cos(angle), 0, np.sin(angle)]
        vertices = np.array([[0, 0, 0], [1, 0, 0], far, [0, 1, 0], [1, 1, 0], [far[0], 1, far[2]]], np.float32)
        triangles = np.array([[0, 1, 4], [0, 4, 3], [1, 2, 5], [1, 5, 4]], np.int32)
        uvs = (vertices[:, :2] / [2, 1]).astype(np.float32)[triangles]
        maps = surface_maps(MeshArrays(vertices, triangles, uvs, np.zeros(4, np.int32)), 0, 64, 32)
        at_bend = maps.normal[16, 31]
        expected = angle / 2 if smooth else 0
        assert np.arccos(at_bend[2]) == pytest.approx(expected, abs=0.03)
