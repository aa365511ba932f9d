"""A scene set up for rendering frames with labels, and what comes out of one render. Imports bpy, numpy, OpenEXR.

One render of Cycles gives the picture and every label layer; which renders a frame takes is renderer.py's affair. The
picture is written as PNG without its text chunks (Blender puts render times there), the layers are read from a
multilayer EXR in a scratch folder. Nothing of the user's compositor, sequencer, border or passes takes part.
"""

import ctypes
import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import bpy
import numpy as np

from ..errors import SynGenError, one_line
from ..labels.layers import Layers
from ..recipe import Labels, Recipe, Render
from .exposure import draws_exposure, expose_by_curve
from .layers import aov_name
from .names import WEAR_AOV
from .state import Borrowed

DEVICES = {"cuda": "CUDA", "optix": "OPTIX", "hip": "HIP", "metal": "METAL", "oneapi": "ONEAPI"}
BEST_FIRST = ("optix", "cuda", "hip", "metal", "oneapi")
_SURFACELESS = 0x31DD
"""EGL_PLATFORM_SURFACELESS_MESA"""
_Read = TypeVar("_Read")
KEPT_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"sRGB", b"gAMA", b"cHRM", b"iCCP", b"tRNS"}


@dataclass(frozen=True)
class Speed:
    """What a frame may cost (render.speed). Chosen by time and picture in docs/performance.md.

    share: of render.samples, the most samples a pixel gets. noise: a pixel whose noise is under this is done, from
    at_least samples on (Cycles' adaptive sampling, which looks after every 16 samples; 0: Cycles' own choice).
    prefilter, quality: of the denoiser. traces: EEVEE traces rays for one pixel in so many in each direction, 0 for
    none.
    """

    share: float
    noise: float
    at_least: int
    prefilter: str
    quality: str
    traces: int

    def samples(self, most: int) -> int:
        """Samples a pixel, where render.samples is `most`."""
        return max(1, round(self.share * most))


SPEEDS = {
    "fast": Speed(0.5, 0.2, 8, "FAST", "FAST", 0),
    "balanced": Speed(1.0, 0.12, 8, "FAST", "BALANCED", 2),
    "best": Speed(1.0, 0.01, 0, "ACCURATE", "HIGH", 1),
}


def engine_name(engine: str) -> str:
    """Blender's name of the recipe's render.engine."""
    if engine == "cycles":
        return "CYCLES"
    return "BLENDER_EEVEE" if bpy.app.version >= (5, 0) else "BLENDER_EEVEE_NEXT"


def check_engine(engine: str) -> None:
    """Raises SynGenError where this machine cannot render with it: without OpenGL, EEVEE would end the process."""
    if engine != "eevee" or not bpy.app.background or sys.platform != "linux":
        return
    try:
        egl, address = ctypes.CDLL("libEGL.so.1"), ctypes.c_void_p
        egl.eglGetDisplay.restype = egl.eglGetPlatformDisplay.restype = address
        egl.eglGetDisplay.argtypes = [address]
        egl.eglGetPlatformDisplay.argtypes = [ctypes.c_uint, address, address]
        egl.eglInitialize.argtypes = [address] * 3
        displays = (egl.eglGetDisplay(None), egl.eglGetPlatformDisplay(_SURFACELESS, None, None))  # Blender's own order
        if any(display and egl.eglInitialize(display, None, None) for display in displays):
            return
        missing = "EGL finds no driver"
    except (OSError, AttributeError):  # no library, or one that is older than what Blender asks of it
        missing = "libEGL.so.1 is missing or too old"
    raise SynGenError(
        f"EEVEE needs a GPU or Mesa's software driver for it, and this machine has neither: {missing}.",
        'Install the driver (Debian: libegl1, libgl1-mesa-dri), or use render.engine = "cycles".',
    )


