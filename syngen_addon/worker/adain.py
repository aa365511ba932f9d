"""Style transfer in one pass through an encoder and a decoder. Imports torch and vgg only.

X. Huang and S. Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", 2017: the
features of the content picture at relu4_1 get the mean and standard deviation, channel by channel, of the style
picture's, and a decoder makes a picture of them. The decoder paints broadly: what of the content it loses (the content
minus what it makes of the unchanged features) can be put back, so that lettering and scratches stay.
"""

from collections.abc import Callable

import torch

from .gatys import cell_weights
from .vgg import DECODER_REACH, SCALE, VGG_REACH, Decoder, Tensor, Vgg, tiles

LAYER = "4_1"
EPSILON = 1e-5
"""Added to a variance, as in the published code that the decoder was trained with."""
FEW_CELLS = 16
"""A mask of that many cells is believed half: mean and deviation of a few cells are noise, which the division by the
deviation blows up."""


def amounts(content_weight: float, style_weight: float) -> tuple[float, float]:
    """(alpha, detail): how far the features go to the style's, and how much of the content's fine detail is put back.

    Without style weight (0, 1), which is the content itself; without content weight (1, 0), which is the method as
    published. Between them alpha rises by the fifth root of the style's share: rust shows from 0.7 upwards, and equal
    weights give 0.87, near to the style's own colours.
    """
    share = style_weight / (style_weight + content_weight)
    return float(share ** (1 / 5)), 1 - share


def statistics(
    vgg: Vgg,
    picture: Tensor,
    mask: Tensor | None = None,
    wraps: bool = False,
    side: int = 0,
    step: Callable[[], None] = lambda: None,
) -> tuple[Tensor, Tensor]:
    """(mean, standard deviation) of the features, 1 x C x 1 x 1, over the cells that count.

    Of n cells in a mask n / (n + FEW_CELLS) of it is theirs; the rest is the whole picture's, which is to be filled in
    from inside the mask.
    picture: 1 x 3 x H x W. mask: 1 x 1 x H x W or None. side: of the tiles, 0: whole. step: called after each tile.
    """
    cells = cell_weights(mask, picture)[LAYER[0]]
    if mask is not None:
        number = float(mask.sum()) / SCALE[LAYER[0]] ** 2
        share = number / (number + FEW_CELLS)
        cells = share * cells + (1 - share) / cells.numel()
    # The sums of a large picture need more than 24 bits; where there are no doubles (Apple), tiles keep them small.
    kind = torch.float32 if picture.device.type == "mps" else torch.float64
    first = second = torch.zeros((), dtype=kind, device=picture.device)
    with torch.no_grad():
        for tile in tiles(picture.shape[-2], picture.shape[-1], side, VGG_REACH, wraps, picture.device):
            (seen,) = vgg.features(tile.cut(picture), (LAYER,), tile.wraps)
            own, weight = (
                tile.own(seen, SCALE[LAYER[0]]).to(kind),
                tile.of(cells, SCALE[LAYER[0]]).to(kind),
            )
            first = first + (own * weight).sum((2, 3), keepdim=True)
            second = second + (own.square() * weight).sum((2, 3), keepdim=True)
            step()
    variance = (second - first.square()).clamp_min(0)
    return first.float(), (variance + EPSILON).sqrt().float()


def stylised(
    vgg: Vgg,
    decoder: Decoder,
    content: Tensor,
    style: Tensor,
    alpha: float,
    detail: float,
    mask: Tensor | None = None,
    wraps: bool = False,
    side: int = 0,
    report: Callable[[float], None] = lambda fraction: None,
) -> Tensor:
    """The stylised picture, 1 x 3 x H x W in [0, 1]. alpha, detail: see `amounts`. report: after each tile."""
    height, width = content.shape[-2:]
    cut = tiles(height, width, side, VGG_REACH + DECODER_REACH, wraps, content.device)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        report(min(1.0, done / (2 * len(cut) + 1)))

    to_mean, to_deviation = statistics(vgg, style, side=side)
    step()
    mean, deviation = statistics(vgg, content, mask, wraps, side, step)
    result = torch.empty_like(content)
    with torch.no_grad():
        for tile in cut:
            (seen,) = vgg.features(tile.cut(content), (LAYER,), tile.wraps)
            moved = (seen - mean) / deviation * to_deviation + to_mean
            made = decoder(alpha * moved + (1 - alpha) * seen, tile.wraps)
            if detail > 0:
                lost = tile.cut(content) - decoder(seen, tile.wraps)
                made = made + detail * lost
            tile.of(result, 1)[...] = tile.own(made, 1)
            step()
    return result.clamp_(0, 1)
