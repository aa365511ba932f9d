"""All of bpy: mesh, material, gallery, scene, render, dataset, command line. May import any stage, never operators."""

import bpy

CLASSES: tuple[type, ...] = ()
"""In the order of registration."""


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
