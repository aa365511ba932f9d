"""Small modelling kit: lathe, tube, prism and their exact unwraps. Imports numpy only, never bpy.

Every surface is laid out while it is built, in metres: a lathe's wall and a tube unroll to rectangles, its faces to
discs, a prism's side to a rectangle and its caps to flat pieces. `pack` puts these islands into one square atlas at one
texel density without overlap. That a part's island is known in metres is what lets `painting` set letters on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SMOOTH_UNDER_DEG = 50.0
"""Faces that meet at less than this are shaded as one surface."""


@dataclass(frozen=True)
class Island:
    """One piece of the layout.

    part: what it belongs to, such as "shell/wall". width, height: metres, as laid out. scale: texels of this island
    against the object's density. column, row: top left texel of its cell, margin included; set by `pack`.
    turned: its width runs down the atlas.
    """

    part: str
    width: float
    height: float
    slot: int = 0
    scale: float = 1.0
    column: int = 0
    row: int = 0
    turned: bool = False


@dataclass
class Part:
    """A piece of mesh: vertices (V, 3), faces as index tuples, a UV in metres for each corner, an island a face."""

    vertices: list[tuple[float, float, float]] = field(default_factory=list)
    faces: list[tuple[int, ...]] = field(default_factory=list)
    uvs: list[list[tuple[float, float]]] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    islands: list[Island] = field(default_factory=list)

    def _island(self, name: str, uv: Floats) -> Floats:
        """Open an island that just holds these UVs; returns them moved to begin at 0."""
        flat = uv.reshape(-1, 2)
        low, size = flat.min(axis=0), np.ptp(flat, axis=0)
        self.islands.append(Island(name, float(size[0]), float(size[1])))
        moved: Floats = uv - low
        return moved

    def grid(self, name: str, points: Floats, uv: Floats) -> None:
        """Quads over points (rows, columns, 3), seen from where columns run to the right as rows go up. uv alike."""
        uv = self._island(name, uv)
        rows, columns = points.shape[:2]
        first = len(self.vertices)
        self.vertices += [tuple(p) for p in points.reshape(-1, 3).tolist()]
        for i in range(rows - 1):
            for j in range(columns - 1):
                corners = ((i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j))
                self.faces.append(tuple(first + a * columns + b for a, b in corners))
                self.uvs.append([(float(uv[a, b, 0]), float(uv[a, b, 1])) for a, b in corners])
                self.owner.append(len(self.islands) - 1)

    def polygon(self, name: str, points: Floats, uv: Floats) -> None:
        """One flat face of n corners, counter-clockwise as seen; points (n, 3), uv (n, 2)."""
        uv = self._island(name, uv)
        first = len(self.vertices)
        self.vertices += [tuple(p) for p in points.tolist()]
        self.faces.append(tuple(range(first, first + len(points))))
        self.uvs.append([(float(u), float(v)) for u, v in uv])
        self.owner.append(len(self.islands) - 1)

    def welded(self) -> "Part":
        """The same with vertices nearer than 0.01 mm made one and faces without area dropped."""
        _, first, number = np.unique(
            np.round(np.array(self.vertices), 5), axis=0, return_index=True, return_inverse=True
        )
        number = number.reshape(-1)
        out = Part([self.vertices[i] for i in first], islands=self.islands)
        for face, uv, owner in zip(self.faces, self.uvs, self.owner, strict=True):
            ids = [int(number[i]) for i in face]
            keep = [k for k in range(len(ids)) if ids[k] != ids[k - 1]]
            if len(keep) >= 3 and len({ids[k] for k in keep}) == len(keep):
                out.faces.append(tuple(ids[k] for k in keep))
                out.uvs.append([uv[k] for k in keep])
                out.owner.append(owner)
        return out


@dataclass
class Model:
    """A whole object, put together from parts."""

    name: str
    parts: list[Part] = field(default_factory=list)

    def add(self, part: Part, frame: Floats | None = None, *, slot: int = 0, scale: float = 1.0) -> None:
        """Put a part where frame (4 x 4) says. slot: its material. scale: of its texels against the rest."""
        part = part.welded()
        if frame is not None:
            moved = np.array(part.vertices) @ frame[:3, :3].T + frame[:3, 3]
            part.vertices = [tuple(p) for p in moved.tolist()]
        part.islands = [replace(i, slot=slot, scale=scale) for i in part.islands]
        self.parts.append(part)

    def joined(self) -> Part:
        """All parts as one."""
        out = Part()
        for part in self.parts:
            vertex, island = len(out.vertices), len(out.islands)
            out.vertices += part.vertices
            out.faces += [tuple(vertex + i for i in f) for f in part.faces]
            out.uvs += part.uvs
            out.owner += [island + o for o in part.owner]
            out.islands += part.islands
        return out


# --- frames -----------------------------------------------------------------------------------------------------------


def move(x: float = 0, y: float = 0, z: float = 0) -> Floats:
    """A 4 x 4 translation."""
    out = np.eye(4)
    out[:3, 3] = x, y, z
    return out


def turn(axis: str, degrees: float) -> Floats:
    """A 4 x 4 rotation about x, y or z, counter-clockwise as seen from the axis' tip."""
    a, b = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    out = np.eye(4)
    out[a, a], out[a, b], out[b, a], out[b, b] = c, -s, s, c
    return out


