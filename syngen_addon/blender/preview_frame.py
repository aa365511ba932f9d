"""Frame k in the view: the camera, lights, world and levels a job would give it. Imports bpy, the sampling stage.

The rig is the render job's. It stays until the preview ends, over undo, saving and loading: so what it changed is noted
in the scene itself (a custom property), not in Python. From frame to frame only what is drawn changes: the rig that was
built for the first is kept while nothing else has changed, so that walking through frames is smooth. Attempts are a
render's affair: the preview shows the first.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from ..errors import SynGenError
from ..recipe import Recipe
from ..sampling.draws import SceneFacts, TargetFacts
from ..sampling.frame import draw_frame
from . import ageing, material, session, settings
from .folders import Files, files_of
from .instances import Shown, collect
from .layers import layers_of, level_name
from .level import get_level, set_level
from .names import ABOUT, LEVEL, PREVIEW, TINT
from .poses import Poser, moves
from .scene import Rig, scene_facts, target_facts
from .state import Borrowed, all_blocks, plain, unplain
from .surface import points_count
from .target import has_wear
from .targets import check_camera, find_targets
from .wearing import set_tint

OWN = "own"
"""What marks a datablock that belongs to the preview and goes with it."""


class _Noted(Borrowed):
    """Borrowed for longer than a `with` block: what was before is noted on the datablock itself, for end() to put back.

    So a note survives renaming, goes with what is deleted, and adds no user to the datablock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: dict[Any, list[dict[str, Any]]] = {}
        self.unwritten: set[Any] = set()
        self.keys: set[tuple[Any, str]] = set()

    def set(self, owner: Any, name: str, value: Any) -> None:
        if plain(getattr(owner, name)) != plain(value):
            self.keep(owner, name)
            setattr(owner, name, value)

    def keep(self, owner: Any, name: str) -> None:
        """Note what owner.name is: it will change from frame to frame."""
        before = plain(getattr(owner, name))
        block = owner.id_data
        note = {"path": "" if owner == block else owner.path_from_id(), "name": name}
        if before is not None:
            note["before"] = before
        self._note(block, note)

    def set_key(self, owner: Any, name: str, value: Any) -> None:
        """Once for each key: what a later frame finds is a frame's."""
        if (owner, name) in self.keys:
            return
        self.keys.add((owner, name))
        note = {"key": name}
        if name in owner:
            note["before"] = owner[name]
        owner[name] = value
        self._note(owner, note)

    def _note(self, block: Any, note: dict[str, Any]) -> None:
        self.notes.setdefault(block, []).append(note)
        self.unwritten.add(block)

    def new(self, collection: Any, block: Any) -> Any:
        block[PREVIEW] = OWN
        return block

    def new_all(self, blocks: Sequence[Any]) -> None:
        for block in blocks:
            block[PREVIEW] = OWN

    def write(self, scene: bpy.types.Scene, frame: int) -> None:
        """Leave the notes in the file; the scene's say which frame is shown."""
        if PREVIEW not in scene:
            scene[PREVIEW] = {"frame": frame, "notes": []}
        for block in self.unwritten:
            if block == scene:
                scene[PREVIEW]["notes"] = self.notes[block]
            else:
                block[PREVIEW] = {"notes": self.notes[block]}
        self.unwritten.clear()
        scene[PREVIEW]["frame"] = frame


@dataclass
class _Stage:
    """The rig in a scene, and all that frames are drawn from. state: what it was built for (_state)."""

    scene: bpy.types.Scene
    layer: bpy.types.ViewLayer
    recipe: Recipe
    seed: int
    files: Files
    objects: list[bpy.types.Object]
    facts: SceneFacts
    rig: Rig
    poser: Poser | None
    borrowed: _Noted
    state: tuple[Any, ...] = ()

    def show(self, frame: int) -> None:
        """Put a frame into the scene."""
        recipe, borrowed = self.recipe, self.borrowed
        rests = self.poser.rest(recipe, self.seed, frame) if self.poser else {}
        draw = draw_frame(recipe, self.facts, self.seed, frame, 0, rests)
        self.scene.view_settings.exposure = recipe.render.exposure_ev + draw.exposure_ev
        try:
            self.rig.show(draw)
            if self.poser is not None:
                self.poser.show(rests)
            for obj in self.objects:
                if obj.name in draw.levels and has_wear(obj):
                    borrowed.set_key(obj, LEVEL, get_level(obj))
                    set_level(obj, draw.levels[obj.name])
                if obj.name in draw.tints and has_wear(obj):
                    for slot in obj.material_slots:
                        material.add_tint(slot.material)
                    borrowed.set_key(obj, TINT, (0.0, 0.0, 0.0))
                    set_tint(obj, draw.tints[obj.name])
                drawn = draw.also.get(obj.name, {})
                for kind in (layer.kind for layer in layers_of(obj) if layer.kind in drawn and not layer.own):
                    borrowed.set_key(obj, level_name(obj, kind), get_level(obj, kind))
                    set_level(obj, drawn[kind], kind)
        finally:
            borrowed.write(self.scene, frame)
        self.layer.update()

    def fits(self, context: bpy.types.Context, recipe: Recipe, seed: int) -> bool:
        """Whether it is what a preview of this would be built as now."""
        here = context.scene == self.scene and context.view_layer == self.layer and PREVIEW in self.scene
        if not here or (recipe, seed) != (self.recipe, self.seed) or files_of(recipe) != self.files:
            return False
        try:
            return _state(self.scene, self.objects) == self.state
        except ReferenceError:  # a target was deleted
            return False


