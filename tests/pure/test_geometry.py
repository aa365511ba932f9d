"""Silhouettes, boxes, fractions, poses and keypoints of analytic scenes: every number is known or found by brute force.

The cameras look straight down from 10 units above the origin; in the orthographic one a unit at any height is a pixel.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon.labels import projection
from syngen_addon.labels import silhouette as silhouettes
from syngen_addon.labels.geometry import geometry_of
from syngen_addon.labels.layers import Body, Instance, Keypoint, Layers, View
from syngen_addon.labels.record import encode, make_record
from syngen_addon.labels.shape import Shape
from syngen_addon.recipe import Labels

SIDE = 64


def placed(x: float = 0, y: float = 0, z: float = 0, scale: Any = 1.0, turn: np.ndarray | None = None) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if turn is None else turn) @ np.diag(np.broadcast_to(scale, 3))
    matrix[:3, 3] = x, y, z
    return matrix


def ortho(**changes: Any) -> View:
    values: dict[str, Any] = {
        "kind": "ORTHO", "matrix_world": placed(z=10), "fx": 1.0, "fy": 1.0, "cx": SIDE / 2, "cy": SIDE / 2,
        "width": SIDE, "height": SIDE, "clip_start": 0.1,
    }
    return View(**(values | changes))


def perspective(**changes: Any) -> View:
    """At the height 0 a unit is ten pixels wide."""
    return ortho(**({"kind": "PERSP", "fx": 100.0, "fy": 100.0} | changes))


def mesh(vertices: Any, triangles: Any) -> Shape:
    return Shape.of(np.array(vertices, np.float32), np.array(triangles, np.int32))


def quad(x0: float, y0: float, x1: float, y1: float, z: float = 0.0) -> Shape:
    return mesh([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], [(0, 1, 2), (0, 2, 3)])


CUBE = mesh(
    [[(i >> axis & 1) - 0.5 for axis in range(3)] for i in range(8)],
    [(0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4), (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6),
     (1, 3, 5), (3, 7, 5)],
)  # fmt: skip


def sphere(rings: int = 24) -> Shape:
    around, up = np.meshgrid(np.arange(2 * rings) * np.pi / rings, np.linspace(-np.pi / 2, np.pi / 2, rings + 1))
    points = np.stack([np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)], -1).reshape(-1, 3)
    row, column = np.divmod(np.arange(rings * 2 * rings), 2 * rings)
    a, b = row * 2 * rings + column, row * 2 * rings + (column + 1) % (2 * rings)
    c, d = a + 2 * rings, b + 2 * rings
    return mesh(points, np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)]))


def frame(outer: float, inner: float, z: float = 0) -> Shape:
    """A square with a square hole."""
    corners = [(x * s, y * s, z) for s in (outer, inner) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    sides = [(i, (i + 1) % 4, 4 + (i + 1) % 4) for i in range(4)] + [(i, 4 + (i + 1) % 4, 4 + i) for i in range(4)]
    return mesh(corners, sides)


def pixels_of(shape: Shape, view: View, matrix: np.ndarray | None = None) -> silhouettes.Silhouette:
    to_view = projection.to_camera(view) @ (np.eye(4) if matrix is None else matrix)
    return silhouettes.silhouette(shape, projection.project(shape, to_view, view), view)


def painted(shape: Shape, view: View, matrix: np.ndarray | None = None, margin: int = 0) -> np.ndarray:
    """By brute force: whether a triangle (none of them near the camera) lies at each pixel's centre; with a margin."""
    to_view = projection.to_camera(view) @ (np.eye(4) if matrix is None else matrix)
    points = projection.pixels(projection.moved(shape.points, to_view), view)[shape.triangles] + margin
    covered = np.zeros((view.height + 2 * margin, view.width + 2 * margin), bool)
    for a, b, c in points:
        if abs((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]) < 1e-9:
            continue  # seen edge-on: a line, which has no end by the sides of it alone
        x0, y0 = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)), 0).astype(int)
        x1, y1 = np.maximum(np.ceil(np.maximum(np.maximum(a, b), c)), 0).astype(int)
        there = covered[y0:y1, x0:x1]
        y, x = np.mgrid[y0 : y0 + there.shape[0], x0 : x0 + there.shape[1]] + 0.5
        sides = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        there |= np.all([s >= 0 for s in sides], axis=0) | np.all([s <= 0 for s in sides], axis=0)
    return covered


