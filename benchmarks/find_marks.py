"""How well marks are found on the textures of real models, and the weights of marks/find.py fitted again.

    python benchmarks/find_marks.py                      the figure for `make bench`
    python benchmarks/find_marks.py table [FILE.onnx]    each model, as in docs/marks.md; with a text detector beside it
    python benchmarks/find_marks.py weights              the table of marks/find.py

Truth: marks on the models labelled by hand as polygons, the graffiti as the difference to the door without it, and
marks drawn onto every texture: letters of all fonts of this machine, labels, warning signs, logos, stripes and arrows,
turned, blurred, worn. A model's figures are of weights fitted without it. FILE.onnx: the detector of PP-OCRv4 (a member
of the package rapidocr-onnxruntime 1.4.4), run through cv2.dnn as its authors do, in all four directions.
The models lie in the folder that SYNGEN_TEST_ASSETS names. Imports numpy, OpenCV, Pillow and marks.
"""

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import LEFT_OUT, ROOT
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(ROOT))
from syngen_addon import images, seeds
from syngen_addon.images import Array, Mask
from syngen_addon.marks import find
from syngen_addon.recipe import Marks

SIDE = 1024
SENSITIVITY = Marks().sensitivity
WANTED = 0.7
"""IoU that the default has to reach over all models."""
SEEDS = 4
"""Textures with drawn marks, of each model, that weights are fitted on."""
MEASURED = 101
"""Seed of those that only measure."""
Polygons = tuple[tuple[tuple[int, int], ...], ...]


def _box(left: int, top: int, right: int, bottom: int) -> tuple[tuple[int, int], ...]:
    return (left, top), (right, top), (right, bottom), (left, bottom)


MARKED: dict[str, Polygons] = {
    "Barrel_01_explosive": (
        ((194, 70), (321, 135), (194, 202)),
        ((197, 541), (322, 607), (203, 668), (197, 668)),
    ),
    "WetFloorSign_01": (
        _box(75, 338, 185, 379), _box(61, 396, 196, 429), ((54, 446), (203, 446), (129, 577)), _box(74, 596, 183, 630),
        _box(131, 837, 166, 946), ((184, 891), (317, 815), (317, 967)), _box(331, 822, 366, 958),
        _box(386, 838, 430, 949),
    ),
    "cardboard_box_01": (
        ((467, 260), (500, 294), (468, 325), (435, 289)),
        ((428, 296), (461, 331), (431, 360), (398, 325)),
    ),
    "hand_truck": (_box(817, 985, 849, 1018),),
}  # fmt: skip
"""Marks of the models at 1024 x 1024; textures that are not named have none."""
GRAFFITI, DOOR = "rollershutter_door_graffiti", "rollershutter_door"
WORDS = (
    "CAUTION", "DANGER", "KEEP DRY", "MAX 40 kg", "ACME", "No. 4711", "FRAGILE", "TYPE B2", "OIL", "220 V", "EXIT",
    "Logistics", "PUSH", "24/7", "HANDLE WITH CARE", "UN 1203", "Nordwerk", "A-17",
)  # fmt: skip


# --- textures and truth ----------------------------------------------------------------------------------------------


def _assets() -> Path:
    return Path(os.environ["SYNGEN_TEST_ASSETS"]) / "objects"


def textures() -> dict[str, Path]:
    """Name -> base texture of every model."""
    return {
        path.name.replace("_diff_1k.jpg", ""): path
        for path in sorted(_assets().glob("*/textures/*_diff_1k.jpg"))
    }  # fmt: skip


def group_of(name: str) -> str:
    """The model of a texture: two textures of one model are never on both sides of a fit."""
    return textures()[name].parent.parent.name


@cache
def base_of(name: str) -> Array:
    return images.resize(images.load(textures()[name])[..., :3], SIDE, SIDE)


