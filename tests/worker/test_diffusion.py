"""Pictures by real pipelines of random weights, through the function that does the worker's job."""

import dataclasses
import gc
import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoPipelineForText2Image, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.worker import diffusion, memory, pipelines
from syngen_addon.worker.protocol import Generate
from tests.worker import builders


class Listener:
    """A stand-in for serve.Say; stop: raises Cancelled at that call of step, as a person would."""

    def __init__(self, stop: int = -1) -> None:
        self.steps: list[tuple[float, str]] = []
        self.previews: list[Any] = []
        self.stop = stop

    def check(self) -> None:
        if len(self.steps) == self.stop:
            raise Cancelled

    def step(self, fraction: float, text: str) -> None:
        self.check()
        self.steps.append((fraction, text))

    def preview(self, image: Any) -> None:
        self.previews.append(image)


class Studio:
    """Every model of the tests, built once, and a short way to ask for pictures."""

    def __init__(self, root: Path) -> None:
        torch.set_num_threads(1)  # tiny networks are faster so, and other processes do not slow them down
        gc.collect()
        gc.freeze()  # what was imported need not be looked through each time that a model is let go of
        self.root = root
        self.sd = builders.build_sd(root / "sd")
        self.xl = builders.build_sdxl(root / "xl")
        self.sd3 = builders.build_sd3(root / "sd3")
        self.flux = builders.build_flux(root / "flux")
        self.painter = builders.build_sd(root / "painter", inpaint=True)
        self.checked = builders.build_sd(root / "checked", safety=True)
        self.control = builders.build_controlnet(root / "control", self.sd)
        self.lora = builders.build_lora(root / "lora.safetensors", self.sd)
        self.adapter = builders.build_ip_adapter(root / "adapter" / "adapter.safetensors", self.sd)
        self.single = builders.build_single_file(root / "single.safetensors")
        rng = np.random.default_rng(0)
        coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8))
        self.base, self.mask, self.photo = root / "base.png", root / "mask.png", root / "photo.png"
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(self.base)
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(self.photo)
        mask = np.zeros((64, 64), np.uint8)
        mask[16:48, 16:48] = 255
        mask[24:32, 48:56] = 128
        Image.fromarray(mask).save(self.mask)
        self.with_control = {
            "control": "tile",
            "control_model": str(self.control),
            "control_image": str(self.base),
        }
        self.with_lora = {"lora": str(self.lora)}
        self.with_style = {"style_image": str(self.photo), "style_model": str(self.adapter)}

    def job(self, **about: Any) -> Generate:
        plain = Generate(
            model=str(self.sd),
            out=str(self.root / "out"),
            mode="text",
            prompt="rust",
            negative="text",
            width=64,
            height=64,
            seeds=(1,),
            steps=3,
            guidance=5.0,
        )
        if about.get("mode", "text") != "text":
            about = {"image": str(self.base), "strength": 0.7} | about
        if about.get("mode") == "inpaint":
            about = {"mask": str(self.mask)} | about
        return dataclasses.replace(plain, **{k: str(v) if isinstance(v, Path) else v for k, v in about.items()})

    def result(self, say: Any = None, **about: Any) -> dict[str, Any]:
        return diffusion.generate(self.job(**about), say or Listener())

    def pictures(self, **about: Any) -> list[np.ndarray]:
        """8 bit; whole ones."""
        result = self.result(**about)
        assert result["faults"] == [""] * len(result["pictures"])
        return [pixels(path) for path in result["pictures"]]

    def picture(self, **about: Any) -> np.ndarray:
        return self.pictures(**about)[0]


def pixels(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path)).copy()


def differs(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a.astype(int) - b).mean() > 1)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    yield Studio(tmp_path_factory.mktemp("studio"))
    diffusion.forget()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a test of this module asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def fresh(studio: Studio) -> Iterator[Studio]:
    """With the model loaded anew, before and after: for tests that break it."""
    diffusion.forget()
    yield studio
    diffusion.forget()


