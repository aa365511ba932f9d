"""The few points that a convex hull is about made of. Imports numpy alone."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

DIRECTIONS = 200


def extremes(points: Floats, count: int = DIRECTIONS) -> Floats:
    """Those of the points (N x 3) that reach farthest in `count` directions, each once, in the order they came in."""
    points = np.asarray(points, np.float64)
    if len(points) <= 8:
        return points
    found: list[int] = []
    for part in np.array_split(_directions(count), max(1, len(points) * count // 2**22)):
        found += np.argmax(points @ part.T, axis=0).tolist()
    return points[sorted(set(found))]


@lru_cache
def _directions(count: int) -> Floats:
    """Unit vectors (count + 14, 3): evenly on a spiral, and those to the faces and corners of a cube, so that a box
    gives its corners."""
    i = np.arange(count) + 0.5
    height, around = 1 - 2 * i / count, i * math.pi * (3 - math.sqrt(5))
    flat = np.sqrt(1 - height**2)
    spiral = np.stack([flat * np.cos(around), flat * np.sin(around), height], axis=1)
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / math.sqrt(3)
    return np.concatenate([spiral, corners, np.eye(3), -np.eye(3)])
