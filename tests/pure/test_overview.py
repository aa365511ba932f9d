"""The contact sheet: what is drawn where, in colours and pixels; its beauty is for the eye."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from syngen_addon import recipe as recipes
from syngen_addon.errors import SynGenError
from syngen_addon.files import frame_file, write_bytes
from syngen_addon.formats.overview import HAIRLINE, KIND_COLORS, MOST, PAPER, WEAR_COLORS, overview
from syngen_addon.images import save_png
from syngen_addon.labels.layers import FurtherWear, Instance, Layers
from syngen_addon.labels.record import encode, make_record, no_target_record
from syngen_addon.recipe import Labels, Recipe

GREY = 0.4


def job(out: Path, frames: int = 3, width: int = 96, height: int = 96, **labels: Any) -> Path:
    """Grey pictures of one worn square each; frame 1 shows no target where there are more than two."""
    settings = Labels(region_min_pixels=1, **labels)
    index, wear = np.zeros((height, width), np.int32), np.zeros((height, width), np.float32)
    index[30:80, 20:70] = 1
    wear[55:80, 20:70] = 1
    for frame in range(frames):
        if frame == 1 and frames > 2:
            record = no_target_record({"frame": frame})
        else:
            about = Instance(1, "Drum", {"object": "drum"}, "rust", "streaks", 0.5, 0)
            record = make_record(Layers(index, wear), [about], settings, {"frame": frame})
            save_png(out / frame_file("images", frame, ".png"), np.full((height, width, 3), GREY, np.float32))
        write_bytes(out / frame_file("records", frame, ".json"), encode(record))
    write_bytes(out / "recipe.toml", recipes.dumps(Recipe(labels=settings)).encode())
    return out


def sheet_of(out: Path, **options: Any) -> np.ndarray:
    with Image.open(overview(out, out / "overview.png", **options)) as image:
        return np.asarray(image.convert("RGB"), int)


def like(pixels: np.ndarray, color: tuple[int, int, int], within: int = 24) -> np.ndarray:
    return (abs(pixels - color).max(axis=-1) <= within)


def test_worn_area_outline_box_and_tag_stand_where_the_labels_are(tmp_path: Path) -> None:
    sheet = sheet_of(job(tmp_path, 1), cell=480)
    left, top = 30, round(480 * 0.17)
    picture = sheet[top : top + 480, left : left + 480]
    grey = round(GREY * 255)
    for row in (42, 70):
        assert abs(picture[5 * row, 5 * 45] - grey).max() <= 1, "sound or worn, the object's look stays as it is"
    column = picture[5 * 45 : 5 * 65, 5 * 45]
    line = np.array((grey,) * 3) + HAIRLINE * (np.array(KIND_COLORS[0]) - grey)
    (rows,) = np.nonzero(like(column, line))
    assert 5 * 45 + rows == pytest.approx(5 * 55, abs=2) and 1 <= len(rows) <= 2, "a hairline where wear begins"
    ys, xs = np.nonzero(like(picture, WEAR_COLORS["streaks"]))
    assert (xs.min(), xs.max(), ys.max()) == pytest.approx((100, 349, 399), abs=2), "outline and box"
    tag = like(picture[100:149, 100:349], WEAR_COLORS["streaks"])
    assert tag.sum() > 1500, "the tag sits on the box's top left corner"
    assert not like(picture[:, 360:], WEAR_COLORS["streaks"]).any()
    assert tuple(sheet[2, 2]) == PAPER


def test_each_kind_on_an_object_has_a_hairline_of_its_own(tmp_path: Path) -> None:
    job(tmp_path, 2)
    index, rust, dents = (np.zeros((96, 96), t) for t in (np.int32, np.float32, np.float32))
    index[30:80, 20:70], rust[55:80, 20:70], dents[40:60, 30:60] = 1, 1, 1
    further = (FurtherWear("dents", "dent", 0.4, 0), FurtherWear("cracks", "", 0.0, 0))
    about = Instance(1, "Drum", {"object": "drum"}, "rust", "streaks", 0.5, 0, further)
    layers = Layers(index, rust, {"dents": dents, "cracks": np.zeros_like(dents)})
    record = make_record(layers, [about], Labels(region_min_pixels=1), {"frame": 0})
    write_bytes(tmp_path / frame_file("records", 0, ".json"), encode(record))
    sheet = sheet_of(tmp_path, cell=480)
    picture = sheet[round(480 * 0.17) :, 30 : 30 + 480]
    found = [like(picture, color, 50) for color in KIND_COLORS[:3]]  # rust is the object's own; then by name
    assert found[0][5 * 54 : 5 * 57, 5 * 22 : 5 * 28].sum() > 20, "rust begins across the object"
    ys, xs = np.nonzero(found[2][5 * 35 : 5 * 65, 5 * 25 : 5 * 65])
    assert (ys.min(), ys.max(), xs.min(), xs.max()) == pytest.approx((25, 125, 25, 175), abs=3), "dents have their box"
    assert not found[1][5 * 32 : 5 * 78, 5 * 22 : 5 * 68].any(), "what is nowhere is not drawn"
    legend = sheet[: round(480 * 0.17)]
    assert [like(legend, color, 8).any() for color in KIND_COLORS[:4]] == [True, True, True, False]


def test_regions_are_outlined_in_the_colour_of_their_class(tmp_path: Path) -> None:
    sheet = sheet_of(job(tmp_path, 1, objects="regions"), cell=480)
    picture = sheet[round(480 * 0.17) :, 30 : 30 + 480]
    ys, xs = np.nonzero(like(picture, WEAR_COLORS["streaks"]))
    assert (xs.min(), xs.max(), ys.max()) == pytest.approx((100, 349, 399), abs=2)
    assert not like(sheet, KIND_COLORS[0]).any()

    otherwise = sheet_of(job(tmp_path, 1), cell=480, labels=Labels(region_min_pixels=1, objects="regions"))
    assert np.array_equal(otherwise, sheet), "formats may be made of other objects than the job's recipe says"


def test_grid_and_frames_without_target(tmp_path: Path) -> None:
    job(tmp_path, 6)  # of which frame 1 has no picture
    cell, gap, margin, top = 100, 2, 6, 17
    sheet = sheet_of(tmp_path, columns=3, cell=cell)
    assert sheet.shape == (top + margin + 2 * (cell + gap) - gap, 2 * margin + 3 * (cell + gap) - gap, 3)
    places = [(r, c) for r in range(2) for c in range(3)]
    cells = [sheet[top + r * 102 :, margin + c * 102 :][:cell, :cell] for r, c in places]
    filled = [not like(picture, PAPER, 0).all() for picture in cells]
    assert filled == [True] * 5 + [False]


def test_named_frames_only(tmp_path: Path) -> None:
    job(tmp_path, 6)
    assert sheet_of(tmp_path, cell=100, frames=[4, 1, 0]).shape[1] == 2 * 6 + 2 * 102 - 2


def test_a_large_job_shows_an_even_choice(tmp_path: Path) -> None:
    job(tmp_path, MOST + 20, 32, 32)
    rows = (sheet_of(tmp_path, cell=64, columns=4).shape[0] - 14 - 4 + 2) / (64 + 2)
    assert rows == MOST / 4


def test_wide_pictures_and_regions_and_one_column(tmp_path: Path) -> None:
    job(tmp_path, 2, 192, 96, objects="regions", class_from="object")
    assert sheet_of(tmp_path, cell=100, columns=1).shape[0] == 17 + 6 + 2 * (50 + 2) - 2


def test_the_same_job_gives_the_same_bytes(tmp_path: Path) -> None:
    job(tmp_path)
    first = overview(tmp_path, tmp_path / "a.png", cell=120).read_bytes()
    assert overview(tmp_path, tmp_path / "b.png", cell=120).read_bytes() == first


def test_what_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(SynGenError, match="no finished frame"):
        overview(tmp_path, tmp_path / "o.png")
    job(tmp_path)
    with pytest.raises(SynGenError, match=r"00000009\.json is missing"):
        overview(tmp_path, tmp_path / "o.png", frames=[9])
    (tmp_path / frame_file("images", 2, ".png")).write_bytes(b"no picture")
    with pytest.raises(SynGenError, match=r"00000002\.png is missing or broken"):
        overview(tmp_path, tmp_path / "o.png")
    (tmp_path / frame_file("records", 0, ".json")).write_text(json.dumps([1]))
    with pytest.raises(SynGenError, match=r"00000000\.json is missing or broken"):
        overview(tmp_path, tmp_path / "o.png")
    assert not (tmp_path / "o.png").exists()
