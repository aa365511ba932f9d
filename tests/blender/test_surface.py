"""Points of an object's surface: on it, even by area, where a render has it."""

import bpy
import numpy as np
import pytest


@pytest.fixture
def box(addon, empty_scene):
    """3 x 1 x 0.5 m, moved, its scale on the object."""
    bpy.ops.mesh.primitive_cube_add(size=1, location=(1, 2, 3))
    obj = bpy.context.object
    obj.scale = (3, 1, 0.5)
    bpy.context.view_layer.update()
    return obj


def points_of(addon, obj, place=None) -> np.ndarray:
    return np.array(addon("blender.surface").surface_points(obj, bpy.context.evaluated_depsgraph_get(), place))


def test_points_lie_on_the_surface_and_are_even_by_area(addon, box) -> None:
    local = (points_of(addon, box) - (1, 2, 3)) / (1.5, 0.5, 0.25)
    assert len(local) == addon("blender.surface").POINTS
    assert np.abs(local).max(axis=1) == pytest.approx(1, abs=1e-5)
    areas = {0: 1 * 0.5, 1: 3 * 0.5, 2: 3 * 1.0}
    for axis, area in areas.items():
        for side in (-1, 1):
            share = (np.abs(local[:, axis] - side) < 1e-4).mean()
            assert share == pytest.approx(area / (2 * sum(areas.values())), abs=0.015)
    top = local[np.abs(local[:, 2] - 1) < 1e-4][:, :2]
    assert np.histogram2d(top[:, 0], top[:, 1], bins=4, range=[[-1, 1], [-1, 1]])[0].min() >= 8, "240 over 16 cells"


def test_they_are_where_a_copy_is_and_as_modifiers_have_it(addon, box) -> None:
    moved = box.matrix_world.copy()
    moved.translation = (9, 0, 0)
    assert points_of(addon, box, moved) == pytest.approx(points_of(addon, box) + np.array((8, -2, -3)), abs=1e-5)
    box.modifiers.new("Array", "ARRAY").count = 2
    assert np.ptp(points_of(addon, box), axis=0) == pytest.approx((6, 1, 0.5), abs=0.1)
    bpy.ops.object.select_all(action="DESELECT")
    empty = bpy.data.objects.new("Bare", bpy.data.meshes.new("Bare"))
    bpy.context.collection.objects.link(empty)
    assert len(points_of(addon, empty)) == 0


def test_only_a_draw_that_hides_targets_asks_for_them(addon) -> None:
    recipe = addon("recipe")
    count = addon("blender.surface").points_count
    assert not count(recipe.Recipe()) and not count(recipe.Recipe(distractors=recipe.Distractors(count=(1, 3))))
    assert count(recipe.Recipe(distractors=recipe.Distractors(occluders=(0, 1))))
    assert not count(recipe.Recipe(distractors=recipe.Distractors(False, occluders=(0, 1))))
