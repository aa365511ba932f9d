"""Blender's side of the worker: starts the process, gives it jobs, hands back what it says. No torch, no bpy.

Imports the standard library, errors and protocol. The same client serves a thread of the window and a batch job.
"""

import itertools
import os
import queue
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import Cancelled, SynGenError
from . import protocol

ROOT = Path(__file__).resolve().parents[2]
"""The folder that contains this package: a checkout, or the installed extension, whatever Blender calls it."""
PROGRAM = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("syngen_addon.worker", run_name="__main__")
"""
POLL_S = 0.1
"""How often a waiting job asks whether it is to stop."""
START_S = 120.0
"""How long a worker may take to say that it listens; it imports nothing heavy before."""
CANCEL_S = 60.0
"""How long a worker may take to stop a job: its longest step."""
END_S = 2.0
"""How long a worker may take to end when it is closed."""
LOG_BYTES = 4 * 1024 * 1024
"""A log over this size is put aside when a worker starts; one such is kept."""

Ended = protocol.Done | protocol.Failed | protocol.Stopped


def command_of(python: Path, log: Path) -> list[str]:
    """What starts the worker: that Python, alone with its own packages and this one's."""
    return [str(python), "-I", "-X", "utf8", "-c", PROGRAM, str(ROOT), str(log)]


