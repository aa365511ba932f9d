"""Paint for unwrapped models: coats, stripes, stencilled text, signs. Imports modelling, numpy, OpenCV and Pillow only.

A canvas is one island of a layout, painted in metres from its lower left corner; the finished canvases are laid into
the atlas. Colours are sRGB triples, 0 to 1. Pictures are float32, row 0 at the top. The only font is the one that
Pillow carries, so that the same letters come out on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from examples.modelling import Floats, Island, Part, cell, rounded

Picture = npt.NDArray[np.float32]
Color = tuple[float, float, float]
FINE = 4
"""Signs are drawn this many times finer than the texels and averaged down."""


def color(text: str) -> Color:
    """An sRGB colour from "rrggbb"."""
    r, g, b = (int(text[k : k + 2], 16) / 255 for k in (0, 2, 4))
    return r, g, b


BLACK, WHITE, YELLOW, RED = color("1d1f22"), color("f1efe6"), color("f0b310"), color("b3201c")


@lru_cache(maxsize=8)
def clouds(size: int, cycles: float, seed: int) -> Picture:
    """Tileable smooth noise, size x size, mean 0, standard deviation 1, about `cycles` blobs across."""
    rng = np.random.default_rng(seed)
    f = np.fft.rfft2(rng.standard_normal((size, size)))
    fy, fx = np.fft.fftfreq(size)[:, None] * size, np.fft.rfftfreq(size)[None] * size
    k = np.hypot(fx, fy)
    noise = np.fft.irfft2(f * np.exp(-((np.log(np.maximum(k, 0.5) / cycles)) ** 2) / 0.5) * (k > 0), (size, size))
    return np.asarray(noise / noise.std(), np.float32)


def crop(tile: Picture, rows: int, columns: int, row: int, column: int) -> Picture:
    """A window of a tileable picture."""
    window: Picture = tile[np.ix_((np.arange(rows) + row) % len(tile), (np.arange(columns) + column) % len(tile))]
    return window


# --- signs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sign:
    """Something to print: color H x W x 3, alpha H x W."""

    color: Picture
    alpha: Picture

    def turned(self, quarters: int) -> "Sign":
        """Turned counter-clockwise by quarters."""
        return Sign(np.rot90(self.color, quarters), np.rot90(self.alpha, quarters))


class Board:
    """A sheet to draw a sign on: width x height metres, origin at the lower left, at texels a metre."""

    def __init__(
        self, width: float, height: float, density: float, ground: Color | None = None, radius: float = 0.0
    ) -> None:
        self.scale = density * FINE
        self.size = max(1, round(width * density)) * FINE, max(1, round(height * density)) * FINE
        self.width, self.height = width, height
        self.picture = Image.new("RGB", self.size, _bytes(ground or (0.5, 0.5, 0.5)))
        self.alpha = Image.new("L", self.size, 0)
        self._draw, self._cover = ImageDraw.Draw(self.picture), ImageDraw.Draw(self.alpha)
        if ground is not None:
            self._cover.rounded_rectangle((0, 0, self.size[0] - 1, self.size[1] - 1), radius * self.scale, fill=255)

    def _xy(self, points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
        return [(x * self.scale, self.size[1] - y * self.scale) for x, y in points]

    def polygon(self, points: Sequence[Sequence[float]] | Floats, tint: Color) -> None:
        """A filled polygon."""
        flat = self._xy([(float(p[0]), float(p[1])) for p in points])
        self._draw.polygon(flat, fill=_bytes(tint))
        self._cover.polygon(flat, fill=255)

    def bar(self, x: float, y: float, width: float, height: float, tint: Color) -> None:
        """A filled rectangle from its lower left corner."""
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], tint)

    def disc(self, x: float, y: float, radius: float, tint: Color) -> None:
        """A filled circle."""
        a = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        self.polygon(np.stack([x + radius * np.cos(a), y + radius * np.sin(a)], axis=1), tint)

    def line(self, points: Sequence[Sequence[float]], width: float, tint: Color) -> None:
        """A polyline with round joints."""
        flat, wide = self._xy(points), max(1, round(width * self.scale))
        for draw, fill in ((self._draw, _bytes(tint)), (self._cover, 255)):
            draw.line(flat, fill=fill, width=wide, joint="curve")

    def text(
        self,
        x: float,
        y: float,
        height: float,
        words: str,
        tint: Color,
        *,
        bold: float = 0.0,
        width: float | None = None,
        center: bool = False,
        stencil: bool = False,
    ) -> float:
        """Letters whose capitals are `height` tall, standing on y, from x on or about it; returns their width.

        bold: added stroke, of the height. width: squeezes or stretches to it. stencil: the bridges of cut stencils.
        """
        mask = letters(words, max(4, round(height * self.scale)), bold, stencil)
        w = mask.shape[1] if width is None else max(1, round(width * self.scale))
        if w != mask.shape[1]:
            mask = np.asarray(cv2.resize(mask, (w, mask.shape[0]), interpolation=cv2.INTER_AREA), np.uint8)
        left = round(x * self.scale - (w / 2 if center else 0))
        # The mask holds half a capital's height above and below the letters.
        top = round(self.size[1] - y * self.scale - mask.shape[0] * 0.75)
        stamp = Image.fromarray(mask)
        self.picture.paste(_bytes(tint), (left, top), stamp)
        self.alpha.paste(255, (left, top), stamp)
        return w / self.scale

    def sign(self) -> Sign:
        """What was drawn, at texel resolution."""
        size = self.size[0] // FINE, self.size[1] // FINE
        alpha = np.asarray(self.alpha, np.float32) / 255
        tint = np.asarray(self.picture, np.float32) / 255 * alpha[..., None]
        small = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)
        tint = cv2.resize(tint, size, interpolation=cv2.INTER_AREA) / np.maximum(small, 1e-4)[..., None]
        return Sign(np.asarray(tint, np.float32), small)


def _bytes(tint: Color) -> tuple[int, int, int]:
    r, g, b = (round(255 * c) for c in tint)
    return r, g, b


@lru_cache(maxsize=256)
def letters(words: str, height: int, bold: float, stencil: bool) -> npt.NDArray[np.uint8]:
    """A mask of letters whose capitals are height texels tall, with half of that free above and below."""
    probe = ImageFont.load_default(200)
    box = probe.getbbox("H")
    font = ImageFont.load_default(200 * height / (box[3] - box[1]))
    stroke = round(bold * height)
    spacing = round(0.06 * height + 1.6 * stroke)
    cap = font.getbbox("H")
    wide = sum(round(font.getlength(c)) + spacing for c in words) + 2 * stroke + 2
    picture = Image.new("L", (max(1, wide), 2 * height), 0)
    draw = ImageDraw.Draw(picture)
    x = float(stroke)
    for c in words:
        draw.text((x, 0.5 * height - cap[1]), c, font=font, fill=255, stroke_width=stroke)
        if stencil and c in "ABDOPQR046890":
            middle = x + font.getlength(c) * (0.5 if c not in "4" else 0.4)
            gap = max(1.0, 0.045 * height)
            draw.rectangle((middle - gap, 0, middle + gap, 2 * height), fill=0)
        x += round(font.getlength(c)) + spacing
    mask = np.asarray(picture)
    used = np.flatnonzero(mask.any(axis=0))
    return mask[:, : used[-1] + 1].copy() if len(used) else mask


def logo(density: float, height: float, tint: Color, accent: Color) -> Sign:
    """SYNGEN: a hexagon that half dissolves into texels, and the name."""
    board = Board(height * 5.6, height, density)
    a = np.radians(np.arange(6) * 60 + 30)
    c, r = height * 0.5, height * 0.5
    board.polygon(np.stack([c + r * np.cos(a), c + r * np.sin(a)], axis=1), tint)
    board.polygon(np.stack([c + 0.72 * r * np.cos(a), c + 0.72 * r * np.sin(a)], axis=1), accent)
    unit = r * 0.36
    for i, j in ((-1, 1), (0, 1), (1, 1), (-1, 0), (0, 0), (1, -1), (0, -1)):
        if (i, j) in ((1, 1), (0, 0), (-1, 0), (-1, 1), (0, -1)):
            board.bar(c + (i - 0.44) * unit, c + (j - 0.44) * unit, unit * 0.88, unit * 0.88, tint)
    board.text(height * 1.12, height * 0.17, height * 0.66, "SYNGEN", tint, bold=0.06, width=height * 4.3)
    return board.sign()


def hazard_diamond(density: float, side: float, ground: Color, figure: str, number: str = "") -> Sign:
    """A placard: a square on its corner with an inner line, a symbol ("flame", "gas", "mark") and a number."""
    d = side * np.sqrt(2)
    board = Board(d, d, density)
    ink = WHITE if sum(ground) < 1.6 else BLACK
    c = d / 2

    def diamond(half: float, tint: Color) -> None:
        board.polygon([(c, c - half), (c + half, c), (c, c + half), (c - half, c)], tint)

    diamond(c, WHITE if ink == WHITE else BLACK)
    diamond(c * 0.97, ground)
    diamond(c * 0.90, ink)
    diamond(c * 0.865, ground)
    _figure(board, figure, c, c + 0.16 * d, 0.2 * d, ink)
    if number:
        board.text(c, 0.14 * d, 0.1 * d, number, ink, bold=0.05, center=True)
    return board.sign()


def fire_diamond(density: float, side: float, numbers: tuple[str, str, str, str]) -> Sign:
    """The four-coloured diamond of tanks: health (left), flammability (top), reactivity (right), special (foot)."""
    d = side * np.sqrt(2)
    board = Board(d, d, density)
    c, half, gap = d / 2, d / 4 * 0.95, d * 0.006
    board.polygon([(c, 0), (d, c), (c, d), (0, c)], BLACK)
    places = ((-1, 0, color("2264b5")), (0, 1, color("c92a22")), (1, 0, color("f2c413")), (0, -1, WHITE))
    for (i, j, tint), number in zip(places, numbers, strict=True):
        x, y = c + i * d / 4 * 0.98, c + j * d / 4 * 0.98
        h = half - gap
        board.polygon([(x, y - h), (x + h, y), (x, y + h), (x - h, y)], tint)
        if number:
            tall = 0.13 * d if len(number) == 1 else 0.075 * d
            board.text(x, y - tall / 2, tall, number, WHITE if sum(tint) < 1.3 else BLACK, bold=0.07, center=True)
    return board.sign()


def _figure(board: Board, figure: str, x: float, y: float, r: float, ink: Color) -> None:
    if figure == "flame":
        # Tongues from the left foot over three tips to the right foot, about (0, 0), one tall.
        tips = [
            (-0.12, -0.78),
            (-0.50, -0.62),
            (-0.70, -0.22),
            (-0.62, 0.14),
            (-0.44, 0.44),
            (-0.36, 0.10),
            (-0.24, 0.02),
            (-0.26, 0.42),
            (-0.08, 0.78),
            (0.16, 1.06),
            (0.14, 0.72),
            (0.26, 0.42),
            (0.38, 0.16),
            (0.44, 0.36),
            (0.42, 0.58),
            (0.64, 0.26),
            (0.72, -0.16),
            (0.54, -0.60),
            (0.16, -0.78),
            (0.30, -0.48),
            (0.20, -0.18),
            (0.04, 0.02),
            (0.02, -0.22),
            (-0.12, -0.40),
            (-0.20, -0.58),
        ]
        board.polygon(rounded(tips, 0.09, 3, closed=True) * r + np.array([x, y]), ink)
        board.bar(x - 0.72 * r, y - 1.08 * r, 1.44 * r, 0.13 * r, ink)
    elif figure == "gas":
        outline = [
            (-1.1, -0.28),
            (0.55, -0.28),
            (0.75, -0.1),
            (0.98, -0.1),
            (0.98, 0.1),
            (0.75, 0.1),
            (0.55, 0.28),
            (-1.1, 0.28),
        ]
        turn = np.radians(35)
        p = np.array(outline) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        board.polygon(p * r + np.array([x, y]), ink)
    else:
        board.polygon(
            [(x - 0.16 * r, y + r), (x + 0.16 * r, y + r), (x + 0.09 * r, y - 0.35 * r), (x - 0.09 * r, y - 0.35 * r)],
            ink,
        )
        board.disc(x, y - 0.68 * r, 0.14 * r, ink)


def warning_triangle(board: Board, x: float, y: float, side: float) -> None:
    """A yellow warning triangle with a black rim, its foot's middle at (x, y)."""
    h = side * np.sqrt(3) / 2

    def triangle(shrink: float, tint: Color) -> None:
        m = h / 3
        board.polygon(
            [
                (x - side / 2 * shrink, y + m - m * shrink),
                (x + side / 2 * shrink, y + m - m * shrink),
                (x, y + m + (h - m) * shrink),
            ],
            tint,
        )

    triangle(1.0, BLACK)
    triangle(0.8, YELLOW)
    _figure(board, "mark", x, y + 0.40 * h, 0.3 * h, BLACK)


