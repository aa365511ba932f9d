"""The kinds are plain, complete data."""

import dataclasses

import numpy as np
import pytest

from syngen_addon.images import luminance
from syngen_addon.kinds import KINDS
from syngen_addon.recipe import Kind, Look, Onset, Wear


def test_the_three_rusts_are_there_and_the_recipe_s_default_is_one_of_them():
    assert {"light_rust", "heavy_rust", "rust_streaks"} <= set(KINDS)
    assert Wear().kind in KINDS


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_named_as_it_is_found_and_says_everything_a_person_needs(name):
    kind = KINDS[name]
    assert isinstance(kind, Kind) and kind.name == name
    assert kind.label and kind.label != name
    assert kind.prompt
    assert kind.wear_class in ("", "default", "streaks", "complete")
    assert 0 < kind.coverage <= 1


@pytest.mark.parametrize("name", KINDS)
def test_values_are_within_their_units(name):
    onset, look = KINDS[name].onset, KINDS[name].look
    for about in dataclasses.fields(Onset):
        value = getattr(onset, about.name)
        if about.metadata["choices"]:
            assert value in about.metadata["choices"]
            continue
        assert about.metadata["low"] <= value <= about.metadata["high"], about.name
    others = {"style", "colors_srgb", "roughness", "scale", "body", "bare_srgb"}
    shares = {f.name for f in dataclasses.fields(Look)} - others
    assert {"metallic", "relief", "grain", "direction"} <= shares
    for share in shares:
        assert 0 <= getattr(look, share) <= 1, share
    assert 0 <= look.roughness[0] < look.roughness[1] <= 1
    assert 0 <= look.body[0] < look.body[1] <= 1
    assert look.scale > 0
    assert len(look.colors_srgb) >= 3


@pytest.mark.parametrize("name", KINDS)
def test_the_palette_darkens_from_young_to_old_and_stays_rust(name):
    colors = np.array(KINDS[name].look.colors_srgb, np.float32)
    assert colors.min() >= 0 and colors.max() <= 1
    assert (np.diff(luminance(colors[None])[0]) < 0).all()
    assert (colors[:, 0] > colors[:, 1]).all() and (colors[:, 1] > colors[:, 2]).all()
