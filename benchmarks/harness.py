"""How the project compares two ways of doing something: in pairs, A and B in turn, by the CPU time both took.

Pairs and CPU time, because other work on the machine then slows both alike; the median of the ratios, because a single
pair may still be hit. Imports the standard library only.
"""

import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository, whose packages the benchmarks import plainly."""
sys.path.insert(0, str(ROOT))


LEFT_OUT = 3
"""Exit status of a benchmark that this machine has nothing to run with; its last line on stderr says what."""


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended, user and system, in seconds."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def cost(work: Callable[[], object], clock: Callable[[], float] = cpu_seconds) -> float:
    """CPU seconds that one call takes."""
    before = clock()
    work()
    return clock() - before


def rerun_with_torch(script: str) -> None:
    """Do nothing where this Python has torch; else run the script with the worker's, and exit as that does.

    That Python is named by SYNGEN_WORKER_PYTHON, or lies in .venv-worker; without one the benchmark is left out.
    """
    again = "--again"
    if importlib.util.find_spec("torch") or again in sys.argv:
        return
    python = os.environ.get("SYNGEN_WORKER_PYTHON") or str(ROOT / ".venv-worker" / "bin" / "python")
    if not os.path.isfile(python):
        print(f"{Path(script).stem} is left out: there is no worker's Python at {python}.", file=sys.stderr)
        sys.exit(LEFT_OUT)
    sys.exit(subprocess.run([python, script, again]).returncode)


def compare(
    name: str,
    a: Callable[[], object],
    b: Callable[[], object],
    *,
    pairs: int,
    limit: float,
    warm_up: bool = True,
    clock: Callable[[], float] = cpu_seconds,
    about: Callable[[], dict[str, object]] = dict,
) -> None:
    """Time a against b and print the figure: one JSON line with the median of a / b and its quartiles.

    Who goes first changes from pair to pair. warm_up: call each once before, untimed, for what happens only once.
    limit: the ratio that the project promises; benchmarks/run.py fails where the median is over it. clock: what counts
    as CPU time, where other processes do the work. about: asked afterwards for more that belongs to the figure.
    """
    if warm_up:
        a()
        b()
    costs_a: list[float] = []
    costs_b: list[float] = []
    for pair in range(pairs):
        for work, costs in ((a, costs_a), (b, costs_b))[:: 1 if pair % 2 == 0 else -1]:
            costs.append(cost(work, clock))
    ratios = [x / y for x, y in zip(costs_a, costs_b, strict=True)]
    q1, _, q3 = statistics.quantiles(ratios, n=4, method="inclusive")
    figure = {
        "bench": name,
        "ratio": _short(statistics.median(ratios)),
        "spread": [_short(q1), _short(q3)],
        "pairs": pairs,
        "limit": limit,
        "a_cpu_s": _short(statistics.median(costs_a)),
        "b_cpu_s": _short(statistics.median(costs_b)),
        **about(),
    }
    print(json.dumps(figure), flush=True)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
