"""Every random draw of SynGen comes from here. Imports numpy only.

A draw has a name: the job's seed, the frame it is for and what it is for. Draws with different names are
independent, so that adding one never shifts another, and any frame can be drawn alone.
"""

import hashlib

import numpy as np


def generator(seed: int, purpose: str, frame: int = 0, attempt: int = 0) -> np.random.Generator:
    """An independent Generator for (seed, frame, attempt, purpose); the same name gives the same stream.

    purpose: what the draw is for, such as "camera" or "onset/Drum". frame, attempt: 0 where there is none.
    """
    name = f"{seed}/{frame}/{attempt}/{purpose}".encode()
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(name).digest(), "big")))
