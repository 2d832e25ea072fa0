"""A18 (second part): certificates, revocation and time-stamps that are wrong while the CMS is regular."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from asn1crypto import core, keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signing.dev_pki import organisation_name
from signing.trust import Trust
from tests.house import SENDER
from tests.security.attacks.builders import Pdf
from tests.security.attacks.cms_parts import Hand, Private, Recipe, build
from tests.security.attacks.drafts import draft
from tests.security.attacks.signer import Plan, sign, stamp_document
from tests.security.attacks.workshop import ANYBODY, DAY, Case, Must, Workshop, leaf

HOUR = timedelta(hours=1)
NAME = organisation_name("Cơ quan thử (mô phỏng)", SENDER)
_keys: dict[str, Private] = {}


def key(kind: str) -> Private:
    """A key made once for all cases."""
    if kind not in _keys:
        match kind:
            case "p256":
                _keys[kind] = ec.generate_private_key(ec.SECP256R1())
            case "p192":
                _keys[kind] = ec.generate_private_key(ec.SECP192R1())
            case "secp256k1":
                _keys[kind] = ec.generate_private_key(ec.SECP256K1())
            case _:
                _keys[kind] = rsa.generate_private_key(public_exponent=65537, key_size=int(kind[3:5] + kind[5:7]))
    return _keys[kind]


def own(w: Workshop, name: str, kind: str = "rsa2048", **options: object) -> Hand:
    """A signer of the issuing CA."""
    return w.issue(name, key(kind), NAME, **options)


def signed(w: Workshop, signer: Hand, stamp: Callable[[bytes], bytes] | None = None) -> Pdf:
    return sign(draft(), Plan(w.cms(signer, stamp=stamp)))


def by(name: str, options: dict[str, object], kind: str, w: Workshop) -> bytes:
    return signed(w, own(w, name, kind, **options)).data


def as_certificate(name: str, change: Callable[[asn1_x509.Certificate], None], kind: str, w: Workshop) -> bytes:
    """A certificate whose encoding was changed before the CA signed it."""
    made = asn1_x509.Certificate.load(own(w, f"plain-{kind}", kind).der)
    body = asn1_x509.TbsCertificate.load(made["tbs_certificate"].dump())
    changed = asn1_x509.Certificate({"tbs_certificate": body, "signature_algorithm": made["signature_algorithm"], "signature_value": b""})
    change(changed)
    value = w.issuing.private.sign(changed["tbs_certificate"].dump(force=True), padding.PKCS1v15(), hashes.SHA256())  # type: ignore[call-arg,arg-type]
    changed["signature_value"] = value
    certificate = changed.dump(force=True)
    signer = own(w, f"plain-{kind}", kind)
    return sign(draft(), Plan(partial(build, Recipe(signer, certificate=certificate)))).data


def _explicit(certificate: asn1_x509.Certificate) -> None:
    """P-256 with its parameters written out instead of named."""
    p = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
    point = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
    domain = keys.SpecifiedECDomain(
        {
            "version": 1,
            "field_id": {"field_type": "prime_field", "parameters": core.Integer(p)},
            "curve": {
                "a": (p - 3).to_bytes(32, "big"),
                "b": bytes.fromhex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
            },
            "base": point,
            "order": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
            "hash": None,
        }
    )
    domain["cofactor"] = 1
    info = certificate["tbs_certificate"]["subject_public_key_info"]
    info["algorithm"] = {"algorithm": "ec", "parameters": keys.ECDomainParameters(name="specified", value=domain)}


def _negative(certificate: asn1_x509.Certificate) -> None:
    """The modulus without its leading zero octet: a negative INTEGER."""
    info = certificate["tbs_certificate"]["subject_public_key_info"]
    public = info["public_key"].parsed
    modulus = public["modulus"].native
    raw = core.Integer(modulus - (1 << 2048)).dump() + core.Integer(65537).dump()
    sequence = b"\x30\x82" + len(raw).to_bytes(2, "big") + raw
    info["public_key"] = core.ParsableOctetBitString(sequence)


def _above(private: Private, certificate: x509.Certificate) -> Hand:
    return Hand(certificate, (), private)


def impostor(kind: str, w: Workshop) -> Hand:
    """Certificates that claim a name without the right to it."""
    private = key("rsa2048")
    if kind == "self-signed":
        name = w.agency.certificate.subject
        issuer = _above(private, leaf(_above(private, w.issuing.certificate), private, name, w.now))
        return Hand(leaf(issuer, private, name, w.now), (), private)
    if kind == "same-ca-name":
        # A CA of the attacker with the name of ours.
        authority = leaf(_above(private, w.issuing.certificate), private, w.issuing.certificate.subject, w.now, usage=("key_cert_sign",), ca=True)
        return Hand(leaf(_above(private, authority), private, NAME, w.now), (authority,), private)
    if kind == "issued-by-leaf":
        above = w.agency
        return Hand(leaf(above, private, NAME, w.now), (w.agency.certificate, *w.agency.chain), private)
    if kind == "issuer-is-no-ca":
        middle = own(w, "no-ca")
        above = middle
        return Hand(leaf(above, key("rsa2048"), NAME, w.now), (middle.certificate, *w.agency.chain), key("rsa2048"))
    if kind == "path-too-long":
        # The issuing CA may not have a CA below it (path length 0).
        middle = own(w, "sub-ca", usage=("key_cert_sign",), ca=True)
        above = middle
        return Hand(leaf(above, key("rsa2048"), NAME, w.now), (middle.certificate, *w.agency.chain), key("rsa2048"))
    raise ValueError(kind)


IMPOSTORS = ("self-signed", "same-ca-name", "issued-by-leaf", "issuer-is-no-ca", "path-too-long")


def by_impostor(kind: str, w: Workshop) -> bytes:
    return signed(w, impostor(kind, w)).data


def by_authority(w: Workshop) -> bytes:
    """The CA's own key signs the document."""
    return signed(w, Hand(w.issuing.certificate, (), w.issuing.private)).data


