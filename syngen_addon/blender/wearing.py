"""The wear of a run's targets: given to those that have none, swapped from frame to frame, taken back. Imports bpy.

Everything goes through `Borrowed`, so that objects and materials are as they were when the run ends.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ..errors import SynGenError
from ..kinds import KINDS
from ..recipe import Recipe, age_shift_of
from ..sampling.draws import FrameDraw, TintDraw, VariantFacts
from ..sampling.pools import Worn, variants_needed, wanting
from ..variants import Request, Variant, make_variants
from . import ageing, material, worker
from .instances import original
from .layers import layer_of, layers_of
from .level import set_level
from .names import ABOUT, DRESSES, TINT, UV_LAYER
from .records import further_kinds, own_kinds
from .scene import variant_facts
from .shown import check_wear_shows
from .state import Borrowed
from .target import find, has_wear, wear_of

Shows = tuple[tuple[str, int], ...]
"""The variant that each layer shows, by its key."""
KEPT = 8
"""The dresses that a wardrobe keeps at least, once it has them: another variant in one takes 0.04 CPU s, and the
pictures of each lie in memory."""


@dataclass(frozen=True)
class Dress:
    """A mesh for copies, whose materials can show any variant. groups: by the layer's key, and the slot that the
    variants know it as; one for each of the mesh's slots that are of it."""

    mesh: bpy.types.Mesh
    groups: list[tuple[str, int, bpy.types.NodeTree]]


@dataclass
class Wardrobe:
    """What the copies of one object (instances.py) show by turns: a mesh for each variant, or each combination of them
    where several kinds vary, which they share. So a thousand copies cost no more than the variants do; and a thousand
    combinations no more than the copies, or KEPT: a dress that a frame has no use for can show another.

    A dress that a frame has no use for must stay among what Blender evaluates: Cycles never lets go of the shader of a
    material, and makes another where the material comes back. So an object that is always there, the rack, names the
    materials of all.
    """

    mesh: bpy.types.Mesh
    rack: bpy.types.Object
    dresses: dict[Shows, Dress] = field(default_factory=dict)
    """By what each shows; the last used comes last."""
    new: list[bpy.types.ID] = field(default_factory=list)
    """All that was made for it."""


@dataclass
class Target:
    """One object to label, and what it can wear. index: its number in the label layers. Keys are layers.py's."""

    obj: bpy.types.Object
    index: int
    kind: str
    variants: list[Variant]
    also: dict[str, list[Variant]] = field(default_factory=dict)
    """Kind -> what it can wear of it, for the kinds beside its own."""
    swaps: dict[str, list[Variant]] = field(default_factory=dict)
    """Key -> gallery, of the layers that show another variant from frame to frame."""
    groups: dict[tuple[str, int], bpy.types.NodeTree] = field(default_factory=dict)
    """By the layer's key, and the slot that the variants know it as."""
    wardrobe: Wardrobe | None = None
    """In place of groups, for copies."""
    further: dict[str, int] = field(default_factory=dict)
    """Kind -> the variant it wears, for the kinds beside its own."""
    wears: int = -1
    shown: dict[str, int] = field(default_factory=dict)
    """By key, of the gallery's variants the one whose files are shown. The pictures inside the .blend are not those
    files to the last bit: Cycles reads them by another way. So a job that swaps variants shows files from its first
    frame on."""


def check_kinds(obj: bpy.types.Object, recipe: Recipe) -> None:
    """Raises SynGenError for an unknown kind, and for one that would lie on the object beside itself."""
    own = own_kinds(obj, recipe)
    for kind in [*own, *further_kinds(obj, recipe)]:
        check_known(obj, kind)
    twice = sorted(set(own) & set(recipe.wear.also)) if len(own) > 1 else []
    if twice:
        raise SynGenError(
            f"wear.also lays {twice[0]!r} beside every kind that wear.kinds draws, and {twice[0]!r} is one of them.",
            "Take it out of one of the two.",
        )


def check_known(obj: bpy.types.Object, kind: str) -> None:
    """Raises SynGenError for a kind that this version does not know; one that lies on the object is named with it."""
    if kind not in KINDS and layer_of(obj, kind) is not None:
        raise SynGenError(
            f"The wear {kind!r} on {obj.name!r} is of a kind that this version of SynGen does not know.",
            "Take it off, or use the version that made it.",
        )
    ageing.kind_named(kind)


