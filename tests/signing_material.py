"""Keys, sources and authorities for tests of signing: curve keys certified by the test CA, PDFs of odd shapes."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pikepdf
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from signing.cms import Builder
from signing.dev_tsa import respond
from signing.keys import PrivateKey, SigningKey, open_key, software_key
from signing.report import Role
from signing.sign_pdf import sign_pdf
from signing.sign_pdf.plan import Plan, declared
from signing.timestamps import http_timestamper
from signing.trust import Trust
from tests.house import SENDER, Pki, letter

CURVES: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}


def pair_of(pki: Pki, name: str) -> tuple[PrivateKey, list[x509.Certificate]]:
    """Private key and certificates: the agency's RSA key, or a curve key certified here for the same agency."""
    data = (pki.folder / "agencies" / SENDER / "seal.pem").read_bytes()
    template = x509.load_pem_x509_certificates(data)
    if name == "rsa":
        private = load_pem_private_key(data, None)
        assert isinstance(private, rsa.RSAPrivateKey)
        return private, template
    ca = (pki.folder / "ca" / "issuing.pem").read_bytes()
    issuer_key, issuer = load_pem_private_key(ca, None), x509.load_pem_x509_certificate(ca)
    assert isinstance(issuer_key, rsa.RSAPrivateKey)
    curve_key = ec.generate_private_key(CURVES[name])
    builder = x509.CertificateBuilder(
        issuer_name=issuer.subject,
        subject_name=template[0].subject,
        public_key=curve_key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=pki.now - timedelta(hours=1),
        not_valid_after=pki.now + timedelta(days=30),
    )
    for extension in template[0].extensions:
        if isinstance(extension.value, (x509.KeyUsage, x509.BasicConstraints)):
            builder = builder.add_extension(extension.value, critical=extension.critical)
    return curve_key, [builder.sign(issuer_key, hashes.SHA256()), issuer]


def key_of(pki: Pki, name: str) -> SigningKey:
    """The agency's signing key of that kind."""
    private, certificates = pair_of(pki, name)
    return software_key(private, certificates[0], certificates[1:])


def stamper(pki: Pki, trust: Trust) -> Callable[[bytes], bytes]:
    """The test authority, without a network."""
    key = open_key(pki.folder / "tsa" / "tsa.pem")
    return http_timestamper(["tsa"], lambda url, body, kind: respond(body, key, now=datetime.now(UTC), serial=7), trust)


def _saved(path: Path, **how: object) -> Path:
    with pikepdf.open(letter(path.with_suffix(".source.pdf"))) as pdf:
        pdf.save(path, **how)  # type: ignore[arg-type]
    return path


def with_streams(path: Path) -> Path:
    """Cross-reference stream and object streams, as typst, LibreOffice and Word write."""
    return _saved(path, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def linearised(path: Path) -> Path:
    """Two cross-references, the first page first."""
    return _saved(path, linearize=True)


def encrypted(path: Path) -> Path:
    return _saved(path, encryption=pikepdf.Encryption(owner="o", user=""))


def without_last_line_end(path: Path) -> Path:
    path.write_bytes(letter(path).read_bytes().rstrip(b"\n"))
    return path


def with_annotations(path: Path) -> Path:
    """The page's annotations are an array of their own, with one in it already."""
    with pikepdf.open(letter(path.with_suffix(".source.pdf"))) as pdf:
        note = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[1, 1, 9, 9]))
        pdf.pages[0].Annots = pdf.make_indirect(pikepdf.Array([note]))
        pdf.save(path)
    return path


def with_text_field(path: Path) -> Path:
    """A form with a field that is no signature: not the common shape."""
    with pikepdf.open(letter(path.with_suffix(".source.pdf"))) as pdf:
        field = pdf.make_indirect(
            pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Widget, FT=pikepdf.Name.Tx, T="Ghi chú", Rect=[9, 9, 99, 29], P=pdf.pages[0].obj)
        )
        pdf.pages[0].Annots = pikepdf.Array([field])
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=[field])
        pdf.save(path)
    return path


def with_empty_fields(path: Path) -> Path:
    """Signature fields of our names are there already, with places of their own."""
    with pikepdf.open(letter(path.with_suffix(".source.pdf"))) as pdf:
        fields = [
            pdf.make_indirect(
                pikepdf.Dictionary(
                    Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Widget, FT=pikepdf.Name.Sig, T=name, Rect=[x, 9, x + 90, 49], F=4, P=pdf.pages[0].obj
                )
            )
            for name, x in (("NguoiKy", 300), ("CoQuan", 200))
        ]
        pdf.pages[0].Annots = pikepdf.Array(fields)
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=fields, SigFlags=1)
        pdf.save(path)
    return path


def hybrid(path: Path) -> Path:
    """Hybrid cross-references, as Word writes: a table for old readers, a stream for new ones."""
    stream = b"BT /F1 18 Tf 72 720 Td (Lai) Tj ET"
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>"
    packed = zlib.compress(b"5 0 " + font)
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        4: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        6: b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(packed), packed),
    }
    out, offsets = io.BytesIO(), {}
    out.write(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    for number, body in objects.items():
        offsets[number] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    hidden = out.tell()
    rows = b"\2" + (6).to_bytes(4, "big") + b"\0" + b"\1" + offsets[6].to_bytes(4, "big") + b"\0"
    out.write(b"7 0 obj\n<< /Type /XRef /W [1 4 1] /Index [5 2] /Size 8 /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (len(rows), rows))
    table = out.tell()
    out.write(b"xref\n0 8\n0000000005 65535 f \n" + b"".join(b"%010d 00000 n \n" % offsets[n] for n in (1, 2, 3, 4)))
    out.write(b"0000000000 65535 f \n0000000000 65535 f \n%010d 00000 n \n" % hidden)
    out.write(b"trailer\n<< /Size 8 /Root 1 0 R /XRefStm %d /ID [<00> <00>] >>\nstartxref\n%d\n%%%%EOF\n" % (hidden, table))
    path.write_bytes(out.getvalue())
    return path


def plan(builder: Builder, *, room: int = 0) -> Plan:
    """A plan for the person's signature on a document."""
    return Plan("NguoiKy", declared("NguoiKy", "document", {}), datetime.now(UTC), builder.digest, room or builder.size)


def sign(source: Path, target: Path, key: SigningKey) -> None:
    """The person's signature at the least level."""
    sign_pdf(source, target, key, now=datetime.now(UTC), role=Role.PERSON, field="NguoiKy")
