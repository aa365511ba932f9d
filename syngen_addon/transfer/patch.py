"""Style transfer without weights: patches of the wear texture, chosen and shaded by the base texture.

Imports errors, recipe, images, projection, numpy and OpenCV; never bpy.

1. The plane of the wear texture is cut into overlapping cells of a triangle lattice; each shows another patch of the
   tile, so that no repetition shows (E. Heitz and F. Neyret, "High-Performance By-Example Noise using a
   Histogram-Preserving Blending Operator", 2018; M. Mikkelsen, "Practical Real-Time Hex-Tiling", 2022).
2. Which patch a cell shows follows the base texture, as in the texture transfer of A. Efros and W. Freeman, "Image
   Quilting for Texture Synthesis and Transfer", 2001: dark, dirty places get the dark patches. Both lightnesses are
   compared by their rank, so that any base goes with any wear.
3. Neighbouring patches meet along the wear's own relief, as a cut in quilting does, not in a blurred cross-fade, and
   the contrast that is lost where they mix is given back (Heitz and Neyret).
4. The base texture's own detail (its lightness minus a coarser copy of itself) is laid over lightness and height of
   the wear, its contrast matched to the wear's, so that panel lines, rivets and markings stay legible.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import SynGenError
from ..images import Array, Maps, Mask, SurfaceMaps, resize
from ..recipe import Transfer
from .projection import Ints, View, flat_views, surface_views, texels_a_tile

CELLS = 2
"""Lattice cells a tile, along each axis."""
SLOTS = 1 << 16
"""Size of the table of cells. Two cells that share a slot show the same patch, which nobody will see."""
PATCHES = 16
"""Patches a cell may choose from, along each axis of the tile."""
FOLLOW = 0.65
"""How much the choice of a patch follows the base texture; the rest is chance."""
BAND = 1 << 18
"""Texels worked on at once: bounds the memory."""


@dataclass(frozen=True)
class _Wear:
    """The wear texture made ready for sampling; one texel of border all round, wrapped."""

    size: int
    color: Array
    """Lab (L 0 to 100) and height, size + 2 square, 4 channels."""
    surface: Array
    """Roughness, metallic, and how much of the paint the wear hides; 3 channels."""
    patch_xy: Array
    """Centres of the patches in tiles, from dark to light, PATCHES**2 x 2."""
    stain: Array
    """What dirt and run-off of this wear leave of white paint, sRGB; 1 where it covers nothing."""
    mean: Array
    """Of Lab and height, 4 long; so are std, low and high."""
    std: Array
    low: Array
    high: Array


def transfer(
    base_srgb: Array,
    wear: Maps,
    settings: Transfer,
    *,
    tile_m: float,
    coverage: float,
    surface: SurfaceMaps | None = None,
    protect: Mask | None = None,
) -> Maps:
    """The aged texture: how the surface looks where it is fully worn, in the base texture's layout and size.

    base_srgb: H x W x 3, [0, 1]. wear: square, tileable. tile_m: world size of one tile, metres. coverage: share of the
    base texture's colour that fully developed wear hides, 0 to 1; where the wear lies thin the paint shines through.
    surface: where each texel lies in the world, H x W; without it the layout is taken as flat, one metre wide, and
    the result wraps at the borders of the UV square as the base does. protect: H x W, texels whose colour comes back
    bit-exact; their height is 0.5, roughness 0.5, metallic 0 and cover 0 (the material never shows them).
    cover is how much of the base texture is hidden; where the wear texture has one of its own, that one counts.
    The same input gives the same bytes. Raises SynGenError for a wrong shape, size or number.
    """
    base_srgb = np.asarray(base_srgb, np.float32)
    check(base_srgb, wear, tile_m, coverage, surface, protect)
    height, width = base_srgb.shape[:2]
    prepared = _prepare(wear, texels_a_tile(surface, width, tile_m), coverage)
    covered = None if surface is None or surface.covered.all() or not surface.covered.any() else surface.covered

    color = np.clip(base_srgb, 0, 1)
    if covered is not None:
        color = fill(color, covered)
    lightness = np.ascontiguousarray(lab_of(color)[..., 0])
    detail = detail_of(lightness, covered, float(prepared.std[0]), surface is None)
    choice = _choose(lightness, covered, surface, tile_m)

    rough, metal, relief, hidden = (np.empty((height, width), np.float32) for _ in range(4))
    for rows in _bands(height, width):
        views = _views(width, height, rows, tile_m, surface)
        lab, h, rest = _synthesise(prepared, views, choice, (rows.stop - rows.start, width))
        rough[rows], metal[rows], hidden[rows] = rest[..., 0], rest[..., 1], rest[..., 2]
        shaded, relief[rows] = _shade(
            color[rows], lab, h, rest[..., 2], detail[rows], prepared, settings, coverage
        )
        if coverage > 0:  # a dent leaves the paint as it is, bit for bit
            color[rows] = shaded
    if protect is not None:
        color[protect] = base_srgb[protect]
        rough[protect], metal[protect], relief[protect], hidden[protect] = 0.5, 0.0, 0.5, 0.0
    return Maps(color, rough, metal, relief, hidden)


def check(
    base: Array, wear: Maps, tile_m: float, coverage: float, surface: SurfaceMaps | None, protect: Mask | None
) -> None:
    if base.ndim != 3 or base.shape[2] != 3 or 0 in base.shape:
        raise SynGenError(f"The base texture has the shape {base.shape}.", "It must be height x width x 3.")
    size = base.shape[:2]
    side = wear.height.shape
    if len(side) != 2 or side[0] != side[1] or side[0] < 8 or wear.color_srgb.shape != (*side, 3):
        raise SynGenError(
            f"The wear texture has the shape {wear.color_srgb.shape}.", "It must be square x 3, 8 texels or more."
        )
    planes = [wear.roughness, wear.metallic, *([] if wear.cover is None else [wear.cover])]
    if any(plane.shape != side for plane in planes):
        raise SynGenError("The maps of the wear texture differ in size.", "All must have one height and width.")
    if not np.isfinite(base).all():
        raise SynGenError("The base texture holds values that are not numbers.", "Save it again or choose another.")
    if not 0 < tile_m < np.inf:
        raise SynGenError(f"A tile of {tile_m} m cannot be laid.", "Use a size above 0.")
    if not 0 <= coverage <= 1:
        raise SynGenError(f"A coverage of {coverage} is not possible.", "It lies between 0 and 1.")
    if protect is not None and (protect.shape != size or protect.dtype != np.bool_):
        raise SynGenError(
            f"The protect mask is {protect.shape} of {protect.dtype}, the base texture {size}.",
            "It must be boolean and of the base texture's size.",
        )
    if surface is not None and (surface.position_m.shape != (*size, 3) or surface.normal.shape != (*size, 3)
                                or surface.covered.shape != size or surface.texel_area_m2.shape != size):
        raise SynGenError(
            f"The surface maps are {surface.covered.shape}, the base texture {size}.", "Make both the same size."
        )


def lab_of(color_srgb: Array) -> Array:
    """sRGB -> CIE Lab, L 0 to 100."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(color_srgb), cv2.COLOR_RGB2Lab), np.float32)


