"""What a person does with buttons: operators do what the functions do, refuse in a sentence, undo in a step."""

import shlex
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import bpy
import numpy as np
import pytest
from PIL import Image

from tests.blender import helpers as h
from tests.blender.helpers import quick_variants, real_variants  # noqa: F401

pytestmark = pytest.mark.versions


def picture(name: str, size: int = 64) -> bpy.types.Image:
    """A packed base texture: blue paint with a little structure."""
    image = bpy.data.images.new(name, size, size)
    grain = np.random.default_rng(1).random((size, size, 1)).astype(np.float32) * 0.2
    pixels = np.concatenate([grain + np.float32([0.1, 0.3, 0.6]), np.ones((size, size, 1), np.float32)], axis=2)
    image.pixels.foreach_set(np.ascontiguousarray(pixels).ravel())
    image.pack()
    return image


def painted(name: str = "Paint") -> bpy.types.Material:
    """A material with a base texture, and nodes that must stay: a bump, a frame, a value."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    shader = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.37
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = picture(f"{name} base")
    texture.location = (-400, 123)
    bump = tree.nodes.new("ShaderNodeBump")
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    tree.links.new(texture.outputs["Alpha"], bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    return material


def drum(name: str = "Drum", material: bpy.types.Material | None = None) -> bpy.types.Object:
    """An active cylinder with UVs and a painted material."""
    bpy.ops.mesh.primitive_cylinder_add(vertices=16, radius=0.3, depth=0.9, location=(0, 0, 0.5))
    obj = bpy.context.object
    obj.name = name
    obj.data.materials.append(material or painted())
    return obj


def select(obj: bpy.types.Object | None) -> None:
    for other in bpy.context.view_layer.objects:
        other.select_set(other == obj)
    bpy.context.view_layer.objects.active = obj


@pytest.fixture(autouse=True)
def made(addon, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants made by hand, where a test does not ask for real ones."""
    if "real_variants" not in request.fixturenames:
        monkeypatch.setattr(addon("blender.generation"), "make_variants", partial(quick_variants, addon))


@pytest.fixture
def scene(empty_scene: bpy.types.Scene, tmp_path: Path) -> bpy.types.Scene:
    """A saved file whose settings make small, quick variants and frames."""
    settings = empty_scene.syngen
    settings.texture.size, settings.texture.variants = 64, 2
    settings.filters.enabled = False
    settings.render.width = settings.render.height = 48
    settings.render.samples, settings.render.denoise, settings.render.device = 1, False, "cpu"
    settings.labels.min_pixels, settings.job.frames = 4, 2
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    return empty_scene


def snapshot(obj: bpy.types.Object) -> dict[str, object]:
    """Everything that wear could leave behind on an object and in the file."""
    return {
        "properties": {k: str(v) for k, v in obj.items()},
        "slots": [(s.link, s.material and s.material.name) for s in obj.material_slots],
        "uv": [(u.name, u.active, u.active_render) for u in obj.data.uv_layers],
        "attributes": [a.name for a in obj.data.attributes],
        "trees": {m.name: tree(m) for m in bpy.data.materials},
        "groups": [g.name for g in bpy.data.node_groups],
        "images": sorted((i.name, i.users, tuple(i.size)) for i in bpy.data.images if i.users),
        "scene": sorted(bpy.context.scene.keys()),
    }


def tree(material: bpy.types.Material) -> dict[str, object]:
    """A node tree as plain values."""

    def value(socket: bpy.types.NodeSocket) -> object:
        default = getattr(socket, "default_value", None)
        return tuple(default) if hasattr(default, "__len__") and not isinstance(default, str) else default

    def plain(node: bpy.types.Node) -> dict[str, object]:
        found = {}
        for prop in node.bl_rna.properties:
            if prop.identifier in {"select", "rna_type", "dimensions", "show_preview", "internal_links"}:
                continue
            found[prop.identifier] = (
                str(getattr(node, prop.identifier))
                if prop.type not in {"COLLECTION", "POINTER"}
                else getattr(getattr(node, prop.identifier), "name", None)
            )
        return {**found, "in": [value(s) for s in node.inputs], "out": [value(s) for s in node.outputs]}

    nodes = material.node_tree
    return {
        "nodes": {n.name: plain(n) for n in nodes.nodes},
        "order": [n.name for n in nodes.nodes],
        "links": sorted(
            (k.from_node.name, k.from_socket.identifier, k.to_node.name, k.to_socket.identifier) for k in nodes.links
        ),
    }


def generate_and_use(addon, number: int = 0) -> str:
    """Press Generate, use a variant; its name."""
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    name = addon("blender.previews").variants_of(bpy.context.object)[number].name
    assert bpy.ops.syngen.apply_variant(variant=name) == {"FINISHED"}
    return name


