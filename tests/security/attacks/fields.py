"""A10 undeclared, duplicated and shared fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from tests.security.attacks.builders import Pdf, update
from tests.security.attacks.certification import _new_field, _staged
from tests.security.attacks.drafts import AGENCY, FORM, PAGE, PERSON, TEXT
from tests.security.attacks.signer import Plan, sign
from tests.security.attacks.workshop import ANYBODY, Case, Must, Workshop

BASES = (("pure", "table-lf"), ("pure-p2", "objects-lf"), ("plain", "table-crlf"))
Change = Callable[[Pdf], dict[int, bytes]]


def _widget(pdf: Pdf, entries: bytes, *, in_form: bool = True, on_page: bool = True) -> dict[int, bytes]:
    number = pdf.size
    objects = {number: b"<< /Type /Annot /Subtype /Widget /F 4 /P 3 0 R /Rect [60 700 400 760] %s>>" % entries}
    if in_form:
        objects[FORM] = pdf.body(FORM).replace(b"] /SigFlags", b" %d 0 R] /SigFlags" % number)
    if on_page:
        objects[PAGE] = pdf.body(PAGE).replace(b"/Annots [", b"/Annots [%d 0 R " % number)
    return objects


def _value(pdf: Pdf) -> bytes:
    match = re.search(rb"/V \d+ 0 R", pdf.body(AGENCY))
    assert match is not None
    return match[0]


def _fields(pdf: Pdf, new: bytes) -> dict[int, bytes]:
    if TEXT not in pdf.bodies:
        new = new.replace(b"10 0 R", b"").replace(b" 9 0 R", b"")
    return {FORM: re.sub(rb"/Fields \[[^\]]*\]", b"/Fields [" + new + b"]", pdf.body(FORM))}


CHANGES: dict[str, Change] = {
    "empty-signature-visible": lambda p: _new_field(p, b"Them", b"60 700 400 760")[1],
    "empty-signature-invisible": lambda p: _new_field(p, b"Them", b"0 0 0 0")[1],
    "text": lambda p: _widget(p, b"/FT /Tx /T (Them) /V (So 999) /DA (/F1 18 Tf 0 g) "),
    "check-box": lambda p: _widget(p, b"/FT /Btn /T (Them) /V /Yes /AS /Yes "),
    "choice": lambda p: _widget(p, b"/FT /Ch /T (Them) /Opt [(a) (b)] /V (a) "),
    "button": lambda p: _widget(p, b"/FT /Btn /Ff 65536 /T (Them) /MK << /CA (So 999) >> "),
    "no-type": lambda p: _widget(p, b"/T (Them) "),
    "text-not-on-page": lambda p: _widget(p, b"/FT /Tx /T (Them) /V (x) ", on_page=False),
    "text-not-in-form": lambda p: _widget(p, b"/FT /Tx /T (Them) /V (x) ", in_form=False),
    "name-again": lambda p: _widget(p, b"/FT /Tx /T (GhiChu) /V (So 999) /DA (/F1 18 Tf 0 g) "),
    "signature-name-again": lambda p: _new_field(p, b"CoQuan", b"60 700 400 760", _value(p) + b" ")[1],
    "signature-name-again-empty": lambda p: _new_field(p, b"CoQuan", b"60 700 400 760")[1],
    "shares-signature": lambda p: _new_field(p, b"Them", b"60 700 400 760", _value(p) + b" ")[1],
    "shares-signature-invisible": lambda p: _new_field(p, b"Them", b"0 0 0 0", _value(p) + b" ")[1],
    "declared-shares-signature": lambda p: {PERSON: p.body(PERSON)[:-2] + _value(p) + b" >>"},
    "name-with-period": lambda p: _new_field(p, b"CoQuan.Them", b"60 700 400 760")[1],
    "name-empty": lambda p: _new_field(p, b"", b"60 700 400 760")[1],
    "order": lambda p: _fields(p, b"20 0 R 10 0 R 9 0 R 8 0 R 7 0 R"),
    "field-twice": lambda p: _fields(p, b"7 0 R 8 0 R 9 0 R 10 0 R 20 0 R 8 0 R"),
    "signed-field-gone": lambda p: _fields(p, b"7 0 R 9 0 R 10 0 R 20 0 R"),
    "all-fields-gone": lambda p: _fields(p, b""),
    "text-field-gone": lambda p: _fields(p, b"7 0 R 8 0 R 10 0 R 20 0 R"),
    "empty-declared-gone": lambda p: _fields(p, b"7 0 R 8 0 R 9 0 R 10 0 R"),
    "fields-null": lambda p: {FORM: re.sub(rb"/Fields \[[^\]]*\]", b"/Fields null", p.body(FORM))},
    "signature-flags-gone": lambda p: {FORM: p.body(FORM).replace(b"/SigFlags 3", b"")},
    "hierarchy": lambda p: {
        **_fields(p, b"%d 0 R 7 0 R 9 0 R 10 0 R 20 0 R" % p.size),
        p.size: b"<< /T (Nhom) /Kids [8 0 R] >>",
        AGENCY: p.body(AGENCY)[:-2] + b"/Parent %d 0 R >>" % p.size,
    },
    "kid-of-text": lambda p: {TEXT: p.body(TEXT)[:-2] + b"/Kids [%d 0 R] >>" % p.size, p.size: b"<< /Parent 9 0 R /T (Them) /V (x) >>"},
    "agency-rect": lambda p: {AGENCY: p.body(AGENCY).replace(b"[300 100 400 160]", b"[0 0 595 842]")},
    "agency-look": lambda p: {AGENCY: p.body(AGENCY)[:-2] + b"/AP << /N 17 0 R >> >>"},
    "agency-name": lambda p: {AGENCY: p.body(AGENCY).replace(b"(CoQuan)", b"(CoQuanKhac)")},
    "empty-declared-moved": lambda p: {PERSON: p.body(PERSON).replace(b"[0 0 0 0]", b"[0 0 595 842]")},
}


def changed(shape: str, style: str, change: Change, w: Workshop) -> bytes:
    pdf = w.base(shape, style)
    return update(pdf, change(pdf)).data


def signed_in_new_field(shape: str, style: str, name: bytes, rect: bytes, w: Workshop) -> bytes:
    """A further signature in a field that nobody declared."""
    pdf = w.base(shape, style)
    number, objects = _new_field(pdf, name, rect)
    staged = _staged(pdf, objects)
    objects.pop(number)
    return sign(staged, Plan(w.cms(w.person), field=number, objects=objects)).data


def stray_signature(shape: str, style: str, w: Workshop) -> bytes:
    """A further signature object that no field names."""
    return sign(w.base(shape, style), Plan(w.cms(w.person), stray=True)).data


def removed(shape: str, style: str, w: Workshop) -> bytes:
    """The value of the signed field is taken away."""
    pdf = w.base(shape, style)
    return update(pdf, {AGENCY: pdf.body(AGENCY).replace(_value(pdf), b"")}).data


def swapped(w: Workshop) -> bytes:
    """The values of two signed fields change places."""
    pdf = w.base("two")
    mine, other = (re.search(rb"/V \d+ 0 R", pdf.body(n))[0] for n in (PERSON, AGENCY))  # type: ignore[index]
    return update(pdf, {PERSON: pdf.body(PERSON).replace(mine, other), AGENCY: pdf.body(AGENCY).replace(other, mine)}).data


def one_removed(number: int, w: Workshop) -> bytes:
    """One of two signatures is taken away."""
    pdf = w.base("two")
    return update(pdf, {number: re.sub(rb"/V \d+ 0 R", b"", pdf.body(number))}).data


def cases() -> Iterator[Case]:
    for shape, style in BASES:
        at = f"@{shape}-{style}"
        for name, change in CHANGES.items():
            if not (shape.startswith("pure") and name in ("name-again", "text-field-gone", "kid-of-text")):
                yield Case("A10", name + at, partial(changed, shape, style, change))
        yield Case(
            "A10", "signed-visible" + at, partial(signed_in_new_field, shape, style, b"Them", b"60 700 400 760"), tolerated=ANYBODY if "p2" not in shape else ()
        )
        yield Case(
            "A10", "signed-invisible" + at, partial(signed_in_new_field, shape, style, b"Them", b"0 0 0 0"), tolerated=ANYBODY if "p2" not in shape else ()
        )
        yield Case("A10", "signed-same-name" + at, partial(signed_in_new_field, shape, style, b"CoQuan", b"0 0 0 0"))
        yield Case("A10", "signed-stray" + at, partial(stray_signature, shape, style))
        yield Case("A10", "value-removed" + at, partial(removed, shape, style))
    yield Case("A10", "values-swapped", swapped)
    for number in (PERSON, AGENCY):
        yield Case("A10", f"one-of-two-removed-{number}", partial(one_removed, number))
    yield Case("A10", "lawful-time-stamp", lambda w: w.stamped(w.base("plain")).data, Must.HOLD)
    for style in ("table-lf", "stream-lf", "objects-crlf"):
        yield Case("A10", f"lawful-validation-data@{style}", partial(lambda s, w: w.dss(w.base("p2", s)).data, style), Must.HOLD)
        yield Case("A10", f"lawful-renewal@{style}", partial(lambda s, w: w.stamped(w.dss(w.base("lta", s)), b"DauThoiGian2").data, style), Must.HOLD)
        yield Case(
            "A10", f"lawful-renewal-of-pure-two@{style}", partial(lambda s, w: w.stamped(w.dss(w.base("pure-two", s))).data, style), Must.HOLD, policy="nd30"
        )
        yield Case("A10", f"lawful-renewal-of-two@{style}", partial(lambda s, w: w.stamped(w.dss(w.base("two", s))).data, style), Must.HOLD, policy="nd30")
