"""The recipe: what is written is read back, and every bad value is refused by name."""

import dataclasses
import math
import tomllib
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from syngen_addon import recipe as recipes
from syngen_addon.errors import SynGenError
from syngen_addon.recipe import Recipe, dumps, from_dict, load, loads, to_dict

ROOT = Path(__file__).resolve().parents[2]
KEYS = [(section, field) for section, kind in recipes.sections().items() for field in dataclasses.fields(kind)]
IDS = [f"{section}.{field.name}" for section, field in KEYS]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)


def hint_of(section: str, name: str) -> Any:
    return get_type_hints(recipes.sections()[section])[name]


def numbers(field: "dataclasses.Field[Any]", whole: bool) -> st.SearchStrategy[Any]:
    low, high = (None if math.isinf(field.metadata[k]) else field.metadata[k] for k in ("low", "high"))
    if whole:
        return st.integers(low, high)
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


def values(section: str, field: "dataclasses.Field[Any]") -> st.SearchStrategy[Any]:
    """Every value that a key takes."""
    hint, meta = hint_of(section, field.name), field.metadata
    if (section, field.name) == ("export", "split"):
        return (
            st.integers(0, 100)
            .flatmap(lambda a: st.integers(0, 100 - a).map(lambda b: (a / 100, b / 100, 1 - a / 100 - b / 100)))
            .filter(lambda s: min(s) >= 0)
        )
    if hint is bool:
        return st.booleans()
    if hint in (int, float):
        return numbers(field, hint is int)
    if hint is str:
        if field.name == "kind" and section == "background":
            return st.sampled_from(["environment", "color"])  # "images" needs a folder too
        return st.sampled_from(meta["choices"]) if meta["choices"] else TEXT
    if hint == dict[str, str]:
        return st.dictionaries(TEXT, TEXT, max_size=3)
    if hint == recipes.Names:
        return st.lists(st.sampled_from(meta["choices"]) if meta["choices"] else TEXT, max_size=4).map(tuple)
    each = numbers(field, hint == tuple[int, int])
    if meta["length"]:
        return st.tuples(*[each] * meta["length"])
    pairs = st.tuples(each, each).map(lambda p: (min(p), max(p)))
    return st.dictionaries(TEXT, pairs, max_size=3) if hint == dict[str, recipes.Range] else pairs


