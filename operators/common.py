"""What the operators share: errors as sentences, polls that say why, work that is followed. Later: blender.target.

Imports bpy, errors and blender.session.
"""

import functools
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from ..syngen_addon.blender import session
from ..syngen_addon.errors import SynGenError

REPORT_WIDTH = 90
"""Of a pop-up, in letters."""
LONG = 200
"""An error of more letters comes in a dialog, whose text stays until it is read."""
LEAVE_MODE = "Leave the edit or paint mode first."


def reported(function: Callable[..., set[str]]) -> Callable[..., set[str]]:
    """An operator's execute or invoke whose SynGenError becomes its report, and CANCELLED."""

    def guarded(self: bpy.types.Operator, *arguments: Any) -> set[str]:
        try:
            return function(self, *arguments)
        except SynGenError as error:
            report_error(self, error)
            return {"CANCELLED"}

    # Blender counts the arguments of what it registers.
    if function.__name__ == "invoke":
        return functools.wraps(function)(lambda self, context, event: guarded(self, context, event))
    return functools.wraps(function)(lambda self, context: guarded(self, context))


def report_error(operator: bpy.types.Operator, error: SynGenError) -> None:
    """The error as the operator's report. In a window it is broken into lines: Blender's pop-up is as wide as its text,
    and wider than the screen. The status bar runs them together, hence the blank before each break. A long one that a
    person has asked for is a dialog, from which a report can be copied."""
    text = str(error)
    if len(text) > LONG and not bpy.app.background and bpy.context.window is not None and _is_asked(operator):
        operator.report({"INFO"}, text)
        bpy.ops.syngen.show_trouble("INVOKE_DEFAULT", message=error.message, hint=error.hint)
        return
    if not bpy.app.background:
        text = " \n".join(textwrap.wrap(text, REPORT_WIDTH, break_long_words=False, break_on_hyphens=False))
    operator.report({"ERROR"}, text)


def _is_asked(operator: bpy.types.Operator) -> bool:
    """Whether a person called it, and no script, which hears of errors only by a report."""
    return bool(operator.options.is_invoke)


class InObjectMode:
    """A mix-in for operators that need Object Mode, whatever is selected."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            cls.poll_message_set(LEAVE_MODE)  # type: ignore[attr-defined]
            return False
        return True


class FollowsWork:
    """A mix-in for operators whose work goes on in a thread: a timer follows it, Esc stops it.

    kept: the name under which the session keeps the work meanwhile.
    """

    kept = ""
    work: Any
    timer: bpy.types.Timer

    def follow(self, context: bpy.types.Context, work: Any) -> set[str]:
        """Start the work; what it comes to is said by _ended."""
        self.work = work
        setattr(session.now, self.kept, work)
        work.start()
        self.timer = context.window_manager.event_timer_add(session.POLL_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC" and event.value == "PRESS":
            self.work.cancel()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        session.redraw(views=False)
        try:
            runs = self._runs()
        except Exception:  # a mistake in what is done between two looks must not leave the panel waiting for ever
            self._end(context)
            raise
        if runs:
            return {"PASS_THROUGH"}
        self._end(context)
        return self._ended(self.work)

    def cancel(self, context: bpy.types.Context) -> None:
        if hasattr(self, "work"):  # else its dialog was left
            self.work.cancel()
            self._end(context)

    def _runs(self) -> bool:
        return not self.work.done

    def _ended(self, work: Any) -> set[str]:
        """Put it to use, or say why it came to nothing."""
        raise NotImplementedError

    def _end(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self.timer)
        setattr(session.now, self.kept, None)
        session.redraw(views=False)


def open_outside(path: Path) -> set[str]:
    """Open a file or folder with what the system has for it. Raises SynGenError where it has nothing.

    Blender says that only on the console.
    """
    if not _has_opener():
        raise SynGenError(
            f"This system has no program that opens {path.name}: xdg-open is missing.", f"It lies in {path.parent}."
        )
    found: set[str] = bpy.ops.wm.path_open(filepath=str(path))
    return found


def show_picture(path: str, hint: str) -> set[str]:
    """Show a picture in the viewer of the system, else in an image editor. hint: what to do where it is gone.
    Raises SynGenError there.

    Not in an image editor where there is a choice: it would be one more window.
    """
    if not Path(path).is_file():
        raise SynGenError(f"The picture {path} does not exist.", hint)
    if _has_opener() or bpy.app.background:
        return open_outside(Path(path))
    from ..syngen_addon.blender import in_editor

    in_editor.show(Path(path), Path(path).stem.replace("-", " ").capitalize())
    return {"FINISHED"}


def _has_opener() -> bool:
    """Whether wm.path_open has what it calls; of Windows and macOS it is a part."""
    from shutil import which  # heavy to import when the extension is enabled

    return not sys.platform.startswith("linux") or which("xdg-open") is not None


class CancelsWork:
    """A mix-in for operators that stop the work which the session keeps under the name `kept`."""

    kept = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return getattr(session.now, cls.kept) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        getattr(session.now, self.kept).cancel()
        return {"FINISHED"}


class OnMesh:
    """A mix-in for operators on what is known of the active mesh object, whatever state it is in."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.object is None or context.object.type != "MESH":
            cls.poll_message_set("Select a mesh object.")  # type: ignore[attr-defined]
            return False
        return True


class OnObject:
    """A mix-in for operators on the active mesh object."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        from ..syngen_addon.blender import target

        try:
            obj = target.check_object(context.object)
            if obj.mode != "OBJECT":
                raise SynGenError(LEAVE_MODE)
        except SynGenError as error:
            cls.poll_message_set(str(error))  # type: ignore[attr-defined]
            return False
        return True


class OnWornObject(OnObject):
    """A mix-in for operators on an active object that has wear."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and has_wear(cls, context)


def has_wear(operator: type, context: bpy.types.Context) -> bool:
    """Whether the active object has wear; the operator says so where it has none."""
    from ..syngen_addon.blender import target

    if target.has_wear(context.object):
        return True
    operator.poll_message_set("The object has no wear yet: press Generate and use a variant.")  # type: ignore[attr-defined]
    return False
