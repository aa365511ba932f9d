"""Blender tests: the real extension, loaded as Blender loads it, under the `bpy` module.

Tests reach its modules through the fixture `addon` only: a plain `import syngen_addon` here would make a second copy
of every class.
"""

import importlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "bl_ext.user_default.syngen"

# Blender reads this once, when bpy is imported: so here, before any test module is.
_resources = Path(tempfile.mkdtemp(prefix="syngen-blender-"))
os.environ["BLENDER_USER_RESOURCES"] = str(_resources)
_folder = _resources / "extensions" / "user_default"
_folder.mkdir(parents=True)
(_folder / "syngen").symlink_to(ROOT, target_is_directory=True)

import bpy  # noqa: E402, I001  (in this order: importing bpy puts addon_utils on the path)
import addon_utils  # noqa: E402


def enable() -> None:
    """Enable the extension. Raises what it raises; Blender itself would only print it."""
    errors: list[Exception] = []
    addon_utils.enable(PACKAGE, default_set=True, handle_error=errors.append)
    if errors:
        raise errors[0]


enable()


def pytest_unconfigure() -> None:
    shutil.rmtree(_resources, ignore_errors=True)


@pytest.fixture(autouse=True)
def enabled() -> None:
    """The extension is on when a test starts: factory settings, which the demo scene is built on, switch it off."""
    if addon_utils.check(PACKAGE) != (True, True):
        enable()


@pytest.fixture
def addon() -> Callable[[str], ModuleType]:
    """addon("blender.level"): a module of the running extension, by its name under syngen_addon.

    addon("") is the extension itself, addon("operators") and addon("panels.main") are what lies beside syngen_addon.
    """

    def module(name: str) -> ModuleType:
        if not name or name.split(".")[0] in ("operators", "panels"):
            return importlib.import_module(f"{PACKAGE}.{name}".rstrip("."))
        return importlib.import_module(f"{PACKAGE}.syngen_addon.{name}")

    return module


@pytest.fixture
def card() -> None:
    """For a test that needs the dataset card of its jobs, or compares them with those of another process."""


@pytest.fixture(autouse=True)
def no_card(
    addon: Callable[[str], ModuleType], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dataset card, which takes longer than all else of a small job, is made where a test asks for `card`."""
    if "card" not in request.fixturenames:
        monkeypatch.setattr(addon("card"), "write_card", lambda out, card: None)


@pytest.fixture
def empty_scene() -> Iterator[bpy.types.Scene]:
    """A new file with nothing in it; the extension stays enabled."""
    bpy.ops.wm.read_homefile(use_empty=True)
    yield bpy.context.scene
    bpy.ops.wm.read_homefile(use_empty=True)


@pytest.fixture
def stage(addon: Callable[[str], ModuleType], empty_scene: bpy.types.Scene, tmp_path: Path) -> object:
    """An empty scene with a camera and a lamp, and what makes and renders targets there (helpers.Stage)."""
    from tests.blender.helpers import Stage

    return Stage(addon, tmp_path)
