"""The dataset card: what it says is what the records hold, and the same job gives the same bytes."""

import base64
import io
import itertools
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from syngen_addon import jobs
from syngen_addon.card import views_charts
from syngen_addon.formats import card_plots
from syngen_addon.formats.card import inputs_of
from syngen_addon.formats.card_tally import Tally, plain_reason
from syngen_addon.recipe import load
from tests.pure.finished import finished, painted, recipe_of

FRAMES = 45


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {"export": {"title": "Rust <b>& | co", "license": "CC-BY-4.0", "formats": ["coco", "csv"]}}
    return finished(tmp_path_factory.mktemp("card") / "ds", FRAMES, changes)


@pytest.fixture(scope="module")
def readme(out: Path) -> str:
    return (out / "README.md").read_text(encoding="utf-8")


def records(out: Path) -> list[dict[str, Any]]:
    found = [jobs.read_record(out, frame) for frame in range(FRAMES)]
    return [record for record in found if record is not None]


def table(readme: str, head: str) -> list[list[str]]:
    """The rows of the table whose head begins so."""
    lines = readme.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(head))
    rows = []
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def test_counts_are_those_of_the_records(out: Path, readme: str) -> None:
    shown = [r for r in records(out) if not r["no_target"]]
    classes = Counter(entry["classes"]["object"] for record in shown for entry in record["instances"])
    rows = {row[0]: row[1:] for row in table(readme, "| class | train")}
    assert {name: int(row[-1]) for name, row in rows.items() if name in classes} == dict(classes)
    assert int(rows["pictures"][-1]) == len(shown) == FRAMES - 2
    assert f"{len(shown)} rendered pictures (96 x 72) with {sum(classes.values())} labelled objects" in readme
    for row in rows.values():
        assert sum(map(int, row[:3])) == int(row[3])


def test_frames_without_a_target_are_said_with_the_reason(readme: str) -> None:
    assert "2 of 45 frames show no target" in readme
    assert table(readme, "| why")[0] == ["No target is visible.", "2"]


def test_inputs_have_their_hash_and_licence_and_unknown_is_said(out: Path, readme: str) -> None:
    rows = {row[1]: row for row in table(readme, "| sort | name")}
    assert rows["light.environments/yard.hdr"][2:] == ["CC0-1.0", "bbbbbbbbbbbb…"]
    assert rows["//textures/wood.png"][2] == "unknown"
    assert "licence of 2 of them is unknown" in readme  # the scene and the wood
    page = (out / "card.html").read_text(encoding="utf-8")
    assert "b" * 64 in page and "c" * 64 in page


@pytest.mark.parametrize(
    ("patterns", "license_"),
    [
        ({}, "unknown"),
        ({"*.hdr": "A"}, "A"),
        ({"yard.*": "A", "*": "B"}, "A"),
        ({"light.environments/*": "A"}, "A"),
        ({"*.png": "A"}, "unknown"),
    ],
)
def test_the_first_pattern_that_fits_gives_the_licence(out: Path, patterns: dict[str, str], license_: str) -> None:
    recipe = recipe_of({"export": {"licenses": patterns}})
    (found,) = inputs_of(jobs.read_job(out), recipe)["Environments"]
    assert found.license == license_


def test_it_says_how_a_picture_is_made_again_and_what_was_changed(readme: str) -> None:
    assert "blender -b path/to/scene.blend --command syngen --out . --only-frame 123" in readme and "check ." in readme
    keys = {row[0].strip("`"): row[1] for row in table(readme, "| key | value |")}
    assert keys["labels.class_from"] == '"object"' and "render.samples" not in keys
    assert table(readme, "|  |  |")[0] == ["SynGen", "0.1.0"]


def test_names_cannot_break_the_text(out: Path, readme: str) -> None:
    assert readme.startswith("# Rust \\<b\\>& \\| co\n")
    page = (out / "card.html").read_text(encoding="utf-8")
    assert "Rust <b>" not in page and "Rust &lt;b&gt;&amp; | co" in page


def test_the_page_is_whole_in_itself(out: Path) -> None:
    class Reader(HTMLParser):
        open: list[str] = []
        sources: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in ("meta", "img", "rect", "path", "br"):
                self.open.append(tag)
            self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

        def handle_endtag(self, tag: str) -> None:
            if tag not in ("rect", "path"):
                assert self.open.pop() == tag

    page = (out / "card.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert len(reader.sources) == 12
    for source in reader.sources:
        assert source.startswith("data:image/jpeg;base64,")
        Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).verify()
    for drawing in re.findall(r"<svg.*?</svg>", page):
        ElementTree.fromstring(drawing)


