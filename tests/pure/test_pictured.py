"""A picture of wear: its maps keep to the kind, tile where it tiles, and lie near those of photographed rust."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from syngen_addon import images
from syngen_addon.errors import SynGenError
from syngen_addon.images import luminance, srgb_to_linear
from syngen_addon.kinds import KINDS
from syngen_addon.textures.pictured import even_lighting, maps_of
from syngen_addon.textures.procedural import wear_texture

RUST = KINDS["heavy_rust"]
PHOTOS = Path(os.environ.get("SYNGEN_TEST_ASSETS", "")) / "textures"


def picture(size=128, seed=0, kind=RUST):
    return wear_texture(kind, size, np.random.default_rng(seed)).color_srgb


def alike(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("name", KINDS)
def test_maps_keep_to_the_kind(name):
    kind = KINDS[name]
    maps = maps_of(picture(kind=kind), kind)
    low, high = kind.look.roughness
    assert maps.roughness.min() >= low - 1e-6 and maps.roughness.max() <= high + 1e-6
    if kind.look.style == "corrosion":
        assert low + 0.5 * (high - low) < maps.roughness.mean(), "rust is rough"
        assert maps.roughness.std() > 0.1 * (high - low)
    assert maps.metallic.min() >= 0 and maps.metallic.max() <= kind.look.metallic
    assert abs(maps.height.mean() - 0.5) < 0.05
    assert 0.06 * kind.look.relief <= maps.height.std() <= 0.2 * kind.look.relief
    for values in (maps.color_srgb, maps.roughness, maps.metallic, maps.height):
        assert values.dtype == np.float32 and np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1
        assert values.shape[:2] == (128, 128)


def test_dark_pits_are_low_and_bright_powder_is_rough():
    color = np.full((128, 128, 3), (0.40, 0.2, 0.1), np.float32)
    color[40:48, 40:48] = (0.12, 0.07, 0.05)
    color[80:96, 80:96] = (0.66, 0.36, 0.14)
    maps = maps_of(color, RUST)
    sound = maps.height[10:30, 100:120].mean()
    assert maps.height[40:48, 40:48].mean() < sound - 0.05 < sound + 0.05 < maps.height[80:96, 80:96].mean()
    pit, sound, powder = (maps.roughness[at].mean() for at in (np.s_[40:48, 40:48], np.s_[10:30], np.s_[80:96, 80:96]))
    assert pit < sound < powder


def test_metal_is_where_it_is_bright_and_grey_and_only_in_kinds_that_have_it():
    color = picture(kind=KINDS["light_rust"])
    color[20:40, 20:40] = (0.5, 0.49, 0.47)
    color[60:80, 20:40] = (0.1, 0.1, 0.1)
    light = maps_of(color, KINDS["light_rust"])
    assert light.metallic[22:38, 22:38].min() > 0.7 and light.metallic[62:78, 22:38].max() < 0.05
    assert light.metallic[:, 60:].mean() < 0.02
    assert light.roughness[22:38, 22:38].max() < light.roughness[:, 60:].mean()
    assert maps_of(color, RUST).metallic.max() == 0


def test_an_even_picture_is_an_even_surface():
    maps = maps_of(np.full((64, 96, 3), (0.4, 0.2, 0.1), np.float32), RUST)
    for values in (maps.roughness, maps.metallic, maps.height):
        assert np.ptp(values) < 1e-3 and values.shape == (64, 96)


def test_what_tiles_still_tiles():
    color = picture(96)
    maps, moved = maps_of(color, RUST), maps_of(np.roll(color, (30, 50), (0, 1)), RUST)
    for name in ("color_srgb", "roughness", "metallic", "height"):
        np.testing.assert_allclose(np.roll(getattr(maps, name), (30, 50), (0, 1)), getattr(moved, name), atol=0.02)


@pytest.mark.parametrize("shape", [(64, 64), (100, 60), (8, 8), (257, 129)])
@pytest.mark.parametrize("wraps", [True, False])
def test_any_shape_will_do(shape, wraps):
    maps = maps_of(images.resize(picture(), shape[1], shape[0]), RUST, wraps=wraps)
    assert maps.height.shape == shape and maps.color_srgb.shape == (*shape, 3)


@pytest.mark.parametrize("wraps", [True, False])
def test_even_lighting_takes_the_falloff_and_leaves_the_rest(wraps):
    color = picture(256)
    x = np.broadcast_to(np.arange(256) / 256, (256, 256))
    falloff = 0.7 + 0.3 * np.cos(2 * np.pi * x) if wraps else 0.4 + 0.6 * x
    lit = images.linear_to_srgb(srgb_to_linear(color) * falloff[..., None].astype(np.float32))

    def light(image):
        return np.log(luminance(srgb_to_linear(image)) + 0.01)

    def broad(image):
        return cv2.GaussianBlur(light(image), (0, 0), 30)[40:-40, 40:-40]

    def fine(image):
        return luminance(image) - cv2.GaussianBlur(luminance(image), (0, 0), 4)

    even = even_lighting(lit, wraps)
    assert broad(even).std() < 0.6 * broad(lit).std()
    assert alike(fine(even), fine(color)) > 0.9
    assert abs(light(even).mean() - light(lit).mean()) < 0.02


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 4), (4, 64, 3)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(SynGenError, match="picture of wear"):
        maps_of(np.zeros(shape, np.float32), RUST)
    with pytest.raises(SynGenError, match="not numbers"):
        maps_of(np.full((64, 64, 3), np.nan, np.float32), RUST)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs photographed rust, SYNGEN_TEST_ASSETS")
def test_photographed_rust_has_the_roughness_and_relief_that_are_read_off_it():
    color, rough, normal = (
        images.load(PHOTOS / f"Rust006_1K-JPG_{what}.jpg")[..., :3] for what in ("Color", "Roughness", "NormalGL")
    )
    maps = maps_of(color, RUST)
    assert alike(maps.roughness, rough[..., 0]) > 0.65
    # The normals' own relief (R. Frankot and R. Chellappa, 1988), less what is broader than a sixteenth.
    x, y, z = (normal[..., n] * 2 - 1 for n in range(3))
    u, v = np.fft.fftfreq(1024)[None] * 2 * np.pi, np.fft.fftfreq(1024)[:, None] * 2 * np.pi
    across, down = np.fft.fft2(-x / np.maximum(z, 0.2)), np.fft.fft2(y / np.maximum(z, 0.2))
    size = u * u + v * v
    size[0, 0] = np.inf
    relief = np.fft.ifft2((-1j * u * across - 1j * v * down) / size).real

    def fine(h):
        return h - cv2.GaussianBlur(h, (0, 0), 64)

    assert alike(fine(maps.height), fine(relief)) > 0.4
