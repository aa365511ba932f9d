"""From one photo of wear to a tileable texture of any size that never repeats it visibly.

Imports errors, images, recipe, numpy, OpenCV and textures' own modules; never bpy.

Image quilting (A. Efros and W. Freeman, "Image Quilting for Texture Synthesis and Transfer", SIGGRAPH 2001): blocks of
the photo are laid over each other so that they agree where they overlap, and cut along the path where they agree best.
Here the plane is a torus, so that the last blocks meet the first and the texture tiles; a block is looked for among all
places of the photo by the Fourier transform, and places that were used already are less welcome, so that no part of the
photo is seen twice side by side.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import SynGenError
from ..images import Array, Maps, Mask, luminance, srgb_to_linear
from ..recipe import Kind
from .pictured import even_lighting, maps_of

Ints = npt.NDArray[np.int64]

SMALLEST = 64
"""Least side of a photo, pixels."""
BLOCKS = 7
"""Blocks to a photo's shorter side: large enough to hold what makes the wear, small enough not to be recognised."""
OVERLAP = 1 / 3
"""Of a block's side."""
SEARCH = 160
"""Shorter side of the copy of the photo in which blocks are looked for."""
TOLERANCE = 0.15
"""A place is as good as the best if its error is within this share of it (Efros and Freeman use 0.1)."""
MOST_TILES = 2.0
"""Of a photo that spans more tiles than this a part is used: more than a tile's texels would only cost memory."""
MOST_MAGNIFIED = 16.0
"""A texel of the photo is never made larger than this many of the texture: there is nothing in it to see."""
PALETTE = (97, 85, 68, 50, 30, 12)
"""Percentiles of the photo's lightness that make its palette, from young to old."""
FRONT_COLORS = ("stain_linear", "runoff_linear", "bloom_linear", "scale_linear")
"""Fields of the kind's front that follow the photo."""


def exemplar_texture(photo_srgb: Array, kind: Kind, size: int, rng: np.random.Generator, *, span: float = 1.0) -> Maps:
    """A wear texture, size x size and tileable in both directions, that looks like the photo.

    photo_srgb: H x W x 3, [0, 1], seen square on; its broad falloff of light is evened out. span: its shorter side in
    tiles of the texture; with less than 1 the texture shows more of the wear than the photo does, without repeating it.
    kind: for the ranges of roughness and relief, which are read off the colours (pictured.py). Each rng gives another
    texture. Raises SynGenError for a photo that is too small (also for its span), of one colour or broken.
    """
    if size < SMALLEST:
        raise SynGenError(f"A wear texture cannot be {size} texels wide.", f"Use {SMALLEST} or more.")
    photo = _prepared(photo_srgb, size, span, rng)
    return maps_of(quilt(photo, size, rng), kind)


def kind_of(photo_srgb: Array, kind: Kind) -> Kind:
    """The kind with the photo's colours: palette, stain and run-off take them over. Raises SynGenError: too small."""
    _check_size(photo_srgb)
    color = even_lighting(np.ascontiguousarray(photo_srgb, np.float32), wraps=False)
    small = np.asarray(cv2.resize(color, (96, 96), interpolation=cv2.INTER_AREA), np.float32).reshape(-1, 3)
    small = small[np.argsort(luminance(small[None])[0], kind="stable")]
    at = [int(share / 100 * (len(small) - 1)) for share in PALETTE]
    palette = [small[max(0, i - 150) : i + 150].mean(axis=0) for i in at]
    stain = srgb_to_linear(np.asarray(palette[1], np.float32))
    colors = tuple((float(c[0]), float(c[1]), float(c[2])) for c in palette)
    linear = (float(stain[0]), float(stain[1]), float(stain[2]))
    return dataclasses.replace(
        kind,
        look=dataclasses.replace(kind.look, colors_srgb=colors),
        front=dataclasses.replace(
            kind.front,
            stain_linear=linear,
            runoff_linear=linear,
            # Young and old are in the photo already.
            bloom_linear=(1.0, 1.0, 1.0),
            scale_linear=(1.0, 1.0, 1.0),
        ),
    )


def _check_size(photo: Array) -> None:
    if photo.ndim != 3 or photo.shape[2] < 3 or min(photo.shape[:2]) < SMALLEST:
        raise SynGenError(
            f"The photo is {photo.shape[1] if photo.ndim > 1 else 0} x {photo.shape[0]} pixels.",
            f"Use one of {SMALLEST} pixels a side or more.",
        )


