"""The targets' shapes as renders see them, and the boxes of what else may hide one. Imports bpy, numpy.

Read once for a job; from frame to frame only matrices change. A render evaluates the scene in its own way (levels of
subdivision, what only the viewport hides, instances), and what it then sees is known inside of it alone: so shapes are
read in a render by an engine of ours, which draws nothing and takes a millisecond.
"""

from collections.abc import Callable, Sequence

import bpy
import numpy as np

from ..errors import SynGenError
from ..labels.layers import Body, Keypoint
from ..labels.projection import box_corners
from ..labels.shape import Shape
from .instances import original
from .keypoints import keypoints_of

ENGINE = "SYNGEN_GEOMETRY"
SURFACES = {"MESH", "CURVE", "SURFACE", "FONT", "META", "CURVES", "POINTCLOUD", "VOLUME"}
"""Types of objects that may hide another."""
HAIRY = 20
"""Hair reaches at most so many diagonals of its object's box beyond that."""


class Geometry:
    """The bodies of a job's targets, and the boxes of everything else.

    Its boxes are larger than what they hold, and none is too many: where one overlaps a target's, the target's visible
    fraction is worked out pixel by pixel.
    """

    def __init__(self, scene: bpy.types.Scene, layer: bpy.types.ViewLayer, targets: Sequence[bpy.types.Object]) -> None:
        """Raises SynGenError where two keypoints of a target have one name."""
        self.scene, self.layer = scene, layer
        self.placed: dict[bpy.types.Object, np.ndarray] = {}
        """Where objects stood then, 4 x 4: what the viewport hides has no place of its own outside of a render."""
        self.targets = set(targets)
        self.shapes: dict[bpy.types.Object, Shape] = {}
        self.carried: dict[bpy.types.Object, np.ndarray] = {}
        """By the object that shows them, itself or as instances: K x 8 x 3 corners in its own space."""
        _in_a_render(scene, layer, self._read)
        sources = {obj: original(obj) for obj in targets}
        points = {source: keypoints_of(source) for source in set(sources.values())}
        self.keypoints: dict[bpy.types.Object, tuple[Keypoint, ...]] = {o: points[sources[o]] for o in targets}

    def body(self, obj: bpy.types.Object) -> Body | None:
        """A target's body where it stands now; None where it has no face."""
        shape = self.shapes.get(obj)
        return None if shape is None else Body(shape, self._matrix(obj), self.keypoints[obj])

    def others(self) -> np.ndarray:
        """K x 8 x 3 corners, in world space, of the boxes around all that renders show and that is no target, now."""
        found = [
            corners @ matrix[:3, :3].T + matrix[:3, 3]
            for obj, corners in self.carried.items()
            if not obj.hide_render
            for matrix in (self._matrix(obj),)
        ]
        for obj in self.scene.objects:  # what has come since, or was hidden then
            if obj not in self.carried and obj not in self.targets and obj.type in SURFACES and not obj.hide_render:
                matrix = self._matrix(obj)
                found.append(_box(obj)[None] @ matrix[:3, :3].T + matrix[:3, 3])
        return np.concatenate(found) if found else np.zeros((0, 8, 3))

    def _matrix(self, obj: bpy.types.Object) -> np.ndarray:
        """Object to world, 4 x 4, now. What the viewport hides goes with the target that it hangs on."""
        if obj not in self.placed or obj.visible_get(view_layer=self.layer):
            return np.array(obj.matrix_world, np.float64)
        leader = obj.parent
        while leader is not None and leader not in self.shapes:
            leader = leader.parent
        if leader is None:
            return self.placed[obj]
        return self._matrix(leader) @ np.linalg.pinv(self.placed[leader]) @ self.placed[obj]

    def _read(self, depsgraph: bpy.types.Depsgraph) -> None:
        parts: dict[bpy.types.Object, list[tuple[np.ndarray, np.ndarray]]] = {}
        plain: dict[bpy.types.Mesh, list[bpy.types.Object]] = {}
        carried: dict[bpy.types.Object, list[np.ndarray]] = {}
        away: dict[bpy.types.Object, np.ndarray] = {}
        for instance in depsgraph.object_instances:
            obj = instance.object.original
            carrier = instance.parent.original if instance.is_instance else obj
            if not instance.show_self or instance.object.type not in SURFACES:
                continue
            place = np.array(instance.matrix_world, np.float64)
            if carrier not in self.placed:
                self.placed[carrier] = np.array(instance.parent.matrix_world) if instance.is_instance else place
                away[carrier] = np.linalg.pinv(self.placed[carrier])  # one scaled to nothing has no inverse
            there = away[carrier] @ place if instance.is_instance else np.eye(4)
            if any(particles.settings.type == "HAIR" for particles in obj.particle_systems):
                carried.setdefault(carrier, []).append(_around(obj) @ there[:3, :3].T + there[:3, 3])
            if carrier in self.targets and obj == carrier:  # what its own modifiers make is part of it
                if not instance.is_instance and not obj.modifiers and obj.data.shape_keys is None:
                    plain.setdefault(obj.data, []).append(obj)
                else:
                    vertices, triangles = _triangles(instance.object.data)
                    parts.setdefault(obj, []).append((vertices @ there[:3, :3].T + there[:3, 3], triangles))
            elif obj.visible_camera and carrier.visible_camera:
                carried.setdefault(carrier, []).append(_box(instance.object) @ there[:3, :3].T + there[:3, 3])
        for mesh, objects in plain.items():
            shape = Shape.of(*_triangles(mesh))
            for obj in objects:
                if obj in parts:  # it makes instances of meshes beside its own, without a modifier
                    parts[obj].append((shape.points, shape.triangles))
                else:
                    self.shapes[obj] = shape
        for obj, found in parts.items():
            starts = np.cumsum([0, *(len(vertices) for vertices, _ in found)])
            points = np.concatenate([vertices for vertices, _ in found]).astype(np.float32)
            faces = np.concatenate([part + start for (_, part), start in zip(found, starts[:-1], strict=True)])
            self.shapes[obj] = Shape.of(points, faces.astype(np.int32))
        self.shapes = {obj: shape for obj, shape in self.shapes.items() if len(shape.triangles)}
        self.carried = {obj: np.array(corners) for obj, corners in carried.items()}


