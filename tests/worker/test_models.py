"""models: what is loaded and what is refused, and downloads from a small hub that runs here and can fail on purpose.

The client is the real huggingface_hub. Only the first tests need diffusers.
"""

import errno
import hashlib
import http.server
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import torch
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from syngen_addon import recipe
from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.worker import models
from syngen_addon.worker.protocol import Download, Resolve
from tests.worker import builders

ROOT = Path(__file__).resolve().parents[2]
BIG = 3_000_000
COMMIT = "c" * 40
WEIGHTS = os.environ.get("SYNGEN_TEST_WEIGHTS", "")


class Heard:
    """Stands in for serve.Say: keeps what it is told, and can ask to stop."""

    def __init__(self, stop_when: Callable[[float, str], bool] = lambda fraction, text: False) -> None:
        self.steps: list[tuple[float, str]] = []
        self.stop_when = stop_when

    def step(self, fraction: float, text: str) -> None:
        assert 0 <= fraction <= 1
        self.steps.append((fraction, text))
        if self.stop_when(fraction, text):
            raise Cancelled


# --- a small hub -----------------------------------------------------------------------------------------------------


@dataclass
class Repository:
    files: dict[str, bytes]
    commit: str = COMMIT
    licence: str = "mit"
    refuse: tuple[int, str] | None = None
    """HTTP status and X-Error-Code for every request ..."""
    refuse_files: tuple[int, str] | None = None
    """... or for files only, as for a gated model, which everyone may see and not everyone fetch."""


@dataclass
class Hub:
    """What it holds, how it shall fail, and what it was asked for."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    break_after: dict[str, int] = field(default_factory=dict)
    """File -> bytes after which the connection is cut, once."""
    stall_after: dict[str, int] = field(default_factory=dict)
    """File -> bytes after which nothing more comes until `go_on`."""
    stalled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    ranges: bool = True
    """Whether it can start in the middle of a file."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, Range)"""
    told: set[str] = field(default_factory=set)
    told_elsewhere: set[str] = field(default_factory=set)
    """What it, and what the other host, was given as Authorization."""
    sent: dict[str, int] = field(default_factory=dict)
    """File -> bytes of it that were sent."""


