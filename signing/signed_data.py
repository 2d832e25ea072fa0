"""signed_data — a CMS SignedData by one signer, read and checked strictly (RFC 5652).

Reading gives the parts as they stand in the bytes; `check` is the gate: digest,
binding of the certificate and signature value. Signed attributes must be DER
(sorted), because verifiers disagree about anything else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils

from signing.der import OCTETS, OID, SEQUENCE, SET, Tlv, whole
from signing.errors import CmsBroken, NotDer

SIGNED_DATA = "2a864886f70d010702"
DATA = "2a864886f70d010701"
TST_INFO = "2a864886f70d0109100104"
CONTENT_TYPE = "2a864886f70d010903"
MESSAGE_DIGEST = "2a864886f70d010904"
SIGNING_CERTIFICATE = "2a864886f70d010910020c"
SIGNING_CERTIFICATE_V2 = "2a864886f70d010910022f"
ALGORITHM_PROTECTION = "2a864886f70d010934"
TIMESTAMP_TOKEN = "2a864886f70d010910020e"
REVOCATION_ARCHIVAL = "2a864886f72f010108"
DIGESTS = {
    "2a864886f70d0205": "md5",
    "2b0e03021a": "sha1",
    "608648016503040204": "sha224",
    "608648016503040201": "sha256",
    "608648016503040202": "sha384",
    "608648016503040203": "sha512",
    "608648016503040205": "sha512_224",
    "608648016503040206": "sha512_256",
    "608648016503040207": "sha3_224",
    "608648016503040208": "sha3_256",
    "608648016503040209": "sha3_384",
    "60864801650304020a": "sha3_512",
    "60864801650304020c": "shake256",
    "608648016503040212": "shake256",
}
_SCHEMES = {
    "2a864886f70d010101": ("pkcs1v15", ""),
    "2a864886f70d010104": ("pkcs1v15", "md5"),
    "2a864886f70d010105": ("pkcs1v15", "sha1"),
    "2a864886f70d01010b": ("pkcs1v15", "sha256"),
    "2a864886f70d01010c": ("pkcs1v15", "sha384"),
    "2a864886f70d01010d": ("pkcs1v15", "sha512"),
    "60864801650304030e": ("pkcs1v15", "sha3_256"),
    "60864801650304030f": ("pkcs1v15", "sha3_384"),
    "608648016503040310": ("pkcs1v15", "sha3_512"),
    "2a8648ce3d0401": ("ecdsa", "sha1"),
    "2a8648ce3d040302": ("ecdsa", "sha256"),
    "2a8648ce3d040303": ("ecdsa", "sha384"),
    "2a8648ce3d040304": ("ecdsa", "sha512"),
    "60864801650304030a": ("ecdsa", "sha3_256"),
    "60864801650304030b": ("ecdsa", "sha3_384"),
    "60864801650304030c": ("ecdsa", "sha3_512"),
    "2b6570": ("ed25519", "sha512"),
    "2b6571": ("ed448", "shake256"),
}
_PSS, _MGF1 = "2a864886f70d01010a", "2a864886f70d010108"
LONGEST_SALT = 2046  # all that a key of 16 384 bits leaves; some signers fill what there is (RFC 8017 9.1.1)
HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha512_224": hashes.SHA512_224(),
    "sha512_256": hashes.SHA512_256(),
    "sha3_224": hashes.SHA3_224(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}


@dataclass(frozen=True, slots=True)
class SignedData:
    """Parts of a SignedData by one signer; DER slices, OIDs as lower hex of their content.

    `digest` and `hash` are names as in `HASHES` (content digest; hash of the signature
    scheme); the signer is named by `issuer` and `serial`, or by `key_id`; `salt` the PSS salt length in bytes, -1 for other schemes; `attributes` maps
    OID to the single value's DER; `signed` are the signed attributes as hashed.
    """

    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    issuer: bytes
    serial: int
    key_id: bytes
    digest: str
    scheme: str
    hash: str
    salt: int
    attributes: dict[str, bytes]
    signed: bytes
    signature: bytes
    unsigned: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    der: bytes = b""

    @property
    def message_digest(self) -> bytes:
        """The digest the signer committed to; empty when nothing but the content is signed."""
        if not self.signed:
            return b""
        return whole(self.attributes[MESSAGE_DIGEST]).expect(OCTETS).body

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """Time-stamp tokens over the signature value, DER."""
        return self.unsigned.get(TIMESTAMP_TOKEN, ())


def read_signed_data(der: bytes) -> SignedData:
    """Read a ContentInfo with SignedData by exactly one signer.

    Raises:
        NotDer: anything else, or an encoding that is not DER where it matters.
    """
    info = whole(der).expect(SEQUENCE).children()
    if len(info) != 2 or info[0].expect(OID).body.hex() != SIGNED_DATA:
        raise NotDer("not signed data")
    inner = info[1].expect(0xA0).children()
    if len(inner) != 1:
        raise NotDer("signed data")
    parts = inner[0].expect(SEQUENCE).children()
    if len(parts) < 4:
        raise NotDer("signed data")
    encapsulated = parts[2].expect(SEQUENCE).children()
    content = _content(encapsulated)
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    for part in parts[3:-1]:
        if part.tag == 0xA0:
            # Attribute certificates ([1], [2]) say nothing about the signer's key.
            certificates = tuple(c.raw for c in part.children() if c.tag == SEQUENCE)
        elif part.tag == 0xA1:
            crls = tuple(c.raw for c in part.children() if c.tag == SEQUENCE)
        else:
            raise NotDer("signed data")
    signers = parts[-1].expect(SET).children()
    if len(signers) != 1:
        raise NotDer("exactly one signer wanted")
    return replace(_signer(signers[0], encapsulated[0].expect(OID).body.hex(), content, certificates, crls), der=der)


def _content(encapsulated: list[Tlv]) -> bytes | None:
    if len(encapsulated) == 1:
        return None
    inner = encapsulated[1].expect(0xA0).children()
    if len(encapsulated) != 2 or len(inner) != 1:
        raise NotDer("encapsulated content")
    return inner[0].expect(OCTETS).body


def _signer(signer: Tlv, content_type: str, content: bytes | None, certificates: tuple[bytes, ...], crls: tuple[bytes, ...]) -> SignedData:
    parts = signer.expect(SEQUENCE).children()
    if len(parts) < 5:
        raise NotDer("signer info")
    stored = parts.pop(3) if parts[3].tag == 0xA0 else None
    if len(parts) not in (5, 6):
        raise NotDer("signer info")
    issuer, serial, key_id = _identifier(parts[1])
    scheme, hash_name, salt = _scheme(parts[3])
    digest = _digest(parts[2])
    unsigned: dict[str, tuple[bytes, ...]] = {}
    for attribute in parts[5].expect(0xA1).children() if len(parts) == 6 else ():
        pair = attribute.expect(SEQUENCE).children()
        if len(pair) != 2:
            raise NotDer("attribute")
        unsigned[pair[0].expect(OID).body.hex()] = tuple(v.raw for v in pair[1].expect(SET).children())
    attributes = _attributes(stored) if stored is not None else {}
    _check_protection(attributes, digest, parts[3])
    return SignedData(
        content_type=content_type,
        content=content,
        certificates=certificates,
        crls=crls,
        issuer=issuer,
        serial=serial,
        key_id=key_id,
        digest=digest,
        scheme=scheme,
        hash=hash_name or digest,
        salt=salt,
        attributes=attributes,
        # RFC 5652 5.4: the signature is over the SET OF, whatever tag it is stored under.
        signed=b"\x31" + stored.raw[1:] if stored is not None else b"",
        signature=parts[4].expect(OCTETS).body,
        unsigned=unsigned,
    )


def _identifier(sid: Tlv) -> tuple[bytes, int, bytes]:
    """Issuer and serial number, or the subject key identifier (RFC 5652 5.3)."""
    if sid.tag == 0x80:
        return b"", 0, sid.body
    parts = sid.expect(SEQUENCE).children()
    if len(parts) != 2:
        raise NotDer("signer identifier")
    return parts[0].expect(SEQUENCE).raw, parts[1].integer(), b""


def _attributes(stored: Tlv) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    before = b""
    for attribute in stored.children():
        if attribute.raw <= before:
            raise NotDer("signed attributes are not sorted")
        before = attribute.raw
        pair = attribute.expect(SEQUENCE).children()
        if len(pair) != 2:
            raise NotDer("attribute")
        values = pair[1].expect(SET).children()
        oid = pair[0].expect(OID).body.hex()
        if oid in found or len(values) != 1:
            raise NotDer("attribute repeated")
        found[oid] = values[0].raw
    if CONTENT_TYPE not in found or MESSAGE_DIGEST not in found:
        raise NotDer("content-type or message-digest missing")
    return found


def _check_protection(attributes: dict[str, bytes], digest: str, scheme: Tlv) -> None:
    """RFC 6211: the algorithms that the signer protected are those that are used."""
    parts = whole(attributes[ALGORITHM_PROTECTION]).expect(SEQUENCE).children() if ALGORITHM_PROTECTION in attributes else None
    if parts is not None and (len(parts) != 2 or _digest(parts[0]) != digest or parts[1].expect(0xA1).body != scheme.body):
        raise NotDer("protection (RFC 6211) does not fit")


def _digest(algorithm: Tlv) -> str:
    oid = algorithm.expect(SEQUENCE).children()[0].expect(OID).body.hex()
    if oid not in DIGESTS:
        raise NotDer(f"digest algorithm {oid}")
    return DIGESTS[oid]


def _scheme(algorithm: Tlv) -> tuple[str, str, int]:
    parts = algorithm.expect(SEQUENCE).children()
    oid = parts[0].expect(OID).body.hex()
    if oid == _PSS:
        hash_name, salt = _pss(parts[1]) if len(parts) == 2 else ("sha1", 20)
        return "pss", hash_name, salt
    if oid not in _SCHEMES:
        raise NotDer(f"signature algorithm {oid}")
    return *_SCHEMES[oid], -1


def _pss(parameters: Tlv) -> tuple[str, int]:
    """RFC 4055 3.1; the mask must use the same hash, the trailer be the usual one."""
    hash_name, mask, salt = "sha1", "sha1", 20
    given = parameters.expect(SEQUENCE).children()
    if [p.tag for p in given] != sorted({p.tag for p in given}):
        raise NotDer("PSS parameters")
    for part in given:
        value = part.children()[0]
        if part.tag == 0xA0:
            hash_name = _digest(value)
        elif part.tag == 0xA1:
            generator = value.expect(SEQUENCE).children()
            if generator[0].expect(OID).body.hex() != _MGF1:
                raise NotDer("mask generation")
            mask = _digest(generator[1])
        elif part.tag == 0xA2:
            salt = value.integer()
        elif part.tag != 0xA3 or value.integer() != 1:
            raise NotDer("PSS parameters")
    if mask != hash_name or not 0 <= salt <= LONGEST_SALT:
        raise NotDer("PSS parameters")
    return hash_name, salt


def imprint_algorithm(signed: SignedData) -> str:
    """Digest name of the message imprint in a time-stamp token (RFC 3161 2.4.2).

    Raises:
        NotDer: not a token.
    """
    if signed.content_type != TST_INFO or signed.content is None:
        raise NotDer("not a time-stamp token")
    parts = whole(signed.content).expect(SEQUENCE).children()
    if len(parts) < 5:
        raise NotDer("time-stamp information")
    return _digest(parts[2].expect(SEQUENCE).children()[0])


def signer_certificate(signed: SignedData) -> bytes:
    """DER of the certificate that the signer identifier names.

    Raises:
        CmsBroken: it is not there.
    """
    for der in signed.certificates:
        if signed.key_id:
            if _key_id(der) == signed.key_id:
                return der
            continue
        parts = whole(der).children()[0].children()
        at = 1 if parts[0].tag == 0xA0 else 0
        if parts[at].integer() == signed.serial and parts[at + 2].raw == signed.issuer:
            return der
    raise CmsBroken("no certificate of the signer", place="certificate_binding")


def _key_id(der: bytes) -> bytes:
    try:
        extensions = x509.load_der_x509_certificate(der).extensions
        return extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (ValueError, x509.ExtensionNotFound):
        return b""


def check(signed: SignedData, digest: bytes, *, content_type: str = DATA) -> bytes:
    """Gate: the signature holds over content with `digest`; DER of the signer's certificate.

    A signing-certificate attribute, when there is one, must name that certificate
    (RFC 5035); a caller that wants one looks into `attributes`.

    Raises:
        CmsBroken: `place` is ``digest``, ``certificate_binding``, ``signature_value`` or ``format``.
    """
    if signed.content_type != content_type or (content_type == DATA and signed.content is not None):
        raise CmsBroken("content type", place="format")
    if signed.signed:
        if whole(signed.attributes[CONTENT_TYPE]).expect(OID).body.hex() != content_type:
            raise CmsBroken("content type", place="format")
        if signed.message_digest != digest:
            raise CmsBroken("message digest", place="digest")
    if signed.hash != signed.digest:  # RFC 8419 3.1 fixes it for Edwards curves too
        raise CmsBroken("digest and signature use different hashes", place="format")
    der = signer_certificate(signed)
    if not _bound(signed, der):
        raise CmsBroken("signing-certificate names another certificate", place="certificate_binding")
    _verify(signed, der, digest)
    return der


def is_bound(signed: SignedData) -> bool:
    """Does a signed attribute name the signer's certificate (PAdES demands it)?"""
    return SIGNING_CERTIFICATE_V2 in signed.attributes or SIGNING_CERTIFICATE in signed.attributes


