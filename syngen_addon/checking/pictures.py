"""Pictures of a dataset: whether they can be read, how large they are, which are the same. Imports its siblings
and Pillow.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from .report import Findings

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
BATCH, THREADS = 64, 4


@dataclass(frozen=True)
class Look:
    """What a picture is. fault: why it cannot be read; then width and height are 0."""

    width: int
    height: int
    sha256: str
    fault: str = ""


def look(path: Path) -> Look | None:
    """Read a picture; None where there is none.

    A PNG is read chunk by chunk against its check sums, a JPEG decoded at an eighth of its size, others whole.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Look(0, 0, "", str(error.strerror))
    digest = hashlib.sha256(data).hexdigest()
    try:
        with Image.open(io.BytesIO(data)) as image:
            size = image.size
            if image.format == "PNG":
                image.verify()
            else:
                image.draft("L", (1, 1))
                image.load()
    except UnidentifiedImageError:  # its own words name the address of the bytes
        return Look(0, 0, digest, "it is no picture")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return Look(0, 0, digest, " ".join(str(error).split()) or type(error).__name__)
    return Look(*size, digest)


@dataclass
class Pictures:
    """Every picture of a dataset is read once, however many formats name it."""

    findings: Findings
    tell: Callable[[int], None] = lambda pictures: None
    """Called with how many were read, batch by batch."""
    name: str = "pictures"
    """What they are counted as."""
    seen: dict[tuple[int, int], Look] = field(default_factory=dict)
    """By what the file system calls a file: hard links are one."""

    def look_all(self, paths: Iterable[Path]) -> Iterator[tuple[Path, Look | None]]:
        """Each path with what lies there, in their order; several are read at a time."""
        every = iter(paths)
        with ThreadPoolExecutor(THREADS) as pool:
            while batch := list(islice(every, BATCH)):
                yield from zip(batch, pool.map(self.look, batch), strict=True)
                self.tell(self.findings.sizes[self.name])

    def look(self, path: Path) -> Look | None:
        """What lies at a path."""
        try:
            status = path.stat()
        except OSError:
            return None
        name = (status.st_dev, status.st_ino)
        if not status.st_ino or name not in self.seen:
            found = look(path)
            if found is None:
                return None
            self.findings.sizes[self.name] += 1
            self.seen[name] = found
        return self.seen[name]


@dataclass
class Splits:
    """Which pictures lie in which split of one format: the same picture in two of them leaks."""

    findings: Findings
    format: str
    places: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, sha256: str, split: str, name: str) -> None:
        """One picture of a split."""
        before = self.places.setdefault(sha256, (split, name))
        if before[0] != split:
            sentence = f"The same picture is in {before[0]} ({before[1]}) and in {split}: a test on it proves nothing."
            self.findings.problem("picture in two splits", f"{self.format} {name}", sentence)
        elif before[1] != name:
            sentence = f"The same picture as {before[1]}."
            self.findings.note("picture twice", f"{self.format} {name}", sentence)


def expect(
    findings: Findings, where: str, path: Path, found: Look | None, size: tuple[int, int] | None, name: str
) -> bool:
    """Say what is wrong with a picture that is named; whether it can be used. size: (width, height) as it is said."""
    if found is None:
        findings.problem("picture missing", where, f"The picture {name} is not there.")
        return False
    if found.fault:
        findings.problem("picture unreadable", where, f"The picture {name} cannot be read: {found.fault}.")
        return False
    if size is not None and (found.width, found.height) != size:
        sentence = f"{name} has {found.width} x {found.height} pixels; its labels are for {size[0]} x {size[1]}."
        findings.problem("picture size", where, sentence)
        return False
    return True
