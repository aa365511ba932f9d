"""6-DoF poses as the BOP benchmark has them (docs/bop_datasets_format.md of bop_toolkit): bop/. Imports digits, errors,
files, its siblings, numpy.

bop/{train,val,test}/<scene>/: rgb (hard links of the pictures, or copies), depth, mask, mask_visib, scene_camera.json,
scene_gt.json, scene_gt_info.json; bop/models: a PLY file a target and models_info.json; bop/camera.json. Scenes hold
1,000 frames: frame 12,345 is image 345 of scene 12. An object's number is its target's in the job.

Millimetres; the camera is OpenCV's (x right, y down, z forward), and so is cam_K: the first pixel's middle is (0, 0).
Matrices row by row. A model's origin is the centre of its box, and its scale is in it. A box's width and height are, as
calc_2d_bbox of the toolkit has it, what lies between its first and its last pixel: one less than elsewhere.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ..digits import nine, nines
from ..errors import SynGenError
from ..files import cannot_write, frame_file, link_or_copy, remove_other_frames, write_bytes, writing
from .chosen import NO_GEOMETRY, Dataset, well_seen
from .depth import in_units
from .models import Model, covered, diameter, model_file, read_model, scaled, write_model
from .pixels import FAR, WORD, read_exr, write_gray, write_words
from .split import SPLITS

SCENE = 1000
DEPTH_SCALES = (0.1, 1.0, 10.0, 100.0)
"""Millimetres a unit of a depth map: the first that all of it fits into."""
SAME = 0.01
"""A target's box may differ by so much from its model's, else its shape counts as another."""

Floats = npt.NDArray[np.float64]


@contextmanager
def bop(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; a scene's files appear when the next begins.

    Raises SynGenError: records without geometry, an orthographic camera, a picture, depth map or model that is missing
    or broken, a file that cannot be written.
    """
    folder = dataset.out / "bop"
    models = _Models(dataset)
    with ExitStack() as stack:
        scenes: dict[str, _Scene] = {}
        begun: set[Path] = set()
        first: dict[str, Any] = {}

        def add(record: dict[str, Any], split: str) -> None:
            number, image = divmod(record["frame"], SCENE)
            entries = _instances(record, dataset)
            camera = _camera(record)
            if split not in scenes or scenes[split].number != number:
                if split in scenes:
                    scenes[split].close()
                scenes[split] = stack.enter_context(_Scene(folder / split / f"{number:06d}", number))
                begun.add(scenes[split].folder)
            place = scenes[split].folder
            models.see(entries)
            scale = DEPTH_SCALES[0]
            if dataset.pictures:
                name = f"{image:06d}.png"
                link_or_copy(dataset.out / frame_file("images", record["frame"], ".png"), place / "rgb" / name)
                scale = _write_depth(dataset, record, place / "depth" / name)
                _write_masks(dataset, record, entries, models, place, image)
            if not first:
                first.update(_sensor(record, scale))
            scenes[split].write(
                image,
                f'{{{camera}, "depth_scale": {scale}}}',
                f"[{', '.join([_pose(entry) for entry in entries])}]",
                f"[{', '.join([_info(entry) for entry in entries])}]",
            )

        yield add

    for split in SPLITS:
        for place in (folder / split).glob("[0-9]" * 6):
            if place not in begun:  # left by an earlier run
                try:
                    shutil.rmtree(place)
                except OSError as error:
                    raise cannot_write(place, error) from error
    models.write(folder / "models")
    if first:
        write_bytes(folder / "camera.json", (json.dumps(first) + "\n").encode("ascii"))


