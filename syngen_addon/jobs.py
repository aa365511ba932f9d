"""A job's folder: where its files lie, what makes it this job and no other, which frames are finished.

Imports recipe, files, labels.record, formats and the standard library; never bpy. The layout is in
docs/architecture.md. A frame is finished when its record is there, which is written last.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import recipe as recipes
from .card import Gathering
from .errors import SynGenError
from .files import frame_file, part_of, write_bytes
from .formats.split import SPLITS, split_of
from .formats.write import write_formats
from .labels.record import decode

JOB_VERSION = 1
DEALT = ("light.environments", "background.folder", "ground.folder", "distractors.folder")
"""Folders whose files are dealt out to splits."""
BESIDE = (".png", ".jpg", ".jpeg", ".bin", ".mtl")
"""Files of things that lie beside them in the last of these, and are no things."""
MAY_LIE_THERE = {"variants", "panel"}
"""What may lie in a folder before its job: files of the panel, and variants that a stopped start has made."""


def picture_name(frame: int) -> str:
    """Path of a frame's picture inside the job's folder, with forward slashes."""
    return frame_file("images", frame, ".png")


def record_path(out: Path, frame: int) -> Path:
    """Where a frame's record lies."""
    return out / frame_file("records", frame, ".json")


def parse_shard(text: str) -> tuple[int, int]:
    """ "1/4" -> (1, 4): this is shard 1 of the shards 0 to 3. Raises SynGenError."""
    parts = text.split("/")
    try:
        number, count = (int(part) for part in parts)
    except ValueError:
        raise SynGenError(
            f"--shard {text} is not of the form I/N.", "For four shards use 0/4, 1/4, 2/4 and 3/4."
        ) from None
    if not 0 <= number < count:
        raise SynGenError(
            f"--shard {text}: there is no such shard.",
            f"The shards of {max(count, 1)} are 0/{max(count, 1)} to {max(count, 1) - 1}/{max(count, 1)}.",
        )
    return number, count


def frames_of(frames: int, shard: tuple[int, int]) -> range:
    """The frames of one shard: every N-th, so that shards take equally long."""
    return range(shard[0], frames, shard[1])


def file_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file; "missing" where there is none."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return "missing"
    return digest.hexdigest()


def twins(inputs: Mapping[str, Any]) -> list[str]:
    """Warnings that name files of one folder which are the same, byte for byte: two splits may each get one of them.

    inputs: of a job, whose "files" hold the SHA-256 of each.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for name, sha256 in inputs.get("files", {}).items():
        folder, _, file = name.partition("/")
        beside = folder == "distractors.folder" and ("/" in file or file.lower().endswith(BESIDE))
        if folder in DEALT and not beside:
            found.setdefault((folder, sha256), []).append(file)
    return [
        f"{folder}: {', '.join(sorted(files))} are the same file; leave one, or train and test may show it."
        for (folder, _), files in sorted(found.items())
        if len(files) > 1
    ]


def fingerprint_of(inputs: Mapping[str, Any]) -> str:
    """Hash of everything that goes into a job."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """What differs between two jobs' inputs, such as "recipe.camera.focal_mm: [28, 70] there, [35, 50] now"."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in sorted({*there, *here}):
            yield from differences(there.get(key), here.get(key), f"{name}.{key}" if name else str(key))
    elif there != here:
        yield f"{name}: {_short(there)} there, {_short(here)} now"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:24] + "..."


def check_folder(out: Path, inputs: Mapping[str, Any]) -> bool:
    """Make the folder where there is none; whether this very job is in it already.

    Raises SynGenError: the folder cannot be written, holds other files, or holds another job (the difference is named).
    """
    if not (out / "job.json").is_file():
        try:
            check_empty(out)
        except SynGenError:
            if not (out / "job.json").is_file():  # else another shard has claimed the folder in between
                raise
        else:
            return False
    check_writable(out)
    before = read_job(out)
    if before["fingerprint"] != fingerprint_of(inputs):
        found = list(differences(before["inputs"], inputs))
        raise SynGenError(
            f"The folder {out} holds another job: {'; '.join(found[:3])}{' ...' if len(found) > 3 else ''}.",
            "Choose an empty folder, or go back to what that job was made from.",
        )
    return True


def check_empty(out: Path) -> None:
    """Make the folder where there is none. Raises SynGenError where it cannot be written or holds anything else."""
    check_writable(out)
    if any(not p.name.startswith(".") and p.name not in MAY_LIE_THERE for p in out.iterdir()):
        raise SynGenError(f"The folder {out} holds files that are not a SynGen job.", "Choose an empty folder.")


