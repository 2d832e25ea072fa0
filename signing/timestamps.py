"""timestamps — dấu thời gian: RFC 3161 requests, tokens and the ordered list of authorities.

The network is a callable handed in. A token is verified before it is used; an
authority that does not answer well is passed over for the next.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.cms import tlv
from signing.errors import TimestampInvalid, TimestampUnavailable
from signing.trust import Trust

Post = Callable[[str, bytes, str], bytes]
"""(url, body, content type) → answer body; raises OSError when it cannot."""
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}


def request(digest: bytes, *, nonce: int) -> bytes:
    """DER of a TimeStampReq over SHA-256 `digest`, certificate wanted (RFC 3161 2.4.1)."""
    der: bytes = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest},
            "nonce": nonce,
            "cert_req": True,
        }
    ).dump()
    return der


def token_of(response: bytes, *, nonce: int) -> bytes:
    """The token of a TimeStampResp, DER.

    Raises:
        TimestampInvalid: refused, malformed, or another nonce.
    """
    try:
        answer = tsp.TimeStampResp.load(response, strict=True)
        if answer["status"]["status"].native not in ("granted", "granted_with_mods"):
            raise TimestampInvalid(str(answer["status"].native))
        token = answer["time_stamp_token"]
        info = token["content"]["encap_content_info"]["content"].parsed
        if info["nonce"].native != nonce:
            raise TimestampInvalid("nonce")
        der: bytes = token.dump()
        return der
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TimestampInvalid(f"malformed answer: {error}"[:200]) from error


def verify_token(token: bytes, digest: bytes, trust: Trust) -> datetime:
    """Gate: a token over SHA-256 `digest` by an authority with a path to an anchor; its time.

    Raises:
        TimestampInvalid: anything wrong (imprint, signature, extended key usage, path).
    """
    try:
        return _verify(token, digest, trust)
    except TimestampInvalid:
        raise
    except Exception as error:  # hostile DER raises almost anything
        raise TimestampInvalid(f"{type(error).__name__}: {error}"[:200]) from error


def _verify(token: bytes, digest: bytes, trust: Trust) -> datetime:
    signed = cms.ContentInfo.load(token)["content"]
    encapsulated = signed["encap_content_info"]
    if encapsulated["content_type"].native != "tst_info" or len(signed["signer_infos"]) != 1:
        raise TimestampInvalid("not a time-stamp token")
    content = encapsulated["content"]
    info = content.parsed
    imprint = info["message_imprint"]
    if imprint["hash_algorithm"]["algorithm"].native != "sha256" or imprint["hashed_message"].native != digest:
        raise TimestampInvalid("imprint")
    signer = signed["signer_infos"][0]
    certificates = [x509.load_der_x509_certificate(c.chosen.dump()) for c in signed["certificates"]]
    certificate = _signer(signer, certificates)
    _check_attributes(signer, content.contents)
    _check_signature(signer, certificate)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise TimestampInvalid("extended key usage")
    time: datetime = info["gen_time"].native
    result = trust.path(certificate, [c for c in certificates if c != certificate], at=time)
    if result.problem:
        raise TimestampInvalid(result.problem)
    return time


def _signer(signer: Any, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    serial = signer["sid"].chosen["serial_number"].native
    for certificate in certificates:
        if certificate.serial_number == serial and certificate.issuer.public_bytes() == signer["sid"].chosen["issuer"].dump():
            return certificate
    raise TimestampInvalid("no signer certificate")


def _check_attributes(signer: Any, content: bytes) -> None:
    wanted = hashlib.new(signer["digest_algorithm"]["algorithm"].native, content).digest()
    values = {a["type"].native: a["values"] for a in signer["signed_attrs"]}
    if values["content_type"][0].native != "tst_info" or values["message_digest"][0].native != wanted:
        raise TimestampInvalid("message digest")


def _check_signature(signer: Any, certificate: x509.Certificate) -> None:
    data = tlv(0x31, *[a.dump() for a in signer["signed_attrs"]])
    algorithm = signer["signature_algorithm"]
    name = signer["digest_algorithm"]["algorithm"].native if algorithm["algorithm"].native == "rsassa_pkcs1v15" else algorithm.hash_algo
    digest = _HASHES[name]()
    key, signature = certificate.public_key(), signer["signature"].native
    try:
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
            pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
            key.verify(signature, data, pss if algorithm.signature_algo == "rsassa_pss" else padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(digest))
        else:
            raise TimestampInvalid("key type")
    except InvalidSignature as error:
        raise TimestampInvalid("signature") from error


def http_timestamper(urls: Sequence[str], post: Post, trust: Trust) -> Callable[[bytes], bytes]:
    """A callable that turns a SHA-256 digest into a verified token, trying `urls` in order.

    The callable raises `TimestampUnavailable` when none gives a valid token.
    """

    def stamp(digest: bytes) -> bytes:
        problems = []
        for url in urls:
            nonce = int.from_bytes(os.urandom(8), "big")
            try:
                answer = post(url, request(digest, nonce=nonce), "application/timestamp-query")
                token = token_of(answer, nonce=nonce)
                verify_token(token, digest, trust)
                return token
            except (OSError, TimestampInvalid) as error:
                problems.append(f"{url}: {error}")
        raise TimestampUnavailable("; ".join(problems)[:400])

    return stamp
