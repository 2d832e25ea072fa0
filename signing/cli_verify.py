"""cli_verify — the auditor's verb verify: one file or thousands, evidence files too. No database, no network."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from signing import wording
from signing.batch import CLAIMED, Outcome, Question, Tally, verify_files
from signing.cli_options import TRUST, now
from signing.errors import SigningError
from signing.evidence import EvidenceReport
from signing.explain import explain, explain_reasons
from signing.keys import open_key
from signing.policy_rules import POLICIES, policy
from signing.report import PdfVerdict, State, Verdict, to_json
from signing.report_files import ReportFiles
from signing.report_json import FORMAT, Shown, document_report, evidence_report, line, refused_report, tool
from signing.sandbox import Sandbox
from signing.show import Screen, options, refused
from signing.show_evidence import show_evidence
from signing.trust import Trust
from signing.which_files import NothingThere, expand, spooled
from signing.witness_policy import WitnessPolicy, load_policy
from signing.wording import VIETNAM, safe

FULL_UP_TO = 5  # files shown in full; more get a line each
_TARGET = click.Path(path_type=Path)
_KEY = click.Path(path_type=Path, exists=True)
_COLOUR = {Verdict.VALID: "green", Verdict.INVALID: "red", Verdict.UNDETERMINED: "yellow"}
_MARK = {Verdict.VALID: "✓", Verdict.INVALID: "✗", Verdict.UNDETERMINED: "?"}


@dataclass(frozen=True)
class Wanted:
    """What the caller wants to see and to have written."""

    jsonl: bool
    explained: bool
    fail_fast: bool
    jobs: int
    html: Path | None
    report_pdf: Path | None
    etsi: Path | None
    key: Path | None
    password_file: Path | None


@click.command()
@click.argument("files", nargs=-1, required=True)
@TRUST
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME",
    help=f"For PDFs: {', '.join(POLICIES)}, or a policy file (.toml).  For evidence files: a file with logs and witnesses.  [default: nd30]",
)
@click.option("--kind", type=click.Choice(["document", "attachment", "copy", "auto"]), default="document", show_default=True, help="What a PDF is.")
@click.option("--number", default="", metavar="TEXT", help="Number and symbol that an attachment's mark must show.")
@click.option("--at", "at_text", default="", metavar="TIME", help='Judge at this ISO 8601 time, or "claimed": when the signers say they signed.')
@click.option("--explain", "explained", is_flag=True, help="Say for each failed check what would have to be different.")
@click.option("--html", type=_TARGET, help="Write an HTML page; a folder when there are several files.")
@click.option("--report-pdf", type=_TARGET, help="Write a signed PDF report; wants --key.")
@click.option("--key", type=_KEY, help="PKCS#12 or PEM key that signs the PDF report.")
@click.option("--password-file", type=_KEY, help="Password of the key file.")
@click.option("--etsi", type=_TARGET, help="Write the ETSI TS 119 102-2 report (XML).")
@click.option("--jobs", type=click.IntRange(1, 256), default=None, help="Files verified at the same time.  [default: processors]")
@click.option("--jsonl", is_flag=True, help="Print a line of JSON for each file, as it is done.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first file that does not hold.")
@options
def verify(
    files: tuple[str, ...], trust_folder: Path, policies: tuple[str, ...], kind: str, number: str, at_text: str, jobs: int | None, screen: Screen, **more: Any
) -> None:
    """Verify PDFs, folders of PDFs and evidence files (.asice), offline; - is standard input."""
    wanted = Wanted(jobs=jobs or os.cpu_count() or 1, **more)
    if wanted.report_pdf and not wanted.key:
        raise click.UsageError("--report-pdf wants --key: the report is signed.")
    if wanted.jsonl:
        screen.as_json = True
    try:
        policy_name, witnesses = _policies(policies, trust_folder)
        trust = Trust.load(trust_folder)
        vkeys = tuple((trust_folder / "log.vkey").read_text().split()) if (trust_folder / "log.vkey").exists() else ()
        at = _moment(at_text)
        question = Question(trust, at or now(), policy_name, kind, number, at_text == CLAIMED, vkeys, witnesses)
        with TemporaryDirectory(prefix="vanthu-") as folder:
            given, shown_as = spooled(files, Path(folder))
            code = _run(screen, expand(given), shown_as, question, wanted)
    except SigningError as error:
        refused(screen, error)
        sys.exit(2)
    except NothingThere as error:
        raise click.UsageError(f"File {str(error)!r} does not exist.") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from error
    sys.exit(code)


def _policies(names: tuple[str, ...], trust_folder: Path) -> tuple[str, WitnessPolicy | None]:
    """(policy for PDFs, policy on logs and witnesses) of all that was named; the latter may lie in the trust folder.

    Raises:
        PolicyUnusable: unknown name, or a file that is neither.
    """
    for_pdfs, witnesses = "nd30", None
    default = trust_folder / "witness-policy.txt"
    for name in names:
        if name in POLICIES or name.endswith(".toml") or not Path(name).is_file():
            for_pdfs = name
        else:
            witnesses = load_policy(Path(name))
    policy(for_pdfs)
    return for_pdfs, load_policy(default) if witnesses is None and default.is_file() else witnesses


def _moment(text: str) -> datetime | None:
    """The moment asked for; a time without a zone is Vietnam's."""
    if text in ("", CLAIMED):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"--at {text!r} is neither an ISO 8601 time nor {CLAIMED!r}.") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=VIETNAM)


