"""validation_data — the certificates, CRLs and OCSP answers that a signature needs to be checked alone and later.

Taken from what the trust folder holds; nothing is fetched here. For every certificate
up to the anchor one source must speak (EN 319 142-1 5.4, 6.3: B-LT).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from signing.der import whole
from signing.trust import Trust


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file holds already, DER. An old answer still speaks for the time it was made for."""

    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()


@dataclass(slots=True)
class ValidationData:
    """DER of certificates, CRLs and OCSP responses, and what nobody answered for (subjects)."""

    stored: Stored = field(default_factory=Stored)
    certificates: dict[bytes, None] = field(default_factory=dict)
    crls: dict[bytes, None] = field(default_factory=dict)
    ocsps: dict[bytes, None] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)

    def add(self, leaf: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, *, now: datetime) -> None:
        """Add what `leaf` needs: its chain by `trust`, and for each certificate in it the freshest answer."""
        held = [x509.load_der_x509_certificate(der) for der in self.stored.certificates]
        result = trust.path(leaf, [*others, *held], at=now, purpose="any")
        if not result.anchor:
            self.missing[leaf.subject.rfc4514_string()] = None
        for certificate in result.chain:
            self.certificates[certificate.public_bytes(Encoding.DER)] = None
        for child, issuer, fact in zip(result.chain[:-1], result.chain[1:], result.revocations, strict=False):
            # `fact` is the checked answer; what is embedded must give it again to whoever reads the file.
            if not (self._status(child, issuer, trust, now) and fact.state != "unknown") and not self._spoken_for(child, issuer):
                self.missing[child.subject.rfc4514_string()] = None

    def _status(self, child: x509.Certificate, issuer: x509.Certificate, trust: Trust, now: datetime) -> bool:
        answer = _best_ocsp(child, issuer, trust.ocsps, now)
        if answer is not None:
            self.ocsps[answer] = None
            for responder in ocsp.load_der_ocsp_response(answer).certificates:
                self.certificates[responder.public_bytes(Encoding.DER)] = None
        crl = _best_crl(issuer, trust.crls, now)
        if crl is not None:
            self.crls[crl] = None
        return answer is not None or crl is not None

    def _spoken_for(self, child: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Does the file hold an answer from earlier?"""
        return bool(_best_ocsp(child, issuer, self.stored.ocsps, None) or _best_crl(issuer, self.stored.crls, None))

    def fresh(self) -> tuple[list[bytes], list[bytes], list[bytes]]:
        """Certificates, CRLs and OCSP responses that the file does not hold yet."""
        return (
            sorted(set(self.certificates) - set(self.stored.certificates)),
            sorted(set(self.crls) - set(self.stored.crls)),
            sorted(set(self.ocsps) - set(self.stored.ocsps)),
        )


def _best_crl(issuer: x509.Certificate, crls: Iterable[bytes], now: datetime | None) -> bytes | None:
    """The newest list of `issuer`, in force at `now` when that is given."""
    best: tuple[datetime, bytes] | None = None
    for der in crls:
        crl = _crl(der)
        if crl is None or crl.issuer != issuer.subject or not _signed(der, issuer):
            continue
        if now is not None and not crl.last_update_utc <= now <= (crl.next_update_utc or now):
            continue
        if best is None or crl.last_update_utc > best[0]:
            best = (crl.last_update_utc, der)
    return best[1] if best else None


def _best_ocsp(child: x509.Certificate, issuer: x509.Certificate, answers: Iterable[bytes], now: datetime | None) -> bytes | None:
    best: tuple[datetime, bytes] | None = None
    for der in answers:
        try:
            response = ocsp.load_der_ocsp_response(der)
            if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL or response.serial_number != child.serial_number:
                continue
            this, following = response.this_update_utc, response.next_update_utc
            fits = response.issuer_key_hash == _hash(response.hash_algorithm, _key_bits(issuer))
        except (ValueError, UnsupportedAlgorithm):
            continue
        in_force = now is None or this <= now <= (following or now)
        if fits and in_force and (best is None or this > best[0]):
            best = (this, der)
    return best[1] if best else None


def _hash(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The subject public key without tag, length and unused bits (RFC 6960 4.1.1)."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return whole(spki).children()[1].body[1:]


@lru_cache(maxsize=64)
def _crl(der: bytes) -> x509.CertificateRevocationList | None:
    try:
        return x509.load_der_x509_crl(der)
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _signed(der: bytes, issuer: x509.Certificate) -> bool:
    key, crl = issuer.public_key(), _crl(der)
    if crl is None or not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        return False
    try:
        return crl.is_signature_valid(key)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
