"""Which renders a frame takes: one of Cycles for picture and labels, or two. Imports bpy by way of render.

Labels are of the sharp scene, and exact only in Cycles. Where the picture is blurred, or of another engine, they come
from a render of their own: Cycles with one sample a pixel, all blur off. The index is exact from the first sample on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..labels.layers import Layers
from ..recipe import Recipe
from . import render
from .state import Borrowed

FEW = 4
"""The least pixels in a row that Blender renders."""


@dataclass(frozen=True)
class Rendered:
    """A frame as rendered: the bytes of its PNG, and its label layers."""

    picture: bytes
    layers: Layers


class Renderer:
    """Renders the scene as it stands, after render.configure.

    also: the further kinds of wear that it was told. scratch: a folder for files of a moment.
    apart: whether labels have a render of their own, so that a look at them costs nothing that the frame does not.
    by_turns: whether that is of another engine. Blender keeps what it built for one of them only, so looks are best
    taken many in a row (see frames.py).
    """

    def __init__(
        self,
        scene: bpy.types.Scene,
        layer: bpy.types.ViewLayer,
        recipe: Recipe,
        scratch: Path,
        borrowed: Borrowed,
        also: Sequence[str] = (),
        should_stop: Callable[[], bool] = lambda: False,
        away: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> None:
        """away: takes what comes and goes from frame to frame out of the scene for a while; None where nothing does."""
        self.scene, self.layer, self.scratch, self.also = scene, layer, scratch, tuple(also)
        self.samples = int(scene.cycles.samples)
        self.denoise = bool(scene.cycles.use_denoising)
        self.should_stop, self.away = should_stop, away
        self.stale = False
        """Whether Cycles may still have what another draw showed."""
        blurred = recipe.render.motion_blur or (
            recipe.camera.dof and (recipe.camera.randomize or scene.camera.data.dof.use_dof)
        )
        self.by_turns = recipe.render.engine != "cycles"
        self.apart = self.by_turns or blurred
        self.label_scene = scene
        # What a simulation of rigid bodies has worked out belongs to its scene, and a copy begins anew.
        if self.by_turns and scene.rigidbody_world is None:
            self.label_scene = _for_labels(scene, layer, borrowed)

    def frame(self, looked: Layers | None = None) -> Rendered | None:
        """Picture and labels; None where a stop was asked for. Raises SynGenError where Blender cannot render.

        looked: what `look` gave of this very frame; it is not rendered again where labels have a render of their own.
        """
        if self.should_stop():
            return None
        if not self.apart:
            self._forget(self.scene)
            self._sample(self.scene, self.samples, self.denoise)
            done = render.render_frame(self.scene, self.layer, self.scratch, self.also)
            return None if done is None or self.should_stop() else Rendered(*done)
        layers = looked or self.look()
        picture = None if layers is None else self.picture()
        return None if picture is None or layers is None else Rendered(picture, layers)

    def picture(self) -> bytes | None:
        """The picture alone, of a frame whose labels are apart; None where a stop was asked for."""
        if self.should_stop():
            return None
        if not self.by_turns:
            self._forget(self.scene)
        self._sample(self.scene, self.samples, self.denoise)
        picture = render.render_picture(self.scene, self.layer, self.scratch)
        return None if self.should_stop() else picture

    def look(self) -> Layers | None:
        """The labels alone, of one sample a pixel; None where a stop was asked for."""
        if self.should_stop():
            return None
        scene = self.label_scene
        with self._sharp(scene):
            self._forget(scene)
            self._sample(scene, 1, False)
            layers = render.render_layers(scene, scene.view_layers[self.layer.name], self.scratch, self.also)
        return None if self.should_stop() else layers

    def changed(self) -> None:
        """To be told that another draw was put into the scene."""
        self.stale = self.away is not None

    def _forget(self, scene: bpy.types.Scene) -> None:
        """Have Cycles let go of what came and went, by a render of a few pixels without any of it.

        An object that goes leaves a gap in Cycles' list, which the last one fills: their order, and with it the noise
        and what shows where surfaces share a place, would hang on the frames before.
        """
        if not self.stale or self.away is None:
            return
        self.stale = False
        with self.away(), _set((scene.render, "resolution_x", FEW), (scene.render, "resolution_y", FEW)):
            self._sample(scene, 1, False)
            render.render_nothing(scene, scene.view_layers[self.layer.name])

    def _sample(self, scene: bpy.types.Scene, samples: int, denoise: bool) -> None:
        scene.cycles.samples, scene.cycles.use_denoising = samples, denoise

    def looks(self) -> AbstractContextManager[None]:
        """To take several looks in, with no picture between them."""
        return _set((self.label_scene.render, "engine", "CYCLES"))

    def _sharp(self, scene: bpy.types.Scene) -> AbstractContextManager[None]:
        """Cycles, and no blur, for a while."""
        if not self.apart:
            return nullcontext()
        return _set(
            (scene.render, "engine", "CYCLES"),
            (scene.render, "use_motion_blur", False),
            (scene.camera.data.dof, "use_dof", False),
        )


@contextmanager
def _set(*values: tuple[bpy.types.bpy_struct, str, object]) -> Iterator[None]:
    """Set properties for a while: (owner, name, value) each. What is so already is left alone: with every setting of
    an engine, were it the same again, Blender throws away what it keeps between renders."""
    before = [(owner, name, getattr(owner, name)) for owner, name, value in values if getattr(owner, name) != value]
    try:
        for owner, name, value in values:
            if getattr(owner, name) != value:
                setattr(owner, name, value)
        yield
    finally:
        for owner, name, old in before:
            setattr(owner, name, old)


def _for_labels(scene: bpy.types.Scene, layer: bpy.types.ViewLayer, borrowed: Borrowed) -> bpy.types.Scene:
    """A second scene of the same objects for the renders of labels, until borrowed ends.

    The picture's scene needs no passes then, and this one no light: without a world, Cycles need not work out where in
    each new environment its light comes from.
    """
    copy = borrowed.new(bpy.data.scenes, scene.copy())
    copy.render.engine, copy.render.use_motion_blur, copy.render.use_compositing = "CYCLES", False, False
    copy.world = None
    layer.use_pass_object_index = layer.use_pass_z = layer.use_pass_normal = False  # render.configure gives them back
    return copy
