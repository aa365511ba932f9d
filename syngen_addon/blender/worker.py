"""The one place where Blender's side gets the worker: which Python it runs in, the shared process, its weights.

Imports bpy; the worker's client and environment only when they are needed: enabling the extension costs nothing.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.app.handlers import persistent

from ..errors import SynGenError
from ..recipe import Frozen
from . import task
from .preferences import ROOT_PACKAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..methods import Tools
    from ..recipe import Recipe
    from ..worker.client import Worker

VARIABLE = "SYNGEN_WORKER_PYTHON"
"""The environment variable that names the worker's Python."""
LOG = "logs/worker.log"
"""In home(): what the worker and the libraries in it print."""
NO_WEIGHTS = ("patch", "diffusion")
"""Methods of transfer that need no weights of ours."""
SWITCH = "Preferences > System > Network > Allow Online Access"

_chosen: Path | None = None
_worker: Worker | None = None
_worker_python: Path | None = None


class Interpreter(Frozen):
    """A Python for the worker. source: who chose it, "command line", the variable's name, "preferences" or "own"."""

    path: Path
    source: str


def home() -> Path:
    """The worker's folder: its environment, weights and logs. It is made where it is not there."""
    try:
        return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path="worker", create=True))
    except ValueError:  # a plain checkout is no extension and has no such folder
        folder = _user_cache() / "syngen" / "worker"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def something_to_remove() -> bool:
    """Whether the folder holds an environment, whole or half made, or weights."""
    return any(entry.is_dir() and entry.name != LOG.partition("/")[0] for entry in home().iterdir())


# --- which Python ----------------------------------------------------------------------------------------------------


def choose(path: str | Path | None) -> None:
    """The command line's choice of Python, before every other; None takes it back."""
    global _chosen
    _chosen = None if path is None else Path(path).expanduser().absolute()
    close()


def interpreter() -> Interpreter | None:
    """The worker's Python: the command line's, the environment variable's, the preferences', else the one of Set Up.

    None where there is none. That it is there and what is in it, is not looked at.
    """
    if _chosen is not None:
        return Interpreter(_chosen, "command line")
    if os.environ.get(VARIABLE):
        return Interpreter(Path(os.environ[VARIABLE]).expanduser().absolute(), VARIABLE)
    preferred = preference("interpreter")
    if preferred:
        return Interpreter(Path(bpy.path.abspath(preferred)).expanduser().absolute(), "preferences")
    from ..worker import environment

    own = environment.python_in(home())
    return None if own is None else Interpreter(own, "own")


def preference(name: str) -> str:
    """One of SynGen's preferences, "" where this is a plain checkout and has none."""
    addon = bpy.context.preferences.addons.get(ROOT_PACKAGE)
    if addon is None or addon.preferences is None:
        return ""
    return str(getattr(addon.preferences, name)).strip()


def python() -> Path | None:
    """Path of the worker's Python, None where there is none."""
    found = interpreter()
    return None if found is None else found.path


def check_python() -> Path:
    """Path of the worker's Python. Raises SynGenError where there is none."""
    found = interpreter()
    if found is None:
        raise SynGenError("Stable Diffusion and neural style transfer are not set up.", how_to_set_up())
    if not found.path.is_file():
        where = {"command line": "named by --worker-python", "preferences": "named in SynGen's preferences"}
        raise SynGenError(
            f"The worker's Python {where.get(found.source, f'named by {found.source}')} is not there: {found.path}.",
            "Name the python program of an environment, or none and use Set Up.",
        )
    return found.path


def arguments(recipe: Recipe) -> list[str]:
    """What a job in another Blender is told, whose preferences may differ from what is set here and not saved yet."""
    path = python() if needed(recipe) else None
    return [] if path is None else ["--worker-python", str(path)]


def how_to_set_up() -> str:
    """What to do where there is no worker."""
    if bpy.app.background:
        set_up = f"{command()} worker set-up{_allowing()}"
        return f"Set them up once: {set_up}. Or name a Python that has them with --worker-python."
    return "Preferences > Add-ons > SynGen > Set Up does it."


def command() -> str:
    """How this Blender's command line is called."""
    if bpy.app.binary_path and ROOT_PACKAGE.startswith("bl_ext."):
        return "blender -b --command syngen"
    return "python syngen_addon/blender/batch.py --"


