"""The recipe's methods carried out: wear textures made, and brought onto a base texture; here, or by the worker.

Imports the stages, the foundations and the worker's protocol, never bpy and never torch: what needs a network of
weights is asked of a Runner. Pictures pass as PNG files in a folder of their own.

Wear textures by diffusion are made for all seeds at once, because the prompt changes with what the filters say of the
whole lot. They are kept in the gallery and shared by every object that asks for the same:

    <gallery>/wear-textures/<kind>-<hash>/0000.png      a seed's picture, tileable
                                          textures.json the prompts of each round, and the verdict on each picture
"""

import dataclasses
import hashlib
import json
import shlex
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from . import images, seeds
from .errors import SynGenError
from .files import part_of, publish, write_bytes
from .filters.judge import Verdict, broken, judge
from .images import Array, Maps, Mask, SurfaceMaps
from .recipe import Kind, Recipe, is_path, to_dict
from .textures.exemplar import FRONT_COLORS, exemplar_texture
from .textures.exemplar import kind_of as kind_of_photo
from .textures.pictured import maps_of
from .textures.procedural import wear_texture
from .textures.prompt import Prompt, prompt_of, reason_to_change, refined
from .transfer import diffusion, neural
from .transfer.patch import transfer
from .worker.protocol import Download, Generate, Job, Resolve, Runner, Stylise

VERSION = 1
"""Part of a set of wear textures' name: raise it when the same input makes other pixels."""
SETS = "wear-textures"
"""Folder of the gallery."""
PREVIEW_EVERY = 5
_IN_A_FOLDER = {
    "pipeline": "diffusers model", "control": "ControlNet of diffusers", "lora": "LoRA", "adapter": "IP-Adapter"
}  # fmt: skip
_FAULTS = {
    "black": "The picture is black: the model or its precision fails on this machine.",
    "flat": "The picture is of one color.",
    "nan": "The picture holds values that are not numbers: half precision is too little for this model.",
    "blanked": "The model's safety checker blanked the picture.",
}


@dataclass(frozen=True)
class Tools:
    """What methods that need the worker run with.

    vgg, decoder: weights for neural transfer. online: whether a missing model may be fetched on the way. preview: told
    of every picture of how far the work is. command: how the command line is called, for hints.
    """

    runner: Runner | None = None
    vgg: str = ""
    decoder: str = ""
    online: bool = False
    preview: Callable[[Path], None] = field(default=lambda path: None)
    command: str = "blender -b --command syngen"


@dataclass(frozen=True)
class Watch:
    """How a piece of the work tells how far it is. fraction: 0 to 1 of that piece."""

    progress: Callable[[float, str], None]
    should_stop: Callable[[], bool]

    def part(self, low: float, high: float, what: str = "") -> "Watch":
        """Of a part of the piece, from low to high; what: said before each text."""
        def progress(fraction: float, text: str) -> None:
            self.progress(low + (high - low) * fraction, f"{what}: {text}" if what else text)

        return Watch(progress, self.should_stop)


@dataclass(frozen=True)
class Made:
    """A wear texture, its verdict, and how it was made (JSON-ready; empty where the seed says it all)."""

    maps: Maps
    verdict: Verdict
    about: dict[str, Any]


def models_of(recipe: Recipe, tools: Tools) -> list[tuple[str, str]]:
    """(role, model) of everything with weights that the recipe's methods use."""
    found: list[tuple[str, str]] = []
    if recipe.transfer.method in ("gatys", "adain"):
        found.append(("vgg", recipe.neural.vgg or tools.vgg))
    if recipe.transfer.method == "adain":
        found.append(("decoder", recipe.neural.decoder or tools.decoder))
    if "diffusion" in (recipe.texture.method, recipe.transfer.method):
        settings = recipe.diffusion
        found.append(("pipeline", settings.model))
        if recipe.transfer.method == "diffusion" and settings.control != "none":
            found.append(("control", settings.control_model))
        if settings.lora:
            found.append(("lora", settings.lora))
        if settings.style_image:
            found.append(("adapter", settings.style_model))
    return found


def identities(recipe: Recipe, tools: Tools, watch: Watch) -> dict[str, str]:
    """Role -> a text that changes with the model's content, for every model of the recipe's methods.

    Fetches what is missing where that is allowed. Raises SynGenError naming the first model that is not here.
    """
    found = {}
    for role, model in models_of(recipe, tools):
        about = _run(Resolve(model, role), tools, watch)
        if not about["identity"] and tools.online:
            about = _run(Download(model, role), tools, watch)
        if not about["identity"]:
            raise _not_here(role, model, about["files"], tools)
        found[role] = about["identity"]
    return found


