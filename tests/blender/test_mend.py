"""What the object panel offers to mend is mended: afterwards the object can be aged, and one undo takes it back."""

from pathlib import Path

import addon_utils
import bpy
import numpy as np
import pytest

from tests.blender.helpers import box, changes, material, painted, snapshot

pytestmark = pytest.mark.versions


def active(obj: bpy.types.Object) -> bpy.types.Object:
    for other in bpy.context.view_layer.objects:
        other.select_set(other == obj)
    bpy.context.view_layer.objects.active = obj
    return obj


def offered(addon, obj: bpy.types.Object) -> tuple[str, int]:
    """What is offered for the object's error, else for its first warning that has something."""
    session = addon("blender.session")
    session.forget_looks()
    found = session.look(obj)
    what = found.mend(found.error) if found.error else dict(found.mends)[found.warnings[0]]
    return what.what, what.slot


def mended(addon, obj: bpy.types.Object) -> object:
    what, slot = offered(addon, obj)
    assert bpy.ops.syngen.mend(what=what, slot=slot) == {"FINISHED"}
    found = addon("blender.session").look(bpy.context.object)
    assert not found.error and not found.mends
    return found


def colors_of(image: bpy.types.Image) -> np.ndarray:
    pixels = np.array(image.pixels, np.float32).reshape(image.size[1], image.size[0], -1)
    return pixels[..., :3]


def test_no_material(addon, empty_scene: bpy.types.Scene) -> None:
    found = mended(addon, active(box("Box", (0, 0, 0), (1, 1, 1))))
    assert found.slots[0].image == "Box Paint base"


def test_one_color_becomes_a_picture_of_it(addon, empty_scene: bpy.types.Scene) -> None:
    paint = material("Red", None)
    paint.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.5, 0.1, 0.0, 1)
    found = mended(addon, active(box("Box", (0, 0, 0), (1, 1, 1), paint)))
    wanted = addon("images").linear_to_srgb(np.array([0.5, 0.1, 0.0], np.float32))
    assert np.allclose(colors_of(bpy.data.images[found.slots[0].image])[5, 5], wanted, atol=0.005)


def test_what_is_computed_is_baked_as_it_lies_on_the_object(addon, empty_scene: bpy.types.Scene, monkeypatch) -> None:
    monkeypatch.setattr(addon("blender.mend"), "SIDE", 64)
    paint, other = material("Checks", None), material("Other", painted("Other base"))
    tree = paint.node_tree
    where, split = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeSeparateXYZ")
    ramp = tree.nodes.new("ShaderNodeCombineColor")
    tree.links.new(where.outputs["Generated"], split.inputs[0])
    tree.links.new(split.outputs["Z"], ramp.inputs[0])
    tree.links.new(ramp.outputs[0], tree.nodes["Principled BSDF"].inputs["Base Color"])
    obj = active(box("Box", (0, 0, 0), (1, 1, 1), paint))
    obj.data.materials.append(other)
    obj.data.polygons[5].material_index = 1
    kept = colors_of(bpy.data.images["Other base"])
    scenes = len(bpy.data.scenes), len(bpy.data.materials), len(bpy.data.meshes)
    found = mended(addon, obj)
    assert (len(bpy.data.scenes), len(bpy.data.materials), len(bpy.data.meshes)) == scenes
    assert np.array_equal(colors_of(bpy.data.images["Other base"]), kept)
    picture = addon("images").srgb_to_linear(colors_of(bpy.data.images[found.slots[0].image]))
    layer = obj.data.uv_layers[0].uv
    for polygon in list(obj.data.polygons)[:5]:
        corners = np.array([layer[i].vector for i in polygon.loop_indices])
        height = np.mean([obj.data.vertices[v].co.z for v in polygon.vertices])
        u, v = corners.mean(axis=0)
        red = picture[int(v * 64), int(u * 64), 0]
        assert abs(red - height) < 0.05, (polygon.index, red, height)


def test_another_shader_becomes_principled_with_its_color(addon, empty_scene: bpy.types.Scene) -> None:
    paint = material("Old", painted("Old base"))
    tree = paint.node_tree
    texture = next(n for n in tree.nodes if n.type == "TEX_IMAGE")
    tree.nodes.remove(tree.nodes["Principled BSDF"])
    diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
    tree.links.new(texture.outputs["Color"], diffuse.inputs["Color"])
    tree.links.new(diffuse.outputs[0], tree.get_output_node("ALL").inputs["Surface"])
    found = mended(addon, active(box("Box", (0, 0, 0), (1, 1, 1), paint)))
    assert found.slots[0].image == "Old base" and diffuse.name in tree.nodes


