"""The onset map: exact coverage, growth, no seams, bad meshes, same input same bytes."""

import dataclasses
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syngen_addon.kinds import KINDS
from syngen_addon.presets import PRESETS
from syngen_addon.recipe import Causes, Onset, Recipe, onset_of
from syngen_addon.wear import noise
from syngen_addon.wear import onset as made
from syngen_addon.wear.field import Field, Shape
from syngen_addon.wear.mesh import MeshArrays, edge_table, subdivide, weld
from syngen_addon.wear.onset import NEVER
from syngen_addon.wear.rasterize import Raster
from syngen_addon.wear.surface import surface_maps
from tests.pure.gltf import load_gltf
from tests.pure.shapes import (
    border_steps,
    box,
    coverage,
    cylinder,
    machine,
    mesh_of,
    sphere,
    square,
)  # fmt: skip

MODELS = Path(os.environ.get("SYNGEN_TEST_ASSETS", "")) / "objects"
real = pytest.mark.skipif(not (MODELS / "Barrel_01").is_dir(), reason="SYNGEN_TEST_ASSETS names no models")

LEVELS = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
CAUSES = ("spread", "edge", "cavity", "contact", "drips", "splash", "rain", "welds", "damage")
NOTHING = dict.fromkeys(CAUSES, 0.0) | {"scale_m": 0.1}


@pytest.fixture
def coarse(monkeypatch):
    """A working mesh of a tenth of the triangles, where the test is not about causes."""
    monkeypatch.setattr(made, "FINENESS", 36)
    monkeypatch.setattr(made, "LONGEST_M", 1.0)


@pytest.fixture
def small_noise(monkeypatch):
    """An eighth of the noise's values, where the test is about levels, which hold whatever the noise is."""
    monkeypatch.setattr(noise, "SIDE", 64)


def onset_maps(*arguments, **named):
    """The onset alone, slot -> H x W."""
    return {slot: maps.onset for slot, maps in made.onset_maps(*arguments, **named).items()}


MESHES = {
    "cube": (box(), {0: (512, 512)}),
    "flat box": (box((2.0, 0.1, 0.5)), {0: (512, 256)}),
    "cylinder": (cylinder(), {0: (512, 512)}),
    "sphere": (sphere(), {0: (256, 256)}),
    "three slots": (box(slots=(0, 1, 1, 2, 2, 0)), {0: (256, 256), 1: (512, 128), 2: (128, 256)}),
}


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("name", MESHES)
def test_level_is_the_worn_share_of_the_surface(name):
    mesh, sizes = MESHES[name]
    maps = onset_maps(mesh, Onset(), sizes, np.random.default_rng(1))
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS), LEVELS, atol=0.01)
    for slot, (width, height) in sizes.items():
        assert maps[slot].shape == (height, width) and maps[slot].dtype == np.float32
        assert maps[slot].min() > 0 and maps[slot].max() <= 1


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    causes=st.tuples(*[st.sampled_from([0.0, 0.3, 1.0])] * len(CAUSES)), scale=st.sampled_from([1e-4, 0.05, 1000.0]),
    seed=st.integers(0, 99), up=st.sampled_from([(0, 0, 1), (0, -1, 0), (3, 0, 0)]),
)  # fmt: skip
def test_level_is_exact_whatever_the_causes(coarse, causes, scale, seed, up):
    mesh, sizes = MESHES["three slots"]
    maps = onset_maps(mesh, Onset(*causes, scale), sizes, np.random.default_rng(seed), up=up)
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS, count=100_000), LEVELS, atol=0.012)


@pytest.mark.usefixtures("coarse")
def test_protected_texels_never_wear_and_do_not_count():
    mesh, sizes = MESHES["three slots"]
    protect = {1: np.zeros((128, 512), bool)}
    protect[1][20:70, 180:300] = True  # reaches beyond the island
    maps = onset_maps(mesh, Onset(), sizes, np.random.default_rng(1), protect=protect)
    assert (maps[1][protect[1]] == NEVER).all()
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS, protect), LEVELS, atol=0.012)


