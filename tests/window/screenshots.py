"""The screenshots of the README and of docs/: an object worn, in the window. Imports the standard library.

    python tests/window/screenshots.py [--zip FILE] [--out FOLDER] [--photo FILE] --model FILE.gltf BLENDER ...

BLENDER is the command that starts Blender, as for run.py. --model is the object, in the README Barrel_01 of Poly Haven
(CC0); --photo a photo of rust, without which the two pictures of a drop are not made. --out (default docs/pictures)
gets window-*.jpg, each under 90 KB. ImageMagick's `convert` makes them smaller.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from driver import Window
from run import ROOT, open_part
from steps import DRUM, SCENE, SESSION, install, open_tab, shade, step

MOST_BYTES = 90_000
FRAMED = """
import mathutils
s = bpy.context.scene.syngen
s.texture.size, s.texture.variants = 1024, 4
s.render.width = s.render.height = 256
s.render.samples, s.job.frames, s.job.folder = 8, 40, "//dataset"
s.ground.randomize, s.ground.color_low, s.ground.color_high = True, (0.2, 0.19, 0.17), (0.34, 0.32, 0.29)
s.camera.elevation_deg, s.camera.distance = (6, 24), (1.0, 1.5)
space = view3d()[1].spaces.active
space.overlay.show_floor = space.overlay.show_axis_x = space.overlay.show_axis_y = space.overlay.show_cursor = False
view = space.region_3d
view.view_rotation = mathutils.Euler((1.28, 0, -0.6)).to_quaternion()
view.view_distance, view.view_location = 1.6, (0, 0, 0.43)
bpy.ops.wm.save_mainfile()
"""


RUST_ALONE = """
for kind in ("dents", "moss"):
    bpy.ops.syngen.remove_layer(kind=kind)
"""
"""Labels of three kinds over each other cannot be told apart in a small picture."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", type=Path, help="the extension (default: dist/syngen-*-linux*.zip)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="folder of the pictures")
    parser.add_argument("--model", type=Path, required=True, help="the object, a glTF file")
    parser.add_argument("--photo", type=Path, help="a photo of rust that is dropped into the view")
    parser.add_argument("blender", nargs=argparse.REMAINDER, help="the command that starts Blender")
    arguments = parser.parse_args()
    archive = arguments.zip or next(iter(sorted((ROOT / "dist").glob("syngen-*-linux*.zip"))), None)
    if archive is None or not arguments.blender:
        parser.error("name the command that starts Blender, and run `make package` first")
    home = Path(tempfile.mkdtemp(prefix="syngen-screenshots-"))
    window = Window(arguments.blender, home, home / "shots")
    try:
        window.run("print(bpy.app.version_string)", timeout=300)
        install(window, shutil.copy(archive, home))
        window.run(f"MODEL, FILE = {str(arguments.model.resolve())!r}, {str(home / 'drum.blend')!r}\n{SCENE}{FRAMED}")
        open_tab(window)
        take(window, arguments.out, arguments.photo and arguments.photo.resolve())
    finally:
        window.close()
        shutil.rmtree(home, ignore_errors=True)
    return 0


def take(w: Window, out: Path, photo: Path | None) -> None:
    """Every picture, in the order a person comes by it."""
    picture(w, out / "window-object.jpg")
    if photo is not None:
        drop(w, out, photo)
    w.scroll_up()
    w.click("syngen.generate")
    w.wait(lambda: w.value(f"{SESSION}.now.generation is None"), "Generate does not end", 600)
    w.settle()
    w.click("syngen.apply_variant", columns=(0.25,))
    for level in (0.2, 0.8):
        w.run(f"bpy.context.scene.syngen.level = {level}")
        picture(w, out / f"window-level-{round(level * 10):02d}.jpg")
    w.run("s = bpy.context.scene.syngen; s.level, s.texture.variants = 0.35, 1")
    add(w, "d", "dents")
    add(w, "m", "moss")
    w.find("syngen.copy_level", columns=(0.3,))  # below the layers: the panel scrolls to them
    picture(w, out / "window-layers.jpg")
    open_part(w, 1)
    w.click("syngen.preview_levels", columns=(0.4,))
    w.wait(lambda: w.value(f"{SESSION}.now.levels_work is None and len({SESSION}.now.levels) > 0"), "no levels", 300)
    w.settle()
    w.find("syngen.apply_level", columns=(0.88,))
    picture(w, out / "window-levels.jpg")
    open_part(w, 1)
    w.run(RUST_ALONE)
    w.click("syngen.preview_frame", columns=(0.4,))
    w.wait(lambda: w.value(f"{SESSION}.previewed(bpy.context.scene) >= 0"), "no preview", 120)
    w.click("syngen.show_label_overlay", columns=(0.25,))
    picture(w, out / "window-scene.jpg")
    presets(w, out)
    w.click("syngen.show_label_overlay", columns=(0.25,))
    w.click("syngen.end_preview")
    w.find("syngen.copy_batch_command")  # the last of the panel: it scrolls to all of it
    picture(w, out / "window-dataset.jpg")
    w.click("syngen.export_dataset")
    export = f"{SESSION}.now.export"
    w.wait(lambda: w.value(f"{export} is None or {export}.done > 4"), "no progress", 600)
    picture(w, out / "window-export.jpg")  # closing Blender ends the export


