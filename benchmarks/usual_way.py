"""A frame as a job makes it, against a straightforward script of the kind that most tools are: the demo scene.

The script renders each frame twice: the picture with Blender's own choice of sampling and denoising, then, every target
in a flat colour of its own and everything else black, the masks; nothing is kept between renders. It writes the
picture, reads the masks back and writes boxes and run lengths as JSON. Scene, cameras, lights, size and samples a pixel
are the same. Ours gives more: wear, its regions, depth, normals, poses; the script gives nothing but masks and boxes.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import cv2
import numpy as np
from harness import compare
from pycocotools import mask as coco_mask
from staged import Watch, demo, label_passes, staged

from syngen_addon import jobs
from syngen_addon.blender.dataset import Frames
from syngen_addon.blender.render import as_png
from syngen_addon.files import write_bytes
from syngen_addon.labels.record import encode
from syngen_addon.recipe import Recipe

FRAMES = (1, 2)
SIZE = 320
BLENDERS_CHOICE = (
    "use_adaptive_sampling", "adaptive_threshold", "adaptive_min_samples", "use_denoising", "use_light_tree",
    "denoising_input_passes", "denoising_prefilter", "denoising_quality",
)  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        blend, settings = demo(work, size=SIZE)
        with staged(blend, settings, work, max(FRAMES) + 1) as frames:
            watch = Watch()
            script = Script(frames, work)
            compare("usual_way", ours(frames, settings, watch), script.run(watch), pairs=4, limit=0.55, clock=watch)


def ours(frames: Frames, settings: Recipe, watch: Watch) -> Callable[[], None]:
    def work() -> None:
        label_passes(frames.scene, frames.layer, settings, True)
        frames.maker.renderer.look()  # what is kept between renders is there from the second frame of a job on
        with watch.running():
            for frame in FRAMES:
                record = frames.maker.frame(frame)
                assert record is not None and not record["no_target"], "choose frames that show a target"
                write_bytes(jobs.record_path(frames.job.out, frame), encode(record))

    return work


class Script:
    """The usual way. Its colours are whole bytes, so that they are read back as they are."""

    def __init__(self, frames: Frames, work: Path) -> None:
        self.frames, self.work = frames, work
        self.scene = frames.scene
        self.targets = [target.obj for target in frames.targets]
        self.black = flat("Black", 0)
        self.flats = [flat(f"Flat {n}", n + 1) for n in range(len(self.targets))]
        self.night = bpy.data.worlds.new("Night")
        self.night.use_nodes = True
        next(n for n in self.night.node_tree.nodes if n.type == "BACKGROUND").inputs["Strength"].default_value = 0

    def run(self, watch: Watch) -> Callable[[], None]:
        def work() -> None:
            label_passes(self.scene, self.frames.layer, self.frames.job.recipe, False)
            with (
                watch.running(),
                self.setting(self.scene.render, use_persistent_data=False),
                self.setting(self.scene.world.cycles, sampling_method="AUTOMATIC"),
            ):
                for frame in FRAMES:
                    self.frames.show(self.frames.draw(frame, 0))
                    self.picture(frame)
                    self.masks(frame)

        return work

    def picture(self, frame: int) -> None:
        cycles = self.scene.cycles
        defaults = {name: cycles.bl_rna.properties[name].default for name in BLENDERS_CHOICE}
        samples = self.frames.job.recipe.render.samples
        self.render(self.work / f"usual-{frame}.png", **{**defaults, "samples": samples})

    def masks(self, frame: int) -> None:
        path = self.work / f"usual-{frame}-masks.png"
        view = self.scene.view_settings
        with (
            self.setting(view, view_transform="Raw", exposure=0.0),
            self.setting(self.scene, world=self.night),
            self.painted(),
        ):
            self.render(path, samples=1, use_denoising=False, use_adaptive_sampling=False)
        pixels = cv2.imread(str(path))[..., 2]
        objects = []
        for number, target in enumerate(self.targets):
            mask = pixels == number + 1
            if not mask.any():
                continue
            rows, columns = np.where(mask)
            box = [columns.min(), rows.min(), columns.max() - columns.min() + 1, rows.max() - rows.min() + 1]
            coded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            coded["counts"] = coded["counts"].decode("ascii")
            objects.append({"name": target.name, "bbox": [int(v) for v in box], "segmentation": coded})
        assert objects, "the flat colours were not found again"
        (self.work / f"usual-{frame}.json").write_text(json.dumps(objects))

    def render(self, path: Path, **settings: object) -> None:
        with self.setting(self.scene.cycles, **settings):
            as_png(self.scene.render)
            self.scene.render.filepath = str(path)
            bpy.ops.render.render(write_still=True)

    @contextmanager
    def setting(self, owner: object, **values: object) -> Iterator[None]:
        before = {name: getattr(owner, name) for name in values}
        for name, value in values.items():
            setattr(owner, name, value)
        yield
        for name, value in before.items():
            setattr(owner, name, value)

    @contextmanager
    def painted(self) -> Iterator[None]:
        """Every target in its flat colour, everything else black."""
        before = []
        colors = dict(zip(self.targets, self.flats, strict=True))
        for obj in self.scene.objects:
            for slot in obj.material_slots:
                before.append((slot, slot.material))
                slot.material = colors.get(obj, self.black)
        yield
        for slot, material in reversed(before):
            slot.material = material


def flat(name: str, value: int) -> bpy.types.Material:
    """A material that is seen as `value` of 255 in red, whatever the light."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    light = tree.nodes.new("ShaderNodeEmission")
    light.inputs["Color"].default_value = ((value + 0.25) / 255, 0, 0, 1)
    tree.links.new(light.outputs[0], tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


if __name__ == "__main__":
    main()
