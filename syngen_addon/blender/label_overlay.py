"""Draws the labels of what a 3D view shows: boxes, masks, classes, wear, before anything is rendered.

Imports bpy, gpu, blf, numpy; never in background mode. The scene is drawn once into a picture of its own, at the size
of the frame or of the view: the index of each target, and how far the surface is worn there by its onset map. From that
picture the job's own code makes the labels, so that boxes are tight around what is visible and what hides another hides
it here. It is drawn anew only when the view, the scene or a level has changed; triangles lie on the GPU until their
mesh or material changes. Materials and the scene are not touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import blf
import bpy
import gpu
import numpy as np
from bpy.app.handlers import persistent
from gpu_extras.batch import batch_for_shader
from mathutils import Vector

from ..errors import SynGenError, one_line
from ..formats.overview import FRAME, HAIRLINE, OUTLINE
from ..formats.sheet import INK, PAPER, Color
from ..labels.layers import Layers
from ..variants import ONSET_RANGE
from . import settings
from .handlers import listen
from .live_labels import (
    LARGEST,
    PIXEL,
    TURN,
    Frame,
    Gathered,
    Label,
    Parts,
    Wear,
    camera_frame,
    gather,
    kind_colors_of,
    labels_of,
    layers_from,
    looks_of,
)
from .material import RUN_LEVELS

TINT = 0.10
"""Opacity of the colour over a mask."""
LETTERS = 11.0
"""Height of text, in pixels before scaling."""
CROWD, WIDER = 24, 1.3
"""Of more labels, none has a tag that is so many times as wide as its box: tags would hide what they name."""
ROW = 256
"""Colours in a row of the palette."""
NOTHING = "No target is in view."

Rect = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the region, y up."""

_handle: Any = None
_shaders: dict[str, Any] = {}
_parts = Parts()
_scenes: dict[tuple[int, str], Gathered | SynGenError] = {}
"""By scene and view layer what was gathered, or why nothing was, until something changes."""
_views: "dict[int, _View]" = {}
"""By region."""


def is_on() -> bool:
    return _handle is not None


def switch(on: bool) -> None:
    """Begin to draw, or stop and give back what the GPU holds."""
    global _handle
    if not on:
        _stop()
    elif not is_on():
        _handle = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")
    listen(_HANDLERS, on)


def _stop() -> None:
    global _handle
    if is_on():
        bpy.types.SpaceView3D.draw_handler_remove(_handle, "WINDOW")
        _handle = None
    _forget()


def _forget() -> None:
    _parts.forget()
    _scenes.clear()
    for view in _views.values():
        view.free()
    _views.clear()


