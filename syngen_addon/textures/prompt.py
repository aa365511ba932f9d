"""Prompts for pictures of wear: made from its kind, the material and the severity, and changed when they fail.

Imports errors, files, recipe and the standard library; never bpy, never torch.

A text-to-image model would rather show a rusty thing than rust. The words that keep a texture a texture are those of
SynGen-Vision (arXiv 2509.04894): surface, close-up, evenly lit. CLIP reads 77 tokens and no further, so a prompt is
kept within TOKENS, its important words first.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import SynGenError
from ..files import write_bytes
from ..recipe import Diffusion, Kind

TOKENS = 69
"""What CLIP reads, 77 less start and end, and less what `tokens` may be wrong by."""
LETTERS = 9
"""Letters that a token holds at most, about."""
PRESETS = "prompts.json"

_TEXTURE = "seamless texture, surface, close-up, evenly lit, flat front view, fills the frame, fine detail"
_ON_BASE = "surface texture, evenly lit, same panels, seams and rivets, fine detail"
_NEGATIVE = (
    "text, watermark, logo, object, background, horizon, shadow, highlight, perspective, vignette, frame, border, "
    "blurry, drawing, people"
)
_NEGATIVE_ON_BASE = "watermark, new objects, background, shadow, highlight, perspective, blurry, drawing, people"
_SEVERITIES = (
    (0.34, "first traces of wear, sparse and thin"),
    (0.67, "moderate, uneven wear"),
    (1.01, "severe, advanced wear all over"),
)

# What helps against each of the filters' reasons, weak to strong: (to the prompt, to the negatives).
_REMEDIES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "blur": (
        ("sharp focus, crisp detail", "blurry, out of focus"),
        ("macro photograph, high resolution", "soft, smooth, bokeh"),
        ("every grain visible, ultra detailed", "depth of field, hazy"),
    ),
    "noise": (
        ("clean photograph", "noise, film grain"),
        ("low ISO, smooth tones", "grainy, speckled, jpeg artifacts"),
        ("studio quality", "static, pixelated"),
    ),
    "flat": (
        ("rough relief, strong contrast", "flat color, plain"),
        ("deep holes, raised flakes, varied colors", "uniform, featureless"),
        ("light patches, layered", "monochrome, minimal, blank"),
    ),
    "blocks": (
        ("uncompressed photograph", "jpeg artifacts, pixelated"),
        ("high resolution scan, smooth gradation", "mosaic, compression"),
        ("lossless, continuous tone", "pixel art, squares"),
    ),
    "text": (
        ("bare material, unmarked", "text, letters, watermark, logo"),
        ("unbranded, nothing written", "writing, numbers, signature"),
        ("raw, unlabelled", "typography, symbols, caption"),
    ),
    "object": (
        ("cropped, borderless", "object, background, product"),
        ("endless sheet, no shape", "silhouette, studio backdrop"),
        ("macro, uninterrupted", "isolated, cutout, still life"),
    ),
    "exposure": (
        ("balanced exposure", "overexposed, underexposed"),
        ("midtones, detail everywhere", "blown, black, white, glare"),
        ("neutral grey card", "high-key, silhouette"),
    ),
    "lighting": (
        ("shadowless, overcast", "shadow, vignette, spotlight, gradient"),
        ("diffuse light, albedo map", "highlight, reflection, dark corners"),
        ("flatbed scan", "dramatic, falloff, sunset, lamp"),
    ),
    "color": (
        ("{colors}", "saturated, colorful, tinted"),
        ("earthy, natural tones", "blue, green, purple, pink"),
        ("matt, muted", "neon, oversaturated, grey"),
    ),
    "seam": (
        ("seamless, tileable", "frame, border, vignette"),
        ("repeating pattern, uniform throughout", "gradient, edges, corners"),
        ("balanced layout, no centre", "focal point, composition"),
    ),
    "duplicate": (
        ("irregular, varied patches", "repetitive, symmetrical"),
        ("random, organic distribution", "regular pattern"),
        ("unusual shapes, mixed scales", "similar, grid"),
    ),
    "invalid": (
        ("bright photograph", "black, dark"),
        ("daylight, inanimate material", "night, underexposed, person"),
        ("industrial sample", "skin, body"),
    ),
}
REASONS = tuple(_REMEDIES)
_SMALL = {"and", "of", "to", "on", "in", "with", "from", "the", "a"}
_NAMES = {"kind": "", "material": "", "severity": ""}

_COLOR_NAMES = {
    "orange": (0.80, 0.42, 0.12), "rust orange": (0.66, 0.34, 0.14), "orange-brown": (0.52, 0.27, 0.13),
    "red-brown": (0.40, 0.18, 0.10), "brown": (0.36, 0.23, 0.13), "dark brown": (0.22, 0.13, 0.08),
    "blackish brown": (0.13, 0.08, 0.05), "black": (0.03, 0.03, 0.03), "dark grey": (0.25, 0.25, 0.25),
    "grey": (0.5, 0.5, 0.5), "light grey": (0.75, 0.75, 0.75), "white": (0.95, 0.95, 0.95), "red": (0.7, 0.1, 0.1),
    "yellow": (0.85, 0.75, 0.2), "ochre": (0.72, 0.52, 0.2), "beige": (0.8, 0.72, 0.58), "olive": (0.4, 0.4, 0.15),
    "green": (0.2, 0.5, 0.2), "verdigris": (0.3, 0.6, 0.52), "turquoise": (0.25, 0.65, 0.65), "blue": (0.15, 0.3, 0.65),
    "purple": (0.45, 0.2, 0.5), "pink": (0.85, 0.55, 0.6),
}  # fmt: skip


@dataclass(frozen=True)
class Prompt:
    """What a model is to show, and what it is to avoid."""

    positive: str
    negative: str


class Judged(Protocol):
    """Of a filter's verdict, what counts here. reason: "" where accepted."""

    @property
    def accepted(self) -> bool: ...

    @property
    def reason(self) -> str: ...


