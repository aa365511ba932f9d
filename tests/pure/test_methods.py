"""Methods that need the worker, with a stand-in for it: what it is asked, what becomes of its pictures."""

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syngen_addon import images, methods, variants
from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.kinds import KINDS
from syngen_addon.methods import Tools, Watch
from syngen_addon.textures.procedural import wear_texture
from syngen_addon.variants import make_variants
from syngen_addon.wear import noise as wear_noise
from syngen_addon.worker import protocol
from syngen_addon.worker.protocol import Download, Generate, Job, Resolve, Stylise
from tests.pure.small import contents, request

RUST = KINDS["heavy_rust"]


@cache
def noise(seed: int, height: int, width: int) -> np.ndarray:
    """Rust as the filters like it, cut from the procedural texture."""
    side = max(height, width, 64)
    return wear_texture(RUST, side, np.random.default_rng(seed)).color_srgb[:height, :width]


class Painter:
    """Does jobs as the worker would: pictures by `paint`, style transfer as a mix of content and style."""

    def __init__(self, paint: Callable[[Generate, int], np.ndarray] | None = None) -> None:
        self.jobs: list[Job] = []
        self.paint = paint or (lambda job, seed: noise(seed, job.height, job.width))
        self.identity = {"owner/model": "abc"}
        self.faults: list[str] = []

    def run(self, job: Job, *, progress: Any = None, preview: Any = None, should_stop: Any = None) -> dict[str, Any]:
        protocol.decode_request(protocol.encode(protocol.Run(0, job)))
        self.jobs.append(job)
        if progress is not None:
            progress(0.5, "step 1 of 2")
        if isinstance(job, (Resolve, Download)):
            here = isinstance(job, Download) or job.model in self.identity or Path(job.model).exists()
            identity = self.identity.get(job.model, f"hash of {job.model}") if here else ""
            files = [] if here else ["unet.safetensors"]
            return {"path": job.model if here else "", "identity": identity, "files": files}
        if isinstance(job, Generate):
            Path(job.out).mkdir(parents=True, exist_ok=True)
            paths = []
            for number, seed in enumerate(job.seeds):
                paths.append(str(Path(job.out) / f"{number:04d}.png"))
                images.save_png(paths[-1], self.paint(job, seed))
            faults = [self.faults.pop(0) if self.faults else "" for _ in paths]
            return {"pictures": paths, "faults": faults, "notes": []}
        assert isinstance(job, Stylise)
        content, style = images.load(job.content), images.load(job.style)
        images.save_png(job.out, 0.5 * content + 0.5 * style.mean(axis=(0, 1)), 16)
        return {"picture": job.out}

    def asked(self, kind: type) -> list[Any]:
        return [job for job in self.jobs if isinstance(job, kind)]


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "MIN_ONSET_SIZE", 128)
    monkeypatch.setattr(wear_noise, "SIDE", 64)  # an eighth of the values, enough where the noise itself does not count


def by_diffusion(**more: Any) -> Any:
    diffusion = {"model": "owner/model", "size": 64, "rounds": 2, **more.pop("diffusion", {})}
    return request(changes={"texture": {"method": "diffusion"}, "diffusion": diffusion, **more})


def test_wear_textures_by_diffusion(tmp_path: Path) -> None:
    painter = Painter()
    made = make_variants(by_diffusion(), tmp_path, tools=Tools(painter))
    (job,) = painter.asked(Generate)
    assert job.mode == "text" and job.tileable and job.seeds == (0, 1) and (job.width, job.height) == (64, 64)
    assert "rust" in job.prompt and job.negative
    assert [v.accepted for v in made] == [True, True]
    assert made[0].made["positive"] == job.prompt and made[0].made["rounds"][0]["accepted"] == 2
    colors = [images.load(v.file("color", 0)) for v in made]
    assert np.abs(colors[0] - colors[1]).mean() > 0.01, "each seed has a picture of its own"