def instance(index: int, shape: Shape, matrix: np.ndarray | None = None, keypoints: Any = ()) -> Instance:
    body = Body(shape, np.eye(4) if matrix is None else matrix, tuple(keypoints))
    return Instance(index, f"Drum {index}", {"object": "drum"}, "rust", "default", 0.5, 0, (), body)


def layers_of(view: View, *objects: Instance, depth: bool = False) -> Layers:
    """What a renderer would say of these objects, each in front of those before it."""
    index = np.zeros((view.height, view.width), np.int32)
    for each in objects:
        index[painted(each.body.shape, view, each.body.matrix_world)] = each.index
    far = np.where(index == 0, 1e10, 10.0).astype(np.float32) if depth else None
    return Layers(index, np.zeros(index.shape, np.float32), depth=far)


def entries(view: View, *objects: Instance, others: Any = None, layers: Layers | None = None) -> dict[int, Any]:
    layers = layers or layers_of(view, *objects)
    record = make_record(layers, objects, Labels(), {"frame": 0}, view, others)
    assert encode(record) == encode(make_record(layers, objects[::-1], Labels(), {"frame": 0}, view, others))
    return {entry["index"]: entry for entry in record["instances"]}


# --- silhouettes -----------------------------------------------------------------------------------------------------


def test_a_square_covers_the_pixels_whose_centres_it_holds() -> None:
    assert pixels_of(quad(-10, -5, 10, 5), ortho()).area == 200
    assert pixels_of(quad(-10.4, -5.4, 10.4, 5.4), ortho()).area == 200
    assert pixels_of(quad(-10.6, -5.6, 10.6, 5.6), ortho()).area == 22 * 12
    assert pixels_of(quad(0.2, 0.2, 0.4, 0.4), ortho()).area == 0, "no centre of a pixel"
    assert pixels_of(quad(0.4, 0.4, 0.6, 0.6), ortho()).area == 1


def test_a_cube_covers_its_nearer_face() -> None:
    assert pixels_of(CUBE, ortho(), placed(scale=20)).area == 400
    near = pixels_of(CUBE, perspective(), placed(scale=4))  # its upper face lies at the height 2: 12.5 pixels a unit
    assert near.area == 50 * 50


def test_a_sphere_is_a_disc() -> None:
    area = pixels_of(sphere(48), ortho(), placed(scale=25)).area
    assert area == pytest.approx(np.pi * 25**2, rel=0.005)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_any_mesh_against_brute_force(seed: int) -> None:
    """Soups, strips and closed meshes, faces turned any way, edges with three faces."""
    rng = np.random.default_rng(seed)
    view = (ortho, perspective)[seed % 2](cx=rng.uniform(20, 44), cy=rng.uniform(20, 44), width=48, height=40)
    points = rng.uniform(-3, 3, (rng.integers(3, 12), 3)) * (8, 8, 1) / (1 if view.kind == "ORTHO" else 8)
    triangles = np.array([rng.permutation(len(points))[:3] for _ in range(rng.integers(1, 20))])
    shape = mesh(points, triangles)
    found = pixels_of(shape, view)
    assert found.area == painted(shape, view, margin=60).sum()
    assert found.inside == painted(shape, view).sum()


def test_holes_are_no_part_of_it() -> None:
    found = pixels_of(frame(20, 8), ortho())
    assert found.area == 1600 - 256


def test_points_at_one_place_are_one() -> None:
    split = [(-9, -9, 0), (9, -9, 0), (9, 9, 0), (-9, -9, -0.0), (9, 9, 0), (-9, 9, 0), (50, 50, 50)]
    shape = mesh(split, [(0, 1, 2), (3, 4, 5)])
    assert len(shape.points) == 4, "and those of no triangle are no part of it"
    assert shape.edges.ends.shape == (2, 5) and (shape.edges.triangles < 2).all(axis=0).sum() == 1
    assert pixels_of(shape, ortho()).area == 18 * 18


