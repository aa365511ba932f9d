"""The command line: arguments, progress, signals, exit codes; for `batch.py` and `--command syngen`. Imports bpy.

Exit codes: 0 done, 1 something the user can mend (one line on stderr), 2 wrong arguments, 130 stopped, 141 nobody
reads what it says any more (`| head`).
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import bpy

from .. import jobs
from .. import recipe as recipes
from ..errors import Cancelled, SynGenError, one_line
from . import background, dataset, preview_frame, worker
from .paths import absolute_path

WORKER = "worker"
"""The first word of the commands that set up the worker; every other command line is a job's."""
CHECK = "check"
"""The first word of the command that checks a dataset."""
ROLES = ("pipeline", "control", "lora", "adapter")
EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_STOPPED, EXIT_UNREAD = 0, 1, 2, 130, 141


def parser(program: str) -> argparse.ArgumentParser:
    """The arguments. They stand after `--`."""
    p = argparse.ArgumentParser(
        prog=program,
        description="Render a labelled dataset from the scene, or go on with one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # a command is not broken over lines
    )
    p.add_argument("--recipe", metavar="FILE", help="the recipe (TOML); without it every key takes its default")
    p.add_argument(
        "--out", metavar="FOLDER", required=True, help="the job's folder; a job that is there already goes on"
    )
    p.add_argument("--frames", metavar="N", type=int, help="how many frames the job has (all shards together)")
    p.add_argument("--seed", metavar="S", type=int, default=0, help="seed of the job (default 0)")
    p.add_argument("--shard", metavar="I/N", default="0/1", help="render only shard I of N, counted from 0")
    p.add_argument("--scene", metavar="FILE", help="open this .blend first (needed under the bpy module)")
    p.add_argument(
        "--formats-only", action="store_true", help="render nothing: write the formats again from the records"
    )
    p.add_argument(
        "--formats",
        metavar="LIST",
        help=f"write these instead of the recipe's export.formats, parted by commas: {', '.join(recipes.FORMATS)}",
    )
    p.add_argument(
        "--only-frame",
        metavar="K",
        type=int,
        help="render frame K of the job in --out again, alone: compared with the one there, or put in its place where "
        "that is missing or broken; the recipe and the seed are the job's own",
    )
    p.add_argument("--into", metavar="FOLDER", help="with --only-frame: keep it here, and leave the job as it is")
    p.add_argument("--overview", metavar="FILE", help="afterwards draw a contact sheet with labels to this PNG")
    _add_worker_python(p)
    p.add_argument("--verbose", action="store_true", help="let Blender's own messages through")
    p.add_argument("--progress", choices=("text", "json"), default="text", help=argparse.SUPPRESS)
    p.epilog = (
        f"{program} {CHECK} FOLDER: say what is wrong with a dataset\n"
        f"{program} {WORKER} --help: set up Stable Diffusion and neural style transfer"
    )
    return p


def check_parser(program: str) -> argparse.ArgumentParser:
    """The arguments after the word `check`."""
    p = argparse.ArgumentParser(
        prog=f"{program} {CHECK}",
        description="Read a finished dataset, SynGen's or another's, and say what is wrong with it.",
    )
    p.add_argument("folder", metavar="FOLDER", help="the dataset's folder")
    p.add_argument("--json", action="store_true", help="the report as JSON")
    p.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    p.set_defaults(progress="text", worker_python=None)
    return p


