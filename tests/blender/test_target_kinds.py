"""Objects of one job that wear differently, and in several ways at once."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.blender import helpers as h
from tests.blender.helpers import quick, real_variants  # noqa: F401


@pytest.fixture
def scene(addon, empty_scene, tmp_path: Path) -> Path:
    for number, name in enumerate(("Pipe [1]", "Tank")):
        low = (-30 + 32 * number, -10)
        h.plane(name, low, (low[0] + 28, 10), 0, h.material(f"Paint {name}", h.painted(f"Base {name}")))
    h.camera_above(64)
    h.light()
    return h.save(tmp_path / "scene.blend")


def test_each_object_gets_the_kind_that_its_name_says(addon, scene: Path) -> None:
    targets = {"objects": ["*"], "kinds": {"Pipe [?]": "rust_streaks"}}
    dataset = addon("blender.dataset")
    settings = h.recipe(addon, h.STILL, {"targets": targets, "wear": {"level": [0.4, 0.6]}})
    dataset.run(dataset.Job(settings, scene.parent / "out", 1))
    classes = {
        i["name"]: (i["classes"]["kind"], i["classes"]["wear"]) for i in h.record(scene.parent / "out")["instances"]
    }
    assert classes == {"Pipe [1]": ("rust_streaks", "streaks"), "Tank": ("heavy_rust", "default")}


def test_an_unknown_kind_is_refused_before_anything_is_made(addon, scene: Path) -> None:
    dataset = addon("blender.dataset")
    settings = h.recipe(addon, {"targets": {"objects": ["*"], "kinds": {"Tank": "mould"}}})
    with pytest.raises(addon("errors").SynGenError, match="no kind of wear called 'mould'"):
        dataset.run(dataset.Job(settings, scene.parent / "out", 1))
    assert not (scene.parent / "out").exists() and "syngen" not in bpy.data.objects["Tank"]


# --- several kinds on one object -------------------------------------------------------------------------------------


def mask_of(rle: dict[str, Any]) -> np.ndarray:
    return coco_mask.decode(rle).astype(bool)


def patch_map(*patches: tuple[float, int, int, int, int], size: int = 256) -> np.ndarray:
    """An onset map that wears last but for (onset, first and last row, first and last column) of some patches."""
    onset = np.full((size, size), 0.99, np.float32)
    for value, top, foot, left, right in patches:
        onset[top:foot, left:right] = value
    return onset


@pytest.fixture
def layered(addon, empty_scene, tmp_path: Path) -> Path:
    """A sheet of 40 x 64 pixels with two kinds on it, and one beside it whose own wear is of the second kind."""
    ageing = addon("blender.ageing")
    sheet = h.plane("Sheet", (-32, -32), (8, 32), 0, h.material("Paint", h.painted("Base")))
    # Texels of 256 a side: 32 of them are 5 pixels across and 8 down. The second patch of each wears later.
    own = h.handmade(
        addon, tmp_path / "a" / "heavy_rust-0000-aa", patch_map((0.1, 0, 256, 0, 64), (0.4, 0, 256, 192, 256))
    )
    more = h.handmade(
        addon,
        tmp_path / "b" / "light_rust-0000-bb",
        patch_map((0.5, 0, 96, 32, 160), (0.7, 160, 256, 0, 256)),
        kind="light_rust",
        color=(0.1, 0.2, 0.6),
    )
    ageing.apply_variant(sheet, own, level=0.25)
    ageing.apply_variant(sheet, more, add=True, level=0.6)
    other = h.plane("Other", (12, -32), (32, 32), 0, h.material("Paint 2", h.painted("Base 2", seed=2)))
    ageing.apply_variant(
        other, h.handmade(addon, tmp_path / "c" / "light_rust-0000-cc", h.ramp(), kind="light_rust"), level=0.5
    )
    h.camera_above()
    h.light()
    h.save(tmp_path / "scene.blend")
    return tmp_path


SHARP = {"render": {"samples": 16}, "wear": {"softness": 0.001}}


@pytest.mark.versions
def test_each_kind_has_its_own_level_and_mask_to_the_pixel(addon, layered: Path) -> None:
    dataset = addon("blender.dataset")
    before = h.snapshot()
    dataset.run(dataset.Job(h.recipe(addon, h.STILL, SHARP), layered / "out", 1))
    assert h.changes(before, h.snapshot()) == []
    record = h.record(layered / "out")
    other, sheet = record["instances"]
    rust, bloom = np.zeros((64, 64), bool), np.zeros((64, 64), bool)
    rust[:, :10] = True
    bloom[:24, 5:25] = True
    assert (sheet["kind"], sheet["level"], sheet["wear_area"]) == ("heavy_rust", 0.25, rust.sum())
    assert np.array_equal(mask_of(sheet["wear_segmentation"]), rust)
    (layer,) = sheet["layers"]
    assert (layer["kind"], layer["level"], layer["variant"], layer["wear_area"]) == ("light_rust", 0.6, 0, bloom.sum())
    assert np.array_equal(mask_of(layer["wear_segmentation"]), bloom)
    assert "layers" not in other and other["classes"]["kind"] == "light_rust"
    assert other["wear_percent"] == pytest.approx(50, abs=3), "its own wear is in the layer of own wear"
    assert "also" not in record["draw"]
    classes = json.loads((layered / "out" / "job.json").read_text())["classes"]
    assert classes["kind"] == ["heavy_rust", "light_rust"]


def test_kinds_of_the_scene_follow_their_keys_and_those_of_the_recipe_are_drawn(addon, layered: Path) -> None:
    """The level of a layer that the recipe does not list is the scene's, keyed as it may be."""
    dataset, level, scene = addon("blender.dataset"), addon("blender.level"), bpy.context.scene
    sheet = bpy.data.objects["Sheet"]
    for frame, value in ((1, 0.0), (11, 1.0)):
        scene.frame_set(frame)
        level.set_level(sheet, value, "light_rust")
        level.key_level(sheet, "light_rust")
    for curve in addon("blender.state").animating(sheet, '["syngen_level_light_rust"]'):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
    scene.frame_set(7)
    h.save(layered / "scene.blend")
    drawn = {k: v for k, v in h.STILL.items() if k != "randomize"}
    for name, also, expected in (("kept", {}, 0.6), ("drawn", {"light_rust": [0.9, 0.9]}, 0.9)):
        before = h.snapshot()
        dataset.run(dataset.Job(h.recipe(addon, drawn, {"wear": {"also": also}}), layered / name, 1))
        assert h.changes(before, h.snapshot()) == []
        record = h.record(layered / name)
        (layer,) = record["instances"][1]["layers"]
        assert layer["level"] == pytest.approx(expected, abs=1e-6)
        assert record["draw"].get("also", {}) == ({"Sheet": also and {"light_rust": 0.9}} if also else {})
    assert h.record(layered / "kept")["draw"]["levels"] == h.record(layered / "drawn")["draw"]["levels"]


