"""What the wear panel does: layers, causes, levels previewed, ageing keyed, objects listed; each an undo step."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import bpy
import cv2
import numpy as np
import pytest

from tests.blender.helpers import age, material, painted, plane, quick_variants, recipe, render_layers

pytestmark = pytest.mark.versions


@pytest.fixture(autouse=True)
def made_by_hand(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants made by hand also where the panel makes them."""
    for module in ("blender.wearing", "blender.generation"):
        monkeypatch.setattr(
            addon(module), "make_variants", lambda *given, **named: quick_variants(addon, *given, **named)
        )


@pytest.fixture
def scene(empty_scene: bpy.types.Scene, tmp_path: Path) -> bpy.types.Scene:
    """A saved file with settings for small variants."""
    empty_scene.syngen.texture.size, empty_scene.syngen.texture.variants = 64, 2
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    return empty_scene


def select(*objects: bpy.types.Object) -> None:
    """The first of them is the active one."""
    for other in bpy.context.view_layer.objects:
        other.select_set(other in objects)
    bpy.context.view_layer.objects.active = objects[0]


@pytest.fixture
def sheet(addon, scene: bpy.types.Scene) -> bpy.types.Object:
    """The active object: a sheet of a metre that wears from left to right."""
    return worn_sheet(addon, "Sheet")


def worn_sheet(addon, name: str, level: float = 0.5) -> bpy.types.Object:
    obj = plane(name, (0, 0), (1, 1), surface=material(f"{name} paint", painted(f"{name} base")))
    age(addon, obj, addon("blender.preferences").gallery_folder(), recipe(addon), level)
    select(obj)
    return obj


def refused(call, **arguments: object) -> str:
    with pytest.raises(RuntimeError) as caught:
        call(**arguments)
    return str(caught.value)


def drawn(addon, panel: str, module: str = "panels.wear", context: object = None) -> MagicMock:
    """A panel drawn into a layout that takes notes."""
    layout = MagicMock()
    getattr(addon(module), panel).draw(SimpleNamespace(layout=layout), context or bpy.context)
    return layout


def words(layout: MagicMock) -> list[str]:
    return [str(call.kwargs["text"]) for call in layout.mock_calls if "text" in call.kwargs]


# --- layers ----------------------------------------------------------------------------------------------------------


def test_a_kind_is_added_with_a_level_of_its_own_and_taken_off(addon, sheet: bpy.types.Object) -> None:
    scene = bpy.context.scene
    assert bpy.ops.syngen.add_layer(kind="dents") == {"FINISHED"}
    assert [(each.kind, each.own) for each in addon("blender.layers").layers_of(sheet)] == [
        ("heavy_rust", True),
        ("dents", False),
    ]
    text = words(drawn(addon, "SYNGEN_PT_wear"))
    assert "Heavy Rust" in text and "Dents" in text
    slider = addon("blender.rows").slider(sheet, "dents")
    setattr(scene.syngen.rows, slider, 0.75)
    scene.syngen.level = 0.25
    assert (sheet["syngen_level"], sheet["syngen_level_dents"]) == (pytest.approx(0.25), pytest.approx(0.75))
    assert getattr(scene.syngen.rows, slider) == pytest.approx(0.75)
    assert bpy.ops.syngen.remove_layer(kind="dents") == {"FINISHED"}
    assert "syngen_level_dents" not in sheet
    assert sheet["syngen"]["kind"] == "heavy_rust"


def test_a_kind_goes_on_all_selected_objects_that_lack_it(addon, sheet: bpy.types.Object, capfd) -> None:
    other, bare = worn_sheet(addon, "Other"), plane("Bare", (2, 0), (3, 1), surface=material("P", painted("P base")))
    select(sheet)
    bpy.ops.syngen.add_layer(kind="dents")
    select(other, sheet, bare)
    capfd.readouterr()
    assert bpy.ops.syngen.add_layer(kind="dents") == {"FINISHED"}
    said = capfd.readouterr().out
    assert "lies on 1 object." in said and "'Sheet' has Dents already" in said
    assert "dents" in other["syngen"]["layers"]
    assert "syngen" not in bare


