"""Changes that are taken back: a render job borrows the scene and returns it as it was. Imports bpy,
mathutils."""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import bpy
from mathutils import Matrix


class Borrowed:
    """A context in which every change notes how to undo it; leaving it, also by an error, undoes all in reverse."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed: Exception | None = None
        while self._undo:
            try:
                self._undo.pop()()
            except Exception as problem:  # the rest must still be given back; the first failure is told after
                failed = failed or problem
        if failed is not None and error is None:
            raise failed

    def afterwards(self, undo: Callable[[], None]) -> None:
        """Call undo on leaving."""
        self._undo.append(undo)

    def set(self, owner: Any, name: str, value: Any) -> None:
        """owner.name = value, for plain values and datablock pointers; noted also where it changes only later."""
        before = plain(getattr(owner, name))

        def give_back() -> None:
            if plain(getattr(owner, name)) != before:
                setattr(owner, name, unplain(before))

        self._mute(owner, name)
        self._undo.append(give_back)
        if before != value:
            setattr(owner, name, value)

    def set_if_there(self, owner: Any, name: str, value: Any) -> None:
        """set, for properties that only some Blender versions have."""
        if hasattr(owner, name):
            self.set(owner, name, value)

    def set_key(self, owner: Any, name: str, value: Any) -> None:
        """owner[name] = value, for custom properties."""
        self._mute(owner, f'["{name}"]')
        if name in owner:
            before = owner[name]
            owner[name] = value
            self._undo.append(lambda: owner.__setitem__(name, before))
        else:
            owner[name] = value
            self._undo.append(lambda: owner.__delitem__(name))

    def _mute(self, owner: Any, name: str) -> None:
        """Keep what animates a property from putting another value there while it is borrowed."""
        for curve in animating(owner, name):
            if not curve.mute:
                curve.mute = True
                self._undo.append(lambda curve=curve: setattr(curve, "mute", False))

    def new(self, collection: Any, block: Any) -> Any:
        """block, which is removed from its bpy.data collection on leaving."""
        self._undo.append(lambda: collection.remove(block))
        return block

    def new_all(self, blocks: Sequence[Any]) -> None:
        """Datablocks of any kind, some of which may go with others of them, all removed on leaving."""
        self._undo.append(lambda: bpy.data.batch_remove(still_there(blocks)))


def all_blocks() -> Iterator[Any]:
    """Every datablock of the file, but those of the window."""
    for prop in bpy.data.bl_rna.properties:
        if prop.type == "COLLECTION" and prop.identifier not in {"window_managers", "workspaces", "screens"}:
            yield from getattr(bpy.data, prop.identifier)


def still_there(blocks: Sequence[Any]) -> list[Any]:
    """Those of the datablocks that were not removed since."""
    wanted = set(blocks)
    return [block for block in all_blocks() if block in wanted]


def animating(owner: Any, name: str) -> list[bpy.types.FCurve]:
    """The curves that give owner.name (or owner["name"], written so) its value: of the action, of NLA strips, drivers.

    An action may serve several datablocks; only the slot of this one counts.
    """
    block = getattr(owner, "id_data", None)
    animation = getattr(block, "animation_data", None)
    if animation is None:
        return []
    try:
        place = "" if owner == block else owner.path_from_id()
    except ValueError:  # a struct that no path leads to cannot be animated either
        return []
    path = place + name if name.startswith("[") or not place else f"{place}.{name}"
    used = [(animation.action, animation.action_slot_handle)]
    for track in animation.nla_tracks:
        used += [(strip.action, strip.action_slot_handle) for strip in _strips(track.strips)]
    curves = list(animation.drivers)
    for action, slot in used:
        for layer in action.layers if action else ():
            for strip in layer.strips:
                curves += [c for bag in strip.channelbags if bag.slot_handle == slot for c in bag.fcurves]
    return [curve for curve in curves if curve.data_path == path]


def _strips(strips: Any) -> Iterator[bpy.types.NlaStrip]:
    for strip in strips:
        yield strip
        yield from _strips(strip.strips)


def unplain(value: Any) -> Any:
    """What plain gave, as RNA takes it: plain rows of a matrix it would read as columns."""
    is_matrix = isinstance(value, (tuple, list)) and bool(value) and isinstance(value[0], (tuple, list))
    return Matrix(value) if is_matrix else value


def plain(value: Any) -> Any:
    """A vector, colour or matrix as tuples: Blender's own would follow the change."""
    if hasattr(value, "__len__") and not isinstance(value, (str, bytes, set)):
        return tuple(plain(each) for each in value)
    return value
