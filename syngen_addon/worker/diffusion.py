"""Pictures by a diffusion pipeline.

Imports torch, numpy, PIL and the worker's pipelines, memory, tiling. The pipeline denoises; decoding, the safety
checker and what follows are done here, so that a broken picture is seen before it becomes eight bits, that memory and
precision of the decoder can be mended, and that a job can stop between the two.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from .. import images
from ..errors import SynGenError
from ..images import Array
from . import device, memory, pipelines, tiling
from .pipelines import Held, forget
from .protocol import Generate
from .serve import Say, out_of_memory

DARK = 3 / 255
"""A picture no brighter than this anywhere is black."""
EVEN = 1.5 / 255
"""A picture whose every channel varies by less (standard deviation) is flat."""
PREVIEW = 4
"""Pixels a latent in a preview."""
WRITERS = 4
"""Threads that judge and write pictures while the next ones are denoised: a GPU would wait for it."""
LOADED, DENOISED = 0.05, 0.95
"""Fractions of a job at which the model is loaded and the last picture denoised."""

__all__ = ["fault_of", "forget", "generate", "loaded"]


@dataclass
class _Run:
    """One job on its way."""

    job: Generate
    say: Say
    held: Held
    case: memory.Case
    plan: memory.Plan
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Once each."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def generate(job: Generate, say: Say) -> dict[str, Any]:
    """The job's pictures, as Generate documents it.

    On one machine a seed gives the same bytes: the noise is drawn on the CPU, from a generator of each picture's own.
    On a CPU a picture does not depend on the others of its job; on a GPU the size of the batch changes its rounding.
    With a mask, pixels where it is black are the image's own, exactly; where it is grey the two are mixed.
    Raises SynGenError, Cancelled; the model stays loaded and usable.
    """
    _check(job)
    inputs = _inputs(job)
    _reset_peak()
    with pipelines.quiet(), torch.no_grad():
        held = pipelines.ready(job, say)
        _check_for(held, job)
        case = memory.Case(held.device, job.width, job.height, job.tileable)
        weights, largest = pipelines.sizes_mb(held)
        half = held.dtype != torch.float32
        about = {"half": half, "weights_mb": weights, "largest_mb": largest, "free_mb": _free_mb(held)}
        plan = memory.plan(case, len(job.seeds), job.offload, **about)
        run = _Run(job, say, held, case, plan)
        with ThreadPoolExecutor(WRITERS) as writers:
            written = []
            for number, made in enumerate(_pictures(run, inputs)):
                path = Path(job.out) / f"{number:04d}.png"
                written.append((path, writers.submit(_write, job, inputs, path, *made)))
                for _, one in written:
                    if one.done():
                        one.result()  # so that a full disk is said now and not after the last picture
            faults = [one.result() for _, one in written]
    pictures = [str(path) for path, _ in written]
    return {"pictures": pictures, "faults": faults, "notes": run.notes, "peak_mb": _peak_mb()}


def loaded() -> list[str]:
    """The model that is held."""
    held = pipelines.held()
    return [held.model] if held else []


def fault_of(picture: Array) -> str:
    """What is wrong with a picture, H x W x 3: "nan", "black", "flat" (one colour), or "" where it is one."""
    if not np.isfinite(picture).all():
        return "nan"
    if picture.max() <= DARK:
        return "black"
    return "flat" if picture.reshape(-1, 3).std(axis=0).max() < EVEN else ""


# --- what is asked for -----------------------------------------------------------------------------------------------


def _check(job: Generate) -> None:
    """Raises SynGenError for a job that no model could do."""
    for name, side in (("width", job.width), ("height", job.height)):
        if side < 8 or side % 8:
            raise SynGenError(
                f"The {name} {side} is no multiple of 8.", f"Use {max(8, side // 8 * 8)} or {side // 8 * 8 + 8}."
            )
    if job.mode not in pipelines.MODES:
        raise SynGenError(f"There is no mode {job.mode!r}.", "Use text, image or inpaint.")
    if not job.seeds:
        raise SynGenError("No picture is asked for.", "Give one seed a picture.")
    if job.steps < 1:
        raise SynGenError(f"{job.steps} denoising steps make no picture.", "Use 1 or more.")
    for needed, given, what in (
        (job.mode != "text", job.image, "an image"),
        (job.mode == "inpaint", job.mask, "a mask"),
        (job.control != "none", job.control_image, "a control picture"),
        (job.control != "none", job.control_model, "a ControlNet"),
        (bool(job.style_image), job.style_model, "a style adapter"),
    ):
        if needed and not given:
            raise SynGenError(f"The job needs {what} and names none.")
    if job.mode != "text" and int(job.steps * job.strength) < 1:
        raise SynGenError(
            f"A strength of {job.strength:g} with {job.steps} steps leaves no step to do.",
            f"Raise the strength to {1 / job.steps:.2g} or more, or use more steps.",
        )


def _check_for(held: Held, job: Generate) -> None:
    """Raises SynGenError for what this model cannot do."""
    if getattr(held.pipe, "unet", None) is None:
        if job.tileable:
            raise SynGenError(
                f"The model {job.model} cannot make tileable pictures: it knows where in the picture it is.",
                "Switch tileable off, or use a model of Stable Diffusion 1.5, 2 or XL.",
            )
        unit = 2 * held.pipe.vae_scale_factor
        if job.width % unit or job.height % unit:
            raise SynGenError(f"The model {job.model} makes sides that are multiples of {unit} only.")
    if job.tileable and type(held.pipe.vae).__name__ != "AutoencoderKL":
        raise SynGenError(
            f"The decoder of the model {job.model} cannot make tileable pictures.", "Switch tileable off."
        )


@dataclass(frozen=True)
class _Inputs:
    """The job's pictures at its size; None where it has none. style: at its own."""

    image: Array | None
    mask: Array | None
    control: Array | None
    style: Array | None


