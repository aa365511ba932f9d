"""Marks on base textures: what is found and what is not, and how found marks fade."""

import importlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from skimage.metrics import structural_similarity

from syngen_addon import images, seeds
from syngen_addon.images import Array, Maps, Mask
from syngen_addon.marks.fade import faded
from syngen_addon.marks.find import find_marks, grown
from syngen_addon.recipe import Marks

needs_models = pytest.mark.skipif(not os.environ.get("SYNGEN_TEST_ASSETS"), reason="needs SYNGEN_TEST_ASSETS")
SIDE = 384


def paint(seed: int = 1) -> Array:
    """Green paint with shading, grain and a seam."""
    rng = seeds.generator(seed, "paint")
    base = np.full((SIDE, SIDE, 3), (0.25, 0.42, 0.36), np.float32)
    base *= np.linspace(0.8, 1.15, SIDE, dtype=np.float32)[:, None, None]
    base += cv2.GaussianBlur(rng.normal(0, 0.05, (SIDE, SIDE)).astype(np.float32), (0, 0), 1)[..., None]
    base[:, 300:302] *= 0.75
    return np.clip(base, 0, 1)


def printed() -> tuple[Array, Mask]:
    """That paint with two lines of text, a round logo and a label, and where they are."""
    picture = Image.fromarray(images.to_bytes(paint()))
    marks = Image.new("L", picture.size)
    for canvas, white, dark, red in ((picture, (235, 232, 225), (25, 25, 28), (200, 40, 30)), (marks, 255, 255, 255)):
        pen = ImageDraw.Draw(canvas)
        for row, text in enumerate(("DANGER", "220 V")):
            pen.text((30, 40 + 44 * row), text, fill=white, font=ImageFont.load_default(36))
        pen.ellipse((60, 220, 140, 300), fill=red)
        pen.rectangle((72, 250, 128, 270), fill=white)
        pen.rectangle((200, 230, 280, 290), fill=white)
        pen.text((208, 246), "No. 7", fill=dark if canvas is picture else 255, font=ImageFont.load_default(22))
    return np.asarray(picture, np.float32) / 255, np.asarray(marks) > 128


def wear() -> Maps:
    color = np.full((64, 64, 3), (0.45, 0.22, 0.1), np.float32)
    flat = np.full((64, 64), 0.5, np.float32)
    return Maps(color, flat, flat * 0, flat)


def rates(found: Mask, truth: Mask) -> tuple[float, float]:
    """Precision and recall by texels."""
    right = np.count_nonzero(found & truth)
    return right / max(1, np.count_nonzero(found)), right / max(1, np.count_nonzero(truth))


def test_text_logos_and_labels_are_found() -> None:
    base, truth = printed()
    precision, recall = rates(find_marks(base, Marks()), truth)
    assert precision > 0.8 and recall > 0.98  # holes of letters are filled


def test_paint_seams_and_shading_are_none() -> None:
    assert not find_marks(paint(), Marks()).any()


def test_rust_spots_and_scratches_are_none() -> None:
    rng = seeds.generator(3, "spots")
    base = paint(3)
    field = sum(
        cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), s) * s for s in (1.5, 4, 12)
    )
    rust = np.clip((field - np.quantile(field, 0.93)) / 0.8, 0, 1)[..., None]
    base = base * (1 - rust) + rust * np.float32([0.36, 0.2, 0.11])
    for _ in range(25):
        (x, y), (dx, dy) = rng.integers(0, SIDE, 2), rng.integers(-60, 60, 2)
        cv2.line(base, (int(x), int(y)), (int(x + dx), int(y + dy)), (0.5, 0.55, 0.5), 1, cv2.LINE_AA)
    assert find_marks(base, Marks()).mean() < 0.004


def test_nothing_is_found_off_the_surface_or_on_the_borders_of_islands() -> None:
    base, truth = printed()
    covered = np.ones(truth.shape, np.bool_)
    covered[:, :160] = False
    found = find_marks(base, Marks(), covered)
    assert not found[:, :160].any() and rates(found[:, 195:], truth[:, 195:])[1] > 0.9
    islands = np.zeros_like(base)
    cells = np.arange(SIDE) // 48
    covered = (cells[:, None] + cells[None]) % 2 == 0
    islands[covered] = 0.8
    assert not find_marks(islands, Marks(), covered).any()


def test_a_larger_texture_gives_the_same_marks() -> None:
    base, truth = printed()
    factor = 3
    large = images.resize(base, SIDE * factor, SIDE * factor)
    precision, recall = rates(find_marks(large, Marks()), cv2.resize(truth.astype(np.uint8), large.shape[1::-1]) > 0)
    assert precision > 0.8 and recall > 0.9


