"""All formats from the records of a job, against reading those records: 1920 x 1080 pictures of five worn objects.

The records are made as a job makes them, from label layers with geometry and keypoints; no picture was rendered. So
what formats do to pictures is left out (hard links, crops, label maps, depth and normals as PNG, BOP's masks): it costs
what the PNGs cost. Everything else of all formats is written: every annotation, polygon, box, pose, list and table.
Reading is what a job does to a record: open, decode, check. Files lie in memory where the system has such a folder:
what a disk's file system makes of a new file would be measured instead (ext4: 20 to 800 us, by its mood).

    python benchmarks/formats.py [RECORDS]       with a number: that many records once, and the peak of memory

Without one: pairs over RECORDS records, and beside the ratio what makes it hold for 100,000: `growth`, the CPU seconds
a record of MANY records over those of FEW, and `memory_mb`, the peaks of processes that write FEW and MANY.
"""

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import compare, cost

from syngen_addon import jobs
from syngen_addon.formats.models import covered
from syngen_addon.formats.write import write_formats
from syngen_addon.labels.layers import Body, Instance, Keypoint, Layers, View
from syngen_addon.labels.record import encode, make_record
from syngen_addon.labels.shape import Shape
from syngen_addon.recipe import FORMATS, Export, Labels, Recipe

WIDTH, HEIGHT, FOCAL, OBJECTS = 1920, 1080, 1500.0, 5
DISTINCT = 30
"""So many records differ; the others are these again, under their own numbers."""
RECORDS, FEW, MANY = 500, 1_000, 4_000
SEED = 7
RECIPE = Recipe(labels=Labels(class_from="object", polygons=True), export=Export(formats=FORMATS))
IN_MEMORY = Path("/dev/shm")


def main() -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        work = Path(folder)
        if len(sys.argv) > 1:
            print(json.dumps(once(work, int(sys.argv[1]))))
            return
        make(work, RECORDS)
        writing, reading = partial(write, work, RECORDS), partial(read, work, RECORDS)
        compare("formats", writing, reading, pairs=3, limit=6, about=linear)


def linear() -> dict[str, object]:
    """What says that the ratio holds for any number of records."""
    few, many = (
        json.loads(subprocess.run([sys.executable, __file__, str(n)], capture_output=True, check=True).stdout)
        for n in (FEW, MANY)
    )
    return {
        "records": [RECORDS, FEW, MANY],
        "kilobytes_each": many["kilobytes_each"],
        "growth": round(many["write_cpu_s"] / MANY / (few["write_cpu_s"] / FEW), 3),
        "memory_mb": [few["memory_mb"], many["memory_mb"]],
    }


def once(work: Path, count: int) -> dict[str, object]:
    """The figures of one pass over so many records, in a process of its own."""
    make(work, count)
    reading = cost(partial(read, work, count))
    writing = cost(partial(write, work, count))
    size = sum(path.stat().st_size for path in (work / "records").rglob("*.json"))
    return {
        "records": count,
        "ratio": round(writing / reading, 3),
        "write_cpu_s": round(writing, 2),
        "read_cpu_s": round(reading, 2),
        "kilobytes_each": round(size / count / 1000, 1),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def records(work: Path, count: int) -> Iterator[dict[str, Any]]:
    for frame in range(count):
        record = jobs.read_record(work, frame)
        assert record is not None
        yield record


def read(work: Path, count: int) -> None:
    for record in records(work, count):
        assert record["instances"]


def write(work: Path, count: int) -> None:
    names = [f"part {i}" for i in range(OBJECTS)]
    out = Path(tempfile.mkdtemp(dir=work))  # removed with the rest at the end: cleaning up is no part of it
    known = {"classes": names, "keypoints": KEYPOINTS, "kinds": ["heavy_rust"]}
    write_formats(out, partial(records, work, count), RECIPE, SEED, pictures=False, **known)


# --- a job's records -------------------------------------------------------------------------------------------------

KEYPOINTS = ("top", "left", "right", "foot")


def make(work: Path, count: int) -> None:
    """Write the records of a job of so many frames."""
    rng = np.random.default_rng(SEED)
    shapes = [bumpy_ball(rng) for _ in range(OBJECTS)]
    made = [record(rng, shapes) for _ in range(min(DISTINCT, count))]
    for frame in range(count):
        path = jobs.record_path(work, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode({**made[frame % DISTINCT], "frame": frame}))
        picture = work / jobs.picture_name(frame)
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.touch()  # a frame is finished where its picture is there


def bumpy_ball(rng: np.random.Generator) -> Shape:
    """A ball of 2,000 triangles, out of shape."""
    across, down = np.meshgrid(np.linspace(0, 2 * np.pi, 41), np.linspace(0, np.pi, 26))
    waves = rng.normal(size=(6, 3))
    directions = np.stack([np.sin(down) * np.cos(across), np.sin(down) * np.sin(across), np.cos(down)], axis=-1)
    radius = 1 + 0.12 * np.sin(directions @ waves.T * 2.5).sum(axis=-1)
    corners = np.arange(26 * 41).reshape(26, 41)
    a, b, c, d = corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]
    triangles = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    return Shape.of((directions * radius[..., None]).reshape(-1, 3).astype(np.float32), triangles.astype(np.int32))