def test_the_same_pictures_serve_every_object_and_a_second_call(tmp_path: Path) -> None:
    painter = Painter()
    make_variants(by_diffusion(), tmp_path, tools=Tools(painter))
    before = contents(tmp_path)
    make_variants(by_diffusion(), tmp_path, tools=Tools(painter))
    make_variants(dataclasses.replace(by_diffusion(), name="Other"), tmp_path, tools=Tools(painter))
    assert len(painter.asked(Generate)) == 1
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before


def test_the_prompt_changes_for_the_reason_and_the_log_says_what_it_brought(tmp_path: Path) -> None:
    painter = Painter(lambda job, seed: np.full((64, 64, 3), 0.3, np.float32) if seed < 4 else noise(seed % 99, 64, 64))
    told: list[str] = []
    made = make_variants(
        by_diffusion(filters={"enabled": True}, diffusion={"refine_share": 0.3}), tmp_path, tools=Tools(painter),
        progress=lambda fraction, text: told.append(text),
    )  # fmt: skip
    first, second = painter.asked(Generate)[:2]
    assert (first.prompt, first.negative) != (second.prompt, second.negative)
    assert not set(first.seeds) & set(second.seeds), "a refused picture is not drawn again"
    rounds = made[0].made["rounds"]
    assert rounds[0] == {
        "prompt": first.prompt, "negative": first.negative,
        "made": 2, "accepted": 0, "refused": {"flat": 2}, "notes": [],
    }  # fmt: skip
    assert rounds[1]["prompt"] == second.prompt and rounds[1]["made"] == 2
    assert made[0].made["positive"] != first.prompt
    assert any(text.startswith("Wear textures, round 2 (0 of 2 accepted, prompt changed for: flat)") for text in told)
    assert f"{sum(v.accepted for v in made)} of 2 accepted in round {len(rounds)}" in " ".join(told)


def test_pictures_that_stay_bad_are_refused_and_say_why(tmp_path: Path) -> None:
    painter = Painter()
    painter.faults = ["blanked"] * 6
    made = make_variants(by_diffusion(), tmp_path, tools=Tools(painter))
    assert [v.accepted for v in made] == [False, False]
    assert "safety" in made[0].sentence and made[0].reason == "invalid"
    assert len(painter.asked(Generate)) == 3, "the first round and two more"


def test_a_missing_model_is_named_before_anything_is_made(tmp_path: Path) -> None:
    painter = Painter()
    with pytest.raises(SynGenError, match=r"nobody/nothing is not on this machine.*unet.safetensors") as caught:
        make_variants(by_diffusion(diffusion={"model": "nobody/nothing"}), tmp_path, tools=Tools(painter))
    assert "Get Model" in caught.value.hint
    assert "blender -b --command syngen worker model nobody/nothing --online." in caught.value.hint
    assert contents(tmp_path) == {}
    make_variants(by_diffusion(diffusion={"model": "nobody/nothing"}), tmp_path, tools=Tools(painter, online=True))
    assert len(painter.asked(Download)) == 1


@pytest.mark.parametrize(
    ("role", "settings"),
    [("lora", {"lora": "nobody/it:a b.safetensors"}), ("adapter", {"style_model": "nobody/it:a b.safetensors"}),
     ("control", {"control": "tile", "control_model": "nobody/it:a b.safetensors"})],
)  # fmt: skip
def test_the_command_that_fetches_says_what_it_is(role: str, settings: dict[str, str], tmp_path: Path) -> None:
    if role == "adapter":
        settings = settings | {"style_image": str(tmp_path / "photo.png")}
    changed = by_diffusion(diffusion=settings, transfer={"method": "diffusion"}).recipe
    with pytest.raises(SynGenError, match="nobody/it") as caught:
        methods.identities(changed, Tools(Painter(), command="syngen"), Watch(lambda *told: None, lambda: False))
    assert f"syngen worker model 'nobody/it:a b.safetensors' --role {role} --online." in caught.value.hint


