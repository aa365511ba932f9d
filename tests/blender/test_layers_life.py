"""What happens to an object with several kinds of wear: duplicated, appended, driven, an old file, a job on top."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

FURTHER = "dents"


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    return tmp_path / "gallery"


def put(addon: h.Addon, obj: bpy.types.Object, gallery: Path, kind: str, seed: int = 0, **more: Any) -> Any:
    """A hand-made variant of the kind onto the object, worn from the left."""
    variant = h.handmade(addon, gallery / obj.name / f"{kind}-{seed:04d}-a", h.ramp(64), kind=kind, seed=seed)
    addon("blender.ageing").apply_variant(obj, variant, **more)
    return variant


def crate(addon: h.Addon, gallery: Path, kinds: Sequence[str] = ("heavy_rust", FURTHER)) -> bpy.types.Object:
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base", 64)))
    for kind in kinds:
        put(addon, obj, gallery, kind, add=True, level=0.4)
    return obj


def duplicate(obj: bpy.types.Object, linked: bool) -> bpy.types.Object:
    for each in bpy.context.view_layer.objects:
        each.select_set(each == obj)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.duplicate(linked=linked)
    return bpy.context.object


def keys(addon: h.Addon, obj: bpy.types.Object) -> list[str]:
    material = addon("blender.material")
    return [material.key_of_group(node.node_tree) for node in material.groups_of(obj.material_slots[0].material)]


@pytest.mark.parametrize("linked", [True, False])
def test_duplicates_have_levels_variants_and_kinds_of_their_own(
    addon, empty_scene, gallery: Path, linked: bool
) -> None:
    ageing, level = addon("blender.ageing"), addon("blender.level")
    first = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base", 64)))
    before = h.snapshot()
    for kind in ("heavy_rust", FURTHER):
        put(addon, first, gallery, kind, add=True, level=0.4)
    twin = duplicate(first, linked)
    level.set_level(twin, 0.9, FURTHER)
    assert level.get_level(first, FURTHER) == pytest.approx(0.4)
    put(addon, twin, gallery, FURTHER, seed=1, add=True)
    assert first.material_slots[0].material != twin.material_slots[0].material
    third = duplicate(twin, linked)
    put(addon, third, gallery, "scratches", add=True)
    assert keys(addon, first) == [FURTHER, ""] and keys(addon, third) == [FURTHER, "scratches", ""]
    assert level.get_level(twin, "scratches") == 0
    ageing.remove_layer(third, FURTHER)
    assert keys(addon, twin) == [FURTHER, "scratches", ""]
    ageing.remove(twin)
    assert "scratches" in keys(addon, third) and keys(addon, first) == [FURTHER, ""]
    ageing.remove(third)
    ageing.remove(first)
    for each in (twin, third):
        mesh = each.data
        bpy.data.objects.remove(each)
        if not mesh.users:
            bpy.data.meshes.remove(mesh)
    assert h.changes(before, h.snapshot()) == []


def test_a_job_on_duplicates_that_have_a_copy_of_their_material(addon, empty_scene, tmp_path, gallery: Path) -> None:
    paint = h.material("Paint", h.painted("Base", 64))
    first, other = (h.box(name, (0, y, 0), (1, y + 1, 1), paint) for name, y in (("First", 0), ("Other", 2)))
    for obj in (first, other):
        put(addon, obj, gallery, "heavy_rust", level=0.5)
    twin = duplicate(other, False)
    twin.location.x = 2
    h.light()
    h.save(tmp_path / "scene.blend")
    before = h.snapshot()
    dataset = addon("blender.dataset")
    recipe = h.recipe(addon, {"wear": {"also": {FURTHER: [0.2, 0.4]}}, "randomize": {"variant": False}})
    dataset.run(dataset.Job(recipe, tmp_path / "out", 1))
    assert h.changes(before, h.snapshot()) == []
    for obj in (twin, other):
        addon("blender.ageing").remove(obj)
        assert obj.material_slots[0].material == paint


@pytest.mark.parametrize("value, level", [(math.nan, 0.0), (7.0, 1.0), (-3.0, 0.0), ("deep", 0.0)])
def test_a_level_that_is_none_counts_as_it_is_shown(
    addon, empty_scene, tmp_path, gallery: Path, value: Any, level: float
) -> None:
    obj = crate(addon, gallery)
    h.light()
    for name in ("syngen_level", f"syngen_level_{FURTHER}"):
        del obj[name]
        obj[name] = value
    h.save(tmp_path / "scene.blend")
    dataset = addon("blender.dataset")
    recipe = h.recipe(addon, {"randomize": {"level": False, "variant": False}})
    dataset.run(dataset.Job(recipe, tmp_path / "out", 1))
    (instance,) = h.record(tmp_path / "out")["instances"]
    for each in (instance, *instance["layers"]):
        assert each["level"] == level and each["wear_percent"] == pytest.approx(100 * level)
    addon("blender.level").set_level(obj, 0.3, FURTHER)
    put(addon, obj, gallery, FURTHER, seed=1, add=True)
    assert obj[f"syngen_level_{FURTHER}"] == pytest.approx(0.3)


def test_wear_of_a_library_override_is_not_taken_off_for_a_moment_only(addon, empty_scene, tmp_path, gallery) -> None:
    """Blender would bring it back with the file; its levels are the override's own."""
    ageing, level = addon("blender.ageing"), addon("blender.level")
    crate(addon, gallery)
    h.save(tmp_path / "library.blend")
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.objects = ["Crate"]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    obj = wanted.objects[0].override_create(remap_local_usages=True)
    for call in (lambda: ageing.remove(obj), lambda: ageing.remove_layer(obj, FURTHER)):
        with pytest.raises(addon("errors").SynGenError, match="library override"):
            call()
    level.set_level(obj, 0.9, FURTHER)
    h.save(tmp_path / "scene.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    obj = next(o for o in bpy.data.objects if o.library is None and o.type == "MESH")
    assert [each.kind for each in addon("blender.layers").layers_of(obj)] == ["heavy_rust", FURTHER]
    assert level.get_level(obj, FURTHER) == pytest.approx(0.9)


def test_what_numbers_the_variants_in_records_is_part_of_the_job(addon, empty_scene, tmp_path, gallery: Path) -> None:
    obj = crate(addon, gallery)
    h.save(tmp_path / "scene.blend")
    inputs = addon("blender.inputs")

    def made_from(**randomize: bool) -> dict[str, Any]:
        recipe = h.recipe(addon, {"randomize": randomize})
        return inputs.job_inputs(recipe, 0, [obj], addon("blender.folders").Files(), "cpu")

    before = made_from(), made_from(variant=False)
    h.handmade(addon, gallery / obj.name / f"{FURTHER}-0007-a", h.ramp(64), kind=FURTHER, seed=7)
    assert (made_from() != before[0], made_from(variant=False) != before[1]) == (True, True)
    before = made_from(), made_from(variant=False)
    h.handmade(addon, gallery / obj.name / "heavy_rust-0007-a", h.ramp(64), seed=7)
    assert (made_from() != before[0], made_from(variant=False) != before[1]) == (True, True)


def test_names_left_out_of_wear_are_plain_but_for_stars_and_question_marks(addon, empty_scene) -> None:
    target = addon("blender.target")
    material = h.material("Glass [1]", None)
    assert target.does_not_wear(material, ["Glass [1]"]) and target.does_not_wear(material, ["G*s ?1]"])
    assert not target.does_not_wear(material, ["Glass [[]1]"])


def test_an_object_that_is_protected_throughout_is_told(addon, empty_scene, tmp_path: Path) -> None:
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base", 64)))
    ageing, kind = addon("blender.ageing"), addon("kinds").KINDS["heavy_rust"]
    for value, told in ((1.0, True), (0.0, False)):
        picture = tmp_path / f"{told}.png"
        addon("images").save_png(picture, np.full((4, 4, 3), value, np.float32))
        request = ageing.gather(obj, h.recipe(addon, {"transfer": {"protect_image": str(picture)}}), kind)
        assert any("'Crate' is protected from wear" in warning for warning in request.warnings) == told


def test_slots_that_changed_places_keep_their_pictures(addon, empty_scene, tmp_path, gallery: Path) -> None:
    obj = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("Base", 64)))
    obj.data.materials.append(h.material("Lid", h.painted("Lid base", 64, seed=2)))
    obj.data.polygons[1].material_index = 1
    h.light()
    for seed in (0, 1):
        variant = h.handmade(addon, gallery / f"heavy_rust-000{seed}-a", h.ramp(64), slots=(0, 1), seed=seed)
    addon("blender.ageing").apply_variant(obj, variant, level=0.5)
    bpy.context.view_layer.objects.active = obj
    obj.active_material_index = 0
    bpy.ops.object.material_slot_move(direction="DOWN")
    assert [slot.material.name for slot in obj.material_slots] == ["Lid", "Paint"]
    with pytest.raises(addon("errors").SynGenError, match="changed places"):
        addon("blender.ageing").apply_variant(obj, variant)
    h.save(tmp_path / "scene.blend")
    dataset, material = addon("blender.dataset"), addon("blender.material")
    shown = set()

    def look(progress: Any) -> None:
        for slot in obj.material_slots:
            file = Path(material.group_of(slot.material).node_tree.nodes["color"].image.filepath)
            shown.add((slot.material.name, file.parent.name, file.name))

    dataset.run(dataset.Job(h.recipe(addon, {"randomize": {"level": False}}), tmp_path / "out", 4), report=look)
    assert {variant for _, variant, _ in shown} == {"heavy_rust-0000-a", "heavy_rust-0001-a"}
    assert {(name, file) for name, _, file in shown} == {("Paint", "color-0.png"), ("Lid", "color-1.png")}
    anew = h.handmade(addon, gallery / "heavy_rust-0000-b", h.ramp(64), slots=(0, 1))
    addon("blender.ageing").apply_variant(obj, anew)
    look(None)
    assert {("Lid", anew.name, "color-0.png"), ("Paint", anew.name, "color-1.png")} <= shown