@st.composite
def documents(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """A recipe file of some keys, in any order."""
    chosen = draw(st.lists(st.sampled_from(range(len(KEYS))), unique=True, max_size=12))
    document: dict[str, dict[str, Any]] = {}
    for number in chosen:
        section, field = KEYS[number]
        document.setdefault(section, {})[field.name] = draw(values(section, field))
    # What only fits together.
    diffusion, neural = document.get("diffusion", {}), document.get("neural", {})
    if "size" in diffusion:
        diffusion["size"] = diffusion["size"] // 8 * 8
    if diffusion.get("control", "none") != "none":
        diffusion["control_model"] = "owner/control"
    if neural.get("content_weight") == 0:
        neural["style_weight"] = 1.0
    if neural.get("style_weight") == 0:
        neural["content_weight"] = 1.0
    return document


@settings(deadline=None, max_examples=200)
@given(documents())
def test_what_is_written_is_read_back(document: dict[str, dict[str, Any]]) -> None:
    recipe = from_dict(document)
    assert loads(dumps(recipe)) == recipe
    assert from_dict(to_dict(recipe)) == recipe
    assert dumps(loads(dumps(recipe))) == dumps(recipe)
    for section, given_values in document.items():
        for name, value in given_values.items():
            assert getattr(getattr(recipe, section), name) == value


def test_every_key_is_written_out() -> None:
    written = tomllib.loads(dumps(Recipe()))
    assert {f"{s}.{k}" for s, table in written.items() for k in table} == set(IDS)
    assert loads("") == Recipe() == loads(dumps(Recipe()))


def test_a_recipe_cannot_be_changed_by_accident() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().render.width = 3  # type: ignore[misc]
    table = {"a": "b"}
    recipe = from_dict({"targets": {"classes": table}})
    table["a"] = "c"
    assert recipe.targets.classes == {"a": "b"}
    assert Recipe().targets.classes is not Recipe().targets.classes


@pytest.mark.parametrize(("section", "field"), KEYS, ids=IDS)
def test_every_key_says_what_it_is(section: str, field: "dataclasses.Field[Any]") -> None:
    meta = field.metadata
    assert meta["doc"][0].isupper() and meta["doc"].endswith(".")
    assert recipes.describe(hint_of(section, field.name), field)
    hint = hint_of(section, field.name)
    numeric = hint in (int, float, recipes.Range, dict[str, recipes.Range], tuple[int, int], tuple[float, float, float])
    assert not numeric or (math.isfinite(meta["low"]) and math.isfinite(meta["high"])), "a number without bounds"
    recipes.check("x", hint_of(section, field.name), field, to_dict(Recipe())[section][field.name])


def bad_values(section: str, field: "dataclasses.Field[Any]") -> list[Any]:
    hint, meta = hint_of(section, field.name), field.metadata
    if hint is bool:
        return [0, 1, "true", None, []]
    if hint in (int, float):
        out = [meta["low"] - 1, meta["high"] + 1]
        return [*out, math.nan, math.inf, True, "1", None, [1], *([1.5] if hint is int else [])]
    if hint is str:
        return [1, True, None, ["a"], "nul\0", *(["", "nonsense"] if meta["choices"] else [])]
    if hint == dict[str, str]:
        return [1, "a", ["a"], {"a": 1}, None]
    if hint == dict[str, recipes.Range]:
        pairs = [[0.2, 0.1], [0.2], [0.1, 0.2, 0.3], [-1, 0.5], [0.5, 2], [math.nan, 1], ["a", 1], [True, 1], 0.5, "a"]
        return [1, "a", ["a"], None, *({"dents": pair} for pair in pairs)]
    if hint == recipes.Names:
        return ["a", 1, [1], {"a": "b"}, None, *([["nonsense"]] if meta["choices"] else [])]
    good = list(to_dict(Recipe())[section][field.name])
    wrong = [
        [meta["low"] - 1, *good[1:]],
        [*good[:-1], meta["high"] + 1],
        ["a", *good[1:]],
        [True, *good[1:]],
        good[:-1],
        [*good, good[0]],
        good[0],
        "a",
        None,
        [math.nan, *good[1:]],
        {},
    ]
    if meta["length"] is None:
        wrong.append([meta["high"], meta["low"]])
    if hint == tuple[int, int]:
        wrong.append([0.5, 1])
    return wrong


@pytest.mark.parametrize(("section", "field"), KEYS, ids=IDS)
def test_every_bad_value_is_refused_by_name(section: str, field: "dataclasses.Field[Any]") -> None:
    for value in bad_values(section, field):
        with pytest.raises(SynGenError) as caught:
            from_dict({section: {field.name: value}}, "job.toml")
        error = caught.value
        assert error.message.startswith("job.toml: ") and f"{section}.{field.name}" in error.message, value
        assert error.hint


def test_whole_numbers_are_taken_for_numbers() -> None:
    recipe = loads("[render]\nexposure_ev = 1\n[camera]\nfocal_mm = [30, 40.5]\n")
    assert recipe.render.exposure_ev == 1.0 and isinstance(recipe.render.exposure_ev, float)
    assert recipe.camera.focal_mm == (30.0, 40.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[camera]\nfocal = 3", "unknown key camera.focal. Did you mean focal_mm?"),
        ("[camera]\nzzz = 3", "unknown key camera.zzz. Known are: randomize, path"),
        ("[camra]\n", "unknown section [camra]. Did you mean camera?"),
        ("render = 3", "render must be a section ([render]), not 3."),
        ("[causes]\nedges = 1", "unknown key causes.edges. Did you mean edge?"),
        ("[causes]\nedge = 4", "causes.edge = 4"),
        ("[wear.also]\ndents = [0.5, 2]", "wear.also.dents = [0.5, 2]"),
        ("[export]\nsplit = [0.8, 0.1, 0.2]", "export.split = [0.8, 0.1, 0.2] does not sum to 1."),
        ("[background]\nkind = 'images'", "needs background.folder"),
        ("[camera", "recipe is not valid TOML"),
        ("[a]\n[a]\n", "recipe is not valid TOML"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    with pytest.raises(SynGenError) as caught:
        loads(text)
    assert words in str(caught.value)


def test_pictures_behind_need_no_folder_where_they_are_not_drawn() -> None:
    assert loads("[background]\nkind = 'images'\nrandomize = false").background.folder == ""


@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=10,
    )
)
def test_any_document_is_read_or_refused(value: Any) -> None:
    """Whatever a file holds: a recipe, or an error a person can read; never anything else."""
    for document in (
        value if isinstance(value, dict) else {"camera": value},
        {"render": {"width": value}},
        {"wear": {"also": value}},
        {"wear": {"also": {"dents": value}}},
    ):
        try:
            assert isinstance(from_dict(document), Recipe)
        except SynGenError as error:
            assert error.message


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    with pytest.raises(SynGenError, match=r"job\.toml does not exist"):
        load(path)
    with pytest.raises(SynGenError, match="cannot be read"):
        load(tmp_path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SynGenError, match="cannot be read"):
        load(path)
    path.write_text(tomli_w.dumps({"render": {"width": 77}}))
    assert load(path).render.width == 77


def test_preset_and_sliders_change_the_kind_s_onset() -> None:
    from syngen_addon.kinds import KINDS

    kind = KINDS["heavy_rust"]
    assert recipes.onset_of(kind, Recipe()) == kind.onset
    changed = recipes.onset_of(kind, loads("[causes]\nedge = 0.5\nscale = 2"))
    assert changed == dataclasses.replace(kind.onset, edge=kind.onset.edge * 0.5, scale_m=kind.onset.scale_m * 2)
    coastal = recipes.onset_of(kind, loads("[causes]\npreset = 'coastal'"))
    assert coastal.drips == pytest.approx(kind.onset.drips * recipes.PRESETS["coastal"]["drips"])
    most = recipes.onset_of(kind, loads("[causes]\npreset = 'abandoned'\ncavity = 3"))
    assert most.cavity == 1.0, "never over what a kind may say"
    assert recipes.age_shift_of(loads("[causes]\npreset = 'abandoned'\nage_shift = 0.9")) == 1.0


def test_a_preset_names_sliders_only() -> None:
    sliders = {f.name for f in dataclasses.fields(recipes.Causes)}
    for preset, factors in recipes.PRESETS.items():
        assert set(factors) <= sliders, preset
        recipes.from_dict({"causes": factors})


def test_the_reference_names_every_key_once() -> None:
    text = recipes.reference()
    for section, field in KEYS:
        part = text.split(f"## [{section}]\n")[1].split("\n## ")[0]
        assert part.count(f"\n| `{field.name}` |") == 1
    assert text.endswith("\n") and "\n\n\n" not in text


@pytest.mark.skipif(not (ROOT / "docs" / "recipe.md").is_file(), reason="docs/recipe.md is not written yet")
def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8") == recipes.reference(), "run `make docs`"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.name)
def test_the_examples_are_recipes(path: Path) -> None:
    load(path)


def test_its_classes_are_as_frozen_dataclasses_are() -> None:
    """They share their methods (`Frozen`): each is held to what dataclass(frozen=True) would have made."""
    names = [(name, Any, field.default) for name, field in recipes.Onset.__dataclass_fields__.items()]
    plain = dataclasses.make_dataclass("Onset", names, frozen=True)
    for values, named in (((), {}), ((0.1, 0.2), {"rain": 0.3}), ((0.1,) * len(names), {})):
        ours, theirs = recipes.Onset(*values, **named), plain(*values, **named)
        assert repr(ours) == repr(theirs) and hash(ours) == hash(theirs)
        assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
        assert ours == recipes.Onset(**dataclasses.asdict(ours)) and ours != theirs
        assert ours != dataclasses.replace(ours, edge=0.9) == dataclasses.replace(ours, edge=0.9)
    for values, named in (((0.1,) * (len(names) + 1), {}), ((), {"edges": 1}), ((0.1,), {"spread": 0.1})):
        for kind in (recipes.Onset, plain):
            with pytest.raises(TypeError):
                kind(*values, **named)
    with pytest.raises(TypeError, match="needs 'name'"):
        recipes.Kind()  # type: ignore[call-arg]
    for change in (lambda: setattr(Recipe(), "wear", None), lambda: delattr(Recipe(), "wear")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    with pytest.raises(TypeError, match="unhashable"):  # it holds tables
        hash(Recipe())


def test_a_folder_beside_the_recipe_is_no_name_on_the_hub() -> None:
    for path in ("./sd", "../sd", "./models/sd", "//sd", "~/sd", "/models/sd", "sd", "models/a.safetensors"):
        assert recipes.is_path(path), path
        for section, key in recipes.MODEL_KEYS:
            changed = recipes.with_paths(from_dict({section: {key: path}}), lambda found: f"/job/{found}")
            assert getattr(getattr(changed, section), key) == f"/job/{path}"
    for name in ("owner/name", "o-1/n.a_m-e", "owner/name:fp16", "owner/name:a b/c.safetensors"):
        assert not recipes.is_path(name), name


def test_every_key_that_may_be_a_path_says_what_it_counts_from() -> None:
    for section, key in (*recipes.PATH_KEYS, *recipes.MODEL_KEYS):
        about = {f.name: f for f in dataclasses.fields(recipes.sections()[section])}[key]
        assert "A relative path counts from the recipe file's folder, `//` from the .blend." in about.metadata["doc"]
