"""One frame of a job: its attempts, its renders, the files it leaves. Imports bpy by way of render.

An attempt is a draw of the frame: attempts of one frame differ in the camera, and in what goes with it. The first that
shows its targets well is the frame. Files are written before the record, which the caller writes last: a frame is
finished when its record is there. Where picture and labels are of two engines, the labels of some frames are rendered
before the first of their pictures.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .. import jobs
from ..files import frame_file, write_bytes
from ..labels.layers import Layers
from ..labels.record import accepts
from ..recipe import Recipe
from ..sampling.draws import FrameDraw
from ..sampling.sensor import applied
from ..sampling.things import occlusion_fault
from ..seeds import generator
from .maps import depth_exr, normals_exr
from .mesh import metres_per_unit
from .records import Records
from .renderer import Rendered, Renderer

AHEAD = 16
"""So many frames are looked at in a row where labels and pictures are of two engines. Blender builds the scene anew for
each change of the engine, which costs more than a look itself."""


@dataclass(frozen=True)
class _Attempt:
    """One draw of a frame, seen. done: None where only its labels were looked at, record and layers being those.

    layers: None where the maps made of them are written and in the record.
    """

    number: int
    draw: FrameDraw
    layers: Layers | None
    record: dict[str, Any]
    done: Rendered | None


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
        self._shown: FrameDraw | None = None
        self._looked_at: dict[int, _Attempt | dict[str, Any]] = {}

    def frame(self, frame: int, coming: Sequence[int] = ()) -> dict[str, Any] | None:
        """The record of a frame, its files written; None where a stop was asked for. coming: the frames after it.

        Raises SynGenError where Blender cannot render it, or a file cannot be written.
        """
        chosen = self._from_a_row(frame, coming) if self.renderer.by_turns else self._choose(frame)
        return self._keep(frame, chosen) if isinstance(chosen, _Attempt) else chosen

    def _from_a_row(self, frame: int, coming: Sequence[int]) -> _Attempt | dict[str, Any] | None:
        """As _choose; looks at the coming frames, too, and puts their maps on the disk, so that no layer is held."""
        if frame not in self._looked_at:
            with self.renderer.looks():
                for each in (frame, *coming[: AHEAD - 1]):
                    chosen = self._choose(each)
                    if chosen is None:
                        return None
                    if isinstance(chosen, _Attempt) and chosen.layers is not None:
                        chosen.record["maps"] = self._maps(each, chosen.layers)
                        chosen = replace(chosen, layers=None)
                    self._looked_at[each] = chosen
        return self._looked_at.pop(frame)

    def _choose(self, frame: int) -> _Attempt | dict[str, Any] | None:
        """The attempt that counts, or the record of a frame without a target; None where a stop was asked for."""
        attempts = self.recipe.labels.redraws + 1 if self.recipe.camera.randomize else 1
        second_best = None
        reason = ""
        for number in range(attempts):
            attempt = self._try(frame, number)
            if attempt is None:
                return None
            good, reason = accepts(attempt.record, self.recipe.labels)
            if good:
                reason = occlusion_fault(attempt.record, attempt.draw, self.recipe)
            if not reason:
                self.refused_before = number > 0
                return attempt
            if second_best is None and self._shows_a_target(attempt):
                second_best = attempt
        self.refused_before = True
        if second_best is not None:
            return second_best
        return self.records.no_target(frame, attempt.number, attempt.draw, reason)

    def _shows_a_target(self, attempt: _Attempt) -> bool:
        return any(i["area"] >= self.recipe.labels.min_pixels for i in attempt.record["instances"])

    def _try(self, frame: int, number: int) -> _Attempt | None:
        """An attempt, rendered or looked at; None where a stop was asked for.

        The first is rendered in full unless the frame before had to be drawn again; others are looked at with one
        sample: the index pass is exact from the first sample on, so the decision is the same and costs a hundredth.
        Where labels have a render of their own anyway, every attempt begins with it.
        """
        draw = self.draw(frame, number)
        self._show(draw)
        done = None
        if number == 0 and not self.refused_before and not self.renderer.apart:
            done = self.renderer.frame()
            layers = done.layers if done is not None else None
        else:
            layers = self.renderer.look()
        if layers is None:
            return None
        return _Attempt(number, draw, layers, self.records.make(frame, number, draw, layers), done)

    def _keep(self, frame: int, attempt: _Attempt) -> dict[str, Any] | None:
        """The record of an attempt that counts, its files written; rendered in full where it was only looked at."""
        record, layers = attempt.record, attempt.layers
        if attempt.done is None:
            self._show(attempt.draw)
        if layers is None:
            picture = self.renderer.picture()
            if picture is None:
                return None
        else:
            done = attempt.done or self.renderer.frame(layers)
            if done is None:
                return None
            picture = done.picture
            if done.layers is not layers:  # its wear is that of one sample
                record = self.records.make(frame, attempt.number, attempt.draw, done.layers)
            record["maps"] = self._maps(frame, done.layers)
        record["picture"] = self._write(jobs.picture_name(frame), self._developed(picture, frame, attempt.draw))
        return record

    def _show(self, draw: FrameDraw) -> None:
        if draw is not self._shown:
            self.show(draw)
            self.renderer.changed()
            self._shown = draw

    def _maps(self, frame: int, layers: Layers) -> dict[str, dict[str, str]]:
        """Write the frame's maps: by name what a record says of them."""
        maps: dict[str, bytes] = {}
        if self.recipe.labels.depth and layers.depth is not None:
            maps["depth"] = depth_exr(layers.depth, self.metres, self.renderer.scratch)
        if self.recipe.labels.normals and layers.normal is not None:
            maps["normals"] = normals_exr(layers.normal, self.renderer.scratch)
        return {name: self._write(frame_file(name, frame, ".exr"), data) for name, data in maps.items()}

    def _developed(self, png: bytes, frame: int, draw: FrameDraw) -> bytes:
        """The picture as the drawn camera would give it."""
        if draw.sensor is None:
            return png
        rendered = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        noise = generator(self.records.seed, "noise", frame)
        taken = applied(np.ascontiguousarray(rendered[..., ::-1]), draw.sensor, noise)
        done, data = cv2.imencode(".png", taken[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])
        assert done, "OpenCV refused a well-formed picture"
        return data.tobytes()

    def _write(self, name: str, data: bytes) -> dict[str, str]:
        write_bytes(self.out / name, data)
        return {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
