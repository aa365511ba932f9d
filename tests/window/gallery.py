"""The part of the walk through what mends an object, several objects in a queue, the gallery, Setup and errors.

Imports the standard library.
"""

from pathlib import Path

from driver import Window
from steps import DRUM, SCENE, SESSION, check, install, open_tab, step

ROW = 28
"""From one closed panel's header to the next, in pixels."""
TWO = f"""
{DRUM}.select_set(False)
bpy.ops.mesh.primitive_cube_add(size=0.6, location=(1, 0, 0.3))
box = bpy.context.object
box.name = "Box"
paint = bpy.data.materials.new("Plain")
paint.use_nodes = True
shader = next(n for n in paint.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
shader.inputs["Base Color"].default_value = (0.4, 0.1, 0.05, 1)
box.data.materials.append(paint)
s = bpy.context.scene.syngen
s.texture.size, s.texture.variants, s.filters.enabled = 256, 3, False
bpy.context.preferences.view.use_save_prompt = True
bpy.ops.ed.undo_push(message="Two objects")
"""
BOX = "bpy.data.objects['Box']"
CLIPBOARD = "bpy.context.window_manager.clipboard"


def walk(w: Window, archive: str, home: Path) -> None:
    """Every step, in the order a person takes them."""
    step("Blender, and the gallery's part", w.run("print(bpy.app.version_string)", timeout=300))
    install(w, archive)
    w.run(f"MODEL, FILE = '', {str(home / 'gallery.blend')!r}\n{SCENE}{TWO}", timeout=300)
    open_tab(w)
    mend(w)
    queue(w)
    gallery(w)
    next_day(w)
    trouble(w)
    setup(w)
    closing_asks(w, home)


def pick(w: Window, name: str) -> None:
    """Make one object the selected and active one."""
    w.run(f"""
for obj in bpy.context.view_layer.objects:
    obj.select_set(obj.name == {name!r})
bpy.context.view_layer.objects.active = bpy.data.objects[{name!r}]
""")
    w.settle()


def mend(w: Window) -> None:
    w.shot("no-base-texture")
    check(bool(w.value(f"{SESSION}.look({BOX}).error")), "a plain color is taken for a base texture")
    w.click("syngen.mend")
    w.settle()
    check(not w.value(f"{SESSION}.look({BOX}).error"), "the button does not mend the object")
    w.shot("mended")
    w.key("ctrl+z")
    check(bool(w.value(f"{SESSION}.look({BOX}).error")), "one undo does not take the mend back")
    w.key("ctrl+shift+z")
    check(not w.value(f"{SESSION}.look({BOX}).error"), "redo does not mend it again")
    step("Mended an object without a base texture, undone, redone")


def queue(w: Window) -> None:
    running, texture = f"{SESSION}.now.generation is not None", "bpy.context.scene.syngen.texture"
    w.run(f"{texture}.size, {texture}.variants = 2048, 6")  # at work until the other's button is found
    w.click("syngen.generate")
    check(w.value(running), "Generate does not start")
    pick(w, "Drum")
    w.run(f"{texture}.size, {texture}.variants = 256, 3")
    w.click("syngen.generate", below=w.places["syngen.generate"][1])
    check(w.value(f"{SESSION}.now.generation.names") == ["Box", "Drum"], "the second object does not wait its turn")
    w.settle()
    w.shot("queue")
    w.wait(lambda: not w.value(running), "the queue does not end", 300)
    w.settle()
    w.shot("queue-done")
    for obj, number in ((BOX, 6), (DRUM, 3)):
        check(w.value(f"len({SESSION}.gallery({obj}))") == number, f"{obj} did not get {number} variants")
    check("2 objects" in w.value(f"{SESSION}.now.generated"), "there is no report at the end")
    step("Two objects, one after the other", w.value(f"{SESSION}.now.generated"))


def names(w: Window) -> list[str]:
    return list(w.value(f"[s.variant.name for s in {SESSION}.gallery({DRUM})]"))


def chosen(w: Window) -> str:
    return str(w.value("bpy.context.window_manager.syngen_variant"))


def open_gallery(w: Window) -> None:
    """Its header stands below the button of the last picture: the third, alone in its row."""
    x, y = w.find("syngen.apply_variant", columns=(0.25,))
    w.places.clear()
    x, y = w.find("syngen.apply_variant", columns=(0.25,), below=y + 60)
    while "apply_variant" in w.over(x, y):
        y += 8
    w.click_at(w.sidebar()[0] + 90, y + 16)
    w.places.clear()
    w.find("syngen.judge_variant", columns=(0.25,))


def gallery(w: Window) -> None:
    open_gallery(w)
    w.shot("gallery")
    first, second, third = names(w)
    x, y = w.find("syngen.judge_variant", columns=(0.25,))
    w.click_at(x, y - 160)  # the large picture: a pop-up of all of them
    w.shot("chooser")
    w.xdotool("key", "Escape")
    w.settle()
    w.run(f"bpy.context.window_manager.syngen_variant = {second!r}")
    w.settle()
    check(chosen(w) == second, "the chooser does not choose")
    w.places.clear()
    w.click("syngen.judge_variant", columns=(0.55,))
    verdict = f"next(s.variant.person for s in {SESSION}.gallery({DRUM}) if s.variant.name == {second!r})"
    w.places.clear()
    w.settle()
    check(w.value(verdict) == "refused", f"the button says {w.value(verdict)!r}, not refused")
    w.shot("refused")
    looks(w)
    w.run(f"bpy.context.window_manager.syngen_variant = {third!r}")
    w.settle()
    w.click("syngen.delete_variant", columns=(0.93,))
    w.shot("delete")
    w.xdotool("key", "Return")
    w.settle()
    check(names(w) == [first, second], "Delete does not delete")
    w.settle()
    w.shot("deleted")
    w.click("syngen.restore_variants", columns=(0.4,))
    w.settle()
    check(names(w) == [first, second, third], "Restore does not bring it back")
    step("Refused one variant, deleted another and restored it")


