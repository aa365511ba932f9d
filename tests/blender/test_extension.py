"""The extension as a whole: it goes on and off without a trace and costs nothing before its first use."""

import subprocess
import sys
from pathlib import Path

import addon_utils
import bpy
import pytest

pytestmark = pytest.mark.versions

PACKAGE = "bl_ext.user_default.syngen"
HEAVY = ("cv2", "diffusers", "numpy", "OpenEXR", "PIL", "pycocotools", "tomli_w", "torch")
SLOW = ("csv", "email", "json", "shutil", "ssl", "subprocess", "tempfile", "tomllib", "urllib", "zipfile")
"""Of the standard library: what takes milliseconds to import and only a person's request needs."""


def registered() -> dict[str, list[str]]:
    """Names of everything that an extension can leave behind in Blender."""
    handlers = {
        f"handlers.{name}": [f"{f.__module__}.{f.__qualname__}" for f in found]
        for name in dir(bpy.app.handlers)
        if isinstance(found := getattr(bpy.app.handlers, name), list)
    }
    owners = ("WindowManager", "Scene", "Object", "Material", "Image", "Collection", "Mesh", "World", "ViewLayer")
    properties = {
        owner: sorted(getattr(bpy.types, owner).bl_rna.properties.keys()) + sorted(dir(getattr(bpy.types, owner)))
        for owner in owners
    }
    subclasses = {
        f"subclasses.{base}": sorted(
            f"{cls.__module__}.{cls.__name__}"
            for cls in getattr(bpy.types, base).__subclasses__()
            if cls.is_registered
        )
        for base in ("Operator", "Panel", "Menu", "UIList", "PropertyGroup", "AddonPreferences", "Gizmo", "GizmoGroup")
    }
    menus = {
        f"menu.{name}": [f"{f.__module__}.{f.__qualname__}" for f in draw._draw_funcs]
        for name in dir(bpy.types)
        if hasattr(draw := getattr(getattr(bpy.types, name), "draw", None), "_draw_funcs")
    }
    return {"types": dir(bpy.types), **handlers, **properties, **subclasses, **menus}


def enable() -> None:
    errors: list[Exception] = []
    addon_utils.enable(PACKAGE, default_set=True, handle_error=errors.append)
    if errors:
        raise errors[0]


def ours(names: dict[str, list[str]]) -> list[str]:
    return [f"{where}: {name}" for where, found in names.items() for name in found if "syngen" in name.lower()]


@pytest.fixture
def disabled():
    """The extension switched off for one test."""
    addon_utils.disable(PACKAGE, default_set=True)
    yield
    enable()


def test_it_is_enabled() -> None:
    assert addon_utils.check(PACKAGE) == (True, True)


def test_disabling_leaves_nothing_behind(disabled: None) -> None:
    assert addon_utils.check(PACKAGE) == (False, False)
    assert ours(registered()) == []


def test_enabling_again_brings_everything_back() -> None:
    before = registered()
    for _ in range(2):
        addon_utils.disable(PACKAGE, default_set=True)
        off = registered()
        enable()
    assert registered() == before
    addon_utils.disable(PACKAGE, default_set=True)
    assert registered() == off
    enable()


def test_a_failing_part_undoes_those_before_it(addon, disabled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    off = registered()

    def fail() -> None:
        raise RuntimeError("no panels today")

    with monkeypatch.context() as patched:  # what comes after the test enables the extension again
        patched.setattr(addon("panels"), "register", fail)
        with pytest.raises(RuntimeError, match="no panels today"):
            addon("").register()
    assert registered() == off


def test_enabling_imports_nothing_heavy(tmp_path: Path) -> None:
    """In a fresh process, with the extension linked as a person would install it."""
    folder = tmp_path / "extensions" / "user_default"
    folder.mkdir(parents=True)
    (folder / "syngen").symlink_to(Path(__file__).resolve().parents[2], target_is_directory=True)
    program = f"""
import os, sys
os.environ["BLENDER_USER_RESOURCES"] = {str(tmp_path)!r}
import bpy, addon_utils
addon_utils.extensions_refresh(addon_modules_pending=[{PACKAGE!r}])  # Blender's own part, which reads the manifest
heavy = {{*{HEAVY!r}, *{SLOW!r}}}
for name in [n for n in sys.modules if n.split(".")[0] in heavy]:
    del sys.modules[name]  # what Blender has brought along here, as the module does numpy, it may not have elsewhere
before = set(sys.modules)
assert addon_utils.enable({PACKAGE!r}, default_set=True) is not None
new = set(sys.modules) - before
print("HEAVY", sorted({{name.split(".")[0] for name in new}} & heavy))
ours = [n.removeprefix("{PACKAGE}.syngen_addon.") for n in new if n.startswith("{PACKAGE}.syngen_addon.")]
print("PARTS", sorted({{name.split(".")[0] for name in ours}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout, done.stdout
    assert "PARTS ['blender', 'errors', 'kinds', 'presets', 'recipe']" in done.stdout, done.stdout


def test_only_the_extension_ships() -> None:
    """The manifest keeps out what is no part of the extension: a new top-level folder must be put on one side."""
    import fnmatch
    import tomllib

    root = Path(__file__).resolve().parents[2]
    manifest = tomllib.loads((root / "blender_manifest.toml").read_text(encoding="utf-8"))
    patterns = [p.strip("/") for p in manifest["build"]["paths_exclude_pattern"]]
    kept = {p.name for p in root.iterdir() if not any(fnmatch.fnmatch(p.name, pattern) for pattern in patterns)}
    shipped = {"LICENSE", "README.md", "__init__.py", "blender_manifest.toml", "operators", "panels", "syngen_addon"}
    assert kept | {"README.md"} == shipped
