"""One render gives the picture and its labels, whatever the scene's own settings are."""

import struct
import zlib
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401


@pytest.fixture
def scene(addon, empty_scene, tmp_path: Path) -> Path:
    """Two aged crates under a camera of the scene's own."""
    for number, obj in enumerate(h.two_boxes()):
        h.age(addon, obj, tmp_path / "gallery", h.recipe(addon), level=0.3 + 0.4 * number)
    camera = h.camera_above(64, perspective=True)
    camera.data.lens, camera.location, camera.rotation_euler = 35, (4, -3, 2.5), (1.1, 0, 0.8)
    h.save(tmp_path / "scene.blend")
    return tmp_path


def job(
    addon: Any, place: Path, name: str, *parts: dict[str, dict[str, Any]], frames: int = 1
) -> tuple[np.ndarray, dict[str, Any]]:
    """The first frame's picture and record of a job."""
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(h.recipe(addon, *parts), place / name, frames))
    return h.decode_png((place / name / "images/0000/00000000.png").read_bytes()), h.record(place / name)


def own_compositor(scene: bpy.types.Scene) -> None:
    if hasattr(scene, "compositing_node_group"):
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Own", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        end = tree.nodes.new("NodeGroupOutput")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        end = tree.nodes.new("CompositorNodeComposite")
    invert = tree.nodes.new("CompositorNodeInvert")
    tree.links.new(tree.nodes.new("CompositorNodeRLayers").outputs["Image"], invert.inputs["Color"])
    tree.links.new(invert.outputs["Color"], end.inputs[0])


def own_sequencer(scene: bpy.types.Scene) -> None:
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    ends = {"length": 50} if bpy.app.version >= (5, 0) else {"frame_end": 50}
    strips.new_effect("Colour", "COLOR", channel=1, frame_start=1, **ends)


OWN = {
    "compositor": own_compositor,
    "sequencer": own_sequencer,
    "border": lambda s: [setattr(s.render, "use_border", True), setattr(s.render, "border_max_x", 0.5)],
    "percentage": lambda s: setattr(s.render, "resolution_percentage", 50),
    "stamps": lambda s: [setattr(s.render, "use_stamp", True), setattr(s.render, "use_stamp_note", True)],
    "second layer": lambda s: s.view_layers.new("Second"),
    "combined off": lambda s: setattr(s.view_layers[0], "use_pass_combined", False),
    "view": lambda s: [setattr(s.view_settings, "exposure", 2), setattr(s.view_settings, "gamma", 2)],
    "override": lambda s: setattr(s.view_layers[0], "material_override", bpy.data.materials["Concrete"]),
    "file format": lambda s: [
        setattr(s.render.image_settings, "file_format", "JPEG"),
        setattr(s.render.image_settings, "color_mode", "BW"),
    ],
    "transparent film": lambda s: setattr(s.render, "film_transparent", True),
    "motion blur": lambda s: setattr(s.render, "use_motion_blur", True),
    "adaptive sampling": lambda s: [setattr(s.cycles, "use_adaptive_sampling", True), setattr(s.cycles, "seed", 5)],
}


@pytest.mark.versions
@pytest.mark.parametrize("own", OWN)
def test_the_scenes_own_settings_take_no_part(addon, scene: Path, own: str) -> None:
    plain, before = job(addon, scene, "plain", h.STILL)
    OWN[own](bpy.context.scene)
    h.save(scene / "scene.blend")
    picture, after = job(addon, scene, "own", h.STILL)
    assert plain.std() > 10, "nothing can be seen: the test shows nothing"
    assert np.array_equal(plain, picture)
    assert before["instances"] == after["instances"] and len(before["instances"]) == 2


def test_the_compositor_can_be_kept(addon, scene: Path) -> None:
    own_compositor(bpy.context.scene)
    bpy.context.scene.render.use_compositing = True
    h.save(scene / "scene.blend")
    plain, before = job(addon, scene, "plain", h.STILL, {"render": {"view_transform": "Standard"}})
    dataset = addon("blender.dataset")
    kept = h.recipe(addon, h.STILL, {"render": {"view_transform": "Standard", "keep_compositor": True}})
    summary = dataset.run(dataset.Job(kept, scene / "kept", 1))
    picture = h.decode_png((scene / "kept/images/0000/00000000.png").read_bytes())
    assert any("compositor" in warning for warning in summary.warnings)
    assert not np.array_equal(plain, picture)
    assert before["instances"] == h.record(scene / "kept")["instances"]


@pytest.mark.versions
def test_a_layer_of_any_name_is_read(addon, scene: Path) -> None:
    bpy.context.view_layer.name = "Ünder. the roof"
    h.save(scene / "scene.blend")
    _, record = job(addon, scene, "out", h.STILL)
    assert [i["name"] for i in record["instances"]] == ["Crate A", "Crate B"]


