"""Frames cover the recipe's ranges evenly, any run of them, every shard; and what each split keeps for itself."""

import dataclasses
import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon import recipe as recipes
from syngen_addon.recipe import Recipe
from syngen_addon.sampling.draws import SceneFacts, TargetFacts, ThingFacts, VariantFacts
from syngen_addon.sampling.frame import draw_frame, warnings_of
from syngen_addon.sampling.pools import parts_apart, pools_of, variants_needed, wanting
from syngen_addon.sampling.sequence import PRIMES, Middle, even, point
from syngen_addon.splits import SPLITS, place_of, split_of


def target(name: str, center: tuple[float, float, float] = (0, 0, 1), half: float = 0.5, **changes: Any) -> TargetFacts:
    offsets = [(x, y, z) for x in (-half, half) for y in (-half, half) for z in (-half, half)]
    corners = tuple((center[0] + x, center[1] + y, center[2] + z) for x, y, z in offsets)
    return TargetFacts(
        **({"name": name, "center": center, "radius": half * math.sqrt(3), "corners": corners} | changes)
    )


def gallery(*made: str, each: int = 4, owner: str = "Drum") -> tuple[VariantFacts, ...]:
    """made: kind or kind/preset."""
    return tuple(
        VariantFacts(f"{owner}/{m}-{i}", m.partition("/")[0], m.partition("/")[2]) for m in made for i in range(each)
    )


ALONE = SceneFacts((target("Drum"),))


def discrepancy(points: "np.ndarray[Any, Any]") -> float:
    """Wrap-around L2 (Hickernell, 1998), times the root of the number of points: about constant for random ones."""
    n, d = points.shape
    apart = np.abs(points[:, None] - points[None])
    return math.sqrt(max(float(np.prod(1.5 - apart * (1 - apart), axis=2).mean()) - (4 / 3) ** d, 0) * n)


RANDOM = {
    d: float(np.mean([discrepancy(np.random.default_rng(i).random((96, d))) for i in range(20)]))
    for d in (1, 2, len(PRIMES))
}


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31), start=st.integers(0, 10**6), stride=st.sampled_from([1, 2, 3, 4, 5, 8, 10]),
    count=st.integers(16, 200),
)  # fmt: skip
def test_any_run_and_any_shard_is_more_even_than_chance(seed: int, start: int, stride: int, count: int) -> None:
    run = [start + stride * i for i in range(count)]
    points = np.array([point(seed, "camera/Drum", n) for n in run])
    assert points.min() >= 0 and points.max() < 1
    assert discrepancy(points) < 0.8 * RANDOM[len(PRIMES)]
    assert discrepancy(points[:, :2]) < 0.75 * RANDOM[2], "azimuth and height; 0.69 at worst, every 8th of 24"
    levels = np.array([[even(seed, "level/Drum", n)] for n in run])
    assert discrepancy(levels) < 1.25 * RANDOM[1] and np.abs(levels.mean() - 0.5) < 0.2
    # No gap is much longer than were they quite even.
    gaps = np.diff(np.sort(levels[:, 0]), append=levels.min() + 1)
    assert gaps.max() < 18 / count


def test_on_the_whole_it_is_far_more_even() -> None:
    points = np.array([point(3, "camera/Drum", n) for n in range(200)])
    for column in range(len(PRIMES)):
        assert discrepancy(points[:, column : column + 1]) < 0.5 * RANDOM[1]
    assert discrepancy(points[:, :2]) < 0.4 * RANDOM[2]
    means = [discrepancy(np.array([[even(s, "x", n)] for n in range(100)])) for s in range(20)]
    assert np.mean(means) < 0.5 * RANDOM[1]


def test_sequences_of_two_names_know_nothing_of_each_other() -> None:
    pairs = np.array([[even(5, "level/Drum", n), even(5, "level/Tank", n)] for n in range(400)])
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.1
    counts = np.histogram2d(pairs[:, 0], pairs[:, 1], bins=5, range=[[0, 1], [0, 1]])[0]
    assert counts.min() >= 8, "400 over 25 cells: 16 each"


