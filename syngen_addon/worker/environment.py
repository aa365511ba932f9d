"""The worker's Python environment: planned, made, checked, described and removed.

Runs inside Blender's Python, in a thread or headless. Imports the standard library, errors, files, protocol,
installing and weights only.

Everything lies in one folder, `home`, that the caller gives:

    <stamp>/            a virtual environment; `ready.json` in it is written last, without it nobody uses the folder
    cache/              what a set up has fetched so far; gone once it is complete
    logs/               what the installers said, the last few
    models/             the weights of style transfer (weights.py)

A set up that was stopped, by whatever, leaves its cache, and the next one makes the environment anew from it. It does
not go on with the half-made folder: an installer that was killed leaves packages that look whole and are not.
"""

import email
import getpass
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .. import files
from ..errors import SynGenError
from . import protocol
from .installing import (
    TAIL,
    Fetching,
    Progress,
    Session,
    ShouldStop,
    about_python,
    ask,
    child_environment,
    free_mb,
    locked,
    logs_of,
    no_window,
    numbers,
    pip_of,
    remove_folder,
    see,
    told,
)
from .weights import weights_in

Build = Literal["cpu", "cuda", "rocm", "apple"]
"""Which torch: for the processor alone, for NVIDIA, for AMD (Linux), for Apple Silicon."""

Installer = Literal["auto", "uv", "pip"]
"""uv fetches the torch of the build that is asked for. pip takes the torch that its own configuration finds, whatever
build that is: what works behind a mirror or on a closed machine. auto: pip where it is configured with an index of its
own, else uv (fetched where it is not there)."""


REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PYTHONS = ((3, 11), (3, 14))
"""The first and the last Python that every package of the requirements has wheels for."""

PIP = "pip==26.3"
"""Put into every new environment: those that Blender's Pythons bring do not say how far a download is."""
UV = "uv==0.13.8"
UV_OLDEST = (0, 9)
"""An older uv on the PATH is left alone: it does not know the indexes of today's torch."""
BACKENDS: dict[Build, str | None] = {"cpu": "cpu", "cuda": "auto", "rocm": "rocm7.2", "apple": None}
"""What uv calls the builds. auto looks at the driver and takes the CUDA that it can run."""

SIZES: dict[Build, tuple[int, int, bool]] = {
    "cpu": (360, 1570, True),
    "cuda": (2950, 7200, False),
    "rocm": (5200, 17000, False),
    "apple": (300, 1100, False),
}
"""MB to download, MB on disk, measured or not. Downloads of cuda and apple are the sums of the wheels' sizes."""

OLDEST = {
    "torch": "2.6",
    "diffusers": "0.42",
    "transformers": "5.23",
    "accelerate": "1.0",
    "peft": "0.21",
    "huggingface_hub": "2.4",
    "safetensors": "0.4.5",
    "scikit-image": "0.22",
    "opencv-python-headless": "4.8",
    "pillow": "10.0",
    "numpy": "1.26",
}
"""What an interpreter that somebody points to must have at least.

Those whose interfaces change from month to month as they are tested: with diffusers 0.35, transformers 4.56 and
huggingface_hub 0.34 downloads fail. Before 2.6 torch can run code in weights.
"""
MODULES = {"scikit-image": "skimage", "opencv-python-headless": "cv2", "pillow": "PIL"}
"""Where the module has another name than the package."""

NAMES: dict[Build, str] = {
    "cpu": "the processor alone",
    "cuda": "NVIDIA graphics cards (CUDA)",
    "rocm": "AMD graphics cards (ROCm)",
    "apple": "Apple Silicon",
}


LOAD_S = 300.0
"""How long importing torch may take; minutes where a virus scanner reads it for the first time."""


@dataclass(frozen=True)
class Plan:
    """What a set up would do. Nothing is changed by making one.

    lines: the plan in words, for a dialog. uv: the program on this machine, "" where it has to be fetched.
    venv: whether this Python can make environments by itself, else uv does it.
    """

    home: Path
    python: Path
    python_version: str
    build: Build
    installer: Literal["uv", "pip"]
    lines: tuple[str, ...]
    uv: str = ""
    venv: bool = True

    @property
    def folder(self) -> Path:
        """Where the environment will lie: another folder for other packages, another build, another Python."""
        parts = (_fingerprint(), self.build, self.installer, ".".join(self.python_version.split(".")[:2]))
        return self.home / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Found:
    """What an interpreter brings.

    python_version: "3.11.7", "" where it does not run. packages: name -> version of those the worker needs.
    torch_build: "cpu", "cuda", "rocm", "apple", "" without torch. problems: sentences, empty where it will do.
    """

    python: Path
    python_version: str
    packages: dict[str, str]
    torch_build: str
    problems: tuple[str, ...]

    @property
    def usable(self) -> bool:
        return not self.problems


