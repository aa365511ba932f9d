"""Frame k in the view: the camera, lights, world and levels a job would give it. Imports bpy, the sampling stage.

The rig is the render job's. It stays until the preview ends, over undo, saving and loading: so what it changed is noted
in the scene itself (a custom property), not in Python. Attempts are a render's affair: the preview shows the first.
"""

from typing import Any

import bpy

from ..recipe import Recipe
from ..sampling.frame import draw_frame
from . import ageing
from .dataset import check_camera, find_targets
from .level import get_level, set_level
from .names import ABOUT, LEVEL, PREVIEW
from .scene import Rig, background_files, environment_files, scene_facts
from .state import Borrowed


class _Noted(Borrowed):
    """Borrowed for longer than a `with` block: notes plain data that end() can put back."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[dict[str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        before = getattr(owner, name)
        if before == value:
            return
        setattr(owner, name, value)
        block = owner.id_data
        note = {"block": block, "path": "" if owner == block else owner.path_from_id(), "name": name}
        if before is not None:
            note["before"] = before
        self.notes.append(note)

    def set_key(self, owner: Any, name: str, value: Any) -> None:
        note = {"block": owner, "key": name}
        if name in owner:
            note["before"] = owner[name]
        owner[name] = value
        self.notes.append(note)

    def new(self, collection: Any, block: Any) -> Any:
        block[PREVIEW] = True
        return block


def begin(context: bpy.types.Context, recipe: Recipe, frame: int, seed: int) -> None:
    """Put frame k of the job (recipe, seed) into the scene, in place of one shown before. Raises SynGenError, nothing changed."""
    scene, layer = context.scene, context.view_layer
    end(scene)
    objects = find_targets(recipe, scene, layer)
    environments = environment_files(recipe) if recipe.light.randomize else []
    backgrounds = background_files(recipe)
    if not recipe.camera.randomize:
        check_camera(scene)
    counts = {obj.name: len(ageing.applied_variants(obj)) if ABOUT in obj else 0 for obj in objects}
    facts = scene_facts(recipe, objects, counts, context.evaluated_depsgraph_get(), len(environments), len(backgrounds))
    draw = draw_frame(recipe, facts, seed, frame)
    borrowed = _Noted()
    try:
        rig = Rig.build(scene, recipe, environments, backgrounds, borrowed)
        render, view = recipe.render, scene.view_settings
        for name, value in (("resolution_x", render.width), ("resolution_y", render.height), ("resolution_percentage", 100)):
            borrowed.set(scene.render, name, value)
        borrowed.set(view, "exposure", render.exposure_ev + draw.exposure_ev)
        rig.show(draw)
        for obj in objects:
            if obj.name in draw.levels and ABOUT in obj:
                borrowed.set_key(obj, LEVEL, get_level(obj))
                set_level(obj, draw.levels[obj.name])
    finally:
        scene[PREVIEW] = {"frame": frame, "notes": borrowed.notes}
    layer.update()


def end(scene: bpy.types.Scene) -> bool:
    """Put back what the preview changed; whether there was one."""
    if PREVIEW not in scene:
        return False
    for note in reversed(list(scene[PREVIEW]["notes"])):
        block = note.get("block")
        if block is None:  # deleted meanwhile
            continue
        if "key" in note:
            if "before" in note:
                block[note["key"]] = note["before"]
            elif note["key"] in block:
                del block[note["key"]]
            block.update_tag()
            continue
        owner = block.path_resolve(note["path"]) if note["path"] else block
        setattr(owner, note["name"], note.get("before"))
    for blocks in (bpy.data.objects, bpy.data.cameras, bpy.data.lights, bpy.data.worlds, bpy.data.images, bpy.data.collections):
        for block in [b for b in blocks if PREVIEW in b]:
            blocks.remove(block)
    del scene[PREVIEW]
    return True
