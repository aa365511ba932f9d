"""BOP by the rules of its toolkit (bop_toolkit_lib: inout.py, misc.py, scripts/calc_gt_info.py), stated here anew."""

import json
import struct
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from syngen_addon.errors import SynGenError
from syngen_addon.files import frame_file
from syngen_addon.formats.models import Model, covered, diameter, model_file, read_model, scaled, write_model
from syngen_addon.formats.write import Written, write_formats
from syngen_addon.images import save_png
from syngen_addon.labels.layers import Body, Instance, Layers, View
from syngen_addon.labels.projection import project
from syngen_addon.labels.record import make_record
from syngen_addon.labels.shape import Shape
from syngen_addon.labels.silhouette import silhouette
from syngen_addon.recipe import Export, Labels, Recipe
from tests.pure.framed import everything, scene, write_exr, write_pictures

WIDTH, HEIGHT, F, CX, CY = 96, 72, 110.0, 50.0, 34.0
CORNERS = np.array(list(product((0, 1), repeat=3)), float)
FACES = np.array([
    (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4),
    (1, 5, 7), (1, 7, 3),
], np.int32)  # fmt: skip
"""The unit cube, from 0 to 1: its origin is a corner of it."""


def turned(axis: Any, angle: float) -> np.ndarray:
    return cv2.Rodrigues(np.array(axis, float) / np.linalg.norm(axis) * angle)[0]


def placed(rotation: np.ndarray, scale: Any, location: Any) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation * np.array(scale, float), location
    return matrix


CAMERA = placed(turned((1, 0.2, 0.1), 1.2), (1, 1, 1), (0.3, -4.0, 1.8))
"""Camera to world, Blender's: looks down its -Z, +Y up."""
CUBES = {
    1: placed(turned((0, 0, 1), 0.4), (1.0, 0.8, 0.5), (-0.6, 0.2, 0.1)),
    2: placed(turned((1, 1, 0), 0.3), (0.5, 0.3, 0.6), (-0.4, -1.2, 0.2)),
    3: placed(turned((0, 1, 1), 1.0), (-0.7, 0.9, 0.4), (1.3, 0.6, 0.3)),
}
"""2 hides a part of 1; 3 is mirrored and cut by the border."""


def in_camera(index: int) -> np.ndarray:
    """8 x 3 corners, OpenCV's camera, metres."""
    world = CORNERS @ CUBES[index][:3, :3].T + CUBES[index][:3, 3]
    local = (world - CAMERA[:3, 3]) @ CAMERA[:3, :3]
    return local * (1, -1, -1)


def hull_mask(points: np.ndarray, width: int = WIDTH, height: int = HEIGHT, x0: int = 0, y0: int = 0) -> np.ndarray:
    """Where the centre of a pixel lies within the hull of points (in pixels from the top left corner)."""
    hull = cv2.convexHull(points.astype(np.float32)).reshape(-1, 2).astype(float)
    y, x = np.mgrid[y0 : y0 + height, x0 : x0 + width] + 0.5
    edges = zip(hull, np.roll(hull, -1, axis=0), strict=True)
    sides = np.array([(b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) for a, b in edges])
    return np.all(sides >= 0, axis=0) | np.all(sides <= 0, axis=0)


def pixels(points: np.ndarray) -> np.ndarray:
    return points[:, :2] / points[:, 2:] * F + (CX, CY)


def index_map() -> np.ndarray:
    index = np.zeros((HEIGHT, WIDTH), np.int32)
    for number in (1, 3, 2):
        index[hull_mask(pixels(in_camera(number)))] = number
    return index


