"""What makes wear start where it does, each cause alone; stains that run down from wear."""

import itertools

import numpy as np
import pytest

from syngen_addon.recipe import Onset
from syngen_addon.wear import causes, shells, water
from syngen_addon.wear import onset as made
from syngen_addon.wear.mesh import MeshArrays, weld
from syngen_addon.wear.onset import NEVER
from tests.pure.shapes import box, box_patches, look_up, mesh_of, samples, square, tube_patches

CAUSES = ("spread", "edge", "cavity", "contact", "drips", "splash", "rain", "welds", "damage")
NOTHING = dict.fromkeys(CAUSES, 0.0) | {"scale_m": 0.1}
UP = np.array([0.0, 0.0, 1.0])


def onset_maps(*arguments, **named):
    """The onset alone, slot -> H x W."""
    return {slot: maps.onset for slot, maps in made.onset_maps(*arguments, **named).items()}


def only(cause, **more):
    return Onset(**NOTHING | {cause: 1.0} | more)


def worn_first(mesh, maps, inside, level=0.15, seed=0):
    """Worn share of the points where inside(position) is true, and of the others."""
    position, uv, _, _ = samples(mesh, 100_000, seed)
    worn = look_up(maps[0], uv) < level
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
    worn = look_up(maps[0], uv) < 0.15
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
    worn = look_up(maps[0], uv) < level
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


def test_parts_that_touch_wear_where_they_do():
    """A small box on a large one: the ring around its foot, and where the large one stands on the ground."""
    mesh = mesh_of(
        box_patches((1.0, 1.0, 0.3), uv=(0, 0, 1, 0.5))
        + box_patches((0.3, 0.3, 0.3), (0.35, 0.35, 0.3), (0, 0.5, 1, 1))
    )
    maps = onset_maps(mesh, only("contact"), {0: (512, 512)}, np.random.default_rng(3))
    position, uv, _, _ = samples(mesh, 200_000)
    worn = look_up(maps[0], uv) < 0.35
    from_middle = np.abs(position[:, :2] - 0.5).max(axis=1)
    touches = (np.abs(position[:, 2] - 0.3) < 0.012) & (from_middle < 0.162)
    stands = position[:, 2] < 0.008
    free = (position[:, 2] > 0.05) & (position[:, 2] < 0.25)
    assert worn[touches].mean() > 0.6 and worn[stands].mean() > 0.6 and worn[free].mean() < 0.05


def table():
    """A floor with a roof half a metre over one side of it, on no legs."""
    return mesh_of([
        (square((0, 0, 0), (2, 0, 0), (0, 1, 0)), (0.01, 0.01, 0.49, 0.99), 0),
        (square((0, 0, 0.5), (1, 0, 0), (0, 1, 0)), (0.51, 0.51, 0.99, 0.99), 0),
        (square((2, 0, 0), (0, 1, 0), (0, 0, 1)), (0.51, 0.01, 0.99, 0.49), 0),
    ])  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
def test_rain_reaches_what_lies_open(turned):
    mesh, up = table(), (0, 0, 1)
    if turned:  # another axis is up
        mesh, up = MeshArrays(mesh.vertices[:, [2, 0, 1]], mesh.triangles, mesh.uvs, mesh.slots), (1, 0, 0)
    maps = onset_maps(mesh, only("rain"), {0: (256, 256)}, np.random.default_rng(3), up=up)
    position, uv, _, _ = samples(mesh, 100_000)
    x, z = (position[:, 1], position[:, 0]) if turned else (position[:, 0], position[:, 2])
    worn = look_up(maps[0], uv) < 0.4
    floor = z < 1e-3
    under, open_, roof = worn[floor & (x < 0.7)], worn[floor & (x > 1.2)], worn[(z > 0.49) & (z < 0.51) & (x < 1)]
    wall = worn[(x > 1.999) & (z > 0.3)]
    assert under.mean() < 0.15 and open_.mean() > 0.5 and roof.mean() > 0.5 and wall.mean() < 0.5 * open_.mean()


