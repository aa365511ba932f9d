"""From base textures and a mesh to aged variants on disk: the stages joined, and the gallery they are kept in.

Imports methods, the stages and the foundations, never bpy: it runs in a thread of the window as well as in a batch job.

    <gallery>/<object>/<variant>/variant.json            what it is, how it was made, the verdicts
                                 color-<slot>.png        aged colour, sRGB, in the base texture's layout
                                 surface-<slot>.png      16 bit: roughness, metallic, height, cover (in alpha)
                                 onset-<slot>.png        16 bit: onset / 2, run-off / 2, fade / 2 (so that NEVER = 2
                                                         fits); in alpha how flat the onset is
                                 thumbnail.png           the object itself, half worn
A folder appears under its name only when it is complete, and its name says what went in: the same input is never
computed twice, and two jobs that make the same variant make the same bytes. What was deleted lies in
<gallery>/<object>/.trash until that is emptied.
"""

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from . import images, seeds
from .errors import Cancelled, SynGenError
from .files import part_of, publish, remove_parts, write_bytes
from .filters.judge import Verdict, judge
from .images import Array, Mask
from .marks.fade import faded
from .methods import SETS, Made, Tools, Watch, aged_texture, identities, kind_in_use, method_inputs, wear_textures
from .recipe import Kind, Recipe, Transfer, onset_of, to_dict
from .wear.mesh import MeshArrays, check_mesh
from .wear.onset import NEVER, Ground, OnsetMap, maps_on, prepare, surface_maps
from .wear.portrait import Portrait, paint, pose

VERSION = 5
"""Part of a variant's name: raise it when the same input makes other pixels."""
ONSET_RANGE = 2.0
FLATTEST = 16.0
"""Metres a level: what 1 in the alpha of the onset's file stands for."""
THUMBNAIL = 256
TRASH = ".trash"
PERSON = ("", "accepted", "refused")
"""What a person can say of a variant; "" leaves it to the filters."""
OPAQUE = 0.95
"""Cover from which an aged texture's colour is the wear's alone."""
MIN_ONSET_SIZE = 1024
"""A small base texture does not make a coarse front: the onset map is at least this large."""
UPS = {"+X": (1, 0, 0), "-X": (-1, 0, 0), "+Y": (0, 1, 0), "-Y": (0, -1, 0), "+Z": (0, 0, 1), "-Z": (0, 0, -1)}


@dataclass(frozen=True)
class SlotInput:
    """One material slot: its base texture (H x W x 3 sRGB), its protect mask (H x W) or None, its damage or None.

    damage: any size, in the base texture's layout, 0 to 1: where it is 1, wear starts first.
    """

    index: int
    base_srgb: Array
    protect: Mask | None
    damage: Array | None = None


@dataclass(frozen=True)
class Request:
    """Everything that makes an object's variants."""

    name: str
    mesh: MeshArrays
    slots: tuple[SlotInput, ...]
    kind: Kind
    recipe: Recipe
    warnings: tuple[str, ...] = ()
    """What was noticed while it was gathered; each variant carries it on."""


@dataclass(frozen=True)
class Variant:
    """A finished variant in the gallery."""

    folder: Path
    kind: str
    seed: int
    slots: tuple[int, ...]
    accepted: bool
    reason: str
    sentence: str
    scores: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    made: dict[str, Any] = field(default_factory=dict)
    """How it was made: `texture` and `transfer`, the methods; the prompts, what was refused; `front`: what the material
    shows of the kind's front in other colours, those of a photo."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """What the scores were held against; empty for variants of older versions."""
    person: str = ""
    """What a person says of it, one of PERSON."""

    @property
    def usable(self) -> bool:
        """Whether it may be drawn and put on by itself: a person's word counts before the filters'."""
        return self.person == "accepted" or (self.accepted and self.person != "refused")

    @property
    def name(self) -> str:
        return self.folder.name

    def file(self, what: str, slot: int) -> Path:
        """what: "color", "surface" or "onset"."""
        return self.folder / f"{what}-{slot}.png"

    @property
    def thumbnail(self) -> Path:
        return self.folder / "thumbnail.png"


def object_folder(gallery: Path, name: str) -> Path:
    """The folder of an object: readable, and safe whatever the object is called."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:40]
    return gallery / f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def sized(request: Request) -> Request:
    """The request with the tile of its kind, where that has one of its own, in place of the recipe's."""
    if request.kind.tile_m <= 0:
        return request
    texture = dataclasses.replace(request.recipe.texture, tile_m=request.kind.tile_m)
    return dataclasses.replace(request, recipe=dataclasses.replace(request.recipe, texture=texture))


