"""Transfer: structure kept, colour moved, protected texels untouched, no seam in the world, same bytes."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from syngen_addon.errors import SynGenError
from syngen_addon.images import Maps, SurfaceMaps
from syngen_addon.recipe import Transfer
from syngen_addon.transfer.patch import transfer

PLAIN = Transfer()


def setting(**changes):
    return dataclasses.replace(PLAIN, **changes)


def pink(size, seed, power=1.2):
    """Tileable noise with mean 0 and deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None]) * size
    white = np.random.default_rng(seed).standard_normal((size, size))
    field = np.fft.ifft2(np.fft.fft2(white) / np.maximum(frequency, 3.0) ** power).real
    return field / field.std()


def rust(size=128, seed=0):
    age = np.clip(0.5 + 0.2 * pink(size, seed), 0, 1)[..., None]
    color = (1 - age) * (0.66, 0.34, 0.12) + age * (0.13, 0.08, 0.05)
    height = np.clip(0.5 + 0.15 * pink(size, seed + 1), 0, 1)
    return Maps(*(np.asarray(a, np.float32) for a in (color, 0.6 + 0.3 * age[..., 0], 0.2 * age[..., 0], height)))


def painted(height=256, width=256):
    """Green paint with dark panel lines, light rivets and a white marking."""
    base = np.empty((height, width, 3), np.float32)
    base[:] = (0.25, 0.5, 0.35)
    base[height // 4 : height // 4 + height // 8, width // 3 : width // 2] = (0.9, 0.9, 0.85)
    base[:: max(2, height // 8)] *= 0.4
    base[:, :: max(2, width // 5)] *= 0.4
    base[5 :: max(6, height // 16), 5 :: max(6, width // 16)] = (0.6, 0.75, 0.65)
    return base


def lab(color):
    return cv2.cvtColor(np.ascontiguousarray(color), cv2.COLOR_RGB2Lab)


def fine(color):
    light = lab(color)[..., 0]
    return light - cv2.GaussianBlur(light, (0, 0), 5)


def cylinder(height, width, start=0.0, end=2 * np.pi, radius=0.3, tall=0.9):
    """The wall of a drum, unrolled from angle start to end; texel edges, not centres, lie on start and end."""
    angle = np.linspace(start, end, width)
    z = np.linspace(tall, 0, height)
    a, up = np.meshgrid(angle, z)
    normal = np.dstack([np.cos(a), np.sin(a), 0 * a]).astype(np.float32)
    position = np.dstack([radius * np.cos(a), radius * np.sin(a), up]).astype(np.float32)
    area = abs(end - start) * radius * tall / (height * width)
    return SurfaceMaps(position, normal, np.ones((height, width), bool), np.full((height, width), area, np.float32))


def test_structure_grows_with_the_setting_and_is_legible_at_one():
    base, wear = painted(), rust()
    kept, alike = [], []
    for structure in (0.0, 0.25, 0.5, 0.75, 1.0):
        out = transfer(base, wear, setting(structure=structure), tile_m=0.5, coverage=0.9).color_srgb
        kept.append(np.corrcoef(fine(base).ravel(), fine(out).ravel())[0, 1])
        alike.append(structural_similarity(lab(base)[..., 0], lab(out)[..., 0], data_range=100.0))
    assert np.all(np.diff(kept) > 0) and np.all(np.diff(alike) > 0), (kept, alike)
    assert kept[0] < 0.2 and kept[2] > 0.4 and kept[4] > 0.75, kept


def test_structure_goes_into_the_height_too():
    base, wear = painted(), rust()
    plain, kept = (transfer(base, wear, setting(structure=s), tile_m=0.5, coverage=0.9).height for s in (0, 1))
    assert np.corrcoef(fine(base).ravel(), (kept - plain).ravel())[0, 1] > 0.8


def test_nothing_but_wear_where_nothing_else_is_asked_for():
    wear = rust()
    out = transfer(painted(), wear, setting(structure=0.0, color=1.0), tile_m=0.5, coverage=1.0)
    have, want = lab(out.color_srgb).reshape(-1, 3), lab(wear.color_srgb).reshape(-1, 3)
    assert np.abs(have.mean(axis=0) - want.mean(axis=0)).max() < 3
    assert np.all(have.std(axis=0) > 0.9 * want.std(axis=0)), "patches must meet without losing contrast"
    for name in ("roughness", "metallic", "height"):
        a, b = getattr(out, name), getattr(wear, name)
        assert b.min() - 1e-5 <= a.min() and a.max() <= b.max() + 1e-5 and abs(a.mean() - b.mean()) < 0.06, name


def test_colour_moves_with_color_and_coverage():
    base, wear = painted(), rust()
    target = lab(wear.color_srgb)[..., 1:].mean(axis=(0, 1))

    def gap(color, coverage):
        out = transfer(base, wear, setting(color=color), tile_m=0.5, coverage=coverage).color_srgb
        return float(np.linalg.norm(lab(out)[..., 1:].mean(axis=(0, 1)) - target))

    assert gap(0, 0.9) > gap(0.5, 0.9) > gap(1, 0.9) and gap(1, 1) < 3
    assert gap(1, 0.2) > gap(1, 0.5) > gap(1, 0.8) > gap(1, 1), "a remnant of the paint stays"
    untouched = transfer(base, wear, setting(structure=0.0), tile_m=0.5, coverage=0.0).color_srgb
    assert np.abs(lab(untouched) - lab(base)).mean() < 1, "wear that hides nothing leaves the paint"


def test_dark_places_get_dark_patches():
    base = np.full((256, 256, 3), 0.6, np.float32)
    base[:, 128:] = 0.3
    wear = rust(seed=4)
    bright = np.clip(0.5 + 0.2 * pink(128, 3, power=2.0), 0, 1)[..., None]
    wear = dataclasses.replace(wear, color_srgb=np.asarray(wear.color_srgb * (0.5 + bright), np.float32))
    out = transfer(base, wear, setting(structure=0.0, color=1.0), tile_m=0.25, coverage=1.0)
    light = lab(out.color_srgb)[..., 0]
    assert light[:, 150:240].mean() < light[:, 20:110].mean() - 2


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([(40, 40), (33, 57), (64, 17)]),
    st.booleans(),
)
def test_protected_texels_come_back_bit_exact(seed, share, structure, size, on_surface):
    rng = np.random.default_rng(seed)
    base, protect = rng.random((*size, 3), np.float32), rng.random(size) < share
    before, mask = base.copy(), protect.copy()
    out = transfer(
        base, rust(32), setting(structure=structure), tile_m=0.5, coverage=0.8, protect=protect,
        surface=cylinder(*size) if on_surface else None,
    )  # fmt: skip
    assert out.color_srgb[protect].tobytes() == base[protect].tobytes()
    assert (out.height[protect] == 0.5).all() and (out.roughness[protect] == 0.5).all()
    assert not out.metallic[protect].any()
    assert np.array_equal(base, before) and np.array_equal(protect, mask), "the input is not written to"


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (64, 300), (511, 129), (2, 40000)])
def test_any_size_comes_back_in_its_size_and_range(size):
    base = np.random.default_rng(0).random((*size, 3), np.float32)
    for surface in (None, cylinder(*size)):
        out = transfer(base, rust(64), PLAIN, tile_m=0.5, coverage=0.85, surface=surface)
        assert out.color_srgb.shape == (*size, 3)
        assert out.roughness.shape == out.metallic.shape == out.height.shape == size
        for name in ("color_srgb", "roughness", "metallic", "height"):
            values = getattr(out, name)
            assert values.dtype == np.float32 and values.min() >= 0 and values.max() <= 1, name


def test_two_islands_meet_without_a_seam():
    """A drum's wall cut into two islands; they lie apart in UV space, one of them upside down, and share two edges."""
    height = width = 256
    left, right = cylinder(height, 128, 0.4, 3.0), cylinder(height, 128, 3.0, 0.4 + 2 * np.pi)

    def beside(a, b):
        return np.hstack([a, b[::-1]])

    names = [f.name for f in dataclasses.fields(SurfaceMaps)]
    surface = SurfaceMaps(*(beside(getattr(left, name), getattr(right, name)) for name in names))
    base = np.full((height, width, 3), (0.2, 0.4, 0.6), np.float32)
    out = transfer(base, rust(), PLAIN, tile_m=0.3, coverage=0.85, surface=surface)
    for name in ("color_srgb", "roughness", "metallic", "height"):
        a, b = np.hsplit(getattr(out, name), 2)
        b = b[::-1]
        inner = np.abs(np.diff(a, axis=1)).mean()
        assert inner > 0
        for one, other in ((a[:, -1], b[:, 0]), (b[:, -1], a[:, 0])):
            assert np.abs(one - other).max() < 1e-3, name  # same point, same normal: same wear


def test_flat_layout_wraps_like_the_base():
    base = np.full((256, 256, 3), 0.5, np.float32)
    out = transfer(base, rust(), setting(structure=0.0), tile_m=0.4, coverage=0.9).color_srgb
    for axis in (0, 1):
        steps = np.abs(out - np.roll(out, 1, axis)).mean(axis=(1 - axis, 2))
        assert steps[0] < 1.3 * steps[1:].max()


def test_the_tile_is_not_seen_to_repeat():
    wear = rust()
    flat = cylinder(512, 512)
    y, x = np.mgrid[0:512, 0:512].astype(np.float32) / 64  # 8 x 8 tiles of 1 m, seen from the front
    flat = dataclasses.replace(
        flat, position_m=np.dstack([x, 0 * x, -y]), normal=np.broadcast_to(np.float32((0, -1, 0)), (512, 512, 3)),
        texel_area_m2=np.full((512, 512), 1 / 64**2, np.float32),
    )  # fmt: skip
    base = np.full((512, 512, 3), 0.5, np.float32)
    out = transfer(base, wear, setting(structure=0.0), tile_m=1.0, coverage=1.0, surface=flat)
    light = lab(out.color_srgb)[..., 0]
    shifted = [np.roll(light, 64 * tiles, axis) for tiles in (1, 2, 3) for axis in (0, 1)]
    repeats = [np.corrcoef(light.ravel(), other.ravel())[0, 1] for other in shifted]
    assert max(repeats) < 0.25, repeats


def test_streaks_run_down_in_the_world_however_the_island_lies():
    size = 128
    lines = np.where(np.arange(size) // 8 % 2, 0.7, 0.2).astype(np.float32)
    plane = np.full((size, size), 0.5, np.float32)
    wear = Maps(np.tile(lines[None, :, None], (size, 1, 3)), plane, plane, plane)
    upright = cylinder(128, 128, -0.3, 0.3, tall=0.2)
    lying = SurfaceMaps(*(np.swapaxes(getattr(upright, f.name), 0, 1) for f in dataclasses.fields(SurfaceMaps)))
    base = np.full((128, 128, 3), 0.5, np.float32)
    for surface, across, along in ((upright, 1, 0), (lying, 0, 1)):
        out = transfer(base, wear, setting(structure=0), tile_m=0.1, coverage=1.0, surface=surface).color_srgb
        assert np.abs(np.diff(out, axis=across)).mean() > 2 * np.abs(np.diff(out, axis=along)).mean()


def test_what_lies_outside_the_surface_changes_nothing_on_it():
    base, surface = painted(), cylinder(256, 256)
    covered = np.zeros((256, 256), bool)
    covered[:, 40:200] = True
    surface = dataclasses.replace(surface, covered=covered)
    dirty = base.copy()
    dirty[~covered] = (1, 0, 1)
    one, two = (transfer(b, rust(), PLAIN, tile_m=0.3, coverage=0.8, surface=surface) for b in (base, dirty))
    assert np.array_equal(one.color_srgb, two.color_srgb) and np.array_equal(one.height, two.height)


def test_same_input_same_bytes():
    surface = cylinder(256, 256)
    one, two = (transfer(painted(), rust(), PLAIN, tile_m=0.3, coverage=0.8, surface=surface) for _ in range(2))
    for field in dataclasses.fields(Maps):
        assert getattr(one, field.name).tobytes() == getattr(two, field.name).tobytes()


def test_bands_do_not_show(monkeypatch):
    from syngen_addon.transfer import patch

    whole = transfer(painted(), rust(), PLAIN, tile_m=0.3, coverage=0.8, surface=cylinder(256, 256))
    monkeypatch.setattr(patch, "BAND", 5000)
    banded = transfer(painted(), rust(), PLAIN, tile_m=0.3, coverage=0.8, surface=cylinder(256, 256))
    for field in dataclasses.fields(Maps):
        assert np.allclose(getattr(whole, field.name), getattr(banded, field.name), atol=2e-3), field.name


def bad_inputs():
    base, wear, plane = painted(32, 32), rust(16), np.zeros((16, 8), np.float32)
    yield "height x width x 3", (base[..., 0], wear), {}
    yield "height x width x 3", (np.zeros((4, 4, 4), np.float32), wear), {}
    yield "height x width x 3", (np.zeros((0, 4, 3), np.float32), wear), {}
    yield "square", (base, Maps(np.zeros((16, 8, 3), np.float32), plane, plane, plane)), {}
    yield "differ in size", (base, dataclasses.replace(wear, metallic=plane)), {}
    yield "protect mask", (base, wear), {"protect": np.zeros((16, 32), bool)}
    yield "protect mask", (base, wear), {"protect": np.zeros((32, 32), np.float32)}
    yield "surface maps", (base, wear), {"surface": cylinder(16, 32)}
    yield "tile", (base, wear), {"tile_m": 0.0}
    yield "tile", (base, wear), {"tile_m": float("nan")}
    yield "coverage", (base, wear), {"coverage": 1.5}
    yield "not numbers", (np.full_like(base, np.nan), wear), {}


@pytest.mark.parametrize(("words", "arguments", "options"), list(bad_inputs()))
def test_bad_input_is_one_clear_sentence(words, arguments, options):
    with pytest.raises(SynGenError, match=words) as caught:
        transfer(*arguments, PLAIN, **{"tile_m": 0.5, "coverage": 0.8, **options})
    assert caught.value.hint
