"""Variants made in a thread, for the window: it stays alive while they are. Imports bpy, variants."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..errors import Cancelled, SynGenError
from ..recipe import Kind, Recipe, age_shift_of
from ..variants import Request, Variant, list_variants, make_variants
from . import worker
from .ageing import apply_variant, gather, kind_named
from .layers import further_of, layers_of
from .names import UV_LAYER
from .target import find, has_wear

FIRST_GUESS = 0.05
"""Fraction from which the time left is said."""


@dataclass(frozen=True)
class _Order:
    """One object's variants that are to be made. puts_on: the first one is put onto an object that has no wear."""

    name: str
    recipe: Recipe
    kind: Kind
    puts_on: bool


class Generation:
    """Variants of objects in the making, one object after the other; more can be added while it works.

    Each object is read from Blender before its thread starts, and none of Blender in the thread: only one object's
    pictures are in memory, and poll() reads the next.

    fraction: 0 to 1, of all objects. text: what is being done. preview: the latest picture of how far the worker is, a
    file that is replaced; None where there is none. The outcome once poll() is False: made (object name ->
    its variants), skipped (object name -> why it has none), cancelled.
    """

    def __init__(self, objects: Sequence[bpy.types.Object], recipe: Recipe, gallery: Path, *, layer: str = "") -> None:
        """layer: a kind that the objects get beside the wear they have; without one it is the recipe's kind.

        Raises SynGenError where none of the objects can be aged, the first one's; then nothing is changed.
        """
        self.several = len(objects) > 1
        self.layer = layer
        self.gallery = gallery
        self.fraction, self.text = 0.0, "Starting"
        self.preview: Path | None = None
        self.made: dict[str, list[Variant]] = {}
        self.skipped: dict[str, SynGenError] = {}
        self.cancelled = False
        self._first = objects[0].name
        self._orders: dict[str, _Order] = {}
        self._waiting: list[_Order] = []
        self._total = self._before = 0
        self._began = time.monotonic()
        self._made_layers: list[str] = []
        self._stop = threading.Event()
        self._request: Request | None = None
        self._tools = worker.tools(recipe, preview=self._seen)
        self._tools_of = recipe
        self._thread: threading.Thread | None = None
        self._order(objects, recipe, self.several)
        self._read_next()
        self._check()

    def _order(self, objects: Sequence[bpy.types.Object], recipe: Recipe, puts_on: bool) -> list[str]:
        """Let objects wait for their turn; their names."""
        kind = kind_named(self.layer or recipe.wear.kind)
        added = []
        for obj in objects:
            try:
                find(obj)
                if self.layer:
                    check_can_add(obj, self.layer)
                order = _Order(obj.name, recipe, kind, puts_on)
                if order not in self._waiting:
                    self._waiting.append(order)
                    added.append(obj.name)
            except SynGenError as error:
                self.skipped[obj.name] = error
        self._total += len(added)
        return added

    def add(self, objects: Sequence[bpy.types.Object], recipe: Recipe) -> list[str]:
        """Let more objects wait, with the settings of now; the names of those that do so now. For the main thread.

        Raises SynGenError where none can: the first one's, or that they wait already.
        """
        added = self._order(objects, recipe, len(objects) > 1)
        if not added:
            raise self.skipped.pop(objects[0].name, None) or SynGenError(
                f"{objects[0].name!r} waits already.", "Change its settings first, or choose another object."
            )
        self.several = True
        return added

    @property
    def names(self) -> list[str]:
        """The objects at work and waiting, in their order."""
        return [*([self._request.name] if self._request is not None else []), *(o.name for o in self._waiting)]

    def coming(self, name: str, there: int) -> int:
        """How many variants of the object at work are still to come, where so many are there; 0 for any other."""
        if self._request is None or self._request.name != name:
            return 0
        return max(0, self._before + self._request.recipe.texture.variants - there)

    @property
    def seconds_left(self) -> float:
        """A guess; -1 where it is too early for one."""
        if self.fraction < FIRST_GUESS:
            return -1.0
        return (time.monotonic() - self._began) * (1 - self.fraction) / self.fraction

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="SynGen variants", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Make them here and now. Raises SynGenError where no object got variants, the first one's."""
        while self._request is not None:
            self._make(self._request)
            self._read_next()
        self._check()

    def poll(self) -> bool:
        """Whether it still runs. Takes up the next object where one is finished: for the main thread."""
        if self._thread is None:
            return False
        if self._thread.is_alive():
            return True
        self._thread = None
        if self._stop.is_set() and self._waiting:
            self.cancelled = True
        if not self.cancelled:
            self._read_next()
            if self._request is not None:
                self.start()
        return self._thread is not None

    def cancel(self) -> None:
        """Ask it to stop, which it does before its next step."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def join(self) -> None:
        """Wait until the object at work has stopped."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()

    def take_back(self) -> None:
        """Undo the one change that reading an object may have made, the UV map it lacked: where it has got no variants,
        and everywhere where the work was cancelled."""
        kept = [] if self.cancelled else [bpy.data.objects[n].data for n in self.made if n in bpy.data.objects]
        for name in self._made_layers:
            obj = bpy.data.objects.get(name)
            if obj is not None and obj.type == "MESH" and obj.data not in kept and UV_LAYER in obj.data.uv_layers:
                obj.data.uv_layers.remove(obj.data.uv_layers[UV_LAYER])

    def put_on(self) -> int:
        """Put its first accepted variant onto every object that wears nothing yet, or as a further layer; how many
        those are."""
        count = 0
        for name, variants in self.made.items():
            order = self._orders[name]
            if not order.puts_on and not self.layer:
                continue
            try:
                obj = _object(name)
                if has_wear(obj) and not self.layer:
                    continue
                accepted = next((v for v in variants if v.usable), None)
                if accepted is None:
                    raise SynGenError(f"The filters refused every variant of {name!r}.", "Its gallery shows why.")
                put_on(obj, accepted, order.recipe, add=bool(self.layer))
                count += 1
            except SynGenError as error:
                self.skipped[name] = error
        return count

    @property
    def error(self) -> SynGenError:
        """The first object's, where none was aged."""
        return self.skipped[self._first]

    def _check(self) -> None:
        """Raises the first object's error where nothing is made and nothing is left to make."""
        if self._request is None and not self.made:
            raise self.error

    def _read_next(self) -> None:
        """Read the next object that can be aged; without one there is no request."""
        self._request = None
        while self._waiting and self._request is None:
            order = self._waiting.pop(0)
            name = order.name
            try:
                obj = _object(name)
                had_layer = UV_LAYER in obj.data.uv_layers
                if order.recipe != self._tools_of:
                    self._tools, self._tools_of = worker.tools(order.recipe, preview=self._seen), order.recipe
                self._request = gather(obj, order.recipe, order.kind)
                self._before = len(list_variants(self.gallery, name))
                self._orders[name] = order
                if not had_layer and UV_LAYER in obj.data.uv_layers:
                    self._made_layers.append(name)
            except SynGenError as error:
                self.skipped[name] = error

    def _progress(self, fraction: float, text: str) -> None:
        number = self._total - len(self._waiting)
        self.fraction = (number - 1 + fraction) / self._total
        several = self._total > 1 and self._request is not None
        self.text = f"{self._request.name} ({number} of {self._total}): {text}" if several else text

    def _seen(self, picture: Path) -> None:
        self.preview = picture

    def _make(self, request: Request) -> None:
        try:
            self.made[request.name] = make_variants(
                request, self.gallery, tools=self._tools, progress=self._progress, should_stop=self._stop.is_set
            )
        except SynGenError as error:
            self.skipped[request.name] = error

    def _work(self) -> None:
        request = self._request
        assert request is not None
        try:
            self._make(request)
        except Cancelled:
            self.cancelled = True
        except Exception as error:  # a thread's exception would vanish, and the panel would wait for ever
            self.skipped[request.name] = SynGenError(
                f"{type(error).__name__}: {error}.", "This is a mistake in SynGen; please report it."
            )
            raise


