"""Judging a wear texture, against making it: 512 x 512, heavy rust, one thread.

`textures_a_second` in the figure: so many are judged in a second of CPU time.
"""

import os
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # waiting threads would count as work; it must be said before numpy comes in

import cv2
from harness import compare

from syngen_addon.filters.judge import Verdict, judge
from syngen_addon.kinds import KINDS
from syngen_addon.recipe import Filters
from syngen_addon.seeds import generator
from syngen_addon.textures.procedural import wear_texture

SIDE = 512
KIND = KINDS["heavy_rust"]


def main() -> None:
    cv2.setNumThreads(1)
    textures = [wear_texture(KIND, SIDE, generator(seed, "bench")) for seed in range(3)]
    accepted: list[Verdict] = [judge(texture, KIND.look.colors_srgb, Filters()) for texture in textures]
    judged = spent = 0.0

    def judging() -> None:
        nonlocal judged, spent
        before = time.process_time()
        for texture in textures:
            judge(texture, KIND.look.colors_srgb, Filters(), accepted)
        judged, spent = judged + len(textures), spent + time.process_time() - before

    def making() -> None:
        for seed in range(3):
            wear_texture(KIND, SIDE, generator(seed, "bench"))

    def about() -> dict[str, object]:
        return {"textures_a_second": round(judged / spent, 1)}

    compare("filters_speed", judging, making, pairs=7, limit=0.25, about=about)


if __name__ == "__main__":
    main()
