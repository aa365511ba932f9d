"""Water on the surface: where it runs down, what rain reaches, how far stains come.

Imports numpy and wear's own modules.
"""

from dataclasses import dataclass

import numpy as np

from ..images import Mask
from .causes import Surface
from .mesh import Reals, along, lengths
from .rasterize import Longs

MOST_SWEEPS = 4000
"""Rows of vertices that water is followed over; longer ways (a spring of thousands of turns) begin anew."""
DRY = 4.0
"""Level of what no stain ever reaches, in Stains."""


@dataclass(frozen=True)
class Ways:
    """Where water that runs over each vertex comes from.

    left, right: V, the vertices that its way comes down between, -1 where it begins. share: V, 0 at left to 1 at
    right. length: V metres, how far that is. steep: V, 0 where water stands to 1 on walls, by the steepest face
    around. bridged: V, where it comes over from another shell. sweeps: vertices in the order in which the water
    reaches them, those of a sweep at once.
    """

    left: Longs
    right: Longs
    share: Reals
    length: Reals
    steep: Reals
    bridged: Mask
    sweeps: list[Longs]


def ways(s: Surface, up: Reals, partner: Longs | None = None) -> Ways:
    """The way water takes straight down the surface. up: unit vector against gravity.

    From each vertex the line of steepest ascent is followed through one triangle to the opposite edge and the two
    ends of that edge are interpolated, so lines stay straight across any triangulation and any UV border.
    partner: V, a vertex of another shell that touches (-1: none); where a way begins it goes on from there.
    """
    count = len(s.points)
    face_up = along(s.normal, up)
    gradient = up - s.normal * face_up[:, None]
    slope = lengths(gradient)
    best = np.full(count, 0.2)  # flatter than this, water stands
    left = np.full(count, -1, np.int64)
    right = np.full(count, -1, np.int64)
    share = np.zeros(count)
    way = np.zeros(count)
    for i in range(3):
        own, j, k = s.triangles[:, i], s.triangles[:, (i + 1) % 3], s.triangles[:, (i + 2) % 3]
        e, f = s.points[j] - s.points[own], s.points[k] - s.points[own]
        ee, ff, ef = (np.einsum("ij,ij->i", x, y) for x, y in ((e, e), (f, f), (e, f)))
        ge, gf = np.einsum("ij,ij->i", gradient, e), np.einsum("ij,ij->i", gradient, f)
        det = np.maximum(ee * ff - ef * ef, 1e-30)
        a, b = (ge * ff - gf * ef) / det, (gf * ee - ge * ef) / det
        # the ray gradient * t meets the opposite edge where a t + b t = 1
        tiny = 1e-4 * (np.abs(a) + np.abs(b))
        good = (a >= -tiny) & (b >= -tiny) & (a + b > 0) & (slope > 0.2) & (face_up > -0.6) & (s.area > 0)
        pick = np.flatnonzero(good)
        rank = slope[pick] - 1e-9 * pick  # a definite winner among equals
        order = np.argsort(rank, kind="stable")  # the last write stays: the steepest
        pick, rank = pick[order], rank[order]
        better = rank > best[own[pick]]
        pick, rank = pick[better], rank[better]
        o = own[pick]
        best[o], left[o], right[o] = rank, j[pick], k[pick]
        total = a[pick] + b[pick]
        share[o] = np.clip(b[pick] / total, 0, 1)
        way[o] = slope[pick] / total
    bridged = np.zeros(count, np.bool_)
    if partner is not None:
        bridged[_bridge(s, up, partner, left, right, share, way)] = True
    steep = np.zeros(count)
    runs = face_up > -0.6
    np.maximum.at(steep, s.triangles[runs].ravel(), np.repeat(slope[runs], 3))
    sweeps = _sweeps(left, right, share, along(s.points, up))
    return Ways(left, right, share, way, np.clip((steep - 0.2) / 0.5, 0, 1), bridged, sweeps)


def _bridge(
    s: Surface, up: Reals, partner: Longs, left: Longs, right: Longs, share: Reals, way: Reals
) -> Longs:
    """Let ways that begin at a vertex go on from its partner, where that one is no lower or has a way of its own.

    Returns those vertices.
    """
    begins = np.flatnonzero((left < 0) & (partner >= 0))
    it = partner[begins]
    height = along(s.points, up)
    lower = height[it] < height[begins]
    good = ~lower | (left[it] >= 0)
    begins, it = begins[good], it[good]
    left[begins] = right[begins] = it
    share[begins] = 0
    way[begins] = lengths(s.points[begins] - s.points[it])
    return np.asarray(begins)


def _sweeps(left: Longs, right: Longs, share: Reals, height: Reals) -> list[Longs]:
    """Vertices with a way, in an order in which what they come from is always done; cuts rings (in left and right)."""
    done = left < 0
    pending = np.flatnonzero(~done)
    pending = pending[np.argsort(-height[pending], kind="stable")]
    out: list[Longs] = []
    for _ in range(MOST_SWEEPS):
        if not len(pending):
            break
        from_left, from_right = done[left[pending]], done[right[pending]]
        t = share[pending]
        ready = (from_left | (t > 0.999)) & (from_right | (t < 0.001))
        if not ready.any():  # a ring of vertices that wait for each other: take what there is, else start here
            half = from_left | from_right
            if not half.any():
                break
            ready = half
            share[pending[half]] = np.where(from_left[half], np.where(from_right[half], t[half], 0), 1)
        now = pending[ready]
        out.append(now)
        done[now] = True
        pending = pending[~ready]
    left[pending] = right[pending] = -1
    return out


