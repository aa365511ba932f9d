"""Is a texture fit for use? Imports errors, recipe, images, scores, numpy and OpenCV; never bpy.

A wear texture is judged with tiles=True; an aged texture with tiles=False and `where`, the texels of it that show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import SynGenError
from ..images import Array, Maps, Mask, resize
from ..recipe import Filters
from . import scores as measure
from .letters import letters

LEAST_HIDDEN = 0.1
"""Of an aged texture's texels: where fewer hide the paint, as under a veil of dirt, any colour will do."""
SIDE = 512
"""Textures are looked at this size, so that a score means the same for every size; noise and blocks at full size."""
OF_TEXTURES = ("blocks", "object", "text", "exposure", "lighting", "seam")
"""Scores of wear textures alone: an aged texture has the letters, things and light of its base texture by right."""


LIMITS: Mapping[str, tuple[str, str]] = {
    "flat": ("contrast", "contrast_min"),
    "blocks": ("blocks", "blocks_max"),
    "exposure": ("exposure", "exposure_max"),
    "noise": ("noise", "noise_max"),
    "duplicate": ("duplicate", "duplicate_min"),
    "object": ("object", "object_max"),
    "lighting": ("lighting", "lighting_max"),
    "text": ("text", "text_max"),
    "blur": ("sharpness", "sharpness_min"),
    "color": ("color", "color_max"),
    "seam": ("seam", "seam_max"),
}
"""Reason -> the score it goes by and the key of [filters] that limits it, in the order in which they are looked at:
what would spoil the other scores comes first."""
REASONS = tuple(LIMITS)


@dataclass(frozen=True)
class Verdict:
    """What was decided on one texture, and why.

    reason: "" where accepted, else invalid or one of REASONS (the first that applies). sentence: the same for a person,
    with the numbers and what to change. scores, thresholds: by the keys of LIMITS; a score that does not apply
    (none of OF_TEXTURES on an aged texture, no noise or sharpness where the texels are too few to tell) is left out.
    signature: what later candidates are compared with; empty where invalid.
    """

    accepted: bool
    reason: str
    sentence: str
    scores: dict[str, float]
    thresholds: dict[str, float]
    signature: Array


