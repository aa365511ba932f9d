"""Labels against known pixels, and the scene as it was after every ending of a job."""

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tests.blender import helpers as h
from tests.blender.helpers import quick, real_variants  # noqa: F401


def mask_of(rle: dict[str, Any]) -> np.ndarray:
    return coco_mask.decode(rle).astype(bool)


def rectangle(x0: int, y0: int, x1: int, y1: int, size: int = 64) -> np.ndarray:
    """Pixels of a rectangle in world units around the picture's centre (y up), cut by the border."""
    mask = np.zeros((size, size), bool)
    half = size // 2
    mask[max(half - y1, 0) : max(half - y0, 0), max(half + x0, 0) : max(half + x1, 0)] = True
    return mask


@pytest.fixture
def analytic(addon, empty_scene, tmp_path: Path):
    """Three targets whose pixels are known: A under B, C cut by the border. All wear a ramp from left to right."""
    variant = h.handmade(addon, tmp_path / "gallery" / "heavy_rust-0000-aaaa", h.ramp())
    a = h.plane("A", (-20, -16), (12, 20), 0, h.material("MA", h.painted("IA")))
    b = h.plane("B", (0, 4), (28, 28), 1, h.material("MB", h.painted("IB")))
    c = h.box("C", (16, -44, 0), (40, -20, 4), h.material("MC", h.painted("IC")))
    h.plane("Not a target", (-30, -30), (-24, 30), 2, h.material("MD", None))
    h.plane("Hides C", (20, -30), (24, -10), 8, h.material("ME", None))
    levels = {"A": 0.5, "B": 0.25, "C": 1.0}
    for obj in (a, b, c):
        addon("blender.ageing").apply_variant(obj, variant, level=levels[obj.name])
    h.light()
    h.camera_above()
    h.save(tmp_path / "scene.blend")
    return tmp_path


EXPECTED = {
    "A": rectangle(-20, -16, 12, 20) & ~rectangle(0, 4, 28, 28),
    "B": rectangle(0, 4, 28, 28),
    "C": rectangle(16, -44, 40, -20) & ~rectangle(20, -30, 24, -10),
}