# --- modes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["sd", "xl", "sd3", "flux"])
def test_text_gives_what_the_bare_library_gives(studio: Studio, family: str) -> None:
    folder = getattr(studio, family)
    ours = studio.pictures(model=folder, seeds=(3, 4))
    without = {"text_encoder_3": None, "tokenizer_3": None} if family == "sd3" else {}
    bare = AutoPipelineForText2Image.from_pretrained(folder, local_files_only=True, **without)
    bare.set_progress_bar_config(disable=True)
    for seed, picture in zip((3, 4), ours, strict=True):
        theirs = bare(
            "rust",
            negative_prompt="text",
            width=64,
            height=64,
            num_inference_steps=3,
            guidance_scale=5.0,
            generator=torch.Generator().manual_seed(seed),
        )
        assert np.abs(picture.astype(int) - np.asarray(theirs.images[0])).max() <= 1  # they round otherwise


def test_a_full_disk_is_one_sentence(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SynGenError, match="Cannot write"):
        studio.result(out=tmp_path / "file" / "out")
    assert studio.picture().shape == (64, 64, 3)


def test_the_result_is_as_documented(studio: Studio, tmp_path: Path) -> None:
    result = studio.result(out=tmp_path / "new" / "folder", seeds=(1, 2, 3))
    assert result["pictures"] == [str(tmp_path / "new" / "folder" / f"000{i}.png") for i in range(3)]
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == ["0000.png", "0001.png", "0002.png"]
    assert result["faults"] == ["", "", ""]
    assert result["notes"] == []
    assert result["peak_mb"] > 0
    assert json.loads(json.dumps(result)) == result


def test_prompts_and_guidance_count(studio: Studio) -> None:
    plain = studio.picture()
    assert differs(plain, studio.picture(prompt="flaking paint"))
    assert differs(plain, studio.picture(negative="shadow"))
    assert differs(plain, studio.picture(guidance=0.0))


@pytest.mark.parametrize("about", [{}, {"model": "xl"}])
def test_image_to_image_keeps_more_of_the_image_the_lower_the_strength(studio: Studio, about: dict) -> None:
    about = {name: getattr(studio, value) for name, value in about.items()}
    weak, strong, text = (
        studio.picture(mode=mode, steps=10, strength=strength, **about).astype(int)
        for mode, strength in (("image", 0.1), ("image", 0.9), ("text", 1.0))
    )
    assert differs(weak, strong)
    assert differs(strong, text)
    other = studio.root / "other.png"
    Image.fromarray(255 - pixels(studio.base)).save(other)
    changes = [
        np.abs(studio.picture(mode="image", steps=10, strength=strength, image=other, **about) - picture).mean()
        for strength, picture in ((0.1, weak), (0.9, strong))
    ]
    assert changes[0] > changes[1]


@pytest.mark.parametrize("family", ["sd", "xl", "painter", "sd3", "flux"])
def test_inpainting_leaves_every_pixel_outside_the_mask(studio: Studio, family: str) -> None:
    base, mask = pixels(studio.base).astype(int), pixels(studio.mask)
    picture = studio.picture(model=getattr(studio, family), mode="inpaint").astype(int)
    assert (picture[mask == 0] == base[mask == 0]).all()
    assert np.abs(picture - base)[mask == 255].mean() > 10


def test_where_the_mask_is_grey_both_are_mixed(studio: Studio) -> None:
    base, mask = pixels(studio.base).astype(float), pixels(studio.mask)
    white = studio.root / "white.png"
    Image.fromarray(np.maximum(mask, np.where(mask == 128, 255, 0)).astype(np.uint8)).save(white)
    mixed, painted = studio.picture(mode="inpaint"), studio.picture(mode="inpaint", mask=white)
    there = mask == 128
    expected = painted[there] * (128 / 255) + base[there] * (127 / 255)
    assert np.abs(mixed[there] - expected).max() <= 1


def test_a_model_for_inpainting_makes_nothing_else(studio: Studio) -> None:
    with pytest.raises(SynGenError, match="made for inpainting only"):
        studio.result(model=studio.painter)


