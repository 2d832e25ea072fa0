"""cli_custody_day — the verbs of completeness: the daily statement (hub), and its comparison with an agency's journal (node)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from exchange import statements
from exchange.cli_agency import CONFIG as NODE_CONFIG
from exchange.cli_agency import with_client
from exchange.cli_hub import CONFIG, hub_of
from exchange.config import NodeSettings, load_node
from exchange.courier import client_tls
from exchange.mirror import http_log, write
from exchange.node.agent import vkeys
from exchange.node.reconcile import Difference, Reconciliation, Shelf, reconcile
from exchange.store.engine import Store
from signing.errors import SigningError
from signing.show import Screen, event_label, options, refused
from signing.statement_check import StatementFinding, check_statement
from signing.trust import Trust
from signing.wording import Pair

FILE = click.Path(path_type=Path, exists=True)
KINDS = {
    "missing": ("thiếu", "missing"),
    "extra": ("thừa", "extra"),
    "altered": ("khác", "altered"),
    "chain": ("đứt nối", "broken sequence"),
    "unproven": ("không có trong sổ", "not in the log"),
    "elsewhere": ("cách khác", "another way"),
}


def yesterday() -> str:
    """The last day that is over, in Vietnam."""
    return (statements.day_of(datetime.now(UTC)) - timedelta(days=1)).isoformat()


def day_text(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """A day as YYYY-MM-DD."""
    try:
        return None if value is None else date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise click.BadParameter("YYYY-MM-DD") from error


@click.command("statement")
@CONFIG
@click.argument("agency", default="")
@click.option("--day", callback=day_text, help="The day, YYYY-MM-DD; with AGENCY its statement.")
@click.option("--close", "closing", is_flag=True, help="Make what is due now, through --day; yesterday by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the statement with its entries to this file.")
@click.option("--limit", default=100, show_default=True, help="Most rows.")
@options
def statement(config: Path, agency: str, day: str | None, closing: bool, output: Path | None, limit: int, screen: Screen) -> None:
    """List the sealed daily statements, of AGENCY or of all; write one to a file."""
    with hub_of(config) as hub:
        if closing:
            made = statements.close_days(hub.office, through=date.fromisoformat(day) if day else None)
            screen.say(f"Đã lập {made} bảng kê.", f"{made} statements made.")
        if output is not None:
            if not agency:
                raise click.UsageError("--output needs AGENCY")
            wanted = day or yesterday()
            write(output, statements.statement_of(hub.office, agency, wanted))
            screen.value({"file": str(output), "agency": agency, "day": wanted})
            screen.say(f"Đã ghi {output}", f"Written {output}")
            return
        rows = [row for row in statements.listed(hub.office, agency, limit=limit) if not day or row["day"] == day]
    screen.value(rows)
    columns = (("Ngày", "Day"), ("Cơ quan", "Agency"), ("Số mục", "Entries"), ("Từ – đến", "From – to"), ("Gốc", "Root"))
    shown = [(r["day"], r["agency"], str(r["count"]), f"{r['first']} – {r['last']}", r["root"][:16] + "…") for r in rows]
    screen.table(("Bảng kê ngày", "Daily statements"), columns, shown)


@click.command("reconcile")
@NODE_CONFIG
@click.option("--day", callback=day_text, help="The day, YYYY-MM-DD; yesterday by default.")
@click.option("--statement", "file", type=FILE, help="A statement file instead of asking the hub: works offline.")
@click.option("--before", "before_file", type=FILE, help="The statement of the day before, where the node has not kept it.")
@options
def reconcile_day(config: Path, day: str | None, file: Path | None, before_file: Path | None, screen: Screen) -> None:
    """Compare a day's sealed statement with this agency's own journal.

    Says what is missing in the log, what the log has too much, and what differs.
    Exit codes: 0 they agree, 1 they do not (or the statement does not hold), 2 wrong usage.
    """
    settings = load_node(config, os.environ)
    wanted = day or yesterday()
    data = file.read_bytes() if file is not None else with_client(config, lambda client, _: client.statement(wanted))
    try:
        result = against_journal(settings, data, online=file is None, before=before_file.read_bytes() if before_file else None)
    except SigningError as error:
        screen.value({"ok": False, "code": error.code, "detail": error.detail, "place": error.place})
        sys.exit(refused(screen, error))
    screen.value(result.to_json())
    _show(screen, result)
    sys.exit(0 if result.ok else 1)


def against_journal(settings: NodeSettings, data: bytes, *, online: bool, before: bytes | None = None) -> Reconciliation:
    """Check a statement and compare it with the node's journal.

    Raises:
        StatementInvalid, SealInvalid: the statement does not hold. LogUnavailable: the log did not answer.
    """
    now, trust, keys = datetime.now(UTC), Trust.load(settings.trust), vkeys(settings.trust)
    found = check_statement(data, trust=trust, vkeys=keys, at=now)
    if found.statement.agency != settings.agency:
        raise click.UsageError(f"a statement of {found.statement.agency}, not of {settings.agency}")
    kept = before or Shelf(settings.data / "reconciliation").before(found.statement.day)
    previous: StatementFinding | None = check_statement(kept, trust=trust, vkeys=keys, at=now) if kept is not None else None
    fetch = http_log(settings.hub_url, client_tls(settings.tls_certificate, settings.tls_ca)) if online else None
    store = Store.open(settings.database_url, blobs=settings.data / "blobs", schema="node")
    try:
        with store.read() as connection:
            return reconcile(connection, found, before=previous, fetch=fetch)
    finally:
        store.close()


def _show(screen: Screen, result: Reconciliation) -> None:
    head: tuple[Any, ...] = (result.day, result.agency, result.count, result.matched, result.noted, result.proven)
    screen.say(
        "Ngày {}, {}: {} mục trong bảng kê, {} khớp nhật ký, {} chỉ của trục, {} có chứng minh trong sổ công khai".format(*head),
        "Day {}, {}: {} entries in the statement, {} agree with the journal, {} of the hub alone, {} proven in the public log".format(*head),
    )
    if result.ok:
        screen.say("✓ Khớp: không thiếu, không thừa, không khác.", "✓ They agree: nothing missing, nothing extra, nothing altered.")
    else:
        _table(("✗ Không khớp", "✗ They do not agree"), result.differences, screen)
    if result.elsewhere:
        _table(("Gửi thay cơ quan bằng cách khác, theo lời của trục", "Sent for the agency by another way, on the hub's word"), result.elsewhere, screen)
    for reason in dict.fromkeys((r.code, screen.word(r.vi.split(" (")[0], r.en.split(" (")[0])) for r in (d.reason for d in result.differences)):
        screen.fail(*(reason[0], reason[1], reason[1]))


def _table(title: Pair, found: Sequence[Difference], screen: Screen) -> None:
    columns = (("", ""), ("Mục", "Entry"), ("Sự kiện", "Event"), ("Văn bản", "Document"), ("Chi tiết", "Detail"))
    rows = [
        (
            screen.word(*KINDS[d.kind]),
            str(d.number) if d.number >= 0 else "",
            event_label(screen, d.event, "") if d.event else "",
            d.document_id or d.envelope,
            d.detail,
        )
        for d in found
    ]
    screen.table(title, columns, rows)


COMMANDS: tuple[click.Command, ...] = (statement, reconcile_day)
