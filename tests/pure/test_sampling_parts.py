"""Paths of the camera, poses, things that stand about, sky and ground: each where and as large as the recipe says."""

import dataclasses
import itertools
import json
import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon import recipe as recipes
from syngen_addon.recipe import Recipe
from syngen_addon.sampling.camera import projected_point
from syngen_addon.sampling.draws import CameraDraw, FrameDraw, PoseDraw, SceneFacts, TargetFacts, ThingDraw
from syngen_addon.sampling.frame import draw_frame, warnings_of
from syngen_addon.sampling.poses import draw_poses, pose_matrix
from syngen_addon.sampling.things import SHAPES, _matrix, occlusion_fault

Points = "np.ndarray[Any, Any]"


def target(name: str, center: tuple[float, float, float] = (0, 0, 1), half: float = 0.5, **changes: Any) -> TargetFacts:
    offsets = [(x, y, z) for x in (-half, half) for y in (-half, half) for z in (-half, half)]
    corners = tuple((center[0] + x, center[1] + y, center[2] + z) for x, y, z in offsets)
    return TargetFacts(
        **({"name": name, "center": center, "radius": half * math.sqrt(3), "corners": corners} | changes)
    )


ALONE = SceneFacts((target("Drum"),))
THREE = SceneFacts((target("Drum"), target("Tank", (9, 2, 2), 1.5), target("Box", (-6, 3, 0.7), 0.2)))
UPS = st.sampled_from([(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)])


def camera_of(recipe: Recipe, facts: SceneFacts, frame: int, seed: int = 3, attempt: int = 0) -> CameraDraw:
    camera = draw_frame(recipe, facts, seed, frame, attempt).camera
    assert camera
    return camera


def with_camera(**values: Any) -> Recipe:
    return Recipe(camera=recipes.Camera(**values))


def seen_from(camera: CameraDraw, center: tuple[float, float, float]) -> tuple[float, float, float]:
    """Azimuth and elevation in degrees, and distance."""
    away = np.array(camera.location) - center
    distance = float(np.linalg.norm(away))
    return math.degrees(math.atan2(away[0], -away[1])), math.degrees(math.asin(away[2] / distance)), distance


# --- paths -----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    path=st.sampled_from(["orbit", "ground", "handheld"]), frame=st.integers(0, 10**6), seed=st.integers(0, 2**31),
    up=UPS, shake=st.floats(0, 45), attempt=st.integers(0, 3),
)  # fmt: skip
def test_on_every_path_the_aimed_target_is_in_the_picture(
    path: str, frame: int, seed: int, up: Any, shake: float, attempt: int
) -> None:
    recipe = with_camera(path=path, shake_deg=(0, shake), eye_m=(0.2, 3.0))
    draw = draw_frame(recipe, dataclasses.replace(THREE, up=up), seed, frame, attempt)
    assert draw.camera
    center = next(t.center for t in THREE.targets if t.name == draw.aimed_at)
    point = projected_point(draw.camera, center, 512, 512)
    assert point and 0 < point[0] < 512 and 0 < point[1] < 512
    turn = np.array(draw.camera.matrix_world)[:3, :3]
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-9) and np.linalg.det(turn) == pytest.approx(1)


def test_an_orbit_turns_once_around_each_target_in_turn() -> None:
    recipe = with_camera(path="orbit", orbit_frames=12, min_height_m=-100)
    aimed = [draw_frame(recipe, THREE, 3, frame).aimed_at for frame in range(72)]
    assert all(len(set(aimed[i : i + 12])) == 1 for i in range(0, 72, 12))
    assert {aimed[i] for i in (0, 12, 24)} == {aimed[i] for i in (36, 48, 60)} == {"Drum", "Tank", "Box"}
    for start in range(0, 72, 12):
        center = next(t.center for t in THREE.targets if t.name == aimed[start])
        views = [seen_from(camera_of(recipe, THREE, start + i), center) for i in range(12)]
        turns = np.mod(np.diff([v[0] for v in views]), 360)
        assert turns == pytest.approx(30, abs=1e-6)
        assert np.ptp([v[1] for v in views]) < 1e-6 and np.ptp([v[2] for v in views]) < 1e-6
    other = seen_from(camera_of(recipe, THREE, 36), next(t.center for t in THREE.targets if t.name == aimed[36]))
    assert other[1:] != pytest.approx(views[0][1:], rel=1e-3), "each turn at a height and distance of its own"


