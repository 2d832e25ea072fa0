"""cli — the auditor's verbs: verify, inspect, sign, keys. No database, no network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from rich.progress import Progress

from signing.dev_pki import make_pki, write_crls
from signing.dev_tsa import make_server
from signing.errors import SigningError, TrustUnusable
from signing.evidence import EvidenceReport, check
from signing.keys import open_key
from signing.policy import POLICIES
from signing.report import PdfVerdict, Reason, Role, Verdict
from signing.sandbox import Sandbox
from signing.show import EVENT_COLUMNS, Screen, event_label, local, moment, options, refused
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, Profile, sign_pdf
from signing.trust import Trust
from signing.verify_pdf import verify_pdf

Kind = Literal["document", "attachment", "copy"]
FILE = click.Path(path_type=Path, exists=True)
TRUST = click.option("--trust", "trust_folder", type=FILE, envvar="VANTHU_TRUST", required=True, help="Folder with anchors/, intermediates/, crls/, log.vkey.")


def now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


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


@click.command()
@click.argument("file", type=FILE)
@click.option("--key", "key_file", type=FILE, required=True, help="PKCS#12 or PEM file.")
@click.option("--password-file", type=FILE, help="Password of the key file.")
@click.option("--role", type=click.Choice(["person", "agency"]), required=True, help="Who signs.")
@click.option("--kind", type=click.Choice(["document", "attachment", "copy"]), default="document", show_default=True, help="What is signed.")
@click.option("--profile", type=click.Choice([p.value for p in Profile]), default="B-B", show_default=True, help="PAdES level.")
@click.option("--trust", "trust_folder", type=FILE, envvar="VANTHU_TRUST", help="Wanted for the agency's signature and for B-LT.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Where the signed file goes.")
@options
def sign(
    file: Path,
    key_file: Path,
    password_file: Path | None,
    role: str,
    kind: str,
    profile: str,
    trust_folder: Path | None,
    output: Path,
    screen: Screen,
) -> None:
    """Sign a PDF: the authorised person first, then the agency."""
    try:
        password = password_file.read_bytes().rstrip(b"\r\n") if password_file else None
        key = open_key(key_file, password=password)
        field = PERSON_FIELD if role == "person" else AGENCY_FIELD
        trust = Trust.load(trust_folder) if trust_folder else None
        sign_pdf(file, output, key, now=now(), role=Role(role), field=field, profile=Profile(profile), kind=cast(Kind, kind), trust=trust)
    except SigningError as error:
        sys.exit(refused(screen, error))
    screen.value({"file": str(output), "field": field, "signer": key.certificate.subject.rfc4514_string()})
    screen.say(f"Đã ký: {output}", f"Signed: {output}")


@click.group()
def keys() -> None:
    """Make development keys, look at certificates."""


@keys.command("dev")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--agency", "agencies", multiple=True, metavar="CODE=NAME", help="An agency; may be repeated.")
@click.option("--person", "persons", multiple=True, metavar="SLUG=NAME=CODE", help="A person of an agency; may be repeated.")
@click.option("--host", "hosts", multiple=True, help="A DNS name for TLS certificates; may be repeated.")
@click.option("--origin", default="hub.example.vn/custody/2026", show_default=True, help="Name of the custody log.")
@options
def dev(folder: Path, agencies: tuple[str, ...], persons: tuple[str, ...], hosts: tuple[str, ...], origin: str, screen: Screen) -> None:
    """Make a development PKI in FOLDER. Never for production."""
    if (folder / "trust").exists():
        screen.fail("key.exists", "Thư mục đã có khóa; không ghi đè.", "The folder has keys already; nothing is overwritten.", place=str(folder))
        sys.exit(1)
    pairs = [tuple(a.split("=", 1)) for a in agencies]
    triples = [tuple(p.split("=", 2)) for p in persons]
    if any(len(p) != 2 for p in pairs) or any(len(p) != 3 for p in triples):
        raise click.UsageError("--agency CODE=NAME, --person SLUG=NAME=CODE")
    make_pki(folder, now=now(), agencies=cast(Any, pairs), persons=cast(Any, triples), origin=origin, hosts=hosts)
    screen.value({"folder": str(folder)})
    screen.say(f"Đã tạo khóa thử nghiệm trong {folder}", f"Development keys made in {folder}")


@keys.command("crl")
@click.argument("folder", type=FILE)
@click.option("--revoke", "revoked", multiple=True, metavar="SERIAL", help="Serial number in hex; may be repeated.")
def crl(folder: Path, revoked: tuple[str, ...]) -> None:
    """Issue the development PKI's CRLs anew, with revoked serial numbers."""
    write_crls(folder, now=now(), revoked=[int(s, 16) for s in revoked])


@keys.command("inspect")
@click.argument("file", type=FILE)
@options
def inspect_key(file: Path, screen: Screen) -> None:
    """Show the certificates in a PEM or DER file; private parts are never shown."""
    data = file.read_bytes()
    try:
        found = x509.load_pem_x509_certificates(data) if b"-----BEGIN" in data else [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        screen.fail("key.unusable", "Không đọc được chứng thư.", "No certificate can be read.", place=str(file), detail=str(error))
        sys.exit(1)
    rows = [
        (c.subject.rfc4514_string(), c.issuer.rfc4514_string(), f"{c.serial_number:x}", local(c.not_valid_after_utc), c.fingerprint(hashes.SHA256()).hex())
        for c in found
    ]
    names = ("subject", "issuer", "serial", "not_after", "sha256")
    screen.value([dict(zip(names, row, strict=True)) for row in rows])
    columns = (("Chủ thể", "Subject"), ("Nơi cấp", "Issuer"), ("Số", "Serial"), ("Hết hạn", "Valid to"), ("SHA-256", "SHA-256"))
    screen.table(("Chứng thư", "Certificates"), columns, rows)


@keys.command("tsa")
@click.argument("key_file", type=FILE)
@click.option("--port", type=int, default=8318, show_default=True, help="Port on 127.0.0.1.")
def tsa(key_file: Path, port: int) -> None:
    """Run a time-stamp authority on loopback for development."""
    server = make_server("127.0.0.1", port, open_key(key_file), clock=now)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


VERBS = (verify, inspect, sign, keys)
