"""Faults put on good textures, one function a reason; each at a strength a person sees without being told.

A fault takes a picture (H x W x 3 sRGB in [0, 1]) and a generator, and returns the spoilt picture of the same size, or
None where that fault would not show on it. Lengths are given for a side of 512 texels and go with the size. Imports
numpy, OpenCV, Pillow; nothing of the filters, which must not judge themselves.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Array = npt.NDArray[np.float32]
Rng = np.random.Generator
Fault = Callable[[Array, Rng], Array | None]

HERSHEY = (
    cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_HERSHEY_PLAIN,
)  # fmt: skip
WORDS = (
    "RUST", "Texture", "CAUTION", "Danger 400 V", "No. 1724", "stock photo", "Sample", "EXPLOSIVE", "www.textures.com",
    "Photo: J. Smith", "Warning", "DO NOT OPEN", "Corten Steel", "free preview", "LOT 58-B", "iron oxide", "(c) 2024",
    "PROPERTY OF", "Gate 7", "High Voltage", "keep clear", "max. 250 kg", "shutter", "IMAGES", "Metal 04",
)  # fmt: skip
INKS = (
    (1, 1, 1), (0.93, 0.9, 0.82), (0, 0, 0), (0.95, 0.85, 0.1), (0.1, 0.2, 0.6), (0.05, 0.05, 0.08), (0.75, 0.8, 0.8),
)  # fmt: skip
LEAST_INK = 26
"""Lab units between letters (as blended) and what lies under them: less is not read at a glance."""

LEAST_LIGHT = 12
"""Units of lightness between the lit and the dark tenth of an evenly coloured surface: less is not seen as light."""


def _f32(values: object) -> Array:
    return np.asarray(np.clip(np.asarray(values), 0, 1), np.float32)


def _lab(color: Array) -> Array:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(color, np.float32), cv2.COLOR_RGB2Lab), np.float32)


def _side(color: Array) -> tuple[int, int]:
    return color.shape[0], color.shape[1]


def _linear(color: Array) -> Array:
    return np.asarray(color, np.float32) ** np.float32(2.2)


def _encoded(linear: Array) -> Array:
    return _f32(np.clip(linear, 0, 1) ** (1 / 2.2))


def _field(side: tuple[int, int], cells: int, rng: Rng) -> Array:
    """Smooth random values, 0 to 1."""
    small = rng.random((cells, cells), dtype=np.float32)
    return _f32(cv2.resize(small, (side[1], side[0]), interpolation=cv2.INTER_CUBIC))


def crop_of(photo: Array, share: float, rng: Rng) -> Array:
    """A crop, `share` of the sides, whose borders are faded into what lies beyond, so that it tiles."""
    height, width = photo.shape[:2]
    size = int(share * min(height, width))
    rim = size // 6
    top, left = (int(rng.integers(0, n - size + 1)) for n in (height, width))
    crop = photo[top : top + size, left : left + size].astype(np.float32)
    ramp = np.linspace(0, 1, rim, dtype=np.float32)
    for _ in range(2):
        weight = ramp[:, None, None]
        crop[:rim] = crop[:rim] * np.sqrt(weight) + crop[-rim:] * np.sqrt(1 - weight) + _mean_gap(crop, rim, weight)
        crop = crop[:-rim].transpose(1, 0, 2).copy()
    return _f32(crop)


def _mean_gap(crop: Array, rim: int, weight: Array) -> Array:
    """What a blend by square roots (which keeps the contrast) adds to the mean."""
    mean = crop.mean(axis=(0, 1))
    return np.asarray((1 - np.sqrt(weight) - np.sqrt(1 - weight)) * mean, np.float32)


# --- letters -------------------------------------------------------------------------------------------------------


def _hershey(text: str, height: float, rng: Rng) -> Array:
    font = HERSHEY[int(rng.integers(len(HERSHEY)))]
    scale = height / cv2.getTextSize("H", font, 1.0, 1)[0][1]
    thick = max(1, round(height * rng.uniform(0.08, 0.16)))
    (width, up), down = cv2.getTextSize(text, font, scale, thick)
    mask = np.zeros((up + down + 2 * thick + 4, width + 2 * thick + 4), np.uint8)
    cv2.putText(mask, text, (thick + 2, up + thick + 2), font, scale, (255,), thick, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def _outlined(text: str, height: float, rng: Rng) -> Array:
    """Pillow's own outline font: plain, bold, narrow, wide or slanted."""
    font = ImageFont.load_default(size=max(8, height * 1.35))
    bold = round(float(height * rng.choice([0, 0, 0.03, 0.06])))
    box = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=font, stroke_width=bold)
    canvas = Image.new("L", (int(box[2] - box[0]) + 12, int(box[3] - box[1]) + 12))
    ImageDraw.Draw(canvas).text((6 - box[0], 6 - box[1]), text, fill=255, font=font, stroke_width=bold)
    mask = np.asarray(canvas, np.float32) / 255
    wide, slant = rng.choice([0.8, 1.0, 1.0, 1.25]), rng.choice([0.0, 0.0, 0.25])
    rows, columns = mask.shape
    move = np.array([[wide, -slant, slant * rows], [0, 1, 0]], np.float32)
    return _f32(cv2.warpAffine(mask, move, (int(columns * wide + slant * rows) + 1, rows)))


