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
    dataset, render = addon("blender.dataset"), addon("blender.render")
    seen = []
    real = render.render_frame

    def keep_layers(*arguments: Any) -> Any:
        done = real(*arguments)
        seen.append(done[1].index.copy())
        return done

    monkeypatch.setattr(render, "render_frame", keep_layers)
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


def test_only_targets_are_labelled_whatever_indices_others_have(addon, analytic: Path) -> None:
    """Objects that only an instance or a background set shows keep no index of their own while a job renders."""
    own = bpy.data.collections.new("Instanced")
    other = bpy.data.scenes.new("Set")
    for number, (low, high) in enumerate((((-30, -28), (-22, -20)), ((-12, -28), (-4, -20)))):
        obj = h.plane(f"Stranger {number}", low, high, 3)
        obj.pass_index = number + 1
        bpy.context.scene.collection.objects.unlink(obj)
        (own, other.collection)[number].objects.link(obj)
    empty = bpy.data.objects.new("Copies", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", own
    bpy.context.scene.collection.objects.link(empty)
    bpy.context.scene.background_set = other
    bpy.context.view_layer.update()
    h.save(analytic / "scene.blend")
    before = h.snapshot()
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(h.recipe(addon, h.STILL), analytic / "out", 1))
    assert h.changes(before, h.snapshot()) == []
    for entry in h.record(analytic / "out")["instances"]:
        assert np.array_equal(mask_of(entry["segmentation"]), EXPECTED[entry["name"]]), entry["name"]


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
    scene.view_settings.curve_mapping.curves[3].points.new(0.3, 0.7)
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


