"""What is seen before anything is exported: the labels of the view, a walk through frames, one finished frame."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import gpu
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

pytestmark = pytest.mark.versions

# --- the labels of the view ------------------------------------------------------------------------------------------


def by_hand(gathered: Any, frame: Any, live: Any) -> Any:
    """In place of the GPU, pixel by pixel: the nearest triangle at each pixel's centre, its index and its wear."""
    height, width = frame.height, frame.width
    found = []
    images = {}
    looks = np.array(live.places_in_pixel(live.looks_of(gathered.recipe)))
    for key in gathered.keys:
        depths = np.full((height, width), np.inf)
        picture = np.zeros((height, width, 4), np.uint8)
        for copy in gathered.copies:
            matrix = np.array(frame.matrix @ copy.matrix)
            for part in copy.parts:
                clip = np.c_[part.positions, np.ones(len(part.positions))] @ matrix.T
                assert (clip[:, 3] > 0).all(), "this rasteriser does not clip"
                wear = part.wears.get(key) if copy.index else None
                places = part.places.get(key, np.zeros((len(clip), 2)))
                if wear is not None and wear.picture not in images:
                    images[wear.picture] = onset_of(wear.picture)
                for start in range(0, len(clip), 3):
                    corners, uv = clip[start : start + 3], places[start : start + 3]
                    for y, x, depth, places_seen in covered(corners, uv, width, height, looks):
                        if depth < depths[y, x]:
                            depths[y, x] = depth
                            worn = 0.0
                            if wear is not None:
                                seen = read(images[wear.picture], places_seen)
                                worn = float(live.wear_at(copy.levels[key], seen[:, 0], seen[:, 1], wear).mean())
                            byte = np.ceil(worn * 255 - 0.01)
                            picture[y, x] = copy.index % 256, copy.index // 256, byte, 255
        found.append(picture)
    return live.layers_from(gathered.keys, found)


def onset_of(name: str) -> np.ndarray:
    image = bpy.data.images[name]
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return 2 * pixels.reshape(image.size[1], image.size[0], 4)


