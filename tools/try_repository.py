"""Installs the extension from a repository's address, or updates it, by the commands of Blender's own command line.

    BLENDER_USER_RESOURCES=FOLDER python tools/try_repository.py install|update URL VERSION       by tools/repository.py

VERSION is the one that is expected afterwards. The module has no command line: `blender --command extension ...` calls
the function that this script calls.
"""

import os
import sys
import tomllib
from pathlib import Path

import bpy

PACKAGE = "bl_ext.syngen_releases.syngen"


def main(what: str, url: str, version: str) -> None:
    import addon_utils
    from bl_pkg.bl_extension_cli import cli_extension_handler  # type: ignore[import-not-found]

    def command(*arguments: str) -> None:
        answer = cli_extension_handler([*arguments])
        assert answer == 0, f"blender --command extension {' '.join(arguments)}: exit code {answer}"

    if what == "install":
        bpy.context.preferences.system.use_online_access = True  # Allow Online Access
        # Blender's own repository goes: it lies in the Internet, and the try is of ours.
        command("repo-add", "--clear-all", "--name", "SynGen", "--url", url, "syngen_releases")
        command("sync")
        command("install", "--enable", "syngen")
    else:
        # The module starts from factory settings; the application knows its repositories from the last time.
        bpy.ops.wm.read_userpref()
        command("sync")
        command("update")
    assert addon_utils.check(PACKAGE)[0] or what == "update", "installed, but not enabled"
    folder = Path(os.environ["BLENDER_USER_RESOURCES"]) / "extensions" / "syngen_releases" / "syngen"
    found = tomllib.loads((folder / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]
    assert found == version, f"{found} is installed, not {version}"
    errors: list[Exception] = []
    addon_utils.enable(PACKAGE, default_set=True, handle_error=errors.append)
    if errors:
        raise errors[0]
    print(f"SynGen {found} {what}s from a repository in Blender {bpy.app.version_string}")


main(*sys.argv[1:])
