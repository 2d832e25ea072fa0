"""dev_images — ảnh chữ ký và con dấu mô phỏng: pictures for development and demonstrations, visibly fictitious.

A blue scrawl and a red round seal that say "(mô phỏng)"; never for production.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from importlib.resources import files

from PIL import Image, ImageDraw, ImageFont

from signing.fonts import SHIPPED

BLUE = (20, 40, 160)
RED = (200, 16, 16)
_SCALE = 3  # drawn larger, then reduced: smooth edges


def sample_signature_png(seed: int = 1) -> bytes:
    """A handwritten-looking signature, blue on a transparent ground, PNG of 600 × 240; another `seed`, another hand."""
    width, height = 600 * _SCALE, 240 * _SCALE
    image = Image.new("RGBA", (width, height), (*BLUE, 0))
    pen = ImageDraw.Draw(image)
    points = []
    for step in range(700):
        t = step / 700
        x = 0.06 + 0.80 * t + 0.045 * math.sin(30 * t + seed)
        y = 0.5 - 0.30 * math.sin(9 * t + seed) * (1 - 0.55 * t) - 0.10 * math.sin(41 * t + 2 * seed)
        points.append((x * width, y * height))
    points += [(width * (0.90 - 0.7 * s / 60), height * (0.80 + 0.06 * math.sin(s / 9))) for s in range(60)]  # the closing flourish
    for index, (start, end) in enumerate(zip(points, points[1:], strict=False)):
        thick = (4 + 2.5 * math.sin(index / 17 + seed)) * _SCALE
        pen.line([start, end], fill=(*BLUE, 255), width=max(2, round(thick)))
        radius = thick / 2
        pen.ellipse([end[0] - radius, end[1] - radius, end[0] + radius, end[1] + radius], fill=(*BLUE, 255))
    pen.text((width * 0.62, height * 0.86), "(mô phỏng)", font=_font(26 * _SCALE), fill=(*BLUE, 255))
    return _png(image)


def sample_seal_png(name: str = "CƠ QUAN (MÔ PHỎNG)") -> bytes:
    """A round seal, red on a transparent ground, PNG of 500 × 500, with `name` around a star and "(mô phỏng)" within."""
    size = 500 * _SCALE
    image = Image.new("RGBA", (size, size), (*RED, 0))
    pen, ink, middle = ImageDraw.Draw(image), (*RED, 255), size / 2
    for radius, thick in ((0.495, 0.016), (0.335, 0.008)):
        pen.ellipse([middle - radius * size, middle - radius * size, middle + radius * size, middle + radius * size], outline=ink, width=round(thick * size))
    star = [_at(middle, (0.17 if i % 2 == 0 else 0.068) * size, math.pi * i / 5) for i in range(10)]
    pen.polygon([(x, y - 0.03 * size) for x, y in star], fill=ink)
    font = _font(round(0.062 * size))
    pen.text((middle, middle + 0.20 * size), "(mô phỏng)", font=_font(round(0.07 * size)), fill=ink, anchor="mm")
    _around(image, name.upper(), font, 0.415 * size, start=-math.pi * 0.78, end=math.pi * 0.78)
    return _png(image)


def _around(image: Image.Image, text: str, font: ImageFont.FreeTypeFont, radius: float, *, start: float, end: float) -> None:
    """`text` along the upper arc from angle `start` to `end`, clockwise from the top."""
    middle = image.width / 2
    for index, letter in enumerate(text):
        angle = start + (end - start) * (index + 0.5) / len(text)
        side = round(font.size * 2.2)
        tile = Image.new("RGBA", (side, side), (*RED, 0))
        ImageDraw.Draw(tile).text((side / 2, side / 2), letter, font=font, fill=(*RED, 255), anchor="mm")
        turned = tile.rotate(-math.degrees(angle), resample=Image.Resampling.BICUBIC)
        x, y = _at(middle, radius, angle)
        image.alpha_composite(turned, (round(x - side / 2), round(y - side / 2)))


def _at(middle: float, radius: float, angle: float) -> tuple[float, float]:
    """The point at `angle` clockwise from the top."""
    return middle + radius * math.sin(angle), middle - radius * math.cos(angle)


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.resize((image.width // _SCALE, image.height // _SCALE), Image.Resampling.LANCZOS).save(out, "PNG", optimize=True)
    return out.getvalue()


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO((files("schemas") / "fonts" / SHIPPED).read_bytes()), size)