def _inputs(job: Generate) -> _Inputs:
    """Read before anything is loaded: a missing file is said at once."""

    def read(path: str) -> Array:
        picture = images.load(path)[..., :3]
        return (
            picture if picture.shape[:2] == (job.height, job.width) else images.resize(picture, job.width, job.height)
        )

    return _Inputs(
        read(job.image) if job.mode != "text" else None,
        read(job.mask)[..., 0] if job.mode == "inpaint" else None,
        read(job.control_image) if job.control != "none" else None,
        images.load(job.style_image)[..., :3] if job.style_image else None,
    )


# --- batch by batch --------------------------------------------------------------------------------------------------


def _pictures(run: _Run, inputs: _Inputs) -> Iterator[tuple[Array, bool]]:
    """Each picture, H x W x 3, and whether the safety checker blanked it, in the order of the seeds.

    Where memory runs out, the next remedy is tried on the pictures that are not done yet.
    """
    seeds, done = run.job.seeds, 0
    while done < len(seeds):
        try:
            made = _batch(run, inputs, seeds[done : done + run.plan.batch], done)
        except Exception as error:
            if not out_of_memory(error):
                raise
            made = None
        finally:
            run.held.pipe.maybe_free_model_hooks()  # a pipeline that was left half-way still has a part on the device
        if made is None:  # outside of the except block, which would keep the tensors of the failed attempt alive
            device.empty_caches()
            run.plan, sentence = memory.remedy(run.plan, run.case)
            run.note(sentence)
            continue
        done += len(made)
        yield from made


def _batch(run: _Run, inputs: _Inputs, seeds: Sequence[int], done: int) -> list[tuple[Array, bool]]:
    job, pipe = run.job, run.held.pipe
    run.say.step(_fraction(run, done, 0, 0.0), "Preparing")
    pipelines.place(run.held, run.plan.offload)
    with ExitStack() as stack:
        if job.tileable:
            parts = (getattr(pipe, name, None) for name in ("unet", "vae", "controlnet"))
            stack.enter_context(tiling.circular(part for part in parts if part is not None))
        if run.plan.decode == "tiled":
            stack.enter_context(_decoding_in_tiles(pipe.vae))
        result = _denoised(run, inputs, seeds, done)
        if not _decodes(pipe):
            flagged = getattr(result, "nsfw_content_detected", None) or [False] * len(seeds)
            return list(zip(np.asarray(result.images, np.float32), flagged, strict=True))
        made = []
        for number, latents in enumerate(_unpacked(run, result.images)):
            run.say.step(_fraction(run, done, len(seeds), 1.0), f"Decoding picture {done + number + 1}")
            made.append(_decoded(run, latents[None]))
        return made


