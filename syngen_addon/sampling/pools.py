"""What of environments, backgrounds, pictures of the ground, things and variants each split gets for itself, and which
of it a frame takes. Imports recipe, seeds, splits and this stage's own modules.

A file's place in the order comes from the seed and its own name alone, a variant's from its wear texture, and the pools
are cut from that order, so that one file more moves at most those next to a cut.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from .. import recipe as recipes
from ..seeds import generator
from ..splits import SPLITS
from .draws import SceneFacts, VariantFacts

Fractions = tuple[float, float, float]
Names = tuple[str, ...]
Apart = Mapping[str, tuple[int, ...]]
"""Split -> the indices that are its own."""
Worn = tuple[str, str]
"""A target, and a kind that lies beside its own wear; "" is its own wear."""
Gallery = tuple[VariantFacts, ...]
Galleries = tuple[tuple[Worn, Gallery], ...]

ORDERS = 32
"""So many orders of the wear textures are tried, that every target gets some for every split."""


@dataclass(frozen=True)
class Pools:
    """None where all splits share: nobody asked for pools, or there is too little for them. variants: by target and
    kind. warnings: a sentence for each part that had to be shared."""

    environments: Apart | None = None
    backgrounds: Apart | None = None
    grounds: Apart | None = None
    things: Apart | None = None
    variants: Mapping[Worn, Apart | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything is kept apart, so that a frame belongs to one split for good."""
        plain = self.environments or self.backgrounds or self.grounds or self.things
        return bool(plain or any(self.variants.values()))


def parts_apart(recipe: recipes.Recipe) -> set[str]:
    """The parts of randomize.apart that are drawn: where there are any, export.split decides what frames show."""
    things = recipe.distractors
    named = bool(things.folder or things.collection)
    drawn = {
        "environment": recipe.light.randomize,
        "background": recipe.background.randomize and recipe.background.kind == "images",
        "ground": recipe.ground.randomize and bool(recipe.ground.folder),
        "thing": things.randomize and named and max(things.count[1], things.occluders[1]) > 0,
        "variant": recipe.randomize.variant,
    }
    return {part for part in recipe.randomize.apart if drawn[part]}