# --- the way of point 1 ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("real_variants")
def test_generate_puts_variants_beside_the_file(addon, scene: bpy.types.Scene, tmp_path: Path) -> None:
    obj = drum()
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    found = addon("blender.previews").variants_of(obj)
    assert [v.seed for v in found] == [0, 1]
    assert all(v.folder.is_relative_to(tmp_path / "syngen") for v in found)
    assert all(v.thumbnail.is_file() for v in found)
    shown = addon("blender.session").gallery(obj)
    assert [s.variant.name for s in shown] == [v.name for v in found]


@pytest.mark.usefixtures("real_variants")
def test_generate_makes_what_the_function_makes(addon, scene: bpy.types.Scene, tmp_path: Path) -> None:
    obj = drum()
    bpy.ops.syngen.generate()
    ageing, settings, variants = addon("blender.ageing"), addon("blender.settings"), addon("variants")
    request = ageing.gather(obj, settings.recipe_of(scene), ageing.kind_named("heavy_rust"))
    for one, other in zip(
        addon("blender.previews").variants_of(obj), variants.make_variants(request, tmp_path / "other"), strict=True
    ):
        assert one.name == other.name
        for file in sorted(p.name for p in one.folder.iterdir()):
            assert (one.folder / file).read_bytes() == (other.folder / file).read_bytes(), file


def test_wear_goes_on_and_off_without_a_trace(addon, scene: bpy.types.Scene) -> None:
    obj = drum()
    before = snapshot(obj)
    name = generate_and_use(addon)
    assert obj["syngen"]["variant"] == name
    assert addon("blender.session").worn(obj) == name
    assert snapshot(obj) != before
    bpy.context.scene.syngen.level = 0.8
    assert obj["syngen_level"] == pytest.approx(0.8)
    generate_and_use(addon, 1)
    assert obj["syngen_level"] == pytest.approx(0.8)  # another variant keeps the level
    assert bpy.ops.syngen.remove() == {"FINISHED"}
    assert snapshot(obj) == before


def test_a_mesh_without_uvs_gets_a_layer_of_its_own_and_loses_it_again(addon, scene: bpy.types.Scene) -> None:
    obj = drum()
    while obj.data.uv_layers:
        obj.data.uv_layers.remove(obj.data.uv_layers[0])
    before = snapshot(obj)
    generate_and_use(addon)
    assert [u.name for u in obj.data.uv_layers] == ["SynGen"]
    bpy.ops.syngen.remove()
    assert snapshot(obj) == before


def test_objects_that_share_a_material_keep_their_own_levels(addon, scene: bpy.types.Scene) -> None:
    shared = painted()
    one, two = drum("One", shared), drum("Two", shared)
    for obj, worn in ((one, 0.2), (two, 0.9)):
        select(obj)
        generate_and_use(addon)
        bpy.context.scene.syngen.level = worn
    assert (one["syngen_level"], two["syngen_level"]) == (pytest.approx(0.2), pytest.approx(0.9))
    select(one)
    assert bpy.context.scene.syngen.level == pytest.approx(0.2)
    two.select_set(True)
    assert bpy.ops.syngen.copy_level() == {"FINISHED"}
    assert two["syngen_level"] == pytest.approx(0.2)


def test_copying_the_level_says_what_is_missing(addon, scene: bpy.types.Scene) -> None:
    one, two = drum("One"), drum("Two")
    select(one)
    generate_and_use(addon)
    two.select_set(True)
    message = refused(bpy.ops.syngen.copy_level)
    assert "None of the other selected objects has wear yet. Generate gives wear to all selected objects." in message


# --- several objects -------------------------------------------------------------------------------------------------


def pair_of_drums() -> tuple[bpy.types.Object, bpy.types.Object]:
    """Two selected objects that share a material; "Two" is the active one."""
    shared = painted()
    one, two = drum("One", shared), drum("Two", shared)
    two.location.x = 1
    one.select_set(True)
    return one, two


def test_generate_gives_wear_to_all_selected_objects(addon, scene: bpy.types.Scene) -> None:
    one, two = pair_of_drums()
    before = snapshot(one), snapshot(two)
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    for obj in (one, two):
        found = addon("blender.previews").variants_of(obj)
        assert [v.seed for v in found] == [0, 1]
        assert obj["syngen"]["variant"] == found[0].name
    assert one.material_slots[0].material != two.material_slots[0].material
    scene.syngen.level = 0.9
    assert (one["syngen_level"], two["syngen_level"]) == (pytest.approx(0.5), pytest.approx(0.9))
    assert bpy.ops.syngen.copy_level() == {"FINISHED"}
    assert one["syngen_level"] == pytest.approx(0.9)
    assert bpy.ops.syngen.remove() == {"FINISHED"}
    assert (snapshot(one), snapshot(two)) == before