def input_hash(request: Request, models: dict[str, str] | None = None) -> str:
    """What goes into a request's variants but for the seed, as 16 hex digits. models: the identities of its models."""
    request = sized(request)
    recipe = to_dict(request.recipe)
    methods = method_inputs(request.recipe, models or {})
    plain = {section: recipe[section] for section in ("wear", "causes", "marks", "texture", "transfer", "filters")}
    for section, name in (
        ("wear", "level"),
        ("wear", "kind"),
        ("wear", "also"),
        ("wear", "leave_out"),
        ("causes", "age_shift"),
        ("causes", "damage_image"),
        ("causes", "damage_group"),
        ("texture", "exemplar"),
        ("wear", "softness"),
        ("wear", "clean_below"),
        ("wear", "complete_from"),
        ("texture", "seed"),
        ("texture", "variants"),
        ("transfer", "style_image"),
    ):
        del plain[section][name]
    plain["transfer"]["protect_image"] = ""  # where it lies does not matter: its texels count below
    inputs = [VERSION, plain, dataclasses.asdict(request.kind), *([methods] if methods else [])]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode())
    mesh = request.mesh
    for array in (mesh.vertices, mesh.triangles, mesh.uvs, mesh.slots):
        digest.update(np.ascontiguousarray(array).tobytes())
    for slot in request.slots:
        digest.update(f"{slot.index} {slot.base_srgb.shape}".encode())
        digest.update(images.to_bytes(slot.base_srgb).tobytes())
        digest.update(b"" if slot.protect is None else np.packbits(slot.protect).tobytes())
        if slot.damage is not None:
            digest.update(f"damage {slot.damage.shape}".encode() + images.to_bytes(slot.damage).tobytes())
    return digest.hexdigest()[:16]


def make_variants(
    request: Request,
    gallery: Path,
    *,
    tools: Tools | None = None,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Variant]:
    """Make (or find finished) `texture.variants` variants of an object, in the order of their seeds.

    tools: what methods that need the worker run with. progress is told the fraction done and what is being done;
    should_stop is asked between steps, those of a network included.
    Raises SynGenError for input that cannot be aged, Cancelled where should_stop said so.
    """
    request = sized(request)
    settings = request.recipe.texture
    tools = tools or Tools()
    request = dataclasses.replace(request, kind=kind_in_use(request.kind, request.recipe))

    def tell(fraction: float, text: str) -> None:
        if should_stop():
            raise Cancelled
        progress(fraction, text)

    watch = Watch(tell, should_stop)
    warnings = (*request.warnings, *check_mesh(request.mesh, [slot.index for slot in request.slots]))
    home = object_folder(gallery, request.name)
    models = identities(request.recipe, tools, watch.part(0, 0))
    inputs = input_hash(request, models)
    seed_list = [settings.seed + i for i in range(settings.variants)]
    folders = [home / f"{request.kind.name}-{seed:04d}-{inputs}" for seed in seed_list]
    known = [read_variant(folder) for folder in folders]
    if all(known):
        return [dataclasses.replace(variant, warnings=warnings) for variant in known if variant is not None]
    for place in (home, gallery / SETS):
        remove_parts(place)
    found: list[Variant] = []
    places: _Places | None = None
    # Pictures of a model are all made with the first texture, and take longest.
    begin = 0.0 if settings.method == "procedural" else 0.6
    textures = wear_textures(
        request.kind, request.recipe, seed_list, gallery, tools, models, watch.part(0, begin or 1.0)
    )
    for number, (seed, folder, made) in enumerate(zip(seed_list, folders, textures, strict=True)):
        finished = read_variant(folder)
        if finished is not None:
            found.append(dataclasses.replace(finished, warnings=warnings))
            continue
        if places is None:
            places = _places(request)
        low, high = (begin + (1 - begin) * (number + i) / len(folders) for i in (0, 1))
        of = f"{number + 1} of {len(folders)}"
        found.append(_write_variant(request, folder, seed, made, places, tools, watch.part(low, high), of, warnings))
    progress(1.0, "Done")
    return found


