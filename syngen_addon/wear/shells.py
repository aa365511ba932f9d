"""Parts of a mesh: which faces hang together, how they are turned, what touches, what is a bolt or a weld.

Imports numpy and wear's own modules. Works on welded meshes.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .causes import Surface
from .mesh import MeshArrays, Reals, edge_table, lengths
from .rasterize import Ints, Longs

STITCH = 1.0
"""Samples of a surface stand for discs of this many times their distance from each other."""


def components(count: int, edges: Ints | Longs) -> Longs:
    """The lowest member of each of `count` nodes' connected component. edges: E x 2.

    Labels hook onto the smaller one and chains are cut short, a few rounds whatever the shape (Shiloach and
    Vishkin 1982).
    """
    label = np.arange(count)
    one, other = (edges[:, i].astype(np.int64) for i in (0, 1))
    while True:
        a, b = label[one], label[other]
        open_ = a != b
        if not open_.any():
            return label
        one, other, a, b = one[open_], other[open_], a[open_], b[open_]
        np.minimum.at(label, np.maximum(a, b), np.minimum(a, b))
        while (label[label] != label).any():
            label = label[label]


def oriented(mesh: MeshArrays) -> MeshArrays:
    """The welded mesh with its faces turned outwards: neighbours alike, closed shells with a positive volume.

    Shells that are open keep the side that most of their area has. Faces at edges of three and more are not compared.
    """
    edges, of_triangle = edge_table(mesh.triangles)
    flat, owner = of_triangle.ravel(), np.repeat(np.arange(len(mesh.triangles)), 3)
    count = np.bincount(flat, minlength=len(edges))
    order = np.argsort(flat, kind="stable")
    first = (np.cumsum(count) - count)[count == 2]
    one, other = order[first], order[first + 1]
    rises = (mesh.triangles < np.roll(mesh.triangles, -1, axis=1)).ravel()
    clash = rises[one] == rises[other]
    one, other = owner[one], owner[other]
    label = components(len(mesh.triangles), np.stack([one, other], axis=1))
    points = np.asarray(mesh.vertices, np.float64)
    points = points - points.mean(axis=0)
    a, b, c = (points[mesh.triangles[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    area, volume = lengths(cross) / 2, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    turn = _turns(label, one, other, clash) if clash.any() else np.zeros(len(area), np.bool_)
    sign = np.where(turn, -1.0, 1.0)
    # A pinhole or a slit does not make a shell open.
    rims = np.flatnonzero(count[flat] == 1)
    ends = points[edges[flat[rims]]]
    rim = np.bincount(label[owner[rims]], lengths(ends[:, 1] - ends[:, 0]), len(area))
    closed = rim**2 < 0.05 * np.bincount(label, area, len(area))
    inward = np.bincount(label, volume * sign, len(area)) < 0
    minority = np.bincount(label, area * sign, len(area)) < 0
    turn ^= np.where(closed, inward, minority)[label]
    if not turn.any():
        return mesh
    triangles, uvs = mesh.triangles.copy(), mesh.uvs.copy()
    triangles[turn] = triangles[turn][:, [0, 2, 1]]
    uvs[turn] = uvs[turn][:, [0, 2, 1]]
    return MeshArrays(mesh.vertices, triangles, uvs, mesh.slots)


def _turns(label: Longs, one: Longs, other: Longs, clash: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which faces to turn so that none clashes with a neighbour, going out from the first of each component."""
    count = len(label)
    source = np.concatenate([one, other])
    order = np.argsort(source, kind="stable")
    target, odd = np.concatenate([other, one])[order], np.concatenate([clash, clash])[order]
    starts = np.searchsorted(source[order], np.arange(count + 1))
    state = np.full(count, -1, np.int8)
    front = np.unique(label)
    state[front] = 0
    while len(front):
        number = starts[front + 1] - starts[front]
        entry = np.repeat(starts[front] - np.cumsum(number) + number, number) + np.arange(number.sum())
        to, value = target[entry], np.repeat(state[front], number) ^ odd[entry]
        new = state[to] < 0
        state[to[new]] = value[new]
        front = np.unique(to[new])
    return np.asarray(state == 1)


