"""Ageing over the timeline: an object's wear level as an F-curve. Imports bpy.

The level is a plain custom property, so its curve needs no handler: it evaluates in every render, on farms as well.
"""

from dataclasses import dataclass

import bpy

from ..errors import SynGenError
from . import layers
from .state import animating

CURVES = {"linear": ("LINEAR", "AUTO"), "slow_start": ("QUAD", "EASE_IN"), "slow_end": ("QUAD", "EASE_OUT")}
"""Name -> (interpolation, easing) of the key that the curve starts from."""


@dataclass(frozen=True)
class Span:
    """From which level at which frame to which level at which frame, by which of CURVES."""

    first: int
    last: int
    start: float
    end: float
    curve: str = "linear"


def frames_of(start: float, end: float, rate: float, fps: float) -> int:
    """How many frames it takes from one level to another at a rate in levels a second. Raises SynGenError."""
    if rate <= 0:
        raise SynGenError("At a rate of 0 nothing ages.", "Raise the rate.")
    return max(1, round(abs(end - start) / rate * fps))


def age_over(obj: bpy.types.Object, span: Span, kind: str = "") -> None:
    """Key a level over a span of the timeline; keys that it had are replaced. kind "": of the object's own wear.

    Raises SynGenError for an object without that wear, for a level that something else drives, and for a span without
    an end after its start.
    """
    if span.last <= span.first:
        raise SynGenError(f"Frame {span.last} is not after frame {span.first}.", "Aging needs two frames at least.")
    layer = layers.layer_of(obj, kind)
    if layer is None:
        raise SynGenError(
            f"{obj.name!r} has no wear{f' of the kind {kind!r}' if kind else ''}.", "Press Generate first."
        )
    name = layers.level_property(layer.key)
    path = f'["{name}"]'
    clear(obj, kind)
    if animating(obj, path):
        raise SynGenError(
            f"The level of {obj.name!r} has a driver or lies on an NLA track.", "Take that off first, then age it."
        )
    before = obj[name]
    for frame, level in ((span.first, span.start), (span.last, span.end)):
        obj[name] = float(level)
        obj.keyframe_insert(path, frame=frame, group="SynGen")
    obj[name] = before
    for curve in animating(obj, path):
        for point in curve.keyframe_points:
            point.interpolation, point.easing = CURVES[span.curve]
        curve.update()
    obj.update_tag(refresh={"OBJECT", "TIME"})


def clear(obj: bpy.types.Object, kind: str = "") -> bool:
    """Take the keys off a level; it keeps the value it has now. Whether there were any."""
    layer = layers.layer_of(obj, kind)
    animation = obj.animation_data
    if layer is None or animation is None or animation.action is None:
        return False
    name = layers.level_property(layer.key)
    keyed = False
    for bag in _bags(animation):
        for curve in [c for c in bag.fcurves if c.data_path == f'["{name}"]']:
            bag.fcurves.remove(curve)
            keyed = True
        for group in [g for g in bag.groups if g.name == "SynGen" and not len(g.channels)]:
            bag.groups.remove(group)
    if keyed and not any(len(bag.fcurves) for bag in _bags(animation)):
        _forget_action(obj)
    return keyed


def is_keyed(obj: bpy.types.Object, kind: str = "") -> bool:
    """Whether keys or a driver give the level."""
    if obj.animation_data is None:
        return False
    layer = layers.layer_of(obj, kind)
    return layer is not None and bool(animating(obj, f'["{layers.level_property(layer.key)}"]'))


def _bags(animation: bpy.types.AnimData) -> "list[bpy.types.ActionChannelbag]":
    """Where the curves of this datablock lie: an action may serve several."""
    return [
        bag
        for layer in animation.action.layers
        for strip in layer.strips
        for bag in strip.channelbags
        if bag.slot_handle == animation.action_slot_handle
    ]


def _forget_action(obj: bpy.types.Object) -> None:
    """Its last curve is gone: the action goes where nobody else has it, and so does the animation data."""
    animation = obj.animation_data
    action, animation.action = animation.action, None
    if not action.users:
        bpy.data.actions.remove(action)
    if not animation.drivers and not animation.nla_tracks:
        obj.animation_data_clear()
