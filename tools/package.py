"""Builds the extension's zips, one a platform, with every wheel inside, and tries the one for this machine.

    python tools/package.py [PLATFORM...]         run by `make package`; the zips land in dist/
    BLENDER="command that starts Blender" python tools/package.py ...

Any machine builds all of them: wheels are downloaded, by pinned hashes, and never compiled. Blender's own builder and
validator are used: those of Blender as a module, or those of the Blender that BLENDER names, and then any Python with
pip will do. The version stands in blender_manifest.toml alone. Imports the standard library only.
"""

import email
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
SHIPPED = (
    *("blender_manifest.toml", "__init__.py", "LICENSE", "README.md"),
    *("syngen_addon", "operators", "panels"),
)


@dataclass(frozen=True)
class Target:
    """What a platform's wheels are for: the Pythons of its Blenders, and the tags that wheels may have there."""

    pythons: tuple[str, ...]
    tags: tuple[str, ...]


TARGETS = {
    "linux-x64": Target(
        ("3.11", "3.13", "3.14"),
        ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64"),
    ),
    "windows-x64": Target(("3.11", "3.13"), ("win_amd64",)),
    "macos-arm64": Target(("3.11", "3.13"), ("macosx_13_0_arm64",)),
    "macos-x64": Target(("3.11",), ("macosx_13_0_x86_64",)),
}
"""By Blender's name of the platform. Python 3.11 is of Blender 4.5 and 5.0, 3.13 of 5.1 and later, 3.14 of Debian's own
build. Blender itself needs glibc 2.28; OpenCV's wheels need macOS 13. Blender 4.5 is the last for Macs with an Intel
processor. Of Windows on ARM there is no OpenCV wheel that runs beside numpy 1 and 2."""

LICENCES = {
    "opencv_python_headless": ("Apache-2.0; the FFmpeg inside is LGPL-2.1-or-later", "Apache 2.0"),
    "openexr": ("BSD-3-Clause", ""),
    "pillow": ("MIT-CMU", "MIT-CMU"),
    "pycocotools": ("BSD-2-Clause", "FreeBSD"),
    "tomli_w": ("MIT", "MIT License"),
}
"""Package -> its licence, and what the wheel's metadata says of it. A wheel that says something else stops the build:
someone has to read its licence again. OpenEXR's says nothing, but holds the text."""

LOCKED_DATE = (1980, 1, 1, 0, 0, 0)
HERE_NAME = {
    ("Linux", "x86_64"): "linux-x64",
    ("Windows", "AMD64"): "windows-x64",
    ("Darwin", "arm64"): "macos-arm64",
    ("Darwin", "x86_64"): "macos-x64",
}.get((platform.system(), platform.machine()), "")
"""Blender's name of the platform that this runs on."""


@dataclass(frozen=True)
class Bundled:
    """A package as its wheel describes it."""

    name: str
    version: str
    licence: str
    home: str
    texts: dict[str, bytes]


def main(platforms: list[str]) -> int:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    DIST.mkdir(exist_ok=True)
    zips = {}
    bundled: dict[str, list[Bundled]] = {}
    for name in platforms or TARGETS:
        if name not in TARGETS:
            raise SystemExit(f"The platform {name} is not known. Known are: {', '.join(TARGETS)}.")
        target = DIST / f"{manifest['id']}-{manifest['version']}-{name.replace('-', '_')}.zip"
        with tempfile.TemporaryDirectory(prefix="syngen-package-") as folder:
            bundled[name] = build(Path(folder), name, target)
        zips[name] = target
        print(f"{target.relative_to(ROOT)}  {target.stat().st_size / 1e6:.1f} MB  sha256 {_sha256(target)}")
    if not platforms:
        (ROOT / "docs" / "licences.md").write_text(licences_page(bundled), encoding="utf-8")
    if HERE_NAME in zips:
        for python in environments():
            try_zip(zips[HERE_NAME], python)
    return 0


def environments() -> list[Path]:
    """The Pythons of this checkout that have Blender as a module."""
    folders = (ROOT / ".venv", ROOT / ".venv-bpy50", ROOT / ".venv-bpy52")
    return [folder / "bin" / "python" for folder in folders if (folder / "ready").exists()]


def build(folder: Path, name: str, target: Path) -> list[Bundled]:
    """Gather what ships and the wheels of one platform in folder, and let Blender's builder make target of it."""
    source = folder / "source"
    gather(source)
    wheels = download(name, source / "wheels")
    manifest = source / "blender_manifest.toml"
    manifest.write_text(with_wheels(manifest.read_text(encoding="utf-8"), name, wheels), encoding="utf-8")
    packages = sorted({about.name: about for about in map(described, wheels)}.values(), key=lambda about: about.name)
    (source / "LICENSES-bundled.md").write_text(licences(packages), encoding="utf-8")
    for about in packages:
        for text, content in about.texts.items():
            file = source / "licenses" / about.name / text
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    unsorted = folder / "built.zip"
    blender_ext("build", "--source-dir", str(source), "--output-filepath", str(unsorted))
    blender_ext("validate", str(unsorted))
    _without_dates(unsorted, target)
    return packages


