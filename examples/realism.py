"""Rust held against photographs: the tables and the pictures of docs/realism.md.

    .venv/bin/python examples/realism.py --photographs folder --out out/realism

folder holds the photographs that PHOTOGRAPHS names (CC0: ambientCG.com, polyhaven.com). Prints Markdown tables; leaves
<out>/realism-whole.jpg and realism-crop.jpg. --before names another checkout of the project, whose rust is measured
too. Runs without Blender; what is measured: texture_distance.py.
"""

import argparse
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

from examples import texture_distance as td  # noqa: E402
from syngen_addon import images  # noqa: E402
from syngen_addon.kinds import KINDS  # noqa: E402
from syngen_addon.seeds import generator  # noqa: E402
from syngen_addon.textures.noise import field  # noqa: E402
from syngen_addon.textures.procedural import wear_texture  # noqa: E402

PHOTOGRAPHS = {
    "Rust004": "Rust004_1K_Color.jpg",
    "Rust006": "Rust006_1K-JPG_Color.jpg",
    "rust_coarse_01": "rust_coarse_01_diff_1k.webp",
}
RUST = ("light_rust", "heavy_rust", "rust_streaks")
SIZE = 1024
"""Of the photographs, and of what is held against them: a tile against a tile, texel by texel."""
CROP = slice(300, 710)
"""20 cm of a tile of half a metre; of the photographs, which carry no scale, as many texels."""
MEASURES = ("color", "structure", "patch")
EARLIER = """
import sys
import numpy as np
sys.path.insert(0, ".")
from syngen_addon.kinds import KINDS
from syngen_addon.seeds import generator
from syngen_addon.textures.procedural import wear_texture
name, seeds, size, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
np.save(out, [wear_texture(KINDS[name], size, generator(s, "realism")).color_srgb for s in range(seeds)])
"""
"""Makes the rust of another checkout, in a process of its own."""


def rust(name: str, seed: int) -> images.Array:
    """One texture's colour, SIZE x SIZE x 3."""
    return wear_texture(KINDS[name], SIZE, generator(seed, "realism")).color_srgb


def rust_of(checkout: Path, name: str, seeds: int) -> list[images.Array]:
    """The same by the code of another checkout."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "rust.npy"))
        subprocess.run([sys.executable, "-c", EARLIER, name, str(seeds), str(SIZE), out], cwd=checkout, check=True)
        return list(np.load(out))


def colored_noise(photographs: list[images.Array], slope: float, stretch: float, seed: int) -> images.Array:
    """Gaussian noise with the photographs' mean colour and spread: as near as colour and contrast alone come."""
    lab = np.concatenate([cv2.cvtColor(photo, cv2.COLOR_RGB2Lab).reshape(-1, 3) for photo in photographs])
    noise = field(np.random.default_rng(seed), SIZE, 2, 400, slope, stretch)[..., None]
    made = (lab.mean(0) + lab.std(0) * noise).astype(np.float32)
    return np.asarray(np.clip(cv2.cvtColor(made, cv2.COLOR_Lab2RGB), 0, 1), np.float32)