def test_a_folder_without_a_model_is_said_to_hold_none(tmp_path: Path) -> None:
    class Bare(Painter):
        def run(self, job: Job, **more: Any) -> dict[str, Any]:
            return {"path": "", "identity": "", "files": ["model_index.json"]}

    changed = by_diffusion(diffusion={"model": str(tmp_path)})
    with pytest.raises(SynGenError, match=r"no complete diffusers model\. Missing: model_index\.json\.") as caught:
        make_variants(changed, tmp_path, tools=Tools(Bare()))
    assert "worker model" not in caught.value.hint and "folder" in caught.value.hint


def the_set(gallery: Path) -> Path:
    (folder,) = (gallery / "wear-textures").iterdir()
    return folder


def test_a_set_holds_a_picture_a_seed_and_nothing_of_the_way_there(tmp_path: Path) -> None:
    class Previewing(Painter):
        def run(self, job: Job, **more: Any) -> dict[str, Any]:
            done = super().run(job, **more)
            if isinstance(job, Generate):
                images.save_png(Path(job.out) / "preview.png", noise(1, 32, 32))
            return done

    painter = Previewing()
    painter.faults = ["black", ""]
    make_variants(by_diffusion(), tmp_path, tools=Tools(painter))
    assert len(painter.asked(Generate)) == 2
    assert set(contents(the_set(tmp_path))) == {"0000.png", "0001.png", "textures.json"}


@pytest.mark.parametrize("harm", [
    lambda folder: (folder / "0001.png").unlink(),
    lambda folder: (folder / "textures.json").write_text("{"),
    lambda folder: (folder / "textures.json").write_text('{"pictures": {"0": 1}}'),
    lambda folder: shutil.rmtree(folder),
])  # fmt: skip
def test_a_set_that_is_not_whole_is_made_anew(harm: Callable[[Path], None], tmp_path: Path) -> None:
    painter = Painter()
    make_variants(by_diffusion(), tmp_path, tools=Tools(painter))
    before = contents(the_set(tmp_path))
    harm(the_set(tmp_path))
    make_variants(dataclasses.replace(by_diffusion(), name="Other"), tmp_path, tools=Tools(painter))
    assert contents(the_set(tmp_path)) == before and len(painter.asked(Generate)) == 2


def test_another_process_that_was_first_keeps_its_set(tmp_path: Path) -> None:
    make_variants(by_diffusion(), tmp_path / "first", tools=Tools(Painter()))
    theirs = the_set(tmp_path / "first")

    class Late(Painter):
        def run(self, job: Job, **more: Any) -> dict[str, Any]:
            done = super().run(job, **more)
            if isinstance(job, Generate):
                theirs.rename(tmp_path / "second" / "wear-textures" / theirs.name)
            return done

    kept = (theirs / "0000.png").stat()
    make_variants(by_diffusion(), tmp_path / "second", tools=Tools(Late()))
    now = (the_set(tmp_path / "second") / "0000.png").stat()
    assert (now.st_ino, now.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns), "the other one may be reading it"


def test_what_a_killed_process_left_is_removed_and_what_lives_is_kept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    home = variants.object_folder(tmp_path, "Sheet")
    for parent in (tmp_path / "wear-textures", home):
        for process in (dead.pid, os.getppid()):
            (parent / f".it.{platform.node()}-{process}.part").mkdir(parents=True)
    make_variants(by_diffusion(), tmp_path, tools=Tools(Painter()))
    left = [p.name for p in tmp_path.rglob("*.part")]
    assert left == [f".it.{platform.node()}-{os.getppid()}.part"] * 2


