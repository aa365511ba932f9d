"""What the window shows and no .blend holds: running work, what was found on objects, pictures. Imports bpy.

This module comes in when the extension is switched on: what reads objects, galleries and prompts is imported when one
is asked for.
"""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING, Any

import bpy
from bpy.app.handlers import persistent

from ..errors import SynGenError
from ..recipe import Frozen
from . import marks, settings, task, worker
from .names import ABOUT, CLASS, LEAVE_OUT, PREVIEW, SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..formats.levels import Row
    from ..textures.prompt import Prompt
    from .background import Process
    from .gallery import Chooser
    from .generation import Generation
    from .layers import Layer
    from .levels_preview import LevelsPreview
    from .previews import Shown
    from .sweep import Sweep
    from .task import Task
    from .worker_setup import Status

POLL_S = 0.25


class LookSlot(Frozen):
    """One material slot that can be aged, as words."""

    material: str
    image: str
    size: str
    uv_layer: str


class Mend(Frozen):
    """What can be done about an error or a warning. what: as operators name it. slot: on which material slot."""

    what: str
    text: str
    icon: str
    slot: int


class Look(Frozen):
    """What was found on an object. error: why it cannot be aged, "" where it can. notes: what is no trouble but may
    surprise. mends: sentence of an error or a warning -> what can be done about it."""

    error: str = ""
    slots: tuple[LookSlot, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    mends: tuple[tuple[str, Mend], ...] = ()

    def mend(self, sentence: str) -> Mend | None:
        """What can be done about one of its sentences, if anything."""
        return dict(self.mends).get(sentence)


class Lack(Frozen):
    """What the chosen methods lack. message: "" for nothing. operator: the button that helps, "" where none does."""

    message: str = ""
    operator: str = ""
    text: str = ""
    icon: str = "NONE"


class Setup(Frozen):
    """What is there to work with. weights: of neural transfer. gallery: the folder of this file's variants."""

    status: Status
    weights: bool
    online: bool
    gallery: str


class Session:
    """The work of this Blender. told: how the last export ended, with its folder; sheet: its contact sheet, if any.

    generated: what the last Generate made; not_generated: why it made nothing, or not of all. sweep_sheet: picture of
    the last sweep over weights. levels: what the last preview of levels shows; levels_sheet: the same as a file.
    checked: what the last check of a dataset said, line by line; sound: whether nothing was wrong. not_previewed: why
    no other frame is shown. one: the frame that is rendered alone, and not_rendered why none was.
    """

    generation: Generation | None = None
    generated: str = ""
    not_generated: str = ""
    not_previewed: str = ""
    one: Process | None = None
    not_rendered: str = ""
    sweep: Sweep | None = None
    sweep_sheet: str = ""
    levels_work: LevelsPreview | None = None
    levels: tuple[Row, ...] = ()
    levels_sheet: str = ""
    export: Process | None = None
    told: str = ""
    failed: str = ""
    folder: str = ""
    sheet: str = ""
    checked: tuple[str, ...] = ()
    sound: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def exporting(self) -> bool:
        return self.export is not None

    @property
    def task(self) -> Task | None:
        """The set-up or download that runs or was the last to run."""
        return task.latest()


now = Session()
CAUSES, KIND_LABELS = settings.CAUSES, settings.KIND_LABELS
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Those of the preview of levels."""
_looks: dict[tuple[Any, ...], Look] = {}


# --- objects ---------------------------------------------------------------------------------------------------------


def look(obj: bpy.types.Object | None) -> Look:
    """What there is to age on the object; kept until the object, its mesh, materials or images change."""
    key = (
        (None,)
        if obj is None
        else (
            obj.session_uid,
            obj.name,
            obj.data.session_uid if obj.data else 0,
            obj.mode,
            tuple(s.material.session_uid if s.material else 0 for s in obj.material_slots),
        )
    )
    if key not in _looks:
        _looks[key] = _look(obj)
    return _looks[key]


def _look(obj: bpy.types.Object | None) -> Look:
    from . import mend, target

    def mends(*found: tuple[str, str, int]) -> tuple[tuple[str, Mend], ...]:
        return tuple((text, Mend(what, *mend.LABELS[what], slot)) for text, what, slot in found if what)

    try:
        found = target.find(obj)
    except SynGenError as error:
        return Look(error=str(error), mends=mends((str(error), error.mend, error.slot)))
    slots = tuple(
        LookSlot(s.material.name, s.image.name, "{} x {}".format(*s.image.size), s.uv_layer) for s in found.slots
    )
    return Look(slots=slots, warnings=found.warnings, notes=mend.notes(obj), mends=mends(*found.mends))


def chosen(context: bpy.types.Context) -> list[bpy.types.Object]:
    """What Generate and Remove work on: the active mesh object first, then the other selected ones by name."""
    found = {obj for obj in (context.object, *context.selected_objects) if obj is not None and obj.type == "MESH"}
    return sorted(found, key=lambda obj: (obj != context.object, obj.name))


def worn(obj: bpy.types.Object | None) -> str:
    """Name of the variant the object wears, "" where it wears none."""
    from . import target

    about = None if obj is None else target.wear_of(obj)
    return "" if about is None else str(about["variant"])


def wearing(objects: Iterable[bpy.types.Object]) -> Iterator[bool]:
    """Which of the objects wear a variant. A list asks it of the whole scene whenever it is drawn."""
    from .target import has_wear

    return (ABOUT in obj and has_wear(obj) for obj in objects)


def wear_left_behind(obj: bpy.types.Object | None) -> bool:
    """Whether a material of the object still has the wear of an object that is gone."""
    from . import material

    return obj is not None and obj.type == "MESH" and material.left_behind(obj)


def marks_of(obj: bpy.types.Object | None) -> list[tuple[str, bpy.types.Image]]:
    """The object's materials that have marks, by name, each with the picture of them."""
    return [(material.name, image) for material, image in marks.images_of(obj)]


def marks_shown() -> bool:
    """Whether the 3D views show marks."""
    return marks.shown()


def object_class(obj: bpy.types.Object) -> str:
    """The object's class in a dataset as far as the scene says it: the name the person gave, else the object's own."""
    from . import target

    return str(obj.get(CLASS, "")) or target.plain_name(obj)


BY = {"wear": "by wear", "kind": "by kind of wear", "collection": "by collection", "property": "by property"}


def class_exported(obj: bpy.types.Object, scene: bpy.types.Scene) -> str:
    """What an export calls the object, as far as it is known before: labels.class_from."""
    by = scene.syngen.labels.class_from
    return BY.get(by) or object_class(obj) + (" with its wear" if by == "object_wear" else "")


class Keypoints(Frozen):
    """The keypoints of an object, by name. target: the object's name, "" where there is none."""

    target: str
    names: list[str]


def keypoints(obj: bpy.types.Object | None) -> Keypoints:
    """The keypoints of a mesh object, or of that which an empty is parented to."""
    from . import keypoints

    target = keypoints.target_of(obj) if obj is not None and obj.type == "EMPTY" else obj
    if target is None or target.type != "MESH":
        return Keypoints("", [])
    return Keypoints(target.name, keypoints.names_of(target))


def is_keyed(obj: bpy.types.Object, kind: str = "") -> bool:
    """Whether keys or a driver give the object's level. kind: of which layer; "": of its own wear."""
    if obj.animation_data is None:
        return False
    from . import ageing_keys

    return ageing_keys.is_keyed(obj, kind)


def is_aged(obj: bpy.types.Object) -> bool:
    """Whether any of the object's levels is keyed."""
    return obj.animation_data is not None and any(is_keyed(obj, layer.key) for layer in layers(obj))


def layers(obj: bpy.types.Object | None) -> list[Layer]:
    """The kinds of wear on the object: its own first; none where it has no wear."""
    from .layers import layers_of

    return [] if obj is None else layers_of(obj)


def level(obj: bpy.types.Object | None, kind: str = "") -> float:
    """The object's wear level; 0 where it has none."""
    from .level import get_level

    return 0.0 if obj is None else get_level(obj, kind)


def kind_label(kind: str) -> str:
    """What a person reads for a kind of wear."""
    return settings.KIND_LABELS.get(kind, kind)


def slider(obj: bpy.types.Object, kind: str = "") -> str:
    """The property of `scene.syngen.rows` that shows a level in a list. kind "": of the object's own wear."""
    from . import rows

    return rows.slider(obj, kind)


def wear_class(obj: bpy.types.Object, layer: Layer) -> str:
    """What the layer is called at its level, "" while it is clean or where its kind is not known."""
    from ..kinds import KINDS
    from ..wear import levels
    from .level import get_level

    wear = bpy.context.scene.syngen.wear
    return levels.wear_class(get_level(obj, layer.key), KINDS[layer.kind], wear) if layer.kind in KINDS else ""


def causes_of(scene: bpy.types.Scene) -> dict[str, float]:
    """How much each cause counts for the chosen kind under the chosen preset, before the sliders."""
    from ..kinds import KINDS
    from ..presets import PRESETS

    kind, preset = KINDS[scene.syngen.wear.kind], PRESETS.get(scene.syngen.causes.preset, {})
    return {n: getattr(kind.onset, n) * preset.get(n, 1.0) for n in settings.CAUSES if hasattr(kind.onset, n)}


def wears(material: bpy.types.Material) -> bool:
    """Whether a material is not marked as one that does not wear."""
    return LEAVE_OUT not in material or not material[LEAVE_OUT]


def gallery(obj: bpy.types.Object) -> tuple[Shown, ...]:
    """The pictures of an object's gallery."""
    from . import previews

    return previews.gallery(obj)


def has_gallery(obj: bpy.types.Object | None) -> bool:
    """Whether there are variants of the object, or deleted ones."""
    if obj is None or obj.type != "MESH":
        return False
    if gallery(obj):
        return True
    held = _used("gallery")
    return held is not None and bool(held.thrown(obj))


def chooser(obj: bpy.types.Object) -> Chooser:
    """What the gallery's panel shows of the object."""
    from . import gallery

    return gallery.chooser(obj)


def thumbnail(layer: Layer) -> int:
    """The icon of the variant that a layer shows, 0 where its gallery is gone."""
    from . import previews

    return previews.thumbnail(layer.gallery, layer.variant)


def level_icon(row: Row, number: int) -> int:
    """The icon of one picture of the preview of levels."""
    from . import previews

    return previews.cell(f"{row.object}|{row.variant}|{number}", row.pictures[number])


def forget_looks() -> None:
    """Look at every object again."""
    _looks.clear()


def forget_pictures() -> None:
    """Look at every gallery again."""
    if (previews := _used("previews")) is not None:
        previews.forget()


def _used(name: str) -> Any:
    """A module of blender/ where it was used; one that was not has nothing to forget."""
    return sys.modules.get(f"{__package__}.{name}")


def _forget_rig() -> None:
    """What the preview of a frame has built may be gone."""
    if (preview_frame := _used("preview_frame")) is not None:
        preview_frame.forget()


def previewed(scene: bpy.types.Scene) -> int:
    """The frame that the scene's preview shows, -1 where there is none."""
    return int(scene[PREVIEW]["frame"]) if PREVIEW in scene else -1


def labels_shown() -> bool:
    """Whether the 3D views show labels."""
    overlay = _used("label_overlay")
    return overlay is not None and bool(overlay.is_on())


def no_labels(scene: bpy.types.Scene) -> str:
    """Why the views can show no labels, "" where they can. At once: a button asks."""
    if bpy.app.background:
        return "Without a window there is no view to show them in."
    # Not the scene's alone: what only instances show lies in none.
    if scene.syngen.targets.objects.strip() or any(ABOUT in obj for obj in bpy.data.objects):
        return ""
    return "No object has wear yet: press Generate and use a variant, or name targets under Dataset > Targets."


def rendered_one() -> tuple[int, bool] | None:
    """(the frame that Render One has made, whether it is shown with its labels), None where there is none."""
    render_one = _used("render_one")
    return None if render_one is None else render_one.latest()


def is_rendered_one(image: bpy.types.Image) -> bool:
    """Whether an image is the frame that Render One has made."""
    return str(image.get(SHOWN, "")).startswith("Frame ")


# --- methods that need the worker -------------------------------------------------------------------------------------


def lack(scene: bpy.types.Scene) -> Lack:
    """Why the scene's methods cannot run yet. At once, and without a look into what they would load."""
    chosen = scene.syngen
    if chosen.texture.method == "exemplar" and not chosen.texture.exemplar.strip():
        return Lack("No photo of wear is chosen yet.")
    if not _asks_the_worker(scene):
        return Lack()
    try:
        worker.check_python()
    except SynGenError as error:
        return Lack(error.message, "syngen.set_up", "Set Up...", "TOOL_SETTINGS")
    try:
        recipe = settings.recipe_of(scene)
        worker.check(recipe)
    except SynGenError as error:
        if chosen.transfer.method in ("gatys", "adain") and not has_weights():
            return Lack(error.message, "syngen.get_weights", "Get Weights", "IMPORT")
        return Lack(str(error))
    return Lack()


def cannot_generate(scene: bpy.types.Scene) -> str:
    """Why the scene's methods make no variants now, "" where they do."""
    if not _asks_the_worker(scene):
        return lack(scene).message
    return lack(scene).message or ("" if now.generation is not None else busy())


def _asks_the_worker(scene: bpy.types.Scene) -> bool:
    return bool(scene.syngen.texture.method == "diffusion" or scene.syngen.transfer.method != "patch")


def setup() -> Setup:
    """What is there to work with, at once; an interpreter not looked into yet is looked into meanwhile."""
    from . import worker_setup
    from .preferences import gallery_folder

    return Setup(worker_setup.status(), has_weights(), worker.online(), str(gallery_folder()))


def has_weights() -> bool:
    """Whether Get Weights has fetched the weights of neural transfer."""
    from ..worker.weights import weights_in

    return weights_in(worker.home()) is not None


def busy() -> str:
    """Why the worker has no time now, "" where it has."""
    if now.generation is not None:
        return "Variants are being made: wait for them."
    return "Weights are being compared: wait for that." if now.sweep is not None else task.busy()


def prompt_names() -> list[str]:
    """The kept prompts; none where their file is damaged."""
    from . import prompts

    try:
        return list(prompts.kept())
    except SynGenError:
        return []


def prompt_in_use(scene: bpy.types.Scene) -> str:
    """Name of the kept prompt that the settings hold, "" where they hold another."""
    from . import prompts

    try:
        return prompts.in_use(scene)
    except SynGenError:
        return ""


def automatic_prompt(scene: bpy.types.Scene) -> Prompt:
    """What empty prompts stand for."""
    from . import prompts

    return prompts.automatic(scene)


def live_icon(picture: Path | None) -> int:
    """The icon of the picture that is being made, 0 where there is none yet."""
    from . import previews

    return previews.live(picture)


def forget_live() -> None:
    """Keep no picture of work that is over."""
    if (previews := _used("previews")) is not None:
        previews.forget_live()


# --- views -----------------------------------------------------------------------------------------------------------


def redraw(views: bool = True) -> None:
    """Draw the sidebars of the 3D views again, with the views themselves or without (which costs a tenth)."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI" or (views and region.type == "WINDOW"):
                        region.tag_redraw()


_views: dict[int, dict[str, Any]] = {}
"""How each 3D view looked at the scene before the preview."""
_LOOK = ("view_location", "view_rotation", "view_distance")
_SHADING = ("use_scene_world", "use_scene_lights", "use_scene_world_render", "use_scene_lights_render")
"""What lets Material Preview and Rendered show the scene's own world and lights, which are the frame's."""


def look_through_camera(context: bpy.types.Context) -> None:
    """Turn the 3D views of the window to the camera, in the scene's own world and light."""
    for space in _spaces(context.window.screen if context.window else None):
        view, before = space.region_3d, _views.setdefault(space.as_pointer(), {})
        if view is not None and view.view_perspective != "CAMERA":
            before["perspective"] = view.view_perspective
            before.update({n: _copied(getattr(view, n)) for n in _LOOK})
            view.view_perspective = "CAMERA"
        for name in _SHADING:
            if not getattr(space.shading, name):
                before[name] = False
                setattr(space.shading, name, True)


def look_as_before() -> None:
    """Turn them back."""
    for window in bpy.context.window_manager.windows:
        for space in _spaces(window.screen):
            before, view = _views.get(space.as_pointer(), {}), space.region_3d
            if "perspective" in before and view is not None and view.view_perspective == "CAMERA":
                view.view_perspective = before["perspective"]
                for name in _LOOK:
                    setattr(view, name, before[name])
            for name in _SHADING:
                if name in before:
                    setattr(space.shading, name, before[name])
    _views.clear()


def _copied(value: Any) -> Any:
    return value.copy() if hasattr(value, "copy") else value


def _spaces(screen: bpy.types.Screen | None) -> list[bpy.types.SpaceView3D]:
    return [area.spaces.active for area in screen.areas if area.type == "VIEW_3D"] if screen is not None else []


# --- running work ----------------------------------------------------------------------------------------------------


def watch_export(process: Process) -> None:
    """Follow an export until it ends. A timer and no modal operator: that would hold up autosave for hours."""
    now.export, now.folder, now.told, now.failed, now.warnings = process, str(process.out), "", "", ()
    now.sheet, now.checked = "", ()
    _ask_before_closing()
    bpy.app.timers.register(_poll_export, first_interval=POLL_S, persistent=True)


def _ask_before_closing() -> None:
    """Blender lets no add-on ask whether to close, but asks itself while the file has unsaved changes: so it has some
    while an export runs, also after it was saved. Only a step of the undo history makes them."""
    windows = bpy.context.window_manager.windows
    if windows and not bpy.app.background and not bpy.data.is_dirty:
        with bpy.context.temp_override(window=windows[0]):  # a timer has none
            bpy.ops.ed.undo_push(message="Export Runs")


def _poll_export() -> float | None:
    process = now.export
    if process is None:
        return None
    runs = process.poll()
    redraw(views=False)
    if runs:
        _ask_before_closing()
        return POLL_S
    now.export = None
    now.warnings = tuple(process.warnings)
    if process.cancelled:
        now.told = f"Stopped with {process.done} of {process.total} frames." if process.total else "Stopped."
    elif process.error:
        now.failed = process.error
    else:
        done = f"Done: {process.done} of {process.total} frames are finished."
        now.sheet = process.sheet
        now.told = done if process.total else "Every frame of this dataset was finished already."
    return None


def stop_everything() -> None:
    """End what runs, at once: Blender or the open file goes away. A job can be taken up again where it was."""
    if now.generation is not None:
        now.generation.cancel()
        now.generation.join()
        now.generation = None
    now.generated = now.not_generated = ""
    if now.sweep is not None:
        now.sweep.cancel()
        now.sweep.join()
        now.sweep = None
    now.sweep_sheet = ""
    if now.levels_work is not None:
        now.levels_work.cancel()
        now.levels_work.join()
        now.levels_work = None
    now.levels, now.levels_sheet = (), ""
    forget_live()
    if now.one is not None:
        now.one.kill()
        now.one = None
    now.not_rendered = now.not_previewed = ""
    if now.export is not None:
        now.export.kill()
        now.told = "The export was ended with the file it belongs to; it can be continued."
        now.export = None


# --- registration ----------------------------------------------------------------------------------------------------


@persistent
def _before_load(*_: Any) -> None:
    stop_everything()
    forget_looks()
    forget_pictures()
    _forget_rig()
    if (rows := _used("rows")) is not None:
        rows.forget()


_gallery_before: Path | None = None
"""Where the file's variants lay before it was saved."""


@persistent
def _before_save(*_: Any) -> None:
    from .preferences import gallery_folder

    global _gallery_before
    _gallery_before = gallery_folder()


@persistent
def _after_save(*_: Any) -> None:
    from .preferences import gallery_folder

    if _gallery_before is None or _gallery_before == gallery_folder() or not _gallery_before.is_dir():
        return
    from . import gallery as held

    try:
        held.follow(_gallery_before)
    except SynGenError as error:  # they stay where they are, and are found there
        print(f"SynGen: {error}")


@persistent
def _after_history(*_: Any) -> None:
    _looks.clear()
    _forget_rig()
    if (held := _used("gallery")) is not None:
        held.bring_back_worn()


@persistent
def _after_update(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    # A change of level updates objects only and must stay cheap: it forgets nothing.
    if _looks and any(depsgraph.id_type_updated(kind) for kind in ("MATERIAL", "NODETREE", "MESH", "IMAGE")):
        _looks.clear()


_HANDLERS = (
    ("load_pre", _before_load),
    ("save_pre", _before_save),
    ("save_post", _after_save),
    ("undo_post", _after_history),
    ("redo_post", _after_history),
    ("depsgraph_update_post", _after_update),
)


def register() -> None:
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)
    atexit.register(stop_everything)


def unregister() -> None:
    stop_everything()
    atexit.unregister(stop_everything)
    if bpy.app.timers.is_registered(_poll_export):
        bpy.app.timers.unregister(_poll_export)
    for name, handler in reversed(_HANDLERS):
        getattr(bpy.app.handlers, name).remove(handler)
    if (previews := _used("previews")) is not None:
        previews.give_back()
    if (overlay := _used("label_overlay")) is not None:
        overlay.switch(False)
    if (render_one := _used("render_one")) is not None:
        render_one.forget()
    if (in_editor := _used("in_editor")) is not None:
        in_editor.forget()
    _forget_rig()
    _looks.clear()
