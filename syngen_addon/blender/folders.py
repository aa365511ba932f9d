"""The files that frames are drawn from: environment maps, pictures, things, by the recipe's folders. Imports bpy.

They are looked through before anything is rendered, so that a broken one is named then, and not by frame 7,000.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..errors import SynGenError, one_line
from ..recipe import Recipe

ENVIRONMENT_SUFFIXES = {".hdr", ".exr"}
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}
THING_SUFFIXES = {".blend", ".glb", ".gltf", ".obj", ".fbx"}
REMOVE = "Remove it from its folder, or put a sound one in its place."


@dataclass(frozen=True)
class Files:
    """The files of a recipe's folders, each list by name; empty where the recipe draws nothing from it."""

    environments: tuple[Path, ...] = ()
    backgrounds: tuple[Path, ...] = ()
    grounds: tuple[Path, ...] = ()
    things: tuple[Path, ...] = ()

    def all(self) -> dict[str, Path]:
        """Every file that frames may be made from, by the recipe's key and its place in that folder.

        A thing may have its pictures and buffers beside it: all that lies in its folder counts.
        """
        found = {
            f"{key}/{path.name}": path
            for key, paths in (
                ("light.environments", self.environments),
                ("background.folder", self.backgrounds),
                ("ground.folder", self.grounds),
            )
            for path in paths
        }
        if self.things:
            folder = self.things[0].parent
            inside = (path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
            found |= {f"distractors.folder/{path.relative_to(folder).as_posix()}": path for path in sorted(inside)}
        return found


def files_of(recipe: Recipe) -> Files:
    """The files that the recipe's frames are drawn from. Raises SynGenError: no such folder, nothing in it."""
    light, background, ground, things = recipe.light, recipe.background, recipe.ground, recipe.distractors
    return Files(
        environments=tuple(_environments(light.environments)) if light.randomize else (),
        backgrounds=tuple(files_in(background.folder, PICTURE_SUFFIXES, "background.folder"))
        if background.randomize and background.kind == "images"
        else (),
        grounds=tuple(files_in(ground.folder, PICTURE_SUFFIXES, "ground.folder"))
        if ground.randomize and ground.folder
        else (),
        things=tuple(files_in(things.folder, THING_SUFFIXES, "distractors.folder"))
        if things.folder and stands_about(recipe)
        else (),
    )


def stands_about(recipe: Recipe) -> int:
    """How many distractors and occluders a frame has at most."""
    things = recipe.distractors
    return things.count[1] + things.occluders[1] if things.randomize else 0


def _environments(folder: str) -> list[Path]:
    """The environment maps of a folder, by name; Blender's own studio lights where none is named."""
    folder = folder or bpy.utils.system_resource("DATAFILES", path="studiolights/world")
    if not folder:
        raise SynGenError(
            "This Blender has no studio lights of its own.",
            "Name a folder of .hdr or .exr files under Scene > Light (light.environments).",
        )
    return files_in(folder, ENVIRONMENT_SUFFIXES, "light.environments")


def files_in(folder: str, suffixes: set[str], key: str) -> list[Path]:
    """The files of a folder with one of these suffixes, by name. Raises SynGenError where there is none."""
    path = Path(bpy.path.abspath(folder)).expanduser().absolute()
    if not path.is_dir():
        raise SynGenError(f"{key} = {folder!r} is no folder.", "Name an existing folder.")
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith("."))
    if not found:
        what = "3D file" if suffixes is THING_SUFFIXES else "picture"
        raise SynGenError(
            f"{key} = {folder!r} holds no {what} ({', '.join(sorted(suffixes))}).", "Name another folder."
        )
    return found


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


# --- what cannot be read ---------------------------------------------------------------------------------------------


def check_pictures_in(files: Files) -> None:
    """Raises SynGenError that names the first picture or environment map that cannot be read, or not to its end."""
    for path in files.environments:
        _look_at(path)
    pictures = (*files.backgrounds, *files.grounds)
    with ThreadPoolExecutor(2) as pool:
        for path, verdict in zip(pictures, pool.map(_verdict, pictures), strict=True):
            if verdict == "broken":
                raise broken(path)
            if verdict == "unknown":
                _look_at(path)


def broken(path: Path, why: str = "it is no picture, or broken") -> SynGenError:
    """What is said of a picture that cannot be read."""
    return SynGenError(f"The picture {path} cannot be loaded: {why}.", REMOVE)


def _verdict(path: Path) -> str:
    """ "sound", "broken", or "unknown" to Pillow, which Blender may read all the same.

    Blender reads a photo that was cut short without a word, and shows the rest of it grey.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (64, 64))  # a JPEG is then read at an eighth of its size
            picture.load()
    except UnidentifiedImageError:
        return "unknown"
    except Image.DecompressionBombError:  # larger than Pillow likes
        return "unknown"
    except (OSError, SyntaxError, ValueError):
        return "unknown" if path.suffix.lower() in {".tif", ".tiff"} else "broken"
    return "sound"


def _look_at(path: Path) -> None:
    image = load_picture(path)
    bpy.data.images.remove(image)


def load_picture(path: Path) -> bpy.types.Image:
    """The file as a new datablock that holds no pixels: Cycles reads the file itself, and a folder of large maps would
    fill the memory. Raises SynGenError where Blender cannot read it."""
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError as error:
        raise broken(path, one_line(error).rstrip(".")) from error
    if not image.size[0] or not image.size[1]:  # Blender loads it all the same, and renders it pink
        bpy.data.images.remove(image)
        raise broken(path)
    image.buffers_free()
    return image