def _words(height: float, lines: int, rng: Rng) -> Array:
    rows = []
    make = _hershey if rng.random() < 0.4 else _outlined
    for _ in range(lines):
        text = str(rng.choice(WORDS))
        rows.append(make(text.upper() if rng.random() < 0.3 else text, height, rng))
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, int(height * 0.3)), (0, width - row.shape[1]))) for row in rows])


def _turned(mask: Array, degrees: float) -> Array:
    height, width = mask.shape
    move = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    cos, sin = abs(move[0, 0]), abs(move[0, 1])
    size = int(height * sin + width * cos) + 1, int(height * cos + width * sin) + 1
    move[0, 2] += size[0] / 2 - width / 2
    move[1, 2] += size[1] / 2 - height / 2
    return _f32(cv2.warpAffine(mask, move, size))


def _fitted(mask: Array, side: tuple[int, int]) -> Array:
    """Made smaller until it fits the picture."""
    scale = min(1.0, 0.96 * side[0] / mask.shape[0], 0.96 * side[1] / mask.shape[1])
    size = max(1, int(mask.shape[1] * scale)), max(1, int(mask.shape[0] * scale))
    return mask if scale == 1 else _f32(cv2.resize(mask, size, interpolation=cv2.INTER_AREA))


def _placed(mask: Array, side: tuple[int, int], top: int, left: int) -> Array:
    """The mask on an empty picture, cut off at its borders."""
    out = np.zeros(side, np.float32)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + mask.shape[0], side[0]), min(left + mask.shape[1], side[1])
    if y1 > y0 and x1 > x0:
        out[y0:y1, x0:x1] = mask[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


def _inked(color: Array, mask: Array, opacity: float, rng: Rng) -> Array | None:
    """The mask laid over the picture in an ink that can be read there."""
    under = _lab(color)[mask > 0.5]
    if len(under) < 40:
        return None
    for number in rng.permutation(len(INKS)):
        ink = np.array(INKS[number], np.float32)
        over = color * (1 - mask[..., None] * opacity) + ink * (mask[..., None] * np.float32(opacity))
        gap = _lab(_f32(over))[mask > 0.5].mean(axis=0) - under.mean(axis=0)
        if np.linalg.norm(gap) >= LEAST_INK * (1 if opacity > 0.7 else 0.6):
            return _f32(over)
    return None


def text(color: Array, rng: Rng) -> Array | None:
    """Words of 4 letters or more, 20 to 90 texels high, opacity 0.85 to 1, upright, tilted or on their side."""
    side = _side(color)
    unit = side[0] / 512
    height = unit * float(np.exp(rng.uniform(np.log(20), np.log(90))))
    turn = rng.choice([0, 0, 0, 90, -90, rng.uniform(-20, 20)])
    mask = _fitted(_turned(_words(height, int(rng.integers(1, 4)), rng), turn), side)
    top, left = (int(rng.integers(0, n - m + 1)) for n, m in zip(side, mask.shape, strict=True))
    return _inked(color, _placed(mask, side, top, left), rng.uniform(0.85, 1), rng)


def watermark(color: Array, rng: Rng) -> Array | None:
    """Letters that the texture shows through, opacity 0.3 to 0.55: once across the middle, or again and again."""
    side = _side(color)
    unit = side[0] / 512
    opacity = rng.uniform(0.3, 0.55)
    if rng.random() < 0.4:
        word = _fitted(_turned(_words(unit * rng.uniform(50, 110), 1, rng), rng.choice([0, 30, 45, -30])), side)
        mask = _placed(word, side, (side[0] - word.shape[0]) // 2, (side[1] - word.shape[1]) // 2)
    else:
        word = _fitted(_turned(_words(unit * rng.uniform(20, 40), 1, rng), rng.choice([0, 30, 45, -30])), side)
        mask = np.zeros(side, np.float32)
        step_y, step_x = (int(m * rng.uniform(1.1, 1.5)) + 4 for m in word.shape)
        for row, top in enumerate(range(-int(rng.integers(0, step_y)), side[0], step_y)):
            for left in range(-(row % 2) * step_x // 2, side[1], step_x):
                mask = np.maximum(mask, _placed(word, side, top, left))
    return _inked(color, mask, opacity, rng)


# --- what is in the picture ------------------------------------------------------------------------------------------


def _shape(side: tuple[int, int], rng: Rng) -> Array:
    """The outline of a thing: a disc, a box, a bar, a ring, a wrench or a lump; 12 to 60 % of the picture."""
    height, width = side
    mask = np.zeros(side, np.uint8)
    center = int(width * rng.uniform(0.42, 0.58)), int(height * rng.uniform(0.42, 0.58))
    size = min(side)
    what = rng.choice(["disc", "box", "bar", "ring", "wrench", "lump"])
    turn = rng.uniform(0, 180)
    if what == "disc":
        axes = [int(size * rng.uniform(0.25, 0.42)) for _ in range(2)]
        cv2.ellipse(mask, center, axes, turn, 0, 360, (255,), -1)
    elif what == "ring":
        reach = int(size * rng.uniform(0.3, 0.4))
        cv2.circle(mask, center, reach, (255,), int(reach * rng.uniform(0.4, 0.7)))
    elif what in ("box", "bar"):
        sizes = (0.45, 0.75) if what == "box" else (0.2, 0.9)
        box = (center, (size * sizes[1] * rng.uniform(0.8, 1), size * sizes[0] * rng.uniform(0.9, 1.1)), turn)
        cv2.fillPoly(mask, [cv2.boxPoints(box).astype(np.int32)], (255,))
    elif what == "wrench":
        along = np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn))]) * size * 0.3
        ends = [tuple(int(v) for v in np.array(center) + s * along) for s in (-1, 1)]
        cv2.line(mask, ends[0], ends[1], (255,), int(size * rng.uniform(0.12, 0.2)))
        for end in ends:
            cv2.circle(mask, end, int(size * rng.uniform(0.13, 0.18)), (255,), -1)
    else:
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radius = size * 0.36 * rng.uniform(0.65, 1.1, 14)
        points = np.array(center) + np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None]
        cv2.fillPoly(mask, [points.astype(np.int32)], (255,))
        mask = np.where(cv2.GaussianBlur(mask, (0, 0), size / 40) > 127, 255, 0).astype(np.uint8)
    return _f32(cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), size / 512))


