"""What a job's frames are made from: every file that a render may read, by its content. Imports bpy.

Two jobs with the same inputs are the same job, wherever their folders lie: files count by name and hash, a path only
as it is written in the .blend.
"""

import platform
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bpy

from .. import jobs
from ..errors import SynGenError
from ..methods import Watch, identities
from ..recipe import MODEL_KEYS, PATH_KEYS, Recipe, is_path, to_dict
from ..sampling.pools import parts_apart
from ..worker.protocol import Probe
from . import ageing, worker
from .folders import Files
from .layers import layer_of, layers_of
from .paths import absolute_path, with_absolute_paths
from .shown import is_rendered, pictures_behind
from .target import has_wear

FOLDERS = {("light", "environments"), ("background", "folder"), ("ground", "folder"), ("distractors", "folder")}
"""Those of the recipe's paths that name no file: what lies in them counts, by its own name."""


def job_inputs(
    recipe: Recipe,
    seed: int,
    objects: list[bpy.types.Object],
    found: Files,
    device: str,
) -> dict[str, Any]:
    """Everything that decides what the frames look like, JSON-ready: two jobs with the same are the same job.

    The export section is left out: formats can be made anew from the same frames. Its split stays where it decides
    what frames show.
    """
    sections = to_dict(recipe)
    export = sections.pop("export")
    if parts_apart(recipe):
        sections["export"] = {"split": export["split"]}
    for section, key in PATH_KEYS:  # where they lie does not matter, what is in them does
        if sections[section][key]:
            sections[section][key] = "(files)"
    for section, key in MODEL_KEYS:
        if sections[section][key] and is_path(sections[section][key]):
            sections[section][key] = "(files)"
    files: dict[str, str] = {}
    for name, path in found.all().items():
        files[name] = jobs.file_hash(path)
    for section, key in PATH_KEYS:
        path = getattr(getattr(recipe, section), key)
        if path and (section, key) not in FOLDERS:
            files[f"{section}.{key}"] = jobs.file_hash(absolute_path(path, Path.cwd()))
    hashes: dict[Path, str] = {}
    for name, path in outside_files():
        if path not in hashes:
            hashes[path] = jobs.file_hash(path)
        files[name] = hashes[path]
    if recipe.randomize.variant:
        for obj in objects:
            for variant in (v for layer in layers_of(obj) for v in ageing.applied_variants(obj, layer.key)):
                for path in sorted(variant.folder.iterdir()):
                    files[f"{obj.name}/{variant.name}/{path.name}"] = jobs.file_hash(path)
    numbered = {} if recipe.randomize.variant else {o.name: each for o in objects if (each := _variant_numbers(o))}
    lacking = [o for o in objects if not has_wear(o) or any(layer_of(o, kind) is None for kind in recipe.wear.also)]
    made_by = _worker_inputs(recipe) if lacking else {}
    return {
        **({"worker": made_by} if made_by else {}),
        "recipe": sections,
        "seed": seed,
        "scene": {
            "sha256": jobs.file_hash(bpy.data.filepath),
            "name": bpy.context.scene.name,
            "layer": bpy.context.view_layer.name,
        },
        "files": files,
        **({"variants": numbered} if numbered else {}),
        "blender": f"{bpy.app.version_string} {bpy.app.build_hash.decode()}",
        "syngen": syngen_version(),
        "device": device,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _variant_numbers(obj: bpy.types.Object) -> dict[str, list[str]]:
    """Kind -> the names by which records number the variant that is worn."""
    return {each.kind: [variant.name for variant in ageing.applied_variants(obj, each.kind)] for each in layers_of(obj)}


def _worker_inputs(recipe: Recipe) -> dict[str, Any]:
    """What the worker adds: its models by their content, and what computes; empty where no method needs it."""
    if not worker.needed(recipe):
        return {}
    recipe = with_absolute_paths(recipe)
    tools = worker.tools(recipe, fetch=True)
    assert tools.runner is not None
    models = identities(recipe, tools, Watch(lambda fraction, text: None, lambda: False))
    found = tools.runner.run(Probe())
    versions = {name: found["versions"].get(name, "") for name in ("torch", "diffusers", "transformers", "peft")}
    return {"models": models, "device": found["device"], "versions": versions}


def syngen_version() -> str:
    """The version, from its one source: the manifest."""
    manifest = Path(__file__).resolve().parents[2] / "blender_manifest.toml"
    return str(tomllib.loads(manifest.read_text(encoding="utf-8"))["version"])


def outside_files() -> Iterator[tuple[str, Path]]:
    """Every file outside the .blend that it may read in a render, under a name that is its own in this .blend.

    Images with their sequences and tiles, volumes, caches, fonts, light profiles, scripts of shaders, libraries.
    """
    for image in bpy.data.images:
        if not _is_inside(image):
            for path in image_files(image):
                yield _name(image, image.filepath, path), path
    for block in (*bpy.data.volumes, *bpy.data.cache_files, *bpy.data.fonts):
        if block.filepath and block.filepath != "<builtin>" and not getattr(block, "packed_file", None):
            for path in _files(block, block.filepath, getattr(block, "is_sequence", False)):
                yield _name(block, block.filepath, path), path
    for block in (*bpy.data.materials, *bpy.data.worlds, *bpy.data.lights, *bpy.data.node_groups):
        tree = block if isinstance(block, bpy.types.NodeTree) else block.node_tree
        for node in tree.nodes if tree else ():
            if node.type in {"TEX_IES", "SCRIPT"} and node.mode == "EXTERNAL" and node.filepath:
                (path,) = _files(block, node.filepath, False)
                yield _name(block, node.filepath, path), path
    for library in bpy.data.libraries:
        yield library.filepath, Path(bpy.path.abspath(library.filepath))


def _name(block: bpy.types.ID, written: str, path: Path) -> str:
    """As the .blend or the library it is in writes the path: two libraries may both have //wood.png."""
    inside = f"{block.library.filepath} | " if block.library is not None else ""
    return f"{inside}{written}" + ("" if written.endswith(path.name) else f" | {path.name}")


def image_files(image: bpy.types.Image) -> list[Path]:
    """The files of an image that lies outside the .blend: one, the tiles, or all of a sequence."""
    if image.source == "TILED":
        return [path for tile in image.tiles for path in _files(image, _tile_path(image.filepath, tile.number), False)]
    return _files(image, image.filepath, image.source == "SEQUENCE")


def _tile_path(path: str, number: int) -> str:
    u, v = (number - 1001) % 10 + 1, (number - 1001) // 10 + 1
    return path.replace("<UDIM>", str(number)).replace("<UVTILE>", f"u{u}_v{v}")


def _files(block: bpy.types.ID, written: str, sequence: bool) -> list[Path]:
    path = Path(bpy.path.abspath(written, library=block.library))
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", path.name)
    if not sequence or match is None or not path.parent.is_dir():
        return [path]
    pattern = re.compile(re.escape(match[1]) + r"\d+" + re.escape(match[3]))
    return sorted(each for each in path.parent.iterdir() if pattern.fullmatch(each.name)) or [path]


def _is_inside(image: bpy.types.Image) -> bool:
    """Whether an image's pixels are in the .blend or made by Blender."""
    return image.source in {"GENERATED", "VIEWER"} or bool(image.packed_files) or not image.filepath


def check_pictures(
    objects: list[bpy.types.Object],
    scene: bpy.types.Scene,
    layer: bpy.types.ViewLayer,
    depsgraph: bpy.types.Depsgraph,
    own_world: bool,
) -> list[str]:
    """Warnings that name the missing picture files of what renders, which shows them pink.

    own_world: the scene's own world takes part. Raises SynGenError where a target's own are missing.
    """
    for obj in objects:
        missing = missing_pictures(slot.material for slot in obj.material_slots)
        if missing:
            raise SynGenError(
                f"An image file of the target {obj.name!r} is missing: {missing[0]}.",
                "Restore the file or choose another image (File > External Data > Find Missing Files).",
            )
    others = {o for o in layer.objects if is_rendered(o, layer)}
    others |= {i.object.original for i in depsgraph.object_instances if not i.object.original.hide_render}
    blocks = {slot.material for obj in others for slot in obj.material_slots}
    if own_world:
        blocks.add(scene.world)
    missing = missing_pictures(iter(blocks))
    return [f"Image files are missing, so that renders show them pink: {', '.join(missing)}."] if missing else []


def missing_pictures(blocks: Iterable[bpy.types.Material | bpy.types.World | None]) -> list[str]:
    """The picture files that these materials show and that are not there, named."""
    pictures = {picture for block in blocks if block is not None for picture in pictures_behind(block)}
    return sorted(
        f"{picture.name!r} ({path})"
        for picture in pictures
        if not _is_inside(picture) and not picture.is_dirty
        for path in image_files(picture)[:1]
        if not path.is_file()
    )
