"""Operators for the dataset: export it beside this Blender, stop that, copy the command that does the same; show what
came of it, check it."""

import textwrap

import bpy
from bpy.props import EnumProperty, StringProperty

from ..syngen_addon.blender import session, settings, task
from ..syngen_addon.errors import SynGenError
from .common import open_outside, reported, show_picture

SOUND = "Nothing is wrong with it."
DIALOG = 400
"""Width of the dialog, in pixels before scaling."""


class SYNGEN_OT_export_dataset(bpy.types.Operator):
    """Render the dataset in a background Blender; this one stays free"""

    bl_idname = "syngen.export_dataset"
    bl_label = "Export Dataset"
    bl_options = {"REGISTER"}

    into: EnumProperty(
        name="Folder",
        options={"SKIP_SAVE"},
        default="NEW",
        items=[
            ("NEW", "New Folder", "Start a job in another, empty folder beside it"),
            ("RESUME", "Go On with It", "Render what is missing of the job that lies there, as that job was set"),
        ],
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.now.exporting:
            cls.poll_message_set("An export is running already.")
            return False
        return True

    @reported
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        from ..syngen_addon.blender import jobs_of_panel

        scene = context.scene
        out = jobs_of_panel.folder_of(scene)
        if jobs_of_panel.holds_job(out) and not bpy.app.background:
            goes_on, self.why = jobs_of_panel.advice(
                out, settings.recipe_of(scene), scene.syngen.job.seed, scene.syngen.job.frames
            )
            self.into = "RESUME" if goes_on else "NEW"
            return context.window_manager.invoke_props_dialog(
                self, width=DIALOG, title="This Folder Holds a Dataset", confirm_text="Export"
            )
        return self.execute(context)

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.scale_y = 0.8
        for line in textwrap.wrap(self.why, DIALOG // 6):
            column.label(text=line)
        self.layout.props_enum(self, "into")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import jobs_of_panel, preview_frame

        scene = context.scene
        if preview_frame.end(scene):
            session.look_as_before()
        recipe = settings.recipe_of(scene)
        if bpy.app.background:
            self.report({"INFO"}, jobs_of_panel.run_here(scene, recipe))
            return {"FINISHED"}
        session.watch_export(jobs_of_panel.start(scene, recipe, resume=self.into == "RESUME"))
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_cancel_export(bpy.types.Operator):
    """Stop the export. Finished frames stay, and it can be taken up again"""

    bl_idname = "syngen.cancel_export"
    bl_label = "Cancel Export"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not session.now.exporting:
            cls.poll_message_set("No export is running.")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.now.export.cancel()
        session.redraw()
        return {"FINISHED"}


class SYNGEN_OT_copy_batch_command(bpy.types.Operator):
    """Copy the command line that renders this dataset without a window; its recipe is written beside the .blend file"""

    bl_idname = "syngen.copy_batch_command"
    bl_label = "Copy Batch Command"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not bpy.data.filepath:
            self.report({"WARNING"}, "Save the file first: the command renders what is saved. Then copy the command.")
            bpy.ops.wm.save_as_mainfile("INVOKE_DEFAULT")
            return {"CANCELLED"}
        if bpy.data.is_dirty:
            return context.window_manager.invoke_confirm(
                self,
                event,
                title="Save the File?",
                message="The command renders what is saved, and there are unsaved changes.",
                confirm_text="Save and Copy",
            )
        return self.execute(context)

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import jobs_of_panel, preview_frame

        recipe = settings.recipe_of(context.scene)
        if not bpy.data.filepath:
            raise SynGenError("The file is not saved.", "Save it first: the command renders what is saved.")
        if not bpy.app.background and bpy.data.is_dirty:
            if preview_frame.end(context.scene):
                session.look_as_before()
            bpy.ops.wm.save_mainfile()
        line = jobs_of_panel.batch_line(context.scene, recipe)
        context.window_manager.clipboard = line
        self.report({"INFO"}, f"Copied: {line}")
        return {"FINISHED"}


class SYNGEN_OT_open_folder(bpy.types.Operator):
    """Open the dataset's folder in the file browser of the system"""

    bl_idname = "syngen.open_folder"
    bl_label = "Open Folder"
    bl_options = {"REGISTER"}

    folder: StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import jobs_of_panel

        folder = jobs_of_panel.existing_folder(context.scene, self.folder)
        return open_outside(folder)


class SYNGEN_OT_show_labels(bpy.types.Operator):
    """Show some frames of the dataset with their labels drawn on, in the picture viewer of the system or here"""

    bl_idname = "syngen.show_labels"
    bl_label = "Show Labels"
    bl_options = {"REGISTER"}

    sheet: StringProperty(name="Picture", subtype="FILE_PATH", options={"SKIP_SAVE"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        return show_picture(self.sheet, "Export the dataset again: go on with it.")


class SYNGEN_OT_show_card(bpy.types.Operator):
    """Show the dataset's card: what is in it, how it was made, and from what"""

    bl_idname = "syngen.show_card"
    bl_label = "Show Card"
    bl_options = {"REGISTER"}

    folder: StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import jobs_of_panel

        card = jobs_of_panel.existing_folder(context.scene, self.folder) / "card.html"
        if not card.is_file():
            raise SynGenError(f"There is no {card}.", "Go on with the export: the card is written at its end.")
        return open_outside(card)


class SYNGEN_OT_check_dataset(bpy.types.Operator):
    """Read the whole dataset and say what is wrong with it"""

    bl_idname = "syngen.check_dataset"
    bl_label = "Check Dataset"
    bl_options = {"REGISTER"}

    folder: StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if task.busy():
            cls.poll_message_set(task.busy())
            return False
        return True

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..syngen_addon.blender import jobs_of_panel

        folder = jobs_of_panel.existing_folder(context.scene, self.folder)
        work = task.Task("dataset", lambda task: jobs_of_panel.checked(folder, task))
        if bpy.app.background:
            self.report({"INFO"}, work.run())
        else:
            session.now.checked = ()
            task.begin(work, _checked)
            session.redraw(views=False)
        return {"FINISHED"}


def _checked(work: task.Task) -> None:
    """Show what a check said: problems first, the sum at its head."""
    told = work.told.splitlines() if work.error is None else [str(work.error)]
    session.now.checked = tuple(told)
    session.now.sound = bool(told) and told[0] == SOUND
    task.forget()


CLASSES = (
    SYNGEN_OT_export_dataset,
    SYNGEN_OT_cancel_export,
    SYNGEN_OT_copy_batch_command,
    SYNGEN_OT_open_folder,
    SYNGEN_OT_show_labels,
    SYNGEN_OT_show_card,
    SYNGEN_OT_check_dataset,
)
