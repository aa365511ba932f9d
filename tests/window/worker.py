"""The part of the walk with the worker: neural transfer and Stable Diffusion, stopped, killed, quit. Standard library.

It runs where SYNGEN_WORKER_PYTHON names a Python that has what the worker needs. The pipeline is of real classes with
tiny random weights, built by that Python. Neural transfer runs with the real VGG-19 of SYNGEN_TEST_WEIGHTS, a folder,
and is left out without it. What the walk cuts short has so many steps that it cannot have ended by itself.
"""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from driver import Window
from steps import DRUM, SCENE, SESSION, alive, check, install, open_tab, step, variants

VARIABLE = "SYNGEN_WORKER_PYTHON"
BUILDERS = Path(__file__).parents[1] / "worker"
BUILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import builders
builders.build_sd(Path(sys.argv[2]))
"""
WORKER = "__import__('sys').modules['bl_ext.user_default.syngen.syngen_addon.blender.worker']"
SETTINGS = "bpy.context.scene.syngen"
EXTENSION = "bl_ext.user_default.syngen"
SMALL = f"""
image = bpy.data.images["Paint"]
image.scale(128, 128)
image.pack()
s = {SETTINGS}
s.texture.size, s.texture.variants = 64, 1
s.transfer.max_size, s.filters.enabled = 64, False
s.diffusion.size, s.diffusion.steps = 64, 8
s.diffusion.model = "nobody/no-such-model"
bpy.ops.wm.save_mainfile()
"""
LONG = 500


def python() -> str | None:
    """The worker's Python, None where the part is to be left out."""
    named = os.environ.get(VARIABLE, "")
    return named if named and Path(named).is_file() else None


