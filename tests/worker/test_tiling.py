"""Circular padding: what it makes of the networks, and that nothing of it stays behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import nn

from syngen_addon.worker import tiling
from tests.worker import builders

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.set_num_threads(1)  # tiny networks are faster so, and other processes do not slow them down
    folder = builders.build_sd(tmp_path_factory.mktemp("tiling") / "sd")
    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.controlnet = builders.ControlNetModel.from_pretrained(
        builders.build_controlnet(folder.parent / "control", folder), local_files_only=True
    )
    return pipeline


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


def denoise(pipeline: Any, x: torch.Tensor) -> torch.Tensor:
    return pipeline.unet(x, 500, noise(1, 5, builders.TINY_TEXT), return_dict=False)[0]


def decode(pipeline: Any, x: torch.Tensor) -> torch.Tensor:
    return pipeline.vae.decode(x, return_dict=False)[0]


def encode(pipeline: Any, x: torch.Tensor) -> torch.Tensor:
    return pipeline.vae.encode(x).latent_dist.mean


def hold(pipeline: Any, x: torch.Tensor) -> torch.Tensor:
    net, latents = pipeline.controlnet, noise(1, 4, 1, 1).expand(-1, -1, x.shape[2] // 8, x.shape[3] // 8)
    return net(latents, 500, noise(1, 5, builders.TINY_TEXT), x, 1.0, return_dict=False)[0][0]


# What, of which shape it takes, by how much its input and its output are shifted.
NETWORKS = [
    (denoise, (1, 4, 8, 16), 2, 2),
    (decode, (1, 4, 8, 16), 3, 24),
    (encode, (1, 3, 64, 128), 24, 3),
    (hold, (1, 3, 64, 128), 24, 3),
]


@pytest.mark.parametrize(("network", "shape", "shift", "shifted"), NETWORKS)
@pytest.mark.parametrize("dim", [2, 3])
def test_what_is_shifted_gives_what_is_shifted(
    pipeline: Any, network: Callable[..., torch.Tensor], shape: tuple[int, ...], shift: int, shifted: int, dim: int
) -> None:
    x = noise(*shape)
    with torch.no_grad(), tiling.circular([pipeline.unet, pipeline.vae, pipeline.controlnet]):
        there = network(pipeline, x.roll(shift, dim))
        here = network(pipeline, x).roll(shifted, dim)
        torch.testing.assert_close(there, here, **CLOSE)
    with torch.no_grad():
        assert (network(pipeline, x.roll(shift, dim)) - network(pipeline, x).roll(shifted, dim)).abs().max() > 0.01


def state(model: nn.Module) -> list[dict[str, Any]]:
    return [
        {n: v for n, v in vars(m).items() if not n.startswith("_m") and n != "_parameters"} for m in model.modules()
    ]


def test_afterwards_it_is_as_before_even_after_an_error(pipeline: Any) -> None:
    before, x = [dict(s) for s in state(pipeline.vae)], noise(1, 4, 8, 8)
    with torch.no_grad():
        plain = decode(pipeline, x)
        with pytest.raises(RuntimeError, match="on purpose"), tiling.circular([pipeline.vae]):
            assert not torch.equal(decode(pipeline, x), plain)
            raise RuntimeError("on purpose")
        assert torch.equal(decode(pipeline, x), plain)
    assert str(state(pipeline.vae)) == str(before)


def test_it_holds_under_offload_as_well(pipeline: Any) -> None:
    x = noise(1, 4, 8, 8)
    with torch.no_grad():
        with tiling.circular([pipeline.vae]):
            plain = decode(pipeline, x)
        pipeline.enable_model_cpu_offload(device="cpu")
        try:
            with tiling.circular([pipeline.vae]):
                assert torch.equal(decode(pipeline, x), plain)
        finally:
            pipeline.remove_all_hooks()


def test_builders_write_the_same_bytes_twice(tmp_path: Path) -> None:
    one, other = (builders.build_sd(tmp_path / name) for name in ("one", "other"))
    for file in sorted(f for f in one.rglob("*") if f.is_file()):
        assert file.read_bytes() == (other / file.relative_to(one)).read_bytes(), file
