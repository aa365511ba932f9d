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
