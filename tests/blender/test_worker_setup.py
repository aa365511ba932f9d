"""The worker as Blender's side gets it: which Python, how it is set up, checked and described, by button and command.

No torch here: environments are stood in for, and what a real one does is tested in tests/pure and tests/worker.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import addon_utils
import bpy
import pytest

from tests.blender import helpers as h

PACKAGE = "bl_ext.user_default.syngen"
LOCK = threading.Lock()


@pytest.fixture(autouse=True)
def clean(addon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker's folder of its own, nobody's choice of Python, no network, nothing left running."""
    worker, setup, task = addon("blender.worker"), addon("blender.worker_setup"), addon("blender.task")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(worker, "home", lambda: home)
    monkeypatch.delenv(worker.VARIABLE, raising=False)
    monkeypatch.setattr(bpy.context.preferences.system, "use_online_access", False)
    preferences(addon).interpreter = ""
    setup.forget()
    yield
    if addon_utils.check(PACKAGE) == (True, True):
        preferences(addon).interpreter = ""
    worker.choose(None)
    worker.stop()
    setup.forget()
    task.forget()


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpy.context.preferences.system, "use_online_access", True)


def preferences(addon) -> Any:
    return bpy.context.preferences.addons[PACKAGE].preferences


def program(folder: Path, name: str = "python") -> Path:
    """A file that stands in for an interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text("#!/bin/sh\nexit 1\n")
    file.chmod(0o755)
    return file


def recipe(addon, **sections: dict[str, Any]) -> Any:
    return addon("recipe").from_dict(sections)


def wait(task: ModuleType, made: Any) -> None:
    """What the timer does, without a window."""
    made.join()
    task._poll()


def refused(call: Any, *arguments: Any, **more: Any) -> str:
    """What an operator says when it refuses."""
    with pytest.raises(RuntimeError) as error:
        call(*arguments, **more)
    return str(error.value)


# --- which Python ----------------------------------------------------------------------------------------------------


def test_the_nearest_choice_of_python_counts(addon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, environment = addon("blender.worker"), addon("worker.environment")
    assert worker.python() is None
    own, preferred, named, told = (program(tmp_path, name) for name in ("own", "preferred", "named", "told"))
    monkeypatch.setattr(environment, "python_in", lambda home: own)
    assert worker.interpreter() == worker.Interpreter(own, "own")
    preferences(addon).interpreter = str(preferred)
    assert worker.interpreter() == worker.Interpreter(preferred, "preferences")
    monkeypatch.setenv(worker.VARIABLE, str(named))
    assert worker.interpreter() == worker.Interpreter(named, worker.VARIABLE)
    worker.choose(told)
    assert worker.interpreter() == worker.Interpreter(told, "command line")
    worker.choose(None)
    assert worker.python() == named


@pytest.mark.parametrize(
    ("choose", "where"),
    [
        (lambda worker, path, monkeypatch: worker.choose(path), "--worker-python"),
        (lambda worker, path, monkeypatch: monkeypatch.setenv(worker.VARIABLE, path), "SYNGEN_WORKER_PYTHON"),
    ],
)
def test_a_python_that_is_not_there_is_named_with_its_chooser(addon, choose, where, monkeypatch) -> None:
    worker = addon("blender.worker")
    choose(worker, "/nowhere/python", monkeypatch)
    with pytest.raises(addon("errors").SynGenError, match=f"{where}.*/nowhere/python") as error:
        worker.check_python()
    assert "Set Up" in error.value.hint


def test_without_a_python_the_error_says_how_to_set_it_up(addon) -> None:
    with pytest.raises(addon("errors").SynGenError) as error:
        addon("blender.worker").get()
    assert error.value.message == "Stable Diffusion and neural style transfer are not set up."
    assert "worker set-up --online." in error.value.hint  # there is no window here, and no network


def test_where_blender_may_go_online_no_hint_asks_for_it(addon, online: None) -> None:
    worker = addon("blender.worker")
    assert "worker set-up." in worker.how_to_set_up()
    with pytest.raises(addon("errors").SynGenError) as error:
        worker.weights(recipe(addon, transfer={"method": "gatys"}))
    assert "worker weights." in error.value.hint


def test_weights_that_are_not_here_are_fetched_by_the_command_as_it_stands(addon) -> None:
    worker = addon("blender.worker")
    with pytest.raises(addon("errors").SynGenError) as error:
        worker.weights(recipe(addon, transfer={"method": "gatys"}))
    assert f"{worker.command()} worker weights --online." in error.value.hint


def test_the_worker_is_shared_until_the_choice_changes(addon, tmp_path: Path) -> None:
    worker = addon("blender.worker")
    preferences(addon).interpreter = str(program(tmp_path, "one"))
    first = worker.get()
    assert worker.get() is first
    preferences(addon).interpreter = str(program(tmp_path, "two"))
    assert worker.get() is not first
    assert worker.get().python == tmp_path / "two"


# --- what a recipe needs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "needed"),
    [
        ({}, False),
        ({"texture": {"method": "diffusion"}}, True),
        ({"transfer": {"method": "diffusion"}}, True),
        ({"transfer": {"method": "gatys"}}, True),
        ({"transfer": {"method": "adain"}}, True),
    ],
)
def test_what_needs_the_worker_is_refused_without_it(addon, sections: dict[str, Any], needed: bool) -> None:
    worker, made = addon("blender.worker"), recipe(addon, **sections)
    assert worker.needed(made) == needed
    if not needed:
        worker.check(made)
        return
    with pytest.raises(addon("errors").SynGenError, match="not set up"):
        worker.check(made)


def test_weights_are_the_recipes_own_or_those_of_get_weights(addon, tmp_path: Path, monkeypatch) -> None:
    worker, fetched = addon("blender.worker"), addon("worker.weights")
    worker.choose(program(tmp_path))
    gatys = recipe(addon, transfer={"method": "gatys"})
    adain = recipe(addon, transfer={"method": "adain"}, neural={"vgg": "/mine/vgg.pth"})
    for each in (gatys, adain):
        with pytest.raises(addon("errors").SynGenError, match=r"weights.*Get Weights"):
            worker.check(each)
    ours = fetched.Weights(tmp_path / "vgg.pth", tmp_path / "decoder.pth")
    monkeypatch.setattr(fetched, "weights_in", lambda home: ours)
    assert worker.weights(gatys) == (str(ours.vgg), "")
    assert worker.weights(adain) == ("/mine/vgg.pth", str(ours.decoder))
    worker.check(gatys)
    worker.check(adain)


@pytest.mark.versions
def test_a_job_of_the_window_is_told_the_python(addon, tmp_path: Path) -> None:
    worker, path = addon("blender.worker"), program(tmp_path)
    preferences(addon).interpreter = str(path)
    assert worker.arguments(recipe(addon)) == []
    assert worker.arguments(recipe(addon, texture={"method": "diffusion"})) == ["--worker-python", str(path)]


# --- how it stands ---------------------------------------------------------------------------------------------------


def status_of(addon) -> Any:
    """The status once the interpreter was looked into."""
    setup = addon("blender.worker_setup")
    first = setup.status()
    assert first.state == "looking"
    for thread in list(setup._looking.values()):
        thread.join()
    assert setup._show_found() is None
    return setup.status()


@pytest.mark.versions
def test_the_status_says_what_is_there(addon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup, environment = addon("blender.worker_setup"), addon("worker.environment")
    assert setup.status() == setup.Status("missing", "Not set up")
    home = addon("blender.worker").home()
    path = program(home / "0123456789ab")
    found = {
        "good": environment.Found(path, "3.11.7", {"torch": "2.13.0+cu130"}, "cuda", ()),
        "bad": environment.Found(path, "3.11.7", {}, "", ("It lacks torch.",)),
    }
    looked = []
    monkeypatch.setattr(environment, "check", lambda python, load=False: looked.append(python) or found["good"])
    monkeypatch.setattr(environment, "python_in", lambda home: path)
    expected = setup.Status("ready", "Ready: torch 2.13.0, NVIDIA (CUDA)", (f"0 MB in {home}",))
    assert status_of(addon) == expected
    setup.status()
    assert looked == [path]  # once, not with every redraw
    monkeypatch.setattr(environment, "check", lambda python, load=False: found["bad"])
    preferences(addon).interpreter = str(path)
    expected = setup.Status("broken", "The interpreter cannot be used", ("It lacks torch.",), own=False)
    assert status_of(addon) == expected


@pytest.mark.versions
def test_the_preferences_draw_every_state(addon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, online: None) -> None:
    """Not how it looks, which needs a window: that every branch of the drawing runs and names operators that exist."""
    module, setup, task = addon("blender.preferences"), addon("blender.worker_setup"), addon("blender.task")
    layout = Layout()
    context = SimpleNamespace(region=None, preferences=bpy.context.preferences)

    def drawn() -> str:
        layout.texts.clear()
        module.SYNGEN_AP_preferences.draw(
            SimpleNamespace(layout=layout, bl_rna=None, gallery="", interpreter="", installer="AUTO"), context
        )
        return "\n".join(layout.texts)

    assert "Not set up" in drawn() and "Set Up..." in drawn() and "Network" not in drawn()
    bpy.context.preferences.system.use_online_access = False
    assert "Allow Online Access" in drawn()
    for state, lines in (("ready", ()), ("broken", ("It lacks torch.",)), ("looking", ())):
        monkeypatch.setattr(setup, "status", lambda state=state, lines=lines: setup.Status(state, state, lines, False))
        assert all(line in drawn() for line in (state, *lines))
        assert "Set Up" not in drawn().replace("Set Up and Get", "")
    going = threading.Event()
    made = task.begin(task.Task("set-up", lambda say: going.wait(10) and "Set up."))
    made.progress(0.25, "Fetching torch")
    assert "Setting up" in drawn() and "Fetching torch" in drawn()
    made.cancel()
    assert "Stopping ..." in drawn()
    going.set()
    wait(task, made)
    assert "Set up." in drawn()

    def fail(say: Any) -> str:
        raise addon("errors").SynGenError("No space.", "Free some.")

    wait(task, task.begin(task.Task("weights", fail)))
    assert "No space. Free some." in drawn()


class Layout:
    """Stands in for a layout: remembers the texts, checks that operators exist."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, text: str = "", **more: Any) -> "Layout":
            if name == "operator":
                group, _, identifier = arguments[0].partition(".")
                assert identifier in dir(getattr(bpy.ops, group)), arguments[0]
            self.texts.append(text)
            return self

        return call


