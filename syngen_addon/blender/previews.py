"""The gallery's pictures as icons. Imports bpy; reads a folder only when it has changed.

A panel draws many times a second: what it shows comes from here and costs a look-up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
import bpy.utils.previews

from ..errors import SynGenError
from .preferences import gallery_folder, places_of
from .target import wear_of

if TYPE_CHECKING:
    from ..variants import Variant

LIVE = "live"
"""The picture of what is being made; no path is called so."""
LIVE_SIDE = 256
LOOK_AGAIN_S = 1.0
"""A folder is asked for its time stamp no more often than this."""


@dataclass(frozen=True)
class Shown:
    """One picture of the gallery, whose file is read when it is first drawn."""

    variant: Variant

    @property
    def icon(self) -> int:
        path = str(self.variant.thumbnail)
        if path not in _small:
            _small[path] = _icon(self.variant.thumbnail)
        return _small[path]


_icons: bpy.utils.previews.ImagePreviewCollection | None = None
"""Made with the first picture that is shown."""
_live = ""
"""What the live picture shows: its file and when that was written."""
_thumbnails: dict[str, tuple[float, int]] = {}
"""Variant -> when it was looked for, its icon."""
_small: dict[str, int] = {}
"""Picture of the gallery -> its icon."""
_cells: dict[str, Any] = {}
"""What the icons of pictures in memory show."""
_shown: dict[str, tuple[float, int, tuple[Shown, ...]]] = {}


def home_of(obj: bpy.types.Object) -> Path:
    """The folder of the object's variants: the one it was aged from, so that renaming or copying it loses nothing."""
    from ..variants import object_folder

    about = wear_of(obj)
    for folder in places_of(about, obj.library) if about is not None else ():
        if folder.is_absolute() and folder.is_dir():
            return folder
    return object_folder(gallery_folder(), obj.name)


def thumbnail(gallery_of_layer: str, variant: str) -> int:
    """The icon of a variant by where its layer says it lies; 0 where it is not there."""
    key, now = f"{bpy.data.filepath}|{gallery_of_layer}|{variant}", time.monotonic()
    asked, icon = _thumbnails.get(key, (-LOOK_AGAIN_S, 0))
    if now - asked >= LOOK_AGAIN_S:
        icon = _icon(Path(bpy.path.abspath(gallery_of_layer)) / variant / "thumbnail.png")
        _thumbnails[key] = (now, icon)
    return icon


def cell(key: str, picture: Any) -> int:
    """The icon of a picture that is in memory: H x W x 4 sRGB, row 0 at the top. The last one of a key is shown."""
    icons = _collection()
    known = _cells.get(key)
    if known is None or known is not picture:
        icon = icons[f"cell {key}"] if f"cell {key}" in icons else icons.new(f"cell {key}")
        _put(icon, picture)
        _cells[key] = picture
    return int(icons[f"cell {key}"].icon_id)


def _put(icon: bpy.types.ImagePreview, picture: Any) -> None:
    icon.image_size = (0, 0)
    icon.image_size = (picture.shape[1], picture.shape[0])
    icon.image_pixels_float.foreach_set(picture[::-1].ravel())


def variants_of(obj: bpy.types.Object) -> list[Variant]:
    """The finished variants of an object, the newest lot first, in the order of their seeds. Reads the folder."""
    from ..variants import read_variant

    home = home_of(obj)
    folders = [p for p in home.iterdir() if not p.name.startswith(".")] if home.is_dir() else []
    found = [v for v in map(read_variant, folders) if v is not None]
    newest: dict[str, float] = {}
    for variant in found:
        newest[lot(variant)] = max(newest.get(lot(variant), 0.0), variant.folder.stat().st_mtime)
    return sorted(found, key=lambda v: (-newest[lot(v)], v.name))


def lot(variant: Variant) -> str:
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
        shown = tuple(Shown(variant) for variant in variants_of(obj))
    _shown[key] = (now, stamp, shown)
    return shown


def _stamp(folder: Path) -> int:
    try:
        return hash((str(folder), folder.stat().st_mtime_ns))
    except OSError:
        return 0


def _collection() -> bpy.utils.previews.ImagePreviewCollection:
    global _icons
    if _icons is None:
        _icons = bpy.utils.previews.new()
    return _icons


def _icon(path: Path) -> int:
    icons = _collection()
    try:
        key = f"{path}|{path.stat().st_mtime_ns}"
    except OSError:
        return 0
    if key not in icons:
        icons.load(key, str(path), "IMAGE")
    return int(icons[key].icon_id)


def live(path: Path | None) -> int:
    """The icon of a picture that is replaced again and again while something is made; 0 where there is none yet.

    Its pixels are read here: Blender's own way keeps a copy of every picture in the user's cache, and takes one that
    changes within a second for the same.
    """
    global _live
    if path is None:
        return 0
    icons = _collection()
    try:
        stamp = f"{path}|{path.stat().st_mtime_ns}"
    except OSError:
        return 0
    if stamp != _live:
        pixels = _pixels(path)
        if pixels is None:
            return 0 if _live == "" else int(icons[LIVE].icon_id)
        icon = icons[LIVE] if LIVE in icons else icons.new(LIVE)
        _put(icon, pixels)
        _live = stamp
    return int(icons[LIVE].icon_id)


def _pixels(path: Path) -> Any:
    """The picture, at most LIVE_SIDE a side, with alpha."""
    import numpy as np

    from .. import images

    try:
        picture = images.load(path)[..., :3]
    except SynGenError:  # it is gone or no picture; the next one will do
        return None
    height, width = picture.shape[:2]
    factor = min(1.0, LIVE_SIDE / max(height, width))
    if factor < 1:
        picture = images.resize(picture, max(1, round(width * factor)), max(1, round(height * factor)))
    alpha = np.ones((*picture.shape[:2], 1), np.float32)
    return np.concatenate([picture, alpha], axis=2)


def forget_live() -> None:
    """The work is over: keep its picture no longer."""
    global _live
    _live = ""
    if _icons is not None and LIVE in _icons:
        del _icons[LIVE]


def forget() -> None:
    """Look at every folder again."""
    _shown.clear()
    _thumbnails.clear()
    _small.clear()


def give_back() -> None:
    """The extension goes off: keep nothing."""
    global _icons
    forget()
    forget_live()
    if _icons is not None:
        bpy.utils.previews.remove(_icons)
        _icons = None
        _cells.clear()