# --- lines ------------------------------------------------------------------------------------------------------------


def rounded(
    points: Sequence[Sequence[float]], radius: float | Sequence[float], steps: int = 3, closed: bool = False
) -> Floats:
    """A polyline of 2 or 3 dimensions, corners made arcs. radius: one for all, or one a corner (0: stays sharp)."""
    line = np.array(points, float)
    count = len(line)
    radii = [radius] * count if isinstance(radius, (int, float)) else list(radius)
    out: list[Floats] = []
    for k in range(count):
        if radii[k] <= 0 or (not closed and k in (0, count - 1)):
            out.append(line[k])
            continue
        back, ahead = line[k - 1] - line[k], line[(k + 1) % count] - line[k]
        reach = min(np.linalg.norm(back), np.linalg.norm(ahead))
        back, ahead = back / np.linalg.norm(back), ahead / np.linalg.norm(ahead)
        half = np.arccos(np.clip(back @ ahead, -1, 1)) / 2
        if half > np.radians(89):
            out.append(line[k])
            continue
        cut = min(radii[k] / np.tan(half), 0.499 * reach)
        r = cut * np.tan(half)
        middle = line[k] + (back + ahead) / np.linalg.norm(back + ahead) * (r / np.sin(half))
        start, end = line[k] + back * cut - middle, line[k] + ahead * cut - middle
        sweep = np.pi - 2 * half
        for t in np.linspace(0, 1, steps + 1):
            out.append(middle + (np.sin((1 - t) * sweep) * start + np.sin(t * sweep) * end) / np.sin(sweep))
    return np.array(out)


def arc(radius: float, start_deg: float, end_deg: float, steps: int, center: Sequence[float] = (0.0, 0.0)) -> Floats:
    """Points (steps + 1, 2) on a circle."""
    a = np.radians(np.linspace(start_deg, end_deg, steps + 1))
    return np.stack([center[0] + radius * np.cos(a), center[1] + radius * np.sin(a)], axis=1)


