"""Methods of the worker from end to end: the real process with torch, asked by operators and by the command line.

They need the worker's environment (`make test-worker` makes .venv-worker, or SYNGEN_WORKER_PYTHON names one) and skip
without it. Diffusion runs on real classes with random weights; neural transfer on the real ones of SYNGEN_TEST_WEIGHTS,
or those that `make test-worker` fetched.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from tests.blender import helpers as h

VENV = h.ROOT / ".venv-worker"
DEADLINE_S = 120


def interpreter() -> Path | None:
    """As the extension and the Makefile choose it."""
    if os.environ.get("SYNGEN_WORKER_PYTHON"):
        return Path(os.environ["SYNGEN_WORKER_PYTHON"])
    return VENV / "bin" / "python" if (VENV / "ready").is_file() else None


def weights() -> Path | None:
    places = [Path(os.environ.get("SYNGEN_TEST_WEIGHTS", "")), VENV / "weights" / "models"]
    return next((p for p in places if (p / "vgg_normalized.pth").is_file()), None)


pytestmark = pytest.mark.skipif(interpreter() is None, reason="there is no environment with torch (make test-worker)")
with_weights = pytest.mark.skipif(weights() is None, reason="SYNGEN_TEST_WEIGHTS is not set")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sd, a diffusion pipeline with random weights, the same as single.safetensors, and what goes on it:
    control, a ControlNet; lora.safetensors; adapter/adapter.safetensors, an IP-Adapter."""
    folder = tmp_path_factory.mktemp("models")
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import builders as b; "
        "f = Path(sys.argv[2]); b.build_sd(f / 'sd'); b.build_controlnet(f / 'control', f / 'sd'); "
        "b.build_lora(f / 'lora.safetensors', f / 'sd'); b.build_single_file(f / 'single.safetensors'); "
        "b.build_ip_adapter(f / 'adapter' / 'adapter.safetensors', f / 'sd')"
    )
    subprocess.run(
        [str(interpreter()), "-c", program, str(h.ROOT / "tests" / "worker"), str(folder)],
        check=True, capture_output=True, timeout=200, env=h.plain_environment(),
    )  # fmt: skip
    return folder


@pytest.fixture
def scene(addon, empty_scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A saved scene with one painted box, the worker's Python chosen."""
    monkeypatch.setattr(addon("variants"), "MIN_ONSET_SIZE", 128)
    monkeypatch.setenv("SYNGEN_WORKER_PYTHON", str(interpreter()))
    box = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("paint", 64)))
    bpy.context.view_layer.objects.active = box
    box.select_set(True)
    h.camera_above(6)
    h.save(tmp_path / "scene.blend")
    yield bpy.context.scene
    addon("blender.worker").close()


def by_diffusion(models: Path, **more: Any) -> dict[str, dict[str, Any]]:
    diffusion = {"model": str(models / "sd"), "size": 64, "steps": 3, "rounds": 0, **more}
    return {"texture": {"method": "diffusion"}, "diffusion": diffusion}


def put(addon, scene: Any, *parts: dict[str, dict[str, Any]]) -> Any:
    settings = h.recipe(addon, *parts)
    addon("blender.settings").put_recipe(scene, settings)
    return settings


def begun(addon, scene: Any) -> Any:
    """A Generation as Generate starts it in the window."""
    generation, settings = addon("blender.generation"), addon("blender.settings")
    gallery = addon("blender.preferences").gallery_folder()
    work = generation.Generation([bpy.context.object], settings.recipe_of(scene), gallery)
    work.start()
    return work


def until(what: Callable[[], bool], about: str) -> None:
    limit = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < limit, f"waited too long: {about}"
        time.sleep(0.02)


def ended(work: Any) -> None:
    until(lambda: not work.poll(), "the generation to end")


def worker_pid(addon) -> int:
    return addon("blender.worker").get().pid


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


# --- what comes out --------------------------------------------------------------------------------------------------


def test_the_operator_makes_variants_by_diffusion(addon, scene, models: Path) -> None:
    put(addon, scene, by_diffusion(models))
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    made = addon("blender.previews").variants_of(bpy.context.object)
    assert len(made) == 2 and "rust" in made[0].made["positive"]
    assert bpy.ops.syngen.apply_variant(variant=made[0].name) == {"FINISHED"}
    first = {p.name: p.read_bytes() for v in made for p in v.folder.iterdir()}
    # The same again, by a new process: the same bytes.
    addon("blender.worker").close()
    gallery = addon("blender.preferences").gallery_folder()
    os.rename(gallery, gallery.with_name("before"))
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    addon("blender.session").forget_pictures()
    again = addon("blender.previews").variants_of(bpy.context.object)
    assert {p.name: p.read_bytes() for v in again for p in v.folder.iterdir()} == first


