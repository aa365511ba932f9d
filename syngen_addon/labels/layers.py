"""What the render and the scene hand to the labels. Imports numpy and labels.shape only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from .shape import Shape

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Layers:
    """The label layers of one frame, row 0 at the top.

    index: H x W int32, the instance at the pixel's centre, 0 for none. wear: H x W float32, the fraction of the pixel
    that the objects' own wear takes. also: the same of each further kind, by its name; what lies upon what does not
    count, so that the kinds of a pixel may sum to more than 1. depth: H x W float32, distance along the view axis in
    units of the scene, anything from 1e9 on where there is nothing. normal: H x W x 3 float32, in world space.
    """

    index: npt.NDArray[np.int32]
    wear: npt.NDArray[np.float32]
    also: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    depth: npt.NDArray[np.float32] | None = None
    normal: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class View:
    """The camera of one frame.

    matrix_world: 4 x 4, camera to world; Blender's camera looks down its -Z, +Y up. Its scale does not count. fx, fy:
    pixels a radian in the middle of the picture (focal length in pixels); of an orthographic camera pixels a unit.
    cx, cy: where the view axis meets the picture, in pixels from its top left corner (the middle of the first pixel is
    0.5, 0.5), so that lens shift is in them. clip_start: nothing nearer is seen. metres: those of a unit of the scene.
    """

    kind: Literal["PERSP", "ORTHO"]
    matrix_world: Floats
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    clip_start: float
    metres: float = 1.0


@dataclass(frozen=True)
class Keypoint:
    """A named point of a target, in its object space."""

    name: str
    position: tuple[float, float, float]


@dataclass(frozen=True)
class Body:
    """A target's geometry in one frame. The shape is made once, and may be shared; matrix_world: 4 x 4."""

    shape: Shape
    matrix_world: Floats
    keypoints: tuple[Keypoint, ...] = ()


@dataclass(frozen=True)
class FurtherWear:
    """A kind of wear that lies on an instance beside its own; the fields are an Instance's."""

    kind: str
    wear_class: str
    level: float
    variant: int


@dataclass(frozen=True)
class Instance:
    """One target in the scene, whether the camera sees it or not.

    index: its value in Layers.index, over 0. classes: its class for each choice of labels.class_from that the scene
    answers ("object" always; "collection", "property"); the record adds those that hang on the wear. kind: of its own
    wear. wear_class: "" where that counts as clean. level: 0 to 1. variant: of its gallery, -1 for none. layers: the
    further kinds that lie on it. body: None where the record is to have no geometry.
    """

    index: int
    name: str
    classes: Mapping[str, str]
    kind: str
    wear_class: str
    level: float
    variant: int
    layers: tuple[FurtherWear, ...] = ()
    body: Body | None = None
