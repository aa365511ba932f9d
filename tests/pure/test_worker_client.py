"""The worker's client against a real process: one that serves jobs of this test's own, without torch."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syngen_addon import images
from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.worker import client, protocol
from syngen_addon.worker.client import Worker

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0
"""How long a test waits for what must happen before it gives up; nothing is measured by it."""

STAND_IN = '''
"""A worker with jobs for the tests: Resolve names one of the functions below in `model`, with a text in `role`."""
import os, signal, subprocess, sys, threading, time
sys.path.insert(0, sys.argv[1])
from syngen_addon.errors import SynGenError
from syngen_addon.worker.serve import serve

state = {"loads": 0, "beyond": 0}

def load():
    state["loads"] = state["loads"] or 1   # what a model is: loaded once, kept

def steps(job, say):
    load()
    for i in range(int(job.role)):
        say.step(i / int(job.role), f"step {i}")
        time.sleep(0.06)  # longer than the interval of progress: each step is said
    return {"steps": int(job.role), **state}

def back(job, say):
    for fraction in (0.2, 0.6, 0.3, 0.7, 1.5, 0.9):
        say.step(fraction, "step")
        time.sleep(0.06)
    return {}

def until_stopped(job, say):
    load()
    say.step(0.5, "one")
    assert say._stop.wait(60)
    say.step(0.6, "two")
    state["beyond"] += 1

def never_stops(job, say):
    say.step(0.5, "one")
    threading.Event().wait()

def computes(job, say):
    say.step(0.5, "one")
    while True:
        pass

def garbage(job, say):
    print("printed by a library")
    os.write(1, b'{"type": "done", "id": 1, "result": {}}\\n')
    subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)
    return {"stdin": sys.stdin.read()}

def fails(job, say):
    raise SynGenError("This cannot be done.", "Do that.")

def breaks(job, say):
    raise ZeroDivisionError("by\\nzero")

def memory(job, say):
    raise MemoryError

def leaves(job, say):
    sys.exit(3)

def no_json(job, say):
    return {"value": float("nan") if job.role == "nan" else say}

def killed(job, say):
    os.kill(os.getpid(), signal.SIGKILL)

def ends(job, say):
    print("Fatal: the cat sat on it", file=sys.stderr, flush=True)
    os._exit(7)

def interrupted(job, say):
    os.kill(os.getpid(), signal.SIGINT)
    return {"alive": True}

def oom_score(job, say):
    with open("/proc/self/oom_score_adj") as file:
        return {"score": int(file.read())}

def environment(job, say):
    return {"variables": dict(os.environ), "session": os.getsid(0), "pid": os.getpid()}

def generate(job, say):
    import numpy as np
    ramp = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (8, 1))
    for i in range(3):
        say.step(i / 3, f"step {i}")
        picture = np.dstack([ramp * (i == 0), ramp * (i == 1), ramp * (i == 2)])
        say.preview(picture if i < 2 else (picture * 255 + 0.5).astype(np.uint8))
        while job.prompt == "wait until it was seen" and os.path.exists(f"{job.out}/preview.png"):
            time.sleep(0.01)
    return {"pictures": []}

def resolve(job, say):
    return globals()[job.model](job, say) or {}

serve({"resolve": resolve, "generate": generate}, "/the/log")
'''


def job(name: str, text: object = "") -> protocol.Resolve:
    return protocol.Resolve(name, str(text))


def picture(out: Path, prompt: str = "rust") -> protocol.Generate:
    return protocol.Generate("m", str(out), "text", prompt, "", 64, 64, (1,), 3, 7.5)


@pytest.fixture
def stand_in(tmp_path: Path) -> list[str]:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    return [sys.executable, str(script), str(ROOT)]


@pytest.fixture
def worker(stand_in: list[str], tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(Path(sys.executable), tmp_path / "logs" / "worker.log", command=stand_in)
    yield worker
    worker.close()


def speaking(tmp_path: Path, program: str) -> Worker:
    """A client of a process that is no worker of ours."""
    return Worker(Path(sys.executable), tmp_path / "worker.log", command=[sys.executable, "-c", program])


def runs(pid: int) -> bool:
    """Whether that process runs; one that has ended and that nobody has asked about yet does not."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return found != "" and not found.startswith("Z")