def _background(side: tuple[int, int], color: Array, rng: Rng) -> Array:
    """A wall, a table or a sheet of paper: one colour with a little shade and grain, at least 28 Lab units away."""
    own = _lab(color).reshape(-1, 3).mean(axis=0)
    tint = np.zeros(3)
    for _ in range(40):
        tint = float(rng.choice([0.08, 0.35, 0.55, 0.75, 0.92])) + rng.uniform(-0.07, 0.07, 3) * rng.choice([0.3, 1])
        if np.linalg.norm(_lab(_f32(tint)[None, None])[0, 0] - own) > 28:
            break
    slope = _field(side, 2, rng)[..., None] * rng.uniform(0.02, 0.2)
    grain = rng.normal(0, rng.uniform(0.003, 0.015), side)[..., None]
    weave: float | Array = 0.0
    if rng.random() < 0.3:
        weave = (_field(side, int(rng.integers(20, 60)), rng)[..., None] - 0.5) * rng.uniform(0.05, 0.15)
    return _f32(tint * (1 - slope) + grain + weave)


def thing(color: Array, rng: Rng) -> Array | None:
    """A thing made of it, with shading and a shadow, photographed on a plain or slightly patterned background."""
    side = _side(color)
    mask = _shape(side, rng)
    shade = cv2.GaussianBlur(mask, (0, 0), side[0] / 24)
    size = side[0] / 512
    shadow = cv2.warpAffine(mask, np.array([[1, 0, rng.uniform(4, 14) * size], [0, 1, 12 * size]]), side[::-1])
    shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(3, 12) * size)
    behind = _background(side, color, rng) * (1 - rng.uniform(0.2, 0.6) * shadow[..., None])
    thing = color * (0.55 + 0.5 * shade[..., None])
    return _f32(thing * mask[..., None] + behind * (1 - mask[..., None]))


# --- how the picture was taken and stored ----------------------------------------------------------------------------


