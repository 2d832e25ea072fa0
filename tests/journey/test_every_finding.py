"""What was found about each signature stands in the terminal's words and in JSON, for time-stamps as for signatures."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from lxml import etree

from signing.cli_verify import verify
from signing.dev_pki import make_pki
from signing.policy import judge
from signing.report import Indication, RevocationFact, Role, SignatureFinding, State
from signing.report_xml import VR, etsi_report
from signing.sign_pdf import Profile, sign_pdf
from signing.sub_verdicts import answers
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from signing.verify_pdf.finding_parts import worst_state
from signing.wording import local
from tests import signing_material as material
from tests.house import SENDER, Pki, letter


@pytest.fixture(scope="module")
def archived(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Person, agency, and a document time-stamp: B-LTA."""
    folder = tmp_path_factory.mktemp("findings")
    trust, now = Trust.load(pki.folder / "trust"), datetime.now(UTC)
    stamp = material.stamper(pki, trust)
    half, done = folder / "half.pdf", folder / "lưu trữ.pdf"
    sign_pdf(letter(folder / "x.pdf"), half, pki.person(), now=now, role=Role.PERSON, field="NguoiKy", trust=trust, timestamp=stamp)
    sign_pdf(half, done, pki.seal(SENDER), now=now, role=Role.AGENCY, field="CoQuan", trust=trust, timestamp=stamp, profile=Profile.B_LTA)
    return done


def findings(path: Path, trust: Path) -> tuple[SignatureFinding, ...]:
    return verify_pdf(path, Trust.load(trust), at=datetime.now(UTC)).signatures


def test_every_finding_is_told_in_words_and_in_json(pki: Pki, archived: Path) -> None:
    run = CliRunner()
    words = [str(archived), "--trust", str(pki.folder / "trust"), "--jobs", "1"]
    text = " ".join(run.invoke(verify, words, env={"COLUMNS": "200"}).stdout.split())
    shown = json.loads(run.invoke(verify, [*words, "--json"]).stdout)["documents"][0]["signatures"]
    sections = [part for part in text.replace("✓ 2.", "✓ 1.").replace("✓ 3.", "✓ 1.").split("✓ 1.") if part][1:]
    found = findings(archived, pki.folder / "trust")
    assert [s.role for s in found] == [Role.PERSON, Role.AGENCY, Role.TIMESTAMP] and len(sections) == 3 == len(shown)
    for signature, section, one in zip(found, sections, shown, strict=True):
        assert signature.chain and signature.anchor and signature.revocations and signature.strength == "strong" and signature.key, signature.field
        assert signature.certificate is not None and signature.certificate_kind == "official" and signature.level == "B-LTA"
        assert {a.code: a.state for a in answers(signature)} == dict.fromkeys(("INTEGRITY", "KEY-MATCH", "CERT", "VALIDITY", "SCOPE", "STATUS"), State.PASSED)
        told = (
            signature.signer,
            signature.field,
            signature.level,
            local(signature.best_time),
            "Root CA",
            "chuyên dùng công vụ",
            "CRL nhúng trong tệp",
            f"bản {signature.revision}/{signature.revisions}",
            "đạt chuẩn 2025",
            signature.key,
        )
        assert [word for word in told if word not in section] == [], section
        finding = one["finding"]
        assert [name for name in ("signer", "role", "certificate_kind", "anchor", "key", "digest", "scheme", "best_time", "level") if not finding[name]] == []
        assert finding["revocations"][0]["state"] == "good" and finding["chain"] and finding["certificate"]
    assert "CN=" not in text and "Đóng dấu lúc" in sections[2]


def test_a_stamp_over_other_bytes_says_so_and_when_it_says_it_was_made(pki: Pki, archived: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pdf"
    other.write_bytes(archived.read_bytes().replace(b"(Cong van)", b"(Cong hoa)"))
    stamp = findings(other, pki.folder / "trust")[2]
    assert (stamp.indication, stamp.sub_indication) == (Indication.FAILED, "HASH_FAILURE")
    assert stamp.certificate is not None and stamp.timestamps[0].time.year >= 2024 and stamp.best_time is None
    verdict = judge(verify_pdf(other, Trust.load(pki.folder / "trust"), at=datetime.now(UTC)))
    tree = etree.fromstring(etsi_report(verdict, made_at=datetime.now(UTC)))
    said = [[(e.text or "").rsplit(":", 1)[-1] for e in s[:2]] for s in tree.iter(f"{{{VR}}}SignatureValidationStatus")]
    assert said == [["total-failed", "HASH_FAILURE"]] * 3


def test_of_an_unknown_authority_nothing_is_said_to_be_good(archived: Path, tmp_path: Path) -> None:
    make_pki(tmp_path / "elsewhere", now=datetime.now(UTC), agencies=[("X.1", "Nơi khác (mô phỏng)")], persons=[])
    stamp = findings(archived, tmp_path / "elsewhere" / "trust")[2]
    assert stamp.certificate is not None and stamp.key and stamp.chain == () and stamp.revocation == "unknown"
    states = {a.code: a.state for a in answers(stamp)}
    assert states["INTEGRITY"] is State.PASSED
    assert {states[code] for code in ("CERT", "VALIDITY", "SCOPE", "STATUS")} == {State.INDETERMINATE}


def test_one_revoked_certificate_of_a_path_is_said_before_all_others() -> None:
    def fact(state: str) -> RevocationFact:
        return RevocationFact("CN=ai đó (mô phỏng)", state, "CRL")

    assert worst_state([fact("good"), fact("unknown"), fact("revoked")]) == "revoked"
    assert worst_state([fact("good"), fact("unknown")]) == "unknown" == worst_state([])
    assert worst_state([fact("good")]) == "good"
