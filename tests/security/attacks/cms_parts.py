"""Building CMS values from DER pieces, right ones and wrong ones; nothing of the project's own builder is used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from asn1crypto import algos, cms, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from signing.cms import tlv

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
ATTRIBUTES = {name: cms.CMSAttributeType(name).dump() for name in ("content_type", "message_digest", "signing_certificate_v2", "signing_time")}
DATA, SIGNED_DATA = cms.ContentType("data").dump(), cms.ContentType("signed_data").dump()
RIPEMD = tlv(0x30, bytes.fromhex("06052b24030201"), b"\x05\x00")
assert tsp.TSTInfo  # importing it teaches asn1crypto.cms the RFC 5035 and RFC 3161 attributes
Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, eq=False)
class Hand:
    """Whoever signs: a private key with a certificate, fit for it or not."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    private: Private = field(repr=False)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def sign(self, data: bytes) -> bytes:
        """PSS with SHA-256, or ECDSA."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))

    @property
    def scheme(self) -> bytes:
        """DER of the algorithm that `sign` uses."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return pss_algorithm("sha256", "sha256", 32)
        return algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}).dump()


@dataclass(frozen=True)
class Recipe:
    """How one CMS is made; the defaults give a good one."""

    key: Hand
    certificate: bytes = b""
    digest: str = "sha256"
    digest_algorithm: bytes = b""
    listed_algorithm: bytes = b""
    signature_algorithm: bytes = b""
    signer: Sign | None = None
    message_digest: Callable[[bytes], bytes] | None = None
    bound: bytes | None = b""
    content: bytes | None = None
    content_type: bytes = DATA
    attribute_type: bytes = DATA
    certificates: tuple[bytes, ...] | None = None
    order: Callable[[list[bytes]], list[bytes]] = sorted
    signed_order: Callable[[list[bytes]], list[bytes]] | None = None
    more_attributes: tuple[bytes, ...] = ()
    without: tuple[str, ...] = ()
    flip: bool = False
    signers: int = 1
    outer: bytes = SIGNED_DATA
    version: int = 1
    outer_version: int = 1
    unsigned: Callable[[bytes], bytes] | None = None


def algorithm(name: str) -> bytes:
    return algos.DigestAlgorithm({"algorithm": name}).dump()


def build(recipe: Recipe, signed: bytes) -> bytes:
    """The CMS over `signed`."""
    own = recipe.certificate or recipe.key.der
    parsed = cms.Certificate.load(own)
    digest_algorithm = recipe.digest_algorithm or algorithm(recipe.digest)
    digest = (recipe.message_digest or (lambda data: hashlib.new(recipe.digest, data).digest()))(signed)
    attributes = _attributes(recipe, own, digest)
    stored = recipe.order(attributes)
    to_sign = (recipe.signed_order or recipe.order)(attributes)
    value = (recipe.signer or recipe.key.sign)(tlv(0x31, *to_sign))
    if recipe.flip:
        value = value[:-1] + bytes((value[-1] ^ 1,))
    unsigned = recipe.unsigned(value) if recipe.unsigned else b""
    signer = tlv(
        0x30,
        bytes((2, 1, recipe.version)),
        tlv(0x30, parsed.issuer.dump(), parsed["tbs_certificate"]["serial_number"].dump()),
        digest_algorithm,
        tlv(0xA0, *stored),
        recipe.signature_algorithm or recipe.key.scheme,
        tlv(0x04, value),
        unsigned,
    )
    chain = [c.public_bytes(Encoding.DER) for c in recipe.key.chain]
    certificates = (own, *chain) if recipe.certificates is None else recipe.certificates
    encapsulated = recipe.content_type if recipe.content is None else recipe.content_type + tlv(0xA0, tlv(0x04, recipe.content))
    inner = tlv(
        0x30,
        bytes((2, 1, recipe.outer_version)),
        tlv(0x31, recipe.listed_algorithm or digest_algorithm),
        tlv(0x30, encapsulated),
        tlv(0xA0, *certificates) if certificates else b"",
        tlv(0x31, *[signer] * recipe.signers),
    )
    return tlv(0x30, recipe.outer, tlv(0xA0, inner))


def _attributes(recipe: Recipe, own: bytes, digest: bytes) -> list[bytes]:
    named = {
        "content_type": tlv(0x30, ATTRIBUTES["content_type"], tlv(0x31, recipe.attribute_type)),
        "message_digest": tlv(0x30, ATTRIBUTES["message_digest"], tlv(0x31, tlv(0x04, digest))),
    }
    if recipe.bound is not None:
        named["signing_certificate_v2"] = binding(recipe.bound or hashlib.sha256(own).digest())
    return [value for name, value in named.items() if name not in recipe.without] + list(recipe.more_attributes)


def binding(digest: bytes, more: bytes = b"") -> bytes:
    """A signing-certificate-v2 attribute."""
    return tlv(0x30, ATTRIBUTES["signing_certificate_v2"], tlv(0x31, tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x04, digest), more)))))


def pss_algorithm(hash_name: str, mask: str, salt: int, trailer: int | None = None) -> bytes:
    parameters = {
        "hash_algorithm": {"algorithm": hash_name},
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": mask}},
        "salt_length": salt,
    }
    if trailer is not None:
        parameters["trailer_field"] = trailer
    return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": algos.RSASSAPSSParams(parameters)}).dump()


HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "md5": hashes.MD5(), "sha512": hashes.SHA512()}


def pss_signer(key: Hand, hash_name: str, mask: str, salt: int) -> Sign:
    return lambda data: key.private.sign(data, padding.PSS(padding.MGF1(HASHES[mask]), salt), HASHES[hash_name])  # type: ignore[call-arg]


def rsa_signer(key: Hand, name: str) -> Sign:
    return lambda data: key.private.sign(data, padding.PKCS1v15(), HASHES[name])  # type: ignore[call-arg]


def token(hand: Hand, digest: bytes, time: datetime) -> bytes:
    """A time-stamp token of `hand` over a SHA-256 digest (RFC 3161)."""
    info = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": "2.16.704.99.1",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest},
            "serial_number": int.from_bytes(digest[:8], "big") + 1,
            "gen_time": time.replace(microsecond=0),
        }
    ).dump()
    kind = cms.ContentType("tst_info").dump()
    return build(Recipe(hand, content=info, content_type=kind, attribute_type=kind, outer_version=3), info)


def stamp_attribute(value: bytes) -> bytes:
    """The unsigned attributes that hold a time-stamp token."""
    return tlv(0xA1, tlv(0x30, cms.CMSAttributeType("signature_time_stamp_token").dump(), tlv(0x31, value)))
