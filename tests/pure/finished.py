"""A finished job, painted in place of rendered: what the card and the check are tried on."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from syngen_addon import jobs
from syngen_addon.files import write_bytes
from syngen_addon.labels.layers import Instance, Layers
from syngen_addon.labels.record import encode, make_record, no_target_record
from syngen_addon.recipe import Recipe, from_dict

NAMES = ("Tank", "Drum", "Pipe")
KINDS = ("heavy_rust", "light_rust", "moss")
WIDTH, HEIGHT = 96, 72


def recipe_of(changes: dict[str, dict[str, Any]] | None = None) -> Recipe:
    """The recipe of such a job. changes: by section."""
    document: dict[str, dict[str, Any]] = {
        "render": {"width": WIDTH, "height": HEIGHT},
        "labels": {"min_pixels": 20, "region_min_pixels": 4, "class_from": "object"},
        "export": {"formats": ["coco", "yolo"], "split": [0.5, 0.25, 0.25], "licenses": {"*.hdr": "CC0-1.0"}},
    }
    for section, keys in (changes or {}).items():
        document.setdefault(section, {}).update(keys)
    return from_dict(document)


def finished(
    out: Path,
    frames: int = 8,
    changes: dict[str, dict[str, Any]] | None = None,
    seed: int = 3,
    classes: tuple[str, ...] = tuple(name.lower() for name in NAMES),
) -> Path:
    """Paint a job of some frames, the fourth without a target, and write its formats and its card; its folder.

    classes: those of the targets NAMES.
    """
    recipe = recipe_of(changes)
    inputs = {
        "recipe": {s: k for s, k in _plain(recipe).items() if s != "export"},
        "seed": seed,
        "scene": {"sha256": "a" * 64, "name": "Scene", "layer": "ViewLayer"},
        "files": {
            "light.environments/yard.hdr": "b" * 64,
            "//textures/wood.png": "c" * 64,
            "Tank/heavy_rust-0001/color.png": "d" * 64,
        },
        "blender": "4.5.15 abcdef",
        "syngen": "0.1.0",
        "device": "cpu",
        "system": "Linux x86_64",
    }
    known = {"object": sorted(set(classes)), "kind": sorted(KINDS), "wear": []}
    jobs.open_folder(out, inputs, recipe, known)
    for frame in range(frames):
        record, picture = painted(recipe, frame, classes=classes)
        if picture:
            write_bytes(out / jobs.picture_name(frame), picture)
        write_bytes(jobs.record_path(out, frame), encode(record))
    jobs.rebuild(out, recipe, seed, frames, known[recipe.labels.class_from])
    return out


def _plain(recipe: Recipe) -> dict[str, dict[str, Any]]:
    from syngen_addon.recipe import to_dict

    return to_dict(recipe)


def painted(
    recipe: Recipe,
    frame: int,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    classes: tuple[str, ...] = tuple(name.lower() for name in NAMES),
) -> tuple[dict[str, Any], bytes]:
    """(record, PNG) of a frame; no PNG where it has no target."""
    rng = np.random.default_rng(frame)
    header = {"frame": frame, "attempt": int(frame % 5 == 2), "draw": _draw(rng)}
    if frame % 40 == 3:
        return no_target_record({**header, "reason": "No target is visible."}), b""
    width, height = size
    picture = Image.new("RGB", size, tuple(int(v) for v in rng.integers(120, 200, 3)))
    index, wear = Image.new("I", size), Image.new("F", size)
    instances = []
    for number in range(1, 2 + int(rng.integers(3))):
        w, h = (int(v) for v in rng.uniform(0.2, 0.5, 2) * size)
        x, y = int(rng.uniform(-0.1, 0.8) * width), int(rng.uniform(-0.05, 0.7) * height)
        box = (x, y, x + w, y + h)
        tone = tuple(int(v) for v in rng.integers(60, 160, 3))
        level = float(rng.uniform(0.05, 0.95))
        worn = (x + w // 6, y + h // 6, x + w // 6 + int(w * 0.6 * level**0.5), y + h // 6 + int(h * 0.6 * level**0.5))
        for image, fill, rust in ((picture, tone, (120, 60, 25)), (index, number, None), (wear, 0.0, 1.0)):
            draw = ImageDraw.Draw(image)
            draw.ellipse(box, fill=fill)
            if rust is not None:
                draw.rectangle(worn, fill=rust)
        target = int(rng.integers(len(NAMES)))
        named = {"object": classes[target]}
        kind = KINDS[target]
        variant = int(rng.integers(4))
        instances.append(Instance(number, NAMES[target], named, kind, _wear_class(level), level, variant))
    where = np.asarray(index, np.int32)
    layers = Layers(where, np.where(where > 0, np.asarray(wear, np.float32), np.float32(0)))
    record = make_record(layers, instances, recipe.labels, header)
    for entry in record["instances"]:
        x, y, w, h = entry["bbox"]
        visible = float(min(1.0, rng.uniform(0.4, 1.4)))
        entry |= {
            "amodal_bbox": [x - 6.0 * (visible < 1), y - 2.0, w + 9.0 * (visible < 1), h + 4.0],
            "visible_fraction": round(visible, 4),
            "truncation": 0.2 if entry["touches_border"] else 0.0,
            "keypoints": [
                {"name": "top", "x": x + w / 2, "y": y + 1.0, "visible": 2, "position_m": [0, 0, 1]},
                {"name": "foot", "x": x + w / 2, "y": y + h - 1.0, "visible": 1, "position_m": [0, 0, 0]},
            ],
        }
    data = io.BytesIO()
    picture.save(data, "PNG")
    record["picture"] = {"file": jobs.picture_name(frame), "sha256": hashlib.sha256(data.getvalue()).hexdigest()}
    return record, data.getvalue()


def _draw(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "environment": {"index": int(rng.integers(3)), "rotation_rad": 0.0, "strength": 1.0},
        "background": {"kind": "environment", "color_linear": None, "image": -1},
    }


def _wear_class(level: float) -> str:
    return "complete" if level > 0.66 else "default"
