"""Colour along a kind's palette, mixed in CIE Lab. Imports images, numpy, cv2."""

from collections.abc import Sequence

import cv2
import numpy as np

from ..images import Array


def lab_ramp(colors_srgb: Sequence[Sequence[float]], age: Array) -> Array:
    """H x W x 3 Lab: the palette at each age, 0 its first colour, 1 its last; what lies beyond is drawn in softly."""
    stops = cv2.cvtColor(np.array(colors_srgb, np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    at = np.linspace(0, 1, 1024)
    ramp = np.stack([np.interp(at, np.linspace(0, 1, len(stops)), c) for c in stops.T], 1).astype(np.float32)
    t = 0.5 + 0.5 * np.tanh(2.2 * (age - 0.5)) / np.tanh(1.1)
    return np.asarray(ramp[np.clip(t * 1023, 0, 1023).astype(np.int32)], np.float32)


def lab_of(color_srgb: Sequence[float]) -> Array:
    """3 Lab values of one colour."""
    return np.asarray(cv2.cvtColor(np.array(color_srgb, np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2LAB)[0, 0])


def srgb_of(lab: Array) -> Array:
    """H x W x 3 sRGB in [0, 1]."""
    return np.asarray(np.clip(cv2.cvtColor(np.asarray(lab, np.float32), cv2.COLOR_LAB2RGB), 0, 1), np.float32)


def mixed(below: Array, above: Array, share: Array) -> Array:
    """above (H x W x C or C) laid over below by share (H x W), 0 to 1."""
    return np.asarray(below + (above - below) * share[..., None], np.float32)
