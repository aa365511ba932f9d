"""Pictures that wrap at their borders: every convolution pads with the other side instead of with zeros.

Imports torch and diffusers' layers. What is circular from the first latent to the last pixel has no border to show:
the step from the last column to the first is one between neighbours. A network of convolutions and of attention
without positions is then equivariant to shifts. That holds for U-Nets (Stable Diffusion 1, 2, XL), their VAE and
ControlNets; a transformer knows where in the picture it is, and its pictures do not wrap.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from diffusers.models.downsampling import Downsample2D
from torch import nn


@contextmanager
def circular(models: Iterable[Any]) -> Iterator[None]:
    """Inside it, the convolutions of the models wrap, both ways; afterwards they are as before, come what may.

    models: torch modules; hooks for offload and adapters (LoRA) on them may be there, VAE tiling must not: its tiles
    would wrap each for itself. Only attributes change, no function, so hooks do not mind.
    """
    layers = [layer for model in models for layer in model.modules()]
    before = [_state(layer) for layer in layers]
    try:
        for layer in layers:
            _wrap(layer)
        yield
    finally:
        for layer, state in zip(layers, before, strict=True):
            for name, value in state.items():
                setattr(layer, name, value)


def _state(layer: Any) -> dict[str, Any]:
    """What of the layer _wrap may change."""
    names: tuple[str, ...] = ()
    if isinstance(layer, nn.Conv2d):
        names = ("padding_mode", "_reversed_padding_repeated_twice")
    elif isinstance(layer, Downsample2D):
        names = ("padding",)
    return {name: getattr(layer, name) for name in names}


def _wrap(layer: Any) -> None:
    if isinstance(layer, nn.Conv2d):
        layer.padding_mode = "circular"  # torch then pads by _reversed_padding_repeated_twice
    elif isinstance(layer, Downsample2D) and layer.use_conv and layer.padding == 0:
        # The VAE's encoder pads right and below by hand, with zeros: have its convolution do that, before or after it
        # is visited itself. Any padding but 0 keeps the layer from doing it.
        layer.padding = 1
        layer.conv._reversed_padding_repeated_twice = [0, 1, 0, 1]
