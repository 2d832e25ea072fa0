"""cli_hub — the operator's verbs: they work on the hub's own store, by its configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from exchange.agency import Agency, Mode
from exchange.cli_secret import secret
from exchange.config import HubSettings, load_hub
from exchange.hub import Hub
from exchange.origin import in_words
from exchange.server import open_hub, run_hub
from exchange.store.engine import Store
from signing.checkpoint import verify_note
from signing.show import EVENT_COLUMNS, Screen, event_label, local, moment, options

FILE = click.Path(path_type=Path, exists=True)
CONFIG = click.option("--config", "config", type=FILE, envvar="VANTHU_CONFIG", default="hub.toml", show_default=True, help="The hub's configuration file.")
WHY = click.option("--reason", default="", help="Why; goes into the custody log.")


@contextmanager
def hub_of(config: Path) -> Iterator[Hub]:
    """The hub over its configuration, closed afterwards."""
    hub = open_hub(load_hub(config, os.environ))
    try:
        yield hub
    finally:
        hub.close()


def operator() -> str:
    """Who is at the keyboard, for the custody log."""
    return os.environ.get("VANTHU_OPERATOR") or os.environ.get("USER") or "operator"


@click.command()
@CONFIG
def serve(config: Path) -> None:
    """Run the hub until it is told to stop."""
    run_hub(load_hub(config, os.environ))


@click.command()
@CONFIG
@options
def migrate(config: Path, screen: Screen) -> None:
    """Bring the hub's database to this version."""
    settings = load_hub(config, os.environ)
    Store.open(settings.database_url, blobs=settings.blob_folder, migrate=True).close()
    screen.value({"migrated": True})
    screen.say("Cơ sở dữ liệu đã ở phiên bản mới nhất.", "The database is at the newest version.")


@click.group()
def agency() -> None:
    """The directory: add, list, close, succeed."""


@agency.command("add")
@CONFIG
@click.argument("code")
@click.argument("name")
@click.option("--seal", type=FILE, help="PEM with the agency's seal certificate.")
@click.option("--tls", type=FILE, help="PEM with its connection certificate.")
@click.option("--push", "endpoint", default="", help="Deliver to this https URL instead of waiting to be collected.")
@click.option("--parent", default="", help="Code of the agency above.")
@click.option("--legacy-code", default="", help="Code by QCVN 102:2016.")
@click.option("--strict", is_flag=True, help="Refuse half-signed documents from and to this agency.")
@options
def add(
    config: Path, code: str, name: str, seal: Path | None, tls: Path | None, endpoint: str, parent: str, legacy_code: str, strict: bool, screen: Screen
) -> None:
    """Enter an agency with its certificates."""
    row = Agency(code=code, name=name, mode=Mode.PUSH if endpoint else Mode.PULL, endpoint=endpoint, parent=parent, legacy_code=legacy_code, strict=strict)
    with hub_of(config) as hub:
        hub.add_agency(row, seal_pem=seal.read_bytes() if seal else None, tls_pem=tls.read_bytes() if tls else None, by=operator())
        screen.value(hub.agency(code))
    screen.say(f"Đã thêm {code} {name}", f"Added {code} {name}")


@agency.command("list")
@CONFIG
@click.argument("query", default="")
@options
def list_agencies(config: Path, query: str, screen: Screen) -> None:
    """List the directory, or what contains QUERY."""
    with hub_of(config) as hub:
        rows = hub.agencies(query)
    screen.value(rows)
    columns = (("Mã", "Code"), ("Tên", "Name"), ("Trạng thái", "State"), ("Cách nhận", "Delivery"), ("Kế thừa", "Successor"))
    screen.table(("Danh bạ", "Directory"), columns, [(r["code"], r["name"], r["status"], r["mode"], r["successor"]) for r in rows])


agency.add_command(secret)


@agency.command("close")
@CONFIG
@click.argument("code")
@options
def close(config: Path, code: str, screen: Screen) -> None:
    """Close an agency: mail to it is refused from now on."""
    with hub_of(config) as hub:
        hub.close_agency(code, by=operator())
        screen.value(hub.agency(code))
    screen.say(f"Đã đóng {code}", f"Closed {code}")