def stamped_by(make: Callable[[Workshop], Callable[[bytes], bytes]], w: Workshop) -> bytes:
    return signed(w, w.agency, make(w)).data


def _tsa(w: Workshop, name: str, **options: object) -> Hand:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TSA thử (mô phỏng)")])
    return w.issue(name, key("p256"), subject, **options)


def _other_imprint(w: Workshop) -> Callable[[bytes], bytes]:
    return lambda digest: w.token()(bytes((digest[0] ^ 1,)) + digest[1:])


def _flipped(w: Workshop) -> Callable[[bytes], bytes]:
    def stamp(digest: bytes) -> bytes:
        token = w.token()(digest)
        return token[:-1] + bytes((token[-1] ^ 1,))

    return stamp


def _stranger(w: Workshop) -> Callable[[bytes], bytes]:
    private = key("p256")
    extended = (ExtendedKeyUsageOID.TIME_STAMPING,)
    certificate = leaf(_above(private, w.issuing.certificate), private, w.tsa.certificate.subject, w.now, extended=extended)
    return w.token(hand=Hand(certificate, (), private))


STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
STAMPS: dict[str, Callable[[Workshop], Callable[[bytes], bytes]]] = {
    "wrong-imprint": _other_imprint,
    "flipped": _flipped,
    "no-extended-usage": lambda w: w.token(hand=_tsa(w, "tsa-none")),
    "agency-as-authority": lambda w: w.token(hand=w.agency),
    "code-signing-usage": lambda w: w.token(hand=_tsa(w, "tsa-code", extended=(ExtendedKeyUsageOID.CODE_SIGNING,))),
    "more-usages": lambda w: w.token(hand=_tsa(w, "tsa-more", extended=(STAMPING, ExtendedKeyUsageOID.SERVER_AUTH))),
    "future": lambda w: w.token(time=w.now + 10 * DAY),
    "far-future": lambda w: w.token(time=w.now + 3650 * DAY),
    "before-certificate": lambda w: w.token(time=w.now - 400 * DAY),
    "stranger": _stranger,
    "authority-expired": lambda w: w.token(hand=_tsa(w, "tsa-old", end=-12 * HOUR, extended=(STAMPING,))),
    "garbage": lambda w: lambda _: b"\x30\x03\x02\x01\x05",
    "empty": lambda w: lambda _: b"\x30\x00",
    "is-a-signature": lambda w: lambda digest: build(Recipe(w.agency), digest),
}


def document_stamped(make: Callable[[Workshop], Callable[[bytes], bytes]], w: Workshop) -> bytes:
    """The same faults in a document time-stamp."""
    stamp = make(w)
    digest = hashes.SHA256()

    def token(data: bytes) -> bytes:
        context = hashes.Hash(digest)
        context.update(data)
        return stamp(context.finalize())

    return stamp_document(w.dss(w.base("plain")), token).data


def revoked(name: str, ago: timedelta, w: Workshop) -> Trust:
    return w.trust_with({own(w, name).certificate.serial_number: w.now - ago})


