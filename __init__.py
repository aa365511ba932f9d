"""SynGen as a Blender extension: registers its parts in one order and undoes them in reverse.

Imports nothing heavy: OpenCV, OpenEXR and Pillow come in with the first command that needs them.
"""

from . import operators, panels
from .syngen_addon import blender

_PARTS = (blender, operators, panels)


def register() -> None:
    """Register every part; where one fails, those before it are undone."""
    done = []
    try:
        for part in _PARTS:
            part.register()
            done.append(part)
    except Exception:
        for part in reversed(done):
            part.unregister()
        raise


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