def resolve_device(wanted: str) -> str:
    """The device that renders: "cpu" or a GPU's kind. Raises SynGenError where the one asked for is missing."""
    if wanted == "cpu":
        return "cpu"
    preferences = bpy.context.preferences.addons["cycles"].preferences
    there = [name for name in BEST_FIRST if _gpus(preferences, DEVICES[name])]
    if wanted == "auto":
        return there[0] if there else "cpu"
    if wanted not in there:
        raise SynGenError(
            f"render.device = {wanted!r}: this machine has no such device.",
            f"Use {', '.join([*there, 'cpu'])} or auto.",
        )
    return wanted


def _gpus(preferences: bpy.types.AddonPreferences, kind: str) -> list[object]:
    try:
        return [device for device in preferences.get_devices_for_type(kind) if device.type == kind]
    except (TypeError, ValueError, RuntimeError):  # this build of Cycles knows nothing of the kind
        return []


def use_device(scene: bpy.types.Scene, device: str, borrowed: Borrowed) -> None:
    """Let Cycles render on a device that resolve_device gave."""
    if device == "cpu":
        borrowed.set(scene.cycles, "device", "CPU")
        return
    preferences = bpy.context.preferences.addons["cycles"].preferences
    borrowed.set(preferences, "compute_device_type", DEVICES[device])
    for each in preferences.get_devices_for_type(DEVICES[device]):
        borrowed.set(each, "use", each.type == DEVICES[device])
    borrowed.set(scene.cycles, "device", "GPU")


def has_denoiser() -> bool:
    """Whether this build can denoise; some distributions' cannot, and 5.x would skip it without a word."""
    import _cycles

    return bool(getattr(_cycles, "with_openimagedenoise", False))


def configure(
    scene: bpy.types.Scene,
    layer: bpy.types.ViewLayer,
    recipe: Recipe,
    device: str,
    borrowed: Borrowed,
    also: Sequence[str] = (),
) -> list[str]:
    """Set the scene up for rendering frames with labels; what was there comes back when borrowed ends.

    also: the further kinds of wear that get a label layer.
    Returns warnings. Raises SynGenError: an unknown view transform, no device.
    """
    settings, render = recipe.render, scene.render
    put = borrowed.set
    warnings: list[str] = []
    has_compositor = _keep_compositor_links(scene, borrowed)
    put(render, "engine", engine_name(settings.engine))
    use_device(scene, device, borrowed)
    numbers: dict[str, object] = {
        "resolution_x": settings.width,
        "resolution_y": settings.height,
        "resolution_percentage": 100,
        "pixel_aspect_x": 1.0,
        "pixel_aspect_y": 1.0,
        "use_border": False,
        "use_crop_to_border": False,
        "use_sequencer": False,
        "use_stamp": False,
        "use_motion_blur": settings.motion_blur,
        "film_transparent": False,
        "use_persistent_data": True,
        "use_single_layer": True,
        "use_multiview": False,
        "dither_intensity": 0.0,
        "use_freestyle": False,
        "use_simplify": False,
        "filter_size": 1.5,
        "use_file_extension": True,
    }
    _put_all(borrowed, render, numbers)
    keep = settings.keep_compositor
    if keep:
        warnings.append("The scene's compositor runs on the pictures; labels may then not fit them.")
    put(render, "use_compositing", keep and render.use_compositing)
    denoise = settings.denoise and has_denoiser()
    if settings.denoise and not denoise:
        warnings.append("This Blender has no OpenImageDenoise: the pictures are not denoised.")
    _configure_sampling(scene, settings, denoise, borrowed)
    _configure_view(scene, settings, borrowed)
    if draws_exposure(recipe):
        expose_by_curve(scene, borrowed)
    for other in scene.view_layers:  # `use_single_layer` counts in a window only
        borrowed.set(other, "use", other == layer)
    if recipe.light.randomize or recipe.background.randomize:
        borrowed.set(layer, "use_sky", True)  # without it the drawn world would be black
    borrowed.set(scene, "camera", scene.camera)  # first: a marker that gets its camera back gives it to the scene, too
    for marker in scene.timeline_markers:  # a camera bound to one would win over the job's
        borrowed.set(marker, "camera", None)
    _configure_passes(layer, recipe.labels, borrowed, has_compositor, also)
    _configure_files(render, borrowed)
    return warnings


