"""The diffusion pipeline that is kept loaded, and what is put on it and taken off: ControlNet, LoRA, style adapter.

Imports torch, diffusers, transformers, safetensors and accelerate. One model is held at a time; its parts are shared by
the pipelines for text, image and inpainting. Whatever fails half-way lets go of the model, so that no later job sees
half of it.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import diffusers
import safetensors.torch
import torch
import transformers

from ..errors import Cancelled, SynGenError, one_line
from . import device, memory, models
from .protocol import Generate
from .serve import Say, out_of_memory

AUTO = {
    "text": diffusers.AutoPipelineForText2Image,
    "image": diffusers.AutoPipelineForImage2Image,
    "inpaint": diffusers.AutoPipelineForInpainting,
}
MODES = {"text": "text to image", "image": "image to image", "inpaint": "inpainting"}
SCHEDULERS = {
    "ddim": diffusers.DDIMScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
    "euler_a": diffusers.EulerAncestralDiscreteScheduler,
    "dpm": diffusers.DPMSolverMultistepScheduler,
    "unipc": diffusers.UniPCMultistepScheduler,
    "lcm": diffusers.LCMScheduler,
}
ADAPTER = "syngen"
"""The name under which a LoRA is put on."""

Stamp = tuple[tuple[str, int, int], ...]
"""(path, time of its last change, size) of every file of a model: another stamp, another model."""


@dataclass
class Held:
    """A loaded model. base: its pipeline as it was loaded. pipe: the one for the job at hand, of the same parts."""

    model: str
    stamp: Stamp
    base: Any
    device: str
    dtype: Any
    scheduler: Any
    """The model's own."""
    controlnet: Any = None
    control: Stamp = ()
    lora: Stamp = ()
    adapter: Stamp = ()
    pipe: Any = None
    mode: str = ""
    """What pipe is for."""
    offload: str = ""
    """What pipe is placed for; "" where it is not placed."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What was found out about the model while it worked."""


_held: Held | None = None


def held() -> Held | None:
    """What is loaded."""
    return _held


def forget() -> None:
    """Let go of the model."""
    global _held
    if _held is not None:
        _held = None
        device.empty_caches()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside it, the libraries neither warn nor draw progress bars: what matters is said by this side."""
    levels = [(library, library.get_verbosity()) for library in (diffusers.logging, transformers.logging)]
    peft = logging.getLogger("peft")
    before = peft.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for library, _ in levels:
                library.set_verbosity_error()
                library.disable_progress_bar()
            peft.setLevel(logging.ERROR)
            yield
        finally:
            for library, level in levels:
                library.set_verbosity(level)
            peft.setLevel(before)


def ready(job: Generate, say: Say) -> Held:
    """The model loaded and dressed for the job, not yet placed on the device.

    Raises SynGenError, which names the model at fault; Cancelled.
    """
    found = models.locate(job.model, "pipeline", online=job.online, say=say)
    control = _located(job.control_model if job.control != "none" else "", "control", job, say)
    lora = _located(job.lora, "lora", job, say)
    adapter = _located(job.style_model if job.style_image else "", "adapter", job, say)
    say.step(0.01, "Loading the model")
    loaded = _loaded(job, found)
    say.step(0.03, "Loading what goes with it")
    try:
        _dress(loaded, job, control, lora, adapter)
    except BaseException:
        forget()
        raise
    loaded.pipe = _for_mode(loaded, job)
    if job.lora:
        loaded.base.set_adapters([ADAPTER], [job.lora_weight])
    if job.style_image:
        loaded.pipe.set_ip_adapter_scale(job.style_weight)
    loaded.pipe.scheduler = _scheduler(loaded, job)
    return loaded


def place(loaded: Held, offload: str) -> None:
    """Bring the pipeline to its device: wholly ("none"), a part at a time ("model") or a layer ("sequential")."""
    if loaded.offload == offload:
        return
    lift(loaded)
    if offload == "model":
        loaded.pipe.enable_model_cpu_offload(device=loaded.device)
    elif offload == "sequential":
        loaded.pipe.to("cpu")
        loaded.pipe.enable_sequential_cpu_offload(device=loaded.device)
    else:
        loaded.pipe.to(loaded.device)
    loaded.offload = offload


def lift(loaded: Held) -> None:
    """Take the offloading off; afterwards the parts lie wherever they lay."""
    if loaded.offload in ("model", "sequential"):
        loaded.pipe.remove_all_hooks()
    loaded.offload = ""


def sizes_mb(loaded: Held) -> tuple[float, float]:
    """(all, the largest part) of the pipeline's weights."""
    sizes = [sum(map(_size_mb, part.parameters())) for part in _networks(loaded)]
    return sum(sizes), max(sizes)


def placed_mb(loaded: Held) -> float:
    """Of the weights, those that lie on the device now."""
    weights = (p for part in _networks(loaded) for p in part.parameters() if p.device.type == loaded.device)
    return float(sum(map(_size_mb, weights)))