@agency.command("succeed")
@CONFIG
@click.argument("code")
@click.argument("successor")
@options
def succeed(config: Path, code: str, successor: str, screen: Screen) -> None:
    """Close an agency and name its successor."""
    with hub_of(config) as hub:
        hub.succeed_agency(code, successor, by=operator())
        screen.value(hub.agency(code))
    screen.say(f"{code} được {successor} kế thừa", f"{code} is succeeded by {successor}")


@click.command()
@CONFIG
@click.option("--state", default="", help="Only this transport state.")
@click.option("--agency", "code", default="", help="Only from or to this agency.")
@click.option("--limit", default=200, show_default=True, help="Most rows.")
@options
def queue(config: Path, state: str, code: str, limit: int, screen: Screen) -> None:
    """Deliveries, newest first."""
    with hub_of(config) as hub:
        rows = hub.queue(state=state, agency=code, limit=limit)
    screen.value(rows)
    columns = (
        ("Lượt chuyển", "Delivery"),
        ("Từ", "From"),
        ("Đến", "To"),
        ("Văn bản", "Document"),
        ("Chuyển", "State"),
        ("Xử lý", "Status"),
        ("Lần", "Attempt"),
        ("Lỗi gần nhất", "Last error"),
    )
    shown = [(r["delivery"], r["from"], r["recipient"], r["document_id"], r["state"], r["status"], str(r["attempt"]), r["last_error"]) for r in rows]
    screen.table(("Hàng đợi", "Queue"), columns, shown)


@click.command()
@CONFIG
@click.argument("document")
@options
def trace(config: Path, document: str, screen: Screen) -> None:
    """Where is DOCUMENT (its id, or the envelope's), and who must act?"""
    with hub_of(config) as hub:
        found = hub.trace(document)
    screen.value(found)
    for life in found:
        show_life(life, screen)


def show_life(life: dict[str, Any], screen: Screen) -> None:
    """Facts, deliveries and events of one document."""
    screen.say(f"{life['document_id']} — {life['subject']}", f"{life['document_id']} — {life['subject']}")
    origin = life["origin"]
    screen.say(*(" — ".join(filter(None, (origin[text], origin["system"], origin["key"]))) for text in ("text_vi", "text_en")))
    columns = (("Cơ quan nhận", "Recipient"), ("Chuyển", "State"), ("Xử lý", "Status"), ("Việc tiếp theo", "Who must act"), ("Lỗi", "Error"))
    rows = [
        (
            f"{d['recipient']} {d['recipient_name']}",
            d["state"],
            f"{d['status']} {screen.word(d['status_vi'], d['status_en'])}".strip(),
            screen.word(d["waiting_for_vi"], d["waiting_for_en"]),
            d["last_error"],
        )
        for d in life["deliveries"]
    ]
    screen.table(("Các lượt chuyển", "Deliveries"), columns, rows)
    if life.get("changes") or life.get("thread"):
        _show_changes(life, screen)
    events = [
        (str(e["index"]), moment(e["at"]), event_label(screen, e["event"], e["status"]), e["by"], e["recipient"], screen.word(*in_words(e["why"])))
        for e in life["events"]
    ]
    screen.table(("Sổ lưu giữ", "Custody"), (*EVENT_COLUMNS, ("Lý do", "Why")), events)