def anchors(w: Ways, points: Reals, up: Reals) -> Reals:
    """V x 3: where the way of the water that runs over each vertex began.

    Where it came over from another shell, straight above where it did: neighbours that came over from places far apart
    would otherwise have nothing in common.
    """
    anchor = points.copy()
    for now in w.sweeps:
        t = w.share[now][:, None]
        above = anchor[w.left[now]] * (1 - t) + anchor[w.right[now]] * t
        over = w.bridged[now]
        here = points[now[over]]
        above[over] = here + along(above[over] - here, up)[:, None] * up
        anchor[now] = above
    return anchor


def fuel(w: Ways, source: Reals, reach_m: float) -> Reals:
    """V, 0 to 1: how much arrives from above; where a way begins, how much it starts with.

    source: V, 0 to 1, how much each vertex gives off. reach_m: length of way over which it goes from 1 to 0.
    """
    arriving, leaving = source.copy(), source.copy()
    for now in w.sweeps:
        t, a, b = w.share[now], w.left[now], w.right[now]
        arriving[now] = leaving[a] * (1 - t) + leaving[b] * t - w.length[now] / reach_m
        leaving[now] = np.maximum(source[now], arriving[now])
    return np.clip(arriving, 0, 1)


@dataclass(frozen=True)
class Stains:
    """The stain that reaches each vertex first.

    level: V, from when on what it comes from wears, DRY where there is none. way: V metres, how far above that is.
    """

    level: Reals
    way: Reals


def stains(w: Ways, level: Reals, reach_m: float) -> Stains:
    """Stains from wear above. level: V, from when each vertex wears itself (above 1: never).

    A stain comes down reach_m while the level rises by 1; of several the one counts that arrives first.
    """
    from_level, way = np.full(len(level), DRY), np.zeros(len(level))
    out_level, out_way = np.where(level <= 1, level, DRY), np.zeros(len(level))
    for now in w.sweeps:
        t, a, b = w.share[now], w.left[now], w.right[now]
        # Beside a dry neighbour a stain keeps to its own side, rather than thin out.
        wet_a, wet_b = out_level[a] < DRY, out_level[b] < DRY
        t = np.where(wet_a == wet_b, t, np.where(wet_b, t > 0.5, t >= 0.5))
        from_level[now] = out_level[a] * (1 - t) + out_level[b] * t
        way[now] = np.where(from_level[now] < DRY, out_way[a] * (1 - t) + out_way[b] * t + w.length[now], 0)
        own = out_level[now] <= from_level[now] + way[now] / reach_m
        out_level[now] = np.where(own, out_level[now], from_level[now])
        out_way[now] = np.where(own, 0, way[now])
    return Stains(from_level, way)


TILTS = ((0.0, 0.0), *((0.6, np.pi / 3 * i) for i in range(6)))
"""(angle from the vertical, azimuth) of the directions rain comes from, radians."""


def exposure(s: Surface, up: Reals) -> Reals:
    """V, 0 where the surface is sheltered to 1 where it lies open to the rain from above.

    From each of a few directions the highest surface is noted in a grid (a shadow map, Williams 1978), its cells as
    wide as the working mesh is fine; a vertex is looked up a little off its surface.
    """
    side = np.cross(up, [1.0, 0, 0] if abs(up[0]) < 0.7 else [0, 1.0, 0])
    side /= np.linalg.norm(side)
    other = np.cross(up, side)
    cell = s.size / 110
    cloud = np.concatenate([s.points, s.middle])
    out = np.zeros(len(s.points))
    weight = 0.0
    for tilt, azimuth in TILTS:
        to_sky = np.cos(tilt) * up + np.sin(tilt) * (np.cos(azimuth) * side + np.sin(azimuth) * other)
        x = np.cross(to_sky, side if abs(to_sky @ side) < 0.8 else other)
        x /= np.linalg.norm(x)
        y = np.cross(to_sky, x)
        q = np.stack([along(cloud, x), along(cloud, y)], axis=1) / cell
        low = np.floor(q.min(axis=0)) - 4
        shape = (np.ceil(q.max(axis=0)) - low + 5).astype(np.int64)
        flat = np.rint(q - low).astype(np.int64)
        top = np.full(shape[0] * shape[1], -np.inf)
        np.maximum.at(top, flat[:, 0] * shape[1] + flat[:, 1], along(cloud, to_sky))
        off = s.points + 1.6 * cell * s.vertex_normal
        at = np.stack([along(off, x), along(off, y)], axis=1) / cell - low
        base = np.floor(at)
        f = at - base
        base = np.clip(base.astype(np.int64), 0, shape - 2)
        height = along(off, to_sky)
        seen = np.zeros(len(s.points))
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            corner = top[(base[:, 0] + i) * shape[1] + base[:, 1] + j]
            share = (f[:, 0] if i else 1 - f[:, 0]) * (f[:, 1] if j else 1 - f[:, 1])
            seen += share * np.clip((height - corner) / cell + 1.5, 0, 1)
        facing = np.clip(along(s.vertex_normal, to_sky) + 0.15, 0, 1)
        out += seen * facing
        weight += np.cos(tilt)
    return np.clip(out / weight, 0, 1)
