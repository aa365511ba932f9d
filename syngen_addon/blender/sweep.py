"""A sweep over weights of neural transfer, in a thread, so that the window stays alive. Imports bpy, sweep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy

from ..errors import SynGenError
from ..recipe import Recipe
from ..sweep import METHODS, Grid, SweepResult, run
from . import worker
from .ageing import gather, kind_named
from .names import UV_LAYER
from .task import Task


class Sweep(Task):
    """A sweep in the making, of the active object. preview: how far the network is. result: once it is done."""

    def __init__(
        self, obj: bpy.types.Object, recipe: Recipe, gallery: Path, *, grid: Grid, method: str = "", size: int = 384
    ) -> None:
        """Reads the object, and leaves it as it was. Raises SynGenError where it cannot be aged or the worker is not
        set up."""
        super().__init__("sweep", lambda say: self._sweep(), obj.name)
        method = method or recipe.transfer.method
        if method not in METHODS:
            raise SynGenError("Only neural transfer has weights.", f"Set Transfer to {' or '.join(METHODS.values())}.")
        recipe = replace(recipe, transfer=replace(recipe.transfer, method=method))
        self.preview: Path | None = None
        self.result: SweepResult | None = None
        self._tools = worker.tools(recipe, preview=self._show)
        had_layer = UV_LAYER in obj.data.uv_layers
        self._request = gather(obj, recipe, kind_named(recipe.wear.kind))
        if not had_layer and UV_LAYER in obj.data.uv_layers:
            obj.data.uv_layers.remove(obj.data.uv_layers[UV_LAYER])
        self._gallery, self._grid, self._size = gallery, grid, size

    def _show(self, picture: Path) -> None:
        self.preview = picture

    def _sweep(self) -> str:
        self.result = run(
            self._request,
            self._gallery,
            tools=self._tools,
            grid=self._grid,
            size=self._size,
            progress=self.progress,
            should_stop=self.should_stop,
        )
        return f"The sheet is {self.result.path}."
