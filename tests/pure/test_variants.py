"""From base textures and a mesh to variants on disk: made once, whole or not at all, the same bytes everywhere."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syngen_addon import images, methods, variants
from syngen_addon.errors import Cancelled, SynGenError
from syngen_addon.kinds import KINDS
from syngen_addon.variants import make_variants, read_variant
from syngen_addon.wear import noise as wear_noise
from syngen_addon.wear.onset import NEVER, OnsetMap
from tests.pure.small import contents, request


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "MIN_ONSET_SIZE", 128)
    monkeypatch.setattr(wear_noise, "SIDE", 64)  # an eighth of the values, enough where the noise itself does not count


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coloured noise for wear and a ramp for onset, where the test is about files."""

    def wear(kind: Any, size: int, rng: np.random.Generator) -> images.Maps:
        color = np.float32([0.4, 0.2, 0.1]) + 0.2 * rng.random((size, size, 1), dtype=np.float32)
        flat = np.full((size, size), 0.5, np.float32)
        return images.Maps(color, flat, flat, flat)

    def onset(sizes: dict[int, tuple[int, int]], settings: Any, rng: Any, **more: Any) -> dict[int, OnsetMap]:
        ramps = {slot: np.tile(np.linspace(0, 1, w, dtype=np.float32), (h, 1)) for slot, (w, h) in sizes.items()}
        return {slot: OnsetMap(ramp, np.full_like(ramp, 2), np.full_like(ramp, 2)) for slot, ramp in ramps.items()}

    monkeypatch.setattr(methods, "wear_texture", wear)
    monkeypatch.setattr(variants, "prepare", lambda mesh, sizes, **more: sizes)
    monkeypatch.setattr(variants, "maps_on", onset)


def test_a_variant_is_whole(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    made = make_variants(request(slots=2), tmp_path, progress=lambda fraction, text: told.append((fraction, text)))
    assert [v.seed for v in made] == [0, 1] and len({v.name for v in made}) == 2
    for variant in made:
        names = {p.name for p in variant.folder.iterdir()}
        assert names == {
            "variant.json",
            "thumbnail.png",
            *(f"{w}-{s}.png" for w in ("color", "surface", "onset") for s in (0, 1)),
        }
        assert variant.slots == (0, 1) and variant.accepted and read_variant(variant.folder) == variant
        assert images.load(variant.file("color", 1)).shape == (64, 64, 3)
        onset = images.load(variant.file("onset", 1))[..., 0] * variants.ONSET_RANGE
        assert onset.shape == (128, 128) and onset.max() <= 1.001
        for level in (0.25, 0.5, 0.75):  # over both slots together
            both = [images.load(variant.file("onset", s))[..., 0] * variants.ONSET_RANGE < level for s in (0, 1)]
            assert np.mean(both) == pytest.approx(level, abs=0.02)
        assert images.load(variant.thumbnail).shape[:2] == (256, 256)
    assert [f for f, _ in told] == sorted(f for f, _ in told) and told[-1] == (1.0, "Done") and told[0][0] == 0
    assert variants.list_variants(tmp_path, "Sheet") == sorted(made, key=lambda v: v.name)
    assert variants.list_variants(tmp_path, "Other") == []


@pytest.mark.usefixtures("fake")
def test_the_same_input_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_variants(request(), tmp_path)
    before = contents(tmp_path)
    monkeypatch.setattr(methods, "wear_texture", lambda *a: pytest.fail("made again"))
    assert make_variants(request(), tmp_path) == first
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("fake")
def test_what_was_noticed_while_gathering_is_told_with_every_variant(tmp_path: Path) -> None:
    for warnings in (("Slot 2 is left out.",), ("No group 'Labl'.",), ()):  # made once, then found finished
        made = make_variants(request(warnings=warnings), tmp_path)
        assert all(variant.warnings[: len(warnings)] == warnings for variant in made)
    assert len({variant.folder for variant in made}) == len(made) and made[0].warnings == ()
    assert read_variant(made[0].folder).warnings == ("Slot 2 is left out.",)


@pytest.mark.usefixtures("fake")
def test_more_variants_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    few = make_variants(request(changes={"texture": {"variants": 1}}), tmp_path)
    mark = few[0].file("color", 0).stat().st_mtime_ns
    many = make_variants(request(changes={"texture": {"variants": 3}}), tmp_path)
    assert many[0] == few[0] and few[0].file("color", 0).stat().st_mtime_ns == mark and len(many) == 3
    alone = make_variants(request(changes={"texture": {"variants": 1, "seed": 2}}), tmp_path / "alone")
    assert alone[0].name == many[2].name
    assert alone[0].file("color", 0).read_bytes() == many[2].file("color", 0).read_bytes()


def test_two_processes_make_the_same_bytes(tmp_path: Path) -> None:
    here = make_variants(request(), tmp_path / "here")
    program = (
        "import sys; from pathlib import Path; sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "import test_variants as t; t.variants.MIN_ONSET_SIZE = 128; t.wear_noise.SIDE = 64\n"
        "t.make_variants(t.request(), Path(sys.argv[3]))\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", program, str(root), str(Path(__file__).parent), str(tmp_path / "there")], check=True
    )
    assert contents(tmp_path / "here") == contents(tmp_path / "there") and len(here) == 2


