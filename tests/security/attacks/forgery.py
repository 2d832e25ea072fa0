"""A5 universal forgery (degenerate values), A4 redefinition of a signature object, A12 spoofed dictionaries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from tests.security.attacks.builders import STYLES, Pdf, update, with_entry, without_key
from tests.security.attacks.drafts import AGENCY, PAGE, draft
from tests.security.attacks.signer import Plan, digest_of, sign, stamp_document
from tests.security.attacks.workshop import Case, Workshop

CONTENTS = {
    "empty": b"<>",
    "one-zero": b"<00>",
    "null": b"null",
    "no-value": b"",
    "empty-text": b"()",
    "text": b"(signature)",
    "name": b"/None",
    "number": b"0",
    "true": b"true",
    "array": b"[<00>]",
    "dictionary": b"<< >>",
    "reference": b"4 0 R",
    "reference-to-nothing": b"999 0 R",
    "not-hex": b"<xyz>",
    "odd": b"<3>",
    "sequence-empty": b"<3000>",
    "indefinite": b"<3080>",
    "absurd-length": b"<3084ffffffff>",
    "negative-length": b"<308f>",
    "octets": b"<0400>",
    "ones": b"<" + b"f" * 200 + b">",
    "zeros": b"<" + b"0" * 2000 + b">",
    "not-closed": b"<" + b"0" * 20,
    "two-strings": b"<3000> <3000>",
    "white-only": b"<  >",
    "data-content": b"<300b06092a864886f70d010701>",
}
RANGES = {
    "null": b"null",
    "empty": b"[]",
    "no-value": b"",
    "zeros": b"[0 0 0 0]",
    "negative": b"[0 -1 10 -5]",
    "negative-start": b"[-10 200 300 400]",
    "overlapping": b"[0 3000 100 3000]",
    "beyond-end": b"[0 100 200 99999999]",
    "huge": b"[0 99999999999999999999 5 7]",
    "larger-than-64-bit": b"[0 18446744073709551616 1 1]",
    "one": b"[0]",
    "two": b"[0 100]",
    "three": b"[0 100 200]",
    "five": b"[0 100 200 300 400]",
    "first-not-zero": b"[5 100 200 300]",
    "reals": b"[0.0 100.5 200.1 300.9]",
    "names": b"[/a /b /c /d]",
    "texts": b"[(0) (100) (200) (300)]",
    "nested": b"[[0 100] [200 300]]",
    "nulls": b"[null null null null]",
    "text": b"(0 100 200 300)",
    "number": b"0",
    "dictionary": b"<< >>",
    "reference": b"4 0 R",
    "reference-to-nothing": b"999 0 R",
    "not-an-array": b"0 100 200 300",
    "exponent": b"[0 1e3 2e3 3e3]",
    "plus": b"[+0 +100 +200 +300]",
    "words": b"[true false true false]",
    "swapped": b"[200 300 0 100]",
    "all-of-file": b"[0 10 10 30000]",
    "references": b"[1 0 R 1 0 R 1 0 R 1 0 R]",
}
BASES = (("plain", "table-lf"), ("house", "stream-lf"))


def contents(shape: str, style: str, value: bytes, w: Workshop) -> bytes:
    """The value of /Contents replaced in place; offsets stay."""
    pdf = w.base(shape, style)
    at = pdf.data.rindex(b"/Contents <") + len(b"/Contents ")
    end = pdf.data.index(b">", at) + 1
    return pdf.data[:at] + value.ljust(end - at) + pdf.data[end:]


def byte_range(shape: str, style: str, value: bytes, w: Workshop) -> bytes:
    """The value of /ByteRange replaced in place, in the room its writer left."""
    pdf = w.base(shape, style)
    at = pdf.data.rindex(b"/ByteRange") + len(b"/ByteRange")
    room = len(re.match(rb"\s*\[[^\]]*\]\s*", pdf.data[at:])[0])  # type: ignore[index]
    value = b" " + value
    if len(value) > room:
        room = len(value)  # the room after it is the hex string of /Contents or another entry
        return update(pdf, {_object_number(pdf): re.sub(rb"/ByteRange\s*\[[^\]]*\]", b"/ByteRange" + value, _object(pdf))}, loose=(_object_number(pdf),)).data
    return pdf.data[:at] + value.ljust(room) + pdf.data[at + room :]


def renamed(shape: str, style: str, key: bytes, new: bytes, w: Workshop) -> bytes:
    """A key of the last signature dictionary renamed in place (same length)."""
    pdf = w.base(shape, style)
    at = pdf.data.rindex(key)
    assert len(key) == len(new)
    return pdf.data[:at] + new + pdf.data[at + len(key) :]


def _object_number(pdf: Pdf, which: int = -1) -> int:
    start = [m.start() for m in re.finditer(rb"/ByteRange", pdf.data)][which]
    return int(re.findall(rb"[\r\n](\d+) 0 obj", pdf.data[:start])[-1])


def _object(pdf: Pdf, which: int = -1) -> bytes:
    start = [m.start() for m in re.finditer(rb"/ByteRange", pdf.data)][which]
    opened = pdf.data.rindex(b" 0 obj", 0, start) + len(b" 0 obj")
    return pdf.data[opened : pdf.data.index(b"endobj", start)].strip()


def _field_number(pdf: Pdf) -> int:
    number = _object_number(pdf)
    return next(n for n, body in pdf.bodies.items() if re.search(rb"/V %d 0 R" % number, body))


VALUES: dict[str, bytes] = {
    "text": b"(signature)",
    "null": b"null",
    "nothing": b"999 0 R",
    "page": b"3 0 R",
    "array": b"[]",
    "name": b"/Sig",
    "number": b"1",
    "empty-dictionary": b"<< >>",
    "itself": b"8 0 R",
    "type-only": b"<< /Type /Sig >>",
    "no-contents": b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /ByteRange [0 10 20 30] >>",
    "no-range": b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /Contents <00> >>",
}


def value_in_update(shape: str, style: str, value: bytes, w: Workshop) -> bytes:
    """A field's /V replaced by a later revision."""
    pdf = w.base(shape, style)
    number = _field_number(pdf)
    return update(pdf, {number: re.sub(rb"/V \d+ 0 R", b"/V " + value, pdf.body(number))}).data