# --- tasks -----------------------------------------------------------------------------------------------------------


@pytest.mark.versions
def test_a_task_tells_its_end_in_the_main_thread(addon) -> None:
    task, ended = addon("blender.task"), []

    def work(say: Any) -> str:
        say.progress(2.0, "Half")
        return "Done."

    made = task.begin(task.Task("weights", work), lambda each: ended.append((each, threading.current_thread())))
    assert bpy.app.timers.is_registered(task._poll)
    made.join()
    assert ended == []
    assert task._poll() is None
    assert ended == [(made, threading.main_thread())]
    assert (made.told, made.fraction, made.error, made.cancelled) == ("Done.", 1.0, None, False)
    assert task.running() is None and task.latest("weights") is made and task.latest("model") is None
    assert task._poll() is None and len(ended) == 1


def test_one_task_at_a_time_and_it_can_be_cancelled(addon) -> None:
    task, errors = addon("blender.task"), addon("errors")
    stopped = threading.Event()

    def work(say: Any) -> str:
        while not say.should_stop():
            stopped.wait(0.01)
        raise errors.Cancelled

    made = task.begin(task.Task("set-up", work))
    with pytest.raises(errors.SynGenError, match="Set Up is running"):
        task.begin(task.Task("weights", work))
    assert "Set Up is running" in refused(bpy.ops.syngen.diagnose)
    assert bpy.ops.syngen.cancel_task() == {"FINISHED"}
    wait(task, made)
    assert made.cancelled and not made.stopping
    assert "Nothing is running" in refused(bpy.ops.syngen.cancel_task)