def _networks(loaded: Held) -> list[Any]:
    return [part for part in loaded.pipe.components.values() if isinstance(part, torch.nn.Module)]


def _size_mb(weights: Any) -> float:
    return float(weights.numel() * weights.element_size() / 2**20)


# --- the model -------------------------------------------------------------------------------------------------------


def _located(model: str, role: str, job: Generate, say: Say) -> models.Located | None:
    return models.locate(model, role, online=job.online, say=say) if model else None


def _loaded(job: Generate, found: models.Located) -> Held:
    """The model as it is held, loaded where it is not."""
    global _held
    name, stamp = device.device(), _stamp(found)
    dtype = _dtype(job.precision, name, found)
    if _held and (_held.stamp, _held.device, _held.dtype) == (stamp, name, dtype):
        return _held
    forget()
    with _loading(f"The model {job.model}"):
        base = _load(found, dtype)
    base.set_progress_bar_config(disable=True)
    _held = Held(job.model, stamp, base, name, dtype, base.scheduler)
    return _held


def _load(found: models.Located, dtype: Any) -> Any:
    if found.single_file:
        config = diffusers.DiffusionPipeline.load_config(str(found.config), local_files_only=True)
        kind = getattr(diffusers, config["_class_name"])
        about = {"config": str(found.config), "torch_dtype": dtype, "local_files_only": True}
        base = kind.from_single_file(str(found.path), **about)
    else:
        # The auto class of any mode will do: parts that belong to one mode only do not exist.
        about = {"torch_dtype": dtype, "variant": found.variant or None, "local_files_only": True}
        config = diffusers.DiffusionPipeline.load_config(str(found.path), local_files_only=True)
        kind = getattr(diffusers, config["_class_name"], None)
        if kind is None:
            raise ValueError(f"this version of diffusers has no {config['_class_name']}")
        # Parts that the model does without, such as the third text encoder of Stable Diffusion 3, must be said again.
        about |= {name: None for name, part in config.items() if isinstance(part, (list, tuple)) and part[0] is None}
        if "safety_checker" in config and not (found.path / "safety_checker").is_dir():
            about |= {"safety_checker": None, "requires_safety_checker": False}
        base = kind.from_pretrained(str(found.path), use_safetensors=True, **about)
    return base


def _dtype(precision: str, name: str, found: models.Located) -> Any:
    """Half precision is bfloat16 where the model is a transformer, whose activations leave float16's range."""
    if not memory.halves(precision, name):
        return torch.float32
    transformer = ((found.config if found.single_file else found.path) or found.path) / "transformer"
    return torch.bfloat16 if transformer.is_dir() or name == "cpu" else torch.float16


def _stamp(found: models.Located | None) -> Stamp:
    if found is None:
        return ()
    places = [found.path, *(folder for folder in (found.config, found.encoder) if folder)]
    files = [f for place in places for f in (sorted(place.rglob("*")) if place.is_dir() else [place]) if f.is_file()]
    return tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files)


# --- what goes with it -----------------------------------------------------------------------------------------------


def _dress(
    loaded: Held,
    job: Generate,
    control: models.Located | None,
    lora: models.Located | None,
    adapter: models.Located | None,
) -> None:
    """Put on what the job asks for and is not on yet, take off what it does not ask for."""
    wanted = (_stamp(control), _stamp(lora), _stamp(adapter))
    if wanted == (loaded.control, loaded.lora, loaded.adapter):
        return
    lift(loaded)
    loaded.pipe = None
    if wanted[0] != loaded.control:
        loaded.controlnet = _controlnet(loaded, job.control_model, control) if control else None
        loaded.control = wanted[0]
    # A LoRA goes into the layers that an adapter brings as well: both off before either goes on.
    if wanted[1:] != (loaded.lora, loaded.adapter):
        if loaded.adapter:
            _take_off_adapter(loaded)
        if loaded.lora:
            loaded.base.unload_lora_weights()
        if lora:
            _put_on_lora(loaded, job.lora, lora)
        if adapter:
            _put_on_adapter(loaded, job.style_model, adapter)
        _, loaded.lora, loaded.adapter = wanted


def _controlnet(loaded: Held, model: str, found: models.Located) -> Any:
    with _loading(f"The ControlNet {model}"):
        if found.single_file:
            about = {"config": str(found.config)} if found.config else {}
            net = diffusers.ControlNetModel.from_single_file(
                str(found.path), torch_dtype=loaded.dtype, local_files_only=True, **about
            )
        else:
            config = diffusers.ControlNetModel.load_config(str(found.path), local_files_only=True)
            kind = getattr(diffusers, config.get("_class_name", "ControlNetModel"))
            net = kind.from_pretrained(
                str(found.path),
                torch_dtype=loaded.dtype,
                use_safetensors=True,
                variant=found.variant or None,
                local_files_only=True,
            )
    unet = getattr(loaded.base, "unet", None)
    fits = unet is not None and all(
        net.config.get(name) == unet.config.get(name)
        for name in ("cross_attention_dim", "block_out_channels", "addition_embed_type")
    )
    if isinstance(net, diffusers.ControlNetModel) and not fits:
        raise _misfit("ControlNet", model, loaded)
    return net


