"""pdf_bytes — what the bytes of a signed PDF must look like, whatever a parser makes of them.

signing.md 7 rule 3 (nothing after the end) and rule 4 (the byte range has
exactly one gap, filled by one hex string that is the signature parsed).
"""

from __future__ import annotations

import binascii
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from pyhanko.pdf_utils import generic
from pyhanko.sign.fields import enumerate_sig_fields

from signing.der import size_of
from signing.verify_pdf.pdf_objects import Unusual, parse

LARGEST_DICTIONARY = 4 << 20
MOST_TAIL = 65536
WINDOW = 65536
BLOCK = 1 << 20
_WHITE = b" \t\r\n\x0c\x00"
_RANGE = re.compile(rb"/ByteRange\s*\[")
_ANY_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})[ \t\r\n\x0c\x00]++\d{1,5}[ \t\r\n\x0c\x00]++obj(?![A-Za-z0-9])")
# As any reader that rebuilds the cross-references could take it: comments, other white space, signs, or none.
_GAP = rb"(?:[\0\t\n\x0b\x0c\r ]|%[^\r\n]{0,80}[\r\n])"
_SOME_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})(?:" + _GAP + rb"++[+-]?\d{1,5}" + _GAP + rb"*+)obj(?![A-Za-z0-9])")
_AFTER_SECTION = re.compile(rb".?[\0\t\n\x0c\r ]*(?:(?:trailer[\0\t\n\x0c\r ]*)?(?P<trailer>(?=<<))|(?:endstream[\0\t\n\x0c\r ]*)?endobj)", re.DOTALL)
_CLOSING = re.compile(rb"(?:[\0\t\n\x0c\r ]++|%(?!%EOF)[^\r\n]*+[\r\n])*+startxref[\0\t\n\x0c\r ]+(\d{1,12})[\0\t\n\x0c\r ]+%%EOF[\0\t\n\x0c\r ]*", re.DOTALL)


@dataclass(slots=True)
class TamperSigns:
    """What was seen, in words for a technician. `ends` are range ends in order of check."""

    found: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, sign: str) -> None:
        """Note a sign once."""
        if sign not in self.found:
            self.found.append(sign)


def check_end(file: IO[bytes], reader: Any, signs: TamperSigns) -> None:
    """After the last cross-reference section only its own startxref and the end mark, then white space."""
    sections = [reader.xrefs.get_xref_container_info(i) for i in range(reader.xrefs.total_revisions)]
    size, end = file.seek(0, 2), max(s.end_location for s in sections)
    file.seek(max(0, min(end, size) - 1))
    tail = file.read(MOST_TAIL)
    opening = _AFTER_SECTION.match(tail)
    at = opening.end() if opening is not None else 0
    try:
        if opening is not None and opening["trailer"] is not None:
            at = parse(tail, at)[1]
        match = _CLOSING.fullmatch(tail, at) if size - end < MOST_TAIL else None
    except Unusual:
        match = None
    if match is None:
        signs.add("bytes after the last end-of-file mark")
    elif int(match[1]) not in {s.declared_startxref for s in sections[-2:]}:
        signs.add("the last startxref names another section")


def check_listed(file: IO[bytes], reader: Any, signed_end: int, signs: TamperSigns) -> None:
    """Every object written after the first signed revision is one that a cross-reference lists there."""
    xrefs = reader.xrefs
    listed: dict[int, int] = {}
    for index in range(xrefs.total_revisions):
        section = xrefs.get_xref_container_info(index)
        if section.stream_ref is not None:
            listed[section.start_location] = section.stream_ref.idnum
        for reference in xrefs.explicit_refs_in_revision(index):
            place = xrefs.get_historical_ref(reference, index)
            if isinstance(place, int):
                listed[place] = reference.idnum
    for at, data, last in _blocks(file, signed_end, 512):
        for match in _SOME_OBJECT.finditer(data):
            # What starts in the overlap is seen whole in the next block.
            if (last or match.start() < len(data) - 512) and listed.get(at + match.start(1)) != int(match[1]):
                signs.add("an object that no cross-reference lists was added after signing")
                return


