"""What makes wear start where it does, computed on the vertices of the working mesh. Imports numpy, OpenCV.

Everything here is a property of the surface in the world, never of the UV layout, so that nothing shows at the
borders of UV islands.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..images import Array
from .mesh import MeshArrays, Reals, diagonal, edge_table, lengths, neighbours
from .rasterize import Ints, Longs


@dataclass(frozen=True)
class Surface:
    """A welded mesh with what the causes need. V vertices, T triangles, E edges; float64, metres.

    of_triangle: T x 3 edge of corners 0-1, 1-2, 2-0. starts, target, via: each vertex's row of neighbours
    and the edges to them. normal, area: of triangles. vertex_area: a third of the triangles around.
    stiffness: E cotangent weights.
    """

    points: Reals
    triangles: Ints
    edges: Ints
    of_triangle: Ints
    starts: Longs
    target: Longs
    via: Longs
    normal: Reals
    area: Reals
    vertex_area: Reals
    vertex_normal: Reals
    stiffness: Reals
    size: float

    @cached_property
    def middle(self) -> Reals:
        """T x 3: the triangles' middles."""
        a, b, c = (self.points[self.triangles[:, i]] for i in range(3))
        return np.asarray((a + b + c) / 3)

    @cached_property
    def length(self) -> Reals:
        """E: the edges' lengths."""
        return lengths(self.points[self.edges[:, 1]] - self.points[self.edges[:, 0]])

    @cached_property
    def sides(self) -> tuple[Longs, Longs, Longs]:
        """Edges of two triangles, the one and the other; what else there is are rims and edges of three and more."""
        order = np.argsort(self.of_triangle.ravel(), kind="stable")
        first = np.cumsum(self.faces) - self.faces
        pair = np.flatnonzero(self.faces == 2)
        return pair, order[first[pair]] // 3, order[first[pair] + 1] // 3

    @cached_property
    def faces(self) -> Longs:
        """E: how many triangles each edge has."""
        return np.bincount(self.of_triangle.ravel(), minlength=len(self.edges))


def surface(mesh: MeshArrays) -> Surface:
    """The working mesh's geometry. mesh must be welded."""
    points = np.asarray(mesh.vertices, np.float64)
    tri = mesh.triangles
    edges, of_triangle = edge_table(tri)
    starts, target, via = neighbours(len(points), edges)
    corners = points[tri]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = lengths(cross)
    normal = cross / np.maximum(doubled, 1e-30)[:, None]
    vertex_area: Reals = np.bincount(tri.ravel(), np.repeat(doubled / 6, 3), len(points)).astype(np.float64)
    spread_out = np.repeat(cross, 3, axis=0)
    vertex_normal = np.stack([np.bincount(tri.ravel(), c, len(points)) for c in spread_out.T], axis=1)
    vertex_normal = vertex_normal / np.maximum(lengths(vertex_normal), 1e-30)[:, None]
    stiffness = np.zeros(len(edges))
    for i in range(3):  # the cotangent at corner i belongs to the edge opposite
        a, b = corners[:, (i + 1) % 3] - corners[:, i], corners[:, (i + 2) % 3] - corners[:, i]
        cotangent = np.einsum("ij,ij->i", a, b) / np.maximum(doubled, 1e-30)
        stiffness += np.bincount(of_triangle[:, (i + 1) % 3], np.clip(cotangent, -20, 20) / 2, len(edges))
    return Surface(
        points, tri, edges, of_triangle, starts, target, via, normal, doubled / 2,
        np.maximum(vertex_area, 1e-12 * max(vertex_area.max(), 1e-30)), vertex_normal,
        np.clip(stiffness, 1e-3, 20), diagonal(mesh.vertices),
    )  # fmt: skip


def bend(s: Surface) -> Reals:
    """E signed angles between the faces at each edge, radians: positive where convex, negative in a crease.

    The rim of an open sheet counts as a right angle; edges of three faces and more as flat.
    """
    angle = np.where(s.faces == 1, np.pi / 2, 0.0)
    pair, a, b = s.sides
    across = s.middle[b] - s.middle[a]
    cosine = np.einsum("ij,ij->i", s.normal[a], s.normal[b])
    convex = np.einsum("ij,ij->i", s.normal[a] - s.normal[b], across) < 0
    size = np.arccos(np.clip(cosine, -1, 1))
    # Faces folded onto each other with opposite winding are sheets modelled twice, not edges.
    size[(cosine < -0.999) | (s.area[a] == 0) | (s.area[b] == 0)] = 0
    angle[pair] = np.where(convex, size, -size)
    return angle


