"""What a camera does to a picture after the render. Imports recipe, errors, numpy, OpenCV and this stage's own modules.

Nothing moves: green, which carries most of the luminance, is never displaced, red and blue only about the picture's
centre and in opposite directions, and every blur has its middle in the pixel it blurs. So labels stay right.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import recipe as recipes
from ..errors import SynGenError
from .draws import SensorDraw
from .light import blackbody
from .sequence import Chance

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

WHITE_KELVIN = 6500.0
MID_GREY_LINEAR = 0.214
"""Half of white, as it is coded."""
READ_SHARE = 0.05
"""Of the noise's variance in mid-grey: what does not depend on the light."""
LEVELS = 1 << 16
"""Of linear light when it is coded again: a twentieth of a step of the 8 bits, where those lie densest."""


def draw_sensor(settings: recipes.Sensor, rng: Chance) -> SensorDraw | None:
    """None where the recipe switches it off, where its ranges do nothing, or in a frame that is spared (share)."""
    spared = float(rng.uniform()) >= settings.share
    draw = SensorDraw(
        exposure_ev=float(rng.uniform(*settings.exposure_ev)),
        kelvin=_between_mireds(*settings.kelvin, float(rng.uniform())),
        vignette=float(rng.uniform(*settings.vignette)),
        chromatic_px=float(rng.uniform(*settings.chromatic_px)),
        blur_px=float(rng.uniform(*settings.blur_px)),
        motion_px=float(rng.uniform(*settings.motion_px)),
        motion_angle_rad=float(rng.uniform(0, math.pi)),
        noise=float(rng.uniform(*settings.noise)),
        jpeg=round(float(rng.uniform(*settings.jpeg))),
    )
    return draw if settings.randomize and not spared and not _does_nothing(draw) else None


