"""Style transfer by optimising a picture against VGG features. Imports torch and vgg only.

L. Gatys, A. Ecker and M. Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016; masks and the way
from coarse to fine: L. Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer", 2017.

The loss is (c x content + s x STYLE_UNIT x style) / (c + s):
- content: squared distance of the features of CONTENT_LAYER to the content picture's, over the mean square of these and
  of the style picture's together;
- style: squared distance of the Gram matrices of STYLE_LAYERS to the style picture's, over their square; mean of the
  layers. A Gram matrix is the mean over the cells that count.
Both are ratios and means: a weight means the same for every size, mask and picture.

The first steps are made on halved copies, of content and style alike: they are cheap, and there the same layers see
structure twice as wide. What a level finds is added, enlarged, to the next one's start, whose detail stays.

A picture may be computed in tiles: Gram matrices are summed over all of them first, and each then sends back the
gradient of the loss of the whole. The result is the same but for rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .vgg import MIN_SIDE, SCALE, STRIDE, VGG_REACH, Tensor, Tile, Vgg, resampled, tiles

STYLE_LAYERS = ("1_1", "2_1", "3_1", "4_1")
CONTENT_LAYER = "3_1"
STYLE_UNIT = 4.0
"""What one unit of style weight counts beside one of content weight: 1 : 1 then holds labels and panel lines on real
textures while their colour and grain become the style's."""
HISTORY = 30
"""Steps that the optimiser remembers; each holds two pictures."""
LEVELS = 3
COARSEST = 128
"""Texels: no side is halved below it."""
SHARES = (0.65, 0.2)
"""Of the steps at full and half size; the coarsest level has what is left."""
FIRST_STEP = 0.02
"""Mean change of a value that counts in the first step of a level."""


@dataclass(frozen=True)
class Losses:
    """Of one picture: content and style as above, total as weighted."""

    content: float
    style: float
    total: float


# --- statistics ------------------------------------------------------------------------------------------------------


def statistics(
    vgg: Vgg,
    picture: Tensor,
    side: int = 0,
    mask: Tensor | None = None,
    wraps: bool = False,
    tick: Callable[[], None] = lambda: None,
) -> list[Tensor]:
    """The Gram matrix of each style layer, C x C, of a picture 1 x 3 x H x W.

    side: of the tiles, 0 for the whole. mask: 1 x 1 x H x W. tick: called before each tile; may raise.
    """
    cells = cell_weights(mask, picture)
    sums: list[Tensor] = []
    with torch.no_grad():
        for tile in tiles(picture.shape[-2], picture.shape[-1], side, VGG_REACH, wraps, picture.device):
            tick()
            sums = _add(sums, _grams(tile, cells, vgg.features(tile.cut(picture), STYLE_LAYERS, tile.wraps)))
    return sums


def cell_weights(mask: Tensor | None, picture: Tensor) -> dict[str, Tensor]:
    """Block of layers -> how much each of its cells counts, 1 x 1 x H/s x W/s; their sum is 1.

    mask: 1 x 1 x H x W in [0, 1]; None: all count alike. A cell counts by the share of its texels that do.
    """
    mask = torch.ones_like(picture[:, :1]) if mask is None else mask
    weights = {}
    for block, scale in SCALE.items():
        cells = torch.nn.functional.avg_pool2d(mask, scale)
        weights[block] = cells / cells.sum()
    return weights


