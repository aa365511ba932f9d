"""Frame k in the view: the camera, lights, world and levels a job would give it. Imports bpy, the sampling stage.

The rig is the render job's. It stays until the preview ends, over undo, saving and loading: so what it changed is noted
in the scene itself (a custom property), not in Python. Attempts are a render's affair: the preview shows the first.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import bpy

from ..recipe import Recipe
from ..sampling.draws import TargetFacts
from ..sampling.frame import draw_frame
from . import ageing, material
from .folders import files_of
from .instances import Shown, collect
from .layers import layers_of, level_name
from .level import get_level, set_level
from .names import LEVEL, PREVIEW, TINT
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

    def set(self, owner: Any, name: str, value: Any) -> None:
        before = plain(getattr(owner, name))
        if before == plain(value):
            return
        setattr(owner, name, value)
        block = owner.id_data
        note = {"path": "" if owner == block else owner.path_from_id(), "name": name}
        if before is not None:
            note["before"] = before
        self.notes.setdefault(block, []).append(note)

    def set_key(self, owner: Any, name: str, value: Any) -> None:
        note = {"key": name}
        if name in owner:
            note["before"] = owner[name]
        owner[name] = value
        self.notes.setdefault(owner, []).append(note)

    def new(self, collection: Any, block: Any) -> Any:
        block[PREVIEW] = OWN
        return block

    def new_all(self, blocks: Sequence[Any]) -> None:
        for block in blocks:
            block[PREVIEW] = OWN

    def write(self, scene: bpy.types.Scene, frame: int) -> None:
        """Leave the notes in the file; the scene's say which frame is shown."""
        for block, notes in self.notes.items():
            block[PREVIEW] = {"notes": notes}
        scene[PREVIEW] = {"frame": frame, "notes": self.notes.get(scene, [])}


def begin(context: bpy.types.Context, recipe: Recipe, frame: int, seed: int) -> None:
    """Put frame k of the job (recipe, seed) into the scene, in place of one shown before. Raises SynGenError."""
    scene, layer = context.scene, context.view_layer
    end(scene)
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
            rests = poser.rest(recipe, seed, frame) if poser else {}
        draw = draw_frame(recipe, facts, seed, frame, 0, rests)
        render, view = recipe.render, scene.view_settings
        for name, value in (
            ("resolution_x", render.width),
            ("resolution_y", render.height),
            ("resolution_percentage", 100),
        ):
            borrowed.set(scene.render, name, value)
        borrowed.set(view, "exposure", render.exposure_ev + draw.exposure_ev)
        rig.show(draw)
        if poser is not None:
            poser.show(rests)
        for obj in objects:
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
        borrowed.write(scene, frame)
    layer.update()


def end(scene: bpy.types.Scene) -> bool:
    """Put back what the preview changed; whether there was one."""
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
