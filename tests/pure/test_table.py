"""index.csv and frames.csv, as csv and every spreadsheet read them."""

import csv
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syngen_addon.errors import SynGenError
from syngen_addon.formats.split import SPLITS, split_of
from syngen_addon.formats.write import Written, write_formats
from syngen_addon.recipe import Export, Labels, Recipe
from tests.pure.framed import Thing, everything, record_of, scene, scenes, write_pictures, write_text

GEOMETRY: dict[str, Any] = {
    "severity": 3,
    "rotated_bbox": [10.5, 20.25, 8, 4, -30.0],
    "amodal_bbox": [-3.5, 2.25, 40, 50.5],
    "silhouette_area": 400,
    "visible_fraction": 0.25,
    "truncation": 0.125,
    "pose": {
        "matrix_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        "rotation": [0, -1, 0, 1, 0, 0, 0, 0, 1],
        "translation_m": [0.1, -0.2, 3.5],
        "scale": [1, 2, 3],
    },
    "box_3d": {"center_m": [0, 0, 0.5], "size_m": [1, 2, 3], "corners_px": [[0, 0]] * 8},
}
CAMERA = {
    "type": "PERSP", "fx": 700.5, "fy": 700.5, "cx": 40.0, "cy": 30.0,
    "matrix_world": [[1, 0, 0, 4], [0, 1, 0, 5], [0, 0, 1, 6], [0, 0, 0, 1]],
}  # fmt: skip


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(out: Path, records: list[dict[str, Any]], **export: Any) -> Written:
    recipe = Recipe(labels=Labels(class_from="object"), export=Export(formats=("csv",), **export))
    return write_formats(out, lambda: iter(records), recipe, 7)


def test_every_instance_and_region_has_its_row(tmp_path: Path) -> None:
    write(tmp_path, list(scenes()))
    rows = table(tmp_path / "index.csv")
    rows = [row for row in rows if row["what"] != "layer"]
    expected = [
        tuple(
            str(value)
            for value in (
                *(record["frame"], what, entry["index"], entry["name"], entry["classes"]["object"]),
                *entry["bbox"],
            )
        )
        for record in scenes()
        for what in ("instance", "region")
        for entry in record[f"{what}s"]
    ]
    columns = ("frame", "what", "index", "name", "class", "x", "y", "box_width", "box_height")
    found = [tuple(row[column] for column in columns) for row in rows]
    assert found == expected
    assert {(r["frame"], r["split"]) for r in rows} == {(str(f), split_of(f, 7, (0.8, 0.1, 0.1))) for f in range(12)}
    assert {(r["environment"], r["background"]) for r in rows} == {("yard.hdr", "a, b.jpg")}
    assert {r["labelled"] for r in rows if r["what"] == "instance"} == {"1"}
    assert {r["labelled"] for r in rows if r["what"] == "region"} == {"0"}


def test_every_choice_of_a_class_and_every_kind_of_wear_is_there(tmp_path: Path) -> None:
    records = list(scenes(2))
    tank = records[0]["instances"][1]
    tank["classes"] |= {"kind": "dents", "wear": "dent"}  # its own wear counts as clean: the further kind names it
    tank["wear_class"] = ""
    write(tmp_path, records)
    rows = table(tmp_path / "index.csv")
    assert all(None not in row and None not in row.values() for row in rows)  # as many fields as the head
    (by,) = (f.metadata["choices"] for f in fields(Labels) if f.name == "class_from")
    for row in (r for r in rows if r["what"] == "instance"):
        (entry,) = (e for e in records[int(row["frame"])]["instances"] if e["index"] == int(row["index"]))
        assert {name: row[f"class_{name}"] for name in by} == {name: entry["classes"][name] for name in by}
        own = (entry.get("kind", entry["classes"]["kind"]), entry.get("wear_class", entry["classes"]["wear"]))
        assert (row["kind"], row["wear_class"], row["wear_area"]) == (*own, str(entry["wear_area"]))
    further = [r for r in rows if r["what"] == "layer"]
    said = [
        (str(r["frame"]), str(e["index"]), place, *(str(layer[k]) for k in LAYER_COLUMNS))
        for r in records
        for e in r["instances"]
        for place, layer in enumerate(e.get("layers", ()), start=1)
    ]
    found = [(r["frame"], r["index"], int(r["number"]), *(r[k] for k in LAYER_COLUMNS)) for r in further]
    assert said and found == said
    assert {r["labelled"] for r in further} == {"0"} and {r["x"] for r in further} == {""}


LAYER_COLUMNS = ("kind", "wear_class", "level", "variant", "wear_area", "wear_percent")