def handler_of(hub: Hub) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            """Keep pytest's output clean."""

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            hub.asked.append((self.command, "/".join(parts), self.headers.get("Range", "")))
            if parts[0] == "cdn":
                hub.told_elsewhere.add(self.headers.get("Authorization", ""))
                return self.send("/".join(parts[3:]), hub.repositories["/".join(parts[1:3])])
            hub.told.add(self.headers.get("Authorization", ""))
            owner_name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
            repository = hub.repositories.get(owner_name)
            if repository is None:
                return self.fail(404, "RepoNotFound")
            if repository.refuse:
                return self.fail(*repository.refuse)
            if parts[0] == "api":
                return self.describe(owner_name, repository)
            name = "/".join(parts[4:])
            if name not in repository.files:
                return self.fail(404, "EntryNotFound")
            if repository.refuse_files:
                return self.fail(*repository.refuse_files)
            if name.endswith(models.STATES):
                return self.redirect(owner_name, name, repository)
            return self.send(name, repository)

        def redirect(self, owner_name: str, name: str, repository: Repository) -> None:
            """Large files lie on another host."""
            data = repository.files[name]
            self.send_response(302)
            self.send_header("Location", f"{hub.url.replace('127.0.0.1', 'localhost')}/cdn/{owner_name}/{name}")
            self.send_header("X-Repo-Commit", repository.commit)
            self.send_header("X-Linked-Etag", f'"{etag_of(name, data)}"')
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def fail(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                key = "X-Error-Message" if " " in code else "X-Error-Code"
                self.send_header(key, code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def describe(self, owner_name: str, repository: Repository) -> None:
            siblings = []
            for name, data in repository.files.items():
                about: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git_hash(data)}
                if name.endswith(models.STATES):
                    about["lfs"] = {"sha256": etag_of(name, data), "size": len(data), "pointerSize": 134}
                siblings.append(about)
            about = {"id": owner_name, "sha": repository.commit, "siblings": siblings, "tags": [], "downloads": 0}
            about |= {"likes": 0, "private": False, "gated": False, "cardData": {"license": repository.licence}}
            body = json.dumps(about).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def send(self, name: str, repository: Repository) -> None:
            data = repository.files[name]
            start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0]) if "Range" in self.headers else 0
            if not hub.ranges:
                start = 0
            self.send_response(206 if "Range" in self.headers and hub.ranges else 200)
            self.send_header("ETag", f'"{etag_of(name, data)}"')
            self.send_header("X-Repo-Commit", repository.commit)
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if self.command == "HEAD":
                return
            end = hub.break_after.pop(name, len(data))
            pause = hub.stall_after.pop(name, end)
            self.push(name, data[start:pause])
            if pause < end:
                hub.stalled.set()
                hub.go_on.wait(60)
                self.push(name, data[pause:end])
            if end < len(data):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        def push(self, name: str, data: bytes) -> None:
            try:
                self.wfile.write(data)
                self.wfile.flush()
            except OSError:  # the client went away
                return
            hub.sent[name] = hub.sent.get(name, 0) + len(data)

    return Handler


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def etag_of(name: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if name.endswith(models.STATES) else git_hash(data)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine, and an empty cache, for huggingface_hub in this process."""
    hub = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    use_hub(monkeypatch, hub.url, tmp_path / "hf")
    yield hub
    hub.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


def use_hub(monkeypatch: pytest.MonkeyPatch, url: str, home: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every attempt to reach another machine is kept, and fails."""
    tried: list[Any] = []

    def refuse(*args: Any, **kwargs: Any) -> Any:
        tried.append(args)
        raise OSError(errno.ENETUNREACH, "a test without network reached for it")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return tried


def noise(size: int, seed: int = 0) -> bytes:
    return hashlib.shake_128(str(seed).encode()).digest(size)


def pipeline_files() -> dict[str, bytes]:
    """A Stable Diffusion repository as its publishers fill it: much that nobody needs, and weights in two variants."""
    parts = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "PNDMScheduler"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "image_encoder": [None, None],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "requires_safety_checker": True,
    }
    texts = (
        *("scheduler/scheduler_config.json", "feature_extractor/preprocessor_config.json", "tokenizer/vocab.json"),
        *("tokenizer/merges.txt", "tokenizer/tokenizer_config.json"),
    )
    files = {name: json.dumps({"name": name}).encode() for name in texts}
    files |= {
        "model_index.json": json.dumps(parts).encode(),
        "README.md": b"---\nlicense: creativeml-openrail-m\n---\n# A model\n",
        "v1-5-pruned.ckpt": noise(50, 1),
        "v1-5-pruned.safetensors": noise(60, 2),
        "unet/diffusion_pytorch_model.non_ema.safetensors": noise(70, 3),
        "unet/diffusion_pytorch_model.onnx": noise(80, 4),
    }
    unet, text = ("diffusion_pytorch_model", "diffusion_pytorch_model"), ("model", "pytorch_model")
    stems = {"safety_checker": text, "text_encoder": text, "unet": unet, "vae": unet}
    for seed, (part, (stem, pickled)) in enumerate(stems.items()):
        files[f"{part}/config.json"] = json.dumps({"part": part}).encode()
        files[f"{part}/{stem}.safetensors"] = noise(BIG if part == "unet" else 1000, 10 + seed)
        files[f"{part}/{stem}.fp16.safetensors"] = noise(500, 20 + seed)
        files[f"{part}/{pickled}.bin"] = noise(900, 30 + seed)
    return files


NOT_NEEDED = (".bin", ".ckpt", ".onnx", ".fp16.safetensors", ".non_ema.safetensors", "v1-5-pruned.safetensors")


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def refused(call: Callable[[], Any]) -> SynGenError:
    with pytest.raises(SynGenError) as caught:
        call()
    error = caught.value
    assert error.message.endswith(".") and error.hint and "\n" not in str(error)
    return error


# --- real models -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pipeline of real classes, its ControlNet, an IP-Adapter and a single file."""
    home = tmp_path_factory.mktemp("built")
    builders.build_sd(home / "sd", safety=True)
    builders.build_controlnet(home / "control", home / "sd")
    builders.build_ip_adapter(home / "adapter" / "ip.safetensors", home / "sd")
    builders.build_single_file(home / "single.safetensors")
    return home


def test_a_pipeline_is_fetched_and_then_loads_without_network(
    hub: Hub, built: Path, request: pytest.FixtureRequest
) -> None:
    from diffusers import DiffusionPipeline

    sd = built / "sd"
    files = {p.relative_to(sd).as_posix(): p.read_bytes() for p in sd.rglob("*") if p.is_file()}
    hub.repositories["some/sd"] = Repository(files)
    found = models.locate("some/sd", "pipeline", online=True, say=Heard())
    assert {p.relative_to(found.path).as_posix() for p in found.path.rglob("*") if p.is_file()} == set(files)

    tried = request.getfixturevalue("no_network")
    again = models.locate("some/sd", "pipeline", online=False, say=Heard())
    assert again == found
    pipeline = DiffusionPipeline.from_pretrained(found.path, local_files_only=True, use_safetensors=True)
    expected = DiffusionPipeline.from_pretrained(sd, local_files_only=True, use_safetensors=True)
    for (name, value), other in zip(
        pipeline.unet.state_dict().items(), expected.unet.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other), name
    assert tried == []


