"""Was it revoked then? CRLs and OCSP answers of every shape, judged at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from signing.chain import known
from signing.cms import tlv
from signing.ocsp import ocsp_answers
from signing.report import RevocationFact
from signing.revocation import Crl, CrlUnusable, crl_of
from signing.trust import ChainResult, Trust
from tests.authorities import DAY, NOW, Authority, new_key, root, usage

ROOT = root()
SUB = ROOT.sub("CA cấp phát")
LEAF = SUB.leaf()
SERIAL = LEAF.serial_number
TRUST = Trust((ROOT.der,), (SUB.der,), (ROOT.crl(),))
POINT = "http://crl.example.vn/a.crl"
Flags = x509.ReasonFlags


def path(
    crls: Sequence[bytes] = (), ocsps: Sequence[bytes] = (), *, at: datetime = NOW, leaf: x509.Certificate = LEAF, kept: Sequence[bytes] = ()
) -> ChainResult:
    trust = Trust(TRUST.anchors, TRUST.intermediates, (*TRUST.crls, *kept))
    return trust.path(leaf, [], at=at, crls=crls, ocsps=ocsps)


def fact(crls: Sequence[bytes] = (), ocsps: Sequence[bytes] = (), **options: Any) -> RevocationFact:
    return path(crls, ocsps, **options).revocations[0]


def test_good_revoked_unknown() -> None:
    assert fact([SUB.crl()]).state == "good" and fact([SUB.crl()]).source == "embedded CRL" and fact(kept=[SUB.crl()]).source == "CRL"
    revoked = path([SUB.crl([(SERIAL, NOW - DAY, Flags.key_compromise)])])
    assert revoked.problem == "REVOKED" and revoked.revocation.at == NOW - DAY
    one = revoked.revocations[0]
    assert (one.state, one.revoked_at, one.detail) == ("revoked", NOW - DAY, "keyCompromise")
    assert fact().state == "unknown" and path().problem == ""


def test_revoked_after_the_time_judged() -> None:
    found = path([SUB.crl([(SERIAL, NOW - DAY, Flags.superseded)])], at=NOW - 2 * DAY)
    assert found.problem == "" and found.revocation.state == "good"
    assert found.revocations[0].revoked_at == NOW - DAY and found.revocations[0].detail == "revoked later: superseded"
    assert fact([SUB.crl([(SERIAL, NOW, None)])]).state == "revoked"  # the moment itself counts


def test_the_invalidity_date_counts_when_it_is_earlier() -> None:
    crl = SUB.crl([(SERIAL, NOW - DAY, Flags.key_compromise)], entry=[x509.InvalidityDate((NOW - 5 * DAY).replace(tzinfo=None))])
    assert fact([crl], at=NOW - 3 * DAY).state == "revoked" and fact([crl], at=NOW - 6 * DAY).state == "good"


def test_lists_out_of_date() -> None:
    old = SUB.crl(this=NOW - 20 * DAY, following=NOW - 10 * DAY)
    stale = fact([old])
    assert stale.state == "unknown" and stale.detail == f"embedded CRL out of date since {(NOW - 10 * DAY).isoformat()}"
    assert fact([old], at=NOW - 15 * DAY).state == "good"
    # Issued after the time judged: whoever was revoked by then is still on it.
    assert fact([SUB.crl()], at=NOW - 15 * DAY).state == "good"
    # An old list still proves a revocation.
    assert fact([SUB.crl([(SERIAL, NOW - 30 * DAY, None)], this=NOW - 20 * DAY, following=NOW - 10 * DAY)]).state == "revoked"


def test_after_the_certificate_expired_absence_means_nothing() -> None:
    short = SUB.leaf(end=NOW - 10 * DAY)
    assert fact([SUB.crl()], leaf=short, at=NOW - 15 * DAY).state == "unknown"
    assert fact([SUB.crl([(short.serial_number, NOW - 20 * DAY, None)])], leaf=short, at=NOW - 15 * DAY).state == "revoked"
    kept = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.60"), b"\x18\x0f" + f"{NOW - 500 * DAY:%Y%m%d%H%M%SZ}".encode())
    assert fact([SUB.crl(more=[(kept, False)])], leaf=short, at=NOW - 15 * DAY).state == "good"


def test_embedded_first_but_a_revocation_wins() -> None:
    older = SUB.crl(this=NOW - 3 * DAY)
    assert fact([older], kept=[SUB.crl()]).source == "embedded CRL"
    found = fact([older], kept=[SUB.crl([(SERIAL, NOW - DAY, Flags.key_compromise)])])
    assert (found.state, found.source) == ("revoked", "CRL")
    # Out of date embedded data gives way to the folder's.
    assert fact([SUB.crl(this=NOW - 20 * DAY, following=NOW - 10 * DAY)], kept=[SUB.crl()]).source == "CRL"


def test_holds() -> None:
    held = SUB.crl([(SERIAL, NOW - 5 * DAY, Flags.certificate_hold)], this=NOW - 4 * DAY)
    assert fact([held]).state == "revoked"
    assert fact([held, SUB.crl()]).state == "good"  # a fresher list without it: the hold was lifted
    delta = (x509.DeltaCRLIndicator(1), True)
    assert fact([held, SUB.crl([(SERIAL, NOW - DAY, Flags.remove_from_crl)], more=[delta])]).state == "good"
    final = SUB.crl([(SERIAL, NOW - 5 * DAY, Flags.key_compromise)], this=NOW - 4 * DAY)
    assert fact([final, SUB.crl()]).state == "revoked"  # any other revocation is for good


def test_delta_lists_only_add() -> None:
    delta = (x509.DeltaCRLIndicator(1), True)
    assert fact([SUB.crl(more=[delta])]).state == "unknown"
    assert fact([SUB.crl(this=NOW - 2 * DAY), SUB.crl([(SERIAL, NOW - DAY, None)], more=[delta])]).state == "revoked"


def point(**options: Any) -> list[tuple[x509.ExtensionType, bool]]:
    values = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return [(x509.IssuingDistributionPoint(**{**values, **options}), True)]


@pytest.mark.parametrize(
    ("options", "state", "when_listed"),
    [
        ({"only_contains_user_certs": True}, "good", "revoked"),
        ({"only_contains_ca_certs": True}, "unknown", "unknown"),
        ({"only_contains_attribute_certs": True}, "unknown", "unknown"),
        ({"indirect_crl": True}, "unknown", "unknown"),
        ({"only_some_reasons": frozenset({Flags.key_compromise})}, "unknown", "revoked"),
        ({"full_name": [x509.UniformResourceIdentifier(POINT)]}, "good", "revoked"),
        ({"full_name": [x509.UniformResourceIdentifier("http://crl.example.vn/b.crl")]}, "unknown", "unknown"),
    ],
)
def test_scope_of_a_list(options: dict[str, Any], state: str, when_listed: str) -> None:
    place = x509.DistributionPoint([x509.UniformResourceIdentifier(POINT)], None, None, None)
    leaf = SUB.leaf(more=[(x509.CRLDistributionPoints([place]), False)])
    assert fact([SUB.crl(more=point(**options))], leaf=leaf).state == state
    assert fact([SUB.crl([(leaf.serial_number, NOW - DAY, None)], more=point(**options))], leaf=leaf).state == when_listed


def test_lists_for_ca_certificates() -> None:
    def state(**options: Any) -> str:
        return Trust(TRUST.anchors, TRUST.intermediates).path(LEAF, [], at=NOW, crls=[ROOT.crl(more=point(**options))]).revocations[1].state

    assert state(only_contains_ca_certs=True) == "good" and state(only_contains_user_certs=True) == "unknown"


def test_a_revoked_ca() -> None:
    found = Trust(TRUST.anchors, TRUST.intermediates, (SUB.crl(), ROOT.crl([(SUB.certificate.serial_number, NOW - DAY, Flags.ca_compromise)])))
    result = found.path(LEAF, [], at=NOW)
    assert result.problem == "REVOKED" and [f.state for f in result.revocations] == ["good", "revoked", "good"] and "cACompromise" in result.detail


def test_who_may_sign_a_list() -> None:
    stranger = Authority(new_key(), SUB.certificate)  # another key under the same name
    assert fact([stranger.crl()]).state == "unknown"
    assert fact([ROOT.crl(issuer=SUB.name)]).state == "unknown"
    assert fact([SUB.crl(issuer=ROOT.name)]).state == "unknown"  # the right key under another name
    no_crl = ROOT.sub("CA không ký CRL", key_usage=usage(key_cert_sign=True))
    trust = Trust((ROOT.der,), (no_crl.der,))
    assert trust.path(no_crl.leaf(), [], at=NOW, crls=[no_crl.crl()]).revocations[0].state == "unknown"


def test_a_rekeyed_ca_signs_its_lists_with_the_new_key() -> None:
    new = Authority(*ROOT.issue(SUB.name, ca=True))
    assert Trust(TRUST.anchors, (SUB.der, new.der)).path(LEAF, [], at=NOW, crls=[new.crl()]).revocations[0].state == "good"
    foreign = Authority(*root("Khác").issue(SUB.name, ca=True))  # the same name under another root
    assert Trust(TRUST.anchors, (SUB.der, foreign.der)).path(LEAF, [], at=NOW, crls=[foreign.crl()]).revocations[0].state == "unknown"


def test_unknown_critical_extension_of_a_list() -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert fact([SUB.crl(more=[(odd, True)])]).state == "unknown" and fact([SUB.crl(more=[(odd, False)])]).state == "good"


def test_200000_entries_are_looked_up_quickly() -> None:
    crl = _long_list([*range(1 << 60, (1 << 60) + 200_000), SERIAL])
    assert fact([crl]).state == "revoked"  # parsed and its signature checked, once
    decoded = crl_of(crl)
    assert decoded is not None and decoded is crl_of(bytes(crl))
    leaves = [known(SUB.leaf()) for _ in range(20)]
    for leaf in leaves:
        decoded.answer(leaf, embedded=False)
    start = time.process_time()
    answers = [decoded.answer(leaf, embedded=False) for leaf in leaves]
    assert (time.process_time() - start) / 20 < 0.001 and all(a is not None and a.revoked_at is None for a in answers)
    last = decoded.answer(known(LEAF), embedded=False)
    assert last is not None and last.revoked_at == NOW - DAY


def _long_list(serials: Sequence[int]) -> bytes:
    """A CRL by SUB, put together by hand: the library's builder takes seconds for it."""
    entries = []
    for serial in serials:
        number = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
        entries.append(tlv(0x30, tlv(0x02, number), b"\x17\x0d261119080000Z"))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    tbs = tlv(0x30, b"\x02\x01\x01", algorithm, SUB.name.public_bytes(), b"\x17\x0d261120080000Z", b"\x17\x0d261121080000Z", tlv(0x30, *entries))
    assert isinstance(SUB.key, ec.EllipticCurvePrivateKey)
    return tlv(0x30, tbs, algorithm, tlv(0x03, b"\x00", SUB.key.sign(tbs, ec.ECDSA(hashes.SHA256()))))


