"""A13 tricks with cross-references and object streams: viewers and verifiers see different objects."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from functools import partial

import pikepdf

from tests.security.attacks.builders import PLAIN, STYLES, Pdf, closing, object_stream, objects_of, reread, stream, table, update, with_entry, xref_stream
from tests.security.attacks.drafts import CATALOG, CONTENT, FONT, FONTS, FORGED, FORM, PAGE, PAGES, draft
from tests.security.attacks.signer import Plan, sign
from tests.security.attacks.workshop import Case, Must, Workshop

FORGED_PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 14 0 R /Resources << %s >> >>" % FONTS
Tail = Callable[[Pdf], bytes]


def in_object_stream(style: str, objects: dict[int, bytes], w: Workshop) -> bytes:
    """The forged objects are inside an object stream, which a text scan does not show."""
    pdf = w.base("plain", style)
    return update(pdf, objects, xref="objects").data


def _stream_update(
    pdf: Pdf, streams: dict[int, bytes], rows: dict[int, tuple[int, int, int]], entries: bytes = b"", *, number: int = 0, start: int | None = None
) -> bytes:
    """An update with a cross-reference stream; objects of `streams` and rows besides."""
    out = bytearray(pdf.data)
    offsets = objects_of(out, streams, b"\n")
    where = len(out)
    size = max([pdf.size, *streams, *rows]) + 1
    number = number or size
    rows = {**{n: (1, at, 0) for n, at in offsets.items()}, **rows, number: (1, where, 0)}
    common = b"/Root 1 0 R " + (entries if b"/Prev" in entries else b"/Prev %d " % pdf.start + entries)
    objects_of(out, {number: xref_stream(rows, max(size, number) + 1, common)}, b"\n")
    return bytes(out + closing(where if start is None else start, b"\n"))


def extends(w: Workshop) -> bytes:
    """The object is in a stream that another one only extends."""
    pdf = w.base("plain", "objects-lf")
    first, second = pdf.size, pdf.size + 1
    streams = {
        first: object_stream({CONTENT + 400: b"null", PAGE: FORGED_PAGE}),
        second: object_stream({FONT: b"<< /Type /Font >>"}, b"/Extends %d 0 R " % first),
    }
    return _stream_update(pdf, streams, {PAGE: (2, second, 1)})


def extends_loop(w: Workshop) -> bytes:
    pdf = w.base("plain", "objects-lf")
    first, second = pdf.size, pdf.size + 1
    streams = {first: object_stream({PAGE: FORGED_PAGE}, b"/Extends %d 0 R " % second), second: object_stream({FONT: b"null"}, b"/Extends %d 0 R " % first)}
    return _stream_update(pdf, streams, {PAGE: (2, first, 0), FONT: (2, second, 0)})


def stream_in_itself(w: Workshop) -> bytes:
    """The object stream is said to be inside itself."""
    pdf = w.base("plain", "objects-lf")
    return _stream_update(pdf, {}, {pdf.size: (2, pdf.size, 0), PAGE: (2, pdf.size, 0)})


def wrong_index(index: int, w: Workshop) -> bytes:
    pdf = w.base("plain", "objects-lf")
    return _stream_update(pdf, {pdf.size: object_stream({PAGE: FORGED_PAGE})}, {PAGE: (2, pdf.size, index)})


def twice_in_stream(w: Workshop) -> bytes:
    """One object stream holds two definitions of one object."""
    pdf = w.base("plain", "objects-lf")
    true = pdf.body(PAGE)
    index = b"%d 0 %d %d " % (PAGE, PAGE, len(true) + 1)
    body = stream(index + true + b"\n" + FORGED_PAGE, b"/Type /ObjStm /N 2 /First %d " % len(index))
    return _stream_update(pdf, {pdf.size: body}, {PAGE: (2, pdf.size, 0)})


def not_in_stream(w: Workshop) -> bytes:
    pdf = w.base("plain", "objects-lf")
    return _stream_update(pdf, {pdf.size: object_stream({FONT: pdf.body(FONT)})}, {PAGE: (2, pdf.size, 0)})


def number_reused(change: bool, w: Workshop) -> bytes:
    """The new cross-reference stream takes the object number of the old one."""
    pdf = w.base("plain", "stream-lf")
    number = int(re.match(rb"(\d+) 0 obj", pdf.data[pdf.start :])[1])  # type: ignore[index]
    objects = {CONTENT: stream(FORGED)} if change else {}
    return _stream_update(pdf, objects, {}, number=number)


def hybrid(shape: str, hidden: dict[int, bytes], shown: dict[int, bytes], w: Workshop) -> bytes:
    """Table and /XRefStm give different definitions: viewers that know streams see the hidden ones."""
    pdf = w.base(shape, "table-lf")
    out = bytearray(pdf.data)
    first = objects_of(out, hidden, b"\n")
    second = objects_of(out, shown, b"\n")
    at, number = len(out), pdf.size
    rows = {n: (1, place, 0) for n, place in first.items()}
    objects_of(out, {number: xref_stream({**rows, number: (1, at, 0)}, number + 1, b"")}, b"\n")
    start = len(out)
    out += table(second, b"\n") if second else b"xref\n0 0\n"
    out += b"trailer\n<< /Size %d /Root 1 0 R /Prev %d /XRefStm %d >>\n" % (number + 1, pdf.start, at)
    return bytes(out + closing(start, b"\n"))


def hybrid_draft(w: Workshop) -> Pdf:
    """A document as an old word processor writes it: hybrid from the start, then signed."""
    plain = draft()
    out = bytearray(plain.data[: plain.start])
    at, number = len(out), plain.size
    objects_of(out, {number: xref_stream({number: (1, at, 0)}, number + 1, b"")}, b"\n")
    start = len(out)
    out += table({n: plain.place(n) for n in plain.bodies}, b"\n", first=True)
    out += b"trailer\n<< /Size %d /Root 1 0 R /XRefStm %d >>\n" % (number + 1, at)
    return sign(Pdf(bytes(out + closing(start, b"\n")), PLAIN, plain.bodies, 1, number + 1, start), Plan(w.cms(w.agency)))


def hybrid_signed_then(change: bool, w: Workshop) -> bytes:
    pdf = hybrid_draft(w)
    return update(pdf, {CONTENT: stream(FORGED)}).data if change else pdf.data


def _rows(pdf: Pdf, rows: bytes, trailer: bytes = b"", prev: int | None = None, body: bytes = b"") -> bytes:
    """An update whose table is given as text."""
    start = len(pdf.data) + len(body)
    previous = pdf.start if prev is None else prev
    return pdf.data + body + b"xref\n" + rows + b"trailer\n<< /Size %d /Root 1 0 R /Prev %d %s>>\n" % (pdf.size + 1, previous, trailer) + closing(start, b"\n")


FORGED_BODY = b"4 0 obj\n" + stream(FORGED) + b"\nendobj\n"


def _content_at(pdf: Pdf) -> bytes:
    return b"%010d 00000 n \n" % len(pdf.data)


TABLES: dict[str, Tail] = {
    "other-number": lambda p: _rows(p, b"4 1\n" + _content_at(p), body=FORGED_BODY.replace(b"4 0 obj", b"99 0 obj")),
    "other-generation": lambda p: _rows(p, b"4 1\n%010d 00001 n \n" % len(p.data), body=FORGED_BODY.replace(b"4 0 obj", b"4 1 obj")),
    "generation-differs": lambda p: _rows(p, b"4 1\n%010d 00007 n \n" % len(p.data), body=FORGED_BODY),
    "generation-65535": lambda p: _rows(p, b"4 1\n%010d 65535 n \n" % len(p.data), body=FORGED_BODY),
    "freed-and-used": lambda p: _rows(p, b"4 1\n0000000000 00001 f \n4 1\n" + _content_at(p), body=FORGED_BODY),
    "used-and-freed": lambda p: _rows(p, b"4 1\n" + _content_at(p) + b"4 1\n0000000000 00001 f \n", body=FORGED_BODY),
    "twice-in-table": lambda p: _rows(p, b"4 1\n%010d 00000 n \n4 1\n" % p.place(CONTENT) + _content_at(p), body=FORGED_BODY),
    "zero-in-use": lambda p: _rows(p, b"0 1\n" + _content_at(p), body=FORGED_BODY),
    "section-shifted": lambda p: _rows(p, b"3 1\n" + _content_at(p), body=FORGED_BODY),
    "prev-itself": lambda p: _rows(p, b"4 1\n" + _content_at(p), prev=len(p.data) + len(FORGED_BODY), body=FORGED_BODY),
    "prev-forward": lambda p: _rows(p, b"4 1\n" + _content_at(p), prev=len(p.data) + 99999, body=FORGED_BODY),
    "prev-zero": lambda p: _rows(p, b"4 1\n" + _content_at(p), prev=0, body=FORGED_BODY),
    "prev-negative": lambda p: _rows(p, b"4 1\n" + _content_at(p), prev=-1, body=FORGED_BODY),
    "prev-off-by-one": lambda p: _rows(p, b"4 1\n" + _content_at(p), prev=p.start + 1, body=FORGED_BODY),
    "prev-to-first": lambda p: _rows(p, b"4 1\n" + _content_at(p), prev=int(re.findall(rb"startxref\s+(\d+)", p.data)[0]), body=FORGED_BODY),
    "prev-twice": lambda p: _rows(p, b"4 1\n" + _content_at(p), b"/Prev 17 ", body=FORGED_BODY),
    "prev-reference": lambda p: _rows(p, b"4 1\n" + _content_at(p), b"", body=FORGED_BODY).replace(
        b"/Prev %d " % p.start + b">>\nstartxref\n%d" % (len(p.data) + len(FORGED_BODY)), b"/Prev 4 0 R >>\nstartxref\n%d" % (len(p.data) + len(FORGED_BODY))
    ),
    "root-direct": lambda p: _rows(p, b"4 1\n" + _content_at(p), b"/Root << /Type /Catalog /Pages 2 0 R >> ", body=FORGED_BODY),
    "root-twice": lambda p: _rows(p, b"4 1\n" + _content_at(p), b"/Root 2 0 R ", body=FORGED_BODY),
    "encrypt-direct": lambda p: _rows(p, b"4 1\n" + _content_at(p), b"/Encrypt << /Filter /Standard /V 1 /R 2 /O (x) /U (x) /P -4 >> ", body=FORGED_BODY),
    "encrypt-only": lambda p: _rows(p, b"0 0\n", b"/Encrypt << /Filter /Standard /V 1 /R 2 /O (x) /U (x) /P -4 >> "),
    "identity-filter": lambda p: _rows(
        p, b"0 0\n", b"/Encrypt << /Filter /Standard /V 4 /R 4 /O (x) /U (x) /P -4 /CF << >> /StmF /Identity /StrF /Identity >> "
    ),
    "signature-entry-moved": lambda p: _rows(p, b"8 1\n%010d 00000 n \n" % p.place(7)),
    "catalog-entry-moved": lambda p: _rows(p, b"1 1\n%010d 00000 n \n" % len(p.data), body=b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"),
    "old-field-again": lambda p: _rows(p, b"8 1\n%010d 00000 n \n" % p.data.index(b"8 0 obj")),
    "old-form-again": lambda p: _rows(p, b"1 1\n%010d 00000 n \n" % p.data.index(b"1 0 obj")),
    "offset-in-signature": lambda p: _rows(p, b"4 1\n%010d 00000 n \n" % (p.data.rindex(b"/Contents <") + 11)),
    "length-indirect": lambda p: _rows(p, b"4 1\n" + _content_at(p), body=b"4 0 obj\n<< /Length 4 0 R >>\nstream\nxx\nendstream\nendobj\n"),
    "length-wrong": lambda p: _rows(p, b"4 1\n" + _content_at(p), body=FORGED_BODY.replace(b"/Length 4", b"/Length 9")),
    "no-trailer-word": lambda p: _rows(p, b"4 1\n" + _content_at(p), body=FORGED_BODY).replace(
        b"trailer\n<< /Size %d /Root 1 0 R /Prev" % (p.size + 1), b"<< /Size %d /Root 1 0 R /Prev" % (p.size + 1)
    ),
    "trailer-without-root": lambda p: re.sub(rb"/Root 1 0 R (/Prev %d )" % p.start, rb"\1", _rows(p, b"4 1\n" + _content_at(p), body=FORGED_BODY)),
    "size-shrinks": lambda p: update(p, {CONTENT: stream(FORGED)}, size=5).data,
    "size-grows": lambda p: update(p, {CONTENT: stream(FORGED)}, size=10**9).data,
}
STREAMS: dict[str, Tail] = {
    "size-shrinks": lambda p: update(p, {CONTENT: stream(FORGED)}, size=5).data,
    "prev-itself": lambda p: update(p, {CONTENT: stream(FORGED)}, prev=len(p.data) + 100).data,
    "prev-first": lambda p: update(p, {CONTENT: stream(FORGED)}, prev=int(re.findall(rb"startxref\s+(\d+)", p.data)[0])).data,
    "kind-unknown": lambda p: _stream_update(p, {}, {CONTENT: (3, p.place(CONTENT), 0)}),
    "kind-freed": lambda p: _stream_update(p, {}, {PAGE: (0, 0, 1)}),
    "table-follows": lambda p: update(p, {CONTENT: stream(FORGED)}, xref="table").data,
    "encrypt": lambda p: _stream_update(p, {}, {}, b"/Encrypt << /Filter /Standard /V 1 /R 2 /O (x) /U (x) /P -4 >> "),
    "generation": lambda p: _stream_update(p, {}, {CONTENT: (1, p.place(CONTENT), 5)}),
    "old-field-again": lambda p: _stream_update(p, {}, {8: (1, p.data.index(b"8 0 obj"), 0)}),
    "startxref-zero": lambda p: _stream_update(p, {CONTENT: stream(FORGED)}, {}, start=0),
    "startxref-old": lambda p: _stream_update(p, {CONTENT: stream(FORGED)}, {}, start=p.start),
}


def tail(shape: str, style: str, how: Tail, w: Workshop) -> bytes:
    return how(w.base(shape, style))


def generation_reused(w: Workshop) -> bytes:
    """An object is freed by one update and defined again, with the next generation, by another."""
    first = update(w.base("plain"), {}, free=(CONTENT,))
    return _rows(first, b"4 1\n%010d 00001 n \n" % len(first.data), body=FORGED_BODY.replace(b"4 0 obj", b"4 1 obj"))


def there_and_back(shape: str, w: Workshop) -> bytes:
    """The content is changed by one update and put back by the next."""
    pdf = w.base(shape)
    return update(update(pdf, {CONTENT: stream(FORGED)}), {CONTENT: pdf.body(CONTENT)}).data


def linearised(w: Workshop) -> Pdf:
    """A linearised document, then signed."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(draft().data)) as document:
        document.save(out, linearize=True, deterministic_id=True)
    return _signed_by_scan(out.getvalue(), "stream-lf" if b"/ObjStm" in out.getvalue() else "table-lf", w)


