"""Prompts that a person keeps, and what an empty prompt stands for. Imports bpy, errors; textures.prompt when asked.

They are the same for every file: a JSON file in the extension's own folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..errors import SynGenError
from ..kinds import KINDS
from . import settings
from .preferences import ROOT_PACKAGE

if TYPE_CHECKING:
    from ..textures.prompt import Prompt

_read: tuple[tuple[str, int], dict[str, Prompt]] | None = None
"""(what the file was like, what it held): a panel asks many times a second."""


def folder() -> Path:
    """Where they are kept."""
    try:
        return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path="prompts", create=True))
    except ValueError:  # a plain checkout is no extension and has no such folder
        return Path(bpy.app.tempdir) / "syngen-prompts"


def kept() -> dict[str, Prompt]:
    """Name -> prompt, those that are always there first. Raises SynGenError where the file is broken."""
    global _read
    from ..textures.prompt import PRESETS, presets

    place = folder()
    try:
        stamp = (place / PRESETS).stat().st_mtime_ns
    except OSError:
        stamp = 0
    if _read is None or _read[0] != (str(place), stamp):
        _read = ((str(place), stamp), dict(presets(place)))
    return _read[1]


def automatic(scene: bpy.types.Scene) -> Prompt:
    """What empty prompts are made into. Two empty texts where the settings make none."""
    from ..textures.prompt import Prompt, prompt_of

    chosen = scene.syngen
    try:
        recipe = settings.recipe_of(scene)
        plain = type(recipe.diffusion)(material=recipe.diffusion.material, severity=recipe.diffusion.severity)
        return prompt_of(KINDS[recipe.wear.kind], plain, base=chosen.texture.method != "diffusion")
    except SynGenError:
        return Prompt("", "")


def in_use(scene: bpy.types.Scene) -> str:
    """Name of the kept prompt that the settings hold, "" where they hold another."""
    now = (scene.syngen.diffusion.prompt, scene.syngen.diffusion.negative)
    return next((name for name, prompt in kept().items() if (prompt.positive, prompt.negative) == now), "")


def use(scene: bpy.types.Scene, name: str) -> None:
    """Put a kept prompt into the settings. Raises SynGenError where there is none of that name."""
    found = kept().get(name)
    if found is None:
        raise SynGenError(f"There is no prompt called {name!r}.", f"There are: {', '.join(kept())}.")
    scene.syngen.diffusion.prompt, scene.syngen.diffusion.negative = found.positive, found.negative


def keep(scene: bpy.types.Scene, name: str) -> None:
    """Keep the settings' prompt under a name; where nothing is typed, what that stands for. Raises SynGenError."""
    from ..textures.prompt import Prompt, save_preset

    chosen = scene.syngen.diffusion
    typed = Prompt(chosen.prompt, chosen.negative)
    save_preset(folder(), name, typed if typed != Prompt("", "") else automatic(scene))
    forget()


def why_it_stays(scene: bpy.types.Scene) -> str:
    """Why the prompt in use cannot be removed, "" where it can."""
    from ..textures.prompt import BUILT_IN

    try:
        name = in_use(scene)
    except SynGenError as error:
        return str(error)
    if not name:
        return "The prompt in the settings is not a kept one."
    return f"{name} is built in and stays." if name in BUILT_IN else ""


def remove(name: str) -> None:
    """Keep it no longer. Raises SynGenError where there is none of that name, or it is built in."""
    from ..textures.prompt import remove_preset

    remove_preset(folder(), name)
    forget()


def forget() -> None:
    """Read the file again."""
    global _read
    _read = None
