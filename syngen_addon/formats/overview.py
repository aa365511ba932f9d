"""A contact sheet of a job with its labels drawn on.

Imports recipe, files, errors, polygons, formats' own modules, numpy, OpenCV, Pillow.

Each object to detect has an outline, its box and a tag with its class and how much of what is seen of it is worn. Each
kind of wear on it has a hairline of its own colour around where it is, so that its look stays visible. Everything is
read from the job's folder; nothing is rendered.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from .. import recipe as recipes
from ..errors import SynGenError
from ..files import frame_file
from ..polygons import columns
from .chosen import annotations, class_names, wear_of
from .sheet import FAINT, FINE, INK, PAPER, Color, font, rounded, write_png

Pixels = npt.NDArray[np.float32]
Rect = tuple[float, float, float, float]

MOST = 24
"""So many frames at most are shown where none are named, evenly spread over the job."""

WEAR_COLORS: dict[str, Color] = {"default": (88, 200, 255), "streaks": (255, 208, 82), "complete": (226, 128, 255)}
"""Apart from each other for the colour-blind too, and from the browns they lie on."""
OTHER_COLORS: tuple[Color, ...] = (
    (122, 222, 158),
    (178, 150, 255),
    (255, 128, 160),
    (96, 220, 220),
    (240, 140, 230),
    (204, 220, 100),
)
KIND_COLORS: tuple[Color, ...] = (
    (255, 124, 20),
    (172, 255, 62),
    (255, 72, 150),
    (255, 255, 255),
    (40, 240, 200),
    (255, 220, 120),
)
"""Of the hairlines. The first is that of wear where an object has one kind only."""
OUTLINE, FRAME, HAIRLINE = 0.95, 0.55, 0.85
"""Opacity of the outline, the box and the hairlines."""
CALM = 1 / 400
"""Specks of wear smaller than this share of a picture's width share one hairline."""
MEND = "Run the job again; it makes that frame anew."