def _configure_sampling(scene: bpy.types.Scene, settings: Render, denoise: bool, borrowed: Borrowed) -> None:
    speed = SPEEDS[settings.speed]
    sampling: dict[str, object] = {
        "samples": speed.samples(settings.samples),
        "use_adaptive_sampling": True,
        "adaptive_threshold": speed.noise,
        "adaptive_min_samples": speed.at_least,
        "time_limit": 0.0,
        "seed": 0,
        "use_animated_seed": False,
        "use_denoising": denoise,
        "sample_offset": 0,
        "film_exposure": 1.0,
        "pixel_filter_type": "BLACKMAN_HARRIS",
        "filter_width": 1.5,
        "use_preview_denoising": False,
    }
    if denoise:
        sampling |= {
            "denoiser": "OPENIMAGEDENOISE",
            "denoising_input_passes": "RGB_ALBEDO_NORMAL",
            "denoising_prefilter": speed.prefilter,
            "denoising_quality": speed.quality,
            "denoising_use_gpu": False,
        }
    _put_all(borrowed, scene.cycles, sampling)
    if settings.engine == "eevee":
        eevee: dict[str, object] = {
            "taa_render_samples": speed.samples(settings.samples),
            "use_taa_reprojection": False,
            "use_shadows": True,
            "use_raytracing": speed.traces > 0,
        }
        _put_all(borrowed, scene.eevee, eevee)
        if speed.traces > 0:
            borrowed.set(scene.eevee.ray_tracing_options, "resolution_scale", str(speed.traces))


def _put_all(borrowed: Borrowed, owner: object, values: dict[str, object]) -> None:
    """Set several properties, leaving out those that this Blender does not have."""
    for name, value in values.items():
        borrowed.set_if_there(owner, name, value)


def _configure_view(scene: bpy.types.Scene, settings: Render, borrowed: Borrowed) -> None:
    view = scene.view_settings
    try:
        borrowed.set(scene.display_settings, "display_device", "sRGB")
        borrowed.set(view, "view_transform", settings.view_transform)
    except TypeError as error:  # it lists them, and nothing else does: they come from the colour configuration
        known = str(error).partition(" not found in ")[2].strip("()").replace("'", "")
        raise SynGenError(
            f"render.view_transform = {settings.view_transform!r} is not one of this Blender's.", f"It has {known}."
        ) from error
    borrowed.set(view, "look", "None")
    borrowed.set(view, "gamma", 1.0)
    borrowed.set(view, "use_curve_mapping", False)
    borrowed.set_if_there(view, "use_white_balance", False)
    borrowed.set(view, "exposure", settings.exposure_ev)


def _keep_compositor_links(scene: bpy.types.Scene, borrowed: Borrowed) -> bool:
    """Whether a compositor reads the render; its links come back at the end.

    Another engine or set of passes makes Blender drop sockets of its Render Layers nodes, and their links with them.
    """
    tree = scene.compositing_node_group if hasattr(scene, "compositing_node_group") else scene.node_tree
    readers = [node for node in tree.nodes if node.type == "R_LAYERS"] if tree else []
    links = [
        (node, socket.name, link.to_socket) for node in readers for socket in node.outputs for link in socket.links
    ]

    def give_back() -> None:
        for layer in scene.view_layers:
            layer.update_render_passes()
        for node, name, target in links:
            if not target.is_linked and name in node.outputs:
                tree.links.new(node.outputs[name], target)

    if readers:
        borrowed.afterwards(give_back)
    return bool(readers)


