"""Draws have names: the same name is the same stream, another name an independent one."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from syngen_addon.seeds import generator

NAMES = st.tuples(
    st.integers(0, 2**63 - 1),
    st.sampled_from(["camera", "sun", "level/A", "level/A/1", "onset/Drum"]),
    st.integers(0, 10**9),
    st.integers(0, 1000),
)


@given(NAMES, NAMES)
def test_a_name_is_a_stream(first: tuple[int, str, int, int], second: tuple[int, str, int, int]) -> None:
    a, b, c = generator(*first).random(4), generator(*first).random(4), generator(*second).random(4)
    assert np.array_equal(a, b)
    assert np.array_equal(a, c) == (first == second)


def test_streams_do_not_change_from_version_to_version() -> None:
    """A dataset made today is drawn again tomorrow: these numbers are a promise."""
    assert generator(7, "camera", 12, 1).integers(0, 10**9, 3).tolist() == [923073271, 50847512, 830137831]
    assert generator(0, "sun").random() == 0.6365447470366024


def test_neighbours_are_independent() -> None:
    """Frames, attempts, seeds and purposes one apart: uniform over all, and uncorrelated."""
    axes = {
        "seed": [(s, "camera", 0, 0) for s in range(2000)],
        "frame": [(0, "camera", f, 0) for f in range(2000)],
        "attempt": [(0, "camera", 0, a) for a in range(2000)],
        "purpose": [(0, f"level/{n}", 0, 0) for n in range(2000)],
    }
    for names in axes.values():
        draws = np.array([generator(*name).random(2) for name in names])
        assert abs(draws.mean() - 0.5) < 0.02
        assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.08
        assert abs(np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]) < 0.08


def test_parts_of_a_name_do_not_run_into_each_other() -> None:
    names = [(1, "a", 11, 1), (11, "a", 1, 1), (1, "a", 1, 11), (1, "1/a", 1, 1), (1, "a", 1, 1), (1, "a/1", 1, 1)]
    streams = [tuple(generator(*name).random(2)) for name in names]
    for first, second in itertools.combinations(streams, 2):
        assert first != second
