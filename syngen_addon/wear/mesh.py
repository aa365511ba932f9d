"""The mesh as arrays, its checks, and the finer working mesh that wear is computed on.

Imports numpy, errors, images and wear's own rasteriser.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SynGenError
from ..images import Array
from .rasterize import Ints, Longs, rasterize

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MeshArrays:
    """A triangle mesh with UVs.

    vertices: V x 3 float32, world space, metres (object scale applied). triangles: T x 3 int32.
    uvs: T x 3 x 2 float32, one a corner. slots: T int32, material slot of each triangle.
    """

    vertices: Array
    triangles: Ints
    uvs: Array
    slots: Ints


def check_mesh(mesh: MeshArrays, slots: Collection[int] | None = None) -> list[str]:
    """Warnings about a mesh, each a sentence; slots: those that will be aged (None: all that are used).

    Raises SynGenError: no faces; vertices or UVs that are no numbers; no surface; UVs of zero area in a slot.
    """
    if len(mesh.triangles) == 0 or len(mesh.vertices) == 0:
        raise SynGenError("The mesh has no faces.", "Choose an object with a surface, or apply its modifiers.")
    if not np.isfinite(mesh.vertices[np.unique(mesh.triangles)]).all():
        raise SynGenError(
            "The mesh has vertices whose position is not a number.",
            "Delete the broken vertices, or import the object again.",
        )
    wanted = sorted(set(np.unique(mesh.slots).tolist()) if slots is None else {int(s) for s in slots})
    chosen = np.isin(mesh.slots, wanted)
    if not chosen.any():
        raise SynGenError("No face uses the chosen material slots.", "Assign the material to some faces.")
    if not np.isfinite(mesh.uvs[chosen]).all():
        raise SynGenError(
            "The UV map has coordinates that are not numbers.", "Unwrap the mesh again (UV > Smart UV Project)."
        )
    area = triangle_areas(mesh.vertices, mesh.triangles)
    if area[chosen].sum() <= 0:
        raise SynGenError("The mesh has no surface: all its faces have an area of zero.", "Check the object's scale.")
    uv_area = uv_areas(mesh.uvs)
    warnings = []
    for slot in wanted:
        name = f"material slot {slot + 1}"
        own = mesh.slots == slot
        if not own.any() or area[own].sum() == 0:
            continue
        empty = uv_area[own] <= 1e-12
        if empty.all():
            raise SynGenError(
                f"The UV map of {name} has an area of zero.",
                "Unwrap the mesh (in Edit Mode: UV > Smart UV Project).",
            )
        lost = area[own][empty].sum() / area[own].sum()
        if lost > 0.01:
            warnings.append(f"{lost:.0%} of the surface of {name} has UVs of zero area, so wear has no pattern there.")
        uvs = mesh.uvs[own]
        if uvs.min() < -1e-4 or uvs.max() > 1 + 1e-4:
            warnings.append(f"UVs of {name} lie outside the picture; they wrap around, so wear may repeat there.")
        layers = rasterize(uvs, np.ones(int(own.sum()), np.float32), 512, 512).total
        shared = float((layers > 1).sum() / max((layers > 0).sum(), 1))
        if shared > 0.005:
            warnings.append(
                f"UVs of {name} overlap: {shared:.0%} of the texels in use belong to several faces, "
                "which show the same wear."
            )
    return warnings


def triangle_areas(vertices: Array | Reals, triangles: Ints) -> Reals:
    """World area of each triangle, m2."""
    a, b, c = (np.asarray(vertices, np.float64)[triangles[:, i]] for i in range(3))
    return 0.5 * lengths(np.cross(b - a, c - a))


def uv_areas(uvs: Array | Reals) -> Reals:
    """Area of each triangle in UV space, in pictures."""
    e, f = (np.asarray(uvs[:, i] - uvs[:, 0], np.float64) for i in (1, 2))
    return np.asarray(0.5 * np.abs(e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0]))


def area_per_texel(mesh: MeshArrays, width: int, height: int) -> Array:
    """World area that one texel of width x height has on each triangle, m2; 0 where the UVs have no area."""
    uv_area = uv_areas(mesh.uvs) * width * height
    area = triangle_areas(mesh.vertices, mesh.triangles)
    return np.where(uv_area > 0, area / np.where(uv_area > 0, uv_area, 1), 0).astype(np.float32)


def along(points: npt.NDArray[Any], direction: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """N dot products of N x 3 points with a direction; unlike `@` the same to the last bit on any number of threads."""
    return np.asarray(points[:, 0] * direction[0] + points[:, 1] * direction[1] + points[:, 2] * direction[2])


def lengths(vectors: npt.NDArray[Any]) -> Reals:
    """N lengths of N x 3 vectors; several times as fast as numpy.linalg.norm along an axis of three."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)))


def diagonal(vertices: Array) -> float:
    """Length of the bounding box's diagonal, metres."""
    return float(np.linalg.norm(np.ptp(np.asarray(vertices, np.float64), axis=0)))


