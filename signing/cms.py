"""cms — a detached CMS signature (RFC 5652) built from constant DER pieces.

Everything that depends only on the certificate is encoded once; a document costs
one digest attribute, one signature and a few concatenations. Signed attributes
are sorted bytewise (DER SET OF): strict verifiers refuse anything else.
CAdES baseline B-B (EN 319 122-1): content-type, message-digest, signing-certificate-v2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from asn1crypto import algos, cms, tsp
from cryptography.hazmat.primitives.serialization import Encoding

from signing.errors import KeyUnusable
from signing.keys import HASHES, Holder, Scheme, SigningKey

assert tsp.SigningCertificateV2  # importing it teaches asn1crypto.cms the RFC 5035 and RFC 3161 attributes
_DATA = cms.ContentType("data").dump()
_SIGNED_DATA = cms.ContentType("signed_data").dump()
_CONTENT_TYPE = cms.CMSAttributeType("content_type").dump()
_MESSAGE_DIGEST = cms.CMSAttributeType("message_digest").dump()
_SIGNING_CERTIFICATE_V2 = cms.CMSAttributeType("signing_certificate_v2").dump()
_TIMESTAMP_TOKEN = cms.CMSAttributeType("signature_time_stamp_token").dump()
_VERSION_1 = b"\x02\x01\x01"


def tlv(tag: int, *parts: bytes) -> bytes:
    """DER tag-length-value around the joined `parts`."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def signature_algorithm(scheme: Scheme, digest: str) -> bytes:
    """DER of the AlgorithmIdentifier of a signature (RFC 4055, RFC 5758)."""
    if scheme is Scheme.PSS:
        parameters = {
            "hash_algorithm": {"algorithm": digest},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": digest}},
            "salt_length": HASHES[digest].digest_size,
        }
        pss: bytes = algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": algos.RSASSAPSSParams(parameters)}).dump()
        return pss
    plain: bytes = algos.SignedDigestAlgorithm({"algorithm": f"{digest}_{'ecdsa' if scheme is Scheme.ECDSA else 'rsa'}"}).dump()
    return plain


class Builder:
    """Makes detached CMS signatures for one holder of a certificate. Thread-safe.

    `detached` does all with a key at hand; `attributes` and `assembled` are its two halves
    for a key that is elsewhere: the value is made over ``to_sign(attributes)`` in between.
    """

    def __init__(self, holder: Holder, *, scheme: Scheme = Scheme.PSS, digest: str = "") -> None:
        self.holder, self.scheme, self.digest = holder, holder.scheme(scheme), digest or holder.digest
        certificate = cms.Certificate.load(holder.der)
        issuer, serial = certificate.issuer.dump(), certificate["tbs_certificate"]["serial_number"].dump()
        chain = [c.public_bytes(Encoding.DER) for c in holder.chain]
        self._certificates = tlv(0xA0, holder.der, *chain)
        self._sid = tlv(0x30, issuer, serial)
        self._digest_algorithm = algos.DigestAlgorithm({"algorithm": self.digest}).dump()
        self._signature_algorithm = signature_algorithm(self.scheme, self.digest)
        self._content_type = tlv(0x30, _CONTENT_TYPE, tlv(0x31, _DATA))
        # RFC 5035: hashAlgorithm is left out because SHA-256 is its default.
        certificate_id = tlv(0x30, tlv(0x04, hashlib.sha256(holder.der).digest()), tlv(0x30, tlv(0x30, tlv(0xA4, issuer)), serial))
        self._signing_certificate = tlv(0x30, _SIGNING_CERTIFICATE_V2, tlv(0x31, tlv(0x30, tlv(0x30, certificate_id))))
        blank = tlv(0x04, bytes(HASHES[self.digest].digest_size))
        message_digest = tlv(0x30, _MESSAGE_DIGEST, tlv(0x31, blank))
        # Their lengths differ, and DER sorts by them first: the order is the same whatever the digest.
        before, after = b"".join(sorted((self._content_type, message_digest, self._signing_certificate))).split(blank)
        self._around_digest = (before + blank[:2], after)
        self.size = len(self.assembled(self.attributes(blank[2:]), bytes(holder.longest)))

    def detached(self, digest: bytes, *, timestamp: Callable[[bytes], bytes] | None = None) -> bytes:
        """ContentInfo DER of a detached signature over the content with that `digest` (by the hash named `self.digest`).

        Args:
            timestamp: turns SHA-256 of the signature value into an RFC 3161 token (B-T).

        Raises:
            KeyUnusable: the holder's private key is not here.
        """
        if not isinstance(self.holder, SigningKey):
            raise KeyUnusable("the private key is elsewhere")
        attributes = self.attributes(digest)
        signature = self.holder.sign(self.to_sign(attributes), self.scheme, digest=self.digest)
        return self.assembled(attributes, signature, timestamp=timestamp)

    def attributes(self, digest: bytes) -> bytes:
        """The signed attributes, sorted DER without their outer tag."""
        return digest.join(self._around_digest)

    @staticmethod
    def to_sign(attributes: bytes) -> bytes:
        """What the signature value is made over (RFC 5652 5.4)."""
        return tlv(0x31, attributes)

    def assembled(self, attributes: bytes, signature: bytes, *, timestamp: Callable[[bytes], bytes] | None = None) -> bytes:
        """ContentInfo DER around a signature value."""
        unsigned = b""
        if timestamp is not None:
            token = timestamp(hashlib.sha256(signature).digest())
            unsigned = tlv(0xA1, tlv(0x30, _TIMESTAMP_TOKEN, tlv(0x31, token)))
        signer = tlv(
            0x30,
            _VERSION_1,
            self._sid,
            self._digest_algorithm,
            tlv(0xA0, attributes),
            self._signature_algorithm,
            tlv(0x04, signature),
            unsigned,
        )
        signed = tlv(0x30, _VERSION_1, tlv(0x31, self._digest_algorithm), tlv(0x30, _DATA), self._certificates, tlv(0x31, signer))
        return tlv(0x30, _SIGNED_DATA, tlv(0xA0, signed))
