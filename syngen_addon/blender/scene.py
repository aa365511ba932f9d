"""A drawn frame, put into the scene: camera, lights, world, levels and variants. Imports bpy, mathutils.

The rig's datablocks are SynGen's own. The preview uses the same rig as the render job, so that what is seen is what
is rendered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

from .. import variants
from ..errors import SynGenError, one_line
from ..recipe import Recipe
from ..sampling.draws import FrameDraw, SceneFacts, TargetFacts, VariantFacts
from .level import get_level
from .state import Borrowed
from .target import wear_of

ENVIRONMENT_SUFFIXES = {".hdr", ".exr"}
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}
IMPORTANCE_MAP = 512
"""Side of the environment's importance map: Cycles' own choice costs a second a frame whenever the map changes."""
RIG = "SynGen"
_REMOVE = "Remove it from its folder, or put a sound one in its place."


def environment_files(recipe: Recipe) -> list[Path]:
    """The environment maps of the recipe, by name; Blender's own studio lights by default. Raises SynGenError."""
    if recipe.light.environments:
        return pictures_in(recipe.light.environments, ENVIRONMENT_SUFFIXES, "light.environments")
    folder = bpy.utils.system_resource("DATAFILES", path="studiolights/world")
    if not folder:
        raise SynGenError(
            "This Blender has no studio lights of its own.",
            "Name a folder of .hdr or .exr files under Scene > Light (light.environments).",
        )
    return pictures_in(folder, ENVIRONMENT_SUFFIXES, "light.environments")


def background_files(recipe: Recipe) -> list[Path]:
    """The background pictures of the recipe, by name; empty unless it asks for pictures. Raises SynGenError."""
    if recipe.background.kind != "images" or not recipe.background.randomize:
        return []
    return pictures_in(recipe.background.folder, PICTURE_SUFFIXES, "background.folder")


def pictures_in(folder: str, suffixes: set[str], key: str) -> list[Path]:
    """The files of a folder with one of these suffixes, by name. Raises SynGenError where there is none."""
    path = Path(bpy.path.abspath(folder)).expanduser().absolute()
    if not path.is_dir():
        raise SynGenError(f"{key} = {folder!r} is no folder.", "Name an existing folder.")
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes)
    if not found:
        raise SynGenError(
            f"{key} = {folder!r} holds no picture ({', '.join(sorted(suffixes))}).", "Name another folder."
        )
    return found


def is_rendered(obj: bpy.types.Object, layer: bpy.types.ViewLayer) -> bool:
    """Whether renders of this view layer show the object."""

    def shown(collection: bpy.types.LayerCollection) -> bool:
        if collection.exclude or collection.collection.hide_render:
            return False
        return obj.name in collection.collection.objects or any(shown(child) for child in collection.children)

    return not obj.hide_render and obj.name in layer.objects and shown(layer.layer_collection)


def target_facts(
    obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph, gallery: Sequence[variants.Variant]
) -> TargetFacts:
    """Where a target is, from its evaluated bounding box, and what it can wear."""
    evaluated = obj.evaluated_get(depsgraph)
    corners = [evaluated.matrix_world @ Vector(corner) for corner in evaluated.bound_box]
    low = Vector(min(c[i] for c in corners) for i in range(3))
    high = Vector(max(c[i] for c in corners) for i in range(3))
    center = (low + high) / 2
    radius = max((c - center).length for c in corners)
    if radius < 1e-6:
        raise SynGenError(f"The target {obj.name!r} has no size.", "Check its scale and its modifiers.")
    about = wear_of(obj)
    return TargetFacts(
        name=obj.name,
        kind="" if about is None else str(about["kind"]),
        center=tuple(center),
        radius=radius,
        level=get_level(obj),
        variants=tuple(
            VariantFacts(f"{each.folder.parent.name}/{each.name}", each.kind, str(each.made.get("preset", "")))
            for each in gallery
        ),
        corners=tuple(tuple(c) for c in corners),
    )


def scene_facts(
    recipe: Recipe,
    targets: list[bpy.types.Object],
    galleries: Mapping[str, Sequence[variants.Variant]],
    depsgraph: bpy.types.Depsgraph,
    environments: Sequence[Path],
    backgrounds: Sequence[Path],
) -> SceneFacts:
    """What sampling needs to know of the scene, as plain numbers. galleries: what each target can wear, by its name."""
    facts = tuple(target_facts(obj, depsgraph, galleries.get(obj.name, ())) for obj in targets)
    return SceneFacts(
        targets=facts,
        environments=tuple(path.name for path in environments),
        backgrounds=tuple(path.name for path in backgrounds),
        up=variants.UPS[recipe.wear.up],
    )