def _bands(height: int, width: int) -> Iterator[slice]:
    rows = max(1, BAND // width)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def _views(
    width: int, height: int, rows: slice, tile_m: float, surface: SurfaceMaps | None, step: int = 1
) -> Iterator[View]:
    if surface is None:
        return flat_views(width, height, rows, tile_m, step)
    return surface_views(surface, rows, tile_m, step)


# --- the wear texture ------------------------------------------------------------------------------------------------


def _prepare(wear: Maps, texels: float, coverage: float) -> _Wear:
    """texels: how many texels of the base a tile spans; a finer wear texture is averaged down, or it would alias."""
    size = wear.height.shape[0]
    small = max(8, round(texels))
    stack = np.dstack([np.clip(wear.color_srgb, 0, 1), wear.height, wear.roughness, wear.metallic]).astype(np.float32)
    if small < size:
        stack = np.dstack([resize(np.ascontiguousarray(stack[..., a:b]), small, small) for a, b in ((0, 3), (3, 6))])
        size = small
    lab = lab_of(stack[..., :3])
    lightness = np.ascontiguousarray(lab[..., 0])

    around = blur(lightness, size / CELLS / 5, wraps=True)  # how light a patch is
    centres = (np.arange(PATCHES) + 0.5) / PATCHES
    at = (centres * size).astype(int)
    order = np.argsort(around[np.ix_(at, at)], axis=None, kind="stable")
    patch_xy = np.stack([np.tile(centres, PATCHES), np.repeat(centres, PATCHES)], axis=1)[order].astype(np.float32)

    h = stack[..., 3]
    color = np.dstack([lab, h])
    hidden = _hidden(h, coverage) if wear.cover is None else _at_side(wear.cover, size)
    young = stack[lightness >= np.quantile(lightness, 0.75), :3].mean(axis=0)
    return _Wear(
        size=size,
        color=np.pad(color, ((1, 1), (1, 1), (0, 0)), mode="wrap"),
        surface=np.pad(np.dstack([stack[..., 4:], hidden]), ((1, 1), (1, 1), (0, 0)), mode="wrap"),
        patch_xy=patch_xy,
        stain=np.asarray((0.7 * young / max(float(young.max()), 1e-3)) ** coverage, np.float32),
        mean=color.mean(axis=(0, 1)),
        std=np.maximum(color.std(axis=(0, 1)), 1e-3),
        low=color.min(axis=(0, 1)),
        high=color.max(axis=(0, 1)),
    )


