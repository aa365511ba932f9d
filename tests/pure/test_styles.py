"""What is beside corrosion: bare metal, films, growth. Tileable, repeatable, no two alike, accepted by the filters."""

import dataclasses
from functools import cache

import cv2
import numpy as np
import pytest

from syngen_addon.filters.judge import judge
from syngen_addon.images import Maps
from syngen_addon.kinds import KINDS
from syngen_addon.recipe import Filters
from syngen_addon.seeds import generator
from syngen_addon.textures.procedural import STYLES, wear_texture

NAMES = sorted(name for name, kind in KINDS.items() if kind.look.style != "corrosion")
SEEDS = range(3)


@cache
def made(name: str, size: int = 256, seed: int = 0) -> Maps:
    return wear_texture(KINDS[name], size, generator(seed, f"texture/{name}"))


def planes(maps: Maps) -> dict[str, np.ndarray]:
    found = {f.name: getattr(maps, f.name) for f in dataclasses.fields(maps)}
    return {name: plane for name, plane in found.items() if plane is not None}


def wraps(plane: np.ndarray, axis: int) -> bool:
    """The step across the border is about that between two lines inside."""
    values = plane.astype(np.float64)
    other = tuple(a for a in range(values.ndim) if a != axis)
    inside = np.abs(np.diff(values, axis=axis)).mean(other)
    across = float(np.abs(values.take(0, axis) - values.take(-1, axis)).mean())
    return across <= 1.4 * inside.mean() + 1e-7


def lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB)


def test_every_style_is_used_by_a_kind():
    assert set(STYLES) == {kind.look.style for kind in KINDS.values()}


@pytest.mark.parametrize("size", [64, 191, 256])
@pytest.mark.parametrize("name", NAMES)
def test_maps_have_their_shape_type_and_range_and_wrap(name, size):
    maps, look = made(name, size), KINDS[name].look
    for key, plane in planes(maps).items():
        assert plane.shape == ((size, size, 3) if key == "color_srgb" else (size, size))
        assert plane.dtype == np.float32 and plane.flags.c_contiguous
        assert np.isfinite(plane).all() and plane.min() >= 0 and plane.max() <= 1
        if size > 64:
            for axis in (0, 1):
                assert wraps(plane, axis), (key, axis)
    assert maps.roughness.min() >= look.roughness[0] - 1e-6 and maps.roughness.max() <= look.roughness[1] + 1e-6
    assert maps.metallic.max() <= look.metallic


def test_the_check_of_the_border_can_fail():
    cut = made("peeling_paint").color_srgb[:200, :200]
    assert not wraps(cut, 0) or not wraps(cut, 1)
    assert not wraps(np.linspace(0, 1, 64 * 64).reshape(64, 64), 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rng_gives_the_same_bytes_and_another_size_the_same_picture(name):
    again = wear_texture(KINDS[name], 64, generator(0, f"texture/{name}"))
    for key, plane in planes(made(name, 64)).items():
        assert plane.tobytes() == getattr(again, key).tobytes(), key
    small, large, other = (
        cv2.resize(made(name, size, seed).color_srgb, (24, 24), interpolation=cv2.INTER_AREA)
        for size, seed in ((128, 0), (256, 0), (128, 1))
    )
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.9
    assert np.abs(small - large).mean() < 0.5 * np.abs(small - other).mean()


@pytest.mark.parametrize("name", NAMES)
def test_the_filters_accept_them_and_find_no_two_alike(name):
    accepted, refused = [], []
    for seed in SEEDS:
        verdict = judge(made(name, 512, seed), KINDS[name].look.colors_srgb, Filters(), accepted)
        (accepted if verdict.accepted else refused).append(verdict)
    assert len(refused) <= 1, [verdict.sentence for verdict in refused]


@pytest.mark.parametrize("name", NAMES)
def test_cover_is_the_kind_s_own(name):
    maps = made(name)
    if maps.cover is not None:
        assert abs(float(maps.cover.mean()) - KINDS[name].coverage) < 0.03


def test_paint_gone_shows_metal_primer_and_first_rust():
    maps = made("peeling_paint", 512)
    metal = maps.metallic > 0.5
    assert 0.15 < metal.mean() < 0.75
    color = lab(maps.color_srgb)
    rust = (color[..., 1] > 8) & (color[..., 2] > 12)
    assert 0.04 < rust.mean() < 0.5
    assert maps.metallic[rust].mean() < 0.3, "rust is no metal"
    assert maps.roughness[metal].mean() < maps.roughness[rust].mean() - 0.15


def test_brushed_metal_is_drawn_out_along_the_horizontal():
    lightness = np.mean([lab(made("scratches", 512, seed).color_srgb)[..., 0] for seed in range(3)], axis=0)
    assert np.abs(np.diff(lightness, axis=0)).mean() > 1.25 * np.abs(np.diff(lightness, axis=1)).mean()


def test_oil_shines_and_runs_and_chalk_is_matt_and_light():
    oil, chalk, dirt = (made(name, 256) for name in ("fluid_leaks", "chalking", "dirt_grease"))
    assert oil.roughness.mean() < 0.35 < 0.6 < dirt.roughness.mean() < chalk.roughness.mean() + 0.2
    assert lab(oil.color_srgb)[..., 0].mean() < 25 < 70 < lab(chalk.color_srgb)[..., 0].mean()
    lightness = cv2.GaussianBlur(lab(oil.color_srgb)[..., 0], (0, 0), 1.5)
    assert np.abs(np.diff(lightness, axis=1)).mean() > 1.3 * np.abs(np.diff(lightness, axis=0)).mean()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_moss_is_green_and_stands_in_cushions_on_a_darker_ground(seed):
    maps = made("moss", 512, seed)
    color = lab(maps.color_srgb)
    assert color[..., 1].mean() < -3 and color[..., 2].mean() > 10
    high, low = maps.height > np.quantile(maps.height, 0.7), maps.height < np.quantile(maps.height, 0.15)
    assert color[high][:, 0].mean() > color[low][:, 0].mean() + 5
    assert np.ptp(cv2.GaussianBlur(maps.height, (0, 0), 4)) > 0.25, "high relief"
