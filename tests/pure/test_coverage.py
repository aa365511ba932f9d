"""What a run has covered: every bin where it belongs, the empty ones named, in flat memory."""

import dataclasses
import json
import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from syngen_addon import recipe as recipes
from syngen_addon.recipe import Recipe
from syngen_addon.sampling.coverage import AZIMUTHS, ELEVATIONS, Coverage, coverage
from syngen_addon.sampling.draws import CameraDraw, SceneFacts, TargetFacts
from syngen_addon.sampling.frame import draw_frame
from syngen_addon.sampling.poses import pose_matrix

HALF = (0.5, 0.5, 0.5)
CORNERS = tuple((x, y, 1 + z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5))
DRUM = TargetFacts("Drum", (0, 0, 1), math.sqrt(0.75), CORNERS)
FACTS = SceneFacts((DRUM,), ("a.hdr", "b.hdr", "c.hdr"))
SHARED = recipes.Randomize(apart=())
SPHERE = Recipe(camera=recipes.Camera(min_height_m=-100, elevation_deg=(-89, 89)), randomize=SHARED)


def entry(camera: CameraDraw, matrix: Any = None, name: str = "Drum", **changes: Any) -> dict[str, Any]:
    """The instance of a box of side 1 at (0, 0, 1), moved by matrix, as docs/record.md has it."""
    world = np.eye(4)
    world[2, 3] = 1
    world = (np.eye(4) if matrix is None else np.array(matrix)) @ world
    flip = np.diag([1.0, -1.0, -1.0])
    view = np.array(camera.matrix_world)
    turn = flip @ view[:3, :3].T @ world[:3, :3]
    place = flip @ view[:3, :3].T @ (world[:3, 3] - view[:3, 3])
    return {
        "index": 1, "name": name, "classes": {"wear": "default", "kind": "heavy_rust", "object": "drum"}, "level": 0.4,
        "bbox": [10, 10, 64, 64], "area": 4096, "visible_fraction": 0.8, "truncation": 0.0,
        "pose": {"matrix_world": world.tolist(), "rotation": turn.ravel().tolist(), "translation_m": place.tolist(),
                 "scale": [1.0, 1.0, 1.0]},
        "box_3d": {"center_m": [0.0, 0.0, 0.0], "size_m": [1.0, 1.0, 1.0], "corners_px": []},
        **changes,
    }  # fmt: skip


def record(recipe: Recipe, frame: int, facts: SceneFacts = FACTS, **changes: Any) -> dict[str, Any]:
    draw = draw_frame(recipe, facts, 3, frame)
    assert draw.camera
    posed = draw.poses.get("Drum")
    matrix = pose_matrix(DRUM, posed, facts.up) if posed else None
    width = recipe.render.width
    fx = draw.camera.focal_mm / draw.camera.sensor_mm * width
    return {
        "frame": frame, "no_target": False, "width": width, "height": recipe.render.height, "draw": draw.as_dict(),
        "camera": {"matrix_world": draw.camera.matrix_world, "fx": fx, "fy": fx},
        "environment": facts.environments[draw.environment.index] if draw.environment else "",
        "background": "", "split": draw.split, "instances": [entry(draw.camera, matrix)], "regions": [], **changes,
    }  # fmt: skip


def found(recipe: Recipe, count: int) -> dict[str, Any]:
    return coverage((record(recipe, frame) for frame in range(count)), recipe).as_dict()


def bins(covered: dict[str, Any], name: str) -> dict[str, Any]:
    return next(b for b in covered["ranges"] if b["name"] == name)


def test_a_run_from_everywhere_leaves_no_bin_empty() -> None:
    covered = found(SPHERE, 400)
    view = covered["views"]["classes"]["default"]
    assert np.sum(view["counts"]) == 400 and view["empty"] == []
    assert np.min(view["counts"]) >= 1, "bands of elevation have one area each: 4 a bin"
    assert np.shape(view["counts"]) == (len(ELEVATIONS) - 1, len(AZIMUTHS) - 1)
    for name in ("distance", "focal"):
        assert bins(covered, name)["empty"] == [] and min(bins(covered, name)["counts"]) > 30
        assert sum(bins(covered, name)["counts"]) == 400
    assert sorted(covered["names"]["environment"]["counts"].values()) == [133, 133, 134]
    assert covered["names"]["environment"]["empty"] == []
    assert json.loads(json.dumps(covered)) == covered


def test_a_view_falls_into_its_bin() -> None:
    recipe = Recipe(camera=recipes.Camera(azimuth_deg=(40, 40), elevation_deg=(35, 35), aim=(0, 0)), randomize=SHARED)
    view = found(recipe, 3)["views"]["classes"]["default"]
    row, column = np.argwhere(np.array(view["counts"]))[0]
    assert np.sum(view["counts"]) == view["counts"][row][column] == 3
    assert AZIMUTHS[column] == 30 and ELEVATIONS[row] == 30 and view["empty"] == []


def test_what_the_ranges_reach_and_no_frame_shows_is_empty_and_said() -> None:
    recipe = Recipe(camera=recipes.Camera(azimuth_deg=(-90, 90), elevation_deg=(0, 45)), randomize=SHARED)
    covered = coverage(
        (record(recipe, frame) for frame in range(2)), recipe, {"environment": ("a.hdr", "z.hdr")}
    ).as_dict()
    view = covered["views"]["classes"]["default"]
    assert len(view["empty"]) == 6 * 3 - 2, "six columns, three rows; two views"
    assert all(a[0] >= -90 and a[1] <= 90 and e[0] >= 0 and e[1] <= 49 for a, e in view["empty"])
    assert len(bins(covered, "focal")["empty"]) == 6
    assert covered["names"]["environment"]["empty"][-1] == "z.hdr"
    said = " ".join(covered["sentences"])
    assert "default is never seen from 16 directions." in said and "Focal length: nothing from" in said
    assert "No picture has the environment" in said and "z.hdr" in said