def test_a_mistake_in_a_task_is_an_error_and_not_an_endless_wait(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    task = addon("blender.task")
    monkeypatch.setattr(threading, "excepthook", lambda about: None)

    def work(say: Any) -> str:
        raise ZeroDivisionError("by nothing")

    made = task.begin(task.Task("model", work))
    wait(task, made)
    assert "ZeroDivisionError: by nothing" in str(made.error)


def test_what_follows_a_task_may_begin_another(addon) -> None:
    task = addon("blender.task")
    second = task.Task("model", lambda say: "Second.")
    first = task.begin(task.Task("resolve", lambda say: ""), lambda ended: task.begin(second))
    first.join()
    task._poll()
    second.join()
    assert task.latest() is second
    task._poll()
    assert second.told == "Second."


@pytest.mark.versions
def test_switching_off_while_a_task_runs_leaves_nothing(addon) -> None:
    """Neither the task's thread nor its timer nor the process of a worker."""
    task, worker, protocol = addon("blender.task"), addon("blender.worker"), addon("worker.protocol")
    worker.choose(sys.executable)
    runner = worker.get()
    with pytest.raises(addon("errors").SynGenError, match="torch is missing"):
        runner.run(protocol.Unload())
    pid, begun = runner.pid, threading.Event()
    assert pid is not None

    def work(say: Any) -> str:
        begun.set()
        while not say.should_stop():
            threading.Event().wait(0.01)
        raise addon("errors").Cancelled

    made = task.begin(task.Task("set-up", work))
    assert begun.wait(10)
    poll = task._poll
    addon_utils.disable(PACKAGE, default_set=True)
    assert made.done and made.cancelled
    assert not bpy.app.timers.is_registered(poll)
    assert not [t for t in threading.enumerate() if t.name.startswith("SynGen")]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")
def test_switching_off_ends_a_set_up_with_what_it_started(addon, tmp_path: Path) -> None:
    """The real set_up(), whose Python hangs."""
    environment, task, setup = addon("worker.environment"), addon("blender.task"), addon("blender.worker_setup")
    os.mkfifo(tmp_path / "pid")
    python = program(tmp_path)
    python.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    home = addon("blender.worker").home()
    plan = environment.Plan(home, python, "3.11.7", "cpu", "pip", ())
    made = task.begin(setup.set_up(plan))
    pid = int((tmp_path / "pid").read_text())  # waits until it is written
    addon_utils.disable(PACKAGE, default_set=True)
    assert made.cancelled
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert environment.python_in(home) is None


# --- operators -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "what"), [("set_up", "Set Up"), ("get_weights", "Get Weights"), ("get_model", "Getting a model")]
)
def test_without_network_they_say_so(addon, name: str, what: str) -> None:
    message = refused(getattr(bpy.ops.syngen, name))
    assert f"{what} needs the network" in message
    assert "Preferences > System > Network > Allow Online Access" in message