def test_what_is_built_here_is_found(built: Path, no_network: list[Any]) -> None:
    for name, role, single in (("sd", "pipeline", False), ("control", "control", False)):
        found = models.locate(str(built / name), role, online=False, say=Heard())
        assert found == models.Located(built / name, single, "")
    file = built / "single.safetensors"
    found = models.locate(str(file), "pipeline", online=False, say=Heard())
    assert found == models.Located(file, True, file.name, config=built / "single")
    file = built / "adapter" / "ip.safetensors"
    found = models.locate(str(file), "adapter", online=False, say=Heard())
    assert found == models.Located(file, True, file.name, encoder=built / "adapter" / "image_encoder")
    assert no_network == []


def test_a_single_file_without_configuration_asks_for_that_of_its_family(
    hub: Hub, built: Path, tmp_path: Path
) -> None:
    file = tmp_path / "alone.safetensors"
    file.write_bytes((built / "single.safetensors").read_bytes())
    error = refused(lambda: models.locate(str(file), "pipeline", online=False, say=Heard()))
    assert "stable-diffusion-v1-5/stable-diffusion-v1-5" in error.message
    told = models.resolve(Resolve(str(file), "pipeline"), Heard())
    assert (told["path"], told["files"]) == ("", ["all of it"])
    (tmp_path / "model_index.json").write_bytes((built / "single" / "model_index.json").read_bytes())
    refused(lambda: models.locate(str(file), "pipeline", online=False, say=Heard()))  # the rest is not there
    assert hub.asked == []

    hub.repositories["stable-diffusion-v1-5/stable-diffusion-v1-5"] = Repository(pipeline_files())
    told = models.resolve(Resolve(str(file), "pipeline", online=True), Heard())
    assert 0 < told["missing_bytes"] < 10_000 and "unet/config.json" in told["files"]
    assert models.download(Download(str(file), "pipeline"), Heard())["path"] == str(file)
    found = models.locate(str(file), "pipeline", online=False, say=Heard())
    assert found.config is not None and found.path == file
    fetched = {p.relative_to(found.config).as_posix() for p in found.config.rglob("*") if p.is_file()}
    assert "unet/config.json" in fetched and not [n for n in fetched if n.endswith(".safetensors")]
    error = refused(
        lambda: models.locate("stable-diffusion-v1-5/stable-diffusion-v1-5", "pipeline", online=False, say=Heard())
    )
    assert "unet/diffusion_pytorch_model.safetensors" in error.message


# --- what is never loaded --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["pipeline", "control", "lora", "adapter"])
@pytest.mark.parametrize("end", [".ckpt", ".pt", ".bin", ".pth"])
def test_pickles_are_refused_and_the_hint_converts_them(role: str, end: str, tmp_path: Path) -> None:
    file = tmp_path / f"weights{end}"
    state = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    torch.save({"state_dict": state} if end == ".ckpt" else state, file)
    error = refused(lambda: models.locate(str(file), role, online=False, say=Heard()))
    assert file.name in error.message
    if role == "lora" and end in (".ckpt", ".bin"):
        line = error.hint.split('python -c "')[1].removesuffix('"')
        subprocess.run([sys.executable, "-c", line], cwd=tmp_path, check=True)
        converted = models.load_state(file.with_suffix(".safetensors"))
        assert all(torch.equal(converted[name], value) for name, value in state.items())


def test_a_folder_of_pickles_is_refused_and_the_hint_converts_it(built: Path, tmp_path: Path) -> None:
    from diffusers import ControlNetModel

    folder = tmp_path / "control"
    ControlNetModel.from_pretrained(built / "control").save_pretrained(folder, safe_serialization=False)
    error = refused(lambda: models.locate(str(folder), "control", online=False, say=Heard()))
    assert "diffusion_pytorch_model.bin" in error.message
    line = error.hint.split('python -c "')[1].removesuffix('"')
    subprocess.run([sys.executable, "-c", line], cwd=tmp_path, check=True)
    models.locate(str(tmp_path / "control-safetensors"), "control", online=False, say=Heard())


