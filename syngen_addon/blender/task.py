"""One piece of long work at a time, in a thread, for the window: set-up and downloads. Imports bpy, errors.

A timer follows it, no modal operator: it goes on when the window it was started from is closed, or another file opened.
"""

import threading
from collections.abc import Callable

import bpy

from ..errors import Cancelled, SynGenError

POLL_S = 0.25
_REDRAWN = {"PREFERENCES": "WINDOW", "VIEW_3D": "UI"}
"""Areas that show it -> the region that does."""


class Task:
    """Work in a thread, and what of it can be shown.

    kind: "set-up", "remove", "check", "diagnose", "weights", "resolve" or "model". about: what it works on, such as a
    model's name. fraction: 0 to 1. text: what is being done. Once done: told (the outcome in a sentence), error or
    cancelled.
    """

    def __init__(self, kind: str, work: Callable[["Task"], str], about: str = "") -> None:
        """work: does it all without touching Blender's data, calls progress() and should_stop(), returns what to tell.

        It may raise SynGenError and Cancelled.
        """
        self.kind, self.about = kind, about
        self.fraction, self.text = 0.0, "Starting"
        self.told = ""
        self.error: SynGenError | None = None
        self.cancelled = False
        self.done = False
        self._work = work
        self._heard: Callable[[float, str], None] = lambda fraction, text: None
        self._asked: Callable[[], bool] = lambda: False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def progress(self, fraction: float, text: str) -> None:
        """For the work: how far it is."""
        self.fraction, self.text = min(max(fraction, 0.0), 1.0), text
        self._heard(self.fraction, text)

    def should_stop(self) -> bool:
        """For the work: whether the person asked to stop."""
        return self._stop.is_set() or self._asked()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop and has not yet."""
        return self._stop.is_set() and not self.done

    def run(
        self,
        progress: Callable[[float, str], None] = lambda fraction, text: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> str:
        """Do it here and now; what to tell. Raises SynGenError, Cancelled."""
        self._heard, self._asked = progress, should_stop
        return self._work(self)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"SynGen {self.kind}", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop, which it does before its next step."""
        self._stop.set()

    def join(self) -> None:
        """Wait until it has stopped."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self.told = self._work(self)
        except Cancelled:
            self.cancelled = True
        except SynGenError as error:
            self.error = error
        except Exception as error:  # a thread's exception would vanish, and the window would wait for ever
            self.error = SynGenError(
                f"{type(error).__name__}: {error}.", "This is a mistake in SynGen; please report it."
            )
            raise
        finally:
            self.done = True


_latest: Task | None = None
_finished: Callable[[Task], None] | None = None


def latest(*kinds: str) -> Task | None:
    """The task that runs or was the last to run, where it is of one of these kinds (of any, without)."""
    return _latest if _latest is not None and (not kinds or _latest.kind in kinds) else None


def running() -> Task | None:
    """The task that runs."""
    return _latest if _latest is not None and not _latest.done else None


def begin(task: Task, finished: Callable[[Task], None] | None = None) -> Task:
    """Start a task; the timer calls finished(task) in the main thread at its end. Raises SynGenError where one runs."""
    global _latest, _finished
    if running() is not None:
        raise SynGenError(busy())
    if _finished is not None:  # of a task that ended since the timer looked
        _end()
    _latest, _finished = task, finished
    task.start()
    if not bpy.app.timers.is_registered(_poll):
        bpy.app.timers.register(_poll, first_interval=POLL_S, persistent=True)
    return task


def fail(kind: str, error: SynGenError) -> None:
    """Show that a task cannot be begun. Raises SynGenError where one runs."""
    global _latest
    if running() is not None:
        raise SynGenError(busy())
    _latest = Task(kind, lambda say: "")
    _latest.error, _latest.done = error, True


def busy() -> str:
    """Why no other task can be started, "" where one can."""
    task = running()
    names = {"set-up": "Set Up", "weights": "Get Weights", "model": "A model's download", "remove": "Remove"}
    return "" if task is None else f"{names.get(task.kind, 'A check')} is running: wait for it or cancel it."


def forget() -> None:
    """Show nothing more of a task that has ended."""
    global _latest
    if running() is None:
        _latest = None


def stop() -> None:
    """End what runs and wait for it: Blender or the extension goes away."""
    global _latest, _finished
    task, _latest, _finished = _latest, None, None
    if task is not None:
        task.cancel()
        task.join()
    if bpy.app.timers.is_registered(_poll):
        bpy.app.timers.unregister(_poll)


def _poll() -> float | None:
    if running() is None:
        _end()
    redraw()
    return POLL_S if running() is not None else None  # what came after the end may have begun another


def _end() -> None:
    global _finished
    finished, _finished = _finished, None
    if finished is not None and _latest is not None:
        finished(_latest)


def redraw() -> None:
    """Draw again what shows a task: the preferences and the sidebars of the 3D views."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if region.type == _REDRAWN.get(area.type):
                    region.tag_redraw()
