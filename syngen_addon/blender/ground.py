"""A ground under the targets that takes their shadows: a plane, of one colour or tiled with a picture. Imports bpy."""

from collections.abc import Callable
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

from ..sampling.draws import GroundDraw
from .state import Borrowed
from .world import upright

LOWERED = 2e-5
"""It lies lower by this share of its side: what lies flat on it would else share its surface."""


class Ground:
    """SynGen's own ground in a scene. Hidden until one is drawn."""

    def __init__(
        self,
        name: str,
        collection: bpy.types.Collection,
        pictures: tuple[Path, ...],
        image: Callable[[Path, bool], bpy.types.Image],
        up: tuple[float, float, float],
        borrowed: Borrowed,
    ) -> None:
        """pictures: what it may be tiled with. image: gives a file as a datablock, loaded once."""
        self.pictures, self.image = {path.name: path for path in pictures}, image
        self.up, self.upright = Vector(up), upright(up)
        mesh = borrowed.new(bpy.data.meshes, bpy.data.meshes.new(name))
        mesh.from_pydata([(-0.5, -0.5, 0), (0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, 0.5, 0)], [], [(0, 1, 2, 3)])
        material = borrowed.new(bpy.data.materials, bpy.data.materials.new(name))
        mesh.materials.append(material)
        self.object = borrowed.new(bpy.data.objects, bpy.data.objects.new(name, mesh))
        self.object.hide_render = self.object.hide_viewport = True
        collection.objects.link(self.object)
        self._build(material)

    def _build(self, material: bpy.types.Material) -> None:
        if bpy.app.version < (5, 0):
            material.use_nodes = True
        self.tree = material.node_tree
        self.shader = next(n for n in self.tree.nodes if n.type == "BSDF_PRINCIPLED")
        if self.pictures:
            make, link = self.tree.nodes.new, self.tree.links.new
            place, self.tiling = make("ShaderNodeTexCoord"), make("ShaderNodeMapping")
            self.picture = make("ShaderNodeTexImage")
            link(place.outputs["Object"], self.tiling.inputs["Vector"])
            link(self.tiling.outputs["Vector"], self.picture.inputs["Vector"])
            link(self.picture.outputs["Color"], self.shader.inputs["Base Color"])

    def show(self, draw: GroundDraw | None) -> None:
        """Put the drawn ground into the scene; None: there is none."""
        hidden = draw is None
        if self.object.hide_render != hidden:
            self.object.hide_render = self.object.hide_viewport = hidden
        if draw is None:
            return
        place = Vector(draw.center) - LOWERED * draw.side_m * self.up
        turned = self.upright.transposed().to_4x4() @ Matrix.Rotation(draw.rotation_rad, 4, "Z")
        self.object.matrix_world = Matrix.Translation(place) @ turned @ Matrix.Scale(draw.side_m, 4)
        self.shader.inputs["Base Color"].default_value = (*draw.color_linear, 1.0)
        self.shader.inputs["Roughness"].default_value = draw.roughness
        if draw.picture:
            self.picture.image = self.image(self.pictures[draw.picture], False)
            # Object space runs from -0.5 to 0.5 over the whole side.
            self.tiling.inputs["Scale"].default_value = (draw.side_m / draw.tile_m,) * 3
