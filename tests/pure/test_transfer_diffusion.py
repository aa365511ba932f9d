"""What Stable Diffusion is given of a base texture, and what its picture becomes."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon.errors import SynGenError
from syngen_addon.images import resize
from syngen_addon.recipe import Diffusion
from syngen_addon.transfer.diffusion import control_picture, finish, model_size, prepare
from tests.pure.test_transfer import lab, painted, pink, rust, setting
from tests.pure.test_transfer_neural import MAPS, aged, islands, stylised

SMALL = Diffusion(size=128)


def asked(base, diffusion=SMALL, **more):
    patched = aged(base, **more)
    return prepare(base, rust(), setting(), diffusion, patched=patched, **more), patched


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(8, 128).map(lambda n: 8 * n))
def test_the_model_s_size_keeps_the_shape_in_multiples_of_8(width, height, side):
    w, h = model_size(width, height, side)
    assert w % 8 == h % 8 == 0 and max(w, h) == side and min(w, h) >= min(64, side)
    if min(width, height) / max(width, height) * side > 64:
        assert w / h == pytest.approx(width / height, rel=0.07)


@pytest.mark.parametrize(("height", "width"), [(256, 256), (100, 300), (64, 40)])
def test_all_pictures_have_that_size(height, width):
    surface = islands(height, width)
    ask, _ = asked(painted(height, width), Diffusion(size=128, control="depth"), surface=surface)
    assert ask.content_srgb.shape == ask.control.shape == (*ask.mask.shape, 3)
    assert max(ask.mask.shape) == 128 and not ask.wraps and ask.mask.dtype == np.bool_
    assert asked(painted(height, width))[0].wraps


def test_the_mask_is_where_wear_may_be_and_a_little_beyond_the_islands():
    base, surface = painted(), islands(256, 256)
    protect = np.zeros((256, 256), bool)
    protect[100:160, 40:90] = True
    ask, _ = asked(base, surface=surface, protect=protect)

    def small(mask):
        return resize(mask.astype(np.float32), 128, 128)

    free = small(surface.covered & ~protect)
    assert ask.mask[free > 0.99].all()
    assert not ask.mask[small(protect) > 0.5].any()
    near = cv2.dilate((small(surface.covered) > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert not ask.mask[~near].any(), "what is far from every island is left alone"
    assert (ask.mask & (small(surface.covered) == 0)).any(), "borders are painted whole"
    everywhere, _ = asked(base)
    assert everywhere.mask.all()
    none, _ = asked(base, protect=np.ones((256, 256), bool))
    assert not none.mask.any()


def test_texels_outside_the_islands_never_reach_the_model():
    base, surface = painted(), islands(256, 256)
    other = base.copy()
    other[~surface.covered] = (1, 0, 1)
    diffusion = Diffusion(size=256, control="canny")
    one, two = (asked(b, diffusion, surface=surface)[0] for b in (base, other))
    np.testing.assert_array_equal(one.content_srgb, two.content_srgb)
    np.testing.assert_array_equal(one.control, two.control)
    np.testing.assert_allclose(one.content_srgb[surface.covered], base[surface.covered], atol=1e-6)


def test_the_control_pictures_hold_the_structure():
    base = painted()
    assert control_picture(base, "none") is None
    np.testing.assert_array_equal(control_picture(base, "tile"), base)

    edges = control_picture(base, "canny")
    assert set(np.unique(edges)) == {0.0, 1.0} and 0.01 < edges.mean() < 0.3
    assert edges[60:68, 100:110].any(), "the marking's border"
    assert not edges[72:88, 90:98].any(), "nothing within it"
    pale = 0.5 + 0.1 * (base - 0.5)
    assert control_picture(np.asarray(pale, np.float32), "canny").mean() > 0.3 * edges.mean()
    assert not control_picture(np.full((128, 128, 3), 0.5, np.float32), "canny").any()

    depth = control_picture(base, "depth")[..., 0]
    assert depth.min() >= 0 and depth.max() <= 1
    line, sound = depth[128, 60:80].mean(), depth[144, 60:80].mean()
    assert line < sound - 0.1, "panel lines lie deep"
    assert np.ptp(control_picture(np.full((128, 128, 3), 0.5, np.float32), "depth")) < 0.01
    with pytest.raises(SynGenError, match="no control"):
        control_picture(base, "scribble")


@pytest.mark.parametrize("control", ["tile", "canny", "depth"])
def test_controls_of_a_wrapping_picture_wrap(control):
    base = np.asarray(np.clip(0.5 + 0.2 * np.dstack([pink(128, s) for s in (1, 2, 3)]), 0, 1), np.float32)
    by = (32, 48)
    moved = control_picture(np.ascontiguousarray(np.roll(base, by, (0, 1))), control, wraps=True)
    still = np.roll(control_picture(base, control, wraps=True), by, (0, 1))
    assert np.abs(moved - still).mean() < 0.01


@given(st.integers(0, 1000), st.booleans(), st.sampled_from([(128, 128), (64, 64), (256, 256)]))
@settings(max_examples=6, deadline=None)
def test_protected_texels_come_back_bit_exact(seed, flat, size):
    random = np.random.default_rng(seed)
    base = random.random((128, 128, 3), np.float32)
    protect = cv2.GaussianBlur(random.random((128, 128)), (0, 0), 4) > 0.5
    surface = None if flat else islands(128, 128)
    ask, patched = asked(base, Diffusion(size=64), surface=surface, protect=protect)
    picture = random.random((*size, 3), np.float32)
    out = finish(ask, picture, base, rust(), setting(), patched=patched, surface=surface, protect=protect)
    assert out.color_srgb[protect].tobytes() == base[protect].tobytes()
    assert (out.height[protect] == 0.5).all() and (out.roughness[protect] == 0.5).all()
    assert not out.metallic[protect].any()
    for name in MAPS:
        values = getattr(out, name)
        assert values.dtype == np.float32 and values.shape[:2] == (128, 128)
        assert np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1


def test_where_the_model_left_the_base_texture_it_keeps_its_own_fine_detail():
    base = painted(512, 512)
    ask, patched = asked(base)
    picture = ask.content_srgb.copy()
    picture[:, 64:] = stylised(ask.content_srgb)[:, 64:]
    out = finish(ask, picture, base, rust(), setting(structure=0.0), patched=patched)
    kept = lab(out.color_srgb)[:, :224] - lab(base)[:, :224]
    assert np.abs(kept).mean() < 1.0
    assert out.height[:, :224].std() < 0.2 * out.height[:, 300:].std(), "sound paint is smooth"

    def grain(color):
        light = lab(color)[..., 0]
        return light - cv2.GaussianBlur(light, (0, 0), 1.5)

    worn = np.s_[:, 300:]
    assert np.corrcoef(grain(out.color_srgb)[worn].ravel(), grain(patched.color_srgb)[worn].ravel())[0, 1] > 0.7
