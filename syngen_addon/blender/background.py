"""A job in a background Blender, for the window: the same command line on a copy of the file. Imports bpy, numpy.

The copy lies in the job's folder. Blender's own copy silently drops unsaved pixels (painted or generated images), so
these are written beside it and put back when the copy is opened. The panel polls `Process`; nothing here blocks.
"""

import dataclasses
import json
import os
import queue
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import bpy
import numpy as np

from .. import jobs
from ..errors import SynGenError, one_line
from ..files import write_bytes
from ..recipe import Recipe, dumps, load
from . import worker
from .layers import further_of
from .paths import with_absolute_paths
from .target import wear_of

BATCH = Path(__file__).with_name("batch.py")
PANEL = "panel"
"""Folder inside the job's, for what the panel puts there: it can never hit a file of the user's."""
COPY, PIXELS, RECIPE, LOG = "scene.blend", "pixels", "recipe.toml", "job.log"
SHEET = "overview.png"
"""In the job's folder itself: its contact sheet, some frames with their labels drawn on."""


def holds_panel_job(out: Path) -> bool:
    """Whether a job of the panel was begun in a folder, which it can go on with."""
    return (out / PANEL / COPY).is_file() and (out / PANEL / RECIPE).is_file()


def save_copy(folder: Path) -> Path:
    """Save a copy of the open file into a folder, with unsaved pixels beside it; the session is untouched.

    Galleries are named by their absolute place in the copy, which lies elsewhere than the file itself.
    Raises SynGenError where the folder cannot be written.
    """
    target = folder / COPY
    try:
        (folder / PIXELS).mkdir(parents=True, exist_ok=True)
        _write_pixels(folder / PIXELS)
    except OSError as error:
        raise SynGenError(
            f"Cannot write into the folder {folder}: {error.strerror}.", "Choose a folder you may write to."
        ) from error
    relative = [(applied, applied["gallery"]) for applied in _applied() if applied["gallery"].startswith("//")]
    for applied, gallery in relative:
        applied["gallery"] = bpy.path.abspath(gallery)
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(target), copy=True, check_existing=False)
    except RuntimeError as error:
        raise SynGenError(
            f"Blender cannot save a copy of the scene into {folder}: {one_line(error)}", "Free some space."
        ) from error
    finally:
        for applied, gallery in relative:
            applied["gallery"] = gallery
    return target


def _applied() -> Iterator[Any]:
    """What says which variant lies on an object, and in which gallery: of every kind of wear on every object."""
    for obj in bpy.data.objects:
        about = wear_of(obj)
        if about is not None:
            yield about
            yield from (about["layers"][kind] for kind in further_of(obj))


def _write_pixels(folder: Path) -> None:
    names: dict[str, str] = {}
    for image in bpy.data.images:
        if image.is_dirty and image.source in {"FILE", "GENERATED"} and image.has_data:
            pixels = np.empty(len(image.pixels), np.float32)
            image.pixels.foreach_get(pixels)
            file = f"{len(names):04d}.npy"
            with open(folder / file, "wb") as out:
                np.save(out, pixels, allow_pickle=False)
            names[image.name] = file
    write_bytes(folder / "names.json", json.dumps(names).encode())


def restore_pixels(scene_file: Path) -> None:
    """Put the unsaved pixels back into an opened copy; does nothing for any other file."""
    folder = scene_file.parent / PIXELS
    if scene_file.name != COPY or scene_file.parent.name != PANEL or not (folder / "names.json").is_file():
        return
    for name, file in json.loads((folder / "names.json").read_text(encoding="utf-8")).items():
        image = bpy.data.images.get(name)
        pixels = np.load(folder / Path(file).name, allow_pickle=False)
        if image is not None and len(pixels) == len(image.pixels):
            image.pixels.foreach_set(pixels)
            image.update()


def job_arguments(out: str, frames: int, seed: int, recipe: str) -> list[str]:
    """What stands after `--`."""
    return ["--recipe", recipe, "--out", out, "--frames", str(frames), "--seed", str(seed)]


def batch_command(scene_file: str, arguments: Sequence[str]) -> list[str]:
    """The command that runs a job on a scene file, as a list."""
    if bpy.app.binary_path:
        return [bpy.app.binary_path, "-b", scene_file, "--python", str(BATCH), "--", *arguments]
    return [sys.executable, str(BATCH), "--", "--scene", scene_file, *arguments]