CHANGES: dict[str, Any] = {
    "mesh": lambda r: dataclasses.replace(
        r, mesh=dataclasses.replace(r.mesh, vertices=r.mesh.vertices * np.float32(1.001))
    ),
    "uvs": lambda r: dataclasses.replace(r, mesh=dataclasses.replace(r.mesh, uvs=r.mesh.uvs * np.float32(0.99))),
    "base": lambda r: dataclasses.replace(
        r, slots=(dataclasses.replace(r.slots[0], base_srgb=r.slots[0].base_srgb[::-1]),)
    ),
    "protect": lambda r: dataclasses.replace(
        r, slots=(dataclasses.replace(r.slots[0], protect=np.eye(64, dtype=bool)),)
    ),
    "damage": lambda r: dataclasses.replace(
        r, slots=(dataclasses.replace(r.slots[0], damage=np.eye(16, dtype=np.float32)),)
    ),
    "kind": lambda r: dataclasses.replace(r, kind=KINDS["light_rust"]),
    "wear.seed": lambda r: request(changes={"wear": {"seed": 1}}),
    "wear.up": lambda r: request(changes={"wear": {"up": "-Z"}}),
    "causes": lambda r: request(changes={"causes": {"edge": 0.1}}),
    "texture.tile_m": lambda r: request(changes={"texture": {"tile_m": 0.3}}),
    "texture.size": lambda r: request(changes={"texture": {"size": 128}}),
    "transfer.structure": lambda r: request(changes={"transfer": {"structure": 0.9}}),
    "filters.enabled": lambda r: request(changes={"filters": {"enabled": True}}),
}
SAME: dict[str, dict[str, dict[str, Any]]] = {
    "wear.level": {"wear": {"level": [0.2, 0.3]}},
    "wear.softness": {"wear": {"softness": 0.2}},
    "camera": {"camera": {"distance": [3, 4]}},
    "texture.variants": {"texture": {"variants": 9}},
    "labels": {"labels": {"min_pixels": 3}},
    "wear.complete_from": {"wear": {"complete_from": 0.9}},
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_input_is_another_variant(what: str) -> None:
    assert variants.input_hash(CHANGES[what](request())) != variants.input_hash(request())


@pytest.mark.parametrize("what", SAME)
def test_what_takes_no_part_changes_nothing(what: str) -> None:
    assert variants.input_hash(request(changes=SAME[what])) == variants.input_hash(request())


def test_protected_texels_come_back_bit_exact(tmp_path: Path) -> None:
    plain = request()
    protect = np.zeros((64, 64), bool)
    protect[10:30, 20:50] = True
    base = images.to_bytes(plain.slots[0].base_srgb)
    (made, *_) = make_variants(
        dataclasses.replace(plain, slots=(dataclasses.replace(plain.slots[0], protect=protect),)), tmp_path
    )
    aged = images.to_bytes(images.load(made.file("color", 0)))
    assert np.array_equal(aged[protect], base[protect]) and not np.array_equal(aged[~protect], base[~protect])
    onset = images.load(made.file("onset", 0))[..., 0] * variants.ONSET_RANGE
    assert np.array_equal(onset > 1.5, np.kron(protect, np.ones((2, 2), bool)))


def test_the_pictures_hold_cover_runoff_and_fading(tmp_path: Path) -> None:
    plain = request(changes={"texture": {"variants": 1}, "marks": {"age": True}})
    protect = np.zeros((64, 64), bool)
    protect[:20] = True
    (made,) = make_variants(
        dataclasses.replace(plain, slots=(dataclasses.replace(plain.slots[0], protect=protect),)), tmp_path
    )
    surface = images.load(made.file("surface", 0))
    assert surface.shape == (64, 64, 4) and (surface[:20, :, 3] == 0).all()
    assert surface[20:, :, 3].mean() == pytest.approx(plain.kind.coverage, abs=0.06)
    onset, runoff, fade, flat = np.moveaxis(images.load(made.file("onset", 0)) * variants.ONSET_RANGE, 2, 0)
    marked = np.kron(protect, np.ones((2, 2), bool))
    assert (onset[marked] == NEVER).all() and (fade[marked] <= 1.001).all() and (fade[~marked] == NEVER).all()
    assert ((runoff > 1.5) | (runoff <= 1.001)).all()
    assert flat[~marked].min() > 0 and flat.max() <= 2


@pytest.mark.usefixtures("fake")
def test_how_flat_the_onset_is_reads_as_metres_a_level(tmp_path: Path) -> None:
    (made, *_) = make_variants(request(), tmp_path)
    flat = images.load(made.file("onset", 0))[8:-8, 8:-8, 3] * variants.FLATTEST
    assert flat == pytest.approx(1.0, rel=0.02)  # a ramp from 0 to 1 over a sheet of a metre


def test_damage_wears_first(tmp_path: Path) -> None:
    plain = request(changes={"texture": {"variants": 1}})
    damage = np.zeros((16, 16), np.float32)
    damage[4:8, 4:8] = 1
    (made,) = make_variants(
        dataclasses.replace(plain, slots=(dataclasses.replace(plain.slots[0], damage=damage),)), tmp_path
    )
    onset = images.load(made.file("onset", 0))[..., 0] * variants.ONSET_RANGE
    assert onset[36:60, 36:60].max() < 0.12 and onset[80:].min() > 0.04  # a sixteenth of the sheet is damaged


def test_a_kind_that_has_a_tile_of_its_own_takes_it(tmp_path: Path) -> None:
    kind = dataclasses.replace(KINDS["heavy_rust"], tile_m=0.125)
    (own, *_) = make_variants(request(kind=kind, changes={"texture": {"variants": 1}}), tmp_path / "own")
    (recipes, *_) = make_variants(request(changes={"texture": {"tile_m": 0.125, "variants": 1}}), tmp_path / "recipe")
    assert own.file("color", 0).read_bytes() == recipes.file("color", 0).read_bytes()


@pytest.mark.parametrize(
    "name", ["Drum", "a/../b", "Fass \N{LATIN SMALL LETTER U WITH DIAERESIS}ber", ".hidden", "", "x" * 300, "CON"]
)
def test_any_name_is_a_safe_folder(tmp_path: Path, name: str) -> None:
    folder = variants.object_folder(tmp_path, name)
    assert (
        folder.parent == tmp_path
        and len(folder.name) < 60
        and not folder.name.startswith(".")
        and folder.name.isascii()
    )
    assert folder != variants.object_folder(tmp_path, name + " ")


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"kind": "a"}', "\0"])
def test_a_broken_variant_is_made_again(tmp_path: Path, content: str | None) -> None:
    made = make_variants(request(), tmp_path)
    before = contents(tmp_path)
    about = made[0].folder / "variant.json"
    about.unlink() if content is None else about.write_text(content)
    assert read_variant(made[0].folder) is None and variants.list_variants(tmp_path, "Sheet") == [made[1]]
    assert make_variants(request(), tmp_path) == made and contents(tmp_path) == before