def test_nothing_to_check_and_nothing_to_remove(addon) -> None:
    assert "not set up" in refused(bpy.ops.syngen.check_worker)
    assert "nothing to remove" in refused(bpy.ops.syngen.remove_worker)


def test_a_model_needs_a_worker_and_a_name(addon, online: None, tmp_path: Path) -> None:
    assert "not set up" in refused(bpy.ops.syngen.get_model, model="owner/name")
    addon("blender.worker").choose(program(tmp_path))
    assert "No model is named" in refused(bpy.ops.syngen.get_model)


def test_set_up_makes_what_the_environment_module_makes(addon, online: None, tmp_path: Path, monkeypatch) -> None:
    environment, setup = addon("worker.environment"), addon("blender.worker_setup")
    asked: list[Any] = []
    path = program(tmp_path)
    plan = SimpleNamespace(home=addon("blender.worker").home())
    monkeypatch.setattr(environment, "plan", lambda *a, **k: asked.append((a, k)) or plan)
    monkeypatch.setattr(environment, "set_up", lambda plan, **k: asked.append(plan) or path)
    found = environment.Found(path, "3.11.7", {"torch": "2.13.0"}, "cpu", ())
    monkeypatch.setattr(environment, "check", lambda python, load=False: found)
    preferences(addon).installer = "PIP"
    assert bpy.ops.syngen.set_up(build="CPU") == {"FINISHED"}
    preferences(addon).installer = "AUTO"
    (arguments, more), made = asked
    assert arguments == (addon("blender.worker").home(), Path(sys.executable), "cpu")
    assert more == {"installer": "pip", "online": True}
    assert made is plan
    monkeypatch.setattr(environment, "python_in", lambda home: path)
    assert setup.status().title == "Ready: torch 2.13.0, processor only"


@pytest.mark.versions
def test_a_downloaded_model_is_asked_for_first(addon, online: None, tmp_path: Path, monkeypatch) -> None:
    worker, protocol, setup = addon("blender.worker"), addon("worker.protocol"), addon("blender.worker_setup")
    jobs: list[Any] = []
    answer = {"path": "", "total_bytes": 4_000_000_000, "missing_bytes": 1_500_000_000, "licence": "openrail"}

    def run(job: Any, **more: Any) -> dict[str, Any]:
        jobs.append(job)
        return answer

    worker.choose(program(tmp_path))
    monkeypatch.setattr(worker, "get", lambda: SimpleNamespace(run=run))
    assert bpy.ops.syngen.get_model(model="owner/name", role="lora") == {"FINISHED"}
    resolve, download = protocol.Resolve("owner/name", "lora", online=True), protocol.Download("owner/name", "lora")
    assert jobs == [resolve, download]
    found: list[Any] = []
    setup.resolve("owner/name", "lora", found.append).run()
    assert setup.in_words(found[0]) == ("owner/name: 1.5 GB of 4.0 GB, the rest is here.", "License: openrail.")
    assert not found[0].here
    answer |= {"missing_bytes": 0, "path": "/models/name", "licence": ""}
    setup.resolve("owner/name", "lora", found.append).run()
    assert found[1].here and "not stated" in setup.in_words(found[1])[1]
    answer |= {"missing_bytes": -1, "path": ""}
    with pytest.raises(addon("errors").SynGenError, match="hub does not answer"):
        setup.resolve("owner/name", "lora", found.append).run()