def cell_counts(frames: "range", recipe: Recipe, facts: SceneFacts, seed: int = 4) -> "np.ndarray[Any, Any]":
    """Cameras in 4 x 3 cells of azimuth and area on the sphere."""
    counts = np.zeros((4, 3), int)
    low, high = (math.sin(math.radians(e)) for e in recipe.camera.elevation_deg)
    for frame in frames:
        draw = draw_frame(recipe, facts, seed, frame)
        assert draw.camera
        away = np.array(draw.camera.location) - next(t.center for t in facts.targets if t.name == draw.aimed_at)
        around = math.atan2(away[0], -away[1]) / (2 * math.pi) + 0.5
        height = (away[2] / np.linalg.norm(away) - low) / (high - low)
        counts[min(int(around * 4), 3), min(int(height * 3), 2)] += 1
    return counts


@pytest.mark.parametrize("frames", [range(48), range(1000, 1048), range(1, 192, 4), range(0, 480, 10)])
def test_frames_fill_every_cell_of_directions(frames: range) -> None:
    recipe = Recipe(camera=recipes.Camera(min_height_m=-100))
    counts = cell_counts(frames, recipe, ALONE)
    assert counts.sum() == 48 and counts.min() >= 2 and counts.max() <= 7
    chance = dataclasses.replace(recipe, camera=recipes.Camera(min_height_m=-100, stratify=False))
    assert cell_counts(frames, chance, ALONE).std() > counts.std()


def test_shards_see_every_target_from_all_sides() -> None:
    facts = SceneFacts((target("Drum"), target("Tank", (60, 2, 2), 1.5), target("Box", (-40, 3, 0.2), 0.2)))
    recipe = Recipe(camera=recipes.Camera(min_height_m=-100))
    for shard in range(3):
        counts = cell_counts(range(shard, 432, 3), recipe, facts)
        assert counts.sum() == 144 and counts.min() >= 5


# --- kinds, variants, environments -----------------------------------------------------------------------------------


def worn(recipe: Recipe, facts: SceneFacts, frames: range, name: str = "Drum", seed: int = 3) -> list[VariantFacts]:
    variants = next(t.variants for t in facts.targets if t.name == name)
    return [variants[draw_frame(recipe, facts, seed, frame).variants[name]] for frame in frames]


SHARED = Recipe(randomize=recipes.Randomize(apart=()))


def test_kinds_and_presets_come_equally_often_then_their_variants() -> None:
    uneven = (*gallery("rust/none", "rust/coastal", each=2), *gallery("moss", each=6))
    facts = SceneFacts((target("Drum", variants=uneven),))
    found = worn(SHARED, facts, range(36))
    assert Counter((v.kind, v.preset) for v in found) == {
        ("rust", "none"): 12,
        ("rust", "coastal"): 12,
        ("moss", ""): 12,
    }
    assert Counter(v.name for v in found if v.kind == "moss") == {f"Drum/moss-{i}": 2 for i in range(6)}
    assert all(len({(v.kind, v.preset) for v in found[i : i + 3]}) == 3 for i in range(0, 36, 3))
    chance = dataclasses.replace(SHARED, camera=recipes.Camera(stratify=False))
    counts = Counter((v.kind, v.preset) for v in worn(chance, facts, range(90)))
    assert len(counts) == 3 and min(counts.values()) > 15 and len(set(counts.values())) > 1


def test_each_environment_comes_once_a_round() -> None:
    facts = dataclasses.replace(ALONE, environments=tuple("abcde"))
    drawn = [draw_frame(SHARED, facts, 3, frame).environment for frame in range(20)]
    indices = [e.index for e in drawn if e]
    assert all(set(indices[i : i + 5]) == set(range(5)) for i in range(0, 20, 5))
    assert indices[:5] != indices[5:10]


def test_a_further_kind_does_not_lie_on_itself() -> None:
    facts = SceneFacts((target("Drum", variants=gallery("rust", "dents")),))
    recipe = dataclasses.replace(SHARED, wear=recipes.Wear(also={"dents": (0.2, 0.4)}))
    for frame in range(10):
        draw = draw_frame(recipe, facts, 3, frame)
        own = facts.targets[0].variants[draw.variants["Drum"]].kind
        assert (draw.also["Drum"]["dents"] == 0.0) == (own == "dents")


# --- splits that keep to themselves ----------------------------------------------------------------------------------


