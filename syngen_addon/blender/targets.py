"""Which objects a job labels, and whether its camera can be used. Imports bpy; changes nothing."""

from collections import Counter
from collections.abc import Iterable

import bpy

from ..errors import SynGenError
from ..recipe import Recipe
from .instances import Shown, is_shown, reachable, unseen
from .shown import is_rendered
from .target import has_wear, matches

MOST = 32000
"""So many targets: index passes end at 32,767."""
TOLD = 5
"""So many targets that are left out are named, the others counted."""
_SHOW = "Show it (the camera icon in the outliner)."


def find_targets(recipe: Recipe, scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> list[bpy.types.Object]:
    """The objects of the job, by name: those of the scene, and those that it shows only as instances.

    One that only instances may show is among them as far as settings say; what is shown is known when they are made
    real (instances.py). Raises SynGenError: none, all hidden in renders.
    """
    targets, copied = _named(recipe, scene, layer)
    twice = [name for name, count in Counter(o.name for o in targets).items() if count > 1]
    if twice:
        raise SynGenError(
            f"Two targets are called {twice[0]!r}, one of them linked from another file.", "Rename one of them."
        )
    hidden = [o.name for o in targets if not is_shown(o, layer) and o not in copied]
    if len(hidden) == len(targets):
        raise SynGenError(f"No target can be seen: {', '.join(hidden)} is hidden in renders.", _SHOW)
    targets = [o for o in targets if o.name not in hidden]
    why = {o: unseen(o, layer) for o in targets}
    if all(why.values()):
        raise SynGenError(f"No target can be seen: {targets[0].name!r} {why[targets[0]]}.", "Change that.")
    check_number(len(targets))
    return targets


def _named(
    recipe: Recipe, scene: bpy.types.Scene, layer: bpy.types.ViewLayer
) -> tuple[list[bpy.types.Object], set[bpy.types.Object]]:
    """Every object that the recipe means, seen or not, by name; and what the scene may show as instances.

    Raises SynGenError: none, or none of a name that is asked for.
    """
    patterns = recipe.targets.objects
    copied = reachable(obj for obj in scene.objects if is_rendered(obj, layer))
    meshes = sorted((o for o in {*scene.objects, *copied} if o.type == "MESH"), key=lambda o: o.name)
    if patterns:
        for pattern in patterns:
            if not any(matches(o.name, pattern) for o in meshes):
                raise SynGenError(
                    f"targets.objects: no mesh object of the scene is called {pattern!r}.",
                    f"Change it (Dataset > Targets). There are: {', '.join(o.name for o in meshes[:12]) or 'none'}.",
                )
        targets = [o for o in meshes if any(matches(o.name, p) for p in patterns)]
    else:
        targets = [o for o in meshes if has_wear(o)]
    if not targets:
        raise SynGenError(
            "The scene has no target: no object has wear.",
            "Give an object wear first (Generate, choose one), or name some under Dataset > Targets (targets.objects).",
        )
    return targets, copied


def left_out(
    recipe: Recipe, scene: bpy.types.Scene, layer: bpy.types.ViewLayer, shown: Iterable[Shown]
) -> list[str]:
    """Warnings that name the targets which renders do not show, or not as objects that the camera sees.

    Raises SynGenError where none is left, or more than a frame can tell apart.
    """
    shown = list(shown)
    sources = {each.source for each in shown}
    why = {f"The target {each.name!r} {each.hidden}." for each in shown if each.hidden}
    hidden = [o for o in _named(recipe, scene, layer)[0] if o not in sources]
    why |= {f"The target {o.name!r} is hidden in renders." for o in hidden}
    told = sorted(why)
    labelled = sum(not each.hidden for each in shown)
    if not labelled:
        raise SynGenError(f"No target can be seen. {told[0]}", _SHOW)
    check_number(labelled)
    more = [f"{len(told) - TOLD} more targets are left out in the same way."] if len(told) > TOLD else []
    return [f"{each} It is left out." for each in told[:TOLD]] + more


def check_number(count: int) -> None:
    """Raises SynGenError where a frame cannot tell so many targets apart."""
    if count > MOST:
        raise SynGenError(
            f"There are {count} targets; a frame can tell {MOST:,} apart.",
            "Name fewer under Dataset > Targets (targets.objects).",
        )


def check_camera(scene: bpy.types.Scene) -> None:
    """The scene's own camera can be used. Raises SynGenError."""
    if scene.camera is None:
        raise SynGenError(
            "camera.randomize is off and the scene has no camera.",
            "Add a camera, or switch Scene > Camera on, so that SynGen draws it.",
        )
    if scene.camera.type != "CAMERA":
        raise SynGenError(
            f"The scene looks through {scene.camera.name!r}, which is no camera.", "Choose a camera (Scene > Camera)."
        )
    kind = scene.camera.data.type
    if kind not in ("PERSP", "ORTHO"):
        which = "panoramic" if kind == "PANO" else "of a kind of its own (custom)"
        raise SynGenError(
            f"The camera {scene.camera.name!r} is {which}, which labels do not support.",
            "Use a perspective or orthographic camera.",
        )
