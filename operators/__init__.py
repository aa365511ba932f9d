"""Operators: gather arguments, call one function of blender/, report. Import blender/ only."""

import bpy

from . import (
    ageing_keys,
    dataset,
    drop,
    gallery,
    keypoints,
    layers,
    levels,
    marks,
    mend,
    presets,
    preview,
    prompts,
    recipes,
    sweep,
    trouble,
    wear,
    worker,
)

CLASSES: tuple[type, ...] = (
    *wear.CLASSES,
    *gallery.CLASSES,
    *mend.CLASSES,
    *layers.CLASSES,
    *levels.CLASSES,
    *ageing_keys.CLASSES,
    *marks.CLASSES,
    *prompts.CLASSES,
    *sweep.CLASSES,
    *preview.CLASSES,
    *keypoints.CLASSES,
    *dataset.CLASSES,
    *recipes.CLASSES,
    *presets.CLASSES,
    *drop.CLASSES,
    *worker.CLASSES,
    *trouble.CLASSES,
)
"""In the order of registration."""


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