def worker_parser(program: str) -> argparse.ArgumentParser:
    """The arguments after the word `worker`."""
    p = argparse.ArgumentParser(
        prog=f"{program} {WORKER}", description="The Python that Stable Diffusion and neural style transfer run in."
    )
    what = p.add_subparsers(dest="what", required=True, metavar="WHAT")
    each = {
        "set-up": "make its environment (a download of some GB)",
        "check": "see whether it has everything, and its device",
        "weights": "fetch the weights of neural style transfer (88 MB)",
        "model": "fetch a model of the hub",
        "diagnose": "print one text for a bug report",
        "remove": "remove the environment and the weights",
    }
    for name, about in each.items():
        one = what.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        one.set_defaults(progress="text", online=False)
        _add_worker_python(one)
        if name == "model":
            one.add_argument("name", metavar="NAME", help="owner/name, as in the recipe")
            one.add_argument("--role", choices=ROLES, default=ROLES[0], help=f"what it is (default: {ROLES[0]})")
        if name in ("set-up", "weights", "model"):
            one.add_argument("--online", action="store_true", help="allow this command to use the network")
        if name == "set-up":
            builds = ("cpu", "cuda", "rocm", "apple")
            one.add_argument("--build", choices=builds, help="torch for this (default: what is in this machine)")
            one.add_argument(
                "--installer", choices=("auto", "pip"), help="pip: as it is configured here (default: the preferences')"
            )
        one.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    return p


def _add_worker_python(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--worker-python", metavar="FILE", help="the Python that Stable Diffusion and neural style transfer run in"
    )


def main(argv: Sequence[str], program: str = "batch.py") -> int:
    """Run a job from arguments, check a dataset, or set up the worker; the exit code."""
    words, first = list(argv), "".join(argv[:1])
    parsers, does = {WORKER: worker_parser, CHECK: check_parser}, {WORKER: _worker, CHECK: _check}
    try:
        arguments = parsers.get(first, parser)(program).parse_args(words[1:] if first in parsers else words)
    except SystemExit as stop:  # argparse has said what is wrong
        return EXIT_OK if stop.code == 0 else EXIT_USAGE
    tell = _Teller(arguments.progress == "json")
    try:
        with _Signals() as signals:
            if arguments.worker_python is not None:
                worker.choose(arguments.worker_python)
            return does.get(first, _run)(arguments, tell, signals)
    except SynGenError as error:
        tell.error(error)
        return EXIT_ERROR
    except BrokenPipeError:
        _say_nothing_more()
        return EXIT_UNREAD
    finally:
        worker.choose(None)


