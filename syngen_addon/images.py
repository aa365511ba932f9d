"""The one image convention. Imports numpy and OpenCV; never bpy.

Images are float32 arrays, H x W x C (H x W for one channel), values in [0, 1], **row 0 at the top** as in files:
the texel at UV (u, v) lies at column u * W, row (1 - v) * H. Whether colour is linear or sRGB is said in the name
(`color_srgb`, `color_linear`). Blender's own pixel buffers start at the bottom; only `blender/` turns them over.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .errors import SynGenError
from .files import write_bytes

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Maps:
    """One surface's maps, all H x W: a wear texture (tileable) or an aged texture (in UV layout).

    color_srgb: H x W x 3, sRGB. roughness, metallic: H x W. height: H x W, 0.5 is the untouched surface.
    cover: how much of what lies below the wear hides, 0 to 1; None where nobody has said it.
    """

    color_srgb: Array
    roughness: Array
    metallic: Array
    height: Array
    cover: Array | None = None


@dataclass(frozen=True)
class SurfaceMaps:
    """Where on the object each texel of a UV layout lies, all H x W.

    position_m: H x W x 3, world space, metres. normal: H x W x 3, unit length, world space.
    covered: texels that belong to the surface; the others are filled from their nearest covered texel.
    texel_area_m2: world area of one texel (0 where not covered).
    """

    position_m: Array
    normal: Array
    covered: Mask
    texel_area_m2: Array


def srgb_to_linear(srgb: Array) -> Array:
    """IEC 61966-2-1, element-wise."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0.04045) + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def linear_to_srgb(linear: Array) -> Array:
    """IEC 61966-2-1, element-wise; values under 0 are taken as 0."""
    linear = np.maximum(linear, 0.0)
    return np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    ).astype(np.float32)


def luminance(color: Array) -> Array:
    """H x W Rec. 709 weighted sum of an H x W x 3 image (in the space it comes in)."""
    return np.asarray(color[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32), np.float32)


def to_bytes(image: Array) -> npt.NDArray[np.uint8]:
    """[0, 1] -> 0..255, rounded to nearest."""
    return np.asarray(np.clip(image, 0, 1) * 255 + 0.5, np.uint8)


def load(path: str | os.PathLike[str]) -> Array:
    """Read a picture file: H x W x 3 (sRGB as stored) or H x W x 4 with alpha, in [0, 1]; grey becomes 3 channels.

    Raises SynGenError where the file is missing or is no picture.
    """
    path = Path(path)
    if not path.is_file():
        raise SynGenError(f"The image file {path} is missing.", "Restore it, or choose another one.")
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.stat().st_size else None
    if pixels is None:
        raise SynGenError(f"The file {path} cannot be read as an image.", "Use PNG, JPEG, TIFF, WebP or EXR.")
    scale = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}.get(pixels.dtype, 1.0)
    image = pixels.astype(np.float32) / np.float32(scale)
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    order = cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(image, order), np.float32)


def save_png(path: str | os.PathLike[str], image: Array, bits: int = 8) -> None:
    """Write H x W, H x W x 3 or H x W x 4 in [0, 1] as PNG of 8 or 16 bits, to a temporary name first.

    Raises SynGenError where the file cannot be written.
    """
    pixels: Any = to_bytes(image) if bits == 8 else np.asarray(np.clip(image, 0, 1) * 65535 + 0.5, np.uint16)
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".png", pixels)
    assert ok, "OpenCV refused a well-formed image"
    write_bytes(path, data.tobytes())


def resize(image: Array, width: int, height: int) -> Array:
    """Resample to height x width; by area when shrinking, cubic when growing."""
    shrinks = width * height < image.shape[0] * image.shape[1]
    out = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.asarray(np.clip(out, 0, 1), np.float32)


def tile(image: Array, width: int, height: int) -> Array:
    """Repeat a tileable image from the top left corner until it fills height x width."""
    rows, columns = np.arange(height) % image.shape[0], np.arange(width) % image.shape[1]
    return np.asarray(image[np.ix_(rows, columns)], np.float32)