FULL = SceneFacts(
    (
        target("Drum", variants=gallery("rust", "moss", each=5)),
        target("Tank", (6, 2, 2), variants=gallery("rust", each=8, owner="Tank")),
        target("Twin", (-6, 2, 2), variants=gallery("rust", each=8, owner="Tank")),
    ),
    tuple(f"{i:03}.hdr" for i in range(12)),
    tuple(f"{i:03}.jpg" for i in range(40)),
    tuple(f"floor {i}.png" for i in range(5)),
    tuple(ThingFacts(f"crate {i}", tuple(itertools.product((-0.3, 0.3), (-0.4, 0.4), (-0.5, 0.5)))) for i in range(6)),
)
PHOTOS = Recipe(background=recipes.Background(kind="images", folder="photos"))
EVERYTHING = dataclasses.replace(
    PHOTOS,
    ground=recipes.Ground(randomize=True, folder="floors"),
    distractors=recipes.Distractors(count=(2, 4), occluders=(1, 2), folder="crates"),
    labels=recipes.Labels(geometry=True),
)


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**31), split=st.sampled_from([(0.8, 0.1, 0.1), (0.6, 0.4, 0.0), (0.34, 0.33, 0.33)]))
def test_nothing_leaks_from_one_split_into_another(seed: int, split: tuple[float, float, float]) -> None:
    recipe = dataclasses.replace(EVERYTHING, export=recipes.Export(split=split))
    seen: dict[tuple[str, Any], set[str]] = {}
    for frame in range(60):
        draw = draw_frame(recipe, FULL, seed, frame)
        assert draw.split == split_of(frame, seed, split)
        assert draw.environment and draw.background and draw.background.image is not None and draw.ground
        shown = [("environment", draw.environment.index), ("background", draw.background.image)]
        shown += [("ground", draw.ground.picture)]
        shown += [("thing", thing.source) for thing in (*draw.distractors, *draw.occluders)]
        shown += [("variant", t.variants[draw.variants[t.name]].name) for t in FULL.targets]
        shown += [("texture", t.variants[draw.variants[t.name]].texture) for t in FULL.targets]
        for each in shown:
            seen.setdefault(each, set()).add(draw.split)
    assert {part for part, _ in seen} == {"environment", "background", "ground", "thing", "variant", "texture"}
    assert {each: splits for each, splits in seen.items() if len(splits) > 1 and each[1] != ""} == {}
    assert warnings_of(recipe, FULL, seed) == ()


def test_pools_have_their_share_of_each_and_every_kind() -> None:
    pools = pools_of(PHOTOS, FULL, 3)
    assert pools.any and pools.backgrounds and pools.environments
    assert [len(pools.backgrounds[s]) for s in SPLITS] == [32, 4, 4]
    assert [len(pools.environments[s]) for s in SPLITS] == [10, 1, 1]
    drum = pools.variants["Drum", ""]
    assert drum
    for split in SPLITS:
        assert {FULL.targets[0].variants[i].kind for i in drum[split]} == {"rust", "moss"}
    assert pools.variants["Tank", ""] == pools.variants["Twin", ""], "they share a gallery"


def test_a_wear_texture_is_in_one_split_whatever_object_and_preset_shows_it() -> None:
    def made(owner: str, *presets: str) -> tuple[VariantFacts, ...]:
        return tuple(VariantFacts(f"{owner}/{p}-{i}", "rust", p, f"{i}") for p in presets for i in range(8))

    facts = SceneFacts(
        (target("Drum", variants=made("drum", "none", "coastal")), target("Tank", variants=made("tank", "none")))
    )
    for seed in range(5):
        pools = pools_of(Recipe(), facts, seed).variants
        splits: dict[str, set[str]] = {}
        for each in facts.targets:
            for split, own in (pools[each.name, ""] or {}).items():
                for i in own:
                    splits.setdefault(each.variants[i].texture, set()).add(split)
        assert len(splits) == 8 and all(len(found) == 1 for found in splits.values())
        assert set.union(*splits.values()) == set(SPLITS)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_wear_texture_straddles_splits_whatever_the_filters_refused(data: st.DataObject) -> None:
    def gallery_of(owner: str) -> tuple[VariantFacts, ...]:
        presets = data.draw(st.lists(st.sampled_from(["none", "coastal", "rain"]), min_size=1, unique=True))
        made = [(kind, p, i) for kind in ("rust", "moss") for p in presets for i in range(6)]
        kept = data.draw(st.lists(st.sampled_from(made), min_size=1, unique=True))
        return tuple(VariantFacts(f"{owner}/{k}/{p}-{i}", k, p, f"{i}") for k, p, i in sorted(kept))

    facts = SceneFacts(tuple(target(name, variants=gallery_of(name)) for name in ("Drum", "Tank", "Pipe")))
    pools = pools_of(Recipe(), facts, data.draw(st.integers(0, 99)))
    shown: dict[tuple[str, str], set[str]] = {}
    for each in facts.targets:
        own = pools.variants[each.name, ""]
        assert own is None or all(own[split] for split in SPLITS)
        for split in own or ():
            for i in own[split] if own else ():
                shown.setdefault((each.variants[i].kind, each.variants[i].texture), set()).add(split)
        if own:  # within one object it never does
            for key in {(v.kind, v.texture) for v in each.variants}:
                at = {s for s in SPLITS for i in own[s] if (each.variants[i].kind, each.variants[i].texture) == key}
                assert len(at) == 1
    if any(len(splits) > 1 for splits in shown.values()):
        assert any("share wear textures" in said for said in pools.warnings)
    if any(own is None for own in pools.variants.values()):
        assert any("share the variants of" in said for said in pools.warnings)
    missed = any(
        {each.variants[i].kind for i in part} != {v.kind for v in each.variants}
        for each in facts.targets
        for part in (pools.variants[each.name, ""] or {}).values()
    )
    assert missed == any("shows no" in said for said in pools.warnings)