class Marks:
    """Unpickled, it leaves a file behind."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.file),))


def test_a_malicious_pickle_runs_nothing(tmp_path: Path) -> None:
    mark, zipped, plain = tmp_path / "mark", tmp_path / "vgg.pth", tmp_path / "plain.pth"
    torch.save({"conv.weight": torch.zeros(1), "x": Marks(mark)}, zipped)
    plain.write_bytes(pickle.dumps({"x": Marks(mark)}))
    for file in (zipped, plain):
        error = refused(lambda file=file: models.load_state(file))
        assert str(file) in error.message
    assert not mark.exists()
    with pytest.raises(Exception):  # noqa: B017  (the file is malicious, else this test would show nothing)
        torch.load(zipped, weights_only=False)["x"].anything  # noqa: B018
    assert mark.exists()


def test_states_are_read_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"a": torch.arange(3.0)}
    torch.save(state, tmp_path / "a.pth")
    save_file(state, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        assert torch.equal(models.load_state(tmp_path / name)["a"], state["a"])
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "torn.pth").write_bytes((tmp_path / "a.pth").read_bytes()[:300])
    (tmp_path / "torn.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:20])
    for name in ("list.pth", "torn.pth", "torn.safetensors", "none.pth", "none.safetensors", "a.ckpt"):
        refused(lambda name=name: models.load_state(tmp_path / name))
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    error = refused(lambda: models.load_state(tmp_path / "a.pth"))
    assert "2.9.1" in error.message
    models.load_state(tmp_path / "a.safetensors")


@pytest.mark.skipif(not WEIGHTS, reason="SYNGEN_TEST_WEIGHTS is not set")
@pytest.mark.parametrize(("role", "name"), [("vgg", "vgg_normalized.pth"), ("decoder", "decoder.pth")])
def test_the_real_weights(role: str, name: str, no_network: list[Any]) -> None:
    for model in (str(Path(WEIGHTS) / name), WEIGHTS):  # the file, or the folder with both
        found = models.locate(model, role, online=False, say=Heard())
        assert found.path == Path(WEIGHTS) / name
    assert len(models.load_state(found.path)) > 10
    told = models.resolve(Resolve(WEIGHTS, role), Heard())
    assert told["total_bytes"] == found.path.stat().st_size
    assert no_network == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"unet": ["my_unet", "MyUNet"]}, "my_unet"),
        ({"unet": ["os", "system"]}, "system"),
        ({"unet": ["../evil", "X"]}, "evil"),
        ({"unet": ["diffusers", ["a", "b"]]}, "unet"),
        ({"_class_name": ["pipeline", "MyPipeline"]}, "MyPipeline"),
        ({"_class_name": "PipelineOfTomorrow"}, "PipelineOfTomorrow"),
        ({"_class_name": None}, "_class_name"),
    ],
)
def test_code_of_a_models_own_is_refused_by_name(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    files = pipeline_files()
    files["model_index.json"] = json.dumps(json.loads(files["model_index.json"]) | change).encode()
    folder = write(tmp_path / "model", files)
    error = refused(lambda: models.locate(str(folder), "pipeline", online=False, say=Heard()))
    assert named in error.message


def test_code_beside_the_weights_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", pipeline_files() | {"unet/diffusers.py": b"raise SystemExit"})
    error = refused(lambda: models.locate(str(folder), "pipeline", online=False, say=Heard()))
    assert "unet/diffusers.py" in error.message


# --- what is here and what is missing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "scheduler/scheduler_config.json",
        "feature_extractor/preprocessor_config.json",
    ],
)
def test_a_missing_file_is_named(name: str, tmp_path: Path, no_network: list[Any]) -> None:
    kept = (".json", ".txt", "model.safetensors")
    files = {k: v for k, v in pipeline_files().items() if k.endswith(kept) and k != name}
    folder = write(tmp_path / "model", files)
    for model in (str(folder),):
        error = refused(lambda model=model: models.locate(model, "pipeline", online=False, say=Heard()))
        assert name in error.message
    assert models.resolve(Resolve(str(folder), "pipeline"), Heard())["files"] == [name]
    assert no_network == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model_index.json", "[" * 100_000),
        ("model_index.json", "[1]"),
        ("unet/diffusion_pytorch_model.safetensors.index.json", '{"weight_map": [1]}'),
        ("unet/diffusion_pytorch_model.safetensors.index.json", '{"weight_map": {"a": 5}}'),
        ("unet/diffusion_pytorch_model.safetensors.index.json", "{}"),
    ],
)
def test_a_damaged_file_of_a_model_is_named(name: str, text: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "sd", {**pipeline_files(), name: text.encode()})
    error = refused(lambda: models.locate(str(folder), "pipeline", online=False, say=Heard()))
    assert error.message == f"{name} of {folder} is damaged."


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    shards = {f"weight{i}": f"diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)}
    index = json.dumps({"weight_map": shards}).encode()
    files = {"config.json": b"{}", "diffusion_pytorch_model.safetensors.index.json": index, shards["weight1"]: b"1"}
    folder = write(tmp_path / "control", files)
    error = refused(lambda: models.locate(str(folder), "control", online=False, say=Heard()))
    assert shards["weight2"] in error.message
    write(folder, {shards["weight2"]: b"2"})
    assert models.locate(str(folder), "control", online=False, say=Heard()).variant == ""
    assert models.resolve(Resolve(str(folder), "control"), Heard())["total_bytes"] == 4 + len(index)


def test_a_folder_of_one_variant_says_which(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", {"config.json": b"{}", "diffusion_pytorch_model.fp16.safetensors": b"1"})
    assert models.locate(str(folder), "control", online=False, say=Heard()).variant == "fp16"


def test_a_hub_name_offline_touches_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[Any]
) -> None:
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path)
    for model in ("some/sd", "some/lora:a.safetensors"):
        error = refused(lambda model=model: models.locate(model, "lora", online=False, say=Heard()))
        assert model in error.message and "Get Model" in error.hint and str(tmp_path) in error.hint
        told = models.resolve(Resolve(model, "lora"), Heard())
        assert (told["path"], told["identity"], told["missing_bytes"]) == ("", "", -1)
    assert no_network == []


def test_an_identity_changes_with_content_and_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "lora.safetensors"
    file.write_bytes(noise(models.CHUNK + 5))
    heard, again = Heard(), Heard()
    first = models.resolve(Resolve(str(file), "lora"), heard)
    assert first["missing_bytes"] == 0 and first["total_bytes"] == models.CHUNK + 5
    assert heard.steps[-1] == (1.0, "Reading lora.safetensors") and len(heard.steps) == 2
    assert models.resolve(Resolve(str(file), "lora"), again) == first and again.steps == []
    file.write_bytes(noise(models.CHUNK + 6))
    assert models.resolve(Resolve(str(file), "lora"), Heard())["identity"] != first["identity"]


@pytest.mark.parametrize("model", ["", " ", "/nowhere/model.safetensors", "nowhere"])
def test_a_path_that_does_not_exist_is_said(model: str) -> None:
    assert "does not exist" in refused(lambda: models.locate(model, "pipeline", online=True, say=Heard())).message


def test_of_several_files_one_must_be_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "loras", {"a.safetensors": b"1", "b.safetensors": b"2"})
    error = refused(lambda: models.locate(str(folder), "lora", online=False, say=Heard()))
    assert "a.safetensors, b.safetensors" in error.message
    write(folder, {"pytorch_lora_weights.safetensors": b"3"})
    found = models.locate(str(folder), "lora", online=False, say=Heard())
    assert found.weight_name == "pytorch_lora_weights.safetensors"


names = st.text(alphabet="ab/:. -_\\~", max_size=12)


@given(names | st.sampled_from(["a/b", "a/b:fp16", "a/b:c/d.safetensors", "a/b.pth", "C:/a"]))
def test_a_path_is_what_the_recipe_takes_for_one(model: str) -> None:
    for name in (model, model + ".safetensors", model + ".bin"):
        assert models.is_path(name) == recipe.is_path(name)


# --- downloads -------------------------------------------------------------------------------------------------------


def test_only_what_is_needed_is_fetched_and_its_size_known_before(hub: Hub) -> None:
    files = pipeline_files()
    hub.repositories["some/sd"] = Repository(files, licence="creativeml-openrail-m")
    needed = {name for name in files if not name.endswith(NOT_NEEDED)}
    size = sum(len(files[name]) for name in needed)
    before = models.resolve(Resolve("some/sd", "pipeline", online=True), Heard())
    assert before["total_bytes"] == size
    assert before["missing_bytes"] == size - len(files["model_index.json"])  # which is read to know what is needed
    assert set(before["files"]) == needed - {"model_index.json"} and before["path"] == ""

    heard = Heard()
    after = models.download(Download("some/sd", "pipeline"), heard)
    assert set(hub.sent) == needed
    assert (after["identity"], after["missing_bytes"], after["files"]) == (COMMIT, 0, [])
    assert after["licence"] == before["licence"] == "creativeml-openrail-m"
    fetched = Path(after["path"])
    assert all((fetched / name).read_bytes() == files[name] for name in needed)
    fractions = [fraction for fraction, _ in heard.steps]
    assert fractions == sorted(fractions)
    hub.asked.clear()
    assert models.download(Download("some/sd", "pipeline"), Heard()) == after
    assert hub.asked == []


def test_a_name_that_leads_out_of_the_models_folder_is_not_fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a bad mirror may say. Where symlinks are, the hub's library refuses it as well."""
    monkeypatch.setattr(models, "are_symlinks_supported", lambda folder: False)
    files = pipeline_files()
    index = json.loads(files["model_index.json"])
    files["model_index.json"] = json.dumps({**index, "../../..": ["diffusers", "PNDMScheduler"]}).encode()
    evil = {"../../../evil.json", "unet/..\\..\\evil.json", "C:/evil.json", "/evil.json"}
    hub.repositories["some/sd"] = Repository({**files, **dict.fromkeys(evil, b"{}")})
    with suppress(SynGenError):
        models.locate("some/sd", "pipeline", online=True, say=Heard())
    assert not any("evil" in name for name in hub.sent)
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_a_variant_is_fetched_and_found_by_name(hub: Hub) -> None:
    files = pipeline_files()
    del files["vae/diffusion_pytorch_model.fp16.safetensors"]  # then its plain weights
    hub.repositories["some/sd"] = Repository(files)
    found = models.locate("some/sd:fp16", "pipeline", online=True, say=Heard())
    weights = {name for name in hub.sent if name.endswith(".safetensors")}
    halves = {name for name in files if name.endswith(".fp16.safetensors")}
    assert found.variant == "fp16" and weights == halves | {"vae/diffusion_pytorch_model.safetensors"}
    assert models.locate("some/sd:fp16", "pipeline", online=False, say=Heard()) == found
    assert models.resolve(Resolve("some/sd:fp16", "pipeline"), Heard())["identity"] == f"{COMMIT}:fp16"
    for online in (True, False):
        error = refused(lambda online=online: models.locate("some/sd:int8", "pipeline", online=online, say=Heard()))
        assert "int8" in error.message