# OCSP.


def test_ocsp_by_the_ca_itself() -> None:
    for digest in (hashes.SHA1(), hashes.SHA256()):
        for by_name in (True, False):
            found = fact(ocsps=[SUB.ocsp(LEAF, digest=digest, by_name=by_name)])
            assert (found.state, found.source) == ("good", "embedded OCSP")
    found = fact(ocsps=[SUB.ocsp(LEAF, state="revoked", revoked_at=NOW - DAY, reason=Flags.superseded)])
    assert (found.state, found.revoked_at, found.detail) == ("revoked", NOW - DAY, "superseded")
    assert fact(ocsps=[SUB.ocsp(LEAF, state="unknown")]).state == "unknown"
    assert fact(ocsps=[SUB.ocsp(SUB.leaf())]).state == "unknown"  # about another
    assert fact(ocsps=[SUB.ocsp(ROOT.leaf(serial=SERIAL), issuer=ROOT)]).state == "unknown"  # the same number of another CA


@pytest.mark.parametrize("make", [ed25519.Ed25519PrivateKey.generate, ed448.Ed448PrivateKey.generate, lambda: ec.generate_private_key(ec.SECP384R1())])
def test_cas_with_other_curves(make: Callable[[], Any]) -> None:
    authority = root("Root đường cong khác", key=make())
    trust, leaf = Trust((authority.der,)), authority.leaf()
    for crls, ocsps in (([authority.crl()], []), ([], [authority.ocsp(leaf)])):
        assert trust.path(leaf, [], at=NOW, crls=crls, ocsps=ocsps).revocations[0].state == "good"
    other = Authority(make(), authority.certificate)
    assert trust.path(leaf, [], at=NOW, crls=[other.crl()]).revocations[0].state == "unknown"


