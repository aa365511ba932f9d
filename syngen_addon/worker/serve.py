"""The worker's main loop: takes jobs from stdin, has them done, says on stdout how it goes. Knows no torch.

Imports the standard library, errors and protocol; images only when a job shows its first preview.

The main thread does the jobs, one after the other; a second one reads stdin, so that a cancel is seen, and the end of
stdin ends the process, while a job computes.
"""

import io
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from ..errors import Cancelled, SynGenError, one_line
from . import protocol

PROGRESS_INTERVAL_S = 0.05
"""Between two messages of progress: more of them nobody sees."""


class Say:
    """How a job speaks while it runs. Every call but preview raises Cancelled where the person asked to stop."""

    def __init__(self, number: int, out: Path | None, outbox: "_Outbox", stop: threading.Event) -> None:
        self._number, self._out, self._outbox, self._stop = number, out, outbox, stop
        self._fraction = 0.0

    def check(self) -> None:
        """Raises Cancelled where the job is to stop."""
        if self._stop.is_set():
            raise Cancelled

    def step(self, fraction: float, text: str) -> None:
        """So much of the job is done, 0 to 1, and this is what it does. As often as you like; raises Cancelled.

        It never goes back: what has to be done again for lack of memory shows as a wait.
        """
        self.check()
        if not math.isfinite(fraction):  # which max and min would pass over
            raise ValueError(f"a job is {fraction} done")
        self._fraction = max(self._fraction, min(float(fraction), 1.0))
        self._outbox.progress(protocol.Progress(self._number, self._fraction, text))

    def preview(self, image: Any) -> None:
        """Show how far the picture is: H x W x 3, float in [0, 1] or 8 bit (an array or a PIL image), sRGB.

        It lies as preview.png in the job's folder, or as NAME-preview.png beside the file that the job makes. A preview
        that cannot be written is left out.
        """
        import numpy as np

        from .. import images

        if self._out is None:
            raise ValueError("a job without `out` has no place for previews")
        path = self._out.with_name(f"{self._out.stem}-preview.png") if self._out.suffix else self._out / "preview.png"
        pixels = np.asarray(image)
        if pixels.dtype == np.uint8:
            pixels = pixels / np.float32(255)
        try:
            images.save_png(path, np.asarray(pixels, np.float32))
        except SynGenError as error:
            print(f"No preview: {error}", file=sys.stderr, flush=True)
            return
        self._outbox.send(protocol.Preview(self._number, str(path)))


Work = Callable[[Any, Say], dict[str, Any]]
"""Does one kind of job: (the job's dataclass, Say) -> the result as the job's class documents it."""


def serve(jobs: Mapping[str, Work], log: str = "the worker's log") -> NoReturn:
    """Do the jobs that come, by their kind's name, until stdin ends; that ends the process, from any state.

    log: what stderr goes to, for the hints of errors that nobody foresaw. stdin and stdout become the protocol's own:
    whatever a library prints goes to stderr.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to every process of a terminal; Blender decides
    _be_killed_before_blender()
    requests, answers = _take_standard_streams()
    outbox = _Outbox(answers)
    outbox.send(protocol.Ready(protocol.VERSION, sys.executable, os.getpid()))
    inbox = _Inbox(requests, outbox)
    while True:
        run, stop = inbox.next()
        outbox.send(_do(run, jobs, outbox, stop, log))
        inbox.forget(run)


def _be_killed_before_blender() -> None:
    """Linux, where memory runs out, kills the process with the highest score: let that be this one."""
    score = Path("/proc/self/oom_score_adj")
    with suppress(OSError):  # of a system without it, or one that forbids it
        if score.exists():
            score.write_text("500")


def _take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """The streams to Blender, moved off the descriptors 0 and 1, where libraries would find them."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that the log is in order
    return requests, answers