def test_generating_again_keeps_the_wear_that_is_there(addon, scene: bpy.types.Scene) -> None:
    one, two = pair_of_drums()
    select(one)
    used = generate_and_use(addon, 1)
    scene.syngen.level = 0.7
    two.select_set(True)
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    assert one["syngen"]["variant"] == used
    assert one["syngen_level"] == pytest.approx(0.7)
    assert two["syngen"]["variant"] == addon("blender.previews").variants_of(two)[0].name


def test_the_first_variant_that_is_not_refused_is_put_on(
    addon, scene: bpy.types.Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair_of_drums()
    generation = addon("blender.generation")
    make = generation.make_variants

    def refusing(request, *arguments, **named):
        """Refuses the first variant of "One" and all of "Two"."""
        found = make(request, *arguments, **named)
        return [replace(v, accepted=request.name == "One" and i > 0) for i, v in enumerate(found)]

    monkeypatch.setattr(generation, "make_variants", refusing)
    work = generation.Generation([two, one], addon("blender.settings").recipe_of(scene), scene_gallery(addon))
    assert [work.coming(name, 0) for name in ("Two", "One")] == [scene.syngen.texture.variants, 0]
    work.run()
    assert work.coming("Two", 0) == work.coming("One", 0) == 0
    assert work.put_on() == 1
    assert one["syngen"]["variant"] == addon("blender.previews").variants_of(one)[1].name
    assert "syngen" not in two
    assert "refused every variant of 'Two'" in str(work.skipped["Two"])


def scene_gallery(addon) -> Path:
    return addon("blender.preferences").gallery_folder()


def test_objects_that_cannot_be_aged_are_named_and_left_out(
    addon, scene: bpy.types.Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    one, two = pair_of_drums()
    bare, flat = drum("Bare"), drum("Flat")
    bare.data.materials.clear()
    flat.data.uv_layers[0].uv.foreach_set("vector", np.full(len(flat.data.loops) * 2, 0.5, np.float32))
    bpy.ops.object.empty_add()
    empty = bpy.context.object
    for obj in (one, two, bare, flat, empty):
        obj.select_set(True)
    bpy.context.view_layer.objects.active = one
    before = snapshot(bare)["properties"], snapshot(flat)["properties"]
    capfd.readouterr()
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    said = capfd.readouterr().out
    assert "2 objects got wear" in said
    (warning,) = [line for line in said.splitlines() if line.startswith("Warning")]
    assert "Left out: 'Bare' has no material; " in warning
    assert "'Flat'" in warning
    assert "Empty" not in warning
    assert [o.name for o in scene.objects if "syngen" in o] == ["One", "Two"]
    assert (snapshot(bare)["properties"], snapshot(flat)["properties"]) == before


def test_where_no_selected_object_can_be_aged_the_active_ones_error_is_told(addon, scene: bpy.types.Scene) -> None:
    one, two = drum("One"), drum("Two")
    one.data.materials.clear()
    two.data.uv_layers[0].uv.foreach_set("vector", np.full(len(two.data.loops) * 2, 0.5, np.float32))
    one.select_set(True)
    message = refused()
    assert "area of zero" in message and "no material" not in message


def test_several_objects_are_one_undo_step(addon, scene: bpy.types.Scene) -> None:
    pair_of_drums()
    bpy.ops.ed.undo_push(message="before")

    def now() -> list[object]:
        return [{**snapshot(o), "properties": sorted(o.keys())} for o in (bpy.data.objects[n] for n in ("One", "Two"))]

    for call in (bpy.ops.syngen.generate, bpy.ops.syngen.remove):
        before = now()
        assert call("EXEC_DEFAULT", True) == {"FINISHED"}
        after = now()
        assert after != before
        assert bpy.ops.ed.undo() == {"FINISHED"}
        assert now() == before
        assert bpy.ops.ed.redo() == {"FINISHED"}
        assert now() == after


def test_remove_takes_the_wear_off_selected_objects_only(addon, scene: bpy.types.Scene) -> None:
    one, two = pair_of_drums()
    bpy.ops.syngen.generate()
    three = drum("Three")
    two.select_set(False)
    one.select_set(True)
    bpy.context.view_layer.objects.active = three  # which has none itself
    assert bpy.ops.syngen.remove() == {"FINISHED"}
    assert "syngen" not in one and "syngen" in two


@pytest.mark.usefixtures("real_variants")
def test_a_thread_makes_the_variants_of_all_objects(addon, scene: bpy.types.Scene) -> None:
    one, two = pair_of_drums()
    work = addon("blender.generation").Generation(
        [two, one], addon("blender.settings").recipe_of(scene), scene_gallery(addon)
    )
    texts, fractions = [], []
    work.start()
    while work.poll():
        work.join()
        texts.append(work.text)
        fractions.append(work.fraction)
    assert texts == ["Two (1 of 2): Done", "One (2 of 2): Done"]
    assert fractions == [0.5, 1.0]
    assert list(work.made) == ["Two", "One"]
    assert not work.skipped and not work.cancelled


def test_a_generation_of_several_stops_between_objects(addon, scene: bpy.types.Scene) -> None:
    one, two = pair_of_drums()
    for obj in (one, two):
        while obj.data.uv_layers:
            obj.data.uv_layers.remove(obj.data.uv_layers[0])
    work = addon("blender.generation").Generation(
        [two, one], addon("blender.settings").recipe_of(scene), scene_gallery(addon)
    )
    work.start()
    work.join()
    assert [u.name for u in two.data.uv_layers] == ["SynGen"]
    work.cancel()
    assert not work.poll()
    assert work.cancelled and list(work.made) == ["Two"]
    work.take_back()
    assert not two.data.uv_layers and not one.data.uv_layers


def test_an_object_that_is_deleted_meanwhile_is_left_out(addon, scene: bpy.types.Scene) -> None:
    one, two = pair_of_drums()
    work = addon("blender.generation").Generation(
        [two, one], addon("blender.settings").recipe_of(scene), scene_gallery(addon)
    )
    work.start()
    bpy.data.objects.remove(one)
    while work.poll():
        work.join()
    assert work.put_on() == 1
    assert str(work.skipped["One"]) == "'One' is gone."


def test_objects_that_are_added_meanwhile_wait_for_their_turn(addon, scene: bpy.types.Scene) -> None:
    one, two = pair_of_drums()
    make, recipe = addon("blender.generation").Generation, addon("blender.settings").recipe_of(scene)
    work = make([two], recipe, scene_gallery(addon))
    work.start()
    assert work.add([one], recipe) == ["One"] and work.names == ["Two", "One"]
    with pytest.raises(addon("errors").SynGenError, match="'One' waits already"):
        work.add([one], recipe)
    other = replace(recipe, texture=replace(recipe.texture, seed=7, variants=1))
    assert work.add([two], other) == ["Two"], "with other settings it may come again"
    while work.poll():
        work.join()
    assert list(work.made) == ["Two", "One"] and [v.seed for v in work.made["Two"]] == [7]
    assert work.fraction > 0.6 and work.seconds_left >= 0
    assert work.put_on() == 0, "each was ordered alone: which variant is used is the person's choice"


def words_of(addon, panel: str) -> str:
    """The text that a panel of the first steps draws."""
    layout = MagicMock()
    getattr(addon("panels.texture"), panel).draw(SimpleNamespace(layout=layout), bpy.context)
    return " ".join(str(call.kwargs["text"]) for call in layout.mock_calls if "text" in call.kwargs)


def test_the_object_panel_says_that_all_selected_objects_are_meant(addon, scene: bpy.types.Scene) -> None:
    _, two = pair_of_drums()
    assert "2 objects selected: Generate and Remove work on all of them." in words_of(addon, "SYNGEN_PT_object")
    two.select_set(False)
    assert "This object and 1 selected: Generate" in words_of(addon, "SYNGEN_PT_object")
    select(two)
    assert "selected" not in words_of(addon, "SYNGEN_PT_object")


def test_generate_is_greyed_out_with_the_reason(addon, scene: bpy.types.Scene) -> None:
    obj = drum()
    assert bpy.ops.syngen.generate.poll()
    kept = obj.data.materials[0]
    obj.data.materials.clear()
    assert not bpy.ops.syngen.generate.poll()
    message = refused()
    assert "generate.poll() 'Drum' has no material" in message
    obj.data.materials.append(kept)
    assert bpy.ops.syngen.generate.poll()


def test_generate_sees_what_a_script_has_mended(scene: bpy.types.Scene) -> None:
    obj = drum()
    texture = next(n for n in obj.data.materials[0].node_tree.nodes if n.type == "TEX_IMAGE")
    image, texture.image = texture.image, None
    assert "has no base texture" in refused()
    texture.image = image
    assert bpy.ops.syngen.generate() == {"FINISHED"}


class Window:
    """The operator as the window drives it: timer events until it ends."""

    def __init__(self, addon, work) -> None:
        self.operator, self.told = addon("operators.wear").SYNGEN_OT_generate, []
        self.work, self.timer = work, None
        work.start()

    def report(self, kind: set[str], text: str) -> None:
        self.told.append((*kind, text))

    def _end(self, context: bpy.types.Context) -> None:
        self.ended = True

    def _finished(self, work) -> set[str]:
        return self.operator._finished(self, work)

    def _used(self, work) -> str:
        return self.operator._used(self, work)

    def _runs(self) -> bool:
        return self.operator._runs(self)

    def _ended(self, work) -> set[str]:
        return self.operator._ended(self, work)

    def tick(self) -> set[str]:
        self.work.join()
        return self.operator.modal(self, bpy.context, SimpleNamespace(type="TIMER", value="NOTHING"))


def test_the_window_takes_up_one_object_after_the_other(addon, scene: bpy.types.Scene, tmp_path: Path) -> None:
    one, two = pair_of_drums()
    recipe = addon("blender.settings").recipe_of(scene)
    window = Window(addon, addon("blender.generation").Generation([two, one], recipe, tmp_path / "gallery"))
    assert window.tick() == {"PASS_THROUGH"}
    assert "syngen" not in one and "syngen" not in two  # both at the end, in one step
    assert window.tick() == {"FINISHED"}
    assert window.ended and "syngen" in one and "syngen" in two
    assert window.told == [("INFO", "2 objects got wear. The gallery of each shows its variants.")]


def test_the_window_says_that_it_was_stopped(addon, scene: bpy.types.Scene, tmp_path: Path) -> None:
    one, two = pair_of_drums()
    recipe = addon("blender.settings").recipe_of(scene)
    window = Window(addon, addon("blender.generation").Generation([two, one], recipe, tmp_path / "gallery"))
    assert window.operator.modal(window, bpy.context, SimpleNamespace(type="ESC", value="PRESS")) == {"RUNNING_MODAL"}
    assert window.tick() == {"CANCELLED"}
    assert "syngen" not in one and "syngen" not in two
    assert window.told == [("INFO", "Stopped. What was finished is in the gallery.")]


def test_the_two_levels_have_names_of_their_own(addon, scene: bpy.types.Scene) -> None:
    assert scene.syngen.wear.bl_rna.properties["level"].name == "Level Range"


def test_the_key_button_animates_the_level(addon, scene: bpy.types.Scene) -> None:
    obj = drum()
    generate_and_use(addon)
    for frame, worn in ((1, 0.0), (11, 1.0)):
        scene.frame_set(frame)
        bpy.context.scene.syngen.level = worn
        assert bpy.ops.syngen.key_level() == {"FINISHED"}
    scene.frame_set(6)
    assert obj["syngen_level"] == pytest.approx(0.5, abs=0.01)
    assert addon("blender.session").is_keyed(obj)


def test_the_class_of_an_object(addon, scene: bpy.types.Scene) -> None:
    obj, session = drum("Drum.001"), addon("blender.session")
    assert session.object_class(obj) == "Drum"
    bpy.ops.syngen.set_class(name=" oil drum ")
    assert session.object_class(obj) == "oil drum"
    assert addon("blender.records").object_class(obj, addon("recipe").Recipe()) == "oil drum"
    labels = scene.syngen.labels
    named = {"wear": "by wear", "object": "oil drum", "object_wear": "oil drum with its wear"}
    for labels.class_from, shown in named.items():
        assert session.class_exported(obj, scene) == shown
    bpy.ops.syngen.set_class(name="")
    assert "syngen_class" not in obj


def test_each_operator_is_one_undo_step(addon, scene: bpy.types.Scene) -> None:
    """With undo as in the window, one step takes each back and one more brings it again."""
    drum()
    bpy.ops.syngen.generate()
    name = addon("blender.previews").variants_of(bpy.context.object)[0].name
    bpy.ops.ed.undo_push(message="before")
    for call in (
        lambda: bpy.ops.syngen.apply_variant("EXEC_DEFAULT", True, variant=name),
        lambda: bpy.ops.syngen.key_level("EXEC_DEFAULT", True),
        lambda: bpy.ops.syngen.preview_frame("EXEC_DEFAULT", True, frame=3),
        lambda: bpy.ops.syngen.end_preview("EXEC_DEFAULT", True),
        lambda: bpy.ops.syngen.set_class("EXEC_DEFAULT", True, name="drum"),
        lambda: bpy.ops.syngen.remove("EXEC_DEFAULT", True),
    ):
        before = state()
        assert call() == {"FINISHED"}
        after = state()
        assert after != before
        assert bpy.ops.ed.undo() == {"FINISHED"}
        assert state() == before
        assert bpy.ops.ed.redo() == {"FINISHED"}
        assert state() == after


def state() -> dict[str, object]:
    obj = bpy.data.objects["Drum"]
    animation = obj.animation_data
    found = {**snapshot(obj), **world_of(bpy.context.scene), "keyed": bool(animation and animation.action)}
    found["properties"] = {k: v for k, v in obj.items() if isinstance(v, (str, float))}
    return found


# --- the preview -----------------------------------------------------------------------------------------------------


def world_of(scene: bpy.types.Scene) -> dict[str, object]:
    """What a preview may touch."""
    return {
        "camera": scene.camera and scene.camera.name,
        "world": scene.world and scene.world.name,
        "size": (scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage),
        "exposure": scene.view_settings.exposure,
        "objects": {
            o.name: (o.hide_render, o.hide_viewport, dict(o.items()).get("syngen_level")) for o in scene.objects
        },
        "data": [
            sorted(b.name for b in getattr(bpy.data, kind))
            for kind in ("objects", "cameras", "lights", "worlds", "collections", "images", "materials", "node_groups")
        ],
        "properties": [k for k in scene.keys() if k.startswith("syngen_")],  # noqa: SIM118
    }


@pytest.fixture
def stage(addon, scene: bpy.types.Scene) -> bpy.types.Scene:
    """A worn drum with a camera, a lamp and a world."""
    obj = drum()
    generate_and_use(addon)
    bpy.ops.object.light_add(type="POINT", location=(2, 2, 3))
    bpy.ops.object.camera_add(location=(0, -4, 1))
    scene.camera = bpy.context.object
    scene.world = bpy.data.worlds.new("Own")
    scene.view_settings.exposure = 0.25
    select(obj)
    return scene


def test_a_preview_shows_the_frame_and_is_taken_back(addon, stage: bpy.types.Scene) -> None:
    before = world_of(stage)
    assert bpy.ops.syngen.preview_frame(frame=5) == {"FINISHED"}
    assert addon("blender.session").previewed(stage) == 5
    assert stage.camera.name == "SynGen camera"
    assert stage.world.name != "Own"
    assert (stage.render.resolution_x, stage.render.resolution_y) == (48, 48)
    first = stage.camera.matrix_world.copy()
    assert bpy.ops.syngen.preview_frame(step=1) == {"FINISHED"}
    assert addon("blender.session").previewed(stage) == 6
    assert stage.camera.matrix_world != first
    assert bpy.ops.syngen.preview_frame(frame=5) == {"FINISHED"}
    assert stage.camera.matrix_world == first  # a frame is the same whenever it is shown
    assert bpy.ops.syngen.end_preview() == {"FINISHED"}
    assert world_of(stage) == before


def test_a_preview_shows_what_the_job_renders(addon, stage: bpy.types.Scene, tmp_path: Path) -> None:
    bpy.ops.syngen.preview_frame(frame=1)
    bpy.context.view_layer.update()
    camera = addon("blender.records").camera_numbers(stage)
    level = bpy.data.objects["Drum"]["syngen_level"]
    bpy.ops.syngen.end_preview()
    bpy.ops.wm.save_mainfile()
    stage.syngen.labels.redraws = 0
    bpy.ops.syngen.export_dataset()
    record = addon("jobs").read_record(tmp_path / "syngen_dataset", 1)
    assert record["camera"]["matrix_world"] == camera["matrix_world"]
    assert record["instances"][0]["level"] == pytest.approx(level, abs=1e-4)


def test_a_preview_outlives_saving_and_is_taken_back_after_loading(stage: bpy.types.Scene, tmp_path: Path) -> None:
    before = world_of(stage)
    bpy.ops.syngen.preview_frame(frame=2)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shown.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shown.blend"))
    assert bpy.ops.syngen.end_preview() == {"FINISHED"}
    after = world_of(bpy.context.scene)
    assert {k: v for k, v in after.items() if k != "data"} == {k: v for k, v in before.items() if k != "data"}


def test_a_job_is_the_same_where_the_file_was_saved_in_a_preview(addon, stage: bpy.types.Scene, tmp_path: Path) -> None:
    found = []
    for name in ("plain", "shown"):
        if name == "shown":
            bpy.ops.syngen.preview_frame(frame=7)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / f"{name}.blend"))
        recipe = addon("blender.settings").recipe_of(bpy.context.scene)
        (tmp_path / "job.toml").write_text(addon("recipe").dumps(recipe))
        arguments = ["--recipe", str(tmp_path / "job.toml"), "--out", str(tmp_path / name), "--frames", "1"]
        assert addon("blender.cli").main(arguments) == 0
        found.append(addon("jobs").read_record(tmp_path / name, 0))
    plain, shown = found
    assert shown["camera"] == plain["camera"]
    assert shown["instances"] == plain["instances"]


