"""The documents made from code are those that the code makes, and say what the code says."""

import re
from pathlib import Path

from syngen_addon.recipe import reference

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
