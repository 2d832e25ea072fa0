"""What the second opinions are asked about: keys of every scheme, drafts of every kind, and the signing of each case.

The matrix is written against what the signing room offers: a level that
`Profile` names is signed, one that it does not name yet is not in the matrix.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from pathlib import Path

import pikepdf
import typst
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key, pkcs12
from PIL import Image, ImageDraw

from signing.dev_pki import organisation_name, person_name
from signing.dev_tsa import respond
from signing.keys import SigningKey, open_key
from signing.presentation import Appearance, Box, CopyForm, Page
from signing.presentation.appearances import agency_seal, attachment_mark, copy_mark, person_image
from signing.report import Role
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, Kind
from signing.sign_pdf.appearance import field_box
from signing.timestamps import http_timestamper
from signing.trust import Trust
from tests.house import SENDER, letter
from tests.interop.calls import LEVELS, sign

NAME = "Cơ quan gửi (mô phỏng)"
SCHEMES = ("rsa-2048-pkcs1", "rsa-2048-pss", "rsa-3072-pss", "ecdsa-p256", "ecdsa-p384")
SOURCES = ("classic", "typst", "crlf", "streams", "linear")
SHAPES = ("one", "two", "mark", "images", "copy")
Stamp = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """One signed file to be made: how, how far, from what, by whom."""

    scheme: str
    level: str
    source: str
    shape: str

    @property
    def kind(self) -> Kind:
        return "document" if self.shape in ("two", "images") else "copy" if self.shape == "copy" else "attachment"

    @property
    def policy(self) -> str:
        """What it is judged under: a lone signature without a mark is not what NĐ 30/2020 wants of an attachment."""
        return "legacy-accept" if self.shape == "one" else "nd30"

    def pairs(self) -> set[tuple[str, str]]:
        """Every two of its properties; no value belongs to two properties."""
        return set(combinations((self.scheme, self.level, self.source, self.shape), 2))

    def __str__(self) -> str:
        return f"{self.scheme}_{self.level}_{self.source}_{self.shape}"


def matrix() -> list[Case]:
    """Three files of every scheme with every level, chosen so that all pairs of properties occur. With VANTHU_INTEROP=whole every combination."""
    every = [Case(*values) for values in product(SCHEMES, LEVELS, SOURCES, SHAPES)]
    if os.environ.get("VANTHU_INTEROP") == "whole":
        return every
    picked: list[Case] = []
    seen: set[tuple[str, str]] = set()
    for _, (scheme, level) in product(range(3), product(SCHEMES, LEVELS)):
        open_cases = [case for case in every if (case.scheme, case.level) == (scheme, level) and case not in picked]
        best = max(open_cases, key=lambda case: len(case.pairs() - seen))
        picked.append(best)
        seen |= best.pairs()
    return picked


@dataclass
class Office:
    """Keys of every scheme under the development PKI in `pki`, and a time-stamp authority without a network."""

    pki: Path
    _keys: dict[tuple[str, Role], SigningKey] = field(default_factory=dict)

    @property
    def trust(self) -> Trust:
        return Trust.load(self.pki / "trust")

    @property
    def root(self) -> Path:
        return self.pki / "trust" / "anchors" / "root.pem"

    @property
    def issuing(self) -> Path:
        return self.pki / "trust" / "intermediates" / "issuing.pem"

    def key(self, scheme: str, role: Role) -> SigningKey:
        """The key of that scheme; RSA keys of one size serve both paddings."""
        kind = scheme.removesuffix("-pss").removesuffix("-pkcs1")
        if (kind, role) not in self._keys:
            self._keys[kind, role] = open_key(self.key_file(kind, role))
        return self._keys[kind, role]

    def key_file(self, kind: str, role: Role, *, password: bytes = b"") -> Path:
        """A PEM file (with `password`: PKCS#12, one round of key derivation) of a fresh key with its chain."""
        target = self.pki / "interop" / f"{kind}-{role.value}.{'p12' if password else 'pem'}"
        pem = target.with_suffix(".pem")
        if not pem.exists():
            _write_key(self.pki, pem, kind, role)
        if password and not target.exists():
            data = pem.read_bytes()
            certificates = x509.load_pem_x509_certificates(data)
            cheap = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1).build(password)
            private = load_pem_private_key(data, None)
            assert isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
            target.write_bytes(pkcs12.serialize_key_and_certificates(b"key", private, certificates[0], certificates[1:], cheap))
        return target

    def stamp(self) -> Stamp:
        """A callable that time-stamps a SHA-256 digest."""
        key = open_key(self.pki / "tsa" / "tsa.pem")
        serial = iter(range(1, 1 << 30))
        return http_timestamper(["tsa"], lambda url, body, kind: respond(body, key, now=datetime.now(UTC), serial=next(serial)), self.trust)