def test_the_verdicts_are_those_of_the_rounds(tmp_path: Path) -> None:
    """A picture that was refused for being another's twin stays the refused one, though its seed comes first."""
    painter = Painter(lambda job, seed: noise(7, 64, 64))
    painter.faults = ["black"]
    made = make_variants(by_diffusion(filters={"enabled": True, "color_max": 200.0, "seam_max": 100.0}, diffusion={
        "rounds": 1}), tmp_path, tools=Tools(painter))  # fmt: skip
    assert [(v.accepted, v.reason) for v in made] == [(False, "duplicate"), (True, "")]
    assert made[0].made["rounds"][1]["refused"] == {"duplicate": 1}
    again = make_variants(dataclasses.replace(by_diffusion(filters={
        "enabled": True, "color_max": 200.0, "seam_max": 100.0}, diffusion={"rounds": 1}), name="Other"),
        tmp_path, tools=Tools(painter))  # fmt: skip
    assert [(v.accepted, v.sentence, v.scores) for v in again] == [(v.accepted, v.sentence, v.scores) for v in made]


def test_settings_of_the_transfer_make_no_new_wear_textures(tmp_path: Path) -> None:
    painter = Painter()
    tools = Tools(painter, str(tmp_path), str(tmp_path))
    for changes in (
        {},
        {"diffusion": {"strength": 0.9, "mode": "image", "control_weight": 0.1, "offload": "model"}},
        {"transfer": {"method": "gatys"}},
        {"transfer": {"method": "gatys"}, "neural": {"style_weight": 9.0}},
    ):
        make_variants(by_diffusion(**changes), tmp_path / "gallery", tools=tools)
    assert len(painter.asked(Generate)) == 1


@pytest.mark.parametrize("method", ["gatys", "adain", "diffusion"])
def test_where_nothing_may_be_changed_no_network_is_asked(method: str, tmp_path: Path) -> None:
    plain = request(changes={
        "texture": {"variants": 1}, "transfer": {"method": method},
        "diffusion": {"model": "owner/model", "size": 64},
    })  # fmt: skip
    slot = dataclasses.replace(plain.slots[0], protect=np.ones((64, 64), np.bool_))
    painter = Painter()
    (made,) = make_variants(
        dataclasses.replace(plain, slots=(slot,)), tmp_path, tools=Tools(painter, str(tmp_path), str(tmp_path))
    )
    color = images.load(made.file("color", 0))
    np.testing.assert_array_equal(images.to_bytes(color), images.to_bytes(slot.base_srgb))
    assert not painter.asked(Generate) and not painter.asked(Stylise)


@pytest.mark.parametrize("section", ["transfer", "diffusion"])
def test_a_style_photo_that_is_none_is_said_before_anything_is_made(section: str, tmp_path: Path) -> None:
    photo, painter = tmp_path / "notes.txt", Painter()
    photo.write_text("rust")
    for path, message in ((photo, "cannot be read as an image"), (tmp_path, "cannot be read: Is a directory")):
        settings = {"style_image": str(path), **({"method": "gatys"} if section == "transfer" else {})}
        with pytest.raises(SynGenError, match=message):
            make_variants(by_diffusion(**{section: settings}), tmp_path / "gallery",
                tools=Tools(painter, str(tmp_path), str(tmp_path), online=True))  # fmt: skip
    assert not painter.asked(Generate) and not (tmp_path / "gallery").exists()


def test_without_a_worker_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SynGenError, match="not set up"):
        make_variants(by_diffusion(), tmp_path)


def test_cancelling_a_job_leaves_nothing(tmp_path: Path) -> None:
    class Stopping(Painter):
        def run(self, job: Job, **more: Any) -> dict[str, Any]:
            if isinstance(job, Generate):
                Path(job.out).mkdir(parents=True)
                raise Cancelled
            return super().run(job, **more)

    with pytest.raises(Cancelled):
        make_variants(by_diffusion(), tmp_path, tools=Tools(Stopping()))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("method", ["gatys", "adain", "diffusion"])
