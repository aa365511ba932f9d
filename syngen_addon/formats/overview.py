"""A contact sheet of a job with its labels drawn on.

Imports recipe, files, errors, formats' own modules, numpy, OpenCV, Pillow, pycocotools.

Each object to detect has a thin outline, its box and a tag with its class and how much of what is seen of it is worn;
where it is worn it has a translucent tint, of rust's own hue so that the rust still looks like rust. Everything is read
from the job's folder; nothing is rendered.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from .. import recipe as recipes
from ..errors import SynGenError
from ..files import frame_file
from .chosen import annotations, class_names
from .sheet import FAINT, FINE, INK, PAPER, Color, font, rounded, write_png

Pixels = npt.NDArray[np.float32]
Rect = tuple[float, float, float, float]

MOST = 24
"""So many frames at most are shown where none are named, evenly spread over the job."""

WEAR_COLORS: dict[str, Color] = {"default": (88, 200, 255), "streaks": (255, 208, 82), "complete": (226, 128, 255)}
"""Apart from each other for the colour-blind too, and from the browns they lie on."""
OTHER_COLORS: tuple[Color, ...] = (
    (122, 222, 158), (178, 150, 255), (255, 128, 160), (96, 220, 220), (240, 140, 230), (204, 220, 100),
)
WORN: Color = (255, 124, 20)
TINT, OUTLINE, FRAME = 0.22, 0.95, 0.55
"""Opacity of the worn area, the outline and the box."""
MEND = "Run the job again; it makes that frame anew."


def overview(
    out: Path, target: Path, *, columns: int = 4, cell: int = 480, frames: Sequence[int] | None = None
) -> Path:
    """Write the contact sheet of the job in folder out to target (PNG) and return target.

    columns: pictures side by side. cell: width of one in pixels. frames: which to show; those without a target are
    left out. None: all, or an even choice of 24 where there are more.
    Raises SynGenError: no finished frame with a picture, a broken record or picture, target cannot be written.
    """
    labels = recipes.load(out / "recipe.toml").labels if (out / "recipe.toml").is_file() else recipes.Labels()
    records, total = _records(out, frames)
    if not records:
        raise SynGenError(f"{out} holds no finished frame with a target.", "Render some frames first.")
    columns = min(columns, len(records))
    counts = Counter(name for record in records for name, _ in annotations(record, labels))
    colors = _colors(class_names(labels, counts))
    shape = max(r["height"] / r["width"] for r in records)
    height = max(1, round(cell * shape))

    gap, margin, top = max(2, cell // 40), max(4, cell // 16), max(14, round(cell * 0.17))
    rows = math.ceil(len(records) / columns)
    size = (2 * margin + columns * (cell + gap) - gap, top + margin + rows * (height + gap) - gap)
    sheet = Image.new("RGB", size, PAPER)
    _header(sheet, margin, top, cell, columns, len(records), total, counts, colors)
    for number, record in enumerate(records):
        row, column = divmod(number, columns)
        picture = _cell(out, record, labels, colors, cell)
        place = (margin + column * (cell + gap), top + row * (height + gap) + (height - picture.height) // 2)
        sheet.paste(picture, place, rounded(picture.size, cell // 60))
    return write_png(target, sheet)


# --- reading ---------------------------------------------------------------------------------------------------------


def _records(out: Path, frames: Sequence[int] | None) -> tuple[list[dict[str, Any]], int]:
    """(the records to show, how many frames the job has)."""
    paths = sorted((out / "records").glob("[0-9]*/[0-9]*.json"))
    if frames is not None:
        wanted = [out / frame_file("records", frame, ".json") for frame in frames]
        return [r for r in map(_record, wanted) if not r["no_target"]], len(paths)
    if len(paths) > MOST:
        shown = [paths[i * len(paths) // MOST] for i in range(MOST)]
        return [r for r in map(_record, shown) if not r["no_target"]], len(paths)
    records = [r for r in map(_record, paths) if not r["no_target"]]
    return records, len(records)


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
        if not isinstance(record["instances"], list):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError):
        raise SynGenError(f"The record {path} is missing or broken.", MEND) from None
    return dict(record)


def _picture(path: Path, width: int, height: int) -> Pixels:
    try:
        with Image.open(path) as image:
            small = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    except (OSError, ValueError):
        raise SynGenError(f"The picture {path} is missing or broken.", MEND) from None
    return np.asarray(small, np.float32)


# --- drawing ---------------------------------------------------------------------------------------------------------


def _cell(
    out: Path, record: dict[str, Any], labels: recipes.Labels, colors: dict[str, Color], cell: int
) -> Image.Image:
    """One picture with its labels, cell pixels wide."""
    scale = cell / record["width"]
    size = (cell, max(1, round(record["height"] * scale)))
    pixels = _picture(out / frame_file("images", record["frame"], ".png"), *size)
    # Small objects lie over large ones, so that no tag hides a whole object.
    entries = sorted(annotations(record, labels), key=lambda e: -int(e[1]["area"]))
    for name, entry in entries:
        worn = coco_mask.decode(entry.get("wear_segmentation", entry["segmentation"]))
        _blend(pixels, _shrunk(worn, size), WORN, TINT)
        _blend(pixels, _outline(coco_mask.decode(entry["segmentation"]), size, cell / 320), colors[name], OUTLINE)
    image = Image.fromarray(np.asarray(np.clip(pixels, 0, 255) + 0.5, np.uint8))

    over = Image.new("RGBA", (size[0] * FINE, size[1] * FINE))
    draw = ImageDraw.Draw(over)
    line = max(1, round(cell * FINE / 480))
    taken: list[Rect] = []
    for name, entry in entries:
        x, y, w, h = (v * scale * FINE for v in entry["bbox"])
        box = (max(x, 0), max(y, 0), min(x + w, over.width) - 1, min(y + h, over.height) - 1)
        if box[2] > box[0] and box[3] > box[1]:
            draw.rectangle(box, outline=(*colors[name], round(255 * FRAME)), width=line)
    for name, entry in reversed(entries):
        x, y, w, h = (v * scale * FINE for v in entry["bbox"])
        text = f"{name}  {entry['wear_percent']:.0f} %" if "wear_percent" in entry else name
        _tag(draw, text, (x, y, x + w, y + h), colors[name], over.size, cell * FINE, taken)
    image.paste(over.resize(size, Image.Resampling.BOX), (0, 0), over.resize(size, Image.Resampling.BOX))
    return image


def _blend(pixels: Pixels, amount: Pixels, color: Color, opacity: float) -> None:
    """Lay a colour over pixels, in place."""
    share = amount[..., None] * np.float32(opacity)
    pixels += share * (np.array(color, np.float32) - pixels)


def _shrunk(mask: npt.NDArray[np.uint8], size: tuple[int, int]) -> Pixels:
    how = cv2.INTER_AREA if mask.shape[1] >= size[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=how), np.float32)


def _outline(mask: npt.NDArray[np.uint8], size: tuple[int, int], width: float) -> Pixels:
    """How far each pixel lies on the mask's inner rim, which is `width` wide."""
    fine = (size[0] * FINE, size[1] * FINE)
    smooth = cv2.GaussianBlur(cv2.resize(mask.astype(np.float32), fine, interpolation=cv2.INTER_LINEAR), (0, 0), 1.2)
    inside = np.pad((smooth > 0.5).astype(np.uint8), 1)
    side = 2 * max(1, round(width * FINE)) + 1
    rim = inside - cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(cv2.resize(rim[1:-1, 1:-1].astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


def _tag(
    draw: ImageDraw.ImageDraw, text: str, box: Rect, color: Color, size: tuple[int, int], scale: int, taken: list[Rect]
) -> None:
    """A small label at a corner of the box, in the first place that no other tag has; where there is none, no label."""
    letters = font(max(8, round(scale * 0.034)))
    pad = scale * 0.009
    width, height = letters.getlength(text) + 2 * pad * 1.3, scale * 0.034 + 2 * pad
    left, right, over, foot = box[0], box[2] - width, box[1] - height, box[3] - height
    places = ((left, over), (left, box[1]), (left, box[3]), (right, over), (left, foot), (right, box[1]), (right, foot))
    for x, y in places:
        x, y = min(max(x, 0), size[0] - width), min(max(y, 0), size[1] - height)
        place = (x, y, x + width, y + height)
        if all(place[2] <= t[0] or t[2] <= place[0] or place[3] <= t[1] or t[3] <= place[1] for t in taken):
            taken.append(place)
            draw.rounded_rectangle(place, radius=height * 0.22, fill=(*color, 242))
            draw.text((x + width / 2, y + height / 2), text, font=letters, fill=(*PAPER, 255), anchor="mm")
            return


def _header(
    sheet: Image.Image, margin: int, top: int, cell: int, columns: int, shown: int, total: int,
    counts: Counter[str], colors: dict[str, Color],
) -> None:
    """One line over the pictures: how many frames and objects, and what the colours mean; two where it is narrow."""
    draw = ImageDraw.Draw(sheet)
    letters = font(max(8, round(cell * 0.05)))
    objects = sum(counts.values())
    frames = f"{shown} frame{'s' * (shown != 1)}" if shown == total else f"{shown} of {total} frames"
    middle = top / 2 if columns > 2 else top * 0.3
    draw.text((margin, middle), frames, font=letters, fill=INK, anchor="lm")
    after = margin + letters.getlength(frames) + cell * 0.05
    labelled = f"{objects} labelled object{'s' * (objects != 1)}"
    draw.text((after, middle), labelled, font=letters, fill=FAINT, anchor="lm")
    right, middle = float(sheet.width - margin), top / 2 if columns > 2 else top * 0.7
    dot = cell * 0.017
    limit = after + letters.getlength(f"{objects} labelled objects") + cell * 0.1 if columns > 2 else margin
    entries = [("worn", "", WORN), *((name, str(counts[name]), colors[name]) for name in colors if counts[name])]
    for name, count, color in reversed(entries):
        gap = cell * 0.025 if count else 0.0
        wide = letters.getlength(name) + letters.getlength(count) + 2 * dot + gap + cell * 0.025
        if right - wide < limit:
            break
        draw.text((right, middle), count, font=letters, fill=FAINT, anchor="rm")
        right -= letters.getlength(count) + gap
        draw.text((right, middle), name, font=letters, fill=INK, anchor="rm")
        right -= letters.getlength(name) + cell * 0.025 + dot
        swatch = (right - dot, middle - dot, right + dot, middle + dot)
        draw.rounded_rectangle(swatch, dot if count else dot * 0.3, fill=color)
        right -= dot + cell * 0.07


def _colors(names: Sequence[str]) -> dict[str, Color]:
    """A colour for each class: fixed for the wear classes, in turn for the others."""
    others = [name for name in names if name not in WEAR_COLORS]
    turn = {name: OTHER_COLORS[i % len(OTHER_COLORS)] for i, name in enumerate(others)}
    return {name: WEAR_COLORS.get(name) or turn[name] for name in names}
