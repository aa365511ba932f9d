"""Masks, depth and normals as pictures: what a reader of PNG files gets back is the truth."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from syngen_addon.errors import SynGenError
from syngen_addon.files import frame_file
from syngen_addon.formats.depth import UNIT_M, in_units
from syngen_addon.formats.normals import in_words
from syngen_addon.formats.pixels import palette
from syngen_addon.formats.write import write_formats
from syngen_addon.recipe import Export, Labels, Recipe
from tests.pure.framed import Thing, disc, everything, record_of, scene, scenes, write_exr, write_pictures


def recipe_for(*formats: str, **labels: object) -> Recipe:
    return Recipe(labels=Labels(**labels), export=Export(formats=formats))


def numbers_in(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def masks_of(record: dict, objects: str) -> list[np.ndarray]:
    from pycocotools import mask as coco_mask

    return [coco_mask.decode(e["segmentation"]).astype(bool) for e in record[objects]]


def test_the_maps_hold_exactly_the_pixels_of_the_record(tmp_path: Path) -> None:
    write_formats(tmp_path, scenes, recipe_for("masks", class_from="object"), 7)
    legend = json.loads((tmp_path / "masks" / "classes.json").read_bytes())
    number = {entry["name"]: entry["number"] for entry in legend["semantic"]}
    assert number[""] == 0 and len(number) == 4
    for frame in range(12):
        record = scene(frame)
        semantic, instance = (np.zeros((60, 80), int) for _ in range(2))
        for entry, mask in zip(record["instances"], masks_of(record, "instances"), strict=True):
            semantic[mask], instance[mask] = number[entry["classes"]["object"]], entry["index"]
        assert np.array_equal(numbers_in(tmp_path / frame_file("masks/semantic", frame, ".png")), semantic)
        assert np.array_equal(numbers_in(tmp_path / frame_file("masks/instance", frame, ".png")), instance)


def test_worn_pixels_have_the_number_of_their_kind(tmp_path: Path) -> None:
    written = write_formats(tmp_path, scenes, recipe_for("masks"), 7)
    legend = json.loads((tmp_path / "masks" / "classes.json").read_bytes())
    assert {e["number"]: e["name"] for e in legend["wear"]} == {0: "", 1: "dents", 2: "heavy_rust", 3: "paint"}
    seen = numbers_in(tmp_path / frame_file("masks/wear", 0, ".png"))
    rust, tank = disc(60, 80, 15, 20, 6), masks_of(scene(0), "instances")[1]
    paint = (disc(60, 80, 45, 22, 5) | disc(60, 80, 45, 38, 5)) & tank
    dents = disc(60, 80, 45, 36, 6) & tank
    expected = np.zeros((60, 80), int)
    expected[rust & masks_of(scene(0), "instances")[0]] = 2
    expected[paint], expected[dents] = 3, 1
    assert np.array_equal(seen, expected)
    assert written.losses["masks"] == {
        "pixels of wear that lie under another kind": 12 * int((paint & dents).sum())
    }


def test_label_maps_have_the_palette_of_voc_and_are_the_same_every_time(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_formats(tmp_path / folder, scenes, recipe_for("masks"), 7)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")
    image = Image.open(tmp_path / "a" / frame_file("masks/semantic", 3, ".png"))
    assert image.mode == "P"
    assert image.getpalette()[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
    assert Image.open(tmp_path / "a" / frame_file("masks/instance", 3, ".png")).mode == "I;16"


def test_the_palette_is_that_of_the_devkit() -> None:
    assert palette()[:4] == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert palette()[21] == (128, 64, 128) and palette()[255] == (224, 224, 192)
    assert len(set(palette())) == 256


def test_regions_are_numbered_as_in_the_record_and_the_smaller_lies_on_top(tmp_path: Path) -> None:
    recipe = recipe_for("masks", objects="regions", class_from="kind")
    written = write_formats(tmp_path, lambda: scenes(1), recipe, 7)
    masks = masks_of(scene(0), "regions")
    expected = np.zeros((60, 80), int)
    order = sorted(range(3), key=lambda i: -masks[i].sum())
    for i in order:
        expected[masks[i]] = i + 1
    assert np.array_equal(numbers_in(tmp_path / frame_file("masks/instance", 0, ".png")), expected)
    hidden = sum(m.sum() for m in masks) - np.count_nonzero(expected)
    assert written.losses["masks"]["pixels of regions that lie under another"] == hidden


def test_many_classes_take_sixteen_bits(tmp_path: Path) -> None:
    things = [Thing(np.eye(1, 300, i, dtype=bool).reshape(15, 20), f"o{i}", f"class {i:03d}") for i in range(300)]
    write_formats(tmp_path, lambda: iter([record_of(0, things)]), recipe_for("masks", class_from="object"), 7)
    semantic = numbers_in(tmp_path / frame_file("masks/semantic", 0, ".png"))
    assert np.array_equal(semantic.ravel(), np.arange(1, 301))


def test_more_objects_than_sixteen_bits_tell_apart_are_refused(tmp_path: Path) -> None:
    record = scene(0)
    record["instances"][0]["index"] = 65536
    with pytest.raises(SynGenError, match="65536 objects"):
        write_formats(tmp_path, lambda: iter([record]), recipe_for("masks"), 7)


# --- depth -----------------------------------------------------------------------------------------------------------

depths = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(
    0, float(np.float32(65.5)), width=32))


@given(depths)
def test_depth_comes_back_within_half_a_unit(meters: np.ndarray) -> None:
    units, beyond = in_units(meters, UNIT_M)
    assert beyond == 0
    hit = meters > 0
    far = meters >= UNIT_M / 2  # what is nearer is one unit, since 0 means that nothing was hit
    assert np.all(np.abs(units[far] * UNIT_M - meters[far].astype(float)) <= UNIT_M / 2 + 1e-9)
    assert np.all(units[hit & ~far] == 1)
    assert np.array_equal(units > 0, hit)


def test_what_is_not_hit_is_zero_and_what_is_too_far_is_the_farthest() -> None:
    meters = np.array([[0, np.inf, np.nan, 1e10, -1, 1e-5, 65.535, 65.536, 1e8]], np.float32)
    units, beyond = in_units(meters, UNIT_M)
    assert units.tolist() == [[0, 0, 0, 0, 0, 1, 65535, 65535, 65535]]
    assert beyond == 2


def test_depth_is_read_from_the_layer_of_the_frame(tmp_path: Path) -> None:
    meters = np.linspace(0.5, 80, 60 * 80, dtype=np.float32).reshape(60, 80)
    write_exr(tmp_path / frame_file("depth", 0, ".exr"), {"Z": meters})
    written = write_formats(tmp_path, lambda: scenes(1), recipe_for("depth"), 7)
    about = json.loads((tmp_path / "depth-png" / "about.json").read_bytes())
    found = cv2.imread(str(tmp_path / frame_file("depth-png", 0, ".png")), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16 and found.shape == (60, 80)
    near = meters < 65.5
    assert np.abs(found * about["unit_m"] - meters)[near].max() <= about["unit_m"] / 2 + 1e-6
    assert written.losses["depth"] == {"pixels farther than 65.535 m, written as that": int((meters > 65.5355).sum())}


# --- normals ---------------------------------------------------------------------------------------------------------

@given(st.lists(st.tuples(*[st.floats(-1, 1, width=32)] * 3), min_size=1, max_size=20))
def test_normals_come_back_within_half_a_step(values: list[tuple[float, float, float]]) -> None:
    vectors = np.array(values, np.float32).reshape(1, -1, 3)
    words = in_words(vectors)
    there = np.abs(vectors).max(-1) > 0
    back = words.astype(float) / 65535 * 2 - 1
    assert np.all(np.abs(back - vectors)[there] <= 1 / 65535 + 1e-9)
    assert np.all(words[~there] == 0)


@pytest.mark.parametrize("channels", ["XYZ", "RGB"])
def test_normals_are_red_green_and_blue_in_the_file(tmp_path: Path, channels: str) -> None:
    vectors = np.zeros((60, 80, 3), np.float32)
    vectors[:30] = (1, 0, -1)
    write_exr(tmp_path / frame_file("normals", 0, ".exr"), {c: vectors[..., i] for i, c in enumerate(channels)})
    write_formats(tmp_path, lambda: scenes(1), recipe_for("normals"), 7)
    found = cv2.imread(str(tmp_path / frame_file("normals-png", 0, ".png")), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert found.dtype == np.uint16
    assert found[0, 0].tolist() == [65535, 32768, 0] and found[59, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["depth", "normals"])
def test_a_layer_that_is_missing_broken_or_of_another_sort_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SynGenError, match="missing") as missing:
        write_formats(tmp_path, lambda: scenes(1), recipe_for(name), 7)
    assert f"labels.{name} = true" in missing.value.hint
    path = tmp_path / frame_file(name, 0, ".exr")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"v/1\x01 no picture")
    with pytest.raises(SynGenError, match="cannot be read"):
        write_formats(tmp_path, lambda: scenes(1), recipe_for(name), 7)
    if name == "normals":
        write_exr(path, {"Z": np.zeros((60, 80), np.float32)})
        with pytest.raises(SynGenError, match="1 channels instead of 3"):
            write_formats(tmp_path, lambda: scenes(1), recipe_for(name), 7)


def test_without_pictures_no_layer_is_read_and_no_map_written(tmp_path: Path) -> None:
    write_formats(tmp_path, scenes, recipe_for("masks", "depth", "normals", "voc"), 7, pictures=False)
    assert not list(tmp_path.rglob("*.png")) and not list(tmp_path.rglob("*.jpg"))
    assert (tmp_path / "voc" / "Annotations" / "00000011.xml").is_file()


# --- without pictures -------------------------------------------------------------------------------------------------

rectangles = st.tuples(st.integers(0, 11), st.integers(0, 7), st.integers(1, 12), st.integers(1, 8))


@given(st.lists(rectangles, min_size=1, max_size=4))
def test_panoptic_says_the_same_without_pictures(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[tuple[int, int, int, int]]
) -> None:
    free = np.ones((8, 12), bool)
    things = []
    for x, y, width, height in boxes:
        mask = np.zeros_like(free)
        mask[y : y + height, x : x + width] = True
        things.append(Thing(mask & free))
        free &= ~mask
    out, record = tmp_path_factory.mktemp("panoptic"), record_of(0, things)
    for pictures in (True, False):
        recipe = recipe_for("coco_panoptic")
        write_formats(out / str(pictures), lambda: iter([record]), recipe, 7, pictures=pictures)
    painted, told = (everything(out / name) for name in ("True", "False"))
    assert told == {name: data for name, data in painted.items() if name.endswith(".json")}


# --- any picture ------------------------------------------------------------------------------------------------------

index_maps = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 3))


@given(index_maps.filter(lambda index: index.any()))
def test_any_instances_come_back_from_voc_and_from_the_masks(
    tmp_path_factory: pytest.TempPathFactory, index: np.ndarray
) -> None:
    out = tmp_path_factory.mktemp("any")
    record = record_of(0, [Thing(index == n, f"o{n}", f"class {n}") for n in (1, 2, 3)])
    write_pictures(out, 1, *index.shape)
    recipe = recipe_for("voc", "masks", class_from="object")
    write_formats(out, lambda: iter([record]), recipe, 7, ["class 1", "class 2", "class 3"])
    assert np.array_equal(numbers_in(out / frame_file("masks/instance", 0, ".png")), index)
    assert np.array_equal(numbers_in(out / frame_file("masks/semantic", 0, ".png")), index)
    assert np.array_equal(numbers_in(out / "voc" / "SegmentationClass" / "00000000.png"), index)
    whole = numbers_in(out / "voc" / "SegmentationObject" / "00000000.png")
    for place, found in enumerate(ET.parse(out / "voc" / "Annotations" / "00000000.xml").iter("object"), start=1):
        mask = index == int(found.findtext("name", "")[-1])
        left, top, right, foot = (int(found.findtext(f"bndbox/{k}", "")) for k in ("xmin", "ymin", "xmax", "ymax"))
        assert np.array_equal(whole == place, mask)
        inside = np.zeros_like(mask)
        inside[top - 1 : foot, left - 1 : right] = True
        assert mask[inside].sum() == mask.sum()
        assert mask[top - 1].any() and mask[foot - 1].any() and mask[:, left - 1].any() and mask[:, right - 1].any()