def test_what_the_near_plane_cuts_is_cut_and_not_dropped() -> None:
    """A strip that runs along the floor, under the camera and behind it."""
    level = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)  # looks along +Y
    view = perspective(matrix_world=placed(z=2, turn=level))
    whole = pixels_of(quad(-1, -50, 1, 50), view)
    short = pixels_of(quad(-1, 0.1, 1, 50), view)
    assert whole == short, "the part ahead of the near plane is all there is"
    far = pixels_of(quad(-1, 8, 1, 50), view)
    assert 0 < far.area < whole.area and whole.inside < whole.area
    one, two = (pixels_of(mesh([(0, -5, 0), (1, y, 0), (-1, y, 0)], [(0, 1, 2)]), view) for y in (20, 40))
    assert one.inside > 0 and two.inside > 0


def test_what_lies_behind_the_camera_is_nothing() -> None:
    for view in (ortho(), perspective()):
        assert pixels_of(CUBE, view, placed(z=12)) == silhouettes.Silhouette(0, 0)


@pytest.mark.parametrize("near", [0.1, 1e-3, 1e-6])
def test_what_is_huge_and_near_costs_little(near: float) -> None:
    """A sphere around nothing but the near plane: its picture is as wide as a town."""
    view = perspective(clip_start=near)
    found = pixels_of(sphere(), view, placed(z=9.9, scale=1.0))  # the camera is inside
    assert found.inside == SIDE * SIDE and found.area > 10 * found.inside


def test_fewer_rows_give_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    view = ortho(cx=-100.0, cy=-3000.0)
    exact = pixels_of(sphere(), view, placed(scale=5000))
    monkeypatch.setattr(silhouettes, "ROWS", 10**6)
    assert exact.area == pytest.approx(pixels_of(sphere(), view, placed(scale=5000)).area, rel=1e-3)
    few = pixels_of(sphere(), ortho(), placed(scale=30)).area
    monkeypatch.setattr(silhouettes, "CROSSINGS", 20)
    assert pixels_of(sphere(), ortho(), placed(scale=30)).area == pytest.approx(few, rel=0.15)


def test_flipped_and_doubled_faces_change_nothing() -> None:
    ball = sphere()
    every_other = np.arange(len(ball.triangles))[:, None] % 2 == 0
    flipped = Shape(ball.points, np.where(every_other, ball.triangles, ball.triangles[:, ::-1]))
    doubled = Shape(ball.points, np.concatenate([ball.triangles, ball.triangles[::-1], ball.triangles[:5]]))
    view, there = perspective(), placed(0.3, 0.2, 1, scale=2)
    assert pixels_of(ball, view, there) == pixels_of(flipped, view, there) == pixels_of(doubled, view, there)


# --- how much is seen ------------------------------------------------------------------------------------------------


def test_a_square_hidden_to_the_half() -> None:
    below, above = instance(1, quad(-20, -20, 20, 20)), instance(2, quad(0, -25, 30, 25, z=1))
    found = entries(ortho(), below, above)
    assert found[1]["visible_fraction"] == 0.5 and found[2]["visible_fraction"] == 1.0
    assert (found[1]["area"], found[1]["silhouette_area"], found[1]["truncation"]) == (800, 1600, 0.0)
    assert found[1]["amodal_bbox"] == [12.0, 12.0, 40.0, 40.0] and found[1]["bbox"] == [12, 12, 20, 40]


def test_a_square_that_the_border_cuts() -> None:
    found = entries(ortho(), instance(1, quad(12, -20, 52, 20)))[1]  # 20 of its 40 columns are in the picture
    assert (found["area"], found["silhouette_area"]) == (800, 1600)
    assert found["visible_fraction"] == found["truncation"] == 0.5
    assert found["amodal_bbox"] == [44.0, 12.0, 40.0, 40.0]
    corner = entries(ortho(), instance(1, quad(22, 22, 42, 42)))[1]
    assert corner["truncation"] == 0.75 and corner["amodal_bbox"] == [54.0, -10.0, 20.0, 20.0]


