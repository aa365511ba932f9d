"""Setting the worker up, as tasks for the window and the command line alike, and how it stands, in words. Imports bpy.

Everything is read from Blender before a task starts, and nothing of it in the task's thread.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ..errors import SynGenError
from ..files import write_bytes
from ..worker import environment, installing, weights
from ..worker.environment import Build, Found, Installer, Plan
from ..worker.protocol import Download, Probe, Resolve
from . import task, worker
from .task import Task

BUILDS: dict[str, str] = {
    "cpu": "processor only",
    "cuda": "NVIDIA (CUDA)",
    "rocm": "AMD (ROCm)",
    "apple": "Apple Silicon",
}
"""Build of torch -> what a person reads."""
DIAGNOSIS = "diagnosis.txt"
"""In the worker's folder: what Diagnose wrote last."""

# --- tasks -----------------------------------------------------------------------------------------------------------


def plan(build: Build | None = None, installer: Installer | None = None) -> Plan:
    """What Set Up would do; takes a second. build: None for what is in this machine; installer: None for the
    preferences'. Raises SynGenError, also where this Blender may not use the network."""
    worker.check_online("Set Up")
    if installer is None:
        installer = "pip" if worker.preference("installer") == "PIP" else "auto"
    return environment.plan(worker.home(), Path(sys.executable), build, installer=installer, online=worker.online())


def set_up(chosen: Plan) -> Task:
    """Makes the environment."""

    def work(say: Task) -> str:
        worker.close()
        path = environment.set_up(chosen, progress=say.progress, should_stop=say.should_stop)
        look(path, chosen.home)
        return "Stable Diffusion and neural style transfer are set up."

    return Task("set-up", work)


def remove() -> Task:
    """Takes away the environment and the weights."""
    home, something = worker.home(), worker.something_to_remove()

    def work(say: Task) -> str:
        say.progress(0.0, "Removing")
        worker.close()
        environment.remove(home)
        _found.clear()
        return "The environment and the weights are removed." if something else "There was nothing to remove."

    return Task("remove", work)


def get_weights() -> Task:
    """Fetches the weights of style transfer. Raises SynGenError where this Blender may not use the network."""
    worker.check_online("Get Weights")
    home, online = worker.home(), worker.online()
    python = environment.python_in(home) or worker.python() or Path(sys.executable)

    def work(say: Task) -> str:
        weights.get_weights(home, python, online=online, progress=say.progress, should_stop=say.should_stop)
        return "The weights of style transfer are here."

    return Task("weights", work)


def check() -> Task:
    """Looks into the worker's Python for real, and asks the worker for its device; it fails with what is lacking.

    Raises SynGenError where there is no such Python.
    """
    runner, home = worker.get(), worker.home()

    def work(say: Task) -> str:
        say.progress(0.2, "Looking into the interpreter")
        found = look(runner.python, home, load=True)
        if not found.usable:
            raise SynGenError(" ".join(found.problems))
        say.progress(0.7, "Asking for the device")
        return f"It works, on {_device(runner.run(Probe(), should_stop=say.should_stop))}."

    return Task("check", work)


def diagnose() -> Task:
    """Writes one text for a bug report, task.told, also into a file of the worker's folder."""
    from .inputs import syngen_version

    home, chosen = worker.home(), worker.interpreter()
    about = {
        "SynGen": syngen_version(),
        "Blender": f"{bpy.app.version_string}, Python {platform.python_version()}",
        "Online access": "yes" if worker.online() else "no",
        "Interpreter": "none" if chosen is None else "of Set Up" if chosen.source == "own" else f"by {chosen.source}",
    }
    get = worker.get if chosen is not None and chosen.path.is_file() else None
    runner = get() if get is not None else None

    def work(say: Task) -> str:
        say.progress(0.2, "Asking the worker")
        if runner is not None:
            about["Worker"] = _probed(lambda: runner.run(Probe(), should_stop=say.should_stop))
        say.progress(0.5, "Looking into the interpreter")
        text = environment.diagnose(home, None if chosen is None else chosen.path, extra=about)
        write_bytes(home / DIAGNOSIS, text.encode())
        return text

    return Task("diagnose", work)


def _probed(probe: Callable[[], dict[str, Any]]) -> str:
    try:
        about = probe()
    except SynGenError as error:
        return str(error)
    return f"{_device(about)}, {about['threads']} threads"


def _device(about: dict[str, Any]) -> str:
    """The device of a Probe's answer, in words."""
    name = {"cpu": "the processor", "mps": "the Apple GPU"}.get(about["device"], about["device_name"])
    return f"{name} with {about['memory_mb'] / 1000:.0f} GB of memory" if about["memory_mb"] else str(name)


# --- models ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """A model as the worker found it. role: as in protocol.Resolve. missing_mb: -1 where that cannot be told."""

    name: str
    role: str
    path: str
    total_mb: float
    missing_mb: float
    licence: str

    @property
    def here(self) -> bool:
        """Whether nothing of it is missing."""
        return bool(self.path) and self.missing_mb == 0


def _model(name: str, role: str, answer: dict[str, Any]) -> Model:
    missing = answer["missing_bytes"]
    return Model(
        name,
        role,
        answer["path"],
        answer["total_bytes"] / 1e6,
        missing / 1e6 if missing > 0 else missing,
        answer["licence"],
    )