def _lengths(line: Floats) -> Floats:
    """Length along a polyline at each of its points."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])


# --- bodies -----------------------------------------------------------------------------------------------------------


def lathe(name: str, profile: Floats | Sequence[Sequence[float]], segments: int, *, whole: bool = False) -> Part:
    """A profile of (radius, z) turned about z; the outside lies to the right of its direction (upwards: outwards).

    Runs of the profile that climb unroll to islands "<name>/wall", u along the turn from +X, v up the profile; runs
    that lie flat to "<name>/top" or "<name>/base", as discs. whole: no split, all one wall.
    """
    line = np.array(profile, float)
    delta = np.diff(line, axis=0)
    # 0 wall, 1 top (profile runs inwards), -1 base
    sort = np.where(np.abs(delta[:, 0]) > 1.0 * np.abs(delta[:, 1]), -np.sign(delta[:, 0]), 0).astype(int)
    if whole:
        sort[:] = 0
    cuts = [0, *[k for k in range(1, len(sort)) if sort[k] != sort[k - 1]], len(sort)]
    runs = [[a, b, int(sort[a])] for a, b in pairwise(cuts)]
    merged: list[list[int]] = []
    for run in runs:
        length = _lengths(line[run[0] : run[1] + 1])[-1]
        if merged and (length < 0.004 or merged[-1][2] == run[2]):
            merged[-1][1] = run[1]
        else:
            merged.append(run)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    around[-1] = around[0]
    part = Part()
    for a, b, side in merged:
        r, z = line[a : b + 1, 0], line[a : b + 1, 1]
        points = np.concatenate([r[:, None, None] * around[None], np.repeat(z[:, None, None], segments + 1, 1)], axis=2)
        along = _lengths(line[a : b + 1])
        if side == 0:
            wide = float(np.average((r[1:] + r[:-1]) / 2, weights=np.diff(along)))
            uv = np.stack(np.broadcast_arrays(angle[None] * wide, along[:, None]), axis=2)
            part.grid(f"{name}/wall", points, uv)
        else:
            rho = r[-1] + along[-1] - along if side > 0 else r[0] + along
            uv = rho[:, None, None] * around[None] * np.array([1.0, side])
            part.grid(f"{name}/{'top' if side > 0 else 'base'}", points, uv)
    return part


def frames_along(path: Floats, closed: bool = False) -> tuple[Floats, Floats, Floats]:
    """Tangent, and two directions across that turn as little as can be along the path; each (n, 3)."""
    steps = np.diff(
        np.vstack([path[-2:-1], path, path[1:2]]) if closed else np.vstack([path[:1], path, path[-1:]]), axis=0
    )
    size = np.linalg.norm(steps, axis=1, keepdims=True)
    steps = steps / np.where(size > 0, size, 1)
    tangent = steps[1:] + steps[:-1]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    first = np.array([0.0, 0.0, 1.0]) if abs(tangent[0, 2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    across = np.empty_like(path)
    for k, t in enumerate(tangent):
        first = first - t * (first @ t)
        first = first / np.linalg.norm(first)
        across[k] = first
    return tangent, across, np.cross(tangent, across)


def tube(
    name: str,
    path: Floats | Sequence[Sequence[float]],
    radius: float,
    segments: int,
    *,
    closed: bool = False,
    caps: bool = False,
    bevel: float = 0.0,
    squash: float = 1.0,
) -> Part:
    """A round rod along a path (n, 3). Island "<name>/wall": u about it, v along it; "<name>/cap" the ends.

    closed: the path ends where it begins. squash: radius across the second direction, against the first.
    A tube along +Z turns from +X; a level one begins at its top.
    """
    line = np.array(path, float)
    if closed:
        line = np.vstack([line, line[:1]])
    tangent, across, other = frames_along(line, closed)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    ring = np.cos(angle)[None, :, None] * across[:, None] + squash * np.sin(angle)[None, :, None] * other[:, None]
    ring[:, -1] = ring[:, 0]
    points = line[:, None] + radius * ring
    along = _lengths(line)
    if caps and bevel > 0:
        start, end = points[:1] * 1.0, points[-1:] * 1.0
        points[0] += tangent[0] * bevel
        points[-1] -= tangent[-1] * bevel
        start = line[0] + (start - line[0]) * (1 - bevel / radius)
        end = line[-1] + (end - line[-1]) * (1 - bevel / radius)
        points = np.concatenate([start, points, end])
        along = np.concatenate([[along[0]], along + bevel, [along[-1] + 2 * bevel]])
    if closed:
        points[-1] = points[0]
    part = Part()
    part.grid(f"{name}/wall", points, np.stack(np.broadcast_arrays(angle[None] * radius, along[:, None]), axis=2))
    if caps:
        flat = np.stack([np.cos(angle[:-1]), np.sin(angle[:-1])], axis=1) * (radius - bevel)
        part.polygon(f"{name}/cap", points[-1, :-1], flat)
        part.polygon(f"{name}/cap", points[0, :-1][::-1], flat[::-1] * np.array([-1.0, 1.0]))
    return part


def _inset(outline: Floats, by: float) -> Floats:
    """A counter-clockwise outline moved inwards by a distance, corners mitred."""
    ahead = np.roll(outline, -1, axis=0) - outline
    normal = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1) / np.linalg.norm(ahead, axis=1, keepdims=True)
    before = np.roll(normal, 1, axis=0)
    out: Floats = outline - by * (normal + before) / (1 + np.sum(normal * before, axis=1, keepdims=True))
    return out


def prism(
    name: str,
    outline: Floats | Sequence[Sequence[float]],
    length: float,
    *,
    bevel: float = 0.0,
    steps: int = 2,
    bottom: bool = True,
    top: bool = True,
) -> Part:
    """An outline (n, 2), counter-clockwise, drawn out along +Z from 0, its end edges rounded by bevel.

    Islands "<name>/wall" (u along the outline, v up), "<name>/top", "<name>/base".
    """
    flat = np.array(outline, float)
    turns = np.linspace(0, np.pi / 2, steps + 1)
    ends = [(bevel * (1 - np.sin(t)), bevel * (1 - np.cos(t))) for t in turns] if bevel > 0 else [(0.0, 0.0)]
    rings: list[tuple[float, float]] = []
    rings += ends if bottom else [(0.0, 0.0)]
    rings += [(inset, length - z) for inset, z in reversed(ends)] if top else [(0.0, length)]
    levels = np.array([z for _, z in rings])
    outlines = [_inset(flat, inset) if inset > 0 else flat for inset, _ in rings]
    points = np.array([np.column_stack([o, np.full(len(o), z)]) for o, z in zip(outlines, levels, strict=True)])
    points = np.concatenate([points, points[:, :1]], axis=1)
    around = _lengths(np.vstack([flat, flat[:1]]))
    up = _lengths(np.array(rings))
    part = Part()
    part.grid(f"{name}/wall", points, np.stack(np.broadcast_arrays(around[None], up[:, None]), axis=2))
    if top:
        part.polygon(f"{name}/top", points[-1, :-1], outlines[-1])
    if bottom:
        part.polygon(f"{name}/base", points[0, :-1][::-1], outlines[0][::-1] * np.array([-1.0, 1.0]))
    return part


def rectangle(width: float, depth: float, radius: float = 0.0, steps: int = 2) -> Floats:
    """A counter-clockwise rectangle about the origin, corners rounded."""
    w, d = width / 2, depth / 2
    corners = [(-w, -d), (w, -d), (w, d), (-w, d)]
    return rounded(corners, radius, steps, closed=True) if radius > 0 else np.array(corners)


def box(
    name: str, size: Sequence[float], bevel: float, *, bottom: bool = True, top: bool = True, steps: int = 2
) -> Part:
    """A box standing on the origin, all edges rounded."""
    return prism(
        name, rectangle(size[0], size[1], bevel, steps), size[2], bevel=bevel, steps=steps, bottom=bottom, top=top
    )


def bent_bar(name: str, angles_deg: Floats, low: Floats, high: Floats, radius: float, thickness: float) -> Part:
    """A plate wrapped about z on a circle of that outer radius, its edges rounded; from low to high at each angle.

    Islands "<name>/wall" (u about its section from the inner foot, v along the bend) and "<name>/cap".
    """
    rings = []
    for a, z0, z1 in zip(np.radians(angles_deg), low, high, strict=True):
        section = rectangle(thickness, z1 - z0, thickness * 0.45, 2) + np.array([radius - thickness / 2, (z0 + z1) / 2])
        rings.append(np.column_stack([section[:, 0] * np.cos(a), section[:, 0] * np.sin(a), section[:, 1]]))
    points = np.array(rings)[::-1]
    caps = points[0], points[-1]
    points = np.concatenate([points, points[:, :1]], axis=1)
    along = _lengths(radius * np.radians(np.asarray(angles_deg, float))[:, None])
    around = _lengths(points[0])
    part = Part()
    part.grid(f"{name}/wall", points, np.stack(np.broadcast_arrays(around[None], along[:, None]), axis=2))
    flat = rectangle(thickness, float(high[0] - low[0]), thickness * 0.45, 2)
    part.polygon(f"{name}/cap", caps[1], flat)
    flat = rectangle(thickness, float(high[-1] - low[-1]), thickness * 0.45, 2)
    part.polygon(f"{name}/cap", caps[0][::-1], flat[::-1] * np.array([-1.0, 1.0]))
    return part


# --- layout -----------------------------------------------------------------------------------------------------------


def pack(islands: Sequence[Island], size: int, margin: int) -> tuple[list[Island], float]:
    """Place every island in a square of size texels, margin free on each side. Returns them and texels a metre.

    Skyline packing, largest first, at the highest density that fits (within 1 %).
    """
    area = sum(i.width * i.height * i.scale**2 for i in islands)
    high = size / np.sqrt(area)
    low, best = high * 0.3, None
    while high / low > 1.005 or best is None:
        density = np.sqrt(low * high) if best is not None else low
        placed = _place(islands, size, margin, float(density))
        if placed is None:
            if best is None:
                low *= 0.7
                continue
            high = density
        else:
            low, best = density, placed
    return best, float(low)


def cell(island: Island, density: float, margin: int) -> tuple[int, int]:
    """Texels (across, down) of an island's cell before turning, margin included."""
    scale = density * island.scale
    return int(np.ceil(island.width * scale)) + 2 * margin, int(np.ceil(island.height * scale)) + 2 * margin


