"""panel_draw: drawing the whole SynGen tab over drawing Blender's own Item tab, in a scene of 500 objects.

    BLENDER="command that starts Blender" python benchmarks/panel_draw.py    (`make bench BENCH=panel_draw BLENDER=...`)

Panels are laid out by Blender for a region of a window, so this needs one: a virtual screen and the extension's zip, as
`make test-gui` does (tests/window). Every object has wear and a gallery, and so is a target. Both tabs are drawn by the
same call, of the sidebar alone; what counts is the CPU time of Blender's main thread, since the others are the graphics
driver's, which has no graphics card here. `panel_select` is the same where each time another of the 500 objects is
chosen first. Imports the standard library only.
"""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import LEFT_OUT, ROOT, compare

sys.path.insert(0, str(ROOT / "tests" / "window"))
from driver import TOOLS, Window
from steps import SCENE, install

LIMIT = 3.0
SELECTION_LIMIT = 3.0
OBJECTS = 500
GALLERIES = 5
SHOWN = 5
"""So often each tab is drawn, one time after the other, between two looks at the clock."""

MANY = f"""
import math, time
settings.texture.size, settings.texture.variants = 128, 2
kept = [drum]
for number in range(1, {GALLERIES}):
    other = drum.copy()
    other.data = drum.data.copy()
    other.data.materials[0] = drum.data.materials[0].copy()
    bpy.context.collection.objects.link(other)
    kept.append(other)
for obj in kept:
    bpy.ops.object.select_all(action="DESELECT")
    obj.select_set(True)
    bpy.context.view_layer.objects.active = obj
    assert bpy.ops.syngen.generate("EXEC_DEFAULT") == {{"FINISHED"}}
for number in range({GALLERIES}, {OBJECTS}):
    other = kept[number % {GALLERIES}].copy()
    other.location = (number % 25, number // 25, 0)
    bpy.context.collection.objects.link(other)
bpy.ops.object.select_all(action="DESELECT")
drum.select_set(True)
bpy.context.view_layer.objects.active = drum
"""

OPEN = "view3d()[2].width > 1 and view3d()[2].active_panel_category != 'UNSUPPORTED'"

CLOCKED = """
def show(category):
    window, area, region = view3d()
    region.active_panel_category = category
    assert region.active_panel_category == category
    return bpy.context.temp_override(window=window, area=area, region=region)

def redraw(region):
    region.tag_redraw()  # else nothing is drawn again: nothing has changed
    bpy.ops.wm.redraw_timer(type="DRAW_SWAP", iterations=1)

def draw(category, times):
    with show(category):
        region = bpy.context.region
        redraw(region)
        before = time.thread_time()
        for _ in range(times):
            redraw(region)
        return time.thread_time() - before

def select(category, times):
    names = sorted(obj.name for obj in bpy.context.scene.objects)
    with show(category):
        region = bpy.context.region
        redraw(region)
        before = time.thread_time()
        for name in names[:: len(names) // times][:times]:
            bpy.context.object.select_set(False)
            chosen = bpy.context.scene.objects[name]
            chosen.select_set(True)
            bpy.context.view_layer.objects.active = chosen
            redraw(region)
        return time.thread_time() - before

drawn = []
def count(self, context):
    drawn.append(1)
bpy.types.SYNGEN_PT_dataset.append(count)
draw("SynGen", 3)
assert len(drawn) >= 3, "the panels were not drawn"
drawn.clear()
draw("Item", 3)
assert not drawn, "the tab was not left"
bpy.types.SYNGEN_PT_dataset.remove(count)
"""


def main() -> None:
    archive = next(iter(sorted((ROOT / "dist").glob("syngen-*-linux*.zip"))), None)
    lack = lacking(archive)
    if lack or archive is None:
        print(f"panel_draw is left out: {lack}.", file=sys.stderr)
        sys.exit(LEFT_OUT)
    with tempfile.TemporaryDirectory(prefix="syngen-panels-") as name:
        home = Path(name)
        window = Window(shlex.split(os.environ["BLENDER"]), home, home / "shots")
        try:
            measure(window, str(shutil.copy(archive, home)), home)
        finally:
            window.close()


def lacking(archive: Path | None) -> str:
    """What this machine lacks to open a window with the extension in it, "" for nothing."""
    if not os.environ.get("BLENDER"):
        return "BLENDER names no command that starts Blender"
    if archive is None:
        return "there is no zip to install, which `make package` makes"
    missing = [package for program, package in TOOLS.items() if shutil.which(program) is None]
    return f"a virtual screen needs {', '.join(missing)}" if missing else ""


def measure(window: Window, archive: str, home: Path) -> None:
    """Both figures, in the window."""
    window.run("print(bpy.app.version_string)", timeout=300)
    install(window, archive)
    window.run(f"MODEL, FILE = '', {str(home / 'many.blend')!r}\n{SCENE}{MANY}", timeout=600)
    window.wait(lambda: window.value(OPEN), "the sidebar does not open", 60)
    window.run(CLOCKED)
    for name, what, limit in (("panel_draw", "draw", LIMIT), ("panel_select", "select", SELECTION_LIMIT)):
        clock = Clock(window, what)
        compare(name, clock.of("SynGen"), clock.of("Item"), pairs=9, limit=limit, clock=clock.read)


class Clock:
    """The CPU seconds that Blender's main thread has spent on what was asked of it. what: draw or select."""

    def __init__(self, window: Window, what: str) -> None:
        self.window, self.what, self.seconds = window, what, 0.0

    def of(self, category: str) -> Callable[[], None]:
        """The work with this tab shown."""

        def work() -> None:
            said = self.window.run(f"print({self.what}({category!r}, {SHOWN}))")
            self.seconds += float(said.splitlines()[-1])  # Blender's own figures, by the clock on the wall, come first

        return work

    def read(self) -> float:
        return self.seconds


main()
