"""The extension's preferences, and where its files are kept. Imports bpy.

What they show of the worker is imported when they are drawn.
"""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import EnumProperty, StringProperty

if TYPE_CHECKING:
    from .task import Task

ROOT_PACKAGE = __package__.rsplit(".", 2)[0]
"""The extension's own name, such as bl_ext.user_default.syngen."""

NAMES = 0.4
"""Share of the width that names take, as Blender's own rows have it."""
ICONS = {"missing": "RADIOBUT_OFF", "looking": "SORTTIME", "broken": "ERROR", "ready": "CHECKMARK"}


class SYNGEN_AP_preferences(bpy.types.AddonPreferences):
    """What is the same for every scene."""

    bl_idname = ROOT_PACKAGE

    gallery: StringProperty(
        name="Gallery",
        subtype="DIR_PATH",
        description="Where variants of objects are kept; empty: in the folder syngen beside the .blend file",
    )
    interpreter: StringProperty(
        name="Interpreter",
        subtype="FILE_PATH",
        description="A Python of your own that has what is needed; empty: the environment that Set Up makes",
        update=lambda self, context: _interpreter_changed(),
    )
    installer: EnumProperty(
        name="Installer",
        description="What Set Up fetches the packages with",
        items=[
            ("AUTO", "Automatic", "uv, but pip where it is configured with an index of its own"),
            ("PIP", "pip", "pip as it is configured here: behind a mirror or on a closed machine"),
        ],
    )

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(self, "gallery", placeholder="The folder syngen beside the .blend")
        _beside(column, "").label(text=f"Variants of this file: {gallery_folder()}", icon="FILE_FOLDER")
        column.separator(type="LINE")
        _draw_worker(column, self, context)


def _draw_worker(layout: bpy.types.UILayout, preferences: SYNGEN_AP_preferences, context: bpy.types.Context) -> None:
    """Stable Diffusion and neural style transfer: how they stand, and what can be done about it."""
    from . import session, task, worker, worker_setup

    status, running = worker_setup.status(), task.running()
    layout.label(text="Stable Diffusion and Neural Style Transfer")
    if not worker.online():
        right = _beside(layout, "Network")
        _sentence(right, context, f"Set Up and Get Weights need it: {worker.SWITCH}.", "INTERNET_OFFLINE")
        if hasattr(bpy.types, "EXTENSIONS_OT_userpref_show_online"):
            right.row().operator("extensions.userpref_show_online", text="Open Network Settings")
        layout.separator(factor=0.5)
    right = _beside(layout, "Status")
    at_work = running is not None and running.kind == "set-up"
    right.label(text="Setting up" if at_work else status.title, icon=ICONS["looking" if at_work else status.state])
    for line in () if at_work else status.lines:
        _sentence(right, context, line)
    if running is not None and running.kind in ("set-up", "check", "remove"):
        _progress(right, running)
    else:
        row = right.row(align=True)
        if status.own:
            text = "Set Up..." if status.state == "missing" else "Set Up Again..."
            row.operator("syngen.set_up", text=text, icon="IMPORT")
        row.operator("syngen.check_worker", icon="VIEWZOOM")
        row.operator("syngen.remove_worker", icon="TRASH")
    # A check of what is broken says once more what stands above.
    _outcome(right, context, "set-up", "remove", *(() if status.state == "broken" else ("check",)))
    layout.prop(preferences, "interpreter", placeholder="The environment that Set Up makes")
    layout.prop(preferences, "installer")
    layout.separator(factor=0.5)

    right = _beside(layout, "Style Transfer")
    here = session.has_weights()
    right.label(
        text="VGG-19 and AdaIN weights" if here else "No weights yet", icon=ICONS["ready" if here else "missing"]
    )
    if running is not None and running.kind == "weights":
        _progress(right, running)
    elif not here:
        right.row().operator("syngen.get_weights", icon="IMPORT", text="Get Weights (88 MB, MIT license)")
    _outcome(right, context, "weights")
    layout.separator(factor=0.5)
    right = _beside(layout, "Bug Report")
    if running is not None and running.kind == "diagnose":
        _progress(right, running)
    else:
        right.row().operator("syngen.diagnose", icon="COPYDOWN")
    _outcome(right, context, "diagnose")


def _beside(layout: bpy.types.UILayout, name: str) -> bpy.types.UILayout:
    """A column where values stand, with a name where names do."""
    parts = layout.split(factor=NAMES)
    left = parts.row()
    left.alignment = "RIGHT"
    left.label(text=name)
    column = parts.column(align=False)
    column.use_property_split = False
    return column


def _sentence(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "BLANK1") -> None:
    """Text over as many lines as fit, under its icon."""
    width = context.region.width / context.preferences.system.ui_scale if context.region else 600
    # A path is broken after a slash.
    wrapped = textwrap.wrap(text.replace("/", "/ "), max(24, int((width * (1 - NAMES) - 60) / 5.9)))
    lines = [line.replace("/ ", "/") for line in wrapped]
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(lines):
        column.label(text=line, icon=icon if number == 0 else "BLANK1")


def _progress(layout: bpy.types.UILayout, task: "Task") -> None:
    row = layout.row(align=True)
    row.progress(factor=task.fraction, text="Stopping ..." if task.stopping else task.text, type="BAR")
    row.operator("syngen.cancel_task", text="", icon="X")


def _outcome(layout: bpy.types.UILayout, context: bpy.types.Context, *kinds: str) -> None:
    """How the last task of these kinds ended."""
    from . import task

    last = task.latest(*kinds)
    if last is None or not last.done:
        return
    if last.error is not None:
        _sentence(layout, context, str(last.error), "ERROR")
    elif last.cancelled:
        _sentence(layout, context, "Stopped. The next time goes on from there.", "INFO")
    elif last.told:
        _sentence(layout, context, last.told, "INFO")


def _interpreter_changed() -> None:
    from . import task, worker, worker_setup

    worker.close()
    worker_setup.forget()
    task.forget()


def gallery_folder() -> Path:
    """Where variants are kept: as the preferences say, else beside the .blend, else in the user's own folder."""
    addon = bpy.context.preferences.addons.get(ROOT_PACKAGE)
    chosen = addon.preferences.gallery if addon is not None and addon.preferences is not None else ""
    if chosen and (bpy.data.filepath or not chosen.startswith("//")):
        return Path(bpy.path.abspath(chosen))
    if bpy.data.filepath:
        return Path(bpy.path.abspath("//syngen"))
    return unsaved_folder()


def unsaved_folder() -> Path:
    """Where variants of a file are kept that is not saved yet."""
    try:
        return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path="gallery", create=True))
    except ValueError:  # a plain checkout is no extension and has no such folder
        return Path(bpy.app.tempdir) / "syngen"


def places_of(applied: Any, library: bpy.types.Library | None = None) -> list[Path]:
    """Where the gallery of something applied may lie: beside the .blend first, for a project that moved as a whole;
    else where it was, for a .blend saved elsewhere; else in the gallery of this file. library: of the object."""
    stored = applied["gallery"]
    at_first = Path(bpy.path.abspath(stored, library=library))
    return [at_first, Path(applied.get("gallery_absolute", "")), gallery_folder() / at_first.name]


CLASSES: tuple[type, ...] = (SYNGEN_AP_preferences,)
