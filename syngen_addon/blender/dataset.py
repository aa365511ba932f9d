"""The job: frames with labels from the open scene, and the formats made of them. Imports bpy.

One function, `run`, for the command line, the background process of the panel and the tests. The scene is borrowed:
whatever happens, it is as it was when `run` returns or raises.
"""

import dataclasses
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from .. import jobs
from ..errors import Cancelled, SynGenError
from ..files import remove_parts, write_bytes
from ..formats.chosen import WEAR_CLASSES
from ..kinds import KINDS
from ..labels.layers import FurtherWear, Instance, Layers
from ..labels.record import accepts, encode, make_record, no_target_record
from ..recipe import Recipe, age_shift_of
from ..sampling.frame import FrameDraw, SceneFacts, draw_frame
from ..variants import Request, Variant, make_variants
from ..wear.levels import wear_class
from . import ageing, material, worker
from .inputs import check_pictures, job_inputs
from .layers import layer_of, layers_of, level_name
from .level import get_level, set_level
from .names import CLASS, LEVEL, PREVIEW
from .render import configure, render_frame, resolve_device
from .scene import Rig, background_files, environment_files, scene_facts
from .shown import check_wear_shows
from .state import Borrowed
from .target import find, has_wear, matches, plain_name, wear_of
from .targets import check_camera, find_targets

GIVE_UP_AFTER = 10
"""So many frames without a single target, from the job's first on, and it ends: nothing can be seen."""


@dataclass(frozen=True)
class Job:
    """What the command line says beside the recipe. shard: (number, of how many)."""

    recipe: Recipe
    out: Path
    frames: int
    seed: int = 0
    shard: tuple[int, int] = (0, 1)


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


@dataclass
class _Target:
    """One object to label, and what it can wear."""

    obj: bpy.types.Object
    index: int
    object_class: str
    kind: str
    variants: list[Variant]
    groups: dict[int, bpy.types.NodeTree] = field(default_factory=dict)
    """By the slot that the variants know it as."""
    worn: dict[tuple[int, int], material.Worn] = field(default_factory=dict)
    further: dict[str, int] = field(default_factory=dict)
    """Kind -> the variant it wears, for the kinds beside its own."""
    wears: int = -1
    shown: int = -1
    """Of the gallery's variants the one whose files are shown. The pictures inside the .blend are not those files to
    the last bit: Cycles reads them by another way. So a job that swaps variants shows files from its first frame on."""


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
    for kind in recipe.wear.also:
        ageing.kind_named(kind)
    for obj in objects:
        for kind in kinds_of(obj, recipe):
            _check_known(obj, kind)
    environments = environment_files(recipe) if recipe.light.randomize else []
    backgrounds = background_files(recipe)
    device = resolve_device(recipe.render.device)
    if not recipe.camera.randomize:
        check_camera(scene)
    inputs = job_inputs(recipe, job.seed, objects, environments, backgrounds, device)
    classes = class_lists(recipe, objects)
    begun = jobs.check_folder(out, inputs)
    remove_parts(out)
    if begun:
        jobs.open_folder(out, inputs, recipe, classes)  # its export section may be another
    summary = Summary()
    mine = list(jobs.frames_of(job.frames, job.shard))
    missing = []
    for frame in mine:
        record = jobs.read_record(out, frame)
        if record is None:
            missing.append(frame)
        else:
            summary.found_finished += 1
            summary.no_target += record["no_target"]
    if missing:
        try:
            with Borrowed() as borrowed, tempfile.TemporaryDirectory(prefix="syngen-") as scratch:
                frames = Frames(
                    job, jobs.fingerprint_of(inputs), scene, layer, borrowed, Path(scratch), report, should_stop
                )
                frames.prepare(objects, environments, backgrounds, device)
                summary.warnings = list(dict.fromkeys(frames.warnings))
                # Only now: a job that cannot be prepared leaves the folder free for its mended recipe.
                jobs.open_folder(out, inputs, recipe, classes)
                frames.render(missing, summary)
        except Cancelled:
            summary.stopped = True
    if not summary.stopped:
        finish(job, classes[recipe.labels.class_from], summary)
    return summary