def _do(
    run: protocol.Run, jobs: Mapping[str, Work], outbox: "_Outbox", stop: threading.Event, log: str
) -> protocol.Event:
    """The job's last message, whatever happens in it."""
    out = getattr(run.job, "out", "")
    say = Say(run.id, Path(out) if out else None, outbox, stop)
    try:
        say.check()
        done = protocol.Done(run.id, jobs[type(run.job).__name__.lower()](run.job, say))
        protocol.encode(done)  # a result that is no JSON is the job's failure
        return done
    except Cancelled:
        return protocol.Stopped(run.id)
    except SynGenError as error:
        return protocol.Failed(run.id, error.message, error.hint)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return protocol.Failed(run.id, *_described(error, log))


def _described(error: BaseException, log: str) -> tuple[str, str]:
    """An error that nobody foresaw, as (message, hint)."""
    if out_of_memory(error):
        return (
            "There is not enough memory for this job.",
            "Lower the size of the picture or the number of pictures at once, choose half precision or more offload, "
            "or close other programs.",
        )
    text = one_line(error)
    return (
        f"The worker's job failed: {type(error).__name__}{f': {text}' if text != '.' else '.'}",
        f"The end of {log} says where.",
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that main memory or the device's is full, torch's own included."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "not enough memory" in text)


class _Inbox:
    """Runs that wait for the main thread, and which of them are to stop."""

    def __init__(self, requests: BinaryIO, outbox: "_Outbox") -> None:
        self._requests, self._outbox = requests, outbox
        self._waiting: queue.SimpleQueue[tuple[protocol.Run, threading.Event]] = queue.SimpleQueue()
        self._stops: dict[int, threading.Event] = {}
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def next(self) -> tuple[protocol.Run, threading.Event]:
        """The next job and what says that it is to stop; waits for one."""
        return self._waiting.get()

    def forget(self, run: protocol.Run) -> None:
        """That job is over."""
        del self._stops[run.id]

    def _read(self) -> None:
        for line in self._requests:
            try:
                request = protocol.decode_request(line)
            except SynGenError as error:
                self._outbox.send(protocol.Failed(protocol.UNREADABLE, error.message, error.hint))
                continue
            if isinstance(request, protocol.Run):
                stop = self._stops[request.id] = threading.Event()
                self._waiting.put((request, stop))
            else:
                self._stops.get(request.id, threading.Event()).set()  # of a job that is over: nothing happens
        _end()  # Blender has closed the worker, or is gone


class _Outbox:
    """Writes messages; of progress at most one an interval, the latest of them never lost."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._change = threading.Condition()
        self._held: bytes | None = None
        self._next_progress = 0.0
        threading.Thread(target=self._release, name="progress", daemon=True).start()

    def send(self, event: protocol.Event) -> None:
        """Write it now, after the progress that was held back."""
        with self._change:
            self._write_held()
            self._write(protocol.encode(event))

    def progress(self, event: protocol.Progress) -> None:
        """Write it as soon as the interval is over, unless a later one comes first."""
        line = protocol.encode(event)  # what is no JSON fails here, in the job that said it
        with self._change:
            self._held = line
            if time.monotonic() >= self._next_progress:
                self._write_held()
            else:
                self._change.notify()

    def _release(self) -> None:
        """Writes what was held back once the interval is over."""
        with self._change:
            while True:
                self._change.wait_for(lambda: self._held is not None)
                left = self._next_progress - time.monotonic()
                if left > 0:
                    self._change.wait(left)  # lets go of the lock: what is held may be written or replaced meanwhile
                else:
                    self._write_held()

    def _write_held(self) -> None:
        if self._held is not None:
            self._write(self._held)
            self._held = None
            self._next_progress = time.monotonic() + PROGRESS_INTERVAL_S

    def _write(self, line: bytes) -> None:
        try:
            self._answers.write(line)
            self._answers.flush()
        except OSError:
            _end()  # nobody listens any more


def _end() -> None:
    """End the process at once, whatever the main thread computes; files are written so that this harms none."""
    os._exit(0)
