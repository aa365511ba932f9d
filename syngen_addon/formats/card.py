"""The dataset card: README.md and card.html in the job's folder, and their pictures in card/.

Imports recipe, errors, files, its siblings, Pillow. What it says is worked out before: counts by write_formats, the
rest by card_tally while the records went by; nothing is read here but the pictures of the samples. The same job gives
the same bytes.
"""

import base64
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from .. import recipe as recipes
from ..files import write_bytes
from .card_plots import Chart, png, svg
from .card_tally import Tally, classes_chart
from .chosen import LIKE, Fit
from .overview import labelled
from .split import SPLITS

UNKNOWN = "unknown"
CELL = 480
"""Width of a sample, in pixels."""
PICTURES = ("classes", "objects", "occlusion", "wear", "views")
"""Of charts, in card/."""
MOST_INPUTS = 40
"""So many inputs of a sort are listed in the README; the page has them all."""
TOOLS = {
    "coco": "COCO instances: `annotations/instances_*.json`",
    "coco_keypoints": "COCO keypoints: `annotations/keypoints_*.json`",
    "coco_panoptic": "COCO panoptic: `annotations/panoptic_*.json`",
    "yolo": "YOLO detect: `data.yaml`",
    "yolo_segment": "YOLO segment: `yolo-segment/data.yaml`",
    "yolo_obb": "YOLO OBB: `yolo-obb/data.yaml`",
    "yolo_pose": "YOLO pose: `yolo-pose/data.yaml`",
    "classify": "image folders for classification: `classify/`",
    "voc": "Pascal VOC: `voc/`",
    "bop": "BOP: `bop/`",
    "masks": "label maps: `masks/`",
    "depth": "depth as 16-bit PNG: `depth-png/`",
    "normals": "normals as 16-bit PNG: `normals-png/`",
    "csv": "a table of all objects: `index.csv`",
}
"""Format -> what it is, and where."""


@dataclass(frozen=True)
class Card:
    """What a card says. about: job.json. objects: split -> class -> how many; pictures: split -> how many.

    losses: format -> what it could not express -> how often. fits: format -> how like the truth it comes back. views:
    charts of the space that was drawn from, and empty: sentences that name what of it no frame shows. command: what
    makes frame FRAME again.
    """

    title: str
    recipe: recipes.Recipe
    about: Mapping[str, Any]
    tally: Tally
    pictures: Mapping[str, int]
    objects: Mapping[str, Mapping[str, int]]
    losses: Mapping[str, Mapping[str, int]]
    warnings: Sequence[str] = ()
    views: Sequence[Chart] = ()
    empty: Sequence[str] = ()
    fits: Mapping[str, Fit] = field(default_factory=dict)


@dataclass(frozen=True)
class Input:
    """A file that went into the job: its name there, its hash, its licence (or "unknown")."""

    name: str
    sha256: str
    license: str


@dataclass
class _Section:
    """A part of the card: text as paragraphs, tables of a head and rows, charts, in this order."""

    title: str
    paragraphs: list[str] = field(default_factory=list)
    tables: list[tuple[Sequence[str], list[Sequence[str]]]] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    picture: str = ""
    """Of the charts, for the README."""
    code: str = ""


def write_card(out: Path, card: Card) -> None:
    """Write README.md, card.html and card/ into the job's folder. Raises SynGenError where a file cannot be written.

    A sample whose picture cannot be read is left out, and a warning on the card says so.
    """
    drawn = list(labelled(out, card.tally.chosen_samples(), card.recipe.labels, _classes(card), CELL))
    cells = [(record, picture) for record, picture in drawn if picture is not None]
    faults = [f"The picture of frame {r['frame']} cannot be read." for r, picture in drawn if picture is None]
    card = replace(card, warnings=[*card.warnings, *faults])
    samples = [(record, _jpeg(cell)) for record, cell in cells]
    sections = _sections(card)
    pictures = {f"{s.picture}.png": _png(png(s.charts)) for s in sections if s.charts}
    if samples:
        pictures["samples.jpg"] = _jpeg(_sheet([cell for _, cell in cells]))
    for name, data in pictures.items():
        write_bytes(out / "card" / name, data)
    for name in {"samples.jpg", *(f"{s}.png" for s in PICTURES)} - pictures.keys():  # what an earlier card had
        (out / "card" / name).unlink(missing_ok=True)
    write_bytes(out / "README.md", _readme(card, sections, bool(samples)).encode())
    write_bytes(out / "card.html", _page(card, sections, samples).encode())


