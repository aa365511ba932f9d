"""Between Blender's images and the arrays of images.py. Imports bpy, numpy."""

from pathlib import Path

import bpy
import numpy as np

from ..errors import SynGenError
from ..images import Array, linear_to_srgb


def read_srgb(image: bpy.types.Image) -> Array:
    """The pixels of an image as H x W x 4, sRGB, row 0 at the top; painted and packed pixels included.

    Raises SynGenError where the file is missing, the image is empty, or it is of a sort that has no one picture.
    """
    if image.source == "TILED":
        raise SynGenError(
            f"The base texture {image.name!r} is a UDIM set, which is not supported yet.",
            "Use one image for the object.",
        )
    if image.source in {"MOVIE", "SEQUENCE"}:
        raise SynGenError(f"The base texture {image.name!r} is a movie or sequence.", "Use a still image.")
    width, height = image.size
    if not width or not height or (not image.has_data and not _load(image)):
        path = bpy.path.abspath(image.filepath, library=image.library)
        raise SynGenError(
            f"The image file of the base texture {image.name!r} is missing: {path or 'no path'}.",
            "Restore the file or choose another image (File > External Data > Find Missing Files).",
        )
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, image.channels)[::-1]
    if image.channels == 1:
        pixels = np.concatenate([pixels] * 3 + [np.ones_like(pixels)], axis=2)
    elif image.channels == 3:
        pixels = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=2)
    pixels = np.ascontiguousarray(pixels)
    if image.is_float and image.colorspace_settings.name not in {"Non-Color", "Raw"}:
        # Blender converts float buffers to scene linear on load; byte buffers stay as stored.
        pixels[..., :3] = linear_to_srgb(pixels[..., :3])
    return np.clip(pixels, 0, 1)


def _load(image: bpy.types.Image) -> bool:
    image.update()
    return bool(image.has_data and image.size[0])


def open_file(path: Path, color: bool) -> bpy.types.Image:
    """A new image datablock of a picture file. color: sRGB, else numbers that must not be converted."""
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.name = "sRGB" if color else "Non-Color"
    image.alpha_mode = "NONE" if color else "CHANNEL_PACKED"  # numbers beside an alpha that is a number itself
    return image
