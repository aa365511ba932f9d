"""What is seen before anything is exported: the labels of the view, a walk through frames, one finished frame."""

from pathlib import Path
from typing import Any

import bpy
import gpu
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

pytestmark = pytest.mark.versions

# --- the labels of the view ------------------------------------------------------------------------------------------


def by_hand(gathered: Any, frame: Any, live: Any) -> Any:
    """In place of the GPU, pixel by pixel: the nearest triangle at each pixel's centre, its index and its wear."""
    height, width = frame.height, frame.width
    found = []
    images = {}
    for key in gathered.keys:
        depths = np.full((height, width), np.inf)
        picture = np.zeros((height, width, 4), np.uint8)
        for copy in gathered.copies:
            matrix = np.array(frame.matrix @ copy.matrix)
            for part in copy.parts:
                clip = np.c_[part.positions, np.ones(len(part.positions))] @ matrix.T
                assert (clip[:, 3] > 0).all(), "this rasteriser does not clip"
                wear = part.wears.get(key) if copy.index else None
                places = part.places.get(key, np.zeros((len(clip), 2)))
                if wear is not None and wear.picture not in images:
                    images[wear.picture] = onset_of(wear.picture)
                for start in range(0, len(clip), 3):
                    corners, uv = clip[start : start + 3], places[start : start + 3]
                    for y, x, depth, (u, v) in covered(corners, uv, width, height):
                        if depth < depths[y, x]:
                            depths[y, x] = depth
                            worn = 0.0
                            if wear is not None:
                                onset, runoff = read(images[wear.picture], u, v)
                                worn = float(live.wear_at(copy.levels[key], onset, runoff, wear))
                            picture[y, x] = copy.index % 256, copy.index // 256, round(worn * 255), 255
        found.append(picture)
    return live.layers_from(gathered.keys, found)


def onset_of(name: str) -> np.ndarray:
    image = bpy.data.images[name]
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return 2 * pixels.reshape(image.size[1], image.size[0], 4)


def read(picture: np.ndarray, u: float, v: float) -> tuple[float, float]:
    height, width = picture.shape[:2]
    row, column = min(int(v % 1 * height), height - 1), min(int(u % 1 * width), width - 1)
    return picture[row, column, 0], picture[row, column, 1]


def covered(corners: np.ndarray, uv: np.ndarray, width: int, height: int) -> list[Any]:
    """(row from the top, column, depth, uv) of every pixel whose centre a triangle covers."""
    w = corners[:, 3]
    x, y = (corners[:, 0] / w + 1) / 2 * width, (1 - corners[:, 1] / w) / 2 * height
    z = corners[:, 2] / w
    double = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    if abs(double) < 1e-12:
        return []
    out = []
    for row in range(max(int(y.min()), 0), min(int(y.max()) + 1, height)):
        for column in range(max(int(x.min()), 0), min(int(x.max()) + 1, width)):
            px, py = column + 0.5, row + 0.5
            b = ((px - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (py - y[0])) / double
            c = ((x[1] - x[0]) * (py - y[0]) - (px - x[0]) * (y[1] - y[0])) / double
            shares = np.array([1 - b - c, b, c])
            if (shares >= 0).all():
                depth = float(shares @ z)
                if -1 <= depth <= 1:
                    true = shares / w / (shares / w).sum()
                    out.append((row, column, depth, true @ uv))
    return out


@pytest.fixture(params=["by hand", "gpu"])
def look(addon, request: pytest.FixtureRequest) -> Any:
    """look(gathered, frame) -> label layers."""
    if request.param == "by hand":
        return lambda gathered, frame: by_hand(gathered, frame, addon("blender.live_labels"))
    if not hasattr(gpu, "init"):
        pytest.skip("this Blender draws nothing without a window")
    gpu.init()
    pictures: dict[str, Any] = {}
    return lambda gathered, frame: addon("blender.label_overlay").look(gathered, frame, pictures)


def labels(addon: Any, look: Any, recipe: Any) -> dict[str, Any]:
    """By the target's name what the overlay would draw through the scene's camera."""
    live, context = addon("blender.live_labels"), bpy.context
    depsgraph = context.evaluated_depsgraph_get()
    gathered = live.gather(context.scene, context.view_layer, depsgraph, recipe, live.Parts())
    frame = live.camera_frame(context.scene, context.scene.camera, depsgraph)
    return {each.entry["name"]: each for each in live.labels_of(gathered, look(gathered, frame))}


@pytest.fixture
def yard(addon, empty_scene, tmp_path: Path) -> Path:
    """Two worn boxes, the nearer before the other, and a bar that is no target before both; seen in perspective."""
    apply = addon("blender.ageing").apply_variant
    for number, (low, high) in enumerate((((-9, -6, 0), (3, 8, 4)), ((-2, -12, 0), (10, 0, 7)))):
        crate = h.box(f"Crate {number}", low, high, h.material(f"Paint {number}", h.painted(f"Base {number}")))
        apply(crate, h.handmade(addon, tmp_path / str(number), h.ramp(64)), level=0.45 + 0.1 * number)
    h.box("Bar", (-20, -1, 8), (20, 1, 9), h.material("Plain", None))
    h.light()
    camera = h.camera_above(perspective=True, height=30)
    camera.data.lens *= 1.3
    camera.location, camera.rotation_euler = (4, -5, 30), (0.16, 0.13, 0.2)
    camera.data.shift_x = 0.05
    bpy.context.scene.render.resolution_x = bpy.context.scene.render.resolution_y = 64
    bpy.context.scene.render.resolution_percentage = 100
    h.save(tmp_path / "scene.blend")
    return tmp_path


def test_the_overlay_draws_the_labels_that_the_frame_will_have(addon, yard: Path, look: Any) -> None:
    recipe = h.recipe(addon, h.STILL, {"labels": {"class_from": "object"}, "export": {"formats": ["csv"]}})
    drawn = labels(addon, look, recipe)
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(recipe, yard / "out", 1))
    rendered = {each["name"]: each for each in h.record(yard / "out")["instances"]}
    assert drawn.keys() == rendered.keys() == {"Crate 0", "Crate 1"}
    for name, entry in rendered.items():
        label = drawn[name]
        assert label.name == entry["classes"]["object"]
        assert np.abs(np.array(label.box) - entry["bbox"]).max() <= 1
        assert abs(label.entry["area"] - entry["area"]) <= 0.02 * entry["area"]
        assert label.entry["wear_percent"] == pytest.approx(entry["wear_percent"], abs=2)
        assert label.entry["classes"]["wear"] == entry["classes"]["wear"]
        assert label.amounts[0].text == f"{label.entry['wear_percent']:.0f} % {entry['classes']['wear']}"
