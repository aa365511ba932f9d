"""How targets lie in a frame: turned, tilted, moved, fallen; all of it taken back. Imports bpy, numpy, mathutils.

A target hangs for the time of a job on an empty of ours that moves it; its own place, keys, drivers and deltas are not
touched, what hangs on it goes with it, and any matrix it has in the scene, sheared ones too, is its matrix here. Where
it falls is found in a scene of its own (falling.py).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ..recipe import Recipe
from ..sampling.draws import FrameDraw, PoseDraw, SceneFacts
from ..sampling.draws import Matrix as Rows
from ..sampling.poses import draw_poses, pose_matrix
from .falling import Fall, Falling
from .state import Borrowed

IDENTITY: Rows = tuple(tuple(float(i == j) for j in range(4)) for i in range(4))
SAME = 1e-4
"""A target moves as a whole where its vertices do, up to this share of its radius."""


def moves(recipe: Recipe) -> bool:
    """Whether the recipe poses any target."""
    pose = recipe.pose
    return pose.randomize and (pose.drop or any(pose.yaw_deg + pose.tilt_deg + pose.shift_m))


class Poser:
    """Moves the targets of one run.

    stuck: names of those that cannot be moved, with the reason; they stay, and warnings says so.
    """

    def __init__(
        self,
        recipe: Recipe,
        objects: Sequence[bpy.types.Object],
        facts: SceneFacts,
        collection: bpy.types.Collection,
        layer: bpy.types.ViewLayer,
        borrowed: Borrowed,
        workshop: Borrowed,
    ) -> None:
        """collection: gets the empties. workshop: gets the scene in which targets fall, where they do."""
        self.facts, self.layer = facts, layer
        self.targets = {t.name: t for t in facts.targets}
        self.objects = {obj.name: obj for obj in objects}
        self.rides = {obj.name: leader.name for obj in objects if (leader := _leader(obj, set(objects))) is not None}
        self.stuck = {name: why for name, obj in self.objects.items() if (why := _why_stuck(obj))}
        self.handles: dict[str, bpy.types.Object] = {}
        before = self._vertices()
        borrowed.afterwards(layer.update)  # the last of what is taken back here: all is where it was
        for name, obj in self.objects.items():
            if name not in self.stuck and name not in self.rides:
                self.handles[name] = _hang(obj, collection, layer, borrowed)
        self._try_all(before)
        self.warnings = [f"{name} stays where it is: {why}." for name, why in sorted(self.stuck.items())]
        self.warnings += [
            f"{name} is parented to the target {leader}, so it moves with it."
            for name, leader in sorted(self.rides.items())
            if leader not in self.stuck
        ]
        self.fall: Fall | None = None
        if recipe.pose.drop:
            floor = min(float(np.dot(facts.up, corner)) for t in facts.targets for corner in t.corners)
            bodies = {n: Falling(points, self._parts(n, before)) for n, points in before.items() if n not in self.rides}
            self.fall = Fall(bodies, set(self.handles) - set(self.stuck), facts.up, floor, workshop)
        self.seen: tuple[int, int] | None = None
        self.rests: dict[str, Rows] = {}

    def _parts(self, name: str, before: Mapping[str, Any]) -> list[Any]:
        """The vertices of the targets that ride on this one."""
        return [before[rider] for rider, leader in self.rides.items() if leader == name]

    def rest(self, recipe: Recipe, seed: int, frame: int) -> dict[str, Rows]:
        """By target the matrix that moves it, in world space, to where it lies in this frame; those that stay, too."""
        if self.seen != (seed, frame):  # attempts of a frame differ in none of it
            self.rests, self.seen = self._rests(draw_poses(recipe, self.facts, seed, frame)), (seed, frame)
        return self.rests

    def _rests(self, poses: Mapping[str, PoseDraw]) -> dict[str, Rows]:
        found = {name: IDENTITY for name in self.objects}
        for name in self.handles:
            if name in poses and name not in self.stuck:
                found[name] = pose_matrix(self.targets[name], poses[name], self.facts.up)
        if self.fall is not None:
            found |= self.fall.rests({name: found[name] for name in self.objects if name not in self.rides})
        for name, leader in self.rides.items():
            found[name] = found[leader]
        return found

    def told(self, draw: FrameDraw, rests: Mapping[str, Rows]) -> FrameDraw:
        """The draw with where targets really lie, and without the poses of those that are not posed."""
        posed = {name: pose for name, pose in draw.poses.items() if name in self.handles and name not in self.stuck}
        lying = {name: matrix for name, matrix in rests.items() if matrix != IDENTITY}
        return dataclasses.replace(draw, poses=posed, rests=lying)

    def show(self, rests: Mapping[str, Rows]) -> None:
        """Put the targets where these matrices move them."""
        for name, handle in self.handles.items():
            handle.matrix_world = Matrix(rests.get(name, IDENTITY))

    def _try_all(self, before: Mapping[str, Any]) -> None:
        """Move each another way, and see whether all of it comes along: else something else has a hold on it."""
        ways = {}
        for number, name in enumerate(self.handles):
            facts, turn = self.targets[name], Matrix.Rotation(0.5 + 0.37 * number, 4, self.facts.up)
            center = Matrix.Translation(facts.center)
            aside = Matrix.Translation((facts.radius, 0.3 * facts.radius * (1 + number % 5), 0.1 * facts.radius))
            ways[name] = aside @ center @ turn @ center.inverted()
            self.handles[name].matrix_world = ways[name]
        after = self._vertices()
        for name, way in ways.items():
            matrix, there = np.array(way), after[name]
            wanted = before[name] @ matrix[:3, :3].T + matrix[:3, 3]
            if wanted.shape != there.shape or np.abs(wanted - there).max(initial=0) > SAME * self.targets[name].radius:
                self.stuck[name] = "a modifier or a simulation ties its shape to other objects"
        self.show({})
        self.layer.update()

    def _vertices(self) -> dict[str, Any]:
        """World positions (N x 3) of every target's evaluated vertices."""
        self.layer.update()
        depsgraph = self.layer.depsgraph
        return {name: world_vertices(obj, depsgraph) for name, obj in self.objects.items()}


