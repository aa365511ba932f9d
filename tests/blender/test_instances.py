"""Targets that are shown as instances: each copy is labelled as an object of its own. One unit is one pixel."""

from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401


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
