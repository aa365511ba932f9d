"""Sampling: the aimed target is always in the picture, and no draw depends on another's switch."""

import dataclasses
import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon import recipe as recipes
from syngen_addon.errors import SynGenError
from syngen_addon.recipe import Recipe
from syngen_addon.sampling.camera import (
    camera_fault,
    fit_distance,
    projected_box,
    projected_point,
    targets_in_view,
)
from syngen_addon.sampling.draws import CameraDraw, SceneFacts, TargetFacts, VariantFacts
from syngen_addon.sampling.frame import draw_frame


def worn(count: int) -> tuple[VariantFacts, ...]:
    return tuple(VariantFacts(f"rust-{i}") for i in range(count))


def target(name: str, center: tuple[float, float, float] = (0, 0, 1), half: float = 0.5, **changes: Any) -> TargetFacts:
    offsets = [(x, y, z) for x in (-half, half) for y in (-half, half) for z in (-half, half)]
    corners = tuple((center[0] + x, center[1] + y, center[2] + z) for x, y, z in offsets)
    values = {"name": name, "center": center, "radius": half * math.sqrt(3), "corners": corners, "variants": worn(3)}
    return TargetFacts(**(values | changes))  # type: ignore[arg-type]


FACTS = SceneFacts(
    (
        target("Drum", further=(("moss", tuple(VariantFacts(f"moss-{i}", "moss") for i in range(4))),)),
        target("Tank", (6, 2, 2), 1.5),
        target("Box", (-4, 3, 0.2), 0.2),
    ),
    tuple("abcde"),
    tuple("xyz"),
)


def with_section(section: str, **values: Any) -> Recipe:
    recipe = Recipe()
    return dataclasses.replace(recipe, **{section: dataclasses.replace(getattr(recipe, section), **values)})


def pair(low: float, high: float) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(st.floats(low, high), st.floats(low, high)).map(lambda p: (min(p), max(p)))


UPS = st.sampled_from([(1.0, 0, 0), (-1.0, 0, 0), (0, 1.0, 0), (0, -1.0, 0), (0, 0, 1.0), (0, 0, -1.0)])


@settings(deadline=None, max_examples=60)
@given(
    distance=pair(0.05, 20), elevation=pair(-89, 89), focal=pair(8, 300), roll=pair(-180, 180), aim=pair(0, 10),
    height=st.floats(-5, 5), size=st.tuples(st.integers(16, 4096), st.integers(16, 4096)),
    frame=st.integers(0, 10**7), seed=st.integers(0, 2**31), up=UPS,
)
def test_the_aimed_targets_centre_is_in_the_picture_for_any_recipe(
    distance: Any, elevation: Any, focal: Any, roll: Any, aim: Any, height: float, size: Any, frame: int, seed: int,
    up: Any,
) -> None:
    camera = recipes.Camera(
        distance=distance, elevation_deg=elevation, focal_mm=focal, roll_deg=roll, aim=aim, min_height_m=height
    )
    recipe = Recipe(camera=camera, render=recipes.Render(width=size[0], height=size[1]))
    facts = dataclasses.replace(FACTS, up=up)
    draw = draw_frame(recipe, facts, seed, frame)
    assert draw.camera
    aimed = next(t for t in facts.targets if t.name == draw.aimed_at)
    point = projected_point(draw.camera, aimed.center, *size)
    assert point and 0 < point[0] < size[0] and 0 < point[1] < size[1]
    matrix = np.array(draw.camera.matrix_world)
    assert np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
    lowest = min(np.dot(up, c) for t in facts.targets for c in t.corners)
    assert np.dot(up, draw.camera.location) >= lowest + height - 1e-6


def test_the_shell_has_the_asked_distance_azimuth_and_elevation() -> None:
    recipe = with_section(
        "camera", distance=(2, 2), azimuth_deg=(90, 90), elevation_deg=(30, 30), focal_mm=(50, 50), roll_deg=(0, 0),
        aim=(0, 0),
    )
    draw = draw_frame(recipe, SceneFacts((target("Drum"),)), 1, 0)
    assert draw.camera
    away = np.array(draw.camera.location) - (0, 0, 1)
    expected = 2 * 0.5 * math.sqrt(3) / math.sin(math.atan(18 / 50))
    assert np.linalg.norm(away) == pytest.approx(expected)
    assert away / np.linalg.norm(away) == pytest.approx([math.cos(math.radians(30)), 0, 0.5])  # 90 degrees is +X
    matrix = np.array(draw.camera.matrix_world)
    assert -matrix[:3, 2] == pytest.approx(-away / np.linalg.norm(away))  # looks down its -Z, at the centre
    assert matrix[2, 0] == pytest.approx(0) and matrix[2, 1] > 0  # level, and the right way up


