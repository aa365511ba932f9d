"""Builds the extension's zips, one a platform, with every wheel inside, and tries the one for this machine.

    python tools/package.py [PLATFORM...]         run by `make package`; the zips land in dist/

Runs in an environment that has Blender as a module, whose own validator and builder it uses. The version stands in
blender_manifest.toml alone. Imports the standard library only.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
SHIPPED = (
    *("blender_manifest.toml", "__init__.py", "LICENSE", "README.md"),
    *("syngen_addon", "operators", "panels"),
)

PYTHONS = ("3.11", "3.13", "3.14")
"""Of Blender 4.5 and 5.0, of 5.1 and later, and of Debian's own build of 5.2."""

WHEEL_TAGS = {
    "linux-x64": ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_14_0_arm64",),
}
"""Blender's name of a platform -> what its wheels may be built for. Blender itself needs glibc 2.28."""

LICENCES = {
    "opencv_python_headless": "Apache-2.0; the FFmpeg inside is LGPL-2.1-or-later",
    "openexr": "BSD-3-Clause",
    "pillow": "MIT-CMU",
    "pycocotools": "BSD-2-Clause",
    "tomli_w": "MIT",
}
"""Said here and not read from the wheels, most of which do not say it in a form that can be read."""

LOCKED_DATE = (1980, 1, 1, 0, 0, 0)


def main(platforms: list[str]) -> int:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    DIST.mkdir(exist_ok=True)
    zips = {}
    for name in platforms or WHEEL_TAGS:
        target = DIST / f"{manifest['id']}-{manifest['version']}-{name.replace('-', '_')}.zip"
        with tempfile.TemporaryDirectory(prefix="syngen-package-") as folder:
            build(Path(folder), name, target)
        zips[name] = target
        print(f"{target.relative_to(ROOT)}  {target.stat().st_size / 1e6:.1f} MB  sha256 {_sha256(target)}")
    here = "linux-x64" if (platform.system(), platform.machine()) == ("Linux", "x86_64") else None
    if here in zips:
        for python in (ROOT / ".venv", ROOT / ".venv-bpy50", ROOT / ".venv-bpy52"):
            if (python / "ready").exists():
                try_zip(zips[here], python / "bin" / "python")
    return 0


def build(folder: Path, name: str, target: Path) -> None:
    """Gather what ships and the wheels of one platform in folder, and let Blender's builder make target of it."""
    source = folder / "source"
    source.mkdir()
    for item in SHIPPED:
        path = ROOT / item
        if path.is_dir():
            shutil.copytree(path, source / item, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"))
        else:
            shutil.copyfile(path, source / item)
    wheels = download(name, source / "wheels")
    manifest = source / "blender_manifest.toml"
    manifest.write_text(with_wheels(manifest.read_text(encoding="utf-8"), name, wheels), encoding="utf-8")
    (source / "LICENSES-bundled.md").write_text(licences(wheels), encoding="utf-8")
    unsorted = folder / "built.zip"
    blender_ext("build", "--source-dir", str(source), "--output-filepath", str(unsorted))
    blender_ext("validate", str(unsorted))
    _without_dates(unsorted, target)


def download(name: str, folder: Path) -> list[Path]:
    """The wheels of one platform for every Python, checked against their hashes."""
    for python in PYTHONS:
        tags = [word for tag in WHEEL_TAGS[name] for word in ("--platform", tag)]
        abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
        command += [*tags, *abis, "--dest", str(folder), "-r", str(ROOT / "requirements" / "bundled.txt")]
        subprocess.run(command, check=True)
    return sorted(folder.glob("*.whl"))


def with_wheels(manifest: str, name: str, wheels: list[Path]) -> str:
    """The manifest's text with the platform and its wheels, before its first table."""
    head, bracket, tables = manifest.partition("\n[")
    lines = [f'platforms = ["{name}"]', "wheels = [", *(f'    "./wheels/{wheel.name}",' for wheel in wheels), "]", ""]
    return head + "\n".join(lines) + bracket + tables


def licences(wheels: list[Path]) -> str:
    """What the bundled wheels are licensed under. Raises KeyError for a package that LICENCES does not know."""
    versions = {name.lower(): version for name, version in (wheel.name.split("-")[:2] for wheel in wheels)}
    rows = [f"| {name} | {version} | {LICENCES[name]} |" for name, version in sorted(versions.items())]
    return "\n".join(
        [
            "# Licences of the bundled packages",
            "",
            "The wheels in `wheels/` carry their licence texts in their `.dist-info` folders; pycocotools, whose wheel",
            "has none, follows below.",
            "",
            "| package | version | licence |",
            "|---|---|---|",
            *rows,
            "",
            "## pycocotools",
            "",
            (ROOT / "requirements" / "LICENSE-pycocotools.txt").read_text(encoding="utf-8"),
        ]
    )


def blender_ext(*arguments: str) -> None:
    """Blender's own extension tool, without a Blender program."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        raise SystemExit("package.py needs Blender as a module: run `make package`.")
    tool = next(Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    done = subprocess.run([sys.executable, str(tool), *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"blender_ext.py {arguments[0]}:\n{done.stdout}{done.stderr}")


def try_zip(archive: Path, python: Path) -> None:
    """Install the zip into an empty Blender as a person would, enable it, and import what it bundles."""
    with tempfile.TemporaryDirectory(prefix="syngen-install-") as resources:
        environment = {**os.environ, "BLENDER_USER_RESOURCES": resources, "PYTHONPATH": "", "PYTHONNOUSERSITE": "1"}
        command = [str(python), str(ROOT / "tools" / "try_zip.py"), str(archive), resources]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise SystemExit(f"{archive.name} does not install:\n{done.stdout}{done.stderr}")
    print(lines[-1])


def _without_dates(source: Path, target: Path) -> None:
    """The same archive, sorted and without dates: the same input gives the same bytes."""
    part = target.with_suffix(".part")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(n for n in old.namelist() if not n.endswith("/")):
            # Wheels are zips themselves: to pack them again only costs time.
            how = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            info = zipfile.ZipInfo(name, LOCKED_DATE)
            info.external_attr = 0o644 << 16
            new.writestr(info, old.read(name), how)
    part.replace(target)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
