"""Sets the filters' thresholds on one half of the labelled set and measures them on the other: `make calibrate`.

    python benchmarks/calibrate.py

On the first half: fits what tells letters from specks (letter_weights.py), then looks for each threshold. On the
second, which nothing was set on: precision, recall and reasons, into docs/filters.md and benchmarks/calibration.json.
Thresholds are printed; they become defaults by hand, in class Filters of the recipe (a test compares).
"""

import dataclasses
import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import letter_weights
import numpy as np
from harness import ROOT
from labelled import Example, examples, maps
from PIL import Image, ImageDraw

from syngen_addon.files import write_bytes
from syngen_addon.filters import scores as measure
from syngen_addon.filters.judge import LIMITS, REASONS, Verdict, broken, exceeds, judge
from syngen_addon.filters.letters import Marks, Weights, all_marks, longest_row
from syngen_addon.images import Array, resize, to_bytes
from syngen_addon.recipe import Filters

RESULT = ROOT / "benchmarks" / "calibration.json"
DOCS = ROOT / "docs" / "filters.md"
PICTURE = ROOT / "docs" / "pictures" / "filters.jpg"
BEGIN, END = "<!-- made by make calibrate -->", "<!-- end -->"
GOOD_COUNTS = 4.0
"""A good texture refused weighs as much as so many bad ones accepted (as shares): a job that refuses its own stops."""
STOLEN_COUNTS = 1.0
"""So much the same for a bad one that is refused for the wrong reason."""
PLATEAU = 1.01 / 80
"""Thresholds whose gain is within this of the best are as good: one example of a reason, so that none hangs on one."""
LENIENT = 0.5
"""Where between them: 0 is the strictest, 1 the most lenient. Good ones come in more sorts than the set holds."""
FOLDS = 5
"""Parts of the first half, by source: how many letters a texture shows is learnt on four and measured on the fifth."""
PER_KIND, PER_REASON = (28, 14), (80, 120)
"""Of each half, good textures a kind and examples a fault: what letters are learnt from must not hang on the few of one
draw, nor the figures of a reason."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """An example without its pixels. marks: what could be letters, without their pixels. fold: of its source."""

    name: str
    fault: str
    reasons: frozenset[str]
    reason: str
    scores: dict[str, float]
    marks: tuple[Marks, ...] = ()
    fold: int = 0


@dataclasses.dataclass(frozen=True)
class Half:
    """A half measured. fit: what letters are learnt from (of the first only). shown: small pictures by reason, each
    with its place in `measured`. speed: textures judged in a second of CPU time."""

    measured: list[Measured]
    fit: letter_weights.Fit
    shown: dict[str, list[tuple[Array, int]]]
    speed: float


def verdict_of(example: Example, settings: Filters) -> Verdict:
    """What the filter says of an example."""
    before = [_signed(picture) for picture in example.before]
    return judge(
        maps(example.color_srgb), example.wear_colors, settings, before, tiles=example.tiles, where=example.where
    )


def _signed(color: Array) -> Verdict:
    """What of a verdict later ones are compared with."""
    mark = measure.signature(measure.lab_of(resize(color, 128, 128)))
    return dataclasses.replace(broken("", Filters()), signature=mark)


def measure_half(half: int, assets: Path | None, **size: int) -> Half:
    """Every example of a half measured, without a look at what is to be found."""
    cv2.setNumThreads(1)
    fit = letter_weights.Fit()
    found: list[Measured] = []
    sources: dict[str, int] = {}
    spent = 0.0
    shown: dict[str, list[tuple[Array, int]]] = {label: [] for label in ("good", *REASONS)}
    for example in examples(half, assets, **{"per_kind": PER_KIND[half], "per_reason": PER_REASON[half], **size}):
        fold = sources.setdefault(example.source, len(sources)) % FOLDS
        start = time.process_time()
        verdict = verdict_of(example, Filters())
        spent += time.process_time() - start
        marks: tuple[Marks, ...] = ()
        if example.tiles:
            marks = tuple(all_marks(measure.lab_of(resize(example.color_srgb, 512, 512))))
            if half == 0 and example.fault not in {"object", "noise", "blocks"}:  # refused before letters count
                fit.add(marks, example.color_srgb, example.clean_srgb if example.reason == "text" else None, fold)
            marks = tuple(dataclasses.replace(m, labels=np.zeros((0, 0), np.int32)) for m in marks)
        shown[example.reason or "good"].append((resize(example.color_srgb, 150, 150), len(found)))
        found.append(
            Measured(example.name, example.fault, example.reasons, example.reason, dict(verdict.scores), marks, fold)
        )
    return Half(found, fit, shown, len(found) / max(spent, 1e-6))


def thresholds(measured: Sequence[Measured]) -> dict[str, float]:
    """Key of [filters] -> threshold, each found for itself: what it gains in recall, less what it refuses wrongly."""
    found = {}
    for place, reason in enumerate(REASONS):
        score, key = LIMITS[reason]
        low = key.endswith("_min")
        sign = -1.0 if low else 1.0

        def values(of: Sequence[Measured], score: str = score, sign: float = sign) -> Array:
            return np.array([sign * m.scores[score] for m in of if score in m.scores])

        hits = values([m for m in measured if m.reason == reason])
        good = values([m for m in measured if not m.reasons])
        after = set(REASONS[place + 1 :])
        later = values([m for m in measured if m.reason in after and reason not in m.reasons])
        every = np.unique(np.concatenate([hits, good, later]))
        cuts = (every[1:] + every[:-1]) / 2
        gain = np.array(
            [(hits > c).mean() - GOOD_COUNTS * _share(good > c) - STOLEN_COUNTS * _share(later > c) for c in cuts]
        )
        best = int(gain.argmax())
        first = last = best
        while first > 0 and gain[first - 1] >= gain[best] - PLATEAU:
            first -= 1
        while last < len(cuts) - 1 and gain[last + 1] >= gain[best] - PLATEAU:
            last += 1
        good_end, bad_end = (max(abs(float(every[i])), 1e-4) for i in (first, last + 1))
        found[key] = float(f"{good_end ** (1 - LENIENT) * bad_end**LENIENT:.2g}")
    return found


def _share(flags: Any) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def learnt(measured: Sequence[Measured], weights: Weights) -> list[Measured]:
    """The same with the score for text that these weights give."""
    return [
        dataclasses.replace(m, scores={**m.scores, "text": longest_row(m.marks, weights)}) if "text" in m.scores else m
        for m in measured
    ]


def reason_under(scores: Mapping[str, float], limits: Filters) -> str:
    """The reason that `judge` would give."""
    by_score = {score: float(getattr(limits, key)) for score, key in LIMITS.values()}
    return next((reason for reason in REASONS if exceeds(reason, scores, by_score)), "")


def result(judged: Sequence[tuple[Measured, str]]) -> dict[str, Any]:
    """The figures of a half. judged: examples with the reason they were refused for, "" where accepted."""
    good = [said for m, said in judged if not m.reasons]
    bad = [(m, said) for m, said in judged if m.reasons]
    refused = [(m, said) for m, said in bad if said]
    wrong = sum(said != "" for said in good)
    right = sum(said in m.reasons for m, said in refused)
    out: dict[str, Any] = {
        "good": len(good),
        "bad": len(bad),
        "precision": rate(len(refused), len(refused) + wrong),
        "recall": rate(len(refused), len(bad)),
        "reasons_right": rate(right, len(refused)),
        "good_accepted": rate(len(good) - wrong, len(good)),
        "reasons": {},
    }
    for reason in REASONS:
        mine = [(m, said) for m, said in bad if m.reason == reason]
        said_so = [m for m, said in judged if said == reason]
        out["reasons"][reason] = {
            "bad": len(mine),
            "refused": rate(sum(said != "" for _, said in mine), len(mine)),
            "recall": rate(sum(said in m.reasons for m, said in mine), len(mine)),
            "precision": rate(sum(reason in m.reasons for m in said_so), len(said_so)),
        }
    marks = [(m, said) for m, said in bad if m.fault == "watermark"]
    out["watermarks"] = rate(sum(said in m.reasons for m, said in marks), len(marks))
    return out


def rate(hits: int, of: int) -> list[float]:
    """[share, low, high, hits, of]: with the 95 % interval of E. Wilson, 1927."""
    if not of:
        return [1.0, 0.0, 1.0, 0, 0]
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return [round(share, 4), round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4), hits, of]


def table(found: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    """The figures as Markdown."""

    def cell(value: Sequence[float]) -> str:
        return f"{value[0]:.3f} ({value[1]:.2f} to {value[2]:.2f})"

    lines = [
        f"{found['good']} good textures, {found['bad']} bad ones; in brackets the 95 % interval.",
        "",
        "| over all | |",
        "|---|---|",
        f"| precision: bad, of those refused | {cell(found['precision'])} |",
        f"| recall: refused, of those bad | {cell(found['recall'])} |",
        f"| right reason, of the bad ones refused | {cell(found['reasons_right'])} |",
        f"| good ones accepted | {cell(found['good_accepted'])} |",
        "",
        "| reason | threshold | bad | refused | recall: refused for this | precision: true where it is said |",
        "|---|---|---|---|---|---|",
    ]
    for reason, row in found["reasons"].items():
        key = LIMITS[reason][1]
        cells = " | ".join(cell(row[name]) for name in ("refused", "recall", "precision"))
        lines.append(f"| {reason} | `{key}` {limits[key]:g} | {row['bad']} | {cells} |")
    marks = found["watermarks"]
    lines += ["", f"Of the text, the {marks[4]:.0f} watermarks alone: recall {cell(marks)}."]
    return "\n".join(lines)


def sheet(pictures: Mapping[str, Sequence[tuple[Array, str]]], path: Path, columns: int = 6, side: int = 150) -> None:
    """A contact sheet: a row a label, under each picture what was said of it."""
    note, left = 16, 74
    canvas = Image.new("RGB", (left + columns * (side + 4), len(pictures) * (side + note + 4)), (24, 24, 24))
    draw = ImageDraw.Draw(canvas)
    for row, (label, found) in enumerate(pictures.items()):
        top = row * (side + note + 4) + 2
        draw.text((6, top + side // 2), label, fill=(255, 255, 255), font_size=14)
        for column, (color, said) in enumerate(found[:columns]):
            at = left + column * (side + 4), top
            canvas.paste(Image.fromarray(to_bytes(resize(color, side, side))), at)
            right = said == label or (said, label) == ("accepted", "good")
            draw.text((at[0] + 2, top + side), said, fill=(170, 220, 170) if right else (255, 160, 90), font_size=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path, quality=86)


def main() -> int:
    folder = os.environ.get("SYNGEN_TEST_ASSETS", "")
    if not folder or not (Path(folder) / "textures").is_dir() or not (Path(folder) / "objects").is_dir():
        print(
            "SYNGEN_TEST_ASSETS must name a folder with the rust photographs (textures/) and the models (objects/).",
            file=sys.stderr,
        )
        return 2
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        first, second = pool.map(measure_half, (0, 1), (Path(folder),) * 2)
    # A threshold is set on scores of textures that the weights behind them have not seen, as it is to be used on.
    apart = [first.fit.solve(without=fold) for fold in range(FOLDS)]
    measured = [m for fold, of in enumerate(apart) for m in learnt([m for m in first.measured if m.fold == fold], of)]
    weights = first.fit.solve()
    letter_weights.write(weights)
    limits = thresholds(measured)
    settings = Filters(**{**vars(Filters()), **limits})
    before = result([(m, reason_under(m.scores, settings)) for m in measured])
    print(f"First half, on which all is set: {_short(before)}\n")
    for key, value in limits.items():
        there = getattr(Filters(), key)
        print(f"{key} = {value:g}" + ("" if there == value else f"   (the recipe has {there:g})"))

    judged = [(m, reason_under(m.scores, settings)) for m in learnt(second.measured, weights)]
    done = {**result(judged), "textures_a_second": round(second.speed, 1)}
    print(f"\nSecond half: {_short(done)}, {second.speed:.1f} textures a second\n\n{table(done, limits)}\n")
    wrong = [f"{m.name}: {said or 'accepted'}" for m, said in judged if said not in (m.reasons or {""})]
    print(f"Second half, not judged right: {', '.join(wrong)}")
    shown = {label: [(p, judged[i][1] or "accepted") for p, i in _some(of)] for label, of in second.shown.items()}
    sheet(shown, PICTURE)
    found = {"thresholds": limits, "first": before, "second": done}
    write_bytes(RESULT, (json.dumps(found, indent=1) + "\n").encode())
    if DOCS.is_file() and BEGIN in (text := DOCS.read_text(encoding="utf-8")):
        head, rest = text.split(BEGIN, 1)
        write_bytes(DOCS, f"{head}{BEGIN}\n{table(done, limits)}\n{END}{rest.split(END, 1)[1]}".encode())
    return 0 if all(getattr(Filters(), key) == value for key, value in limits.items()) else 1


def _some(of: Sequence[Any], count: int = 6) -> Sequence[Any]:
    """So many of them, from all over."""
    return of[:: max(1, len(of) // count)][:count]


def _short(found: Mapping[str, Any]) -> str:
    names = ("precision", "recall", "reasons_right", "good_accepted")
    return ", ".join(f"{name} {found[name][0]:.3f}" for name in names)


if __name__ == "__main__":
    sys.exit(main())
