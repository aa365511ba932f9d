"""COCO instances: annotations/instances_{train,val,test}.json. Imports files and its siblings.

Ids start at 1 (several readers drop 0); an image's id is its frame + 1, and so stays the same when frames are added.
Segmentations are compressed run lengths, `area` the mask's pixels, `file_name` relative to the job's folder. Of an
object with several kinds of wear the annotation holds the mask of each, under the key `wear`.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ..files import frame_file, writing
from .chosen import Dataset, annotations, class_index
from .split import SPLITS


@contextmanager
def coco(dataset: Dataset) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Gives add(record, split), for records in rising order of frames; the files appear where the block ends well.

    Memory does not grow with the job: images go to the file at once, annotations wait in an unnamed file on disk.
    """
    labels = dataset.recipe.labels
    ids = {name: i for i, name in enumerate(dataset.classes, start=1)}
    categories = [{"id": i, "name": name, "supercategory": labels.class_from} for name, i in ids.items()]
    head = _json({"info": {"description": "Made with SynGen"}, "licenses": [], "categories": categories})
    folder = dataset.out / "annotations"
    with ExitStack() as stack:
        images = {s: stack.enter_context(writing(folder / f"instances_{s}.json")) for s in SPLITS}
        later = {s: stack.enter_context(tempfile.TemporaryFile(dir=folder)) for s in SPLITS}
        image_counts, counts = dict.fromkeys(SPLITS, 0), dict.fromkeys(SPLITS, 0)
        for file in images.values():
            file.write(head[:-1] + b',"images":[')

        def add(record: dict[str, Any], split: str) -> None:
            frame = record["frame"]
            image = {
                "id": frame + 1,
                "file_name": frame_file("images", frame, ".png"),
                "width": record["width"],
                "height": record["height"],
            }
            images[split].write((b",\n" if image_counts[split] else b"\n") + _json(image))
            image_counts[split] += 1
            for name, entry in annotations(record, labels):
                counts[split] += 1
                annotation = {
                    "id": counts[split],
                    "image_id": frame + 1,
                    "category_id": class_index(name, ids, frame),
                    "bbox": entry["bbox"],
                    "area": entry["area"],
                    "segmentation": entry["segmentation"],
                    "iscrowd": 0,
                }
                if entry.get("layers"):
                    annotation["wear"] = [_wear(each) for each in (entry, *entry["layers"])]
                later[split].write((b",\n" if counts[split] > 1 else b"\n") + _json(annotation))

        yield add

        for split, file in images.items():
            file.write(b'\n],"annotations":[')
            later[split].seek(0)
            shutil.copyfileobj(later[split], file)
            file.write(b"\n]}\n")


def _wear(entry: dict[str, Any]) -> dict[str, Any]:
    """One kind of wear on an object, in COCO's words."""
    return {
        "kind": entry["kind"],
        "wear_class": entry["wear_class"],
        "level": entry["level"],
        "area": entry["wear_area"],
        "segmentation": entry["wear_segmentation"],
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
