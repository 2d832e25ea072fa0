"""A5 and A18 (third part): what lies in the gap is not signed, and what is signed can be said in many ways.

Spellings of /Contents and of the CMS that nothing covers, attributes with more or less than they should hold, ECDSA values at
the edge, time-stamps that belong to something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

from asn1crypto import algos, cms
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from signing.cms import tlv
from tests.security.attacks.certificates import HOUR, own
from tests.security.attacks.cms_parts import ATTRIBUTES, Recipe, algorithm, build, pss_signer, rsa_signer
from tests.security.attacks.drafts import draft
from tests.security.attacks.signer import Plan, digest_of, sign, stamp_document
from tests.security.attacks.workshop import DAY, Case, Must, Workshop

SHA1_NAME = bytes.fromhex("060b2a864886f70d010910020c")
STAMP = cms.CMSAttributeType("signature_time_stamp_token").dump()
COUNTER = bytes.fromhex("06092a864886f70d010906")
TIME_INFO = cms.ContentType("tst_info").dump()
PSS = bytes.fromhex("06092a864886f70d01010a")
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
Edit = Callable[[bytes], bytes]
HEX: dict[str, Edit] = {
    "space-in-padding": lambda h: h[:-2] + b"  ",
    "space-early": lambda h: h[:4] + b" " + h[4:-1],
    "line": lambda h: b"\n" + h[:-1],
    "closed-early": lambda h: h[:-20] + b">" + h[-20:-1],
    "closed-and-again": lambda h: h[:-40] + b"> /Contents <00" + h[-40:-15],
    "closed-and-reason": lambda h: h[:-40] + b"> /Reason (x) <" + h[-40:-15],
    "padding-not-empty": lambda h: h[:-2] + b"01",
    "odd-digit": lambda h: h[:-1] + b" ",
    "letter": lambda h: h[:-1] + b"g",
    "comment": lambda h: h[:-10] + b"%x\n" + h[-10:-3],
}


def hexed(edit: Edit, w: Workshop) -> bytes:
    """The hex string is spelled in another way after signing."""
    data = sign(draft(), Plan(w.cms(w.agency))).data
    start = data.index(b"/Contents <") + len(b"/Contents <")
    end = data.index(b">", start)
    new = edit(data[start:end])
    assert len(new) == end - start
    return data[:start] + new + data[end:]


def _named(oid: bytes, *identities: bytes) -> bytes:
    return tlv(0x30, oid, tlv(0x31, tlv(0x30, tlv(0x30, *identities))))


def _by_sha1(der: bytes) -> bytes:
    return _named(SHA1_NAME, tlv(0x30, tlv(0x04, hashlib.sha1(der).digest())))


def _identity(der: bytes, name: str = "sha256") -> bytes:
    return tlv(0x30, algorithm(name) if name != "sha256" else b"", tlv(0x04, hashlib.new(name, der).digest()))


def _bound(w: Workshop, *identities: bytes) -> Recipe:
    return Recipe(w.agency, bound=None, more_attributes=(_named(ATTRIBUTES["signing_certificate_v2"], *identities),))


def _at(text: bytes, w: Workshop) -> Recipe:
    return Recipe(w.agency, more_attributes=(tlv(0x30, ATTRIBUTES["signing_time"], tlv(0x31, tlv(0x17, text))),))


def _plain_rsa(w: Workshop) -> bytes:
    return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"}).dump()


R = Callable[[Workshop], Recipe]
RECIPES: dict[str, R] = {
    "binding-second-fits": lambda w: _bound(w, _identity(w.person.der), _identity(w.agency.der)),
    "binding-lists-nobody": lambda w: _bound(w),
    "binding-other-hash": lambda w: _bound(w, tlv(0x30, algorithm("sha512"), tlv(0x04, hashlib.sha256(w.agency.der).digest()))),
    "binding-old-differs": lambda w: Recipe(w.agency, more_attributes=(_by_sha1(w.person.der),)),
    "content-type-time": lambda w: Recipe(w.agency, content_type=TIME_INFO, attribute_type=TIME_INFO),
    "content-type-mixed": lambda w: Recipe(w.agency, attribute_type=TIME_INFO),
    "signing-time-garbage": partial(_at, b"x"),
    "digest-with-more": lambda w: Recipe(w.agency, message_digest=lambda data: hashlib.sha256(data).digest() + b"\0"),
    "digest-by-shake": lambda w: Recipe(w.agency, digest_algorithm=tlv(0x30, bytes.fromhex("060960864801650304020c"))),
    "plain-rsa-over-sha1": lambda w: Recipe(w.agency, signature_algorithm=_plain_rsa(w), signer=rsa_signer(w.agency, "sha1")),
    "pss-empty-parameters": lambda w: Recipe(w.agency, signature_algorithm=tlv(0x30, PSS, tlv(0x30)), signer=pss_signer(w.agency, "sha1", "sha1", 20)),
    "pss-null-parameters": lambda w: Recipe(w.agency, signature_algorithm=tlv(0x30, PSS, b"\x05\x00")),
}
# Lawful, or nobody's harm: any well-formed answer, the same on both paths.
ODD: dict[str, R] = {
    "binding-first-fits": lambda w: _bound(w, _identity(w.agency.der), _identity(w.person.der)),
    "signing-time-future": partial(_at, b"491231235959Z"),
    "signing-time-past": partial(_at, b"010101000000Z"),
    "certificates-twice": lambda w: Recipe(w.agency, certificates=(w.agency.der, w.agency.der)),
    "version-0": lambda w: Recipe(w.agency, version=0),
    "plain-rsa": lambda w: Recipe(w.agency, signature_algorithm=_plain_rsa(w), signer=rsa_signer(w.agency, "sha256")),
    "sha224": lambda w: Recipe(
        w.agency,
        digest="sha224",
        signature_algorithm=algos.SignedDigestAlgorithm({"algorithm": "sha224_rsa"}).dump(),
        signer=lambda data: w.agency.private.sign(data, padding.PKCS1v15(), hashes.SHA224()),  # type: ignore[call-arg,arg-type]
    ),
    "countersigned": lambda w: Recipe(w.agency, unsigned=lambda _: tlv(0xA1, tlv(0x30, COUNTER, tlv(0x31, tlv(0x30, b"\x02\x01\x01"))))),
}
SHA1_BOUND: dict[str, R] = {
    "old-attribute": lambda w: Recipe(w.agency, bound=None, more_attributes=(_by_sha1(w.agency.der),)),
    "new-attribute": lambda w: _bound(w, _identity(w.agency.der, "sha1")),
}


def by_recipe(recipe: R, w: Workshop) -> bytes:
    return sign(draft(), Plan(partial(build, recipe(w)))).data


def ecdsa(kind: str, w: Workshop) -> bytes:
    """An ECDSA value that is none, or is written otherwise."""
    hand = own(w, "p256", "p256")

    def value(data: bytes) -> bytes:
        r, s = decode_dss_signature(hand.sign(data))
        values = {
            "zeros": encode_dss_signature(0, 0),
            "r-zero": encode_dss_signature(0, s),
            "order": encode_dss_signature(ORDER, ORDER),
            "ones": encode_dss_signature(1, 1),
            "r-and-order": encode_dss_signature(r + ORDER, s),
            "raw": r.to_bytes(32, "big") + s.to_bytes(32, "big"),
            "with-more": encode_dss_signature(r, s) + b"\0",
        }
        return values[kind]

    return sign(draft(), Plan(partial(build, Recipe(hand, signer=value)))).data


def _expired(w: Workshop) -> Recipe:
    return Recipe(own(w, "expired", end=-2 * HOUR))


def other_stamp(w: Workshop) -> bytes:
    """Certificate expired; the token that should prove the time is over something else."""
    token = w.token(time=w.now - 3 * HOUR)(digest_of(b"other"))
    recipe = Recipe(_expired(w).key, unsigned=lambda _: tlv(0xA1, tlv(0x30, STAMP, tlv(0x31, token))))
    return sign(draft(), Plan(partial(build, recipe))).data


def stamp_of_another_file(w: Workshop) -> bytes:
    """The document time-stamp of another file."""
    pdf = sign(draft(), Plan(partial(build, _expired(w))))
    return stamp_document(pdf, lambda _: w.token(time=w.now - 3 * HOUR)(digest_of(b"other"))).data


def stamped_too_late(w: Workshop) -> bytes:
    pdf = sign(draft(), Plan(partial(build, _expired(w))))
    return stamp_document(pdf, lambda data: w.token(time=w.now - HOUR)(digest_of(data))).data


def stamped_before_signing(w: Workshop) -> bytes:
    """The document time-stamp lies before the signature that it should prove."""
    pdf = stamp_document(draft(), lambda data: w.token(time=w.now - 3 * HOUR)(digest_of(data)))
    return sign(pdf, Plan(partial(build, _expired(w)))).data


def stamped_in_the_past(w: Workshop) -> bytes:
    """The token is older than the certificate."""
    recipe = Recipe(w.agency, unsigned=lambda v: tlv(0xA1, tlv(0x30, STAMP, tlv(0x31, w.token(time=w.now - 100 * DAY)(digest_of(v))))))
    return sign(draft(), Plan(partial(build, recipe))).data


STAMPS = (other_stamp, stamp_of_another_file, stamped_too_late, stamped_before_signing, stamped_in_the_past)
SUBFILTERS = (b"adbe.pkcs7.sha1", b"adbe.x509.rsa_sha1", b"ETSI.RFC3161", b"etsi.cades.detached", b"ETSI.CAdES.detached#00")


def subfilter(name: bytes, w: Workshop) -> bytes:
    """The CMS is right and its kind is said wrongly."""
    return sign(draft(), Plan(w.cms(w.agency), head=b"/Type /Sig /Filter /Adobe.PPKLite /SubFilter /" + name)).data


def cases() -> Iterator[Case]:
    for name, edit in HEX.items():
        yield Case("A5", f"hex-{name}", partial(hexed, edit))
    for name, recipe in RECIPES.items():
        yield Case("A18", f"said-{name}", partial(by_recipe, recipe))
    for name, recipe in ODD.items():
        yield Case("A18", f"said-{name}", partial(by_recipe, recipe), Must.ANSWER)
    for name, recipe in SHA1_BOUND.items():
        yield Case("A18", f"named-by-sha1-{name}", partial(by_recipe, recipe), tolerated=("nd30", "legacy-accept", "crypto-only"))
    for kind in ("zeros", "r-zero", "order", "ones", "r-and-order", "raw", "with-more"):
        yield Case("A18", f"ecdsa-{kind}", partial(ecdsa, kind))
    for make in STAMPS:
        yield Case("A18", make.__name__.replace("_", "-"), make)
    for name in SUBFILTERS:
        yield Case("A18", f"subfilter-{name.decode().replace('#', '-')}", partial(subfilter, name))