class Worker:
    """A process that does jobs, kept from one to the next; a new one where the last has died.

    python: the interpreter of the worker's environment. log: the file that gets what the worker and its libraries say;
    the old one lies beside it as NAME.old. command: what to start instead of the worker (for tests).
    cancel_s: how long a cancelled job may go on before the worker is killed.

    Any thread may call; one job runs at a time, others wait for their turn.
    """

    def __init__(
        self, python: Path, log: Path, *, command: Sequence[str] | None = None, cancel_s: float = CANCEL_S
    ) -> None:
        self.python, self.log = python, log
        self._command = list(command) if command is not None else command_of(python, log)
        self._cancel_s = cancel_s
        self._numbers = itertools.count(protocol.UNREADABLE + 1)
        self._turn = threading.Lock()
        self._process: _Process | None = None
        self._finalize: Callable[[], object] = lambda: None

    def run(
        self,
        job: protocol.Job,
        *,
        progress: Callable[[float, str], None] = lambda fraction, text: None,
        preview: Callable[[Path], None] = lambda path: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """The job's result, as its class documents it. Blocks; the callbacks are called in this thread.

        Raises SynGenError where the job fails, the worker dies or cannot be started; Cancelled where should_stop says
        so; what a callback raises, after the job was cancelled for it.
        """
        while not self._turn.acquire(timeout=POLL_S):
            if should_stop():
                raise Cancelled
        try:
            process = self._started(should_stop)
            number = next(self._numbers)
            process.send(protocol.Run(number, job))
            try:
                ended = _follow(process, number, progress, preview, should_stop)
            except _Died:
                raise process.death(self.log) from None
            except BaseException:
                _stop(process, number, self._cancel_s)
                raise
        finally:
            self._turn.release()
        match ended:
            case protocol.Done():
                return ended.result
            case protocol.Failed():
                raise SynGenError(ended.message, ended.hint)
            case protocol.Stopped():
                raise Cancelled

    def close(self) -> None:
        """End the process; a job that runs ends with an error. A later job starts a new process.

        Happens by itself when Python exits, and when nothing refers to the worker any more.
        """
        process = self._process
        if process is not None:
            process.end()

    def rest(self) -> None:
        """End the process where no job runs, and with it free the memory that its models take; never waits."""
        if self._turn.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._turn.release()

    @property
    def pid(self) -> int | None:
        """Of the process, where one runs."""
        return self._process.popen.pid if self._process is not None and self._process.runs() else None

    def _started(self, should_stop: Callable[[], bool]) -> "_Process":
        """The process that runs, or a new one that says that it listens."""
        if self._process is not None and self._process.runs():
            return self._process
        self._finalize()  # what is left of one that died
        process = self._process = _start(self._command, self.log)
        self._finalize = weakref.finalize(self, process.end)
        try:
            _wait_until_ready(process, should_stop)
        except _Died:
            raise process.stillborn(self._command[0], self.log) from None
        except BaseException:
            process.end()
            raise
        return process


class _Died(Exception):
    """The process has ended, for a reason that its exit status and the log tell."""


class _Process:
    """One worker process and the thread that reads what it says."""

    def __init__(self, popen: "subprocess.Popen[bytes]", log_start: int) -> None:
        assert popen.stdin is not None and popen.stdout is not None
        self.popen, self._log_start = popen, log_start
        self._stdin, self._stdout = popen.stdin, popen.stdout
        self._sending = threading.Lock()
        self._closed = False
        self._events: queue.SimpleQueue[protocol.Event | SynGenError | None] = queue.SimpleQueue()  # None: the end
        self._reader = threading.Thread(target=self._read, name="worker", daemon=True)
        self._reader.start()

    def runs(self) -> bool:
        """Whether it can still be given a job."""
        return not self._closed and self._reader.is_alive() and self.popen.poll() is None

    def send(self, request: protocol.Request) -> None:
        """Write a request; where nobody reads it any more, next_event tells."""
        with self._sending:
            if self._closed:
                return
            try:
                self._stdin.write(protocol.encode(request))
                self._stdin.flush()
            except OSError:
                self.popen.kill()  # a worker that does not listen cannot be used; the reader sees its end

    def next_event(self, timeout_s: float) -> protocol.Event | None:
        """What the worker says next, None where it says nothing for so long.

        Raises SynGenError for a line that is no event, which is the last one read; _Died where nothing comes any more.
        """
        try:
            event = self._events.get(timeout=max(timeout_s, 0.0))
        except queue.Empty:
            return None
        if event is None:
            self._events.put(None)  # for whoever asks again
            raise _Died
        if isinstance(event, SynGenError):
            raise event
        return event

    def end(self) -> None:
        """Close stdin, at which the worker ends by itself; kill it where it does not soon."""
        with self._sending:
            self._closed = True
            with suppress(OSError):  # closing writes out what is left: nobody reads it where the worker is gone
                self._stdin.close()
        try:
            self.popen.wait(END_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def death(self, log: Path) -> SynGenError:
        """What a person is told when it ended in the middle of a job."""
        closed = self._closed
        self.end()
        if closed:
            return _closed()
        status = self.popen.returncode
        if status == -getattr(signal, "SIGKILL", 9):
            how = "was killed in the middle of the job, most likely because the memory was full"
            advice = "Close other programs, lower the size or choose more offload, and start the job again."
        else:
            how = f"ended in the middle of the job ({_exit(status)})"
            advice = "Start the job again."
        return SynGenError(f"The worker {how}.", f"{advice} {self._last_words(log)}")

    def stillborn(self, python: str, log: Path) -> SynGenError:
        """What a person is told when it ended before it listened."""
        closed = self._closed
        self.end()
        if closed:
            return _closed()
        return SynGenError(
            f"The worker did not start with {python} ({_exit(self.popen.returncode)}).",
            f"Press Set Up in the preferences, or choose another interpreter there. {self._last_words(log)}",
        )

    def _last_words(self, log: Path) -> str:
        """Where the log lies, and its last line where this process wrote one."""
        try:
            with log.open("rb") as file:
                file.seek(max(self._log_start, file.seek(0, os.SEEK_END) - 4096))
                lines = file.read().decode("utf-8", "replace").split("\n")
        except OSError:  # somebody removed it meanwhile
            return f"The log {log} cannot be read."
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"The log is {log}; it ends with: {last[-200:]}" if last else f"The log is {log}."

    def _read(self) -> None:
        with self._stdout:
            for line in self._stdout:
                try:
                    self._events.put(protocol.decode_event(line))
                except SynGenError as error:
                    self._events.put(error)
                    self.popen.kill()  # who speaks another language cannot be worked with
                    break
        self._events.put(None)


def _start(command: Sequence[str], log: Path) -> _Process:
    """Start the process, its stderr going to the log. Raises SynGenError where that cannot be."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.is_file() and log.stat().st_size > LOG_BYTES:
            with suppress(OSError):  # of Windows, where another Blender's worker writes it: then it grows on
                log.replace(log.with_name(f"{log.name}.old"))
        file = log.open("ab")
    except OSError as error:
        raise SynGenError(
            f"The worker's log {log} cannot be written: {error.strerror}.", "Free some space or mend its folder."
        ) from error
    with file:
        file.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {command[0]}\n".encode())
        file.flush()
        try:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                cwd=log.parent,
                env=environment(os.environ),
                start_new_session=True,  # Ctrl-C in Blender's terminal is Blender's
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # of Windows
            )
        except OSError as error:
            raise SynGenError(
                f"The worker's Python {command[0]} cannot be started: {error.strerror}.",
                "Press Set Up in the preferences, or choose another interpreter there.",
            ) from error
        return _Process(popen, file.tell())


def environment(of: Mapping[str, str]) -> dict[str, str]:
    """The worker's environment variables: those of Blender but for what is meant for its own Python."""
    return {
        **{name: value for name, value in of.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "__PYVENV"))},
        "TOKENIZERS_PARALLELISM": "false",  # else a warning with every process that a library starts
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # the log is no terminal
    }


