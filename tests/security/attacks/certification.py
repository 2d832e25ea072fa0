"""A9 certification attacks (evil annotation, sneaky signature) and A11 violations of DocMDP and FieldMDP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tests.security.attacks.builders import STYLES, Pdf, stream, update, with_entry
from tests.security.attacks.drafts import AGENCY, CATALOG, CHECK, CONTENT, FONTS, FORGED, FORM, NOTE, PAGE, PERSON, TEXT, draft
from tests.security.attacks.signer import Plan, docmdp_reference, fieldmdp_reference, sign
from tests.security.attacks.workshop import ANYBODY, LOCK, Case, Must, Workshop

WHITE_BOX = stream(
    b"1 g 0 0 600 900 re f 0 g BT /F1 18 Tf 72 720 Td (Forged) Tj ET", b"/Type /XObject /Subtype /Form /BBox [0 0 600 900] /Resources << %s >> " % FONTS
)
ANNOTATIONS: dict[str, bytes] = {
    "free-text": b"/FreeText /Contents (So 999) /DA (/F1 18 Tf 1 g) /Rect [60 700 400 760]",
    "stamp": b"/Stamp /Name /Approved /Rect [60 700 400 760]",
    "redact": b"/Redact /Rect [60 700 400 760] /IC [1 1 1]",
    "highlight": b"/Highlight /QuadPoints [60 760 400 760 60 700 400 700] /C [1 1 1] /Rect [60 700 400 760]",
    "square": b"/Square /IC [1 1 1] /Rect [60 700 400 760]",
    "ink": b"/Ink /InkList [[60 700 400 760]] /BS << /W 60 >> /Rect [60 700 400 760]",
    "line": b"/Line /L [60 730 400 730] /BS << /W 60 >> /Rect [60 700 400 760]",
    "text": b"/Text /Contents (Ghi chu) /Rect [60 700 80 720]",
    "link": b"/Link /A << /S /URI /URI (https://example.vn/) >> /Rect [60 700 400 760]",
    "file": b"/FileAttachment /FS << /Type /Filespec /F (x.exe) >> /Rect [60 700 80 720]",
    "watermark": b"/Watermark /Rect [0 0 595 842]",
    "screen": b"/Screen /Rect [60 700 400 760]",
    "popup": b"/Popup /Open true /Rect [60 700 400 760]",
    "widget": b"/Widget /Rect [60 700 400 760]",
    "no-subtype": b"null /Rect [60 700 400 760]",
}


def annotated(shape: str, style: str, entries: bytes, look: bool, w: Workshop) -> bytes:
    """An annotation over the content, with an appearance that covers it."""
    pdf = w.base(shape, style)
    number = pdf.size
    body = b"<< /Type /Annot /Subtype %s /F 4 /P 3 0 R %s>>" % (entries, b"/AP << /N %d 0 R >> " % (number + 1) if look else b"")
    objects = {number: body, PAGE: pdf.body(PAGE).replace(b"/Annots [", b"/Annots [%d 0 R " % number)}
    return update(pdf, {**objects, **({number + 1: WHITE_BOX} if look else {})}).data


def _new_field(pdf: Pdf, name: bytes, rect: bytes, more: bytes = b"") -> tuple[int, dict[int, bytes]]:
    number = pdf.size
    field = b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (%s) /F 4 /P 3 0 R /Rect [%s] %s>>" % (name, rect, more)
    form = pdf.body(FORM).replace(b"] /SigFlags", b" %d 0 R] /SigFlags" % number)
    return number, {number: field, FORM: form, PAGE: pdf.body(PAGE).replace(b"/Annots [", b"/Annots [%d 0 R " % number)}


def sneaky(shape: str, style: str, own_key: bool, w: Workshop) -> bytes:
    """A signature in a new field whose appearance covers the page."""
    pdf = w.base(shape, style)
    look = pdf.size + 1
    number, objects = _new_field(pdf, b"Them", b"0 0 595 842", b"/AP << /N %d 0 R >> " % look)
    staged = _staged(pdf, {**objects, look: WHITE_BOX})
    objects.pop(number)
    return sign(staged, Plan(w.cms(w.person if own_key else w.agency), field=number, objects={**objects, look: WHITE_BOX})).data


def _staged(pdf: Pdf, objects: dict[int, bytes]) -> Pdf:
    return Pdf(pdf.data, pdf.style, {**pdf.bodies, **objects}, pdf.root, max(pdf.size, *(n + 1 for n in objects)), pdf.start)


def declared_but(shape: str, style: str, edit: Callable[[bytes, int], bytes], w: Workshop) -> bytes:
    """A declared field is filled, and more of it is changed than its value."""
    pdf = w.base(shape, style)
    look = pdf.size
    edited = edit(pdf.body(PERSON), look)
    staged = _staged(pdf, {PERSON: edited, look: WHITE_BOX})
    return sign(staged, Plan(w.cms(w.person), field=PERSON, objects={look: WHITE_BOX})).data


DECLARED: dict[str, Callable[[bytes, int], bytes]] = {
    "rect-grown": lambda b, n: b.replace(b"/Rect [0 0 0 0]", b"/Rect [0 0 595 842]"),
    "rect-grown-with-look": lambda b, n: with_entry(b.replace(b"/Rect [0 0 0 0]", b"/Rect [0 0 595 842]"), b"/AP << /N %d 0 R >>" % n),
    "other-page": lambda b, n: b.replace(b"/P 3 0 R", b"/P 13 0 R"),
    "renamed": lambda b, n: b.replace(b"(NguoiKy)", b"(NguoiKhac)"),
    "type-changed": lambda b, n: b.replace(b"/FT /Sig", b"/FT /Tx"),
    "action": lambda b, n: with_entry(b, b"/A << /S /JavaScript /JS (app.alert(1)) >>"),
    "more-actions": lambda b, n: with_entry(b, b"/AA << /E << /S /JavaScript /JS (app.alert(1)) >> >>"),
    "parent": lambda b, n: with_entry(b, b"/Parent 9 0 R"),
    "kids": lambda b, n: with_entry(b, b"/Kids [9 0 R]"),
    "alternate-name": lambda b, n: with_entry(b, b"/TU (Khac)"),
}


def filled(shape: str, style: str, w: Workshop, **more: object) -> Pdf:
    """The person signs the declared field after the agency."""
    return sign(w.base(shape, style), Plan(w.cms(w.person), field=PERSON, **more))  # type: ignore[arg-type]


def filled_and(shape: str, style: str, objects: Callable[[Pdf], dict[int, bytes]], w: Workshop) -> bytes:
    """The declared field is filled and something else changed in the same revision."""
    pdf = w.base(shape, style)
    return sign(pdf, Plan(w.cms(w.person), field=PERSON, objects=objects(pdf))).data


def changed(shape: str, style: str, objects: Callable[[Pdf], dict[int, bytes]], w: Workshop) -> bytes:
    pdf = w.base(shape, style)
    return update(pdf, objects(pdf)).data


def second_certification(shape: str, level: int, w: Workshop) -> bytes:
    """The second signature certifies too; /Perms names it."""
    pdf = w.base(shape)
    number = pdf.size
    root = without_perms(pdf.body(CATALOG)) if b"/Perms" in pdf.body(CATALOG) else pdf.body(CATALOG)
    objects = {CATALOG: with_entry(root, b"/Perms << /DocMDP %d 0 R >>" % number)}
    return sign(pdf, Plan(w.cms(w.person), field=PERSON, more=docmdp_reference(b"%d" % level), objects=objects)).data


def without_perms(body: bytes) -> bytes:
    """The catalog without /Perms."""
    start = body.index(b"/Perms")
    return body[:start] + body[body.index(b">>", start) + 2 :]


def looser_then_changed(first: int, second: int, w: Workshop) -> bytes:
    """A later signature says more is allowed, and then it is done."""
    pdf = sign(w.base(f"pure-p{first}"), Plan(w.cms(w.person), field=PERSON, more=docmdp_reference(b"%d" % second)))
    note = b"<< /Type /Annot /Subtype /FreeText /Contents (So 999) /DA (/F1 18 Tf 0 g) /Rect [60 700 400 760] /P 3 0 R >>"
    return update(pdf, {pdf.size: note, PAGE: pdf.body(PAGE).replace(b"/Annots [", b"/Annots [%d 0 R " % pdf.size)}).data


def odd_level(level: bytes, w: Workshop) -> bytes:
    """A certification level that does not exist, then a change."""
    pdf = sign(draft(), Plan(w.cms(w.agency), more=docmdp_reference(level)))
    return update(pdf, {TEXT: pdf.body(TEXT).replace(b"(So 125)", b"(So 999)")}).data


def locked(style: str, action: bytes, target: int, old: bytes, new: bytes, w: Workshop) -> bytes:
    """A field locked by the signature is changed."""
    made = sign(draft(STYLES[style], lock=LOCK), Plan(w.cms(w.agency), more=fieldmdp_reference(action)))
    return update(made, {target: made.body(target).replace(old, new)}).data


def locked_signature_field(action: bytes, w: Workshop) -> bytes:
    """The signature locks another signature field, which is filled all the same."""
    made = sign(draft(), Plan(w.cms(w.agency), more=fieldmdp_reference(action)))
    return sign(made, Plan(w.cms(w.person), field=PERSON)).data


def lock_ignored(w: Workshop) -> bytes:
    """The field's /Lock says P 1; the signature itself says nothing; the document is changed."""
    lock = b"/Lock << /Type /SigFieldLock /Action /All /P 1 >> "
    made = sign(draft(lock=lock), Plan(w.cms(w.agency)))
    return update(made, {TEXT: made.body(TEXT).replace(b"(So 125)", b"(So 999)")}).data


