"""Prompts: they say what they must within what CLIP reads, change for the filters' reason, and are kept safely."""

import dataclasses
import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syngen_addon.errors import SynGenError
from syngen_addon.kinds import KINDS
from syngen_addon.recipe import Diffusion
from syngen_addon.textures.prompt import (
    BUILT_IN,
    PRESETS,
    REASONS,
    TOKENS,
    Prompt,
    color_words,
    presets,
    prompt_of,
    reason_to_change,
    refined,
    remove_preset,
    save_preset,
    tokens,
)

RUST = KINDS["heavy_rust"]
SMALL = {"and", "of", "to", "on", "in", "with", "from", "the", "a"}


def words(text):
    return [w for w in re.findall(r"[\w-]+", text.lower()) if w not in SMALL]


@dataclass(frozen=True)
class Seen:
    reason: str

    @property
    def accepted(self):
        return not self.reason


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("base", [False, True])
def test_a_prompt_names_wear_material_and_severity_and_keeps_the_texture_a_texture(name, base):
    kind = KINDS[name]
    prompt = prompt_of(kind, Diffusion(material="cast iron"), base=base)
    assert prompt.positive.startswith(kind.prompt) and "cast iron" in prompt.positive and "severe" in prompt.positive
    for word in ("texture", "surface", "evenly lit", *(() if base else ("close-up", "seamless"))):
        assert word in prompt.positive
    assert ("seamless" in prompt.positive) is not base
    assert "rivets" in prompt.positive or not base
    for word in ("watermark", "background", "shadow", "object"):
        assert word in prompt.negative
    assert ("text" in words(prompt.negative)) is not base, "on the base texture its own markings are wanted"


@pytest.mark.parametrize("name", KINDS)
def test_no_word_stands_twice(name):
    prompt = prompt_of(KINDS[name], Diffusion())
    for text in (prompt.positive, prompt.negative):
        assert len(words(text)) == len(set(words(text))), text


def test_severity_has_words_for_low_middle_and_high():
    said = [prompt_of(RUST, Diffusion(severity=s)).positive for s in (0.0, 0.5, 1.0)]
    assert "traces" in said[0] and "moderate" in said[1] and "severe" in said[2]


def test_one_s_own_words_replace_the_made_ones_and_are_filled_in():
    own = {"prompt": "{kind}; on {material}: {severity}", "negative": "no {material}"}
    settings = Diffusion(**own, material="tin", severity=0)
    prompt = prompt_of(RUST, settings)
    assert prompt.positive == f"{RUST.prompt}; on tin: first traces of wear, sparse and thin"
    assert prompt.negative == "no tin"
    assert prompt_of(RUST, Diffusion(prompt="only mine")).positive == "only mine"
    assert prompt_of(RUST, Diffusion(prompt="  ")) == prompt_of(RUST, Diffusion())


@pytest.mark.parametrize("text", ["{colour}", "{}", "a { b", "a } b", "{kind.prompt}", "{kind!r}", "{0}", "{{kind}}"])
@pytest.mark.parametrize("field", ["prompt", "negative"])
def test_unknown_braces_are_refused(text, field):
    with pytest.raises(SynGenError, match="means nothing"):
        prompt_of(RUST, dataclasses.replace(Diffusion(), **{field: text}))


def test_the_one_reason_of_more_than_the_share():
    def of(*reasons, share=0.3):
        return reason_to_change([Seen(r) for r in reasons], share)

    assert of() == of("", "") == ""
    assert of("blur", "", "", "") == "", "a quarter is not more than 0.3"
    assert of("blur", "blur", "", "") == "blur"
    assert of("blur", "noise", "noise", "") == "noise"
    assert of("blur", "noise", "flat", "") == "", "no one reason has more than the share"
    assert of("invalid", "invalid", "", "") == "invalid"
    assert of("blur", share=1.0) == "", "more than all is never"
    assert of("blur", "", share=0.0) == "blur"
    assert of("noise", "blur") == of("blur", "noise"), "a tie is not decided by order"


@pytest.mark.parametrize("reason", REASONS)
def test_a_refined_prompt_differs_more_from_round_to_round(reason):
    first = prompt_of(RUST, Diffusion())
    rounds = [refined(first, reason, n, RUST) for n in (1, 2, 3)]
    new = [len(set(words(p.positive)) - set(words(first.positive))) for p in rounds]
    avoided = [len(set(words(p.negative)) - set(words(first.negative))) for p in rounds]
    assert 0 <= new[0] < new[1] < new[2] or avoided[0] < avoided[1] < avoided[2]
    for prompt in rounds:
        assert prompt != first
        assert prompt.positive.startswith(RUST.prompt), "the subject stays first"
    assert refined(rounds[2], reason, 3, RUST) == rounds[2], "nothing is said twice"


