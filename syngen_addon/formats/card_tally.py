"""What the dataset card shows of the records, gathered while they go by. Imports formats.chosen, card_plots and recipe.

Its size does not grow with the job: counts in bins, and a few records that are spread over the job as samples.
"""

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import recipe as recipes
from .card_plots import Bars, Chart, Heat, Histogram
from .chosen import wear_of

SAMPLES = 12
"""So many samples are drawn, at most; twice as many are kept on the way."""
BOX_EDGES = (8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 1024)
"""Pixels; 32 and 96 part COCO's small, medium and large."""
TENTHS = tuple(f"{n / 10:g}" for n in range(11))
PERCENTS = tuple(f"{n * 10}" for n in range(11))
GRID = (16, 10)
MOST_ROWS = 14


@dataclass
class Tally:
    """Counts over a job's records; add() each once, in order."""

    labels: recipes.Labels
    frames: int = 0
    pictures: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    a_picture: Counter[int] = field(default_factory=Counter)
    boxes: list[int] = field(default_factory=lambda: [0] * (len(BOX_EDGES) + 1))
    shares: list[int] = field(default_factory=lambda: [0] * 3)
    """COCO's small, medium and large."""
    centers: list[list[int]] = field(default_factory=lambda: [[0] * GRID[0] for _ in range(GRID[1])])
    visible: list[int] = field(default_factory=lambda: [0] * 10)
    truncated: list[int] = field(default_factory=lambda: [0] * 10)
    whole: int = 0
    """Instances of which nothing is hidden or cut off."""
    cut: int = 0
    geometry: int = 0
    """Instances of which it is known what is seen of them."""
    levels: list[int] = field(default_factory=lambda: [0] * 10)
    percents: list[int] = field(default_factory=lambda: [0] * 10)
    severities: list[int] = field(default_factory=lambda: [0] * 6)
    kinds: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    instances: int = 0
    clean: int = 0
    regions: int = 0
    keypoints: int = 0
    pools: dict[str, dict[str, set[Any]]] = field(default_factory=dict)
    """What a split shows of environments, backgrounds, the ground's pictures, things and variants: no more of them than
    the job has."""
    samples: list[dict[str, Any]] = field(default_factory=list)
    _step: int = 1

    def add(self, record: dict[str, Any], split: str) -> None:
        """One record, and the split it is in."""
        self.frames += 1
        self.attempts[int(record.get("attempt", 0))] += 1
        if record["no_target"]:
            self.reasons[plain_reason(str(record.get("reason", "")))] += 1
            return
        if self.pictures % self._step == 0:
            self.samples.append(record)
            if len(self.samples) > 2 * SAMPLES:
                self.samples, self._step = self.samples[::2], self._step * 2
        self.pictures += 1
        self.sizes[(record["width"], record["height"])] += 1
        self.regions += len(record["regions"])
        count = 0
        for entry in record[self.labels.objects]:
            if entry["classes"].get(self.labels.class_from):
                count += 1
                self._box(entry["bbox"], record["width"], record["height"])
        self.a_picture[count] += 1
        for entry in record["instances"]:
            self._instance(entry)
            self._show("variants", split, (entry["name"], "", entry["variant"]))
            for layer in entry.get("layers", ()):
                self._show("variants", split, (entry["name"], layer["kind"], layer["variant"]))
        draw = record.get("draw", {})
        shown = [("environments", record.get("environment")), ("backgrounds", record.get("background"))]
        shown.append(("pictures of the ground", (draw.get("ground") or {}).get("picture")))
        shown += [
            ("things that stand about", thing["source"])
            for sort in ("distractors", "occluders")
            for thing in draw.get(sort, ())
        ]
        for what, which in shown:
            if which:
                self._show(what, split, which)

    def _show(self, what: str, split: str, which: Any) -> None:
        self.pools.setdefault(what, {}).setdefault(split, set()).add(which)

    def _box(self, box: Sequence[int], width: int, height: int) -> None:
        x, y, w, h = box
        side = math.sqrt(w * h)
        self.boxes[bisect_right(BOX_EDGES, side)] += 1
        self.shares[(side >= 32) + (side >= 96)] += 1
        column, row = int((x + w / 2) / width * GRID[0]), int((y + h / 2) / height * GRID[1])
        self.centers[min(max(row, 0), GRID[1] - 1)][min(max(column, 0), GRID[0] - 1)] += 1

    def _instance(self, entry: dict[str, Any]) -> None:
        self.instances += 1
        self.names[entry["name"]] += 1
        self.keypoints += len(entry.get("keypoints", ()))
        for kind, worn in wear_of(entry):
            self.kinds[kind] += worn["wear_area"] > 0
        self.clean += not entry["classes"].get("wear")
        self.levels[_tenth(entry["level"])] += 1
        self.percents[_tenth(entry["wear_percent"] / 100)] += 1
        severity = entry.get("severity")
        if severity is not None:
            self.severities[min(max(int(severity), 0), 5)] += 1
        if "visible_fraction" in entry:
            self.geometry += 1
            self.visible[_tenth(entry["visible_fraction"])] += 1
            self.whole += entry["visible_fraction"] > 0.995
        if entry.get("truncation"):
            self.cut += 1
            self.truncated[_tenth(entry["truncation"])] += 1

    @property
    def without(self) -> int:
        """Frames without a target."""
        return sum(self.reasons.values())

    def chosen_samples(self) -> list[dict[str, Any]]:
        """At most SAMPLES of the records, evenly spread."""
        count = min(SAMPLES, len(self.samples))
        return [self.samples[i * len(self.samples) // count] for i in range(count)]

    # --- charts

    def objects(self) -> list[Chart]:
        """How many, how large and where."""
        edges = ("0", *(str(e) for e in BOX_EDGES), "")
        first, last = _held(self.boxes)
        counts = self.boxes[first : last + 1]
        total = max(1, sum(self.shares))
        small, medium, large = (f"{100 * n / total:.0f} %" for n in self.shares)
        charts: list[Chart] = [
            Histogram(
                "Box sizes", tuple(counts), edges[first : last + 2], "square root of a box's area, pixels",
                f"small (under 32) {small}, medium {medium}, large (from 96) {large}",
            ),
            Heat(
                "Where boxes lie", tuple(map(tuple, self.centers)), ("left", *[""] * (GRID[0] - 2), "right"),
                ("top", *[""] * (GRID[1] - 2), "foot"), note="Centers of boxes in the picture",
                numbers=False, cell_height=17.0,
            ),
        ]  # fmt: skip
        most = max(self.a_picture, default=0)
        if most <= 20:
            steps = [(n, n) for n in range(most + 1)]
        else:
            wide = math.ceil((most + 1) / 20)
            steps = [(n, n + wide - 1) for n in range(0, most + 1, wide)]
        labels = tuple(str(a) if a == b else f"{a}-{b}" for a, b in steps)
        counts = [sum(self.a_picture[n] for n in range(a, b + 1)) for a, b in steps]
        none = tuple(False for _ in counts)
        charts.append(Histogram("Objects in a picture", tuple(counts), labels, "objects", expected=none))
        if len(self.names) > 1:
            charts.append(ranked("Targets", self.names, "Pictures in which each is seen"))
        return charts

    def occlusion(self) -> list[Chart]:
        """How much of the objects is seen; nothing where the records do not say it."""
        if not self.geometry:
            return []
        share = 100 * self.whole / self.geometry
        none = (False,) * 10
        charts: list[Chart] = [
            Histogram(
                "Visible fraction", tuple(self.visible), TENTHS, "seen share of an object's silhouette",
                f"{share:.0f} % of the objects are seen whole", none,
            )
        ]  # fmt: skip
        cut = 100 * self.cut / self.geometry
        charts.append(
            Histogram(
                "Truncation", tuple(self.truncated), TENTHS, "share of the silhouette out of the picture",
                f"{cut:.0f} % of the objects are cut by the border; the others are not shown", none,
            )
        )  # fmt: skip
        return charts

    def wear(self, level: tuple[float, float] | None = None) -> list[Chart]:
        """Levels, percentages, severities, kinds. level: the range it is drawn from, None where it is not drawn."""
        expected = tuple(level is not None and level[0] < (n + 1) / 10 and level[1] > n / 10 for n in range(10))
        charts: list[Chart] = [
            Histogram("Wear level", tuple(self.levels), TENTHS, "worn fraction of the surface", expected=expected),
            Histogram(
                "Wear seen", tuple(self.percents), PERCENTS, "worn share of an object's visible pixels, %",
                expected=(False,) * 10,
            ),
        ]  # fmt: skip
        if sum(self.severities):
            names = tuple(f"Ri {n}" for n in range(6))
            charts.append(
                Histogram(
                    "Severity", tuple(self.severities), names, "degree of rusting, ISO 4628-3", expected=(False,) * 6
                )
            )
        if len(self.kinds) > 1:
            charts.append(ranked("Kinds of wear", self.kinds, "Objects on which each is seen"))
        return charts


def classes_chart(objects: dict[str, dict[str, int]]) -> Bars:
    """Class balance by split. objects: split -> class -> how many."""
    splits = list(objects)
    names = list(next(iter(objects.values()), {}))
    rows = tuple((name, tuple(float(objects[s].get(name, 0)) for s in splits)) for name in names)
    kept = tuple(sorted(rows, key=lambda row: -sum(row[1]))[:40]) if len(rows) > 40 else rows
    note = f"The 40 largest of {len(rows)} classes" if len(rows) > 40 else ""
    return Bars("Objects of each class", kept, tuple(splits), note)


def plain_reason(reason: str) -> str:
    """A reason without the names and numbers that differ from frame to frame."""
    if "visible pixels" in reason:
        limit = re.search(r"labels\.min_pixels = \d+", reason)
        return f"A target is too small{f' ({limit[0]})' if limit else ''}."
    if "occlu" in reason or "hidden" in reason:
        return re.sub(r"\d+(\.\d+)? ?%?", "…", reason)
    return reason or "Not said."


def _tenth(value: float) -> int:
    return min(max(int(value * 10), 0), 9)


def _held(counts: Sequence[int]) -> tuple[int, int]:
    """The first and the last bin that hold something."""
    held = [i for i, count in enumerate(counts) if count]
    return (held[0], held[-1]) if held else (0, len(counts) - 1)


def ranked(title: str, counts: Mapping[str, int], note: str) -> Bars:
    """How many of each name, the most frequent first."""
    rows = Counter(counts).most_common(MOST_ROWS)
    if len(counts) > MOST_ROWS:
        note = f"{note}; the {MOST_ROWS} most frequent of {len(counts)}"
    return Bars(title, tuple((name.replace("_", " "), (float(n),)) for name, n in rows), note=note)