def judge(
    candidate: Maps,
    wear_colors_srgb: Sequence[Sequence[float]],
    settings: Filters,
    accepted: Sequence[Verdict] = (),
    *,
    tiles: bool = True,
    where: Mask | None = None,
    hidden: Mask | None = None,
) -> Verdict:
    """Measure a texture and accept or refuse it.

    wear_colors_srgb: the colours it should have (a Kind's look.colors_srgb); empty: any colour will do. accepted:
    verdicts on the textures it must differ from, judged with the same `tiles`. tiles: whether it is laid in tiles, so
    that its borders must meet. where: H x W, the texels that count (on an aged texture: covered and not protected);
    None for all. hidden: H x W, the texels where no paint shines through, whose colour is the wear's own; None for
    all; where they are fewer than a tenth, any colour will do. With settings.enabled off only a broken (invalid)
    texture is refused.
    Raises SynGenError where `where` is of another size.
    """
    thresholds = _thresholds(settings)
    shape = candidate.color_srgb.shape[:2]
    if where is not None and where.shape != shape:
        raise SynGenError(f"The mask to judge in is {where.shape}, the texture {shape}.", "Make both the same size.")
    fault = _fault(candidate, where)
    if fault:
        return broken(fault, settings)

    own = _own(where, hidden)
    full = measure.lab_of(candidate.color_srgb)
    noise = measure.pixel_noise(full, where)
    color, where = _smaller(candidate.color_srgb, where, SIDE)
    lab = full if color is candidate.color_srgb else measure.lab_of(color)
    small, small_where = _smaller(color, where, SIDE // 4)
    small_lab = measure.lab_of(small)
    mark = measure.signature(small_lab, small_where)
    scores = {"contrast": measure.contrast(lab, where)}
    if noise is not None:
        scores["noise"] = noise
    sharpness = measure.sharpness(lab, where)
    if sharpness is not None:
        scores["sharpness"] = sharpness
    if len(wear_colors_srgb) and (own is None or own.any()):
        small, small_where = _smaller(candidate.color_srgb, own, SIDE // 4)
        scores["color"] = measure.color_distance(measure.lab_of(small), wear_colors_srgb, small_where)
    if tiles:
        scores["blocks"] = measure.blocks(_middle(full))
        scores["object"] = measure.thing(small_lab)
        scores["text"] = letters(lab)
        scores["exposure"] = measure.exposure(color)
        scores["lighting"] = measure.lighting(small_lab)
        scores["seam"] = measure.seam(lab)
    others = [measure.distance(mark, other.signature) for other in accepted if other.signature.size == mark.size]
    if others:
        scores["duplicate"] = min(others)

    reason = _reason(scores, thresholds) if settings.enabled else ""
    return Verdict(not reason, reason, _sentence(reason, scores, thresholds, others), scores, thresholds, mark)


def broken(sentence: str, settings: Filters) -> Verdict:
    """The verdict on what cannot be used at all, whatever the settings; sentence: why."""
    return Verdict(False, "invalid", sentence, {}, _thresholds(settings), np.zeros(0, np.float32))


def _thresholds(settings: Filters) -> dict[str, float]:
    return {score: float(getattr(settings, key)) for score, key in LIMITS.values()}


def _fault(candidate: Maps, where: Mask | None) -> str:
    """A sentence where the maps cannot be used at all, else ""."""
    for name in ("color_srgb", "roughness", "metallic", "height"):
        values = getattr(candidate, name)
        if values.shape[:2] != candidate.color_srgb.shape[:2] or not values.size:
            return f"Broken: its maps differ in size ({name} is {values.shape}). Generate it again."
        if not np.isfinite(values).all():
            return f"Broken: {name} holds values that are not numbers. Generate it again."
    if where is not None and not where.any():
        return "Nothing to see: no texel of it lies on the surface outside protected areas. Check the protect mask."
    texels = candidate.color_srgb if where is None else candidate.color_srgb[where]
    brightest = float(texels.max())
    return f"Black: its brightest value is {brightest:.3f} of 1. Generate it again." if brightest < 0.02 else ""


def _own(where: Mask | None, hidden: Mask | None) -> Mask | None:
    """The texels whose colour is judged; none where they are too few."""
    if hidden is None:
        return where
    own = hidden if where is None else hidden & where
    enough = own.mean() >= LEAST_HIDDEN * (1.0 if where is None else where.mean())
    return np.asarray(own if enough else np.zeros_like(own), np.bool_)


def _smaller(color: Array, where: Mask | None, side: int) -> tuple[Array, Mask | None]:
    """Both averaged down to at most side x side; a mask counts where three quarters of it do."""
    height, width = color.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return color, where
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = resize(np.ascontiguousarray(color), *size)
    if where is None:
        return small, None
    share = cv2.resize(where.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return small, np.asarray(share >= min(0.75, float(share.max())), np.bool_)


def _middle(lab: Array) -> Array:
    """At most SIDE x SIDE texels from the middle, unscaled: blocks are everywhere or nowhere."""
    top, left = (max(0, (n - SIDE) // 2) for n in lab.shape[:2])
    return lab[top : top + SIDE, left : left + SIDE]


def exceeds(reason: str, scores: Mapping[str, float], limits: Mapping[str, float]) -> bool:
    """Whether the score that the reason goes by is beyond its limit; a score that was not taken never is."""
    score, key = LIMITS[reason]
    if score not in scores:
        return False
    return scores[score] < limits[score] if key.endswith("_min") else scores[score] > limits[score]


def _reason(scores: Mapping[str, float], limits: Mapping[str, float]) -> str:
    return next((reason for reason in REASONS if exceeds(reason, scores, limits)), "")


_SAID: Mapping[str, str] = {
    "": "Accepted.",
    "flat": "Too flat: its colors vary by {score:.3f}, at least {limit:.3f} are needed. Take another seed",
    "blocks": "Blocks: steps on a grid stand out by {score:.2f} times the others, {limit:.2f} is allowed. "
    "Use a source that is less compressed, or not enlarged",
    "exposure": "Badly exposed: {score:.0%} of it is blown out or black, {limit:.0%} are allowed. "
    "Use a picture that keeps its light and dark",
    "noise": "Too noisy: pixel noise of {score:.3f}, at most {limit:.3f} is allowed. "
    "Take another seed or a cleaner source",
    "object": "Shows a thing before a background ({score:.2f}, {limit:.2f} is allowed). "
    "Use a picture that wear fills from border to border, or cut one out of this",
    "text": "Letters or a watermark: about {score:.1f} letters in a row, {limit:.1f} are allowed. "
    "Take another seed or a picture without writing",
    "blur": "Too blurred: fine detail is {score:.2f} times the coarse, {limit:.2f} is the least. "
    "Make it larger or sharper",
    "lighting": "Lit unevenly: the light in it varies by {score:.2f}, {limit:.2f} is allowed. "
    "Use a picture without shadow, glare or dark corners",
    "color": "Wrong color: a quarter of it lies more than {score:.1f} Lab units from the wear's colors, "
    "{limit:.1f} are allowed. Take another seed or raise transfer.color",
    "seam": "Visible seam: the step across its border is {score:.2f} times the largest inside, {limit:.2f} is allowed. "
    "Make it tileable",
    "duplicate": "Duplicate: it differs by {score:.3f} from accepted texture {other}, at least {limit:.3f} is needed. "
    "Take another seed",
}
"""What is said of each reason; how to change its limit is added."""


def _sentence(reason: str, s: Mapping[str, float], t: Mapping[str, float], others: Sequence[float]) -> str:
    if not reason:
        return _SAID[reason]
    score, key = LIMITS[reason]
    other = int(np.argmin(others)) + 1 if others else 0
    said = _SAID[reason].format(score=s[score], limit=t[score], other=other)
    return f"{said}, or {'lower' if key.endswith('_min') else 'raise'} filters.{key}."
