"""Rust against photographs of it, by three measures: see examples/texture_distance.py and docs/realism.md.

The photographs are no part of the project: SYNGEN_TEST_ASSETS names the folder where textures/ lies; skips without.
"""

import os
from functools import cache
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from examples import texture_distance as td
from syngen_addon import images
from syngen_addon.kinds import KINDS
from syngen_addon.seeds import generator
from syngen_addon.textures.noise import field
from syngen_addon.textures.procedural import wear_texture

ASSETS = os.environ.get("SYNGEN_TEST_ASSETS", "")
PHOTOGRAPHS = ("Rust004_1K_Color.jpg", "Rust006_1K-JPG_Color.jpg", "rust_coarse_01_diff_1k.webp")
SEEDS = 2
LIMIT = 1.3
MEASURES = ("color", "structure", "patch")
needs_photographs = pytest.mark.skipif(not ASSETS, reason="SYNGEN_TEST_ASSETS is not set")


@cache
def photographs():
    """Descriptions of the photographs, their units, and the mean distance between two of them."""
    pictures = [td.describe(images.load(Path(ASSETS, "textures", name))) for name in PHOTOGRAPHS]
    units = td.units_of(pictures)
    apart = [td.distances(a, b, units) for a, b in combinations(pictures, 2)]
    return pictures, units, {m: float(np.mean([d[m] for d in apart])) for m in MEASURES}


def ratios(color_srgb):
    """Mean distance to the photographs, over the mean distance between two of them."""
    pictures, units, apart = photographs()
    found = td.describe(color_srgb)
    far = [td.distances(found, picture, units) for picture in pictures]
    return {m: float(np.mean([d[m] for d in far])) / apart[m] for m in MEASURES}


@needs_photographs
@pytest.mark.parametrize("name", ["light_rust", "heavy_rust", "rust_streaks"])
def test_rust_lies_as_near_to_photographs_as_they_to_each_other(name):
    each = [ratios(wear_texture(KINDS[name], 1024, generator(seed, "realism")).color_srgb) for seed in range(SEEDS)]
    mean = {m: float(np.mean([r[m] for r in each])) for m in MEASURES}
    assert max(mean.values()) <= LIMIT, mean


@needs_photographs
@pytest.mark.parametrize(
    ("slope", "stretch"), [(0.5, 1.0), (1.0, 1.0), (1.0, 12.0)], ids=["fine noise", "cloud noise", "wood"]
)
def test_noise_in_the_photographs_colours_does_not(slope, stretch):
    lab = np.concatenate([cv2.cvtColor(p, cv2.COLOR_RGB2Lab).reshape(-1, 3) for p in loaded()])
    noise = field(np.random.default_rng(0), 512, 2, 400, slope, stretch)[..., None]
    found = ratios(cv2.cvtColor((lab.mean(0) + lab.std(0) * noise).astype(np.float32), cv2.COLOR_Lab2RGB))
    assert found["structure"] > LIMIT and found["patch"] > LIMIT, found


def loaded():
    return [images.load(Path(ASSETS, "textures", name))[::4, ::4].copy() for name in PHOTOGRAPHS]


# --- the measures themselves, without photographs --------------------------------------------------------------------


def picture(seed, slope=1.0, stretch=1.0, spread=4.0):
    noise = [field(np.random.default_rng([seed, i]), 256, 2, 120, slope, stretch) for i in range(3)]
    lab = np.stack([30 + spread * noise[0], 15 + noise[1], 20 + noise[2]], -1).astype(np.float32)
    return np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1)


@cache
def known():
    found = {
        "one": picture(0), "same": picture(1), "fine": picture(2, slope=0.3), "wood": picture(3, stretch=12),
        "strong": picture(4, spread=9), "bright": np.clip(picture(1) + 0.1, 0, 1),
    }  # fmt: skip
    return {name: td.describe(color, 256) for name, color in found.items()}


def test_a_picture_is_at_no_distance_from_itself():
    units = td.units_of(list(known().values()))
    assert set(td.distances(known()["one"], known()["one"], units).values()) == {0.0}


def test_distances_are_the_same_both_ways_and_every_time():
    units = td.units_of(list(known().values()))
    assert td.distances(known()["one"], known()["wood"], units) == td.distances(known()["wood"], known()["one"], units)
    again = td.describe(picture(3, stretch=12), 256)
    assert set(td.distances(again, known()["wood"], units).values()) == {0.0}


@pytest.mark.parametrize(
    ("other", "measure"),
    [("fine", "patch"), ("wood", "structure"), ("wood", "patch"), ("strong", "patch"), ("bright", "color")],
)
def test_a_measure_sees_what_it_should(other, measure):
    units = td.units_of(list(known().values()))
    near = td.distances(known()["one"], known()["same"], units)[measure]
    assert td.distances(known()["one"], known()[other], units)[measure] > 1.5 * near


@pytest.mark.parametrize(
    ("other", "group"),
    [("fine", "energy"), ("strong", "energy"), ("wood", "autocorrelation"), ("wood", "orientations")],
)
def test_a_group_of_statistics_sees_what_it_should(other, group):
    near = td.group_distances(known()["one"], known()["same"])[group]
    assert td.group_distances(known()["one"], known()[other])[group] > 3 * near


def test_colour_does_not_see_structure_nor_structure_a_shift():
    units = td.units_of(list(known().values()))
    shuffled = np.random.default_rng(0).permutation(picture(0).reshape(-1, 3)).reshape(256, 256, 3)
    assert td.color_distance(td.describe(shuffled, 256), known()["one"]) < 0.05
    rolled = td.describe(np.roll(picture(0), (32, 96), (0, 1)), 256)
    assert td.distances(rolled, known()["one"], units)["structure"] < 0.02


def test_colour_is_in_lab_units():
    """A shift of L by d moves the colours by d times the mean length of L along a direction: 1 / sqrt(3)."""
    lab = cv2.cvtColor(picture(0), cv2.COLOR_RGB2Lab)
    brighter = cv2.cvtColor(lab + np.float32([10, 0, 0]), cv2.COLOR_Lab2RGB)
    found = td.color_distance(td.describe(brighter, 256), known()["one"])
    assert found == pytest.approx(10 / np.sqrt(3), rel=0.1)


def test_the_pyramid_holds_all_of_the_picture():
    """Its bands tile the spectrum: their energies sum to the picture's."""
    image = cv2.cvtColor(picture(0), cv2.COLOR_RGB2Lab)[..., 0]
    rest, bands, lows = td.pyramid(image)
    energy = (rest**2).sum() + (lows[-1] ** 2).sum() * 4**td.SCALES
    energy += sum(float((band.real**2).sum()) * 4**number for number, row in enumerate(bands) for band in row)
    assert energy == pytest.approx(float((image**2).sum()), rel=0.01)
    assert [row[0].shape[0] for row in bands] == [256, 128, 64, 32]
