"""Stable Diffusion on the base texture, this side of the worker: what it is given, and what is made of its picture.

Imports errors, recipe, images, patch, picture, numpy and OpenCV; never bpy, never torch.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..errors import SynGenError
from ..images import Array, Maps, Mask, SurfaceMaps, resize
from ..recipe import Diffusion, Transfer
from .patch import blur, fill, lab_of
from .picture import changed, settled, wearable

STEP = 8
"""Pipelines take sides that are multiples of this."""
LEAST = 64
"""The shortest side of a picture for the model."""


@dataclass(frozen=True)
class Ask:
    """What the worker is given (protocol.Generate). All pictures are h x w.

    content_srgb: h x w x 3, the base texture at the model's size; texels outside the islands are filled from those
    around. mask: True where the model may paint (mode "inpaint"; in mode "image" it has no mask and paints all).
    control: h x w x 3, the condition picture for diffusion.control, or None where that is "none".
    wraps: whether the picture wraps at its borders.
    """

    content_srgb: Array
    mask: Mask
    control: Array | None
    wraps: bool


def prepare(
    base_srgb: Array,
    wear: Maps,
    settings: Transfer,
    diffusion: Diffusion,
    *,
    patched: Maps,
    surface: SurfaceMaps | None = None,
    protect: Mask | None = None,
) -> Ask:
    """The pictures for diffusion on the base texture; arguments as in patch.transfer, which gave `patched` for them.

    The longer side is diffusion.size, both sides are multiples of 8.
    """
    height, width = base_srgb.shape[:2]
    size = model_size(width, height, diffusion.size)
    base = np.clip(np.asarray(base_srgb, np.float32), 0, 1)
    if surface is not None and surface.covered.any():
        base = fill(base, surface.covered)
    image = resize(np.ascontiguousarray(base), *size)
    return Ask(
        content_srgb=image,
        mask=_mask((height, width), size, surface, protect),
        control=control_picture(image, diffusion.control, wraps=surface is None),
        wraps=surface is None,
    )


def finish(
    ask: Ask,
    picture_srgb: Array,
    base_srgb: Array,
    wear: Maps,
    settings: Transfer,
    *,
    patched: Maps,
    surface: SurfaceMaps | None = None,
    protect: Mask | None = None,
) -> Maps:
    """The aged texture from the picture that the worker gave back: H x W as base_srgb, as from patch.transfer.

    picture_srgb: h x w x 3 as ask.content_srgb (any size will do). base_srgb to protect: as handed to `prepare`.
    Protected texels come back bit-exact (height 0.5, roughness 0.5, metallic 0); texels outside the islands are filled
    from those around; what the model left of the base texture is smooth. Raises SynGenError where the picture has a
    wrong shape or holds values that are not numbers.
    """
    maps = settled(
        picture_srgb, base_srgb, patched, wear, settings, wraps=ask.wraps, surface=surface, protect=protect
    )
    worn = changed(lab_of(maps.color_srgb), lab_of(np.clip(np.asarray(base_srgb, np.float32), 0, 1)))
    cover = None if maps.cover is None else np.asarray(worn * maps.cover, np.float32)
    return replace(maps, height=np.asarray(0.5 + worn * (maps.height - 0.5), np.float32), cover=cover)


def model_size(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) for the model: the longer side is `side`, the shape kept as well as multiples of 8 allow."""
    scale = side / max(width, height)

    def fit(n: int) -> int:
        return min(max(LEAST, round(n * scale / STEP) * STEP), side)

    return fit(width), fit(height)


def control_picture(image_srgb: Array, control: str, *, wraps: bool = False) -> Array | None:
    """The finished condition picture for a ControlNet, h x w x 3, or None for "none".

    tile: the picture itself. canny: its edges, white on black (J. Canny, "A Computational Approach to Edge Detection",
    1986), the thresholds from the quantiles of the picture's own gradients, so that pale paint gives edges as well.
    depth: white is near. A base texture has no depth; its relief is read off it as lightness against its
    surroundings: lines and joints are dark and lie deep, rivets and edges are light and stand out.
    """
    if control == "none":
        return None
    if control == "tile":
        return image_srgb
    lightness = np.ascontiguousarray(lab_of(image_srgb)[..., 0])
    if control == "canny":
        grey = np.repeat(_edges(lightness, wraps)[..., None], 3, axis=2)
    elif control == "depth":
        grey = np.repeat(_relief(lightness, wraps)[..., None], 3, axis=2)
    else:
        raise SynGenError(f"There is no control {control!r}.", "Use none, tile, canny or depth.")
    return np.asarray(grey, np.float32)


def _edges(lightness: Array, wraps: bool) -> Array:
    pad = min(16, *lightness.shape)
    edge = cv2.BORDER_WRAP if wraps else cv2.BORDER_REFLECT
    low, high = np.quantile(lightness, 0.01), np.quantile(lightness, 0.99)
    share = np.clip((lightness - low) / max(high - low, 8.0), 0, 1)  # an even picture has no edges, not its noise's
    grey = np.asarray(share * 255 + 0.5, np.uint8)
    grey = np.asarray(cv2.GaussianBlur(cv2.copyMakeBorder(grey, pad, pad, pad, pad, edge), (0, 0), 1.0), np.uint8)
    gradient = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    weak, strong = (max(float(np.quantile(gradient, q)), least) for q, least in ((0.8, 12.0), (0.92, 30.0)))
    return np.asarray(cv2.Canny(grey, weak, strong)[pad:-pad, pad:-pad] / np.float32(255), np.float32)


def _relief(lightness: Array, wraps: bool) -> Array:
    size = max(lightness.shape)
    relief = blur(lightness, max(size / 256, 0.8), wraps) - blur(lightness, size / 12, wraps)
    spread = max(float(relief.std()), 2.0)  # an even picture is an even depth, not its noise
    return np.asarray(0.5 + 0.5 * np.tanh(relief / (2 * spread)), np.float32)


def _mask(
    shape: tuple[int, int], size: tuple[int, int], surface: SurfaceMaps | None, protect: Mask | None
) -> Mask:
    """Where the model may paint, at its size.

    Grown outside the islands, so that their borders are painted whole; never where most of a texel is protected.
    """
    allowed = resize(wearable(shape, surface, protect).astype(np.float32), *size) > 0.02
    if surface is not None:
        allowed = cv2.dilate(allowed.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    if protect is not None:
        allowed &= resize(protect.astype(np.float32), *size) < 0.5
    return np.asarray(allowed, np.bool_)