@dataclass(frozen=True)
class Touch:
    """What of another shell is nearest to each vertex. distance: V metres, inf where nothing is in reach.

    partner: V, a vertex of that shell, -1 where there is none.
    """

    distance: Reals
    partner: Longs


def touching(s: Surface, shell: Longs, reach_m: float) -> Touch:
    """The distance of each vertex to the nearest other shell, as far as reach_m.

    Shells are sampled by one vertex a cell of a third of the reach; each sample stands for a small disc.
    """
    count = len(s.points)
    distance, partner = np.full(count, np.inf), np.full(count, -1, np.int64)
    nothing = Touch(distance, partner)
    if (shell == shell[0]).all():
        return nothing
    low = s.points.min(axis=0) - 2 * reach_m
    cell = np.floor((s.points - low) / reach_m).astype(np.int64)
    size = cell.max(axis=0) + 2
    key = (cell[:, 0] * size[1] + cell[:, 1]) * size[2] + cell[:, 2]
    # Where all cells around hold one shell only, nothing touches.
    cells, of_vertex = np.unique(key, return_inverse=True)
    least, most = np.full(len(cells), count), np.full(len(cells), -1)
    np.minimum.at(least, of_vertex, shell)
    np.maximum.at(most, of_vertex, shell)
    offsets = [(a * size[1] + b) * size[2] + c for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)]
    least_near, most_near = least.copy(), most.copy()
    for offset in offsets:
        at = np.minimum(np.searchsorted(cells, cells + offset), len(cells) - 1)
        there = cells[at] == cells + offset
        least_near[there] = np.minimum(least_near[there], least[at[there]])
        most_near[there] = np.maximum(most_near[there], most[at[there]])
    ask = np.flatnonzero((least_near != most_near)[of_vertex])
    if not len(ask):
        return nothing
    fine = np.floor((s.points[ask] - low) / (reach_m / 3)).astype(np.int64)
    wide = 3 * size + 3
    order = np.lexsort(((fine[:, 0] * wide[1] + fine[:, 1]) * wide[2] + fine[:, 2], shell[ask]))
    ranked = np.stack([shell[ask], *fine.T], axis=1)[order]
    new = np.ones(len(ask), np.bool_)
    new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    samples = ask[order[new]]
    samples = samples[np.argsort(key[samples], kind="stable")]
    sorted_keys = key[samples]
    radius = STITCH * reach_m / 3
    for offset in offsets:
        begin = np.searchsorted(sorted_keys, key[ask] + offset)
        number = np.searchsorted(sorted_keys, key[ask] + offset, side="right") - begin
        for part in _parts(number):
            me = np.repeat(ask[part], number[part])
            ends = np.cumsum(number[part])
            entry = np.repeat(begin[part] - ends + number[part], number[part]) + np.arange(ends[-1] if len(ends) else 0)
            it = samples[entry]
            apart = shell[me] != shell[it]
            me, it = me[apart], it[apart]
            away = s.points[me] - s.points[it]
            over = np.einsum("ij,ij->i", away, s.vertex_normal[it])
            beside = np.sqrt(np.maximum(np.einsum("ij,ij->i", away, away) - over**2, 0))
            far = np.hypot(over, np.maximum(beside - radius, 0))
            better = far < np.minimum(distance[me], reach_m)
            me, it, far = me[better], it[better], far[better]
            nearest_last = np.argsort(-far, kind="stable")  # of several writes the last one stays
            me, it = me[nearest_last], it[nearest_last]
            distance[me], partner[me] = far[nearest_last], it
    return Touch(distance, partner)


