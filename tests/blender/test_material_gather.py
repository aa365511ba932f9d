"""What is gathered for an object's wear: damage that was painted, and materials that are left out."""

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h


@pytest.mark.versions
@pytest.mark.parametrize("how", ["group", "POINT", "CORNER"])
def test_painted_damage_reaches_the_onset(addon, empty_scene, how: str) -> None:
    ageing = addon("blender.ageing")
    obj = h.plane("Sheet", (0, 0), (1, 1), 0, h.material("Paint", h.painted("Base", 64)))
    if how == "group":
        obj.vertex_groups.new(name="Damage").add([0, 3], 1.0, "REPLACE")  # the left edge
    else:
        painted = obj.data.color_attributes.new("Damage", "FLOAT_COLOR", how)
        colors = np.zeros((4, 4), np.float32)
        colors[[0, 3]] = 1.0
        painted.data.foreach_set("color", colors.ravel())
    kind = ageing.kind_named("heavy_rust")
    request = ageing.gather(obj, h.recipe(addon, {"causes": {"damage_group": "Damage"}}), kind)
    (slot,) = request.slots
    assert slot.damage[:, 0].min() > 0.95 and slot.damage[:, -1].max() < 0.05 and request.warnings == ()
    missing = ageing.gather(obj, h.recipe(addon, {"causes": {"damage_group": "Dents"}}), kind)
    assert missing.slots[0].damage is None and "'Dents'" in missing.warnings[0]


def test_materials_that_do_not_wear_are_left_out(addon, empty_scene) -> None:
    ageing, target = addon("blender.ageing"), addon("blender.target")
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base")))
    for number, name in enumerate(("Glass pane", "Rubber")):
        obj.data.materials.append(h.material(name, h.painted(f"Base of {name}")))
        obj.data.polygons[number].material_index = number + 1
    bpy.data.materials["Rubber"]["syngen_leave_out"] = True
    settings = h.recipe(addon, {"wear": {"leave_out": ["Gl*"]}})
    request = ageing.gather(obj, settings, ageing.kind_named("heavy_rust"))
    assert [slot.index for slot in request.slots] == [0] and request.warnings == ()
    assert [slot.index for slot in target.find(obj).slots] == [0, 1]
    everything = h.recipe(addon, {"wear": {"leave_out": ["*"]}})
    with pytest.raises(addon("errors").SynGenError, match="All materials of 'Crate' are left out of wear: 'Paint'"):
        ageing.gather(obj, everything, ageing.kind_named("heavy_rust"))


def test_close_ups_get_finer_texels_up_to_the_largest_size(addon, empty_scene) -> None:
    ageing = addon("blender.ageing")
    obj = h.plane("Sheet", (0, 0), (1, 1), 0, h.material("Paint", h.painted("Base", 64)))
    before = ageing.gather(obj, h.recipe(addon, {}), ageing.kind_named("heavy_rust")).slots[0].base_srgb
    for texel_m, largest, side in ((0.0, 4096, 64), (1.0, 4096, 64), (0.005, 4096, 400), (0.005, 128, 128)):
        obj.data.vertices.foreach_set("co", np.array([0, 0, 0, 2, 0, 0, 2, 2, 0, 0, 2, 0], np.float32))
        settings = h.recipe(addon, {"transfer": {"texel_m": texel_m, "max_size": largest}})
        base = ageing.gather(obj, settings, ageing.kind_named("heavy_rust")).slots[0].base_srgb
        assert base.shape[:2] == (side, side), (texel_m, largest)
        assert abs(float(base.mean()) - float(before.mean())) < 0.01
