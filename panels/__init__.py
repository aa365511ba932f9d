"""Panels: draw only; they name operators by id and never import them."""

import bpy

CLASSES: tuple[type, ...] = ()
"""In the order of registration."""


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
