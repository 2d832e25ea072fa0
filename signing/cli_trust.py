"""cli_trust — the verbs under trust: what is trusted and how fresh it is, refresh, import a trust list."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from cryptography import x509

from signing.anchors import files, read_certificates
from signing.chain import Undecodable, decoded, known
from signing.cli_options import FILE, TRUST, now
from signing.errors import SigningError, TrustUnusable
from signing.fetch import http_fetch
from signing.report import Reason
from signing.revocation import FRESH_WITHOUT_END, Crl, crl_der
from signing.show import Screen, local, options, refused
from signing.sources import Sources, refresh
from signing.trust import Trust
from signing.trust_list import import_list, list_warnings
from signing.wording import common_name

_SCOPES = {
    "official": ("Chuyên dùng công vụ", "Official duty"),
    "public": ("Công cộng", "Public"),
    "foreign": ("Nước ngoài", "Foreign"),
    "timestamp": ("Dấu thời gian", "Time-stamp"),
}
_USES = {"sign": ("ký", "sign"), "timestamp": ("dấu thời gian", "time-stamp")}
_STATES = {
    "fresh": ("Còn hạn", "In date"),
    "due": ("Cần làm mới", "Renewal due"),
    "stale": ("Quá hạn", "Out of date"),
    "spoilt": ("Hỏng", "Unusable"),
    "fetched": ("Đã tải", "Fetched"),
    "resting": ("Đang chờ hỏi lại", "Waiting to ask again"),
    "failed": ("Lỗi", "Failed"),
    "refused": ("Không được phép", "Not allowed"),
}


@dataclass(frozen=True, slots=True)
class AnchorRow:
    """One anchor, for one period of trust: the certificate's validity and the terms', whichever is shorter."""

    name: str
    scope: str
    uses: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ListRow:
    """One CRL of the folder and how fresh it is: ``fresh``, ``due``, ``stale`` or ``spoilt``."""

    file: str
    issuer: str
    number: int | None
    this_update: datetime | None
    next_update: datetime | None
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrustView:
    """What `trust show` prints."""

    anchors: tuple[AnchorRow, ...]
    intermediates: tuple[str, ...]
    crls: tuple[ListRow, ...]
    ocsps: int
    allow: tuple[str, ...]
    warnings: tuple[Reason, ...]


@click.group()
def trust() -> None:
    """What is trusted, how fresh revocation data is; refresh, import trust lists."""


@trust.command("show")
@TRUST
@options
def show(trust_folder: Path, screen: Screen) -> None:
    """Anchors with scope and validity, and how fresh each CRL is."""
    try:
        view = look(trust_folder, now())
    except SigningError as error:
        sys.exit(refused(screen, error))
    screen.value(view)
    columns = (("Gốc tin cậy", "Anchor"), ("Phạm vi", "Scope"), ("Dùng để", "For"), ("Từ", "From"), ("Đến", "Until"), ("Nguồn", "Source"))
    rows = [
        (
            common_name(a.name),
            screen.word(*_SCOPES[a.scope]),
            ", ".join(screen.word(*_USES[u]) for u in a.uses),
            local(a.valid_from)[:10],
            local(a.valid_until)[:10],
            a.source,
        )
        for a in view.anchors
    ]
    screen.table(("Gốc tin cậy", "Anchors"), columns, rows)
    columns = (("Nơi cấp", "Issuer"), ("Số", "Number"), ("Phát hành", "Issued"), ("Kỳ tới", "Next update"), ("Tình trạng", "State"), ("Tệp", "File"))
    lists = []
    for one in view.crls:
        times = [local(t) if t else "" for t in (one.this_update, one.next_update)]
        number = "" if one.number is None else str(one.number)
        lists.append((common_name(one.issuer), number, *times, screen.word(*_STATES[one.state]), one.file))
    screen.table(("Danh sách thu hồi (CRL)", "Revocation lists (CRL)"), columns, lists)
    screen.say(f"Trả lời OCSP đang giữ: {view.ocsps}", f"OCSP answers kept: {view.ocsps}")
    if not screen.as_json:
        screen.reasons(view.warnings)


@trust.command("refresh")
@TRUST
@click.option("--certificate", "certificates", type=FILE, multiple=True, help="Also keep this certificate's CRL and OCSP answer; may be repeated.")
@click.option("--seconds", type=float, default=10.0, show_default=True, help="Longest time for one source.")
@click.option("--proxy", default="", metavar="HOST:PORT", help="HTTP proxy; none is taken from the environment.")
@options
def refresh_command(trust_folder: Path, certificates: tuple[Path, ...], seconds: float, proxy: str, screen: Screen) -> None:
    """Fetch CRLs and OCSP answers that are due, from the places allowed in sources.toml."""
    host, _, port = proxy.rpartition(":")
    if proxy and not (host and port.isdigit()):
        raise click.UsageError("--proxy HOST:PORT")
    try:
        try:
            more = [read_certificates(path)[0] for path in certificates]
        except (OSError, ValueError, IndexError) as error:
            raise TrustUnusable(str(error), place=str(certificates)) from error
        fetch = http_fetch(Sources.load(trust_folder).allows, seconds=seconds, proxy=(host, int(port)) if proxy else None)
        outcomes = refresh(trust_folder, fetch, now(), certificates=more)
    except SigningError as error:
        sys.exit(refused(screen, error))
    screen.value(outcomes)
    columns = (("Loại", "Kind"), ("Nguồn", "Source"), ("Kết quả", "Result"), ("Hỏi lại lúc", "Next"))
    rows = [(o.kind.upper(), o.url, screen.word(*_STATES[o.state]), local(o.again) if o.again else "") for o in outcomes]
    if outcomes:
        screen.table(("Làm mới dữ liệu thu hồi", "Revocation data"), columns, rows)
    else:
        screen.say("Không có nguồn nào: hãy khai báo crls và allow trong sources.toml.", "No source: name crls and allow in sources.toml.")
    if not screen.as_json:
        screen.reasons(o.reason for o in outcomes if o.reason is not None)
    if any(o.state in ("failed", "resting") for o in outcomes):
        sys.exit(1)


@trust.command("import-list")
@click.argument("file", type=FILE)
@TRUST
@click.option("--signer", "signers", type=FILE, multiple=True, required=True, help="Certificate that may sign the list, had from elsewhere; may be repeated.")
@click.option("--scope", type=click.Choice(["official", "public", "foreign"]), required=True, help="What the list's CAs count as.")
@options
def import_command(file: Path, trust_folder: Path, signers: tuple[Path, ...], scope: str, screen: Screen) -> None:
    """Verify a signed trust list (ETSI TS 119 612) and take its anchors in."""
    try:
        try:
            pinned = [x509.load_der_x509_certificate(der) for path in signers for der in read_certificates(path)]
        except (OSError, ValueError) as error:
            raise TrustUnusable(str(error), place=str(signers)) from error
        listed, warnings = import_list(trust_folder, file.read_bytes(), pinned, scope=scope, now=now())
    except SigningError as error:
        sys.exit(refused(screen, error))
    until = local(listed.next_update) if listed.next_update else ""
    names = {a.terms.sha256 for a in listed.anchors}
    screen.value(
        {
            "territory": listed.territory,
            "operator": listed.operator,
            "sequence": listed.sequence,
            "issued": listed.issued,
            "next_update": listed.next_update,
            "sha256": listed.sha256,
            "anchors": len(names),
            "warnings": warnings,
        }
    )
    screen.say(
        f"Đã nhập danh sách {listed.territory} số {listed.sequence}: {len(names)} gốc tin cậy, kỳ tới {until}",
        f"Imported list {listed.territory} number {listed.sequence}: {len(names)} anchors, next update {until}",
    )
    if not screen.as_json:
        screen.reasons(warnings)


def look(folder: Path, at: datetime) -> TrustView:
    """The contents of a trust folder at a moment.

    Raises:
        TrustUnusable: it cannot be read.
    """
    loaded = Trust.load(folder)
    anchors = []
    for der in loaded.anchors:
        one = known(decoded(der))
        for terms in loaded.terms_of(one.sha256):
            start = max(one.not_before, terms.trusted_from or one.not_before)
            end = min(one.not_after, terms.trusted_until or one.not_after)
            anchors.append(AnchorRow(terms.name or one.name, terms.scope, terms.uses, start, end, terms.source or "anchors/", one.sha256))
    names = []
    for der in loaded.intermediates:
        try:
            names.append(known(decoded(der)).name)
        except Undecodable:
            continue
    try:
        warnings = list_warnings(folder, at)
    except (ValueError, KeyError) as error:
        raise TrustUnusable(str(error), place=str(folder / "lists")) from error
    lists = [_list(path, folder, at) for part in ("crls", "cache/crls") for path in files(folder / part)]
    return TrustView(tuple(anchors), tuple(names), tuple(lists), len(loaded.ocsps), Sources.load(folder).allow, warnings)


def _list(path: Path, folder: Path, at: datetime) -> ListRow:
    data, name = path.read_bytes(), str(path.relative_to(folder))
    try:
        crl = Crl(crl_der(data))
    except ValueError as error:
        return ListRow(name, "", None, None, None, "spoilt", str(error))
    end = crl.next_update or crl.this_update + FRESH_WITHOUT_END
    due = crl.this_update + (end - crl.this_update) * 3 / 4
    state = "spoilt" if crl.unusable else "stale" if end < at else "due" if due < at else "fresh"
    return ListRow(name, crl.issuer.rfc4514_string(), crl.number if crl.number >= 0 else None, crl.this_update, crl.next_update, state, crl.unusable)