@pytest.mark.usefixtures("coarse")
def test_left_out_slots_do_not_count():
    mesh, _ = MESHES["three slots"]
    maps = onset_maps(mesh, Onset(), {1: (256, 256)}, np.random.default_rng(1))
    assert list(maps) == [1]
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS), LEVELS, atol=0.01)


@pytest.mark.usefixtures("coarse")
def test_everything_protected_or_nothing_covered():
    mesh = box()
    rng = np.random.default_rng(0)
    assert (onset_maps(mesh, Onset(), {0: (64, 64)}, rng, protect={0: np.ones((64, 64), bool)})[0] == NEVER).all()
    maps = onset_maps(mesh, Onset(), {0: (64, 64), 7: (32, 16)}, rng)
    assert (maps[7] == NEVER).all() and maps[7].shape == (16, 32) and (maps[0] <= 1).all()


@pytest.mark.usefixtures("coarse")
def test_shared_uvs_count_with_all_their_area():
    """Two squares, the second twice as high, on the same UVs, beside a third on its own."""
    whole, half = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
    mesh = mesh_of([
        (square((0, 0, 0), (1, 0, 0), (0, 0, 1)), whole, 0), (square((2, 0, 0), (1, 0, 0), (0, 0, 2)), whole, 0),
        (square((4, 0, 0), (1, 0, 0), (0, 0, 1)), half, 0),
    ])  # fmt: skip
    maps = onset_maps(mesh, Onset(), {0: (256, 256)}, np.random.default_rng(0))
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS), LEVELS, atol=0.01)


@pytest.mark.usefixtures("coarse")
def test_uvs_outside_the_picture_wrap():
    mesh = box()
    moved = MeshArrays(mesh.vertices, mesh.triangles, mesh.uvs + np.float32([2, -1]), mesh.slots)
    here, there = (onset_maps(m, Onset(), {0: (128, 128)}, np.random.default_rng(0))[0] for m in (mesh, moved))
    assert np.mean(np.abs(here - there) > 1e-3) < 0.02  # float32 UVs are coarser further out


@pytest.mark.usefixtures("coarse")
def test_same_input_same_bytes_another_seed_another_map():
    mesh, sizes = MESHES["three slots"]
    a, b, c = (onset_maps(mesh, Onset(), sizes, np.random.default_rng(s)) for s in (5, 5, 6))
    for slot in sizes:
        assert a[slot].tobytes() == b[slot].tobytes()
        assert np.abs(a[slot] - c[slot]).mean() > 0.05


@pytest.mark.usefixtures("coarse")
def test_a_ground_serves_many_maps_and_none_changes_it():
    mesh, sizes = MESHES["three slots"]
    protect = {1: np.zeros((128, 512), bool)}
    protect[1][20:70, 180:300] = True
    damage = {0: np.random.default_rng(0).random((256, 256)).astype(np.float32)}
    ground = made.prepare(mesh, sizes, up=(0, -1, 0))
    everything = Onset(**dict.fromkeys(CAUSES, 0.5))
    cases = [(Onset(), 1, {}), (everything, 2, {"protect": protect, "damage": damage}), (Onset(drips=1.0), 1, {})]
    for onset, seed, more in cases:
        maps = made.maps_on(ground, onset, np.random.default_rng(seed), **more)
        alone = made.onset_maps(mesh, onset, sizes, np.random.default_rng(seed), up=(0, -1, 0), **more)
        for slot in sizes:
            for what in ("onset", "runoff", "fade"):
                assert getattr(maps[slot], what).tobytes() == getattr(alone[slot], what).tobytes()


@pytest.mark.usefixtures("coarse")
def test_the_margin_repeats_the_border():
    mesh = box()
    onset = onset_maps(mesh, Onset(), {0: (256, 256)}, np.random.default_rng(0))[0]
    # The first island ends at u = 0.32, in column 81; up to the next one there are 6 texels of margin.
    edge, beyond = onset[135:250, 81], onset[135:250, 84]
    assert np.mean(edge == beyond) > 0.9


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("preset", ["none", *PRESETS])
def test_level_is_exact_for_every_preset_and_kind(small_noise, preset):
    mesh = machine()
    ground = made.prepare(mesh, {0: (256, 256)})
    for kind in KINDS.values():
        onset = onset_of(kind, Recipe(causes=Causes(preset=preset)))
        maps = {0: made.maps_on(ground, onset, np.random.default_rng(1))[0].onset}
        np.testing.assert_allclose(coverage(mesh, maps, LEVELS, count=200_000), LEVELS, atol=0.01, err_msg=kind.name)


