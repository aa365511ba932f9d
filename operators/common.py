"""What the operators share: errors as one sentence, polls that say why. Imports bpy, errors, later blender.target."""

import functools
import textwrap
from collections.abc import Callable
from typing import Any

import bpy

from ..syngen_addon.errors import SynGenError

REPORT_WIDTH = 90
"""Of a pop-up, in letters."""


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
    and wider than the screen. The status bar runs them together, hence the blank before each break."""
    text = str(error)
    if not bpy.app.background:
        text = " \n".join(textwrap.wrap(text, REPORT_WIDTH, break_long_words=False, break_on_hyphens=False))
    operator.report({"ERROR"}, text)


class OnObject:
    """A mix-in for operators on the active mesh object."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        from ..syngen_addon.blender import target

        try:
            obj = target.check_object(context.object)
            if obj.mode != "OBJECT":
                raise SynGenError("Leave the edit or paint mode first.")
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
