"""The exposure that each frame of a job draws, beside the one of its recipe. Imports bpy.

By the white level of the view's curve, not by the view's own exposure: OpenColorIO keeps what it works out for each
value of that, 3 to 5 MB with AgX, as long as Blender runs. The curve stays a straight line, so both give the same
picture but for rounding (ten values in a million differ, by 1 of 255).
"""

from collections.abc import Sequence

import bpy

from ..recipe import Recipe
from .state import Borrowed

_PLAIN = {
    "use_clip": True,
    "clip_min_x": 0.0,
    "clip_min_y": 0.0,
    "clip_max_x": 1.0,
    "clip_max_y": 1.0,
    "black_level": (0.0, 0.0, 0.0),
    "white_level": (1.0, 1.0, 1.0),
    "extend": "EXTRAPOLATED",
    "tone": "STANDARD",
}
_Curve = Sequence[tuple[tuple[float, float], str, bool]]
"""Its points: place, type of handle, whether selected."""
_LINE: _Curve = (((0.0, 0.0), "AUTO", False), ((1.0, 1.0), "AUTO", False))


def draws_exposure(recipe: Recipe) -> bool:
    """Whether frames differ in their exposure."""
    return recipe.light.randomize and any(recipe.light.exposure_ev)


def expose_by_curve(scene: bpy.types.Scene, borrowed: Borrowed) -> None:
    """Make the view's curve a straight line that `expose` can use; the scene's own comes back when borrowed ends."""
    view = scene.view_settings
    borrowed.set(view, "use_curve_mapping", True)  # first: only then is there a curve
    mapping = view.curve_mapping
    own = [_points(curve) for curve in mapping.curves]
    bent = any([place for place, *_ in curve] != [place for place, *_ in _LINE] for curve in own)
    borrowed.afterwards(mapping.update)
    if bent:  # noted before the plain values, and so undone after them: those cut off points beyond 1
        borrowed.afterwards(lambda: _shape(mapping, own))
    for name, value in _PLAIN.items():
        borrowed.set(mapping, name, value)
    if bent:
        _shape(mapping, [_LINE] * len(own))
    mapping.update()


def expose(scene: bpy.types.Scene, stops: float) -> None:
    """Make pictures this much brighter than the view's own exposure, after expose_by_curve."""
    mapping = scene.view_settings.curve_mapping
    mapping.white_level = (2.0**-stops,) * 3
    mapping.update()


def _points(curve: bpy.types.CurveMap) -> _Curve:
    return [((point.location[0], point.location[1]), point.handle_type, point.select) for point in curve.points]


def _shape(mapping: bpy.types.CurveMapping, curves: Sequence[_Curve]) -> None:
    for curve, wanted in zip(mapping.curves, curves, strict=True):
        while len(curve.points) > len(wanted):
            curve.points.remove(curve.points[1])
        while len(curve.points) < len(wanted):
            curve.points.new(0.5, 0.5)
        for point, (place, handle, selected) in zip(curve.points, wanted, strict=True):
            point.location, point.handle_type, point.select = place, handle, selected
    mapping.update()