def test_levels_are_copied_to_the_kinds_both_have(addon, sheet: bpy.types.Object) -> None:
    other = worn_sheet(addon, "Other")
    select(sheet, other)
    bpy.ops.syngen.add_layer(kind="dents")
    select(sheet)
    bpy.ops.syngen.add_layer(kind="scratches")
    sheet["syngen_level"], sheet["syngen_level_dents"] = 0.2, 0.9
    select(sheet, other)
    assert bpy.ops.syngen.copy_level() == {"FINISHED"}
    assert (other["syngen_level"], other["syngen_level_dents"]) == (0.2, 0.9)
    assert "syngen_level_scratches" not in other


def test_adding_says_why_not(addon, sheet: bpy.types.Object) -> None:
    assert "has Heavy rust already" in refused(bpy.ops.syngen.add_layer, kind="heavy_rust")
    assert "has no Dents" in refused(bpy.ops.syngen.remove_layer, kind="dents")
    bare = plane("Bare", (2, 0), (3, 1), surface=material("P", painted("P base")))
    select(bare)
    assert "has no wear yet" in refused(bpy.ops.syngen.add_layer, kind="dents")


def test_a_variant_of_a_further_kind_takes_that_layers_place(addon, sheet: bpy.types.Object) -> None:
    bpy.ops.syngen.add_layer(kind="dents")
    found = [v for v in addon("blender.previews").variants_of(sheet) if v.kind == "dents"]
    assert sheet["syngen"]["layers"]["dents"]["variant"] == found[0].name
    assert bpy.ops.syngen.apply_variant(variant=found[1].name) == {"FINISHED"}
    assert sheet["syngen"]["layers"]["dents"]["variant"] == found[1].name
    assert sheet["syngen"]["kind"] == "heavy_rust"


def test_the_menu_offers_the_kinds_that_are_not_on_the_object(addon, sheet: bpy.types.Object) -> None:
    bpy.ops.syngen.add_layer(kind="dents")
    layout = MagicMock()
    addon("panels.wear").SYNGEN_MT_add_layer.draw(SimpleNamespace(layout=layout), bpy.context)
    offered = words(layout)
    assert "Scratches" in offered
    assert not {"Dents", "Heavy Rust"} & set(offered)


# --- sliders of rows -------------------------------------------------------------------------------------------------


def test_every_row_that_is_seen_has_a_slider_of_its_own(addon, sheet: bpy.types.Object) -> None:
    rows, scene = addon("blender.rows"), bpy.context.scene
    rows.forget()
    objects = [sheet]
    for number in range(rows.ROWS + 5):
        obj = sheet.copy()
        obj.name = f"Copy {number:03d}"
        scene.collection.objects.link(obj)
        objects.append(obj)
    names = [rows.slider(obj) for obj in objects[: rows.ROWS]]
    assert len(set(names)) == rows.ROWS
    late = rows.slider(objects[-1])
    assert late == names[0]  # of what was drawn longest ago
    setattr(scene.syngen.rows, late, 0.9)
    assert objects[-1]["syngen_level"] == pytest.approx(0.9)
    assert objects[0]["syngen_level"] == pytest.approx(0.5)


def test_a_slider_of_what_is_gone_does_nothing(addon, sheet: bpy.types.Object) -> None:
    rows, settings = addon("blender.rows"), bpy.context.scene.syngen
    name = rows.slider(sheet)
    bpy.data.objects.remove(sheet)
    assert getattr(settings.rows, name) == 0.0
    setattr(settings.rows, name, 0.7)
    assert getattr(settings.rows, name) == 0.0


# --- the list of objects ---------------------------------------------------------------------------------------------


