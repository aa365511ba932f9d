"""What of the space of views and wear a run has covered, and what not. Imports recipe and this stage's own modules.

Read off records (docs/record.md), one at a time: memory does not grow with their number.
"""

import itertools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import recipe as recipes
from .camera import azimuth
from .draws import Vector, vector

BINS = 8
"""Of every range."""
AZIMUTHS = tuple(float(v) for v in range(-180, 181, 30))
ELEVATIONS = tuple(round(math.degrees(math.asin(v / 4)), 4) for v in range(-4, 5))
"""Degrees; each band has an eighth of the sphere."""
UPS: dict[str, Vector] = {
    f"{sign}{axis}": tuple(float(f"{sign}1") if a == axis else 0.0 for a in "XYZ")  # type: ignore[misc]
    for sign in "+-"
    for axis in "XYZ"
}
UNSEEN = "none"


@dataclass
class Bins:
    """How often a number fell between each two edges. outside: below the first or over the last of them."""

    name: str
    title: str
    unit: str
    edges: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    outside: int = 0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.edges) - 1)

    def add(self, value: float) -> None:
        slack = 1e-6 * (self.edges[-1] - self.edges[0])
        if not self.edges[0] - slack <= value <= self.edges[-1] + slack:
            self.outside += 1
            return
        self.counts[_bin(self.edges, value)] += 1

    @property
    def empty(self) -> list[tuple[float, float]]:
        return [(self.edges[i], self.edges[i + 1]) for i, count in enumerate(self.counts) if not count]


