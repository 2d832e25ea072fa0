"""cli_edxml — the verbs about packages themselves: what does it say, what is wrong with it, write it in the reference form.

They need no hub, no network and no configuration.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from exchange.edxml.codes import lists, status_codes
from exchange.edxml.convert import convert as convert_package
from exchange.edxml.convert import lint as lint_package
from exchange.edxml.convert import read_any
from exchange.edxml.dialect import NAMES
from exchange.envelope import Finding, Package, Severity, StatusMessage, document_code
from exchange.vocabularies import to_bkav, to_lgsp, to_vxp
from signing.cli_options import now
from signing.show import Screen, options
from signing.wording import VIETNAM, safe, size_of

_SEVERITY = {Severity.REJECT: ("TỪ CHỐI", "REJECT", "red"), Severity.WARNING: ("Lưu ý", "warning", "yellow")}
PACKAGE = click.Path(path_type=Path, exists=True, dir_okay=False)
_WORDS = ("own", "bkav", "vxp", "lgsp")


@click.group()
def edxml() -> None:
    """Look into edXML packages of any dialect, check them, convert them."""


@edxml.command()
@click.argument("file", type=PACKAGE)
@options
def inspect(file: Path, screen: Screen) -> None:
    """Show what a package or a status message says."""
    with tempfile.TemporaryDirectory(prefix="vanthu-edxml-") as folder:
        found = read_any(file, workdir=Path(folder))
    screen.value({"file": file.name, "kind": "status" if isinstance(found, StatusMessage) else "document", **_plain(found)})
    if screen.as_json:
        return
    screen.out.print(f"[bold]{escape(safe(file.name))}[/]")
    name = NAMES[found.dialect]
    screen.say(f"Dạng {found.dialect}: {name[0]}", f"Dialect {found.dialect}: {name[1]}")
    if isinstance(found, StatusMessage):
        _show_status(screen, found)
    else:
        _show_package(screen, found)
    if found.extensions:
        columns = (("Phần tử ngoài quy chuẩn", "Element outside the standard"), ("Nội dung", "Text"))
        screen.table(("Giữ lại", "Kept"), columns, [(safe(place), safe(text)) for place, text in found.extensions])
    _show_findings(screen, found.findings)


@edxml.command()
@click.argument("file", type=PACKAGE)
@click.option("--strict", is_flag=True, help="Warnings count as well: exit 1 unless nothing is found.")
@click.option("--words", type=click.Choice(_WORDS), default="own", show_default=True, help="Also give each code as another system writes it.")
@options
def lint(file: Path, strict: bool, words: str, screen: Screen) -> None:
    """Say everything that is wrong with a package, where, and whether to try again.

    Exit codes: 0 the hub would take it, 1 it would be refused (or, with --strict, something was found).
    """
    with tempfile.TemporaryDirectory(prefix="vanthu-edxml-") as folder:
        findings = lint_package(file, workdir=Path(folder), today=now().astimezone(VIETNAM).date())
    refused = any(f.severity is Severity.REJECT for f in findings)
    told = [{**asdict(f), **({"theirs": _theirs(words, f)} if words != "own" else {})} for f in findings]
    screen.value({"file": file.name, "refused": refused, "findings": told})
    if not findings:
        screen.say(f"{escape(file.name)}: không có gì sai", f"{escape(file.name)}: nothing is wrong")
    _show_findings(screen, findings, words)
    sys.exit(1 if refused or strict and findings else 0)


@edxml.command()
@click.argument("file", type=PACKAGE)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The package to write.")
@options
def convert(file: Path, output: Path, screen: Screen) -> None:
    """Write a package anew in the reference form; what it has no place for is listed."""
    with tempfile.TemporaryDirectory(prefix="vanthu-edxml-") as folder:
        made = Path(folder) / "made.edxml"
        found, left_out = convert_package(file, made, workdir=Path(folder))
        try:
            shutil.copyfile(made, output)
        except OSError as error:
            raise click.FileError(str(output), error.strerror) from error
    screen.value({"file": str(output), "from": found.dialect, "left_out": [{"place": f.place, "text": f.detail} for f in left_out]})
    screen.say(f"{escape(str(output))}: từ dạng {found.dialect} sang dạng chuẩn", f"{escape(str(output))}: from {found.dialect} to the reference form")
    _show_findings(screen, left_out)


def _plain(value: Package | StatusMessage) -> dict[str, Any]:
    """As JSON-able values, without the paths of temporary files."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(value), default=str))
    for attachment in plain.get("attachments", ()):
        del attachment["path"], attachment["stored_path"]
    return plain


