"""Wear goes onto a material and off again without a trace, and shows what its level says."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick, real_variants  # noqa: F401


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    return tmp_path / "gallery"


def everything() -> dict[str, Any]:
    """The snapshot without what the render leaves behind anyway."""
    return h.snapshot()


def apply(addon: Any, obj: bpy.types.Object, gallery: Path, **more: Any) -> Any:
    return h.age(addon, obj, gallery, h.recipe(addon), **more)[0]


def rich_material() -> bpy.types.Material:
    """Everything that the group passes through is linked, mixed or set by hand."""
    made = h.material("Rich", h.painted("Rich base"))
    tree = made.node_tree
    principled = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
    texture = next(n for n in tree.nodes if n.type == "TEX_IMAGE")
    mix = tree.nodes.new("ShaderNodeHueSaturation")
    tree.links.new(texture.outputs["Color"], mix.inputs["Color"])
    tree.links.new(mix.outputs["Color"], principled.inputs["Base Color"])
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    tree.links.new(texture.outputs["Color"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], principled.inputs["Roughness"])
    bump = tree.nodes.new("ShaderNodeBump")
    tree.links.new(ramp.outputs["Color"], bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], principled.inputs["Normal"])
    principled.inputs["Metallic"].default_value = 0.37
    frame = tree.nodes.new("NodeFrame")
    frame.label = "Mine"
    principled.parent = frame
    tree.nodes.active = ramp
    return made


@pytest.mark.versions
@pytest.mark.parametrize(
    "which", ["plain", "rich", "generated", "linked file", "two slots", "no UVs", "mirrored", "object slot"]
)
def test_apply_then_remove_leaves_everything_as_it_was(
    addon, empty_scene, gallery: Path, tmp_path: Path, which: str
) -> None:
    surface = rich_material() if which == "rich" else h.material("Paint", h.painted("Base"))
    if which == "generated":
        image = bpy.data.images.new("Painted over", 16, 16)
        image.pixels.foreach_set(np.linspace(0.2, 0.7, 16 * 16 * 4, dtype=np.float32))
        next(n for n in surface.node_tree.nodes if n.type == "TEX_IMAGE").image = image
    if which == "linked file":
        image = bpy.data.images["Base"]
        image.filepath_raw = str(tmp_path / "base.png")
        image.unpack(method="REMOVE")
        image.file_format = "PNG"
        h.painted("Written").save(filepath=str(tmp_path / "base.png"))
        image.source, image.filepath = "FILE", str(tmp_path / "base.png")
        image.reload()
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), None if which == "object slot" else surface)
    if which == "object slot":
        obj.data.materials.append(None)
        obj.material_slots[0].link = "OBJECT"
        obj.material_slots[0].material = surface
    if which == "two slots":
        obj.data.materials.append(h.material("Trim", h.painted("Trim base", seed=4)))
        obj.data.materials.append(h.material("Unused and plain", None))
        for polygon in obj.data.polygons[:3]:
            polygon.material_index = 1
    if which == "no UVs":
        obj.data.uv_layers.remove(obj.data.uv_layers[0])
    if which == "mirrored":
        obj.scale = (-1, 1, 2)
        bpy.context.view_layer.update()
    before = everything()
    apply(addon, obj, gallery, level=0.4)
    worn = everything()
    assert worn["material tree " + surface.name] != before["material tree " + surface.name]
    assert obj["syngen_level"] == 0.4
    if which == "no UVs":
        assert [layer.name for layer in obj.data.uv_layers] == ["SynGen"]
    if which == "two slots":
        groups = [addon("blender.material").group_of(s.material) is not None for s in obj.material_slots]
        assert groups == [True, True, False]
    addon("blender.ageing").remove(obj)
    bpy.context.view_layer.update()
    changed = h.changes(before, everything())
    assert not changed, "\n".join(changed)


def test_choosing_another_variant_and_removing_leaves_everything_as_it_was(addon, empty_scene, gallery: Path) -> None:
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), rich_material())
    before = everything()
    made = h.age(addon, obj, gallery, h.recipe(addon))
    images = len(bpy.data.images)
    for variant in (made[1], made[0], made[1]):
        addon("blender.ageing").apply_variant(obj, variant)
    assert len(bpy.data.images) == images, "the pictures of the variant that is off stay behind"
    assert len([n for n in obj.data.materials[0].node_tree.nodes if n.type == "GROUP"]) == 1
    addon("blender.ageing").remove(obj)
    assert h.changes(before, everything()) == []


@pytest.mark.versions
def test_two_meshes_that_share_a_material_wear_their_own(addon, empty_scene, gallery: Path) -> None:
    ageing, material = addon("blender.ageing"), addon("blender.material")
    shared = h.material("Shared", h.painted("Base"))
    first = h.box("First", (0, 0, 0), (1, 1, 1), shared)
    second = h.box("Second", (2, 0, 0), (3, 1, 2), shared)
    clean = h.box("Clean", (4, 0, 0), (5, 1, 1), shared)
    before = everything()
    apply(addon, first, gallery)
    apply(addon, second, gallery)
    assert first.material_slots[0].material == shared and clean.material_slots[0].material == shared
    own = second.material_slots[0].material
    assert own != shared and second.material_slots[0].link == "OBJECT"
    assert material.group_of(own).node_tree != material.group_of(shared).node_tree
    ageing.remove(first)
    assert material.group_of(shared) is None and material.group_of(own) is not None
    ageing.remove(second)
    assert h.changes(before, everything()) == []
    # The other way round, and with a third variant chosen in between.
    apply(addon, first, gallery)
    apply(addon, second, gallery)
    ageing.apply_variant(second, h.age(addon, second, gallery, h.recipe(addon))[1])
    ageing.remove(second)
    assert second.material_slots[0].material == shared
    ageing.remove(first)
    assert h.changes(before, everything()) == []


def test_linked_duplicates_keep_their_wear_until_the_last_is_clean(addon, empty_scene, gallery: Path) -> None:
    ageing, material = addon("blender.ageing"), addon("blender.material")
    paint = h.material("Paint", h.painted("Base"))
    first = h.box("First", (0, 0, 0), (1, 1, 1), paint)
    first.data.uv_layers.remove(first.data.uv_layers[0])
    twin = bpy.data.objects.new("Twin", first.data)
    twin.location.x = 3
    bpy.context.scene.collection.objects.link(twin)
    bpy.context.view_layer.update()
    before = everything()
    for obj in (first, twin):
        apply(addon, obj, gallery)
    addon("blender.level").set_level(first, 0.2)
    addon("blender.level").set_level(twin, 0.9)
    assert (first["syngen_level"], twin["syngen_level"]) == (0.2, 0.9)
    ageing.remove(first)
    assert material.group_of(twin.material_slots[0].material) is not None
    assert "SynGen" in twin.data.uv_layers
    ageing.remove(twin)
    assert h.changes(before, everything()) == []


def test_a_linked_duplicate_that_shows_another_variant_gets_a_copy(addon, empty_scene, gallery: Path) -> None:
    """Twins share the material as long as they show the same; a click on one is on that one."""
    ageing, material = addon("blender.ageing"), addon("blender.material")
    paint = h.material("Paint", h.painted("Base"))
    first = h.box("First", (0, 0, 0), (1, 1, 1), paint)
    twin = bpy.data.objects.new("Twin", first.data)
    bpy.context.scene.collection.objects.link(twin)
    bpy.context.view_layer.update()
    before = everything()
    made = h.age(addon, first, gallery, h.recipe(addon))

    def shown(obj: bpy.types.Object) -> str:
        group = material.group_of(obj.material_slots[0].material)
        return Path(group.node_tree.nodes["color"].image.filepath).parent.name

    ageing.apply_variant(twin, made[0])
    assert first.material_slots[0].material == twin.material_slots[0].material == paint
    ageing.apply_variant(twin, made[1])
    assert (shown(first), shown(twin)) == (made[0].name, made[1].name)
    assert first.material_slots[0].material == paint
    ageing.apply_variant(first, made[1])
    ageing.apply_variant(twin, made[0])
    assert (shown(first), shown(twin)) == (made[1].name, made[0].name)
    for obj in (first, twin):
        ageing.remove(obj)
    assert h.changes(before, everything()) == []


# --- what it shows ---------------------------------------------------------------------------------------------------


@pytest.fixture
def sheet(addon, empty_scene, gallery: Path) -> bpy.types.Object:
    """A flat plane that fills the picture, with a ramp of onset from left to right."""
    obj = h.plane("Sheet", (-32, -32), (32, 32), 0, h.material("Paint", h.painted("Base", 64)))
    variant = h.handmade(addon, gallery / "heavy_rust-0000-aaaa", h.ramp(1024))
    addon("blender.ageing").apply_variant(obj, variant, level=0.5)
    h.light()
    h.camera_above()
    return obj


@pytest.mark.parametrize("level", [0.0, 0.25, pytest.param(0.5, marks=pytest.mark.versions), 0.75, 1.0])
def test_the_wear_layer_covers_what_the_level_says(
    addon, sheet: bpy.types.Object, tmp_path: Path, level: float
) -> None:
    addon("blender.level").set_level(sheet, level)
    _, layers = h.render_layers(addon, h.recipe(addon, {"render": {"samples": 32}}), tmp_path)
    assert layers.wear.mean() == pytest.approx(level, abs=0.01)
    assert (layers.wear >= 0.5).mean() == pytest.approx(level, abs=0.016)  # a column of 64
    if level in (0.0, 1.0):
        assert (layers.wear[1:-1, 1:-1] == level).all()  # at the border a pixel's filter reaches past the sheet


@pytest.mark.versions
def test_at_level_0_the_picture_is_as_without_wear(addon, sheet: bpy.types.Object, tmp_path: Path) -> None:
    settings = h.recipe(addon, {"render": {"samples": 4}})
    addon("blender.level").set_level(sheet, 0.0)
    clean, _ = h.render_layers(addon, settings, tmp_path)
    addon("blender.level").set_level(sheet, 0.6)
    worn, _ = h.render_layers(addon, settings, tmp_path)
    addon("blender.ageing").remove(sheet)
    bare, _ = h.render_layers(addon, settings, tmp_path)
    assert np.abs(clean.astype(int) - bare.astype(int)).max() <= 1
    assert np.abs(worn.astype(int) - bare.astype(int)).max() > 40


def test_the_level_can_be_keyed_and_drawn_levels_still_hold(addon, sheet: bpy.types.Object, tmp_path: Path) -> None:
    """A job that draws levels renders and records the drawn one, whatever a keyframe says, and gives the key back."""
    dataset = addon("blender.dataset")
    sheet.keyframe_insert('["syngen_level"]', frame=1)
    h.save(tmp_path / "scene.blend")
    before = h.snapshot()
    still = {k: v for k, v in h.STILL.items() if k != "randomize"}
    settings = h.recipe(
        addon, still, {"randomize": {"variant": False}, "wear": {"level": [0.8, 0.8]}, "render": {"samples": 16}}
    )
    dataset.run(dataset.Job(settings, tmp_path / "out", 1))
    (entry,) = h.record(tmp_path / "out")["instances"]
    assert entry["level"] == 0.8
    assert entry["wear_percent"] == pytest.approx(80, abs=2)
    assert h.changes(before, h.snapshot()) == []


def test_a_driven_level_holds_where_levels_are_not_drawn(addon, sheet: bpy.types.Object, tmp_path: Path) -> None:
    dataset = addon("blender.dataset")
    sheet.driver_add('["syngen_level"]').driver.expression = "0.3"
    bpy.context.view_layer.update()
    h.save(tmp_path / "scene.blend")
    dataset.run(dataset.Job(h.recipe(addon, h.STILL, {"render": {"samples": 16}}), tmp_path / "out", 1))
    (entry,) = h.record(tmp_path / "out")["instances"]
    assert entry["level"] == pytest.approx(0.3)
    assert entry["wear_percent"] == pytest.approx(30, abs=2)


# --- the real stages, end to end -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("real_variants")
def test_a_real_variant_covers_what_its_level_says_and_spares_what_is_protected(
    addon, empty_scene, gallery: Path, tmp_path: Path
) -> None:
    """One half is protected by a picture, a quarter by a vertex group: texels bit-exact, never worn."""
    images = addon("images")
    obj = h.plane("Sheet", (-0.5, -0.5), (0.5, 0.5), 0, h.material("Paint", h.painted("Base", 64)))
    picture = np.zeros((64, 64, 3), np.float32)
    picture[:, :16] = 1  # the left quarter
    images.save_png(tmp_path / "protect.png", picture)
    obj.vertex_groups.new(name="Label").add([0, 1], 1.0, "REPLACE")  # the lower edge: weight over 0.5 in the lower half
    settings = h.recipe(
        addon,
        {
            "transfer": {"protect_image": str(tmp_path / "protect.png"), "protect_group": "Label"},
            "texture": {"variants": 1},
        },
    )
    made = h.age(addon, obj, gallery, settings, level=0.5)
    base = images.load(made[0].file("color", 0))
    original = images.to_bytes(addon("blender.pixels").read_srgb(bpy.data.images["Base"])[..., :3])
    protected = np.zeros((64, 64), bool)
    protected[:, :16] = True
    protected[33:] = True
    aged = images.to_bytes(base[..., :3])
    assert np.array_equal(aged[protected], original[protected])
    free = ~protected
    free[31:33] = False
    assert (aged[free] != original[free]).any(axis=-1).mean() > 0.9

    h.light()
    camera = h.camera_above(64)
    camera.data.ortho_scale = 1.0
    for level in (0.25, 0.5, 0.75):
        addon("blender.level").set_level(obj, level)
        _, layers = h.render_layers(addon, h.recipe(addon, {"render": {"samples": 32}}), tmp_path)
        assert layers.wear[:, :14].max() == layers.wear[35:].max() == 0  # a pixel's filter reaches over the edge
        assert layers.wear[free].mean() == pytest.approx(level, abs=0.03)
    addon("blender.level").set_level(obj, 1.0)
    _, layers = h.render_layers(addon, settings, tmp_path)
    assert layers.wear[free].min() == 1.0


@pytest.mark.usefixtures("real_variants")
def test_a_mirrored_object_wears_like_its_twin(addon, empty_scene, gallery: Path) -> None:
    ageing = addon("blender.ageing")
    obj = h.box("Crate", (0, 0, 0), (1, 2, 1), h.material("Paint", h.painted("Base")))
    settings = h.recipe(addon)
    plain = ageing.gather(obj, settings, ageing.kind_named("heavy_rust"))
    obj.scale.x = -1
    bpy.context.view_layer.update()
    mirrored = ageing.gather(obj, settings, ageing.kind_named("heavy_rust"))

    def outward(mesh: Any) -> np.ndarray:
        a, b, c = (mesh.vertices[mesh.triangles[:, i]] for i in range(3))
        normal = np.cross(b - a, c - a)
        return (normal * ((a + b + c) / 3 - mesh.vertices.mean(0))).sum(1)

    assert (outward(plain.mesh) > 0).all()
    assert (outward(mirrored.mesh) > 0).all()