class List(SimpleNamespace):
    """What Blender hands to a list that is drawn."""

    filter_name, use_filter_sort_alpha = "", True
    bitflag_filter_item, bitflag_item_never_show = 1 << 30, 1 << 29


def test_the_list_shows_what_has_wear_by_name(addon, sheet: bpy.types.Object) -> None:
    for name in ("B crate", "A crate"):
        worn_sheet(addon, name)
    plane("Bare", (2, 0), (3, 1))
    scene, kind = bpy.context.scene, addon("panels.objects").SYNGEN_UL_objects
    flags, order = kind.filter_items(List(), bpy.context, scene, "objects")
    shown = sorted(
        (place, obj.name) for obj, flag, place in zip(scene.objects, flags, order, strict=True) if flag == 1 << 30
    )
    assert [name for _, name in shown] == ["A crate", "B crate", "Sheet"]
    flags, _ = kind.filter_items(List(filter_name="crate"), bpy.context, scene, "objects")
    assert [obj.name for obj, flag in zip(scene.objects, flags, strict=True) if flag == 1 << 30] == [
        "B crate",
        "A crate",
    ]


def test_a_row_says_class_kind_and_how_many_more(addon, sheet: bpy.types.Object) -> None:
    bpy.ops.syngen.add_layer(kind="dents")
    bpy.context.scene.syngen.level = 0.8
    layout = MagicMock()
    addon("panels.objects").SYNGEN_UL_objects.draw_item(
        List(), bpy.context, layout, bpy.context.scene, sheet, 0, None, "", 0, 0
    )
    text = " ".join(words(layout))
    assert "Sheet" in text and "Heavy Rust +1" in text and "complete" in text


def test_a_click_in_the_list_selects_the_object(addon, sheet: bpy.types.Object) -> None:
    other, scene = worn_sheet(addon, "Other"), bpy.context.scene
    assert scene.syngen.active_object == scene.objects.find("Other")
    scene.syngen.active_object = scene.objects.find("Sheet")
    assert bpy.context.object == sheet and sheet.select_get() and not other.select_get()


def test_a_hundred_rows_are_drawn_without_a_look_at_materials(addon, sheet: bpy.types.Object, monkeypatch) -> None:
    """The list reads properties of objects only: none of their nodes, none of the disk."""
    scene, kind = bpy.context.scene, addon("panels.objects").SYNGEN_UL_objects
    for number in range(99):
        obj = sheet.copy()
        obj.name = f"Copy {number:03d}"
        scene.collection.objects.link(obj)
    layout = MagicMock()
    kind.draw_item(List(), bpy.context, layout, scene, sheet, 0, None, "", 0, 0)

    def looked(*given: object) -> None:
        raise AssertionError(given)

    monkeypatch.setattr(addon("blender.target"), "find", looked)
    monkeypatch.setattr(addon("blender.material"), "groups_of", looked)
    monkeypatch.setattr(addon("blender.previews"), "_icon", looked)
    flags, _ = kind.filter_items(List(), bpy.context, scene, "objects")
    assert flags.count(1 << 30) == 100
    for number, obj in enumerate(scene.objects):
        kind.draw_item(List(), bpy.context, layout, scene, obj, 0, None, "", number, 0)


# --- causes ----------------------------------------------------------------------------------------------------------


def test_the_sliders_count_with_the_next_generate(addon, sheet: bpy.types.Object) -> None:
    scene = bpy.context.scene
    before = {v.name for v in addon("blender.previews").variants_of(sheet)}
    scene.syngen.causes.preset = "coastal"
    scene.syngen.causes.edge = 2.0
    assert addon("blender.settings").recipe_of(scene).causes.preset == "coastal"
    bpy.ops.syngen.generate()
    assert {v.name for v in addon("blender.previews").variants_of(sheet)} - before
    assert bpy.ops.syngen.reset_causes() == {"FINISHED"}
    assert scene.syngen.causes.edge == 1.0 and scene.syngen.causes.preset == "coastal"