# --- what is drawn is what is seen -----------------------------------------------------------------------------------


def project(camera: dict[str, Any], points: np.ndarray) -> np.ndarray:
    """Pixels of world points by the record's own numbers."""
    matrix = np.array(camera["matrix_world"])
    local = (points - matrix[:3, 3]) @ matrix[:3, :3]
    depth = -local[:, 2:]
    if camera["type"] == "ORTHO":
        scale = max(camera["width"], camera["height"]) / camera["ortho_scale"]
        return np.column_stack([camera["cx"] + scale * local[:, 0], camera["cy"] - scale * local[:, 1]])
    focal = np.array([camera["fx"], -camera["fy"]])
    return np.array([camera["cx"], camera["cy"]]) + focal * local[:, :2] / depth


def corners(obj: bpy.types.Object) -> np.ndarray:
    return np.array([obj.matrix_world @ v.co for v in obj.data.vertices])


@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL", "ORTHO", "drawn"])
@pytest.mark.parametrize(
    "size", [pytest.param((160, 90), marks=pytest.mark.versions), (90, 160)], ids=["wide", "tall"]
)
def test_the_recorded_camera_projects_onto_the_labels(addon, scene: Path, fit: str, size: tuple[int, int]) -> None:
    parts: list[dict[str, dict[str, Any]]] = [h.STILL, {"render": {"width": size[0], "height": size[1]}}]
    data = bpy.context.scene.camera.data
    data.shift_x, data.shift_y = 0.05, -0.08
    if fit == "ORTHO":
        data.type, data.ortho_scale = "ORTHO", 4.0
    elif fit == "drawn":
        parts.append({"camera": {"randomize": True, "distance": [1.5, 2.5], "roll_deg": [20, 30]}})
    else:
        data.sensor_fit, data.sensor_width, data.sensor_height = fit, 36, 20
    h.save(scene / "scene.blend")
    _, record = job(addon, scene, "out", *parts)
    crate = next(i for i in record["instances"] if i["name"] == "Crate A")
    pixels = project(record["camera"], corners(bpy.data.objects["Crate A"]))
    low, high = pixels.min(0), pixels.max(0)
    x, y, width, height = crate["bbox"]
    assert width > 15 and height > 15
    # Crate B may hide part of it: the box lies within the projected one, and reaches its upper edge.
    clipped = np.clip([low, high], 0, size)
    assert abs(y - clipped[0][1]) <= 1
    assert x >= clipped[0][0] - 1 and x + width <= clipped[1][0] + 1 and y + height <= clipped[1][1] + 1


@pytest.mark.versions
def test_a_background_colour_is_the_colour_behind(addon, scene: Path) -> None:
    bpy.data.objects.remove(bpy.data.objects["Floor"])
    h.save(scene / "scene.blend")
    picture, record = job(
        addon,
        scene,
        "out",
        {
            "background": {"kind": "color", "color_low": [0.5, 0.1, 0.02], "color_high": [0.5, 0.1, 0.02]},
            "render": {"view_transform": "Standard"},
            "light": {"exposure_ev": [0, 0]},
            "camera": {"elevation_deg": [-80, -60]},
        },
    )
    behind = np.ones(picture.shape[:2], bool)
    from pycocotools import mask as coco_mask

    for entry in record["instances"]:
        behind &= ~cv2.dilate(coco_mask.decode(entry["segmentation"]), np.ones((5, 5))).astype(bool)
    assert behind.sum() > 200
    expected = addon("images").linear_to_srgb(np.array([0.5, 0.1, 0.02], np.float32)) * 255
    assert np.abs(picture[behind] - expected).max() <= 1


@pytest.mark.versions
def test_a_background_picture_fills_the_picture(addon, scene: Path) -> None:
    for name in ("Floor", "Crate B"):
        bpy.data.objects.remove(bpy.data.objects[name])
    h.save(scene / "scene.blend")
    folder = scene / "pictures"
    folder.mkdir()
    card = np.zeros((64, 64, 3), np.uint8)  # blue, green, red: red above, green below on the left, blue on the right
    card[:32, :, 2] = card[32:, :32, 1] = card[32:, 32:, 0] = 200
    cv2.imwrite(str(folder / "card.png"), card)
    picture, record = job(
        addon,
        scene,
        "out",
        {
            "background": {"kind": "images", "folder": str(folder)},
            "render": {"view_transform": "Standard"},
            "light": {"exposure_ev": [0, 0]},
            "camera": {"distance": [6, 6], "aim": [0, 0]},
            "labels": {"min_pixels": 1},
        },
    )
    assert record["background"] == "card.png"
    for row, column, channel in ((4, 4, 0), (4, 60, 0), (60, 4, 1), (60, 60, 2)):
        expected = np.zeros(3, int)
        expected[channel] = 200
        assert np.abs(picture[row, column].astype(int) - expected).max() <= 3, (row, column)


