"""VGG-19 up to relu4_1, the decoder of AdaIN, and pictures computed in tiles. Imports errors and torch only.

K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015; the
"normalised" weights and the decoder: X. Huang and S. Belongie, "Arbitrary Style Transfer in Real-time with Adaptive
Instance Normalization", 2017. Nothing here goes deeper than relu4_1: what lies deeper sees structure larger than a
texel's 30 neighbours, which coarse copies of the picture show to the layers above just as well.

Pictures are tensors 1 x 3 x H x W, sRGB in [0, 1], H and W multiples of STRIDE, MIN_SIDE at least; features of a layer
are 1 x C x H/s x W/s, channels last. Borders are mirrored, or joined to the other side where the picture wraps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
import torch.nn.functional as nn

from ..errors import SynGenError

Tensor = Any

STRIDE = 8
"""Texels a cell of the deepest layer, along each axis."""
MIN_SIDE = 16
"""Of a picture: two cells of the deepest layer, the least that can be mirrored."""
VGG_REACH = 32
"""Texels around a tile that its features depend on: 2 + 2 x 2 + 4 x 4 + 8 = 30, whole cells."""
DECODER_REACH = 32
"""The same for the decoder: 8 + 4 x 4 + 2 x 2 + 2 = 30."""

POOL = "pool"
NETWORK = ("1_1", "1_2", POOL, "2_1", "2_2", POOL, "3_1", "3_2", "3_3", "3_4", POOL, "4_1")
"""The layers in order; each convolution ends in a ReLU and bears its name."""
CONVS = tuple(name for name in NETWORK if name != POOL)
CHANNELS = (64, 64, 128, 128, 256, 256, 256, 256, 512)
SCALE = {"1": 1, "2": 2, "3": 4, "4": 8}
"""First letter of a layer's name -> texels a cell."""
_ADAIN_KEYS = ("2", "5", "9", "12", "16", "19", "22", "25", "29")
_TORCHVISION_KEYS = tuple(f"features.{n}" for n in (0, 2, 5, 7, 10, 12, 14, 16, 19))
_DECODER_KEYS = ("1", "5", "8", "11", "14", "18", "21", "25", "28")
_UPSAMPLED_AFTER = ("1", "11", "18")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of the colours torchvision's VGG was trained on."""


