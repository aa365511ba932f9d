"""What a target is in space, and how much of it is seen: boxes, visible fraction, truncation, pose, keypoints.

Imports numpy and labels' own types. Poses follow OpenCV: x right, y down, z forward. Lengths are metres.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .layers import Body, Instance, Layers, View
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

    areas: index -> visible pixels. others: K x 8 x 3, corners in the world of the boxes of what is no target
    but may hide one. A silhouette is
    worked out only where something else's box overlaps or the border cuts: else the object is seen in full.
    """
    camera = to_camera(view)
    solid = [instance for instance in instances if instance.body is not None]
    bodies = {i.index: (i.body, camera @ i.body.matrix_world) for i in solid if i.body is not None}
    seen = {
        index: project(body.shape, matrix, view) for index, (body, matrix) in bodies.items() if areas.get(index, 0) > 0
    }
    boxes, depths = _boxes(bodies, seen, camera, view, others)
    rows = {index: row for row, index in enumerate(bodies)}
    chosen = [bodies[index] for index in seen]
    poses = poses_of([body for body, _ in chosen], np.array([matrix for _, matrix in chosen]).reshape(-1, 4, 4), view)
    found = {}
    for (index, projected), (body, matrix), pose in zip(seen.items(), chosen, poses, strict=True):
        if _may_be_hidden(rows[index], boxes, depths) or _is_cut(projected, view):
            shadow = silhouette(body.shape, projected, view)
        else:
            shadow = Silhouette(areas[index], areas[index])
        found[index] = {
            **_amounts(projected, shadow, areas[index]),
            **pose,
            "keypoints": _keypoints(body, matrix, projected, index, layers, view),
        }
    return found


def poses_of(bodies: Sequence[Body], matrices: Floats, view: View) -> list[dict[str, Any]]:
    """`pose` and `box_3d` of each body's entry. matrices: n x 4 x 4, object -> the camera's frame."""
    rotations, scales = turned(matrices[:, :3, :3])
    bounds = np.array([body.shape.bounds for body in bodies]).reshape(-1, 2, 3)
    low, high = bounds[:, 0], bounds[:, 1]
    corners = np.array([box_corners(*each) for each in bounds]).reshape(-1, 8, 3)
    corners = corners @ matrices[:, :3, :3].swapaxes(1, 2) + matrices[:, None, :3, 3]
    places = np.round(pixels(corners, view), 2) + 0.0
    ahead = (corners[..., 2] > BEHIND) | (view.kind == "ORTHO")
    centers, sizes = (low + high) / 2 * scales * view.metres, (high - low) * np.abs(scales) * view.metres
    return [
        {
            "pose": {
                "matrix_world": [numbers(row) for row in body.matrix_world],
                "rotation": numbers(rotations[i].ravel()),
                "translation_m": numbers(matrices[i, :3, 3] * view.metres),
                "scale": numbers(scales[i]),
            },
            "box_3d": {
                "center_m": numbers(centers[i]),
                "size_m": numbers(sizes[i]),
                "corners_px": [p if there else None for p, there in zip(places[i].tolist(), ahead[i], strict=True)],
            },
        }
        for i, body in enumerate(bodies)
    ]


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


def _boxes(
    bodies: Mapping[int, tuple[Body, Floats]],
    seen: Mapping[int, Projected],
    camera: Floats,
    view: View,
    others: Floats | None,
) -> tuple[Floats, Floats]:
    """(boxes in pixels, depths) of the bodies in their order, then of the others; see boxes_in_view."""
    corners = [moved(box_corners(*body.shape.bounds), matrix) for body, matrix in bodies.values()]
    more = moved(np.zeros((0, 8, 3)) if others is None else others, camera)
    boxes, depths = boxes_in_view(np.concatenate([np.array(corners).reshape(-1, 8, 3), more]), view)
    for row, index in enumerate(bodies):  # what is projected anyway has a tighter one
        if index in seen and seen[index].box is not None:
            boxes[row] = seen[index].box
            depths[row] = seen[index].depth.min(), seen[index].depth.max()
    return boxes, depths


def _may_be_hidden(row: int, boxes: Floats, depths: Floats) -> bool:
    """Whether any other box overlaps this one's and does not lie behind it altogether."""
    x0, y0, x1, y1 = boxes[row]
    overlaps = (boxes[:, 0] < x1) & (boxes[:, 2] > x0) & (boxes[:, 1] < y1) & (boxes[:, 3] > y0)
    overlaps &= depths[:, 0] < depths[row, 1]
    return int(overlaps.sum()) > int(overlaps[row])


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


def _keypoints(
    body: Body, matrix: Floats, seen: Projected, index: int, layers: Layers, view: View
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    scale = turned(matrix[None, :3, :3])[1][0] if body.keypoints else np.ones(3)
    for keypoint in body.keypoints:
        position = np.array(keypoint.position, np.float64)
        point = moved(position, matrix)
        entry: dict[str, Any] = {
            "name": keypoint.name,
            "x": None,
            "y": None,
            "visible": 0,
            "position_m": numbers(position * scale * view.metres),
        }
        if point[2] >= view.clip_start:
            place = pixels(point, view)
            entry["x"], entry["y"] = _pixel(place)
            if 0 <= place[0] < view.width and 0 <= place[1] < view.height:
                near = float(point[2]) - SUNK * _diagonal(body, matrix)
                hidden = _behind_others(place, near, index, layers) or _behind_itself(body.shape, seen, place, near)
                entry["visible"] = 1 if hidden else 2
        found.append(entry)
    return found


def _diagonal(body: Body, matrix: Floats) -> float:
    low, high = body.shape.bounds
    return float(np.linalg.norm((high - low) * np.linalg.norm(matrix[:3, :3], axis=0)))


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
    """Nine digits, which is what a float32 holds; never -0."""
    return [float(f"{value:.9g}") + 0.0 for value in values.tolist()]


def _pixel(values: Sequence[float] | Floats) -> list[float]:
    """Pixel coordinates to a hundredth; never -0."""
    return [round(float(value), 2) + 0.0 for value in values]