def test_geometry_is_flat_and_empty_where_there_is_none(tmp_path: Path) -> None:
    mask = np.ones((6, 8), bool)
    write(tmp_path, [record_of(0, [Thing(mask, geometry=GEOMETRY)], camera=CAMERA), record_of(1, [Thing(mask)])])
    full, bare = table(tmp_path / "index.csv")
    assert [float(full[f"r{i}{j}"]) for i in (1, 2, 3) for j in (1, 2, 3)] == GEOMETRY["pose"]["rotation"]
    assert [float(full[k]) for k in ("tx_m", "ty_m", "tz_m")] == [0.1, -0.2, 3.5]
    assert [float(full[f"scale_{a}"]) for a in "xyz"] == [1, 2, 3]
    assert [float(full[f"box3d_size_{a}_m"]) for a in "xyz"] == [1, 2, 3]
    assert [float(full[f"amodal_{k}"]) for k in ("x", "y", "width", "height")] == GEOMETRY["amodal_bbox"]
    assert (full["visible_fraction"], full["truncation"], full["severity"]) == ("0.25", "0.125", "3")
    names = [n for n in bare if n.startswith(("r1", "tx", "scale", "box3d", "amodal", "rotated", "visible"))]
    assert len(names) > 20 and {bare[n] for n in names} == {""}
    first, second = table(tmp_path / "frames.csv")
    assert (first["fx"], first["camera_type"], first["camera_m14"], first["camera_m34"]) == ("700.5", "PERSP", "4", "6")
    assert (second["fx"], second["camera_m14"], second["instances"], second["labelled"]) == ("", "", "1", "1")


def test_frames_say_their_pictures_and_hashes(tmp_path: Path) -> None:
    write(tmp_path, list(scenes(3)))
    assert [(r["picture"], r["sha256"]) for r in table(tmp_path / "frames.csv")] == [
        (scene(f)["picture"]["file"], scene(f)["picture"]["sha256"]) for f in range(3)
    ]


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_comes_back(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    out = tmp_path_factory.mktemp("table")
    write(out, [record_of(0, [Thing(np.ones((6, 8), bool), name, name)])])
    (row,) = table(out / "index.csv")
    assert row["name"] == name and row["class"] == name


# --- what every format shares ----------------------------------------------------------------------------------------


def test_what_was_written_is_counted_by_split_and_class(tmp_path: Path) -> None:
    done = write(tmp_path, list(scenes()))
    names = sorted(e["classes"]["object"] for e in scene(0)["instances"])
    assert done.classes == tuple(names) and set(done.pictures) == set(SPLITS)
    by_split = {s: [f for f in range(12) if split_of(f, 7, (0.8, 0.1, 0.1)) == s] for s in SPLITS}
    assert done.pictures == {s: len(frames) for s, frames in by_split.items()}
    assert done.objects == {s: dict.fromkeys(names, len(frames)) for s, frames in by_split.items()}
    assert done.warnings == []


def test_a_record_keeps_the_split_it_was_drawn_for(tmp_path: Path) -> None:
    records = [{**record, "split": "val"} for record in scenes(4)]
    done = write(tmp_path, records, split=(1.0, 0.0, 0.0))
    assert {r["split"] for r in table(tmp_path / "frames.csv")} == {"val"}
    assert done.pictures == {"train": 0, "val": 4, "test": 0}
    (warning,) = done.warnings
    assert warning.startswith("4 of 4 pictures keep the split") and "export.split" in warning
    assert write(tmp_path, records, split=(0.0, 1.0, 0.0)).warnings == []


def test_objects_that_are_hardly_visible_are_left_out(tmp_path: Path) -> None:
    left, right = np.zeros((6, 8), bool), np.zeros((6, 8), bool)
    left[:, :4], right[:, 4:] = True, True
    seen = [Thing(left, geometry=GEOMETRY), Thing(right, geometry={**GEOMETRY, "visible_fraction": 0.9})]
    done = write(tmp_path, [record_of(0, seen)], min_visible=0.5)
    assert [r["labelled"] for r in table(tmp_path / "index.csv")] == ["0", "1"]
    assert sum(count for classes in done.objects.values() for count in classes.values()) == 1


def test_min_visible_without_geometry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SynGenError, match=r"export\.min_visible = 0\.5") as refused:
        write(tmp_path, [scene(0)], min_visible=0.5)
    assert "labels.geometry" in refused.value.hint
    assert everything(tmp_path) == {}


def test_a_class_that_records_do_not_know_is_refused(tmp_path: Path) -> None:
    record = scene(0)
    del record["instances"][0]["classes"]["property"]
    recipe = Recipe(labels=Labels(class_from="property"), export=Export(formats=("csv",)))
    with pytest.raises(SynGenError, match="by property"):
        write_formats(tmp_path, lambda: iter([record]), recipe, 7)


@pytest.mark.parametrize("name", ["voc", "masks", "csv"])
def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / {"csv": "index.csv"}.get(name, name)).mkdir()
    if name == "csv":
        (tmp_path / "index.csv" / "x").touch()
    else:
        (tmp_path / name).rmdir()
        (tmp_path / name).touch()
    recipe = Recipe(export=Export(formats=(name,)))
    with pytest.raises(SynGenError, match="Cannot write"):
        write_formats(tmp_path, lambda: scenes(1), recipe, 7, pictures=False)


def test_what_an_earlier_and_longer_run_left_is_removed(tmp_path: Path) -> None:
    write_pictures(tmp_path, 4)
    recipe = Recipe(export=Export(formats=("voc", "masks"), split=(1, 0, 0)))
    write_formats(tmp_path, lambda: scenes(4), recipe, 7)
    first = everything(tmp_path)
    stray = [name.replace("00000003", "00000777") for name in first if "00000003" in name and "images" not in name]
    assert len(stray) == 7
    for name in stray:
        write_text(tmp_path / name, "old")
    write_text(tmp_path / "voc" / "Annotations" / "mine.txt", "the user's")
    write_formats(tmp_path, lambda: scenes(4), recipe, 7)
    after = everything(tmp_path)
    assert after.pop("voc/Annotations/mine.txt") == b"the user's"
    assert after == first
