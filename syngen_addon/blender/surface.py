"""Points of an object's surface, as sampling wants them. Imports bpy, mathutils, numpy."""

import bpy
import numpy as np
from mathutils import Matrix

from ..recipe import Recipe

POINTS = 800
"""Enough to tell how much of a pipe run a thing in front of it hides; drawing a frame takes a millisecond more."""


def points_count(recipe: Recipe) -> bool:
    """Whether a draw looks at them: something is to hide part of a target."""
    things = recipe.distractors
    return things.randomize and things.occluders[1] > 0


def surface_points(
    obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph, place: Matrix | None = None
) -> tuple[tuple[float, float, float], ...]:
    """POINTS of the evaluated surface in world space, spread evenly over its area, always the same; none of one that
    has no area. place: the matrix of a copy of the object, in place of its own.

    Even steps over the running sum of the triangles' areas choose the triangles, and an additive recurrence in two
    dimensions (M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018) the places in them.
    """
    evaluated = obj.evaluated_get(depsgraph)
    mesh = evaluated.to_mesh()
    mesh.calc_loop_triangles()
    vertices = np.empty(3 * len(mesh.vertices), np.float32)
    triangles = np.empty(3 * len(mesh.loop_triangles), np.int32)
    mesh.vertices.foreach_get("co", vertices)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    evaluated.to_mesh_clear()
    matrix = np.array(evaluated.matrix_world if place is None else place)
    places = vertices.reshape(-1, 3).astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    a, b, c = (places[triangles.reshape(-1, 3)[:, i]] for i in range(3))
    ends = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    if not len(ends) or not ends[-1] > 0:
        return ()
    chosen = np.searchsorted(ends, (np.arange(POINTS) + 0.5) / POINTS * ends[-1])
    u, v = (np.arange(POINTS) * step % 1 for step in (0.7548776662466927, 0.5698402909980532))
    u, v = np.where(u + v > 1, 1 - u, u)[:, None], np.where(u + v > 1, 1 - v, v)[:, None]
    points = a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen]
    return tuple((float(x), float(y), float(z)) for x, y, z in points)
