"""The YOLO formats through Ultralytics' own checks and datasets, where it is installed (it is no dependency)."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from syngen_addon.formats.yolo_obb import box_iou, rotated_box
from tests.pure.hard_shapes import FRAMES, HEIGHT, NAMES, POINTS, WIDTH, record, write


@pytest.fixture(scope="module", autouse=True)
def ultralytics(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ.setdefault("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("settings")))
    os.environ.setdefault("YOLO_OFFLINE", "True")
    pytest.importorskip("ultralytics")


def dataset(data: Path, split: str, task: str) -> Any:
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset
    from ultralytics.utils import DEFAULT_CFG

    about = check_det_dataset(str(data), autodownload=False)
    assert list(about["names"].values()) == sorted(NAMES) and about["nc"] == len(NAMES)
    return YOLODataset(img_path=about[split], data=about, task=task, augment=False, hyp=DEFAULT_CFG, imgsz=WIDTH)


def entries_of(label: dict[str, Any]) -> list[dict[str, Any]]:
    return record(int(Path(label["im_file"]).stem))["instances"]


@pytest.mark.parametrize(
    ("task", "format", "folder"),
    [("detect", "yolo", ""), ("segment", "yolo_segment", "yolo-segment"), ("obb", "yolo_obb", "yolo-obb"),
     ("pose", "yolo_pose", "yolo-pose")],
)
def test_every_label_comes_back(tmp_path: Path, task: str, format: str, folder: str, capsys: Any) -> None:
    write(tmp_path, (format,))
    frames = set()
    for split in ("train", "val", "test"):
        for label in dataset(tmp_path / folder / "data.yaml", split, task).labels:
            frames.add(int(Path(label["im_file"]).stem))
            entries = entries_of(label)
            size = np.array([WIDTH, HEIGHT])
            assert label["shape"] == (HEIGHT, WIDTH) and len(label["cls"]) == len(entries)
            classes = [sorted(NAMES).index(entry["classes"]["object"]) for entry in entries]
            assert label["cls"][:, 0].tolist() == classes
            truth = np.array([entry["bbox"] for entry in entries], float)
            centre = (truth[:, :2] + truth[:, 2:] / 2) / size
            if task != "obb":
                assert np.allclose(label["bboxes"], np.hstack([centre, truth[:, 2:] / size]), atol=2e-4)
            if task == "segment":
                check_masks(label, entries)
            if task == "pose":
                for points, entry in zip(label["keypoints"], entries, strict=True):
                    seen = np.array([[p["x"], p["y"], p["visible"]] if p["visible"] else [0, 0, 0]
                                     for p in entry["keypoints"]])  # fmt: skip
                    assert np.allclose(points * [WIDTH, HEIGHT, 1], seen, atol=1e-3)
    assert frames == set(range(FRAMES))
    said = capsys.readouterr()
    assert "corrupt image/label" not in said.out + said.err and "duplicate" not in said.out + said.err


def check_masks(label: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    """What the trainer fills for each polygon, at the picture's own size."""
    from ultralytics.data.utils import polygon2mask

    for segment, entry in zip(label["segments"], entries, strict=True):
        truth = coco_mask.decode(entry["segmentation"]).astype(bool)
        read = polygon2mask((HEIGHT, WIDTH), [(segment * [WIDTH, HEIGHT]).ravel()]).astype(bool)
        assert read[truth].all(), "every pixel of the object is in it"
        if cv2.connectedComponents(truth.astype(np.uint8))[0] == 2:  # bridges between parts are painted as well
            assert np.array_equal(read, truth)


def test_rotated_boxes_come_back(tmp_path: Path) -> None:
    written = write(tmp_path, ("yolo_obb",))
    for label in dataset(tmp_path / "yolo-obb" / "data.yaml", "train", "obb").labels:
        for segment, entry in zip(label["segments"], entries_of(label), strict=True):
            corners = [(float(x), float(y)) for x, y in segment * [WIDTH, HEIGHT]]
            truth = coco_mask.decode(entry["segmentation"]).astype(np.uint8)
            iou = box_iou(corners, rotated_box(entry))
            assert iou > 0.999 or (entry["touches_border"] and iou >= written.fits["yolo_obb"].worst - 1e-3)
            rect = cv2.minAreaRect(np.argwhere(truth)[:, ::-1].astype(np.float32))
            assert min(rect[1]) - 0.1 <= min(cv2.minAreaRect(np.array(corners, np.float32))[1])


def test_what_the_trainer_gets_of_a_sample(tmp_path: Path) -> None:
    write(tmp_path, ("yolo_segment", "yolo_pose", "yolo_obb"))
    for task in ("segment", "pose", "obb"):
        sample = dataset(tmp_path / f"yolo-{task}" / "data.yaml", "train", task)[0]
        assert sample["img"].shape[0] == 3 and len(sample["cls"]) == 4


def test_pose_says_its_keypoints(tmp_path: Path) -> None:
    from ultralytics.data.utils import check_det_dataset

    write(tmp_path, ("yolo_pose",))
    about = check_det_dataset(str(tmp_path / "yolo-pose" / "data.yaml"), autodownload=False)
    assert about["kpt_shape"] == [3, 3] and about["flip_idx"] == [2, 1, 0]
    assert about["kpt_names"][0] == list(POINTS)


def test_folders_of_crops(tmp_path: Path) -> None:
    pytest.importorskip("torchvision", exc_type=(ImportError, RuntimeError))
    from ultralytics.data.dataset import ClassificationDataset
    from ultralytics.data.utils import check_cls_dataset
    from ultralytics.utils import DEFAULT_CFG

    write(tmp_path, ("classify",))
    about = check_cls_dataset(str(tmp_path / "classify"))
    assert about["nc"] == len(NAMES)
    count = 0
    for split in ("train", "val", "test"):
        found = ClassificationDataset(str(about[split]), DEFAULT_CFG, augment=False, prefix=split)
        assert found.base.classes == list(about["names"].values())
        count += len(found)
    assert count == 4 * FRAMES
