"""Files that are either wholly there or not at all. Imports the standard library only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import SynGenError


def frame_file(folder: str, frame: int, suffix: str) -> str:
    """Where a frame's file lies in its job's folder: ("images", 12, ".png") -> "images/0000/00000012.png"."""
    return f"{folder}/{frame // 10_000:04d}/{frame:08d}{suffix}"


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that it is either wholly there or not at all. Raises SynGenError where it cannot be."""
    with writing(path) as file:
        file.write(data)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write piece by piece, which appears under its name when the block ends, and not at all where it fails.

    Raises SynGenError where it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        raise SynGenError(
            f"Cannot write {path}: {error.strerror}.", "Free some space or choose a folder you may write to."
        ) from error
    finally:
        with suppress(OSError):  # of a folder that may not be written: then there is nothing to remove
            temporary.unlink(missing_ok=True)
