"""The jobs of neural style transfer: pictures from files to files. Runs in the worker; imports torch and scikit-image.

What counts is inside the mask. Outside, the content is filled in from its nearest texel inside before anything else,
so nothing there can change the result; the method may paint there as it likes, as if the texture went on; and in the
end those texels come back as they were.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity

from .. import images
from ..errors import SynGenError
from ..images import Array, Mask
from . import adain, device, gatys, models, vgg
from .protocol import Measure, Stylise
from .serve import Say, out_of_memory
from .vgg import MIN_SIDE, STRIDE, Decoder, Tensor, Vgg

BYTES_A_TEXEL = 3300
"""What a step of gatys needs at most for each texel of a tile; measured."""
BYTES_KEPT = 200
"""For each texel of the picture, beside the optimiser's history: a dozen float32 pictures, the content's features."""
SHARE = 0.6
"""Of the free memory, what is used."""
SMALLEST_TILE = 128
SSIM_SIDE = 11
"""Texels: the window of the structural similarity."""

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class _Held:
    """Weights held from one job to the next. stamp: path, time of the last change, size: another stamp, others."""

    model: str
    stamp: tuple[str, int, int]
    network: Any


_loaded: dict[str, _Held] = {}
"""By role: one of each."""


def loaded() -> list[str]:
    """The models held from one job to the next."""
    return [held.model for held in _loaded.values()]


def forget() -> None:
    """Let go of them."""
    _loaded.clear()


@dataclass(frozen=True)
class _Sheet:
    """A picture's way into a network and back: the size that the network works on.

    Where the picture does not wrap it is continued by its mirror image to multiples of STRIDE; where it wraps it is
    resampled to them.
    """

    height: int
    width: int
    wraps: bool

    @property
    def size(self) -> tuple[int, int]:
        height, width = (max(MIN_SIDE, -(-n // STRIDE) * STRIDE) for n in (self.height, self.width))
        return height, width

    def to(self, image: Array, fill: str = "symmetric") -> Tensor:
        """H x W x C (or H x W) as 1 x C x H' x W'."""
        image = image if image.ndim == 3 else image[..., None]
        height, width = self.size
        if not self.wraps:
            image = np.pad(image, ((0, height - self.height), (0, width - self.width), (0, 0)), mode=fill)  # type: ignore[call-overload]
        x = torch.from_numpy(np.ascontiguousarray(image, np.float32)).permute(2, 0, 1)[None]
        x = x.to(device.device()).contiguous(memory_format=torch.channels_last)
        return vgg.resampled(x, height, width, True) if self.wraps else x

    def back(self, x: Tensor) -> Array:
        """1 x 3 x any size x any size as H x W x 3."""
        x = vgg.resampled(x, *((self.height, self.width) if self.wraps else self.size), self.wraps)
        image = x[0].permute(1, 2, 0).cpu().numpy()[: self.height, : self.width]
        return np.ascontiguousarray(image, np.float32)


# --- the jobs --------------------------------------------------------------------------------------------------------


def stylise(job: Stylise, say: Say) -> dict[str, Any]:
    """Neural style transfer of one picture, as Stylise documents it. Raises SynGenError, Cancelled."""
    _check(job)
    content = _picture(job.content)
    mask = _mask(job.mask, content) if job.mask else None
    style = _picture(job.style)
    start = _picture(job.start) if job.start else content
    _same_size(start, content, job.start)
    network = _vgg(job.vgg, job.online, say)
    decoder = _decoder(job.decoder, job.online, say) if job.method == "adain" else None
    if decoder is not None and not network.adain:
        raise SynGenError(
            f"The decoder of AdaIN does not go with the VGG weights {job.vgg}.",
            "Use the VGG weights of AdaIN's own release (vgg_normalized), or transfer.method = gatys.",
        )

    sheet = _Sheet(content.shape[0], content.shape[1], job.wraps)
    filled = content if mask is None else fill(content, mask)
    shown, seen = (grey(filled), _toned(style, filled, mask)) if job.colors == "content" else (filled, style)
    begin = start if mask is None else fill(start, mask)
    begin = grey(begin) if job.colors == "content" else begin
    counts = _counts(sheet, mask)
    work = sheet.to(shown)
    first = sheet.to(begin) if job.start else work
    look = _look(seen)

    def finished(x: Tensor) -> Array:
        image = np.clip(sheet.back(x), 0, 1)
        if job.colors == "content":
            image = recolored(filled, images.luminance(image))
        return image if mask is None else np.where(mask[..., None], image, content)

    def make(side: int) -> Tensor:
        if decoder is not None:
            report = _Say(say, 1, 0, finished)
            amounts = adain.amounts(job.content_weight, job.style_weight)
            return adain.stylised(network, decoder, work, look, *amounts, counts, job.wraps, side, report.fraction)
        report = _Say(say, job.steps, job.preview_every, finished)
        weights = (job.content_weight, job.style_weight)
        return gatys.optimise(
            network, work, look, first, weights, job.steps, counts, job.wraps, side, report.step, say.check
        )

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    made, side, notes = _fitting(make, job.tile or tile_side(*sheet.size), sheet.size)
    losses = gatys.losses(network, made, work, look, counts, job.wraps, side)
    images.save_png(job.out, finished(made), bits=16)
    return {
        "picture": job.out,
        "content_loss": losses.content,
        "style_loss": losses.style,
        "notes": notes,
        "peak_mb": torch.cuda.max_memory_allocated() >> 20 if torch.cuda.is_available() else 0,
    }


def measure(job: Measure, say: Say) -> dict[str, Any]:
    """How pictures stand between content and style, as Measure documents it. Raises SynGenError, Cancelled."""
    content = _picture(job.content)
    mask = _mask(job.mask, content) if job.mask else None
    network = _vgg(job.vgg, job.online, say)
    sheet = _Sheet(content.shape[0], content.shape[1], False)
    counts, side = _counts(sheet, mask), tile_side(*sheet.size)
    wanted = gatys.statistics(network, _look(_picture(job.style)), side)

    def apart(picture: Array) -> float:
        filled = picture if mask is None else fill(picture, mask)
        return gatys.apart(gatys.statistics(network, sheet.to(filled), side, counts), wanted)

    own = apart(content)
    structure, style = [], []
    for number, path in enumerate(job.pictures):
        say.step(number / len(job.pictures), f"Measuring picture {number + 1} of {len(job.pictures)}")
        picture = _picture(path)
        _same_size(picture, content, path)
        structure.append(similarity(picture, content, mask))
        style.append(apart(picture) / max(own, 1e-6))
    return {"structure": structure, "style": style}


class _Say:
    """Progress of a method, passed on."""

    def __init__(self, say: Say, steps: int, preview_every: int, finished: Callable[[Tensor], Array]) -> None:
        self._say, self._steps, self._every, self._finished = say, steps, preview_every, finished

    def fraction(self, fraction: float) -> None:
        self._say.step(fraction, "Stylizing in one pass")

    def step(self, done: int, losses: gatys.Losses, picture: Tensor) -> None:
        text = f"Step {done} of {self._steps}: content {losses.content:.3f}, style {losses.style:.3f}"
        self._say.step(done / self._steps, text)
        if self._every and done % self._every == 0:
            self._say.preview(self._finished(picture))


# --- pictures --------------------------------------------------------------------------------------------------------


def fill(image: Array, mask: Mask) -> Array:
    """The image with every texel outside the mask taken from its nearest one inside."""
    _, labels = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    inside = np.flatnonzero(mask)
    source = np.zeros(int(labels.max()) + 1, np.int64)
    source[labels.ravel()[inside]] = inside
    return np.asarray(image.reshape(-1, image.shape[2])[source[labels]], np.float32)


def grey(image: Array) -> Array:
    """Its luminance in all three channels."""
    return np.repeat(images.luminance(image)[..., None], 3, axis=2)


def recolored(image: Array, lightness: Array) -> Array:
    """The image's colours at another luminance, H x W: darkened towards black, lightened towards white.

    Of the two ways to keep colours in L. Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016, the
    one that transfers luminance only; this way of putting it back leaves no colour outside [0, 1].
    """
    before = images.luminance(image)
    darker = lightness / np.maximum(before, 1e-6)
    lighter = (lightness - before) / np.maximum(1 - before, 1e-6)
    dark = image * np.minimum(darker, 1)[..., None]
    return np.asarray(np.clip(dark + (1 - dark) * np.clip(lighter, 0, 1)[..., None], 0, 1), np.float32)


def similarity(picture: Array, content: Array, mask: Mask | None) -> float:
    """Structural similarity of two pictures' luminance: the mean of its map inside the mask.

    Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
    """
    pair = [images.luminance(p if mask is None else fill(p, mask)) for p in (picture, content)]
    height, width = pair[0].shape
    extra = ((0, max(0, SSIM_SIDE - height)), (0, max(0, SSIM_SIDE - width)))
    a, b = (np.pad(p, extra, mode="symmetric") for p in pair)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    _, where = structural_similarity(a, b, full=True, **settings)  # type: ignore[no-untyped-call]
    where = where[:height, :width]
    return float(where.mean() if mask is None else where[mask].mean())


def _toned(style: Array, content: Array, mask: Mask | None) -> Array:
    """The style's luminance, moved to the content's mean. Its contrast stays: on plain paint nothing else would."""
    lightness = images.luminance(style)
    wanted = images.luminance(content)
    mean = wanted.mean() if mask is None else wanted[mask].mean()
    return grey(np.clip(style - lightness.mean() + mean, 0, 1).astype(np.float32))


def _picture(path: str) -> Array:
    image = images.load(path)[..., :3]
    if not np.isfinite(image).all():
        raise SynGenError(f"The picture {path} holds values that are not numbers.", "Save it again or choose another.")
    return np.clip(image, 0, 1)


def _mask(path: str, content: Array) -> Mask:
    image = _picture(path)
    _same_size(image, content, path)
    mask = np.asarray(image[..., 0] > 0.5)
    if not mask.any():
        raise SynGenError(
            f"The mask {path} is black everywhere: nothing is left to work on.", "Leave some of it white."
        )
    return mask


def _counts(sheet: _Sheet, mask: Mask | None) -> Tensor | None:
    """1 x 1 x H' x W': the texels that count; what the sheet adds to a picture does not."""
    if mask is None and sheet.size == (sheet.height, sheet.width):
        return None
    plain = np.ones((sheet.height, sheet.width), np.float32) if mask is None else mask.astype(np.float32)
    return sheet.to(plain, fill="constant").clamp(0, 1)


def _look(style: Array) -> Tensor:
    return _Sheet(style.shape[0], style.shape[1], False).to(style)


def _same_size(image: Array, content: Array, path: str) -> None:
    if image.shape != content.shape:
        (height, width), (right_height, right_width) = image.shape[:2], content.shape[:2]
        raise SynGenError(
            f"{path} is {width} x {height} texels, the content {right_width} x {right_height}.", "Use one size."
        )


def _check(job: Stylise) -> None:
    if job.method not in ("gatys", "adain"):
        raise SynGenError(f"There is no neural method {job.method!r}.", "Use gatys or adain.")
    if job.colors not in ("style", "content"):
        raise SynGenError(f"Colors cannot be those of {job.colors!r}.", "Use style or content.")
    weights = (job.content_weight, job.style_weight)
    if not all(np.isfinite(w) and w >= 0 for w in weights) or sum(weights) == 0:
        raise SynGenError(
            f"The weights of content and style are {weights[0]:g} and {weights[1]:g}.",
            "Use 0 or more for both, and more than 0 for one.",
        )
    if job.steps < 1:
        raise SynGenError(f"{job.steps} steps are too few.", "Use 1 or more.")
    if job.tile < 0:
        raise SynGenError(f"A tile of {job.tile} texels makes no sense.", "Use 64 or more, or 0.")


# --- weights and memory ----------------------------------------------------------------------------------------------


def _vgg(model: str, online: bool, say: Say) -> Vgg:
    return _weights("vgg", model, online, say, vgg.vgg_of)


def _decoder(model: str, online: bool, say: Say) -> Decoder:
    return _weights("decoder", model, online, say, vgg.decoder_of)


def _weights(role: str, model: str, online: bool, say: Say, make: Callable[..., _Made]) -> _Made:
    if not model:
        raise SynGenError(f"No {role} weights are chosen.", f"Press Get Weights, or set neural.{role}.")
    path = models.locate(model, role, online=online, say=say).path
    about = path.stat()
    stamp = (str(path), about.st_mtime_ns, about.st_size)
    held = _loaded.get(role)
    if held is None or (held.model, held.stamp) != (model, stamp):
        say.step(0.0, "Loading the weights")
        _loaded.pop(role, None)  # before the next ones need the memory
        held = _Held(model, stamp, make(models.load_state(path), str(path), device.device()))
        _loaded[role] = held
    found: _Made = held.network
    return found


def tile_side(height: int, width: int) -> int:
    """Side of the largest tiles for which the free memory suffices; 0 where the whole picture does."""
    free = device.memory_mb(device.device())[1] * 2**20 * SHARE
    free -= height * width * (BYTES_KEPT + gatys.HISTORY * 2 * 3 * 4)
    if height * width * BYTES_A_TEXEL <= free:
        return 0
    return max(SMALLEST_TILE, int(sqrt(max(free, 0) / BYTES_A_TEXEL)) - 2 * vgg.VGG_REACH) // STRIDE * STRIDE


def _fitting(make: Callable[[int], Tensor], side: int, size: tuple[int, int]) -> tuple[Tensor, int, list[str]]:
    """What `make` makes, in smaller tiles where memory runs out: the picture, the side of the tiles, what to say."""
    notes: list[str] = []
    while True:
        try:
            return make(side), side, notes
        except (RuntimeError, MemoryError) as error:
            smaller = (side or max(size)) // 2 // STRIDE * STRIDE
            if not out_of_memory(error) or smaller < SMALLEST_TILE:
                raise
        device.empty_caches()
        side = smaller
        notes.append(f"Memory ran out: computed in tiles of {side} texels.")