def _configure_passes(
    layer: bpy.types.ViewLayer, labels: Labels, borrowed: Borrowed, keep_passes: bool, also: Sequence[str]
) -> None:
    """keep_passes: a compositor reads them, and a pass that is switched off takes its links there along."""
    for owner in (layer, layer.cycles):
        for name in [p.identifier for p in owner.bl_rna.properties if p.type == "BOOLEAN" and not p.is_readonly]:
            if name.startswith(("use_pass_", "denoising_store")) and not keep_passes:
                borrowed.set(owner, name, False)
    borrowed.set(layer, "use_pass_combined", True)
    borrowed.set(layer, "use_pass_object_index", True)
    if labels.depth or labels.geometry:  # what hides a keypoint is seen by its depth
        borrowed.set(layer, "use_pass_z", True)
    if labels.normals:
        borrowed.set(layer, "use_pass_normal", True)
    borrowed.set(layer, "pass_alpha_threshold", 0.5)
    borrowed.set(layer, "samples", 0)
    borrowed.set(layer, "material_override", None)
    borrowed.set_if_there(layer, "world_override", None)
    names = [WEAR_AOV, *(aov_name(kind, False) for kind in also)]
    if any([_make_aov(layer, name, borrowed) for name in names]):
        # Shaders that an earlier render of this session compiled know nothing of a new layer and would leave it 0.
        for material in bpy.data.materials:
            material.update_tag()


def _make_aov(layer: bpy.types.ViewLayer, name: str, borrowed: Borrowed) -> bool:
    """See to it that a render layer for numbers is there; whether it had to be made."""
    own = next((aov for aov in layer.aovs if aov.name == name), None)
    if own is not None:
        borrowed.set(own, "type", "VALUE")
        return False
    aov = layer.aovs.add()
    aov.name, aov.type = name, "VALUE"
    borrowed.afterwards(lambda: layer.aovs.remove(next(a for a in layer.aovs if a.name == name)))
    return True


def _configure_files(render: bpy.types.RenderSettings, borrowed: Borrowed) -> None:
    """Note every file setting once, so that the switching per frame needs no notes of its own."""
    image = render.image_settings
    # The order matters on the way back: the format decides which depths and modes are allowed.
    before = {
        n: getattr(image, n)
        for n in (
            "media_type",
            "file_format",
            "color_mode",
            "color_depth",
            "compression",
            "exr_codec",
            "color_management",
            "use_preview",
        )
        if hasattr(image, n)
    }

    def give_back() -> None:
        for name, value in before.items():
            setattr(image, name, value)

    borrowed.afterwards(give_back)


def as_png(render: bpy.types.RenderSettings) -> None:
    """File settings of the picture: 8-bit RGB PNG through the view transform."""
    image = render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, image.color_mode, image.color_depth, image.compression = "PNG", "RGB", "8", 15
    image.color_management = "FOLLOW_SCENE"


def _as_exr(render: bpy.types.RenderSettings) -> None:
    image = render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "MULTI_LAYER_IMAGE"
    image.file_format = "OPEN_EXR_MULTILAYER"
    image.color_depth, image.exr_codec = "32", "NONE"


def render_frame(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer, scratch: Path, also: Sequence[str] = ()
) -> tuple[bytes, Layers] | None:
    """Render the scene as it stands: the picture's PNG bytes and its label layers; None where the render was stopped.

    also: the further kinds of wear that `configure` was told.
    Raises SynGenError where Blender cannot render or write its files.
    """
    if not _render(scene, layer):
        return None
    return _picture(scene, scratch), _layers(scene, layer, scratch, also)


def render_picture(scene: bpy.types.Scene, layer: bpy.types.ViewLayer, scratch: Path) -> bytes | None:
    """As render_frame, the picture alone."""
    return _picture(scene, scratch) if _render(scene, layer) else None


def render_layers(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer, scratch: Path, also: Sequence[str] = ()
) -> Layers | None:
    """As render_frame, the label layers alone."""
    return _layers(scene, layer, scratch, also) if _render(scene, layer) else None


