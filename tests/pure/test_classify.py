"""Folders of crops, as torchvision's ImageFolder and Ultralytics take them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syngen_addon.errors import SynGenError
from syngen_addon.formats.classify import SMALLEST, around
from syngen_addon.formats.write import write_formats
from syngen_addon.recipe import Export, Labels, Recipe
from tests.pure.framed import Thing, disc, record_of
from tests.pure.hard_shapes import FRAMES, HEIGHT, NAMES, WIDTH, record, write


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))


def test_every_object_has_a_crop_in_the_folder_of_its_class(tmp_path: Path) -> None:
    write(tmp_path, ("classify",))
    about = json.loads((tmp_path / "classify" / "classes.json").read_text())
    assert sorted(about["classes"].values()) == sorted(NAMES)
    found = files(tmp_path / "classify")
    assert len(found) == 4 * FRAMES
    for name in found:
        split, folder, file = name.split("/")
        frame, number = int(file[:8]), int(file[9:12])
        entry = record(frame)["instances"][number]
        assert split in ("train", "val", "test") and about["classes"][folder] == entry["classes"]["object"]
        crop = cv2.imread(str(tmp_path / "classify" / name))
        _, _, width, height = around(entry["bbox"], (WIDTH, HEIGHT))
        assert crop.shape == (height, width, 3) and (crop == crop[0, 0, 0]).all()
        picture = cv2.imread(str(tmp_path / f"images/0000/{frame:08d}.png"))
        assert crop[0, 0, 0] == picture[0, 0, 0], "cut from its own frame"


def test_every_split_has_every_folder_so_that_numbers_are_the_same(tmp_path: Path) -> None:
    write(tmp_path, ("classify",), split=(1.0, 0.0, 0.0))
    folders = [sorted(p.name for p in (tmp_path / "classify" / s).iterdir()) for s in ("train", "val", "test")]
    assert folders[0] == folders[1] == folders[2] and len(folders[0]) == len(NAMES)
    assert files(tmp_path / "classify" / "val") == []


def test_names_that_would_lead_out_of_the_folder_or_collide(tmp_path: Path) -> None:
    names = ("..", "../up", "..\\up", "CON", "a/b", "a:b", "A/b", "é", "x" * 300, " ")
    mask = disc(HEIGHT, WIDTH, 60, 60, 20)
    records = [record_of(i, [Thing(mask, "T", name)]) for i, name in enumerate(names)]
    for frame in range(len(names)):
        (tmp_path / "images/0000").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / f"images/0000/{frame:08d}.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    before = {p for p in tmp_path.parent.iterdir()}
    recipe = Recipe(labels=Labels(class_from="object"), export=Export(("classify",), (1, 0, 0)))
    write_formats(tmp_path, lambda: records, recipe, 1)
    assert {p for p in tmp_path.parent.iterdir()} == before
    about = json.loads((tmp_path / "classify" / "classes.json").read_text())["classes"]
    assert sorted(about.values()) == sorted(names) and len({f.casefold() for f in about}) == len(names)
    assert len(files(tmp_path / "classify")) == len(names)
    assert not any(c in folder for folder in about for c in '/\\:*?"<>|\n') and not any(f in (".", "..") for f in about)


def test_a_picture_that_is_missing_is_named_and_the_folder_of_before_stays(tmp_path: Path) -> None:
    write(tmp_path, ("classify",))
    before = files(tmp_path / "classify")
    (tmp_path / "images/0000/00000003.png").unlink()
    recipe = Recipe(labels=Labels(class_from="object"), export=Export(("classify",)))
    with pytest.raises(SynGenError, match=r"00000003\.png"):
        write_formats(tmp_path, lambda: map(record, range(FRAMES)), recipe, 3)
    assert files(tmp_path / "classify") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["classify", "images"]


@given(st.data(), st.integers(1, 200), st.integers(1, 200))
def test_a_crop_holds_its_box_and_lies_in_the_picture(data: st.DataObject, across: int, down: int) -> None:
    x, y = data.draw(st.integers(0, across - 1)), data.draw(st.integers(0, down - 1))
    w, h = data.draw(st.integers(1, across - x)), data.draw(st.integers(1, down - y))
    left, top, width, height = around([x, y, w, h], (across, down))
    assert 0 <= left <= x and 0 <= top <= y and x + w <= left + width <= across and y + h <= top + height <= down
    assert width >= min(SMALLEST, across) and height >= min(SMALLEST, down)
