"""SynGen as a Blender extension: registers its parts in one order and undoes them in reverse.

Imports nothing heavy: OpenCV, OpenEXR and Pillow come in with the first command that needs them.
"""

import gc

# Nothing that comes in here is garbage, and the collector may take it as the moment to go over everything that Blender
# has made so far: that takes longer than the imports themselves.
_collects = gc.isenabled()
gc.disable()
try:
    from . import operators, panels
    from .syngen_addon import blender
finally:
    if _collects:
        gc.enable()

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