def test_an_orbit_of_part_of_a_circle_goes_through_it_once() -> None:
    recipe = with_camera(path="orbit", orbit_frames=10, azimuth_deg=(-50, 50))
    around = [seen_from(camera_of(recipe, ALONE, frame), (0, 0, 1))[0] for frame in range(10)]
    assert around == pytest.approx([-45 + 10 * i for i in range(10)], abs=1e-6)


def test_at_eye_level_it_stands_on_the_ground_and_looks_at_the_target() -> None:
    recipe = with_camera(path="ground", eye_m=(1.4, 1.9), roll_deg=(0, 0), aim=(0, 0))
    floor = min(c[2] for t in THREE.targets for c in t.corners)
    heights = []
    for frame in range(60):
        draw = draw_frame(recipe, THREE, 3, frame)
        assert draw.camera
        heights.append(draw.camera.location[2] - floor)
        center = next(t.center for t in THREE.targets if t.name == draw.aimed_at)
        assert projected_point(draw.camera, center, 512, 512) == pytest.approx((256, 256), abs=1e-3)
        assert abs(seen_from(draw.camera, center)[1]) < 60
    assert 1.4 <= min(heights) < 1.45 and 1.85 < max(heights) <= 1.9
    feet = dataclasses.replace(THREE, unit_m=0.3048)
    assert 1.4 / 0.3048 <= camera_of(recipe, feet, 0).location[2] - floor <= 1.9 / 0.3048


def test_a_camera_that_is_carried_moves_without_a_jump_or_a_corner() -> None:
    recipe = with_camera(path="handheld", orbit_frames=20, shake_deg=(0, 0), aim=(0, 0), roll_deg=(0, 0))
    places = np.array([camera_of(recipe, ALONE, frame).location for frame in range(200)])
    steps = np.diff(places, axis=0)
    length = np.linalg.norm(steps, axis=1)
    assert length.max() < 0.25 * np.ptp(places, axis=0).max() and length.min() > 0
    bends = np.linalg.norm(np.diff(steps, axis=0), axis=1)
    assert bends.max() < 0.6 * length.max()
    assert np.ptp(np.degrees(np.arctan2(places[:, 0], -places[:, 1]))) > 300, "it comes around"


def test_shake_turns_the_camera_but_does_not_carry_it() -> None:
    def pair(strength: float) -> list[CameraDraw]:
        recipe = with_camera(path="handheld", shake_deg=(strength, strength))
        return [camera_of(recipe, ALONE, frame) for frame in range(60)]

    still, shaken = pair(0.0), pair(2.0)
    assert [c.location for c in still] == [c.location for c in shaken]
    turned = [
        math.degrees(math.acos(min(np.array(a.matrix_world)[:3, 2] @ np.array(b.matrix_world)[:3, 2], 1.0)))
        for a, b in zip(still, shaken, strict=True)
    ]
    assert 0.5 < max(turned) <= 2.0 * math.sqrt(2) + 0.05
    assert max(abs(b - a) for a, b in itertools.pairwise(turned)) < 1.6, "from frame to frame a little"


def test_an_attempt_goes_ever_further_from_where_the_path_is() -> None:
    recipe = with_camera(path="orbit", aim=(0, 0), roll_deg=(0, 0))
    first = [np.array(camera_of(recipe, ALONE, frame).location) for frame in range(40)]
    away = [
        np.mean([np.linalg.norm(first[f] - camera_of(recipe, ALONE, f, attempt=attempt).location) for f in range(40)])
        for attempt in (1, 3, 6)
    ]
    assert 0 < away[0] < away[1] < away[2]


