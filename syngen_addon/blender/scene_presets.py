"""Dataset presets: recipes of the scene and the pictures alone, that lie in Blender's own folders for presets.

A preset is a recipe file and nothing of it is ever executed. It sets all SECTIONS, so that it gives the same whatever
was set before: numbers, switches and choices that it leaves out go back to their defaults, while texts and tables
(folders, names, licences) stay as they are. The sections of what wears are no part of a preset. Imports bpy, recipe.
"""

import dataclasses
from pathlib import Path
from typing import Any

import bpy

from .. import recipe as recipes
from ..errors import SynGenError

SUBFOLDER = "syngen"
"""Below the folders `presets`: the extension's own and the person's."""
OWN = Path(__file__).resolve().parent
"""Where the extension's own folder `presets` lies."""
SECTIONS = (
    *("camera", "light", "background", "ground", "distractors", "pose", "tint", "sensor", "randomize"),
    *("render", "labels", "export"),
)
OF_ONE_DATASET = {"export": ("title", "license", "licenses")}
"""Not saved in a preset: another dataset has others."""


def load(scene: bpy.types.Scene, path: Path) -> None:
    """Show a preset in the scene's settings. Raises SynGenError; then nothing is changed."""
    from . import settings

    named = recipes.parsed(_read(path), path.name)
    foreign = [section for section in named if section in recipes.sections() and section not in SECTIONS]
    if foreign:
        raise SynGenError(f"{path.name} is no dataset preset: it sets [{foreign[0]}].", "Load it with Load Recipe.")
    plain = recipes.to_dict(recipes.from_dict(named, path.name))
    wanted: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for section, key, _, about in settings.every_key():
        if section not in SECTIONS:
            continue
        if key in named.get(section, {}) or not _is_the_persons(plain[section][key], about):
            wanted[section][key] = plain[section][key]
    settings.put_keys(scene, wanted)


def save(scene: bpy.types.Scene, name: str) -> Path:
    """Write the scene's settings as a preset into the person's folder. Raises SynGenError where the name is taken."""
    from ..files import write_bytes
    from . import settings
    from .paths import with_absolute_paths

    file = _file_name(name)
    if not file:
        raise SynGenError("The preset has no name.", "Type one.")
    if bpy.utils.preset_find(file, SUBFOLDER, ext=".toml"):
        raise SynGenError(
            f"There is a preset called {name.strip()!r} already.", "Remove it first, or type another name."
        )
    plain = recipes.to_dict(with_absolute_paths(settings.recipe_of(scene)))
    kept = {
        section: {key: value for key, value in plain[section].items() if key not in OF_ONE_DATASET.get(section, ())}
        for section in SECTIONS
    }
    path = _folder() / f"{file}.toml"
    write_bytes(path, recipes.written(kept).encode())
    return path


def remove(name: str) -> Path:
    """Delete a preset of the person's by the name that the menu shows. Raises SynGenError for the extension's own."""
    found = bpy.utils.preset_find(name, SUBFOLDER, display_name=True, ext=".toml")
    if not found:
        raise SynGenError(f"There is no preset called {name!r}.", "It may have been removed: open the menu again.")
    if Path(found).resolve().is_relative_to(OWN):
        raise SynGenError(f"{name!r} comes with SynGen and cannot be removed.", "Those that you add can.")
    Path(found).unlink()
    return Path(found)


def about(path: Path) -> str:
    """What a preset says of itself: the comment at its head."""
    lines = []
    for line in _read(path).splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)


def _is_the_persons(value: Any, about: "dataclasses.Field[Any]") -> bool:
    return isinstance(value, dict) or (isinstance(value, str) and not about.metadata["choices"])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SynGenError(f"The preset {path} cannot be read: {error}.", "Choose a text in UTF-8.") from error


def _file_name(name: str) -> str:
    """As Blender names the files of presets, so that its menu shows the name that was typed."""
    from bl_operators.presets import AddPresetBase

    return str(AddPresetBase.as_filename(name))


def _folder() -> Path:
    made = bpy.utils.user_resource("SCRIPTS", path=f"presets/{SUBFOLDER}", create=True)
    if not made:
        raise SynGenError("Blender's folder for presets cannot be made.", "See Preferences > File Paths > Scripts.")
    return Path(made)