def read(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """The texels at N x 2 places, those between mixed, as renders and the shader read them."""
    size = np.array(picture.shape[1::-1])
    at = uv % 1 * size - 0.5
    low = np.floor(at).astype(int)
    (x, y), (x0, y0), (x1, y1) = (at - low).T[..., None], (low % size).T, ((low + 1) % size).T
    upper, lower = ((1 - x) * picture[row, x0] + x * picture[row, x1] for row in (y1, y0))
    return y * upper + (1 - y) * lower


def covered(corners: np.ndarray, uv: np.ndarray, width: int, height: int, looks: np.ndarray) -> list[Any]:
    """(row from the top, column, depth, UVs) of every pixel whose centre a triangle covers. looks: where in a pixel."""
    w = corners[:, 3]
    x, y = (corners[:, 0] / w + 1) / 2 * width, (1 - corners[:, 1] / w) / 2 * height
    z = corners[:, 2] / w
    double = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    if abs(double) < 1e-12:
        return []

    def shares_at(px: Any, py: Any) -> np.ndarray:
        b = ((px - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (py - y[0])) / double
        c = ((x[1] - x[0]) * (py - y[0]) - (px - x[0]) * (y[1] - y[0])) / double
        return np.stack([1 - b - c, b, c], axis=-1)

    out = []
    for row in range(max(int(y.min()), 0), min(int(y.max()) + 1, height)):
        for column in range(max(int(x.min()), 0), min(int(x.max()) + 1, width)):
            shares = shares_at(column + 0.5, row + 0.5)
            if (shares >= 0).all():
                depth = float(shares @ z)
                if -1 <= depth <= 1:
                    true = shares_at(column + 0.5 + looks[:, 0], row + 0.5 - looks[:, 1]) / w
                    out.append((row, column, depth, true / true.sum(axis=1, keepdims=True) @ uv))
    return out


@pytest.fixture(params=["by hand", "gpu"])
def look(addon, request: pytest.FixtureRequest) -> Any:
    """look(gathered, frame) -> label layers."""
    if request.param == "by hand":
        return lambda gathered, frame: by_hand(gathered, frame, addon("blender.live_labels"))
    if not hasattr(gpu, "init"):
        pytest.skip("this Blender draws nothing without a window")
    gpu.init()
    pictures: dict[str, Any] = {}
    return lambda gathered, frame: addon("blender.label_overlay").look(gathered, frame, pictures)


def labels(addon: Any, look: Any, recipe: Any) -> dict[str, Any]:
    """By the target's name what the overlay would draw through the scene's camera."""
    live, context = addon("blender.live_labels"), bpy.context
    depsgraph = context.evaluated_depsgraph_get()
    gathered = live.gather(context.scene, context.view_layer, depsgraph, recipe, live.Parts())
    frame = live.camera_frame(context.scene, context.scene.camera, depsgraph)
    return {each.entry["name"]: each for each in live.labels_of(gathered, look(gathered, frame))}


@pytest.fixture
def yard(addon, empty_scene, tmp_path: Path) -> Path:
    """Two worn boxes, the nearer before the other, and a bar that is no target before both; seen in perspective."""
    apply = addon("blender.ageing").apply_variant
    for number, (low, high) in enumerate((((-9, -6, 0), (3, 8, 4)), ((-2, -12, 0), (10, 0, 7)))):
        crate = h.box(f"Crate {number}", low, high, h.material(f"Paint {number}", h.painted(f"Base {number}")))
        apply(crate, h.handmade(addon, tmp_path / str(number), h.ramp(64)), level=0.45 + 0.1 * number)
    h.box("Bar", (-20, -1, 8), (20, 1, 9), h.material("Plain", None))
    h.light()
    camera = h.camera_above(perspective=True, height=30)
    camera.data.lens *= 1.3
    camera.location, camera.rotation_euler = (4, -5, 30), (0.16, 0.13, 0.2)
    camera.data.shift_x = 0.05
    bpy.context.scene.render.resolution_x = bpy.context.scene.render.resolution_y = 64
    bpy.context.scene.render.resolution_percentage = 100
    h.save(tmp_path / "scene.blend")
    return tmp_path


def test_the_overlay_draws_the_labels_that_the_frame_will_have(addon, yard: Path, look: Any) -> None:
    recipe = h.recipe(addon, h.STILL, {"labels": {"class_from": "object"}, "export": {"formats": ["csv"]}})
    drawn = labels(addon, look, recipe)
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(recipe, yard / "out", 1))
    rendered = {each["name"]: each for each in h.record(yard / "out")["instances"]}
    assert drawn.keys() == rendered.keys() == {"Crate 0", "Crate 1"}
    for name, entry in rendered.items():
        label = drawn[name]
        assert label.name == entry["classes"]["object"]
        assert np.abs(np.array(label.box) - entry["bbox"]).max() <= 1
        assert abs(label.entry["area"] - entry["area"]) <= 0.02 * entry["area"]
        assert label.entry["wear_percent"] == pytest.approx(entry["wear_percent"], abs=2)
        assert label.entry["classes"]["wear"] == entry["classes"]["wear"]
        assert label.amounts[0].text == f"{label.entry['wear_percent']:.0f} % {entry['classes']['wear']}"


@pytest.mark.parametrize("samples", [2, 16])
def test_wear_seen_edge_on_is_what_the_frame_will_have(addon, empty_scene, tmp_path: Path, look: Any, samples) -> None:
    """Much of a fine pattern lies under a pixel there; of few samples a half is worn more often than not."""
    crate = h.box("Crate", (-8, -8, 0), (8, 8, 12), h.material("Paint", h.painted("Base")))
    onset = np.kron(np.random.default_rng(3).permutation(64 * 64).reshape(64, 64) / (64 * 64), np.ones((4, 4)))
    addon("blender.ageing").apply_variant(crate, h.handmade(addon, tmp_path / "made", onset), level=0.55)
    h.light()
    h.camera_above(perspective=True, height=30)
    bpy.context.scene.camera.location, bpy.context.scene.camera.rotation_euler = (2, -34, 18), (1.25, 0, 0.06)
    render = bpy.context.scene.render
    render.resolution_x = render.resolution_y = 64
    render.resolution_percentage = 100
    h.save(tmp_path / "scene.blend")
    recipe = h.recipe(addon, h.STILL, {"render": {"samples": samples, "speed": "balanced"}})
    (drawn,) = labels(addon, look, recipe).values()
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(recipe, tmp_path / "out", 1))
    (rendered,) = h.record(tmp_path / "out")["instances"]
    assert drawn.entry["wear_percent"] == pytest.approx(rendered["wear_percent"], abs=3)
    assert rendered["wear_percent"] > 60, "more than is worn: it is the mean over a pixel that counts"


