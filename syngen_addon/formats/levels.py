"""A contact sheet of objects at several wear levels, one row a variant. Imports formats.sheet, images, Pillow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..images import Array, to_bytes
from .sheet import FAINT, INK, PAPER, Color, font, rounded, write_png

TILE: Color = (38, 41, 46)


@dataclass(frozen=True)
class Row:
    """One variant of an object. pictures: S x S x 4 sRGB with alpha, one a level."""

    object: str
    variant: str
    title: str
    pictures: tuple[Array, ...]


def levels_sheet(path: Path, rows: Sequence[Row], levels: Sequence[float]) -> Path:
    """Write the sheet as PNG; its path. rows: those of an object beside each other. Raises SynGenError where it cannot
    be written."""
    side = rows[0].pictures[0].shape[0]
    gap, margin = max(2, side // 40), max(8, side // 8)
    text = font(max(11, side // 12))
    left, top = margin + max(side * 3 // 4, 90), margin + side // 6
    between = side // 8
    groups = [n for n, row in enumerate(rows) if n and row.object != rows[n - 1].object]
    height = top + len(rows) * (side + gap) + len(groups) * between + margin - gap
    sheet = Image.new("RGB", (left + len(levels) * (side + gap) - gap + margin, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, level in enumerate(levels):
        x = left + column * (side + gap)
        draw.text((x + side // 2, top - gap * 2), f"{level:g}", INK, text, anchor="ms")
    mask, y = rounded((side, side), side // 24), top
    for number, row in enumerate(rows):
        if number in groups:
            y += between
        if number == 0 or number in groups:
            draw.text((margin, y + side // 2 - 2), _fitted(row.object, left - 2 * margin, text), INK, text, anchor="ls")
        draw.text((margin, y + side // 2 + 2), _fitted(row.title, left - 2 * margin, text), FAINT, text, anchor="lt")
        for column, picture in enumerate(row.pictures):
            sheet.paste(_on_tile(picture), (left + column * (side + gap), y), mask)
        y += side + gap
    return write_png(path, sheet)


def _on_tile(picture: Array) -> Image.Image:
    alpha = picture[..., 3:]
    color = picture[..., :3] * alpha + np.array(TILE, np.float32) / 255 * (1 - alpha)
    return Image.fromarray(to_bytes(np.asarray(color, np.float32)), "RGB")


def _fitted(words: str, width: int, face: object) -> str:
    """The words, cut where they are wider than that."""
    shown = words
    while shown and face.getlength(shown if shown == words else shown + "...") > width:  # type: ignore[attr-defined]
        shown = shown[:-1]
    return shown if shown == words else shown.rstrip() + "..."
