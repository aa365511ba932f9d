"""The kinds are plain, complete data: every module in kinds/ passes, whoever wrote it."""

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from syngen_addon import images
from syngen_addon.images import luminance
from syngen_addon.kinds import KINDS
from syngen_addon.recipe import Front, Kind, Look, Onset, Wear
from syngen_addon.textures.procedural import STYLES
from syngen_addon.variants import SlotInput, make_variants
from tests.pure.small import request

ROOT = Path(__file__).resolve().parents[2]
RUSTS = sorted(name for name, kind in KINDS.items() if kind.look.style == "corrosion")


def test_the_three_rusts_are_there_and_the_recipe_s_default_is_one_of_them():
    assert {"light_rust", "heavy_rust", "rust_streaks"} <= set(RUSTS)
    assert Wear().kind in KINDS


def test_there_is_more_than_rust():
    further = {"peeling_paint", "scratches", "dents", "cracks", "fluid_leaks", "dirt_grease", "moss", "chalking"}
    assert further <= set(KINDS)
    assert {KINDS[name].wear_class for name in further} == {
        "peeling", "scratch", "dent", "crack", "leak", "dirt", "moss", "chalking"
    }  # fmt: skip
    assert KINDS["dents"].coverage == 0 and KINDS["dents"].front.sink_m > 0
    assert KINDS["moss"].front.sink_m < 0


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_named_as_it_is_found_and_says_everything_a_person_needs(name):
    kind = KINDS[name]
    assert isinstance(kind, Kind) and kind.name == name
    assert re.fullmatch("[a-z][a-z0-9_]*", name), "it is part of names of files, properties and render layers"
    assert kind.label and kind.label != name
    assert kind.prompt
    assert kind.wear_class.isprintable() and kind.wear_class == kind.wear_class.strip()
    assert 0 <= kind.coverage <= 1
    assert kind.coverage > 0 or kind.front.sink_m != 0, "it would change nothing that one sees"
    assert 0 <= kind.over <= 100
    assert 0 <= kind.tile_m <= 100


def test_no_two_kinds_read_the_same():
    labels = [kind.label for kind in KINDS.values()]
    assert len({label.lower() for label in labels}) == len(labels)


@pytest.mark.parametrize("name", KINDS)
def test_where_it_starts_is_within_the_units_of_the_recipe(name):
    onset = KINDS[name].onset
    for about in dataclasses.fields(Onset):
        value = getattr(onset, about.name)
        if about.metadata["choices"]:
            assert value in about.metadata["choices"]
            continue
        assert about.metadata["low"] <= value <= about.metadata["high"], about.name


@pytest.mark.parametrize("name", KINDS)
def test_its_look_is_within_its_units(name):
    look = KINDS[name].look
    assert look.style in STYLES
    others = {"style", "colors_srgb", "roughness", "scale", "body", "bare_srgb"}
    shares = {f.name for f in dataclasses.fields(Look)} - others
    assert {"metallic", "relief", "grain", "direction"} <= shares
    for share in shares:
        assert 0 <= getattr(look, share) <= 1, share
    assert 0 <= look.roughness[0] < look.roughness[1] <= 1
    assert 0 <= look.body[0] < look.body[1] <= 1
    assert look.scale > 0
    assert len(look.colors_srgb) >= 3
    for color in (*look.colors_srgb, look.bare_srgb):
        assert len(color) == 3 and min(color) >= 0 and max(color) <= 1


@pytest.mark.parametrize("name", KINDS)
def test_its_front_is_within_its_units(name):
    front = KINDS[name].front
    for share in ("stain", "rim_metallic", "grain", "runoff"):
        assert 0 <= getattr(front, share) <= 1, share
    for levels in ("stain_levels", "age_levels", "sink_levels"):
        assert 0 < getattr(front, levels) <= 1, levels
    assert 0 <= front.rim_levels <= 1
    assert 0 <= front.lip_m <= 0.1 and abs(front.sink_m) <= 0.1, "metres"
    for about in dataclasses.fields(Front):
        if about.name.endswith("_linear"):
            color = getattr(front, about.name)
            # Bloom and scale multiply: they may brighten.
            assert len(color) == 3 and min(color) >= 0 and max(color) <= 2, about.name


@pytest.mark.parametrize("name", RUSTS)
def test_the_palette_of_rust_darkens_from_young_to_old_and_stays_rust(name):
    colors = np.array(KINDS[name].look.colors_srgb, np.float32)
    assert (np.diff(luminance(colors[None])[0]) < 0).all()
    assert (colors[:, 0] > colors[:, 1]).all() and (colors[:, 1] > colors[:, 2]).all()


@pytest.mark.parametrize("name", ["dents", "chalking"])
def test_what_covers_little_leaves_the_base_texture_s_colours_and_is_not_refused_for_them(name, tmp_path):
    rng = np.random.default_rng(0)
    red = np.clip(np.array([0.7, 0.08, 0.06]) + 0.05 * rng.standard_normal((96, 96, 1)), 0, 1).astype(np.float32)
    asked = request(
        kind=KINDS[name], slots=1, changes={"filters": {"enabled": True}, "texture": {"size": 256, "variants": 1}}
    )
    asked = dataclasses.replace(asked, slots=(SlotInput(0, red, None),))
    (made,) = make_variants(asked, tmp_path)
    assert made.accepted, made.sentence
    color = images.load(made.file("color", 0))[..., :3]
    cover = images.load(made.file("surface", 0))[..., 3]
    if name == "dents":
        assert (images.to_bytes(color) == images.to_bytes(red)).all()
        assert not cover.any()
    else:
        assert abs(float(cover.mean()) - KINDS[name].coverage) < 0.1
        assert color[..., 1].mean() > red[..., 1].mean() + 0.15, "paler"
        assert (color[..., 0] > color[..., 1] + 0.1).mean() > 0.9, "and still red all over"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("KIND = Kind(", "never closed"),
        ("from ..recipe import Kind\nKIND = Kind(name='broken', coverag=1)", "takes no 'coverag'"),
        ("from ..recipe import Kind\nKIND = 3", 'must hold KIND = Kind(name="broken"'),
        ("KINDS = 3", "no attribute 'KIND'"),
    ],
)
def test_a_file_that_is_no_kind_is_named(tmp_path, text, words):
    """In a process of its own, on a copy of the package: what is loaded here stays as it is."""
    for part in ("kinds", "recipe.py", "presets.py", "errors.py", "__init__.py"):
        source = ROOT / "syngen_addon" / part
        target = tmp_path / "syngen_addon" / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
    (tmp_path / "syngen_addon" / "kinds" / "broken.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", "import syngen_addon.kinds"], cwd=tmp_path, capture_output=True, text=True
    )
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("ImportError: kinds/broken.py") and words in last, last
