"""embedded — which files a package carries: digests of all base64 texts in its exact bytes, found by stream.

No XML is interpreted: every run of text between two tags that is base64 throughout is
decoded and hashed. A file with such a digest is in the sealed bytes, whatever the dialect.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable

_BLANK = b" \t\r\n"
_SHORTEST = 24  # base64 characters; shorter texts are no documents


class _Run:
    """One text run, decoded as it comes."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.rest, self.length, self.good, self.ended = b"", 0, True, False

    def feed(self, data: bytes) -> None:
        data = data.translate(None, _BLANK)
        if not data or not self.good:
            return
        self.length += len(data)
        data = self.rest + data
        cut = len(data) - len(data) % 4
        self.rest = data[cut:]
        if self.ended and data[:cut]:
            self.good = False
            return
        try:
            self.digest.update(base64.b64decode(data[:cut], validate=True))
        except binascii.Error:
            self.good = False
        self.ended = self.ended or data[:cut].endswith(b"=")


def carried_digests(chunks: Iterable[bytes]) -> frozenset[bytes]:
    """SHA-256 of every base64 text in the package given as `chunks`."""
    found, run, in_tag = set(), _Run(), False
    for chunk in chunks:
        start = 0
        while start < len(chunk):
            end = chunk.find(b">" if in_tag else b"<", start)
            if not in_tag:
                run.feed(chunk[start : end if end >= 0 else len(chunk)])
            if end < 0:
                break
            if not in_tag:
                if run.good and not run.rest and run.length >= _SHORTEST:
                    found.add(run.digest.digest())
                run = _Run()
            in_tag, start = not in_tag, end + 1
    return frozenset(found)
