"""statutory — năm thông tin phải lưu: what must be kept with each signature, and what of it is in the file.

TT 41/2017/TT-BTTTT Art 9.1 (CRY-08): the signer's certificate at signing, the CA's list of
revoked certificates (or OCSP answer) at signing, the CA's policy, information on the
signer's responsibility, and a valid time-stamp. What is missing is said, never passed over.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from signing.errors import SigningError
from signing.evidence.findings import StatutoryItem
from signing.report import PdfVerdict, Role
from signing.signed_data import read_signed_data
from signing.trust import ChainResult, Trust

CERTIFICATE, REVOCATION, CA_POLICY, RESPONSIBILITY, TIMESTAMP = ITEMS = ("certificate", "revocation", "ca_policy", "responsibility", "timestamp")
ITEM_NAMES: dict[str, tuple[str, str]] = {
    CERTIFICATE: ("chứng thư của người ký tại thời điểm ký", "the signer's certificate at signing"),
    REVOCATION: ("danh sách thu hồi (CRL) hoặc OCSP tại thời điểm ký", "CRL or OCSP at signing"),
    CA_POLICY: ("quy chế chứng thực của nơi cấp chứng thư", "the CA's policy"),
    RESPONSIBILITY: ("thông tin về trách nhiệm của người ký", "information on the signer's responsibility"),
    TIMESTAMP: ("dấu thời gian hợp lệ tại thời điểm ký", "a valid time-stamp at signing"),
}
_BROKEN = (ValueError, TypeError, KeyError, UserWarning)


@dataclass(frozen=True, slots=True)
class Signed:
    """One signature to be accounted for: where it is, its certificate and those that came along (DER),
    when it was made at the latest, and its own time-stamp ("" when it has none)."""

    place: str
    signer: str
    certificate: bytes
    others: tuple[bytes, ...]
    at: datetime
    stamp: str = ""
    revocation_inside: bool = False

    @property
    def organisation_identifier(self) -> str:
        """The agency's code in the certificate, "" when it carries none."""
        try:
            found = x509.load_der_x509_certificate(self.certificate).subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)
        except _BROKEN:
            return ""
        return str(found[0].value) if found else ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the file keeps beside the signatures: revocation data (DER), names of the CA policies'
    files without folder and ending, and what is said of certificates by their SHA-256."""

    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    policies: frozenset[str] = frozenset()
    responsibility: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def sealed(place: str, seal: bytes, sha256: str, signer: str, *, at: datetime, stamp: str = "") -> Signed:
    """A detached seal (DER) whose signer's certificate has `sha256` (lower hex)."""
    certificates = read_signed_data(seal).certificates
    own = next((c for c in certificates if hashlib.sha256(c).hexdigest() == sha256), b"")
    return Signed(place, signer, own, tuple(c for c in certificates if c != own), at, stamp)


def every_signer(place: str, seal: bytes, *, at: datetime) -> list[Signed]:
    """The signer of a seal (DER), by the name its certificate carries; [] when it cannot be read."""
    try:
        parts = read_signed_data(seal)
        own = next((c for c in parts.certificates if x509.load_der_x509_certificate(c).serial_number == parts.serial), b"")
        name = x509.load_der_x509_certificate(own).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (SigningError, *_BROKEN):
        return []
    return [Signed(place, str(name[0].value) if name else "", own, tuple(c for c in parts.certificates if c != own), at)]


def in_pdf(place: str, verdict: PdfVerdict) -> list[Signed]:
    """The signatures of a PDF, without its document time-stamps."""
    found = []
    for s in verdict.findings.signatures:
        if s.role is Role.TIMESTAMP:
            continue
        stamp = next((t.time.isoformat() for t in s.timestamps if t.holds), "")
        inside = bool(s.revocations) and all(r.source.startswith("embedded") or r.source == "anchor" for r in s.revocations)
        own = s.certificate.der if s.certificate is not None else b""
        at = s.best_time or verdict.findings.judged_at
        if at is not None:
            found.append(Signed(f"{place}#{s.field}", s.signer, own, tuple(c.der for c in s.chain if c.der), at, stamp, inside))
    return found


def statutory_items(signatures: Iterable[Signed], kept: Kept, trust: Trust) -> list[StatutoryItem]:
    """The five items of each signature. Revocation counts only when the file itself holds the data."""
    bare = dataclasses.replace(trust, crls=(), ocsps=())
    return [item for signed in signatures for item in _items(signed, kept, bare)]


