"""ink — màu mực: the dominant colour of an embedded image, decoded within bounds and remembered by its bytes."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from functools import lru_cache

from PIL import Image

from signing.marks.values import FormImage
from signing.presentation import ink_colour

LARGEST = 8 * 1024 * 1024
MOST_PIXELS = 16_000_000
_CHANNELS = {"RGB": 3, "L": 1, "CMYK": 4, "P": 1}
_MODES = {3: "RGB", 1: "L", 4: "CMYK"}


class _Picture:
    """An image as the key of the cache: equal when its bytes are."""

    __slots__ = ("image", "key")

    def __init__(self, image: FormImage) -> None:
        self.image = image
        digest = hashlib.sha256(image.data)
        if image.alpha is not None:
            digest.update(image.alpha.data)
        self.key = (digest.digest(), image.width, image.height, image.space, image.filters, image.palette)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Picture) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def colour_of(image: FormImage) -> str:
    """``red``, ``blue``, ``black``, ``other``, or "" when it cannot be decoded or shows nothing."""
    if image.space == "mask" or image.width * image.height > MOST_PIXELS or len(image.data) > LARGEST:
        return ""
    return _colour(_Picture(image))


@lru_cache(maxsize=256)
def _colour(picture: _Picture) -> str:
    image = _decoded(picture.image)
    if image is None:
        return ""
    image = image.convert("RGBA")
    alpha = picture.image.alpha
    if alpha is not None and alpha.width * alpha.height <= MOST_PIXELS and len(alpha.data) <= LARGEST:
        mask = _decoded(alpha)
        if mask is not None:
            image.putalpha(mask.convert("L").resize(image.size, Image.Resampling.NEAREST))
    return ink_colour(image)


def _decoded(image: FormImage) -> Image.Image | None:
    channels = _CHANNELS.get(image.space)
    if image.filters == ("DCTDecode",):
        return _jpeg(image)
    if channels is None or image.bits != 8 or image.width < 1 or image.height < 1 or image.filters not in ((), ("FlateDecode",)):
        return None
    size = image.width * image.height * channels
    data = image.data
    if image.filters:
        data = _unpredicted(image, channels, size) if image.predictor >= 10 else zlib.decompressobj().decompress(data, size)
    if len(data) < size:
        return None
    decoded = Image.frombytes(_MODES[channels], (image.width, image.height), data[:size])
    if image.space == "P":
        decoded.putpalette(image.palette[:768].ljust(3, b"\0"))
    return decoded


def _unpredicted(image: FormImage, channels: int, size: int) -> bytes:
    """Samples under a PNG predictor are exactly the data of a PNG file: let the PNG decoder read them."""
    if channels == 4:
        return b""
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    parts = b"".join(_chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", image.data), (b"IEND", b"")))
    opened = Image.open(io.BytesIO(b"\x89PNG\r\n\x1a\n" + parts), formats=["PNG"])
    return opened.tobytes()[:size]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _jpeg(image: FormImage) -> Image.Image | None:
    opened = Image.open(io.BytesIO(image.data), formats=["JPEG"])
    if opened.width * opened.height > MOST_PIXELS:
        return None
    opened.draft("RGB", (256, 256))
    return opened.convert("RGB")