class Wearing:
    """What the targets of one run wear, in a scene that is borrowed."""

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        out: Path,
        scene: bpy.types.Scene,
        borrowed: Borrowed,
        warnings: list[str],
        say: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> None:
        """seed, out: the job's; its folder gets the variants of targets without any. warnings: these are added to."""
        self.recipe, self.seed, self.out, self.scene, self.borrowed = recipe, seed, out, scene, borrowed
        self.warnings, self.say, self.should_stop = warnings, say, should_stop
        self.loaded: dict[tuple[Path, str, int], material.Worn] = {}
        """What was loaded of a variant's folder for a slot; targets that show the same share it."""
        self.galleries: dict[tuple[bpy.types.Object, str], list[Variant]] = {}
        """What was made for the objects that had no wear, of every kind and preset; and of which further kind."""
        self.first_copies: dict[bpy.types.Object, Target] = {}
        """Source -> the first of its copies."""

    # --- before the first frame

    def dress(self, objects: list[bpy.types.Object]) -> None:
        """Give the objects the wear they lack. Raises SynGenError: wear that shows nowhere, all variants refused."""
        worn = [obj for obj in objects if has_wear(obj)]
        for obj in objects:
            if obj not in worn:  # one that cannot be aged is told before minutes go into the others
                _check_can_wear(obj, self.recipe)
        self._check_shown(worn)
        for obj in worn:
            self._tell_left_out(obj)
        for number, obj in enumerate(objects):
            if not has_wear(obj):
                self._age(obj, number, len(objects))
                self._check_shown([obj])
        self._add_further(objects)
        for obj in objects:
            self._tell_left_out(obj)
        worker.close()  # its models would take the memory that the renders need

    def _check_shown(self, objects: list[bpy.types.Object]) -> None:
        depsgraph = bpy.context.evaluated_depsgraph_get()
        for obj in objects:
            check_wear_shows(obj, depsgraph)

    def _tell_left_out(self, obj: bpy.types.Object) -> None:
        """What Generate says in the panel: a job without one has nobody who saw it."""
        if obj.library is not None:
            return
        try:
            found = find(obj)
        except SynGenError as error:  # its wear shows all the same
            self.warnings.append(f"{obj.name}: {error}")
            return
        self.warnings += [f"{obj.name}: {warning}" for warning in found.warnings]

    def _age(self, obj: bpy.types.Object, number: int, count: int) -> None:
        """Give a target that has no wear yet its variants, of every kind and preset, for this run only."""
        gallery: list[Variant] = []
        kinds, presets = own_kinds(obj, self.recipe), dict.fromkeys(self.recipe.causes.presets)
        for kind in kinds:
            for preset in presets or [self.recipe.causes.preset]:
                made = self._make(obj, kind, number, count, preset)
                gallery += [dataclasses.replace(v, made={**v.made, "preset": preset}) for v in made if v.usable]
        if len(kinds) > 1 or len(presets) > 1:
            self.galleries[obj, ""] = gallery
        self.borrowed.afterwards(lambda: ageing.remove(obj) if has_wear(obj) else None)
        self._apply(obj, gallery[0], sum(self.recipe.wear.level) / 2)

    def _add_further(self, objects: list[bpy.types.Object]) -> None:
        """Give the targets, which have their own wear by now, the further kinds that they lack."""
        kinds = [(number, obj, kind) for number, obj in enumerate(objects) for kind in further_kinds(obj, self.recipe)]
        lacking = [each for each in kinds if layer_of(*each[1:]) is None]
        if not lacking:
            return
        own = tuple(((obj.name, ""), variant_facts(self._gallery(obj))) for obj in objects)
        there: dict[Worn, tuple[VariantFacts, ...]] = {
            (obj.name, kind): variant_facts(self._gallery(obj, kind)) for _, obj, kind in kinds if layer_of(obj, kind)
        }
        for number, obj, kind in lacking:
            worn = (obj.name, kind)

            def go_round(made: list[Variant], worn: Worn = worn) -> bool:
                further = tuple({**there, worn: variant_facts(made)}.items())
                return worn not in wanting(self.recipe, own, further, self.seed)

            self._age_further(obj, kind, number, len(objects), go_round)
            there[worn] = variant_facts(self.galleries[obj, kind])

    def _age_further(
        self, obj: bpy.types.Object, kind: str, number: int, count: int, enough: Callable[[list[Variant]], bool]
    ) -> None:
        """Give a target that has wear a further kind of it, for this run only."""
        made = self._make(obj, kind, number, count, self.recipe.causes.preset, enough)
        self.galleries[obj, kind] = gallery = [variant for variant in made if variant.usable]
        before = [(slot.material, slot.link) for slot in obj.material_slots]
        copies = material.copies_of(obj)

        def give_back() -> None:
            if layer_of(obj, kind) is not None:
                ageing.remove_layer(obj, kind)
            for index, (was, link) in enumerate(before):  # a slot that got a copy of its material for it
                if obj.material_slots[index].material != was:
                    _give_back(obj, index, was, link, obj.material_slots[index].material)
            material.put_back_copies(obj, copies)

        self.borrowed.afterwards(give_back)
        self._apply(obj, gallery[0], sum(self.recipe.wear.also[kind]) / 2, add=True)

    def _apply(self, obj: bpy.types.Object, variant: Variant, level: float, add: bool = False) -> None:
        ageing.apply_variant(
            obj,
            variant,
            add=add,
            softness=self.recipe.wear.softness,
            age_shift=age_shift_of(self._as_made(variant)),
            level=level,
            pack=False,
        )

    def _as_made(self, variant: Variant) -> Recipe:
        """The recipe with the preset that the variant was made with."""
        causes = dataclasses.replace(self.recipe.causes, preset=variant.made.get("preset", self.recipe.causes.preset))
        return dataclasses.replace(self.recipe, causes=causes)

    def _make(
        self, obj: bpy.types.Object, kind: str, number: int, count: int, preset: str,
        enough: Callable[[list[Variant]], bool] | None = None,
    ) -> list[Variant]:  # fmt: skip
        """The variants of a kind and preset, one of them usable at least. enough: of a further kind, whether these are;
        no more are made then. Where texture.variants is less than splits need, one is enough.

        Raises SynGenError where all are refused.
        """
        recipe = dataclasses.replace(self.recipe, causes=dataclasses.replace(self.recipe.causes, preset=preset))
        several = len(own_kinds(obj, recipe)) * len(set(recipe.causes.presets)) > 1 or enough
        which = f" ({ageing.kind_label(kind)}{', ' + preset if recipe.causes.presets else ''})" if several else ""

        def progress(fraction: float, text: str) -> None:
            self.say(f"{obj.name}{which} ({number + 1} of {count}): {text}")

        had_layer = bool(obj.data.uv_layers)
        request = ageing.gather(obj, recipe, ageing.kind_named(kind))
        if not had_layer:
            self.borrowed.afterwards(lambda: _remove_own_layer(obj))
        needed = variants_needed(recipe) if variants_needed(recipe) <= recipe.texture.variants else 1
        made: list[Variant] = []
        for each in _in_parts(request, needed) if enough else [request]:
            made += make_variants(
                each, self.out / "variants", tools=worker.tools(recipe, fetch=True), progress=progress,
                should_stop=self.should_stop,
            )  # fmt: skip
            usable = [variant for variant in made if variant.usable]
            if usable and (enough is None or needed == 1 or enough(usable)):
                break
        if usable:
            self.warnings += [f"{obj.name}: {warning}" for warning in made[0].warnings]
            return made
        raise SynGenError(
            f"Every variant of {obj.name!r}{which} was refused: {made[0].sentence}",
            "Change Texture and Transfer or Filters ([texture], [filters]).",
        )

    def _gallery(self, obj: bpy.types.Object, key: str = "") -> list[Variant]:
        """What a layer of a target can show."""
        return self.galleries.get((original(obj), key)) or ageing.applied_variants(obj, key)

    def target(self, obj: bpy.types.Object, index: int) -> Target:
        """What the object can wear, its materials made ready for another variant in every frame.

        Copies of one object have all of it in common but their levels and the variant they show.
        """
        if tints(self.recipe):
            self.borrowed.set_key(obj, TINT, (0.0, 0.0, 0.0))
        source = original(obj)
        if source == obj:
            return self._target(obj, index)
        if source not in self.first_copies:
            self.first_copies[source] = self._target(obj, index)
        first = self.first_copies[source]
        if first.wardrobe is not None:
            self.borrowed.afterwards(lambda: setattr(obj, "data", first.wardrobe.mesh))
        return dataclasses.replace(first, obj=obj, index=index, further=dict(first.further), shown={})

    def _target(self, obj: bpy.types.Object, index: int) -> Target:
        for slot in obj.material_slots:  # what was made transparent since
            if slot.material is not None and slot.material.library is None:
                self.borrowed.afterwards(material.follow_cover(slot.material))
        kind = ageing.applied_kind(obj)
        variants = self._gallery(obj)
        if not variants and self.recipe.randomize.variant:
            self.warnings.append(f"{obj.name}: its gallery is gone; every frame shows the variant it wears.")
        if tints(self.recipe):
            self._let_tint(obj)
        target = Target(obj, index, kind.name, variants)
        for layer in layers_of(obj):
            if not layer.own:
                target.also[layer.kind] = gallery = self._gallery(obj, layer.kind)
                if not gallery and self.recipe.randomize.variant:
                    self.warnings.append(
                        f"{obj.name}: the gallery of its further wear {layer.kind!r} is gone; every frame shows the "
                        "variant it wears."
                    )
                target.further[layer.kind] = next((i for i, v in enumerate(gallery) if v.name == layer.variant), -1)
        worn_now = str(wear_of(obj)["variant"])
        target.wears = next((i for i, v in enumerate(variants) if v.name == worn_now), -1)
        if target.wears >= 0:
            self.warnings += [f"{obj.name}: {warning}" for warning in variants[target.wears].warnings]
        worn, galleries = {layer.key: layer.variant for layer in layers_of(obj)}, {"": variants, **target.also}
        if self.recipe.randomize.variant:
            target.swaps = {k: each for k, each in galleries.items() if any(v.name != worn[k] for v in each)}
        if target.swaps:
            if original(obj) != obj:
                target.wardrobe = wardrobe = Wardrobe(obj.data, obj)
                self.borrowed.afterwards(lambda: bpy.data.batch_remove(wardrobe.new))
            elif obj.library is None:
                self._own_groups(target)
            else:  # Blender lets linked data refer to nothing local: its pictures cannot be swapped
                target.variants, target.also, target.swaps = [], {kind: [] for kind in target.also}, {}
                self.warnings.append(
                    f"{obj.name}: it is linked from another file, so every frame shows the variant it wears; "
                    "a library override shows them all."
                )
        for key, gallery in galleries.items():
            if gallery and key not in target.swaps and all(v.name != worn[key] for v in gallery):
                which = f"the variant of {key!r}" if key else "the variant"
                self.warnings.append(f"{obj.name}: you refused {which} that it wears, and every frame shows it.")
        return target

    def _own_groups(self, target: Target) -> None:
        """Groups that this target shares with none, so that it can show another variant than its twins."""
        obj = target.obj
        for index, slot in enumerate(obj.material_slots):
            found = ((key, material.group_of(slot.material, key)) for key in target.swaps)
            nodes = {key: node for key, node in found if node is not None}
            if not nodes:
                continue
            if slot.material.library is not None or any(self._is_shared(obj, n.node_tree) for n in nodes.values()):
                before, link = slot.material, slot.link
                copy = before.copy()
                nodes = {key: material.group_of(copy, key) for key in nodes}
                for node in nodes.values():
                    node.node_tree = node.node_tree.copy()
                slot.link = "OBJECT"
                slot.material = copy
                self.borrowed.afterwards(
                    lambda index=index, before=before, link=link, copy=copy: _give_back(obj, index, before, link, copy)
                )
            for key, node in nodes.items():
                group = node.node_tree
                before_images = {name: group.nodes[name].image for name in ("color", "surface", "onset")}

                def give_back(
                    group: bpy.types.NodeTree = group, images: dict[str, bpy.types.Image] = before_images
                ) -> None:
                    for name, image in images.items():
                        group.nodes[name].image = image

                self.borrowed.afterwards(give_back)
                target.groups[key, int(group.get(material.SLOT, index))] = group

    def _let_tint(self, obj: bpy.types.Object) -> None:
        """Let the object say what colour its materials have."""
        for slot in obj.material_slots:
            groups = material.groups_of(slot.material)
            if groups and groups[0].node_tree.library is not None:
                self.warnings.append(f"{obj.name}: its material is linked from another file and keeps its color.")
            for group in material.add_tint(slot.material) if groups else ():
                self.borrowed.afterwards(lambda group=group: material.remove_tint(group))

    def _is_shared(self, obj: bpy.types.Object, group: bpy.types.NodeTree) -> bool:
        return any(o != obj and material.shows(o, group) for o in self.scene.objects if o.type == "MESH")

    # --- frames

    def show(self, targets: list[Target], draw: FrameDraw) -> None:
        """Put a drawn frame's variants and levels on the targets, which are all that there are."""
        numbers = {target.obj: self._numbers(target, draw) for target in targets}
        self._dress(targets, numbers)
        for target in targets:
            name = target.obj.name
            if numbers[target.obj] != target.shown:
                self._wear(target, numbers[target.obj])
                self._tell(target, numbers[target.obj])
            if name in draw.levels:
                set_level(target.obj, draw.levels[name])
            for kind, level in draw.also.get(name, {}).items():
                set_level(target.obj, level, kind)
            if name in draw.tints:
                set_tint(target.obj, draw.tints[name])

    def _numbers(self, target: Target, draw: FrameDraw) -> dict[str, int]:
        """The variant that each layer of a target that swaps them is to show, by its key."""
        name = target.obj.name
        drawn = {"": draw.variants.get(name, -1), **draw.also_variants.get(name, {})}
        return {key: drawn[key] for key in target.swaps}

    def _wear(self, target: Target, numbers: dict[str, int]) -> None:
        for (key, index), group in target.groups.items():
            variant = target.swaps[key][numbers[key]]
            if numbers[key] != target.shown.get(key) and index in variant.slots:
                material.show(group, self._worn(variant, index))

    def _tell(self, target: Target, numbers: dict[str, int]) -> None:
        """Note what a target shows now, for those who ask it or the object."""
        target.shown = numbers
        target.further |= {kind: number for kind, number in numbers.items() if kind}
        if "" in numbers:
            target.wears = numbers[""]
            kind = target.variants[target.wears].kind
            if target.kind != kind:
                target.kind = target.obj[ABOUT]["kind"] = kind

    def _dress(self, targets: list[Target], numbers: dict[bpy.types.Object, dict[str, int]]) -> None:
        """Give every copy the dress that shows its variants: one that shows them already, else a new one while there
        are few, else of those that this frame has no use for the one that was not used for longest."""
        copies = [(target, target.wardrobe) for target in targets if target.wardrobe is not None]
        needed = {(id(wardrobe), tuple(numbers[target.obj].items())) for target, wardrobe in copies}
        for target, wardrobe in copies:
            wanted = tuple(numbers[target.obj].items())
            if wanted not in wardrobe.dresses:
                unused = (each for each in wardrobe.dresses if (id(wardrobe), each) not in needed)
                shown = next(unused, ()) if len(wardrobe.dresses) >= KEPT else ()
                dress = wardrobe.dresses.pop(shown) if shown else _new_dress(wardrobe, target.swaps)
                for key, index, group in dress.groups:
                    number = numbers[target.obj][key]
                    if number != dict(shown).get(key):
                        material.show(group, self._worn(target.swaps[key][number], index))
            else:
                dress = wardrobe.dresses.pop(wanted)
            wardrobe.dresses[wanted] = dress  # the last used comes last
            if target.obj.data != dress.mesh:
                target.obj.data = dress.mesh

    def _worn(self, variant: Variant, index: int) -> material.Worn:
        """The variant's pictures and numbers for a slot, loaded once."""
        key = (variant.folder, str(variant.made.get("preset", "")), index)
        if key not in self.loaded:
            recipe, kind = self._as_made(variant), ageing.kind_named(variant.kind)
            worn = ageing.load_worn(variant, index, kind, recipe.wear.softness, False, age_shift_of(recipe))
            for image in worn.images.values():
                self.borrowed.new(bpy.data.images, image)
            self.loaded[key] = worn
        return self.loaded[key]


