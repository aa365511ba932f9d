"""Where things come to rest that fall onto a plane: Blender's rigid bodies, in a scene of its own. Imports bpy, numpy.

The bodies are convex hulls of few points. All is scaled so that a usual body is about 1 m large, for which Bullet's
tolerances are made; the scene is made once, and every fall begins from its first frame, so that no fall depends on
another.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ..sampling.draws import Matrix as Rows
from ..sampling.draws import Vector
from .state import Borrowed
from .support import extremes
from .world import upright

LONGEST = 300
"""Frames that a fall is followed for, a 24th of a second each; a ball may still roll then."""
AT_REST = 2e-4
"""What no body moves in a frame while all rest, in units of a usual body's radius."""
REST_FRAMES = 6
FLAT = 0.004
"""A sheet is made as thick as this, in its own radii: Bullet knows no flat hulls."""
GAP = 0.01
"""Bodies that would begin inside each other begin this far above each other, in radii."""


@dataclass(frozen=True)
class Falling:
    """A body. points (N x 3): world positions of its vertices. parts: of what hangs on it."""

    points: Any
    parts: Sequence[Any] = field(default=())


@dataclass
class _Body:
    """center: the middle of its mass, where Bullet has it; hull: its points from there; points: all of them, of which
    those between the hull's may lie a little lower on a round body. All in the fall's space."""

    block: bpy.types.Object
    center: Any
    hull: Any
    points: Any
    falls: bool


