"""hashing — every digest of a file in one reading: the whole file's and each signature's.

A signature covers all of a prefix but its gap. Its SHA-256 therefore starts as a copy of the
whole file's running digest at the gap, and only what follows the gap is hashed twice.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import Unusual
from signing.verify_pdf.searching import count

CHUNK = 1 << 20
_MARK = b"/ByteRange"
_OVERLAP = len(_MARK) - 1
_NAMES = {"sha512_224": "sha512_224", "sha512_256": "sha512_256"}


@dataclass(frozen=True, slots=True)
class Range:
    """[0, `gap_start`) and [`gap_end`, `end`) under `digest`."""

    gap_start: int
    gap_end: int
    end: int
    digest: str


@dataclass(frozen=True, slots=True)
class Digests:
    """`whole` is the file's SHA-256; `parts` in the order asked; `marks` how often /ByteRange stands in the file."""

    whole: bytes
    parts: tuple[bytes, ...]
    marks: int


def digests(pdf: PdfFile, ranges: Sequence[Range]) -> Digests:
    """Hash the file once."""
    whole = hashlib.sha256()
    own: list[Any] = [None if r.digest == "sha256" else hashlib.new(_NAMES.get(r.digest, r.digest)) for r in ranges]
    stops = sorted({s for r in ranges for s in (r.gap_start, r.gap_end, r.end)} | {pdf.size})
    # One buffer for the whole file: fresh memory for each block costs as much as reading it. In front
    # of each block stands the end of the last one, so that a mark across both is seen.
    buffer = bytearray(_OVERLAP + min(CHUNK, pdf.size))
    view = memoryview(buffer)[_OVERLAP:]
    at, marks, begin = 0, 0, _OVERLAP
    for stop in stops:
        while at < stop:
            size = os.preadv(pdf.fd, [view[: stop - at]], at)
            if not size:
                raise Unusual("file is shorter than it says")
            for index, r in enumerate(ranges):
                if own[index] is not None and (at < r.gap_start or r.gap_end <= at < r.end):
                    own[index].update(view[:size])
            whole.update(view[:size])
            marks += count(buffer, _MARK, begin, _OVERLAP + size)
            buffer[:_OVERLAP] = buffer[size : size + _OVERLAP]
            begin = max(0, begin - size)
            at += size
        for index, r in enumerate(ranges):
            if r.digest == "sha256" and stop == r.gap_start:
                own[index] = whole.copy()
    return Digests(whole.digest(), tuple(o.digest() for o in own), marks)
