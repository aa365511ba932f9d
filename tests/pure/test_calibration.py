"""The labelled set and the calibration on it: what `make calibrate` found is what the recipe has, and it holds."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import calibrate  # noqa: E402
import faults  # noqa: E402
import labelled  # noqa: E402
import letter_weights  # noqa: E402

from syngen_addon.filters.judge import LIMITS, REASONS  # noqa: E402
from syngen_addon.kinds import KINDS  # noqa: E402
from syngen_addon.recipe import Filters  # noqa: E402
from syngen_addon.seeds import generator  # noqa: E402
from syngen_addon.textures.procedural import wear_texture  # noqa: E402

FOUND = json.loads(calibrate.RESULT.read_text(encoding="utf-8"))


def test_the_recipe_has_the_thresholds_that_were_found():
    assert FOUND["thresholds"] == {key: getattr(Filters(), key) for _, key in LIMITS.values()}


def test_the_half_that_nothing_was_set_on_keeps_what_is_promised():
    second = FOUND["second"]
    assert second["precision"][0] >= 0.95 and second["recall"][0] >= 0.95
    assert second["reasons_right"][0] >= 0.9
    for reason in REASONS:
        assert second["reasons"][reason]["bad"] >= 40
        assert min(second["reasons"][reason][name][0] for name in ("precision", "recall")) >= 0.85, reason


def test_the_document_shows_what_was_found():
    text = calibrate.DOCS.read_text(encoding="utf-8")
    assert calibrate.table(FOUND["second"], FOUND["thresholds"]) in text


@pytest.fixture(scope="module")
def some():
    return {half: list(labelled.examples(half, None, per_kind=1, per_reason=2)) for half in (0, 1)}


def test_no_source_is_in_both_halves(some):
    sources = [{e.source for e in some[half]} for half in (0, 1)]
    assert sources[0] and sources[1] and not sources[0] & sources[1]
    for names in (labelled.PHOTOS, list(labelled.MODELS)):
        halves = [set(labelled.of_half(names, half)) for half in (0, 1)]
        assert not halves[0] & halves[1] and halves[0] | halves[1] == set(names)


def test_every_kind_and_every_fault_is_in_it(some):
    for half in (0, 1):
        assert {e.fault for e in some[half]} == {"", *faults.FAULTS}
        assert {e.source.rsplit("-", 1)[0] for e in some[half] if not e.fault} == set(KINDS)
        assert {e.reason for e in some[half]} == {"", *REASONS}


def test_half_of_it_unseen_is_mostly_judged_right(some):
    said = [(e, calibrate.verdict_of(e, Filters()).reason) for e in some[1]]
    wrong = [(e.name, reason) for e, reason in said if reason not in (e.reasons or {""})]
    assert len(wrong) <= 0.15 * len(said), wrong


@cache
def rust(size):
    return wear_texture(KINDS["heavy_rust"], size, generator(3, "test")).color_srgb


@pytest.mark.parametrize("name", faults.FAULTS)
@pytest.mark.parametrize("size", [128, 512])
def test_a_fault_changes_the_picture_and_is_the_same_each_time(name, size):
    color = rust(size)
    bad, again = (faults.FAULTS[name](color, np.random.default_rng(5)) for _ in range(2))
    if bad is None:
        assert again is None and name in {"text", "watermark", "lighting", "seam", "color"}
        return
    assert bad.shape == color.shape and bad.dtype == np.float32 and 0 <= bad.min() <= bad.max() <= 1
    assert np.array_equal(bad, again) and float(np.abs(bad - color).max()) > 0.03


def measured(reason, **scores):
    full = {"contrast": 0.1, "noise": 0.0, "blocks": 0.0, "object": 0.0, "text": 0.0, "exposure": 0.0, "lighting": 0.0,
            "sharpness": 1.0, "color": 1.0, "seam": 1.0, "duplicate": 0.2}  # fmt: skip
    return calibrate.Measured(reason, reason, frozenset({reason} if reason else ()), reason, {**full, **scores})


def everything(noise_of_good=0.01):
    bad = {"flat": ("contrast", 0.001), "blocks": ("blocks", 3.0), "exposure": ("exposure", 0.5),
           "noise": ("noise", 0.2), "object": ("object", 0.9), "text": ("text", 8.0),
           "blur": ("sharpness", 0.2), "lighting": ("lighting", 0.6),
           "color": ("color", 30.0), "seam": ("seam", 3.0), "duplicate": ("duplicate", 0.001)}  # fmt: skip
    good = [measured("", noise=noise_of_good) for _ in range(20)]
    return [*good, *(measured(r, **{key: value}) for r, (key, value) in bad.items() for _ in range(5))]


def test_thresholds_lie_between_good_and_bad_with_room_on_both_sides():
    found = calibrate.thresholds(everything())
    assert set(found) == {key for _, key in LIMITS.values()}
    share = calibrate.LENIENT
    assert found["noise_max"] == pytest.approx(0.01 ** (1 - share) * 0.2**share, rel=0.05)
    assert found["sharpness_min"] == pytest.approx(0.2**share, rel=0.05)


def test_a_threshold_would_rather_miss_one_than_refuse_good_ones():
    odd = [measured("noise", noise=0.005), *everything(noise_of_good=0.02)]
    assert 0.02 < calibrate.thresholds(odd)["noise_max"] < 0.2


def test_a_threshold_does_not_hang_on_one_example():
    spread = [measured("noise", noise=0.1 + 0.002 * k) for k in range(calibrate.PER_REASON[0])]
    one = calibrate.thresholds([*everything(noise_of_good=0.02), *spread])["noise_max"]
    two = calibrate.thresholds([*everything(noise_of_good=0.02), measured("noise", noise=0.021), *spread])["noise_max"]
    assert one == pytest.approx(two, rel=0.1)


def test_letters_are_learnt_without_the_fold_they_are_measured_on():
    rng = np.random.default_rng(0)
    fit = letter_weights.Fit()
    for fold in range(2):
        for _ in range(3):
            features = rng.normal(fold, 1, (40, 3))
            fit.folds.append(fold)
            fit.features.append(features)
            fit.letters.append((features[:, 0] > fold).astype(float))
            fit.weights.append(np.ones(40))
    whole, apart = fit.solve(), fit.solve(without=1)
    assert abs(apart.center[0]) < 0.3 < whole.center[0]


def test_figures_are_counted_by_hand():
    judged = [(measured(""), ""), (measured(""), "blur"), (measured("blur"), "blur"), (measured("blur"), "text"),
              (measured("text"), ""), (measured("text"), "text")]  # fmt: skip
    found = calibrate.result(judged)
    assert [found[k][3:] for k in ("precision", "recall", "reasons_right", "good_accepted")] == [
        [3, 4], [3, 4], [2, 3], [1, 2]
    ]  # fmt: skip
    assert found["reasons"]["blur"]["recall"][3:] == [1, 2] and found["reasons"]["blur"]["precision"][3:] == [1, 2]
    assert found["reasons"]["text"]["refused"][3:] == [1, 2] and found["reasons"]["text"]["precision"][3:] == [1, 2]


def test_an_interval_is_wilson_s():
    assert calibrate.rate(19, 20)[:3] == [0.95, pytest.approx(0.7639, abs=1e-3), pytest.approx(0.9911, abs=1e-3)]
    assert calibrate.rate(5, 5)[2] == 1.0 and calibrate.rate(0, 0)[1:3] == [0.0, 1.0]


def test_without_the_photographs_it_says_so_in_one_sentence():
    environment = {k: v for k, v in os.environ.items() if k != "SYNGEN_TEST_ASSETS"}
    run = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "calibrate.py")], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 2 and run.stdout == "" and len(run.stderr.strip().splitlines()) == 1
    assert "SYNGEN_TEST_ASSETS" in run.stderr and "photographs" in run.stderr
