"""Pascal VOC as its readers take it: a schema of the devkit's structure, and boxes and masks that come back."""

import os
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from syngen_addon.errors import SynGenError
from syngen_addon.files import frame_file
from syngen_addon.formats.chosen import file_names
from syngen_addon.formats.split import SPLITS, split_of
from syngen_addon.formats.voc import _text
from syngen_addon.formats.write import Written, write_formats
from syngen_addon.recipe import Export, Labels, Recipe
from tests.pure.framed import Thing, everything, record_of, scene, scenes, write_pictures

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("voc.xsd")))


def written(out: Path, count: int = 12, **labels: Any) -> Written:
    write_pictures(out, count)
    recipe = Recipe(labels=Labels(**{"class_from": "object", **labels}), export=Export(formats=("voc",)))
    return write_formats(out, lambda: scenes(count), recipe, 7)


def parsed(node: ET.Element) -> dict[str, Any]:
    """What torchvision.datasets.VOCDetection.parse_voc_xml makes of an annotation."""
    voc_dict: dict[str, Any] = {}
    children = list(node)
    if children:
        def_dic: dict[str, Any] = defaultdict(list)
        for dc in map(parsed, children):
            for ind, v in dc.items():
                def_dic[ind].append(v)
        if node.tag == "annotation":
            def_dic["object"] = [def_dic["object"]]
        voc_dict = {node.tag: {ind: v[0] if len(v) == 1 else v for ind, v in def_dic.items()}}
    if node.text:
        text = node.text.strip()
        if not children:
            voc_dict[node.tag] = text
    return voc_dict


def test_every_annotation_fits_the_schema_of_the_devkit(tmp_path: Path) -> None:
    written(tmp_path)
    files = sorted((tmp_path / "voc" / "Annotations").iterdir())
    assert len(files) == 12
    for file in files:
        SCHEMA.validate(str(file))


def test_the_schema_refuses_what_the_devkit_would() -> None:
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        SCHEMA.validate("<annotation><folder>voc</folder></annotation>")


def test_torchvisions_reader_gets_names_boxes_and_masks_back(tmp_path: Path) -> None:
    written(tmp_path)
    voc = tmp_path / "voc"
    read = []
    for split in SPLITS:
        names = (voc / "ImageSets" / "Main" / f"{split}.txt").read_text().split("\n")[:-1]
        assert [n for n in names if split_of(int(n), 7, (0.8, 0.1, 0.1)) == split] == names == sorted(names)
        read += names
    assert sorted(read) == [f"{frame:08d}" for frame in range(12)]
    assert (voc / "ImageSets" / "Segmentation" / "train.txt").read_bytes() == (
        voc / "ImageSets" / "Main" / "train.txt"
    ).read_bytes()
    for name in read:
        record = scene(int(name))
        about = parsed(ET.parse(voc / "Annotations" / f"{name}.xml").getroot())["annotation"]
        image = Image.open(voc / "JPEGImages" / f"{name}.jpg")
        assert about["filename"] == f"{name}.jpg"
        assert image.size == (int(about["size"]["width"]), int(about["size"]["height"])) == (80, 60)
        whole = np.asarray(Image.open(voc / "SegmentationObject" / f"{name}.png"))
        classes = np.asarray(Image.open(voc / "SegmentationClass" / f"{name}.png"))
        names = sorted(e["classes"]["object"] for e in record["instances"])
        assert len(about["object"]) == 3
        for place, (found, entry) in enumerate(zip(about["object"], record["instances"], strict=True), start=1):
            mask = coco_mask.decode(entry["segmentation"]).astype(bool)
            ys, xs = np.nonzero(mask)
            box = {key: int(value) for key, value in found["bndbox"].items()}
            # VOC counts pixels from 1; the last pixel is in the box.
            assert box == {"xmin": xs.min() + 1, "ymin": ys.min() + 1, "xmax": xs.max() + 1, "ymax": ys.max() + 1}
            assert found["name"] == entry["classes"]["object"]
            assert found["truncated"] == ("1" if entry["touches_border"] else "0")
            assert np.array_equal(whole == place, mask)
            assert set(classes[mask]) == {names.index(found["name"]) + 1}
        assert np.array_equal(classes > 0, whole > 0)


