"""cli_directory — `vanthu directory`: look agencies up, change them, take whole directories in and give them out, show code lists."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from exchange.agency import SHAPE_TEXTS, AgencyStatus, Purpose, Shape
from exchange.agency_file import day
from exchange.cli_hub import CONFIG, hub_of, operator
from exchange.directory_diff import KIND_TEXTS, Change, Diff, Kind
from exchange.directory_exchange import Plan, examine, give_out, take_in, versions
from exchange.edxml.codes import about, rows_of
from signing.show import Screen, local, options

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
TARGET = click.Path(path_type=Path, dir_okay=False)
SHOWN = 40  # changes shown without --all
_STYLES = {
    Kind.ADDED: ("+", "green"),
    Kind.SUCCEEDED: ("→", "yellow"),
    Kind.CLOSED: ("×", "red"),
    Kind.REOPENED: ("○", "green"),
    Kind.LOCKED: ("!", "red"),
    Kind.UNLOCKED: ("○", "green"),
    Kind.GATEWAY: ("⇄", "magenta"),
}
FIELD_TEXTS = {
    "code": ("mã", "code"),
    "name": ("tên", "name"),
    "status": ("trạng thái", "status"),
    "parent": ("cấp trên", "parent"),
    "legacy_code": ("mã cũ", "legacy code"),
    "aliases": ("mã khác", "aliases"),
    "successor": ("kế thừa", "successor"),
    "valid_from": ("từ ngày", "from"),
    "valid_until": ("đến ngày", "until"),
    "gateway": ("đầu mối", "gateway"),
    "hub": ("trục", "hub"),
}

STATUS_TEXTS = {"": ("hoạt động", "open"), "open": ("hoạt động", "open"), "locked": ("tạm khóa", "locked"), "closed": ("đã đóng", "closed")}
STATUS_TEXTS["over"] = ("đã hết hiệu lực", "ended")
MODE_TEXTS = {"pull": ("tự lấy từ hộp thư", "collects from its mailbox"), "push": ("trục chuyển tới", "the hub delivers")}


@click.group()
def directory() -> None:
    """The directory of agencies: find, change, import, export; code lists."""


@directory.command("find")
@CONFIG
@click.argument("query", default="")
@click.option("--status", type=click.Choice([s.value for s in AgencyStatus]), default=None, help="Only those.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="Most rows.")
@options
def find(config: Path, query: str, status: str | None, limit: int, screen: Screen) -> None:
    """Find agencies by parts of name or code, diacritics or not: "thanh hoa" finds Thanh Hóa."""
    with hub_of(config) as hub:
        rows = hub.directory.find(query, status=status or "", limit=limit)
    screen.value(rows)
    columns = (("Mã", "Code"), ("Mã cũ", "Legacy"), ("Tên", "Name"), ("Trạng thái", "State"), ("Cấp trên", "Parent"), ("Kế thừa", "Successor"))
    cells = [(r["code"], r["legacy_code"], r["name"], screen.word(*STATUS_TEXTS[_state(r)]), r["parent"], r["succeeded_by"] or r["successor"]) for r in rows]
    screen.table((f"Danh bạ: {len(rows)} cơ quan", f"Directory: {len(rows)} agencies"), columns, cells)


@directory.command("show")
@CONFIG
@click.argument("code")
@options
def show(config: Path, code: str, screen: Screen) -> None:
    """Show one agency, by any of its codes."""
    with hub_of(config) as hub:
        row = hub.directory.show(code)
        served = hub.directory.served(row["code"])
    screen.value({**row, "serves": served})
    if not screen.as_json:
        shape = SHAPE_TEXTS[Shape(row["shape"])]
        said = {name: " ".join(value) if isinstance(value, list) else value for name, value in row.items() if name in FIELD_TEXTS}
        said["status"] = _state(row)
        lines = [(screen.word(*FIELD_TEXTS[name]), _value(screen, name, value)) for name, value in said.items()]
        lines += [(screen.word("dạng mã", "shape"), screen.word(*shape)), (screen.word("cách nhận", "delivery"), screen.word(*MODE_TEXTS[row["mode"]]))]
        lines += [(screen.word("phải gửi qua trục", "to be sent through"), row["other_hub"])]
        lines += [(screen.word("nay là", "now"), row["succeeded_by"]), (screen.word("làm đầu mối", "serves"), " ".join(served))]
        lines += [(f"{c['purpose']} {'✓' if c['holds'] else '✗'}", f"{c['sha256']}\n→ {c['not_after']}") for c in row["certificates"]]
        screen.out.print(_facts(lines))


def _state(row: dict[str, Any]) -> str:
    """An agency past its last day is open by its row only."""
    return "over" if row["over"] and row["status"] == "open" else str(row["status"])


def _facts(lines: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in lines:
        if value:
            grid.add_row(label, Text(value))
    return grid


@directory.command("set")
@CONFIG
@click.argument("code")
@click.option("--name", help="Tên cơ quan.")
@click.option("--status", type=click.Choice([s.value for s in AgencyStatus]), help="open, locked or closed.")
@click.option("--parent", help="Code of the agency above; \"\" for none.")
@click.option("--legacy-code", help="Code by QCVN 102:2016.")
@click.option("--alias", "aliases", multiple=True, help="A further code; may be repeated, replaces those there were.")
@click.option("--successor", help="Code of the agency that takes over; wants --until or --status closed.")
@click.option("--from", "valid_from", help="First day, YYYY-MM-DD.")
@click.option("--until", "valid_until", help="Last day, YYYY-MM-DD.")
@click.option("--gateway", help="Code of the agency whose system sends and collects for this one.")
@click.option("--hub", help="Code of the hub that it is on.")
@options
def change(config: Path, code: str, screen: Screen, aliases: tuple[str, ...], valid_from: str | None, valid_until: str | None, **facts: Any) -> None:
    """Change an agency; "" takes a fact away. Each change is a custody event."""
    wanted: dict[str, Any] = {name: value for name, value in facts.items() if value is not None}
    wanted |= {name: day(text, place=name) for name, text in (("valid_from", valid_from), ("valid_until", valid_until)) if text is not None}
    if aliases:
        wanted["aliases"] = tuple(alias for alias in aliases if alias)
    if "status" in wanted:
        wanted["status"] = AgencyStatus(wanted["status"])
    if not wanted:
        raise click.UsageError("nothing to change")
    with hub_of(config) as hub:
        hub.directory.change(code, by=operator(), **wanted)
        screen.value(hub.directory.show(code))
    screen.say(f"Đã sửa {code}", f"Changed {code}")


@directory.command("certificate")
@CONFIG
@click.argument("code")
@click.option("--seal", type=FILE, help="PEM with a new seal certificate.")
@click.option("--tls", type=FILE, help="PEM with a new connection certificate.")
@click.option("--overlap-days", default=30.0, show_default=True, type=click.FloatRange(0, 3650), help="How long the earlier ones still hold.")
@click.option("--end", "ended", help="SHA-256 of a certificate to end now.")
@options
def certificate(config: Path, code: str, seal: Path | None, tls: Path | None, overlap_days: float, ended: str | None, screen: Screen) -> None:
    """Roll an agency's certificate over, or end one. Old and new hold together for the overlap."""
    files = [(Purpose.SEAL, seal), (Purpose.TLS, tls)]
    if not ended and seal is None and tls is None:
        raise click.UsageError("--seal, --tls or --end")
    with hub_of(config) as hub:
        for purpose, file in files:
            if file is not None:
                hub.directory.add_certificate(code, purpose, file.read_bytes(), overlap=timedelta(days=overlap_days), by=operator())
        if ended:
            hub.directory.end_certificate(code, ended.lower(), by=operator())
        row = hub.directory.show(code)
    screen.value(row["certificates"])
    columns = (("Dùng để", "For"), ("Còn hiệu lực", "Holds"), ("Đến", "Until"), ("SHA-256", "SHA-256"))
    screen.table((code, code), columns, [(c["purpose"], "✓" if c["holds"] else "✗", c["not_after"], c["sha256"]) for c in row["certificates"]])


