"""A job of four frames with boxes, masks, depth and normals by EEVEE, against the same frames as EEVEE renders them to
PNG: the demo scene in squares of 160 pixels, 16 samples.

Labels are rendered in a row before the pictures, up to 16 at a time (blender/frames.py); the first of a row costs most
of it, so that of four frames each bears more than one of a long job. Left out where this machine cannot run EEVEE.
"""

import dataclasses
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import bpy
from harness import LEFT_OUT, compare
from staged import Watch, demo, label_passes, staged

from syngen_addon import jobs
from syngen_addon.blender.dataset import Frames
from syngen_addon.blender.render import as_png, check_engine
from syngen_addon.errors import SynGenError
from syngen_addon.files import write_bytes
from syngen_addon.labels.record import encode
from syngen_addon.recipe import Recipe

FRAMES = (0, 1, 2, 3)
SIZE, SAMPLES = 160, 16
PAIRS = 2


def main() -> None:
    try:
        check_engine("eevee")
    except SynGenError as error:
        print(f"eevee_overhead is left out: {error}", file=sys.stderr)
        sys.exit(LEFT_OUT)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        blend, settings = demo(work, size=SIZE)
        recipe = dataclasses.replace(
            settings,
            render=dataclasses.replace(settings.render, engine="eevee", samples=SAMPLES),
            labels=dataclasses.replace(settings.labels, geometry=False, depth=True, normals=True),
        )
        with staged(blend, recipe, work, len(FRAMES)) as frames:
            watch = Watch()
            compare(
                "eevee_overhead", labelled(frames, watch), bare(frames, recipe, work, watch),
                pairs=PAIRS, limit=1.10, warm_up=False, clock=watch,
            )  # fmt: skip


def labelled(frames: Frames, watch: Watch) -> Callable[[], None]:
    """Frames as a job makes them."""

    def work() -> None:
        bpy.ops.render.render()  # of the first picture the shaders are compiled; the bare ones have others
        with watch.running():
            for frame in FRAMES:
                record = frames.maker.frame(frame, FRAMES[frame + 1 :])
                assert record is not None
                write_bytes(jobs.record_path(frames.job.out, frame), encode(record))

    return work


def bare(frames: Frames, recipe: Recipe, place: Path, watch: Watch) -> Callable[[], None]:
    """The same scenes, rendered, without any pass of labels."""

    def work() -> None:
        label_passes(frames.scene, frames.layer, recipe, False)
        as_png(frames.scene.render)
        bpy.ops.render.render()
        with watch.running():
            for frame in FRAMES:
                frames.show(frames.draw(frame, 0))
                frames.scene.render.filepath = str(place / f"bare-{frame}.png")
                bpy.ops.render.render(write_still=True)
        label_passes(frames.scene, frames.layer, recipe, True)
        frames.layer.use_pass_object_index = frames.layer.use_pass_z = frames.layer.use_pass_normal = False

    return work


if __name__ == "__main__":
    main()