def value_from_start(value: bytes, w: Workshop) -> bytes:
    """A document that was never signed but whose field claims so."""
    pdf = draft()
    return update(pdf, {AGENCY: with_entry(pdf.body(AGENCY), b"/V " + value)}).data


def signed_as(name: str, plan: Callable[[Workshop], Plan], style: str, w: Workshop) -> bytes:
    """A signature whose writer put it in an odd place or under an odd type; its digest holds."""
    return sign(draft(STYLES[style]), plan(w)).data


PPK = b"/Filter /Adobe.PPKLite "
DETACHED = b"/SubFilter /ETSI.CAdES.detached"
PLANS: dict[str, Callable[[Workshop], Plan]] = {
    "value-direct": lambda w: Plan(w.cms(w.agency), direct=True),
    "stray": lambda w: Plan(w.cms(w.agency), stray=True),
    "subfilter-unknown": lambda w: Plan(w.cms(w.agency), head=b"/Type /Sig " + PPK + b"/SubFilter /Khac.Loai"),
    "subfilter-missing": lambda w: Plan(w.cms(w.agency), head=b"/Type /Sig " + PPK),
    "subfilter-rsa-sha1": lambda w: Plan(w.cms(w.agency), head=b"/Type /Sig " + PPK + b"/SubFilter /adbe.x509.rsa_sha1"),
    "subfilter-pkcs7-sha1": lambda w: Plan(w.cms(w.agency), head=b"/Type /Sig " + PPK + b"/SubFilter /adbe.pkcs7.sha1"),
    "subfilter-timestamp": lambda w: Plan(w.cms(w.agency), head=b"/Type /Sig " + PPK + b"/SubFilter /ETSI.RFC3161"),
    "subfilter-number": lambda w: Plan(w.cms(w.agency), head=b"/Type /Sig " + PPK + b"/SubFilter 5"),
    "type-other": lambda w: Plan(w.cms(w.agency), head=b"/Type /Sag " + PPK + DETACHED),
    "type-timestamp": lambda w: Plan(w.cms(w.agency), head=b"/Type /DocTimeStamp " + PPK + DETACHED),
    "type-number": lambda w: Plan(w.cms(w.agency), head=b"/Type 7 " + PPK + DETACHED),
    "contents-twice": lambda w: Plan(w.cms(w.agency), before_close=b"/Contents <3000>"),
    "contents-twice-before": lambda w: Plan(w.cms(w.agency), head=b"/Type /Sig /Contents <3000> " + PPK + DETACHED),
    "range-twice": lambda w: Plan(w.cms(w.agency), before_close=b"/ByteRange [0 10 20 30]"),
    "range-twice-before": lambda w: Plan(w.cms(w.agency), head=b"/Type /Sig /ByteRange [0 10 20 30] " + PPK + DETACHED),
    "range-escaped-twice": lambda w: Plan(w.cms(w.agency), before_close=b"/Byte#52ange [0 10 20 30]"),
    "contents-escaped-twice": lambda w: Plan(w.cms(w.agency), before_close=b"/#43ontents <3000>"),
    "type-twice": lambda w: Plan(w.cms(w.agency), before_close=b"/Type /Font"),
    "field-is-text": lambda w: Plan(w.cms(w.agency), field=9),
}