def test_sensor_and_aperture() -> None:
    plain = camera_of(Recipe(), ALONE, 5)
    assert plain.fstop is None and plain.focus_m is None and plain.sensor_mm == 36.0
    recipe = with_camera(dof=True, fstop=(2.0, 4.0), sensor_mm=(10.0, 20.0))
    cameras = [camera_of(recipe, ALONE, frame) for frame in range(40)]
    assert np.ptp([c.sensor_mm for c in cameras]) > 7 and np.ptp([c.fstop or 0 for c in cameras]) > 1.4
    for c in cameras:
        matrix = np.array(c.matrix_world)
        assert c.focus_m == pytest.approx(-(np.array((0, 0, 1)) - matrix[:3, 3]) @ matrix[:3, 2])
        assert c.fstop and 2 <= c.fstop <= 4
    small = with_camera(distance=(1, 1), aim=(0, 0), sensor_mm=(12, 12), focal_mm=(20, 20))
    view = seen_from(camera_of(small, ALONE, 0), (0, 0, 1))
    assert math.asin(0.5 * math.sqrt(3) / view[2]) == pytest.approx(math.atan(6 / 20)), "the sphere just fits"


# --- light, sky, ground ----------------------------------------------------------------------------------------------


def test_sky_and_lamps_take_their_shares_of_the_frames() -> None:
    facts = dataclasses.replace(ALONE, environments=("a.hdr", "b.hdr", "c.hdr"))
    recipe = Recipe(light=recipes.Light(sky=0.3, indoor=0.2))
    draws = [draw_frame(recipe, facts, 3, frame) for frame in range(100)]
    assert 28 <= sum(d.sky is not None for d in draws) <= 32 and 18 <= sum(d.indoor for d in draws) <= 22
    for d in draws:
        assert (d.sky is None) != (d.environment is None) and d.sun
        assert not (d.sky and d.indoor)
        if d.indoor:
            assert d.areas and d.sun.strength == 0 and d.environment and 0.08 <= d.environment.strength <= 0.24
        if d.sky:
            assert d.sky.towards_sun == pytest.approx([-v for v in d.sun.direction]) and d.sun.strength > 0
    plain = [draw_frame(Recipe(), facts, 3, frame) for frame in range(100)]
    assert all(d.sky is None and not d.indoor and d.environment for d in plain)
    for a, b in zip(draws, plain, strict=True):
        assert a.camera == b.camera and a.levels == b.levels and (a.indoor or a.sun == b.sun)


@pytest.mark.parametrize(("radius", "unit_m", "near"), [(0.02, 1.0, 1.5), (0.02, 0.01, 150.0), (3.0, 1.0, 6.0)])
def test_lamps_stand_far_enough_to_light_more_than_a_small_target(radius: float, unit_m: float, near: float) -> None:
    facts = dataclasses.replace(ALONE, targets=(target("Latch", radius=radius),), unit_m=unit_m)
    recipe = Recipe(light=recipes.Light(area_lights=(1, 3)))
    for lamp in (lamp for frame in range(20) for lamp in draw_frame(recipe, facts, 3, frame).areas):
        distance = math.dist(lamp.location, lamp.target)
        assert near <= distance * (1 + 1e-6) and distance <= 2 * near * (1 + 1e-6)
        assert 20 <= lamp.power_w * (2 / distance) ** 2 <= 150, "as bright on it as one 2 m away"


def test_a_ground_lies_under_all_targets() -> None:
    recipe = Recipe(ground=recipes.Ground(randomize=True, size=10))
    facts = dataclasses.replace(THREE, grounds=("a.jpg", "b.jpg"))
    draws = [draw_frame(recipe, facts, 3, frame).ground for frame in range(20)]
    assert {g.picture for g in draws if g} == {"a.jpg", "b.jpg"}
    for g in draws:
        assert g and g.center[2] == pytest.approx(0.5) and 0.4 <= g.roughness <= 1 and g.side_m > 50
    assert draw_frame(Recipe(), facts, 3, 0).ground is None
    plain = draw_frame(recipe, THREE, 3, 0).ground
    assert plain and plain.picture == ""