@pytest.fixture
def twins(addon, empty_scene, tmp_path: Path) -> Path:
    """Two that share mesh, material and variant; one beside them without wear; one whose own wear is streaks."""
    first = h.plane("First", (-10, -10), (10, 10), 0, h.material("Paint", h.painted("Base")))
    twin = bpy.data.objects.new("Twin", first.data)
    bpy.context.scene.collection.objects.link(twin)
    first.location, twin.location = (-16, 16, 0), (16, 16, 0)
    h.plane("Bare", (-26, -26), (-6, -6), 0, first.data.materials[0])
    last = h.plane("Streaky", (6, -26), (26, -6), 0, h.material("Paint 2", h.painted("Base 2")))
    bpy.context.view_layer.update()
    made = h.age(addon, first, tmp_path / "gallery", h.recipe(addon), level=0.2)
    addon("blender.ageing").apply_variant(twin, made[0], level=0.4)
    h.age(addon, last, tmp_path / "gallery", h.recipe(addon), kind="rust_streaks")
    h.camera_above()
    h.light()
    h.save(tmp_path / "scene.blend")
    return tmp_path


ALSO: dict[str, dict[str, Any]] = {
    "targets": {"objects": ["*"]},
    "camera": {"randomize": False},
    "wear": {"also": {"rust_streaks": [0.3, 0.7]}},
    "render": {"samples": 4},
}


