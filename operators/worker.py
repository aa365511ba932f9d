"""Operators that set up the worker and fetch what it needs: its environment, weights, models. Also that describe it.

Long work goes on in a task, whichever window is open. Blender's side of the worker is imported when it is first used.
"""

import textwrap
from typing import TYPE_CHECKING

import bpy
from bpy.props import EnumProperty, StringProperty

from ..syngen_addon.blender import session, task, worker
from ..syngen_addon.errors import Cancelled, SynGenError
from .common import reported

if TYPE_CHECKING:
    from ..syngen_addon.blender.task import Task
    from ..syngen_addon.blender.worker_setup import Model

DIALOG = 420
"""Width of the dialogs, in pixels before scaling."""


def _lines(layout: bpy.types.UILayout, text: str, icon: str = "") -> None:
    """Text over as many lines as a dialog takes, beside its icon."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(text, (DIALOG - (40 if icon else 16)) // 6)):
        column.label(text=line, icon=(icon if number == 0 else "BLANK1") if icon else "NONE")


def _row(layout: bpy.types.UILayout, name: str, value: str) -> None:
    """A name and its value, as settings stand in a dialog."""
    parts = layout.split(factor=0.4)
    left = parts.row()
    left.alignment = "RIGHT"
    left.label(text=name)
    parts.label(text=value)


class _Begins:
    """A mix-in for operators that begin a task: greyed out with the reason while the worker has no time."""

    online = ""
    """What of it needs the network, "" where nothing does."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        try:
            if session.busy():
                raise SynGenError(session.busy())
            if cls.online:
                worker.check_online(cls.online)
            cls.needs()
        except SynGenError as error:
            cls.poll_message_set(str(error))  # type: ignore[attr-defined]
            return False
        return True

    @classmethod
    def needs(cls) -> None:
        """Raises SynGenError where something else is not there."""

    def begin(self, made: "Task") -> set[str]:
        """Start the task, or do it at once where there is no window."""
        if bpy.app.background:
            try:
                told = made.run()
            except Cancelled:
                return {"CANCELLED"}
            if told:
                self.report({"INFO"}, told)  # type: ignore[attr-defined]
        else:
            task.begin(made)
            task.redraw()
        return {"FINISHED"}


class SYNGEN_OT_set_up(_Begins, bpy.types.Operator):
    """Make the Python environment that Stable Diffusion and neural style transfer run in"""

    bl_idname = "syngen.set_up"
    bl_label = "Set Up"
    bl_options = {"REGISTER"}
    online = "Set Up"

    build: EnumProperty(
        name="Build",
        options={"SKIP_SAVE"},
        items=[
            ("AUTO", "Automatic", "For what is in this machine"),
            ("CUDA", "NVIDIA (CUDA)", "For NVIDIA's graphics cards"),
            ("ROCM", "AMD (ROCm)", "For AMD's graphics cards, on Linux"),
            ("APPLE", "Apple Silicon", "For Apple's own processors"),
            ("CPU", "Processor Only", "Runs everywhere, and slowly: minutes a picture"),
        ],
    )

    @reported
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        try:
            self._make_plan(context)
        except SynGenError as error:
            if context.area is None or context.area.type != "PREFERENCES":
                raise
            task.fail("set-up", error)  # a report would be cut off by the width of that window
            task.redraw()
            return {"CANCELLED"}
        self.build = self.plan.build.upper()
        self.planned, self.refused = self.build, ""
        return context.window_manager.invoke_props_dialog(
            self, width=DIALOG, title="Set Up the Worker", confirm_text="Set Up"
        )

    def _make_plan(self, context: bpy.types.Context) -> None:
        """It takes a second. Raises SynGenError."""
        from ..syngen_addon.blender import worker_setup

        if context.window is not None:
            context.window.cursor_set("WAIT")
        try:
            self.plan = worker_setup.plan(None if self.build == "AUTO" else self.build.lower())
        finally:
            if context.window is not None:
                context.window.cursor_set("DEFAULT")

    def check(self, context: bpy.types.Context) -> bool:
        if self.planned != self.build:
            self.planned, self.refused = self.build, ""
            try:
                self._make_plan(context)
            except SynGenError as error:
                self.refused = str(error)
        return True

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        _lines(
            layout,
            "Stable Diffusion and neural style transfer run in a Python environment of their own, beside Blender. "
            "It can be removed again at any time.",
        )
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.enabled = self.plan.installer != "pip"  # which takes the build it finds
        column.prop(self, "build")
        if self.refused:
            _lines(layout, self.refused, "ERROR")
            return
        for line, icon in zip(self.plan.lines, ("PACKAGE", "MEMORY", "IMPORT", "DISK_DRIVE"), strict=False):
            _lines(layout, line, icon)

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import worker_setup

        if bpy.app.background:
            self._make_plan(context)
        elif self.refused:
            raise SynGenError(self.refused)
        return self.begin(worker_setup.set_up(self.plan))


class SYNGEN_OT_remove_worker(_Begins, bpy.types.Operator):
    """Remove the environment of Stable Diffusion and neural style transfer, and the style transfer's weights"""

    bl_idname = "syngen.remove_worker"
    bl_label = "Remove"
    bl_options = {"REGISTER"}

    @classmethod
    def needs(cls) -> None:
        if not worker.something_to_remove():
            raise SynGenError("There is nothing to remove.")
        if session.now.exporting:
            raise SynGenError("An export is running: it may need the environment.")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Remove the Environment?",
            message="Set Up makes it again, with another download. Models of the hub stay.",
            confirm_text="Remove",
        )

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import worker_setup

        return self.begin(worker_setup.remove())