@directory.command("import")
@CONFIG
@click.argument("file", type=FILE)
@click.option("--seal", type=FILE, help="The detached seal.  [default: FILE.p7s]")
@click.option("--apply", "applied", is_flag=True, help="Make the changes; without it they are only shown.")
@click.option("--all", "everything", is_flag=True, help=f"Show every change, not the first {SHOWN}.")
@options
def import_(config: Path, file: Path, seal: Path | None, applied: bool, everything: bool, screen: Screen) -> None:
    """Show what a sealed directory file changes; with --apply change it, in one transaction."""
    seal = seal or file.with_name(file.name + ".p7s")
    if not seal.exists():
        raise click.UsageError(f"no seal: {seal}")
    with hub_of(config) as hub:
        plan = examine(hub.directory, file.read_bytes(), seal.read_bytes())
        screen.value(told(plan, applied=applied))
        show_plan(screen, plan, limit=None if everything else SHOWN)
        if applied:
            done = take_in(hub.directory, plan, by=operator())
            screen.say(f"Đã áp dụng: {_counts(screen, done)}", f"Applied: {_counts(screen, done)}")
        else:
            screen.say("Chưa thay đổi gì; thêm --apply để áp dụng.", "Nothing was changed; add --apply to do it.")


def told(plan: Plan, *, applied: bool) -> dict[str, Any]:
    """A plan, for programs."""
    return {
        "issuer": plan.listing.issuer,
        "version": plan.listing.version,
        "sha256": plan.sha256,
        "signer": plan.signer,
        "taken": plan.taken,
        "applied": applied,
        "counts": {kind.value: number for kind, number in plan.diff.counts().items()},
        "same": plan.diff.same,
        "absent": plan.diff.absent,
        "changes": [_told_change(c) for c in plan.diff.changes],
    }


