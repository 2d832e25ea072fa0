"""Paths to an anchor: scopes, validity, odd certificates, constraints, and what it costs."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from signing.anchors import AnchorTerms
from signing.chain import MOST_STEPS, Undecodable, decoded
from signing.errors import TrustUnusable
from signing.trust import Trust
from tests.authorities import DAY, NOW, Authority, named, new_key, root, usage

ROOT = root()
SUB = ROOT.sub("CA cấp phát", path_length=0)
LEAF = SUB.leaf()
TRUST = Trust((ROOT.der,), (SUB.der,), (ROOT.crl(), SUB.crl()))


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def problem(trust: Trust, leaf: x509.Certificate | bytes, *extra: x509.Certificate | bytes, purpose: str = "sign") -> tuple[str, str]:
    result = trust.path(leaf, extra, at=NOW, purpose=purpose)
    return result.problem, result.detail


def test_a_path_tells_everything() -> None:
    result = TRUST.path(LEAF, [], at=NOW)
    assert result.problem == "" and result.chain == (LEAF, SUB.certificate, ROOT.certificate)
    assert result.scope == "official" and result.anchor == ROOT.name.rfc4514_string()
    assert [(f.state, f.source) for f in result.revocations] == [("good", "CRL"), ("good", "CRL"), ("good", "anchor")]
    assert result.revocation.state == "good" and result.revocation.source.startswith("CRL 2026")
    assert TRUST.path(der(LEAF), [SUB.der], at=NOW) == result
    bare = Trust((ROOT.der,))
    assert problem(bare, LEAF)[0] == "NO_CERTIFICATE_CHAIN_FOUND"
    unknown = bare.path(LEAF, [SUB.certificate], at=NOW)
    assert unknown.problem == "" and unknown.revocation.state == "unknown" and unknown.revocations[0].detail == "no CRL or OCSP answer"
    assert bare.path(ROOT.certificate, [], at=NOW, purpose="any").revocation.source == "anchor"


def test_plain_data_with_a_fingerprint() -> None:
    again = pickle.loads(pickle.dumps(TRUST))
    assert again == TRUST and again.fingerprint == TRUST.fingerprint and again.path(LEAF, [], at=NOW).problem == ""
    others = [
        replace(TRUST, agency_certificates=frozenset({"ab"})),
        replace(TRUST, ocsps=(SUB.ocsp(LEAF),)),
        replace(TRUST, crls=()),
        replace(TRUST, terms=(AnchorTerms("00", "public"),)),
    ]
    assert len({t.fingerprint for t in (TRUST, *others)}) == 5


def test_validity() -> None:
    for at, expected in ((NOW - 400 * DAY, "NOT_YET_VALID"), (NOW + 400 * DAY, "OUT_OF_BOUNDS_NO_POE")):
        assert TRUST.path(LEAF, [], at=at).problem == expected


def test_warm_paths_are_cheap() -> None:
    data, extra = der(LEAF), [SUB.der]
    TRUST.path(data, extra, at=NOW)
    best = min(_seconds(data, extra) for _ in range(5))
    assert best < 0.0001, f"{best * 1e6:.0f} µs"


def _seconds(data: bytes, extra: list[bytes]) -> float:
    start = time.process_time()
    for _ in range(100):
        TRUST.path(data, extra, at=NOW)
    return (time.process_time() - start) / 100


# Scope and windows of anchors, from a folder.


def folder(tmp_path: Path, toml: str = "", **scopes: Authority) -> Path:
    for place, authority in scopes.items():
        (tmp_path / "anchors" / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / "anchors" / place / f"{place}.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    if toml:
        (tmp_path / "anchors.toml").write_text(toml)
    return tmp_path


def test_scopes_by_folder(tmp_path: Path) -> None:
    kinds = {name: root(f"Root {name}") for name in ("official", "public", "foreign", "timestamp")}
    trust = Trust.load(folder(tmp_path, **kinds))
    for name, authority in kinds.items():
        result = trust.path(authority.leaf(), [], at=NOW)
        assert (result.problem == "", result.scope) == (name != "timestamp", name)
        stamper = authority.leaf(extended=[ExtendedKeyUsageOID.TIME_STAMPING], extended_critical=True)
        assert trust.path(stamper, [], at=NOW, purpose="timestamp").problem == ""


def test_terms_of_single_anchors(tmp_path: Path) -> None:
    toml = """
