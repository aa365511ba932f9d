"""What is planned for the memory at hand, and what is tried where it runs out: numbers only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syngen_addon.errors import SynGenError
from syngen_addon.worker import memory
from syngen_addon.worker.memory import Case, Plan

SD = {"half": True, "weights_mb": 2600.0, "largest_mb": 1640.0}
XL = {"half": True, "weights_mb": 6600.0, "largest_mb": 4900.0}


@pytest.mark.parametrize(
    ("precision", "device", "expected"),
    [
        ("auto", "cuda", True),
        ("auto", "mps", True),
        ("auto", "cpu", False),
        ("full", "cuda", False),
        ("half", "cpu", True),
    ],
)
def test_half_precision_is_for_gpus(precision: str, device: str, expected: bool) -> None:
    assert memory.halves(precision, device) is expected


@pytest.mark.parametrize(
    ("free_mb", "about", "side", "expected"),
    [
        (80_000, SD, 512, Plan(batch=8)),
        (8_000, SD, 512, Plan(batch=8)),
        (6_000, SD, 512, Plan(batch=5)),
        (4_500, SD, 512, Plan(batch=2)),
        (3_500, SD, 512, Plan(batch=2, offload="model")),
        (2_500, SD, 512, Plan(batch=4, offload="sequential")),
        (24_000, XL, 1024, Plan(batch=7)),
        (12_000, XL, 1024, Plan(batch=2, offload="model")),
        (8_000, XL, 1024, Plan(batch=3, offload="sequential")),
    ],
)
def test_what_does_not_fit_is_offloaded(free_mb: float, about: dict, side: int, expected: Plan) -> None:
    assert memory.plan(Case("cuda", side, side), 8, "auto", **about, free_mb=free_mb) == expected


def test_no_more_pictures_at_once_than_asked_for() -> None:
    assert memory.plan(Case("cuda", 512, 512), 3, "auto", **SD, free_mb=80_000).batch == 3


def test_a_batch_never_is_empty() -> None:
    assert memory.plan(Case("cuda", 2048, 2048), 4, "none", **SD, free_mb=1_000).batch == 1


@pytest.mark.parametrize("offload", ["none", "model", "sequential"])
def test_offload_as_asked(offload: str) -> None:
    assert memory.plan(Case("cuda", 512, 512), 1, offload, **SD, free_mb=80_000).offload == offload


@pytest.mark.parametrize("offload", ["auto", "none", "model", "sequential"])
def test_a_cpu_makes_one_picture_at_a_time_and_has_nowhere_to_offload_to(offload: str) -> None:
    assert memory.plan(Case("cpu", 512, 512), 8, offload, **SD, free_mb=1_000) == Plan()


def test_main_memory_is_the_device_s_on_apple() -> None:
    assert memory.plan(Case("mps", 512, 512), 1, "model", **SD, free_mb=3_000).offload == "none"


def test_full_precision_takes_twice_the_memory() -> None:
    half, full = (memory.work_mb(Case("cuda", 512, 768), half) for half in (True, False))
    assert full == tuple(2 * mb for mb in half)


def sequence(plan: Plan, case: Case) -> list[tuple[Plan, str]]:
    found = []
    while True:
        try:
            plan, sentence = memory.remedy(plan, case)
        except SynGenError:
            return found
        found.append((plan, sentence))


def test_a_gpu_takes_fewer_at_once_then_tiles_then_offloads_then_shrinks() -> None:
    plans = [plan for plan, _ in sequence(Plan(batch=4), Case("cuda", 1024, 512))]
    assert plans == [
        Plan(2),
        Plan(1),
        Plan(1, "none", "tiled"),
        Plan(1, "model", "tiled"),
        Plan(1, "sequential", "tiled"),
        Plan(1, "sequential", "tiled", 0.75),
        Plan(1, "sequential", "tiled", 0.5),
        Plan(1, "sequential", "tiled", 0.25),
    ]


def test_what_wraps_is_decoded_on_the_cpu_instead_of_in_tiles() -> None:
    plans = [plan for plan, _ in sequence(Plan(), Case("cuda", 512, 512, tileable=True))]
    assert plans[0] == Plan(1, "none", "cpu")
    assert all(plan.decode == "cpu" for plan in plans)


def test_a_cpu_tiles_then_shrinks() -> None:
    sentences = [sentence for _, sentence in sequence(Plan(), Case("cpu", 512, 512))]
    assert sentences == [
        "Memory ran out: the picture is decoded in tiles.",
        "Memory ran out: made at 384 x 384 and enlarged to 512 x 512.",
        "Memory ran out: made at 256 x 256 and enlarged to 512 x 512.",
        "Memory ran out: made at 128 x 128 and enlarged to 512 x 512.",
    ]


def test_at_the_end_it_is_said_what_to_lower() -> None:
    with pytest.raises(SynGenError, match=r"128 x 128 with this model\. Lower the size"):
        memory.remedy(Plan(1, "none", "tiled", 0.25), Case("cpu", 512, 512))


CASES = st.builds(
    Case,
    st.sampled_from(["cuda", "mps", "cpu"]),
    st.integers(8, 512).map(lambda n: 8 * n),
    st.integers(8, 512).map(lambda n: 8 * n),
    st.booleans(),
)


@given(CASES, st.integers(1, 8))
def test_every_remedy_changes_something_and_there_is_an_end(case: Case, batch: int) -> None:
    found = [Plan(batch), *(plan for plan, _ in sequence(Plan(batch), case))]
    assert len(set(found)) == len(found) < 15
    assert [plan.scale for plan in found] == sorted((plan.scale for plan in found), reverse=True)


@given(CASES, st.sampled_from(memory.SCALES))
def test_a_shrunk_picture_is_one_a_model_can_make(case: Case, scale: float) -> None:
    unit = 64 if case.tileable else 8
    for side, asked in zip(memory.shrunk(case, scale), (case.width, case.height), strict=True):
        assert side % unit == 0
        assert unit <= side <= max(asked * scale, unit)
    for side, asked in zip(memory.shrunk(case, 1.0), (case.width, case.height), strict=True):
        assert side % unit == 0 and 0 <= side - asked < unit