def test_azimuth_zero_is_minus_y() -> None:
    recipe = with_section("camera", azimuth_deg=(0, 0), elevation_deg=(0, 0), min_height_m=-10)
    camera = draw_frame(recipe, SceneFacts((target("Drum"),)), 1, 0).camera
    assert camera and camera.location[0] == pytest.approx(0, abs=1e-9) and camera.location[1] < 0


@pytest.mark.parametrize(("width", "height"), [(512, 512), (1920, 1080), (1080, 1920)])
def test_at_distance_one_the_sphere_just_fits(width: int, height: int) -> None:
    recipe = Recipe(
        camera=recipes.Camera(distance=(1, 1), aim=(0, 0), roll_deg=(0, 0)),
        render=recipes.Render(width=width, height=height),
    )
    camera = draw_frame(recipe, SceneFacts((target("Drum"),)), 3, 0).camera
    assert camera
    away = math.dist(camera.location, (0, 0, 1))
    matrix = np.array(camera.matrix_world)
    half = math.asin(0.5 * math.sqrt(3) / away)  # of the cone that touches the sphere
    short = 0 if width < height else 1
    rim = np.array([0.0, 0.0, -math.cos(half)])
    rim[short] = math.sin(half)
    x, y = projected_point(camera, tuple(matrix[:3, 3] + matrix[:3, :3] @ rim), width, height) or (-1, -1)
    assert (x if short == 0 else y) == pytest.approx(width if short == 0 else 0, abs=1e-6)
    assert away == pytest.approx(fit_distance(0.5 * math.sqrt(3), camera.focal_mm, width, height))


def test_a_known_projection() -> None:
    camera = CameraDraw(((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 10), (0, 0, 0, 1)), 36.0, 0.1, 1000)
    # 36 mm on 36 mm: one metre at 10 m is a tenth of the longer side
    assert projected_point(camera, (1, 0, 0), 200, 100) == pytest.approx((120, 50))
    assert projected_point(camera, (0, 1, 0), 200, 100) == pytest.approx((100, 30))
    assert projected_point(camera, (0, 0, 11), 200, 100) is None
    corners = target("Box", (0, 0, 0), 1).corners
    assert projected_box(camera, corners, 900, 900) == pytest.approx((350, 350, 550, 550))
    assert projected_box(camera, target("Far", (100, 0, 0)).corners, 900, 900) is None
    assert projected_box(camera, target("Behind", (0, 0, 20)).corners, 900, 900) is None
    assert projected_box(camera, target("Around", (0, 0, 10), 2).corners, 90, 60) == (0, 0, 90, 60)
    facts = SceneFacts((target("Box", (0, 0, 0), 1), target("Far", (100, 0, 0))))
    assert targets_in_view(camera, facts, 900, 900).keys() == {"Box"}


def test_a_camera_inside_another_target_or_too_far_is_refused() -> None:
    camera = CameraDraw(((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 10), (0, 0, 0, 1)), 36.0, 0.1, 1000)
    box = target("Box", (0, 0, 0), 1)
    assert camera_fault(camera, SceneFacts((box,)), Recipe(), "Box") == ""
    assert "inside Tank" in camera_fault(camera, SceneFacts((box, target("Tank", (0, 0, 10), 2))), Recipe(), "Box")
    assert camera_fault(camera, SceneFacts((box, target("Tank", (0, 0, 10), 2))), Recipe(), "Tank") == ""
    assert "min_pixels" in camera_fault(camera, SceneFacts((target("Box", (0, 0, 0), 0.01),)), Recipe(), "Box")
    assert "min_pixels" in camera_fault(camera, SceneFacts((target("Box", (99, 0, 0), 1),)), Recipe(), "Box")


def test_cameras_inside_another_target_are_drawn_again_within_the_attempt() -> None:
    facts = SceneFacts((target("Drum"), target("Wall", (0, -3, 1), 2.4)))
    for frame in range(40):
        draw = draw_frame(Recipe(), facts, 5, frame)
        assert draw.camera and camera_fault(draw.camera, facts, Recipe(), draw.aimed_at) == ""


