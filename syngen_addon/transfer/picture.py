"""What the neural and the diffusion transfer share: a network's picture of the aged texture becomes its four maps.

Imports errors, recipe, images, patch, numpy and OpenCV; never bpy, never torch.

The picture decides the colour. Where it is smaller than the base texture, the detail it cannot hold comes from the
patch transfer (patch.py), and from the base texture where the picture left that as it was. The other maps are those of
the patch transfer, moved to what the wear texture has where it shows the picture's colours.
"""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import SynGenError
from ..images import Array, Maps, Mask, SurfaceMaps, resize
from ..recipe import Transfer
from .patch import BAND, blur, detail_of, fill, lab_of

Floats = npt.NDArray[np.float64]

BINS = 24
"""Of the look-up from colour to the other maps, along each axis of Lab."""
BEYOND = 0.25
"""How far beyond the wear's own colours the look-up reaches on either side, as a share of their range."""
SEAM = 1 / 64
"""How far from the border of an island the picture counts in full, as a share of the longer side."""
UNCHANGED = 16.0
"""Lab units from which on the picture no longer shows the base texture's own surface."""


def wearable(shape: tuple[int, ...], surface: SurfaceMaps | None, protect: Mask | None) -> Mask:
    """H x W, the texels that lie on the surface and are not protected."""
    allowed = np.ones(shape, np.bool_) if surface is None or not surface.covered.any() else surface.covered.copy()
    if protect is not None:
        allowed &= ~protect
    return allowed


def settled(
    picture_srgb: Array,
    base_srgb: Array,
    patched: Maps,
    wear: Maps,
    settings: Transfer,
    *,
    wraps: bool,
    surface: SurfaceMaps | None = None,
    protect: Mask | None = None,
) -> Maps:
    """The aged texture, H x W, from a network's picture of it.

    picture_srgb: h x w x 3, any size, [0, 1]. base_srgb: H x W x 3. patched: the patch transfer's maps, H x W.
    wraps: whether all of them wrap at their borders.
    settings.color and settings.structure count as in patch.transfer: the picture's own tint is mixed with the base
    texture's, and structure that the picture lacks is laid over. Protected texels come back bit-exact, with height 0.5,
    roughness 0.5 and metallic 0. Texels outside the islands are filled from those around. The cover is patched's.
    Raises SynGenError where the picture has a wrong shape or holds values that are not numbers.
    """
    if picture_srgb.ndim != 3 or picture_srgb.shape[2] != 3 or 0 in picture_srgb.shape:
        raise SynGenError(f"The network's picture has the shape {picture_srgb.shape}.", "Generate it again.")
    if not np.isfinite(picture_srgb).all():
        raise SynGenError("The network's picture holds values that are not numbers.", "Generate it again.")
    base_srgb = np.asarray(base_srgb, np.float32)
    shape = base_srgb.shape[:2]
    covered = None if surface is None or surface.covered.all() or not surface.covered.any() else surface.covered
    allowed = wearable(shape, surface, protect)
    base = np.clip(base_srgb, 0, 1)
    base = base if covered is None else fill(base, covered)

    old, there = lab_of(base), lab_of(patched.color_srgb)
    lab = _at_size(np.clip(picture_srgb, 0, 1), shape, old, there)
    if surface is not None:
        lab = _without_seams(lab, there, surface.covered, allowed)
    if covered is not None:
        lab = fill(lab, covered)
    lab[..., 0] += _missing(lab[..., 0], old[..., 0], covered, allowed, wear, settings.structure, wraps)
    lab[..., 1:] = old[..., 1:] + (lab[..., 1:] - old[..., 1:]) * np.float32(settings.color)
    color = np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1), np.float32)
    rough, metal, relief = _maps(lab_of(color), there, patched, wear, allowed, wraps)
    if protect is not None:
        color[protect] = base_srgb[protect]
        rough[protect], metal[protect], relief[protect] = 0.5, 0.0, 0.5
    return Maps(color, rough, metal, relief, patched.cover)