def open_folder(
    out: Path,
    inputs: Mapping[str, Any],
    recipe: recipes.Recipe,
    classes: Mapping[str, list[str]] | None = None,
    scene: str = "",
) -> str:
    """Claim a folder for a job, or find that it is this job's already; its fingerprint. Raises as check_folder does.

    classes: by labels.class_from every class name the job can have, kept for making formats again without the scene.
    scene: the .blend it is made from, kept for the card: its name, or its path where it lies in the folder.
    """
    fingerprint = fingerprint_of(inputs)
    if not check_folder(out, inputs):
        about = {
            "version": JOB_VERSION,
            "fingerprint": fingerprint,
            "inputs": dict(inputs),
            "classes": dict(classes or {}),
            "scene_file": _scene_file(out, Path(scene)) if scene else "",
        }
        write_bytes(out / "job.json", (json.dumps(about, indent=1, sort_keys=True) + "\n").encode())
    text = recipes.dumps(recipe).encode()
    kept = out / "recipe.toml"
    if not kept.is_file() or kept.read_bytes() != text:  # a run was killed between the two, or exports another way now
        write_bytes(kept, text)
    return fingerprint


def _scene_file(out: Path, scene: Path) -> str:
    inside = scene.is_absolute() and scene.resolve().is_relative_to(out.resolve())
    return scene.resolve().relative_to(out.resolve()).as_posix() if inside else scene.name


def read_job(out: Path) -> dict[str, Any]:
    """job.json. Raises SynGenError where it is missing or broken."""
    try:
        about = json.loads((out / "job.json").read_text(encoding="utf-8"))
        if about["version"] != JOB_VERSION or not all(isinstance(about[k], dict) for k in ("inputs", "classes")):
            raise ValueError
    except FileNotFoundError:
        raise SynGenError(f"The folder {out} holds no SynGen job.", "Name the folder that --out named.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise SynGenError(f"{out / 'job.json'} is broken or of another version.", "Choose an empty folder.") from None
    return dict(about)


def check_writable(out: Path) -> None:
    """Make the folder and prove that files can be written there. Raises SynGenError."""
    probe = part_of(out / "write-test")  # of this process alone: shards start together
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise SynGenError(
            f"Cannot write into the folder {out}: {error.strerror}.", "Choose a folder you may write to."
        ) from error


def read_record(out: Path, frame: int) -> dict[str, Any] | None:
    """A finished frame's record; None where the frame is not finished (or its files are broken: it is made again)."""
    try:
        record = decode(record_path(out, frame).read_bytes())
    except (OSError, SynGenError):
        return None
    if record["frame"] != frame:
        return None
    maps = [each["file"] for each in record.get("maps", {}).values()]
    files = [] if record["no_target"] else [picture_name(frame), *maps]
    return record if all((out / name).is_file() for name in files) else None


def pictured(out: Path, frames: int) -> int | None:
    """How many of the frames 0 to frames - 1 have a picture; None where one of them lacks its record.

    Nothing is read, so that a shard that is not the last asks a job of any size for nothing.
    """
    shown = 0
    for frame in range(frames):
        if not record_path(out, frame).is_file():
            return None
        shown += (out / picture_name(frame)).is_file()
    return shown


@dataclass
class Rebuilt:
    """What rebuild made. finished: frames, no_target: those of them without a target; warnings: for the user."""

    finished: int = 0
    no_target: int = 0
    warnings: list[str] = field(default_factory=list)


FEW = 5
"""A split that is to have fewer pictures may well have none, by chance alone."""


def _no_picture(split: str, expected: float) -> str:
    if expected < FEW:
        return f"So few frames leave the {split} split empty; more fill it."
    return f"No picture is in the {split} split; render more frames or change Train, Validation, Test (export.split)."


class _Unfinished(Exception):
    """A frame that was to be there is not."""


def rebuild(
    out: Path,
    recipe: recipes.Recipe,
    seed: int,
    frames: int,
    classes: list[str] | None = None,
    *,
    whole: bool = False,
) -> Rebuilt | None:
    """Write the recipe's formats and the dataset card from the records of the frames 0 to frames - 1, read once.

    Nothing is rendered. Label files of frames from there on, which an earlier and longer job has left, go. whole: only
    where every frame is finished, else None is returned; formats may then be written in part, which the next run mends.
    Raises SynGenError.
    """
    about = read_job(out)
    gathering = Gathering(recipe)
    done = Rebuilt()

    def records() -> Iterator[dict[str, Any]]:
        gathering.clear()
        done.finished = done.no_target = 0
        for frame in range(frames):
            record = read_record(out, frame)
            if record is None:
                if whole:
                    raise _Unfinished
                continue
            done.finished += 1
            done.no_target += record["no_target"]
            gathering.add(record, record.get("split") or split_of(frame, seed, recipe.export.split))
            yield record

    known = about["classes"]
    try:
        written = write_formats(
            out, records, recipe, seed, classes, keypoints=known.get("keypoints"), kinds=known.get("kind")
        )
    except _Unfinished:
        return None
    for path in (out / "labels").glob("*/*.txt"):
        if path.stem.isdigit() and int(path.stem) >= frames:
            path.unlink()
    done.warnings = [
        *written.warnings,
        *(
            _no_picture(split, done.finished * share)
            for split, share in zip(SPLITS, recipe.export.split, strict=True)
            if share and split != "test" and not written.pictures[split]
        ),
    ]
    gathering.write(out, about, written, done.warnings)
    return done
