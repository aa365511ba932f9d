"""Wear on materials as people really have them: cut-outs, copies, masks, groups, keys, overrides, odd units."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    return tmp_path / "gallery"


def sheet(name: str, x: float = 0.0, z: float = 0.0, size: float = 20.0) -> bpy.types.Object:
    low, high = (x - size, -size), (x + size, size)
    return h.plane(name, low, high, z, h.material(f"Paint {name}", h.painted(f"Base {name}")))


def parts(obj: bpy.types.Object) -> tuple[bpy.types.NodeTree, bpy.types.ShaderNode, bpy.types.ShaderNode]:
    """The node tree of its first slot, the Principled BSDF and the image texture in it."""
    tree = obj.material_slots[0].material.node_tree
    principled = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
    return tree, principled, next(n for n in tree.nodes if n.type == "TEX_IMAGE")


def duplicate(obj: bpy.types.Object, name: str, own_mesh: bool = True) -> bpy.types.Object:
    """Shift-D (with a mesh of its own) or Alt-D."""
    copy = obj.copy()
    copy.name = name
    if own_mesh:
        copy.data = obj.data.copy()
    bpy.context.scene.collection.objects.link(copy)
    bpy.context.view_layer.update()
    return copy


def group(addon: h.Addon, obj: bpy.types.Object, slot: int = 0) -> bpy.types.NodeTree | None:
    node = addon("blender.material").group_of(obj.material_slots[slot].material)
    return None if node is None else node.node_tree


def shown(addon: h.Addon, obj: bpy.types.Object, slot: int = 0, what: str = "color") -> tuple[str, str]:
    """(variant, file) of a picture that the object shows."""
    path = Path(group(addon, obj, slot).nodes[what].image.filepath)
    return path.parent.name, path.name


def mix(tree: bpy.types.NodeTree, factor: float, first: Any, second: Any) -> bpy.types.ShaderNode:
    """Put a Mix Shader of two shaders before the output."""
    node = tree.nodes.new("ShaderNodeMixShader")
    node.inputs[0].default_value = factor
    tree.links.new(first.outputs[0], node.inputs[1])
    tree.links.new(second.outputs[0], node.inputs[2])
    tree.links.new(node.outputs[0], tree.get_output_node("ALL").inputs["Surface"])
    return node


# --- seen through ----------------------------------------------------------------------------------------------------

CUT_OUTS = ["alpha", "alpha texture", "mix first", "mix second", "mix texture"]


def cut(fence: bpy.types.Object, how: str) -> None:
    """Let the left half of a sheet through, or all of it."""
    tree, principled, _ = parts(fence)
    pixels = np.ones((64, 64, 4), np.float32)
    pixels[:, :32, :3] = 0
    image = bpy.data.images.new("Holes", 64, 64)
    image.colorspace_settings.name = "Non-Color"
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    holes = tree.nodes.new("ShaderNodeTexImage")
    holes.image, holes.interpolation = image, "Closest"
    transparent = tree.nodes.new("ShaderNodeBsdfTransparent")
    if how == "alpha":
        principled.inputs["Alpha"].default_value = 0.0
    elif how == "alpha texture":
        tree.links.new(holes.outputs["Color"], principled.inputs["Alpha"])
    elif how == "mix first":
        mix(tree, 0.0, transparent, principled)
    elif how == "mix second":
        mix(tree, 1.0, principled, transparent)
    else:
        tree.links.new(holes.outputs["Color"], mix(tree, 0.0, transparent, principled).inputs[0])


@pytest.mark.versions
@pytest.mark.parametrize("how", CUT_OUTS)
def test_wear_that_lets_through_does_not_count_for_what_lies_behind(
    addon, empty_scene, gallery: Path, tmp_path: Path, how: str
) -> None:
    fence, wall = sheet("Fence", z=5), sheet("Wall")
    cut(fence, how)
    before = h.snapshot()
    for obj, level in ((fence, 1.0), (wall, 0.0)):
        h.age(addon, obj, gallery, h.recipe(addon), level=level)
    h.camera_above()
    h.light()
    h.save(tmp_path / "scene.blend")
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(h.recipe(addon, h.STILL), tmp_path / "out", 1))
    wear = {i["name"]: i["wear_percent"] for i in h.record(tmp_path / "out")["instances"]}
    assert wear["Wall"] == 0
    if "texture" in how:
        assert wear["Fence"] == 100
    addon("blender.level").set_level(wall, 1.0)
    _, layers = h.render_layers(addon, h.recipe(addon), tmp_path)
    assert layers.wear.max() == 1.0, "a layer counts twice"
    for obj in (fence, wall):
        addon("blender.ageing").remove(obj)
    for name in ("Camera", "Sun"):
        bpy.data.objects.remove(bpy.data.objects[name])
    changed = [c for c in h.changes(before["material tree Paint Fence"], h.snapshot()["material tree Paint Fence"])]
    assert changed == []


@pytest.mark.parametrize("how", CUT_OUTS)
def test_transparency_that_came_after_the_wear_counts_in_a_job(
    addon, empty_scene, gallery: Path, tmp_path: Path, how: str
) -> None:
    fence, wall = sheet("Fence", z=5), sheet("Wall")
    for obj, level in ((fence, 1.0), (wall, 0.0)):
        h.age(addon, obj, gallery, h.recipe(addon), level=level)
    cut(fence, how)
    h.camera_above()
    h.light()
    h.save(tmp_path / "scene.blend")
    before = h.snapshot()
    dataset = addon("blender.dataset")
    for varied in (False, True):
        settings = h.recipe(addon, h.STILL, {"randomize": {"level": False, "variant": varied}})
        dataset.run(dataset.Job(settings, tmp_path / str(varied), 1))
        wear = {i["name"]: i["wear_percent"] for i in h.record(tmp_path / str(varied))["instances"]}
        assert wear["Wall"] == 0
    assert h.changes(before, h.snapshot()) == []


def test_transparency_that_is_not_followed_is_told(addon, empty_scene) -> None:
    fence = sheet("Fence")
    tree, principled, _ = parts(fence)
    add = tree.nodes.new("ShaderNodeAddShader")
    tree.links.new(principled.outputs[0], add.inputs[0])
    tree.links.new(tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0], add.inputs[1])
    tree.links.new(add.outputs[0], tree.get_output_node("ALL").inputs["Surface"])
    (warning,) = addon("blender.target").find(fence).warnings
    assert "transparency" in warning and "'Paint Fence'" in warning


# --- shared ----------------------------------------------------------------------------------------------------------


def test_a_material_made_single_user_has_a_group_of_its_own(addon, empty_scene, gallery: Path) -> None:
    first = sheet("First")
    before = h.snapshot()
    made = h.age(addon, first, gallery, h.recipe(addon), level=0.5)
    copy = duplicate(first, "Copy")
    copy.data.materials[0] = first.data.materials[0].copy()
    addon("blender.ageing").apply_variant(copy, made[1])
    assert shown(addon, first)[0] == made[0].name == first["syngen"]["variant"]
    assert shown(addon, copy)[0] == made[1].name == copy["syngen"]["variant"]
    for obj in (first, copy):
        addon("blender.ageing").remove(obj)
    mesh, material = copy.data, copy.data.materials[0]
    bpy.data.objects.remove(copy)
    bpy.data.meshes.remove(mesh)
    bpy.data.materials.remove(material)
    assert h.changes(before, h.snapshot()) == []


def test_in_a_job_copies_of_a_material_show_their_own_variants(
    addon, empty_scene, gallery: Path, tmp_path: Path
) -> None:
    first = sheet("First", x=-16, size=12)
    h.age(addon, first, gallery, h.recipe(addon), level=1.0)
    copy = duplicate(first, "Copy")
    copy.location.x = 32
    copy.data.materials[0] = first.data.materials[0].copy()
    h.camera_above()
    h.light()
    h.save(tmp_path / "scene.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))  # a fresh copy's sockets are not settled yet
    before = h.snapshot()
    dataset = addon("blender.dataset")
    settings = h.recipe(addon, h.STILL, {"randomize": {"level": False, "variant": True}})
    dataset.run(dataset.Job(settings, tmp_path / "out", 6))
    assert h.changes(before, h.snapshot()) == []
    differed = 0
    for frame in range(6):
        variants = {i["name"]: i["variant"] for i in h.record(tmp_path / "out", frame)["instances"]}
        picture = h.decode_png((tmp_path / "out" / "images" / "0000" / f"{frame:08d}.png").read_bytes()).astype(int)
        for name, x in (("First", 16), ("Copy", 48)):
            red, _, blue = picture[24:40, x - 4 : x + 4].mean((0, 1))
            assert (red > blue) == (variants[name] == 0), (frame, name, variants)
        differed += variants["First"] != variants["Copy"]
    assert differed


def test_the_same_material_in_two_slots_shows_each_its_own_map(addon, empty_scene, gallery: Path) -> None:
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base")))
    obj.data.materials.append(obj.data.materials[0])
    obj.data.polygons[0].material_index = 1
    before = h.snapshot()
    made = h.age(addon, obj, gallery, h.recipe(addon))
    assert made[0].slots == (0, 1)
    for variant in (made[0], made[1]):
        addon("blender.ageing").apply_variant(obj, variant)
        maps = [shown(addon, obj, slot, "onset") for slot in (0, 1)]
        assert maps == [(variant.name, "onset-0.png"), (variant.name, "onset-1.png")]
    addon("blender.ageing").remove(obj)
    assert h.changes(before, h.snapshot()) == []


def isolated(addon: h.Addon, gallery: Path) -> tuple[bpy.types.Object, bpy.types.Object]:
    """Two objects with one material, the second of which wears a copy of it."""
    first, second = sheet("First"), sheet("Second", x=50)
    second.data.materials[0] = first.data.materials[0]
    for obj in (first, second):
        h.age(addon, obj, gallery, h.recipe(addon))
    assert second.material_slots[0].link == "OBJECT"
    return first, second


@pytest.mark.versions
def test_a_duplicate_of_an_object_with_a_copy_keeps_its_wear(addon, empty_scene, gallery: Path) -> None:
    ageing = addon("blender.ageing")
    first, second = isolated(addon, gallery)
    twin = duplicate(second, "Twin")
    ageing.remove(second)
    assert group(addon, twin) is not None and group(addon, first) is not None
    assert second.material_slots[0].material == first.material_slots[0].material
    ageing.remove(twin)
    ageing.remove(first)
    assert not bpy.data.node_groups and [m.name for m in bpy.data.materials if m.users] == ["Paint First"]
    assert {o.material_slots[0].link for o in (first, second, twin)} == {"DATA"}
    assert [k for o in (first, second, twin) for k in list(o.keys()) if k.startswith("syngen")] == []


def test_a_copy_is_found_again_where_its_slot_moved(addon, empty_scene, gallery: Path) -> None:
    first, second = isolated(addon, gallery)
    added = h.material("New", h.painted("New base"))
    second.data.materials.append(added)
    bpy.context.view_layer.objects.active = second
    second.active_material_index = 1
    bpy.ops.object.material_slot_move(direction="UP")
    assert second.material_slots[0].material == added
    addon("blender.ageing").remove(second)
    assert [(s.material.name, s.link) for s in second.material_slots] == [("New", "DATA"), ("Paint First", "DATA")]
    assert group(addon, first) is not None
    assert [k for k in list(second.keys()) if k.startswith("syngen")] == []


# --- which texture ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["sRGB", "Non-Color"])
def test_a_mask_on_a_factor_is_no_base_texture(addon, empty_scene, mask: str) -> None:
    obj = sheet("Sheet")
    tree, principled, texture = parts(obj)
    dirt = tree.nodes.new("ShaderNodeTexImage")
    dirt.image = h.painted("Dirt mask")
    dirt.image.colorspace_settings.name = mask
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type = "RGBA"
    tree.links.new(dirt.outputs["Color"], node.inputs[0])
    tree.links.new(texture.outputs["Color"], node.inputs[6])
    tree.links.new(node.outputs[2], principled.inputs["Base Color"])
    found = addon("blender.target").find(obj)
    assert [s.image.name for s in found.slots] == ["Base Sheet"] and not found.warnings
    # A colour that is data is passed over; two pictures are told.
    tree.links.new(dirt.outputs["Color"], node.inputs[6])
    tree.links.new(texture.outputs["Color"], node.inputs[7])
    found = addon("blender.target").find(obj)
    if mask == "Non-Color":
        assert [s.image.name for s in found.slots] == ["Base Sheet"] and not found.warnings
    else:
        assert [s.image.name for s in found.slots] == ["Dirt mask"]
        assert "several images" in found.warnings[0] and "'Dirt mask'" in found.warnings[0]


def test_an_image_that_only_reaches_the_colour_through_a_ramp_is_taken(addon, empty_scene) -> None:
    obj = sheet("Sheet")
    tree, principled, texture = parts(obj)
    node = tree.nodes.new("ShaderNodeValToRGB")
    tree.links.new(texture.outputs["Color"], node.inputs[0])
    tree.links.new(node.outputs[0], principled.inputs["Base Color"])
    assert addon("blender.target").find(obj).slots[0].image.name == "Base Sheet"


@pytest.mark.versions
def test_a_texture_in_a_node_group_is_found_with_its_uv_map(addon, empty_scene, gallery: Path) -> None:
    obj = sheet("Sheet")
    obj.data.uv_layers.new(name="Second")
    tree, principled, texture = parts(obj)
    inner = bpy.data.node_groups.new("Paint shop", "ShaderNodeTree")
    inner.interface.new_socket("Factor", in_out="INPUT", socket_type="NodeSocketFloat")
    inner.interface.new_socket("Place", in_out="INPUT", socket_type="NodeSocketVector")
    inner.interface.new_socket("Colour", in_out="OUTPUT", socket_type="NodeSocketColor")
    start, end = inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")
    inside = inner.nodes.new("ShaderNodeTexImage")
    inside.image = texture.image
    inner.links.new(start.outputs["Place"], inside.inputs["Vector"])
    inner.links.new(inside.outputs["Color"], end.inputs["Colour"])
    tree.nodes.remove(texture)
    outer = tree.nodes.new("ShaderNodeGroup")
    outer.node_tree = inner
    uv = tree.nodes.new("ShaderNodeUVMap")
    uv.uv_map = "Second"
    tree.links.new(uv.outputs["UV"], outer.inputs["Place"])
    tree.links.new(outer.outputs["Colour"], principled.inputs["Base Color"])
    (slot,) = addon("blender.target").find(obj).slots
    assert (slot.image.name, slot.uv_layer) == ("Base Sheet", "Second")
    before = h.snapshot()
    made = h.age(addon, obj, gallery, h.recipe(addon))
    addon("blender.ageing").apply_variant(obj, made[1])
    addon("blender.ageing").remove(obj)
    assert h.changes(before, h.snapshot()) == []


def test_a_principled_in_a_node_group_is_named(addon, empty_scene) -> None:
    obj = sheet("Sheet")
    tree, _, _ = parts(obj)
    inner = bpy.data.node_groups.new("Car paint", "ShaderNodeTree")
    inner.interface.new_socket("Shader", in_out="OUTPUT", socket_type="NodeSocketShader")
    end, inside = inner.nodes.new("NodeGroupOutput"), inner.nodes.new("ShaderNodeBsdfPrincipled")
    inner.links.new(inside.outputs[0], end.inputs[0])
    outer = tree.nodes.new("ShaderNodeGroup")
    outer.node_tree = inner
    tree.links.new(outer.outputs[0], tree.get_output_node("ALL").inputs["Surface"])
    with pytest.raises(addon("errors").SynGenError, match="inside the node group 'Car paint'"):
        addon("blender.target").find(obj)


@pytest.mark.parametrize("order", [False, True])
def test_of_two_principled_the_one_with_an_image_is_aged_and_that_is_told(addon, empty_scene, order: bool) -> None:
    obj = sheet("Sheet")
    tree, principled, _ = parts(obj)
    other = tree.nodes.new("ShaderNodeBsdfPrincipled")
    mix(tree, 0.5, *((other, principled) if order else (principled, other)))
    found = addon("blender.target").find(obj)
    assert [s.principled for s in found.slots] == [principled]
    assert found.warnings == (
        f"The material 'Paint Sheet' mixes 2 Principled BSDFs; only {principled.name!r} is aged. "
        "Use a single one where all of it is to age.",
    )


# --- what changed since ----------------------------------------------------------------------------------------------


def test_a_group_is_built_anew_where_uv_map_mapping_or_normal_changed(addon, empty_scene, gallery: Path) -> None:
    obj = sheet("Sheet")
    obj.data.uv_layers.new(name="Second")
    before = h.snapshot()
    made = h.age(addon, obj, gallery, h.recipe(addon))
    tree, principled, texture = parts(obj)
    nodes = [tree.nodes.new(f"ShaderNode{kind}") for kind in ("UVMap", "Mapping", "NormalMap")]
    uv, mapping, normal = nodes
    uv.uv_map = "Second"
    tree.links.new(uv.outputs["UV"], texture.inputs["Vector"])
    addon("blender.ageing").apply_variant(obj, made[0])
    assert group(addon, obj).nodes["uv"].uv_map == "Second"
    same = group(addon, obj)
    addon("blender.ageing").apply_variant(obj, made[1])
    assert group(addon, obj) == same, "built anew for nothing"
    tree.links.new(uv.outputs["UV"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    mapping.inputs["Scale"].default_value = (2, 3, 1)
    addon("blender.ageing").apply_variant(obj, made[0])
    assert group(addon, obj).nodes["map v"].inputs[1].default_value[1] == 3
    node = addon("blender.material").group_of(obj.data.materials[0])
    tree.links.new(normal.outputs["Normal"], node.inputs["Normal"])
    addon("blender.ageing").apply_variant(obj, made[0])
    assert group(addon, obj).nodes["bump"].inputs["Normal"].is_linked
    assert len(bpy.data.node_groups) == 1 and len(bpy.data.images) == 4
    addon("blender.ageing").remove(obj)
    assert principled.inputs["Normal"].links[0].from_node == normal
    for node in nodes:
        tree.nodes.remove(node)
    assert h.changes(before, h.snapshot()) == []


def test_a_group_that_a_deleted_object_left_fits_the_next(addon, empty_scene, gallery: Path) -> None:
    first, second = sheet("First"), sheet("Second", x=50)
    second.data.materials[0] = first.data.materials[0]
    second.data.uv_layers[0].name = "Other"
    h.age(addon, first, gallery, h.recipe(addon))
    bpy.data.objects.remove(first)
    h.age(addon, second, gallery, h.recipe(addon))
    assert group(addon, second).nodes["uv"].uv_map == "Other"


# --- without a trace -------------------------------------------------------------------------------------------------


def test_what_a_deleted_object_left_in_a_material_can_be_taken_out(addon, empty_scene, gallery: Path) -> None:
    ageing = addon("blender.ageing")
    first = sheet("First")
    twin = duplicate(first, "Twin", own_mesh=False)
    tree = first.data.materials[0].node_tree
    before = h.node_tree(tree)
    h.age(addon, first, gallery, h.recipe(addon))
    with pytest.raises(addon("errors").SynGenError, match="'Twin' has no wear to remove"):
        ageing.remove(twin)  # the first one wears it
    bpy.context.view_layer.objects.active = twin
    assert not bpy.ops.syngen.remove.poll()
    bpy.data.objects.remove(first)
    assert bpy.ops.syngen.remove.poll() and addon("blender.material").left_behind(twin)
    assert bpy.ops.syngen.remove() == {"FINISHED"}
    assert h.node_tree(tree) == before and not bpy.data.node_groups
    with pytest.raises(addon("errors").SynGenError, match="no wear to remove"):
        ageing.remove(twin)


def test_a_deleted_object_that_is_not_purged_wears_nothing(addon, empty_scene, gallery: Path) -> None:
    first = sheet("First")
    before = h.node_tree(first.data.materials[0].node_tree)
    h.age(addon, first, gallery, h.recipe(addon))
    twin = duplicate(first, "Twin", own_mesh=False)
    bpy.context.scene.collection.objects.unlink(twin)
    addon("blender.ageing").remove(first)
    assert h.node_tree(first.data.materials[0].node_tree) == before


@pytest.mark.versions
def test_muted_links_stay_muted(addon, empty_scene, gallery: Path) -> None:
    obj = sheet("Sheet")
    tree, principled, texture = parts(obj)
    tree.links.new(texture.outputs["Alpha"], principled.inputs["Roughness"])
    tree.links.new(texture.outputs["Alpha"], principled.inputs["Alpha"])
    for name in ("Base Color", "Roughness", "Alpha"):
        principled.inputs[name].links[0].is_muted = True
    before = h.snapshot()
    h.age(addon, obj, gallery, h.recipe(addon))
    node = addon("blender.material").group_of(obj.data.materials[0])
    assert node.inputs["Color"].links[0].is_muted and node.inputs["Roughness"].links[0].is_muted
    addon("blender.ageing").remove(obj)
    assert h.changes(before, h.snapshot()) == []


@pytest.mark.versions
@pytest.mark.parametrize("how", ["keys", "driver"])
def test_an_animated_input_stays_animated(addon, empty_scene, gallery: Path, how: str) -> None:
    obj = sheet("Sheet")
    tree, principled, _ = parts(obj)
    roughness = principled.inputs["Roughness"]
    if how == "keys":
        for value, frame in ((0.1, 1), (0.9, 101)):
            roughness.default_value = value
            roughness.keyframe_insert("default_value", frame=frame)
    else:
        roughness.driver_add("default_value").driver.expression = "0.25"
    before = h.node_tree(tree)
    h.age(addon, obj, gallery, h.recipe(addon))
    assert not roughness.is_linked and principled.inputs["Metallic"].is_linked
    addon("blender.ageing").remove(obj)
    assert h.node_tree(tree) == before


def test_what_was_edited_while_worn_is_kept(addon, empty_scene, gallery: Path) -> None:
    obj = sheet("Sheet")
    tree, principled, _ = parts(obj)
    principled.inputs["Metallic"].default_value = 0.123
    h.age(addon, obj, gallery, h.recipe(addon))
    node = addon("blender.material").group_of(obj.data.materials[0])
    node.inputs["Roughness"].default_value = 0.11
    between = tree.nodes.new("ShaderNodeMath")
    tree.links.new(node.outputs["Metallic"], between.inputs[0])
    tree.links.new(between.outputs[0], principled.inputs["Metallic"])
    addon("blender.ageing").remove(obj)
    assert principled.inputs["Roughness"].default_value == pytest.approx(0.11)
    assert between.inputs[0].default_value == pytest.approx(0.123)
    assert principled.inputs["Metallic"].links[0].from_node == between


def test_wear_comes_off_a_mesh_without_faces(addon, empty_scene, gallery: Path) -> None:
    obj = sheet("Sheet")
    before = h.node_tree(obj.data.materials[0].node_tree)
    h.age(addon, obj, gallery, h.recipe(addon))
    obj.data.clear_geometry()
    bpy.context.view_layer.objects.active = obj
    assert bpy.ops.syngen.remove() == {"FINISHED"}
    assert h.node_tree(obj.data.materials[0].node_tree) == before


# --- refused, and told -----------------------------------------------------------------------------------------------


def test_a_library_override_is_refused_and_works_once_local(addon, empty_scene, gallery: Path, tmp_path: Path) -> None:
    """Blender keeps neither materials nor properties put onto an override."""
    sheet("Sheet")
    h.save(tmp_path / "library.blend")
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.objects = ["Sheet"]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    obj = wanted.objects[0].override_create(remap_local_usages=True)
    with pytest.raises(addon("errors").SynGenError, match="library override") as caught:
        h.age(addon, obj, gallery, h.recipe(addon))
    assert "Make Local" in caught.value.hint
    obj.make_local()
    assert obj.override_library is None
    h.age(addon, obj, gallery, h.recipe(addon), level=0.7)
    h.save(tmp_path / "scene.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    obj = next(o for o in bpy.data.objects if o.library is None and o.type == "MESH")
    assert addon("blender.target").has_wear(obj) and group(addon, obj) is not None
    assert addon("blender.level").get_level(obj) == pytest.approx(0.7)


def test_a_protect_group_that_the_object_lacks_and_left_out_slots_are_told(addon, empty_scene) -> None:
    ageing = addon("blender.ageing")
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base")))
    obj.data.materials.append(h.material("Plain", None))
    obj.data.polygons[0].material_index = 1
    obj.vertex_groups.new(name="Label")

    def warnings(protect_group: str) -> list[str]:
        settings = h.recipe(addon, {"transfer": {"protect_group": protect_group}})
        return list(ageing.gather(obj, settings, ageing.kind_named("heavy_rust")).warnings)

    (left_out,) = warnings("Label")
    assert "Slot 2 is left out" in left_out
    assert warnings("Labl") == [left_out, "'Crate' has no vertex group 'Labl', so none protects it from wear."]


def test_a_property_of_the_users_that_is_called_like_ours_is_no_wear(addon, empty_scene, gallery: Path) -> None:
    obj = sheet("Sheet")
    obj["syngen"] = "hello"
    assert not addon("blender.target").has_wear(obj)
    assert addon("blender.ageing").applied_variants(obj) == []
    assert addon("blender.target").aged_objects(bpy.context.scene) == []
    error = addon("errors").SynGenError
    with pytest.raises(error, match="no wear to remove"):
        addon("blender.ageing").remove(obj)
    with pytest.raises(error, match="custom property 'syngen' of its own"):
        h.age(addon, obj, gallery, h.recipe(addon))
    h.camera_above()
    h.save(gallery.parent / "scene.blend")
    dataset = addon("blender.dataset")
    with pytest.raises(error, match="The scene has no target"):
        dataset.run(dataset.Job(h.recipe(addon), gallery.parent / "none", 1))
    named = h.recipe(addon, {"targets": {"objects": ["Sheet"]}})
    with pytest.raises(error, match="custom property 'syngen' of its own"):
        dataset.run(dataset.Job(named, gallery.parent / "named", 1))
    assert addon("blender.session").worn(obj) == ""
    assert addon("blender.previews").home_of(obj).name.startswith("Sheet-")
    assert obj["syngen"] == "hello"


def test_a_variant_folder_that_was_renamed_stands_for_itself(addon, empty_scene, gallery: Path) -> None:
    obj = sheet("Sheet")
    made = h.age(addon, obj, gallery, h.recipe(addon))
    made[0].folder.rename(made[0].folder.parent / "mine")
    obj["syngen"]["variant"] = "mine"
    assert [v.name for v in addon("blender.ageing").applied_variants(obj)] == ["mine"]


# --- units -----------------------------------------------------------------------------------------------------------


def test_sizes_are_metres_in_a_scene_of_millimetres(addon, empty_scene, gallery: Path) -> None:
    ageing = addon("blender.ageing")
    obj = h.box("Crate", (0, 0, 0), (800, 500, 300), h.material("Paint", h.painted("Base")))
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = "METRIC", 0.001
    vertices = ageing.gather(obj, h.recipe(addon), ageing.kind_named("heavy_rust")).mesh.vertices
    assert np.ptp(vertices, axis=0) == pytest.approx([0.8, 0.5, 0.3])
    h.age(addon, obj, gallery, h.recipe(addon))
    material = addon("blender.material")
    nodes = group(addon, obj).nodes
    assert nodes["grain size"].outputs[0].default_value == pytest.approx(material.GRAIN_PER_M / 1000)
    assert nodes["bump"].inputs["Distance"].default_value == pytest.approx(1000)
    units.system = "NONE"
    vertices = ageing.gather(obj, h.recipe(addon), ageing.kind_named("heavy_rust")).mesh.vertices
    assert np.ptp(vertices, axis=0) == pytest.approx([800, 500, 300])