def chevrons(density: float, width: float, height: float, tints: tuple[Color, Color], period: float) -> Sign:
    """Slanted stripes in two colours."""
    board = Board(width, height, density, tints[0])
    for k in range(int((width + height) / period) + 2):
        x = k * period - height
        board.polygon([(x, 0), (x + period / 2, 0), (x + period / 2 + height, height), (x + height, height)], tints[1])
    return board.sign()


def arrow(density: float, length: float, height: float, tint: Color) -> Sign:
    """A flow arrow that points to the right."""
    board = Board(length, height, density)
    head = height * 0.85
    board.polygon(
        [
            (0, height * 0.3),
            (length - head, height * 0.3),
            (length - head, 0),
            (length, height / 2),
            (length - head, height),
            (length - head, height * 0.7),
            (0, height * 0.7),
        ],
        tint,
    )
    return board.sign()


# --- canvases ---------------------------------------------------------------------------------------------------------


class Canvas:
    """One island's paint. Coordinates are metres from the island's lower left corner, before it is turned."""

    def __init__(self, island: Island, density: float, margin: int, rng: np.random.Generator) -> None:
        self.island, self.margin = island, margin
        self.density = density * island.scale
        columns, rows = cell(island, density, margin)
        self.pixels = np.zeros((rows, columns, 3), np.float32)
        self._seed = rng.integers(0, 2048, 8)

    def _noise(self, cycles: float, which: int) -> Picture:
        rows, columns = self.pixels.shape[:2]
        return crop(clouds(1024, cycles, which), rows, columns, int(self._seed[which]), int(self._seed[which + 1]))

    def coat(self, tint: Color, *, shift: float = 0.0) -> None:
        """The paint itself: cloudy lightness, a little drift of hue, a sprayed coat's tooth. shift: of lightness."""
        slow, mid, fine = self._noise(6, 0), self._noise(40, 2), self._noise(260, 4)
        light = 1 + shift + 0.014 * slow + 0.007 * mid + 0.006 * fine
        warm = 0.006 * self._noise(9, 5)
        self.pixels[:] = np.array(tint, np.float32) * light[..., None]
        self.pixels *= 1 + warm[..., None] * np.array([1.0, 0.1, -1.0], np.float32)

    def band(self, y: float, height: float, tint: Color, *, fade: float = 1.0) -> None:
        """A stripe over the whole width (and into the margin), its edges softened over a texel."""
        rows = self.pixels.shape[0]
        at = self._bottom() - (np.arange(rows) + 0.5)
        cover = np.clip(at - y * self.density + 0.5, 0, 1) * np.clip((y + height) * self.density - at + 0.5, 0, 1)
        self._blend(np.broadcast_to((cover * fade)[:, None], self.pixels.shape[:2]), np.array(tint, np.float32))

    def column(self, x: float, width: float, tint: Color) -> None:
        """An upright stripe over the whole height."""
        at = np.arange(self.pixels.shape[1]) + 0.5 - self.margin
        cover = np.clip(at - x * self.density + 0.5, 0, 1) * np.clip((x + width) * self.density - at + 0.5, 0, 1)
        self._blend(np.broadcast_to(cover[None], self.pixels.shape[:2]), np.array(tint, np.float32))

    def _bottom(self) -> float:
        return self.margin + self.island.height * self.density

    def _blend(self, cover: Picture, tint: Picture) -> None:
        # Print keeps the shading of the coat beneath it, so that it does not look pasted on.
        tooth = 1 + 0.010 * self._noise(260, 4)[..., None]
        self.pixels[:] = self.pixels * (1 - cover[..., None]) + tint * tooth * cover[..., None]

    def stamp(self, sign: Sign, x: float, y: float, *, strength: float = 1.0, worn: float = 0.0) -> None:
        """Print a sign, its middle at (x, y). worn: how much of it is rubbed off in specks, 0 to 1."""
        rows, columns = sign.alpha.shape
        top = round(self._bottom() - y * self.density - rows / 2)
        left = round(self.margin + x * self.density - columns / 2)
        r0, r1 = max(top, 0), min(top + rows, self.pixels.shape[0])
        c0, c1 = max(left, 0), min(left + columns, self.pixels.shape[1])
        if r0 >= r1 or c0 >= c1:
            return
        cover = np.zeros(self.pixels.shape[:2], np.float32)
        cover[r0:r1, c0:c1] = sign.alpha[r0 - top : r1 - top, c0 - left : c1 - left] * strength
        if worn > 0:
            specks = 0.75 * self._noise(150, 1) + 0.65 * self._noise(260, 4)
            cover *= np.clip(1 - worn * 3 * np.maximum(specks - 1.5, 0), 0, 1)
        tint = np.zeros_like(self.pixels)
        tint[r0:r1, c0:c1] = sign.color[r0 - top : r1 - top, c0 - left : c1 - left]
        self._blend(cover, tint)

    def drips(
        self, x: float, y: float, length: float, width: float, tint: Color, strength: float, rng: np.random.Generator
    ) -> None:
        """Faint stains that run down from (x, y)."""
        cover = np.zeros(self.pixels.shape[:2], np.float32)
        for _ in range(6):
            at, long = x + rng.normal(0, width / 2), length * rng.uniform(0.3, 1)
            c = round(self.margin + at * self.density)
            r = round(self._bottom() - y * self.density)
            n = round(long * self.density)
            rows = np.arange(max(r, 0), min(r + n, cover.shape[0]))
            if 0 <= c < cover.shape[1] and len(rows):
                cover[rows, c] = np.maximum(cover[rows, c], (1 - (rows - r) / n) * rng.uniform(0.4, 1))
        wide = max(0.6, 0.004 * self.density)
        cover = cv2.GaussianBlur(cover, (0, 0), wide, sigmaY=wide * 2) * wide * 2.2
        self._blend(np.clip(cover * strength, 0, 1), np.array(tint, np.float32))

    def pasted(self) -> Picture:
        """The pixels as they lie in the atlas."""
        return np.rot90(self.pixels) if self.island.turned else self.pixels