[[anchor]]
file = "anchors/public/public.pem"
name = "CA công cộng (mô phỏng)"
not_before = 2026-01-01
until = 2026-11-20T15:00:00+07:00
uses = ["sign"]
[[anchor]]
file = "official/official.pem"
scope = "foreign"
"""
    public, official = root("Root P"), root("Root O")
    trust = Trust.load(folder(tmp_path, toml, public=public, official=official))
    leaf = public.leaf()
    assert trust.path(leaf, [], at=NOW).detail == "anchor was trusted until 2026-11-20T15:00:00+07:00"  # 08:00 UTC is that very moment
    before = trust.path(leaf, [], at=NOW - timedelta(seconds=1))
    assert before.problem == "" and before.terms is not None and before.terms.name == "CA công cộng (mô phỏng)"
    assert trust.path(leaf, [], at=NOW - 330 * DAY).problem == "NO_CERTIFICATE_CHAIN_FOUND"
    stamper = public.leaf(extended=[ExtendedKeyUsageOID.TIME_STAMPING], extended_critical=True)
    assert trust.path(stamper, [], at=NOW - DAY, purpose="timestamp").detail == "anchor is not trusted to timestamp"
    assert trust.path(official.leaf(), [], at=NOW).scope == "foreign"


@pytest.mark.parametrize(
    "toml",
    [
        '[[anchor]]\nfile = "anchors/none.pem"',
        '[[anchor]]\nscope = "public"',
        '[[anchor]]\nfile = "anchors/public/public.pem"\nscope = "mine"',
        '[[anchor]]\nfile = "anchors/public/public.pem"\nuses = []',
        '[[anchor]]\nfile = "anchors/public/public.pem"\nuntl = 2026-01-01',
        '[[anchor]]\nfile = "anchors/public/public.pem"\nuntil = "2026"',
        "[[anchor",
    ],
)
def test_terms_that_make_no_sense(tmp_path: Path, toml: str) -> None:
    with pytest.raises(TrustUnusable):
        Trust.load(folder(tmp_path, toml, public=ROOT))


def test_spoilt_files_in_the_cache_do_not_stop_anything(tmp_path: Path) -> None:
    place = folder(tmp_path, official=ROOT)
    for name, data in (("crls/a.crl", b"spoilt"), ("crls/b.crl", SUB.crl()), ("ocsps/a.ocsp", b""), ("ocsps/b.ocsp", SUB.ocsp(LEAF))):
        (place / "cache" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "cache" / name).write_bytes(data)
    result = Trust.load(place).path(LEAF, [SUB.certificate], at=NOW)
    assert [(f.state, f.source) for f in result.revocations][:2] == [("good", "CRL"), ("unknown", "")]
    (place / "crls").mkdir()
    (place / "crls" / "mine.crl").write_bytes(b"spoilt")
    with pytest.raises(TrustUnusable):
        Trust.load(place)


def test_the_official_path_comes_first() -> None:
    """Cross-certified by an official and by a public root: the official path is told."""
    public = root("Root công cộng")
    cross = Authority(SUB.key, public.issue(SUB.name, SUB.key, ca=True)[1])
    trust = Trust((public.der, ROOT.der), (cross.der, SUB.der), terms=(AnchorTerms(public.certificate.fingerprint(hashes.SHA256()).hex(), "public"),))
    assert trust.path(LEAF, [], at=NOW).scope == "official"
    assert replace(trust, intermediates=(cross.der,)).path(LEAF, [], at=NOW).scope == "public"


# Path building.


def test_a_broken_cross_certificate_does_not_hide_the_good_path() -> None:
    expired = ROOT.sub("CA cấp phát", key=SUB.key, end=NOW - DAY)
    stranger = root("Lạ").sub("CA cấp phát", key=SUB.key)
    rekeyed = ROOT.sub("CA cấp phát")  # same name, another key
    trust = Trust((ROOT.der,), tuple(a.der for a in (expired, stranger, rekeyed, SUB)))
    assert problem(trust, LEAF) == ("", "") and problem(trust, rekeyed.leaf()) == ("", "")
    revoked = replace(trust, crls=(ROOT.crl([(expired.certificate.serial_number, NOW - 2 * DAY, None)]),))
    assert problem(revoked, LEAF) == ("", "")


def test_a_path_through_loops_ends() -> None:
    """CAs that certify each other, all under the same names and keys."""
    first, second = root("Vòng A"), root("Vòng B")
    loop = [
        first.certificate,
        Authority(first.key, first.certificate).issue(second.name, second.key, ca=True)[1],
        second.issue(first.name, first.key, ca=True)[1],
    ]
    assert problem(TRUST, first.leaf(), *loop)[0] == "NO_CERTIFICATE_CHAIN_FOUND"


def test_the_search_is_bounded() -> None:
    """60 CAs under one name and key, each certified by each: no exponential search."""
    key, other = new_key(), new_key()
    a, b = Authority(key, root("A", key=key).certificate), Authority(other, root("B", key=other).certificate)
    extra = [b.issue(a.name, key, ca=True)[1] for _ in range(30)] + [a.issue(b.name, other, ca=True)[1] for _ in range(30)]
    start = time.process_time()
    assert problem(TRUST, a.leaf(), *extra)[0] == "NO_CERTIFICATE_CHAIN_FOUND"
    assert time.process_time() - start < 1 and MOST_STEPS <= 200
    # and what does not belong to the path costs nothing
    assert problem(TRUST, LEAF, *extra)[0] == ""


def test_path_length_and_ca_flag() -> None:
    below = SUB.sub("CA quá sâu")
    assert problem(TRUST, below.leaf(), below.certificate)[0] == "CHAIN_CONSTRAINTS_FAILURE"
    person = Authority(*SUB.issue(named("Không phải CA")))
    assert problem(TRUST, person.leaf(), person.certificate)[0] == "CHAIN_CONSTRAINTS_FAILURE"
    claims = Authority(*ROOT.issue(named("Tự nhận là CA"), key_usage=usage(digital_signature=True, key_cert_sign=True)))
    assert problem(TRUST, claims.leaf(), claims.certificate)[0] == "CHAIN_CONSTRAINTS_FAILURE"
    no_usage = ROOT.sub("CA không ký chứng thư", key_usage=usage(crl_sign=True))
    assert problem(TRUST, no_usage.leaf(), no_usage.certificate)[0] == "CHAIN_CONSTRAINTS_FAILURE"
    deep = [ROOT]
    for n in range(7):
        deep.append(deep[-1].sub(f"CA {n}"))
    assert problem(TRUST, deep[-1].leaf(), *(a.certificate for a in deep[1:]))[0] == "NO_CERTIFICATE_CHAIN_FOUND"


def limited(permitted: list[x509.GeneralName] | None = None, excluded: list[x509.GeneralName] | None = None) -> Authority:
    return ROOT.sub("CA giới hạn", more=[(x509.NameConstraints(permitted, excluded), True)])


def mail(address: str) -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.SubjectAlternativeName([x509.RFC822Name(address)]), False)]


def dns(host: str) -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.SubjectAlternativeName([x509.DNSName(host)]), False)]


VN = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "VN")]))
LA = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "LA")]))


@pytest.mark.parametrize(
    ("permitted", "excluded", "more", "holds"),
    [
        ([VN], None, [], True),
        ([LA], None, [], False),
        ([LA, VN], None, [], True),
        (None, [VN], [], False),
        (None, [LA], [], True),
        ([x509.RFC822Name("example.vn")], None, mail("a@example.vn"), True),
        ([x509.RFC822Name("example.vn")], None, mail("a@sub.example.vn"), False),
        ([x509.RFC822Name(".example.vn")], None, mail("a@sub.example.vn"), True),
        (None, [x509.RFC822Name("a@example.vn")], mail("A@example.vn"), False),
        ([x509.DNSName("example.vn")], None, dns("so.example.vn"), True),
        ([x509.DNSName("example.vn")], None, dns("badexample.vn"), False),
        (None, [x509.UniformResourceIdentifier("x")], [(x509.SubjectAlternativeName([x509.UniformResourceIdentifier("http://y/")]), False)], False),
    ],
)
def test_name_constraints(
    permitted: list[x509.GeneralName] | None, excluded: list[x509.GeneralName] | None, more: list[tuple[x509.ExtensionType, bool]], holds: bool
) -> None:
    authority = limited(permitted, excluded)
    found = problem(TRUST, authority.leaf(more=more), authority.certificate)
    assert found[0] == ("" if holds else "CHAIN_CONSTRAINTS_FAILURE"), found


def test_weak_links_are_refused() -> None:
    short = rsa.generate_private_key(65537, 1024)
    weak = ROOT.sub("CA khóa ngắn", key=short)
    assert problem(TRUST, weak.leaf(), weak.certificate)[0] == "CRYPTO_CONSTRAINTS_FAILURE"
    pss = Authority(big := rsa.generate_private_key(65537, 2048), root("Root PSS", key=big).certificate)
    assert problem(Trust((pss.der,)), pss.leaf(pss=True)) == ("", "")


def test_sha1_links_are_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    authority = Authority(key, root("Root SHA-1", key=key).certificate)
    data = _signed_with_sha1(authority)
    assert problem(Trust((authority.der,)), data)[0] == "CRYPTO_CONSTRAINTS_FAILURE"


def _signed_with_sha1(authority: Authority) -> bytes:
    """A certificate with its algorithm names changed to SHA-1 and signed anew: libraries no longer make one."""
    from_oid, to_oid = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    plain = authority.leaf()
    body = plain.tbs_certificate_bytes.replace(from_oid, to_oid)
    assert isinstance(authority.key, rsa.RSAPrivateKey)
    changed = der(plain).replace(plain.tbs_certificate_bytes, body).replace(from_oid, to_oid)
    return changed.replace(plain.signature, authority.key.sign(body, padding.PKCS1v15(), hashes.SHA1()))


@pytest.mark.parametrize(
    ("purpose", "options", "holds"),
    [
        ("sign", {"key_usage": usage(content_commitment=True)}, True),
        ("sign", {"key_usage": usage(key_encipherment=True)}, False),
        ("any", {"key_usage": usage(key_encipherment=True)}, True),
        ("sign", {"extended": [ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH]}, True),
        ("sign", {"extended": [ExtendedKeyUsageOID.TIME_STAMPING]}, False),
        ("sign", {"extended": [ExtendedKeyUsageOID.SERVER_AUTH]}, False),
        ("timestamp", {"extended": [ExtendedKeyUsageOID.TIME_STAMPING], "extended_critical": True}, True),
        ("timestamp", {"extended": [ExtendedKeyUsageOID.TIME_STAMPING]}, False),
        ("timestamp", {"extended": [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION], "extended_critical": True}, False),
        ("timestamp", {}, False),
    ],
)
def test_purposes(purpose: str, options: dict[str, object], holds: bool) -> None:
    found = problem(TRUST, SUB.leaf(**options), purpose=purpose)  # type: ignore[arg-type]
    assert found[0] == ("" if holds else "CHAIN_CONSTRAINTS_FAILURE"), found


def test_unknown_critical_extension() -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert "1.2.3.4" in problem(TRUST, SUB.leaf(more=[(odd, True)]))[1]
    assert problem(TRUST, SUB.leaf(more=[(odd, False)]))[0] == ""


def test_odd_certificates_are_a_result() -> None:
    """A negative modulus, met on real identity cards (signing.md T21), and bytes that are nothing."""
    key = rsa.generate_private_key(65537, 2048)
    plain = der(SUB.leaf(key=key))
    modulus = key.public_key().public_numbers().n.to_bytes(256, "big")
    at = plain.index(b"\x02\x82\x01\x01\x00" + modulus)
    # Without the leading zero byte; a longer exponent keeps all lengths as they were.
    negative = plain[:at] + b"\x02\x82\x01\x00" + modulus + b"\x02\x04\x00" + plain[at + 5 + 256 + 2 :]
    assert len(TRUST.path(negative, [], at=NOW).chain) == 1  # its names can be read, its key cannot
    for data in (negative, b"", b"\x30\x03\x02\x01\x01", plain[:-1]):
        result = TRUST.path(data, [b"junk", negative], at=NOW)
        assert result.problem == "CERTIFICATE_CHAIN_GENERAL_FAILURE" and "not decodable" in result.detail, result
    assert problem(TRUST, LEAF, negative, b"junk") == ("", "")
    bulky = SUB.leaf(more=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(70_000)), False)])
    assert problem(TRUST, der(bulky))[0] == "CERTIFICATE_CHAIN_GENERAL_FAILURE"


@given(st.integers(0, len(der(LEAF)) - 1), st.integers(1, 255))
def test_a_changed_certificate_never_passes(where: int, what: int) -> None:
    data = bytearray(der(LEAF))
    data[where] ^= what
    assert TRUST.path(bytes(data), [], at=NOW).problem != ""


@given(st.binary(max_size=400))
def test_garbage_is_no_certificate(data: bytes) -> None:
    with pytest.raises(Undecodable):
        decoded(data)
