"""The panel's job: where it is written, how it is started, and the command line that does the same. Imports bpy."""

from pathlib import Path

import bpy

from .. import jobs
from ..errors import SynGenError
from ..files import write_bytes
from ..recipe import Recipe, dumps
from . import background


def folder_of(scene: bpy.types.Scene) -> Path:
    """The dataset's folder, absolute. Raises SynGenError where it hangs on a file that is not saved."""
    folder = scene.syngen.job.folder.strip()
    if not folder:
        raise SynGenError("No folder is set for the dataset.", "Name an empty or a new one.")
    if folder.startswith("//") and not bpy.data.filepath:
        raise SynGenError(
            "The dataset's folder lies beside the .blend file, which is not saved yet.",
            "Save the file, or name another folder.",
        )
    return Path(bpy.path.abspath(folder)).expanduser().resolve()


def existing_folder(scene: bpy.types.Scene, name: str = "") -> Path:
    """The named folder, else the dataset's. Raises SynGenError where it is not there."""
    folder = Path(name) if name else folder_of(scene)
    if not folder.is_dir():
        raise SynGenError(f"The folder {folder} does not exist.", "Export a dataset first.")
    return folder


def holds_job(folder: Path) -> bool:
    """Whether a job was begun in a folder."""
    return (folder / "job.json").is_file()


def start(scene: bpy.types.Scene, recipe: Recipe, *, resume: bool = False) -> background.Process:
    """Start the job in a background Blender. Raises SynGenError.

    resume: go on with the job that the folder holds; else a folder that holds one is left alone, and the next free
    name beside it is taken and set.
    """
    from .dataset import find_targets

    out, settings = folder_of(scene), scene.syngen.job
    if resume and holds_job(out):
        return background.start(out, recipe, settings.frames, settings.seed, resume=True)
    find_targets(recipe, scene, bpy.context.view_layer)
    if holds_job(out):
        out = next_free(out)
        settings.folder = bpy.path.relpath(str(out)) if settings.folder.startswith("//") else str(out)
    jobs.check_writable(out)
    return background.start(out, recipe, settings.frames, settings.seed)


def next_free(folder: Path) -> Path:
    """dataset -> dataset_002 -> dataset_003, the first that is not there."""
    stem, _, number = folder.name.rpartition("_")
    if not (stem and number.isdigit() and len(number) == 3):
        stem, number = folder.name, "1"
    count = int(number) + 1
    while (found := folder.with_name(f"{stem}_{count:03d}")).exists():
        count += 1
    return found


def run_here(scene: bpy.types.Scene, recipe: Recipe) -> str:
    """Run the job in this Blender and wait for it; what it did, in words. Raises SynGenError."""
    from . import dataset

    out = folder_of(scene)
    summary = dataset.run(dataset.Job(recipe, out, scene.syngen.job.frames, scene.syngen.job.seed))
    return f"{summary.rendered} frames rendered, {summary.found_finished} were there. Dataset in {out}"


def batch_line(scene: bpy.types.Scene, recipe: Recipe) -> str:
    """The command that renders the dataset of the saved file, for this platform's shell; its recipe is written too."""
    file = Path(bpy.data.filepath)
    recipe_file = file.with_suffix(".recipe.toml")
    write_bytes(recipe_file, dumps(recipe).encode())
    arguments = background.job_arguments(
        str(folder_of(scene)), scene.syngen.job.frames, scene.syngen.job.seed, str(recipe_file)
    )
    return background.command_line(background.batch_command(str(file), arguments))
