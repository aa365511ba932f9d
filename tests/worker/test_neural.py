"""Neural style transfer: the networks, the two methods and the jobs, with a random VGG-19 and with the real one."""

import dataclasses
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from syngen_addon import images
from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.worker import adain, gatys, neural, vgg
from syngen_addon.worker.protocol import Measure, Stylise

REAL_STEPS = 12
ENCODER_KEYS = ("2", "5", "9", "12", "16", "19", "22", "25", "29")
DECODER_KEYS = ("1", "5", "8", "11", "14", "18", "21", "25", "28")


class Say:
    """Notes what a job says; cancels after a number of steps."""

    def __init__(self, cancel_after: int = 10**9) -> None:
        self.steps: list[tuple[float, str]] = []
        self.previews: list[np.ndarray] = []
        self.left = cancel_after

    def check(self) -> None:
        if self.left <= 0:
            raise Cancelled

    def step(self, fraction: float, text: str) -> None:
        self.steps.append((fraction, text))
        if text.startswith("Step"):
            self.left -= 1
        self.check()

    def preview(self, image: np.ndarray) -> None:
        self.previews.append(image)


def random_states() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """State dicts of an encoder and a decoder in the shape of AdaIN's, with random weights."""
    rng = torch.Generator().manual_seed(3)
    encoder = {"0.weight": torch.eye(3)[:, :, None, None].clone(), "0.bias": torch.full((3,), -0.5)}
    decoder = {}
    for state, keys, channels in (
        (encoder, ENCODER_KEYS, (3, *vgg.CHANNELS)),
        (decoder, DECODER_KEYS, (*vgg.CHANNELS[::-1], 3)),
    ):
        for key, into, out in zip(keys, channels, channels[1:], strict=False):
            state[f"{key}.weight"] = torch.randn((out, into, 3, 3), generator=rng) * (2 / (9 * into)) ** 0.5
            state[f"{key}.bias"] = torch.randn(out, generator=rng) * 0.01
    return encoder, decoder


@pytest.fixture(scope="module")
def network() -> vgg.Vgg:
    return vgg.vgg_of(random_states()[0], "random")


@pytest.fixture(scope="module")
def decoder() -> vgg.Decoder:
    return vgg.decoder_of(random_states()[1], "random")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of an eighth of the channels, for what is about places: they see just as far."""
    monkeypatch.setattr(vgg, "CHANNELS", tuple(count // 8 for count in vgg.CHANNELS))


@pytest.fixture
def narrow_network(narrow: None) -> vgg.Vgg:
    return vgg.vgg_of(random_states()[0], "random")


@pytest.fixture
def narrow_decoder(narrow: None) -> vgg.Decoder:
    return vgg.decoder_of(random_states()[1], "random")


@pytest.fixture
def narrow_saved(narrow: None, tmp_path: Path) -> tuple[str, str]:
    """Their weights as files."""
    return save_states(tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The random weights as files."""
    return save_states(tmp_path_factory.mktemp("weights"))


def save_states(folder: Path) -> tuple[str, str]:
    paths = folder / "vgg_normalized.pth", folder / "decoder.pth"
    for path, state in zip(paths, random_states(), strict=True):
        torch.save(state, path)
    return str(paths[0]), str(paths[1])


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft blotches with sharp lines."""
    rng = np.random.default_rng(seed)
    image = images.resize(rng.random((6, 6, 3)).astype(np.float32), width, height)
    image[height // 3 :: 17] *= 0.4
    return np.asarray(image, np.float32)


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)


def job_of(folder: Path, saved: tuple[str, str], size: tuple[int, int] = (48, 48), **changes: object) -> Stylise:
    """A small job whose files lie in the folder."""
    paths = {name: str(folder / f"{name}.png") for name in ("content", "style", "out")}
    images.save_png(paths["content"], picture(*size, seed=1))
    images.save_png(paths["style"], picture(40, 56, seed=2) * np.float32([0.7, 0.35, 0.15]))
    job = Stylise(method="gatys", **paths, vgg=saved[0], decoder=saved[1], steps=4)
    return dataclasses.replace(job, **changes)  # type: ignore[arg-type]


def mask_file(folder: Path, mask: np.ndarray) -> str:
    path = folder / "mask.png"
    images.save_png(path, mask.astype(np.float32))
    return str(path)


# --- the networks ----------------------------------------------------------------------------------------------------


def reference(state: dict[str, torch.Tensor], x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The encoder as AdaIN's code has it, layer by layer."""
    found, keys = {}, iter(ENCODER_KEYS)
    x = torch.nn.functional.conv2d(x, state["0.weight"], state["0.bias"])
    for name in vgg.NETWORK:
        if name == vgg.POOL:
            x = torch.nn.functional.max_pool2d(x, 2)
        else:
            key = next(keys)
            x = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
            x = torch.relu(torch.nn.functional.conv2d(x, state[f"{key}.weight"], state[f"{key}.bias"]))
            found[name] = x
    return found