def _new_dress(wardrobe: Wardrobe, swaps: dict[str, list[Variant]]) -> Dress:
    """Another dress, which shows what the wardrobe's own mesh shows so far. swaps: what its layers can show, by key."""
    dress = Dress(wardrobe.mesh.copy(), [])
    wardrobe.new.append(dress.mesh)
    for place, before in enumerate(wardrobe.mesh.materials):
        slots = {key: _slot_shown(before, place, key, gallery) for key, gallery in swaps.items()}
        if all(slot is None for slot in slots.values()):
            continue
        dress.mesh.materials[place] = copy = before.copy()
        wardrobe.new.append(copy)
        for key, slot in slots.items():
            if slot is not None:
                node = material.group_of(copy, key)
                node.node_tree = group = node.node_tree.copy()
                wardrobe.new.append(group)
                dress.groups.append((key, slot, group))
    materials = [block for block in wardrobe.new if isinstance(block, bpy.types.Material)]
    wardrobe.rack[DRESSES] = {str(number): each for number, each in enumerate(materials)}
    return dress


def _slot_shown(shown: bpy.types.Material | None, place: int, key: str, gallery: list[Variant]) -> int | None:
    """The slot that a gallery knows a mesh's slot as; None where its material shows nothing of that layer. All that can
    stand in for each other are of the same slots."""
    node = material.group_of(shown, key)
    slot = place if node is None else int(node.node_tree.get(material.SLOT, place))
    return slot if node is not None and slot in gallery[0].slots else None


