"""A small picture of the object itself, for the gallery: from the front right, plainly shaded. Imports numpy, images.

No renderer: the triangles are rasterised in screen space by the same code as in UV space, nearest first.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ..images import Array, linear_to_srgb, srgb_to_linear
from .mesh import MeshArrays, Reals, diagonal, subdivide, weld
from .rasterize import Longs, rasterize
from .surface import corner_normals, interpolate

AZIMUTH, ELEVATION = np.radians(32.0), np.radians(18.0)
SAMPLES = 2
"""Side of a pixel's grid of samples."""
FINE = 1 / 48
"""Triangles are cut to this part of the diagonal: small ones can be sorted by depth as a whole."""
MOST_TRIANGLES = 120_000
MARGIN = 0.04


@dataclass(frozen=True)
class Portrait:
    """An object seen once, to be painted often: S x S samples, flat. slot: -1 where there is nothing."""

    side: int
    slot: Longs
    uv: Array
    shade: Array


def pose(mesh: MeshArrays, side: int, up: tuple[float, float, float] = (0, 0, 1)) -> Portrait:
    """See the object in a picture of side x side pixels, straight on from the front right and a little above."""
    fine = subdivide(weld(mesh), max(diagonal(mesh.vertices) * FINE, 1e-9), max(MOST_TRIANGLES, len(mesh.triangles)))
    right, over, towards = _axes(up)
    points = np.asarray(fine.vertices, np.float64)
    screen = np.stack([points @ right, points @ over], axis=1)
    low, high = screen.min(axis=0), screen.max(axis=0)
    scale = (1 - 2 * MARGIN) / max(float((high - low).max()), 1e-9)
    screen = (screen - (low + high) / 2) * scale + 0.5
    nearest_first = np.argsort(-(points @ towards)[fine.triangles].mean(axis=1), kind="stable")
    fine = MeshArrays(fine.vertices, fine.triangles[nearest_first], fine.uvs[nearest_first], fine.slots[nearest_first])
    samples = side * SAMPLES
    flat = np.zeros(len(fine.triangles), np.float32)
    raster = rasterize(screen[fine.triangles].astype(np.float32), flat, samples, samples)
    triangle = raster.triangle.ravel()
    seen = np.flatnonzero(triangle >= 0)
    slot = np.full(samples * samples, -1, np.int64)
    uv = np.zeros((samples * samples, 2), np.float32)
    shade = np.zeros(samples * samples, np.float32)
    slot[seen] = fine.slots[triangle[seen]]
    uv[seen] = interpolate(raster, seen, fine.uvs)
    normal = interpolate(raster, seen, corner_normals(fine))
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    # A face seen from behind (a sheet, flipped normals) is lit as if it faced us.
    normal = normal * np.where(normal @ towards < 0, -1.0, 1.0)[:, None]
    key = 0.55 * towards - 0.55 * right + 0.65 * over
    shade[seen] = 0.30 + 0.95 * np.maximum(normal @ (key / np.linalg.norm(key)), 0)
    return Portrait(side, slot, uv, shade)


def paint(portrait: Portrait, colors_srgb: dict[int, Array]) -> Array:
    """side x side x 4 sRGB with alpha: the pose with a texture (H x W x 3) a slot; other slots are grey."""
    samples = portrait.side * SAMPLES
    color = np.full((samples * samples, 3), 0.18, np.float32)
    for slot, texture in colors_srgb.items():
        own = np.flatnonzero(portrait.slot == slot)
        height, width = texture.shape[:2]
        u, v = portrait.uv[own, 0] % 1.0, portrait.uv[own, 1] % 1.0
        columns = np.minimum((u * width).astype(np.int64), width - 1)
        rows = np.minimum(((1 - v) * height).astype(np.int64), height - 1)
        color[own] = srgb_to_linear(texture[rows, columns])
    alpha = (portrait.slot >= 0).astype(np.float32)[:, None]
    layered = np.concatenate([color * portrait.shade[:, None] * alpha, alpha], axis=1).reshape(samples, samples, 4)
    small = cv2.resize(layered, (portrait.side, portrait.side), interpolation=cv2.INTER_AREA)
    small[..., :3] = linear_to_srgb(small[..., :3] / np.maximum(small[..., 3:], 1e-6))
    return np.asarray(np.clip(small, 0, 1), np.float32)


def worn_at(base_srgb: Array, color_srgb: Array, onset: Array, level: float, softness: float = 0.04) -> Array:
    """H x W x 3 sRGB: a base texture worn to a level (0 to 1), all three H x W.

    The front is as soft as in the material, and narrows towards 0 and 1 as there; stains ahead of it are left out.
    """
    if level <= 0:
        return base_srgb
    width = max(min(softness, 2 * min(level, 1 - level)), 1e-4)
    mask = np.clip((np.float32(level) - onset) / np.float32(width) + 0.5, 0, 1)[..., None]
    return np.asarray(base_srgb + mask * (color_srgb - base_srgb), np.float32)


def _axes(up: tuple[float, float, float]) -> tuple[Reals, Reals, Reals]:
    """(right, over, towards the viewer): unit vectors of the view."""
    vertical = np.array(up, np.float64)
    front = np.array([0.0, -1.0, 0.0]) if abs(vertical[1]) < 0.5 else np.array([0.0, 0.0, 1.0])
    side = np.cross(-front, vertical)
    flat = np.cos(AZIMUTH) * front + np.sin(AZIMUTH) * side
    towards = np.cos(ELEVATION) * flat + np.sin(ELEVATION) * vertical
    right = np.cross(-towards, vertical)
    right = right / np.linalg.norm(right)
    return right, np.cross(right, -towards), towards
