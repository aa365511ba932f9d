"""The shapes wear comes in: plates, lines, cracks and dents, measured on a sheet one metre wide."""

from functools import cache

import cv2
import numpy as np
import pytest

from syngen_addon.recipe import Onset
from syngen_addon.wear.mesh import MeshArrays
from syngen_addon.wear.onset import onset_maps
from tests.pure.small import sheet

SIZE = 384
PATTERNS = {"plates": 0.08, "lines": 0.12, "cracks": 0.12, "dents": 0.16}
"""Pattern -> scale_m that suits the sheet."""
CHANCE = {n: 0.0 for n in ("edge", "cavity", "contact", "drips", "splash", "rain", "welds")}


@cache
def onset(pattern: str, seed: int = 0, size: int = SIZE) -> np.ndarray:
    settings = Onset(pattern=pattern, scale_m=PATTERNS[pattern], spread=0.75, **CHANCE)
    return onset_maps(sheet(), settings, {0: (size, size)}, np.random.default_rng(seed))[0].onset


def components(mask: np.ndarray, least: int = 12) -> list[tuple[int, float, float]]:
    """(texels, elongation, share of its own enclosing circle) of each connected part; on the border left out."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found = []
    for i in range(1, count):
        x, y, w, h, area = stats[i]
        if area < least or x == 0 or y == 0 or x + w == mask.shape[1] or y + h == mask.shape[0]:
            continue
        rows, columns = np.nonzero(labels[y : y + h, x : x + w] == i)
        spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(np.stack([columns, rows]))), 1 / 12))
        far = np.hypot(rows - rows.mean(), columns - columns.mean()).max()
        found.append((int(area), float(spread[1] / spread[0]), float(area / (np.pi * (far + 0.5) ** 2))))
    return found


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_level_is_the_covered_fraction_and_the_same_seed_gives_the_same_bytes(pattern):
    made = onset(pattern)
    for level in (0.05, 0.2, 0.5, 0.9):
        assert abs(float((made < level).mean()) - level) < 0.005
    assert onset.__wrapped__(pattern).tobytes() == made.tobytes()
    assert np.mean((onset(pattern, 1) < 0.2) ^ (made < 0.2)) > 0.15, "another seed, other places"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_another_size_gives_the_same_shapes(pattern):
    large = cv2.resize((onset(pattern) < 0.3).astype(np.float32), (48, 48), interpolation=cv2.INTER_AREA)
    small = cv2.resize((onset(pattern, 0, 256) < 0.3).astype(np.float32), (48, 48), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(large.ravel(), small.ravel())[0, 1] > 0.8


def test_scratches_are_long_thin_and_nearly_straight():
    parts = components(onset("lines") < 0.04)
    assert len(parts) > 30
    area = np.array([a for a, _, _ in parts])
    elongation = np.array([e for _, e, _ in parts])
    assert np.average(elongation > 4, weights=area) > 0.6
    assert np.median(elongation) > 4
    assert np.median([fill for _, _, fill in parts]) < 0.25
    # Patches of the same cover are nothing like it.
    patches = onset_maps(sheet(), Onset(**CHANCE), {0: (SIZE, SIZE)}, np.random.default_rng(0))[0].onset
    assert np.median([e for _, e, _ in components(patches < 0.04)]) < 2.6


def test_most_scratches_keep_to_a_few_directions():
    mask = (onset("lines") < 0.05).astype(np.float32)
    dx, dy = cv2.Sobel(mask, cv2.CV_32F, 1, 0), cv2.Sobel(mask, cv2.CV_32F, 0, 1)
    strong = np.hypot(dx, dy) > 1
    across = np.degrees(np.arctan2(dy[strong], dx[strong])) % 180
    shares = np.histogram(across, 9, (0, 180))[0] / strong.sum()
    assert shares.max() > 2 * np.median(shares)


def test_scratches_have_ends_and_widen_with_the_level():
    young, old = (onset("lines") < level for level in (0.04, 0.35))
    long = [np.sqrt(a * e) for a, e, _ in components(young)]
    assert max(long) < 0.6 * SIZE

    def width(mask: np.ndarray) -> float:
        return float(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)[mask].mean())

    assert width(old) > 1.05 * width(young)


def test_cracks_are_a_connected_network_that_grows_finer():
    def largest(mask: np.ndarray) -> float:
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        return float(stats[1:, 4].max() / mask.sum())

    mask = onset("cracks") < 0.2
    assert largest(mask) > 0.7
    assert largest(onset("lines") < 0.06) < 0.3, "scratches are not"
    # It encloses islands of sound paint, more and smaller ones as it ages.
    islands = [len(components(onset("cracks") >= level, 30)) for level in (0.1, 0.25, 0.45)]
    assert islands[0] < islands[1] < islands[2] and islands[1] > 15
    thick = cv2.distanceTransform((onset("cracks") < 0.1).astype(np.uint8), cv2.DIST_L2, 5)
    assert np.quantile(thick[thick > 0], 0.95) < 0.03 * SIZE, "thin"


def test_dents_are_round_of_many_sizes_and_bowls():
    parts = components(onset("dents") < 0.06, 40)
    assert len(parts) >= 4
    assert np.median([e for _, e, _ in parts]) < 1.5
    assert np.median([fill for _, _, fill in parts]) > 0.6
    sizes = [a for a, _, _ in components(onset("dents") < 0.15, 20)]
    assert max(sizes) > 3 * min(sizes)


def test_a_dent_s_onset_rises_smoothly_from_its_middle_to_its_rim():
    made = onset("dents").astype(np.float64)
    step = np.hypot(*np.gradient(made))
    assert np.quantile(step, 0.99) < 6 * step.mean(), "no cliffs"
    _, labels, stats, _ = cv2.connectedComponentsWithStats((made < 0.08).astype(np.uint8))
    bowl = labels == 1 + int(np.argmax(stats[1:, 4]))
    depth = cv2.distanceTransform(bowl.astype(np.uint8), cv2.DIST_L2, 5)[bowl]
    assert np.corrcoef(depth, made[bowl])[0, 1] < -0.7


def test_plates_come_off_one_by_one():
    """Within a plate the onset hardly changes, and at its border it jumps: far more so than in patches."""

    def jumps(made: np.ndarray) -> float:
        step = np.abs(np.diff(made.astype(np.float64), axis=1)).ravel()
        step.sort()
        return float(step[-len(step) // 20 :].sum() / step.sum())  # what the steepest twentieth holds of all change

    patches = onset_maps(
        sheet(), Onset(scale_m=0.08, spread=0.75, **CHANCE), {0: (SIZE, SIZE)}, np.random.default_rng(0)
    )
    assert jumps(onset("plates")) > 1.4 * jumps(patches[0].onset)


def test_parts_are_drawn_to_their_causes_as_a_whole():
    """Dents gather at the splash zone, yet each stays a dent, and is not cut where the zone ends."""
    settings = Onset(pattern="dents", scale_m=0.1, **{**CHANCE, "splash": 1.0})
    made = onset_maps(sheet(), settings, {0: (SIZE, SIZE)}, np.random.default_rng(0))[0].onset
    worn = made < 0.05
    rows = np.nonzero(worn)[0]
    assert np.mean(rows > 0.6 * SIZE) > 0.7
    assert np.median([e for _, e, _ in components(worn, 20)]) < 1.7


def cut_up(pieces: int) -> MeshArrays:
    """The sheet in vertical strips; each is an island of its own, laid in another order."""
    edges = np.linspace(0, 1, pieces + 1)
    order = np.random.default_rng(5).permutation(pieces)
    vertices = [(x, 0, z) for x in edges for z in (0, 1)]
    triangles, uvs = [], []
    for i in range(pieces):
        left, right = (order[i] + 0.05) / pieces, (order[i] + 0.95) / pieces
        triangles += [(2 * i, 2 * i + 2, 2 * i + 3), (2 * i, 2 * i + 3, 2 * i + 1)]
        uvs += [[(left, 0), (right, 0), (right, 1)], [(left, 0), (right, 1), (left, 1)]]
    return MeshArrays(
        np.array(vertices, np.float32), np.array(triangles, np.int32), np.array(uvs, np.float32),
        np.zeros(2 * pieces, np.int32),
    )  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_seam_shows_at_island_borders(pattern):
    pieces, mesh = 4, cut_up(4)
    settings = Onset(pattern=pattern, scale_m=PATTERNS[pattern], spread=0.75, **CHANCE)
    made = onset_maps(mesh, settings, {0: (SIZE, SIZE)}, np.random.default_rng(0))[0].onset
    order = np.random.default_rng(5).permutation(pieces)

    def column(u: float) -> np.ndarray:
        return made[:, int(u * SIZE)]

    texel = 1 / SIZE
    across, within = [], []
    for i in range(pieces - 1):
        end, start = (order[i] + 0.95) / pieces, (order[i + 1] + 0.05) / pieces
        across.append(np.abs(column(end - 1.5 * texel) - column(start + 1.5 * texel)).mean())
        within += [np.abs(column(end - (k + 3) * texel) - column(end - k * texel)).mean() for k in range(2, 40, 3)]
    assert np.mean(across) < 1.5 * np.mean(within)