def _bound(signed: SignedData, der: bytes) -> bool:
    for oid, name in ((SIGNING_CERTIFICATE_V2, "sha256"), (SIGNING_CERTIFICATE, "sha1")):
        if oid not in signed.attributes:
            continue
        identities = whole(signed.attributes[oid]).expect(SEQUENCE).children()[0].expect(SEQUENCE).children()
        parts = identities[0].expect(SEQUENCE).children()
        if oid == SIGNING_CERTIFICATE_V2 and parts[0].tag == SEQUENCE:
            name, parts = _digest(parts[0]), parts[1:]
            if name == "md5":
                return False
        if parts[0].expect(OCTETS).body != hashlib.new(name, der).digest():
            return False
        if len(parts) > 1 and not _same_issuer(signed, parts[1]):
            return False
    return True


def _same_issuer(signed: SignedData, identity: Tlv) -> bool:
    names, serial = identity.expect(SEQUENCE).children()
    general = names.expect(SEQUENCE).children()
    return serial.integer() == signed.serial and len(general) == 1 and general[0].tag == 0xA4 and general[0].body == signed.issuer


def _verify(signed: SignedData, der: bytes, digest: bytes) -> None:
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CmsBroken(f"certificate: {error}"[:120], place="certificate") from error
    try:
        if isinstance(key, ed25519.Ed25519PublicKey) and signed.scheme == "ed25519" and signed.signed:
            return key.verify(signed.signature, signed.signed)
        if isinstance(key, ed448.Ed448PublicKey) and signed.scheme == "ed448" and signed.signed:
            return key.verify(signed.signature, signed.signed)
        plain = HASHES.get(signed.hash)
        if plain is None:
            raise CmsBroken("hash", place="signature_value")
        # Without signed attributes the content itself is signed, of which only the digest is at hand.
        data, algorithm = (signed.signed, plain) if signed.signed else (digest, utils.Prehashed(plain))
        if isinstance(key, rsa.RSAPublicKey) and signed.scheme == "pkcs1v15":
            key.verify(signed.signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, rsa.RSAPublicKey) and signed.scheme == "pss":
            key.verify(signed.signature, data, padding.PSS(mgf=padding.MGF1(plain), salt_length=signed.salt), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and signed.scheme == "ecdsa":
            key.verify(signed.signature, data, ec.ECDSA(algorithm))
        else:
            raise CmsBroken("key and algorithm do not fit", place="signature_value")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise CmsBroken("signature value", place="signature_value") from error
