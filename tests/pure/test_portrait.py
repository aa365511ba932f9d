"""The gallery's picture of an object: what is in front hides what is behind, textures land where the UVs say."""

import numpy as np
import pytest

from syngen_addon.wear.mesh import MeshArrays
from syngen_addon.wear.portrait import paint, pose, worn_at


def quad(corners: list[tuple[float, float, float]], slot: int) -> MeshArrays:
    uv = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
    return MeshArrays(np.array(corners, np.float32), faces, uv[faces], np.full(2, slot, np.int32))


def joined(*parts: MeshArrays) -> MeshArrays:
    starts = np.cumsum([0, *(len(p.vertices) for p in parts)])
    return MeshArrays(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.triangles + start for p, start in zip(parts, starts, strict=False)]).astype(np.int32),
        np.concatenate([p.uvs for p in parts]),
        np.concatenate([p.slots for p in parts]),
    )


def wall(y: float, half: float, slot: int) -> MeshArrays:
    """An upright square that faces -Y."""
    return quad([(-half, y, -half), (half, y, -half), (half, y, half), (-half, y, half)], slot)


def plain(color: tuple[float, float, float]) -> np.ndarray:
    return np.broadcast_to(np.array(color, np.float32), (8, 8, 3)).copy()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_wall_hides_the_farther(order: tuple[int, int]) -> None:
    walls = (wall(-0.2, 0.3, 0), wall(0.2, 1.0, 1))
    picture = paint(pose(joined(*(walls[i] for i in order)), 64), {0: plain((1, 0, 0)), 1: plain((0, 0, 1))})
    red = (picture[..., 0] > 0.3) & (picture[..., 2] < 0.1)
    blue = (picture[..., 2] > 0.3) & (picture[..., 0] < 0.1)
    assert red.sum() > 100 and blue.sum() > 100
    rows, columns = np.nonzero(red)
    inside = red[rows.min() + 2 : rows.max() - 1, columns.min() + 2 : columns.max() - 1]
    assert inside.mean() > 0.8, "the small near wall is whole"


def test_up_in_the_texture_is_up_in_the_picture_and_nothing_is_see_through() -> None:
    texture = plain((0, 0.8, 0))
    texture[:4] = (0.8, 0, 0)
    picture = paint(pose(wall(0, 1, 0), 64), {0: texture})
    assert picture.shape == (64, 64, 4)
    red, green = (np.nonzero((picture[..., c] > 0.3) & (picture[..., 3] > 0.9)) for c in (0, 1))
    assert red[0].mean() < green[0].mean() - 10
    assert picture[0, 0, 3] == 0


@pytest.mark.parametrize("up", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, -1)])
def test_up_is_up(up: tuple[int, int, int]) -> None:
    """A mark at the object's upper end lies in the upper half of the picture, whichever way is up."""
    axis = np.array(up, np.float32)
    other = np.array([0, 0, 1], np.float32) if abs(axis[2]) < 0.5 else np.array([0, 1, 0], np.float32)
    across = np.cross(axis, other)
    sheets = []
    for slot, at in ((0, 1.0), (1, -1.0)):
        c = [tuple(axis * at + 0.3 * (a * across + b * other)) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        sheets.append(quad(c, slot))
    picture = paint(pose(joined(*sheets), 64, up), {0: plain((1, 0, 0)), 1: plain((0, 0, 1))})
    top, bottom = (np.nonzero(picture[..., c] > 0.3)[0] for c in (0, 2))
    assert top.max() < 32 <= bottom.min()


def test_the_same_object_gives_the_same_picture() -> None:
    mesh, texture = wall(0, 1, 0), {0: plain((0.2, 0.5, 0.7))}
    assert np.array_equal(paint(pose(mesh, 32), texture), paint(pose(mesh, 32), texture))


def test_a_texture_is_worn_as_far_as_its_level_says() -> None:
    base, aged = plain((0.2, 0.4, 0.8)), plain((0.6, 0.3, 0.1))
    onset = np.tile((np.arange(8, dtype=np.float32) + 0.5) / 8, (8, 1))
    onset[:4] = 2.0  # protected
    assert np.array_equal(worn_at(base, aged, onset, 0.0), base)
    for level, columns in ((0.25, 2), (0.5, 4), (1.0, 8)):
        worn = np.abs(worn_at(base, aged, onset, level, softness=0.001) - aged).max(axis=2) < 1e-6
        assert worn.sum(axis=1).tolist() == [0] * 4 + [columns] * 4
    soft = worn_at(base, aged, onset, 0.5, softness=0.5)
    assert (np.diff(soft[7, :, 0]) <= 0).all() and len(np.unique(soft[7, :, 0])) > 4