def _told_change(c: Change) -> dict[str, Any]:
    fields = [{"field": name, "before": before, "after": after} for name, before, after in c.fields()]
    return {"kind": c.kind.value, "code": c.after.code, "name": c.after.name, "fields": fields}


def show_plan(screen: Screen, plan: Plan, *, limit: int | None) -> None:
    """A plan, for people: whose file, how many of each kind, and what changes."""
    if screen.as_json:
        return
    word, listing, found = screen.word, plan.listing, plan.diff
    unchanged = (f"{found.same}, trong đó {found.absent} không có trong tệp", f"{found.same}, of which {found.absent} are not in the file")
    facts = [
        (word("Danh bạ của", "Directory of"), word(f"{listing.issuer}, phiên bản {listing.version}", f"{listing.issuer}, version {listing.version}")),
        (word("Niêm phong", "Sealed by"), plan.signer),
        ("SHA-256", plan.sha256),
        (word("Thay đổi", "Changes"), _counts(screen, found)),
        (word("Giữ nguyên", "Unchanged"), word(*unchanged)),
        (word("Lưu ý", "Note"), word("phiên bản này đã được áp dụng", "this version was applied already") if plan.taken else ""),
    ]
    screen.out.print(_facts(facts))
    # What is weightier than a new address comes first: it must not drown in a hundred thousand additions.
    changes = sorted(found.changes, key=lambda c: (c.kind is Kind.ADDED, c.after.code))
    if not changes:
        return
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column in (("Việc", "What"), ("Mã", "Code"), ("Tên", "Name"), ("Thay đổi", "Change")):
        table.add_column(word(*column), overflow="fold")
    for shown in changes[:limit]:
        mark, style = _STYLES.get(shown.kind, ("~", "cyan"))
        table.add_row(Text(f"{mark} {word(*KIND_TEXTS[shown.kind])}", style=style), Text(shown.after.code), Text(shown.after.name), _what(screen, shown))
    screen.out.print(table)
    if limit is not None and len(changes) > limit:
        left = len(changes) - limit
        screen.say(f"… và {left} thay đổi nữa (--all để xem hết)", f"… and {left} more (--all shows them)")


