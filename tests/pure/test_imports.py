"""The import table of docs/architecture.md, enforced on the source of every module.

Every import counts, wherever it stands: inside a function or under TYPE_CHECKING as well.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("textures", "transfer", "marks", "filters", "wear", "sampling", "labels", "formats")
STAGE_PACKAGES = tuple(f"syngen_addon.{stage}" for stage in STAGES)
FOUNDATIONS = tuple(
    f"syngen_addon.{name}"
    for name in ("errors", "files", "digits", "presets", "recipe", "seeds", "splits", "images", "polygons", "scan")
)
TOPS = ("syngen_addon", "operators", "panels", "examples")
BLENDER = (
    *("bpy", "bpy_extras", "bmesh", "mathutils", "addon_utils", "bl_operators", "gpu", "gpu_extras", "blf"),
    "_cycles",
)
ARRAYS = ("numpy", "cv2")
WORKER: dict[str, tuple[str, ...]] = {
    "protocol": (),
    "client": ("protocol",),
    "installing": (),
    "weights": ("installing",),
    "environment": ("protocol", "installing", "weights"),
}
"""Blender's side of the worker: module -> those of it that it may import."""


@dataclass(frozen=True)
class Rule:
    """What modules under `prefix` may import besides themselves and the standard library.

    A name allows what is below it.
    """

    prefix: str
    own: tuple[str, ...] = ()
    third_party: tuple[str, ...] = ()


# The first rule whose prefix fits counts.
RULES = (
    Rule("syngen_addon.errors"),
    Rule("syngen_addon.files", ("syngen_addon.errors",)),
    Rule("syngen_addon.digits"),
    Rule("syngen_addon.presets"),
    Rule("syngen_addon.recipe", ("syngen_addon.errors", "syngen_addon.presets"), ("tomli_w",)),
    Rule("syngen_addon.seeds", (), ("numpy",)),
    Rule("syngen_addon.splits", ("syngen_addon.seeds",)),
    Rule("syngen_addon.images", ("syngen_addon.errors", "syngen_addon.files"), ARRAYS),
    Rule("syngen_addon.polygons", (), ARRAYS),
    Rule("syngen_addon.scan", (), ("numpy",)),
    Rule("syngen_addon.kinds", ("syngen_addon.recipe",)),
    Rule("syngen_addon.formats", FOUNDATIONS, (*ARRAYS, "PIL", "pycocotools", "OpenEXR")),
    *(Rule(stage, FOUNDATIONS, (*ARRAYS, "PIL", "pycocotools")) for stage in STAGE_PACKAGES),
    # Blender's side of the worker ...
    *(
        Rule(
            f"syngen_addon.worker.{name}",
            ("syngen_addon.errors", "syngen_addon.files", *(f"syngen_addon.worker.{other}" for other in others)),
        )
        for name, others in WORKER.items()
    ),
    # ... and the worker's own, in another process.
    Rule(
        "syngen_addon.worker",
        ("syngen_addon.errors", "syngen_addon.files", "syngen_addon.images", "syngen_addon.worker.protocol"),
        (*ARRAYS, "PIL", "skimage", "torch", "diffusers", "transformers", "huggingface_hub", "safetensors", "psutil"),
    ),
    # These join stages.
    Rule("syngen_addon.methods", (*FOUNDATIONS, *STAGE_PACKAGES, "syngen_addon.worker.protocol"), ARRAYS),
    Rule("syngen_addon.variants", (*FOUNDATIONS, *STAGE_PACKAGES, "syngen_addon.methods"), ARRAYS),
    Rule(
        "syngen_addon.sweep",
        (*FOUNDATIONS, *STAGE_PACKAGES, *(f"syngen_addon.{m}" for m in ("methods", "variants", "worker.protocol"))),
        (*ARRAYS, "PIL"),
    ),
    Rule("syngen_addon.card", (*FOUNDATIONS, *STAGE_PACKAGES)),
    Rule("syngen_addon.jobs", (*FOUNDATIONS, *STAGE_PACKAGES, "syngen_addon.card"), ARRAYS),
    Rule("syngen_addon.checking", (*FOUNDATIONS, *STAGE_PACKAGES, "syngen_addon.jobs"), ("numpy", "PIL")),
    Rule(
        "syngen_addon.blender",
        (
            *FOUNDATIONS,
            *STAGE_PACKAGES,
            *(f"syngen_addon.{name}" for name in ("kinds", "methods", "variants", "sweep", "jobs", "checking")),
            *(f"syngen_addon.worker.{name}" for name in WORKER),
        ),
        (*BLENDER, *ARRAYS, "OpenEXR", "PIL"),
    ),
    Rule("syngen_addon", ()),
    Rule("operators", ("syngen_addon.blender", "syngen_addon.errors"), BLENDER),
    Rule("panels", ("syngen_addon.blender.settings", "syngen_addon.blender.session"), BLENDER),
    # Scripts that drive the extension from outside, and the scene they drive it on, which knows nothing of it.
    Rule("examples.demo", ("syngen_addon", "examples"), (*BLENDER, *ARRAYS, "PIL")),
    Rule("examples.everything", ("syngen_addon", "examples"), (*BLENDER, *ARRAYS, "PIL")),
    Rule("examples.gallery", ("syngen_addon", "examples"), (*BLENDER, *ARRAYS, "PIL")),
    Rule("examples.age_model", ("syngen_addon", "examples"), (*BLENDER, *ARRAYS, "PIL")),
    Rule("examples.realism", ("syngen_addon", "examples"), (*ARRAYS, "PIL")),
    Rule("examples", (), (*BLENDER, *ARRAYS, "PIL")),
)


