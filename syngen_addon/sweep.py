"""Neural transfer over weights of content and style, as a contact sheet, a table and a plot: what a weight does.

Imports methods, variants, the stages, the foundations, the worker's protocol and Pillow; never bpy, never torch. It is
the second experiment of SynGen-Vision (arXiv 2509.04894), for an object of one's own.

    <gallery>/<object>/sweeps/<kind>-<method>.png         every pair of weights on the same part of the base texture
                                     <kind>-<method>.csv         the numbers
                                     <kind>-<method>-plot.png    structure kept against style reached
"""

import csv
import io
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from . import images
from .errors import Cancelled, SynGenError
from .files import write_bytes
from .formats.sheet import FAINT, INK, PAPER, Color, font, rounded, write_png
from .images import Array, Mask, SurfaceMaps
from .methods import Tools, Watch, identities, stylised, wear_textures
from .recipe import Recipe
from .transfer import neural
from .transfer.patch import transfer
from .variants import Request, SlotInput, object_folder, sized
from .wear.mesh import MeshArrays, check_mesh
from .wear.surface import surface_maps
from .worker.protocol import Measure

METHODS = {"gatys": "Neural, Optimized", "adain": "Neural, Fast"}
PART = 0.5
"""Side of the part that is shown, in shorter sides of the base texture; more where that has fewer texels than asked."""
CELL = 384
"""Least side of a cell as it is drawn, so that its numbers can be read."""
LINES: tuple[Color, ...] = (
    (88, 200, 255), (255, 208, 82), (226, 128, 255), (122, 222, 158), (255, 128, 160), (178, 150, 255),
)  # fmt: skip
TILE: Color = (30, 33, 38)
RULE: Color = (52, 56, 62)
FINE = 2


@dataclass(frozen=True)
class Grid:
    """The weights, each with each."""

    content: tuple[float, ...] = (0.3, 1.0, 3.0)
    style: tuple[float, ...] = (0.1, 0.5, 2.0, 10.0)


@dataclass(frozen=True)
class Cell:
    """One pair of weights (0 for the patch transfer, which has none).

    structure: SSIM to the base texture, 1 is the same. style: distance of feature statistics to the style's, 0 is the
    same, 1 as far as the base texture.
    """

    method: str
    content_weight: float
    style_weight: float
    structure: float
    style: float


@dataclass(frozen=True)
class SweepResult:
    """What a sweep has found, and its files. cells: row by row, one content weight a row. patch: without weights."""

    path: Path
    plot: Path
    table: Path
    title: str
    cells: tuple[Cell, ...]
    patch: Cell