@real
@pytest.mark.parametrize(
    ("name", "preset"),
    [("Barrel_01", "light_use"), ("metal_toolbox", "abandoned"), ("worn_metal_rack", "light_use")],
)
def test_level_is_exact_on_real_models(small_noise, name, preset):
    mesh = load_gltf(MODELS / name / f"{name}_1k.gltf")
    onset = onset_of(KINDS["heavy_rust"], Recipe(causes=Causes(preset=preset)))
    maps = onset_maps(mesh, onset, {0: (1024, 1024)}, np.random.default_rng(1))
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS, count=200_000), LEVELS, atol=0.01)


def borders_of(working):
    """The two sides of every border edge of every UV island: (triangles, weights of corners 1 and 2) a side."""
    _, of_triangle = edge_table(working.triangles)
    order = np.argsort(of_triangle.ravel(), kind="stable")
    edge = of_triangle.ravel()[order]
    next_to = np.flatnonzero(edge[1:] == edge[:-1])
    sides = []
    along = np.random.default_rng(0).uniform(0, 1, len(next_to))
    for corner in (order[next_to], order[next_to + 1]):
        tri, i = corner // 3, corner % 3
        turned = working.triangles[tri, i] > working.triangles[tri, (i + 1) % 3]
        t = np.where(turned, 1 - along, along)
        weight = np.zeros((len(tri), 3), np.float32)
        weight[np.arange(len(tri)), i] = 1 - t
        weight[np.arange(len(tri)), (i + 1) % 3] = t
        uv = (working.uvs[tri] * weight[..., None]).sum(axis=1)
        sides.append((tri, weight[:, 1:], uv))
    apart = np.abs(sides[0][2] - sides[1][2]).max(axis=1) > 1e-4
    return [(tri[apart], weight[apart]) for tri, weight, _ in sides]


@pytest.mark.parametrize("name", ["machine", *(pytest.param(n, marks=real) for n in ("Barrel_01", "metal_toolbox"))])
def test_no_seam_at_any_border_edge_of_any_island(name):
    """Before it is put into texels, what ranks them is the same from both sides, at a point of every border edge."""
    mesh = machine() if name == "machine" else load_gltf(MODELS / name / f"{name}_1k.gltf")
    everything = Onset(**dict.fromkeys(CAUSES, 0.7))
    welded = weld(mesh)
    working = subdivide(welded, np.linalg.norm(np.ptp(welded.vertices, axis=0)) / 60, 100_000)
    field = Field(Shape(working, np.array([0.0, 0, 1])), everything, 0.002, np.random.default_rng(4))
    sides = borders_of(working)
    count = len(sides[0][0])
    assert count > 500
    level = np.random.default_rng(0).uniform(0, 2, len(working.vertices))
    seen = []
    for tri, weight in sides:
        raster = Raster(tri[None].astype(np.int32), weight[None], np.ones((1, count), np.float32))
        scores = field.scores(raster, np.arange(count), working.triangles)
        runoff = field.runoff(raster, np.arange(count), working.triangles, level)
        seen.append((scores, np.minimum(runoff, 1.5)))
    for one, other in zip(*seen, strict=True):
        assert np.abs(one - other).max() < 0.01 * one.std() + 1e-3


