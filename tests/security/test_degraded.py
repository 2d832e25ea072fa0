"""Real-world syntax outside the strict rules: a verdict with the mark "degraded", never an error, never "no signature"."""

from __future__ import annotations

from pathlib import Path

import pytest

from signing.policy import judge
from signing.report import Verdict
from signing.verify_pdf import verify_pdf
from tests.security.attacks import ALL
from tests.security.attacks.workshop import Workshop

CASES = {case.id: case for case in ALL}


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("A13-hybrid-signed", "hybrid_xref"),
        ("A12-time-stamp-typed-sig", "timestamp_typed_sig"),
        ("A5-signed-subfilter-unknown", "unsupported_subfilter"),
        ("A5-signed-value-direct", "direct_signature"),
        ("A18-ripemd", "unknown_digest"),
        ("A18-key-negative-modulus", "odd_key"),
    ],
)
def test_odd_syntax_gets_a_marked_verdict(name: str, fact: str, workshop: Workshop, tmp_path: Path) -> None:
    case = CASES[name]
    path = tmp_path / "odd.pdf"
    path.write_bytes(workshop.file(case))
    trust = case.trust(workshop) if case.trust else workshop.trust
    found = verify_pdf(path, trust, at=workshop.now + case.later)
    verdict = judge(found, policy="crypto-only", kind=case.kind)
    assert not found.error and found.signatures
    assert found.degraded and fact in found.syntax, found.syntax
    assert "pdf.degraded" in {r.code for r in verdict.warnings}
    assert (verdict.verdict is Verdict.VALID) == (name == "A13-hybrid-signed"), [r.code for r in verdict.reasons]


@pytest.mark.parametrize(("name", "fact"), [("A3-second-eof@plain-table-lf", "trailing_bytes")])
def test_facts_about_the_file(name: str, fact: str, workshop: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "odd.pdf"
    path.write_bytes(workshop.file(CASES[name]))
    assert fact in verify_pdf(path, workshop.trust, at=workshop.now).syntax
