"""Procedural rust: tileable, in range, repeatable, and different where they should be."""

import dataclasses
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest

from syngen_addon.errors import SynGenError
from syngen_addon.images import Maps
from syngen_addon.kinds import KINDS
from syngen_addon.seeds import generator
from syngen_addon.textures import noise
from syngen_addon.textures.procedural import wear_texture

NAMES = sorted(name for name, kind in KINDS.items() if kind.look.style == "corrosion")  # the others: test_styles.py


@cache
def made(name: str, size: int = 256, seed: int = 0) -> Maps:
    return wear_texture(KINDS[name], size, generator(seed, "test"))


def planes(maps: Maps):
    return {name: plane for name, plane in vars(maps).items() if plane is not None}


def lab(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB)


def signature(image):
    """What one sees of a texture at a glance: Lab mean and spread, contrast of lightness by octave, and direction."""
    pixels, out = lab(image), []
    level = pixels[..., 0]
    for _ in range(5):
        smaller = cv2.resize(level, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        out.append(float((level - cv2.resize(smaller, level.shape[::-1], interpolation=cv2.INTER_LINEAR)).std()))
        level = smaller
    smooth = cv2.GaussianBlur(pixels[..., 0], (0, 0), 1.5)
    across, down = (np.abs(np.diff(smooth, axis=axis)).mean() for axis in (1, 0))
    return np.concatenate([pixels.mean((0, 1)), pixels.std((0, 1)), out, [5 * np.log(across / down)]])


def steps(image, axis):
    """Step between neighbouring lines: (across the border, inside: one a pair of lines)."""
    values = image.astype(np.float64)
    other = tuple(a for a in range(values.ndim) if a != axis)
    inside = np.abs(np.diff(values, axis=axis)).mean(other)
    return float(np.abs(values.take(0, axis) - values.take(-1, axis)).mean()), inside


def continues(image, axis):
    """No larger than 1.5 mean steps; where a map is sparse (glints), no larger than the largest inside."""
    across, inside = steps(image, axis)
    sparse = (image == 0).mean() > 0.9
    return across <= (inside.max() if sparse else 1.5 * inside.mean()) + 1e-9


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("size", [64, 100, 191, 256])
@pytest.mark.parametrize("name", NAMES)
def test_maps_have_their_shape_type_and_range(name, size):
    maps = made(name, size)
    for key, plane in planes(maps).items():
        assert plane.shape == ((size, size, 3) if key == "color_srgb" else (size, size))
        assert plane.dtype == np.float32
        assert np.isfinite(plane).all() and plane.min() >= 0 and plane.max() <= 1
        assert plane.flags.c_contiguous
    low, high = KINDS[name].look.roughness
    assert maps.roughness.min() >= low - 1e-6 and maps.roughness.max() <= high + 1e-6


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_every_map_continues_over_the_border(name, seed):
    for key, plane in planes(made(name, 256, seed)).items():
        for axis in (0, 1):
            assert continues(plane, axis), (key, axis)


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_size_tiles_too(name):
    for key, plane in planes(made(name, 191)).items():
        for axis in (0, 1):
            assert continues(plane, axis), (key, axis)


def test_the_border_check_can_fail():
    assert not continues(np.linspace(0.1, 1, 64 * 64).reshape(64, 64).astype(np.float32), 0)
    # Any other cut of a real texture shows.
    assert not continues(made("heavy_rust", 512).color_srgb[:400, :400], 0)
    assert not continues(made("heavy_rust", 512).color_srgb[:400, :400], 1)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rng_gives_the_same_bytes(name):
    again = wear_texture(KINDS[name], 128, generator(5, "test"))
    for key, plane in planes(wear_texture(KINDS[name], 128, generator(5, "test"))).items():
        assert plane.tobytes() == getattr(again, key).tobytes(), key


@pytest.mark.parametrize("name", NAMES)
def test_another_size_gives_the_same_picture(name):
    large = cv2.resize(made(name, 512).color_srgb, (32, 32), interpolation=cv2.INTER_AREA)
    small = cv2.resize(made(name, 256).color_srgb, (32, 32), interpolation=cv2.INTER_AREA)
    other = cv2.resize(made(name, 256, 1).color_srgb, (32, 32), interpolation=cv2.INTER_AREA)
    assert correlation(large, small) > 0.9
    assert np.abs(large - small).mean() < 0.4 * np.abs(large - other).mean()


@pytest.mark.parametrize("name", NAMES)
def test_seeds_look_different(name):
    signatures = [signature(made(name, 256, seed).color_srgb) for seed in range(6)]
    distances = [np.linalg.norm(a - b) for i, a in enumerate(signatures) for b in signatures[:i]]
    assert min(distances) > 0.7  # Lab units; one unit is what one just sees side by side
    assert np.median(distances) > 4


def test_kinds_look_different():
    means = {n: np.mean([signature(made(n, 256, seed).color_srgb) for seed in range(6)], axis=0) for n in NAMES}
    for i, a in enumerate(NAMES):
        for b in NAMES[:i]:
            assert np.linalg.norm(means[a] - means[b]) > 2, (a, b)


def test_streaks_run_down_and_the_others_do_not():
    def anisotropy(name):
        values = []
        for seed in range(4):
            lightness = cv2.GaussianBlur(lab(made(name, 256, seed).color_srgb)[..., 0], (0, 0), 1.5)
            values.append(np.abs(np.diff(lightness, axis=1)).mean() / np.abs(np.diff(lightness, axis=0)).mean())
        return float(np.mean(values))

    assert anisotropy("rust_streaks") > 1.4
    assert anisotropy("light_rust") < 1.1


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_colours_lie_along_the_palette(name, seed):
    look = KINDS[name].look
    stops = cv2.cvtColor(np.array(look.colors_srgb, np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    ramp = np.concatenate([np.linspace(a, b, 32) for a, b in pairwise(stops)])
    maps = made(name, 256, seed)
    pixels = lab(maps.color_srgb)[maps.metallic < 0.01][::7]
    away = np.sqrt(((pixels[:, None] - ramp[None]) ** 2).sum(2)).min(1)
    assert np.mean(away) < 5 and np.quantile(away, 0.99) < 14
    # The palette is used, not one brown of it.
    assert np.quantile(pixels[:, 0], 0.98) - np.quantile(pixels[:, 0], 0.02) > 0.25 * (stops[0, 0] - stops[-1, 0])


@pytest.mark.parametrize("name", NAMES)
def test_hue_varies_and_not_only_lightness(name):
    pixels = lab(made(name, 512, 0).color_srgb).reshape(-1, 3)
    design = np.c_[pixels[:, 0], pixels[:, 0] ** 2, np.ones(len(pixels))]
    for channel in (1, 2):
        fit, *_ = np.linalg.lstsq(design, pixels[:, channel], rcond=None)
        assert (pixels[:, channel] - design @ fit).std() > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_the_maps_tell_one_story(name):
    """Old and dark is smoother, young and bright is rougher, and what lies low is dark."""
    maps = made(name, 512, 1)
    lightness = lab(maps.color_srgb)[..., 0]
    rust = maps.metallic < 0.01
    assert correlation(lightness[rust], maps.roughness[rust]) > 0.3
    fine = maps.height - cv2.GaussianBlur(maps.height, (0, 0), 3)
    detail = lightness - cv2.GaussianBlur(lightness, (0, 0), 3)
    pits = fine < np.quantile(fine, 0.02)
    assert detail[pits].mean() < -0.25 * detail.std()


@pytest.mark.parametrize("name", NAMES)
def test_height_goes_both_ways_from_the_untouched_surface(name):
    height = made(name, 512, 0).height
    assert height.min() < 0.45 and height.max() > 0.55
    assert abs(float(np.median(height)) - 0.5) < 0.1


def test_only_light_rust_has_glints_of_metal_and_few_of_them():
    glints = made("light_rust", 512).metallic
    assert 0.001 < (glints > 0.3).mean() < 0.03
    assert made("heavy_rust").metallic.max() == 0
    assert made("rust_streaks").metallic.max() == 0


def test_relief_and_grain_do_what_they_say():
    heavy = KINDS["heavy_rust"]
    flat = dataclasses.replace(heavy, look=dataclasses.replace(heavy.look, relief=0.0))
    assert np.ptp(wear_texture(flat, 64, generator(0, "test")).height) == 0
    smooth = dataclasses.replace(heavy, look=dataclasses.replace(heavy.look, grain=0.0))

    def finest(maps):
        lightness = lab(maps.color_srgb)[..., 0]
        return float(np.median(np.abs(lightness - cv2.blur(lightness, (3, 3)))))

    assert finest(wear_texture(smooth, 512, generator(0, "test"))) < 0.9 * finest(made("heavy_rust", 512))


def test_sheets_and_blisters_do_what_they_say():
    heavy = KINDS["heavy_rust"]

    def with_look(**changed):
        plain = dataclasses.replace(heavy.look, crust=0.0, pits=0.0, powder=0.0, spots=0.0)
        kind = dataclasses.replace(heavy, look=dataclasses.replace(plain, **changed))
        return wear_texture(kind, 256, generator(0, "test"))

    def patchiness(maps):
        small = cv2.resize(lab(maps.color_srgb), (64, 64), interpolation=cv2.INTER_AREA)
        return float((small - cv2.GaussianBlur(small, (0, 0), 4)).std(axis=(0, 1)).sum())

    assert patchiness(with_look(sheets=0.8)) > 1.3 * patchiness(with_look(sheets=0.0))
    few, many = (with_look(blisters=b).height for b in (0.0, 1.0))
    assert np.quantile(many, 0.97) > np.quantile(few, 0.97) + 0.03  # they stand out
    assert many.min() < few.min() - 0.05  # and some have burst


def test_crust_is_crisp():
    """Scale has edges: a step between neighbouring texels that no noise of that contrast has."""
    lightness = lab(made("heavy_rust", 512).color_srgb)[..., 0]
    steps_down = np.diff(lightness, axis=1)
    assert (steps_down**4).mean() / (steps_down**2).mean() ** 2 > 5  # 3 for noise


@pytest.mark.parametrize("size", [0, -1, 63, 8193, 256.0, "256", True])
def test_a_bad_size_is_refused_with_what_is_allowed(size):
    with pytest.raises(SynGenError, match="from 64 to 8192"):
        wear_texture(KINDS["heavy_rust"], size, generator(0, "test"))


def test_field_is_normal_and_in_its_band():
    rng = np.random.default_rng(0)
    field = noise.field(rng, 200, 8, 16)
    assert abs(field.mean()) < 1e-5 and abs(field.std() - 1) < 1e-4
    power = np.abs(np.fft.fft2(field)) ** 2
    f = np.abs(np.fft.fftfreq(200) * 200)
    radius = np.hypot(f[:, None], f[None, :])
    assert power[(radius > 5) & (radius < 22)].sum() > 0.95 * power.sum()


def test_share_covers_the_fraction_asked_for():
    field = noise.field(np.random.default_rng(1), 256, 4, 60)
    for fraction in (0.05, 0.3, 0.8):
        assert abs(float(noise.share(field, fraction, 0.2).mean()) - fraction) < 0.02
    assert not noise.share(field, 0.0, 0.2).any()


def test_cells_are_bordered_where_their_values_change():
    border, own = noise.cells(np.random.default_rng(2), 256, 8)
    assert len(np.unique(own)) == 64
    change = own[:, 1:] != own[:, :-1]
    assert border[:, 1:][change].max() < 0.1
    # A cell that crosses the border is one cell.
    assert (own[0] == own[-1]).mean() > 0.8 and (own[:, 0] == own[:, -1]).mean() > 0.8


def test_dots_wrap_around_and_peak_at_one():
    dots = noise.dots(np.random.default_rng(3), 128, 40, (0.05, 0.1))
    assert dots.min() == 0 and 0.8 < dots.max() <= 1
    assert continues(dots, 0) and continues(dots, 1)


def test_runs_fade_downwards_and_keep_the_mean():
    source = np.zeros((128, 128), np.float32)
    source[100, 64] = 1
    run = noise.run_down(source, 0.1)
    assert abs(run.sum() - 1) < 1e-4
    assert run[100, 64] > run[110, 64] > run[127, 64] > run[10, 64] > run[99, 64] > 0
    assert abs(run[:, 63]).max() < 1e-7


def test_terraces_flatten_without_moving_far():
    values = np.linspace(-3, 3, 1000, dtype=np.float32)
    stepped = noise.terraces(values, 1.0, 0.8)
    assert np.abs(stepped - values).max() <= 0.51
    assert (np.diff(stepped) >= -1e-6).all()
    assert np.median(np.diff(stepped)) < 0.2 * np.median(np.diff(values))