def test_the_age_of_wear_shows_at_once(addon, sheet: bpy.types.Object) -> None:
    causes, material = bpy.context.scene.syngen.causes, addon("blender.material")

    def shown() -> float:
        return material.group_of(sheet.material_slots[0].material).node_tree.nodes["age shift"].outputs[0].default_value

    causes.age_shift = 0.25
    assert shown() == pytest.approx(0.25)
    causes.preset = "abandoned"
    assert shown() == pytest.approx(0.25 + addon("presets").PRESETS["abandoned"]["age_shift"])
    addon("blender.settings").put_recipe(bpy.context.scene, addon("recipe").Recipe())
    assert shown() > 0.25  # a recipe that is read changes no object


def test_presets_have_an_artists_words(scene: bpy.types.Scene) -> None:
    items = scene.syngen.causes.bl_rna.properties["preset"].enum_items
    assert [i.name for i in items] == ["None", "Light Use", "Coastal", "Heavy Industrial", "Abandoned"]
    assert all(i.description for i in items)


def test_a_cause_that_the_kind_knows_nothing_of_is_greyed_out(addon, scene: bpy.types.Scene) -> None:
    counts, kinds = addon("blender.session").causes_of, addon("kinds").KINDS
    for name in ("dents", "heavy_rust"):
        scene.syngen.wear.kind = name
        assert counts(scene)["drips"] == kinds[name].onset.drips
    drawn(addon, "SYNGEN_PT_causes")


def test_a_material_is_left_out_and_taken_in_again(addon, scene: bpy.types.Scene) -> None:
    glass, paint = material("Glass", painted("Glass base")), material("Paint", painted("Paint base"))
    obj = plane("Window", (0, 0), (1, 1), surface=paint)
    obj.data.materials.append(glass)
    select(obj)
    assert bpy.ops.syngen.toggle_wears(slot=0) == {"FINISHED"}
    assert "left out of wear" in refused(bpy.ops.syngen.generate)
    assert bpy.ops.syngen.toggle_wears(slot=0) == {"FINISHED"}
    assert "does not wear" not in words(drawn(addon, "SYNGEN_PT_object", "panels.texture"))
    assert bpy.ops.syngen.toggle_wears(slot=1) == {"FINISHED"}
    assert "does not wear" in words(drawn(addon, "SYNGEN_PT_object", "panels.texture"))
    assert "syngen_leave_out" not in paint
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    assert "no material in slot 6" in refused(bpy.ops.syngen.toggle_wears, slot=5)


def test_a_photo_is_needed_where_textures_are_made_of_one(addon, scene: bpy.types.Scene) -> None:
    obj = plane("Sheet", (0, 0), (1, 1), surface=material("P", painted("P base")))
    select(obj)
    scene.syngen.texture.method = "exemplar"
    assert "No photo of wear is chosen" in refused(bpy.ops.syngen.generate)
    scene.syngen.texture.exemplar = "//rust.jpg"
    assert bpy.ops.syngen.generate.poll()


# --- the preview of levels -------------------------------------------------------------------------------------------


def test_levels_are_previewed_and_one_is_put_on(addon, sheet: bpy.types.Object, tmp_path: Path) -> None:
    file = tmp_path / "shown" / "levels.png"
    before = {key: str(value) for key, value in sheet.items()}
    assert bpy.ops.syngen.preview_levels(filepath=str(file)) == {"FINISHED"}
    assert {key: str(value) for key, value in sheet.items()} == before
    picture = cv2.imread(str(file))
    assert picture is not None and picture.shape[1] > 5 * 160
    rows = addon("blender.session").now.levels
    assert [row.variant for row in rows] == [v.name for v in addon("blender.previews").variants_of(sheet)]
    for row in rows:
        assert np.array_equal(row.pictures[0], rows[0].pictures[0])  # nothing is worn at level 0
        steps = [np.abs(a - b).mean() for a, b in zip(row.pictures, row.pictures[1:], strict=False)]
        assert min(steps) > 0.005
    text = words(drawn(addon, "SYNGEN_PT_levels"))
    assert [t for t in text if t in ("0", "0.25", "0.5", "0.75", "1")] == ["0", "0.25", "0.5", "0.75", "1"] * 2
    assert bpy.ops.syngen.apply_level(object="Sheet", variant=rows[1].variant, level=0.75) == {"FINISHED"}
    assert sheet["syngen"]["variant"] == rows[1].variant and sheet["syngen_level"] == pytest.approx(0.75)
    assert bpy.ops.syngen.apply_level(object="Sheet", variant=rows[1].variant, level=0.25) == {"FINISHED"}
    assert sheet["syngen_level"] == pytest.approx(0.25)


