"""algorithms — thuật toán: how strong a signature algorithm is at a time.

Until when each part counts as strong follows ETSI TS 119 312 and NIST SP 800-131A;
what a policy then allows is data in `schemas/policies`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from signing.der import OID, whole

_ENDS = {
    "md5": datetime(2005, 1, 1, tzinfo=UTC),
    "sha1": datetime(2014, 1, 1, tzinfo=UTC),
    "sha224": datetime(2029, 1, 1, tzinfo=UTC),
}
_RSA_ENDS = ((1024, datetime(2001, 1, 1, tzinfo=UTC)), (2047, datetime(2014, 1, 1, tzinfo=UTC)))
_EC_ENDS = ((224, datetime(2014, 1, 1, tzinfo=UTC)), (255, datetime(2029, 1, 1, tzinfo=UTC)))


def key_of(certificate: x509.Certificate) -> str:
    """Kind and size of the key: ``RSA-2048``, ``EC-secp256r1``, ``Ed25519``, ``Ed448`` or ``unknown``."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "unknown"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC-{key.curve.name}"
    if isinstance(key, ed448.Ed448PublicKey):
        return "Ed448"
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "unknown"


def bits_of(certificate: x509.Certificate) -> int:
    """Size of the key in bits; 0 when it cannot be told."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return 0
    if isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        return key.key_size
    return 256 if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)) else 0


def has_named_curve(certificate: x509.Certificate) -> bool:
    """Is an elliptic-curve key on a curve by name (RFC 5480 2.1.1)? Explicit parameters are refused; other keys have none."""
    if not isinstance(certificate.public_key(), ec.EllipticCurvePublicKey):
        return True
    parts = whole(certificate.tbs_certificate_bytes).children()
    key = parts[6 if parts[0].tag == 0xA0 else 5]
    return key.children()[0].children()[1].tag == OID


def strength(*, scheme: str, digest: str, bits: int, at: datetime) -> str:
    """``strong``, ``legacy`` (PKCS#1 v1.5), ``weak`` or ``unknown`` at the moment `at`."""
    if not bits or not digest or not scheme:
        return "unknown"
    ends = [_ENDS[digest]] if digest in _ENDS else []
    table = _RSA_ENDS if scheme in ("pkcs1v15", "pss") else _EC_ENDS
    ends += [end for largest, end in table if bits <= largest]
    if any(at >= end for end in ends):
        return "weak"
    return "legacy" if scheme == "pkcs1v15" else "strong"