def spread(s: Surface, density: Reals, reach_m: float) -> Reals:
    """Solve (1 - reach^2 Laplace) x = density on the surface; density is given as its integral at each vertex.

    The screened Poisson equation on cotangent weights (Crane, Weischedel and Wardetzky, Geodesics in Heat, 2013,
    use it for distances): what stands on a line falls off as exp(-distance / reach) to both sides, whatever
    the size of the triangles. Jacobi-preconditioned conjugate gradients.
    """
    w = s.stiffness * reach_m**2
    entry = w[s.via]
    diagonal_ = s.vertex_area + np.add.reduceat(entry, s.starts)
    x: Reals = density / diagonal_
    rest = density - (diagonal_ * x - np.add.reduceat(entry * x[s.target], s.starts))
    z = rest / diagonal_
    p = z
    rho = (rest * z).sum()  # sums, not BLAS dot products: those depend on the number of threads
    goal = 1e-6 * (density * density / diagonal_).sum()
    for _ in range(60):
        if rho <= goal:
            break
        q = diagonal_ * p - np.add.reduceat(entry * p[s.target], s.starts)
        step = rho / (p * q).sum()
        x = x + step * p
        rest = rest - step * q
        z = rest / diagonal_
        rho, before = (rest * z).sum(), rho
        p = z + rho / before * p
    return x


def curvature(s: Surface, angle: Reals, reach_m: float) -> Reals:
    """V signed angles by which the surface turns within about reach_m, radians; next to an edge of angle a

    the value at distance d is a exp(-d / reach_m). Convex is positive. A groove and its lips cancel out at
    a reach wider than both.
    """
    source = np.bincount(s.edges.ravel(), np.repeat(angle * s.length / 2, 2), len(s.points)).astype(np.float64)
    return 2 * reach_m * spread(s, source, reach_m)


def crowding(s: Surface, reach_m: float) -> Reals:
    """V values, 0 on an open surface to about 1 deep inside a crevice: how much other surface is in front.

    The surface's area is gathered in a grid of cells of half the reach, blurred, and looked up a reach above
    each vertex; over a plane the same lookup gives a known value, which is subtracted.
    """
    low = s.points.min(axis=0) - 4 * reach_m
    cell = max(reach_m / 2, (np.ptp(s.points, axis=0) + 8 * reach_m).max() / 160)
    shape = np.ceil((s.points.max(axis=0) + 4 * reach_m - low) / cell).astype(int) + 2
    grid: Array = _splat((s.points - low) / cell, s.vertex_area / cell**2, shape)
    sigma = reach_m / cell
    one = np.ones(1)
    kernel = cv2.getGaussianKernel(1 | int(6 * sigma), sigma)
    for axis in range(3):
        moved = np.ascontiguousarray(np.moveaxis(grid, axis, 0))
        flat = cv2.sepFilter2D(moved.reshape(len(moved), -1), -1, one, kernel, borderType=cv2.BORDER_CONSTANT)
        grid = np.moveaxis(np.asarray(flat, np.float32).reshape(moved.shape), 0, axis)
    seen = _look_up(grid, (s.points + 1.5 * reach_m * s.vertex_normal - low) / cell)
    plane = np.exp(-0.5 * 1.5**2) / (np.sqrt(2 * np.pi) * sigma)
    return np.asarray(np.clip((seen - 1.6 * plane) / (4 * plane), 0, 1), np.float64)


def _splat(q: Reals, weight: Reals, shape: Longs) -> Array:
    """Weights of points at q (cells) shared out to the eight corners of their cells."""
    grid = np.zeros(int(np.prod(shape)))
    for flat, share in _corners(q, shape):
        grid += np.bincount(flat, share * weight, len(grid))
    return grid.reshape(shape).astype(np.float32)


def _look_up(grid: Array, q: Reals) -> Reals:
    """Trilinear interpolation of grid at q (cells)."""
    values = np.ascontiguousarray(grid).ravel()
    return np.asarray(sum(values[flat] * share for flat, share in _corners(q, np.array(grid.shape))))


def _corners(q: Reals, shape: Longs) -> list[tuple[Longs, Reals]]:
    whole = np.floor(q).astype(np.int64)
    f = q - whole
    out = []
    for corner in range(8):
        bits = np.array([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
        i = np.clip(whole + bits, 0, shape - 1)
        x, y, z = (f[:, j] if bits[j] else 1 - f[:, j] for j in range(3))
        share = x * y * z
        out.append(((i[:, 0] * shape[1] + i[:, 1]) * shape[2] + i[:, 2], share))
    return out
