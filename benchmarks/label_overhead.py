"""A frame with labels, record and files, against the same frame as a bare render to PNG: the demo scene as it ships.

label_overhead: boxes, masks, depth and normals. label_overhead_all: everything that can be on, geometry too, and every
format written of those frames. The bare frames have none of the label passes and write nothing but Blender's own PNG.
All render the same frames with the same cameras, lights, levels and settings, in one process.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import bpy
from harness import compare
from staged import Watch, demo, label_passes, staged

from syngen_addon import jobs
from syngen_addon.blender.dataset import Frames
from syngen_addon.blender.render import as_png
from syngen_addon.files import write_bytes
from syngen_addon.formats.write import write_formats
from syngen_addon.labels.record import encode
from syngen_addon.recipe import FORMATS, Recipe

FRAMES = (1, 2)
SIZE = 320
PAIRS = 4


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        blend, settings = demo(work, size=SIZE)
        for name, limit, geometry, formats in (
            ("label_overhead", 1.10, False, ()),
            ("label_overhead_all", 1.15, True, FORMATS),
        ):
            labels = dataclasses.replace(settings.labels, geometry=geometry, depth=True, normals=True)
            export = dataclasses.replace(settings.export, formats=formats)
            recipe = dataclasses.replace(settings, labels=labels, export=export)
            with staged(blend, recipe, work, max(FRAMES) + 1) as frames:
                watch = Watch()
                compare(
                    name, labelled(frames, recipe, watch), bare(frames, recipe, work, watch),
                    pairs=PAIRS, limit=limit, clock=watch,
                )  # fmt: skip


def labelled(frames: Frames, recipe: Recipe, watch: Watch) -> Callable[[], None]:
    """Frames as a job makes them."""

    def work() -> None:
        label_passes(frames.scene, frames.layer, recipe, True)
        frames.maker.renderer.look()
        records = []
        with watch.running():
            for frame in FRAMES:
                record = frames.maker.frame(frame)
                assert record is not None and not record["no_target"], "choose frames that show a target"
                write_bytes(jobs.record_path(frames.job.out, frame), encode(record))
                records.append(record)
            if recipe.export.formats:
                write_formats(frames.job.out, lambda: iter(records), recipe, frames.job.seed)

    return work


def bare(frames: Frames, recipe: Recipe, place: Path, watch: Watch) -> Callable[[], None]:
    """The same scenes, rendered."""

    def work() -> None:
        label_passes(frames.scene, frames.layer, recipe, False)
        frames.scene.cycles.samples = 1
        bpy.ops.render.render()
        renderer = frames.maker.renderer
        frames.scene.cycles.samples, frames.scene.cycles.use_denoising = renderer.samples, renderer.denoise
        as_png(frames.scene.render)
        with watch.running():
            for frame in FRAMES:
                frames.show(frames.draw(frame, 0))
                frames.scene.render.filepath = str(place / f"bare-{frame}.png")
                bpy.ops.render.render(write_still=True)

    return work


if __name__ == "__main__":
    main()