def resolve(name: str, role: str, found: Callable[[Model], None]) -> Task:
    """Asks what of a model is missing, and hands it to found, in the task's thread. Raises SynGenError."""
    worker.check_online("Getting a model")
    runner = worker.get()

    def work(say: Task) -> str:
        say.progress(0.1, "Asking the hub")
        model = _model(name, role, runner.run(Resolve(name, role, online=True), should_stop=say.should_stop))
        if model.missing_mb < 0:
            raise SynGenError(
                f"{name} is not on this machine, and the hub does not answer.", "Check the name and the network."
            )
        found(model)
        return ""

    return Task("resolve", work, name)


def download(name: str, role: str) -> Task:
    """Fetches what is missing of a model. Raises SynGenError where there is no worker or no network allowed."""
    worker.check_online("Getting a model")
    runner = worker.get()

    def work(say: Task) -> str:
        say.progress(0.0, "Asking the hub")
        model = _model(name, role, runner.run(Resolve(name, role, online=True), should_stop=say.should_stop))
        if model.missing_mb >= 0:
            say.progress(0.0, " ".join(in_words(model)))
        if not model.here:
            runner.run(Download(name, role), progress=say.progress, should_stop=say.should_stop)
        return f"The model {name} is here."

    return Task("model", work, name)


def hub_cache() -> Path:
    """Where the hub's library keeps models, the same place for every program of this person's."""
    for name, below in (("HF_HUB_CACHE", ""), ("HF_HOME", "hub"), ("XDG_CACHE_HOME", "huggingface/hub")):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser() / below
    return Path.home() / ".cache" / "huggingface" / "hub"


def free_mb(place: Path) -> float:
    """Room on the disk that a folder lies on, or will."""
    return float(installing.free_mb(place))


def in_words(model: Model) -> tuple[str, ...]:
    """What fetching a model means, in sentences."""
    licence = f"License: {model.licence}." if model.licence else "Its license is not stated: see its page on the hub."
    if model.here:
        return f"{model.name} is here already.", licence
    if model.missing_mb < 0:
        return f"{model.name}: its size is not known.", licence
    rest = ", the rest is here" if model.missing_mb < model.total_mb else ""
    return f"{model.name}: {size(model.missing_mb)} of {size(model.total_mb)}{rest}.", licence


def size(mb: float) -> str:
    """A size as people read it: 850 MB, 4.3 GB."""
    return f"{mb:.0f} MB" if mb < 999.5 else f"{mb / 1000:.1f} GB"


# --- how it stands ---------------------------------------------------------------------------------------------------

_found: dict[Path, Found] = {}
"""What was found in interpreters since Blender started."""
_home_mb = 0.0
"""What the worker's folder takes on disk, as it was when its interpreter was looked into."""
_looking: dict[Path, threading.Thread] = {}


@dataclass(frozen=True)
class Status:
    """The worker in words. state: "missing", "looking", "broken" or "ready". lines: what follows the title.

    own: whether it is Set Up's, or waits for it; else another interpreter is chosen.
    """

    state: str
    title: str
    lines: tuple[str, ...] = ()
    own: bool = True


def look(python: Path, home: Path, *, load: bool = False) -> Found:
    """What an interpreter brings, kept for status(). It takes a moment, with load seconds."""
    global _home_mb
    if python.is_relative_to(home):
        _home_mb = environment.size_mb(home)
    _found[python] = environment.check(python, load=load)
    return _found[python]


def forget() -> None:
    """Look into interpreters again."""
    _found.clear()


def status() -> Status:
    """How it stands, at once. An interpreter not looked into yet is looked into in a thread, then the window is drawn
    again."""
    chosen = worker.interpreter()
    if chosen is None:
        return Status("missing", "Not set up")
    own = chosen.source == "own"
    told = not own and chosen.source != "preferences"
    lines: tuple[str, ...] = (f"From {chosen.source}:", str(chosen.path)) if told else ()
    found = _found.get(chosen.path)
    if found is None:
        _look_in_thread(chosen.path)
        return Status("looking", "Looking into the interpreter ...", lines, own)
    if not found.usable:
        return Status("broken", "The interpreter cannot be used", (*lines, *found.problems), own)
    torch = found.packages.get("torch", "").partition("+")[0]
    build = BUILDS.get(found.torch_build, found.torch_build)
    if own:
        lines = (f"{size(_home_mb)} in {worker.home()}",)
    return Status("ready", f"Ready: torch {torch}, {build}", lines, own)


def _look_in_thread(python: Path) -> None:
    if python not in _looking:
        thread = threading.Thread(target=look, args=(python, worker.home()), name="SynGen look", daemon=True)
        _looking[python] = thread
        thread.start()
        if not bpy.app.timers.is_registered(_show_found):
            bpy.app.timers.register(_show_found, first_interval=task.POLL_S, persistent=True)


def _show_found() -> float | None:
    for python in [p for p, thread in _looking.items() if not thread.is_alive()]:
        del _looking[python]
        task.redraw()
    return task.POLL_S if _looking else None


def stop() -> None:
    """Wait for what looks into interpreters: Blender or the extension goes away."""
    while _looking:
        _looking.popitem()[1].join()
    if bpy.app.timers.is_registered(_show_found):
        bpy.app.timers.unregister(_show_found)
