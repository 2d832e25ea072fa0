"""A6 shadow replace, A7 shadow hide, A8 hide-and-replace: prepared before the signature, switched after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tests.security.attacks.builders import STYLES, Pdf, Style, closing, objects_of, stream, table, update, with_entry, write, xref_stream
from tests.security.attacks.drafts import CATALOG, CHECK, CONTENT, COVER, FONT, FONTS, FORGED, FORM, LAYER, LOOK, NOTE, OVERLAY, PAGE, PAGES, TEXT, YES, bodies
from tests.security.attacks.signer import Plan, sign
from tests.security.attacks.workshop import ANYBODY, Case, Must, Workshop

Change = Callable[[Pdf], dict[int, bytes]]
FORGED_LOOK = stream(b"/Tx BMC BT /F1 10 Tf 2 5 Td (So 999) Tj ET EMC", b"/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << %s >> " % FONTS)


def _text(pdf: Pdf, old: bytes, new: bytes, number: int = TEXT) -> dict[int, bytes]:
    body = pdf.body(number)
    assert old in body
    return {number: body.replace(old, new)}


REPLACE: dict[str, Change] = {
    "value": lambda p: _text(p, b"(So 125)", b"(So 999)"),
    "value-removed": lambda p: _text(p, b"/V (So 125)", b""),
    "appearance": lambda p: {LOOK: FORGED_LOOK},
    "appearance-new-object": lambda p: {p.size: FORGED_LOOK, **_text(p, b"/N 11 0 R", b"/N %d 0 R" % p.size)},
    "appearance-removed": lambda p: _text(p, b"/AP << /N 11 0 R >>", b""),
    "value-and-appearance": lambda p: {LOOK: FORGED_LOOK, **_text(p, b"(So 125)", b"(So 999)")},
    "rect": lambda p: _text(p, b"[60 600 260 620]", b"[60 690 460 740]"),
    "rect-and-value": lambda p: {TEXT: p.body(TEXT).replace(b"[60 600 260 620]", b"[60 690 460 740]").replace(b"(So 125)", b"(So 999)")},
    "default-appearance": lambda p: _text(p, b"/F1 10 Tf 0 g", b"/F1 40 Tf 1 g"),
    "background": lambda p: {TEXT: with_entry(p.body(TEXT), b"/MK << /BG [1 1 1] >>")},
    "shown-to-hidden": lambda p: _text(p, b"/F 4", b"/F 2"),
    "flags": lambda p: {TEXT: with_entry(p.body(TEXT), b"/Ff 4096")},
    "action": lambda p: {TEXT: with_entry(p.body(TEXT), b"/AA << /F << /S /JavaScript /JS (event.value='999') >> >>")},
    "name": lambda p: _text(p, b"(GhiChu)", b"(GhiChu2)"),
    "need-appearances": lambda p: {FORM: with_entry(p.body(FORM), b"/NeedAppearances true")},
    "need-appearances-and-value": lambda p: {FORM: with_entry(p.body(FORM), b"/NeedAppearances true"), **_text(p, b"(So 125)", b"(So 999)")},
    "form-script": lambda p: {FORM: with_entry(p.body(FORM), b"/CO [9 0 R]")},
    "form-packet": lambda p: {p.size: stream(b"<xdp/>"), FORM: with_entry(p.body(FORM), b"/XFA %d 0 R" % p.size)},
    "check": lambda p: {CHECK: p.body(CHECK).replace(b"/V /Off /AS /Off", b"/V /Yes /AS /Yes")},
    "check-state-only": lambda p: _text(p, b"/AS /Off", b"/AS /Yes", CHECK),
    "check-look": lambda p: {YES: stream(b"0 0 200 200 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 200 200] ")},
    "font": lambda p: {FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /ZapfDingbats >>"},
    "font-encoding": lambda p: {FONT: with_entry(p.body(FONT), b"/Encoding << /Type /Encoding /Differences [49 /nine /nine] >>")},
    "font-program": lambda p: {
        p.size: stream(b"%!PS"),
        p.size + 1: b"<< /Type /FontDescriptor /FontName /Times-Roman /Flags 4 /FontFile %d 0 R >>" % p.size,
        FONT: with_entry(p.body(FONT), b"/FontDescriptor %d 0 R" % (p.size + 1)),
    },
    "font-to-unicode": lambda p: {p.size: stream(b"1 beginbfchar <31> <0039> endbfchar"), FONT: with_entry(p.body(FONT), b"/ToUnicode %d 0 R" % p.size)},
    "font-resource": lambda p: {FORM: p.body(FORM).replace(b"/F1 5 0 R", b"/F1 << /Type /Font /Subtype /Type1 /BaseFont /Symbol >>")},
}
HIDE: dict[str, Change] = {
    "image-repointed": lambda p: {PAGE: p.body(PAGE).replace(b"/Im0 12 0 R", b"/Im0 18 0 R")},
    "image-unnamed": lambda p: {PAGE: p.body(PAGE).replace(b"/Im0 12 0 R", b"")},
    "image-to-nothing": lambda p: {PAGE: p.body(PAGE).replace(b"/Im0 12 0 R", b"/Im0 999 0 R")},
    "image-type": lambda p: {OVERLAY: p.body(OVERLAY).replace(b"/XObject", b"/ObjStm")},
    "image-subtype": lambda p: {OVERLAY: p.body(OVERLAY).replace(b"/Image", b"/PS")},
    "image-null": lambda p: {OVERLAY: b"null"},
    "image-mask": lambda p: {OVERLAY: with_entry(p.body(OVERLAY), b"/ImageMask true")},
    "image-layer": lambda p: {
        OVERLAY: with_entry(p.body(OVERLAY), b"/OC 19 0 R"),
        CATALOG: with_entry(p.body(CATALOG), b"/OCProperties << /OCGs [19 0 R] /D << /OFF [19 0 R] >> >>"),
    },
    "cover-empty": lambda p: {COVER: stream(b"", b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] ")},
    "cover-box": lambda p: {COVER: p.body(COVER).replace(b"[0 0 595 842]", b"[0 0 0 0]")},
    "cover-matrix": lambda p: {COVER: with_entry(p.body(COVER), b"/Matrix [1 0 0 1 1000 1000]")},
    "note-hidden": lambda p: _text(p, b"/F 4", b"/F 2", NOTE),
    "note-moved": lambda p: _text(p, b"[60 400 260 430]", b"[0 0 1 1]", NOTE),
    "note-text": lambda p: _text(p, b"(che)", b"(mo)", NOTE),
    "note-off-page": lambda p: {PAGE: p.body(PAGE).replace(b" 15 0 R", b"")},
    "all-annotations-off-page": lambda p: {PAGE: p.body(PAGE).replace(b"7 0 R 8 0 R 9 0 R 10 0 R 15 0 R 20 0 R", b"")},
    "field-off-page": lambda p: {PAGE: p.body(PAGE).replace(b" 9 0 R", b"")},
    "field-out-of-form": lambda p: {FORM: p.body(FORM).replace(b" 9 0 R", b"")},
    "layer-name": lambda p: {LAYER: b"<< /Type /OCG /Name (Khac) >>"},
}


def changed(shape: str, style: str, change: Change, w: Workshop) -> bytes:
    pdf = w.base(shape, style)
    return update(pdf, change(pdf)).data


def freed(style: str, number: int, w: Workshop) -> bytes:
    """Only the cross-reference changes."""
    return update(w.base("plain", style), {}, free=(number,)).data


def twofold(style: Style, hidden: dict[int, bytes], *, first: bool) -> tuple[Pdf, dict[int, int]]:
    """A document that holds other definitions of the same objects, which its table does not name; their offsets."""
    objects = bodies()
    shown = write(objects, style)
    out = bytearray()
    if first:
        lead = len(b"%PDF-1.7" + style.nl + b"%\xe2\xe3\xcf\xd3" + style.nl)
        out += shown.data[:lead]
        places = objects_of(out, hidden, style.nl)
        offsets = objects_of(out, objects, style.nl)
    else:
        end = shown.start
        out += shown.data[:end]
        offsets = {n: shown.place(n) for n in objects}
        places = objects_of(out, hidden, style.nl)
    start, size = len(out), max(objects) + 1
    if style.xref == "table":
        out += table(offsets, style.nl, first=True) + b"trailer" + style.nl + b"<< /Size %d /Root 1 0 R >>" % size + style.nl
    else:
        rows = {0: (0, 0, 65535), **{n: (1, at, 0) for n, at in offsets.items()}, size: (1, start, 0)}
        size += 1
        objects_of(out, {size - 1: xref_stream(rows, size, b"/Root 1 0 R ")}, style.nl)
    out += closing(start, style.nl)
    return Pdf(bytes(out), style, objects, 1, size, start), places


HIDDEN: dict[str, dict[int, bytes]] = {
    "content": {CONTENT: stream(FORGED)},
    "page": {PAGE: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 14 0 R /Resources << %s >> >>" % FONTS},
    "pages": {PAGES: b"<< /Type /Pages /Kids [13 0 R] /Count 1 >>"},
    "tree": {
        CATALOG: b"<< /Type /Catalog /Pages 2 0 R /AcroForm 6 0 R >>",
        PAGES: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        PAGE: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << %s >> /Annots [7 0 R 8 0 R] >>" % FONTS,
        CONTENT: stream(FORGED),
    },
    "font": {FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"},
}


def switched(style: str, what: str, first: bool, w: Workshop) -> bytes:
    """After the signature only a cross-reference is appended, which names the other definitions."""
    prepared, places = twofold(STYLES[style], HIDDEN[what], first=first)
    pdf = sign(prepared, Plan(w.cms(w.agency)))
    return _only_references(pdf, places)


def _only_references(pdf: Pdf, places: dict[int, int]) -> bytes:
    nl, start = pdf.style.nl, len(pdf.data)
    if pdf.style.xref == "table":
        tail = table(places, nl) + b"trailer" + nl + b"<< /Size %d /Root 1 0 R /Prev %d >>" % (pdf.size, pdf.start) + nl
        return pdf.data + tail + closing(start, nl)
    out = bytearray(pdf.data)
    rows = {**{n: (1, at, 0) for n, at in places.items()}, pdf.size: (1, start, 0)}
    objects_of(out, {pdf.size: xref_stream(rows, pdf.size + 1, b"/Root 1 0 R /Prev %d " % pdf.start)}, nl)
    return bytes(out + closing(start, nl))


def other_root(style: str, w: Workshop) -> bytes:
    """The second tree stands under numbers of its own, unreachable; the update only names another catalog."""
    objects = bodies()
    page = b"<< /Type /Page /Parent 32 0 R /MediaBox [0 0 595 842] /Contents 34 0 R /Resources << %s >> /Annots [8 0 R] >>" % FONTS
    objects |= {
        31: objects[CATALOG].replace(b"/Pages 2 0 R", b"/Pages 32 0 R"),
        32: b"<< /Type /Pages /Kids [33 0 R] /Count 1 >>",
        33: page,
        34: stream(FORGED),
    }
    pdf = sign(write(objects, STYLES[style]), Plan(w.cms(w.agency)))
    return update(pdf, {}, root=31).data


def pointed_elsewhere(style: str, number: int, target: int, w: Workshop) -> bytes:
    """The entry of one object points to another object."""
    pdf = w.base("plain", style)
    return _only_references(pdf, {number: pdf.place(target)})


def prepared(style: str, what: str, w: Workshop) -> bytes:
    made, _ = twofold(STYLES[style], HIDDEN[what], first=True)
    return sign(made, Plan(w.cms(w.agency))).data


def cases() -> Iterator[Case]:
    for shape, style in (("plain", "table-lf"), ("p2", "stream-crlf"), ("p3", "objects-lf")):
        for name, change in REPLACE.items():
            # A certification at level 2 or 3 lets check boxes be filled; only official documents do not.
            tolerated = ANYBODY if name == "check" and shape != "plain" else ()
            yield Case("A6", f"{name}@{shape}-{style}", partial(changed, shape, style, change), tolerated=tolerated)
    for name in ("value", "appearance", "value-and-appearance", "check-state-only", "font"):
        yield Case("A6", f"{name}@two-table-lf", partial(changed, "two", "table-lf", REPLACE[name]))
        yield Case("A6", f"{name}@lta-stream-lf", partial(changed, "lta", "stream-lf", REPLACE[name]))
    for shape, style in (("plain", "table-lf"), ("p2", "stream-cr")):
        for name, change in HIDE.items():
            yield Case("A7", f"{name}@{shape}-{style}", partial(changed, shape, style, change))
    for style in ("table-lf", "stream-lf"):
        for number in (OVERLAY, COVER, NOTE, TEXT, LOOK, LAYER):
            yield Case("A7", f"freed-{number}@{style}", partial(freed, style, number))
        for what in HIDDEN:
            for first in (True, False):
                yield Case("A8", f"switched-{what}-{'before' if first else 'behind'}@{style}", partial(switched, style, what, first))
        for what in ("content", "tree"):
            yield Case("A8", f"prepared-{what}@{style}", partial(prepared, style, what), Must.ANSWER)
        yield Case("A8", f"other-root@{style}", partial(other_root, style))
        for number, target in ((CONTENT, 14), (PAGE, 13), (TEXT, CHECK), (OVERLAY, YES)):
            yield Case("A8", f"entry-{number}-to-{target}@{style}", partial(pointed_elsewhere, style, number, target))