def test_a_turned_target_is_seen_from_its_own_side() -> None:
    still = {
        "camera": recipes.Camera(azimuth_deg=(10, 10), elevation_deg=(20, 20), aim=(0, 0), min_height_m=-9),
        "randomize": SHARED,
    }
    turned = Recipe(**still, pose=recipes.Pose(yaw_deg=(95, 95)))
    counts = np.array(found(turned, 2)["views"]["classes"]["default"]["counts"])
    assert AZIMUTHS[np.argwhere(counts)[0][1]] == -90, "10 - 95 degrees"
    tilted = Recipe(**still, pose=recipes.Pose(tilt_deg=(0, 90)))
    counts = np.array(found(tilted, 60)["views"]["classes"]["default"]["counts"])
    assert (counts.sum(axis=1) > 0).sum() >= 6, "from above and below"
    rolled = ((0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))  # +Z to world +X
    recipe = Recipe(**still, pose=recipes.Pose(drop=True))
    draw = draw_frame(recipe, FACTS, 3, 0, rests={"Drum": rolled})
    assert draw.camera
    fallen = {**record(recipe, 0), "draw": draw.as_dict(), "instances": [entry(draw.camera, rolled)]}
    fallen["camera"] = {**fallen["camera"], "matrix_world": draw.camera.matrix_world}
    around = math.radians(10), math.radians(20)
    away = np.array(
        [math.sin(around[0]) * math.cos(around[1]), -math.cos(around[0]) * math.cos(around[1]), math.sin(around[1])]
    )
    own = np.array(rolled)[:3, :3].T @ away
    counts = np.array(coverage([fallen], recipe).as_dict()["views"]["classes"]["default"]["counts"])
    row, column = np.argwhere(counts)[0]
    assert ELEVATIONS[row] <= math.degrees(math.asin(own[2])) < ELEVATIONS[row + 1]
    assert AZIMUTHS[column] <= math.degrees(math.atan2(own[0], -own[1])) < AZIMUTHS[column + 1]


def test_pose_level_occlusion_size_and_names_are_counted() -> None:
    recipe = Recipe(pose=recipes.Pose(yaw_deg=(-180, 180)), randomize=SHARED)
    rows = [record(recipe, frame) for frame in range(40)]
    rows[0]["instances"][0] |= {"level": 0.95, "visible_fraction": 0.25, "truncation": 0.5, "bbox": [0, 0, 512, 512]}
    rows[1]["instances"].append({**rows[1]["instances"][0], "name": "Tank", "classes": {"wear": "", "kind": "moss"}})
    covered = coverage(rows, recipe).as_dict()
    assert min(bins(covered, "yaw")["counts"]) >= 2 and sum(bins(covered, "yaw")["counts"]) == 40
    level = bins(covered, "level")
    assert level["outside"] == 1 and sum(level["counts"]) == 40
    hidden = bins(covered, "occlusion")["counts"]
    assert hidden[1] == 40 and hidden[4] == 1, "half of what lies in the picture"
    assert bins(covered, "size")["counts"][-1] == 1 and bins(covered, "size")["counts"][5] == 40
    assert covered["names"]["class"]["counts"] == {"default": 40, "none": 1}
    assert covered["names"]["kind"]["counts"] == {"heavy_rust": 40, "moss": 1}
    assert sum(bins(covered, "distance")["counts"]) + bins(covered, "distance")["outside"] == 40, (
        "of the aimed one only"
    )


def test_records_without_geometry_or_target_are_counted_as_such() -> None:
    bare = record(SPHERE, 0)
    for name in ("pose", "box_3d", "visible_fraction", "truncation"):
        del bare["instances"][0][name]
    empty = {"frame": 1, "no_target": True, "instances": [], "regions": [], "draw": {}}
    own_camera = record(SPHERE, 2)
    own_camera["draw"]["camera"] = None
    covered = coverage([bare, empty, own_camera], SPHERE).as_dict()
    assert (covered["frames"], covered["without_target"], covered["objects_without_geometry"]) == (3, 1, 1)
    assert sum(bins(covered, "focal")["counts"]) == 1 and np.sum(covered["views"]["classes"]["default"]["counts"]) == 1


@pytest.mark.parametrize("up", ["+X", "-Y", "-Z"])
def test_any_axis_may_be_up(up: str) -> None:
    from syngen_addon.sampling.coverage import UPS

    recipe = dataclasses.replace(
        SPHERE, wear=recipes.Wear(up=up), camera=recipes.Camera(elevation_deg=(35, 45), aim=(0, 0))
    )
    facts = dataclasses.replace(FACTS, up=UPS[up])
    counts = np.array(
        coverage((record(recipe, f, facts) for f in range(6)), recipe).as_dict()["views"]["classes"]["default"][
            "counts"
        ]
    )
    assert counts.sum() == 6 and counts[ELEVATIONS.index(30.0)].sum() == 6


def test_memory_does_not_grow_with_records() -> None:
    rows = [record(SPHERE, frame) for frame in range(50)]

    def many(count: int) -> Iterator[dict[str, Any]]:
        for i in range(count):
            yield rows[i % 50]

    gathered = Coverage(SPHERE)
    for row in many(200):
        gathered.add(row)
    tracemalloc.start()
    for row in many(3000):
        gathered.add(row)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert gathered.frames == 3200 and grown < 50_000