def apart(grams: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """Distance of two pictures' statistics, over the size of the wanted ones: mean of the layers."""
    return sum(float((a - b).norm() / b.norm()) for a, b in zip(grams, wanted, strict=True)) / len(wanted)


def _grams(tile: Tile, cells: dict[str, Tensor], seen: Sequence[Tensor]) -> list[Tensor]:
    """What a tile contributes to the Gram matrices. seen: the features of STYLE_LAYERS, first of all."""
    found = []
    for name, features in zip(STYLE_LAYERS, seen, strict=False):
        scale = SCALE[name[0]]
        rows = tile.own(features, scale).permute(0, 2, 3, 1).reshape(-1, features.shape[1])
        found.append(rows.T @ (rows * tile.of(cells[name[0]], scale).reshape(-1, 1)))
    return found


def _add(sums: list[Tensor], more: list[Tensor]) -> list[Tensor]:
    return [a + b for a, b in zip(sums, more, strict=True)] if sums else more


# --- the loss --------------------------------------------------------------------------------------------------------


class Objective:
    """The loss of a picture of one size, and its gradient.

    content: 1 x 3 x H x W. style: as `statistics` gives it. weights: of content and style. mask: 1 x 1 x H x W or None.
    side: of the tiles, 0 for the whole. tick: called before each tile; may raise.
    """

    def __init__(
        self,
        vgg: Vgg,
        content: Tensor,
        style: Sequence[Tensor],
        weights: tuple[float, float],
        mask: Tensor | None = None,
        wraps: bool = False,
        side: int = 0,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.vgg, self.style, self.tick = vgg, style, tick
        self.content_weight, self.style_weight = weights[0] / sum(weights), STYLE_UNIT * weights[1] / sum(weights)
        self.cells = cell_weights(mask, content)
        self.tiles = tiles(content.shape[-2], content.shape[-1], side, VGG_REACH, wraps, content.device)
        self.wanted: list[Tensor] = []
        self.content_unit = float(style[STYLE_LAYERS.index(CONTENT_LAYER)].trace())
        with torch.no_grad():
            for tile in self.tiles:
                tick()
                (seen,) = vgg.features(tile.cut(content), (CONTENT_LAYER,), tile.wraps)
                self.wanted.append(tile.own(seen, SCALE[CONTENT_LAYER[0]]).clone())
                self.content_unit += self._weighted_square(tile, self.wanted[-1])
        self.style_units = [float(wanted.square().sum()) * len(STYLE_LAYERS) for wanted in style]

    def losses(self, picture: Tensor) -> Losses:
        """Those of a picture."""
        return self._evaluate(picture, gradient=False)[0]

    def __call__(self, picture: Tensor) -> tuple[Losses, Tensor]:
        """Those of a picture, and the gradient of their total, 1 x 3 x H x W."""
        return self._evaluate(picture, gradient=True)

    def _evaluate(self, picture: Tensor, gradient: bool) -> tuple[Losses, Tensor]:
        # A single tile is looked at once; of many, what the first round saw would not fit into memory.
        once = len(self.tiles) == 1
        grams: list[Tensor] = []
        content = 0.0
        for tile, wanted in zip(self.tiles, self.wanted, strict=True):
            part, seen = self._look(tile, picture, gradient and once)
            with torch.no_grad():
                grams = _add(grams, _grams(tile, self.cells, seen))
                content += self._weighted_square(tile, self._own_content(tile, seen) - wanted) / self.content_unit
        off = [a - b for a, b in zip(grams, self.style, strict=True)]
        style = sum(float(d.square().sum()) / unit for d, unit in zip(off, self.style_units, strict=True))
        losses = Losses(content, style, self.content_weight * content + self.style_weight * style)
        total = torch.zeros_like(picture)
        if gradient:
            pulls = [d * (4 * self.style_weight / unit) for d, unit in zip(off, self.style_units, strict=True)]
            for tile, wanted in zip(self.tiles, self.wanted, strict=True):
                if not once:
                    part, seen = self._look(tile, picture, True)
                with torch.no_grad():
                    by_features = self._by_features(tile, wanted, seen, pulls)
                tile.add(total, torch.autograd.grad(seen, part, by_features)[0])
        return losses, total

    def _look(self, tile: Tile, picture: Tensor, gradient: bool) -> tuple[Tensor, list[Tensor]]:
        """The tile of the picture, and what STYLE_LAYERS see of it; CONTENT_LAYER is one of them."""
        self.tick()
        with torch.set_grad_enabled(gradient):
            part = tile.cut(picture).detach().requires_grad_(gradient)
            return part, self.vgg.features(part, STYLE_LAYERS, tile.wraps)

    def _own_content(self, tile: Tile, seen: Sequence[Tensor]) -> Tensor:
        return tile.own(seen[STYLE_LAYERS.index(CONTENT_LAYER)], SCALE[CONTENT_LAYER[0]])

    def _weighted_square(self, tile: Tile, features: Tensor) -> float:
        return float((features.square() * tile.of(self.cells[CONTENT_LAYER[0]], SCALE[CONTENT_LAYER[0]])).sum())

    def _by_features(self, tile: Tile, wanted: Tensor, seen: Sequence[Tensor], pulls: Sequence[Tensor]) -> list[Tensor]:
        """The gradient of the total by each layer's features of a tile. pulls: by the Gram matrices, symmetric."""
        found = []
        for name, features, pull in zip(STYLE_LAYERS, seen, pulls, strict=True):
            scale = SCALE[name[0]]
            own = tile.own(features, scale)
            push = (own.permute(0, 2, 3, 1) @ pull).permute(0, 3, 1, 2)
            if name == CONTENT_LAYER:
                push = push + (own - wanted) * (2 * self.content_weight / self.content_unit)
            push = push * tile.of(self.cells[name[0]], scale)
            if not tile.whole:
                around = torch.zeros_like(features)
                tile.own(around, scale)[...] = push
                push = around
            found.append(push)
        return found


# --- the search ------------------------------------------------------------------------------------------------------


class Lbfgs:
    """L-BFGS for values in [0, 1], one evaluation a step (J. Nocedal, "Updating Quasi-Newton Matrices ...", 1980).

    mask: 1 x 1 x H x W, how much each texel counts, or None; the length of the first step is theirs.
    """

    def __init__(self, start: Tensor, mask: Tensor | None = None) -> None:
        self.picture = start.clamp(0, 1)
        self._counts = None if mask is None else mask / mask.mean()
        self._best = (float("inf"), self.picture)
        self._pairs: list[tuple[Tensor, Tensor, float]] = []
        self._last: tuple[Tensor, Tensor] | None = None
        self._first = FIRST_STEP

    def step(self, loss: float, gradient: Tensor) -> None:
        """Go on from the picture, whose loss and gradient these are."""
        x = self.picture
        if loss < self._best[0]:
            self._best = (loss, x)
        elif not loss < 2 * self._best[0]:  # also where it is no number: back, and on with more care
            self.picture, self._pairs, self._last, self._first = self._best[1], [], None, self._first / 4
            self._best = (float("inf"), self.picture)
            return
        if self._last is not None:
            moved, turned = x - self._last[0], gradient - self._last[1]
            bent = _dot(moved, turned)
            if bent > 1e-10 * _dot(turned, turned):
                self._pairs = [*self._pairs, (moved, turned, bent)][-HISTORY:]
        self._last = (x, gradient)
        # What pushes against a bound stays there.
        held = ((x <= 0) & (gradient > 0)) | ((x >= 1) & (gradient < 0))
        self.picture = (x + self._way(gradient.masked_fill(held, 0)).masked_fill(held, 0)).clamp(0, 1)

    def _way(self, gradient: Tensor) -> Tensor:
        if not self._pairs:
            steep = gradient.abs() if self._counts is None else gradient.abs() * self._counts
            return gradient * (-self._first / max(float(steep.mean()), 1e-30))
        way, shares = -gradient, []
        for moved, turned, bent in reversed(self._pairs):
            shares.append(_dot(moved, way) / bent)
            way = way - shares[-1] * turned
        _, turned, bent = self._pairs[-1]
        way = way * (bent / _dot(turned, turned))
        for (moved, turned, bent), share in zip(self._pairs, reversed(shares), strict=True):
            way = way + (share - _dot(turned, way) / bent) * moved
        return way


def _dot(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum())


def plan(height: int, width: int, steps: int) -> list[tuple[int, int, int]]:
    """From coarse to fine: height, width and steps of each level."""
    sizes = [(height, width)]
    while len(sizes) < min(LEVELS, steps) and min(sizes[-1]) >= 2 * COARSEST:
        sizes.append((_multiple(sizes[-1][0] / 2), _multiple(sizes[-1][1] / 2)))
    counts = [max(1, round(steps * share)) for share in SHARES[: len(sizes) - 1]]
    counts.append(steps - sum(counts))
    return [(*size, count) for size, count in zip(sizes, counts, strict=True) if count > 0][::-1]


def _multiple(length: float) -> int:
    return max(MIN_SIDE, round(length / STRIDE) * STRIDE)


def optimise(
    vgg: Vgg,
    content: Tensor,
    style: Tensor,
    start: Tensor,
    weights: tuple[float, float],
    steps: int,
    mask: Tensor | None = None,
    wraps: bool = False,
    side: int = 0,
    report: Callable[[int, Losses, Tensor], None] = lambda step, losses, picture: None,
    tick: Callable[[], None] = lambda: None,
) -> Tensor:
    """The stylised picture, 1 x 3 x H x W in [0, 1]: the one with the least loss of all looked at, the start included.

    content, start: 1 x 3 x H x W; where start is the content itself, it may be recoloured first.
    style: any size, at the scale at which it is to appear. weights: of content and
    style. mask: 1 x 1 x H x W, how much each texel counts. side: of the tiles, 0 for the whole.
    report(step, losses, picture): after each step, the best picture of its level so far, at the level's size; tick:
    before each tile. Both may raise to stop it.
    """
    height, width = content.shape[-2:]
    made: Tensor | None = None
    done = 0
    for level_height, level_width, level_steps in plan(height, width, steps):

        def level(x: Any, size: tuple[int, int] = (level_height, level_width)) -> Tensor:
            return resampled(x, size[0], size[1], wraps)

        there = (_multiple(style.shape[-2] * level_height / height), _multiple(style.shape[-1] * level_width / width))
        grams = statistics(vgg, resampled(style, there[0], there[1], False), side, tick=tick)
        counts = None if mask is None else level(mask)
        objective = Objective(vgg, level(content), grams, weights, counts, wraps, side, tick)
        begins = [level(start).clamp(0, 1)]
        if made is not None:
            found = made - resampled(start, made.shape[-2], made.shape[-1], wraps)
            begins.append((begins[0] + level(found)).clamp(0, 1))
        elif start is content:
            begins.append(_toned(begins[0], style, counts))
        begin = begins[0] if len(begins) == 1 else min(begins, key=lambda x: objective.losses(x).total)
        search = Lbfgs(begin, counts)
        best: tuple[Losses, Tensor] | None = None
        for _ in range(level_steps):
            losses, gradient = objective(search.picture)
            if best is None or losses.total < best[0].total:
                best = losses, search.picture
            search.step(losses.total, gradient)
            done += 1
            report(done, *best)
        assert best is not None, "a level has at least one step"
        # Where the last step led, nobody has looked yet.
        made = search.picture if objective.losses(search.picture).total < best[0].total else best[1]
    assert made is not None, "there is at least one level"
    return made


def _toned(picture: Tensor, style: Tensor, mask: Tensor | None) -> Tensor:
    """The picture with mean and contrast of the style's colours: most of the way is often just that."""
    counts = torch.ones_like(picture[:, :1]) if mask is None else mask
    counts = counts / counts.sum()
    mean = (picture * counts).sum((2, 3), keepdim=True)
    deviation = ((picture - mean).square() * counts).sum((2, 3), keepdim=True).sqrt()
    contrast = (style.std((2, 3), keepdim=True) / deviation.clamp_min(1e-3)).clamp(0.5, 2)
    return ((picture - mean) * contrast + style.mean((2, 3), keepdim=True)).clamp(0, 1)


def losses(
    vgg: Vgg, picture: Tensor, content: Tensor, style: Tensor, mask: Tensor | None, wraps: bool, side: int
) -> Losses:
    """Those of a picture at full size, weighted 1 : 1."""
    return Objective(vgg, content, statistics(vgg, style, side), (1.0, 1.0), mask, wraps, side).losses(picture)
