"""Values at vertices, such as a painted vertex group, as a picture in UV space. Imports numpy, images."""

import numpy as np

from ..images import Array
from .mesh import MeshArrays
from .rasterize import nearest_covered, rasterize
from .surface import interpolate, of_slot


def vertex_map(mesh: MeshArrays, slot: int, width: int, height: int, values: Array) -> Array:
    """H x W float32 of V values at the vertices, in one slot's UV layout; outside the islands the nearest texel's."""
    own = of_slot(mesh, slot)
    raster = rasterize(own.uvs, np.ones(len(own.triangles), np.float32), width, height)
    covered = raster.triangle >= 0
    if not covered.any():
        return np.zeros((height, width), np.float32)
    corners = np.asarray(values, np.float32)[own.triangles][..., None]
    picture = np.zeros(height * width, np.float32)
    texels = np.flatnonzero(covered)
    picture[texels] = interpolate(raster, texels, corners)[:, 0]
    return np.asarray(picture[nearest_covered(covered)].reshape(height, width), np.float32)