def gather(source: Path) -> None:
    """Copy what ships into the new folder source."""
    source.mkdir()
    for item in SHIPPED:
        path = ROOT / item
        if path.is_dir():
            shutil.copytree(path, source / item, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"))
        else:
            shutil.copyfile(path, source / item)


def download(name: str, folder: Path) -> list[Path]:
    """The wheels of one platform for every Python, checked against their hashes."""
    for python in TARGETS[name].pythons:
        tags = [word for tag in TARGETS[name].tags for word in ("--platform", tag)]
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


def described(wheel: Path) -> Bundled:
    """A wheel's package, with the texts of its licence. Raises SystemExit for one that LICENCES does not know."""
    with zipfile.ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(archive.read(inside))
        folder = inside.removesuffix("METADATA")
        files = [n for n in archive.namelist() if n.startswith(folder) and "licens" in Path(n).name.lower()]
        texts = {Path(n).name: archive.read(n) for n in files if not n.endswith("/")}
    name, version = wheel.name.lower().split("-")[:2]
    said = about["License-Expression"] or about["License"] or ""
    classes = [c.rsplit(" :: ", 1)[-1] for c in about.get_all("Classifier", []) if c.startswith("License ::")]
    said = said or ", ".join(classes)
    licence, expected = LICENCES.get(name, ("", ""))
    if not licence or said != expected:
        raise SystemExit(f"{wheel.name} says its licence is {said!r}: read it, and put it into LICENCES of package.py.")
    if name == "pycocotools":  # its wheel has none
        texts["LICENSE.txt"] = (ROOT / "requirements" / "LICENSE-pycocotools.txt").read_bytes()
    if not texts:
        raise SystemExit(f"{wheel.name} holds no text of its licence: add it, as pycocotools' in package.py.")
    links = dict(link.lower().split(", ", 1) for link in about.get_all("Project-URL", []))
    links["home-page"] = about["Home-page"] or ""
    home = next((links[word] for word in ("homepage", "home-page", "source", "repository") if links.get(word)), "")
    return Bundled(name, version, licence, home, texts)


def licences(packages: list[Bundled]) -> str:
    """The zip's list of what is bundled."""
    rows = [
        f"| {about.name} | {about.version} | {about.licence} | "
        f"{', '.join(f'`licenses/{about.name}/{text}`' for text in sorted(about.texts))} | {about.home} |"
        for about in packages
    ]
    head = ["| package | version | licence | its text | from |", "|---|---|---|---|---|"]
    return "\n".join(["# Licences of the bundled packages", "", *head, *rows, ""])


def licences_page(bundled: dict[str, list[Bundled]]) -> str:
    """docs/licences.md: what every zip bundles. It says of no platform what another's does not."""
    packages = {about.name: about for found in bundled.values() for about in found}
    rows = [
        f"| [{about.name}]({about.home}) | {about.version} | {about.licence} |" for _, about in sorted(packages.items())
    ]
    pythons = [f"| {name} | {', '.join(TARGETS[name].pythons)} |" for name in bundled]
    return "\n".join(
        [
            "# What the zips bundle",
            "",
            "Made by `make package` from the metadata of the wheels, whose hashes `requirements/bundled.txt` pins. The",
            "texts of the licences lie in every zip, in `licenses/`. SynGen itself is GPL-3.0-or-later.",
            "",
            "| package | version | licence |",
            "|---|---|---|",
            *rows,
            "",
            "| platform | wheels for Python |",
            "|---|---|",
            *pythons,
            "",
            "Python 3.11 is that of Blender 4.5 and 5.0, 3.13 that of 5.1 and later, 3.14 that of Debian's own build.",
            "What the worker's environment gets beside them is in [architecture.md](architecture.md#dependencies).",
            "",
        ]
    )


def blender_ext(*arguments: str) -> None:
    """Blender's own extension tool: of the Blender that BLENDER names, else of Blender as a module."""
    if named := os.environ.get("BLENDER"):
        command = [*shlex.split(named), "--command", "extension"]
    else:
        spec = importlib.util.find_spec("bpy")
        if spec is None or spec.origin is None:
            raise SystemExit('This needs Blender as a module (`make package`), or BLENDER="command that starts it".')
        tool = next(Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
        command = [sys.executable, str(tool)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join([*command, arguments[0]])}:\n{done.stdout}{done.stderr}")


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