def _at_side(plane: Array, size: int) -> Array:
    return plane if plane.shape[0] == size else resize(np.ascontiguousarray(plane), size, size)


def _hidden(h: Array, coverage: float) -> Array:
    """How much of the paint the wear hides, size x size, `coverage` on average: paint stays in patches, not as a veil.

    It is left in chips where the wear lies thinner than around (coarse relief is left out, or whole regions of thin
    young wear would go). Over the ranks of that thickness the share hidden falls from 1 to 0 along a ramp a third of
    the ranks wide.
    """
    if coverage < 0.5:
        return np.asarray(1 - _hidden(1 - h, 1 - coverage), np.float32)
    size = h.shape[0]
    thickness = blur(h, max(size / 200, 0.8), wraps=True) + 0.4 * h - 1.3 * blur(h, size / 24, wraps=True)
    rank = np.empty(h.size, np.float32)
    rank[np.argsort(thickness, axis=None, kind="stable")] = (np.arange(h.size, dtype=np.float32) + 0.5) / h.size
    bare = 1 - coverage
    start = np.sqrt(bare * 2 / 3) if bare < 1 / 6 else bare + 1 / 6  # so that the mean comes out right
    return np.asarray(1 - np.clip(3 * (start - rank), 0, 1), np.float32).reshape(h.shape)


# --- which patch where -----------------------------------------------------------------------------------------------


