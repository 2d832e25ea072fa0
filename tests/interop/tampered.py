"""Copies of a properly signed document, each changed in one way. We refuse all; what others make of them is a table, not a test.

The document has two signatures (RSA-2048, PKCS#1 v1.5, PAdES B-B, classic
cross-reference table), which every tool here can judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.interop.tools import cuts

Change = Callable[[bytes], bytes]
BASE = ("rsa-2048-pkcs1", "B-B", "classic", "two")  # the values of a `material.Case`


def update(data: bytes, objects: dict[int, bytes]) -> bytes:
    """A well-formed incremental update that replaces or adds `objects`."""
    previous = int(re.findall(rb"startxref\s+(\d+)", data)[-1])
    size = max(*(int(n) for n in re.findall(rb"/Size (\d+)", data)), *(n + 1 for n in objects))
    out, offsets = bytearray(data), {}
    for number, body in sorted(objects.items()):
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n" + b"".join(b"%d 1\n%010d 00000 n \n" % pair for pair in offsets.items())
    out += b"trailer\n<< /Size %d /Root 1 0 R /Prev %d /ID [<00> <00>] >>\nstartxref\n%d\n%%%%EOF\n" % (size, previous, start)
    return bytes(out)


def latest(data: bytes, number: int) -> bytes:
    """The newest body of an object."""
    return list(re.finditer(rb"(?<!\d)%d 0 obj\s(.*?)\s*endobj" % number, data, re.S))[-1].group(1)


def page_with(data: bytes, addition: bytes) -> bytes:
    """The page object with `addition` in it; the widgets it lists stay."""
    body = latest(data, 3)
    if addition.startswith(b"/Annots") and b"/Annots" in body:
        return re.sub(rb"/Annots\s*\[", lambda m: m.group() + addition[len(b"/Annots [") : -1] + b" ", body)
    return body[: body.rindex(b">>")] + addition + b" >>"


def stream(text: bytes, extra: bytes = b"") -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (extra, len(text), text)


FORGED = stream(b"BT /F1 18 Tf 72 720 Td (Quyet dinh gia mao) Tj ET")


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + (b"0" if data[place : place + 1] != b"0" else b"1") + data[place + 1 :]


def gap(data: bytes) -> tuple[int, int]:
    """Where the hex digits of the newest signature begin, and how many belong to the CMS itself."""
    _, size, _, _ = (int(n) for n in re.findall(rb"/ByteRange\s*\[(\d+) (\d+) (\d+) (\d+)", data)[-1])
    return size + 1, 2 * len(cuts(data)[-1].der)


def signature_value(data: bytes) -> bytes:
    start, size = gap(data)
    return flipped(data, start + size - 20)


def no_cms(data: bytes) -> bytes:
    start, size = gap(data)
    return data[:start] + b"0" * size + data[start + size :]


def padding(data: bytes) -> bytes:
    start, size = gap(data)
    return data[: start + size + 200] + b"deadbeef" * 40 + data[start + size + 520 :]


def shorter_range(data: bytes) -> bytes:
    """The newest byte range leaves the last bytes out."""
    match = list(re.finditer(rb"/ByteRange\s*\[(\d+) (\d+) (\d+) (\d+)", data))[-1]
    rest = b"%d" % (int(match.group(4)) - 20)
    return data[: match.start(4)] + rest.ljust(len(match.group(4))) + data[match.end(4) :]


def annotation(data: bytes) -> bytes:
    size = max(int(n) for n in re.findall(rb"/Size (\d+)", data))
    look = stream(b"1 1 1 rg 0 0 400 60 re f 0 g BT /F1 18 Tf 5 20 Td (Gia mao) Tj ET", b"/Type /XObject /Subtype /Form /BBox [0 0 400 60]")
    note = b"<< /Type /Annot /Subtype /Stamp /Rect [60 700 460 760] /F 4 /P 3 0 R /AP << /N %d 0 R >> >>" % (size + 1)
    return update(data, {3: page_with(data, b"/Annots [%d 0 R]" % size), size: note, size + 1: look})


def text_field(data: bytes) -> bytes:
    size = max(int(n) for n in re.findall(rb"/Size (\d+)", data))
    body = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (Them) /V (Gia mao) /F 4 /Rect [60 700 460 760] /P 3 0 R >>"
    return update(data, {3: page_with(data, b"/Annots [%d 0 R]" % size), size: body})


def without_form(data: bytes) -> bytes:
    return update(data, {1: b"<< /Type /Catalog /Pages 2 0 R >>"})


def first_revisions(data: bytes) -> bytes:
    """What was there before the agency signed: everything after the person's revision is cut off."""
    return data[: [m.end() for m in re.finditer(rb"%%EOF\s*", data)][-2]]


FAMILIES: dict[str, Change] = {
    "content byte changed": lambda d: d.replace(b"Cong van", b"Cong vaN"),
    "signature value changed": signature_value,
    "CMS replaced by zeros": no_cms,
    "byte range shortened": shorter_range,
    "bytes hidden in the padding of /Contents": padding,
    "page content replaced by an update": lambda d: update(d, {4: FORGED}),
    "page replaced by an update": lambda d: update(d, {3: page_with(d, b"/Rotate 180")}),
    "page tree emptied by an update": lambda d: update(d, {2: b"<< /Type /Pages /Kids [] /Count 0 >>"}),
    "annotation laid over the text": annotation,
    "text field added": text_field,
    "form removed from the catalog": without_form,
    "object appended without a table": lambda d: d + b"4 0 obj\n" + FORGED + b"\nendobj\n",
    "object and trailer appended after the end": lambda d: d + b"4 0 obj\n" + FORGED + b"\nendobj\ntrailer << /Root 1 0 R >>\nstartxref\n0\n",
    "garbage after the end": lambda d: d + b"garbage",
    "whole file doubled": lambda d: d + d,
    "agency's signature cut off": first_revisions,
    "last bytes cut off": lambda d: d[:-40],
}
# Changes that every verifier of signatures must see: were one to pass, the tool is not being asked properly.
PLAIN = ("content byte changed", "signature value changed", "CMS replaced by zeros")
