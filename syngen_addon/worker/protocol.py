"""What Blender and the worker say to each other: one JSON object a line, a closed set of messages; images as files.

Imports the standard library and errors only: both sides read it.

Blender -> worker: Run(id, job), Cancel(id). The end of the worker's stdin tells it to end.
Worker -> Blender: Ready once; then for each job any number of Progress and Preview, and at last exactly one of Done,
Failed, Stopped. One job runs at a time; a Cancel for a job that is over means nothing.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, get_args, get_origin, get_type_hints

from ..errors import SynGenError

VERSION = 1
"""Of this protocol. A worker of another one is refused."""

UNREADABLE = 0
"""The id with which the worker answers a line that it cannot read; no job has it."""

Texts = tuple[str, ...]
Ints = tuple[int, ...]

# --- jobs: what a worker can be asked for. Every path is absolute; every image a PNG, row 0 at the top, sRGB. --------


@dataclass(frozen=True)
class Generate:
    """Pictures by a diffusion pipeline, one a seed.

    model: a name on the hub, a diffusers folder or a .safetensors file. out: the folder for 0000.png, 0001.png ...
    mode: "text" (from the prompt alone), "image" (from `image`), "inpaint" (from `image`, where `mask` is white).
    width, height: multiples of 8. strength: 0 to 1, for image and inpaint. tileable: the picture wraps at its borders.
    control: "none", "tile", "canny" or "depth", with the ControlNet `control_model` and `control_image`, the finished
    condition picture. lora, style_model (an IP-Adapter, for the photo style_image): a file, a name on the hub, or
    owner/name:file. scheduler, precision, offload: as in the recipe. preview_every: steps between previews, 0 for none.
    online: whether files may be fetched.
    Done: pictures (paths), faults (one a picture: "" or "black", "flat", "nan", "blanked"), notes (what was done about
    memory, sentences), peak_mb (0 where it cannot be told).
    """

    model: str
    out: str
    mode: str
    prompt: str
    negative: str
    width: int
    height: int
    seeds: Ints
    steps: int
    guidance: float
    strength: float = 1.0
    tileable: bool = False
    image: str = ""
    mask: str = ""
    control: str = "none"
    control_model: str = ""
    control_image: str = ""
    control_weight: float = 1.0
    lora: str = ""
    lora_weight: float = 1.0
    style_image: str = ""
    style_model: str = ""
    style_weight: float = 0.6
    scheduler: str = "auto"
    precision: str = "auto"
    offload: str = "auto"
    preview_every: int = 0
    online: bool = False


@dataclass(frozen=True)
class Stylise:
    """Neural style transfer of one picture.

    method: "gatys" or "adain". content: H x W. style: any size, at the scale at which it should appear. start: where
    gatys begins, H x W; empty: the content. mask: H x W, white where the result counts (islands, not protected); empty:
    everywhere. wraps: whether the content wraps at its borders. out: the file for the result, H x W, 16 bit.
    vgg, decoder: weights, a path or a name on the hub. colors: "style", or "content" to keep the content's.
    tile: side of the tiles it is computed in, 0 by the memory at hand. preview_every: steps between previews, 0: none.
    Done: picture (path), content_loss, style_loss (of the result, the same measure for both methods), notes, peak_mb.
    """

    method: str
    content: str
    style: str
    out: str
    vgg: str
    decoder: str = ""
    start: str = ""
    mask: str = ""
    wraps: bool = False
    content_weight: float = 1.0
    style_weight: float = 1.0
    steps: int = 200
    colors: str = "style"
    tile: int = 0
    preview_every: int = 0
    online: bool = False


@dataclass(frozen=True)
class Measure:
    """How pictures stand between content and style.

    Done: structure (SSIM of each picture's lightness to the content's, inside the mask), style (distance of each
    picture's VGG statistics to the style's, 0 for the same; the content's own distance is 1).
    """

    content: str
    style: str
    pictures: Texts
    vgg: str
    mask: str = ""
    online: bool = False


@dataclass(frozen=True)
class Resolve:
    """Where a model lies and what is missing of it; nothing is fetched.

    role: "pipeline", "control", "lora", "adapter", "vgg" or "decoder". Done: path ("" where it is not here), identity
    (a text that changes with the files' content: the hub's commit, else a hash; "" where not here), total_bytes,
    missing_bytes (-1 where the hub cannot be asked), files (the missing ones), licence ("" where unknown).
    """

    model: str
    role: str
    online: bool = False


@dataclass(frozen=True)
class Download:
    """Fetch what is missing of a model, going on where an earlier download stopped. Done: as Resolve's."""

    model: str
    role: str


@dataclass(frozen=True)
class Probe:
    """What this worker is. Done: versions (package -> version), device ("cpu", "cuda", "mps"), device_name,
    memory_mb (of the device), free_mb, threads, loaded (the models it holds)."""


@dataclass(frozen=True)
class Unload:
    """Let go of every model. Done: nothing."""


Job = Generate | Stylise | Measure | Resolve | Download | Probe | Unload
JOBS: dict[str, type] = {kind.__name__.lower(): kind for kind in get_args(Job)}

# --- messages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Do a job. id: chosen by the client, never twice."""

    id: int
    job: Job


@dataclass(frozen=True)
class Cancel:
    """Stop that job before its next step."""

    id: int


@dataclass(frozen=True)
class Ready:
    """The worker listens. Nothing heavy is imported yet."""

    version: int
    python: str
    pid: int


@dataclass(frozen=True)
class Progress:
    """A step is done. fraction: 0 to 1 of the job. text: what is being done."""

    id: int
    fraction: float
    text: str


@dataclass(frozen=True)
class Preview:
    """A picture of how far it is: a PNG that the next one replaces."""

    id: int
    path: str


@dataclass(frozen=True)
class Done:
    """The job's result, as its class says."""

    id: int
    result: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """The job cannot be done; the worker lives on. id: UNREADABLE where the request itself could not be read."""

    id: int
    message: str
    hint: str


@dataclass(frozen=True)
class Stopped:
    """The job was cancelled; its models stay loaded."""

    id: int


Request = Run | Cancel
Event = Ready | Progress | Preview | Done | Failed | Stopped
_REQUESTS = {kind.__name__.lower(): kind for kind in get_args(Request)}
_EVENTS = {kind.__name__.lower(): kind for kind in get_args(Event)}


class Runner(Protocol):
    """Whoever can have a job done: the client's Worker, or a stand-in in a test."""

    def run(
        self,
        job: Job,
        *,
        progress: Callable[[float, str], None] = ...,
        preview: Callable[[Path], None] = ...,
        should_stop: Callable[[], bool] = ...,
    ) -> dict[str, Any]:
        """The job's result. Raises SynGenError, Cancelled."""


# --- lines -----------------------------------------------------------------------------------------------------------


def encode(message: Request | Event) -> bytes:
    """One line, ASCII, with its newline."""
    plain: dict[str, Any] = {"type": type(message).__name__.lower(), **dataclasses.asdict(message)}
    if isinstance(message, Run):
        plain["kind"] = type(message.job).__name__.lower()
    return json.dumps(plain, allow_nan=False).encode("ascii") + b"\n"


def decode_request(line: bytes) -> Request:
    """Raises SynGenError for a line that is no request."""
    plain = _parsed(line)
    if plain.get("type") == "run":
        kind = JOBS.get(str(plain.pop("kind", "")))
        if kind is None or not isinstance(plain.get("job"), Mapping):
            raise _refused(line)
        plain["job"] = _build(kind, plain["job"], line)
    return _message(_REQUESTS, plain, line)  # type: ignore[return-value]


def decode_event(line: bytes) -> Event:
    """Raises SynGenError for a line that is no event."""
    return _message(_EVENTS, _parsed(line), line)  # type: ignore[return-value]


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        plain = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _refused(line) from None
    if not isinstance(plain, dict):
        raise _refused(line)
    return plain


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _message(kinds: Mapping[str, type], plain: dict[str, Any], line: bytes) -> object:
    kind = kinds.get(str(plain.pop("type", "")))
    if kind is None:
        raise _refused(line)
    return _build(kind, plain, line)


def _build(kind: Any, plain: Mapping[str, Any], line: bytes) -> Any:
    """The dataclass from its plain values, each of the declared type."""
    hints = get_type_hints(kind)
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()}
    needed = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    if not needed <= values.keys() <= hints.keys() or not all(_fits(values[name], hints[name]) for name in values):
        raise _refused(line)
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is dict:
        return isinstance(value, dict)
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(v, get_args(hint)[0]) for v in value)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bool):
        return isinstance(value, hint)
    return True


def _refused(line: bytes) -> SynGenError:
    return SynGenError(
        f"A message of the worker's makes no sense: {line[:200]!r}.", "Worker and extension must be of one version."
    )
