"""The quick path never accepts what the full path refuses: on generated attacks, lawful files and public ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signing.policy import POLICIES, judge
from signing.report import PdfFindings, Verdict
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.quick_path import read_quickly
from tests.house import Pki
from tests.security.attacks import ALL
from tests.security.attacks.workshop import Case, Must, Workshop

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "pdf"
FREE = [case for case in ALL if not case.caged]


def is_read_quickly(path: Path) -> bool:
    """Does the quick path read the file? Where it hands over, verify_pdf is the full path and there is nothing to compare."""
    with path.open("rb") as file:
        try:
            read_quickly(PdfFile.open(file.fileno(), path.stat().st_size))
        except Exception:  # Unusual hands over to the full path; anything else is "cannot be verified" by either
            return False
    return True


def agree(path: Path, trust: Trust, at: datetime, kind: str) -> PdfFindings:
    """Both paths on one file that the quick one reads; its findings."""
    quick = verify_pdf(path, trust, at=at)
    full = verify_pdf(path, trust, at=at, full=True)
    assert (quick.path, full.path) == ("quick", "full")
    for policy in POLICIES:
        ours, theirs = judge(quick, policy=policy, kind=kind), judge(full, policy=policy, kind=kind)
        if ours.verdict is Verdict.VALID:
            assert theirs.verdict is Verdict.VALID, (policy, [(r.code, r.place, r.en) for r in theirs.reasons])
    assert [s.field for s in quick.signatures] == [s.field for s in full.signatures]
    assert quick.sha256 == full.sha256
    return quick


@pytest.mark.parametrize("family", sorted({case.family for case in FREE}))
def test_on_generated_files(family: str, workshop: Workshop, tmp_path: Path) -> None:
    quick = 0
    for number, case in enumerate(c for c in FREE if c.family == family):
        path = tmp_path / f"{number}.pdf"
        path.write_bytes(workshop.file(case))
        trust = case.trust(workshop) if case.trust else workshop.trust
        if is_read_quickly(path):
            agree(path, trust, workshop.now + case.later, case.kind)
            quick += 1
    # Lawful twins of regular shape go the quick way; otherwise nothing would be compared.
    if family == "A10":
        assert quick >= 3


def test_the_house_documents_go_the_quick_way(pki: Pki) -> None:
    trust, now = Trust.load(pki.folder / "trust"), datetime.now(UTC)
    for path, kind in ((pki.document, "document"), (pki.attachment, "attachment")):
        found = agree(path, trust, now, kind)
        assert judge(found, kind=kind).verdict is Verdict.VALID


def test_on_public_files() -> None:
    index = CORPUS / "index.json"
    if not index.exists():
        pytest.skip("the public files are not beside this checkout")
    quick = 0
    for entry in json.loads(index.read_text()):
        path = CORPUS / entry["file"]
        trust = Trust(())
        if is_read_quickly(path):
            first = verify_pdf(path, trust, at=datetime.now(UTC))
            claimed = [s.claimed_time for s in first.signatures if s.claimed_time is not None]
            agree(path, trust, max(claimed) + timedelta(seconds=1) if claimed else datetime.now(UTC), "document")
            quick += 1
    assert quick > 50


def test_some_generated_files_are_lawful() -> None:
    assert any(isinstance(c, Case) and c.must is Must.HOLD for c in FREE)
