"""The documents made from code are those that the code makes, and say what the code says."""

import dataclasses
import importlib
import math
import re
from pathlib import Path

import pytest

from syngen_addon.recipe import Range, load, loads, reference, sections

ROOT = Path(__file__).resolve().parents[2]


def test_the_recipe_reference_is_current() -> None:
    written = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert written == reference(), "run `make docs` and commit docs/recipe.md"


def test_what_is_bundled_is_listed_with_its_licence() -> None:
    pinned = dict(
        re.findall(r"^([a-z-]+)==([0-9.]+)", (ROOT / "requirements" / "bundled.txt").read_text(encoding="utf-8"), re.M)
    )
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    listed = {
        name.replace("_", "-"): version
        for name, version in re.findall(r"^\| \[(\w+)\]\(http.*?\) \| (.*?) \| \S", page, re.M)
    }
    assert listed == pinned, "run `make package` and commit docs/licences.md"


def test_the_list_of_errors_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    written = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert written == importlib.import_module("errors").page(), "run `make docs` and commit docs/errors.md"


def test_troubleshooting_quotes_errors_that_there_are() -> None:
    """An italic text at the head of a row is what an error says, dots standing for names and numbers."""
    said = re.sub(r"\\(.)", r"\1", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = [text for head in re.findall(r"^\| (\*.*?) \|", page, re.M) for text in re.findall(r"\*([^*]+)\*", head)]
    parts = [part.strip(" .") for text in quoted for part in re.split(r"\.\.\.|\bN\b|\d+|\[.*?\]", text)]
    known = [part for part in parts if len(part.split()) > 2]
    assert len(known) > 20
    assert [part for part in known if part not in said] == []


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may say, as web sites of repositories make it."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file) if file else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8"))
            ahead += [(page.parent / link).resolve() for link in links if not link.startswith("http")]
    assert [page.name for page in pages() if page not in reached] == []


def test_pictures_are_shown_and_small() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages())
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert [path.name for path in pictures if path.name not in text] == []
    assert [path.name for path in pictures if path.stat().st_size > 2_000_000] == []
    shown = {path.name for path in pictures if f"pictures/{path.name})" in (ROOT / "README.md").read_text()}
    assert "ageing.webp" in shown and len(shown) > 3


def test_every_key_of_the_recipe_has_a_sentence_and_every_number_a_range() -> None:
    lacking = []
    for section, kind in sections().items():
        for key in dataclasses.fields(kind):
            about = key.metadata
            if not (about["doc"].rstrip('`"').endswith(".") and about["doc"][0].isupper()):
                lacking.append(f"{section}.{key.name}: no sentence")
            numbers = key.type in (int, float, Range, tuple[int, int], tuple[float, float, float])
            if numbers and not (math.isfinite(about["low"]) and math.isfinite(about["high"])):
                lacking.append(f"{section}.{key.name}: no range")
            suffix = re.search(r"_(m|mm|deg|px|ev|w)$", key.name)
            if numbers and suffix and not about["unit"]:
                lacking.append(f"{section}.{key.name}: no unit")
    assert lacking == []


def test_the_shipped_presets_are_recipes_and_named_in_the_docs() -> None:
    page = (ROOT / "docs" / "variation.md").read_text(encoding="utf-8")
    presets = sorted((ROOT / "syngen_addon" / "blender" / "presets" / "syngen").glob("*.toml"))
    assert len(presets) == 5
    for path in presets:
        load(path)
        assert f"*{path.stem.replace('_', ' ')}*" in page, path.stem


def test_every_platform_that_is_built_stands_in_the_install_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    zips = {name.replace("_", "-") for name in re.findall(r"`syngen-\*-(\w+)\.zip`", page)}
    assert zips == set(importlib.import_module("package").TARGETS)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_recipes_of_a_page_are_recipes(page: Path) -> None:
    for text in re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        loads(text, page.name)


def test_the_tutorials_name_what_the_window_shows() -> None:
    """Words in bold are buttons, panels and keys: a renamed one is to be renamed there too."""
    shown = "\n".join(
        path.read_text(encoding="utf-8") for path in (*ROOT.glob("operators/*.py"), *ROOT.glob("panels/*.py"))
    )
    shown += (ROOT / "syngen_addon" / "blender" / "settings.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "tutorial-artist.md").read_text(encoding="utf-8")
    named = {part.strip() for words in re.findall(r"\*\*([^*]+)\*\*", page) for part in words.split(">")}
    assert len(named) > 20
    assert sorted(word for word in named if f'"{word}"' not in shown and word not in ("SynGen", "presets")) == []
