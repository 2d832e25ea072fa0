"""A18 what can be wrong inside the CMS while the PDF is regular. Each value is built from DER pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

from asn1crypto import algos, cms
from cryptography.hazmat.primitives.serialization import Encoding

from signing.cms import tlv
from tests.security.attacks.builders import STYLES
from tests.security.attacks.cms_parts import (
    ATTRIBUTES,
    DATA,
    RIPEMD,
    SIGNED_DATA,
    Hand,
    Recipe,
    algorithm,
    binding,
    build,
    pss_algorithm,
    pss_signer,
    rsa_signer,
)
from tests.security.attacks.drafts import draft
from tests.security.attacks.signer import Plan, sign
from tests.security.attacks.workshop import Case, Must, Workshop


def pss(hash_name: str, mask: str, salt: int, stated: tuple[str, str, int, int | None], w: Workshop) -> Recipe:
    """PSS made one way and stated another (or the same)."""
    return Recipe(w.agency, signature_algorithm=pss_algorithm(*stated), signer=pss_signer(w.agency, hash_name, mask, salt))


def _weak_digest(name: str, w: Workshop) -> Recipe:
    scheme = algos.SignedDigestAlgorithm({"algorithm": f"{name}_rsa"}).dump()
    return Recipe(w.agency, digest=name, signature_algorithm=scheme, signer=rsa_signer(w.agency, name))


def _ripemd(w: Workshop) -> Recipe:
    return Recipe(w.agency, digest_algorithm=RIPEMD, message_digest=lambda data: hashlib.sha256(data).digest()[:20])


def _bit(data: bytes) -> bytes:
    digest = bytearray(hashlib.sha256(data).digest())
    digest[5] ^= 4
    return bytes(digest)


def _indefinite(der: bytes) -> bytes:
    """The outermost value with an indefinite length (BER)."""
    size = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    return b"\x30\x80" + der[size:] + b"\0\0"


def _long_length(der: bytes) -> bytes:
    """The outermost length in more bytes than needed."""
    size = int.from_bytes(der[2:4], "big")
    return b"\x30\x84" + size.to_bytes(4, "big") + der[4:]


def _two_signers(w: Workshop, signed: bytes) -> bytes:
    """Two different signers in one CMS."""
    mine, other = (cms.ContentInfo.load(build(Recipe(key), signed)) for key in (w.agency, w.person))
    inner = mine["content"]
    infos = [s.dump() for s in inner["signer_infos"]] + [s.dump() for s in other["content"]["signer_infos"]]
    certificates = [c.dump() for c in inner["certificates"]] + [c.dump() for c in other["content"]["certificates"]]
    body = tlv(0x30, b"\x02\x01\x01", tlv(0x31, algorithm("sha256")), tlv(0x30, DATA), tlv(0xA0, *certificates), tlv(0x31, *sorted(infos)))
    return tlv(0x30, SIGNED_DATA, tlv(0xA0, body))


def _no_attributes(w: Workshop, signed: bytes) -> bytes:
    """The signature is directly over the content, without signed attributes."""
    made = build(Recipe(w.agency), signed)
    parsed = cms.ContentInfo.load(made)
    signer = parsed["content"]["signer_infos"][0]
    parts = [signer[n].dump() for n in ("version", "sid", "digest_algorithm", "signature_algorithm")]
    info = tlv(0x30, *parts, tlv(0x04, w.agency.sign(signed)))
    chain = [c.public_bytes(Encoding.DER) for c in w.agency.chain]
    inner = tlv(0x30, b"\x02\x01\x01", tlv(0x31, algorithm("sha256")), tlv(0x30, DATA), tlv(0xA0, w.agency.der, *chain), tlv(0x31, info))
    return tlv(0x30, SIGNED_DATA, tlv(0xA0, inner))


def _protected(scheme: bytes) -> bytes:
    """An attribute that protects the algorithms (RFC 6211)."""
    return tlv(0x30, bytes.fromhex("06092a864886f70d010934"), tlv(0x31, tlv(0x30, algorithm("sha256"), b"\xa1" + scheme[1:])))


def _hash_twice(w: Workshop) -> Recipe:
    """PSS parameters that name two hashes: readers take the first or the last."""
    mask = tlv(0xA1, tlv(0x30, bytes.fromhex("06092a864886f70d010108"), algorithm("sha256")))
    parameters = tlv(0x30, tlv(0xA0, algorithm("sha512")), tlv(0xA0, algorithm("sha256")), mask, tlv(0xA2, b"\x02\x01\x20"))
    return Recipe(w.agency, signature_algorithm=tlv(0x30, bytes.fromhex("06092a864886f70d01010a"), parameters))


def _bound_by_md5(w: Workshop) -> Recipe:
    identity = tlv(0x30, algorithm("md5"), tlv(0x04, hashlib.md5(w.agency.der).digest()))
    return Recipe(w.agency, bound=None, more_attributes=(tlv(0x30, ATTRIBUTES["signing_certificate_v2"], tlv(0x31, tlv(0x30, tlv(0x30, identity)))),))


R = Callable[[Workshop], Recipe]
RECIPES: dict[str, R] = {
    "digest-flipped": lambda w: Recipe(w.agency, message_digest=_bit),
    "digest-empty": lambda w: Recipe(w.agency, message_digest=lambda _: b""),
    "digest-of-nothing": lambda w: Recipe(w.agency, message_digest=lambda _: hashlib.sha256(b"").digest()),
    "digest-cut": lambda w: Recipe(w.agency, message_digest=lambda d: hashlib.sha256(d).digest()[:16]),
    "signature-flipped": lambda w: Recipe(w.agency, flip=True),
    "signature-empty": lambda w: Recipe(w.agency, signer=lambda _: b""),
    "signature-zeros": lambda w: Recipe(w.agency, signer=lambda _: b"\0" * 256),
    "signature-short": lambda w: Recipe(w.agency, signer=lambda d: w.agency.sign(d)[:128]),
    "signature-by-another": lambda w: Recipe(w.agency, signer=w.person.sign),
    "signers-none": lambda w: Recipe(w.agency, signers=0),
    "signers-same-twice": lambda w: Recipe(w.agency, signers=2),
    "certificate-absent": lambda w: Recipe(w.agency, certificates=tuple(c.public_bytes(Encoding.DER) for c in w.agency.chain)),
    "certificates-none": lambda w: Recipe(w.agency, certificates=()),
    "certificate-other": lambda w: Recipe(w.agency, certificates=(w.person.der,)),
    "certificate-other-claimed": lambda w: Recipe(w.agency, certificate=w.person.der),
    "binding-to-another": lambda w: Recipe(w.agency, bound=hashlib.sha256(w.person.der).digest()),
    "binding-zeros": lambda w: Recipe(w.agency, bound=b"\0" * 32),
    "binding-empty": lambda w: Recipe(w.agency, bound=b"\0"),
    "binding-twice": lambda w: Recipe(w.agency, more_attributes=(binding(hashlib.sha256(w.person.der).digest()),)),
    "binding-wrong-serial": lambda w: Recipe(w.agency, bound=None, more_attributes=(binding(hashlib.sha256(w.agency.der).digest(), _identity(w.person)),)),
    "content-inside": lambda w: Recipe(w.agency, content=b"noi dung khac"),
    "content-inside-empty": lambda w: Recipe(w.agency, content=b""),
    "content-type-signed-data": lambda w: Recipe(w.agency, content_type=SIGNED_DATA),
    "content-type-absent": lambda w: Recipe(w.agency, without=("content_type",)),
    "message-digest-absent": lambda w: Recipe(w.agency, without=("message_digest",)),
    "message-digest-twice": lambda w: Recipe(w.agency, more_attributes=(tlv(0x30, ATTRIBUTES["message_digest"], tlv(0x31, tlv(0x04, b"\1" * 32))),)),
    "attributes-reversed": lambda w: Recipe(w.agency, order=lambda a: sorted(a, reverse=True)),
    "attributes-reversed-signed-sorted": lambda w: Recipe(w.agency, order=lambda a: sorted(a, reverse=True), signed_order=sorted),
    "attributes-sorted-signed-reversed": lambda w: Recipe(w.agency, signed_order=lambda a: sorted(a, reverse=True)),
    "attributes-long-length": lambda w: Recipe(w.agency, order=lambda a: [b"\x30\x81" + v[1:] if v[1] < 0x80 else v for v in sorted(a)]),
    "attribute-not-signed": lambda w: Recipe(w.agency, signed_order=lambda a: sorted(a)[:-1]),
    "digest-sha512-signature-sha256": lambda w: Recipe(w.agency, digest="sha512"),
    "digest-algorithm-other": lambda w: Recipe(w.agency, digest_algorithm=algorithm("sha512"), message_digest=lambda d: hashlib.sha256(d).digest()),
    "digest-sha1-signature-sha256": lambda w: Recipe(w.agency, digest="sha1"),
    "md5": partial(_weak_digest, "md5"),
    "sha1": partial(_weak_digest, "sha1"),
    "ripemd": _ripemd,
    "scheme-is-hash": lambda w: Recipe(
        w.agency, digest_algorithm=algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"}).dump(), message_digest=lambda d: hashlib.sha256(d).digest()
    ),
    "scheme-ecdsa": lambda w: Recipe(w.agency, signature_algorithm=algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}).dump()),
    "scheme-unknown": lambda w: Recipe(w.agency, signature_algorithm=bytes.fromhex("300506032a0304")),
    "protected-algorithm-other": lambda w: Recipe(w.agency, more_attributes=(_protected(algos.SignedDigestAlgorithm({"algorithm": "sha512_rsa"}).dump()),)),
    "pss-hash-twice": _hash_twice,
    "binding-by-md5": _bound_by_md5,
    "outer-type-data": lambda w: Recipe(w.agency, outer=DATA),
    "outer-type-enveloped": lambda w: Recipe(w.agency, outer=cms.ContentType("enveloped_data").dump()),
    "pss-mask-sha1": partial(pss, "sha256", "sha1", 32, ("sha256", "sha1", 32, None)),
    "pss-hash-sha1": partial(pss, "sha1", "sha1", 20, ("sha1", "sha1", 20, None)),
    "pss-hash-differs": partial(pss, "sha512", "sha512", 32, ("sha512", "sha512", 32, None)),
    "pss-stated-otherwise": partial(pss, "sha256", "sha256", 32, ("sha512", "sha512", 32, None)),
    "pss-salt-stated-otherwise": partial(pss, "sha256", "sha256", 20, ("sha256", "sha256", 32, None)),
    "pss-trailer-2": partial(pss, "sha256", "sha256", 32, ("sha256", "sha256", 32, 2)),
    "pss-salt-negative": partial(pss, "sha256", "sha256", 32, ("sha256", "sha256", -1, None)),
    "pss-salt-huge": partial(pss, "sha256", "sha256", 32, ("sha256", "sha256", 10**9, None)),
    "pss-no-parameters": lambda w: Recipe(
        w.agency, signature_algorithm=bytes.fromhex("300b06092a864886f70d01010a"), signer=pss_signer(w.agency, "sha256", "sha256", 32)
    ),
}
ODD: dict[str, R] = {
    "pss-salt-0": partial(pss, "sha256", "sha256", 0, ("sha256", "sha256", 0, None)),
    "pss-salt-20": partial(pss, "sha256", "sha256", 20, ("sha256", "sha256", 20, None)),
    "binding-absent": lambda w: Recipe(w.agency, bound=None),
    "version-3": lambda w: Recipe(w.agency, version=3),
    "algorithm-not-listed": lambda w: Recipe(w.agency, listed_algorithm=algorithm("sha512")),
}
GOOD: dict[str, R] = {
    "good-protected": lambda w: Recipe(w.agency, more_attributes=(_protected(w.agency.scheme),)),
    "good": lambda w: Recipe(w.agency),
    "good-sha512": lambda w: Recipe(
        w.agency, digest="sha512", signature_algorithm=algos.SignedDigestAlgorithm({"algorithm": "sha512_rsa"}).dump(), signer=rsa_signer(w.agency, "sha512")
    ),
    "good-pss-longest-salt": partial(pss, "sha256", "sha256", 222, ("sha256", "sha256", 222, None)),
    "good-pss": partial(pss, "sha256", "sha256", 32, ("sha256", "sha256", 32, None)),
}


def _identity(key: Hand) -> bytes:
    parsed = cms.Certificate.load(key.der)
    return tlv(0x30, tlv(0x30, tlv(0xA4, parsed.issuer.dump())), parsed["tbs_certificate"]["serial_number"].dump())


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "indefinite-length": _indefinite,
    "long-length": _long_length,
    "cut": lambda der: der[: len(der) // 2],
    "cut-by-one": lambda der: der[:-1],
    "more-inside": lambda der: tlv(0x30, der[4:] + b"\x05\x00"),
    "bytes-behind": lambda der: der + b"\x05\x00",
    "twice": lambda der: der + der,
    "wrapped-in-octets": lambda der: tlv(0x04, der),
    "deep": lambda der: b"\x30\x80" * 2000,
    "many-certificates": lambda der: der.replace(b"\xa0\x82", b"\xa0\x83", 1),
}


def with_recipe(style: str, recipe: R, w: Workshop) -> bytes:
    return sign(draft(STYLES[style]), Plan(partial(build, recipe(w)))).data


def with_encoding(edit: Callable[[bytes], bytes], w: Workshop) -> bytes:
    return sign(draft(), Plan(lambda signed: edit(build(Recipe(w.agency), signed)))).data


def whole(make: Callable[[Workshop, bytes], bytes], w: Workshop) -> bytes:
    return sign(draft(), Plan(partial(make, w))).data


def cases() -> Iterator[Case]:
    for name, recipe in RECIPES.items():
        yield Case("A18", name, partial(with_recipe, "table-lf", recipe))
    for name in ("digest-flipped", "signature-flipped", "attributes-reversed", "sha1"):
        yield Case("A18", f"{name}@objects-crlf", partial(with_recipe, "objects-crlf", RECIPES[name]))
    for name, edit in ENCODINGS.items():
        # Some signers in the field write BER outside the signed attributes; it need not be refused.
        must = Must.ANSWER if name in ("indefinite-length", "long-length") else Must.REFUSE
        yield Case("A18", f"encoding-{name}", partial(with_encoding, edit), must)
    yield Case("A18", "signers-two", partial(whole, _two_signers))
    yield Case("A18", "attributes-none", partial(whole, _no_attributes))
    for name, recipe in ODD.items():
        yield Case("A18", name, partial(with_recipe, "table-lf", recipe), Must.ANSWER)
    for name, recipe in GOOD.items():
        yield Case("A18", f"lawful-{name}", partial(with_recipe, "table-lf", recipe), Must.HOLD)
