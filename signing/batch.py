"""batch — nhiều tệp cùng lúc: many files verified side by side, results in the order asked for.

Threads here only wait for the workers of a `Sandbox`; the work itself is done in as many
processes as there are jobs, each started once and told the trust list once.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from signing.errors import SigningError
from signing.evidence import EvidenceReport, check
from signing.policy import judge
from signing.reasons import CATALOGUE, reason
from signing.report import PdfFindings, PdfVerdict, Reason, Role, Verdict
from signing.report_json import Summary
from signing.sandbox import Sandbox
from signing.trust import Trust
from signing.which_files import EVIDENCE
from signing.witness_policy import WitnessPolicy

CLAIMED = "claimed"
UNREADABLE = "evidence.unreadable"
Result = PdfVerdict | EvidenceReport | Reason


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every file. `at` is a moment; `claimed`: judge at the claimed signing time instead."""

    trust: Trust
    at: datetime
    policy: str = "nd30"
    kind: str = "document"
    number: str = ""
    claimed: bool = False
    vkeys: tuple[str, ...] = ()
    witnesses: WitnessPolicy | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One file with its result, the moment that it was judged at, and the seconds that it took."""

    path: Path
    result: Result
    at: datetime
    claimed: bool
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The verdict shown to people."""
        if isinstance(self.result, PdfVerdict):
            return self.result.verdict
        if isinstance(self.result, Reason) and self.result.code == UNREADABLE:
            return Verdict.UNDETERMINED
        return Verdict.VALID if isinstance(self.result, EvidenceReport) and self.result.ok else Verdict.INVALID

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why, whatever kind of file it is."""
        return (self.result,) if isinstance(self.result, Reason) else self.result.reasons


def verify_files(paths: Sequence[Path], question: Question, sandbox: Sandbox, *, jobs: int) -> Iterator[Outcome]:
    """Verify every path, `jobs` at a time; outcomes come in the order of `paths` as soon as they are there.

    Closing the iterator gives up what was not begun.
    """
    waiting: deque[Future[Outcome]] = deque()
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="vanthu-batch")
    try:
        for path in paths:
            waiting.append(pool.submit(verify_file, path, question, sandbox))
            if len(waiting) >= 8 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except KeyboardInterrupt:
        # Nobody waits for what runs: it may have seconds to go.
        pool.shutdown(wait=False, cancel_futures=True)
        sandbox.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def verify_file(path: Path, question: Question, sandbox: Sandbox) -> Outcome:
    """Verify one path in the sandbox. Never raises for what is in the file."""
    started = time.perf_counter()
    at, claimed = question.at, False
    if path.suffix.lower() in EVIDENCE:
        return Outcome(path, _evidence(path, question, sandbox), at, False, time.perf_counter() - started)
    verdict = _pdf(path, question, at, sandbox)
    if question.claimed:
        said = claimed_time(verdict.findings)
        if said is not None:
            at, claimed = said, True
            verdict = _pdf(path, question, at, sandbox)
    return Outcome(path, verdict, at, claimed, time.perf_counter() - started)


def _pdf(path: Path, question: Question, at: datetime, sandbox: Sandbox) -> PdfVerdict:
    kind = "document" if question.kind == "auto" else question.kind
    verdict = sandbox.verify(path, question.trust, at=at, policy=question.policy, kind=kind, number=question.number)
    guessed = guess_kind(verdict.findings) if question.kind == "auto" else kind
    if guessed != kind and not verdict.findings.error:
        verdict = judge(verdict.findings, policy=question.policy, kind=guessed, number=question.number)
    return verdict


def _evidence(path: Path, question: Question, sandbox: Sandbox) -> EvidenceReport | Reason:
    def pdf(file: Path, of_kind: str) -> PdfVerdict:
        return sandbox.verify(file, question.trust, at=question.at, policy=question.policy, kind=of_kind)

    try:
        path.open("rb").close()  # a file that cannot be read says nothing about what is in it
        return check(path, trust=question.trust, vkeys=question.vkeys, at=question.at, verify=pdf, policy=question.witnesses)
    except SigningError as error:
        return Reason(error.code, f"{error.vi} {error.detail}", f"{error.en} {error.detail}", error.place)
    except OSError as error:
        return reason(UNREADABLE, path.name, error.strerror or type(error).__name__)


def guess_kind(findings: PdfFindings) -> str:
    """What a PDF is, by what it shows: only a mark makes it an attachment or a copy, and a person's signature a document.

    A file that merely lacks the person's signature stays a document, or the two-signature
    rule could be evaded by leaving the signature out.
    """
    if any(s.role is Role.PERSON for s in findings.signatures):
        return "document"
    kinds = {s.mark.kind for s in findings.signatures if s.mark is not None and s.role is Role.AGENCY}
    return "copy" if "copy" in kinds else "attachment" if "attachment" in kinds else "document"


def claimed_time(findings: PdfFindings) -> datetime | None:
    """The latest time that a signer claims: when the document was complete by its own word."""
    return max((s.claimed_time for s in findings.signatures if s.claimed_time is not None), default=None)


def plain(said: Reason) -> Reason:
    """The reason without what belongs to one file only: place and details."""
    text = CATALOGUE.get(said.code)
    return Reason(said.code, f"{text.vi}.", f"{text.en}.") if text is not None else replace(said, place="")


class Tally:
    """Counts outcomes as they come: verdicts, reasons, and the slowest files."""

    def __init__(self) -> None:
        self.verdicts: Counter[Verdict] = Counter()
        self.codes: Counter[str] = Counter()
        self.texts: dict[str, Reason] = {}
        self.slowest: list[tuple[float, Path]] = []

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.verdicts[outcome.verdict] += 1
        for said in {r.code: r for r in outcome.reasons}.values():
            self.codes[said.code] += 1
            self.texts.setdefault(said.code, plain(said))
        self.slowest = sorted([*self.slowest, (outcome.seconds, outcome.path)], key=lambda item: -item[0])[:3]

    @property
    def total(self) -> int:
        """How many files."""
        return self.verdicts.total()

    def summary(self, elapsed: float) -> Summary:
        """For the JSON report."""
        valid, invalid, undetermined = (self.verdicts[v] for v in (Verdict.VALID, Verdict.INVALID, Verdict.UNDETERMINED))
        return Summary(self.total, valid, invalid, undetermined, round(elapsed, 3), dict(self.codes.most_common()))
