"""The job: frames with labels from the open scene, and the formats made of them. Imports bpy.

One function, `run`, for the command line, the background process of the panel and the tests. The scene is borrowed:
whatever happens, it is as it was when `run` returns or raises.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from .. import jobs
from ..errors import Cancelled, SynGenError
from ..files import remove_parts, write_bytes
from ..formats.write import check_formats
from ..labels.record import encode
from ..recipe import Recipe
from ..sampling.draws import FrameDraw, SceneFacts
from ..sampling.frame import draw_frame, warnings_of
from . import ageing, instances
from .exposure import draws_exposure, expose
from .folders import Files, check_pictures_in, files_of
from .frames import Maker
from .inputs import check_pictures, job_inputs
from .keypoints import keypoints_of
from .layers import layers_of, level_name
from .level import get_level
from .models import write_models
from .names import LEVEL, PREVIEW
from .poses import Poser, moves
from .records import Records, class_lists, classes_of
from .render import check_engine, configure, resolve_device
from .renderer import Renderer
from .scene import Rig, scene_facts
from .shown import is_rendered, see_through
from .state import Borrowed
from .targets import check_camera, find_targets, left_out
from .wearing import Target, Wearing, check_kinds

GIVE_UP_AFTER = 10
"""So many frames without a single target, from the job's first on, and it ends: nothing can be seen."""


@dataclass(frozen=True)
class Job:
    """What the command line says beside the recipe. shard: (number, of how many).

    only: this frame alone, of the job in the folder `of`, which it must be a part of; its files come into out.
    """

    recipe: Recipe
    out: Path
    frames: int
    seed: int = 0
    shard: tuple[int, int] = (0, 1)
    only: int | None = None
    of: Path | None = None


@dataclass(frozen=True)
class Progress:
    """done of total frames of this shard; what: what is being done; frame: the one just finished, -1 for none."""

    done: int
    total: int
    what: str
    frame: int = -1
    seconds: float = 0.0


@dataclass
class Summary:
    """What a run did. stopped: it was asked to stop before it was through."""

    rendered: int = 0
    found_finished: int = 0
    no_target: int = 0
    stopped: bool = False
    complete: bool = False
    warnings: list[str] = field(default_factory=list)


