"""cli_verify — the auditor's verbs verify and inspect. No database, no network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

import click
from rich.progress import Progress

from signing.cli_options import FILE, TRUST, now
from signing.errors import SigningError, TrustUnusable
from signing.evidence import EvidenceReport, check
from signing.policy import POLICIES
from signing.report import PdfVerdict, Reason, Verdict
from signing.sandbox import Sandbox
from signing.show import EVENT_COLUMNS, Screen, event_label, local, moment, options, refused
from signing.trust import Trust
from signing.verify_pdf import verify_pdf

Kind = Literal["document", "attachment", "copy"]


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@TRUST
@click.option("--policy", type=click.Choice(POLICIES), default="nd30", show_default=True, help="Policy for PDF files.")
@click.option("--kind", type=click.Choice(["document", "attachment", "copy"]), default="document", show_default=True, help="What a PDF is.")
@options
def verify(files: tuple[Path, ...], trust_folder: Path, policy: str, kind: str, screen: Screen) -> None:
    """Verify PDFs, folders of PDFs and evidence files (.asice), offline."""
    try:
        trust = Trust.load(trust_folder)
        paths = [p for f in files for p in (sorted(f.rglob("*.pdf")) if f.is_dir() else [f])]
        keys = (trust_folder / "log.vkey").read_text().split() if (trust_folder / "log.vkey").exists() else []
        results = _verify_all(paths, trust, keys, policy, cast(Kind, kind), screen)
    except TrustUnusable as error:
        refused(screen, error)
        sys.exit(2)
    screen.value([{"file": str(path), "result": result} for path, result in results])
    if len(results) > 1:
        rows = [(str(path), _label(result, screen)) for path, result in results]
        screen.table(("Tổng hợp", "Summary"), (("Tệp", "File"), ("Kết quả", "Verdict")), rows)
    sys.exit(0 if results and all(_holds(result) for _, result in results) else 1)


Result = PdfVerdict | EvidenceReport | Reason


def _verify_all(paths: Sequence[Path], trust: Trust, keys: Sequence[str], policy: str, kind: Kind, screen: Screen) -> list[tuple[Path, Result]]:
    results: list[tuple[Path, Result]] = []
    sandbox = Sandbox(workers=1)
    try:
        with Progress(console=screen.err, transient=True, disable=len(paths) < 2) as bar:
            task = bar.add_task(screen.word("Đang kiểm tra", "Verifying"), total=len(paths))
            for path in paths:
                result = _verify_one(path, trust, keys, policy, kind, sandbox)
                results.append((path, result))
                _show(path, result, screen)
                bar.advance(task)
    finally:
        sandbox.close()
    return results


def _verify_one(path: Path, trust: Trust, keys: Sequence[str], policy: str, kind: Kind, sandbox: Sandbox) -> Result:
    if path.suffix.lower() not in (".asice", ".asic", ".zip"):
        return sandbox.verify(path, trust, at=now(), policy=policy, kind=kind)

    def pdf(file: Path, of_kind: str) -> PdfVerdict:
        return sandbox.verify(file, trust, at=now(), policy="nd30", kind=cast(Kind, of_kind))

    try:
        return check(path, trust=trust, vkeys=keys, at=now(), verify=pdf)
    except SigningError as error:
        return Reason(error.code, f"{error.vi} {error.detail}", f"{error.en} {error.detail}", error.place)


def _holds(result: Result) -> bool:
    if isinstance(result, EvidenceReport):
        return result.ok
    return isinstance(result, PdfVerdict) and result.verdict is Verdict.VALID


def _label(result: Result, screen: Screen) -> str:
    if isinstance(result, PdfVerdict):
        return screen.word(result.verdict.vi, result.verdict.en)
    verdict = Verdict.VALID if _holds(result) else Verdict.INVALID
    return screen.word(verdict.vi, verdict.en)


def _show(path: Path, result: Result, screen: Screen) -> None:
    if isinstance(result, PdfVerdict):
        screen.verdict(path.name, result)
    elif isinstance(result, EvidenceReport):
        _show_evidence(path, result, screen)
    elif not screen.as_json:
        screen.out.print(f"{path.name}: [bold red]{screen.word(Verdict.INVALID.vi, Verdict.INVALID.en)}[/]")
        screen.reasons([result])


def _show_evidence(path: Path, report: EvidenceReport, screen: Screen) -> None:
    if screen.as_json:
        return
    style = "bold green" if report.ok else "bold red"
    screen.out.print(f"{path.name}: [{style}]{_label(report, screen)}[/]")
    screen.say(f"Văn bản: {report.document_id} · bên gửi: {report.sender}", f"Document: {report.document_id} · sender: {report.sender}")
    rows = [
        (str(e["index"]), moment(e["at"]), event_label(screen, str(e["ev"]), str(e.get("st", ""))), str(e["by"]), str(e.get("to", ""))) for e in report.events
    ]
    screen.table(("Chuỗi lưu giữ (đã chứng minh)", "Custody (proven)"), EVENT_COLUMNS, rows)
    for name, _, verdict in report.files:
        shown = Verdict(verdict) if verdict else None
        screen.say(f"  {name}: {shown.vi if shown else '—'}", f"  {name}: {shown.en if shown else '—'}")
    if report.seal is not None:
        stamp = report.seal.time_source == "timestamp"
        screen.say(
            f"Niêm phong: {report.seal.signer}; " + (f"dấu thời gian {local(report.seal.time)}" if stamp else "không có dấu thời gian"),
            f"Seal: {report.seal.signer}; " + (f"time-stamp {local(report.seal.time)}" if stamp else "no time-stamp"),
        )
    screen.reasons(report.reasons)


@click.command()
@click.argument("file", type=FILE)
@TRUST
@options
def inspect(file: Path, trust_folder: Path, screen: Screen) -> None:
    """Show each signature of a PDF, which revision it covers and what changed later."""
    try:
        findings = verify_pdf(file, Trust.load(trust_folder), at=now())
    except TrustUnusable as error:
        sys.exit(refused(screen, error))
    screen.value(findings)
    screen.say(
        f"SHA-256 {findings.sha256} · {findings.size} byte · {findings.revisions} bản",
        f"SHA-256 {findings.sha256} · {findings.size} bytes · {findings.revisions} revisions",
    )
    columns = (("Trường", "Field"), ("Người ký", "Signer"), ("Bản", "Revision"), ("Thay đổi sau đó", "Later changes"), ("Toàn vẹn", "Intact"))
    rows = [(s.field, s.signer, f"{s.revision}/{s.revisions}", s.changes_after, "✓" if s.intact else "✗") for s in findings.signatures]
    screen.table(("Chữ ký", "Signatures"), columns, rows)
    if not screen.as_json:
        screen.reasons((*findings.reasons, *(r for s in findings.signatures for r in s.reasons)))
    sys.exit(1 if findings.error else 0)
