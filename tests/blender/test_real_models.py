"""Real models from glTF to labels. Needs SYNGEN_TEST_ASSETS: a folder with objects/<name>/<name>_1k.gltf."""

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import bpy
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tests.blender.helpers import recipe

ASSETS = Path(os.environ.get("SYNGEN_TEST_ASSETS", "")) / "objects"
MODELS = ("Barrel_01", "metal_toolbox", "worn_metal_rack", "rollershutter_door")
pytestmark = pytest.mark.skipif(
    "SYNGEN_TEST_ASSETS" not in os.environ or not ASSETS.is_dir(), reason="SYNGEN_TEST_ASSETS names no models"
)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_aged_rendered_and_labelled(
    addon: Callable[[str], ModuleType], empty_scene: bpy.types.Scene, tmp_path: Path, name: str
) -> None:
    bpy.ops.import_scene.gltf(filepath=str(ASSETS / name / f"{name}_1k.gltf"))
    meshes = [o for o in bpy.context.scene.objects if o.type == "MESH"]
    bpy.context.view_layer.update()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    dataset = addon("blender.dataset")
    changes = {
        "targets": {"objects": [o.name for o in meshes]},
        "wear": {"level": [0.5, 0.5]},
        "texture": {"size": 256},
        "filters": {"enabled": True},
        "transfer": {"max_size": 256},
        "render": {"width": 160, "height": 160},
        "labels": {"min_pixels": 1, "redraws": 1},
    }
    job = dataset.Job(recipe(addon, changes), tmp_path / "out", 2, 3)
    summary = dataset.run(job)
    assert summary.complete and summary.no_target == 0
    assert all("syngen" not in o for o in meshes), "the job took its wear off again"

    worn, seen = 0, 0
    for frame in range(2):
        record = addon("jobs").read_record(tmp_path / "out", frame)
        for instance in record["instances"]:
            mask = coco_mask.decode(instance["segmentation"])
            wear = coco_mask.decode(instance["wear_segmentation"])
            assert mask.sum() == instance["area"]
            assert not np.any(wear & ~mask.astype(bool)), "wear outside its object"
            worn, seen = worn + int(wear.sum()), seen + int(mask.sum())
    assert 0.25 < worn / seen < 0.75, "half of the surface is worn, about half of the pixels show it"
    files = list((tmp_path / "out" / "annotations").glob("*.json"))
    assert sum(len(COCO(str(file)).getImgIds()) for file in files) == 2