def _what(screen: Screen, shown: Change) -> Text:
    text = Text()
    for name, before, after in shown.fields():
        if name == "code" or (shown.before is None and name == "name"):
            continue
        text.append("\n" if text else "")
        text.append(f"{screen.word(*FIELD_TEXTS[name])}: ", style="dim")
        values = [_value(screen, name, v) for v in (before, after)]
        text.append(values[1] if shown.before is None else f"{values[0] or '—'} → {values[1] or '—'}")
    return text


def _value(screen: Screen, name: str, value: str) -> str:
    return screen.word(*STATUS_TEXTS[value]) if name == "status" else value


def _counts(screen: Screen, found: Diff) -> str:
    parts = [f"{screen.word(*KIND_TEXTS[kind])} {number}" for kind, number in found.counts().items()]
    return ", ".join(parts) or screen.word("không có", "none")


@directory.command("export")
@CONFIG
@click.argument("file", type=TARGET)
@click.option("--format", "form", type=click.Choice(["json", "csv"]), help="[default: by the name of FILE]")
@options
def export(config: Path, file: Path, form: str | None, screen: Screen) -> None:
    """Write the directory to FILE, and its seal to FILE.p7s. Unchanged, it gives the same bytes."""
    with hub_of(config) as hub:
        data, seal, listing = give_out(hub.directory, "csv" if (form or file.suffix.lstrip(".")) == "csv" else "json", by=operator())
    file.write_bytes(data)
    file.with_name(file.name + ".p7s").write_bytes(seal)
    screen.value({"file": str(file), "issuer": listing.issuer, "version": listing.version, "agencies": len(listing.agencies)})
    screen.say(
        f"Đã ghi {file}: {listing.issuer} phiên bản {listing.version}, {len(listing.agencies)} cơ quan",
        f"Written {file}: {listing.issuer} version {listing.version}, {len(listing.agencies)} agencies",
    )


@directory.command("versions")
@CONFIG
@options
def show_versions(config: Path, screen: Screen) -> None:
    """List the versions that were taken in or given out."""
    with hub_of(config) as hub:
        rows = versions(hub.directory)
    screen.value(rows)
    columns = (("Lúc", "At"), ("Danh bạ của", "Directory of"), ("Phiên bản", "Version"), ("", ""), ("Nội dung", "What"), ("Bởi", "By"))
    cells = [(local(r.at), r.issuer, str(r.version), r.kind, r.summary, r.by) for r in rows]
    screen.table(("Phiên bản danh bạ", "Versions of the directory"), columns, cells)


@directory.command("codes")
@click.argument("name", metavar="[LIST]", default="")
@options
def codes(name: str, screen: Screen) -> None:
    """Show the code lists of edXML with source and confidence, or the rows of LIST."""
    known = about()
    if name and name not in known:
        screen.fail("not_found", "Không có danh mục này.", "There is no such list.", place=name, detail=", ".join(known))
        sys.exit(1)
    if not name:
        screen.value(known)
        columns = (("Danh mục", "List"), ("Dòng", "Rows"), ("Tin cậy", "Confidence"), ("Nội dung", "What it is"))
        rows = [(key, str(len(rows_of(key))), a["confidence"], f"{screen.word(a['vi'], a['en'])} · {a['source']}") for key, a in known.items()]
        screen.table(("Danh mục mã", "Code lists"), columns, rows)
        return
    rows_found = rows_of(name)
    screen.value({**known[name], "list": name, "rows": rows_found})
    names = list(dict.fromkeys(key for row in rows_found for key in row))
    cells = [tuple(str(row.get(key, "")) for key in names) for row in rows_found]
    screen.table((f"{known[name]['vi']} · {known[name]['source']}", f"{known[name]['en']} · {known[name]['source']}"), [(n, n) for n in names], cells)


VERBS = (directory,)