def test_a_lost_image_is_found(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    images = addon("images")
    images.save_png(tmp_path / "base.png", np.full((32, 32, 3), 0.4, np.float32))
    lost = bpy.data.images.load(str(tmp_path / "base.png"))
    lost.filepath = str(tmp_path / "gone.png")
    lost.reload()
    lost.buffers_free()
    obj = active(box("Box", (0, 0, 0), (1, 1, 1), material("Paint", lost)))
    assert offered(addon, obj) == ("find", 0)
    (tmp_path / "no.png").write_bytes(b"none")
    with pytest.raises(RuntimeError, match="cannot be read as a picture"):
        bpy.ops.syngen.find_image(filepath=str(tmp_path / "no.png"))
    assert bpy.ops.syngen.find_image(filepath=str(tmp_path / "base.png")) == {"FINISHED"}
    assert not addon("blender.session").look(obj).error


def test_a_uv_map_that_is_not_there(addon, empty_scene: bpy.types.Scene) -> None:
    paint = material("Paint", painted("Base"))
    reads = paint.node_tree.nodes.new("ShaderNodeUVMap")
    reads.uv_map = "Gone"
    texture = next(n for n in paint.node_tree.nodes if n.type == "TEX_IMAGE")
    paint.node_tree.links.new(reads.outputs[0], texture.inputs["Vector"])
    found = mended(addon, active(box("Box", (0, 0, 0), (1, 1, 1), paint)))
    assert found.slots[0].uv_layer == bpy.context.object.data.uv_layers[0].name


def test_a_curve_a_property_and_what_is_left_out(addon, empty_scene: bpy.types.Scene) -> None:
    bpy.ops.curve.primitive_bezier_circle_add()
    curve = active(bpy.context.object)
    curve.data.bevel_depth = 0.1
    assert offered(addon, curve)[0] == "convert"
    bpy.ops.syngen.mend(what="convert")
    assert bpy.context.object.type == "MESH"
    obj = active(box("Box", (0, 0, 0), (1, 1, 1), material("Paint", painted("Base"))))
    obj["syngen"] = "mine"
    mended(addon, obj)
    assert obj["syngen_own"] == "mine"
    obj.material_slots[0].material["syngen_leave_out"] = True
    mended(addon, obj)


@pytest.mark.parametrize("what", ["bake", "convert", "material", "principled", "unwrap", "uv", "wear"])
@pytest.mark.parametrize("kind", ["camera", "empty mesh"])
def test_what_cannot_be_mended_is_told_and_stays(addon, empty_scene: bpy.types.Scene, what: str, kind: str) -> None:
    data = bpy.data.cameras.new("Eye") if kind == "camera" else bpy.data.meshes.new("Nothing")
    obj = bpy.data.objects.new("Thing", data)
    empty_scene.collection.objects.link(obj)
    before = snapshot()
    if (what, kind) == ("convert", "empty mesh"):
        assert "is a mesh" in addon("blender.mend").mend(what, obj)
    else:
        with pytest.raises(addon("errors").SynGenError, match=r"no mesh|not a mesh|has no faces"):
            addon("blender.mend").mend(what, obj)
    assert changes(before, snapshot()) == []


def test_a_slot_that_there_is_not(addon, empty_scene: bpy.types.Scene) -> None:
    with pytest.raises(addon("errors").SynGenError, match="no material in slot 3"):
        addon("blender.mend").mend("material", box("Box", (0, 0, 0), (1, 1, 1)), 2)


def test_without_cycles_nothing_is_baked_and_nothing_is_left(addon, empty_scene: bpy.types.Scene) -> None:
    paint = material("Noise", None)
    tree = paint.node_tree
    noise = tree.nodes.new("ShaderNodeTexNoise")
    tree.links.new(noise.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    obj, before = box("Box", (0, 0, 0), (1, 1, 1), paint), snapshot()
    addon_utils.disable("cycles")
    try:
        with pytest.raises(addon("errors").SynGenError, match="cannot be baked"):
            addon("blender.mend").mend("bake", obj)
    finally:
        addon_utils.enable("cycles")
    assert changes(before, snapshot()) == []


def test_a_linked_object_is_made_local(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    box("Box", (0, 0, 0), (1, 1, 1), material("Paint", painted("Base")))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, into):
        into.objects = ["Box"]
    obj = into.objects[0]
    bpy.context.scene.collection.objects.link(obj)
    mended(addon, active(obj))
    local = bpy.context.object
    assert (local.library, local.data.library, local.material_slots[0].material.library) == (None, None, None)


def test_a_mend_is_one_undo_step(addon, empty_scene: bpy.types.Scene) -> None:
    active(box("Box", (0, 0, 0), (1, 1, 1)))
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.syngen.mend("EXEC_DEFAULT", True, what="material")
    bpy.ops.ed.undo()
    assert not bpy.data.objects["Box"].material_slots and not bpy.data.images


def test_the_report_of_an_error_names_versions_and_nobody(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    session = addon("blender.session")
    log = tmp_path / "panel" / "job.log"
    log.parent.mkdir()
    log.write_text(f"rendering\nfrom {Path.home()}/secret\n")
    session.now.folder = str(tmp_path)
    try:
        text = addon("blender.trouble").report("It broke.", "Mend it.")
    finally:
        session.now.folder = ""
    assert text.startswith("It broke.\nWhat to do: Mend it.\n")
    assert bpy.app.version_string in text and addon("blender.inputs").syngen_version() in text
    assert "from ~/secret" in text and str(Path.home()) not in text.replace(str(tmp_path), "")
