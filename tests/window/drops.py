"""The part of the walk through what is dropped into the view, and dataset presets. Imports the standard library.

No program can drop anything from outside the window: the operator that Blender calls for a drop is called instead, with
the pointer where the drop would be. What then comes up is answered by real keys.
"""

from pathlib import Path

from driver import Window
from steps import DRUM, SCENE, check, install, open_tab, step

SETTINGS = "bpy.context.scene.syngen"
SECOND = f"""
other = {DRUM}.copy()
other.name, other.location.x = "Other", 3
bpy.context.collection.objects.link(other)
for obj in list(bpy.context.selected_objects):
    obj.select_set(False)
other.select_set(True)
bpy.context.view_layer.objects.active = other
image = bpy.data.images.new("photo", 64, 64)
image.filepath_raw, image.file_format = PHOTO, "PNG"
image.save()
bpy.data.images.remove(image)
bpy.ops.ed.undo_push(message="Two drums")
"""


def drop(w: Window, file: Path) -> None:
    """Drop a file from the system's file browser into the middle of the view. (True: with its undo step.)"""
    left, top, right, bottom = w.view()
    w.move((left + right) // 2, (top + bottom) // 2)
    w.settle()
    w.run(f"""
window, area, region = view3d("WINDOW")
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.wm.drop_import_file(
        "INVOKE_DEFAULT", True, directory={str(file.parent)!r}, files=[{{"name": {file.name!r}}}])
""")
    w.settle()


def walk(w: Window, archive: str, home: Path) -> None:
    """Every step, in the order a person takes them."""
    step("Blender, and the part of drops and presets", w.run("print(bpy.app.version_string)", timeout=300))
    install(w, archive)
    photo = home / "rust.png"
    w.run(f"MODEL, FILE, PHOTO = '', {str(home / 'drops.blend')!r}, {str(photo)!r}\n{SCENE}{SECOND}", timeout=300)
    open_tab(w)
    photo_dropped(w, photo)
    recipes_dropped(w, home)
    presets(w)


def photo_dropped(w: Window, photo: Path) -> None:
    drop(w, photo)
    w.shot("drop-menu")
    w.xdotool("key", "u")  # Use as Wear Photo, among Blender's own choices
    w.settle()
    w.shot("drop-dialog")
    w.xdotool("key", "Return")
    w.settle()
    state = f"[{SETTINGS}.texture.method, {SETTINGS}.texture.exemplar, bpy.context.object.name]"
    used = ["exemplar", "//rust.png", "Drum"]
    check(w.value(state) == used, f"the photo is not used: {w.value(state)}")
    w.key("ctrl+z")
    check(w.value(state) == ["procedural", "", "Other"], f"one undo does not take the photo back: {w.value(state)}")
    w.key("ctrl+shift+z")
    check(w.value(state) == used, "redo does not bring the photo back")
    step("Dropped a photo onto the drum", "undone and done again")


def recipes_dropped(w: Window, home: Path) -> None:
    ours, foreign = home / "job.toml", home / "pyproject.toml"
    ours.write_text("[render]\nsamples = 7\n[texture]\nexemplar = 'rust.png'\n", encoding="utf-8")
    foreign.write_text("[project]\nname = 'other'\n", encoding="utf-8")
    samples = f"{SETTINGS}.render.samples"
    before = w.value(samples)
    drop(w, ours)
    check(w.value(samples) == 7, "the recipe is not read")
    check(w.value(f"{SETTINGS}.texture.exemplar") == str(home / "rust.png"), "its photo does not count from its folder")
    w.key("ctrl+z")
    check(w.value(samples) == before, "one undo does not take the recipe back")
    drop(w, foreign)
    w.shot("foreign-toml")
    w.xdotool("key", "Escape")
    w.settle()
    check(w.value(samples) == before, "another program's file changed something")
    step("Dropped a recipe, and a file that is none")


def presets(w: Window) -> None:
    """The menu is Blender's own; its entries run an operator, whose one undo takes a preset back."""
    width, before = f"{SETTINGS}.render.width", w.value(f"{SETTINGS}.render.width")
    w.run("""
window, area, region = view3d()
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.wm.call_panel("INVOKE_DEFAULT", name="SYNGEN_PT_presets", keep_open=True)
""")
    w.settle()
    w.shot("presets")
    w.xdotool("key", "Escape")
    w.settle()
    w.run("""
folder = next(p for p in bpy.utils.preset_paths("syngen"))
window, area, region = view3d("WINDOW")
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.syngen.load_preset("INVOKE_DEFAULT", True, filepath=folder + "/Turntable.toml")
""")
    check(w.value(f"[{width}, {SETTINGS}.camera.path]") == [512, "orbit"], "the preset is not shown")
    w.key("ctrl+z")
    check(w.value(width) == before, "one undo does not take the preset back")
    step("Loaded a preset, and undid it")