def test_features_and_gradients_are_those_of_the_published_network(network: vgg.Vgg) -> None:
    x = tensor(picture(32, 48)).requires_grad_()
    wanted = reference(random_states()[0], x)
    seen = network.features(x, gatys.STYLE_LAYERS)
    for name, features in zip(gatys.STYLE_LAYERS, seen, strict=True):
        torch.testing.assert_close(features, wanted[name], rtol=1e-4, atol=1e-5)
    towards = [torch.ones_like(f) for f in seen]
    ours = torch.autograd.grad(seen, x, towards)[0]
    plain = torch.autograd.grad([wanted[n] for n in gatys.STYLE_LAYERS], x, towards)[0]
    torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3)


def test_torchvision_weights_are_told_by_their_keys() -> None:
    state = random_states()[0]
    numbers = (0, 2, 5, 7, 10, 12, 14, 16, 19)
    other = {
        f"features.{n}.{part}": state[f"{key}.{part}"]
        for n, key in zip(numbers, ENCODER_KEYS, strict=True)
        for part in ("weight", "bias")
    }
    mean, deviation = (torch.tensor(v)[None, :, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x = tensor(picture(32, 32))
    state["0.bias"] = torch.zeros(3)
    wanted = reference(state, (x - mean) / deviation)["4_1"]
    found = vgg.vgg_of(other, "file")
    assert not found.adain
    torch.testing.assert_close(found.features(x, ("4_1",))[0], wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("change", "named"), [("missing", "19.weight"), ("shape", "19.weight"), ("nan", "19.weight")])
def test_wrong_weights_name_the_layer(change: str, named: str) -> None:
    state = random_states()[0]
    if change == "missing":
        del state["19.weight"]
    else:
        state["19.weight"] = torch.zeros(2, 2, 3, 3) if change == "shape" else state["19.weight"] * float("nan")
    with pytest.raises(SynGenError, match=named):
        vgg.vgg_of(state, "file.pth")


def test_a_decoder_is_no_vgg_and_the_other_way_round() -> None:
    encoder, decoder = random_states()
    with pytest.raises(SynGenError, match="VGG-19"):
        vgg.vgg_of(decoder, "decoder.pth")
    with pytest.raises(SynGenError, match="decoder of AdaIN"):
        vgg.decoder_of(encoder, "vgg.pth")


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize(("height", "width", "side"), [(160, 72, 64), (24, 16, 8), (200, 200, 40), (64, 64, 0)])
def test_tiles_share_out_every_texel_once(height: int, width: int, side: int, wraps: bool) -> None:
    count = torch.zeros(1, 1, height, width)
    for tile in vgg.tiles(height, width, side, vgg.VGG_REACH, wraps):
        tile.of(count, 1)[...] += 1
        numbers = torch.arange(height * width).reshape(1, 1, height, width)
        assert torch.equal(tile.own(tile.cut(numbers), 1), tile.of(numbers, 1))
    assert bool((count == 1).all())


@pytest.mark.parametrize("wraps", [False, True])
def test_resampling_keeps_constants_and_means(wraps: bool) -> None:
    x = tensor(picture(40, 24))
    assert torch.allclose(vgg.resampled(torch.ones(1, 1, 40, 24), 96, 16, wraps), torch.ones(1, 1, 96, 16))
    assert abs(float(vgg.resampled(x, 80, 48, True).mean() - x.mean())) < 1e-5
    rolled = vgg.resampled(x.roll(8, -1), 20, 12, True)
    assert torch.allclose(rolled, vgg.resampled(x, 20, 12, True).roll(4, -1), atol=1e-6)


# --- the methods -----------------------------------------------------------------------------------------------------


def objective(network: vgg.Vgg, side: int, wraps: bool, mask: torch.Tensor | None = None) -> gatys.Objective:
    grams = gatys.statistics(network, tensor(picture(48, 64, seed=2)))
    return gatys.Objective(network, tensor(picture(144, 96, seed=1)), grams, (1.0, 2.0), mask, wraps, side)


def exact(network: vgg.Vgg) -> vgg.Vgg:
    """The same in double precision, where rounding tips no ReLU and no maximum."""
    convs = {
        name: dataclasses.replace(conv, weight=conv.weight.double(), bias=conv.bias.double())
        for name, conv in network.convs.items()
    }
    return dataclasses.replace(network, convs=convs)


@pytest.mark.parametrize("wraps", [False, True])
def test_loss_and_gradient_in_tiles_are_those_of_the_whole(narrow_network: vgg.Vgg, wraps: bool) -> None:
    x, content = (tensor(picture(144, 96, seed=seed)).double() for seed in (5, 1))
    style = tensor(picture(48, 64, seed=2)).double()
    mask = tensor((picture(144, 96, seed=6)[..., :1] > 0.4).astype(np.float32)).double()
    network = exact(narrow_network)
    grams = gatys.statistics(network, style)
    whole, tiled = (
        gatys.Objective(network, content, grams, (1.0, 2.0), mask, wraps, side) for side in (0, 24 if wraps else 40)
    )
    assert len(tiled.tiles) > 4
    (losses, gradient), (losses_tiled, gradient_tiled) = whole(x), tiled(x)
    assert losses_tiled.total == pytest.approx(losses.total, rel=1e-9)
    assert float((gradient_tiled - gradient).abs().max()) < 1e-9 * float(gradient.abs().max())


def test_the_gradient_is_that_of_the_loss(network: vgg.Vgg) -> None:
    x, way = tensor(picture(144, 96, seed=5)), tensor(picture(144, 96, seed=7) - 0.5)
    function = objective(network, 0, False)
    losses, gradient = function(x)
    assert losses == function.losses(x)
    steep = (function.losses(x + 2e-3 * way).total - function.losses(x - 2e-3 * way).total) / 4e-3
    assert float((gradient * way).sum()) == pytest.approx(steep, rel=0.02)


@pytest.mark.parametrize("wraps", [False, True])
def test_adain_in_tiles_is_that_of_the_whole(narrow_network: vgg.Vgg, narrow_decoder: vgg.Decoder, wraps: bool) -> None:
    content, style = tensor(picture(216, 64, seed=1)), tensor(picture(48, 64, seed=2))
    whole, tiled = (
        adain.stylised(narrow_network, narrow_decoder, content, style, 0.7, 0.5, None, wraps, side) for side in (0, 40)
    )
    assert float((whole - tiled).abs().max()) < 1e-4
    assert float(whole.std()) > 0.01


def test_adain_does_not_believe_a_few_cells(network: vgg.Vgg) -> None:
    content, one, many = tensor(picture(96, 96, seed=1)), torch.zeros(1, 1, 96, 96), torch.zeros(1, 1, 96, 96)
    one[..., 40:48, 40:48] = 1
    many[..., :80] = 1
    (mean, deviation), (_, of_one), (of_many, _) = (
        adain.statistics(network, content, mask) for mask in (None, one, many)
    )
    alive = deviation > 0.01
    assert float((of_one / deviation)[alive].median()) > 0.8
    own = (network.features(content, ("4_1",))[0][..., :10]).mean((2, 3), keepdim=True)
    # Of many cells the mean stays theirs.
    assert float((of_many - own).abs().mean()) < 0.2 * float((mean - own).abs().mean())


def test_a_wrapped_picture_has_no_border(network: vgg.Vgg) -> None:
    content, x = tensor(picture(64, 64, seed=1)), tensor(picture(64, 64, seed=5))
    grams = gatys.statistics(network, tensor(picture(48, 64, seed=2)))
    here, moved = (
        gatys.Objective(network, content.roll(by, -1), grams, (1.0, 1.0), wraps=True)(x.roll(by, -1)) for by in (0, 16)
    )
    assert moved[0].total == pytest.approx(here[0].total, rel=1e-5)
    assert float((moved[1] - here[1].roll(16, -1)).abs().max()) < 1e-5 * float(here[1].abs().max())


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 200])
@pytest.mark.parametrize("size", [(64, 64), (256, 512), (1024, 1024)])
def test_the_plan_makes_every_step_and_ends_at_full_size(steps: int, size: tuple[int, int]) -> None:
    levels = gatys.plan(*size, steps)
    assert sum(count for *_, count in levels) == steps
    assert levels[-1][:2] == size
    assert all(count > 0 for *_, count in levels)


