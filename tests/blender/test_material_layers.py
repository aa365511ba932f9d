"""Several kinds of wear on one object: put in, replaced and taken out in any order, each with its level and layer."""

import dataclasses
from pathlib import Path
from typing import Any

import bpy
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

OVER = {"test_low": 0, "test_middle": 5, "test_high": 9}


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    return tmp_path / "gallery"


@pytest.fixture(autouse=True)
def kinds(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three kinds of this test's own, that lie upon each other, and one that only changes the shape."""
    known = addon("kinds").KINDS
    for name, over in OVER.items():
        monkeypatch.setitem(known, name, dataclasses.replace(known["heavy_rust"], name=name, label=name, over=over))
    shape = dataclasses.replace(known["heavy_rust"], name="test_shape", label="Shape", over=3, coverage=0.0)
    monkeypatch.setitem(known, "test_shape", shape)


def sheet(name: str = "Sheet", material: bpy.types.Material | None = None, x: float = 0.0) -> bpy.types.Object:
    material = material or h.material("Paint", h.painted("Base", 64))
    return h.plane(name, (x - 32, -32), (x + 32, 32), 0, material)


def put(addon: h.Addon, obj: bpy.types.Object, gallery: Path, kind: str, **more: Any) -> Any:
    """A hand-made variant of the kind onto the object, worn from the left."""
    onset = more.pop("onset", h.ramp())
    look = {n: more.pop(n) for n in ("color", "cover", "seed") if n in more}
    folder = gallery / obj.name / f"{kind}-{look.get('seed', 0):04d}-a"
    variant = h.handmade(addon, folder, onset, kind=kind, **look)
    addon("blender.ageing").apply_variant(obj, variant, **more)
    return variant


def chain(addon: h.Addon, obj: bpy.types.Object) -> list[str]:
    """Keys of the groups from the user's nodes to the Principled BSDF, as the colour runs."""
    material = addon("blender.material")
    tree = obj.material_slots[0].material.node_tree
    socket = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED").inputs["Base Color"]
    found: list[str] = []
    while socket.links and socket.links[0].from_node.type == "GROUP":
        node = socket.links[0].from_node
        for name in ("Roughness", "Metallic", "Normal"):
            assert len(node.outputs[name].links) == 1
        found.insert(0, material.key_of_group(node.node_tree))
        socket = node.inputs["Color"]
    return found


@pytest.mark.versions
@pytest.mark.parametrize("order", ["low middle high", "middle high low", "high low middle"])
def test_layers_lie_by_their_kind_and_come_off_without_a_trace(addon, empty_scene, gallery: Path, order: str) -> None:
    ageing = addon("blender.ageing")
    obj = sheet()
    before = h.snapshot()
    names = [f"test_{word}" for word in order.split()]
    for name in names:
        put(addon, obj, gallery, name, add=True, level=0.5)
    own = names[0]
    lying = ["" if name == own else name for name in OVER]
    assert chain(addon, obj) == lying
    assert [(e.kind, e.own) for e in addon("blender.layers").layers_of(obj)] == [
        (own, True),
        *((n, False) for n in sorted(names[1:])),
    ]
    put(addon, obj, gallery, names[1], add=True, seed=1)  # another variant of one that is there
    assert chain(addon, obj) == lying
    assert obj["syngen"]["layers"][names[1]]["variant"] == f"{names[1]}-0001-a"
    with pytest.raises(addon("errors").SynGenError, match="the others on 'Sheet' lie beside"):
        ageing.remove_layer(obj, own)
    ageing.remove_layer(obj, names[1])
    assert chain(addon, obj) == [key for key in lying if key != names[1]]
    assert f"syngen_level_{names[1]}" not in obj and f"syngen_level_{names[2]}" in obj
    with pytest.raises(addon("errors").SynGenError, match="has no wear of the kind"):
        ageing.remove_layer(obj, names[1])
    put(addon, obj, gallery, names[1], add=True)
    assert chain(addon, obj) == lying
    ageing.remove(obj)
    assert h.changes(before, h.snapshot()) == []


def test_each_layer_comes_off_alone_and_the_last_as_all_wear(addon, empty_scene, gallery: Path) -> None:
    ageing = addon("blender.ageing")
    obj = sheet()
    before = h.snapshot()
    for name in ("test_middle", "test_low", "test_high"):
        put(addon, obj, gallery, name, add=True)
    for name in ("test_high", "test_low", "test_middle"):
        ageing.remove_layer(obj, name)
    assert h.changes(before, h.snapshot()) == []


def test_a_layer_that_becomes_the_objects_own_moves(addon, empty_scene, gallery: Path) -> None:
    obj = sheet()
    before = h.snapshot()
    put(addon, obj, gallery, "test_middle", level=0.4)
    put(addon, obj, gallery, "test_high", add=True, level=0.7)
    put(addon, obj, gallery, "test_low", add=True, level=0.2)
    put(addon, obj, gallery, "test_high")
    assert chain(addon, obj) == ["test_low", ""]
    assert obj["syngen"]["kind"] == "test_high" and list(obj["syngen"]["layers"].keys()) == ["test_low"]
    assert obj["syngen_level"] == 0.4 and "syngen_level_test_high" not in obj
    addon("blender.ageing").remove(obj)
    assert h.changes(before, h.snapshot()) == []


@pytest.mark.versions
def test_twins_share_a_material_whose_layers_only_one_has(addon, empty_scene, gallery: Path) -> None:
    ageing, material = addon("blender.ageing"), addon("blender.material")
    first = sheet("First")
    twin = bpy.data.objects.new("Twin", first.data)
    bpy.context.scene.collection.objects.link(twin)
    bpy.context.view_layer.update()
    before = h.snapshot()
    own = put(addon, first, gallery, "test_low")
    ageing.apply_variant(twin, own)
    put(addon, first, gallery, "test_high", add=True)
    paint = first.material_slots[0].material
    assert twin.material_slots[0].material == paint and chain(addon, twin) == ["", "test_high"]
    assert addon("blender.level").get_level(twin, "test_high") == 0
    other = put(addon, twin, gallery, "test_high", add=True, seed=1)  # another variant of it: a copy
    assert twin.material_slots[0].material != paint and chain(addon, twin) == ["", "test_high"]
    group = material.group_of(twin.material_slots[0].material, "test_high").node_tree
    assert Path(group.nodes["color"].image.filepath).parent.name == other.name
    ageing.remove(first)
    assert material.groups_of(paint) == [] and chain(addon, twin) == ["", "test_high"]
    ageing.remove(twin)
    assert h.changes(before, h.snapshot()) == []


def test_a_copy_for_another_mesh_has_none_of_the_others_layers(addon, empty_scene, gallery: Path) -> None:
    ageing = addon("blender.ageing")
    first = sheet("First")
    second = sheet("Second", first.data.materials[0], x=70)
    before = h.snapshot()
    put(addon, first, gallery, "test_low")
    put(addon, first, gallery, "test_high", add=True)
    put(addon, second, gallery, "test_low")
    assert chain(addon, second) == [""] and chain(addon, first) == ["", "test_high"]
    put(addon, second, gallery, "test_middle", add=True)
    assert chain(addon, second) == ["", "test_middle"] and chain(addon, first) == ["", "test_high"]
    ageing.remove(first)
    ageing.remove(second)
    assert h.changes(before, h.snapshot()) == []


def test_what_the_user_plugged_in_and_set_reaches_through_all_layers(addon, empty_scene, gallery: Path) -> None:
    obj = sheet()
    tree = obj.data.materials[0].node_tree
    principled = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
    bump = tree.nodes.new("ShaderNodeBump")
    tree.links.new(bump.outputs["Normal"], principled.inputs["Normal"])
    principled.inputs["Roughness"].default_value = 0.123
    before = h.snapshot()
    for name in ("test_low", "test_high", "test_middle"):
        put(addon, obj, gallery, name, add=True)
    lowest = addon("blender.material").groups_of(obj.data.materials[0])[0]
    assert lowest.inputs["Roughness"].default_value == pytest.approx(0.123)
    assert lowest.inputs["Normal"].links[0].from_node == bump
    addon("blender.ageing").remove(obj)
    assert h.changes(before, h.snapshot()) == []