class Bench:
    """The photographs, described, and what lies how far from them."""

    def __init__(self, photographs: dict[str, images.Array]) -> None:
        self.photographs = {name: td.describe(photo) for name, photo in photographs.items()}
        self.units = td.units_of(list(self.photographs.values()))
        self.pairs = {
            (a, b): self.between(self.photographs[a], self.photographs[b])
            for a, b in combinations(self.photographs, 2)
        }
        self.apart = self.mean(list(self.pairs.values()))

    def between(self, a: td.Description, b: td.Description) -> dict[str, float]:
        return td.distances(a, b, self.units)

    @staticmethod
    def mean(found: list[dict[str, float]]) -> dict[str, float]:
        return {m: float(np.mean([each[m] for each in found])) for m in MEASURES}

    def own(self, name: str) -> dict[str, float]:
        """A photograph's mean distance to the others."""
        return self.mean([d for pair, d in self.pairs.items() if name in pair])

    def row(self, label: str, pictures: list[images.Array]) -> str:
        """A line of the table: the mean over the photographs, the nearest, the worst of them by its own distance."""
        found = [td.describe(picture) for picture in pictures]
        far = [{name: self.between(d, photo) for name, photo in self.photographs.items()} for d in found]
        mean = self.mean([each for row in far for each in row.values()])
        near = self.mean([{m: min(each[m] for each in row.values()) for m in MEASURES} for row in far])
        by_photo = {name: self.mean([row[name] for row in far]) for name in self.photographs}
        worst = {m: max(by_photo[name][m] / self.own(name)[m] for name in self.photographs) for m in MEASURES}
        cells = [f"{mean[m] / self.apart[m]:.2f} ({near[m] / self.apart[m]:.2f}; {worst[m]:.2f})" for m in MEASURES]
        return f"| {label} | " + " | ".join(cells) + " |"

    def floor(self, photographs: dict[str, images.Array]) -> list[str]:
        """Quarters of the same photograph against each other: what sampling alone makes."""
        lines = []
        for name, photo in photographs.items():
            half = photo.shape[0] // 2
            quarters = [td.describe(photo[y : y + half, x : x + half]) for y in (0, half) for x in (0, half)]
            mean = self.mean([self.between(a, b) for a, b in combinations(quarters, 2)])
            cells = [f"{mean[m] / self.apart[m]:.2f}" for m in MEASURES]
            lines.append(f"| quarters of {name} | " + " | ".join(cells) + " |")
        return lines


def sheet(rows: list[list[tuple[str, images.Array]]], side: int, path: Path) -> None:
    """Labelled pictures in rows, as JPEG."""
    gap, head = 8, 26
    width = max(len(row) for row in rows) * (side + gap) + gap
    canvas = Image.new("RGB", (width, len(rows) * (side + head + gap) + gap), (28, 28, 28))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(16)
    for y, row in enumerate(rows):
        for x, (label, picture) in enumerate(row):
            small = images.resize(np.ascontiguousarray(picture), side, side)
            left, top = gap + x * (side + gap), gap + y * (side + head + gap)
            draw.text((left, top + 3), label, fill=(230, 230, 230), font=font)
            canvas.paste(Image.fromarray(images.to_bytes(small)), (left, top + head))
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path, quality=88)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photographs", type=Path, required=True)
    p.add_argument("--out", type=Path, default=Path("out/realism"))
    p.add_argument("--seeds", type=int, default=8)
    p.add_argument("--before", type=Path, help="another checkout of the project, to be measured too")
    a = p.parse_args()
    photographs = {name: images.load(a.photographs / file)[..., :3] for name, file in PHOTOGRAPHS.items()}
    bench = Bench(photographs)

    head = "| | " + " | ".join(MEASURES) + " |\n|---|" + "---|" * len(MEASURES)
    print("Distances between photographs:\n\n" + head)
    for pair, d in bench.pairs.items():
        print(f"| {pair[0]} to {pair[1]} | " + " | ".join(f"{d[m]:.2f}" for m in MEASURES) + " |")
    print("| **mean: the unit below** | " + " | ".join(f"**{bench.apart[m]:.2f}**" for m in MEASURES) + " |")
    print("\nMean distance to the photographs (to the nearest; worst ratio to one photograph's own mean distance):\n")
    print(head)
    made = {name: [rust(name, seed) for seed in range(a.seeds)] for name in RUST}
    for name in RUST:
        print(bench.row(KINDS[name].label, made[name]), flush=True)
    if a.before:
        for name in RUST:
            print(bench.row(f"{KINDS[name].label}, before", rust_of(a.before, name, a.seeds)), flush=True)
    for label, slope, stretch in (("noise, fine", 0.5, 1), ("noise, clouds", 1, 1), ("noise, drawn out (wood)", 1, 12)):
        pictures = [colored_noise(list(photographs.values()), slope, stretch, seed) for seed in range(3)]
        print(bench.row(label, pictures), flush=True)
    print("\n".join(bench.floor(photographs)))

    rows = [list(photographs.items())]
    for seed in range(min(3, a.seeds)):
        rows.append([(f"{KINDS[name].label}, seed {seed}", made[name][seed]) for name in RUST])
    sheet(rows, 420, a.out / "realism-whole.jpg")
    sheet([[(label, picture[CROP, CROP]) for label, picture in row] for row in rows], 420, a.out / "realism-crop.jpg")


if __name__ == "__main__":
    main()
