"""The exposure that frames draw: the same picture as the view's own exposure gives, and no memory that is kept."""

import ctypes
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

DRAWN = {
    "camera": {"randomize": False},
    "background": {"randomize": False},
    "randomize": {"level": False, "variant": False},
    "light": {"area_lights": [0, 0]},
    "render": {"view_transform": "AgX", "denoise": False},
}


@pytest.fixture
def scene(addon, empty_scene, tmp_path: Path) -> Path:
    """Two crates, one of them aged, under a camera of the scene's own."""
    crates = h.two_boxes()
    h.age(addon, crates[0], tmp_path / "gallery", h.recipe(addon), level=0.5)
    camera = h.camera_above(64, perspective=True)
    camera.data.lens, camera.location, camera.rotation_euler = 35, (4, -3, 2.5), (1.1, 0, 0.8)
    h.save(tmp_path / "scene.blend")
    return tmp_path


def picture(addon: Any, place: Path, name: str, *parts: dict[str, dict[str, Any]]) -> np.ndarray:
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(h.recipe(addon, DRAWN, *parts), place / name, 1))
    return h.decode_png((place / name / "images/0000/00000000.png").read_bytes()).astype(int)


def curves(view: Any) -> list[Any]:
    mapping = view.curve_mapping
    levels = [tuple(mapping.white_level), tuple(mapping.black_level), mapping.extend, mapping.tone, mapping.clip_max_x]
    points = [[(*p.location, p.handle_type, p.select) for p in curve.points] for curve in mapping.curves]
    return [view.use_curve_mapping, *levels, *points]


@pytest.mark.versions
@pytest.mark.parametrize("stops", [-2.3, 1.7])
def test_a_drawn_exposure_shows_as_the_views_own(addon, scene: Path, stops: float) -> None:
    plain = picture(addon, scene, "plain", {"light": {"exposure_ev": [0, 0]}})
    own = picture(addon, scene, "own", {"light": {"exposure_ev": [0, 0]}, "render": {"exposure_ev": stops}})
    drawn = picture(addon, scene, "drawn", {"light": {"exposure_ev": [stops, stops]}})
    assert abs(plain - own).mean() > 5, "the exposure does not show: the test shows nothing"
    assert abs(own - drawn).max() <= 1 and (own != drawn).mean() < 0.002


@pytest.mark.versions
def test_the_scenes_own_curve_takes_no_part_and_comes_back(addon, scene: Path) -> None:
    plain = picture(addon, scene, "plain", {"light": {"exposure_ev": [1, 1]}})
    view = bpy.context.scene.view_settings
    view.use_curve_mapping = True
    mapping = view.curve_mapping
    mapping.curves[3].points.new(0.3, 0.7)
    mapping.curves[3].points.new(0.6, 0.8).handle_type = "VECTOR"
    mapping.curves[0].points[1].location = (0.9, 0.5)
    mapping.white_level, mapping.black_level = (0.8, 0.7, 0.9), (0.1, 0.0, 0.2)
    mapping.extend, mapping.tone, mapping.clip_max_x = "HORIZONTAL", "FILMLIKE", 2.0
    mapping.curves[1].points[1].location = (1.8, 0.9)
    mapping.curves[1].points.new(1.5, 0.4)  # where a job clips
    mapping.update()
    view.use_curve_mapping = False
    h.save(scene / "scene.blend")
    before = curves(view)
    bent = picture(addon, scene, "bent", {"light": {"exposure_ev": [1, 1]}})
    assert curves(view) == before
    assert np.array_equal(plain, bent)


class _MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("a", "b", "c", "d", "mapped", "e", "f", "used", "g", "h")]


def held_mb() -> float:
    """What this process has asked for and not given back, by the C library's own account."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("needs glibc 2.33")
    libc.mallinfo2.restype = _MallInfo
    info = libc.mallinfo2()
    return float(info.used + info.mapped) / 1024**2


@pytest.mark.versions
def test_no_frame_leaves_memory_behind(addon, scene: Path) -> None:
    """OpenColorIO keeps 3 MB for each exposure that the view has had; with them, a job of 2,000 frames took 6 GB."""
    dataset = addon("blender.dataset")
    held: list[float] = []
    recipe = h.recipe(addon, DRAWN, {"light": {"exposure_ev": [-1, 1]}, "background": {"randomize": True}})
    dataset.run(dataset.Job(recipe, scene / "out", 16), report=lambda progress: held.append(held_mb()))
    assert len(held) > 16
    assert held[-1] - held[-11] < 8, held