class _Scene:
    """The three text files of one scene, open for the next image."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        self.images: set[int] = set()
        self._stack = ExitStack()

    def __enter__(self) -> "_Scene":
        paths = [self.folder / f"{name}.json" for name in ("scene_camera", "scene_gt", "scene_gt_info")]
        self._files: list[BinaryIO] = [self._stack.enter_context(writing(path)) for path in paths]
        return self

    def write(self, image: int, *values: str) -> None:
        begin = ",\n" if self.images else "{\n"
        for file, value in zip(self._files, values, strict=True):
            file.write(f'{begin}  "{image}": {value}'.encode("ascii"))
        self.images.add(image)

    def close(self) -> None:
        self.__exit__(None, None, None)

    def __exit__(self, *error: Any) -> None:
        if error[0] is None and self._files:
            for file in self._files:
                file.write(b"\n}\n")
            for what in ("rgb", "depth", "mask", "mask_visib"):
                remove_other_frames(self.folder / what, self.images)
        self._files = []
        self._stack.__exit__(*error)


# --- numbers: as JSON, which Python's own text of finite numbers and lists of them is ---------------------------------


def _instances(record: dict[str, Any], dataset: Dataset) -> list[dict[str, Any]]:
    least = dataset.recipe.export.min_visible
    seen = well_seen(record, least) if least > 0 else None
    entries = [e for e in record["instances"] if seen is None or e["index"] in seen]
    if not all("pose" in e and "visible_fraction" in e for e in entries):
        raise SynGenError(f"bop: frame {record['frame']} does not hold the poses of its objects.", NO_GEOMETRY)
    return entries


def _camera(record: dict[str, Any]) -> str:
    """cam_K and where the world lies in the camera's frame."""
    camera = record.get("camera", {})
    if camera.get("type") != "PERSP":
        raise SynGenError(
            f"bop: frame {record['frame']} was not taken by a perspective camera; BOP knows no other.",
            "Leave out bop, or use a perspective camera.",
        )
    (a, b, c, x), (d, e, f, y), (g, h, i, z), _ = camera["matrix_world"]
    unit = 1000 * camera.get("unit_m", 1.0)
    # Blender's camera looks down its -Z, +Y up.
    rows = ((a, d, g), (-b, -e, -h), (-c, -f, -i))
    moved = (-unit * (p * x + q * y + r * z) for p, q, r in rows)
    k = (camera["fx"], camera["cx"] - 0.5, camera["fy"], camera["cy"] - 0.5)
    return _CAMERA % (*k, *rows[0], *rows[1], *rows[2], *moved)


def _sensor(record: dict[str, Any], scale: float) -> dict[str, Any]:
    camera = record["camera"]
    middle = {"cx": camera["cx"] - 0.5, "cy": camera["cy"] - 0.5, "fx": camera["fx"], "fy": camera["fy"]}
    return {**middle, "depth_scale": scale, "width": record["width"], "height": record["height"]}


def _pose(entry: dict[str, Any]) -> str:
    return _POSE % (*entry["pose"]["rotation"], *_origin(entry), entry["index"])


_NINE, _THREE = (f"[{', '.join(['%.9g'] * count)}]" for count in (9, 3))
"""A record's numbers have nine digits, so that none is lost."""
_POSE = f'{{"cam_R_m2c": {_NINE}, "cam_t_m2c": {_THREE}, "obj_id": %d}}'
_CAMERA = f'"cam_K": [%.9g, 0, %.9g, 0, %.9g, %.9g, 0, 0, 1], "cam_R_w2c": {_NINE}, "cam_t_w2c": {_THREE}'


def _origin(entry: dict[str, Any]) -> tuple[float, float, float]:
    """The middle of an object's box in the camera's frame, in millimetres."""
    a, b, c, d, e, f, g, h, i = entry["pose"]["rotation"]
    x, y, z = entry["box_3d"]["center_m"]
    p, q, r = entry["pose"]["translation_m"]
    return (
        1000 * (p + a * x + b * y + c * z),
        1000 * (q + d * x + e * y + f * z),
        1000 * (r + g * x + h * y + i * z),
    )


def _info(entry: dict[str, Any]) -> str:
    x, y, width, height = entry["bbox"]
    visible = whole = [x, y, width - 1, height - 1]
    if entry["visible_fraction"] < 1:
        x0, y0, across, down = entry["amodal_bbox"]
        # Those pixels whose middles lie within, and what is seen.
        left, top = min(math.ceil(x0 - 0.5), x), min(math.ceil(y0 - 0.5), y)
        right = max(math.ceil(x0 + across - 0.5), x + width) - 1
        foot = max(math.ceil(y0 + down - 0.5), y + height) - 1
        whole = [left, top, right - left, foot - top]
    area = entry["silhouette_area"]
    return (
        f'{{"bbox_obj": {whole}, "bbox_visib": {visible}, "px_count_all": {area}, '
        f'"px_count_valid": {round(area * (1 - entry["truncation"]))}, "px_count_visib": {entry["area"]}, '
        f'"visib_fract": {entry["visible_fraction"]}}}'
    )


