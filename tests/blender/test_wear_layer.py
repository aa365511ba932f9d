"""The wear layer of a job in a session that has rendered before."""

from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401


@pytest.mark.versions
def test_wear_is_seen_after_an_earlier_render_with_persistent_data(addon, empty_scene, tmp_path: Path) -> None:
    """Cycles keeps compiled shaders; those of an earlier render know nothing of the job's wear layer."""
    obj = h.plane("Plate", (-20, -20), (20, 20), 0, h.material("Paint", h.painted("Base")))
    h.camera_above(64)
    h.light()
    settings = h.recipe(addon, h.STILL)
    h.save(tmp_path / "scene.blend")
    variant = h.handmade(addon, tmp_path / "gallery" / "heavy_rust-0000-x", h.ramp())
    addon("blender.ageing").apply_variant(obj, variant, level=0.5)
    scene = bpy.context.scene
    scene.render.engine, scene.render.use_persistent_data = "CYCLES", True
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.cycles.samples = 1
    bpy.ops.render.render()
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(settings, tmp_path / "out", 1))
    (instance,) = h.record(tmp_path / "out")["instances"]
    assert instance["area"] == 40 * 40
    assert np.isclose(instance["wear_percent"], 50, atol=3)
