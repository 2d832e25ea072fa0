"""fonts — phông chữ: the typeface of marks, as a small embedded subset (ISO 32000-2 clause 9.7.4).

NĐ 30/2020 Annex I-I-II.8.b wants Times New Roman. Its shapes may not be shipped, so the
package brings Liberation Serif (OFL 1.1, the same widths); a configured file, the real
Times New Roman where an agency has one, wins. Every width is scaled to 1000 units per em,
whatever the font's own unit is: viewers space letters by these numbers, not by the font's.
"""

from __future__ import annotations

import hashlib
import io
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from fontTools import subset as font_subset
from fontTools.ttLib import TTFont, TTLibError

from signing.errors import PresentationRefused

SHIPPED = "LiberationSerif-Regular.ttf"
LARGEST_FONT = 32 * 1024 * 1024
# Always in the subset: any signing time and any number then meet the same cached font.
ALWAYS = "0123456789 -:+/.;,()" + "ABCDEFGHIJKLMNOPQRSTUVWXYZĐ"
_KEPT = {"head", "hhea", "maxp", "hmtx", "loca", "glyf", "cmap"}
_RESTRICTED, _NO_SUBSET, _BITMAP_ONLY = 0x0002, 0x0100, 0x0200  # OS/2 fsType bits


@dataclass(frozen=True, slots=True)
class FontSubset:
    """What is written into a PDF: a Type0 font over CIDFontType2 with Identity-H.

    `program` is the deflated TrueType file of `length` bytes; `glyphs` maps a character to its
    glyph number; `widths` are by glyph number, in 1/1000 em; vertical measures likewise.
    """

    name: str
    program: bytes = field(repr=False)
    length: int
    glyphs: Mapping[str, int] = field(repr=False)
    widths: tuple[int, ...] = field(repr=False)
    to_unicode: bytes = field(repr=False)
    ascent: int
    descent: int
    cap_height: int
    bbox: tuple[int, int, int, int]

    def encode(self, text: str) -> bytes:
        """`text` as a hexadecimal string operand, two bytes a glyph."""
        return b"<%s>" % "".join(f"{self.glyphs[c]:04X}" for c in text).encode()

    def width(self, text: str, size: float) -> float:
        """Width of `text` in points at `size` points."""
        return sum(self.widths[self.glyphs[c]] for c in text) * size / 1000


@dataclass(frozen=True, slots=True)
class Typeface:
    """A font file that may be embedded. `shipped` is False for a configured one."""

    name: str
    family: str
    shipped: bool
    data: bytes = field(repr=False, hash=False, compare=False)
    sha256: str
    characters: frozenset[str] = field(repr=False, hash=False, compare=False)

    def subset(self, text: str) -> FontSubset:
        """The smallest cached font that can write `text` (already by `plain`).

        Raises:
            PresentationRefused: the font lacks a letter of `text`.
        """
        missing = sorted(set(text) - self.characters)
        if missing:
            raise PresentationRefused(f"{self.name} has no glyph for {' '.join(missing)}")
        return _subset(self, "".join(sorted(set(text) | (set(ALWAYS) & self.characters))))