def world_vertices(obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Any:
    """World positions (N x 3, float64) of an object's evaluated vertices."""
    evaluated = obj.evaluated_get(depsgraph)
    mesh = evaluated.to_mesh()
    local = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", local)
    evaluated.to_mesh_clear()
    matrix = np.array(evaluated.matrix_world)
    return local.reshape(-1, 3).astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def _leader(obj: bpy.types.Object, targets: set[bpy.types.Object]) -> bpy.types.Object | None:
    """The topmost target that it hangs on, however far above."""
    found, above = None, obj.parent
    while above is not None:
        found = above if above in targets else found
        above = above.parent
    return found


def _why_stuck(obj: bpy.types.Object) -> str:
    if obj.library is not None:
        return "it is linked from another file (a library override can be moved)"
    if obj.rigid_body is not None and obj.rigid_body.type == "ACTIVE" and obj.rigid_body.enabled:
        return "the scene's rigid bodies move it"
    return ""


def _hang(
    obj: bpy.types.Object, collection: bpy.types.Collection, layer: bpy.types.ViewLayer, borrowed: Borrowed
) -> bpy.types.Object:
    """Hang a target on a new empty at the origin, without moving it."""
    handle = borrowed.new(bpy.data.objects, bpy.data.objects.new(f"SynGen pose of {obj.name}", None))
    handle.empty_display_size, handle.rotation_mode = 0.01, "QUATERNION"
    collection.objects.link(handle)
    place = obj.evaluated_get(layer.depsgraph).matrix_world.copy()
    basis = obj.matrix_basis.copy()
    for constraint in obj.constraints:  # what they make of its place is in the matrix already
        borrowed.set(constraint, "mute", True)
    # What belongs together is noted in this order, and given back in the other.
    borrowed.set(obj, "matrix_parent_inverse", place @ basis.inverted_safe())
    borrowed.set(obj, "parent_vertices", tuple(obj.parent_vertices))
    borrowed.set(obj, "parent_bone", "")
    borrowed.set(obj, "parent_type", "OBJECT")
    borrowed.set(obj, "parent", handle)
    obj.matrix_parent_inverse = place @ basis.inverted_safe()
    return handle