@pytest.mark.parametrize("mode", ["text", "image", "inpaint"])
@pytest.mark.parametrize("size", [(72, 40), (40, 136)])
def test_any_multiple_of_eight(studio: Studio, mode: str, size: tuple[int, int]) -> None:
    picture = studio.picture(mode=mode, width=size[0], height=size[1])
    assert picture.shape == (size[1], size[0], 3)


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "euler_a", "dpm", "unipc", "lcm"])
def test_schedulers(studio: Studio, scheduler: str) -> None:
    plain = studio.picture(steps=4)
    picture = studio.picture(steps=4, scheduler=scheduler)
    same = scheduler in ("ddim", "euler")  # the model's own, and the same equation solved in the same way
    assert differs(plain, picture) is not same
    assert (studio.picture(steps=4) == plain).all()


# --- seeds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("about", [{}, {"scheduler": "euler_a"}, {"mode": "image"}, {"mode": "inpaint"}])
def test_a_seed_gives_the_same_bytes_whatever_else_is_made(studio: Studio, about: dict) -> None:
    first = [Path(p).read_bytes() for p in studio.result(seeds=(5, 6, 7), **about)["pictures"]]
    alone = Path(studio.result(seeds=(6,), **about)["pictures"][0]).read_bytes()
    diffusion.forget()
    again = [Path(p).read_bytes() for p in studio.result(seeds=(7, 6, 5), **about)["pictures"]]
    assert first == again[::-1]
    assert alone == first[1]
    assert len(set(first)) == 3


