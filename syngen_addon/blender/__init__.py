"""All of bpy: mesh, material, gallery, scene, render, dataset, command line. May import any stage, never operators."""

import bpy

from . import command, marks, preferences, session, settings, worker

CLASSES: tuple[type, ...] = (*preferences.CLASSES, *settings.CLASSES)
"""In the order of registration."""

_PARTS = (settings, session, marks, worker, command)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