def applied(picture: Bytes, draw: SensorDraw | None, rng: np.random.Generator) -> Bytes:
    """The picture as that camera would give it; itself, not copied, where nothing is drawn.

    picture: H x W x 3, uint8, sRGB. rng: for the noise, such as seeds.generator(seed, "noise", frame).
    In the order of the light: lens (blur, chromatic shift, vignetting), film (exposure, white balance, noise; all of it
    in linear light), file (JPEG). Raises SynGenError where the picture is no such array.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise SynGenError(f"A picture of shape {picture.shape} and {picture.dtype} is not H x W x 3 of 8 bits.")
    if draw is None or _does_nothing(draw):
        return picture
    if not _does_nothing(draw, but_jpeg=True):
        picture = _coded(_lit(_array(cv2.LUT(picture, _LINEAR)), draw, rng))
    return _as_jpeg(picture, draw.jpeg) if draw.jpeg < 100 else picture


def _does_nothing(draw: SensorDraw, but_jpeg: bool = False) -> bool:
    amounts = (draw.exposure_ev, draw.vignette, draw.chromatic_px, draw.blur_px, draw.motion_px, draw.noise)
    return not any(amounts) and draw.kelvin == WHITE_KELVIN and (but_jpeg or draw.jpeg >= 100)


def _lit(linear: Floats, draw: SensorDraw, rng: np.random.Generator) -> Floats:
    """H x W x 3 of linear light, changed in place where that saves time."""
    if draw.blur_px > 0:
        linear = _array(cv2.GaussianBlur(linear, (0, 0), draw.blur_px, borderType=cv2.BORDER_REPLICATE))
    if draw.motion_px > 0:
        kernel = line_kernel(draw.motion_px, draw.motion_angle_rad)
        linear = _array(cv2.filter2D(linear, -1, kernel, borderType=cv2.BORDER_REPLICATE))
    if draw.chromatic_px > 0:
        linear = _shifted(linear, draw.chromatic_px)
    gains = np.float32(2.0**draw.exposure_ev) * white_gains(draw.kelvin)
    if draw.vignette > 0:
        factors = vignette(linear.shape[0], linear.shape[1], draw.vignette)
        linear *= cv2.merge([factors, factors, factors])  # three times faster than numpy's broadcasting
    if (gains != 1).any():
        linear *= gains
    return _noisy(linear, draw.noise, rng) if draw.noise > 0 else linear


def _between_mireds(low: float, high: float, share: float) -> float:
    """Kelvin, evenly as light is seen: 500 K more are much at 3000 K and little at 9000 K."""
    return low if low == high else 1 / (1 / high + (1 / low - 1 / high) * share)


def white_gains(kelvin: float) -> Floats:
    """Factors of red, green and blue that make a black body of kelvin look white, and keep the luminance of white."""
    gains = np.array(blackbody(WHITE_KELVIN)) / np.maximum(np.array(blackbody(kelvin)), 0.02)
    return _array(gains / (gains @ np.array([0.2126, 0.7152, 0.0722])))


def vignette(height: int, width: int, strength: float) -> Floats:
    """H x W factors: 1 in the centre, 1 - strength in the corners.

    The fall-off of Kang and Weiss, "Can we calibrate a camera using an image of a flat, textureless Lambertian
    surface?" (2000): 1 / (1 + (r / f)^2)^2.
    """
    k = 1 / math.sqrt(1 - min(strength, 0.9999)) - 1
    y, x = (np.square(np.linspace(-1, 1, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32)) / 2 for n in
            (height, width))  # fmt: skip
    if height != width:  # by distance in pixels, the corner being 1
        total = (height - 1) ** 2 + (width - 1) ** 2
        y, x = y * np.float32(2 * (height - 1) ** 2 / total), x * np.float32(2 * (width - 1) ** 2 / total)
    return np.asarray(1 / np.square(1 + np.float32(k) * (y[:, None] + x[None])), np.float32)


def line_kernel(length: float, angle: float) -> Floats:
    """A line through the middle of an odd square, as a blur of sum 1 whose centre of mass is that middle."""
    reach = math.ceil(length / 2)
    kernel = np.zeros((2 * reach + 3, 2 * reach + 3))
    along = (np.arange(n := 8 * math.ceil(length) + 1) - n // 2) * length / n
    x, y = along * math.cos(angle) + reach + 1, along * math.sin(angle) + reach + 1
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - (x - left)) * np.abs(1 - dy - (y - top))
            np.add.at(kernel, (top + dy, left + dx), weight)
    kernel = kernel + kernel[::-1, ::-1]  # what rounding left of a difference
    return np.asarray(kernel / kernel.sum(), np.float32)


def _shifted(linear: Floats, pixels: float) -> Floats:
    """Red spread and blue drawn together about the centre, so that they lie `pixels` apart in the corners."""
    height, width = linear.shape[:2]
    center = ((width - 1) / 2, (height - 1) / 2)
    by = pixels / 2 / max(math.hypot(*center), 1.0)
    channels = list(cv2.split(linear))
    for i, scale in ((0, 1 + by), (2, 1 - by)):
        about = np.array([[scale, 0, center[0] * (1 - scale)], [0, scale, center[1] * (1 - scale)]])
        channels[i] = cv2.warpAffine(
            channels[i], about, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return _array(cv2.merge(channels))


def _noisy(linear: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Photons and the reading of them: variance a * light + b (Foi et al., "Practical Poissonian-Gaussian noise
    modeling and fitting for single-image raw-data", 2008), scaled to the strength in mid-grey as it is coded."""
    slope = 1.055 / 2.4 * MID_GREY_LINEAR ** (1 / 2.4 - 1)  # of the coding there
    variance = (strength / slope) ** 2
    gain = variance * (1 - READ_SHARE) / MID_GREY_LINEAR
    spread = cv2.sqrt(np.maximum(linear, 0) * np.float32(gain) + np.float32(variance * READ_SHARE))
    # Normal numbers by their quantiles: a quarter of the time of rng.standard_normal.
    ranks = np.frombuffer(rng.bytes(2 * linear.size), "<u2").reshape(linear.shape)
    return _array(cv2.add(linear, cv2.multiply(spread, _quantiles()[ranks]), dst=linear))


@lru_cache(maxsize=1)
def _quantiles() -> Floats:
    """Of the normal distribution, at 65536 even steps."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / 65536) for i in range(65536)], np.float32)


def _coded(linear: Floats) -> Bytes:
    np.multiply(linear, np.float32(LEVELS - 1), out=linear)
    return np.asarray(_CODED[np.clip(linear, 0, LEVELS - 1, out=linear).astype(np.uint16)], np.uint8)


def _as_jpeg(picture: Bytes, quality: int) -> Bytes:
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise SynGenError("OpenCV could not make a JPEG of a picture.")
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def _array(values: Any) -> Floats:
    return np.asarray(values, np.float32)


def _linear_of(coded: Any) -> Any:
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def _coded_of(linear: Any) -> Any:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


_LINEAR = _linear_of(np.arange(256) / 255).astype(np.float32)
_CODED = np.rint(255 * _coded_of((np.arange(LEVELS) + 0.5) / (LEVELS - 1))).clip(0, 255).astype(np.uint8)
"""By whole levels, rounded down: each stands for its middle."""
