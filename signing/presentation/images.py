"""images — hình ảnh chữ ký: PNG with transparency to PDF image, and the colour of its ink.

NĐ 30/2020 Annex I-I-II.7.d, 8.a: the person's handwriting is blue, the seal red, both PNG
with a transparent ground. Transparent margins are cut off, so that "one third of the image"
and "real size" speak of ink, not of empty canvas.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from dataclasses import dataclass, field
from functools import lru_cache

from PIL import Image, UnidentifiedImageError

from signing.errors import PresentationRefused

LARGEST_PNG = 8 * 1024 * 1024
MOST_PIXELS = 16_000_000
DPI = 300  # more is invisible and costs bytes in every document
_INK = 64  # alpha from which a pixel counts as ink
_SAMPLE = 64
_SOLID, _ONE_INK = 200, 48  # alpha of well visible ink; spread of its colour, for each channel


@dataclass(frozen=True, slots=True)
class Picture:
    """An image ready for a PDF: deflated RGB and alpha planes, 8 bits each, and what it shows.

    `colour` is ``red``, ``blue``, ``black``, ``other`` or "" (no ink); `transparent` whether the ground lets text through.
    """

    width: int
    height: int
    rgb: bytes = field(repr=False)
    alpha: bytes = field(repr=False)
    colour: str
    transparent: bool
    sha256: str

    @property
    def ratio(self) -> float:
        """Width over height."""
        return self.width / self.height


def read_png(data: bytes, width_mm: float, height_mm: float) -> Picture:
    """The PNG `data`, cut to its ink, at most 300 dpi in a box of that size.

    Raises:
        PresentationRefused: not a PNG, too large, without any ink.
    """
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise PresentationRefused("the image is not a PNG")
    if len(data) > LARGEST_PNG:
        raise PresentationRefused("the image file is too large")
    return _read(hashlib.sha256(data).hexdigest(), _Once(data), max(1, round(width_mm / 25.4 * DPI)), max(1, round(height_mm / 25.4 * DPI)))


class _Once:
    """Bytes that a cache does not compare: the digest beside them is the key."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=32)
def _read(digest: str, content: _Once, most_wide: int, most_high: int) -> Picture:
    image = _open(content.data)
    alpha = image.getchannel("A")
    ink = alpha.point([0] * _INK + [255] * (256 - _INK)).getbbox()
    if ink is None:
        raise PresentationRefused("the image shows nothing: every pixel is transparent")
    image = image.crop(ink)
    shrink = min(most_wide / image.width, most_high / image.height, 1.0)
    if shrink < 1:
        image = image.resize((max(1, round(image.width * shrink)), max(1, round(image.height * shrink))), Image.Resampling.BILINEAR)
    alpha = image.getchannel("A")
    rgb = Image.new("RGB", image.size, _mean_ink(image))
    if not _is_one_ink(image):
        rgb.paste(image.convert("RGB"), mask=alpha.point([0] + [255] * 255))  # what is unseen need not be stored
    transparent = alpha.histogram()[0] >= image.width * image.height // 5
    return Picture(image.width, image.height, zlib.compress(rgb.tobytes(), 9), zlib.compress(alpha.tobytes(), 9), ink_colour(image), transparent, digest)


def _open(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=["PNG"])
            if image.width * image.height > MOST_PIXELS:
                raise PresentationRefused("the image has too many pixels")
            return image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, struct.error, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PresentationRefused(f"{type(error).__name__}: {error}"[:200]) from error


def _mean_ink(image: Image.Image) -> tuple[int, int, int]:
    """The mean colour of what is visible (Pillow weighs by alpha when it reduces RGBA)."""
    pixel = image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    return (int(pixel[0]), int(pixel[1]), int(pixel[2])) if isinstance(pixel, tuple) else (0, 0, 0)


def _is_one_ink(image: Image.Image) -> bool:
    """Whether all that is well visible has one colour: then only the alpha plane says anything."""
    solid = image.getchannel("A").point([0] * _SOLID + [255] * (256 - _SOLID))
    for channel in image.convert("RGB").split():
        counts = channel.histogram(solid)
        present = [value for value, count in enumerate(counts) if count]
        if not present or present[-1] - present[0] > _ONE_INK:
            return False
    return True


def ink_colour(image: Image.Image) -> str:
    """The colour that most ink of an RGBA image has: ``red``, ``blue``, ``black``, ``other``, "" for none.

    White is paper, not ink: a scan with an opaque ground is judged by what is drawn on it.
    """
    small = image.resize((min(_SAMPLE, image.width), min(_SAMPLE, image.height)), Image.Resampling.NEAREST)
    alpha = small.getchannel("A").tobytes()
    hsv = small.convert("RGB").convert("HSV").tobytes()
    counts = {"red": 0, "blue": 0, "black": 0, "other": 0}
    for at, opacity in enumerate(alpha):
        if opacity >= _INK:
            name = _name(hsv[3 * at], hsv[3 * at + 1], hsv[3 * at + 2])
            if name:
                counts[name] += 1
    most = max(counts, key=lambda n: counts[n])
    return most if counts[most] else ""


def _name(hue: int, saturation: int, value: int) -> str:
    if value >= 217 and saturation < 38:
        return ""  # paper
    if value < 56 or (saturation < 64 and value < 128):
        return "black"
    if saturation < 64:
        return "other"
    degrees = hue * 360 / 255
    if degrees <= 20 or degrees >= 335:
        return "red"
    return "blue" if 190 <= degrees <= 265 else "other"


def rgb_colour(red: float, green: float, blue: float) -> str:
    """The same names for a fill colour with components 0…1; white is ``other``."""
    pixel = Image.new("RGB", (1, 1), (_byte(red), _byte(green), _byte(blue))).convert("HSV").getpixel((0, 0))
    return _name(*(int(v) for v in pixel[:3])) or "other" if isinstance(pixel, tuple) else "other"


def _byte(value: float) -> int:
    return max(0, min(255, round(value * 255)))