def overview(
    out: Path,
    target: Path,
    *,
    columns: int = 4,
    cell: int = 480,
    frames: Sequence[int] | None = None,
    labels: recipes.Labels | None = None,
) -> Path:
    """Write the contact sheet of the job in folder out to target (PNG) and return target.

    columns: pictures side by side. cell: width of one in pixels. frames: which to show; those without a target are
    left out. None: all, or an even choice of 24 where there are more. labels: what is an object; None: as the job's
    recipe says.
    Raises SynGenError: no finished frame with a picture, a broken record or picture, target cannot be written.
    """
    if labels is None:
        own = out / "recipe.toml"
        labels = recipes.load(own).labels if own.is_file() else recipes.Labels()
    records, total = _records(out, frames)
    if not records:
        raise SynGenError(f"{out} holds no finished frame with a target.", "Render some frames first.")
    columns = min(columns, len(records))
    counts = Counter(name for record in records for name, _ in annotations(record, labels))
    colors, kinds = class_colors(class_names(labels, counts)), _kind_colors(records, labels)
    shape = max(r["height"] / r["width"] for r in records)
    height = max(1, round(cell * shape))

    gap, margin, top = max(2, cell // 40), max(4, cell // 16), max(14, round(cell * 0.17))
    rows = math.ceil(len(records) / columns)
    size = (2 * margin + columns * (cell + gap) - gap, top + margin + rows * (height + gap) - gap)
    sheet = Image.new("RGB", size, PAPER)
    _header(sheet, margin, top, cell, columns, len(records), total, counts, colors, kinds)
    for number, record in enumerate(records):
        row, column = divmod(number, columns)
        picture = _cell(out, record, labels, colors, kinds, cell)
        place = (margin + column * (cell + gap), top + row * (height + gap) + (height - picture.height) // 2)
        sheet.paste(picture, place, rounded(picture.size, cell // 60))
    return write_png(target, sheet)


def labelled(
    out: Path,
    records: Sequence[dict[str, Any]],
    labels: recipes.Labels,
    classes: Sequence[str],
    cell: int,
    letters: float = 1.0,
) -> Iterator[tuple[dict[str, Any], Image.Image | None]]:
    """Each of the records with its picture, labels drawn on it, cell pixels wide; None where that cannot be read.

    classes: of the job, in their order. letters: how large tags are, against those of a contact sheet.
    """
    colors, kinds = class_colors(class_names(labels, classes)), _kind_colors(records, labels)
    for record in records:
        try:
            yield record, _cell(out, record, labels, colors, kinds, cell, letters)
        except SynGenError:
            yield record, None


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
    out: Path,
    record: dict[str, Any],
    labels: recipes.Labels,
    colors: dict[str, Color],
    kinds: dict[str, Color],
    cell: int,
    letters: float = 1.0,
) -> Image.Image:
    """One picture with its labels, cell pixels wide."""
    scale = cell / record["width"]
    size = (cell, max(1, round(record["height"] * scale)))
    pixels = _picture(out / frame_file("images", record["frame"], ".png"), *size)
    # Small objects lie over large ones, so that no tag hides a whole object.
    entries = sorted(annotations(record, labels), key=lambda e: -int(e[1]["area"]))
    for name, entry in entries:
        for kind, worn in wear_of(entry):
            if worn["wear_area"]:
                rim = _outline(worn["wear_segmentation"], entry, size, cell / 640, max(1.2, cell * CALM * FINE))
                _blend(pixels, *rim, kinds.get(kind, KIND_COLORS[0]), HAIRLINE)
        _blend(pixels, *_outline(entry["segmentation"], entry, size, cell / 320), colors[name], OUTLINE)
    image = Image.fromarray(np.asarray(np.clip(pixels, 0, 255) + 0.5, np.uint8))

    over = Image.new("RGBA", (size[0] * FINE, size[1] * FINE))
    draw = ImageDraw.Draw(over)
    line = max(1, round(cell * FINE / 480))
    for instance in record["instances"]:
        _beyond(draw, instance, scale * FINE, line)
    taken: list[Rect] = []
    for name, entry in entries:
        x, y, w, h = (v * scale * FINE for v in entry["bbox"])
        box = (max(x, 0), max(y, 0), min(x + w, over.width) - 1, min(y + h, over.height) - 1)
        if box[2] > box[0] and box[3] > box[1]:
            draw.rectangle(box, outline=(*colors[name], round(255 * FRAME)), width=line)
    for name, entry in reversed(entries):
        x, y, w, h = (v * scale * FINE for v in entry["bbox"])
        amounts = [(f"{worn['wear_percent']:.0f} %", kinds.get(kind)) for kind, worn in wear_of(entry)]
        several = amounts if entry.get("layers") else []
        text = name if several else "  ".join([name, *(amount for amount, _ in amounts)])
        _tag(draw, text, several, (x, y, x + w, y + h), colors[name], over.size, cell * FINE * letters, taken)
    image.paste(over.resize(size, Image.Resampling.BOX), (0, 0), over.resize(size, Image.Resampling.BOX))
    return image


def _beyond(draw: ImageDraw.ImageDraw, instance: dict[str, Any], scale: float, line: int) -> None:
    """What a record says of an instance beyond its pixels: dashed, the box of all of it where more of it is hidden or
    out of the picture than shows; its keypoints, those that are hidden hollow."""
    around, box = instance.get("amodal_bbox"), instance["bbox"]
    pale = (255, 255, 255, 200)
    if around is not None:
        x0, y0, x1, y1 = (around[0], around[1], around[0] + around[2], around[1] + around[3])
        seen = (box[0], box[1], box[0] + box[2], box[1] + box[3])
        if any(abs(a - b) * scale > 3 * FINE for a, b in zip((x0, y0, x1, y1), seen, strict=True)):
            corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
            for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
                _dashed(draw, (ax * scale, ay * scale), (bx * scale, by * scale), pale, line)
    radius = 2.5 * line
    for point in instance.get("keypoints", ()):
        if point["visible"]:
            x, y = point["x"] * scale, point["y"] * scale
            dot = (x - radius, y - radius, x + radius, y + radius)
            draw.ellipse(dot, fill=pale if point["visible"] == 2 else None, outline=(20, 20, 20, 230), width=line)


def _dashed(
    draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], color: tuple[int, ...], line: int
) -> None:
    """A line of dashes, as far as it lies in the picture."""
    wide, tall = draw.im.size
    across = start[1] == end[1]
    fixed, room, limit = (start[1], wide, tall) if across else (start[0], tall, wide)
    if not -line <= fixed <= limit + line:
        return
    fixed = min(max(fixed, 0), limit - 1)
    low, high = sorted((start[0], end[0]) if across else (start[1], end[1]))
    at, high, dash = max(low, 0.0), min(high, room), 7.0 * line
    while at < high:
        to = min(at + dash, high)
        draw.line((at, fixed, to, fixed) if across else (fixed, at, fixed, to), fill=color, width=line)
        at += 1.7 * dash


def _blend(pixels: Pixels, place: tuple[slice, slice], amount: Pixels, color: Color, opacity: float) -> None:
    """Lay a colour over the pixels at a place, in place."""
    pixels, share = pixels[place], amount[..., None] * np.float32(opacity)
    pixels += share * (np.array(color, np.float32) - pixels)


def _outline(
    segmentation: dict[str, Any], entry: dict[str, Any], size: tuple[int, int], width: float, calm: float = 1.2
) -> tuple[tuple[slice, slice], Pixels]:
    """(a place in a picture of `size`, how far each pixel there lies on the mask's inner rim, which is `width` wide).

    entry: its box holds the mask. calm: how far it is smoothed before. Only what is around the box is worked on: a
    frame may hold hundreds of masks.
    """
    high, wide = segmentation["size"]
    x, y, w, h = entry["bbox"]
    sx, sy = wide / size[0], high / size[1]
    margin = math.ceil(4 * calm / FINE) + 2
    left, right = max(math.floor(x / sx) - margin, 0), min(math.ceil((x + w) / sx) + margin, size[0])
    top, foot = max(math.floor(y / sy) - margin, 0), min(math.ceil((y + h) / sy) + margin, size[1])
    around = ((int(y > 0), int(y + h < high)), (int(x > 0), int(x + w < wide)))  # at the border the mask goes on
    mask = np.pad(columns(segmentation, entry["bbox"]).T, around).astype(np.float32)
    sx, sy = sx / FINE, sy / FINE
    place = np.array([[sx, 0, (left * FINE + 0.5) * sx - 0.5 - x + around[1][0]],
                      [0, sy, (top * FINE + 0.5) * sy - 0.5 - y + around[0][0]]])  # fmt: skip
    fine = ((right - left) * FINE, (foot - top) * FINE)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    smooth = cv2.GaussianBlur(
        cv2.warpAffine(mask, place, fine, flags=how, borderMode=cv2.BORDER_REPLICATE), (0, 0), calm
    )
    inside = np.pad((smooth > 0.5).astype(np.uint8), 1)
    side = 2 * max(1, round(width * FINE)) + 1
    rim = inside - cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    small = (right - left, foot - top)
    amount = cv2.resize(rim[1:-1, 1:-1].astype(np.float32), small, interpolation=cv2.INTER_AREA)
    return np.s_[top:foot, left:right], np.asarray(amount, np.float32)


def _tag(
    draw: ImageDraw.ImageDraw,
    text: str,
    amounts: Sequence[tuple[str, Color | None]],
    box: Rect,
    color: Color,
    size: tuple[int, int],
    scale: float,
    taken: list[Rect],
) -> None:
    """A small label at a corner of the box, in the first place that no other tag has; where there is none, no label.

    amounts: what stands after the text on a dark ground, each in a colour of its own.
    """
    letters = font(max(8, round(scale * 0.034)))
    pad = scale * 0.009
    plate, height = letters.getlength(text) + 2 * pad * 1.3, scale * 0.034 + 2 * pad
    width = plate + sum(letters.getlength(amount) + 2 * pad for amount, _ in amounts) + bool(amounts) * 2 * pad
    left, right, over, foot = box[0], box[2] - width, box[1] - height, box[3] - height
    places = ((left, over), (left, box[1]), (left, box[3]), (right, over), (left, foot), (right, box[1]), (right, foot))
    for x, y in places:
        x, y = min(max(x, 0), size[0] - width), min(max(y, 0), size[1] - height)
        place = (x, y, x + width, y + height)
        if all(place[2] <= t[0] or t[2] <= place[0] or place[3] <= t[1] or t[3] <= place[1] for t in taken):
            taken.append(place)
            if amounts:
                draw.rounded_rectangle(place, radius=height * 0.22, fill=(*PAPER, 226))
            draw.rounded_rectangle((x, y, x + plate, y + height), radius=height * 0.22, fill=(*color, 242))
            draw.text((x + plate / 2, y + height / 2), text, font=letters, fill=(*PAPER, 255), anchor="mm")
            x += plate + 2 * pad
            for amount, ink in amounts:
                draw.text((x, y + height / 2), amount, font=letters, fill=(*(ink or INK), 255), anchor="lm")
                x += letters.getlength(amount) + 2 * pad
            return


def _header(
    sheet: Image.Image,
    margin: int,
    top: int,
    cell: int,
    columns: int,
    shown: int,
    total: int,
    counts: Counter[str],
    colors: dict[str, Color],
    kinds: dict[str, Color],
) -> None:
    """One line over the pictures: how many frames and objects, and what the colours mean; two where it is narrow."""
    draw = ImageDraw.Draw(sheet)
    letters = font(max(8, round(cell * 0.05)))
    objects = sum(counts.values())
    frames = f"{shown} frame{'s' * (shown != 1)}" if shown == total else f"{shown} of {total} frames"
    wide = columns > 2
    middle = top / 2 if wide else top * 0.3
    draw.text((margin, middle), frames, font=letters, fill=INK, anchor="lm")
    after = margin + letters.getlength(frames) + cell * 0.05
    labelled = f"{objects} labelled object{'s' * (objects != 1)}"
    draw.text((after, middle), labelled, font=letters, fill=FAINT, anchor="lm")
    after += letters.getlength(labelled) + cell * 0.1
    right = float(sheet.width - margin)
    worn = [(kind.replace("_", " "), "", color) for kind, color in kinds.items()]
    found = [(name, str(counts[name]), colors[name]) for name in colors if counts[name]]
    if wide or len(kinds) < 2:
        place = middle if wide else top * 0.7
        _legend(draw, [*worn, *found], (right, place), after if wide else margin, cell)
    else:
        _legend(draw, worn, (right, middle), after, cell)
        _legend(draw, found, (right, top * 0.7), margin, cell)


def _legend(
    draw: ImageDraw.ImageDraw,
    entries: Sequence[tuple[str, str, Color]],
    place: tuple[float, float],
    limit: float,
    cell: int,
) -> None:
    """(name, count, colour) each: a dot and its count, a line where there is no count. From the right, to the limit.

    The letters are smaller where not all has room; what has none even then is left out, the first first.
    """
    right, middle = place
    dot, between = cell * 0.017, cell * 0.07

    def wide(name: str, count: str, letters: ImageFont.FreeTypeFont) -> float:
        gap = cell * 0.025 if count else 0.0
        return letters.getlength(name) + letters.getlength(count) + 2 * dot + gap + cell * 0.025

    for share in (1.0, 0.85, 0.7):
        letters = font(max(8, round(cell * 0.05 * share)))
        if sum(wide(n, c, letters) + between for n, c, _ in entries) - between <= right - limit:
            break
    for name, count, color in reversed(entries):
        if right - wide(name, count, letters) < limit:
            break
        gap = cell * 0.025 if count else 0.0
        draw.text((right, middle), count, font=letters, fill=FAINT, anchor="rm")
        right -= letters.getlength(count) + gap
        draw.text((right, middle), name, font=letters, fill=INK, anchor="rm")
        right -= letters.getlength(name) + cell * 0.025 + dot
        thick = dot if count else max(1.0, dot * 0.3)  # a hairline's is a line
        draw.rounded_rectangle((right - dot, middle - thick, right + dot, middle + thick), thick, fill=color)
        right -= dot + between


def class_colors(names: Sequence[str]) -> dict[str, Color]:
    """A colour for each class: fixed for the wear classes, in turn for the others."""
    others = [name for name in names if name not in WEAR_COLORS]
    turn = {name: OTHER_COLORS[i % len(OTHER_COLORS)] for i, name in enumerate(others)}
    return {name: WEAR_COLORS.get(name) or turn[name] for name in names}


def _kind_colors(records: Sequence[dict[str, Any]], labels: recipes.Labels) -> dict[str, Color]:
    """A colour for each kind of wear in the records."""
    entries = [entry for record in records for _, entry in annotations(record, labels)]
    if labels.objects == "regions":
        return {}
    if not any(entry.get("layers") for entry in entries):
        return kind_colors((), ())
    own = {wear_of(entry)[0][0] for entry in entries}
    return kind_colors(own, {kind for entry in entries for kind, _ in wear_of(entry)} - own)


def kind_colors(own: Iterable[str], further: Iterable[str]) -> dict[str, Color]:
    """A colour for each kind of wear, those first that an object has as its own. further: those that lie beside such;
    one colour for all where there is none ("worn")."""
    own, further = sorted(own), sorted(set(further) - set(own))
    if not further:
        return {"worn": KIND_COLORS[0]}
    return {kind: KIND_COLORS[i % len(KIND_COLORS)] for i, kind in enumerate([*own, *further])}
