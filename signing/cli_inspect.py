"""cli_inspect — the auditor's verb inspect: what a PDF is made of, revision by revision, and how it looks."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click
from rich.markup import escape

from signing import wording
from signing.cli_options import FILE, TRUST, now
from signing.errors import SigningError, TrustUnusable
from signing.render import side_by_side
from signing.report import Change, PdfFindings, PdfVerdict, SignatureFinding, to_json
from signing.revisions import KINDS, Revision, revisions
from signing.sandbox import Sandbox
from signing.show import Screen, local, options, refused
from signing.trust import Trust
from signing.wording import Pair, safe, size_of, words

_UPDATE: Pair = ("cập nhật", "update")
_ORIGINAL: Pair = ("nội dung ban đầu", "original content")


@click.command()
@click.argument("file", type=FILE)
@TRUST
@click.option("--render", "pictures", type=click.Path(path_type=Path, file_okay=False), help="Write PNGs of each signed revision beside the current one.")
@click.option("--all-pages", is_flag=True, help="With --render: also the pages that do not differ.")
@options
def inspect(file: Path, trust_folder: Path, pictures: Path | None, all_pages: bool, screen: Screen) -> None:
    """Show every revision of a PDF, who signed which, and what changed later."""
    sandbox = Sandbox(workers=1)
    try:
        trust = Trust.load(trust_folder)
        verdict = sandbox.verify(file, trust, at=now(), policy="crypto-only")
    except TrustUnusable as error:
        refused(screen, error)
        sys.exit(2)
    finally:
        sandbox.close()
    found = revisions(file, verdict.findings)
    drawn: list[dict[str, object]] = []
    _show(screen, file.name, safe(verdict), found)
    try:
        if pictures is not None:
            drawn = _render(screen, file, verdict.findings, found, pictures, all_pages)
    except SigningError as error:
        sys.exit(refused(screen, error))
    screen.value({"file": str(file), "findings": to_json(verdict.findings), "revisions": to_json(found), "pictures": drawn})
    sys.exit(1 if verdict.findings.error else 0)


def _show(screen: Screen, name: str, verdict: PdfVerdict, found: Iterable[Revision]) -> None:
    if screen.as_json:
        return
    f = verdict.findings
    screen.out.print(f"[bold]{escape(safe(name))}[/]")
    screen.say(f"SHA-256 {f.sha256}", f"SHA-256 {f.sha256}")
    shape = screen.word(f"{size_of(f.size)} byte · {f.revisions} bản · {len(f.signatures)} chữ ký", f"{f.size:,} bytes · {f.revisions} revisions")
    screen.say(shape, shape + f" · {len(f.signatures)} signatures")
    if f.syntax:
        told = ", ".join(escape(screen.word(*words(wording.SYNTAX, code))) for code in f.syntax)
        screen.say(f"Cú pháp: {told}", f"Syntax: {told}")
    if f.empty_fields:
        told = escape(", ".join(f.empty_fields))
        screen.say(f"Trường chữ ký còn trống: {told}", f"Empty signature fields: {told}")
    columns = (("Bản", "Rev."), ("Thêm (byte)", "Adds (bytes)"), ("Tới byte", "Up to byte"), ("Ghi lúc (khai)", "Written (claimed)"), ("Nội dung", "Content"))
    rows = [(str(r.number), size_of(r.size), size_of(r.end), local(r.made).removesuffix(" +07:00"), _content(screen, f, r)) for r in found]
    screen.table(("Các bản", "Revisions"), columns, rows)
    if f.signatures:
        columns = (("Trường", "Field"), ("Người ký", "Signer"), ("Bản", "Rev."), ("Thay đổi sau đó", "Later changes"), ("Toàn vẹn", "Intact"))
        signed = [
            (s.field, s.signer, f"{s.revision}/{s.revisions}", screen.word(*words(wording.CHANGES_AFTER, s.changes_after)), "✓" if s.intact else "✗")
            for s in f.signatures
        ]
        screen.table(("Chữ ký", "Signatures"), columns, signed)
    _changes(screen, f)
    screen.reasons((*f.reasons, *(r for s in f.signatures for r in s.reasons)))


def _content(screen: Screen, findings: PdfFindings, revision: Revision) -> str:
    """Who signed in this revision, and its objects by kind."""
    signers = [f"✎ {s.signer or s.field} ({screen.word(*words(wording.ROLES, s.role.value))})" for s in _signed_in(findings, revision)]
    if revision.objects < 0:
        counted = screen.word("không liệt kê (quá lớn)", "not listed (too large)")
    else:
        kinds = ", ".join(f"{count} {screen.word(*words(KINDS, kind))}" for kind, count in revision.kinds[:6])
        counted = kinds or screen.word("không có đối tượng nào", "no objects")
    lines = [*signers, counted]
    if revision.replaced:
        numbers = ", ".join(str(n) for n in revision.replaced[:8]) + ("…" if len(revision.replaced) > 8 else "")
        lines.append(screen.word(f"viết lại đối tượng {numbers}", f"rewrites objects {numbers}"))
    return "\n".join(lines)


def _signed_in(findings: PdfFindings, revision: Revision) -> list[SignatureFinding]:
    return [s for s in findings.signatures if len(s.byte_range) == 4 and revision.start < s.byte_range[2] + s.byte_range[3] <= revision.end]


def _changes(screen: Screen, findings: PdfFindings) -> None:
    """Every later change once, with the signatures that it follows."""
    after: dict[Change, list[str]] = {}
    for s in findings.signatures:
        for change in s.changes:
            after.setdefault(change, []).append(s.field)
    rows = [
        (str(c.revision), screen.word(*words(wording.CHANGES, c.kind)), c.what, ", ".join(fields), "✓" if c.lawful else "✗")
        for c, fields in sorted(after.items(), key=lambda item: (item[0].revision, item[0].kind, item[0].what))
    ]
    if rows:
        columns = (("Bản", "Rev."), ("Thay đổi", "Change"), ("Đối tượng", "What"), ("Sau chữ ký", "After signature"), ("Được phép", "Lawful"))
        screen.table(("Thay đổi sau khi ký", "Changes after signing"), columns, rows)


def _render(screen: Screen, file: Path, findings: PdfFindings, found: tuple[Revision, ...], folder: Path, every: bool) -> list[dict[str, object]]:
    """Pictures of each signed revision that something follows; with `every` of all signed ones."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[dict[str, object]] = []
    size = found[-1].end if found else 0
    signed = [r for r in found if _signed_in(findings, r) and (r.end < size or every)]
    for revision in signed:
        labels = (f"signed: revision {revision.number}", f"current: revision {found[-1].number}")
        pages: list[int] = []
        total = 0
        for picture in side_by_side(file, revision.end, labels, every=every):
            total += 1
            target = folder / f"{_stem(file)}-ban-{revision.number}-trang-{picture.page:03d}.png"
            if picture.png:
                target.write_bytes(picture.png)
            if picture.differs:
                pages.append(picture.page)
            if picture.png or picture.differs:
                drawn.append({"revision": revision.number, "page": picture.page, "differs": picture.differs, "regions": picture.regions, "file": str(target)})
        told = ", ".join(str(p) for p in pages)
        if pages:
            screen.say(f"Bản {revision.number}: trang {told} nhìn khác bản hiện tại", f"Revision {revision.number}: page {told} looks different now")
        else:
            screen.say(f"Bản {revision.number}: cả {total} trang nhìn giống bản hiện tại", f"Revision {revision.number}: all pages look the same now ({total})")
    if not signed:
        screen.say("Không có bản đã ký nào bị thêm gì sau đó.", "Nothing follows any signed revision.")
    if drawn:
        screen.say(f"Hình: {escape(str(folder))}", f"Pictures: {escape(str(folder))}")
    return drawn


def _stem(file: Path) -> str:
    """The file's name, safe as a part of another."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in file.stem)[:80] or "tep"
