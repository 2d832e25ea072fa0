"""Evidence files kept for long: archive time-stamps, their renewal, and what they outlive."""

from __future__ import annotations

import hashlib
import shutil
import threading
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from exchange.cli import cli
from signing.dev_tsa import make_server
from signing.errors import EvidenceInvalid, TimestampUnavailable
from signing.evidence import renew
from signing.evidence.archive import archive_names
from signing.keys import open_key
from signing.trust import Trust
from tests.evidence_material import Made, make_evidence, now, stamper
from tests.house import Pki, make_house_pki


@pytest.fixture(scope="module")
def own_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """A PKI of its own: certificates are revoked here."""
    return make_house_pki(tmp_path_factory.mktemp("archive-pki"))


@pytest.fixture(scope="module")
def made(own_pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_evidence(own_pki, tmp_path_factory.mktemp("archive"), statuses=("01",))


def renewed(made: Made, source: Path, target: Path, authority: str = "tsa2") -> Path:
    renew(source, target, trust=made.trust(), timestamp=stamper(made.pki, authority), now=now())
    return target


def test_renewal_and_renewal_of_it(made: Made, tmp_path: Path) -> None:
    once = renewed(made, made.file, tmp_path / "once.asice")
    twice = renewed(made, once, tmp_path / "twice.asice", "tsa")
    report = made.check(twice)
    assert report.ok, report.reasons
    assert len(report.archived) == 2 and report.archived == tuple(sorted(report.archived))
    with zipfile.ZipFile(made.file) as old, zipfile.ZipFile(twice) as new:
        assert new.namelist()[: len(old.namelist())] == old.namelist()
        assert all(new.read(n) == old.read(n) for n in old.namelist())
        assert new.namelist()[-2:] == list(archive_names(2)[1:])


def test_renewal_brings_the_revocation_data_of_its_moment(made: Made, own_pki: Pki, tmp_path: Path) -> None:
    fresh = with_crl(own_pki, "tsa2", now() + timedelta(days=300), now())
    target = tmp_path / "with-data.asice"
    renew(made.digests, target, trust=fresh, timestamp=stamper(own_pki, "tsa"), now=now())
    with zipfile.ZipFile(target) as archive:
        added = [n for n in archive.namelist() if n.startswith("trust/renewal001/")]
        assert len(added) == 1 and archive.read(added[0]) in fresh.crls
    assert made.check(target).ok and made.check(renewed(made, target, tmp_path / "again.asice", "tsa")).ok
    bad = tmp_path / "bad.asice"
    with zipfile.ZipFile(target) as old, zipfile.ZipFile(bad, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            new.writestr(info, b"x" if info.filename == added[0] else old.read(info))
    assert "evidence.invalid" in made.codes(bad)


def test_in_place_and_without_the_seals_own_stamp(made: Made, tmp_path: Path) -> None:
    file = tmp_path / "file.asice"
    shutil.copyfile(made.unstamped, file)
    renewed(made, file, file)
    report = made.check(file, at=now() + timedelta(days=365 * 30))
    assert report.ok and len(report.archived) == 1
    assert any("overdue" in s.en for s in report.statements), "the stamp's own certificate has ended by then"
    assert list(tmp_path.iterdir()) == [file]


def test_every_member_of_an_archive(made: Made, tmp_path: Path) -> None:
    once = renewed(made, renewed(made, made.digests, tmp_path / "1.asice"), tmp_path / "2.asice")
    with zipfile.ZipFile(once) as archive:
        entries = [(n, archive.read(n)) for n in archive.namelist()]
    late = [p for p, (n, _) in enumerate(entries) if "rchive" in n or n.endswith(".tst") or "renewal" in n]
    assert len(late) >= 4
    for place in late:
        name, data = entries[place]
        for how, mutant in {
            "changed": [*entries[:place], (name, data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]), *entries[place + 1 :]],
            "removed": [*entries[:place], *entries[place + 1 :]],
            "moved": [*entries[:place], *entries[place + 1 :], entries[place]] if place < len(entries) - 1 else [entries[0], entries[place], *entries[1:place]],
        }.items():
            target = tmp_path / "mutant.asice"
            with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
                for member, body in mutant:
                    info = zipfile.ZipInfo(member, (2026, 11, 20, 9, 0, 0))
                    info.external_attr = 0o644 << 16
                    new.writestr(info, body)
            try:
                assert not made.check(target).ok, (how, name)
            except EvidenceInvalid:
                continue


def test_a_whole_round_of_renewal_taken_off_is_the_file_as_it_was(made: Made, tmp_path: Path) -> None:
    """Not a mutant: whoever holds the longer copy shows the later stamp."""
    once = renewed(made, made.digests, tmp_path / "1.asice")
    assert made.check(once).ok and made.check(made.digests).ok


def test_what_does_not_hold_is_not_stamped_again(made: Made, tmp_path: Path) -> None:
    broken = tmp_path / "broken.asice"
    with zipfile.ZipFile(made.digests) as old, zipfile.ZipFile(broken, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            new.writestr(info, b"{}" if info.filename == "report/timeline.json" else old.read(info))
    with pytest.raises(EvidenceInvalid):
        renewed(made, broken, tmp_path / "out.asice")
    assert not (tmp_path / "out.asice").exists()


def test_no_authority_no_file(made: Made, tmp_path: Path) -> None:
    def down(_digest: bytes) -> bytes:
        raise TimestampUnavailable("no answer")

    with pytest.raises(TimestampUnavailable):
        renew(made.file, tmp_path / "out.asice", trust=made.trust(), timestamp=down, now=now())
    assert list(tmp_path.iterdir()) == []


def test_an_authority_compromised_later(made: Made, own_pki: Pki, tmp_path: Path) -> None:
    """A stamp whose key falls into other hands later proves nothing alone, but does under a later stamp by another (RFC 3161 4)."""
    once = renewed(made, made.file, tmp_path / "once.asice", "tsa2")
    revoked_at = now() + timedelta(hours=1)
    trust = with_crl(own_pki, "tsa", revoked_at, revoked_at + timedelta(hours=1))
    at = revoked_at + timedelta(hours=2)
    assert not made.check(made.file, trust=trust, at=at).ok
    report = made.check(once, trust=trust, at=at)
    assert report.ok, report.reasons


def test_an_archive_authority_compromised_later(made: Made, own_pki: Pki, tmp_path: Path) -> None:
    once = renewed(made, made.unstamped, tmp_path / "once.asice", "tsa2")
    twice = renewed(made, once, tmp_path / "twice.asice", "tsa")
    revoked_at = now() + timedelta(hours=1)
    trust, at = with_crl(own_pki, "tsa2", revoked_at, revoked_at + timedelta(hours=1)), revoked_at + timedelta(hours=2)
    assert not made.check(once, trust=trust, at=at).ok
    assert made.check(twice, trust=trust, at=at).ok


def test_a_later_round_cannot_be_older(made: Made, own_pki: Pki, tmp_path: Path) -> None:
    """An authority whose clock goes wrong, or a forger: a stamp older than what it covers."""
    once, wrong = tmp_path / "once.asice", tmp_path / "wrong.asice"
    renew(made.digests, once, trust=made.trust(), timestamp=stamper(own_pki), now=now())
    renew(once, wrong, trust=made.trust(), timestamp=stamper(own_pki, "tsa2", ahead=-timedelta(hours=5)), now=now())
    assert "timestamp.invalid" in made.codes(wrong)


def with_crl(pki: Pki, authority: str, revoked_at: datetime, issued: datetime) -> Trust:
    """The trust folder with one more list, on which the authority's certificate is compromised."""
    data = (pki.folder / "ca" / "issuing.pem").read_bytes()
    ca, key = x509.load_pem_x509_certificate(data), load_pem_private_key(data, None)
    entry = (
        x509.RevokedCertificateBuilder(open_key(pki.folder / "tsa" / f"{authority}.pem").certificate.serial_number, revoked_at)
        .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        .build()
    )
    crl = x509.CertificateRevocationListBuilder(ca.subject, issued, issued + timedelta(days=30)).add_revoked_certificate(entry)
    crl = crl.add_extension(x509.CRLNumber(2**40), critical=False)
    made = crl.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    trust = Trust.load(pki.folder / "trust")
    return Trust(trust.anchors, trust.intermediates, (*trust.crls, made.public_bytes(Encoding.DER)), terms=trust.terms)


def test_the_verb(made: Made, own_pki: Pki, tmp_path: Path) -> None:
    server = make_server("127.0.0.1", 0, open_key(own_pki.folder / "tsa" / "tsa.pem"), clock=now)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        trust = tmp_path / "trust"
        shutil.copytree(own_pki.folder / "trust", trust)
        (trust / "log.vkey").write_text(made.vkey)
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        target = tmp_path / "renewed.asice"
        done = CliRunner().invoke(cli, ["timestamp", str(made.file), "--tsa", url, "--trust", str(trust), "-o", str(target)])
        assert done.exit_code == 0, done.output
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    shown = CliRunner().invoke(cli, ["verify", str(target), "--trust", str(trust), "--lang", "en"])
    assert shown.exit_code == 0 and "Archive time-stamp 1" in shown.output
    assert hashlib.sha256(made.file.read_bytes()).hexdigest() != hashlib.sha256(target.read_bytes()).hexdigest()