# --- poses and tints -------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    yaw=st.floats(-7, 7),
    tilt=st.floats(0, 3.1),
    axis=st.floats(0, 6.3),
    shift=st.tuples(*[st.floats(-3, 3)] * 2),
    up=UPS,
)
def test_a_pose_is_a_turn_that_stays_on_the_ground(
    yaw: float, tilt: float, axis: float, shift: tuple[float, float], up: Any
) -> None:
    sides = [v for v in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)) if abs(np.dot(v, up)) < 0.5]
    lying = np.cos(axis) * np.array(sides[0]) + np.sin(axis) * np.array(sides[1])
    move = shift[0] * np.array(sides[0]) + shift[1] * np.array(sides[1])
    posed = target("Drum", (1, 2, 3), 0.7)
    matrix = np.array(pose_matrix(posed, PoseDraw(yaw, tilt, tuple(lying), tuple(move)), up))
    turn = matrix[:3, :3]
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-9) and np.linalg.det(turn) == pytest.approx(1)
    after = np.array(posed.corners) @ turn.T + matrix[:3, 3]
    assert (after @ up).min() == pytest.approx((np.array(posed.corners) @ up).min(), abs=1e-9)
    center = turn @ posed.center + matrix[:3, 3]
    sideways = center - posed.center - np.dot(center - posed.center, up) * np.array(up)
    assert sideways == pytest.approx(move, abs=1e-9)
    assert np.dot(turn @ up, up) == pytest.approx(math.cos(tilt), abs=1e-9)


def test_poses_fill_their_ranges_and_the_camera_follows() -> None:
    recipe = Recipe(
        pose=recipes.Pose(yaw_deg=(-90, 90), tilt_deg=(0, 20), shift_m=(1, 3)),
        camera=recipes.Camera(aim=(0, 0), min_height_m=-100),
    )
    yaws, shifts = [], []
    for frame in range(60):
        draw = draw_frame(recipe, THREE, 3, frame)
        assert draw.poses == draw_poses(recipe, THREE, 3, frame) == draw_frame(recipe, THREE, 3, frame, 4).poses
        pose = draw.poses["Drum"]
        yaws.append(math.degrees(pose.yaw_rad))
        shifts.append(float(np.linalg.norm(pose.shift_m)))
        assert 0 <= math.degrees(pose.tilt_rad) <= 20 and pose.shift_m[2] == 0 and pose.tilt_axis[2] == 0
        aimed = next(t for t in THREE.targets if t.name == draw.aimed_at)
        matrix = np.array(pose_matrix(aimed, draw.poses[aimed.name], THREE.up))
        center = matrix[:3, :3] @ aimed.center + matrix[:3, 3]
        assert draw.camera and projected_point(draw.camera, tuple(center), 512, 512) == pytest.approx(
            (256, 256), abs=1e-3
        )
    assert min(yaws) < -85 and max(yaws) > 85 and 1 <= min(shifts) < 1.2 and 2.8 < max(shifts) <= 3
    assert np.histogram(yaws, 6, (-90, 90))[0].min() >= 8, "yaw is spread evenly"


def test_where_targets_came_to_rest_counts_before_their_pose() -> None:
    recipe = Recipe(pose=recipes.Pose(drop=True), camera=recipes.Camera(aim=(0, 0)))
    fallen = ((1.0, 0.0, 0.0, 5.0), (0.0, 0.0, -1.0, 6.0), (0.0, 1.0, 0.0, 7.0), (0.0, 0.0, 0.0, 1.0))
    draw = draw_frame(recipe, ALONE, 3, 0, rests={"Drum": fallen})
    assert draw.poses["Drum"].drop and draw.rests == {"Drum": fallen}
    assert draw.camera and projected_point(draw.camera, (5, 5, 7), 512, 512) == pytest.approx((256, 256), abs=1e-3)
    here = draw_frame(recipe, ALONE, 3, 0).camera
    assert here and projected_point(here, (0, 0, 1), 512, 512) == pytest.approx((256, 256), abs=1e-3)