def test_what_is_said_fits_the_reason():
    first = prompt_of(RUST, Diffusion())
    assert "sharp" in refined(first, "blur", 1).positive and refined(first, "blur", 1).negative.startswith("blurry")
    assert "noise" in refined(first, "noise", 1).negative
    assert "contrast" in refined(first, "flat", 1).positive
    assert "varied" in refined(first, "duplicate", 1).positive
    assert "tileable" in refined(first, "seam", 1).positive
    assert "black" in refined(first, "invalid", 1).negative
    look = dataclasses.replace(RUST.look, colors_srgb=((0.2, 0.5, 0.2), (0.3, 0.6, 0.52)))
    kind = dataclasses.replace(RUST, look=look)
    assert color_words(kind) == "green and verdigris"
    assert "green" in refined(first, "color", 1, kind).positive
    assert refined(first, "", 1) == refined(first, "unheard of", 2) == first


def test_what_is_wanted_now_leaves_the_negatives_and_the_other_way_round():
    prompt = refined(Prompt("rust, plain, seamless texture", "sharp focus, text"), "blur", 1)
    assert "sharp focus" in prompt.positive and "sharp focus" not in prompt.negative
    assert "plain" not in refined(Prompt("rust, plain", ""), "flat", 1).positive


@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.sampled_from(REASONS), min_size=1, max_size=6),
    st.sampled_from(["", "rusty hull of a ship, " * 12, "an endless phrase without any comma " * 9, "rust"]),
    st.booleans(),
)
def test_whatever_happens_it_stays_within_what_clip_reads(name, reasons, own, base):
    kind = KINDS[name]
    prompt = prompt_of(kind, Diffusion(prompt=own), base=base)
    head = prompt.positive.split(",")[0]
    for number, reason in enumerate(reasons, 1):
        prompt = refined(prompt, reason, number, kind)
        assert prompt.positive.startswith(head)
        assert tokens(prompt.negative) <= TOKENS
        assert tokens(prompt.positive) <= max(TOKENS, tokens(head) + 12)
        if not own:
            for text in (prompt.positive, prompt.negative):
                assert len(words(text)) == len(set(words(text))), text


def test_presets_come_with_some_and_keep_one_s_own(tmp_path):
    assert presets(tmp_path) == dict(BUILT_IN) and len(BUILT_IN) >= 3
    for prompt in BUILT_IN.values():
        made = prompt_of(RUST, Diffusion(prompt=prompt.positive, negative=prompt.negative))
        assert "texture" in made.positive and "watermark" in made.negative and tokens(made.positive) <= TOKENS
    save_preset(tmp_path / "new", "Größe", Prompt("{kind}, ä", "b"))
    save_preset(tmp_path / "new", " Second ", Prompt("c", ""))
    save_preset(tmp_path / "new", "Second", Prompt("d", ""))
    found = presets(tmp_path / "new")
    assert list(found)[: len(BUILT_IN)] == list(BUILT_IN)
    assert found["Größe"] == Prompt("{kind}, ä", "b") and found["Second"] == Prompt("d", "")
    remove_preset(tmp_path / "new", "Größe")
    assert set(presets(tmp_path / "new")) == {*BUILT_IN, "Second"}


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "x" * 61, next(iter(BUILT_IN))])
def test_a_preset_needs_a_name_of_its_own(tmp_path, name):
    with pytest.raises(SynGenError):
        save_preset(tmp_path, name, Prompt("a", "b"))
    with pytest.raises(SynGenError):
        remove_preset(tmp_path, name)
    assert not (tmp_path / PRESETS).exists()


def test_a_preset_that_could_not_be_used_is_not_kept(tmp_path):
    with pytest.raises(SynGenError, match="means nothing"):
        save_preset(tmp_path, "Mine", Prompt("{what}", ""))
    with pytest.raises(SynGenError, match="no preset"):
        remove_preset(tmp_path, "Mine")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"a": 1}', '{"a": {"prompt": 1, "negative": ""}}', '{"a": {"prompt": ""}}', "\xff\xfe"],
)
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path, text):
    path = tmp_path / PRESETS
    path.write_bytes(text.encode("latin-1"))
    for act in (
        lambda: presets(tmp_path),
        lambda: save_preset(tmp_path, "Mine", Prompt("a", "b")),
        lambda: remove_preset(tmp_path, "a"),
    ):
        with pytest.raises(SynGenError, match=re.escape(str(path))):
            act()
    assert path.read_bytes() == text.encode("latin-1")
