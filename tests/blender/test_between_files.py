"""Wear between files: objects that are appended, linked or copied, images that are renamed, files of an older Blender.

worn-4.5.blend is a file that Blender 4.5 wrote: the object of `worn`, whose variants are not beside it.
"""

from functools import partial
from pathlib import Path

import bpy
import pytest

from tests.blender.helpers import box, material, painted, quick_variants

pytestmark = pytest.mark.versions
OLD = Path(__file__).with_name("worn-4.5.blend")


@pytest.fixture(autouse=True)
def made(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants made by hand."""
    monkeypatch.setattr(addon("blender.generation"), "make_variants", partial(quick_variants, addon))


def active(obj: bpy.types.Object) -> bpy.types.Object:
    for other in bpy.context.view_layer.objects:
        other.select_set(other == obj)
    bpy.context.view_layer.objects.active = obj
    return obj


@pytest.fixture
def worn(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> Path:
    """A saved file with a worn box, at level 0.7, and two variants beside it."""
    file = tmp_path / "library" / "worn.blend"
    file.parent.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(file))
    settings = bpy.context.scene.syngen
    settings.texture.size, settings.texture.variants = 64, 2
    obj = active(box("Drum", (0, 0, 0), (1, 1, 1), material("Paint", painted("Paint base", 16))))
    bpy.ops.syngen.generate()
    first = addon("blender.previews").variants_of(obj)[0]
    bpy.ops.syngen.apply_variant(variant=first.name)
    settings.level = 0.7
    bpy.ops.wm.save_mainfile()
    return file


def brought(file: Path, link: bool) -> bpy.types.Object:
    """The box of another file, in a new one that is saved in a folder of its own."""
    bpy.ops.wm.read_homefile(use_empty=True)
    here = file.parent.parent / "here"
    here.mkdir(exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(here / "scene.blend"))
    with bpy.data.libraries.load(str(file), link=link) as (_, into):
        into.objects = ["Drum"]
    bpy.context.scene.collection.objects.link(into.objects[0])
    return active(into.objects[0])


def check_wears(addon, obj: bpy.types.Object, level: float = 0.7) -> None:
    """Its level, its variants and its node group are there, and renders would show it."""
    session, previews = addon("blender.session"), addon("blender.previews")
    previews.forget()
    assert session.level(obj) == pytest.approx(level) and len(session.layers(obj)) == 1
    addon("blender.shown").check_wear_shows(obj, bpy.context.evaluated_depsgraph_get())
    for image in addon("blender.shown").pictures_behind(obj.material_slots[0].material):
        assert image.size[0], f"{image.name} is lost"


def test_an_appended_object_brings_its_wear_and_finds_its_gallery(addon, worn: Path) -> None:
    obj = brought(worn, link=False)
    check_wears(addon, obj)
    assert len(addon("blender.previews").gallery(obj)) == 2 == len(addon("blender.ageing").applied_variants(obj))
    second = addon("blender.previews").variants_of(obj)[1].name
    assert bpy.ops.syngen.apply_variant(variant=second) == {"FINISHED"}
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    obj = active(bpy.data.objects["Drum"])
    check_wears(addon, obj)
    assert bpy.ops.syngen.remove() == {"FINISHED"}
    assert not list(obj.keys()) and len(obj.material_slots[0].material.node_tree.nodes) == 3


def test_a_linked_object_shows_its_wear_and_says_what_helps(addon, worn: Path) -> None:
    obj = brought(worn, link=True)
    check_wears(addon, obj)
    assert len(addon("blender.previews").gallery(obj)) == 2, "its gallery lies beside the library"
    found = addon("blender.session").look(obj)
    assert "linked from another file" in found.error and found.mend(found.error).what == "local"
    bpy.ops.syngen.mend(what="local")
    obj = bpy.context.object
    check_wears(addon, obj)
    assert obj.library is None and bpy.ops.syngen.remove() == {"FINISHED"}


def test_a_project_that_moved_as_a_whole_finds_its_gallery(addon, worn: Path, tmp_path: Path) -> None:
    worn.parent.rename(tmp_path / "moved")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "moved" / worn.name))
    obj = active(bpy.data.objects["Drum"])
    check_wears(addon, obj)
    assert len(addon("blender.ageing").applied_variants(obj)) == 2


def test_copies_and_renamed_things_keep_wear_and_gallery(addon, worn: Path) -> None:
    obj = active(bpy.data.objects["Drum"])
    before = [v.name for v in addon("blender.previews").variants_of(obj)]
    bpy.ops.object.duplicate()
    twin = bpy.context.object
    twin.name, obj.name = "Other", "Renamed"
    obj.material_slots[0].material.name = "Coat"
    bpy.data.images["Paint base"].name = "Blue"
    for image in list(bpy.data.images):
        image.name = f"x {image.name}"
    for each in (obj, twin):
        check_wears(addon, active(each))
        assert [v.name for v in addon("blender.previews").variants_of(each)] == before
    bpy.context.scene.syngen.level = 0.2
    assert addon("blender.session").level(obj) == pytest.approx(0.7), "each has a level of its own"
    for each in (obj, twin):
        active(each)
        assert bpy.ops.syngen.remove() == {"FINISHED"}
    assert {slot.material.name for each in (obj, twin) for slot in each.material_slots} <= {"Coat", "Coat.001"}


def test_a_file_of_blender_45_opens_with_its_wear(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    file = tmp_path / "old.blend"
    file.write_bytes(OLD.read_bytes())
    bpy.ops.wm.open_mainfile(filepath=str(file))
    obj = active(bpy.data.objects["Drum"])
    check_wears(addon, obj)
    bpy.context.scene.syngen.texture.variants = 2
    assert bpy.ops.syngen.generate() == {"FINISHED"}, "its gallery is gone: it is made again"
    assert bpy.ops.syngen.apply_variant(variant=addon("blender.previews").variants_of(obj)[1].name) == {"FINISHED"}
    check_wears(addon, obj)
    assert bpy.ops.syngen.remove() == {"FINISHED"}
    assert sorted(n.type for n in obj.material_slots[0].material.node_tree.nodes) == [
        "BSDF_PRINCIPLED", "OUTPUT_MATERIAL", "TEX_IMAGE",
    ]  # fmt: skip
