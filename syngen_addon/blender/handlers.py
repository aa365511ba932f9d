"""What Blender calls when something happens, put into its lists and taken out again. Imports bpy."""

from collections.abc import Callable, Iterable
from typing import Any

import bpy

Handlers = Iterable[tuple[str, Callable[..., Any]]]
"""The name of a list of bpy.app.handlers, and what is called."""


def listen(handlers: Handlers, on: bool = True) -> None:
    """Put them into their lists, once each, or take them out.

    Not to be taken out by one of them: Blender goes through a list by number, and would leave out the one behind it.
    """
    for name, handler in handlers:
        there = getattr(bpy.app.handlers, name)
        if on and handler not in there:
            there.append(handler)
        elif not on and handler in there:
            there.remove(handler)