@cache
def covered_of(name: str) -> Mask:
    """The UV islands of a texture's model, read from its glTF."""
    folder = textures()[name].parent.parent
    about = json.loads(next(folder.glob("*.gltf")).read_text(encoding="utf-8"))
    data = (folder / about["buffers"][0]["uri"]).read_bytes()

    def numbers(accessor: int) -> Any:
        a = about["accessors"][accessor]
        view = about["bufferViews"][a["bufferView"]]
        kind = {5123: "<u2", 5125: "<u4", 5126: "<f4"}[a["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2}[a["type"]]
        begin = view.get("byteOffset", 0) + a.get("byteOffset", 0)
        return np.frombuffer(data, kind, a["count"] * width, begin).reshape(-1, width)

    mask = np.zeros((SIDE, SIDE), np.uint8)
    for part in (p for mesh in about["meshes"] for p in mesh["primitives"]):
        uvs = numbers(part["attributes"]["TEXCOORD_0"])[numbers(part["indices"])[:, 0].reshape(-1, 3)]
        uvs = uvs - np.floor(uvs.mean(axis=1, keepdims=True))
        for corners in np.round(uvs * SIDE * 16 - 8).astype(np.int32):
            cv2.fillConvexPoly(mask, corners, (1,), shift=4)
    return mask > 0


@cache
def truth_of(name: str) -> Mask:
    """The marks that the texture came with."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for corners in MARKED.get(name, ()):
        cv2.fillPoly(mask, [np.array(corners, np.int32)], (1,))
    if name == GRAFFITI:
        sprayed = np.abs(base_of(name) - base_of(DOOR)).max(axis=2) > 0.08
        clean = cv2.morphologyEx(sprayed.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        return np.asarray(cv2.morphologyEx(clean, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)) > 0)
    return mask > 0


def _drawn(size: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """A mark: its colours (size x size x 3) and how much of each texel it covers."""
    side, middle = 4 * size, 2 * size
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    fonts = [None, *sorted(Path("/usr/share/fonts/truetype").rglob("*.ttf"))]

    def color() -> tuple[int, ...]:
        black, white = (20, 20, 22), (235, 233, 228)
        which = rng.choice(5)
        return black if which == 0 else white if which == 1 else tuple(int(v) for v in rng.integers(0, 256, 3))

    def letters(at: tuple[float, float], text: str, height: float) -> None:
        chosen = fonts[rng.integers(len(fonts))]
        size = int(height)
        font = ImageFont.load_default(size) if chosen is None else ImageFont.truetype(str(chosen), size)
        pen.text(at, text, fill=ink, font=font, anchor="mm")

    ink = ground = color()
    while sum(abs(a - b) for a, b in zip(ink, ground, strict=True)) < 220:
        ink, ground = color(), color()
    what = str(rng.choice(["text", "text", "word", "label", "sign", "logo", "stripes", "arrows"]))
    if what == "word":
        letters((middle, middle), str(rng.choice(WORDS)).split()[0][:5], 0.3 * side)
    elif what == "text":
        lines = int(rng.integers(1, 4))
        for i in range(lines):
            letters((middle, middle + (i - (lines - 1) / 2) * 0.156 * side), str(rng.choice(WORDS)), 0.12 * side)
    elif what == "label":
        half = 0.45 * side, rng.uniform(0.2, 0.4) * side
        box = (middle - half[0], middle - half[1], middle + half[0], middle + half[1])
        pen.rounded_rectangle(box, side * 0.03 * rng.integers(0, 3), fill=ground, outline=ink, width=side // 60)
        for down in (-0.5, 0.5):
            letters((middle, middle + down * 0.16 * side), str(rng.choice(WORDS)), 0.11 * side)
    elif what == "sign":
        corners = [(middle, 0.08 * side), (0.94 * side, 0.88 * side), (0.06 * side, 0.88 * side)]
        pen.polygon(corners, fill=ground)
        pen.line([*corners, *corners[:2]], fill=ink, width=side // 14, joint="curve")
        letters((middle, 0.62 * side), str(rng.choice(list("!?AX8"))), 0.42 * side)
    elif what == "logo":
        for inset, fill in ((0.08, ground), (0.2, ink)):
            pen.ellipse((inset * side, inset * side, (1 - inset) * side, (1 - inset) * side), fill=fill)
        pen.rectangle((0.1 * side, 0.42 * side, 0.9 * side, 0.58 * side), fill=ground)
        letters((middle, middle), str(rng.choice(WORDS))[:6], side / 8)
    elif what == "stripes":
        for left in (0.05 + 0.15 * i for i in range(6)):
            shape = [(left, 0.7), (left + 0.1, 0.3), (left + 0.18, 0.3), (left + 0.08, 0.7)]
            pen.polygon([(x * side, y * side) for x, y in shape], fill=ink)
    else:
        head = [(0, 0.1), (0.12, 0.35), (0.05, 0.35), (0.05, 0.9), (-0.05, 0.9), (-0.05, 0.35), (-0.12, 0.35)]
        for at in (0.2, 0.5, 0.8):
            pen.polygon([((at + x) * side, y * side) for x, y in head], fill=ink)
    turned = float(rng.choice([0, 90, 180, 270]) + (rng.uniform(-45, 45) if rng.random() < 0.4 else 0))
    picture = picture.rotate(turned, Image.Resampling.BICUBIC).resize((size, size), Image.Resampling.LANCZOS)
    texels = np.asarray(picture, np.float32) / 255
    return texels[..., :3], texels[..., 3]


def with_marks(name: str, seed: int, count: int = 14) -> tuple[Array, Mask]:
    """A model's texture with marks drawn onto it, and where marks are now, its own included. seed 0: as it came."""
    base, marks = base_of(name).copy(), truth_of(name).copy()
    if seed == 0:
        return base, marks
    rng = seeds.generator(seed, f"drawn/{name}")
    free = cv2.erode((covered_of(name) & ~marks).astype(np.uint8), np.ones((5, 5), np.uint8))
    for _ in range(count):
        size = int(np.exp(rng.uniform(np.log(36), np.log(170))))
        rows, columns = np.nonzero(cv2.erode(free, np.ones((size, size), np.uint8)))
        if not len(rows):
            continue
        which = rng.integers(len(rows))
        top, left = max(0, rows[which] - size // 2), max(0, columns[which] - size // 2)
        here = np.s_[top : top + size, left : left + size]
        ground = base[here]
        color, solid = (part[: ground.shape[0], : ground.shape[1]] for part in _drawn(size, rng))
        shows = solid
        if rng.random() < 0.6:
            spots = cv2.resize(rng.random((size // 3, size // 3)).astype(np.float32), solid.shape[::-1])
            shows = solid * np.clip((spots - rng.uniform(-0.3, 0.25)) * 5, 0, 1)
        grey = images.luminance(ground)
        detail = (grey - cv2.GaussianBlur(grey, (0, 0), 4))[..., None]
        film = np.clip(color + 0.7 * detail, 0, 1) * rng.uniform(0.8, 1) + 0.03
        mixed = ground + (film - ground) * shows[..., None]
        blur = rng.uniform(0, 0.9)
        if blur > 0.3:
            near = cv2.dilate(solid, np.ones((5, 5), np.uint8))[..., None] > 0.05
            mixed = np.where(near, cv2.GaussianBlur(mixed, (0, 0), blur), mixed)
        base[here] = np.clip(mixed, 0, 1)
        marks[here] |= solid > 0.4
        free[here] = 0
    return base, marks


# --- fitting ---------------------------------------------------------------------------------------------------------

Sample = tuple[str, int, Array, Array]
"""Texture, seed, features, and which share of each region lies on marks."""
Fit = tuple[dict[str, tuple[float, float, float]], float]


def sample(job: tuple[str, int]) -> Sample:
    cv2.setNumThreads(1)
    base, marks = with_marks(*job)
    found = find.regions(base, covered_of(job[0]))
    return *job, found.features, np.array([marks[t[:, 1], t[:, 0]].mean() for t in found.texels], np.float32)


def fitted(samples: list[Sample]) -> Fit:
    """Weights by logistic regression (Newton's method, ridge 0.5); each texture counts alike, and each side in it."""
    rows, wanted, counts = [], [], []
    for _, _, features, share in samples:
        clear = (share > 0.7) | (share < 0.15)
        marked = share[clear] > 0.5
        rows.append(features[clear].astype(np.float64))
        wanted.append(marked)
        sides = np.sqrt(np.maximum([np.count_nonzero(~marked), np.count_nonzero(marked)], 1))
        counts.append(1 / sides[marked.astype(int)])
    x, y, weight = np.concatenate(rows), np.concatenate(wanted), np.concatenate(counts)
    weight /= weight.mean()
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
    design = np.c_[np.ones(len(x)), np.clip((x - mean) / deviation, -4, 4)]
    ridge = np.r_[1e-6, np.full(x.shape[1], 0.5)]
    w = np.zeros(design.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-design @ w))
        gradient = design.T @ (weight * (p - y)) + ridge * w
        w -= np.linalg.solve((design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(ridge), gradient)
    table = {name: (float(mean[i]), float(deviation[i]), float(w[i + 1])) for i, name in enumerate(find.FEATURES)}
    return table, float(w[0])


# --- measuring -------------------------------------------------------------------------------------------------------


def by_text_detector(base: Array, model: str) -> Mask:
    """PP-OCRv4's boxes (threshold 0.3, box threshold 0.5, unclip 1.6: its authors' values), in four directions."""
    net = cv2.dnn.readNetFromONNX(model)
    boxes = np.zeros(base.shape[:2], np.uint8)
    for turns in range(4):
        turned = np.ascontiguousarray(np.rot90(base, turns))
        net.setInput(np.ascontiguousarray(((turned[..., ::-1] - 0.5) / 0.5).transpose(2, 0, 1)[None]))
        likely = net.forward()[0, 0]
        here = np.zeros(likely.shape, np.uint8)
        lines, _ = cv2.findContours((likely > 0.3).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        for line in lines:
            inside = cv2.drawContours(np.zeros_like(here), [line], -1, (1,), cv2.FILLED) > 0
            center, (width, height), angle = cv2.minAreaRect(line)
            if min(width, height) < 3 or likely[inside].mean() < 0.5:
                continue
            out = 1.6 * width * height / (width + height)
            cv2.fillPoly(
                here, [np.asarray(cv2.boxPoints((center, (width + out, height + out), angle)), np.int32)], (1,)
            )
        boxes |= np.rot90(here, -turns)
    return boxes > 0


def measure(job: tuple[str, int, Fit, str]) -> tuple[str, int, Mask, dict[str, Mask]]:
    """Texture, seed, truth, and what each method finds."""
    name, seed, (table, bias), detector = job
    cv2.setNumThreads(1)
    find.WEIGHTS.update(table)
    find.BIAS = bias
    base, marks = with_marks(name, seed)
    found = {"regions": find.find_marks(base, Marks(sensitivity=SENSITIVITY), covered_of(name))}
    if detector:
        found["text detector"] = by_text_detector(base, detector) & covered_of(name)
        found["both"] = found["regions"] | found["text detector"]
    return name, seed, find.filled(marks.astype(np.uint8)) & covered_of(name), found


def scores(found: Mask, truth: Mask) -> tuple[int, int, int]:
    """Texels found, found rightly, and to be found."""
    return int(found.sum()), int((found & truth).sum()), int(truth.sum())


def rates(found: int, right: int, wanted: int) -> tuple[float, float, float]:
    """Precision, recall, IoU."""
    return right / max(found, 1), right / max(wanted, 1), right / max(found + wanted - right, 1)


def measured(pool: ProcessPoolExecutor, seeds_fitted: int, detector: str = "") -> list[Any]:
    names = list(textures())
    samples = list(pool.map(sample, [(name, seed) for name in names for seed in range(seeds_fitted + 1)]))
    fits = {g: fitted([s for s in samples if group_of(s[0]) != g]) for g in {group_of(name) for name in names}}
    jobs = [(name, seed, fits[group_of(name)], detector) for name in names for seed in (0, MEASURED)]
    return list(pool.map(measure, jobs))


def table(results: list[Any]) -> str:
    methods = list(results[0][3])
    lines = ["| texture | marks | " + " | ".join(methods) + " |", "|---|---|" + "---|" * len(methods)]
    total: dict[tuple[int, str], list[tuple[int, int, int]]] = {}
    for name, seed, truth, found in results:
        cells = []
        for method in methods:
            counts = scores(found[method], truth)
            total.setdefault((seed, method), []).append(counts)
            if counts[2]:
                cells.append("P {:.2f} R {:.2f} IoU {:.2f}".format(*rates(*counts)))
            else:
                cells.append(f"{found[method].mean():.2%} found, none there")
        lines.append(f"| {name} | {'drawn too' if seed else 'its own'} | {' | '.join(cells)} |")
    for seed, what in ((0, "their own"), (MEASURED, "drawn too")):
        sums = (rates(*(int(n) for n in np.sum(total[seed, method], axis=0))) for method in methods)
        cells = ["P {:.2f} R {:.2f} IoU {:.2f}".format(*each) for each in sums]
        lines.append(f"| **all** | **{what}** | **{'** | **'.join(cells)}** |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    if "SYNGEN_TEST_ASSETS" not in os.environ or not _assets().is_dir():
        print("find_marks: left out, SYNGEN_TEST_ASSETS names no models", file=sys.stderr)
        return LEFT_OUT
    with ProcessPoolExecutor(2) as pool:
        if arguments[:1] == ["weights"]:
            jobs = [(name, seed) for name in textures() for seed in range(SEEDS + 1)]
            weights, bias = fitted(list(pool.map(sample, jobs)))
            for name, values in weights.items():
                print('    "{}": ({:.3f}, {:.3f}, {:.3f}),'.format(name, *values))
            print(f"BIAS = {bias:.3f}")
        elif arguments[:1] == ["table"]:
            print(table(measured(pool, SEEDS, (arguments[1:] or [""])[0])))
        else:
            counts = [scores(found["regions"], truth) for _, _, truth, found in measured(pool, 1)]
            precision, recall, iou = rates(*(int(n) for n in np.sum(counts, axis=0)))
            figures = {"precision": round(precision, 3), "recall": round(recall, 3), "iou": round(iou, 3)}
            print(json.dumps({"bench": "find_marks", **figures, "ratio": round(WANTED / iou, 3), "limit": 1.0}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
