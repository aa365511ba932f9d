"""What a report of an error holds: the sentence, the next step, versions, the end of logs. Imports bpy.

It names neither the user nor their home folder, so that it can be pasted anywhere.
"""

import platform
from pathlib import Path

import bpy

from ..worker.environment import without_names
from . import background, session
from .inputs import syngen_version

TAIL = 20
"""Lines of a log."""


def report(message: str, hint: str = "") -> str:
    """The text to copy."""
    scene = bpy.context.scene.syngen
    lines = [message, *([f"What to do: {hint}"] if hint else []), ""]
    lines += [
        f"SynGen {syngen_version()}",
        f"Blender {bpy.app.version_string} ({bpy.app.build_hash.decode()}), Python {platform.python_version()}",
        f"{platform.platform()}, {platform.machine()}",
        f"Graphics: {_graphics()}",
        f"Textures: {scene.texture.method}, transfer: {scene.transfer.method}, kind: {scene.wear.kind}",
        f"Render: {scene.render.engine}, {scene.render.device}",
    ]
    if session.now.folder:
        log = Path(session.now.folder) / background.PANEL / background.LOG
        try:
            end = log.read_text("utf-8", "replace").splitlines()[-TAIL:]
        except OSError:
            end = []
        lines += ["", "--- the end of the last export's log", *end] if end else []
    return without_names("\n".join(lines)) + "\n"


def _graphics() -> str:
    if bpy.app.background:
        return "no window"
    import gpu

    return f"{gpu.platform.renderer_get()}, {gpu.platform.backend_type_get()}"
