"""speedups — four slow places of pyHanko and asn1crypto, replaced without changing what they mean.

The hex reader makes one Python call per digit, and the search for the end mark four for each byte
behind it, which are also ways to exhaust a verifier; names are prepared by RFC 4518 for every comparison. Importing this module applies them.
"""

from __future__ import annotations

import binascii
import logging
from functools import lru_cache
from typing import Any

from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils import generic, reader
from pyhanko.pdf_utils.misc import PdfReadError, PdfStreamError

LONGEST_HEX = 8 * 1024 * 1024


def _bulk_hex(stream: Any) -> Any:
    """Reads a hex string in blocks, with a limit."""
    stream.read(1)
    start, parts, size = stream.tell(), [], 0
    block_size = 512
    while True:
        block = stream.read(block_size)
        if not block:
            raise PdfStreamError("Unexpected end of hex string")
        end = block.find(b">")
        part = block if end < 0 else block[:end]
        parts.append(part)
        size += len(part)
        if size > LONGEST_HEX:
            raise PdfStreamError("Hex string too long")
        if end >= 0:
            stream.seek(start + size + 1)
            break
        block_size = 65536
    digits = b"".join(parts).translate(None, b" \t\r\n\x0c\x00")
    try:
        return generic.pdf_string(binascii.unhexlify(digits + (b"0" if len(digits) % 2 else b"")))
    except binascii.Error as error:
        raise PdfStreamError("Unexpected token in hex string") from error


def _line_before(stream: Any) -> bytes:
    """The line that ends where `stream` stands, read backwards in blocks; then it stands before the line end in front.

    As pyHanko reads it: of several line ends in a row every second one is looked at.
    """
    end, size, parts = stream.tell() + 1, 512, []
    while True:
        start = max(1, end - size)
        stream.seek(start)
        block = stream.read(end - start)
        if not block or len(block) < end - start:
            raise PdfReadError("EOL marker not found")
        at = max(block.rfind(b"\n"), block.rfind(b"\r"))
        parts.append(block[at + 1 :])
        if at >= 0:
            break
        end, size = start, 65536
    _step_over(stream, start + at - 1)
    return b"".join(reversed(parts))


def _step_over(stream: Any, at: int) -> None:
    """Stand before the line ends of which `at` is the next byte in front."""
    several = False
    while True:
        start = max(0, at - 65534)
        start += (at - start) % 2  # every second byte, `at` among them
        stream.seek(start)
        looked_at = stream.read(at - start + 1)[::2]
        others = looked_at.rstrip(b"\r\n")
        several = several or len(others) < len(looked_at)
        at -= 2 * (len(looked_at) - len(others))
        if at < 1:
            raise PdfReadError("nothing but line ends")
        if others:
            break
    stream.seek(at + 1 if several else at)


_slow_name_equality = asn1_x509.Name.__eq__


def _name_equality(self: Any, other: Any) -> bool:
    """Equal bytes are equal names; RFC 4518 preparation only where bytes differ."""
    if isinstance(other, asn1_x509.Name) and self.dump() == other.dump():
        return True
    return bool(_slow_name_equality(self, other))


_slow_preparation = asn1_x509.NameTypeAndValue._ldap_string_prep


@lru_cache(maxsize=4096)
def _prepared(text: str) -> str:
    """RFC 4518 preparation of a name's text; the same few names come again and again."""
    prepared: str = _slow_preparation(None, text)
    return prepared


# What pyHanko has to say comes back as findings; it should not also write to the terminal.
logging.getLogger("pyhanko").addHandler(logging.NullHandler())
logging.getLogger("pyhanko_certvalidator").addHandler(logging.NullHandler())
setattr(generic, "read_hex_string_from_stream", _bulk_hex)  # noqa: B010
setattr(reader, "read_next_end_line", _line_before)  # noqa: B010
setattr(asn1_x509.NameTypeAndValue, "_ldap_string_prep", lambda _self, text: _prepared(text))  # noqa: B010
setattr(asn1_x509.Name, "__eq__", _name_equality)  # noqa: B010
APPLIED = True