def _items(signed: Signed, kept: Kept, bare: Trust) -> list[StatutoryItem]:
    def item(name: str, present: bool, detail: str = "") -> StatutoryItem:
        return StatutoryItem(signed.place, signed.signer, name, present, detail)

    if not signed.certificate:
        return [item(name, False) for name in ITEMS[:-1]] + [item(TIMESTAMP, bool(signed.stamp), signed.stamp)]
    path = bare.path(signed.certificate, signed.others, at=signed.at, crls=kept.crls, ocsps=kept.ocsps, purpose="any")
    known = path.revocation.state in ("good", "revoked")
    policy, named = _policy(path, kept)
    said = kept.responsibility.get(hashlib.sha256(signed.certificate).hexdigest())
    return [
        item(CERTIFICATE, True, path.chain[0].subject.rfc4514_string() if path.chain else ""),
        item(REVOCATION, known or signed.revocation_inside, path.revocation.source if known else path.problem or path.detail),
        item(CA_POLICY, policy, named),
        item(RESPONSIBILITY, bool(said), str(said)[:200] if said else ""),
        item(TIMESTAMP, bool(signed.stamp), signed.stamp),
    ]


def policy_names(certificate: x509.Certificate) -> list[str]:
    """OIDs of the certificate policies, "anyPolicy" left out."""
    try:
        policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except (x509.ExtensionNotFound, *_BROKEN):
        return []
    return [p.policy_identifier.dotted_string for p in policies if p.policy_identifier.dotted_string != "2.5.29.32.0"]


def _policy(path: ChainResult, kept: Kept) -> tuple[bool, str]:
    """Is the policy of the CA that issued the certificate kept, under its OID or the CA certificate's SHA-256?"""
    if not path.chain:
        return False, ""
    names = policy_names(path.chain[0])
    if len(path.chain) > 1:
        names.append(hashlib.sha256(path.chain[1].public_bytes(Encoding.DER)).hexdigest())
    found = next((n for n in names if n in kept.policies), "")
    return bool(found), found or ", ".join(policy_names(path.chain[0]))


def responsibility_of(certificate: bytes, *, agency: str = "", name: str = "") -> dict[str, str]:
    """What is known of a signer: from the certificate's subject, and the agency by the directory."""
    try:
        subject = x509.load_der_x509_certificate(certificate).subject
    except _BROKEN:
        return {}

    def value(oid: x509.ObjectIdentifier) -> str:
        found = subject.get_attributes_for_oid(oid)
        return str(found[0].value) if found else ""

    facts = {
        "name": value(NameOID.COMMON_NAME),
        "title": value(NameOID.TITLE),
        "unit": value(NameOID.ORGANIZATIONAL_UNIT_NAME),
        "organisation": value(NameOID.ORGANIZATION_NAME),
        "agency": agency,
        "agency_name": name,
    }
    # A person's name alone says nothing of a responsibility; a title, or a directory entry, does.
    return {k: v for k, v in facts.items() if v} if facts["title"] or agency else {}


def pem(certificate: bytes) -> bytes:
    """A certificate (DER) as PEM."""
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


def as_text(items: Sequence[StatutoryItem]) -> str:
    """The items for people: each signature, what is kept and what is missing."""
    lines = ["Năm thông tin lưu cùng mỗi chữ ký (TT 41/2017/TT-BTTTT Điều 9) / the five items to keep with each signature", ""]
    for place in dict.fromkeys(i.signature for i in items):
        mine = [i for i in items if i.signature == place]
        lines.append(f"{place}: {mine[0].signer}")
        for i in mine:
            vi, en = ITEM_NAMES[i.item]
            lines.append(f"  [{'có / kept' if i.present else 'THIẾU / MISSING'}] {vi} / {en}" + (f": {i.detail}" if i.detail else ""))
    return "\n".join(lines) + "\n"


def data_for(trust: Trust, signatures: Sequence[Signed]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """(certificates, CRLs, OCSP answers) of `trust` that bear on the signatures: what to put into the file."""
    chain: dict[bytes, x509.Certificate] = {}
    for signed in signatures:
        if signed.certificate:
            for certificate in trust.path(signed.certificate, signed.others, at=signed.at, purpose="any").chain:
                chain[certificate.public_bytes(Encoding.DER)] = certificate
    issuers = {c.issuer.public_bytes() for c in chain.values()}
    serials = {c.serial_number for c in chain.values()}
    crls = [crl for crl in trust.crls if _issuer_of(crl) in issuers]
    return list(chain), crls, [answer for answer in trust.ocsps if _serial_of(answer) in serials]


def _issuer_of(crl: bytes) -> bytes:
    try:
        return x509.load_der_x509_crl(crl).issuer.public_bytes()
    except _BROKEN:
        return b""


def _serial_of(answer: bytes) -> int:
    try:
        return ocsp.load_der_ocsp_response(answer).serial_number
    except _BROKEN:
        return -1
