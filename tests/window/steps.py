"""Steps that several parts of the walk take: the scene, the installed zip, the tab, a variant. Standard library."""

import time
from pathlib import Path

from driver import Failed, Window

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

SESSION = "__import__('sys').modules['bl_ext.user_default.syngen.syngen_addon.blender.session']"
DRUM = "bpy.data.objects['Drum']"
NODES = """{m.name: sorted([n.name, n.bl_idname] for n in m.node_tree.nodes) + sorted(
    [k.from_node.name, k.from_socket.name, k.to_node.name, k.to_socket.name] for k in m.node_tree.links)
    for m in bpy.data.materials if m.node_tree}"""


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
        return bool(w.value("view3d()[2].width > 1 and view3d()[2].active_panel_category != 'UNSUPPORTED'"))

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


def begin_export(w: Window, folder: Path, frames: int) -> None:
    w.run(f"bpy.context.scene.syngen.job.folder = {str(folder)!r}; bpy.context.scene.syngen.job.frames = {frames}")
    w.click("syngen.export_dataset")
    check(w.value(f"{SESSION}.now.exporting or bool({SESSION}.now.told)"), "the export does not start")


def alive(pid: int) -> bool:
    """Whether a process runs (one that ended and is not waited for does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