@pytest.mark.versions
@pytest.mark.parametrize("perspective", [False, True], ids=["orthographic", "perspective"])
def test_labels_are_exact_to_the_pixel(addon, analytic: Path, perspective: bool) -> None:
    if perspective:
        # All targets in one plane: one unit is one pixel there, and what lies over it is left out.
        for name in ("Not a target", "Hides C"):
            bpy.data.objects.remove(bpy.data.objects[name])
        bpy.data.objects["B"].location.z = -1 + 1e-4
        bpy.data.objects["C"].scale.z = 1e-5
        bpy.data.objects.remove(bpy.context.scene.camera)
        h.camera_above(perspective=True, height=40)
        h.save(analytic / "scene.blend")
    out = analytic / "out"
    dataset = addon("blender.dataset")
    summary = dataset.run(dataset.Job(h.recipe(addon, h.STILL), out, 1))
    assert summary.complete and summary.rendered == 1
    found = {i["name"]: i for i in h.record(out)["instances"]}
    expected = dict(EXPECTED)
    if perspective:
        expected["C"] = rectangle(16, -44, 40, -20)
    assert found.keys() == expected.keys()
    for name, mask in expected.items():
        entry = found[name]
        assert np.array_equal(mask_of(entry["segmentation"]), mask), name
        rows, columns = np.nonzero(mask)
        assert entry["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert entry["area"] == mask.sum()
        assert entry["touches_border"] == (name == "C")


@pytest.mark.versions
def test_the_wear_mask_is_the_worn_half(addon, analytic: Path) -> None:
    out = analytic / "out"
    dataset = addon("blender.dataset")
    recipe = h.recipe(addon, h.STILL, {"render": {"samples": 16}, "wear": {"softness": 0.001}})
    dataset.run(dataset.Job(recipe, out, 1))
    found = {i["name"]: i for i in h.record(out)["instances"]}
    # A runs over 32 columns, worn to the middle; B over 28, worn a quarter.
    worn = {"A": rectangle(-20, -16, -4, 20) & EXPECTED["A"], "B": rectangle(0, 4, 7, 28)}
    for name, expected in worn.items():
        mask = mask_of(found[name]["wear_segmentation"])
        wrong = np.argwhere(mask != expected)
        assert mask.sum() == found[name]["wear_area"]
        # The half-way line of the front lies within its half width of the edge: on the pixels beside it at most.
        edge = 32 - 4 if name == "A" else 32 + 7
        assert all(abs(column + 0.5 - edge) <= 1 for _, column in wrong), wrong
        assert abs(found[name]["wear_percent"] - 100 * expected.sum() / EXPECTED[name].sum()) < 3
    assert found["C"]["wear_percent"] == 100.0
    assert found["C"]["classes"]["wear"] == "complete"


@pytest.mark.versions
def test_pycocotools_reads_every_mask(addon, analytic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = analytic / "out"
    dataset = addon("blender.dataset")
    seen = []
    real = dataset.render_frame

    def keep_layers(*arguments: Any) -> Any:
        done = real(*arguments)
        seen.append(done[1].index.copy())
        return done

    monkeypatch.setattr(dataset, "render_frame", keep_layers)
    recipe = h.recipe(addon, h.STILL, {"export": {"split": [1.0, 0.0, 0.0]}, "labels": {"class_from": "object"}})
    dataset.run(dataset.Job(recipe, out, 1))
    coco = COCO(str(out / "annotations" / "instances_train.json"))
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    names = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    assert sorted(names.values()) == ["A", "B", "C"] and min(names) == 1
    assert sorted(names[a["category_id"]] for a in annotations) == ["A", "B", "C"]
    for annotation in annotations:
        index = ["A", "B", "C"].index(names[annotation["category_id"]]) + 1
        assert np.array_equal(coco.annToMask(annotation).astype(bool), seen[0] == index)
        assert annotation["area"] == (seen[0] == index).sum()
    image = coco.loadImgs([1])[0]
    assert (out / image["file_name"]).is_file() and (image["width"], image["height"]) == (64, 64)


# --- the scene is borrowed -------------------------------------------------------------------------------------------


def compositor(scene: bpy.types.Scene) -> None:
    """A compositor that reads a pass of each sort, which would break a picture that it had any part in."""
    if hasattr(scene, "compositing_node_group"):
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Own compositor", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        end = tree.nodes.new("NodeGroupOutput")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        end = tree.nodes.new("CompositorNodeComposite")
    scene.view_layers[0].update_render_passes()
    passes = tree.nodes.new("CompositorNodeRLayers")
    viewer = tree.nodes.new("CompositorNodeViewer")
    invert = tree.nodes.new("CompositorNodeInvert")
    tree.links.new(passes.outputs["Image"], invert.inputs["Color"])
    tree.links.new(invert.outputs["Color"], end.inputs[0])
    tree.links.new(passes.outputs["Depth"], viewer.inputs[0])
    for name in ("CryptoObject00", "Transp" if "Transp" in passes.outputs else "Transparent", "mine"):
        tree.links.new(passes.outputs[name], tree.nodes.new("CompositorNodeBlur").inputs["Image"])


@pytest.fixture
def busy(addon, empty_scene, tmp_path: Path):
    """A scene in which everything that a job switches off is on, and two objects with wear and one without."""
    first, second = h.two_boxes()
    settings = h.recipe(addon)
    h.age(addon, first, tmp_path / "gallery", settings, level=0.3)
    h.box("Crate C", (0, 2, 0), (1, 3, 1), first.data.materials[0])  # shares the paint, has no wear yet
    scene, layer = bpy.context.scene, bpy.context.view_layer
    h.camera_above(8)
    scene.camera.data.dof.use_dof = True
    scene.world = bpy.data.worlds.new("Own world")
    scene.world.use_nodes = True
    render, cycles = scene.render, scene.cycles
    render.engine = "BLENDER_EEVEE" if bpy.app.version >= (5, 0) else "BLENDER_EEVEE_NEXT"
    layer.eevee.use_pass_transparent = True
    render.resolution_x, render.resolution_y, render.resolution_percentage = 333, 222, 50
    render.use_border = render.use_crop_to_border = render.use_stamp = render.use_motion_blur = True
    render.film_transparent = render.use_simplify = True
    render.use_persistent_data = render.use_single_layer = False
    render.dither_intensity, render.pixel_aspect_x = 1.5, 2.0
    render.filepath = "//somewhere/frame_####"
    render.image_settings.file_format = "JPEG"
    render.image_settings.quality = 42
    render.image_settings.color_mode = "BW"
    cycles.samples, cycles.use_denoising, cycles.use_adaptive_sampling, cycles.seed = 1, False, True, 7
    cycles.use_animated_seed = True
    scene.view_settings.view_transform, scene.view_settings.look = "Filmic", "None"
    scene.view_settings.exposure, scene.view_settings.gamma = 0.7, 1.3
    scene.view_settings.use_curve_mapping = True
    layer.use_pass_z = layer.use_pass_cryptomatte_object = layer.use_pass_normal = True
    layer.cycles.denoising_store_passes = True
    layer.samples = 5
    layer.pass_alpha_threshold = 0.8
    layer.material_override = bpy.data.materials["Concrete"]
    own = layer.aovs.add()
    own.name, own.type = "mine", "COLOR"
    compositor(scene)
    scene.view_layers.new("Second")
    second.pass_index, second["mine"] = 17, {"a": 1.5}
    bpy.data.objects["Floor"].pass_index = 3
    bpy.data.objects["Sun"].hide_viewport = False
    h.save(tmp_path / "scene.blend")
    return tmp_path


EVERYTHING = {"targets": {"objects": ["Crate *"]}, "light": {"area_lights": [1, 2]}, "background": {"kind": "color"}}


def run_and_compare(addon: Any, busy: Path, recipe: Any, frames: int = 2, **more: Any) -> Any:
    dataset = addon("blender.dataset")
    before = h.snapshot()
    assert before["scene.cycles"]["samples"] and before["object Crate A"]["custom"]["syngen_level"] == 0.3
    try:
        return dataset.run(dataset.Job(recipe, busy / "out", frames), **more)
    finally:
        changed = h.changes(before, h.snapshot())
        assert not changed, "\n".join(changed)


@pytest.mark.versions
@pytest.mark.parametrize("still", [False, True], ids=["all drawn", "nothing drawn"])
def test_a_job_leaves_the_scene_as_it_was(addon, busy: Path, still: bool) -> None:
    recipe = h.recipe(addon, h.STILL, {"targets": {"objects": ["Crate *"]}}) if still else h.recipe(addon, EVERYTHING)
    assert run_and_compare(addon, busy, recipe, 1 if still else 3).complete


def test_a_job_of_redraws_leaves_the_samples_as_they_were(addon, busy: Path) -> None:
    """Attempts after the first change samples and denoising, which a job notes only where they differ at its start."""
    cycles = bpy.context.scene.cycles
    cycles.samples, cycles.use_denoising = 3, True
    recipe = h.recipe(addon, EVERYTHING, {"labels": {"min_pixels": 10**8}, "render": {"samples": 3, "denoise": True}})
    with pytest.raises(addon("errors").SynGenError, match="None of the 2 frames shows a target"):
        run_and_compare(addon, busy, recipe)


@pytest.mark.parametrize("place", ["render_frame", "make_record", "write_bytes"])
def test_a_job_that_fails_leaves_the_scene_as_it_was(addon, busy: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    dataset = addon("blender.dataset")
    calls = []
    real = getattr(dataset, place)

    def fail(*arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the lamp went out")
        return real(*arguments, **more)

    monkeypatch.setattr(dataset, place, fail)
    with pytest.raises(RuntimeError, match="the lamp went out"):
        run_and_compare(addon, busy, h.recipe(addon, EVERYTHING))


@pytest.mark.parametrize("after", [0, 1, 3, 12, 14])
def test_a_job_that_is_cancelled_leaves_the_scene_as_it_was(addon, busy: Path, after: int) -> None:
    asked = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) > after

    summary = run_and_compare(addon, busy, h.recipe(addon, EVERYTHING), 20, should_stop=should_stop)
    assert summary.stopped and not summary.complete
    out = busy / "out"
    for path in out.rglob("*.png"):
        if "images" in path.parts:
            number = int(path.stem)
            assert h.record(out, number)["frame"] == number