@dataclass(frozen=True)
class _Places:
    """What all variants of an object share: where its texels lie, where wear could begin, its look from the front."""

    surface: dict[int, images.SurfaceMaps]
    ground: Ground
    portrait: Portrait


def _places(request: Request) -> _Places:
    up = UPS[request.recipe.wear.up]
    surface = {
        slot.index: surface_maps(request.mesh, slot.index, slot.base_srgb.shape[1], slot.base_srgb.shape[0])
        for slot in request.slots
    }
    sizes = {slot.index: _onset_size(slot.base_srgb) for slot in request.slots}
    return _Places(surface, prepare(request.mesh, sizes, up=up), pose(request.mesh, THUMBNAIL, up))


def _onset(request: Request, ground: Ground, seed: int) -> dict[int, OnsetMap]:
    """Slot -> onset map; each variant wears in places of its own."""
    recipe = request.recipe
    sizes = {slot.index: _onset_size(slot.base_srgb) for slot in request.slots}
    protect = {slot.index: _fit(slot.protect, sizes[slot.index]) for slot in request.slots if slot.protect is not None}
    return maps_on(
        ground,
        onset_of(request.kind, recipe),
        seeds.generator(recipe.wear.seed, f"onset/{request.kind.name}/{request.name}/{seed}"),
        protect=protect,
        damage={s.index: images.resize(s.damage, *sizes[s.index]) for s in request.slots if s.damage is not None},
    )