def test_the_same_name_gives_the_same_frame_and_order_of_targets_does_not_matter() -> None:
    turned = dataclasses.replace(FACTS, targets=FACTS.targets[::-1])
    assert draw_frame(Recipe(), FACTS, 7, 12, 1) == draw_frame(Recipe(), turned, 7, 12, 1)
    assert draw_frame(Recipe(), FACTS, 7, 12) != draw_frame(Recipe(), FACTS, 7, 13)
    assert draw_frame(Recipe(), FACTS, 7, 12) != draw_frame(Recipe(), FACTS, 8, 12)


SWITCHES: list[tuple[str, str, set[str], Any]] = [
    ("camera", "randomize", {"camera"}, {"camera": None}),
    ("light", "randomize", {"sun", "areas", "environment", "exposure_ev"},
     {"sun": None, "areas": (), "environment": None, "exposure_ev": 0.0}),
    ("background", "randomize", {"background"}, {"background": None}),
    ("randomize", "level", {"levels", "also"}, {"levels": {}, "also": {}}),
    ("randomize", "variant", {"variants", "also_variants"}, {"variants": {}, "also_variants": {}}),
]


@pytest.mark.parametrize(("section", "key", "parts", "off"), SWITCHES)
def test_switching_one_part_off_changes_no_other(section: str, key: str, parts: set[str], off: dict[str, Any]) -> None:
    for frame in range(5):
        on = draw_frame(Recipe(), FACTS, 3, frame)
        other = draw_frame(with_section(section, **{key: False}), FACTS, 3, frame)
        for field in dataclasses.fields(on):
            if field.name not in parts:
                assert getattr(on, field.name) == getattr(other, field.name), field.name
        assert {name: getattr(other, name) for name in parts} == off


def test_an_attempt_changes_the_camera_only() -> None:
    draws = [draw_frame(Recipe(), FACTS, 3, 8, attempt) for attempt in range(4)]
    assert len({d.camera for d in draws}) == 4
    assert all(dataclasses.replace(d, camera=None) == dataclasses.replace(draws[0], camera=None) for d in draws)


def test_a_target_more_changes_no_level_or_variant_of_the_others() -> None:
    more = dataclasses.replace(FACTS, targets=(*FACTS.targets, target("Valve", (9, 9, 1))))
    a, b = draw_frame(Recipe(), FACTS, 3, 8), draw_frame(Recipe(), more, 3, 8)
    assert b.levels.items() > a.levels.items() and b.variants.items() > a.variants.items()


def also(**kinds: tuple[float, float]) -> Recipe:
    return with_section("wear", also=kinds)


def test_a_further_kind_changes_no_other_draw() -> None:
    plain = draw_frame(Recipe(), FACTS, 3, 8)
    one = draw_frame(also(dents=(0.1, 0.4)), FACTS, 3, 8)
    two = draw_frame(also(moss=(0.5, 0.9), dents=(0.1, 0.4)), FACTS, 3, 8)
    assert plain.also == {} and "also" not in plain.as_dict()
    assert dataclasses.replace(one, also={}) == dataclasses.replace(two, also={}) == plain
    assert one.also.keys() == two.also.keys() == {"Drum", "Tank", "Box"}
    for name, levels in two.also.items():
        assert levels.keys() == {"dents", "moss"} and levels["dents"] == one.also[name]["dents"]
        assert 0.1 <= levels["dents"] <= 0.4 and 0.5 <= levels["moss"] <= 0.9
    assert len({one.also[name]["dents"] for name in one.also}) == 3, "each target has its own"
    assert draw_frame(also(dents=(0.1, 0.4)), FACTS, 3, 8, attempt=2).also == one.also
    assert draw_frame(also(dents=(0.1, 0.4)), FACTS, 3, 9).also != one.also
    assert json.loads(json.dumps(two.as_dict()))["also"]["Drum"]["moss"] == pytest.approx(two.also["Drum"]["moss"])


def test_a_target_s_own_kind_is_no_further_one() -> None:
    facts = SceneFacts((target("Drum", kind="dents"), target("Tank", (6, 2, 2), 1.5, kind="moss")))
    assert draw_frame(also(dents=(0.3, 0.3)), facts, 3, 8).also == {"Tank": {"dents": 0.3}}


def test_further_levels_are_kept_where_levels_are() -> None:
    recipe = dataclasses.replace(also(dents=(0.1, 0.4)), randomize=recipes.Randomize(level=False))
    assert draw_frame(recipe, FACTS, 3, 8).also == {}