def test_a_single_file_with_a_lora_and_a_style_photo(addon, scene, models: Path, tmp_path: Path) -> None:
    addon("images").save_png(tmp_path / "photo.png", np.random.default_rng(0).random((40, 50, 3), np.float32))
    about = by_diffusion(
        models, model=str(models / "single.safetensors"), lora=str(models / "lora.safetensors"),
        style_image=str(tmp_path / "photo.png"), style_model=str(models / "adapter" / "adapter.safetensors"),
    )  # fmt: skip
    put(addon, scene, about)
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    with_all = addon("blender.previews").variants_of(bpy.context.object)
    put(addon, scene, by_diffusion(models, model=str(models / "single.safetensors")))
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    addon("blender.session").forget_pictures()
    plain = [v for v in addon("blender.previews").variants_of(bpy.context.object) if v not in with_all]
    assert len(with_all) == len(plain) == 2
    assert with_all[0].file("color", 0).read_bytes() != plain[0].file("color", 0).read_bytes()


@with_weights
@pytest.mark.parametrize("method", ["gatys", "adain"])
def test_neural_transfer_keeps_the_protected_texels(addon, scene, method: str, tmp_path: Path) -> None:
    found = weights()
    images = addon("images")
    mask = np.zeros((64, 64, 3), np.float32)
    mask[8:24, 8:24] = 1
    images.save_png(tmp_path / "mask.png", mask)
    neural = {"vgg": str(found / "vgg_normalized.pth"), "decoder": str(found / "decoder.pth"), "steps": 4}
    transfer = {"method": method, "protect_image": str(tmp_path / "mask.png")}
    put(addon, scene, {"transfer": transfer, "neural": neural, "texture": {"variants": 1}})
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    (made,) = addon("blender.previews").variants_of(bpy.context.object)
    color = images.to_bytes(images.load(made.file("color", 0))[..., :3])
    base = images.to_bytes(addon("blender.pixels").read_srgb(bpy.data.images["paint"])[..., :3])
    kept = mask[..., 0] > 0
    np.testing.assert_array_equal(color[kept], base[kept])
    assert np.abs(color[~kept].astype(int) - base[~kept]).mean() > 5


SIGNS = Path(os.environ.get("SYNGEN_TEST_ASSETS", "")) / "objects" / "Barrel_01"