def redefined(shape: str, style: str, which: int, edit: Callable[[bytes], bytes], w: Workshop) -> bytes:
    """The signature object defined again by a later revision, and nothing else."""
    pdf = w.base(shape, style)
    number = _object_number(pdf, which)
    return update(pdf, {number: edit(_object(pdf, which))}, loose=(number,)).data


def redefined_in_stream(shape: str, which: int, w: Workshop) -> bytes:
    pdf = w.base(shape, "objects-lf")
    return update(pdf, {_object_number(pdf, which): _object(pdf, which)}).data


def signature_freed(shape: str, style: str, which: int, w: Workshop) -> bytes:
    pdf = w.base(shape, style)
    return update(pdf, {}, free=(_object_number(pdf, which),)).data


def copied(shape: str, style: str, edit: Callable[[bytes], bytes], w: Workshop) -> bytes:
    """The field points to a copy of the signature object under a new number."""
    pdf = w.base(shape, style)
    number = _field_number(pdf)
    field = re.sub(rb"/V \d+ 0 R", b"/V %d 0 R" % pdf.size, pdf.body(number))
    return update(pdf, {pdf.size: edit(_object(pdf)), number: field}, loose=(pdf.size,)).data


def _said(key: bytes, value: bytes) -> Callable[[bytes], bytes]:
    return lambda body: with_entry(without_key(body, key), b"/%s %s" % (key, value))


SPOOFS: dict[str, Callable[[bytes], bytes]] = {
    "same": lambda body: body,
    "name": _said(b"Name", b"(Nguoi khac)"),
    "reason": _said(b"Reason", b"(Dong y)"),
    "location": _said(b"Location", b"(Noi khac)"),
    "time": _said(b"M", b"(D:20200101000000+07'00')"),
    "no-type": lambda body: without_key(body, b"Type"),
    "app": _said(b"Prop_Build", b"<< /App << /Name /X >> >>"),
}


def stamp_twice(w: Workshop) -> bytes:
    """The field of a copied time-stamp shares the object of the first."""
    pdf = w.base("lta", "table-lf")
    number = _object_number(pdf)
    field = b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (DauThoiGian2) /F 132 /P 3 0 R /Rect [0 0 0 0] /V %d 0 R >>" % number
    form = pdf.body(6).replace(b"] /SigFlags", b" %d 0 R] /SigFlags" % pdf.size)
    return update(pdf, {pdf.size: field, 6: form, PAGE: pdf.body(PAGE).replace(b"/Annots [", b"/Annots [%d 0 R " % pdf.size)}).data


