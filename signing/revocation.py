"""revocation — thu hồi: is a certificate revoked at a time, by the CRLs at hand?

No network here. A missing, stale or undecodable list means "unknown", which is
said and never taken for "good".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa


@dataclass(frozen=True, slots=True)
class Revocation:
    """`state` is ``good``, ``revoked`` or ``unknown``; `source` names the list."""

    state: str
    source: str = ""
    at: datetime | None = None


UNKNOWN = Revocation("unknown")


def check(certificate: x509.Certificate, issuer: x509.Certificate, crls: Sequence[x509.CertificateRevocationList], *, at: datetime) -> Revocation:
    """State of `certificate` at the moment `at`, by the freshest list of its issuer.

    NĐ 68/2024 Art 31: active at signing time by CRL or OCSP of the CA.
    """
    usable = [crl for crl in crls if crl.issuer == issuer.subject and _signed_by(crl, issuer)]
    for crl in sorted(usable, key=lambda c: c.last_update_utc, reverse=True):
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        source = f"CRL {crl.last_update_utc.isoformat()}"
        if entry is not None:
            if entry.revocation_date_utc <= at:
                return Revocation("revoked", source, entry.revocation_date_utc)
            return Revocation("good", source)
        next_update = crl.next_update_utc
        # A list issued before `at` and out of date by then says nothing about `at`.
        if next_update is not None and next_update < at:
            continue
        return Revocation("good", source)
    return UNKNOWN


def _signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    if not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        return False
    try:
        return crl.is_signature_valid(key)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