def record(rng: np.random.Generator, shapes: list[Shape]) -> dict[str, Any]:
    """A frame of all objects, some behind others or cut by the border, each worn in patches."""
    cx, cy = WIDTH / 2, HEIGHT / 2
    view = View("PERSP", np.diag([1.0, -1.0, -1.0, 1.0]), FOCAL, FOCAL, cx, cy, WIDTH, HEIGHT, 0.1)
    index = np.zeros((HEIGHT, WIDTH), np.int32)
    bodies = []
    for shape in shapes:
        matrix = np.eye(4)
        matrix[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.uniform(0.3, 0.8)
        matrix[:3, 3] = (rng.uniform(-2.2, 2.2), rng.uniform(-1.2, 1.2), rng.uniform(4, 6))
        points = [Keypoint(name, tuple(shape.points[int(rng.integers(len(shape.points)))])) for name in KEYPOINTS]
        bodies.append(Body(shape, matrix, tuple(points)))
    for number in sorted(range(OBJECTS), key=lambda i: -bodies[i].matrix_world[2, 3]):
        body = bodies[number]
        points = body.shape.points @ body.matrix_world[:3, :3].T + body.matrix_world[:3, 3]
        mask = covered(points, body.shape.triangles, (FOCAL, FOCAL, cx, cy), (WIDTH, HEIGHT), 0.1)
        index[mask > 0] = number + 1
    noise = sum(
        cv2.resize(rng.normal(size=(n, n)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) / weight
        for n, weight in ((9, 1.0), (64, 8.0), (300, 25.0))
    )
    wear = np.clip(noise * 2 + 0.3, 0, 1).astype(np.float32)
    instances = [
        Instance(
            i + 1, f"Part.{i:03d}", {"object": f"part {i}", "collection": "Scene"}, "heavy_rust", "default",
            float(rng.uniform(0.1, 0.9)), int(rng.integers(4)), body=body,
        )
        for i, body in enumerate(bodies)
    ]  # fmt: skip
    header = {
        "frame": 0, "attempt": 0, "seed": SEED, "fingerprint": "f" * 64, "environment": "yard.hdr", "background": "",
        "camera": {
            "type": "PERSP", "width": WIDTH, "height": HEIGHT, "cx": cx, "cy": cy, "fx": FOCAL, "fy": FOCAL,
            "matrix_world": view.matrix_world.tolist(),
        },
        "draw": {
            "aimed_at": "Part.000", "exposure_ev": 0.2,
            "environment": {"index": 3, "rotation_rad": 1.2, "strength": 1.1},
            "camera": {"matrix_world": view.matrix_world.tolist(), "focal_mm": 43.6, "sensor_mm": 36.0},
            "levels": {i.name: i.level for i in instances}, "variants": {i.name: i.variant for i in instances},
        },
        "picture": {"file": "images/0000/00000000.png", "sha256": "a" * 64},
    }  # fmt: skip
    return make_record(Layers(index, wear), instances, RECIPE.labels, header, view)


if __name__ == "__main__":
    main()
