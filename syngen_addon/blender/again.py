"""One frame of a job made again, alone, and held against the one that lies in its folder. Imports dataset, jobs, files.

Where the files of the frame are missing or broken in the job's folder, the new ones take their place.
"""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import jobs
from ..errors import SynGenError
from ..files import frame_file, write_bytes
from ..recipe import Recipe
from . import dataset

FILES = (("images", ".png"), ("records", ".json"), ("depth", ".exr"), ("normals", ".exr"))
"""Folder and suffix of what a frame may leave, the record last."""


@dataclass(frozen=True)
class Again:
    """What became of it. same: it was there already, byte for byte. placed: files that were put into the job's folder.
    stopped: a stop was asked for. Of a frame that came out otherwise, frame_again raises."""

    same: bool = False
    placed: tuple[str, ...] = ()
    stopped: bool = False
    warnings: tuple[str, ...] = ()


def frame_again(
    of: Path,
    frame: int,
    recipe: Recipe,
    into: Path | None = None,
    *,
    report: Callable[[dataset.Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Again:
    """Render a frame of the job in the folder `of` with its seed, and compare it with what lies there.

    into: a folder that keeps it; the job's own is then left as it is. Raises SynGenError: what is open here is not what
    the job was made from (the difference is named); the job has no such frame; the frame came out otherwise.
    """
    seed = int(jobs.read_job(of)["inputs"]["seed"])
    frames = max((int(p.stem) for p in (of / "records").glob("[0-9]*/[0-9]*.json") if p.stem.isdigit()), default=-1) + 1
    if not 0 <= frame < frames:
        known = f"Its frames are 0 to {frames - 1}." if frames else "It has no finished frame yet."
        raise SynGenError(f"The job in {of} has no frame {frame}.", known)
    if into is not None:
        if into.resolve() == of.resolve():
            raise SynGenError("--into names the job's own folder.", "Name another, or leave it out.")
        _remove(into, frame)
        return _made(of, frame, recipe, seed, into, False, report, should_stop)
    with tempfile.TemporaryDirectory(prefix="syngen-again-") as scratch:
        return _made(of, frame, recipe, seed, Path(scratch), True, report, should_stop)


def _remove(folder: Path, frame: int) -> None:
    """What an earlier call has left of the frame: it is to be made again."""
    if (folder / "job.json").is_file():
        for place, suffix in FILES:
            (folder / frame_file(place, frame, suffix)).unlink(missing_ok=True)


def _made(
    of: Path,
    frame: int,
    recipe: Recipe,
    seed: int,
    folder: Path,
    put: bool,
    report: Callable[[dataset.Progress], None],
    should_stop: Callable[[], bool],
) -> Again:
    job = dataset.Job(recipe, folder, frame + 1, seed, only=frame, of=of)
    summary = dataset.run(job, report=report, should_stop=should_stop)
    if summary.stopped:
        return Again(stopped=True, warnings=tuple(summary.warnings))
    broken = _broken(of, frame)
    placed, other = [], []
    for place, suffix in FILES:
        name = frame_file(place, frame, suffix)
        new = _read(folder / name)
        if new is None:
            continue
        if _read(of / name) == new:
            continue
        if (of / name).is_file() and not broken:
            other.append(name)
        elif put:
            write_bytes(of / name, new)
            placed.append(name)
    if other:
        raise SynGenError(
            f"Frame {frame} came out otherwise than the one in {of}: {' and '.join(other)} differ.",
            "Same bytes need the same system and device; --into FOLDER keeps the new one to compare.",
        )
    return Again(not placed and not broken, tuple(placed), warnings=tuple(summary.warnings))


def _broken(of: Path, frame: int) -> bool:
    """Whether the frame in the job's folder is not whole: its record or its picture is missing or broken."""
    record = jobs.read_record(of, frame)
    if record is None:
        return True
    said, picture = record.get("picture", {}).get("sha256"), _read(of / jobs.picture_name(frame))
    return picture is not None and said is not None and hashlib.sha256(picture).hexdigest() != said


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
