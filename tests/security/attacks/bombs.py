"""A15 hex bombs, A16 many revisions, A17 decompression and structure bombs: an answer within the limits, whatever it is."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial

from tests.security.attacks.builders import PLAIN, Pdf, closing, object_stream, objects_of, stream, table, update, with_entry, write, xref_stream
from tests.security.attacks.drafts import AGENCY, CATALOG, CONTENT, FONTS, FORGED, FORM, META, PAGE, PAGES, bodies, draft
from tests.security.attacks.signer import Plan, add_dss, sign
from tests.security.attacks.workshop import Case, Must, Workshop

MB = 1 << 20
SIGNATURES = 25


def after(make: Callable[[Pdf], dict[int, bytes]], style: str, w: Workshop) -> bytes:
    """The bomb comes in an update of a signed document."""
    pdf = w.base("pure", style)
    return update(pdf, make(pdf), loose=range(1, 100_000)).data


def before(objects: dict[int, bytes], w: Workshop) -> bytes:
    """The bomb is in what gets signed."""
    return sign(write({**bodies(), **objects}, PLAIN), Plan(w.cms(w.agency))).data


def hex_contents(size: int, w: Workshop) -> bytes:
    """A signature whose /Contents has `size` hex digits; the CMS is good."""
    return sign(draft(), Plan(w.cms(w.agency), reserved=size)).data


def hex_contents_garbage(size: int, w: Workshop) -> bytes:
    data = hex_contents(size, w)
    at = data.rindex(b"/Contents <") + len(b"/Contents <")
    return data[:at] + b"30848fffffff" + b"ab" * (size // 2 - 6) + data[at + size :]


def hex_unclosed(size: int, w: Workshop) -> bytes:
    return w.base("plain").data + b"9 0 obj <" + b"0" * size


def _many_fields(count: int) -> Pdf:
    """A document with `count` declared signature fields."""
    objects = {n: b for n, b in bodies().items() if n not in (9, 10, 11, 18)}
    numbers = range(100, 100 + count)
    for number in numbers:
        objects[number] = b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (Ky%d) /F 132 /P 3 0 R /Rect [0 0 0 0] >>" % number
    names = b" ".join(b"%d 0 R" % n for n in numbers)
    objects[FORM] = objects[FORM].replace(b" 9 0 R 10 0 R", b" " + names)
    objects[PAGE] = objects[PAGE].replace(b" 9 0 R 10 0 R", b" " + names)
    return write(objects, PLAIN)


def many(signatures: int, updates: int, w: Workshop) -> Pdf:
    """`signatures` declared fields filled one after another, with an update of validation data after each of the first `updates`."""
    pdf = _many_fields(signatures)
    for index in range(signatures):
        pdf = sign(pdf, Plan(w.cms(w.agency if index else w.person), field=100 + index))
        if index < updates:
            pdf = w.dss(pdf)
    return pdf


def many_then_changed(signatures: int, updates: int, w: Workshop) -> bytes:
    return update(many(signatures, updates, w), {CONTENT: stream(FORGED)}).data


def many_updates(count: int, w: Workshop) -> bytes:
    """Empty updates, and a change hidden in the middle that the next one takes back."""
    pdf = w.base("pure")
    for index in range(count):
        pdf = update(pdf, {CONTENT: stream(FORGED) if index == count // 2 else pdf.body(CONTENT)})
    return update(pdf, {CONTENT: stream(FORGED)}).data


def many_stamps(count: int, w: Workshop) -> bytes:
    pdf = w.base("pure")
    for index in range(count):
        pdf = w.stamped(pdf, b"Dau%d" % index)
    return update(pdf, {CONTENT: stream(FORGED)}).data


@lru_cache
def _packed(size: int, times: int) -> bytes:
    packer, block = zlib.compressobj(), b"\0" * MB
    data = b"".join(packer.compress(block[: min(MB, size - at)]) for at in range(0, size, MB)) + packer.flush()
    for _ in range(times - 1):
        data = zlib.compress(data)
    return data


def flate(entries: bytes, size: int, times: int) -> bytes:
    """A stream of `size` zero bytes packed `times` times."""
    data = _packed(size, times)
    return b"<< /Length %d /Filter [%s] %s>>\nstream\n%s\nendstream" % (len(data), b" ".join([b"/FlateDecode"] * times), entries, data)


def nested(opening: bytes, closing_: bytes, depth: int) -> bytes:
    return opening * depth + closing_ * depth


def _chain(first: int, count: int, body: Callable[[int], bytes], last: bytes) -> dict[int, bytes]:
    return {**{first + i: body(first + i + 1) for i in range(count)}, first + count: last}


def _deep_pages(pdf: Pdf) -> dict[int, bytes]:
    chain = _chain(1000, 5000, lambda n: b"<< /Type /Pages /Kids [%d 0 R] /Count 2 >>" % n, b"<< /Type /Pages /Kids [3 0 R 13 0 R] /Count 2 >>")
    return {PAGES: b"<< /Type /Pages /Kids [1000 0 R] /Count 2 >>", **chain}


def _deep_names(pdf: Pdf) -> dict[int, bytes]:
    chain = _chain(1000, 5000, lambda n: b"<< /Kids [%d 0 R] /Limits [(a) (z)] >>" % n, b"<< /Names [(a) null] /Limits [(a) (z)] >>")
    return {CATALOG: with_entry(pdf.body(CATALOG), b"/Names << /Dests 1000 0 R >>"), **chain}


def _deep_structure(pdf: Pdf) -> dict[int, bytes]:
    chain = _chain(1000, 5000, lambda n: b"<< /Type /StructElem /S /P /K %d 0 R >>" % n, b"<< /Type /StructElem /S /P /K 0 >>")
    return {CATALOG: with_entry(pdf.body(CATALOG), b"/StructTreeRoot << /Type /StructTreeRoot /K 1000 0 R >>"), **chain}


def _deep_fields(pdf: Pdf) -> dict[int, bytes]:
    chain = _chain(1000, 5000, lambda n: b"<< /T (a) /Kids [%d 0 R] >>" % n, b"<< /FT /Sig /T (b) >>")
    return {FORM: pdf.body(FORM).replace(b"/Fields [", b"/Fields [1000 0 R "), **chain}


def _references(pdf: Pdf) -> dict[int, bytes]:
    """References to references to references."""
    return {**_chain(1000, 5000, lambda n: b"%d 0 R" % n, b"7"), PAGE: with_entry(pdf.body(PAGE), b"/Rotate 1000 0 R")}


def _wide(pdf: Pdf) -> dict[int, bytes]:
    """Each dictionary refers ten times to the next: a tree of 10^9 leaves by following."""
    level = {1000 + i: b"[" + b"%d 0 R " % (1001 + i) * 10 + b"]" for i in range(9)}
    return {**level, 1009: b"0", PAGE: with_entry(pdf.body(PAGE), b"/PieceInfo 1000 0 R")}


UPDATES: dict[str, Callable[[Pdf], dict[int, bytes]]] = {
    "page-tree-deep": _deep_pages,
    "page-tree-itself": lambda p: {PAGES: b"<< /Type /Pages /Kids [2 0 R] /Count 2 >>"},
    "page-tree-parent": lambda p: {PAGES: b"<< /Type /Pages /Kids [3 0 R 13 0 R] /Count 2 /Parent 3 0 R >>"},
    "page-count-huge": lambda p: {PAGES: b"<< /Type /Pages /Kids [3 0 R 13 0 R] /Count 999999999999 >>"},
    "kids-many": lambda p: {PAGES: b"<< /Type /Pages /Kids [" + b"3 0 R " * 200_000 + b"] /Count 200000 >>"},
    "name-tree-deep": _deep_names,
    "structure-deep": _deep_structure,
    "fields-deep": _deep_fields,
    "fields-itself": lambda p: {FORM: p.body(FORM).replace(b"/Fields [", b"/Fields [1000 0 R "), 1000: b"<< /T (a) /Kids [1000 0 R] >>"},
    "field-parent-itself": lambda p: {AGENCY: with_entry(p.body(AGENCY), b"/Parent 8 0 R")},
    "fields-many": lambda p: {FORM: p.body(FORM).replace(b"/Fields [", b"/Fields [" + b"7 0 R " * 100_000)},
    "references-deep": _references,
    "references-itself": lambda p: {CONTENT: b"4 0 R"},
    "references-wide": _wide,
    "arrays-deep": lambda p: {PAGE: with_entry(p.body(PAGE), b"/X " + nested(b"[", b"]", 100_000))},
    "dictionaries-deep": lambda p: {PAGE: with_entry(p.body(PAGE), b"/X " + nested(b"<</A", b">>", 50_000))},
    "strings-deep": lambda p: {PAGE: with_entry(p.body(PAGE), b"/X " + nested(b"(", b")", 500_000))},
    "integer-long": lambda p: {PAGE: with_entry(p.body(PAGE), b"/X " + b"9" * 500_000)},
    "real-long": lambda p: {PAGE: with_entry(p.body(PAGE), b"/X 0." + b"9" * 500_000)},
    "name-long": lambda p: {PAGE: with_entry(p.body(PAGE), b"/" + b"#41" * 300_000 + b" 1")},
    "keys-many": lambda p: {PAGE: with_entry(p.body(PAGE), b" ".join(b"/K%d 0" % i for i in range(100_000)))},
    "length-itself": lambda p: {CONTENT: b"<< /Length 4 0 R >>\nstream\nx\nendstream"},
    "length-huge": lambda p: {CONTENT: b"<< /Length 99999999999999 >>\nstream\nx\nendstream"},
    "content-packed": lambda p: {CONTENT: flate(b"", 64 * MB, 1)},
    "content-packed-twice": lambda p: {CONTENT: flate(b"", 128 * MB, 2)},
    "content-filters-many": lambda p: {CONTENT: b"<< /Length 1 /Filter [" + b"/FlateDecode " * 50_000 + b"] >>\nstream\nx\nendstream"},
    "metadata-packed": lambda p: {META: flate(b"/Type /Metadata /Subtype /XML ", 128 * MB, 2)},
    "metadata-entities": lambda p: {META: stream(_laughs(), b"/Type /Metadata /Subtype /XML ")},
    "white-space": lambda p: {PAGE: p.body(PAGE)[:-2] + b" " * 3_000_000 + b">>"},
    "comments": lambda p: {PAGE: p.body(PAGE)[:-2] + b"%\n" * 1_000_000 + b">>"},
    "hex-in-page": lambda p: {PAGE: with_entry(p.body(PAGE), b"/X <" + b"0" * (6 * MB) + b">")},
    "hex-white": lambda p: {PAGE: with_entry(p.body(PAGE), b"/X <" + b"0 \n" * (2 * MB) + b">")},
    "hex-many": lambda p: {PAGE: with_entry(p.body(PAGE), b"/X [" + b"<00>" * 500_000 + b"]")},
    "escapes": lambda p: {PAGE: with_entry(p.body(PAGE), b"/X (" + b"\\101" * 500_000 + b")")},
}


def _laughs() -> bytes:
    entities = b"".join(b'<!ENTITY e%d "%s">' % (i + 1, b"&e%d;" % i * 10) for i in range(10))
    return b'<!DOCTYPE x [<!ENTITY e0 "ha">' + entities + b"]><x>&e10;</x>"


def ranges_many(count: int, w: Workshop) -> bytes:
    """Thousands of byte-range pairs."""
    pdf = w.base("plain")
    field = pdf.body(AGENCY)
    value = b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /Contents <3000> /ByteRange [" + b"0 1 " * count + b"] >>"
    other = field[: field.index(b"/V ")] + b"/V %d 0 R >>" % pdf.size
    return update(pdf, {pdf.size: value, AGENCY: other}).data


def large_list(size: int, w: Workshop) -> bytes:
    """A revocation list of that many bytes in the validation data."""
    pdf = w.base("pure")
    made = add_dss(pdf, (w.agency.der,), (b"\x30\x84" + (size - 6).to_bytes(4, "big") + b"\0" * (size - 6),))
    return update(made, {CONTENT: stream(FORGED)}).data


def packed_list(size: int, w: Workshop) -> bytes:
    pdf = w.base("pure")
    number = pdf.size
    objects = {
        number: b"<< /Type /DSS /Certs [] /CRLs [%d 0 R] >>" % (number + 1),
        number + 1: flate(b"", size, 2),
        CATALOG: with_entry(pdf.body(CATALOG), b"/DSS %d 0 R" % number),
    }
    return update(update(pdf, objects), {CONTENT: stream(FORGED)}).data


def object_stream_claims(count: int, w: Workshop) -> bytes:
    pdf = w.base("pure", "objects-lf")
    body = object_stream({PAGE: pdf.body(PAGE)}).replace(b"/N 1", b"/N %d" % count)
    return _with_rows(pdf, {pdf.size: body}, {PAGE: (2, pdf.size, 0)}, pdf.size + 2)


def object_stream_packed(size: int, w: Workshop) -> bytes:
    pdf = w.base("pure", "objects-lf")
    return _with_rows(pdf, {pdf.size: flate(b"/Type /ObjStm /N 1 /First 8 ", size, 2)}, {PAGE: (2, pdf.size, 0)}, pdf.size + 2)


def _with_rows(pdf: Pdf, streams: dict[int, bytes], rows: dict[int, tuple[int, int, int]], size: int, edit: Callable[[bytes], bytes] = bytes) -> bytes:
    out = bytearray(pdf.data)
    offsets = objects_of(out, streams, b"\n")
    start, number = len(out), max([pdf.size, *streams]) + 1
    rows = {**{n: (1, at, 0) for n, at in offsets.items()}, **rows, number: (1, start, 0)}
    objects_of(out, {number: edit(xref_stream(rows, size, b"/Root 1 0 R /Prev %d " % pdf.start))}, b"\n")
    return bytes(out + closing(start, b"\n"))


XREFS: dict[str, Callable[[bytes], bytes]] = {
    "widths-8": lambda b: b.replace(b"/W [1 4 2]", b"/W [8 8 8]"),
    "widths-huge": lambda b: b.replace(b"/W [1 4 2]", b"/W [1 999999999 2]"),
    "widths-zero": lambda b: b.replace(b"/W [1 4 2]", b"/W [0 0 0]"),
    "index-huge": lambda b: b.replace(b"/Index [", b"/Index [0 2147483647 "),
    "index-many": lambda b: b.replace(b"/Index [", b"/Index [" + b"0 0 " * 200_000),
    "size-huge": lambda b: b.replace(b"/Size ", b"/Size 99999999"),
}


def xref_bomb(edit: Callable[[bytes], bytes], w: Workshop) -> bytes:
    pdf = w.base("pure", "stream-lf")
    return _with_rows(pdf, {CONTENT: stream(FORGED)}, {}, pdf.size + 2, edit)


def xref_packed(w: Workshop) -> bytes:
    pdf = w.base("pure", "stream-lf")
    start = len(pdf.data)
    body = flate(b"/Type /XRef /W [1 4 2] /Size 20000000 /Root 1 0 R /Prev %d " % pdf.start, 140_000_000, 1)
    return pdf.data + b"%d 0 obj\n" % pdf.size + body + b"\nendobj\n" + closing(start, b"\n")


def table_claims(count: int, w: Workshop) -> bytes:
    pdf = w.base("pure")
    start = len(pdf.data)
    return pdf.data + b"xref\n0 %d\n" % count + b"0000000000 65535 f \n" + b"trailer\n<< /Size 9 /Root 1 0 R /Prev %d >>\n" % pdf.start + closing(start, b"\n")


def prev_chain(count: int, w: Workshop) -> bytes:
    """A long chain of empty sections."""
    pdf = w.base("pure")
    out, previous = bytearray(pdf.data), pdf.start
    for _ in range(count):
        start = len(out)
        out += b"xref\n0 0\ntrailer\n<< /Size %d /Root 1 0 R /Prev %d >>\n" % (pdf.size, previous) + closing(start, b"\n")
        previous = start
    return update(replace(pdf, data=bytes(out), start=previous), {CONTENT: stream(FORGED)}).data


def eofs(count: int, w: Workshop) -> bytes:
    return w.base("pure").data + b"startxref\n0\n%%EOF\n" * count


def rows_many(count: int, w: Workshop) -> bytes:
    """A true table with very many free entries."""
    pdf = w.base("pure")
    start = len(pdf.data)
    rows = {n: -1 for n in range(1000, 1000 + count)}
    return pdf.data + table(rows, b"\n") + b"trailer\n<< /Size %d /Root 1 0 R /Prev %d >>\n" % (1000 + count, pdf.start) + closing(start, b"\n")


def _signed_bombs() -> Iterator[tuple[str, dict[int, bytes]]]:
    deep = {PAGES: b"<< /Type /Pages /Kids [1000 0 R] /Count 2 >>"}
    deep |= _chain(1000, 2000, lambda n: b"<< /Type /Pages /Kids [%d 0 R] /Count 2 >>" % n, b"<< /Type /Pages /Kids [3 0 R 13 0 R] /Count 2 >>")
    yield "page-tree-deep", deep
    yield "content-packed", {CONTENT: flate(b"", 256 * MB, 2)}
    yield "metadata-packed", {META: flate(b"/Type /Metadata /Subtype /XML ", 128 * MB, 2)}
    yield "arrays-deep", {PAGE: with_entry(bodies()[PAGE], b"/X " + nested(b"[", b"]", 50_000))}
    yield "objects-many", {n: b"<< /A %d >>" % n for n in range(1000, 21_000)}
    look = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << %s /XObject << /Fx0 17 0 R >> >> " % FONTS
    yield "form-itself", {17: stream(b"/Fx0 Do", look)}


# The rest is run when VANTHU_ALL_BOMBS is set: what is killed at a limit costs seconds.
DAILY = {
    "A15-contents-3-mb",
    "A15-contents-garbage-9-mb",
    "A15-unclosed-3-mb",
    "A15-hex-in-page",
    "A16-lawful-25-signatures-50-revisions",
    "A16-25-signatures-50-revisions-then-changed",
    "A16-100-updates",
    "A16-300-updates",
    "A17-page-tree-deep",
    "A17-page-tree-itself",
    "A17-fields-itself",
    "A17-fields-deep",
    "A17-references-wide",
    "A17-arrays-deep",
    "A17-length-itself",
    "A17-content-packed-twice",
    "A17-xref-widths-8",
    "A17-xref-packed",
    "A17-prev-chain",
    "A17-object-stream-packed",
    "A17-signed-page-tree-deep",
    "A17-signed-content-packed",
    "A17-signed-form-itself",
}


def cases() -> Iterator[Case]:
    for case in _cases():
        yield replace(case, daily=case.id in DAILY)


def _cases() -> Iterator[Case]:
    caged = partial(Case, caged=True)
    for size in (3 * MB, 9 * MB, 20 * MB):
        yield caged("A15", f"contents-{size // MB}-mb", partial(hex_contents, size), Must.ANSWER)
        yield caged("A15", f"contents-garbage-{size // MB}-mb", partial(hex_contents_garbage, size))
        yield caged("A15", f"unclosed-{size // MB}-mb", partial(hex_unclosed, size))
    for name in ("hex-in-page", "hex-white", "hex-many"):
        yield caged("A15", name, partial(after, UPDATES[name], "table-lf"))
    yield caged("A16", "lawful-25-signatures", lambda w: many(SIGNATURES, 0, w).data, Must.ANSWER)
    yield caged("A16", "lawful-25-signatures-50-revisions", lambda w: many(SIGNATURES, SIGNATURES, w).data, Must.ANSWER)
    yield caged("A16", "25-signatures-50-revisions-then-changed", partial(many_then_changed, SIGNATURES, SIGNATURES))
    yield caged("A16", "60-signatures-then-changed", partial(many_then_changed, 60, 0))
    yield caged("A16", "100-updates", partial(many_updates, 100))
    yield caged("A16", "300-updates", partial(many_updates, 300))
    yield caged("A16", "40-time-stamps-then-changed", partial(many_stamps, 40))
    for name, make in UPDATES.items():
        if not name.startswith("hex"):
            # White space and comments inside an unchanged object change nothing.
            must = Must.ANSWER if name in ("white-space", "comments") else Must.REFUSE
            yield caged("A17", name, partial(after, make, "table-lf"), must)
    for name in ("page-tree-deep", "content-packed", "arrays-deep"):
        yield caged("A17", f"{name}@stream-lf", partial(after, UPDATES[name], "stream-lf"))
    for name, objects in _signed_bombs():
        yield caged("A17", f"signed-{name}", partial(before, objects), Must.ANSWER)
    for name, edit in XREFS.items():
        yield caged("A17", f"xref-{name}", partial(xref_bomb, edit))
    yield caged("A17", "xref-packed", xref_packed)
    yield caged("A17", "xref-table-claims", partial(table_claims, 10**9))
    yield caged("A17", "xref-table-rows", partial(rows_many, 100_000), Must.ANSWER)
    yield caged("A17", "prev-chain", partial(prev_chain, 3000))
    yield caged("A17", "ends-many", partial(eofs, 50_000))
    for count in (10**9, 10**6):
        yield caged("A17", f"object-stream-claims-{count}", partial(object_stream_claims, count))
    yield caged("A17", "object-stream-packed", partial(object_stream_packed, 128 * MB))
    yield caged("A17", "ranges-many", partial(ranges_many, 50_000))
    yield caged("A17", "revocation-list-large", partial(large_list, 8 * MB))
    yield caged("A17", "revocation-list-packed", partial(packed_list, 128 * MB))
