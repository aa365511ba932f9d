"""What the worker runs on, and what it holds. Imports torch, and, for the memory, psutil, which accelerate brings."""

import gc
import importlib.metadata
import platform
import sys
from types import ModuleType
from typing import Any

import torch

from .protocol import Probe, Unload
from .serve import Say

PACKAGES = (
    "torch",
    "diffusers",
    "transformers",
    "accelerate",
    "peft",
    "huggingface_hub",
    "safetensors",
    "scikit-image",
    "opencv-python-headless",
    "pillow",
    "numpy",
)
"""Whose versions a bug report wants to know."""
HOLDERS = ("diffusion", "neural")
"""The modules that keep models from one job to the next: each has loaded() -> their names, and forget()."""


def probe(job: Probe, say: Say) -> dict[str, Any]:
    """What this worker is, as Probe documents it."""
    say.step(0.0, "Looking at the worker")
    name = device()
    total_mb, free_mb = memory_mb(name)
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "device": name,
        "device_name": device_name(name),
        "memory_mb": total_mb,
        "free_mb": free_mb,
        "threads": torch.get_num_threads(),
        "loaded": [model for holder in _holders() for model in holder.loaded()],
    }


def unload(job: Unload, say: Say) -> dict[str, Any]:
    """Let go of every model, and give the device's memory back."""
    for holder in _holders():
        holder.forget()
    empty_caches()
    return {}


def device() -> str:
    """Where torch computes: "cuda" (AMD's ROCm is called so too), "mps" or "cpu"."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_name(name: str) -> str:
    """What a person calls that device."""
    if name == "cuda":
        return str(torch.cuda.get_device_name())
    return platform.processor() or platform.machine()


def memory_mb(name: str) -> tuple[int, int]:
    """(all, free) of the device's memory; of main memory where it has none of its own."""
    if name == "cuda":
        free, total = torch.cuda.mem_get_info()
    else:
        import psutil

        memory = psutil.virtual_memory()
        free, total = memory.available, memory.total
    return total >> 20, free >> 20


def empty_caches() -> None:
    """Give back what torch keeps of memory that nothing uses."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = ""
    return found


def _holders() -> list[ModuleType]:
    """Those whose first job has come."""
    names = [f"{__package__}.{name}" for name in HOLDERS]
    return [sys.modules[name] for name in names if name in sys.modules]