@pytest.mark.parametrize(
    ("module", "place"), [("render", "render_frame"), ("records", "make_record"), ("frames", "write_bytes")]
)
def test_a_job_that_fails_leaves_the_scene_as_it_was(
    addon, busy: Path, monkeypatch: pytest.MonkeyPatch, module: str, place: str
) -> None:
    owner = addon(f"blender.{module}")
    calls = []
    real = getattr(owner, place)

    def fail(*arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the lamp went out")
        return real(*arguments, **more)

    monkeypatch.setattr(owner, place, fail)
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


# --- what is labelled, and as what -----------------------------------------------------------------------------------


def patches(size: int = 256) -> np.ndarray:
    """An onset with three square patches that wear at once, two of them an eighth apart; the rest wears last."""
    onset = np.full((size, size), 0.99, np.float32)
    eighth = size // 8
    onset[eighth : 3 * eighth, eighth : 3 * eighth] = 0.0
    onset[eighth : 3 * eighth, 4 * eighth : 6 * eighth] = 0.0
    onset[6 * eighth : 7 * eighth, 6 * eighth : 7 * eighth] = 0.0
    return onset


@pytest.fixture
def patched(addon, empty_scene, tmp_path: Path) -> Path:
    """A sheet that fills the picture: patches of 16 x 16 pixels 8 apart, and one of 8 x 8."""
    sheet = h.plane("Sheet", (-32, -32), (32, 32), 0, h.material("Paint", h.painted("Base")))
    addon("blender.ageing").apply_variant(
        sheet, h.handmade(addon, tmp_path / "gallery" / "heavy_rust-0000-aa", patches()), level=0.5
    )
    h.light()
    h.camera_above()
    h.save(tmp_path / "scene.blend")
    return tmp_path


PATCHES = ([8, 8, 16, 16], [32, 8, 16, 16], [48, 48, 8, 8])


@pytest.mark.parametrize(
    ("labels", "boxes"),
    [
        ({"region_merge_pixels": 0, "region_min_pixels": 1}, PATCHES),
        ({"region_merge_pixels": 0, "region_min_pixels": 100}, PATCHES[:2]),
        ({"region_merge_pixels": 10, "region_min_pixels": 100}, ([8, 8, 40, 16],)),
    ],
    ids=["each", "the large", "merged"],
)
def test_worn_regions_are_the_objects_to_detect(addon, patched: Path, labels: dict[str, Any], boxes: Any) -> None:
    dataset = addon("blender.dataset")
    settings = h.recipe(
        addon,
        h.STILL,
        {
            "labels": {**labels, "objects": "regions"},
            "wear": {"softness": 0.001},
            "render": {"samples": 64},
            "export": {"split": [1.0, 0.0, 0.0]},
        },
    )
    dataset.run(dataset.Job(settings, patched / "out", 1))
    coco = json.loads((patched / "out/annotations/instances_train.json").read_text())
    found = [a["bbox"] for a in coco["annotations"]]
    assert len(found) == len(boxes)
    for box, expected in zip(sorted(found), sorted(boxes), strict=True):
        assert np.abs(np.array(box) - expected).max() <= 1, found  # the edge itself is a pixel's matter of taste
    yolo = (patched / "out/labels/0000/00000000.txt").read_text().splitlines()
    assert len(yolo) == len(boxes)


@pytest.mark.parametrize(
    ("labels", "targets", "categories", "found"),
    [
        ({"class_from": "wear"}, {}, ["default", "streaks", "complete"], {"complete": 1, "streaks": 1}),
        ({"class_from": "kind"}, {}, ["heavy_rust", "rust_streaks"], {"heavy_rust": 2, "rust_streaks": 1}),
        ({"class_from": "object"}, {}, ["Crate", "Valve"], {"Crate": 2, "Valve": 1}),
        (
            {"class_from": "object"},
            {"classes": {"Crate.*": "numbered", "Cra??": "plain"}},
            ["Valve", "numbered", "plain"],
            {"numbered": 1, "plain": 1, "Valve": 1},
        ),
        ({"class_from": "object"}, {"objects": ["Crate*"], "classes": {"*": "all"}}, ["all"], {"all": 2}),
    ],
    ids=["wear", "kind", "object", "patterns", "some"],
)
def test_classes_come_from_where_the_recipe_says(
    addon,
    empty_scene,
    tmp_path: Path,
    labels: dict[str, Any],
    targets: dict[str, Any],
    categories: list[str],
    found: dict[str, int],
) -> None:
    ageing = addon("blender.ageing")
    for number, (name, kind, level) in enumerate(
        (("Crate", "heavy_rust", 0.9), ("Crate.001", "heavy_rust", 0.01), ("Thing", "rust_streaks", 0.4))
    ):
        obj = h.plane(
            name, (-30 + 20 * number, -5), (-20 + 20 * number, 5), 0, h.material(f"M{number}", h.painted(f"I{number}"))
        )
        ageing.apply_variant(
            obj, h.handmade(addon, tmp_path / name / f"{kind}-0000-aa", h.ramp(), kind=kind), level=level
        )
    bpy.data.objects["Thing"]["syngen_class"] = "Valve"
    h.camera_above()
    h.save(tmp_path / "scene.blend")
    dataset = addon("blender.dataset")
    settings = h.recipe(addon, h.STILL, {"labels": labels, "targets": targets, "export": {"split": [1.0, 0.0, 0.0]}})
    dataset.run(dataset.Job(settings, tmp_path / "out", 1))
    coco = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    names = {c["id"]: c["name"] for c in coco["categories"]}
    assert [names[i] for i in sorted(names)] == categories
    counts: dict[str, int] = {}
    for annotation in coco["annotations"]:
        counts[names[annotation["category_id"]]] = counts.get(names[annotation["category_id"]], 0) + 1
    assert counts == found
    assert [line.split()[0] for line in (tmp_path / "out/labels/0000/00000000.txt").read_text().splitlines()]


@pytest.mark.versions
@pytest.mark.usefixtures("real_variants")
def test_objects_without_wear_are_aged_for_the_job(addon, empty_scene, tmp_path: Path) -> None:
    """The real stages: one object has wear, one shares its paint, one has no UVs; afterwards all is as before."""
    first, second = h.two_boxes()
    settings = h.recipe(
        addon,
        {
            "targets": {"objects": ["Crate *"]},
            "labels": {"class_from": "object"},
            "texture": {"variants": 1},
        },
    )
    h.age(addon, first, tmp_path / "gallery", settings)
    h.box("Crate C", (0, 2, 0), (1, 3, 1), first.data.materials[0])
    second.data.uv_layers.remove(second.data.uv_layers[0])
    h.save(tmp_path / "scene.blend")
    before = h.snapshot()
    dataset = addon("blender.dataset")
    told: list[Any] = []
    summary = dataset.run(dataset.Job(settings, tmp_path / "out", 3), report=told.append)
    assert h.changes(before, h.snapshot()) == []
    assert summary.complete and summary.rendered == 3
    assert any(p.what.startswith("Crate B (2 of 3): Wear texture 1 of 1") for p in told)
    assert [p.done for p in told if p.frame >= 0] == [1, 2, 3]
    seen = {i["name"]: i for k in range(3) for i in h.record(tmp_path / "out", k)["instances"]}
    assert seen.keys() == {"Crate A", "Crate B", "Crate C"}
    assert all(i["wear_area"] > 0 for i in seen.values())
    assert len(list((tmp_path / "out/variants").glob("*/*/variant.json"))) == 2
    again = dataset.run(dataset.Job(settings, tmp_path / "again", 3))
    assert again.complete
    assert h.differing(h.files_of(tmp_path / "out"), h.files_of(tmp_path / "again")) == []


def test_a_frame_with_too_small_a_target_is_drawn_again_by_rule(addon, empty_scene, tmp_path: Path) -> None:
    """The record says how often; the camera alone differs from the first attempt; no other frame is touched by it."""
    for obj in h.two_boxes():
        h.age(addon, obj, tmp_path / "gallery", h.recipe(addon))
    h.save(tmp_path / "scene.blend")
    dataset = addon("blender.dataset")
    records = {}
    for least in (4, 700):
        settings = h.recipe(addon, {"labels": {"min_pixels": least, "redraws": 12}, "camera": {"distance": [0.8, 5]}})
        dataset.run(dataset.Job(settings, tmp_path / f"out{least}", 8, 1))
        records[least] = [h.record(tmp_path / f"out{least}", k) for k in range(8)]
    assert any(r["attempt"] > 0 for r in records[700])
    for before, after in zip(records[4], records[700], strict=True):
        if after["no_target"]:
            continue
        if after["attempt"] != before["attempt"]:
            assert after["draw"]["camera"] != before["draw"]["camera"]
        for part in ("sun", "areas", "environment", "levels", "variants", "exposure_ev"):
            assert after["draw"][part] == before["draw"][part]
        assert max(i["area"] for i in after["instances"]) >= 700


def test_two_bodies_of_one_mesh_are_told_apart(addon, empty_scene, tmp_path: Path) -> None:
    """Linked duplicates share mesh and material; each has its own index, level and variant."""
    paint = h.material("Paint", h.painted("Base"))
    first = h.plane("First", (-10, -10), (10, 10), 0, paint)
    twin = bpy.data.objects.new("Twin", first.data)
    bpy.context.scene.collection.objects.link(twin)
    first.location.x, twin.location.x = -12, 12
    bpy.context.view_layer.update()
    made = h.age(addon, first, tmp_path / "gallery", h.recipe(addon))
    addon("blender.ageing").apply_variant(twin, made[0])
    h.camera_above()
    h.light()
    h.save(tmp_path / "scene.blend")
    dataset = addon("blender.dataset")
    still = {k: v for k, v in h.STILL.items() if k != "randomize"}
    settings = h.recipe(addon, still, {"render": {"samples": 16}})
    before = h.snapshot()
    dataset.run(dataset.Job(settings, tmp_path / "out", 6, 2))
    assert h.changes(before, h.snapshot()) == []
    mixed = 0
    for frame in range(6):
        one, two = h.record(tmp_path / "out", frame)["instances"]
        assert (one["bbox"], two["bbox"]) == ([10, 22, 20, 20], [34, 22, 20, 20])
        picture = h.decode_png((tmp_path / f"out/images/0000/{frame:08d}.png").read_bytes()).astype(int)
        for each, left in ((one, 10), (two, 34)):
            assert each["wear_percent"] == pytest.approx(100 * each["level"], abs=3.5)
            if each["level"] > 0.3:  # variant 0 is red, variant 1 blue: the worn left edge shows which it is
                red, _, blue = picture[30:34, left + 1 : left + 4].mean((0, 1))
                assert (red > blue) == (each["variant"] == 0), (frame, each["name"])
        mixed += one["variant"] != two["variant"]
    assert mixed


@pytest.mark.versions
@pytest.mark.parametrize("how", ["linked objects", "a linked collection", "a library override"])
def test_aged_objects_from_another_file(addon, empty_scene, tmp_path: Path, how: str) -> None:
    """They are rendered and labelled as they are in their own file, and stay as they were."""
    dataset, settings = addon("blender.dataset"), h.recipe(addon, {"background": {"kind": "color"}})
    collection = bpy.data.collections.new("Crates")
    bpy.context.scene.collection.children.link(collection)
    for obj in h.two_boxes():
        h.age(addon, obj, tmp_path / "gallery", settings, level=0.4)
        collection.objects.link(obj)
        bpy.context.scene.collection.objects.unlink(obj)
    bpy.data.objects.remove(bpy.data.objects["Floor"])
    h.save(tmp_path / "library.blend")
    dataset.run(dataset.Job(settings, tmp_path / "own", 3))
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        if how == "linked objects":
            wanted.objects = ["Crate A", "Crate B"]
        else:
            wanted.collections = ["Crates"]
    if how == "linked objects":
        for obj in wanted.objects:
            bpy.context.scene.collection.objects.link(obj)
    elif how == "a linked collection":
        bpy.context.scene.collection.children.link(wanted.collections[0])
    else:
        wanted.collections[0].override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
    h.save(tmp_path / "scene.blend")
    before = h.snapshot()
    summary = dataset.run(dataset.Job(settings, tmp_path / "linked", 3))
    assert h.changes(before, h.snapshot()) == []
    if how != "a library override":  # linked data cannot show other pictures: said, and recorded as it is
        assert "Crate A: it is linked from another file" in summary.warnings[0]
        assert {i["variant"] for k in range(3) for i in h.record(tmp_path / "linked", k)["instances"]} == {0}
        return
    for frame in range(3):
        assert h.record(tmp_path / "own", frame)["instances"] == h.record(tmp_path / "linked", frame)["instances"] != []
        pictures = [
            h.decode_png((tmp_path / f"{n}/images/0000/{frame:08d}.png").read_bytes()).astype(int)
            for n in ("own", "linked")
        ]
        # Another scene, whose lights come in another order: a few samples fall otherwise.
        distance = float(np.abs(pictures[0] - pictures[1]).mean())
        assert distance < 0.5
