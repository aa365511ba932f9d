"""What is there and what is missing: the gallery's place, the worker of the neural methods, weights, model, diagnosis.

The same as in the preferences, by the same operators, where one works.
"""

import bpy

from ..syngen_addon.blender import session
from .common import Closed, progress, sentence

EXTENSION = __package__.rpartition(".")[0]
ICONS = {"missing": "RADIOBUT_OFF", "looking": "SORTTIME", "broken": "ERROR", "ready": "CHECKMARK"}


class SYNGEN_PT_setup(Closed, bpy.types.Panel):
    bl_label = "Setup"
    bl_order = 6

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        button = self.layout.operator("preferences.addon_show", text="", icon="PREFERENCES", emboss=False)
        button.module = EXTENSION

    def draw(self, context: bpy.types.Context) -> None:
        layout, setup = self.layout, session.setup()
        column = layout.column(align=True)
        column.label(text="Procedural, photos, patches", icon="CHECKMARK")
        sentence(column, context, "They need nothing more, no network and no graphics card.", "BLANK1")
        _worker(layout.column(), context, setup)
        column = layout.column(align=True)
        row = column.row(align=True)
        row.label(text="Gallery", icon="FILE_FOLDER")
        row.operator("syngen.open_gallery", text="", icon="FILEBROWSER")
        sentence(column, context, setup.gallery, "BLANK1")
        layout.operator("syngen.diagnose", icon="COPYDOWN")


def _worker(layout: bpy.types.UILayout, context: bpy.types.Context, setup: session.Setup) -> None:
    """The worker, its weights and the model that is chosen, with the button for what is missing."""
    status, work = setup.status, session.now.task
    layout.label(text="Neural methods", icon=ICONS[status.state])
    sentence(layout, context, status.title, "BLANK1")
    for line in status.lines:
        sentence(layout, context, line, "BLANK1")
    if not setup.online:
        sentence(layout, context, "Set Up and downloads need the network, which is off in Blender.", "INTERNET_OFFLINE")
    if work is not None and not work.done:
        progress(layout, work, "syngen.cancel_task")
        return
    if work is not None and (work.error is not None or work.told):
        sentence(layout, context, str(work.error or work.told), "ERROR" if work.error is not None else "INFO")
    row = layout.row(align=True)
    if status.own:
        row.operator("syngen.set_up", text="Set Up..." if status.state == "missing" else "Again...", icon="IMPORT")
    if status.state != "missing":
        row.operator("syngen.check_worker", icon="VIEWZOOM")
        row.operator("syngen.remove_worker", text="", icon="TRASH")
    layout.label(
        text="Weights of style transfer" if setup.weights else "No weights of style transfer",
        icon=ICONS["ready" if setup.weights else "missing"],
    )
    if not setup.weights:
        layout.operator("syngen.get_weights", text="Get Weights (88 MB)", icon="IMPORT")
    model = context.scene.syngen.diffusion.model
    layout.label(text="Model of Stable Diffusion", icon="NODETREE")
    row = layout.row(align=True)
    row.prop(context.scene.syngen.diffusion, "model", text="", placeholder="A model")
    button = row.operator("syngen.get_model", text="", icon="IMPORT")
    button.model, button.role = model, "pipeline"


CLASSES = (SYNGEN_PT_setup,)