def test_a_plain_model_here_does_not_pass_for_its_variant(hub: Hub) -> None:
    hub.repositories["some/sd"] = Repository(pipeline_files())
    models.locate("some/sd", "pipeline", online=True, say=Heard())
    error = refused(lambda: models.locate("some/sd:fp16", "pipeline", online=False, say=Heard()))
    assert "fp16" in error.message and "Get Model" in error.hint
    assert models.locate("some/sd:fp16", "pipeline", online=True, say=Heard()).variant == "fp16"
    assert models.locate("some/sd", "pipeline", online=False, say=Heard()).variant == ""


def test_a_connection_that_breaks_is_continued(hub: Hub) -> None:
    data = noise(BIG)
    hub.repositories["some/lora"] = Repository({"lora.safetensors": data})
    hub.break_after["lora.safetensors"] = 1_000_000
    found = models.locate("some/lora", "lora", online=True, say=Heard())
    assert found.path.read_bytes() == data and found.weight_name == "lora.safetensors"
    assert hub.sent["lora.safetensors"] == BIG
    assert ranges(hub) == [0, 1_000_000]


def test_a_server_that_cannot_continue_sends_it_all_again(hub: Hub) -> None:
    data = noise(BIG)
    hub.repositories["some/lora"] = Repository({"lora.safetensors": data})
    hub.break_after["lora.safetensors"] = 1_000_000
    hub.ranges = False
    heard = Heard()
    assert models.locate("some/lora", "lora", online=True, say=heard).path.read_bytes() == data
    assert hub.sent["lora.safetensors"] == BIG + 1_000_000