def test_levels_of_several_objects_are_on_one_sheet(addon, sheet: bpy.types.Object, tmp_path: Path) -> None:
    other = worn_sheet(addon, "Other")
    select(sheet, other)
    bpy.ops.syngen.preview_levels(filepath=str(tmp_path / "two.png"), variants=1)
    assert [row.object for row in addon("blender.session").now.levels] == ["Sheet", "Other"]
    bpy.ops.syngen.preview_levels()
    assert (addon("blender.preferences").gallery_folder() / "levels.png").is_file()


def test_a_preview_of_levels_needs_variants(addon, scene: bpy.types.Scene) -> None:
    obj = plane("Sheet", (0, 0), (1, 1), surface=material("P", painted("P base")))
    select(obj)
    assert "no variants to show yet" in refused(bpy.ops.syngen.preview_levels)
    assert "is gone" in refused(bpy.ops.syngen.apply_level, object="Nothing", variant="x", level=0.5)


def test_the_pictures_go_with_their_file(addon, sheet: bpy.types.Object) -> None:
    bpy.ops.syngen.preview_levels()
    assert addon("blender.session").now.levels
    bpy.ops.wm.read_homefile(use_empty=True)
    assert not addon("blender.session").now.levels


# --- ageing ----------------------------------------------------------------------------------------------------------


def level_at(obj: bpy.types.Object, frame: int, name: str = "syngen_level") -> float:
    bpy.context.scene.frame_set(frame)
    return float(obj[name])


def test_ageing_goes_from_frame_to_frame(addon, sheet: bpy.types.Object) -> None:
    assert bpy.ops.syngen.age_over_time(start=0.2, end=0.8, first=11, last=31) == {"FINISHED"}
    assert [level_at(sheet, frame) for frame in (1, 11, 21, 31, 50)] == pytest.approx(
        [0.2, 0.2, 0.5, 0.8, 0.8], abs=1e-5
    )
    assert bpy.ops.syngen.age_over_time(first=1, last=101, curve="slow_start") == {"FINISHED"}
    assert [level_at(sheet, frame) for frame in (1, 51, 101)] == pytest.approx([0, 0.25, 1], abs=1e-4)
    assert addon("blender.session").is_keyed(sheet)


def test_ageing_by_a_rate(addon, sheet: bpy.types.Object) -> None:
    bpy.context.scene.render.fps = 25
    bpy.ops.syngen.age_over_time(by="RATE", first=1, rate=0.1, years=2.0)  # a fifth a second
    assert level_at(sheet, 1 + 25) == pytest.approx(0.2, abs=1e-4)
    assert level_at(sheet, 1 + 125) == pytest.approx(1.0)


def test_a_layer_ages_by_itself(addon, sheet: bpy.types.Object) -> None:
    bpy.ops.syngen.add_layer(kind="dents")
    bpy.ops.syngen.age_over_time(kind="dents", first=1, last=11)
    assert level_at(sheet, 6, "syngen_level_dents") == pytest.approx(0.5, abs=1e-4)
    assert level_at(sheet, 6) == pytest.approx(0.5)
    session = addon("blender.session")
    assert session.is_keyed(sheet, "dents") and not session.is_keyed(sheet)
    assert "No level" in refused(bpy.ops.syngen.clear_ageing)
    assert bpy.ops.syngen.clear_ageing(kind="dents") == {"FINISHED"}
    assert sheet.animation_data is None