def _say_nothing_more() -> None:
    """Whoever read stdout has gone: what is still to be written out goes nowhere, or it would fail at the end again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _run(arguments: argparse.Namespace, tell: "_Teller", signals: "_Signals") -> int:
    out = Path(arguments.out).expanduser().resolve()
    if arguments.formats_only:
        return _formats_only(arguments, out, tell)
    open_scene(arguments.scene)
    background.restore_pixels(Path(bpy.data.filepath))
    for scene in bpy.data.scenes:  # a preview that was saved with the file is no part of the job
        preview_frame.end(scene)
    if arguments.only_frame is not None:
        return _only_frame(arguments, out, tell, signals)
    shard = jobs.parse_shard(arguments.shard)
    recipe = _recipe(arguments.recipe) if arguments.recipe else recipes.Recipe()
    recipe = _with_formats(recipe, arguments.formats)
    if arguments.frames is None:
        raise SynGenError("--frames is missing.", "Say how many frames the job has, for example --frames 200.")
    if not 0 <= arguments.seed < 2**63:
        raise SynGenError(f"--seed {arguments.seed} is not allowed.", "It takes a whole number from 0 to 2^63 - 1.")
    job = dataset.Job(recipe, out, arguments.frames, arguments.seed, shard)
    summary = dataset.run(job, report=tell.progress, should_stop=lambda: signals.asked)
    for warning in summary.warnings:
        tell.warning(warning)
    if summary.stopped:
        tell.line("Stopped. The same command goes on from here.")
        return EXIT_STOPPED
    tell.done(summary, out)
    if arguments.overview:
        _overview(out, Path(arguments.overview), recipe.labels, tell)
    return EXIT_OK


def _only_frame(arguments: argparse.Namespace, out: Path, tell: "_Teller", signals: "_Signals") -> int:
    """One frame of the job again, alone."""
    from .again import frame_again

    jobs.read_job(out)
    recipe = _recipe(arguments.recipe or str(out / "recipe.toml"))
    into = Path(arguments.into).expanduser().resolve() if arguments.into else None
    frame = arguments.only_frame
    done = frame_again(out, frame, recipe, into, report=tell.progress, should_stop=lambda: signals.asked)
    for warning in done.warnings:
        tell.warning(warning)
    if done.stopped:
        tell.line("Stopped.")
        return EXIT_STOPPED
    if done.placed:
        tell.line(f"Frame {frame} was missing or broken. Put into {out}: {', '.join(done.placed)}")
    elif done.same:
        tell.line(f"Frame {frame} is the same, byte for byte.")
    else:
        tell.line(f"Frame {frame} is missing or broken in {out}.")
    if into is not None:
        tell.line(f"Frame {frame} again: {into / jobs.picture_name(frame)}")
    return EXIT_OK


def _with_formats(recipe: recipes.Recipe, formats: str | None) -> recipes.Recipe:
    """The recipe with the formats that the command line names. Raises SynGenError."""
    if formats is None:
        return recipe
    names = tuple(dict.fromkeys(name.strip() for name in formats.split(",") if name.strip()))
    unknown = [name for name in names if name not in recipes.FORMATS]
    if unknown or not names:
        known = f"It takes, parted by commas: {', '.join(recipes.FORMATS)}."
        raise SynGenError(f"--formats {formats!r} is not allowed.", known)
    return dataclasses.replace(recipe, export=dataclasses.replace(recipe.export, formats=names))


def _worker(arguments: argparse.Namespace, tell: "_Teller", signals: "_Signals") -> int:
    """Set up, check, describe or remove the worker."""
    from . import worker_setup

    if arguments.online and not bpy.app.online_access_override:  # --offline-mode stands over it
        bpy.context.preferences.system.use_online_access = True
    if arguments.what == "set-up":
        plan = worker_setup.plan(arguments.build, arguments.installer)
        for line in plan.lines:
            tell.line(line)
        task = worker_setup.set_up(plan)
    elif arguments.what == "model":
        task = worker_setup.download(arguments.name, arguments.role)
    else:
        make = {
            "check": worker_setup.check,
            "weights": worker_setup.get_weights,
            "diagnose": worker_setup.diagnose,
            "remove": worker_setup.remove,
        }
        task = make[arguments.what]()
    step = (lambda fraction, text: None) if arguments.what == "diagnose" else tell.step  # its text is all there is
    try:
        told = task.run(step, lambda: signals.asked)
    except Cancelled:
        tell.line("Stopped. The same command goes on from here.")
        return EXIT_STOPPED
    if arguments.what == "diagnose":
        print(told, flush=True)
    else:
        tell.line(told)
    return EXIT_OK


def _check(arguments: argparse.Namespace, tell: "_Teller", signals: "_Signals") -> int:
    """Check a dataset; needs no scene."""
    from ..checking.check import check

    report = check(Path(arguments.folder).expanduser().resolve())
    if arguments.json:
        print(report.as_json(), flush=True)
    else:
        for line in report.lines():
            tell.line(line)
    return EXIT_OK if report.sound else EXIT_ERROR


def _recipe(file: str) -> recipes.Recipe:
    """A recipe file with its paths made absolute."""
    folder = Path(file).expanduser().absolute().parent
    return recipes.with_paths(recipes.load(file), lambda path: absolute_path(path, folder))


def _formats_only(arguments: argparse.Namespace, out: Path, tell: "_Teller") -> int:
    """Needs the job's folder and no scene."""
    about = jobs.read_job(out)
    recipe = _with_formats(recipes.load(arguments.recipe or out / "recipe.toml"), arguments.formats)
    last = max((int(p.stem) for p in (out / "records").glob("*/*.json")), default=-1)
    if last < 0:
        raise SynGenError(f"The folder {out} has no finished frame.", "Render first.")
    classes = about["classes"].get(recipe.labels.class_from)
    done = jobs.rebuild(out, recipe, int(about["inputs"]["seed"]), arguments.frames or last + 1, classes)
    for warning in done.warnings if done else ():
        tell.warning(warning)
    tell.line(f"Wrote {', '.join(recipe.export.formats)} again into {out}")
    if arguments.overview:
        _overview(out, Path(arguments.overview), recipe.labels, tell)
    return EXIT_OK