@dataclass
class Coverage:
    """What `add` was given. views: by class, how often it was seen from each elevation (row) and azimuth (column).

    names: of what can be named (class, kind, environment, background, split), how many objects or pictures each has;
    known: what else there could have been of those.
    """

    recipe: recipes.Recipe
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    frames: int = 0
    without_target: int = 0
    without_geometry: int = 0
    views: dict[str, list[list[int]]] = field(default_factory=dict)
    ranges: dict[str, Bins] = field(default_factory=dict)
    names: dict[str, Counter[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        recipe = self.recipe
        wanted = (
            ("distance", "Distance of the aimed target", "x the distance at which it fits", recipe.camera.distance),
            ("focal", "Focal length", "mm", recipe.camera.focal_mm),
            ("level", "Wear level", "", recipe.wear.level),
            ("yaw", "Turned about the up axis", "degrees", recipe.pose.yaw_deg),
            ("tilt", "Tilted", "degrees", recipe.pose.tilt_deg),
        )
        sizes = tuple(2.0**-i for i in range(BINS, -1, -1))
        ranges = [Bins(n, t, u, even_edges(*ends)) for n, t, u, ends in wanted if ends[0] < ends[1]]
        ranges.append(Bins("occlusion", "Hidden share, of what is inside the picture", "", even_edges(0, 1)))
        ranges.append(Bins("size", "Box, as a share of the picture's longer side", "", sizes))
        self.ranges = {bins.name: bins for bins in ranges}
        self.up = UPS[recipe.wear.up]
        out, side = azimuth(self.up, 0.0)
        self.out, self.side = vector(out), vector(side)
        self.names = {name: Counter() for name in ("class", "kind", "environment", "background", "split")}

    def add(self, record: Mapping[str, Any]) -> None:
        """One frame's record."""
        self.frames += 1
        if record["no_target"]:
            self.without_target += 1
            return
        draw = record.get("draw") or {}
        camera = draw.get("camera")
        if camera:
            self._count("focal", camera["focal_mm"])
        for pose in (draw.get("poses") or {}).values():
            self._count("yaw", math.degrees(pose["yaw_rad"]))
            self._count("tilt", math.degrees(pose["tilt_rad"]))
        for name in ("environment", "background", "split"):
            if record.get(name):
                self.names[name][record[name]] += 1
        axes = _axes(record["camera"]) if record.get("camera") else None
        for entry in record["instances"]:
            self._instance(record, draw, axes, entry)

    def _instance(
        self,
        record: Mapping[str, Any],
        draw: Mapping[str, Any],
        axes: tuple[Vector, Vector, Vector] | None,
        entry: Mapping[str, Any],
    ) -> None:
        label = entry["classes"].get(self.recipe.labels.class_from) or UNSEEN
        self.names["class"][label] += 1
        if entry["classes"].get("kind"):
            self.names["kind"][entry["classes"]["kind"]] += 1
        self._count("level", entry["level"])
        self._count("size", math.sqrt(entry["bbox"][2] * entry["bbox"][3]) / max(record["width"], record["height"]))
        if entry.get("visible_fraction") is not None:
            inside = max(1 - entry.get("truncation", 0.0), 1e-6)
            self._count("occlusion", 1 - min(entry["visible_fraction"] / inside, 1.0))
        if not entry.get("pose") or axes is None:
            self.without_geometry += 1
            return
        towards, away = _seen_from(axes, entry)
        towards = _unposed(towards, draw, entry)
        around = math.degrees(math.atan2(_dot(towards, self.side), _dot(towards, self.out)))
        elevation = math.degrees(math.asin(min(max(_dot(towards, self.up), -1.0), 1.0)))
        if label not in self.views:
            self.views[label] = [[0] * (len(AZIMUTHS) - 1) for _ in range(len(ELEVATIONS) - 1)]
        self.views[label][_bin(ELEVATIONS, elevation)][_bin(AZIMUTHS, around)] += 1
        if entry["name"] == draw.get("aimed_at") and record["camera"].get("fx"):
            short = min(record["width"], record["height"]) / 2 / record["camera"]["fx"]
            radius = math.hypot(*entry["box_3d"]["size_m"]) / 2
            self._count("distance", away * math.sin(math.atan(short)) / max(radius, 1e-9))

    def _count(self, name: str, value: float) -> None:
        bins = self.ranges.get(name)
        if bins:
            bins.add(value)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: views, ranges and names with their bins, which of them are empty, and the same in sentences."""
        expected = _rows_expected(self.recipe)
        views = {}
        for label, grid in sorted(self.views.items()):
            rows = [i for i in range(len(grid)) if expected[i] or any(grid[i])]
            columns = _columns_expected(self.recipe)
            empty = [
                [[AZIMUTHS[c], AZIMUTHS[c + 1]], [ELEVATIONS[r], ELEVATIONS[r + 1]]]
                for r in rows
                for c in range(len(AZIMUTHS) - 1)
                if not grid[r][c] and columns[c]
            ]
            views[label] = {"counts": grid, "empty": empty}
        names = {
            name: {
                "counts": dict(sorted(counts.items())),
                "empty": sorted(set(self.known.get(name, ())) - counts.keys()),
            }
            for name, counts in self.names.items()
            if counts or self.known.get(name)
        }
        return {
            "frames": self.frames,
            "without_target": self.without_target,
            "objects_without_geometry": self.without_geometry,
            "views": {"azimuth_deg": list(AZIMUTHS), "elevation_deg": list(ELEVATIONS), "classes": views},
            "ranges": [
                {
                    "name": bins.name,
                    "title": bins.title,
                    "unit": bins.unit,
                    "edges": list(bins.edges),
                    "counts": list(bins.counts),
                    "outside": bins.outside,
                    "empty": [list(ends) for ends in bins.empty],
                }
                for bins in self.ranges.values()
            ],
            "names": names,
            "sentences": self._sentences(views, names),
        }

    def _sentences(self, views: Mapping[str, Any], names: Mapping[str, Any]) -> list[str]:
        said = []
        for label, view in views.items():
            if view["empty"]:
                count = len(view["empty"])
                said.append(f"{label} is never seen from {count} {'direction' if count == 1 else 'directions'}.")
        for bins in self.ranges.values():
            counted = sum(bins.counts) + bins.outside
            if bins.name in ("occlusion", "size") or not counted or not bins.empty:
                continue
            unit = f" {bins.unit}" if bins.unit else ""
            listed = ", ".join(f"{low:.3g} to {high:.3g}" for low, high in bins.empty)
            said.append(f"{bins.title}: nothing from {listed}{unit}.")
        for name, about in names.items():
            if about["empty"]:
                said.append(f"No picture has the {name} {', '.join(about['empty'])}.")
        return said


def coverage(
    records: Iterable[Mapping[str, Any]], recipe: recipes.Recipe, known: Mapping[str, Sequence[str]] | None = None
) -> Coverage:
    """What records cover of the recipe's ranges, and of the names known ("class", "environment", "background", ...)."""
    found = Coverage(recipe, known or {})
    for record in records:
        found.add(record)
    return found


def even_edges(low: float, high: float) -> tuple[float, ...]:
    """Of BINS bins of one width."""
    return tuple(low + (high - low) * i / BINS for i in range(BINS + 1))


# Plain numbers from here on: arrays of three would cost ten times as much, and there are a hundred thousand records.


def _bin(edges: Sequence[float], value: float) -> int:
    return min(max(bisect_right(edges, value) - 1, 0), len(edges) - 2)


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _axes(camera: Mapping[str, Any]) -> tuple[Vector, Vector, Vector]:
    """World directions of what is right of, below and before the camera."""
    matrix = camera["matrix_world"]
    columns = [(matrix[0][i], matrix[1][i], matrix[2][i]) for i in range(3)]
    right, top, back = ((x / n, y / n, z / n) for x, y, z in columns for n in (math.hypot(x, y, z),))
    return right, (-top[0], -top[1], -top[2]), (-back[0], -back[1], -back[2])


def _seen_from(axes: tuple[Vector, Vector, Vector], entry: Mapping[str, Any]) -> tuple[Vector, float]:
    """(unit vector in world space from an object's middle to the camera, the distance between them in metres)."""
    r, t, c = entry["pose"]["rotation"], entry["pose"]["translation_m"], entry["box_3d"]["center_m"]
    x, y, z = (r[3 * i] * c[0] + r[3 * i + 1] * c[1] + r[3 * i + 2] * c[2] + t[i] for i in range(3))
    away = math.hypot(x, y, z)
    scale = -1 / max(away, 1e-12)
    right, down, ahead = axes
    world = [scale * (x * right[i] + y * down[i] + z * ahead[i]) for i in range(3)]
    return (world[0], world[1], world[2]), away


def _unposed(towards: Vector, draw: Mapping[str, Any], entry: Mapping[str, Any]) -> Vector:
    """The same direction as the object would have it if it stood as in the scene."""
    rest = (draw.get("rests") or {}).get(entry["name"])
    if not rest:
        return towards
    x, y, z = (rest[0][i] * towards[0] + rest[1][i] * towards[1] + rest[2][i] * towards[2] for i in range(3))
    return x, y, z


def _rows_expected(recipe: recipes.Recipe) -> list[bool]:
    """Which bands of elevation the recipe's ranges reach; none where they do not say (from eye level)."""
    if not recipe.camera.randomize or recipe.camera.path not in ("shell", "orbit"):
        return [False] * (len(ELEVATIONS) - 1)
    low, high = (math.sin(math.radians(e)) for e in recipe.camera.elevation_deg)
    heights = [math.sin(math.radians(e)) for e in ELEVATIONS]
    return [_reaches(low, high, a, b) for a, b in itertools.pairwise(heights)]


def _columns_expected(recipe: recipes.Recipe) -> list[bool]:
    low, high = recipe.camera.azimuth_deg
    turned = recipe.pose.randomize and recipe.pose.yaw_deg[0] < recipe.pose.yaw_deg[1]
    if not recipe.camera.randomize or turned:
        return [recipe.camera.randomize] * (len(AZIMUTHS) - 1)
    return [
        any(_reaches(low, high, a + turn, b + turn) for turn in (-360, 0, 360)) for a, b in itertools.pairwise(AZIMUTHS)
    ]


def _reaches(low: float, high: float, first: float, last: float) -> bool:
    """Whether low to high has a quarter of a bin at least, or lies in it."""
    return min(high, last) - max(low, first) > min(0.25 * (last - first), 0.99 * (high - low))
