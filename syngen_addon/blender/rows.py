"""What the panel's proxies do: a slider for every row of a list, the active row, the age of wear. Imports bpy.

An object's own property would make every step of a drag evaluate its modifiers again, and the scene's proxies are few:
a row is lent one while it is drawn. The one that was drawn longest ago is lent anew.
"""

from dataclasses import replace
from typing import NamedTuple

import bpy

from .level import get_level, set_level
from .settings import ROWS
from .target import has_wear


class _Row(NamedTuple):
    """Whose level a slider shows. library: file of a linked object, "" for one of this file."""

    name: str
    library: str
    kind: str


_lent: dict[_Row, int] = {}
"""Row -> its slider's number, in the order in which they were drawn, the longest ago first."""


def slider(obj: bpy.types.Object, kind: str = "") -> str:
    """Name of the property of `scene.syngen.rows` that shows the level. kind "": of the object's own wear."""
    row = _Row(obj.name, obj.library.filepath if obj.library else "", kind)
    number = _lent.pop(row, -1)
    if number < 0:
        number = len(_lent) if len(_lent) < ROWS else _lent.pop(next(iter(_lent)))
    _lent[row] = number
    return f"level_{number}"


def get(number: int) -> float:
    """The level that a slider shows; 0 where it is lent to nothing."""
    row = _row(number)
    obj = None if row is None else _object(row)
    return 0.0 if obj is None or row is None else get_level(obj, row.kind)


def put(number: int, level: float) -> None:
    """Set the level that a slider shows."""
    row = _row(number)
    obj = None if row is None else _object(row)
    if obj is not None and row is not None and has_wear(obj):
        set_level(obj, level, row.kind)


def forget() -> None:
    """Another file is opened: its rows are others."""
    _lent.clear()


def select(scene: bpy.types.Scene, number: int) -> None:
    """Make one of the scene's objects the selected and active one, where the view layer lets it."""
    layer = bpy.context.view_layer
    if not 0 <= number < len(scene.objects) or (bpy.context.object is not None and bpy.context.object.mode != "OBJECT"):
        return
    chosen = scene.objects[number]
    if chosen.name not in layer.objects:
        return
    for obj in layer.objects:
        if obj.select_get() != (obj == chosen):
            obj.select_set(obj == chosen)
    layer.objects.active = chosen


def show_age_shift(context: bpy.types.Context) -> None:
    """Let wear on the chosen objects look as young or old as the settings say now."""
    from ..recipe import Recipe, age_shift_of
    from . import material, session, settings

    causes = context.scene.syngen.causes
    plain = {"preset": causes.preset, "age_shift": settings.shortest(causes.age_shift)}
    shift = age_shift_of(replace(Recipe(), causes=replace(Recipe().causes, **plain)))
    for obj in session.chosen(context):
        for slot in obj.material_slots if has_wear(obj) else ():
            for node in material.groups_of(slot.material):
                value = node.node_tree.nodes.get("age shift")
                if value is not None:
                    value.outputs[0].default_value = shift


def _row(number: int) -> _Row | None:
    return next((row for row, lent in _lent.items() if lent == number), None)


def _object(row: _Row) -> bpy.types.Object | None:
    return bpy.data.objects.get((row.name, row.library or None))
