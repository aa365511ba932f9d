"""Runs inside the Blender under test: takes Python from a folder, runs it in the main loop, leaves what it printed.

    blender --python listener.py -- FOLDER

FOLDER/command.py -> FOLDER/answer.json {"ok": bool, "out": str}
"""

import contextlib
import io
import json
import os
import sys
import traceback

import bpy

FOLDER = sys.argv[-1]
SCOPE = {"bpy": bpy}


def listen() -> float:
    command = os.path.join(FOLDER, "command.py")
    if os.path.exists(command):
        with open(command, encoding="utf-8") as file:
            source = file.read()
        os.remove(command)
        out, ok = io.StringIO(), True
        with contextlib.redirect_stdout(out):
            try:
                exec(compile(source, command, "exec"), SCOPE)
            except Exception:
                traceback.print_exc(file=out)
                ok = False
        part = os.path.join(FOLDER, "answer.part")
        with open(part, "w", encoding="utf-8") as file:
            json.dump({"ok": ok, "out": out.getvalue()}, file)
        os.replace(part, os.path.join(FOLDER, "answer.json"))
    return 0.05


bpy.app.timers.register(listen, first_interval=0.5, persistent=True)
