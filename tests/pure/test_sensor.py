"""What a camera does to a picture: each amount as asked for, and nothing moves."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon import recipe as recipes
from syngen_addon.errors import SynGenError
from syngen_addon.sampling.draws import SensorDraw
from syngen_addon.sampling.light import blackbody
from syngen_addon.sampling.sensor import applied, draw_sensor, line_kernel, vignette, white_gains
from syngen_addon.seeds import generator

HEIGHT, WIDTH = 60, 90


def rng() -> np.random.Generator:
    return generator(1, "noise", 0)


def noisy(height: int = HEIGHT, width: int = WIDTH) -> Any:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def flat(value: int, height: int = HEIGHT, width: int = WIDTH) -> Any:
    return np.full((height, width, 3), value, np.uint8)


def spots() -> Any:
    """Round white spots on black, which no blur here brings together, and their middles (row, column)."""
    picture = flat(0, 120, 160)
    y, x = np.mgrid[:120, :160]
    middles = [(r, c) for r in (20, 60, 100) for c in (20, 60, 100, 140)]
    for r, c in middles:
        picture[(y - r) ** 2 + (x - c) ** 2 <= 16] = 255
    return picture, middles


def linear(picture: Any) -> Any:
    coded = np.asarray(picture, np.float64) / 255
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def test_nothing_drawn_is_the_same_picture() -> None:
    picture = noisy()
    for draw in (None, SensorDraw(), SensorDraw(motion_angle_rad=1.0)):
        assert applied(picture, draw, rng()) is picture
    # What passes through linear light and back comes back as it was.
    almost = applied(picture, SensorDraw(exposure_ev=1e-9), rng())
    assert (almost == picture).all()


@pytest.mark.parametrize(
    "draw",
    [SensorDraw(blur_px=1.5), SensorDraw(motion_px=9, motion_angle_rad=0.7), SensorDraw(motion_px=8),
     SensorDraw(jpeg=60), SensorDraw(vignette=0.5), SensorDraw(kelvin=4000), SensorDraw(noise=0.01),
     SensorDraw(0.2, 5200, 0.2, 0.0, 0.8, 6.0, 2.1, 0.005, 85)],
)  # fmt: skip
def test_nothing_moves(draw: SensorDraw) -> None:
    picture, middles = spots()
    taken = applied(picture, draw, rng())
    assert taken.shape == picture.shape and taken.dtype == np.uint8
    y, x = np.mgrid[-14:15, -14:15]
    for r, c in middles:
        patch = linear(taken[r - 14 : r + 15, c - 14 : c + 15])
        patch[patch < 0.02] = 0
        for channel in range(3):
            weight = patch[..., channel]
            assert abs((weight * y).sum() / weight.sum()) < 0.15 and abs((weight * x).sum() / weight.sum()) < 0.15


def test_chromatic_shift_leaves_green_and_parts_red_from_blue_in_the_corners() -> None:
    picture, middles = spots()
    taken = applied(picture, SensorDraw(chromatic_px=4.0), rng())
    assert (taken[..., 1] == picture[..., 1]).all()
    corner = math.hypot(59.5, 79.5)
    y, x = np.mgrid[-14:15, -14:15]
    for r, c in middles:
        patch = linear(taken[r - 14 : r + 15, c - 14 : c + 15])
        red, blue = (
            np.array([(patch[..., i] * y).sum(), (patch[..., i] * x).sum()]) / patch[..., i].sum() for i in (0, 2)
        )
        away = np.array([r - 59.5, c - 79.5])
        assert red - blue == pytest.approx(4.0 * away / corner, abs=0.15), "red outwards"


@settings(deadline=None, max_examples=40)
@given(length=st.floats(0.1, 60), angle=st.floats(0, math.pi))
def test_a_blur_of_motion_is_centred_and_as_long_as_asked(length: float, angle: float) -> None:
    kernel = line_kernel(length, angle).astype(np.float64)
    assert kernel.sum() == pytest.approx(1, abs=1e-5) and kernel.shape[0] % 2 == 1
    assert np.allclose(kernel, kernel[::-1, ::-1], atol=1e-7)
    y, x = np.mgrid[: kernel.shape[0], : kernel.shape[1]] - kernel.shape[0] // 2
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    # A line of length L has variance L^2 / 12; sharing it out among pixels adds a sixth at most.
    assert (kernel * along**2).sum() == pytest.approx(length**2 / 12, abs=0.4, rel=0.05)
    assert (kernel * across**2).sum() < 0.4


def test_exposure_is_in_stops_of_light() -> None:
    taken = applied(flat(120), SensorDraw(exposure_ev=1.0), rng())
    assert linear(taken).mean() == pytest.approx(2 * linear(flat(120)).mean(), rel=0.02)
    assert (applied(flat(250), SensorDraw(exposure_ev=3.0), rng()) == 255).all()


def test_white_balance_for_a_warm_light_makes_daylight_blue() -> None:
    assert white_gains(6500.0) == pytest.approx(1, abs=1e-6)
    warm, cold = white_gains(3000.0), white_gains(10000.0)
    assert warm[2] > 1.5 > warm[0] and warm[2] > warm[1] > warm[0] and cold[0] > cold[1] > cold[2]
    for gains in (warm, cold):
        assert gains @ [0.2126, 0.7152, 0.0722] == pytest.approx(1, abs=1e-5)
    # What is lit by that light looks white then.
    seen = np.array(blackbody(3000.0)) * warm
    assert seen / seen.max() == pytest.approx(np.array(blackbody(6500.0)) / max(blackbody(6500.0)), abs=0.01)


def test_a_black_body_is_red_then_white_then_blue() -> None:
    red, white, blue = blackbody(1500.0), blackbody(6500.0), blackbody(20000.0)
    assert red[0] == 1 and red[0] > red[1] > red[2] and blue[2] == 1 and blue[2] > blue[1] > blue[0]
    assert min(white) > 0.9
    assert blackbody(3000.0) == pytest.approx((1.0, 0.47, 0.15), abs=0.04)  # as Mitchell Charity's table
    ratios = [c[2] / c[0] for c in map(blackbody, range(2000, 20000, 100))]
    assert all(b > a for a, b in itertools.pairwise(ratios)), "ever bluer"


@pytest.mark.parametrize("size", [(60, 90), (90, 60), (64, 64), (1, 40), (1, 1)])
def test_corners_are_darker_by_as_much_as_asked(size: tuple[int, int]) -> None:
    factors = vignette(*size, 0.4)
    assert factors.shape == size
    if size != (1, 1):
        assert factors[0, 0] == pytest.approx(0.6, abs=1e-4)
        assert factors[size[0] // 2, size[1] // 2] == pytest.approx(1, abs=1e-2)
    assert np.allclose(factors, factors[::-1, ::-1], atol=1e-6)
    taken = applied(flat(200, *size), SensorDraw(vignette=0.4), rng())
    expected = linear(flat(200, *size)) * factors[..., None]
    assert linear(taken) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("strength", [0.005, 0.02, 0.08])
def test_noise_is_as_strong_as_asked_in_mid_grey_and_grows_with_light(strength: float) -> None:
    draw = SensorDraw(noise=strength)
    grey = applied(flat(128, 200, 200), draw, rng()) / 255.0
    assert grey.std() == pytest.approx(strength, rel=0.12, abs=0.0012)  # the eight bits add their own, black cuts
    assert grey.mean() == pytest.approx(128 / 255, abs=0.01)
    spreads = [linear(applied(flat(value, 200, 200), draw, rng())).std() for value in (40, 90, 140, 190)]
    assert spreads == sorted(spreads)
    channels = grey.reshape(-1, 3).T
    assert np.abs(np.corrcoef(channels) - np.eye(3)).max() < 0.02


def test_noise_comes_from_the_generator_alone() -> None:
    draw = SensorDraw(noise=0.03)
    assert (applied(noisy(), draw, rng()) == applied(noisy(), draw, rng())).all()
    assert (applied(noisy(), draw, rng()) != applied(noisy(), draw, generator(2, "noise", 0))).any()
    before = noisy()
    applied(before, SensorDraw(0.2, 5200, 0.2, 1.0, 0.8, 6.0, 2.1, 0.02, 85), rng())
    assert (before == noisy()).all(), "the picture it was given is left as it was"


def test_a_jpeg_keeps_the_channels_in_order_and_loses_more_at_a_lower_quality() -> None:
    ramp = np.zeros((64, 64, 3), np.uint8)
    ramp[..., 0] = 200
    ramp[..., 2] = np.arange(64) * 2
    losses = []
    for quality in (95, 60, 10):
        taken = applied(ramp, SensorDraw(jpeg=quality), rng())
        losses.append(np.abs(taken.astype(int) - ramp).mean())
        assert taken[..., 0].mean() > 180 and taken[..., 1].mean() < 20
    assert losses == sorted(losses) and losses[0] < 4


def test_what_is_no_picture_is_refused() -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(SynGenError, match="8 bits"):
            applied(wrong, SensorDraw(noise=0.1), rng())


# --- the draw --------------------------------------------------------------------------------------------------------


RICH = recipes.Sensor(
    exposure_ev=(-1, 1), kelvin=(4000, 9000), vignette=(0, 0.5), chromatic_px=(0, 2), blur_px=(0, 1), motion_px=(0, 6),
    noise=(0, 0.05), jpeg=(40, 100),
)  # fmt: skip


def test_by_default_and_where_it_is_off_nothing_is_drawn() -> None:
    for each in (recipes.Sensor(), dataclasses.replace(RICH, randomize=False), dataclasses.replace(RICH, share=0.0)):
        assert all(draw_sensor(each, generator(1, "sensor", frame)) is None for frame in range(20))


def test_draws_fill_their_ranges() -> None:
    draws = [draw_sensor(RICH, generator(1, "sensor", frame)) for frame in range(300)]
    found = [d for d in draws if d]
    assert len(found) == 300
    for name in ("exposure_ev", "kelvin", "vignette", "chromatic_px", "blur_px", "motion_px", "noise", "jpeg"):
        low, high = getattr(RICH, name)
        values = [getattr(d, name) for d in found]
        assert low <= min(values) < low + 0.05 * (high - low) and high - 0.05 * (high - low) < max(values) <= high
    assert np.median([d.kelvin for d in found]) < 6000, "evenly in mireds"


def test_a_share_of_frames_is_spared_and_one_range_changes_no_other() -> None:
    half = [draw_sensor(dataclasses.replace(RICH, share=0.5), generator(1, "sensor", f)) for f in range(200)]
    assert 70 < sum(d is None for d in half) < 130
    for frame in range(10):
        a = draw_sensor(RICH, generator(1, "sensor", frame))
        b = draw_sensor(dataclasses.replace(RICH, kelvin=(6500, 6500), blur_px=(0, 0)), generator(1, "sensor", frame))
        assert a and b and dataclasses.replace(a, kelvin=6500.0, blur_px=0.0) == b
