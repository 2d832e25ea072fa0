"""letters — from the bytes of a string operand to text: ToUnicode, or the encoding of a simple font (ISO 32000-2 clause 9.10)."""

from __future__ import annotations

import re
from functools import lru_cache

from fontTools import agl

from signing.marks.values import FormFont

MOST_ENTRIES = 65_536
_PYTHON = {"WinAnsiEncoding": "cp1252", "MacRomanEncoding": "mac_roman", "": "latin-1", "StandardEncoding": "latin-1", "PDFDocEncoding": "latin-1"}
LARGEST_CMAP = 256 * 1024
_BEGIN = re.compile(rb"begin(bfchar|bfrange|codespacerange)")
_PART = re.compile(rb"<([0-9A-Fa-f\s]*)>|([\[\]])")


class Unreadable(Exception):
    """This text cannot be read back."""


def decode(font: FormFont, data: bytes) -> str:
    """The text that `data` shows in `font`.

    Raises:
        Unreadable: a code without a meaning.
    """
    if font.to_unicode is not None:
        width, table = _cmap(font.to_unicode)
        width = 2 if font.subtype == "Type0" else width
        try:
            return "".join(table[data[i : i + width]] for i in range(0, len(data), width))
        except KeyError as error:
            raise Unreadable(f"code {error.args[0].hex()} has no character") from error
    if font.subtype == "Type0" or font.encoding not in _PYTHON:
        raise Unreadable(f"font {font.name} carries no ToUnicode")
    codec = _PYTHON[font.encoding]
    return "".join(_named(font.differences[byte]) if byte in font.differences else bytes((byte,)).decode(codec, "replace") for byte in data)


def _named(glyph: str) -> str:
    text: str = agl.toUnicode(glyph)
    if not text:
        raise Unreadable(f"glyph {glyph[:32]} has no character")
    return text


@lru_cache(maxsize=128)
def _cmap(data: bytes) -> tuple[int, dict[bytes, str]]:
    """(bytes of a code, code → text)."""
    if len(data) > LARGEST_CMAP:
        raise Unreadable("a ToUnicode table beyond all use")
    table: dict[bytes, str] = {}
    width, at, budget = 1, 0, MOST_ENTRIES
    while match := _BEGIN.search(data, at):
        at = data.find(b"end" + match[1], match.end())
        if at < 0:
            raise Unreadable("a ToUnicode block without its end")
        parts = [hexa if start is None else start for hexa, start in map(_part, _PART.finditer(data, match.end(), at))]
        if match[1] == b"codespacerange":
            width = max([width, *(len(p) for p in parts if isinstance(p, bytes))])
        elif match[1] == b"bfchar":
            table.update((_bytes(code), _utf16(_bytes(text))) for code, text in zip(parts[::2], parts[1::2], strict=False))
        else:
            budget = _ranges(parts, table, budget)
    if width > 4:
        raise Unreadable("a ToUnicode table beyond all use")
    return width, table


def _part(match: re.Match[bytes]) -> tuple[bytes, str | None]:
    return (b"", match[2].decode()) if match[2] else (bytes.fromhex(match[1].decode()), None)


def _bytes(part: bytes | str) -> bytes:
    if isinstance(part, str):
        raise Unreadable("a bracket out of place in ToUnicode")
    return part


def _ranges(parts: list[bytes | str], table: dict[bytes, str], budget: int) -> int:
    """Adds bfrange entries; gives what is left of the budget of entries."""
    at = 0
    while at + 2 < len(parts):
        first, size = _bytes(parts[at]), len(parts[at])
        low, high, target = int.from_bytes(first, "big"), int.from_bytes(_bytes(parts[at + 1]), "big"), parts[at + 2]
        budget -= high - low + 1
        if not low <= high or budget < 0:
            raise Unreadable("a ToUnicode range beyond all use")
        if isinstance(target, str):
            end = parts.index("]", at + 3)
            for code, text in zip(range(low, high + 1), parts[at + 3 : end], strict=False):
                table[code.to_bytes(size, "big")] = _utf16(_bytes(text))
            at = end + 1
            continue
        start = _utf16(target)
        if not start:
            raise Unreadable("an empty ToUnicode range")
        for code in range(low, high + 1):
            table[code.to_bytes(size, "big")] = start[:-1] + chr(ord(start[-1]) + code - low)
        at += 3
    return budget


def _utf16(data: bytes) -> str:
    return data.decode("utf-16-be") if len(data) > 1 else data.decode("latin-1")
