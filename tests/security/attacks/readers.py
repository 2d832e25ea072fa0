"""A7, A8, A10, A13, A14: what one reader passes over and another shows, in updates after the signature.

Objects that nothing leads to, numbers that are named before they are there, keys that stand twice, definitions that no
cross-reference lists, fields of time-stamps that act, metadata beside the descriptions, entries that ride along.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from tests.security.attacks.aliases import CERTIFICATE, SPELLINGS, STORE, Bodies, _both, _swap, prepared
from tests.security.attacks.builders import BINARY, HEADER, STYLES, Pdf, _revision, stream, update, with_entry, write
from tests.security.attacks.drafts import (
    AGENCY,
    CATALOG,
    CONTENT,
    FONT,
    FONTS,
    FORGED,
    FORM,
    LAYER,
    META,
    METADATA,
    NOTE,
    PAGE,
    PAGES,
    PERSON,
    THIRD,
    bodies,
    page,
)
from tests.security.attacks.signer import Plan, digest_of, sign
from tests.security.attacks.workshop import ANYBODY, Case, Must, Workshop

FREE_NUMBER = 50
Edit = Callable[[bytes], bytes]
Change = Callable[[Pdf], dict[int, bytes]]
MORE_SPELLINGS = {**SPELLINGS, "vertical-tab": b"50\x0b0\x0bR", "generation": b"50 1 R", "doubled-sign": b"--50 0 R"}
SCRIPT = b"<< /S /JavaScript /JS (app.alert(1)) >>"


def _lenient(objects: Bodies) -> None:
    """A key twice: only lenient readers go on."""
    objects[NOTE] = objects[NOTE].replace(b"/F 4", b"/F 4 /F 4")


def named_before(style: str, spelling: bytes, lenient: bool, listed: bool, w: Workshop) -> bytes:
    """The page names a number; an update defines it, as validation data or as nothing at all."""
    swap = _swap(PAGE, b"/Contents 4 0 R", b"/Contents [4 0 R %s]" % spelling)
    pdf = prepared(style, _both(swap, _lenient) if lenient else swap, w)
    store = {STORE: b"<< /Type /DSS /Certs [%d 0 R %d 0 R] >>" % (CERTIFICATE, FREE_NUMBER)} if listed else {}
    return update(replace(pdf, size=FREE_NUMBER), {**store, FREE_NUMBER: stream(FORGED)}).data


def freed_and_named(style: str, w: Workshop) -> bytes:
    """The signed revision frees a number that its page names; an update takes the number again."""
    objects = bodies()
    objects[PAGE] = page(b"[4 0 R 40 0 R]")
    freed = update(replace(write(objects, STYLES[style]), size=41), {}, free=(40,))
    return update(_both_sign(freed, w), {40: stream(FORGED)}).data


def _both_sign(pdf: Pdf, w: Workshop, **more: object) -> Pdf:
    half = sign(pdf, Plan(w.cms(w.person), field=PERSON, **more))  # type: ignore[arg-type]
    return sign(half, Plan(w.cms(w.agency), field=AGENCY))


UNREACHED: dict[str, Change] = {
    "stream": lambda p: {p.size: stream(FORGED)},
    "overlay": lambda p: {p.size: stream(FORGED, b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] ")},
    "font": lambda p: {p.size: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"},
}
PARTS: dict[str, Change] = {
    "page": lambda p: {p.size: page()},
    "tree": lambda p: {p.size: b"<< /Type /Pages /Kids [13 0 R] /Count 1 >>"},
    "catalog": lambda p: {p.size: b"<< /Type /Catalog /Pages 2 0 R /Lang (x) >>"},
    "annotation": lambda p: {p.size: b"<< /Type /Annot /Subtype /Square /Rect [0 0 9 9] >>"},
    "field": lambda p: {p.size: b"<< /FT /Tx /T (x) /V (So 999) >>"},
    "script": lambda p: {p.size: SCRIPT},
    "page-with-content": lambda p: {p.size: page(b"%d 0 R" % (p.size + 1)), p.size + 1: stream(FORGED)},
}
SHELLS: Change = lambda p: {p.size: b"<< /Type /Font >>", p.size + 1: b"17"}  # noqa: E731


def changed(shape: str, style: str, change: Change, w: Workshop) -> bytes:
    pdf = w.base(shape, style)
    return update(pdf, change(pdf)).data


def many_unreached(w: Workshop) -> bytes:
    return changed("house", "table-lf", lambda p: dict.fromkeys(range(p.size, p.size + 200), stream(b"x")), w)


def unreached_then_stamped(style: str, w: Workshop) -> bytes:
    pdf = w.base("two", style)
    return w.stamped(update(pdf, {pdf.size: page()})).data


def _twice(key: bytes, value: bytes, first: bool) -> Edit:
    return lambda body: b"<< /%s %s " % (key, value) + body[2:] if first else with_entry(body, b"/%s %s" % (key, value))


def _behind(header: bytes) -> Edit:
    """Another definition follows that no cross-reference lists."""
    return lambda body: body + b"\nendobj\n" + header + b"\n" + body.replace(b"/Contents 4 0 R", b"/Contents 14 0 R")


# An object is written again: the same for one reader, another for the next.
TWINS: dict[str, tuple[int, Edit]] = {
    "content-stream-twice-length": (CONTENT, lambda b: b.replace(b"<< ", b"<< /Length 4 ", 1)),
    "content-two-streams": (CONTENT, lambda b: b + b"\nstream\n" + FORGED + b"\nendstream"),
    "page-two-values": (PAGE, lambda b: b + b"\n" + b.replace(b"/Contents 4 0 R", b"/Contents 14 0 R")),
    **{
        f"page-again-{name}": (PAGE, _behind(header))
        for name, header in {
            "plain": b"3 0 obj",
            "two-spaces": b"3 0  obj",
            "signed": b"+3 0 obj",
            "comment": b"3%x\n0 obj",
            "long-comment": b"3%" + b"x" * 60 + b"\n0 obj",
            "vertical-tab": b"3\x0b0\x0bobj",
            "glued": b"3 0obj",
        }.items()
    },
}
for _first in (True, False):
    _at = "first" if _first else "last"
    TWINS |= {
        f"contents-twice-{_at}": (PAGE, _twice(b"Contents", b"14 0 R", _first)),
        f"resources-twice-{_at}": (PAGE, _twice(b"Resources", b"<< >>", _first)),
        f"pages-twice-{_at}": (CATALOG, _twice(b"Pages", b"40 0 R", _first)),
        f"kids-twice-{_at}": (PAGES, _twice(b"Kids", b"[13 0 R]", _first)),
        f"font-twice-{_at}": (FONT, _twice(b"BaseFont", b"/Symbol", _first)),
        f"contents-escaped-{_at}": (PAGE, _twice(b"Con#74ents", b"14 0 R", _first)),
        f"form-twice-{_at}": (CATALOG, _twice(b"AcroForm", b"40 0 R", _first)),
        f"permissions-twice-{_at}": (CATALOG, _twice(b"Perms", b"<< /UR3 40 0 R >>", _first)),
    }


def twin(style: str, name: str, w: Workshop) -> bytes:
    number, edit = TWINS[name]
    pdf = w.base("two", style)
    return update(pdf, {number: edit(pdf.body(number))}).data


STAMP_FIELDS = {
    "action": b"/A << /S /URI /URI (https://example.vn) >>",
    "script": b"/AA << /PO " + SCRIPT + b" >>",
    "box-twice": b"/Rect [0 0 595 842]",
    "contents": b"/Contents (So 999)",
    "parent": b"/Parent 7 0 R",
    "layer": b"/OC 19 0 R",
    "area": b"/QuadPoints [0 0 595 842]",
    "widget": b"/Kids [{w}]",
}


def stamp_field(style: str, entries: bytes, w: Workshop) -> bytes:
    """A document time-stamp whose field says more than it may."""
    pdf = w.base("two", style)
    number = pdf.size
    field = b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (D) /F 132 /P 3 0 R /Rect [0 0 0 0] %s >>" % entries.replace(b"{w}", b"%d 0 R" % (number + 2))
    form = pdf.body(FORM).replace(b"] /SigFlags", b" %d 0 R] /SigFlags" % number)
    shown = pdf.body(PAGE).replace(b"20 0 R]", b"20 0 R %d 0 R]" % (number + 2 * (b"Kids" in entries)))
    widget = b"<< /Type /Annot /Subtype /Widget /Parent %d 0 R /F 4 /P 3 0 R /Rect [0 0 595 842] /AP << /N 17 0 R >> >>" % number
    more = {FORM: form, PAGE: shown, **({number + 2: widget} if b"Kids" in entries else {})}
    staged = replace(pdf, bodies={**pdf.bodies, number: field}, size=number + 1)
    head = b"/Type /DocTimeStamp /Filter /Adobe.PPKLite /SubFilter /ETSI.RFC3161"
    return sign(staged, Plan(lambda data: w.token()(digest_of(data)), field=number, head=head, more=b"", objects=more)).data


RIDES = {
    "box": b"/Rect [0 0 595 842]",
    "action": b"/A << /S /URI /URI (https://example.vn) >>",
    "script": b"/AA << /E " + SCRIPT + b" >>",
    "border": b"/Border [0 0 99]",
    "layer": b"/OC 19 0 R",
    "parent": b"/Parent 7 0 R",
    "kids": b"/Kids [17 0 R]",
    "popup": b"/Popup 17 0 R",
}


def rides_along(style: str, entries: bytes, w: Workshop) -> bytes:
    """A declared field is lawfully filled, and something else of it changes too."""
    return sign(w.base("two", style), Plan(w.cms(w.agency), field=THIRD, field_entries=entries)).data


def tagged(style: str, name: str, w: Workshop) -> bytes:
    """A tagged document with names, layers and an outline, changed after both signatures."""
    objects = bodies()
    objects[CATALOG] = with_entry(
        objects[CATALOG],
        b"/MarkInfo << /Marked true >> /StructTreeRoot 25 0 R /Dests << /b [3 0 R /Fit] >> /Names << /Dests << /Names [(a) [3 0 R /Fit]] >> >> "
        b"/PageLabels << /Nums [0 << /S /D >>] >> /OCProperties << /OCGs [19 0 R] /D << /ON [19 0 R] /Order [19 0 R] >> >> /Outlines 29 0 R",
    )
    objects |= {
        25: b"<< /Type /StructTreeRoot /K [26 0 R] /ParentTree 27 0 R /RoleMap << /X /P >> >>",
        26: b"<< /Type /StructElem /S /P /P 25 0 R /Pg 3 0 R /K [0] /ActualText (So 125) /Alt (So 125) >>",
        27: b"<< /Nums [0 [26 0 R]] >>",
        28: stream(b"begincmap endcmap"),
        29: b"<< /Type /Outlines /First 30 0 R /Last 30 0 R /Count 1 >>",
        30: b"<< /Title (So 125) /Parent 29 0 R /Dest [3 0 R /Fit] >>",
        31: b"<< /Type /Encoding /BaseEncoding /WinAnsiEncoding >>",
        FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman /Encoding 31 0 R /ToUnicode 28 0 R >>",
    }
    number, old, new = TAGGED[name]
    pdf = _both_sign(write(objects, STYLES[style]), w, docmdp=2)
    assert old in pdf.body(number)
    return update(pdf, {number: pdf.body(number).replace(old, new)}).data


TAGGED: dict[str, tuple[int, bytes, bytes]] = {
    "actual-text": (26, b"/ActualText (So 125)", b"/ActualText (So 999)"),
    "alternative": (26, b"/Alt (So 125)", b"/Alt (So 999)"),
    "element": (26, b"/K [0]", b"/K [0 0]"),
    "role-map": (25, b"/X /P", b"/P /Artifact"),
    "parent-tree": (27, b"[0 [26 0 R]]", b"[0 [26 0 R] 1 26 0 R]"),
    "name": (CATALOG, b"[(a) [3 0 R", b"[(a) [13 0 R"),
    "destination": (CATALOG, b"/b [3 0 R", b"/b [13 0 R"),
    "labels": (CATALOG, b"/S /D", b"/S /R"),
    "layer-off": (CATALOG, b"/ON [19 0 R]", b"/OFF [19 0 R]"),
    "layer-name": (LAYER, b"(Lop)", b"(Khac)"),
    "outline": (30, b"125", b"999"),
    "to-unicode": (28, b"begincmap", b"Begincmap"),
    "encoding": (31, b"/BaseEncoding /WinAnsiEncoding", b"/Differences [49 /nine]"),
    "empty-field-look": (THIRD, b"/F 132", b"/F 132 /AP << /N 17 0 R >>"),
    "empty-field-shown": (THIRD, b"/F 132", b"/F 4"),
    "signed-field-background": (AGENCY, b"/F 132", b"/F 132 /MK << /BG [0 0 0] >>"),
    "signed-field-hidden": (AGENCY, b"/F 132", b"/F 2"),
    "form-font": (FORM, FONTS, b"/Font << /F1 12 0 R >>"),
    "form-forms": (FORM, b"/SigFlags", b"/XFA (<x/>) /SigFlags"),
}
_RDF = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TITLE = METADATA.replace(b"<dc:format>", b'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">So 125</rdf:li></rdf:Alt></dc:title><dc:format>')
PACKETS: dict[str, tuple[bytes, bytes]] = {
    "title": (b"So 125", b"So 999"),
    "text-behind": (b"</dc:title>", b"</dc:title>So 999"),
    "text-inside": (b"</rdf:li>", b"</rdf:li>So 999"),
    "beside": (b"<rdf:RDF", b'<dc:title xmlns:dc="http://purl.org/dc/elements/1.1/">So 999</dc:title><rdf:RDF'),
    "second-tree": (b"</x:xmpmeta>", b'<rdf:RDF xmlns:rdf="' + _RDF + b'"><rdf:Bag>So 999</rdf:Bag></rdf:RDF></x:xmpmeta>'),
    "attribute": (b"<dc:title>", b'<dc:title rdf:parseType="Literal">'),
    "second-value": (b"<dc:format>", b"<dc:format>text/plain</dc:format><dc:format>"),
    "typed-node": (b"</rdf:RDF>", b'<d:Doc xmlns:d="http://purl.org/dc/elements/1.1/"><d:title>So 999</d:title></d:Doc></rdf:RDF>'),
}


def packet(style: str, old: bytes, new: bytes, w: Workshop) -> bytes:
    """The metadata are written again."""
    assert old in _TITLE
    objects = bodies() | {META: stream(_TITLE, b"/Type /Metadata /Subtype /XML ")}
    return update(_both_sign(write(objects, STYLES[style]), w), {META: stream(_TITLE.replace(old, new), b"/Type /Metadata /Subtype /XML ")}).data


def packed_more(w: Workshop) -> bytes:
    """An object stream of an update holds more than its objects."""
    return changed("two", "objects-lf", lambda p: {PAGE: p.body(PAGE) + b"\n" + re.sub(rb"/Contents 4", b"/Contents 14", p.body(PAGE))}, w)


def behind(prefix: bytes, w: Workshop) -> bytes:
    """Bytes in front of the header: readers count offsets from different places."""
    pdf = _revision(bytearray(prefix + HEADER + b"\n" + BINARY + b"\n"), None, bodies(), STYLES["table-lf"], CATALOG)
    return _both_sign(pdf, w).data


def cases() -> Iterator[Case]:
    for style in ("table-lf", "objects-lf"):
        for name, spelling in MORE_SPELLINGS.items():
            for lenient in (True, False):
                for listed in (True, False):
                    how = f"{name}-{'lenient' if lenient else 'strict'}-{'listed' if listed else 'alone'}"
                    if lenient or not listed:  # the rest is in `aliases`
                        yield Case("A7", f"named-before-{how}@{style}", partial(named_before, style, spelling, lenient, listed))
        yield Case("A7", f"named-and-freed@{style}", partial(freed_and_named, style))
        for name, change in UNREACHED.items():
            yield Case("A8", f"unreached-{name}@{style}", partial(changed, "two", style, change), tolerated=ANYBODY)
        for name, change in PARTS.items():
            yield Case("A8", f"unreached-{name}@{style}", partial(changed, "two", style, change))
        yield Case("A8", f"unreached-then-stamped@{style}", partial(unreached_then_stamped, style))
        yield Case("A8", f"lawful-empty-shells@{style}", partial(changed, "two", style, SHELLS), Must.HOLD, policy="nd30")
        for name, entries in STAMP_FIELDS.items():
            yield Case("A10", f"time-stamp-with-{name}@{style}", partial(stamp_field, style, entries))
        for name in TAGGED:
            yield Case("A14", f"tagged-{name}@{style}", partial(tagged, style, name))
        for name, edits in PACKETS.items():
            yield Case("A14", f"packet-{name}@{style}", partial(packet, style, *edits))
    for name in TWINS:
        yield Case("A13", f"twin-{name}", partial(twin, "table-lf", name))
    for name, entries in RIDES.items():
        yield Case("A10", f"rides-{name}", partial(rides_along, "table-lf", entries))
    yield Case("A8", "unreached-many", many_unreached, tolerated=ANYBODY)
    yield Case("A13", "object-stream-holds-more", packed_more)
    for name, prefix in {"junk": b"junk\n", "mark": b"\xef\xbb\xbf", "line": b"\n"}.items():
        yield Case("A13", f"before-the-header-{name}", partial(behind, prefix))