def test_cut_and_hidden_at_once() -> None:
    below, above = instance(1, quad(12, -20, 52, 20)), instance(2, quad(12, 0, 62, 25, z=1))
    found = entries(ortho(), below, above)[1]
    assert (found["visible_fraction"], found["truncation"]) == (0.25, 0.5)


def test_hidden_by_what_is_no_target() -> None:
    view, target = ortho(), instance(1, quad(-20, -20, 20, 20))
    layers = layers_of(view, target)
    layers.index[:, :32] = 0
    wall = projection.box_corners(np.array([-40.0, -40, 2]), np.array([0.0, 40, 3]))
    assert entries(view, target, layers=layers, others=wall[None])[1]["visible_fraction"] == 0.5
    assert entries(view, target, layers=layers)[1]["visible_fraction"] == 1.0, "nothing is there that could hide it"
    for away in (wall - (0, 0, 9), wall - (30, 0, 0)):
        assert entries(view, target, layers=layers, others=away[None])[1]["visible_fraction"] == 1.0


def test_a_box_around_the_camera_may_hide_anything() -> None:
    view, target = perspective(), instance(1, quad(-2, -2, 2, 2))
    layers = layers_of(view, target)
    layers.index[:, :32] = 0
    room = projection.box_corners(np.array([-50.0, -50, -50]), np.array([50.0, 50, 50]))
    assert entries(view, target, layers=layers, others=room[None])[1]["visible_fraction"] == 0.5


def test_crossing_the_near_plane_it_is_cut_there() -> None:
    view = ortho(clip_start=9.0)
    lying = mesh([(-10, -10, -10), (10, -10, 10), (10, 10, 10), (-10, 10, -10)], [(0, 1, 2), (0, 2, 3)])
    layers = Layers(np.zeros((SIDE, SIDE), np.int32), np.zeros((SIDE, SIDE), np.float32))
    layers.index[22:42, 22:33] = 1  # ahead of the near plane lies what is under the height 1
    found = entries(view, instance(1, lying), layers=layers)[1]
    assert found["amodal_bbox"] == [22.0, 22.0, 11.0, 20.0] and found["silhouette_area"] == 220
    assert (found["visible_fraction"], found["truncation"]) == (1.0, 0.0)


def test_one_pixel_wide() -> None:
    post, bar = instance(1, quad(3.1, -20, 3.9, 20)), instance(2, quad(-10, -10, 10, 10, z=1))
    found = entries(ortho(), post, bar)
    assert found[1]["bbox"][2] == 1 and found[1]["silhouette_area"] == 40 and found[1]["visible_fraction"] == 0.5


def test_seen_through_a_hole() -> None:
    """The front one is a frame around what lies behind it."""
    found = entries(ortho(), instance(1, quad(-15, -15, 15, 15)), instance(2, frame(20, 10, z=1)))
    assert found[1]["visible_fraction"] == pytest.approx(400 / 900, abs=1e-6)
    assert found[2]["silhouette_area"] == 1200 and found[2]["visible_fraction"] == 1.0


