"""Setting a wear level and updating the scene, against updating it after a bare `update_tag()`.

A 50,000-vertex mesh with one level of subdivision: the bare tag subdivides it anew, set_level must not. Blender puts
the subdivision off until someone looks at the mesh, as a viewport or a renderer does after every update: so both look.
"""

import bpy
from harness import compare

from syngen_addon.blender.level import get_level, set_level

CALLS = 5
"""In one measurement: a single call is too short to time."""


def subdivided_grid() -> bpy.types.Object:
    """A grid of about 50,000 vertices with one level of subdivision."""
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=223, y_subdivisions=223)
    obj = bpy.context.object
    assert abs(len(obj.data.vertices) - 50_000) < 500, len(obj.data.vertices)
    obj.modifiers.new("Subdivision", "SUBSURF").levels = 1
    return obj


def look_at(obj: bpy.types.Object) -> bpy.types.Object:
    """Update the depsgraph and have the evaluated object with its mesh ready."""
    seen = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert len(seen.data.vertices) > 190_000, "the modifier did not run"
    return seen


def main() -> None:
    obj = subdivided_grid()

    def set_levels() -> None:
        for step in range(1, CALLS + 1):
            set_level(obj, step / CALLS)
            seen = look_at(obj)
            assert get_level(seen) == step / CALLS, "the update did not bring the level"

    def bare_tags() -> None:
        for _ in range(CALLS):
            obj.update_tag()
            look_at(obj)

    compare("wear_level_update", set_levels, bare_tags, pairs=9, limit=0.05)


if __name__ == "__main__":
    main()
