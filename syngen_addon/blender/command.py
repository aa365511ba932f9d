"""`blender -b scene.blend --command syngen ...`: the same job as batch.py. Imports bpy."""

from collections.abc import Sequence

import bpy

_handles: list[object] = []


def _run(argv: Sequence[str]) -> int:
    from . import cli

    return cli.main(argv, "blender --command syngen")


def register() -> None:
    _handles.append(bpy.utils.register_cli_command("syngen", _run))


def unregister() -> None:
    while _handles:
        bpy.utils.unregister_cli_command(_handles.pop())
