"""Maps beside the picture, and frames whose labels have a render of their own."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import OpenEXR
import pytest
from pycocotools import mask as coco_mask

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

PLAIN = {"export": {"formats": ["csv"]}}
CARD = ("log-", "README", "card")
"""What says where its job lies."""
MAPS = {"labels": {"depth": True, "normals": True}}


@pytest.fixture
def place(addon, empty_scene, tmp_path: Path) -> Path:
    """Two aged sheets 3 apart in height, the lower half hidden by the upper; nothing beside them."""
    paint = h.material("Paint", h.painted("Base"))
    for name, low, high, z in (("Low", (-20, -20), (20, 20), 0), ("High", (0, -10), (12, 10), 3)):
        sheet = h.plane(name, low, high, z, paint if name == "Low" else h.material(name, h.painted(name)))
        addon("blender.ageing").apply_variant(sheet, h.handmade(addon, tmp_path / name, h.ramp()), level=0.5)
    h.light()
    h.camera_above()
    h.save(tmp_path / "scene.blend")
    return tmp_path


def job(addon: Any, place: Path, name: str, *parts: dict[str, dict[str, Any]], frames: int = 1) -> dict[str, Any]:
    """The first frame's record of a job."""
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(h.recipe(addon, h.STILL, PLAIN, *parts), place / name, frames))
    return h.record(place / name)


def pixels(path: Path) -> np.ndarray:
    with OpenEXR.File(str(path)) as file:
        channels = file.channels()
        return (channels["Y"] if "Y" in channels else channels["RGB"]).pixels


def masks(record: dict[str, Any]) -> dict[str, np.ndarray]:
    return {i["name"]: coco_mask.decode(i["segmentation"]) for i in record["instances"]}


def picture(out: Path) -> np.ndarray:
    return h.decode_png((out / "images/0000/00000000.png").read_bytes()).astype(int)


@pytest.mark.versions
@pytest.mark.parametrize("perspective", [False, True])
def test_depth_is_metres_along_the_view_axis(addon, place: Path, perspective: bool) -> None:
    if perspective:
        bpy.data.objects.remove(bpy.context.scene.camera)
        h.camera_above(perspective=True)
    bpy.context.scene.unit_settings.system, bpy.context.scene.unit_settings.scale_length = "METRIC", 0.5
    h.save(place / "scene.blend")
    record = job(addon, place, "out", MAPS)
    depth = pixels(place / "out" / record["maps"]["depth"]["file"])
    seen = masks(record)
    assert depth.dtype == np.float32 and depth.shape == (64, 64)
    for name, far in (("Low", 20 / 2), ("High", 17 / 2)):
        assert seen[name].sum() > 200
        np.testing.assert_allclose(depth[seen[name] > 0], far, rtol=1e-5)
    assert (depth[(seen["Low"] | seen["High"]) == 0] == 0).all()


@pytest.mark.versions
def test_normals_are_those_of_the_faces_in_the_world(addon, empty_scene, tmp_path: Path) -> None:
    cube = h.box("Cube", (-1, -1, -1), (1, 1, 1), h.material("Paint", h.painted("Base")))
    addon("blender.ageing").apply_variant(cube, h.handmade(addon, tmp_path / "v", h.ramp()), level=0.0)
    camera = h.camera_above(4)
    camera.location, camera.rotation_euler = (8, -8, 8), (np.arctan(np.sqrt(2)), 0, np.pi / 4)
    h.save(tmp_path / "scene.blend")
    record = job(addon, tmp_path, "out", MAPS)
    normal = pixels(tmp_path / "out" / record["maps"]["normals"]["file"])
    assert normal.dtype == np.float16 and normal.shape == (64, 64, 3)
    seen = masks(record)["Cube"] > 0
    length = np.linalg.norm(normal.astype(float), axis=2)
    np.testing.assert_allclose(length[seen], 1, atol=2e-3)
    assert (length[~seen] < 2e-3).mean() > 0.95, "only pixels on the outline hold a part of the cube"
    faces = {way: np.all(normal == np.array(way), axis=2).sum() for way in ((1, 0, 0), (0, -1, 0), (0, 0, 1))}
    assert min(faces.values()) > 0.3 * seen.sum(), faces
    assert sum(faces.values()) > 0.9 * seen.sum()


BLURS: dict[str, dict[str, dict[str, Any]]] = {
    "depth of field": {"camera": {"randomize": False, "dof": True}},
    "motion": {"render": {"motion_blur": True}},
}


def move(obj: bpy.types.Object) -> None:
    """Through its place in the middle of its way at frame 10."""
    x = obj.location.x
    for frame, way in ((9, -8), (11, 8)):
        obj.location.x = x + way
        obj.keyframe_insert("location", frame=frame)
    bpy.context.scene.frame_set(10)


@pytest.mark.versions
@pytest.mark.parametrize("blur", BLURS)
def test_labels_of_a_blurred_picture_are_those_of_the_sharp_scene(addon, place: Path, blur: str) -> None:
    scene = bpy.context.scene
    bpy.data.objects.remove(scene.camera)
    lens = h.camera_above(perspective=True).data.dof
    lens.use_dof, lens.focus_distance, lens.aperture_fstop = True, 2.0, 0.02
    move(bpy.data.objects["High"])
    h.save(place / "scene.blend")
    sharp = job(addon, place, "sharp", MAPS, {"render": {"samples": 4}})
    before = h.snapshot()
    blurred = job(addon, place, "blurred", MAPS, {"render": {"samples": 4}}, BLURS[blur], frames=2)
    assert h.changes(before, h.snapshot()) == []
    assert np.abs(picture(place / "sharp") - picture(place / "blurred")).max() > 40
    for one, other in ((sharp, blurred), (sharp, h.record(place / "blurred", 1))):
        assert [i["segmentation"] for i in one["instances"]] == [i["segmentation"] for i in other["instances"]]
        assert one["maps"]["depth"]["sha256"] == other["maps"]["depth"]["sha256"]


