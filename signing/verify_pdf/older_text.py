"""older_text — where the revisions before an update already name an object that the update defines or rewrites.

A lawful change becomes an unlawful one when what it touches is reached another way as well: a page
that names a number nobody has defined yet gains content from "validation data", and an array that
is both /Certs and /Contents lends a page a new stream. So new numbers must not be named at all,
and rewritten objects only behind the keys of their lawful place. Bytes are searched, not parsed:
readers differ in what they take for a reference, and whatever one of them could take counts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import Unusual

LARGEST_SCAN = 8 << 20
_SPACE = rb"(?:[\0\t\n\x0b\x0c\r ]++|%[^\r\n]*+[\r\n])"
# Also as lenient readers see it: signs, fractions, and no space in front of the R.
_REFERENCE = re.compile(rb"(\d+)(?:\.\d*+)?" + _SPACE + rb"++[+-]*+\d++(?:\.\d*+)?" + _SPACE + rb"*+R")
_KEY = re.compile(rb"/([^\0\t\n\x0c\r ()<>\[\]{}/%]+)[\0\t\n\x0c\r ]+0*\Z")
_LOOK_BACK = 64


def check_older_text(pdf: PdfFile, revision: int, new: Collection[int], rewritten: Mapping[int, Collection[bytes]]) -> None:
    """Nothing up to `revision` (index) names a `new` number, nor a `rewritten` one but behind one of its keys.

    Raises:
        Unusual: something does, or the file is too large to look.
    """
    for text in _texts(pdf, revision):
        for number in new:
            for _ in _references(text, number):
                raise Unusual("dangling reference")
        for number, keys in rewritten.items():
            for at in _references(text, number):
                key = _KEY.search(text, max(0, at - _LOOK_BACK), at)
                if key is None or key[1] not in keys:
                    raise Unusual("a rewritten object is used elsewhere")


def names(text: bytes, number: int) -> bool:
    """Does `text` refer to an object number, in any spelling that some reader follows?"""
    return next(_references(text, number), None) is not None


def named_in(text: bytes) -> set[int]:
    """Every number that `text` refers to, in any spelling that some reader follows."""
    return {int(match[1][-10:]) for match in _REFERENCE.finditer(text)}


def _texts(pdf: PdfFile, revision: int) -> list[bytes]:
    end = pdf.revisions[revision].end
    if end > LARGEST_SCAN:
        raise Unusual("too large to look for references")
    found = [pdf.read(0, end)]
    containers = {e.where for s in pdf.revisions[: revision + 1] if s.widths for _, e in s.entries() if e.kind == "c"}
    for number in containers:
        entry = pdf.find(number, revision)
        if entry is None or entry.kind != "n":
            raise Unusual("object stream")
        found.append(pdf.decoded_objects(number, entry)[0])
    return found


def _references(text: bytes, number: int) -> Iterator[int]:
    """Offsets at which `text` refers to `number`, whatever zeros stand in front of it."""
    digits = b"%d" % number
    at = text.find(digits)
    while at >= 0:
        if (match := _REFERENCE.match(text, at)) and match[1] == digits:
            start = at
            while start and text[start - 1 : start] == b"0":
                start -= 1
            if not text[max(0, start - 1) : start].isdigit():
                yield at
        at = text.find(digits, at + 1)
