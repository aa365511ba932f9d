"""A picture of wear -> the four maps of a wear texture: what its colours say of relief, roughness and bare metal.

Imports errors, images, recipe, numpy and OpenCV; never bpy, never torch.

What light and dark mean was measured on photographed rust whose maps are known: the lighter and yellower it is, the
rougher (powder scatters, old crust is smoother), and what is darker than its surroundings lies deeper, at every scale.
"""

import cv2
import numpy as np

from ..errors import SynGenError
from ..images import Array, Maps, linear_to_srgb, luminance, srgb_to_linear
from ..recipe import Kind

BROAD = 0.12
"""Blur, as a share of the shorter side, beyond which light and dark are lighting and no longer the surface."""
OCTAVES = 7
_HEIGHT = 0.12
"""Standard deviation of the height of a kind with relief 1."""


def maps_of(color_srgb: Array, kind: Kind, *, wraps: bool = True) -> Maps:
    """The wear texture that a picture shows, H x W as the picture.

    color_srgb: H x W x 3, [0, 1], from a model or a camera. wraps: whether it is tileable; then so are the maps.
    The colour is the picture's with its lighting evened out. Roughness keeps to the kind's range, metal shows only in
    kinds that have bare metal, and the height's depth is the kind's relief.
    Raises SynGenError for a picture of a wrong shape or with values that are not numbers.
    """
    color = even_lighting(color_srgb, wraps)
    lab = np.asarray(cv2.cvtColor(color, cv2.COLOR_RGB2Lab), np.float32)
    bare = _bare(lab, kind)
    return Maps(
        color_srgb=color,
        roughness=_roughness(lab, bare, kind),
        metallic=np.asarray(kind.look.metallic * bare, np.float32),
        height=_height(np.ascontiguousarray(lab[..., 0]), kind.look.relief, wraps),
    )


def even_lighting(color_srgb: Array, wraps: bool = True) -> Array:
    """The picture, H x W x 3, without its broad falloff of light; its mean lightness stays.

    Light multiplies, so linear colour is divided by the blurred luminance (homomorphic filtering, T. Stockham, "Image
    Processing in the Context of a Visual Model", 1972). Raises SynGenError as maps_of.
    """
    if color_srgb.ndim != 3 or color_srgb.shape[2] != 3 or min(color_srgb.shape[:2]) < 8:
        raise SynGenError(
            f"The picture of wear has the shape {color_srgb.shape}.", "It must be height x width x 3, 8 texels or more."
        )
    if not np.isfinite(color_srgb).all():
        raise SynGenError("The picture of wear holds values that are not numbers.", "Generate it again.")
    linear = srgb_to_linear(np.clip(color_srgb, 0, 1))
    light = np.log(luminance(linear) + np.float32(0.01))
    broad = _blur(light, BROAD * min(light.shape), wraps)
    return np.clip(linear_to_srgb(linear * np.exp(broad.mean() - broad)[..., None]), 0, 1)


def _roughness(lab: Array, bare: Array, kind: Kind) -> Array:
    """By lightness and yellowness, each in units of its own spread; most of a surface lies near the rough end."""
    low, high = kind.look.roughness
    score = np.zeros(lab.shape[:2], np.float32)
    for channel, weight, least in ((0, 0.5, 4.0), (2, 0.5, 2.0)):
        values = lab[..., channel]
        score += np.float32(weight / max(float(values.std()), least)) * (values - values.mean())
    share = 1 / (1 + np.exp(-(1.6 * score + 0.9)))
    return np.asarray(low + (high - low) * share * (1 - bare), np.float32)


def _bare(lab: Array, kind: Kind) -> Array:
    """Where bare metal shows, 0 to 1: as light as the kind's metal, and hardly more colourful."""
    metal = cv2.cvtColor(np.asarray(kind.look.bare_srgb, np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2Lab)[0, 0]
    colorful = float(np.hypot(metal[1], metal[2]))
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    light = np.clip((lab[..., 0] - (metal[0] - 10)) / 6, 0, 1)
    grey = np.clip((colorful + 14 - chroma) / 12, 0, 1)
    return np.asarray(light * grey, np.float32)


def _height(lightness: Array, relief: float, wraps: bool) -> Array:
    """0.5 on average: octaves of the lightness, each coarser one counting more, as relief grows with its width."""
    height = np.zeros_like(lightness)
    finer = lightness
    for octave in range(OCTAVES):
        sigma = 2.0**octave * max(min(lightness.shape) / 1024, 0.5)
        coarser = _blur(lightness, sigma, wraps)
        height += (finer - coarser) * np.float32(2 ** (0.5 * octave))
        finer = coarser
    spread = max(float(height.std()), 8.0)  # what is even stays flat
    steps = np.tanh((height - height.mean()) / np.float32(3 * spread)) * 3
    return np.asarray(np.clip(0.5 + relief * _HEIGHT * steps, 0, 1), np.float32)


def _blur(image: Array, sigma: float, wraps: bool) -> Array:
    """Gaussian blur; a wide one on a smaller copy."""
    height, width = image.shape
    factor = max(1, min(int(sigma // 4), height // 8, width // 8))
    edge = cv2.BORDER_WRAP if wraps else cv2.BORDER_REFLECT
    pad_y, pad_x = (min(-(-int(3 * sigma + 1) // factor) * factor, n) for n in (height, width))
    big = cv2.copyMakeBorder(image, pad_y, pad_y, pad_x, pad_x, edge)
    if factor > 1:
        small = cv2.resize(big, (big.shape[1] // factor, big.shape[0] // factor), interpolation=cv2.INTER_AREA)
        blurred = cv2.GaussianBlur(small, (0, 0), sigma / factor)
        big = cv2.resize(blurred, (big.shape[1], big.shape[0]), interpolation=cv2.INTER_LINEAR)
    else:
        big = cv2.GaussianBlur(big, (0, 0), sigma)
    return np.ascontiguousarray(big[pad_y : pad_y + height, pad_x : pad_x + width], np.float32)