def compose(canvases: Sequence[Canvas], size: int) -> Picture:
    """All canvases in one atlas; texels of no island take the colour of the nearest that has one."""
    atlas = np.zeros((size, size, 3), np.float32)
    free = np.ones((size, size), np.uint8)
    for c in canvases:
        piece = c.pasted()
        rows, columns = piece.shape[:2]
        at = np.s_[c.island.row : c.island.row + rows, c.island.column : c.island.column + columns]
        atlas[at], free[at] = piece, 0
    _, nearest = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    painted = np.flatnonzero(free == 0)
    place = np.zeros(int(nearest.max()) + 1, np.int64)
    place[nearest.ravel()[painted]] = painted
    filled: Picture = atlas.reshape(-1, 3)[place[nearest]]
    return filled


def weather(atlas: Picture, part: Part, uv: Floats, dust: Color, amount: float, low: float, high: float) -> Picture:
    """Settle a little dust on what looks up and splash on the foot; dirt in soft clouds. low, high: the object's z."""
    size = len(atlas)
    points = np.array(part.vertices)
    settle = np.zeros((size, size), np.float32)
    start = 0
    for face in part.faces:
        corners = points[list(face)]
        n = np.cross(corners, np.roll(corners, -1, axis=0)).sum(axis=0)
        up = n[2] / max(float(np.linalg.norm(n)), 1e-20)
        z = (corners[:, 2].mean() - low) / (high - low)
        value = 0.75 * max(up, 0.0) ** 2 + 0.55 * max(0.0, 1 - z / 0.12) ** 2
        flat = uv[start : start + len(face)] * [size, -size] + [0, size]
        start += len(face)
        if value > 0.01:
            cv2.fillPoly(settle, [np.round(flat * 16).astype(np.int32)], value, shift=4)
    settle = np.asarray(cv2.GaussianBlur(cv2.dilate(settle, np.ones((5, 5))), (0, 0), 3), np.float32)
    rough = crop(clouds(1024, 9, 11), size, size, 0, 0) + 0.35 * crop(clouds(1024, 60, 12), size, size, 0, 0)
    cover = np.clip(amount * settle * (1 + 0.30 * rough), 0, 1)[..., None]
    return np.asarray(np.clip(atlas * (1 - cover) + np.array(dust, np.float32) * cover, 0, 1), np.float32)
