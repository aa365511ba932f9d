"""A tileable texture from one photo."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from syngen_addon import images, methods, variants
from syngen_addon.errors import SynGenError
from syngen_addon.filters.judge import judge
from syngen_addon.images import Array
from syngen_addon.kinds import KINDS
from syngen_addon.recipe import Filters, from_dict
from syngen_addon.textures import exemplar
from syngen_addon.textures.exemplar import FRONT_COLORS, exemplar_texture, kind_of, quilt
from syngen_addon.textures.procedural import wear_texture
from tests.pure.small import request

KIND = KINDS["heavy_rust"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def photo() -> Array:
    """A stand-in for a photo: it does not tile, and it is lit from the left."""
    color = wear_texture(KIND, 256, rng(5)).color_srgb[20:220, 10:250]
    return np.clip(color * np.linspace(1.15, 0.85, color.shape[1], dtype=np.float32)[:, None], 0, 1)


def steps(color: Array, axis: int) -> Array:
    """Mean difference between neighbouring rows or columns, the last with the first included."""
    others = tuple(a for a in range(3) if a != axis)
    return np.abs(color - np.roll(color, 1, axis)).mean(axis=others)


@pytest.mark.parametrize("axis", [0, 1])
def test_it_tiles(photo: Array, axis: int) -> None:
    color = exemplar_texture(photo, KIND, 256, rng(1)).color_srgb
    step = steps(color, axis)
    assert step[0] <= 1.3 * step.max(initial=0.0, where=np.arange(256) > 0)
    assert step.max() < 2 * np.median(step), "no cut shows as a line"


def test_it_has_the_photo_s_colors_and_detail(photo: Array) -> None:
    color = exemplar_texture(photo, KIND, 256, rng(1)).color_srgb
    ours, theirs = (cv2.cvtColor(c, cv2.COLOR_RGB2LAB).reshape(-1, 3) for c in (color, photo))
    assert np.abs(ours.mean(axis=0) - theirs.mean(axis=0)).max() < 2.5
    assert np.all(np.abs(ours.std(axis=0) / theirs.std(axis=0) - 1) < 0.4)


def test_a_texture_of_two_tones_stays_one_of_two_tones() -> None:
    """Patches as those of the photo, light and dark in its shares, next to nothing between the two."""
    grey = cv2.GaussianBlur(rng().normal(size=(192, 192)), (0, 0), 6)
    photo = np.repeat(np.where(grey > 0, 0.7, 0.3)[..., None], 3, axis=2).astype(np.float32)
    out = quilt(photo, 256, rng())[..., 0]
    light, dark = np.abs(out - 0.7) < 0.08, np.abs(out - 0.3) < 0.08
    assert (light | dark).mean() > 0.85
    assert abs(light.mean() - (photo[..., 0] > 0.5).mean()) < 0.15


def test_no_part_of_the_photo_is_seen_over_and_over(photo: Array) -> None:
    """Four times the photo's size: the texture is no more like itself shifted than its blocks allow."""
    color = exemplar_texture(photo, KIND, 512, rng(2), span=0.4).color_srgb
    grey = images.luminance(color)
    grey = grey - cv2.GaussianBlur(grey, (0, 0), 8)
    power = np.abs(np.fft.fft2(grey)) ** 2
    correlation = np.fft.ifft2(power).real
    correlation /= correlation[0, 0]
    near = np.add.outer(np.minimum(np.arange(512), 512 - np.arange(512)) ** 2,
                        np.minimum(np.arange(512), 512 - np.arange(512)) ** 2) < 24**2  # fmt: skip
    assert correlation[~near].max() < 0.25, "a repeat of the whole would be 1"
    tiled = np.fft.ifft2(np.abs(np.fft.fft2(np.tile(grey[:256, :256], (2, 2)))) ** 2).real
    assert (tiled / tiled[0, 0])[~near].max() > 0.99, "and this is how one shows"


def test_same_seed_same_bytes_and_another_seed_another_texture(photo: Array) -> None:
    one, same, other = (exemplar_texture(photo, KIND, 128, rng(s)).color_srgb for s in (3, 3, 4))
    assert one.tobytes() == same.tobytes()
    assert np.abs(one - other).mean() > 0.01


@pytest.mark.parametrize("size", [64, 200, 512])
@pytest.mark.parametrize("span", [0.3, 1.0, 3.0])
def test_any_size_and_span(photo: Array, size: int, span: float) -> None:
    maps = exemplar_texture(photo, KIND, size, rng(), span=span)
    assert maps.color_srgb.shape == (size, size, 3) and maps.height.shape == (size, size)
    assert np.isfinite(maps.color_srgb).all() and np.isfinite(maps.height).all()


