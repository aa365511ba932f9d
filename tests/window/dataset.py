"""The part of the walk through what a dataset is made of: every part of what is drawn, formats, keypoints, the card.

The object is worn by Python: how that goes in the window is the first part's walk. Imports the standard library.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from driver import Window
from steps import DRUM, NODES, SCENE, SESSION, begin_export, check, install, open_tab, shade, step

SETTINGS = "bpy.context.scene.syngen"
WORN = f"""
import os
from mathutils import Matrix
bpy.data.images["Paint"].scale(128, 128)
bpy.data.images["Paint"].pack()
drum = {DRUM}
empty = bpy.data.objects.new("Tap", None)
empty.parent, empty.location = drum, (0, 0, 0.44)
clutter = bpy.data.collections.new("Clutter")
for new in (empty,):
    bpy.context.collection.objects.link(new)
bpy.context.scene.collection.children.link(clutter)
mesh = bpy.data.meshes.new("Brick")
mesh.from_pydata([(x, y, z) for x in (0, 1) for y in (0, 2) for z in (0, 1)], [],
                 [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
brick = bpy.data.objects.new("Brick", mesh)
clutter.objects.link(brick)
brick.location = 3, 3, 0
s = {SETTINGS}
s.texture.size, s.texture.variants = 128, 1
bpy.ops.syngen.generate()
bpy.ops.syngen.apply_variant(variant={SESSION}.gallery(drum)[0].variant.name)
bpy.ops.ed.undo_push(message="Worn")
bpy.ops.wm.save_mainfile()
"""
STATE = """(lambda s: [sorted(o.name for o in bpy.data.objects), [round(v, 5) for o in s.objects for r in o.matrix_world
    for v in r], s.world and s.world.name, s.camera and s.camera.name, [s.render.resolution_x, s.render.resolution_y],
    sorted(bpy.data.objects['Drum'].keys())])(bpy.context.scene)"""
SCENE_PANEL, DATASET_PANEL = 4, 5
"""Places among the tab's panels, counted from 0."""
HEADER = 28
"""From one closed panel's header to the next, in pixels."""
PART = 21
"""The same of the parts below a panel."""
FORMATS = {  # name -> row and column in the panel
    "coco_keypoints": (0, 1),
    "coco_panoptic": (0, 2),
    "yolo_segment": (1, 1),
    "yolo_obb": (1, 2),
    "yolo_pose": (2, 0),
    "voc": (3, 0),
    "bop": (3, 1),
    "csv": (3, 2),
    "masks": (4, 0),
    "depth": (4, 1),
    "normals": (4, 2),
}
WRITTEN = (
    "annotations/instances_train.json",
    "annotations/keypoints_train.json",
    "annotations/panoptic_train.json",
    "data.yaml",
    "yolo-segment/data.yaml",
    "yolo-obb/data.yaml",
    "yolo-pose/data.yaml",
    "README.md",
    "card.html",
)


def walk(w: Window, archive: str, home: Path) -> None:
    """Every step, in the order a person takes them."""
    step("Blender, and the dataset's part", w.run("print(bpy.app.version_string)", timeout=300))
    install(w, archive)
    w.run(f"MODEL, FILE = '', {str(home / 'dataset.blend')!r}\n{SCENE}{WORN}", timeout=300)
    nodes, before = w.value(NODES), w.value(STATE)
    open_tab(w)
    variation(w)
    preview(w, nodes, before)
    keypoint(w)
    formats(w)
    labels(w)
    export(w, home)
    card_and_check(w, home)


def read(w: Window, path: str) -> Any:
    """A setting's value, JSON-ready."""
    return w.value(f"(lambda v: sorted(v) if isinstance(v, set) else list(v) if hasattr(v, '__len__') and "
                   f"not isinstance(v, str) else v)({SETTINGS}.{path})")  # fmt: skip


def only(w: Window, number: int) -> int:
    """Open one panel of the tab and close the others; y of its header."""
    w.scroll_up()
    left, top, _, _ = w.sidebar()
    x, y = left + 90, top + 16
    w.click_at(x, y, "ctrl")
    w.click_at(x, y)
    w.click_at(x, y + HEADER * number)
    w.places.clear()
    return y + HEADER * number


def header(w: Window, section: str) -> tuple[int, int]:
    """The switch in the header of a part of what is drawn."""
    left, _, right, _ = w.sidebar()
    return w.find(f"syngen.{section}.randomize", columns=(50 / (right - left - 24),))


def opened(w: Window, section: str) -> int:
    """Switch a part of what is drawn on and open it; y of its header."""
    x, y = header(w, section)
    if not read(w, f"{section}.randomize"):
        w.click_at(x, y)
        check(read(w, f"{section}.randomize"), f"the switch of {section} does not switch it on")
    w.click_at(x + 50, y)
    return y


def closed(w: Window, section: str) -> None:
    x, y = header(w, section)
    w.click_at(x + 50, y)


def dragged(w: Window, path: str, below: int) -> None:
    """Drag a number to the right: it grows."""
    before = read(w, path)
    x, y = w.find(f"syngen.{path}", columns=(0.85,), below=below)
    w.drag((x, y), (x + 40, y))
    after = read(w, path)
    check(after != before, f"dragging {path} leaves it at {before}")


def switched(w: Window, path: str, below: int, column: float = 0.6) -> None:
    before = read(w, path)
    w.click(f"syngen.{path}", columns=(column,), below=below)
    check(read(w, path) is not before, f"clicking {path} leaves it {before}")


def variation(w: Window) -> None:
    only(w, SCENE_PANEL)
    w.shot("scene")
    below = opened(w, "camera")
    for letter, path in (("o", "orbit"), ("h", "handheld"), ("a", "shell")):
        w.choose("syngen.camera.path", letter, below)
        check(read(w, "camera.path") == path, f"the menu of paths chose {read(w, 'camera.path')!r}, not {path}")
        w.shot(f"camera-{path}")
    switched(w, "camera.dof", below)
    closed(w, "camera")
    for section, numbers, switches in (
        ("light", ("lamp_kelvin", "sky"), ()),
        ("background", (), ()),
        ("ground", ("size",), ()),
        ("distractors", ("count", "occluders"), ()),
        ("pose", ("shift_m",), ("drop",)),
        ("tint", ("hue_deg",), ()),
        ("sensor", ("vignette", "noise"), ()),
    ):
        below = opened(w, section)
        for name in numbers:
            dragged(w, f"{section}.{name}", below)
        for name in switches:
            switched(w, f"{section}.{name}", below)
        w.shot(f"part-{section}")
        closed(w, section)
    step("Opened every part of what is drawn and set a value in each")


def preview(w: Window, nodes: object, before: object) -> None:
    """A frame with a ground, with things about and an object that fell; then the scene as it was."""
    w.run(f"s = {SETTINGS}; s.distractors.collection = 'Clutter'; s.distractors.count = (3, 3)"
          "; s.distractors.occluders = (0, 0); s.ground.size = 20")  # fmt: skip
    w.click("syngen.preview_frame", columns=(0.25,))
    check(w.value(f"{SESSION}.previewed(bpy.context.scene)") >= 0, f"Preview shows no frame: {w.run('pass')}")
    names = w.value(STATE)[0]
    check(len(names) > len(before[0]) + 3, f"the preview shows no ground or nothing about it: {names}")
    shade(w, "MATERIAL")
    w.wait(lambda: w.value("not bpy.app.is_job_running('SHADER_COMPILATION')"), "shaders do not compile", 300)
    w.settle()
    w.shot("preview")
    shade(w, "SOLID")
    w.click("syngen.end_preview", columns=(0.75,))
    after = w.value(STATE)
    check(after == before, f"the preview left the scene changed:\n{before}\n{after}")
    check(w.value(NODES) == nodes, "the preview left a node tree changed")
    step("Previewed a frame with ground, things and a fall; ended it", f"{len(names)} objects in it")


def part(w: Window, number: int) -> int:
    """Open a part of the Dataset panel, or close it: the headers lie below the panel's last button. y of the header."""
    x, y = w.find("syngen.copy_batch_command")
    y += 28 + PART * number
    w.click_at(x, y)
    return y


def keypoint(w: Window) -> None:
    only(w, DATASET_PANEL)
    w.run("bpy.ops.object.select_all(action='DESELECT'); o = bpy.data.objects['Tap']; o.select_set(True)"
          "; bpy.context.view_layer.objects.active = o; bpy.ops.ed.undo_push(message='Select')")  # fmt: skip
    below = part(w, 5)
    w.click("syngen.mark_keypoint", columns=(0.4,), below=below)
    w.shot("mark-keypoint")
    w.xdotool("key", "Return")
    w.settle()
    names = f"{SESSION}.keypoints({DRUM}).names"
    check(w.value(names) == ["Tap"], f"the dialog marks {w.value(names)}")
    w.shot("keypoints")
    w.key("ctrl+z")
    check(w.value(names) == [], "one undo does not take the keypoint back")
    w.key("ctrl+shift+z")
    check(w.value(names) == ["Tap"], "one redo does not bring it again")
    part(w, 5)
    step("Marked a keypoint, undone, redone")


def formats(w: Window) -> None:
    """Every format by its toggle."""
    before = set(read(w, "export.formats"))
    x, y = w.find("syngen.export.formats", columns=(0.3,))
    left, _, right, _ = w.sidebar()
    width, row = right - left - 24, 20
    while "syngen.export.formats" in w.over(x, y - 3):
        y -= 3  # the upper edge
    for name, (down, column) in FORMATS.items():
        w.click_at(left + int(width * (0.3 + 0.27 * column)), y + 10 + row * down)
        chosen = set(read(w, "export.formats"))
        check(chosen == before | {name}, f"the toggle of {name} took the formats from {before} to {chosen}")
        before = chosen
    w.shot("formats")
    step("Chose formats", ", ".join(sorted(before)))


def labels(w: Window) -> None:
    below = part(w, 1)
    for name in ("depth", "normals", "polygons"):
        if not read(w, f"labels.{name}"):
            switched(w, f"labels.{name}", below)
    w.shot("labels")
    part(w, 1)
    for number, name in ((0, "targets"), (2, "render"), (3, "split"), (4, "card")):
        part(w, number)
        w.shot(f"part-{name}")
        part(w, number)
    step("Opened every part of the dataset; depth and normals on")


def export(w: Window, home: Path) -> None:
    w.run(f"{SETTINGS}.camera.dof = False")
    begin_export(w, home / "dataset", 4)
    w.wait(lambda: w.value(f"{SESSION}.now.export is None"), "the export does not end", 600)
    failed = w.value(f"{SESSION}.now.failed")
    check(not failed, f"the export failed: {failed}")
    missing = [name for name in WRITTEN if not (home / "dataset" / name).is_file()]
    check(not missing, f"the export left no {', '.join(missing)}")
    records = [json.loads(file.read_text()) for file in (home / "dataset" / "records").rglob("0*.json")]
    check(len(records) == 4, f"the export left {len(records)} records, not 4")
    w.settle()
    w.shot("exported")
    step("Exported with every format", w.value(f"{SESSION}.now.told"))


def card_and_check(w: Window, home: Path) -> None:
    w.click("syngen.show_card", columns=(0.25,))
    w.settle()
    w.shot("card")
    w.key("Escape")  # where the machine has no browser, that is said
    w.click("syngen.check_dataset", columns=(0.75,))
    w.wait(lambda: w.value(f"len({SESSION}.now.checked) > 0"), "the check says nothing", 300)
    w.settle()
    w.shot("checked")
    told = w.value(f"list({SESSION}.now.checked)")
    check(w.value(f"{SESSION}.now.sound"), f"the check of a new dataset says {told}")
    picture = next((home / "dataset" / "images").rglob("*.png"))
    shutil.copy(home / "listener.py", picture)
    w.click("syngen.check_dataset", columns=(0.75,))
    w.wait(lambda: w.value(f"len({SESSION}.now.checked) > 0 and not {SESSION}.now.sound"), "a fault is not found", 300)
    w.settle()
    w.shot("faults")
    step("Checked the dataset, sound and with a damaged picture", w.value(f"{SESSION}.now.checked[1]"))