def _blocks(file: IO[bytes], start: int, overlap: int) -> Iterator[tuple[int, bytes, bool]]:
    """The file from `start` in blocks that overlap: (offset, bytes, is it the last?)."""
    size, at = os.fstat(file.fileno()).st_size, start
    while at < size:
        data = os.pread(file.fileno(), BLOCK, at)
        last = at + len(data) >= size
        yield at, data, last
        if last:
            return
        at += len(data) - overlap


def count_ranges(file: IO[bytes]) -> int:
    """How many byte-range arrays the raw file shows."""
    return sum(1 for _, data, last in _blocks(file, 0, 64) for m in _RANGE.finditer(data) if last or m.start() < len(data) - 64)


def filled_fields(reader: Any) -> list[str]:
    """Names of signature fields with a value, by our own walk of the form."""
    return [name for name, value, _ in enumerate_sig_fields(reader) if value is not None]


def check_range(file: IO[bytes], reader: Any, embedded: Any, signs: TamperSigns) -> None:
    """The byte range of one signature, against the bytes of the file."""
    name = str(embedded.field_name)
    values = [int(v) for v in embedded.sig_object["/ByteRange"]]
    size = file.seek(0, 2)
    if len(values) != 4 or values[0] != 0 or min(values) < 0:
        signs.add(f"{name}: byte range is not [0 b c d]")
        return
    _, b, c, d = values
    if not 0 < b < c or d <= 0 or c + d > size:
        signs.add(f"{name}: byte range leaves the file")
        return
    fd = file.fileno()
    _check_gap(os.pread(fd, c - b, b), embedded, name, signs)
    if not os.pread(fd, 16, max(0, c + d - 16)).rstrip(_WHITE).endswith(b"%%EOF"):
        signs.add(f"{name}: byte range does not end at a revision")
    before = os.pread(fd, min(b, WINDOW), max(0, b - WINDOW))
    _check_object(before, embedded, name, reader, signs)
    _check_dictionary(before, os.pread(fd, min(c + d - b, LARGEST_DICTIONARY), b), name, signs)
    if b"endobj" not in os.pread(fd, min(d, WINDOW), c):
        signs.add(f"{name}: signature object is not closed in its own range")
    if signs.ends and c + d <= signs.ends[-1]:
        signs.add(f"{name}: byte ranges do not grow")
    signs.ends.append(c + d)


def _check_dictionary(before: bytes, after: bytes, name: str, signs: TamperSigns) -> None:
    """The signature dictionary reads the same in every parser: no key twice, no odd token."""
    start = _opened(before)
    try:
        if start is None:
            raise Unusual
        value, _ = parse(before[start.end() :] + after)
        if not isinstance(value, dict) or b"ByteRange" not in value:
            raise Unusual
    except Unusual:
        signs.add(f"{name}: the signature dictionary is not regular")


def _check_gap(gap: bytes, embedded: Any, name: str, signs: TamperSigns) -> None:
    if not (gap.startswith(b"<") and gap.endswith(b">")):
        signs.add(f"{name}: the gap is not one hex string")
        return
    try:
        contents = binascii.unhexlify(gap[1:-1])
    except binascii.Error:
        signs.add(f"{name}: the gap is not one hex string")
        return
    parsed = embedded.sig_object.raw_get("/Contents")
    original = parsed.original_bytes if isinstance(parsed, generic.TextStringObject) else bytes(parsed)
    if contents != original:
        signs.add(f"{name}: the gap is not the signature that was parsed")
    if contents[size_of(contents) :].strip(b"\0"):
        signs.add(f"{name}: the padding of the signature is not empty")


def _check_object(before: bytes, embedded: Any, name: str, reader: Any, signs: TamperSigns) -> None:
    reference = getattr(embedded.sig_object, "container_ref", None)
    if not isinstance(reference, generic.Reference):
        signs.add(f"{name}: signature is not an indirect object")
        return
    if _opening(before) != reference.idnum:
        signs.add(f"{name}: signature object does not open in front of its gap")
    # An earlier object of this number does not matter: what was signed is the newest one in the signed bytes.
    if reader.xrefs.get_last_change(reference) != embedded.signed_revision:
        signs.add(f"{name}: signature object was redefined later")


def _opening(before: bytes) -> int | None:
    """Number of the last object opened in `before`."""
    found = _opened(before)
    return int(found[1]) if found is not None else None


def _opened(before: bytes) -> re.Match[bytes] | None:
    found = list(_ANY_OBJECT.finditer(before))
    return found[-1] if found else None