def test_sensitivity_only_ever_adds() -> None:
    base, _ = printed()
    found = [find_marks(base, Marks(sensitivity=s)) for s in (0.0, 0.5, 1.0)]
    assert (found[0] <= found[1]).all() and (found[1] <= found[2]).all()


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_any_picture_gives_a_mask_of_its_size(height: int, width: int, seed: int) -> None:
    base = np.random.default_rng(seed).random((height, width, 3), np.float32)
    assert find_marks(base, Marks()).shape == (height, width)
    assert not find_marks(np.full_like(base, 0.5), Marks()).any()


def test_grown_reaches_as_far_as_it_says() -> None:
    marks = np.zeros((100, 200), np.bool_)
    marks[50, 100] = True
    out = grown(marks, 0.05)
    assert out[50, 90] and out[40, 100] and not out[50, 89] and not out[42, 92]
    assert (grown(marks, 0) == marks).all() and not grown(np.zeros_like(marks), 0.1).any()


# --- real models: boxes of marks by hand; those without a box have none ----------------------------------------------

MODELS = {
    "Barrel_01": [(194, 70, 321, 202), (197, 541, 322, 668)],
    "WetFloorSign_01": [(54, 338, 203, 630), (131, 815, 430, 967)],
    "metal_toolbox": [],
    "metal_office_desk": [],
    "steel_frame_shelves_01": [],
    "street_lamp_01": [],
    "worn_metal_rack": [],
}


@needs_models
@pytest.mark.parametrize("name", MODELS)
def test_on_a_real_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    models = importlib.import_module("find_marks")
    texture = next(each for each in models.textures() if each.startswith(name))
    found = find_marks(models.base_of(texture), Marks(), models.covered_of(texture))
    boxes = np.zeros_like(found)
    for left, top, right, bottom in MODELS[name]:
        boxes[top : bottom + 1, left : right + 1] = True
        assert found[top : bottom + 1, left : right + 1].mean() > 0.3
    assert np.count_nonzero(found & ~boxes) < 0.003 * found.size


# --- fading -----------------------------------------------------------------------------------------------------------


def edges(picture: Array) -> Array:
    grey = images.luminance(picture)
    return np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))


def test_faded_marks_keep_their_shape_and_lose_colour_and_contrast() -> None:
    base, truth = printed()
    marks = grown(truth, 0.008)
    out = faded(base, marks, wear(), Marks(fade=0.6), seeds.generator(1, "fade"))
    assert (out[~marks] == base[~marks]).all(), "bit-exact outside"
    for strength, correlation, similarity in ((0.6, 0.85, 0.7), (1.0, 0.6, 0.45)):
        out = faded(base, marks, wear(), Marks(fade=strength), seeds.generator(1, "fade"))
        before, after = (edges(cv2.GaussianBlur(p, (0, 0), 1))[marks] for p in (base, out))
        assert np.corrcoef(before, after)[0, 1] > correlation
        both = [cv2.GaussianBlur(images.luminance(p), (0, 0), 1.5) for p in (base, out)]
        _, alike = structural_similarity(*both, data_range=1, full=True)
        assert alike[marks].mean() > similarity
    spread = [images.luminance(p)[truth].std() for p in (base, out)]
    assert spread[1] < 0.75 * spread[0], "contrast goes"
    red = cv2.erode((base[..., 0] > 2 * base[..., 1]).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    saturation = [np.ptp(p[red], axis=1).mean() for p in (base, out)]
    assert saturation[1] < 0.6 * saturation[0], "so does colour"
    assert out.dtype == np.float32 and out.min() >= 0 and out.max() <= 1


def test_more_fade_changes_more_and_none_nothing() -> None:
    base, marks = printed()
    change = [
        np.abs(faded(base, marks, wear(), Marks(fade=f), seeds.generator(1, "fade")) - base).mean()
        for f in (0.0, 0.3, 0.6, 1.0)
    ]
    assert change[0] == 0 and change == sorted(change) and change[1] > 0
    nothing = np.zeros_like(marks)
    assert (faded(base, nothing, wear(), Marks(), seeds.generator(1, "fade")) == base).all()


def test_the_seed_alone_decides_and_everything_may_be_a_mark() -> None:
    base, marks = printed()
    one, same, other = (faded(base, marks, wear(), Marks(), seeds.generator(s, "fade")) for s in (1, 1, 2))
    assert (one == same).all() and (one != other).any()
    whole = faded(base, np.ones_like(marks), wear(), Marks(), seeds.generator(1, "fade"))
    assert np.isfinite(whole).all() and (whole != base).any()