def wait_until(true: Callable[[], bool], within_s: float = WAIT_S) -> bool:
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Once:
    """should_stop that says yes as soon as some progress has come."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def progress(self, fraction: float, text: str) -> None:
        self.seen.append(text)

    def __call__(self) -> bool:
        return bool(self.seen)


def cancel(worker: Worker, name: str) -> list[str]:
    """Start that job and cancel it at its first progress; what it had said."""
    once = Once()
    with pytest.raises(Cancelled):
        worker.run(job(name), progress=once.progress, should_stop=once)
    return once.seen


# --- what a job says -------------------------------------------------------------------------------------------------


def test_nothing_starts_before_the_first_job(worker: Worker) -> None:
    assert worker.pid is None and not worker.log.exists()


def test_progress_comes_in_order_and_the_process_is_kept(worker: Worker) -> None:
    seen: list[tuple[float, str]] = []
    done = worker.run(job("steps", 4), progress=lambda fraction, text: seen.append((fraction, text)))
    assert seen == [(i / 4, f"step {i}") for i in range(4)]
    pid = worker.pid
    assert done == {"steps": 4, "loads": 1, "beyond": 0} and worker.run(job("steps", 0))["loads"] == 1
    assert worker.pid == pid is not None


def test_progress_never_goes_back_or_beyond_the_end(worker: Worker) -> None:
    seen: list[float] = []
    worker.run(job("back"), progress=lambda fraction, text: seen.append(fraction))
    assert seen == [0.2, 0.6, 0.6, 0.7, 1.0, 1.0]


def test_previews_can_be_read_when_they_are_said(worker: Worker, tmp_path: Path) -> None:
    seen: list[Any] = []

    def look(path: Path) -> None:
        seen.append((path, images.load(path)))
        path.unlink()

    worker.run(picture(tmp_path / "pictures", "wait until it was seen"), preview=look)
    assert [path for path, _ in seen] == [tmp_path / "pictures" / "preview.png"] * 3
    for i, (_, shown) in enumerate(seen):
        others = [c for c in range(3) if c != i]
        assert shown.shape == (8, 16, 3) and not shown[..., others].any()
        assert np.abs(shown[..., i] - np.linspace(0, 1, 16)).max() < 1 / 255
    worker.run(picture(tmp_path / "one.png"), preview=lambda path: seen.append((path, None)))
    assert seen[-1][0] == tmp_path / "one-preview.png"


def test_a_preview_that_cannot_be_written_harms_no_job(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    seen: list[Path] = []
    assert worker.run(picture(tmp_path / "file" / "out"), preview=seen.append) == {"pictures": []}
    assert seen == [] and "No preview: Cannot write" in worker.log.read_text()


def test_what_libraries_print_goes_into_the_log(worker: Worker) -> None:
    assert worker.run(job("garbage")) == {"stdin": ""}
    log = worker.log.read_text()
    assert "printed by a library" in log and "printed by a child" in log and '"type": "done"' in log


# --- jobs that fail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("fails", "", "This cannot be done.", "Do that."),
        ("breaks", "", "The worker's job failed: ZeroDivisionError: by zero.", "The end of /the/log says where."),
        ("memory", "", "There is not enough memory for this job.", "Lower the size"),
        ("leaves", "", "The worker's job failed: SystemExit: 3.", "The end of /the/log says where."),
        ("no_json", "nan", "The worker's job failed: ValueError", "The end of"),
        ("no_json", "object", "The worker's job failed: TypeError", "The end of"),
    ],
)
def test_a_job_that_fails_leaves_the_worker_alive(
    worker: Worker, name: str, text: str, message: str, hint: str
) -> None:
    worker.run(job("steps", 0))
    pid = worker.pid
    with pytest.raises(SynGenError) as error:
        worker.run(job(name, text))
    assert error.value.message.startswith(message) and error.value.hint.startswith(hint)
    assert ("Traceback" in worker.log.read_text()) == (name != "fails")
    assert worker.run(job("steps", 1))["steps"] == 1 and worker.pid == pid


def test_ctrl_c_in_a_terminal_is_blenders(worker: Worker) -> None:
    assert worker.run(job("interrupted")) == {"alive": True}
    found = worker.run(job("environment"))
    assert found["session"] == found["pid"] != os.getsid(0)


def test_blenders_own_python_is_kept_from_the_worker(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    variables = worker.run(job("environment"))["variables"]
    assert not [name for name in variables if name.startswith("PYTHON")]
    assert variables["CUDA_VISIBLE_DEVICES"] == "1" and variables["TOKENIZERS_PARALLELISM"] == "false"


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_a_cancel_takes_effect_before_the_next_step_and_keeps_what_is_loaded(worker: Worker) -> None:
    assert cancel(worker, "until_stopped") == ["one"]
    pid = worker.pid
    assert worker.run(job("steps", 0)) == {"steps": 0, "loads": 1, "beyond": 0} and worker.pid == pid


def test_ten_cancels_in_a_row(worker: Worker) -> None:
    pids = set()
    for _ in range(10):
        cancel(worker, "until_stopped")
        pids.add(worker.pid)
    assert worker.run(job("steps", 2)) == {"steps": 2, "loads": 1, "beyond": 0} and pids == {worker.pid}


def test_a_job_that_is_cancelled_before_the_worker_listens(worker: Worker) -> None:
    with pytest.raises(Cancelled):
        worker.run(job("steps", 1), should_stop=lambda: True)
    assert worker.run(job("steps", 1))["steps"] == 1


def test_a_worker_that_does_not_stop_is_killed(stand_in: list[str], tmp_path: Path) -> None:
    worker = Worker(Path(sys.executable), tmp_path / "worker.log", command=stand_in, cancel_s=0.3)
    pids: list[int] = []
    with pytest.raises(Cancelled):
        worker.run(
            job("never_stops"),
            progress=lambda fraction, text: pids.append(worker.pid or 0),
            should_stop=lambda: bool(pids),
        )
    assert not runs(pids[0])
    assert worker.run(job("steps", 1))["steps"] == 1 and worker.pid != pids[0]
    worker.close()


@pytest.mark.parametrize("where", ["progress", "preview", "should_stop"])
def test_what_a_callback_raises_comes_out_and_the_next_job_is_in_order(
    worker: Worker, tmp_path: Path, where: str
) -> None:
    def broken(*arguments: object) -> bool:
        raise ZeroDivisionError(where)

    with pytest.raises(ZeroDivisionError, match=where):
        worker.run(picture(tmp_path / "out"), **{where: broken})
    seen: list[str] = []
    assert worker.run(job("steps", 2), progress=lambda fraction, text: seen.append(text))["steps"] == 2
    assert seen == ["step 0", "step 1"]


def test_threads_take_turns(worker: Worker) -> None:
    results: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda n=n: results.update({n: worker.run(job("steps", n))["steps"]})) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert results == {n: n for n in range(4)}


def test_a_job_that_waits_for_its_turn_can_be_cancelled(worker: Worker) -> None:
    began, waited = threading.Event(), threading.Event()

    def first() -> None:
        with pytest.raises(Cancelled):
            worker.run(job("until_stopped"), progress=lambda fraction, text: began.set(), should_stop=waited.is_set)

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(WAIT_S)
    with pytest.raises(Cancelled):
        worker.run(job("steps", 1), should_stop=lambda: True)
    assert thread.is_alive(), "the first job was to run on"
    waited.set()
    thread.join(WAIT_S)
    assert worker.run(job("steps", 1))["beyond"] == 0


# --- a worker that dies ----------------------------------------------------------------------------------------------


def test_a_worker_killed_by_its_job_is_told_and_replaced(worker: Worker) -> None:
    worker.run(job("steps", 0))
    pid = worker.pid
    with pytest.raises(SynGenError) as error:
        worker.run(job("killed"))
    assert error.value.message == (
        "The worker was killed in the middle of the job, most likely because the memory was full."
    )
    assert str(worker.log) in error.value.hint and worker.pid is None
    assert worker.run(job("steps", 1))["steps"] == 1 and worker.pid != pid


def test_kill_9_in_the_middle(worker: Worker) -> None:
    with pytest.raises(SynGenError, match="was killed in the middle of the job"):
        worker.run(job("computes"), progress=lambda fraction, text: os.kill(worker.pid or 0, signal.SIGKILL))
    assert worker.run(job("steps", 1))["steps"] == 1


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="Linux only")
def test_a_full_memory_kills_the_worker_before_blender(worker: Worker) -> None:
    assert worker.run(job("oom_score"))["score"] > int(Path("/proc/self/oom_score_adj").read_text())


def test_kill_9_between_jobs_goes_unnoticed(worker: Worker) -> None:
    worker.run(job("steps", 0))
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    assert wait_until(lambda: worker.pid is None)
    assert worker.run(job("steps", 1))["steps"] == 1


def test_a_worker_that_ends_says_its_last_words(worker: Worker) -> None:
    with pytest.raises(SynGenError) as error:
        worker.run(job("ends"))
    assert error.value.message == "The worker ended in the middle of the job (exit status 7)."
    assert error.value.hint.endswith(f"The log is {worker.log}; it ends with: Fatal: the cat sat on it")
    assert worker.run(job("steps", 1))["steps"] == 1


def test_a_log_that_somebody_removed_hides_no_error(worker: Worker) -> None:
    worker.run(job("steps", 0))
    worker.log.unlink()
    with pytest.raises(SynGenError, match=r"exit status 7.*worker.log cannot be read"):
        worker.run(job("ends"))


def test_close_from_another_thread_ends_a_running_job(worker: Worker) -> None:
    pids: list[int] = []

    def close(fraction: float, text: str) -> None:
        pids.append(worker.pid or 0)
        thread = threading.Thread(target=worker.close)
        thread.start()
        thread.join(WAIT_S)

    with pytest.raises(SynGenError, match="was closed in the middle of the job"):
        worker.run(job("computes"), progress=close)
    assert not runs(pids[0])
    assert worker.run(job("steps", 1))["steps"] == 1, "a closed worker can be used again"
    worker.close()
    worker.close()
    assert worker.pid is None


def test_a_client_that_nobody_needs_ends_its_worker(stand_in: list[str], tmp_path: Path) -> None:
    worker = Worker(Path(sys.executable), tmp_path / "worker.log", command=stand_in)
    worker.run(job("steps", 0))
    pid = worker.pid
    assert pid is not None and runs(pid)
    del worker
    gc.collect()
    assert not runs(pid)


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from syngen_addon.worker import protocol
from syngen_addon.worker.client import Worker
worker = Worker(Path(sys.executable), Path(sys.argv[2]), command=sys.argv[4:])
worker.run(protocol.Resolve(sys.argv[3], "1"), progress=lambda fraction, text: print(worker.pid, flush=True))
"""