def test_the_search_comes_back_from_a_step_too_far() -> None:
    search = gatys.Lbfgs(torch.full((1, 3, 2, 2), 0.5))
    search.step(1.0, torch.ones(1, 3, 2, 2))
    assert not torch.equal(search.picture, torch.full((1, 3, 2, 2), 0.5))
    search.step(float("nan"), torch.full((1, 3, 2, 2), float("nan")))
    assert torch.equal(search.picture, torch.full((1, 3, 2, 2), 0.5))


def test_the_search_finds_the_least_within_bounds() -> None:
    wanted = torch.tensor([0.2, 0.9, 1.7, -0.4]).reshape(1, 1, 2, 2)
    bent = torch.tensor([1.0, 30.0, 5.0, 2.0]).reshape(1, 1, 2, 2)
    search = gatys.Lbfgs(torch.full((1, 1, 2, 2), 0.5))
    for _ in range(40):
        off = search.picture - wanted
        search.step(float((bent * off.square()).sum()), 2 * bent * off)
    torch.testing.assert_close(search.picture, wanted.clamp(0, 1), rtol=0, atol=1e-3)


def small_mask() -> torch.Tensor:
    """An island of few texels, 1 x 1 x 64 x 64."""
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 20:26, 30:42] = 1
    return mask