def _show_changes(life: dict[str, Any], screen: Screen) -> None:
    """What was recalled, updated or replaced and how it was answered; what it answers, and what answers it."""
    columns = (("Cơ quan nhận", "Recipient"), ("Việc", "Change"), ("Kết quả", "Effect"), ("Trả lời", "Answer"), ("Lý do", "Reason"), ("Bằng", "By"))
    rows = [
        (
            c["recipient"],
            screen.word(c["change_vi"], c["change_en"]),
            screen.word(c["effect_vi"], c["effect_en"]),
            f"{c['answer']} {screen.word(c['answer_vi'], c['answer_en'])}".strip(),
            c["reason"],
            c["by"],
        )
        for c in life["changes"]
    ]
    if rows:
        screen.table(("Thu hồi, lấy lại, cập nhật, thay thế", "Recalls, take-backs, updates, replacements"), columns, rows)
    for line in life["thread"]:
        said = screen.word(line["relation_vi"], line["relation_en"])
        other = " ".join(filter(None, (line["from"], line["code"], line["document_id"])))
        screen.say(*(f"{other} {said} {screen.word('văn bản này', 'this document')}" if line["inward"] else f"{said} {other}",) * 2)
        if line.get("missed"):
            screen.say(f"  chưa gửi bản đính chính: {', '.join(line['missed'])}", f"  the correction was not sent to: {', '.join(line['missed'])}")


def _operate(name: str, help_text: str, act: Callable[[Hub, str, str], None], done: tuple[str, str]) -> click.Command:
    @click.command(name, help=help_text)
    @CONFIG
    @click.argument("delivery")
    @WHY
    @options
    def command(config: Path, delivery: str, reason: str, screen: Screen) -> None:
        with hub_of(config) as hub:
            act(hub, delivery, reason)
        screen.value({"delivery": delivery, "done": name})
        screen.say(*done)

    return command


hold = _operate("hold", "Keep a queued delivery back.", lambda h, d, r: h.hold(d, by=operator(), reason=r), ("Đã giữ lại.", "Held."))
release = _operate("release", "Let a held delivery go on.", lambda h, d, r: h.release(d, by=operator(), reason=r), ("Đã cho chuyển tiếp.", "Released."))
resend = _operate(
    "resend", "Send a failed, expired or silent delivery again.", lambda h, d, r: h.resend(d, by=operator(), reason=r), ("Đã xếp gửi lại.", "Queued again.")
)


@click.command()
@CONFIG
@options
def doctor(config: Path, screen: Screen) -> None:
    """Check that the hub can run: configuration, keys, database, folders, log."""
    settings = load_hub(config, os.environ)
    rows = [(name, *_try(check, settings)) for name, check in _CHECKS]
    screen.value([{"check": name, "ok": ok, "detail": detail} for name, ok, detail in rows])
    screen.table(("Kiểm tra", "Checks"), (("Mục", "Check"), ("", ""), ("Chi tiết", "Detail")), [(n, "✓" if ok else "✗", d) for n, ok, d in rows])
    sys.exit(0 if all(ok for _, ok, _ in rows) else 1)


def _try(check: Callable[[HubSettings], str], settings: HubSettings) -> tuple[bool, str]:
    try:
        return True, check(settings)
    except Exception as error:  # the point is to say what is wrong, whatever it is
        return False, f"{type(error).__name__}: {error}"


def _check_hub(settings: HubSettings) -> str:
    hub = open_hub(settings)
    try:
        return f"{settings.database_url.split(':')[0]}, {hub.entries()} entries, {hub.directory.count()} agencies"
    finally:
        hub.close()


def _check_seal(settings: HubSettings) -> str:
    hub = open_hub(settings)
    try:
        certificate = hub.office.seal_key.certificate
        result = hub.office.trust().path(certificate, hub.office.seal_key.chain, at=datetime.now(UTC))
        if result.problem:
            raise ValueError(result.problem)
        return f"{certificate.subject.rfc4514_string()} → {result.anchor}, {local(certificate.not_valid_after_utc)}"
    finally:
        hub.close()


def _check_disk(settings: HubSettings) -> str:
    probe = settings.blob_folder / ".probe"
    probe.write_bytes(b"")
    probe.unlink()
    free = os.statvfs(settings.blob_folder)
    return f"{free.f_bavail * free.f_frsize // 2**20} MiB"


def _check_log(settings: HubSettings) -> str:
    hub = open_hub(settings)
    try:
        return verify_note(hub.office.head(), hub.office.vkeys()).origin
    finally:
        hub.close()


_CHECKS = (("store", _check_hub), ("seal", _check_seal), ("blobs", _check_disk), ("log head", _check_log))
VERBS = (serve, agency, queue, trace, hold, release, resend, migrate, doctor)
