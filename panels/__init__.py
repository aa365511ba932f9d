"""Panels: draw only; they name operators by id and never import them."""

import bpy

from . import dataset, keypoints, marks, neural, objects, scene, texture, wear

CLASSES: tuple[type, ...] = (
    *texture.CLASSES,
    *marks.CLASSES,
    *neural.CLASSES,
    *wear.CLASSES,
    *objects.CLASSES,
    *scene.CLASSES,
    *dataset.CLASSES,
    *keypoints.CLASSES,
)
"""In the order of registration."""


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