def _run(screen: Screen, paths: list[Path], shown_as: Mapping[Path, Path], question: Question, wanted: Wanted) -> int:
    """Verify, show, write; the exit code: 0 all hold, 1 some do not. `shown_as` gives other names for some paths."""
    if not paths:
        raise click.UsageError("There is no PDF or evidence file in the folder.")
    key = open_key(wanted.key, password=_password(wanted)) if wanted.key else None
    reports = ReportFiles(wanted.html, wanted.report_pdf, wanted.etsi, key, len(paths) > 1, question.at)
    tally, started = Tally(), time.monotonic()
    _warn_claimed(screen, question)
    sandbox = Sandbox(workers=min(wanted.jobs, len(paths)))
    output = _Output(screen, question, wanted, len(paths))
    try:
        for outcome in _watched(screen, verify_files(paths, question, sandbox, jobs=wanted.jobs), len(paths)):
            outcome = replace(outcome, path=shown_as.get(outcome.path, outcome.path))
            tally.add(outcome)
            output.show(outcome)
            if reports.wanted and isinstance(outcome.result, PdfVerdict):
                reports.add(outcome.path, outcome.result, claimed=outcome.claimed)
            if wanted.fail_fast and outcome.verdict is not Verdict.VALID:
                break
    finally:
        sandbox.close()
    reports.close()
    if reports.wanted and not reports.written:
        screen.err.print(
            screen.word("vanthu: chỉ tệp PDF có báo cáo riêng; không có báo cáo nào được ghi.", "vanthu: only PDFs get reports; none was written.")
        )
    output.close(tally, time.monotonic() - started)
    return 0 if tally.verdicts[Verdict.VALID] == len(paths) else 1


def _password(wanted: Wanted) -> bytes | None:
    return wanted.password_file.read_bytes().rstrip(b"\r\n") if wanted.password_file else None


def _warn_claimed(screen: Screen, question: Question) -> None:
    if question.claimed and not screen.as_json:
        screen.out.print(
            screen.word(
                "[bold yellow]!! XÉT TẠI THỜI ĐIỂM NGƯỜI KÝ TỰ KHAI: không có gì chứng minh thời điểm đó; kết luận dưới đây chỉ để tham khảo.[/]",
                "[bold yellow]!! JUDGED AT THE TIME THE SIGNERS CLAIM: nothing proves that time; the verdicts below are for information only.[/]",
            )
        )