def test_the_first_step_is_measured_where_texels_count() -> None:
    mask = small_mask()
    search = gatys.Lbfgs(torch.full((1, 3, 64, 64), 0.5), mask)
    search.step(1.0, mask.expand(1, 3, 64, 64).clone())
    moved = (search.picture - 0.5).abs()
    assert float((moved * mask).sum() / (3 * mask.sum())) == pytest.approx(gatys.FIRST_STEP, rel=1e-4)


def test_the_search_keeps_its_feet_on_a_small_island(network: vgg.Vgg, monkeypatch: pytest.MonkeyPatch) -> None:
    totals: list[float] = []
    evaluate = gatys.Objective.__call__

    def noted(self: gatys.Objective, x: torch.Tensor) -> tuple[gatys.Losses, torch.Tensor]:
        losses, gradient = evaluate(self, x)
        totals.append(losses.total)
        return losses, gradient

    monkeypatch.setattr(gatys.Objective, "__call__", noted)
    content, style = tensor(picture(64, 64, seed=1)), tensor(picture(48, 64, seed=2))
    gatys.optimise(network, content, style, content.clone(), (1.0, 1.0), 6, small_mask())
    assert max(totals) <= 2 * totals[0] and min(totals) < totals[0]


def test_what_is_returned_and_told_is_the_best_that_was_looked_at(
    network: vgg.Vgg, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(gatys.Lbfgs):
        """Goes astray after its second step."""

        taken = 0

        def step(self, loss: float, gradient: torch.Tensor) -> None:
            super().step(loss, gradient)
            self.taken += 1
            if self.taken > 1:
                self.picture = torch.zeros_like(self.picture)

    monkeypatch.setattr(gatys, "Lbfgs", Lost)
    content, style, told = tensor(picture(64, 64, seed=1)), tensor(picture(48, 64, seed=2)), []
    made = gatys.optimise(
        network, content, style, content.clone(), (1.0, 1.0), 5, report=lambda step, losses, x: told.append((losses, x))
    )
    objective = gatys.Objective(network, content, gatys.statistics(network, style), (1.0, 1.0))
    totals = [losses.total for losses, _ in told]
    assert totals == sorted(totals, reverse=True) and totals[-1] < totals[0]
    assert torch.equal(made, told[-1][1])
    assert objective.losses(made) == told[-1][0]


def test_what_a_coarse_level_finds_is_left_where_it_does_harm(
    network: vgg.Vgg, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Misled(gatys.Objective):
        """On the coarse copy, brighter is better."""

        def _evaluate(self, picture: torch.Tensor, gradient: bool) -> tuple[gatys.Losses, torch.Tensor]:
            if picture.shape[-1] < 64:
                return gatys.Losses(0.0, 0.0, 1 - float(picture.mean())), torch.full_like(picture, -1e-4)
            return super()._evaluate(picture, gradient)

    monkeypatch.setattr(gatys, "COARSEST", 32)
    assert len(gatys.plan(64, 64, 3)) == 2
    content = tensor(picture(64, 64, seed=1))
    grams = gatys.statistics(network, content)
    right = gatys.Objective(network, content, grams, (1.0, 1.0))
    monkeypatch.setattr(gatys, "Objective", Misled)
    start = content.clone()
    made = gatys.optimise(network, content, content, start, (1.0, 1.0), 3)
    assert right.losses(made).total <= right.losses(start).total


# --- the jobs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gatys", "adain"])
@pytest.mark.parametrize("size", [(48, 48), (19, 53), (1, 1), (3, 40)])
@pytest.mark.parametrize("wraps", [False, True])
def test_any_size_comes_back_in_its_own(
    tmp_path: Path, saved: tuple[str, str], method: str, size: tuple[int, int], wraps: bool
) -> None:
    job = job_of(tmp_path, saved, size, method=method, wraps=wraps, steps=2)
    done = neural.stylise(job, Say())
    made = images.load(done["picture"])
    assert made.shape == (*size, 3)
    assert np.isfinite([done["content_loss"], done["style_loss"]]).all()


@pytest.mark.parametrize("method", ["gatys", "adain"])
def test_outside_the_mask_nothing_changes_and_nothing_counts(
    tmp_path: Path, saved: tuple[str, str], method: str
) -> None:
    mask = np.zeros((48, 48), bool)
    mask[6:30, 10:40] = True
    job = job_of(tmp_path, saved, method=method, mask=mask_file(tmp_path, mask))
    content = images.load(job.content)
    neural.stylise(job, Say())
    first = images.load(job.out)
    assert np.array_equal(first[~mask], content[~mask])
    assert np.abs(first - content)[mask].mean() > 0.005
    images.save_png(job.content, np.where(mask[..., None], content, picture(48, 48, seed=9)))
    neural.stylise(job, Say())
    assert np.array_equal(images.load(job.out)[mask], first[mask])


@pytest.mark.parametrize("method", ["gatys", "adain"])
def test_the_same_job_gives_the_same_bytes(tmp_path: Path, saved: tuple[str, str], method: str) -> None:
    job = job_of(tmp_path, saved, method=method)
    digests = set()
    for _ in range(2):
        neural.stylise(job, Say())
        digests.add(hashlib.sha256(Path(job.out).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("method", ["gatys", "adain"])
def test_a_job_in_tiles_gives_the_same_picture(tmp_path: Path, narrow_saved: tuple[str, str], method: str) -> None:
    job = job_of(tmp_path, narrow_saved, (104, 88), method=method)
    made = []
    for side in (0, 40):
        neural.stylise(dataclasses.replace(job, tile=side), Say())
        made.append(images.load(job.out))
    # The gradients differ by rounding (see above), which each step carries on; single texels show it most.
    assert np.abs(made[0] - made[1]).mean() < 1e-4
    assert np.abs(made[0] - made[1]).max() < 0.01


@pytest.mark.parametrize("method", ["gatys", "adain"])
def test_the_contents_colours_stay_where_asked(tmp_path: Path, saved: tuple[str, str], method: str) -> None:
    job = job_of(tmp_path, saved, method=method, colors="content")
    green = images.resize(np.random.default_rng(4).random((6, 6, 1)).astype(np.float32), 48, 48)
    green = green[..., None] * np.float32([0.2, 0.8, 0.3])
    images.save_png(job.content, green)
    neural.stylise(job, Say())
    made = images.load(job.out)
    assert np.abs(images.luminance(made) - images.luminance(images.load(job.content))).max() > 0.01
    assert (made[..., 1] >= made[..., 0] - 1e-3).all() and (made[..., 1] >= made[..., 2] - 1e-3).all()


def test_recolouring_keeps_the_luminance_and_the_range() -> None:
    image, lightness = picture(16, 16), picture(16, 16, seed=8)[..., 0]
    made = neural.recolored(image, lightness)
    np.testing.assert_allclose(images.luminance(made), lightness, atol=1e-5)
    np.testing.assert_allclose(neural.recolored(image, images.luminance(image)), image, atol=1e-5)


def test_filling_takes_the_nearest_texel() -> None:
    image, mask = picture(20, 30), np.zeros((20, 30), bool)
    mask[5:8, 4:9] = True
    mask[15, 25] = True
    filled = neural.fill(image, mask)
    assert np.array_equal(filled[mask], image[mask])
    assert np.array_equal(filled[0, 6], image[5, 6])
    assert np.array_equal(filled[19, 29], image[15, 25])


def test_a_start_is_where_it_begins(tmp_path: Path, saved: tuple[str, str]) -> None:
    start = tmp_path / "start.png"
    images.save_png(start, picture(48, 48, seed=11))
    job = job_of(tmp_path, saved, content_weight=1.0, style_weight=0.0, start=str(start), steps=1)
    neural.stylise(job, Say())
    made, begun = images.load(job.out), images.load(start)
    assert 0 < np.abs(made - begun).mean() < 0.05


def test_without_style_weight_the_content_stays(tmp_path: Path, saved: tuple[str, str]) -> None:
    for method in ("gatys", "adain"):
        job = job_of(tmp_path, saved, method=method, style_weight=0.0)
        neural.stylise(job, Say())
        np.testing.assert_allclose(images.load(job.out), images.load(job.content), atol=1e-4)


def test_progress_previews_and_cancel(tmp_path: Path, saved: tuple[str, str]) -> None:
    say = Say()
    neural.stylise(job_of(tmp_path, saved, steps=5, preview_every=2), say)
    steps = [text for _, text in say.steps if text.startswith("Step")]
    assert len(steps) == 5 and "content" in steps[0] and "style" in steps[0]
    assert [p.shape for p in say.previews] == [(48, 48, 3)] * 2
    job = job_of(tmp_path, saved, steps=1000, out=str(tmp_path / "cancelled.png"))
    say = Say(cancel_after=3)
    with pytest.raises(Cancelled):
        neural.stylise(job, say)
    assert len([text for _, text in say.steps if text.startswith("Step")]) == 3
    assert not Path(job.out).exists()
    assert saved[0] in neural.loaded()


def test_weights_are_loaded_once_and_only_then_is_it_said(tmp_path: Path, saved: tuple[str, str]) -> None:
    neural.forget()
    said = []
    for _ in range(2):
        say = Say()
        neural.stylise(job_of(tmp_path, saved, steps=1), say)
        said.append("Loading the weights" in [text for _, text in say.steps])
    say = Say()
    neural.measure(Measure(str(tmp_path / "content.png"), str(tmp_path / "style.png"), (), saved[0]), say)
    assert said == [True, False] and say.steps == []


def test_weights_that_were_replaced_are_loaded_anew(tmp_path: Path, saved: tuple[str, str]) -> None:
    path = tmp_path / "vgg.pth"
    shutil.copyfile(saved[0], path)
    job = job_of(tmp_path, saved, vgg=str(path), steps=2)
    neural.stylise(job, Say())
    before = images.load(job.out)
    state = random_states()[0]
    torch.save({key: x.flip(0) for key, x in state.items()}, path)
    os.utime(path, ns=(1, 1))  # also where the clock is coarse
    neural.stylise(job, Say())
    assert not np.array_equal(images.load(job.out), before)
    assert neural.loaded().count(str(path)) == 1


def test_memory_that_runs_out_is_met_with_tiles(
    tmp_path: Path, narrow_saved: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neural, "SMALLEST_TILE", 24)
    whole = gatys.optimise

    def short(*values: object) -> torch.Tensor:
        if values[8] == 0:
            raise RuntimeError("CUDA out of memory")
        return whole(*values)  # type: ignore[arg-type]

    monkeypatch.setattr(gatys, "optimise", short)
    done = neural.stylise(job_of(tmp_path, narrow_saved), Say())
    assert done["notes"] == ["Memory ran out: computed in tiles of 24 texels."]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "magic"}, "magic"),
        ({"colors": "both"}, "both"),
        ({"content_weight": 0.0, "style_weight": 0.0}, "weights"),
        ({"style_weight": float("nan")}, "weights"),
        ({"steps": 0}, "steps"),
        ({"vgg": ""}, "vgg"),
        ({"content": "nowhere.png"}, "nowhere.png"),
    ],
)
def test_bad_jobs_are_refused(tmp_path: Path, saved: tuple[str, str], changes: dict[str, object], said: str) -> None:
    with pytest.raises(SynGenError, match=said):
        neural.stylise(job_of(tmp_path, saved, **changes), Say())


