"""Runs the benchmarks, each in a process of its own, and prints their figures: one JSON line each.

    python benchmarks/run.py [NAME...]        all of them without a name; run by `make bench`

Exit status 1 where a figure is over its limit or a benchmark fails.
"""

import json
import subprocess
import sys
from pathlib import Path

from harness import LEFT_OUT

FOLDER = Path(__file__).resolve().parent
NO_BENCHMARKS = {"run", "harness", "staged", "calibrate", "labelled", "faults", "letter_weights"}


def main(names: list[str]) -> int:
    known = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NO_BENCHMARKS)
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"No benchmark {', '.join(unknown)}; there are: {', '.join(known)}.", file=sys.stderr)
        return 2
    good = [run(name) for name in names or known]
    return 0 if all(good) else 1


def run(name: str) -> bool:
    """Run one benchmark and pass on its figures, without what Blender says meanwhile. Whether all are within limits."""
    done = subprocess.run([sys.executable, str(FOLDER / f"{name}.py")], capture_output=True, text=True)
    figures = [line for line in done.stdout.splitlines() if line.startswith('{"bench"')]
    if done.returncode == LEFT_OUT:
        print(done.stderr.strip().splitlines()[-1], file=sys.stderr)
        return True
    if done.returncode != 0 or not figures:
        print(f"{name} failed (exit status {done.returncode}):\n{done.stdout}{done.stderr}", file=sys.stderr)
        return False
    good = True
    for line in figures:
        print(line, flush=True)
        figure = json.loads(line)
        if figure["ratio"] > figure["limit"]:
            print(f"{figure['bench']}: {figure['ratio']} is over the limit of {figure['limit']}", file=sys.stderr)
            good = False
    return good


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