def test_copies_further_kinds_and_what_is_no_target(addon, stage: Any, look: Any) -> None:
    """An instance is a target of its own; a further kind has its amount; what renders do not show hides nothing."""
    paint = stage.target("Paint", (-25, -10), (-5, 10), level=0.5)
    addon("blender.ageing").apply_variant(
        paint, h.handmade(addon, stage.path / "dents", h.ramp(), kind="dents"), add=True, level=0.25
    )
    stage.plain("Unworn", (0, -10), (8, 10))
    group = bpy.data.collections.new("Group")
    source = stage.target("Source", (0, 0), (6, 6), level=0.0)
    for collection in source.users_collection:
        collection.objects.unlink(source)
    group.objects.link(source)
    for x in (10, 20):
        empty = bpy.data.objects.new(f"At {x}", None)
        empty.instance_type, empty.instance_collection, empty.location = "COLLECTION", group, (x, 0, 0)
        bpy.context.scene.collection.objects.link(empty)
    h.plane("Hidden", (-30, -30), (30, 30), 5).hide_render = True
    render = stage.scene.render
    render.resolution_x = render.resolution_y = 64
    render.resolution_percentage = 100
    bpy.context.view_layer.update()
    live, context = addon("blender.live_labels"), bpy.context
    recipe = h.recipe(
        addon, {"labels": {"class_from": "object"}, "targets": {"objects": ["Paint", "Source", "Unworn"]}}
    )
    depsgraph = context.evaluated_depsgraph_get()
    gathered = live.gather(context.scene, context.view_layer, depsgraph, recipe, live.Parts())
    frame = live.camera_frame(context.scene, context.scene.camera, depsgraph)
    found = live.labels_of(gathered, look(gathered, frame))
    assert [(each.name, each.box) for each in found[:2]] == [("Paint", (7, 22, 20, 20)), ("Unworn", (32, 22, 8, 20))]
    assert sorted(each.box for each in found[2:]) == [(42, 26, 6, 6), (52, 26, 6, 6)]
    assert [each.text for each in found[0].amounts] == ["50 % default", "25 % dent"]
    assert [each.text for each in found[1].amounts] == ["no wear yet"]
    assert {each.amounts[0].text for each in found[2:]} == {"0 % clean"}
    assert len({each.color for each in found[0].amounts}) == 2