# --- the command line ------------------------------------------------------------------------------------------------


def run(addon, *words: str) -> int:
    return addon("blender.cli").main(["worker", *words], "batch.py")


@pytest.mark.parametrize("words", [(), ("polish",), ("set-up", "--build", "abacus"), ("model",)])
def test_wrong_words_end_in_2(addon, words: tuple[str, ...], capfd) -> None:
    assert run(addon, *words) == 2
    assert "usage: batch.py worker" in capfd.readouterr().err


def test_check_says_what_is_missing(addon, capfd) -> None:
    assert run(addon, "check") == 1
    assert "are not set up" in capfd.readouterr().err
    assert run(addon, "check", "--worker-python", sys.executable) == 1
    captured = capfd.readouterr()
    assert "It lacks torch" in captured.err
    assert "Looking into the interpreter" in captured.out
    assert addon("blender.worker").python() is None  # the choice was that command's alone


def test_without_network_the_command_says_how_to_allow_it(addon, capfd) -> None:
    for words in (("set-up",), ("weights",)):
        assert run(addon, *words) == 1
        assert "needs the network, which this Blender may not use. Add --online" in capfd.readouterr().err


def test_set_up_prints_its_plan_and_stops_at_a_signal(addon, capfd, monkeypatch) -> None:
    environment, cli, errors = addon("worker.environment"), addon("blender.cli"), addon("errors")
    plan = SimpleNamespace(lines=("PyTorch for the processor alone", "Downloads 0.4 GB"))
    monkeypatch.setattr(environment, "plan", lambda *a, **k: plan)

    def set_up(plan: Any, *, progress: Any, should_stop: Any) -> Path:
        for step in range(21):
            progress(step / 20, "Fetching")
        cli.signal.raise_signal(cli.signal.SIGINT)
        assert should_stop()
        raise errors.Cancelled

    monkeypatch.setattr(environment, "set_up", set_up)
    assert run(addon, "set-up", "--online", "--build", "cpu", "--installer", "pip") == 130
    out = capfd.readouterr().out.splitlines()
    assert out[:2] == ["syngen: PyTorch for the processor alone", "syngen: Downloads 0.4 GB"]
    assert [line for line in out if "Fetching" in line] == [f"syngen: {p:3d}% Fetching" for p in range(0, 100, 10)]
    assert out[-1] == "syngen: Stopped. The same command goes on from here."


def test_the_diagnosis_names_nobody(addon, capfd) -> None:
    assert run(addon, "diagnose") == 0
    text = capfd.readouterr().out
    assert str(Path.home()) not in text
    assert bpy.app.version_string in text
    assert (addon("blender.worker").home() / addon("blender.worker_setup").DIAGNOSIS).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells of a closed pipe in other words")
def test_a_reader_that_goes_ends_it_quietly(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**h.plain_environment(), "XDG_CACHE_HOME": str(tmp_path)}
    command = h.batch_command("worker", "diagnose")
    with open(writing, "wb") as nobody:
        done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=200, env=environment)
    assert done.returncode == 141, done.stderr
    assert "Broken" not in done.stderr and "Traceback" not in done.stderr


def test_a_job_takes_the_same_argument(addon, tmp_path: Path, capfd) -> None:
    cli = addon("blender.cli")
    out = str(tmp_path / "out")
    assert cli.parser("batch.py").parse_args(["--out", out, "--worker-python", "/p"]).worker_python == "/p"
    with pytest.raises(SystemExit):
        cli.parser("batch.py").parse_args(["--help"])
    assert "batch.py worker --help" in capfd.readouterr().out


# --- what it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.versions
def test_enabling_imports_nothing_of_the_worker(tmp_path: Path) -> None:
    folder = tmp_path / "extensions" / "user_default"
    folder.mkdir(parents=True)
    (folder / "syngen").symlink_to(Path(__file__).resolve().parents[2], target_is_directory=True)
    source = f"""
import os, sys
os.environ["BLENDER_USER_RESOURCES"] = {str(tmp_path)!r}
import bpy, addon_utils
assert addon_utils.enable({PACKAGE!r}, default_set=True) is not None
print("FOUND", [name for name in sys.modules if ".syngen_addon.worker" in name or name.endswith("worker_setup")])
print("TORCH", "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "FOUND []" in done.stdout
    assert "TORCH False" in done.stdout