def pools_of(recipe: recipes.Recipe, facts: SceneFacts, seed: int) -> Pools:
    """What each split has for itself, for the parts that are drawn and named in randomize.apart.

    Every split of a share over 0 gets at least one of each, and otherwise as many as its share. Where there are fewer
    than splits, all share, and a warning says so. Variants are dealt out for each kind and preset by itself where there
    are enough, so that every split sees every kind. Targets that share a gallery have the same pools. Those of further
    kinds are dealt out after all targets' own, and change nothing of these.
    """
    apart = parts_apart(recipe)
    return _pools(
        facts.environments if "environment" in apart else (),
        facts.backgrounds if "background" in apart else (),
        facts.grounds if "ground" in apart else (),
        tuple(thing.name for thing in facts.things) if "thing" in apart else (),
        tuple(((t.name, ""), t.variants) for t in facts.targets) if "variant" in apart else (),
        tuple(((t.name, kind), gallery) for t in facts.targets for kind, gallery in t.further)
        if "variant" in apart
        else (),
        recipe.export.split,
        seed,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _pools(
    environments: Names,
    backgrounds: Names,
    grounds: Names,
    things: Names,
    own: Galleries,
    further: Galleries,
    fractions: Fractions,
    seed: int,
) -> Pools:
    splits = sum(share > 0 for share in fractions)
    if splits < 2:
        return Pools()
    warnings = []
    plain: list[Apart | None] = []
    for what, names in (
        ("environment maps", environments),
        ("background pictures", backgrounds),
        ("pictures of the ground", grounds),
        ("things that stand about", things),
    ):
        plain.append(_by_index(names, _dealt(names, fractions, seed)) if len(names) >= splits else None)
        if names and plain[-1] is None:
            warnings.append(
                f"Train, val and test share their {what}: {splits} or more are needed to keep them apart, "
                f"and there are {len(names)}."
            )
    variants, more = _variant_pools(own, further, fractions, seed)
    return Pools(plain[0], plain[1], plain[2], plain[3], variants, (*warnings, *more))


def wanting(recipe: recipes.Recipe, own: Galleries, further: Galleries, seed: int) -> set[Worn]:
    """The further kinds on targets whose variants the splits would share against randomize.apart."""
    if variants_needed(recipe) < 2:
        return set()
    pools, _ = _variant_pools(own, further, recipe.export.split, seed)
    return {worn for worn, _ in further if pools[worn] is None}


def variants_needed(recipe: recipes.Recipe) -> int:
    """How many variants of a kind the splits need, that each has its own; 1 where they share."""
    return splits_of(recipe) if "variant" in parts_apart(recipe) else 1


def splits_of(recipe: recipes.Recipe) -> int:
    """How many splits have a share of the frames."""
    return sum(share > 0 for share in recipe.export.split)


def _variant_pools(
    own: Galleries, further: Galleries, fractions: Fractions, seed: int
) -> tuple[dict[Worn, Apart | None], list[str]]:
    """The pools of every gallery, own wear's without variants left out; and what is to be told of them."""
    split_of, warnings = _dealt_out(own, {}, fractions, seed)
    known: dict[Texture, set[str]] = {}
    for worn, gallery in own:
        for variant in gallery if worn in split_of else ():
            known.setdefault(_texture(variant), set()).add(split_of[worn][variant.name])
    # A texture that own wear shows in several splits is in none of them for good.
    fixed = {texture: splits.pop() for texture, splits in known.items() if len(splits) == 1}
    more, of_further = _dealt_out(further, fixed, fractions, seed)
    split_of |= more
    pools = {
        worn: _by_index([v.name for v in gallery], split_of[worn]) if worn in split_of else None
        for worn, gallery in (*own, *further)
        if gallery or worn[1]
    }
    warnings += [said for said in of_further if said not in warnings]
    splits = sum(share > 0 for share in fractions)
    for galleries in (own, further):
        few = sorted(_called(worn) for worn, _ in galleries if pools.get(worn, {}) is None)
        if few:
            warnings.append(
                f"Train, val and test share the variants of {_listed(few)}: {splits} of each are needed to keep them "
                "apart."
            )
    lacking, kinds = _lacking(own, pools)
    if lacking:
        warnings.append(
            f"Train, val or test shows no {_listed(kinds)} on {_listed(lacking)}: wear textures of which there are so "
            f"few are dealt out with those of other kinds. {splits} of each kind or more (texture.variants) give "
            "every split its own."
        )
    return pools, warnings


def _lacking(galleries: Galleries, pools: Mapping[Worn, Apart | None]) -> tuple[list[str], list[str]]:
    """The targets that have a kind which they show in some splits only, and these kinds."""
    targets, kinds = set(), set()
    for worn, gallery in galleries:
        for split in (pools.get(worn) or {}).values():
            missed = {v.kind for v in gallery} - {gallery[i].kind for i in split}
            if split and missed:
                targets.add(_called(worn))
                kinds |= missed
    return sorted(targets), sorted(kinds)


def _dealt_out(
    galleries: Galleries, fixed: Mapping["Texture", str], fractions: Fractions, seed: int
) -> tuple[dict[Worn, dict[str, str]], list[str]]:
    """By gallery, variant name -> split, where there is enough; and what is to be told. fixed: textures whose split is
    known."""
    splits = sum(share > 0 for share in fractions)
    split_of: dict[Worn, dict[str, str]] = {}
    warnings = []
    able = tuple((worn, gallery) for worn, gallery in galleries if len({_texture(v) for v in gallery}) >= splits)
    for targets in _sharing(able, _texture):
        together = _variant_splits(targets, fixed, fractions, splits, seed)
        apart = [(targets, together)]
        if not together and len(targets) > 1:
            alone = _sharing(tuple(targets.items()), lambda variant: variant.name)
            apart = [(each, _variant_splits(each, fixed, fractions, splits, seed)) for each in alone]
            some = [_called(worn) for each, found in apart for worn in each if found]
            if some:
                warnings.append(
                    f"Train, val and test share wear textures, on {_listed(some)}: dealt out alike, "
                    "they would leave one of these without any in a split."
                )
        split_of |= {worn: found for each, found in apart for worn in each if found}
    return split_of, warnings


def _called(worn: Worn) -> str:
    """What a person reads for a gallery."""
    target, kind = worn
    return f"{kind} on {target}" if kind else target


Texture = tuple[str, str]
"""A kind, and what tells a wear texture from others of it."""


def _texture(variant: VariantFacts) -> Texture:
    """What tells a variant's wear texture from all others: every variant that shows it goes into one split."""
    return variant.kind, variant.texture or variant.name


def _variant_splits(
    targets: Mapping[Worn, Gallery], fixed: Mapping[Texture, str], fractions: Fractions, splits: int, seed: int
) -> dict[str, str]:
    """Variant name -> split, by wear texture; empty where there is no way that leaves each target some in every split.

    Better than that, where it can be had, is some of each kind, and better still of each kind and preset. Of the first
    few orders of the textures the first that is as good as can be counts. fixed: the split of textures that have one.
    """
    known = {_texture(v) for gallery in targets.values() for v in gallery}
    for by_kind, cell in ((True, lambda v: (v.kind, v.preset)), (True, lambda v: v.kind), (False, lambda v: "")):
        groups = [[t for t in known if t[0] == kind] for kind in sorted({t[0] for t in known})] if by_kind else [known]
        if any(len(group) < splits for group in groups):
            continue
        for order in range(ORDERS):
            split_of = {texture: fixed[texture] for texture in known & fixed.keys()}
            for group in groups:
                free = [texture for texture in group if texture not in fixed]
                dealt = _dealt(["/".join(texture) for texture in free], fractions, seed, order)
                split_of |= {texture: dealt["/".join(texture)] for texture in free}
            seen: dict[tuple[Worn, object], set[str]] = {}
            for worn, gallery in targets.items():
                for variant in gallery:
                    seen.setdefault((worn, cell(variant)), set()).add(split_of[_texture(variant)])
            if all(len(found) == splits for found in seen.values()):
                return {v.name: split_of[_texture(v)] for gallery in targets.values() for v in gallery}
    return {}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _sharing(galleries: Galleries, what: Callable[[VariantFacts], object]) -> list[dict[Worn, Gallery]]:
    """The galleries that are not empty, together with those that have any in common with them, by what tells them."""
    groups: list[tuple[set[object], dict[Worn, Gallery]]] = []
    for worn, gallery in galleries:
        if not gallery:
            continue
        names, together = {what(v) for v in gallery}, {worn: gallery}
        apart = []
        for others, group in groups:
            if others & names:
                names |= others
                together |= group
            else:
                apart.append((others, group))
        groups = [*apart, (names, together)]
    return [group for _, group in groups]


def _dealt(names: Sequence[str], fractions: Fractions, seed: int, order: int = 0) -> dict[str, str]:
    """Name -> split: in one of the orders by hash, the first for test, then val, the others train."""
    salt = f"{seed}/pool" + (f"/{order}" if order else "")

    def place(name: str) -> tuple[bytes, str]:
        return hashlib.sha256(f"{salt}/{name}".encode()).digest(), name

    ordered = sorted(names, key=place)
    counts = _counts(len(ordered), fractions)
    ends = {"test": counts[2], "val": counts[2] + counts[1], "train": len(ordered)}
    return {name: next(s for s in ("test", "val", "train") if i < ends[s]) for i, name in enumerate(ordered)}


def _counts(count: int, fractions: Fractions) -> list[int]:
    """How many of count each split gets: one at least where its share is over 0, else by largest remainders."""
    counts = [int(count * share + 1e-9) for share in fractions]
    for _ in range(count - sum(counts)):
        behind = [share * count - have for share, have in zip(fractions, counts, strict=True)]
        counts[behind.index(max(behind))] += 1
    for i, share in enumerate(fractions):
        if share > 0 and not counts[i]:
            counts[counts.index(max(counts))] -= 1
            counts[i] = 1
    return counts


def _by_index(names: Sequence[str], split_of: Mapping[str, str]) -> Apart:
    return {split: tuple(i for i, name in enumerate(names) if split_of[name] == split) for split in SPLITS}


# --- taking from a pool ----------------------------------------------------------------------------------------------


def taken(pool: Sequence[int], seed: int, name: str, turn: int, *, stratify: bool) -> int:
    """One of the pool. stratify: each of it comes once a round of turns, in an order of the round's own."""
    if not stratify:
        return pool[int(generator(seed, name, turn).integers(len(pool)))]
    number, place = divmod(turn, len(pool))
    return pool[_order(seed, name, number, len(pool))[place]]


@lru_cache(maxsize=4096)
def _order(seed: int, name: str, number: int, count: int) -> tuple[int, ...]:
    return tuple(int(i) for i in generator(seed, name, number).permutation(count))


def taken_variant(
    gallery: Sequence[VariantFacts], pool: Sequence[int], seed: int, name: str, turn: int, *, stratify: bool
) -> int:
    """A variant of the pool, of own wear: first what it was made with (kind and preset, each as often), then one of
    those."""
    cells: dict[tuple[str, str], list[int]] = {}
    for i in pool:
        cells.setdefault((gallery[i].kind, gallery[i].preset), []).append(i)
    keys = sorted(cells)
    key = keys[taken(range(len(keys)), seed, f"made/{name}", turn, stratify=stratify)] if len(keys) > 1 else keys[0]
    purpose = f"variant/{name}" if len(keys) == 1 else f"variant/{key[0]}/{key[1]}/{name}"
    return taken(cells[key], seed, purpose, turn // len(keys) if stratify else turn, stratify=stratify)
