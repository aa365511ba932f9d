"""Panels: draw only; they name operators by id and never import them."""

import bpy

from . import dataset, gallery, marks, neural, objects, presets, scene, setup, texture, wear

CLASSES: tuple[type, ...] = (
    *texture.CLASSES,
    *gallery.CLASSES,
    *marks.CLASSES,
    *neural.CLASSES,
    *wear.CLASSES,
    *objects.CLASSES,
    *presets.CLASSES,
    *scene.CLASSES,
    *dataset.CLASSES,
    *setup.CLASSES,
)
"""In the order of registration."""


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    presets.register()


def unregister() -> None:
    presets.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