def parent(name: str, stand_in: Sequence[str], log: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PARENT, str(ROOT), str(log), name, *stand_in]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", ["computes", "never_stops"])
def test_no_orphan_when_blender_is_killed(stand_in: list[str], tmp_path: Path, name: str) -> None:
    with parent(name, stand_in, tmp_path / "worker.log") as blender:
        assert blender.stdout is not None
        pid = int(blender.stdout.readline())
        assert runs(pid)
        blender.kill()
    assert wait_until(lambda: not runs(pid), within_s=2.0), "the worker outlived Blender by more than two seconds"


def test_a_rest_ends_an_idle_process_and_leaves_one_at_work_alone(worker: Worker) -> None:
    worker.rest()
    asked = []

    def rest(fraction: float, text: str) -> None:
        asked.append(worker.pid)
        worker.rest()

    assert worker.run(job("steps", 2), progress=rest)["steps"] == 2
    assert asked and worker.pid == asked[0]
    worker.rest()
    assert worker.pid is None and not runs(asked[0])
    assert worker.run(job("steps", 1))["steps"] == 1


def test_a_program_that_never_closes_its_worker_leaves_none(stand_in: list[str], tmp_path: Path) -> None:
    with parent("steps", stand_in, tmp_path / "worker.log") as blender:
        out, _ = blender.communicate(timeout=WAIT_S)
    assert blender.returncode == 0 and not runs(int(out))