def dents(owner: str, *seeds: int, kind: str = "dents") -> tuple[VariantFacts, ...]:
    return tuple(VariantFacts(f"{owner}/{kind}-{i}", kind, "none", f"{i}") for i in seeds)


SPLIT_WAYS = st.sampled_from([(0.8, 0.1, 0.1), (0.6, 0.4, 0.0), (0.34, 0.33, 0.33), (1.0, 0.0, 0.0)])


@settings(deadline=None, max_examples=40)
@given(data=st.data(), seed=st.integers(0, 2**31), split=SPLIT_WAYS)
def test_no_further_wear_leaks_from_one_split_into_another(
    data: st.DataObject, seed: int, split: tuple[float, float, float]
) -> None:
    """Whatever lies beside whose wear: a texture is in one split, or a warning names who shares; nothing else moves."""
    seeds = st.lists(st.integers(0, 7), max_size=6, unique=True).map(sorted)
    bare, targets = [], []
    for name in ("Drum", "Tank", "Pipe"):
        own = data.draw(st.sampled_from(["rust", "dents"]))
        kinds = data.draw(st.sets(st.sampled_from(["dents", "moss"]))) - {own}
        beside = tuple((kind, dents(name, *data.draw(seeds), kind=kind)) for kind in sorted(kinds))
        worn = dents(name, *data.draw(seeds), kind=own)
        bare.append(target(name, variants=worn, kind=own))
        targets.append(dataclasses.replace(bare[-1], further=beside))
    still = Recipe(camera=recipes.Camera(randomize=False), light=recipes.Light(randomize=False))
    recipe = dataclasses.replace(still, export=recipes.Export(split=split))
    facts, without = SceneFacts(tuple(targets)), SceneFacts(tuple(bare))
    pools, said = pools_of(recipe, facts, seed).variants, warnings_of(recipe, facts, seed)
    shown: dict[tuple[str, str], set[tuple[str, tuple[str, str]]]] = {}
    for frame in range(30):
        draw, plain = draw_frame(recipe, facts, seed, frame), draw_frame(recipe, without, seed, frame)
        assert dataclasses.replace(draw, also_variants={}, split="") == dataclasses.replace(plain, split="")
        of = split_of(frame, seed, split)
        for each in facts.targets:
            drawn = draw.also_variants.get(each.name, {})
            assert drawn.keys() == {kind for kind, worn in each.further if worn}
            wears = [((each.name, kind), worn[drawn[kind]]) for kind, worn in each.further if worn]
            wears += [((each.name, ""), each.variants[draw.variants[each.name]])] if each.variants else []
            for place, variant in wears:
                shown.setdefault((variant.kind, variant.texture), set()).add((of, place))
    splits = sum(share > 0 for share in split)
    for texture, seen in shown.items():
        if splits > 1 and len({of for of, _ in seen}) > 1 and all(pools[place] for _, place in seen):
            assert any("share wear textures" in each for each in said), texture
    further = tuple(((t.name, kind), worn) for t in targets for kind, worn in t.further)
    lacking = wanting(recipe, tuple(((t.name, ""), t.variants) for t in targets), further, seed)
    assert lacking >= {place for place, worn in further if len(worn) < splits and splits > 1}
    assert lacking == {place for place, _ in further if splits > 1 and not pools[place]}
    named = " ".join(said)
    assert all(f"{kind} on {name}" in named for name, kind in lacking) or "more:" in named