def bolted(joined):
    """A plate with a bolt's head on it, 3 cm across, and a bead across it: loose, or set into the plate's surface."""
    ridge = np.array([0.0, 0, 0.004, 0.006, 0.004, 0, 0])
    y = np.array([0.0, 0.7, 0.702, 0.706, 0.71, 0.712, 1.0])
    x = np.linspace(0, 1, 40)
    plate = np.stack(np.broadcast_arrays(x[None, :], y[:, None], ridge[:, None]), axis=-1)
    if not joined:
        plate = plate * [1, 1, 0]
    bolt = tube_patches(0.015, 0.01, (0.3, 0.3, 0.0), (0.0, 0.82, 0.5, 1.0), segments=12, rows=2)
    return mesh_of([(plate, (0.01, 0.01, 0.99, 0.8), 0), *bolt])


@pytest.mark.parametrize("joined", [False, True])
def test_bolts_and_beads_are_found_and_wear_around_them(joined):
    mesh = bolted(joined)
    maps = onset_maps(mesh, only("welds"), {0: (512, 512)}, np.random.default_rng(3))
    position, uv, _, _ = samples(mesh, 400_000)
    worn = look_up(maps[0], uv) < 0.04
    bolt = np.hypot(position[:, 0] - 0.3, position[:, 1] - 0.3) < 0.02
    assert worn[bolt].mean() > 0.7
    bead = np.abs(position[:, 1] - 0.706) < 0.006
    assert (worn[bead].mean() > 0.7) == joined
    assert worn[~bolt & ~bead].mean() < 0.05


def test_a_plain_box_has_no_bolts():
    surface = causes.surface(weld(box(n=20)))
    touch = shells.touching(surface, shells.shells_of(surface), 0.05)
    assert not shells.fasteners(surface, causes.bend(surface), touch).any()


def test_painted_damage_wears_first():
    mesh = box()
    damage = np.zeros((256, 256), np.float32)
    damage[170:200, 20:60] = 1  # in the middle of the -Y face, where no other cause is
    damage[20:40, 20:60] = 0.3
    onset = Onset(damage=1.0, edge=1.0, cavity=1.0, splash=1.0)
    sizes = {0: (256, 256)}
    struck, spared = (
        onset_maps(mesh, onset, sizes, np.random.default_rng(3), damage=d)[0] for d in ({0: damage}, None)
    )
    share = (damage == 1).sum() / (256 * 256 * 0.31 * 0.48 * 6)
    assert struck[damage == 1].max() < 1.2 * share, "all of it before anything else"
    assert np.median(struck[damage == np.float32(0.3)]) < np.median(spared[damage == np.float32(0.3)])
    unasked = onset_maps(mesh, Onset(damage=0.0), sizes, np.random.default_rng(3), damage={0: damage})[0]
    assert (unasked == onset_maps(mesh, Onset(damage=0.0), sizes, np.random.default_rng(3))[0]).all()


def test_contrast_sets_causes_apart_from_chance():
    mesh = box()
    shares = []
    for contrast in (0.0, 0.5, 1.0):
        onset = Onset(**NOTHING | {"edge": 0.7, "spread": 0.5, "contrast": contrast})
        maps = onset_maps(mesh, onset, {0: (256, 256)}, np.random.default_rng(3))
        near, far = worn_first(mesh, maps, lambda p: edge_distance(p) < 0.03, 0.1)
        shares.append(near / max(far, 1e-3))
    assert shares[0] < shares[1] < shares[2] and shares[2] > 2 * shares[0]


def test_lengths_are_the_world_s():
    """The splash zone of a post twice as high is as high; chips on a box twice as large are as wide."""
    def rise(height):
        mesh = box((0.3, 0.3, height))
        maps = onset_maps(mesh, only("splash", contrast=1.0), {0: (256, 512)}, np.random.default_rng(3))
        position, uv, _, _ = samples(mesh, 100_000)
        area = 4 * 0.3 * height + 2 * 0.3 * 0.3
        worn = position[look_up(maps[0], uv) < 0.2 / area, 2]  # the first 0.2 m2
        return np.quantile(worn, 0.9)

    assert rise(4.0) == pytest.approx(rise(2.5), rel=0.25)


def test_a_cause_that_does_not_count_costs_nothing(monkeypatch):
    for module, names in ((causes, ("curvature", "crowding")), (shells, ("touching", "fasteners")),
                          (water, ("ways", "exposure", "stains"))):  # fmt: skip
        for name in names:
            monkeypatch.setattr(module, name, lambda *a, name=name: pytest.fail(f"{name} was computed"))
    maps = made.onset_maps(box(), only("spread"), {0: (64, 64)}, np.random.default_rng(0))[0]
    assert maps.onset.std() > 0.2 and (maps.runoff == NEVER).all()


