"""A2 signature wrapping, and byte ranges whose gap is not exactly one hex string though the digest holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from tests.security.attacks.builders import STYLES, Pdf, objects_of, stream, table, update
from tests.security.attacks.drafts import CATALOG, CONTENT, FONTS, FORGED, PAGE, draft
from tests.security.attacks.signer import Plan, sign
from tests.security.attacks.workshop import Case, Workshop

WRAPS = ("content", "page", "catalog")


def _parts(pdf: Pdf) -> tuple[int, int, int]:
    """b, c and d of the newest signature."""
    return tuple(int(n) for n in re.findall(rb"/ByteRange \[0 (\d+) (\d+) (\d+)", pdf.data)[-1])  # type: ignore[return-value]


def _forged(pdf: Pdf, what: str) -> dict[int, bytes]:
    new = pdf.size
    if what == "content":
        return {CONTENT: stream(FORGED)}
    if what == "page":
        return {PAGE: pdf.body(PAGE).replace(b"/Contents 4 0 R", b"/Contents %d 0 R" % new), new: stream(FORGED)}
    page = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources << %s >> >>" % (new + 1, new + 2, FONTS)
    tree = {new: page, new + 1: b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % new, new + 2: stream(FORGED)}
    return {**tree, CATALOG: pdf.body(CATALOG).replace(b"/Pages 2 0 R", b"/Pages %d 0 R" % (new + 1))}


def wrap(style: str, what: str, range_last: bool, trailer: bool, w: Workshop) -> bytes:
    """The signed second part moves back; its place is taken by objects and a table of the attacker.

    The digest and the CMS still hold over the two original parts.
    """
    pdf = w.base("wrapped", style)
    b, c, d = _parts(pdf)
    first, gap, second = pdf.data[:b], pdf.data[b:c], pdf.data[c:]
    cms = b"<" + _stripped(gap) + b">"
    moved = len(pdf.data) + 40_000
    entry = b" /ByteRange [0 %d %d %d] " % (b, moved, d)
    objects = _forged(pdf, what)
    out = bytearray(first + cms + (b"" if range_last else entry + b">>\nendobj\n"))
    if range_last:
        # The dictionary stays open over a string that hides the objects.
        out += b" /Reason (x)" + entry + b">>\nendobj\n"
    offsets = objects_of(out, objects, b"\n")
    rows = {n: pdf.place(n) for n in pdf.bodies if re.search(rb"[\r\n]%d 0 obj" % n, first)}
    rows |= offsets
    rows[_number(first)] = first.rindex(b"%d 0 obj" % _number(first))
    assert len(out) < pdf.start, "the table must stand where the signed startxref points"
    out += b"%" + b"x" * (pdf.start - len(out) - 2) + b"\n"
    out += table(rows, b"\n", first=True)
    if trailer:
        size = max(rows) + 1
        out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % size
    out += b"%" + b"y" * (moved - len(out) - 2) + b"\n"
    return bytes(out + second)


def _stripped(gap: bytes) -> bytes:
    size = 4 + int.from_bytes(bytes.fromhex(gap[5:9].decode()), "big")
    return gap[1 : 1 + 2 * size]


def _number(first: bytes) -> int:
    return int(re.findall(rb"[\r\n](\d+) 0 obj", first)[-1])


SPREADS = {
    "gap-starts-before-space": lambda b, c, end: (0, b - 1, c, end - c),
    "gap-holds-key": lambda b, c, end: (0, b - len(b"/Contents "), c, end - c),
    "gap-holds-range": lambda b, c, end: (0, b - 75, c, end - c),
    "gap-after-angle": lambda b, c, end: (0, b + 1, c, end - c),
    "gap-before-angle": lambda b, c, end: (0, b, c - 1, end - c + 1),
    "gap-inside-angles": lambda b, c, end: (0, b + 1, c - 1, end - c + 1),
    "gap-one-more-after": lambda b, c, end: (0, b, c + 1, end - c - 1),
    "gap-holds-time": lambda b, c, end: (0, b, c + 30, end - c - 30),
    "gap-to-endobj": lambda b, c, end: (0, b, c + 60, end - c - 60),
    "no-second-part": lambda b, c, end: (0, b, c, 0),
    "second-part-one-byte": lambda b, c, end: (0, b, c, 1),
    "ends-before-eof": lambda b, c, end: (0, b, c, end - c - 6),
    "ends-in-eof": lambda b, c, end: (0, b, c, end - c - 3),
    "ends-before-table": lambda b, c, end: (0, b, c, 60),
    "starts-at-1": lambda b, c, end: (1, b - 1, c, end - c),
    "starts-after-header": lambda b, c, end: (9, b - 9, c, end - c),
    "three-parts": lambda b, c, end: (0, 40, 40, b - 40, c, end - c),
    "three-parts-with-hole": lambda b, c, end: (0, 400, 500, b - 500, c, end - c),
    "one-part": lambda b, c, end: (0, b),
    "four-parts-empty": lambda b, c, end: (0, b, c, end - c, end, 0),
    "parts-swapped": lambda b, c, end: (c, end - c, 0, b),
    "part-twice": lambda b, c, end: (0, b, 0, b),
}


def spread(style: str, name: str, first: bool, w: Workshop) -> bytes:
    """A signature over an odd range, made by the signer: every digest holds."""
    return sign(draft(STYLES[style]), Plan(w.cms(w.agency), spread=SPREADS[name], contents_first=first)).data


def padding(style: str, filler: bytes, w: Workshop) -> bytes:
    """Something else than zeros behind the CMS."""
    return sign(draft(STYLES[style]), Plan(w.cms(w.agency), filler=filler)).data


def gap_content(kind: str, w: Workshop) -> bytes:
    """The room behind the CMS, which no digest covers, rewritten in place."""
    pdf = w.base("plain", "table-lf")
    b, c, _ = _parts(pdf)
    gap = pdf.data[b:c]
    used = len(_stripped(gap)) + 1
    room = c - b - used
    text = {
        "closed-early": b">" + b" " * (room - 1),
        "closed-early-twice": b"> /Reason (moi) /X <" + b"0" * (room - 21) + b">",
        "white-space": b" " * (room - 1) + b">",
        "comment": b"%" + b"0" * (room - 2) + b">",
        "odd-digits": b"0" * (room - 2) + b" >",
        "not-hex": b"zz" + b"0" * (room - 3) + b">",
        "range-inside": b"> /ByteRange [0 %d %d 10] /X <" % (b, c) + b"0" * (room - len(b"> /ByteRange [0 %d %d 10] /X <" % (b, c)) - 1) + b">",
        "second-cms": _stripped(gap)[: room - 1].ljust(room - 1, b"0") + b">",
        "line-ends": (b"\n" * 64).ljust(room - 1, b"0") + b">",
    }[kind]
    assert len(text) == room
    return pdf.data[: b + used] + text + pdf.data[c:]


GAPS = ("closed-early", "closed-early-twice", "white-space", "comment", "odd-digits", "not-hex", "range-inside", "second-cms", "line-ends")


def range_changed(shape: str, style: str, values: str, w: Workshop) -> bytes:
    """The range of an existing signature widened around appended content."""
    pdf = w.base(shape, style)
    longer = update(pdf, {CONTENT: stream(FORGED)}).data
    b, c, d = _parts(pdf)
    numbers = {"to-new-end": (0, b, c, len(longer) - c), "second-part-last": (0, b, len(longer) - d, d), "moved": (0, b, c + 2, d - 2)}[values]
    at = longer.rindex(b"/ByteRange [", 0, b + c) + len(b"/ByteRange ")
    text = (b"[" + b" ".join(b"%d" % n for n in numbers) + b"]").ljust(60)
    return longer[:at] + text + longer[at + 60 :]


def cases() -> Iterator[Case]:
    for style in ("table-lf", "table-crlf", "stream-lf"):
        for what in WRAPS:
            for last in (False, True):
                for trailer in (True, False):
                    name = f"wrap-{what}-range-{'last' if last else 'first'}-{'own' if trailer else 'no'}-trailer@{style}"
                    yield Case("A2", name, partial(wrap, style, what, last, trailer))
    for name in SPREADS:
        yield Case("A2", f"{name}@table-lf", partial(spread, "table-lf", name, False))
    for name in ("gap-holds-time", "gap-to-endobj", "gap-holds-key", "starts-at-1", "no-second-part", "ends-before-eof"):
        yield Case("A2", f"{name}-contents-first@stream-lf", partial(spread, "stream-lf", name, True))
    for filler in (b"f", b"1"):
        yield Case("A2", f"padding-{filler.decode()}", partial(padding, "table-lf", filler))
    for kind in GAPS:
        yield Case("A2", f"room-{kind}", partial(gap_content, kind))
    for shape, style in (("plain", "table-lf"), ("p2", "objects-lf")):
        for values in ("to-new-end", "second-part-last", "moved"):
            yield Case("A2", f"range-{values}@{shape}-{style}", partial(range_changed, shape, style, values))