def test_objects_share_a_shape() -> None:
    ball = sphere()
    first, second = instance(1, ball, placed(-8, scale=10)), instance(2, ball, placed(8, z=5, scale=(10, 5, 2)))
    found = entries(ortho(), first, second)
    assert found[2]["visible_fraction"] == 1.0
    hidden = (painted(ball, ortho(), first.body.matrix_world) & painted(ball, ortho(), second.body.matrix_world)).sum()
    assert found[1]["visible_fraction"] == pytest.approx(1 - hidden / found[1]["silhouette_area"], abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_amodal_holds_visible_and_fractions_are_fractions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    view = (ortho, perspective)[seed % 2](cx=rng.uniform(0, 64), cy=rng.uniform(0, 64))
    unit = 1 if view.kind == "ORTHO" else 0.1
    objects = [
        instance(i + 1, (CUBE, sphere(6))[rng.integers(2)],
                 placed(*rng.uniform(-30, 30, 2) * unit, z=i * 0.1, scale=rng.uniform(2, 20, 3) * unit * (1, 1, 0.001)))
        for i in range(6)
    ]  # fmt: skip
    for index, entry in entries(view, *objects).items():
        alone = painted(objects[index - 1].body.shape, view, objects[index - 1].body.matrix_world, margin=64)
        x, y, width, height = entry["amodal_bbox"]
        left, top, wide, high = entry["bbox"]
        assert x - 0.51 <= left and y - 0.51 <= top
        assert x + width + 0.51 >= left + wide and y + height + 0.51 >= top + high
        assert entry["silhouette_area"] == alone.sum()
        assert entry["visible_fraction"] == pytest.approx(entry["area"] / alone.sum(), abs=1e-6)
        assert entry["truncation"] == pytest.approx(1 - alone[64:-64, 64:-64].sum() / alone.sum(), abs=1e-6)
        assert 0 < entry["visible_fraction"] <= 1 - entry["truncation"] + 1e-6 and 0 <= entry["truncation"] < 1


def test_three_hundred_targets() -> None:
    view = ortho(width=256, height=256, cx=128.0, cy=128.0)
    places = [(8.0 * (i % 20) - 80, 8.0 * (i // 20) - 60) for i in range(300)]
    objects = [instance(i + 1, quad(x, y, x + 12, y + 8, z=i * 0.01)) for i, (x, y) in enumerate(places)]
    found = entries(view, *objects)
    assert len(found) == 300
    for i in range(300):
        last = i % 20 == 19
        assert found[i + 1]["visible_fraction"] == pytest.approx(1.0 if last else 8 / 12, abs=1e-6)


# --- poses -----------------------------------------------------------------------------------------------------------


def test_a_pose_takes_points_of_the_object_to_the_camera() -> None:
    rng = np.random.default_rng(5)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    scale = np.array([2.0, 0.5, 1.5])
    view = perspective(metres=0.01, matrix_world=placed(1, 2, 10, scale=3.0))  # the camera's scale does not count
    body = instance(1, CUBE, placed(0.5, -0.2, 1, scale, turn))
    found = entries(view, body)[1]
    pose, box = found["pose"], found["box_3d"]
    rotation = np.array(pose["rotation"]).reshape(3, 3)
    assert np.allclose(rotation.T @ rotation, np.eye(3), atol=1e-7) and np.linalg.det(rotation) > 0
    assert np.allclose(pose["scale"], scale) and np.allclose(box["size_m"], scale * 0.01)
    assert np.allclose(pose["matrix_world"], body.body.matrix_world)
    assert np.allclose(pose["translation_m"], np.array([-0.5, 2.2, 9]) * 0.01)
    low = np.array(box["center_m"]) - np.array(box["size_m"]) / 2
    for i, corner in enumerate(box["corners_px"]):
        point = rotation @ (low + np.array(box["size_m"]) * [i & 1, i >> 1 & 1, i >> 2]) + pose["translation_m"]
        assert np.allclose(point[:2] / point[2] * 100 + 32, corner, atol=0.006)


def test_a_mirrored_and_a_sheared_object_have_a_rotation() -> None:
    sheared = placed(scale=(4, 3, 2))
    sheared[0, 1] = 2
    for matrix in (placed(scale=(-2, 3, 4)), placed(scale=(2, 0, 4)), sheared):
        found = geometry_of([instance(1, sphere(4), matrix)], {1: 1}, layers_of(ortho()), ortho())[1]
        rotation = np.array(found["pose"]["rotation"]).reshape(3, 3)
        assert np.allclose(rotation.T @ rotation, np.eye(3), atol=1e-6) and np.linalg.det(rotation) == pytest.approx(1)
    mirrored = entries(ortho(), instance(1, quad(1, 1, 2, 2), placed(scale=(-2, 3, 4))))[1]
    rotation, scale = np.array(mirrored["pose"]["rotation"]).reshape(3, 3), np.array(mirrored["pose"]["scale"])
    assert np.allclose(rotation @ np.diag(scale), np.diag([1, -1, -1]) @ np.diag([-2, 3, 4]))


def test_the_world_seen_from_a_camera_that_is_moved_turned_scaled_and_sheared() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        matrix = placed(*rng.normal(size=3) * 50)
        matrix[:3, :3] = rng.normal(size=(3, 3))
        axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
        points = rng.normal(size=(10, 3))
        world = points * (1, -1, -1) @ axes.T + matrix[:3, 3]
        assert np.allclose(projection.moved(world, projection.to_camera(ortho(matrix_world=matrix))), points)


@pytest.mark.parametrize("solver", ["inv", "solve"])
def test_a_record_leaves_the_threads_of_blas_asleep(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np.linalg, solver, lambda *_: pytest.fail("this wakes them, and they spin for long"))
    view = perspective(matrix_world=placed(1, 2, 10, scale=3.0))
    drum = instance(1, CUBE, placed(z=1), [Keypoint("top", (0, 0, 0.5))])
    assert make_record(layers_of(view, drum), [drum], Labels(), {"frame": 0}, view)["instances"][0]["pose"]


def test_corners_behind_the_camera_have_no_place() -> None:
    view = perspective(matrix_world=placed(z=0.2))
    layers = Layers(np.ones((SIDE, SIDE), np.int32), np.zeros((SIDE, SIDE), np.float32))
    corners = entries(view, instance(1, CUBE), layers=layers)[1]["box_3d"]["corners_px"]
    assert [corner is None for corner in corners] == [False] * 4 + [True] * 4, "bit 2 is z: those lie above the camera"


def test_without_a_view_or_a_body_there_is_no_geometry() -> None:
    layers = layers_of(ortho(), instance(1, quad(0, 0, 9, 9)))
    bare = Instance(1, "Drum", {"object": "drum"}, "rust", "default", 0.5, 0)
    for objects, view in (([instance(1, quad(0, 0, 9, 9))], None), ([bare], ortho())):
        (entry,) = make_record(layers, objects, Labels(), {"frame": 0}, view)["instances"]
        assert not {"pose", "box_3d", "amodal_bbox", "visible_fraction", "truncation", "keypoints"} & entry.keys()
        assert {"severity", "rotated_bbox"} <= entry.keys()


# --- keypoints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [True, False])
@pytest.mark.parametrize("view", [ortho(fx=10.0, fy=10.0), perspective()], ids=["ortho", "perspective"])
def test_keypoints_are_seen_hidden_or_out_of_the_picture(view: View, depth: bool) -> None:
    names = {
        "front": (0, 0, 0.5), "back": (0, 0, -0.5), "corner": (0.5, 0.5, 0.5), "edge of the back": (0.3, 0, -0.5),
        "away": (3, 0, 0), "behind the camera": (0, 0, 40), "under the lid": (-0.4, -0.4, 0.5),
    }
    points = [Keypoint(name, position) for name, position in names.items()]
    cube = instance(1, CUBE, placed(scale=2), points)
    lid = instance(2, quad(-3, -3, -0.5, -0.5, z=3))
    layers = layers_of(view, cube, lid)
    if depth:
        places = np.select([layers.index == 2, layers.index == 1], [7.0, 9.0], 1e10).astype(np.float32)
        layers = Layers(layers.index, layers.wear, depth=places)
    found = {k["name"]: k for k in entries(view, cube, lid, layers=layers)[1]["keypoints"]}
    assert {name: k["visible"] for name, k in found.items()} == {
        "front": 2, "back": 1, "corner": 2, "edge of the back": 1, "away": 0, "behind the camera": 0,
        "under the lid": 1,
    }  # fmt: skip
    assert (found["front"]["x"], found["front"]["y"]) == (32.0, 32.0)
    assert found["behind the camera"]["x"] is None and found["away"]["x"] > SIDE
    assert found["corner"]["position_m"] == [1.0, 1.0, 1.0], "in the object's space, its scale applied"