def inputs_of(about: Mapping[str, Any], recipe: recipes.Recipe) -> dict[str, list[Input]]:
    """Every input of a job by its sort, with its licence from export.licenses (the first pattern that fits).

    A pattern is held against the name that job.json has, its last part, and for a key of the recipe the file it names.
    """
    inputs, licenses = about["inputs"], recipe.export.licenses
    found: dict[str, list[Input]] = {"The scene": [_input(_scene(about), inputs["scene"]["sha256"], (), licenses)]}
    for name, sha256 in inputs.get("files", {}).items():
        section, _, key = name.partition(".")
        told = getattr(getattr(recipe, section, None), key, "")
        if name.startswith(("light.environments/", "background.folder/", "ground.folder/", "distractors.folder/")):
            sort = {"l": "Environments", "b": "Backgrounds", "g": "Grounds", "d": "Distractors"}[name[0]]
        elif isinstance(told, str) and told:
            sort = "Files that the recipe names"
        elif _is_variant(name):
            sort = "Variants of wear"
        else:
            sort = "Files of the scene"
        found.setdefault(sort, []).append(_input(name, sha256, (told,) if isinstance(told, str) else (), licenses))
    for name, what in inputs.get("worker", {}).get("models", {}).items():
        found.setdefault("Models", []).append(_input(str(name), str(what), (), licenses))
    return found


def _is_variant(name: str) -> bool:
    """An object's, a variant's and a file's name: what SynGen has made itself."""
    return name.count("/") == 2 and not name.startswith(("//", "/")) and "|" not in name


def _input(name: str, sha256: str, others: Iterable[str], licenses: Mapping[str, str]) -> Input:
    names = {name, *others}
    names |= {part.replace("\\", "/").rsplit("/", 1)[-1].rsplit(" | ", 1)[-1] for part in list(names)}
    fits = (text for pattern, text in licenses.items() if any(fnmatchcase(n, pattern) for n in names if n))
    return Input(name, sha256, next(fits, UNKNOWN))


def _scene(about: Mapping[str, Any]) -> str:
    return str(about.get("scene_file") or "scene.blend")


def _classes(card: Card) -> list[str]:
    return list(card.objects.get(SPLITS[0], {}))


# --- what it says ----------------------------------------------------------------------------------------------------


def _sections(card: Card) -> list[_Section]:
    about, recipe, tally = card.about, card.recipe, card.tally
    level = recipe.wear.level if recipe.randomize.level else None
    sections = [
        _classes_section(card),
        _Section("Objects", charts=tally.objects(), picture="objects"),
        _Section("What is hidden", charts=tally.occlusion(), picture="occlusion"),
        _Section("Wear", [_wear_text(tally)], charts=tally.wear(level), picture="wear"),
        _Section("Views", _views_text(card), charts=list(card.views), picture="views"),
        _without(tally),
        _splits(card),
        _formats(card),
        _inputs(about, recipe),
        _made(card),
        _again(about),
    ]
    return [s for s in sections if s.paragraphs or s.tables or s.charts or s.code]