def _not_here(role: str, model: str, files: Sequence[str], tools: Tools) -> SynGenError:
    """What to say of a model that cannot be used as it is. files: the names of those that are missing."""
    missing = f" Missing: {', '.join(files[:3])}." if files else ""
    if is_path(model) and Path(model).expanduser().is_dir():
        return SynGenError(
            f"The folder {model} holds no complete {_IN_A_FOLDER.get(role, 'weights')}.{missing}",
            "Copy what is missing there, or name another folder, a .safetensors file or a model of the hub.",
        )
    of_role = f" --role {role}" if role in ("control", "lora", "adapter") else ""
    command = f"{tools.command} worker model {shlex.quote(model)}{of_role} --online"
    return SynGenError(
        f"The model {model} is not on this machine.{missing}",
        f"Get Model in the panel fetches it, or the command: {command}. Or name a folder or file.",
    )


def method_inputs(recipe: Recipe, models: dict[str, str]) -> dict[str, Any]:
    """What the methods add to the input of a variant: their settings, models and photos; empty for the defaults.

    Only what counts: a change of anything else would have everything made again.
    """
    found: dict[str, Any] = {}
    if recipe.texture.method == "diffusion":  # the prompt of each depends on the verdicts of all
        found["texture"] = _text_inputs(recipe, models)
        found["seeds"] = [recipe.texture.seed, recipe.texture.variants]
    if recipe.texture.method == "exemplar":
        found["exemplar"] = _hash_of(_exemplar(recipe))
    if recipe.transfer.method == "diffusion":
        settings, controlled = recipe.diffusion, recipe.diffusion.control != "none"
        found["base"] = _model_inputs(recipe, models) | {
            "mode": settings.mode,
            "strength": settings.strength,
            "control": [settings.control, settings.control_weight, models.get("control")] if controlled else [],
        }
    if recipe.transfer.method in ("gatys", "adain"):
        neural_settings = to_dict(recipe)["neural"]
        left_out = ("tile", "vgg", "decoder", *(("steps",) if recipe.transfer.method == "adain" else ()))
        found["neural"] = {k: v for k, v in neural_settings.items() if k not in left_out}
        found["networks"] = [models.get("vgg"), models.get("decoder")]
        found["style_image"] = _hash_of(recipe.transfer.style_image)
    return found


def _text_inputs(recipe: Recipe, models: dict[str, str]) -> dict[str, Any]:
    """What decides wear textures by diffusion, but for the kind, the filters and the seeds."""
    settings = recipe.diffusion
    return _model_inputs(recipe, models) | {"rounds": settings.rounds, "refine_share": settings.refine_share}


def _model_inputs(recipe: Recipe, models: dict[str, str]) -> dict[str, Any]:
    """What decides any picture by diffusion."""
    s = recipe.diffusion
    names = ("prompt", "negative", "material", "severity", "size", "steps", "guidance", "scheduler", "precision")
    return {name: getattr(s, name) for name in names} | {
        "model": models.get("pipeline"),
        "lora": [models.get("lora"), s.lora_weight] if s.lora else [],
        "style": [models.get("adapter"), s.style_weight, _hash_of(s.style_image)] if s.style_image else [],
    }


def _hash_of(photo: str) -> str:
    """Of a style photo, "" for none. Raises SynGenError for what is no picture: before anything is made, not after."""
    if not photo:
        return ""
    try:
        data = Path(photo).read_bytes()
    except OSError as error:
        raise SynGenError(f"The photo {photo} cannot be read: {error.strerror}.", "Choose another.") from error
    images.load(photo)
    return hashlib.sha256(data).hexdigest()


def _run(job: Job, tools: Tools, watch: Watch) -> dict[str, Any]:
    if tools.runner is None:
        raise SynGenError(
            "This method needs the worker, which is not set up.", "Press Set Up in the preferences of SynGen."
        )
    return tools.runner.run(
        job, progress=watch.progress, preview=tools.preview, should_stop=watch.should_stop
    )


def kind_in_use(kind: Kind, recipe: Recipe) -> Kind:
    """The kind as the recipe's method shows it: made from a photo of wear it has the photo's colours.

    Raises SynGenError where there is no such photo.
    """
    if recipe.texture.method != "exemplar":
        return kind
    return kind_of_photo(images.load(_exemplar(recipe))[..., :3], kind)