def _place(islands: Sequence[Island], size: int, margin: int, density: float) -> list[Island] | None:
    cells = [cell(i, density, margin) for i in islands]
    order = sorted(range(len(islands)), key=lambda k: (-min(cells[k]), -max(cells[k]), k))
    skyline: list[tuple[int, int, int]] = [(0, size, 0)]  # start, width, depth already used
    out: list[Island] = list(islands)
    for k in order:
        choice: tuple[int, int, int, int, int, bool] | None = None
        for turned in (False, True):
            w, h = cells[k][::-1] if turned else cells[k]
            for n, (x, _, _) in enumerate(skyline):
                if x + w > size:
                    break
                depth, left, m = 0, w, n
                while left > 0:
                    depth = max(depth, skyline[m][2])
                    left -= skyline[m][1]
                    m += 1
                if depth + h <= size and (choice is None or (depth + h, x) < choice[:2]):
                    choice = (depth + h, x, w, h, depth, turned)
        if choice is None:
            return None
        end, x, w, _, depth, turned = choice
        out[k] = replace(islands[k], column=x, row=depth, turned=turned)
        fresh: list[tuple[int, int, int]] = []
        for start, width, used in skyline:
            if start < x:
                fresh.append((start, min(width, x - start), used))
            if start + width > x + w:
                begin = max(start, x + w)
                fresh.append((begin, start + width - begin, used))
        fresh.append((x, w, end))
        fresh.sort()
        skyline = []
        for piece in fresh:
            if skyline and skyline[-1][2] == piece[2]:
                skyline[-1] = (skyline[-1][0], skyline[-1][1] + piece[1], piece[2])
            else:
                skyline.append(piece)
    return out