def test_no_name_of_a_target_takes_the_generator_of_a_further_kind() -> None:
    facts = SceneFacts((target("Drum"), target("dents/Drum", (6, 2, 2)), target("also/dents/Drum", (-6, 2, 2))))
    recipe = with_section("wear", also={"dents": (0.0, 1.0)}, level=(0.0, 1.0))
    draw = draw_frame(recipe, facts, 3, 8)
    assert len({*draw.levels.values(), *(each["dents"] for each in draw.also.values())}) == 6


def test_targets_are_aimed_at_in_turn() -> None:
    names = [draw_frame(Recipe(), FACTS, 11, frame).aimed_at for frame in range(60)]
    assert all(set(names[i : i + 3]) == {"Drum", "Tank", "Box"} for i in range(0, 60, 3))
    assert len({tuple(names[i : i + 3]) for i in range(0, 60, 3)}) == 6


def test_every_draw_stays_in_the_recipes_ranges_and_fills_them() -> None:
    recipe = dataclasses.replace(with_section("background", kind="color"), light=recipes.Light(area_lights=(1, 3)))
    draws = [draw_frame(recipe, FACTS, 2, frame) for frame in range(400)]
    light = recipe.light

    def spans(values: list[float], low: float, high: float) -> None:
        assert low <= min(values) < low + 0.05 * (high - low) and high - 0.05 * (high - low) < max(values) <= high

    spans([d.levels["Drum"] for d in draws], *recipe.wear.level)
    spans([d.exposure_ev for d in draws], *light.exposure_ev)
    spans([d.sun.strength for d in draws if d.sun], *light.sun_strength)
    spans([math.degrees(d.sun.angle_rad) for d in draws if d.sun], *light.sun_angle_deg)
    spans([math.degrees(math.asin(-d.sun.direction[2])) for d in draws if d.sun], *light.sun_elevation_deg)
    spans([d.environment.strength for d in draws if d.environment], *light.environment_strength)
    spans([d.background.color_linear[1] for d in draws if d.background and d.background.color_linear], 0.05, 0.8)
    assert {d.environment.index for d in draws if d.environment} == set(range(5))
    assert {d.variants["Tank"] for d in draws} == {0, 1, 2}
    assert Counter(len(d.areas) for d in draws).keys() == {1, 2, 3}
    for d in draws:
        for area in d.areas:
            at_two_metres = area.power_w / (math.dist(area.location, area.target) / 2) ** 2
            assert light.area_power_w[0] - 1e-6 <= at_two_metres <= light.area_power_w[1] + 1e-6
            assert area.location[2] > area.target[2]


def test_elevations_are_uniform_on_the_sphere_not_in_angle() -> None:
    recipe = with_section("camera", elevation_deg=(0, 60), min_height_m=-100)
    facts = SceneFacts((target("Drum"),))
    heights = []
    for frame in range(600):
        camera = draw_frame(recipe, facts, 4, frame).camera
        assert camera
        heights.append((camera.location[2] - 1) / math.dist(camera.location, (0, 0, 1)))
    assert np.mean(heights) == pytest.approx(math.sin(math.radians(60)) / 2, abs=0.03)  # in angle it would be 0.477


def test_what_is_not_there_is_not_drawn() -> None:
    bare = SceneFacts((target("Drum", variants=()),))
    draw = draw_frame(Recipe(), bare, 1, 1)
    assert draw.environment is None and draw.variants == {}
    with pytest.raises(SynGenError, match="no target"):
        draw_frame(Recipe(), SceneFacts(()), 1, 1)
    with pytest.raises(SynGenError, match="no picture in /pictures"):
        draw_frame(with_section("background", kind="images", folder="/pictures"), bare, 1, 1)
    pictures = draw_frame(with_section("background", kind="images", folder="/pictures"), FACTS, 1, 1).background
    assert pictures and pictures.image in (0, 1, 2)


def test_a_point_like_target_can_be_aimed_at() -> None:
    draw = draw_frame(Recipe(), SceneFacts((TargetFacts("Dot", (1, 2, 3), 0.0, ((1.0, 2.0, 3.0),) * 8),)), 1, 1)
    assert draw.camera and all(math.isfinite(v) for row in draw.camera.matrix_world for v in row)


def test_as_dict_is_plain_json() -> None:
    plain = draw_frame(Recipe(), FACTS, 1, 1).as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["camera"]["sensor_mm"] == 36.0
