"""The bootstrap of a batch job: finds SynGen's package by this file's own path, runs the command line, always exits.

    blender -b scene.blend --python syngen_addon/blender/batch.py -- --recipe job.toml --out out/ds --frames 200
    python syngen_addon/blender/batch.py -- --scene scene.blend --out out/ds --frames 200     (with the bpy module)

Blender runs this as `__main__`, where relative imports fail and an uncaught exception ends in exit code 0; hence the
care. Imports bpy and the standard library; the package only by the name it turns out to have.
"""

import importlib
import importlib.util
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def package_name() -> str:
    """The name under which SynGen's package can be imported; it is imported (and enabled) by then."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).resolve() == ROOT / "__init__.py":
            return name
    extension = _extension_name()
    if extension is not None:
        import addon_utils

        if addon_utils.enable(extension) is not None:
            return extension
    return _as_plain_package()


def _extension_name() -> str | None:
    """bl_ext.<repository>.<id>, where this folder lies in one of the user's extension repositories."""
    import bpy

    for repository in bpy.context.preferences.extensions.repos:
        folder = Path(repository.directory or repository.custom_directory)
        try:
            entries = list(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.resolve() == ROOT:
                return f"bl_ext.{repository.module}.{entry.name}"
    return None


def _as_plain_package() -> str:
    """A checkout that is no extension: a package made from the folder, whatever the folder is called."""
    name = "syngen_checkout"
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # Only the code is needed, not the panels: the package is not registered.
    return name


def keep_blender_quiet() -> None:
    """Send what Blender's own C code prints (a line a sample) nowhere; Python's stdout goes where it went."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8", errors="replace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    sys.stdout = ours


def main() -> int:
    if "--" not in sys.argv and {"--python", "-P"} & set(sys.argv):
        print(
            "syngen: error: SynGen's options stand among Blender's own. Put -- before them: "
            "blender -b scene.blend --python batch.py -- --out FOLDER --frames N",
            file=sys.stderr,
        )
        return 2
    argv = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    if "--verbose" not in argv:
        keep_blender_quiet()
    try:
        import bpy  # noqa: F401
    except ImportError as error:
        print(
            f"syngen: error: this Python has no Blender: {error} "
            "Run it with `blender -b --python`, or in SynGen's .venv.",
            file=sys.stderr,
        )
        return 1
    try:
        cli = importlib.import_module(f"{package_name()}.syngen_addon.blender.cli")
        return int(cli.main(argv, Path(__file__).name))
    except BaseException as error:
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else 1
        traceback.print_exc()
        print(
            f"syngen: error: {type(error).__name__}: {error} This is a mistake in SynGen; please report it.",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if "bpy" in sys.modules:  # leaving like this skips Blender's own clearing up; nothing but an empty folder goes
        with suppress(OSError):
            os.rmdir(sys.modules["bpy"].app.tempdir)
    # Blender goes on after a script and would end in 0 whatever the script said; its own clean-up can also crash.
    os._exit(code)
