"""A picture asked of the worker, against the same pipeline called in this process: CPU time of both processes together.

Stable Diffusion's own classes with random weights, small ones, at 64 x 64 latents; loaded and warm on both sides. The
worker's side begins with the job and ends with the finished PNG, the other's with the bare call of diffusers.
"""

import os
import sys
import tempfile
from pathlib import Path

from harness import ROOT, compare, cpu_seconds, rerun_with_torch

STEPS = 12
SIDE = 512


def main() -> None:
    rerun_with_torch(__file__)
    os.environ["OMP_NUM_THREADS"] = "1"  # of both sides: threads that wait for each other count as CPU time
    sys.path.insert(0, str(ROOT / "tests" / "worker"))
    import numpy as np
    import psutil
    import torch
    from builders import build_sd
    from diffusers import AutoPipelineForText2Image

    from syngen_addon import images
    from syngen_addon.worker import protocol
    from syngen_addon.worker.client import Worker

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model = build_sd(place / "model")
        pipe = AutoPipelineForText2Image.from_pretrained(model, local_files_only=True)
        pipe.set_progress_bar_config(disable=True)
        worker = Worker(Path(sys.executable), place / "worker.log")
        job = protocol.Generate(
            model=str(model),
            out=str(place / "out"),
            mode="text",
            prompt="rusty metal",
            negative="text",
            width=SIDE,
            height=SIDE,
            seeds=(7,),
            steps=STEPS,
            guidance=7.5,
        )
        bare: list[images.Array] = []

        def through_the_worker() -> None:
            worker.run(job)

        def in_this_process() -> None:
            made = pipe(
                job.prompt,
                negative_prompt=job.negative,
                width=SIDE,
                height=SIDE,
                num_inference_steps=STEPS,
                guidance_scale=job.guidance,
                generator=torch.Generator("cpu").manual_seed(7),
                output_type="np",
            )
            bare[:] = made.images

        def of_both() -> float:
            used = psutil.Process(worker.pid).cpu_times() if worker.pid else None
            return cpu_seconds() + (used.user + used.system if used else 0.0)

        compare("worker_overhead", through_the_worker, in_this_process, pairs=7, limit=1.03, clock=of_both)
        difference = np.abs(images.load(place / "out" / "0000.png") - bare[0]).max()
        assert difference < 2 / 255 and np.std(bare[0]) > 0.02, f"the two sides made different pictures: {difference}"
        worker.close()


if __name__ == "__main__":
    main()
