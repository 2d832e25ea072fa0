"""The public files, when they are there, and the rules by which they are weighed."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signing.reasons import reason
from signing.report import DualSignature, Indication, PdfFindings, PdfVerdict, Verdict
from tests.house import Pki
from tests.security import corpus

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def verdict(found: Verdict, *codes: str, elapsed: float = 1.0) -> PdfVerdict:
    findings = PdfFindings("", 0, elapsed_ms=elapsed)
    indication = Indication.PASSED if found is Verdict.VALID else Indication.INDETERMINATE
    return PdfVerdict("crypto-only", found, DualSignature.NOT_APPLICABLE, indication, "", tuple(reason(c) for c in codes), findings)


def entry(stated: str = "", *, agreed: bool = False) -> corpus.Entry:
    return corpus.Entry(Path("x.pdf"), "x.pdf", stated, agreed)


@pytest.mark.parametrize(
    ("stated", "agreed", "found", "broken"),
    [
        ("ATTACK_MUST_REJECT", False, verdict(Verdict.VALID), ("accepted",)),
        ("FAIL", False, verdict(Verdict.VALID), ("accepted",)),
        ("REJECT_OR_RAISE", False, verdict(Verdict.VALID), ("accepted",)),
        ("FAIL", False, verdict(Verdict.INVALID, "signature.broken"), ()),
        ("", False, verdict(Verdict.INVALID), ("no reason",)),
        ("", False, verdict(Verdict.VALID, elapsed=2500), ("over the limits",)),
        ("", False, verdict(Verdict.UNDETERMINED, "pdf.limit"), ("over the limits",)),
        ("PASS", False, verdict(Verdict.UNDETERMINED, "pdf.cannot_verify"), ()),
        ("", True, verdict(Verdict.UNDETERMINED, "pdf.cannot_verify"), ("accepted by all others",)),
        ("", True, verdict(Verdict.INVALID, "pdf.tampered.changed"), ()),
        ("", True, verdict(Verdict.UNDETERMINED, "signature.weak_algorithm"), ()),
        ("PASS", True, verdict(Verdict.VALID), ()),
    ],
)
def test_rules(stated: str, agreed: bool, found: PdfVerdict, broken: tuple[str, ...]) -> None:
    assert corpus.weigh(entry(stated, agreed=agreed), found).broken == broken


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"/M (D:20201101102000+01'00')", datetime(2020, 11, 1, 9, 20, tzinfo=UTC)),
        (b"/M (D\\07220201101102000\\05301\\04700\\047)", datetime(2020, 11, 1, 9, 20, tzinfo=UTC)),
        (b"/M(D:20201101102000Z)/M(D:20191101102000Z)", datetime(2020, 11, 1, 10, 20, tzinfo=UTC)),
        (b"/M(D:20209999102000Z)", NOW),
        (b"", NOW),
    ],
)
def test_claimed_time(text: bytes, moment: datetime) -> None:
    assert corpus.claimed_time(text, NOW) == moment


def test_a_folder_is_run_from_the_command_line(pki: Pki, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pki.document.read_bytes()
    (tmp_path / "good.pdf").write_bytes(data)
    (tmp_path / "bad.pdf").write_bytes(data + b"garbage")
    index = [{"file": "good.pdf", "stated_verdict": "PASS"}, {"file": "bad.pdf", "stated_verdict": "ATTACK_MUST_REJECT"}, {"file": "absent.pdf"}]
    (tmp_path / "index.json").write_text(json.dumps(index))
    ran = subprocess.run([sys.executable, "-m", "tests.security.corpus", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "PASS valid: 1" in ran.stdout and "files: 2" in ran.stdout and "broken: 0" in ran.stdout
    (tmp_path / "bad.pdf").write_bytes(data)
    assert corpus.main([str(tmp_path)]) == 1
    assert "broken: 1" in capsys.readouterr().out


def test_public_files() -> None:
    place = corpus.folder()
    if place is None:
        pytest.skip("the public files are not beside this checkout, and VANTHU_CORPUS names no folder")
    outcomes = corpus.run(place, now=datetime.now(UTC))
    assert outcomes
    assert [(o.entry.name, o.broken, o.codes) for o in outcomes if o.broken] == []
    counts = corpus.summary(outcomes)
    assert counts.get("PASS valid", 0) >= counts.get("PASS all", 0) * 0.6
