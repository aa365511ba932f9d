"""The part of the walk that sees before it renders: labels in the view, the walk through frames, one finished frame.

The objects are worn by Python: how that goes in the window is the first part's walk. Imports the standard library.
"""

from pathlib import Path
from typing import Any

from driver import Window
from steps import DRUM, NODES, SCENE, SESSION, alive, check, install, open_tab, step

SETTINGS = "bpy.context.scene.syngen"
MODULES = "__import__('sys').modules"
OVERLAY = f"{MODULES}['bl_ext.user_default.syngen.syngen_addon.blender.label_overlay']"
RENDER_ONE = f"{MODULES}['bl_ext.user_default.syngen.syngen_addon.blender.render_one']"
YARD = f"""
drum = {DRUM}
s = {SETTINGS}
s.texture.size, s.texture.variants = 128, 1
bpy.ops.syngen.generate()
bpy.ops.syngen.apply_variant(variant={SESSION}.gallery(drum)[0].variant.name)
drum["syngen_level"] = 0.35
for number, (x, y, level) in enumerate(((0.75, 0.3, 0.7), (-0.7, 0.5, 0.12), (0.35, -0.75, 0.5))):
    twin = drum.copy()
    twin.name, twin.location = f"Drum.{{number + 1:03d}}", (x, y, 0.44)
    twin["syngen_level"] = level
    bpy.context.collection.objects.link(twin)
bpy.data.objects["Drum.001"]["syngen_class"] = "barrel"
bpy.ops.mesh.primitive_cube_add(size=0.5, location=(-0.25, -0.75, 0.25))
bpy.context.object.name = "Crate"
bpy.ops.object.select_all(action="DESELECT")
drum.select_set(True)
bpy.context.view_layer.objects.active = drum
s.render.width, s.render.height, s.render.samples = 640, 480, 8
s.labels.class_from = "object"
s.job.frames = 12
window, area, region = view3d("WINDOW")
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.view3d.view_all()
bpy.ops.ed.undo_push(message="Worn")
bpy.ops.wm.save_mainfile()
"""
PANEL = 4
"""The Scene's place among the tab's panels, counted from 0."""
HEADER = 28
STATE = """(lambda s: [sorted(o.name for o in bpy.data.objects), [round(v, 5) for o in s.objects for r in o.matrix_world
    for v in r], s.world and s.world.name, s.camera and s.camera.name, [s.render.resolution_x, s.render.resolution_y],
    [round(o.get('syngen_level', -1), 5) for o in s.objects], sorted(i.name for i in bpy.data.images)]
    )(bpy.context.scene)"""
LABELS = f"""[[e["name"], l.name, list(l.box), e["area"], e["wear_percent"], e["classes"]["wear"]]
    for view in {OVERLAY}._views.values() for l in view.labels for e in [l.entry]]"""


def walk(w: Window, archive: str, home: Path) -> None:
    """Every step, in the order a person takes them."""
    step("Blender, and the part that sees", w.run("print(bpy.app.version_string)", timeout=300))
    install(w, archive)
    w.run(f"MODEL, FILE = '', {str(home / 'see.blend')!r}\n{SCENE}{YARD}", timeout=300)
    nodes, before = w.value(NODES), w.value(STATE)
    open_tab(w)
    open_panel(w)
    overlay(w)
    walk_frames(w)
    render_one(w, home)
    end(w, nodes, before)


def open_panel(w: Window) -> None:
    """Open the Scene panel and close the others."""
    w.scroll_up()
    left, top, _, _ = w.sidebar()
    x, y = left + 90, top + 16
    w.click_at(x, y, "ctrl")
    w.click_at(x, y)
    w.click_at(x, y + HEADER * PANEL)
    w.places.clear()


def labels(w: Window) -> dict[str, Any]:
    """By the object's name what the view shows: class, box, pixels, per cent, wear class."""
    w.run("view3d('WINDOW')[2].tag_redraw()")
    w.settle()
    return {name: rest for name, *rest in w.value(LABELS)}


