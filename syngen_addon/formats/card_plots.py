"""The dataset card's charts, drawn by one code as SVG (the page) and as PNG (the README). Imports sheet, Pillow.

A chart is plain numbers. It is drawn on a canvas of rectangles, lines and texts, of which there are two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol

from PIL import Image, ImageDraw

from .sheet import font

Rgb = tuple[int, int, int]

PAPER: Rgb = (255, 255, 255)
INK: Rgb = (31, 38, 46)
FAINT: Rgb = (104, 115, 127)
GRID: Rgb = (230, 233, 237)
BLUE: Rgb = (62, 112, 168)
SPLIT_COLORS: tuple[Rgb, ...] = ((62, 112, 168), (224, 164, 63), (128, 100, 168))
"""Train, val and test: apart for the colour-blind too."""
EMPTY: Rgb = (200, 85, 61)
"""What marks a bin that holds nothing."""
SHALLOW: Rgb = (231, 239, 247)
WIDTH = 440.0
TITLE, TEXT, SMALL = 15.0, 12.0, 11.0
PAD, WIDER = 4.0, 1.12


class Canvas(Protocol):
    """What a chart is drawn on: pixels from the top left; of a text y is its middle, anchor "l", "m" or "r" its x."""

    def rect(self, x: float, y: float, w: float, h: float, color: Rgb, radius: float = 0.0) -> None: ...

    def frame(self, x: float, y: float, w: float, h: float, color: Rgb) -> None: ...

    def line(self, x0: float, y0: float, x1: float, y1: float, color: Rgb) -> None: ...

    def text(
        self, x: float, y: float, text: str, size: float, color: Rgb, anchor: str = "l", bold: bool = False
    ) -> None: ...


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, one a row, each stacked of its series. note: a sentence under the title."""

    title: str
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    series: tuple[str, ...] = ()
    note: str = ""

    @property
    def height(self) -> float:
        """Pixels."""
        return _top(self.note) + (22 if self.series else 0) + 24.0 * max(1, len(self.rows)) + 8

    def draw(self, on: Canvas) -> None:
        """Draw it into WIDTH x height."""
        y = _head(on, self.title, self.note)
        if self.series:
            x = PAD
            for name, color in zip(self.series, SPLIT_COLORS, strict=False):
                on.rect(x, y + 4, 10, 10, color, 2)
                on.text(x + 15, y + 9, name, SMALL, FAINT)
                x += 24 + _wide(name, SMALL)
            y += 22
        left = min(170.0, max([40.0, *(_wide(name, TEXT) for name, _ in self.rows)]) + 12)
        largest = max([1.0, *(sum(values) for _, values in self.rows)])
        room = WIDTH - left - 64
        colors = SPLIT_COLORS if len(self.series) > 1 else (BLUE,)
        for name, values in self.rows:
            on.text(left - 8, y + 12, shortened(name, left - 12, TEXT), TEXT, INK, "r")
            x, total = left, sum(values)
            for value, color in zip(values, colors, strict=False):
                wide = value / largest * room
                if wide > 0:
                    on.rect(x, y + 4, max(wide, 1), 16, color, 2)
                x += wide
            if not total:
                on.frame(left, y + 4, 14, 16, EMPTY)
                x = left + 14
            on.text(x + 6, y + 12, f"{total:,.0f}", SMALL, FAINT if total else EMPTY)
            y += 24