def stamp_copied(w: Workshop) -> bytes:
    """A time-stamp token over the first revision, used again over a later one."""
    pdf = w.base("lta", "table-lf")
    at = pdf.data.rindex(b"/Contents <") + len(b"/Contents <")
    old = bytes.fromhex(pdf.data[at : pdf.data.index(b">", at)].decode())
    return stamp_document(pdf, lambda _: old[: 4 + int.from_bytes(old[2:4], "big")], name=b"DauThoiGian2").data


def stamp_as(head: bytes, w: Workshop) -> bytes:
    return stamp_document(w.dss(w.base("plain")), lambda signed: w.token()(digest_of(signed)), head=head).data


def signature_as_stamp(w: Workshop) -> bytes:
    """An ordinary signature in a time-stamp's dictionary."""
    return stamp_document(w.dss(w.base("plain")), w.cms(w.agency)).data


def cases() -> Iterator[Case]:
    for shape, style in BASES:
        at = f"@{shape}-{style}"
        for name, value in CONTENTS.items():
            yield Case("A5", f"contents-{name}{at}", partial(contents, shape, style, value))
        for name, value in RANGES.items():
            yield Case("A5", f"range-{name}{at}", partial(byte_range, shape, style, value))
        for name, value in VALUES.items():
            if (shape, name) != ("house", "itself"):
                yield Case("A5", f"value-{name}{at}", partial(value_in_update, shape, style, value))
        for key, new in ((b"/Contents", b"/Contentz"), (b"/ByteRange", b"/ByteRangX"), (b"/SubFilter", b"/SubFiltex"), (b"/FT /Sig", b"/FT /Sog")):
            yield Case("A5", f"renamed-{key[1:].decode().replace(' /', '-')}{at}", partial(renamed, shape, style, key, new))
    for name, value in VALUES.items():
        if name not in ("null", "nothing"):
            yield Case("A5", f"value-{name}-never-signed", partial(value_from_start, value), trace=b"/Sig" in value and b"<<" in value)
    for name, plan in PLANS.items():
        family = "A12" if "twice" in name or "type" in name else "A5"
        yield Case(family, f"signed-{name}", partial(signed_as, name, plan, "table-lf"))
    yield from _redefinitions()
    yield Case("A12", "time-stamp-object-shared", stamp_twice)
    yield Case("A12", "time-stamp-used-again", stamp_copied)
    yield Case("A12", "signature-in-time-stamp", signature_as_stamp)
    for name, head in (("sig", b"/Type /Sig"), ("null", b"/Type null"), ("other", b"/Type /Khac"), ("number", b"/Type 5")):
        yield Case("A12", f"time-stamp-typed-{name}", partial(stamp_as, head + b" " + PPK + b"/SubFilter /ETSI.RFC3161"))


def _redefinitions() -> Iterator[Case]:
    for shape, style in (("plain", "table-lf"), ("house", "table-crlf"), ("p2", "stream-lf")):
        for which in (0, -1) if shape == "house" else (-1,):
            at = f"{'first' if which == 0 else 'last'}@{shape}-{style}"
            for name, edit in SPOOFS.items():
                family = "A4" if name == "same" else "A12"
                yield Case(family, f"redefined-{name}-{at}", partial(redefined, shape, style, which, edit))
            yield Case("A4", f"freed-{at}", partial(signature_freed, shape, style, which))
        for name in ("same", "name", "time"):
            yield Case("A4", f"copied-{name}@{shape}-{style}", partial(copied, shape, style, SPOOFS[name]))
    for shape in ("plain", "house"):
        yield Case("A4", f"redefined-in-object-stream@{shape}", partial(redefined_in_stream, shape, -1))