@pytest.mark.usefixtures("fake")
def test_a_stop_leaves_finished_variants_and_nothing_else(tmp_path: Path) -> None:
    asked: list[int] = []
    gallery = tmp_path / "gallery"

    def stop_at(number: int) -> Any:
        def should_stop() -> bool:
            asked.append(1)
            return len(asked) >= number

        return should_stop

    for number in range(1, 6):
        asked.clear()
        shutil.rmtree(gallery, ignore_errors=True)
        with pytest.raises(Cancelled):
            make_variants(request(), gallery, should_stop=stop_at(number))
        assert not [p for p in gallery.rglob(".*")]
        assert (
            len([v for v in map(read_variant, gallery.glob("*/*")) if v])
            == len(list(gallery.glob("*/*")))
            == (number - 1) // 3
        )
    assert len(make_variants(request(), gallery)) == 2


@pytest.mark.usefixtures("fake")
def test_a_write_that_fails_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = images.save_png

    def full(path: Path, image: Any, bits: int = 8) -> None:
        if Path(path).name.startswith("onset"):
            raise SynGenError(f"Cannot write {path}: No space left on device.", "Free some space.")
        real(path, image, bits)

    monkeypatch.setattr(images, "save_png", full)
    with pytest.raises(SynGenError, match="No space left"):
        make_variants(request(), tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    monkeypatch.setattr(images, "save_png", real)
    assert len(make_variants(request(), tmp_path)) == 2


@pytest.mark.usefixtures("fake")
def test_a_gallery_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SynGenError, match="Cannot write the variant"):
        make_variants(request(), tmp_path / "file")