def tints(recipe: Recipe) -> bool:
    """Whether the recipe changes the colour of base textures."""
    plain = (recipe.tint.hue_deg, recipe.tint.saturation, recipe.tint.value) == ((0.0, 0.0), (1.0, 1.0), (1.0, 1.0))
    return recipe.tint.randomize and not plain


def set_tint(obj: bpy.types.Object, tint: TintDraw) -> None:
    """Change the colour of the object's base texture; material.add_tint has prepared its material."""
    obj[TINT] = (tint.hue_turns, tint.saturation - 1.0, tint.value - 1.0)
    obj.update_tag(refresh={"OBJECT"})


def _in_parts(request: Request, first: int) -> Iterator[Request]:
    """A request in the order of its variants' seeds: so many together at first, then each of the others alone."""
    texture = request.recipe.texture
    end = texture.seed + texture.variants
    for seed, count in ((texture.seed, first), *((seed, 1) for seed in range(texture.seed + first, end))):
        recipe = dataclasses.replace(request.recipe, texture=dataclasses.replace(texture, seed=seed, variants=count))
        yield dataclasses.replace(request, recipe=recipe)


def _remove_own_layer(obj: bpy.types.Object) -> None:
    if UV_LAYER in obj.data.uv_layers:
        obj.data.uv_layers.remove(obj.data.uv_layers[UV_LAYER])


def _give_back(
    obj: bpy.types.Object, index: int, before: bpy.types.Material, link: str, copy: bpy.types.Material
) -> None:
    slot = obj.material_slots[index]
    slot.material = before if link == "OBJECT" else None
    slot.link = link
    groups = [node.node_tree for node in material.groups_of(copy)]
    bpy.data.materials.remove(copy)
    for group in groups:
        if not group.users:  # those of further kinds may be shared
            bpy.data.node_groups.remove(group)


def _check_can_wear(obj: bpy.types.Object, recipe: Recipe) -> None:
    """Raises SynGenError where there is nothing on the object that could be aged."""
    try:
        find(obj, recipe.wear.leave_out)
    except SynGenError as error:
        hint = f"{error.hint} Or take {obj.name!r} out of the targets (targets.objects).".strip()
        message = error.message if repr(obj.name) in error.message else f"{obj.name!r}: {error.message}"
        raise SynGenError(message, hint) from error
