"""Every attack family of signed PDFs, generated: none is accepted, every lawful twin is.

For each file: exactly one verdict with a reason, never VALID under any policy, never an
exception, never "no signature" while a trace of one is left.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from signing.policy import POLICIES, judge
from signing.reasons import CATALOGUE
from signing.report import PdfVerdict, Verdict
from signing.sandbox import Sandbox
from signing.verify_pdf import verify_pdf
from tests.security.attacks import ALL, FAMILIES
from tests.security.attacks.builders import STYLES
from tests.security.attacks.workshop import Case, Must, Workshop

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("document", "attachment", "copy")
FREE = [case for case in ALL if not case.caged]
CAGED = [case for case in ALL if case.caged and (case.daily or os.environ.get("VANTHU_ALL_BOMBS"))]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file of the moment is written; one folder for all keeps the run short."""
    return tmp_path_factory.mktemp("attacks") / "case.pdf"


class Late(BaseException):
    """Not an Exception: the verifier catches those."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Ends what does not come back, so that one bad file is one failed test."""

    def late(_signal: int, _frame: object) -> None:
        raise Late(f"no answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(case: Case, verdict: PdfVerdict) -> None:
    """What must be true of one verdict."""
    codes = [r.code for r in verdict.reasons]
    assert isinstance(verdict.verdict, Verdict)
    assert set(codes) <= set(CATALOGUE)
    if verdict.verdict is not Verdict.VALID:
        assert codes, "a reason is always given"
    if case.must is Must.REFUSE and verdict.policy not in case.tolerated:
        assert verdict.verdict is not Verdict.VALID, f"accepted under {verdict.policy} as {verdict.kind}"
    if case.must is not Must.HOLD and case.trace:
        assert "signature.none" not in codes, "there is a trace of a signature"
    if case.must is Must.HOLD and (verdict.policy, verdict.kind) == (case.policy, case.kind):
        assert verdict.verdict is Verdict.VALID, [(r.code, r.place, r.en) for r in verdict.reasons]


@pytest.mark.parametrize("case", FREE, ids=lambda c: c.id)
def test_generated_files(case: Case, workshop: Workshop, file: Path) -> None:
    file.write_bytes(workshop.file(case))
    trust = case.trust(workshop) if case.trust else workshop.trust
    with at_most(5):
        findings = verify_pdf(file, trust, at=workshop.now + case.later)
    for policy in POLICIES:
        for kind in KINDS:
            check(case, judge(findings, policy=policy, kind=kind))


@pytest.mark.parametrize("case", CAGED, ids=lambda c: c.id)
def test_files_that_eat_resources(case: Case, workshop: Workshop, sandbox: Sandbox, file: Path) -> None:
    file.write_bytes(workshop.file(case))
    trust = case.trust(workshop) if case.trust else workshop.trust
    verdict = sandbox.verify(file, trust, at=workshop.now + case.later, policy="crypto-only")
    check(case, verdict)
    if verdict.verdict is Verdict.VALID:
        assert verdict.findings.elapsed_ms <= 2000


MEASURE = """
import json, pickle, resource, sys
from pathlib import Path
from signing.policy import judge
from signing.verify_pdf import verify_pdf
trust, at = pickle.loads(Path(sys.argv[1]).read_bytes())
before = resource.getrusage(resource.RUSAGE_SELF)
found = judge(verify_pdf(Path(sys.argv[2]), trust, at=at), policy="crypto-only")
after = resource.getrusage(resource.RUSAGE_SELF)
seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([found.verdict.value, [r.code for r in found.reasons], seconds, int(peak) / 1024]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("name", ["A16-lawful-25-signatures-50-revisions", "A15-contents-3-mb"])
def test_large_lawful_files_keep_their_bounds(name: str, workshop: Workshop, file: Path, tmp_path: Path) -> None:
    """2 s of CPU and 256 MB, measured in a process of its own, and an answer that is no refusal."""
    case = next(case for case in ALL if case.id == name)
    context = tmp_path / "context"
    file.write_bytes(workshop.file(case))
    context.write_bytes(pickle.dumps((workshop.trust, workshop.now)))
    ran = subprocess.run([sys.executable, "-c", MEASURE, str(context), str(file)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    found, codes, seconds, megabytes = json.loads(ran.stdout)
    assert found in ("valid", "undetermined"), codes
    assert seconds <= 2 and megabytes <= 256, (found, codes, seconds, megabytes)


def test_the_set_is_large_and_without_repeats(workshop: Workshop) -> None:
    files: dict[str, str] = {}
    bases = {hashlib.sha256(pdf.data).hexdigest() for pdf in workshop.bases()}
    refused = [case for case in ALL if case.must is Must.REFUSE]
    for case in refused:
        if case.caged:
            continue
        digest = hashlib.sha256(workshop.file(case)).hexdigest()
        assert digest not in files, f"{case.id} is the same file as {files.get(digest)}"
        assert digest not in bases, f"{case.id} changes nothing"
        files[digest] = case.id
    assert len(files) >= 250
    assert {case.family for case in refused} == set(FAMILIES)
    assert len({case.id for case in ALL}) == len(ALL)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shape", ["plain", "p1", "p2", "p3", "two", "two-plain", "fieldmdp", "wrapped", "lta", "house", "pure", "pure-p2", "pure-two"])
def test_untouched_documents_hold(shape: str, style: str, workshop: Workshop, file: Path) -> None:
    """Without this, refusing everything would pass."""
    file.write_bytes(workshop.base(shape, style).data)
    findings = verify_pdf(file, workshop.trust, at=workshop.now)
    policies = ("nd30", "crypto-only") if shape in ("two", "two-plain", "pure-two", "house") else ("crypto-only",)
    for policy in policies:
        found = judge(findings, policy=policy)
        assert found.verdict is Verdict.VALID, [(r.code, r.place, r.en) for r in found.reasons]
