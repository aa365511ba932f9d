"""glTF models as the arrays that wear is computed on, read without Blender. Imports numpy and the package."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from syngen_addon.wear.mesh import MeshArrays

TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def load_gltf(path: Path) -> MeshArrays:
    """Every mesh of a model as one object, world space, +Z up; a slot for each material."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    buffers = [(path.parent / b["uri"]).read_bytes() for b in document["buffers"]]

    def accessor(index: int) -> np.ndarray:
        about = document["accessors"][index]
        view = document["bufferViews"][about["bufferView"]]
        kind, width = np.dtype(TYPES[about["componentType"]]), WIDTHS[about["type"]]
        start = view.get("byteOffset", 0) + about.get("byteOffset", 0)
        stride = view.get("byteStride", kind.itemsize * width)
        size = kind.itemsize * width
        raw = np.frombuffer(buffers[view["buffer"]], np.uint8, stride * (about["count"] - 1) + size, start)
        rows = np.lib.stride_tricks.as_strided(raw, (about["count"], size), (stride, 1))
        return np.ascontiguousarray(rows).view(kind).reshape(about["count"], width)

    vertices, triangles, uvs, slots, base = [], [], [], [], 0

    def visit(index: int, parent: np.ndarray) -> None:
        nonlocal base
        node = document["nodes"][index]
        world = parent @ _local(node)
        for primitive in document["meshes"][node["mesh"]]["primitives"] if "mesh" in node else ():
            points = accessor(primitive["attributes"]["POSITION"]).astype(np.float64) @ world[:3, :3].T + world[:3, 3]
            corners = accessor(primitive["indices"]).reshape(-1, 3).astype(np.int64)
            uv = accessor(primitive["attributes"]["TEXCOORD_0"])[corners] * [1, -1] + [0, 1]
            vertices.append(points @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]))
            triangles.append(corners + base)
            uvs.append(uv)
            slots.append(np.full(len(corners), primitive.get("material", 0)))
            base += len(points)
        for child in node.get("children", ()):
            visit(child, world)

    for root in document["scenes"][document.get("scene", 0)]["nodes"]:
        visit(root, np.eye(4))
    return MeshArrays(
        np.concatenate(vertices).astype(np.float32), np.concatenate(triangles).astype(np.int32),
        np.concatenate(uvs).astype(np.float32), np.concatenate(slots).astype(np.int32),
    )  # fmt: skip


def _local(node: dict[str, Any]) -> np.ndarray:
    if "matrix" in node:
        return np.array(node["matrix"]).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    turn = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    local = np.eye(4)
    local[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)))
    local[:3, 3] = node.get("translation", (0, 0, 0))
    return local
