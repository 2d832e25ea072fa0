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
# Possessive everywhere: a run of white space is never tried in two ways.
_TOKEN = re.compile(
    rb"(?:[\0\t\n\x0c\r ]++|%[^\r\n]*+[\r\n])*+"
    rb"(?:(?P<ref>(?P<num>\d{1,9})[\0\t\n\x0c\r ]+(?P<gen>\d{1,5})[\0\t\n\x0c\r ]+R(?![^\0\t\n\x0c\r ()<>\[\]{}/%]))"
    rb"|(?P<dict><<)|(?P<enddict>>>)|(?P<array>\[)|(?P<endarray>\])"
    rb"|/(?P<name>[^\0\t\n\x0c\r ()<>\[\]{}/%]*)"
    rb"|<(?P<hex>[0-9A-Fa-f\0\t\n\x0c\r ]*)>"
    rb"|(?P<string>\()"
    rb"|(?P<real>[+-]?(?:\d+\.\d*|\.\d+))"
    rb"|(?P<int>[+-]?\d{1,18})(?![^\0\t\n\x0c\r ()<>\[\]{}/%])"
    rb"|(?P<word>true|false|null|endobj|stream|endstream)(?![^\0\t\n\x0c\r ()<>\[\]{}/%]))"
)
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
    end = match.end()
    kind = match.lastgroup
    if kind == "name":
        raw = match["name"]
        return (_name(raw) if b"#" in raw else Name(raw)), end
    if kind == "ref":
        return Ref(int(match["num"]), int(match["gen"])), end
    if kind == "int":
        return int(match["int"]), end
    if kind == "dict":
        return _dict(data, end, depth)
    if kind == "array":
        return _array(data, end, depth)
    if kind == "hex":
        return _hex(match["hex"]), end
    if kind == "string":
        return _string(data, end)
    if kind == "real":
        return float(match["real"]), end
    if kind == "word":
        word = match["word"]
        return {b"true": True, b"false": False, b"null": None}.get(word, Word(word)), end
    return Word(match[kind or 0]), end


def _dict(data: bytes, at: int, depth: int) -> tuple[dict[bytes, object], int]:
    found: dict[bytes, object] = {}
    while True:
        match = _TOKEN.match(data, at)
        kind = match.lastgroup if match is not None else None
        if match is None or kind not in ("name", "enddict"):
            raise Unusual(f"dictionary key at {at}")
        if kind == "enddict":
            return found, match.end()
        raw = match["name"]
        key = bytes(_name(raw)) if b"#" in raw else raw
        if key in found:
            raise Unusual(f"dictionary key at {at}")
        value, at = parse(data, match.end(), depth + 1)
        if isinstance(value, Word):
            raise Unusual(f"dictionary value at {at}")
        found[key] = value


def _array(data: bytes, at: int, depth: int) -> tuple[list[object], int]:
    found: list[object] = []
    while True:
        value, at = parse(data, at, depth + 1)
        if isinstance(value, Word):
            if value == b"]":
                return found, at
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
