"""A labelled set of good and bad textures, made by code, the same on every machine: what the filters are calibrated on.

Good: the CC0 photographs of rust (whole, and crops made to tile), our procedural textures of every kind of wear, the
base textures of real models aged by our transfer. Bad: one fault put on a good one, or what is no wear at all. Faults
that a person would not see are not in it: the ranges of strength stand with each fault.

Two halves, split by source (photograph, model, seed): nothing of one source is in both. Imports numpy, OpenCV, Pillow
and the stages; the photographs and models are taken from the folder in SYNGEN_TEST_ASSETS.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from faults import FAULTS, crop_of
from harness import ROOT  # noqa: F401, the import puts the repository on the path

from syngen_addon.images import Array, Maps, Mask, load, resize
from syngen_addon.kinds import KINDS
from syngen_addon.recipe import Kind, Transfer
from syngen_addon.seeds import generator
from syngen_addon.textures.procedural import wear_texture
from syngen_addon.transfer.patch import transfer

SIDE = 512
SEED = 38
PHOTOS = ("textures/Rust004_1K_Color.jpg", "textures/Rust006_1K-JPG_Color.jpg", "textures/rust_coarse_01_diff_1k.webp")
PHOTO_KIND = "heavy_rust"
REASON_OF = {"watermark": "text"}
"""The filter's word for a fault, where it is another: ink or watermark, what is to be done is the same."""
MODELS: dict[str, frozenset[str]] = {
    "Barrel_01/textures/Barrel_01_explosive_diff_1k.jpg": frozenset({"color", "text", "object", "exposure"}),
    "WetFloorSign_01/textures/WetFloorSign_01_diff_1k.jpg": frozenset({"color", "text", "flat"}),
    "cardboard_box_01/textures/cardboard_box_01_diff_1k.jpg": frozenset({"color"}),
    "hand_truck/textures/hand_truck_diff_1k.jpg": frozenset({"color"}),
    "metal_office_desk/textures/metal_office_desk_diff_1k.jpg": frozenset({"color"}),
    "metal_toolbox/textures/metal_toolbox_diff_1k.jpg": frozenset({"color"}),
    "rollershutter_door/textures/rollershutter_door_diff_1k.jpg": frozenset({"color"}),
    "rollershutter_door/textures/rollershutter_door_graffiti_diff_1k.jpg": frozenset({"color", "text"}),
    "steel_frame_shelves_01/textures/steel_frame_shelves_01_diff_1k.jpg": frozenset({"color"}),
    "street_lamp_01/textures/street_lamp_01_diff_1k.jpg": frozenset({"color", "object"}),
    "worn_metal_rack/textures/worn_metal_rack_diff_1k.jpg": frozenset({"color"}),
}
"""Base textures, and every fault a person sees on one that is offered as a wear texture (looked at, one by one)."""


@dataclass(frozen=True)
class Example:
    """One texture, why a person would refuse it, and how it is to be judged.

    reasons: all that are true of it, empty where it is good; the first stands for it in the table (`reason`).
    half: 0 to set thresholds, 1 for the result. before: textures that it must differ from. clean_srgb: what it was
    before its fault. fault: which of faults.py, "" for none.
    """

    name: str
    source: str
    half: int
    reason: str
    also: frozenset[str]
    color_srgb: Array
    wear_colors: Sequence[Sequence[float]]
    tiles: bool = True
    where: Mask | None = None
    before: tuple[Array, ...] = ()
    clean_srgb: Array | None = None
    fault: str = ""

    @property
    def reasons(self) -> frozenset[str]:
        """All reasons that are right."""
        return self.also | {self.reason} if self.reason else frozenset()


@dataclass(frozen=True)
class Source:
    """A good texture, where it is from and in which half. others: more of its kind, which it is no duplicate of."""

    name: str
    half: int
    kind: Kind
    color_srgb: Array
    others: tuple[Array, ...] = ()


def maps(color_srgb: Array) -> Maps:
    """A picture as Maps; the filters look at its colour only."""
    plane = np.full(color_srgb.shape[:2], 0.5, np.float32)
    return Maps(color_srgb, plane, plane, plane)


