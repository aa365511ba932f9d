"""The sweep over weights, with a stand-in for the worker that does something simple and true with the pictures."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from syngen_addon import images, sweep
from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.formats.sheet import PAPER
from syngen_addon.methods import Tools
from syngen_addon.sweep import Cell, Grid, SweepResult, busiest, plot, run
from syngen_addon.variants import Request, SlotInput
from syngen_addon.worker import protocol
from syngen_addon.worker.protocol import Job, Measure, Resolve, Stylise
from tests.pure.small import request

LAID_OUT = (384, 12, 32, 32 + 384 + 32 + 42, 100 + 42)
"""Side of a cell, gap, margin, left edge and top of the grid, in pixels."""
GRID = Grid((0.5, 2.0), (0.1, 1.0, 10.0))


class Mixer:
    """Style transfer as a mix of content and the style's mean by their weights; measures by plain differences."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, job: Job, *, progress: Any, preview: Any, should_stop: Any) -> dict[str, Any]:
        protocol.decode_request(protocol.encode(protocol.Run(1, job)))
        self.jobs.append(job)
        progress(0.5, "step 1 of 2")
        if isinstance(job, Resolve):
            return {"path": job.model, "identity": f"hash of {job.model}", "files": []}
        if isinstance(job, Stylise):
            share = job.style_weight / (job.style_weight + job.content_weight)
            content, style = images.load(job.content), images.load(job.style).mean(axis=(0, 1))
            images.save_png(job.out, (1 - share) * content + share * style, 16)
            preview(Path(job.out))
            return {"picture": job.out}
        assert isinstance(job, Measure)
        content, style = images.load(job.content), images.load(job.style).mean(axis=(0, 1))
        found = [images.load(p) for p in job.pictures]
        assert all(f.shape == content.shape for f in found)
        far = float(abs(content.mean(axis=(0, 1)) - style).mean())
        return {
            "structure": [float(1 - abs(f - content).mean()) for f in found],
            "style": [float(abs(f.mean(axis=(0, 1)) - style).mean()) / far for f in found],
        }


