"""Installs an extension zip into the Blender of this Python, enables it, disables it and enables it again.

    BLENDER_USER_RESOURCES=FOLDER python tools/try_zip.py ZIP FOLDER       run by tools/package.py

Checks that the bundled packages come from the zip and not from this environment.
"""

import importlib
import sys
from pathlib import Path

import bpy

PACKAGE = "bl_ext.user_default.syngen"
BUNDLED = ("cv2", "OpenEXR", "PIL", "pycocotools.mask", "tomli_w")


def main(archive: str, resources: str) -> None:
    import addon_utils

    answer = bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    assert answer == {"FINISHED"}, f"Blender's installer says {answer}"
    assert addon_utils.check(PACKAGE) == (True, True), "installed, but not enabled"
    addon_utils.disable(PACKAGE, default_set=True)
    assert addon_utils.check(PACKAGE) == (False, False), "disabled, but still there"
    errors: list[Exception] = []
    addon_utils.enable(PACKAGE, default_set=True, handle_error=errors.append)
    if errors:
        raise errors[0]
    # This environment's own copies would hide a wheel that is missing: let the zip's come first.
    site = str(Path(resources).resolve() / "extensions" / ".local")
    sys.path.insert(0, next(path for path in sys.path if path.startswith(site)))
    for name in BUNDLED:
        module = importlib.import_module(name)
        assert str(module.__file__).startswith(site), f"{name} comes from {module.__file__}, not from the zip"
    version = ".".join(map(str, sys.version_info[:2]))
    blender = f"Blender {bpy.app.version_string}, Python {version}"
    print(f"{Path(archive).name} installs, enables, disables and enables again in {blender}")


main(*sys.argv[1:])
