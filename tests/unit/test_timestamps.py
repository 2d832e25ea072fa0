"""Time-stamp tokens: what is accepted, what is refused, and authorities that rest after failures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from signing.cms import tlv
from signing.dev_tsa import respond
from signing.errors import TimestampInvalid, TimestampUnavailable
from signing.keys import SigningKey
from signing.timestamps import Timestamper, http_timestamper, read_token, request, token_of, verify_token
from signing.trust import Trust
from tests.authorities import DAY, NOW, root

ROOT = root()
CONTENT = b"exact bytes"
DIGEST = hashlib.sha256(CONTENT).digest()
STAMPING: dict[str, Any] = {"extended": [ExtendedKeyUsageOID.TIME_STAMPING], "extended_critical": True}
HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
KEY, CERTIFICATE = ROOT.issue(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TSA một (mô phỏng)")]), **STAMPING)
TRUST = Trust((ROOT.der,), (), (ROOT.crl(),))


@dataclass(frozen=True)
class Maker:
    """Makes tokens as they should be, and as they should not. Every field is one knob."""

    key: Any = KEY
    certificate: x509.Certificate = CERTIFICATE
    imprint: str = "sha256"
    digest: str = "sha256"
    pss: bool = False
    time: datetime = NOW
    policy: str = "2.16.704.99.1"
    bound: str = "v2"
    certificates: tuple[x509.Certificate, ...] | None = None
    content_type: str = "tst_info"
    info: tuple[tuple[str, Any], ...] = ()
    spoil: Callable[[bytes], bytes] = lambda content: content

    def token(self, nonce: int | None = None, digest: bytes | None = None) -> bytes:
        hashed = digest or hashlib.new(self.imprint, CONTENT).digest()
        values: dict[str, Any] = {
            "version": "v1",
            "policy": self.policy,
            "message_imprint": {"hash_algorithm": {"algorithm": self.imprint}, "hashed_message": hashed},
            "serial_number": 7,
            "gen_time": self.time,
            "nonce": nonce,
            **dict(self.info),
        }
        content = tsp.TSTInfo({k: v for k, v in values.items() if v is not None}).dump()
        der = self.certificate.public_bytes(Encoding.DER)
        attributes = [
            cms.CMSAttribute({"type": "content_type", "values": [self.content_type]}).dump(),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.new(self.digest, content).digest()]}).dump(),
        ]
        if self.bound in ("v2", "other"):
            identity = tlv(0x30, tlv(0x04, hashlib.sha256(der if self.bound == "v2" else ROOT.der).digest()))
            attributes.append(tlv(0x30, cms.CMSAttributeType("signing_certificate_v2").dump(), tlv(0x31, tlv(0x30, tlv(0x30, identity)))))
        elif self.bound == "v1":
            identity = tlv(0x30, tlv(0x04, hashlib.sha1(der).digest()))
            attributes.append(tlv(0x30, cms.CMSAttributeType("signing_certificate").dump(), tlv(0x31, tlv(0x30, tlv(0x30, identity)))))
        signed = b"".join(sorted(attributes))
        signer = tlv(
            0x30,
            b"\x02\x01\x01",
            tlv(0x30, self.certificate.issuer.public_bytes(), cms.Integer(self.certificate.serial_number).dump()),
            cms.DigestAlgorithm({"algorithm": self.digest}).dump(),
            tlv(0xA0, signed),
            self._algorithm().dump(),
            tlv(0x04, self._sign(tlv(0x31, signed))),
        )
        given_certificates = (self.certificate,) if self.certificates is None else self.certificates
        data = tlv(
            0x30,
            b"\x02\x01\x03",
            tlv(0x31, cms.DigestAlgorithm({"algorithm": self.digest}).dump()),
            tlv(0x30, cms.ContentType(self.content_type).dump(), tlv(0xA0, tlv(0x04, self.spoil(content)))),
            *([tlv(0xA0, *(c.public_bytes(Encoding.DER) for c in given_certificates))] if given_certificates else []),
            tlv(0x31, signer),
        )
        return tlv(0x30, cms.ContentType("signed_data").dump(), tlv(0xA0, data))

    def _algorithm(self) -> cms.SignedDigestAlgorithm:
        if self.pss:
            mask = {"algorithm": "mgf1", "parameters": {"algorithm": self.digest}}
            parameters = {"hash_algorithm": {"algorithm": self.digest}, "mask_gen_algorithm": mask, "salt_length": HASHES[self.digest].digest_size}
            return cms.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters})
        return cms.SignedDigestAlgorithm({"algorithm": f"{self.digest}_{'rsa' if isinstance(self.key, rsa.RSAPrivateKey) else 'ecdsa'}"})

    def _sign(self, data: bytes) -> bytes:
        algorithm = HASHES[self.digest]
        if isinstance(self.key, rsa.RSAPrivateKey):
            how = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size) if self.pss else padding.PKCS1v15()
            return self.key.sign(data, how, algorithm)
        signature: bytes = self.key.sign(data, ec.ECDSA(algorithm))
        return signature

    def answer(self, question: bytes) -> bytes:
        asked = tsp.TimeStampReq.load(question)["message_imprint"]
        maker = replace(self, imprint=asked["hash_algorithm"]["algorithm"].native)
        token = maker.token(tsp.TimeStampReq.load(question)["nonce"].native, asked["hashed_message"].native)
        return tlv(0x30, tlv(0x30, b"\x02\x01\x00"), token)


def with_key(key: Any, **options: Any) -> Maker:
    issued = ROOT.issue(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TSA hai (mô phỏng)")]), key, **{**STAMPING, **options})
    return Maker(*issued)


def held(maker: Maker, **options: Any) -> datetime:
    return verify_token(maker.token(), DIGEST, TRUST, **options)


RSA_KEY = rsa.generate_private_key(65537, 2048)
GOOD = {
    "ecdsa": Maker(),
    "p384": replace(with_key(ec.generate_private_key(ec.SECP384R1())), digest="sha384"),
    "rsa": with_key(RSA_KEY),
    "rsa sha512": replace(with_key(RSA_KEY), digest="sha512"),
    "pss": replace(with_key(RSA_KEY), pss=True),
    "signing-certificate v1": Maker(bound="v1"),
    "fraction, accuracy, ordering": Maker(time=NOW.replace(microsecond=250_000), info=(("accuracy", {"seconds": 1, "millis": 500}), ("ordering", True))),
    "extension": Maker(info=(("extensions", [{"extn_id": "1.2.3.4", "critical": False, "extn_value": b"\x05\x00"}]),)),
    "certificate expired since": with_key(KEY, end=NOW + timedelta(minutes=1)),
}


@pytest.mark.parametrize("name", GOOD)
def test_tokens_that_hold(name: str) -> None:
    maker = GOOD[name]
    assert held(maker) == maker.time
    token = read_token(maker.token(), DIGEST, TRUST)
    assert token.authority == maker.certificate.subject.rfc4514_string() and token.certificate == maker.certificate.public_bytes(Encoding.DER)
    assert (token.policy, token.serial, token.imprint, token.chain.scope) == ("2.16.704.99.1", 7, "sha256", "official")
    assert token.chain.revocations[0].state == "good"
    if maker.time.microsecond:
        assert token.accuracy_seconds == 1.5 and token.ordering


BAD = {
    "other content": Maker(spoil=lambda c: c.replace(DIGEST, hashlib.sha256(b"other").digest())),
    "changed time": Maker(spoil=lambda c: c.replace(b"20261120080000Z", b"20261119080000Z")),
    "no signing-certificate": Maker(bound=""),
    "signing-certificate of another": Maker(bound="other"),
    "no certificate": Maker(certificates=()),
    "another certificate": Maker(certificates=(ROOT.certificate,)),
    "sha1 imprint": Maker(imprint="sha1"),
    "sha1 signature": replace(with_key(RSA_KEY), digest="sha1"),
    "rsa 1024": with_key(rsa.generate_private_key(65537, 1024)),
    "not for time-stamping": with_key(KEY, extended=[]),
    "not critical": with_key(KEY, extended_critical=False),
    "for more than time-stamping": with_key(KEY, extended=[ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION]),
    "expired then": with_key(KEY, end=NOW - DAY),
    "not valid yet": with_key(KEY, start=NOW + DAY),
    "not a token": Maker(content_type="data"),
    "critical extension": Maker(info=(("extensions", [{"extn_id": "1.2.3.4", "critical": True, "extn_value": b"\x05\x00"}]),)),
    "forged": replace(Maker(), key=ec.generate_private_key(ec.SECP256R1())),
}


@pytest.mark.parametrize("name", BAD)
def test_tokens_that_do_not(name: str) -> None:
    with pytest.raises(TimestampInvalid):
        held(BAD[name])


def test_no_path() -> None:
    with pytest.raises(TimestampInvalid) as refused:
        verify_token(Maker().token(), DIGEST, Trust((root("Khác").der,)))
    assert "NO_CERTIFICATE_CHAIN_FOUND" in refused.value.detail and "TSA một" in refused.value.place


def test_the_imprint_follows_the_token() -> None:
    def digest(name: str) -> bytes:
        return hashlib.new(name, CONTENT).digest()

    for name in ("sha256", "sha384", "sha512"):
        token = Maker(imprint=name).token()
        assert read_token(token, digest, TRUST).imprint == name and verify_token(token, {name: digest(name)}, TRUST) == NOW
        with pytest.raises(TimestampInvalid):
            verify_token(token, {name: digest(name)[::-1]}, TRUST)
    with pytest.raises(TimestampInvalid):
        verify_token(Maker(imprint="sha512").token(), DIGEST, TRUST)
    with pytest.raises(TimestampInvalid):
        verify_token(Maker().token(), {"sha512": b""}, TRUST)
    with pytest.raises(TimestampInvalid):
        verify_token(Maker(imprint="sha1").token(), digest, TRUST)


def revoked(when: datetime, reason: x509.ReasonFlags | None) -> Trust:
    return replace(TRUST, crls=(ROOT.crl([(CERTIFICATE.serial_number, when, reason)]),))


@pytest.mark.parametrize(
    ("when", "reason", "holds"),
    [
        (NOW + DAY, x509.ReasonFlags.superseded, True),
        (NOW + DAY, x509.ReasonFlags.cessation_of_operation, True),
        (NOW + DAY, x509.ReasonFlags.key_compromise, False),
        (NOW + DAY, None, False),
        (NOW - DAY, x509.ReasonFlags.superseded, False),
    ],
)
def test_a_revoked_authority(when: datetime, reason: x509.ReasonFlags | None, holds: bool) -> None:
    """RFC 3161 section 4: with a stolen key tokens are made for any time, so none counts, unless seen before."""
    trust, token = revoked(when, reason), Maker().token()
    if holds:
        assert verify_token(token, DIGEST, trust) == NOW
    else:
        with pytest.raises(TimestampInvalid, match="REVOKED"):
            verify_token(token, DIGEST, trust)
    if when > NOW:
        assert verify_token(token, DIGEST, trust, seen_at=NOW + timedelta(hours=1)) == NOW
        if not holds:
            with pytest.raises(TimestampInvalid):
                verify_token(token, DIGEST, trust, seen_at=when + DAY)


def test_revocation_data_that_came_along() -> None:
    bare = Trust((ROOT.der,))
    token = Maker().token()
    assert read_token(token, DIGEST, bare).chain.revocation.state == "unknown"
    assert read_token(token, DIGEST, bare, crls=[ROOT.crl()]).chain.revocations[0].source == "embedded CRL"
    assert read_token(token, DIGEST, bare, ocsps=[ROOT.ocsp(CERTIFICATE)]).chain.revocations[0].source == "embedded OCSP"


TOKEN = Maker().token()


@given(st.integers(0, len(TOKEN) - 1), st.integers(1, 255))
def test_no_changed_byte_crashes_or_moves_the_time(where: int, what: int) -> None:
    data = bytearray(TOKEN)
    data[where] ^= what
    try:
        assert verify_token(bytes(data), DIGEST, TRUST) == NOW
    except TimestampInvalid:
        return


@given(st.binary(max_size=200))
def test_garbage_is_no_token_and_no_answer(data: bytes) -> None:
    with pytest.raises(TimestampInvalid):
        verify_token(data, DIGEST, TRUST)
    with pytest.raises(TimestampInvalid):
        token_of(data, nonce=1)


def test_requests_and_answers() -> None:
    for size, name in ((32, "sha256"), (48, "sha384"), (64, "sha512")):
        asked = tsp.TimeStampReq.load(request(b"x" * size, nonce=5, policy="1.2.3"))
        assert asked["message_imprint"]["hash_algorithm"]["algorithm"].native == name and asked["req_policy"].native == "1.2.3"
        assert asked["cert_req"].native and asked["nonce"].native == 5
    answer = Maker().answer(request(DIGEST, nonce=5))
    assert verify_token(token_of(answer, nonce=5), DIGEST, TRUST) == NOW
    with pytest.raises(TimestampInvalid, match="nonce"):
        token_of(answer, nonce=6)
    with pytest.raises(TimestampInvalid, match="refused"):
        token_of(respond(b"no question", SigningKey(CERTIFICATE, (), lambda *_: b""), now=NOW, serial=1), nonce=5)


class Office:
    """Authorities behind names; `down` and `bad` say which fail, `asked` who was asked."""

    def __init__(self, **authorities: Maker) -> None:
        self.authorities, self.down, self.bad, self.asked, self.seconds = authorities, set[str](), set[str](), list[str](), 0.0

    def post(self, url: str, question: bytes, _: str) -> bytes:
        self.asked.append(url)
        if url in self.down:
            raise OSError("no answer")
        return b"\x30\x00" if url in self.bad else self.authorities[url].answer(question)

    def stamper(self, **options: Any) -> Timestamper:
        return http_timestamper(list(self.authorities), self.post, options.pop("trust", TRUST), clock=lambda: self.seconds, **options)


def test_pauses_grow_and_end_with_the_first_good_answer() -> None:
    office = Office(one=Maker(), two=GOOD["pss"])
    stamp = office.stamper()
    office.down = {"one"}
    stamp(DIGEST)
    for pause in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
        office.asked.clear()
        office.seconds += pause - 0.01
        stamp(DIGEST)
        assert office.asked == ["two"], pause
        office.seconds += 0.01
        stamp(DIGEST)
        assert office.asked == ["two", "one", "two"], pause
    office.down, office.bad = set(), {"two"}
    office.seconds += 300
    assert verify_token(stamp(DIGEST), DIGEST, TRUST) == NOW
    office.down = {"one"}
    with pytest.raises(TimestampUnavailable) as both:
        stamp(DIGEST)
    assert "one: no answer" in both.value.detail and "two: malformed" in both.value.detail
    office.down = set()
    office.seconds += 1.0  # the pause after a success starts small again
    stamp(DIGEST)


def test_tokens_are_checked_before_use() -> None:
    def refused(maker: Maker, **options: Any) -> str:
        with pytest.raises(TimestampUnavailable) as error:
            Office(one=maker).stamper(**options)(DIGEST)
        return error.value.detail

    assert "policy 2.16.704.99.1" in refused(Maker(), policies=["1.2.3"])
    assert "clock" in refused(Maker(), now=lambda: NOW + timedelta(minutes=11))
    assert "NO_CERTIFICATE_CHAIN_FOUND" in refused(Maker(), trust=Trust((root("Khác").der,)))
    assert "imprint" in refused(replace(Maker(), spoil=lambda c: c.replace(DIGEST, DIGEST[::-1])))
    office = Office(one=Maker(policy="1.2.3"), two=Maker())
    assert read_token(office.stamper(policies=["2.16.704.99.1"], now=lambda: NOW)(DIGEST), DIGEST, TRUST).policy == "2.16.704.99.1"


def test_trust_may_change_while_running() -> None:
    now_trusted = [Trust((root("Khác").der,))]
    office = Office(one=Maker())
    stamp = office.stamper(trust=lambda: now_trusted[0])
    with pytest.raises(TimestampUnavailable):
        stamp(DIGEST)
    now_trusted[0], office.seconds = TRUST, 1.0
    for size in ("sha256", "sha384", "sha512"):
        digest = hashlib.new(size, CONTENT).digest()
        assert verify_token(stamp(digest), {size: digest}, TRUST) == NOW
