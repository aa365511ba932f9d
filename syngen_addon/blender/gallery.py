"""What a person does with an object's variants: look at one, judge, delete and restore it. Imports bpy, variants.

Which one is looked at and which page is shown are kept for this Blender only: they are no part of the file, and going
through pictures makes no undo steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy

from .. import variants
from ..errors import SynGenError
from ..filters.judge import LIMITS, exceeds
from ..variants import Variant
from . import preferences, previews
from .layers import layers_of
from .settings import CHOICES, KIND_LABELS
from .target import wear_of

PAGE = 24
"""Pictures that the chooser shows at a time: three rows of a pop-up, which any screen holds."""
SHOW = ("ALL", "USABLE", "REFUSED")


@dataclass
class _View:
    """What is looked at of one object's gallery. thrown: how many are in its trash, as it was at `asked`."""

    variant: str = ""
    page: int = 0
    show: str = "ALL"
    thrown: int = 0
    asked: float = -previews.LOOK_AGAIN_S


@dataclass(frozen=True)
class Score:
    """One score of the filters. name: as a person reads it. limit: "" where it is not known. fine: within it."""

    name: str
    value: str
    limit: str
    fine: bool


@dataclass(frozen=True)
class Facts:
    """A variant in words. rows: (name, value). prompt: "" where none made it."""

    rows: tuple[tuple[str, str], ...]
    prompt: str
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Chooser:
    """The gallery of an object as its panel shows it. shown: the variant that is looked at, None where the page is
    empty. worn: what lies on the object. count: of all variants; passing: those that the view lets through. thrown: how
    many are in the trash."""

    shown: previews.Shown | None
    facts: Facts | None
    worn: tuple[str, ...]
    count: int
    passing: int
    page: int
    pages: int
    thrown: int


_views: dict[str, _View] = {}
_texts: dict[str, str] = {}
"""Every text that the chooser was given, the very object: Blender keeps no copy, and an open chooser still shows those
of the time it was opened."""
_deleted: set[Path] = set()
"""Folders of the variants that were deleted since Blender started."""


def view_of(obj: bpy.types.Object) -> _View:
    """What is looked at of the object's gallery."""
    return _views.setdefault(f"{bpy.data.filepath}|{obj.name}", _View())


def filtered(obj: bpy.types.Object) -> tuple[previews.Shown, ...]:
    """The object's variants that its view lets through, the newest first."""
    show, found = view_of(obj).show, previews.gallery(obj)
    return found if show == "ALL" else tuple(s for s in found if s.variant.usable == (show == "USABLE"))