def finish(job: Job, classes: list[str], summary: Summary) -> None:
    """Write the formats once every frame of the job is there; raise where the job shows no target at all."""
    summary.no_target = 0
    for frame in range(job.frames):
        record = jobs.read_record(job.out, frame)
        if record is None:
            return
        summary.no_target += record["no_target"]
    summary.complete = True
    if summary.no_target == job.frames:
        raise SynGenError(f"None of the {job.frames} frames shows a target.", _NEVER_SEEN)
    summary.warnings += jobs.rebuild(job.out, job.recipe, job.seed, job.frames, classes)


_NEVER_SEEN = "Check that the targets are not inside or behind other objects, and the camera's ranges."


def class_lists(recipe: Recipe, objects: list[bpy.types.Object]) -> dict[str, list[str]]:
    """By labels.class_from every class name the job can have, so that ids do not depend on which frames are there.

    Those of wear that every job has are known already.
    """
    kinds = {kind for obj in objects for kind in kinds_of(obj, recipe)}
    return {
        "wear": sorted({ageing.kind_named(kind).wear_class for kind in kinds} - {"", *WEAR_CLASSES}),
        "kind": sorted(kinds),
        "object": sorted({object_class(obj, recipe) for obj in objects}),
    }


def object_class(obj: bpy.types.Object, recipe: Recipe) -> str:
    """The object's class: by the recipe's table, its own property, or its name without Blender's number."""
    for pattern, name in recipe.targets.classes.items():
        if matches(obj.name, pattern):
            return name
    return str(obj.get(CLASS, "")) or plain_name(obj)


def _kind_of(obj: bpy.types.Object, recipe: Recipe) -> str:
    about = wear_of(obj)
    if about is not None:
        return str(about["kind"])
    named = (kind for pattern, kind in recipe.targets.kinds.items() if matches(obj.name, pattern))
    return next(named, recipe.wear.kind)


def _check_known(obj: bpy.types.Object, kind: str) -> None:
    """Raises SynGenError for a kind that this version does not know; one that lies on the object is named with it."""
    if kind not in KINDS and layer_of(obj, kind) is not None:
        raise SynGenError(
            f"The wear {kind!r} on {obj.name!r} is of a kind that this version of SynGen does not know.",
            "Take it off, or use the version that made it.",
        )
    ageing.kind_named(kind)


