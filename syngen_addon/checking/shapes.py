"""Boxes and polygons as numbers of another's file: what is wrong with one, in words. Imports the standard library."""

import math
from collections.abc import Sequence
from typing import Any

SLACK = 1.0
"""Pixels by which a box or a polygon may reach over its picture: other tools round so."""


def numbers(values: Any, count: int | None = None) -> bool:
    """Whether it is a list of finite numbers; count: of so many."""
    return (
        isinstance(values, (list, tuple))
        and (count is None or len(values) == count)
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in values)
    )


def box_fault(box: Sequence[float], width: float, height: float, slack: float = SLACK) -> tuple[str, str]:
    """(sort, sentence) of what is wrong with a box [x, y, width, height] in a picture; ("", "") where nothing is."""
    x, y, w, h = box
    if w <= 0 or h <= 0:
        return "box without area", f"Its box {_short(box)} has no area."
    if x < -slack or y < -slack or x + w > width + slack or y + h > height + slack:
        return "box outside", f"Its box {_short(box)} reaches out of the picture ({width:g} x {height:g})."
    return "", ""


def polygon_fault(points: Any, width: float, height: float, slack: float = SLACK) -> str:
    """What is wrong with a polygon [x, y, x, y, ...]; "" where nothing is."""
    if not numbers(points):
        return "it is no list of numbers"
    if len(points) % 2:
        return f"it has {len(points)} numbers, so that a point lacks its second"
    if len(points) < 6:
        return f"it has {len(points) // 2} points; three make an area"
    xs, ys = points[::2], points[1::2]
    if min(xs) < -slack or min(ys) < -slack or max(xs) > width + slack or max(ys) > height + slack:
        return f"it reaches out of the picture ({width:g} x {height:g})"
    if area(points) == 0:
        return "it has no area"
    return ""


def area(points: Sequence[float]) -> float:
    """Of a polygon (the shoelace formula)."""
    xs, ys = points[::2], points[1::2]
    return abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2


def bounds(polygons: Sequence[Sequence[float]]) -> list[float]:
    """[x, y, width, height] around polygons."""
    xs = [x for points in polygons for x in points[::2]]
    ys = [y for points in polygons for y in points[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def differ(one: Sequence[float], other: Sequence[float], slack: float) -> bool:
    """Whether two boxes [x, y, width, height] lie further apart than slack anywhere."""
    ends = [(b[0], b[1], b[0] + b[2], b[1] + b[3]) for b in (one, other)]
    return any(abs(a - b) > slack for a, b in zip(*ends, strict=True))


def _short(box: Sequence[float]) -> str:
    return "[" + ", ".join(f"{v:g}" for v in box) + "]"
