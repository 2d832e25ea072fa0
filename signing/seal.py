"""seal — niêm phong: a detached CAdES signature by an organisation over exact bytes.

Verification is our own and strict: one signer, DER, sorted attributes, SHA-2,
the certificate bound by signing-certificate-v2, a path to an anchor. Fail closed:
whatever goes wrong inside is `SealInvalid`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from asn1crypto import cms
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from signing.cms import Builder, tlv
from signing.errors import SealDigestMismatch, SealInvalid, SealUntrusted, SigningError, TimestampInvalid
from signing.keys import Scheme, SigningKey
from signing.report import SealFinding
from signing.timestamps import verify_token
from signing.trust import Trust

LARGEST = 256 * 1024
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
_builders: WeakKeyDictionary[SigningKey, Builder] = WeakKeyDictionary()


def sign_seal(digest: bytes, key: SigningKey, *, timestamp: Callable[[bytes], bytes] | None = None) -> bytes:
    """Detached CAdES-B (with `timestamp`: B-T) over the content with SHA-256 `digest`."""
    builder = _builders.get(key)
    if builder is None:
        # PKCS#1 v1.5 and SHA-256: what every openssl in the field checks without options.
        builder = _builders[key] = Builder(key, scheme=Scheme.PKCS1V15, digest="sha256")
    return builder.detached(digest, timestamp=timestamp)


def verify_seal(digest: bytes, seal: bytes, trust: Trust, *, at: datetime, seen_at: datetime | None = None) -> SealFinding:
    """Gate: `seal` is a valid seal over the content with SHA-256 `digest`.

    Args:
        at: moment of judgement; a valid time-stamp inside the seal takes its place.
        seen_at: a later moment at which the seal is proven to have been there already (an
            archive time-stamp); its time-stamp then outlives a compromise after that.

    Raises:
        SealDigestMismatch: over other bytes.
        SealUntrusted: no path to an anchor, expired or revoked.
        SealInvalid: anything else.
    """
    try:
        return _verify(digest, seal, trust, at, seen_at)
    except SigningError:
        raise
    except Exception as error:  # hostile DER raises almost anything
        raise SealInvalid(f"{type(error).__name__}: {error}"[:200]) from error


def _verify(digest: bytes, seal: bytes, trust: Trust, at: datetime, seen_at: datetime | None) -> SealFinding:
    if len(seal) > LARGEST:
        raise SealInvalid("too large")
    content = cms.ContentInfo.load(seal, strict=True)
    if content["content_type"].native != "signed_data":
        raise SealInvalid("not signed data")
    signed = content["content"]
    if signed["encap_content_info"]["content"].native is not None:
        raise SealInvalid("content is not detached")
    if len(signed["signer_infos"]) != 1:
        raise SealInvalid("exactly one signer wanted")
    signer = signed["signer_infos"][0]
    attributes = _attributes(signer)
    if signer["digest_algorithm"]["algorithm"].native != "sha256":
        raise SealInvalid("digest algorithm")
    if attributes["message_digest"].native != digest:
        raise SealDigestMismatch()
    certificates = [c.chosen.dump() for c in signed["certificates"]]
    der = _signing_certificate(attributes, certificates)
    certificate = x509.load_der_x509_certificate(der)
    sid = signer["sid"].chosen
    if sid["serial_number"].native != certificate.serial_number or sid["issuer"].dump() != certificate.issuer.public_bytes():
        raise SealInvalid("signer identifier names another certificate")
    algorithm = _check_signature(signer, certificate)
    time, source = _time(signer, trust, at, seen_at)
    return _judge(certificate, [x509.load_der_x509_certificate(c) for c in certificates if c != der], trust, digest, algorithm, time, source)


def _attributes(signer: Any) -> dict[str, Any]:
    signed = signer["signed_attrs"]
    encoded = [a.dump() for a in signed]
    if not encoded or encoded != sorted(encoded):
        raise SealInvalid("signed attributes are not DER")
    values: dict[str, Any] = {}
    for attribute in signed:
        name = attribute["type"].native
        if name in values or len(attribute["values"]) != 1:
            raise SealInvalid(f"attribute {name} repeated")
        values[name] = attribute["values"][0]
    if "message_digest" not in values or values.get("content_type") is None or values["content_type"].native != "data":
        raise SealInvalid("content-type or message-digest missing")
    return values


def _signing_certificate(attributes: dict[str, Any], certificates: list[bytes]) -> bytes:
    if "signing_certificate_v2" not in attributes:
        raise SealInvalid("signing-certificate-v2 missing")
    identity = attributes["signing_certificate_v2"]["certs"][0]
    if identity["hash_algorithm"]["algorithm"].native != "sha256":
        raise SealInvalid("signing-certificate-v2 digest")
    wanted = identity["cert_hash"].native
    for der in certificates:
        if hashlib.sha256(der).digest() == wanted:
            return der
    raise SealInvalid("signing certificate is not in the seal")


def _check_signature(signer: Any, certificate: x509.Certificate) -> str:
    data = tlv(0x31, *[a.dump() for a in signer["signed_attrs"]])
    signature = signer["signature"].native
    algorithm = signer["signature_algorithm"]
    scheme, hash_name = algorithm.signature_algo, algorithm.hash_algo
    if hash_name not in _HASHES:
        raise SealInvalid(f"hash {hash_name}")
    digest = _HASHES[hash_name]()
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048 and scheme in ("rsassa_pkcs1v15", "rsassa_pss"):
            pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
            key.verify(signature, data, padding.PKCS1v15() if scheme == "rsassa_pkcs1v15" else pss, digest)
            return f"{scheme}-{hash_name}-{key.key_size}"
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size >= 256 and scheme == "ecdsa":
            key.verify(signature, data, ec.ECDSA(digest))
            return f"ecdsa-{hash_name}-{key.curve.name}"
    except InvalidSignature as error:
        raise SealInvalid("signature value") from error
    raise SealInvalid(f"algorithm {scheme} is not allowed for this key")


def _time(signer: Any, trust: Trust, at: datetime, seen_at: datetime | None) -> tuple[datetime, str]:
    for attribute in signer["unsigned_attrs"] or ():
        if attribute["type"].native == "signature_time_stamp_token":
            digest = hashlib.sha256(signer["signature"].native).digest()
            try:
                return verify_token(attribute["values"][0].dump(), digest, trust, seen_at=seen_at), "timestamp"
            except TimestampInvalid as error:
                raise SealInvalid(f"time-stamp: {error.detail}") from error
    return at, "judged_at"


def _judge(
    certificate: x509.Certificate, extra: list[x509.Certificate], trust: Trust, digest: bytes, algorithm: str, time: datetime, source: str
) -> SealFinding:
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


def _text(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
