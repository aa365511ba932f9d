"""A drawn frame, put into the scene: camera, lights, world, ground and things. Imports bpy, mathutils.

The rig's datablocks are SynGen's own. The preview uses the same rig as the render job, so that what is seen is what
is rendered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

from .. import variants
from ..errors import SynGenError
from ..recipe import Recipe
from ..sampling.draws import CameraDraw, FrameDraw, SceneFacts, TargetFacts, ThingFacts, VariantFacts
from .folders import Files, load_picture, stands_about
from .ground import Ground
from .level import get_level
from .mesh import metres_per_unit
from .shown import is_rendered as is_rendered
from .state import Borrowed
from .surface import points_count, surface_points
from .target import wear_of
from .things import Things
from .world import World, build_world

RIG = "SynGen"


def target_facts(
    obj: bpy.types.Object,
    depsgraph: bpy.types.Depsgraph,
    gallery: Sequence[variants.Variant],
    name: str = "",
    matrix: Matrix | None = None,
    points: bool = False,
    further: Mapping[str, Sequence[variants.Variant]] | None = None,
) -> TargetFacts:
    """Where a target is, from its evaluated bounding box, and what it can wear. name, matrix: a copy's.

    points: those of its surface, too. further: by kind what it can wear beside its own wear.
    """
    evaluated = obj.evaluated_get(depsgraph)
    place = evaluated.matrix_world if matrix is None else matrix
    corners = [place @ Vector(corner) for corner in evaluated.bound_box]
    low = Vector(min(c[i] for c in corners) for i in range(3))
    high = Vector(max(c[i] for c in corners) for i in range(3))
    center = (low + high) / 2
    radius = max((c - center).length for c in corners)
    if radius < 1e-6:
        raise SynGenError(f"The target {obj.name!r} has no size.", "Check its scale and its modifiers.")
    about = wear_of(obj)
    return TargetFacts(
        name=name or obj.name,
        kind="" if about is None else str(about["kind"]),
        center=tuple(center),
        radius=radius,
        level=get_level(obj),
        variants=variant_facts(gallery),
        further=tuple((kind, variant_facts(each)) for kind, each in sorted((further or {}).items())),
        corners=tuple(tuple(c) for c in corners),
        points=surface_points(obj, depsgraph, matrix) if points else (),
    )


def variant_facts(gallery: Sequence[variants.Variant]) -> tuple[VariantFacts, ...]:
    """What sampling needs to know of variants."""
    return tuple(
        VariantFacts(
            f"{each.folder.parent.name}/{each.name}", each.kind, str(each.made.get("preset", "")), f"{each.seed}"
        )
        for each in gallery
    )


def scene_facts(
    recipe: Recipe,
    targets: list[bpy.types.Object],
    galleries: Mapping[str, Sequence[variants.Variant]],
    depsgraph: bpy.types.Depsgraph,
    files: Files,
    things: Sequence[ThingFacts] = (),
    further: Mapping[str, Mapping[str, Sequence[variants.Variant]]] | None = None,
) -> SceneFacts:
    """What sampling needs to know of the scene, as plain numbers. galleries: what each target can wear, by its name;
    further: and beside its own wear, by kind."""
    points, beside = points_count(recipe), further or {}
    facts = tuple(
        target_facts(obj, depsgraph, galleries.get(obj.name, ()), points=points, further=beside.get(obj.name))
        for obj in targets
    )
    return SceneFacts(
        targets=facts,
        environments=tuple(path.name for path in files.environments),
        backgrounds=tuple(path.name for path in files.backgrounds),
        grounds=tuple(path.name for path in files.grounds),
        things=tuple(things),
        up=variants.UPS[recipe.wear.up],
        unit_m=metres_per_unit(bpy.context.scene),
    )


@dataclass
class Rig:
    """SynGen's own camera, lights, world and things in a scene."""

    scene: bpy.types.Scene
    files: Files
    borrowed: Borrowed
    collection: bpy.types.Collection
    camera: bpy.types.Object | None = None
    sun: bpy.types.Object | None = None
    areas: list[bpy.types.Object] = field(default_factory=list)
    world: World | None = None
    ground: Ground | None = None
    things: Things | None = None
    images: dict[Path, bpy.types.Image] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        scene: bpy.types.Scene,
        recipe: Recipe,
        files: Files,
        targets: Sequence[bpy.types.Object],
        borrowed: Borrowed,
    ) -> "Rig":
        """Put the rig into the scene, through borrowed, for the parts that the recipe draws.

        Raises SynGenError: things that cannot be read.
        """
        up = variants.UPS[recipe.wear.up]
        collection = borrowed.new(bpy.data.collections, bpy.data.collections.new(RIG))
        scene.collection.children.link(collection)
        rig = cls(scene, files, borrowed, collection)
        if recipe.camera.randomize:
            rig.camera = rig._object(
                f"{RIG} camera", borrowed.new(bpy.data.cameras, bpy.data.cameras.new(f"{RIG} camera"))
            )
            borrowed.set(scene, "camera", rig.camera)
        if recipe.light.randomize:
            rig.sun = rig._light(f"{RIG} sun", "SUN")
            lamps = max(recipe.light.area_lights[1], 1 if recipe.light.indoor > 0 else 0)
            rig.areas = [rig._light(f"{RIG} lamp {i + 1}", "AREA") for i in range(lamps)]
            if not recipe.light.keep_scene_lights:
                for obj in bpy.data.objects:  # also those that only an instanced collection or a background set shows
                    if obj.type == "LIGHT" and obj.name not in collection.objects:
                        borrowed.set(obj, "hide_render", True)
                        borrowed.set(obj, "hide_viewport", True)
        if recipe.light.randomize or recipe.background.randomize:
            rig.world = build_world(scene.world, RIG, recipe, files.environments, files.backgrounds, rig.image, up)
            borrowed.new(bpy.data.worlds, rig.world.block)
            borrowed.set(scene, "world", rig.world.block)
        if recipe.ground.randomize:
            rig.ground = Ground(f"{RIG} ground", collection, files.grounds, rig.image, up, borrowed)
        if stands_about(recipe):
            rig.things = Things.build(RIG, scene, recipe, files.things, targets, borrowed)
        return rig

    def _object(self, name: str, data: bpy.types.ID) -> bpy.types.Object:
        obj = self.borrowed.new(bpy.data.objects, bpy.data.objects.new(name, data))
        self.collection.objects.link(obj)
        return obj

    def _light(self, name: str, kind: str) -> bpy.types.Object:
        return self._object(name, self.borrowed.new(bpy.data.lights, bpy.data.lights.new(name, kind)))

    def image(self, path: Path, linear: bool) -> bpy.types.Image:
        """The file as a datablock, loaded once: under persistent data an edited datablock would go unseen."""
        if path not in self.images:
            image = self.borrowed.new(bpy.data.images, load_picture(path))
            if not linear:
                image.colorspace_settings.name = "sRGB"
            self.images[path] = image
        return self.images[path]

    def show(self, draw: FrameDraw) -> None:
        """Put a drawn frame's camera, lights, world and things into the scene."""
        if draw.camera is not None and self.camera is not None:
            self._show_camera(draw.camera)
        if draw.sun is not None and self.sun is not None:
            self.sun.data.energy, self.sun.data.angle = draw.sun.strength, draw.sun.angle_rad
            self.sun.matrix_world = Vector(draw.sun.direction).to_track_quat("-Z", "Y").to_matrix().to_4x4()
        for number, lamp in enumerate(self.areas):
            drawn = number < len(draw.areas)
            _hide(lamp, not drawn)
            lamp.data.energy = 0.0
            if drawn:
                area = draw.areas[number]
                lamp.data.energy, lamp.data.size, lamp.data.color = area.power_w, area.size_m, area.color_linear
                way = Vector(area.target) - Vector(area.location)
                lamp.matrix_world = (
                    Matrix.Translation(area.location) @ way.to_track_quat("-Z", "Y").to_matrix().to_4x4()
                )
        if self.world is not None:
            self.world.show(draw)
        if self.ground is not None:
            self.ground.show(draw.ground)
        if self.things is not None:
            self.things.show((*draw.distractors, *draw.occluders))

    def _show_camera(self, draw: CameraDraw) -> None:
        data, lens = self.camera.data, self.camera.data.dof
        data.sensor_fit, data.sensor_width = "AUTO", draw.sensor_mm
        data.lens, data.clip_start, data.clip_end = draw.focal_mm, draw.clip_start_m, draw.clip_end_m
        lens.use_dof = draw.fstop is not None
        if draw.fstop is not None and draw.focus_m is not None:
            lens.aperture_fstop, lens.focus_distance = draw.fstop, draw.focus_m
        self.camera.matrix_world = Matrix(draw.matrix_world)


def _hide(lamp: bpy.types.Object, hidden: bool) -> None:
    """In the window only. In renders a lamp that is not drawn has no power: one that comes back would stand at the end
    of Cycles' list of lights, and a frame's noise depend on the frames before it.

    Only where it changes: a change of what is there makes Blender build all its relations anew.
    """
    if lamp.hide_viewport != hidden:
        lamp.hide_viewport = hidden
