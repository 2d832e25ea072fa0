"""seal — niêm phong: a detached CAdES signature by an organisation over exact bytes.

Verification is our own and strict: one signer, DER, sorted attributes, SHA-2,
the certificate bound by signing-certificate-v2, a path to an anchor. Fail closed:
whatever goes wrong inside is `SealInvalid`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from signing.algorithms import bits_of, has_named_curve, key_of
from signing.chain import decoded
from signing.cms import Builder
from signing.errors import CmsBroken, NotDer, SealDigestMismatch, SealInvalid, SealUntrusted, SigningError, TimestampInvalid
from signing.keys import Scheme, SigningKey
from signing.report import SealFinding
from signing.signed_data import SIGNING_CERTIFICATE_V2, SignedData, check, read_signed_data
from signing.timestamps import verify_token
from signing.trust import Trust

LARGEST = 256 * 1024
_builders: WeakKeyDictionary[SigningKey, Builder] = WeakKeyDictionary()


def sign_seal(digest: bytes, key: SigningKey, *, timestamp: Callable[[bytes], bytes] | None = None) -> bytes:
    """Detached CAdES-B (with `timestamp`: B-T) over the content with SHA-256 `digest`."""
    builder = _builders.get(key)
    if builder is None:
        # PKCS#1 v1.5 and SHA-256: what every openssl in the field checks without options.
        builder = _builders[key] = Builder(key, scheme=Scheme.PKCS1V15, digest="sha256")
    return builder.detached(digest, timestamp=timestamp)


def verify_seal(digest: bytes, seal: bytes, trust: Trust, *, at: datetime, seen_at: datetime | None = None, stamp_counts: bool = True) -> SealFinding:
    """Gate: `seal` is a valid seal over the content with SHA-256 `digest`.

    Args:
        at: moment of judgement; a valid time-stamp inside the seal takes its place.
        seen_at: a later moment at which the seal is proven to have been there already (an
            archive time-stamp); its time-stamp then outlives a compromise after that.
        stamp_counts: False at a door: a time-stamp inside is checked, but `at` decides. Else whoever holds a key that has
            ended since could still bring what was stamped before.

    Raises:
        SealDigestMismatch: over other bytes.
        SealUntrusted: no path to an anchor, expired or revoked.
        SealInvalid: anything else.
    """
    try:
        return _verify(digest, seal, trust, at, seen_at, stamp_counts)
    except NotDer as error:
        raise SealInvalid(error.detail) from error
    except SigningError:
        raise
    except Exception as error:  # hostile DER raises almost anything
        raise SealInvalid(f"{type(error).__name__}: {error}"[:200]) from error


def _verify(digest: bytes, seal: bytes, trust: Trust, at: datetime, seen_at: datetime | None, stamp_counts: bool) -> SealFinding:
    if len(seal) > LARGEST:
        raise SealInvalid("too large")
    signed = read_signed_data(seal)
    if signed.digest != "sha256":
        raise SealInvalid("digest algorithm")
    if SIGNING_CERTIFICATE_V2 not in signed.attributes:
        raise SealInvalid("signing-certificate-v2 missing")
    try:
        der = check(signed, digest)
    except CmsBroken as error:
        raise (SealDigestMismatch() if error.place == "digest" else SealInvalid(error.detail)) from error
    certificate = decoded(der)
    algorithm = _allowed(signed, certificate)
    time, source = _time(signed, trust, at, seen_at)
    if not stamp_counts:
        time, source = at, "judged_at"
    return _judge(certificate, [c for c in signed.certificates if c != der], trust, digest, algorithm, time, source)


def _allowed(signed: SignedData, certificate: x509.Certificate) -> str:
    """Name of the algorithm, when it is one that seals may use."""
    bits = bits_of(certificate)
    enough = bits >= (2048 if signed.scheme in ("pkcs1v15", "pss") else 256)
    if signed.scheme not in ("pkcs1v15", "pss", "ecdsa") or not enough or not has_named_curve(certificate):
        raise SealInvalid(f"algorithm {signed.scheme} with {bits} bits is not allowed")
    return f"{signed.scheme}-{signed.digest}-{key_of(certificate)}"


def _time(signed: SignedData, trust: Trust, at: datetime, seen_at: datetime | None) -> tuple[datetime, str]:
    for token in signed.tokens:
        try:
            return verify_token(token, lambda name: hashlib.new(name, signed.signature).digest(), trust, seen_at=seen_at), "timestamp"
        except TimestampInvalid as error:
            raise SealInvalid(f"time-stamp: {error.detail}") from error
    return at, "judged_at"


def _judge(certificate: x509.Certificate, extra: list[bytes], trust: Trust, digest: bytes, algorithm: str, time: datetime, source: str) -> SealFinding:
    usage = _usage(certificate)
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        raise SealUntrusted("key usage does not allow signing")
    result = trust.path(certificate, extra, at=time)
    if result.problem:
        raise SealUntrusted(f"{result.problem}: {result.detail}")
    return SealFinding(
        signer=_text(certificate, NameOID.COMMON_NAME),
        organisation=_text(certificate, NameOID.ORGANIZATION_NAME),
        certificate_sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        issuer=certificate.issuer.rfc4514_string(),
        anchor=result.anchor,
        algorithm=algorithm,
        digest_sha256=digest.hex(),
        time=time,
        time_source=source,
        revocation=result.revocation.state,
    )


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


@lru_cache(maxsize=4096)
def identifier_of(pem: str) -> str:
    """How a certificate names its organisation (organizationIdentifier, ITU-T X.520), "" when it does not or cannot be read."""
    try:
        return _text(x509.load_pem_x509_certificate(pem.encode()), NameOID.ORGANIZATION_IDENTIFIER)
    except ValueError:
        return ""


def _text(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