def render_nothing(scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> None:
    """As render_frame, for what the engine makes of the scene alone: nothing is read of it."""
    _render(scene, layer)


def _render(scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> bool:
    """Render; whether it was finished."""
    try:
        return bool(bpy.ops.render.render(scene=scene.name, layer=layer.name) == {"FINISHED"})
    except RuntimeError as error:
        raise SynGenError(
            f"Blender cannot render the scene: {one_line(error)}", "Render it once by hand; it tells what is missing."
        ) from error


def _picture(scene: bpy.types.Scene, scratch: Path) -> bytes:
    as_png(scene.render)
    return _saved(scene, scratch / "picture.png", lambda path: without_text(path.read_bytes()))


def _layers(scene: bpy.types.Scene, layer: bpy.types.ViewLayer, scratch: Path, also: Sequence[str]) -> Layers:
    _as_exr(scene.render)
    return _saved(scene, scratch / "layers.exr", lambda path: read_layers(path, layer.name, also))


def _saved(scene: bpy.types.Scene, path: Path, read: Callable[[Path], _Read]) -> _Read:
    """What `read` makes of the last render, written to a file for a moment."""
    try:
        bpy.data.images["Render Result"].save_render(str(path), scene=scene)
        return read(path)
    except (OSError, RuntimeError) as error:
        raise SynGenError(
            f"Blender cannot write its files into {path.parent}: {one_line(error)}", "Free some space there."
        ) from error
    finally:
        with suppress(OSError):  # where nothing could be written there is nothing to remove
            path.unlink(missing_ok=True)


def read_layers(path: Path, layer: str, also: Sequence[str] = ()) -> Layers:
    """The label layers of a multilayer EXR that Blender 4.5 or 5.x wrote (one part for all, or one a pass).

    Raises SynGenError where they are not all there, RuntimeError where the file is no EXR.
    """
    import OpenEXR

    channels: dict[str, np.ndarray] = {}
    with OpenEXR.File(str(path), separate_channels=True) as file:
        for part in file.parts:
            for name, channel in part.channels.items():
                channels[name] = channel.pixels
    index = _first(channels, [f"{layer}.{name}.X" for name in ("IndexOB", "Object Index")])

    def wear(name: str) -> np.ndarray:
        return np.ascontiguousarray(_first(channels, [f"{layer}.{name}.{channel}" for channel in "XV"]), np.float32)

    further = {kind: wear(aov_name(kind, False)) for kind in also}
    depth, normal = (channels.get(f"{layer}.{name}") for name in ("Depth.Z", "Normal.X"))
    return Layers(
        np.rint(index).astype(np.int32),
        wear(WEAR_AOV),
        further,
        None if depth is None else np.ascontiguousarray(depth, np.float32),
        None if normal is None else _unit(np.dstack([channels[f"{layer}.Normal.{axis}"] for axis in "XYZ"])),
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1: a pixel's normal is the mean of its samples. 0, 0, 0 where that is nothing."""
    length = np.sqrt(np.einsum("hwc,hwc->hw", vectors, vectors))[..., None]
    return np.divide(vectors, length, out=np.zeros_like(vectors, np.float32), where=length > 1e-6)


def _first(channels: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    for name in names:
        if name in channels:
            return channels[name]
    # A file that a full disk has cut short opens, and holds no channel.
    raise SynGenError("Blender wrote a broken file of label layers.", "Check that the disk is not full.")


def without_text(png: bytes) -> bytes:
    """The PNG with nothing but its picture: text and time chunks differ from run to run. Raises SynGenError: no PNG."""
    kept, place = [png[:8]], 8
    while place + 12 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        chunk = png[place : place + 12 + length]
        if len(chunk) != 12 + length or zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0]:
            break
        if chunk[4:8] in KEPT_CHUNKS:
            kept.append(chunk)
        place += 12 + length
        if chunk[4:8] == b"IEND":
            return b"".join(kept)
    raise SynGenError("Blender wrote a broken PNG.", "Check that the disk is not full.")