# --- planning --------------------------------------------------------------------------------------------------------


def detect() -> Build:
    """The build for what is in this machine. Looks at files and the PATH only."""
    if sys.platform == "darwin":
        return "apple"
    if _nvidia():
        return "cuda"
    if sys.platform == "linux" and (
        Path("/opt/rocm").exists() or (Path("/dev/kfd").exists() and Path("/sys/module/amdgpu").exists())
    ):
        return "rocm"
    return "cpu"


def _nvidia() -> bool:
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return True
    system = os.environ.get("SYSTEMROOT", "")
    return bool(system) and (Path(system) / "System32" / "nvidia-smi.exe").exists()


def requirements() -> tuple[str, ...]:
    """The pinned packages of requirements.txt, with their markers."""
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text("utf-8").splitlines())
    return tuple(line for line in lines if line)


def _fingerprint() -> str:
    return hashlib.sha256("\n".join((*requirements(), PIP)).encode()).hexdigest()


def plan(home: Path, python: Path, build: Build | None = None, *, installer: Installer = "auto", online: bool) -> Plan:
    """What set_up would do; takes a second. build: None for what detect() finds.

    Raises SynGenError: no network allowed, too little space, a Python that cannot make environments or has no torch.
    """
    if not online:
        raise SynGenError(
            "Setting up the worker downloads packages, and Blender may not go online.",
            "Turn on Allow Online Access in Preferences > System, or point to an interpreter that has torch.",
        )
    about = about_python(python)
    uv = _uv_here()
    _check_python(about, bool(uv))
    build = build or detect()
    chosen = installer
    if chosen == "auto":
        chosen = "pip" if _pip_has_an_index(pip_of(python, about)) else "uv"
    download, disk, _ = SIZES[build]
    free = free_mb(home)
    if free < download + disk:
        raise SynGenError(
            f"Setting up the worker takes {_gb(download + disk)} for a while; {_gb(free)} are free in {home}.",
            "Free some space, or point to an interpreter that has torch.",
        )
    return Plan(
        home=home,
        python=python,
        python_version=about["version"],
        build=build,
        installer=chosen,
        lines=_in_words(home, about["version"], build, chosen, free),
        uv=uv,
        venv=about["venv"],
    )


def _in_words(home: Path, version: str, build: Build, installer: str, free: int) -> tuple[str, ...]:
    download, disk, measured = SIZES[build]
    about = "" if measured else "about "
    pins = dict(p.split(";")[0].split("==") for p in requirements())
    first = f"PyTorch {pins['torch']}, diffusers {pins['diffusers']} and what they need, for Python {version}"
    if installer == "pip":
        least, most = SIZES["cpu"][0], max(SIZES[b][0] for b in (build, "cuda"))
        return (
            first,
            "PyTorch in the build that pip finds by its own configuration",
            f"Downloads {_gb(least)} to {_gb(most)}, by that build, with pip",
            f"Takes {_gb(SIZES['cpu'][1])} to {_gb(SIZES['cuda'][1])} in {home} ({_gb(free)} free)",
        )
    return (
        first,
        f"PyTorch for {NAMES[build]}",
        f"Downloads {about}{_gb(download)} with uv",
        f"Takes {about}{_gb(disk)} in {home} ({_gb(free)} free)",
    )


def _gb(mb: float) -> str:
    return f"{mb / 1000:.1f} GB"


def _check_python(about: Mapping[str, Any], uv: bool) -> None:
    """Raises SynGenError for a Python that the requirements cannot be installed for."""
    version = numbers(about["version"])
    first, last = PYTHONS
    point = "Point to an interpreter that has torch."
    if not first <= version[:2] <= last or about["free_threaded"]:
        says = f"{about['version']}{', free-threaded' if about['free_threaded'] else ''}"
        raise SynGenError(f"There is no PyTorch for this Python ({says}).", point)
    if about["bits"] < 64:
        raise SynGenError("There is no PyTorch for 32 bit.", point)
    if about["system"] == "darwin" and about["machine"] == "x86_64":
        raise SynGenError("There is no PyTorch for Macs with an Intel processor any more.", point)
    if not about["venv"] and not uv:
        raise SynGenError(
            "This Python cannot make environments: its venv and ensurepip modules are missing.",
            "Install them (Debian: python3-venv) or uv, or point to an interpreter that has torch.",
        )


