"""The environment that these tests run in is what the worker's requirements and checks say."""

import hashlib
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from syngen_addon.worker import environment, installing
from syngen_addon.worker.weights import MEMBERS


def test_this_interpreter_will_do() -> None:
    found = environment.check(Path(sys.executable), load=True)
    assert found.problems == () and found.usable
    assert found.python_version == sys.version.split()[0]
    assert found.packages["torch"] == torch.__version__ == version("torch")
    assert found.packages.keys() == environment.OLDEST.keys()


def test_the_build_is_read_without_importing_torch() -> None:
    found = environment.check(Path(sys.executable))
    expected = "cuda" if torch.version.cuda else "rocm" if torch.version.hip else ""
    assert found.torch_build == (expected or ("apple" if sys.platform == "darwin" else "cpu"))


def test_an_empty_interpreter_lacks_everything(tmp_path: Path) -> None:
    venv.create(tmp_path / "empty", with_pip=False)
    found = environment.check(environment._interpreter(tmp_path / "empty"))
    names = list(environment.OLDEST)
    assert found.problems == (f"It lacks {', '.join(names[:-1])} and {names[-1]}.",)
    assert found.torch_build == "" and found.python_version == sys.version.split()[0]


def test_a_package_that_is_there_but_broken_is_named(tmp_path: Path) -> None:
    """A torch before the real one, in an environment that sees this one's packages."""
    folder = tmp_path / "broken"
    venv.create(folder, with_pip=False)
    python = environment._interpreter(folder)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    Path(site, "here.pth").write_text(str(Path(torch.__file__).parents[1]))
    Path(site, "torch").mkdir()
    Path(site, "torch", "__init__.py").write_text("raise OSError('libtorch_cpu.so is gone')")
    assert environment.check(python).usable
    assert environment.check(python, load=True).problems == (
        "Its packages do not load: torch: OSError: libtorch_cpu.so is gone.",
    )


def test_the_installed_versions_are_the_pinned_ones() -> None:
    """make test-worker installs the requirements: what is tested is what a user gets."""
    if installing.numbers(version("opencv-python-headless")) != (4, 11, 0, 86):
        pytest.skip("this environment was not made from the requirements")
    pins = dict(pin.split("==") for pin in environment.requirements() if ";" not in pin)
    assert {name: version(name).partition("+")[0] for name in pins} == pins


def test_the_weights_are_the_pinned_ones(weights: Path) -> None:
    for name, digest in MEMBERS.items():
        assert hashlib.sha256((weights / name).read_bytes()).hexdigest() == digest
        assert torch.load(weights / name, weights_only=True, map_location="cpu")


def test_the_diagnosis_names_the_versions(tmp_path: Path) -> None:
    text = environment.diagnose(tmp_path, Path(sys.executable))
    assert f"torch {torch.__version__}" in text and str(Path.home()) not in text and "problem" not in text