def test_a_preview_shows_the_frames_own_world_in_the_views(stage: bpy.types.Scene) -> None:
    """In Material Preview, which by default shows a studio of its own; the views are given back as they were."""
    (space,) = (a.spaces.active for a in bpy.context.window.screen.areas if a.type == "VIEW_3D")
    names = ("use_scene_world", "use_scene_lights", "use_scene_world_render", "use_scene_lights_render")

    def look() -> dict[str, object]:
        view = space.region_3d
        found = {name: getattr(space.shading, name) for name in names}
        return {**found, "perspective": view.view_perspective, "distance": view.view_distance}

    space.shading.type = "MATERIAL"
    space.shading.use_scene_lights_render = False
    before = look()
    assert not before["use_scene_world"]
    for frame in (0, 1):
        bpy.ops.syngen.preview_frame(frame=frame)
        assert all(look()[name] for name in names) and look()["perspective"] == "CAMERA"
    bpy.ops.syngen.end_preview()
    assert look() == before


def test_a_preview_that_cannot_be_changes_nothing(addon, scene: bpy.types.Scene) -> None:
    drum()
    before = world_of(scene)
    with pytest.raises(RuntimeError, match="no object has wear"):
        bpy.ops.syngen.preview_frame(frame=0)
    assert world_of(scene) == before


