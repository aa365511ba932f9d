"""Formats that need more than the record: what a job writes for them beside it, and that all of it fits together."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

EVERYTHING = {
    "labels": {"depth": True, "normals": True, "geometry": True},
    "export": {"formats": ["bop", "depth", "normals", "masks", "voc", "csv"], "split": [1.0, 0.0, 0.0]},
    "render": {"width": 96, "height": 64},
}


@pytest.fixture
def crates(addon, stage) -> Any:
    """Two crates in a scene of centimetres: turned, stretched, one mirrored and before the other."""
    bpy.context.scene.unit_settings.system = "METRIC"
    bpy.context.scene.unit_settings.scale_length = 0.01
    bpy.data.objects.remove(bpy.context.scene.camera)
    camera = h.camera_above(perspective=True, height=60)
    camera.location, camera.rotation_euler = (4, -50, 40), (0.85, 0.05, 0.1)
    for name, location, turn, scale in (
        ("Back", (-4, 5, 2), (0.3, 0.2, 0.8), (1.5, 1, 1)),
        ("Front", (4, -10, 3), (0.1, 0.5, 0.2), (-1, 0.7, 1.3)),
    ):
        crate = h.box(name, (0, 0, 0), (12, 9, 7), h.material(name, h.painted(name)))
        crate.location, crate.rotation_euler, crate.scale = location, turn, scale
        stage.worn(crate)
    return stage


def load(path: Path) -> Any:
    return json.loads(path.read_bytes())


def picture(path: Path) -> np.ndarray:
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found is not None, path
    return found


def vertices(path: Path) -> np.ndarray:
    head, body = path.read_bytes().split(b"end_header\n")
    count = int(head.split(b"element vertex ")[1].split()[0])
    return np.array(list(struct.iter_unpack("<6f", body[: 24 * count])))[:, :3]


def test_poses_models_masks_and_depth_of_a_job_fit_together(addon, crates) -> None:
    crates.run(h.STILL, EVERYTHING)
    bop = crates.path / "out" / "bop"
    scene = bop / "train" / "000000"
    camera, poses = load(scene / "scene_camera.json")["0"], load(scene / "scene_gt.json")["0"]
    info = load(scene / "scene_gt_info.json")["0"]
    depth = picture(scene / "depth" / "000000.png") * camera["depth_scale"]
    k = np.reshape(camera["cam_K"], (3, 3))
    models = load(bop / "models" / "models_info.json")
    assert len(poses) == 2 and min(i["visib_fract"] for i in info) < 0.95 < max(i["visib_fract"] for i in info)
    for number, (pose, about) in enumerate(zip(poses, info, strict=True)):
        name = f"000000_{number:06d}.png"
        visible, whole = picture(scene / "mask_visib" / name) > 0, picture(scene / "mask" / name) > 0
        assert visible.sum() == about["px_count_visib"] > 100
        assert whole.sum() == about["px_count_all"] and whole[visible].all()
        # A pixel's depth, taken through the camera and the pose, lies on the faces of the model's box.
        rows, columns = np.nonzero(visible)
        rays = np.linalg.inv(k) @ np.array([columns, rows, np.ones_like(rows)])
        rotation, moved = np.reshape(pose["cam_R_m2c"], (3, 3)), np.reshape(pose["cam_t_m2c"], (3, 1))
        places = rotation.T @ (rays * depth[visible] - moved)
        half = np.array([models[str(pose["obj_id"])][f"size_{axis}"] for axis in "xyz"]) / 2
        off = np.abs(np.abs(places).T - half).min(axis=1)
        assert np.all(half + 0.5 > np.abs(places).T) and off.max() < 0.5  # millimetres, of boxes of 50 to 180
        assert np.allclose(np.abs(vertices(bop / "models" / f"obj_{pose['obj_id']:06d}.ply")), half, atol=1e-3)
        assert math.isclose(models[str(pose["obj_id"])]["diameter"], 2 * np.linalg.norm(half), rel_tol=1e-5)


def test_maps_of_a_job_say_what_its_record_says(addon, crates) -> None:
    crates.run(h.STILL, EVERYTHING)
    out, record = crates.path / "out", crates.record()
    instance = picture(out / "masks/instance/0000/00000000.png")
    assert {int(n): int((instance == n).sum()) for n in np.unique(instance) if n} == {
        each["index"]: each["area"] for each in record["instances"]
    }
    meters = picture(out / "depth-png/0000/00000000.png") * load(out / "depth-png" / "about.json")["unit_m"]
    assert np.all(meters[instance > 0] > 0.3) and np.all(meters[instance > 0] < 0.9)
    assert np.all(meters[instance == 0] == 0)
    normals = picture(out / "normals-png/0000/00000000.png")[..., ::-1].astype(float) / 65535 * 2 - 1
    assert np.allclose(np.linalg.norm(normals[instance > 0], axis=1), 1, atol=1e-3)
    seen = np.array(record["camera"]["matrix_world"])[:3, 2]  # what faces the camera is what it sees
    assert np.all(normals[instance > 0] @ seen > -0.2)
    assert picture(out / "voc" / "JPEGImages" / "00000000.jpg").shape == (64, 96, 3)


def test_a_finished_job_is_turned_into_other_formats(addon, crates) -> None:
    crates.run(h.STILL, merged("coco"))
    out = crates.path / "out"
    assert not (out / "voc").exists() and not (out / "bop").exists()
    done = crates.again(h.STILL, merged("voc", "bop", "masks", "csv"))
    assert done.rendered == 0
    assert (out / "voc" / "Annotations" / "00000000.xml").is_file()
    assert (out / "bop" / "train" / "000000" / "rgb" / "000000.png").is_file()
    assert (out / "index.csv").read_text().count("\n") > 2


def merged(*formats: str) -> dict[str, dict[str, Any]]:
    return h.merged(EVERYTHING, {"export": {"formats": list(formats)}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": {"geometry": False}, "export": {"formats": ["bop"]}}, "bop needs labels.geometry"),
        ({"labels": {"geometry": False}, "export": {"min_visible": 0.2}}, "needs labels.geometry"),
        ({"labels": {"depth": False}, "export": {"formats": ["depth"]}}, "depth needs labels.depth"),
        ({"labels": {"normals": False}, "export": {"formats": ["normals"]}}, "normals needs labels.normals"),
    ],
)
def test_what_a_format_lacks_is_said_before_anything_is_rendered(addon, crates, changes: Any, message: str) -> None:
    with pytest.raises(addon("errors").SynGenError, match=message):
        crates.run(h.STILL, changes)
    assert not (crates.path / "out").exists()
