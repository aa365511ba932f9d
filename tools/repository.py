"""Makes a static repository of the zips in dist/: one address from which Blender installs and updates the extension.

    python tools/repository.py         run by `make repository`, after `make package`; the result is dist/repository/

dist/repository/ is put on any web server as it is (docs/install.md). Blender itself writes its index.json and the
table of its page. Imports the standard library and package.py.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from package import (  # type: ignore[import-not-found]
    DIST,
    HERE_NAME,
    ROOT,
    TARGETS,
    blender_ext,
    environments,
)

TEMPLATE = Path(__file__).with_name("repository.html")


def main() -> int:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    zips = sorted(DIST.glob(f"{manifest['id']}-{manifest['version']}-*.zip"))
    missing = [name for name in TARGETS if not any(name.replace("-", "_") in path.name for path in zips)]
    if missing:
        raise SystemExit(f"dist/ has no zip of {manifest['version']} for {', '.join(missing)}: run `make package`.")
    folder = DIST / "repository"
    generate(folder, zips)
    print(f"{folder.relative_to(ROOT)}: {', '.join(path.name for path in sorted(folder.iterdir()))}")
    if HERE_NAME in TARGETS:
        for python in environments():
            with tempfile.TemporaryDirectory(prefix="syngen-repository-") as resources:
                print(try_repository(python, Path(resources), "install", folder.as_uri(), manifest["version"]))
    return 0


def generate(folder: Path, zips: list[Path]) -> None:
    """Make folder a repository of these zips alone. What was there is replaced when the new one is whole."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for path in zips:
        _link(path, part / path.name)
    blender_ext("server-generate", "--repo-dir", str(part), "--html", f"--html-template={TEMPLATE}")
    index = part / "index.json"
    found = json.loads(index.read_text(encoding="utf-8"))
    if len(found["data"]) != len(zips):
        raise SystemExit(f"Blender lists {len(found['data'])} of {len(zips)} zips.")
    found["data"].sort(key=lambda about: about["archive_url"])  # Blender writes them as the disk gives them
    index.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def try_repository(python: Path, resources: Path, what: str, folder: str, version: str) -> str:
    """Install or update (what) from a repository as a person does, in the Blender of this Python; what came of it."""
    script, url = ROOT / "tools" / "try_repository.py", f"{folder.rstrip('/')}/index.json"
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(resources), "PYTHONPATH": "", "PYTHONNOUSERSITE": "1"}
    done = subprocess.run(
        [str(python), str(script), what, url, version], env=environment, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise SystemExit(f"The repository does not {what}:\n{done.stdout}{done.stderr}")
    return lines[-1]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())