@dataclass
class Rig:
    """SynGen's own camera, lights and world in a scene."""

    scene: bpy.types.Scene
    environments: list[Path]
    backgrounds: list[Path]
    borrowed: Borrowed
    collection: bpy.types.Collection
    camera: bpy.types.Object | None = None
    sun: bpy.types.Object | None = None
    areas: list[bpy.types.Object] = field(default_factory=list)
    world: bpy.types.World | None = None
    nodes: dict[str, bpy.types.Node] = field(default_factory=dict)
    """The world's own nodes by what they are for; their names in the tree may have got a number."""
    images: dict[Path, bpy.types.Image] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        scene: bpy.types.Scene,
        recipe: Recipe,
        environments: list[Path],
        backgrounds: list[Path],
        borrowed: Borrowed,
    ) -> "Rig":
        """Put the rig into the scene, through borrowed, for the parts that the recipe draws."""
        collection = borrowed.new(bpy.data.collections, bpy.data.collections.new(RIG))
        scene.collection.children.link(collection)
        rig = cls(scene, environments, backgrounds, borrowed, collection)
        if recipe.camera.randomize:
            rig.camera = rig._object(
                f"{RIG} camera", borrowed.new(bpy.data.cameras, bpy.data.cameras.new(f"{RIG} camera"))
            )
            borrowed.set(scene, "camera", rig.camera)
        if recipe.light.randomize:
            rig.sun = rig._light(f"{RIG} sun", "SUN")
            rig.areas = [rig._light(f"{RIG} lamp {i + 1}", "AREA") for i in range(recipe.light.area_lights[1])]
            if not recipe.light.keep_scene_lights:
                for obj in bpy.data.objects:  # also those that only an instanced collection or a background set shows
                    if obj.type == "LIGHT" and obj.name not in collection.objects:
                        borrowed.set(obj, "hide_render", True)
                        borrowed.set(obj, "hide_viewport", True)
        if recipe.light.randomize or recipe.background.randomize:
            world, rig.nodes = _build_world(scene.world, recipe)
            rig.world = borrowed.new(bpy.data.worlds, world)
            borrowed.set(scene, "world", rig.world)
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
            try:
                image = self.borrowed.new(bpy.data.images, bpy.data.images.load(str(path), check_existing=False))
            except RuntimeError as error:
                raise SynGenError(f"The picture {path} cannot be loaded: {one_line(error)}", _REMOVE) from error
            if not image.size[0] or not image.size[1]:  # Blender loads it all the same, and renders it pink
                raise SynGenError(f"The picture {path} cannot be loaded: it is no picture, or broken.", _REMOVE)
            image.buffers_free()  # Cycles reads the file itself; a folder of large maps would fill the memory
            if not linear:
                image.colorspace_settings.name = "sRGB"
            self.images[path] = image
        return self.images[path]

    def show(self, draw: FrameDraw) -> None:
        """Put a drawn frame's camera, lights and world into the scene."""
        if draw.camera is not None and self.camera is not None:
            data = self.camera.data
            data.sensor_fit, data.sensor_width = "AUTO", draw.camera.sensor_mm
            data.lens, data.clip_start, data.clip_end = (
                draw.camera.focal_mm,
                draw.camera.clip_start_m,
                draw.camera.clip_end_m,
            )
            self.camera.matrix_world = Matrix(draw.camera.matrix_world)
        if draw.sun is not None and self.sun is not None:
            self.sun.data.energy, self.sun.data.angle = draw.sun.strength, draw.sun.angle_rad
            self.sun.matrix_world = Vector(draw.sun.direction).to_track_quat("-Z", "Y").to_matrix().to_4x4()
        for number, lamp in enumerate(self.areas):
            drawn = number < len(draw.areas)
            lamp.hide_render = lamp.hide_viewport = not drawn
            if drawn:
                area = draw.areas[number]
                lamp.data.energy, lamp.data.size, lamp.data.color = area.power_w, area.size_m, area.color_linear
                way = Vector(area.target) - Vector(area.location)
                lamp.matrix_world = (
                    Matrix.Translation(area.location) @ way.to_track_quat("-Z", "Y").to_matrix().to_4x4()
                )
        if self.world is not None:
            self._show_world(draw)

    def _show_world(self, draw: FrameDraw) -> None:
        nodes = self.nodes
        if draw.environment is not None:
            nodes["environment"].image = self.image(self.environments[draw.environment.index], True)
            nodes["turn"].inputs["Rotation"].default_value[2] = draw.environment.rotation_rad
            nodes["light"].inputs["Strength"].default_value = draw.environment.strength
        background = draw.background
        if background is not None and background.kind == "color":
            nodes["backdrop"].inputs["Color"].default_value = (*background.color_linear, 1.0)
        elif background is not None and background.image is not None:
            nodes["picture"].image = self.image(self.backgrounds[background.image], False)
        self.world.update_tag()