def depth_map() -> np.ndarray:
    """Ray against box, pixel by pixel; 1e10 where nothing is hit."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = np.stack([(x - CX) / F, (y - CY) / F, np.ones_like(x)], axis=-1) * (1, -1, -1) @ CAMERA[:3, :3].T
    nearest = np.full((HEIGHT, WIDTH), 1e10)
    for matrix in CUBES.values():
        inverse = np.linalg.inv(matrix)
        start, way = inverse[:3, :3] @ CAMERA[:3, 3] + inverse[:3, 3], rays @ inverse[:3, :3].T
        enter, leave = np.sort(np.stack([(0 - start) / way, (1 - start) / way]), axis=0)
        enter, leave = enter.max(-1), leave.min(-1)
        nearest = np.where((enter < leave) & (enter > 0), np.minimum(nearest, enter), nearest)
    return nearest.astype(np.float32)


def record(frame: int) -> dict[str, Any]:
    view = View("PERSP", CAMERA, F, F, CX, CY, WIDTH, HEIGHT, 0.1)
    shape = Shape.of(CORNERS.astype(np.float32), FACES)
    about = [
        Instance(i, f"Cube {i}", {"object": "cube"}, "heavy_rust", "default", 0.5, 0, body=Body(shape, matrix, ()))
        for i, matrix in CUBES.items()
    ]
    camera = {"type": "PERSP", "fx": F, "fy": F, "cx": CX, "cy": CY, "matrix_world": CAMERA.tolist(), "clip_start": 0.1}
    layers = Layers(index_map(), np.zeros((HEIGHT, WIDTH), np.float32))
    made = make_record(layers, about, Labels(), {"frame": frame, "camera": camera}, view)
    return json.loads(json.dumps(made))


def write(out: Path, frames: tuple[int, ...] = (0, 1), **labels: Any) -> Written:
    for frame in frames:
        save_png(out / frame_file("images", frame, ".png"), np.full((HEIGHT, WIDTH, 3), frame / 1000, np.float32))
        write_exr(out / frame_file("depth", frame, ".exr"), {"Z": depth_map()})
    for index in CUBES:
        write_model(out / model_file(index), Model(CORNERS, FACES))
    recipe = Recipe(labels=Labels(depth=True, **labels), export=Export(formats=("bop",), split=(1, 0, 0)))
    return write_formats(out, lambda: (record(frame) for frame in frames), recipe, 7)


def load(path: Path) -> dict[int, Any]:
    return {int(key): value for key, value in json.loads(path.read_bytes()).items()}


def load_ply(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """inout.load_ply: header line by line, then vertex by vertex; points, normals, faces."""
    sizes = {"float": ("f", 4), "int": ("i", 4), "uchar": ("B", 1)}
    with open(path, "rb") as file:
        assert file.readline() == b"ply\n"
        counts, props, section = {}, [], ""
        while (line := file.readline().decode().rstrip("\n")) != "end_header":
            words = line.split()
            if words[0] == "element":
                section = words[1]
                counts[section] = int(words[2])
            elif words[0] == "property" and section == "vertex":
                props.append((words[2], words[1]))
            elif words[0] == "property":
                assert words[1:] == ["list", "uchar", "int", "vertex_indices"]
        rows = [
            [struct.unpack(sizes[kind][0], file.read(sizes[kind][1]))[0] for _, kind in props]
            for _ in range(counts["vertex"])
        ]
        faces = []
        for _ in range(counts["face"]):
            assert file.read(1) == b"\x03"
            faces.append(struct.unpack("3i", file.read(12)))
        assert file.read() == b""
    assert [name for name, _ in props] == ["x", "y", "z", "nx", "ny", "nz"]
    return np.array(rows)[:, :3], np.array(rows)[:, 3:], np.array(faces)


def calc_2d_bbox(mask: np.ndarray, x0: int = 0, y0: int = 0) -> list[int]:
    """misc.calc_2d_bbox of mask.nonzero()."""
    ys, xs = mask.nonzero()
    return [int(v) for v in (xs.min() + x0, ys.min() + y0, xs.max() - xs.min(), ys.max() - ys.min())]


def test_the_models_project_onto_their_masks(tmp_path: Path) -> None:
    written = write(tmp_path)
    scene_folder = tmp_path / "bop" / "train" / "000000"
    cameras, poses = load(scene_folder / "scene_camera.json"), load(scene_folder / "scene_gt.json")
    assert list(cameras) == list(poses) == [0, 1]
    assert written.losses == {}
    for image, number in product((0, 1), range(3)):
        gt = poses[image][number]
        assert gt["obj_id"] == number + 1
        points, _, _ = load_ply(tmp_path / "bop" / "models" / f"obj_{gt['obj_id']:06d}.ply")
        k = np.reshape(cameras[image]["cam_K"], (3, 3))
        rotation, moved = np.reshape(gt["cam_R_m2c"], (3, 3)), np.reshape(gt["cam_t_m2c"], (3, 1))
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-7) and np.linalg.det(rotation) > 0
        # misc.project_pts; where its pixels are counted from the middle of the first, as in depth_im_to_dist_im.
        seen = k @ (rotation @ points.T + moved)
        mask = hull_mask((seen[:2] / seen[2]).T + 0.5)
        name = f"{image:06d}_{number:06d}.png"
        assert np.array_equal(cv2.imread(str(scene_folder / "mask" / name), -1), mask * 255)
        visible = cv2.imread(str(scene_folder / "mask_visib" / name), -1)
        assert np.array_equal(visible, (index_map() == number + 1) * 255)


def test_info_is_what_the_toolkit_works_out(tmp_path: Path) -> None:
    write(tmp_path)
    info = load(tmp_path / "bop" / "train" / "000000" / "scene_gt_info.json")[0]
    for number, found in enumerate(info, start=1):
        # The toolkit renders onto three times the picture's size, so that what lies outside counts.
        whole = hull_mask(pixels(in_camera(number)), 3 * WIDTH, 3 * HEIGHT, -WIDTH, -HEIGHT)
        visible = index_map() == number
        assert found["px_count_all"] == whole.sum()
        assert found["px_count_valid"] == hull_mask(pixels(in_camera(number))).sum()
        assert found["px_count_visib"] == visible.sum()
        assert found["visib_fract"] == pytest.approx(visible.sum() / whole.sum(), abs=1e-6)
        assert found["bbox_visib"] == calc_2d_bbox(visible)
        # Of what is hidden the box is that of the outline, of which a tip may miss every pixel's middle.
        assert np.abs(np.subtract(found["bbox_obj"], calc_2d_bbox(whole, -WIDTH, -HEIGHT))).max() <= 1
    assert info[0]["visib_fract"] < 1 and info[1]["visib_fract"] == 1 and info[2]["visib_fract"] < 1


def test_depth_times_its_scale_is_millimetres_and_agrees_with_the_models(tmp_path: Path) -> None:
    write(tmp_path)
    scene_folder = tmp_path / "bop" / "train" / "000000"
    camera, poses = load(scene_folder / "scene_camera.json")[0], load(scene_folder / "scene_gt.json")[0]
    depth = cv2.imread(str(scene_folder / "depth" / "000000.png"), -1)
    assert depth.dtype == np.uint16
    truth = depth_map()
    hit = truth < 1e9
    assert np.array_equal(depth > 0, hit)
    error = np.abs(depth * camera["depth_scale"] - truth * 1000.0)[hit]
    assert error.max() <= camera["depth_scale"] / 2 + 1e-3
    middles = np.array([p["cam_t_m2c"][2] for p in poses])
    for number, middle in enumerate(middles, start=1):
        seen = depth[index_map() == number] * camera["depth_scale"]
        assert middle - 1000 < seen.min() and seen.max() < middle + 1000


def test_models_are_centred_boxes_in_millimetres(tmp_path: Path) -> None:
    write(tmp_path)
    info = load(tmp_path / "bop" / "models" / "models_info.json")
    for index, matrix in CUBES.items():
        points, normals, faces = load_ply(tmp_path / "bop" / "models" / f"obj_{index:06d}.ply")
        size = np.linalg.norm(matrix[:3, :3], axis=0) * 1000
        assert np.allclose(points.max(0), size / 2, atol=1e-3) and np.allclose(points.min(0), -size / 2, atol=1e-3)
        assert [info[index][f"size_{a}"] for a in "xyz"] == pytest.approx(size)
        assert [info[index][f"min_{a}"] for a in "xyz"] == pytest.approx(-size / 2)
        assert info[index]["diameter"] == pytest.approx(np.linalg.norm(size))
        assert np.all((normals * points).sum(1) > 0)  # outwards, also of the one that is mirrored
        assert faces.shape == (12, 3) and set(faces.ravel()) == set(range(8))


def test_world_and_camera_agree(tmp_path: Path) -> None:
    write(tmp_path)
    scene_folder = tmp_path / "bop" / "train" / "000000"
    camera, poses = load(scene_folder / "scene_camera.json")[0], load(scene_folder / "scene_gt.json")[0]
    rotation, moved = np.reshape(camera["cam_R_w2c"], (3, 3)), np.array(camera["cam_t_w2c"])
    for pose in poses:
        middle = CUBES[pose["obj_id"]] @ (0.5, 0.5, 0.5, 1)
        assert rotation @ middle[:3] * 1000 + moved == pytest.approx(pose["cam_t_m2c"], abs=1e-2)
    sensor = json.loads((tmp_path / "bop" / "camera.json").read_bytes())
    assert sensor == {"cx": CX - 0.5, "cy": CY - 0.5, "fx": F, "fy": F, "depth_scale": 0.1, "width": 96, "height": 72}


def test_a_scene_holds_a_thousand_frames(tmp_path: Path) -> None:
    records = [record(0)]
    frames = (0, 999, 1000, 2500)
    recipe = Recipe(export=Export(formats=("bop",), split=(1, 0, 0)))
    write_formats(tmp_path, lambda: ({**records[0], "frame": f} for f in frames), recipe, 7, pictures=False)
    train = tmp_path / "bop" / "train"
    assert [p.name for p in sorted(train.iterdir())] == ["000000", "000001", "000002"]
    assert [list(load(p / "scene_gt.json")) for p in sorted(train.iterdir())] == [[0, 999], [0], [500]]


def test_what_an_earlier_and_longer_run_left_is_removed(tmp_path: Path) -> None:
    write(tmp_path, (0,))
    first = everything(tmp_path / "bop")
    (tmp_path / "bop").rename(tmp_path / "before")
    write(tmp_path, (0, 1, 1000))
    assert (tmp_path / "bop" / "train" / "000001" / "scene_gt.json").is_file()
    write(tmp_path, (0,))
    assert everything(tmp_path / "bop") == first


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_what_bop_cannot_do_without_is_named(tmp_path: Path) -> None:
    recipe = Recipe(export=Export(formats=("bop",)))
    with pytest.raises(SynGenError, match="poses") as refused:
        write_formats(tmp_path, lambda: iter([scene(0)]), recipe, 7)
    assert "labels.geometry" in refused.value.hint
    flat = record(0)
    flat["camera"]["type"] = "ORTHO"
    with pytest.raises(SynGenError, match="perspective"):
        write_formats(tmp_path, lambda: iter([flat]), recipe, 7)
    write_pictures(tmp_path, 1, HEIGHT, WIDTH)
    with pytest.raises(SynGenError, match=r"models/000001\.ply is missing"):
        write_formats(tmp_path, lambda: iter([record(0)]), recipe, 7)
    (tmp_path / "models").mkdir()
    (tmp_path / model_file(1)).write_bytes(b"ply\nformat ascii 1.0\n")
    with pytest.raises(SynGenError, match="broken"):
        write_formats(tmp_path, lambda: iter([record(0)]), recipe, 7)
    assert not list((tmp_path / "bop").rglob("*.json"))


def test_without_depth_maps_the_loss_is_told_and_with_a_missing_one_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / frame_file("depth", 1, ".exr")).unlink()
    for depth in (False, True):
        recipe = Recipe(labels=Labels(depth=depth), export=Export(formats=("bop",), split=(1, 0, 0)))
        if depth:
            with pytest.raises(SynGenError, match="missing"):
                write_formats(tmp_path, lambda: (record(f) for f in (0, 1)), recipe, 7)
        else:
            done = write_formats(tmp_path, lambda: (record(f) for f in (0, 1)), recipe, 7)
            assert done.losses["bop"] == {"pictures without a depth map (labels.depth is off)": 1}


def test_an_object_that_changes_its_shape_is_told(tmp_path: Path) -> None:
    other = record(1)
    other["instances"][0]["box_3d"]["size_m"][0] *= 1.5
    recipe = Recipe(export=Export(formats=("bop",), split=(1, 0, 0)))
    done = write_formats(tmp_path, lambda: iter([record(0), other]), recipe, 7, pictures=False)
    assert done.losses["bop"] == {"poses of objects whose shape is no longer that of their model": 1}


# --- silhouettes and models ------------------------------------------------------------------------------------------

numbers = st.floats(-1, 1, width=32)
meshes = hnp.arrays(np.float32, (12, 3), elements=numbers)


@given(meshes)
def test_covered_agrees_with_the_labels_silhouette(points: np.ndarray) -> None:
    triangles = np.arange(12, dtype=np.int32).reshape(-1, 3)
    view = View("PERSP", np.diag([1.0, -1.0, -1.0, 1.0]), 41.3, 40.7, 32.137, 24.291, 64, 48, 0.1)
    moved = points.astype(float) + np.array([0, 0, 0.9])  # some lie before the near plane
    mask = covered(moved, triangles, (41.3, 40.7, 32.137, 24.291), (64, 48), 0.1)
    shape = Shape.of(moved.astype(np.float32), triangles)
    if not len(shape.triangles):
        return
    expected = silhouette(shape, project(shape, np.eye(4), view), view).inside
    # Single precision may put a corner on the other side of a pixel's middle.
    assert abs(int(mask.sum()) - expected) <= 2


@given(hnp.arrays(np.float64, (30, 3), elements=numbers))
def test_the_diameter_is_the_largest_distance(points: np.ndarray) -> None:
    assert diameter(points) == pytest.approx(max(np.linalg.norm(a - b) for a in points for b in points))


def test_the_diameter_of_many_vertices_is_close() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(20_000, 3)) * (3, 1, 1)
    exact = max(np.sqrt(((points - p) ** 2).sum(1).max()) for p in points[np.argsort(-np.abs(points[:, 0]))[:200]])
    assert 0.997 * exact <= diameter(points) <= exact


@given(meshes, st.tuples(*[st.sampled_from([-2.0, 0.5, 1.0])] * 3))
def test_models_come_back(tmp_path_factory: pytest.TempPathFactory, points: np.ndarray, scale: Any) -> None:
    path = tmp_path_factory.mktemp("model") / "a.ply"
    model = Model(points.astype(float), np.arange(12, dtype=np.int32).reshape(-1, 3))
    write_model(path, model)
    back = read_model(path)
    assert np.array_equal(back.vertices, model.vertices) and np.array_equal(back.triangles, model.triangles)
    flipped = scaled(model, scale, (0, 0, 0)).triangles
    assert np.array_equal(flipped, model.triangles[:, ::-1] if np.prod(scale) < 0 else model.triangles)