def _write_key(pki: Path, target: Path, kind: str, role: Role) -> None:
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if kind.startswith("rsa-"):
        private = rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa-")))
    else:
        private = ec.generate_private_key({"ecdsa-p256": ec.SECP256R1(), "ecdsa-p384": ec.SECP384R1()}[kind])
    data = (pki / "ca" / "issuing.pem").read_bytes()
    issuer, issuer_key = x509.load_pem_x509_certificate(data), load_pem_private_key(data, None)
    assert isinstance(issuer_key, rsa.RSAPrivateKey)
    now = datetime.now(UTC)
    usage = dict.fromkeys(("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(person_name("Nguyễn Văn A (mô phỏng)", NAME) if role is Role.PERSON else organisation_name(NAME, SENDER))
        .issuer_name(issuer.subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    target.write_bytes(pem + b"".join(c.public_bytes(Encoding.PEM) for c in (certificate, issuer)))


def draft(target: Path, source: str) -> Path:
    """An unsigned PDF.

    `classic`: written by hand; `typst`; `crlf`: lines that end in CR LF; `streams`: objects in object
    streams under a cross-reference stream; `linear`: linearised for the web.
    """
    if source in ("classic", "crlf"):
        letter(target)
        if source == "crlf":
            target.write_bytes(_carriage_returns(target.read_bytes()))
        return target
    words = target.with_suffix(".typ")
    words.write_text('#set page(paper: "a4")\n= Công văn (mô phỏng)\nKính gửi: Cơ quan nhận một (mô phỏng).\n#lorem(300)\n')
    made = typst.compile(str(words))
    if source == "typst":
        target.write_bytes(made)
    else:
        with pikepdf.open(io.BytesIO(made)) as pdf:
            streams = pikepdf.ObjectStreamMode.generate if source == "streams" else pikepdf.ObjectStreamMode.disable
            pdf.save(target, linearize=source == "linear", object_stream_mode=streams)
        assert (b"/ObjStm" if source == "streams" else b"/Linearized") in target.read_bytes()
    return target


def _carriage_returns(data: bytes) -> bytes:
    """The hand-written letter with CR LF everywhere; entries of the table stay twenty bytes long."""
    body = data[: data.index(b"xref\n")].replace(b"\n", b"\r\n")
    numbers = sorted({int(line.split()[0]) for line in body.split(b"\r\n") if line.endswith(b" 0 obj")})
    table = b"xref\r\n0 %d\r\n0000000000 65535 f\r\n" % (len(numbers) + 1)
    table += b"".join(b"%010d 00000 n\r\n" % (body.index(b"\r\n%d 0 obj" % n) + 2) for n in numbers)
    end = b"trailer\r\n<< /Size %d /Root 1 0 R /ID [<00> <00>] >>\r\nstartxref\r\n%d\r\n%%%%EOF\r\n" % (len(numbers) + 1, len(body))
    return body + table + end


def make(case: Case, office: Office, folder: Path) -> Path:
    """Sign one case into `folder`, once."""
    target = folder / f"{case}.pdf"
    if target.exists():
        return target
    source, half = draft(folder / f"draft-{case}.pdf", case.source), folder / f"half-{case}.pdf"
    if case.kind == "document":
        _sign(source, half, case, office, Role.PERSON)
        source = half
    _sign(source, target, case, office, Role.AGENCY)
    return target


def _sign(source: Path, target: Path, case: Case, office: Office, role: Role) -> None:
    looks = appearances(case.shape)
    boxes = {field: field_box(look, Page()) for field, look in looks.items()}
    stamp = None if case.level == "B-B" else office.stamp()
    look = looks.get(PERSON_FIELD if role is Role.PERSON else AGENCY_FIELD)
    key = office.key(case.scheme, role)
    sign(source, target, key, office.trust, role=role, kind=case.kind, scheme=case.scheme, level=case.level, stamp=stamp, boxes=boxes, appearance=look)


def appearances(shape: str) -> dict[str, Appearance]:
    """What the fields of a shape show: an attachment's mark, a copy's, or the person's image under the agency's seal."""
    if shape == "copy":
        return {AGENCY_FIELD: copy_mark(CopyForm.SAO_Y, NAME, "12/SY-UBND", datetime.now(UTC))}
    if shape == "mark":
        return {AGENCY_FIELD: attachment_mark("125/QĐ-UBND", datetime.now(UTC))}
    if shape == "images":
        person = person_image(picture((0, 0, 200), 120, 60), Box(110, 40, 180, 70))
        return {PERSON_FIELD: person, AGENCY_FIELD: agency_seal(picture((200, 0, 0), 120, 120), 35, person.box)}
    return {}


def picture(colour: tuple[int, int, int], width: int, height: int) -> bytes:
    """A PNG: a ring of `colour` on a transparent ground."""
    image = Image.new("RGBA", (width, height), (*colour, 0))
    ImageDraw.Draw(image).ellipse((4, 4, width - 5, height - 5), outline=(*colour, 255), width=5)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
