"""Variants made in a thread, for the window: it stays alive while they are. Imports bpy, variants."""

import threading
from pathlib import Path

import bpy

from ..errors import SynGenError
from ..recipe import Recipe
from ..variants import Cancelled, Request, Variant, make_variants
from .ageing import gather, kind_named
from .names import UV_LAYER


class Generation:
    """Variants of one object in the making. Everything of Blender is read before the thread starts, none in it.

    fraction: 0 to 1. text: what is being done. variants, error: the outcome once poll() is False.
    """

    def __init__(self, obj: bpy.types.Object, recipe: Recipe, gallery: Path) -> None:
        """Raises SynGenError for an object that cannot be aged; then nothing is changed."""
        layers = len(obj.data.uv_layers)
        self.request: Request = gather(obj, recipe, kind_named(recipe.wear.kind))
        self.object_name = obj.name
        self.gallery = gallery
        self.fraction, self.text, self.error = 0.0, "Starting", ""
        self.variants: list[Variant] = []
        self.cancelled = False
        self._made_layer = len(obj.data.uv_layers) > layers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="SynGen variants", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self) -> None:
        """Make them here and now. Raises SynGenError."""
        self.variants = make_variants(self.request, self.gallery, progress=self._progress)

    def poll(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Ask it to stop, which it does before its next step."""
        self._stop.set()

    def join(self) -> None:
        """Wait until it has stopped."""
        if self._thread.is_alive():
            self._thread.join()

    def take_back(self) -> None:
        """Undo the one change that reading the object may have made, the UV map it lacked."""
        obj = bpy.data.objects.get(self.object_name)
        if self._made_layer and obj is not None and obj.type == "MESH" and UV_LAYER in obj.data.uv_layers:
            obj.data.uv_layers.remove(obj.data.uv_layers[UV_LAYER])

    @property
    def summary(self) -> str:
        """One sentence for the person."""
        refused = sum(not v.accepted for v in self.variants)
        text = f"{len(self.variants)} variants of {self.object_name!r} are in the gallery"
        return f"{text}, {refused} of them refused." if refused else f"{text}."

    def _progress(self, fraction: float, text: str) -> None:
        self.fraction, self.text = fraction, text

    def _work(self) -> None:
        try:
            self.variants = make_variants(
                self.request, self.gallery, progress=self._progress, should_stop=self._stop.is_set
            )
        except Cancelled:
            self.cancelled = True
        except SynGenError as error:
            self.error = str(error)
        except Exception as error:  # a thread's exception would vanish, and the panel would wait for ever
            self.error = f"{type(error).__name__}: {error}. This is a mistake in SynGen; please report it."
            raise