def run(
    job: Job,
    *,
    report: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Summary:
    """Render the job's frames that are not finished yet, write their records, and the formats once all are there.

    Raises SynGenError for anything a user can mend, before the scene is touched wherever that can be known.
    """
    recipe, out = job.recipe, job.out
    if job.frames < 1:
        raise SynGenError(f"--frames {job.frames}: a job has at least one frame.")
    scene, layer = bpy.context.scene, bpy.context.view_layer
    if not bpy.data.filepath:
        raise SynGenError("The scene is not saved.", "Save the .blend file first: a job is tied to its scene file.")
    if PREVIEW in scene:
        raise SynGenError("The scene shows the preview of a frame.", "End the preview first.")
    objects = find_targets(recipe, scene, layer)
    for kind in (*recipe.wear.also, *recipe.wear.kinds):
        ageing.kind_named(kind)
    for obj in objects:
        check_kinds(obj, recipe)
    files = files_of(recipe)
    device = resolve_device(recipe.render.device)
    check_engine(recipe.render.engine)
    if not recipe.camera.randomize:
        check_camera(scene)
    inputs = job_inputs(recipe, job.seed, objects, files, device)
    classes = class_lists(recipe, objects)
    check_formats(recipe, classes["keypoints"])
    if recipe.labels.geometry:
        for obj in objects:  # what is wrong with them is told before anything is made
            keypoints_of(obj)
    if job.of is not None:
        jobs.check_folder(job.of, inputs)
    begun = jobs.check_folder(out, inputs)
    remove_parts(out)
    if begun:
        jobs.open_folder(out, inputs, recipe, classes, bpy.data.filepath)  # its export section may be another
    summary = Summary()
    mine = list(jobs.frames_of(job.frames, job.shard)) if job.only is None else [job.only]
    missing = []
    for frame in mine:
        record = jobs.read_record(out, frame)
        if record is None:
            missing.append(frame)
        else:
            summary.found_finished += 1
            summary.no_target += record["no_target"]
    if missing:
        if not begun:  # else these very files, by their hashes, were looked through when the job began
            check_pictures_in(files)
        try:
            with Borrowed() as borrowed, tempfile.TemporaryDirectory(prefix="syngen-") as scratch:
                frames = Frames(
                    job, jobs.fingerprint_of(inputs), scene, layer, borrowed, Path(scratch), report, should_stop
                )
                frames.prepare(objects, files, device)
                summary.warnings = list(dict.fromkeys([*jobs.twins(inputs), *frames.warnings]))
                # Only now: a job that cannot be prepared leaves the folder free for its mended recipe.
                jobs.open_folder(out, inputs, recipe, classes, bpy.data.filepath)
                write_models(out, frames.records.geometry, frames.targets, scene)
                frames.render(missing, summary)
        except Cancelled:
            summary.stopped = True
    if not summary.stopped and job.only is None:
        finish(job, classes[recipe.labels.class_from], summary)
    return summary


def finish(job: Job, classes: list[str], summary: Summary) -> None:
    """Write the formats once every frame of the job is there; raise where the job shows no target at all."""
    pictured = jobs.pictured(job.out, job.frames)
    if pictured is None:
        return
    if not pictured and all(jobs.read_record(job.out, frame) for frame in range(job.frames)):
        raise SynGenError(f"None of the {job.frames} frames shows a target.", _NEVER_SEEN)
    done = jobs.rebuild(job.out, job.recipe, job.seed, job.frames, classes, whole=True)
    if done is not None:
        summary.complete, summary.no_target = True, done.no_target
        summary.warnings += done.warnings


_NEVER_SEEN = "Check that the targets are not inside or behind other objects, and the camera's ranges."


class Frames:
    """The frames of one run, in a scene that is borrowed."""

    def __init__(
        self,
        job: Job,
        fingerprint: str,
        scene: bpy.types.Scene,
        layer: bpy.types.ViewLayer,
        borrowed: Borrowed,
        scratch: Path,
        report: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.job, self.fingerprint, self.scene, self.layer = job, fingerprint, scene, layer
        self.borrowed, self.scratch, self.report, self.should_stop = borrowed, scratch, report, should_stop
        self.warnings: list[str] = []
        self.targets: list[Target] = []
        self.facts: SceneFacts
        self.rig: Rig
        self.wearing: Wearing
        self.poser: Poser | None = None
        self.records: Records
        self.maker: Maker
        self.device = ""
        self.further: list[str] = []
        """The kinds that lie beside a target's own wear: each has a label layer."""
        self.first_frames = range(GIVE_UP_AFTER)

    # --- before the first frame

    def prepare(self, objects: list[bpy.types.Object], files: Files, device: str) -> None:
        """Borrow the scene: wear, passes, rig, indices."""
        recipe, borrowed = self.job.recipe, self.borrowed
        self.device = device
        classes = {obj: classes_of(obj, recipe) for obj in objects}
        shown = self._shown(objects)
        objects = list(dict.fromkeys(each.source for each in shown))
        own_world = not (recipe.light.randomize and recipe.background.randomize)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        self.warnings += check_pictures(objects, self.scene, self.layer, depsgraph, own_world)
        self.wearing = Wearing(
            recipe, self.job.seed, self.job.of or self.job.out, self.scene, borrowed, self.warnings, self._say,
            self.should_stop,
        )  # fmt: skip
        self.wearing.dress(objects)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        objects = instances.make_real(shown, self.scene, self.layer, depsgraph, borrowed)
        self.further = sorted({layer.kind for obj in objects for layer in layers_of(obj) if not layer.own})
        self.warnings += configure(self.scene, self.layer, recipe, device, borrowed, self.further)
        self.targets = [self.wearing.target(obj, index + 1) for index, obj in enumerate(objects)]
        indices = {t.obj: t.index for t in self.targets}
        for obj in bpy.data.objects:  # also those that only instances or a background set show
            borrowed.set(obj, "pass_index", indices.get(obj, 0))
        if not recipe.camera.randomize and not recipe.camera.dof and self.scene.camera.data.dof.use_dof:
            self.warnings.append("The camera's depth of field is off in this job; camera.dof = true keeps it.")
            borrowed.set(self.scene.camera.data.dof, "use_dof", False)
        for target in self.targets:
            if recipe.randomize.level:  # one that is kept may go on being keyed
                borrowed.set_key(target.obj, LEVEL, get_level(target.obj))
                for kind in recipe.wear.also.keys() & target.further.keys():
                    borrowed.set_key(target.obj, level_name(target.obj, kind), get_level(target.obj, kind))
            borrowed.afterwards(target.obj.update_tag)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        galleries = {t.obj.name: t.variants for t in self.targets}
        further = {t.obj.name: t.also for t in self.targets}
        self.rig = Rig.build(self.scene, recipe, files, objects, borrowed)
        facts = self.rig.things.facts if self.rig.things else ()
        self.warnings += self.rig.things.warnings if self.rig.things else []
        self.facts = scene_facts(recipe, objects, galleries, depsgraph, files, facts, further)
        self.warnings += warnings_of(recipe, self.facts, self.job.seed)
        if moves(recipe):
            self.poser = Poser(recipe, objects, self.facts, self.rig.collection, self.layer, borrowed, borrowed)
            self.warnings += self.poser.warnings
        self.records = Records(
            recipe, self.job.seed, self.fingerprint, self.scene, self.layer, self.targets, classes, self.rig
        )
        things = self.rig.things
        # What lies in a background set comes after all of the scene's own, lamps too.
        away = things.away if things and (things.jostle or self.scene.background_set) else None
        renderer = Renderer(
            self.scene, self.layer, recipe, self.scratch, borrowed, self.further, self.should_stop, away
        )
        self.maker = Maker(recipe, self.job.out, self.draw, self.show, self.records, renderer)

    def _shown(self, objects: list[bpy.types.Object]) -> list[instances.Shown]:
        """What of the targets renders show, copies and all; those that are left out are warned of."""
        instances.as_rendered(objects, self.scene, self.layer, self.borrowed)
        shown = instances.collect(objects, self.layer, bpy.context.evaluated_depsgraph_get())
        self.warnings += left_out(self.job.recipe, self.scene, self.layer, shown)
        seen = {o for o in self.layer.objects if is_rendered(o, self.layer)} | {each.source for each in shown}
        self.warnings += see_through(seen)
        if self.job.recipe.render.motion_blur and any(not each.real for each in shown):
            self.warnings.append("Targets that instances show, and what they are copies of, are not blurred by motion.")
        return shown

    # --- frames

    def render(self, frames: list[int], summary: Summary) -> None:
        """Render these frames. A frame counts only if its render finished and no stop was asked for."""
        total = len(frames) + summary.found_finished
        self._tell(Progress(summary.found_finished, total, "Rendering"))
        for place, frame in enumerate(frames, 1):
            if self._is_barren():
                raise SynGenError(f"None of the first {GIVE_UP_AFTER} frames shows a target.", _NEVER_SEEN)
            begun = time.monotonic()
            record = self.maker.frame(frame, frames[place:])
            if record is None:
                summary.stopped = True
                return
            write_bytes(jobs.record_path(self.job.out, frame), encode(record))
            summary.rendered += 1
            summary.no_target += record["no_target"]
            seconds = time.monotonic() - begun
            self._log(
                {
                    "frame": frame,
                    "seconds": round(seconds, 3),
                    "attempt": record["attempt"],
                    "no_target": record["no_target"],
                }
            )
            self._tell(Progress(summary.found_finished + summary.rendered, total, "Rendering", frame, seconds))

    def _is_barren(self) -> bool:
        """Whether the job's first frames are all there, whichever shard has rendered them, without a target."""
        for frame in self.first_frames:
            record = jobs.read_record(self.job.out, frame)
            if record is None:
                return False
            if not record["no_target"]:
                self.first_frames = range(0)  # need not be asked again
                return False
        return len(self.first_frames) == GIVE_UP_AFTER

    def _say(self, text: str) -> None:
        self.report(Progress(0, 0, text))

    def _tell(self, progress: Progress) -> None:
        self.report(progress)

    def _log(self, line: dict[str, Any]) -> None:
        shard = f"{self.job.shard[0]}-of-{self.job.shard[1]}"
        try:
            with open(self.job.out / f"log-{shard}.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise SynGenError(
                f"Cannot write the log in {self.job.out}: {error.strerror}.",
                "Free some space; the job resumes where it stopped.",
            ) from error

    def draw(self, frame: int, attempt: int) -> FrameDraw:
        """What an attempt at a frame shows."""
        recipe, seed = self.job.recipe, self.job.seed
        if self.poser is None:
            return draw_frame(recipe, self.facts, seed, frame, attempt)
        rests = self.poser.rest(recipe, seed, frame)
        return self.poser.told(draw_frame(recipe, self.facts, seed, frame, attempt, rests), rests)

    def show(self, draw: FrameDraw) -> None:
        """Put a drawn frame into the scene."""
        self.rig.show(draw)
        if self.poser is not None:
            self.poser.show(draw.rests)
        if draws_exposure(self.job.recipe):
            expose(self.scene, draw.exposure_ev)
        self.wearing.show(self.targets, draw)
