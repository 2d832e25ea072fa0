"""Seals and time-stamps: strict, and closed against everything else."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.dev_tsa import respond
from signing.errors import KeyUnusable, SealDigestMismatch, SealInvalid, SealUntrusted, SigningError, TimestampInvalid, TimestampUnavailable, TrustUnusable
from signing.keys import open_key
from signing.report import to_json
from signing.seal import sign_seal, verify_seal
from signing.timestamps import http_timestamper, verify_token
from signing.trust import Trust
from tests.house import SENDER, Pki

DIGEST = hashlib.sha256(b"exact bytes").digest()


@pytest.fixture(scope="module")
def trust(pki: Pki) -> Trust:
    return Trust.load(pki.folder / "trust")


def now() -> datetime:
    return datetime.now(UTC)


def stamper(pki: Pki, trust: Trust, spoil: Callable[[bytes], bytes] = lambda b: b) -> Callable[[bytes], bytes]:
    key = open_key(pki.folder / "tsa" / "tsa.pem")

    def post(url: str, body: bytes, _: str) -> bytes:
        if url == "down":
            raise OSError("no answer")
        return spoil(respond(body, key, now=now(), serial=7))

    return http_timestamper(["down", "up"], post, trust)


@pytest.mark.parametrize("name", ["agencies/000.00.99.H56/seal.pem", "hub/seal.pem"])
def test_seals_hold(pki: Pki, trust: Trust, name: str) -> None:
    key = open_key(pki.folder / name)
    finding = verify_seal(DIGEST, sign_seal(DIGEST, key), trust, at=now())
    assert finding.revocation == "good" and finding.time_source == "judged_at" and to_json(finding)
    stamped = verify_seal(DIGEST, sign_seal(DIGEST, key, timestamp=stamper(pki, trust)), trust, at=now() + timedelta(days=3000))
    assert stamped.time_source == "timestamp"  # judged at its own time, not later


def test_other_bytes(pki: Pki, trust: Trust) -> None:
    with pytest.raises(SealDigestMismatch):
        verify_seal(hashlib.sha256(b"other").digest(), sign_seal(DIGEST, pki.seal(SENDER)), trust, at=now())


def test_no_path_expired_not_for_signing(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    seal = sign_seal(DIGEST, pki.seal(SENDER))
    with pytest.raises(SealUntrusted):
        verify_seal(DIGEST, seal, trust, at=now() + timedelta(days=3000))
    tls = (pki.folder / "tls" / "ca.pem").read_bytes()
    (tmp_path / "anchors").mkdir()
    (tmp_path / "anchors" / "ca.pem").write_bytes(tls)
    with pytest.raises(SealUntrusted):
        verify_seal(DIGEST, seal, Trust.load(tmp_path), at=now())
    with pytest.raises(TrustUnusable):
        Trust.load(tmp_path / "none")


def rebuilt(seal: bytes, change: Callable[[cms.SignedData], None]) -> bytes:
    content = cms.ContentInfo.load(seal)
    change(content["content"])
    data: bytes = content.dump(force=True)
    return data


def two_signers(signed: cms.SignedData) -> None:
    signed["signer_infos"] = cms.SignerInfos([signed["signer_infos"][0], signed["signer_infos"][0].copy()])


def attached(signed: cms.SignedData) -> None:
    signed["encap_content_info"] = {"content_type": "data", "content": b"exact bytes"}


def no_certificate(signed: cms.SignedData) -> None:
    signed["certificates"] = cms.CertificateSet([signed["certificates"][1]])


def sha1(signed: cms.SignedData) -> None:
    signed["signer_infos"][0]["digest_algorithm"] = {"algorithm": "sha1"}


def unsorted(signed: cms.SignedData) -> None:
    attributes = list(signed["signer_infos"][0]["signed_attrs"])
    signed["signer_infos"][0]["signed_attrs"] = cms.CMSAttributes(attributes[:1])


@pytest.mark.parametrize("change", [two_signers, attached, no_certificate, sha1, unsorted])
def test_odd_shapes(pki: Pki, trust: Trust, change: Callable[[cms.SignedData], None]) -> None:
    with pytest.raises(SealInvalid):
        verify_seal(DIGEST, rebuilt(sign_seal(DIGEST, pki.seal(SENDER)), change), trust, at=now())


@settings(max_examples=120, deadline=None)
@given(where=st.integers(0, 10**6), what=st.integers(0, 255))
def test_no_changed_byte_crashes(pki: Pki, where: int, what: int) -> None:
    trust = Trust.load(pki.folder / "trust")
    seal = bytearray(sign_seal(DIGEST, pki.seal(SENDER)))
    seal[where % len(seal)] ^= what or 1
    try:
        verify_seal(DIGEST, bytes(seal), trust, at=now())
    except SigningError as error:
        assert isinstance(error, SealInvalid)


@given(st.binary(max_size=200))
def test_garbage_is_no_seal(data: bytes) -> None:
    with pytest.raises(SealInvalid):
        verify_seal(DIGEST, data, Trust((b"",)), at=datetime(2026, 1, 1, tzinfo=UTC))


def test_bad_stamps(pki: Pki, trust: Trust) -> None:
    token = stamper(pki, trust)(DIGEST)
    assert abs(verify_token(token, DIGEST, trust) - now()) < timedelta(minutes=1)
    with pytest.raises(TimestampInvalid):
        verify_token(token, hashlib.sha256(b"x").digest(), trust)
    with pytest.raises(TimestampInvalid):
        verify_token(token, DIGEST, Trust((_tls(pki),)))
    for spoil in (lambda b: b[:-9], lambda b: b"", lambda b: b.replace(b"\x02\x01\x07", b"\x02\x01\x08")):
        with pytest.raises(TimestampUnavailable):
            stamper(pki, trust, spoil)(DIGEST)


def _tls(pki: Pki) -> bytes:
    return x509.load_pem_x509_certificate((pki.folder / "tls" / "ca.pem").read_bytes()).public_bytes(Encoding.DER)


def test_keys(pki: Pki, tmp_path: Path) -> None:
    p12 = pki.folder / "agencies" / SENDER / "seal.p12"
    assert open_key(p12, password=b"vanthu-demo").certificate == pki.seal(SENDER).certificate
    with pytest.raises(KeyUnusable):
        open_key(p12, password=b"wrong")
    with pytest.raises(KeyUnusable):
        open_key(tmp_path / "none.pem")
    mixed = tmp_path / "mixed.pem"
    private = (pki.folder / "hub" / "seal.pem").read_text().split("-----BEGIN CERTIFICATE")[0]
    mixed.write_text(private + (pki.folder / "trust" / "anchors" / "root.pem").read_text())
    with pytest.raises(KeyUnusable):
        open_key(mixed)
    assert (pki.folder / "hub" / "seal.pem").stat().st_mode & 0o077 == 0


def test_openssl_agrees(pki: Pki, tmp_path: Path) -> None:
    try:
        subprocess.run(["openssl", "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl is not installed")
    (tmp_path / "content").write_bytes(b"exact bytes")
    for key in (pki.seal(SENDER), open_key(pki.folder / "hub" / "seal.pem")):
        (tmp_path / "seal.p7s").write_bytes(sign_seal(DIGEST, key))
        root = pki.folder / "trust" / "anchors" / "root.pem"
        command = [
            "openssl",
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "der",
            "-in",
            "seal.p7s",
            "-content",
            "content",
            "-CAfile",
            str(root),
            "-purpose",
            "any",
            "-out",
            "/dev/null",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