def test_tints_are_drawn_for_each_target() -> None:
    recipe = Recipe(tint=recipes.Tint(hue_deg=(-36, 36), saturation=(0.5, 1.5), value=(0.8, 1.2)))
    tints = [draw_frame(recipe, THREE, 3, frame).tints for frame in range(60)]
    assert all(t.keys() == {"Drum", "Tank", "Box"} and t["Drum"] != t["Tank"] for t in tints)
    hues = [t["Drum"].hue_turns for t in tints]
    assert -0.1 <= min(hues) < -0.08 and 0.08 < max(hues) <= 0.1
    assert draw_frame(Recipe(), THREE, 3, 0).tints == {}
    assert draw_frame(dataclasses.replace(recipe, tint=recipes.Tint(False, (-36, 36))), THREE, 3, 0).tints == {}


# --- things ----------------------------------------------------------------------------------------------------------


def corners_of(thing: ThingDraw) -> Any:
    shape = next(s for s in SHAPES if s.name == thing.source)
    return thing.size_m * np.array(shape.points) @ _matrix(thing.rotation).T + thing.location


def test_simple_shapes_are_as_large_as_they_say() -> None:
    for shape in SHAPES:
        points = np.array(shape.points)
        assert np.ptp(points, axis=0).max() == pytest.approx(1, abs=0.02), shape.name
        assert points.max(axis=0) + points.min(axis=0) == pytest.approx(0, abs=0.02), "about its middle"


@settings(deadline=None, max_examples=25)
@given(frame=st.integers(0, 10**6), seed=st.integers(0, 1000), up=UPS)
def test_distractors_stand_on_the_ground_and_touch_nothing(frame: int, seed: int, up: Any) -> None:
    recipe = Recipe(distractors=recipes.Distractors(count=(4, 9), size=(0.3, 1.0)))
    facts = dataclasses.replace(THREE, up=up)
    draw = draw_frame(recipe, facts, seed, frame)
    floor = min(np.dot(up, c) for t in facts.targets for c in t.corners)
    assert draw.camera
    balls = []
    for thing in draw.distractors:
        points = corners_of(thing)
        assert (points @ up).min() == pytest.approx(floor, abs=1e-6)
        reach = float(np.linalg.norm(points - thing.location, axis=1).max())
        for t in facts.targets:
            low, high = np.min(t.corners, axis=0), np.max(t.corners, axis=0)
            assert np.linalg.norm(np.maximum(np.maximum(low - thing.location, thing.location - high), 0)) > reach
        assert math.dist(draw.camera.location, thing.location) > reach
        assert all(math.dist(thing.location, place) > reach + other for place, other in balls)
        balls.append((thing.location, reach))


def test_distractors_come_as_many_and_as_large_as_asked_and_stay_over_attempts() -> None:
    recipe = Recipe(distractors=recipes.Distractors(count=(2, 4), size=(0.2, 0.5)))
    counts = set()
    for frame in range(40):
        draw, again = (draw_frame(recipe, THREE, 3, frame, attempt) for attempt in (0, 1))
        aimed = next(t for t in THREE.targets if t.name == draw.aimed_at)
        counts.add(len(draw.distractors))
        assert all(0.2 <= d.size_m / aimed.radius <= 0.5 for d in draw.distractors)
        # An attempt may only leave out one that would stand in its way.
        assert (
            set(draw.distractors) <= set(again.distractors)
            or set(again.distractors) <= set(draw.distractors)
            or (len(set(draw.distractors) & set(again.distractors)) >= 1)
        )
    assert {2, 3, 4} <= counts and max(counts) == 4
    assert draw_frame(Recipe(distractors=recipes.Distractors(False, (2, 4))), THREE, 3, 0).distractors == ()


