"""The paths that a recipe names, as Blender means them. Imports bpy, recipe."""

from pathlib import Path

import bpy

from ..recipe import Recipe, is_path, with_paths


def absolute_path(path: str, folder: Path) -> str:
    """A path of a recipe: "//" counts from the .blend, "~" is the person's folder, another relative one from folder."""
    if path.startswith("//"):
        path = bpy.path.abspath(path)
    return str(folder.absolute() / Path(path).expanduser())


def relative_path(path: str, folder: Path) -> str:
    """A path as a recipe in that folder names it: relative where it lies in the folder, else as it is."""
    if path.startswith("//") or not Path(path).is_relative_to(folder.absolute()):
        return path
    name = Path(path).relative_to(folder.absolute()).as_posix()
    return name if is_path(name) else f"./{name}"  # a/b would be a model on the hub


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """The recipe for whoever works in another folder: the worker, a job on a copy of the file."""
    return with_paths(recipe, lambda path: absolute_path(path, Path.cwd()))