def put_on(
    obj: bpy.types.Object, variant: Variant, recipe: Recipe, *, add: bool = False, level: float | None = None
) -> None:
    """Put a variant onto the object as the recipe has it look. One of a kind that lies there as a further layer takes
    that layer's place; any other becomes the object's own wear. add: as a further layer. Raises SynGenError."""
    apply_variant(
        obj,
        variant,
        add=add or variant.kind in further_of(obj),
        softness=recipe.wear.softness,
        age_shift=age_shift_of(recipe),
        level=level,
    )


def check_can_add(obj: bpy.types.Object, kind: str) -> None:
    """Raises SynGenError where a kind of wear cannot lie on the object as a further layer."""
    found = layers_of(obj)
    if not found:
        raise SynGenError(f"{obj.name!r} has no wear yet.", "Press Generate and use a variant, then add kinds to it.")
    if any(each.kind == kind for each in found):
        raise SynGenError(f"{obj.name!r} has {kind_named(kind).label} already.", "Change its level in the panel.")


def _object(name: str) -> bpy.types.Object:
    """The mesh object of that name, as it is now. Raises SynGenError where it is gone or being edited."""
    obj = bpy.data.objects.get(name)
    if obj is None or obj.type != "MESH":
        raise SynGenError(f"{name!r} is gone.")
    if obj.mode != "OBJECT":
        raise SynGenError(f"{name!r} is being edited.", "Leave the edit or paint mode first.")
    return obj
