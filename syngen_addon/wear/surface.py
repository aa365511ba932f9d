"""Where on the object each texel lies. Imports numpy, images and wear's own modules."""

import numpy as np

from ..errors import SynGenError
from ..images import Array, SurfaceMaps
from .mesh import MeshArrays, area_per_texel, triangle_areas, uv_areas, weld
from .rasterize import Longs, Raster, nearest_covered, rasterize

SMOOTH_BELOW = np.cos(np.radians(40.0))
"""Faces that meet at less than 40 degrees share a smooth normal."""
PAIRS_PER_VERTEX = 64
"""Corners at one vertex up to which each is compared with each; beyond, all are averaged."""


def of_slot(mesh: MeshArrays, slot: int) -> MeshArrays:
    """The triangles of one material slot; the vertices stay."""
    own = mesh.slots == slot
    return MeshArrays(mesh.vertices, mesh.triangles[own], mesh.uvs[own], mesh.slots[own])


def texel_side(mesh: MeshArrays, slot: int, width: int, height: int) -> float:
    """Metres a texel of a slot's width x height picture has on the surface: the root of its mean area, 0 where none."""
    part = of_slot(mesh, slot)
    texels = float(uv_areas(part.uvs).sum()) * width * height
    return float(np.sqrt(triangle_areas(part.vertices, part.triangles).sum() / texels)) if texels > 0 else 0.0


def interpolate(raster: Raster, texels: Longs, corners: Array) -> Array:
    """N x C values at flat texel indices (all covered) from values at the corners (T x 3 x C)."""
    triangle = raster.triangle.ravel()[texels]
    weights = raster.weights.reshape(-1, 2)[texels]
    first = 1 - weights.sum(axis=1, keepdims=True)
    return np.asarray(
        corners[triangle, 0] * first + corners[triangle, 1] * weights[:, :1] + corners[triangle, 2] * weights[:, 1:],
        np.float32,
    )


def surface_maps(mesh: MeshArrays, slot: int, width: int, height: int) -> SurfaceMaps:
    """World position, normal and area of each texel of a material slot's UV layout.

    Texels outside the islands are filled from their nearest covered texel; where several faces share a texel the
    first one gives position and normal and all give area. Raises SynGenError where the slot covers no texel.
    """
    part = of_slot(mesh, slot)
    raster = rasterize(part.uvs, area_per_texel(part, width, height), width, height)
    covered = raster.triangle >= 0
    if not covered.any():
        raise SynGenError(
            f"The UV map of material slot {slot + 1} covers no texel.", "Unwrap the mesh (UV > Smart UV Project)."
        )
    corners = np.concatenate([mesh.vertices[part.triangles], corner_normals(weld(part))], axis=2).astype(np.float32)
    texels = np.flatnonzero(covered)
    values = np.empty((height * width, 6), np.float32)
    for start in range(0, len(texels), 1 << 19):
        some = texels[start : start + (1 << 19)]
        values[some] = interpolate(raster, some, corners)
    values = values[nearest_covered(covered).ravel()].reshape(height, width, 6)
    normal = values[..., 3:]
    normal = normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-12)
    return SurfaceMaps(np.ascontiguousarray(values[..., :3]), normal.astype(np.float32), covered, raster.total)


def corner_normals(mesh: MeshArrays) -> Array:
    """T x 3 x 3 unit normals at the corners of a welded mesh, smooth across edges below 40 degrees.

    Each is the angle-weighted mean (Thurmer and Wuthrich 1998) over the faces at the vertex that turn less than
    that from the corner's own face.
    """
    points = np.asarray(mesh.vertices, np.float64)[mesh.triangles]
    cross = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    face = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-30)
    before, after = np.roll(points, 1, axis=1) - points, np.roll(points, -1, axis=1) - points
    lengths = np.linalg.norm(before, axis=2) * np.linalg.norm(after, axis=2)
    cosine = (before * after).sum(axis=2) / np.maximum(lengths, 1e-30)
    weighted = (np.arccos(np.clip(cosine, -1, 1))[..., None] * face[:, None, :]).reshape(-1, 3)
    vertex = mesh.triangles.ravel()
    order = np.argsort(vertex, kind="stable")
    count = np.bincount(vertex, minlength=len(mesh.vertices))
    first = np.cumsum(count) - count
    busy = count > PAIRS_PER_VERTEX
    own = np.flatnonzero(~busy[vertex])
    repeats = count[vertex[own]]
    ends = np.cumsum(repeats)
    along = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - repeats, repeats)
    me = np.repeat(own, repeats)
    other = order[np.repeat(first[vertex[own]], repeats) + along]
    alike = (face[me // 3] * face[other // 3]).sum(axis=1) >= SMOOTH_BELOW
    me, other = me[alike], other[alike]
    normal = np.stack([np.bincount(me, weighted[other, i], len(vertex)) for i in range(3)], axis=1)
    if busy.any():
        mean = np.stack([np.bincount(vertex, weighted[:, i], len(mesh.vertices)) for i in range(3)], axis=1)
        normal[busy[vertex]] = mean[vertex[busy[vertex]]]
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.where(length > 1e-12, normal / np.maximum(length, 1e-12), np.repeat(face, 3, axis=0))
    return normal.reshape(-1, 3, 3).astype(np.float32)
