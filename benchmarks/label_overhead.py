"""A frame with labels, record and files, against the same frame as a bare render to PNG: the demo scene as it ships.

Both render the same frames one after the other with the same cameras, lights and levels, in one process with the same
settings; the bare ones have neither the index pass nor the wear AOV and write nothing but Blender's own PNG.
"""

import tempfile
from pathlib import Path

import bpy
from harness import ROOT, compare

from syngen_addon import jobs, recipe
from syngen_addon.blender import dataset, targets
from syngen_addon.blender.names import WEAR_AOV
from syngen_addon.blender.render import as_png
from syngen_addon.blender.scene import environment_files
from syngen_addon.blender.state import Borrowed
from syngen_addon.files import write_bytes
from syngen_addon.labels.record import encode
from syngen_addon.sampling.frame import draw_frame

FRAMES = (0, 1, 2)
SEED = 7


def main() -> None:
    import sys

    sys.path.insert(0, str(ROOT / "examples"))
    import demo_scene

    with tempfile.TemporaryDirectory() as folder, Borrowed() as borrowed:
        work = Path(folder)
        bpy.ops.wm.open_mainfile(filepath=str(demo_scene.build(work / "demo.blend")))
        job = dataset.Job(recipe.load(ROOT / "examples" / "demo.toml"), work / "dataset", len(FRAMES), SEED)
        scene, layer = bpy.context.scene, bpy.context.view_layer
        frames = dataset.Frames(job, "bench", scene, layer, borrowed, work, lambda progress: None, lambda: False)
        frames.prepare(targets.find_targets(job.recipe, scene, layer), environment_files(job.recipe), [], "cpu")

        def passes(on: bool) -> None:
            layer.use_pass_object_index = on
            there = next((a for a in layer.aovs if a.name == WEAR_AOV), None)
            if on and there is None:
                aov = layer.aovs.add()
                aov.name, aov.type = WEAR_AOV, "VALUE"
            elif there is not None and not on:
                layer.aovs.remove(there)
            for material in bpy.data.materials:  # shaders are compiled for the layers that are there
                material.update_tag()

        def labelled() -> None:
            passes(True)
            for frame in FRAMES:
                frames.maker.refused_before = False
                record = frames.maker.frame(frame)
                assert record is not None and record["attempt"] == 0, "choose frames that need no second attempt"
                write_bytes(jobs.record_path(job.out, frame), encode(record))

        def bare() -> None:
            passes(False)
            as_png(scene.render)
            scene.cycles.samples, scene.cycles.use_denoising = job.recipe.render.samples, frames.maker.renderer.denoise
            for frame in FRAMES:
                frames.show(draw_frame(job.recipe, frames.facts, SEED, frame))
                scene.render.filepath = str(work / f"bare-{frame}.png")
                bpy.ops.render.render(write_still=True)

        compare("label_overhead", labelled, bare, pairs=4, limit=1.10)
        passes(True)


if __name__ == "__main__":
    main()