def _uv_here() -> str:
    """The uv on the PATH, "" where there is none that is new enough."""
    path = shutil.which("uv")
    if path is None:
        return ""
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=30.0, stdin=subprocess.DEVNULL, **no_window()
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+(\.\d+)+", said)
    return path if found and numbers(found[0]) >= UV_OLDEST else ""


def _pip_has_an_index(pip: Sequence[str]) -> bool:
    """Whether somebody has told pip where to look for packages."""
    said = ""
    if pip:
        with suppress(OSError, subprocess.TimeoutExpired):  # of a pip that does not run: then its variables speak
            said = subprocess.run(
                [*pip, "config", "list"],
                capture_output=True,
                text=True,
                timeout=60.0,
                stdin=subprocess.DEVNULL,
                env=child_environment(),
                **no_window(),
            ).stdout
    keys = ("index-url", "extra-index-url", "find-links", "no-index")
    return any(re.search(rf"[.]{key}=", said) or os.environ.get("PIP_" + key.upper().replace("-", "_")) for key in keys)


# --- setting up ------------------------------------------------------------------------------------------------------


def set_up(
    plan: Plan, *, progress: Progress = lambda fraction, text: None, should_stop: ShouldStop = lambda: False
) -> Path:
    """Make the environment; blocks for minutes. Returns its interpreter.

    What was fetched before a cancel, a crash or an error is not fetched again. progress(0 to 1, what is being done) and
    should_stop are called from this thread, several times a second. Raises SynGenError (its hint names the log) and
    Cancelled.
    """
    with told(plan.home), locked(plan.home) as lock:
        session = Session(plan.home, "setup", lock, progress, should_stop)
        python = _interpreter(plan.folder)
        if _marker(plan.folder) and not _repaired(plan, session):
            (plan.folder / "ready.json").unlink()
        if not _marker(plan.folder):
            session.say(0.0, "Making the environment")
            remove_folder(plan.folder)
            _make_venv(plan, session)
            (_install_by_uv if plan.installer == "uv" else _install_by_pip)(plan, session, python)
            session.say(0.97, "Trying it out")
            found = _accepted(plan, session, python)
            _mark(plan, found)
        for other in _environments(plan.home):
            if other != plan.folder:
                remove_folder(other)
        remove_folder(plan.home / "cache")
        progress(1.0, "The worker is set up")
        return python


