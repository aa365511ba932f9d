"""Depth and normals as EXR files. Imports numpy and OpenEXR, never bpy.

The same values give the same bytes: no times, no names of programs.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import SynGenError, one_line

NOTHING_FROM = 1e9
"""Depth from here on means that nothing is there: Cycles writes 1e10."""


def depth_exr(depth: npt.NDArray[np.float32], metres: float, scratch: Path) -> bytes:
    """Depth H x W in units of the scene (metres each) -> an EXR of one channel, Y: metres along the view axis, 32 bits.

    0 where nothing is. scratch: a folder for the file while it is made, since OpenEXR writes to files only.
    """
    there = np.where(depth < NOTHING_FROM, depth * np.float32(metres), np.float32(0))
    return _exr({"Y": there.astype(np.float32)}, scratch)


def normals_exr(normal: npt.NDArray[np.float32], scratch: Path) -> bytes:
    """Normals H x W x 3 in world space -> an EXR of 16-bit floats: R, G, B are X, Y, Z; 0, 0, 0 where nothing is."""
    return _exr({"RGB": normal.astype(np.float16)}, scratch)


def _exr(channels: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.float16]], scratch: Path) -> bytes:
    import OpenEXR

    path = scratch / "map.exr"
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    try:
        OpenEXR.File(header, {name: np.ascontiguousarray(pixels) for name, pixels in channels.items()}).write(str(path))
        return path.read_bytes()
    except (OSError, RuntimeError) as error:
        raise SynGenError(f"Cannot write {path}: {one_line(error)}", "Free some space there.") from error
    finally:
        path.unlink(missing_ok=True)