def weld(mesh: MeshArrays) -> MeshArrays:
    """Vertices at the same position become one, so that UV borders and split normals do not cut the surface.

    Same means: equal after rounding to a millionth of the diagonal. Unused vertices go.
    """
    used = np.unique(mesh.triangles)
    renumber = np.zeros(len(mesh.vertices), np.int32)
    renumber[used] = np.arange(len(used))
    points = np.asarray(mesh.vertices, np.float64)[used]
    low = points.min(axis=0)
    step = max(diagonal(mesh.vertices[used]) * 1e-6, 1e-12)
    cell = np.rint((points - low) / step).astype(np.int64)
    keys = (cell[:, 0] << 42) ^ (cell[:, 1] << 21) ^ cell[:, 2]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    triangles = inverse.ravel()[renumber[mesh.triangles]].astype(np.int32)
    return MeshArrays(mesh.vertices[used][first], triangles, mesh.uvs, mesh.slots)


def edge_table(triangles: Ints) -> tuple[Ints, Ints]:
    """(E x 2 vertices of each edge, lower first; T x 3 edge of corners 0-1, 1-2, 2-0)."""
    ends = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=-1).reshape(-1, 2).astype(np.int64)
    keys = (ends.min(axis=1) << 32) | ends.max(axis=1)
    unique, inverse = np.unique(keys, return_inverse=True)
    edges = np.stack([unique >> 32, unique & 0xFFFFFFFF], axis=1).astype(np.int32)
    return edges, inverse.reshape(-1, 3).astype(np.int32)


def subdivide(mesh: MeshArrays, longest_m: float, most: int) -> MeshArrays:
    """Halve edges longer than longest_m until there are none, or until there are `most` triangles.

    A cut edge is cut for all its triangles, so the surface stays closed; UVs are halved with it.
    The shape does not change.
    """
    while True:
        edges, of_triangle = edge_table(mesh.triangles)
        points = mesh.vertices[edges]
        long = lengths(points[:, 1] - points[:, 0])
        cut = long > longest_m
        room = most - len(mesh.triangles)
        if cut[of_triangle].sum() > room:
            # Not all fit: the longest edges first, which evens the mesh out.
            per_edge = np.bincount(of_triangle.ravel(), minlength=len(edges))
            order = np.argsort(-long, kind="stable")
            fits = int(np.searchsorted(np.cumsum(per_edge[order]), room))
            cut &= long > long[order[min(fits, len(order) - 1)]]
        if not cut.any():
            return mesh
        mesh = _cut(mesh, edges, of_triangle, cut)


def _cut(mesh: MeshArrays, edges: Ints, of_triangle: Ints, cut: npt.NDArray[np.bool_]) -> MeshArrays:
    """Cut the marked edges in the middle; 1, 2 or 3 cut edges make 2, 3 or 4 triangles of one."""
    middle = np.full(len(edges), -1, np.int32)
    middle[cut] = len(mesh.vertices) + np.arange(cut.sum())
    vertices = np.concatenate([mesh.vertices, mesh.vertices[edges[cut]].mean(axis=1, dtype=np.float32)])
    marks = cut[of_triangle]
    number = marks.sum(axis=1)
    # Turn each triangle so that its cut edges come first (one: edge 0; two: edges 0 and 1).
    turn = np.zeros(len(marks), np.int64)
    one, two = number == 1, number == 2
    turn[one] = np.argmax(marks[one], axis=1)
    turn[two] = (np.argmin(marks[two], axis=1) + 1) % 3
    corner = (np.arange(3) + turn[:, None]) % 3
    tri = np.take_along_axis(mesh.triangles, corner, axis=1)
    mid = np.take_along_axis(middle[of_triangle], corner, axis=1)
    uv = np.take_along_axis(mesh.uvs, corner[:, :, None], axis=1)
    six = np.concatenate([tri, mid], axis=1)  # corners 0 1 2, middles of 0-1, 1-2, 2-0
    six_uv = np.concatenate([uv, (uv + np.roll(uv, -1, axis=1)) / 2], axis=1)
    patterns = {
        0: [(0, 1, 2)],
        1: [(0, 3, 2), (3, 1, 2)],
        2: [(3, 1, 4), (0, 3, 4), (0, 4, 2)],
        3: [(0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)],
    }
    picked = [(np.flatnonzero(number == n), list(p)) for n, several in patterns.items() for p in several]
    return MeshArrays(
        vertices,
        np.concatenate([six[own][:, p] for own, p in picked]),
        np.concatenate([six_uv[own][:, p] for own, p in picked]),
        np.concatenate([mesh.slots[own] for own, _ in picked]),
    )


def neighbours(count: int, edges: Ints) -> tuple[Longs, Longs, Longs]:
    """Edges as rows: (start of each vertex's row, the neighbour of each entry, the edge of each entry)."""
    source = np.concatenate([edges[:, 0], edges[:, 1]])
    order = np.argsort(source, kind="stable")
    target = np.concatenate([edges[:, 1], edges[:, 0]])[order]
    starts = np.searchsorted(source[order], np.arange(count))
    return starts, target.astype(np.int64), (order % len(edges)).astype(np.int64)