def test_exposure_is_drawn_and_recorded(addon, scene: Path) -> None:
    base = {
        "camera": {"randomize": False},
        "background": {"randomize": False},
        "randomize": {"level": False, "variant": False},
    }
    dark, low = job(addon, scene, "dark", base, {"light": {"exposure_ev": [-1, -1]}})
    bright, high = job(addon, scene, "bright", base, {"light": {"exposure_ev": [1, 1]}, "render": {"exposure_ev": 0.5}})
    assert (low["view"]["exposure_ev"], high["view"]["exposure_ev"]) == (-1, 1.5)
    assert low["draw"]["sun"] == high["draw"]["sun"]
    assert bright.mean() > dark.mean() + 20


def test_a_part_that_is_off_leaves_the_others_drawn_as_before(addon, scene: Path) -> None:
    """The control set: the same job but for one part."""
    whole = job(addon, scene, "all", {})[1]["draw"]
    for section, parts in {
        "light": ("sun", "environment"),
        "background": ("background",),
        "camera": ("camera",),
    }.items():
        some = job(addon, scene, f"no {section}", {section: {"randomize": False}})[1]["draw"]
        for name, value in some.items():
            if name in parts:
                assert value is None
            elif (section, name) not in {("light", "areas"), ("light", "exposure_ev")}:
                assert value == whole[name], (section, name)


# --- files and devices -----------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_pictures_hold_no_text(addon, scene: Path) -> None:
    job(addon, scene, "out", h.STILL)
    data = (scene / "out/images/0000/00000000.png").read_bytes()
    kinds, place = [], 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kinds.append(data[place + 4 : place + 8])
        place += 12 + length
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND" and b"IDAT" in kinds
    assert not {*kinds} & {b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf"}


def test_text_chunks_are_dropped_and_broken_pictures_refused(addon) -> None:
    render, error = addon("blender.render"), addon("errors").SynGenError
    ok, coded = cv2.imencode(".png", np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    assert ok
    plain = coded.tobytes()
    with_text = plain[:33] + chunk(b"tEXt", b"RenderTime\x0000:01") + chunk(b"tIME", b"1234567") + plain[33:]
    assert render.without_text(with_text) == render.without_text(plain) == plain
    for broken in (plain[:-13], plain[:40], b"", plain.replace(b"IDAT", b"IDAX"), plain[:60] + b"\0" + plain[61:]):
        with pytest.raises(error, match="broken PNG"):
            render.without_text(broken)


@pytest.mark.versions
def test_layers_cut_short_by_a_full_disk_are_refused(addon, scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut anywhere: never a label that is not the render's."""
    render, error = addon("blender.render"), addon("errors").SynGenError
    real, files = render.read_layers, []

    def keep(path: Path, *arguments: Any) -> Any:
        files.append(path.read_bytes())
        return real(path, *arguments)

    monkeypatch.setattr(render, "read_layers", keep)
    h.render_layers(addon, h.recipe(addon), scene)
    (scene / "whole.exr").write_bytes(files[0])
    with pytest.raises(error, match="Blender wrote a broken file of label layers"):  # one that no render layer was for
        real(scene / "whole.exr", bpy.context.view_layer.name, ["dents"])
    for length in (0, 10, 1000, len(files[0]) // 2, len(files[0]) - 1):
        (scene / "cut.exr").write_bytes(files[0][:length])
        with pytest.raises((error, RuntimeError)):
            real(scene / "cut.exr", bpy.context.view_layer.name)
    monkeypatch.setattr(render, "read_layers", lambda path, *rest: real(scene / "cut.exr", *rest))
    with pytest.raises(error, match="Blender wrote a broken file of label layers"):
        h.render_layers(addon, h.recipe(addon), scene)


def test_auto_takes_the_cpu_where_there_is_nothing_else(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    render = addon("blender.render")
    monkeypatch.setattr(render, "_gpus", lambda preferences, kind: [])
    assert render.resolve_device("auto") == render.resolve_device("cpu") == "cpu"
    for device in render.DEVICES:
        with pytest.raises(
            addon("errors").SynGenError, match=f"'{device}': this machine has no such device.* Use cpu or auto"
        ):
            render.resolve_device(device)
    monkeypatch.setattr(render, "_gpus", lambda preferences, kind: [1] if kind in {"CUDA", "OPTIX"} else [])
    assert render.resolve_device("auto") == "optix" and render.resolve_device("cuda") == "cuda"