def test_targets_get_the_further_kinds_of_the_recipe_for_the_job(addon, twins: Path) -> None:
    dataset = addon("blender.dataset")
    before = h.snapshot()
    summary = dataset.run(dataset.Job(h.recipe(addon, ALSO), twins / "out", 3))
    assert h.changes(before, h.snapshot()) == []
    assert summary.complete
    for frame in range(3):
        record = h.record(twins / "out", frame)
        found = {i["name"]: i for i in record["instances"]}
        assert found.keys() == {"First", "Twin", "Bare", "Streaky"}
        assert "layers" not in found["Streaky"], "that is its own wear"
        assert record["draw"]["also"].keys() == {"First", "Twin", "Bare"}
        for name in ("First", "Twin", "Bare"):
            (layer,) = found[name]["layers"]
            drawn = record["draw"]["also"][name]["rust_streaks"]
            assert 0.3 <= drawn <= 0.7 and layer["level"] == pytest.approx(drawn, abs=1e-6)
            assert layer["wear_percent"] == pytest.approx(100 * drawn, abs=4), (frame, name)
            assert (layer["wear_class"], layer["variant"]) == ("streaks", 0)
            assert found[name]["wear_percent"] == pytest.approx(100 * found[name]["level"], abs=4)
    made = sorted(p.parent.name.partition("-")[0] for p in (twins / "out" / "variants").glob("*/*/variant.json"))
    assert made == ["heavy_rust"] * 2 + ["rust_streaks"] * 3, "of a further kind one variant each is enough"


