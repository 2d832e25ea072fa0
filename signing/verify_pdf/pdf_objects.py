"""pdf_objects — the objects of a PDF, parsed strictly from bytes (ISO 32000-2 clause 7.3).

Anything that is not the regular form raises `Unusual`, which means "let the full path
look", never "accept" or "refuse".
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import NamedTuple

WHITE = b"\0\t\n\x0c\r "
# Possessive everywhere: a run of white space is never tried in two ways. An alternative that begins with
# a literal is passed over without being entered, so the groups of one character are empty and stand after it.
_TOKEN = re.compile(
    rb"(?:[\0\t\n\x0c\r ]++|%[^\r\n]*+[\r\n])*+"
    rb"(?:/(?P<name>[^\0\t\n\x0c\r ()<>\[\]{}/%]*+)"
    rb"|<<(?P<dict>)|>>(?P<enddict>)|\[(?P<array>)|\](?P<endarray>)|\((?P<string>)"
    rb"|<(?P<hex>[0-9A-Fa-f\0\t\n\x0c\r ]*+)>"
    rb"|(?P<ref>(?P<num>\d{1,9})[\0\t\n\x0c\r ]++(?P<gen>\d{1,5})[\0\t\n\x0c\r ]++R(?![^\0\t\n\x0c\r ()<>\[\]{}/%]))"
    rb"|(?P<real>[+-]?(?:\d+\.\d*|\.\d+))"
    rb"|(?P<int>[+-]?\d{1,18})(?![^\0\t\n\x0c\r ()<>\[\]{}/%])"
    rb"|(?P<word>true|false|null|endobj|stream|endstream)(?![^\0\t\n\x0c\r ()<>\[\]{}/%]))"
)
_NAME, _DICT, _END_DICT, _ARRAY, _END_ARRAY, _STRING_START, _HEX, _REF, _NUM, _GEN, _REAL, _INT, _WORD = range(1, 14)  # its groups
DEEPEST = 32


class Unusual(Exception):
    """Not one of the common shapes; the full path decides."""


class TooMany(Unusual):
    """More of something than anybody needs: a bomb, for every reader."""


class Name(bytes):
    """A PDF name without its slash."""

    __slots__ = ()


class Ref(NamedTuple):
    """An indirect reference."""

    num: int
    gen: int


class Word(bytes):
    """A keyword."""

    __slots__ = ()


@dataclass(slots=True)
class Stream:
    """A stream: its dictionary, and where its raw bytes begin in the file."""

    dict: dict[bytes, object]
    start: int
    length: int


@dataclass(slots=True)
class Indirect:
    """An indirect object as it stands in the file: [`start`, `end`) from its number to after endobj."""

    num: int
    gen: int
    value: object
    start: int
    end: int


class Entry(NamedTuple):
    """Where an object is: `kind` ``n`` (offset, generation), ``c`` (container, index) or ``f`` (free)."""

    kind: str
    where: int
    more: int


def parse(data: bytes, at: int = 0, depth: int = 0) -> tuple[object, int]:
    """One object of `data` at `at`, and where it ends.

    Raises:
        Unusual: not a regular object.
    """
    match = _TOKEN.match(data, at)
    if match is None or depth > DEEPEST:
        raise Unusual(f"token at {at}")
    return _object(data, match, depth)


def _object(data: bytes, match: re.Match[bytes], depth: int) -> tuple[object, int]:
    """The object that begins with the token `match`, and where it ends. Groups by number: this is asked for every token of every file."""
    end, kind = match.end(), match.lastindex
    if kind == _NAME:
        raw = match[_NAME]
        return (_name(raw) if b"#" in raw else Name(raw)), end
    if kind == _REF:
        return Ref(int(match[_NUM]), int(match[_GEN])), end
    if kind == _INT:
        return int(match[_INT]), end
    if kind == _DICT:
        return _dict(data, end, depth)
    if kind == _ARRAY:
        return _array(data, end, depth)
    if kind == _HEX:
        return _hex(match[_HEX]), end
    if kind == _STRING_START:
        return _string(data, end)
    if kind == _REAL:
        return float(match[_REAL]), end
    if kind == _WORD:
        word = match[_WORD]
        return {b"true": True, b"false": False, b"null": None}.get(word, Word(word)), end
    return Word(b">>" if kind == _END_DICT else b"]"), end


def _dict(data: bytes, at: int, depth: int) -> tuple[dict[bytes, object], int]:
    found: dict[bytes, object] = {}
    token, deeper = _TOKEN.match, depth + 1
    while True:
        match = token(data, at)
        if match is None or match.lastindex != _NAME:
            if match is not None and match.lastindex == _END_DICT:
                return found, match.end()
            raise Unusual(f"dictionary key at {at}")
        raw = match[_NAME]
        key = bytes(_name(raw)) if b"#" in raw else raw
        if key in found:
            raise Unusual(f"dictionary key at {at}")
        at = match.end()
        match = token(data, at)
        if match is None or deeper > DEEPEST:
            raise Unusual(f"token at {at}")
        value, at = _object(data, match, deeper)
        if isinstance(value, Word):
            raise Unusual(f"dictionary value at {at}")
        found[key] = value


def _array(data: bytes, at: int, depth: int) -> tuple[list[object], int]:
    found: list[object] = []
    token, deeper = _TOKEN.match, depth + 1
    while True:
        match = token(data, at)
        if match is None or deeper > DEEPEST:
            raise Unusual(f"token at {at}")
        if match.lastindex == _END_ARRAY:
            return found, match.end()
        value, at = _object(data, match, deeper)
        if isinstance(value, Word):
            raise Unusual(f"array item at {at}")
        found.append(value)


def _name(raw: bytes) -> Name:
    if b"#" not in raw:
        return Name(raw)
    if re.search(rb"#(?![0-9A-Fa-f]{2})", raw):
        raise Unusual("name escape")
    return Name(re.sub(rb"#([0-9A-Fa-f]{2})", lambda m: bytes((int(m[1], 16),)), raw))


def _hex(digits: bytes) -> bytes:
    digits = digits.translate(None, WHITE)
    return binascii.unhexlify(digits + b"0" if len(digits) % 2 else digits)


_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\x0c", b"(": b"(", b")": b")", b"\\": b"\\"}
_STRING = re.compile(rb"[^()\\\r]+|\\([nrtbf()\\])|\\([0-7]{1,3})|\\(?:\r\n|\r|\n)|\\|(\()|(\))|\r\n?")


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    """A literal string (7.3.4.2); `at` is after its opening parenthesis."""
    parts, depth = [], 0
    while True:
        match = _STRING.match(data, at)
        if match is None:
            raise Unusual("string is cut short")
        at = match.end()
        if match[1]:
            parts.append(_ESCAPES[match[1]])
        elif match[2]:
            parts.append(bytes((int(match[2], 8) & 0xFF,)))
        elif match[3]:
            depth += 1
            parts.append(b"(")
        elif match[4]:
            if not depth:
                return b"".join(parts), at
            depth -= 1
            parts.append(b")")
        elif match[0][:1] == b"\r":
            parts.append(b"\n")
        elif match[0][:1] != b"\\":
            parts.append(match[0])