def test_the_kind_takes_over_the_photo_s_colors() -> None:
    green = np.clip(rng().normal((0.2, 0.5, 0.3), 0.05, (96, 96, 3)), 0, 1).astype(np.float32)
    kind = kind_of(green, KIND)
    palette = np.array(kind.look.colors_srgb)
    assert (palette[:, 1] > palette[:, 0]).all() and len(palette) == len(KIND.look.colors_srgb)
    assert kind.front.stain_linear[1] > kind.front.stain_linear[0]
    assert kind.name == KIND.name and kind.onset == KIND.onset
    maps = exemplar_texture(cv2.GaussianBlur(green, (0, 0), 1.5), kind, 128, rng())
    for_color = Filters(sharpness_min=0.0)  # the photo is blurred, which is seen first
    assert judge(maps, kind.look.colors_srgb, for_color).reason != "color"
    assert judge(maps, KIND.look.colors_srgb, for_color).reason == "color"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((20, 200, 3), np.float32), "200 x 20 pixels"),
        (np.full((100, 100, 3), 0.4, np.float32), "one color|one colour"),
        (np.full((100, 100, 3), np.nan, np.float32), "not numbers"),
    ],
)
def test_a_photo_that_cannot_be_used_is_refused(bad: Array, words: str) -> None:
    with pytest.raises(SynGenError, match=words):
        exemplar_texture(bad, KIND, 128, rng())


def test_variants_are_made_from_a_photo(tmp_path: Path, photo: Array) -> None:
    images.save_png(tmp_path / "photo.png", photo)
    changes = {"texture": {"method": "exemplar", "exemplar": str(tmp_path / "photo.png"), "variants": 1}}
    made = variants.make_variants(request(changes=changes), tmp_path / "gallery")
    assert made[0].made["exemplar"] == "photo.png"
    assert set(made[0].made["front"]) == set(FRONT_COLORS)
    assert made[0].made["front"]["scale_linear"] == [1.0, 1.0, 1.0]
    color = images.load(made[0].file("color", 0))
    wear = images.load(tmp_path / "photo.png").mean(axis=(0, 1))
    assert np.abs(color.mean(axis=(0, 1)) - wear).max() < 0.2
    images.save_png(tmp_path / "photo.png", photo[::-1])
    assert variants.make_variants(request(changes=changes), tmp_path / "gallery")[0].name != made[0].name


@pytest.mark.parametrize(("exemplar", "words"), [("", "No photo of wear is chosen"), ("/nowhere/rust.png", "rust.png")])
def test_a_missing_photo_is_said_before_anything_is_made(tmp_path: Path, exemplar: str, words: str) -> None:
    changes = {"texture": {"method": "exemplar", "exemplar": exemplar}}
    with pytest.raises(SynGenError, match=words):
        variants.make_variants(request(changes=changes), tmp_path / "gallery")
    assert not (tmp_path / "gallery").exists()
    with pytest.raises(SynGenError, match=words):
        methods.kind_in_use(KIND, from_dict({"texture": {"method": "exemplar", "exemplar": exemplar}}))


@pytest.mark.skipif("SYNGEN_TEST_ASSETS" not in os.environ, reason="needs photographs of rust")
@pytest.mark.parametrize("name", ["Rust004_1K_Color.jpg", "Rust006_1K-JPG_Color.jpg", "rust_coarse_01_diff_1k.webp"])
def test_photographs_of_rust_pass_the_filters(name: str) -> None:
    photo = images.load(Path(os.environ["SYNGEN_TEST_ASSETS"]) / "textures" / name)[..., :3]
    kind = kind_of(photo, KIND)
    verdict = judge(exemplar_texture(photo, kind, 512, rng(1)), kind.look.colors_srgb, Filters())
    assert verdict.accepted, verdict.sentence


def test_of_a_photo_that_spans_many_tiles_a_part_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of it, as large as it would lie on the tiles, would take more memory than there is."""
    photo = np.clip(rng(3).normal(0.4, 0.15, (400, 600, 3)), 0, 1).astype(np.float32)
    used: list[Array] = []
    monkeypatch.setattr(exemplar, "quilt", lambda part, *rest: used.append(part) or quilt(part, *rest))
    made = [exemplar_texture(photo, KIND, 64, rng(seed), span=20.0) for seed in (0, 0, 1)]
    assert {part.shape for part in used} == {(128, 128, 3)}
    assert np.array_equal(made[0].color_srgb, made[1].color_srgb)
    assert not np.array_equal(used[0], used[2])
    with pytest.raises(SynGenError, match="too coarse"):
        exemplar_texture(photo, KIND, 1024, rng(), span=2000.0)


def test_a_photo_that_is_too_small_is_told_before_its_colours_are_read() -> None:
    with pytest.raises(SynGenError, match="13 x 7 pixels"):
        kind_of(np.full((7, 13, 3), 0.4, np.float32), KIND)
