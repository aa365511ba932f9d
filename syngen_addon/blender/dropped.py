"""What is done with a photo that was dropped into the view. Imports bpy, images."""

from pathlib import Path

import bpy
from bpy_extras import view3d_utils

from .. import images
from ..errors import SynGenError
from . import target


def check_photo(path: str) -> Path:
    """The photo's file. Raises SynGenError where it is missing or no picture that can be read."""
    if not path:
        raise SynGenError("No photo is chosen.", "Name one (filepath).")
    file = Path(bpy.path.abspath(path)).absolute()
    images.load(file)
    return file


def use_photo(context: bpy.types.Context, path: str, *, style: bool, metres: float | None, name: str) -> None:
    """Make a photo the one that wear textures are made from, or with style that whose style is transferred.

    metres: what it shows, along its shorter side; None: as it was set. name: the mesh object that becomes the active
    one and the only one selected, unless it is active already; "": that stays. Raises SynGenError; then nothing is
    changed.
    """
    file, settings = check_photo(path), context.scene.syngen
    obj = None
    if name:
        obj = context.view_layer.objects.get(name)
        if obj is None:
            raise SynGenError(f"There is no object called {name!r} in the view layer.", "Choose another one.")
        target.check_object(obj)
    shown = _as_blender_names_it(file)
    if style:
        settings.transfer.style_image = shown
        if settings.transfer.method not in ("gatys", "adain"):
            settings.transfer.method = "adain"
    else:
        settings.texture.exemplar = shown
        settings.texture.method = "exemplar"
        if metres is not None:
            settings.texture.exemplar_m = metres
    if obj is not None and obj != context.view_layer.objects.active and context.mode == "OBJECT":
        for other in context.selected_objects:
            other.select_set(False)
        obj.select_set(True)
        context.view_layer.objects.active = obj


def object_under(context: bpy.types.Context, x: int, y: int) -> bpy.types.Object | None:
    """The mesh object at a place of the window, in pixels, where that lies in the 3D view and not on its panels."""
    area = context.area
    if area is None or area.type != "VIEW_3D" or context.mode != "OBJECT":
        return None
    inside = [r for r in area.regions if 0 <= x - r.x < r.width and 0 <= y - r.y < r.height]
    region = next((r for r in inside if r.type == "WINDOW"), None)
    # A sidebar that lies over the view is as wide when nothing of it is seen there; its panels alone take the drop.
    if region is None or any(r.type == "UI" for r in inside):
        return None
    place, view = (x - region.x, y - region.y), area.spaces.active.region_3d
    start = view3d_utils.region_2d_to_origin_3d(region, view, place)
    way = view3d_utils.region_2d_to_vector_3d(region, view, place)
    hit, _, _, _, obj, _ = context.scene.ray_cast(context.evaluated_depsgraph_get(), start, way)
    return obj.original if hit and obj is not None and obj.type == "MESH" else None


def _as_blender_names_it(file: Path) -> str:
    """From the .blend where the preferences say so, as a path that is chosen in the file browser."""
    if not bpy.data.filepath or not bpy.context.preferences.filepaths.use_relative_paths:
        return str(file)
    try:
        return bpy.path.relpath(str(file))
    except ValueError:  # another drive
        return str(file)