BUILT_IN: Mapping[str, Prompt] = {
    "Made from the Kind": Prompt("", ""),
    "Macro Photograph": Prompt(
        "macro photograph of {kind}, on {material}, {severity}, texture, surface, close-up, evenly lit, sharp focus, "
        "every grain visible, seamless",
        "text, watermark, object, background, shadow, highlight, blurry, depth of field, drawing",
    ),
    "Scanned Material": Prompt(
        "PBR albedo texture scan of {kind}, {material}, {severity}, seamless, tileable, surface, flat even light, "
        "orthographic, fine detail",
        "text, watermark, object, background, shadow, highlight, perspective, vignette, lighting, normal map",
    ),
    "Weathered Outdoors": Prompt(
        "{kind}, {material} left outdoors for decades, {severity}, water stains, dirt, peeling edges, texture, "
        "surface, close-up, overcast even light",
        "text, watermark, object, background, sky, plants, shadow, blurry, drawing, people",
    ),
}
"""Presets that are always there; an empty prompt means the one made from kind, material and severity."""

# --- making ----------------------------------------------------------------------------------------------------------


def prompt_of(kind: Kind, settings: Diffusion, *, base: bool = False) -> Prompt:
    """The prompt for a wear texture, or (base) for a picture on the base texture, which holds its structure words.

    settings.prompt and settings.negative, where given, stand in its place; {kind}, {material} and {severity} are filled
    in there (kind: its prompt words). Raises SynGenError for any other braces in them.
    """
    words = {"kind": kind.prompt, "material": settings.material, "severity": severity_words(settings.severity)}
    subject = f"{words['kind']}, {words['material']}, {words['severity']}"
    style = _ON_BASE if base else _TEXTURE
    positive = _filled(settings.prompt, words) or _joined(_parts(subject), [], _parts(style))
    return Prompt(positive, _filled(settings.negative, words) or (_NEGATIVE_ON_BASE if base else _NEGATIVE))


def severity_words(severity: float) -> str:
    """Words for how bad the wear is, 0 to 1."""
    return next(words for below, words in _SEVERITIES if severity < below)


def color_words(kind: Kind) -> str:
    """The kind's colours in words, from young to old, each named once."""

    def name(color: Sequence[float]) -> str:
        # Distance in sRGB weighted for the eye ("redmean", T. Riemersma, "Colour metric").
        def apart(other: Sequence[float]) -> float:
            red = (color[0] + other[0]) / 2
            r, g, b = (x - y for x, y in zip(color, other, strict=True))
            return (2 + red) * r * r + 4 * g * g + (3 - red) * b * b

        return min(_COLOR_NAMES, key=lambda n: apart(_COLOR_NAMES[n]))

    said: list[str] = []
    for color in dict.fromkeys(name(c) for c in kind.look.colors_srgb):
        if not set(color.split()) & set(" ".join(said).split()):  # no word twice: CLIP reads few
            said.append(color)
    return " and ".join(said[:3])


def _filled(text: str, words: Mapping[str, str]) -> str:
    def one(found: "re.Match[str]") -> str:
        name = found[0][1:-1]
        if name not in words:
            raise SynGenError(
                f"The prompt holds {found[0]}, which means nothing.", "Use {kind}, {material} and {severity}, or none."
            )
        return words[name]

    return re.sub(r"\{[^{}]*\}|[{}]", one, text).strip()


# --- changing --------------------------------------------------------------------------------------------------------


def reason_to_change(verdicts: Sequence[Judged], share: float) -> str:
    """The one reason for which more than `share` of the textures were refused, the most frequent; "" if there is none.

    A broken picture counts as refused for "invalid".
    """
    counts = Counter(v.reason for v in verdicts if not v.accepted)
    if not counts:
        return ""
    reason, count = max(counts.items(), key=lambda item: (item[1], -_rank(item[0])))
    return reason if count > share * len(verdicts) else ""


def _rank(reason: str) -> int:
    return REASONS.index(reason) if reason in REASONS else len(REASONS)


