"""The dataset card of a job: what write_formats counted, what went by of its records, what of the space they cover.

Joins formats and sampling, which never import each other. Imports these and recipe; never bpy.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import recipe as recipes
from .formats.card import Card, write_card
from .formats.card_plots import Chart, Heat, Histogram
from .formats.card_tally import Tally, ranked
from .formats.write import Written
from .sampling.coverage import Coverage

FILES = ("README.md", "card.html", "card")
"""What a card is, in its job's folder."""
SHOWN_ELSEWHERE = ("level", "occlusion", "size")
"""Ranges whose charts stand among the wear and the boxes."""
MOST_NAMED = 12
"""So many empty directions of a class are named one by one; its chart shows any number."""
MOST_VIEWS = 6
"""So many classes have a chart of the directions they are seen from; the sentences name all."""


class Gathering:
    """The records of a job, as they go by on their way into the formats."""

    def __init__(self, recipe: recipes.Recipe) -> None:
        self.recipe = recipe
        self.clear()

    def clear(self) -> None:
        """Before another pass over the records."""
        self.tally = Tally(self.recipe.labels)
        self.coverage = Coverage(self.recipe)

    def add(self, record: dict[str, Any], split: str) -> None:
        """One record, with or without a target."""
        self.tally.add(record, split)
        self.coverage.add(record)

    def write(self, out: Path, about: Mapping[str, Any], written: Written, warnings: list[str]) -> None:
        """Write the card into the job's folder. about: job.json. Raises SynGenError."""
        self.coverage.known = _known(about)
        covered = self.coverage.as_dict()
        card = Card(
            self.recipe.export.title or title_of(about),
            self.recipe,
            about,
            self.tally,
            written.pictures,
            written.objects,
            written.losses,
            warnings,
            views_charts(covered),
            _lacking(covered),
            written.fits,
        )
        write_card(out, card)


def title_of(about: Mapping[str, Any]) -> str:
    """What a dataset without a title is called: after its scene. Not after its folder: the same job is the same bytes.

    The panel's copy of a scene has a name of its own, which says nothing.
    """
    scene = Path(str(about.get("scene_file", "")))
    return scene.stem if scene.name and scene.parent == Path() else "SynGen dataset"


def _known(about: Mapping[str, Any]) -> dict[str, list[str]]:
    """The environments and backgrounds that the job was given."""
    found: dict[str, list[str]] = {}
    for what, key in (("environment", "light.environments/"), ("background", "background.folder/")):
        found[what] = [name.removeprefix(key) for name in about["inputs"].get("files", {}) if name.startswith(key)]
    return found


def _lacking(covered: Mapping[str, Any]) -> list[str]:
    """What no picture covers, in sentences; the directions of a class by name."""
    said = []
    for name, about in covered["views"]["classes"].items():
        ends = [f"{a:.0f} to {b:.0f} around, {c:.0f} to {d:.0f} up" for (a, b), (c, d) in about["empty"]]
        if len(ends) > MOST_NAMED:
            said.append(f"{name} from {len(ends)} directions, which its chart shows.")
        elif ends:
            said.append(f"{name} from (degrees) {'; '.join(ends)}.")
    return said + [text for text in covered["sentences"] if "is never seen from" not in text]


def views_charts(covered: Mapping[str, Any]) -> list[Chart]:
    """What Coverage.as_dict says, as charts: directions by class, ranges, environments and backgrounds."""
    charts: list[Chart] = []
    views = covered["views"]
    classes = sorted(views["classes"].items(), key=lambda item: -sum(map(sum, item[1]["counts"])))
    for name, about in classes[:MOST_VIEWS]:
        charts.append(_sphere(name, about, views["azimuth_deg"], views["elevation_deg"]))
    for bins in covered["ranges"]:
        counted = sum(bins["counts"]) + bins["outside"]
        if bins["name"] not in SHOWN_ELSEWHERE and counted:
            note = f"{bins['outside']:,} outside of it" if bins["outside"] else ""
            edges = tuple(f"{edge:.3g}" for edge in bins["edges"])
            charts.append(Histogram(bins["title"], tuple(bins["counts"]), edges, bins["unit"], note))
    for name, title in (("environment", "Environments"), ("background", "Backgrounds")):
        counts = covered["names"].get(name, {"counts": {}, "empty": []})
        if len(counts["counts"]) + len(counts["empty"]) > 1:
            charts.append(
                ranked(title, {**counts["counts"], **dict.fromkeys(counts["empty"], 0)}, "Pictures with each")
            )
    return charts


def _sphere(name: str, about: Mapping[str, Any], azimuths: list[float], elevations: list[float]) -> Heat:
    """From where objects of a class are seen: elevation from above to below, azimuth around."""
    low = {(ends[1][0], ends[0][0]) for ends in about["empty"]}
    held = [r for r, row in enumerate(about["counts"]) if any(row) or elevations[r] in {e for e, _ in low}]
    rows = range(max(held, default=0), min(held, default=0) - 1, -1)
    empty = {
        (at, column)
        for at, row in enumerate(rows)
        for column in range(len(azimuths) - 1)
        if (elevations[row], azimuths[column]) in low
    }
    note = (
        f"{len(empty)} directions of the drawn range are not there" if empty else "Every direction of the drawn range"
    )
    return Heat(
        f"Views of {name}",
        tuple(tuple(int(n) for n in about["counts"][row]) for row in rows),
        tuple(f"{a:.0f}" for a in azimuths),
        tuple(f"{elevations[row]:.0f}" for row in (rows[0] + 1, *rows)),
        "degrees around (0: from -Y)",
        "degrees over the horizon",
        note,
        frozenset(empty),
    )
