"""The world of a frame: an environment map or Blender's sky, and what the camera sees behind the scene. Imports bpy.

The world is a copy of the scene's, with SynGen's nodes in front of it. One link says what lights a frame, so that the
sky costs the frames of an environment map nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import bpy
from mathutils import Euler, Matrix, Vector

from ..recipe import Recipe
from ..sampling.draws import FrameDraw, SkyDraw

IMPORTANCE_MAP = 512
"""Side of the environment's importance map: Cycles' own choice costs a second a frame whenever the map changes."""
SKY_SCALE = 0.18
"""What makes Blender's sky about as bright as an environment map of the same strength."""
BELOW = (0.24, 0.22, 0.20, 1.0)
"""Under the horizon the sky lights a ground that gives back so much of it; Blender's own is black there."""


@dataclass
class World:
    """SynGen's own world in a scene. image: gives a file as a datablock, loaded once."""

    block: bpy.types.World
    environments: tuple[Path, ...]
    backgrounds: tuple[Path, ...]
    image: Callable[[Path, bool], bpy.types.Image]
    upright: Matrix
    """Turns the up axis to +Z, where maps and sky have theirs."""
    nodes: dict[str, bpy.types.Node] = field(default_factory=dict)
    """Its own nodes by what they are for; their names in the tree may have got a number."""

    def show(self, draw: FrameDraw) -> None:
        """Put a drawn frame's light and backdrop into the world."""
        nodes = self.nodes
        if draw.environment is not None and "environment" in nodes:
            nodes["environment"].image = self.image(self.environments[draw.environment.index], True)
            nodes["turn"].inputs["Rotation"].default_value = self._turned(draw.environment.rotation_rad)
            self._light_with("environment", draw.environment.strength)
        elif draw.sky is not None and "sky" in nodes:
            self._show_sky(draw.sky)
            self._light_with("ground", draw.sky.strength * SKY_SCALE)
        background = draw.background
        if background is not None and background.kind == "color":
            nodes["backdrop"].inputs["Color"].default_value = (*background.color_linear, 1.0)
        elif background is not None and background.image is not None:
            nodes["picture"].image = self.image(self.backgrounds[background.image], False)
        self.block.update_tag()

    def _light_with(self, name: str, strength: float) -> None:
        light, source = self.nodes["light"], self.nodes[name]
        light.inputs["Strength"].default_value = strength
        if light.inputs["Color"].links[0].from_node != source:
            self.block.node_tree.links.new(_color_of(source), light.inputs["Color"])

    def _turned(self, angle: float) -> Euler:
        if self.upright == Matrix.Identity(3):
            return Euler((0.0, 0.0, angle))
        return (Matrix.Rotation(angle, 3, "Z") @ self.upright).to_euler()

    def _show_sky(self, sky: SkyDraw) -> None:
        node, towards = self.nodes["sky"], self.upright @ Vector(sky.towards_sun)
        node.sun_elevation = math.asin(max(-1.0, min(1.0, towards.z)))
        node.sun_rotation = math.atan2(towards.x, towards.y) % (2 * math.pi)  # from +Y towards +X
        node.air_density, node.ozone_density = sky.air, sky.ozone
        setattr(node, "dust_density" if hasattr(node, "dust_density") else "aerosol_density", sky.dust)


def build_world(
    before: bpy.types.World | None,
    name: str,
    recipe: Recipe,
    environments: tuple[Path, ...],
    backgrounds: tuple[Path, ...],
    image: Callable[[Path, bool], bpy.types.Image],
    up: tuple[float, float, float],
) -> World:
    """A copy of the scene's world, with what the recipe draws put in front of it.

    Light comes from an environment map or the sky where light is drawn, else from the scene's own world; the camera
    sees that light, a colour or a picture where the backdrop is drawn, else the scene's own world.
    """
    world = before.copy() if before is not None else bpy.data.worlds.new(f"{name} world")
    if not world.node_tree or not (bpy.app.version >= (5, 0) or world.use_nodes):  # one colour, whatever nodes it has
        color = tuple(world.color)
        world.use_nodes = True
        tree = world.node_tree
        tree.nodes.clear()
        plain = tree.nodes.new("ShaderNodeBackground")
        plain.inputs["Color"].default_value = (*color, 1.0)
        tree.links.new(plain.outputs[0], tree.nodes.new("ShaderNodeOutputWorld").inputs["Surface"])
    tree, links = world.node_tree, world.node_tree.links
    made = World(world, environments, backgrounds, image, upright(up))

    def node(kind: str, purpose: str, x: int, y: int) -> bpy.types.Node:
        new = tree.nodes.new(kind)
        new.name = new.label = f"{name} {purpose}"
        new.location = (x, y)
        made.nodes[purpose] = new
        return new

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
        if recipe.light.sky > 0:
            _build_sky(node, links, coordinates, made.upright)
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
    return made


def upright(up: tuple[float, float, float]) -> Matrix:
    """The rotation (3 x 3) that turns this axis to +Z; the identity where it is +Z already."""
    axis = Vector(up)
    side = Vector((0, 1, 0)) if abs(axis.x) > 0.9 else Vector((1, 0, 0))
    return Matrix((side, axis.cross(side), axis))


def _build_sky(
    node: Callable[[str, str, int, int], bpy.types.Node],
    links: bpy.types.NodeLinks,
    coordinates: bpy.types.Node,
    upright: Matrix,
) -> None:
    """The sky, mirrored under the horizon as what lies there gives it back."""
    stood = node("ShaderNodeMapping", "sky turn", -1400, 1100)
    stood.inputs["Rotation"].default_value = upright.to_euler()
    parts, folded = (
        node("ShaderNodeSeparateXYZ", "direction", -1200, 1100),
        node("ShaderNodeCombineXYZ", "up", -800, 1100),
    )
    height = node("ShaderNodeMath", "height", -1000, 1100)
    height.operation = "ABSOLUTE"
    sky = node("ShaderNodeTexSky", "sky", -600, 1100)
    sky.sky_type = "NISHITA" if bpy.app.version < (5, 0) else "SINGLE_SCATTERING"  # the same by another name
    sky.sun_disc = False  # the sun lamp is that
    sky.altitude = 0.0
    under = node("ShaderNodeMapRange", "under", -600, 1400)
    under.inputs["From Min"].default_value, under.inputs["From Max"].default_value = 0.0, -0.02
    ground = node("ShaderNodeMix", "ground", -400, 1100)
    ground.data_type, ground.blend_type = "RGBA", "MULTIPLY"
    color, tinted = (next(s for s in ground.inputs if s.identifier == name) for name in ("A_Color", "B_Color"))
    tinted.default_value = BELOW
    links.new(coordinates.outputs["Generated"], stood.inputs["Vector"])
    links.new(stood.outputs["Vector"], parts.inputs["Vector"])
    links.new(parts.outputs["Z"], height.inputs[0])
    for axis in "XY":
        links.new(parts.outputs[axis], folded.inputs[axis])
    links.new(height.outputs[0], folded.inputs["Z"])
    links.new(folded.outputs[0], sky.inputs["Vector"])
    links.new(parts.outputs["Z"], under.inputs["Value"])
    links.new(under.outputs[0], ground.inputs[0])
    links.new(sky.outputs["Color"], color)


def _color_of(node: bpy.types.Node) -> bpy.types.NodeSocket:
    return next(s for s in node.outputs if s.enabled and s.type == "RGBA")
