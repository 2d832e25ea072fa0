"""A1 incremental saving attacks and A3 trailing bytes, unfinished updates, polyglots."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from functools import partial

from tests.security.attacks.builders import Pdf, closing, objects_of, stream, table, update
from tests.security.attacks.drafts import CATALOG, CONTENT, FONT, FONTS, FORGED, PAGE, PAGES, slim
from tests.security.attacks.workshop import Case, Must, Workshop

BASES = (
    ("plain", "table-lf"),
    ("p2", "stream-lf"),
    ("house", "table-lf"),
    ("house", "objects-crlf"),
    ("two", "table-cr"),
    ("lta", "stream-crlf"),
)
FEW = (("plain", "table-lf"), ("house", "stream-lf"))
Change = Callable[[Pdf], dict[int, bytes]]


def _content(pdf: Pdf) -> dict[int, bytes]:
    return {CONTENT: stream(FORGED)}


def _page(pdf: Pdf) -> dict[int, bytes]:
    return {PAGE: pdf.body(PAGE).replace(b"595 842", b"100 100")}


def _page_to_new_content(pdf: Pdf) -> dict[int, bytes]:
    return {pdf.size: stream(FORGED), PAGE: pdf.body(PAGE).replace(b"/Contents 4 0 R", b"/Contents [4 0 R %d 0 R]" % pdf.size)}


def _pages(pdf: Pdf) -> dict[int, bytes]:
    new = pdf.size
    return {**_tree(new), PAGES: b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % new}


def _catalog(pdf: Pdf) -> dict[int, bytes]:
    new = pdf.size
    kept = pdf.body(pdf.root).replace(b"/Pages 2 0 R", b"/Pages %d 0 R" % (new + 2))
    return {**_tree(new, new + 2), new + 2: b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % new, CATALOG: kept}


def _bare_catalog(pdf: Pdf) -> dict[int, bytes]:
    return {CATALOG: b"<< /Type /Catalog /Pages 2 0 R >>", **_content(pdf)}


def _form_gone(pdf: Pdf) -> dict[int, bytes]:
    return {CATALOG: b"<< /Type /Catalog /Pages 2 0 R >>"}


def _font(pdf: Pdf) -> dict[int, bytes]:
    return {FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"}


def _tree(number: int, parent: int = PAGES) -> dict[int, bytes]:
    body = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources << %s >> >>" % (parent, number + 1, FONTS)
    return {number: body, number + 1: stream(FORGED)}


CHANGES: dict[str, Change] = {
    "content": _content,
    "page": _page,
    "page-to-new-content": _page_to_new_content,
    "page-tree": _pages,
    "catalog-new-tree": _catalog,
    "catalog-without-form": _bare_catalog,
    "only-form-gone": _form_gone,
    "font": _font,
}


def complete(shape: str, style: str, change: Change, w: Workshop) -> bytes:
    pdf = w.base(shape, style)
    return update(pdf, change(pdf)).data


def new_root(shape: str, style: str, w: Workshop) -> bytes:
    """Everything under new numbers, the catalog too."""
    pdf = w.base(shape, style)
    made = _catalog(pdf)
    made[pdf.size + 3] = made.pop(CATALOG)
    return update(pdf, made, root=pdf.size + 3).data


def _broken_table(pdf: Pdf, how: str) -> bytes:
    """An update whose table is wrong."""
    nl = pdf.style.nl
    out = bytearray(pdf.data)
    offsets = objects_of(out, {CONTENT: stream(FORGED), pdf.size: b"<< /A 1 >>"}, nl)
    start, size = len(out), pdf.size + 1
    rows = table(offsets, nl)
    match how:
        case "count-too-large":
            rows = rows.replace(b"4 1" + nl, b"4 9" + nl)
        case "count-too-small":
            rows = rows.replace(b"4 1" + nl, b"4 0" + nl)
        case "count-absent":
            rows = rows.replace(b"4 1" + nl, b"4" + nl)
        case "size-too-small":
            size = 3
        case "size-zero":
            size = 0
        case "size-negative":
            size = -1
        case "size-huge":
            size = 2**40
        case "offsets-off-by-one":
            rows = table({n: at + 1 for n, at in offsets.items()}, nl)
        case "offsets-before-header":
            rows = table({n: 0 for n in offsets}, nl)
        case "entries-of-19-bytes":
            rows = rows.replace(b" n ", b" n")
        case "letters":
            rows = rows.replace(b" n", b" x")
        case "startxref-off":
            start += 3
        case "startxref-words":
            return bytes(
                out
                + rows
                + b"trailer << /Size %d /Root %d 0 R /Prev %d >>" % (size, pdf.root, pdf.start)
                + nl
                + b"startxref"
                + nl
                + b"abc"
                + nl
                + b"%%EOF"
                + nl
            )
        case "startxref-negative":
            start = -start
        case "startxref-beyond":
            start *= 5
    out += rows + b"trailer" + nl + b"<< /Size %d /Root %d 0 R /Prev %d >>" % (size, pdf.root, pdf.start) + nl
    return bytes(out + closing(start, nl))


BROKEN = [
    "count-too-large",
    "count-too-small",
    "count-absent",
    "size-too-small",
    "size-zero",
    "size-negative",
    "size-huge",
    "offsets-off-by-one",
    "offsets-before-header",
    "entries-of-19-bytes",
    "letters",
    "startxref-off",
    "startxref-words",
    "startxref-negative",
    "startxref-beyond",
]


def broken_table(shape: str, style: str, how: str, w: Workshop) -> bytes:
    return _broken_table(w.base(shape, style), how)


def _loose_body(pdf: Pdf) -> bytes:
    out = bytearray()
    objects_of(out, {CONTENT: stream(FORGED)}, pdf.style.nl)
    return bytes(out)


def without_table(shape: str, style: str, shift: int, w: Workshop) -> bytes:
    """Body and trailer, startxref pointing `shift` bytes into the old section."""
    pdf, nl = w.base(shape, style), w.base(shape, style).style.nl
    trailer = b"trailer" + nl + b"<< /Size %d /Root %d 0 R /Prev %d >>" % (pdf.size, pdf.root, pdf.start) + nl
    return pdf.data + _loose_body(pdf) + trailer + closing(pdf.start + shift, nl)


def startxref_at_trailer(shape: str, style: str, w: Workshop) -> bytes:
    pdf, nl = w.base(shape, style), w.base(shape, style).style.nl
    body = pdf.data + _loose_body(pdf)
    return body + b"trailer" + nl + b"<< /Size %d /Root %d 0 R /Prev %d >>" % (pdf.size, pdf.root, pdf.start) + nl + closing(len(body), nl)


def body_only(shape: str, style: str, tail: bytes, w: Workshop) -> bytes:
    pdf = w.base(shape, style)
    return pdf.data + _loose_body(pdf) + tail


def with_signature_copy(shape: str, style: str, complete_update: bool, w: Workshop) -> bytes:
    """A copy of the signature object comes last, under a number of its own."""
    pdf = w.base(shape, style)
    start = pdf.data.rindex(b"/ByteRange")
    opened = pdf.data.rindex(b" 0 obj", 0, start) + len(b" 0 obj")
    value = pdf.data[opened : pdf.data.index(b"endobj", start)].strip()
    if complete_update:
        return update(pdf, {CONTENT: stream(FORGED), pdf.size: value}, loose=(pdf.size,)).data
    out = bytearray(pdf.data + _loose_body(pdf))
    objects_of(out, {pdf.size: value}, pdf.style.nl)
    return bytes(out + b"%%EOF" + pdf.style.nl)


def crammed(shape: str, style: str, nl: bytes, w: Workshop) -> bytes:
    """No white space between objects; `nl` as the only line end."""
    pdf = w.base(shape, style)
    out = bytearray(pdf.data)
    first = len(out)
    out += b"4 0 obj" + stream(FORGED) + b"endobj"
    second = len(out)
    out += b"%d 0 obj<<>>endobj" % pdf.size
    start = len(out)
    out += table({CONTENT: first, pdf.size: second}, nl)
    return bytes(out + b"trailer<</Size %d/Root %d 0 R/Prev %d>>" % (pdf.size + 1, pdf.root, pdf.start) + nl + closing(start, nl))


def freed(shape: str, style: str, number: int, w: Workshop) -> bytes:
    return update(w.base(shape, style), {}, free=(number,)).data


def isa_cases() -> Iterator[Case]:
    for shape, style in BASES:
        for name, change in CHANGES.items():
            yield Case("A1", f"complete-{name}@{shape}-{style}", partial(complete, shape, style, change))
    for shape, style in FEW:
        at = f"@{shape}-{style}"
        yield Case("A1", "new-root" + at, partial(new_root, shape, style))
        yield Case("A1", "startxref-at-trailer" + at, partial(startxref_at_trailer, shape, style))
        for how in BROKEN:
            yield Case("A1", f"table-{how}{at}", partial(broken_table, shape, style, how))
        for shift in (0, 2, 4, 9):
            yield Case("A1", f"no-table-{shift}-into-old{at}", partial(without_table, shape, style, shift))
        for name, tail in (("eof", b"%%EOF\n"), ("startxref-0", b"startxref\n0\n%%EOF\n"), ("trailer-eof", b"trailer\n<< /Root 1 0 R >>\n%%EOF\n")):
            yield Case("A1", f"body-only-{name}{at}", partial(body_only, shape, style, tail))
        for full in (True, False):
            yield Case("A1", f"signature-copy-{'complete' if full else 'body'}{at}", partial(with_signature_copy, shape, style, full))
        for name, nl in (("lf", b"\n"), ("cr", b"\r"), ("crlf", b"\r\n")):
            yield Case("A1", f"crammed-{name}{at}", partial(crammed, shape, style, nl))
        for number in (CONTENT, PAGE, FONT):
            yield Case("A1", f"freed-{number}{at}", partial(freed, shape, style, number))


def _archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("van-ban.txt", (2026, 1, 1, 0, 0, 0)), "khac")
    return out.getvalue()


def _table_without_end(pdf: Pdf) -> bytes:
    data = update(pdf, _content(pdf), xref="table").data
    return data[: data.rindex(b"%%EOF")]


TAILS: dict[str, Callable[[Pdf], bytes]] = {
    "word": lambda p: p.data + b"garbage",
    "one-byte": lambda p: p.data + b"x",
    "nul-then-byte": lambda p: p.data + b"\0" * 40 + b"x",
    "comment": lambda p: p.data + b"% chu thich\n",
    "body": lambda p: p.data + _loose_body(p),
    "body-trailer": lambda p: p.data + _loose_body(p) + b"trailer << /Root 1 0 R >>",
    "update-without-eof": _table_without_end,
    "update-cut-at-startxref": lambda p: _table_without_end(p)[: _table_without_end(p).rindex(b"startxref")],
    "comment-after-startxref-number": lambda p: _table_without_end(p) + b"% het\n",
    "half-eof": lambda p: _table_without_end(p) + b"%%EO",
    "empty-table": lambda p: p.data + b"xref\n0 0\ntrailer\n<< /Size %d /Root 1 0 R /Prev %d >>\n" % (p.size, p.start),
    "second-eof": lambda p: p.data + b"garbage %%EOF\n",
    "only-second-eof": lambda p: p.data + b"%%EOF\n",
    "itself-again": lambda p: p.data + p.data,
    "another-pdf": lambda p: p.data + slim().data,
    "archive": lambda p: p.data + _archive(),
    "html": lambda p: p.data + b"<html><script>alert(1)</script></html>",
    "long": lambda p: p.data + _loose_body(p) + b"%" + b"x" * 5000,
    "long-before-eof": lambda p: p.data + _loose_body(p) + b"%" + b"x" * 5000 + b"\n%%EOF\n",
    "white-then-update": lambda p: p.data + b"\n" * 1100 + _loose_body(p),
    "bytes-in-front": lambda p: b"#!/bin/sh\n" + p.data,
    "cut-eof": lambda p: p.data[: p.data.rindex(b"%%EOF")],
    "cut-one-byte-of-eof": lambda p: p.data[: p.data.rindex(b"%%EOF") + 4],
}


def tail(shape: str, style: str, how: Callable[[Pdf], bytes], w: Workshop) -> bytes:
    return how(w.base(shape, style))


def trailing_cases() -> Iterator[Case]:
    for shape, style in (("plain", "table-lf"), ("house", "objects-lf"), ("p2", "stream-crlf")):
        for name, how in TAILS.items():
            yield Case("A3", f"{name}@{shape}-{style}", partial(tail, shape, style, how))
    for name, white in (("lf", b"\n"), ("crlf", b"\r\n")):
        policy = "nd30"
        yield Case("A3", f"lawful-line-end-{name}@house-table-lf", partial(tail, "house", "table-lf", lambda p, t=white: p.data + t), Must.HOLD, policy=policy)


def cases() -> Iterator[Case]:
    yield from isa_cases()
    yield from trailing_cases()