def _overview(out: Path, target: Path, labels: recipes.Labels, tell: "_Teller") -> None:
    from ..formats.overview import overview

    tell.line(f"Contact sheet: {overview(out, target.expanduser().resolve(), labels=labels)}")


def open_scene(path: str | None) -> None:
    """Open a .blend, scripts in it off; without a path, insist that one is open. Raises SynGenError."""
    if path is None:
        if not bpy.data.filepath:
            raise SynGenError(
                "No scene file is open.", "Name a .blend before --python (check that it exists), or use --scene FILE."
            )
        return
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise SynGenError(f"The scene {file} does not exist.", "Check the path after --scene.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(file), load_ui=False, use_scripts=False)
    except RuntimeError as error:
        raise SynGenError(
            f"The scene {file} cannot be opened: {one_line(error)}",
            "It must be a .blend file of this Blender or an older one.",
        ) from error


class _Teller:
    """Progress and errors, as lines for people or as JSON lines for the panel."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.recent: deque[float] = deque(maxlen=20)
        self.said = ("", -1)

    def line(self, text: str) -> None:
        self._json("line", text=text) if self.as_json else print(f"syngen: {text}", flush=True)

    def _json(self, kind: str, **values: object) -> None:
        print("SYNGEN " + json.dumps({"type": kind, **values}), flush=True)

    def progress(self, progress: dataset.Progress) -> None:
        if self.as_json:
            self._json("progress", **dataclasses.asdict(progress))
        elif progress.frame < 0:
            print(
                f"syngen: {progress.what}"
                + (f" ({progress.done} of {progress.total} are there)" if progress.done else ""),
                flush=True,
            )
        else:
            self.recent.append(progress.seconds)
            left = sum(self.recent) / len(self.recent) * (progress.total - progress.done)
            print(
                f"syngen: frame {progress.frame} done, {progress.done} of {progress.total}, {progress.seconds:.1f} s, "
                f"about {_clock(left)} left",
                flush=True,
            )

    def step(self, fraction: float, text: str) -> None:
        """A step of what is no job: a line where the words change or another tenth is done. The end has its own."""
        if fraction < 1 and (text, int(fraction * 10)) != self.said:
            self.said = (text, int(fraction * 10))
            self.line(f"{fraction:4.0%} {text}")

    def warning(self, text: str) -> None:
        self._json("warning", text=text) if self.as_json else print(
            f"syngen: warning: {text}", file=sys.stderr, flush=True
        )

    def error(self, error: SynGenError) -> None:
        if self.as_json:
            self._json("error", message=error.message, hint=error.hint)
        else:
            print(f"syngen: error: {error}", file=sys.stderr, flush=True)

    def done(self, summary: dataset.Summary, out: Path) -> None:
        text = f"{summary.rendered} frames rendered, {summary.found_finished} were there"
        if summary.no_target:
            text += f", {summary.no_target} of {'the job' if summary.complete else 'them'} without a target"
        text += f". Dataset in {out}" if summary.complete else ". Other shards are not finished yet."
        self._json("done", text=text, complete=summary.complete) if self.as_json else self.line(text)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class _Signals:
    """SIGINT and SIGTERM ask to stop instead of killing: the frame in work is thrown away, nothing else."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "_Signals":
        self.before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            # None: a handler that Python did not install (Blender's own) and cannot install again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