# --- tiles -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tile:
    """Part of a picture with what its network sees around it.

    rows, columns: the picture's texels in it, in order. core: the part that is this tile's own, in the tile's own
    texels (top, bottom, left, right). target: the same part in the picture. wraps: per axis, whether its two ends meet
    (only where the tile has the whole axis).
    """

    rows: Tensor
    columns: Tensor
    core: tuple[int, int, int, int]
    target: tuple[int, int, int, int]
    wraps: tuple[bool, bool]
    whole: bool

    def cut(self, picture: Tensor) -> Tensor:
        """The tile of a picture, 1 x C x rows x columns."""
        return picture if self.whole else picture[:, :, self.rows][..., self.columns]

    def add(self, total: Tensor, part: Tensor) -> None:
        """Add what belongs to the tile's texels, core and surroundings, to the whole picture's."""
        if self.whole:
            total += part
        else:
            total[:, :, self.rows[:, None], self.columns] += part

    def own(self, features: Tensor, scale: int) -> Tensor:
        """The core of features of that many texels a cell."""
        top, bottom, left, right = (edge // scale for edge in self.core)
        return features[..., top:bottom, left:right]

    def of(self, cells: Tensor, scale: int) -> Tensor:
        """The cells of the whole picture, of that many texels each, that are the tile's own."""
        top, bottom, left, right = (edge // scale for edge in self.target)
        return cells[..., top:bottom, left:right]


def tiles(height: int, width: int, side: int, reach: int, wraps: bool, device: Any = "cpu") -> list[Tile]:
    """Cut a picture into tiles of at most `side` texels (a multiple of STRIDE; 0: the whole), with `reach` around each.

    Every texel is one tile's own. What a tile computes for its core is what the whole picture would give, for a network
    that reaches no further.
    """
    made = []
    for (rows, top, bottom, y), (columns, left, right, x) in product(
        _cuts(height, side, reach, wraps), _cuts(width, side, reach, wraps)
    ):
        made.append(
            Tile(
                torch.tensor(rows, device=device),
                torch.tensor(columns, device=device),
                (top, bottom, left, right),
                (y, y + bottom - top, x, x + right - left),
                (wraps and len(rows) == height == bottom - top, wraps and len(columns) == width == right - left),
                len(rows) == height == bottom - top and len(columns) == width == right - left,
            )
        )
    return made


def _cuts(length: int, side: int, reach: int, wraps: bool) -> list[tuple[list[int], int, int, int]]:
    """Along one axis: the texels, where its core starts and ends among them, and where it starts in the picture."""
    if side == 0 or side >= length or (wraps and side + 2 * reach >= length):  # so that none holds a texel twice
        return [(list(range(length)), 0, length, 0)]
    cuts = []
    for start in range(0, length, side):
        stop = min(start + side, length)
        low, high = (start - reach, stop + reach) if wraps else (max(start - reach, 0), min(stop + reach, length))
        cuts.append(([n % length for n in range(low, high)], start - low, stop - low, start))
    return cuts


# --- the networks ----------------------------------------------------------------------------------------------------


def padded(x: Tensor, wraps: tuple[bool, bool]) -> Tensor:
    """One cell more on every side: the other end's where that axis wraps, else mirrored; channels last."""
    batch, channels, height, width = x.shape
    shape = (batch, channels, height + 2, width + 2)
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    out[:, :, 1:-1, 1:-1] = x
    (first, last), (left, right) = ((-1, 0) if wrap else (1, -2) for wrap in wraps)
    out[:, :, 0, 1:-1], out[:, :, -1, 1:-1] = x[:, :, first], x[:, :, last]
    # The columns are taken from what is padded above and below already: the corners come with them.
    inside = out[:, :, :, 1:-1]
    out[..., 0], out[..., -1] = inside[..., left], inside[..., right]
    return out


def _unpadded(grad: Tensor, wraps: tuple[bool, bool]) -> Tensor:
    """What `padded` makes of gradients: those of the cells it added go to where they were taken from."""
    (first, last), (left, right) = ((-2, 1) if wrap else (2, -3) for wrap in wraps)
    grad[..., left] += grad[..., 0]
    grad[..., right] += grad[..., -1]
    grad[:, :, first] += grad[:, :, 0]
    grad[:, :, last] += grad[:, :, -1]
    return grad[:, :, 1:-1, 1:-1]


class _Conv(torch.autograd.Function):  # type: ignore[misc]
    """Pad, convolve, ReLU. Keeps its result only, half of what autograd would: weights have no gradients here."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, wraps: tuple[bool, bool]) -> Tensor:
        out = nn.conv2d(padded(x, wraps), weight, bias).relu_()
        ctx.save_for_backward(weight, out)
        ctx.wraps = wraps
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        weight, out = ctx.saved_tensors
        grad = nn.conv_transpose2d(torch.ops.aten.threshold_backward(grad, out, 0), weight)
        return _unpadded(grad, ctx.wraps), None, None, None


@dataclass(frozen=True)
class Conv:
    """weight: O x I x 3 x 3, channels last. bias: O."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor, wraps: tuple[bool, bool]) -> Tensor:
        return _Conv.apply(x, self.weight, self.bias, wraps)


@dataclass(frozen=True)
class Vgg:
    """convs: name -> convolution, the first one for sRGB in [0, 1]. adain: whether these are AdaIN's own weights."""

    convs: Mapping[str, Conv]
    adain: bool

    @property
    def device(self) -> Any:
        return self.convs["1_1"].weight.device

    def features(
        self, picture: Tensor, layers: Sequence[str], wraps: tuple[bool, bool] = (False, False)
    ) -> list[Tensor]:
        """What the named layers ("1_1" is relu1_1) see, in that order; nothing deeper is computed."""
        x = picture
        seen: dict[str, Tensor] = {}
        for name in NETWORK:
            if len(seen) == len(set(layers)):
                break
            x = nn.max_pool2d(x, 2) if name == POOL else self.convs[name](x, wraps)
            if name in layers:
                seen[name] = x
        return [seen[name] for name in layers]


@dataclass(frozen=True)
class Decoder:
    """From relu4_1 back to a picture."""

    convs: tuple[Conv, ...]

    def __call__(self, features: Tensor, wraps: tuple[bool, bool] = (False, False)) -> Tensor:
        x = features
        for key, conv in zip(_DECODER_KEYS[:-1], self.convs[:-1], strict=True):
            x = conv(x, wraps)
            if key in _UPSAMPLED_AFTER:
                x = nn.interpolate(x, scale_factor=2, mode="nearest")
        return nn.conv2d(padded(x, wraps), self.convs[-1].weight, self.convs[-1].bias)


def vgg_of(state: Mapping[str, Tensor], source: str, device: Any = "cpu") -> Vgg:
    """VGG-19 from AdaIN's vgg_normalized or from torchvision's weights (timm's as well); its keys tell which.

    source: named in errors. Raises SynGenError naming the layer that is missing or has another shape.
    """
    adain = "0.weight" in state and "features.0.weight" not in state
    keys = _ADAIN_KEYS if adain else _TORCHVISION_KEYS
    shapes = [(c, before) for c, before in zip(CHANNELS, (3, *CHANNELS), strict=False)]
    convs = _convs(state, keys, shapes, source, "VGG-19 (AdaIN's vgg_normalized or torchvision's)")
    if adain:
        colors = _tensor(state, "0.weight", (3, 3, 1, 1), source, "VGG-19").double()[..., 0, 0]
        offset = _tensor(state, "0.bias", (3,), source, "VGG-19").double()
    else:
        mean, deviation = (torch.tensor(values, dtype=torch.float64) for values in _IMAGENET)
        colors, offset = torch.diag(1 / deviation), -mean / deviation
    # What it does to the colours goes into the first convolution: one pass over the picture less.
    weight, bias = convs[0]
    first = torch.einsum("ocyx,ci->oiyx", weight.double(), colors)
    convs[0] = first, bias.double() + torch.einsum("ocyx,c->o", weight.double(), offset)
    return Vgg({name: _ready(*conv, device) for name, conv in zip(CONVS, convs, strict=True)}, adain)


def decoder_of(state: Mapping[str, Tensor], source: str, device: Any = "cpu") -> Decoder:
    """AdaIN's decoder. Raises SynGenError naming the layer that is missing or has another shape."""
    channels = CHANNELS[::-1]
    shapes = [(after, c) for c, after in zip(channels, (*channels[1:], 3), strict=True)]
    convs = _convs(state, _DECODER_KEYS, shapes, source, "the decoder of AdaIN")
    return Decoder(tuple(_ready(*conv, device) for conv in convs))


def _convs(
    state: Mapping[str, Tensor], keys: Sequence[str], shapes: Sequence[tuple[int, int]], source: str, what: str
) -> list[tuple[Tensor, Tensor]]:
    return [
        (
            _tensor(state, f"{key}.weight", (*shape, 3, 3), source, what),
            _tensor(state, f"{key}.bias", shape[:1], source, what),
        )
        for key, shape in zip(keys, shapes, strict=True)
    ]


def _tensor(state: Mapping[str, Tensor], key: str, shape: tuple[int, ...], source: str, what: str) -> Tensor:
    found = state.get(key)
    hint = "Choose the right file, or leave the key empty to use the weights that Get Weights fetches."
    if not isinstance(found, torch.Tensor):
        raise SynGenError(f"{source} does not hold the weights of {what}: {key} is missing.", hint)
    if tuple(found.shape) != shape:
        raise SynGenError(
            f"{source} does not hold the weights of {what}: {key} has the shape {tuple(found.shape)}, not {shape}.",
            hint,
        )
    if not bool(torch.isfinite(found).all()):
        raise SynGenError(f"{source} is broken: {key} holds values that are not numbers.", "Fetch the file again.")
    return found.detach()


def _ready(weight: Tensor, bias: Tensor, device: Any) -> Conv:
    weight = weight.to(device, torch.float32).contiguous(memory_format=torch.channels_last)
    return Conv(weight.requires_grad_(False), bias.to(device, torch.float32).requires_grad_(False))


# --- sizes -----------------------------------------------------------------------------------------------------------


def resampled(x: Tensor, height: int, width: int, wraps: bool) -> Tensor:
    """Resample 1 x C x H x W linearly, over a wider part of it when shrinking; it may wrap at its borders."""
    if (height, width) == tuple(x.shape[-2:]):
        return x
    rows, columns = (_weights(*pair, wraps, x.device) for pair in ((x.shape[-2], height), (x.shape[-1], width)))
    return torch.einsum("hy,bcyx,wx->bchw", rows, x, columns).contiguous(memory_format=torch.channels_last)


def _weights(old: int, new: int, wraps: bool, device: Any) -> Tensor:
    """new x old: how much each old texel counts in each new one."""
    ratio = old / new
    reach = max(1.0, ratio)
    where = (torch.arange(new, dtype=torch.float64) + 0.5) * ratio - 0.5
    first = torch.floor(where - reach).long()
    texels = first[:, None] + torch.arange(int(2 * reach) + 2)
    weights = (1 - (texels - where[:, None]).abs() / reach).clamp_min(0)
    texels = texels % old if wraps else texels.clamp(0, old - 1)
    out = torch.zeros((new, old), dtype=torch.float64).scatter_add_(1, texels, weights)
    return (out / out.sum(dim=1, keepdim=True)).to(device, torch.float32)
