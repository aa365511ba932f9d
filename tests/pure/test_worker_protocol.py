"""The protocol: what is said comes through whole, what is no message is refused; how the worker's side speaks it."""

import dataclasses
import io
import json
import threading
import time
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.worker import protocol, serve

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def instances(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of that type: a plain one, a tuple of them, a result, a message, a job."""
    plain = {str: st.text(), int: st.integers(), float: NUMBERS, bool: st.booleans()}
    if kind in plain:
        return plain[kind]
    if get_origin(kind) is tuple:
        return st.lists(instances(get_args(kind)[0]), max_size=4).map(tuple)
    if get_origin(kind) is dict:
        return st.dictionaries(st.text(), JSON, max_size=4)
    if dataclasses.is_dataclass(kind):
        return st.builds(kind, **{name: instances(hint) for name, hint in get_type_hints(kind).items()})
    return st.one_of([instances(option) for option in get_args(kind)])


REQUESTS, EVENTS = instances(protocol.Request), instances(protocol.Event)


@given(REQUESTS)
def test_a_request_comes_through(request_: protocol.Request) -> None:
    line = protocol.encode(request_)
    assert line.isascii() and line.count(b"\n") == 1 and line.endswith(b"\n")
    assert protocol.decode_request(line) == request_


@given(EVENTS)
def test_an_event_comes_through(event: protocol.Event) -> None:
    line = protocol.encode(event)
    assert line.isascii() and line.count(b"\n") == 1 and line.endswith(b"\n")
    assert protocol.decode_event(line) == event


def test_a_path_that_is_no_unicode_comes_through() -> None:
    event = protocol.Preview(3, "/tmp/\udcff \u2028.png")
    assert protocol.decode_event(protocol.encode(event)) == event


@given(st.binary(max_size=60) | JSON.map(lambda plain: json.dumps(plain).encode()))
def test_any_line_is_a_message_or_refused(line: bytes) -> None:
    for decode in (protocol.decode_request, protocol.decode_event):
        with pytest.raises(SynGenError, match="makes no sense"):
            decode(line)


@given(REQUESTS | EVENTS, st.data())
def test_a_message_that_lacks_a_field_or_has_one_too_many_is_refused(message: Any, data: st.DataObject) -> None:
    decode = protocol.decode_request if isinstance(message, protocol.Request) else protocol.decode_event
    plain = json.loads(protocol.encode(message))
    left_out = data.draw(st.sampled_from(sorted(plain)))
    lacking = {name: value for name, value in plain.items() if name != left_out}
    for broken in (lacking, {**plain, "more": 1}, {**plain, "type": "other"}):
        with pytest.raises(SynGenError):
            decode(json.dumps(broken).encode())


@given(REQUESTS | EVENTS, st.data())
def test_a_field_of_another_type_is_refused(message: Any, data: st.DataObject) -> None:
    decode = protocol.decode_request if isinstance(message, protocol.Request) else protocol.decode_event
    plain = json.loads(protocol.encode(message))
    field = data.draw(st.sampled_from(sorted(plain)))
    for other in (None, {"a": 1} if field != "result" else 1, [[]]):
        with pytest.raises(SynGenError):
            decode(json.dumps({**plain, field: other}).encode())


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "run", "id": 1, "kind": "generate", "job": {}}',
        b'{"type": "run", "id": 1, "kind": "format_disk", "job": {}}',
        b'{"type": "run", "id": true, "kind": "probe", "job": {}}',
        b'{"type": "run", "id": 1, "kind": "unload", "job": {"more": 1}}',
        b'{"type": "progress", "id": 1, "fraction": NaN, "text": ""}',
        b'{"type": "progress", "id": 1, "fraction": true, "text": ""}',
        b'{"type": "run", "id": 1, "kind": "measure", "job": {"content": "", "style": "", "pictures": [1], "vgg": ""}}',
        b"[" * 100_000,
        b"9" * 5000,
        b"\xff\xfe",
    ],
)
def test_lines_that_look_right_are_refused(line: bytes) -> None:
    for decode in (protocol.decode_request, protocol.decode_event):
        with pytest.raises(SynGenError, match="makes no sense") as error:
            decode(line)
        assert error.value.hint and len(str(error.value)) < 1000


def test_what_is_no_json_is_not_sent() -> None:
    with pytest.raises(ValueError):
        protocol.encode(protocol.Progress(1, float("nan"), ""))


# --- the worker's side -----------------------------------------------------------------------------------------------


def said(stream: io.BytesIO) -> list[Any]:
    return [protocol.decode_event(line) for line in stream.getvalue().splitlines(keepends=True)]


def say_to(stream: io.BytesIO) -> tuple[serve.Say, serve._Outbox, threading.Event]:
    outbox, stop = serve._Outbox(stream), threading.Event()
    return serve.Say(1, None, outbox, stop), outbox, stop


def test_a_job_is_stopped_at_its_next_step() -> None:
    say, _, stop = say_to(stream := io.BytesIO())
    say.step(0.1, "one")
    say.check()
    stop.set()
    with pytest.raises(Cancelled):
        say.check()
    with pytest.raises(Cancelled):
        say.step(0.2, "two")
    assert said(stream) == [protocol.Progress(1, 0.1, "one")]


def test_much_progress_is_thinned_and_the_last_is_never_lost() -> None:
    say, outbox, _ = say_to(stream := io.BytesIO())
    for i in range(1000):
        say.step(i / 1000, f"step {i}")
    outbox.send(protocol.Done(1, {}))
    *progress, last, done = said(stream)
    assert done == protocol.Done(1, {}) and last == protocol.Progress(1, 0.999, "step 999")
    assert len(progress) < 900 and [p.fraction for p in progress] == sorted(p.fraction for p in progress)


def test_held_back_progress_is_said_though_nothing_follows() -> None:
    say, _, _ = say_to(stream := io.BytesIO())
    say.step(0.1, "one")
    say.step(0.2, "a long step begins")
    deadline = time.monotonic() + 30
    while len(said(stream)) < 2:
        assert time.monotonic() < deadline, "the second step was swallowed"
        time.sleep(0.01)
    assert said(stream)[-1] == protocol.Progress(1, 0.2, "a long step begins")


def test_progress_that_is_no_number_is_the_jobs_failure() -> None:
    say, outbox, _ = say_to(stream := io.BytesIO())
    with pytest.raises(ValueError):
        say.step(float("nan"), "")
    outbox.send(protocol.Done(1, {}))
    assert said(stream) == [protocol.Done(1, {})]


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory: you tried"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_full_memory_is_known(error: BaseException, full: bool) -> None:
    assert serve.out_of_memory(error) is full