def _wait_until_ready(process: _Process, should_stop: Callable[[], bool]) -> None:
    """Raises SynGenError where the worker is another version's or says nothing, Cancelled, _Died."""
    deadline = time.monotonic() + START_S
    while (event := process.next_event(POLL_S)) is None:
        if should_stop():
            raise Cancelled
        if time.monotonic() > deadline:
            raise SynGenError(
                f"The worker does not answer within {START_S:.0f} s of its start.",
                "Try again; where that does not help, press Set Up in the preferences.",
            )
    if not isinstance(event, protocol.Ready) or event.version != protocol.VERSION:
        raise SynGenError(
            "The worker that was started is of another version than the extension.",
            "Restart Blender, so that both are of one version.",
        )


def _follow(
    process: _Process,
    number: int,
    progress: Callable[[float, str], None],
    preview: Callable[[Path], None],
    should_stop: Callable[[], bool],
) -> Ended:
    """The job's last message; every one before it handed on. Raises Cancelled where should_stop says so, _Died."""
    ours = (number, protocol.UNREADABLE)
    while not should_stop():
        event = process.next_event(POLL_S)
        match event:
            case protocol.Progress(id=id) if id == number:
                progress(event.fraction, event.text)
            case protocol.Preview(id=id) if id == number:
                preview(Path(event.path))
            case protocol.Done(id=id) | protocol.Failed(id=id) | protocol.Stopped(id=id) if id in ours:
                return event
    raise Cancelled


def _stop(process: _Process, number: int, patience_s: float) -> None:
    """Cancel a job and wait until it has ended, so that the next one finds the worker idle; else kill the worker."""
    process.send(protocol.Cancel(number))
    deadline = time.monotonic() + patience_s
    try:
        while (left_s := deadline - time.monotonic()) > 0:
            event = process.next_event(left_s)
            if isinstance(event, Ended) and event.id == number:
                return
    except (_Died, SynGenError):
        return  # it has nothing to stop any more; the next job starts a new one
    process.popen.kill()
    process.end()


def _closed() -> SynGenError:
    return SynGenError("The worker was closed in the middle of the job.", "Start the job again.")


def _exit(status: int) -> str:
    """An exit status in words."""
    if status < 0 and -status in {s.value for s in signal.Signals}:
        return signal.Signals(-status).name
    return f"exit status {status}"
