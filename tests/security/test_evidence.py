"""The evidence file: complete, checkable with stock tools, and no byte of it can be changed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.receipt import from_bytes
from signing.dev_tsa import respond
from signing.errors import EvidenceInvalid, SigningError
from signing.evidence import COMMANDS, EvidenceReport, check
from signing.keys import open_key
from signing.sandbox import Sandbox
from signing.timestamps import http_timestamper
from signing.trust import Trust
from tests.house import PULLER, SENDER, House, Pki


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def made(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evidence file of a finished document, its log's verifier key beside it."""
    folder = tmp_path_factory.mktemp("evidence")
    cage = Sandbox(workers=1)
    house = House(pki, folder / "hub", sandbox=cage)
    house.register()
    key = open_key(pki.folder / "tsa" / "tsa.pem")
    trust = Trust.load(pki.folder / "trust")
    house.hub.office.timestamp = http_timestamper(["tsa"], lambda _u, b, _c: respond(b, key, now=now(), serial=1), trust)
    envelope = from_bytes(house.submit(house.package(recipients=(PULLER,)))).envelope
    delivery = house.hub.inbox(PULLER, after=0, limit=5)[0]["delivery"]
    house.hub.acknowledge(PULLER, delivery, *house.status("01"))
    house.hub.report_status(PULLER, *house.status("03"))
    house.hub.evidence(SENDER, envelope, folder / "file.asice")
    house.hub.evidence(SENDER, envelope, folder / "digests.asice", content=False)
    (folder / "log.vkey").write_text(house.hub.office.log_key.vkey())
    house.close()
    cage.close()
    shutil.rmtree(folder / "hub")  # nothing of the hub is needed from here
    return folder


def examine(made: Path, pki: Pki, path: Path) -> EvidenceReport:
    return check(path, trust=Trust.load(pki.folder / "trust"), vkeys=[(made / "log.vkey").read_text()], at=now())


def test_it_holds_without_the_hub(made: Path, pki: Pki) -> None:
    report = examine(made, pki, made / "file.asice")
    assert report.ok, report.reasons
    assert report.seal is not None and report.seal.time_source == "timestamp"
    assert [e["ev"].rsplit("/", 1)[-1] for e in report.events] == ["SubmissionAcceptance", "ContentConsignment", "ContentHandover", "ConsignmentAcceptance"]
    assert len(report.statuses) == 2 and len(report.files) == 2
    assert examine(made, pki, made / "digests.asice").ok


def test_another_log_key_or_anchor(made: Path, pki: Pki) -> None:
    report = check(made / "file.asice", trust=Trust.load(pki.folder / "trust"), vkeys=[], at=now())
    assert not report.ok


@settings(max_examples=250, deadline=None)
@given(where=st.integers(0, 2**40), what=st.integers(1, 255))
def test_no_byte_can_be_changed(made: Path, pki: Pki, where: int, what: int) -> None:
    data = bytearray((made / "file.asice").read_bytes())
    data[where % len(data)] ^= what
    changed = made / "changed.asice"
    changed.write_bytes(data)
    try:
        report = examine(made, pki, changed)
    except SigningError:
        return
    assert not report.ok and report.reasons


def test_a_rewritten_container(made: Path, pki: Pki) -> None:
    """With checksums put right again, the digests still tell."""
    for victim in zipfile.ZipFile(made / "file.asice").namelist():
        target = made / "rewritten.asice"
        with zipfile.ZipFile(made / "file.asice") as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
            for info in old.infolist():
                data = old.read(info)
                new.writestr(info, data[:-1] + bytes([data[-1] ^ 1]) if info.filename == victim else data)
        with contextlib.suppress(SigningError):
            assert not examine(made, pki, target).ok, victim


@pytest.mark.parametrize("extra", ["added.txt", "documents/files/99-x.pdf", "log/leaves/99999999.json", "../x", "/x"])
def test_added_and_missing_members(made: Path, pki: Pki, extra: str) -> None:
    target = made / "more.asice"
    shutil.copyfile(made / "file.asice", target)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(extra, b"x")
    with contextlib.suppress(SigningError):
        assert not examine(made, pki, target).ok
    with zipfile.ZipFile(made / "file.asice") as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            if not info.filename.startswith("log/leaves/") or info.filename != sorted(n for n in old.namelist() if n.startswith("log/leaves/"))[1]:
                new.writestr(info, old.read(info))
    assert not examine(made, pki, target).ok


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_no_container(made: Path, pki: Pki, data: bytes) -> None:
    (made / "none.asice").write_bytes(data)
    with pytest.raises(EvidenceInvalid):
        examine(made, pki, made / "none.asice")


def test_the_commands_in_verify_txt_work(made: Path, pki: Pki, tmp_path: Path) -> None:
    if shutil.which("openssl") is None or shutil.which("sha256sum") is None:
        pytest.skip("openssl or sha256sum is not installed")
    with zipfile.ZipFile(made / "file.asice") as archive:
        archive.extractall(tmp_path)
    text = (tmp_path / "report" / "VERIFY.txt").read_text()
    shutil.copyfile(pki.folder / "trust" / "anchors" / "root.pem", tmp_path / "ROOT.pem")
    for command in COMMANDS.values():
        assert command in text
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    (tmp_path / "documents" / "package.edxml").write_bytes(b"other")
    assert subprocess.run(COMMANDS["sender"], shell=True, cwd=tmp_path, capture_output=True).returncode != 0
    assert subprocess.run(COMMANDS["sums"], shell=True, cwd=tmp_path, capture_output=True).returncode != 0