def asked(method: str = "adain", size: int = 128, **more: Any) -> Request:
    """A square of a metre with a blue picture that has more to show on its right."""
    rng = np.random.default_rng(3)
    base = np.empty((size, size, 3), np.float32)
    base[:] = (0.1, 0.2, 0.6)
    base[size // 2 :, size // 2 :] += 0.3 * rng.random((size - size // 2, size - size // 2, 1), np.float32)
    made = request(changes={"transfer": {"method": method}, **more})
    return dataclasses.replace(made, slots=(SlotInput(0, base, None),))


def sheet_of(result: SweepResult) -> np.ndarray:
    with Image.open(result.path) as image:
        return np.asarray(image.convert("RGB"), int)


def test_each_pair_of_weights_is_made_measured_and_drawn(tmp_path: Path) -> None:
    mixer, told, seen = Mixer(), [], []
    result = run(
        asked(), tmp_path, tools=Tools(mixer, "v.pth", "d.pth", preview=seen.append), grid=GRID, size=64,
        progress=lambda fraction, text: told.append((fraction, text)),
    )  # fmt: skip
    jobs = [j for j in mixer.jobs if isinstance(j, Stylise)]
    pairs = [(c, s) for c in GRID.content for s in GRID.style]
    assert [(j.content_weight, j.style_weight) for j in jobs] == pairs
    assert [(c.content_weight, c.style_weight, c.method) for c in result.cells] == [(*p, "adain") for p in pairs]
    assert {(j.vgg, j.decoder, j.method) for j in jobs} == {("v.pth", "d.pth", "adain")}
    (measure,) = [j for j in mixer.jobs if isinstance(j, Measure)]
    assert len(measure.pictures) == 2 + len(pairs) and measure.vgg == "v.pth"
    for row in (result.cells[:3], result.cells[3:]):  # more weight of style: less structure, nearer to the style
        assert [c.structure for c in row] == sorted((c.structure for c in row), reverse=True)
        assert [c.style for c in row] == sorted((c.style for c in row), reverse=True)
    assert result.cells[5].structure > result.cells[2].structure, "more weight of content keeps more"
    assert 0 < result.patch.structure < 1 and result.patch.method == "patch"
    fractions = [f for f, _ in told]
    assert fractions == sorted(fractions) and told[-1] == (1.0, "Done") and len(seen) == len(pairs)
    assert any(text.startswith("Weights 4 of 6") for _, text in told)


def test_the_files_hold_the_numbers_and_the_pictures(tmp_path: Path) -> None:
    result = run(asked(), tmp_path, tools=Tools(Mixer()), grid=GRID, size=64)
    assert result.path.parent.parent.parent == tmp_path
    assert {p.name for p in result.path.parent.iterdir()} == {
        "heavy_rust-adain.png", "heavy_rust-adain.csv", "heavy_rust-adain-plot.png",
    }  # fmt: skip
    rows = list(csv.DictReader(result.table.open()))
    assert [r["method"] for r in rows] == ["base", "patch", *["adain"] * 6]
    assert float(rows[0]["structure"]) == 1 and float(rows[0]["style"]) == 1 and rows[1]["style_weight"] == ""
    assert [float(r["structure"]) for r in rows[2:]] == pytest.approx([c.structure for c in result.cells], abs=1e-4)
    sheet = sheet_of(result)
    side, gap, margin, left, top = LAID_OUT
    assert sheet.shape == (top + 3 * (side + gap) - gap + margin, left + 3 * (side + gap) - gap + margin, 3)
    blue = np.array([0.1, 0.2, 0.6]) * 255
    middles = [sheet[top + 120, left + column * (side + gap) + 60] for column in range(3)]
    away = [abs(m - blue).sum() for m in middles]
    assert away == sorted(away) and 2 * away[0] < away[-1], "from the base texture to the style"
    assert (sheet[top + 2 * (side + gap) + 20, left + 10] == PAPER).all(), "two content weights, two rows"


def test_the_optimising_method_and_a_photo_as_style(tmp_path: Path) -> None:
    photo = tmp_path / "rust.png"
    images.save_png(photo, np.full((80, 60, 3), 0.5, np.float32))
    mixer = Mixer()
    changed = asked("gatys", transfer={"method": "gatys", "style_image": str(photo)}, neural={"steps": 7})
    run(changed, tmp_path, tools=Tools(mixer, "v.pth"), grid=Grid((1.0,), (1.0,)), size=64)
    (job,) = [j for j in mixer.jobs if isinstance(j, Stylise)]
    assert (job.method, job.steps, bool(job.start), job.decoder) == ("gatys", 7, True, "")


def test_it_stops_between_cells_and_leaves_nothing(tmp_path: Path) -> None:
    mixer = Mixer()
    stop = lambda: sum(isinstance(j, Stylise) for j in mixer.jobs) >= 2  # noqa: E731
    with pytest.raises(Cancelled):
        run(asked(), tmp_path, tools=Tools(mixer), grid=GRID, size=64, should_stop=stop)
    assert not list(tmp_path.rglob("*.png")) and not any(isinstance(j, Measure) for j in mixer.jobs)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"method": "patch"}, "no sweep over weights for the method 'patch'"),
        ({"grid": Grid((), (1.0,))}, "no weights"),
        ({"grid": Grid((-1.0,), (1.0,))}, "no number from 0 on"),
        ({"grid": Grid((float("nan"),), (1.0,))}, "no number from 0 on"),
        ({"grid": Grid((0.0,), (0.0,))}, "all are 0"),
        ({"size": 8}, "Cells of 8 texels"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    mixer = Mixer()
    with pytest.raises(SynGenError, match=what):
        run(
            asked(changes.get("method", "adain")), tmp_path, tools=Tools(mixer), grid=changes.get("grid", GRID),
            size=changes.get("size", 64),
        )  # fmt: skip
    assert mixer.jobs == [] and not any(tmp_path.iterdir())


def test_the_largest_slot_is_shown_and_protected_texels_stay(tmp_path: Path) -> None:
    made = request(slots=2, changes={"transfer": {"method": "adain"}})
    mesh = made.mesh
    mesh.vertices[4:] *= (1, 1, 3)  # the second square is three times as high
    red = np.full((128, 128, 3), (0.8, 0.1, 0.1), np.float32)
    protect = np.zeros((128, 128), bool)
    protect[:, 70:] = True
    made = dataclasses.replace(made, slots=(made.slots[0], SlotInput(1, red, protect)))
    part = sweep._part(made, 64)
    assert part.base_srgb.shape == (64, 64, 3) and part.base_srgb[0, 0] == pytest.approx((0.8, 0.1, 0.1))
    assert part.surface.covered.all() and part.protect is not None
    result = run(made, tmp_path, tools=Tools(Mixer()), grid=Grid((0.0,), (1.0,)), size=128)
    sheet = sheet_of(result)
    side, _, margin, left, top = LAID_OUT
    assert sheet.shape[1] == left + side + margin
    assert sheet[top + 120, left + 300] == pytest.approx(np.array([0.8, 0.1, 0.1]) * 255, abs=1)
    assert abs(sheet[top + 120, left + 60] - np.array([0.8, 0.1, 0.1]) * 255).max() > 20


def test_the_busiest_part_on_the_object_is_found() -> None:
    rng = np.random.default_rng(0)
    image = np.full((100, 160, 3), 0.5, np.float32)
    image[10:40, 100:130] = rng.random((30, 30, 1), np.float32)  # detail on the object
    image[60:90, 20:50] = rng.random((30, 30, 1), np.float32)  # and beside it
    covered = np.ones((100, 160), bool)
    covered[50:] = False
    row, column = busiest(image, covered, 32)
    assert row == pytest.approx(9, abs=3) and column == pytest.approx(99, abs=3)


def test_a_plot_of_two_models_has_points_where_they_belong(tmp_path: Path) -> None:
    cells = tuple(Cell("gatys", 1.0, s, st, d) for s, st, d in ((0.1, 0.9, 0.8), (1.0, 0.6, 0.4), (10.0, 0.4, 0.2)))
    nowhere = tmp_path / "x"
    result = SweepResult(nowhere, nowhere, nowhere, "Drum", cells, Cell("patch", 0, 0, 0.3, 0.5))
    plot((result, result), tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        drawn = np.asarray(image.convert("RGB"), int)
    assert drawn.shape == (560, 2 * 760, 3)

    def place(style: float, structure: float) -> tuple[int, int]:
        return round(500 - (500 - 62) * (structure - 0.2) / 0.8), round(62 + (734 - 62) * style / 1.2)

    for shift in (0, 760):
        for cell in cells:
            row, column = place(cell.style, cell.structure)
            assert drawn[row, column + shift] == pytest.approx(sweep.LINES[0], abs=8)
        row, column = place(0.5, 0.3)
        assert drawn[row, column + shift] == pytest.approx((236, 238, 240), abs=8)