def _classes_section(card: Card) -> _Section:
    labels = card.recipe.labels
    what = "whole objects" if labels.objects == "instances" else "connected worn regions"
    chosen = {
        "wear": "the wear class",
        "kind": "the kind of wear",
        "object": "the object's class",
        "property": f"the property {labels.class_property!r}",
        "collection": "the collection an object lies in",
        "object_wear": "object and wear class",
    }
    head = ("class", *SPLITS, "all")
    rows: list[Sequence[str]] = []
    for name in _classes(card):
        counts = [card.objects[split].get(name, 0) for split in SPLITS]
        rows.append((name, *(f"{n:,}" for n in counts), f"{sum(counts):,}"))
    sums = [sum(card.objects[split].values()) for split in SPLITS]
    rows.append(("**all**", *(f"{n:,}" for n in sums), f"{sum(sums):,}"))
    rows.append(("pictures", *(f"{card.pictures[s]:,}" for s in SPLITS), f"{sum(card.pictures.values()):,}"))
    never = [name for name in _classes(card) if not any(card.objects[s].get(name) for s in SPLITS)]
    text = [f"Labelled are {what}; the class is {chosen.get(labels.class_from, labels.class_from)}."]
    if never:
        text.append(f"The job could have shown, and no picture does: {', '.join(never)}.")
    return _Section(
        "Classes", text, [(head, rows)], [classes_chart({s: dict(card.objects[s]) for s in SPLITS})], "classes"
    )


def _wear_text(tally: Tally) -> str:
    text = f"{tally.instances:,} objects are seen, {tally.clean:,} of them clean; {tally.regions:,} worn regions."
    return f"{text} A red dash marks a part of the drawn range that no picture shows."


def _views_text(card: Card) -> list[str]:
    if not card.views and not card.empty:
        return []
    if not card.empty:
        return ["Every part of the ranges that were drawn from is covered."]
    return ["No picture covers, of the ranges that were drawn from:", *(f"- {text}" for text in card.empty)]


def _without(tally: Tally) -> _Section:
    drawn = sum(count for attempt, count in tally.attempts.items() if attempt)
    section = _Section("Frames without a target")
    if tally.without:
        section.paragraphs.append(
            f"{tally.without:,} of {tally.frames:,} frames show no target after every redraw, and have no picture:"
        )
        section.tables.append((("why", "frames"), [(why, f"{n:,}") for why, n in tally.reasons.most_common()]))
    else:
        section.paragraphs.append(f"None: all {tally.frames:,} frames show a target.")
    if drawn:
        what = "1 frame was drawn again before it" if drawn == 1 else f"{drawn:,} frames were drawn again before they"
        section.paragraphs.append(f"{what} counted (another camera).")
    return section


def _splits(card: Card) -> _Section:
    recipe, pools = card.recipe, card.tally.pools
    shares = ", ".join(f"{100 * s:g} % {n}" for n, s in zip(SPLITS, recipe.export.split, strict=True))
    text = [f"{shares}. A frame's split depends on its number and the job's seed alone."]
    if recipe.randomize.apart:
        text.append(
            f"Each split was to have its own of these: {', '.join(recipe.randomize.apart)} (randomize.apart). "
            "Where the last column is not 0, there were too few of them to go round."
        )
    rows: list[Sequence[str]] = []
    own_things = recipe.distractors.folder or recipe.distractors.collection
    for what, held in sorted(pools.items()):
        if what == "things that stand about" and not own_things:
            continue  # simple shapes, which give nothing away
        every = Counter(each for own in held.values() for each in own)
        shared = sum(count > 1 for count in every.values())
        rows.append((what, *(f"{len(held.get(s, ())):,}" for s in SPLITS), f"{shared:,}"))
    tables = [(("shown", *SPLITS, "in more than one"), rows)] if rows else []
    return _Section("Splits", text, tables)  # type: ignore[arg-type]


def _formats(card: Card) -> _Section:
    section = _Section("Formats", ["All made from the same records (`records/`), which hold every label exactly."])
    section.paragraphs += [f"- {TOOLS.get(name, name)}" for name in card.recipe.export.formats]
    rows = [(name, what, f"{count:,}") for name, lost in card.losses.items() for what, count in lost.items()]
    rows += [
        (
            name,
            f"IoU with the truth of {fit.objects:,} objects compared",
            f"{fit.mean:.4f}, worst {fit.worst:.4f}, {fit.less:,} under {LIKE:g}",
        )
        for name, fit in card.fits.items()
        if fit.worst < 1
    ]
    if rows:
        section.tables.append((("format", "what it cannot express", "how often"), list(rows)))
    else:
        section.paragraphs.append("No format lost anything of the labels that it can hold.")
    return section


