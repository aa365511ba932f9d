"""Every way to a picture, through the process: what the worker writes is, byte for byte, what its function makes.

One thread on both sides: how many share a sum decides its rounding.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from syngen_addon import images
from syngen_addon.errors import Cancelled
from syngen_addon.worker import diffusion
from syngen_addon.worker.client import ROOT, Worker
from syngen_addon.worker.protocol import Generate, Probe
from tests.worker import builders

SHORT_OF_MEMORY = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
import torch
from syngen_addon.worker import diffusion
real, left = diffusion._denoised, [2]

def short(*arguments):
    left[0] -= 1
    if left[0] >= 0:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    return real(*arguments)

diffusion._denoised = short
runpy.run_module("syngen_addon.worker", run_name="__main__")
"""


class Quiet:
    """A stand-in for serve.Say that hears nothing."""

    def check(self) -> None: ...
    def step(self, fraction: float, text: str) -> None: ...
    def preview(self, image: Any) -> None: ...


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each sort and the pictures that they take."""
    root = tmp_path_factory.mktemp("models")
    sd = builders.build_sd(root / "sd")
    builders.build_controlnet(root / "control", sd)
    builders.build_lora(root / "lora.safetensors", sd)
    builders.build_ip_adapter(root / "adapter" / "adapter.safetensors", sd)
    builders.build_single_file(root / "single.safetensors")
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8))
    coarse.resize((64, 64), Image.Resampling.BICUBIC).save(root / "base.png")
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    Image.fromarray(mask).save(root / "mask.png")
    return root


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(Path(sys.executable), tmp_path_factory.mktemp("log") / "worker.log")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        worker.run(Probe())  # starts it
        yield worker
    worker.close()
    torch.set_num_threads(threads)


def job(place: Path, out: Path, **about: Any) -> Generate:
    paths = {"model", "image", "mask", "control_model", "control_image", "lora", "style_image", "style_model"}
    given = {"model": "sd", "mode": "text", **about}
    return Generate(**{
        "out": str(out), "prompt": "rust", "negative": "text", "width": 64, "height": 64, "seeds": (7,), "steps": 3,
        "guidance": 5.0, **{k: str(place / v) if k in paths else v for k, v in given.items()},
    })  # fmt: skip


CASES: dict[str, dict[str, Any]] = {
    "text to image": {},
    "image to image": {"mode": "image", "image": "base.png", "strength": 0.7},
    "inpaint": {"mode": "inpaint", "image": "base.png", "mask": "mask.png", "strength": 1.0},
    "ControlNet": {"control": "tile", "control_model": "control", "control_image": "base.png"},
    "LoRA": {"lora": "lora.safetensors"},
    "style photo": {"style_image": "base.png", "style_model": "adapter/adapter.safetensors"},
    "single file": {"model": "single.safetensors"},
    "tileable": {"tileable": True, "seeds": (1, 2)},
}


@pytest.mark.parametrize("case", CASES)
def test_the_workers_picture_is_the_functions(place: Path, worker: Worker, case: str, tmp_path: Path) -> None:
    done = worker.run(job(place, tmp_path / "worker", **CASES[case]))
    own = diffusion.generate(job(place, tmp_path / "own", **CASES[case]), Quiet())
    assert done["faults"] == own["faults"] == [""] * len(own["pictures"])
    again = worker.run(job(place, tmp_path / "again", **CASES[case]))
    for mine, theirs, second in zip(own["pictures"], done["pictures"], again["pictures"], strict=True):
        assert Path(theirs).read_bytes() == Path(mine).read_bytes() == Path(second).read_bytes()
    if case == "inpaint":
        outside = images.load(place / "mask.png")[..., 0] == 0
        base, made = (images.to_bytes(images.load(p)[..., :3]) for p in (place / "base.png", done["pictures"][0]))
        np.testing.assert_array_equal(made[outside], base[outside])
    if case == "tileable":
        for path in done["pictures"]:
            picture = images.load(path)[..., :3]
            for axis in (0, 1):
                inner = np.abs(np.diff(picture, axis=axis)).mean(axis=(1 - axis, 2)).max()
                across = np.abs(np.take(picture, 0, axis) - np.take(picture, -1, axis)).mean()
                assert across <= inner


def test_steps_are_told_and_a_cancel_keeps_the_model(place: Path, worker: Worker, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    seen: list[Path] = []
    worker.run(
        job(place, tmp_path, steps=12, preview_every=2), progress=lambda f, text: told.append((f, text)),
        preview=seen.append,
    )  # fmt: skip
    assert told == sorted(told, key=lambda t: t[0]) and any("tep" in text for _, text in told)
    assert seen and images.load(seen[-1]).shape[2] >= 3
    pid = worker.pid
    for _ in range(10):
        heard: list[float] = []
        with pytest.raises(Cancelled):
            worker.run(
                job(place, tmp_path, steps=400), progress=lambda f, text, h=heard: h.append(f),
                should_stop=lambda h=heard: len(h) > 2,
            )  # fmt: skip
    assert worker.pid == pid and worker.run(Probe())["loaded"] == [str(place / "sd")]


def test_memory_that_runs_out_is_met_with_less_and_said(place: Path, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    short = Worker(Path(sys.executable), log, command=[sys.executable, "-c", SHORT_OF_MEMORY, str(ROOT), str(log)])
    try:
        done = short.run(job(place, tmp_path / "out", width=128, height=128))
    finally:
        short.close()
    assert len(done["notes"]) == 2 and all("emory" in note for note in done["notes"])
    assert done["faults"] == [""] and images.load(done["pictures"][0]).shape == (128, 128, 3)