def refined(prompt: Prompt, reason: str, round: int, kind: Kind | None = None) -> Prompt:
    """The prompt changed for a filter's reason, the more the higher the round (from 1 on); unchanged for any other.

    kind: whose colours are named where the colour was wrong. A phrase that is asked for now leaves the negatives, and
    the other way round; what CLIP would not read any more is left out, the words of style first.
    """
    if reason not in _REMEDIES:
        return prompt
    colors = color_words(kind) if kind is not None else "natural colors"
    steps = _REMEDIES[reason][: max(1, round)]
    more = _parts(", ".join(positive for positive, _ in steps).replace("{colors}", colors))
    less = _parts(", ".join(negative for _, negative in steps))
    old = _without(_parts(prompt.positive), [*less, *more])
    words = _words(f"{_TEXTURE} {_ON_BASE}")
    style = [part for part in old if _words(part) <= words]
    subject = [part for part in old if not _words(part) <= words]
    return Prompt(_joined(subject, more, style), _joined(less, [], _without(_parts(prompt.negative), more)))


def tokens(text: str) -> int:
    """About how many tokens CLIP makes of a text: one for a word or a comma, more for long words and hyphens."""
    words = re.findall(r"[^\W_]+|[^\w\s]", text)
    return sum(1 + (len(word) - 1) // LETTERS for word in words)


def _parts(text: str) -> list[str]:
    """The phrases between commas."""
    return [part for part in (" ".join(p.split()) for p in text.split(",")) if part]


def _without(parts: Sequence[str], unwanted: Sequence[str]) -> list[str]:
    out = {part.lower() for part in unwanted}
    return [part for part in parts if part.lower() not in out]


def _joined(subject: Sequence[str], more: Sequence[str], style: Sequence[str]) -> str:
    """One prompt: the subject as it is, then the others less the words that stand before, as far as CLIP reads."""
    seen = {word for part in subject for word in _words(part)}
    kept = list(subject)
    new = _unsaid(more, seen)
    last = _unsaid(style, seen)
    while tokens(", ".join([*kept, *new, *last])) > TOKENS:
        if last:
            last.pop()
        elif len(kept) > 1:
            kept.pop()
        elif len(new) > 1:
            new.pop()
        else:
            break  # one endless phrase of the user's: CLIP reads its beginning
    return ", ".join([*kept, *new, *last])


def _unsaid(parts: Sequence[str], seen: set[str]) -> list[str]:
    """The phrases without the words in seen, which grows by theirs; those with nothing left to say are left out."""
    out = []
    for part in parts:
        words = [word for word in part.split() if not _words(word) or not _words(word) <= seen]
        while words and words[0].lower() in _SMALL:
            words.pop(0)
        while words and words[-1].lower() in _SMALL:
            words.pop()
        if words:
            out.append(" ".join(words))
            seen |= _words(out[-1])
    return out


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w-]+", text.lower())) - _SMALL


# --- presets ---------------------------------------------------------------------------------------------------------


def presets(folder: Path) -> dict[str, Prompt]:
    """The built-in presets, then the user's own, by name. folder: where prompts.json lies, or will.

    Their texts are for recipe.Diffusion's prompt and negative. Raises SynGenError where the file is damaged.
    """
    return {**BUILT_IN, **_own(folder)}


def save_preset(folder: Path, name: str, prompt: Prompt) -> None:
    """Keep a preset of the user's, or put another in its place.

    Raises SynGenError for a name or a prompt that will not do, or a file that is damaged (it is left as it is).
    """
    name = _checked(name)
    _filled(prompt.positive, _NAMES)
    _filled(prompt.negative, _NAMES)
    _write(folder, {**_own(folder), name: prompt})


def remove_preset(folder: Path, name: str) -> None:
    """Forget a preset of the user's. Raises SynGenError where there is none of that name, or the file is damaged."""
    own = _own(folder)
    if _checked(name) not in own:
        raise SynGenError(f"There is no preset {name!r}.", f"There are: {', '.join(own) or 'none of your own'}.")
    del own[name.strip()]
    _write(folder, own)


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 60 or not name.isprintable():
        raise SynGenError(f"A preset cannot be called {name!r}.", "Use 1 to 60 letters.")
    if name in BUILT_IN:
        raise SynGenError(f"The preset {name} is built in and stays as it is.", "Choose another name.")
    return name


def _own(folder: Path) -> dict[str, Prompt]:
    path = folder / PRESETS
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        found = {name: Prompt(about["prompt"], about["negative"]) for name, about in plain.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SynGenError(f"The presets {path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError):
        found = {"": Prompt("", "")}
    if not all(name and isinstance(p.positive, str) and isinstance(p.negative, str) for name, p in found.items()):
        raise SynGenError(f"The presets {path} are damaged.", "Mend the file, or move it away to start anew.")
    return {name: prompt for name, prompt in found.items() if name not in BUILT_IN}


def _write(folder: Path, own: Mapping[str, Prompt]) -> None:
    plain = {name: {"prompt": p.positive, "negative": p.negative} for name, p in sorted(own.items())}
    write_bytes(folder / PRESETS, (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode())