def walk(w: Window, archive: str, home: Path) -> None:
    """Every step, in the order a person takes them."""
    model = home / "models" / "tiny"
    with subprocess.Popen(
        [str(python()), "-c", BUILD, str(BUILDERS), str(model)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as builder:
        step("Blender, and the worker's part", w.run("print(bpy.app.version_string)", timeout=300))
        install(w, archive)
        w.run(f"MODEL, FILE = '', {str(home / 'worker.blend')!r}\n{SCENE}{SMALL}")
        open_tab(w)
        neural(w)
        sweep(w)
        missing_model(w)
    check(builder.returncode == 0, "the tiny pipeline cannot be built: see `make test-worker`")
    diffusion(w, model)
    killed(w)
    opened_again(w, home)
    switched_off(w)
    quit_during_work(w)


def set_(w: Window, **values: Any) -> None:
    """Settings, as section_name=value."""
    for name, value in values.items():
        section, _, key = name.partition("_")
        w.run(f"{SETTINGS}.{section}.{key} = {value!r}")


def working(w: Window) -> Any:
    """(text, preview) of what is being made, None where nothing is."""
    return w.value(f"(lambda g: g and [g.text, str(g.preview or '')])({SESSION}.now.generation)")


def worker_pid(w: Window) -> int:
    return int(w.value(f"({WORKER}._worker and {WORKER}._worker.pid) or 0"))


def why_not(w: Window) -> str:
    return str(w.value(f"{SESSION}.now.not_generated"))


def begin(w: Window) -> int:
    """Generate until a network's first step; the worker's id."""
    w.click("syngen.generate")

    def at_work() -> bool:
        now = working(w)
        check(now is not None, f"Generate ended before its first step: {why_not(w)}")
        return "Step" in now[0]

    w.wait(at_work, "no step is told", 120, every=0.1)
    return worker_pid(w)


def ended(w: Window, timeout: float = 120.0) -> None:
    w.wait(lambda: working(w) is None, "Generate does not end", timeout, every=0.1)
    w.settle()


def generate(w: Window) -> None:
    before = variants(w)
    w.click("syngen.generate")
    ended(w)
    check(variants(w) == before + 1, f"{variants(w) - before} variants were made, not 1: {why_not(w)}")


def neural(w: Window) -> None:
    weights = Path(os.environ.get("SYNGEN_TEST_WEIGHTS", "")) / "vgg_normalized.pth"
    if not weights.is_file():
        return step("Neural transfer is left out: SYNGEN_TEST_WEIGHTS names no folder with vgg_normalized.pth")
    w.choose("syngen.transfer.method", "n")
    check(w.value(f"{SETTINGS}.transfer.method") == "gatys", "the menu does not choose neural transfer")
    w.shot("weights-missing")
    check(w.value(f"{SESSION}.cannot_generate(bpy.context.scene)"), "Generate is offered without weights")
    set_(w, neural_vgg=str(weights), neural_steps=LONG)
    pid = begin(w)
    w.wait(lambda: working(w)[1], "no picture of how far it is", 120, every=0.1)
    w.settle()
    w.shot("live")
    w.key("Escape")
    ended(w)
    check(variants(w) == 0, "what was stopped left a variant")
    check(worker_pid(w) == pid and alive(pid), "the stop ended the worker")
    w.shot("stopped")
    step("Stopped neural transfer within a step", "the worker lives")
    set_(w, neural_steps=3)
    generate(w)
    check(worker_pid(w) == pid, "another worker did the second job")
    w.click("syngen.apply_variant", columns=(0.25,))
    check(w.value(f"{SESSION}.worn({DRUM})"), "the click on a variant does not put it on")
    w.shot("used")
    w.key("ctrl+z")
    check(w.value(f"list({DRUM}.keys())") == [], "one undo does not take the variant off")
    step("Generated by neural transfer, used, undone")


def sweep(w: Window) -> None:
    """Stopped by its button, then to its end."""
    if w.value(f"{SETTINGS}.transfer.method") != "gatys":
        return step("The sweep is left out: it needs neural transfer")
    running = f"{SESSION}.now.sweep is not None"
    w.run("bpy.context.window_manager.operator_properties_last('syngen.sweep').size = 64")
    for steps in (LONG, 2):
        set_(w, neural_steps=steps)
        w.click("syngen.sweep")
        w.xdotool("key", "Return")  # the dialog, which opens under the pointer
        w.wait(lambda: w.value(running), "the dialog does not start the sweep", 30, every=0.1)
        if steps == LONG:
            w.wait(lambda: w.value(f"bool({SESSION}.now.sweep.preview)"), "no picture of how far it is", 120, every=0.1)
            w.settle()
            w.shot("sweeping")
            w.click("syngen.cancel_sweep", columns=(0.93,))
        w.wait(lambda: not w.value(running), "the sweep does not end", 600, every=0.1)
        sheet = w.value(f"{SESSION}.now.sweep_sheet")
        check(bool(sheet) == (steps == 2), f"of {steps} steps there is the sheet {sheet!r}")
    w.settle()
    w.shot("swept")
    step("Stopped a sweep over weights, and swept to the end")


def missing_model(w: Window) -> None:
    set_(w, transfer_method="patch")
    w.choose("syngen.texture.method", "s")
    check(w.value(f"{SETTINGS}.texture.method") == "diffusion", "the menu does not choose Stable Diffusion")
    w.click("syngen.generate")
    ended(w)
    why = why_not(w)
    check("nobody/no-such-model" in why and "not on this machine" in why, f"of a missing model is said: {why!r}")
    w.shot("model-missing")
    w.key("Escape")  # the report
    step("Asked for a model that is not here", why)


def diffusion(w: Window, model: Path) -> None:
    set_(w, diffusion_model=str(model))
    generate(w)
    w.shot("diffusion")
    step("Generated by Stable Diffusion")


def killed(w: Window) -> None:
    set_(w, diffusion_steps=LONG, texture_seed=1)
    pid = begin(w)
    os.kill(pid, signal.SIGKILL)
    ended(w)
    why = why_not(w)
    check("was killed" in why, f"of a killed worker is said: {why!r}")
    w.shot("killed")
    w.key("Escape")  # the report
    set_(w, diffusion_steps=8)
    generate(w)
    check(worker_pid(w) not in (0, pid), "no new worker does the next job")
    step("Killed the worker; the next Generate has a new one", why.partition(".")[0])


def opened_again(w: Window, home: Path) -> None:
    set_(w, diffusion_steps=LONG, texture_seed=2)
    pid = begin(w)
    w.run("bpy.ops.wm.save_mainfile(); bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)", timeout=120)
    check(working(w) is None, "the work outlives the file")
    check(alive(pid), "opening a file ended the worker")
    step("Saved and opened the file during work")


def switched_off(w: Window) -> None:
    set_(w, texture_seed=3)
    pid = begin(w)
    w.run(f"bpy.ops.preferences.addon_disable(module={EXTENSION!r})", timeout=120)
    check(not alive(pid), "the worker outlives the extension")
    w.run(f"bpy.ops.preferences.addon_enable(module={EXTENSION!r})")
    step("Switched the extension off during work: nothing is left running")


def quit_during_work(w: Window) -> None:
    open_tab(w)
    set_(w, texture_seed=4)
    pid = begin(w)
    w.run("bpy.app.timers.register(lambda: (bpy.ops.wm.quit_blender(), None)[1], first_interval=0.3)")
    w.blender.wait(60)
    check(not alive(pid), "the worker outlives Blender")
    step("Quit during work: nothing is left running")