def _parts(number: Longs) -> list[slice]:
    """Slices over which `number` adds up to about two million."""
    total = np.cumsum(number)
    cuts = np.searchsorted(total, np.arange(1 << 21, total[-1] if len(total) else 0, 1 << 21))
    bounds = np.unique(np.concatenate([[0], cuts, [len(number)]]))
    return [slice(a, b) for a, b in itertools.pairwise(bounds)]


def fasteners(s: Surface, angle: Reals, touch: Touch) -> Reals:
    """V values: 1 on bolts, rivets and weld beads, 0 elsewhere. angle: of edges, as causes.bend gives it.

    The surface is cut at its creases. What is left as a small piece that bulges, and is set into or upon something
    along most of its border, is a bolt or a rivet; a long thin one a weld bead.
    """
    pair, one, other = s.sides
    apart = lengths(s.middle[one] - s.middle[other])
    # A fillet turns by little at each of its edges, but within little way.
    tight = (angle[pair] < -np.radians(6)) & (angle[pair] < -apart / (0.004 * s.size))
    crease = (angle[pair] < -np.radians(20)) | tight
    piece = components(len(s.triangles), np.stack([one, other], axis=1)[~crease])
    ids, piece = np.unique(piece, return_inverse=True)
    count = len(ids)
    area = np.bincount(piece, s.area, count)
    inside = piece[one] == piece[other]
    bulge = np.bincount(piece[one][inside], (angle * s.length)[pair][inside], count)
    crease_length = sum(np.bincount(piece[f][~inside], s.length[pair][~inside], count) for f in (one, other))
    open_ = (s.faces == 1)[s.of_triangle]
    open_length = np.bincount(piece, (s.length[s.of_triangle] * open_).sum(axis=1), count)
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, piece, s.middle)
    np.maximum.at(high, piece, s.middle)
    across = lengths(high - low)
    near = np.isfinite(touch.distance)[s.triangles].sum(axis=1) / 3
    held = np.bincount(piece, near * s.area, count) / np.maximum(area, 1e-30)
    border = crease_length + open_length
    loose = crease_length < 0.3 * across
    # A loose piece has no border of its own: its outline is about three times what it measures across.
    outline = np.where(loose, 3 * across, np.maximum(border, 1e-12))
    bulges = bulge > 0.35 * outline
    set_in = np.where(loose, held > 0.1, crease_length > 0.6 * border)
    share = area / max(area.sum(), 1e-30)
    bolt = (share < 0.01) & (across < min(0.07, 0.09 * s.size)) & (across > 0.002 * s.size)
    width = np.where(loose, area / np.maximum(2 * across, 1e-12), 2 * area / outline)
    bead = (share < 0.03) & (width < min(0.02, 0.02 * s.size)) & (across > 4 * width) & (~loose | (held > 0.8))
    chosen = bulges & set_in & (bolt | bead)
    value = np.zeros(len(s.points))
    value[s.triangles[chosen[piece]].ravel()] = 1
    return value


def grown(s: Surface, value: Reals, reach_m: float, touch: Touch) -> Reals:
    """V values that fall off around those given as exp(-distance / reach_m), along edges and onto what touches."""
    at = np.flatnonzero(touch.partner >= 0)
    value = value.copy()
    if len(at):
        np.maximum.at(value, at, value[touch.partner[at]] * np.exp(-touch.distance[at] / reach_m))
    fade = np.exp(-s.length / reach_m)[s.via]
    for _ in range(12):
        wider = np.maximum(value, np.maximum.reduceat(value[s.target] * fade, s.starts))
        if np.max(wider - value, initial=0) < 0.02:
            break
        value = wider
    return value


def shells_of(s: Surface) -> Longs:
    """V: the shell that each vertex belongs to."""
    return components(len(s.points), s.edges)


def contact(touch: Touch, reach_m: float) -> Reals:
    """V values, 1 where another shell touches, falling off as exp(-distance / reach_m)."""
    return np.asarray(np.exp(-touch.distance / reach_m))

