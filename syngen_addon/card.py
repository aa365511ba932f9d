"""The dataset card of a job: what write_formats counted, what went by of its records, and what of the space it covers.

Joins formats and sampling, which never import each other. Imports formats, splits' rule and the recipe; never bpy.
"""

from pathlib import Path
from typing import Any

from . import recipe as recipes
from .formats.card import Card, write_card
from .formats.card_tally import Tally
from .formats.write import Written

FILES = ("README.md", "card.html", "card")
"""What a card is, in its job's folder."""


class Gathering:
    """The records of a job, as they go by on their way into the formats."""

    def __init__(self, recipe: recipes.Recipe) -> None:
        self.recipe = recipe
        self.clear()

    def clear(self) -> None:
        """Before another pass over the records."""
        self.tally = Tally(self.recipe.labels)

    def add(self, record: dict[str, Any], split: str) -> None:
        """One record, with or without a target."""
        self.tally.add(record, split)

    def write(self, out: Path, about: dict[str, Any], written: Written, warnings: list[str]) -> None:
        """Write the card into the job's folder. about: job.json. Raises SynGenError."""
        card = Card(
            self.recipe.export.title or out.name,
            self.recipe,
            about,
            self.tally,
            written.pictures,
            written.objects,
            written.losses,
            warnings,
        )
        write_card(out, card)
