"""What is wrong with a dataset in BOP's form: scenes of poses, cameras and masks. Imports its siblings, numpy, Pillow.

The rules are those of docs/bop_datasets_format.md of bop_toolkit and of what its scripts count (calc_gt_info.py).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from . import shapes
from .pictures import Pictures, Splits, expect, look
from .report import Findings, Held

ORTHONORMAL = 1e-3
"""How far a rotation's product with its transpose may be from the identity: other tools write few digits."""
PICTURES = tuple((folder, suffix) for folder in ("rgb", "gray") for suffix in (".png", ".jpg", ".tif"))
Bits = npt.NDArray[np.bool_]


def scenes_of(root: Path) -> list[Path]:
    """The folders of a dataset's scenes: <split>/<number>/ with scene_gt.json in it."""
    return sorted(path.parent for path in root.glob("*/[0-9]*/scene_gt.json"))


def check_bop(root: Path, folder: Path, pictures: Pictures, findings: Findings) -> dict[str, Held]:
    """Check the folder that holds the splits; split -> (pictures, objects)."""
    name = root.relative_to(folder).as_posix()
    models = _models(root, name, findings)
    leaks = Splits(findings, name)
    counts: dict[str, Held] = {}
    for scene in scenes_of(root):
        split = scene.parent.name
        found = _Scene(scene, folder, models, findings).check(pictures, leaks, split)
        before = counts.get(split, Held(0, 0))
        counts[split] = Held(before.pictures + found.pictures, before.objects + found.objects)
    findings.objects("BOP", sum(held.objects for held in counts.values()))
    return counts


def _models(root: Path, name: str, findings: Findings) -> set[int] | None:
    """The numbers of the models; None where there is no table of them."""
    path = root / "models" / "models_info.json"
    about = read_table(path, f"{name}/models/models_info.json", findings) if path.is_file() else None
    if about is None:
        return None
    for number, model in about.items():
        where = f"{name}/models/models_info.json model {number}"
        if not isinstance(model, dict) or not shapes.numbers([model.get("diameter")]) or model["diameter"] <= 0:
            findings.problem("model broken", where, "It lacks a diameter over 0.")
        if not (root / "models" / f"obj_{number:06d}.ply").is_file():
            findings.problem("model missing", where, f"There is no obj_{number:06d}.ply.")
    return set(about)


def read_table(path: Path, where: str, findings: Findings) -> dict[int, Any] | None:
    """One of BOP's tables by number; None, and a problem, where it is none."""
    try:
        value = json.loads(path.read_bytes())
        return {int(key): each for key, each in value.items()}
    except OSError as error:
        findings.problem("file unreadable", where, f"It cannot be read: {error.strerror}.")
    except (ValueError, AttributeError, RecursionError):
        findings.problem("JSON broken", where, "It is no table by number in JSON: cut off, or something else.")
    return None