def kinds_of(obj: bpy.types.Object, recipe: Recipe) -> list[str]:
    """The kinds of wear that the object has in the job: its own, then by name those that lie beside it."""
    own = _kind_of(obj, recipe)
    return [own, *sorted({*(layer.kind for layer in layers_of(obj)), *recipe.wear.also} - {own})]


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
        self.targets: list[_Target] = []
        self.facts: SceneFacts
        self.rig: Rig
        self.device = ""
        self.further: list[str] = []
        """The kinds that lie beside a target's own wear: each has a label layer."""
        self.refused_before = False
        self.first_frames = range(GIVE_UP_AFTER)

    # --- before the first frame

    def prepare(
        self, objects: list[bpy.types.Object], environments: list[Path], backgrounds: list[Path], device: str
    ) -> None:
        """Borrow the scene: wear, passes, rig, indices."""
        recipe, borrowed = self.job.recipe, self.borrowed
        self.device = device
        self._unhide(objects)
        own_world = not (recipe.light.randomize and recipe.background.randomize)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        self.warnings += check_pictures(objects, self.scene, self.layer, depsgraph, own_world)
        worn = [obj for obj in objects if has_wear(obj)]
        self._check_shown(worn)
        for obj in worn:
            self._tell_left_out(obj)
        for number, obj in enumerate(objects):
            if not has_wear(obj):
                self._age(obj, number, len(objects))
                self._check_shown([obj])
            for kind in kinds_of(obj, recipe)[1:]:
                if layer_of(obj, kind) is None:
                    self._age_further(obj, kind, number, len(objects))
            self._tell_left_out(obj)
        worker.close()  # its models would take the memory that the renders need
        self.further = sorted({layer.kind for obj in objects for layer in layers_of(obj) if not layer.own})
        self.warnings += configure(self.scene, self.layer, recipe, device, borrowed, self.further)
        self.targets = [self._target(obj, index + 1) for index, obj in enumerate(objects)]
        indices = {t.obj: t.index for t in self.targets}
        for obj in bpy.data.objects:  # also those that only instances or a background set show
            borrowed.set(obj, "pass_index", indices.get(obj, 0))
        if not recipe.camera.randomize and self.scene.camera.data.dof.use_dof:
            self.warnings.append("Depth of field is off in this job: labels are made from the sharp scene.")
            borrowed.set(self.scene.camera.data.dof, "use_dof", False)
        for target in self.targets:
            if recipe.randomize.level:  # one that is kept may go on being keyed
                borrowed.set_key(target.obj, LEVEL, get_level(target.obj))
                for kind in recipe.wear.also.keys() & target.further.keys():
                    borrowed.set_key(target.obj, level_name(target.obj, kind), get_level(target.obj, kind))
            borrowed.afterwards(target.obj.update_tag)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        counts = {t.obj.name: len(t.variants) for t in self.targets}
        self.facts = scene_facts(recipe, objects, counts, depsgraph, len(environments), len(backgrounds))
        self.rig = Rig.build(self.scene, recipe, environments, backgrounds, borrowed)

    def _unhide(self, objects: list[bpy.types.Object]) -> None:
        """Let Blender evaluate what only the viewport hides: places and meshes are read from what it evaluates."""

        def show(branch: bpy.types.LayerCollection) -> bool:
            below = [show(child) for child in branch.children]
            if not any(below) and not any(obj.name in branch.collection.objects for obj in objects):
                return False
            self.borrowed.set(branch, "hide_viewport", False)
            self.borrowed.set(branch.collection, "hide_viewport", False)
            return True

        show(self.layer.layer_collection)
        for obj in objects:
            self.borrowed.set(obj, "hide_viewport", False)
            if obj.hide_get(view_layer=self.layer):
                self.borrowed.afterwards(lambda obj=obj: obj.hide_set(True, view_layer=self.layer))
                obj.hide_set(False, view_layer=self.layer)
        self.layer.update()

    def _check_shown(self, objects: list[bpy.types.Object]) -> None:
        depsgraph = bpy.context.evaluated_depsgraph_get()
        for obj in objects:
            check_wear_shows(obj, depsgraph)

    def _tell_left_out(self, obj: bpy.types.Object) -> None:
        """What Generate says in the panel: a job without one has nobody who saw it."""
        if obj.library is not None:
            return
        try:
            found = find(obj)
        except SynGenError as error:  # its wear shows all the same
            self.warnings.append(f"{obj.name}: {error}")
            return
        self.warnings += [f"{obj.name}: {warning}" for warning in found.warnings]

    def _age(self, obj: bpy.types.Object, number: int, count: int) -> None:
        """Give a target that has no wear yet its variants, for this run only."""
        recipe = self.job.recipe
        chosen = self._make(obj, _kind_of(obj, recipe), number, count)
        self.borrowed.afterwards(lambda: ageing.remove(obj) if has_wear(obj) else None)
        self._apply(obj, chosen, sum(recipe.wear.level) / 2)

    def _age_further(self, obj: bpy.types.Object, kind: str, number: int, count: int) -> None:
        """Give a target that has wear a further kind of it, for this run only; of it one variant is enough."""
        chosen = self._make(obj, kind, number, count, one=True)
        before = [(slot.material, slot.link) for slot in obj.material_slots]
        copies = material.copies_of(obj)

        def give_back() -> None:
            if layer_of(obj, kind) is not None:
                ageing.remove_layer(obj, kind)
            for index, (was, link) in enumerate(before):  # a slot that got a copy of its material for it
                if obj.material_slots[index].material != was:
                    _give_back(obj, index, was, link, obj.material_slots[index].material)
            material.put_back_copies(obj, copies)

        self.borrowed.afterwards(give_back)
        self._apply(obj, chosen, sum(self.job.recipe.wear.also[kind]) / 2, add=True)

    def _apply(self, obj: bpy.types.Object, variant: Variant, level: float, add: bool = False) -> None:
        recipe = self.job.recipe
        ageing.apply_variant(
            obj,
            variant,
            add=add,
            softness=recipe.wear.softness,
            age_shift=age_shift_of(recipe),
            level=level,
            pack=False,
        )

    def _make(self, obj: bpy.types.Object, kind: str, number: int, count: int, *, one: bool = False) -> Variant:
        """The first accepted of the variants of a kind, all of them made; one: no more than needed to have one.

        Raises SynGenError where all are refused.
        """
        recipe = self.job.recipe

        def progress(fraction: float, text: str) -> None:
            self.report(Progress(0, 0, f"{obj.name} ({number + 1} of {count}): {text}"))

        had_layer = bool(obj.data.uv_layers)
        request = ageing.gather(obj, recipe, ageing.kind_named(kind))
        if not had_layer:
            self.borrowed.afterwards(lambda: _remove_own_layer(obj))
        made: list[Variant] = []
        for each in _one_by_one(request) if one else [request]:
            made += make_variants(
                each, self.job.out / "variants", tools=worker.tools(recipe, fetch=True), progress=progress,
                should_stop=self.should_stop,
            )  # fmt: skip
            chosen = next((variant for variant in made if variant.accepted), None)
            if chosen is not None:
                self.warnings += [f"{obj.name}: {warning}" for warning in made[0].warnings]
                return chosen
        which = f" ({ageing.kind_label(kind)})" if one else ""
        raise SynGenError(
            f"Every variant of {obj.name!r}{which} was refused: {made[0].sentence}",
            "Change Texture and Transfer or Filters ([texture], [filters]).",
        )

    def _target(self, obj: bpy.types.Object, index: int) -> _Target:
        recipe = self.job.recipe
        for slot in obj.material_slots:  # what was made transparent since
            if slot.material is not None and slot.material.library is None:
                self.borrowed.afterwards(material.follow_cover(slot.material))
        kind = ageing.applied_kind(obj)
        variants = ageing.applied_variants(obj)
        if not variants and recipe.randomize.variant:
            self.warnings.append(f"{obj.name}: its gallery is gone; every frame shows the variant it wears.")
        target = _Target(obj, index, object_class(obj, recipe), kind.name, variants)
        for layer in layers_of(obj):
            if not layer.own:
                gallery = ageing.applied_variants(obj, layer.kind)
                target.further[layer.kind] = next((i for i, v in enumerate(gallery) if v.name == layer.variant), -1)
        worn_now = str(wear_of(obj)["variant"])
        target.wears = next((i for i, v in enumerate(variants) if v.name == worn_now), -1)
        if target.wears >= 0:
            self.warnings += [f"{obj.name}: {warning}" for warning in variants[target.wears].warnings]
        if recipe.randomize.variant and len(variants) > 1:
            if obj.library is None:
                self._own_groups(target)
            else:  # Blender lets linked data refer to nothing local: its pictures cannot be swapped
                target.variants = []
                self.warnings.append(
                    f"{obj.name}: it is linked from another file, so every frame shows the variant it wears; "
                    "a library override shows them all."
                )
        return target

    def _own_groups(self, target: _Target) -> None:
        """Groups that this target shares with none, so that it can show another variant than its twins."""
        obj = target.obj
        for index, slot in enumerate(obj.material_slots):
            node = material.group_of(slot.material)
            if node is None:
                continue
            if slot.material.library is not None or self._is_shared(obj, node.node_tree):
                before, link = slot.material, slot.link
                copy = before.copy()
                material.group_of(copy).node_tree = material.group_of(copy).node_tree.copy()
                slot.link = "OBJECT"
                slot.material = copy
                self.borrowed.afterwards(
                    lambda index=index, before=before, link=link, copy=copy: _give_back(obj, index, before, link, copy)
                )
                node = material.group_of(copy)
            group = node.node_tree
            before_images = {name: group.nodes[name].image for name in ("color", "surface", "onset")}

            def give_back(
                group: bpy.types.NodeTree = group, images: dict[str, bpy.types.Image] = before_images
            ) -> None:
                for name, image in images.items():
                    group.nodes[name].image = image

            self.borrowed.afterwards(give_back)
            target.groups[int(group.get(material.SLOT, index))] = group

    def _is_shared(self, obj: bpy.types.Object, group: bpy.types.NodeTree) -> bool:
        return any(o != obj and material.shows(o, group) for o in self.scene.objects if o.type == "MESH")

    # --- frames

    def render(self, frames: list[int], summary: Summary) -> None:
        """Render these frames. A frame counts only if its render finished and no stop was asked for."""
        total = len(frames) + summary.found_finished
        self._tell(Progress(summary.found_finished, total, "Rendering"))
        for frame in frames:
            if self._is_barren():
                raise SynGenError(f"None of the first {GIVE_UP_AFTER} frames shows a target.", _NEVER_SEEN)
            begun = time.monotonic()
            record = self.frame(frame)
            if record is None:
                summary.stopped = True
                return
            write_bytes(jobs.record_path(self.job.out, frame), encode(record))
            summary.rendered += 1
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

    def frame(self, frame: int) -> dict[str, Any] | None:
        """The record of a frame, its picture written; None where a stop was asked for.

        Attempts differ by the camera only. The first is rendered in full unless the frame before had to be drawn
        again; others are first looked at with one sample: the index pass is exact from the first sample on, so the
        decision is the same and costs a hundredth.
        """
        recipe = self.job.recipe
        attempts = recipe.labels.redraws + 1 if recipe.camera.randomize else 1
        fallback = None
        reason = ""
        for attempt in range(attempts):
            draw = draw_frame(recipe, self.facts, self.job.seed, frame, attempt)
            self.show(draw)
            done = None
            if attempt == 0 and not self.refused_before:
                done = self._render(recipe.render.samples)
                layers = None if done is None else done[1]
            else:
                probe = self._render(1)
                layers = None if probe is None else probe[1]
            if layers is None:
                return None
            record = self._record(frame, attempt, draw, layers)
            good, reason = accepts(record, recipe.labels)
            if good:
                self.refused_before = attempt > 0
                return self._keep(frame, attempt, draw, done)
            if fallback is None and any(i["area"] >= recipe.labels.min_pixels for i in record["instances"]):
                fallback = (attempt, draw, done)
        self.refused_before = True
        if fallback is not None:
            self.show(fallback[1])
            return self._keep(frame, *fallback)
        return no_target_record({**self._header(frame, attempts - 1, draw), "reason": reason})

    def _keep(
        self, frame: int, attempt: int, draw: FrameDraw, done: tuple[bytes, Layers] | None
    ) -> dict[str, Any] | None:
        done = done or self._render(self.job.recipe.render.samples)
        if done is None:
            return None
        picture, layers = done
        record = self._record(frame, attempt, draw, layers)
        record["picture"] = {"file": jobs.picture_name(frame), "sha256": hashlib.sha256(picture).hexdigest()}
        write_bytes(self.job.out / jobs.picture_name(frame), picture)
        return record

    def _render(self, samples: int) -> tuple[bytes, Layers] | None:
        if self.should_stop():
            return None
        self.scene.cycles.samples = samples
        self.scene.cycles.use_denoising = samples > 1 and self.denoise
        done = render_frame(self.scene, self.layer, self.scratch, self.further)
        return None if self.should_stop() else done

    @property
    def denoise(self) -> bool:
        from .render import has_denoiser

        return self.job.recipe.render.denoise and has_denoiser()

    def show(self, draw: FrameDraw) -> None:
        """Put a drawn frame into the scene."""
        recipe = self.job.recipe
        self.rig.show(draw)
        self.scene.view_settings.exposure = recipe.render.exposure_ev + draw.exposure_ev
        for target in self.targets:
            name = target.obj.name
            number = draw.variants.get(name, target.wears)
            if target.groups and number != target.shown:
                self._wear(target, number)
            if name in draw.levels:
                set_level(target.obj, draw.levels[name])
            for kind, level in draw.also.get(name, {}).items():
                set_level(target.obj, level, kind)

    def _wear(self, target: _Target, number: int) -> None:
        variant = target.variants[number]
        kind = ageing.kind_named(variant.kind)
        for index, group in target.groups.items():
            if index not in variant.slots:
                continue
            if (number, index) not in target.worn:
                recipe = self.job.recipe
                worn = ageing.load_worn(variant, index, kind, recipe.wear.softness, False, age_shift_of(recipe))
                for image in worn.images.values():
                    self.borrowed.new(bpy.data.images, image)
                target.worn[number, index] = worn
            material.show(group, target.worn[number, index])
        target.wears = target.shown = number

    # --- records

    def _record(self, frame: int, attempt: int, draw: FrameDraw, layers: Layers) -> dict[str, Any]:
        instances = []
        for target in self.targets:
            own = self._wear_of(target, target.kind, target.wears)
            further = tuple(self._wear_of(target, kind, number) for kind, number in target.further.items())
            instances.append(
                Instance(
                    target.index,
                    target.obj.name,
                    target.object_class,
                    target.kind,
                    own.wear_class,
                    own.level,
                    own.variant,
                    further,
                )
            )
        return make_record(layers, instances, self.job.recipe.labels, self._header(frame, attempt, draw))

    def _wear_of(self, target: _Target, kind: str, variant: int) -> FurtherWear:
        level = get_level(target.obj, kind)
        return FurtherWear(kind, wear_class(level, ageing.kind_named(kind), self.job.recipe.wear), level, variant)

    def _header(self, frame: int, attempt: int, draw: FrameDraw) -> dict[str, Any]:
        recipe = self.job.recipe
        header: dict[str, Any] = {
            "frame": frame,
            "attempt": attempt,
            "seed": self.job.seed,
            "fingerprint": self.fingerprint,
            "draw": draw.as_dict(),
            "camera": camera_numbers(self.scene),
            "view": {
                "transform": recipe.render.view_transform,
                "exposure_ev": round(recipe.render.exposure_ev + draw.exposure_ev, 6),
            },
            "environment": "",
            "background": "",
        }
        if draw.environment is not None:
            header["environment"] = self.rig.environments[draw.environment.index].name
        if draw.background is not None and draw.background.image is not None:
            header["background"] = self.rig.backgrounds[draw.background.image].name
        return header