def test_labels_can_be_shown_of_what_only_instances_show(addon, stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = addon("blender.session")
    windowed = SimpleNamespace(app=SimpleNamespace(background=False), data=bpy.data)
    monkeypatch.setattr(session, "bpy", windowed)
    assert session.no_labels(stage.scene).startswith("No object has wear yet")
    source = stage.target("Source", (0, 0), (6, 6), level=0.0)
    for collection in source.users_collection:
        collection.objects.unlink(source)
    bpy.data.collections.new("Group").objects.link(source)
    assert session.no_labels(stage.scene) == ""


@pytest.mark.parametrize("how", ["name", "class"])
def test_another_name_is_another_class(addon, stage: Any, how: str) -> None:
    live, context = addon("blender.live_labels"), bpy.context
    recipe, parts = h.recipe(addon, {"labels": {"class_from": "object"}}), addon("blender.live_labels").Parts()
    paint = stage.target("Paint", (-25, -10), (-5, 10), level=0.5)
    context.scene.render.resolution_x = context.scene.render.resolution_y = 16

    def name_shown() -> str:
        depsgraph = context.evaluated_depsgraph_get()
        gathered = live.gather(context.scene, context.view_layer, depsgraph, recipe, parts)
        frame = live.camera_frame(context.scene, context.scene.camera, depsgraph)
        (label,) = live.labels_of(gathered, by_hand(gathered, frame, live))
        return label.name

    assert name_shown() == "Paint"
    if how == "name":
        paint.name = "Door"
    else:
        paint["syngen_class"] = "Door"
    parts.after(context.evaluated_depsgraph_get())
    assert name_shown() == "Door"


def test_nothing_is_kept_of_a_view_that_was_closed(addon) -> None:
    overlay = addon("blender.label_overlay")
    first, second = (SimpleNamespace(as_pointer=lambda number=number: number) for number in (1, 2))
    area = SimpleNamespace(regions=[first])
    windows = [SimpleNamespace(screen=SimpleNamespace(areas=[area]))]
    kept = overlay._view_of(SimpleNamespace(region=first, window_manager=SimpleNamespace(windows=windows)))
    kept.pictures["rust"] = picture = SimpleNamespace(free=lambda: freed.append(picture))
    freed: list[Any] = []
    try:
        assert overlay._view_of(SimpleNamespace(region=first)) is kept
        area.regions = [first, second]
        overlay._view_of(SimpleNamespace(region=second, window_manager=SimpleNamespace(windows=windows)))
        assert set(overlay._views) == {1, 2} and not freed
        area.regions = [third := SimpleNamespace(as_pointer=lambda: 3)]
        overlay._view_of(SimpleNamespace(region=third, window_manager=SimpleNamespace(windows=windows)))
        assert set(overlay._views) == {3} and freed == [picture]
    finally:
        overlay.switch(False)


@pytest.mark.skipif(not hasattr(gpu, "init"), reason="this Blender draws nothing without a window")
def test_a_view_without_labels_is_left_as_others_draw_in_it(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.init()
    overlay, said = addon("blender.label_overlay"), []
    space = SimpleNamespace(overlay=SimpleNamespace(show_overlays=True))
    region = SimpleNamespace(as_pointer=lambda: 1, width=64, height=64, x=0, y=0)
    preferences = SimpleNamespace(system=SimpleNamespace(ui_scale=1.0))
    context = SimpleNamespace(
        space_data=space, region=region, region_data=object(), area=SimpleNamespace(regions=[]),
        preferences=preferences, window_manager=SimpleNamespace(windows=[]),
    )  # fmt: skip

    def none(context: Any) -> Any:
        raise addon("errors").SynGenError("The scene has no target.")

    monkeypatch.setattr(overlay, "bpy", SimpleNamespace(context=context))
    monkeypatch.setattr(overlay, "_gathered", none)
    monkeypatch.setattr(overlay, "_write", lambda text, *_: said.append(text))
    before = gpu.state.blend_get(), gpu.state.depth_test_get()
    picture = gpu.types.GPUOffScreen(64, 64)
    with picture.bind():
        overlay._draw()
    picture.free()
    overlay.switch(False)
    assert said == ["The scene has no target."]
    assert (gpu.state.blend_get(), gpu.state.depth_test_get()) == before


def test_a_level_changes_nothing_that_is_kept(addon, stage: Any) -> None:
    obj = stage.target("Paint", (-10, -10), (10, 10), level=0.5)
    live, context = addon("blender.live_labels"), bpy.context
    parts, recipe = live.Parts(), h.recipe(addon)

    def now() -> Any:
        return live.gather(context.scene, context.view_layer, context.evaluated_depsgraph_get(), recipe, parts)

    def after(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
        parts.after(depsgraph)

    bpy.app.handlers.depsgraph_update_post.append(after)
    try:
        context.view_layer.update()
        first = now()
        addon("blender.level").set_level(obj, 0.9)
        obj.location.x = 3
        context.view_layer.update()
        second = now()
        assert second.copies[0].parts is first.copies[0].parts
        assert (first.copies[0].levels, second.copies[0].levels) == ({"": 0.5}, {"": pytest.approx(0.9)})
        assert second.copies[0].matrix.translation.x == 3
        obj.data.vertices[0].co.z = 2
        obj.data.update()
        context.view_layer.update()
        third = now()
        assert third.copies[0].parts is not first.copies[0].parts
        assert third.copies[0].parts[0].positions.max() == 10
        obj.hide_render = True
        with pytest.raises(addon("errors").SynGenError, match="hidden in renders"):
            now()
    finally:
        bpy.app.handlers.depsgraph_update_post.remove(after)


def test_tags_stand_apart_and_where_they_can_be_read(addon) -> None:
    places_of = addon("blender.label_overlay").places_of
    free = (0.0, 0.0, 200.0, 100.0)
    boxes = [(10.0, 10.0, 60.0, 40.0)] * 9 + [(300.0, 10.0, 340.0, 40.0), (150.0, 80.0, 260.0, 130.0)]
    found = places_of([(50.0, 10.0)] * len(boxes), boxes, free)
    assert found[0] == (10.0, 40.0)
    assert found[9] is None, "its box is out of the view"
    assert found[10] == (150.0, 90.0), "a box that the view cuts has its tag in the view"
    there = [(x, y, x + 50, y + 10) for x, y in filter(None, found)]
    assert 4 <= len(there) < len(boxes)
    for number, a in enumerate(there):
        assert a[0] >= 0 and a[2] <= 200 and a[1] >= 0 and a[3] <= 100
        for b in there[:number]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_tag_that_has_no_room_says_per_cent_alone(addon) -> None:
    overlay, live = addon("blender.label_overlay"), addon("blender.live_labels")
    worn, dented = live.Amount("12 % streaks", (255, 255, 255)), live.Amount("3 % dent", (0, 0, 0))
    for amounts, whole, alone in (
        ((worn,), "Drum  12 % streaks", "12 %"),
        ((worn, dented), "Drum", "12 %  3 %"),
        ((live.Amount(live.UNWORN, (0, 0, 0)),), f"Drum  {live.UNWORN}", None),
    ):
        label = live.Label(1, "Drum", (0, 0, 9, 9), (1, 2, 3), amounts, {})
        tag = overlay._tag(label, np.inf, 4)
        assert tag.text == whole and len(tag.amounts) == (len(amounts) if len(amounts) > 1 else 0)
        short = overlay._tag(label, tag.width - 1, 4)
        assert short == alone if alone is None else short.text == alone and short.width < tag.width
        assert overlay._tag(label, 5, 4) is None


def test_the_button_of_labels_says_why_not(addon, empty_scene) -> None:
    session = addon("blender.session")
    assert not bpy.ops.syngen.show_label_overlay.poll()
    assert "window" in session.no_labels(empty_scene)
    assert not session.labels_shown()


# --- a walk through frames -------------------------------------------------------------------------------------------


@pytest.fixture
def place(addon, empty_scene, tmp_path: Path) -> Path:
    """Two worn crates, and settings of the panel that make small frames of them."""
    for crate in h.two_boxes():
        addon("blender.ageing").apply_variant(crate, h.handmade(addon, tmp_path / crate.name, h.ramp()), level=0.4)
    addon("blender.settings").put_recipe(empty_scene, h.recipe(addon, WALK))
    job = empty_scene.syngen.job
    job.frames, job.folder = 6, str(tmp_path / "dataset")
    h.save(tmp_path / "scene.blend")
    return tmp_path


WALK: dict[str, dict[str, Any]] = {
    "labels": {"redraws": 0},
    "pose": {"randomize": True, "yaw_deg": [0, 90]},
    "tint": {"randomize": True, "hue_deg": [-40, 40]},
    "distractors": {"count": [0, 2]},
    "export": {"formats": ["csv"]},
}


def seen() -> dict[str, Any]:
    """What a frame puts into the scene."""
    bpy.context.view_layer.update()
    scene = bpy.context.scene
    there = [o for o in scene.objects if not o.hide_render and not o.hide_viewport]
    places = {o.name: [round(v, 6) for row in o.matrix_world for v in row] for o in there}
    worn = {o.name: (o["syngen_level"], tuple(o.get("syngen_tint", ()))) for o in scene.objects if "syngen_level" in o}
    return {"places": places, "worn": worn, "exposure": scene.view_settings.exposure, "camera": scene.camera.name}


def test_a_walk_shows_every_frame_as_its_own_preview_does(addon, place: Path) -> None:
    preview, session = addon("blender.preview_frame"), addon("blender.session")
    scene = bpy.context.scene
    job, alone = scene.syngen.job, []
    for frame in (0, 3, 5):
        bpy.ops.syngen.preview_frame(frame=frame)
        alone.append(seen())
        bpy.ops.syngen.end_preview()
    before = h.snapshot()
    bpy.ops.syngen.preview_frame(frame=0)
    rig, count = preview._stage.rig, len(bpy.data.objects)
    walked = [seen()]
    for percent in (20, 60, 100):
        job.walk = percent
        walked.append(seen())
    assert session.previewed(scene) == job.preview == 5 and job.walk == 100
    assert preview._stage.rig is rig and len(bpy.data.objects) == count, "the rig is kept"
    assert [walked[0], walked[2], walked[3]] == alone
    job.preview = 99
    assert session.previewed(scene) == 99 and job.walk == 100, "a longer job would have it"
    job.preview = 5
    assert bpy.ops.syngen.preview_frame(step=-1) == {"FINISHED"} and session.previewed(scene) == job.preview == 4
    assert preview._stage.rig is rig
    bpy.ops.syngen.end_preview()
    job.preview = 5
    assert session.previewed(scene) == -1, "where no frame is shown the number is a number"
    assert h.snapshot() == before


def test_a_walk_sees_what_was_changed_meanwhile(addon, place: Path) -> None:
    preview, job = addon("blender.preview_frame"), bpy.context.scene.syngen.job
    bpy.ops.syngen.preview_frame(frame=0)
    rig = preview._stage.rig
    bpy.context.scene.syngen.render.width = 32
    job.preview = 1
    assert preview._stage.rig is not rig, "another recipe"
    assert bpy.context.scene.render.resolution_x == 32
    rig = preview._stage.rig
    bpy.data.objects.remove(bpy.data.objects["Crate B"])
    job.preview = 2
    assert preview._stage.rig is not rig, "a target less"
    bpy.data.objects.remove(bpy.data.objects["Crate A"])
    job.preview = 3
    assert "no object has wear" in addon("blender.session").now.not_previewed
    assert bpy.context.scene.camera is None and not [o for o in bpy.data.objects if o.name.startswith("SynGen")]


# --- one finished frame ----------------------------------------------------------------------------------------------


def test_one_frame_is_the_jobs_frame(addon, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scene, jobs = bpy.context.scene, addon("jobs")
    bpy.ops.syngen.preview_frame(frame=2)
    shown = seen()
    assert bpy.ops.syngen.render_one() == {"FINISHED"}
    out = place / "dataset-frame-2"
    picture, drawn = out / jobs.picture_name(2), out / "labels.png"
    told = capfd.readouterr().out
    assert str(picture) in told and str(drawn) in told
    assert addon("blender.session").previewed(scene) == 2 and seen() == shown
    bpy.ops.syngen.end_preview()
    scene.syngen.job.frames = 3
    assert bpy.ops.syngen.export_dataset() == {"FINISHED"}
    assert picture.read_bytes() == (place / "dataset" / jobs.picture_name(2)).read_bytes()
    plain, labelled = (h.decode_png(path.read_bytes())[..., :3].astype(int) for path in (picture, drawn))
    assert plain.shape == labelled.shape and np.abs(plain - labelled).max() > 60
    assert bpy.ops.syngen.render_one(frame=2) == {"FINISHED"}, "a folder of its own, whatever lies there"
    assert (place / "dataset-frame-2_002" / "labels.png").is_file()


def test_a_frame_beside_this_blender_is_the_jobs_too(addon, place: Path) -> None:
    """What the window does, but for the window."""
    background, render_one = addon("blender.background"), addon("blender.render_one")
    scene = bpy.context.scene
    recipe = addon("blender.settings").recipe_of(scene)
    bpy.ops.syngen.preview_frame(frame=3)
    process = background.start_frame(place / "one", recipe, 3, scene.syngen.job.seed)
    process.child.wait()
    assert not process.poll() and not process.error
    shot = render_one.finished(place / "one", recipe, 3)
    bpy.ops.syngen.end_preview()
    here = render_one.render_here(scene, recipe, 3, str(place / "here"))
    assert shot.picture.read_bytes() == here.picture.read_bytes()
    assert shot.labels.read_bytes() == here.labels.read_bytes()
    with pytest.raises(addon("errors").SynGenError, match="Frame 4 was not rendered"):
        render_one.finished(place / "one", recipe, 4)


def test_of_a_frame_that_failed_only_the_log_is_kept(addon, tmp_path: Path) -> None:
    """It would be a copy of the whole file for each that fails."""
    session, render_one, background = addon("blender.session"), addon("blender.render_one"), addon("blender.background")
    out = tmp_path / "one"
    for name in (background.LOG, background.COPY, "pixels/0.npy"):
        (out / background.PANEL / name).parent.mkdir(parents=True, exist_ok=True)
        (out / background.PANEL / name).write_text("...")
    (out / "variants/Drum").mkdir(parents=True)
    (out / "job.json").write_text("{}")
    process = SimpleNamespace(out=out, error="It ended with code 1.", cancelled=False, poll=lambda: False)
    session.now.one = process
    assert render_one._poll(process, addon("recipe").Recipe(), 0) is None
    assert (session.now.one, session.now.not_rendered) == (None, "It ended with code 1.")
    session.now.not_rendered = ""
    assert [path.name for path in out.rglob("*") if path.is_file()] == [background.LOG]
    assert render_one._poll(process, addon("recipe").Recipe(), 0) is None, "ended with its file"
    assert not out.exists()


def test_a_frame_in_an_image_editor_is_never_in_the_file(addon, place: Path) -> None:
    render_one, scene = addon("blender.render_one"), bpy.context.scene
    shot = render_one.render_here(scene, addon("blender.settings").recipe_of(scene), 0, str(place / "here"))
    area = bpy.context.window.screen.areas[0]
    kind, before = area.ui_type, h.snapshot()
    try:
        area.ui_type = "IMAGE_EDITOR"
        render_one.keep(shot)
        render_one.show()
        image = area.spaces.active.image
        assert Path(bpy.path.abspath(image.filepath)) == shot.labels and render_one.latest() == (0, True)
        render_one.show(False)
        assert Path(bpy.path.abspath(area.spaces.active.image.filepath)) == shot.picture
        bpy.ops.wm.save_as_mainfile(filepath=str(place / "saved.blend"), copy=True)
        assert area.spaces.active.image is not None, "saving leaves it where it is seen"
        with bpy.data.libraries.load(str(place / "saved.blend")) as (there, _):
            assert not [name for name in there.images if name.startswith("Frame 0")]
        render_one.forget()
        assert h.snapshot() == before and render_one.latest() is None and not (place / "here").exists()
    finally:
        area.ui_type = kind