def plain(text: str) -> str:
    """`text` as it is written and read back: NFC, any run of white space as one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def load_font(path: Path | None = None) -> Typeface:
    """The typeface of marks: the file at `path`, or the one that comes with the package.

    Raises:
        PresentationRefused: not a TrueType font, or one whose licence bits forbid embedding a subset.
    """
    if path is None:
        return _shipped()
    try:
        state = path.stat()
    except OSError as error:
        raise PresentationRefused(f"{type(error).__name__}: {error.strerror}", place=path.name) from error
    return _configured(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)
def _shipped() -> Typeface:
    return _typeface((files("schemas") / "fonts" / SHIPPED).read_bytes(), shipped=True, place=SHIPPED)


@lru_cache(maxsize=8)
def _configured(path: Path, modified: int, size: int) -> Typeface:
    if size > LARGEST_FONT:
        raise PresentationRefused("the font file is too large", place=path.name)
    return _typeface(path.read_bytes(), shipped=False, place=path.name)


def _typeface(data: bytes, *, shipped: bool, place: str) -> Typeface:
    try:
        font = TTFont(io.BytesIO(data), lazy=True, fontNumber=0)
        if "glyf" not in font:
            raise PresentationRefused("not a TrueType font with glyf outlines", place=place)
        licence = font["OS/2"].fsType if "OS/2" in font else 0
        if licence & (_NO_SUBSET | _BITMAP_ONLY) or licence & 0x000F == _RESTRICTED:
            raise PresentationRefused("the font's licence bits forbid embedding a subset", place=place)
        name = font["name"].getDebugName(6) or Path(place).stem
        family = font["name"].getDebugName(1) or name
        characters = frozenset(map(chr, font.getBestCmap()))
    except (TTLibError, KeyError, AttributeError, TypeError, ValueError, AssertionError) as error:
        raise PresentationRefused(f"{type(error).__name__}: {error}"[:200], place=place) from error
    clean = "".join(c for c in name if c.isascii() and (c.isalnum() or c == "-")) or "Font"
    return Typeface(clean, family, shipped, data, hashlib.sha256(data).hexdigest(), characters)


@lru_cache(maxsize=64)
def _subset(typeface: Typeface, alphabet: str) -> FontSubset:
    font = TTFont(io.BytesIO(typeface.data), lazy=True, fontNumber=0, recalcTimestamp=False)
    per_em, measures = font["head"].unitsPerEm, _measures(font)
    options = font_subset.Options(hinting=False, layout_features=[], notdef_outline=True, drop_tables=sorted(set(font.keys()) - _KEPT - {"GlyphOrder"}))
    worker = font_subset.Subsetter(options)
    worker.populate(text=alphabet)
    worker.subset(font)
    glyphs = {chr(code): font.getGlyphID(name) for code, name in font.getBestCmap().items() if chr(code) in alphabet}
    widths = tuple(round(font["hmtx"][name][0] * 1000 / per_em) for name in font.getGlyphOrder())
    del font["cmap"]  # Identity-H addresses glyphs by number
    out = io.BytesIO()
    font.save(out)
    program = out.getvalue()
    tag = "".join(chr(65 + byte % 26) for byte in hashlib.sha256(typeface.sha256.encode() + alphabet.encode()).digest()[:6])
    return FontSubset(f"{tag}+{typeface.name}", zlib.compress(program, 9), len(program), glyphs, widths, _to_unicode(glyphs), *measures)


def _measures(font: TTFont) -> tuple[int, int, int, tuple[int, int, int, int]]:
    head, scale = font["head"], 1000 / font["head"].unitsPerEm
    ascent, descent = font["hhea"].ascent * scale, font["hhea"].descent * scale
    capital = getattr(font["OS/2"], "sCapHeight", 0) * scale if "OS/2" in font else 0
    box = (round(head.xMin * scale), round(head.yMin * scale), round(head.xMax * scale), round(head.yMax * scale))
    return round(ascent), round(descent), round(capital or ascent * 0.74), box


def _to_unicode(glyphs: Mapping[str, int]) -> bytes:
    """The CMap that lets text be read back and searched (ISO 32000-2 clause 9.10.3), deflated."""
    first: dict[int, str] = {}
    for character, glyph in sorted(glyphs.items()):
        first.setdefault(glyph, character)
    pairs = [f"<{glyph:04X}> <{c.encode('utf-16-be').hex().upper()}>" for glyph, c in sorted(first.items())]
    blocks = [pairs[i : i + 100] for i in range(0, len(pairs), 100)]  # at most 100 a block
    body = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    text = (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
        f"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n{body}\n"
        "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    )
    return zlib.compress(text.encode("ascii"), 9)