def _inputs(about: Mapping[str, Any], recipe: recipes.Recipe) -> _Section:
    section = _Section("Inputs and licences")
    every = inputs_of(about, recipe)
    asked = [each for sort, found in every.items() if sort != "Variants of wear" for each in found]
    unknown = sum(each.license == UNKNOWN for each in asked)
    own = recipe.export.license or UNKNOWN
    section.paragraphs.append(
        f"Licence of the dataset: {own}. {len(asked):,} files went into it; the licence of "
        f"{unknown:,} of them is unknown (export.licenses names it by file name)."
    )
    rows: list[Sequence[str]] = []
    for sort, found in every.items():
        for each in found:
            made = "SynGen's own, from the files above" if sort == "Variants of wear" else ""
            license_ = each.license if each.license != UNKNOWN or not made else made
            rows.append((sort, each.name, license_, each.sha256))
    section.tables.append((("sort", "name", "licence", "SHA-256"), rows))
    return section


def _made(card: Card) -> _Section:
    about, inputs = card.about, card.about["inputs"]
    rows: list[Sequence[str]] = [
        ("SynGen", str(inputs.get("syngen", UNKNOWN))),
        ("Blender", str(inputs.get("blender", UNKNOWN))),
        ("device", str(inputs.get("device", UNKNOWN))),
        ("system", str(inputs.get("system", UNKNOWN))),
        ("seed", str(inputs.get("seed", UNKNOWN))),
        ("frames", f"{card.tally.frames}"),
        ("fingerprint", str(about["fingerprint"])),
    ]
    section = _Section("How it was made", tables=[(("", ""), rows)])
    default = recipes.to_dict(recipes.Recipe())
    paths = {*recipes.PATH_KEYS, *recipes.MODEL_KEYS}
    changed: list[Sequence[str]] = []
    for name, keys in recipes.to_dict(card.recipe).items():
        for key, value in keys.items():
            if value != default[name][key]:
                told = Path(value).name if (name, key) in paths and recipes.is_path(str(value)) else value
                changed.append((f"`{name}.{key}`", json.dumps(told, ensure_ascii=False)))
    differs = "The whole recipe is `recipe.toml`; this is where it differs from the defaults:"
    section.paragraphs.append(differs if changed else "The recipe is the default one (`recipe.toml`).")
    if changed:
        section.tables.append((("key", "value"), changed))
    return section


def _again(about: Mapping[str, Any]) -> _Section:
    scene = _scene(about) if "/" in _scene(about) else f"path/to/{_scene(about)}"
    return _Section(
        "Any picture again",
        [
            "A picture is a pure function of the fingerprint, the seed and its number. Frame 123 alone is made again, "
            "and compared with the one that lies here byte by byte, by this command (in this folder; `--into FOLDER` "
            "writes it somewhere else instead). `check` reads the whole dataset and says what is wrong with it."
        ],
        code=(
            f"blender -b {_quoted(scene)} --command syngen --out . --only-frame 123\n"
            "blender -b --command syngen check ."
        ),
    )


def _quoted(text: str) -> str:
    plain = all(c.isalnum() or c in "._-/" for c in text)
    return text if plain else '"' + text.replace('"', '\\"') + '"'


def _summary(card: Card) -> str:
    tally = card.tally
    sizes = " and ".join(f"{w} x {h}" for (w, h), _ in tally.sizes.most_common(3))
    objects = sum(sum(counts.values()) for counts in card.objects.values())
    return (
        f"{tally.pictures:,} rendered pictures ({sizes or 'none'}) with {objects:,} labelled objects of "
        f"{len(_classes(card))} classes. Every label is the renderer's own, to the pixel; nothing was drawn by hand."
    )


