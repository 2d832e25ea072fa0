"""payload — base64 text in, bytes on disk out, whatever the size.

A payload that is not base64 does not end the reading: the damage is noted, so
that one report can name everything that is wrong with a package.
"""

from __future__ import annotations

import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pybase64

PAYLOAD = "ContentTransferEncoded"
HEAD = 512  # bytes kept for telling the type
_WHOLE, _SAMPLE = 4 << 20, 32 << 10  # a text round trip damages a file everywhere, so parts of a large one tell enough
_REPLACEMENT = b"\xef\xbf\xbd"
_SPACES = (b"\n", b"\r", b" ", b"\t")
_SPACE = b" \t\r\n"


@dataclass(slots=True)
class Payload:
    """A decoded attachment body in a file. `sha256` is lower hex; `damage` is "" or what is wrong with it.

    `replacements` counts U+FFFD in UTF-8 within `scanned` bytes (all of a small file,
    a part of every piece of a large one): thousands of them are the trace of a text round trip.
    """

    path: Path
    size: int
    sha256: str
    head: bytes
    replacements: int
    scanned: int
    damage: str = ""


class Decoder:
    """Decodes one payload, piece by piece, into the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fresh = True
        self.damage = ""
        self._file: IO[bytes] = path.open("wb")
        self._hash, self._rest, self._size, self._head = hashlib.sha256(), b"", 0, b""
        self._replacements, self._scanned, self._padded = 0, 0, False

    def text(self, text: str) -> None:
        """The next characters of the text node."""
        try:
            self.feed(text.encode("ascii"))
        except UnicodeEncodeError:
            self.damaged("not base64")

    def feed(self, data: bytes) -> None:
        """The next bytes of the text node; white space is skipped."""
        self.fresh = False
        if self.damage:
            return
        if any(space in data for space in _SPACES):
            data = data.translate(None, _SPACE)
        if self._rest:
            data = self._rest + data
        odd = len(data) % 4
        self._rest = data[-odd:] if odd else b""
        if len(data) > odd:
            self._decode(data[:-odd] if odd else data)

    def damaged(self, why: str) -> None:
        """Note what is wrong; the first cause is kept."""
        self.fresh = False
        self.damage = self.damage or why

    def _decode(self, data: bytes) -> None:
        if self._padded:
            self.damaged("base64 goes on after its padding")
            return
        try:
            decoded = pybase64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            self.damaged("not base64")
            return
        self._padded = data.endswith(b"=")
        self.bytes(decoded)

    def bytes(self, decoded: bytes) -> None:
        """The next bytes of the attachment itself."""
        self._hash.update(decoded)
        self._size += len(decoded)
        if len(self._head) < HEAD:
            self._head += decoded[: HEAD - len(self._head)]
        end = len(decoded) if self._size < _WHOLE else min(_SAMPLE, len(decoded))
        self._replacements += decoded.count(_REPLACEMENT, 0, end)
        self._scanned += end
        self._file.write(decoded)

    def close(self) -> Payload:
        """The payload is complete."""
        self._file.close()
        if self._rest:
            self.damaged("base64 is cut short")
        return Payload(self.path, self._size, self._hash.hexdigest(), self._head, self._replacements, self._scanned, self.damage)

    def abandon(self) -> None:
        """Let go of a half-written file."""
        self._file.close()
        self.path.unlink(missing_ok=True)
