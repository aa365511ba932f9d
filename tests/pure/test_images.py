"""The one image convention: files and arrays, row 0 at the top, sRGB as stored."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from syngen_addon import images
from syngen_addon.errors import SynGenError

UNIT = st.floats(0, 1, width=32)


@pytest.mark.parametrize("channels", [None, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_what_is_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, channels: int | None, bits: int, data: st.DataObject
) -> None:
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    image = data.draw(hnp.arrays(np.float32, shape if channels is None else (*shape, channels), elements=UNIT))
    path = tmp_path_factory.mktemp("images") / "a.png"
    images.save_png(path, image, bits)
    loaded = images.load(path)
    wanted = np.repeat(image[..., None], 3, 2) if channels is None else image
    assert loaded.dtype == np.float32 and loaded.shape == wanted.shape
    assert np.abs(loaded - wanted).max() <= 0.5 / (2**bits - 1) + 1e-6


def test_row_0_is_at_the_top_and_channels_are_red_green_blue(tmp_path: Path) -> None:
    """Against Pillow, which shares no code with it."""
    image = np.zeros((2, 3, 3), np.float32)
    image[0, 0] = (1, 0, 0)
    image[1, 2] = (0, 0, 1)
    images.save_png(tmp_path / "a.png", image)
    with Image.open(tmp_path / "a.png") as there:
        assert there.size == (3, 2)
        assert there.getpixel((0, 0)) == (255, 0, 0) and there.getpixel((2, 1)) == (0, 0, 255)
    Image.new("RGB", (2, 1), (10, 20, 30)).save(tmp_path / "b.jpg", quality=100)
    assert np.abs(images.load(tmp_path / "b.jpg") * 255 - (10, 20, 30)).max() <= 2
    Image.new("L", (2, 1), 51).save(tmp_path / "c.png")
    assert np.allclose(images.load(tmp_path / "c.png"), 0.2)
    Image.new("RGBA", (2, 1), (255, 0, 0, 51)).save(tmp_path / "d.png")
    assert np.allclose(images.load(tmp_path / "d.png"), (1, 0, 0, 0.2))


def test_values_outside_are_clipped_and_the_same_image_is_the_same_bytes(tmp_path: Path) -> None:
    image = np.array([[-1.0, 0.5, 2.0]], np.float32)
    for name in ("a", "b"):
        images.save_png(tmp_path / f"{name}.png", image)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\nbroken"])
def test_bad_files_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SynGenError, match=r"picture\.png (is missing|cannot be read as an image)"):
        images.load(path)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SynGenError, match=r"Cannot write .*a\.png"):
        images.save_png(tmp_path / "file" / "a.png", np.zeros((2, 2), np.float32))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@given(hnp.arrays(np.float32, (5, 4, 3), elements=UNIT))
def test_srgb_and_back(image: np.ndarray) -> None:
    linear = images.srgb_to_linear(image)
    assert linear.dtype == np.float32 and linear.min() >= 0 and linear.max() <= 1
    assert np.allclose(images.linear_to_srgb(linear), image, atol=2e-6)
    assert (linear <= image + 1e-6).all()


def test_srgb_at_known_values() -> None:
    known = np.array([0.0, 0.04045, 0.5, 1.0], np.float32)
    assert np.allclose(images.srgb_to_linear(known), [0, 0.0031308, 0.2140411, 1], atol=1e-6)
    assert images.linear_to_srgb(np.array([-1.0], np.float32)).tolist() == [0.0]


def test_luminance() -> None:
    assert np.allclose(images.luminance(np.eye(4, dtype=np.float32)[None, :, :]), [[0.2126, 0.7152, 0.0722, 0]])


@pytest.mark.parametrize("size", [(3, 5), (40, 7), (64, 64), (16, 16)])
def test_resize_keeps_level_and_range(size: tuple[int, int]) -> None:
    flat = np.full((16, 16, 3), 0.3, np.float32)
    assert np.allclose(images.resize(flat, *size), 0.3, atol=1e-6)
    assert images.resize(flat, *size).shape == (size[1], size[0], 3)
    board = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((2, 2))).astype(np.float32)
    out = images.resize(board, *size)
    assert out.min() >= 0 and out.max() <= 1 and out.dtype == np.float32
    assert abs(float(images.resize(board, 1, 1)[0, 0]) - 0.5) < 1e-6


def test_tile_starts_at_the_top_left() -> None:
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    tiled = images.tile(image, 7, 5)
    assert tiled.shape == (5, 7)
    assert (
        np.array_equal(tiled[:2, :3], image) and np.array_equal(tiled[2:4, 3:6], image) and tiled[4, 6] == image[0, 0]
    )
    assert np.array_equal(images.tile(image, 2, 1), image[:1, :2])