def _exemplar(recipe: Recipe) -> str:
    if not recipe.texture.exemplar:
        raise SynGenError("No photo of wear is chosen to make textures from.", "Name one in texture.exemplar.")
    return recipe.texture.exemplar


# --- wear textures ---------------------------------------------------------------------------------------------------


def wear_textures(
    kind: Kind,
    recipe: Recipe,
    seed_list: Sequence[int],
    gallery: Path,
    tools: Tools,
    models: dict[str, str],
    watch: Watch,
) -> Iterator[Made]:
    """One wear texture a seed, in their order, `texture.size` square; each is made when it is asked for.

    By diffusion they are all made (or found in the gallery) with the first. Raises SynGenError, Cancelled.
    """
    if recipe.texture.method == "procedural":
        return _here(kind, recipe, seed_list, watch, lambda rng: wear_texture(kind, recipe.texture.size, rng), {})
    if recipe.texture.method == "exemplar":
        photo, span = images.load(_exemplar(recipe))[..., :3], recipe.texture.exemplar_m / recipe.texture.tile_m
        size, front = recipe.texture.size, kind.front
        about = {
            "exemplar": Path(_exemplar(recipe)).name,
            "front": {name: list(getattr(front, name)) for name in FRONT_COLORS},
        }
        return _here(
            kind, recipe, seed_list, watch, lambda rng: exemplar_texture(photo, kind, size, rng, span=span), about
        )
    return _from_pictures(kind, recipe, seed_list, gallery, tools, models, watch)


def _here(
    kind: Kind,
    recipe: Recipe,
    seed_list: Sequence[int],
    watch: Watch,
    make: Callable[[np.random.Generator], Maps],
    about: dict[str, Any],
) -> Iterator[Made]:
    """Textures that need no worker, one after the other. about: how they are made, but for the seed."""
    accepted: list[Verdict] = []
    for number, seed in enumerate(seed_list):
        watch.progress(number / len(seed_list), f"Wear texture {number + 1} of {len(seed_list)}")
        maps = make(seeds.generator(seed, f"texture/{kind.name}"))
        verdict = judge(maps, kind.look.colors_srgb, recipe.filters, accepted)
        if verdict.accepted:
            accepted.append(verdict)
        yield Made(maps, verdict, about)


def _from_pictures(
    kind: Kind,
    recipe: Recipe,
    seed_list: Sequence[int],
    gallery: Path,
    tools: Tools,
    models: dict[str, str],
    watch: Watch,
) -> Iterator[Made]:
    inputs = [
        VERSION, _text_inputs(recipe, models), dataclasses.asdict(kind), to_dict(recipe)["filters"], list(seed_list)
    ]  # fmt: skip
    name = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    folder = gallery / SETS / f"{kind.name}-{name}"
    if not _is_set(folder):
        _make_set(kind, recipe, seed_list, folder, tools, watch)
    log = _read_set(folder)
    for seed in seed_list:
        about = log["pictures"][str(seed)]
        maps = maps_of(images.load(folder / about["file"])[..., :3], kind)
        verdict = Verdict(**about["verdict"], signature=np.zeros(0, np.float32))
        prompt = {"positive": about["prompt"], "negative": about["negative"], "model": recipe.diffusion.model}
        yield Made(_of_size(maps, recipe.texture.size), verdict, {**prompt, "rounds": log["rounds"]})


def _read_set(folder: Path) -> dict[str, Any]:
    """What textures.json says. Raises OSError, ValueError."""
    log: dict[str, Any] = json.loads((folder / "textures.json").read_text(encoding="utf-8"))
    return log