@with_weights
@pytest.mark.skipif(not SIGNS.is_dir(), reason="SYNGEN_TEST_ASSETS names no models")
@pytest.mark.parametrize(("method", "size"), [("adain", 1024), ("gatys", 256)])
def test_the_signs_of_a_real_drum_are_unharmed(addon, scene, method: str, size: int, tmp_path: Path) -> None:
    found, images = weights(), addon("images")
    base = images.load(SIGNS / "textures" / "Barrel_01_explosive_diff_1k.jpg")
    hsv = cv2.cvtColor(base, cv2.COLOR_RGB2HSV)
    yellow = (hsv[..., 0] > 36) & (hsv[..., 0] < 76) & (hsv[..., 1] > 0.4) & (hsv[..., 2] > 0.4)
    signs = cv2.dilate(yellow.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert 0.01 < signs.mean() < 0.2
    images.save_png(tmp_path / "signs.png", np.repeat(signs[..., None], 3, axis=2).astype(np.float32))
    bpy.ops.import_scene.gltf(filepath=str(SIGNS / "Barrel_01_1k.gltf"))
    (drum,) = [o for o in bpy.context.selected_objects if o.type == "MESH"]
    bpy.context.view_layer.objects.active = drum
    put(addon, scene, {
        "texture": {"variants": 1},
        "transfer": {"method": method, "protect_image": str(tmp_path / "signs.png"), "max_size": size},
        "neural": {"vgg": str(found / "vgg_normalized.pth"), "decoder": str(found / "decoder.pth"), "steps": 3},
    })  # fmt: skip
    ageing = addon("blender.ageing")
    asked = ageing.gather(drum, addon("blender.settings").recipe_of(scene), ageing.kind_named("heavy_rust"))
    (slot,) = asked.slots
    assert slot.protect.mean() > 0.01
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    (made,) = addon("blender.previews").variants_of(drum)
    color = images.to_bytes(images.load(made.file("color", 0))[..., :3])
    np.testing.assert_array_equal(color[slot.protect], images.to_bytes(slot.base_srgb)[slot.protect])
    changed = np.abs(color.astype(int) - images.to_bytes(slot.base_srgb)).max(axis=-1) > 8
    assert changed[~slot.protect].mean() > 0.3


@pytest.mark.parametrize("mode", ["inpaint", "image"])
def test_diffusion_on_the_base_texture_with_a_controlnet(addon, scene, models: Path, mode: str) -> None:
    about = by_diffusion(models, mode=mode, control="canny", control_model=str(models / "control"))
    put(addon, scene, about, {"texture": {"method": "procedural", "variants": 1}, "transfer": {"method": "diffusion"}})
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    (made,) = addon("blender.previews").variants_of(bpy.context.object)
    assert made.file("color", 0).is_file()


def test_a_batch_job_from_a_recipe(addon, scene, models: Path, tmp_path: Path) -> None:
    settings = h.recipe(
        addon, h.STILL, by_diffusion(models), {"targets": {"objects": ["Crate"]}, "wear": {"level": [0.5, 0.5]}}
    )
    (tmp_path / "job.toml").write_text(addon("recipe").dumps(settings))
    command = [
        sys.executable, str(h.BATCH), "--", "--scene", bpy.data.filepath, "--recipe", str(tmp_path / "job.toml"),
        "--out", str(tmp_path / "out"), "--frames", "1", "--worker-python", str(interpreter()),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=h.plain_environment())
    assert done.returncode == 0, done.stderr
    inputs = json.loads((tmp_path / "out" / "job.json").read_text())["inputs"]
    assert set(inputs["worker"]["models"]) == {"pipeline"} and inputs["worker"]["device"]
    assert h.record(tmp_path / "out")["frame"] == 0
    assert (tmp_path / "out" / "annotations").is_dir()


def test_a_render_has_the_memory_to_itself(addon, scene, models: Path) -> None:
    put(addon, scene, by_diffusion(models))
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    assert is_running(before := worker_pid(addon))
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.render.resolution_x, scene.render.resolution_y = 1, 16, 16
    assert bpy.ops.render.render() == {"FINISHED"}
    assert not is_running(before)


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_the_worker_is_gone_while_frames_are_rendered(addon, scene, models: Path, tmp_path: Path, monkeypatch) -> None:
    dataset, worker, wearing = addon("blender.dataset"), addon("blender.worker"), addon("blender.wearing")
    recipe = h.recipe(addon, by_diffusion(models), {"targets": {"objects": ["Crate"]}})
    aged, pids = wearing.Wearing._age, []

    def age(frames: Any, *about: Any) -> None:
        aged(frames, *about)
        pids.append(worker.get().pid)

    def render(frames: Any, missing: Any, summary: Any) -> None:
        pids.append(worker.get().pid)
        raise addon("errors").Cancelled

    monkeypatch.setattr(wearing.Wearing, "_age", age)
    monkeypatch.setattr(dataset.Frames, "render", render)
    summary = dataset.run(dataset.Job(recipe, tmp_path / "out", 1, 0))
    assert summary.stopped and len(pids) == 2 and pids[0] is not None and pids[1] is None
    assert not is_running(pids[0])


def test_ten_cancels_in_a_row_leave_the_worker_at_work(addon, scene, models: Path) -> None:
    put(addon, scene, by_diffusion(models, steps=400))
    pids = set()
    for _ in range(10):
        work = begun(addon, scene)
        until(lambda work=work: work.fraction > 0.01 or not work.poll(), "the first steps")
        pids.add(worker_pid(addon))
        work.cancel()
        ended(work)
        assert work.cancelled and not work.made and not work.skipped
    assert len(pids) == 1, "the process, and with it the model, is kept"
    put(addon, scene, by_diffusion(models, steps=2))
    work = begun(addon, scene)
    ended(work)
    assert work.made


def test_a_worker_killed_in_the_middle_is_one_sentence_and_the_next_starts(addon, scene, models: Path) -> None:
    put(addon, scene, by_diffusion(models, steps=400))
    work = begun(addon, scene)
    until(lambda: work.fraction > 0.01 or not work.poll(), "the first steps")
    before = worker_pid(addon)
    os.kill(before, signal.SIGKILL)
    ended(work)
    assert not work.made and "worker" in str(work.error) and str(work.error).count("\n") == 0
    put(addon, scene, by_diffusion(models, steps=2))
    work = begun(addon, scene)
    ended(work)
    assert work.made and worker_pid(addon) != before


def test_a_missing_model_changes_nothing(addon, scene, models: Path) -> None:
    put(addon, scene, by_diffusion(models, model="nobody/nothing"))
    before = {p for p in Path(bpy.data.filepath).parent.rglob("*") if p.is_file()}
    with pytest.raises(RuntimeError, match="nobody/nothing is not on this machine"):
        bpy.ops.syngen.generate()
    assert {p for p in Path(bpy.data.filepath).parent.rglob("*") if p.is_file()} == before
    put(addon, scene, by_diffusion(models))
    assert bpy.ops.syngen.generate() == {"FINISHED"}


def test_the_worker_ends_with_a_blender_that_is_killed(addon, scene, models: Path, tmp_path: Path) -> None:
    settings = h.recipe(addon, by_diffusion(models, steps=500), {"targets": {"objects": ["Crate"]}})
    (tmp_path / "job.toml").write_text(addon("recipe").dumps(settings))
    command = [
        sys.executable, str(h.BATCH), "--", "--scene", bpy.data.filepath, "--recipe", str(tmp_path / "job.toml"),
        "--out", str(tmp_path / "out"), "--frames", "1", "--worker-python", str(interpreter()),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=h.plain_environment()) as blender:
        try:
            assert any(": Step " in line for line in blender.stdout), "it never came to a step"
            threads = Path(f"/proc/{blender.pid}/task").iterdir()
            workers = {int(child) for thread in threads for child in (thread / "children").read_text().split()}
            assert workers and all(is_running(pid) for pid in workers)
        finally:
            blender.kill()
    until(lambda: not any(is_running(pid) for pid in workers), "the worker to end")