# --- pictures and models ---------------------------------------------------------------------------------------------


def _write_depth(dataset: Dataset, record: dict[str, Any], path: Path) -> float:
    """Write a frame's depth map; the millimetres of its unit."""
    source = dataset.out / frame_file("depth", record["frame"], ".exr")
    if not source.is_file() and not dataset.recipe.labels.depth:
        dataset.lose("bop", "pictures without a depth map (labels.depth is off)")
        return DEPTH_SCALES[0]
    meters = read_exr(source, 1, "labels.depth")
    near = meters[np.isfinite(meters) & (meters < FAR)]
    farthest = float(near.max(initial=0)) * 1000
    scale = next((s for s in DEPTH_SCALES if farthest <= s * WORD), DEPTH_SCALES[-1])
    units, beyond = in_units(meters, scale / 1000)
    dataset.lose("bop", f"pixels farther than {WORD * scale / 1000:g} m, written as that", beyond)
    write_words(path, units)
    return scale


def _write_masks(
    dataset: Dataset, record: dict[str, Any], entries: list[dict[str, Any]], models: "_Models", place: Path, image: int
) -> None:
    size = (record["width"], record["height"])
    camera = record["camera"]
    k = (camera["fx"], camera["fy"], camera["cx"], camera["cy"])
    for number, entry in enumerate(entries):
        x, y, width, height = entry["bbox"]
        visible = np.zeros(size[::-1], np.uint8)
        visible[y : y + height, x : x + width] = dataset.crop(record, entry["segmentation"], entry["bbox"]) * 255
        whole = visible
        if entry["visible_fraction"] < 1:
            model = models.of(entry)
            rotation = np.array(entry["pose"]["rotation"], np.float64).reshape(3, 3)
            origin = np.array(_origin(entry)) / 1000
            near = max(camera.get("clip_start", 0.0) * camera.get("unit_m", 1.0), 1e-6)
            points = model.vertices @ rotation.T + origin
            whole = covered(points, model.triangles, k, size, near) * np.uint8(255) | visible
        name = f"{image:06d}_{number:06d}.png"
        write_gray(place / "mask" / name, whole)
        write_gray(place / "mask_visib" / name, visible)


class _Models:
    """The models of the targets that were seen."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.seen: dict[int, dict[str, Any]] = {}
        """By target the entry of the first record that shows it: its scale and box are the model's."""
        self.read: dict[int, Model] = {}

    def see(self, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            first = self.seen.setdefault(entry["index"], entry)
            size, now = first["box_3d"]["size_m"], entry["box_3d"]["size_m"]
            if first is not entry and max(abs(a - b) for a, b in zip(size, now, strict=True)) > SAME * max(size):
                self.dataset.lose("bop", "poses of objects whose shape is no longer that of their model")

    def of(self, entry: dict[str, Any]) -> Model:
        """A target's model in metres, around the centre of its box, with the object's scale in it."""
        index = entry["index"]
        if index not in self.read:
            first = self.seen[index]
            model = read_model(self.dataset.out / model_file(index))
            self.read[index] = scaled(model, first["pose"]["scale"], first["box_3d"]["center_m"])
        return self.read[index]

    def write(self, folder: Path) -> None:
        """models_info.json, and the models in millimetres."""
        about, names = {}, {}
        for index, entry in sorted(self.seen.items()):
            names[str(index)] = {"name": entry["name"], "class": entry["classes"]["object"]}
            if self.dataset.pictures:
                model = self.of(entry)
                points = model.vertices * 1000
                write_model(folder / f"obj_{index:06d}.ply", Model(points, model.triangles))
                low, size = points.min(axis=0), np.ptp(points, axis=0)
                about[str(index)] = {
                    "diameter": nine(diameter(points)),
                    **dict(zip(("min_x", "min_y", "min_z"), nines(low.tolist()), strict=True)),
                    **dict(zip(("size_x", "size_y", "size_z"), nines(size.tolist()), strict=True)),
                }
        write_bytes(folder.parent / "objects.json", (json.dumps(names, indent=1) + "\n").encode("ascii"))
        if self.dataset.pictures:
            write_bytes(folder / "models_info.json", (json.dumps(about, indent=1) + "\n").encode("ascii"))
