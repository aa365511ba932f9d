"""One frame, finished as the job would finish it, without the job: rendered beside this Blender, shown in it.

The frame is rendered into a folder of its own, which goes when Blender ends. Its picture, plain or with its labels
drawn on, is shown in an image editor, and never becomes a part of the file (in_editor.py). Imports bpy, the formats
stage.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from .. import jobs
from ..errors import SynGenError
from ..formats.overview import labelled
from ..formats.sheet import write_png
from ..recipe import Recipe
from . import background, in_editor, jobs_of_panel, preview_frame, session
from .handlers import listen

LABELS = "labels.png"
"""In the frame's folder: the picture with its labels."""

LETTERS = 0.65
"""Size of its tags: a contact sheet's are made to be seen small."""


@dataclass(frozen=True)
class Shot:
    """A frame that was rendered. picture, labels: plain, and with its labels drawn on, both of one size."""

    frame: int
    picture: Path
    labels: Path


_shot: Shot | None = None
_with_labels = True


def frame_of(scene: bpy.types.Scene) -> int:
    """The frame that is shown, else the one that is set."""
    shown = session.previewed(scene)
    return int(scene.syngen.job.preview) if shown < 0 else shown


# --- rendering -------------------------------------------------------------------------------------------------------


def start(scene: bpy.types.Scene, recipe: Recipe, frame: int) -> background.Process:
    """Render a frame of the panel's job in a background Blender; what comes of it is shown. Raises SynGenError."""
    from .targets import find_targets

    find_targets(recipe, scene, bpy.context.view_layer)
    out = Path(tempfile.mkdtemp(prefix="syngen-frame-", dir=bpy.app.tempdir))
    try:
        process = background.start_frame(out, recipe, frame, scene.syngen.job.seed)
    except SynGenError:
        shutil.rmtree(out, ignore_errors=True)
        raise
    session.now.one, session.now.not_rendered = process, ""
    # Over the opening of another file, which ends the work: what it has written is to go then, too.
    bpy.app.timers.register(lambda: _poll(process, recipe, frame), first_interval=session.POLL_S, persistent=True)
    return process


def _poll(process: background.Process, recipe: Recipe, frame: int) -> float | None:
    if session.now.one is not process:  # it was ended with its file
        shutil.rmtree(process.out, ignore_errors=True)
        return None
    runs = process.poll()
    session.redraw(views=False)
    if runs:
        return session.POLL_S
    session.now.one = None
    try:
        if process.cancelled:
            shutil.rmtree(process.out, ignore_errors=True)
        elif process.error:
            raise SynGenError(process.error)
        else:
            keep(finished(process.out, recipe, frame))
            show()
    except SynGenError as error:
        session.now.not_rendered = str(error)
        _leave_log(process.out)
    session.redraw(views=False)
    return None


def _leave_log(out: Path) -> None:
    """Of a frame that failed only what the error may name: the rest is a copy of the whole file."""
    for path in (*out.glob("*"), *(out / background.PANEL).glob("*")):
        if path.is_dir() and path.name != background.PANEL:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and path.name != background.LOG:
            path.unlink(missing_ok=True)


def render_here(scene: bpy.types.Scene, recipe: Recipe, frame: int, folder: str = "") -> Shot:
    """Render a frame of the panel's job in this Blender and wait for it. Raises SynGenError.

    folder: "": a new one beside the dataset's. A frame that the scene shows is shown again afterwards.
    """
    from . import dataset

    out = Path(bpy.path.abspath(folder)).expanduser().resolve() if folder else _beside(scene, frame)
    previewed = session.previewed(scene)
    preview_frame.end(scene)
    try:
        dataset.run(dataset.Job(recipe, out, frame + 1, scene.syngen.job.seed, only=frame))
    finally:
        if previewed >= 0:
            preview_frame.begin(bpy.context, recipe, previewed, scene.syngen.job.seed)
    return finished(out, recipe, frame)


def _beside(scene: bpy.types.Scene, frame: int) -> Path:
    dataset = jobs_of_panel.folder_of(scene)
    out = dataset.with_name(f"{dataset.name}-frame-{frame}")
    return jobs_of_panel.next_free(out) if out.exists() else out


def finished(out: Path, recipe: Recipe, frame: int) -> Shot:
    """What a job in the folder out has made of a frame; its picture with labels is drawn. Raises SynGenError."""
    record = jobs.read_record(out, frame)
    if record is None:
        raise SynGenError(f"Frame {frame} was not rendered.", "Render it again.")
    if record["no_target"]:
        raise SynGenError(f"Frame {frame} shows no target. {record.get('reason', '')}".strip())
    classes = jobs.read_job(out)["classes"].get(recipe.labels.class_from, [])
    (_, drawn), *_ = labelled(out, [record], recipe.labels, classes, record["width"], LETTERS)
    if drawn is None:
        raise SynGenError(f"The picture of frame {frame} cannot be read.", "Render it again.")
    return Shot(frame, out / jobs.picture_name(frame), write_png(out / LABELS, drawn))


# --- showing ---------------------------------------------------------------------------------------------------------


def latest() -> tuple[int, bool] | None:
    """(the frame that can be shown, whether with labels); None where there is none."""
    return None if _shot is None or not _shot.picture.is_file() else (_shot.frame, _with_labels)


def keep(shot: Shot) -> None:
    """Keep a frame to be shown, in place of the one before."""
    global _shot
    in_editor.take_out()
    if _shot is not None and _shot.picture != shot.picture:
        shutil.rmtree(_folder_of(_shot), ignore_errors=True)
    for large in (background.PANEL, "variants"):
        shutil.rmtree(_folder_of(shot) / large, ignore_errors=True)
    _shot = shot
    listen(_HANDLERS)


def _folder_of(shot: Shot) -> Path:
    return shot.labels.parent


def forget() -> None:
    """Show nothing more; the file is as if nothing had been shown."""
    in_editor.forget()
    _drop()
    listen(_HANDLERS, False)


def _drop() -> None:
    global _shot
    in_editor.drop()
    if _shot is not None:
        shutil.rmtree(_folder_of(_shot), ignore_errors=True)
    _shot = None


def show(with_labels: bool | None = None) -> None:
    """Show the frame in an image editor. Raises SynGenError where there is none.

    with_labels: None: as it was shown last.
    """
    global _with_labels
    if _shot is None or latest() is None:
        raise SynGenError("No frame was rendered.", "Press Render One.")
    _with_labels = _with_labels if with_labels is None else with_labels
    path = _shot.labels if _with_labels else _shot.picture
    in_editor.show(path, f"Frame {_shot.frame}{' with Labels' if _with_labels else ''}")


@persistent
def _before_load(*_: Any) -> None:
    _drop()


_HANDLERS = (("load_pre", _before_load),)