def test_texels_that_meet_at_a_border_are_as_alike_as_neighbours():
    """In the picture: across a border no more differs than between two texels inside an island, as far apart."""
    mesh = machine()
    size = 1024
    onset = onset_maps(mesh, Onset(), {0: (size, size)}, np.random.default_rng(2))[0]
    surface = surface_maps(mesh, 0, size, size)
    place, covered = surface.position_m, surface.covered
    one, other, _ = border_steps(mesh, {0: onset})
    where = [border_steps(mesh, {0: place[..., i]})[:2] for i in range(3)]
    far = np.sqrt(sum((a - b) ** 2 for a, b in where))
    good = np.isfinite(one + other + far)
    across, far = np.abs(one - other)[good], far[good]
    assert good.sum() > 1000
    # Steps inside islands of one to six texels, by the distance that they are in the world.
    steps, distances = [], []
    for shift in (1, 2, 3, 4, 6):
        both = covered[:, shift:] & covered[:, :-shift]
        moved = np.linalg.norm(place[:, shift:] - place[:, :-shift], axis=-1)[both]
        change = np.abs(onset[:, shift:] - onset[:, :-shift])[both]
        same = moved < 1.5 * np.median(moved)  # not from one island into the next
        steps.append(change[same])
        distances.append(moved[same])
    steps, distances = np.concatenate(steps), np.concatenate(distances)
    bins = np.quantile(far, np.linspace(0, 1, 9))
    for a, b in itertools.pairwise(bins):
        inside = steps[(distances >= a) & (distances <= b)]
        if len(inside) > 200:
            assert np.median(across[(far >= a) & (far <= b)]) < 1.5 * np.median(inside) + 0.01


def test_what_is_worn_stays_worn():
    """Texel by texel: the mask of a level holds that of every lower one, and so do stains; softened masks too."""
    maps = made.onset_maps(machine(), Onset(drips=1.0), {0: (256, 256)}, np.random.default_rng(1))[0]
    for kind in (maps.onset, maps.runoff):
        assert np.isfinite(kind).all() and (kind > 0).all() and ((kind <= 1) | (kind == NEVER)).all()
        worn = np.stack([kind < level for level in np.linspace(0, 1, 101)])
        assert not (worn[:-1] & ~worn[1:]).any() and not worn[0].any()


@pytest.mark.usefixtures("coarse")
def test_protected_texels_fade_as_their_surroundings_wear():
    mesh, sizes = MESHES["three slots"]
    protect = {1: np.zeros((128, 512), bool)}
    protect[1][20:70, 180:300] = True
    free, kept = (
        made.onset_maps(mesh, Onset(drips=1.0), sizes, np.random.default_rng(1), protect=p) for p in (None, protect)
    )
    for slot, maps in kept.items():
        mask = protect.get(slot, np.zeros_like(maps.onset, bool))
        assert (maps.fade[~mask] == NEVER).all() and (maps.onset[mask] == NEVER).all()
        assert (maps.runoff[mask] == NEVER).all()
        assert (free[slot].fade == NEVER).all()
    fade, alone = kept[1].fade[protect[1]], free[1].onset[protect[1]]
    assert np.abs(fade - alone).max() < 0.05, "its rank among the others is about that of all"
    all_safe = {slot: np.ones(sizes[slot][::-1], bool) for slot in sizes}
    safe = made.onset_maps(mesh, Onset(), sizes, np.random.default_rng(1), protect=all_safe)
    assert 0.1 < np.median(np.concatenate([m.fade.ravel() for m in safe.values()])) < 0.9


def changed(mesh, **new):
    return dataclasses.replace(mesh, **new)


@pytest.mark.usefixtures("coarse")
def test_flipped_normals_wear_as_right_ones_do():
    mesh = machine()
    turn = np.ones(len(mesh.triangles), bool)
    some = np.random.default_rng(0).random(len(turn)) < 0.3
    right = onset_maps(mesh, Onset(), {0: (256, 256)}, np.random.default_rng(1))[0]
    for which in (turn, some):
        tri, uv = mesh.triangles.copy(), mesh.uvs.copy()
        tri[which], uv[which] = tri[which][:, ::-1], uv[which][:, ::-1]
        wrong = onset_maps(changed(mesh, triangles=tri, uvs=uv), Onset(), {0: (256, 256)}, np.random.default_rng(1))[0]
        assert np.mean(np.abs(right - wrong) > 0.02) < 0.03