def test_as_many_variants_of_a_further_kind_as_splits_are_enough() -> None:
    """Also of several objects; an object's own wear of the kind keeps its split, and one or two more are needed."""
    recipe, three = Recipe(), [(name, "dents") for name in ("Drum", "Tank", "Pipe")]
    counts = []
    for seed in range(20):
        beside = tuple((worn, dents(worn[0], 0, 1, 2)) for worn in three)
        assert wanting(recipe, (), beside, seed) == set()
        assert wanting(recipe, (), (*beside[:1], (three[1], dents("Tank", 0, 1))), seed) == {three[1]}
        own = ((("Dented", ""), dents("Dented", *range(8))),)
        counts.append(
            next(n for n in range(3, 12) if not wanting(recipe, own, ((three[0], dents("Drum", *range(n))),), seed))
        )
    assert max(counts) <= 10, "the two after those that own wear has, at most"
    assert sum(count > 3 for count in counts) > 10
    shared = Recipe(randomize=recipes.Randomize(apart=("environment",)))
    assert (variants_needed(recipe), variants_needed(shared)) == (3, 1)
    assert wanting(shared, (), ((three[0], dents("Drum", 0)),), 3) == set()


def test_one_file_more_moves_hardly_any_other() -> None:
    more = dataclasses.replace(FULL, backgrounds=(*FULL.backgrounds[:20], "new.jpg", *FULL.backgrounds[20:]))

    def by_name(facts: SceneFacts) -> dict[str, str]:
        pools = pools_of(PHOTOS, facts, 3).backgrounds
        assert pools
        return {facts.backgrounds[i]: split for split, indices in pools.items() for i in indices}

    before, after = by_name(FULL), by_name(more)
    assert sum(before[name] != after[name] for name in before) <= 2
    assert set(pools_of(PHOTOS, FULL, 4).backgrounds["val"]) != set(pools_of(PHOTOS, FULL, 3).backgrounds["val"])  # type: ignore[index]


def test_too_few_are_shared_and_said_so() -> None:
    few = SceneFacts((target("Drum", variants=gallery("rust", each=2)),), ("a.hdr", "b.hdr"))
    said = warnings_of(Recipe(), few, 3)
    assert len(said) == 2 and "environment maps" in said[0] and "there are 2" in said[0] and "Drum" in said[1]
    draws = [draw_frame(Recipe(), few, 3, frame) for frame in range(20)]
    assert {d.split for d in draws} == {""}
    assert {d.environment.index for d in draws if d.environment} == {0, 1} == {d.variants["Drum"] for d in draws}
    # Two splits need two.
    half = Recipe(export=recipes.Export(split=(0.5, 0.5, 0.0)))
    assert warnings_of(half, few, 3) == () and draw_frame(half, few, 3, 0).split in ("train", "val")
    whole = Recipe(export=recipes.Export(split=(1.0, 0.0, 0.0)))
    beside = SceneFacts((dataclasses.replace(few.targets[0], further=(("dents", dents("Drum", 0)), ("moss", ()))),))
    assert warnings_of(whole, beside, 3) == ()
    (told,) = warnings_of(half, beside, 3)
    assert told.startswith("Train, val and test share the variants of dents on Drum, moss on Drum: 2 of each")
    assert draw_frame(half, beside, 3, 0).also_variants == {"Drum": {"dents": 0}}
    # What no pools are made of is told where it is drawn from files, and a variant that is kept.
    kept = Recipe(
        ground=recipes.Ground(randomize=True, folder="floors"),
        distractors=recipes.Distractors(count=(0, 3), folder="crates"),
        randomize=recipes.Randomize(variant=False),
        export=half.export,
    )
    there = dataclasses.replace(few, grounds=("a.png",), things=(ThingFacts("Crate", ((0.0, 0.0, 0.5),)),))
    assert [said.split(" share ")[1].split(":")[0] for said in warnings_of(kept, there, 3)] == [
        "their pictures of the ground",
        "their things that stand about",
        "the variant of each object",
    ]
    assert warnings_of(kept, few, 3)[0].startswith("Train, val and test share the variant")


