"""What is dropped into the view, and dataset presets: the operators, by call, as a drop or a menu calls them."""

from pathlib import Path

import bpy
import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.versions

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "syngen_addon" / "blender" / "presets" / "syngen").glob("*.toml"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "rust ä.jpg"
    path.parent.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    path.write_bytes(cv2.imencode(".jpg", noise)[1].tobytes())
    return path


@pytest.fixture
def cubes(empty_scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Two boxes, the second one active and selected."""
    for x in (0, 3):
        bpy.ops.mesh.primitive_cube_add(location=(x, 0, 0))
    return list(empty_scene.objects)


@pytest.fixture
def own_presets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The person's folder of presets, empty."""
    folder = tmp_path / "scripts" / "presets" / "syngen"
    folder.mkdir(parents=True)
    monkeypatch.setattr(bpy.utils, "user_resource", lambda *_, **__: str(folder))
    found = bpy.utils.preset_paths
    monkeypatch.setattr(
        bpy.utils, "preset_paths", lambda name: [*found(name), str(folder)] if name == "syngen" else found(name)
    )
    monkeypatch.setitem(bpy.utils.preset_find.__globals__, "preset_paths", bpy.utils.preset_paths)
    return folder


# --- photos ----------------------------------------------------------------------------------------------------------


def test_a_dropped_photo_becomes_the_wear_photo_of_the_object_below(cubes, photo: Path) -> None:
    assert bpy.ops.syngen.use_photo(filepath=str(photo), object="Cube", metres=0.25) == {"FINISHED"}
    texture = bpy.context.scene.syngen.texture
    assert (texture.method, texture.exemplar, texture.exemplar_m) == ("exemplar", str(photo), 0.25)
    assert bpy.context.object == cubes[0] and bpy.context.selected_objects == [cubes[0]]


def test_a_photo_for_no_object_leaves_the_selection_and_its_size(cubes, photo: Path) -> None:
    bpy.context.scene.syngen.texture.exemplar_m = 0.75
    cubes[0].select_set(True)
    bpy.ops.syngen.use_photo(filepath=str(photo))
    assert bpy.context.scene.syngen.texture.exemplar_m == 0.75
    assert bpy.context.object == cubes[1] and set(bpy.context.selected_objects) == set(cubes)


def test_a_photo_for_its_style_asks_for_neural_transfer_once(cubes, photo: Path) -> None:
    transfer = bpy.context.scene.syngen.transfer
    for method in ("patch", "gatys"):
        transfer.method = method
        bpy.ops.syngen.use_photo(filepath=str(photo), use="STYLE")
        assert transfer.style_image == str(photo)
        assert transfer.method == ("adain" if method == "patch" else "gatys")
    assert bpy.context.scene.syngen.texture.method == "procedural"


def test_a_photo_is_named_from_the_saved_file(addon, cubes, photo: Path, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.syngen.use_photo(filepath=str(photo))
    assert bpy.context.scene.syngen.texture.exemplar == "//photos/rust ä.jpg"
    recipe = addon("blender.settings").recipe_of(bpy.context.scene)
    assert addon("blender.paths").with_absolute_paths(recipe).texture.exemplar == str(photo)
    # The recipe of Copy Batch Command finds it too, from wherever it is run.
    line = addon("blender.jobs_of_panel").batch_line(bpy.context.scene, recipe)
    assert addon("blender.cli")._recipe(str(tmp_path / "scene.recipe.toml")).texture.exemplar == str(photo)
    assert "scene.recipe.toml" in line


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.jpg", None, "is missing"),
        ("broken.jpg", b"no picture", "cannot be read as an image"),
        ("good.png", "good", "no object called 'Nobody'"),
    ],
)
def test_a_photo_that_will_not_do_changes_nothing(addon, cubes, photo, tmp_path: Path, name, content, says) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(photo.read_bytes() if content == "good" else content)
    before = addon("blender.settings").recipe_of(bpy.context.scene)
    with pytest.raises(RuntimeError, match=says):
        bpy.ops.syngen.use_photo(filepath=str(path), object="Nobody")
    assert addon("blender.settings").recipe_of(bpy.context.scene) == before
    assert bpy.context.object == cubes[1]


def test_a_drop_is_one_undo_step(cubes, photo: Path) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.syngen.use_photo("EXEC_DEFAULT", True, filepath=str(photo), object="Cube")
    assert bpy.context.scene.syngen.texture.method == "exemplar"
    bpy.ops.ed.undo()
    assert bpy.context.scene.syngen.texture.method == "procedural"
    assert bpy.context.object.name == "Cube.001"


def test_the_handlers_name_operators_that_take_a_file(addon) -> None:
    handlers = [cls for cls in addon("operators").CLASSES if issubclass(cls, bpy.types.FileHandler)]
    assert len(handlers) == 2
    for handler in handlers:
        module, name = handler.bl_import_operator.split(".")
        about = getattr(getattr(bpy.ops, module), name).get_rna_type().properties["filepath"]
        assert about.is_skip_save, "a button pressed later would take the file that was dropped"
        assert not handler.poll_drop(bpy.context), "without a 3D view below the pointer"


def test_a_photo_must_be_named(empty_scene) -> None:
    with pytest.raises(RuntimeError, match="No photo is chosen"):
        bpy.ops.syngen.use_photo()


# --- recipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["[project]\nname = 'x'\n[tool.ruff]\nline-length = 120\n", "title = 'x'\n"])
def test_another_programs_toml_is_told_as_such(addon, empty_scene, tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    before = addon("blender.settings").recipe_of(empty_scene)
    with pytest.raises(RuntimeError, match=r"pyproject\.toml is no recipe of SynGen"):
        bpy.ops.syngen.load_recipe("INVOKE_DEFAULT", filepath=str(tmp_path / "pyproject.toml"))  # as a drop calls it
    assert addon("blender.settings").recipe_of(empty_scene) == before


def test_a_recipe_and_what_lies_beside_it_can_be_given_away(addon, empty_scene, photo: Path, tmp_path: Path) -> None:
    settings, recipes = addon("blender.settings"), addon("recipe")
    (photo.parent / "hdris").mkdir()
    (photo.parent / "models" / "mine").mkdir(parents=True)
    empty_scene.syngen.texture.exemplar = str(photo)
    empty_scene.syngen.light.environments = str(photo.parent / "hdris")
    empty_scene.syngen.diffusion.model = str(photo.parent / "models" / "mine")
    empty_scene.syngen.transfer.style_image = "//beside the blend.jpg"
    bpy.ops.syngen.save_recipe(filepath=str(photo.parent / "r.toml"), check_existing=False)
    written = recipes.load(photo.parent / "r.toml")
    assert (written.texture.exemplar, written.light.environments) == (photo.name, "hdris")
    assert written.diffusion.model == "./models/mine"
    moved = photo.parent.rename(tmp_path / "elsewhere")
    settings.put_recipe(empty_scene, recipes.Recipe())
    bpy.ops.syngen.load_recipe(filepath=str(moved / "r.toml"))
    read = settings.recipe_of(empty_scene)
    assert read.texture.exemplar == str(moved / photo.name)
    assert read.diffusion.model == str(moved / "models" / "mine")
    assert read.transfer.style_image == "//beside the blend.jpg"


# --- presets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_preset_gives_the_same_whatever_was_set_before(addon, empty_scene, path: Path) -> None:
    recipes, settings, presets = addon("recipe"), addon("blender.settings"), addon("blender.scene_presets")
    mine = recipes.from_dict(
        {
            "wear": {"kind": "moss"},
            "light": {"environments": "//hdris", "sun_strength": [7.0, 8.0]},
            "camera": {"roll_deg": [1.0, 2.0]},
            "labels": {"min_pixels": 7},
            "render": {"samples": 999},
            "export": {"license": "CC0-1.0"},
        }
    )
    settings.put_recipe(empty_scene, mine)
    assert bpy.ops.syngen.load_preset(filepath=str(path)) == {"FINISHED"}
    now, preset = settings.recipe_of(empty_scene), recipes.load(path)
    assert now.wear == mine.wear and now.light.environments == "//hdris" and now.export.license == "CC0-1.0"
    expected, got = recipes.to_dict(preset), recipes.to_dict(now)
    expected["light"]["environments"], expected["export"]["license"] = "//hdris", "CC0-1.0"
    assert {name: got[name] for name in presets.SECTIONS} == {name: expected[name] for name in presets.SECTIONS}
    assert presets.about(path).endswith(".")


def test_there_are_presets_for_common_work() -> None:
    assert {path.stem for path in SHIPPED} == {
        *("Quick_Look", "Rust_Detector_Draft", "Outdoor_Inspection", "Turntable", "Indoor_Store")
    }


def test_a_preset_of_ones_own_is_kept_found_and_removed(addon, empty_scene, own_presets: Path) -> None:
    settings, recipes = addon("blender.settings"), addon("recipe")
    empty_scene.syngen.render.samples = 77
    empty_scene.syngen.export.title = "Drums"
    assert bpy.ops.syngen.add_preset(name="Hof für Stahl") == {"FINISHED"}
    (path,) = own_presets.iterdir()
    assert path.suffix == ".toml"
    settings.put_recipe(empty_scene, recipes.Recipe())
    empty_scene.syngen.export.title = "Tanks"
    bpy.ops.syngen.load_preset(filepath=str(path))
    assert (empty_scene.syngen.render.samples, empty_scene.syngen.export.title) == (77, "Tanks")
    with pytest.raises(RuntimeError, match="already"):
        bpy.ops.syngen.add_preset(name="Hof für Stahl")
    shown = bpy.path.display_name(path.name, title_case=False)
    assert shown == "Hof für Stahl"
    assert bpy.ops.syngen.add_preset(name=shown, remove_name=True) == {"FINISHED"}
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "  "}, "no name"),
        ({"name": "Quick Look"}, "already"),
        ({"name": "Quick Look", "remove_name": True}, "comes with"),
    ],
)
def test_shipped_presets_stay_and_a_preset_has_a_name(empty_scene, own_presets: Path, arguments, says: str) -> None:
    with pytest.raises(RuntimeError, match=says):
        bpy.ops.syngen.add_preset(**arguments)
    assert list(own_presets.iterdir()) == [] and all(path.exists() for path in SHIPPED)


def test_a_preset_that_sets_what_wears_changes_nothing(addon, empty_scene, tmp_path: Path) -> None:
    path = tmp_path / "Other.toml"
    path.write_text("[render]\nsamples = 5\n[wear]\nkind = 'moss'\n")
    with pytest.raises(RuntimeError, match=r"no dataset preset: it sets \[wear\]"):
        bpy.ops.syngen.load_preset(filepath=str(path))
    path.write_text("[render]\nsamples = 'import os'\n")
    with pytest.raises(RuntimeError, match=r"render\.samples"):
        bpy.ops.syngen.load_preset(filepath=str(path))
    assert addon("blender.settings").recipe_of(empty_scene) == addon("recipe").Recipe()
