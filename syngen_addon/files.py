"""Files that are either wholly there or not at all. Imports the standard library only."""

import os
from pathlib import Path

from .errors import SynGenError


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that it is either wholly there or not at all. Raises SynGenError where it cannot be."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SynGenError(
            f"Cannot write {path}: {error.strerror}.", "Free some space or choose a folder you may write to."
        ) from error
