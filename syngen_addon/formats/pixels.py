"""Label maps and measured layers as picture files. Imports errors, files, numpy, OpenCV, Pillow; OpenEXR when asked.

Label maps are PNGs with a palette: their pixels are the class's number, and a viewer shows them in colours.
"""

import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import SynGenError
from ..files import write_bytes

BYTE, WORD = 255, 65535
FAR = 1e9
"""A depth in metres from which on the renderer means that nothing is there (Cycles writes 1e10)."""
_MEND = "Delete its frame's record and run the job again; it makes that frame anew."


@cache
def palette() -> tuple[tuple[int, int, int], ...]:
    """The 256 colours of Pascal VOC's label maps (VOClabelcolormap.m of its devkit): 0 black, neighbours far apart."""

    def color(number: int) -> tuple[int, int, int]:
        channels = [0, 0, 0]
        for shift in range(8):
            for channel in range(3):
                channels[channel] |= (number >> (3 * shift + channel) & 1) << (7 - shift)
        return channels[0], channels[1], channels[2]

    return tuple(color(i) for i in range(256))


def paint(
    height: int, width: int, pieces: Iterable[tuple[int, tuple[int, int], npt.NDArray[np.uint8]]]
) -> npt.NDArray[np.uint16]:
    """A label map: each piece's number, over 0, where its mask is; what comes later lies over what came before.

    pieces: (number, (x, y) of the mask's top left pixel, mask).
    """
    pixels = np.zeros((height, width), np.uint16)
    for number, (x, y), mask in pieces:
        pixels[y : y + mask.shape[0], x : x + mask.shape[1]][mask > 0] = number
    return pixels


def write_labels(path: Path, pixels: npt.NDArray[np.uint16], most: int) -> None:
    """Write a label map: 8 bits with the palette where most, the largest number in the job, fits; else 16 bits."""
    if most > BYTE:
        write_words(path, pixels)
        return
    image = Image.fromarray(pixels.astype(np.uint8), "P")
    image.putpalette(np.array(palette(), np.uint8).tobytes())
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=3)
    write_bytes(path, data.getvalue())


def write_gray(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write H x W as PNG of 8 bits. Raises SynGenError where it cannot be written."""
    ok, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert ok, "OpenCV refused a well-formed image"
    write_bytes(path, data.tobytes())


def write_words(path: Path, pixels: npt.NDArray[np.uint16]) -> None:
    """Write H x W or H x W x 3 (RGB) as PNG of 16 bits. Raises SynGenError where it cannot be written."""
    if pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[..., ::-1])
    ok, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert ok, "OpenCV refused a well-formed image"
    write_bytes(path, data.tobytes())


def read_exr(path: Path, channels: int, key: str) -> npt.NDArray[np.float32]:
    """The layer in an EXR file: H x W where channels is 1, else H x W x channels, in the order of X, Y, Z or R, G, B.

    key: the recipe's key that has it written. Raises SynGenError where the file is missing or holds something else.
    """
    if not path.is_file():
        raise SynGenError(f"The layer {path} is missing.", f"Render the job with {key} = true.")
    try:
        found = _channels(path)
    except Exception as error:  # OpenEXR raises whatever its C++ does
        raise SynGenError(f"The layer {path} cannot be read: {error}.", _MEND) from error
    order = "RGBXYZVUW"
    names = sorted(found, key=lambda n: (order.find(n.rsplit(".")[-1][-1:].upper()), n))
    if len(names) < channels or len({found[n].shape for n in names}) != 1:
        raise SynGenError(f"The layer {path} has {len(names)} channels instead of {channels}.", _MEND)
    planes = [np.asarray(found[n], np.float32) for n in names[:channels]]
    return planes[0] if channels == 1 else np.stack(planes, axis=-1)


def _channels(path: Path) -> dict[str, npt.NDArray[Any]]:
    import OpenEXR

    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: channel.pixels for part in file.parts for name, channel in part.channels.items()}