def test_lists_of_a_class_say_in_which_pictures_it_is(tmp_path: Path) -> None:
    write_pictures(tmp_path, 6)
    box, drum = (Thing(np.ones((6, 8), bool), name, name) for name in ("box", "drum"))
    records = [record_of(frame, [drum if frame % 2 else box]) for frame in range(6)]
    recipe = Recipe(labels=Labels(class_from="object"), export=Export(formats=("voc",), split=(0.5, 0.5, 0.0)))
    write_formats(tmp_path, lambda: iter(records), recipe, 1)
    lists = tmp_path / "voc" / "ImageSets" / "Main"
    lines = [line.split() for s in SPLITS for line in (lists / f"drum_{s}.txt").read_text().splitlines()]
    assert sorted(lines) == [[f"{f:08d}", "1" if f % 2 else "-1"] for f in range(6)]
    both = (lists / "drum_trainval.txt").read_text().splitlines()
    assert [line.split()[0] for line in both] == [f"{frame:08d}" for frame in range(6)]
    assert (lists / "trainval.txt").read_text().split() == [f"{frame:08d}" for frame in range(6)]
    assert (lists / "drum_test.txt").read_bytes() == b""


def test_pictures_are_hard_links_and_else_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, 2)
    source, target = tmp_path / frame_file("images", 1, ".png"), tmp_path / "voc" / "JPEGImages" / "00000001.jpg"
    assert os.path.samefile(source, target)
    written(tmp_path, 2)  # once more over the same links
    assert os.path.samefile(tmp_path / frame_file("images", 1, ".png"), target)

    def refuse(*paths: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    written(tmp_path, 2)
    assert not os.path.samefile(source, target)
    assert source.read_bytes() == target.read_bytes()
    assert not [p for p in everything(tmp_path) if p.endswith(".part")]


def test_occluded_and_truncated_come_from_the_geometry(tmp_path: Path) -> None:
    def thing(visible: float, truncation: float) -> Thing:
        number = len(things)
        mask = np.zeros((8, 10), bool)
        mask[number, 3] = True
        return Thing(mask, f"{number}", geometry={"visible_fraction": visible, "truncation": truncation})

    things: list[Thing] = []
    for visible, truncation in ((1.0, 0.0), (0.5, 0.5), (0.96, 0.0), (0.94, 0.0), (0.4, 0.5)):
        things.append(thing(visible, truncation))
    record = record_of(0, things)
    write_pictures(tmp_path, 1)
    write_formats(tmp_path, lambda: iter([record]), Recipe(export=Export(formats=("voc",))), 0)
    file = tmp_path / "voc" / "Annotations" / "00000000.xml"
    SCHEMA.validate(str(file))
    found = [(o.findtext("truncated"), o.findtext("occluded")) for o in ET.parse(file).getroot().iter("object")]
    assert found == [("0", "0"), ("1", "0"), ("0", "0"), ("0", "1"), ("1", "1")]


def test_objects_beyond_the_palette_are_told(tmp_path: Path) -> None:
    things = [Thing(np.eye(1, 300, i, dtype=bool).reshape(15, 20), f"o{i}", f"class {i:03d}") for i in range(300)]
    write_pictures(tmp_path, 1, 15, 20)
    recipe = Recipe(labels=Labels(class_from="object"), export=Export(formats=("voc",)))
    done = write_formats(tmp_path, lambda: iter([record_of(0, things)]), recipe, 7)
    assert sorted(done.losses["voc"].values()) == [46, 46]
    assert any(w.startswith("voc: 46 objects without a place in SegmentationObject") for w in done.warnings)
    whole = np.asarray(Image.open(tmp_path / "voc" / "SegmentationObject" / "00000000.png")).ravel()
    assert whole.tolist() == [*range(1, 255), *[0] * 46]
    assert len(ET.parse(tmp_path / "voc" / "Annotations" / "00000000.xml").getroot().findall("object")) == 300


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    recipe = Recipe(export=Export(formats=("voc",)))
    with pytest.raises(SynGenError, match=r"00000000\.png is missing"):
        write_formats(tmp_path, lambda: scenes(1), recipe, 7)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_class_name_comes_back_from_the_xml(name: str) -> None:
    found = ET.fromstring(f"<name>{_text(name)}</name>").text or ""
    assert len(found) == len(name)
    unfit = {chr(c) for c in (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)}
    assert all(a == b or (a in unfit and b == "\ufffd") for a, b in zip(name, found, strict=True))


@given(st.lists(st.text(min_size=1), unique=True, max_size=8))
def test_names_of_files_are_safe_and_apart(names: list[str]) -> None:
    found = file_names(names)
    assert list(found) == names
    assert len({f.casefold() for f in found.values()}) == len(names)
    for file in found.values():
        assert file and len(file.encode()) < 250
        assert not set(file) & set('/\\:*?"<>|\0\n') and file.strip(" .") == file


def test_files_of_devices_get_another_name() -> None:
    assert file_names(["con", "aux.x", "a/b", "a\\b", "..", "drum", "Drum"]) == {
        "con": "_con", "aux.x": "_aux.x", "a/b": "a_b", "a\\b": "a_b-2", "..": "_", "drum": "drum", "Drum": "Drum-2"
    }  # fmt: skip