def _put_on_lora(loaded: Held, model: str, found: models.Located) -> None:
    if not hasattr(loaded.base, "load_lora_weights"):
        raise SynGenError(f"The model {loaded.model} takes no LoRA.", "Leave the LoRA empty.")
    try:
        with _loading(f"The LoRA {model}"):
            state = safetensors.torch.load_file(found.path)
        loaded.base.load_lora_weights(state, adapter_name=ADAPTER)
        fits = any(ADAPTER in names for names in loaded.base.get_list_adapters().values())
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
        if out_of_memory(error):
            raise
        raise _misfit("LoRA", model, loaded) from error
    if not fits:
        raise _misfit("LoRA", model, loaded)


def _put_on_adapter(loaded: Held, model: str, found: models.Located) -> None:
    base = loaded.base
    if not hasattr(base, "load_ip_adapter") or not hasattr(base, "unet"):
        raise SynGenError(f"The model {loaded.model} takes no style photo.", "Leave the style photo empty.")
    if found.encoder is None:
        raise SynGenError(
            f"The style adapter {model} comes without its image encoder.",
            "Put the folder image_encoder beside it, or name one of h94/IP-Adapter on the hub.",
        )
    with _loading(f"The style adapter {model}"):
        encoder = transformers.CLIPVisionModelWithProjection.from_pretrained(
            found.encoder, dtype=loaded.dtype, use_safetensors=True, local_files_only=True
        )
        whole = safetensors.torch.load_file(found.path)
    parts: dict[str, dict[str, Any]] = {"image_proj": {}, "ip_adapter": {}}
    for name, value in whole.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = value
    side = encoder.config.image_size
    loaded.facts["feature_extractor"] = getattr(base, "feature_extractor", None)
    base.register_modules(
        image_encoder=encoder,
        # Not the one of a safety checker, which may be of another size; the checker is never run through it here.
        feature_extractor=transformers.CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        ),
    )
    try:
        base.load_ip_adapter(parts, subfolder="", weight_name="", image_encoder_folder=None)
        base.unet.to(dtype=loaded.dtype)
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
        if out_of_memory(error):
            raise
        raise _misfit("style adapter", model, loaded) from error


def _take_off_adapter(loaded: Held) -> None:
    loaded.base.unload_ip_adapter()
    loaded.base.register_modules(feature_extractor=loaded.facts.pop("feature_extractor"))


def _misfit(what: str, model: str, loaded: Held) -> SynGenError:
    return SynGenError(
        f"The {what} {model} does not fit the model {loaded.model}: it was made for another base model.",
        f"Choose a {what} for this model, or the model that it was made for.",
    )


# --- the pipeline for the job ----------------------------------------------------------------------------------------


def _for_mode(loaded: Held, job: Generate) -> Any:
    """The pipeline of the job's mode, of the loaded parts. Raises SynGenError where the family has none."""
    if loaded.pipe is not None and loaded.mode == job.mode:
        return loaded.pipe  # as it was placed
    channels = loaded.base.unet.config.in_channels if getattr(loaded.base, "unet", None) is not None else 0
    if channels == 9 and job.mode != "inpaint":
        raise SynGenError(
            f"The model {job.model} is made for inpainting only.", f"Choose another model for {MODES[job.mode]}."
        )
    about = {"controlnet": loaded.controlnet} if loaded.controlnet is not None else {}
    try:
        pipe = AUTO[job.mode].from_pipe(loaded.base, **about)
    except ValueError as error:
        held_by = " under a ControlNet" if about else ""
        raise SynGenError(
            f"The family of {job.model} ({type(loaded.base).__name__}) knows no {MODES[job.mode]}{held_by}.",
            "Choose another mode, or a model of Stable Diffusion 1.5, 2 or XL.",
        ) from error
    lift(loaded)
    pipe.set_progress_bar_config(disable=True)
    loaded.mode = job.mode
    return pipe


def _scheduler(loaded: Held, job: Generate) -> Any:
    """A fresh one for each job, since it keeps state; made from the model's own settings."""
    own = loaded.scheduler
    if job.scheduler == "auto":
        return type(own).from_config(own.config)
    if "beta_schedule" not in own.config:  # flow matching: no betas
        raise SynGenError(
            f"The scheduler {job.scheduler} does not fit the model {job.model}.", 'Set the scheduler to "auto".'
        )
    return SCHEDULERS[job.scheduler].from_config(own.config)


@contextlib.contextmanager
def _loading(what: str) -> Iterator[None]:
    """Whatever goes wrong inside is a SynGenError that begins with `what`; but for a full memory and a cancel."""
    try:
        yield
    except (SynGenError, Cancelled):
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        raise SynGenError(
            f"{what} cannot be loaded: {one_line(error)}", "Check that all of its files are there, or fetch it again."
        ) from error