def read_bits(path: Path) -> Bits | None:
    """Where a mask is not 0; None where it is missing or cannot be read."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return np.asarray(pixels.reshape(*pixels.shape[:2], -1).any(axis=2))


def rotation_fault(values: Any) -> str:
    """What is wrong with a rotation of nine numbers, row by row; "" where nothing is."""
    if not shapes.numbers(values, 9):
        return "is not nine finite numbers"
    matrix = np.array(values, float).reshape(3, 3)
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > ORTHONORMAL:
        return "is no rotation: its rows are not of length 1 and at right angles"
    return "is a reflection" if np.linalg.det(matrix) < 0 else ""


class _Scene:
    """One scene's tables and pictures."""

    def __init__(self, scene: Path, folder: Path, models: set[int] | None, findings: Findings) -> None:
        self.scene, self.models, self.findings = scene, models, findings
        self.name = scene.relative_to(folder).as_posix()

    def check(self, pictures: Pictures, leaks: Splits, split: str) -> Held:
        tables: dict[str, dict[int, Any]] = {}
        for what in ("scene_gt", "scene_camera", "scene_gt_info"):
            path = self.scene / f"{what}.json"
            if what == "scene_gt_info" and not path.is_file():  # made by the toolkit, and not given with every dataset
                continue
            table = read_table(path, f"{self.name}/{what}.json", self.findings)
            if table is None:
                return Held(0, 0)
            tables[what] = table
        truth = tables["scene_gt"]
        for what, table in tables.items():
            for image in sorted(truth.keys() ^ table.keys()):
                sentence = f"Image {image} is in only one of scene_gt.json and {what}.json."
                self.findings.problem("images differ", f"{self.name}/{what}.json", sentence)
        objects = 0
        images = sorted(truth.keys() & tables["scene_camera"].keys())
        places = [self._file(image, PICTURES) for image in images]
        for image, (path, found) in zip(images, pictures.look_all(places), strict=True):
            where = f"{self.name} image {image}"
            self._camera(where, tables["scene_camera"][image])
            sound = expect(self.findings, where, path, found, None, path.relative_to(self.scene).as_posix())
            size = (found.width, found.height) if sound and found is not None else None
            if sound and found is not None:
                leaks.add(found.sha256, split, where)
            if (self.scene / "depth").is_dir():
                depth = self._file(image, [("depth", ".png"), ("depth", ".tif")])
                expect(self.findings, where, depth, look(depth), size, f"depth/{depth.name}")
            poses = truth[image] if isinstance(truth[image], list) else []
            if poses is not truth[image]:
                self.findings.problem("poses broken", where, "Its poses are no list.")
            infos = tables.get("scene_gt_info", {}).get(image)
            if infos is not None and (not isinstance(infos, list) or len(infos) != len(poses)):
                self.findings.problem("poses differ", where, "scene_gt_info.json has not one entry for each pose.")
                infos = None
            for number, pose in enumerate(poses):
                self._pose(f"{where} object {number}", pose)
                self._masks(f"{where} object {number}", image, number, size, infos[number] if infos else None)
            objects += len(poses)
        return Held(len(images), objects)

    def _file(self, image: int, ways: Sequence[tuple[str, str]]) -> Path:
        """Where an image lies: of these folders and endings the first that is there, else the first."""
        named = [self.scene / folder / f"{image:06d}{suffix}" for folder, suffix in ways]
        return next((path for path in named if path.is_file()), named[0])

    def _camera(self, where: str, camera: Any) -> None:
        k: Any = camera.get("cam_K") if isinstance(camera, dict) else None
        if not shapes.numbers(k, 9) or k[0] <= 0 or k[4] <= 0 or list(k[6:]) != [0, 0, 1]:
            self.findings.problem("camera broken", where, "Its cam_K is not a camera's nine numbers.")
            return
        if not shapes.numbers([camera.get("depth_scale", 1)]) or camera.get("depth_scale", 1) <= 0:
            self.findings.problem("camera broken", where, f"Its depth_scale is {camera['depth_scale']}.")
        if "cam_R_w2c" in camera and (fault := rotation_fault(camera["cam_R_w2c"])):
            self.findings.problem("camera broken", where, f"Its cam_R_w2c {fault}.")
        if "cam_t_w2c" in camera and not shapes.numbers(camera["cam_t_w2c"], 3):
            self.findings.problem("camera broken", where, "Its cam_t_w2c is not three finite numbers.")

    def _pose(self, where: str, pose: Any) -> None:
        if not isinstance(pose, dict):
            self.findings.problem("pose broken", where, "It is no table.")
            return
        if fault := rotation_fault(pose.get("cam_R_m2c")):
            self.findings.problem("pose broken", where, f"Its cam_R_m2c {fault}.")
        if not shapes.numbers(pose.get("cam_t_m2c"), 3):
            self.findings.problem("pose broken", where, "Its cam_t_m2c is not three finite numbers.")
        number = pose.get("obj_id")
        if not isinstance(number, int) or (self.models is not None and number not in self.models):
            self.findings.problem("class unknown", where, f"Its obj_id {number} is none of the models.")

    def _masks(self, where: str, image: int, number: int, size: tuple[int, int] | None, info: Any) -> None:
        """Its two masks, and what scene_gt_info says of them."""
        seen, whole = (self._mask(where, what, image, number, size) for what in ("mask_visib", "mask"))
        if seen is not None and whole is not None and seen.shape == whole.shape and (seen & ~whole).any():
            self.findings.problem("mask outside", where, "Its mask_visib reaches beyond its mask.")
        if info is None:
            return
        try:
            wide, valid, visible = (info[key] for key in ("px_count_all", "px_count_valid", "px_count_visib"))
            share, box = info["visib_fract"], info["bbox_visib"]
            if not shapes.numbers([wide, valid, visible, share]) or not shapes.numbers(box, 4):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            self.findings.problem("counts broken", where, "scene_gt_info.json lacks a valid count, share or box of it.")
            return
        if not 0 <= share <= 1 or not 0 <= visible <= wide or not 0 <= valid <= wide:
            self.findings.problem("out of range", where, f"Of {wide} pixels {visible} are seen, a share of {share}.")
        if seen is None:
            return
        if np.count_nonzero(seen) != visible:
            sentence = f"px_count_visib is {visible}, its mask_visib has {np.count_nonzero(seen)} pixels."
            self.findings.problem("area wrong", where, sentence)
        elif visible:
            ys, xs = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
            own = [int(xs[0]), int(ys[0]), int(xs[-1] - xs[0]), int(ys[-1] - ys[0])]
            if shapes.differ(box, own, 1.0):
                sentence = f"Its bbox_visib is {box}, that of its mask {own}."
                self.findings.problem("box and mask differ", where, sentence)

    def _mask(self, where: str, what: str, image: int, number: int, size: tuple[int, int] | None) -> Bits | None:
        path = self.scene / what / f"{image:06d}_{number:06d}.png"
        if not path.parent.is_dir():
            return None
        if not path.is_file():
            self.findings.problem("mask missing", where, f"There is no {what}/{path.name}.")
            return None
        mask = read_bits(path)
        if mask is None:
            self.findings.problem("mask broken", where, f"{what}/{path.name} cannot be read.")
        elif size is not None and mask.shape[::-1] != size:
            sentence = f"{what}/{path.name} has {mask.shape[1]} x {mask.shape[0]} pixels, its picture {size}."
            self.findings.problem("mask broken", where, sentence)
            return None
        return mask