def test_clearing_keeps_other_animation_and_the_level_of_now(addon, sheet: bpy.types.Object) -> None:
    sheet.location.x = 1
    sheet.keyframe_insert("location", frame=1)
    bpy.ops.syngen.age_over_time(first=1, last=11)
    bpy.context.scene.frame_set(6)
    assert bpy.ops.syngen.clear_ageing() == {"FINISHED"}
    assert [level_at(sheet, frame) for frame in (1, 6, 11)] == pytest.approx([0.5] * 3, abs=1e-4)
    assert sheet.animation_data.action is not None
    assert not bpy.ops.syngen.clear_ageing.poll()


def test_ageing_refuses_a_span_without_an_end(addon, sheet: bpy.types.Object) -> None:
    assert "Frame 5 is not after frame 5" in refused(bpy.ops.syngen.age_over_time, first=5, last=5)
    assert sheet.animation_data is None
    assert "has no Dents" in refused(bpy.ops.syngen.age_over_time, kind="dents")


def test_a_render_of_the_animation_shows_the_keyed_level(addon, sheet: bpy.types.Object, tmp_path: Path) -> None:
    """No handler and no extension is asked: what renders is the object's own property."""
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    camera.location, scene.camera = (0.5, 0.5, 2.0), camera
    camera.data.type, camera.data.ortho_scale = "ORTHO", 1.0
    bpy.ops.syngen.age_over_time(first=1, last=11)
    for frame in (1, 6, 11):
        scene.frame_set(frame)
        _, layers = render_layers(addon, recipe(addon), tmp_path)
        assert float(layers.wear.mean()) == pytest.approx((frame - 1) / 10, abs=0.02)


# --- undo ------------------------------------------------------------------------------------------------------------


def test_each_action_is_one_undo_step(addon, sheet: bpy.types.Object) -> None:
    bpy.ops.ed.undo_push(message="before")
    other = addon("blender.previews").variants_of(sheet)[1].name

    def state() -> dict[str, object]:
        obj = bpy.data.objects["Sheet"]
        paint = bpy.data.materials["Sheet paint"]
        return {
            "properties": {k: str(getattr(v, "to_dict", lambda v=v: v)()) for k, v in obj.items()},
            "keyed": obj.animation_data is not None,
            "material": sorted(paint.keys()),
            "nodes": sorted(n.name for n in paint.node_tree.nodes),
            "edge": bpy.context.scene.syngen.causes.edge,
        }

    bpy.context.scene.syngen.causes.edge = 1.5
    bpy.ops.ed.undo_push(message="edge")
    ops = bpy.ops.syngen
    for call in (
        lambda: ops.apply_level("EXEC_DEFAULT", True, object="Sheet", variant=other, level=0.25),
        lambda: ops.add_layer("EXEC_DEFAULT", True, kind="dents"),
        lambda: ops.age_over_time("EXEC_DEFAULT", True, kind="dents"),
        lambda: ops.clear_ageing("EXEC_DEFAULT", True, kind="dents"),
        lambda: ops.toggle_wears("EXEC_DEFAULT", True, slot=0),
        lambda: ops.toggle_wears("EXEC_DEFAULT", True, slot=0),
        lambda: ops.remove_layer("EXEC_DEFAULT", True, kind="dents"),
        lambda: ops.reset_causes("EXEC_DEFAULT", True),
    ):
        before = state()
        assert call() == {"FINISHED"}
        after = state()
        assert after != before
        assert bpy.ops.ed.undo() == {"FINISHED"}
        assert state() == before
        assert bpy.ops.ed.redo() == {"FINISHED"}
        assert state() == after
