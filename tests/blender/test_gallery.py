"""The gallery: what a person says of variants holds, what is deleted comes back, and saving a file loses nothing."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from tests.blender.helpers import (
    STILL,
    box,
    handmade,
    material,
    painted,
    plane,
    quick_variants,
    recipe,
    record,
    save,
)

pytestmark = pytest.mark.versions


@pytest.fixture(autouse=True)
def made(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants made by hand."""
    monkeypatch.setattr(addon("blender.generation"), "make_variants", partial(quick_variants, addon))


@pytest.fixture
def drum(addon, empty_scene: bpy.types.Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bpy.types.Object:
    """An object of a file that is not saved yet, with three variants and the first in use."""
    monkeypatch.setattr(addon("blender.preferences"), "unsaved_folder", lambda: tmp_path / "user")
    empty_scene.syngen.texture.size, empty_scene.syngen.texture.variants = 64, 3
    obj = box("Drum", (0, 0, 0), (1, 1, 1), material("Paint", painted("Paint base")))
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    assert bpy.ops.syngen.apply_variant(variant=names(addon, obj)[0]) == {"FINISHED"}
    return obj


def names(addon, obj: bpy.types.Object) -> list[str]:
    previews = addon("blender.previews")
    previews.forget()
    return [shown.variant.name for shown in previews.gallery(obj)]


def drawn(addon, obj: bpy.types.Object) -> list[str]:
    return [variant.name for variant in addon("blender.ageing").applied_variants(obj)]


def test_a_persons_word_counts_before_the_filters(addon, drum: bpy.types.Object) -> None:
    first, second, third = names(addon, drum)
    about = addon("blender.previews").home_of(drum) / third / "variant.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "accepted": False, "reason": "flat"}))
    before = about.read_bytes()
    assert drawn(addon, drum) == [first, second], "what the filters refuse is not drawn"
    bpy.ops.syngen.judge_variant(variant=third, says="ACCEPTED")
    said = json.loads(about.read_text())
    assert said["person"] == "accepted" and said["accepted"] is False and said["reason"] == "flat"
    bpy.ops.syngen.judge_variant(variant=second, says="REFUSED")
    assert drawn(addon, drum) == [first, third]
    bpy.ops.syngen.judge_variant(variant=first, says="REFUSED")
    assert drawn(addon, drum) == [third], "not even in use"
    bpy.ops.syngen.judge_variant(variant=third, says="FILTERS")
    assert json.loads(about.read_text()) == {**json.loads(before), "made": {}, "thresholds": {}}
    assert drawn(addon, drum) == [first], "what is in use is left where nothing else is"


@pytest.mark.parametrize("vary", [True, False])
def test_a_refused_variant_that_is_worn_shows_in_no_frame_or_is_told(addon, stage: Any, vary: bool) -> None:
    obj = plane("Paint", (-20, -20), (20, 20), 0, material("Paint", painted("Paint base")))
    early, _ = (
        handmade(addon, stage.path / f"Paint/rust-{seed}-aa", np.full((8, 8), onset), seed=seed)
        for seed, onset in enumerate((0.1, 0.9))
    )
    addon("blender.ageing").apply_variant(obj, early, level=0.5)
    addon("variants").set_person(early, "refused")
    save(stage.path / "scene.blend")
    dataset = addon("blender.dataset")
    job = dataset.Job(recipe(addon, STILL, {"randomize": {"variant": vary}}), stage.path / "out", 1)
    told = any("refused the variant that it wears" in warning for warning in dataset.run(job).warnings)
    (entry,) = record(stage.path / "out")["instances"]
    worn = entry["wear_percent"] == 100  # by the refused one; the other has nothing worn at this level
    assert (worn, told, entry["variant"]) == ((False, False, 0) if vary else (True, True, -1))


def test_what_is_deleted_comes_back(addon, drum: bpy.types.Object) -> None:
    first, second, third = names(addon, drum)
    with pytest.raises(RuntimeError, match="in use, by 'Drum'"):
        bpy.ops.syngen.delete_variant(variant=first)
    bpy.ops.syngen.delete_variant(variant=second)
    assert names(addon, drum) == [first, third]
    bpy.ops.syngen.restore_variants()
    assert names(addon, drum) == [first, second, third]
    bpy.ops.syngen.delete_variant(variant=third)
    bpy.ops.syngen.generate()  # makes it again; its older self gives way
    bpy.ops.syngen.restore_variants()
    assert names(addon, drum) == [first, second, third]
    bpy.ops.syngen.delete_variant(variant=third)
    bpy.ops.syngen.empty_trash()
    with pytest.raises(RuntimeError, match="trash of 'Drum' is empty"):
        bpy.ops.syngen.restore_variants()


def test_what_an_undo_puts_on_again_comes_out_of_the_trash(addon, drum: bpy.types.Object) -> None:
    first, second, _ = names(addon, drum)
    bpy.ops.ed.undo_push(message="first")
    bpy.ops.syngen.apply_variant(variant=second)
    bpy.ops.ed.undo_push(message="second")
    bpy.ops.syngen.delete_variant(variant=first)
    assert first not in names(addon, drum)
    bpy.ops.ed.undo()
    drum = bpy.data.objects["Drum"]
    assert addon("blender.session").worn(drum) == first and first in names(addon, drum)


def test_saving_takes_the_gallery_along_and_it_is_there_the_next_day(
    addon, drum: bpy.types.Object, tmp_path: Path
) -> None:
    before = names(addon, drum)
    assert addon("blender.previews").home_of(drum).is_relative_to(tmp_path / "user")
    other = drum.copy()
    other.name = "Twin"
    bpy.context.collection.objects.link(other)
    file = tmp_path / "project" / "scene.blend"
    file.parent.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(file), copy=True)
    assert not (file.parent / "syngen").exists(), "a copy is another file"
    bpy.ops.wm.save_as_mainfile(filepath=str(file))
    assert names(addon, drum) == before
    assert addon("blender.previews").home_of(other).is_relative_to(file.parent / "syngen")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "later.blend"))  # in another folder, after that
    assert addon("blender.previews").home_of(drum).is_relative_to(tmp_path / "syngen")
    bpy.ops.wm.open_mainfile(filepath=str(file))  # as it was saved first: it still names the user's folder
    (tmp_path / "user").rename(tmp_path / "gone")
    drum = bpy.data.objects["Drum"]
    assert names(addon, drum) == before and drawn(addon, drum) == before