def pages(obj: bpy.types.Object) -> int:
    """How many pages there are of them, at least one."""
    return max(1, -(-len(filtered(obj)) // PAGE))


def page(obj: bpy.types.Object) -> tuple[previews.Shown, ...]:
    """The page that is shown."""
    view = view_of(obj)
    view.page = min(max(view.page, 0), pages(obj) - 1)
    return filtered(obj)[view.page * PAGE : (view.page + 1) * PAGE]


def turn(obj: bpy.types.Object, by: int) -> None:
    """Go to another page, and look at its first variant."""
    view = view_of(obj)
    view.page = min(max(view.page + by, 0), pages(obj) - 1)
    view.variant = ""


def looked_at(obj: bpy.types.Object) -> previews.Shown | None:
    """The variant whose details are shown: the chosen one, else the one that is worn, else the first of the page."""
    here, name = page(obj), view_of(obj).variant
    if not name:
        name = next((layer.variant for layer in layers_of(obj)), "")
    return next((s for s in here if s.variant.name == name), here[0] if here else None)


def chooser(obj: bpy.types.Object) -> Chooser:
    """What the gallery's panel shows of the object."""
    shown, worn = looked_at(obj), tuple(layer.variant for layer in layers_of(obj))
    about = None if shown is None else facts(shown.variant)
    count, passing = len(previews.gallery(obj)), len(filtered(obj))
    return Chooser(shown, about, worn, count, passing, view_of(obj).page, pages(obj), thrown(obj))


def items(obj: bpy.types.Object | None) -> list[tuple[str, str, str, int, int]]:
    """The page as the items of Blender's chooser of pictures."""
    found: list[tuple[str, str, str, int, int]] = []
    for number, shown in enumerate(page(obj) if obj is not None else ()):
        variant = shown.variant
        name = f"{KIND_LABELS.get(variant.kind, variant.kind)} {variant.seed}"
        name = name if variant.usable else f"{name}: refused"
        texts = [_texts.setdefault(text, text) for text in (variant.name, name, variant.sentence)]
        found.append((texts[0], texts[1], texts[2], shown.icon, number))
    return found


def find(obj: bpy.types.Object, name: str) -> Variant:
    """The object's variant of that name. Raises SynGenError."""
    found = next((v for v in previews.variants_of(obj) if v.name == name), None)
    if found is None:
        raise SynGenError(f"There is no variant {name!r} of {obj.name!r}.", "Press Generate and choose one.")
    return found


# --- in words --------------------------------------------------------------------------------------------------------


def facts(variant: Variant) -> Facts:
    """What is known of a variant; kept until its files change."""
    return _facts(variant.folder, variant.person, _changed(variant.folder))


def _changed(folder: Path) -> int:
    try:
        return (folder / "variant.json").stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=64)
def _facts(folder: Path, person: str, changed: int) -> Facts:
    variant = variants.read_variant(folder)
    if variant is None:
        return Facts((), "", ())
    made = variant.made
    rows = [("Kind", KIND_LABELS.get(variant.kind, variant.kind)), ("Seed", str(variant.seed))]
    for key, title in (("texture", "Made By"), ("transfer", "Transfer")):
        if key in made:
            rows.append((title, CHOICES[f"{key}.method"].get(str(made[key]), str(made[key]))))
    rows += [(title, str(made[key])) for key, title in (("model", "Model"), ("exemplar", "Photo")) if made.get(key)]
    files = [path for path in folder.iterdir() if path.is_file()]
    sizes = [_picture_size(variant.file("color", slot)) for slot in variant.slots]
    rows.append(("Size", ", ".join(dict.fromkeys(sizes))))
    rows.append(("On Disk", f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB"))
    if variant.thumbnail.is_file():
        rows.append(("Made", time.strftime("%Y-%m-%d %H:%M", time.localtime(variant.thumbnail.stat().st_mtime))))
    return Facts(tuple(rows), str(made.get("positive", "")), tuple(_scores(variant)))


def _scores(variant: Variant) -> Iterator[Score]:
    for reason, (score, key) in LIMITS.items():
        if score in variant.scores:
            limit, sign = variant.thresholds.get(score), "at least" if key.endswith("_min") else "at most"
            fine = limit is None or not exceeds(reason, variant.scores, variant.thresholds)
            said = "" if limit is None else f"{sign} {limit:.3g}"
            yield Score(score.capitalize(), f"{variant.scores[score]:.3g}", said, fine)


def _picture_size(path: Path) -> str:
    """Width and height from the head of a PNG."""
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError:
        return "missing"
    return f"{int.from_bytes(head[16:20], 'big')} x {int.from_bytes(head[20:24], 'big')}"


# --- what is done ----------------------------------------------------------------------------------------------------


def judge(variant: Variant, says: str) -> None:
    """Write what a person says of it: "accepted", "refused", or "" for as the filters say. Raises SynGenError."""
    variants.set_person(variant, says)
    previews.forget()


def wearers(variant: Variant) -> list[str]:
    """The names of the objects of this file that wear it, as any of their layers."""
    return sorted(
        obj.name
        for obj in bpy.data.objects
        if obj.type == "MESH"
        and any(layer.variant == variant.name for layer in layers_of(obj))
        and previews.home_of(obj) == variant.folder.parent
    )


def delete(variant: Variant) -> None:
    """Move it into the trash of its gallery. Raises SynGenError where an object of this file wears it."""
    names = wearers(variant)
    if names:
        more = f" and {len(names) - 1} more objects" if len(names) > 1 else ""
        raise SynGenError(
            f"The variant is in use, by {names[0]!r}{more}.", "Use another one there, or remove the wear first."
        )
    variants.put_in_trash(variant)
    _deleted.add(variant.folder)
    forget()


def in_trash(obj: bpy.types.Object) -> list[Variant]:
    """What was deleted from the object's gallery, by name."""
    return variants.trashed(previews.home_of(obj))


def thrown(obj: bpy.types.Object) -> int:
    """How many are in the trash; for a panel: it is looked into no more often than a folder is."""
    view, now = view_of(obj), time.monotonic()
    if now - view.asked >= previews.LOOK_AGAIN_S:
        view.thrown, view.asked = len(in_trash(obj)), now
    return view.thrown


def forget() -> None:
    """Look at every gallery and its trash again."""
    previews.forget()
    for view in _views.values():
        view.asked = -previews.LOOK_AGAIN_S


def restore(obj: bpy.types.Object) -> int:
    """Bring everything back that was deleted from the object's gallery; how many those were. Raises SynGenError."""
    found = in_trash(obj)
    for variant in found:
        variants.take_from_trash(variant)
    forget()
    return len(found)


def empty_trash(obj: bpy.types.Object) -> None:
    """Delete for good what was deleted from the object's gallery. Raises SynGenError."""
    variants.empty_trash(previews.home_of(obj))
    forget()


def bring_back_worn() -> None:
    """After an undo: what an object wears again comes out of the trash."""
    if not _deleted:
        return
    for obj in bpy.data.objects:
        for layer in layers_of(obj) if obj.type == "MESH" else ():
            folder = previews.home_of(obj) / layer.variant
            thrown = variants.read_variant(folder.parent / variants.TRASH / folder.name) if folder in _deleted else None
            if thrown is not None and not folder.exists():
                variants.take_from_trash(thrown)
                _deleted.discard(folder)
                forget()


# --- with the file ---------------------------------------------------------------------------------------------------


def follow(before: Path) -> None:
    """The file was saved elsewhere: its objects' variants lie in its own gallery from now on, as they did in the one
    before. Those of a file that was never saved are brought whole; others where that takes no room."""
    now = preferences.gallery_folder()
    if now == before or not before.is_dir():
        return
    unsaved = before == preferences.unsaved_folder()
    for obj in bpy.data.objects:
        if obj.type != "MESH" or obj.library is not None:
            continue
        about = wear_of(obj)
        homes = {variants.object_folder(before, obj.name)}
        homes |= {before / Path(applied["gallery"]).name for applied in _applied(about)}
        for home in homes:
            if home.is_dir():
                variants.bring(home, now / home.name, copy=unsaved)
                _point(about, home, now / home.name)
    previews.forget()


def _applied(about: Any) -> Iterator[Any]:
    """What was applied to an object: its own wear, and each layer beside it."""
    if about is not None:
        yield about
        further = about.get("layers")
        yield from further.values() if hasattr(further, "values") else ()


def _point(about: Any, home: Path, target: Path) -> None:
    from .ageing import stored_path

    for applied in _applied(about):
        if home in preferences.places_of(applied) and (target / applied["variant"]).is_dir():
            applied["gallery"] = stored_path(target)
            applied["gallery_absolute"] = str(target.resolve())
