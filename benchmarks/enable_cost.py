"""enable_cost: a start of Blender with the extension enabled, over one without it: the CPU time of the whole process.

    python benchmarks/enable_cost.py                                    Blender as a module: `make bench`
    BLENDER="command that starts Blender" python benchmarks/enable_cost.py      also the application, in the background

Both sides start with folders of their own and have started before, so that Python's bytecode and Blender's cache of
extensions are there, as they are on any start but the first. The module starts from factory settings each time: there
the extension is enabled by the same call that Blender makes for what its preferences name. The application finds it in
its saved preferences. Imports the standard library only.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import ROOT, compare

LIMIT = 1.05
PACKAGE = "bl_ext.user_default.syngen"
SHIPPED = ("__init__.py", "blender_manifest.toml", "syngen_addon", "operators", "panels")
"""A copy and no link: an application that takes no notice of PYTHONPYCACHEPREFIX writes bytecode beside the modules."""
START = "import bpy, addon_utils"
ENABLE = f"""
addon_utils.enable({PACKAGE!r}, default_set=True)
assert addon_utils.check({PACKAGE!r}) == (True, True)
"""
SAVE = "import bpy, addon_utils; {enable}bpy.ops.wm.save_userpref()"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="syngen-enable-") as name:
        scratch = Path(name)
        with_it, without = profile(scratch / "module"), profile(scratch / "module_off", False)
        compare(
            "enable_cost",
            process([sys.executable, "-c", START + ENABLE], with_it),
            process([sys.executable, "-c", START], without),
            pairs=31,
            limit=LIMIT,
        )
        if os.environ.get("BLENDER"):
            application(shlex.split(os.environ["BLENDER"]), scratch)


def application(blender: list[str], scratch: Path) -> None:
    """The same with a Blender that is a program of its own."""
    start = [*blender, "-b", "--python-exit-code", "1", "--python-expr"]
    with_it, without = profile(scratch / "blender"), profile(scratch / "blender_off", False)
    one_line = "; ".join(ENABLE.split("\n")[1:-1]) + "; "
    process([*start, SAVE.format(enable=one_line)], with_it)()
    process([*start, SAVE.format(enable="")], without)()
    process([*start, f"import addon_utils; assert addon_utils.check({PACKAGE!r}) == (True, True)"], with_it)()
    compare(
        "enable_cost_application",
        process([*start, "pass"], with_it),
        process([*start, "pass"], without),
        pairs=15,
        limit=LIMIT,
    )


def profile(folder: Path, installed: bool = True) -> dict[str, str]:
    """The environment of a Blender whose settings lie in the folder. installed: the extension lies there too."""
    extensions = folder / "extensions" / "user_default"
    extensions.mkdir(parents=True)
    if installed:
        for part in SHIPPED:
            target = extensions / "syngen" / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(ROOT / part, target)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    bytecode = str(folder.parent / "bytecode")
    return {**kept, "BLENDER_USER_RESOURCES": str(folder), "PYTHONPYCACHEPREFIX": bytecode}


def process(command: list[str], environment: dict[str, str]) -> Callable[[], None]:
    """What runs the command to its end. It raises RuntimeError with what the command said where that failed."""

    def run() -> None:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")

    return run


main()
