"""definite — a CMS value with indefinite lengths (BER) put into definite ones, and not a byte of it changed otherwise.

NSS, Bouncy Castle and Windows write such values. To decode and encode them anew would also drop what DER
leaves out (a default that was written down), and with it bytes that were signed; RFC 5652 5.4 and 5.6.
"""

from __future__ import annotations

from signing.der import OCTETS, read
from signing.errors import NotDer

DEEPEST = 40
"""Values inside one another; a CMS value with a time-stamp has some twenty-five."""
_INDEFINITE, _PARTS, _CONSTRUCTED = 0x80, 0x24, 0x20


def definite(data: bytes) -> bytes:
    """The value at the start of `data` with definite lengths, string parts joined; what follows it are zeros.

    Raises:
        NotDer: neither DER nor BER of indefinite lengths, nested too deeply, or followed by anything else.
    """
    value, end = _value(data, 0, len(data), 0)
    if data[end:].strip(b"\0"):
        raise NotDer("bytes after the value")
    return value


def _value(data: bytes, at: int, limit: int, depth: int) -> tuple[bytes, int]:
    """The value at `at` and where the next one begins."""
    if depth > DEEPEST:
        raise NotDer("nested too deeply")
    if data[at + 1 : at + 2] != bytes([_INDEFINITE]):
        item = read(data, at, limit)
        if not item.tag & _CONSTRUCTED:
            return item.raw, item.end
        parts, _ = _inside(data, item.content, item.end, depth, closed=False)
        return (item.raw if b"".join(parts) == item.body and item.tag != _PARTS else _encoded(item.tag, parts)), item.end
    tag = data[at]
    if not tag & _CONSTRUCTED or tag & 0x1F == 0x1F:
        raise NotDer(f"length at {at}")
    parts, end = _inside(data, at + 2, limit, depth, closed=True)
    return _encoded(tag, parts), end


def _inside(data: bytes, at: int, limit: int, depth: int, *, closed: bool) -> tuple[list[bytes], int]:
    """The values from `at` up to `limit`, or up to the two zeros that close them."""
    parts: list[bytes] = []
    while at < limit:
        if closed and data[at : min(at + 2, limit)] == b"\0\0":
            return parts, at + 2
        part, at = _value(data, at, limit, depth + 1)
        parts.append(part)
    if closed:
        raise NotDer(f"value is not closed at {at}")
    return parts, at


def _encoded(tag: int, parts: list[bytes]) -> bytes:
    if tag == _PARTS:
        tag, body = OCTETS, b"".join(read(part).expect(OCTETS).body for part in parts)
    else:
        body = b"".join(parts)
    if len(body) < _INDEFINITE:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body
