"""Every format of a job from its records, in one pass. Imports recipe and its siblings; never bpy."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .. import recipe as recipes
from .chosen import Dataset, annotations, class_names
from .coco import coco
from .split import split_of
from .yolo import yolo

WRITERS = {"coco": coco, "yolo": yolo}


def write_formats(
    out: Path,
    records: Callable[[], Iterable[dict[str, Any]]],
    recipe: recipes.Recipe,
    seed: int,
    classes: Sequence[str] | None = None,
    keypoints: Sequence[str] = (),
) -> None:
    """Write the recipe's formats into the job's folder. The same records give the same bytes, however often it is done.

    records: called for a fresh pass over the decoded records, in rising order of frames; records without a target are
    left out, for they have no picture. classes: every class name that can occur in the job, which keeps ids the same
    when frames are added; None: those that do occur, at the price of a pass over the records. keypoints: every name of
    a keypoint, in their order.
    Raises SynGenError: a file cannot be written, or a record's class is not among classes.
    """
    labels = recipe.labels
    if classes is None:
        classes = [name for record in records() for name in {n for n, _ in annotations(record, labels)}]
    dataset = Dataset(out, class_names(labels, classes), recipe, tuple(keypoints))
    with ExitStack() as stack:
        formats = dict.fromkeys(recipe.export.formats)
        adders = [stack.enter_context(WRITERS[name](dataset)) for name in formats]
        for record in records():
            if record["no_target"]:
                continue
            split = split_of(record["frame"], seed, recipe.export.split)
            for add in adders:
                add(record, split)