def test_every_picture_that_the_readme_names_is_there(out: Path, readme: str) -> None:
    named = re.findall(r"!\[[^]]*]\(([^)]+)\)", readme)
    assert "card/samples.jpg" in named and len(named) >= 5
    for name in named:
        Image.open(out / name).verify()


def test_the_same_job_gives_the_same_bytes(out: Path) -> None:
    files = [out / "README.md", out / "card.html", *sorted((out / "card").iterdir())]
    before = [file.read_bytes() for file in files]
    about, recipe = jobs.read_job(out), load(out / "recipe.toml")
    jobs.rebuild(out, recipe, about["inputs"]["seed"], FRAMES, about["classes"]["object"])
    assert [file.read_bytes() for file in files] == before


def test_samples_are_few_and_spread_over_the_job() -> None:
    recipe = recipe_of()
    tally = Tally(recipe.labels)
    record = painted(recipe, 0)[0]
    for frame in range(1000):
        tally.add({**record, "frame": frame}, "train")
    frames = [sample["frame"] for sample in tally.chosen_samples()]
    assert len(frames) == 12 and len(tally.samples) <= 24
    assert frames[0] == 0 and frames[-1] > 850
    assert max(b - a for a, b in itertools.pairwise(frames)) <= 130


def test_a_sample_whose_picture_is_broken_is_left_out_and_said(out: Path, tmp_path: Path) -> None:
    job = finished(tmp_path / "ds", 6)
    (job / jobs.picture_name(1)).write_bytes(b"no picture")
    about = jobs.read_job(job)
    jobs.rebuild(job, recipe_of(), about["inputs"]["seed"], 6, about["classes"]["object"])
    assert "> The picture of frame 1 cannot be read." in (job / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("reason", "plain"),
    [
        ("No target is visible.", "No target is visible."),
        (
            "Drum has 31 visible pixels, under labels.min_pixels = 100.",
            "A target is too small (labels.min_pixels = 100).",
        ),
        ("", "Not said."),
    ],
)
def test_reasons_are_counted_without_names(reason: str, plain: str) -> None:
    assert plain_reason(reason) == plain


def test_empty_directions_are_marked_in_the_chart_and_no_others() -> None:
    covered = {
        "views": {
            "azimuth_deg": [-180.0, 0.0, 180.0],
            "elevation_deg": [-90.0, 0.0, 90.0],
            "classes": {"drum": {"counts": [[0, 0], [5, 0]], "empty": [[[0.0, 180.0], [0.0, 90.0]]]}},
        },
        "ranges": [],
        "names": {"environment": {"counts": {"a.hdr": 5}, "empty": ["b.hdr"]}},
    }
    heat, bars = views_charts(covered)
    assert isinstance(heat, card_plots.Heat) and isinstance(bars, card_plots.Bars)
    assert heat.cells == ((5, 0),)  # nothing below the horizon, and nothing was to be
    assert heat.rows == ("90", "0")
    assert heat.empty == {(0, 1)}
    assert bars.rows == (("a.hdr", (5.0,)), ("b.hdr", (0.0,)))


@pytest.mark.parametrize("count", [0, 1, 7, 99, 12_345, 2_000_000])
def test_charts_hold_any_count(count: int) -> None:
    charts: list[card_plots.Chart] = [
        card_plots.Histogram("A", (count, 0, 1), ("0", "1", "2", "3"), "x"),
        card_plots.Bars("A very long title that does not fit into the width of a chart", (("x" * 90, (count,)),)),
        card_plots.Heat("A", ((count, 0),), ("a", "b"), ("r",), empty=frozenset({(0, 1)})),
    ]  # fmt: skip
    image = card_plots.png(charts, scale=1)
    assert image.width == 2 * 440 + 28 + 40
    for chart in charts:
        drawn = ElementTree.fromstring(card_plots.svg(chart))
        for box in drawn.iter("rect"):
            x, y, w, h = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
            assert x >= 0 and y >= 0 and x + w <= 440 and y + h <= chart.height


def test_a_variant_of_a_further_kind_in_two_splits_is_counted(out: Path) -> None:
    (record, *_) = [r for r in records(out) if r["instances"]]
    record["instances"][0]["layers"] = [{"kind": "dents", "variant": 0, "wear_area": 0}]
    tally = Tally(recipe_of({}).labels)
    for split in ("train", "val"):
        tally.add(record, split)
    name, own = record["instances"][0]["name"], record["instances"][0]["variant"]
    shown = tally.pools["variants"]["train"] & tally.pools["variants"]["val"]
    assert {(name, "dents", 0), (name, "", own)} <= shown
