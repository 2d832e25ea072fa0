"""Keys, trust and signed documents for all attacks, each made once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from signing.report import Role
from signing.sign_pdf import sign_pdf
from signing.trust import Trust
from tests.house import SENDER, Pki
from tests.security.attacks.builders import STYLES, Pdf, Style, reread
from tests.security.attacks.cms_parts import Hand, Private, Recipe, build, stamp_attribute, token
from tests.security.attacks.drafts import AGENCY, PERSON, draft, pure, slim
from tests.security.attacks.signer import Cms, Plan, add_dss, digest_of, fieldmdp_reference, sign, stamp_document

DAY = timedelta(days=1)
ANYBODY = ("crypto-only",)
"""Where it does not matter who signed, nor that a further approval signature has a field of its own."""
LOCK = b"/Lock << /Type /SigFieldLock /Action /Include /Fields [(GhiChu)] >> "


class Must(StrEnum):
    """What has to be true: never VALID; VALID; or any well-formed answer."""

    REFUSE = "refuse"
    HOLD = "hold"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Case:
    """One file. `trace`: something of a signature is left in it, so "no signature" is a wrong answer.
    `tolerated`: policies whose own data allow it. `policy` and `kind` are those under which a lawful file holds; `later` moves the moment of judgement.
    `caged` files are opened in the sandbox only; those that are not `daily` when VANTHU_ALL_BOMBS is set."""

    family: str
    name: str
    make: Callable[[Workshop], bytes]
    must: Must = Must.REFUSE
    trace: bool = True
    policy: str = "crypto-only"
    kind: str = "document"
    trust: Callable[[Workshop], Trust] | None = None
    later: timedelta = timedelta(0)
    caged: bool = False
    daily: bool = True
    tolerated: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.family}-{self.name}"


@dataclass
class Workshop:
    """Everything made from one PKI."""

    pki: Pki
    _made: dict[tuple[str, str], Pdf] = field(default_factory=dict)
    _files: dict[str, bytes] = field(default_factory=dict)
    certificates: dict[str, x509.Certificate] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.pki.now

    @cached_property
    def trust(self) -> Trust:
        return Trust.load(self.pki.folder / "trust")

    @cached_property
    def agency(self) -> Hand:
        return self._hand(f"agencies/{SENDER}/seal.pem")

    @cached_property
    def person(self) -> Hand:
        return self._hand("persons/lanh-dao.pem")

    @cached_property
    def tsa(self) -> Hand:
        return self._hand("tsa/tsa.pem")

    @cached_property
    def issuing(self) -> Hand:
        return self._hand("ca/issuing.pem")

    @cached_property
    def root(self) -> Hand:
        return self._hand("ca/root.pem")

    def _hand(self, name: str) -> Hand:
        data = (self.pki.folder / name).read_bytes()
        first, *others = x509.load_pem_x509_certificates(data)
        return Hand(first, tuple(others), load_pem_private_key(data, None))  # type: ignore[arg-type]

    def cms(self, hand: Hand, *, stamp: Callable[[bytes], bytes] | None = None) -> Cms:
        """CMS values by `hand`; `stamp` turns the SHA-256 of the signature value into a token."""
        unsigned = (lambda value: stamp_attribute(stamp(digest_of(value)))) if stamp else None
        return lambda signed: build(Recipe(hand, unsigned=unsigned), signed)

    def token(self, *, hand: Hand | None = None, time: datetime | None = None) -> Callable[[bytes], bytes]:
        """Time-stamp tokens over SHA-256 digests."""
        return lambda digest: token(hand or self.tsa, digest, time or self.now)

    def stamped(self, pdf: Pdf, name: bytes = b"DauThoiGian1") -> Pdf:
        return stamp_document(pdf, lambda signed: self.token()(digest_of(signed)), name=name)

    def dss(self, pdf: Pdf) -> Pdf:
        return add_dss(pdf, (self.agency.der, *self.trust.intermediates), self.trust.crls)

    def crl(self, revoked: dict[int, datetime]) -> bytes:
        """A current list of the issuing CA with revocation times by serial number."""
        issuer = self.issuing
        builder = x509.CertificateRevocationListBuilder(issuer.certificate.subject, self.now - timedelta(minutes=1), self.now + 30 * DAY)
        for serial, moment in revoked.items():
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, moment).build())
        builder = builder.add_extension(x509.CRLNumber(int(self.now.timestamp()) + 1), critical=False)
        return builder.sign(issuer.private, hashes.SHA256()).public_bytes(Encoding.DER)

    def trust_with(self, revoked: dict[int, datetime]) -> Trust:
        """The trust folder with another list of the issuing CA."""
        name = self.issuing.certificate.subject
        others = tuple(c for c in self.trust.crls if x509.load_der_x509_crl(c).issuer != name)
        return dataclasses.replace(self.trust, crls=(*others, self.crl(revoked)))

    def base(self, shape: str, style: str = "table-lf") -> Pdf:
        """A signed document, made once.

        Shapes: ``plain`` ``p1`` ``p2`` ``p3`` (one signature of the agency), ``two`` ``two-plain`` (person, then agency),
        ``pure`` ``pure-p1`` ``pure-p2`` ``pure-p3`` ``pure-two`` (signature fields only), ``fieldmdp``, ``wrapped``
        (/Contents first), ``lta``, ``house`` (by `sign_pdf`).
        """
        if (shape, style) not in self._made:
            self._made[shape, style] = self._make(shape, STYLES[style])
        return self._made[shape, style]

    def bases(self) -> list[Pdf]:
        """Those made so far."""
        return list(self._made.values())

    def file(self, case: Case) -> bytes:
        """The bytes of a case, made once (large ones are made again)."""
        if case.id in self._files:
            return self._files[case.id]
        data = case.make(self)
        if len(data) < 1 << 18:
            self._files[case.id] = data
        return data

    def _make(self, shape: str, style: Style) -> Pdf:
        agency, person = self.cms(self.agency), self.cms(self.person)
        match shape:
            case "plain":
                return sign(draft(style), Plan(agency))
            case "p1" | "p2" | "p3":
                return sign(draft(style), Plan(agency, docmdp=int(shape[1])))
            case "pure" | "pure-p1" | "pure-p2" | "pure-p3":
                return sign(pure(style), Plan(agency, docmdp=int(shape[-1]) if shape[-1].isdigit() else 0))
            case "two" | "two-plain" | "pure-two":
                first = sign((pure if shape == "pure-two" else draft)(style), Plan(person, field=PERSON, docmdp=2 if shape == "two" else 0))
                return sign(first, Plan(agency, field=AGENCY))
            case "fieldmdp":
                reference = fieldmdp_reference(b"/Action /Include /Fields [(GhiChu)]")
                return sign(draft(style, lock=LOCK), Plan(agency, more=reference))
            case "wrapped":
                return sign(draft(style), Plan(agency, contents_first=True))
            case "lta":
                return self.stamped(self.dss(sign(draft(style), Plan(agency))))
            case "house":
                return self._house(style)
            case _:
                raise ValueError(shape)

    def _house(self, style: Style) -> Pdf:
        folder = self.pki.folder / "house"
        folder.mkdir(exist_ok=True)
        first, half, whole = (folder / f"{style.name}-{n}.pdf" for n in "abc")
        source = slim(style)
        first.write_bytes(source.data)
        sign_pdf(first, half, self.pki.person(), now=self.now, role=Role.PERSON, field="NguoiKy")
        sign_pdf(half, whole, self.pki.seal(SENDER), now=self.now, role=Role.AGENCY, field="CoQuan", trust=self.trust)
        return reread(whole.read_bytes(), style, source.bodies)

    def issue(self, name: str, private: Private, subject: x509.Name, **options: object) -> Hand:
        """A leaf of the issuing CA, made once by its `name`; options as in `leaf`."""
        if name not in self.certificates:
            self.certificates[name] = leaf(self.issuing, private, subject, self.now, **options)  # type: ignore[arg-type]
        return Hand(self.certificates[name], self.agency.chain, private)


def leaf(
    issuer: Hand,
    key: Private,
    subject: x509.Name,
    now: datetime,
    *,
    start: timedelta = -DAY,
    end: timedelta = 300 * DAY,
    usage: tuple[str, ...] = ("digital_signature", "content_commitment"),
    extended: tuple[x509.ObjectIdentifier, ...] = (),
    ca: bool = False,
) -> x509.Certificate:
    """A certificate with chosen validity and usage."""
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    flags = {n: n in usage for n in (*names, "encipher_only", "decipher_only")}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + start)
        .not_valid_after(now + end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**flags), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=True)
    return builder.sign(issuer.private, hashes.SHA256())
