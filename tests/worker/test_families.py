"""Variants of Stable Diffusion by the same code: our picture is that of the bare diffusers call."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoPipelineForText2Image, DDIMScheduler, LCMScheduler

from syngen_addon import images
from syngen_addon.worker import diffusion
from syngen_addon.worker.protocol import Generate
from tests.worker.builders import build_sd
from tests.worker.test_through_the_worker import Quiet


@pytest.mark.parametrize(
    ("family", "scheduler", "guidance"), [("2", "auto", 7.5), ("turbo", "auto", 0.0), ("lcm", "lcm", 1.5)]
)
def test_a_family_is_made_by_the_same_code(family: str, scheduler: str, guidance: float, tmp_path: Path) -> None:
    model = build_sd(tmp_path / "model", text=32 if family == "2" else 16)
    if family == "2":  # another text encoder, and a network that predicts velocity
        DDIMScheduler.from_pretrained(model, subfolder="scheduler", prediction_type="v_prediction").save_pretrained(
            model / "scheduler"
        )
    job = Generate(
        str(model), str(tmp_path / "out"), "text", "rust", "", 64, 64, (7,), 4, guidance, scheduler=scheduler
    )
    done = diffusion.generate(job, Quiet())
    diffusion.forget()
    bare = AutoPipelineForText2Image.from_pretrained(model, local_files_only=True, use_safetensors=True)
    if family == "lcm":
        bare.scheduler = LCMScheduler.from_config(bare.scheduler.config)
    if family == "2":
        assert bare.scheduler.config.prediction_type == "v_prediction"
    bare.set_progress_bar_config(disable=True)
    wanted = bare(
        "rust", negative_prompt="", width=64, height=64, num_inference_steps=4, guidance_scale=guidance,
        generator=torch.Generator("cpu").manual_seed(7), output_type="np",
    ).images[0]  # fmt: skip
    assert done["faults"] == [""]
    assert np.abs(images.load(done["pictures"][0])[..., :3] - wanted).max() <= 1.01 / 255