def test_each_split_has_variants_of_a_further_kind_for_itself(addon, twins: Path) -> None:
    """As many are made as splits need, and each target shows those of the frame's split, in picture and record. Of one
    that has the kind in the scene the whole gallery is dealt out."""
    dataset, ageing = addon("blender.dataset"), addon("blender.ageing")
    first, five = bpy.data.objects["First"], h.recipe(addon, {"texture": {"variants": 5}})
    request = ageing.gather(first, five, ageing.kind_named("rust_streaks"))
    ageing.apply_variant(first, addon("blender.wearing").make_variants(request, twins / "more")[1], add=True)
    h.save(twins / "scene.blend")
    thirds = {
        "light": {"randomize": False},
        "background": {"randomize": False},
        "targets": {"objects": ["First", "Twin", "Bare"]},
        "texture": {"variants": 5},
        "wear": {"level": [0.0, 0.0], "also": {"rust_streaks": [1.0, 1.0]}},
        "export": {"split": [0.34, 0.33, 0.33]},
    }
    before = h.snapshot()
    summary = dataset.run(dataset.Job(h.recipe(addon, ALSO, thirds), twins / "out", 9))
    assert h.changes(before, h.snapshot()) == []
    made = [p.parent.name.partition("-")[0] for p in (twins / "out" / "variants").glob("*/*/variant.json")]
    assert sorted(made) == ["heavy_rust"] * 5 + ["rust_streaks"] * 3 * 2, "of own wear all, beside it what splits need"
    (said,) = (each for each in summary.warnings if "share" in each)
    assert "share the variants of First, Twin:" in said, "two of each lie in the scene; beside them nothing is shared"
    shown: dict[str, set[tuple[str, int]]] = {}
    for frame in range(9):
        record = h.record(twins / "out", frame)
        picture = cv2.imread(str(twins / "out" / "images" / "0000" / f"{frame:08d}.png")).astype(int)
        for each in record["instances"]:
            (layer,) = each["layers"]
            shown.setdefault(record["split"], set()).add((each["name"], layer["variant"]))
            x, y, width, height = each["bbox"]
            blue, _, red = picture[y + height // 2, x + width // 2]
            assert (blue > red) == (layer["variant"] % 2 == 1), "quick variants: the first red, the second blue, ..."
    assert shown.keys() == {"train", "val", "test"}
    assert sum(len(own) for own in shown.values()) == len(set.union(*shown.values())), "nothing in two splits"
    every = {(name, i) for name, count in (("First", 5), ("Twin", 3), ("Bare", 3)) for i in range(count)}
    assert set.union(*shown.values()) == every
    files = json.loads((twins / "out" / "job.json").read_text())["inputs"]["files"]
    assert sum(name.startswith("First/rust_streaks-") for name in files) == 5 * 4, "what is drawn from is an input"


def test_shards_and_a_job_that_goes_on_make_the_same_files(addon, twins: Path) -> None:
    dataset = addon("blender.dataset")
    settings = h.recipe(addon, ALSO)
    dataset.run(dataset.Job(settings, twins / "whole", 3))
    for shard in ((1, 2), (0, 2)):
        dataset.run(dataset.Job(settings, twins / "shards", 3, shard=shard))
    (twins / "shards" / "records" / "0000" / "00000001.json").unlink()
    dataset.run(dataset.Job(settings, twins / "shards", 3))
    assert h.differing(h.files_of(twins / "whole"), h.files_of(twins / "shards")) == []
    other = h.recipe(addon, ALSO, {"wear": {"also": {"rust_streaks": [0.3, 0.8]}}})
    with pytest.raises(addon("errors").SynGenError, match=r"recipe.wear.also.rust_streaks: \[0.3, 0.7\] there"):
        dataset.run(dataset.Job(other, twins / "whole", 3))


def test_where_the_filters_refuse_one_the_next_is_made(addon, twins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, wearing = addon("blender.dataset"), addon("blender.wearing")
    real, seeds = wearing.make_variants, []

    def make(request: Any, *arguments: Any, **more: Any) -> list[Any]:
        made = real(request, *arguments, **more)
        if request.kind.name == "rust_streaks":
            seeds.append(request.recipe.texture.seed)
            made = [dataclasses.replace(v, accepted=v.seed > 0, sentence="It is blurred.") for v in made]
        return made

    monkeypatch.setattr(wearing, "make_variants", make)
    part = {"targets": {"objects": ["First"]}}
    dataset.run(dataset.Job(h.recipe(addon, ALSO, part), twins / "out", 1))
    assert seeds == [0, 1]
    before = h.snapshot()
    with pytest.raises(addon("errors").SynGenError, match=r"of 'First' \(Rust streaks\) was refused: It is blurred"):
        dataset.run(dataset.Job(h.recipe(addon, ALSO, part, {"texture": {"variants": 1}}), twins / "none", 1))
    assert h.changes(before, h.snapshot()) == []


@pytest.mark.parametrize("where", ["recipe", "scene"])
def test_an_unknown_further_kind_is_refused_before_anything_is_made(addon, layered: Path, where: str) -> None:
    dataset = addon("blender.dataset")
    settings = h.recipe(addon, {"wear": {"also": {"mould": [0.1, 0.2]}}} if where == "recipe" else {})
    if where == "scene":  # made by a SynGen that had one kind more
        about = bpy.data.objects["Sheet"]["syngen"]
        about["layers"]["mould"] = about["layers"]["light_rust"].to_dict()
    before = h.snapshot()
    words = r"no kind of wear called 'mould'\. Known are: .*heavy_rust" if where == "recipe" else "'mould' on 'Sheet'"
    with pytest.raises(addon("errors").SynGenError, match=words):
        dataset.run(dataset.Job(settings, layered / "out", 1))
    assert h.changes(before, h.snapshot()) == [] and not (layered / "out").exists()


def test_a_further_kind_that_does_not_show_is_refused(addon, layered: Path) -> None:
    """Its labels would say that there is none, whatever its level."""
    dataset, material = addon("blender.dataset"), addon("blender.material")
    paint = bpy.data.objects["Sheet"].material_slots[0].material
    for key, words in (("light_rust", "further wear 'light_rust' of 'Sheet'"), ("", "wear of 'Sheet'")):
        material.group_of(paint, key).mute = True
        with pytest.raises(addon("errors").SynGenError, match=f"The {words} does not show: the output of the material"):
            dataset.run(dataset.Job(h.recipe(addon, h.STILL), layered / "out", 1))
        material.group_of(paint, key).mute = False


def test_the_preview_of_a_frame_shows_the_levels_of_its_kinds(addon, layered: Path) -> None:
    preview, level = addon("blender.preview_frame"), addon("blender.level")
    settings = h.recipe(addon, {"wear": {"also": {"light_rust": [0.8, 0.8], "rust_streaks": [0.1, 0.2]}}})
    sheet, other = bpy.data.objects["Sheet"], bpy.data.objects["Other"]
    before = h.snapshot()
    preview.begin(bpy.context, settings, 0, 0)
    assert level.get_level(sheet, "light_rust") == 0.8 and level.get_level(sheet) != 0.25
    assert level.get_level(other) != 0.8, "that is its own wear"
    assert "syngen_level_rust_streaks" not in sheet, "what an object has not yet is not shown"
    preview.end(bpy.context.scene)
    assert h.changes(before, h.snapshot()) == []


def test_a_copy_for_the_background_names_every_gallery_by_its_place(addon, layered: Path) -> None:
    about = bpy.data.objects["Sheet"]["syngen"]
    about["gallery"], about["layers"]["light_rust"]["gallery"] = "//a", "//b"
    before = h.snapshot()
    copy = addon("blender.background").save_copy(layered / "out" / "panel")
    assert h.changes(before, h.snapshot()) == []
    with bpy.data.libraries.load(str(copy), link=False) as (_, wanted):
        wanted.objects = ["Sheet"]
    copied = wanted.objects[0]["syngen"]
    assert copied["gallery"] == str(layered / "a") and copied["layers"]["light_rust"]["gallery"] == str(layered / "b")


@pytest.mark.versions
@pytest.mark.usefixtures("real_variants")
def test_rust_and_dents_from_a_recipe_file_to_their_labels(addon, empty_scene, tmp_path: Path) -> None:
    """The real stages on a bare sheet, seen whole: each kind covers what its level says, and is called by its name."""
    h.plane("Sheet", (-40, -40), (40, 40), 0, h.material("Paint", h.painted("Base", 64)))
    h.camera_above(96)
    h.light()
    h.save(tmp_path / "scene.blend")
    settings = h.recipe(
        addon,
        {
            "targets": {"objects": ["Sheet"]},
            "camera": {"randomize": False},
            "texture": {"variants": 1, "tile_m": 40.0},
            "wear": {"level": [0.2, 0.4], "also": {"dents": [0.4, 0.6]}, "softness": 0.01},
            "causes": {"scale": 20.0},
            "render": {"width": 96, "height": 96, "samples": 4},
            "labels": {"objects": "regions", "region_min_pixels": 8},
            "export": {"split": [1.0, 0.0, 0.0]},
        },
    )
    (tmp_path / "job.toml").write_text(addon("recipe").dumps(settings))
    cli, out = addon("blender.cli"), tmp_path / "out"
    assert cli.main(["--recipe", str(tmp_path / "job.toml"), "--out", str(out), "--frames", "2"]) == 0
    for frame in range(2):
        (sheet,) = h.record(out, frame)["instances"]
        (dents,) = sheet["layers"]
        assert sheet["wear_percent"] == pytest.approx(100 * sheet["level"], abs=4)
        assert dents["wear_percent"] == pytest.approx(100 * dents["level"], abs=4)
        masks = [mask_of(sheet["wear_segmentation"]), mask_of(dents["wear_segmentation"])]
        assert (masks[0] & masks[1]).any() and (masks[0] ^ masks[1]).mean() > 0.1, "neither is the other's"
    coco = json.loads((out / "annotations" / "instances_train.json").read_text())
    names = {c["id"]: c["name"] for c in coco["categories"]}
    assert list(names.values()) == ["default", "streaks", "complete", "dent"]
    assert {names[a["category_id"]] for a in coco["annotations"]} == {"default", "dent"}
    lines = (out / "labels" / "0000" / "00000000.txt").read_text().splitlines()
    assert {line.split()[0] for line in lines} == {"0", "3"}
