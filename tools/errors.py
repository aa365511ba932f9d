"""docs/errors.md, read off the code: every sentence by which SynGen refuses something, with what it says to do.

    python tools/errors.py         run by `make docs`; prints the page

Imports the standard library only.
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AREAS = {
    "The object and its material": (
        *("blender/target", "blender/material", "blender/mesh", "blender/unwrap", "blender/pixels", "blender/shown"),
        *("wear/", "blender/ageing", "blender/generation", "blender/layers", "blender/levels", "operators/wear"),
        *("blender/gallery", "operators/gallery", "blender/mend", "operators/mend"),
        *("operators/levels", "operators/layers", "operators/common", "operators/ageing_keys", "variants"),
    ),
    "Marks": ("blender/marks", "marks/", "operators/marks"),
    "Textures, photos and transfer": (
        *("textures/", "transfer/", "images", "filters/", "methods", "sweep", "blender/sweep", "operators/sweep"),
        *("blender/dropped", "blender/prompts", "operators/prompts"),
    ),
    "Recipes and presets": ("recipe", "presets", "blender/settings", "blender/scene_presets", "operators/recipes"),
    "The scene and its targets": (
        *("blender/targets", "blender/instances", "blender/wearing", "blender/things", "blender/folders"),
        *("blender/scene", "blender/world", "blender/ground", "blender/geometry", "blender/keypoints", "sampling/"),
        *("operators/keypoints", "blender/poses", "blender/falling"),
    ),
    "Stable Diffusion and neural style transfer": (
        *("worker/", "blender/worker", "blender/worker_setup", "blender/models", "operators/worker"),
    ),
    "A job": (*("blender/", "jobs", "files", "labels/", "operators/", "card", "splits", "polygons", "seeds"),),
    "Formats and the check": ("formats/", "checking/"),
}
"""Heading -> the modules whose errors stand below it; of a module that fits several, the longest name counts."""


def main() -> int:
    sys.stdout.write(page())
    return 0


def page() -> str:
    """The whole document."""
    found: dict[str, dict[str, str]] = {area: {} for area in AREAS}
    for path in sorted((*(ROOT / "syngen_addon").rglob("*.py"), *(ROOT / "operators").glob("*.py"))):
        for message, hint in errors_of(path.read_text(encoding="utf-8")):
            kept = found[area_of(path.relative_to(ROOT))]
            kept[message] = max(kept.get(message, ""), hint, key=len)
    lines = [
        "# Every error, and what helps",
        "",
        "Made from the code by `make docs`: what stands in an error for names and numbers is here an ellipsis. The",
        "background to those that are met most is in [troubleshooting.md](troubleshooting.md).",
    ]
    for area, errors in found.items():
        lines += ["", f"## {area}", "", "| what it says | what helps |", "|---|---|"]
        lines += [f"| {cell(message)} | {cell(hint)} |" for message, hint in sorted(errors.items(), key=_by_letters)]
    return "\n".join(lines) + "\n"


def errors_of(source: str) -> list[tuple[str, str]]:
    """(message, hint) of every SynGenError that is made in a module's source; what is computed is an ellipsis."""
    tree, found = ast.parse(source), []
    named: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "SynGenError"
            and node.args
        ):
            message, hint = (texts(node.args[n], named) if n < len(node.args) else [""] for n in (0, 1))
            found += [(m, h) for m in message for h in hint if len(re.findall("[a-z]{2,}", m)) > 1]
    return found


def texts(node: ast.expr, named: dict[str, list[ast.expr]]) -> list[str]:
    """What an expression may say. named: what a module gives names to."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        return [re.sub("…+", "…", "".join(map(str, parts)))]
    if isinstance(node, ast.IfExp):
        return [*texts(node.body, named), *texts(node.orelse, named)]
    if isinstance(node, ast.BinOp):
        return [a + b for a in texts(node.left, named) for b in texts(node.right, named)]
    if isinstance(node, ast.Name) and node.id in named:
        return [text for value in named[node.id] for text in texts(value, {})]
    return ["…"]


def area_of(path: Path) -> str:
    name = path.with_suffix("").as_posix().removeprefix("syngen_addon/")
    fitting = [(len(start), area) for area, starts in AREAS.items() for start in starts if name.startswith(start)]
    if not fitting:
        raise SystemExit(f"tools/errors.py does not know where the errors of {path} belong: add it to AREAS.")
    return max(fitting)[1]


def cell(text: str) -> str:
    """One cell of a table: what is markup elsewhere stands as it is."""
    plain = " ".join(text.split())
    return re.sub(r"([*_<|\[\]])", r"\\\1", plain)


def _by_letters(pair: tuple[str, str]) -> str:
    return re.sub("[^a-z]", "", pair[0].lower())


if __name__ == "__main__":
    sys.exit(main())
