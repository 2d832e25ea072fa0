"""Signing at byte level: any placement, byte range and dictionary a good or a bad writer could make."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tests.security.attacks.builders import Pdf, update, with_entry
from tests.security.attacks.drafts import AGENCY, FORM, PAGE

RANGE_ROOM = 60
Cms = Callable[[bytes], bytes]
"""signed bytes → DER of the CMS"""


@dataclass(frozen=True, slots=True)
class Plan:
    """One signature: `cms` makes it; the rest are the ways in which writers differ.

    `head` are the entries before /Contents and /ByteRange, `more` those after; `docmdp` > 0 certifies;
    `spread` turns (b, c, end) into the byte range; `reserved` counts hex digits.
    """

    cms: Cms
    field: int = AGENCY
    head: bytes = b"/Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached"
    more: bytes = b"/M (D:20261120090000+07'00')"
    docmdp: int = 0
    contents_first: bool = False
    reserved: int = 16_384
    spread: Callable[[int, int, int], tuple[int, ...]] | None = None
    objects: Mapping[int, bytes] = dataclasses.field(default_factory=dict)
    direct: bool = False
    packed: bool = False
    stray: bool = False
    filler: bytes = b"0"
    field_entries: bytes = b""
    before_close: bytes = b""
    trailer: bytes = b""


def docmdp_reference(level: bytes) -> bytes:
    """/Reference of a certification signature."""
    return b"/Reference [<< /Type /SigRef /TransformMethod /DocMDP /TransformParams << /Type /TransformParams /P %s /V /1.2 >> >>]" % level


def fieldmdp_reference(action: bytes) -> bytes:
    """/Reference of a signature that locks fields; `action` as in /Action /Include /Fields [...]."""
    return b"/Reference [<< /Type /SigRef /TransformMethod /FieldMDP /Data 1 0 R /TransformParams << /Type /TransformParams %s /V /1.2 >> >>]" % action


def sign(pdf: Pdf, plan: Plan) -> Pdf:
    """Append a signed revision."""
    number = pdf.size
    value = _dictionary(plan)
    objects = dict(plan.objects)
    if not plan.stray:
        entry = b"/V " + (value if plan.direct else b"%d 0 R" % number)
        objects[plan.field] = with_entry(pdf.body(plan.field), entry + b" " + plan.field_entries)
    if plan.docmdp:
        objects[pdf.root] = with_entry(objects.get(pdf.root, pdf.body(pdf.root)), b"/Perms << /DocMDP %d 0 R >>" % number)
    if not plan.direct:
        objects[number] = value  # last, so that only the cross-reference follows it
    made = update(pdf, objects, loose=(plan.field,) if plan.direct else (number,), trailer=plan.trailer)
    return _fill(made, len(pdf.data), plan)


def _dictionary(plan: Plan) -> bytes:
    contents = b"/Contents <" + b"0" * plan.reserved + b">"
    ranges = b"/ByteRange [" + b"0" * (RANGE_ROOM - 2) + b"]"
    pair = (contents, ranges) if plan.contents_first else (ranges, contents)
    reference = docmdp_reference(b"%d" % plan.docmdp) if plan.docmdp else b""
    return b"<< " + b"\n".join((plan.head, *pair, plan.more, reference, plan.before_close)) + b" >>"


def _fill(pdf: Pdf, since: int, plan: Plan) -> Pdf:
    data = bytearray(pdf.data)
    b = data.index(b"/Contents <" + b"0" * plan.reserved, since) + len(b"/Contents ")
    c = b + plan.reserved + 2
    ranges = plan.spread(b, c, len(data)) if plan.spread else (0, b, c, len(data) - c)
    at = data.index(b"/ByteRange [0000", since) + len(b"/ByteRange ")
    data[at : at + RANGE_ROOM] = (b"[" + b" ".join(b"%d" % n for n in ranges) + b"]").ljust(RANGE_ROOM)
    signed = b"".join(bytes(data[s : s + n]) for s, n in zip(ranges[::2], ranges[1::2], strict=False))
    digits = plan.cms(signed).hex().encode()
    assert len(digits) <= plan.reserved, "more room wanted"
    data[b + 1 : c - 1] = digits.ljust(plan.reserved, plan.filler)
    return replace(pdf, data=bytes(data))


def stamp_document(
    pdf: Pdf, token: Cms, *, name: bytes = b"DauThoiGian1", head: bytes = b"/Type /DocTimeStamp /Filter /Adobe.PPKLite /SubFilter /ETSI.RFC3161"
) -> Pdf:
    """A document time-stamp in a new invisible field (ISO 32000-2 12.8.5)."""
    number = pdf.size
    field_body = b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (%s) /F 132 /P 3 0 R /Rect [0 0 0 0] >>" % name
    form = pdf.body(FORM).replace(b"] /SigFlags", b" %d 0 R] /SigFlags" % number)
    page = pdf.body(PAGE).replace(b"/Annots [", b"/Annots [%d 0 R " % number)
    # The field gets the first new number, the dictionary the next.
    staged = replace(pdf, bodies={**pdf.bodies, number: field_body}, size=number + 1)
    return sign(staged, Plan(token, field=number, head=head, more=b"", objects={FORM: form, PAGE: page}))


def add_dss(pdf: Pdf, certificates: tuple[bytes, ...], crls: tuple[bytes, ...]) -> Pdf:
    """Validation data (ISO 32000-2 12.8.4.3)."""
    first = pdf.size + 1
    numbers = range(first, first + len(certificates) + len(crls))
    streams = {n: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(d), d) for n, d in zip(numbers, (*certificates, *crls), strict=True)}
    certs = b" ".join(b"%d 0 R" % n for n in numbers[: len(certificates)])
    lists = b" ".join(b"%d 0 R" % n for n in numbers[len(certificates) :])
    objects = {pdf.size: b"<< /Type /DSS /Certs [%s] /CRLs [%s] >>" % (certs, lists), **streams}
    catalog = pdf.body(pdf.root)
    if b"/DSS" in catalog:
        old = catalog[catalog.index(b"/DSS") :].split()[1]
        catalog = catalog.replace(b"/DSS " + old, b"/DSS %d" % pdf.size)
    else:
        catalog = with_entry(catalog, b"/DSS %d 0 R" % pdf.size)
    return update(pdf, {**objects, pdf.root: catalog})


def digest_of(signed: bytes) -> bytes:
    return hashlib.sha256(signed).digest()
