"""Blender's handlers: ours leave those of others alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest
from bpy.app.handlers import persistent

LISTS = [name for name in dir(bpy.app.handlers) if isinstance(getattr(bpy.app.handlers, name), list)]


def held() -> dict[str, list[Callable[..., Any]]]:
    return {name: list(getattr(bpy.app.handlers, name)) for name in LISTS}


@pytest.mark.versions
def test_a_file_that_is_opened_is_told_to_all_who_listen(addon, empty_scene, tmp_path: Path) -> None:
    """Blender skips the handler behind one that takes itself out of the list."""
    overlay, render_one, told = addon("blender.label_overlay"), addon("blender.render_one"), []

    @persistent
    def other(*_: Any) -> None:
        told.append("load_pre")

    before = held()
    (tmp_path / "frame").mkdir()
    shot = render_one.Shot(0, tmp_path / "frame/picture.png", tmp_path / "frame/labels.png")
    for switch_on in (lambda: overlay.switch(True), lambda: render_one.keep(shot)):
        switch_on()
        bpy.app.handlers.load_pre.append(other)
        bpy.ops.wm.read_homefile(use_empty=True)
        bpy.app.handlers.load_pre.remove(other)
    assert told == ["load_pre", "load_pre"]
    assert not overlay.is_on() and render_one.latest() is None and not (tmp_path / "frame").exists()
    overlay.switch(True)
    assert held()["load_pre"].count(overlay._before_load) == 1, "switched on once more, it listens once"
    overlay.switch(False)
    render_one.forget()
    assert held() == before
