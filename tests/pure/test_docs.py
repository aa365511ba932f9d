"""The documents made from code are those that the code makes."""

from pathlib import Path

from syngen_addon.recipe import reference

ROOT = Path(__file__).resolve().parents[2]


def test_the_recipe_reference_is_current() -> None:
    written = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert written == reference(), "run `make docs` and commit docs/recipe.md"