def overlay(w: Window) -> None:
    """Labels in the free view; they follow the view, the level and the switch of the view's overlays."""
    w.click("syngen.show_label_overlay", columns=(0.25,))
    check(w.value(f"{SESSION}.labels_shown()"), "the click on Labels shows none")
    found = labels(w)
    check(found.keys() == {"Drum", "Drum.001", "Drum.002", "Drum.003"}, f"the view labels {sorted(found)}")
    check([found[n][0] for n in sorted(found)] == ["Drum", "barrel", "Drum", "Drum"], f"the classes are {found}")
    shares = {name: each[3] for name, each in found.items()}
    check(shares["Drum.002"] < shares["Drum"] < shares["Drum.001"], f"worn are {shares}")
    w.shot("labels")
    for number, theme in enumerate(("light", "dark")):
        w.run(THEME.format(name="Blender_Light" if number == 0 else "Blender_Dark"))
        w.settle()
        w.shot(f"labels-{theme}")
    left, top, right, bottom = w.view()
    middle = (left + (right - left) // 3, (top + bottom) // 2)
    w.move(*middle)
    w.xdotool("click", "--repeat", 3, 4)  # nearer
    nearer = labels(w)
    check(nearer["Drum"][2] > found["Drum"][2], "the labels do not follow the view")
    w.run("import mathutils\nview3d()[1].spaces.active.region_3d.view_rotation @= mathutils.Quaternion((0, 1, 0), 0.5)")
    turned = labels(w)
    check(turned["Drum"][1] != nearer["Drum"][1], "the labels do not follow a turn of the view")
    w.shot("labels-turned")
    w.run(f"{DRUM}['syngen_level'] = 0.9; {DRUM}.update_tag(refresh={{'OBJECT'}})")
    worn = labels(w)
    check(worn["Drum"][3] > turned["Drum"][3] + 20, f"the level changes {turned['Drum']} to {worn['Drum']}")
    w.run("view3d()[1].spaces.active.overlay.show_overlays = False")
    w.settle()
    w.shot("overlays-off")
    w.run(f"view3d()[1].spaces.active.overlay.show_overlays = True; {DRUM}['syngen_level'] = 0.35")
    w.run("bpy.context.preferences.view.ui_scale = 2.0")
    w.settle()
    labels(w)
    w.shot("labels-2x")
    w.run("bpy.context.preferences.view.ui_scale = 1.0")
    w.settle()
    step("Labels in the view", f"{len(found)} objects")


THEME = """
import os
folder = bpy.utils.preset_paths('interface_theme')
file = next((os.path.join(f, n) for f in folder for n in os.listdir(f) if n == '{name}.xml'), None)
if file is None:
    bpy.ops.preferences.reset_default_theme()
else:
    bpy.ops.script.execute_preset(filepath=file, menu_idname='USERPREF_MT_interface_theme_presets')
"""


def walk_frames(w: Window) -> None:
    """Preview a frame, drag through the others, step; the labels go along; one undo step a drag."""
    w.click("syngen.preview_frame", columns=(0.25,))
    shown = f"{SESSION}.previewed(bpy.context.scene)"
    check(w.value(shown) == 0, f"Preview shows frame {w.value(shown)}")
    place = "[round(v, 5) for r in bpy.context.scene.camera.matrix_world for v in r]"
    first = w.value(place)
    w.wait(lambda: w.value("not bpy.app.is_job_running('SHADER_COMPILATION')"), "shaders do not compile", 300)
    found = labels(w)
    check(bool(found), "no label in the previewed frame")
    w.shot("frame")
    x, y = w.find("syngen.job.walk", columns=(0.3,))
    w.drag((x, y), (x + 90, y))
    frame, job = w.value(shown), w.value(f"{SETTINGS}.job.preview")
    check(frame == job and frame > 0, f"the drag leaves frame {frame} shown, {job} set")
    check(w.value(place) != first, "the camera does not follow the drag")
    labels(w)
    w.shot("walked")
    x, y = w.find("syngen.job.preview", columns=(0.3,))
    w.click_at(x + round(0.65 * (w.sidebar()[2] - w.sidebar()[0] - 24)), y)
    check(w.value(shown) == frame + 1, f"the next frame is {w.value(shown)}, not {frame + 1}")
    w.key("ctrl+z")
    check(w.value(shown) == frame, f"an undo leaves frame {w.value(shown)}, not {frame}")
    w.key("ctrl+z")
    check(w.value(shown) == 0 and w.value(place) == first, "one undo does not take the drag back")
    w.key("ctrl+shift+z")
    check(w.value(shown) == frame, "one redo does not bring it again")
    step("Walked through frames", f"0 to {frame}, undone and redone")


def render_one(w: Window, home: Path) -> None:
    """The labels of the view are those of the finished frame; it is shown in an image editor, and in no file."""
    seen = labels(w)
    frame = w.value(f"{SESSION}.previewed(bpy.context.scene)")
    w.click("syngen.render_one", columns=(0.75,))
    check(w.value(f"{SESSION}.now.one is not None or {SESSION}.rendered_one() is not None"), "nothing is rendered")
    w.settle()
    w.shot("rendering")
    w.wait(lambda: w.value(f"{SESSION}.now.one is None"), "the frame is not finished", 400)
    failed = w.value(f"{SESSION}.now.not_rendered")
    check(not failed, f"no frame: {failed}")
    w.settle()
    w.shot("rendered")
    file = w.value(f"str({RENDER_ONE}._shot.labels.parent)")
    record = w.value(
        f"json.load(open(next(p for p in __import__('pathlib').Path({file!r}).rglob('records/*/*.json'))))"
    )
    check(record["frame"] == frame, f"frame {record['frame']} was rendered, not {frame}")
    compare(seen, record)
    check(w.value(EDITORS) == [f"Frame {frame} with Labels"], f"image editors show {w.value(EDITORS)}")
    w.run("bpy.ops.syngen.show_frame(labels=False)")
    check(w.value(EDITORS) == [f"Frame {frame}"], "the switch does not show the plain picture")
    w.settle()
    w.shot("plain")
    w.run("bpy.ops.wm.save_mainfile()")
    check(w.value(EDITORS) == [f"Frame {frame}"], "saving takes the picture away")
    w.run(f"bpy.ops.wm.save_as_mainfile(filepath={str(home / 'copy.blend')!r}, copy=True)")
    there = w.run(f"with bpy.data.libraries.load({str(home / 'copy.blend')!r}) as (there, _): print(there.images)")
    check("Frame" not in there, f"the saved file holds {there}")
    w.run(CLOSE_OTHERS)
    w.settle()
    w.run(f"{SETTINGS}.render.samples = 4096")
    w.click("syngen.render_one", columns=(0.75,))
    left, _, right, _ = w.sidebar()
    w.places["syngen.cancel_one"] = left + round(0.91 * (right - left - 24)), w.places["syngen.render_one"][1]
    child = w.value(f"{SESSION}.now.one.child.pid")
    w.click("syngen.cancel_one", columns=(0.91,))
    w.wait(lambda: w.value(f"{SESSION}.now.one is None"), "the cancelled frame does not end", 120)
    check(not alive(child), "the cancelled Blender still runs")
    check(not w.value(f"{SESSION}.now.not_rendered"), "a cancelled frame is told as an error")
    w.run(f"{SETTINGS}.render.samples = 8")
    step("Rendered one frame and cancelled another", f"frame {frame}, {len(record['instances'])} objects")


EDITORS = """[a.spaces.active.image.name for x in bpy.context.window_manager.windows for a in x.screen.areas
    if a.type == 'IMAGE_EDITOR' and a.spaces.active.image]"""
CLOSE_OTHERS = """
for window in list(bpy.context.window_manager.windows)[1:]:
    with bpy.context.temp_override(window=window):
        bpy.ops.wm.window_close()
"""


def compare(seen: dict[str, Any], record: dict[str, Any]) -> None:
    """Boxes within a pixel, wear within three per cent, or three pixels of a sliver."""
    rendered = {entry["name"]: entry for entry in record["instances"]}
    check(seen.keys() == rendered.keys(), f"the view labels {sorted(seen)}, the frame {sorted(rendered)}")
    for name, (kind, box, area, percent, wear) in seen.items():
        entry = rendered[name]
        told = f"{name}: the view says {box}, {percent} %, the frame {entry['bbox']}, {entry['wear_percent']} %"
        check(all(abs(a - b) <= 1 for a, b in zip(box, entry["bbox"], strict=True)), told)
        check(abs(area - entry["area"]) <= 0.02 * entry["area"] + 20, told)
        check(abs(percent - entry["wear_percent"]) <= 3 + 300 / entry["area"], told)
        check(
            (kind, wear) == (entry["classes"]["object"], entry["classes"]["wear"]), f"{name}: {kind}, {wear}: {entry}"
        )


def end(w: Window, nodes: object, before: object) -> None:
    """All is as it was."""
    w.click("syngen.end_preview", columns=(0.75,))
    w.run(f"{RENDER_ONE}.forget()")
    after = w.value(STATE)
    check(after == before, f"the preview left the scene changed:\n{before}\n{after}")
    check(w.value(NODES) == nodes, "the preview left a node tree changed")
    w.click("syngen.show_label_overlay", columns=(0.25,))
    check(not w.value(f"{SESSION}.labels_shown()"), "the labels are still shown")
    w.settle()
    w.shot("ended")
    step("Ended: the scene is as it was")
