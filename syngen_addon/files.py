"""Files that are either wholly there or not at all. Imports the standard library only."""

import os
import platform
import re
import shutil
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import SynGenError


def frame_file(folder: str, frame: int, suffix: str) -> str:
    """Where a frame's file lies in its job's folder: ("images", 12, ".png") -> "images/0000/00000012.png"."""
    return f"{folder}/{frame // 10_000:04d}/{frame:08d}{suffix}"


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that it is either wholly there or not at all. Raises SynGenError where it cannot be."""
    with writing(path, buffer=-1) as file:
        file.write(data)


@contextmanager
def writing(path: str | os.PathLike[str], buffer: int = 1 << 18) -> Iterator[BinaryIO]:
    """A file to write piece by piece, which appears under its name when the block ends, and not at all where it fails.

    buffer: bytes that are kept back to be written at once; -1: as many as the file system has in a block.
    Raises SynGenError where it cannot be written.
    """
    path = Path(path)
    temporary = part_of(path.with_name(f"{path.name}.{threading.get_ident()}"))  # two threads may write the same file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb", buffering=buffer) as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # of a folder that may not be written: then there is nothing to remove
            temporary.unlink(missing_ok=True)


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder and those above it where they are not there. Raises SynGenError."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def write_small(path: str, data: bytes) -> None:
    """Write one of very many files, into a folder that is there; where it holds the same already, it stays.

    A new one is written under its own name at once, which is half the work: for files that nobody looks for until a
    list of them is there, which comes last. One that was not finished is found, and written again, by the next run.
    Raises SynGenError where it cannot be written.
    """
    try:
        file = os.open(path, _NEW, 0o666)
        try:
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)
    except FileExistsError:
        if Path(path).read_bytes() != data:
            write_bytes(path, data)
    except OSError as error:
        raise cannot_write(path, error) from error


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def remove_other_frames(folder: Path, keep: Container[int]) -> None:
    """Remove what earlier runs have left in a folder and below it: files called by the number of a frame not in keep.

    The number is what stands before the first "_" or "."; files without one stay. Raises SynGenError.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            number = re.split(r"[_.]", name, maxsplit=1)[0]
            if number.isdecimal() and int(number) not in keep:
                try:
                    os.unlink(os.path.join(place, name))
                except OSError as error:
                    raise cannot_write(os.path.join(place, name), error) from error


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name: a hard link, or a copy where the file system has none. What had the name gives way.

    Raises SynGenError: source is missing, or target cannot be written.
    """
    if not source.is_file():
        raise SynGenError(f"The file {source} is missing.", "Run the job again; it makes what is missing anew.")
    temporary = part_of(target.with_name(f"{target.name}.{threading.get_ident()}"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, temporary)
        except OSError:  # FAT, some network shares
            shutil.copyfile(source, temporary)
        temporary.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        with suppress(OSError):  # also left where both names were of one file already: then replace does nothing
            temporary.unlink(missing_ok=True)


def cannot_write(path: str | os.PathLike[str], error: OSError) -> SynGenError:
    """What a user is told where a file cannot be written."""
    hint = "Free some space or choose a folder you may write to."
    return SynGenError(f"Cannot write {os.fspath(path)}: {error.strerror}.", hint)


def publish(work: Path, folder: Path, whole: Callable[[Path], bool]) -> None:
    """Give a finished folder its name. Another process may have been first: where its folder is whole, it stays.

    A folder that is not whole gives way. Raises OSError.
    """
    try:
        work.rename(folder)
    except OSError:
        if not whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            work.rename(folder)


def part_of(path: Path) -> Path:
    """The name under which this process makes a file or folder before it gets its own."""
    return path.with_name(f".{path.name}.{platform.node()}-{os.getpid()}.part")


def remove_parts(folder: Path) -> None:
    """Remove what processes of this machine were making when they were killed.

    Nothing of a process that still runs, and nothing on Windows, where asking whether it does would end it.
    """
    mine = re.compile(rf"\..+\.{re.escape(platform.node())}-(\d+)\.part")
    for place, folders, files in os.walk(folder):
        for name in [n for n in (*folders, *files) if n.startswith(".")]:
            found = mine.fullmatch(name)
            if found and not _runs(int(found[1])):
                path = Path(place) / name
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    with suppress(OSError):  # of a folder that may not be written
                        path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