def test_a_refused_variant_says_why_and_stays(tmp_path: Path) -> None:
    made = make_variants(request(changes={"filters": {"enabled": True, "contrast_min": 1.0}}), tmp_path)
    assert (
        [v.accepted for v in made] == [False, False]
        and made[0].reason == "flat"
        and "filters.contrast_min" in made[0].sentence
    )
    about = json.loads((made[0].folder / "variant.json").read_text())
    assert about["reason"] == "flat" and about["scores"]["contrast"] < 1
    assert make_variants(request(changes={"filters": {"enabled": True, "contrast_min": 1.0}}), tmp_path) == made


@pytest.mark.usefixtures("fake")
def test_duplicates_are_found_among_those_that_are_there_already(tmp_path: Path) -> None:
    """A verdict does not depend on which variants were finished before."""
    changes = {
        "filters": {
            "enabled": True,
            "duplicate_min": 1.0,
            "sharpness_min": 0.0,
            "noise_max": 1.0,
            "color_max": 200.0,
            "contrast_min": 0.0,
            "seam_max": 100.0,
        }
    }
    whole = make_variants(request(changes=changes), tmp_path / "whole")
    assert [v.reason for v in whole] == ["", "duplicate"]
    make_variants(request(changes={**changes, "texture": {"variants": 1}}), tmp_path / "parts")
    assert [v.reason for v in make_variants(request(changes=changes), tmp_path / "parts")] == ["", "duplicate"]
    shutil.rmtree(whole[0].folder)
    assert [v.reason for v in make_variants(request(changes=changes), tmp_path / "whole")] == ["", "duplicate"]


def test_an_object_that_cannot_be_aged_is_refused(tmp_path: Path) -> None:
    flat = dataclasses.replace(request().mesh, uvs=np.zeros((2, 3, 2), np.float32))
    with pytest.raises(SynGenError, match="area of zero"):
        make_variants(request(mesh=flat), tmp_path)
    assert not list(tmp_path.iterdir())