def _lattice(view: View) -> Iterator[tuple[Ints, Ints, Ints, Array]]:
    """The three lattice cells over each texel: column i, row j, slot and barycentric weight.

    Cell (i, j) is centred on x = (i + j / 2) / CELLS, y = j / CELLS.
    """
    t = view.y * CELLS
    s = view.x * CELLS - t / 2
    i0, j0 = np.floor(s).astype(np.int64), np.floor(t).astype(np.int64)
    a, b = s - i0, t - j0
    upper = a + b > 1
    corners = (
        (i0 + upper, j0 + upper, np.where(upper, a + b - 1, 1 - a - b)),
        (i0 + 1, j0, np.where(upper, 1 - b, a)),
        (i0, j0 + 1, np.where(upper, 1 - a, b)),
    )
    for i, j, weight in corners:
        column, row = i, j
        if view.period is not None:  # the same cell again where the plane repeats
            turns, row = np.divmod(j, CELLS * view.period[1])
            column = (i + turns * (CELLS * view.period[1] // 2)) % (CELLS * view.period[0])
        yield i, j, _hash(column, row, view.face), np.asarray(weight, np.float32)


def _hash(i: Ints, j: Ints, face: Ints) -> Ints:
    """Spatial hash (M. Teschner et al., "Optimized Spatial Hashing", 2003) with a final mix."""
    h = (i * 73856093) ^ (j * 19349663) ^ ((face + 1) * 83492791)
    h = (h ^ (h >> 15)) * 0x2C1B3C6D & 0x7FFFFFFF
    return (h ^ (h >> 12)) & (SLOTS - 1)


def _choose(lightness: Array, covered: Mask | None, surface: SurfaceMaps | None, tile_m: float) -> Ints:
    """The patch each slot shows, as an index into the patches from dark to light. SLOTS long."""
    height, width = lightness.shape
    step = max(1, min(width, height) // 512)
    total, count = np.zeros(SLOTS), np.zeros(SLOTS)
    for rows in _bands(height, width):
        band = lightness[rows][::step, ::step].ravel()
        use = None if covered is None else covered[rows][::step, ::step].ravel()
        for view in _views(width, height, rows, tile_m, surface, step):
            weight = view.weight if use is None else view.weight * use[view.index]
            for _, _, slot, share in _lattice(view):
                total += np.bincount(slot, weight * share * band[view.index], SLOTS)
                count += np.bincount(slot, weight * share, SLOTS)
    chance = np.random.Generator(np.random.PCG64(0)).random(SLOTS)  # part of the hash: the same table every time
    used = count > 1e-3
    guide = np.full(SLOTS, 0.5)
    if used.any():
        mean = total[used] / count[used]
        centre = np.average(mean, weights=count[used])
        spread = np.sqrt(np.average((mean - centre) ** 2, weights=count[used]))
        # A base of one lightness (spread under some Lab units) guides nothing.
        guide[used] = np.clip(0.5 + (mean - centre) / (2 * max(spread, 4.0)), 0, 1)
    rank = FOLLOW * guide + (1 - FOLLOW) * chance
    return np.minimum((rank * PATCHES**2).astype(np.int64), PATCHES**2 - 1)


def _synthesise(
    wear: _Wear, views: Iterator[View], choice: Ints, shape: tuple[int, int]
) -> tuple[Array, Array, Array]:
    """Lab, height, and (roughness, metallic, paint hidden) of the wear for a band of the layout."""
    count = shape[0] * shape[1]
    color, rest = np.zeros((count, 4), np.float32), np.zeros((count, 3), np.float32)
    norm, square = np.zeros(count, np.float32), np.zeros(count, np.float32)
    for view in views:
        seen_color = np.zeros((view.index.size, 4), np.float32)
        seen_rest = np.zeros((view.index.size, 3), np.float32)
        seen_norm, seen_square = np.zeros((2, view.index.size), np.float32)
        for i, j, slot, share in _lattice(view):
            patch = wear.patch_xy[choice[slot]]
            x = view.x - np.asarray((i + j * 0.5) / CELLS, np.float32) + patch[:, 0]
            y = view.y - np.asarray(j / CELLS, np.float32) + patch[:, 1]
            c, r = _sample(wear, x, y)
            # Barycentric weights to a power, times the relief: what stands out lies on top of its neighbour.
            raised = np.clip((c[:, 3] - wear.mean[3]) / wear.std[3], -2.5, 2.5)
            weight = view.weight * share**5 * np.exp(0.8 * raised)
            seen_color += c * weight[:, None]
            seen_rest += r * weight[:, None]
            seen_norm += weight
            seen_square += weight * weight
        color[view.index] += seen_color
        rest[view.index] += seen_rest
        norm[view.index] += seen_norm
        square[view.index] += seen_square
    norm = np.maximum(norm, 1e-12)
    # A mean of patches has less contrast than a patch; give it back (Heitz and Neyret 2018, their equation 3).
    lost = np.sqrt(square) / norm
    color = (color / norm[:, None] - wear.mean) / lost[:, None] + wear.mean
    color = np.clip(color, wear.low, wear.high).reshape(*shape, 4)
    rest = (rest / norm[:, None]).reshape(*shape, 3)
    return color[..., :3], color[..., 3], rest


def _sample(wear: _Wear, x: Array, y: Array) -> tuple[Array, Array]:
    """Bilinear, at x, y in tiles: N x 4 (Lab, height) and N x 3 (roughness, metallic, paint hidden)."""
    columns = 1024  # OpenCV takes no side of 32767 or more
    missing = -x.size % columns

    def grid(v: Array) -> Array:
        at = (v - np.floor(v)) * np.float32(wear.size) + np.float32(0.5)  # + 1 of border - half a texel
        return np.pad(at, (0, missing)).reshape(-1, columns)

    at_x, at_y = grid(x), grid(y)
    color = cv2.remap(wear.color, at_x, at_y, cv2.INTER_LINEAR)
    rest = cv2.remap(wear.surface, at_x, at_y, cv2.INTER_LINEAR)
    return (
        np.asarray(color.reshape(-1, 4)[: x.size], np.float32),
        np.asarray(rest.reshape(-1, 3)[: x.size], np.float32),
    )


# --- the base texture's own detail -----------------------------------------------------------------------------------


def fill(color: Array, covered: Mask) -> Array:
    """Texels outside the surface take the mean of those around (push-pull, coarser the farther away)."""
    weight = covered.astype(np.float32)
    levels = [(color * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        c, w = levels[-1]
        levels.append((np.asarray(cv2.pyrDown(c), np.float32), np.asarray(cv2.pyrDown(w), np.float32)))
    c, w = levels.pop()
    filled = c / np.maximum(w, 1e-6)[..., None]
    for c, w in reversed(levels):
        size = w.shape[1], w.shape[0]
        alpha = np.clip(w * 4, 0, 1)[..., None]
        beyond = cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR)
        filled = alpha * c / np.maximum(w, 1e-6)[..., None] + (1 - alpha) * beyond
    return np.asarray(np.where(covered[..., None], color, filled), np.float32)


def detail_of(lightness: Array, covered: Mask | None, std_wear: float, wraps: bool) -> Array:
    """What of the base texture's lightness is structure, in Lab units, its contrast matched to the wear's.

    Two scales: fine detail (lines, rivets, edges of markings) counts in full, the coarse rest (a label's or a panel's
    own lightness) less. Weak detail is lifted to the wear's contrast, strong edges are held back, so that both read.
    """
    size = max(lightness.shape)
    low = blur(lightness, max(size / 48, 2.0), wraps)
    inside = lightness if covered is None else lightness[covered]
    detail = (lightness - low) + 0.45 * (low - float(inside.mean()))
    std = float((detail if covered is None else detail[covered]).std())
    gain = np.clip(std_wear / max(std, 1e-3), 1.0, 3.0)
    limit = 30.0
    return np.asarray(limit * np.tanh(detail * (gain / limit)), np.float32)


def blur(image: Array, sigma: float, wraps: bool) -> Array:
    """Gaussian blur, done on a smaller copy, where nobody can tell."""
    height, width = image.shape
    factor = max(1, int(sigma // 4))
    small = cv2.resize(image, (max(1, width // factor), max(1, height // factor)), interpolation=cv2.INTER_AREA)
    pad = min(int(3 * sigma / factor) + 1, min(small.shape))
    edge = cv2.BORDER_WRAP if wraps else cv2.BORDER_REFLECT
    small = cv2.GaussianBlur(cv2.copyMakeBorder(small, pad, pad, pad, pad, edge), (0, 0), sigma / factor)
    small = np.ascontiguousarray(small[pad:-pad, pad:-pad])
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _shade(
    base: Array, lab: Array, h: Array, hidden: Array, detail: Array, wear: _Wear, settings: Transfer, coverage: float
) -> tuple[Array, Array]:
    """Colour (sRGB) and height of a band from its wear (lab, h, hidden) and the base's colour and detail."""
    old = lab_of(base)
    keep = settings.structure
    # Paint left amid the wear is stained by what runs off it, and dirty, so that it reads as a remnant of worn paint
    # and not as sound paint. A dent, which covers little, leaves it clean.
    stained = lab_of(base * wear.stain)
    paint = stained[..., 0] + 0.5 * coverage * (lab[..., 0] - stained[..., 0])
    faded = np.minimum(paint / np.maximum(stained[..., 0], 1.0), 1.0)[..., None]
    bare = 1 - hidden
    light = lab[..., 0] + bare * (paint - lab[..., 0])
    tint = lab[..., 1:] + bare[..., None] * (stained[..., 1:] * faded - lab[..., 1:])
    # The wear's own contrast gives way a little, or it would drown the structure.
    light = wear.mean[0] + (light - wear.mean[0]) * (1 - 0.5 * keep * coverage)
    # Detail counts for less where there is no room for it: dark wear cannot take 30 units of darkness.
    shift = keep * hidden * detail
    shift = np.where(shift < 0, shift * np.clip(light / 40, 0.25, 1), shift * np.clip((100 - light) / 60, 0.25, 1))
    out = np.empty_like(old)
    out[..., 0] = np.clip(light + shift, 0, 100)
    out[..., 1:] = old[..., 1:] + (tint - old[..., 1:]) * np.float32(settings.color)
    srgb = np.clip(cv2.cvtColor(out, cv2.COLOR_Lab2RGB), 0, 1)
    return np.asarray(srgb, np.float32), np.clip(h + keep * detail * np.float32(0.006), 0, 1)
