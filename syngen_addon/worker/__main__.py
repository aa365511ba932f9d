"""The worker with its real jobs: `python -m syngen_addon.worker [LOG]`, started by client.py.

Each job's module, and with it torch, is imported when its first job comes.
"""

import importlib
import sys
from typing import Any

from ..errors import SynGenError
from .serve import Say, Work, serve

JOBS = {
    "generate": "diffusion.generate",
    "stylise": "neural.stylise",
    "measure": "neural.measure",
    "resolve": "models.resolve",
    "download": "models.download",
    "probe": "device.probe",
    "unload": "device.unload",
}
"""Where each job is done: module.function."""


def work_of(place: str) -> Work:
    """The job's function, looked up when it is called; a package that it lacks is a SynGenError."""
    module, function = place.split(".")

    def work(job: Any, say: Say) -> dict[str, Any]:
        try:
            result: dict[str, Any] = getattr(importlib.import_module(f".{module}", __package__), function)(job, say)
            return result
        except ImportError as error:
            raise _lacking(error) from error

    return work


def _lacking(error: ImportError) -> SynGenError:
    if isinstance(error, ModuleNotFoundError) and error.name:
        message = f"The package {error.name.split('.')[0]} is missing from the worker's Python, {sys.executable}."
    else:
        message = f"A package of the worker's Python, {sys.executable}, does not load: {' '.join(str(error).split())}"
    return SynGenError(message, "Press Set Up in the preferences, or choose another interpreter there.")


if __name__ == "__main__":
    serve({kind: work_of(place) for kind, place in JOBS.items()}, *sys.argv[1:2])
