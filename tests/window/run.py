"""The walk through the window by real clicks: from an object to rust to a dataset, and back.

    python tests/window/run.py [--zip FILE] [--shots FOLDER] [--keep] BLENDER [ARGUMENT...]

BLENDER is the command that starts Blender. It runs on a virtual screen with a throw-away profile, into which the
extension's zip is installed (default: the one `make package` left in dist/ for this platform). Each step is a click,
a drag or a key, after which Blender's state is asked; a step that fails ends the walk with exit code 1. Every step
leaves a screenshot. With SYNGEN_TEST_ASSETS set to a folder that holds Barrel*.gltf, the object is that model.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from driver import Failed, Window

ROOT = Path(__file__).resolve().parents[2]

SCENE = """
import numpy as np
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.inputs.use_mouse_continuous = False
for obj in list(bpy.data.objects):
    bpy.data.objects.remove(obj)
if MODEL:
    bpy.ops.import_scene.gltf(filepath=MODEL)
    drum = next(o for o in bpy.data.objects if o.type == "MESH")
else:
    bpy.ops.mesh.primitive_cylinder_add(vertices=48, radius=0.29, depth=0.88, location=(0, 0, 0.44))
    drum = bpy.context.object
    rows, columns = np.mgrid[0:512, 0:512] / 512
    paint = np.ones((512, 512, 4), np.float32)
    paint[..., :3] = (0.05, 0.25, 0.5)
    paint[(rows % 0.25) < 0.03, :3] = (0.8, 0.8, 0.75)
    paint[..., :3] *= 0.9 + 0.1 * np.random.default_rng(0).random((512, 512, 1))
    image = bpy.data.images.new("Paint", 512, 512)
    image.pixels.foreach_set(paint.ravel())
    image.pack()
    material = bpy.data.materials.new("Paint")
    material.use_nodes = True
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    shader = next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    drum.data.materials.append(material)
drum.name = "Drum"
bpy.context.view_layer.objects.active = drum
drum.select_set(True)
settings = bpy.context.scene.syngen
settings.texture.size, settings.texture.variants = 256, 2
settings.render.width = settings.render.height = 96
settings.render.samples, settings.render.device = 4, "cpu"
settings.labels.min_pixels, settings.job.frames = 16, 3
window, area, region = view3d("WINDOW")
area.spaces.active.show_region_ui = True
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.view3d.view_selected()
bpy.ops.wm.save_as_mainfile(filepath=FILE)
"""

NODES = """{m.name: sorted([n.name, n.bl_idname] for n in m.node_tree.nodes) + sorted(
    [k.from_node.name, k.from_socket.name, k.to_node.name, k.to_socket.name] for k in m.node_tree.links)
    for m in bpy.data.materials if m.node_tree}"""
SESSION = "__import__('sys').modules['bl_ext.user_default.syngen.syngen_addon.blender.session']"
DRUM = "bpy.data.objects['Drum']"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", type=Path, help="the extension (default: dist/syngen-*-linux*.zip)")
    parser.add_argument(
        "--shots", type=Path, default=ROOT / "out" / "window", help="where screenshots go (default out/window)"
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
    home = Path(tempfile.mkdtemp(prefix="syngen-window-"))
    window = Window(arguments.blender, home, arguments.shots)
    try:
        walk(window, shutil.copy(archive, home), home)
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
    scene = home / "walk.blend"
    w.run(f"MODEL, FILE = {str(model)!r}, {str(scene)!r}\n{SCENE}")
    nodes = w.value(NODES)
    open_tab(w)
    generate(w)
    use_variant(w)
    set_level(w)
    preview(w)
    export(w, home)
    cancel_export(w, home)
    remove(w, nodes)
    quit_during_export(w, home)


def step(what: str, outcome: str = "") -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}{': ' + outcome if outcome else ''}", flush=True)


def check(fine: bool, what: str) -> None:
    if not fine:
        raise Failed(what)


def install(w: Window, archive: str) -> None:
    w.run(
        f"bpy.ops.extensions.package_install_files(filepath={archive!r}, repo='user_default', enable_on_install=True)"
    )
    check(w.value("'bl_ext.user_default.syngen' in bpy.context.preferences.addons"), "the extension is not enabled")
    step("Installed the zip")


def open_tab(w: Window) -> None:
    def there() -> bool:
        return w.value("view3d()[2].width > 1 and view3d()[2].active_panel_category != 'UNSUPPORTED'")

    w.wait(there, "the sidebar does not open", 30)
    _, top, right, _ = w.sidebar()
    for y in range(top + 20, top + 420, 20):
        w.move(right - 10, y)
        w.xdotool("click", 1)
        w.settle()
        if w.value("view3d()[2].active_panel_category") == "SynGen":
            w.shot("tab")
            return step("Opened the tab")
    raise Failed("clicking the tabs does not open SynGen")


def generate(w: Window) -> None:
    w.click("syngen.generate")
    check(w.value(f"{SESSION}.now.generation is not None") or variants(w) > 0, "Generate does not start")
    w.shot("generating")
    shade(w, "MATERIAL")  # the engine's shaders compile meanwhile
    w.wait(lambda: w.value(f"{SESSION}.now.generation is None"), "Generate does not end", 300)
    check(variants(w) == 2, f"there are {variants(w)} variants, not 2")
    shade(w, "SOLID")
    w.shot("gallery")
    step("Generated", "2 variants")


def shade(w: Window, kind: str) -> None:
    w.run(f"view3d()[1].spaces.active.shading.type = {kind!r}")
    w.settle()


def variants(w: Window) -> int:
    return int(w.value(f"len({SESSION}.gallery({DRUM}))"))


def use_variant(w: Window) -> None:
    w.click("syngen.apply_variant", columns=(0.25,))
    worn = w.value(f"{SESSION}.worn({DRUM})")
    check(bool(worn), "the click on a variant does not put it on")
    shade(w, "MATERIAL")
    w.wait(lambda: w.value("not bpy.app.is_job_running('SHADER_COMPILATION')"), "shaders do not compile", 300)
    w.settle()
    w.shot("variant")
    shade(w, "SOLID")
    step("Used a variant", worn)


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


def begin_export(w: Window, folder: Path, frames: int) -> None:
    w.run(f"bpy.context.scene.syngen.job.folder = {str(folder)!r}; bpy.context.scene.syngen.job.frames = {frames}")
    w.click("syngen.export_dataset")
    check(w.value(f"{SESSION}.now.exporting or bool({SESSION}.now.told)"), "the export does not start")


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


def alive(pid: int) -> bool:
    """Whether a process runs (one that ended and is not waited for does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


if __name__ == "__main__":
    sys.exit(main())
