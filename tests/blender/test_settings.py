"""The panel's settings: a recipe goes in and comes out unchanged."""

import dataclasses
from pathlib import Path

import bpy
import pytest

pytestmark = pytest.mark.versions


def other_recipe(recipes):
    """A recipe in which every key differs from its default, where it can."""
    document = recipes.to_dict(recipes.Recipe())
    for section, keys in document.items():
        fields = {f.name: f for f in dataclasses.fields(recipes.sections()[section])}
        for name, value in keys.items():
            meta = fields[name].metadata
            keys[name] = _other(f"{section}.{name}", value, meta)
    return recipes.from_dict(document)


def _other(name, value, meta):
    special = {
        "targets.objects": ["Tank*", "Pipe, left", 'a "quoted" one'],
        "targets.classes": {"Tank*": "tank", "Rohr ä": "pipe"},
        "targets.kinds": {"Pipe [1]": "rust_streaks"},
        "wear.kind": "rust_streaks",
        "wear.kinds": ["heavy_rust", "moss"],
        "causes.presets": ["none", "coastal"],
        "randomize.apart": ["background"],
        "export.licenses": {"*.hdr": "CC0-1.0", "my \"wood\".png": "CC-BY-4.0"},
        "wear.also": {"light_rust": [0.125, 0.75]},
        "wear.leave_out": ["Glass*", "Rubber, black"],
        "texture.exemplar": "//rust.jpg",
        "export.split": [0.7, 0.2, 0.1],
        "export.formats": ["yolo"],
        "diffusion.size": 520,
    }
    if name in special:
        return special[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return next((c for c in meta["choices"] if c != value), value) if meta["choices"] else "//some folder, ä"
    if isinstance(value, int):
        return min(value + 1, int(meta["high"]))
    if isinstance(value, float):
        return round(value * 0.9 + 0.0123, 4)
    if all(isinstance(v, int) for v in value):
        return [v + 1 for v in value]
    return [float(f"{v * 0.913 + 0.0123:.6g}") for v in value]  # as many digits as float32 holds


def test_the_defaults_are_the_recipes(addon, empty_scene: bpy.types.Scene) -> None:
    recipes, settings = addon("recipe"), addon("blender.settings")
    assert settings.recipe_of(empty_scene) == recipes.Recipe()


def test_a_recipe_comes_back_exactly(addon, empty_scene: bpy.types.Scene) -> None:
    recipes, settings = addon("recipe"), addon("blender.settings")
    recipe = other_recipe(recipes)
    same = [
        f"{s}.{k}"
        for s, keys in recipes.to_dict(recipe).items()
        for k, v in keys.items()
        if v == recipes.to_dict(recipes.Recipe())[s][k]
    ]
    assert same == []
    settings.put_recipe(empty_scene, recipe)
    assert settings.recipe_of(empty_scene) == recipe


def test_numbers_stay_as_they_were_typed(addon, empty_scene: bpy.types.Scene) -> None:
    settings = addon("blender.settings")
    empty_scene.syngen.wear.softness = 0.35
    assert empty_scene.syngen.wear.softness != 0.35  # Blender keeps float32
    assert settings.recipe_of(empty_scene).wear.softness == 0.35


def test_every_key_has_its_property_with_its_range_and_meaning(addon, empty_scene: bpy.types.Scene) -> None:
    settings = addon("blender.settings")
    for section, name, hint, about in settings.every_key():
        prop = getattr(empty_scene.syngen, section).bl_rna.properties[name]
        assert prop.name and prop.description, (section, name)
        if hint in (int, float):
            assert prop.hard_min == pytest.approx(max(about.metadata["low"], -(2**31) + 1)), (section, name)
            assert prop.hard_max == pytest.approx(min(about.metadata["high"], 2**31 - 1)), (section, name)


def test_settings_survive_saving(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    recipes, settings = addon("recipe"), addon("blender.settings")
    recipe = other_recipe(recipes)
    settings.put_recipe(empty_scene, recipe)
    empty_scene.syngen.job.frames = 7
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    assert settings.recipe_of(bpy.context.scene) == recipe
    assert bpy.context.scene.syngen.job.frames == 7


def test_a_range_the_wrong_way_round_is_named(addon, empty_scene: bpy.types.Scene) -> None:
    settings, errors = addon("blender.settings"), addon("errors")
    empty_scene.syngen.camera.focal_mm = (70, 30)
    with pytest.raises(errors.SynGenError, match=r"camera\.focal_mm"):
        settings.recipe_of(empty_scene)


def test_the_recipe_operators_write_and_read_a_file(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    recipes, settings = addon("recipe"), addon("blender.settings")
    recipe = other_recipe(recipes)
    settings.put_recipe(empty_scene, recipe)
    assert bpy.ops.syngen.save_recipe(filepath=str(tmp_path / "r.toml"), check_existing=False) == {"FINISHED"}
    assert recipes.load(tmp_path / "r.toml") == recipe
    settings.put_recipe(empty_scene, recipes.Recipe())
    assert bpy.ops.syngen.load_recipe(filepath=str(tmp_path / "r.toml")) == {"FINISHED"}
    assert settings.recipe_of(empty_scene) == recipe


def test_a_recipe_with_a_mistake_changes_nothing(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    settings = addon("blender.settings")
    (tmp_path / "r.toml").write_text("[wear]\nlevle = [0, 1]\n")
    before = settings.recipe_of(empty_scene)
    with pytest.raises(RuntimeError, match=r"unknown key wear\.levle\. Did you mean level"):
        bpy.ops.syngen.load_recipe(filepath=str(tmp_path / "r.toml"))
    assert settings.recipe_of(empty_scene) == before
