"""The gallery's pictures as icons. Imports bpy; reads a folder only when it has changed.

A panel draws many times a second: what it shows comes from here and costs a look-up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import bpy.utils.previews

from .preferences import gallery_folder
from .target import wear_of

if TYPE_CHECKING:
    from ..variants import Variant

LOOK_AGAIN_S = 1.0
"""A folder is asked for its time stamp no more often than this."""


@dataclass(frozen=True)
class Shown:
    """One picture of the gallery."""

    variant: Variant
    icon: int


_icons: bpy.utils.previews.ImagePreviewCollection | None = None
_shown: dict[str, tuple[float, int, tuple[Shown, ...]]] = {}


def home_of(obj: bpy.types.Object) -> Path:
    """The folder of the object's variants: the one it was aged from, so that renaming or copying it loses nothing."""
    from ..variants import object_folder

    about = wear_of(obj)
    if about is not None:
        folder = Path(bpy.path.abspath(about["gallery"]))
        if folder.is_dir():
            return folder
    return object_folder(gallery_folder(), obj.name)


def variants_of(obj: bpy.types.Object) -> list[Variant]:
    """The finished variants of an object, the newest lot first, in the order of their seeds. Reads the folder."""
    from ..variants import read_variant

    home = home_of(obj)
    folders = [p for p in home.iterdir() if not p.name.startswith(".")] if home.is_dir() else []
    found = [v for v in map(read_variant, folders) if v is not None]
    newest: dict[str, float] = {}
    for variant in found:
        lot = _lot(variant)
        newest[lot] = max(newest.get(lot, 0.0), variant.folder.stat().st_mtime)
    return sorted(found, key=lambda v: (-newest[_lot(v)], v.name))


def _lot(variant: Variant) -> str:
    """Variants of one kind made from the same input."""
    return f"{variant.kind} {variant.name.rsplit('-', 1)[-1]}"


def gallery(obj: bpy.types.Object) -> tuple[Shown, ...]:
    """What the panel shows for an object."""
    key, now = f"{bpy.data.filepath}|{obj.name}", time.monotonic()
    asked, changed, shown = _shown.get(key, (-LOOK_AGAIN_S, -1, ()))
    if now - asked < LOOK_AGAIN_S:
        return shown
    stamp = _stamp(home_of(obj))
    if stamp != changed:
        shown = tuple(Shown(variant, _icon(variant)) for variant in variants_of(obj))
    _shown[key] = (now, stamp, shown)
    return shown


def _stamp(folder: Path) -> int:
    try:
        return hash((str(folder), folder.stat().st_mtime_ns))
    except OSError:
        return 0


def _icon(variant: Variant) -> int:
    if _icons is None:
        return 0
    path = variant.thumbnail
    try:
        key = f"{path}|{path.stat().st_mtime_ns}"
    except OSError:
        return 0
    if key not in _icons:
        _icons.load(key, str(path), "IMAGE")
    return int(_icons[key].icon_id)


def forget() -> None:
    """Look at every folder again."""
    _shown.clear()


def register() -> None:
    global _icons
    _icons = bpy.utils.previews.new()


def unregister() -> None:
    global _icons
    forget()
    if _icons is not None:
        bpy.utils.previews.remove(_icons)
        _icons = None
