"""What a network is given for style transfer, and what its picture becomes: sizes, scale, islands, protected texels."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon.errors import SynGenError
from syngen_addon.images import Maps, resize
from syngen_addon.transfer.neural import STYLE_LEAST, Ask, finish, prepare
from syngen_addon.transfer.patch import transfer
from tests.pure.test_transfer import cylinder, lab, painted, pink, rust, setting

FLAT = Ask(*(np.zeros((1, 1, 3), np.float32),) * 3, np.zeros((1, 1), np.bool_), wraps=True)
ISLANDS = dataclasses.replace(FLAT, wraps=False)
MAPS = ("color_srgb", "roughness", "metallic", "height")


def aged(base, wear=None, **more):
    settings_ = more.pop("settings", setting())
    return transfer(base, wear or rust(), settings_, tile_m=0.5, coverage=0.9, **more)


def islands(height, width):
    """A drum's wall of which only two islands are mapped."""
    surface = cylinder(height, width)
    covered = np.zeros((height, width), bool)
    covered[height // 8 : -height // 8, width // 8 : width // 2 - 4] = True
    covered[height // 8 : -height // 4, width // 2 + 4 : -4] = True
    return dataclasses.replace(surface, covered=covered)


def stylised(picture, seed=5):
    """A stand-in for a network's picture: other tints, other grain, the picture's own structure."""
    grain = resize(np.asarray(0.5 + 0.12 * pink(64, seed), np.float32), picture.shape[1], picture.shape[0])
    light = cv2.GaussianBlur(picture, (0, 0), 1.5).mean(axis=2)
    return np.clip((0.5 * light + grain - 0.35)[..., None] * (1.3, 0.75, 0.4), 0, 1).astype(np.float32)


@pytest.mark.parametrize(("height", "width", "side"), [(256, 256, 2048), (256, 192, 128), (90, 300, 100), (64, 64, 64)])
def test_the_pictures_have_one_size_no_larger_than_asked(height, width, side):
    base, surface = painted(height, width), islands(height, width)
    patched = aged(base, surface=surface)
    ask = prepare(base, rust(), setting(), tile_m=0.5, patched=patched, surface=surface, side=side)
    assert ask.content_srgb.shape == ask.start_srgb.shape == (*ask.mask.shape, 3)
    assert max(ask.mask.shape) == min(side, max(height, width))
    assert ask.mask.shape[0] / ask.mask.shape[1] == pytest.approx(height / width, rel=0.03)
    assert ask.mask.dtype == np.bool_ and ask.mask.mean() == pytest.approx(surface.covered.mean(), abs=0.05)
    for picture in (ask.content_srgb, ask.start_srgb, ask.style_srgb):
        assert picture.dtype == np.float32 and picture.min() >= 0 and picture.max() <= 1
    assert not ask.wraps and prepare(base, rust(), setting(), tile_m=0.5, patched=patched).wraps


def test_texels_outside_the_islands_never_reach_the_network():
    base, surface = painted(), islands(256, 256)
    protect = np.zeros((256, 256), bool)
    protect[100:140, 40:90] = True
    other = base.copy()
    other[~surface.covered] = (1, 0, 1)
    asks = [
        prepare(b, rust(), setting(), tile_m=0.5, patched=aged(b, surface=surface), surface=surface, protect=protect)
        for b in (base, other)
    ]
    np.testing.assert_array_equal(asks[0].content_srgb, asks[1].content_srgb)
    np.testing.assert_array_equal(asks[0].start_srgb, asks[1].start_srgb)
    np.testing.assert_array_equal(asks[0].content_srgb[surface.covered], base[surface.covered])
    np.testing.assert_array_equal(asks[0].mask, surface.covered & ~protect)


def test_the_style_has_the_size_it_has_in_the_world():
    """On a drum of 1.88 m and 1024 texels half a metre is 272 texels; a photo too shows one tile."""
    surface = cylinder(512, 1024)
    texels = 0.5 / np.sqrt(surface.texel_area_m2[0, 0])
    base = painted(512, 1024)
    patched = aged(base, surface=surface)
    photo = np.random.default_rng(0).random((300, 500, 3), np.float32)
    ask = prepare(base, rust(), setting(), tile_m=0.5, patched=patched, surface=surface, style_srgb=photo)
    assert ask.style_srgb.shape[0] == pytest.approx(texels, abs=1)
    assert ask.style_srgb.shape[1] / ask.style_srgb.shape[0] == pytest.approx(500 / 300, rel=0.02)
    half = prepare(base, rust(), setting(), tile_m=0.5, patched=patched, surface=surface, style_srgb=photo, side=512)
    assert half.style_srgb.shape[0] == pytest.approx(texels / 2, abs=1)
    own = prepare(base, rust(), setting(), tile_m=0.5, patched=patched, surface=surface).style_srgb
    period = round(texels)
    assert min(own.shape[:2]) >= STYLE_LEAST and own.shape[0] % period == 0
    np.testing.assert_array_equal(own[:period], own[period : 2 * period])
    wide = prepare(base, rust(), setting(), tile_m=40.0, patched=patched, surface=surface, style_srgb=photo).style_srgb
    assert max(wide.shape[:2]) <= 2100, "of a style far larger than the base a part will do"


@pytest.mark.parametrize("shape", [(64, 64), (4, 64, 3), (64, 64, 1)])
def test_a_style_that_is_no_picture_is_refused(shape):
    base = painted()
    with pytest.raises(SynGenError, match="style picture"):
        prepare(base, rust(), setting(), tile_m=0.5, patched=aged(base), style_srgb=np.zeros(shape, np.float32))


@given(
    st.integers(0, 1000), st.sampled_from([(128, 128), (64, 64), (200, 90), (256, 256)]), st.booleans(), st.booleans(),
    st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
@settings(max_examples=8, deadline=None)
def test_protected_texels_come_back_bit_exact_whatever_the_network_paints(seed, size, flat, tiny, structure, color):
    random = np.random.default_rng(seed)
    base = random.random((128, 128, 3), np.float32)
    surface = None if flat else islands(128, 128)
    protect = cv2.GaussianBlur(random.random((128, 128)), (0, 0), 4) > 0.5
    chosen = setting(structure=structure, color=color)
    patched = aged(base, surface=surface, protect=protect, settings=chosen)
    picture = random.random((*size, 3), np.float32) * (1e-3 if tiny else 1)
    ask = prepare(base, rust(), chosen, tile_m=0.5, patched=patched, surface=surface, protect=protect)
    out = finish(ask, picture, base, rust(), chosen, patched=patched, surface=surface, protect=protect)
    assert out.color_srgb[protect].tobytes() == base[protect].tobytes()
    assert set(out.height[protect]) <= {np.float32(0.5)} and set(out.roughness[protect]) <= {np.float32(0.5)}
    assert not out.metallic[protect].any()
    for name in MAPS:
        values = getattr(out, name)
        assert values.dtype == np.float32 and values.shape[:2] == (128, 128)
        assert np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1


def test_the_picture_gives_the_color_and_the_setting_says_how_far():
    base = painted()
    picture = stylised(base)
    tints = []
    for color in (0.0, 0.5, 1.0):
        chosen = setting(color=color, structure=0.0)
        out = finish(FLAT, picture, base, rust(), chosen, patched=aged(base, settings=chosen))
        tints.append(lab(out.color_srgb)[..., 1:])
    # Colours that sRGB cannot hold are cut off, so a few texels are off.
    assert np.median(np.abs(tints[0] - lab(base)[..., 1:])) < 0.5
    assert np.median(np.abs(tints[2] - lab(picture)[..., 1:])) < 0.5
    middle = (lab(base)[..., 1:] + lab(picture)[..., 1:]) / 2
    assert np.median(np.abs(tints[1] - middle)) < 0.5


def test_structure_that_the_picture_lacks_is_laid_over_and_what_it_has_is_not_doubled():
    base = painted()

    def fine(color):
        light = lab(color)[..., 0]
        return light - cv2.GaussianBlur(light, (0, 0), 8)

    def kept(picture, structure):
        chosen = setting(structure=structure)
        out = finish(FLAT, picture, base, rust(), chosen, patched=aged(base, settings=chosen))
        return np.corrcoef(fine(out.color_srgb).ravel(), fine(base).ravel())[0, 1]

    nothing = stylised(np.full_like(base, 0.5))
    rising = [kept(nothing, s) for s in (0.0, 0.5, 1.0)]
    assert rising[0] < 0.15 and rising[0] + 0.2 < rising[1] < rising[2]
    assert kept(base, 0.0) > 0.95
    plain = lab(finish(FLAT, base, base, rust(), setting(structure=0.3), patched=aged(base)).color_srgb)[..., 0]
    assert np.abs(plain - lab(base)[..., 0]).mean() < 1.0


def test_a_picture_of_the_patch_transfer_gives_the_patch_transfer():
    base = painted()
    chosen = setting(color=1.0, structure=0.0)
    patched = aged(base, settings=chosen)
    out = finish(FLAT, patched.color_srgb, base, rust(), chosen, patched=patched)
    for name, most in zip(MAPS, (1e-3, 0.01, 0.01, 0.01), strict=True):
        assert np.abs(getattr(out, name) - getattr(patched, name)).mean() < most, name


def test_the_other_maps_follow_the_color():
    """In this wear dark is rough and metallic; so it is in a picture with another pattern."""
    base = np.full((256, 256, 3), 0.4, np.float32)
    wear, other = rust(), rust(256, seed=9)
    chosen = setting(structure=0.0, color=1.0)
    out = finish(FLAT, other.color_srgb, base, wear, chosen, patched=aged(base, wear, settings=chosen))
    for name in ("roughness", "metallic"):
        seen, true = getattr(out, name).ravel(), getattr(other, name).ravel()
        assert np.corrcoef(seen, true)[0, 1] > 0.9, name
        assert abs(seen.mean() - true.mean()) < 0.05
    assert abs(out.height.mean() - 0.5) < 0.06


def test_a_small_picture_gets_its_detail_from_the_patch_transfer():
    base = painted(512, 512)
    chosen = setting(color=1.0, structure=0.0)
    patched = aged(base, settings=chosen)
    out = finish(FLAT, resize(patched.color_srgb, 128, 128), base, rust(), chosen, patched=patched)
    assert np.abs(lab(out.color_srgb) - lab(patched.color_srgb)).mean() < 1.5
    smooth = resize(resize(patched.color_srgb, 128, 128), 512, 512)

    def grain(color):
        light = lab(color)[..., 0]
        return float((light - cv2.GaussianBlur(light, (0, 0), 1.5)).std())

    assert grain(out.color_srgb) > 0.9 * grain(patched.color_srgb) > 1.3 * grain(smooth)


def test_outside_the_islands_it_is_filled_so_that_no_border_bleeds_in():
    base, surface = painted(), islands(256, 256)
    patched = aged(base, surface=surface)
    picture = stylised(base)
    pink_ = picture.copy()
    pink_[~surface.covered] = (1, 0, 1)
    chosen = setting()
    outs = [
        finish(ISLANDS, p, base, rust(), chosen, patched=patched, surface=surface).color_srgb for p in (picture, pink_)
    ]
    np.testing.assert_array_equal(outs[0], outs[1])
    rim = cv2.dilate(surface.covered.astype(np.uint8), np.ones((5, 5))).astype(bool) & ~surface.covered
    assert np.abs(lab(outs[0])[rim].mean(axis=0) - lab(outs[0])[surface.covered].mean(axis=0)).max() < 8


def test_what_wraps_still_wraps():
    base = np.asarray(np.clip(0.5 + 0.15 * np.dstack([pink(128, s) for s in (1, 2, 3)]), 0, 1), np.float32)
    picture = np.asarray(np.clip(0.5 + 0.15 * np.dstack([pink(128, s) for s in (4, 5, 6)]), 0, 1), np.float32)
    patched, wear, by = aged(base), rust(), (40, 70)

    def moved(image):
        return np.ascontiguousarray(np.roll(image, by, (0, 1)))

    out = finish(FLAT, picture, base, wear, setting(), patched=patched)
    turned = Maps(*(moved(getattr(patched, name)) for name in MAPS))
    again = finish(FLAT, moved(picture), moved(base), wear, setting(), patched=turned)
    for name in MAPS:
        assert np.abs(moved(getattr(out, name)) - getattr(again, name)).mean() < 0.01, name
    for name in MAPS:
        values = getattr(out, name)
        for axis in (0, 1):
            step = np.abs(np.diff(values, axis=axis)).mean()
            across = np.abs(np.take(values, 0, axis) - np.take(values, -1, axis)).mean()
            assert across < 1.3 * step + 1e-4, name


def test_no_seam_where_borders_of_islands_meet_in_the_world():
    """Around a drum, whose two ends a network paints without knowing of each other."""
    surface, base = cylinder(256, 512), np.full((256, 512, 3), 0.4, np.float32)
    patched = aged(base, surface=surface)
    ramp = np.linspace(0.6, 1.4, 512, dtype=np.float32)[None, :, None]
    picture = np.clip(patched.color_srgb * ramp, 0, 1)
    out = finish(ISLANDS, picture, base, rust(), setting(color=1.0), patched=patched, surface=surface)

    def step(color):
        smooth = cv2.blur(lab(color), (1, 31))
        return float(np.linalg.norm(smooth[:, 0] - smooth[:, -1], axis=1).mean())

    assert step(picture) > 20 and step(out.color_srgb) < step(patched.color_srgb) + 2
    middle = np.s_[:, 100:-100]
    assert np.abs(lab(out.color_srgb)[middle] - lab(picture)[middle]).mean() < 3


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 4), (0, 64, 3)])
def test_a_picture_of_a_wrong_shape_is_refused(shape):
    base = painted()
    with pytest.raises(SynGenError, match="network's picture"):
        finish(FLAT, np.zeros(shape, np.float32), base, rust(), setting(), patched=aged(base))


def test_a_picture_without_numbers_is_refused_and_the_same_bytes_come_twice():
    base = painted(96, 96)
    patched = aged(base)
    with pytest.raises(SynGenError, match="not numbers"):
        finish(FLAT, np.full((96, 96, 3), np.nan, np.float32), base, rust(), setting(), patched=patched)
    one, two = (finish(FLAT, stylised(base), base, rust(), setting(), patched=patched) for _ in range(2))
    assert all(getattr(one, name).tobytes() == getattr(two, name).tobytes() for name in MAPS)