def ranges(hub: Hub) -> list[int]:
    """Where each request for the LoRA's bytes began."""
    asked = [r for _, path, r in hub.asked if path.startswith("cdn/") and path.endswith("lora.safetensors")]
    return [int(r.removeprefix("bytes=").removesuffix("-")) for r in asked]


def test_a_cancelled_download_goes_on_where_it_stopped(hub: Hub) -> None:
    data = noise(BIG)
    hub.repositories["some/lora"] = Repository({"lora.safetensors": data})
    hub.stall_after["lora.safetensors"] = 2_000_000  # and the server says nothing more: a cancel must not wait for it
    heard = Heard(lambda fraction, text: hub.stalled.is_set() and fraction > 0)
    with pytest.raises(Cancelled):
        models.download(Download("some/lora", "lora"), heard)
    assert not hub.go_on.is_set() and heard.steps[-1][1].startswith("Fetching lora.safetensors")
    refused(lambda: models.locate("some/lora", "lora", online=False, say=Heard()))
    hub.go_on.set()
    assert models.download(Download("some/lora", "lora"), Heard())["missing_bytes"] == 0
    first, *others = ranges(hub)
    assert first == 0 and 1 <= others[-1] <= 2_000_000
    assert models.locate("some/lora", "lora", online=False, say=Heard()).path.read_bytes() == data


CHILD = """
import sys
from syngen_addon.worker import models
from syngen_addon.worker.protocol import Download

class Say:
    def step(self, fraction, text):
        pass

print(models.download(Download(sys.argv[1], sys.argv[2]), Say())["path"])
"""