def _denoised(run: _Run, inputs: _Inputs, seeds: Sequence[int], done: int) -> Any:
    """The pipeline's result for the seeds: latents where they are decoded here, else pictures."""
    job, pipe = run.job, run.held.pipe
    width, height = memory.shrunk(run.case, run.plan.scale)
    takes = inspect.signature(pipe.__call__).parameters
    wanted: dict[str, Any] = {
        "prompt": job.prompt,
        "negative_prompt": job.negative,
        "width": width,
        "height": height,
        "num_inference_steps": job.steps,
        "guidance_scale": job.guidance,
        "num_images_per_prompt": len(seeds),
        "generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        "output_type": "latent" if _decodes(pipe) else "np",
        "callback_on_step_end": _listener(run, len(seeds), done, (width, height)),
    }
    control = "control_image" if "control_image" in takes else "image"
    for name, picture in (("image", inputs.image), ("mask_image", inputs.mask), (control, inputs.control)):
        if picture is not None:
            fits = picture.shape[:2] == (height, width)
            wanted[name] = _pil(picture if fits else images.resize(picture, width, height))
    if inputs.image is not None:
        wanted["strength"] = job.strength
    if inputs.control is not None:
        wanted["controlnet_conditioning_scale"] = job.control_weight
    if inputs.style is not None:
        wanted["ip_adapter_image"] = _pil(inputs.style)
    if job.negative and ("negative_prompt" not in takes or "true_cfg_scale" in takes):  # guidance that was trained in
        run.note("This model takes no negative prompt.")
    if "guidance_scale" not in takes:
        run.note("This model takes no guidance.")
    for name in ("image", "mask_image", "ip_adapter_image"):
        if name in wanted and name not in takes:
            raise SynGenError(f"The model {job.model} takes no {name.replace('_', ' ')} here.", "Choose another mode.")
    return pipe(**{name: value for name, value in wanted.items() if name in takes})


def _listener(run: _Run, count: int, done: int, size: tuple[int, int]) -> Callable[..., dict[str, Any]]:
    """What the pipeline calls after each step: says how far it is, shows it, and stops it by raising Cancelled."""
    job = run.job
    colors = _latent_colors(run) if job.preview_every else None

    def step_done(pipe: Any, step: int, _time: Any, about: dict[str, Any]) -> dict[str, Any]:
        steps = pipe.num_timesteps
        if colors is not None and (step + 1) % job.preview_every == 0 and step + 1 < steps:
            run.say.preview(_preview(_unpacked(run, about["latents"][:1], size)[0], *colors))
        which = f"picture {done + 1}" if count == 1 else f"pictures {done + 1} to {done + count}"
        text = f"Step {step + 1} of {steps}, {which} of {len(job.seeds)}"
        run.say.step(_fraction(run, done, count, (step + 1) / steps), text)
        return {}

    return step_done


def _fraction(run: _Run, done: int, count: int, part: float) -> float:
    """Of the job, where `part` of a batch of `count` is denoised after `done` pictures."""
    return LOADED + (DENOISED - LOADED) * (done + count * part) / len(run.job.seeds)


# --- latents to pixels -----------------------------------------------------------------------------------------------


def _decodes(pipe: Any) -> bool:
    """Whether its latents are decoded here. Decoders of other kinds are left to their pipelines."""
    return type(pipe.vae).__name__ == "AutoencoderKL"


def _unpacked(run: _Run, latents: Any, size: tuple[int, int] | None = None) -> Any:
    """N x C x h x w, from what a transformer's pipeline keeps as a sequence of patches."""
    pipe = run.held.pipe
    if latents.ndim == 4:
        return latents
    width, height = size or memory.shrunk(run.case, run.plan.scale)
    return pipe._unpack_latents(latents, height, width, pipe.vae_scale_factor)


def _decoded(run: _Run, latents: Any) -> tuple[Array, bool]:
    """(picture H x W x 3 in [0, 1], not finite where it is broken; whether the safety checker blanked it)."""
    pixels = _pixels(run, latents)
    half = run.held.pipe.vae.dtype != torch.float32
    if half and not torch.isfinite(pixels).all() and torch.isfinite(latents).all():
        run.held.facts["full decoder"] = True
        run.note("The decoder left the range of half precision and was run in full precision.")
        pixels = _pixels(run, latents)
    blanked = torch.isfinite(pixels).all().item() and _is_blanked(run, pixels)
    picture = _array(pixels)
    return (np.zeros_like(picture) if blanked else picture), blanked


def _pixels(run: _Run, latents: Any) -> Any:
    """1 x 3 x H x W in [0, 1], NaN where it is broken."""
    vae = run.held.pipe.vae
    config = vae.config
    scale, shift = config.scaling_factor, config.get("shift_factor") or 0.0
    if config.get("latents_mean") is not None and config.get("latents_std") is not None:
        mean, std = (
            torch.tensor(config[name], dtype=latents.dtype, device=latents.device).view(1, -1, 1, 1)
            for name in ("latents_mean", "latents_std")
        )
        latents = latents * std / scale + mean
    else:
        latents = latents / scale + shift
    with _decoder(run) as (where, dtype):
        picture = vae.decode(latents.to(where, dtype), return_dict=False)[0]
    picture = picture / 2 + 0.5
    return torch.where(picture.isfinite(), picture.clamp(0, 1), torch.nan)  # clamping alone would hide infinities