def drop(w: Window, out: Path, photo: Path) -> None:
    """What Blender asks when a photo is dropped onto the object, and what SynGen does then; left with Esc.

    The operator is the one that a drop calls: no program can drop anything from outside the window.
    """
    ready(w)
    left, top, right, bottom = w.view()
    w.move((left + right) // 2 - 100, (top + bottom) // 2)
    w.settle()
    w.run(f"""
window, area, region = view3d("WINDOW")
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.wm.drop_import_file(
        "INVOKE_DEFAULT", directory={str(photo.parent)!r}, files=[{{"name": {photo.name!r}}}])
""")
    w.settle()
    save(w, out / "window-drop-menu.jpg")
    w.xdotool("key", "u")  # Use as Wear Photo
    w.settle()
    save(w, out / "window-drop.jpg")
    w.xdotool("key", "Escape")
    w.settle()
    shade(w, "SOLID")


def presets(w: Window, out: Path) -> None:
    """The menu of presets, beside the Scene panel."""
    _, y = w.find("syngen.preview_frame", columns=(0.4,))
    ready(w)
    w.move(w.sidebar()[0] - 60, y - 220)  # it opens downwards, and is to be seen whole
    w.settle()
    w.run("""
window, area, region = view3d()
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.wm.call_panel("INVOKE_DEFAULT", name="SYNGEN_PT_presets", keep_open=True)
""")
    w.settle()
    save(w, out / "window-presets.jpg")
    w.xdotool("key", "Escape")
    w.settle()
    shade(w, "SOLID")


def add(w: Window, letter: str, kind: str) -> None:
    """Add a kind of wear by the menu below the layers."""
    last = "syngen.rows.level" if w.value(f"len({SESSION}.layers({DRUM}))") > 1 else "syngen.level"
    x, y = w.find(last, columns=(0.5,))
    w.move(x, y + 25)
    w.settle()
    w.xdotool("click", 1)
    w.settle()
    w.xdotool("key", letter)
    w.wait(lambda: w.value(f"{SESSION}.now.generation is None and 'syngen_level_{kind}' in {DRUM}"), f"no {kind}", 600)
    w.settle()


def picture(w: Window, target: Path) -> None:
    """A screenshot in Material Preview, small enough for the repository."""
    ready(w)
    save(w, target)
    shade(w, "SOLID")


def ready(w: Window) -> None:
    """Material Preview, with all that it compiles done, and the pointer out of the way."""
    shade(w, "MATERIAL")
    left, _, _, bottom = w.view()
    w.move(left + 60, bottom - 60)  # a button that the pointer is over looks pressed
    w.wait(lambda: w.value("not bpy.app.is_job_running('SHADER_COMPILATION')"), "shaders do not compile", 300)
    for _ in range(3):
        w.run("view3d()[1].tag_redraw()")
        w.settle()


def save(w: Window, target: Path) -> None:
    """What the window shows, without the editors beside and below the view."""
    w.shot(target.stem)
    shot, (_, _, right, bottom) = max(w.shots.glob("*.png")), w.sidebar()
    shape = ["-crop", f"{right}x{bottom}+0+0", "+repage", "-resize", "1000x"]
    for quality in range(88, 40, -6):
        subprocess.run(["convert", str(shot), *shape, "-quality", str(quality), str(target)], check=True)
        if target.stat().st_size < MOST_BYTES:
            break
    step(target.name, f"{target.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    sys.exit(main())
