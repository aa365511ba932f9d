"""Whether a long run gets slower or takes more memory: 2,000 tiny frames, and as many bare renders of the same scenes.

Everything that varies is drawn: light, background, ground, things, poses, wear, tint, sensor. What does not vary costs
Blender nothing, and it would not show what it keeps of each value.

frame_growth: the CPU time of the last 41 frames, against that of the first 41, which show the same. memory_growth: the
peak of the process after 2,000 frames, against that after 200, or what it holds then, where that grows more (the peak
may be that of the ageing before). It must also stay within 1.02 of what the bare loop grows by: Blender itself grows a
little.

    python benchmarks/growth.py [made | bare]      with a word: that loop alone, in this process
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import ROOT  # noqa: F401, the import puts the repository on the path

FRAMES = 2000
COMPARED = 41
"""So many of the first frames are drawn again as the last; the median of what each costs against itself counts."""
FIRST_PEAK = 200
BLENDERS_LIMIT = 1.02


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(loop(sys.argv[1] == "made")))
        return
    made, bare = (run(which) for which in ("made", "bare"))
    early, late = made["costs"][:COMPARED], made["costs"][-COMPARED:]
    tell("frame_growth", slower(made), 1.05, a_cpu_s=round(statistics.median(late), 5),
         b_cpu_s=round(statistics.median(early), 5), bare=round(slower(bare), 4))  # fmt: skip
    tell("memory_growth", growth(made), 1.05, peaks_mb=made["peaks"], held_mb=made["held"])
    tell("memory_growth_beside_blender", growth(made) / growth(bare), BLENDERS_LIMIT, bare_peaks_mb=bare["peaks"],
         bare_held_mb=bare["held"])  # fmt: skip


def growth(figures: dict[str, list[float]]) -> float:
    return max(figures[name][1] / figures[name][0] for name in ("peaks", "held"))


def slower(figures: dict[str, list[float]]) -> float:
    """What a frame costs at the end against what it cost at the beginning."""
    costs = figures["costs"]
    return statistics.median(late / early for late, early in zip(costs[-COMPARED:], costs[:COMPARED], strict=True))


def run(which: str) -> dict[str, list[float]]:
    """The figures of one loop, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, which], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    figures: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return figures


def loop(made: bool) -> dict[str, list[float]]:
    """CPU seconds of each frame; in MB the peak of memory, and what is held, after FIRST_PEAK and after all frames."""
    import bpy
    from staged import crates, label_passes, staged

    from syngen_addon import jobs
    from syngen_addon.blender.render import as_png
    from syngen_addon.files import write_bytes
    from syngen_addon.labels.record import encode

    costs: list[float] = []
    peaks: list[float] = []
    held: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        blend, settings = crates(work)
        with staged(blend, settings, work, FRAMES) as frames:
            if not made:
                label_passes(frames.scene, frames.layer, settings, False)
                frames.scene.cycles.use_denoising = False
                frames.scene.render.filepath = str(work / "bare.png")
                as_png(frames.scene.render)
            frames.maker.draw = lambda frame, attempt: frames.draw(drawn_as(frame), attempt)
            for frame in range(FRAMES):
                before = time.process_time()
                if made:
                    record = frames.maker.frame(frame)
                    assert record is not None
                    write_bytes(jobs.record_path(frames.job.out, frame), encode(record))
                else:
                    frames.show(frames.maker.draw(frame, 0))
                    bpy.ops.render.render(write_still=True)
                costs.append(time.process_time() - before)
                if frame + 1 in (FIRST_PEAK, FRAMES):
                    peaks.append(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1))
                    held.append(held_now())
    return {"costs": costs, "peaks": peaks, "held": held}


def drawn_as(frame: int) -> int:
    """The frame whose draws a frame shows."""
    return frame if frame < FRAMES - COMPARED else frame - (FRAMES - COMPARED)


def held_now() -> float:
    """Memory of this process in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1024**2, 1)


def tell(name: str, ratio: float, limit: float, **more: object) -> None:
    """One figure, in the form of harness.compare."""
    print(json.dumps({"bench": name, "ratio": round(ratio, 4), "limit": limit, "frames": FRAMES, **more}), flush=True)


if __name__ == "__main__":
    main()
