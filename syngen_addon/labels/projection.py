"""A view's projection: shapes, boxes and points in pixels, cut at the near plane. Imports scan, numpy and labels'
own types.

Pixel coordinates count from the picture's top left corner: the centre of the first pixel is (0.5, 0.5).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..scan import ahead_of
from .layers import View
from .shape import Shape

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BOX_EDGES = np.array([(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit])
"""The edges of a box whose corner i has its greater x, y, z where bit 0, 1, 2 of i is set."""
BEHIND = 1e-9
"""What is nearer than this has no place in the picture."""


@dataclass(frozen=True)
class Projected:
    """A shape as a view sees it.

    x, y: pixels and depth, N each, of its points; x and y mean nothing before the near plane. whole: T, triangles that
    lie beyond it altogether, None where all do. loose: M x 3 x 2 and loose_depth: M x 3, what it leaves of those that
    it cuts. box: (x0, y0, x1, y1) around all of it, None where all lies before the near plane.
    """

    x: Floats
    y: Floats
    depth: Floats
    whole: Flags | None
    loose: Floats
    loose_depth: Floats
    box: tuple[float, float, float, float] | None


def to_camera(view: View) -> Floats:
    """World -> the camera's frame as OpenCV has it (x right, y down, z forward), 4 x 4.

    The inverse is spelt out: np.linalg.inv, be the matrix ever so small, wakes the threads of the OpenBLAS in Blender
    4.5's numpy, and each then spins for tens of milliseconds, as long as all other labels of a frame take.
    """
    axes = np.array(view.matrix_world[:3, :3], np.float64)
    axes /= np.linalg.norm(axes, axis=0)
    x, y, z = axes.T
    rows = np.stack([np.cross(y, z), np.cross(z, x), np.cross(x, y)])
    rows *= np.array([[1.0], [-1.0], [-1.0]]) / (rows[0] * x).sum()
    matrix = np.eye(4)
    matrix[:3, :3] = rows
    matrix[:3, 3] = -(rows * view.matrix_world[:3, 3]).sum(axis=1)
    return matrix


def moved(points: Floats, matrix: Floats) -> Floats:
    """Points (... x 3) through a 4 x 4 matrix."""
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def pixels(points: Floats, view: View) -> Floats:
    """Points in the camera's frame (... x 3) -> pixels (... x 2); those behind the camera give nonsense."""
    depth = np.maximum(points[..., 2:], BEHIND) if view.kind == "PERSP" else 1.0
    return np.asarray(points[..., :2] / depth * (view.fx, view.fy) + (view.cx, view.cy))


def project(shape: Shape, matrix: Floats, view: View) -> Projected:
    """A shape in a view. matrix: object -> the camera's frame."""
    x, y, depth = (_row(shape.columns, row) for row in matrix[:3].tolist())
    ahead = depth >= view.clip_start if depth.min(initial=np.inf) < view.clip_start else None
    whole, cut = None, np.zeros((0, 3, 3))
    if ahead is not None:
        count = ahead[shape.triangles].sum(axis=1)
        whole = count == 3
        partly = shape.triangles[(count > 0) & ~whole]
        cut = ahead_of(np.stack([x, y, depth], axis=-1)[partly], view.clip_start)
    if view.kind == "PERSP":
        nearness = 1 / (np.maximum(depth, BEHIND) if ahead is not None else depth)
        x *= nearness
        y *= nearness
    x *= view.fx
    x += view.cx
    y *= view.fy
    y += view.cy
    loose = pixels(cut, view)
    inside_x, inside_y = (x, y) if ahead is None else (x[ahead], y[ahead])
    seen_x, seen_y = (np.concatenate([a, loose[..., i].ravel()]) for i, a in enumerate((inside_x, inside_y)))
    box = None
    if len(seen_x):
        box = float(seen_x.min()), float(seen_y.min()), float(seen_x.max()), float(seen_y.max())
    return Projected(x, y, depth, whole, loose, cut[..., 2], box)


def _row(columns: Floats, row: list[float]) -> Floats:
    """One row of a matrix times points (3 x N). Spelt out: a product of matrices this small takes thrice as long."""
    out: Floats = columns[0] * row[0]
    out += columns[1] * row[1]
    out += columns[2] * row[2]
    out += row[3]
    return out


def box_corners(low: Floats, high: Floats) -> Floats:
    """The 8 corners of boxes, ... x 8 x 3; corner i has its greater x, y, z where bit 0, 1, 2 of i is set."""
    bits = np.arange(8)[:, None] >> np.arange(3) & 1
    return np.asarray(np.where(bits == 1, high[..., None, :], low[..., None, :]))


def boxes_in_view(corners: Floats, view: View) -> tuple[Floats, Floats]:
    """Boxes (K x 8 x 3, in the camera's frame, corners in any box's order) -> (K x 4: x0, y0, x1, y1 in pixels, nan
    where a box lies behind the near plane; K x 2: least and greatest depth). Cut at the near plane."""
    depth = corners[..., 2]
    ahead = depth >= view.clip_start
    places = np.where(ahead[..., None], pixels(corners, view), np.nan)
    a, b = corners[:, BOX_EDGES[:, 0]], corners[:, BOX_EDGES[:, 1]]
    crosses = ahead[:, BOX_EDGES[:, 0]] != ahead[:, BOX_EDGES[:, 1]]
    if crosses.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (view.clip_start - a[..., 2]) / (b[..., 2] - a[..., 2])
            met = np.where(crosses[..., None], pixels(a + t[..., None] * (b - a), view), np.nan)
        places = np.concatenate([places, met], axis=1)
    least = np.where(np.isnan(places), np.inf, places).min(axis=1)
    greatest = np.where(np.isnan(places), -np.inf, places).max(axis=1)
    boxes = np.concatenate([least, greatest], axis=1)
    boxes[~np.isfinite(boxes).all(axis=1)] = np.nan
    return boxes, np.stack([depth.min(axis=1), depth.max(axis=1)], axis=1)
