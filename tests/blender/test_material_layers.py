"""Several kinds of wear on one object: put in, replaced and taken out in any order, each with its level and layer."""

import dataclasses
from pathlib import Path
from typing import Any

import bpy
import numpy as np
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
    plain = {"front": known["dents"].front, "over": 3, "coverage": 0.0}
    shape = dataclasses.replace(known["heavy_rust"], name="test_shape", label="Shape", **plain)
    monkeypatch.setitem(known, "test_shape", shape)


def sheet(name: str = "Sheet", material: bpy.types.Material | None = None, x: float = 0.0) -> bpy.types.Object:
    material = material or h.material("Paint", h.painted("Base", 64))
    return h.plane(name, (x - 32, -32), (x + 32, 32), 0, material)


def put(addon: h.Addon, obj: bpy.types.Object, gallery: Path, kind: str, **more: Any) -> Any:
    """A hand-made variant of the kind onto the object, worn from the left."""
    onset = more.pop("onset", h.ramp())
    look = {n: more.pop(n) for n in ("color", "cover", "runoff", "fade", "seed") if n in more}
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


# --- what is seen ----------------------------------------------------------------------------------------------------


def seen(addon: h.Addon, tmp_path: Path, *aovs: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The picture (64 x 64 x 3, bytes) and these label layers, at one texel a pixel, straight from Blender."""
    import OpenEXR

    scene, layer = bpy.context.scene, bpy.context.view_layer
    known = [aov.name for aov in layer.aovs]
    for name in (name for name in aovs if name not in known):
        aov = layer.aovs.add()
        aov.name, aov.type = name, "VALUE"
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 16, False
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.view_settings.view_transform = "Standard"
    settings = scene.render.image_settings
    if bpy.app.version >= (5, 0):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    scene.render.filepath = str(tmp_path / "seen.exr")
    bpy.ops.render.render(write_still=True)
    with OpenEXR.File(scene.render.filepath, separate_channels=True) as file:
        found = [(name, channel) for part in file.parts for name, channel in part.channels.items()]
        planes = {name: np.array(channel.pixels, np.float32) for name, channel in found}

    def plane(end: str) -> np.ndarray:
        return next(pixels for name, pixels in planes.items() if name.endswith(end))

    picture = np.dstack([plane(f"Combined.{c}") for c in "RGB"])
    return picture, {name: next(p for n, p in planes.items() if f".{name}." in n) for name in aovs}


@pytest.fixture
def studio(empty_scene: Any) -> bpy.types.Object:
    obj = sheet()
    h.light()
    h.camera_above()
    return obj


@pytest.mark.versions
def test_each_layer_has_its_level_and_its_render_layer(addon, studio: bpy.types.Object, gallery: Path) -> None:
    ageing, level = addon("blender.ageing"), addon("blender.level")
    put(addon, studio, gallery, "test_low", level=0.25)
    put(addon, studio, gallery, "test_high", add=True, level=0.75, onset=h.ramp()[:, ::-1], cover=1.0)
    names = ("syngen_wear", "syngen_wear_test_high")
    _, layers = seen(addon, gallery.parent, *names)
    inside = slice(2, -2)
    own, further = (layers[name][inside] for name in names)
    assert (own[:, 2:14] == 1).all() and (own[:, 19:62] == 0).all()
    assert (further[:, 19:62] == 1).all() and (further[:, 2:13] == 0).all()
    level.set_level(studio, 0.5)
    level.set_level(studio, 0.25, "test_high")
    assert (level.get_level(studio), level.get_level(studio, "test_high")) == (0.5, 0.25)
    assert level.get_level(studio, "test_low") == 0.5  # the own one by its name
    _, layers = seen(addon, gallery.parent, *names)
    assert [float(layers[name][inside].mean()) for name in names] == pytest.approx([0.5, 0.25], abs=0.03)
    ageing.remove_layer(studio, "test_high")
    _, layers = seen(addon, gallery.parent, *names)
    assert float(layers["syngen_wear_test_high"].max()) == 0


def test_what_only_changes_the_shape_leaves_the_rust_below(addon, studio: bpy.types.Object, gallery: Path) -> None:
    put(addon, studio, gallery, "test_low", level=0.5, color=(0.8, 0.1, 0.1), cover=1.0)
    below, _ = seen(addon, gallery.parent)
    put(addon, studio, gallery, "test_shape", add=True, level=1.0, color=(0.1, 0.1, 0.9), cover=0.0)
    bare, _ = seen(addon, gallery.parent)
    put(addon, studio, gallery, "test_shape", add=True, seed=1, color=(0.1, 0.1, 0.9), cover=1.0)
    hidden, _ = seen(addon, gallery.parent)
    left, right = (slice(8, 56), slice(4, 26)), (slice(8, 56), slice(36, 60))
    for part in (left, right):
        assert bare[part].mean((0, 1)) == pytest.approx(below[part].mean((0, 1)), rel=0.12)
        assert hidden[part][..., 2].mean() > hidden[part][..., 0].mean()
    assert below[left][..., 0].mean() > 2 * below[left][..., 2].mean()


@pytest.mark.parametrize("counts", [False, True])
def test_stains_that_run_down_colour_the_paint_and_count_only_where_the_kind_says(
    addon, studio: bpy.types.Object, gallery: Path, monkeypatch: pytest.MonkeyPatch, counts: bool
) -> None:
    known = addon("kinds").KINDS
    stains = {"runoff": 1.0, "runoff_linear": (0.0, 0.0, 0.8), "runoff_counts": counts}
    front = dataclasses.replace(known["test_low"].front, **stains)
    monkeypatch.setitem(known, "test_low", dataclasses.replace(known["test_low"], front=front))
    onset, runoff = np.full((64, 64), 1.0, np.float32), np.full((64, 64), 2.0, np.float32)
    runoff[:, 32:] = 0.2
    put(addon, studio, gallery, "test_low", level=0.1, onset=onset, runoff=runoff)
    dry, layers = seen(addon, gallery.parent, "syngen_wear")
    assert float(layers["syngen_wear"].max()) == 0
    addon("blender.level").set_level(studio, 0.6)
    stained, layers = seen(addon, gallery.parent, "syngen_wear")
    blue = [picture[8:56, :, 2] / picture[8:56, :, 1] for picture in (dry, stained)]
    assert blue[1][:, 36:60].mean() > 3 * blue[0][:, 36:60].mean()
    assert blue[1][:, 4:28].mean() == pytest.approx(blue[0][:, 4:28].mean(), rel=0.1)
    assert layers["syngen_wear"][8:56, 36:60].mean() == float(counts)
    assert float(layers["syngen_wear"][8:56, 4:28].max()) == 0


def test_marks_fade_with_the_level_and_are_no_wear(addon, studio: bpy.types.Object, gallery: Path) -> None:
    onset, fade = h.ramp(64), np.full((64, 64), 2.0, np.float32)
    onset[:, 32:], fade[:, 32:] = 2.0, 0.4
    put(addon, studio, gallery, "test_low", level=0.3, onset=onset, fade=fade, color=(0.9, 0.0, 0.0))
    mark = (slice(8, 56), slice(40, 60))
    ratio = []
    for level in (0.3, 0.7, 1.0):
        addon("blender.level").set_level(studio, level)
        picture, layers = seen(addon, gallery.parent, "syngen_wear")
        ratio.append(float(picture[mark][..., 0].mean() / picture[mark][..., 1].mean()))
        assert float(layers["syngen_wear"][mark].max()) == 0
    assert ratio[0] < 1.2 and ratio[0] < ratio[1] < ratio[2] and ratio[2] > 5