def test_masks_and_starts_must_fit(tmp_path: Path, saved: tuple[str, str]) -> None:
    with pytest.raises(SynGenError, match="black everywhere"):
        neural.stylise(job_of(tmp_path, saved, mask=mask_file(tmp_path, np.zeros((48, 48)))), Say())
    with pytest.raises(SynGenError, match="48 x 48"):
        neural.stylise(job_of(tmp_path, saved, mask=mask_file(tmp_path, np.ones((24, 48)))), Say())


def test_adain_needs_its_own_vgg(tmp_path: Path, saved: tuple[str, str]) -> None:
    state = random_states()[0]
    numbers = (0, 2, 5, 7, 10, 12, 14, 16, 19)
    other = tmp_path / "torchvision.pth"
    torch.save(
        {
            f"features.{n}.{part}": state[f"{key}.{part}"]
            for n, key in zip(numbers, ENCODER_KEYS, strict=True)
            for part in ("weight", "bias")
        },
        other,
    )
    neural.stylise(job_of(tmp_path, saved, vgg=str(other), steps=1), Say())
    with pytest.raises(SynGenError, match="does not go with"):
        neural.stylise(job_of(tmp_path, saved, method="adain", vgg=str(other)), Say())


def test_measuring(tmp_path: Path, saved: tuple[str, str]) -> None:
    job = job_of(tmp_path, saved)
    rough = tmp_path / "rough.png"
    images.save_png(rough, picture(48, 48, seed=13))
    done = neural.measure(Measure(job.content, job.style, (job.content, str(rough)), saved[0]), Say())
    assert done["structure"][0] == pytest.approx(1.0)
    assert done["style"][0] == pytest.approx(1.0)
    assert -1 <= done["structure"][1] < 0.9
    own = neural.measure(Measure(job.content, job.style, (), saved[0]), Say())
    assert own == {"structure": [], "style": []}


