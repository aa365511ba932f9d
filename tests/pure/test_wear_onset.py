"""The onset map: exact coverage, no seams, causes where they belong, same input same bytes."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon.recipe import Onset
from syngen_addon.wear import onset as made
from syngen_addon.wear.mesh import MeshArrays, weld
from syngen_addon.wear.onset import NEVER

LEVELS = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
CAUSES = ("spread", "edge", "cavity", "contact", "drips", "splash", "rain", "welds", "damage")
NOTHING = dict.fromkeys(CAUSES, 0.0) | {"scale_m": 0.1}


def onset_maps(*arguments, **named):
    """The onset alone, slot -> H x W."""
    return {slot: maps.onset for slot, maps in made.onset_maps(*arguments, **named).items()}


def mesh_of(patches):
    """Patches (grid of points n x m x 3, box of UVs (u0, v0, u1, v1), slot) as one mesh without shared vertices.

    The normal points along (next column) x (next row).
    """
    vertices, triangles, uvs, slots, base = [], [], [], [], 0
    for points, (u0, v0, u1, v1), slot in patches:
        n, m = points.shape[:2]
        grid = base + np.arange(n * m).reshape(n, m)
        a, b, c, d = (q.ravel() for q in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]))
        own = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
        v, u = np.meshgrid(np.linspace(v0, v1, n), np.linspace(u0, u1, m), indexing="ij")
        uv = np.stack([u, v], axis=-1).reshape(-1, 2)
        vertices.append(points.reshape(-1, 3))
        triangles.append(own)
        uvs.append(uv[own - base])
        slots.append(np.full(len(own), slot))
        base += n * m
    return MeshArrays(
        np.concatenate(vertices).astype(np.float32), np.concatenate(triangles).astype(np.int32),
        np.concatenate(uvs).astype(np.float32), np.concatenate(slots).astype(np.int32),
    )  # fmt: skip


def square(corner, along, across, n=2):
    t = np.linspace(0, 1, n)
    return np.asarray(corner) + t[None, :, None] * np.asarray(along) + t[:, None, None] * np.asarray(across)


def box(size=(1.0, 1.0, 1.0), slots=(0,) * 6, n=2):
    """Six islands of their own, 3 x 2 in the picture: -Y, +X, +Y, -X, top, bottom."""
    x, y, z = size
    faces = [
        square((0, 0, 0), (x, 0, 0), (0, 0, z), n), square((x, 0, 0), (0, y, 0), (0, 0, z), n),
        square((x, y, 0), (-x, 0, 0), (0, 0, z), n), square((0, y, 0), (0, -y, 0), (0, 0, z), n),
        square((0, 0, z), (x, 0, 0), (0, y, 0), n), square((0, y, 0), (x, 0, 0), (0, -y, 0), n),
    ]  # fmt: skip
    boxes = [(i % 3 / 3 + 0.01, i // 3 / 2 + 0.01, i % 3 / 3 + 0.32, i // 3 / 2 + 0.49) for i in range(6)]
    return mesh_of(list(zip(faces, boxes, slots, strict=True)))


def cylinder(segments=48, rows=7):
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    rim = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) * 0.3
    side = rim[None] + np.linspace(0, 1, rows)[:, None, None] * [0, 0, 1]
    cap = rim[None] * np.array([1, 0.5, 1e-3])[:, None, None]
    # Caps laid out as strips (angle by radius), split from the side.
    return mesh_of([
        (side, (0.02, 0.02, 0.98, 0.6), 0),
        (cap + np.array([0, 0, 1]), (0.02, 0.64, 0.98, 0.78), 0),
        (cap[::-1], (0.02, 0.82, 0.98, 0.96), 0),
    ])  # fmt: skip


def sphere(n=40):
    theta, phi = np.meshgrid(np.linspace(0.01, np.pi - 0.01, n), np.linspace(0, 2 * np.pi, 2 * n), indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), -np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    return mesh_of([(points, (0.02, 0.02, 0.98, 0.98), 0)])


def look_up(maps, slot, uv):
    height, width = maps[slot].shape
    rows, columns = ((1 - uv[:, 1]) * height).astype(int) % height, (uv[:, 0] * width).astype(int) % width
    return maps[slot][rows, columns]


def samples(mesh, count, seed=0):
    """Random points spread evenly over the world area: (position, uv, slot, triangle)."""
    rng = np.random.default_rng(seed)
    p = mesh.vertices.astype(np.float64)[mesh.triangles]
    area = np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1)
    tri = rng.choice(len(area), count, p=area / area.sum())
    w = rng.dirichlet((1, 1, 1), count)[..., None]
    return (p[tri] * w).sum(axis=1), (mesh.uvs[tri] * w).sum(axis=1), mesh.slots[tri], tri


MESHES = {
    "cube": (box(), {0: (512, 512)}),
    "flat box": (box((2.0, 0.1, 0.5)), {0: (512, 256)}),
    "cylinder": (cylinder(), {0: (512, 512)}),
    "sphere": (sphere(), {0: (256, 256)}),
    "three slots": (box(slots=(0, 1, 1, 2, 2, 0)), {0: (256, 256), 1: (512, 128), 2: (128, 256)}),
}


def coverage(mesh, maps, levels, protect=None, count=300_000):
    """Shares of the unprotected world area with onset < level, by random points: no code shared with the product."""
    _, uv, slot, _ = samples(mesh, count)
    onset, counted = np.empty(count, np.float32), np.isin(slot, list(maps))
    for s in maps:
        own = slot == s
        onset[own] = look_up(maps, s, uv[own])
        if protect and s in protect:
            counted[own] &= ~look_up(protect, s, uv[own])
    return [float((onset[counted] < level).mean()) for level in levels]


@pytest.mark.parametrize("name", MESHES)
def test_level_is_the_worn_share_of_the_surface(name):
    mesh, sizes = MESHES[name]
    maps = onset_maps(mesh, Onset(), sizes, np.random.default_rng(1))
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS), LEVELS, atol=0.01)
    for slot, (width, height) in sizes.items():
        assert maps[slot].shape == (height, width) and maps[slot].dtype == np.float32
        assert maps[slot].min() > 0 and maps[slot].max() <= 1


@settings(max_examples=3, deadline=None)
@given(
    causes=st.tuples(*[st.sampled_from([0.0, 0.3, 1.0])] * len(CAUSES)), scale=st.sampled_from([1e-4, 0.05, 1000.0]),
    seed=st.integers(0, 99), up=st.sampled_from([(0, 0, 1), (0, -1, 0), (3, 0, 0)]),
)  # fmt: skip
def test_level_is_exact_whatever_the_causes(causes, scale, seed, up):
    mesh, sizes = MESHES["three slots"]
    maps = onset_maps(mesh, Onset(*causes, scale), sizes, np.random.default_rng(seed), up=up)
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS, count=100_000), LEVELS, atol=0.012)


def test_protected_texels_never_wear_and_do_not_count():
    mesh, sizes = MESHES["three slots"]
    protect = {1: np.zeros((128, 512), bool)}
    protect[1][20:70, 180:300] = True  # reaches beyond the island
    maps = onset_maps(mesh, Onset(), sizes, np.random.default_rng(1), protect=protect)
    assert (maps[1][protect[1]] == NEVER).all()
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS, protect), LEVELS, atol=0.012)


def test_left_out_slots_do_not_count():
    mesh, _ = MESHES["three slots"]
    maps = onset_maps(mesh, Onset(), {1: (256, 256)}, np.random.default_rng(1))
    assert list(maps) == [1]
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS), LEVELS, atol=0.01)


def test_everything_protected_or_nothing_covered():
    mesh = box()
    rng = np.random.default_rng(0)
    assert (onset_maps(mesh, Onset(), {0: (64, 64)}, rng, protect={0: np.ones((64, 64), bool)})[0] == NEVER).all()
    maps = onset_maps(mesh, Onset(), {0: (64, 64), 7: (32, 16)}, rng)
    assert (maps[7] == NEVER).all() and maps[7].shape == (16, 32) and (maps[0] <= 1).all()


def test_shared_uvs_count_with_all_their_area():
    """Two squares, the second twice as high, on the same UVs, beside a third on its own."""
    whole, half = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
    mesh = mesh_of([
        (square((0, 0, 0), (1, 0, 0), (0, 0, 1)), whole, 0), (square((2, 0, 0), (1, 0, 0), (0, 0, 2)), whole, 0),
        (square((4, 0, 0), (1, 0, 0), (0, 0, 1)), half, 0),
    ])  # fmt: skip
    maps = onset_maps(mesh, Onset(), {0: (256, 256)}, np.random.default_rng(0))
    np.testing.assert_allclose(coverage(mesh, maps, LEVELS), LEVELS, atol=0.01)


def test_uvs_outside_the_picture_wrap():
    mesh = box()
    moved = MeshArrays(mesh.vertices, mesh.triangles, mesh.uvs + np.float32([2, -1]), mesh.slots)
    here, there = (onset_maps(m, Onset(), {0: (128, 128)}, np.random.default_rng(0))[0] for m in (mesh, moved))
    assert np.mean(np.abs(here - there) > 1e-3) < 0.02  # float32 UVs are coarser further out


def test_same_input_same_bytes_another_seed_another_map():
    mesh, sizes = MESHES["three slots"]
    a, b, c = (onset_maps(mesh, Onset(), sizes, np.random.default_rng(s)) for s in (5, 5, 6))
    for slot in sizes:
        assert a[slot].tobytes() == b[slot].tobytes()
        assert np.abs(a[slot] - c[slot]).mean() > 0.05


def test_the_margin_repeats_the_border():
    mesh = box()
    onset = onset_maps(mesh, Onset(), {0: (256, 256)}, np.random.default_rng(0))[0]
    # The first island ends at u = 0.32, in column 81; up to the next one there are 6 texels of margin.
    edge, beyond = onset[135:250, 81], onset[135:250, 84]
    assert np.mean(edge == beyond) > 0.9


def border_pairs(mesh, step, count=40):
    """UVs on both sides of each UV border, a little inside each island, at the same points of the edge.

    Yields (uv one side, uv other side, uv one side a further step inside).
    """
    joined = weld(mesh).triangles
    sides = {}
    for t, triangle in enumerate(joined):
        for i in range(3):
            a, b = triangle[i], triangle[(i + 1) % 3]
            sides.setdefault((min(a, b), max(a, b)), []).append((t, i, a > b))
    t = np.linspace(0.1, 0.9, count)[:, None]
    for pair in sides.values():
        if len(pair) != 2 or pair[0][0] == pair[1][0]:
            continue
        ends = []
        for tri, i, turned in pair:
            p, q, inner = mesh.uvs[tri, i], mesh.uvs[tri, (i + 1) % 3], mesh.uvs[tri, (i + 2) % 3]
            ends.append(((q, p) if turned else (p, q), inner))
        if np.allclose(ends[0][0], ends[1][0], atol=1e-5):
            continue
        lines = []
        for (p, q), inner in ends:
            along = (q - p) / max(np.linalg.norm(q - p), 1e-9)
            inward = (inner - p) - along * ((inner - p) @ along)
            inward /= max(np.linalg.norm(inward), 1e-9)
            lines.append((p + t * (q - p), inward * step))
        (one, into_one), (other, into_other) = lines
        yield one + 0.6 * into_one, other + 0.6 * into_other, one + 1.8 * into_one


@pytest.mark.parametrize("name", ["cube", "cylinder", "sphere"])
def test_no_seam_at_the_borders_of_islands(name):
    """Texels facing each other across a border differ no more than neighbours inside an island do."""
    mesh, _ = MESHES[name]
    size = 1024
    maps = onset_maps(mesh, Onset(), {0: (size, size)}, np.random.default_rng(2))
    pairs = list(border_pairs(mesh, 1 / size))
    assert len(pairs) >= 5
    one, other, inner = (look_up(maps, 0, np.concatenate(x)) for x in zip(*pairs, strict=True))
    across, within = np.abs(one - other), np.abs(one - inner)
    for share in (50, 95):
        assert np.percentile(across, share) < 1.6 * np.percentile(within, share) + 0.005
    far = np.abs(one - np.random.default_rng(0).permutation(other))
    assert np.median(across) < 0.4 * np.median(far)


def worn_first(mesh, maps, inside, level=0.15, seed=0):
    """Worn share of the points where inside(position) is true, and of the others."""
    position, uv, _, _ = samples(mesh, 100_000, seed)
    worn = look_up(maps, 0, uv) < level
    there = inside(position)
    assert 0.01 < there.mean() < 0.9
    return worn[there].mean(), worn[~there].mean()


def edge_distance(position, size=(1.0, 1.0, 1.0)):
    """Distance of points on a box to its nearest edge."""
    to_side = np.sort(np.minimum(position, np.array(size) - position), axis=1)
    return to_side[:, 1]


def test_edges_chip_first_with_a_ragged_border():
    mesh = box()
    maps = onset_maps(mesh, Onset(**NOTHING | {"edge": 1.0}), {0: (512, 512)}, np.random.default_rng(3))
    near, far = worn_first(mesh, maps, lambda p: edge_distance(p) < 0.05)
    assert near > 4 * far
    # Ragged: at the distance where half is worn, chips and paint alternate along the edge.
    position, uv, _, _ = samples(mesh, 200_000)
    d = edge_distance(position)
    worn = look_up(maps, 0, uv) < 0.15
    shares = [worn[(d >= low) & (d < low + 0.01)].mean() for low in np.arange(0, 0.1, 0.01)]
    assert shares[0] > shares[3] > shares[8]
    assert sum(0.1 < s < 0.9 for s in shares) >= 3


def test_edges_chip_in_the_same_places_on_a_finer_mesh():
    """What wears depends on the shape, not on how finely it is divided."""
    onset = Onset(**NOTHING | {"edge": 1.0})
    coarse, fine = (onset_maps(box(n=n), onset, {0: (256, 256)}, np.random.default_rng(3))[0] for n in (2, 70))
    assert np.corrcoef(coarse.ravel(), fine.ravel())[0, 1] > 0.9


def step_mesh():
    """An L-shaped profile along Y: floor, riser; the crease between them is concave."""
    return mesh_of([
        (square((0, 0, 0), (1, 0, 0), (0, 1, 0)), (0.01, 0.01, 0.49, 0.99), 0),
        (square((1, 0, 0), (0, 0, 1), (0, 1, 0)), (0.51, 0.01, 0.99, 0.99), 0),
    ])  # fmt: skip


def test_creases_hold_water():
    mesh = step_mesh()
    maps = onset_maps(mesh, Onset(**NOTHING | {"cavity": 1.0}), {0: (512, 512)}, np.random.default_rng(3))
    near, far = worn_first(mesh, maps, lambda p: np.hypot(p[:, 0] - 1, p[:, 2]) < 0.06, 0.1)
    assert near > 4 * far


def test_crevices_between_parts_that_do_not_touch_count():
    """Two plates with a gap of 1 cm, facing each other over half their length."""
    mesh = mesh_of([
        (square((0, 0, 0), (1, 0, 0), (0, 1, 0)), (0.01, 0.01, 0.49, 0.99), 0),
        (square((0, 1, 0.01), (0.5, 0, 0), (0, -1, 0)), (0.51, 0.01, 0.99, 0.99), 0),
    ])  # fmt: skip
    maps = onset_maps(mesh, Onset(**NOTHING | {"cavity": 1.0}), {0: (256, 256)}, np.random.default_rng(3))
    near, far = worn_first(mesh, maps, lambda p: p[:, 0] < 0.45, 0.3)
    assert near > 3 * far


def test_splash_near_the_ground():
    mesh = box()
    maps = onset_maps(mesh, Onset(**NOTHING | {"splash": 1.0}), {0: (512, 512)}, np.random.default_rng(3))
    low, high = worn_first(mesh, maps, lambda p: p[:, 2] < 0.15, 0.3)
    assert low > 3 * high


@pytest.mark.parametrize(("up", "down"), [((0, 0, 1), 2), ((1, 0, 0), 0)])
def test_streaks_run_down_the_walls(up, down):
    """On walls the pattern is drawn out along gravity and starts at the top; the top itself stays clean."""
    mesh = box()
    size = 768
    maps = onset_maps(mesh, Onset(**NOTHING | {"drips": 1.0}), {0: (size, size)}, np.random.default_rng(3), up=up)
    level = 0.2
    position, uv, _, _ = samples(mesh, 200_000)
    worn = look_up(maps, 0, uv) < level
    height = position[:, down]
    wall = (height > 0.02) & (height < 0.98)
    assert worn[wall & (height > 0.6)].mean() > 1.5 * worn[wall & (height < 0.3)].mean()
    assert worn[wall].mean() > 3 * worn[height >= 0.9999].mean()
    if down == 2:  # the -Y face lies upright in the first island
        face = maps[0][int(0.53 * size) : int(0.97 * size), int(0.03 * size) : int(0.3 * size)] < level
        across, along = np.diff(face, axis=1).mean(), np.diff(face, axis=0).mean()
        assert across > 2.5 * along


def test_streaks_cross_the_borders_of_islands():
    """A wall cut in two islands a little below its top: a streak above the cut goes on below it."""
    upper, lower = (0.01, 0.81, 0.99, 0.97), (0.01, 0.01, 0.99, 0.79)
    mesh = mesh_of([
        (square((0, 0, 0.8), (1, 0, 0), (0, 0, 0.2)), upper, 0), (square((0, 0, 0), (1, 0, 0), (0, 0, 0.8)), lower, 0),
        (square((0, 0, 1), (1, 0, 0), (0, 1, 0)), (0.995, 0.995, 0.999, 0.999), 0),
    ])  # fmt: skip
    size = 512
    onset = onset_maps(mesh, Onset(**NOTHING | {"drips": 1.0}), {0: (size, size)}, np.random.default_rng(3))[0]

    def stripe(v):  # mean of 8 rows just under v, without the ends
        row = int((1 - v) * size)
        return onset[row : row + 8, 10:500].mean(axis=0)

    def alike(a, b):
        return np.corrcoef(a, b)[0, 1]

    above, below, further = stripe(0.83), stripe(0.78), stripe(0.73)
    assert alike(above, below) > 0.5
    assert alike(above, below) > alike(below, further) - 0.15
    assert alike(above, below) > 0.3 + max(abs(alike(above, np.roll(below, shift))) for shift in (60, 100, 200))


def test_patches_have_the_size_asked_for_and_detail_below_it():
    mesh = box()
    for scale in (0.1, 0.3):
        onset = Onset(**NOTHING | {"spread": 1.0, "scale_m": scale})
        maps = onset_maps(mesh, onset, {0: (512, 512)}, np.random.default_rng(3))
        face = maps[0][265:500, 10:160]
        m_per_texel = 1 / (0.31 * 512)
        centred = face - face.mean()
        half = int(0.5 * scale / m_per_texel)
        shifts = (max(half // 8, 1), half)
        near, far = ((centred[:, :-shift] * centred[:, shift:]).mean() / centred.var() for shift in shifts)
        assert near > 0.3 and far < 0.5 * near
        assert np.abs(np.diff(face, axis=1)).mean() > 0.004  # not smooth at the scale of texels


def test_moving_the_object_leaves_its_pattern():
    mesh = box()
    moved = MeshArrays(mesh.vertices + np.float32([16, -8, 4]), mesh.triangles, mesh.uvs, mesh.slots)
    here, there = (onset_maps(m, Onset(), {0: (128, 128)}, np.random.default_rng(0))[0] for m in (mesh, moved))
    assert np.mean(np.abs(here - there) > 1e-2) < 0.01


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


def test_cost_on_a_hundred_thousand_triangles():
    mesh = sphere(160)
    assert len(mesh.triangles) > 100_000
    start = time.process_time()
    onset_maps(mesh, Onset(), {0: (1024, 1024)}, np.random.default_rng(0))
    assert time.process_time() - start < 10