def camera_numbers(scene: bpy.types.Scene) -> dict[str, Any]:
    """Intrinsics in pixels and the 4 x 4 camera-to-world matrix (Blender's: looks down -Z, +Y up), row by row."""
    camera, width, height = scene.camera, scene.render.resolution_x, scene.render.resolution_y
    data = camera.data
    longest = max(width, height) if data.sensor_fit == "AUTO" else width if data.sensor_fit == "HORIZONTAL" else height
    sensor = data.sensor_height if data.sensor_fit == "VERTICAL" else data.sensor_width
    numbers: dict[str, Any] = {
        "type": data.type,
        "width": width,
        "height": height,
        "cx": width / 2 - data.shift_x * longest,
        "cy": height / 2 + data.shift_y * longest,
        "matrix_world": [[float(f"{v:.9g}") for v in row] for row in camera.matrix_world],
    }
    if data.type == "PERSP":
        numbers["fx"] = numbers["fy"] = float(f"{data.lens / sensor * longest:.9g}")
    elif data.type == "ORTHO":
        numbers["ortho_scale"] = float(f"{data.ortho_scale:.9g}")
    return numbers


def _one_by_one(request: Request) -> Iterator[Request]:
    """A request for each of its variants alone, in the order of their seeds."""
    texture = request.recipe.texture
    for seed in range(texture.seed, texture.seed + texture.variants):
        recipe = dataclasses.replace(request.recipe, texture=dataclasses.replace(texture, seed=seed, variants=1))
        yield dataclasses.replace(request, recipe=recipe)


def _remove_own_layer(obj: bpy.types.Object) -> None:
    from .names import UV_LAYER

    if UV_LAYER in obj.data.uv_layers:
        obj.data.uv_layers.remove(obj.data.uv_layers[UV_LAYER])


def _give_back(
    obj: bpy.types.Object, index: int, before: bpy.types.Material, link: str, copy: bpy.types.Material
) -> None:
    slot = obj.material_slots[index]
    slot.material = before if link == "OBJECT" else None
    slot.link = link
    groups = [node.node_tree for node in material.groups_of(copy)]
    bpy.data.materials.remove(copy)
    for group in groups:
        if not group.users:  # those of further kinds may be shared
            bpy.data.node_groups.remove(group)
