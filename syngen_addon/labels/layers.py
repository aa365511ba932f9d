"""What the render hands to the labels. Imports numpy only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Layers:
    """The label layers of one frame, row 0 at the top.

    index: H x W int32, the instance at the pixel's centre, 0 for none. wear: H x W float32, the fraction of the pixel
    that the objects' own wear takes. also: the same of each further kind, by its name; what lies upon what does not
    count, so that the kinds of a pixel may sum to more than 1.
    """

    index: npt.NDArray[np.int32]
    wear: npt.NDArray[np.float32]
    also: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


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

    index: its value in Layers.index, over 0. object_class: the user's class name. kind: of its own wear.
    wear_class: "" where that counts as clean. level: 0 to 1. variant: of its gallery, -1 for none. layers: the further
    kinds that lie on it.
    """

    index: int
    name: str
    object_class: str
    kind: str
    wear_class: str
    level: float
    variant: int
    layers: tuple[FurtherWear, ...] = ()
