"""keys — khóa ký: open a signing key with its certificate; cached, never printed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, pkcs12

from signing.errors import KeyUnusable

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


@dataclass(frozen=True, eq=False)
class SigningKey:
    """A private key with its certificate and the issuers above it (no root needed)."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    _private: PrivateKey = field(repr=False)

    def __repr__(self) -> str:
        return f"SigningKey({self.certificate.subject.rfc4514_string()!r})"

    @cached_property
    def der(self) -> bytes:
        """DER of the certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    def algorithm(self, *, pss: bool = False) -> str:
        """``rsa-pkcs1-sha256``, ``rsa-pss-sha256`` or ``ecdsa-sha256``."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return "rsa-pss-sha256" if pss else "rsa-pkcs1-sha256"
        return "ecdsa-sha256"

    def sign(self, data: bytes, *, pss: bool = False) -> bytes:
        """Signature over SHA-256 of `data` (ECDSA: DER)."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(data, _PSS if pss else padding.PKCS1v15(), hashes.SHA256())
        return self._private.sign(data, ec.ECDSA(hashes.SHA256()))


_cache: dict[tuple[Path, int, bytes], SigningKey] = {}
_lock = threading.Lock()


def open_key(path: Path, *, password: bytes | None = None) -> SigningKey:
    """Open a PKCS#12 file (.p12, .pfx) or a PEM file with the key, its certificate and its issuers.

    Loading an RSA key costs 50 ms of checks, so an open key is kept until its file changes.

    Raises:
        KeyUnusable: unreadable, wrong password, or key and certificate do not match.
    """
    try:
        identity = (path.resolve(), path.stat().st_mtime_ns, password or b"")
        with _lock:
            if identity not in _cache:
                _cache[identity] = _load(path.read_bytes(), path.suffix.lower(), password)
            return _cache[identity]
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise KeyUnusable(str(error), place=str(path)) from error


def _load(data: bytes, suffix: str, password: bytes | None) -> SigningKey:
    if suffix in (".p12", ".pfx"):
        private, certificate, more = pkcs12.load_key_and_certificates(data, password)
        if certificate is None:
            raise ValueError("no certificate in the PKCS#12 file")
        certificates = [certificate, *more]
    else:
        private = load_pem_private_key(data, password)
        certificates = x509.load_pem_x509_certificates(data)
    if not isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise ValueError("only RSA and elliptic-curve keys sign")
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificates[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public:
        raise ValueError("the certificate does not belong to the key")
    return SigningKey(certificates[0], tuple(certificates[1:]), private)