def test_ocsp_at_a_time() -> None:
    old = SUB.ocsp(LEAF, this=NOW - 20 * DAY, following=NOW - 10 * DAY)
    assert fact(ocsps=[old]).state == "unknown" and fact(ocsps=[old], at=NOW - 15 * DAY).state == "good"
    endless = SUB.ocsp(LEAF, this=NOW - 20 * DAY, following=None)
    assert fact(ocsps=[endless]).state == "unknown" and fact(ocsps=[endless], at=NOW - 20 * DAY + timedelta(hours=1)).state == "good"
    assert fact([SUB.crl()], [SUB.ocsp(LEAF, state="revoked", revoked_at=NOW - DAY)]).state == "revoked"


def test_ocsp_after_expiry() -> None:
    short = SUB.leaf(end=NOW - 10 * DAY)
    assert fact(ocsps=[SUB.ocsp(short)], leaf=short, at=NOW - 15 * DAY).state == "unknown"


def delegated(responder: Authority, **options: Any) -> RevocationFact:
    return fact(ocsps=[responder.ocsp(LEAF, issuer=SUB, chain=[responder.certificate], **options)])


def test_ocsp_by_a_delegated_responder() -> None:
    assert delegated(SUB.responder()).state == "good"
    assert delegated(SUB.responder(), by_name=True).state == "good"
    assert delegated(SUB.responder(extended=[ExtendedKeyUsageOID.EMAIL_PROTECTION])).state == "unknown"
    assert delegated(SUB.responder(end=NOW - DAY)).state == "unknown"
    assert delegated(ROOT.responder()).state == "unknown"  # certified by another CA
    responder = SUB.responder()
    assert fact(ocsps=[responder.ocsp(LEAF, issuer=SUB)]).state == "unknown"  # its certificate is not there
    answer = responder.ocsp(LEAF, issuer=SUB, chain=[responder.certificate])
    signature = ocsp.load_der_ocsp_response(answer).signature
    assert fact(ocsps=[answer.replace(signature, bytes(len(signature)))]).state == "unknown"


