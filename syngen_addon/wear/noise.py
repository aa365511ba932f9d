"""Fractal noise at points in space. Imports numpy.

One tileable block of random values with a fractal spectrum is drawn per map and looked up at several scales and
rotations; that costs a tenth of computing each octave of Perlin noise at each point.
"""

import numpy as np
import numpy.typing as npt

from ..images import Array

SIDE = 128
"""Cells along the block's side; a power of two."""
LONGEST, SHORTEST = 40.0, 3.2
"""Wavelengths in the block, in cells: short enough to repeat unseen, long enough to interpolate linearly."""
GAIN = 0.74
"""Amplitude of an octave over that of the one twice as coarse."""
SPAN = LONGEST / SHORTEST


class Noise:
    """Gaussian fractal noise, zero mean, unit variance, periodic with SIDE cells."""

    def __init__(self, rng: np.random.Generator) -> None:
        # In float64, since numpy 1 would widen float32 and numpy 2 not.
        white = np.fft.rfftn(rng.standard_normal((SIDE, SIDE, SIDE)))
        k = np.fft.fftfreq(SIDE) * SIDE
        radius = np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, : SIDE // 2 + 1] ** 2)
        inside = (radius >= SIDE / LONGEST) & (radius <= SIDE / SHORTEST)
        # In 3D an octave holds k^3 frequencies, hence the exponent -3/2 on top of the gain.
        amplitude = np.where(inside, np.maximum(radius, 1) ** (-1.5 + np.log2(GAIN)), 0)
        block = np.fft.irfftn(white * amplitude, s=(SIDE, SIDE, SIDE), axes=(0, 1, 2))
        block = ((block - block.mean()) / block.std()).astype(np.float32)
        # The eight corners of each cell side by side: one lookup a point in place of eight.
        self._cells = np.empty((SIDE, SIDE, SIDE, 8), np.float32)
        for corner in range(8):
            shift = (-(corner >> 2 & 1), -(corner >> 1 & 1), -(corner & 1))
            self._cells[..., corner] = np.roll(block, shift, axis=(0, 1, 2))
        self._cells = self._cells.reshape(-1, 8)

    def at(self, points: Array, cell: float, place: npt.NDArray[np.float32]) -> Array:
        """N values at points (N x 3, metres). cell: side of a cell, metres. place: 4 x 3, rotation and offset."""
        # Column by column: a matrix product's last bit depends on the number of threads.
        turned = place[:3] / np.float32(cell)
        q = points[:, :1] * turned[0] + points[:, 1:2] * turned[1] + points[:, 2:3] * turned[2] + place[3]
        whole = np.floor(q)
        f = q - whole
        i = whole.astype(np.int32) & (SIDE - 1)
        eight = self._cells[(i[:, 0] * SIDE + i[:, 1]) * SIDE + i[:, 2]]
        four = eight[:, :4] + f[:, :1] * (eight[:, 4:] - eight[:, :4])
        two = four[:, :2] + f[:, 1:2] * (four[:, 2:] - four[:, :2])
        result: Array = (two[:, 0] + f[:, 2] * (two[:, 1] - two[:, 0])).astype(np.float32, copy=False)
        return result


def place(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A random rotation (3 x 3) over a random offset (1 x 3, cells), for Noise.at."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    return np.asarray(np.concatenate([q * np.sign(np.diag(r)), rng.uniform(0, SIDE, (1, 3))]), np.float32)
