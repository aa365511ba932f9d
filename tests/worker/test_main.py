"""The worker with its real jobs, spoken to through the client, with torch."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from syngen_addon import images
from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.worker import __main__ as main
from syngen_addon.worker import device, protocol
from syngen_addon.worker.client import Worker
from tests.worker.builders import build_sd


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(Path(sys.executable), tmp_path_factory.mktemp("worker") / "worker.log")
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sd(tmp_path_factory.mktemp("model"))


def picture(model: Path, out: Path, *, steps: int = 3, preview_every: int = 0) -> protocol.Generate:
    return protocol.Generate(
        str(model), str(out), "text", "rust", "", 64, 64, (5,), steps, 7.5, preview_every=preview_every
    )


def test_there_is_work_for_every_job() -> None:
    assert main.JOBS.keys() == protocol.JOBS.keys()


def test_probe_says_what_the_worker_is(worker: Worker) -> None:
    seen: list[str] = []
    found = worker.run(protocol.Probe(), progress=lambda fraction, text: seen.append(text))
    assert found["versions"]["torch"] == torch.__version__ and found["versions"]["python"] == sys.version.split()[0]
    assert "" not in found["versions"].values(), "this environment was to have every package"
    assert found["device"] == ("cuda" if torch.cuda.is_available() else "cpu") and found["device_name"]
    assert found["memory_mb"] > found["free_mb"] > 0 and found["threads"] > 0
    assert seen == ["Looking at the worker"]


def test_a_model_is_kept_until_it_is_unloaded(worker: Worker, model: Path, tmp_path: Path) -> None:
    worker.run(picture(model, tmp_path))
    assert worker.run(protocol.Probe())["loaded"] == [str(model)]
    assert worker.run(protocol.Unload()) == {}
    assert worker.run(protocol.Probe())["loaded"] == []


def test_a_missing_model_fails_and_the_next_job_is_done(worker: Worker, model: Path, tmp_path: Path) -> None:
    worker.run(protocol.Probe())
    pid = worker.pid
    with pytest.raises(SynGenError, match="no_such_model") as error:
        worker.run(picture(tmp_path / "no_such_model", tmp_path))
    assert error.value.hint
    done = worker.run(picture(model, tmp_path))
    assert worker.pid == pid and done["faults"] == [""]
    assert images.load(done["pictures"][0]).shape == (64, 64, 3)


def test_progress_and_previews_of_a_picture(worker: Worker, model: Path, tmp_path: Path) -> None:
    said: list[float] = []
    shown: list[Path] = []
    worker.run(
        picture(model, tmp_path, steps=4, preview_every=1),
        progress=lambda fraction, text: said.append(fraction),
        preview=shown.append,
    )
    assert said == sorted(said) and said[0] >= 0 and said[-1] <= 1
    assert shown and images.load(shown[-1]).std() > 0


def test_a_cancelled_picture_leaves_the_model_loaded(worker: Worker, model: Path, tmp_path: Path) -> None:
    worker.run(picture(model, tmp_path))
    pid, shown = worker.pid, list[Path]()
    with pytest.raises(Cancelled):
        worker.run(
            picture(model, tmp_path / "cancelled", steps=900, preview_every=1),
            preview=shown.append,
            should_stop=lambda: bool(shown),
        )
    assert not (tmp_path / "cancelled" / "0000.png").exists()
    assert worker.pid == pid and worker.run(protocol.Probe())["loaded"] == [str(model)]


def test_a_python_without_torch_is_told_what_it_lacks(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = bare / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    worker = Worker(python, tmp_path / "worker.log")
    with pytest.raises(SynGenError) as error:
        worker.run(protocol.Probe())
    assert error.value.message.startswith("The package torch is missing from the worker's Python, ")
    assert "Set Up" in error.value.hint
    worker.close()


def test_memory_and_device_agree() -> None:
    total, free = device.memory_mb(device.device())
    assert total > free > 0