def _box(obj: bpy.types.Object) -> np.ndarray:
    return np.array([tuple(corner) for corner in obj.bound_box], np.float64)


def _around(obj: bpy.types.Object) -> np.ndarray:
    """A box for an object and the hair on it, which may be much longer than the object is wide."""
    corners = _box(obj)
    middle, size = corners.mean(axis=0), float(np.linalg.norm(np.ptp(corners, axis=0)))
    return box_corners(middle - HAIRY * size, middle + HAIRY * size)


def _triangles(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """(V x 3 vertices, T x 3 triangles) of a mesh."""
    mesh.calc_loop_triangles()
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    triangles = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    return vertices.reshape(-1, 3), triangles.reshape(-1, 3)


def _in_a_render(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer, read: Callable[[bpy.types.Depsgraph], None]
) -> None:
    """Call read with the depsgraph of a render of the scene, which draws nothing. Raises what read raises."""
    raised: list[Exception] = []
    called: list[bool] = []

    class Engine(bpy.types.RenderEngine):
        bl_idname = ENGINE
        bl_label = "SynGen Geometry"

        def render(self, depsgraph: bpy.types.Depsgraph) -> None:
            called.append(True)
            try:
                read(depsgraph)
            except Exception as error:  # Blender would print it and go on
                raised.append(error)

    before = scene.render.engine
    bpy.utils.register_class(Engine)
    try:
        scene.render.engine = ENGINE
        bpy.ops.render.render(scene=scene.name, layer=layer.name)
    finally:
        scene.render.engine = before
        bpy.utils.unregister_class(Engine)
    if raised:
        raise raised[0]
    if not called:
        raise SynGenError("Blender did not render the scene, so its geometry cannot be read.", "Start the job again.")