@pytest.mark.usefixtures("coarse")
def test_mirrored_and_stacked_uvs_and_negative_scale():
    mesh = machine()
    rng = np.random.default_rng(0)
    mirrored = changed(mesh, uvs=mesh.uvs * np.float32([-1, 1]) + np.float32([1, 0]))
    scaled = changed(mesh, vertices=mesh.vertices * np.float32([-1, 1, 1]))
    twice = mesh_of([(square((3 * i, 0, 0), (1, 0, 0), (0, 0, 1)), (0.1, 0.1, 0.9, 0.9), 0) for i in range(3)])
    halves = [(0.1, 0.1, 0.9, 0.9), (0.9, 0.1, 0.1, 0.9)]  # one on the other, the second mirrored
    mirror = mesh_of([(square((i, 0, 0), (1, 0, 0), (0, 0, 1)), uv, 0) for i, uv in enumerate(halves)])
    for case in (mirrored, scaled, twice, mirror):
        maps = onset_maps(case, Onset(), {0: (256, 256)}, rng)
        np.testing.assert_allclose(coverage(case, maps, LEVELS, count=100_000), LEVELS, atol=0.01)


@pytest.mark.usefixtures("coarse")
def test_edges_of_many_faces_and_faces_of_no_area():
    """Three sheets that share an edge, a triangle counted twice, and slivers: finite, and exact as ever."""
    third = np.pi * 2 / 3
    fan = [
        (square((0, 0, 0), (np.cos(a), np.sin(a), 0), (0, 0, 1)), (i / 3 + 0.01, 0.01, i / 3 + 0.32, 0.99), 0)
        for i, a in enumerate((0, third, 2 * third))
    ]
    mesh = mesh_of(fan)
    triangles = np.concatenate([mesh.triangles, mesh.triangles[:1], [[0, 0, 1], [0, 1, 0]]]).astype(np.int32)
    uvs = np.concatenate([mesh.uvs, mesh.uvs[:1], np.zeros((2, 3, 2), np.float32)])
    bad = MeshArrays(mesh.vertices, triangles, uvs, np.zeros(len(triangles), np.int32))
    maps = onset_maps(bad, Onset(**dict.fromkeys(CAUSES, 0.5)), {0: (256, 256)}, np.random.default_rng(0))
    assert np.isfinite(maps[0]).all()
    np.testing.assert_allclose(coverage(bad, maps, LEVELS, count=100_000), LEVELS, atol=0.01)


def test_a_mesh_that_is_fine_already_is_taken_as_it_is():
    mesh = sphere(160)
    assert len(mesh.triangles) > 100_000
    maps = onset_maps(mesh, Onset(), {0: (256, 256)}, np.random.default_rng(0))
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS, count=100_000), LEVELS, atol=0.01)


@pytest.mark.usefixtures("coarse")
def test_moving_the_object_leaves_its_pattern():
    mesh = box()
    moved = MeshArrays(mesh.vertices + np.float32([16, -8, 4]), mesh.triangles, mesh.uvs, mesh.slots)
    here, there = (onset_maps(m, Onset(), {0: (128, 128)}, np.random.default_rng(0))[0] for m in (mesh, moved))
    assert np.mean(np.abs(here - there) > 1e-2) < 0.01


@pytest.mark.usefixtures("coarse")
def test_odd_meshes_do_not_break():
    """Degenerate and doubled triangles, one triangle alone, a far away origin, a tiny object."""
    one = MeshArrays(
        np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0], [5, 5, 5]], np.float32),
        np.array([[0, 1, 2], [0, 1, 3], [0, 1, 2], [0, 2, 1]], np.int32),
        np.array([[[0, 0], [1, 0], [0, 1]]] * 4, np.float32), np.zeros(4, np.int32),
    )  # fmt: skip
    mesh = box(n=5)
    for case in (
        one, MeshArrays(mesh.vertices * np.float32(1e-3), mesh.triangles, mesh.uvs, mesh.slots),
        MeshArrays(mesh.vertices + np.float32(1000), mesh.triangles, mesh.uvs, mesh.slots),
    ):  # fmt: skip
        onset = onset_maps(case, Onset(), {0: (64, 64)}, np.random.default_rng(0))[0]
        assert np.isfinite(onset).all() and onset.min() > 0 and onset.max() <= 1 and onset.std() > 0.1