def run(
    request: Request,
    gallery: Path,
    *,
    tools: Tools,
    grid: Grid | None = None,
    size: int = 384,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SweepResult:
    """Transfer with each pair of weights, measure, and draw the sheet.

    size: side of what is shown and computed, texels. All else is as the recipe says, whose transfer.method is "gatys"
    or "adain". Raises SynGenError, Cancelled; nothing is written then.
    """
    request = sized(request)
    grid, recipe = grid or Grid(), request.recipe
    method = recipe.transfer.method
    _check(grid, method, size)

    def tell(fraction: float, text: str) -> None:
        if should_stop():
            raise Cancelled
        progress(fraction, text)

    watch = Watch(tell, should_stop)
    check_mesh(request.mesh, [slot.index for slot in request.slots])
    part = _part(request, size)
    watch.progress(0.0, "Wear texture")
    models = identities(recipe, tools, watch.part(0, 0))
    begin = 0.02 if recipe.texture.method == "procedural" else 0.3
    made = next(
        iter(wear_textures(request.kind, recipe, [recipe.texture.seed], gallery, tools, models, watch.part(0, begin)))
    )
    tile_m, photo = recipe.texture.tile_m, recipe.transfer.style_image
    patched = transfer(
        part.base_srgb, made.maps, recipe.transfer, tile_m=tile_m, coverage=request.kind.coverage,
        surface=part.surface, protect=part.protect,
    )  # fmt: skip
    ask = neural.prepare(
        part.base_srgb, made.maps, recipe.transfer, tile_m=tile_m, patched=patched,
        surface=part.surface, protect=part.protect, style_srgb=images.load(photo)[..., :3] if photo else None,
    )  # fmt: skip
    pairs = [(c, s) for c in grid.content for s in grid.style]
    pictures = [part.base_srgb, patched.color_srgb]
    for number, (content, style) in enumerate(pairs):
        low, high = (begin + (0.97 - begin) * (number + i) / len(pairs) for i in (0, 1))
        text = f"Weights {number + 1} of {len(pairs)}"
        watch.progress(low, text)
        weighed = replace(recipe, neural=replace(recipe.neural, content_weight=content, style_weight=style))
        with tempfile.TemporaryDirectory(prefix="syngen-") as scratch:
            picture = stylised(ask, weighed, Path(scratch), tools, watch.part(low, high, text))
        aged = neural.finish(
            ask, picture, part.base_srgb, made.maps, recipe.transfer, patched=patched,
            surface=part.surface, protect=part.protect,
        )  # fmt: skip
        pictures.append(aged.color_srgb)
    watch.progress(0.97, "Measuring")
    structure, distance = _measured(ask, pictures, recipe, tools, watch.part(0.97, 1.0))
    cells = tuple(
        Cell(method, c, s, structure[n + 2], distance[n + 2]) for n, (c, s) in enumerate(pairs)
    )
    patch = Cell("patch", 0.0, 0.0, structure[1], distance[1])
    folder = object_folder(gallery, request.name) / "sweeps"
    stem = f"{request.kind.name}-{method}"
    title = f"{request.kind.label} on {request.name}: {METHODS[method]}"
    result = SweepResult(
        folder / f"{stem}.png", folder / f"{stem}-plot.png", folder / f"{stem}.csv", title, cells, patch
    )
    first = Cell("base", 0.0, 0.0, structure[0], distance[0])
    sheet = _sheet(result, grid, first, pictures, ask.style_srgb, size)
    write_bytes(result.table, _table((first, patch, *cells)))
    plot((result,), result.plot)
    write_png(result.path, sheet)
    progress(1.0, "Done")
    return result


def _check(grid: Grid, method: str, size: int) -> None:
    if method not in METHODS:
        raise SynGenError(f"There is no sweep over weights for the method {method!r}.", f"Use {' or '.join(METHODS)}.")
    if not grid.content or not grid.style:
        raise SynGenError("The sweep has no weights.", "Name one weight of content and one of style at least.")
    if any(w < 0 or not math.isfinite(w) for w in (*grid.content, *grid.style)) or not any(grid.content + grid.style):
        raise SynGenError("A weight of the sweep is no number from 0 on, or all are 0.", "Use for example 0.3 and 3.")
    if not 64 <= size <= 2048:
        raise SynGenError(f"Cells of {size} texels are not possible.", "Use 64 to 2048.")


# --- the part that is shown ------------------------------------------------------------------------------------------


def _part(request: Request, size: int) -> "_Part":
    """The part of the object's largest slot in which most is to be seen, as a picture of size x size at most."""
    slot = max(request.slots, key=lambda s: _area(request.mesh, s.index))
    height, width = slot.base_srgb.shape[:2]
    side = min(max(round(min(height, width) * PART), size), height, width)
    scale = min(1.0, size / side)
    small = max(1, round(width * scale)), max(1, round(height * scale))
    base = slot.base_srgb if scale == 1 else images.resize(slot.base_srgb, *small)
    surface = surface_maps(request.mesh, slot.index, *small)
    side = min(size, *small)
    top, left = busiest(base, surface.covered, side)
    rows, columns = slice(top, top + side), slice(left, left + side)

    def cut(image: Array) -> Array:
        return np.ascontiguousarray(image[rows, columns])

    return _Part(
        cut(base),
        SurfaceMaps(
            cut(surface.position_m),
            cut(surface.normal),
            np.ascontiguousarray(surface.covered[rows, columns]),
            cut(surface.texel_area_m2),
        ),
        None if slot.protect is None else _fit(slot, small)[rows, columns],
    )


@dataclass(frozen=True)
class _Part:
    base_srgb: Array
    surface: SurfaceMaps
    protect: Mask | None


def _area(mesh: MeshArrays, slot: int) -> float:
    """World area of a slot's triangles, m2."""
    a, b, c = (mesh.vertices[mesh.triangles[mesh.slots == slot, i]] for i in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _fit(slot: SlotInput, size: tuple[int, int]) -> Mask:
    assert slot.protect is not None
    resized = cv2.resize(slot.protect.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized > 0, np.bool_)


def busiest(image: Array, covered: Mask, side: int) -> tuple[int, int]:
    """(row, column) of the side x side window that lies most on the object and has most detail there."""
    light = np.ascontiguousarray(images.luminance(image))
    slope = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    # Square roots, so that one hard edge does not outweigh a whole label.
    worth = np.where(covered, 0.05 + np.sqrt(slope), 0.0)
    total = cv2.integral(worth)
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    row, column = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return int(row), int(column)


# --- numbers ---------------------------------------------------------------------------------------------------------


def _measured(
    ask: neural.Ask, pictures: Sequence[Array], recipe: Recipe, tools: Tools, watch: Watch
) -> tuple[list[float], list[float]]:
    """(structure, style) of every picture, as protocol.Measure says."""
    assert tools.runner is not None  # the transfers before would have said so
    with tempfile.TemporaryDirectory(prefix="syngen-") as name:
        scratch = Path(name)
        paths = []
        for number, picture in enumerate(pictures):
            paths.append(scratch / f"{number:04d}.png")
            images.save_png(paths[-1], picture, 16)
        images.save_png(scratch / "content.png", ask.content_srgb, 16)
        images.save_png(scratch / "style.png", ask.style_srgb, 16)
        images.save_png(scratch / "mask.png", ask.mask.astype(np.float32))
        job = Measure(
            content=str(scratch / "content.png"),
            style=str(scratch / "style.png"),
            pictures=tuple(map(str, paths)),
            vgg=recipe.neural.vgg or tools.vgg,
            mask=str(scratch / "mask.png"),
            online=tools.online,
        )
        done = tools.runner.run(job, progress=watch.progress, preview=tools.preview, should_stop=watch.should_stop)
    return [float(v) for v in done["structure"]], [float(v) for v in done["style"]]


def _table(cells: Sequence[Cell]) -> bytes:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["method", "content_weight", "style_weight", "structure", "style"])
    for cell in cells:
        weights = (f"{w:g}" if cell.method in METHODS else "" for w in (cell.content_weight, cell.style_weight))
        rows.writerow([cell.method, *weights, f"{cell.structure:.4f}", f"{cell.style:.4f}"])
    return out.getvalue().encode()


# --- the sheet -------------------------------------------------------------------------------------------------------


def _sheet(
    result: SweepResult, grid: Grid, base: Cell, pictures: Sequence[Array], style: Array, size: int
) -> Image.Image:
    """Base texture, style and patch transfer in a column on the left; beside it a row a content weight.

    size: side of a cell, which is drawn larger where its numbers would be too small to read.
    """
    cell = max(size, CELL)
    gap, margin, head, axis = cell // 32, cell // 12, round(cell * 0.26), round(cell * 0.11)
    rows, columns = len(grid.content), len(grid.style)
    left = margin + cell + margin + axis
    width = left + columns * (cell + gap) - gap + margin
    height = head + axis + max(rows, 3) * (cell + gap) - gap + margin
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    large, plain = font(round(cell * 0.068)), font(round(cell * 0.046))
    draw.text((margin, head * 0.42), result.title, font=large, fill=INK, anchor="lm")
    draw.text(
        (margin, head * 0.78),
        "structure: likeness to the base texture, 1 is the same      style: distance to the style, 0 is there",
        font=plain, fill=FAINT, anchor="lm",
    )  # fmt: skip
    top = head + axis
    for number, (name, picture, about) in enumerate((
        ("Base texture", pictures[0], base), ("Style", style, None), ("By patches", pictures[1], result.patch),
    )):  # fmt: skip
        y = top + number * (cell + gap)
        shown = picture if about is not None else images.tile(picture, *pictures[0].shape[1::-1])
        _paste(sheet, _square(shown, cell), (margin, y), cell)
        _tag(sheet, name, (margin, y), cell)
        if about is not None:
            _numbers(sheet, about, (margin, y), cell)
    for column, weight in enumerate(grid.style):
        x = left + column * (cell + gap) + cell / 2
        draw.text((x, head + axis * 0.42), f"style {weight:g}", font=plain, fill=INK, anchor="mm")
    for row, weight in enumerate(grid.content):
        y = top + row * (cell + gap)
        _upright(sheet, f"content {weight:g}", (left - round(axis * 0.62), y + cell // 2), round(cell * 0.046))
        for column in range(columns):
            number = row * columns + column
            place = (left + column * (cell + gap), y)
            _paste(sheet, _square(pictures[number + 2], cell), place, cell)
            _numbers(sheet, result.cells[number], place, cell)
    return sheet


def _square(picture: Array, cell: int) -> Image.Image:
    """The picture over a whole cell."""
    image = Image.fromarray(images.to_bytes(picture))
    return image if image.size == (cell, cell) else image.resize((cell, cell), Image.Resampling.LANCZOS)


def _paste(sheet: Image.Image, picture: Image.Image, place: tuple[int, int], cell: int) -> None:
    sheet.paste(picture, place, rounded(picture.size, cell // 48))


def _numbers(sheet: Image.Image, cell: Cell, place: tuple[int, int], side: int) -> None:
    """Both numbers on a strip over the picture's foot."""
    high = round(side * 0.082)
    strip = Image.new("RGBA", (side * FINE, high * FINE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(strip)
    draw.rectangle((0, 0, strip.width, strip.height), fill=(*PAPER, 205))
    letters = font(round(side * 0.046) * FINE)
    pad, middle = side * 0.032 * FINE, strip.height / 2
    draw.text((pad, middle), "structure", font=letters, fill=FAINT, anchor="lm")
    after = pad + letters.getlength("structure ")
    draw.text((after, middle), f"{cell.structure:.2f}", font=letters, fill=INK, anchor="lm")
    number, end = f"{cell.style:.2f}", strip.width - pad
    draw.text((end, middle), number, font=letters, fill=INK, anchor="rm")
    draw.text((end - letters.getlength(" " + number), middle), "style", font=letters, fill=FAINT, anchor="rm")
    strip = strip.resize((side, high), Image.Resampling.BOX)
    corners = rounded((side, side), side // 48).crop((0, side - high, side, side))
    cut = Image.composite(strip, Image.new("RGBA", strip.size, (0, 0, 0, 0)), corners)
    sheet.paste(cut, (place[0], place[1] + side - high), cut)


def _tag(sheet: Image.Image, text: str, place: tuple[int, int], side: int) -> None:
    """What a picture is, at its upper left corner."""
    letters = font(round(side * 0.046) * FINE)
    pad = round(side * 0.024)
    wide, high = round(letters.getlength(text) / FINE) + 2 * pad, round(side * 0.075)
    tag = Image.new("RGBA", (wide * FINE, high * FINE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(tag)
    draw.rounded_rectangle((0, 0, tag.width - 1, tag.height - 1), radius=high * FINE * 0.25, fill=(*PAPER, 215))
    draw.text((tag.width / 2, tag.height / 2), text, font=letters, fill=(*INK, 255), anchor="mm")
    tag = tag.resize((wide, high), Image.Resampling.BOX)
    sheet.paste(tag, (place[0] + pad, place[1] + pad), tag)


def _upright(sheet: Image.Image, text: str, middle: tuple[int, int], size: int) -> None:
    """Text that reads upwards."""
    letters = font(size)
    box = Image.new("L", (round(letters.getlength(text)) + 4, size * 2))
    ImageDraw.Draw(box).text((box.width / 2, box.height / 2), text, font=letters, fill=255, anchor="mm")
    box = box.rotate(90, expand=True)
    sheet.paste(INK, (middle[0] - box.width // 2, middle[1] - box.height // 2), box)


# --- the plot --------------------------------------------------------------------------------------------------------


def plot(results: Sequence[SweepResult], path: Path, *, width: int = 760, height: int = 560) -> Path:
    """Structure kept against style reached, a line a content weight; one field a result, side by side, same axes.

    Further up the base texture is kept better, further left the style is reached better. Writes a PNG.
    """
    scale = 2 * FINE  # drawn larger and reduced, for smooth lines
    sheet = Image.new("RGB", (width * len(results) * FINE, height * FINE), PAPER)
    points = [p for r in results for p in (*r.cells, r.patch)]
    right = _above(max(1.0, *(p.style for p in points)))
    low = math.floor(round((min(p.structure for p in points) - 0.1) * 5, 6)) / 5
    for number, result in enumerate(results):
        field = Image.new("RGB", (width * scale, height * scale), PAPER)
        _field(field, result, scale, right, low)
        sheet.paste(field.resize((width * FINE, height * FINE), Image.Resampling.LANCZOS), (number * width * FINE, 0))
    return write_png(path, sheet.resize((width * len(results), height), Image.Resampling.LANCZOS))


def _above(value: float) -> float:
    """The next step of the axis above a value, which no point lies on."""
    return math.ceil(value * 5 + 0.3) / 5


def _field(image: Image.Image, result: SweepResult, scale: int, right: float, low: float) -> None:
    draw = ImageDraw.Draw(image)
    width, height = image.width / scale, image.height / scale
    box = (62.0, 62.0, width - 26, height - 60)
    plain, small = font(14 * scale), font(12 * scale)

    def at(style: float, structure: float) -> tuple[float, float]:
        x = box[0] + (box[2] - box[0]) * style / right
        return x * scale, (box[3] - (box[3] - box[1]) * (structure - low) / (1 - low)) * scale

    draw.text((box[0] * scale, 28 * scale), result.title, font=font(17 * scale), fill=INK, anchor="lm")
    every = 0.1 if low >= 0.4 else 0.2
    for step in range(round((1 - low) / every) + 1):
        value = low + step * every
        x0, y = at(0, value)
        draw.line((x0, y, box[2] * scale, y), fill=RULE, width=scale // 2)
        draw.text((x0 - 10 * scale, y), f"{value:.1f}", font=small, fill=FAINT, anchor="rm")
    for step in range(round(right * 5) + 1):
        x, y = at(step / 5, low)
        draw.line((x, y, x, y + 4 * scale), fill=FAINT, width=scale // 2)
        draw.text((x, y + 16 * scale), f"{step / 5:.1f}", font=small, fill=FAINT, anchor="mm")
    bottom = at(0, low)[1]
    middle = (box[0] + box[2]) / 2 * scale
    draw.text((middle, bottom + 40 * scale), "distance to the style", font=plain, fill=FAINT, anchor="mm")
    _upright(image, "structure kept (SSIM)", (18 * scale, round((box[1] + box[3]) / 2 * scale)), 14 * scale)

    weights = sorted({c.content_weight for c in result.cells})
    lines = [
        sorted((c for c in result.cells if c.content_weight == w), key=lambda c: c.style_weight) for w in weights
    ]
    colors = [LINES[n % len(LINES)] for n in range(len(lines))]
    for line, color in zip(lines, colors, strict=True):
        draw.line([xy for c in line for xy in at(c.style, c.structure)], fill=color, width=2 * scale, joint="curve")
    for line, color in zip(lines, colors, strict=True):
        for cell in line:
            _dot(draw, at(cell.style, cell.structure), 4.5 * scale, color)
    for cell in lines[-1]:  # the uppermost line, over which there is room
        x, y = at(cell.style, cell.structure)
        place = (x - 7 * scale, y - 8 * scale)
        draw.text(place, f"style {cell.style_weight:g}", font=small, fill=FAINT, anchor="rs")
    _legend(draw, [(f"content {w:g}", color) for w, color in zip(weights, colors, strict=True)], box, scale)
    for cell, name in ((result.patch, "by patches"), (Cell("base", 0, 0, 1.0, 1.0), "base texture")):
        x, y = at(cell.style, cell.structure)
        for reach, color in ((9 * scale, PAPER), (6 * scale, INK)):
            draw.polygon(((x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)), fill=color)
        beside = x + 10 * scale + small.getlength(name) < image.width
        side, anchor = (10, "la") if beside else (-10, "ra")
        draw.text((x + side * scale, y + 5 * scale), name, font=small, fill=INK, anchor=anchor)


def _dot(draw: ImageDraw.ImageDraw, place: tuple[float, float], radius: float, color: Color) -> None:
    x, y = place
    draw.ellipse((x - radius * 1.5, y - radius * 1.5, x + radius * 1.5, y + radius * 1.5), fill=PAPER)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def _legend(
    draw: ImageDraw.ImageDraw, entries: Sequence[tuple[str, Color]], box: tuple[float, ...], scale: int
) -> None:
    """The lines' names, in the lower right corner, which good results leave empty."""
    letters = font(13 * scale)
    x, y = box[2] * scale - max(letters.getlength(name) for name, _ in entries) - 12 * scale, (box[3] - 18) * scale
    for name, color in reversed(entries):
        _dot(draw, (x - 14 * scale, y), 4.5 * scale, color)
        draw.text((x, y), name, font=letters, fill=INK, anchor="lm")
        y -= 22 * scale