class SYNGEN_OT_check_worker(_Begins, bpy.types.Operator):
    """Start the interpreter, see whether it has everything, and which device it finds"""

    bl_idname = "syngen.check_worker"
    bl_label = "Check"
    bl_options = {"REGISTER"}

    @classmethod
    def needs(cls) -> None:
        worker.check_python()

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import worker_setup

        return self.begin(worker_setup.check())


class SYNGEN_OT_get_weights(_Begins, bpy.types.Operator):
    """Download the weights of neural style transfer: VGG-19 and AdaIN's decoder, 88 MB, MIT license"""

    bl_idname = "syngen.get_weights"
    bl_label = "Get Weights"
    bl_options = {"REGISTER"}
    online = "Get Weights"

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import worker_setup

        return self.begin(worker_setup.get_weights())


class SYNGEN_OT_diagnose(_Begins, bpy.types.Operator):
    """Gather what a bug report needs and copy it. It names neither you nor your folders"""

    bl_idname = "syngen.diagnose"
    bl_label = "Diagnose"
    bl_options = {"REGISTER"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import worker_setup

        made = worker_setup.diagnose()
        if bpy.app.background:
            return self.begin(made)
        task.begin(made, _copy)
        task.redraw()
        return {"FINISHED"}


def _copy(ended: "Task") -> None:
    if ended.told:
        bpy.context.window_manager.clipboard = ended.told
        ended.told = "Copied: paste it into your report."


class SYNGEN_OT_cancel_task(bpy.types.Operator):
    """Stop it. What was downloaded is kept: the next time goes on from there"""

    bl_idname = "syngen.cancel_task"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        running = task.running()
        if running is None or running.stopping:
            cls.poll_message_set("Nothing is running." if running is None else "It is stopping.")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        task.running().cancel()
        task.redraw()
        return {"FINISHED"}


# --- models ----------------------------------------------------------------------------------------------------------

_resolved: list["Model"] = []
"""What the dialog of a download shows."""


class SYNGEN_OT_get_model(_Begins, bpy.types.Operator):
    """Download this model, after showing its size and license"""

    bl_idname = "syngen.get_model"
    bl_label = "Get Model"
    bl_options = {"REGISTER"}
    online = "Getting a model"

    model: StringProperty(name="Model", options={"SKIP_SAVE"})
    role: EnumProperty(
        name="Role",
        options={"SKIP_SAVE"},
        items=[(r, r.capitalize(), "") for r in ("pipeline", "control", "lora", "adapter", "vgg", "decoder")],
    )

    @classmethod
    def needs(cls) -> None:
        worker.check_python()

    @reported
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        from ..syngen_addon.blender import worker_setup

        if bpy.app.background:
            return self.execute(context)
        self._check()
        _resolved.clear()
        window = context.window
        task.begin(worker_setup.resolve(self.model, self.role, _resolved.append), lambda ended: _ask(window))
        task.redraw()
        return {"FINISHED"}

    def _check(self) -> None:
        if not self.model:
            raise SynGenError("No model is named.", "Type its name, such as owner/name.")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import worker_setup

        self._check()
        return self.begin(worker_setup.download(self.model, self.role))


def _ask(window: bpy.types.Window) -> None:
    """Show what was found of the model, in the window it was asked for in, or in another where that is gone."""
    windows = list(bpy.context.window_manager.windows)
    if _resolved and windows:
        with bpy.context.temp_override(window=window if window in windows else windows[0]):
            bpy.ops.syngen.download_model("INVOKE_DEFAULT")


class SYNGEN_OT_download_model(_Begins, bpy.types.Operator):
    """Download the model"""

    bl_idname = "syngen.download_model"
    bl_label = "Download Model"
    bl_options = {"INTERNAL"}
    online = "Getting a model"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        (self.found,) = _resolved
        if self.found.here:
            return context.window_manager.invoke_popup(self, width=DIALOG)
        return context.window_manager.invoke_props_dialog(
            self, width=DIALOG, title="Download This Model?", confirm_text="Download"
        )

    def draw(self, context: bpy.types.Context) -> None:
        from ..syngen_addon.blender.worker_setup import free_mb, hub_cache, size

        found, column = self.found, self.layout.column(align=True)
        if found.here:
            column.label(text="This model is here already.", icon="CHECKMARK")
        _row(column, "Model", found.name)
        if not found.here:
            about = "unknown" if found.missing_mb < 0 else size(found.missing_mb)
            if 0 < found.missing_mb < found.total_mb:
                about += f" of {size(found.total_mb)}, the rest is here"
            _row(column, "Download", about)
        _row(column, "License", found.licence or "not stated: see its page on the hub")
        if found.here:
            _row(column, "Lies in", found.path)
        else:
            _row(column, "Into", str(hub_cache()))
            _row(column, "Free there", size(free_mb(hub_cache())))

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import worker_setup

        return self.begin(worker_setup.download(self.found.name, self.found.role))


CLASSES = (
    SYNGEN_OT_set_up,
    SYNGEN_OT_remove_worker,
    SYNGEN_OT_check_worker,
    SYNGEN_OT_get_weights,
    SYNGEN_OT_diagnose,
    SYNGEN_OT_cancel_task,
    SYNGEN_OT_get_model,
    SYNGEN_OT_download_model,
)
