"""Changes that are taken back: a render job borrows the scene and returns it as it was. Imports bpy only for types."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


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
        before = _plain(getattr(owner, name))

        def give_back() -> None:
            if _plain(getattr(owner, name)) != before:
                setattr(owner, name, before)

        self._undo.append(give_back)
        if before != value:
            setattr(owner, name, value)

    def set_if_there(self, owner: Any, name: str, value: Any) -> None:
        """set, for properties that only some Blender versions have."""
        if hasattr(owner, name):
            self.set(owner, name, value)

    def set_key(self, owner: Any, name: str, value: Any) -> None:
        """owner[name] = value, for custom properties."""
        if name in owner:
            before = owner[name]
            owner[name] = value
            self._undo.append(lambda: owner.__setitem__(name, before))
        else:
            owner[name] = value
            self._undo.append(lambda: owner.__delitem__(name))

    def new(self, collection: Any, block: Any) -> Any:
        """block, which is removed from its bpy.data collection on leaving."""
        self._undo.append(lambda: collection.remove(block))
        return block


def _plain(value: Any) -> Any:
    """A vector or colour as a tuple: Blender's own would follow the change."""
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, (str, bytes, set)) else value