# --- a process that is no worker of ours -----------------------------------------------------------------------------


def test_a_missing_interpreter(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "bin" / "python", tmp_path / "worker.log")
    with pytest.raises(SynGenError, match=r"Python .*bin/python cannot be started: No such file") as error:
        worker.run(protocol.Probe())
    assert "Set Up" in error.value.hint


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SynGenError, match=r"log .* cannot be written"):
        Worker(Path(sys.executable), tmp_path / "file" / "worker.log").run(protocol.Probe())


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("""print('{"type": "ready", "version": 99, "python": "p", "pid": 1}')""", "of another version"),
        ("""print('{"type": "ready", "version": 99, "what": "new"}')""", "makes no sense"),
        ("""print('{"type": "stopped", "id": 1}')""", "of another version"),
        ("""print("Hello!"); input()""", "makes no sense"),
        ("""import sys; sys.exit("No such thing")""", r"did not start with .*exit status 1.*ends with: No such thing"),
    ],
)
def test_what_does_not_start_as_a_worker_does_is_refused(tmp_path: Path, program: str, message: str) -> None:
    worker = speaking(tmp_path, program)
    with pytest.raises(SynGenError, match=message) as error:
        worker.run(protocol.Probe())
    assert error.value.hint and worker.pid is None


def test_a_worker_that_never_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "START_S", 0.2)
    worker = speaking(tmp_path, "input()")
    with pytest.raises(SynGenError, match="does not answer"):
        worker.run(protocol.Probe())
    assert worker.pid is None


