"""The paths that a recipe names, as Blender means them. Imports bpy, recipe."""

from pathlib import Path

import bpy

from ..recipe import Recipe, with_paths


def absolute_path(path: str, folder: Path) -> str:
    """A path of a recipe: "//" counts from the .blend, "~" is the person's folder, another relative one from folder."""
    if path.startswith("//"):
        path = bpy.path.abspath(path)
    return str(folder.absolute() / Path(path).expanduser())


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """The recipe for whoever works in another folder: the worker, a job on a copy of the file."""
    return with_paths(recipe, lambda path: absolute_path(path, Path.cwd()))