# --- the dataset -----------------------------------------------------------------------------------------------------


def test_export_in_background_mode_is_the_job(stage: bpy.types.Scene, tmp_path: Path) -> None:
    bpy.ops.wm.save_mainfile()
    assert bpy.ops.syngen.export_dataset() == {"FINISHED"}
    out = tmp_path / "syngen_dataset"
    assert (out / "data.yaml").is_file()
    assert len(list(out.glob("images/*/*.png"))) == 2


def test_the_copied_command_runs(addon, stage: bpy.types.Scene, tmp_path: Path) -> None:
    bpy.ops.wm.save_mainfile()
    line = addon("blender.jobs_of_panel").batch_line(stage, addon("blender.settings").recipe_of(stage))
    words = shlex.split(line)
    assert words[words.index("--") + 1 :][-4:] == ["--frames", "2", "--seed", "0"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "syngen_dataset").glob("records/*/*.json"))) == 2


def test_the_copied_command_keeps_out_of_another_jobs_folder(addon, stage: bpy.types.Scene, tmp_path: Path) -> None:
    """It goes on with its own job, but one with other settings, or of the panel's copy of the scene, is left alone."""
    panel, recipe_of = addon("blender.jobs_of_panel"), addon("blender.settings").recipe_of

    def out() -> str:
        words = shlex.split(panel.batch_line(stage, recipe_of(stage)))
        return Path(words[words.index("--out") + 1]).name

    bpy.ops.wm.save_mainfile()
    assert out() == "syngen_dataset"
    bpy.ops.syngen.export_dataset()
    assert out() == "syngen_dataset"
    stage.syngen.render.samples = 2
    assert out() == "syngen_dataset_002"
    stage.syngen.render.samples = 1
    stage.syngen.job.seed = 4
    assert out() == "syngen_dataset_002"
    stage.syngen.job.seed = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), compress=True)
    assert out() == "syngen_dataset_002"