def test_a_batch_of_several_gives_the_same_pictures(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = studio.pictures(seeds=(5, 6, 7))
    monkeypatch.setattr(memory, "plan", lambda *_args, **_about: memory.Plan(batch=2))
    for mode in ("text", "image", "inpaint"):
        assert len(studio.pictures(mode=mode, seeds=(5, 6, 7))) == 3
    for one, other in zip(alone, studio.pictures(seeds=(5, 6, 7)), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


# --- ControlNet, LoRA, style photo -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["text", "image", "inpaint"])
def test_a_controlnet_counts_by_its_weight_and_comes_off(studio: Studio, mode: str) -> None:
    plain = studio.picture(mode=mode)
    assert differs(plain, studio.picture(mode=mode, **studio.with_control))
    assert (studio.picture(mode=mode, **studio.with_control, control_weight=0.0) == plain).all()
    assert (studio.picture(mode=mode) == plain).all()


def test_the_control_picture_counts(studio: Studio) -> None:
    about = studio.with_control
    assert differs(studio.picture(**about), studio.picture(**{**about, "control_image": str(studio.photo)}))


def test_a_lora_counts_by_its_weight_and_comes_off(studio: Studio) -> None:
    plain = studio.picture()
    half, whole = (studio.picture(**studio.with_lora, lora_weight=weight) for weight in (0.5, 1.0))
    assert differs(plain, half)
    assert differs(half, whole)
    assert (studio.picture() == plain).all()
    diffusion.forget()
    assert (studio.picture(**studio.with_lora) == whole).all()


def test_a_lora_gives_what_the_bare_library_gives(studio: Studio) -> None:
    bare = StableDiffusionPipeline.from_pretrained(studio.sd, local_files_only=True)
    bare.set_progress_bar_config(disable=True)
    bare.load_lora_weights(studio.root, weight_name=studio.lora.name)
    seed = torch.Generator().manual_seed(1)
    size = {"width": 64, "height": 64, "num_inference_steps": 3, "guidance_scale": 5.0}
    theirs = bare("rust", negative_prompt="text", generator=seed, **size).images[0]
    assert np.abs(studio.picture(**studio.with_lora).astype(int) - np.asarray(theirs)).max() <= 1


def test_a_style_photo_counts_by_its_weight_and_comes_off(studio: Studio) -> None:
    plain = studio.picture()
    half, whole = (studio.picture(**studio.with_style, style_weight=weight) for weight in (0.5, 1.0))
    assert differs(plain, half)
    assert differs(half, whole)
    assert differs(whole, studio.picture(**studio.with_style | {"style_image": str(studio.base)}, style_weight=1.0))
    assert (studio.picture() == plain).all()


@pytest.mark.parametrize("mode", ["text", "image", "inpaint"])
def test_all_at_once_and_off_again_in_any_order(studio: Studio, mode: str) -> None:
    plain = studio.picture(mode=mode)
    everything = {**studio.with_control, **studio.with_lora, **studio.with_style}
    first = studio.picture(mode=mode, **everything)
    styled = studio.picture(mode=mode, **studio.with_style)
    drawn = studio.picture(mode=mode, **studio.with_lora)
    assert (studio.picture(mode=mode, **everything) == first).all()
    assert (studio.picture(mode=mode) == plain).all()
    diffusion.forget()
    assert (studio.picture(mode=mode, **studio.with_lora) == drawn).all()
    assert (studio.picture(mode=mode, **studio.with_style) == styled).all()


@pytest.mark.parametrize("what", ["control", "lora", "style"])
def test_what_was_made_for_another_model_is_named(studio: Studio, what: str) -> None:
    plain = studio.picture(model=studio.xl)
    name = {"control": "The ControlNet", "lora": "The LoRA", "style": "The style adapter"}[what]
    with pytest.raises(SynGenError, match=f"{name} .* does not fit the model .*xl: it was made for another"):
        studio.result(model=studio.xl, **getattr(studio, f"with_{what}"))
    assert (studio.picture(model=studio.xl) == plain).all()


def test_a_lora_of_other_layers_is_no_silent_nothing(studio: Studio) -> None:
    strange = studio.root / "strange.safetensors"
    save_file({f"transformer.{k.removeprefix('unet.')}": v for k, v in load_file(studio.lora).items()}, strange)
    with pytest.raises(SynGenError, match=r"The LoRA .*strange.* does not fit"):
        studio.result(lora=strange)


# --- what is loaded --------------------------------------------------------------------------------------------------


def test_a_single_file_gives_what_its_folder_gives(studio: Studio) -> None:
    assert (studio.picture(model=studio.single) == studio.picture(model=studio.sd)).all()
    assert studio.picture(model=studio.single, mode="inpaint").shape == (64, 64, 3)


def test_a_controlnet_in_a_single_file_gives_what_its_folder_gives(studio: Studio, tmp_path: Path) -> None:
    folder = shutil.copytree(studio.control, tmp_path / "net")
    (folder / "diffusion_pytorch_model.safetensors").rename(tmp_path / "net.safetensors")
    one, other = (
        studio.picture(**{**studio.with_control, "control_model": str(model)})
        for model in (studio.control, tmp_path / "net.safetensors")
    )
    assert (one == other).all()


def test_the_model_stays_loaded_and_its_parts_are_shared(studio: Studio) -> None:
    studio.picture()
    held = pipelines.held()
    assert held is not None
    unet = held.pipe.unet
    for mode in ("image", "inpaint", "text"):
        studio.picture(mode=mode, **studio.with_control)
        assert pipelines.held() is held
        assert held.pipe.unet is held.base.unet is unet
    assert diffusion.loaded() == [str(studio.sd)]
    studio.picture(model=studio.xl)
    assert diffusion.loaded() == [str(studio.xl)]
    diffusion.forget()
    assert diffusion.loaded() == []


def test_what_lies_on_the_device_is_counted_once(studio: Studio) -> None:
    studio.picture(**studio.with_control)
    held = pipelines.held()
    files = [*studio.sd.rglob("*.safetensors"), *studio.control.rglob("*.safetensors")]
    assert pipelines.placed_mb(held) == pipelines.sizes_mb(held)[0]
    assert pipelines.placed_mb(held) == pytest.approx(sum(f.stat().st_size for f in files) / 2**20, rel=0.25)
    assert 0 < pipelines.sizes_mb(held)[1] < pipelines.sizes_mb(held)[0]
    assert pipelines.placed_mb(dataclasses.replace(held, device="cuda")) == 0


def test_a_model_that_was_written_anew_is_loaded_anew(studio: Studio, tmp_path: Path) -> None:
    folder = shutil.copytree(studio.sd, tmp_path / "model")
    before = studio.picture(model=folder)
    builders.build_sd(folder, seed=9)
    assert differs(before, studio.picture(model=folder))


def test_half_precision_comes_close(studio: Studio) -> None:
    full, half = (studio.picture(precision=precision).astype(float) for precision in ("full", "half"))
    assert 0 < np.abs(full - half).mean() < 8


def test_nothing_is_printed(studio: Studio, capfd: pytest.CaptureFixture[str]) -> None:
    diffusion.forget()
    studio.picture(**studio.with_lora)
    assert capfd.readouterr() == ("", "")


# --- tileable --------------------------------------------------------------------------------------------------------


def seam(picture: np.ndarray, axis: int) -> float:
    """The mean step across the border over the largest mean step between neighbours inside."""
    turned = np.moveaxis(picture.astype(float), axis, 0)
    steps = np.abs(turned - np.roll(turned, 1, axis=0)).mean(axis=(1, 2))
    return float(steps[0] / steps[1:].max())


@pytest.mark.parametrize(
    "about",
    [{}, {"mode": "image"}, {"with": "control"}, {"with": "lora"}, {"with": "style"}, {"model": "xl"}, {"width": 96}],
    ids=str,
)
def test_a_tileable_picture_has_no_seam(studio: Studio, about: dict) -> None:
    about = dict(about)
    about |= getattr(studio, f"with_{about.pop('with')}") if "with" in about else {}
    about |= {"model": getattr(studio, about["model"])} if "model" in about else {}
    if about.get("mode") == "image":  # one that wraps itself
        wrapping = studio.root / "wrapping.png"
        half = pixels(studio.base)[:, ::2]
        whole = np.concatenate([half, half[:, ::-1]], axis=1)[::2]
        Image.fromarray(np.concatenate([whole, whole[::-1]])).save(wrapping)
        about["image"] = wrapping
    before = studio.picture(**about)
    pictures = studio.pictures(tileable=True, seeds=(1, 2, 3), **about)
    assert max(seam(p, axis) for p in pictures for axis in (0, 1)) <= 1.0
    assert (studio.picture(**about) == before).all()


@pytest.mark.parametrize(("width", "height"), [(72, 104), (120, 64)])
def test_a_tileable_picture_of_any_multiple_of_8_has_no_seam(studio: Studio, width: int, height: int) -> None:
    result = studio.result(tileable=True, seeds=(1, 2, 3), width=width, height=height)
    pictures = [pixels(path) for path in result["pictures"]]
    assert all(p.shape == (height, width, 3) for p in pictures)
    assert max(seam(p, axis) for p in pictures for axis in (0, 1)) <= 1.0
    assert result["notes"] == []


# --- progress and cancel ---------------------------------------------------------------------------------------------


def test_progress_counts_every_step_and_previews_come_in_between(studio: Studio) -> None:
    say = Listener()
    studio.result(say, seeds=(1, 2), steps=6, preview_every=2, width=96)
    fractions = [fraction for fraction, _ in say.steps]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < fractions[-1] <= 1
    texts = [text for _, text in say.steps if text.startswith("Step")]
    assert texts == [f"Step {i} of 6, picture {n} of 2" for n in (1, 2) for i in range(1, 7)]
    assert [p.shape for p in say.previews] == [(32, 48, 3)] * 4
    assert all(p.min() >= 0 and p.max() <= 1 and p.std() > 0.01 for p in say.previews)


def test_a_preview_shows_what_a_linear_decoder_would(fresh: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.picture()
    held = pipelines.held()
    vae = held.base.vae
    mix = torch.randn((4, 3), generator=torch.Generator().manual_seed(1)) / 4

    def decode(z: Any, **_: Any) -> Any:
        colors = torch.einsum("nchw,cd->ndhw", z * vae.config.scaling_factor, mix) + 0.1
        return (torch.nn.functional.interpolate(colors, scale_factor=8),)

    monkeypatch.setattr(vae, "decode", decode)
    fresh.result(preview_every=2, steps=4)
    slope, base = held.facts["colors"]
    np.testing.assert_allclose(slope, mix / 2, atol=1e-5)
    np.testing.assert_allclose(base, 0.55, atol=1e-5)
    patches = torch.randn((4, 2, 2), generator=torch.Generator().manual_seed(2)) / 4
    latents = patches.repeat_interleave(4, 1).repeat_interleave(4, 2)
    preview = diffusion._preview(latents, slope, base)
    decoded = decode(patches[None] / vae.config.scaling_factor)[0][0].permute(1, 2, 0) / 2 + 0.5
    np.testing.assert_allclose(preview[8::16, 8::16], decoded[::8, ::8], atol=1e-4)


def test_without_being_asked_there_are_no_previews(studio: Studio) -> None:
    say = Listener()
    studio.result(say)
    assert say.previews == []


def test_previews_change_nothing(studio: Studio) -> None:
    assert (studio.picture(preview_every=1) == studio.picture()).all()


def test_ten_cancels_in_a_row_and_the_model_goes_on(studio: Studio, tmp_path: Path) -> None:
    about = {"seeds": (1, 2), "steps": 4, "tileable": True, **studio.with_control}
    whole = Listener()
    expected = [Path(p).read_bytes() for p in studio.result(whole, **about)["pictures"]]
    held, unet = pipelines.held(), pipelines.held().pipe.unet
    assert len(whole.steps) >= 12
    for stop in np.linspace(0, len(whole.steps) - 1, 10).astype(int):
        say = Listener(int(stop))
        with pytest.raises(Cancelled):
            studio.result(say, out=tmp_path, **about)
        assert len(say.steps) == stop
        assert pipelines.held() is held
        assert held.pipe.unet is unet
    assert [Path(p).read_bytes() for p in studio.result(**about)["pictures"]] == expected


# --- memory ----------------------------------------------------------------------------------------------------------


def full_over(limit: int, forward: Callable[..., Any]) -> Callable[..., Any]:
    """The network's forward on a device whose memory ends at latents of that side."""

    def tried(sample: Any, *args: Any, **about: Any) -> Any:
        if max(sample.shape[-2:]) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return forward(sample, *args, **about)

    return tried


def test_where_memory_ends_the_picture_is_shrunk_and_enlarged(fresh: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.picture()
    unet = pipelines.held().base.unet
    monkeypatch.setattr(unet, "forward", full_over(12, unet.forward))
    result = fresh.result(width=128, height=128, seeds=(1, 2))
    assert result["notes"] == [
        "Memory ran out: the picture is decoded in tiles.",
        "Memory ran out: made at 96 x 96 and enlarged to 128 x 128.",
    ]
    assert result["faults"] == ["", ""]
    assert [pixels(p).shape for p in result["pictures"]] == [(128, 128, 3)] * 2
    made = pixels(result["pictures"][0])
    small = fresh.picture(width=96, height=96)
    enlarged = np.asarray(Image.fromarray(small).resize((128, 128), Image.Resampling.BICUBIC)).astype(float)
    assert np.corrcoef(enlarged.ravel(), made.ravel())[0, 1] > 0.95


def test_an_enlarged_picture_still_wraps(fresh: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.picture()
    unet = pipelines.held().base.unet
    monkeypatch.setattr(unet, "forward", full_over(8, unet.forward))
    result = fresh.result(width=128, height=128, tileable=True)
    assert result["notes"] == ["Memory ran out: made at 64 x 64 and enlarged to 128 x 128."]
    picture = pixels(result["pictures"][0])
    assert max(seam(picture, axis) for axis in (0, 1)) <= 1.0


def test_a_decoder_without_memory_decodes_in_tiles(fresh: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fresh.picture(width=128)
    vae = pipelines.held().base.vae
    monkeypatch.setattr(vae.decoder, "forward", full_over(8, vae.decoder.forward))
    result = fresh.result(width=128)
    assert result["notes"] == ["Memory ran out: the picture is decoded in tiles."]
    assert result["faults"] == [""]
    tiled = pixels(result["pictures"][0]).astype(float)
    assert np.corrcoef(tiled.ravel(), whole.ravel())[0, 1] > 0.7
    assert not vae.use_tiling


def test_where_nothing_helps_it_is_said_what_to_lower(fresh: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.picture()
    unet = pipelines.held().base.unet
    with monkeypatch.context() as patch:
        patch.setattr(unet, "forward", full_over(0, unet.forward))
        with pytest.raises(SynGenError, match=r"The memory does not suffice .* Lower the size"):
            fresh.result(width=256, height=256)
    assert fresh.picture().shape == (64, 64, 3)


def test_a_smaller_batch_comes_first_and_what_is_done_stays(fresh: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fresh.pictures(seeds=(1, 2, 3, 4, 5))
    unet, sizes = pipelines.held().base.unet, []
    real = unet.forward

    def forward(sample: Any, *args: Any, **about: Any) -> Any:
        sizes.append(len(sample) // 2)
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(sample, *args, **about)

    monkeypatch.setattr(unet, "forward", forward)
    monkeypatch.setattr(memory, "plan", lambda *_args, **_about: memory.Plan(batch=4))
    result = fresh.result(seeds=(1, 2, 3, 4, 5))
    assert result["notes"] == ["Memory ran out: 2 at once instead of 4."]
    assert sizes == [4, *[2] * 6, *[1] * 3]
    for path, picture in zip(result["pictures"], expected, strict=True):
        assert np.abs(pixels(path).astype(int) - picture).max() <= 1


@pytest.mark.parametrize("decode", ["whole", "cpu"])
@pytest.mark.parametrize("about", [{}, {"with": "lora"}, {"mode": "image", "tileable": True}], ids=str)
def test_offloaded_parts_give_the_same_picture(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, decode: str, about: dict
) -> None:
    about = dict(about) | (studio.with_lora if "with" in about else {})
    about.pop("with", None)
    expected = studio.picture(**about)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "plan", lambda *_args, **_about: memory.Plan(1, "model", decode))
        assert (studio.picture(**about) == expected).all()
        assert pipelines.held().offload == "model"
        with pytest.raises(Cancelled):
            studio.result(Listener(5), **about)
        assert (studio.picture(**about) == expected).all()
    assert (studio.picture(**about) == expected).all()


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "fault"),
    [
        (np.full((8, 8, 3), np.nan), "nan"),
        (np.where(np.eye(8)[..., None] > 0, np.inf, np.zeros(3)), "nan"),
        (np.full((8, 8, 3), 0.005), "black"),
        (np.full((8, 8, 3), (0.8, 0.4, 0.1)), "flat"),
        (np.linspace(0, 1, 192).reshape(8, 8, 3), ""),
        (np.linspace(0, 0.1, 192).reshape(8, 8, 3), ""),
    ],
)
def test_a_broken_picture_is_recognised(picture: np.ndarray, fault: str) -> None:
    assert diffusion.fault_of(picture.astype(np.float32)) == fault


@pytest.mark.parametrize(("value", "fault"), [(np.nan, "nan"), (np.inf, "nan"), (-1.0, "black"), (0.3, "flat")])
def test_what_the_decoder_makes_of_it_is_reported(
    fresh: Studio, monkeypatch: pytest.MonkeyPatch, value: float, fault: str
) -> None:
    fresh.picture()
    vae = pipelines.held().base.vae
    real = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z, **_: (torch.full_like(real(z).sample, value),))
    result = fresh.result(seeds=(1, 2))
    assert result["faults"] == [fault, fault]
    assert all(pixels(p).shape == (64, 64, 3) for p in result["pictures"])


def test_latents_that_are_no_numbers_are_reported(fresh: Studio) -> None:
    fresh.picture()
    with torch.no_grad():
        pipelines.held().base.unet.conv_out.bias.fill_(torch.nan)
    assert fresh.result()["faults"] == ["nan"]


def test_a_decoder_out_of_half_precision_s_range_is_run_in_full(fresh: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fresh.picture(precision="half")
    vae = pipelines.held().base.vae
    real = vae.decode

    def decode(z: Any, **about: Any) -> Any:
        found = real(z, **about)
        return found if z.dtype == torch.float32 else tuple(torch.full_like(x, torch.nan) for x in found)

    monkeypatch.setattr(vae, "decode", decode)
    result = fresh.result(precision="half", seeds=(1, 2))
    assert result["faults"] == ["", ""]
    assert result["notes"] == ["The decoder left the range of half precision and was run in full precision."]
    assert vae.dtype == torch.bfloat16
    assert np.abs(pixels(result["pictures"][0]).astype(int) - expected).mean() < 3


def test_a_safety_checker_is_kept_and_what_it_blanks_is_reported(fresh: Studio) -> None:
    assert fresh.picture(model=fresh.checked).std() > 5
    checker = pipelines.held().base.safety_checker
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-2.0)
    result = fresh.result(model=fresh.checked)
    assert result["faults"] == ["blanked"]
    assert not pixels(result["pictures"][0]).any()


# --- what cannot be had ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"width": 500}, r"The width 500 is no multiple of 8\. Use 496 or 504"),
        ({"height": 0}, r"The height 0 is no multiple of 8"),
        ({"mode": "video"}, r"no mode 'video'"),
        ({"mode": "image", "steps": 4, "strength": 0.2}, r"leaves no step to do\. Raise the strength to 0\.25 or more"),
        ({"mode": "image", "strength": 0.0}, r"leaves no step to do"),
        ({"mode": "image", "image": ""}, r"needs an image"),
        ({"mode": "inpaint", "mask": ""}, r"needs a mask"),
        ({"control": "tile", "control_image": "x.png"}, r"needs a ControlNet"),
        ({"mode": "image", "image": "gone.png"}, r"The image file gone.png is missing"),
        ({"steps": 0}, r"0 denoising steps"),
        ({"seeds": ()}, r"No picture is asked for"),
        ({"model": "/nowhere/at/all"}, r"The model .*/nowhere/at/all.* does not exist"),
    ],
    ids=str,
)
def test_a_bad_job_is_one_sentence_and_the_model_stays(studio: Studio, about: dict, message: str) -> None:
    studio.picture()
    held = pipelines.held()
    with pytest.raises(SynGenError, match=message):
        studio.result(**about)
    assert pipelines.held() is held


@pytest.mark.parametrize(
    "missing", ["unet/diffusion_pytorch_model.safetensors", "vae/config.json", "text_encoder/model.safetensors"]
)
def test_a_missing_file_is_named(studio: Studio, tmp_path: Path, missing: str) -> None:
    folder = shutil.copytree(studio.sd, tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(SynGenError, match=missing.split("/")[0]):
        studio.result(model=folder)


def test_a_damaged_file_is_one_sentence(studio: Studio, tmp_path: Path) -> None:
    folder = shutil.copytree(studio.sd, tmp_path / "model")
    (folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"half a file")
    with pytest.raises(SynGenError, match=r"The model .* cannot be loaded"):
        studio.result(model=folder)
    assert diffusion.loaded() == []


@pytest.mark.parametrize("family", ["sd3", "flux"])
@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"tileable": True}, "cannot make tileable pictures"),
        ({"scheduler": "ddim"}, "The scheduler ddim does not fit the model"),
        ({"width": 72}, "makes sides that are multiples of 16 only"),
        ({"with": "lora"}, "The LoRA .* does not fit the model"),
        ({"with": "control"}, "The ControlNet .* does not fit the model"),
        ({"with": "style"}, "takes no style photo"),
    ],
    ids=str,
)
def test_what_a_newer_family_does_not_do_is_said(studio: Studio, family: str, about: dict, message: str) -> None:
    about = dict(about)
    about |= getattr(studio, f"with_{about.pop('with')}") if "with" in about else {}
    with pytest.raises(SynGenError, match=message):
        studio.result(model=getattr(studio, family), **about)


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_newer_families_show_previews_and_keep_their_seeds(studio: Studio, family: str) -> None:
    say = Listener()
    about = {"model": getattr(studio, family), "width": 96, "steps": 4}
    result = studio.result(say, seeds=(1, 2), preview_every=2, **about)
    assert result["notes"] == (["This model takes no negative prompt."] if family == "flux" else [])
    assert [p.shape for p in say.previews] == [(32, 48, 3)] * 2
    second = pixels(result["pictures"][1])
    assert (studio.picture(seeds=(2,), **about) == second).all()