def test_a_killed_download_goes_on_in_the_next_process(hub: Hub, tmp_path: Path) -> None:
    data = noise(BIG)
    hub.repositories["some/lora"] = Repository({"lora.safetensors": data})
    hub.stall_after["lora.safetensors"] = 2_000_000
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CHILD, "some/lora", "lora"]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    unfinished = tmp_path / "home/hub/models--some--lora/blobs" / f"{etag_of('.pth', data)}.incomplete"
    assert hub.stalled.wait(60)
    while unfinished.stat().st_size < 1_500_000:  # of 2 MB that were sent, some may still be in a buffer
        assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.communicate()
    hub.go_on.set()
    kept = unfinished.stat().st_size
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    assert Path(done.stdout.strip()).read_bytes() == data
    assert ranges(hub)[-1] == kept


def test_without_symlinks_a_model_lies_there_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)  # as on Windows
    files = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": noise(BIG)}
    hub.repositories["some/control"] = Repository(files)
    found = models.locate("some/control", "control", online=True, say=Heard())
    held = [p for p in found.path.parents[1].rglob("*") if p.is_file() and p.stat().st_size == BIG]
    assert held == [found.path / "diffusion_pytorch_model.safetensors"] and not held[0].is_symlink()
    assert models.resolve(Resolve("some/control", "control"), Heard())["missing_bytes"] == 0


def test_an_older_model_stays_whole_until_the_new_one_is(hub: Hub) -> None:
    files = pipeline_files()
    hub.repositories["some/sd"] = Repository(files)
    old = models.locate("some/sd", "pipeline", online=True, say=Heard())
    newer = files | {"unet/diffusion_pytorch_model.safetensors": noise(BIG, 99)}
    hub.repositories["some/sd"] = Repository(newer, commit="d" * 40)
    (old.path / "vae/config.json").unlink()
    hub.stall_after["unet/diffusion_pytorch_model.safetensors"] = 1000
    with pytest.raises(Cancelled):
        models.locate("some/sd", "pipeline", online=True, say=Heard(lambda f, t: hub.stalled.is_set()))
    hub.go_on.set()
    assert (old.path.parents[1] / "refs" / "main").read_text() == COMMIT
    error = refused(lambda: models.locate("some/sd", "pipeline", online=False, say=Heard()))
    assert "vae/config.json" in error.message
    assert models.locate("some/sd", "pipeline", online=True, say=Heard()).path.name == "d" * 40
    (old.path / "vae/config.json").write_bytes(b"{}")  # whole again, and still the older one
    assert models.locate("some/sd", "pipeline", online=False, say=Heard()).path.name == "d" * 40


def test_damaged_bytes_are_noticed_and_fetched_anew(hub: Hub, tmp_path: Path) -> None:
    data = noise(BIG)
    hub.repositories["some/lora"] = Repository({"lora.safetensors": data})
    unfinished = tmp_path / f"hf/hub/models--some--lora/blobs/{etag_of('.pth', data)}.incomplete"
    write(unfinished.parent, {unfinished.name: noise(1000, 7)})
    error = refused(lambda: models.locate("some/lora", "lora", online=True, say=Heard()))
    assert "lora.safetensors" in error.message and not unfinished.exists()
    assert models.locate("some/lora", "lora", online=True, say=Heard()).path.read_bytes() == data


