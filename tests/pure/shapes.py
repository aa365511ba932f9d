"""Meshes built by hand, and independent ways to look at the maps made for them. Imports numpy and the package."""

import numpy as np

from syngen_addon.wear.mesh import MeshArrays, edge_table, weld
from syngen_addon.wear.rasterize import rasterize


def mesh_of(patches):
    """Patches (grid of points n x m x 3, box of UVs (u0, v0, u1, v1), slot) as one mesh without shared vertices.

    The normal points along (next column) x (next row).
    """
    vertices, triangles, uvs, slots, base = [], [], [], [], 0
    for points, (u0, v0, u1, v1), slot in patches:
        n, m = points.shape[:2]
        grid = base + np.arange(n * m).reshape(n, m)
        a, b, c, d = (q.ravel() for q in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]))
        own = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
        v, u = np.meshgrid(np.linspace(v0, v1, n), np.linspace(u0, u1, m), indexing="ij")
        uv = np.stack([u, v], axis=-1).reshape(-1, 2)
        vertices.append(points.reshape(-1, 3))
        triangles.append(own)
        uvs.append(uv[own - base])
        slots.append(np.full(len(own), slot))
        base += n * m
    return MeshArrays(
        np.concatenate(vertices).astype(np.float32), np.concatenate(triangles).astype(np.int32),
        np.concatenate(uvs).astype(np.float32), np.concatenate(slots).astype(np.int32),
    )  # fmt: skip


def square(corner, along, across, n=2):
    t = np.linspace(0, 1, n)
    return np.asarray(corner) + t[None, :, None] * np.asarray(along) + t[:, None, None] * np.asarray(across)


def box_patches(size=(1.0, 1.0, 1.0), at=(0.0, 0.0, 0.0), uv=(0.0, 0.0, 1.0, 1.0), slots=(0,) * 6, n=2):
    """Six islands of their own, 3 x 2 in the box of UVs: -Y, +X, +Y, -X, top, bottom."""
    x, y, z = size
    faces = [
        square((0, 0, 0), (x, 0, 0), (0, 0, z), n), square((x, 0, 0), (0, y, 0), (0, 0, z), n),
        square((x, y, 0), (-x, 0, 0), (0, 0, z), n), square((0, y, 0), (0, -y, 0), (0, 0, z), n),
        square((0, 0, z), (x, 0, 0), (0, y, 0), n), square((0, y, 0), (x, 0, 0), (0, -y, 0), n),
    ]  # fmt: skip
    u, v, w, h = uv[0], uv[1], uv[2] - uv[0], uv[3] - uv[1]
    out = []
    for i, (face, slot) in enumerate(zip(faces, slots, strict=True)):
        a, b = i % 3 / 3, i // 3 / 2
        island = (u + (a + 0.01) * w, v + (b + 0.01) * h, u + (a + 0.32) * w, v + (b + 0.49) * h)
        out.append((face + np.asarray(at), island, slot))
    return out


def box(size=(1.0, 1.0, 1.0), slots=(0,) * 6, n=2):
    return mesh_of(box_patches(size, slots=slots, n=n))


def tube_patches(radius=0.3, height=1.0, at=(0.0, 0.0, 0.0), uv=(0.0, 0.0, 1.0, 1.0), segments=48, rows=7):
    """A closed cylinder upright: its side and its two ends, laid out as strips."""
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    rim = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) * radius
    rim[-1] = rim[0]
    side = rim[None] + np.linspace(0, height, rows)[:, None, None] * [0, 0, 1]
    cap = rim[None] * np.array([1, 0.5, 1e-3])[:, None, None]
    u, v, w, h = uv[0], uv[1], uv[2] - uv[0], uv[3] - uv[1]
    islands = [(u + 0.02 * w, v + a * h, u + 0.98 * w, v + b * h) for a, b in ((0.02, 0.6), (0.64, 0.78), (0.82, 0.96))]
    grids = (side, cap + np.array([0, 0, height]), cap[::-1])
    return [(grid + np.asarray(at), island, 0) for grid, island in zip(grids, islands, strict=True)]


def cylinder(segments=48, rows=7):
    return mesh_of(tube_patches(segments=segments, rows=rows))


def sphere(n=40):
    theta, phi = np.meshgrid(np.linspace(0.01, np.pi - 0.01, n), np.linspace(0, 2 * np.pi, 2 * n), indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), -np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    return mesh_of([(points, (0.02, 0.02, 0.98, 0.98), 0)])


