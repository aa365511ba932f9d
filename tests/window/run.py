"""The walk through the window by real clicks: from an object to rust to a dataset, and back.

    python tests/window/run.py [--zip FILE] [--shots FOLDER] [--keep] [--part NAME] BLENDER [ARGUMENT...]

BLENDER is the command that starts Blender. It runs on a virtual screen with a throw-away profile, into which the
extension's zip is installed (default: the one `make package` left in dist/ for this platform). Each step is a click,
a drag or a key, after which Blender's state is asked; a step that fails ends the walk with exit code 1. Every step
leaves a screenshot. With SYNGEN_TEST_ASSETS set to a folder that holds Barrel*.gltf, the object is that model.
What is seen before anything is rendered (see.py), what is dropped into the view (drops.py), what a dataset is made of
(dataset.py), and mending, queue, gallery and errors (gallery.py) are parts of their own in a Blender of their own, and
so are Stable Diffusion and neural transfer (worker.py).
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import dataset
import drops
import gallery
import see
import worker
from driver import Failed, Window
from steps import (
    DRUM,
    NODES,
    SCENE,
    SESSION,
    alive,
    begin_export,
    check,
    install,
    open_tab,
    shade,
    step,
    use_variant,
    variants,
)

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", type=Path, help="the extension (default: dist/syngen-*-linux*.zip)")
    parser.add_argument(
        "--shots", type=Path, default=ROOT / "out" / "window", help="where screenshots go (default out/window)"
    )
    parser.add_argument(
        "--part", choices=("window", "see", "drops", "dataset", "gallery", "worker"), help="walk this part alone"
    )
    parser.add_argument("--keep", action="store_true", help="keep the profile, the scene and the log")
    parser.add_argument("blender", nargs=argparse.REMAINDER, help="the command that starts Blender")
    arguments = parser.parse_args()
    if not arguments.blender:
        parser.error("name the command that starts Blender")
    archive = arguments.zip or next(iter(sorted((ROOT / "dist").glob("syngen-*-linux*.zip"))), None)
    if archive is None or not archive.is_file():
        print("There is no zip to install: run `make package` first.", file=sys.stderr)
        return 2
    walks = {
        "window": walk,
        "see": see.walk,
        "drops": drops.walk,
        "dataset": dataset.walk,
        "gallery": gallery.walk,
        "worker": worker.walk,
    }
    if worker.python() is None:
        step(f"The worker's part is left out: {worker.VARIABLE} names no Python that has what it needs")
        del walks["worker"]
    for name, walk_part in walks.items():
        if arguments.part not in (None, name):
            continue
        home = Path(tempfile.mkdtemp(prefix="syngen-window-"))
        window = Window(arguments.blender, home, arguments.shots / name)
        try:
            walk_part(window, shutil.copy(archive, home), home)
        except Failed as error:
            window.shot("failed")
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
        finally:
            window.close()
            if arguments.keep:
                print(f"Kept: {home}")
            else:
                shutil.rmtree(home, ignore_errors=True)
    print(f"The walk is done. Screenshots: {arguments.shots}")
    return 0


def walk(w: Window, archive: str, home: Path) -> None:
    """Every step, in the order a person takes them."""
    step("Blender", w.run("print(bpy.app.version_string)", timeout=300))
    install(w, archive)
    assets = os.environ.get("SYNGEN_TEST_ASSETS", "")
    model = next(iter(sorted(Path(assets).rglob("Barrel*.gltf"))), "") if assets else ""
    w.run(f"MODEL, FILE = {str(model)!r}, {str(home / 'walk.blend')!r}\n{SCENE}")
    nodes = w.value(NODES)
    open_tab(w)
    mark(w)
    stop_generate(w)
    generate(w)
    use_variant(w)
    marks_kept(w)
    set_level(w)
    choose_preset(w)
    add_layer(w)
    preview_levels(w)
    preview(w)
    export(w, home)
    cancel_export(w, home)
    remove(w, nodes)
    quit_during_export(w, home)


MARKS = f"{SESSION}.marks_of({DRUM})[0][1]"


def marked(w: Window) -> float:
    """Share of the base texture that the marks protect."""
    return float(w.value(f"(lambda p: sum(p) / len(p))({MARKS}.pixels[::{MARKS}.channels])"))


def mark(w: Window) -> None:
    """Find marks, and paint one more with a real stroke of the brush."""
    x, y = w.find("syngen.generate")
    w.move(x, y + 65)  # the header of Marks
    w.settle()
    w.xdotool("click", 1)
    w.settle()
    w.click("syngen.find_marks", columns=(0.25,))
    check(w.value(f"len({SESSION}.marks_of({DRUM})) == 1 and {SESSION}.marks_shown()"), "no marks are shown")
    before = marked(w)
    w.click("syngen.paint_marks", columns=(0.55,))
    check(w.value("bpy.context.mode") == "PAINT_TEXTURE", "Paint does not enter texture paint")
    left, top, right, bottom = w.view()
    x, y = left + (right - left) * 3 // 8, (top + bottom) // 2
    w.drag((x, y - 60), (x + 60, y - 60))
    painted = marked(w)
    check(painted > before, f"a stroke took the marks from {before:.2%} to {painted:.2%}")
    w.places["object.mode_set"] = w.places["syngen.paint_marks"]  # Done takes its place
    w.click("object.mode_set", columns=(0.55,))
    check(w.value("bpy.context.mode") == "OBJECT", "Done does not end painting")
    w.shot("marks")
    w.key("ctrl+z")
    w.key("ctrl+z")
    check(abs(marked(w) - before) < 1e-5, "undo does not take the stroke back")
    w.key("ctrl+shift+z")
    w.key("ctrl+shift+z")
    check(abs(marked(w) - painted) < 1e-5, "redo does not bring the stroke again")
    check(w.value("bpy.context.mode") == "OBJECT", "redo does not end painting")
    w.click("syngen.show_marks", columns=(0.95,))
    check(not w.value(f"{SESSION}.marks_shown()"), "the marks are still shown")
    x, y = w.find("syngen.find_marks", columns=(0.25,))
    w.move(x, y - 29)
    w.settle()
    w.xdotool("click", 1)
    w.settle()
    step("Found marks and painted one", f"{before:.1%}, then {painted:.1%} of the texture")


KEPT = f"""
import numpy as np
session = {SESSION}
marks = session.marks_of({DRUM})[0][1]
onset = next(i for i in bpy.data.images if i.name == session.worn({DRUM}) + " onset")
onset = np.array(onset.pixels).reshape(*onset.size[::-1], -1)[..., 0]
white = np.array(marks.pixels).reshape(*marks.size[::-1], -1)[..., 0] > 0.5
rows, columns = (np.arange(n) * m // n for n, m in zip(onset.shape, white.shape))
kept = onset[white[np.ix_(rows, columns)]]
print(len(kept), kept.min())
"""


def marks_kept(w: Window) -> None:
    """What is protected never wears, whatever the level."""
    texels, first = w.run(KEPT).split()
    check(int(texels) > 0 and float(first) == 1.0, f"{texels} protected texels wear from {first} on")
    step("Kept the marks", f"{texels} texels never wear")


def stop_generate(w: Window) -> None:
    """By Esc, and by the button beside the bar."""
    running = f"{SESSION}.now.generation is not None"
    w.run("s = bpy.context.scene.syngen; s.texture.size, s.texture.variants, s.texture.seed = 2048, 12, 1")
    for stop in ("Escape", ""):
        w.click("syngen.generate")
        check(w.value(running), "Generate does not start")
        if stop:
            w.key(stop)
        else:
            w.places["syngen.cancel_generate"] = w.sidebar()[2] - 24 - 16, w.places["syngen.generate"][1]
            w.click("syngen.cancel_generate", columns=(0.95,))
        w.wait(lambda: not w.value(running), f"{stop or 'the button'} does not stop Generate", 120, every=0.1)
        w.settle()
    check(variants(w) < 12, "all variants were made all the same")
    w.run("s = bpy.context.scene.syngen; s.texture.size, s.texture.variants, s.texture.seed = 256, 2, 0")
    step("Stopped Generate by Esc and by its button")


def generate(w: Window) -> None:
    before = variants(w)
    w.click("syngen.generate")
    check(w.value(f"{SESSION}.now.generation is not None") or variants(w) > before, "Generate does not start")
    w.shot("generating")
    shade(w, "MATERIAL")  # the engine's shaders compile meanwhile
    w.wait(lambda: w.value(f"{SESSION}.now.generation is None"), "Generate does not end", 300)
    check(variants(w) == before + 2, f"{variants(w) - before} variants were made, not 2")
    shade(w, "SOLID")
    w.shot("gallery")
    step("Generated", "2 variants")


def set_level(w: Window) -> None:
    before = w.value(f"{DRUM}['syngen_level']")
    x, y = w.find("syngen.level", columns=(0.5,))
    w.drag((x, y), (x + 60, y))
    after = w.value(f"{DRUM}['syngen_level']")
    check(after > before + 0.1, f"dragging the slider took the level from {before} to {after}")
    w.shot("level")
    w.key("ctrl+z")
    check(abs(w.value(f"{DRUM}['syngen_level']") - before) < 1e-5, "one undo does not take the level back")
    w.key("ctrl+shift+z")
    check(abs(w.value(f"{DRUM}['syngen_level']") - after) < 1e-5, "one redo does not bring the level again")
    step("Dragged the level", f"{before:.2f} to {after:.2f}, undone, redone")


def open_part(w: Window, number: int) -> None:
    """Open a part of the Wear panel, or close it: its header is no button, and lies below the row that removes wear."""
    x, y = w.find("syngen.copy_level", columns=(0.3,))
    down = 32 + 26 * number
    if y + down > w.sidebar()[3] - 12:  # out of sight
        w.xdotool("click", "--repeat", 6, "--delay", 15, 5)
        w.settle()
        x, y = w.find("syngen.copy_level", columns=(0.3,), below=y // 2)
    w.click_at(x, y + down)
    w.settle()


def choose_preset(w: Window) -> None:
    open_part(w, 0)
    w.choose("causes.preset", "c")
    chosen = w.value("bpy.context.scene.syngen.causes.preset")
    check(chosen == "coastal", f"the menu of presets chose {chosen!r}, not coastal")
    x, y = w.find("causes.edge", columns=(0.5,))
    w.drag((x, y), (x + 40, y))
    edge = w.value("bpy.context.scene.syngen.causes.edge")
    check(edge > 1.1, f"dragging Edge took it to {edge}")
    w.shot("causes")
    w.click("syngen.reset_causes", columns=(0.91,))
    check(w.value("bpy.context.scene.syngen.causes.edge") == 1.0, "the sliders are not put back")
    w.scroll_up()
    open_part(w, 0)
    step("Chose a preset", chosen)


def add_layer(w: Window) -> None:
    x, y = w.find("syngen.level", columns=(0.5,))
    w.move(x, y + 25)  # the menu below the last layer
    w.settle()
    w.xdotool("click", 1)
    w.settle()
    w.shot("kinds")
    w.xdotool("key", "d")
    w.wait(lambda: w.value(f"{SESSION}.now.generation is None and 'syngen_level_dents' in {DRUM}"), "no dents", 300)
    w.settle()
    before = w.value(f"[{DRUM}['syngen_level'], {DRUM}['syngen_level_dents']]")
    x, y = w.find("syngen.rows.level", columns=(0.5,))
    w.drag((x, y), (x + 50, y))
    own, dents = w.value(f"[{DRUM}['syngen_level'], {DRUM}['syngen_level_dents']]")
    check(own == before[0] and dents > before[1] + 0.1, f"dragging its level took {before} to {[own, dents]}")
    x, y = w.find("syngen.level", columns=(0.5,))
    w.drag((x, y), (x - 30, y))
    after = w.value(f"[{DRUM}['syngen_level'], {DRUM}['syngen_level_dents']]")
    check(after[0] < own - 0.1 and after[1] == dents, f"dragging the own level took {[own, dents]} to {after}")
    w.shot("layers")
    w.key("ctrl+z")
    w.key("ctrl+z")
    now = w.value(f"[{DRUM}['syngen_level'], {DRUM}['syngen_level_dents']]")
    check(max(abs(a - b) for a, b in zip(now, before, strict=True)) < 1e-5, "two undos do not take both drags back")
    step("Added a layer and dragged both levels", f"{before} to {after}, undone")


def preview_levels(w: Window) -> None:
    open_part(w, 1)
    w.click("syngen.preview_levels", columns=(0.4,))
    w.wait(lambda: w.value(f"{SESSION}.now.levels_work is None and len({SESSION}.now.levels) > 0"), "no levels", 120)
    w.settle()
    before = w.value(f"{DRUM}['syngen_level']")
    w.click("syngen.apply_level", columns=(0.88,))
    level = w.value(f"{DRUM}['syngen_level']")
    check(level == 1.0, f"the last cell put on the level {level}, not 1")
    w.shot("levels")
    w.key("ctrl+z")
    check(abs(w.value(f"{DRUM}['syngen_level']") - before) < 1e-5, "one undo does not take the cell back")
    w.scroll_up()
    open_part(w, 1)
    step("Previewed levels and used a cell")


def preview(w: Window) -> None:
    camera = w.value("bpy.context.scene.camera and bpy.context.scene.camera.name")
    w.click("syngen.preview_frame", columns=(0.25,))
    check(w.value(f"{SESSION}.previewed(bpy.context.scene)") >= 0, "Preview shows no frame")
    check(
        w.value("view3d()[1].spaces.active.region_3d.view_perspective") == "CAMERA",
        "the view does not look through the camera",
    )
    w.shot("preview")
    w.click("syngen.end_preview", columns=(0.75,))
    check(w.value("bpy.context.scene.camera and bpy.context.scene.camera.name") == camera, "the camera is not put back")
    check(w.value("view3d()[1].spaces.active.region_3d.view_perspective") != "CAMERA", "the view is not put back")
    step("Previewed a frame and ended it")


def export(w: Window, home: Path) -> None:
    begin_export(w, home / "dataset", 3)
    w.wait(lambda: w.value(f"{SESSION}.now.export is None or {SESSION}.now.export.total > 0"), "no progress", 240)
    w.settle()
    w.shot("exporting")
    w.wait(lambda: w.value(f"{SESSION}.now.export is None"), "the export does not end", 400)
    failed = w.value(f"{SESSION}.now.failed")
    check(not failed, f"the export failed: {failed}")
    pictures = list((home / "dataset" / "images").rglob("*.png"))
    check(len(pictures) == 3, f"the export left {len(pictures)} pictures, not 3")
    check((home / "dataset" / "data.yaml").is_file(), "the export left no labels")
    w.settle()
    w.shot("exported")
    step("Exported", w.value(f"{SESSION}.now.told"))


def cancel_export(w: Window, home: Path) -> None:
    begin_export(w, home / "long", 5000)
    w.wait(lambda: w.value(f"{SESSION}.now.export is None or {SESSION}.now.export.done > 0"), "no progress", 240)
    child = w.value(f"{SESSION}.now.export.child.pid")
    w.click("syngen.cancel_export", columns=(0.91,))
    w.wait(lambda: w.value(f"{SESSION}.now.export is None"), "the cancelled export does not end", 120)
    check(not alive(child), "the cancelled Blender still runs")
    told = w.value(f"{SESSION}.now.told")
    check(told.startswith("Stopped"), f"the panel says {told!r}")
    w.settle()
    w.shot("cancelled")
    step("Cancelled an export", told)


def remove(w: Window, nodes: object) -> None:
    w.scroll_up()
    w.click("syngen.remove", columns=(0.75,))
    check(w.value(f"list({DRUM}.keys())") == [], "wear left properties on the object")
    check(w.value(NODES) == nodes, "the node tree is not as it was")
    w.shot("removed")
    w.key("ctrl+z")
    check(w.value(f"'syngen' in {DRUM}"), "one undo does not bring the wear back")
    step("Removed the wear, undone")


def quit_during_export(w: Window, home: Path) -> None:
    begin_export(w, home / "quit", 5000)
    w.wait(lambda: w.value(f"{SESSION}.now.export is None or {SESSION}.now.export.done > 0"), "no progress", 240)
    child = w.value(f"{SESSION}.now.export.child.pid")
    w.run("bpy.app.timers.register(lambda: (bpy.ops.wm.quit_blender(), None)[1], first_interval=0.3)")
    end = time.monotonic() + 60
    while w.blender.poll() is None and time.monotonic() < end:
        time.sleep(0.2)
    check(w.blender.poll() is not None, "Blender does not quit")
    check(not alive(child), "the export outlives Blender")
    step("Quit during an export: nothing is left running")


if __name__ == "__main__":
    sys.exit(main())
