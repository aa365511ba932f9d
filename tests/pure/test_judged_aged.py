"""Aged textures of every kind pass the filters, whatever the paint below; a wrong colour does not."""

import dataclasses

import numpy as np
import pytest

from syngen_addon.filters.judge import Verdict, judge
from syngen_addon.images import Array, Maps
from syngen_addon.kinds import KINDS
from syngen_addon.recipe import Filters, Kind, Transfer
from syngen_addon.textures.procedural import wear_texture
from syngen_addon.transfer.patch import transfer
from syngen_addon.variants import OPAQUE, colors_on

PAINTS = {"red": (0.70, 0.05, 0.05), "yellow": (0.90, 0.75, 0.10), "white": (0.92, 0.92, 0.90)}


def painted(paint: str) -> Array:
    grain = np.random.default_rng(0).normal(0, 0.02, (256, 256, 1))
    return np.clip(np.array(PAINTS[paint]) + grain, 0, 1).astype(np.float32)


def aged(kind: Kind, paint: str) -> Maps:
    wear = wear_texture(kind, 256, np.random.default_rng(1))
    return transfer(painted(paint), wear, Transfer(), tile_m=0.5, coverage=kind.coverage)


def judged(maps: Maps, kind: Kind, paint: str, color_srgb: Array | None = None) -> Verdict:
    maps = maps if color_srgb is None else dataclasses.replace(maps, color_srgb=color_srgb)
    hidden = None if maps.cover is None else maps.cover > OPAQUE
    colors = colors_on(painted(paint), kind, Transfer())
    return judge(maps, colors, Filters(), tiles=False, hidden=hidden)


@pytest.mark.parametrize("paint", PAINTS)
@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.coverage > 0])
def test_the_colour_of_paint_that_shines_through_is_not_held_against_wear(name: str, paint: str) -> None:
    verdict = judged(aged(KINDS[name], paint), KINDS[name], paint)
    assert verdict.reason != "color", verdict.sentence


@pytest.mark.parametrize("name", ["heavy_rust", "light_rust", "rust_streaks", "moss", "peeling_paint"])
def test_wear_that_hides_the_paint_in_a_wrong_colour_is_refused(name: str) -> None:
    maps = aged(KINDS[name], "white")
    blue = np.ascontiguousarray(np.clip(maps.color_srgb[..., ::-1] * np.array([0.5, 0.7, 1.6], np.float32), 0, 1))
    assert judged(maps, KINDS[name], "white", blue.astype(np.float32)).reason == "color"
