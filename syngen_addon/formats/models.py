"""The targets' meshes as PLY files, and the pixels that one covers. Imports errors, files, scan, numpy.

A job keeps them in models/, one a target by its number, in object space: metres, without the object's own scale.
"""

import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import SynGenError
from ..files import write_bytes
from ..scan import ahead_of, crossings, lines, sides

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

_HEADER = re.compile(
    rb"ply\nformat binary_little_endian 1\.0\nelement vertex (\d+)\n(?:property float \w+\n){6}"
    rb"element face (\d+)\nproperty list uchar int vertex_indices\nend_header\n"
)
FACE = np.dtype([("corners", "u1"), ("vertices", "<i4", 3)])
DIRECTIONS = 1000
CHUNK = 100_000


@dataclass(frozen=True)
class Model:
    """vertices: V x 3. triangles: T x 3, counter-clockwise seen from outside."""

    vertices: Floats
    triangles: Ints


def model_file(index: int) -> str:
    """Where a target's mesh lies inside its job's folder."""
    return f"models/{index:06d}.ply"


def write_model(path: Path, model: Model) -> None:
    """Write a binary PLY file with normals at its vertices. Raises SynGenError where it cannot be written."""
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(model.vertices)}\n"
        + "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
        + f"element face {len(model.triangles)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    faces = np.zeros(len(model.triangles), FACE)
    faces["corners"], faces["vertices"] = 3, model.triangles
    rows = np.concatenate([model.vertices, normals_of(model)], axis=1).astype("<f4")
    write_bytes(path, header.encode("ascii") + rows.tobytes() + faces.tobytes())


def read_model(path: Path) -> Model:
    """What `write_model` wrote. Raises SynGenError where it is missing or something else."""
    mend = "Delete the record of frame 0 and run the job again with labels.geometry = true: it writes the models anew."
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SynGenError(f"The model {path} is missing.", mend) from error
    found = _HEADER.match(data)
    counts = (int(found[1]), int(found[2])) if found else (0, 0)
    end = found.end() if found else 0
    rows = end + 24 * counts[0]
    if not end or len(data) != rows + FACE.itemsize * counts[1]:
        raise SynGenError(f"The model {path} is broken.", mend)
    vertices = np.frombuffer(data[end:rows], "<f4").reshape(-1, 6)[:, :3].astype(np.float64)
    return Model(vertices, np.frombuffer(data[rows:], FACE)["vertices"].astype(np.int32))


def normals_of(model: Model) -> Floats:
    """V x 3: the mean of the normals of the triangles around each vertex, by their area; zeros where there is none."""
    corners = model.vertices[model.triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.stack(
        [np.bincount(model.triangles.ravel(), np.repeat(faces[:, axis], 3), len(model.vertices)) for axis in range(3)],
        axis=1,
    )
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0))


def scaled(model: Model, scale: npt.ArrayLike, center: npt.ArrayLike) -> Model:
    """The model with its vertices times scale, minus center; faces keep their outside where scale mirrors it."""
    factors = np.asarray(scale, np.float64)
    triangles = model.triangles[:, ::-1] if np.prod(factors) < 0 else model.triangles
    return Model(model.vertices * factors - np.asarray(center, np.float64), np.ascontiguousarray(triangles))


def diameter(vertices: Floats) -> float:
    """The largest distance between two vertices. Where more than 2,000 could be its ends, the outermost of these in
    1,000 directions are compared, which makes it 0.3 % too small at most."""
    vertices = _outer(vertices)
    if len(vertices) > 2 * DIRECTIONS:
        turn = np.pi * (3 - np.sqrt(5)) * np.arange(DIRECTIONS)  # a Fibonacci lattice of the sphere
        z = 1 - (2 * np.arange(DIRECTIONS) + 1) / DIRECTIONS
        around = np.sqrt(1 - z * z)
        directions = np.stack([around * np.cos(turn), around * np.sin(turn), z], axis=1)
        across = np.ascontiguousarray(vertices.T)
        best = [(some @ across).argmax(axis=1) for some in np.split(directions, DIRECTIONS // 20)]
        vertices = vertices[np.unique(best)]
    longest = (((vertices[i:] - vertices[i]) ** 2).sum(axis=1).max() for i in range(len(vertices)))
    return float(np.sqrt(max(longest, default=0.0)))


def _outer(vertices: Floats) -> Floats:
    """Those that can be an end of the longest distance: both ends together lie as far from the middle as it is long, so
    each lies there at least as far as it is longer than the farthest. Of a box or a can few are left, of a ball all."""
    if len(vertices) < 3:
        return vertices
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    out = np.sqrt(((vertices - middle) ** 2).sum(axis=1))
    end, known = int(out.argmax()), 0.0
    for _ in range(4):  # a distance to beat
        lengths = ((vertices - vertices[end]) ** 2).sum(axis=1)
        end = int(lengths.argmax())
        known = max(known, float(np.sqrt(lengths[end])))
    return np.asarray(vertices[out >= (known - out.max()) * (1 - 1e-9)], np.float64)


def covered(
    points: Floats, triangles: Ints, k: tuple[float, float, float, float], size: tuple[int, int], near: float
) -> npt.NDArray[np.uint8]:
    """Height x width: 1 where a triangle lies at the pixel's centre, whatever is before it.

    points: N x 3 in the camera's frame as OpenCV has it. k: fx, fy, cx, cy in pixels, from the picture's top left
    corner. size: (width, height). near: what is nearer is not seen, in the points' unit.
    """
    ahead = points[:, 2] >= near
    corners_ahead = ahead[triangles].sum(axis=1)
    whole, cut = triangles[corners_ahead == 3], triangles[(corners_ahead == 1) | (corners_ahead == 2)]
    left, top, right, foot = (0, 0, *size) if len(cut) else _box(_pixels(points[ahead], k), size)
    across = right - left
    changes = np.zeros((foot - top) * (across + 1))
    some = (points[whole[start : start + CHUNK]] for start in range(0, len(whole), CHUNK))
    for corners in chain(some, [ahead_of(points[cut], near)]):
        row, column, turns = crossings(lines(*sides(_pixels(corners, k))), top, foot)
        at = row * (across + 1) + np.clip(column - left, 0, across)
        changes += np.bincount(at.astype(np.int64), turns, len(changes))
    mask = np.zeros(size[::-1], np.uint8)
    mask[top:foot, left:right] = np.cumsum(changes.reshape(foot - top, across + 1), axis=1)[:, :across] != 0
    return mask


def _box(places: Floats, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, top, right, foot) of whole pixels within the picture around places (N x 2)."""
    if not len(places):
        return 0, 0, 0, 0
    left, top = np.clip(np.floor(places.min(axis=0)), 0, size).astype(int).tolist()
    right, foot = np.clip(np.ceil(places.max(axis=0)), 0, size).astype(int).tolist()
    return left, top, right, foot


def _pixels(corners: Floats, k: tuple[float, float, float, float]) -> Floats:
    fx, fy, cx, cy = k
    return np.asarray(corners[..., :2] / corners[..., 2:] * (fx, fy) + (cx, cy))