@persistent
def _after_update(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    _parts.after(depsgraph)
    _scenes.clear()


@persistent
def _after_history(*_: Any) -> None:
    _parts.forget()
    _scenes.clear()


@persistent
def _before_load(*_: Any) -> None:
    _stop()


_HANDLERS = (
    ("depsgraph_update_post", _after_update),
    ("frame_change_post", _after_update),
    ("undo_post", _after_history),
    ("redo_post", _after_history),
    ("load_pre", _before_load),
)


# --- what is drawn ---------------------------------------------------------------------------------------------------


class _View:
    """One region's picture of indices and wear, and the labels made of it."""

    def __init__(self) -> None:
        self.seen: tuple[Any, ...] = ()
        self.gathered: Gathered | None = None
        self.labels: list[Label] = []
        self.pictures: dict[str, Any] = {}
        self.palette: Any = None
        self.frame: Frame | None = None
        self.layout: _Layout | None = None

    def update(self, gathered: Gathered, frame: Frame) -> None:
        seen = (tuple(map(tuple, frame.matrix)), frame.width, frame.height)
        if self.gathered is gathered and self.seen == seen:
            return
        layers = look(gathered, frame, self.pictures)
        self.labels, self.layout = labels_of(gathered, layers), None
        self.palette = _palette(self.labels, len(gathered.instances))
        self.gathered, self.seen, self.frame = gathered, seen, frame

    def free(self) -> None:
        for picture in self.pictures.values():
            picture.free()
        self.pictures.clear()


def look(gathered: Gathered, frame: Frame, pictures: dict[str, Any]) -> Layers:
    """The label layers of a frame, drawn by the GPU. pictures: keeps what they were drawn into, by layer of wear."""
    for key in [k for k, p in pictures.items() if (p.width, p.height) != frame[1:] or k not in gathered.keys]:
        pictures.pop(key).free()
    found = []
    for key in gathered.keys:
        if key not in pictures:
            pictures[key] = _picture(frame)
        _draw_copies(gathered, key, frame, pictures[key])
        pixels = np.array(pictures[key].texture_color.read(), np.uint8)
        found.append(pixels.reshape(frame.height, frame.width, 4)[::-1])
    return layers_from(gathered.keys, found)


def _picture(frame: Frame) -> Any:
    try:
        return gpu.types.GPUOffScreen(frame.width, frame.height, format="RGBA8")
    except RuntimeError as error:
        raise SynGenError(
            f"The GPU has no room for labels of {frame.width} x {frame.height} pixels: {one_line(error)}",
            "Make the view smaller, or close others.",
        ) from error


def _draw_copies(gathered: Gathered, key: str, frame: Frame, picture: Any) -> None:
    shader = _shader("copies")
    before = gpu.state.depth_test_get(), gpu.state.depth_mask_get(), gpu.state.blend_get()
    with picture.bind():
        gpu.state.depth_test_set("LESS_EQUAL")
        gpu.state.depth_mask_set(True)
        gpu.state.blend_set("NONE")
        gpu.state.active_framebuffer_get().clear(color=(0.0, 0.0, 0.0, 0.0), depth=1.0)
        shader.bind()
        shader.uniform_float("looks", float(looks_of(gathered.recipe)))
        textures: dict[str, Any] = {}
        try:
            for copy in gathered.copies:
                shader.uniform_float("matrix", frame.matrix @ copy.matrix)
                for part in copy.parts:
                    wear = part.wears.get(key) if copy.index else None
                    level = copy.levels.get(key, 0.0)
                    onset = None if wear is None or level <= 0 else _texture(wear, textures)
                    about = (copy.index % 256 / 255, copy.index // 256 / 255, level, 0.0)
                    if onset is not None and wear is not None:
                        about = (*about[:3], max(min(wear.softness, 2 * min(level, 1 - level)), 1e-4))
                    shader.uniform_float("about", about)
                    shader.uniform_float("runoff", 0.0 if wear is None else wear.runoff)
                    shader.uniform_sampler("onset", onset or _plain(textures))
                    if key not in part.drawn:
                        part.drawn[key] = _batch(part.positions, part.places.get(key))
                    part.drawn[key].draw(shader)
        finally:
            for put, value in zip(
                (gpu.state.depth_test_set, gpu.state.depth_mask_set, gpu.state.blend_set), before, strict=True
            ):
                put(value)


def _texture(wear: Wear, textures: dict[str, Any]) -> Any:
    """The picture of an onset map on the GPU; None where it is gone."""
    if wear.picture not in textures:
        image = bpy.data.images.get(wear.picture)
        textures[wear.picture] = gpu.texture.from_image(image) if image is not None and image.size[0] else None
    return textures[wear.picture]


def _plain(textures: dict[str, Any]) -> Any:
    """What a shader reads where it is to read nothing."""
    if "" not in textures:
        textures[""] = gpu.types.GPUTexture((1, 1), format="RGBA8")
    return textures[""]


def _batch(positions: np.ndarray, places: np.ndarray | None) -> Any:
    layout = gpu.types.GPUVertFormat()
    layout.attr_add(id="position", comp_type="F32", len=3, fetch_mode="FLOAT")
    layout.attr_add(id="uv", comp_type="F32", len=2, fetch_mode="FLOAT")
    buffer = gpu.types.GPUVertBuf(format=layout, len=len(positions))
    buffer.attr_fill(id="position", data=positions)
    buffer.attr_fill(id="uv", data=np.zeros((len(positions), 2), np.float32) if places is None else places)
    return gpu.types.GPUBatch(type="TRIS", buf=buffer)


def _palette(labels: Sequence[Label], count: int) -> Any:
    """A texture of each target's colour by its index, clear where it is no object to detect."""
    colors = np.zeros((count // ROW + 1, ROW, 4), np.float32)
    for label in labels:
        colors[label.index // ROW, label.index % ROW] = (*_linear(label.color), 1.0)
    data = gpu.types.Buffer("FLOAT", colors.size, colors.ravel())
    return gpu.types.GPUTexture((ROW, len(colors)), format="RGBA32F", data=data)


# --- drawing ---------------------------------------------------------------------------------------------------------


def _draw() -> None:
    context = bpy.context
    space = context.space_data
    if space is None or not space.overlay.show_overlays or context.region_data is None:
        return
    blend, depth = gpu.state.blend_get(), gpu.state.depth_test_get()
    gpu.state.blend_set("ALPHA")
    gpu.state.depth_test_set("NONE")
    try:
        _draw_region(context, _view_of(context))
    finally:
        gpu.state.blend_set(blend)
        gpu.state.depth_test_set(depth)


def _view_of(context: bpy.types.Context) -> _View:
    """What is kept of the region; where it is a new one, what is kept of regions that were closed goes."""
    key = context.region.as_pointer()
    if key not in _views:
        areas = (area for window in context.window_manager.windows for area in window.screen.areas)
        there = {region.as_pointer() for area in areas for region in area.regions}
        for closed in _views.keys() - there:
            _views.pop(closed).free()
        _views[key] = _View()
    return _views[key]


def _draw_region(context: bpy.types.Context, view: _View) -> None:
    """Draw over one region, with blending on and no depth test; why there are no labels where there are none."""
    scale, free = context.preferences.system.ui_scale, _free(context)
    try:
        gathered = _gathered(context)
        frame, rect = _frame(context)
        view.update(gathered, frame)
    except SynGenError as error:
        return _say(str(error), free, scale)
    _draw_masks(view, rect, scale)
    _draw_labels(view, rect, _both(rect, free), scale)
    if not view.labels:
        _say(NOTHING, free, scale)


def _gathered(context: bpy.types.Context) -> Gathered:
    scene, layer = context.scene, context.view_layer
    key = scene.session_uid, layer.name
    if key not in _scenes:
        depsgraph = context.evaluated_depsgraph_get()
        try:
            _scenes[key] = gather(scene, layer, depsgraph, settings.recipe_of(scene), _parts)
        except SynGenError as error:
            _scenes[key] = error
    found = _scenes[key]
    if isinstance(found, SynGenError):
        raise found
    return found


def _frame(context: bpy.types.Context) -> tuple[Frame, Rect]:
    """What the view shows, and where in the region: within the frame where it looks through the camera."""
    space, region, view = context.space_data, context.region, context.region_data
    scene = context.scene
    camera = space.camera if space.use_local_camera else scene.camera
    if view.view_perspective != "CAMERA" or camera is None or camera.type != "CAMERA":
        share = min(1.0, LARGEST / max(region.width, region.height))
        size = max(1, int(region.width * share)), max(1, int(region.height * share))
        return Frame(view.perspective_matrix.copy(), *size), (0.0, 0.0, float(region.width), float(region.height))
    frame = camera_frame(scene, camera, context.evaluated_depsgraph_get())
    matrix = view.perspective_matrix @ camera.matrix_world.normalized()
    corners = []
    for corner in camera.data.view_frame(scene=scene):
        x, y, _, w = matrix @ Vector((*corner, 1.0))
        corners.append(((x / w + 1) / 2 * region.width, (y / w + 1) / 2 * region.height))
    xs, ys = zip(*corners, strict=True)
    return frame, (min(xs), min(ys), max(xs), max(ys))


def _free(context: bpy.types.Context) -> Rect:
    """The part of the region that no sidebar, toolbar or header lies over."""
    region = context.region
    left, low, right, high = 0.0, 0.0, float(region.width), float(region.height)
    for other in context.area.regions:
        if other.type == "WINDOW" or other.width <= 1 or other.height <= 1:
            continue
        x, y = other.x - region.x, other.y - region.y
        if other.type in {"UI", "TOOLS"} and 0 <= x < region.width:
            if x > region.width / 2:
                right = min(right, float(x))
            else:
                left = max(left, float(x + other.width))
        elif other.type in {"HEADER", "TOOL_HEADER"} and 0 <= y < region.height:
            if y > region.height / 2:
                high = min(high, float(y))
            else:
                low = max(low, float(y + other.height))
    return left, low, right, high


def _both(a: Rect, b: Rect) -> Rect:
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def _draw_masks(view: _View, rect: Rect, scale: float) -> None:
    """Tint, outline and hairlines around the wear, straight from the picture of indices."""
    assert view.frame is not None and view.gathered is not None
    shader = _shader("masks")
    x0, y0, x1, y1 = rect
    places = [(x0, y0), (x1, y0), (x1, y1), (x0, y0), (x1, y1), (x0, y1)]
    corners = [(0, 0), (1, 0), (1, 1), (0, 0), (1, 1), (0, 1)]
    batch = batch_for_shader(shader, "TRIS", {"position": places, "uv": corners})
    texel = (view.frame.width / (x1 - x0), view.frame.height / (y1 - y0))
    kinds = _kind_hues(view)
    for number, (key, picture) in enumerate(view.pictures.items()):
        shader.bind()
        shader.uniform_float("matrix", gpu.matrix.get_projection_matrix() @ gpu.matrix.get_model_view_matrix())
        shader.uniform_float("texel", (texel[0] * scale, texel[1] * scale))
        # Each layer of wear has its hairline; tint and outline are drawn with the first.
        shader.uniform_float("shares", (TINT, OUTLINE, HAIRLINE, 1.0 if number == 0 else 0.0))
        shader.uniform_float("worn", (*kinds[key], view.gathered.recipe.labels.wear_threshold))
        shader.uniform_sampler("picture", picture.texture_color)
        shader.uniform_sampler("palette", view.palette)
        batch.draw(shader)


def _kind_hues(view: _View) -> dict[str, tuple[float, float, float]]:
    """By the key of a layer of wear the colour of its hairline."""
    assert view.gathered is not None
    return {key: _linear(color) for key, color in kind_colors_of(view.gathered).items()}


def _linear(color: Color) -> tuple[float, float, float]:
    """A colour as a shader of ours gives it to a view, which encodes it."""
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in color))
    return red, green, blue


class _Layout(NamedTuple):
    """Boxes and tags of a view where they stand in its region, kept while that is the same."""

    where: tuple[Any, ...]
    frames: Any
    plates: Any
    texts: list[tuple[str, float, float, Color]]


def _draw_labels(view: _View, rect: Rect, free: Rect, scale: float) -> None:
    where = (rect, free, scale)
    if view.layout is None or view.layout.where != where:
        view.layout = _laid_out(view, rect, free, scale, where)
    for batch in (view.layout.frames, view.layout.plates):
        if batch is not None:
            batch.draw(_flat())
    blf.size(0, LETTERS * scale)
    blf.disable(0, blf.SHADOW)
    for text, x, y, color in view.layout.texts:
        _write(text, x, y, color)


def _laid_out(view: _View, rect: Rect, free: Rect, scale: float, where: tuple[Any, ...]) -> _Layout:
    """Boxes, the largest first, and tags, the smallest first, each in the first place that no other tag has."""
    assert view.frame is not None
    labels = view.labels
    sx, sy = (rect[2] - rect[0]) / view.frame.width, (rect[3] - rect[1]) / view.frame.height
    boxes = [
        (rect[0] + x * sx, rect[3] - (y + h) * sy, rect[0] + (x + w) * sx, rect[3] - y * sy)
        for x, y, w, h in (label.box for label in labels)
    ]
    frames, plates = _Shapes(_frame_points()), _Shapes(_plate_points())
    for label, (x0, y0, x1, y1) in zip(labels, boxes, strict=True):
        frames.add((round(x0), round(y0), round(x1), round(y1)), max(1.0, round(scale)), label.color, FRAME)
    blf.size(0, LETTERS * scale)
    letter, pad = blf.dimensions(0, "X")[1], round(4 * scale)
    high = round(letter + 2.4 * pad)
    crowded = len(labels) > CROWD
    tags = [
        (tag, box)
        for label, box in zip(reversed(labels), reversed(boxes), strict=True)
        if (tag := _tag(label, WIDER * (box[2] - box[0]) if crowded else np.inf, pad)) is not None
    ]
    places = places_of([(tag.width, high) for tag, _ in tags], [box for _, box in tags], free)
    texts: list[tuple[str, float, float, Color]] = []
    for (tag, _), place in zip(tags, places, strict=True):
        if place is not None:
            tag.put(place, high, letter, pad, plates, texts)
    return _Layout(where, frames.batch(), plates.batch(), texts)


@dataclass(frozen=True)
class _Tag:
    """A plate with text, `plate` wide, and what stands beside it on a dark ground: (text, width, colour) each."""

    color: Color
    text: str
    plate: float
    width: float
    amounts: tuple[tuple[str, float, Color], ...] = ()

    def put(
        self, place: tuple[float, float], height: float, letter: float, pad: float, shapes: "_Shapes", texts: list[Any]
    ) -> None:
        x, y = place
        foot = y + (height - letter) / 2
        if self.amounts:
            shapes.plate((x, y, x + self.width, y + height), PAPER, 226 / 255)
        shapes.plate((x, y, x + self.plate, y + height), self.color, 242 / 255)
        texts.append((self.text, x + pad * 1.3, foot, PAPER))
        x += self.plate + pad * 1.3
        for text, width, color in self.amounts:
            texts.append((text, x, foot, color))
            x += width + 2 * pad


def _tag(label: Label, room: float, pad: float) -> _Tag | None:
    """The tag of a label. room: how wide it may be: of one that is wider only the amounts in per cent are left, and
    where these have no room either, there is none.

    Several kinds of wear stand on a dark ground beside the plate, each in the colour of its hairline.
    """
    several = label.amounts if len(label.amounts) > 1 else ()
    amounts = tuple((each.text, _wide(each.text), each.color) for each in several)
    text = "  ".join([label.name, *(each.text for each in (() if several else label.amounts))])
    plate = _wide(text) + 2.6 * pad
    width = plate + sum(wide + 2 * pad for _, wide, _ in amounts) + bool(amounts) * 0.6 * pad
    if width > room:
        text = "  ".join(each.text[: each.text.find("%") + 1] for each in label.amounts)
        plate = width = _wide(text) + 2.6 * pad
        return _Tag(label.color, text, plate, width) if text and width <= room else None
    return _Tag(label.color, text, plate, width, amounts)


def _wide(text: str) -> float:
    return float(blf.dimensions(0, text)[0])


def places_of(
    sizes: Sequence[tuple[float, float]], boxes: Sequence[Rect], free: Rect
) -> list[tuple[float, float] | None]:
    """Where tags of these sizes stand: at a corner of their box, in the first place within `free` that no tag before
    it has; None where there is none. Pixels, y up."""
    taken = np.empty((len(sizes), 4))
    count = 0
    found: list[tuple[float, float] | None] = []
    for (width, height), (x0, y0, x1, y1) in zip(sizes, boxes, strict=True):
        right = x1 - width
        ways = (
            (x0, y1),
            (x0, y1 - height),
            (x0, y0 - height),
            (right, y1),
            (x0, y0),
            (right, y1 - height),
            (right, y0),
        )
        found.append(None)
        if width > free[2] - free[0] or height > free[3] - free[1] or x1 <= free[0] or x0 >= free[2]:
            continue
        if y1 <= free[1] or y0 >= free[3]:
            continue
        for x, y in ways:
            x, y = min(max(x, free[0]), free[2] - width), min(max(y, free[1]), free[3] - height)
            others = taken[:count]
            apart = (x + width <= others[:, 0]) | (others[:, 2] <= x) | (y + height <= others[:, 1])
            if (apart | (others[:, 3] <= y)).all():
                taken[count] = x, y, x + width, y + height
                count += 1
                found[-1] = x, y
                break
    return found


Edge = tuple[float, float]
"""Where a point of a shape lies in one direction: (1, n) n sizes beyond the low edge of its box, (0, n) the high."""
_LOW, _HIGH, _LOW_IN, _HIGH_IN = (1.0, 0.0), (0.0, 0.0), (1.0, 1.0), (0.0, -1.0)


def _frame_points() -> list[tuple[Edge, Edge]]:
    """Triangles of four bars within a box; its size: how thick they are."""
    return [
        point
        for x0, x1, y0, y1 in (
            (_LOW, _HIGH, _LOW, _LOW_IN),
            (_LOW, _HIGH, _HIGH_IN, _HIGH),
            (_LOW, _LOW_IN, _LOW_IN, _HIGH_IN),
            (_HIGH_IN, _HIGH, _LOW_IN, _HIGH_IN),
        )
        for point in ((x0, y0), (x1, y0), (x1, y1), (x0, y0), (x1, y1), (x0, y1))
    ]


def _plate_points() -> list[tuple[Edge, Edge]]:
    """Triangles of a box with round corners; its size: their radius."""
    rim = []
    for turn in np.linspace(0, 2 * np.pi, 20, endpoint=False) + np.pi / 20:
        x, y = float(np.cos(turn)), float(np.sin(turn))
        rim.append(((0.0, x - 1) if x > 0 else (1.0, x + 1), (0.0, y - 1) if y > 0 else (1.0, y + 1)))
    middle = (0.5, 0.0), (0.5, 0.0)
    return [point for a, b in zip(rim, [*rim[1:], rim[0]], strict=True) for point in (middle, a, b)]


class _Shapes:
    """Shapes of one sort that are drawn at once, in the order in which they were added."""

    def __init__(self, points: Sequence[tuple[Edge, Edge]]) -> None:
        self.points = np.array(points, np.float32)
        self.boxes: list[Rect] = []
        self.sizes: list[float] = []
        self.colors: list[tuple[float, float, float, float]] = []

    def add(self, box: Rect, size: float, color: Color, opacity: float) -> None:
        self.boxes.append(box)
        self.sizes.append(size)
        self.colors.append((color[0] / 255, color[1] / 255, color[2] / 255, opacity))

    def plate(self, box: Rect, color: Color, opacity: float) -> None:
        self.add(box, (box[3] - box[1]) * 0.22, color, opacity)

    def batch(self) -> Any:
        """For the GPU; None where there is nothing."""
        if not self.boxes:
            return None
        boxes, sizes = np.array(self.boxes, np.float32).reshape(-1, 1, 2, 2), np.array(self.sizes, np.float32)
        share, lines = self.points[..., 0], self.points[..., 1]
        places = boxes[:, :, 0] * share + boxes[:, :, 1] * (1 - share) + sizes[:, None, None] * lines
        colors = np.repeat(np.array(self.colors, np.float32), len(self.points), axis=0)
        return batch_for_shader(_flat(), "TRIS", {"pos": places.reshape(-1, 2), "color": colors})


def _flat() -> Any:
    return gpu.shader.from_builtin("FLAT_COLOR")


def _write(text: str, x: float, y: float, color: Color) -> None:
    blf.color(0, *(v / 255 for v in color), 1.0)
    blf.position(0, round(x), round(y), 0)
    blf.draw(0, text)


def _say(text: str, free: Rect, scale: float) -> None:
    """A sentence at the foot of the view."""
    blf.size(0, LETTERS * scale)
    pad = 6 * scale
    width, height = blf.dimensions(0, text)
    x, y = (free[0] + free[2] - width) / 2, free[1] + 3 * pad
    shapes = _Shapes(_plate_points())
    shapes.plate((x - 2 * pad, y - pad, x + width + 2 * pad, y + height + pad), PAPER, 226 / 255)
    shapes.batch().draw(_flat())
    _write(text, max(x, free[0] + pad), y, INK)


# --- shaders ---------------------------------------------------------------------------------------------------------


def _shader(name: str) -> Any:
    if name not in _shaders:
        _shaders[name] = {"copies": _make_copies, "masks": _make_masks}[name]()
    return _shaders[name]


def _make_copies() -> Any:
    """The index of a target in red and green, how far its surface is worn in blue (live_labels.wear_at)."""
    between = gpu.types.GPUStageInterfaceInfo("syngen_copies")
    between.smooth("VEC2", "place")
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "matrix")
    info.push_constant("VEC4", "about")
    info.push_constant("FLOAT", "runoff")
    info.push_constant("FLOAT", "looks")
    info.sampler(0, "FLOAT_2D", "onset")
    info.vertex_in(0, "VEC3", "position")
    info.vertex_in(1, "VEC2", "uv")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "result")
    info.vertex_source("void main() { place = uv; gl_Position = matrix * vec4(position, 1.0); }")
    info.fragment_source(
        # Blender's own sampler averages over what lies under a pixel, over the border to the other side, too.
        "vec4 at(ivec2 p, ivec2 size) { return texelFetch(onset, (p % size + size) % size, 0); }"
        "vec4 read(vec2 uv) {"
        " ivec2 size = textureSize(onset, 0);"
        " vec2 p = fract(uv) * vec2(size) - 0.5, f = p - floor(p);"
        " ivec2 c = ivec2(floor(p));"
        " return mix(mix(at(c, size), at(c + ivec2(1, 0), size), f.x),"
        "  mix(at(c + ivec2(0, 1), size), at(c + ivec2(1, 1), size), f.x), f.y); }"
        "float wear(vec2 uv) {"
        f" vec4 when = {ONSET_RANGE} * read(uv);"
        " float level = about.z, mask = clamp((level - when.r) / about.w + 0.5, 0.0, 1.0);"
        f" float run = clamp((level - when.g) / {RUN_LEVELS}, 0.0, 1.0) * clamp(level * 10.0, 0.0, 1.0);"
        " return max(mask, run * (when.r < 1.5 ? runoff : 0.0)); }"
        "void main() {"
        " vec2 x = dFdx(place), y = dFdy(place);"
        " float worn = 0.0;"
        " if (about.w > 0.0) {"
        # Within a texel one look shows what all would, over few texels a few do.
        "  vec2 size = vec2(textureSize(onset, 0));"
        "  float wide = ceil(max(length(x * size), length(y * size)));"
        "  int count = wide > 1.0 ? int(min(looks, wide * wide + 1.0)) : 1;"
        "  for (int i = 0; i < count; i++) {"
        f"   vec2 at = vec2((float(i) + 0.5) / float(count), fract(0.5 + {TURN} * float(i))) - 0.5;"
        f"   worn += wear(place + {PIXEL} * (at.x * x + at.y * y)); }}"
        # Up: of two looks one is the half from which on a pixel counts.
        "  worn = ceil(worn / float(count) * 255.0 - 0.01) / 255.0;"
        " }"
        " result = vec4(about.x, about.y, worn, 1.0); }"
    )
    return gpu.shader.create_from_info(info)


def _make_masks() -> Any:
    """Tint and outline of each object, a hairline around its wear. Widths are pixels of the view."""
    between = gpu.types.GPUStageInterfaceInfo("syngen_masks")
    between.smooth("VEC2", "place")
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "matrix")
    info.push_constant("VEC4", "shares")
    info.push_constant("VEC4", "worn")
    info.push_constant("VEC2", "texel")
    info.sampler(0, "FLOAT_2D", "picture")
    info.sampler(1, "FLOAT_2D", "palette")
    info.vertex_in(0, "VEC2", "position")
    info.vertex_in(1, "VEC2", "uv")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "result")
    info.vertex_source("void main() { place = uv; gl_Position = matrix * vec4(position, 0.0, 1.0); }")
    info.fragment_source(
        "int index_at(vec4 t) { return int(t.r * 255.0 + 0.5) + 256 * int(t.g * 255.0 + 0.5); }"
        "void main() {"
        " ivec2 size = textureSize(picture, 0);"
        " vec2 here = place * vec2(size);"
        " vec4 own = texelFetch(picture, clamp(ivec2(here), ivec2(0), size - 1), 0);"
        " int me = index_at(own);"
        f" vec4 color = texelFetch(palette, ivec2(me % {ROW}, me / {ROW}), 0);"
        " if (me == 0 || color.a == 0.0) discard;"
        " float rim = 0.0, hair = 0.0;"
        " bool is_worn = own.b >= worn.a;"
        " for (int i = 0; i < 16; i++) {"
        "  float turn = float(i) * 0.3926991;"
        "  vec2 way = vec2(cos(turn), sin(turn)) * texel;"
        "  vec4 far = texelFetch(picture, clamp(ivec2(here + 1.6 * way), ivec2(0), size - 1), 0);"
        "  vec4 near = texelFetch(picture, clamp(ivec2(here + way), ivec2(0), size - 1), 0);"
        "  rim += float(index_at(far) != me);"
        "  hair += float(index_at(near) == me && (near.b >= worn.a) != is_worn);"
        " }"
        " float line = clamp(rim / 3.0, 0.0, 1.0), around = is_worn ? clamp(hair / 3.0, 0.0, 1.0) : 0.0;"
        " float outline = mix(shares.x, shares.y, line) * shares.w, seam = shares.z * around * (1.0 - line);"
        " float alpha = seam + outline * (1.0 - seam);"
        " if (alpha <= 0.0) discard;"
        " result = vec4((worn.rgb * seam + color.rgb * outline * (1.0 - seam)) / alpha, alpha); }"
    )
    return gpu.shader.create_from_info(info)
