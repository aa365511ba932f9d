"""Checks of bad meshes, welding and subdividing, and the names of amounts of wear."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon.errors import SynGenError
from syngen_addon.recipe import Kind, Look, Onset, Wear
from syngen_addon.wear.levels import wear_class
from syngen_addon.wear.mesh import MeshArrays, check_mesh, edge_table, subdivide, triangle_areas, uv_areas, weld

TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


def quad(uvs=SQUARE, slots=(0, 0)):
    vertices = np.concatenate([SQUARE, np.zeros((4, 1))], axis=1).astype(np.float32)
    return MeshArrays(vertices, TRIANGLES, np.asarray(uvs, np.float32)[TRIANGLES], np.array(slots, np.int32))


def test_a_good_mesh_has_no_warnings():
    assert check_mesh(quad()) == []


def test_no_faces():
    mesh = quad()
    empty = MeshArrays(mesh.vertices, mesh.triangles[:0], mesh.uvs[:0], mesh.slots[:0])
    with pytest.raises(SynGenError, match="no faces"):
        check_mesh(empty)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vertices_that_are_no_numbers(bad):
    mesh = quad()
    mesh.vertices[1, 2] = bad
    with pytest.raises(SynGenError, match="not a number"):
        check_mesh(mesh)


def test_uvs_that_are_no_numbers():
    mesh = quad()
    mesh.uvs[1, 2, 0] = np.nan
    with pytest.raises(SynGenError, match="not numbers"):
        check_mesh(mesh)


@pytest.mark.parametrize("uvs", [np.zeros((4, 2)), np.full((4, 2), 0.5), SQUARE * [1, 0]])
def test_uvs_of_zero_area_name_the_slot_and_the_cure(uvs):
    with pytest.raises(SynGenError, match=r"material slot 1.*zero") as error:
        check_mesh(quad(uvs))
    assert "Smart UV Project" in error.value.hint


def test_only_chosen_slots_matter():
    mesh = quad(slots=(0, 1))
    mesh.uvs[1] = 0
    assert check_mesh(mesh, [0]) == []
    with pytest.raises(SynGenError, match="material slot 2"):
        check_mesh(mesh, [0, 1])
    with pytest.raises(SynGenError, match="No face"):
        check_mesh(mesh, [5])


def test_no_surface():
    mesh = quad()
    mesh.vertices[:] = 1
    with pytest.raises(SynGenError, match="no surface"):
        check_mesh(mesh)


def test_overlaps_are_measured():
    mesh = quad()
    mesh.uvs[1] = mesh.uvs[0]
    (warning,) = check_mesh(mesh)
    assert "overlap" in warning and "100%" in warning


def test_uvs_outside_the_picture():
    (warning,) = check_mesh(quad(SQUARE + np.float32([1, 0])))
    assert "outside" in warning and "wrap" in warning


def test_part_of_the_surface_without_uvs():
    mesh = quad()
    mesh.uvs[1] = 0
    (warning,) = check_mesh(mesh)
    assert "50%" in warning and "zero area" in warning


def test_weld_joins_split_vertices():
    mesh = quad()
    apart = np.arange(6, dtype=np.int32).reshape(2, 3)
    split = MeshArrays(mesh.vertices[TRIANGLES.ravel()], apart, mesh.uvs, mesh.slots)
    joined = weld(split)
    assert len(joined.vertices) == 4
    assert (joined.vertices[joined.triangles] == split.vertices[split.triangles]).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fine=st.floats(0.05, 1.0), most=st.integers(10, 3000))
def test_subdividing_keeps_surface_uvs_and_closedness(seed, fine, most):
    """A tetrahedron with random corners and UVs."""
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-1, 1, (4, 3)).astype(np.float32)
    triangles = np.array([[0, 1, 2], [0, 3, 1], [1, 3, 2], [0, 2, 3]], np.int32)
    uvs = rng.uniform(0, 1, (4, 3, 2)).astype(np.float32)
    mesh = MeshArrays(vertices, triangles, uvs, np.arange(4, dtype=np.int32))
    fine_mesh = subdivide(mesh, fine, most)
    assert 4 <= len(fine_mesh.triangles) <= most
    edges, of_triangle = edge_table(fine_mesh.triangles)
    assert (np.bincount(of_triangle.ravel()) == 2).all()
    for slot in range(4):
        own = fine_mesh.slots == slot
        area, uv_area = triangle_areas(vertices, triangles)[slot], uv_areas(mesh.uvs)[slot]
        fine_area = triangle_areas(fine_mesh.vertices, fine_mesh.triangles[own]).sum()
        assert fine_area == pytest.approx(area, rel=1e-3, abs=1e-5)
        assert uv_areas(fine_mesh.uvs[own]).sum() == pytest.approx(uv_area, rel=1e-3, abs=1e-5)
    lengths = np.linalg.norm(fine_mesh.vertices[edges[:, 0]] - fine_mesh.vertices[edges[:, 1]], axis=1)
    if len(fine_mesh.triangles) < most / 4:
        assert lengths.max() <= fine


@pytest.mark.parametrize(
    ("level", "own", "expected"),
    [(0.0, "", ""), (0.019, "streaks", ""), (0.02, "", "default"), (0.65, "", "default"), (0.66, "", "complete"),
     (1.0, "", "complete"), (0.3, "streaks", "streaks"), (0.9, "streaks", "streaks")],
)  # fmt: skip
def test_wear_class(level, own, expected):
    look = Look(((0.3, 0.2, 0.1),), (0.5, 0.9), 0.0, 0.5, 0.5, 1.0, 0.0)
    assert wear_class(level, Kind("rust", "Rust", Onset(), look, own), Wear()) == expected


def test_a_texel_s_side_is_metres_on_the_surface() -> None:
    from syngen_addon.wear.surface import texel_side
    from tests.pure.small import sheet

    square = sheet()  # a metre square over the whole texture
    assert texel_side(square, 0, 500, 500) == pytest.approx(0.002)
    assert texel_side(square, 0, 1000, 250) == pytest.approx(0.002)
    assert texel_side(square, 3, 500, 500) == 0.0, "a slot without faces"