def blur(color: Array, rng: Rng) -> Array | None:
    """Out of focus (sigma 2.2 to 6), moved (13 to 35 texels) or enlarged 5 to 12 times."""
    height, width = color.shape[:2]
    unit = height / 512
    how = rng.choice(["focus", "motion", "enlarged"])
    if how == "focus":
        return _f32(cv2.GaussianBlur(color, (0, 0), unit * rng.uniform(2.2, 6), borderType=cv2.BORDER_REFLECT))
    if how == "motion":
        length = int(unit * rng.uniform(13, 35)) | 1
        line = np.zeros((length, length), np.float32)
        half, turn = length // 2, rng.uniform(0, np.pi)
        along = np.array([np.cos(turn), np.sin(turn)]) * half
        ends = [tuple(round(half + s * float(v)) for v in along) for s in (-1, 1)]
        cv2.line(line, ends[0], ends[1], (1.0,), 1)
        return _f32(cv2.filter2D(color, -1, line / line.sum()))
    small = cv2.resize(color, None, fx=1 / (f := rng.uniform(5, 12) * unit), fy=1 / f, interpolation=cv2.INTER_AREA)
    return _f32(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def noise(color: Array, rng: Rng) -> Array | None:
    """Of a sensor (sigma 0.08 to 0.25, grey or coloured) or single texels black and white (2 to 10 %)."""
    if rng.random() < 0.35:
        out = color.copy()
        hit = rng.random(color.shape[:2])
        share = rng.uniform(0.02, 0.1)
        out[hit < share / 2], out[hit > 1 - share / 2] = 0, 1
        return out
    shape = color.shape if rng.random() < 0.5 else (*color.shape[:2], 1)
    return _f32(color + rng.normal(0, rng.uniform(0.08, 0.25), shape))


def blocks(color: Array, rng: Rng) -> Array | None:
    """JPEG of quality 3 to 12, as it is or enlarged twice, or a mosaic of cells 6 to 20 texels wide."""
    height, width = color.shape[:2]
    how = rng.choice(["jpeg", "enlarged", "mosaic"])
    if how == "mosaic":
        cell = int(rng.integers(6, 21))
        small = cv2.resize(color, (-(-width // cell), -(-height // cell)), interpolation=cv2.INTER_AREA)
        return _f32(np.repeat(np.repeat(small, cell, 0), cell, 1)[:height, :width])
    small = color if how == "jpeg" else cv2.resize(color, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    quality = int(rng.integers(3, 13))
    coded = cv2.imencode(".jpg", (small[..., ::-1] * 255).round().astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    out = cv2.imdecode(coded[1], cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255
    return out if how == "jpeg" else _f32(cv2.resize(out, (width, height), interpolation=cv2.INTER_LINEAR))


def exposure(color: Array, rng: Rng) -> Array | None:
    """Blown or crushed: light raised or lowered until 20 to 60 % of the texels have no drawing left."""
    share = rng.uniform(0.2, 0.6)
    if rng.random() < 0.5:
        linear = _linear(color)
        return _encoded(linear / max(float(np.quantile(linear.max(axis=2), 1 - share)), 1e-4))
    black = float(np.quantile(color.max(axis=2), share))
    top = float(np.quantile(color.max(axis=2), 0.99))
    return _f32((color - black) * rng.uniform(0.6, 1) * top / max(top - black, 0.02))


def lighting(color: Array, rng: Rng) -> Array | None:
    """Light of the scene, where it shows: a slope 1 : 3 to 1 : 8, dark corners, a lamp, or a hard shadow (0.12 to
    0.3 of the light)."""
    height, width = color.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(max(height, width))
    turn = rng.uniform(0, 2 * np.pi)
    along = (x - 0.5) * np.cos(turn) + (y - 0.5) * np.sin(turn)
    how = rng.choice(["slope", "corners", "spot", "shadow"])
    at = rng.uniform(0.35, 0.65, 2)
    radius = np.hypot(x - at[0], y - at[1])
    if how == "slope":
        light = rng.uniform(3, 8) ** (along * 1.0)
    elif how == "corners":
        light = 1 - rng.uniform(0.75, 0.92) * np.clip(radius / 0.7, 0, 1) ** 2
    elif how == "spot":
        light = 0.35 + rng.uniform(1.0, 1.8) * np.exp(-((radius / rng.uniform(0.2, 0.35)) ** 2))
    else:
        edge = (along - rng.uniform(-0.18, 0.18)) * max(height, width) / rng.uniform(2, 12)
        light = 1 - rng.uniform(0.7, 0.88) / (1 + np.exp(-np.clip(edge, -30, 30)))
    dark, bright = np.quantile(light, (0.1, 0.9))
    own = _lab(color)
    mean = _linear(color).mean(axis=(0, 1))
    tones = _lab(_encoded(np.stack([mean * dark, mean * bright])[None] / max(float(bright), 1.0)))[0, :, 0]
    coarse = cv2.resize(own[..., 0], (16, 16), interpolation=cv2.INTER_AREA)
    if abs(float(tones[1] - tones[0])) < max(LEAST_LIGHT, 3 * float(coarse.std())):
        return None  # too dark, or too restless itself, for the light to show
    linear = _linear(color) * light[..., None]
    top = float(np.quantile(linear, 0.999))
    return _encoded(linear * np.float32(min(1.0, 0.9 / max(top, 1e-4))))


# --- whether it can be used as a tile of this wear -------------------------------------------------------------------


def seam(color: Array, rng: Rng) -> Array | None:
    """Borders that do not meet: a line or frame along them, a step in brightness of 18 to 28 %, a cut through it."""
    height, width = color.shape[:2]
    unit = height / 512
    how = rng.choice(["line", "step", "cut"])
    if how == "line":
        out, wide = color.copy(), max(1, round(unit * rng.integers(2, 8)))
        tone = rng.choice([0.35, 1.8])
        out[:wide] *= tone
        if rng.random() < 0.6:
            out[:, :wide] *= tone
        return _f32(out)
    if how == "step":
        ramp = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
        if rng.random() < 0.5:
            ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        return _f32(color * (1 - rng.uniform(0.18, 0.28) * ramp))
    share = rng.uniform(0.45, 0.7)
    top, left = (int(rng.integers(0, int(n * (1 - share)))) for n in (height, width))
    part = color[top : top + int(height * share), left : left + int(width * share)]
    ends = [(part[0], part[-1]), (part[:, 0], part[:, -1])]
    soft = [cv2.GaussianBlur(_lab(np.stack(pair)), (0, 0), 6 * unit, sigmaY=1e-3) for pair in ends]
    if max(float(np.linalg.norm(s[0] - s[1], axis=1).mean()) for s in soft) < 9:
        return None  # so even that the cut does not show
    return _f32(part)  # not enlarged: that would be a second fault


def color(color: Array, rng: Rng) -> Array | None:
    """Another hue (turned by 60 degrees or more), a tint, or no colour at all; at least 16 Lab units on average."""
    lab = _lab(color)
    for _ in range(6):
        out = lab.copy()
        how = rng.choice(["turned", "tint", "grey"])
        if how == "turned":
            turn = np.radians(rng.uniform(60, 300))
            out[..., 1] = lab[..., 1] * np.cos(turn) - lab[..., 2] * np.sin(turn)
            out[..., 2] = lab[..., 1] * np.sin(turn) + lab[..., 2] * np.cos(turn)
        elif how == "tint":
            turn = rng.uniform(0, 2 * np.pi)
            out[..., 1:] += np.array([np.cos(turn), np.sin(turn)], np.float32) * np.float32(rng.uniform(25, 45))
            if -0.6 < turn - np.pi / 3 < 0.6:
                continue  # still a rust
        else:
            out[..., 1:] *= np.float32(rng.uniform(0, 0.1))
        if float(np.linalg.norm((out - lab)[..., 1:], axis=2).mean()) >= 16:
            return _f32(cv2.cvtColor(out, cv2.COLOR_Lab2RGB))
    return None


def flat(color: Array, rng: Rng) -> Array | None:
    """Next to nothing to see: its contrast reduced to 0 to 8 %."""
    mean = color.mean(axis=(0, 1))
    return _f32(mean + (color - mean) * np.float32(rng.uniform(0, 0.08)))


def duplicate(color: Array, rng: Rng) -> Array | None:
    """The same once more: shifted, a little brighter or darker, stored as JPEG."""
    height, width = color.shape[:2]
    out = np.roll(color, (int(rng.integers(height)), int(rng.integers(width))), (0, 1))
    out = _f32(out * rng.uniform(0.96, 1.04))
    coded = cv2.imencode(".jpg", (out[..., ::-1] * 255).round().astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1] / 255, np.float32)


FAULTS: dict[str, Fault] = {
    "flat": flat, "noise": noise, "blocks": blocks, "blur": blur, "text": text, "watermark": watermark,
    "object": thing, "exposure": exposure, "lighting": lighting, "color": color, "seam": seam, "duplicate": duplicate,
}  # fmt: skip
"""Reason -> fault."""
