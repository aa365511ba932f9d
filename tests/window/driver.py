"""A Blender in a window on a virtual screen, driven by a real pointer and real keys. Imports the standard library.

Nothing in the window is addressed by coordinates: the pointer looks for a button and asks Blender what it is over.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TOOLS = {"Xvfb": "xvfb", "xdotool": "xdotool", "import": "imagemagick"}
"""Program -> its Debian package."""
SIZE = (1600, 1000)

REGION = """
def view3d(kind="UI"):
    window = bpy.context.window_manager.windows[0]
    area = max((a for a in window.screen.areas if a.type == "VIEW_3D"), key=lambda a: a.width * a.height)
    return window, area, next(r for r in area.regions if r.type == kind)
"""

UNDER_POINTER = """
window, area, region = view3d()
found = []
with bpy.context.temp_override(window=window, area=area, region=region):
    ui = bpy.ops.ui
    for operator, options in ((ui.copy_python_command_button, {}), (ui.copy_data_path_button, {"full_path": True})):
        if operator.poll():
            bpy.context.window_manager.clipboard = ""
            operator(**options)
            found.append(bpy.context.window_manager.clipboard)
print("|".join(found))
"""


class Failed(Exception):
    """A step of the walk did not do what it should."""


class Window:
    """The running Blender. shots: folder of the screenshots."""

    def __init__(self, command: Sequence[str], home: Path, shots: Path) -> None:
        missing = [package for program, package in TOOLS.items() if shutil.which(program) is None]
        if missing:
            raise SystemExit(
                f"The walk needs programs that are not here. On Debian: apt-get install {' '.join(missing)}"
            )
        self.home, self.shots, self.number = home, shots, 0
        self.places: dict[str, tuple[int, int]] = {}
        self.seen: dict[tuple[int, int], str] = {}
        """What was under the pointer, place by place, when it was there last."""
        self.pipe = home / "pipe"
        self.pipe.mkdir(parents=True)
        shots.mkdir(parents=True, exist_ok=True)
        read, write = os.pipe()
        self.screen = subprocess.Popen(
            [
                "Xvfb",
                "-displayfd",
                str(write),
                "-screen",
                "0",
                f"{SIZE[0]}x{SIZE[1]}x24",
                "+extension",
                "GLX",
                "-nolisten",
                "tcp",
            ],
            pass_fds=(write,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as number:
            self.display = f":{number.readline().strip()}"
        self.environment = {
            **os.environ,
            "DISPLAY": self.display,
            "BLENDER_USER_RESOURCES": str(home / "profile"),
            "LIBGL_ALWAYS_SOFTWARE": "1",
        }
        (home / "profile").mkdir()
        listener = shutil.copy(Path(__file__).with_name("listener.py"), home / "listener.py")
        self.log = home / "blender.log"
        with self.log.open("w") as log:
            self.blender = subprocess.Popen(
                [
                    *command,
                    "--window-geometry",
                    "0",
                    "0",
                    *map(str, SIZE),
                    "--python",
                    str(listener),
                    "--",
                    str(self.pipe),
                ],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    # --- Python inside

    def run(self, source: str, timeout: float = 180.0) -> str:
        """Run Python in Blender's main loop; what it printed. Raises Failed with its traceback."""
        answer, part = self.pipe / "answer.json", self.pipe / "command.part"
        answer.unlink(missing_ok=True)
        part.write_text(REGION + source, encoding="utf-8")
        part.replace(self.pipe / "command.py")
        self.wait(answer.exists, "Blender does not answer", timeout, every=0.05)
        found = json.loads(answer.read_text(encoding="utf-8"))
        if not found["ok"]:
            raise Failed(f"Python in Blender failed:\n{found['out']}")
        return str(found["out"]).strip()

    def value(self, expression: str) -> Any:
        """The JSON-ready value of an expression in Blender."""
        return json.loads(self.run(f"import json\nprint(json.dumps({expression}))"))

    def wait(self, ready: Callable[[], Any], what: str, timeout: float, every: float = 0.5) -> Any:
        """Ask until it is so; its answer. Raises Failed after timeout seconds, or where Blender has ended."""
        end = time.monotonic() + timeout
        while True:
            found = ready()
            if found:
                return found
            if self.blender.poll() is not None:
                raise Failed(
                    f"{what}: Blender ended with code {self.blender.returncode}.\n{self.log.read_text()[-2000:]}"
                )
            if time.monotonic() > end:
                raise Failed(f"{what} ({timeout:.0f} s)")
            time.sleep(every)

    # --- pointer and keys

    def xdotool(self, *words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=self.environment, check=True)

    def move(self, x: int, y: int) -> None:
        self.xdotool("mousemove", x, y)

    def settle(self) -> None:
        """Wait until Blender has worked off its events and drawn: a round through its main loop and back."""
        for _ in range(3):
            self.run("pass")

    def over(self, x: int, y: int) -> str:
        """What is under the pointer there: an operator call, a data path, or ""."""
        self.move(x, y)
        self.settle()
        self.seen[x, y] = self.run(UNDER_POINTER)
        return self.seen[x, y]

    def sidebar(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in pixels of the screen, y down."""
        x, y, width, height = self.value("(lambda r: [r.x, r.y, r.width, r.height])(view3d()[2])")
        return x, SIZE[1] - (y + height), x + width, SIZE[1] - y

    def view(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of the 3D view itself, as sidebar()."""
        x, y, width, height = self.value("(lambda r: [r.x, r.y, r.width, r.height])(view3d('WINDOW')[2])")
        return x, SIZE[1] - (y + height), x + width, SIZE[1] - y

    def find(self, what: str, columns: Sequence[float] = (0.6,), below: int = 0) -> tuple[int, int]:
        """Where a button is whose call or path holds `what`: where it was, else anywhere below, scrolling down.

        columns: fractions of the width. below: no higher than that, in pixels of the screen.
        """
        if what in self.places and what in self.over(*self.places[what]):
            return self.places[what]
        left, top, right, bottom = self.sidebar()
        width = right - left - 24  # without the tabs
        xs = [left + int(width * column) for column in columns]
        for place in [p for p, there in self.seen.items() if what in there and p[0] in xs and p[1] > below]:
            if what in self.over(*place):
                self.places[what] = place
                return place
        for number in range(6):
            for y in range(max(top + 8, 0 if number else below), bottom - 8, 11):
                for x in xs:
                    if what in self.over(x, y):
                        y += 4
                        self.places[what] = x, y if what in self.over(x, y) else y - 4
                        return self.places[what]
            self.move(left + 30, (top + bottom) // 2)
            for _ in range(8):
                self.xdotool("click", 5)
            self.settle()
        raise Failed(f"There is no button for {what} in the sidebar.")

    def scroll_up(self) -> None:
        left, top, _, bottom = self.sidebar()
        self.move(left + 30, (top + bottom) // 2)
        self.xdotool("click", "--repeat", 60, "--delay", 15, 4)
        self.settle()

    def click(self, what: str, columns: Sequence[float] = (0.6,), below: int = 0) -> None:
        """Find a button and click it."""
        self.click_at(*self.find(what, columns, below))

    def click_at(self, x: int, y: int, key: str = "") -> None:
        """Click a place: what is no button, as a panel's header. key: one that is held meanwhile."""
        self.move(x, y)
        self.settle()
        self.xdotool(*(("keydown", key) if key else ()), "click", 1, *(("keyup", key) if key else ()))
        self.settle()

    def choose(self, what: str, letter: str, below: int = 0) -> None:
        """Open a menu and take the first entry that is called by this letter."""
        self.click(what, below=below)
        self.xdotool("key", letter)
        self.settle()

    def drag(self, start: tuple[int, int], end: tuple[int, int], steps: int = 6) -> None:
        """Drag with the left button, slowly enough that Blender sees a drag and no click."""
        self.move(*start)
        self.settle()
        self.xdotool("mousedown", 1)
        self.settle()
        for step in range(1, steps + 1):
            self.move(*(a + (b - a) * step // steps for a, b in zip(start, end, strict=True)))
            self.settle()
        self.xdotool("mouseup", 1)
        self.settle()

    def key(self, keys: str) -> None:
        """Press keys with the pointer over the view."""
        left, top, right, bottom = self.view()
        self.move(left + (right - left) // 3, bottom - (bottom - top) // 3)
        self.settle()
        self.xdotool("key", keys)
        self.settle()

    def shot(self, name: str) -> None:
        """A screenshot, numbered in the order of the walk."""
        self.number += 1
        file = self.shots / f"{self.number:02d}-{name}.png"
        subprocess.run(["import", "-window", "root", str(file)], env=self.environment, check=True)

    def close(self) -> None:
        """End Blender and the screen, whatever state they are in."""
        for process in (self.blender, self.screen):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