class Fall:
    """A scene in which bodies fall. Nothing of it stays but what borrowed takes back."""

    def __init__(
        self, bodies: Mapping[str, Falling], falling: set[str], up: Vector, floor: float, borrowed: Borrowed
    ) -> None:
        """falling: which of them fall; the others are in the way. floor: height of the plane along up."""
        radii = [float(np.linalg.norm(np.ptp(body.points, axis=0))) / 2 for body in bodies.values()]
        self.scale = 1.0 / max(float(np.median(radii)), 1e-9)
        self.turn = np.array(upright(up))
        self.floor = floor
        self.scene = borrowed.new(bpy.data.scenes, bpy.data.scenes.new("SynGen fall"))
        self.scene.render.fps = 24
        layer = self.scene.view_layers[0]
        with bpy.context.temp_override(scene=self.scene, view_layer=layer):
            bpy.ops.rigidbody.world_add()
        world = self.scene.rigidbody_world
        world.collection = borrowed.new(bpy.data.collections, bpy.data.collections.new("SynGen fall"))
        world.substeps_per_frame, world.solver_iterations = 10, 20
        world.point_cache.frame_start, world.point_cache.frame_end = 1, LONGEST + 1
        self.bodies: dict[str, _Body] = {}
        for name, body in sorted(bodies.items()):
            parts = [self._inside(each) for each in (body.points, *body.parts)]
            center = parts[0].mean(axis=0)
            hull = _thick(np.concatenate([extremes(part) for part in parts]) - center)
            block = self._block(hull, name in falling, borrowed)
            self.bodies[name] = _Body(block, center, hull, np.concatenate(parts) - center, name in falling)
        slab = [(x, y, z) for x in (-1e3, 1e3) for y in (-1e3, 1e3) for z in (-20.0, 0.0)]
        self._block(np.array(slab), False, borrowed)
        borrowed.afterwards(self._end)

    def _end(self) -> None:
        """Take the simulation out first: Blender (4.5 to 5.2) crashes where a scene is removed with one that has run,
        and the user's scene has run one, too."""
        with bpy.context.temp_override(scene=self.scene, view_layer=self.scene.view_layers[0]):
            bpy.ops.rigidbody.world_remove()

    def _inside(self, points: Any) -> Any:
        """From world space to the fall's: up is +Z, the floor at 0."""
        return (np.asarray(points) @ self.turn.T - (0, 0, self.floor)) * self.scale

    def _block(self, hull: Any, falls: bool, borrowed: Borrowed) -> bpy.types.Object:
        mesh = borrowed.new(bpy.data.meshes, bpy.data.meshes.new("SynGen fall"))
        mesh.from_pydata(hull.tolist(), [], [])
        block = borrowed.new(bpy.data.objects, bpy.data.objects.new("SynGen fall", mesh))
        block.rotation_mode = "QUATERNION"
        self.scene.collection.objects.link(block)
        self.scene.rigidbody_world.collection.objects.link(block)
        body = block.rigid_body
        body.type = "ACTIVE" if falls else "PASSIVE"
        body.collision_shape, body.use_margin, body.collision_margin = "CONVEX_HULL", True, 0.0
        body.friction, body.restitution = 0.6, 0.0
        body.linear_damping, body.angular_damping = 0.05, 0.35
        return block

    def rests(self, starts: Mapping[str, Rows]) -> dict[str, Rows]:
        """By body the matrix that moves it from where it stands in the scene to where it comes to rest, having been
        let go where `starts` moves it; for those that do not fall what starts says."""
        begun = self._begun({name: self._local(starts[name]) for name in self.bodies})
        for name, body in self.bodies.items():
            body.block.matrix_world = Matrix(begun[name] @ _moving(body.center))
        ended = self._ended()
        found = dict(starts)
        for name, body in self.bodies.items():
            if body.falls:
                matrix = ended[name]
                lowest = float((body.points @ matrix[2, :3]).min() + matrix[2, 3])
                matrix[2, 3] -= min(lowest, 0.0)  # never into the floor, whatever Bullet's last step did
                found[name] = self._world(matrix @ _moving(-body.center))
        return found

    def _begun(self, matrices: dict[str, Any]) -> dict[str, Any]:
        """The matrices, bodies that would begin in the floor or in each other's boxes lifted over it."""
        taken: list[tuple[Any, Any]] = []
        for name, body in sorted(self.bodies.items(), key=lambda item: (item[1].falls, item[0])):
            matrix = matrices[name]
            points = (body.hull + body.center) @ matrix[:3, :3].T + matrix[:3, 3]
            low, high = points.min(axis=0), points.max(axis=0)
            if body.falls:
                lift = self._lift(low, high, taken)
                low[2], high[2], matrix[2, 3] = low[2] + lift, high[2] + lift, matrix[2, 3] + lift
            taken.append((low, high))
        return matrices

    @staticmethod
    def _lift(low: Any, high: Any, taken: list[tuple[Any, Any]]) -> float:
        """How far a box must go up to be over the floor and clear of those that are taken."""
        lift = max(0.0, -float(low[2]))
        beside = [box for box in taken if (low[:2] < box[1][:2] - 1e-3).all() and (high[:2] > box[0][:2] + 1e-3).all()]
        for other_low, other_high in sorted(beside, key=lambda box: float(box[0][2])):
            if low[2] + lift < other_high[2] - 1e-3 and high[2] + lift > other_low[2] + 1e-3:
                lift = float(other_high[2] - low[2]) + GAP
        return lift

    def _ended(self) -> dict[str, Any]:
        """Let go, and follow until all rest."""
        layer, before, resting = self.scene.view_layers[0], None, 0
        falling = {name: body for name, body in self.bodies.items() if body.falls}
        with _no_handlers():
            self.scene.frame_set(1)
            for frame in range(2, LONGEST + 2):
                self.scene.frame_set(frame)
                depsgraph = layer.depsgraph
                now = np.array([b.block.evaluated_get(depsgraph).matrix_world for b in falling.values()])
                resting = resting + 1 if before is not None and np.abs(now - before).max(initial=0) < AT_REST else 0
                before = now
                if resting == REST_FRAMES:
                    break
        return dict(zip(falling, before, strict=True)) if before is not None else {}

    def _local(self, rows: Rows) -> Any:
        """A motion of world space as one of the fall's space."""
        there = self._space()
        return there @ np.array(rows) @ np.linalg.inv(there)

    def _world(self, matrix: Any) -> Rows:
        there = self._space()
        rows = np.linalg.inv(there) @ matrix @ there
        rows[3] = (0, 0, 0, 1)
        return tuple(tuple(float(value) for value in row) for row in rows)

    def _space(self) -> Any:
        space = np.eye(4)
        space[:3, :3] = self.scale * self.turn
        space[2, 3] = -self.scale * self.floor
        return space


def _moving(way: Any) -> Any:
    matrix = np.eye(4)
    matrix[:3, 3] = way
    return matrix


def _thick(points: Any) -> Any:
    """The points; those of a sheet or a line twice, on either side of it."""
    axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=True)[2]
    reach = float(np.linalg.norm(points, axis=1).max())
    for axis in range(3):
        spread = float(np.ptp(points @ axes[axis]))
        if spread < FLAT * reach:
            aside = FLAT / 2 * reach * axes[axis]
            points = np.concatenate([points - aside, points + aside])
    return points


@contextmanager
def _no_handlers() -> Iterator[None]:
    """Nobody is told of the frames of a fall."""
    handlers = bpy.app.handlers
    lists = [
        handlers.frame_change_pre,
        handlers.frame_change_post,
        handlers.depsgraph_update_pre,
        handlers.depsgraph_update_post,
    ]
    before = [list(each) for each in lists]
    try:
        for each in lists:
            each.clear()
        yield
    finally:
        for each, functions in zip(lists, before, strict=True):
            each[:] = functions
