"""The files that are signed and verified: PDFs of a wanted size and number of pages, and the reference document of the design."""

from __future__ import annotations

import os
import zlib
from datetime import UTC, datetime
from pathlib import Path

from signing.presentation import Page
from signing.presentation.appearances import attachment_mark
from signing.report import Role
from signing.sign_pdf import AGENCY_FIELD
from signing.sign_pdf.appearance import field_box
from tests.interop.calls import sign
from tests.interop.material import Office

REFERENCE = 100_000


def pdf_of(path: Path, size: int, pages: int = 1) -> Path:
    """A PDF of about `size` bytes: `pages` pages, each with some compressed text and a picture as from a scanner (random bytes)."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, b" ".join(b"%d 0 R" % (4 + 3 * n) for n in range(pages))),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
    ]
    for page in range(pages):
        text = zlib.compress(b"\n".join(b"BT /F1 12 Tf 72 %d Td (Dong %d trang %d) Tj ET" % (800 - 12 * n, n, page) for n in range(50)))
        picture = os.urandom(max(64, size // pages - len(text) - 500))
        resources = b"<< /Font << /F1 3 0 R >> /XObject << /I %d 0 R >> >>" % (6 + 3 * page)
        objects.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources %s >>" % (5 + 3 * page, resources))
        objects.append(b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(text), text))
        form = b"/Type /XObject /Subtype /Image /Width 100 /Height 100 /ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /DCTDecode"
        objects.append(b"<< %s /Length %d >>\nstream\n%s\nendstream" % (form, len(picture), picture))
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start, count = len(out), len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % count + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /ID [<00> <00>] >>\nstartxref\n%d\n%%%%EOF\n" % (count, start)
    path.write_bytes(out)
    return path


def reference(path: Path, office: Office, size: int = REFERENCE) -> Path:
    """The reference document: person, then agency, RSA-2048, PAdES B-B, a chain of three, CRLs at hand."""
    drawn, half = pdf_of(path.with_name(f"draft-{path.name}"), size, 3), path.with_name(f"half-{path.name}")
    sign(drawn, half, office.key("rsa-2048", Role.PERSON), office.trust, role=Role.PERSON, kind="document", scheme="pkcs1")
    sign(half, path, office.key("rsa-2048", Role.AGENCY), office.trust, role=Role.AGENCY, kind="document", scheme="pkcs1")
    drawn.unlink()
    half.unlink()
    return path


def marked(source: Path, target: Path, office: Office) -> Path:
    """An attachment as NĐ 30/2020 wants it: one agency signature, RSA-2048 PKCS#1 v1.5, with the visible mark."""
    look = attachment_mark("125/QĐ-UBND", datetime.now(UTC))
    boxes, key = {AGENCY_FIELD: field_box(look, Page())}, office.key("rsa-2048", Role.AGENCY)
    sign(source, target, key, office.trust, role=Role.AGENCY, kind="attachment", scheme="pkcs1", boxes=boxes, appearance=look)
    return target