def test_the_chooser_gives_the_very_texts_that_an_open_one_shows(addon, drum: bpy.types.Object) -> None:
    first, again = (addon("blender.gallery").items(drum) for _ in range(2))
    assert len(first) == 3
    assert all(a is b for one, other in zip(first, again, strict=True) for a, b in zip(one[:3], other[:3], strict=True))


def test_the_chooser_shows_pages_and_what_is_known(addon, drum: bpy.types.Object, monkeypatch) -> None:
    gallery, wm = addon("blender.gallery"), bpy.context.window_manager
    first, second, third = names(addon, drum)
    monkeypatch.setattr(gallery, "PAGE", 2)
    assert wm.syngen_variant == first, "the one in use"
    wm.syngen_variant = second
    held = gallery.chooser(drum)
    assert (held.shown.variant.name, held.count, held.pages) == (second, 3, 2)
    assert ("Seed", "1") in held.facts.rows and ("Size", "64 x 64") in held.facts.rows
    bpy.ops.syngen.turn_gallery(by=1)
    assert wm.syngen_variant == third
    bpy.ops.syngen.judge_variant(variant=third, says="REFUSED")
    wm.syngen_show = "REFUSED"
    assert gallery.chooser(drum).shown.variant.name == third and gallery.chooser(drum).passing == 1
    wm.syngen_show = "USABLE"
    assert gallery.chooser(drum).passing == 2