def _flatness(onset: Array, surface: images.SurfaceMaps) -> Array:
    """Over how many metres along the surface the onset changes by a level, over FLATTEST; H x W as the onset.

    It tells the material how far from the front a texel lies in the world, so that a lifted edge is as wide everywhere.
    surface: of the base texture, h x w.
    """
    height, width = onset.shape
    texel_m = np.sqrt(surface.texel_area_m2) * np.float32(np.sqrt(surface.covered.size / onset.size))
    usual = float(np.median(texel_m[surface.covered])) if surface.covered.any() else 1.0
    texel_m = np.where(surface.covered & (texel_m > 0), texel_m, np.float32(usual)).astype(np.float32)
    texel_m = np.asarray(cv2.resize(texel_m, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    known = np.minimum(onset, 1.0)  # what is protected never wears: no front reaches it
    across, down = (np.asarray(cv2.Sobel(known, cv2.CV_32F, *way, scale=1 / 8)) for way in ((1, 0), (0, 1)))
    slope = np.asarray(cv2.GaussianBlur(np.hypot(across, down), (0, 0), 1.5)) / np.maximum(texel_m, 1e-9)
    return np.asarray(np.clip(1 / np.maximum(slope, 1e-9) / np.float32(FLATTEST), 0, 1), np.float32)


def _onset_size(base: Array) -> tuple[int, int]:
    height, width = base.shape[:2]
    factor = max(1, -(-MIN_ONSET_SIZE // max(width, height)))
    return width * factor, height * factor


def _fit(mask: Mask, size: tuple[int, int]) -> Mask:
    rows = np.arange(size[1]) * mask.shape[0] // size[1]
    columns = np.arange(size[0]) * mask.shape[1] // size[0]
    return np.asarray(mask[np.ix_(rows, columns)], np.bool_)


def _write_variant(
    request: Request,
    folder: Path,
    seed: int,
    made: Made,
    places: _Places,
    tools: Tools,
    watch: Watch,
    of: str,
    warnings: Sequence[str],
) -> Variant:
    recipe, surface, verdict = request.recipe, places.surface, made.verdict
    watch.progress(0.2, f"Where wear starts: {of}")
    onset = _onset(request, places.ground, seed)
    work = part_of(folder)
    try:
        work.mkdir(parents=True, exist_ok=True)
        half_worn = {}
        for number, slot in enumerate(request.slots):
            low, high = (0.4 + 0.6 * (number + i) / len(request.slots) for i in (0, 1))
            watch.progress(low, f"Transfer {of}")
            aged = aged_texture(
                slot.base_srgb, made.maps, request.kind, recipe, seed, tools, watch.part(low, high, f"Transfer {of}"),
                surface=surface[slot.index], protect=slot.protect,
            )  # fmt: skip
            if verdict.accepted:
                verdict = _judge_aged(aged, request, slot, surface[slot.index], verdict)
            when, place = onset[slot.index], surface[slot.index]
            aged, fade = _with_marks(aged, when.fade, request, slot, made.maps, seed)
            images.save_png(work / f"color-{slot.index}.png", aged.color_srgb)
            cover = np.ones_like(aged.height) if aged.cover is None else aged.cover
            surface_file, onset_file = (work / f"{what}-{slot.index}.png" for what in ("surface", "onset"))
            images.save_png(surface_file, np.dstack([aged.roughness, aged.metallic, aged.height, cover]), 16)
            halves = np.dstack([when.onset, when.runoff, fade]) / np.float32(ONSET_RANGE)
            images.save_png(onset_file, np.dstack([halves, _flatness(when.onset, place)]), 16)
            worn = _fit(np.minimum(when.onset, fade) < 0.5, (slot.base_srgb.shape[1], slot.base_srgb.shape[0]))
            half_worn[slot.index] = np.where(worn[..., None], aged.color_srgb, slot.base_srgb)
        images.save_png(work / "thumbnail.png", paint(places.portrait, half_worn))
        variant = Variant(
            folder,
            request.kind.name,
            seed,
            tuple(s.index for s in request.slots),
            verdict.accepted,
            verdict.reason,
            verdict.sentence,
            dict(verdict.scores),
            tuple(warnings),
            {**made.about, "texture": recipe.texture.method, "transfer": recipe.transfer.method},
            dict(verdict.thresholds),
        )
        _write_about(work, variant)
        publish(work, folder, lambda place: read_variant(place) is not None)  # its bytes are the same as ours
        return variant
    except OSError as error:
        raise SynGenError(
            f"Cannot write the variant {folder}: {error.strerror}.",
            "Free some space or choose a folder you may write to.",
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_about(folder: Path, variant: Variant) -> None:
    about = dataclasses.asdict(variant)
    del about["folder"]
    if not variant.person:
        del about["person"]
    write_bytes(folder / "variant.json", (json.dumps(about, indent=1, sort_keys=True) + "\n").encode())


def _with_marks(
    aged: images.Maps, fade: Array, request: Request, slot: SlotInput, wear: images.Maps, seed: int
) -> tuple[images.Maps, Array]:
    """The aged texture and when its protected texels fade: as the base has them and never, where marks do not age."""
    if slot.protect is None or not request.recipe.marks.age or request.kind.coverage == 0:
        return aged, np.full_like(fade, NEVER)
    rng = seeds.generator(seed, f"marks/{request.name}/{slot.index}")
    color = faded(slot.base_srgb, slot.protect, wear, request.recipe.marks, rng)
    return dataclasses.replace(aged, color_srgb=np.where(slot.protect[..., None], color, aged.color_srgb)), fade


def _judge_aged(
    aged: images.Maps, request: Request, slot: SlotInput, surface: images.SurfaceMaps, before: Verdict
) -> Verdict:
    """The transfer can spoil what was good: its result is judged too, where there is wear to see."""
    where = surface.covered if slot.protect is None else surface.covered & ~slot.protect
    if not where.any():
        return before
    if request.kind.coverage == 0:  # the base texture as it is
        return before
    # Where paint shines through, its own colour is left, and may be any.
    hidden = None if aged.cover is None else aged.cover > OPAQUE
    colors = colors_on(slot.base_srgb[where], request.kind, request.recipe.transfer)
    after = judge(aged, colors, request.recipe.filters, (), tiles=False, where=where, hidden=hidden)
    return before if after.accepted else after


def colors_on(paint_srgb: Array, kind: Kind, settings: Transfer) -> list[list[float]]:
    """The wear's colours, and beside each what the transfer makes of it on such paint (... x 3), some of whose
    color it leaves (`transfer.color`)."""
    wear = np.asarray(kind.look.colors_srgb, np.float32)
    left = settings.color * wear + (1 - settings.color) * paint_srgb.reshape(-1, 3).mean(axis=0)
    found: list[list[float]] = np.concatenate([wear, left]).tolist()
    return found


def read_variant(folder: Path) -> Variant | None:
    """A finished variant, or None where there is none (or it is broken)."""
    try:
        about = json.loads((folder / "variant.json").read_text(encoding="utf-8"))
        return Variant(
            folder,
            str(about["kind"]),
            int(about["seed"]),
            tuple(int(i) for i in about["slots"]),
            bool(about["accepted"]),
            str(about["reason"]),
            str(about["sentence"]),
            dict(about["scores"]),
            tuple(about["warnings"]),
            dict(about.get("made", {})),
            dict(about.get("thresholds", {})),
            str(about.get("person", "")) if about.get("person", "") in PERSON else "",
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def list_variants(gallery: Path, name: str) -> list[Variant]:
    """Every finished variant of an object, by folder name."""
    return _finished(object_folder(gallery, name))


# --- what a person does with them ------------------------------------------------------------------------------------


def set_person(variant: Variant, says: str) -> Variant:
    """Write what a person says of a variant (one of PERSON) beside the filters' verdict. Raises SynGenError."""
    found = read_variant(variant.folder)
    if found is None:
        raise SynGenError(f"The variant {variant.name!r} is gone.", "Press Generate: it is made again.")
    said = dataclasses.replace(found, person=says)
    try:
        _write_about(found.folder, said)
    except OSError as error:
        raise SynGenError(
            f"Cannot write into {found.folder}: {error.strerror}.", "Choose a gallery you may write to."
        ) from error
    return said


def put_in_trash(variant: Variant) -> None:
    """Move a variant into its gallery's trash, in place of one that lies there under its name. Raises SynGenError."""
    target = variant.folder.parent / TRASH / variant.name
    with _moving(variant.folder):
        target.parent.mkdir(exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        variant.folder.replace(target)


def take_from_trash(variant: Variant) -> None:
    """Move a variant of trashed() back; one that was made again meanwhile stays, and this one goes. SynGenError."""
    target = variant.folder.parent.parent / variant.name
    with _moving(variant.folder):
        if read_variant(target) is not None:
            shutil.rmtree(variant.folder)
        else:
            variant.folder.replace(target)


def trashed(home: Path) -> list[Variant]:
    """The variants in the trash of an object's folder, by name."""
    trash = home / TRASH
    found = map(read_variant, sorted(trash.iterdir())) if trash.is_dir() else ()
    return [variant for variant in found if variant is not None]


def empty_trash(home: Path) -> None:
    """Delete what lies in the trash of an object's folder, for good. Raises SynGenError."""
    with _moving(home / TRASH):
        shutil.rmtree(home / TRASH)


def bring(home: Path, target: Path, *, copy: bool) -> int:
    """Let the finished variants of an object's folder lie in another one too, as hard links: they take no more room.

    copy: where the file system makes none, such as across drives, copy them; without it such variants are left where
    they are. How many were brought. Raises SynGenError.
    """
    count = 0
    for variant in _finished(home):
        place = target / variant.name
        if place.exists():
            continue
        work = part_of(place)
        try:
            with _moving(place):
                work.mkdir(parents=True)
                for file in sorted(variant.folder.iterdir()):
                    if not _link(file, work / file.name):
                        if not copy:
                            return count
                        shutil.copyfile(file, work / file.name)
                publish(work, place, lambda found: read_variant(found) is not None)
            count += 1
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return count


def _finished(home: Path) -> list[Variant]:
    folders = sorted(p for p in home.iterdir() if not p.name.startswith(".")) if home.is_dir() else []
    return [variant for variant in map(read_variant, folders) if variant is not None]


def _link(file: Path, target: Path) -> bool:
    try:
        target.hardlink_to(file)
    except OSError:
        return False
    return True


@contextmanager
def _moving(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SynGenError(
            f"{place} cannot be moved or written: {error.strerror}.", "Close what uses its pictures, and try again."
        ) from error