def machine():
    """Several parts of several sizes, 15 islands: a base, a drum that stands on it, a bolt on the base."""
    return mesh_of(
        box_patches((1.2, 0.8, 0.25), uv=(0, 0, 1, 0.45))
        + tube_patches(0.25, 0.6, (0.5, 0.4, 0.25), uv=(0, 0.46, 1, 0.92))
        + tube_patches(0.02, 0.015, (1.0, 0.2, 0.25), uv=(0, 0.93, 0.4, 1), segments=12, rows=2)
    )


def look_up(picture, uv):
    """What a picture (H x W) shows at N UVs."""
    height, width = picture.shape
    rows, columns = ((1 - uv[:, 1]) * height).astype(int) % height, (uv[:, 0] * width).astype(int) % width
    return picture[rows, columns]


def samples(mesh, count, seed=0):
    """Random points spread evenly over the world area: (position, uv, slot, triangle)."""
    rng = np.random.default_rng(seed)
    p = mesh.vertices.astype(np.float64)[mesh.triangles]
    area = np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1)
    tri = rng.choice(len(area), count, p=area / area.sum())
    w = rng.dirichlet((1, 1, 1), count)[..., None]
    return (p[tri] * w).sum(axis=1), (mesh.uvs[tri] * w).sum(axis=1), mesh.slots[tri], tri


def coverage(mesh, pictures, levels, protect=None, count=300_000):
    """Shares of the unprotected world area with onset < level, by random points: no code shared with the product."""
    _, uv, slot, _ = samples(mesh, count)
    onset, counted = np.empty(count, np.float32), np.isin(slot, list(pictures))
    for s in pictures:
        own = slot == s
        onset[own] = look_up(pictures[s], uv[own])
        if protect and s in protect:
            counted[own] &= ~look_up(protect[s], uv[own])
    return [float((onset[counted] < level).mean()) for level in levels]


def border_steps(mesh, pictures, count=24):
    """What is seen on both sides of every border edge of every UV island, at the same points of the edge.

    Three E x count arrays: one side, the other, and one further inside the one. NaN where a texel shows several faces
    or none of its own island's, as where an island is narrower than a texel.
    """
    joined = weld(mesh).triangles
    _, of_triangle = edge_table(joined)
    order = np.argsort(of_triangle.ravel(), kind="stable")
    edge = of_triangle.ravel()[order]
    next_to = np.flatnonzero(edge[1:] == edge[:-1])
    t = np.linspace(0.04, 0.96, count)[None, :, None]
    ends = []
    for corner in (order[next_to], order[next_to + 1]):
        tri, i = corner // 3, corner % 3
        p, q, inner = (mesh.uvs[tri, (i + k) % 3].astype(np.float64) for k in range(3))
        turned = (joined[tri, i] > joined[tri, (i + 1) % 3])[:, None]
        p, q = np.where(turned, q, p), np.where(turned, p, q)
        ends.append((p, q, inner, mesh.slots[tri]))
    (p, q, _, slot), (p2, q2, _, slot2) = ends
    apart = (np.abs(np.concatenate([p - p2, q - q2], axis=1)).max(axis=1) > 1e-5) | (slot != slot2)
    counted = {}
    for s, picture in pictures.items():
        own = mesh.slots == s
        counted[s] = rasterize(mesh.uvs[own], np.ones(own.sum(), np.float32), *picture.shape[::-1]).total
    apart &= np.isin(slot, list(pictures)) & np.isin(slot2, list(pictures))
    seen = []
    for (p, q, inner, slot), step in ((ends[0], 0.6), (ends[1], 0.6), (ends[0], 1.8)):
        value = np.full((int(apart.sum()), count), np.nan)
        for s, picture in pictures.items():
            here = slot[apart] == s
            a, b, c = (x[apart][here] for x in (p, q, inner))
            size = np.array(picture.shape[::-1])
            along = (b - a) * size
            along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
            inward = (c - a) * size
            inward -= along * (inward * along).sum(axis=1, keepdims=True)
            height = np.linalg.norm(inward, axis=1, keepdims=True)
            inward = inward / np.maximum(height, 1e-9) * np.minimum(step, height) / size
            uv = (a[:, None] + t * (b - a)[:, None] + inward[:, None]).reshape(-1, 2)
            value[here] = np.where(look_up(counted[s], uv) == 1, look_up(picture, uv), np.nan).reshape(-1, count)
        seen.append(value)
    return seen
