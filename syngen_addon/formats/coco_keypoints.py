"""COCO keypoints: annotations/keypoints_{train,val,test}.json. Imports its siblings.

As COCO's own, with the names of the job's keypoints in every category and a skeleton without bones: which of them are
joined is known to nobody here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .chosen import Chosen, Dataset
from .coco import Add, annotation, categories, documents, encoded
from .keypoints import keypoints_of, require_keypoints


@contextmanager
def coco_keypoints(dataset: Dataset) -> Iterator[Add]:
    """Gives add(record, split), for records in rising order of frames; the files appear where the block ends well.

    Raises SynGenError: no keypoints in the job, or records without geometry.
    """
    names = require_keypoints(dataset, "coco_keypoints")
    kinds = [{**kind, "keypoints": list(names), "skeleton": []} for kind in categories(dataset)]

    def with_points(record: dict[str, Any], chosen: Chosen) -> bytes:
        points = keypoints_of(record, chosen.entry, names)
        more = {
            "keypoints": [value for point in points for value in point],
            "num_keypoints": sum(seen > 0 for _, _, seen in points),
        }
        return annotation(dataset, record, chosen)[:-1] + b"," + encoded(more)[1:]

    with documents(dataset, "keypoints", kinds) as write:

        def add(record: dict[str, Any], split: str) -> None:
            write(record, split, [with_points(record, chosen) for chosen in dataset.objects(record)])

        yield add
