"""What a target is in space, and how much of it is seen: boxes, visible fraction, truncation, pose, keypoints.

Imports digits, numpy and labels' own types. Poses follow OpenCV: x right, y down, z forward. Lengths are metres.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..digits import nines
from .layers import Body, Instance, Keypoint, Layers, View
from .projection import BEHIND, Floats, Projected, box_corners, boxes_in_view, moved, pixels, project, to_camera
from .shape import Shape
from .silhouette import Silhouette, silhouette

SUNK = 0.02
"""A keypoint may lie this deep (of its object's box diagonal) below the surface and still be seen."""


def geometry_of(
    instances: Sequence[Instance],
    areas: Mapping[int, int],
    layers: Layers,
    view: View,
    others: Floats | None = None,
) -> dict[int, dict[str, Any]]:
    """Index -> the geometric part of its entry in the record, for the instances with visible pixels and a body.

    areas: index -> visible pixels. others: K x 8 x 3, corners in the world of the boxes of what is no target but may
    hide one. A silhouette is worked out only where something else's box overlaps or the border cuts: else the object
    is seen in full.
    """
    solid = [(instance.index, instance.body) for instance in instances if instance.body is not None]
    camera = to_camera(view)
    matrices = camera @ np.array([body.matrix_world for _, body in solid], np.float64).reshape(-1, 4, 4)
    bounds = np.array([body.shape.bounds for _, body in solid]).reshape(-1, 2, 3)
    corners = box_corners(bounds[:, 0], bounds[:, 1])
    corners = corners @ matrices[:, :3, :3].swapaxes(1, 2) + matrices[:, None, :3, 3]
    more = moved(np.zeros((0, 8, 3)) if others is None else others, camera)
    boxes, depths = boxes_in_view(np.concatenate([corners, more]), view)
    rows = [row for row, (index, _) in enumerate(solid) if areas.get(index, 0) > 0]
    seen = [project(solid[row][1].shape, matrices[row], view) for row in rows]
    for row, projected in zip(rows, seen, strict=True):  # a tighter box than that of its corners
        if projected.box is not None:
            boxes[row] = projected.box
            depths[row] = projected.depth.min(), projected.depth.max()
    hidden = _may_be_hidden(rows, boxes, depths)
    rotations, scales = turned(matrices[rows][:, :3, :3])
    places = np.round(pixels(corners[rows], view), 2) + 0.0
    found = {}
    for i, (row, projected) in enumerate(zip(rows, seen, strict=True)):
        index, body = solid[row]
        shadow = Silhouette(areas[index], areas[index])
        if hidden[i] or _is_cut(projected, view):
            shadow = silhouette(body.shape, projected, view)
        pose = _Pose(matrices[row], rotations[i], scales[i], view.metres)
        ahead = (corners[row, :, 2] > BEHIND).tolist() if view.kind == "PERSP" else [True] * 8
        found[index] = {
            **_amounts(projected, shadow, areas[index]),
            **_in_space(body, pose),
            "keypoints": [_keypoint(each, body, pose, projected, index, layers, view) for each in body.keypoints],
        }
        found[index]["box_3d"]["corners_px"] = [
            place if there else None for place, there in zip(places[i].tolist(), ahead, strict=True)
        ]
    return found


class _Pose(NamedTuple):
    """matrix: object -> the camera's frame, in units of the scene of `metres` each, and what it consists of."""

    matrix: Floats
    rotation: Floats
    scale: Floats
    metres: float


def _in_space(body: Body, pose: _Pose) -> dict[str, Any]:
    """The parts of an entry that come from where a body stands."""
    low, high = body.shape.bounds
    return {
        "pose": {
            "matrix_world": [numbers(each) for each in body.matrix_world],
            "rotation": numbers(pose.rotation.ravel()),
            "translation_m": numbers(pose.matrix[:3, 3] * pose.metres),
            "scale": numbers(pose.scale),
        },
        "box_3d": {
            "center_m": numbers((low + high) / 2 * pose.scale * pose.metres),
            "size_m": numbers((high - low) * np.abs(pose.scale) * pose.metres),
        },
    }


def turned(matrices: Floats) -> tuple[Floats, Floats]:
    """(rotations n x 3 x 3, scales n x 3) of n x 3 x 3 matrices. Mirrored ones have negative scales; sheared ones get
    the nearest rotation (by singular values: Arun, Huang and Blostein, 1987)."""
    scales = np.linalg.norm(matrices, axis=1)
    scales[np.linalg.det(matrices) < 0] *= -1
    rotations = matrices / np.where(scales == 0, 1, scales)[:, None]
    off = np.abs(rotations.swapaxes(1, 2) @ rotations - np.eye(3)).max(axis=(1, 2), initial=0) > 1e-5
    for i in np.flatnonzero(off):
        left, _, right = np.linalg.svd(rotations[i])
        rotations[i] = left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right
    return rotations, scales


def _may_be_hidden(rows: Sequence[int], boxes: Floats, depths: Floats) -> npt.NDArray[np.bool_]:
    """For each of these rows whether any other box overlaps its own and does not lie behind it altogether."""
    mine, others = boxes[rows][:, None], boxes[None]
    overlaps = ((others[..., :2] < mine[..., 2:]) & (others[..., 2:] > mine[..., :2])).all(axis=-1)
    overlaps &= depths[None, :, 0] < depths[rows][:, None, 1]
    overlaps[np.arange(len(rows)), rows] = False
    return np.asarray(overlaps.any(axis=1))


def _is_cut(seen: Projected, view: View) -> bool:
    """Whether the border or the near plane cuts it."""
    if seen.box is None or seen.whole is not None:
        return True
    x0, y0, x1, y1 = seen.box
    return x0 < 0 or y0 < 0 or x1 > view.width or y1 > view.height


def _amounts(seen: Projected, shadow: Silhouette, area: int) -> dict[str, Any]:
    """The parts of an entry that come from its silhouette. What is seen is part of it: displaced surfaces, say."""
    inside = max(shadow.inside, area)
    whole = max(shadow.area - shadow.inside, 0) + inside
    x0, y0, x1, y1 = seen.box if seen.box is not None else (0.0, 0.0, 0.0, 0.0)
    return {
        "amodal_bbox": _pixel((x0, y0, x1 - x0, y1 - y0)),
        "silhouette_area": whole,
        "visible_fraction": round(area / whole, 6),
        "truncation": round((whole - inside) / whole, 6),
    }


# --- keypoints -------------------------------------------------------------------------------------------------------


def _keypoint(
    keypoint: Keypoint, body: Body, pose: _Pose, seen: Projected, index: int, layers: Layers, view: View
) -> dict[str, Any]:
    position = np.array(keypoint.position, np.float64)
    point = moved(position, pose.matrix)
    entry: dict[str, Any] = {
        "name": keypoint.name,
        "x": None,
        "y": None,
        "visible": 0,
        "position_m": numbers(position * pose.scale * pose.metres),
    }
    if point[2] >= view.clip_start:
        place = pixels(point, view)
        entry["x"], entry["y"] = _pixel(place)
        if 0 <= place[0] < view.width and 0 <= place[1] < view.height:
            low, high = body.shape.bounds
            near = float(point[2]) - SUNK * float(np.linalg.norm((high - low) * pose.scale))
            hidden = _behind_others(place, near, index, layers) or _behind_itself(body.shape, seen, place, near)
            entry["visible"] = 1 if hidden else 2
    return entry


def _behind_itself(shape: Shape, seen: Projected, place: Floats, depth: float) -> bool:
    """Whether a triangle of the object lies over this place of the picture, nearer than `depth`."""
    a, b, c = shape.corners
    left, above = seen.x < place[0], seen.y < place[1]
    near = seen.depth < depth
    left_a, above_a = left.take(a), above.take(a)
    # Around the place in both directions, and a corner of it is near enough.
    around = (left_a != left.take(b)) | (left_a != left.take(c))
    around &= (above_a != above.take(b)) | (above_a != above.take(c))
    around &= near.take(a) | near.take(b) | near.take(c)
    if seen.whole is not None:
        around &= seen.whole
    few = shape.triangles[np.flatnonzero(around)]
    places = np.concatenate([np.stack([seen.x[few], seen.y[few]], axis=-1), seen.loose])
    depths = np.concatenate([seen.depth[few], seen.loose_depth])
    p, q, r = places.swapaxes(0, 1)
    doubled = _cross(q - p, r - p)
    with np.errstate(divide="ignore", invalid="ignore"):
        v, w = _cross(place - p, r - p) / doubled, _cross(q - p, place - p) / doubled
        u = 1 - v - w
        # 1 / depth is linear in the picture; of an orthographic view depth is, and this lies between the corners' too.
        found = 1 / (u / depths[:, 0] + v / depths[:, 1] + w / depths[:, 2])
        return bool(((u >= 0) & (v >= 0) & (w >= 0) & (found < depth)).any())


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _behind_others(place: Floats, depth: float, index: int, layers: Layers) -> bool:
    """Whether something else is seen where the point is. At an outline the pixel's centre may miss the object."""
    height, width = layers.index.shape
    x, y = int(place[0]), int(place[1])
    if layers.index[y, x] == index:
        return False
    if layers.depth is not None:
        return bool(layers.depth[y, x] < depth)
    around = layers.index[max(y - 1, 0) : min(y + 2, height), max(x - 1, 0) : min(x + 2, width)]
    return not bool((around == index).any())


# --- numbers ---------------------------------------------------------------------------------------------------------


def numbers(values: Floats) -> list[float]:
    """A row of numbers, as records hold them."""
    return nines(values.tolist())


def _pixel(values: Sequence[float] | Floats) -> list[float]:
    """Pixel coordinates to a hundredth; never -0."""
    return [round(float(value), 2) + 0.0 for value in values]