def test_show_labels_needs_the_picture(scene: bpy.types.Scene, tmp_path: Path) -> None:
    missing = str(tmp_path / "overview.png")
    assert "does not exist" in refused(lambda: bpy.ops.syngen.show_labels(sheet=missing))


def test_where_the_system_opens_nothing_it_is_said_where_a_thing_lies(
    addon, scene: bpy.types.Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = sys.modules[bpy.types.SYNGEN_OT_show_labels.__module__.rpartition(".")[0] + ".common"]
    monkeypatch.setattr(common, "_has_opener", lambda: False)
    (tmp_path / "card.html").touch()
    for name in ("open_folder", "show_card"):
        said = refused(lambda name=name: getattr(bpy.ops.syngen, name)(folder=str(tmp_path)))
        assert "xdg-open is missing" in said and "It lies in" in said


def test_a_sheet_in_an_image_editor_is_never_in_the_file(addon, scene: bpy.types.Scene, tmp_path: Path) -> None:
    in_editor, sheet, saved = addon("blender.in_editor"), tmp_path / "overview.png", tmp_path / "saved.blend"
    addon("formats.sheet").write_png(sheet, Image.new("RGB", (8, 8)))
    area = bpy.context.window.screen.areas[0]
    kind, before = area.ui_type, h.snapshot()
    try:
        area.ui_type = "IMAGE_EDITOR"
        in_editor.show(sheet, "Overview")
        assert Path(area.spaces.active.image.filepath) == sheet
        bpy.ops.wm.save_as_mainfile(filepath=str(saved), copy=True)
        assert area.spaces.active.image is not None, "saving leaves it where it is seen"
        with bpy.data.libraries.load(str(saved)) as (there, _):
            assert "Overview" not in there.images
        in_editor.forget()
        assert h.snapshot() == before
    finally:
        area.ui_type = kind


def test_the_command_needs_a_saved_file(addon, empty_scene: bpy.types.Scene) -> None:
    with pytest.raises(RuntimeError, match="The file is not saved"):
        bpy.ops.syngen.copy_batch_command()


def test_an_export_needs_wear_and_a_place(addon, scene: bpy.types.Scene) -> None:
    drum()
    with pytest.raises(RuntimeError, match="no object has wear"):
        bpy.ops.syngen.export_dataset()
    scene.syngen.job.folder = " "
    with pytest.raises(RuntimeError, match="No folder is set"):
        bpy.ops.syngen.export_dataset()


def test_a_taken_folder_is_left_alone(addon, scene: bpy.types.Scene, tmp_path: Path) -> None:
    panel = addon("blender.jobs_of_panel")
    for name in ("ds", "ds_002"):
        (tmp_path / name).mkdir()
    assert panel.next_free(tmp_path / "ds").name == "ds_003"
    assert panel.next_free(tmp_path / "ds_002").name == "ds_003"
    assert panel.next_free(tmp_path / "other").name == "other_002"


def test_the_work_ends_with_its_file(addon, stage: bpy.types.Scene, tmp_path: Path) -> None:
    session, background = addon("blender.session"), addon("blender.background")
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    session.now.export = background.Process(child, tmp_path)
    bpy.ops.wm.read_homefile(use_empty=True)
    assert session.now.export is None
    assert child.poll() is not None
    child.stdin.close()
    child.stdout.close()


# --- refusals --------------------------------------------------------------------------------------------------------


def refused(call=None) -> str:
    """What Generate says."""
    with pytest.raises(RuntimeError) as caught:
        (call or bpy.ops.syngen.generate)()
    return str(caught.value)


def test_nothing_selected(scene: bpy.types.Scene) -> None:
    select(None)
    assert "No object is selected" in refused()


def test_not_a_mesh(addon, scene: bpy.types.Scene) -> None:
    bpy.ops.object.empty_add()
    assert "is an empty, not a mesh" in refused()
    assert "not a mesh" in addon("blender.session").look(bpy.context.object).error


def test_an_empty_mesh(scene: bpy.types.Scene) -> None:
    obj = bpy.data.objects.new("Nothing", bpy.data.meshes.new("Nothing"))
    scene.collection.objects.link(obj)
    select(obj)
    assert "has no faces" in refused()


def test_no_material(addon, scene: bpy.types.Scene) -> None:
    obj = drum()
    obj.data.materials.clear()
    assert "has no material" in refused()
    assert "has no material" in addon("blender.session").look(obj).error


def test_no_base_texture(scene: bpy.types.Scene) -> None:
    obj = drum()
    nodes = obj.data.materials[0].node_tree.nodes
    nodes.remove(next(n for n in nodes if n.type == "TEX_IMAGE"))
    assert "has no base texture" in refused()


def test_a_missing_image_file(scene: bpy.types.Scene, tmp_path: Path) -> None:
    obj = drum()
    picture("gone").save(filepath=str(tmp_path / "gone.png"))
    image = bpy.data.images.load(str(tmp_path / "gone.png"))
    next(n for n in obj.data.materials[0].node_tree.nodes if n.type == "TEX_IMAGE").image = image
    (tmp_path / "gone.png").unlink()
    image.reload()
    message = refused()
    assert "is missing" in message and "gone.png" in message


def test_uvs_of_zero_area(scene: bpy.types.Scene) -> None:
    obj = drum()
    layer = obj.data.uv_layers[0]
    layer.uv.foreach_set("vector", np.full(len(obj.data.loops) * 2, 0.5, np.float32))
    before = snapshot(obj)
    message = refused()
    assert "UV" in message and "area" in message
    assert snapshot(obj) == before


@pytest.mark.usefixtures("real_variants")
def test_overlapping_uvs_are_a_warning(addon, scene: bpy.types.Scene) -> None:
    obj = drum()
    layer = obj.data.uv_layers[0]
    uvs = np.zeros((len(obj.data.loops), 2), np.float32)
    for polygon in obj.data.polygons:  # every face over the whole square
        angles = np.linspace(0, 2 * np.pi, polygon.loop_total, endpoint=False)
        uvs[polygon.loop_start : polygon.loop_start + polygon.loop_total] = 0.5 + 0.45 * np.stack(
            [np.cos(angles), np.sin(angles)], 1
        )
    layer.uv.foreach_set("vector", uvs.ravel())
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    warnings = addon("blender.previews").variants_of(obj)[0].warnings
    assert any("overlap" in warning.lower() for warning in warnings), warnings


def test_settings_that_are_not_allowed(scene: bpy.types.Scene) -> None:
    drum()
    scene.syngen.wear.level = (0.9, 0.1)
    assert "wear.level" in refused()


def test_edit_mode(scene: bpy.types.Scene) -> None:
    drum()
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        assert "Leave the edit or paint mode" in refused()
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")


def test_remove_without_wear(scene: bpy.types.Scene) -> None:
    drum()
    assert "has no wear" in refused(bpy.ops.syngen.remove)


def test_an_unknown_variant(scene: bpy.types.Scene) -> None:
    drum()
    assert "There is no variant 'nonsense'" in refused(lambda: bpy.ops.syngen.apply_variant(variant="nonsense"))


@pytest.mark.usefixtures("real_variants")
def test_a_stopped_generation_leaves_no_uv_layer(addon, scene: bpy.types.Scene, tmp_path: Path) -> None:
    obj = drum()
    while obj.data.uv_layers:
        obj.data.uv_layers.remove(obj.data.uv_layers[0])
    work = addon("blender.generation").Generation(
        [obj], addon("blender.settings").recipe_of(scene), tmp_path / "gallery"
    )
    work.cancel()
    work.start()
    work.join()
    assert not work.poll()
    assert work.cancelled
    work.take_back()
    assert not obj.data.uv_layers
