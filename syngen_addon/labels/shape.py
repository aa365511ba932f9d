"""A triangle mesh made ready for silhouettes, once for all frames. Imports numpy only."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.intp]


Flags = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Edges:
    """The edges of a mesh, each with the one or two triangles that meet there; where more meet it stands again.

    ends: 2 x E, points. triangles: 2 x E; T (one behind the last) where there is none. ways: 2 x E of +1 and -1:
    whether the triangle runs through the edge from its first end to its second, or back.
    """

    ends: Longs
    triangles: Longs
    ways: Flags


@dataclass(frozen=True)
class Shape:
    """A mesh in object space. points: N x 3 float64, none of them twice and each in a triangle; triangles: T x 3."""

    points: npt.NDArray[np.float64]
    triangles: Ints

    @staticmethod
    def of(vertices: npt.NDArray[np.float32], triangles: Ints) -> "Shape":
        """The shape of a mesh: vertices V x 3, triangles T x 3. Vertices at one place become one point.

        Imported models come with their faces split along seams and hard edges: welded they have edges again.
        """
        used, corners = np.unique(triangles, return_inverse=True)
        # + 0.0: a negative zero is the same place, and other bytes.
        places = np.ascontiguousarray(vertices[used] + np.float32(0.0), np.float32)
        keys = places.view(np.dtype((np.void, places.dtype.itemsize * 3))).ravel()
        _, first, welded = np.unique(keys, return_index=True, return_inverse=True)
        points = places[first].astype(np.float64)
        return Shape(points, welded.ravel()[corners.reshape(triangles.shape)].astype(np.int32))

    @cached_property
    def bounds(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(least, greatest) coordinates; zeros for a mesh without a triangle."""
        if not len(self.points):
            return np.zeros(3), np.zeros(3)
        return self.points.min(axis=0), self.points.max(axis=0)

    @cached_property
    def columns(self) -> npt.NDArray[np.float64]:
        """3 x N: the points' x, y, z, each in one piece."""
        return np.ascontiguousarray(self.points.T)

    @cached_property
    def corners(self) -> Longs:
        """3 x T: the triangles' first, second and third points, each in one piece."""
        return np.ascontiguousarray(self.triangles.T, np.intp)

    @cached_property
    def edges(self) -> Edges:
        """Every edge with its triangles; it takes a while on large meshes."""
        count = len(self.triangles)
        half = self.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
        ways = np.where(half[:, 0] < half[:, 1], 1, -1).astype(np.int8)
        low, high = half.min(axis=1), half.max(axis=1)
        keys = low * max(len(self.points), 1) + high
        order = np.argsort(keys, kind="stable")
        order = order[low[order] != high[order]]  # of a triangle without area that was welded to a line
        keys, owner, ways = keys[order], order // 3, ways[order]
        starts = np.r_[True, keys[1:] != keys[:-1]] if len(keys) else np.zeros(0, bool)
        place = np.arange(len(keys)) - np.maximum.accumulate(np.where(starts, np.arange(len(keys)), 0))
        first = np.flatnonzero(place % 2 == 0)  # of each pair; a leftover one stands alone
        pairs = (first + 1 < len(keys)) & (place[np.minimum(first + 1, len(keys) - 1)] % 2 == 1) if len(keys) else first
        second = np.minimum(first + 1, max(len(keys) - 1, 0))
        triangles = np.array([owner[first], np.where(pairs, owner[second], count)], np.intp)
        both = np.array([ways[first], ways[second]], np.int8)
        return Edges(np.array([low[order][first], high[order][first]], np.intp), triangles, both)
