"""What other signing programs write that is odd and lawful, each beside the twin that must not pass (A10, A13, A18)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from signing.cms import tlv
from signing.der import whole
from tests.security.attacks.builders import STYLES, stream, update
from tests.security.attacks.certification import _new_field, _staged
from tests.security.attacks.cms_parts import ATTRIBUTES, Recipe, algorithm, build
from tests.security.attacks.drafts import CONTENT, FORGED, draft
from tests.security.attacks.signer import Plan, sign
from tests.security.attacks.workshop import Case, Must, Workshop

EMPTY = b"<< /Type /XObject /Subtype /Form /BBox [0 0 0 0] /Length 0 >>\nstream\n\nendstream"
SMALL = stream(b"0 0 600 900 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 0 0] ")


def _open(tag: int, *parts: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(parts) + b"\0\0"


def _ber(w: Workshop, more: bytes, flip: bool, signed: bytes) -> bytes:
    """As NSS writes it: indefinite lengths outside the signed attributes, which state a default; the value in parts."""
    identity = tlv(0x30, algorithm("sha256"), tlv(0x04, hashlib.sha256(w.agency.der).digest()))
    named = tlv(0x30, ATTRIBUTES["signing_certificate_v2"], tlv(0x31, tlv(0x30, tlv(0x30, identity))))
    made = whole(build(Recipe(w.agency, bound=None, more_attributes=(named,), flip=flip), signed))
    kind, wrapper = made.children()
    version, digests, content, certificates, signers = wrapper.children()[0].children()
    parts = signers.children()[0].children()
    value = parts[-1].body
    pieces = _open(0x24, tlv(0x04, value[:100]), tlv(0x04, value[100:]))
    signer = _open(0x30, *(part.raw for part in parts[:-1]), pieces)
    inner = _open(0x30, version.raw, digests.raw, _open(0x30, content.body), _open(0xA0, certificates.body), _open(0x31, signer))
    return _open(0x30, kind.raw, _open(0xA0, inner)) + more


def ber(more: bytes, flip: bool, w: Workshop) -> bytes:
    return sign(draft(), Plan(partial(_ber, w, more, flip))).data


def small_look(look: bytes, w: Workshop) -> bytes:
    """PDFBox's second signature: a new field without room, and an appearance all the same."""
    pdf = w.base("plain")
    number, objects = _new_field(pdf, b"Them", b"0 0 0 0", b"/AP << /N %d 0 R >> " % (pdf.size + 1))
    staged = _staged(pdf, {**objects, number + 1: look})
    objects.pop(number)
    return sign(staged, Plan(w.cms(w.person), field=number, objects={**objects, number + 1: look})).data


def line_early(forged: bool, w: Workshop) -> bytes:
    """node-signpdf's update: startxref names the end of the line before the table."""
    pdf = w.base("p2")
    data = update(pdf, {CONTENT: stream(FORGED)}).data if forged else w.dss(pdf).data
    place = data.rindex(b"\nxref")
    # Between the object and the table stands an empty line, which is what startxref names.
    head, tail = data[: place + 1], data[place + 1 :]
    return head + b"\n" + tail


def number_used_before(w: Workshop) -> bytes:
    """The signature's number was another object's in an earlier revision (pdfunite states too small a /Size)."""
    first = draft(STYLES["table-lf"])
    second = update(first, {first.size: b"<< /Cu true >>"})
    return sign(replace(second, size=first.size), Plan(w.cms(w.agency))).data


def cases() -> Iterator[Case]:
    yield Case("A18", "lawful-ber-that-states-a-default", partial(ber, b"", False), Must.HOLD)
    yield Case("A18", "ber-value-flipped", partial(ber, b"", True))
    yield Case("A18", "ber-with-bytes-behind", partial(ber, b"\x05\x01", False))
    yield Case("A10", "lawful-signed-empty-look", partial(small_look, EMPTY), Must.HOLD)
    yield Case("A10", "signed-look-without-room", partial(small_look, SMALL))
    yield Case("A13", "lawful-table-named-a-line-early", partial(line_early, False), Must.HOLD)
    yield Case("A13", "table-named-a-line-early", partial(line_early, True))
    yield Case("A13", "lawful-number-used-before", number_used_before, Must.HOLD)
