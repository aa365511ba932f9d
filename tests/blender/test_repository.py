"""The static repository: one address from which Blender's own commands install the extension and bring a later version.

The zips here hold no wheels, so that nothing is downloaded; `make repository` tries those that are given away.
"""

import importlib
import json
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.versions

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("0.9.1", "0.10.0")


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("package"), importlib.import_module("repository")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of tmp_path / "www" on this machine."""
    (tmp_path / "www").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def zip_of(package, folder: Path, version: str) -> Path:
    source, target = folder / f"source-{version}", folder / f"syngen-{version}.zip"
    package.gather(source)
    manifest = source / "blender_manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    old = next(line for line in text.splitlines() if line.startswith("version = "))
    manifest.write_text(text.replace(old, f'version = "{version}"'), encoding="utf-8")
    package.blender_ext("build", "--source-dir", str(source), "--output-filepath", str(target))
    return target


def test_one_address_installs_the_extension_and_brings_the_next_version(tools, served: str, tmp_path: Path) -> None:
    package, repository = tools
    folder, resources = tmp_path / "www" / "syngen", tmp_path / "resources"
    resources.mkdir()
    for what, version in zip(("install", "update"), VERSIONS, strict=True):
        repository.generate(folder, [zip_of(package, tmp_path, version)])
        said = repository.try_repository(Path(sys.executable), resources, what, f"{served}/syngen", version)
        assert said.startswith(f"SynGen {version} {what}s")
        assert sorted(path.name for path in folder.iterdir()) == ["index.html", "index.json", f"syngen-{version}.zip"]
    assert f"syngen-{VERSIONS[1]}.zip" in (folder / "index.html").read_text(encoding="utf-8")


def test_a_repository_without_one_of_its_zips_is_not_made(tools, tmp_path: Path) -> None:
    _, repository = tools
    (tmp_path / "syngen-1.zip").write_bytes(b"no zip")
    with pytest.raises(SystemExit, match="0 of 1 zips"):
        repository.generate(tmp_path / "out", [tmp_path / "syngen-1.zip"])
    assert not (tmp_path / "out").exists()


def test_every_zip_is_for_one_platform_and_its_manifest_stays_whole(tools) -> None:
    package, _ = tools
    import tomllib

    plain = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    about = tomllib.loads(package.with_wheels(plain, "macos-x64", [Path("a-1-py3-none-any.whl")]))
    assert about["platforms"] == ["macos-x64"] and about["wheels"] == ["./wheels/a-1-py3-none-any.whl"]
    assert {k: v for k, v in about.items() if k not in ("platforms", "wheels")} == tomllib.loads(plain)
    assert json.dumps(sorted(package.TARGETS)) == '["linux-x64", "macos-arm64", "macos-x64", "windows-x64"]'
    assert all("3.11" in target.pythons for target in package.TARGETS.values())
