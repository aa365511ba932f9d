"""Panels of what is drawn and labelled: every key has its widget; what came of an export is shown and checked."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import bpy
import pytest

from tests.blender import helpers as h
from tests.blender.helpers import quick  # noqa: F401

PARTS = {
    "scene": ("Camera", "Light", "Background", "Ground", "Distractors", "Pose", "Color", "Sensor", "Wear of Targets"),
    "dataset": ("Targets", "Labels", "Render", "Train, Validation, Test", "Card", "Keypoints"),
}
"""What opens below each panel, in this order."""
SECTIONS = ("camera", "light", "background", "ground", "distractors", "pose", "tint", "sensor", "randomize", "render",
            "labels", "export")  # fmt: skip
TABLES = {"export.licenses"}
"""Without a widget: recipe files hold them."""


@pytest.mark.parametrize("below", [True, False])
def test_in_a_narrow_sidebar_values_stand_below_their_name(addon, monkeypatch: pytest.MonkeyPatch, below: bool) -> None:
    common, layout = addon("panels.common"), MagicMock()
    monkeypatch.setattr(common, "narrow", lambda context: below)
    common.pair(layout, bpy.context.scene.syngen.render, "width", "height", "Size")
    assert layout.column.called is below and layout.split.called is not below
    parts = layout.column.return_value if below else layout.split.return_value
    assert [call.args[1] for call in parts.row.return_value.prop.mock_calls] == ["width", "height"]


def drawn(addon: Any, module: str, opened: bool = True) -> tuple[set[str], set[str], list[str]]:
    """(settings as section.key, operators, texts) of a panel, with all of its parts opened or closed."""
    layout = MagicMock()
    keys: set[str] = set()
    operators: set[str] = set()
    texts: list[str] = []

    def prop(group: Any, name: str, *_: Any, **__: Any) -> MagicMock:
        keys.add(f"{type(group).__name__.removeprefix('SYNGEN_PG_')}.{name}")
        return MagicMock()

    def operator(name: str, **__: Any) -> MagicMock:
        category, _, plain = name.partition(".")
        assert hasattr(getattr(bpy.ops, category), plain), name
        operators.add(name)
        return MagicMock()

    def label(text: str = "", **__: Any) -> None:
        texts.append(text)

    for part in ("row", "column", "split", "grid_flow", "box"):
        getattr(layout, part).return_value = layout
    layout.prop, layout.prop_enum, layout.operator, layout.label = prop, prop, operator, label
    layout.panel.return_value = (layout, layout if opened else None)
    getattr(addon(f"panels.{module}"), f"SYNGEN_PT_{module}").draw(SimpleNamespace(layout=layout), bpy.context)
    return keys, operators, texts


def test_every_key_has_a_widget_under_some_setting(addon, empty_scene: bpy.types.Scene) -> None:
    settings, found = empty_scene.syngen, set()
    for path, dof, kind, folder in itertools.product(
        ("shell", "orbit", "ground", "handheld"), (True, False), ("color", "images"), ("", "//tiles")
    ):
        settings.camera.path, settings.camera.dof, settings.background.kind = path, dof, kind
        settings.ground.folder, settings.distractors.occluders = folder, (0, 1)
        settings.labels.class_from = "property"
        for module in PARTS:
            found |= drawn(addon, module)[0]
    wanted = {f"{s}.{k}" for s, k, _, _ in addon("blender.settings").every_key() if s in SECTIONS} - TABLES
    assert wanted - found == set()
    assert {"wear.kinds", "causes.presets", "wear.level"} <= found


@pytest.mark.usefixtures("empty_scene")
@pytest.mark.parametrize("module", PARTS)
def test_closed_parts_are_titles_and_switches_alone(addon, module: str) -> None:
    keys, _, texts = drawn(addon, module, opened=False)
    opened = drawn(addon, module)[0]
    assert tuple(text for text in texts if text in PARTS[module]) == PARTS[module]
    assert {key for key in opened if key.endswith(".randomize")} <= keys < opened


def test_every_format_has_its_toggle(addon) -> None:
    shown = [name for _, formats in addon("panels.dataset").FORMATS for name, _ in formats]
    assert sorted(shown) == sorted(addon("recipe").FORMATS)


@pytest.mark.usefixtures("card")
def test_what_came_of_an_export_is_shown_and_checked(addon, empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    recipe = h.recipe(addon, h.STILL)
    for obj in h.two_boxes():
        h.age(addon, obj, tmp_path / "gallery", recipe, level=0.5)
    h.camera_above(8)
    h.save(tmp_path / "scene.blend")
    out = tmp_path / "out"
    dataset = addon("blender.dataset")
    dataset.run(dataset.Job(recipe, out, 2))
    session = addon("blender.session").now
    session.folder, session.told = str(out), "Done: 2 of 2 frames are finished."
    try:
        assert {"syngen.show_card", "syngen.check_dataset"} <= drawn(addon, "dataset")[1]
        assert (
            addon("blender.jobs_of_panel")
            .checked(out, addon("blender.task").Task("dataset", str))
            .startswith("Nothing is wrong with it.")
        )
        assert bpy.ops.syngen.check_dataset(folder=str(out)) == {"FINISHED"}
        (out / "images/0000/00000001.png").unlink()
        said = addon("blender.jobs_of_panel").checked(out, addon("blender.task").Task("dataset", str)).splitlines()
        assert said[0].endswith("problems.") and any("images/0000/00000001.png is not there" in text for text in said)
        (out / "card.html").unlink()
        with pytest.raises(RuntimeError, match=r"There is no .*card\.html"):
            bpy.ops.syngen.show_card(folder=str(out))
    finally:
        session.folder, session.told = "", ""
