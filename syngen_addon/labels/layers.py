"""What the render hands to the labels. Imports numpy only."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Layers:
    """The label layers of one frame, row 0 at the top.

    index: H x W int32, the instance at the pixel's centre, 0 for none. wear: H x W float32, wear fraction of the pixel.
    """

    index: npt.NDArray[np.int32]
    wear: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Instance:
    """One target in the scene, whether the camera sees it or not.

    index: its value in Layers.index, over 0. object_class: the user's class name. kind: the kind of wear.
    wear_class: "" where it counts as clean. level: 0 to 1. variant: of its gallery, -1 for none.
    """

    index: int
    name: str
    object_class: str
    kind: str
    wear_class: str
    level: float
    variant: int