# --- README.md -------------------------------------------------------------------------------------------------------


def _readme(card: Card, sections: Sequence[_Section], samples: bool) -> str:
    lines = [
        f"# {_md(card.title)}",
        "",
        _summary(card),
        "",
        "The same, with every input and larger pictures: `card.html`.",
    ]
    if samples:
        lines += ["", "![Samples with their labels](card/samples.jpg)"]
    for section in sections:
        lines += ["", f"## {section.title}"]
        for text in section.paragraphs:
            lines += [text] if text.startswith("- ") and lines[-1].startswith("- ") else ["", text]
        if section.charts:
            lines += ["", f"![{section.title}](card/{section.picture}.png)"]
        for head, rows in section.tables:
            lines += ["", *_md_table(head, rows[:MOST_INPUTS])]
            if len(rows) > MOST_INPUTS:
                lines += ["", f"And {len(rows) - MOST_INPUTS:,} more: see `card.html`."]
        if section.code:
            lines += ["", "```", section.code, "```"]
    for warning in card.warnings:
        lines += ["", f"> {_md(warning)}"]
    return "\n".join(lines) + "\n"


def _md_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    numbers = [all(_is_number(row[i]) for row in rows) for i in range(len(head))]
    return [
        f"| {' | '.join(head)} |",
        f"|{'|'.join('--:' if n else '---' for n in numbers)}|",
        *(f"| {' | '.join(_md(_short(cell)) for cell in row)} |" for row in rows),
    ]


def _short(text: str) -> str:
    """A hash by its first digits: the page has it whole."""
    return f"{text[:12]}…" if len(text) == 64 and all(c in "0123456789abcdef" for c in text) else text


def _md(text: str) -> str:
    """Text as Markdown shows it, on one line."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if plain == "**all**" or (plain.startswith("`") and plain.count("`") == 2 and plain.endswith("`")):
        return plain
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~$" else c for c in plain)


# --- card.html -------------------------------------------------------------------------------------------------------

STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}
body{margin:0;background:#f5f6f8;color:#1f262e;font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1500px;margin:0 auto;padding:36px 28px 80px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px}h2{font-size:20px;margin:0 0 10px}
p{margin:0 0 10px;max-width:78em}
.lead{color:#53606d;font-size:17px;margin-bottom:22px}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin-bottom:26px}
.tile{background:#fff;border:1px solid #e3e6ea;border-radius:8px;padding:10px 18px;min-width:116px}
.tile b{display:block;font-size:22px;line-height:1.25}.tile span{color:#68737f;font-size:13px}
section{background:#fff;border:1px solid #e3e6ea;border-radius:10px;padding:22px 24px;margin-bottom:18px}
.charts{display:flex;flex-wrap:wrap;align-items:flex-start;gap:26px 34px;margin-top:12px}
.charts svg{max-width:100%;height:auto;overflow:visible}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:12px}
figure{margin:0}figure img{width:100%;display:block;border-radius:6px}
figcaption{color:#68737f;font-size:12.5px;margin-top:3px}
table{border-collapse:collapse;font-size:14px;margin:10px 0}
th,td{padding:4px 18px 4px 0;text-align:left;vertical-align:top}
th{color:#68737f;font-weight:500}tr+tr td{border-top:1px solid #edf0f2}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
td{overflow-wrap:anywhere}td.h{font:12px ui-monospace,Menlo,Consolas,monospace;color:#68737f}
pre{background:#f1f3f5;border-radius:6px;padding:12px 14px;overflow:auto;
font:13px/1.5 ui-monospace,Menlo,Consolas,monospace}
code{background:#f1f3f5;border-radius:4px;padding:1px 5px;font:13px ui-monospace,Menlo,Consolas,monospace}
details{margin-top:8px}summary{cursor:pointer;color:#3e70a8}ul{margin:0 0 10px;padding-left:20px}
""".strip()