def command_line(command: Sequence[str]) -> str:
    """The command as one line, quoted for this platform's shell."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


@dataclass
class Process:
    """A job that runs beside this Blender. poll() takes in what it said; cancel() asks it to stop."""

    child: "subprocess.Popen[str]"
    out: Path
    done: int = 0
    total: int = 0
    what: str = "Starting"
    seconds_left: float = -1.0
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    result: str = ""
    cancelled: bool = False
    _lines: "queue.Queue[str]" = field(default_factory=queue.Queue)
    _times: list[float] = field(default_factory=list)

    def poll(self) -> bool:
        """Take in what the child said; whether it still runs."""
        code = self.child.poll()
        if code is not None:
            self._reader.join()
        while not self._lines.empty():
            self._take(self._lines.get())
        if code is None:
            return True
        if code != 0 and not self.error and not self.result and not self.cancelled:
            self.error = (
                f"The background Blender ended with code {code}. Its last words are in {self.out / PANEL / LOG}."
            )
        return False

    def _take(self, line: str) -> None:
        message = json.loads(line)
        kind = message.pop("type")
        if kind == "progress":
            self.done, self.total, self.what = message["done"], message["total"], message["what"]
            if message["frame"] >= 0:
                self._times.append(message["seconds"])
                recent = self._times[-20:]
                self.seconds_left = (self.total - self.done) * sum(recent) / len(recent)
        elif kind == "warning":
            self.warnings.append(message["text"])
        elif kind == "error":
            text = f"{message['message']} {message['hint']}".strip()
            if self.result:  # the dataset is there; only its contact sheet is not
                self.warnings.append(text)
            else:
                self.error = text
        elif kind == "done":
            self.result = message["text"]

    @property
    def sheet(self) -> str:
        """The contact sheet of a job that is through, "" where there is none."""
        return str(self.out / SHEET) if self.result and (self.out / SHEET).is_file() else ""

    def cancel(self) -> None:
        """Ask it to stop; the frame in work is dropped, finished ones stay."""
        self.cancelled = True
        self.child.terminate()

    def kill(self) -> None:
        """End it at once, for when Blender itself ends; a job survives that at any point."""
        self.child.kill()
        self.child.wait()

    def _read(self, stream: IO[str], log: IO[str]) -> None:
        with log:
            for line in stream:
                if line.startswith("SYNGEN "):
                    self._lines.put(line[len("SYNGEN ") :])
                else:
                    log.write(line)
                    log.flush()

    def _start_reading(self, log: IO[str]) -> None:
        assert self.child.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.child.stdout, log), daemon=True)
        self._reader.start()


def start(
    out: Path,
    recipe: Recipe,
    frames: int,
    seed: int,
    *,
    resume: bool = False,
    popen: Callable[..., "subprocess.Popen[str]"] = subprocess.Popen,
) -> Process:
    """Start a job of the open scene in a background Blender, into out. It ends with drawing a contact sheet.

    resume: go on with the copy and the recipe that lie there; of this recipe only the export section counts.
    Scripts in the file run in the child only where this session may run them. Raises SynGenError.
    """
    panel = out / PANEL
    if resume:
        if not holds_panel_job(out):
            raise SynGenError(f"The folder {out} holds no job of the panel.", "Choose an empty folder.")
        here = dataclasses.replace(load(panel / RECIPE), export=recipe.export)
    else:
        jobs.check_empty(out)
        save_copy(panel)
        here = with_absolute_paths(recipe)
    write_bytes(panel / RECIPE, dumps(here).encode())
    arguments = job_arguments(str(out), frames, seed, str(panel / RECIPE))
    return launch(out, here, [*arguments, "--overview", str(out / SHEET)], popen)


def start_frame(
    out: Path,
    recipe: Recipe,
    frame: int,
    seed: int,
    *,
    popen: Callable[..., "subprocess.Popen[str]"] = subprocess.Popen,
) -> Process:
    """Start one frame of a job of the open scene in a background Blender, into the empty folder out.

    It is the last shard of so many that each has one frame. Raises SynGenError.
    """
    jobs.check_empty(out)
    save_copy(out / PANEL)
    here = with_absolute_paths(recipe)
    write_bytes(out / PANEL / RECIPE, dumps(here).encode())
    arguments = job_arguments(str(out), frame + 1, seed, str(out / PANEL / RECIPE))
    return launch(out, here, [*arguments, "--shard", f"{frame}/{frame + 1}"], popen)


def launch(
    out: Path, recipe: Recipe, arguments: Sequence[str], popen: Callable[..., "subprocess.Popen[str]"]
) -> Process:
    """Run the command line with these arguments on the copy that lies in out. recipe: its own. Raises SynGenError."""
    panel = out / PANEL
    arguments = [*arguments, "--progress", "json", *worker.arguments(recipe)]
    command = batch_command(str(panel / COPY), arguments)
    if bpy.app.binary_path:
        command.insert(1, "-y" if bpy.context.preferences.filepaths.use_scripts_auto_execute else "-Y")
    environment: dict[str, Any] = {**os.environ, "PYTHONUNBUFFERED": "1"}
    log = open(panel / LOG, "a", encoding="utf-8")  # noqa: SIM115  (the thread that reads the child closes it)
    try:
        child = popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
        )
    except OSError as error:
        log.close()
        raise SynGenError(f"The background Blender cannot be started: {error}.") from error
    process = Process(child, out)
    process._start_reading(log)
    return process