def _interpreter(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _make_venv(plan: Plan, session: Session) -> None:
    if plan.venv:
        session.run([plan.python, "-I", "-m", "venv", plan.folder])
    else:
        session.run([plan.uv, "venv", "--seed", "--no-project", "--python", plan.python, plan.folder])


def _repaired(plan: Plan, session: Session) -> bool:
    """Whether a finished environment works, on a Blender that was moved or updated too: its packages stay."""
    python = _interpreter(plan.folder)
    if not _alive(plan.folder):
        session.say(0.1, "Moving the environment to this Blender's Python")
        python.unlink(missing_ok=True)
        try:
            session.run([plan.python, "-I", "-m", "venv", "--upgrade", "--without-pip", plan.folder])
        except SynGenError:  # its log says why; then it is made anew
            return False
    session.say(0.5, "Trying it out")
    return check(python, load=True).usable


_UV_FILE = re.compile(r"\s*(Downloading|Downloaded) (\S+)(?: \(([\d.]+)([KMG]iB)\))?$")
_UV_MB = {"KiB": 1024e-6, "MiB": 1.048576, "GiB": 1073.741824}


def _install_by_pip(plan: Plan, session: Session, python: Path) -> None:
    """Fetch every wheel into the cache, then install from there."""
    _pip_itself(session, python)
    wheels = _fetch_wheels(plan, session, python)
    session.say(0.8, "Installing the packages")
    grown = _growing(session, plan.folder, plan.build, 0.8, 0.97, "Installing the packages")
    local = ("--no-index", "--find-links", str(wheels))
    session.run([*_pip(python, "install"), *local, "-r", str(REQUIREMENTS)], tick=grown)


def _pip(python: Path, command: str) -> list[str]:
    return [str(python), "-I", "-X", "utf8", "-u", "-m", "pip", command, "--no-cache-dir"]


def _pip_itself(session: Session, python: Path, *more: str) -> None:
    session.say(0.01, "Fetching pip")
    session.run([*_pip(python, "install"), "--only-binary", ":all:", "--progress-bar", "off", PIP, *more])


def _fetch_wheels(plan: Plan, session: Session, python: Path) -> Path:
    """The folder with every wheel of the environment. What pip finds there it does not fetch again.

    Everything but torch is pinned with all it needs and is fetched as it stands. What torch needs depends on its build:
    its own wheel says it, and each of these (gigabytes for CUDA) is fetched by itself, so that a cancel loses no more.
    """
    folder = plan.home / "cache" / plan.folder.name
    folder.mkdir(parents=True, exist_ok=True)
    _remove_broken(folder)
    fetching = Fetching(session, 0.03, 0.8, SIZES[plan.build][0])
    listed = session.temporary / "pins.txt"

    def fetch(lines: Sequence[str], *more: str) -> None:
        listed.write_text("\n".join(lines), "utf-8")
        command = [*_pip(python, "download"), "--only-binary", ":all:", "--progress-bar", "raw", *more]
        session.run([*command, "--dest", str(folder), "-r", str(listed)], line=fetching.line)

    pins = requirements()
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    fetch([pin for pin in pins if pin != torch], "--no-deps")
    fetch([torch], "--no-deps")
    for need in _needs_of_torch(folder, pins):
        fetch([need], "--find-links", str(folder), "-c", str(REQUIREMENTS))
    return folder


def _remove_broken(folder: Path) -> None:
    """Wheels that were being written when pip was killed: a cut off archive has no directory at its end."""
    for wheel in folder.glob("*.whl"):
        if not zipfile.is_zipfile(wheel):
            wheel.unlink()


def _needs_of_torch(folder: Path, pinned: Sequence[str]) -> list[str]:
    """What the fetched torch asks for beyond what is pinned, as requirements with their markers."""
    have = {_normal(re.split(r"[=;\[ ]", pin, maxsplit=1)[0]) for pin in pinned}
    with zipfile.ZipFile(next(folder.glob("torch-*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        needs = email.message_from_bytes(wheel.read(name)).get_all("Requires-Dist", [])
    return [n for n in needs if "extra ==" not in n and _normal(re.split(r"[^\w.-]", n, maxsplit=1)[0]) not in have]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _install_by_uv(plan: Plan, session: Session, python: Path) -> None:
    """uv keeps what it has fetched in its cache by itself. It does not say how far it is: its cache's size does."""
    uv = plan.uv
    if not uv:
        _pip_itself(session, python, UV)
        uv = str(python.with_name("uv.exe" if sys.platform == "win32" else "uv"))
    cache = plan.home / "cache" / "uv"
    command = [uv, "pip", "install", "--python", str(python), "--only-binary", ":all:", "--cache-dir", str(cache)]
    backend = BACKENDS[plan.build]
    if backend is not None:
        command += ["--torch-backend", backend]
    session.say(0.05, "Looking up the packages")
    going: dict[str, float] = {}

    def line(text: str) -> None:
        if found := _UV_FILE.match(text):
            if found[1] == "Downloaded":
                going.pop(found[2], None)
            elif found[3]:
                going[found[2]] = float(found[3]) * _UV_MB[found[4]]
            if going:
                name = max(going, key=lambda each: going[each])
                more = f" and {len(going) - 1} more" if len(going) > 1 else ""
                session.say(0.05, f"Fetching {name} ({going[name]:.0f} MB){more}")

    session.run([*command, "-r", REQUIREMENTS], line=line, tick=_growing(session, cache, plan.build, 0.05, 0.95, ""))


def _growing(session: Session, folder: Path, build: Build, start: float, stop: float, text: str) -> Callable[[], None]:
    """Reports how full a folder has become."""
    return lambda: session.say(start + min(1.0, size_mb(folder) / SIZES[build][1]) * (stop - start), text)


def _accepted(plan: Plan, session: Session, python: Path) -> Found:
    """What was installed, tried out. Raises SynGenError where it does not load or is not the build asked for."""
    found = check(python, load=True)
    with session.log.open("a", encoding="utf-8") as log:
        print("\n".join((f"checked: {found}", *found.problems)), file=log)
    if not found.usable:
        raise SynGenError(f"What was installed does not work: {found.problems[0]}", see(session.log))
    if plan.installer == "uv" and plan.build in ("cuda", "rocm") and found.torch_build != plan.build:
        raise SynGenError(
            f"uv found no PyTorch for {NAMES[plan.build]} that this machine's driver can run.",
            f"Update the driver, or choose the build for {NAMES['cpu']}. {see(session.log)}",
        )
    return found


# --- what is there ---------------------------------------------------------------------------------------------------


def _mark(plan: Plan, found: Found) -> None:
    facts = {
        "requirements": _fingerprint(),
        "build": found.torch_build,
        "installer": plan.installer,
        "python": found.python_version,
        "torch": found.packages.get("torch", ""),
    }
    files.write_bytes(plan.folder / "ready.json", json.dumps(facts, indent=1).encode())


def _marker(folder: Path) -> dict[str, str]:
    """What a finished environment is, {} for any other folder and for one of other requirements."""
    try:
        facts = json.loads((folder / "ready.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) and facts.get("requirements") == _fingerprint() else {}


def _alive(folder: Path) -> bool:
    """Whether the Python that the environment was made from is still where it was."""
    if not _interpreter(folder).exists():  # follows the link
        return False
    try:
        home = re.search(r"^home\s*=\s*(.+)$", (folder / "pyvenv.cfg").read_text("utf-8"), re.M)
    except (OSError, ValueError):
        return False
    return home is not None and Path(home[1].strip()).is_dir()


def _environments(home: Path) -> list[Path]:
    if not home.is_dir():
        return []
    return sorted(path for path in home.iterdir() if re.fullmatch(r"[0-9a-f]{12}", path.name) and path.is_dir())


def python_in(home: Path) -> Path | None:
    """The interpreter of the finished environment, None where there is none for this version. Reads a file or two."""
    return next((_interpreter(p) for p in _environments(home) if _marker(p) and _alive(p)), None)


def remove(home: Path) -> None:
    """Remove the environment, what is cached and the weights, but not the logs. End the worker first.

    Raises SynGenError while a set up runs, or where files cannot be removed.
    """
    if not home.is_dir():
        return
    with told(home), locked(home):
        folders = _environments(home)
        for folder in folders:  # first of all nobody may begin to use it
            (folder / "ready.json").unlink(missing_ok=True)
        for folder in (*folders, home / "cache", home / "models"):
            remove_folder(folder)


def size_mb(home: Path) -> int:
    """What the folder takes on disk, MB (1e6 bytes), 0 where it is not there. A file of two names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for place, _, names in os.walk(home):
        for name in names:
            try:
                facts = os.lstat(os.path.join(place, name))
            except FileNotFoundError:  # an installer's file that has been moved meanwhile
                continue
            key = (facts.st_dev, facts.st_ino)
            if facts.st_ino == 0 or key not in seen:
                seen.add(key)
                total += facts.st_size
    return round(total / 1e6)


# --- checking --------------------------------------------------------------------------------------------------------

_ABOUT_PACKAGES = """
import importlib.metadata, importlib.util, json, pathlib, platform, sys
packages = {}
for name in NAMES:
    try:
        packages[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
if "opencv-python-headless" not in packages:
    for other in ("opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"):
        try:
            packages["opencv-python-headless"] = importlib.metadata.version(other)
        except importlib.metadata.PackageNotFoundError:
            pass
build = ""
spec = importlib.util.find_spec("torch")
if spec is not None and spec.origin:
    facts = {"__name__": "version"}
    file = pathlib.Path(spec.origin).with_name("version.py")
    if file.exists():
        exec(compile(file.read_text("utf-8"), str(file), "exec"), facts)
    build = "cuda" if facts.get("cuda") else "rocm" if facts.get("hip") else ""
    build = build or ("apple" if sys.platform == "darwin" else "cpu")
print(json.dumps({"version": platform.python_version(), "packages": packages, "build": build}))
"""

_LOAD = """
import importlib, sys
for name in NAMES:
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(f"{name}: {type(error).__name__}: {error}")
        sys.exit(3)
"""


def check(python: Path, *, load: bool = False) -> Found:
    """What an interpreter brings and lacks, ours or another; raises nothing. load: also import every package for real
    (seconds), which finds what is installed but broken."""
    try:
        done = ask(python, f"NAMES = {list(OLDEST)!r}\n{_ABOUT_PACKAGES}")
        said = json.loads(done.stdout)
        version, packages, build = said["version"], dict(said["packages"]), said["build"]
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        return Found(python, "", {}, "", (f"{python} does not run as a Python.",))
    problems = _problems(version, packages)
    if load and not problems:
        problems = _load(python)
    return Found(python, version, packages, build, tuple(problems))


def _problems(version: str, packages: Mapping[str, str]) -> list[str]:
    problems = []
    if numbers(version) < PYTHONS[0]:
        problems.append(f"It is Python {version}; the worker needs {'.'.join(map(str, PYTHONS[0]))} or newer.")
    missing = [name for name in OLDEST if name not in packages]
    if missing:
        problems.append(f"It lacks {_listed(missing)}.")
    problems += [
        f"Its {name} is {packages[name]}; the worker needs {oldest} or newer."
        for name, oldest in OLDEST.items()
        if name in packages and numbers(packages[name]) < numbers(oldest)
    ]
    return problems


def _load(python: Path) -> list[str]:
    names = [MODULES.get(name, name) for name in OLDEST]
    try:
        done = ask(python, f"NAMES = {names!r}\n{_LOAD}", LOAD_S)
    except subprocess.TimeoutExpired:
        return [f"Its packages did not load within {LOAD_S:.0f} seconds."]
    if done.returncode == 0:
        return []
    said = done.stdout.strip().splitlines()[-1:] if done.returncode == 3 else []
    reason = said[0][:300] if said else f"the interpreter ended with status {done.returncode}"
    return [f"Its packages do not load: {reason}."]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- describing ------------------------------------------------------------------------------------------------------


def diagnose(home: Path, python: Path | None, *, extra: Mapping[str, str] | None = None) -> str:
    """A text for a bug report: system, devices, Python, packages, space, the end of the last logs. No user name in it.

    python: the interpreter in use, None where there is none. extra: what the caller knows, "name" -> "text", as the
    worker's Probe. Takes seconds; raises nothing.
    """
    lines = [
        f"system: {platform.platform()}, {platform.machine()}, {os.cpu_count()} processors",
        f"fitting build: {detect()} (NVIDIA {_yes(_nvidia())}, ROCm {_yes(Path('/opt/rocm').exists())})",
        f"this Python: {platform.python_version()}",
        f"protocol: {protocol.VERSION}",
        f"folder: {home}, {size_mb(home)} MB, {free_mb(home)} MB free",
        f"uv: {_uv_here() or 'none'}",
    ]
    for folder in _environments(home):
        facts = ", ".join(f"{name} {text}" for name, text in _marker(folder).items() if name != "requirements")
        lines.append(f"environment {folder.name}: {facts or 'not finished, or of another version'}")
    lines.append(f"style weights: {_yes(weights_in(home) is not None)}")
    lines += _interpreter_in_words(python)
    lines += [f"{name}: {text}" for name, text in (extra or {}).items()]
    for log in _last_logs(home):
        lines += ["", f"--- the end of {log.name}"]
        try:
            lines += log.read_text("utf-8", "replace").splitlines()[-TAIL:]
        except OSError as error:
            lines.append(f"cannot be read: {error.strerror}")
    return without_names("\n".join(lines)) + "\n"


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _interpreter_in_words(python: Path | None) -> list[str]:
    if python is None:
        return ["interpreter: none"]
    found = check(python, load=True)
    return [
        f"interpreter: {python}, Python {found.python_version or 'unknown'}, torch: {found.torch_build or 'none'}",
        f"packages: {', '.join(f'{name} {version}' for name, version in found.packages.items()) or 'none'}",
        *(f"problem: {problem}" for problem in found.problems),
    ]


def _last_logs(home: Path) -> list[Path]:
    """The installers' last one, and what else lies there: the worker's own."""
    ours = logs_of(home)
    others = sorted(path for path in (home / "logs").glob("*.log") if path not in ours)
    return [*ours[-1:], *others]


def without_names(text: str) -> str:
    """No home folder, no user's name as part of a path, no password of an index, no token of the hub."""
    text = re.sub(r"(://)[^/@\s]+@", r"\1***@", text)
    text = re.sub(r"\b(hf_(?=[A-Za-z0-9]{20})|Bearer )[\w.~+/=-]+", r"\1***", text)
    home = str(Path.home())
    for form in {home, home.replace("\\", "/"), home.replace("\\", "\\\\")} - {"/"}:
        text = text.replace(form, "~")
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a system without a name for this user
        return text
    return re.sub(rf"(?<=[/\\]){re.escape(user)}(?=[/\\]|$)", "user", text, flags=re.M)
