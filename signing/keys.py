"""keys — khóa ký: a signing key with its certificate, from a PKCS#12 or PEM file; cached, never printed.

Wherever the private key lives (file, device, another machine), a `SigningKey` is a
certificate with its issuers and one operation. Devices: `signing.pkcs11_keys`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, pkcs12
from cryptography.x509.oid import NameOID

from signing.errors import KeyUnusable

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}
SMALLEST_RSA = 2048


class Scheme(StrEnum):
    """How a signature value is made. TT 15/2025/TT-BKHCN (annex) wants PSS for RSA, or ECDSA."""

    PSS = "pss"
    PKCS1V15 = "pkcs1v15"
    ECDSA = "ecdsa"


Operation = Callable[[bytes, Scheme, str], bytes]
"""(data, scheme, digest name) → signature value; ECDSA values are DER (RFC 3279)."""


def pss(digest: str) -> padding.PSS:
    """RSASSA-PSS with the mask of the same hash and a salt as long as the digest (RFC 8017 9.1)."""
    algorithm = HASHES[digest]
    return padding.PSS(mgf=padding.MGF1(algorithm), salt_length=algorithm.digest_size)


@dataclass(frozen=True, eq=False)
class Holder:
    """A certificate that may sign, with the issuers above it (no root needed)."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.certificate.subject.rfc4514_string()!r})"

    @cached_property
    def name(self) -> str:
        """Common name of the holder, "" when there is none."""
        names = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value) if names else ""

    @cached_property
    def validity(self) -> tuple[datetime, datetime]:
        """First and last moment of the certificate's validity."""
        return self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc

    @cached_property
    def der(self) -> bytes:
        """DER of the certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    @cached_property
    def sha256(self) -> str:
        """Lower-hex SHA-256 of the certificate."""
        return hashlib.sha256(self.der).hexdigest()

    @cached_property
    def public(self) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
        """The public key.

        Raises:
            KeyUnusable: neither RSA of at least 2048 bits nor P-256 nor P-384.
        """
        key = self.certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_RSA:
            return key
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)):
            return key
        raise KeyUnusable("only RSA from 2048 bits, P-256 and P-384 sign")

    @cached_property
    def digest(self) -> str:
        """Name of the hash that fits the key: ``sha384`` for P-384, else ``sha256``."""
        return "sha384" if isinstance(self.public, ec.EllipticCurvePublicKey) and self.public.key_size == 384 else "sha256"

    def scheme(self, wanted: Scheme = Scheme.PSS) -> Scheme:
        """The scheme in use when `wanted` is asked for: an RSA key has the choice, a curve key signs ECDSA whichever is named.

        Raises:
            KeyUnusable: ECDSA asked of an RSA key.
        """
        if isinstance(self.public, ec.EllipticCurvePublicKey):
            return Scheme.ECDSA
        if wanted is Scheme.ECDSA:
            raise KeyUnusable("an RSA key does not sign ECDSA")
        return wanted

    @cached_property
    def longest(self) -> int:
        """Most bytes a signature value takes (a DER ECDSA value varies by a few)."""
        size = (self.public.key_size + 7) // 8
        return size if isinstance(self.public, rsa.RSAPublicKey) else 2 * size + 9

    def holds(self, signature: bytes, data: bytes, scheme: Scheme, digest: str) -> bool:
        """Was `signature` made over `data` by the key of this certificate?"""
        algorithm, public = HASHES[digest], self.public
        try:
            if isinstance(public, rsa.RSAPublicKey):
                public.verify(signature, data, pss(digest) if scheme is Scheme.PSS else padding.PKCS1v15(), algorithm)
            else:
                public.verify(signature, data, ec.ECDSA(algorithm))
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, eq=False, repr=False)
class SigningKey(Holder):
    """A holder whose private key can be used from here."""

    _operate: Operation = field(repr=False)

    def sign(self, data: bytes, scheme: Scheme = Scheme.PSS, *, digest: str = "") -> bytes:
        """Signature over the hash of `data`; `digest` names the hash (default: the one that fits the key).

        Raises:
            KeyUnusable: the key does not do that, or its device failed.
        """
        return self._operate(data, self.scheme(scheme), digest or self.digest)


def software_key(private: PrivateKey, certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> SigningKey:
    """A signing key around a private key in memory.

    Raises:
        KeyUnusable: key and certificate do not belong together, or the key is too weak.
    """

    def operate(data: bytes, scheme: Scheme, digest: str) -> bytes:
        if isinstance(private, rsa.RSAPrivateKey):
            return private.sign(data, pss(digest) if scheme is Scheme.PSS else padding.PKCS1v15(), HASHES[digest])
        return private.sign(data, ec.ECDSA(HASHES[digest]))

    key = SigningKey(certificate, tuple(chain), operate)
    if _spki(private.public_key()) != _spki(key.public):
        raise KeyUnusable("the certificate does not belong to the key")
    return key


def issuers_of(certificate: x509.Certificate, pool: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Those of `pool` that lead upwards from `certificate`, nearest first, without a self-signed root."""
    found: list[x509.Certificate] = []
    below = certificate
    while True:
        above = next((c for c in pool if c.subject == below.issuer and c.subject != c.issuer and c not in found), None)
        if above is None:
            return tuple(found)
        found.append(above)
        below = above


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
    except KeyUnusable as error:
        raise KeyUnusable(error.detail, place=str(path)) from error
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
    return software_key(private, certificates[0], certificates[1:])


def _spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