def lock_removed(w: Workshop) -> bytes:
    pdf = w.base("fieldmdp")
    body = pdf.body(AGENCY).replace(LOCK, b"")
    assert body != pdf.body(AGENCY)
    return update(pdf, {AGENCY: body}).data


def _perms(entry: bytes) -> Callable[[Pdf], dict[int, bytes]]:
    return lambda p: {CATALOG: with_entry(without_perms(p.body(CATALOG)), entry)}


VIOLATIONS: dict[str, Callable[[Pdf], dict[int, bytes]]] = {
    "content": lambda p: {CONTENT: stream(FORGED)},
    "text-field": lambda p: {TEXT: p.body(TEXT).replace(b"(So 125)", b"(So 999)")},
    "check-box": lambda p: {CHECK: p.body(CHECK).replace(b"/Off", b"/Yes")},
    "note": lambda p: {NOTE: p.body(NOTE).replace(b"(che)", b"(mo)")},
    "perms-gone": lambda p: {CATALOG: without_perms(p.body(CATALOG))},
    "perms-empty": _perms(b"/Perms << >>"),
    "perms-null": _perms(b"/Perms null"),
    "perms-elsewhere": _perms(b"/Perms << /DocMDP 4 0 R >>"),
    "perms-usage-rights": _perms(b"/Perms << /UR3 4 0 R >>"),
    "legal": lambda p: {CATALOG: with_entry(p.body(CATALOG), b"/Legal << /JavaScriptActions 0 >>")},
}