@pytest.mark.versions
def test_labels_of_an_eevee_picture_are_those_of_cycles(addon, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job(addon, place, "cycles", MAPS, frames=2)
    renderer, order = addon("blender.renderer"), []
    for name in ("render_layers", "render_picture"):
        real = getattr(renderer.render, name)
        monkeypatch.setattr(renderer.render, name, lambda *a, real=real, name=name: order.append(name[7:]) or real(*a))
    before = h.snapshot()
    job(addon, place, "eevee", MAPS, {"render": {"engine": "eevee", "speed": "fast"}}, frames=2)
    assert h.changes(before, h.snapshot()) == []
    assert order == ["layers", "layers", "picture", "picture"]  # Blender keeps the scene of one engine only
    shown = []
    for frame in (0, 1):
        cycles, eevee = (h.record(place / name, frame) for name in ("cycles", "eevee"))
        assert [i["segmentation"] for i in eevee["instances"]] == [i["segmentation"] for i in cycles["instances"]]
        assert eevee["maps"]["depth"]["sha256"] == cycles["maps"]["depth"]["sha256"]
        data = [(place / name / f"images/0000/{frame:08d}.png").read_bytes() for name in ("cycles", "eevee")]
        shown.append(h.decode_png(data[1]))
        assert data[0] != data[1] and shown[-1].std() > 10
    same = h.record(place / "eevee", 0)["instances"] == h.record(place / "eevee", 1)["instances"]
    assert same == np.array_equal(*shown)  # each picture is of its own labels


def test_eevee_without_a_driver_is_refused(addon, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render = addon("blender.render")

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(render.ctypes, "CDLL", missing)
    with pytest.raises(addon("errors").SynGenError, match=r"EEVEE needs a GPU.* or use render.engine"):
        job(addon, place, "out", {"render": {"engine": "eevee"}})
    assert not (place / "out").exists()


def test_a_frame_that_died_before_its_maps_is_made_again_with_them(
    addon, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(addon, place, "whole", MAPS, frames=2)
    frames = addon("blender.frames")
    real = frames.write_bytes

    def dying(path: Path, data: bytes) -> None:
        if path.name == "00000001.exr" and "normals" in path.parts:
            raise KeyboardInterrupt
        real(path, data)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(frames, "write_bytes", dying)
        job(addon, place, "out", MAPS, frames=2)
    assert not (place / "out/records/0000/00000001.json").exists()
    (place / "out/depth/0000/00000000.exr").unlink()
    job(addon, place, "out", MAPS, frames=2)
    assert h.differing(h.files_of(place / "whole", CARD), h.files_of(place / "out", CARD)) == []


def test_frames_without_maps_write_none(addon, place: Path) -> None:
    record = job(addon, place, "out")
    assert record["maps"] == {}
    assert not (place / "out" / "depth").exists() and not (place / "out" / "normals").exists()


def test_a_sensor_changes_the_picture_and_no_label(addon, place: Path) -> None:
    plain = job(addon, place, "plain")
    sensor = {"sensor": {"noise": [0.05, 0.05], "exposure_ev": [-1, -1]}}
    record = job(addon, place, "out", sensor)
    job(addon, place, "again", sensor)
    before, after = picture(place / "plain"), picture(place / "out")
    assert before.std() > 10 and (after != before).mean() > 0.3
    lit = before.sum(axis=2) > 60
    assert 0.5 < after[lit].mean() / before[lit].mean() < 0.85
    assert record["instances"] == plain["instances"]
    assert h.differing(h.files_of(place / "out", CARD), h.files_of(place / "again", CARD)) == []


@pytest.mark.parametrize("blurred", [False, True])
def test_a_frame_that_misses_its_occlusion_is_drawn_again(
    addon, place: Path, monkeypatch: pytest.MonkeyPatch, blurred: bool
) -> None:
    frames, renderer, looks, pictures = addon("blender.frames"), addon("blender.renderer"), [], []
    monkeypatch.setattr(
        frames, "occlusion_fault", lambda record, draw, recipe: "Too little." if record["attempt"] < 2 else ""
    )
    for name, calls in (("render_layers", looks), ("render_picture", pictures), ("render_frame", pictures)):
        real = getattr(renderer.render, name)
        monkeypatch.setattr(renderer.render, name, lambda *a, real=real, calls=calls: calls.append(1) or real(*a))
    dataset = addon("blender.dataset")
    settings = {"light": h.STILL["light"], "background": h.STILL["background"], "camera": {"dof": blurred}}
    dataset.run(dataset.Job(h.recipe(addon, settings, PLAIN), place / "out", 1))
    assert h.record(place / "out")["attempt"] == 2
    # Blurred: the labels of the third attempt are those that were looked at, and no refused picture was rendered.
    assert (len(looks), len(pictures)) == ((3, 1) if blurred else (2, 2))
