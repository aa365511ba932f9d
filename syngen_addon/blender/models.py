"""The targets' meshes in the job's folder, for formats that hold models. Imports bpy."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import bpy

from ..formats.models import Model, model_file, write_model
from .geometry import Geometry
from .mesh import metres_per_unit


class Target(Protocol):
    """What is asked of a target."""

    obj: bpy.types.Object
    index: int


def write_models(out: Path, geometry: Geometry | None, targets: Iterable[Target], scene: bpy.types.Scene) -> None:
    """Write each target's shape once a job, as renders see it: object space, metres; no file where it has no face.

    geometry: None where the job has none; nothing is written then. Raises SynGenError where a file cannot be written.
    """
    if geometry is None:
        return
    metres = metres_per_unit(scene)
    for target in targets:
        shape, path = geometry.shapes.get(target.obj), out / model_file(target.index)
        if shape is not None and not path.is_file():
            write_model(path, Model(shape.points * metres, shape.triangles))
