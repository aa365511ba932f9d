"""What of environments, backgrounds and variants each split gets for itself, and which of it a frame takes. Imports
recipe, seeds, splits and this stage's own modules.

A file's place in the order comes from the seed and its own name alone, a variant's from its wear texture, and the pools
are cut from that order, so that one file more moves at most those next to a cut.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .. import recipe as recipes
from ..seeds import generator
from ..splits import SPLITS
from .draws import SceneFacts, VariantFacts

Fractions = tuple[float, float, float]
Names = tuple[str, ...]
Apart = Mapping[str, tuple[int, ...]]
"""Split -> the indices that are its own."""


@dataclass(frozen=True)
class Pools:
    """None where all splits share: nobody asked for pools, or there is too little for them. variants: by target.
    warnings: a sentence for each part that had to be shared."""

    environments: Apart | None
    backgrounds: Apart | None
    variants: Mapping[str, Apart | None]
    warnings: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything is kept apart, so that a frame belongs to one split for good."""
        return bool(self.environments or self.backgrounds or any(self.variants.values()))


def parts_apart(recipe: recipes.Recipe) -> set[str]:
    """The parts of randomize.apart that are drawn: where there are any, export.split decides what frames show."""
    pictures = recipe.background.randomize and recipe.background.kind == "images"
    drawn = {"environment": recipe.light.randomize, "background": pictures, "variant": recipe.randomize.variant}
    return {part for part in recipe.randomize.apart if drawn[part]}


def pools_of(recipe: recipes.Recipe, facts: SceneFacts, seed: int) -> Pools:
    """What each split has for itself, for the parts that are drawn and named in randomize.apart.

    Every split of a share over 0 gets at least one of each, and otherwise as many as its share. Where there are fewer
    than splits, all share, and a warning says so. Variants are dealt out for each kind and preset by itself where there
    are enough, so that every split sees every kind. Targets that share a gallery have the same pools.
    """
    apart = parts_apart(recipe)
    return _pools(
        facts.environments if "environment" in apart else (),
        facts.backgrounds if "background" in apart else (),
        tuple((t.name, t.variants) for t in facts.targets) if "variant" in apart else (),
        recipe.export.split,
        seed,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _pools(
    environments: Names,
    backgrounds: Names,
    galleries: tuple[tuple[str, tuple[VariantFacts, ...]], ...],
    fractions: Fractions,
    seed: int,
) -> Pools:
    splits = sum(share > 0 for share in fractions)
    if splits < 2:
        return Pools(None, None, {})
    warnings = []
    plain = []
    for what, names in (("environment maps", environments), ("background pictures", backgrounds)):
        plain.append(_by_index(names, _dealt(names, fractions, seed)) if len(names) >= splits else None)
        if names and plain[-1] is None:
            warnings.append(
                f"Train, val and test share their {what}: {splits} or more are needed to keep them apart, "
                f"and there are {len(names)}."
            )
    variants: dict[str, Apart | None] = {}
    for targets in _sharing(galleries):
        split_of = _variant_splits(targets, fractions, splits, seed)
        for name, gallery in targets.items():
            names = tuple(v.name for v in gallery)
            variants[name] = _by_index(names, split_of) if split_of else None
    few = sorted(name for name, pool in variants.items() if pool is None)
    if few:
        listed = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        warnings.append(
            f"Train, val and test share the variants of {listed}: {splits} of each are needed to keep them apart."
        )
    return Pools(plain[0], plain[1], variants, tuple(warnings))


def _variant_splits(
    targets: Mapping[str, tuple[VariantFacts, ...]], fractions: Fractions, splits: int, seed: int
) -> dict[str, str]:
    """Variant name -> split, for targets that share variants; empty where one of them would have none in some split."""
    known = {v.name: v for gallery in targets.values() for v in gallery}

    def cells(cell: dict[str, tuple[str, ...]]) -> list[list[str]]:
        return [[n for n in cell if cell[n] == key] for key in sorted(set(cell.values()))]

    for key in (lambda v: (v.kind, v.preset), lambda v: (v.kind,), lambda v: ()):
        groups = cells({name: key(v) for name, v in known.items()})
        if all(len(group) >= splits for group in groups):
            textures = {name: f"{v.kind}/{v.texture}" if v.texture else name for name, v in known.items()}
            split_of = {n: s for group in groups for n, s in _dealt(group, fractions, seed, textures).items()}
            if all(len({split_of[v.name] for v in gallery}) == splits for gallery in targets.values()):
                return split_of
    return {}


def _sharing(
    galleries: tuple[tuple[str, tuple[VariantFacts, ...]], ...],
) -> list[dict[str, tuple[VariantFacts, ...]]]:
    """The targets that have variants, together with those that they share any with."""
    groups: list[tuple[set[str], dict[str, tuple[VariantFacts, ...]]]] = []
    for target, gallery in galleries:
        if not gallery:
            continue
        names, together = {v.name for v in gallery}, {target: gallery}
        apart = []
        for others, group in groups:
            if others & names:
                names |= others
                together |= group
            else:
                apart.append((others, group))
        groups = [*apart, (names, together)]
    return [group for _, group in groups]


def _dealt(
    names: Sequence[str], fractions: Fractions, seed: int, textures: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Name -> split: in an order by hash, the first for test, then val, the others train.

    textures: what is hashed in place of the names, so that as many variants of the same textures, of whatever target
    and preset, are dealt alike.
    """

    def place(name: str) -> tuple[bytes, str]:
        hashed = textures[name] if textures else name
        return hashlib.sha256(f"{seed}/pool/{hashed}".encode()).digest(), name

    order = sorted(names, key=place)
    counts = _counts(len(order), fractions)
    ends = {"test": counts[2], "val": counts[2] + counts[1], "train": len(order)}
    return {name: next(s for s in ("test", "val", "train") if i < ends[s]) for i, name in enumerate(order)}


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
    """A variant of the pool: first what it was made with (kind and preset, each as often), then one of those."""
    cells: dict[tuple[str, str], list[int]] = {}
    for i in pool:
        cells.setdefault((gallery[i].kind, gallery[i].preset), []).append(i)
    keys = sorted(cells)
    key = keys[taken(range(len(keys)), seed, f"made/{name}", turn, stratify=stratify)] if len(keys) > 1 else keys[0]
    purpose = f"variant/{name}" if len(keys) == 1 else f"variant/{key[0]}/{key[1]}/{name}"
    return taken(cells[key], seed, purpose, turn // len(keys) if stratify else turn, stratify=stratify)