def _show_package(screen: Screen, package: Package) -> None:
    h = package.header
    business = lists()["bussiness_doc_type"][int(h.business.kind)]
    priority = lists()["priority"][int(h.priority)]["vi"]
    day = h.promulgation_date.strftime("%d/%m/%Y") if h.promulgation_date else h.raw_text("MessageHeader/PromulgationInfo/PromulgationDate")
    rows = [
        (("Loại gói tin", "Kind"), f"{int(h.business.kind)} {screen.word(business['vi'], business['en'])}"),
        (("Mã văn bản", "Document id"), h.document_id),
        (("Số, ký hiệu", "Number"), document_code(h)),
        (("Ngày ban hành", "Promulgated"), day),
        (("Loại văn bản", "Type"), h.type_name),
        (("Trích yếu", "Subject"), h.subject),
        (("Độ khẩn", "Priority"), f"{int(h.priority)} {priority}"),
        (("Độ mật", "Secrecy"), h.secrecy),
        (("Người ký", "Signed by"), " ".join(p for p in (h.competence, h.position, h.full_name) if p)),
        (("Bên gửi", "From"), f"{h.sender.code} {h.sender.name}".strip()),
        *((("Bên nhận", "To"), f"{o.code} {o.name}".strip()) for o in h.recipients),
        *((("Trả lời", "Answers"), " ".join(p for p in (r.organ, r.code, r.document_id) if p)) for r in h.responses_for),
        (("Văn bản liên quan", "Concerns"), h.business.document_id),
        (("Lý do", "Reason"), h.business.reason),
    ]
    screen.table(("Văn bản", "Document"), (("Mục", "Item"), ("Giá trị", "Value")), [(screen.word(*label), safe(text)) for label, text in rows if text])
    columns = (("", ""), ("Tên", "Name"), ("Kiểu", "Type"), ("Byte", "Bytes"), ("SHA-256", "SHA-256"))
    files = []
    for a in package.attachments:
        files.append((str(a.position + 1), safe(a.name), a.media_type, size_of(a.size), a.sha256))
        if a.unwrapped and a.stored_sha256 and a.sha256:
            files.append(("", screen.word("↳ như đã gửi (ZIP)", "↳ as sent (ZIP)"), "application/zip", size_of(a.stored_size), a.stored_sha256))
    screen.table(("Tệp", "Files"), columns, files)


def _show_status(screen: Screen, message: StatusMessage) -> None:
    meaning = status_codes().get(message.code, ("mã lạ", "unknown code"))
    about = message.response_for
    rows = [
        (("Trạng thái", "Status"), f"{message.code} {screen.word(*meaning)}"),
        (("Bên báo", "From"), f"{message.sender.code} {message.sender.name}".strip()),
        (("Gửi tới", "To"), about.organ),
        (("Văn bản", "Document"), " ".join(p for p in (about.code, about.document_id) if p)),
        (("Nội dung", "Description"), message.description),
        (("Thời điểm", "Time"), message.timestamp_raw),
    ]
    screen.table(("Thông báo trạng thái", "Status message"), (("Mục", "Item"), ("Giá trị", "Value")), [(screen.word(*n), safe(t)) for n, t in rows if t])


def _show_findings(screen: Screen, findings: Sequence[Finding], words: str = "own") -> None:
    if screen.as_json or not findings:
        return
    for f in findings:
        vi, en, colour = _SEVERITY[f.severity]
        where = " — ".join(p for p in (f.place, f.detail) if p)
        theirs = f" = {words} {_theirs(words, f)}" if words != "own" else ""
        again = screen.word(" · có thể gửi lại", " · may be tried again") if f.retry else ""
        screen.out.print(f"[{colour}]{screen.word(vi, en)}[/] {f.code}{escape(safe(theirs))}: {screen.word(f.vi, f.en)}{again}", soft_wrap=True)
        if where:
            screen.out.print(f"    {escape(safe(where))}", style="dim", soft_wrap=True)


def _theirs(words: str, finding: Finding) -> str:
    if words == "bkav":
        return to_bkav(finding.code, finding.place).code
    return to_vxp(finding.code).error_code if words == "vxp" else to_lgsp(finding.code).code


VERBS = (edxml,)
