"""Targets that are shown as instances: each copy is labelled as an object of its own. One unit is one pixel."""

import itertools
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401


@pytest.fixture(autouse=True)
def records_only(addon, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Formats and card, which take longer than everything else here, are made where a test asks for `formats`."""
    if "formats" not in request.fixturenames:
        monkeypatch.setattr(addon("jobs"), "rebuild", lambda *arguments, **more: None)


def collection(name: str, *objects: bpy.types.Object) -> bpy.types.Collection:
    """A collection of these alone, which the scene does not hold."""
    made = bpy.data.collections.new(name)
    for obj in objects:
        for before in obj.users_collection:
            before.objects.unlink(obj)
        made.objects.link(obj)
    return made


def instance(name: str, of: bpy.types.Collection, location: tuple[float, float, float]) -> bpy.types.Object:
    obj = bpy.data.objects.new(name, None)
    obj.instance_type, obj.instance_collection, obj.location = "COLLECTION", of, location
    bpy.context.scene.collection.objects.link(obj)
    return obj


def scatter(
    carrier: bpy.types.Object, source: bpy.types.Object, *, as_instance: bool = True, realize: bool = False
) -> bpy.types.NodeTree:
    """Nodes that put a copy of source onto every vertex of the carrier, beside the carrier's own mesh."""
    tree, mesh, out = h.geometry_nodes(carrier)
    info = tree.nodes.new("GeometryNodeObjectInfo")
    info.inputs["Object"].default_value, info.inputs["As Instance"].default_value = source, as_instance
    points = tree.nodes.new("GeometryNodeInstanceOnPoints")
    tree.links.new(mesh, points.inputs["Points"])
    tree.links.new(info.outputs["Geometry"], points.inputs["Instance"])
    join = tree.nodes.new("GeometryNodeJoinGeometry")
    copies = points.outputs[0]
    if realize:
        real = tree.nodes.new("GeometryNodeRealizeInstances")
        tree.links.new(copies, real.inputs[0])
        copies = real.outputs[0]
    tree.links.new(copies, join.inputs[0])
    tree.links.new(mesh, join.inputs[0])
    tree.links.new(join.outputs[0], out)
    return tree


def square(x: float, y: float, side: int) -> list[int]:
    """The box, in a picture of 64 x 64, of a square about a place."""
    return [int(32 + x - side / 2), int(32 - y - side / 2), side, side]


def saved(stage) -> dict[str, Any]:
    """The scene as it is when a job starts."""
    h.save(stage.path / "scene.blend")
    bpy.context.view_layer.update()
    return h.snapshot()


@pytest.mark.versions
def test_copies_in_collection_instances_are_objects_of_their_own(addon, stage) -> None:
    """Two instances, one within another; what is no target stays; the source is in no scene."""
    source, other = stage.target("Crate", (-2, -2), (2, 2)), stage.plain("Post", (4, -1), (6, 1))
    yard = collection("Yard", source, other)
    instance("Near", yard, (-20, 0, 0))
    instance("Far", collection("Site", instance("Inner", yard, (0, 10, 0))), (10, 5, 0))
    before = saved(stage)
    stage.again(h.STILL, {"randomize": {"level": True}, "wear": {"level": [0.0, 1.0]}})
    assert h.changes(before, h.snapshot()) == []
    assert stage.boxes() == {"Crate.Near#1": square(-20, 0, 4), "Crate.Far#1": square(10, 15, 4)}
    levels = {each["level"] for each in stage.record()["instances"]}
    assert len(levels) == 2 and {each["classes"]["object"] for each in stage.record()["instances"]} == {"Crate"}
    picture = stage.picture()
    for x, y in ((-15, 0), (15, 15)):  # the posts
        assert not np.array_equal(picture[32 - y, 32 + x], picture[0, 0])


@pytest.mark.versions
def test_a_source_that_is_shown_itself_keeps_its_name_beside_its_copies(addon, stage) -> None:
    source = stage.target("Crate", (-2, -2), (2, 2))
    source.location.x = 20
    yard = bpy.data.collections.new("Yard")
    yard.objects.link(source)
    for number in range(3):
        instance(f"Yard {number}", yard, (-40 + 5 * number, 10 * number, 0))
    before = saved(stage)
    stage.again(h.STILL)
    assert h.changes(before, h.snapshot()) == []
    assert stage.boxes() == {
        "Crate": square(20, 0, 4),
        "Crate.Yard 0#1": square(-20, 0, 4),
        "Crate.Yard 1#1": square(-15, 10, 4),
        "Crate.Yard 2#1": square(-10, 20, 4),
    }


@pytest.mark.versions
def test_copies_made_by_nodes_are_objects_of_their_own(addon, stage) -> None:
    """The carrier's own mesh is no target, and lies under its copies."""
    source = stage.target("Crate", (-2, -2), (2, 2), 1)
    source.hide_render = True  # nodes show it all the same
    carrier = h.plane("Field", (-20, -10), (20, 10), 0, h.material("Grass", None))
    scatter(carrier, source)
    stage.run(h.STILL)
    corners = [(-20, -10), (20, -10), (20, 10), (-20, 10)]
    assert stage.boxes() == {f"Crate.Field#{i + 1}": square(x, y, 4) for i, (x, y) in enumerate(corners)}
    assert stage.picture()[32, 32].sum() != stage.picture()[0, 0].sum()


@pytest.mark.versions
@pytest.mark.parametrize("kind", ["VERTS", "FACES"])
def test_copies_on_vertices_and_faces_are_objects_of_their_own(addon, stage, kind: str) -> None:
    """The carrier is a target, too; the child itself is not rendered, and neither is its own place."""
    carrier, child = stage.target("Rack", (-20, -10), (20, 10), -1), stage.target("Crate", (-2, -2), (2, 2))
    child.parent, carrier.instance_type = carrier, kind
    stage.run(h.STILL)
    rack = stage.boxes().pop("Rack")
    places = [(-20, -10), (20, -10), (20, 10), (-20, 10)] if kind == "VERTS" else [(0, 0)]
    assert rack == [12, 22, 40, 20]
    boxes = {name: box for name, box in stage.boxes().items() if name != "Rack"}
    assert boxes == {f"Crate.Rack#{i + 1}": square(x, y, 4) for i, (x, y) in enumerate(places)}
    carrier.show_instancer_for_render = False
    stage.run(h.STILL, out="alone")
    assert set(stage.boxes("alone")) == set(boxes)


def test_copies_on_particles_are_objects_of_their_own(addon, stage) -> None:
    source = stage.worn(h.box("Crate", (-1, -1, -1), (1, 1, 1), h.material("Paint", h.painted("Base"))))
    source.location = (0, 28, 0)
    emitter = h.plane("Emitter", (-20, -10), (20, 10), 0, h.material("Grass", None))
    emitter.show_instancer_for_render = False
    emitter.modifiers.new("Scatter", "PARTICLE_SYSTEM")
    settings = emitter.particle_systems[0].settings
    settings.type, settings.count, settings.display_percentage = "HAIR", 12, 25
    settings.render_type, settings.instance_object = "OBJECT", source
    settings.use_advanced_hair, settings.particle_size, settings.hair_length = True, 1.0, 1.0
    stage.run(h.STILL, {"labels": {"min_pixels": 1}})
    names = set(stage.boxes())
    assert names == {"Crate", *(f"Crate.Emitter#{number}" for number in range(1, 13))}
    assert settings.display_percentage == 25


@pytest.mark.versions
def test_copies_by_what_only_the_viewport_hides_are_seen(addon, stage) -> None:
    """Instancers behind every eye and screen of the viewport, and the source in no view layer."""
    source = stage.target("Crate", (-2, -2), (2, 2))
    yard = collection("Yard", source)
    stage.scene.collection.children.link(yard)
    bpy.context.view_layer.layer_collection.children["Yard"].exclude = True
    instance("Eye", yard, (-20, 0, 0)).hide_set(True)
    instance("Screen", yard, (-10, 0, 0)).hide_viewport = True
    instance("Gone", yard, (0, 10, 0)).hide_render = True
    field = h.plane("Field", (0, 0), (10, 10), -1, h.material("Grass", None))
    scatter(field, source)
    field.modifiers[0].show_viewport = False
    before = saved(stage)
    bpy.ops.wm.open_mainfile(filepath=str(stage.path / "scene.blend"))  # so that nothing has been evaluated yet
    stage.scene = bpy.context.scene
    stage.again(h.STILL)
    assert not [line for line in h.changes(before, h.snapshot()) if "/image" not in line and "/matrix_" not in line]
    assert set(stage.boxes()) == {"Crate.Eye#1", "Crate.Screen#1", *(f"Crate.Field#{i}" for i in range(1, 5))}


@pytest.mark.versions
def test_copies_have_the_shape_the_shear_and_the_mirror_of_the_instance(addon, stage) -> None:
    """A source with a modifier, in an instance that is turned within one that is flat."""
    source = stage.target("Crate", (0, -4), (4, 4))
    source.modifiers.new("Mirror", "MIRROR").merge_threshold = 0
    inner = instance("Inner", collection("Yard", source), (0, 0, 0))
    inner.rotation_euler.z = np.pi / 4
    outer = instance("Outer", collection("Site", inner), (10, 0, 0))
    outer.scale = (-1.0, 2.0, 1.0)
    stage.run(h.STILL)
    (seen,) = stage.record()["instances"]
    half = 8 / np.sqrt(2)
    assert seen["amodal_bbox"] == pytest.approx([32 + 10 - half, 32 - 2 * half, 2 * half, 4 * half], abs=0.01)
    columns = [2 * int(2 * (half - x) + 0.5) for x in (0.5, 1.5, 2.5, 3.5, 4.5, 5.5)]  # centres within the diamond
    assert seen["area"] == 2 * sum(columns) == 120 and seen["visible_fraction"] == pytest.approx(1, abs=0.01)


def test_copies_keep_the_hair_of_their_source(addon, stage) -> None:
    source = stage.target("Fur", (-4, -4), (4, 4))
    source.modifiers.new("Hair", "PARTICLE_SYSTEM")
    hair = source.particle_systems[0].settings
    hair.type, hair.count, hair.hair_step = "HAIR", 60, 2
    hair.normal_factor, hair.object_align_factor = 0.0, (0.0, 8.0, 0.0)
    hair.radius_scale, hair.root_radius, hair.tip_radius = 1.0, 0.5, 0.5
    instance("Rug", collection("Furs", source), (0, 0, 0))
    stage.run(h.STILL)
    (seen,) = stage.record()["instances"]
    assert seen["name"] == "Fur.Rug#1" and seen["bbox"][3] > 12


@pytest.mark.versions
def test_each_copy_shows_its_own_variant_and_level(addon, stage) -> None:
    """Copies share meshes, materials and pictures; nothing of those is left at the end."""
    source = stage.target("Crate", (-3, -3), (3, 3))
    yard = collection("Yard", source)
    for number in range(8):
        instance(f"Yard {number}", yard, (-28 + 8 * number, 0, 0))
    before = saved(stage)
    blocks = {kind: len(getattr(bpy.data, kind)) for kind in ("meshes", "materials", "node_groups", "objects")}
    drawn = {"randomize": {"level": True, "variant": True}, "wear": {"level": [1.0, 1.0]}}
    stage.again(h.STILL, drawn, frames=2)
    assert h.changes(before, h.snapshot()) == []
    assert blocks == {kind: len(getattr(bpy.data, kind)) for kind in blocks}
    for frame in (0, 1):
        record, picture = stage.record(frame), stage.picture(frame).astype(int)
        shown = {}
        for each in record["instances"]:
            x, y, width, height = each["bbox"]
            blue, _, red = picture[y + height // 2, x + width // 2]
            shown[each["name"]] = (each["variant"], bool(blue > red))  # the first is red, the second blue
        assert len(shown) == 8 and {variant for variant, _ in shown.values()} == {0, 1}
        assert all(blue == (variant == 1) for variant, blue in shown.values())


def test_copies_show_each_kind_s_variants_by_themselves(addon, stage) -> None:
    """The right half shows own wear, the left half what lies upon it; each is of a variant of its own."""
    ageing, wearing = addon("blender.ageing"), addon("blender.wearing")
    source = stage.target("Crate", (-3, -3), (3, 3), level=1.0)
    made = wearing.make_variants(ageing.gather(source, h.recipe(addon), ageing.kind_named("moss")), stage.path / "more")
    ageing.apply_variant(source, made[0], add=True, level=0.5)
    yard = collection("Yard", source)
    for number in range(8):
        instance(f"Yard {number}", yard, (-28 + 8 * number, 0, 0))
    before = saved(stage)
    blocks = {kind: len(getattr(bpy.data, kind)) for kind in ("meshes", "materials", "node_groups")}
    summary = stage.again(h.STILL, {"randomize": {"variant": True}}, frames=2)
    assert h.changes(before, h.snapshot()) == []
    assert blocks == {kind: len(getattr(bpy.data, kind)) for kind in blocks}
    assert any("share the variants of moss on Crate.Yard 0#1, " in said for said in summary.warnings)
    both = set()
    for frame in (0, 1):
        record, picture = stage.record(frame), stage.picture(frame).astype(int)
        assert len(record["instances"]) == 8
        for each in record["instances"]:
            (layer,) = each["layers"]
            x, y, width, height = each["bbox"]
            middle = picture[y + height // 2]
            blue = [bool(middle[at, 0] > middle[at, 2]) for at in (x + width - 2, x + 1)]
            assert blue == [each["variant"] == 1, layer["variant"] == 1]
            assert layer["variant"] == record["draw"]["also_variants"][each["name"]]["moss"]
            both.add((each["variant"], layer["variant"]))
    assert len(both) == 4


def test_copies_of_many_combinations_take_no_more_than_they_need(addon, stage, monkeypatch) -> None:
    """A material that goes and comes back is a new one to Cycles, which keeps the old one too: memory would grow with
    every frame. So none ever goes, and no more are made than the two copies can show at once."""
    ageing, wearing = addon("blender.ageing"), addon("blender.wearing")
    monkeypatch.setattr(wearing, "KEPT", 1)
    source = stage.target("Crate", (-3, -3), (3, 3), level=1.0)
    made = wearing.make_variants(ageing.gather(source, h.recipe(addon), ageing.kind_named("moss")), stage.path / "more")
    ageing.apply_variant(source, made[0], add=True, level=0.5)
    yard = collection("Yard", source)
    for number in range(2):
        instance(f"Yard {number}", yard, (-8 + 16 * number, 0, 0))
    evaluated: list[dict[str, int]] = []
    show = wearing.Wearing.show

    def watched(self: Any, *arguments: Any) -> None:
        show(self, *arguments)
        blocks = bpy.context.evaluated_depsgraph_get().ids
        evaluated.append({i.original.name: i.as_pointer() for i in blocks if isinstance(i, bpy.types.Material)})

    monkeypatch.setattr(wearing.Wearing, "show", watched)
    before = saved(stage)
    stage.again(h.STILL, {"randomize": {"variant": True}}, frames=8)
    assert h.changes(before, h.snapshot()) == []
    shown = []
    for frame in range(8):
        picture = stage.picture(frame).astype(int)
        for each in stage.record(frame)["instances"]:
            (layer,) = each["layers"]
            x, y, width, height = each["bbox"]
            middle = picture[y + height // 2]
            blue = [bool(middle[at, 0] > middle[at, 2]) for at in (x + width - 2, x + 1)]
            assert blue == [each["variant"] == 1, layer["variant"] == 1]
            shown.append((each["variant"], layer["variant"]))
    assert len(set(shown)) == 4 and any(first == second for first, second in zip(*[iter(shown)] * 2, strict=True))
    assert all(each.items() <= last.items() for each, last in itertools.pairwise(evaluated))
    assert sum(name.startswith("Paint Crate") for name in evaluated[-1]) == 3  # the source's, and a dress for each copy
    monkeypatch.setattr(wearing, "KEPT", 8)
    stage.again(h.STILL, {"randomize": {"variant": True}}, frames=8, out="all kept")
    assert h.differing(h.files_of(stage.path / "out"), h.files_of(stage.path / "all kept")) == []


def test_three_hundred_targets_in_a_frame(addon, stage) -> None:
    source = stage.target("Bolt", (-1, -1), (1, 1))
    source.hide_render = True
    places = [(-30 + 3 * (i % 20), -30 + 4 * (i // 20), 0) for i in range(300)]
    mesh = bpy.data.meshes.new("Plate")
    mesh.from_pydata(places, [], [])
    plate = bpy.data.objects.new("Plate", mesh)
    stage.scene.collection.objects.link(plate)
    scatter(plate, source)
    stage.run(h.STILL, {"labels": {"min_pixels": 1}})
    assert stage.boxes() == {f"Bolt.Plate#{i + 1}": square(x, y, 2) for i, (x, y, _) in enumerate(places)}
    assert sorted(each["index"] for each in stage.record()["instances"]) == list(range(1, 301))
    assert all(each["visible_fraction"] == 1 for each in stage.record()["instances"])


@pytest.mark.versions
def test_what_a_targets_own_nodes_make_is_part_of_it(addon, stage) -> None:
    """Instances that are no object's, beside its mesh."""
    obj = stage.target("A", (-2, -2), (2, 2))
    tree, mesh, out = h.geometry_nodes(obj)
    points, join = tree.nodes.new("GeometryNodeInstanceOnPoints"), tree.nodes.new("GeometryNodeJoinGeometry")
    for socket in (points.inputs["Points"], points.inputs["Instance"], join.inputs[0]):
        tree.links.new(mesh, socket)
    tree.links.new(points.outputs[0], join.inputs[0])
    tree.links.new(join.outputs[0], out)
    stage.run(h.STILL)
    assert stage.boxes() == {"A": square(0, 0, 8)}


@pytest.mark.parametrize("how", ["realized", "no instances", "own parts", "own instances"])
def test_copies_that_cannot_be_told_apart_are_refused(addon, stage, how: str) -> None:
    source = stage.target("Crate", (-2, -2), (2, 2))
    if how == "own instances":  # of another object, while it is a copy itself
        yard = bpy.data.collections.new("Yard")
        yard.objects.link(source)
        instance("Near", yard, (-20, 0, 0))
        scatter(source, stage.plain("Rivet", (-1, -1), (1, 1)))
    elif how == "own parts":
        tree, mesh, out = h.geometry_nodes(source)
        points, join = tree.nodes.new("GeometryNodeInstanceOnPoints"), tree.nodes.new("GeometryNodeJoinGeometry")
        for socket in (points.inputs["Points"], points.inputs["Instance"], join.inputs[0]):
            tree.links.new(mesh, socket)
        tree.links.new(points.outputs[0], join.inputs[0])
        tree.links.new(join.outputs[0], out)
        instance("Near", collection("Yard", source), (-20, 0, 0))
    else:
        carrier = h.plane("Field", (-20, -10), (20, 10), -1, h.material("Grass", None))
        scatter(carrier, source, as_instance=False, realize=how == "realized")
    where = "'Field' shows the target 'Crate' as part" if how in ("realized", "no instances") else "'Crate'.*'Near'"
    before = saved(stage)
    with pytest.raises(addon("errors").SynGenError, match=where):
        stage.again(h.STILL)
    assert h.changes(before, h.snapshot()) == []
    assert not (stage.path / "out" / "job.json").exists()


@pytest.mark.versions
def test_a_copy_that_is_not_seen_as_an_object_is_none(addon, stage) -> None:
    """By its instancer: behind a holdout, in a collection that is seen indirectly only."""
    source = stage.target("Crate", (-2, -2), (2, 2))
    yard = collection("Yard", source)
    instance("Kept", yard, (0, 0, 0))
    instance("Hole", yard, (10, 0, 0)).is_holdout = True
    lost = instance("Lost", yard, (-10, 0, 0))
    apart = collection("Apart", lost)
    stage.scene.collection.children.link(apart)
    bpy.context.view_layer.layer_collection.children["Apart"].indirect_only = True
    summary = stage.run(h.STILL)
    assert stage.boxes() == {"Crate.Kept#1": square(0, 0, 4)}
    left_out = sorted(w for w in summary.warnings if "left out" in w)
    assert ["Crate.Hole#1" in left_out[0], "Crate.Lost#1" in left_out[1]] == [True, True]
    picture = stage.picture()
    assert picture[32, 42].sum() == 0 and np.array_equal(picture[32, 22], picture[0, 0])


@pytest.mark.versions
def test_a_copy_is_turned_like_any_target(addon, stage) -> None:
    """A sheared one, too: it stands on its own."""
    yard = collection("Yard", stage.target("Crate", (-4, -2), (4, 2)))
    instance("Near", yard, (-20, 0, 0))
    inner = instance("Inner", yard, (0, 0, 0))
    inner.rotation_euler.z = np.pi / 4
    instance("Far", collection("Site", inner), (10, 0, 0)).scale = (1.0, 2.0, 1.0)
    stage.run(h.STILL, out="still")
    stage.run(h.STILL, {"pose": {"yaw_deg": [90.0, 90.0]}})
    still, turned = stage.seen("still"), stage.seen()
    assert turned["Crate.Near#1"]["bbox"] == [30 - 20, 28, 4, 8]
    x, y, width, height = still["Crate.Far#1"]["amodal_bbox"]
    assert turned["Crate.Far#1"]["amodal_bbox"] == pytest.approx(
        [x + (width - height) / 2, y + (height - width) / 2, height, width], abs=0.02
    )


def test_the_preview_looks_where_the_job_looks(addon, stage) -> None:
    """Copies count in what is drawn, though the preview makes none real."""
    yard = collection("Yard", stage.target("Crate", (-2, -2), (2, 2)))
    for number in range(3):
        instance(f"Yard {number}", yard, (-20 + 20 * number, 5, 0))
    stage.run(frames=3)
    preview, scene = addon("blender.preview_frame"), stage.scene
    for frame in range(3):
        preview.begin(bpy.context, h.recipe(addon), frame, 0)
        drawn = stage.record(frame)
        if drawn["attempt"] == 0:
            assert np.allclose(scene.camera.matrix_world, drawn["camera"]["matrix_world"], atol=1e-4)
        preview.end(scene)
    assert any(stage.record(frame)["attempt"] == 0 for frame in range(3))


@pytest.mark.versions
def test_copies_of_what_is_linked_from_another_file(addon, stage) -> None:
    """Their source cannot be changed for good, but for a job; each copy shows its own variant all the same."""
    library = stage.path / "library.blend"
    bpy.data.libraries.write(str(library), {collection("Yard", stage.target("Crate", (-2, -2), (2, 2)))})
    bpy.ops.wm.read_homefile(use_empty=True)
    stage = h.Stage(addon, stage.path)
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.collections = ["Yard"]
    for number in range(6):
        instance(f"Yard {number}", wanted.collections[0], (-25 + 10 * number, 0, 0))
    before = saved(stage)
    stage.again(h.STILL, {"randomize": {"level": True, "variant": True}})
    # What a copy of ours has used counts as linked by this file from then on, which nothing can take back.
    assert not [line for line in h.changes(before, h.snapshot()) if "is_library_indirect" not in line]
    assert stage.boxes() == {f"Crate.Yard {i}#1": square(-25 + 10 * i, 0, 4) for i in range(6)}
    seen = stage.record()["instances"]
    assert len({each["level"] for each in seen}) == 6 and {each["variant"] for each in seen} == {0, 1}
