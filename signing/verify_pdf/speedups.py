"""speedups — three slow places of pyHanko and asn1crypto, replaced without changing what they mean.

The hex reader makes one Python call per digit, which is also a way to exhaust a verifier;
names are prepared by RFC 4518 for every comparison. Importing this module applies them.
"""

from __future__ import annotations

import binascii
import logging
from functools import lru_cache
from typing import Any

from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfStreamError

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
setattr(asn1_x509.NameTypeAndValue, "_ldap_string_prep", lambda _self, text: _prepared(text))  # noqa: B010
setattr(asn1_x509.Name, "__eq__", _name_equality)  # noqa: B010
APPLIED = True
