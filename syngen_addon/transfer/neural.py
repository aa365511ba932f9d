"""Neural style transfer, this side of the worker: the pictures it is given, and what is made of the one it gives back.

Imports errors, recipe, images, patch, picture, projection, numpy and OpenCV; never bpy, never torch.

A network knows nothing of the object: it works in the base texture's layout. So it starts from the patch transfer,
which is projected in world space and has neither stretching nor seams at island borders, and its style is shown at the
size which its features have in the world.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import SynGenError
from ..images import Array, Maps, Mask, SurfaceMaps, resize, tile
from ..recipe import Transfer
from .patch import fill
from .picture import settled, wearable
from .projection import texels_a_tile

SIDE = 2048
"""A larger base texture is transferred at this side, and its fine detail comes from the patch transfer."""
STYLE_LEAST = 512
"""The style is repeated until it is at least this large: the statistics of a small picture are all border."""
STYLE_MOST = 2048


@dataclass(frozen=True)
class Ask:
    """What the worker is given (protocol.Stylise).

    content_srgb: h x w x 3, the base texture, at most `side` on its longer side; texels outside the islands are
    filled from those around. style_srgb: any size, at the scale of the content. start_srgb: h x w x 3, the patch
    transfer's colour, in which gatys begins. mask: h x w, where the result counts. wraps: whether the content wraps at
    its borders.
    """

    content_srgb: Array
    style_srgb: Array
    start_srgb: Array
    mask: Mask
    wraps: bool


def prepare(
    base_srgb: Array,
    wear: Maps,
    settings: Transfer,
    *,
    tile_m: float,
    patched: Maps,
    surface: SurfaceMaps | None = None,
    protect: Mask | None = None,
    style_srgb: Array | None = None,
    side: int = SIDE,
) -> Ask:
    """The pictures for a neural transfer; arguments as in patch.transfer, which gave `patched` for them.

    style_srgb: h x w x 3, a photo of wear that shows tile_m metres along its shorter side; None: the wear texture is
    the style. side: most texels on the longer side of the content.
    Raises SynGenError for a wrong shape.
    """
    height, width = base_srgb.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    allowed = wearable((height, width), surface, protect)

    content = np.clip(np.asarray(base_srgb, np.float32), 0, 1)
    start = patched.color_srgb
    if surface is not None and surface.covered.any():
        content, start = fill(content, surface.covered), fill(start, surface.covered)
    texels = texels_a_tile(surface, width, tile_m) * scale
    return Ask(
        content_srgb=_to(content, size),
        style_srgb=_style(wear.color_srgb if style_srgb is None else style_srgb, texels, repeats=style_srgb is None),
        start_srgb=_to(start, size),
        mask=np.asarray(_to(allowed.astype(np.float32), size) >= 0.5, np.bool_),
        wraps=surface is None,
    )


def finish(
    ask: Ask,
    picture_srgb: Array,
    base_srgb: Array,
    wear: Maps,
    settings: Transfer,
    *,
    patched: Maps,
    surface: SurfaceMaps | None = None,
    protect: Mask | None = None,
) -> Maps:
    """The aged texture from the picture that the worker gave back: H x W as base_srgb, as from patch.transfer.

    picture_srgb: h x w x 3 as ask.content_srgb (any size will do). base_srgb to protect: as handed to `prepare`.
    Protected texels come back bit-exact (height 0.5, roughness 0.5, metallic 0); texels outside the islands are filled
    from those around. Raises SynGenError where the picture has a wrong shape or holds values that are not numbers.
    """
    return settled(
        picture_srgb, base_srgb, patched, wear, settings, wraps=ask.wraps, surface=surface, protect=protect
    )


def _to(image: Array, size: tuple[int, int]) -> Array:
    return image if image.shape[1::-1] == size else resize(np.ascontiguousarray(image), *size)


def _style(style: Array, texels: float, *, repeats: bool) -> Array:
    """The style, its shorter side `texels` long; a tileable one is repeated, a too large one cut."""
    if style.ndim != 3 or style.shape[2] < 3 or min(style.shape[:2]) < 8:
        raise SynGenError(f"The style picture has the shape {style.shape}.", "Use a picture of 8 x 8 texels or more.")
    height, width = style.shape[:2]
    scale = max(texels, 8) / min(height, width)
    # No larger than what is kept of it in the end.
    cut_h, cut_w = (min(n, max(8, int(STYLE_MOST / scale))) for n in (height, width))
    top, left = (height - cut_h) // 2, (width - cut_w) // 2
    cut = np.ascontiguousarray(np.clip(style[top : top + cut_h, left : left + cut_w, :3], 0, 1), np.float32)
    out = _to(cut, (max(8, round(cut_w * scale)), max(8, round(cut_h * scale))))
    if not repeats or min(out.shape[:2]) >= STYLE_LEAST:
        return out
    return tile(out, *(n * -(-STYLE_LEAST // n) for n in (out.shape[1], out.shape[0])))