def _without_seams(lab: Array, there: Array, covered: Mask, allowed: Mask) -> Array:
    """The picture, which towards the borders of islands becomes the patch transfer in the picture's own colours.

    A network paints islands one by one; what meets in the world comes out differently on both sides of a border. The
    patch transfer has no seams there.
    """
    reach = max(lab.shape[:2]) * SEAM
    inside = np.pad(covered, 1).astype(np.uint8)  # the texture's own border is one of an island as well
    near = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    share = np.clip(near / np.float32(reach), 0, 1)
    share = np.asarray(share * share * (3 - 2 * share), np.float32)[..., None]
    return np.asarray(share * lab + (1 - share) * _like(there, lab, allowed), np.float32)


def changed(lab: Array, old: Array) -> Array:
    """How far a picture no longer shows what it started from, H x W, 0 to 1."""
    gone = np.linalg.norm(lab - old, axis=2) / np.float32(UNCHANGED)
    return np.asarray(np.clip(cv2.GaussianBlur(np.asarray(gone, np.float32), (0, 0), 2.0), 0, 1), np.float32)


def _at_size(picture: Array, shape: tuple[int, ...], old: Array, there: Array) -> Array:
    """The picture as Lab, H x W x 3, with the detail that it is too small for."""
    small = np.asarray(picture, np.float32)
    size = shape[1], shape[0]
    if small.shape[:2] == shape:
        return lab_of(small)
    lab = lab_of(resize(np.ascontiguousarray(small), *size))
    if small.shape[0] * small.shape[1] >= shape[0] * shape[1]:
        return lab

    def fine(image: Array) -> Array:
        less = cv2.resize(image, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(image - cv2.resize(less, size, interpolation=cv2.INTER_CUBIC), np.float32)

    worn = changed(lab, old)[..., None]
    lab += worn * fine(there) + (1 - worn) * fine(old)
    return np.asarray(lab, np.float32)


def _missing(
    light: Array, old: Array, covered: Mask | None, allowed: Mask, wear: Maps, structure: float, wraps: bool
) -> Array:
    """What has to be laid over the picture's lightness so that the base texture's detail shows as asked, H x W.

    How much of it shows already is told by regression over the texels that count.
    """
    std = float(lab_of(np.clip(wear.color_srgb, 0, 1))[..., 0].std())
    detail = detail_of(np.ascontiguousarray(old), covered, std, wraps)
    inside, shown = detail[allowed], (light - blur(np.ascontiguousarray(light), max(light.shape) / 24, wraps))[allowed]
    power = float((inside * inside).mean()) if inside.size else 0.0
    has = float(((inside - inside.mean()) * shown).mean()) / power if power > 1e-3 else structure
    shift = np.float32(max(structure - has, 0.0)) * detail
    dark, bright = np.clip(light / 40, 0.25, 1), np.clip((100 - light) / 60, 0.25, 1)
    return np.asarray(shift * np.where(shift < 0, dark, bright), np.float32)


# --- roughness, metallic and height of a colour ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Lookup:
    """Lab -> roughness, metallic, height as the wear texture has them: BINS cubed cells between low and high."""

    low: Array
    high: Array
    cells: Array

    def __call__(self, lab: Array) -> Array:
        """H x W x 3 -> H x W x 3, linear between cells; some rows at a time, so that memory stays bounded."""
        out = np.empty(lab.shape, np.float32)
        rows = max(1, BAND // lab.shape[1])
        for top in range(0, lab.shape[0], rows):
            out[top : top + rows] = self._band(lab[top : top + rows])
        return out

    def _band(self, lab: Array) -> Array:
        at = (lab - self.low) * (np.float32(BINS) / (self.high - self.low)) - np.float32(0.5)
        at = np.clip(at, 0, BINS - 1.001).reshape(-1, 3)
        first = at.astype(np.int32)
        part = np.asarray(at - first, np.float32)
        corner = (first[:, 0] * BINS + first[:, 1]) * BINS + first[:, 2]
        flat = self.cells.reshape(-1, 3)
        out = np.zeros(at.shape, np.float32)
        for step in product((0, 1), repeat=3):
            weight = np.ones(len(at), np.float32)
            for axis, up in enumerate(step):
                weight *= part[:, axis] if up else 1 - part[:, axis]
            out += weight[:, None] * flat[corner + (step[0] * BINS + step[1]) * BINS + step[2]]
        return out.reshape(lab.shape)


def _lookup(wear: Maps) -> _Lookup:
    lab = lab_of(np.clip(wear.color_srgb, 0, 1)).reshape(-1, 3)
    low, high = np.quantile(lab, 0.002, axis=0), np.quantile(lab, 0.998, axis=0)
    beyond = np.maximum((high - low) * BEYOND, 2.0)
    low, high = np.asarray(low - beyond, np.float32), np.asarray(high + beyond, np.float32)
    cell = np.clip((lab - low) / (high - low) * BINS, 0, BINS - 1).astype(np.int64)
    flat = (cell[:, 0] * BINS + cell[:, 1]) * BINS + cell[:, 2]
    total = [np.bincount(flat, m.ravel(), BINS**3) for m in (wear.roughness, wear.metallic, wear.height)]
    count: Floats = np.bincount(flat, minlength=BINS**3).astype(np.float64).reshape(BINS, BINS, BINS)
    sums: Floats = np.stack(total, axis=-1).astype(np.float64).reshape(BINS, BINS, BINS, 3)
    weights, reach = count, 1
    cells = sums / np.maximum(count, 1e-9)[..., None]
    known = count > 0
    while not known.all():  # empty cells take the mean of those around, from ever farther
        sums, weights = _spread(sums, reach), _spread(weights[..., None], reach)[..., 0]
        new = ~known & (weights > 0)
        cells[new] = sums[new] / weights[new][:, None]
        known |= new
        reach *= 2
    return _Lookup(low, high, np.asarray(cells, np.float32))


def _spread(values: Floats, reach: int) -> Floats:
    """Each cell plus half of its neighbours `reach` away, along the three axes."""
    for axis in range(3):
        ahead, back = np.zeros_like(values), np.zeros_like(values)
        to = [slice(None)] * values.ndim
        fro = [slice(None)] * values.ndim
        to[axis], fro[axis] = slice(reach, None), slice(None, -reach)
        ahead[tuple(to)] = values[tuple(fro)]
        back[tuple(fro)] = values[tuple(to)]
        values = values + 0.5 * (ahead + back)
    return values


def _maps(
    lab: Array, there: Array, patched: Maps, wear: Maps, allowed: Mask, wraps: bool
) -> tuple[Array, Array, Array]:
    """Roughness, metallic and height that fit the picture, each H x W.

    lab: the finished colour. there: the patch transfer's. Where both show the same pattern, the patch transfer's own
    maps hold, moved by what the change of colour means; where they differ, the look-up from colour alone.
    """
    seen, before = _like(lab, there, allowed), there
    lookup = _lookup(wear)
    same = _agreement(lab[..., 0], there[..., 0], wraps)[..., None]
    own = np.dstack([patched.roughness, patched.metallic, patched.height])
    middle = np.array([0, 0, 0.5], np.float32)
    shift = (lookup(seen) - middle) - same * (lookup(before) - middle)
    # Tints say nothing of broad relief: red paint under the rust lies no deeper than a yellow sign.
    shift[..., 2] -= blur(np.ascontiguousarray(shift[..., 2]), max(shift.shape) / 24, wraps)
    out = np.clip(middle + shift + same * (own - middle), 0, 1)
    rough, metal, relief = (np.ascontiguousarray(out[..., n], np.float32) for n in range(3))
    return rough, metal, relief


def _like(lab: Array, there: Array, allowed: Mask) -> Array:
    """lab with the mean and spread of `there`, so that a photo in other colours is read by its own light and dark."""
    if not allowed.any():
        return lab
    a, b = lab[allowed], there[allowed]
    gain = np.clip(b.std(axis=0) / np.maximum(a.std(axis=0), 1e-3), 0.25, 4)
    return np.asarray((lab - a.mean(axis=0)) * gain + b.mean(axis=0), np.float32)


def _agreement(light: Array, there: Array, wraps: bool) -> Array:
    """How far two lightnesses show the same pattern around each texel, 0 to 1: their local correlation."""
    sigma = max(max(light.shape) / 128, 2.0)

    def around(image: Array) -> Array:
        return blur(np.ascontiguousarray(image), sigma, wraps)

    a, b = light - around(light), there - around(there)
    power = around(a * a) * around(b * b)
    return np.asarray(np.clip((around(a * b) + 0.01) / (np.sqrt(np.maximum(power, 0)) + 0.01), 0, 1), np.float32)