def test_every_method_gives_the_same_sort_of_result(method: str, tmp_path: Path) -> None:
    protect = np.zeros((64, 64), np.bool_)
    protect[20:40, 10:30] = True
    plain = request(changes={
        "texture": {"variants": 1}, "transfer": {"method": method},
        "diffusion": {"model": "owner/model", "size": 64},
    })  # fmt: skip
    slot = dataclasses.replace(plain.slots[0], protect=protect)
    painter = Painter()
    (made,) = make_variants(
        dataclasses.replace(plain, slots=(slot,)), tmp_path, tools=Tools(painter, str(tmp_path), str(tmp_path))
    )
    color = images.load(made.file("color", 0))
    assert color.shape == (64, 64, 3)
    kept = images.to_bytes(slot.base_srgb)[protect]
    np.testing.assert_array_equal(images.to_bytes(color)[protect], kept)
    assert np.abs(color - slot.base_srgb)[~protect].mean() > 0.02
    asked = painter.asked(Generate if method == "diffusion" else Stylise)
    assert len(asked) == 1
    if method == "diffusion":
        assert asked[0].mode == "inpaint" and asked[0].image and asked[0].mask and not asked[0].tileable
    else:
        assert asked[0].method == method and bool(asked[0].start) == (method == "gatys")


def test_only_what_a_method_uses_is_part_of_a_variants_name() -> None:
    def name(**changes: Any) -> str:
        return variants.input_hash(request(changes=changes), {"vgg": "1"})

    default = name()
    assert name(neural={"style_weight": 5.0}, diffusion={"steps": 3}) == default
    gatys = name(transfer={"method": "gatys"})
    assert gatys != default
    assert name(transfer={"method": "gatys"}, neural={"style_weight": 5.0}) != gatys
    assert name(transfer={"method": "gatys"}, neural={"tile": 64}) == gatys, "tiles change nothing"
    assert name(transfer={"method": "gatys"}, diffusion={"steps": 3}) == gatys
    texture = name(texture={"method": "diffusion"})
    assert name(texture={"method": "diffusion"}, diffusion={"strength": 0.1, "mode": "image"}) == texture
    assert name(texture={"method": "diffusion"}, diffusion={"lora_weight": 0.5, "style_weight": 0.1}) == texture
    assert name(texture={"method": "diffusion"}, diffusion={"rounds": 1}) != texture
    assert name(texture={"method": "diffusion"}, diffusion={"lora": "a/b"}) != texture
    base = name(transfer={"method": "diffusion"})
    assert name(transfer={"method": "diffusion"}, diffusion={"rounds": 1, "control_weight": 0.1}) == base
    assert name(transfer={"method": "diffusion"}, diffusion={"strength": 0.1}) != base
    moved = name(transfer={"protect_image": "/a/mask.png"})
    assert name(transfer={"protect_image": "/b/mask.png"}) == moved
    one = request(changes={"transfer": {"method": "gatys"}})
    assert variants.input_hash(one, {"vgg": "1"}) != variants.input_hash(one, {"vgg": "2"})


def test_a_wear_texture_brought_to_another_size_still_tiles() -> None:
    maps = wear_texture(RUST, 128, np.random.default_rng(3))
    for size in (96, 200, 256):
        out = methods._of_size(maps, size)
        assert out.color_srgb.shape == (size, size, 3) and out.height.shape == (size, size)
        for axis in (0, 1):
            steps = np.abs(np.diff(out.height, axis=axis)).mean(axis=1 - axis)
            across = np.abs(np.take(out.height, 0, axis) - np.take(out.height, -1, axis)).mean()
            assert across <= 1.05 * steps.max(), "no step across the border is larger than those inside"
        back = images.resize(np.ascontiguousarray(out.height), 64, 64)
        assert np.abs(back - images.resize(maps.height, 64, 64)).mean() < 0.02, "nothing is shifted"


def test_the_log_of_a_set_is_json(tmp_path: Path) -> None:
    make_variants(by_diffusion(), tmp_path, tools=Tools(Painter()))
    (file,) = tmp_path.glob("wear-textures/*/textures.json")
    assert set(json.loads(file.read_text())) == {"rounds", "pictures"}
