"""Which objects a job labels, and whether its camera can be used. Imports bpy; changes nothing."""

from collections import Counter

import bpy

from ..errors import SynGenError
from ..recipe import Recipe
from .scene import is_rendered
from .target import aged_objects, matches


def find_targets(recipe: Recipe, scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> list[bpy.types.Object]:
    """The objects of the job, by name. Raises SynGenError: none, all hidden in renders, one that is instanced."""
    patterns = recipe.targets.objects
    meshes = sorted((o for o in scene.objects if o.type == "MESH"), key=lambda o: o.name)
    if patterns:
        for pattern in patterns:
            if not any(matches(o.name, pattern) for o in meshes):
                raise SynGenError(
                    f"targets.objects: no mesh object of the scene is called {pattern!r}.",
                    f"Change it (Dataset > Targets). There are: {', '.join(o.name for o in meshes[:12]) or 'none'}.",
                )
        targets = [o for o in meshes if any(matches(o.name, p) for p in patterns)]
    else:
        targets = aged_objects(scene)
    if not targets:
        raise SynGenError(
            "The scene has no target: no object has wear.",
            "Give an object wear first (Generate, choose one), or name some under Dataset > Targets (targets.objects).",
        )
    twice = [name for name, count in Counter(o.name for o in targets).items() if count > 1]
    if twice:
        raise SynGenError(
            f"Two targets are called {twice[0]!r}, one of them linked from another file.", "Rename one of them."
        )
    hidden = [o.name for o in targets if not is_rendered(o, layer)]
    if len(hidden) == len(targets):
        raise SynGenError(
            f"No target can be seen: {', '.join(hidden)} is hidden in renders.",
            "Show it (the camera icon in the outliner).",
        )
    targets = [o for o in targets if o.name not in hidden]
    depsgraph = bpy.context.evaluated_depsgraph_get()
    names = {o.name for o in targets}
    for instance in depsgraph.object_instances:
        if (
            instance.is_instance
            and instance.object.original.name in names
            and instance.object.original != instance.parent.original  # what its own modifiers make is part of it
        ):
            raise SynGenError(
                f"The target {instance.object.original.name!r} is also shown as an instance by "
                f"{instance.parent.original.name!r}; "
                "the copies cannot be told apart.",
                "Make the instances real (Object > Apply > Make Instances Real), or name other targets.",
            )
    if len(targets) > 32000:
        raise SynGenError(
            f"There are {len(targets)} targets; a frame can tell 32,000 apart.",
            "Name fewer under Dataset > Targets (targets.objects).",
        )
    return targets


def check_camera(scene: bpy.types.Scene) -> None:
    """The scene's own camera can be used. Raises SynGenError."""
    if scene.camera is None:
        raise SynGenError(
            "camera.randomize is off and the scene has no camera.",
            "Add a camera, or switch Scene > Camera on, so that SynGen draws it.",
        )
    if scene.camera.data.type == "PANO":
        raise SynGenError(
            f"The camera {scene.camera.name!r} is panoramic, which labels do not support.", "Use a perspective camera."
        )