def _prepared(photo: Array, size: int, span: float, rng: np.random.Generator) -> Array:
    """The photo evened out and scaled so that its shorter side spans `span` tiles of size texels; a part of it drawn by
    rng where that is more than MOST_TILES."""
    _check_size(photo)
    color = even_lighting(np.ascontiguousarray(photo[..., :3], np.float32), wraps=False)
    if float(color.std(axis=(0, 1)).max()) < 0.004:
        raise SynGenError("The photo is of one color.", "Use one that shows wear.")
    scale = max(span * size, SMALLEST) / min(photo.shape[:2])
    if scale > MOST_MAGNIFIED:
        raise SynGenError(
            f"The photo is too coarse: {min(photo.shape[:2])} of its pixels would fill {span * size:.0f} texels.",
            "Lower texture.exemplar_m, raise texture.tile_m, or use a photo from nearer by.",
        )
    if span > MOST_TILES:
        color = _part(color, round(MOST_TILES * size / scale), rng)
    if scale < 1:
        small = (max(SMALLEST, round(color.shape[1] * scale)), max(SMALLEST, round(color.shape[0] * scale)))
        return np.asarray(cv2.resize(color, small, interpolation=cv2.INTER_AREA), np.float32)
    if scale > 1:
        large = (round(color.shape[1] * scale), round(color.shape[0] * scale))
        return np.asarray(np.clip(cv2.resize(color, large, interpolation=cv2.INTER_CUBIC), 0, 1), np.float32)
    return color


def _part(photo: Array, side: int, rng: np.random.Generator) -> Array:
    """side x side pixels of the photo, from anywhere in it."""
    top, left = (int(rng.integers(max(length - side, 0) + 1)) for length in photo.shape[:2])
    return np.ascontiguousarray(photo[top : top + side, left : left + side])


# --- quilting on a torus ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """count blocks a side, each of side block; starts: where they begin, evenly spread over size texels."""

    size: int
    count: int
    block: int
    overlap: int
    starts: Ints


def quilt(photo: Array, size: int, rng: np.random.Generator) -> Array:
    """size x size x 3, tileable, of blocks of the photo (H x W x 3).

    What is fine is cut sharply where blocks agree; what is coarse passes over into the next block across the whole
    overlap (two bands of P. Burt and E. Adelson, "A Multiresolution Spline", 1983), so that no block stands out.
    """
    grid = _grid(min(photo.shape[:2]), size)
    search = _Search(photo, grid, rng)
    coarse = np.asarray(cv2.GaussianBlur(photo, (0, 0), grid.overlap / 6, borderType=cv2.BORDER_REFLECT), np.float32)
    fine = photo - coarse
    canvas = np.zeros((2, size, size, 3), np.float32)
    filled = np.zeros((size, size), np.bool_)
    for row, column in _order(grid.count):
        rows = (grid.starts[row] + np.arange(grid.block)) % size
        columns = (grid.starts[column] + np.arange(grid.block)) % size
        window = np.ix_(rows, columns)
        there, known = np.stack([layer[window] for layer in canvas]), filled[window]
        top, left = search.place(there.sum(axis=0), known)
        place = slice(top, top + grid.block), slice(left, left + grid.block)
        sharp, smooth = _cut(photo[place], there.sum(axis=0), known, grid.overlap)
        for layer, old, new, share in zip(canvas, there, (coarse[place], fine[place]), (smooth, sharp), strict=True):
            layer[window] = old + share[..., None] * (new - old)
        filled[window] = True
    return np.asarray(np.clip(canvas.sum(axis=0), 0, 1), np.float32)


