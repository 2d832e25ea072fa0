"""A6, A8, A13, A14: a change that is lawful in its place reaches the page another way, prepared before the signature.

The signed document names one object twice (an array that is /Certs and /Contents, an information
dictionary that is /XObject), or names a number that nobody has defined yet in a spelling that only
lenient readers follow. The update afterwards looks like validation data, metadata or a time-stamp.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from tests.security.attacks.builders import BINARY, HEADER, STYLES, Pdf, _revision, stream, update, with_entry
from tests.security.attacks.drafts import AGENCY, CATALOG, CONTENT, FONTS, FORGED, FORM, META, METADATA, PAGE, PAGES, PERSON, pure
from tests.security.attacks.signer import Plan, digest_of, sign
from tests.security.attacks.workshop import Case, Must, Workshop

INFO, STORE, LIST, CERTIFICATE, VRI, FREE_NUMBER = 30, 31, 32, 33, 34, 50
OVERLAYS = b"/XObject << /Im0 12 0 R /Fx0 17 0 R >>"
TRAILER = b"/Info %d 0 R " % INFO
Bodies = dict[int, bytes]
Prepare = Callable[[Bodies], None]


def prepared(style: str, prepare: Prepare, w: Workshop, *, trailer: bytes = b"") -> Pdf:
    """A document of signature fields with a DSS, changed by `prepare`, signed by the person and then the agency."""
    objects = dict(pure().bodies)
    objects[CATALOG] = with_entry(objects[CATALOG], b"/DSS %d 0 R" % STORE)
    objects |= {STORE: b"<< /Type /DSS /Certs %d 0 R >>" % LIST, LIST: b"[%d 0 R]" % CERTIFICATE, CERTIFICATE: stream(w.agency.der)}
    prepare(objects)
    draft = _revision(bytearray(HEADER + b"\n" + BINARY + b"\n"), None, objects, STYLES[style], CATALOG, trailer=trailer)
    half = sign(draft, Plan(w.cms(w.person), field=PERSON, trailer=trailer))
    return sign(half, Plan(w.cms(w.agency), field=AGENCY, trailer=trailer))


def _swap(number: int, old: bytes, new: bytes, **more: bytes) -> Prepare:
    """An entry of the draft is written in another way; `more` are bodies by name (``o30``)."""

    def prepare(objects: Bodies) -> None:
        assert old in objects[number]
        objects[number] = objects[number].replace(old, new)
        objects.update({int(name[1:]): body for name, body in more.items()})

    return prepare


def _both(*steps: Prepare) -> Prepare:
    def prepare(objects: Bodies) -> None:
        for step in steps:
            step(objects)

    return prepare


def _draws(what: bytes) -> Prepare:
    return lambda objects: objects.update({CONTENT: stream(b"q 200 0 0 30 60 500 cm /%s Do Q" % what)})


def _packet(producer: bytes) -> bytes:
    inserted = b'<pdf:Producer xmlns:pdf="http://ns.adobe.com/pdf/1.3/">\n%s\n</pdf:Producer><dc:format>' % producer
    return METADATA.replace(b"<dc:format>", inserted)


def _xmp(producer: bytes, subtype: bytes = b"XML") -> bytes:
    return stream(_packet(producer), b"/Type /Metadata /Subtype /%s " % subtype)


Made = tuple[Prepare, Callable[[Pdf], dict[int, bytes]], bytes]
ALIASES: dict[str, Made] = {
    "information-is-overlays": (
        _both(_swap(PAGE, OVERLAYS, b"/XObject 30 0 R", o30=b"<< /Producer 12 0 R /ModDate 17 0 R >>"), _draws(b"Producer")),
        lambda p: {INFO: b"<< /Producer 17 0 R /ModDate 17 0 R >>"},
        TRAILER,
    ),
    "information-hides-overlays": (
        _both(_swap(PAGE, OVERLAYS, b"/XObject 30 0 R", o30=b"<< /Producer 12 0 R /ModDate 17 0 R >>"), _draws(b"Producer")),
        lambda p: {INFO: b"<< /Producer (x) /ModDate (y) >>"},
        TRAILER,
    ),
    "certificates-are-contents": (
        _swap(PAGE, b"/Contents 4 0 R", b"/Contents 32 0 R", o32=b"[4 0 R]"),
        lambda p: {LIST: b"[4 0 R %d 0 R]" % p.size, p.size: stream(FORGED)},
        b"",
    ),
    "certificates-are-kids": (_swap(PAGES, b"[3 0 R 13 0 R]", b"32 0 R", o32=b"[3 0 R 13 0 R]"), lambda p: {LIST: b"[13 0 R]"}, b""),
    "store-is-overlays": (
        _both(_swap(PAGE, OVERLAYS, b"/XObject 31 0 R", o31=b"<< /Certs [33 0 R] /VRI 12 0 R >>"), _draws(b"VRI")),
        lambda p: {STORE: b"<< /Certs [33 0 R] >>"},
        b"",
    ),
    "store-is-fonts": (
        _swap(PAGE, FONTS, b"/Font 31 0 R", o31=b"<< /Type 5 0 R /F1 5 0 R /Certs [33 0 R] >>"),
        lambda p: {STORE: b"<< /Type 12 0 R /F1 5 0 R /Certs [33 0 R] >>"},
        b"",
    ),
    "signature-data-are-states": (
        _swap(PAGE, b"/XObject <<", b"/ExtGState 34 0 R /XObject <<", o31=b"<< /Type /DSS /VRI 34 0 R >>", o34=b"<< >>"),
        lambda p: {VRI: b"<< /ABC << /Type /VRI /TU (x) >> >>"},
        b"",
    ),
    "metadata-are-contents": (
        _swap(PAGE, b"/Contents 4 0 R", b"/Contents [4 0 R 16 0 R]", o16=_xmp(b"x")),
        lambda p: {META: _xmp(FORGED)},
        b"",
    ),
    "metadata-are-overlay": (
        _both(_swap(PAGE, b"/Fx0 17 0 R", b"/Metadata 16 0 R", o16=_xmp(b"x", b"Form")), _draws(b"Metadata")),
        lambda p: {META: _xmp(FORGED, b"Form")},
        b"",
    ),
    "catalog-is-states": (
        _both(_swap(PAGE, b"/XObject <<", b"/ExtGState 1 0 R /XObject <<"), _swap(CATALOG, b"/Pages", b"/Extensions << /ca 1 >> /Pages")),
        lambda p: {CATALOG: p.body(CATALOG).replace(b"/ca 1", b"/ca 0")},
        b"",
    ),
    "marking-is-state": (
        _both(_swap(PAGE, b"/XObject <<", b"/ExtGState 1 0 R /XObject <<"), _swap(CATALOG, b"/Pages", b"/MarkInfo << /ca 1 >> /Pages")),
        lambda p: {CATALOG: p.body(CATALOG).replace(b"/ca 1", b"/ca 0")},
        b"",
    ),
}
INFORMATION: dict[str, bytes] = {
    "title-changed": b"<< /Title (b) /Producer (x) >>",
    "title-gone": b"<< /Producer (x) >>",
    "author-added": b"<< /Title (a) /Author (b) /Producer (x) >>",
    "trapped": b"<< /Title (a) /Producer (x) /Trapped /True >>",
    "producer-is-reference": b"<< /Title (a) /Producer 4 0 R >>",
    "producer-is-script": b"<< /Title (a) /Producer << /S /JavaScript /JS (app.alert(1)) >> >>",
    "producer-is-name": b"<< /Title (a) /Producer /x >>",
    "is-stream": stream(b"x", b"/Title (a) /Producer (y) "),
}
SPELLINGS = {
    "plain": b"50 0 R",
    "glued": b"50 0R",
    "signed-generation": b"50 +0 R",
    "negative-zero": b"50 -0 R",
    "signed": b"+50 +0 R",
    "fraction": b"50.0 0 R",
    "zeros": b"0050 00 R",
    "comment": b"50%x\n0 R",
    "form-feed": b"50\x0c0\x00R",
}
PLACES: dict[str, tuple[bytes, bytes]] = {
    "contents": (b"/Contents 4 0 R", b"/Contents [4 0 R %s]"),
    "annotation": (b"/Annots [", b"/Annots [%s "),
    "overlay": (b"/Im0 12 0 R", b"/Im0 %s"),
}


def aliased(style: str, name: str, w: Workshop) -> bytes:
    prepare, change, trailer = ALIASES[name]
    pdf = prepared(style, prepare, w, trailer=trailer)
    return update(pdf, change(pdf), trailer=trailer).data


def informed(style: str, body: bytes, w: Workshop) -> bytes:
    """The information dictionary is written again in its place."""
    pdf = prepared(style, lambda objects: objects.update({INFO: b"<< /Title (a) /Producer (x) >>"}), w, trailer=TRAILER)
    return update(pdf, {INFO: body}, trailer=TRAILER).data


def not_informed(style: str, w: Workshop) -> bytes:
    """A later trailer leaves the information dictionary out."""
    return update(prepared(style, lambda objects: objects.update({INFO: b"<< /Title (a) >>"}), w, trailer=TRAILER), {}).data


def dangling(style: str, spelling: bytes, place: str, w: Workshop) -> bytes:
    """A "certificate" gets the number that the page has been naming all along."""
    old, new = PLACES[place]
    pdf = prepared(style, _swap(PAGE, old, new % spelling), w)
    store = b"<< /Type /DSS /Certs [%d 0 R %d 0 R] >>" % (CERTIFICATE, FREE_NUMBER)
    return update(replace(pdf, size=FREE_NUMBER), {STORE: store, FREE_NUMBER: stream(FORGED)}).data


def nothing_updated(style: str, w: Workshop) -> bytes:
    """An update of nothing: its table has no section at all."""
    return update(prepared(style, lambda objects: None, w), {}).data


def stamp_as_page(w: Workshop) -> bytes:
    """/Fields is the page tree's /Kids: the time-stamp's field becomes a page."""

    def prepare(objects: Bodies) -> None:
        objects[PAGES] = b"<< /Type /Pages /Kids 35 0 R /Count 2 /MediaBox [0 0 595 842] >>"
        objects[FORM] = re.sub(rb"/Fields \[[^\]]*\]", b"/Fields 35 0 R", objects[FORM])
        objects[35] = b"[7 0 R 8 0 R 20 0 R]"

    pdf = prepared("table-lf", prepare, w)
    field = b"<< /Type /Page /FT /Sig /T (D) /F 132 /Rect [0 0 0 0] >>"
    staged = replace(pdf, bodies={**pdf.bodies, pdf.size: field}, size=pdf.size + 1)
    head = b"/Type /DocTimeStamp /Filter /Adobe.PPKLite /SubFilter /ETSI.RFC3161"
    more = {35: b"[7 0 R 8 0 R 20 0 R %d 0 R]" % pdf.size}
    return sign(staged, Plan(lambda data: w.token()(digest_of(data)), field=pdf.size, head=head, more=b"", objects=more)).data


def cases() -> Iterator[Case]:
    for style in ("table-lf", "stream-crlf", "objects-lf"):
        for name in ALIASES:
            yield Case("A8", f"{name}@{style}", partial(aliased, style, name))
        for spelling, text in SPELLINGS.items():
            yield Case("A7", f"dangling-{spelling}@{style}", partial(dangling, style, text, "contents"))
    for place in ("annotation", "overlay"):
        for spelling in ("plain", "glued"):
            yield Case("A7", f"dangling-{spelling}-{place}", partial(dangling, "table-lf", SPELLINGS[spelling], place))
    for style in ("table-lf", "objects-lf"):
        for name, body in INFORMATION.items():
            yield Case("A14", f"information-{name}@{style}", partial(informed, style, body))
        yield Case("A14", f"information-left-out@{style}", partial(not_informed, style), Must.ANSWER)
    yield Case("A14", "nothing-updated", partial(nothing_updated, "table-lf"), Must.ANSWER)
    yield Case("A10", "time-stamp-as-page", stamp_as_page)
    lawful = b"<< /Title (a) /Producer (y) /ModDate (D:20261120090000+07'00') >>"
    yield Case("A14", "lawful-information-stamped", partial(informed, "table-lf", lawful), Must.HOLD, policy="nd30")
