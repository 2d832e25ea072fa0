"""trust — tin cậy: anchors, and the path from a certificate to one of them at a time.

A trust folder holds ``anchors/``, ``intermediates/`` and ``crls/`` (PEM or DER).
`Trust` itself is plain bytes, so it can be handed to a worker process.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from signing.errors import TrustUnusable
from signing.revocation import UNKNOWN, Revocation, check

LONGEST_PATH = 6
_SHA256 = hashes.SHA256()


@dataclass(frozen=True, slots=True)
class ChainResult:
    """A path that holds: `chain` from the certificate to the anchor. `problem` is an
    EN 319 102-1 sub-indication, "" when the path holds."""

    chain: tuple[x509.Certificate, ...]
    anchor: str
    revocation: Revocation
    problem: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Trust:
    """Anchors, intermediates and CRLs as DER bytes, and SHA-256 of certificates known to be agencies'."""

    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    agency_certificates: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def load(cls, directory: Path) -> Trust:
        """Read a trust folder.

        Raises:
            TrustUnusable: no anchor, or a file that cannot be read.
        """
        try:
            anchors = tuple(_certificates(directory / "anchors"))
            intermediates = tuple(_certificates(directory / "intermediates"))
            crls = tuple(_crl(path.read_bytes()) for path in _files(directory / "crls"))
        except (OSError, ValueError) as error:
            raise TrustUnusable(str(error), place=str(directory)) from error
        if not anchors:
            raise TrustUnusable("no anchor", place=str(directory / "anchors"))
        return cls(anchors, intermediates, crls)

    @property
    def fingerprint(self) -> str:
        """Lower-hex SHA-256 over everything in it."""
        digest = hashlib.sha256()
        for part in (*self.anchors, b"|", *self.intermediates, b"|", *self.crls, *(s.encode() for s in sorted(self.agency_certificates))):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()

    def path(self, leaf: x509.Certificate, extra: Sequence[x509.Certificate], *, at: datetime) -> ChainResult:
        """The path of `leaf` to an anchor at the moment `at`, with revocation of each link.

        NĐ 68/2024 Art 31–32: validity, status and path up to the root.
        """
        parsed = _parsed(self)
        if leaf in parsed.anchors:
            return ChainResult((leaf,), _name(leaf), Revocation("good", "anchor"), _validity((leaf,), at))
        chain = _climb((leaf,), [*parsed.intermediates, *extra], parsed)
        if chain is None:
            return ChainResult((leaf,), "", UNKNOWN, "NO_CERTIFICATE_CHAIN_FOUND", leaf.issuer.rfc4514_string())
        anchor = _name(chain[-1])
        states = [check(child, parent, parsed.crls, at=at) for child, parent in zip(chain[:-1], chain[1:], strict=True)]
        revoked = next((s for s in states if s.state == "revoked"), None)
        if revoked is not None:
            return ChainResult(chain, anchor, revoked, "REVOKED", revoked.source)
        worst = next((s for s in states if s.state == "unknown"), states[0])
        return ChainResult(chain, anchor, worst, _validity(chain, at))


@dataclass(frozen=True, slots=True)
class _Parsed:
    anchors: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]
    crls: tuple[x509.CertificateRevocationList, ...]
    issued: dict[tuple[bytes, bytes], bool]


_cache: dict[tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]], _Parsed] = {}
_lock = threading.Lock()


def _parsed(trust: Trust) -> _Parsed:
    identity = (trust.anchors, trust.intermediates, trust.crls)
    with _lock:
        if identity not in _cache:
            if len(_cache) > 16:
                _cache.clear()
            _cache[identity] = _Parsed(
                tuple(x509.load_der_x509_certificate(der) for der in trust.anchors),
                tuple(x509.load_der_x509_certificate(der) for der in trust.intermediates),
                tuple(x509.load_der_x509_crl(der) for der in trust.crls),
                {},
            )
        return _cache[identity]


def _climb(chain: tuple[x509.Certificate, ...], pool: Sequence[x509.Certificate], parsed: _Parsed) -> tuple[x509.Certificate, ...] | None:
    child = chain[-1]
    for anchor in parsed.anchors:
        if anchor.subject == child.issuer and _issued(child, anchor, len(chain) - 1, parsed):
            return (*chain, anchor)
    if len(chain) >= LONGEST_PATH:
        return None
    for parent in pool:
        if parent.subject == child.issuer and parent not in chain and _issued(child, parent, len(chain) - 1, parsed):
            found = _climb((*chain, parent), pool, parsed)
            if found is not None:
                return found
    return None


def _issued(child: x509.Certificate, parent: x509.Certificate, below: int, parsed: _Parsed) -> bool:
    """Did `parent`, a CA allowed to have `below` CAs under it, sign `child`?"""
    identity = (child.fingerprint(_SHA256), parent.fingerprint(_SHA256))
    if identity not in parsed.issued:
        if len(parsed.issued) > 4096:
            parsed.issued.clear()
        parsed.issued[identity] = _verify(child, parent)
    return parsed.issued[identity] and _may_issue(parent, below)


def _verify(child: x509.Certificate, parent: x509.Certificate) -> bool:
    key = parent.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        return False
    if not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        return False
    algorithm = child.signature_hash_algorithm
    if algorithm is None or algorithm.name not in ("sha256", "sha384", "sha512"):
        return False
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _may_issue(parent: x509.Certificate, below: int) -> bool:
    try:
        basic = parent.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not basic.ca or (basic.path_length is not None and below > basic.path_length):
        return False
    try:
        usage = parent.extensions.get_extension_for_oid(ExtensionOID.KEY_USAGE).value
    except x509.ExtensionNotFound:
        return True
    return isinstance(usage, x509.KeyUsage) and usage.key_cert_sign


def _validity(chain: Sequence[x509.Certificate], at: datetime) -> str:
    for certificate in chain:
        if at < certificate.not_valid_before_utc:
            return "NOT_YET_VALID"
        if at > certificate.not_valid_after_utc:
            return "OUT_OF_BOUNDS_NO_POE"
    return ""


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")) if folder.is_dir() else []


def _certificates(folder: Path) -> list[bytes]:
    found = []
    for path in _files(folder):
        data = path.read_bytes()
        if b"-----BEGIN" in data:
            found += [c.public_bytes(Encoding.DER) for c in x509.load_pem_x509_certificates(data)]
        else:
            found.append(x509.load_der_x509_certificate(data).public_bytes(Encoding.DER))
    return found


def _crl(data: bytes) -> bytes:
    crl = x509.load_pem_x509_crl(data) if b"-----BEGIN" in data else x509.load_der_x509_crl(data)
    return crl.public_bytes(Encoding.DER)