def cases() -> Iterator[Case]:
    for shape, style in (("pure-p3", "table-lf"), ("pure-p2", "stream-lf"), ("pure", "objects-crlf")):
        for name, entries in ANNOTATIONS.items():
            if shape == "pure-p3" or name in ("free-text", "stamp", "square", "widget", "link"):
                yield Case("A9", f"{name}@{shape}-{style}", partial(annotated, shape, style, entries, name not in ("link", "popup")))
        for own in (True, False):
            yield Case("A9", f"sneaky-{'other' if own else 'same'}-signer@{shape}-{style}", partial(sneaky, shape, style, own))
        for name, edit in DECLARED.items():
            yield Case("A9", f"declared-{name}@{shape}-{style}", partial(declared_but, shape, style, edit))
    for shape in ("p1", "p2", "p3"):
        for name, objects in VIOLATIONS.items():
            if name.startswith(("perms", "legal", "note", "content")):
                yield Case("A11", f"{name}@pure-{shape}", partial(changed, f"pure-{shape}", "stream-lf", objects))
            tolerated = ANYBODY if name == "check-box" and shape != "p1" else ()
            yield Case("A11", f"{name}@{shape}", partial(changed, shape, "table-crlf", objects), tolerated=tolerated)
            if name in ("content", "text-field", "perms-gone"):
                yield Case("A11", f"filled-and-{name}@{shape}", partial(filled_and, shape, "table-lf", objects))
            if name in ("content", "note", "perms-gone"):
                yield Case("A11", f"filled-and-{name}@pure-{shape}", partial(filled_and, f"pure-{shape}", "table-lf", objects))
    yield Case("A11", "filled-after-p1@table-lf", lambda w: filled("p1", "table-lf", w).data)
    yield Case("A11", "filled-after-p1@stream-lf", lambda w: filled("p1", "stream-lf", w).data)
    yield Case("A11", "filled-after-p1@pure", lambda w: filled("pure-p1", "table-lf", w).data)
    for shape, level in (("plain", 1), ("plain", 2), ("p2", 1), ("p2", 2), ("p2", 3), ("p3", 3), ("pure", 2), ("pure-p2", 3)):
        yield Case("A11", f"certified-{level}-after-{shape}", partial(second_certification, shape, level))
    for first, second in ((1, 3), (2, 3), (2, 2), (3, 3)):
        yield Case("A11", f"looser-{first}-{second}-then-annotated", partial(looser_then_changed, first, second))
    for level in (b"0", b"4", b"-1", b"(2)", b"null", b"2.0", b"99999999999"):
        yield Case("A11", f"odd-level-{level.decode().strip('()')}", partial(odd_level, level))
    for style in ("table-lf", "stream-crlf"):
        text = (TEXT, b"(So 125)", b"(So 999)")
        yield Case("A11", f"locked-included@{style}", partial(locked, style, b"/Action /Include /Fields [(GhiChu)]", *text))
        yield Case("A11", f"locked-all@{style}", partial(locked, style, b"/Action /All", *text))
        yield Case("A11", f"locked-except@{style}", partial(locked, style, b"/Action /Exclude /Fields [(Dong)]", *text))
        yield Case("A11", f"not-locked@{style}", partial(locked, style, b"/Action /Include /Fields [(GhiChu)]", CHECK, b"/Off", b"/Yes"))
        yield Case("A11", f"lock-unknown@{style}", partial(locked, style, b"/Action /Khac /Fields [(GhiChu)]", *text))
    yield Case("A11", "locked-signature-field", partial(locked_signature_field, b"/Action /Include /Fields [(NguoiKy)]"))
    yield Case("A11", "locked-all-then-signed", partial(locked_signature_field, b"/Action /All"))
    yield Case("A11", "lock-in-field-ignored", lock_ignored)
    yield Case("A11", "lock-removed", lock_removed)
    yield from _lawful()


def _lawful() -> Iterator[Case]:
    for style in STYLES:
        yield Case("A11", f"lawful-declared-filled-p2@{style}", partial(lambda s, w: filled("p2", s, w).data, style), Must.HOLD)
    for shape in ("plain", "p3", "pure", "pure-p2", "pure-p3"):
        yield Case("A10", f"lawful-declared-filled-{shape}", partial(lambda s, w: filled(s, "table-lf", w).data, shape), Must.HOLD)
    yield Case("A11", "lawful-other-field-locked", partial(locked_signature_field, b"/Action /Include /Fields [(GhiChu)]"), Must.HOLD)
    yield Case("A11", "lawful-validation-data-p1", lambda w: w.dss(w.base("p1")).data, Must.HOLD)