def test_kinds_of_which_there_are_too_few_for_every_split_are_dealt_out_together() -> None:
    facts = SceneFacts((target("Drum", variants=gallery("rust", "moss", "dents", "dirt", each=1)),))
    pools = pools_of(Recipe(), facts, 3)
    own = pools.variants["Drum", ""]
    assert own and sorted(i for each in own.values() for i in each) == [0, 1, 2, 3]
    (said,) = pools.warnings
    assert "shows no dents, dirt, moss, rust on Drum" in said and "3 of each kind or more (texture.variants)" in said
    enough = SceneFacts((target("Drum", variants=gallery("rust", "moss", each=3)),))
    assert pools_of(Recipe(), enough, 3).warnings == ()


def test_only_what_is_drawn_is_kept_apart() -> None:
    assert parts_apart(Recipe()) == {"environment", "variant"}
    assert parts_apart(PHOTOS) == {"environment", "background", "variant"}
    assert parts_apart(EVERYTHING) == {"environment", "background", "ground", "thing", "variant"}
    assert parts_apart(SHARED) == set()
    off = Recipe(light=recipes.Light(randomize=False), randomize=recipes.Randomize(variant=False))
    assert parts_apart(off) == set() and not pools_of(off, FULL, 3).any
    assert draw_frame(off, FULL, 3, 5).split == ""


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), cut=st.tuples(st.integers(0, 20), st.integers(0, 20)), count=st.integers(1, 200))
def test_places_count_the_frames_of_a_split(seed: int, cut: tuple[int, int], count: int) -> None:
    low, high = sorted(cut)
    fractions = (low / 20, (high - low) / 20, (20 - high) / 20)
    counts = dict.fromkeys(SPLITS, 0)
    for frame in range(count):
        split, place = place_of(frame, seed, fractions)
        assert split == split_of(frame, seed, fractions) and place == counts[split]
        assert fractions[SPLITS.index(split)] > 0
        counts[split] += 1


# --- the control set -------------------------------------------------------------------------------------------------


def test_the_control_set_is_matched() -> None:
    rich = Recipe(
        background=recipes.Background(kind="color"),
        light=recipes.Light(area_lights=(0, 4), sky=0.4, indoor=0.2),
        ground=recipes.Ground(randomize=True),
        distractors=recipes.Distractors(count=(2, 5), occluders=(0, 2)),
        pose=recipes.Pose(yaw_deg=(-180, 180), tilt_deg=(0, 20)),
        tint=recipes.Tint(hue_deg=(-30, 30)),
        sensor=recipes.Sensor(noise=(0.0, 0.04), jpeg=(40, 90)),
    )
    control = dataclasses.replace(rich, randomize=recipes.Randomize(control=True))
    looks = []
    for frame in range(12):
        for attempt in (0, 1):
            a, b = (draw_frame(each, FULL, 3, frame, attempt) for each in (rich, control))
            for same in [
                "aimed_at",
                "camera",
                "levels",
                "variants",
                "also",
                "also_variants",
                "poses",
                "rests",
                "split",
            ]:
                assert getattr(a, same) == getattr(b, same), same
            for things in ("distractors", "occluders"):
                pairs = list(zip(getattr(a, things), getattr(b, things), strict=True))
                assert all(dataclasses.replace(x, color_linear=y.color_linear) == y for x, y in pairs)
        looks.append(
            [getattr(b, name) for name in ("sun", "background", "exposure_ev", "ground", "tints", "sensor", "sky")]
        )
        assert len(b.areas) == 2 and b.sensor and b.sensor.noise == pytest.approx(0.02) and b.sensor.jpeg == 65
        assert b.exposure_ev == pytest.approx(0) and b.tints["Drum"].hue_turns == pytest.approx(0)
        assert b.background and b.background.color_linear == pytest.approx((0.425, 0.425, 0.425))
    assert all(look == looks[0] for look in looks), "one look for all"


def test_the_middle_of_a_range() -> None:
    middle = Middle()
    assert middle.uniform(2, 4) == 3 and middle.uniform() == 0.5
    assert middle.integers(1) == 0 and middle.integers(5) == 2 and middle.integers(4) == 1
    assert middle.integers(0, 3) == 1 and middle.integers(2, 3) == 2
