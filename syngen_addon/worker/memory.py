"""How much of a diffusion model is on the device at once, and what is tried where memory runs out. Pure functions.

Imports the standard library and errors only. Sizes are in MB (2^20 bytes).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import SynGenError

RESERVE = 0.9
"""Of the free memory, what is counted on."""
DENOISE_BYTES = 2048
"""A pixel and picture, in half precision: a U-Net's activations for both halves of the guidance."""
DECODE_BYTES = 5120
"""A pixel, in half precision: the VAE's activations at the picture's size."""
MOST_AT_ONCE = 8
"""More pictures in a batch bring no speed."""
SCALES = (0.75, 0.5, 0.25)
SMALLEST = 64
"""Side under which no picture is shrunk."""


@dataclass(frozen=True)
class Plan:
    """How pictures are computed.

    batch: pictures at once. offload: "none", "model" or "sequential". decode: "whole", "tiled" or "cpu". scale: of the
    asked side.
    """

    batch: int = 1
    offload: str = "none"
    decode: str = "whole"
    scale: float = 1.0


@dataclass(frozen=True)
class Case:
    """What a plan is for. device: "cuda", "mps" or "cpu". tileable: the picture wraps at its borders."""

    device: str
    width: int
    height: int
    tileable: bool = False


def halves(precision: str, device: str) -> bool:
    """Whether to compute in half precision: "half", "full", or "auto", which is half on a GPU."""
    return precision == "half" or (precision == "auto" and device != "cpu")


def plan(
    case: Case, count: int, offload: str, *, half: bool, weights_mb: float, largest_mb: float, free_mb: float
) -> Plan:
    """The plan to begin with, for `count` pictures.

    offload: as asked, "auto" by the memory at hand. weights_mb: of the whole pipeline. largest_mb: of its largest part.
    On a CPU pictures are computed one by one: a batch brings no speed there, and so a picture's bits cannot depend on
    the others. On a GPU they come in batches; their size changes a picture by rounding only.
    """
    if case.device == "cpu":
        return Plan()
    usable = free_mb * RESERVE
    denoise, decode = work_mb(case, half)
    if case.device != "cuda":  # Apple: main memory is the device's, there is nowhere to offload to
        offload = "none"
    elif offload == "auto":
        one = max(denoise, decode)
        if weights_mb + one <= usable:
            offload = "none"
        else:
            offload = "model" if largest_mb + one <= usable else "sequential"
    taken = {"none": weights_mb, "model": largest_mb}.get(offload, 0.0)
    fitting = int((usable - taken) / denoise)
    return Plan(batch=max(1, min(count, fitting, MOST_AT_ONCE)), offload=offload)


def work_mb(case: Case, half: bool) -> tuple[float, float]:
    """(denoising, decoding) of one picture, without weights: an estimate on the safe side."""
    pixels = case.width * case.height * (1 if half else 2)
    return pixels * DENOISE_BYTES / 2**20, pixels * DECODE_BYTES / 2**20


def shrunk(case: Case, scale: float) -> tuple[int, int]:
    """(width, height) to work at for that scale: multiples of 8; for 1 no less than was asked for.

    Multiples of 64 where the picture wraps: a U-Net halves the sides of its latents three times, and where one is odd
    the borders do not meet exactly. Such a picture is brought to the asked size afterwards.
    """
    unit = 64 if case.tileable else 8
    if scale == 1.0:
        return -(-case.width // unit) * unit, -(-case.height // unit) * unit
    return tuple(max(unit, int(side * scale) // unit * unit) for side in (case.width, case.height))  # type: ignore[return-value]


Remedy = Callable[[Plan, Case], tuple[Plan, str] | None]
"""(what to do instead, the sentence that says so), or None where it brings nothing."""


def _fewer(plan: Plan, case: Case) -> tuple[Plan, str] | None:
    if plan.batch == 1:
        return None
    batch = plan.batch // 2
    return replace(plan, batch=batch), f"Memory ran out: {batch} at once instead of {plan.batch}."


def _decode_otherwise(plan: Plan, case: Case) -> tuple[Plan, str] | None:
    if plan.decode != "whole":
        return None
    if not case.tileable:
        return replace(plan, decode="tiled"), "Memory ran out: the picture is decoded in tiles."
    if case.device == "cuda":  # tiles would wrap each for itself
        return replace(plan, decode="cpu"), "Memory ran out: the picture is decoded on the CPU."
    return None


def _offload_models(plan: Plan, case: Case) -> tuple[Plan, str] | None:
    if case.device != "cuda" or plan.offload != "none":
        return None
    sentence = "Memory ran out: parts of the model wait in main memory until they are needed."
    return replace(plan, offload="model"), sentence


def _offload_layers(plan: Plan, case: Case) -> tuple[Plan, str] | None:
    if case.device != "cuda" or plan.offload != "model":
        return None
    sentence = "Memory ran out: every layer waits in main memory until it is needed, which is slow."
    return replace(plan, offload="sequential"), sentence


def _shrink(plan: Plan, case: Case) -> tuple[Plan, str] | None:
    now = shrunk(case, plan.scale)
    for scale in SCALES:
        width, height = shrunk(case, scale)
        if scale < plan.scale and min(width, height) >= SMALLEST and (width, height) != now:
            sentence = f"Memory ran out: made at {width} x {height} and enlarged to {case.width} x {case.height}."
            return replace(plan, scale=scale), sentence
    return None


REMEDIES: tuple[Remedy, ...] = (_fewer, _decode_otherwise, _offload_models, _offload_layers, _shrink)
"""Tried in turn, the ones that change the picture least first."""


def remedy(plan: Plan, case: Case) -> tuple[Plan, str]:
    """What to do where the plan ran out of memory, and the sentence that says so. Raises SynGenError at the end."""
    for tried in REMEDIES:
        found = tried(plan, case)
        if found:
            return found
    width, height = shrunk(case, plan.scale)
    raise SynGenError(
        f"The memory does not suffice for a picture of {width} x {height} with this model.",
        "Lower the size, leave out ControlNet, LoRA and style photo, choose a smaller model, or close other programs.",
    )