OCCLUDED = Recipe(
    distractors=recipes.Distractors(occluders=(1, 2), occlusion=(0.2, 0.5)),
    camera=recipes.Camera(aim=(0, 0), distance=(1.2, 2)),
)


def hidden_share(draw: FrameDraw, aimed: TargetFacts) -> float:
    """Of the target's box, by drawing its outline and those of the occluders; independent of the code under test."""

    def filled(points: Any) -> Any:
        assert draw.camera
        pixels = [projected_point(draw.camera, tuple(p), 512, 512) for p in points]
        assert all(pixels), "in front of the camera"
        mask = np.zeros((512, 512), np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.array(pixels, np.float32)).astype(np.int32), 1)
        return mask.astype(bool)

    target_mask = filled(aimed.corners)
    hidden = np.zeros_like(target_mask)
    for thing in draw.occluders:
        hidden |= filled(corners_of(thing))
    return float((target_mask & hidden).sum() / target_mask.sum())


def test_occluders_hide_the_wanted_share_and_stand_between() -> None:
    shares = []
    for frame in range(60):
        draw = draw_frame(OCCLUDED, THREE, 3, frame)
        aimed = next(t for t in THREE.targets if t.name == draw.aimed_at)
        assert draw.camera and 1 <= len(draw.occluders) <= 2
        shares.append(hidden_share(draw, aimed))
        near = min(math.dist(draw.camera.location, c) for c in aimed.corners)
        for thing in draw.occluders:
            points = corners_of(thing)
            depth = -(points - draw.camera.location) @ np.array(draw.camera.matrix_world)[:3, 2]
            assert depth.min() > 0 and depth.max() < near, "between the camera and the target"
    good = [0.19 <= s <= 0.51 for s in shares]
    assert np.mean(good) >= 0.9 and np.std(shares) > 0.04
    attempts = [draw_frame(OCCLUDED, THREE, 3, 0, attempt).occluders for attempt in range(3)]
    assert len(set(attempts)) == 3


def test_occluders_change_no_other_draw() -> None:
    plain = dataclasses.replace(OCCLUDED, distractors=recipes.Distractors())
    for frame in range(6):
        draw = draw_frame(OCCLUDED, THREE, 3, frame)
        assert dataclasses.replace(draw, occluders=()) == draw_frame(plain, THREE, 3, frame)
    no_camera = dataclasses.replace(OCCLUDED, camera=recipes.Camera(randomize=False))
    assert draw_frame(no_camera, THREE, 3, 0).occluders == ()
    assert ["own camera" in said for said in warnings_of(no_camera, THREE, 3)] == [True]
    blind = dataclasses.replace(OCCLUDED, labels=recipes.Labels(geometry=False))
    assert ["labels.geometry" in said for said in warnings_of(blind, THREE, 3)] == [True]
    assert warnings_of(OCCLUDED, THREE, 3) == warnings_of(plain, THREE, 3) == ()


def test_what_an_occluder_hides_is_judged_by_the_points_of_the_surface() -> None:
    """A target of which only the lowest part of its box is there."""
    points = tuple((x, y, z) for x in np.linspace(-0.5, 0.5, 9) for y in (-0.5, 0.5) for z in np.linspace(0.5, 0.9, 7))
    facts = SceneFacts((target("Drum", points=points),))
    recipe = dataclasses.replace(
        OCCLUDED, camera=recipes.Camera(aim=(0, 0), elevation_deg=(5, 10), distance=(1.4, 1.8))
    )
    for frame in range(10):
        draw = draw_frame(recipe, facts, 3, frame)
        assert draw.camera and draw.occluders
        pixels = np.array([projected_point(draw.camera, p, 512, 512) for p in points], np.float32)
        inside = np.zeros(len(pixels), bool)
        for thing in draw.occluders:
            hull = cv2.convexHull(
                np.array([projected_point(draw.camera, tuple(p), 512, 512) for p in corners_of(thing)], np.float32)
            )
            inside |= [cv2.pointPolygonTest(hull, (float(x), float(y)), False) >= 0 for x, y in pixels]
        assert 0.15 <= inside.mean() <= 0.55