def _page(card: Card, sections: Sequence[_Section], samples: Sequence[tuple[dict[str, Any], bytes]]) -> str:
    title = escape(card.title)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>",
        f'<h1>{title}</h1><p class="lead">{escape(_summary(card))}</p>',
        _tiles(card),
    ]
    if samples:
        parts.append("<section><h2>Samples</h2><div class=samples>")
        for record, data in samples:
            source = base64.b64encode(data).decode("ascii")
            count = len(record[card.recipe.labels.objects])
            caption = f"Frame {record['frame']}, {count} object{'s' * (count != 1)}"
            parts.append(
                f'<figure><img alt="{caption}" loading="lazy" src="data:image/jpeg;base64,{source}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )
        parts.append("</div></section>")
    parts += [_html_section(section) for section in sections]
    if card.warnings:
        parts.append(f"<section><h2>Warnings</h2>{''.join(f'<p>{escape(w)}</p>' for w in card.warnings)}</section>")
    return "\n".join(parts) + "</main></body></html>\n"


def _tiles(card: Card) -> str:
    inputs = card.about["inputs"]
    objects = sum(sum(counts.values()) for counts in card.objects.values())
    told = [
        (f"{card.tally.pictures:,}", "pictures"),
        (f"{objects:,}", "labelled objects"),
        (f"{len(_classes(card))}", "classes"),
        (f"{len(card.tally.names)}", "targets"),
        (" / ".join(f"{card.pictures[s]:,}" for s in SPLITS), " / ".join(SPLITS)),
        (card.recipe.render.engine.title(), f"Blender {str(inputs.get('blender', '')).split(' ')[0]}"),
        (card.recipe.export.license or UNKNOWN, "licence"),
    ]
    tiles = "".join(f"<div class=tile><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in told)
    return f"<div class=tiles>{tiles}</div>"


def _html_section(section: _Section) -> str:
    parts = [f"<section><h2>{escape(section.title)}</h2>"]
    points = [text for text in section.paragraphs if text.startswith("- ")]
    for text in section.paragraphs:
        if text not in points:
            parts.append(f"<p>{_coded(text)}</p>")
        elif text == points[0]:
            parts.append("<ul>" + "".join(f"<li>{_coded(p[2:])}</li>" for p in points) + "</ul>")
    if section.charts:
        parts.append(f"<div class=charts>{''.join(svg(chart) for chart in section.charts)}</div>")
    parts += [_html_table(head, rows) for head, rows in section.tables]
    if section.code:
        parts.append(f"<pre>{escape(section.code)}</pre>")
    return "".join(parts) + "</section>"


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    numbers = [all(_is_number(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "<tr>" + "".join(f"<th{' class=n' * n}>{escape(h)}</th>" for h, n in zip(head, numbers, strict=True)) + "</tr>"
    ]
    lines = lines if any(head) else []
    for row in rows:
        cells = []
        for cell, number in zip(row, numbers, strict=True):
            kind = " class=n" if number else " class=h" if _short(cell) != cell else ""
            cells.append(f"<td{kind}>{_coded(cell.strip('*'))}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    table = f"<table>{''.join(lines)}</table>"
    return table if len(rows) <= MOST_INPUTS else f"<details><summary>All {len(rows):,}</summary>{table}</details>"


def _coded(text: str) -> str:
    """Escaped, what stands between backquotes as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "", 1).isdigit()


# --- pictures --------------------------------------------------------------------------------------------------------


def _sheet(cells: Sequence[Image.Image], columns: int = 3, gap: int = 8) -> Image.Image:
    """The samples side by side, on white."""
    columns = min(columns, len(cells))
    wide, tall = max(c.width for c in cells), max(c.height for c in cells)
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (wide + gap) - gap, rows * (tall + gap) - gap), (255, 255, 255))
    for i, cell in enumerate(cells):
        sheet.paste(cell, (i % columns * (wide + gap), i // columns * (tall + gap)))
    return sheet


def _jpeg(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=88, subsampling=0)
    return data.getvalue()


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.quantize(128, dither=Image.Dither.NONE).save(data, "PNG", optimize=True)
    return data.getvalue()