@contextmanager
def _decoder(run: _Run) -> Iterator[tuple[Any, Any]]:
    """(device, type) of the decoder as it is to be now; afterwards it is where and as it was."""
    held, vae = run.held, run.held.pipe.vae
    if run.plan.decode == "cpu":
        pipelines.lift(held)
        vae.to("cpu", torch.float32)
        try:
            yield "cpu", torch.float32
        finally:
            vae.to(dtype=held.dtype)
            pipelines.place(held, run.plan.offload)
        return
    before = vae.dtype
    if before != torch.float32 and (held.facts.get("full decoder") or vae.config.get("force_upcast")):
        vae.to(dtype=torch.float32)
    try:
        yield held.device, vae.dtype
    finally:
        if vae.dtype != before:
            vae.to(dtype=before)


@contextmanager
def _decoding_in_tiles(vae: Any) -> Iterator[None]:
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()


def _is_blanked(run: _Run, pixels: Any) -> bool:
    """What the model's own safety checker says; a model without one blanks nothing."""
    pipe = run.held.pipe
    checker = getattr(pipe, "safety_checker", None)
    if checker is None:
        return False
    extractor = run.held.facts.get("feature_extractor") or pipe.feature_extractor  # a style adapter brings its own
    picture = _array(pixels)
    seen = extractor(_pil(picture), return_tensors="pt").pixel_values
    _, flags = checker(images=[picture.copy()], clip_input=seen.to(run.held.device, run.held.dtype))
    return bool(flags[0])


# --- pixels to a file ------------------------------------------------------------------------------------------------


def _write(job: Generate, inputs: _Inputs, path: Path, picture: Array, blanked: bool) -> str:
    """Write the picture as it was asked for; its fault."""
    fault = "blanked" if blanked else fault_of(picture)
    picture = _enlarged(job, np.nan_to_num(picture, nan=0.0))
    if inputs.image is not None and inputs.mask is not None:  # the image's own pixels where the mask is black
        share = inputs.mask[..., None]
        picture = np.asarray(picture * share + inputs.image * (1 - share), np.float32)
    images.save_png(path, picture)
    return fault


def _enlarged(job: Generate, picture: Array) -> Array:
    """At the asked size."""
    if picture.shape[:2] == (job.height, job.width):
        return picture
    if not job.tileable:
        return images.resize(picture, job.width, job.height)
    around = images.tile(picture, 3 * picture.shape[1], 3 * picture.shape[0])  # so that it still wraps
    return images.resize(around, 3 * job.width, 3 * job.height)[job.height : -job.height, job.width : -job.width]


def _array(pixels: Any) -> Array:
    """H x W x 3 of 1 x 3 x H x W, on the CPU."""
    array: Array = pixels[0].permute(1, 2, 0).float().contiguous().cpu().numpy()
    return array


def _pil(picture: Array) -> PIL.Image.Image:
    return PIL.Image.fromarray(images.to_bytes(picture))


# --- previews --------------------------------------------------------------------------------------------------------


def _latent_colors(run: _Run) -> tuple[Array, Array] | None:
    """(C x 3, 3): the linear map from a latent to its colour that comes nearest to the model's own decoder.

    Found once a model by decoding even pictures: zero, and every channel at plus and minus one.
    """
    held, pipe = run.held, run.held.pipe
    if not _decodes(pipe):
        return None
    if "colors" not in held.facts:
        channels = pipe.vae.config.latent_channels
        unit = torch.cat([torch.zeros(1, channels), torch.eye(channels), -torch.eye(channels)])
        flat = unit[:, :, None, None].expand(-1, -1, 4, 4).to(held.device, held.dtype)
        found = torch.cat([_pixels(run, one[None]) for one in flat]).float().mean(dim=(2, 3)).cpu().numpy()
        found = np.nan_to_num(found, nan=0.5)
        held.facts["colors"] = ((found[1 : channels + 1] - found[channels + 1 :]) / 2, found[0])
    colors: tuple[Array, Array] = held.facts["colors"]
    return colors


def _preview(latents: Any, slope: Array, base: Array) -> Array:
    """C x h x w -> a small picture of them."""
    values = latents.permute(1, 2, 0).float().cpu().numpy()
    colors = np.clip(np.nan_to_num(values @ slope + base), 0, 1).astype(np.float32)
    return images.resize(colors, PREVIEW * colors.shape[1], PREVIEW * colors.shape[0])


# --- memory ----------------------------------------------------------------------------------------------------------


def _free_mb(held: Held) -> float:
    """Of the device, for this model: what is free, what it takes already, and what torch keeps without using it."""
    kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated() if held.device == "cuda" else 0
    return float(device.memory_mb(held.device)[1] + pipelines.placed_mb(held) + kept / 2**20)


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_mb() -> int:
    """The most memory taken: of the GPU by this job, else of main memory since the worker began; 0 on Windows."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() >> 20)
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak >> 20 if sys.platform == "darwin" else peak >> 10)
