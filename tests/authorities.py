"""Certification authorities of every shape, in memory. All names are fictitious (mô phỏng)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def hash_of(key: Any, digest: Any = None) -> Any:
    """Edwards curves hash by themselves."""
    return None if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) else digest or hashes.SHA256()


def named(name: str, **more: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, f"{name} (mô phỏng)")]
    return x509.Name([*attributes, *(x509.NameAttribute(getattr(NameOID, k), v) for k, v in more.items())])


def usage(**on: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{n: on.get(n, False) for n in names})


@dataclass
class Authority:
    """A CA: its key, its certificate, and what it can issue."""

    key: Key
    certificate: x509.Certificate
    serial: int = field(default=100)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def name(self) -> x509.Name:
        return self.certificate.subject

    def issue(
        self,
        subject: x509.Name,
        key: Any = None,
        *,
        ca: bool = False,
        path_length: int | None = None,
        start: datetime = NOW - 365 * DAY,
        end: datetime = NOW + 365 * DAY,
        digest: Any = None,
        key_usage: x509.KeyUsage | None = None,
        extended: Sequence[x509.ObjectIdentifier] = (),
        extended_critical: bool = False,
        more: Sequence[tuple[x509.ExtensionType, bool]] = (),
        pss: bool = False,
        serial: int | None = None,
    ) -> tuple[Any, x509.Certificate]:
        key = key or new_key()
        self.serial += 1
        builder = x509.CertificateBuilder(self.name, subject, key.public_key(), serial or self.serial, start, end)
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        builder = builder.add_extension(
            key_usage or (usage(key_cert_sign=True, crl_sign=True) if ca else usage(digital_signature=True, content_commitment=True)), critical=True
        )
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        if extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=extended_critical)
        for value, critical in more:
            builder = builder.add_extension(value, critical=critical)
        options: dict[str, Any] = {"rsa_padding": padding.PSS(padding.MGF1(hashes.SHA256()), 32)} if pss else {}
        return key, builder.sign(self.key, hash_of(self.key, digest), **options)

    def sub(self, name: str, **options: Any) -> Authority:
        return Authority(*self.issue(named(name), ca=True, **options))

    def leaf(self, name: str = "Nguyễn Văn A", **options: Any) -> x509.Certificate:
        return self.issue(named(name), **options)[1]

    def crl(
        self,
        revoked: Sequence[tuple[int, datetime, x509.ReasonFlags | None]] = (),
        *,
        this: datetime = NOW - timedelta(hours=1),
        following: datetime | None = NOW + 7 * DAY,
        more: Sequence[tuple[x509.ExtensionType, bool]] = (),
        entry: Sequence[x509.ExtensionType] = (),
        issuer: x509.Name | None = None,
        digest: Any = None,
    ) -> bytes:
        entries = []
        for serial, when, reason in revoked:
            one = x509.RevokedCertificateBuilder(serial, when)
            if reason is not None:
                one = one.add_extension(x509.CRLReason(reason), critical=False)
            for extension in entry:
                one = one.add_extension(extension, critical=False)
            entries.append(one.build())
        builder = x509.CertificateRevocationListBuilder(issuer or self.name, this, following or this + 3650 * DAY, [], entries)
        for value, critical in more:
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(self.key, hash_of(self.key, digest)).public_bytes(Encoding.DER)

    def ocsp(
        self,
        certificate: x509.Certificate,
        *,
        issuer: Authority | None = None,
        state: str = "good",
        revoked_at: datetime | None = None,
        reason: x509.ReasonFlags | None = None,
        this: datetime = NOW - timedelta(hours=1),
        following: datetime | None = NOW + DAY,
        by_name: bool = False,
        chain: Sequence[x509.Certificate] = (),
        digest: Any = None,
        responder: x509.Certificate | None = None,
    ) -> bytes:
        """An answer signed by this key about a certificate of `issuer` (itself when left out)."""
        status = {"good": ocsp.OCSPCertStatus.GOOD, "revoked": ocsp.OCSPCertStatus.REVOKED, "unknown": ocsp.OCSPCertStatus.UNKNOWN}[state]
        builder = ocsp.OCSPResponseBuilder().add_response(
            certificate, (issuer or self).certificate, digest or hashes.SHA1(), status, this, following, revoked_at, reason
        )
        encoding = ocsp.OCSPResponderEncoding.NAME if by_name else ocsp.OCSPResponderEncoding.HASH
        builder = builder.responder_id(encoding, responder or self.certificate)
        if chain:
            builder = builder.certificates(list(chain))
        return builder.sign(self.key, hash_of(self.key)).public_bytes(Encoding.DER)

    def responder(self, *, no_check: bool = True, extended: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.OCSP_SIGNING,), **options: Any) -> Authority:
        more = [(x509.OCSPNoCheck(), False)] if no_check else []
        key, certificate = self.issue(named("OCSP"), extended=extended, more=more, key_usage=usage(digital_signature=True), **options)
        return Authority(key, certificate)


def root(name: str = "Root CA", *, key: Any = None, start: datetime = NOW - 3650 * DAY, end: datetime = NOW + 3650 * DAY, **options: Any) -> Authority:
    key = key or new_key()
    own = x509.CertificateBuilder(named(name), named(name), key.public_key(), 1, start, end).sign(key, hash_of(key))
    return Authority(*Authority(key, own).issue(named(name), key, ca=True, start=start, end=end, **options))