READY = f"""
import os, threading
print('{{"type": "ready", "version": {protocol.VERSION}, "python": "", "pid": 1}}', flush=True)
input()
"""


def test_a_broken_line_in_the_middle_ends_that_worker(tmp_path: Path) -> None:
    worker = speaking(tmp_path, READY + """print(f"I am {os.getpid()}.", flush=True); threading.Event().wait()""")
    with pytest.raises(SynGenError, match=r"makes no sense: b'I am \d") as error:
        worker.run(protocol.Probe())
    pid = int("".join(filter(str.isdigit, error.value.message)))
    assert wait_until(lambda: not runs(pid)) and worker.pid is None


def test_a_request_that_the_worker_cannot_read_fails(tmp_path: Path) -> None:
    answer = '{"type": "failed", "id": 0, "message": "A strange message.", "hint": "Update."}'
    worker = speaking(tmp_path, READY + f"print({answer!r}, flush=True); input()")
    with pytest.raises(SynGenError, match=r"A strange message\. Update\."):
        worker.run(protocol.Probe())
    worker.close()


def test_what_is_said_of_another_job_is_not_handed_on(tmp_path: Path) -> None:
    events = (
        protocol.Progress(99, 0.5, "another's"),
        protocol.Failed(99, "another's", ""),
        protocol.Progress(1, 0.5, "mine"),
        protocol.Done(1, {"mine": 1}),
    )
    lines = b"".join(map(protocol.encode, events)).decode()
    worker = speaking(tmp_path, READY + f"print({lines!r}, end='', flush=True); input()")
    seen: list[str] = []
    assert worker.run(protocol.Probe(), progress=lambda fraction, text: seen.append(text)) == {"mine": 1}
    assert seen == ["mine"]
    worker.close()


def test_a_log_that_has_grown_is_put_aside(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.run(job("garbage"))
    worker.close()
    worker.run(job("steps", 0))
    assert "printed by a library" in worker.log.read_text(), "a small log goes on"
    worker.close()
    monkeypatch.setattr(client, "LOG_BYTES", 10)
    worker.run(job("steps", 0))
    assert "printed by a library" not in worker.log.read_text()
    assert "printed by a library" in worker.log.with_name("worker.log.old").read_text()


# --- the worker's side, line by line ---------------------------------------------------------------------------------


def test_lines_that_are_no_request_are_answered_and_a_waiting_job_can_be_cancelled(stand_in: list[str]) -> None:
    with subprocess.Popen(stand_in, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        send = [
            b"What?\n",
            protocol.encode(protocol.Run(1, job("until_stopped"))),
            protocol.encode(protocol.Run(2, job("steps", 3))),
            protocol.encode(protocol.Cancel(2)),
            protocol.encode(protocol.Cancel(77)),
            protocol.encode(protocol.Cancel(1)),
            protocol.encode(protocol.Run(3, job("steps", 0))),
        ]
        process.stdin.write(b"".join(send))
        process.stdin.flush()
        events: list[protocol.Event] = []
        while not (events and isinstance(events[-1], protocol.Done)):
            events.append(protocol.decode_event(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(WAIT_S) == 0
    ready, refused, *rest = events
    assert ready == protocol.Ready(protocol.VERSION, sys.executable, process.pid)
    assert isinstance(refused, protocol.Failed) and refused.id == protocol.UNREADABLE
    ended = [event for event in rest if not isinstance(event, protocol.Progress)]
    assert ended[:2] == [protocol.Stopped(1), protocol.Stopped(2)] and ended[2].id == 3
    assert all(event.id == 1 for event in rest if isinstance(event, protocol.Progress))
