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

SIDE = 512
"""Textures are looked at this size, so that a score means the same for every size; noise alone at full size."""


@dataclass(frozen=True)
class Verdict:
    """What was decided on one texture, and why.

    reason: "" where accepted, else invalid, flat, noise, blur, color, seam or duplicate (the first that applies).
    sentence: the same for a person, with the numbers and what to change. scores, thresholds: by the keys sharpness,
    noise, contrast, color, seam, duplicate; a score that does not apply (no seam on an aged texture, no noise
    or sharpness where the texels are too few to tell) is left out. signature: what later candidates are compared with;
    empty where invalid.
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
) -> Verdict:
    """Measure a texture and accept or refuse it.

    wear_colors_srgb: the colours it should have (a Kind's look.colors_srgb); empty: any colour will do. accepted:
    verdicts on the textures it must differ from, judged with the same `tiles`. tiles: whether it is laid in tiles, so
    that its borders must meet. where: H x W, the texels that count (on an aged texture: covered and not protected);
    None for all. With settings.enabled off only a broken (invalid) texture is refused.
    Raises SynGenError where `where` is of another size.
    """
    thresholds = _thresholds(settings)
    shape = candidate.color_srgb.shape[:2]
    if where is not None and where.shape != shape:
        raise SynGenError(f"The mask to judge in is {where.shape}, the texture {shape}.", "Make both the same size.")
    fault = _fault(candidate, where)
    if fault:
        return broken(fault, settings)

    noise = measure.pixel_noise(measure.lab_of(candidate.color_srgb), where)
    color, where = _smaller(candidate.color_srgb, where, SIDE)
    lab = measure.lab_of(color)
    small, small_where = _smaller(color, where, SIDE // 4)
    small_lab = measure.lab_of(small)
    mark = measure.signature(small_lab, small_where)
    scores = {"contrast": measure.contrast(lab, where)}
    if noise is not None:
        scores["noise"] = noise
    sharpness = measure.sharpness(lab, where)
    if sharpness is not None:
        scores["sharpness"] = sharpness
    if len(wear_colors_srgb):
        scores["color"] = measure.color_distance(small_lab, wear_colors_srgb, small_where)
    if tiles:
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
    return {
        "sharpness": settings.sharpness_min, "noise": settings.noise_max, "contrast": settings.contrast_min,
        "color": settings.color_max, "seam": settings.seam_max, "duplicate": settings.duplicate_min,
    }  # fmt: skip


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


def _reason(scores: Mapping[str, float], limits: Mapping[str, float]) -> str:
    if scores["contrast"] < limits["contrast"]:
        return "flat"
    if scores.get("noise", 0.0) > limits["noise"]:
        return "noise"
    if scores.get("sharpness", np.inf) < limits["sharpness"]:
        return "blur"
    if scores.get("color", 0.0) > limits["color"]:
        return "color"
    if scores.get("seam", 0.0) > limits["seam"]:
        return "seam"
    if scores.get("duplicate", np.inf) < limits["duplicate"]:
        return "duplicate"
    return ""


def _sentence(reason: str, s: Mapping[str, float], t: Mapping[str, float], others: Sequence[float]) -> str:
    if reason == "":
        return "Accepted."
    if reason == "flat":
        return (
            f"Too flat: its colours vary by {s['contrast']:.3f}, at least {t['contrast']:.3f} are needed. "
            "Take another seed, or lower filters.contrast_min."
        )
    if reason == "noise":
        return (
            f"Too noisy: pixel noise of {s['noise']:.3f}, at most {t['noise']:.3f} is allowed. "
            "Take another seed or a cleaner source, or raise filters.noise_max."
        )
    if reason == "blur":
        return (
            f"Too blurred: fine detail is {s['sharpness']:.2f} times the coarse, {t['sharpness']:.2f} is the least. "
            "Make it larger or sharper, or lower filters.sharpness_min."
        )
    if reason == "color":
        return (
            f"Wrong colour: a quarter of it lies more than {s['color']:.1f} Lab units from the wear's colours, "
            f"{t['color']:.1f} are allowed. Take another seed or raise transfer.color, or raise filters.color_max."
        )
    if reason == "seam":
        return (
            f"Visible seam: the step across its border is {s['seam']:.2f} times the largest inside, "
            f"{t['seam']:.2f} is allowed. Make it tileable, or raise filters.seam_max."
        )
    return (
        f"Duplicate: it differs by {s['duplicate']:.3f} from accepted texture {int(np.argmin(others)) + 1}, "
        f"at least {t['duplicate']:.3f} is needed. Take another seed, or lower filters.duplicate_min."
    )