def _revoked_authority(w: Workshop) -> Trust:
    return w.trust_with({_tsa(w, "tsa-revoked", extended=(STAMPING,)).certificate.serial_number: w.now - 20 * HOUR})


def _at(hours: int) -> Callable[[Workshop], Callable[[bytes], bytes]]:
    def make(w: Workshop) -> Callable[[bytes], bytes]:
        moment: datetime = w.now - hours * HOUR
        return w.token(time=moment)

    return make


def stamped_at(name: str, options: dict[str, object], hours: int, w: Workshop) -> bytes:
    return signed(w, own(w, name, **options), _at(hours)(w)).data


def cases() -> Iterator[Case]:
    weak = {"rsa-1024": "rsa1024", "rsa-1536": "rsa1536", "p192": "p192"}
    for name, kind in weak.items():
        yield Case("A18", f"key-{name}", partial(by, name, {}, kind))
    usages: dict[str, dict[str, object]] = {
        "encipherment": {"usage": ("key_encipherment",)},
        "agreement": {"usage": ("key_agreement",)},
        "crl-sign": {"usage": ("crl_sign",)},
        "certificate-sign": {"usage": ("key_cert_sign",), "ca": True},
        "server": {"extended": (ExtendedKeyUsageOID.SERVER_AUTH,)},
        "stamping": {"extended": (STAMPING,)},
    }
    for name, options in usages.items():
        yield Case("A18", f"usage-{name}", partial(by, f"usage-{name}", options, "rsa2048"))
    yield Case("A18", "key-explicit-parameters", partial(as_certificate, "explicit", _explicit, "p256"))
    yield Case("A18", "key-negative-modulus", partial(as_certificate, "negative", _negative, "rsa2048"))
    for kind in IMPOSTORS:
        yield Case("A18", f"impostor-{kind}", partial(by_impostor, kind), tolerated=ANYBODY)
    yield Case("A18", "signed-by-authority", by_authority)
    yield Case("A18", "expired", partial(by, "expired", {"end": -2 * HOUR}, "rsa2048"))
    yield Case("A18", "not-yet-valid", partial(by, "early", {"start": 2 * DAY}, "rsa2048"))
    yield Case("A18", "judged-years-later", lambda w: signed(w, w.agency, w.token()).data + b"\n", later=4000 * DAY)
    for name, make in STAMPS.items():
        # A time-stamp of an unknown authority proves nothing, and takes nothing from the signature it hangs on.
        must = Must.ANSWER if name == "stranger" else Must.REFUSE
        yield Case("A18", f"time-stamp-{name}", partial(stamped_by, make), must)
        yield Case("A18", f"document-time-stamp-{name}", partial(document_stamped, make), tolerated=ANYBODY if name == "stranger" else ())
    yield Case("A18", "revoked-before", partial(by, "gone", {}, "rsa2048"), trust=partial(revoked, "gone", 20 * HOUR))
    yield Case("A18", "revoked-before-time-stamp", partial(stamped_at, "gone", {}, 6), trust=partial(revoked, "gone", 20 * HOUR))
    yield Case("A18", "revoked-after-without-proof", partial(by, "gone-2", {}, "rsa2048"), trust=partial(revoked, "gone-2", HOUR))
    make_revoked = lambda w: w.token(hand=_tsa(w, "tsa-revoked", extended=(STAMPING,)))  # noqa: E731
    yield Case("A18", "time-stamp-authority-revoked", partial(stamped_by, make_revoked), trust=_revoked_authority)
    yield Case("A18", "expired-stamped-too-late", partial(stamped_at, "expired", {"end": -2 * HOUR}, 1))
    yield Case("A18", "lawful-expired-stamped-before", partial(stamped_at, "expired", {"end": -2 * HOUR}, 6), Must.HOLD)
    yield Case("A18", "lawful-revoked-after-time-stamp", partial(stamped_at, "gone-3", {}, 6), Must.HOLD, trust=partial(revoked, "gone-3", HOUR))
    yield Case("A18", "lawful-time-stamp", partial(stamped_by, lambda w: w.token()), Must.HOLD)
    yield Case("A18", "lawful-p256", partial(by, "p256", {}, "p256"), Must.HOLD)
    yield Case("A18", "key-secp256k1", partial(by, "k1", {}, "secp256k1"), Must.ANSWER)
    yield Case("A18", "authority-is-anchor", lambda w: signed(w, Hand(w.root.certificate, (), w.root.private)).data)