def test_a_frame_that_misses_the_occlusion_is_told() -> None:
    draw = draw_frame(OCCLUDED, ALONE, 3, 0)

    def record(**values: Any) -> dict[str, Any]:
        return {"instances": [{"name": "Drum", **values}, {"name": "Tank", "visible_fraction": 1.0}]}

    assert occlusion_fault(record(visible_fraction=0.7, truncation=0.0), draw, OCCLUDED) == ""
    assert "10 % of Drum" in occlusion_fault(record(visible_fraction=0.9, truncation=0.0), draw, OCCLUDED)
    assert "20 to 50 %" in occlusion_fault(record(visible_fraction=0.3, truncation=0.0), draw, OCCLUDED)
    # Half of it lies out of the picture, and three tenths of the rest are hidden.
    assert occlusion_fault(record(visible_fraction=0.35, truncation=0.5), draw, OCCLUDED) == ""
    assert "altogether" in occlusion_fault({"instances": []}, draw, OCCLUDED)
    assert occlusion_fault(record(), draw, OCCLUDED) == "", "without geometry nothing can be said"
    assert occlusion_fault({"instances": []}, draw_frame(Recipe(), ALONE, 3, 0), OCCLUDED) == ""


# --- all together ----------------------------------------------------------------------------------------------------


RICH = Recipe(
    camera=recipes.Camera(dof=True),
    light=recipes.Light(sky=0.5, indoor=0.2),
    ground=recipes.Ground(randomize=True),
    distractors=recipes.Distractors(count=(2, 3), occluders=(1, 1)),
    pose=recipes.Pose(yaw_deg=(-180, 180)),
    tint=recipes.Tint(value=(0.8, 1.2)),
    sensor=recipes.Sensor(noise=(0.0, 0.04)),
)


@pytest.mark.parametrize(
    ("section", "parts"),
    [
        ("light", {"sun", "areas", "environment", "exposure_ev", "sky", "indoor"}),
        ("background", {"background"}),
        ("ground", {"ground"}),
        ("distractors", {"distractors", "occluders"}),
        ("tint", {"tints"}),
        ("sensor", {"sensor"}),
    ],
)
def test_switching_a_part_off_changes_no_other(section: str, parts: set[str]) -> None:
    facts = dataclasses.replace(THREE, environments=("a", "b", "c"), grounds=("a",))
    off = dataclasses.replace(RICH, **{section: dataclasses.replace(getattr(RICH, section), randomize=False)})
    for frame in range(4):
        a, b = draw_frame(RICH, facts, 3, frame), draw_frame(off, facts, 3, frame)
        same = {f.name for f in dataclasses.fields(a)} - parts - {"split"}
        assert all(getattr(a, name) == getattr(b, name) for name in same)


def test_a_record_holds_what_was_drawn_and_no_more() -> None:
    facts = dataclasses.replace(THREE, environments=("a", "b", "c"))
    rich = draw_frame(RICH, facts, 3, 0).as_dict()
    assert json.loads(json.dumps(rich)) == rich
    assert {"ground", "distractors", "occluders", "poses", "tints", "sensor", "split"} < rich.keys()
    assert rich["camera"].keys() >= {"fstop", "focus_m"} and rich["poses"]["Drum"]["drop"] is False
    plain = draw_frame(Recipe(randomize=recipes.Randomize(apart=())), facts, 3, 0).as_dict()
    assert plain.keys() == {"aimed_at", "camera", "sun", "areas", "environment", "background", "exposure_ev", "levels",
                            "variants"}  # fmt: skip
    assert plain["camera"].keys() == {"matrix_world", "focal_mm", "clip_start_m", "clip_end_m", "sensor_mm"}