def test_a_full_disk_is_known_before(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories["some/lora"] = Repository({"lora.safetensors": noise(BIG)})
    usage = type(models.shutil.disk_usage("."))
    monkeypatch.setattr(models.shutil, "disk_usage", lambda path: usage(10**9, 10**9 - BIG, BIG))
    error = refused(lambda: models.locate("some/lora", "lora", online=True, say=Heard()))
    assert "room" in error.message and "HF_HOME" in error.hint
    assert hub.sent == {}


def test_a_disk_that_fills_up_keeps_what_came(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    data = noise(BIG)
    hub.repositories["some/lora"] = Repository({"lora.safetensors": data})
    fetch_rest = models._append

    def fill_up(url: str, file: Any, told: Any) -> None:
        file.write(data[:100_000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(models, "_append", fill_up)
    error = refused(lambda: models.locate("some/lora", "lora", online=True, say=Heard()))
    assert "room" in error.message
    monkeypatch.setattr(models, "_append", fetch_rest)
    assert models.locate("some/lora", "lora", online=True, say=Heard()).path.read_bytes() == data
    assert ranges(hub) == [100_000]


@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        ((403, "GatedRepo"), "gated"),
        ((401, "GatedRepo"), "gated"),
        ((401, "RepoNotFound"), "no model"),
        ((401, "Invalid credentials in Authorization header"), "token"),
        ((403, ""), "token"),
        ((404, "RepoNotFound"), "no model"),
        ((500, ""), "500"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(hub: Hub, refuse: tuple[int, str], said: str) -> None:
    hub.repositories["some/lora"] = Repository({"lora.safetensors": b"1"}, refuse=refuse)
    error = refused(lambda: models.download(Download("some/lora", "lora"), Heard()))
    assert said in error.message and "some/lora" in error.message


@pytest.mark.parametrize(("role", "model"), [("pipeline", "some/sd"), ("lora", "some/sd:v1-5-pruned.safetensors")])
def test_a_gated_model_that_can_be_seen_but_not_fetched(hub: Hub, role: str, model: str) -> None:
    hub.repositories["some/sd"] = Repository(pipeline_files(), refuse_files=(403, "GatedRepo"))
    error = refused(lambda: models.download(Download(model, role), Heard()))
    assert "gated" in error.message and f"{hub.url}/some/sd" in error.hint


def test_a_token_goes_to_the_hub_and_to_nobody_else(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.repositories["some/lora"] = Repository({"lora.safetensors": b"1"})
    models.download(Download("some/lora", "lora"), Heard())
    assert (hub.told, hub.told_elsewhere) == ({"Bearer hf_secret"}, {""})


def test_the_hubs_own_offline_switch_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    error = refused(lambda: models.download(Download("some/lora", "lora"), Heard()))
    assert "HF_HUB_OFFLINE" in error.message and hub.asked == []


def test_two_that_fetch_the_same_file_fetch_it_once(hub: Hub) -> None:
    data = noise(BIG)
    hub.repositories["some/lora"] = Repository({"lora.safetensors": data})
    hub.stall_after["lora.safetensors"] = 1_000_000
    results: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda: results.append(models.download(Download("some/lora", "lora"), Heard())))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    assert hub.stalled.wait(60)
    hub.go_on.set()
    for thread in threads:
        thread.join(60)
    assert len(results) == 2 and results[0] == results[1]
    assert hub.sent["lora.safetensors"] == BIG


def test_a_repository_that_moved_is_said_to_have(hub: Hub) -> None:
    error = refused(lambda: models.download(Download("runwayml/stable-diffusion-v1-5", "pipeline"), Heard()))
    assert "stable-diffusion-v1-5/stable-diffusion-v1-5" in error.hint


def test_a_hub_that_is_gone_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    use_hub(monkeypatch, f"http://127.0.0.1:{port}", tmp_path)
    error = refused(lambda: models.download(Download("some/lora", "lora"), Heard()))
    assert "cannot be reached" in error.message and "some/lora" in error.message
    assert models.resolve(Resolve("some/lora", "lora", online=True), Heard())["missing_bytes"] == -1


@pytest.mark.parametrize(
    ("role", "model", "files", "said"),
    [
        ("pipeline", "some/x", {"a.safetensors": b"1"}, "a.safetensors"),
        ("pipeline", "some/x", {"model.ckpt": b"1"}, "model.ckpt"),
        ("lora", "some/x", {"lora.bin": b"1"}, "lora.bin"),
        ("lora", "some/x:other.safetensors", {"a.safetensors": b"1"}, "other.safetensors"),
        ("lora", "some/x:a.ckpt", {"a.ckpt": b"1"}, "a.ckpt"),
        ("control", "some/x", {"config.json": b"{}", "diffusion_pytorch_model.bin": b"1"}, "pytorch_model.bin"),
    ],
)
def test_a_repository_that_does_not_fit_is_refused_before_fetching(
    hub: Hub, role: str, model: str, files: dict[str, bytes], said: str
) -> None:
    hub.repositories["some/x"] = Repository(files)
    error = refused(lambda: models.download(Download(model, role), Heard()))
    assert said in error.message
    assert hub.sent == {}


def test_an_adapter_comes_with_its_encoder(hub: Hub) -> None:
    encoder = {"config.json": b"{}", "model.safetensors": noise(100), "pytorch_model.bin": noise(90)}
    files = {f"{home}/image_encoder/{k}": v for home in ("models", "sdxl_models") for k, v in encoder.items()}
    adapters = ("models/ip-adapter_sd15", "sdxl_models/ip-adapter_sdxl", "sdxl_models/ip-adapter_sdxl_vit-h")
    files |= {f"{name}.{end}": noise(50) for name in adapters for end in ("bin", "safetensors")}
    hub.repositories["h94/IP-Adapter"] = Repository(files)
    for name, home in zip(adapters, ("models", "sdxl_models", "models"), strict=True):
        model = f"h94/IP-Adapter:{name}.safetensors"
        found = models.locate(model, "adapter", online=True, say=Heard())
        root = found.path.parents[1]
        encoder_folder = root / home / "image_encoder"
        assert found == models.Located(root / f"{name}.safetensors", True, found.path.name, encoder=encoder_folder)
        assert models.resolve(Resolve(model, "adapter"), Heard())["identity"] == f"{COMMIT}:{name}.safetensors"
    assert not [name for name in hub.sent if name.endswith(".bin")]