class _Rate(ProgressColumn):
    """Files per second, over the whole run."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time or task.elapsed or 0.0
        return Text(f"{task.completed / elapsed:.0f}/s" if elapsed > 0 else "–/s")


def _watched(screen: Screen, outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """The outcomes, with a bar on standard error while they come.

    Where both streams are the same terminal the bar is drawn by the console that prints the
    results, or each would overwrite the other.
    """
    console = screen.out if screen.out.is_terminal and not screen.as_json else screen.err
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=total < 2 or not console.is_terminal, refresh_per_second=4) as bar:
        task = bar.add_task(screen.word("Đang kiểm tra", "Verifying"), total=total)
        for outcome in outcomes:
            yield outcome
            bar.advance(task)


class _Output:
    """Results as they come: JSON (one document, or a line each), full screens, or a line each; then a summary."""

    def __init__(self, screen: Screen, question: Question, wanted: Wanted, total: int) -> None:
        self.screen, self.question, self.wanted, self.total = screen, question, wanted, total
        self._written = 0
        if screen.as_json and not wanted.jsonl:
            head = {"format": FORMAT, "tool": to_json(tool()), "made_at": question.at.isoformat()}
            click.echo(json.dumps(head, ensure_ascii=False)[:-1] + ', "documents": [', nl=False)

    def show(self, outcome: Outcome) -> None:
        """One outcome."""
        if self.screen.as_json:
            shown = _shown(outcome)
            if self.wanted.jsonl:
                click.echo(json.dumps(line(shown, made_at=self.question.at), ensure_ascii=False))
            else:
                text = json.dumps(to_json(shown), ensure_ascii=False, indent=1 if self.total <= FULL_UP_TO else None)
                click.echo(("," if self._written else "") + "\n" + text, nl=False)
        elif self.total <= FULL_UP_TO:
            _show(self.screen, outcome)
        else:
            self._one_line(outcome)
        if self.wanted.explained:
            doubt = State.INDETERMINATE if outcome.verdict is Verdict.UNDETERMINED else State.FAILED
            self.screen.explanations(explain(outcome.result) if isinstance(outcome.result, PdfVerdict) else explain_reasons(outcome.reasons, doubt))
        self._written += 1

    def _one_line(self, outcome: Outcome) -> None:
        text = Text(f"{_MARK[outcome.verdict]} ", style=_COLOUR[outcome.verdict])
        text.append(f"{self.screen.word(*wording.VERDICTS[outcome.verdict])}  ", style=_COLOUR[outcome.verdict])
        text.append(safe(str(outcome.path)))
        codes = ", ".join(dict.fromkeys(r.code for r in outcome.reasons))
        text.append(f"  {codes}" if codes and outcome.verdict is not Verdict.VALID else "", style="dim")
        self.screen.out.print(text, soft_wrap=True)

    def close(self, tally: Tally, elapsed: float) -> None:
        """The summary."""
        if self.screen.as_json:
            if not self.wanted.jsonl:
                click.echo(f'\n], "summary": {json.dumps(to_json(tally.summary(elapsed)), ensure_ascii=False)}}}')
            return
        if self.total < 2:
            return
        word = self.screen.word
        skipped = self.total - tally.total
        rows = [(word(*wording.VERDICTS[v]), str(tally.verdicts[v]), f"{100 * tally.verdicts[v] / tally.total:.0f} %") for v in Verdict]
        if skipped:
            rows.append((word("chưa kiểm tra", "not checked"), str(skipped), ""))
        rows.append((word("tổng cộng", "total"), str(self.total), word(f"{elapsed:.1f} giây, {tally.total / elapsed:.0f} tệp/giây", _rate(tally, elapsed))))
        self.screen.table(("Tổng hợp", "Summary"), (("Kết quả", "Verdict"), ("Số tệp", "Files"), ("Tỷ lệ", "Share")), rows)
        frequent = [(str(n), word(tally.texts[c].vi, tally.texts[c].en), c) for c, n in tally.codes.most_common(5)]
        if frequent:
            self.screen.table(("Lý do thường gặp", "Most frequent reasons"), (("Số tệp", "Files"), ("Lý do", "Reason"), ("Mã", "Code")), frequent)
        if self.total > FULL_UP_TO:
            slow = [(f"{1000 * seconds:.0f} ms", safe(str(path))) for seconds, path in tally.slowest]
            self.screen.table(("Chậm nhất", "Slowest"), (("Thời gian", "Time"), ("Tệp", "File")), slow)


def _rate(tally: Tally, elapsed: float) -> str:
    return f"{elapsed:.1f} s, {tally.total / elapsed:.0f} files/s"


def _shown(outcome: Outcome) -> Shown:
    name = str(outcome.path)
    if isinstance(outcome.result, PdfVerdict):
        return document_report(name, outcome.result, judged_at=outcome.at, claimed=outcome.claimed)
    return evidence_report(name, outcome.result) if isinstance(outcome.result, EvidenceReport) else refused_report(name, outcome.result, outcome.verdict)


def _show(screen: Screen, outcome: Outcome) -> None:
    if isinstance(outcome.result, PdfVerdict):
        screen.verdict(outcome.path.name, outcome.result, at=outcome.at)
    elif isinstance(outcome.result, EvidenceReport):
        _head(screen, outcome.path, outcome.verdict)
        show_evidence(screen, outcome.result)
    else:
        _head(screen, outcome.path, outcome.verdict)
        screen.reasons([outcome.result])


def _head(screen: Screen, path: Path, verdict: Verdict) -> None:
    screen.out.print(f"[bold {_COLOUR[verdict]}]{screen.word(*wording.VERDICTS[verdict])}[/]  [bold]{escape(safe(path.name))}[/]")