def _allowing() -> str:
    """What a command that fetches needs besides, where Blender may not go online by itself."""
    return "" if online() else " --online"


def online() -> bool:
    """Whether this Blender may use the network."""
    return bool(bpy.app.online_access)


def check_online(what: str) -> None:
    """Raises SynGenError where this Blender may not use the network."""
    if online():
        return
    if bpy.app.background:
        hint = f"Add --online, or allow it in {SWITCH}."
        if bpy.app.online_access_override:
            hint = "It was started with --offline-mode."
        raise SynGenError(f"{what} needs the network, which this Blender may not use.", hint)
    raise SynGenError(f"{what} needs the network, which Blender may not use.", f"Switch it on in {SWITCH}.")


# --- the worker ------------------------------------------------------------------------------------------------------


def get() -> Worker:
    """The shared worker of this Blender; its process starts with its first job. For the main thread.

    Raises SynGenError where it is not set up.
    """
    global _worker, _worker_python
    from ..worker.client import Worker

    path = check_python()
    if _worker is not None and _worker_python != path:
        close()
    if _worker is None:
        _worker, _worker_python = Worker(path, home() / LOG), path
    return _worker


def close() -> None:
    """End the worker's process, where there is one; the next job starts another."""
    global _worker
    worker, _worker = _worker, None
    if worker is not None:
        worker.close()


def needed(recipe: Recipe) -> bool:
    """Whether a method of the recipe runs in the worker."""
    return recipe.texture.method == "diffusion" or recipe.transfer.method != "patch"


def check(recipe: Recipe) -> None:
    """Raises SynGenError where the recipe needs the worker or its weights and they are not there; changes nothing."""
    if needed(recipe):
        check_python()
    if recipe.transfer.method not in NO_WEIGHTS:
        weights(recipe)


def weights(recipe: Recipe) -> tuple[str, str]:
    """(vgg, decoder): the recipe's own, paths or names on the hub, else those of Get Weights.

    The decoder is "" where the method does not use it. Raises SynGenError where one is not there.
    """
    from ..worker.weights import weights_in

    vgg, decoder = recipe.neural.vgg, recipe.neural.decoder
    with_decoder = recipe.transfer.method == "adain"
    if vgg and (decoder or not with_decoder):
        return vgg, decoder if with_decoder else ""
    ours = weights_in(home())
    if ours is None:
        hint = "Get Weights in Preferences > Add-ons > SynGen fetches them."
        if bpy.app.background:
            hint = f"Get Weights fetches them: {command()} worker weights{_allowing()}."
        raise SynGenError("The weights for neural style transfer are not here.", hint)
    return vgg or str(ours.vgg), (decoder or str(ours.decoder)) if with_decoder else ""


def tools(recipe: Recipe, *, fetch: bool = False, preview: Callable[[Path], None] = lambda path: None) -> Tools:
    """What the recipe's methods run with; nothing where they need no worker.

    fetch: whether missing models may be fetched on the way, where Blender may use the network at all. preview: told of
    pictures of how far it is, in the thread that does the work. Raises SynGenError where the worker or its weights are
    not there; for the main thread, before anything is changed.
    """
    from ..methods import Tools

    if not needed(recipe):
        return Tools()
    check(recipe)
    vgg, decoder = ("", "") if recipe.transfer.method in NO_WEIGHTS else weights(recipe)
    return Tools(get(), vgg, decoder, fetch and online(), preview, command())


# --- registration ----------------------------------------------------------------------------------------------------


def stop() -> None:
    """End the worker and what is done for it: Blender or the extension goes away."""
    task.stop()
    if (setup := sys.modules.get(f"{__package__}.worker_setup")) is not None:  # only where it was used
        setup.stop()
    close()


@persistent
def _before_render(*_: Any) -> None:
    # A model that waits for the next Generate takes gigabytes of the GPU's memory from the render. It loads in seconds.
    if _worker is not None:
        _worker.rest()


def register() -> None:
    bpy.app.handlers.render_init.append(_before_render)
    atexit.register(stop)


def unregister() -> None:
    stop()
    atexit.unregister(stop)
    bpy.app.handlers.render_init.remove(_before_render)