def by_library(style: str, mode: pikepdf.ObjectStreamMode, w: Workshop) -> Pdf:
    """The document as a common library writes it, then signed."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(draft().data)) as document:
        document.save(out, object_stream_mode=mode, deterministic_id=True)
    return _signed_by_scan(out.getvalue(), style, w)


def _signed_by_scan(data: bytes, style: str, w: Workshop) -> Pdf:
    with pikepdf.open(io.BytesIO(data)) as document:
        bodies = {o.objgen[0]: o.unparse(resolved=True) for o in document.objects if not isinstance(o, pikepdf.Stream) and o.objgen[0]}
    pdf = reread(data, STYLES[style], bodies)
    pdf = Pdf(pdf.data, pdf.style, {**pdf.bodies, **bodies}, pdf.root, max(pdf.size, *bodies) + 1, pdf.start)
    field = next(n for n, b in bodies.items() if b"(CoQuan)" in b)
    return sign(pdf, Plan(w.cms(w.agency), field=field))


def page_forged(make: Callable[[Workshop], Pdf], w: Workshop) -> bytes:
    pdf = make(w)
    number = next(n for n, b in pdf.bodies.items() if b"/MediaBox" in b and b"/Annots" in b)
    return update(pdf, {number: re.sub(rb"/MediaBox \[[^\]]*\]", b"/MediaBox [0 0 9 9]", pdf.body(number))}).data


def first_page_section(w: Workshop) -> bytes:
    """The first-page section of a linearised file is pointed at by the newest revision instead of the signed one."""
    pdf = linearised(w)
    first = int(re.findall(rb"/Prev (\d+)", pdf.data)[0])
    return update(pdf, {CONTENT: stream(FORGED)}, prev=first).data


def cases() -> Iterator[Case]:
    for style in ("table-lf", "stream-lf", "objects-crlf"):
        for name, objects in (
            ("page", {PAGE: FORGED_PAGE}),
            ("pages", {PAGES: b"<< /Type /Pages /Kids [13 0 R] /Count 1 >>"}),
            ("form", {FORM: b"<< /Fields [] >>"}),
        ):
            yield Case("A13", f"in-object-stream-{name}@{style}", partial(in_object_stream, style, objects))
    singles: dict[str, Callable[[Workshop], bytes]] = {
        "extends": extends,
        "extends-loop": extends_loop,
        "stream-in-itself": stream_in_itself,
        "index-wrong": partial(wrong_index, 3),
        "index-huge": partial(wrong_index, 65535),
        "twice-in-stream": twice_in_stream,
        "not-in-stream": not_in_stream,
        "number-reused": partial(number_reused, True),
        "generation-reused": generation_reused,
        "first-page-section": first_page_section,
        "linearised-page": partial(page_forged, linearised),
        "library-streams-page": partial(page_forged, partial(by_library, "stream-lf", pikepdf.ObjectStreamMode.generate)),
        "library-table-page": partial(page_forged, partial(by_library, "table-lf", pikepdf.ObjectStreamMode.disable)),
        "hybrid-signed-then-changed": partial(hybrid_signed_then, True),
    }
    for name, make in singles.items():
        yield Case("A13", name, make)
    for shape in ("plain", "p1"):
        yield Case("A13", f"there-and-back@{shape}", partial(there_and_back, shape), Must.ANSWER)
    hidden, true_page = {CONTENT: stream(FORGED)}, {PAGE: FORGED_PAGE}
    for shape in ("plain", "p2"):
        yield Case("A13", f"hybrid-hidden-content@{shape}", partial(hybrid, shape, hidden, {}))
        yield Case("A13", f"hybrid-both@{shape}", partial(hybrid, shape, hidden, {FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>"}))
        yield Case("A13", f"hybrid-differs@{shape}", partial(hybrid, shape, {CONTENT: stream(FORGED)}, {CONTENT: stream(b"BT ET")}))
        yield Case("A13", f"hybrid-page@{shape}", partial(hybrid, shape, true_page, {}))
        yield Case("A13", f"hybrid-new-root@{shape}", partial(hybrid, shape, {CATALOG: with_entry(draft().body(CATALOG), b"/OpenAction [13 0 R /Fit]")}, {}))
        for name, how in TABLES.items():
            if (shape, name) == ("plain", "old-form-again"):
                continue  # its catalog was defined once only
            yield Case("A13", f"table-{name}@{shape}-table-lf", partial(tail, shape, "table-lf", how))
        for name, how in STREAMS.items():
            yield Case("A13", f"stream-{name}@{shape}-stream-lf", partial(tail, shape, "stream-lf", how))
    yield Case("A13", "number-reused-only", partial(number_reused, False), Must.ANSWER)
    yield Case("A13", "hybrid-signed", partial(hybrid_signed_then, False), Must.ANSWER)
    yield Case("A13", "lawful-linearised", lambda w: linearised(w).data, Must.HOLD)
    yield Case("A13", "lawful-library-streams", lambda w: by_library("stream-lf", pikepdf.ObjectStreamMode.generate, w).data, Must.HOLD)
    yield Case("A13", "lawful-library-table", lambda w: by_library("table-lf", pikepdf.ObjectStreamMode.disable, w).data, Must.HOLD)