THEME = """
import os
file = next(os.path.join(f, "{name}.xml") for f in bpy.utils.preset_paths("interface_theme")
            if os.path.isfile(os.path.join(f, "{name}.xml")))
bpy.ops.script.execute_preset(filepath=file, menu_idname="USERPREF_MT_interface_theme_presets")
"""


def scrolled(w: Window, clicks: int) -> None:
    """Scroll so far down from the top."""
    w.scroll_up()
    w.xdotool("click", "--repeat", clicks, "--delay", 15, 5)
    w.settle()


def looks(w: Window) -> None:
    """Pictures to be looked at: a light theme, large letters, a narrow sidebar."""
    w.run(THEME.format(name="Blender_Light"))
    w.settle()
    w.shot("gallery-light")
    w.run(THEME.format(name="Blender_Dark") + "bpy.context.preferences.view.ui_scale = 2.0")
    w.settle()
    w.shot("2x")
    scrolled(w, 16)
    w.shot("gallery-2x")
    w.run("bpy.context.preferences.view.ui_scale = 1.0")
    w.settle()
    scrolled(w, 8)
    left, _, _, bottom = w.sidebar()
    w.drag((left, bottom - 40), (left + 80, bottom - 40))
    w.places.clear()
    w.shot("gallery-narrow")
    w.scroll_up()
    w.shot("narrow")
    scrolled(w, 8)
    left = w.sidebar()[0]
    w.drag((left, bottom - 40), (left - 80, bottom - 40))
    w.places.clear()


def next_day(w: Window) -> None:
    before = names(w)
    w.run("bpy.ops.wm.save_mainfile()")
    w.run("bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)")
    w.settle()
    check(names(w) == before, "the gallery is not found again after the file was opened anew")
    pick(w, "Drum")
    step("Opened the file again", f"{len(before)} variants")


BROKEN = """
import sys
gallery = sys.modules["bl_ext.user_default.syngen.syngen_addon.blender.gallery"]
errors = sys.modules["bl_ext.user_default.syngen.syngen_addon.errors"]
kept = gallery.find

def broken(obj, name):
    gallery.find = kept
    long = "This sentence stands for one that is long, as those are that name files: " + "/a/folder" * 14
    raise errors.SynGenError(long, "Do what it says here, and try again.")

gallery.find = broken
"""


def trouble(w: Window) -> None:
    """A long error is a dialog, from which its report is copied."""
    w.run(f"{BROKEN}\n{CLIPBOARD} = ''")
    w.places.clear()
    w.click("syngen.judge_variant", columns=(0.25,))
    w.settle()
    w.shot("trouble")
    w.xdotool("key", "r")  # Copy Report by its letter: Return is Cancel
    w.settle()
    w.shot("trouble-copied")
    copied = w.value(CLIPBOARD)
    check("This sentence stands" in copied and "Blender " in copied, f"the report was not copied: {copied[:200]!r}")
    step("Copied the report of a long error")


def setup(w: Window) -> None:
    w.scroll_up()
    left, top, _, _ = w.sidebar()
    w.click_at(left + 90, top + 16, "ctrl")
    w.click_at(left + 90, top + 16)
    w.click_at(left + 90, top + 16 + ROW * 6)
    w.settle()
    w.find("syngen.diagnose")
    w.shot("setup")
    step("Opened Setup")


def closing_asks(w: Window, home: Path) -> None:
    w.run(f"{SESSION}.now.export = None")
    pick(w, "Drum")
    w.run(f"bpy.ops.syngen.apply_variant(variant={names(w)[0]!r}); bpy.ops.wm.save_mainfile()")
    w.run(f"bpy.context.scene.syngen.job.folder = {str(home / 'asked')!r}; bpy.context.scene.syngen.job.frames = 5000")
    w.run("bpy.ops.wm.save_mainfile()")
    w.run("""
window, area, region = view3d()
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.syngen.export_dataset("INVOKE_DEFAULT")
""", timeout=300)  # fmt: skip
    w.wait(lambda: w.value(f"{SESSION}.now.export is None or {SESSION}.now.export.done > 0"), "no progress", 240)
    w.run("bpy.ops.wm.save_mainfile()")
    w.wait(lambda: w.value("bpy.data.is_dirty"), "a save takes the question away", 10)
    w.key("ctrl+q")
    w.settle()
    w.shot("closing")
    w.xdotool("key", "Escape")
    w.settle()
    check(w.blender.poll() is None and w.value(f"{SESSION}.now.exporting"), "the question does not keep Blender open")
    w.run("bpy.ops.syngen.cancel_export()")
    w.wait(lambda: not w.value(f"{SESSION}.now.exporting"), "the export does not stop", 120)
    step("Closing during an export asks")
