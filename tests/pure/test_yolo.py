"""YOLO files by the rules of Ultralytics' own check of labels (`verify_image_label`)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syngen_addon.formats.labelled import box_columns, yaml_text
from syngen_addon.formats.write import write_formats
from syngen_addon.labels.layers import Instance, Layers
from syngen_addon.labels.record import make_record, no_target_record
from syngen_addon.recipe import Export, Labels, Recipe

INDEX = np.zeros((40, 80), np.int32)
INDEX[10:30, 20:60] = 1
INDEX[0:5, 0:8] = 2
INDEX[39, 79] = 3


def records(classes: tuple[str, ...] = ("complete", "default", "")) -> Iterator[dict[str, Any]]:
    instances = [Instance(i, f"o{i}", {"object": "drum"}, "rust", c, 0.5, 0) for i, c in enumerate(classes, start=1)]
    layers = Layers(INDEX, np.zeros(INDEX.shape, np.float32))
    yield make_record(layers, instances, Labels(), {"frame": 0})
    yield no_target_record({"frame": 1})
    yield make_record(layers, [], Labels(), {"frame": 2})


def written(tmp_path: Path, **labels: Any) -> Path:
    write_formats(tmp_path, records, Recipe(labels=Labels(**labels), export=Export(("yolo",), (1, 0, 0))), 1)
    return tmp_path


def test_lines_of_known_boxes(tmp_path: Path) -> None:
    text = (written(tmp_path) / "labels/0000/00000000.txt").read_text()
    assert text == "2 0.500000 0.500000 0.500000 0.500000\n0 0.050000 0.062500 0.100000 0.125000\n"


def test_a_picture_without_objects_has_an_empty_file_and_one_without_target_none(tmp_path: Path) -> None:
    out = written(tmp_path)
    assert (out / "labels/0000/00000002.txt").read_bytes() == b""
    assert not (out / "labels/0000/00000001.txt").exists()
    assert (out / "train.txt").read_text() == "./images/0000/00000000.png\n./images/0000/00000002.png\n"
    assert (out / "val.txt").read_bytes() == b""


def test_a_label_lies_where_ultralytics_looks_for_it(tmp_path: Path) -> None:
    out = written(tmp_path)
    for line in (out / "train.txt").read_text().splitlines():
        image = line.replace("./", f"{out}/", 1)
        label = "/labels/".join(image.rsplit("/images/", 1)).rsplit(".", 1)[0] + ".txt"
        assert Path(label).is_file()


def test_data_yaml(tmp_path: Path) -> None:
    splits = "train: train.txt\nval: val.txt\ntest: test.txt\n"
    names = 'names:\n  0: "default"\n  1: "streaks"\n  2: "complete"\n'
    assert (written(tmp_path) / "data.yaml").read_text() == splits + "nc: 3\n" + names


def test_no_line_stands_twice(tmp_path: Path) -> None:
    record = next(iter(records()))
    record["instances"].append(record["instances"][0])
    write_formats(tmp_path, lambda: [record], Recipe(), 1)
    lines = (tmp_path / "labels/0000/00000000.txt").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 2


@given(data=st.data(), width=st.integers(1, 16384), height=st.integers(1, 16384))
def test_every_line_passes_the_check_of_labels(data: st.DataObject, width: int, height: int) -> None:
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    line = f"2 {box_columns([x, y, w, h], width, height)}\n"
    assert re.fullmatch(r"2( [01]\.\d{6}){4}\n", line)
    cx, cy, bw, bh = (float(v) for v in line.split()[1:])
    assert all(0 <= v <= 1 for v in (cx, cy, bw, bh)) and bw > 0 and bh > 0
    assert (cx - bw / 2) * width == pytest.approx(x, abs=1e-6 * width)
    assert (cy + bh / 2) * height == pytest.approx(y + h, abs=1e-6 * height)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("drum", '"drum"'), ('a"b', '"a\\"b"'), ("a\\b", '"a\\\\b"'),
     ("a\nb\x7f", '"a\\x0ab\\x7f"'), ("é€", '"\\xe9\\u20ac"'),
     ("\U0001f600", '"\\U0001f600"'), ("no: #1", '"no: #1"')],
)
def test_class_names_are_safe_in_yaml(text: str, expected: str) -> None:
    assert yaml_text(text) == expected


@given(st.text())
def test_a_quoted_name_is_printable_ascii_and_reads_back(text: str) -> None:
    quoted = yaml_text(text)
    assert quoted.isascii() and quoted.isprintable()
    # Python's escapes agree with YAML's for everything that is written here.
    assert quoted[1:-1].encode("ascii").decode("unicode_escape") == text
