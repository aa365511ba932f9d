"""One frame of a job: its attempts, its renders, the files it leaves. Imports bpy by way of render.

An attempt is a draw of the frame: attempts of one frame differ in the camera, and in what goes with it. The first that
shows its targets well is the frame. Files are written before the record, which the caller writes last: a frame is
finished when its record is there.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import jobs
from ..files import frame_file, write_bytes
from ..labels.layers import Layers
from ..labels.record import accepts
from ..recipe import Recipe
from ..sampling.draws import FrameDraw
from .maps import depth_exr, normals_exr
from .mesh import metres_per_unit
from .records import Records
from .renderer import Rendered, Renderer


class Maker:
    """Makes the frames of one run, one after the other.

    out: the job's folder. draw(frame, attempt) says what an attempt shows, and show(draw) puts it into the scene.
    """

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        draw: Callable[[int, int], FrameDraw],
        show: Callable[[FrameDraw], None],
        records: Records,
        renderer: Renderer,
    ) -> None:
        self.recipe, self.out, self.draw, self.show = recipe, out, draw, show
        self.records, self.renderer = records, renderer
        self.metres = metres_per_unit(renderer.scene)
        self.refused_before = False

    def frame(self, frame: int) -> dict[str, Any] | None:
        """The record of a frame, its files written; None where a stop was asked for.

        The first attempt is rendered in full unless the frame before had to be drawn again; others are first looked at
        with one sample: the index pass is exact from the first sample on, so the decision is the same and costs a
        hundredth. Where labels have a render of their own anyway, every attempt begins with it.
        """
        settings = self.recipe.labels
        attempts = settings.redraws + 1 if self.recipe.camera.randomize else 1
        fallback = None
        reason = ""
        for attempt in range(attempts):
            draw = self.draw(frame, attempt)
            self.show(draw)
            done = None
            if attempt == 0 and not self.refused_before and not self.renderer.apart:
                done = self.renderer.frame()
                layers = None if done is None else done.layers
            else:
                layers = self.renderer.look()
            if layers is None:
                return None
            record = self.records.make(frame, attempt, draw, layers)
            good, reason = accepts(record, settings)
            if good:
                self.refused_before = attempt > 0
                return self._keep(frame, attempt, draw, done, layers)
            if fallback is None and any(i["area"] >= settings.min_pixels for i in record["instances"]):
                fallback = (attempt, draw, done, layers)
        self.refused_before = True
        if fallback is not None:
            self.show(fallback[1])
            return self._keep(frame, *fallback)
        return self.records.no_target(frame, attempts - 1, draw, reason)

    def _keep(
        self, frame: int, attempt: int, draw: FrameDraw, done: Rendered | None, looked: Layers
    ) -> dict[str, Any] | None:
        """The record of an attempt that counts, its files written; rendered in full where it was only looked at."""
        done = done or self.renderer.frame(looked)
        if done is None:
            return None
        record = self.records.make(frame, attempt, draw, done.layers)
        record["picture"] = self._write(jobs.picture_name(frame), done.picture)
        record["maps"] = {}
        if self.recipe.labels.depth and done.layers.depth is not None:
            data = depth_exr(done.layers.depth, self.metres, self.renderer.scratch)
            record["maps"]["depth"] = self._write(frame_file("depth", frame, ".exr"), data)
        if self.recipe.labels.normals and done.layers.normal is not None:
            data = normals_exr(done.layers.normal, self.renderer.scratch)
            record["maps"]["normals"] = self._write(frame_file("normals", frame, ".exr"), data)
        return record

    def _write(self, name: str, data: bytes) -> dict[str, str]:
        write_bytes(self.out / name, data)
        return {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