def _build_world(before: bpy.types.World | None, recipe: Recipe) -> tuple[bpy.types.World, dict[str, bpy.types.Node]]:
    """A copy of the scene's world, with what the recipe draws put in front of it, and SynGen's nodes in it.

    Light comes from an environment map where light is drawn, else from the scene's own world; the camera sees that
    light, a colour or a picture where the backdrop is drawn, else the scene's own world.
    """
    world = before.copy() if before is not None else bpy.data.worlds.new(f"{RIG} world")
    if not world.node_tree or not (bpy.app.version >= (5, 0) or world.use_nodes):  # one colour, whatever nodes it has
        color = tuple(world.color)
        world.use_nodes = True
        tree = world.node_tree
        tree.nodes.clear()
        plain = tree.nodes.new("ShaderNodeBackground")
        plain.inputs["Color"].default_value = (*color, 1.0)
        tree.links.new(plain.outputs[0], tree.nodes.new("ShaderNodeOutputWorld").inputs["Surface"])
    tree, links = world.node_tree, world.node_tree.links
    own_nodes: dict[str, bpy.types.Node] = {}

    def node(kind: str, name: str, x: int, y: int) -> bpy.types.Node:
        made = tree.nodes.new(kind)
        made.name = made.label = f"{RIG} {name}"
        made.location = (x, y)
        own_nodes[name] = made
        return made

    coordinates = node("ShaderNodeTexCoord", "coordinates", -1000, 700)
    seen = node("ShaderNodeMath", "seen", -100, 900)
    seen.operation = "MULTIPLY"
    links.new(node("ShaderNodeLightPath", "path", -300, 900).outputs["Is Camera Ray"], seen.inputs[1])
    output = (
        tree.get_output_node("ALL")
        or tree.get_output_node("CYCLES")
        or node("ShaderNodeOutputWorld", "output", 300, 700)
    )
    own = output.inputs["Surface"].links[0].from_socket if output.inputs["Surface"].links else None
    light = own
    if recipe.light.randomize:
        turn = node("ShaderNodeMapping", "turn", -800, 700)
        environment = node("ShaderNodeTexEnvironment", "environment", -600, 700)
        background = node("ShaderNodeBackground", "light", -300, 700)
        links.new(coordinates.outputs["Generated"], turn.inputs["Vector"])
        links.new(turn.outputs["Vector"], environment.inputs["Vector"])
        links.new(environment.outputs["Color"], background.inputs["Color"])
        light = background.outputs[0]
    if recipe.background.randomize and recipe.background.kind == "environment":
        backdrop = light
    elif recipe.background.randomize:
        shown = node("ShaderNodeBackground", "backdrop", -100, 500)
        if recipe.background.kind == "images":
            picture = node("ShaderNodeTexImage", "picture", -600, 500)
            picture.extension = "EXTEND"
            links.new(coordinates.outputs["Window"], picture.inputs["Vector"])
            links.new(picture.outputs["Color"], shown.inputs["Color"])
        backdrop = shown.outputs[0]
    else:
        backdrop = own
    mix = node("ShaderNodeMixShader", "mix", 100, 700)
    seen.inputs[0].default_value = 1.0
    links.new(seen.outputs[0], mix.inputs[0])
    for socket, source in ((mix.inputs[1], light), (mix.inputs[2], backdrop)):
        if source is not None:
            links.new(source, socket)
    links.new(mix.outputs[0], output.inputs["Surface"])
    world.cycles.sampling_method = "MANUAL"
    world.cycles.sample_map_resolution = IMPORTANCE_MAP
    return world, own_nodes
