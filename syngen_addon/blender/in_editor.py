"""A picture from the disk in an image editor, which never becomes a part of the open file.

An image must be in the file to be shown: it is taken out whenever the file is saved or copied, and put back afterwards,
so that neither the file nor a dataset made of it ever holds it. One picture is shown at a time. Imports bpy.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from .handlers import listen
from .names import SHOWN

_shown: tuple[Path, str] | None = None
"""The picture, and the name of its image."""
_editors: set[int] = set()
"""The image editors that show it."""


def show(path: Path, name: str) -> None:
    """Show a picture: in an image editor that shows one, else in any, else in one in a new window."""
    global _shown
    if _shown is not None and _shown[0] == path:
        take_out()  # it may have been written anew
    _shown = path, name
    image = _image()
    there = [space for space in _spaces() if space.as_pointer() in _editors or _is_ours(space.image)]
    for space in there or [_any_editor()]:
        space.image = image
        _editors.add(space.as_pointer())
    listen(_HANDLERS)
    _tag_redraw()


def take_out() -> None:
    """Show it no more; the editors that did are the ones for the next."""
    global _shown
    _remove_images()
    _shown = None


def drop() -> None:
    """As if nothing had been shown; what listens stays (handlers.listen)."""
    take_out()
    _editors.clear()


def forget() -> None:
    """The file and Blender are as if nothing had been shown."""
    drop()
    listen(_HANDLERS, False)


def _image() -> bpy.types.Image:
    assert _shown is not None
    path, name = _shown
    found = next((i for i in bpy.data.images if _is_ours(i) and i.get(SHOWN) == name), None)
    if found is not None and Path(bpy.path.abspath(found.filepath)) == path:
        return found
    found = bpy.data.images.load(str(path))
    found.name = name
    found[SHOWN] = name
    return found


def _is_ours(image: bpy.types.Image | None) -> bool:
    return image is not None and SHOWN in image


def _spaces() -> Iterator[bpy.types.SpaceImageEditor]:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.ui_type == "IMAGE_EDITOR":
                yield area.spaces.active


def _any_editor() -> bpy.types.SpaceImageEditor:
    found = next(_spaces(), None)
    if found is not None:
        return found
    windows = bpy.context.window_manager.windows
    before = {window.as_pointer() for window in windows}
    with bpy.context.temp_override(window=windows[0]):
        bpy.ops.wm.window_new()
    window = next(window for window in windows if window.as_pointer() not in before)
    area = max(window.screen.areas, key=lambda each: each.width * each.height)
    area.ui_type = "IMAGE_EDITOR"
    bpy.app.timers.register(lambda: _fit(area.spaces.active.as_pointer()), first_interval=0.0)
    return area.spaces.active


def _fit(pointer: int) -> None:
    """Show all of the picture in the editor, once it has its size."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.spaces.active.as_pointer() == pointer:
                region = next(each for each in area.regions if each.type == "WINDOW")
                with bpy.context.temp_override(window=window, area=area, region=region):
                    bpy.ops.image.view_all(fit_view=True)


def _tag_redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.tag_redraw()


def _remove_images() -> None:
    for image in [image for image in bpy.data.images if _is_ours(image)]:
        bpy.data.images.remove(image)


# --- out of the file -------------------------------------------------------------------------------------------------


@persistent
def _before_save(*_: Any) -> None:
    _editors.intersection_update(space.as_pointer() for space in _spaces() if _is_ours(space.image))
    _remove_images()


@persistent
def _after_save(*_: Any) -> None:
    """Also where a step that is undone or redone did not know the image."""
    if _shown is None or not _shown[0].is_file():
        return
    for space in _spaces():
        if space.as_pointer() in _editors and space.image is None:
            space.image = _image()


@persistent
def _before_load(*_: Any) -> None:
    drop()


_HANDLERS = (
    ("save_pre", _before_save),
    ("save_post", _after_save),
    ("save_post_fail", _after_save),
    ("undo_post", _after_save),
    ("redo_post", _after_save),
    ("load_pre", _before_load),
)