def _is_set(folder: Path) -> bool:
    """Whether a whole set of wear textures lies there."""
    try:
        return all((folder / about["file"]).is_file() for about in _read_set(folder)["pictures"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _make_set(
    kind: Kind, recipe: Recipe, seed_list: Sequence[int], folder: Path, tools: Tools, watch: Watch
) -> None:
    """Rounds of pictures until the filters accept one for every seed, or the rounds are over."""
    settings = recipe.diffusion
    work = part_of(folder)
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(parents=True)
        prompt = prompt_of(kind, settings)
        wanted = list(seed_list)
        pictures: dict[str, dict[str, Any]] = {}
        accepted: list[Verdict] = []
        rounds: list[dict[str, Any]] = []
        what = "Wear textures"
        for number in range(settings.rounds + 1):
            out = work / f"round-{number}"
            drawn = [_drawn(seed, number) for seed in wanted]
            low, high = number / (settings.rounds + 1), (number + 1) / (settings.rounds + 1)
            job = _generate(recipe, prompt, drawn, out, "text", settings.size, settings.size, tileable=True)
            done = _run(job, tools, watch.part(low, high, what))
            verdicts = []
            for seed, path, fault in zip(wanted, done["pictures"], done["faults"], strict=True):
                verdict = _judged(images.load(path)[..., :3], fault, kind, recipe, accepted)
                verdicts.append(verdict)
                if verdict.accepted:
                    accepted.append(verdict)
                file = f"{seed:04d}.png"
                Path(path).replace(work / file)  # a refused one of the round before gives way
                said = {k: v for k, v in vars(verdict).items() if k != "signature"}
                pictures[str(seed)] = {
                    "file": file, "prompt": prompt.positive, "negative": prompt.negative, "verdict": said
                }  # fmt: skip
            shutil.rmtree(out, ignore_errors=True)  # what is left is the preview
            refused = Counter(verdict.reason for verdict in verdicts if not verdict.accepted)
            rounds.append(
                {"prompt": prompt.positive, "negative": prompt.negative, "made": len(verdicts),
                 "accepted": len(verdicts) - refused.total(), "refused": refused, "notes": list(done["notes"])}
            )  # fmt: skip
            wanted = [seed for seed, verdict in zip(wanted, verdicts, strict=True) if not verdict.accepted]
            so_far = f"{len(seed_list) - len(wanted)} of {len(seed_list)} accepted"
            if not wanted or number == settings.rounds:
                watch.progress(1.0, f"Wear textures: {so_far} in round {number + 1}")
                break
            reason = reason_to_change(verdicts, settings.refine_share)
            prompt = refined(prompt, reason, number + 1, kind) if reason else prompt
            changed = f", prompt changed for: {reason}" if reason else ""
            what = f"Wear textures, round {number + 2} ({so_far}{changed})"
        log = {"rounds": rounds, "pictures": pictures}
        write_bytes(work / "textures.json", (json.dumps(log, indent=1) + "\n").encode())
        publish(work, folder, _is_set)
    except OSError as error:
        raise SynGenError(
            f"Cannot write the wear textures {folder}: {error.strerror}.",
            "Free some space or choose a folder you may write to.",
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _drawn(seed: int, number: int) -> int:
    """The model's seed for a variant's seed: itself in the first round, others after, or a refused one would return."""
    return seed if not number else int(seeds.generator(seed, "diffusion/round", attempt=number).integers(2**31))


def _judged(color: Array, fault: str, kind: Kind, recipe: Recipe, accepted: Sequence[Verdict]) -> Verdict:
    if fault:
        return broken(_FAULTS[fault], recipe.filters)
    return judge(maps_of(color, kind), kind.look.colors_srgb, recipe.filters, accepted)


def _of_size(maps: Maps, size: int) -> Maps:
    """Tileable maps at another size: resampled with what lies beyond the border, so that they still tile."""
    side = maps.height.shape[0]
    if side == size:
        return maps
    pad = max(4, side // 16)

    def resized(image: Array) -> Array:
        if size > side:
            padded = np.pad(image, ((pad, pad), (pad, pad), *[(0, 0)] * (image.ndim - 2)), mode="wrap")
            # Affine, so that the texels of the middle land exactly on those of the result.
            scale = size / side
            matrix = np.array([[scale, 0, (0.5 - pad) * scale - 0.5], [0, scale, (0.5 - pad) * scale - 0.5]])
            out = cv2.warpAffine(padded, matrix, (size, size), flags=cv2.INTER_CUBIC)
        else:
            out = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(out, 0, 1), np.float32)

    planes = {f.name: getattr(maps, f.name) for f in dataclasses.fields(Maps)}
    return Maps(**{name: resized(plane) for name, plane in planes.items() if plane is not None})


def _generate(
    recipe: Recipe, prompt: Prompt, drawn: Sequence[int], out: Path, mode: str, width: int, height: int, **more: Any
) -> Generate:
    s = recipe.diffusion
    return Generate(
        s.model, str(out), mode, prompt.positive, prompt.negative, width, height, tuple(drawn), s.steps, s.guidance,
        lora=s.lora, lora_weight=s.lora_weight, style_image=s.style_image,
        style_model=s.style_model if s.style_image else "", style_weight=s.style_weight, scheduler=s.scheduler,
        precision=s.precision, offload=s.offload, preview_every=PREVIEW_EVERY, **more,
    )  # fmt: skip


# --- onto the base texture -------------------------------------------------------------------------------------------


def aged_texture(
    base_srgb: Array,
    wear: Maps,
    kind: Kind,
    recipe: Recipe,
    seed: int,
    tools: Tools,
    watch: Watch,
    *,
    surface: SurfaceMaps | None,
    protect: Mask | None,
) -> Maps:
    """The aged texture by `transfer.method`, as transfer/patch.py describes it; by patches where nothing may change.

    Raises SynGenError, Cancelled.
    """
    method = recipe.transfer.method
    more: dict[str, Any] = {"surface": surface, "protect": protect}
    tile_m, coverage = recipe.texture.tile_m, kind.coverage
    patched = transfer(base_srgb, wear, recipe.transfer, tile_m=tile_m, coverage=coverage, **more)
    if method == "patch":
        return patched
    # Windows cannot remove a preview that is being looked at.
    with tempfile.TemporaryDirectory(prefix="syngen-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        if method == "diffusion":
            ask = diffusion.prepare(base_srgb, wear, recipe.transfer, recipe.diffusion, patched=patched, **more)
            if not ask.mask.any():
                return patched
            picture = _painted(ask, kind, recipe, seed, scratch, tools, watch)
            return diffusion.finish(ask, picture, base_srgb, wear, recipe.transfer, patched=patched, **more)
        photo = recipe.transfer.style_image
        asked = neural.prepare(
            base_srgb, wear, recipe.transfer, tile_m=tile_m, patched=patched,
            style_srgb=images.load(photo)[..., :3] if photo else None, **more,
        )  # fmt: skip
        if not asked.mask.any():
            return patched
        picture = stylised(asked, recipe, scratch, tools, watch)
        return neural.finish(asked, picture, base_srgb, wear, recipe.transfer, patched=patched, **more)


def stylised(ask: neural.Ask, recipe: Recipe, scratch: Path, tools: Tools, watch: Watch) -> Array:
    """The network's picture, H x W x 3 sRGB, of the size of the content."""
    s = recipe.neural
    files: dict[str, Any] = {
        "content": _png(scratch / "content.png", ask.content_srgb, 16),
        "style": _png(scratch / "style.png", ask.style_srgb, 16),
        "mask": _png(scratch / "mask.png", ask.mask.astype(np.float32), 8),
    }
    if recipe.transfer.method == "gatys":
        files["start"] = _png(scratch / "start.png", ask.start_srgb, 16)
    done = _run(
        Stylise(
            recipe.transfer.method, **files, out=str(scratch / "result.png"), vgg=s.vgg or tools.vgg,
            decoder=(s.decoder or tools.decoder) if recipe.transfer.method == "adain" else "", wraps=ask.wraps,
            content_weight=s.content_weight, style_weight=s.style_weight, steps=s.steps, colors=s.colors, tile=s.tile,
            preview_every=PREVIEW_EVERY,
        ),
        tools, watch,
    )  # fmt: skip
    return images.load(done["picture"])[..., :3]


def _painted(
    ask: diffusion.Ask, kind: Kind, recipe: Recipe, seed: int, scratch: Path, tools: Tools, watch: Watch
) -> Array:
    """The model's picture on the base texture, H x W x 3 sRGB. Raises SynGenError where it is broken."""
    s = recipe.diffusion
    more: dict[str, Any] = {"image": _png(scratch / "image.png", ask.content_srgb, 8), "strength": s.strength}
    if s.mode == "inpaint":
        more["mask"] = _png(scratch / "mask.png", ask.mask.astype(np.float32), 8)
    if ask.control is not None:
        more.update(
            control=s.control, control_model=s.control_model, control_weight=s.control_weight,
            control_image=_png(scratch / "control.png", ask.control, 8),
        )  # fmt: skip
    height, width = ask.content_srgb.shape[:2]
    job = _generate(
        recipe, prompt_of(kind, s, base=True), [seed], scratch / "out", s.mode, width, height, **more
    )
    done = _run(job, tools, watch)
    (path,), (fault,) = done["pictures"], done["faults"]
    if fault:
        raise SynGenError(_FAULTS[fault], "Change the seed, the prompt, or [diffusion] precision to full.")
    return images.load(path)[..., :3]


def _png(path: Path, image: Array, bits: int) -> str:
    images.save_png(path, image, bits)
    return str(path)