@dataclass(frozen=True)
class Histogram:
    """Upright bars between edges. labels: of the edges (one more than bars) or, of as many, of the bars. axis: below.

    expected: the bins that ought to hold something; those of them that do not are marked. None: all.
    """

    title: str
    counts: tuple[int, ...]
    labels: tuple[str, ...]
    axis: str = ""
    note: str = ""
    expected: tuple[bool, ...] | None = None

    @property
    def height(self) -> float:
        """Pixels."""
        return _top(self.note) + 150.0 + 24 + (18 if self.axis else 0)

    def draw(self, on: Canvas) -> None:
        """Draw it into WIDTH x height."""
        y, tall, left = _head(on, self.title, self.note), 150.0, 44.0
        room = WIDTH - left - 12
        largest = max([1, *self.counts])
        step = _nice(largest / 3)
        top = y + 10
        scale = (tall - 16) / max(largest, step)
        for level in range(int(max(largest, step) // step) + 1):
            at = y + tall - level * step * scale
            on.line(left, at, WIDTH - 12, at, GRID)
            on.text(left - 6, at, _count(level * step), SMALL, FAINT, "r")
        each = room / max(1, len(self.counts))
        for i, count in enumerate(self.counts):
            x = left + i * each
            if count:
                high = max(1.0, count * scale)
                on.rect(x + 1, max(top - 6, y + tall - high), max(1.0, each - 2), high, BLUE, min(2.0, each / 6))
            elif self.expected is None or self.expected[i]:
                on.rect(x + each * 0.25, y + tall - 3, each * 0.5, 3, EMPTY, 1)
        between = len(self.labels) == len(self.counts) + 1
        widest = max(_wide(text, SMALL) for text in self.labels) + 8
        every = max(1, math.ceil(widest / each))
        for i, text in enumerate(self.labels):
            if i % every == 0:
                on.text(left + (i + (0 if between else 0.5)) * each, y + tall + 12, text, SMALL, FAINT, "m")
        if self.axis:
            on.text(left + room / 2, y + tall + 30, self.axis, SMALL, FAINT, "m")


@dataclass(frozen=True)
class Heat:
    """Cells by row (from the top) and column, darker where there is more.

    empty: the cells (row, column) that ought to hold something and do not; they are framed.

    columns, rows: their labels, in order; as many as cells, or one more: of the edges.
    """

    title: str
    cells: tuple[tuple[int, ...], ...]
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    axis: str = ""
    side: str = ""
    note: str = ""
    empty: frozenset[tuple[int, int]] = frozenset()
    numbers: bool = True
    cell_height: float = 22.0

    @property
    def height(self) -> float:
        """Pixels."""
        return _top(self.note) + self.cell_height * len(self.cells) + 26 + (18 if self.axis or self.side else 0)

    def draw(self, on: Canvas) -> None:
        """Draw it into WIDTH x height."""
        y = _head(on, self.title, self.note)
        left = max([0.0, *(_wide(text, SMALL) for text in self.rows)]) + 12
        room = WIDTH - left - 12
        wide, tall = room / max(1, len(self.columns_of)), self.cell_height
        largest = max([1, *(count for row in self.cells for count in row)])
        for r, row in enumerate(self.cells):
            for c, count in enumerate(row):
                x, top = left + c * wide, y + r * tall
                if (r, c) in self.empty:
                    on.frame(x + 1, top + 1, wide - 2, tall - 2, EMPTY)
                else:
                    on.rect(x + 0.5, top + 0.5, wide - 1, tall - 1, _shade(count / largest), 2)
                if self.numbers and wide >= 26 and (count or (r, c) in self.empty):
                    ink = EMPTY if not count else PAPER if count / largest > 0.3 else INK
                    on.text(x + wide / 2, top + tall / 2, _count(count), SMALL - 1, ink, "m")
        for i, text in enumerate(self.rows):
            at = y + (i + (0.0 if len(self.rows) > len(self.cells) else 0.5)) * tall
            on.text(left - 6, at, text, SMALL, FAINT, "r")
        edges = len(self.columns) > len(self.columns_of)
        every = max(1, math.ceil((max([1.0, *(_wide(t, SMALL) for t in self.columns)]) + 6) / wide))
        foot = y + tall * len(self.cells)
        for i, text in enumerate(self.columns):
            if text and (i % every == 0 or "" in self.columns):
                on.text(left + (i + (0.0 if edges else 0.5)) * wide, foot + 12, text, SMALL, FAINT, "m")
        if self.axis or self.side:
            words = " · ".join(text for text in (self.axis, self.side) if text)
            on.text(left + room / 2, foot + 30, words, SMALL, FAINT, "m")

    @property
    def columns_of(self) -> tuple[int, ...]:
        """The first row: what says how many columns there are."""
        return self.cells[0] if self.cells else ()


Chart = Bars | Histogram | Heat


def svg(chart: Chart) -> str:
    """The chart as one SVG element, for a page."""
    canvas = _Svg()
    chart.draw(canvas)
    size = f'viewBox="0 0 {WIDTH:g} {chart.height:g}" width="{WIDTH:g}" height="{chart.height:g}"'
    title = escape(chart.title)
    return f'<svg {size} role="img" aria-label="{title}" font-family="inherit">{"".join(canvas.parts)}</svg>'


def png(charts: Sequence[Chart], columns: int = 2, scale: float = 2.0) -> Image.Image:
    """Charts in columns on white, for the README; scale: pixels of the picture for one of the chart's."""
    gap, margin = 28.0, 20.0
    columns = max(1, min(columns, len(charts)))
    heights = [margin] * columns
    places = []
    for chart in charts:  # each under the shortest column
        column = heights.index(min(heights))
        places.append((margin + column * (WIDTH + gap), heights[column]))
        heights[column] += chart.height + gap
    size = (2 * margin + columns * (WIDTH + gap) - gap, max(heights) - gap + margin)
    image = Image.new("RGB", (round(size[0] * scale), round(size[1] * scale)), PAPER)
    draw = ImageDraw.Draw(image)
    for chart, (x, y) in zip(charts, places, strict=True):
        chart.draw(_Png(draw, x, y, scale))
    return image


class _Svg:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def rect(self, x: float, y: float, w: float, h: float, color: Rgb, radius: float = 0.0) -> None:
        round_ = f' rx="{radius:.3g}"' if radius else ""
        self.parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}"{round_} fill="{_hex(color)}"/>'
        )

    def frame(self, x: float, y: float, w: float, h: float, color: Rgb) -> None:
        self.parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}" rx="2" fill="none" '
            f'stroke="{_hex(color)}" stroke-opacity=".55"/>'
        )

    def line(self, x0: float, y0: float, x1: float, y1: float, color: Rgb) -> None:
        self.parts.append(f'<path d="M{x0:.2f} {y0:.2f}L{x1:.2f} {y1:.2f}" stroke="{_hex(color)}"/>')

    def text(
        self, x: float, y: float, text: str, size: float, color: Rgb, anchor: str = "l", bold: bool = False
    ) -> None:
        place = {"l": "start", "m": "middle", "r": "end"}[anchor]
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x:.2f}" y="{y + size * 0.35:.2f}" font-size="{size:g}" text-anchor="{place}"{weight} '
            f'fill="{_hex(color)}">{escape(text)}</text>'
        )


