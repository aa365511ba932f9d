"""Everything that is drawn for one frame. Imports recipe, seeds, splits and errors; never bpy.

Each part of a frame has its own named generator, so that switching one part off never changes another, and the attempt
goes into the camera's and the occluders' alone: a frame drawn again keeps its light, levels, variants and poses.

The matched control set (randomize.control) has the same cameras, poses, things, levels and variants, so that its labels
are the same; what only the looks depend on (light, backdrop, ground, colours, sensor) is at the middle of its range.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from .. import recipe as recipes
from ..errors import SynGenError
from ..seeds import generator
from ..splits import place_of
from .camera import aimed_target, draw_camera
from .draws import FrameDraw, Matrix, SceneFacts, TargetFacts
from .light import draw_areas, draw_background, draw_environment, draw_ground, draw_sky, draw_sun
from .pools import Apart, Worn, pools_of, splits_of, taken, taken_variant
from .poses import draw_poses, draw_tints, moved, resting
from .sensor import draw_sensor
from .sequence import Chance, Middle, even
from .things import draw_distractors, draw_occluders, kept_clear


def draw_frame(
    recipe: recipes.Recipe,
    facts: SceneFacts,
    seed: int,
    frame: int,
    attempt: int = 0,
    rests: Mapping[str, Matrix] | None = None,
) -> FrameDraw:
    """Frame `frame` of the job with this seed; a pure function of its arguments.

    attempt: 0 for the first try, counted up where a rendered frame was refused; it changes the camera and the occluders
    only. rests: by target the matrix that moved it from where it stands in the scene to where it came to rest, where
    targets fell (pose.drop) or Blender placed them; without it they lie as posed.
    Raises SynGenError: no targets, or background pictures wanted and none there.
    """
    if not facts.targets:
        raise SynGenError(
            "The scene has no target.",
            "Give an object wear first, or name objects of the scene under Dataset > Targets (targets.objects).",
        )
    targets = sorted(facts.targets, key=lambda t: t.name)
    floor = float((np.array([c for t in targets for c in t.corners]) @ facts.up).min())
    poses = draw_poses(recipe, facts, seed, frame)
    matrices = resting(facts, poses, rests)
    lying = moved(facts, matrices)
    aimed, turn = aimed_target(sorted(lying.targets, key=lambda t: t.name), recipe, seed, frame)
    camera = draw_camera(recipe, lying, aimed, turn, floor, seed, frame, attempt) if recipe.camera.randomize else None

    def chance(purpose: str) -> Chance:
        """For what only the looks depend on."""
        return Middle() if recipe.randomize.control else generator(seed, purpose, frame)

    pools = pools_of(recipe, facts, seed)
    split, place = place_of(frame, seed, recipe.export.split) if pools.any else ("", frame)

    def one_of(names: Sequence[str], pool: Apart | None, purpose: str) -> int:
        own = pool[split] if pool else range(len(names))
        if recipe.randomize.control:
            return own[Middle().integers(len(own))]
        return taken(own, seed, purpose, place if pool else frame, stratify=recipe.camera.stratify)

    standing = lying  # and what may stand about in this split
    if pools.things:
        standing = dataclasses.replace(lying, things=tuple(facts.things[i] for i in pools.things[split]))
    light, levels = recipe.light, recipe.randomize.level
    indoor, skies = _weather(recipe, seed, frame) if light.randomize else (False, False)
    sun = draw_sun(light, facts.up, indoor, chance("sun")) if light.randomize else None
    environment = light.randomize and not skies and bool(facts.environments)
    worn = _variants(recipe, targets, pools.variants, split, place, seed, frame)
    return FrameDraw(
        aimed_at=aimed.name,
        camera=camera,
        sun=sun,
        areas=draw_areas(light, facts, aimed, indoor, chance("areas")) if light.randomize else (),
        environment=draw_environment(
            light, one_of(facts.environments, pools.environments, "environment map"), indoor, chance("environment")
        )
        if environment
        else None,
        background=draw_background(
            recipe.background,
            one_of(facts.backgrounds, pools.backgrounds, "background picture") if facts.backgrounds else None,
            chance("background"),
        )
        if recipe.background.randomize
        else None,
        exposure_ev=float(chance("exposure").uniform(*light.exposure_ev)) if light.randomize else 0.0,
        levels={t.name: _level(recipe, recipe.wear.level, seed, f"level/{t.name}", frame) for t in targets}
        if levels
        else {},
        variants=worn,
        also=_further_levels(recipe, targets, worn, seed, frame) if levels else {},
        also_variants=_further_variants(recipe, targets, pools.variants, split, place, seed, frame),
        sky=draw_sky(light, sun, indoor, chance("sky")) if skies and sun else None,
        indoor=indoor,
        ground=draw_ground(
            recipe.ground, facts, floor,
            facts.grounds[one_of(facts.grounds, pools.grounds, "ground picture")] if facts.grounds else "",
            chance("ground"),
        )
        if recipe.ground.randomize
        else None,
        distractors=kept_clear(
            draw_distractors(recipe, standing, aimed, floor, seed, frame), camera, aimed, facts
        ),
        occluders=draw_occluders(recipe, standing, aimed, camera, seed, frame, attempt),
        poses=poses,
        rests=matrices,
        tints=draw_tints(recipe, facts, seed, frame),
        sensor=draw_sensor(recipe.sensor, chance("sensor")),
        split=split,
    )  # fmt: skip


def warnings_of(recipe: recipes.Recipe, facts: SceneFacts, seed: int) -> tuple[str, ...]:
    """What a user should know of how a job is drawn: what train, val and test share against randomize.apart, and where
    occluders cannot be what the recipe wants."""
    things = recipe.distractors
    said = list(pools_of(recipe, facts, seed).warnings)
    kept = "variant" in recipe.randomize.apart and not recipe.randomize.variant
    if kept and splits_of(recipe) > 1:
        said.append("Train, val and test share the variant of each object: randomize.variant is off.")
    if things.randomize and things.occluders[1] > 0:
        if not recipe.camera.randomize:
            said.append("Nothing is put before the scene's own camera (distractors.occluders needs camera.randomize).")
        elif not recipe.labels.geometry:
            said.append("How much occluders hide is not measured: distractors.occlusion needs labels.geometry.")
    return tuple(said)


def _weather(recipe: recipes.Recipe, seed: int, frame: int) -> tuple[bool, bool]:
    """(lamps alone light the frame, Blender's sky stands in for an environment map)."""
    light = recipe.light
    if not light.indoor and not light.sky:
        return False, False
    at = 0.5 if recipe.randomize.control else _share(recipe, seed, "weather", frame)
    return at < light.indoor, light.indoor <= at < light.indoor + light.sky


def _variants(
    recipe: recipes.Recipe, targets: list[TargetFacts], pools: Mapping[Worn, Apart | None], split: str, place: int,
    seed: int, frame: int,
) -> dict[str, int]:  # fmt: skip
    if not recipe.randomize.variant:
        return {}
    worn = {}
    for target in targets:
        if target.variants:
            pool = pools.get((target.name, ""))
            own = pool[split] if pool else range(len(target.variants))
            turn = place if pool else frame
            worn[target.name] = taken_variant(
                target.variants, own, seed, target.name, turn, stratify=recipe.camera.stratify
            )
    return worn


def _further_variants(
    recipe: recipes.Recipe, targets: list[TargetFacts], pools: Mapping[Worn, Apart | None], split: str, place: int,
    seed: int, frame: int,
) -> dict[str, dict[str, int]]:  # fmt: skip
    """As with the levels, each kind on each target has a generator of its own."""
    found: dict[str, dict[str, int]] = {}
    for target in targets if recipe.randomize.variant else ():
        for kind, gallery in target.further:
            if gallery:
                pool = pools.get((target.name, kind))
                own, turn = (pool[split], place) if pool else (range(len(gallery)), frame)
                chosen = taken(own, seed, f"also variant/{kind}/{target.name}", turn, stratify=recipe.camera.stratify)
                found.setdefault(target.name, {})[kind] = chosen
    return found


def _further_levels(
    recipe: recipes.Recipe, targets: list[TargetFacts], worn: Mapping[str, int], seed: int, frame: int
) -> dict[str, dict[str, float]]:
    """Each kind on each target has a generator of its own, so that one more changes no other draw. A kind that the
    target wears as its own in this frame does not lie on it a second time: its level is 0."""
    found = {}
    for target in targets:
        own = target.variants[worn[target.name]].kind if target.name in worn else ""
        found[target.name] = {
            kind: 0.0
            if kind == own
            else _level(recipe, recipe.wear.also[kind], seed, f"also/{kind}/{target.name}", frame)
            for kind in sorted(recipe.wear.also)
            if kind != target.kind
        }
    return {name: levels for name, levels in found.items() if levels}


def _level(recipe: recipes.Recipe, ends: tuple[float, float], seed: int, name: str, frame: int) -> float:
    return ends[0] + (ends[1] - ends[0]) * _share(recipe, seed, name, frame)


def _share(recipe: recipes.Recipe, seed: int, name: str, frame: int) -> float:
    """0 to 1, spread evenly over the frames where the recipe wants that."""
    if recipe.camera.stratify:
        return even(seed, name, frame)
    return float(generator(seed, name, frame).uniform())