_stage: _Stage | None = None
"""The last one that was built, while it may be of use."""


def forget() -> None:
    """What was built may be gone: a file is opened, a step is undone."""
    global _stage
    _stage = None


def begin(context: bpy.types.Context, recipe: Recipe, frame: int, seed: int) -> None:
    """Put frame k of the job (recipe, seed) into the scene, in place of one shown before. Raises SynGenError."""
    global _stage
    stage, _stage = _stage, None
    if stage is None or not stage.fits(context, recipe, seed):
        end(context.scene)
        stage = _build(context, recipe, frame, seed)
    stage.show(frame)
    if stage.poser is None or stage.poser.fall is None:  # the scene in which targets fall is gone by now
        stage.state = _state(stage.scene, stage.objects)
        _stage = stage


def follow(scene: bpy.types.Scene, context: bpy.types.Context) -> None:
    """While a frame is shown: show the one that the panel says. An error is told in the panel."""
    job = scene.syngen.job
    if scene != context.scene or session.previewed(scene) in (-1, job.preview):
        return
    session.now.not_previewed = ""
    try:
        begin(context, settings.recipe_of(scene), job.preview, job.seed)
    except SynGenError as error:
        session.now.not_previewed = str(error)


def _build(context: bpy.types.Context, recipe: Recipe, frame: int, seed: int) -> _Stage:
    """The rig, and what frames are drawn from. Raises SynGenError."""
    scene, layer = context.scene, context.view_layer
    objects = find_targets(recipe, scene, layer)
    files = files_of(recipe)
    if not recipe.camera.randomize:
        check_camera(scene)
    galleries = {obj.name: ageing.applied_variants(obj) for obj in objects}
    # Draws count the targets that copies are, though nothing but the camera shows it: they wear what their source does.
    shown = [each for each in collect(objects, layer, context.evaluated_depsgraph_get()) if not each.hidden]
    objects = [each.source for each in shown if each.carrier is None]

    def facts_of(each: Shown) -> TargetFacts:
        gallery = galleries[each.source.name]
        return target_facts(each.source, depsgraph, gallery, each.name, each.matrix, points_count(recipe))

    borrowed = _Noted()
    try:
        rig = Rig.build(scene, recipe, files, objects, borrowed)
        things = rig.things.facts if rig.things else ()
        depsgraph = context.evaluated_depsgraph_get()
        facts = scene_facts(recipe, objects, galleries, depsgraph, files, things)
        facts = dataclasses.replace(facts, targets=tuple(facts_of(each) for each in shown))
        poser = None
        with Borrowed() as workshop:
            if moves(recipe):
                poser = Poser(recipe, objects, facts, rig.collection, layer, borrowed, workshop)
                poser.rest(recipe, seed, frame)  # it keeps where targets fall
        for name, value in (
            ("resolution_x", recipe.render.width),
            ("resolution_y", recipe.render.height),
            ("resolution_percentage", 100),
        ):
            borrowed.set(scene.render, name, value)
        borrowed.keep(scene.view_settings, "exposure")
    finally:
        borrowed.write(scene, frame)
    return _Stage(scene, layer, recipe, seed, files, objects, facts, rig, poser, borrowed)


def _state(scene: bpy.types.Scene, objects: Sequence[bpy.types.Object]) -> tuple[Any, ...]:
    """What is there, where targets are and what they wear: while it is the same, another frame changes what is drawn
    alone."""
    uids = np.empty(len(scene.objects), np.int32)
    scene.objects.foreach_get("session_uid", uids)
    wearing = sum(ABOUT in obj for obj in scene.objects)
    targets = tuple(
        (obj.session_uid, obj.data.session_uid, obj.hide_render, np.array(obj.matrix_world).tobytes(), layers_of(obj))
        for obj in objects
    )
    return uids.tobytes(), wearing, targets


def end(scene: bpy.types.Scene) -> bool:
    """Put back what the preview changed; whether there was one."""
    forget()
    if PREVIEW not in scene:
        return False
    for block in [scene, *bpy.data.objects, *bpy.data.collections]:  # lamps that only an instance shows, too
        if PREVIEW in block and block[PREVIEW] != OWN:
            for note in reversed(list(block[PREVIEW]["notes"])):
                _put_back(block, note)
            del block[PREVIEW]
            block.update_tag()
    for group in bpy.data.node_groups:
        material.remove_tint(group)
    bpy.data.batch_remove([block for block in all_blocks() if block.get(PREVIEW) == OWN])
    return True


def _put_back(block: bpy.types.ID, note: Any) -> None:
    if "key" in note:
        if "before" in note:
            block[note["key"]] = note["before"]
        elif note["key"] in block:
            del block[note["key"]]
        return
    owner = block.path_resolve(note["path"]) if note["path"] else block
    setattr(owner, note["name"], unplain(_plain_list(note.get("before"))))


def _plain_list(value: Any) -> Any:
    """What a note holds as RNA takes it: arrays as lists."""
    if hasattr(value, "to_list"):
        return value.to_list()
    return [_plain_list(each) for each in value] if isinstance(value, list) else value