class _Png:
    def __init__(self, draw: ImageDraw.ImageDraw, x: float, y: float, scale: float) -> None:
        self.on, self.x, self.y, self.scale = draw, x, y, scale

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (self.x + x) * self.scale, (self.y + y) * self.scale

    def rect(self, x: float, y: float, w: float, h: float, color: Rgb, radius: float = 0.0) -> None:
        box = (*self._at(x, y), *self._at(x + w, y + h))
        self.on.rounded_rectangle(box, min(radius, w / 2, h / 2) * self.scale, fill=color)

    def frame(self, x: float, y: float, w: float, h: float, color: Rgb) -> None:
        pale = tuple(round(0.55 * c + 0.45 * 255) for c in color)
        self.on.rounded_rectangle((*self._at(x, y), *self._at(x + w, y + h)), 2 * self.scale, outline=pale, width=2)

    def line(self, x0: float, y0: float, x1: float, y1: float, color: Rgb) -> None:
        self.on.line((*self._at(x0, y0), *self._at(x1, y1)), fill=color, width=max(1, round(self.scale)))

    def text(
        self, x: float, y: float, text: str, size: float, color: Rgb, anchor: str = "l", bold: bool = False
    ) -> None:
        letters = font(round(size * self.scale))
        thick = 0.35 * self.scale if bold else 0
        self.on.text(self._at(x, y), text, fill=color, font=letters, anchor=f"{anchor}m", stroke_width=thick)


def shortened(text: str, room: float, size: float) -> str:
    """The text, its middle left out where it is wider than room."""
    if _wide(text, size) <= room:
        return text
    keep = len(text)
    while keep > 3 and _wide(text[: keep // 2] + "…" + text[len(text) - keep // 2 :], size) > room:
        keep -= 1
    return text[: keep // 2] + "…" + text[len(text) - keep // 2 :]


def _head(on: Canvas, title: str, note: str) -> float:
    on.text(PAD, 12, shortened(title, WIDTH - 2 * PAD, TITLE), TITLE, INK, bold=True)
    if note:
        on.text(PAD, 31, shortened(note, WIDTH - 2 * PAD, SMALL), SMALL, FAINT)
    return _top(note)


def _top(note: str) -> float:
    return 46.0 if note else 30.0


def _wide(text: str, size: float) -> float:
    """About how wide a text is; the letters of a browser are a little wider than Pillow's."""
    return WIDER * float(font(round(size * 2)).getlength(text)) / 2


def _nice(value: float) -> int:
    """The smallest of 1, 2, 5, 10, 20 ... that is not less."""
    power = 10 ** max(0, math.floor(math.log10(max(value, 1))))
    return int(next(n * power for n in (1, 2, 5, 10) if n * power >= value))


def _count(value: float) -> str:
    return (
        f"{value / 1000:g}k"
        if value >= 10_000 and value % 100 == 0
        else f"{value:,.0f}"
        if value < 10_000
        else f"{value / 1000:.0f}k"
    )


def _shade(share: float) -> Rgb:
    """From pale to deep blue; by the root, so that what is little is seen beside what is much."""
    depth = math.sqrt(share)
    deep = (28, 72, 124)
    return tuple(round(a + (b - a) * depth) for a, b in zip(SHALLOW, deep, strict=True))  # type: ignore[return-value]


def _hex(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