# --- run-off ----------------------------------------------------------------------------------------------------


def struck_wall(size, damage):
    """A wall that fills its picture, upright in it: a column of texels is a line down it. A lying plate beside it,
    in a slot of its own, wears right after the damage, so that up to the level 0.7 nothing else on the wall does.
    """
    wall, plate = square((0, 0, 0), (1, 0, 0), (0, 0, 1)), square((5, 0, 0), (3, 0, 0), (0, 1, 0))
    mesh = mesh_of([(wall, (0, 0, 1, 1), 0), (plate, (0, 0, 1, 1), 1)])
    onset = Onset(**NOTHING | {"drips": 0.5, "damage": 1.0, "scale_m": 0.2})
    strength = {0: damage, 1: np.full((64, 64), 0.9, np.float32)}
    sizes = {0: (size, size), 1: (64, 64)}
    return made.onset_maps(mesh, onset, sizes, np.random.default_rng(3), damage=strength)[0]


def test_stains_run_down_from_wear_and_never_before_it():
    size = 256
    damage = np.zeros((size, size), np.float32)
    damage[40:60, 100:150] = 1
    maps = struck_wall(size, damage)
    early = maps.runoff < 0.6
    assert early[62:100, 100:150].mean() > 0.3, "below the damage"
    assert not early[:38].any() and not early[:, 160:].any() and not early[:, :90].any(), "not above, nor beside"
    # Whatever level: something above that wears has worn before. A cell of the working mesh is four texels.
    first = np.minimum.accumulate(maps.onset, axis=0)
    around = np.minimum.reduce([np.roll(first, shift, axis=1) for shift in range(-8, 9)])
    around = np.minimum.reduce([np.roll(around, -shift, axis=0) for shift in range(9)])
    inside = (slice(0, size - 9), slice(9, size - 9))
    assert (maps.runoff >= around - 1e-4)[inside].all()
    assert (maps.runoff > 0).all() and (maps.runoff == NEVER).mean() > 0.1


def test_stains_are_streaks_with_ends():
    size = 256
    damage = np.zeros((size, size), np.float32)
    damage[10:20] = 1  # a rusty line across the wall
    maps = struck_wall(size, damage)
    stained = maps.runoff < 0.4
    below = stained[24:100]
    assert 0.1 < below.mean() < 0.9
    assert np.diff(below, axis=1).mean() > 2 * np.diff(below, axis=0).mean(), "drawn out along gravity"
    ends = stained.sum(axis=0)
    assert np.std(ends) > 5, "ragged"
    assert stained[200:].mean() < 0.25 * below.mean(), "and not all the way down"
    lengths = [(maps.runoff < level)[24:].mean() for level in (0.1, 0.2, 0.4, 0.6)]
    assert all(a < b for a, b in itertools.pairwise(lengths)), "longer as wear grows older"


def test_stains_come_over_from_one_part_to_the_next_below():
    """Two slats of a shutter, the lower a little further in: what wears on the upper stains the lower."""
    mesh = mesh_of([
        (square((0, 0, 0.5), (1, 0, 0), (0, 0, 0.5)), (0, 0.5, 1, 1), 0),
        (square((0, 0.004, 0), (1, 0, 0), (0, 0, 0.502)), (0, 0, 1, 0.49), 0),
    ])  # fmt: skip
    size = 256
    damage = np.zeros((size, size), np.float32)
    damage[100:125] = 1  # the foot of the upper one
    onset = Onset(**NOTHING | {"drips": 1.0, "damage": 1.0})
    maps = made.onset_maps(mesh, onset, {0: (size, size)}, np.random.default_rng(3), damage={0: damage})[0]
    assert (maps.runoff < 0.4)[140:170].mean() > 0.2


def test_nothing_runs_where_nothing_wears_above():
    """All that wears is the foot; the rest of the wall is protected, and dry."""
    size = 128
    protect = np.ones((size, size), bool)
    protect[100:] = False
    wall = mesh_of([(square((0, 0, 0), (1, 0, 0), (0, 0, 1)), (0, 0, 1, 1), 0)])
    maps = made.onset_maps(
        wall, Onset(drips=1.0), {0: (size, size)}, np.random.default_rng(3), protect={0: protect}
    )[0]
    assert (maps.runoff[protect] == NEVER).all()
    feeds = maps.onset[100:].min()
    assert maps.runoff.min() >= feeds