def examples(half: int, assets: Path | None, *, per_kind: int = 14, per_reason: int = 80) -> Iterator[Example]:
    """The examples of a half, good ones first, always the same. Without assets: from our own generators only.

    per_kind: procedural textures a kind (and crops a photograph, twice as many); per_reason: examples a fault, as many
    as it takes for neither a threshold nor a figure to hang on single ones.
    """
    sources = [*_procedural(half, per_kind), *(_photographs(half, assets, 2 * per_kind) if assets else [])]
    for source in sources:
        colors = source.kind.look.colors_srgb
        yield Example(source.name, source.name, half, "", frozenset(), source.color_srgb, colors, before=source.others)
    aged = list(_aged(half, assets)) if assets else []
    yield from aged
    for name, fault in FAULTS.items():
        rng = generator(SEED, f"labelled/{name}", half)
        order = rng.permutation(len(sources))
        made = 0
        for turn in range(4 * per_reason):
            source = sources[order[turn % len(order)]]
            bad = fault(source.color_srgb, rng)
            if bad is None:  # this fault cannot be seen on this texture
                continue
            before = (*source.others[:2], source.color_srgb) if name == "duplicate" else ()
            yield Example(
                f"{name}/{made}/{source.name}", source.name, half, REASON_OF.get(name, name), frozenset(), bad,
                source.kind.look.colors_srgb, before=before, clean_srgb=source.color_srgb, fault=name,
            )  # fmt: skip
            made += 1
            if made == per_reason:
                break
    yield from _spoilt_aged(aged)
    if assets:
        yield from _no_wear(half, assets)


def of_half(names: Sequence[str], half: int) -> list[str]:
    """Every second one, so that who is in which half is decided by order and by nothing else."""
    return [name for number, name in enumerate(sorted(names)) if number % 2 == half]


def _procedural(half: int, count: int) -> Iterator[Source]:
    for kind in KINDS.values():
        made: list[Array] = []
        for number in range(count):
            seed = 1000 * SEED + 2 * number + half
            size = (512, 512, 512, 256)[number % 4]
            color = wear_texture(kind, size, generator(seed, f"labelled/{kind.name}")).color_srgb
            yield Source(f"{kind.name}-{seed}", half, kind, color, tuple(made[-3:]))
            made.append(color)


def _photographs(half: int, assets: Path, count: int) -> Iterator[Source]:
    for name in of_half(PHOTOS, half):
        photo = load(assets / name)[..., :3]
        rng = generator(SEED, f"labelled/{name}")
        for number in range(count):
            color = photo if number % 4 == 0 else crop_of(photo, rng.uniform(0.7, 1), rng)  # never enlarged
            color = resize(np.ascontiguousarray(np.rot90(color, rng.integers(4))), SIDE, SIDE)
            color = np.roll(color, tuple(rng.integers(0, SIDE, 2)), (0, 1))
            color = np.clip(color * np.float32(rng.uniform(0.9, 1.15)), 0, 1)
            yield Source(f"{Path(name).stem}-{number}", half, KINDS[PHOTO_KIND], color)


@lru_cache(maxsize=32)
def _base(path: Path) -> Array:
    return resize(load(path)[..., :3], SIDE, SIDE)


def _aged(half: int, assets: Path) -> Iterator[Example]:
    """Base textures of real models after the transfer; what they were made with is the job's default."""
    for number, name in enumerate(of_half(list(MODELS), half)):
        base = _base(assets / "objects" / name)
        for kind in (KINDS["heavy_rust"], KINDS["light_rust"], KINDS["rust_streaks"]):
            seed = 2 * number + half
            wear = wear_texture(kind, SIDE, generator(seed, f"labelled/aged/{kind.name}"))
            aged = transfer(base, wear, Transfer(), tile_m=0.5, coverage=kind.coverage)
            where = np.asarray(cv2.erode((base.max(axis=2) > 0.02).astype(np.uint8), np.ones((3, 3))) > 0, np.bool_)
            title = f"aged/{Path(name).stem}-{kind.name}"
            yield Example(
                title, name, half, "", frozenset(), aged.color_srgb, kind.look.colors_srgb, tiles=False, where=where
            )


def _spoilt_aged(aged: Sequence[Example]) -> Iterator[Example]:
    """What a transfer can spoil: it loses its detail, adds noise, or gives another colour."""
    for reason in ("blur", "noise", "color"):
        for number, good in enumerate(aged):
            if number % 3 != ("blur", "noise", "color").index(reason):
                continue
            rng = generator(SEED, f"labelled/aged/{reason}", number)
            bad = FAULTS[reason](good.color_srgb, rng)
            if bad is not None:
                name = f"{reason}/{good.name}"
                yield Example(
                    name, good.source, good.half, reason, frozenset(), bad, good.wear_colors, False, good.where,
                    fault=reason,
                )  # fmt: skip


def _no_wear(half: int, assets: Path) -> Iterator[Example]:
    """Base textures of models, offered as rust: wrong colour, among other things."""
    for name in of_half(list(MODELS), half):
        colors = KINDS["heavy_rust"].look.colors_srgb
        yield Example(
            f"color/{Path(name).stem}", name, half, "color", MODELS[name] | {"seam"}, _base(assets / "objects" / name),
            colors, fault="color",
        )  # fmt: skip
