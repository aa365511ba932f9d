"""Programs that install into the worker's folder: how one is run, stopped and followed, and why it failed.

Runs inside Blender's Python, in a thread or headless. Imports the standard library and errors only. environment.py and
weights.py are made of it.
"""

import errno
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from ..errors import Cancelled, SynGenError

Progress = Callable[[float, str], None]
ShouldStop = Callable[[], bool]
LOGS = 5
"""How many logs of installers are kept."""
TAIL = 60
"""How many of an installer's last lines are looked at for the cause of its failure."""
POLL_S = 0.1
MEASURE_S = 2.0
"""How often the folder is measured where an installer does not say how far it is."""

# --- a Python and its pip ---------------------------------------------------------------------------------------------

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


def about_python(python: Path) -> dict[str, Any]:
    """What _ABOUT_PYTHON prints under it. Raises SynGenError where it is no Python that runs."""
    try:
        done = ask(python, _ABOUT_PYTHON)
        return cast(dict[str, Any], json.loads(done.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise SynGenError(f"{python} does not run as a Python.", "Choose a Python 3.11 or newer.") from None


def ask(python: Path, script: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Have that Python run a script, alone with its own packages. Raises OSError, subprocess.TimeoutExpired."""
    return subprocess.run(
        [str(python), "-I", "-X", "utf8", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        env=child_environment(),
        **no_window(),
    )


def pip_of(python: Path, about: Mapping[str, Any]) -> list[str]:
    """What runs pip under that Python: its own, else the one it keeps for new environments; [] without any."""
    if about["pip"]:
        return [str(python), "-I", "-X", "utf8", "-u", "-m", "pip"]
    if about["bundled"]:
        return [str(python), "-I", "-X", "utf8", "-u", f"{about['bundled'][-1]}/pip"]
    return []


def numbers(version: str) -> tuple[int, ...]:
    """ "2.13.0+cpu" -> (2, 13, 0)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def free_mb(place: Path) -> int:
    """Of the disk that the folder lies on, or will; 0 where that disk is not there."""
    there = next((folder for folder in (place, *place.parents) if folder.exists()), None)
    return 0 if there is None else shutil.disk_usage(there).free // 1_000_000


def remove_folder(folder: Path) -> None:
    """With all that is in it, where it is there; of a link to a folder elsewhere the link alone. Raises OSError."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)


def child_environment(temporary: Path | None = None) -> dict[str, str]:
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


def no_window() -> dict[str, Any]:
    """On Windows a console program would open a window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {}


# --- a run of installers ----------------------------------------------------------------------------------------------


class Session:
    """One run of installers in a home folder: its log, what it reports to and what stops it."""

    def __init__(self, home: Path, name: str, lock: int, progress: Progress, should_stop: ShouldStop) -> None:
        self.home, self._lock, self._progress, self._should_stop = home, lock, progress, should_stop
        self.temporary = home / "cache" / "tmp"
        remove_folder(self.temporary)
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
                raise SynGenError(f"{words[0]} cannot be started: {error.strerror}.", see(self.log)) from error
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
        more: dict[str, Any] = no_window()
        if sys.platform != "win32":
            # A group of its own, to be killed whole. The lock goes along: an installer that outlives Blender keeps it.
            more = {"start_new_session": True, "pass_fds": (self._lock,)}
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=child_environment(self.temporary) | dict(variables),
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
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, **no_window())
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
        return SynGenError("The disk is full.", f"Free some space. {kept} {see(log)}")
    missing = next((found[1].rstrip(",.") for p in _NOT_THERE if (found := p.search(said))), "")
    if _NETWORK.search(said):
        return SynGenError(
            "The package index cannot be reached.",
            f"Check the network, the proxy and pip's settings. {kept} {see(log)}",
        )
    if missing:
        return SynGenError(
            f"The package index has no {missing} for this Python and system.",
            f"Choose another build, or an index that has it in pip's configuration. {see(log)}",
        )
    if "DO NOT MATCH THE HASHES" in said or "Hash mismatch" in said:
        return SynGenError("What the package index sent is not what it should be.", f"Try again. {see(log)}")
    if status < 0 or status == 137:
        number = 9 if status == 137 else -status
        return SynGenError(
            f"The installer was killed (signal {number}), perhaps for lack of memory.", f"Start it again. {see(log)}"
        )
    last = next((text for text in reversed(tail) if re.match(r"\s*(error|ERROR)\b", text)), tail[-1] if tail else "")
    last = last.strip()[:200].rstrip(".") or "it said nothing"
    return SynGenError(f"The installer failed with status {status}: {last}.", see(log))


def see(log: Path) -> str:
    """Where a person can read on, for a hint."""
    return f"Everything it said is in {log}."


def _new_log(home: Path, name: str) -> Path:
    """A new log; the oldest ones go."""
    folder = home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for old in logs_of(home)[: -(LOGS - 1)]:
        old.unlink(missing_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = next(p for n in range(1000) if not (p := folder / f"{name}-{stamp}{f'-{n}' if n else ''}.log").exists())
    path.touch()
    return path


def logs_of(home: Path) -> list[Path]:
    """Of the installers, the oldest first."""
    return sorted((home / "logs").glob("*-20[0-9][0-9]*.log"), key=lambda path: (path.stat().st_mtime_ns, path.name))


# --- how far downloads are --------------------------------------------------------------------------------------------

_PIP_BYTES = re.compile(r"Progress (\d+) of (\d+)$")
_PIP_FILE = re.compile(r"\s*(?:Downloading|Processing|Using cached) (\S+?)(?: \((.*)\))?$")
_PIP_THERE = re.compile(r"\s*File was already downloaded (.+)$")


class Fetching:
    """How far pip's downloads are, from what it prints with --progress-bar raw."""

    def __init__(self, session: Session, start: float, stop: float, expected_mb: float) -> None:
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


# --- one at a time ----------------------------------------------------------------------------------------------------


@contextmanager
def locked(home: Path) -> Iterator[int]:
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
def told(home: Path) -> Iterator[None]:
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