def imported(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[int, str, str]]:
    """(line, name, how) of every import in the source of `module`: the dotted name as seen from the repository root.

    `from a import b` gives a.b: whether b is a module or a member, a rule that allows a allows it.
    how: "relative" or "absolute".
    """
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, "absolute"
        elif isinstance(node, ast.ImportFrom):
            if node.level > len(package) + 1:
                raise AssertionError(f"{module}:{node.lineno} imports from above the repository")
            base = package[: len(package) + 1 - node.level] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{stem}.{alias.name}".strip("."), "relative" if node.level else "absolute"


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """What the source of `module` imports and may not, one sentence each."""
    rule = next((r for r in RULES if _within(module, r.prefix)), None)
    if rule is None:
        return [f"{module} stands in no rule"]
    found = []
    for line, name, how in imported(ast.parse(source), module, is_package):
        top = name.split(".")[0]
        ours = how == "relative" or top in TOPS
        allowed = (*rule.own, rule.prefix) if ours else (*rule.third_party, *sys.stdlib_module_names)
        if ours and how == "absolute" and not _within(module, "examples"):
            found.append(f"{module}:{line} imports {name} absolutely; inside an extension only relative imports work")
        elif not any(_within(name, prefix) for prefix in allowed):
            found.append(f"{module}:{line} may not import {name}")
    return found


def _within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def _modules() -> list[Path]:
    return sorted(p for top in TOPS for p in (ROOT / top).rglob("*.py"))


def test_there_is_something_to_check() -> None:
    assert len(_modules()) > 8


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_follow_the_table(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    assert violations(path.read_text(encoding="utf-8"), module, is_package) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("syngen_addon.wear.onset", "import bpy"),
        ("syngen_addon.wear.onset", "def f():\n    import mathutils"),
        ("syngen_addon.wear.onset", "from ..transfer import patch"),
        ("syngen_addon.wear.onset", "from .. import kinds"),
        ("syngen_addon.wear.onset", "from ..blender import level"),
        ("syngen_addon.wear.onset", "from syngen_addon.errors import SynGenError"),
        ("syngen_addon.wear.onset", "import scipy.ndimage"),
        ("syngen_addon.wear.onset", "from skimage import measure"),
        ("syngen_addon.transfer.patch", "import torch.nn"),
        ("syngen_addon.kinds.rust", "import numpy"),
        ("syngen_addon.kinds.rust", "from ..images import Maps"),
        ("syngen_addon.recipe", "import numpy"),
        ("syngen_addon.errors", "from .files import write_bytes"),
        ("syngen_addon.blender.render", "import diffusers"),
        ("syngen_addon.worker.weights", "import torch"),
        ("syngen_addon.worker.installing", "from . import environment"),
        ("syngen_addon.blender.render", "from ...operators import export"),
        ("operators.export", "from ..syngen_addon.wear import onset"),
        ("panels.main", "from ..operators import export"),
        ("panels.main", "from ..syngen_addon.blender import render"),
        ("examples.modelling", "from syngen_addon.blender import dataset"),
        ("examples.demo", "from operators import export"),
        ("operators.export", "from examples import modelling"),
        ("stray", "import math"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("syngen_addon.wear.onset", "import math\nimport numpy as np\nfrom ..recipe import Onset\nfrom . import mesh"),
        ("syngen_addon.blender.render", "import bpy\nfrom ..wear.onset import onset_maps\nfrom . import level"),
        ("panels.main", "import bpy\nfrom ..syngen_addon.blender import settings"),
        ("panels.main", "from ..syngen_addon.blender.settings import of"),
        ("syngen_addon.worker.main", "import torch"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str) -> None:
    assert violations(source, module) == []


def test_a_package_resolves_from_itself() -> None:
    assert violations("from .onset import onset_maps", "syngen_addon.wear", is_package=True) == []
    assert len(violations("from ..transfer import patch", "syngen_addon.wear", is_package=True)) == 1
