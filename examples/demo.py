"""`make demo`: build the scene, run the batch job on it, draw the contact sheet.

Run from anywhere with the environment that holds bpy: `python examples/demo.py`. The job is the one that a user runs,
in a process of its own; run again, it goes on where it stopped.
"""

import subprocess
import sys
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = Path("out/demo")
FRAMES, SEED = 12, 7


def run(*arguments: str, only: str = "") -> None:
    """One step in a process of its own; leaves with its exit code if that is not 0.

    only: pass on just the lines that begin so, as they come (Blender's own say little and are many); after a failure
    the last of the others follow.
    """
    others: deque[str] = deque(maxlen=40)
    with subprocess.Popen(
        [sys.executable, "-u", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(only):
                print(line, end="", flush=True)
            else:
                others.append(line)
    if child.returncode:
        print("".join(others), end="", file=sys.stderr)
        sys.exit(child.returncode)


def main() -> None:
    """The whole demo; everything lands in out/demo of the checkout."""
    start = time.monotonic()
    scene, dataset, overview = OUT / "demo.blend", OUT / "dataset", OUT / "overview.png"
    if not (ROOT / scene).is_file():
        # Saving anew would change the file, and with it the job's fingerprint: what is there is kept.
        print("Building the scene ...", flush=True)
        run("examples/demo_scene.py", str(scene))
    run(
        "syngen_addon/blender/batch.py",
        "--",
        "--scene",
        str(scene),
        "--recipe",
        "examples/demo.toml",
        "--out",
        str(dataset),
        "--frames",
        str(FRAMES),
        "--seed",
        str(SEED),
        only="syngen:",
    )
    sys.path.insert(0, str(ROOT))
    from syngen_addon.formats.overview import overview as draw

    draw(ROOT / dataset, ROOT / overview)
    print(f"Scene:    {scene}")
    print(f"Dataset:  {dataset} ({FRAMES} frames, COCO and YOLO)")
    print(f"Overview: {overview} (all of it took {time.monotonic() - start:.0f} s)")


if __name__ == "__main__":
    main()