def test_measuring_knows_the_mask(tmp_path: Path, saved: tuple[str, str]) -> None:
    job = job_of(tmp_path, saved)
    mask = np.zeros((48, 48), bool)
    mask[4:44, 4:30] = True
    other = tmp_path / "other.png"
    images.save_png(other, np.where(mask[..., None], images.load(job.content), picture(48, 48, seed=21)))
    done = neural.measure(Measure(job.content, job.style, (str(other),), saved[0], mask_file(tmp_path, mask)), Say())
    assert done["structure"] == [pytest.approx(1.0)] and done["style"] == [pytest.approx(1.0)]


# --- the real weights ------------------------------------------------------------------------------------------------


def test_more_style_weight_brings_more_style_and_less_structure(tmp_path: Path, weights: Path) -> None:
    files = str(weights / "vgg_normalized.pth"), str(weights / "decoder.pth")
    for method in ("gatys", "adain"):
        made = []
        for weight in (0.02, 0.2, 2.0):
            out = str(tmp_path / f"{method}{weight}.png")
            job = job_of(tmp_path, files, method=method, style_weight=weight, steps=REAL_STEPS, out=out)
            neural.stylise(job, Say())
            made.append(out)
        done = neural.measure(Measure(job.content, job.style, tuple(made), files[0]), Say())
        assert done["style"] == sorted(done["style"], reverse=True) and done["style"][2] < 0.7
        assert done["structure"] == sorted(done["structure"], reverse=True)


def test_adain_gives_a_small_island_the_styles_colours(tmp_path: Path, weights: Path) -> None:
    files = str(weights / "vgg_normalized.pth"), str(weights / "decoder.pth")
    mask = np.zeros((96, 96), bool)
    mask[20:32, 30:36] = mask[60:66, 70:84] = True
    job = job_of(tmp_path, files, (96, 96), method="adain", mask=mask_file(tmp_path, mask))
    neural.stylise(job, Say())
    made, style = (images.load(p)[..., :3] for p in (job.out, job.style))
    assert np.abs(made[mask].mean(0) - style.mean((0, 1))).max() < 0.1
    assert made[mask].std(0).max() < 2 * style.std((0, 1)).max()