def test_a_responder_without_nocheck_must_be_good_itself() -> None:
    responder = SUB.responder(no_check=False)
    answer = responder.ocsp(LEAF, issuer=SUB, chain=[responder.certificate])
    assert fact(ocsps=[answer]).state == "unknown"
    assert fact(ocsps=[answer], kept=[SUB.crl()]).source == "embedded OCSP"
    bad = SUB.crl([(responder.certificate.serial_number, NOW - DAY, Flags.key_compromise)], this=NOW - 3 * DAY, following=NOW - 2 * DAY)
    assert fact(ocsps=[answer], kept=[bad]).state == "unknown"


def test_ocsp_signed_with_pss() -> None:
    key = rsa.generate_private_key(65537, 2048)
    authority = ROOT.sub("CA PSS", key=key)
    leaf = authority.leaf()
    plain = ocsp.load_der_ocsp_response(authority.ocsp(leaf))
    response = _with_pss(plain, key)
    trust = Trust(TRUST.anchors, (authority.der,))
    assert trust.path(leaf, [], at=NOW, ocsps=[response]).revocations[0].state == "good"
    assert trust.path(leaf, [], at=NOW, ocsps=[response[:-1] + bytes([response[-1] ^ 1])]).revocations[0].state == "unknown"


def _with_pss(plain: ocsp.OCSPResponse, key: rsa.RSAPrivateKey) -> bytes:
    """The same answer signed with RSASSA-PSS: the builder of the library knows only PKCS#1 v1.5."""

    signature = key.sign(plain.tbs_response_bytes, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    sha256 = bytes.fromhex("300d06096086480165030402010500")
    mask = tlv(0x30, bytes.fromhex("06092a864886f70d010108") + sha256)
    algorithm = tlv(0x30, bytes.fromhex("06092a864886f70d01010a") + tlv(0x30, tlv(0xA0, sha256) + tlv(0xA1, mask) + tlv(0xA2, b"\x02\x01\x20")))
    basic = tlv(0x30, plain.tbs_response_bytes + algorithm + tlv(0x03, b"\x00" + signature))
    inner = tlv(0x30, bytes.fromhex("06092b0601050507300101") + tlv(0x04, basic))
    return tlv(0x30, b"\x0a\x01\x00" + tlv(0xA0, inner))


GOOD_OCSP, GOOD_CRL = SUB.ocsp(LEAF), SUB.crl([(SERIAL, NOW - DAY, Flags.key_compromise)])


@given(st.integers(0, len(GOOD_OCSP) - 1), st.integers(1, 255))
def test_a_changed_answer_never_says_good(where: int, what: int) -> None:
    data = bytearray(GOOD_OCSP)
    data[where] ^= what
    found = ocsp_answers(known(LEAF), known(SUB.certificate), [bytes(data)], embedded=True, state_of=lambda *_: "good")
    # Only the bytes outside what is signed may differ, and they say nothing.
    assert found in ([], ocsp_answers(known(LEAF), known(SUB.certificate), [GOOD_OCSP], embedded=True, state_of=lambda *_: "good"))


@given(st.integers(0, len(GOOD_CRL) - 1), st.integers(1, 255))
def test_a_changed_list_never_clears_anyone(where: int, what: int) -> None:
    data = bytearray(GOOD_CRL)
    data[where] ^= what
    assert fact([bytes(data)]).state != "good"


@given(st.binary(max_size=300))
def test_garbage_says_nothing(data: bytes) -> None:
    with pytest.raises(CrlUnusable):
        Crl(data)
    assert fact([data], [data]).state == "unknown"
