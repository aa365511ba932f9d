"""What the contact sheets share: paper and ink, text, rounded pictures. Imports errors, files, Pillow."""

import io
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..errors import SynGenError
from ..files import write_bytes

Color = tuple[int, int, int]

PAPER: Color = (17, 19, 22)
INK: Color = (236, 238, 240)
FAINT: Color = (146, 152, 160)
FINE = 2
"""Lines and tags are drawn so many times larger and then reduced, for smooth edges."""


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font that Pillow brings."""
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise SynGenError("This Pillow cannot draw text.", "Install a Pillow with FreeType.")
    return found


def rounded(size: tuple[int, int], radius: int) -> Image.Image:
    """A mask with round corners."""
    mask = Image.new("L", (size[0] * FINE, size[1] * FINE))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), radius * FINE, fill=255)
    return mask.resize(size, Image.Resampling.BOX)


def write_png(path: Path, sheet: Image.Image) -> Path:
    """Write a sheet, to a temporary name first; its path. Raises SynGenError where it cannot be written."""
    data = io.BytesIO()
    sheet.save(data, "PNG", optimize=True)
    write_bytes(path, data.getvalue())
    return path
