"""The panel's job: where it is written, how it is started, and the command line that does the same. Imports bpy."""

import json
from pathlib import Path

import bpy

from .. import jobs
from ..errors import Cancelled, SynGenError
from ..files import write_bytes
from ..recipe import PATH_KEYS, Recipe, dumps, load, to_dict
from . import background
from .paths import with_absolute_paths
from .task import Task

MOST_NAMED = 4
"""So many changes are named in a dialog."""


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


def changes_since(out: Path, recipe: Recipe, seed: int) -> list[str]:
    """What the panel says otherwise than the job in a folder, such as "render.samples 32 -> 64".

    The export section is left out: a job may go on with another. Raises SynGenError where job.json is broken.
    """
    about = jobs.read_job(out)["inputs"]
    there, here = about["recipe"], to_dict(with_absolute_paths(recipe))
    if background.holds_panel_job(out):
        there = to_dict(load(out / background.PANEL / background.RECIPE))
    else:
        for section, key in PATH_KEYS:  # job.json does not say where they lie
            here[section][key] = here[section][key] and "(files)"
    del here["export"]
    found = [("seed", about["seed"], seed)]
    found += [(f"{s}.{k}", there.get(s, {}).get(k), value) for s, keys in here.items() for k, value in keys.items()]
    return [f"{name} {_short(before)} -> {_short(now)}" for name, before, now in found if before != now]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else "..." + text[-37:]


def advice(out: Path, recipe: Recipe, seed: int, frames: int) -> tuple[bool, str]:
    """Whether going on with the job in a folder is what is meant, most likely, and why, in words. Raises SynGenError.

    It is not where the panel has been changed since: the job would go on as it was set; nor where nothing is missing.
    """
    if not background.holds_panel_job(out):
        return False, "It was not exported from this panel: only its own command line goes on with it."
    changes = changes_since(out, recipe, seed)
    if not changes:
        export = to_dict(load(out / "recipe.toml"))["export"]
        if export == to_dict(recipe)["export"] and jobs.pictured(out, frames) is not None:
            return False, "All its frames are there, with the same settings. Going on would render nothing."
        return True, "The settings are the same. Going on renders what is missing, of the scene as it was then."
    more = f", and {len(changes) - MOST_NAMED} more" if len(changes) > MOST_NAMED else ""
    return False, (
        f"Changed since: {', '.join(changes[:MOST_NAMED])}{more}. "
        "Going on keeps the old settings, and the scene as it was then."
    )


def start(scene: bpy.types.Scene, recipe: Recipe, *, resume: bool = False) -> background.Process:
    """Start the job in a background Blender. Raises SynGenError.

    resume: go on with the job that the folder holds, with its own seed and settings (but the panel's export section and
    number of frames); else a folder that holds one is left alone, and the next free
    name beside it is taken and set.
    """
    from .targets import find_targets

    out, settings = folder_of(scene), scene.syngen.job
    if resume and holds_job(out):
        seed = int(jobs.read_job(out)["inputs"]["seed"])
        return background.start(out, recipe, settings.frames, seed, resume=True)
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


def checked(folder: Path, work: Task) -> str:
    """What is wrong with a dataset, the sum on the first line. For a task. Raises SynGenError, Cancelled."""
    from ..checking.check import check

    def tell(pictures: int) -> None:
        if work.should_stop():
            raise Cancelled
        work.progress(0.0, f"Checking: {pictures:,} pictures")

    _, *problems, sums = check(folder, tell).lines()
    return "\n".join([sums, *problems])


def batch_line(scene: bpy.types.Scene, recipe: Recipe) -> str:
    """The command that renders the dataset of the saved file, for this platform's shell; its recipe is written too.

    Where the folder holds another job, the next free name beside it is taken: the command would be refused there.
    Raises SynGenError.
    """
    file, settings, out = Path(bpy.data.filepath), scene.syngen.job, folder_of(scene)
    if holds_job(out) and not _is_this(out, file, recipe, settings.seed):
        out = next_free(out)
    recipe_file = file.with_suffix(".recipe.toml")
    write_bytes(recipe_file, dumps(recipe).encode())
    arguments = background.job_arguments(str(out), settings.frames, settings.seed, str(recipe_file))
    return background.command_line(background.batch_command(str(file), arguments))


def _is_this(out: Path, file: Path, recipe: Recipe, seed: int) -> bool:
    """Whether the job in a folder is the one that the command would begin (of a file, not of the panel's copy)."""
    scene = jobs.read_job(out)["inputs"]["scene"]
    return scene["sha256"] == jobs.file_hash(file) and not changes_since(out, recipe, seed)
