"""A small job of hard shapes for the tests of readers: a hole, islands, one pixel, a thin bar cut by the border."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from syngen_addon.formats.write import Written, write_formats
from syngen_addon.recipe import Export, Labels, Recipe
from tests.pure.framed import Thing, disc, record_of, write_pictures

HEIGHT, WIDTH, FRAMES = 120, 160, 8
NAMES = ('a/b "c"', "é\n:#", "drum")
POINTS = ("left tip", "middle", "right tip")


def record(frame: int) -> dict[str, Any]:
    rng = np.random.default_rng(frame)
    ring = disc(HEIGHT, WIDTH, 40 + frame, 40, 30) & ~disc(HEIGHT, WIDTH, 42 + frame, 40, 12)
    islands = (cv2.GaussianBlur(rng.random((HEIGHT, WIDTH)), (0, 0), 5) > 0.505) & ~ring
    pixel, bar = np.zeros((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), np.uint8)
    pixel[HEIGHT - 1, WIDTH - 1] = True
    cv2.line(bar, (90, -10), (150 - frame, 60), 1, 5)
    thin = (bar > 0) & ~ring & ~pixel
    islands &= ~thin & ~pixel
    masks = [(ring, NAMES[0]), (islands, NAMES[1]), (pixel, NAMES[2]), (thin, NAMES[2])]
    found = record_of(frame, [Thing(mask, f"T{i}", name, "complete") for i, (mask, name) in enumerate(masks)])
    for entry in found["instances"]:
        x, y, width, height = entry["bbox"]
        entry["visible_fraction"] = 0.3 if entry["name"] == "T3" else 1.0
        entry["keypoints"] = [
            {"name": POINTS[0], "x": x + 0.25, "y": y + 0.5, "visible": 2},
            {"name": POINTS[1], "x": -3.0, "y": 7.5, "visible": 0},
            {"name": POINTS[2], "x": x + width - 0.25, "y": y + height - 0.5, "visible": 1},
        ]
    return found


def write(
    out: Path, formats: tuple[str, ...], split: tuple[float, float, float] = (0.5, 0.25, 0.25), **export: Any
) -> Written:
    """The job's pictures and these formats of it; every object has the class of its own name."""
    write_pictures(out, FRAMES, HEIGHT, WIDTH)
    recipe = Recipe(labels=Labels(class_from="object"), export=Export(formats=formats, split=split, **export))
    return write_formats(out, lambda: map(record, range(FRAMES)), recipe, 3)