def atlas_uv(part: Part, islands: Sequence[Island], size: int, margin: int, density: float) -> Floats:
    """UVs (corners, 2) in 0..1 of all corners of the part's faces, in order, for placed islands."""
    flat = np.array([p for uv in part.uvs for p in uv])
    owner = np.repeat(part.owner, [len(uv) for uv in part.uvs])
    table: dict[str, Any] = {
        n: np.array([getattr(i, n) for i in islands])[owner]
        for n in ("column", "row", "turned", "scale", "width", "height")
    }
    x = flat[:, 0] * density * table["scale"]
    down = (table["height"] - flat[:, 1]) * density * table["scale"]
    across_width = np.ceil(table["width"] * density * table["scale"] - 1e-9)
    # A turned island is the upright picture turned counter-clockwise: its right end comes to lie on top.
    column = table["column"] + margin + np.where(table["turned"], down, x)
    row = table["row"] + margin + np.where(table["turned"], across_width - x, down)
    return np.stack([column / size, 1 - row / size], axis=1)


def corner_normals(part: Part) -> Floats:
    """A normal for each corner (corners, 3): area-weighted over the faces at its vertex that meet it smoothly.

    Area weights keep flat faces flat beside their bevels (the usual face-weighted normals of hard-surface models).
    """
    points = np.array(part.vertices)
    counts = np.array([len(f) for f in part.faces])
    vertex = np.array([i for f in part.faces for i in f])
    face = np.repeat(np.arange(len(counts)), counts)
    start = np.concatenate([[0], np.cumsum(counts)[:-1]])
    following = np.arange(len(vertex)) + 1
    following[start + counts - 1] = start
    # Newell: the sum of cross products of consecutive corners is twice the area vector.
    cross = np.cross(points[vertex], points[vertex[following]])
    area = np.add.reduceat(cross, start, axis=0) / 2
    unit = area / np.maximum(np.linalg.norm(area, axis=1, keepdims=True), 1e-20)
    order = np.argsort(vertex, kind="stable")
    valence = np.bincount(vertex, minlength=len(points))
    begin = np.concatenate([[0], np.cumsum(valence)[:-1]])
    normal = np.zeros((len(vertex), 3))
    limit = np.cos(np.radians(SMOOTH_UNDER_DEG))
    for k in range(int(valence.max())):
        has = valence[vertex] > k
        mate = face[order[(begin[vertex] + k)[has]]]
        smooth = np.sum(unit[face[has]] * unit[mate], axis=1) > limit
        normal[np.flatnonzero(has)[smooth]] += area[mate[smooth]]
    out: Floats = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
    return out