def _grid(photo: int, size: int) -> _Grid:
    block = max(16, min(photo // 2, round(photo * 2.2 / BLOCKS)))
    block = min(block, size // 2)
    count = max(2, round(size / (block * (1 - OVERLAP))))
    starts = np.round(np.arange(count) * size / count).astype(np.int64)
    step = int(np.diff(starts, append=size).max())
    overlap = max(4, block - step)
    return _Grid(size, count, min(step + overlap, size), overlap, starts)


def _order(count: int) -> Iterator[tuple[int, int]]:
    return ((row, column) for row in range(count) for column in range(count))


class _Search:
    """Finds blocks of the photo, on a small copy of it in Lab."""

    def __init__(self, photo: Array, grid: _Grid, rng: np.random.Generator) -> None:
        self.rng = rng
        height, width = photo.shape[:2]
        self.scale = min(1.0, SEARCH / min(height, width))
        shape = (max(8, round(width * self.scale)), max(8, round(height * self.scale)))
        small = cv2.resize(photo, shape, interpolation=cv2.INTER_AREA)
        self.small = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2Lab), np.float32)
        self.block, self.limit = grid.block, (height - grid.block, width - grid.block)
        side = max(3, round(grid.block * self.scale))
        self.side = min(side, shape[0], shape[1])
        self.used = np.zeros((shape[1] - self.side + 1, shape[0] - self.side + 1), np.float32)

    def place(self, there: Array, known: Mask) -> tuple[int, int]:
        """Top left corner in the photo of a block that goes on where it overlaps what is known."""
        if known.any():
            size = (self.side, self.side)
            mask = np.asarray(cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)
            filled = cv2.resize(np.where(known[..., None], there, 0), size, interpolation=cv2.INTER_AREA)
            template = cv2.cvtColor(np.clip(filled / np.maximum(mask, 1e-3)[..., None], 0, 1), cv2.COLOR_RGB2Lab)
            weights = np.repeat((mask > 0.5).astype(np.float32)[..., None], 3, axis=2)
            error = cv2.matchTemplate(self.small, np.asarray(template, np.float32), cv2.TM_SQDIFF, mask=weights)
            error = np.maximum(error, 0) / max(float(weights.sum()), 1.0)
        else:
            error = np.zeros_like(self.used)
        spread = float(self.small.std(axis=(0, 1)).mean()) ** 2
        error = error + self.used * np.float32(0.5 * spread)
        best = float(error.min())
        rows, columns = np.nonzero(error <= best * (1 + TOLERANCE) + 1e-3 * spread)
        pick = int(self.rng.integers(len(rows)))
        row, column = int(rows[pick]), int(columns[pick])
        self._remember(row, column)
        shift = 0.5 / self.scale  # somewhere within the small texel
        top = round(row / self.scale + self.rng.uniform(-shift, shift))
        left = round(column / self.scale + self.rng.uniform(-shift, shift))
        return min(max(top, 0), self.limit[0]), min(max(left, 0), self.limit[1])

    def _remember(self, row: int, column: int) -> None:
        """Places near one that was taken become less welcome."""
        y, x = np.ogrid[: self.used.shape[0], : self.used.shape[1]]
        near = ((y - row) ** 2 + (x - column) ** 2) / (0.45 * self.side) ** 2
        self.used += np.exp(-near).astype(np.float32)


def _cut(new: Array, there: Array, known: Mask, overlap: int) -> tuple[Array, Array]:
    """How much of the new block shows, 0 to 1, of what is fine and of what is coarse: all where nothing is yet; on each

    known side up to the cut, and rising over the overlap.
    """
    side = len(new)
    error = ((new - there) ** 2).sum(axis=2)
    sharp, smooth = np.ones((2, side, side), np.float32)
    ramp = np.ones(side, np.float32)
    t = (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
    ramp[:overlap] = t * t * (3 - 2 * t)
    for turns in range(4):  # left, then the other sides, turned to the left
        if np.rot90(known, turns)[:, 0].mean() < 0.5:
            continue
        seam = _seam(np.ascontiguousarray(np.rot90(error, turns)[:, :overlap]))
        inside = np.ones((side, side), np.float32)
        inside[:, :overlap] = np.arange(overlap)[None] >= seam[:, None]
        sharp = np.minimum(sharp, np.rot90(inside, -turns))
        smooth = smooth * np.rot90(np.broadcast_to(ramp, (side, side)), -turns)
    sharp = np.asarray(cv2.GaussianBlur(np.ascontiguousarray(sharp), (0, 0), max(0.8, overlap / 24)), np.float32)
    return np.where(known, sharp, 1).astype(np.float32), np.where(known, smooth, 1).astype(np.float32)


def _seam(error: Array) -> Ints:
    """The column of each row at which a path from the first row to the last costs least; error: rows x columns."""
    cost = error.astype(np.float64)
    rows = len(cost)
    for row in range(1, rows):
        above = np.pad(cost[row - 1], 1, constant_values=np.inf)
        cost[row] += np.minimum(np.minimum(above[:-2], above[1:-1]), above[2:])
    seam = np.empty(rows, np.int64)
    seam[-1] = int(np.argmin(cost[-1]))
    for row in range(rows - 2, -1, -1):
        low = max(seam[row + 1] - 1, 0)
        seam[row] = low + int(np.argmin(cost[row, low : seam[row + 1] + 2]))
    return seam
